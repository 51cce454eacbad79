//! What is held about a reader, as a file, and its end.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::{Error, page};
use super::preferences::Manages;
use crate::pipeline::subscribe::{Following, Person};
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
    email: String,
    ask: Vec<String>,
}

/// Whom an erased person writes to: where answers to their newsletters' mails go.
fn whom_to_ask(person: &Person) -> Vec<String> {
    let mut ask: Vec<String> = vec![];
    for Following { newsletter, .. } in &person.follows {
        let address = newsletter.reply_to.as_ref().unwrap_or(&newsletter.from.address).to_string();
        if !ask.contains(&address) {
            ask.push(address);
        }
    }
    ask
}

/// `GET /preferences/{token}/erase`: a page with a button; changes nothing.
pub async fn show_erase(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    let email = person.subscriber.email.readable();
    let ask = whom_to_ask(&person);
    let erase = Erase { title: "Erase everything about you", home: &manages.home, email, ask };
    page::page(StatusCode::OK, "readers/erase", &erase)
}

#[derive(Serialize)]
struct Erased {
    title: &'static str,
    /// A mail to the address is on its way at this moment.
    in_flight: bool,
    ask: Vec<String>,
}

/// `POST /preferences/{token}/erase`: forgets the person at once.
pub async fn erase(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    let erased = people::erase(&app, None, &person.subscriber.email).await?;
    let in_flight = erased.notices_in_flight > 0;
    let page = Erased { title: "You are erased", in_flight, ask: whom_to_ask(&person) };
    page::page(StatusCode::OK, "readers/erased", &page)
}
