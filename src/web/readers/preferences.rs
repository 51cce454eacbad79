//! The page on which a reader sees what they get, and what they told about themselves.

use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{Datelike as _, Days, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;

use super::super::form::Form;
use super::super::sign_up_form::{Problem, optional, zones};
use super::super::{Error, page, words};
use crate::domain::calendar::{Timestamp, parse_zone};
use crate::domain::language::{direction, normalise, primary};
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::{Subscriber, SubscriptionStatus};
use crate::pipeline::subscribe::{self, About, Following, Managed, Person};
use crate::pipeline::{App, measuring};

/// Whose preferences the address is about, by its token, and which newsletter's, where it names one.
pub struct Manages {
    pub subscriber_id: i64,
    /// Empty where it names none.
    pub slug: String,
    /// The page with everything, `/preferences/…`.
    pub home: String,
}

impl FromRequestParts<App> for Manages {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await;
        let Path(named) = path.map_err(|_| Error::NotFound)?;
        let value = |name: &str| named.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let slug = value("slug").unwrap_or_default().to_owned();
        if slug.contains('\0') {
            return Err(Error::NotFound);
        }
        let token = value("token").unwrap_or_default();
        match subscribe::whose_preferences(app, token).await? {
            // The page goes by the link that it was reached by: none comes of it that is good for longer.
            Managed::By(subscriber_id) => {
                Ok(Self { subscriber_id, slug, home: format!("/preferences/{token}") })
            }
            Managed::Forged => Err(Error::BadToken),
            Managed::Outdated => Err(Error::Outdated),
            Managed::Gone => Err(Error::Nobody),
        }
    }
}

impl Manages {
    /// The person.
    ///
    /// # Errors
    /// [`Error::Nobody`] once they are erased.
    pub async fn person(&self, app: &App) -> Result<Person, Error> {
        subscribe::person(app, self.subscriber_id).await?.ok_or(Error::Nobody)
    }

    /// Leads back to the page with everything, which says what was done: one of [`done_words`].
    pub fn back(&self, done: &str) -> Response {
        Redirect::to(&format!("{}?done={done}", self.home)).into_response()
    }
}

/// What the page says after something was done; nothing where it is not so any more: people go back.
fn done_words(query: Option<&str>, person: &Person) -> &'static str {
    let said = query.and_then(|query| query.strip_prefix("done="));
    let is_left = |one: &Following| one.status() == SubscriptionStatus::Unsubscribed;
    let is_so = match said {
        Some("paused") => person.active().any(|one| one.paused_until.is_some()),
        Some("resumed") => person.active().any(|one| one.paused_until.is_none()),
        Some("left") => person.follows.iter().any(is_left),
        Some("left-all") => person.follows.iter().all(is_left),
        Some("unmeasured") => person.unmeasured,
        Some("measured") => !person.unmeasured,
        Some("back") => person.active().next().is_some(),
        _ => true,
    };
    match said.filter(|_| is_so) {
        Some("saved") => "Saved. It counts from the next issue on.",
        Some("paused") => "Paused. It comes again by itself.",
        Some("resumed") => "It comes again, from the next issue on.",
        Some("left") => "Nothing more of it will come.",
        Some("left-all") => "You have left everything. Nothing more will come.",
        Some("unmeasured") => "You are not measured any more, and what was recorded is forgotten.",
        Some("measured") => "You are measured again, from the next issue on.",
        Some("back") => "You get it again.",
        _ => "",
    }
}

/// What the page says where something could not be done.
fn refused_words(query: Option<&str>) -> &'static str {
    match query.and_then(|query| query.strip_prefix("done=")) {
        Some("too-late") => {
            "It is too late to undo that: it can be undone for a day after you left. Sign up again instead."
        }
        Some("not-yours") => "Nothing was changed: you do not get it any more.",
        _ => "",
    }
}

#[derive(Serialize)]
struct Overview<'a> {
    title: &'static str,
    home: &'a str,
    done: &'static str,
    refused: &'static str,
    email: String,
    name: &'a str,
    language: String,
    zone: String,
    /// Why nothing can be sent to the address; empty where it can.
    suppressed: &'static str,
    follows: Vec<Row<'a>>,
    /// Nothing comes, so that no mail could ask at another address.
    gets_none: bool,
    gets_any: bool,
    /// Several were left lately, and can be had back at once.
    can_undo_all: bool,
    /// The newsletters that measure what their readers do; empty where none does.
    measured_by: String,
    measures_opens: bool,
    /// They asked not to be measured.
    unmeasured: bool,
}

/// A newsletter on the page with everything.
#[derive(Serialize)]
struct Row<'a> {
    slug: &'a str,
    name: &'a str,
    language: &'a str,
    dir: &'static str,
    is_active: bool,
    is_pending: bool,
    frequency: String,
    hour: String,
    topics: String,
    /// The day on which it comes again; empty where it is not paused.
    paused: String,
    next: String,
    /// The day on which it was left; empty where it was not.
    left: String,
    can_return: bool,
}

