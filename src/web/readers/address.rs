//! Changing one's address: the new one is named here, and confirmed by the link that goes there.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::super::form::{Form, Segment};
use super::super::sign_up_form::Problem;
use super::super::{Error, page};
use super::preferences::{Manages, of_field, status, titled};
use crate::domain::address::EmailAddress;
use crate::pipeline;
use crate::pipeline::subscribe::{self, AddressChange};
use crate::pipeline::{App, links};

#[derive(Serialize)]
struct AddressPage<'a> {
    title: String,
    home: &'a str,
    current: String,
    email: &'a str,
    problems: &'a [Problem],
    wrong_email: Option<&'a str>,
}

fn address_page(
    manages: &Manages,
    current: &EmailAddress,
    email: &str,
    problems: &[Problem],
) -> Result<Response, Error> {
    let address = AddressPage {
        title: titled("Change your address", problems),
        home: &manages.home,
        current: current.readable(),
        email,
        problems,
        wrong_email: of_field(problems, "email"),
    };
    page::page(status(problems), "readers/address", &address)
}

/// `GET /preferences/{token}/address`
pub async fn show(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    address_page(&manages, &person.subscriber.email, "", &[])
}

#[derive(Serialize)]
struct Asked<'a> {
    title: &'static str,
    home: &'a str,
    email: String,
    current: String,
}

/// `POST /preferences/{token}/address`: "check the new inbox", the same for every address.
pub async fn ask(State(app): State<App>, manages: Manages, request: Request) -> Result<Response, Error> {
    let form = Form::read(request).await?;
    let current = manages.person(&app).await?.subscriber.email;
    let typed = form.get("email");
    let again = |says: &str| address_page(&manages, &current, typed, &[Problem::new("email", says)]);
    if typed.trim().is_empty() {
        return again("Enter your new e-mail address, for instance ann@example.org");
    }
    let to = match EmailAddress::parse(typed) {
        Ok(to) => to,
        Err(says) => return again(&says),
    };
    if let Some(says) = subscribe::why_not(&app.settings, &to).await {
        return again(&says);
    }
    match subscribe::ask_to_move(&app, manages.subscriber_id, &to).await {
        Ok(()) => {}
        Err(pipeline::Error::Invalid(says)) => return again(&says),
        Err(error) => return Err(error.into()),
    }
    let asked = Asked {
        title: "Check your new inbox",
        home: &manages.home,
        email: to.readable(),
        current: current.readable(),
    };
    page::page(StatusCode::OK, "readers/address_asked", &asked)
}

#[derive(Serialize)]
struct ConfirmPage {
    title: &'static str,
    email: String,
    /// Empty where there is nothing to go back to.
    home: String,
    is_asked: bool,
    /// It is the address that they had before.
    is_back: bool,
    is_taken: bool,
}

/// `GET /address/{token}`: a page with a button; changes nothing.
pub async fn show_confirm(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    let change = subscribe::peek_move(&app, &token).await?;
    answer(&app, change)
}

/// `POST /address/{token}`: mails go there from now on.
pub async fn confirm(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    let change = subscribe::move_to(&app, &token).await?;
    answer(&app, change)
}

fn answer(app: &App, change: AddressChange) -> Result<Response, Error> {
    let page = |title, email: EmailAddress| ConfirmPage {
        title,
        email: email.readable(),
        home: String::new(),
        is_asked: false,
        is_back: false,
        is_taken: false,
    };
    let shown = match change {
        AddressChange::Forged => return Err(Error::BadToken),
        AddressChange::Expired => return expired(),
        AddressChange::Asked { to, is_back } => {
            let title = if is_back { "Take your old address back" } else { "Confirm your new address" };
            ConfirmPage { is_asked: true, is_back, ..page(title, to) }
        }
        AddressChange::Taken { to } => {
            ConfirmPage { is_taken: true, ..page("Somebody reads at this address already", to) }
        }
        AddressChange::Done { subscriber_id, to, moved_at } => {
            let home = links::preferences_path(app, subscriber_id, &to, moved_at);
            ConfirmPage { home, ..page("Your address is changed", to) }
        }
    };
    page::page(StatusCode::OK, "readers/address_confirm", &shown)
}

#[derive(Serialize)]
struct Expired {
    title: &'static str,
}

/// 410: the link is too old, or the address has been changed otherwise since.
fn expired() -> Result<Response, Error> {
    page::page(StatusCode::GONE, "readers/address_expired", &Expired { title: "This link has expired" })
}
