//! Dates and times as other programs write them, and which way round the slashed ones of a file are.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::entry::shown;
use crate::domain::calendar::Timestamp;

/// Which number comes first in a file's dates with slashes, `03/04/2024`: found over the whole file, never guessed line
/// by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Slashed {
    /// The file was not looked through, or has no such date.
    #[default]
    Unknown,
    /// Day, month, year: such a date cannot be read otherwise.
    DayFirst(String),
    /// Month, day, year, as in the USA: such a date cannot be read otherwise.
    MonthFirst(String),
    /// No date of the file tells which.
    Open,
    /// One date can only be the one, one only the other.
    Both(String, String),
}

impl Slashed {
    /// Takes a cell of the file into account.
    pub fn see(&mut self, cell: &str) {
        let Some((first, second, year)) = slashed_parts(cell) else { return };
        // 31/31/2024 is no date either way, and tells nothing.
        let is_date = |month, day| NaiveDate::from_ymd_opt(year, month, day).is_some();
        // Without what stands behind it, which may be anything.
        let date = || date_part(cell).to_owned();
        *self = match (std::mem::take(self), is_date(second, first), is_date(first, second)) {
            (Self::Unknown | Self::Open, true, false) => Self::DayFirst(date()),
            (Self::Unknown | Self::Open, false, true) => Self::MonthFirst(date()),
            (Self::Unknown, true, true) => Self::Open,
            (Self::DayFirst(one), false, true) => Self::Both(one, date()),
            (Self::MonthFirst(one), true, false) => Self::Both(date(), one),
            (before, ..) => before,
        };
    }

    /// Which way was taken and why, where the file has such dates, for people.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::DayFirst(date) => Some(format!(
                "Dates with slashes are read as day/month/year: {} in the file cannot be anything else.",
                shown(date)
            )),
            Self::MonthFirst(date) => Some(format!(
                "Dates with slashes are read as month/day/year: {} in the file cannot be anything else.",
                shown(date)
            )),
            Self::Open => Some(
                "Dates with slashes are left out: no date in the file tells whether the day or the month comes first. \
                 Write them like 2024-01-31."
                    .to_owned(),
            ),
            Self::Both(day_first, month_first) => Some(format!(
                "Dates with slashes are left out: {} begins with the day, and {} with the month. Write them like \
                 2024-01-31.",
                shown(day_first),
                shown(month_first)
            )),
        }
    }
}

/// A cell without the time behind its date.
fn date_part(cell: &str) -> &str {
    cell.trim().split([' ', ',', 'T']).next().unwrap_or_default()
}

/// The two numbers of a date with slashes, and its year of four digits.
fn slashed_parts(cell: &str) -> Option<(u32, u32, i32)> {
    let mut parts = date_part(cell).split('/');
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let fits = is_number(first, 2) && is_number(second, 2) && is_number(year, 4) && year.len() == 4;
    if !fits || parts.next().is_some() {
        return None;
    }
    Some((first.parse().ok()?, second.parse().ok()?, year.parse().ok()?))
}

/// A date may have a time behind it.
const DATES: [&str; 7] =
    ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%B %d, %Y", "%B %d %Y", "%d %B %Y", "%A, %B %d, %Y"];
const TIMES: [&str; 4] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];
/// With a zone: what PostgreSQL and Go write beside RFC 3339 and RFC 2822.
const ZONED: [&str; 4] =
    ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%d %H:%M %z"];

fn with_zone(text: &str) -> Option<i64> {
    let read = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text)).ok();
    let read = read.or_else(|| ZONED.iter().find_map(|format| DateTime::parse_from_str(text, format).ok()));
    read.map(|time| time.timestamp_millis())
}

fn read_date(text: &str, slashed: &Slashed) -> Option<NaiveDate> {
    if let Some((first, second, year)) = slashed_parts(text).filter(|_| !text.contains(' ')) {
        return match slashed {
            Slashed::DayFirst(_) => NaiveDate::from_ymd_opt(year, second, first),
            Slashed::MonthFirst(_) => NaiveDate::from_ymd_opt(year, first, second),
            Slashed::Unknown | Slashed::Open | Slashed::Both(..) => None,
        };
    }
    DATES.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok())
}

/// A date alone, or the longest date that stands before a time.
fn without_zone(text: &str, slashed: &Slashed) -> Option<NaiveDateTime> {
    if let Some(date) = read_date(text, slashed) {
        return date.and_hms_opt(0, 0, 0);
    }
    let cuts = text.char_indices().filter(|(_, sign)| matches!(sign, ' ' | 'T')).map(|(at, _)| at);
    cuts.filter_map(|at| {
        let date = read_date(text[..at].trim_end_matches(','), slashed)?;
        let time = text[at + 1..].trim();
        let time = TIMES.iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok())?;
        Some(date.and_time(time))
    })
    .next()
}

