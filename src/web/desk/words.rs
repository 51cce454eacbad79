//! Numbers, times and states as the desk says them.

use chrono::Datelike as _;
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::calendar::Timestamp;
use crate::domain::delivery::SkipReason;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::web::words::zone_name;

const MINUTE: i64 = 60 * 1000;

/// A number with its thousands apart: 12,480.
pub fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = if number < 0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// "1 article", "7 articles".
pub fn count(many: i64, what: &str) -> String {
    let ending = if many == 1 { "" } else { "s" };
    format!("{} {what}{ending}", number(many))
}

/// "14 of 59 readers".
pub fn of_readers(some: i64, all: i64) -> String {
    format!("{} of {}", number(some), count(all, "reader"))
}

/// The hour in a zone: 07:00.
pub fn hour(at: Timestamp, zone: Tz) -> String {
    at.in_zone(zone).format("%H:%M").to_string()
}

/// The day as seen from now: "today", "tomorrow", "on Friday", "on Friday, 21 November".
pub fn day(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let (at, now) = (at.in_zone(zone), now.in_zone(zone));
    match (at.date_naive() - now.date_naive()).num_days() {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        -1 => "yesterday".to_owned(),
        2..=6 => at.format("on %A").to_string(),
        _ if at.year() == now.year() => at.format("on %A, %-d %B").to_string(),
        _ => at.format("on %A, %-d %B %Y").to_string(),
    }
}

/// "tomorrow at 07:00".
pub fn when(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    format!("{} at {}", day(at, now, zone), hour(at, zone))
}

/// Whether clocks of two zones show the same at a moment.
fn show_alike(at: Timestamp, one: Tz, other: Tz) -> bool {
    at.in_zone(one).naive_local() == at.in_zone(other).naive_local()
}

/// The day of a time that is told in its own zone, where the page's other times are in another one: "23 November". There
/// "tomorrow" may be today. None where both are the same.
pub fn date_elsewhere(at: Timestamp, now: Timestamp, own: Tz, page: Tz) -> Option<String> {
    let is_alike = show_alike(at, own, page) && show_alike(now, own, page);
    (!is_alike).then(|| at.in_zone(own).format("%-d %B").to_string())
}

/// When something goes out, on a page with times of several zones: the day is that of its own zone, and where clocks of
/// the page's zone show another time, zone and date stand with it: "tomorrow at 06:30 America/Montreal (23 November)".
pub fn when_own(at: Timestamp, now: Timestamp, own: Tz, page: Tz) -> String {
    let when = when(at, now, own);
    match date_elsewhere(at, now, own, page) {
        Some(date) => format!("{when} {} ({date})", zone_name(own)),
        None => when,
    }
}

/// How long ago within a day, and when before: "5 minutes ago", "yesterday at 07:00".
pub fn ago(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    match (now.millis() - at.millis()) / MINUTE {
        ..=0 => "just now".to_owned(),
        minutes @ 1..60 => format!("{} ago", count(minutes, "minute")),
        minutes @ 60..720 => format!("{} ago", count(minutes / 60, "hour")),
        _ => when(at, now, zone),
    }
}

/// A moment: in words, and exactly for whoever points at it.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    pub words: String,
    pub exact: String,
    pub iso: String,
}

impl Moment {
    pub fn past(at: Timestamp, now: Timestamp, zone: Tz) -> Self {
        Self::of(with_zone(ago(at, now, zone), at, now, zone), at, zone)
    }

    /// Behind or ahead: "5 minutes ago", "in 3 hours", "tomorrow at 07:00".
    pub fn near(at: Timestamp, now: Timestamp, zone: Tz) -> Self {
        let words = match (at.millis() - now.millis()).div_euclid(MINUTE) {
            ..0 => ago(at, now, zone),
            0 if at > now => "within a minute".to_owned(),
            0 => "just now".to_owned(),
            minutes @ 1..60 => format!("in {}", count(minutes, "minute")),
            minutes @ 60..720 => format!("in {}", count(minutes / 60, "hour")),
            _ => when(at, now, zone),
        };
        Self::of(with_zone(words, at, now, zone), at, zone)
    }

    pub fn of(words: String, at: Timestamp, zone: Tz) -> Self {
        let exact = format!("{} {}", at.in_zone(zone).format("%Y-%m-%d %H:%M"), zone_name(zone));
        Self { words, exact, iso: at.to_string() }
    }
}

/// An hour in UTC names its zone: nobody's clock shows it but where a newsletter's does, and its pages say so.
fn with_zone(words: String, at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let is_hour = zone == Tz::UTC && words == when(at, now, zone);
    if is_hour { format!("{words} UTC") } else { words }
}

/// The zone that a list with times of several zones is told in: the one that most of them have, the first of those.
pub fn common_zone(zones: &[Tz]) -> Tz {
    let count = |zone: Tz| zones.iter().filter(|other| **other == zone).count();
    // The last of equals would win: the first is wanted.
    zones.iter().rev().copied().max_by_key(|zone| count(*zone)).unwrap_or(Tz::UTC)
}

/// The zone that a list of the issues of these newsletters is told in: the one in which most of their schedules go out.
pub fn lists_zone<'n>(newsletters: impl Iterator<Item = &'n Newsletter>, schedules: &[Schedule]) -> Tz {
    let mut zones = vec![];
    for newsletter in newsletters {
        let own = schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id);
        let before = zones.len();
        zones.extend(own.map(|schedule| schedule.slots.zone));
        if zones.len() == before {
            zones.push(newsletter.zone);
        }
    }
    common_zone(&zones)
}

