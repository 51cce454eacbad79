//! What the pages of an issue show: the editor's page, where the text is the page; and the issue to read, where it no
//! longer changes or somebody only looks.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::issue_form::{Typed, mark};
use super::words::{self, Moment, State};
use crate::db::composing::Step;
use crate::domain::article::IssueArticle;
use crate::domain::calendar::Timestamp;
use crate::domain::composition::{self, Composition, Field, Item};
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::pipeline::composing::Open;
use crate::web::words::zone_name;

/// What stands above both pages.
#[derive(Serialize)]
pub struct Head {
    pub id: i64,
    title: String,
    newsletter: String,
    newsletter_slug: String,
    state: State,
    says: String,
    /// Where it is sent, or watched.
    next: Option<Next>,
}

#[derive(Serialize)]
struct Next {
    href: String,
    words: &'static str,
}

impl Head {
    pub fn of(
        issue: &Issue,
        newsletter: &Newsletter,
        schedule: Option<&Schedule>,
        now: Timestamp,
        may_edit: bool,
    ) -> Self {
        let next = match issue.state {
            IssueState::Draft | IssueState::Frozen if may_edit => Some(("send", "Approve or send")),
            IssueState::Approved if may_edit => Some(("send", "Hold or send now")),
            IssueState::Sending | IssueState::Paused => Some(("live", "Watch it go out")),
            IssueState::Sent => Some(("live", "See its results")),
            _ => None,
        };
        let zone = schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone);
        let number = if issue.number > 0 { format!(", No. {}", issue.number) } else { String::new() };
        let when = |at| words::when(at, now, zone);
        let slot = format!("{} ({})", when(issue.slot_at), zone_name(zone));
        let since = issue.frozen_at.map(|at| format!("It froze {}", when(at)));
        let since = since.unwrap_or_else(|| "It never froze".to_owned());
        let because = issue.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let says = match issue.state {
            IssueState::Draft if schedule.is_none() => "Goes out when an editor sends it.".to_owned(),
            IssueState::Draft => format!("Freezes {} and goes out {slot}.", when(issue.cutoff_at)),
            IssueState::Frozen if issue.held => {
                format!("{since} and no longer changes. An editor holds it: it goes out once it is approved.")
            }
            IssueState::Frozen => format!("{since} and no longer changes. It is for {slot}."),
            IssueState::Approved => format!("{since} and no longer changes. It goes out {slot}."),
            IssueState::Sending => {
                format!("{since} and no longer changes: it has been going out since {slot}.")
            }
            IssueState::Paused => format!("{since} and no longer changes. Its sending is paused{because}."),
            IssueState::Sent => format!("{since} and no longer changes. It went out {slot}."),
            IssueState::Cancelled => format!("It was cancelled and no longer changes{because}."),
            IssueState::Skipped => format!("It was skipped and no longer changes{because}."),
        };
        Self {
            id: issue.id,
            title: format!("{} {}{number}", words::whose(issue.slot_at, now, zone), newsletter.name),
            newsletter: newsletter.name.clone(),
            newsletter_slug: newsletter.slug.clone(),
            state: words::state(issue),
            says,
            next: next.map(|(page, words)| Next { href: format!("/desk/issues/{}/{page}", issue.id), words }),
        }
    }
}

/// A text to write in.
#[derive(Serialize)]
pub struct Text {
    name: String,
    value: String,
    /// The mark of what is stored now.
    was: String,
    limit: usize,
    problem: Option<String>,
    /// What somebody else wrote there meanwhile.
    theirs: Option<String>,
}

/// A line that an inbox shows: subject or preheader.
#[derive(Serialize)]
pub struct Line {
    #[serde(flatten)]
    text: Text,
    label: &'static str,
    /// The newsletter's own, which stands where the editor writes none.
    own: String,
    length: Option<Length>,
}

/// How much of a line inboxes show.
#[derive(Serialize)]
pub struct Length {
    printed: String,
    count: usize,
    says: &'static str,
    cuts: Vec<Cut>,
}

#[derive(Serialize)]
struct Cut {
    place: &'static str,
    text: String,
}

/// What inboxes show of a line, in characters: about.
const WIDTHS: [(&str, usize); 3] = [("A phone", 40), ("A narrow window", 50), ("A wide window", 90)];

