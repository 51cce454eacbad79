//! A newsletter's schedules: added, changed, paused, removed.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;

use super::newsletters::{Again, Field, Kind, Problems, allowed, page, typed};
use crate::domain::calendar::{Recurrence, Slots, TimeOfDay, parse_zone};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::pipeline::accounts::Actor;
use crate::pipeline::{self, App, newsletters, schedules};
use crate::web::auth::Act;
use crate::web::desk::words::Moment;
use crate::web::form::Segment;
use crate::web::words::frequency;
use crate::web::{Error, said};

pub fn routes() -> Router<App> {
    Router::new().route("/office/newsletters/{slug}/schedules", post(submit))
}

/// A schedule on its newsletter's page.
#[derive(Serialize)]
pub struct Planned {
    id: i64,
    name: String,
    words: String,
    paused: bool,
    next: Option<Moment>,
    /// Who chose none follows this one.
    is_first: bool,
    fields: Vec<Field>,
    is_open: bool,
    /// What keeps it from being removed, where that was tried.
    problem: String,
}

const WHEN: [(&str, &str, &str, Kind); 3] = [
    ("at", "Time", "Hours and minutes by the clock of its zone: 07:00", Kind::Input("text")),
    (
        "days",
        "Days",
        "daily, mon-fri, mon,thu, weekly (Mondays), monthly (the 1st), or day 15",
        Kind::Input("text"),
    ),
    ("timezone", "Time zone", "A name of the IANA list such as Europe/Paris", Kind::Input("text")),
];
const NAME: (&str, &str, &str, Kind) = (
    "name",
    "Name",
    "What it is called among others: letters, digits and hyphens. Empty: daily, weekly, weekdays or monthly.",
    Kind::Input("text"),
);

/// The schedules of a newsletter with their next slots.
pub async fn planned(app: &App, newsletter: &Newsletter, again: &Again<'_>) -> Result<Vec<Planned>, Error> {
    let now = app.clock.now();
    let all = newsletters::next_slots(app, &newsletter.slug, 1).await?;
    let schedule = |(index, (schedule, slots)): (usize, (Schedule, Vec<_>))| {
        let form = format!("schedule-{}", schedule.id);
        let kept = |name: &str| match name {
            "at" => schedule.slots.at.to_string(),
            "days" => schedule.slots.recurrence.to_string(),
            _ => schedule.slots.zone.name().to_owned(),
        };
        let next = slots.first().filter(|_| !schedule.paused);
        let is_open = again.form == form;
        let problem = again.problems.iter().find(|(field, _)| is_open && field == "remove");
        Planned {
            words: frequency(&schedule.slots),
            next: next
                .map(|slot: &crate::domain::calendar::Slot| Moment::near(slot.at, now, schedule.slots.zone)),
            fields: WHEN.iter().map(|field| Field::new(again, &form, *field, &kept(field.0))).collect(),
            problem: problem.map(|(_, says)| says.clone()).unwrap_or_default(),
            is_open,
            is_first: index == 0,
            id: schedule.id,
            paused: schedule.paused,
            name: schedule.name,
        }
    };
    Ok(all.into_iter().enumerate().map(schedule).collect())
}

/// The fields of a new schedule.
pub fn new_fields(newsletter: &Newsletter, again: &Again<'_>) -> Vec<Field> {
    let kept = |name: &str| match name {
        "at" => "07:00",
        "days" => "daily",
        "timezone" => newsletter.zone.name(),
        _ => "",
    };
    let fields = WHEN.iter().chain([&NAME]);
    fields.map(|field| Field::new(again, "schedule", *field, kept(field.0))).collect()
}

/// When, as it was typed, or what is wrong with it.
fn slots(typed: &[(String, String)]) -> Result<Slots, Problems> {
    let get = |name: &str| typed.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let (at, days, zone) =
        (TimeOfDay::parse(get("at")), Recurrence::parse(get("days")), parse_zone(get("timezone")));
    match (at, days, zone) {
        (Ok(at), Ok(recurrence), Ok(zone)) => Ok(Slots { recurrence, at, zone }),
        (at, days, zone) => {
            let wrong = [("at", at.err()), ("days", days.err()), ("timezone", zone.err())];
            Err(wrong.into_iter().filter_map(|(name, says)| Some((name.to_owned(), says?))).collect())
        }
    }
}

