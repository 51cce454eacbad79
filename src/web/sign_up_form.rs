//! The sign-up form: its fields as typed, as parsed, and as shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::form::Form;
use super::home::Shown;
use super::{Error, words};
use crate::db::{Conn, DbError, newsletters};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, parse_zone};
use crate::domain::newsletter::Schedule;
use crate::domain::topic::Topic;
use crate::domain::{language, topic};
use crate::pipeline::App;
use crate::pipeline::archive::{self, Published};
use crate::pipeline::import::MAX_CONSENT;
use crate::pipeline::subscribe::{MAX_NEWSLETTERS, Own, SignUp, clean_name};

/// The field that people do not see.
pub const TRAP: &str = "website";

/// What somebody typed, as it came.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Typed {
    /// The newsletter whose own page the form stood on; empty for the page with all of them.
    pub page: String,
    pub email: String,
    pub name: String,
    pub newsletters: Vec<String>,
    pub topics: Vec<String>,
    pub schedule: String,
    /// What was chosen of single newsletters, on the page with all of them.
    #[serde(skip)]
    pub own: Vec<Own>,
    pub hour: String,
    pub timezone: String,
    pub language: String,
    /// A field that people do not see is filled in: it was a program.
    pub is_trapped: bool,
}

/// What is wrong with a field, and what to do.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The field's name and its id on the page.
    pub field: &'static str,
    pub says: String,
}

impl Problem {
    pub fn new(field: &'static str, says: &str) -> Self {
        Self { field, says: words::sentence(says) }
    }
}

impl From<&Form> for Typed {
    fn from(form: &Form) -> Self {
        let one = |name: &str| form.get(name).to_owned();
        Self {
            // It becomes part of a link: nothing but a slug may pass.
            page: topic::slug_of(form.get("page")).unwrap_or_default(),
            email: one("email"),
            name: one("name"),
            newsletters: form.all("newsletter"),
            topics: form.all("topic"),
            schedule: one("schedule"),
            own: own(form),
            hour: one("hour"),
            timezone: one("timezone"),
            language: one("language"),
            is_trapped: !form.get(TRAP).trim().is_empty(),
        }
    }
}

impl Typed {
    /// The sign-up as it was meant, without network address and words; or what is wrong with it, field by field.
    pub fn parse(&self) -> Result<SignUp, Vec<Problem>> {
        let mut problems = vec![];
        let mut note = |field, says: String| problems.push(Problem::new(field, &says));
        if self.newsletters.is_empty() {
            note("newsletter", "Choose at least one newsletter".into());
        }
        if self.newsletters.len() > MAX_NEWSLETTERS {
            note("newsletter", format!("Choose at most {MAX_NEWSLETTERS} newsletters at a time"));
        }
        let email = if self.email.trim().is_empty() {
            Err("Enter your e-mail address, for instance ann@example.org".to_owned())
        } else {
            EmailAddress::parse(&self.email)
        };
        let email = email.map_err(|says| note("email", says)).ok();
        let name = clean_name(&self.name).map_err(|says| note("name", says)).ok();
        let hour = optional(&self.hour, TimeOfDay::parse).map_err(|says| note("hour", says)).ok();
        let zone = optional(&self.timezone, parse_zone).map_err(|says| note("timezone", says)).ok();
        let (Some(email), Some(name), Some(hour), Some(zone), true) =
            (email, name, hour, zone, problems.is_empty())
        else {
            return Err(problems);
        };
        Ok(SignUp {
            email,
            name,
            newsletters: self.newsletters.clone(),
            topics: self.topics.clone(),
            schedule: (!self.schedule.is_empty()).then(|| self.schedule.clone()),
            own: self.own.clone(),
            hour,
            zone,
            language: language::normalise(&self.language),
            from: String::new(),
            words: String::new(),
            added_by: None,
        })
    }
}

/// What a form with several newsletters has of each: `schedule-SLUG` and `topic-SLUG`.
fn own(form: &Form) -> Vec<Own> {
    let mut all: BTreeMap<&str, Own> = BTreeMap::new();
    for (name, value) in form.fields().filter(|(_, value)| !value.is_empty()) {
        if let Some(slug) = name.strip_prefix("schedule-") {
            all.entry(slug).or_default().schedule = Some(value.to_owned());
        } else if let Some(slug) = name.strip_prefix("topic-") {
            all.entry(slug).or_default().topics.push(value.to_owned());
        }
    }
    all.into_iter().map(|(slug, own)| Own { newsletter: slug.to_owned(), ..own }).collect()
}

