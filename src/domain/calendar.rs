//! Time as people mean it: instants, local times, and the slots of a schedule.
//!
//! A slot is a local time in the schedule's zone. A local time that does not exist (clocks go forward) becomes the
//! next instant that does; one that comes twice (clocks go back) is the first.

use std::fmt;

use chrono::{
    DateTime, Datelike, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Parses RFC 3339, for instance `2026-03-29T01:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_millis()))
    }

    /// The instant in UTC; one that chrono cannot hold (year 262,143) reads as the epoch.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    pub fn in_zone(self, zone: Tz) -> DateTime<Tz> {
        self.to_utc().with_timezone(&zone)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.to_utc().format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Parses an IANA zone name, for instance `Europe/Paris`, as people write it: in capitals or not, and with spaces.
pub fn parse_zone(text: &str) -> Result<Tz, String> {
    let name = text.trim().replace(' ', "_");
    let as_typed = || chrono_tz::TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(&name));
    name.parse().ok().or_else(as_typed).ok_or_else(|| {
        format!("“{text}” is not a time zone: use a name of the IANA list, for instance Europe/Paris or UTC")
    })
}

/// A time of day in minutes after midnight, 0 to 1439.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Parses `07:00` or `7:00`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("“{text}” is not a time of day: write hours and minutes, for instance 07:00");
        let (hours, minutes) = text.trim().split_once(':').ok_or_else(wrong)?;
        let digits = |part: &str| part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(hours) || minutes.len() != 2 || !digits(minutes) {
            return Err(wrong());
        }
        let hours: u16 = hours.parse().map_err(|_| wrong())?;
        let minutes: u16 = minutes.parse().map_err(|_| wrong())?;
        if hours > 23 || minutes > 59 { Err(wrong()) } else { Ok(Self(hours * 60 + minutes)) }
    }

    /// From minutes after midnight, where they are a time of day.
    pub fn from_minutes(minutes: i64) -> Option<Self> {
        u16::try_from(minutes).ok().filter(|minutes| *minutes < 24 * 60).map(Self)
    }

    pub fn midnight() -> Self {
        Self(0)
    }

    pub fn minutes(self) -> i64 {
        i64::from(self.0)
    }

    fn to_naive(self) -> NaiveTime {
        NaiveTime::MIN + Duration::minutes(self.minutes())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// On which days a schedule has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recurrence {
    /// On these weekdays, one bit each, Monday the lowest; all seven for a daily schedule, one for a weekly one.
    Weekly(u8),
    /// Once a month on this day, 1 to 31; in a shorter month on its last day.
    Monthly(u8),
}

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0b111_1111;

impl Recurrence {
    pub const DAILY: Self = Self::Weekly(EVERY_DAY);

    /// Parses `daily`, `mon-fri`, `mon,wed,fri`, `weekly` (Mondays), `monthly` (the 1st) or a day of the month
    /// such as `day 15`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "“{text}” does not name days: write daily, mon-fri, mon,thu, weekly, monthly, or “day 15” for the \
                 15th of each month"
            )
        };
        let words = text.trim().to_lowercase();
        match words.as_str() {
            "daily" | "every day" => return Ok(Self::DAILY),
            "weekdays" => return Ok(Self::Weekly(0b001_1111)),
            "weekends" => return Ok(Self::Weekly(0b110_0000)),
            "weekly" => return Ok(Self::Weekly(1)),
            "monthly" => return Ok(Self::Monthly(1)),
            _ => {}
        }
        if let Some(day) = words.strip_prefix("day ") {
            let day: u8 = day.trim().parse().map_err(|_| wrong())?;
            return if (1..=31).contains(&day) { Ok(Self::Monthly(day)) } else { Err(wrong()) };
        }
        let index = |name: &str| {
            let name = name.trim();
            let found = DAY_NAMES.iter().position(|day| name.len() >= 3 && name.starts_with(day));
            found.filter(|_| name.chars().all(char::is_alphabetic)).ok_or_else(wrong)
        };
        let mut days = 0;
        for part in words.split(',') {
            match part.split_once('-') {
                None => days |= 1 << index(part)?,
                Some((first, last)) => {
                    let (first, last) = (index(first)?, index(last)?);
                    let count = (last + 7 - first) % 7;
                    (0..=count).for_each(|step| days |= 1 << ((first + step) % 7));
                }
            }
        }
        Ok(Self::Weekly(days))
    }

    fn falls_on(self, date: NaiveDate) -> bool {
        match self {
            Self::Weekly(days) => days & (1 << date.weekday().num_days_from_monday()) != 0,
            Self::Monthly(day) => date.day() == u32::from(day).min(u32::from(date.num_days_in_month())),
        }
    }

    /// The longest time between two slots, in days.
    pub fn longest_gap_days(self) -> i64 {
        match self {
            Self::Monthly(_) => 31,
            Self::Weekly(days) => {
                let on = |day: i64| days & (1 << day.rem_euclid(7)) != 0;
                (0..7)
                    .filter(|day| on(*day))
                    .map(|day| (1..=7).find(|gap| on(day + gap)).unwrap_or(7))
                    .max()
                    .unwrap_or(7)
            }
        }
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly(EVERY_DAY) => formatter.write_str("daily"),
            Self::Weekly(0b001_1111) => formatter.write_str("mon-fri"),
            Self::Weekly(days) => {
                let names = (0..7).filter(|day| days & (1 << day) != 0).map(|day| DAY_NAMES[day]);
                formatter.write_str(&names.collect::<Vec<_>>().join(","))
            }
            Self::Monthly(day) => write!(formatter, "day {day}"),
        }
    }
}

/// When a schedule's slots are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    pub recurrence: Recurrence,
    pub at: TimeOfDay,
    pub zone: Tz,
}

/// One slot: the instant, and the local date that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub at: Timestamp,
    pub date: NaiveDate,
}

impl Slots {
    /// The first slot strictly after `after`, on a date later than `after_date` where one is given (a day that has
    /// had its slot does not get another when the schedule's hour or zone is changed, or the clock set back).
    ///
    /// None only past the last year that chrono knows, or for a recurrence without a day.
    pub fn next(&self, after: Timestamp, after_date: Option<NaiveDate>) -> Option<Slot> {
        // A local date may begin before the UTC date does: start a day early.
        let mut date = after.in_zone(self.zone).date_naive().pred_opt()?;
        if let Some(used) = after_date {
            date = date.max(used.succ_opt()?);
        }
        // A month's last day is at most 31 days off; a spring gap never swallows a second slot.
        for _ in 0..64 {
            if self.recurrence.falls_on(date) {
                let at = instant_of(date, self.at, self.zone);
                if at > after {
                    return Some(Slot { at, date });
                }
            }
            date = date.succ_opt()?;
        }
        None
    }
}

/// The instant of a local time: the next that exists where clocks skip it, the first where they repeat it.
pub fn instant_of(date: NaiveDate, at: TimeOfDay, zone: Tz) -> Timestamp {
    let wanted = date.and_time(at.to_naive());
    let mut local = wanted;
    // Zones have skipped whole days (Pacific/Apia, 30 December 2011): look as far as two days ahead.
    for _ in 0..=2 * 24 * 60 {
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(time) | MappedLocalTime::Ambiguous(time, _) => {
                return Timestamp(time.timestamp_millis());
            }
            MappedLocalTime::None => local += Duration::minutes(1),
        }
    }
    Timestamp(wanted.and_utc().timestamp_millis())
}

/// A moment at which clocks are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// The first instant by the new time.
    pub at: Timestamp,
    /// What clocks would show then by the old time, and what they show.
    pub from: NaiveDateTime,
    pub to: NaiveDateTime,
}

/// The moments between two instants at which clocks in `zone` are changed.
pub fn clock_changes(zone: Tz, from: Timestamp, until: Timestamp) -> Vec<ClockChange> {
    const HOUR: i64 = 60 * 60 * 1000;
    let offset = |at: Timestamp| i64::from(at.in_zone(zone).offset().fix().local_minus_utc());
    let mut changes = vec![];
    let mut before = from;
    while before < until {
        let after = before.plus_millis(6 * HOUR);
        if offset(before) != offset(after) {
            // Between the two; zones change at whole minutes, and some did at seconds.
            let (mut old, mut new) = (before, after);
            while new.millis() - old.millis() > 1000 {
                let middle = old.plus_millis((new.millis() - old.millis()) / 2000 * 1000);
                let middle = if middle == old { old.plus_millis(1000) } else { middle };
                if offset(middle) == offset(before) { old = middle } else { new = middle }
            }
            let at = |offset: i64| new.plus_millis(offset * 1000).to_utc().naive_utc();
            changes.push(ClockChange { at: new, from: at(offset(before)), to: at(offset(new)) });
        }
        before = after;
    }
    changes.retain(|change| change.at < until);
    changes
}

/// Whether clocks show a local time: always, never (clocks skip it) or twice (they go back over it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Once,
    Never,
    Twice,
}

/// How often clocks in `zone` show a local time.
pub fn shown(date: NaiveDate, at: TimeOfDay, zone: Tz) -> Shown {
    match zone.from_local_datetime(&date.and_time(at.to_naive())) {
        MappedLocalTime::Single(_) => Shown::Once,
        MappedLocalTime::Ambiguous(..) => Shown::Twice,
        MappedLocalTime::None => Shown::Never,
    }
}

/// The first instant at or after `from` at which clocks in `zone` show `at`: when a reader with an hour of their own
/// gets an issue that is ready at `from`.
pub fn first_at(from: Timestamp, at: TimeOfDay, zone: Tz) -> Timestamp {
    let mut date = from.in_zone(zone).date_naive();
    for _ in 0..3 {
        let instant = instant_of(date, at, zone);
        if instant >= from {
            return instant;
        }
        match date.succ_opt() {
            Some(next) => date = next,
            None => break,
        }
    }
    from
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
