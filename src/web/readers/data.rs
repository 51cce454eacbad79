//! What is held about a reader, as a file, and its end.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::{Error, page};
use super::preferences::Manages;
use crate::pipeline::{App, people, story};

/// `GET /preferences/{token}/data`: everything that is held about the person, as JSON to keep.
pub async fn file(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let own = story::own(&app, manages.subscriber_id).await?.ok_or(Error::Nobody)?;
    let json = serde_json::to_string_pretty(&own).map_err(|error| Error::Page(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
    ];
    Ok((headers, json + "\n").into_response())
}

#[derive(Serialize)]
struct Erase<'a> {
    title: &'static str,
    home: &'a str,
    email: &'a str,
}

/// `GET /preferences/{token}/erase`: a page with a button; changes nothing.
pub async fn show_erase(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    let email = person.subscriber.email.as_str();
    let erase = Erase { title: "Erase everything about you", home: &manages.home, email };
    page::page(StatusCode::OK, "readers/erase", &erase)
}

#[derive(Serialize)]
struct Erased {
    title: &'static str,
    /// A mail to the address is on its way at this moment.
    in_flight: bool,
}

/// `POST /preferences/{token}/erase`: forgets the person at once.
pub async fn erase(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    let erased = people::erase(&app, None, &person.subscriber.email).await?;
    let page = Erased { title: "You are erased", in_flight: erased.notices_in_flight > 0 };
    page::page(StatusCode::OK, "readers/erased", &page)
}
