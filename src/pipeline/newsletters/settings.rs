//! The settings of a newsletter one by one: their keys, what each is, and what it becomes.

use super::values::{self, number, one_line, one_of};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::parse_zone;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, LEAST_GRACE, Newsletter, Order};
use crate::pipeline::{App, Error};

/// Every key that [`super::set`] knows, with what it takes.
pub const KEYS: [(&str, &str); 23] = [
    ("name", "the newsletter's name"),
    ("description", "one sentence for the sign-up page"),
    ("from", "the address it is sent from, with or without a name: Morning Brief <brief@example.org>"),
    ("reply-to", "where answers go; empty: to the sender"),
    ("language", "a language tag such as en, fr or pt-BR"),
    ("timezone", "a zone of the IANA list such as Europe/Paris"),
    ("postal-address", "the sender's postal address, for the foot of the mail"),
    ("colour", "#rrggbb, for labels and links in the mail"),
    ("logo-url", "an https address of an image; empty: the name in letters"),
    ("approval", "automatic, required, or unless-held"),
    ("min-articles", "fewer than this, and no issue goes out"),
    ("max-articles", "how many go into an issue at most, up to 200"),
    ("max-age-hours", "how old an article may be at the slot; empty: all that is new since the last issue"),
    ("order", "newest, oldest, or sources (one of each in turn)"),
    ("match-language", "yes: readers get articles in their own language only; no: all"),
    ("subject", "a Handlebars line, see docs/templates.md"),
    ("preheader", "a Handlebars line: what an inbox shows behind the subject"),
    ("cutoff-minutes", "how long before its slot an issue's content freezes"),
    ("grace-minutes", "how late a slot that was missed is still sent"),
    ("editors", "addresses that are told when an issue waits, is held or fails"),
    ("measure", "nothing, clicks, or clicks-and-opens: what is recorded of each reader"),
    ("listed", "yes: everybody can sign up for it; no: it stands on no public page, and takes no sign-ups"),
    ("topics", "topics that readers may choose: Sport, Business, Culture"),
];

/// From when on a setting counts. What an issue is made of is settled when it freezes; what its mails show, and whom they
/// reach, when it begins to go out; what is looked at ever anew, at once.
fn counts_from(key: &str) -> &'static str {
    match key {
        "min-articles" | "max-articles" | "max-age-hours" | "order" | "subject" | "preheader"
        | "cutoff-minutes" | "topics" => "from the next issue that freezes",
        "name" | "from" | "reply-to" | "postal-address" | "colour" | "logo-url" | "language" | "timezone"
        | "match-language" | "measure" => "from the next issue that goes out",
        _ => "at once",
    }
}

/// From when on these settings count, in sentences; each with its key and what it is called.
pub fn counts(changed: &[(&str, &str)]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = vec![];
    for (key, called) in changed {
        let from = counts_from(key);
        match groups.iter_mut().find(|(of, _)| *of == from) {
            Some((_, group)) => group.push(called),
            None => groups.push((from, vec![called])),
        }
    }
    let is_one = groups.len() == 1;
    let sentence = |(from, group): &(&str, Vec<&str>)| match (is_one, group.as_slice()) {
        (true, [_]) => format!("It counts {from}."),
        (true, _) => format!("They count {from}."),
        (false, [one]) => format!("{one} counts {from}."),
        (false, many) => format!("{} count {from}.", many.join(", ")),
    };
    groups.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

/// A setting of a newsletter as [`super::set`] takes it; none where there is no such key, or it is a list of its own.
pub fn value(newsletter: &Newsletter, key: &str) -> Option<String> {
    let rules = &newsletter.rules;
    let list = |addresses: &[EmailAddress]| {
        addresses.iter().map(EmailAddress::as_str).collect::<Vec<_>>().join(", ")
    };
    Some(match key {
        "name" => newsletter.name.clone(),
        "description" => newsletter.description.clone(),
        "from" if newsletter.from.name.is_empty() => newsletter.from.address.as_str().to_owned(),
        "from" => format!("{} <{}>", newsletter.from.name, newsletter.from.address),
        "reply-to" => newsletter.reply_to.as_ref().map(ToString::to_string).unwrap_or_default(),
        "language" => newsletter.language.clone(),
        "timezone" => newsletter.zone.name().to_owned(),
        "postal-address" => newsletter.postal_address.clone(),
        "colour" => newsletter.colour.clone(),
        "logo-url" => newsletter.logo_url.clone().unwrap_or_default(),
        "approval" => rules.approval.as_str().to_owned(),
        "measure" => rules.measure.as_str().to_owned(),
        "order" => rules.order.as_str().to_owned(),
        "match-language" => if rules.match_language { "yes" } else { "no" }.to_owned(),
        "min-articles" => rules.min_articles.to_string(),
        "max-articles" => rules.max_articles.to_string(),
        "max-age-hours" => rules.max_age_hours.map(|hours| hours.to_string()).unwrap_or_default(),
        "cutoff-minutes" => rules.cutoff_minutes.to_string(),
        "grace-minutes" => rules.grace_minutes.to_string(),
        "subject" => rules.subject.clone(),
        "preheader" => rules.preheader.clone(),
        "editors" => list(&newsletter.editors),
        "listed" => if newsletter.is_listed { "yes" } else { "no" }.to_owned(),
        _ => return None,
    })
}

/// Applies `key=value` pairs; returns the names of topics to make.
pub(super) fn apply_pairs(
    app: &App,
    newsletter: &mut Newsletter,
    pairs: &[String],
) -> Result<Vec<String>, Error> {
    let mut topics = vec![];
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Error::Invalid(format!("“{pair}” is not KEY=VALUE: write, for instance, min-articles=3"))
        })?;
        let (key, value) = (key.trim(), value.trim());
        if !KEYS.iter().any(|(known, _)| *known == key) {
            let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
            return Err(Error::Invalid(format!(
                "a newsletter has no setting “{key}”: there is {}",
                keys.join(", ")
            )));
        }
        match key {
            "topics" => topics
                .extend(value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())),
            _ => {
                apply(app, newsletter, key, value).map_err(|says| Error::Invalid(format!("{key}: {says}")))?
            }
        }
    }
    let (fewest, most) = (newsletter.rules.min_articles, newsletter.rules.max_articles);
    if fewest > most {
        return Err(Error::Invalid(format!(
            "min-articles ({fewest}) cannot be more than max-articles ({most})"
        )));
    }
    Ok(topics)
}

