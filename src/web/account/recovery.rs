//! One's recovery codes: shown once, when they are made.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::entrance::Wrong;
use crate::db::recovery;
use crate::domain::recovery::{RECOVERY_CODES, RecoveryCode};
use crate::pipeline::App;
use crate::pipeline::accounts::{self, Problem};
use crate::web::auth::{Act, SignedIn};
use crate::web::{Error, desk, said};

#[derive(Serialize)]
struct Ask {
    left: i64,
    all: usize,
    wrong: Wrong,
}

async fn ask(app: &App, by: &SignedIn, status: StatusCode, problems: &[Problem]) -> Result<Response, Error> {
    let mut conn = app.db.conn().await?;
    let account = accounts::find(&mut conn, by.user.id).await?;
    if account.totp_secret.is_none() {
        let says = "Recovery codes belong to a second factor: set one up first.";
        return Ok(said::then_say(app, "/account/second-factor", says));
    }
    let content = Ask {
        left: recovery::count(&mut conn, by.user.id).await?,
        all: RECOVERY_CODES,
        wrong: Wrong::new(problems),
    };
    drop(conn);
    desk::show(by, status, "/account", "Recovery codes", "account/recovery", &content)
}

/// `GET /account/recovery-codes`: how many are left, and a button for new ones.
pub async fn show(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    ask(&app, &by, StatusCode::OK, &[]).await
}

/// `POST /account/recovery-codes`: makes new ones, and shows them.
pub async fn submit(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = accounts::find(&mut *app.db.conn().await?, by.user.id).await?;
    match accounts::make_recovery_codes(&app, &by.actor(), &account, act.form.get("code")).await? {
        Ok(codes) => given(&app, by, &codes, false),
        Err(problem) => ask(&app, by, StatusCode::UNPROCESSABLE_ENTITY, &[problem]).await,
    }
}

#[derive(Serialize)]
struct Given {
    /// The second factor was set up with them.
    is_first: bool,
    codes: Vec<String>,
    /// A text file with them, as an address: it is on no server, and in no cache.
    file: String,
}

/// The codes, once.
pub fn given(app: &App, by: &SignedIn, codes: &[RecoveryCode], is_first: bool) -> Result<Response, Error> {
    let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
    let host = app.settings.public_url.split_once("://").map_or("", |(_, rest)| rest);
    let text = format!(
        "Recovery codes of {} at {host}, made on {}.\r\n\
         Each works once, in the place of a code of the app. Keep them where your password is not.\r\n\r\n{}\r\n",
        by.user.email,
        app.clock.now().in_zone(chrono_tz::UTC).format("%Y-%m-%d"),
        codes.join("\r\n")
    );
    let file = format!("data:text/plain;charset=utf-8,{}", utf8_percent_encode(&text, NON_ALPHANUMERIC));
    let content = Given { is_first, codes, file };
    desk::show(by, StatusCode::OK, "/account", "Your recovery codes", "account/recovery_codes", &content)
}
