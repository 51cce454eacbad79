//! What the templates of notices can print.

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::article::web_url;
use super::colour;
use super::context::{align, postal_lines};
use super::holes::clean;
use crate::domain::calendar::{Timestamp, parse_zone};
use crate::domain::language::{colon, direction, is_rtl, long_date, time_of_day};
use crate::domain::notice::{
    Access, CodeUsed, Confirm, ConfirmAddress, Goodbye, IssueNotice, Moved, Notice, Publication, Welcome,
};
use crate::domain::words::{fill, words};

/// The context of a notice's templates.
pub(super) fn notice(notice: &Notice) -> Value {
    let mut context = match notice {
        Notice::Confirm(context) => confirm(context),
        Notice::Welcome(context) => welcome(context),
        Notice::Goodbye(context) => goodbye(context),
        Notice::Address(context) => address(context),
        Notice::Moved(context) => moved(context),
        Notice::Ready(context) | Notice::Held(context) | Notice::Failed(context) => issue_notice(context),
        Notice::SignIn(context) | Notice::Invitation(context) => access(context),
        Notice::RecoveryCode(context) => code_used(context),
    };
    let language = notice.language();
    context["language"] = json!(language);
    context["direction"] = json!(direction(language));
    context["is_rtl"] = json!(is_rtl(language));
    context["align"] = json!(align(is_rtl(language)));
    context["colon"] = json!(colon(language));
    context
}

fn confirm(confirm: &Confirm) -> Value {
    let (_, words) = words(&confirm.language);
    let names: Vec<String> = confirm.newsletters.iter().map(|one| clean(&one.name)).collect();
    let until =
        confirm.valid_until.map(|until| when(words.confirm_until, until, &confirm.zone, &confirm.language));
    json!({
        // The mail wears the colours of the first.
        "newsletter": confirm.newsletters.first().map_or_else(|| publication(&Publication::default()), publication),
        "newsletters": confirm.newsletters.iter().map(publication).collect::<Vec<_>>(),
        "confirm_url": web_url(&confirm.confirm_url),
        "words": {
            "subject": fill(words.confirm_subject, &[("newsletters", &names.join(", "))]),
            "ask": words.confirm_ask,
            "button": words.confirm_button,
            "ignore": words.confirm_ignore,
            "until": until,
            "copy_link": words.copy_link,
        },
    })
}

fn welcome(welcome: &Welcome) -> Value {
    let (_, words) = words(&welcome.language);
    let newsletter = publication(&welcome.newsletter);
    let name = clean(&welcome.newsletter.name);
    let next = welcome.next_issue.map(|next| when(words.next_issue, next, &welcome.zone, &welcome.language));
    json!({
        "newsletter": newsletter,
        "unsubscribe_url": web_url(&welcome.unsubscribe_url),
        "preferences_url": welcome.preferences_url.as_deref().and_then(web_url),
        "words": {
            "subject": fill(words.welcome_subject, &[("newsletter", &name)]),
            "text": fill(if welcome.again { words.again_text } else { words.welcome_text }, &[("newsletter", &name)]),
            "next_issue": next,
            "add_sender": fill(words.add_sender, &[("address", &clean(&welcome.newsletter.from))]),
            "leave": words.leave,
            "preferences": words.preferences,
        },
    })
}

fn goodbye(goodbye: &Goodbye) -> Value {
    let (_, words) = words(&goodbye.language);
    let name = clean(&goodbye.newsletter.name);
    json!({
        "newsletter": publication(&goodbye.newsletter),
        "resubscribe_url": goodbye.resubscribe_url.as_deref().and_then(web_url),
        "words": {
            "subject": fill(words.goodbye_subject, &[("newsletter", &name)]),
            "text": fill(words.goodbye_text, &[("newsletter", &name)]),
            "mistake": words.goodbye_mistake,
            "subscribe_again": words.subscribe_again,
        },
    })
}

