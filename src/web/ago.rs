//! When something was, as desk and office say it: relative within a day, exact on hover.

use serde::Serialize;

use crate::domain::calendar::Timestamp;

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;

/// A time that has passed, for the partial `ago`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ago {
    /// For `datetime`.
    iso: String,
    /// For `title`: to the second, with the zone.
    exact: String,
    words: String,
}

impl Ago {
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let utc = at.to_utc();
        let words = match now.millis() - at.millis() {
            ..MINUTE => "just now".to_owned(),
            past @ MINUTE..HOUR => many(past / MINUTE, "minute"),
            past if past < 24 * HOUR => many(past / HOUR, "hour"),
            _ => utc.format("%-d %B %Y, %H:%M UTC").to_string(),
        };
        Self { iso: at.to_string(), exact: utc.format("%Y-%m-%d %H:%M:%S UTC").to_string(), words }
    }
}

fn many(count: i64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_relative_within_a_day_and_exact_on_hover() {
        let now = Timestamp::parse("2026-11-21T09:00:00Z").unwrap();
        for (at, words) in [
            ("2026-11-21T09:00:00Z", "just now"),
            ("2026-11-21T08:59:00Z", "1 minute ago"),
            ("2026-11-21T06:30:00Z", "2 hours ago"),
            ("2026-11-20T09:00:00Z", "20 November 2026, 09:00 UTC"),
        ] {
            assert_eq!(Ago::new(Timestamp::parse(at).unwrap(), now).words, words);
        }
        assert_eq!(Ago::new(now, now).exact, "2026-11-21 09:00:00 UTC");
    }
}