/// A field that may be left empty.
pub fn optional<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.trim().is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// The form as a page shows it.
#[derive(Serialize)]
pub struct FormPage {
    title: String,
    /// The newsletter whose page it is; none on the page with all of them.
    one: Option<One>,
    newsletters: Vec<Offered>,
    typed: Typed,
    problems: Vec<Problem>,
    wrong: Wrong,
    hours_open: bool,
    zones: Vec<&'static str>,
    consent: String,
}

impl FormPage {
    /// Whether there is a newsletter to sign up for.
    pub fn has_offers(&self) -> bool {
        self.one.is_some() || !self.newsletters.is_empty()
    }
}

/// The problem of each field, where it has one.
#[derive(Default, Serialize)]
struct Wrong {
    newsletter: Option<String>,
    email: Option<String>,
    name: Option<String>,
    hour: Option<String>,
    timezone: Option<String>,
}

/// One of several newsletters, with what can be chosen of it.
#[derive(Serialize)]
struct Offered {
    #[serde(flatten)]
    shown: Shown,
    /// To choose from; empty where there is at most one.
    schedules: Vec<ScheduleChoice>,
    topics: Vec<TopicChoice>,
    /// "How often, and topics": what there is to choose; empty where there is nothing.
    choices: &'static str,
    /// Something was chosen of it.
    is_open: bool,
}

#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    shown: Shown,
    /// To choose from; empty where there is at most one.
    schedules: Vec<ScheduleChoice>,
    topics: Vec<TopicChoice>,
    hours: Vec<HourChoice>,
    zone: &'static str,
    latest: Option<Latest>,
}

/// The issue that went out last.
#[derive(Serialize)]
struct Latest {
    number: i64,
    title: String,
    date: String,
    date_iso: String,
    headlines: Vec<String>,
    /// How many more there are.
    others: usize,
}

/// How many headlines of the latest issue the page shows.
const HEADLINES: usize = 5;

impl From<Published> for Latest {
    fn from(issue: Published) -> Self {
        let Published { number, title, date, date_iso, content, .. } = issue;
        let others = content.articles.len().saturating_sub(HEADLINES);
        let headlines = content.articles.into_iter().map(|article| article.headline);
        Self { number, title, date, date_iso, headlines: headlines.take(HEADLINES).collect(), others }
    }
}

#[derive(Serialize)]
pub struct ScheduleChoice {
    name: String,
    words: String,
    chosen: bool,
}

#[derive(Serialize)]
pub struct TopicChoice {
    slug: String,
    name: String,
    chosen: bool,
}

#[derive(Serialize)]
pub struct HourChoice {
    value: String,
    chosen: bool,
}

/// The words above the button with the names of the newsletters asked for, which signing up agrees to; at most as
/// long as an import takes.
pub async fn consent_words(conn: &mut Conn, slugs: &[String]) -> Result<String, DbError> {
    let asked = newsletters::list(conn).await?;
    let asked = asked.into_iter().filter(|newsletter| slugs.contains(&newsletter.slug));
    let names: Vec<String> = asked.map(|newsletter| newsletter.name).collect();
    Ok(consent(&words::list(&names)).chars().take(MAX_CONSENT).collect())
}

/// The words above the button.
pub fn consent(what: &str) -> String {
    format!(
        "By signing up you ask us to send you {what} by e-mail. You can leave at any time with one click."
    )
}

/// The form with every newsletter that is listed.
pub async fn of_all(conn: &mut Conn, typed: Typed, problems: Vec<Problem>) -> Result<FormPage, DbError> {
    let mut all = newsletters::list(conn).await?;
    all.retain(|newsletter| newsletter.is_listed);
    let mut schedules = newsletters::schedules(conn).await?;
    schedules.retain(|schedule| !schedule.paused);
    let only = all.len() == 1;
    let mut offered = vec![];
    for newsletter in &all {
        let of_it: Vec<Schedule> =
            schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id).cloned().collect();
        let own = typed.own.iter().find(|own| own.newsletter == newsletter.slug);
        let topics = own.map_or(&[][..], |own| &own.topics);
        let schedule = own.and_then(|own| own.schedule.as_deref()).unwrap_or_default();
        let mut shown = Shown::new(newsletter, &of_it.iter().collect::<Vec<_>>());
        shown.chosen = only || typed.newsletters.contains(&shown.slug);
        let schedules = schedule_choices(&of_it, schedule);
        let topics: Vec<TopicChoice> = newsletters::topics(conn, newsletter.id)
            .await?
            .iter()
            .map(|topic| topic_choice(topic, topics))
            .collect();
        let is_open = topics.iter().any(|topic| topic.chosen)
            || schedules.iter().skip(1).any(|schedule| schedule.chosen);
        let choices = match (schedules.is_empty(), topics.is_empty()) {
            (true, true) => "",
            (false, true) => "Choose how often",
            (true, false) => "Choose topics",
            (false, false) => "Choose how often, and topics",
        };
        offered.push(Offered { shown, schedules, topics, choices, is_open });
    }
    Ok(form_page(
        "Sign up".to_owned(),
        None,
        offered,
        typed,
        problems,
        consent("the newsletters chosen above"),
    ))
}

