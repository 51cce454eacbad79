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
    /// When the address last changed.
    pub moved_at: Option<Timestamp>,
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

/// How the reason begins that a subscription which a bulk action ended, or a suppression which it made, gives; the action's
/// number follows. Its undo takes back what still says so, and nothing else.
pub const BULK_REASON: &str = "bulk action ";

/// What can happen to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// Somebody typed the address into a form: it may not have been its owner.
    SignUp,
    /// The owner pressed the button that only a mail to the address leads to.
    Confirm,
    /// An admin vouches for consent given elsewhere (import, `subscriber add`). Never brings back who has left.
    Import,
    /// An admin lists the address as not confirmed yet. Takes nothing from a reader, and brings back nobody either.
    ImportPending,
    Leave,
    /// The reader takes leaving back, soon after.
    Return,
}

/// The status that `event` leads to from `status` (none: no subscription yet).
///
/// Signing up again does not unsubscribe an active reader, and who left comes back only by signing up and confirming
/// anew, or by taking it back at once: a confirmation that was sent before does not bring anybody back.
pub fn transition(status: Option<SubscriptionStatus>, event: SubscriptionEvent) -> SubscriptionStatus {
    use SubscriptionEvent as E;
    use SubscriptionStatus as S;
    match (status, event) {
        (_, E::Leave) | (Some(S::Unsubscribed), E::Confirm | E::Import | E::ImportPending) => S::Unsubscribed,
        (Some(S::Active), E::SignUp | E::ImportPending)
        | (None | Some(S::Pending | S::Active), E::Confirm | E::Import) => S::Active,
        (Some(S::Active | S::Unsubscribed), E::Return) => S::Active,
        (None | Some(S::Pending | S::Unsubscribed), E::SignUp) => S::Pending,
        (None | Some(S::Pending), E::ImportPending | E::Return) => S::Pending,
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
    /// None: nobody told of one.
    pub consent: Option<Consent>,
    /// When an admin last had a mail ask the person to confirm, where that is on record in place of a consent.
    pub asked_at: Option<Timestamp>,
}

impl Subscription {
    /// When somebody last asked for it: by a form, or an admin.
    pub fn last_asked_at(&self) -> Option<Timestamp> {
        self.consent.as_ref().map(|consent| consent.at).max(self.asked_at)
    }
}

/// When, from where and to which words somebody agreed to be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Of a sign-up: when its form was sent; when it was confirmed is told beside it.
    pub at: Timestamp,
    /// A network address, a page, or the file of an import; once a sign-up is confirmed, where that was done from.
    pub from: String,
    /// The words that were agreed to.
    pub words: String,
}

/// An address that must not be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// None once the person is erased: only the keyed hash of the address is left.
    pub email: Option<EmailAddress>,
    pub reason: SuppressionReason,
    /// What the relay or the admin said; may be empty.
    pub detail: String,
    pub at: Timestamp,
}

/// Why an address must not be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuppressionReason {
    /// The address does not exist or takes no mail.
    Bounced,
    /// The reader reported a mail as unwanted.
    Complained,
    /// An admin put it on the list.
    Manual,
    /// The person was erased, and must not come back with the next import.
    Erased,
}

impl SuppressionReason {
    pub const ALL: [Self; 4] = [Self::Bounced, Self::Complained, Self::Manual, Self::Erased];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Manual => "manual",
            Self::Erased => "erased",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The reason as a sentence about the address.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Bounced => "mail to the address came back",
            Self::Complained => "the reader reported a mail as unwanted",
            Self::Manual => "an admin put the address on the suppression list",
            Self::Erased => "the person was erased",
        }
    }
}