fn address(address: &ConfirmAddress) -> Value {
    let (_, words) = words(&address.language);
    let newsletters = match address.newsletters.as_slice() {
        [] => std::slice::from_ref(&address.newsletter),
        all => all,
    };
    json!({
        "newsletter": publication(&address.newsletter),
        "newsletters": newsletters.iter().map(publication).collect::<Vec<_>>(),
        "confirm_url": web_url(&address.confirm_url),
        "words": {
            "subject": words.address_subject,
            "ask": words.address_ask,
            "button": words.address_button,
            "ignore": words.address_ignore,
            "until": when(words.confirm_until, address.valid_until, &address.zone, &address.language),
            "copy_link": words.copy_link,
        },
    })
}

fn moved(moved: &Moved) -> Value {
    let (_, words) = words(&moved.language);
    json!({
        "newsletter": publication(&moved.newsletter),
        "preferences_url": web_url(&moved.preferences_url),
        "words": {
            "subject": words.moved_subject,
            "text": if moved.preferences_url.is_empty() { words.moved_back_text } else { words.moved_text },
            "mistake": words.moved_mistake,
            "until": moved.valid_until.map(|until| when(words.confirm_until, until, &moved.zone, &moved.language)),
            "button": words.moved_button,
            "preferences": words.preferences,
        },
    })
}

fn issue_notice(notice: &IssueNotice) -> Value {
    let commands = notice.commands.iter();
    json!({
        "newsletter": publication(&notice.newsletter),
        "issue": {
            "id": notice.issue_id,
            "number": (notice.number > 0).then_some(notice.number),
            "slot": format!("{}, {} ({})",
                long_date(notice.slot_at, zone(&notice.zone), "en"),
                time_of_day(notice.slot_at, zone(&notice.zone), "en"),
                zone(&notice.zone).name()),
            "subject": clean(&notice.subject),
            "articles": notice.articles,
            "audience": grouped(notice.audience),
            "url": notice.url.as_deref().and_then(web_url),
            "reason": clean(&notice.reason),
        },
        "commands": commands
            .map(|command| json!({ "does": clean(&command.does), "line": clean(&command.line) }))
            .collect::<Vec<_>>(),
    })
}

fn access(access: &Access) -> Value {
    json!({
        "newsletter": publication(&access.newsletter),
        "service": clean(&access.service),
        "url": web_url(&access.url),
        "minutes": access.minutes,
        "days": access.days,
    })
}

fn code_used(code: &CodeUsed) -> Value {
    json!({
        "newsletter": publication(&code.newsletter),
        "service": clean(&code.service),
        "used_at": format!("{}, {} (UTC)",
            long_date(code.used_at, Tz::UTC, "en"),
            time_of_day(code.used_at, Tz::UTC, "en")),
        "network": clean(&code.network),
        "left": code.left,
        "url": web_url(&code.url),
    })
}

fn publication(publication: &Publication) -> Value {
    let (colour, colour_dark) = colour::readable(&publication.colour);
    json!({
        "name": clean(&publication.name),
        "slug": clean(&publication.slug),
        "description": clean(&publication.description),
        "colour": colour,
        "colour_dark": colour_dark,
        "logo_url": publication.logo_url.as_deref().and_then(web_url),
        "postal_address": postal_lines(&publication.postal_address).join(", "),
        "postal_lines": postal_lines(&publication.postal_address),
        "from": clean(&publication.from),
    })
}

/// A sentence with a time, whose zone is named as on the pages: mails are read anywhere.
fn when(sentence: &str, time: Timestamp, zone_name: &str, language: &str) -> String {
    let zone = zone(zone_name);
    let date = long_date(time, zone, language);
    let hour = format!("{} ({})", time_of_day(time, zone, language), zone.name().replace('_', " "));
    fill(sentence, &[("date", &date), ("time", &hour)])
}

fn zone(name: &str) -> Tz {
    parse_zone(name).unwrap_or(Tz::UTC)
}

/// A number with commas, for instance 12,480.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            [0, 999, 1_000, 12_480, 1_000_000].map(grouped),
            ["0", "999", "1,000", "12,480", "1,000,000"]
        );
    }
}
