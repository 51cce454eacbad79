//! The relays: their terms, how they are, and a conversation with one of them.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use crate::domain::user::Role;
use crate::pipeline::relays::{self, Described, Standing, Tried, Who};
use crate::pipeline::{self, App};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::form::Segment;

pub fn routes() -> Router<App> {
    Router::new().route("/office/relays", get(list)).route("/office/relays/{place}/test", post(test))
}

#[derive(Serialize)]
struct Page {
    relays: Vec<Relay>,
    /// What is wrong with the setting.
    problem: String,
}

#[derive(Serialize)]
struct Relay {
    place: usize,
    url: String,
    security: &'static str,
    is_open: bool,
    user: Option<String>,
    terms: Vec<Term>,
    state: &'static str,
    kind: &'static str,
    says: String,
    today: Option<i64>,
}

#[derive(Serialize)]
struct Term {
    what: &'static str,
    value: String,
}

fn shown(relay: Described) -> Relay {
    let (state, kind, says) = match relay.standing {
        Standing::Unknown => (
            "not known here",
            "",
            "No sender runs in the process that serves this page: the log of the node that sends knows more."
                .to_owned(),
        ),
        Standing::Well { connections: 0 } => {
            ("no trouble known", "good", "Nothing is under way at this moment.".to_owned())
        }
        Standing::Well { connections: 1 } => ("works", "good", "1 connection carries mail.".to_owned()),
        Standing::Well { connections } => ("works", "good", format!("{connections} connections carry mail.")),
        Standing::Down { why, failures, left } => {
            let again = match left {
                Some(left) => format!("tried again in {} seconds", left.as_secs().max(1)),
                None => "tried again with the next message".to_owned(),
            };
            let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
            ("takes no mail", "bad", format!("It failed {times}, and is {again}. {why}"))
        }
    };
    let term = |(what, value)| Term { what, value };
    Relay {
        place: relay.place,
        is_open: relay.security == "not encrypted",
        url: relay.url,
        security: relay.security,
        user: relay.user,
        terms: relay.terms.into_iter().map(term).collect(),
        state,
        kind,
        says,
        today: relay.today,
    }
}

/// `GET /office/relays`
async fn list(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    by.require_everywhere(&app, Role::Admin, "relay.look", "the relays").await?;
    let page = match relays::list(&app).await {
        Ok(relays) => Page { relays: relays.into_iter().map(shown).collect(), problem: String::new() },
        Err(pipeline::Error::Invalid(problem)) => Page { relays: vec![], problem },
        Err(error) => return Err(error.into()),
    };
    show(&by, StatusCode::OK, "/office/relays", "Relays", "office/relays", &page)
}

#[derive(Serialize)]
struct TestPage {
    place: usize,
    url: String,
    works: bool,
    says: String,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    who: &'static str,
    kind: &'static str,
    said: String,
}

fn test_page(place: usize, tried: Tried) -> TestPage {
    let line = |(who, said)| {
        let (who, kind) = match who {
            Who::We => ("We", "we"),
            Who::TheRelay => ("Relay", "they"),
            Who::Note => ("Note", "note"),
        };
        Line { who, kind, said }
    };
    TestPage {
        place,
        url: tried.url,
        works: tried.works,
        says: tried.says,
        lines: tried.lines.into_iter().map(line).collect(),
    }
}

/// `POST /office/relays/{place}/test`: what was said is the answer itself; nothing of it is kept.
async fn test(State(app): State<App>, Segment(place): Segment, act: Act) -> Result<Response, Error> {
    act.by.require_everywhere(&app, Role::Admin, "relay.test", &format!("relay {place}")).await?;
    let place: usize = place.parse().map_err(|_| Error::NotFound)?;
    let tried = relays::converse(&app, place).await?;
    act.by.note(&app, "relay.test", &tried.url, None).await?;
    let page = test_page(place, tried);
    show(
        &act.by,
        StatusCode::OK,
        "/office/relays",
        "A conversation with the relay",
        "office/relay_test",
        &page,
    )
}
