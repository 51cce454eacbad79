//! Dates as publishers write them: in the standards' forms, in nearly those, and in words.

use chrono::{DateTime, NaiveDate};

use crate::domain::calendar::Timestamp;

/// The longest text that is looked at: no date is longer, with weekday, time and zone in words.
const LONGEST: usize = 100;

/// Reads a date in RFC 3339, RFC 2822 or a form near them, in words ("13 janvier 2026 à 10 h 05", "Jan. 13, 2026"),
/// in digits alone, or in seconds since 1970.
///
/// None for what is no date, and for the first days of 1970 and before, which stand for "unknown" in many systems. A
/// time without zone is UTC, a date without time is midnight. `03/04/2026` is read day first, as most of the world
/// writes.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let standard = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text));
    let millis = standard.map(|time| time.timestamp_millis()).ok().or_else(|| parse_loosely(text))?;
    (millis > 2 * DAY).then(|| Timestamp::from_millis(millis))
}

const DAY: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Number(&'a str),
    Word(&'a str),
    Mark(char),
}

fn split_tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = |is_part: fn(char) -> bool| rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (token, used) = if first.is_ascii_digit() {
            let used = length(|c| c.is_ascii_digit());
            (Some(Token::Number(&rest[..used])), used)
        } else if first.is_alphabetic() {
            // Han numbers its dates with single characters: 2026年1月13日.
            let is_han = ('\u{3400}'..='\u{9fff}').contains(&first);
            let used = if is_han { first.len_utf8() } else { length(char::is_alphabetic) };
            (Some(Token::Word(&rest[..used])), used)
        } else {
            ((!first.is_whitespace()).then_some(Token::Mark(first)), first.len_utf8())
        };
        tokens.extend(token);
        rest = &rest[used..];
    }
    tokens
}

fn parse_loosely(text: &str) -> Option<i64> {
    let tokens = split_tokens(text);
    if let [Token::Number(digits)] = tokens[..] {
        return parse_digits(digits);
    }
    let (date, after) = find_date(&tokens)?;
    let (minutes, seconds, offset) =
        find_time(&tokens[after..]).or_else(|| find_time(&tokens)).unwrap_or_default();
    let midnight = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    Some((midnight + minutes * 60 + seconds - offset * 60) * 1000)
}

/// `20260113`, or seconds or milliseconds since 1970.
fn parse_digits(digits: &str) -> Option<i64> {
    match digits.len() {
        8 => {
            let date =
                to_date(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?)?;
            Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
        }
        14 => {
            let date =
                to_date(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..8].parse().ok()?)?;
            let time = |from: usize| digits[from..from + 2].parse::<u32>().ok();
            Some(date.and_hms_opt(time(8)?, time(10)?, time(12)?)?.and_utc().timestamp_millis())
        }
        9 | 10 => digits.parse::<i64>().ok().map(|seconds| seconds * 1000),
        13 => digits.parse().ok(),
        _ => None,
    }
}

fn to_date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    (1970..=9999).contains(&year).then(|| NaiveDate::from_ymd_opt(year, month, day)).flatten()
}

