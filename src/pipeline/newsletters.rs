//! Newsletters and their schedules, as admins set them up.

use crate::db;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{Recurrence, Slot, Slots, TimeOfDay, parse_zone};
use crate::domain::language;
use crate::domain::mail::Mailbox;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, LEAST_GRACE, Newsletter, Order, Rules, Schedule};
use crate::domain::topic::{MAX_TOPICS, Topic, slug_of};
use crate::render::{DEFAULT_PREHEADER, DEFAULT_SUBJECT};

use super::accounts::Actor;
use super::editors::find_newsletter;
use super::{App, Error};

/// Every key that [`set`] knows, with what it takes.
pub const KEYS: [(&str, &str); 22] = [
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
    ("topics", "topics that readers may choose: Sport, Business, Culture"),
];

/// What [`add`] needs to know.
#[derive(Clone, Debug, Default)]
pub struct NewNewsletter {
    pub slug: String,
    pub name: String,
    pub from: String,
    pub timezone: String,
    pub language: String,
    /// `key=value` pairs as [`set`] takes them.
    pub settings: Vec<String>,
}

/// What is wrong with a newsletter that is to be made, by field; whether its slug is taken is found when it is.
pub fn problems_of_new(new: &NewNewsletter) -> Vec<(String, String)> {
    let name = match new.name.trim() {
        "" => Err(Error::Invalid("a newsletter needs a name".to_owned())),
        name => one_line("name", name),
    };
    let looks: [(&str, Result<(), Error>); 5] = [
        ("name", name.map(drop)),
        ("slug", parse_slug(&new.slug).map(drop)),
        ("from", parse_mailbox(&new.from, &new.name).map(drop)),
        ("language", parse_language(&new.language).map(drop)),
        ("timezone", parse_zone(&new.timezone).map(drop).map_err(Error::Invalid)),
    ];
    let wrong =
        looks.into_iter().filter_map(|(field, look)| Some((field.to_owned(), look.err()?.to_string())));
    wrong.collect()
}

/// Makes a newsletter.
pub async fn add(app: &App, by: &Actor, new: &NewNewsletter) -> Result<Newsletter, Error> {
    let name = one_line("name", &new.name)?;
    if name.is_empty() {
        return Err(Error::Invalid("a newsletter needs a name: --name \"Morning Brief\"".to_owned()));
    }
    let mut newsletter = Newsletter {
        id: 0,
        slug: parse_slug(&new.slug)?,
        from: parse_mailbox(&new.from, &name)?,
        name,
        description: String::new(),
        reply_to: None,
        language: parse_language(&new.language)?,
        zone: parse_zone(&new.timezone).map_err(Error::Invalid)?,
        postal_address: String::new(),
        colour: "#b4451f".to_owned(),
        logo_url: None,
        rules: Rules {
            approval: Approval::Automatic,
            min_articles: 1,
            max_articles: 12,
            max_age_hours: None,
            order: Order::Newest,
            match_language: false,
            subject: DEFAULT_SUBJECT.to_owned(),
            preheader: DEFAULT_PREHEADER.to_owned(),
            cutoff_minutes: 30,
            grace_minutes: 360,
            measure: Measure::Nothing,
        },
        editors: vec![],
    };
    let topics = change(app, &mut newsletter, &new.settings)?;
    let mut tx = app.db.begin().await?;
    newsletter.id = match db::newsletters::insert(&mut tx, &newsletter, app.clock.now()).await {
        Err(error) if error.is_duplicate() => {
            return Err(Error::Invalid(format!(
                "there is a newsletter “{}” already: choose another slug",
                new.slug
            )));
        }
        other => other?,
    };
    for topic in topics {
        ensure_topic(&mut tx, newsletter.id, &topic).await?;
    }
    by.note_of(app, &mut tx, "newsletter.add", &newsletter.slug, Some(newsletter.id)).await?;
    db::commit(tx).await?;
    Ok(newsletter)
}

/// Changes settings of a newsletter: `key=value` pairs with the keys of [`KEYS`].
pub async fn set(app: &App, by: &Actor, slug: &str, pairs: &[String]) -> Result<Newsletter, Error> {
    let mut tx = app.db.begin().await?;
    let mut newsletter = find_newsletter(&mut tx, slug).await?;
    let topics = change(app, &mut newsletter, pairs)?;
    db::newsletters::update(&mut tx, &newsletter).await?;
    for topic in topics {
        ensure_topic(&mut tx, newsletter.id, &topic).await?;
    }
    let keys: Vec<&str> =
        pairs.iter().map(|pair| pair.split('=').next().unwrap_or_default().trim()).collect();
    let what = format!("{slug}: {}", keys.join(", "));
    by.note_of(app, &mut tx, "newsletter.set", &what, Some(newsletter.id)).await?;
    db::commit(tx).await?;
    Ok(newsletter)
}

