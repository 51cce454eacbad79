//! What an admin does with one person.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use chrono::NaiveDate;

use super::fields::{Again, Problems, typed};
use super::person::{ASKED, HOUR, REASON, TAG, TIES, UNTIL, page};
use super::{number, reach, require};
use crate::db;
use crate::db::subscriptions::Choice;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, instant_of, parse_zone};
use crate::domain::subscription::Subscriber;
use crate::domain::topic::TopicSet;
use crate::domain::user::Role;
use crate::pipeline;
use crate::pipeline::accounts::Actor;
use crate::pipeline::import::read_language;
use crate::pipeline::people::{self, Edit, named as what};
use crate::pipeline::subscribe::clean_name;
use crate::pipeline::{App, bulk, editors, story};
use crate::web::Error;
use crate::web::auth::Act;
use crate::web::form::{Form, Segment};
use crate::web::said;
use crate::web::sign_up_form::optional;

fn path(id: i64) -> String {
    format!("/office/subscribers/{id}")
}

async fn person(app: &App, id: i64) -> Result<Subscriber, Error> {
    db::subscribers::get(&mut *app.db.conn().await?, id).await?.ok_or(Error::NotFound)
}

/// Says that it is done, or shows the page again with what is wrong at `place`.
async fn answer(
    app: &App,
    act: &Act,
    id: i64,
    place: &str,
    done: Result<String, pipeline::Error>,
) -> Result<Response, Error> {
    match done {
        Ok(words) => Ok(said::then_say(app, &path(id), words)),
        Err(pipeline::Error::Invalid(says)) => {
            let typed = typed(&act.form, std::iter::once(place));
            let again = Again { form: "", typed, problems: vec![(place.to_owned(), says)] };
            page(app, &act.by, id, None, &again).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What a form says about a person, or what is wrong with it, by field.
fn read_edit(form: &Form) -> Result<Edit, Problems> {
    let mut problems: Problems = vec![];
    let mut note = |field: &str, says: String| problems.push((field.to_owned(), says));
    let email = EmailAddress::parse(form.get("email")).map_err(|says| note("email", says)).ok();
    let name = clean_name(form.get("name")).map_err(|says| note("name", says)).ok();
    let language = optional(form.get("language"), read_language).map_err(|says| note("language", says)).ok();
    let zone = optional(form.get("zone"), parse_zone).map_err(|says| note("zone", says)).ok();
    match (email, name, language, zone) {
        (Some(email), Some(name), Some(language), Some(zone)) => Ok(Edit { email, name, language, zone }),
        _ => Err(problems),
    }
}

/// `POST /office/subscribers/{id}/edit`
pub async fn edit(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.edit", &what(id)).await?;
    let done = match read_edit(&act.form) {
        Ok(edit) => people::edit(&app, &act.by.actor(), id, &edit).await.map_err(|error| match error {
            // All was looked at: only the address can be somebody else's.
            pipeline::Error::Invalid(says) => Ok(vec![("email".to_owned(), says)]),
            error => Err(error),
        }),
        Err(problems) => Err(Ok(problems)),
    };
    match done {
        Ok(()) => Ok(said::then_say(&app, &path(id), "It is changed. The next issue goes by it.")),
        Err(Ok(problems)) => {
            let typed = typed(&act.form, ASKED.iter().map(|(name, ..)| *name));
            page(&app, &act.by, id, None, &Again { form: "", typed, problems }).await
        }
        Err(Err(error)) => Err(error.into()),
    }
}

/// `POST /office/subscribers/{id}/subscription`: pause, resume, leave or choose, as `act` says.
pub async fn subscription(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    let deed = match act.form.get("act") {
        deed @ ("pause" | "resume" | "leave" | "choose") => deed,
        _ => "change",
    };
    let action = format!("subscription.{deed}");
    reach(&app, &act.by, &action, &what(id)).await?;
    let slug = act.form.get("newsletter");
    let newsletter = editors::find_newsletter(&mut *app.db.conn().await?, slug).await?;
    act.by.require(&app, Role::Admin, newsletter.id, &action, &what(id)).await?;
    let person = person(&app, id).await?;
    let (by, email, name) = (&act.by.actor(), &person.email, &newsletter.name);
    // Where on the page it is said if it cannot be done.
    let mut place = TIES.to_owned();
    let done = match deed {
        "pause" => {
            place = format!("{UNTIL}-{slug}");
            let day = NaiveDate::parse_from_str(act.form.get("until"), "%Y-%m-%d").ok();
            let day = day.filter(|_| act.form.get("until").len() == 10);
            match day {
                None => Err(pipeline::Error::Invalid(format!(
                    "“{}” is not a day: say until when to pause, for instance 2026-08-24",
                    act.form.get("until")
                ))),
                Some(day) => {
                    let until = instant_of(day, TimeOfDay::midnight(), newsletter.zone);
                    let said =
                        format!("{name} is paused: nothing is sent before {}.", day.format("%-d %B %Y"));
                    people::pause(&app, by, email, slug, until).await.map(|()| said)
                }
            }
        }
        "resume" => {
            let said = format!("The issues of {name} come again, from the next one on.");
            people::resume(&app, by, email, slug).await.map(|()| said)
        }
        "leave" => {
            let said = format!("The subscription to {name} has ended. Nothing of it is sent any more.");
            people::unsubscribe(&app, by, email, Some(slug)).await.map(|_| said)
        }
        "choose" => {
            let said = format!("What they chose of {name} is changed. The next issue goes by it.");
            match optional(act.form.get("hour"), TimeOfDay::parse) {
                Ok(hour) => choose(&app, by, &act.form, newsletter.id, id, hour).await.map(|()| said),
                Err(says) => {
                    place = format!("{HOUR}-{slug}");
                    Err(pipeline::Error::Invalid(says))
                }
            }
        }
        _ => return Err(Error::NotFound),
    };
    answer(&app, &act, id, &place, done).await
}

async fn choose(
    app: &App,
    by: &Actor,
    form: &Form,
    newsletter_id: i64,
    id: i64,
    hour: Option<TimeOfDay>,
) -> Result<(), pipeline::Error> {
    let mut conn = app.db.conn().await?;
    let all = db::newsletters::topics(&mut conn, newsletter_id).await?;
    let wanted = form.all("topic");
    let chosen = all.iter().filter(|topic| wanted.contains(&topic.slug));
    let topics = chosen.fold(TopicSet::EMPTY, |topics, topic| topics.with(topic));
    let schedules = db::newsletters::schedules_of(&mut conn, newsletter_id).await?;
    let schedule = schedules.iter().find(|schedule| schedule.name == form.get("schedule"));
    drop(conn);
    let choice = Choice { schedule_id: schedule.map(|schedule| schedule.id), topics, hour };
    people::choose(app, by, newsletter_id, id, choice).await
}

/// `POST /office/subscribers/{id}/tag`
pub async fn tag(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.tag", &what(id)).await?;
    person(&app, id).await?;
    let done = match bulk::tag_name(act.form.get("tag")) {
        Err(says) => Err(pipeline::Error::Invalid(says)),
        Ok(name) => {
            people::tag(&app, &act.by.actor(), id, &name).await?;
            Ok(format!("Tagged “{name}”."))
        }
    };
    answer(&app, &act, id, TAG, done).await
}

/// `POST /office/subscribers/{id}/untag`
pub async fn untag(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.untag", &what(id)).await?;
    let name = people::untag(&app, &act.by.actor(), id, number(act.form.get("tag"))?).await?;
    answer(&app, &act, id, TAG, Ok(format!("The tag “{name}” is taken away."))).await
}

/// `POST /office/subscribers/{id}/suppress`
pub async fn suppress(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.suppress", &what(id)).await?;
    let email = person(&app, id).await?.email;
    let done = people::suppress(&app, &act.by.actor(), &email, act.form.get("reason")).await;
    let said = "The address is on the suppression list: no newsletter mails it any more.";
    answer(&app, &act, id, REASON, done.map(|_| said.to_owned())).await
}

/// `POST /office/subscribers/{id}/unsuppress`
pub async fn unsuppress(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.unsuppress", &what(id)).await?;
    let email = person(&app, id).await?.email;
    people::unsuppress(&app, &act.by.actor(), &email).await?;
    let said = "The address is off the suppression list: what they follow is sent to them again.";
    answer(&app, &act, id, REASON, Ok(said.to_owned())).await
}

/// `POST /office/subscribers/{id}/export`: everything held about them, as a file.
pub async fn export(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.export", &what(id)).await?;
    let everything = story::own(&app, id).await?.ok_or(Error::NotFound)?;
    act.by.note(&app, "subscriber.export", &what(id), None).await?;
    let text = serde_json::to_string_pretty(&everything).map_err(|error| Error::Page(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"subscriber-{id}.json\"")),
    ];
    Ok((headers, text).into_response())
}

/// `POST /office/subscribers/{id}/erase`
pub async fn erase(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &act.by, "subscriber.erase", &what(id)).await?;
    let email = person(&app, id).await?.email;
    let erased = people::erase(&app, Some(&act.by.actor()), &email).await?;
    let said = match erased.notices_in_flight {
        0 => "The person is erased. Only a hash of the address is left, which keeps it from being mailed.",
        _ => {
            "The person is erased. A mail to them was being sent at this moment, and may still arrive: what is kept of \
             it goes with its end."
        }
    };
    Ok(said::then_say(&app, "/office/subscribers", said))
}
