//! A newsletter's schedules: which there are, and each on a page of its own: added, changed, paused, removed.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Problems, Wrong, typed};
use super::newsletters::{Head, allowed, looked_at, zones};
use crate::domain::calendar::{Recurrence, Slots, TimeOfDay, parse_zone};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::pipeline::accounts::Actor;
use crate::pipeline::{self, App, newsletters, schedules};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::desk::words::Moment;
use crate::web::form::Segment;
use crate::web::words::frequency;
use crate::web::{Error, said};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/office/newsletters/{slug}/schedules", get(list).post(submit))
        .route("/office/newsletters/{slug}/schedules/{schedule}", get(open))
}

/// What stands for a schedule's number in the address of a new one.
const NEW: &str = "add";

fn path(newsletter: &Newsletter) -> String {
    format!("/office/newsletters/{}/schedules", newsletter.slug)
}

#[derive(Serialize)]
struct ListPage {
    head: Head,
    schedules: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: i64,
    name: String,
    words: String,
    paused: bool,
    next: Option<Moment>,
    /// Who chose none follows this one.
    is_first: bool,
}

/// `GET /office/newsletters/{slug}/schedules`: with their next slots.
async fn list(State(app): State<App>, by: SignedIn, Segment(slug): Segment) -> Result<Response, Error> {
    let newsletter = looked_at(&app, &by, &slug).await?;
    let now = app.clock.now();
    let all = newsletters::next_slots(&app, &newsletter.slug, 1).await?;
    let row = |(index, (schedule, slots)): (usize, (Schedule, Vec<_>))| {
        let next = slots.first().filter(|_| !schedule.paused);
        Row {
            words: frequency(&schedule.slots),
            next: next
                .map(|slot: &crate::domain::calendar::Slot| Moment::near(slot.at, now, schedule.slots.zone)),
            is_first: index == 0,
            id: schedule.id,
            paused: schedule.paused,
            name: schedule.name,
        }
    };
    let page = ListPage {
        head: Head::new(&newsletter, "/schedules"),
        schedules: all.into_iter().enumerate().map(row).collect(),
    };
    let title = format!("Schedules of {}", newsletter.name);
    show(&by, StatusCode::OK, &path(&newsletter), &title, "office/schedules", &page)
}

/// The days that most newsletters go out on.
const DAYS: [(&str, &str); 13] = [
    ("daily", "every day"),
    ("mon-fri", "Monday to Friday"),
    ("weekends", "Saturdays and Sundays"),
    ("mon", "Mondays"),
    ("tue", "Tuesdays"),
    ("wed", "Wednesdays"),
    ("thu", "Thursdays"),
    ("fri", "Fridays"),
    ("sat", "Saturdays"),
    ("sun", "Sundays"),
    ("day 1", "on the 1st of each month"),
    ("day 31", "on the last day of each month"),
    (OTHER, OTHER_WORDS),
];
/// Days that are written.
const OTHER: &str = "other";
const OTHER_WORDS: &str = "others, as written below";

const WHEN: [Asked; 4] = [
    ("at", "Time", "Hours and minutes by the clock of its zone: 07:00", Kind::Input("text")),
    ("days", "Days", "", Kind::Choice(&DAYS)),
    (
        OTHER,
        "Other days",
        "Only where none of those fits: “mon, thu” for Mondays and Thursdays, “day 15” for the 15th of each month",
        Kind::Input("text"),
    ),
    ("timezone", "Time zone", "A name of the IANA list such as Europe/Paris", Kind::Input("text")),
];
const NAME: Asked = (
    "name",
    "Name",
    "What it is called among others: letters, digits and hyphens. Empty: daily, weekly, weekdays or monthly.",
    Kind::Input("text"),
);

#[derive(Serialize)]
struct Page {
    head: Head,
    /// None: a new one.
    schedule: Option<Kept>,
    fields: Vec<Field>,
    problems: Vec<Wrong>,
    zones: Vec<&'static str>,
}

#[derive(Serialize)]
struct Kept {
    id: i64,
    name: String,
    words: String,
    /// When, as it is stored: so that somebody else's change is seen.
    was: String,
}

/// When a schedule goes out, to tell whether that was changed.
fn mark(slots: &Slots) -> String {
    format!("{} {} {}", slots.at, slots.recurrence, slots.zone.name())
}