/// A setting of a newsletter as [`set`] takes it; none where there is no such key, or it is a list of its own.
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
        _ => return None,
    })
}

/// What became of a form with settings.
#[derive(Clone, Debug)]
pub enum FormSet {
    /// The keys that were changed; there may be none.
    Changed(Vec<String>),
    /// Nothing was: what is wrong with it, by key.
    Refused(Vec<(String, String)>),
}

/// Changes settings of a newsletter as a form has them: all of them or none, and every fault is told.
pub async fn set_form(
    app: &App,
    by: &Actor,
    slug: &str,
    fields: &[(String, String)],
) -> Result<FormSet, Error> {
    let mut tx = app.db.begin().await?;
    let mut newsletter = find_newsletter(&mut tx, slug).await?;
    let (mut changed, mut problems) = (vec![], vec![]);
    for (key, typed) in fields {
        if value(&newsletter, key).as_deref() == Some(typed.trim()) {
            continue;
        }
        match change_one(app, &mut newsletter, key, typed.trim()) {
            Ok(()) => changed.push(key.clone()),
            Err(Error::Invalid(says)) => problems.push((key.clone(), says)),
            Err(error) => return Err(error),
        }
    }
    if let Err(Error::Invalid(says)) = check_counts(&newsletter.rules) {
        problems.push(("min-articles".to_owned(), says));
    }
    if !problems.is_empty() {
        return Ok(FormSet::Refused(problems));
    }
    if changed.is_empty() {
        return Ok(FormSet::Changed(changed));
    }
    db::newsletters::update(&mut tx, &newsletter).await?;
    let what = format!("{slug}: {}", changed.join(", "));
    by.note_of(app, &mut tx, "newsletter.set", &what, Some(newsletter.id)).await?;
    db::commit(tx).await?;
    Ok(FormSet::Changed(changed))
}

/// Applies `key=value` pairs; returns the names of topics to make.
fn change(app: &App, newsletter: &mut Newsletter, pairs: &[String]) -> Result<Vec<String>, Error> {
    let mut topics = vec![];
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Error::Invalid(format!("“{pair}” is not KEY=VALUE: write, for instance, min-articles=3"))
        })?;
        let (key, value) = (key.trim(), value.trim());
        match key {
            "topics" => topics
                .extend(value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())),
            _ => change_one(app, newsletter, key, value)?,
        }
    }
    check_counts(&newsletter.rules)?;
    Ok(topics)
}

fn change_one(app: &App, newsletter: &mut Newsletter, key: &str, value: &str) -> Result<(), Error> {
    let rules = &mut newsletter.rules;
    match key {
        "name" if value.is_empty() => {
            return Err(Error::Invalid("a newsletter's name cannot be empty".to_owned()));
        }
        "name" => newsletter.name = one_line(key, value)?,
        "description" => newsletter.description = one_line(key, value)?,
        "from" => newsletter.from = parse_mailbox(value, &newsletter.name)?,
        "reply-to" => {
            newsletter.reply_to = (!value.is_empty())
                .then(|| EmailAddress::parse(value))
                .transpose()
                .map_err(Error::Invalid)?;
        }
        "language" => newsletter.language = parse_language(value)?,
        "timezone" => newsletter.zone = parse_zone(value).map_err(Error::Invalid)?,
        "postal-address" => newsletter.postal_address = value.replace("\\n", "\n"),
        "colour" => newsletter.colour = parse_colour(value)?,
        "logo-url" => newsletter.logo_url = parse_logo(value)?,
        "approval" => rules.approval = one_of(key, value, Approval::parse(value), &Approval::NAMES)?,
        "measure" => rules.measure = one_of(key, value, Measure::parse(value), &Measure::NAMES)?,
        "order" => rules.order = one_of(key, value, Order::parse(value), &Order::NAMES)?,
        "match-language" => rules.match_language = one_of(key, value, parse_yes(value), &["yes", "no"])?,
        "min-articles" => rules.min_articles = number(key, value, 1, 200)?,
        "max-articles" => rules.max_articles = number(key, value, 1, 200)?,
        "max-age-hours" => {
            rules.max_age_hours =
                if value.is_empty() { None } else { Some(number(key, value, 1, 24 * 3660)?) };
        }
        "cutoff-minutes" => rules.cutoff_minutes = number(key, value, 0, 24 * 60)?,
        "grace-minutes" => rules.grace_minutes = number(key, value, LEAST_GRACE, 24 * 60)?,
        "subject" => rules.subject = parse_line(app, key, value)?,
        "preheader" => rules.preheader = parse_line(app, key, value)?,
        "editors" => {
            let addresses = value.split([',', ' ', ';']).filter(|address| !address.is_empty());
            newsletter.editors =
                addresses.map(EmailAddress::parse).collect::<Result<_, _>>().map_err(Error::Invalid)?;
        }
        _ => {
            let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
            return Err(Error::Invalid(format!(
                "a newsletter has no setting “{key}”: there is {}",
                keys.join(", ")
            )));
        }
    }
    Ok(())
}

