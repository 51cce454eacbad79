//! Whom an admin looks for: a filter as it stands in an address, what it means, and how it is said.

use chrono::NaiveDate;
use serde::Serialize;

use super::accounts::Actor;
use super::{App, Error};
use crate::db::directory::{Filter, State};
use crate::db::{self, Conn};
use crate::domain::calendar::{TimeOfDay, Timestamp, instant_of};
use crate::domain::language;
use crate::domain::newsletter::Newsletter;
use crate::domain::search::Search;
use crate::domain::topic::Topic;

/// The longest text that is looked for, in characters.
const MAX_WORDS: usize = 200;

/// The most people who are named one by one: a page's.
pub const MAX_PEOPLE: usize = 100;

/// A filter as it was typed: texts, empty where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// A newsletter's slug.
    pub newsletter: String,
    pub state: String,
    /// A topic's slug.
    pub topic: String,
    /// A tag's name.
    pub tag: String,
    /// A schedule's name.
    pub schedule: String,
    pub language: String,
    /// Joined on this day or later, and on this day or before, `2026-03-29`.
    pub from: String,
    pub until: String,
    /// Beginnings of words of name and address.
    pub q: String,
    /// The numbers of people who were ticked, with commas between them.
    pub people: String,
}

/// What is wrong with a field of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub field: &'static str,
    pub says: String,
}

/// A filter that makes sense.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub asked: Asked,
    pub filter: Filter,
    pub newsletter: Option<Newsletter>,
}

impl Asked {
    /// Reads the fields of a query or a form; others are left out.
    pub fn read<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let mut asked = Self::default();
        for (name, value) in fields {
            let value = value.trim().replace('\0', "\u{fffd}");
            let Some(place) = asked.fields_mut().into_iter().find(|(field, _)| *field == name) else {
                continue;
            };
            if place.1.is_empty() {
                *place.1 = value;
            }
        }
        asked
    }

    /// Reads what [`Asked::query`] wrote.
    pub fn parse(query: &str) -> Self {
        let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        Self::read(fields.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))
    }

    /// These people and nobody else.
    pub fn ticked(people: &[i64]) -> Self {
        let people = people.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        Self { people, ..Self::default() }
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut String); 10] {
        [
            ("newsletter", &mut self.newsletter),
            ("state", &mut self.state),
            ("topic", &mut self.topic),
            ("tag", &mut self.tag),
            ("schedule", &mut self.schedule),
            ("language", &mut self.language),
            ("from", &mut self.from),
            ("until", &mut self.until),
            ("q", &mut self.q),
            ("people", &mut self.people),
        ]
    }

    /// The fields that are filled in.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut own = self.clone();
        let fields = own.fields_mut().into_iter().map(|(name, value)| (name, std::mem::take(value)));
        fields.filter(|(_, value)| !value.is_empty()).collect()
    }

    /// As it stands in an address, behind the question mark.
    pub fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }

    pub fn is_empty(&self) -> bool {
        self.fields().is_empty()
    }
}

