//! Subscribers, and their ties to newsletters.

use chrono_tz::Tz;

use super::address::EmailAddress;
use super::calendar::{TimeOfDay, Timestamp};
use super::topic::TopicSet;

/// A person, by e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub id: i64,
    pub email: EmailAddress,
    /// May be empty.
    pub name: String,
    /// BCP 47 tag; none: the newsletter's.
    pub language: Option<String>,
    /// None: the newsletter's.
    pub zone: Option<Tz>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    Pending,
    Active,
    Unsubscribed,
}

impl SubscriptionStatus {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Unsubscribed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Unsubscribed => "unsubscribed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What can happen to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// Somebody typed the address into a form: it may not have been its owner.
    SignUp,
    /// The owner pressed the button that only a mail to the address leads to.
    Confirm,
    /// An admin vouches for consent given elsewhere (import, `subscriber add`). Never brings back who has left.
    Import,
    Leave,
}

/// The status that `event` leads to from `status` (none: no subscription yet).
///
/// Signing up again does not unsubscribe an active reader, and who left comes back only by confirming anew.
pub fn transition(status: Option<SubscriptionStatus>, event: SubscriptionEvent) -> SubscriptionStatus {
    use SubscriptionEvent as E;
    use SubscriptionStatus as S;
    match (status, event) {
        (_, E::Leave) | (Some(S::Unsubscribed), E::Import) => S::Unsubscribed,
        (Some(S::Active), E::SignUp) | (_, E::Confirm) | (None | Some(S::Pending | S::Active), E::Import) => {
            S::Active
        }
        (None | Some(S::Pending | S::Unsubscribed), E::SignUp) => S::Pending,
    }
}

/// A subscriber's tie to one newsletter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: i64,
    pub subscriber_id: i64,
    pub newsletter_id: i64,
    pub status: SubscriptionStatus,
    /// None: the newsletter's first schedule.
    pub schedule_id: Option<i64>,
    /// Empty: every topic.
    pub topics: TopicSet,
    /// The reader's own hour; none: the schedule's slot.
    pub hour: Option<TimeOfDay>,
    pub paused_until: Option<Timestamp>,
    pub consent: Option<Consent>,
}

/// When, from where and to which words somebody agreed to be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub at: Timestamp,
    /// A network address, a page, or the file of an import.
    pub from: String,
    /// The words that were agreed to.
    pub words: String,
}
