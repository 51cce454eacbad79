//! Numbers and spans of time as the pages about sending say them.

/// "12,480"
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

/// "12,480 readers", "1 reader"
pub fn readers(count: i64) -> String {
    format!("{} {}", number(count), if count == 1 { "reader" } else { "readers" })
}

/// "less than a second", "40 seconds", "12 minutes", "3 hours and 20 minutes"
pub fn span(millis: i64) -> String {
    let count = |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    let seconds = millis.max(0) / 1000;
    match seconds {
        0 => "less than a second".to_owned(),
        1..90 => count(seconds, "second"),
        90..5400 => count((seconds + 30) / 60, "minute"),
        _ => {
            let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
            match minutes {
                0 => count(hours, "hour"),
                _ => format!("{} and {}", count(hours, "hour"), count(minutes, "minute")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_said_as_people_say_them() {
        assert_eq!([0, 999, 12_480, -1_000].map(number), ["0", "999", "12,480", "-1,000"]);
        assert_eq!((readers(1), readers(1_000)), ("1 reader".to_owned(), "1,000 readers".to_owned()));
        let spans = [-5, 1_000, 89_000, 90_000, 720_000, 7_200_000, 12_000_000].map(span);
        assert_eq!(
            spans,
            [
                "less than a second",
                "1 second",
                "89 seconds",
                "2 minutes",
                "12 minutes",
                "2 hours",
                "3 hours and 20 minutes"
            ]
        );
    }
}