impl Length {
    pub fn of(printed: &str) -> Self {
        let count = printed.chars().count();
        let cut = |(place, width): (&'static str, usize)| Cut {
            place,
            text: match count > width {
                true => format!("{}…", printed.chars().take(width).collect::<String>().trim_end()),
                false => printed.to_owned(),
            },
        };
        let says = match count {
            0 => "there is nothing to show",
            1..=40 => "all of it is seen everywhere, also on a phone",
            41..=50 => "a phone shows about 40 of them",
            51..=90 => "a phone shows about 40 of them, a narrow window 50",
            _ => "few see all of it: a phone shows about 40 of them, a narrow window 50, a wide one 90",
        };
        Self { count, says, cuts: WIDTHS.map(cut).into(), printed: printed.to_owned() }
    }
}

/// Something that stands in the list: a heading, or an article with what can be done to it.
#[derive(Serialize)]
struct Row {
    item: String,
    id: i64,
    is_lead: bool,
    is_last: bool,
    /// A heading that stands here; or, of an article without one above it, where to write one.
    heading: Option<Text>,
    article: Option<ArticleRow>,
}

#[derive(Serialize)]
struct ArticleRow {
    title: String,
    headline: Text,
    summary: Text,
    is_rewritten: bool,
    url: Option<String>,
    source: String,
    topics: Vec<String>,
    pinned: bool,
}

#[derive(Serialize)]
struct Waiting {
    id: i64,
    title: String,
    url: Option<String>,
    source: String,
    fresh: Moment,
}

/// A step of the history.
#[derive(Serialize)]
pub struct StepView {
    version: i64,
    who: String,
    what: String,
    at: Moment,
}

pub fn steps(steps: Vec<Step>, now: Timestamp, zone: chrono_tz::Tz) -> Vec<StepView> {
    let view = |step: Step| StepView {
        version: step.version,
        who: step.who,
        what: step.what,
        at: Moment::past(step.at, now, zone),
    };
    steps.into_iter().map(view).collect()
}

/// What an editor wrote for an article that somebody else took out meanwhile.
#[derive(Serialize)]
struct Lost {
    id: i64,
    texts: Vec<LostText>,
}

#[derive(Serialize)]
pub struct LostText {
    pub name: String,
    pub label: String,
    pub text: String,
}

/// The editor's page.
#[derive(Serialize)]
pub struct Editor {
    head: Head,
    version: i64,
    edited: bool,
    introduction: Text,
    lines: Vec<Line>,
    rows: Vec<Row>,
    count: String,
    waiting: Vec<Waiting>,
    more_waiting: i64,
    history: Vec<StepView>,
    /// Who did what since the version that was typed on; empty where nothing came between.
    meanwhile: Vec<StepView>,
    is_stale: bool,
    has_problems: bool,
    was_to_act: bool,
    lost: Vec<Lost>,
}

/// What was typed and not saved, and why not.
pub enum Kept<'t> {
    Nothing,
    Problems(&'t Typed, BTreeMap<Field, String>),
    Stale(&'t Typed, Vec<StepView>),
}

impl Kept<'_> {
    fn typed(&self) -> Option<&Typed> {
        match self {
            Self::Nothing => None,
            Self::Problems(typed, _) | Self::Stale(typed, _) => Some(typed),
        }
    }
}

