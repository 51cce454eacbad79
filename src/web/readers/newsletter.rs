//! One newsletter of a reader's: how often it comes, about what and when; and for how long it does not.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;

use super::super::form::Form;
use super::super::sign_up_form::{
    HourChoice, Problem, ScheduleChoice, TopicChoice, hour_choices, optional, schedule_choices, topic_choice,
    zones,
};
use super::super::{Error, page, words};
use super::preferences::{Manages, day_words, is_changed, of_field, parse_day, pause_days, status, titled};
use crate::domain::calendar::{TimeOfDay, parse_zone};
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline;
use crate::pipeline::App;
use crate::pipeline::subscribe::{self, Choices, Following, Person};

/// A newsletter that the person gets.
///
/// # Errors
/// [`Error::NotFound`] where they do not get it, [`Error::Nobody`] where they are erased.
async fn followed(app: &App, manages: &Manages) -> Result<(Person, Following), Error> {
    let person = manages.person(app).await?;
    let following = person.of(&manages.slug).cloned();
    let active = following.filter(|following| following.status() == SubscriptionStatus::Active);
    active.map(|following| (person, following)).ok_or(Error::NotFound)
}

/// The same; none where they have left it since, in another tab perhaps.
async fn still_followed(app: &App, manages: &Manages) -> Result<Option<(Person, Following)>, Error> {
    match followed(app, manages).await {
        Err(Error::NotFound) if manages.person(app).await?.of(&manages.slug).is_some() => Ok(None),
        found => found.map(Some),
    }
}

#[derive(Serialize)]
struct ChoicesPage<'a> {
    title: String,
    home: &'a str,
    slug: &'a str,
    name: &'a str,
    language: &'a str,
    problems: &'a [Problem],
    /// What the form showed when it was opened.
    was: &'a Chosen,
    schedules: Vec<ScheduleChoice>,
    topics: Vec<TopicChoice>,
    hours: Vec<HourChoice>,
    timezone: &'a str,
    example: &'static str,
    /// When issues are out: "07:00 (Europe/Paris)"; empty where nothing says so.
    out_at: String,
    zones: Vec<&'static str>,
    wrong_hour: Option<&'a str>,
    wrong_zone: Option<&'a str>,
}

/// What was chosen, as a form holds it.
#[derive(Serialize)]
struct Chosen {
    schedule: String,
    topics: Vec<String>,
    hour: String,
    timezone: String,
}

impl Chosen {
    /// As it was sent, in fields whose names begin so.
    fn read(form: &Form, prefix: &str) -> Self {
        let one = |name: &str| form.get(&format!("{prefix}{name}")).to_owned();
        Self {
            schedule: one("schedule"),
            topics: form.all(&format!("{prefix}topic")),
            hour: one("hour"),
            timezone: one("timezone"),
        }
    }
}

fn choices_page(
    manages: &Manages,
    following: &Following,
    (chosen, was): (&Chosen, &Chosen),
    problems: &[Problem],
) -> Result<Response, Error> {
    let newsletter = &following.newsletter;
    let offers = following.offers();
    let choices = ChoicesPage {
        title: titled(&format!("Change {}", newsletter.name), problems),
        home: &manages.home,
        slug: &newsletter.slug,
        name: &newsletter.name,
        language: &newsletter.language,
        problems,
        was,
        schedules: schedule_choices(&offers, &chosen.schedule),
        topics: following.topics.iter().map(|topic| topic_choice(topic, &chosen.topics)).collect(),
        hours: hour_choices(&chosen.hour),
        timezone: &chosen.timezone,
        example: newsletter.zone.name(),
        out_at: words::out_at(offers.iter().map(|schedule| &schedule.slots)),
        zones: zones(),
        wrong_hour: of_field(problems, "hour"),
        wrong_zone: of_field(problems, "timezone"),
    };
    page::page(status(problems), "readers/newsletter", &choices)
}

/// `GET /preferences/{token}/newsletters/{slug}`
pub async fn show(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let (person, following) = followed(&app, &manages).await?;
    let subscription = &following.stored.subscription;
    let topics = following.topics.iter().filter(|topic| subscription.topics.contains(topic));
    let chosen = Chosen {
        schedule: following.schedule().map(|schedule| schedule.name.clone()).unwrap_or_default(),
        topics: topics.map(|topic| topic.slug.clone()).collect(),
        hour: subscription.hour.map(|hour| hour.to_string()).unwrap_or_default(),
        timezone: person.subscriber.zone.map(|zone| zone.name().to_owned()).unwrap_or_default(),
    };
    choices_page(&manages, &following, (&chosen, &chosen), &[])
}