/// A text as a form sends it back: without space around it, and with ends of lines of one kind.
pub(super) fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// Gives one setting of [`KEYS`] another value, or says what is wrong with that.
pub(super) fn apply(app: &App, newsletter: &mut Newsletter, key: &str, value: &str) -> Result<(), String> {
    let rules = &mut newsletter.rules;
    match key {
        "name" => newsletter.name = values::name(value)?,
        "description" => newsletter.description = one_line(value)?,
        "from" => newsletter.from = values::mailbox(value, &newsletter.name)?,
        "reply-to" => {
            newsletter.reply_to = (!value.is_empty()).then(|| EmailAddress::parse(value)).transpose()?;
        }
        "language" => newsletter.language = values::language(value)?,
        "timezone" => newsletter.zone = parse_zone(value)?,
        "postal-address" => newsletter.postal_address = normal(&value.replace("\\n", "\n")),
        "colour" => newsletter.colour = values::colour(value)?,
        "logo-url" => newsletter.logo_url = values::logo(value)?,
        "approval" => rules.approval = one_of(value, Approval::parse(value), &Approval::NAMES)?,
        "measure" => rules.measure = one_of(value, Measure::parse(value), &Measure::NAMES)?,
        "order" => rules.order = one_of(value, Order::parse(value), &Order::NAMES)?,
        "match-language" => rules.match_language = one_of(value, values::yes(value), &["yes", "no"])?,
        "min-articles" => rules.min_articles = number(value, 1, 200)?,
        "max-articles" => rules.max_articles = number(value, 1, 200)?,
        "max-age-hours" if value.is_empty() => rules.max_age_hours = None,
        "max-age-hours" => rules.max_age_hours = Some(number(value, 1, 24 * 3660)?),
        "cutoff-minutes" => rules.cutoff_minutes = number(value, 0, 24 * 60)?,
        "grace-minutes" => rules.grace_minutes = number(value, LEAST_GRACE, 24 * 60)?,
        "subject" => rules.subject = line(app, key, value)?,
        "preheader" => rules.preheader = line(app, key, value)?,
        "editors" => newsletter.editors = values::addresses(value)?,
        "listed" => newsletter.is_listed = one_of(value, values::yes(value), &["yes", "no"])?,
        _ => return Err("a newsletter has no such setting".to_owned()),
    }
    Ok(())
}

/// A Handlebars line that renders with the sample issue; `key` says whether it is a subject or a preheader.
pub(super) fn line(app: &App, key: &str, value: &str) -> Result<String, String> {
    let line = one_line(value)?;
    let checked = match key {
        "subject" => app.renderer.check_subject(&line),
        _ => app.renderer.check_preheader(&line),
    };
    match checked {
        Ok(()) => Ok(line),
        Err(problem) => Err(match problem.column {
            Some(column) => format!("at character {column}: {}", problem.message),
            None => problem.message,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_from_when_on_each_setting_counts() {
        assert_eq!(counts(&[("reply-to", "Answers")]), "It counts from the next issue that goes out.");
        assert_eq!(
            counts(&[("max-articles", "Most"), ("subject", "Subject")]),
            "They count from the next issue that freezes."
        );
        assert_eq!(counts(&[("approval", "Approval"), ("listed", "Listed")]), "They count at once.");
        assert_eq!(
            counts(&[("name", "Name"), ("order", "Order"), ("colour", "Colour")]),
            "Name, Colour count from the next issue that goes out. Order counts from the next issue that freezes."
        );
        for (key, _) in KEYS {
            assert!(counts(&[(key, key)]).starts_with("It counts "), "{key}");
        }
    }
}
