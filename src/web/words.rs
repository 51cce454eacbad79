//! Times as pages say them.

use chrono::{DateTime, Datelike as _};
use chrono_tz::Tz;

use crate::domain::calendar::{Recurrence, Slots, Timestamp};
use crate::domain::newsletter::Schedule;
use crate::pipeline::subscribe::NextIssue;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// When a schedule's issues come, for instance "Mondays at 09:00 (Europe/Paris)".
pub fn frequency(slots: &Slots) -> String {
    format!("{} at {} ({})", days(slots.recurrence), slots.at, zone_name(slots.zone))
}

/// At which hours issues are out: "07:00 (Europe/Paris) or 09:00 (Europe/Paris)"; empty where no schedule tells.
pub fn out_at<'s>(slots: impl Iterator<Item = &'s Slots>) -> String {
    let mut hours: Vec<String> = vec![];
    for slots in slots {
        let hour = format!("{} ({})", slots.at, zone_name(slots.zone));
        if !hours.contains(&hour) {
            hours.push(hour);
        }
    }
    hours.join(" or ")
}

/// When the issues of a newsletter come that its readers choose among, for instance "Every day at 07:00, or Mondays at
/// 08:00 (Europe/Paris)"; empty where no schedule tells.
pub fn frequencies(schedules: &[&Schedule]) -> String {
    let Some((last, before)) = schedules.split_last() else { return String::new() };
    let one_zone = before.iter().all(|schedule| schedule.slots.zone == last.slots.zone);
    let words = |(index, schedule): (usize, &&Schedule)| {
        let slots = &schedule.slots;
        let all =
            if one_zone { format!("{} at {}", days(slots.recurrence), slots.at) } else { frequency(slots) };
        if index == 0 || DAYS.iter().any(|day| all.starts_with(day)) {
            return all;
        }
        let (first, rest) = all.split_at(1);
        format!("{}{rest}", first.to_lowercase())
    };
    let all: Vec<String> = schedules.iter().enumerate().map(words).collect();
    let all = all.join(", or ");
    if one_zone { format!("{all} ({})", zone_name(last.slots.zone)) } else { all }
}

fn days(recurrence: Recurrence) -> String {
    match recurrence {
        Recurrence::DAILY => "Every day".to_owned(),
        Recurrence::Weekly(0b001_1111) => "Monday to Friday".to_owned(),
        Recurrence::Weekly(0b110_0000) => "Saturdays and Sundays".to_owned(),
        Recurrence::Weekly(bits) => {
            let on = (0..7).filter(|day| bits & (1 << day) != 0);
            let names: Vec<String> = on.map(|day| format!("{}s", DAYS[day])).collect();
            list(&names)
        }
        Recurrence::Monthly(31) => "On the last day of each month".to_owned(),
        Recurrence::Monthly(day) => format!("On the {} of each month", ordinal(day)),
    }
}

fn ordinal(day: u8) -> String {
    let ending = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    format!("{day}{ending}")
}

/// What is wrong, as it stands alone beside its field: capital letter, full stop. An address that it begins with stays as
/// it is.
pub fn sentence(says: &str) -> String {
    if says.split_whitespace().next().is_some_and(|word| word.contains('@')) {
        return format!("{}.", says.trim_end_matches('.'));
    }
    let mut letters = says.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// "a", "a and b", "a, b and c".
pub fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A zone's name as people write it.
pub fn zone_name(zone: Tz) -> String {
    zone.name().replace('_', " ")
}

/// "You will get the next issue tomorrow at 07:00 (Europe/Paris)."
pub fn next_issue(next: Option<NextIssue>, now: Timestamp) -> String {
    let Some(next) = next else {
        return "You will get the next issue as soon as it is out.".to_owned();
    };
    if next.at <= now {
        return "The next issue is on its way to you.".to_owned();
    }
    let at = next.at.in_zone(next.zone);
    let day = day(&at, &now.in_zone(next.zone));
    format!("You will get the next issue {day} at {} ({}).", at.format("%H:%M"), zone_name(next.zone))
}

pub fn day(at: &DateTime<Tz>, now: &DateTime<Tz>) -> String {
    let days = (at.date_naive() - now.date_naive()).num_days();
    match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        2..=6 => format!("on {}", at.format("%A")),
        _ if at.year() == now.year() => format!("on {}", at.format("%A, %-d %B")),
        _ => format!("on {}", at.format("%A, %-d %B %Y")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::TimeOfDay;

    #[test]
    fn a_schedule_is_said_in_words() {
        for (days, words) in [
            ("daily", "Every day"),
            ("mon-fri", "Monday to Friday"),
            ("weekends", "Saturdays and Sundays"),
            ("weekly", "Mondays"),
            ("mon,wed,fri", "Mondays, Wednesdays and Fridays"),
            ("monthly", "On the 1st of each month"),
            ("day 22", "On the 22nd of each month"),
            ("day 13", "On the 13th of each month"),
            ("day 31", "On the last day of each month"),
        ] {
            let slots = Slots {
                recurrence: Recurrence::parse(days).unwrap(),
                at: TimeOfDay::parse("9:00").unwrap(),
                zone: chrono_tz::America::New_York,
            };
            assert_eq!(frequency(&slots), format!("{words} at 09:00 (America/New York)"));
        }
    }

    #[test]
    fn several_schedules_are_said_in_one_sentence() {
        let schedule = |days: &str, zone| Schedule {
            id: 0,
            newsletter_id: 0,
            name: String::new(),
            slots: Slots {
                recurrence: Recurrence::parse(days).unwrap(),
                at: TimeOfDay::parse("9:00").unwrap(),
                zone,
            },
            paused: false,
            starts_at: Timestamp::from_millis(0),
        };
        let paris = chrono_tz::Europe::Paris;
        let [daily, workdays, weekly] = ["daily", "mon-fri", "weekly"].map(|days| schedule(days, paris));
        let monthly = schedule("monthly", chrono_tz::UTC);
        assert_eq!(frequencies(&[]), "");
        assert_eq!(frequencies(&[&daily]), frequency(&daily.slots));
        let all = "Monday to Friday at 09:00, or Mondays at 09:00, or every day at 09:00 (Europe/Paris)";
        assert_eq!(frequencies(&[&workdays, &weekly, &daily]), all);
        let all = "Every day at 09:00 (Europe/Paris), or on the 1st of each month at 09:00 (UTC)";
        assert_eq!(frequencies(&[&daily, &monthly]), all);
    }

    #[test]
    fn the_next_issue_is_said_as_people_say_it() {
        let zone = chrono_tz::Europe::Paris;
        // Saturday, 23:30 in Paris.
        let now = Timestamp::parse("2026-11-21T22:30:00Z").unwrap();
        for (at, words) in [
            ("2026-11-21T22:45:00Z", "today at 23:45"),
            ("2026-11-22T06:00:00Z", "tomorrow at 07:00"),
            ("2026-11-27T06:00:00Z", "on Friday at 07:00"),
            ("2026-11-28T06:00:00Z", "on Saturday, 28 November at 07:00"),
            ("2027-01-01T06:00:00Z", "on Friday, 1 January 2027 at 07:00"),
        ] {
            let next = NextIssue { at: Timestamp::parse(at).unwrap(), zone };
            let said = next_issue(Some(next), now);
            assert_eq!(said, format!("You will get the next issue {words} (Europe/Paris)."));
        }
        assert!(next_issue(None, now).contains("as soon as it is out"));
        assert!(next_issue(Some(NextIssue { at: now, zone }), now).contains("on its way"));
    }
}