/// Looks up what a filter names.
///
/// # Errors
/// In the inner result: what is wrong with each field.
pub async fn resolve(
    conn: &mut Conn,
    asked: &Asked,
    now: Timestamp,
) -> Result<Result<Wanted, Vec<Problem>>, Error> {
    let mut filter = Filter::everybody(now);
    let mut problems = vec![];
    let mut wrong = |field, says: String| problems.push(Problem { field, says });
    let newsletter = match asked.newsletter.as_str() {
        "" => None,
        slug => {
            let found = db::newsletters::find(conn, slug).await?;
            if found.is_none() {
                wrong("newsletter", format!("There is no newsletter “{slug}”: choose one from the list."));
            }
            found
        }
    };
    filter.newsletter_id = newsletter.as_ref().map(|newsletter| newsletter.id);
    if !asked.state.is_empty() {
        filter.state = State::parse(&asked.state);
        if filter.state.is_none() {
            wrong("state", format!("“{}” is not a state: choose one from the list.", asked.state));
        }
    }
    if !asked.topic.is_empty() {
        match topic(conn, newsletter.as_ref(), &asked.topic).await? {
            Some(topic) => filter.topic = Some(1 << topic.bit),
            None => wrong("topic", no_such("topic", &asked.topic)),
        }
    }
    if !asked.schedule.is_empty() {
        match schedule(conn, newsletter.as_ref(), &asked.schedule).await? {
            Some(schedule) => filter.schedule = Some(schedule),
            None => wrong("schedule", no_such("schedule", &asked.schedule)),
        }
    }
    if !asked.tag.is_empty() {
        match db::tags::find(conn, &asked.tag).await? {
            Some(tag) => filter.tag_id = Some(tag.id),
            None => wrong("tag", format!("Nobody has the tag “{}”.", asked.tag)),
        }
    }
    if !asked.language.is_empty() {
        filter.language = language::normalise(&asked.language);
        if filter.language.is_none() {
            wrong(
                "language",
                format!("“{}” is not a language: write a tag like en or pt-BR.", asked.language),
            );
        }
    }
    let zone = newsletter.as_ref().map_or(chrono_tz::UTC, |newsletter| newsletter.zone);
    for (field, text, days_on) in [("from", &asked.from, 0), ("until", &asked.until, 1)] {
        if text.is_empty() {
            continue;
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        let day =
            day.filter(|_| text.len() == 10).and_then(|day| day.checked_add_days(chrono::Days::new(days_on)));
        let at = day.map(|day| instant_of(day, TimeOfDay::midnight(), zone));
        match (field, at) {
            (_, None) => wrong(field, format!("“{text}” is not a day: write it like 2026-03-29.")),
            ("from", at) => filter.joined_from = at,
            (_, at) => filter.joined_before = at,
        }
    }
    match Search::parse(&asked.q) {
        _ if asked.q.chars().count() > MAX_WORDS => {
            wrong("q", format!("The search has more than {MAX_WORDS} characters: shorten it."));
        }
        Some(words) => filter.words = words,
        None => wrong("q", format!("“{}” holds no letter and no digit: look for words.", asked.q)),
    }
    if !asked.people.is_empty() {
        match numbers(&asked.people) {
            Some(people) => filter.people = people,
            None => wrong(
                "people",
                format!("These are not the numbers of at most {MAX_PEOPLE} people: tick them in the list."),
            ),
        }
    }
    Ok(match problems.is_empty() {
        true => Ok(Wanted { asked: asked.clone(), filter, newsletter }),
        false => Err(problems),
    })
}

/// The numbers of people, each once; none where there are too many, or one is none.
fn numbers(text: &str) -> Option<Vec<i64>> {
    let mut people =
        text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<i64>>>()?;
    people.sort_unstable();
    people.dedup();
    (people.len() <= MAX_PEOPLE).then_some(people)
}

fn no_such(what: &str, name: &str) -> String {
    format!("The newsletter has no {what} “{name}”: choose the newsletter first, and then one of its own.")
}

async fn topic(conn: &mut Conn, newsletter: Option<&Newsletter>, slug: &str) -> Result<Option<Topic>, Error> {
    let Some(newsletter) = newsletter else { return Ok(None) };
    let topics = db::newsletters::topics(conn, newsletter.id).await?;
    Ok(topics.into_iter().find(|topic| topic.slug == slug))
}

async fn schedule(
    conn: &mut Conn,
    newsletter: Option<&Newsletter>,
    name: &str,
) -> Result<Option<(i64, bool)>, Error> {
    let Some(newsletter) = newsletter else { return Ok(None) };
    let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
    let place = schedules.iter().position(|schedule| schedule.name == name);
    Ok(place.map(|place| (schedules[place].id, place == 0)))
}

/// A filter that was kept, such as a segment's.
///
/// # Errors
/// `Invalid` where what it names is not there any more.
pub async fn kept(app: &App, query: &str, now: Timestamp) -> Result<Wanted, Error> {
    let mut conn = app.db.conn().await?;
    resolve(&mut conn, &Asked::parse(query), now).await?.map_err(|problems| {
        Error::Invalid(problems.into_iter().map(|problem| problem.says).collect::<Vec<_>>().join(" "))
    })
}

impl Wanted {
    /// Whom it finds, in words: "active readers of Morning Brief in fr who have the tag “press”". The words that are
    /// looked for are left out: they may be somebody's address, and this is kept.
    pub fn words(&self) -> String {
        let mut words = match self.filter.state {
            None => "people".to_owned(),
            Some(State::Active) => "active readers".to_owned(),
            Some(State::Pending) => "people who have not confirmed".to_owned(),
            Some(State::Unsubscribed) => "people who have left".to_owned(),
            Some(State::Paused) => "readers who have paused".to_owned(),
            Some(State::Suppressed) => "people on the suppression list".to_owned(),
        };
        let Asked { topic, tag, schedule, language, from, until, q, people, .. } = &self.asked;
        if let Some(newsletter) = &self.newsletter {
            words += &format!(" of {}", newsletter.name);
        }
        for (text, before, behind) in [
            (schedule, "on the schedule “", "”"),
            (topic, "interested in “", "”"),
            (tag, "with the tag “", "”"),
            (language, "with the language ", ""),
            (from, "who joined on ", " or later"),
            (until, "who joined on ", " or before"),
        ] {
            if !text.is_empty() {
                words += &format!(", {before}{text}{behind}");
            }
        }
        if !people.is_empty() {
            words += ", ticked one by one";
        }
        if !q.is_empty() {
            words += ", found by a search";
        }
        words
    }
}

/// Keeps a filter under a name. Returns whether it is kept: another that has the name stays.
pub async fn keep(app: &App, by: &Actor, name: &str, asked: &Asked) -> Result<bool, Error> {
    let mut tx = app.db.begin().await?;
    if !db::segments::put(&mut tx, name, &asked.query(), app.clock.now()).await? {
        return Ok(false);
    }
    by.note_of(app, &mut tx, "segment.keep", name, None).await?;
    db::commit(tx).await?;
    Ok(true)
}

/// Removes a filter that was kept, and returns its name.
pub async fn remove_segment(app: &App, by: &Actor, id: i64) -> Result<String, Error> {
    let mut tx = app.db.begin().await?;
    let removed = db::segments::remove(&mut tx, id).await?;
    let removed = removed.ok_or_else(|| Error::NotFound("there is no such segment".to_owned()))?;
    by.note_of(app, &mut tx, "segment.remove", &removed.name, None).await?;
    db::commit(tx).await?;
    Ok(removed.name)
}