/// Reads a date or a time as files hold them; one without a zone is UTC.
///
/// # Errors
/// A sentence that names the text, and how to write it.
pub fn read_time(text: &str, slashed: &Slashed) -> Result<Timestamp, String> {
    // No date is longer, and what is tried below is tried at every space.
    const LONGEST: usize = 64;
    let plain = text.trim().trim_end_matches(" UTC");
    let millis = (plain.len() <= LONGEST).then(|| {
        with_zone(plain).or_else(|| Some(without_zone(plain, slashed)?.and_utc().timestamp_millis()))
    });
    // Years of two digits, and other numbers that happen to fit, are not dates of a consent to e-mail.
    const YEAR_1990: i64 = 631_152_000_000;
    const YEAR_2100: i64 = 4_102_444_800_000;
    let millis = millis.flatten().filter(|millis| (YEAR_1990..YEAR_2100).contains(millis));
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        let is_either = slashed_parts(text).is_some_and(|(first, second, year)| {
            let is_date = |month, day| NaiveDate::from_ymd_opt(year, month, day).is_some();
            is_date(first, second) && is_date(second, first)
        });
        match is_either {
            true => {
                format!("“{}” may begin with the day or the month: write it like 2024-01-31", shown(text))
            }
            false => {
                format!("“{}” is not a date: write it like 2024-01-31 or 2024-01-31T07:00:00Z", shown(text))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        read_time(text, &Slashed::Unknown).ok().map(|at| at.to_string())
    }

    #[test]
    fn dates_of_other_programs_are_read() {
        for text in [
            "2024-01-31T10:00:00Z",
            "2024-01-31T10:00:00.000Z",
            "2024-01-31T11:00:00+01:00",
            "2024-01-31 10:00:00",
            "2024-01-31 10:00",
            "2024-01-31 10:00:00 UTC",
            "2024-01-31 10:00:00.123456+00",
            "2024-01-31 11:00:00+01",
            "2024-01-31 10:00:00.5 +0000 UTC",
            "2024/01/31 10:00:00",
            "31.01.2024 10:00",
            "31.1.2024, 10:00",
            "Jan 31, 2024 10:00 AM",
            "January 31, 2024 10:00:00",
            "31 Jan 2024 10:00",
            "Wed, 31 Jan 2024 10:00:00 +0000",
        ] {
            let read = read(text).unwrap_or_default();
            assert!(read.starts_with("2024-01-31T10:00:00"), "{text}: {read}");
        }
        for text in ["2024-01-31", "31.01.2024", "2024/01/31", "Jan 31, 2024", "31 January 2024"] {
            assert_eq!(read(text).as_deref(), Some("2024-01-31T00:00:00Z"), "{text}");
        }
        for text in ["", "31/31/2024", "03/04/24", "2024", "yesterday", "1024-01-31", "2024-13-01", "10:00"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(read_time(&"1 ".repeat(5000), &Slashed::Unknown).unwrap_err().contains("is not a date"));
    }

    fn of(cells: &[&str]) -> Slashed {
        let mut slashed = Slashed::default();
        cells.iter().for_each(|cell| slashed.see(cell));
        slashed
    }

    #[test]
    fn slashed_dates_are_read_the_way_the_whole_file_tells() {
        let american = of(&["03/04/2024", "1/31/2024 10:00", "12/12/2024"]);
        assert_eq!(american, Slashed::MonthFirst("1/31/2024".into()));
        let read = |text: &str, slashed: &Slashed| read_time(text, slashed).map(|at| at.to_string());
        assert_eq!(read("03/04/2024", &american).unwrap(), "2024-03-04T00:00:00Z");
        assert_eq!(read("3/4/2024 1:30 PM", &american).unwrap(), "2024-03-04T13:30:00Z");
        let french = of(&["03/04/2024", "31/01/2024"]);
        assert_eq!(read("03/04/2024", &french).unwrap(), "2024-04-03T00:00:00Z");
        assert!(french.words().unwrap().contains("day/month/year: 31/01/2024"), "{french:?}");
        for open in [of(&["03/04/2024"]), of(&["31/01/2024", "01/31/2024"]), of(&[])] {
            assert!(read("03/04/2024", &open).unwrap_err().contains("may begin with the day or the month"));
        }
        assert!(of(&["03/04/2024"]).words().unwrap().contains("left out"));
        assert!(of(&["31/01/2024", "01/31/2024"]).words().unwrap().contains("begins with the day"));
        assert_eq!(of(&["31/31/2024", "2024-01-31", "1/2/3/4", "x"]).words(), None);
    }
}