/// `GET /office/newsletters/{slug}/schedules/{schedule}`: one, or the form of a new one.
async fn open(
    State(app): State<App>,
    by: SignedIn,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Error> {
    // The database has no NUL in any text.
    let path = path.ok().filter(|Path((slug, _))| !slug.contains('\0'));
    let Path((slug, id)) = path.ok_or(Error::NotFound)?;
    let newsletter = looked_at(&app, &by, &slug).await?;
    let schedule = match id.as_str() {
        NEW => None,
        id => {
            let id = super::number(id)?;
            Some(schedules::find(&mut *app.db.conn().await?, newsletter.id, id).await?)
        }
    };
    page(&by, StatusCode::OK, &newsletter, schedule.as_ref(), &Again::default())
}

fn page(
    by: &SignedIn,
    status: StatusCode,
    newsletter: &Newsletter,
    schedule: Option<&Schedule>,
    again: &Again<'_>,
) -> Result<Response, Error> {
    let slots = schedule.map(|schedule| schedule.slots);
    let days = slots.map_or(Recurrence::DAILY, |slots| slots.recurrence);
    let usual = DAYS.iter().find(|(value, _)| Recurrence::parse(value) == Ok(days)).map(|(value, _)| *value);
    let kept = |name: &str| match name {
        "at" => slots.map_or_else(|| "07:00".to_owned(), |slots| slots.at.to_string()),
        "days" => usual.unwrap_or(OTHER).to_owned(),
        OTHER if usual.is_none() => days.to_string(),
        "timezone" => slots.map_or(newsletter.zone, |slots| slots.zone).name().to_owned(),
        _ => String::new(),
    };
    let asked = WHEN.iter().chain(slots.is_none().then_some(&NAME));
    let mut fields: Vec<Field> = asked.map(|field| Field::new(again, "", *field, &kept(field.0))).collect();
    let mut problems = fields::wrong(&mut fields);
    // What keeps it from being removed stands at no field.
    let removal = again.problems.iter().filter(|(field, _)| field == REMOVE);
    problems.extend(removal.map(|(field, says)| Wrong { field: field.clone(), says: says.clone() }));
    let page = Page {
        head: Head::new(newsletter, "/schedules"),
        schedule: schedule.map(|schedule| Kept {
            id: schedule.id,
            name: schedule.name.clone(),
            words: frequency(&schedule.slots),
            was: mark(&schedule.slots),
        }),
        fields,
        problems,
        zones: zones(),
    };
    let title = match schedule {
        Some(schedule) => format!("Schedule “{}” of {}", schedule.name, newsletter.name),
        None => format!("A new schedule of {}", newsletter.name),
    };
    let title = fields::title(&title, &page.problems);
    show(by, status, &path(newsletter), &title, "office/schedule", &page)
}

/// The place on the page where a schedule is removed.
const REMOVE: &str = "remove";

/// When, as it was typed, or what is wrong with it.
fn slots(typed: &[(String, String)]) -> Result<Slots, Problems> {
    let get = |name: &str| typed.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let days_in = if get("days") == OTHER || !get(OTHER).is_empty() { OTHER } else { "days" };
    let days = Recurrence::parse(get(days_in)).and_then(|days| agreeing(get("days"), get(OTHER), days));
    let (at, zone) = (TimeOfDay::parse(get("at")), parse_zone(get("timezone")));
    match (at, days, zone) {
        (Ok(at), Ok(recurrence), Ok(zone)) => Ok(Slots { recurrence, at, zone }),
        (at, days, zone) => {
            let wrong = [("at", at.err()), (days_in, days.err()), ("timezone", zone.err())];
            Err(wrong.into_iter().filter_map(|(name, says)| Some((name.to_owned(), says?))).collect())
        }
    }
}

/// The days that are written, unless others are chosen from the list: which of the two is meant, nobody but the reader of
/// the form knows.
fn agreeing(chosen: &str, written: &str, days: Recurrence) -> Result<Recurrence, String> {
    let usual = DAYS.iter().find(|(value, _)| *value == chosen && chosen != OTHER);
    let words = usual.filter(|(value, _)| Recurrence::parse(value) != Ok(days)).map(|(_, words)| *words);
    match words {
        Some(words) if !written.is_empty() => Err(format!(
            "Days says “{words}”, and here stands “{written}”: choose “{OTHER_WORDS}” in Days, or empty this field"
        )),
        _ => Ok(days),
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
    let typed = typed(&act.form, ["at", "days", OTHER, "timezone", "name"].into_iter());
    match apply(&app, &act.by.actor(), &newsletter, verb, id, &typed, act.form.get("was")).await? {
        Ok(words) => Ok(said::then_say(&app, &path(&newsletter), words)),
        Err(problems) => {
            let schedule = match verb {
                "add" => None,
                _ => Some(schedules::find(&mut *app.db.conn().await?, newsletter.id, id).await?),
            };
            // A form that only removes has typed nothing.
            let typed = if matches!(verb, "add" | "change") { typed } else { vec![] };
            let again = Again { form: "", typed, problems };
            page(&act.by, StatusCode::UNPROCESSABLE_ENTITY, &newsletter, schedule.as_ref(), &again)
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
    was: &str,
) -> Result<Result<String, Problems>, Error> {
    let slug = newsletter.slug.as_str();
    let refused = |field: &str, error| match error {
        pipeline::Error::Invalid(says) => Ok(Err(vec![(field.to_owned(), says)])),
        error => Err(Error::from(error)),
    };
    if verb == "add" {
        let days = match slots(typed) {
            Ok(slots) => slots.recurrence.to_string(),
            Err(problems) => return Ok(Err(problems)),
        };
        let get =
            |name: &str| typed.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let name = Some(get("name")).filter(|name| !name.is_empty());
        let added =
            newsletters::add_schedule(app, by, slug, name, get("at"), Some(get("timezone")), &days).await;
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
            Ok(_) if !was.is_empty() && was != mark(&schedule.slots) => {
                let now = frequency(&schedule.slots);
                let says = format!(
                    "somebody else changed this meanwhile, and now it is: {now}. What you save now holds"
                );
                Ok(Err(vec![("at".to_owned(), says)]))
            }
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
            Err(error) => refused(REMOVE, error),
        },
    }
}
