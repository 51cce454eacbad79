//! Changing everybody whom a filter finds, or who was ticked: what it would do in numbers, how it goes on, and the way back.

use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::bulk_ask::{self, Question};
use super::subscribers_view::how_many;
use super::words::{When, counted, when};
use super::{SUBSCRIBERS, number, require};
use crate::db;
use crate::db::bulk::{BulkAction, BulkKind, BulkState};
use crate::db::directory::Person;
use crate::domain::calendar::Timestamp;
use crate::pipeline::bulk::{self, ALIVE_MILLIS, Deed, can_undo};
use crate::pipeline::directory::{self, Asked, Problem};
use crate::pipeline::{self, App};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;
use crate::web::form::{Form, Segment};

/// How long it may take to count those whom it would change: a million take some seconds.
const COUNTING: Duration = Duration::from_secs(12);

pub fn routes() -> Router<App> {
    Router::new()
        .route("/office/bulk", get(show_first).post(begin))
        .route("/office/bulk/{id}", get(show))
        .route("/office/bulk/{id}/undo", post(undo))
        .route("/office/bulk/{id}/stop", post(stop))
        .route("/office/bulk/{id}/go-on", post(go_on))
}

/// What a form asks for.
fn read_deed(kind: &str, tag: &str, newsletter: &str) -> Result<Deed, Problem> {
    let wrong = |field, says: String| Problem { field, says };
    let kind = BulkKind::parse(kind)
        .ok_or_else(|| wrong("kind", "Choose what to do with the people that were found.".to_owned()))?;
    let object = match kind {
        BulkKind::Tag | BulkKind::Untag => bulk::tag_name(tag).map_err(|says| wrong("tag", says))?,
        BulkKind::Unsubscribe => newsletter.to_owned(),
        BulkKind::Suppress => String::new(),
    };
    Ok(Deed { kind, object })
}

#[derive(Serialize)]
struct First {
    sentence: String,
    /// Who was ticked, where the people were.
    ticked: Vec<String>,
    consequence: &'static str,
    is_nobody: bool,
    nobody: &'static str,
    filter: String,
    /// The list that they come from.
    back: String,
    kind: &'static str,
    object: String,
    button: String,
}

fn consequence(kind: BulkKind) -> &'static str {
    match kind {
        BulkKind::Tag => {
            "Who has the tag already keeps it. Nobody is mailed, and nothing that is sent changes."
        }
        BulkKind::Untag => "Who does not have the tag stays as they are. Nobody is mailed.",
        BulkKind::Unsubscribe => {
            "Nothing of the newsletter is sent to them any more, also not of an issue that is going out. Who has left \
             already stays as they are. After the hour in which it can be undone, only signing up and confirming anew \
             brings anybody back. Nobody is mailed about it."
        }
        BulkKind::Suppress => {
            "No newsletter mails these addresses any more, whatever they follow, and no import brings them back. Who is \
             on the list already stays there, with the reason they have."
        }
    }
}

/// How many of the last actions are listed.
const LISTED: i64 = 50;

#[derive(Serialize)]
struct Row {
    id: i64,
    words: String,
    who: String,
    begun: When,
    changed: String,
    /// How many it was stopped before, where it was.
    left_over: Option<String>,
    state: &'static str,
    class: &'static str,
    /// For how long it can still be undone; none: it cannot.
    undo_left: Option<String>,
}

#[derive(Serialize)]
struct List {
    actions: Vec<Row>,
}

/// What an action's state is called, and how it looks.
fn state_words(action: &BulkAction) -> (&'static str, &'static str) {
    match action.state {
        BulkState::Running | BulkState::Undoing if action.error.is_some() => ("stands still", "bad"),
        BulkState::Running => ("under way", "warn"),
        BulkState::Undoing => ("being undone", "warn"),
        BulkState::Done if action.is_stopped => ("stopped", "warn"),
        BulkState::Done => ("done", "good"),
        BulkState::Undone => ("undone", ""),
    }
}

