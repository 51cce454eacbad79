//! What `daybreak subscriber …` says.

use chrono::{Datelike as _, NaiveDate};

use crate::db::people::Listed;
use crate::domain::address::EmailAddress;
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::import::{Cause, FIRST, Report};
use crate::pipeline::people::{Added, Erased, Left};
use crate::pipeline::story::{Story, SubscriptionStory};

pub const IMPORT_HELP: &str = "\
The first line names the columns. They are found by their names, in several languages:
  email (needed), name, or first_name and last_name, status (active, pending, unsubscribed;
  bounced, complained and blocked also put the address on the suppression list),
  topics (separated by ; or | or ,), frequency (the name of a schedule), hour (07:30), timezone,
  language, consent_at, consent_from, consent_words, paused_until, left_at, left_reason,
  tags (separated by ; or | or ,; those that are not there are made)
Dates are read as 2024-01-31, 31.01.2024, January 31, 2024, with a time or without; those with slashes
only where the file's other dates tell whether the day or the month comes first.
Separators , ; tab and |, and UTF-8, UTF-16, Windows-1252 and its like are found out.

A line that cannot be taken is refused with the reason, and the rest goes on. Values on record are
only replaced by values, and no tag is taken away. Who has left is not brought back, and who is on the suppression list is kept
but not mailed. An import that was cut off can simply be run again.";

/// Reads `COLUMN=FIELD`; the column may hold a `=` itself.
pub fn column_and_field(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("“{text}” does not map a column: write COLUMN=FIELD, for instance Kunde=name");
    let (column, field) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((column.to_owned(), field.to_owned()))
}

pub fn status(text: &str) -> Result<SubscriptionStatus, String> {
    SubscriptionStatus::parse(text).ok_or_else(|| {
        let all = SubscriptionStatus::ALL.map(SubscriptionStatus::as_str).join(", ");
        format!("“{text}” is not a status: write one of {all}")
    })
}

/// Reads a day that a calendar on paper could show.
pub fn day(text: &str) -> Result<NaiveDate, String> {
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok();
    day.filter(|day| (1970..=9999).contains(&day.year()))
        .ok_or_else(|| format!("“{text}” is not a day: write it like 2026-08-24"))
}

/// A number with its noun: `1 person`, `12,480 people`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

fn grouped(count: u64) -> String {
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

pub fn added(added: &Added) -> String {
    let Added { email, newsletter, status, .. } = added;
    let what = match (added.is_new, *status) {
        (true, "pending") => format!("{email} is added to {newsletter}, and is mailed once they confirm."),
        (true, _) => format!("{email} is subscribed to {newsletter}."),
        (false, _) => {
            format!("{email} was on {newsletter} already, and is {status}; what was given is kept.")
        }
    };
    match added.suppressed {
        None => what,
        Some(why) => format!("{what} Nothing is mailed to the address: {why}."),
    }
}

pub fn imported(report: &Report) -> Vec<String> {
    let separator = match report.separator.as_str() {
        "\t" => "tabs".to_owned(),
        separator => format!("“{separator}”"),
    };
    let mut lines =
        vec![format!("Read as {}, separated by {separator}: {}", report.encoding, report.columns.join(", "))];
    if !report.ignored_columns.is_empty() {
        lines.push(format!("Not read: {}", report.ignored_columns.join(", ")));
    }
    lines.extend(report.dates.clone());
    lines.push(String::new());
    for group in &report.groups {
        let (one, many) = group.cause.words();
        lines.push(format!("{}. {}", counted(group.count, one, many), group.cause.advice()));
        lines.extend(group.first.iter().map(|note| format!("  line {}: {}", note.line, note.reason)));
        let left = group.count.saturating_sub(u64::try_from(FIRST).unwrap_or(0));
        if left > 0 {
            lines.push(format!("  … and {}; --report FILE writes all of them", grouped(left)));
        }
        lines.push(String::new());
    }
    let numbers = format!(
        "{} added, {} updated, {} unchanged, {} refused.",
        grouped(report.added),
        grouped(report.updated),
        grouped(report.unchanged),
        grouped(report.refused)
    );
    lines.push(match report.dry_run {
        true => format!("Nothing is written yet. It would be: {numbers}"),
        false => numbers,
    });
    if !report.new_tags.is_empty() {
        let count = u64::try_from(report.new_tags.len()).unwrap_or(0);
        lines.push(format!("{}: {}.", counted(count, "new tag", "new tags"), report.new_tags.join(", ")));
    }
    lines.push(format!(
        "{} of the file {} the next issue, {} for the first time.",
        counted(report.getting, "person", "people"),
        if report.getting == 1 { "gets" } else { "get" },
        grouped(report.getting_first)
    ));
    if let Some(doubtful) = report.groups.iter().find(|group| group.cause == Cause::Doubtful) {
        let people = counted(doubtful.count, "person", "people");
        let columns = report.doubtful_columns.join(", ");
        lines.push(format!(
            "CAUTION: {people} may have left, bounced or complained elsewhere: something is in {columns}, which was not \
             read. Say what it holds with --map COLUMN=left_at or --map COLUMN=bounced_at, or --map COLUMN=ignore."
        ));
    }
    if report.incomplete > 0 {
        let people = counted(report.incomplete, "line was", "lines were");
        lines.push(format!("{people} taken without a value that was not understood."));
    }
    if report.suppressed > 0 {
        let people = counted(report.suppressed, "person is", "people are");
        lines.push(format!("{people} on the suppression list, and not mailed."));
    }
    lines
}

pub fn listed(person: &Listed) -> Vec<String> {
    let mut ties: Vec<String> =
        person.subscriptions.iter().map(|tie| format!("{} {}", tie.newsletter, tie.status)).collect();
    if person.suppressed {
        ties.push("suppressed".to_owned());
    }
    vec![person.email.clone(), person.name.clone(), ties.join(", ")]
}

pub fn left(email: &EmailAddress, left: &Left) -> String {
    match left.already {
        true => format!("{email} had left {} before.", left.newsletter),
        false => format!("{email} is unsubscribed from {}, and gets nothing more from it.", left.newsletter),
    }
}

pub fn erased(erased: &Erased) -> String {
    let done = "The person is forgotten; the address stays on the suppression list as a hash.";
    match erased.notices_in_flight {
        0 => done.to_owned(),
        _ => format!(
            "{done} A mail to it is being sent right now, and may still arrive: what is kept of it goes with its end."
        ),
    }
}

/// The lines about the person.
pub fn person(story: &Story) -> Vec<(&'static str, String)> {
    let mut lines = vec![("address", story.email.clone())];
    if story.is_subscriber {
        let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "the newsletter's".to_owned());
        lines.push(("name", story.name.clone()));
        lines.push(("language", or(&story.language)));
        lines.push(("time zone", or(&story.timezone)));
    }
    if let Some(suppression) = &story.suppression {
        let mut what = format!("not mailed since {}: {}", suppression.since, suppression.sentence);
        if !suppression.detail.is_empty() {
            what = format!("{what} ({})", suppression.detail);
        }
        lines.push(("suppressed", what));
    }
    lines
}

