//! Errors at desk, office and account: in the frame, with a way on, for whoever is signed in; the sign-in page for whoever
//! is not; and for scripts an answer of the kind that they asked for.

use std::time::Duration;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;

use super::auth::SignedIn;
use super::error::{Told, What};
use super::{Error, desk};
use crate::pipeline::App;

/// How long it may take to find out who asks: where the database does not answer, the page does without.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the frame is.
const PLACES: [&str; 4] = ["/desk", "/office", "/account", "/sign-out"];

/// What is missing below an address, and the page that has what there is.
struct Shelf {
    path: &'static str,
    missing: &'static str,
    words: &'static str,
}

const SHELVES: [Shelf; 12] = [
    Shelf { path: "/desk/inbox", missing: "There is no such article", words: "Back to the inbox" },
    Shelf { path: "/desk/issues", missing: "There is no such issue", words: "See all issues" },
    Shelf { path: "/desk/sources", missing: "There is no such source", words: "See all sources" },
    Shelf { path: "/desk/templates", missing: "There is no such template", words: "See all templates" },
    Shelf {
        path: "/office/newsletters",
        missing: "There is no such newsletter",
        words: "See all newsletters",
    },
    Shelf { path: "/office/relays", missing: "There is no such relay", words: "See all relays" },
    Shelf { path: "/office/users", missing: "There is no such user", words: "See all users" },
    Shelf { path: "/office/segments", missing: "There is no such segment", words: "See all segments" },
    Shelf {
        path: "/office/bulk",
        missing: "There is no such change to many",
        words: "See all changes to many",
    },
    Shelf { path: "/office/import", missing: "There is no such import", words: "See all imports" },
    Shelf {
        path: "/office/subscribers",
        missing: "There is no such subscriber",
        words: "See all subscribers",
    },
    Shelf { path: "/account", missing: "There is no such page", words: "Back to your account" },
];

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Puts errors into the frame that their address is in.
pub async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    if !PLACES.iter().any(|place| is_below(request.uri().path(), place)) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let mut asked = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(told) = response.extensions().get::<Told>().cloned() else { return response };
    if let Some(answer) = in_kind(&asked.headers, response.status(), &told) {
        return answer;
    }
    if told.what == What::SignIn {
        return response;
    }
    let by = tokio::time::timeout(PATIENCE, SignedIn::from_request_parts(&mut asked, &app)).await;
    match by {
        Ok(Ok(by)) => framed(&by, &asked, &told, response),
        // What there is at the desk is not for everybody to find out.
        Ok(Err(Error::SignIn(back))) if is_read(&asked.method) && is_nowhere(told.what) => {
            Error::SignIn(back).into_response()
        }
        _ => response,
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn is_nowhere(what: What) -> bool {
    matches!(what, What::NotFound | What::Method)
}

/// The answer for a script: no page, and a status that it can go by. None: a browser asks for a page.
fn in_kind(headers: &HeaderMap, status: StatusCode, told: &Told) -> Option<Response> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let status = if told.what == What::SignIn { StatusCode::UNAUTHORIZED } else { status };
    if accept.starts_with("application/json") {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return Some((status, kind, json!({ "says": told.says }).to_string()).into_response());
    }
    accept.starts_with("text/event-stream").then(|| (status, told.says.clone()).into_response())
}

#[derive(Serialize)]
struct FramedPage<'p> {
    status: u16,
    headline: &'p str,
    says: &'p str,
    way_on: &'p str,
    way_on_words: &'p str,
}

/// The error as a page of the desk; as it was where that cannot be made.
fn framed(by: &SignedIn, asked: &Parts, told: &Told, response: Response) -> Response {
    let path = asked.uri.path();
    let shelf = SHELVES.iter().find(|shelf| is_below(path, shelf.path));
    // Whoever may not go in there is not sent there.
    let way_on = shelf.filter(|_| response.status() != StatusCode::FORBIDDEN);
    let (headline, says) = match told.what {
        What::NotFound => (
            shelf.filter(|shelf| path != shelf.path).map_or(told.title, |shelf| shelf.missing),
            "It may have been removed, or the address has a letter too many or too few.",
        ),
        What::Method if is_read(&asked.method) => {
            ("There is no page here", "Only forms are sent to this address: there is nothing to read at it.")
        }
        What::NotAForm => (told.title, "This address takes the forms of its own page alone."),
        _ => (told.title, told.says.as_str()),
    };
    let content = FramedPage {
        status: response.status().as_u16(),
        headline,
        says,
        way_on: way_on.map_or("/desk", |shelf| shelf.path),
        way_on_words: way_on.map_or("Back to the desk", |shelf| shelf.words),
    };
    let Ok(mut page) = desk::show(by, response.status(), path, headline, "desk/error", &content) else {
        return response;
    };
    if let Some(allow) = response.headers().get(header::ALLOW) {
        page.headers_mut().insert(header::ALLOW, allow.clone());
    }
    page
}
