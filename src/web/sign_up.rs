//! The sign-up: a form, what is wrong with it, and "check your inbox".

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Serialize;

use super::form::{Form, Segment};
use super::network::network_address;
use super::sign_up_form::{self, Problem, Typed};
use super::{Error, page};
use crate::db::newsletters;
use crate::domain::address::EmailAddress;
use crate::domain::language::direction;
use crate::pipeline;
use crate::pipeline::App;
use crate::pipeline::subscribe::{self, CONFIRM_DAYS, Taken};

/// How long the answer to a sign-up takes at least: known and unknown addresses cost the database a different number
/// of milliseconds, and nobody is to learn from it which an address is.
const ANSWER_AFTER: Duration = Duration::from_millis(150);

/// `GET /subscribe`: every newsletter that is listed, to pick from; the front page where there is none.
pub async fn show(State(app): State<App>) -> Result<Response, Error> {
    let form = sign_up_form::of_all(&mut *app.db.conn().await?, Typed::default(), vec![]).await?;
    match form.has_offers() {
        true => page::page(StatusCode::OK, "subscribe", &form),
        // The front page says so.
        false => Ok(Redirect::to("/").into_response()),
    }
}

/// `GET /subscribe/{slug}`: one newsletter, with its choices.
pub async fn show_one(State(app): State<App>, Segment(slug): Segment) -> Result<Response, Error> {
    if let Some(page) = closed(&app, &slug, StatusCode::OK).await? {
        return Ok(page);
    }
    let form = sign_up_form::of_one(&app, &slug, Typed::default(), vec![]).await?;
    page::page(StatusCode::OK, "subscribe", &form.ok_or(Error::NotFound)?)
}

#[derive(Serialize)]
struct Closed<'a> {
    title: &'a str,
    slug: &'a str,
    name: &'a str,
    language: &'a str,
    dir: &'static str,
}

/// The page of a newsletter that takes no sign-ups; none where it does, or is not there.
pub async fn closed(app: &App, slug: &str, status: StatusCode) -> Result<Option<Response>, Error> {
    let found = newsletters::find(&mut *app.db.conn().await?, slug).await?;
    let Some(newsletter) = found.filter(|newsletter| !newsletter.is_listed) else { return Ok(None) };
    let closed = Closed {
        title: &newsletter.name,
        slug: &newsletter.slug,
        name: &newsletter.name,
        language: &newsletter.language,
        dir: direction(&newsletter.language),
    };
    page::page(status, "closed", &closed).map(Some)
}

#[derive(Serialize)]
struct CheckInbox {
    title: &'static str,
    email: String,
    days: i64,
    back: String,
}

/// `POST /subscribe`: "check your inbox", the same for every address; or the form again, with what was typed and what
/// is wrong with it (422).
pub async fn submit(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, Error> {
    let from = network_address(&app.settings, peer, request.headers());
    let typed = Typed::from(&Form::read(request).await?);
    let mut asked = match typed.parse() {
        Ok(asked) => asked,
        Err(problems) => return again(&app, typed, problems).await,
    };
    if let Some(says) = subscribe::why_not(&app.settings, &asked.email).await {
        return again(&app, typed, vec![Problem::new("email", &says)]).await;
    }
    if typed.is_trapped {
        tokio::time::sleep(ANSWER_AFTER).await;
        return check_inbox(&typed, &asked.email);
    }
    asked.from = from.to_string();
    asked.words = consent_words(&app, &asked.newsletters).await?;
    let (signed_up, ()) = tokio::join!(subscribe::sign_up(&app, &asked), tokio::time::sleep(ANSWER_AFTER));
    match signed_up {
        Ok(Taken::Yes) => {}
        Ok(Taken::TooMany) => return too_many(&app, typed).await,
        Err(pipeline::Error::Invalid(says)) => {
            return again(&app, typed, vec![Problem::new("newsletter", &says)]).await;
        }
        Err(error) => return Err(error.into()),
    }
    check_inbox(&typed, &asked.email)
}

/// The answer to whoever signs up, whatever came of it.
fn check_inbox(typed: &Typed, email: &EmailAddress) -> Result<Response, Error> {
    let back = if typed.page.is_empty() { "/subscribe".into() } else { format!("/subscribe/{}", typed.page) };
    let page = CheckInbox { title: "Check your inbox", email: email.readable(), days: CONFIRM_DAYS, back };
    page::page(StatusCode::OK, "check_inbox", &page)
}

/// The form again (429): it says nothing of the address, only of the network.
async fn too_many(app: &App, typed: Typed) -> Result<Response, Error> {
    let says = "Many sign-ups came from your network within the last hour: try again in an hour";
    let mut response = again(app, typed, vec![Problem::new("email", says)]).await?;
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("3600"));
    Ok(response)
}

/// The words above the button, with the names of the newsletters asked for.
async fn consent_words(app: &App, slugs: &[String]) -> Result<String, Error> {
    let mut conn = app.db.conn().await?;
    Ok(sign_up_form::consent_words(&mut conn, slugs).await?)
}

/// The form again, with what was typed and what is wrong with it.
async fn again(app: &App, typed: Typed, problems: Vec<Problem>) -> Result<Response, Error> {
    if let Some(page) = closed(app, &typed.page, StatusCode::UNPROCESSABLE_ENTITY).await? {
        return Ok(page);
    }
    let form = match sign_up_form::of_one(app, &typed.page, typed.clone(), problems.clone()).await? {
        Some(form) => form,
        None => sign_up_form::of_all(&mut *app.db.conn().await?, typed, problems).await?,
    };
    page::page(StatusCode::UNPROCESSABLE_ENTITY, "subscribe", &form)
}