fn row<'a>(following: &'a Following, person: &Person, now: Timestamp) -> Row<'a> {
    let newsletter = &following.newsletter;
    let subscription = &following.stored.subscription;
    let zone = person.subscriber.zone.unwrap_or(newsletter.zone);
    let chosen = following.topics.iter().filter(|topic| subscription.topics.contains(topic));
    let topics: Vec<String> = chosen.map(|topic| topic.name.clone()).collect();
    let hour = subscription.hour.map(|hour| format!("{hour} ({})", words::zone_name(zone)));
    let schedule = following.schedule().filter(|schedule| !schedule.paused);
    let frequency = schedule.map(|schedule| words::frequency(&schedule.slots));
    // What was left with one press was left on one day.
    let first = person.follows.first().map_or(zone, |first| first.newsletter.zone);
    let one_zone = person.subscriber.zone.unwrap_or(first);
    let day = |time: Option<Timestamp>| time.map(|time| day_words(time, zone)).unwrap_or_default();
    let is_active = subscription.status == SubscriptionStatus::Active;
    let left = following.stored.left_at.filter(|_| subscription.status == SubscriptionStatus::Unsubscribed);
    Row {
        slug: &newsletter.slug,
        name: &newsletter.name,
        language: &newsletter.language,
        dir: direction(&newsletter.language),
        is_active,
        is_pending: subscription.status == SubscriptionStatus::Pending,
        frequency: frequency.unwrap_or_default(),
        hour: hour.unwrap_or_default(),
        topics: words::list(&topics),
        paused: day(following.paused_until),
        next: if is_active { words::next_issue(following.next, now) } else { String::new() },
        left: left.map(|at| day_words(at, one_zone)).unwrap_or_default(),
        can_return: following.can_return,
    }
}

/// "Saturday, 5 December 2026"
pub fn day_words(time: Timestamp, zone: Tz) -> String {
    time.in_zone(zone).format("%A, %-d %B %Y").to_string()
}

/// `GET /preferences/{token}`
pub async fn show(
    State(app): State<App>,
    manages: Manages,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    let now = app.clock.now();
    let subscriber = &person.subscriber;
    let measures: Vec<&Newsletter> =
        person.active().map(|one| &one.newsletter).filter(|one| one.rules.measure.is_on()).collect();
    let names: Vec<String> = measures.iter().map(|newsletter| newsletter.name.clone()).collect();
    let overview = Overview {
        title: "What you get",
        home: &manages.home,
        done: done_words(query.as_deref(), &person),
        refused: refused_words(query.as_deref()),
        email: subscriber.email.readable(),
        name: &subscriber.name,
        language: subscriber.language.as_deref().map(language_name).unwrap_or_default(),
        zone: subscriber.zone.map(words::zone_name).unwrap_or_default(),
        suppressed: person.suppressed.map_or("", |reason| reason.sentence()),
        follows: person.follows.iter().map(|following| row(following, &person, now)).collect(),
        gets_none: person.active().next().is_none(),
        gets_any: person.follows.iter().any(|one| one.status() != SubscriptionStatus::Unsubscribed),
        can_undo_all: person.left_lately().count() > 1,
        measured_by: words::list(&names),
        measures_opens: measures.iter().any(|newsletter| newsletter.rules.measure.has_opens()),
        unmeasured: person.unmeasured,
    };
    page::page(StatusCode::OK, "readers/preferences", &overview)
}

/// `POST /preferences/{token}/measuring`
pub async fn measuring(
    State(app): State<App>,
    manages: Manages,
    request: Request,
) -> Result<Response, Error> {
    let form = Form::read(request).await?;
    manages.person(&app).await?;
    let unmeasured = form.get("measure") != "yes";
    measuring::ask(&app, manages.subscriber_id, unmeasured).await?;
    Ok(manages.back(if unmeasured { "unmeasured" } else { "measured" }))
}

/// The languages that mails have words of their own in, by their own names.
const LANGUAGES: [(&str, &str); 10] = [
    ("en", "English"),
    ("ar", "العربية"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("it", "Italiano"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("pt", "Português"),
];

/// A language by its own name where mails have words in it, with the region as it is written; else its tag.
fn language_name(tag: &str) -> String {
    let known = LANGUAGES.iter().find(|(known, _)| *known == primary(tag));
    match (known, tag.split_once('-')) {
        (Some((_, name)), None) => (*name).to_owned(),
        (Some((_, name)), Some((_, region))) => format!("{name} ({region})"),
        (None, _) => tag.to_owned(),
    }
}

#[derive(Serialize)]
struct AboutPage<'a> {
    title: String,
    home: &'a str,
    name: &'a str,
    /// What the form showed when it was opened.
    was: &'a Told,
    languages: Vec<LanguageChoice<'a>>,
    timezone: &'a str,
    zones: Vec<&'static str>,
    problems: &'a [Problem],
    wrong_name: Option<&'a str>,
    wrong_language: Option<&'a str>,
    wrong_zone: Option<&'a str>,
}

#[derive(Serialize)]
struct LanguageChoice<'a> {
    tag: &'a str,
    name: String,
    chosen: bool,
}

