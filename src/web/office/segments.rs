//! Segments: filters with a name.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::{SUBSCRIBERS, number, require};
use crate::db;
use crate::pipeline::directory::{self, Asked};
use crate::pipeline::import::one_line;
use crate::pipeline::{self, App};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;
use crate::web::form::Segment;
use crate::web::said;

const PATH: &str = "/office/segments";

/// The longest name, in characters.
const MAX_NAME: usize = 60;

pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(show).post(keep)).route("/office/segments/{id}/remove", post(remove))
}

#[derive(Serialize)]
struct Row {
    id: i64,
    name: String,
    href: String,
    /// Whom it finds, or why it finds nobody any more.
    words: String,
    is_broken: bool,
}

/// A name under which a filter cannot be kept.
#[derive(Serialize)]
struct Wrong {
    name: String,
    filter: String,
    says: String,
}

#[derive(Serialize)]
struct Page {
    segments: Vec<Row>,
    wrong: Option<Wrong>,
}

/// `GET /office/segments`
async fn show(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    require(&app, &by, "segments.list", "segments").await?;
    page(&app, &by, None).await
}

async fn page(app: &App, by: &SignedIn, wrong: Option<Wrong>) -> Result<Response, Error> {
    let all = db::segments::list(&mut *app.db.conn().await?).await?;
    let mut segments = vec![];
    for segment in all {
        let (words, is_broken) = match directory::kept(app, &segment.filter, app.clock.now()).await {
            Ok(wanted) => (wanted.words(), false),
            Err(pipeline::Error::Invalid(says)) => (says, true),
            Err(error) => return Err(error.into()),
        };
        let href = format!("{SUBSCRIBERS}?{}", segment.filter);
        segments.push(Row { id: segment.id, name: segment.name, href, words, is_broken });
    }
    let (status, title) = match wrong {
        Some(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Problem: Segments"),
        None => (StatusCode::OK, "Segments"),
    };
    desk::show(by, status, SUBSCRIBERS, title, "office/segments", &Page { segments, wrong })
}

/// `POST /office/segments`: keeps a filter under a name.
async fn keep(State(app): State<App>, Act { by, form }: Act) -> Result<Response, Error> {
    require(&app, &by, "segment.keep", form.get("name")).await?;
    let asked = Asked::parse(form.get("filter"));
    if asked.is_empty() {
        return Err(Error::Refused("A segment needs a filter: without one it is everybody.".to_owned()));
    }
    directory::kept(&app, &asked.query(), app.clock.now()).await?;
    let name = match one_line("name", form.get("name"), MAX_NAME) {
        Ok(name) if name.is_empty() => Err("A segment needs a name, such as Press.".to_owned()),
        Ok(name) if directory::keep(&app, &by.actor(), &name, &asked).await? => Ok(name),
        Ok(name) => Err(format!(
            "There is a segment “{name}” already, with another filter. Choose another name, or remove that one first."
        )),
        Err(says) => Err(says),
    };
    let name = match name {
        Ok(name) => name,
        Err(says) => {
            let wrong = Wrong { name: form.get("name").to_owned(), filter: asked.query(), says };
            return page(&app, &by, Some(wrong)).await;
        }
    };
    let to = format!("{SUBSCRIBERS}?{}", asked.query());
    Ok(said::then_say(
        &app,
        &to,
        format!("The segment “{name}” is kept, and finds whoever fits at the time."),
    ))
}

/// `POST /office/segments/{id}/remove`
async fn remove(
    State(app): State<App>,
    Segment(id): Segment,
    Act { by, .. }: Act,
) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &by, "segment.remove", &format!("segment {id}")).await?;
    let name = directory::remove_segment(&app, &by.actor(), id).await?;
    let said = format!("The segment “{name}” is removed. Nobody in it was changed.");
    Ok(said::then_say(&app, PATH, said))
}
