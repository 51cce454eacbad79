//! Newsletters and their schedules.

use chrono_tz::Tz;

use super::address::EmailAddress;
use super::calendar::{Slots, Timestamp};
use super::mail::Mailbox;
use super::measuring::Measure;

/// A publication that people subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newsletter {
    pub id: i64,
    /// Lower-case letters, digits and hyphens; names it in addresses, on the command line and in `List-Id`.
    pub slug: String,
    pub name: String,
    /// One sentence for the sign-up page; may be empty.
    pub description: String,
    pub from: Mailbox,
    pub reply_to: Option<EmailAddress>,
    /// BCP 47 tag: the language of readers who have not told theirs.
    pub language: String,
    pub zone: Tz,
    /// Postal address for the foot of the mail (CAN-SPAM and its like ask for one); may be empty.
    pub postal_address: String,
    /// `#rrggbb`: the colour of section labels and links in the mail.
    pub colour: String,
    pub logo_url: Option<String>,
    pub rules: Rules,
    /// Who is told when an issue is ready to approve, held or failed.
    pub editors: Vec<EmailAddress>,
    /// It stands where everybody can sign up, and takes who does.
    pub is_listed: bool,
}

/// How a newsletter's issues are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub approval: Approval,
    /// Fewer articles than this: no issue goes out, and the articles wait for the next.
    pub min_articles: i64,
    pub max_articles: i64,
    /// Oldest allowed age of an article at the slot, in hours; none: since the slot before, and a day.
    pub max_age_hours: Option<i64>,
    pub order: Order,
    /// Readers get only articles in their own language (and those whose language is unknown).
    pub match_language: bool,
    /// Handlebars line for the subject.
    pub subject: String,
    /// Handlebars line for the preheader: what an inbox shows behind the subject.
    pub preheader: String,
    /// How many minutes before the slot an issue's content freezes.
    pub cutoff_minutes: i64,
    /// How many minutes late a slot that was missed is still sent.
    pub grace_minutes: i64,
    /// What is measured of its readers, from the next issue that goes out on.
    pub measure: Measure,
}

/// The least grace in minutes: with less, a service that is restarted or waits for its database would miss a slot, or what
/// an editor sends, by seconds.
pub const LEAST_GRACE: i64 = 5;

impl Rules {
    /// How many minutes late a slot that was missed is still sent. Older versions allowed less than [`LEAST_GRACE`].
    pub fn grace(&self) -> i64 {
        self.grace_minutes.max(LEAST_GRACE)
    }
}

/// What must happen between freezing an issue and sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nothing: it goes out at its slot.
    Automatic,
    /// An editor approves it, or it does not go out.
    Required,
    /// It goes out at its slot unless an editor holds it.
    UnlessHeld,
}

impl Approval {
    pub const NAMES: [&str; 3] = ["automatic", "required", "unless-held"];

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "automatic" => Some(Self::Automatic),
            "required" => Some(Self::Required),
            "unless-held" => Some(Self::UnlessHeld),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Required => "required",
            Self::UnlessHeld => "unless-held",
        }
    }
}

/// The order of articles in an issue, behind the pinned ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Newest,
    Oldest,
    /// One of each source in turn, newest first, so that a busy source does not fill the page.
    Sources,
}

impl Order {
    pub const NAMES: [&str; 3] = ["newest", "oldest", "sources"];

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "newest" => Some(Self::Newest),
            "oldest" => Some(Self::Oldest),
            "sources" => Some(Self::Sources),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Sources => "sources",
        }
    }
}

/// When a newsletter goes out; a subscriber follows one of a newsletter's schedules, which is their frequency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub id: i64,
    pub newsletter_id: i64,
    /// What subscribers choose by, for instance `daily`.
    pub name: String,
    pub slots: Slots,
    pub paused: bool,
    /// Slots up to here are past: when it was made, or resumed.
    pub starts_at: Timestamp,
}