/// The date, and the place of the token after it.
fn find_date(tokens: &[Token<'_>]) -> Option<(NaiveDate, usize)> {
    // A number after a colon is a time's minutes or seconds.
    let mut starts = (0..tokens.len()).filter(|start| *start == 0 || tokens[start - 1] != Token::Mark(':'));
    starts.find_map(|start| {
        let rest = &tokens[start..];
        date_in_digits(rest).or_else(|| date_in_words(rest)).map(|(date, used)| (date, start + used))
    })
}

/// `2026-01-13`, `13.01.2026`, `1/13/2026`, `2026年1月13日`, and `20260113T…`.
fn date_in_digits(tokens: &[Token<'_>]) -> Option<(NaiveDate, usize)> {
    if let [Token::Number(digits), Token::Word("T" | "t"), ..] = tokens
        && digits.len() == 8
    {
        return Some((
            to_date(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?)?,
            1,
        ));
    }
    let [Token::Number(first), one, Token::Number(second), other, Token::Number(third), ..] = tokens else {
        return None;
    };
    let is_han = *one == Token::Word("年") && *other == Token::Word("月");
    let is_mark = one == other && matches!(one, Token::Mark('-' | '/' | '.' | '‐' | '–'));
    if !is_han && !is_mark {
        return None;
    }
    let [first, second, third]: [u32; 3] = [first.parse().ok()?, second.parse().ok()?, third.parse().ok()?];
    let (year, month, day) = if first > 31 {
        (first, second, third)
    } else if second > 12 {
        (third, first, second)
    } else {
        (third, second, first)
    };
    Some((to_date(full_year(year)?, month, day)?, 5))
}

/// `13 January 2026`, `13. Januar 2026`, `13 de enero de 2026`, `January 13th, 2026`, `2026 January 13`.
fn date_in_words(tokens: &[Token<'_>]) -> Option<(NaiveDate, usize)> {
    let mut numbers: Vec<(u32, usize)> = Vec::new();
    let mut month = None;
    // Day, month and year stand within eight tokens: "January", "13", "th", ",", "2026".
    for (index, token) in tokens.iter().enumerate().take(8) {
        match token {
            // A time ends the date: "13 January, 10:05".
            Token::Number(_) if tokens.get(index + 1) == Some(&Token::Mark(':')) => break,
            Token::Number(number) if numbers.len() < 2 => numbers.push((number.parse().ok()?, number.len())),
            // After the day a month overrides: in "mar., 13 janv. 2026" the first is Tuesday.
            Token::Word(word) if month.is_none() || numbers.len() == 1 => month = month_of(word).or(month),
            _ => {}
        }
        if index == 0 && month.is_none() && numbers.is_empty() {
            return None;
        }
        if let (Some(month), [(first, first_width), (second, second_width)]) = (month, &numbers[..]) {
            let (day, year, width) =
                if *first_width == 4 { (second, first, first_width) } else { (first, second, second_width) };
            let year = if *width >= 4 { i32::try_from(*year).ok()? } else { full_year(*year)? };
            return Some((to_date(year, month, *day)?, index + 1));
        }
    }
    None
}

/// RFC 5322 §4.3: a year of two digits is 2000 to 2049 or 1950 to 1999.
fn full_year(year: u32) -> Option<i32> {
    let year = i32::try_from(year).ok()?;
    Some(match year {
        0..=49 => 2000 + year,
        50..=99 => 1900 + year,
        _ => year,
    })
}

/// Minutes after midnight, seconds, and the zone's offset in minutes.
fn find_time(tokens: &[Token<'_>]) -> Option<(i64, i64, i64)> {
    (0..tokens.len()).find_map(|start| time_at(&tokens[start..]))
}

fn time_at(tokens: &[Token<'_>]) -> Option<(i64, i64, i64)> {
    let (hour, minute, mut used) = match tokens {
        [Token::Word("T" | "t"), Token::Number(digits), rest @ ..] if digits.len() == 6 => {
            let part = |from: usize| digits[from..from + 2].parse::<i64>().ok();
            return Some((part(0)? * 60 + part(2)?, part(4)?, offset_of(rest)));
        }
        [Token::Number(hour), Token::Mark(':'), Token::Number(minute), ..] => (hour, *minute, 3),
        [Token::Number(hour), Token::Word("h" | "H" | "時" | "点"), Token::Number(minute), ..] => {
            (hour, *minute, 3)
        }
        [Token::Number(hour), Token::Mark('.'), Token::Number(minute), Token::Word("Uhr" | "uhr"), ..] => {
            (hour, *minute, 3)
        }
        [Token::Number(hour), Token::Word("h" | "Uhr" | "am" | "pm" | "AM" | "PM"), ..] => (hour, "0", 1),
        _ => return None,
    };
    let (mut hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let mut seconds = 0;
    if let [Token::Mark(':'), Token::Number(number), ..] = &tokens[used..] {
        seconds = number.parse().ok()?;
        used += 2;
        if let [Token::Mark('.' | ','), Token::Number(_), ..] = &tokens[used..] {
            used += 2;
        }
    }
    let mut zone = tokens.get(used..)?;
    let (half, taken) = match zone {
        [Token::Word("am" | "AM" | "Am"), ..] => (Some(0), 1),
        [Token::Word("pm" | "PM" | "Pm"), ..] => (Some(12), 1),
        [Token::Word("a" | "A"), Token::Mark('.'), Token::Word("m" | "M"), ..] => (Some(0), 4),
        [Token::Word("p" | "P"), Token::Mark('.'), Token::Word("m" | "M"), ..] => (Some(12), 4),
        _ => (None, 0),
    };
    if let Some(half) = half {
        hour = hour % 12 + half;
        zone = zone.get(taken..).unwrap_or_default();
    }
    // 24:00 is the day's end; feeds also write it for its beginning's hour, which cannot be told apart.
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&seconds) {
        return None;
    }
    Some((hour * 60 + minute, seconds, offset_of(zone)))
}

/// `Z`, `+02:00`, `+0200`, `+02`, `GMT+2`, `EST`; 0 for what is not known.
fn offset_of(tokens: &[Token<'_>]) -> i64 {
    let (sign, rest) = match tokens {
        [Token::Mark('+'), rest @ ..] => (1, rest),
        [Token::Mark('-' | '−'), rest @ ..] => (-1, rest),
        [Token::Word("GMT" | "UTC" | "Z" | "T"), Token::Mark('+'), rest @ ..] => (1, rest),
        [Token::Word("GMT" | "UTC"), Token::Mark('-'), rest @ ..] => (-1, rest),
        [Token::Mark('('), rest @ ..] => return offset_of(rest),
        [Token::Word(name), ..] => return named_offset(name),
        _ => return 0,
    };
    let minutes = match rest {
        [Token::Number(hours), Token::Mark(':'), Token::Number(minutes), ..]
            if hours.len() <= 2 && minutes.len() == 2 =>
        {
            hours.parse::<i64>().unwrap_or(0) * 60 + minutes.parse::<i64>().unwrap_or(0)
        }
        [Token::Number(digits), ..] if digits.len() == 4 => {
            digits[..2].parse::<i64>().unwrap_or(0) * 60 + digits[2..].parse::<i64>().unwrap_or(0)
        }
        [Token::Number(hours), ..] if hours.len() <= 2 => hours.parse::<i64>().unwrap_or(0) * 60,
        _ => 0,
    };
    // The widest offset in use is +14:00 (Kiribati).
    if minutes <= 14 * 60 { sign * minutes } else { 0 }
}

/// Names of zones in use by publishers; `ET` and the like are taken as the standard time.
fn named_offset(name: &str) -> i64 {
    let hours_in_tenths = match name.to_ascii_uppercase().as_str() {
        "EST" | "ET" => -50,
        "EDT" | "AST" => -40,
        "CST" | "CT" => -60,
        "CDT" => -50,
        "MST" | "MT" => -70,
        "MDT" => -60,
        "PST" | "PT" => -80,
        "PDT" => -70,
        "BRT" | "ART" => -30,
        "BST" | "CET" | "MEZ" | "WEST" => 10,
        "CEST" | "MESZ" | "EET" | "SAST" => 20,
        "EEST" | "MSK" | "TRT" => 30,
        "IST" => 55,
        "SGT" | "HKT" | "AWST" => 80,
        "JST" | "KST" => 90,
        "AEST" => 100,
        "AEDT" => 110,
        "NZST" => 120,
        "NZDT" => 130,
        _ => 0,
    };
    hours_in_tenths * 6
}

/// The month of a whole word, in the languages with most feeds, abbreviated as their newspapers do.
fn month_of(word: &str) -> Option<u32> {
    let word = word.to_lowercase();
    let index = MONTHS.iter().position(|names| names.split(' ').any(|name| name == word))?;
    u32::try_from(index + 1).ok()
}

const MONTHS: [&str; 12] = [
    "jan january janvier janv januar jänner jan januari gennaio gen enero ene janeiro января январь янв stycznia sty ocak \
     يناير ιανουαρίου ianuarie січня",
    "feb february février fevrier févr fevr februar februari febbraio febrero fevereiro fev февраля февраль фев lutego \
     lut şubat فبراير φεβρουαρίου februarie лютого",
    "mar march mars märz maerz mär mrz maart mrt marzo março marco marts марта март мар marca mart مارس μαρτίου martie \
     березня",
    "apr april avril avr abril abr aprile апреля апрель апр kwietnia kwi nisan أبريل ابريل απριλίου aprilie квітня",
    "may mai mei maj maja mayo maio maggio mag мая май mayıs مايو μαΐου травня",
    "jun june juin juni junio junho giugno giu июня июнь июн czerwca cze haziran يونيو ιουνίου iunie червня",
    "jul july juillet juil juli julio julho luglio lug июля июль июл lipca lip temmuz يوليو ιουλίου iulie липня",
    "aug august août aout augustus agosto ago augusti августа август авг sierpnia sie ağustos أغسطس αυγούστου серпня",
    "sep sept september septembre septiembre setiembre setembro set settembre сентября сентябрь сен września wrz eylül \
     سبتمبر σεπτεμβρίου septembrie вересня",
    "oct october octobre octubre outubro out ottobre ott oktober okt октября октябрь окт października paź ekim أكتوبر \
     οκτωβρίου octombrie жовтня",
    "nov november novembre noviembre novembro ноября ноябрь ноя listopada lis kasım نوفمبر νοεμβρίου noiembrie листопада",
    "dec december décembre decembre déc dezember dez diciembre dic dezembro dicembre desember des декабря декабрь дек \
     grudnia gru aralık ديسمبر δεκεμβρίου decembrie грудня",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_as_publishers_write_them() {
        let cases = [
            ("2026-01-13T10:05:00Z", "2026-01-13T10:05:00Z"),
            ("2026-01-13T10:05:00.123+01:00", "2026-01-13T09:05:00Z"),
            ("2026-01-13T10:05:00+0100", "2026-01-13T09:05:00Z"),
            ("2026-01-13T10:05+01:00", "2026-01-13T09:05:00Z"),
            ("2026-01-13 10:05:00", "2026-01-13T10:05:00Z"),
            ("2026-01-13", "2026-01-13T00:00:00Z"),
            ("20260113T100500Z", "2026-01-13T10:05:00Z"),
            ("20260113", "2026-01-13T00:00:00Z"),
            ("Tue, 13 Jan 2026 10:05:00 GMT", "2026-01-13T10:05:00Z"),
            ("Tues, 13 January 2026 10:05:00 -0500", "2026-01-13T15:05:00Z"),
            ("Wed, 13 Jan 26 10:05 EST", "2026-01-13T15:05:00Z"),
            ("13 Jan 2026 10:05:00 +0000 (UTC)", "2026-01-13T10:05:00Z"),
            ("mar., 13 janv. 2026 10:05:00 +0100", "2026-01-13T09:05:00Z"),
            ("Tue Jan 13 2026 10:05:00 GMT+0200 (EET)", "2026-01-13T08:05:00Z"),
            ("January 13, 2026", "2026-01-13T00:00:00Z"),
            ("Jan. 13th, 2026, 10:05 p.m. ET", "2026-01-14T03:05:00Z"),
            ("Publié le mardi 13 janvier 2026 à 10h05", "2026-01-13T10:05:00Z"),
            ("13. Januar 2026, 10.05 Uhr", "2026-01-13T10:05:00Z"),
            ("13 de enero de 2026", "2026-01-13T00:00:00Z"),
            ("13 января 2026, 10:05", "2026-01-13T10:05:00Z"),
            ("13.01.2026 10:05", "2026-01-13T10:05:00Z"),
            ("1/13/2026", "2026-01-13T00:00:00Z"),
            ("3/4/2026", "2026-04-03T00:00:00Z"),
            ("2026年1月13日", "2026-01-13T00:00:00Z"),
            ("1768298700", "2026-01-13T10:05:00Z"),
            ("1768298700000", "2026-01-13T10:05:00Z"),
            ("10:05, 13 January 2026", "2026-01-13T10:05:00Z"),
        ];
        for (text, expected) in cases {
            let read = parse_date(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "31 February 2026",
            "12",
            "2026",
            "Room 12, floor 3",
            "0000-00-00 00:00:00",
            "may be 12",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_tried(text in ".{0,110}", digits in "[0-9]{1,20}([-/. :TZ+]{1,2}[0-9]{1,6}){0,6}") {
            let _ = parse_date(&text);
            let _ = parse_date(&digits);
        }
    }
}
