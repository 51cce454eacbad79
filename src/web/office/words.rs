//! Numbers and times as the office says them.

use serde::Serialize;

use crate::domain::calendar::Timestamp;
use crate::domain::subscription::BULK_REASON;

/// A number with its noun: `1 person`, `12,480 people`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `12,480`
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time: relative within a day, a day otherwise, and exact for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct When {
    pub iso: String,
    pub exact: String,
    pub words: String,
}

pub fn when(at: Timestamp, now: Timestamp) -> When {
    const MINUTE: i64 = 60 * 1000;
    const HOUR: i64 = 60 * MINUTE;
    let utc = at.to_utc();
    let ago = now.millis() - at.millis();
    let some = |count: i64, noun: &str| match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    };
    let words = match ago {
        0..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{} ago", some(ago / MINUTE, "minute")),
        _ if (0..24 * HOUR).contains(&ago) => format!("{} ago", some(ago / HOUR, "hour")),
        _ => utc.format("%-d %B %Y").to_string(),
    };
    When { iso: at.to_string(), exact: utc.format("%-d %B %Y, %H:%M UTC").to_string(), words }
}

/// A time since when something is so: "for 5 minutes" within a day, "since 19 November 2026" otherwise.
pub fn since(at: Timestamp, now: Timestamp) -> When {
    let when = when(at, now);
    let words = match when.words.strip_suffix(" ago") {
        Some(long) => format!("for {long}"),
        None if when.words == "just now" => "since just now".to_owned(),
        None => format!("since {}", when.words),
    };
    When { words, ..when }
}

/// Why somebody left or is not mailed, as it is kept → for people. What an admin wrote stays.
pub fn why_words(reason: &str) -> String {
    let words = match reason {
        "link" => "with the link in a mail",
        "one-click" => "with the button of their mail program",
        "too-often" => "it came too often",
        "not-for-me" => "it was not about what they care about",
        "never-asked" => "they did not ask for it",
        "other" => "for another reason",
        "admin" => "by an admin",
        _ => match reason.strip_prefix(BULK_REASON).and_then(|number| number.parse::<i64>().ok()) {
            Some(number) => return format!("in change {number} to many people"),
            None => return reason.to_owned(),
        },
    };
    words.to_owned()
}

/// `3.4 MB`
pub fn size(bytes: i64) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(0);
    match bytes {
        0..1_000 => counted(bytes, "byte", "bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", grouped(bytes / 1_000_000), bytes / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_said_as_people_say_them() {
        assert_eq!(counted(1, "person", "people"), "1 person");
        assert_eq!(counted(1_234_567, "person", "people"), "1,234,567 people");
        assert_eq!(
            (size(512), size(1_001), size(3_450_000)),
            ("512 bytes".into(), "2 KB".into(), "3.4 MB".into())
        );
        let now = Timestamp::parse("2026-11-21T09:00:00Z").unwrap();
        for (at, words) in [
            ("2026-11-21T08:59:30Z", "just now"),
            ("2026-11-21T08:58:30Z", "1 minute ago"),
            ("2026-11-20T10:00:00Z", "23 hours ago"),
            ("2026-11-19T09:00:00Z", "19 November 2026"),
            ("2026-12-24T09:00:00Z", "24 December 2026"),
        ] {
            assert_eq!(when(Timestamp::parse(at).unwrap(), now).words, words);
        }
        for (at, words) in [
            ("2026-11-21T08:59:30Z", "since just now"),
            ("2026-11-21T08:58:30Z", "for 1 minute"),
            ("2026-11-19T09:00:00Z", "since 19 November 2026"),
        ] {
            assert_eq!(since(Timestamp::parse(at).unwrap(), now).words, words);
        }
        assert_eq!(why_words("bulk action 12"), "in change 12 to many people");
        assert_eq!(why_words("asked by telephone"), "asked by telephone");
    }
}