/// The form of one newsletter; none where there is no such newsletter.
pub async fn of_one(
    app: &App,
    slug: &str,
    typed: Typed,
    problems: Vec<Problem>,
) -> Result<Option<FormPage>, Error> {
    let mut conn = app.db.conn().await?;
    let Some(newsletter) = newsletters::find(&mut conn, slug).await? else { return Ok(None) };
    let mut schedules = newsletters::schedules_of(&mut conn, newsletter.id).await?;
    schedules.retain(|schedule| !schedule.paused);
    let topics = newsletters::topics(&mut conn, newsletter.id).await?;
    // Who waits for a second connection while holding one can wait for ever.
    drop(conn);
    let one = One {
        // Where there is a choice, the choice says how often.
        shown: Shown::new(&newsletter, schedules.first().filter(|_| schedules.len() == 1).as_slice()),
        schedules: schedule_choices(&schedules, &typed.schedule),
        topics: topics.iter().map(|topic| topic_choice(topic, &typed.topics)).collect(),
        hours: if schedules.is_empty() { vec![] } else { hour_choices(&typed.hour) },
        zone: newsletter.zone.name(),
        latest: archive::latest(app, &newsletter).await?.map(Latest::from),
    };
    let title = format!("Sign up for {}", newsletter.name);
    Ok(Some(form_page(title, Some(one), vec![], typed, problems, consent(&newsletter.name))))
}

fn form_page(
    title: String,
    one: Option<One>,
    newsletters: Vec<Offered>,
    typed: Typed,
    problems: Vec<Problem>,
    consent: String,
) -> FormPage {
    let mut wrong = Wrong::default();
    for Problem { field, says } in &problems {
        let place = match *field {
            "newsletter" => &mut wrong.newsletter,
            "email" => &mut wrong.email,
            "name" => &mut wrong.name,
            "hour" => &mut wrong.hour,
            _ => &mut wrong.timezone,
        };
        place.get_or_insert_with(|| says.clone());
    }
    let hours_open = !(typed.hour.is_empty() && typed.timezone.is_empty());
    // A thing is wrong with the page: its title says so first, for those who hear it.
    let title = if problems.is_empty() { title } else { format!("Problem: {title}") };
    let zones = if one.is_some() { zones() } else { vec![] };
    FormPage { title, one, newsletters, typed, problems, wrong, hours_open, zones, consent }
}

/// The schedules to choose from, where there is a choice; the first is ticked where none was chosen.
pub fn schedule_choices(schedules: &[Schedule], typed: &str) -> Vec<ScheduleChoice> {
    if schedules.len() < 2 {
        return vec![];
    }
    let known = schedules.iter().any(|schedule| schedule.name == typed);
    let choice = |(index, schedule): (usize, &Schedule)| ScheduleChoice {
        name: schedule.name.clone(),
        words: words::frequency(&schedule.slots),
        chosen: if known { schedule.name == typed } else { index == 0 },
    };
    schedules.iter().enumerate().map(choice).collect()
}

pub fn topic_choice(topic: &Topic, typed: &[String]) -> TopicChoice {
    TopicChoice { slug: topic.slug.clone(), name: topic.name.clone(), chosen: typed.contains(&topic.slug) }
}

/// Every full hour, and the one that was chosen where it is none of them.
pub fn hour_choices(typed: &str) -> Vec<HourChoice> {
    let chosen = TimeOfDay::parse(typed).ok();
    let mut hours: Vec<TimeOfDay> = (0..24).filter_map(|hour| TimeOfDay::from_minutes(hour * 60)).collect();
    hours.extend(chosen.filter(|chosen| !hours.contains(chosen)));
    hours.sort_unstable();
    hours
        .into_iter()
        .map(|hour| HourChoice { value: hour.to_string(), chosen: chosen == Some(hour) })
        .collect()
}

/// The zones named after a place, which is what people know theirs by.
pub fn zones() -> Vec<&'static str> {
    const AREAS: [&str; 9] = [
        "Africa/",
        "America/",
        "Antarctica/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    ];
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    names.filter(|name| AREAS.iter().any(|area| name.starts_with(area))).collect()
}
