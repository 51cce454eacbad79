//! Deliveries: the ledger's rows, what a relay can say about one, and what follows from it.

use super::calendar::{Slots, Timestamp};

/// What became of one attempt to hand a message to a relay. The decision between trying again and giving up is made
/// here, where the reply is understood, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub class: OutcomeClass,
    /// What the relay said, or what went wrong on our side of the wire, for people; at most 300 characters.
    pub detail: String,
    /// RFC 5321 reply code, where the relay gave one.
    pub code: Option<u16>,
    /// RFC 3463 enhanced status code, where the relay gave one.
    pub status: Option<(u8, u16, u16)>,
}

/// The closed vocabulary of outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeClass {
    /// The relay took the message (250 after the final dot).
    Sent,
    /// The relay asked to try this recipient again later (4yz).
    TryLater,
    /// The address does not exist or cannot be mailed (5.1.x): it is suppressed.
    BadAddress,
    /// This mailbox was refused for good, for another reason (5yz): not tried again, nobody suppressed.
    Refused,
    /// The refusal is about the sender or the message (5.7.x, authentication, 5yz to the content or its size): nobody
    /// suppressed, the editors are told, and the issue is paused where it goes on.
    OurFault,
    /// The connection failed after the whole message was written: the relay may have taken it (RFC 1047). Tried again,
    /// but not often: the reader may get it each time.
    Uncertain,
    /// The connection failed, or ended before the relay took the message: nothing was decided about the recipient.
    RelayDown,
}

/// What a relay said, for those who are not to see readers' addresses: without them.
pub fn without_addresses(text: &str) -> String {
    let hide = |word: &str| if word.contains('@') { "…".to_owned() } else { word.to_owned() };
    text.split(' ').map(hide).collect::<Vec<_>>().join(" ")
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    Queued,
    Claimed,
    Deferred,
    Sent,
    Failed,
    Skipped,
}

impl DeliveryState {
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Claimed, Self::Deferred, Self::Sent, Self::Failed, Self::Skipped];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Deferred => "deferred",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Why a delivery was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The subscription was never confirmed.
    Unconfirmed,
    /// The reader left the newsletter.
    Unsubscribed,
    /// The address is on the suppression list.
    Suppressed,
    /// The reader asked for a pause.
    Paused,
    /// Nothing in the issue is about the reader's topics, or in the reader's language.
    NoArticles,
    /// The issue was cancelled before this message went out.
    Cancelled,
}

impl SkipReason {
    pub const ALL: [Self; 6] = [
        Self::Unconfirmed,
        Self::Unsubscribed,
        Self::Suppressed,
        Self::Paused,
        Self::NoArticles,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Unsubscribed => "unsubscribed",
            Self::Suppressed => "suppressed",
            Self::Paused => "paused",
            Self::NoArticles => "no_articles",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The reason as a sentence about the reader.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unconfirmed => "the subscription was not confirmed",
            Self::Unsubscribed => "the reader had left this newsletter",
            Self::Suppressed => "the address is on the suppression list",
            Self::Paused => "the reader had paused the newsletter",
            Self::NoArticles => "no article was on the reader's topics or in the reader's language",
            Self::Cancelled => "the issue was cancelled before this message went out",
        }
    }
}

/// What to do with a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is sent: the end.
    Sent,
    /// Try again at this time.
    RetryAt(Timestamp),
    /// Give up; `suppress` says whether the address must not be mailed again.
    Fail { suppress: bool },
}

const A_DAY: i64 = 24 * 60 * 60 * 1000;

/// How long a mail to one person is worth sending after it was due, in milliseconds.
pub const NOTICE_LASTS: i64 = A_DAY;

/// How long an issue for this slot is worth sending after it was due, in milliseconds: until the schedule's next slot
/// brings another, but a day at least and eight at most; three days without a schedule. RFC 5321 §4.5.4.1 leaves the
/// give-up time to the sender.
pub fn issue_lasts(slot: Timestamp, slots: Option<&Slots>) -> i64 {
    let Some(slots) = slots else { return 3 * A_DAY };
    let next = slots.next(slot, None).map_or(i64::MAX, |next| next.at.millis());
    next.saturating_sub(slot.millis()).clamp(A_DAY, 8 * A_DAY)
}