impl Editor {
    pub fn of(
        mut open: Open,
        lines: Option<(String, String)>,
        history: Vec<StepView>,
        topics: &[crate::domain::topic::Topic],
        kept: Kept<'_>,
        now: Timestamp,
    ) -> Self {
        let head = Head::of(&open.issue, &open.newsletter, open.schedule.as_ref(), now, true);
        if let Kept::Problems(typed, _) = &kept {
            // Nothing came between: what was typed stands in the order in which it was typed.
            let is_in = |item: &&Item| match item {
                Item::Article(id) | Item::Heading(id) => open.articles.contains_key(id),
            };
            let items: Vec<Item> = typed.items.iter().filter(is_in).copied().collect();
            if !items.is_empty() {
                open.composition.arrange(&items);
            }
        }
        let zone = open.schedule.as_ref().map_or(open.newsletter.zone, |schedule| schedule.slots.zone);
        let text = |field: Field| text(&open, &kept, field);
        let (subject, preheader) = lines.unzip();
        let line = |label, field, own: &str, printed: Option<String>| Line {
            text: text(field),
            label,
            own: own.to_owned(),
            length: printed.as_deref().map(Length::of),
        };
        let rules = &open.newsletter.rules;
        let waiting = |article: &crate::db::articles::Article| Waiting {
            id: article.id,
            title: article.title.clone(),
            url: article.url.clone(),
            source: article.source.clone(),
            fresh: Moment::past(article.fresh_at, now, zone),
        };
        Self {
            version: open.issue.version,
            edited: open.issue.edited,
            introduction: text(Field::Introduction),
            lines: vec![
                line("Subject", Field::Subject, &rules.subject, subject),
                line("Preheader", Field::Preheader, &rules.preheader, preheader),
            ],
            rows: rows(&open, &text, topics),
            count: words::count(i64::try_from(open.composition.places.len()).unwrap_or(0), "article"),
            waiting: open.waiting.iter().map(waiting).collect(),
            more_waiting: open.count_waiting - i64::try_from(open.waiting.len()).unwrap_or(0),
            lost: kept.typed().map(|typed| lost(typed, &open.composition)).unwrap_or_default(),
            is_stale: matches!(kept, Kept::Stale(..)),
            has_problems: matches!(kept, Kept::Problems(..)),
            was_to_act: kept.typed().is_some_and(|typed| typed.act.is_some()),
            meanwhile: match kept {
                Kept::Stale(_, steps) => steps,
                _ => vec![],
            },
            history,
            head,
        }
    }

    pub fn title(&self) -> &str {
        &self.head.title
    }
}

/// A field as it is filled in: with what was typed, where it was not saved, or with what is stored.
fn text(open: &Open, kept: &Kept<'_>, field: Field) -> Text {
    let stored = open.shown(field);
    let typed = kept.typed().and_then(|typed| typed.changed.get(&field));
    Text {
        name: field.to_string(),
        was: mark(stored),
        limit: field.limit(),
        problem: match kept {
            Kept::Problems(_, problems) => problems.get(&field).cloned(),
            _ => None,
        },
        theirs: match (kept, typed) {
            (Kept::Stale(other, _), Some(typed)) if typed != stored && other.was_overtaken(field, stored) => {
                Some(stored.to_owned())
            }
            _ => None,
        },
        value: typed.map_or(stored, String::as_str).to_owned(),
    }
}

fn rows(open: &Open, text: &dyn Fn(Field) -> Text, topics: &[crate::domain::topic::Topic]) -> Vec<Row> {
    let places = &open.composition.places;
    let items = open.composition.items();
    let row = |(index, item): (usize, &Item)| {
        let (is_lead, is_last) = (index == 0, index + 1 == items.len());
        let item_text = item.to_string();
        match *item {
            Item::Heading(id) => Some(Row {
                item: item_text,
                id,
                is_lead,
                is_last,
                heading: Some(text(Field::Heading(id))),
                article: None,
            }),
            Item::Article(id) => {
                let article = open.articles.get(&id)?;
                let place = places.iter().find(|place| place.article_id == id)?;
                let labels = topics.iter().filter(|topic| article.topics.contains(topic));
                Some(Row {
                    item: item_text,
                    id,
                    is_lead,
                    is_last,
                    heading: (!is_lead && place.heading.is_none()).then(|| text(Field::Heading(id))),
                    article: Some(ArticleRow {
                        title: article.title.clone(),
                        headline: text(Field::Headline(id)),
                        summary: text(Field::Summary(id)),
                        is_rewritten: place.headline.is_some() || place.summary.is_some(),
                        url: article.url.clone(),
                        source: article.source.clone(),
                        topics: labels.map(|topic| topic.name.clone()).collect(),
                        pinned: article.pinned,
                    }),
                })
            }
        }
    };
    items.iter().enumerate().filter_map(row).collect()
}

/// What was typed for articles that are no longer in.
fn lost(typed: &Typed, composition: &Composition) -> Vec<Lost> {
    let mut lost: BTreeMap<i64, Vec<LostText>> = BTreeMap::new();
    for (field, text) in &typed.changed {
        let (Field::Headline(id) | Field::Summary(id)) = *field else { continue };
        if composition.place(id).is_none() {
            lost.entry(id).or_default().push(lost_text(*field, text));
        }
    }
    lost.into_iter().map(|(id, texts)| Lost { id, texts }).collect()
}

