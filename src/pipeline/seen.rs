//! What an editor saw of an issue before they acted on it, as a form carries it; and what has changed since, in words.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::db::{self, Conn};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::Newsletter;

use super::{Error, compose};

/// How many articles or steps are told one by one.
const TOLD: usize = 3;

/// How much of a digest stands for a content: 64 bits, against chance and not against attack, as who acts may act.
const DIGEST: usize = 8;

/// An issue as a page shows it: `STATE.VERSION.SLOT.CONTENT.ARTICLES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    state: String,
    version: i64,
    slot_at: i64,
    /// A digest of a draft's words and articles; empty once it is frozen, and changes with its version alone.
    content: String,
    /// A draft's articles that are not held.
    pub articles: Vec<i64>,
}

/// How much of what an editor saw must still be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    State,
    /// And when it goes out.
    Slot,
    /// And what it holds.
    Content,
}

/// Where an issue stands, in a word.
pub fn state_of(issue: &Issue, starts_at: Option<Timestamp>) -> &'static str {
    match (issue.state, issue.held, starts_at) {
        (IssueState::Draft | IssueState::Frozen | IssueState::Approved, _, Some(_)) => "starting",
        (IssueState::Draft | IssueState::Frozen, true, None) => "held",
        (state, _, _) => state.as_str(),
    }
}

impl Seen {
    /// The issue as it is now, for what depends on its state alone.
    pub fn state_alone(issue: &Issue, starts_at: Option<Timestamp>) -> Self {
        Self {
            state: state_of(issue, starts_at).to_owned(),
            version: issue.version,
            slot_at: issue.slot_at.millis(),
            content: String::new(),
            articles: vec![],
        }
    }

    /// The issue as it is now.
    pub async fn now(
        conn: &mut Conn,
        newsletter: &Newsletter,
        issue: &Issue,
        starts_at: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let mut seen = Self::state_alone(issue, starts_at);
        if issue.state == IssueState::Draft {
            let mut articles = db::articles::of_issue(conn, issue.id).await?;
            articles.retain(|article| !article.held);
            seen.articles.extend(articles.iter().map(|article| article.id));
            let holds = compose::content(conn, newsletter, issue, articles).await?;
            let texts: Vec<_> = holds
                .articles
                .iter()
                .map(|article| {
                    (
                        article.id,
                        &article.headline,
                        &article.summary,
                        &article.image_alt,
                        &article.url,
                        &article.section,
                    )
                })
                .collect();
            let words = (&holds.subject, &holds.preheader, &holds.introduction);
            let json =
                serde_json::to_vec(&(words, texts)).map_err(|error| Error::Invalid(error.to_string()))?;
            seen.content =
                Sha256::digest(json).iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect();
        }
        Ok(seen)
    }

    /// What a form says was seen.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (state, version, slot_at) = (parts.next()?, parts.next()?, parts.next()?);
        let (content, articles) = (parts.next()?, parts.next()?);
        let ids = articles.split('-').filter(|id| !id.is_empty()).map(str::parse);
        Some(Self {
            state: state.to_owned(),
            version: version.parse().ok()?,
            slot_at: slot_at.parse().ok()?,
            content: content.to_owned(),
            articles: ids.collect::<Result<_, _>>().ok()?,
        })
    }

    /// What is no longer as it was seen, in words; nothing where all of it still is.
    pub async fn changes(
        &self,
        conn: &mut Conn,
        issue: &Issue,
        now: &Self,
        extent: Extent,
    ) -> Result<Vec<String>, Error> {
        let mut changes = vec![];
        if self.state != now.state {
            changes.push(format!("it was {}, and is {}", word(&self.state), word(&now.state)));
        }
        if extent != Extent::State && self.slot_at != now.slot_at {
            changes.push("its time is another".to_owned());
        }
        let is_other = (self.version, &self.content) != (now.version, &now.content);
        if extent != Extent::Content || !is_other {
            return Ok(changes);
        }
        let before = changes.len();
        let steps = db::composing::steps(conn, issue.id, self.version, TOLD as i64).await?;
        changes.extend(steps.iter().rev().map(|step| format!("{}: {}", step.who, step.what)));
        let came: Vec<i64> = now.articles.iter().copied().filter(|id| !self.articles.contains(id)).collect();
        let gone = self.articles.iter().filter(|id| !now.articles.contains(id)).count();
        if !issue.edited && !came.is_empty() {
            let articles =
                db::articles::of_ids(conn, issue.newsletter_id, &came[..came.len().min(TOLD)]).await?;
            let titles: Vec<String> = articles.iter().map(|article| format!("“{}”", article.title)).collect();
            let more = match came.len().saturating_sub(TOLD) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            changes.push(format!("{}{more} came in", titles.join(", ")));
        }
        if !issue.edited && gone > 0 {
            changes.push(format!("{gone} of its articles went out of it"));
        }
        if changes.len() == before {
            changes.push("the words or the order of its articles are others".to_owned());
        }
        Ok(changes)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.articles.iter().map(i64::to_string).collect();
        write!(to, "{}.{}.{}.{}.{}", self.state, self.version, self.slot_at, self.content, ids.join("-"))
    }
}

fn word(state: &str) -> &str {
    match state {
        "draft" => "filling",
        "starting" => "about to start",
        "sending" => "going out",
        state if IssueState::parse(state).is_some() || state == "held" => state,
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_comes_back_from_a_form_as_it_was_and_nonsense_does_not() {
        let mut seen = Seen {
            state: "draft".to_owned(),
            version: 3,
            slot_at: -1,
            content: "0a1b".to_owned(),
            articles: vec![7, 12],
        };
        assert_eq!(Seen::parse(&seen.to_string()).as_ref(), Some(&seen));
        seen.articles.clear();
        assert_eq!(Seen::parse(&seen.to_string()), Some(seen));
        for nonsense in ["", "draft", "draft.x.1..", "draft.1.1..a-b", "draft.1.1.99999999999999999999"] {
            assert_eq!(Seen::parse(nonsense), None, "{nonsense}");
        }
    }
}