/// `POST /office/newsletters/{slug}/schedules`: adds one, or changes, pauses, resumes or removes one.
async fn submit(State(app): State<App>, Segment(slug): Segment, act: Act) -> Result<Response, Error> {
    let verb = act.form.get("do");
    let action = match verb {
        "add" => "schedule.add",
        "change" => "schedule.change",
        "pause" => "schedule.pause",
        "resume" => "schedule.resume",
        "remove" => "schedule.remove",
        _ => {
            allowed(&app, &act, &slug, "schedule.change").await?;
            return Err(Error::NotFound);
        }
    };
    let newsletter = allowed(&app, &act, &slug, action).await?;
    let id: i64 = act.form.get("id").parse().unwrap_or(0);
    let typed = typed(&act.form, ["at", "days", "timezone", "name"].into_iter());
    let form = if verb == "add" { "schedule".to_owned() } else { format!("schedule-{id}") };
    match apply(&app, &act.by.actor(), &newsletter, verb, id, &typed).await? {
        Ok(words) => Ok(said::then_say(&app, &format!("/office/newsletters/{slug}#schedules"), words)),
        Err(problems) => {
            // A form that only pauses or removes has typed nothing.
            let typed = if matches!(verb, "add" | "change") { typed } else { vec![] };
            let again = Again { form: &form, typed, problems };
            page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &newsletter, &again).await
        }
    }
}

/// Does it: what there is to say, or what is wrong by field.
async fn apply(
    app: &App,
    by: &Actor,
    newsletter: &Newsletter,
    verb: &str,
    id: i64,
    typed: &[(String, String)],
) -> Result<Result<String, Problems>, Error> {
    let slug = newsletter.slug.as_str();
    let refused = |field: &str, error| match error {
        pipeline::Error::Invalid(says) => Ok(Err(vec![(field.to_owned(), says)])),
        error => Err(Error::from(error)),
    };
    if verb == "add" {
        if let Err(problems) = slots(typed) {
            return Ok(Err(problems));
        }
        let get =
            |name: &str| typed.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let name = Some(get("name")).filter(|name| !name.is_empty());
        let added =
            newsletters::add_schedule(app, by, slug, name, get("at"), Some(get("timezone")), get("days"))
                .await;
        return match added {
            Ok(schedule) => {
                let words =
                    format!("The schedule “{}” is there: {}.", schedule.name, frequency(&schedule.slots));
                Ok(Ok(words))
            }
            // When was looked at: only the name is left.
            Err(error) => refused("name", error),
        };
    }
    let schedule = schedules::find(&mut *app.db.conn().await?, newsletter.id, id).await?;
    match verb {
        "change" => match slots(typed) {
            Err(problems) => Ok(Err(problems)),
            Ok(slots) => {
                let changed = schedules::change(app, by, newsletter, id, slots).await?;
                let words = format!(
                    "“{}” goes out so now: {}. A day that has had its issue gets no other.",
                    changed.name,
                    frequency(&changed.slots)
                );
                Ok(Ok(words))
            }
        },
        "pause" => {
            let paused = newsletters::pause_schedule(app, by, slug, &schedule.name, true).await?;
            let words = format!("“{}” is paused: nothing goes out on it until it is resumed.", paused.name);
            Ok(Ok(words))
        }
        "resume" => {
            let resumed = newsletters::pause_schedule(app, by, slug, &schedule.name, false).await?;
            let words =
                format!("“{}” goes on from now: what was due meanwhile is not made up for.", resumed.name);
            Ok(Ok(words))
        }
        _ => match schedules::remove(app, by, newsletter, id).await {
            Ok(removed) => {
                let words = format!("The schedule “{}” is removed.", removed.name);
                Ok(Ok(words))
            }
            Err(error) => refused("remove", error),
        },
    }
}