/// Without a question: the last actions.
async fn list(app: &App, by: &SignedIn) -> Result<Response, Error> {
    let now = app.clock.now();
    let actions = db::bulk::list(&mut *app.db.conn().await?, LISTED).await?;
    let row = |action: BulkAction| {
        let (state, class) = state_words(&action);
        Row {
            id: action.id,
            begun: when(action.created_at, now),
            changed: people(action.changed),
            left_over: action.left_over.filter(|_| action.state == BulkState::Done).map(people),
            state,
            class,
            undo_left: can_undo(&action, now).then(|| undo_left(&action, now)),
            words: action.words,
            who: action.who,
        }
    };
    let page = List { actions: actions.into_iter().map(row).collect() };
    desk::show(by, StatusCode::OK, SUBSCRIBERS, "Changes to many people", "office/bulk_list", &page)
}

fn people(count: i64) -> String {
    counted(u64::try_from(count).unwrap_or(0), "person", "people")
}

/// For how long an action can still be undone.
fn undo_left(action: &BulkAction, now: Timestamp) -> String {
    let until = action.finished_at.map_or(now, |at| at.plus_millis(bulk::UNDO_MILLIS));
    let minutes = (until.millis() - now.millis()).max(0).div_euclid(60_000) + 1;
    counted(u64::try_from(minutes).unwrap_or(0), "minute", "minutes")
}

/// `GET /office/bulk?filter=…&kind=…`: what it would do, and the button; without a question the last actions.
async fn show_first(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    by: SignedIn,
) -> Result<Response, Error> {
    require(&app, &by, "subscribers.change", "many subscribers").await?;
    let query = query.unwrap_or_default();
    if query.is_empty() {
        return list(&app, &by).await;
    }
    let question = Question::of(&Form::of_query(Some(&query)));
    let now = app.clock.now();
    let asked = match question.whom() {
        Ok(asked) => asked,
        Err(problem) => return bulk_ask::page(&app, &by, question, problem).await,
    };
    let deed = match read_deed(&question.kind, &question.tag, &question.newsletter) {
        Ok(deed) => deed,
        Err(problem) => return bulk_ask::page(&app, &by, question, problem).await,
    };
    let verb = match deed.check(&app).await? {
        Ok(verb) => verb,
        Err(says) => {
            let field = if deed.kind == BulkKind::Unsubscribe { "newsletter" } else { "tag" };
            return bulk_ask::page(&app, &by, question, Problem { field, says }).await;
        }
    };
    let wanted = directory::kept(&app, &asked.query(), now).await?;
    let mut conn = app.db.conn().await?;
    let found = db::directory::count(&mut conn, &wanted.filter, u64::MAX - 1, COUNTING).await?;
    let ticked = match question.is_of_ticked {
        true => db::directory::rows(&mut conn, &wanted.filter.people).await?,
        false => vec![],
    };
    drop(conn);
    let many =
        how_many(found, u64::MAX).unwrap_or_else(|| "everybody found, however many they are".to_owned());
    let sentence = match question.is_of_ticked {
        true => format!("{verb} {many}, whom you ticked:"),
        // What is kept says nothing of the words, which may be somebody's address; whoever typed them sees them.
        false if !asked.q.is_empty() => {
            format!("{verb} {many}: all {} for “{}”, as they are now.", wanted.words(), asked.q)
        }
        false => format!("{verb} {many}: all {} as they are now.", wanted.words()),
    };
    let name = |person: Person| match person.name.is_empty() {
        true => person.email,
        false => format!("{}, {}", person.name, person.email),
    };
    let page = First {
        sentence,
        ticked: ticked.into_iter().map(name).collect(),
        consequence: consequence(deed.kind),
        is_nobody: found.people == 0 && !found.is_more,
        nobody: match question.is_of_ticked {
            true => "Those who were ticked are not here any more.",
            false => "The filter finds nobody. Go back and take a word or a filter away.",
        },
        filter: asked.query(),
        back: question.filter,
        kind: deed.kind.as_str(),
        button: format!("{verb} {many}"),
        object: deed.object,
    };
    desk::show(&by, StatusCode::OK, SUBSCRIBERS, "Change many people", "office/bulk_first", &page)
}

fn deed_of(form: &Form) -> Result<Deed, Error> {
    let deed = read_deed(form.get("kind"), form.get("object"), form.get("object"));
    deed.map_err(|problem| Error::Refused(problem.says))
}

