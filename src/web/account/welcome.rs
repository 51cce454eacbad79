//! The first admin, and whoever was invited: choose a name and a password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::entrance::{self, Guest, Wrong};
use super::link::gone;
use crate::pipeline::App;
use crate::pipeline::accounts::{self, Entrance, MIN_PASSWORD, NewAccount, Problem, Welcome};
use crate::web::form::Segment;
use crate::web::{Error, page};

#[derive(Serialize)]
struct WelcomePage<'p> {
    title: &'static str,
    /// Whoever this is becomes the first admin; an address is asked for.
    is_first: bool,
    email: &'p str,
    name: &'p str,
    least: usize,
    problems: &'p [Shown],
    wrong: Wrong,
}

#[derive(Serialize)]
struct Shown {
    field: &'static str,
    says: String,
}

fn ask(
    status: StatusCode,
    welcome: &Welcome,
    typed: Option<(&str, &str)>,
    problems: &[Problem],
) -> Result<Response, Error> {
    let (known_email, known_name) = match welcome {
        Welcome::FirstAdmin => ("", ""),
        Welcome::User(account) => (account.user.email.as_str(), account.user.name.as_str()),
    };
    let is_first = matches!(welcome, Welcome::FirstAdmin);
    let shown = problems.iter().map(|problem| Shown { field: problem.field, says: problem.says.clone() });
    let content = WelcomePage {
        title: if is_first { "Welcome to Daybreak" } else { "Choose your password" },
        is_first,
        email: typed.map(|typed| typed.0).filter(|_| is_first).unwrap_or(known_email),
        name: typed.map_or(known_name, |typed| typed.1),
        least: MIN_PASSWORD,
        problems: &shown.collect::<Vec<_>>(),
        wrong: Wrong::new(problems),
    };
    page::page(status, "account/welcome", &content)
}

/// `GET /welcome/{secret}`: the form; changes nothing.
pub async fn show(State(app): State<App>, Segment(secret): Segment) -> Result<Response, Error> {
    match accounts::peek_welcome(&app, &secret).await? {
        Some(welcome) => ask(StatusCode::OK, &welcome, None, &[]),
        None => gone(),
    }
}

/// `POST /welcome/{secret}`: the account is theirs, and they are signed in; or the form again.
pub async fn submit(
    State(app): State<App>,
    Segment(secret): Segment,
    guest: Guest,
) -> Result<Response, Error> {
    let Some(welcome) = accounts::peek_welcome(&app, &secret).await? else { return gone() };
    let form = &guest.form;
    let typed =
        NewAccount { email: form.get("email"), name: form.get("name"), password: form.get("password") };
    match accounts::accept(&app, &secret, typed, guest.from()).await? {
        Err(problems) => {
            let typed = Some((typed.email, typed.name));
            ask(StatusCode::UNPROCESSABLE_ENTITY, &welcome, typed, &problems)
        }
        Ok(Entrance::Open { cookie, .. }) => entrance::open(&app, &guest, &cookie, "/desk").await,
        Ok(Entrance::NeedsCode { ticket }) => Ok(entrance::ask_for_code(&app, &ticket, "/desk")),
        Ok(Entrance::Wrong | Entrance::Later { .. } | Entrance::Expired) => gone(),
    }
}
