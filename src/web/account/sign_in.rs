//! Signing in with a password and, where there is a second factor, a code; and signing out.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::entrance::{self, ANSWER_AFTER, Back, Guest, lead_to, own_page, query, ticket_name};
use crate::pipeline::App;
use crate::pipeline::accounts::{self, Actor, Entrance};
use crate::web::auth::{Act, cookie, cookie_name, is_https, set_cookie};
use crate::web::said::{self, Said};
use crate::web::{Error, page};

#[derive(Serialize)]
struct SignInPage<'p> {
    title: &'static str,
    back: &'p str,
    email: &'p str,
    problem: Option<&'p str>,
    said: Option<&'p Said>,
}

/// `GET /sign-in?back=`: the form, or on to where they wanted where they are signed in already.
pub async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(back) = back.unwrap_or_default();
    if let Some(value) = cookie(&headers, cookie_name(&app))
        && accounts::of_cookie(&app, &value).await?.is_some()
    {
        return Ok(lead_to(back.page()));
    }
    let said = said::of(&app, &headers);
    let content =
        SignInPage { title: "Sign in", back: back.page(), email: "", problem: None, said: said.as_ref() };
    let mut response = page::page(StatusCode::OK, "account/sign_in", &content)?;
    if said.is_some() {
        said::forget(&mut response, is_https(&app));
    }
    Ok(response)
}

/// `POST /sign-in`: in, on to the code, or the form again, which says the same whatever was wrong.
pub async fn submit(State(app): State<App>, guest: Guest) -> Result<Response, Error> {
    let (email, back) = (guest.form.get("email").trim(), guest.form.get("back"));
    let trying = accounts::sign_in(&app, email, guest.form.get("password"), guest.from());
    let (tried, ()) = tokio::join!(trying, tokio::time::sleep(ANSWER_AFTER));
    let again = |status, problem: &str| {
        let content =
            SignInPage { title: "Sign in", back: own_page(back), email, problem: Some(problem), said: None };
        page::page(status, "account/sign_in", &content)
    };
    match tried? {
        Entrance::Open { cookie, .. } => entrance::open(&app, &guest, &cookie, back).await,
        Entrance::NeedsCode { ticket } => Ok(entrance::ask_for_code(&app, &ticket, back)),
        Entrance::Wrong | Entrance::Expired => again(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Address and password do not belong together. Check both, or have a link mailed to you.",
        ),
        Entrance::Later { minutes } => again(
            StatusCode::TOO_MANY_REQUESTS,
            &format!(
                "There were too many tries for this address, or from your network. Try again in {}, or have a link \
                 mailed to you.",
                minutes_in_words(minutes)
            ),
        ),
    }
}

fn minutes_in_words(minutes: i64) -> String {
    if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") }
}

/// The second step: with a code of the app, or with a recovery code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Code,
    Recovery,
}

#[derive(Serialize)]
struct CodePage<'p> {
    title: &'static str,
    back: &'p str,
    is_recovery: bool,
    /// The same step in the other way.
    other: String,
    problem: Option<&'p str>,
}

impl Step {
    fn page(self, status: StatusCode, back: &str, problem: Option<&str>) -> Result<Response, Error> {
        let back = own_page(back);
        let is_recovery = self == Self::Recovery;
        let (title, other) = match is_recovery {
            true => ("Enter a recovery code", "/sign-in/code"),
            false => ("Enter the code", "/sign-in/recovery"),
        };
        let other = query(other, back);
        page::page(status, "account/code", &CodePage { title, back, is_recovery, other, problem })
    }

    fn show(
        self,
        app: &App,
        headers: &HeaderMap,
        back: Result<Query<Back>, QueryRejection>,
    ) -> Result<Response, Error> {
        let Query(back) = back.unwrap_or_default();
        match cookie(headers, ticket_name(app)) {
            Some(_) => self.page(StatusCode::OK, back.page(), None),
            None => Ok(lead_to("/sign-in")),
        }
    }

    async fn submit(self, app: &App, guest: &Guest) -> Result<Response, Error> {
        let back = guest.form.get("back");
        let ticket = cookie(&guest.headers, ticket_name(app)).unwrap_or_default();
        match accounts::sign_in_by_code(app, &ticket, guest.form.get("code"), guest.from()).await? {
            Entrance::Open { cookie, codes_left } => {
                let mut response = entrance::open(app, guest, &cookie, back).await?;
                if let Some(left) = codes_left {
                    let left = match left {
                        0 => "none is left".to_owned(),
                        1 => "one is left".to_owned(),
                        left => format!("{left} are left"),
                    };
                    let words = format!(
                        "You used a recovery code: {left}. Under your account you can make new ones."
                    );
                    said::leave(app, &mut response, &Said { words, ..Said::default() });
                }
                Ok(response)
            }
            Entrance::Wrong => {
                let problem = match self {
                    Self::Code => {
                        "This is not the code that your app shows now, or it was used already. Wait for the next one."
                    }
                    Self::Recovery => {
                        "This is none of your recovery codes, or it was used already: each works once. Check it, \
                                       or take the next one."
                    }
                };
                self.page(StatusCode::UNPROCESSABLE_ENTITY, back, Some(problem))
            }
            Entrance::Later { minutes } => {
                let problem =
                    format!("Too many codes were wrong. Try again in {}.", minutes_in_words(minutes));
                self.page(StatusCode::TOO_MANY_REQUESTS, back, Some(&problem))
            }
            Entrance::Expired | Entrance::NeedsCode { .. } => Ok(said::then_say(
                app,
                "/sign-in",
                "That took too long, or your password has changed: sign in again.",
            )),
        }
    }
}

/// `GET /sign-in/code`: the second step.
pub async fn show_code(
    State(app): State<App>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Error> {
    Step::Code.show(&app, &headers, back)
}

/// `POST /sign-in/code`
pub async fn submit_code(State(app): State<App>, guest: Guest) -> Result<Response, Error> {
    Step::Code.submit(&app, &guest).await
}

/// `GET /sign-in/recovery`: the second step for whoever has lost the app.
pub async fn show_recovery(
    State(app): State<App>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Error> {
    Step::Recovery.show(&app, &headers, back)
}

/// `POST /sign-in/recovery`
pub async fn submit_recovery(State(app): State<App>, guest: Guest) -> Result<Response, Error> {
    Step::Recovery.submit(&app, &guest).await
}

/// `POST /sign-out`
pub async fn sign_out(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    accounts::sign_out(&app, &Actor::new(&by.user, &by.network), &by.user, &by.session).await?;
    let mut response = said::then_say(&app, "/sign-in", "You are signed out.");
    said::add_cookie(&mut response, &set_cookie(&app, cookie_name(&app), "", Some(0)));
    Ok(response)
}
