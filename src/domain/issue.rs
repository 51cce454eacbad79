//! Issues: one edition of a newsletter for one slot of one schedule, and the states it goes through.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::article::IssueArticle;
use super::calendar::Timestamp;
use super::introduction::{self, Block};
use super::measuring::Measure;
use super::newsletter::Approval;
use super::topic::Topic;

/// One edition of a newsletter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub id: i64,
    pub newsletter_id: i64,
    /// None for an issue that an editor sent to every subscriber of a newsletter without a schedule.
    pub schedule_id: Option<i64>,
    /// Counts the issues of a newsletter, from 1; given when it is frozen, 0 before.
    pub number: i64,
    pub slot_at: Timestamp,
    /// 0 for the regular issue of that day, more for extra editions sent by hand.
    pub edition: i64,
    /// The slot's local date, in the schedule's zone.
    pub slot_date: NaiveDate,
    pub cutoff_at: Timestamp,
    /// The schedule's own time, where an editor gave it another one while it was filling.
    pub moved_from: Option<Timestamp>,
    pub state: IssueState,
    /// Why it is skipped, cancelled, paused or held; for people.
    pub reason: Option<String>,
    /// Held by an editor: does not go out before it is approved.
    pub held: bool,
    /// How often it was paused.
    pub pauses: i64,
    /// Goes out as soon as it is addressed, whatever hours readers chose.
    pub at_once: bool,
    /// The editor's introduction, in the notation of [`super::introduction`]; may be empty.
    pub introduction: String,
    /// The editor's subject and preheader, in place of the newsletter's lines.
    pub subject: Option<String>,
    pub preheader: Option<String>,
    /// An editor has touched it: nothing goes in, out or up by itself any more.
    pub edited: bool,
    /// Counts the edits, from 0.
    pub version: i64,
    /// When its content froze.
    pub frozen_at: Option<Timestamp>,
    /// What is measured of its readers, as it was settled when it began to go out.
    pub measure: Measure,
}

impl Issue {
    /// Whether editors may still change what it holds: it is filling, or it is frozen and goes nowhere before one of
    /// them approves it.
    pub fn may_change(&self, approval: Approval) -> bool {
        match self.state {
            IssueState::Draft => true,
            IssueState::Frozen => self.held || approval == Approval::Required,
            _ => false,
        }
    }
}

/// What an issue holds, as it was frozen; stored as JSON beside the issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueContent {
    /// In the order in which they are printed; the first is the lead.
    pub articles: Vec<IssueArticle>,
    /// The newsletter's topics in the order of the sections.
    pub topics: Vec<Topic>,
    /// Handlebars lines and text as they stood when the issue was frozen.
    pub subject: String,
    pub preheader: String,
    pub introduction: String,
    /// An editor laid it out: articles stand in this order under their own sections, and not topic by topic.
    #[serde(default)]
    pub laid_out: bool,
    /// The introduction is in the notation of [`super::introduction`]; what was frozen before there was one is plain text.
    #[serde(default)]
    pub has_notation: bool,
    /// What editors took out since it was frozen, as it was: it comes back with the same words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out: Vec<IssueArticle>,
}

impl IssueContent {
    /// The introduction in its paragraphs and lists.
    pub fn introduction(&self) -> Vec<Block> {
        if self.has_notation {
            introduction::read(&self.introduction)
        } else {
            introduction::plain(&self.introduction)
        }
    }

    /// What readers find the issue by: headlines and summaries, [`folded`].
    pub fn words(&self) -> String {
        let texts = self.articles.iter().flat_map(|article| [article.headline.as_str(), &article.summary]);
        folded(&texts.collect::<Vec<_>>().join(" "))
    }
}

/// A text as it is searched: in small letters, without accents, strokes and ligatures, white space folded.
pub fn folded(text: &str) -> String {
    let letters: String = text.nfkd().filter(|letter| !is_combining_mark(*letter)).collect();
    let letters: String =
        letters.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut plain = String::with_capacity(letters.len());
    for letter in letters.to_lowercase().chars() {
        match as_typed(letter) {
            Some(typed) => plain.push_str(typed),
            None => plain.push(letter),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What people type for a small letter that Unicode does not take apart; none: the letter itself.
fn as_typed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ı' => "i",
        'ħ' => "h",
        'ŧ' => "t",
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueState {
    /// Fills as articles come.
    Draft,
    /// Content no longer changes by itself; waits for approval.
    Frozen,
    /// May go out at its slot.
    Approved,
    /// Is addressed and going out.
    Sending,
    /// Every delivery has come to an end.
    Sent,
    Paused,
    Cancelled,
    Skipped,
}

impl IssueState {
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::Frozen,
        Self::Approved,
        Self::Sending,
        Self::Sent,
        Self::Paused,
        Self::Cancelled,
        Self::Skipped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Frozen => "frozen",
            Self::Approved => "approved",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether no transition leads out of it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Sent | Self::Cancelled | Self::Skipped)
    }
}

/// What can happen to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueEvent {
    Freeze,
    Approve,
    /// The slot has come: its deliveries are written.
    Start,
    Finish,
    Pause,
    Resume,
    Cancel,
    Skip,
}

impl IssueEvent {
    pub const ALL: [Self; 8] = [
        Self::Freeze,
        Self::Approve,
        Self::Start,
        Self::Finish,
        Self::Pause,
        Self::Resume,
        Self::Cancel,
        Self::Skip,
    ];

    fn verb(self) -> &'static str {
        match self {
            Self::Freeze => "frozen",
            Self::Approve => "approved",
            Self::Start => "started",
            Self::Finish => "finished",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Skip => "skipped",
        }
    }
}

/// The state that `event` leads to; the error says why it cannot happen now.
pub fn transition(state: IssueState, event: IssueEvent) -> Result<IssueState, String> {
    use IssueEvent as E;
    use IssueState as S;
    match (state, event) {
        (S::Draft, E::Freeze) => Ok(S::Frozen),
        (S::Frozen, E::Approve) => Ok(S::Approved),
        (S::Approved, E::Start) => Ok(S::Sending),
        (S::Sending, E::Finish) => Ok(S::Sent),
        (S::Sending, E::Pause) => Ok(S::Paused),
        (S::Paused, E::Resume) => Ok(S::Sending),
        (S::Draft | S::Frozen | S::Approved | S::Sending | S::Paused, E::Cancel) => Ok(S::Cancelled),
        (S::Draft | S::Frozen | S::Approved, E::Skip) => Ok(S::Skipped),
        (state, event) => Err(format!("an issue that is {} cannot be {}", state.as_str(), event.verb())),
    }
}