/// A text that was not saved, to copy.
pub fn lost_text(field: Field, text: &str) -> LostText {
    let label = match field {
        Field::Introduction => "Introduction",
        Field::Subject => "Subject",
        Field::Preheader => "Preheader",
        Field::Headline(_) => "Headline",
        Field::Summary(_) => "Summary",
        Field::Heading(_) => "Heading",
    };
    LostText { name: field.to_string(), label: label.to_owned(), text: text.to_owned() }
}

/// An issue to read.
#[derive(Serialize)]
pub struct Reading {
    head: Head,
    introduction: Vec<String>,
    lines: Vec<ReadLine>,
    stories: Vec<Story>,
    history: Vec<StepView>,
    /// What was typed when it could no longer be saved.
    unsaved: Vec<LostText>,
    /// Others may change it: it is still filling.
    is_draft: bool,
}

#[derive(Serialize)]
struct ReadLine {
    label: &'static str,
    length: Length,
}

#[derive(Serialize)]
struct Story {
    heading: Option<String>,
    headline: String,
    summary: String,
    url: Option<String>,
    source: String,
}

impl Reading {
    pub fn of(
        head: Head,
        issue: &Issue,
        introduction: &str,
        stories: Stories,
        lines: Option<(String, String)>,
        history: Vec<StepView>,
        unsaved: Vec<LostText>,
    ) -> Self {
        let (subject, preheader) = lines.unzip();
        let line = |label, printed: Option<String>| {
            printed.map(|printed| ReadLine { label, length: Length::of(&printed) })
        };
        let paragraphs = introduction.replace("\r\n", "\n");
        Self {
            head,
            introduction: paragraphs
                .split("\n\n")
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect(),
            lines: [line("Subject", subject), line("Preheader", preheader)].into_iter().flatten().collect(),
            stories: stories.0,
            history,
            unsaved,
            is_draft: issue.state == IssueState::Draft,
        }
    }

    pub fn title(&self) -> &str {
        &self.head.title
    }
}

/// The articles of an issue in the order of the mail, each with the heading above it.
pub struct Stories(Vec<Story>);

impl Stories {
    pub fn of_draft(open: &Open) -> Self {
        let story = |place: &composition::Place| {
            let article = open.articles.get(&place.article_id)?;
            Some(Story {
                heading: place.heading.clone(),
                headline: open.shown(Field::Headline(article.id)).to_owned(),
                summary: open.shown(Field::Summary(article.id)).to_owned(),
                url: article.url.clone(),
                source: article.source.clone(),
            })
        };
        Self(open.composition.places.iter().filter_map(story).collect())
    }

    pub fn frozen(content: IssueContent) -> Self {
        let labels: Vec<_> = content.articles.iter().map(|article| (article.id, article.topics)).collect();
        let by_topic = composition::by_topic(&labels, &content.topics);
        let is_laid_out = content.laid_out;
        let order: Vec<(i64, Option<String>)> = match is_laid_out {
            true => {
                let mut section = None;
                let heading = |(index, article): (usize, &IssueArticle)| {
                    let begins = index > 0 && article.section != section;
                    section = if index > 0 { article.section.clone() } else { None };
                    (article.id, article.section.clone().filter(|_| begins))
                };
                content.articles.iter().enumerate().map(heading).collect()
            }
            false => by_topic.into_iter().map(|place| (place.article_id, place.heading)).collect(),
        };
        let mut articles: HashMap<i64, IssueArticle> =
            content.articles.into_iter().map(|article| (article.id, article)).collect();
        let story = |(id, heading)| {
            let article = articles.remove(&id)?;
            Some(Story {
                heading,
                headline: article.headline,
                summary: article.summary,
                url: article.url,
                source: article.source,
            })
        };
        Self(order.into_iter().filter_map(story).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_measured_as_inboxes_show_it() {
        let short = Length::of("The night train is back");
        assert_eq!((short.count, short.says), (23, "all of it is seen everywhere, also on a phone"));
        assert!(short.cuts.iter().all(|cut| cut.text == "The night train is back"));
        let long = Length::of(&"Où l’été ".repeat(12));
        assert_eq!(long.count, 108);
        assert_eq!(long.cuts[0].text.chars().count(), 41);
        assert!(long.cuts[0].text.ends_with('…') && long.says.starts_with("few see all of it"));
    }
}
