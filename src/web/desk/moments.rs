//! Times on the desk: in words, relative within a day, and exact on hover.

use chrono::Datelike as _;
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::calendar::Timestamp;
use crate::web::words::zone_name;

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;

/// A time for the partial `desk/moment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// For `datetime`.
    pub iso: String,
    /// For `title`: to the second, with the zone.
    pub exact: String,
    pub words: String,
}

impl Moment {
    /// A time with words of one's own.
    pub fn with_words(at: Timestamp, zone: Tz, words: impl Into<String>) -> Self {
        let exact = format!("{} {}", at.in_zone(zone).format("%Y-%m-%d %H:%M:%S"), zone_name(zone));
        Self { iso: at.to_string(), exact, words: words.into() }
    }

    /// A time as people say it: "12 minutes ago", "in 3 hours", "on Saturday 28 November at 07:00".
    pub fn new(at: Timestamp, now: Timestamp, zone: Tz) -> Self {
        Self::with_words(at, zone, words(at, now, zone))
    }
}

fn words(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let away = at.millis() - now.millis();
    let many = |count: i64, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let how_long = match away.abs() {
        0..MINUTE => None,
        far @ MINUTE..HOUR => Some(many(far / MINUTE, "minute")),
        far if far < 24 * HOUR => Some(many(far / HOUR, "hour")),
        _ => {
            let (at, now) = (at.in_zone(zone), now.in_zone(zone));
            let year = if at.year() == now.year() { "" } else { " %Y" };
            return at.format(&format!("on %A %-d %B{year} at %H:%M")).to_string();
        }
    };
    match how_long {
        None if away > 0 => "within a minute".to_owned(),
        None => "just now".to_owned(),
        Some(long) if away > 0 => format!("in {long}"),
        Some(long) => format!("{long} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_relative_within_a_day_and_exact_on_hover() {
        let now = Timestamp::parse("2026-11-21T09:00:00Z").unwrap();
        for (at, words) in [
            ("2026-11-21T09:00:20Z", "within a minute"),
            ("2026-11-21T08:59:50Z", "just now"),
            ("2026-11-21T08:59:00Z", "1 minute ago"),
            ("2026-11-21T12:30:00Z", "in 3 hours"),
            ("2026-11-23T06:00:00Z", "on Monday 23 November at 07:00"),
            ("2025-11-23T06:00:00Z", "on Sunday 23 November 2025 at 07:00"),
        ] {
            let moment = Moment::new(Timestamp::parse(at).unwrap(), now, chrono_tz::Europe::Paris);
            assert_eq!((moment.words.as_str(), moment.iso.as_str()), (words, at));
        }
        let moment = Moment::new(now, now, chrono_tz::Europe::Paris);
        assert_eq!(moment.exact, "2026-11-21 10:00:00 Europe/Paris");
    }
}