/// The lines about what the person follows and was sent.
pub fn story(story: &Story) -> Vec<String> {
    let mut lines = vec![];
    if !story.is_subscriber {
        lines.push("Nobody subscribes with this address.".to_owned());
        return lines;
    }
    if story.subscriptions.is_empty() {
        lines.extend([String::new(), "No subscription.".to_owned()]);
    }
    for subscription in &story.subscriptions {
        lines.extend([String::new(), format!("{}: {}", subscription.newsletter, subscription.status)]);
        let about = subscription_lines(subscription);
        lines.extend(about.into_iter().map(|(label, value)| format!("  {label:<12}  {value}")));
    }
    if !story.deliveries.is_empty() {
        lines.extend([String::new(), "Last deliveries:".to_owned()]);
    }
    lines.extend(story.deliveries.iter().map(|sent| {
        let (at, newsletter, id) = (&sent.slot_at, &sent.newsletter, sent.issue_id);
        format!("  {at}  {newsletter}, issue {id}: {}: {}", sent.state, sent.sentence)
    }));
    lines
}

fn subscription_lines(subscription: &SubscriptionStory) -> Vec<(&'static str, String)> {
    let mut lines = vec![];
    if let Some(schedule) = &subscription.schedule {
        lines.push(("schedule", schedule.clone()));
    }
    if let Some(hour) = &subscription.hour {
        lines.push(("own hour", hour.clone()));
    }
    let topics = match subscription.topics.as_slice() {
        [] => "all".to_owned(),
        topics => topics.join(", "),
    };
    lines.push(("topics", topics));
    if let Some(until) = &subscription.paused_until {
        lines.push(("paused until", until.clone()));
    }
    if let Some(consent) = &subscription.consent {
        let words = match consent.words.as_str() {
            "" => String::new(),
            words => format!(": “{words}”"),
        };
        lines.push(("consent", format!("{}, {}{words}", consent.at, consent.from)));
    }
    if let Some(origin) = &subscription.origin {
        lines.push(("origin", origin.clone()));
    }
    if let Some(at) = &subscription.confirmed_at {
        lines.push(("confirmed", at.clone()));
    }
    if let Some(at) = &subscription.left_at {
        let why = subscription.left_reason.as_ref().map(|why| format!(", by {why}")).unwrap_or_default();
        lines.push(("left", format!("{at}{why}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_agree_with_their_noun() {
        assert_eq!(counted(1, "person", "people"), "1 person");
        assert_eq!(counted(0, "person", "people"), "0 people");
        assert_eq!(counted(1_234_567, "person", "people"), "1,234,567 people");
    }

    #[test]
    fn a_map_splits_at_its_last_sign() {
        assert_eq!(column_and_field("a=b=name"), Ok(("a=b".into(), "name".into())));
        assert!(column_and_field("name").unwrap_err().contains("COLUMN=FIELD"));
    }
}