/// `POST /preferences/{token}/newsletters/{slug}`: what this form changed, and nothing that was changed elsewhere since it
/// was opened.
pub async fn submit(State(app): State<App>, manages: Manages, request: Request) -> Result<Response, Error> {
    let form = Form::read(request).await?;
    let (chosen, was) = (Chosen::read(&form, ""), Chosen::read(&form, "was-"));
    let Some((_, following)) = still_followed(&app, &manages).await? else {
        return Ok(manages.back("not-yours"));
    };
    let mut problems = vec![];
    let mut note = |field, says: String| problems.push(Problem::new(field, &says));
    let hour = optional(&chosen.hour, TimeOfDay::parse).map_err(|says| note("hour", says)).ok();
    let zone = optional(&chosen.timezone, parse_zone).map_err(|says| note("timezone", says)).ok();
    let (Some(hour), Some(zone)) = (hour, zone) else {
        return choices_page(&manages, &following, (&chosen, &was), &problems);
    };
    // Nothing but this tells a form that showed no topic from one that does not say what it showed.
    let tells = form.fields().any(|(name, _)| name == "was-hour");
    let choices = Choices {
        topics: (!tells || chosen.topics != was.topics).then_some(chosen.topics),
        schedule: is_changed(&form, "schedule", &chosen.schedule).then_some(chosen.schedule),
        hour: is_changed(&form, "hour", &chosen.hour).then_some(hour),
        zone: is_changed(&form, "timezone", &chosen.timezone).then_some(zone),
    };
    subscribe::choose(&app, manages.subscriber_id, &manages.slug, &choices).await?;
    Ok(manages.back("saved"))
}

#[derive(Serialize)]
struct PausePage<'a> {
    title: String,
    home: &'a str,
    slug: &'a str,
    name: &'a str,
    language: &'a str,
    problems: &'a [Problem],
    wrong_day: Option<&'a str>,
    /// The day on which it comes again; empty where it is not paused.
    paused: String,
    day: &'a str,
    first: String,
    last: String,
    zone: String,
}

fn pause_page(
    app: &App,
    manages: &Manages,
    (person, following): &(Person, Following),
    day: &str,
    problems: &[Problem],
) -> Result<Response, Error> {
    let newsletter = &following.newsletter;
    let zone = person.subscriber.zone.unwrap_or(newsletter.zone);
    let (first, last) = pause_days(app.clock.now(), zone);
    let pause = PausePage {
        title: titled(&format!("Pause {}", newsletter.name), problems),
        home: &manages.home,
        slug: &newsletter.slug,
        name: &newsletter.name,
        language: &newsletter.language,
        problems,
        wrong_day: of_field(problems, "day"),
        paused: following.paused_until.map(|until| day_words(until, zone)).unwrap_or_default(),
        day,
        first,
        last,
        zone: words::zone_name(zone),
    };
    page::page(status(problems), "readers/pause", &pause)
}

/// `GET /preferences/{token}/newsletters/{slug}/pause`
pub async fn show_pause(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    pause_page(&app, &manages, &followed(&app, &manages).await?, "", &[])
}

/// `POST /preferences/{token}/newsletters/{slug}/pause`
pub async fn pause(State(app): State<App>, manages: Manages, request: Request) -> Result<Response, Error> {
    let form = Form::read(request).await?;
    let Some(found) = still_followed(&app, &manages).await? else { return Ok(manages.back("not-yours")) };
    let day = form.get("day");
    let said = match parse_day(day) {
        Err(says) => Err(pipeline::Error::Invalid(says)),
        Ok(until) => subscribe::pause(&app, manages.subscriber_id, &manages.slug, Some(until)).await,
    };
    match said {
        Ok(()) => Ok(manages.back("paused")),
        Err(pipeline::Error::Invalid(says)) => {
            pause_page(&app, &manages, &found, day, &[Problem::new("day", &says)])
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /preferences/{token}/newsletters/{slug}/resume`
pub async fn resume(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    if still_followed(&app, &manages).await?.is_none() {
        return Ok(manages.back("not-yours"));
    }
    subscribe::pause(&app, manages.subscriber_id, &manages.slug, None).await?;
    Ok(manages.back("resumed"))
}