/// What follows from an attempt's outcome.
///
/// `attempts` counts the attempts so far, this one included, and `uncertain` those of them that were uncertain; after
/// `stale` the message is worth nothing. Refused for now is tried again after 5, 15, 30, then every 60 minutes, until it is stale; a relay that is down costs no
/// recipient an attempt and is tried again after a minute. Where it is uncertain whether the relay has the message, it
/// is sent three times at most.
pub fn after_attempt(
    class: OutcomeClass,
    attempts: u32,
    uncertain: u32,
    stale: Timestamp,
    now: Timestamp,
) -> Next {
    const MINUTE: i64 = 60 * 1000;
    let wait = match class {
        OutcomeClass::Sent => return Next::Sent,
        OutcomeClass::BadAddress => return Next::Fail { suppress: true },
        OutcomeClass::Refused | OutcomeClass::OurFault => return Next::Fail { suppress: false },
        OutcomeClass::Uncertain if uncertain >= 3 => return Next::Fail { suppress: false },
        OutcomeClass::RelayDown => MINUTE,
        OutcomeClass::TryLater | OutcomeClass::Uncertain => match attempts {
            0 | 1 => 5 * MINUTE,
            2 => 15 * MINUTE,
            3 => 30 * MINUTE,
            _ => 60 * MINUTE,
        },
    };
    let retry = now.plus_millis(wait);
    if retry > stale { Next::Fail { suppress: false } } else { Next::RetryAt(retry) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Recurrence, TimeOfDay};

    const HOUR: i64 = A_DAY / 24;

    #[test]
    fn an_address_in_a_relays_words_is_hidden() {
        let said = "550 5.1.1 <ann@example.org>: no such user (ann@example.org)";
        assert_eq!(without_addresses(said), "550 5.1.1 … no such user …");
    }

    #[test]
    fn an_issue_is_worth_sending_until_the_next_one_comes() {
        let lasts = |days: &str, slot: &str| {
            let at = TimeOfDay::parse("07:00").unwrap();
            let zone = chrono_tz::Europe::Paris;
            let slots = Slots { recurrence: Recurrence::parse(days).unwrap(), at, zone };
            issue_lasts(Timestamp::parse(slot).unwrap(), Some(&slots))
        };
        assert_eq!(lasts("daily", "2026-03-02T06:00:00Z"), A_DAY);
        // The night in which clocks go forward has 23 hours, the one in which they go back 25.
        assert_eq!(lasts("daily", "2026-03-28T06:00:00Z"), A_DAY);
        assert_eq!(lasts("daily", "2026-10-24T05:00:00Z"), A_DAY + HOUR);
        assert_eq!(lasts("mon-fri", "2026-03-06T06:00:00Z"), 3 * A_DAY);
        assert_eq!(lasts("weekly", "2026-03-02T06:00:00Z"), 7 * A_DAY);
        assert_eq!(lasts("monthly", "2026-03-01T06:00:00Z"), 8 * A_DAY);
        // Sent by an editor an hour before its slot: the regular time is not another issue's.
        assert_eq!(lasts("daily", "2026-03-02T05:00:00Z"), A_DAY);
        assert_eq!(issue_lasts(Timestamp::from_millis(0), None), 3 * A_DAY);
    }

    #[test]
    fn what_would_come_too_late_is_not_tried_again() {
        let (now, stale) = (Timestamp::from_millis(0), Timestamp::from_millis(5 * 60 * 1000));
        assert_eq!(after_attempt(OutcomeClass::TryLater, 1, 0, stale, now), Next::RetryAt(stale));
        let later = now.plus_millis(1);
        assert_eq!(after_attempt(OutcomeClass::TryLater, 1, 0, stale, later), Next::Fail { suppress: false });
    }
}