/// `POST /office/bulk`: begins.
async fn begin(State(app): State<App>, Act { by, form }: Act) -> Result<Response, Error> {
    require(&app, &by, "subscribers.change", form.get("kind")).await?;
    let deed = deed_of(&form)?;
    let asked = Asked::parse(form.get("filter"));
    let id = bulk::begin(&app, &by.actor(), &asked, &deed).await?;
    bulk::go_on(&app, id);
    Ok(to(id))
}

fn to(id: i64) -> Response {
    use axum::response::{IntoResponse as _, Redirect};
    Redirect::to(&format!("/office/bulk/{id}")).into_response()
}

#[derive(Serialize)]
struct Page {
    id: i64,
    words: String,
    who: String,
    begun: When,
    changed: String,
    is_running: bool,
    is_undoing: bool,
    is_undone: bool,
    is_done: bool,
    /// Somebody ended it before it had come to all; how many were left, where they were counted.
    is_stopped: bool,
    left_over: Option<String>,
    /// Whoever was at it has died: it goes on by itself before long.
    stands_still: bool,
    /// Why it does not.
    error: Option<String>,
    may_go_on: bool,
    can_undo: bool,
    undo_left: String,
}

/// `GET /office/bulk/{id}`: how far it has come.
async fn show(State(app): State<App>, Segment(id): Segment, by: SignedIn) -> Result<Response, Error> {
    require(&app, &by, "subscribers.change", "many subscribers").await?;
    let now = app.clock.now();
    let action = db::bulk::get(&mut *app.db.conn().await?, number(&id)?).await?.ok_or(Error::NotFound)?;
    let is_at_work = matches!(action.state, BulkState::Running | BulkState::Undoing);
    let page = page(action, now);
    let mut response =
        desk::show(&by, StatusCode::OK, SUBSCRIBERS, "Change many people", "office/bulk", &page)?;
    if is_at_work && page.error.is_none() {
        // Shows by itself how it goes on, without scripts.
        let seconds = HeaderValue::from_static(if page.stands_still { "10" } else { "2" });
        response.headers_mut().insert(HeaderName::from_static("refresh"), seconds);
    }
    Ok(response)
}

fn page(action: BulkAction, now: Timestamp) -> Page {
    let is_at_work = matches!(action.state, BulkState::Running | BulkState::Undoing);
    let stands_still =
        is_at_work && action.error.is_none() && now.millis() - action.beat_at.millis() > ALIVE_MILLIS;
    Page {
        id: action.id,
        may_go_on: stands_still || (is_at_work && action.error.is_some()),
        begun: when(action.created_at, now),
        changed: people(action.changed),
        is_running: action.state == BulkState::Running,
        is_undoing: action.state == BulkState::Undoing,
        is_undone: action.state == BulkState::Undone,
        is_done: action.state == BulkState::Done && !action.is_stopped,
        is_stopped: action.state == BulkState::Done && action.is_stopped,
        left_over: action.left_over.map(people),
        stands_still,
        error: action.error.clone().filter(|_| is_at_work),
        can_undo: can_undo(&action, now),
        undo_left: undo_left(&action, now),
        words: action.words,
        who: action.who,
    }
}

/// `POST /office/bulk/{id}/undo`
async fn undo(State(app): State<App>, Segment(id): Segment, Act { by, .. }: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &by, "subscribers.change.undo", &format!("action {id}")).await?;
    match bulk::undo(&app, &by.actor(), id).await {
        Ok(()) => bulk::go_on(&app, id),
        // Pressed twice, or by two people.
        Err(pipeline::Error::Invalid(says)) => {
            let action = db::bulk::get(&mut *app.db.conn().await?, id).await?.ok_or(Error::NotFound)?;
            if !matches!(action.state, BulkState::Undoing | BulkState::Undone) {
                return Err(Error::Refused(says));
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(to(id))
}

/// `POST /office/bulk/{id}/stop`
async fn stop(State(app): State<App>, Segment(id): Segment, Act { by, .. }: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &by, "subscribers.change.stop", &format!("action {id}")).await?;
    bulk::stop(&app, &by.actor(), id).await?;
    Ok(to(id))
}

/// `POST /office/bulk/{id}/go-on`: where whoever was at it has died.
async fn go_on(State(app): State<App>, Segment(id): Segment, Act { by, .. }: Act) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &by, "subscribers.change", &format!("action {id}")).await?;
    bulk::go_on_by(&app, &by.actor(), id).await?;
    Ok(to(id))
}