/// What somebody tells about themselves, as a form holds it.
#[derive(Serialize)]
struct Told {
    name: String,
    language: String,
    timezone: String,
}

impl Told {
    fn of(subscriber: &Subscriber) -> Self {
        Self {
            name: subscriber.name.clone(),
            language: subscriber.language.clone().unwrap_or_default(),
            timezone: subscriber.zone.map(|zone| zone.name().to_owned()).unwrap_or_default(),
        }
    }
}

fn about_page(manages: &Manages, told: &Told, was: &Told, problems: &[Problem]) -> Result<Response, Error> {
    let Told { name, language, timezone } = told;
    let language = language.as_str();
    let mut languages: Vec<&str> = LANGUAGES.iter().map(|(tag, _)| *tag).collect();
    // What an import or a form brought is kept, whatever it is.
    if !language.is_empty() && !languages.contains(&language) {
        languages.push(language);
    }
    let chosen = |tag| LanguageChoice { tag, name: language_name(tag), chosen: tag == language };
    let about = AboutPage {
        title: titled("About you", problems),
        home: &manages.home,
        name,
        was,
        languages: languages.into_iter().map(chosen).collect(),
        timezone,
        zones: zones(),
        problems,
        wrong_name: of_field(problems, "name"),
        wrong_language: of_field(problems, "language"),
        wrong_zone: of_field(problems, "timezone"),
    };
    page::page(status(problems), "readers/about", &about)
}

/// A page's title, which says first that something is wrong, for those who hear it.
pub fn titled(title: &str, problems: &[Problem]) -> String {
    if problems.is_empty() { title.to_owned() } else { format!("Problem: {title}") }
}

/// What is wrong with a field, where something is.
pub fn of_field<'p>(problems: &'p [Problem], field: &str) -> Option<&'p str> {
    problems.iter().find(|problem| problem.field == field).map(|problem| problem.says.as_str())
}

/// 422 where something is wrong.
pub fn status(problems: &[Problem]) -> StatusCode {
    if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// `GET /preferences/{token}/about`
pub async fn show_about(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let subscriber = manages.person(&app).await?.subscriber;
    let told = Told::of(&subscriber);
    about_page(&manages, &told, &told, &[])
}

/// `POST /preferences/{token}/about`: what this form changed, and nothing that was changed elsewhere since it was opened.
pub async fn about(State(app): State<App>, manages: Manages, request: Request) -> Result<Response, Error> {
    let form = Form::read(request).await?;
    let told = |prefix: &str| Told {
        name: form.get(&format!("{prefix}name")).to_owned(),
        language: form.get(&format!("{prefix}language")).to_owned(),
        timezone: form.get(&format!("{prefix}timezone")).to_owned(),
    };
    let (typed, was) = (told(""), told("was-"));
    let Told { name, language, timezone } = &typed;
    let mut problems = vec![];
    let mut note = |field, says: String| problems.push(Problem::new(field, &says));
    let read_name = subscribe::clean_name(name).map_err(|says| note("name", says)).ok();
    let read_language =
        optional(language, |tag| normalise(tag).ok_or("Choose a language of the list".into()));
    let read_language = read_language.map_err(|says| note("language", says)).ok();
    let read_zone = optional(timezone, parse_zone).map_err(|says| note("timezone", says)).ok();
    let (Some(name), Some(language), Some(zone)) = (read_name, read_language, read_zone) else {
        return about_page(&manages, &typed, &was, &problems);
    };
    manages.person(&app).await?;
    let changed = |field: &str, typed: &str| is_changed(&form, field, typed);
    let about = About {
        name: changed("name", &typed.name).then_some(name),
        language: changed("language", &typed.language).then_some(language),
        zone: changed("timezone", &typed.timezone).then_some(zone),
    };
    subscribe::about(&app, manages.subscriber_id, about).await?;
    Ok(manages.back("saved"))
}

/// Whether a field was changed in its form, which tells what it showed in `was-…`; one that does not was not opened here,
/// and all of it counts.
pub fn is_changed(form: &Form, field: &str, typed: &str) -> bool {
    let was = format!("was-{field}");
    !form.fields().any(|(name, value)| name == was && value == typed)
}

/// The day after `now` in a zone, and the last day that a pause can end, as date fields take them.
pub fn pause_days(now: Timestamp, zone: Tz) -> (String, String) {
    let today = now.in_zone(zone).date_naive();
    let after = |days: u64| today.checked_add_days(Days::new(days)).unwrap_or(today).to_string();
    (after(1), after(subscribe::MAX_PAUSE_DAYS.unsigned_abs() - 1))
}

/// A day as a date field sends it, or as somebody types it in its place.
///
/// # Errors
/// A sentence that says what to write.
pub fn parse_day(text: &str) -> Result<NaiveDate, String> {
    let wrong = || "Write the day as year, month and day, for instance 2026-12-24".to_owned();
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").map_err(|_| wrong())?;
    if (2000..=9999).contains(&day.year()) { Ok(day) } else { Err(wrong()) }
}