/// Whose issue it is: "Tomorrow’s", "Friday’s", "The 21 December".
pub fn whose(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let (at, now) = (at.in_zone(zone), now.in_zone(zone));
    match (at.date_naive() - now.date_naive()).num_days() {
        0 => "Today’s".to_owned(),
        1 => "Tomorrow’s".to_owned(),
        -1 => "Yesterday’s".to_owned(),
        2..=6 => at.format("%A’s").to_string(),
        _ if at.year() == now.year() => at.format("The %-d %B").to_string(),
        _ => at.format("The %-d %B %Y").to_string(),
    }
}

/// Why readers do not get an issue, behind their number.
pub fn reason(reason: SkipReason, count: i64) -> &'static str {
    let (one, many) = match reason {
        SkipReason::Unconfirmed => ("has not confirmed", "have not confirmed"),
        SkipReason::Unsubscribed => ("has left", "have left"),
        SkipReason::Suppressed => ("is on the suppression list", "are on the suppression list"),
        SkipReason::Paused => ("has paused it", "have paused it"),
        SkipReason::NoArticles => (
            "finds nothing on their topics or in their language",
            "find nothing on their topics or in their language",
        ),
        SkipReason::Cancelled => ("because it was cancelled", "because it was cancelled"),
    };
    if count == 1 { one } else { many }
}

/// An issue's state as a word, and how it is coloured.
#[derive(Clone, Debug, Serialize)]
pub struct State {
    pub words: &'static str,
    pub tone: &'static str,
}

pub fn state(issue: &Issue) -> State {
    state_at(issue, None)
}

/// The same of an issue that an editor sends now, and that has not started.
pub fn state_at(issue: &Issue, starts_at: Option<Timestamp>) -> State {
    let (words, tone) = match (issue.state, issue.held) {
        (IssueState::Draft | IssueState::Frozen | IssueState::Approved, _) if starts_at.is_some() => {
            ("about to go out", "warn")
        }
        (IssueState::Draft, true) => ("filling, held", "warn"),
        (IssueState::Draft, false) => ("filling", ""),
        (IssueState::Frozen, true) => ("held", "warn"),
        (IssueState::Frozen, false) => ("frozen", "warn"),
        (IssueState::Approved, _) => ("approved", "good"),
        (IssueState::Sending, _) => ("going out", "good"),
        (IssueState::Sent, _) => ("sent", "good"),
        (IssueState::Paused, _) => ("paused", "bad"),
        (IssueState::Cancelled, _) => ("cancelled", "bad"),
        (IssueState::Skipped, _) => ("skipped", "bad"),
    };
    State { words, tone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!(
            [0, 999, 1000, 12_480, 1_000_000, -1500].map(number),
            ["0", "999", "1,000", "12,480", "1,000,000", "-1,500"]
        );
        assert_eq!(
            (count(1, "article"), count(0, "article")),
            ("1 article".to_owned(), "0 articles".to_owned())
        );
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let zone = chrono_tz::Europe::Paris;
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2026-11-21T22:30:00Z");
        assert_eq!(when(at("2026-11-22T06:00:00Z"), now, zone), "tomorrow at 07:00");
        assert_eq!(whose(at("2026-11-22T06:00:00Z"), now, zone), "Tomorrow’s");
        assert_eq!(whose(at("2026-12-24T06:00:00Z"), now, zone), "The 24 December");
        assert_eq!(ago(at("2026-11-21T22:29:00Z"), now, zone), "1 minute ago");
        assert_eq!(ago(at("2026-11-21T20:30:00Z"), now, zone), "2 hours ago");
        assert_eq!(ago(at("2026-11-20T08:30:00Z"), now, zone), "yesterday at 09:30");
        assert_eq!(ago(at("2026-11-22T08:30:00Z"), now, zone), "just now");
        for (time, words) in [
            ("2026-11-21T22:30:00Z", "just now"),
            ("2026-11-21T22:30:20Z", "within a minute"),
            ("2026-11-21T22:20:00Z", "10 minutes ago"),
            ("2026-11-21T22:45:00Z", "in 15 minutes"),
            ("2026-11-22T01:30:00Z", "in 3 hours"),
            ("2026-11-23T06:00:00Z", "on Monday at 07:00"),
        ] {
            assert_eq!(Moment::near(at(time), now, zone).words, words);
        }
        let (paris, tokyo) = (chrono_tz::Europe::Paris, chrono_tz::Asia::Tokyo);
        assert_eq!(common_zone(&[tokyo, paris, paris]), paris);
        assert_eq!((common_zone(&[tokyo, paris]), common_zone(&[])), (tokyo, Tz::UTC));
        // The day is that of the zone where it goes out: early in Paris it is the evening before in Montreal.
        let (early, montreal) = (at("2026-11-23T03:12:00Z"), chrono_tz::America::Montreal);
        let slot = at("2026-11-23T11:30:00Z");
        assert_eq!(
            when_own(slot, early, montreal, paris),
            "tomorrow at 06:30 America/Montreal (23 November)"
        );
        assert_eq!(when_own(slot, early, chrono_tz::Europe::Berlin, paris), "today at 12:30");
        // In UTC the zone is said, and exactly it always is.
        let past = Moment::past(at("2026-11-20T08:30:00Z"), now, Tz::UTC);
        assert_eq!(
            (past.words.as_str(), past.exact.as_str()),
            ("yesterday at 08:30 UTC", "2026-11-20 08:30 UTC")
        );
        assert_eq!(Moment::past(at("2026-11-21T22:29:00Z"), now, Tz::UTC).words, "1 minute ago");
    }
}
