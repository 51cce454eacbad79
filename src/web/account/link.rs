//! Links that sign in: mailed on request, good once, and only after a button is pressed, because link scanners follow
//! links.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::entrance::{self, ANSWER_AFTER, Back, Guest, own_page};
use crate::domain::address::EmailAddress;
use crate::pipeline::App;
use crate::pipeline::accounts::{self, Entrance, LINK_MINUTES};
use crate::web::form::Segment;
use crate::web::{Error, page};

#[derive(Serialize)]
struct Mailed {
    title: &'static str,
    email: String,
    minutes: i64,
}

/// `POST /sign-in/mail`: "check your inbox", the same for every address.
pub async fn mail(State(app): State<App>, guest: Guest) -> Result<Response, Error> {
    let typed = guest.form.get("email").trim();
    let Ok(email) = EmailAddress::parse(typed) else {
        #[derive(Serialize)]
        struct Again<'p> {
            title: &'static str,
            back: &'p str,
            email: &'p str,
            problem: Option<&'static str>,
            said: Option<()>,
        }
        let content = Again {
            title: "Sign in",
            back: own_page(guest.form.get("back")),
            email: typed,
            problem: Some("Enter your e-mail address, such as ann@example.org: the link is mailed there."),
            said: None,
        };
        return page::page(StatusCode::UNPROCESSABLE_ENTITY, "account/sign_in", &content);
    };
    let mailing = accounts::mail_link(&app, &email, own_page(guest.form.get("back")), guest.from());
    let (mailed, ()) = tokio::join!(mailing, tokio::time::sleep(ANSWER_AFTER));
    mailed?;
    let content = Mailed { title: "Check your inbox", email: email.to_string(), minutes: LINK_MINUTES };
    page::page(StatusCode::OK, "account/mailed", &content)
}

#[derive(Serialize)]
struct Bare {
    title: &'static str,
}

/// A link that was used, or is too old, or never was one.
pub fn gone() -> Result<Response, Error> {
    page::page(StatusCode::GONE, "account/gone", &Bare { title: "This link does not work any more" })
}

/// `GET /sign-in/link/{secret}`: a page with a button; changes nothing.
pub async fn show(State(app): State<App>, Segment(secret): Segment) -> Result<Response, Error> {
    match accounts::peek_link(&app, &secret).await? {
        true => page::page(StatusCode::OK, "account/link", &Bare { title: "Sign in" }),
        false => gone(),
    }
}

/// `POST /sign-in/link/{secret}?back=`
pub async fn submit(
    State(app): State<App>,
    Segment(secret): Segment,
    back: Result<Query<Back>, QueryRejection>,
    guest: Guest,
) -> Result<Response, Error> {
    let Query(back) = back.unwrap_or_default();
    let back = back.page();
    match accounts::sign_in_by_link(&app, &secret, guest.from()).await? {
        Entrance::Open { cookie, .. } => entrance::open(&app, &guest, &cookie, back).await,
        Entrance::NeedsCode { ticket } => Ok(entrance::ask_for_code(&app, &ticket, back)),
        Entrance::Wrong | Entrance::Later { .. } | Entrance::Expired => gone(),
    }
}