fn check_counts(rules: &Rules) -> Result<(), Error> {
    let (fewest, most) = (rules.min_articles, rules.max_articles);
    match fewest > most {
        true => {
            Err(Error::Invalid(format!("min-articles ({fewest}) cannot be more than max-articles ({most})")))
        }
        false => Ok(()),
    }
}

/// A value without line breaks and control characters: it may stand in a header.
pub(super) fn one_line(key: &str, value: &str) -> Result<String, Error> {
    match value.chars().any(char::is_control) {
        true => {
            Err(Error::Invalid(format!("{key} must be one line, without line breaks or control characters")))
        }
        false if value.len() > 500 => {
            Err(Error::Invalid(format!("{key} is longer than 500 bytes: shorten it")))
        }
        false => Ok(value.trim().to_owned()),
    }
}

/// A Handlebars line that renders with the sample issue.
pub(super) fn parse_line(app: &App, key: &str, value: &str) -> Result<String, Error> {
    let line = one_line(key, value)?;
    let checked = match key {
        "subject" => app.renderer.check_subject(&line),
        _ => app.renderer.check_preheader(&line),
    };
    checked.map_err(|problem| Error::Invalid(format!("{key}: {problem}")))?;
    Ok(line)
}

fn number(key: &str, value: &str, least: i64, most: i64) -> Result<i64, Error> {
    let parsed = value.parse().ok().filter(|number| (least..=most).contains(number));
    parsed.ok_or_else(|| Error::Invalid(format!("{key}: “{value}” is not a number from {least} to {most}")))
}

fn one_of<T>(key: &str, value: &str, parsed: Option<T>, names: &[&str]) -> Result<T, Error> {
    parsed.ok_or_else(|| Error::Invalid(format!("{key}: “{value}” is not one of {}", names.join(", "))))
}

fn parse_yes(value: &str) -> Option<bool> {
    match value {
        "yes" | "true" | "1" | "on" => Some(true),
        "no" | "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// Lower-case letters, digits and hyphens: it stands in addresses, file names and `List-Id` (RFC 2919 §2).
fn parse_slug(text: &str) -> Result<String, Error> {
    let fits = (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        // Digits alone would be taken for an issue's number.
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-');
    match fits {
        true => Ok(text.to_owned()),
        false => Err(Error::Invalid(format!(
            "“{}” cannot be a slug: use lower-case letters (at least one), digits and hyphens, for instance morning-brief",
            text.escape_debug()
        ))),
    }
}

/// `Name <address>` or an address alone, which gets `name`.
fn parse_mailbox(text: &str, name: &str) -> Result<Mailbox, Error> {
    let text = text.trim();
    let (given, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((given, address)) => (given.trim().trim_matches('"'), address),
        None => ("", text),
    };
    let address = EmailAddress::parse(address).map_err(Error::Invalid)?;
    let name = if given.is_empty() { name.to_owned() } else { one_line("from", given)? };
    Ok(Mailbox { name, address })
}

fn parse_language(text: &str) -> Result<String, Error> {
    language::normalise(text).ok_or_else(|| {
        Error::Invalid(format!("“{text}” is not a language tag: write en, fr or pt-BR, for instance"))
    })
}

fn parse_colour(text: &str) -> Result<String, Error> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    match digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_lowercase()),
        false => {
            Err(Error::Invalid(format!("colour: “{text}” is not a colour: write #b4451f, for instance")))
        }
    }
}

fn parse_logo(text: &str) -> Result<Option<String>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(url.to_string())),
        _ => Err(Error::Invalid(format!("logo-url: “{text}” is not the address of an image (https://…)"))),
    }
}

