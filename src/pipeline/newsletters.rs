//! Newsletters, as admins set them up; their schedules are in [`super::schedules`].

mod form;
mod settings;
mod values;

pub use self::form::{FormSet, Typed, set_form};
pub use self::settings::{KEYS, counts, value};
pub(super) use self::values::slug;
pub use super::schedules::{add_schedule, next_slots, pause_schedule};

use super::accounts::Actor;
use super::editors::find_newsletter;
use super::{App, Error};
use crate::db;
use crate::domain::calendar::parse_zone;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Newsletter, Order, Rules};
use crate::domain::topic::{MAX_TOPICS, Topic, slug_of};
use crate::render::{DEFAULT_PREHEADER, DEFAULT_SUBJECT};

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
    let looks: [(&str, Result<(), String>); 5] = [
        ("name", values::name(&new.name).map(drop)),
        ("slug", values::slug(&new.slug, "morning-brief").map(drop)),
        ("from", values::mailbox(&new.from, &new.name).map(drop)),
        ("language", values::language(&new.language).map(drop)),
        ("timezone", parse_zone(&new.timezone).map(drop)),
    ];
    let wrong = looks.into_iter().filter_map(|(field, look)| Some((field.to_owned(), look.err()?)));
    wrong.collect()
}

/// Makes a newsletter.
pub async fn add(app: &App, by: &Actor, new: &NewNewsletter) -> Result<Newsletter, Error> {
    let about = |key: &'static str| move |says: String| Error::Invalid(format!("{key}: {says}"));
    let name = values::name(&new.name).map_err(about("name"))?;
    let mut newsletter = Newsletter {
        id: 0,
        slug: values::slug(&new.slug, "morning-brief").map_err(about("slug"))?,
        from: values::mailbox(&new.from, &name).map_err(about("from"))?,
        name,
        description: String::new(),
        reply_to: None,
        language: values::language(&new.language).map_err(about("language"))?,
        zone: parse_zone(&new.timezone).map_err(about("timezone"))?,
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
        is_listed: true,
    };
    let topics = settings::apply_pairs(app, &mut newsletter, &new.settings)?;
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
    let id = find_newsletter(&mut tx, slug).await?.id;
    db::newsletters::lock(&mut tx, id).await?;
    let mut newsletter = find_newsletter(&mut tx, slug).await?;
    let topics = settings::apply_pairs(app, &mut newsletter, pairs)?;
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

/// A subject or preheader that an issue has for itself: a Handlebars line that renders with the sample issue.
pub(super) fn parse_line(app: &App, key: &str, value: &str) -> Result<String, Error> {
    settings::line(app, key, value).map_err(Error::Invalid)
}

/// A topic's name, and what it is in addresses.
pub(super) fn topic_name(name: &str) -> Result<(String, String), Error> {
    let name = values::one_line_of(name, values::MAX_TOPIC)
        .map_err(|says| Error::Invalid(format!("a topic’s name: {says}")))?;
    if name.is_empty() {
        return Err(Error::Invalid("a topic needs a name, such as Sport".to_owned()));
    }
    match slug_of(&name) {
        Some(slug) => Ok((name, slug)),
        None => Err(Error::Invalid(format!("“{name}” cannot be a topic: it has no letter and no digit"))),
    }
}

/// The topic of that name, made if the newsletter does not have it.
pub async fn ensure_topic(conn: &mut db::Conn, newsletter_id: i64, name: &str) -> Result<Topic, Error> {
    let (name, slug) = topic_name(name)?;
    db::newsletters::ensure_topic(conn, newsletter_id, &slug, &name).await?.ok_or_else(|| {
        Error::Invalid(format!(
            "a newsletter has at most {MAX_TOPICS} topics, and “{name}” would be one more"
        ))
    })
}