/// The topic of that name, made if the newsletter does not have it.
pub async fn ensure_topic(conn: &mut db::Conn, newsletter_id: i64, name: &str) -> Result<Topic, Error> {
    let name = one_line("topic", name)?;
    let slug = slug_of(&name).ok_or_else(|| {
        Error::Invalid(format!("“{name}” cannot be a topic: it has no letter and no digit"))
    })?;
    db::newsletters::ensure_topic(conn, newsletter_id, &slug, &name).await?.ok_or_else(|| {
        Error::Invalid(format!(
            "a newsletter has at most {MAX_TOPICS} topics, and “{name}” would be one more"
        ))
    })
}

/// Adds a schedule to a newsletter.
pub async fn add_schedule(
    app: &App,
    by: &Actor,
    slug: &str,
    name: Option<&str>,
    at: &str,
    timezone: Option<&str>,
    days: &str,
) -> Result<Schedule, Error> {
    let recurrence = Recurrence::parse(days).map_err(Error::Invalid)?;
    let at = TimeOfDay::parse(at).map_err(Error::Invalid)?;
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    let zone = timezone.map(parse_zone).transpose().map_err(Error::Invalid)?.unwrap_or(newsletter.zone);
    let name = match name {
        Some(name) => parse_slug(name)?,
        None => default_name(recurrence).to_owned(),
    };
    let mut schedule = Schedule {
        id: 0,
        newsletter_id: newsletter.id,
        name,
        slots: Slots { recurrence, at, zone },
        paused: false,
        starts_at: app.clock.now(),
    };
    schedule.id = match db::newsletters::insert_schedule(&mut tx, &schedule).await {
        Err(error) if error.is_duplicate() => {
            return Err(Error::Invalid(format!(
                "“{slug}” has a schedule “{}” already: give this one another name with --name",
                schedule.name
            )));
        }
        other => other?,
    };
    note_schedule(app, &mut tx, by, "schedule.add", slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}

/// Writes down what somebody did to a schedule, which is then so.
pub(super) async fn note_schedule(
    app: &App,
    conn: &mut db::Conn,
    by: &Actor,
    action: &str,
    slug: &str,
    schedule: &Schedule,
) -> Result<(), Error> {
    let Slots { recurrence, at, zone } = &schedule.slots;
    let what = format!("{slug}: {}, {recurrence} at {at} {}", schedule.name, zone.name());
    by.note_of(app, conn, action, &what, Some(schedule.newsletter_id)).await
}

fn default_name(recurrence: Recurrence) -> &'static str {
    match recurrence {
        Recurrence::Monthly(_) => "monthly",
        Recurrence::Weekly(days) if days.count_ones() == 1 => "weekly",
        Recurrence::Weekly(days) if days.count_ones() == 7 => "daily",
        Recurrence::Weekly(_) => "weekdays",
    }
}

/// A newsletter's schedules with their next `count` slots.
pub async fn next_slots(app: &App, slug: &str, count: usize) -> Result<Vec<(Schedule, Vec<Slot>)>, Error> {
    let mut conn = app.db.conn().await?;
    let newsletter = find_newsletter(&mut conn, slug).await?;
    let mut listed = vec![];
    for schedule in db::newsletters::schedules_of(&mut conn, newsletter.id).await? {
        let last = db::issues::last_slot(&mut conn, schedule.id).await?;
        let mut after = last.map_or(schedule.starts_at, |(slot, _)| slot).max(app.clock.now());
        let mut date = last.map(|(_, date)| date);
        let mut slots = vec![];
        while let Some(slot) = schedule.slots.next(after, date).filter(|_| slots.len() < count) {
            (after, date) = (slot.at, Some(slot.date));
            slots.push(slot);
        }
        listed.push((schedule, slots));
    }
    Ok(listed)
}

/// Pauses a schedule, or lets it go on from now: what was due meanwhile is not made up for.
pub async fn pause_schedule(
    app: &App,
    by: &Actor,
    slug: &str,
    name: &str,
    paused: bool,
) -> Result<Schedule, Error> {
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    let schedules = db::newsletters::schedules_of(&mut tx, newsletter.id).await?;
    let Some(mut schedule) = schedules.iter().find(|schedule| schedule.name == name).cloned() else {
        let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        return Err(Error::NotFound(format!(
            "“{slug}” has no schedule “{name}”: it has {}",
            names.join(", ")
        )));
    };
    schedule.paused = paused;
    if !paused {
        schedule.starts_at = app.clock.now();
    }
    db::newsletters::update_schedule(&mut tx, &schedule).await?;
    let action = if paused { "schedule.pause" } else { "schedule.resume" };
    note_schedule(app, &mut tx, by, action, slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}
