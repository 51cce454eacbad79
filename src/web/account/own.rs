//! One's own account: name, password, second factor, and where one is signed in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::browser::Browser;
use super::entrance::Wrong;
use crate::db::{newsletters, recovery, sessions};
use crate::domain::recovery::RECOVERY_CODES;
use crate::pipeline::App;
use crate::pipeline::accounts::{self, Actor, MIN_PASSWORD, Problem};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::words::Moment;
use crate::web::{Error, desk, said};

/// The most sessions that a page shows.
const SHOWN: i64 = 100;

/// With fewer recovery codes than this one is asked to make new ones.
const FEW: i64 = 3;

#[derive(Serialize)]
struct Own<'p> {
    email: &'p str,
    name: &'p str,
    may: Vec<String>,
    has_password: bool,
    has_second_factor: bool,
    /// Recovery codes that were not used.
    codes: i64,
    all_codes: usize,
    are_few: bool,
    least: usize,
    wrong: Wrong,
    sessions: Vec<ShownSession>,
    are_several: bool,
}

/// A browser that is signed in, as a row.
#[derive(Serialize)]
struct ShownSession {
    hash: String,
    browser: Browser,
    network: String,
    created: Moment,
    seen: Moment,
    is_this: bool,
}

async fn page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    typed_name: Option<&str>,
    problems: &[Problem],
) -> Result<Response, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let account = accounts::find(&mut conn, by.user.id).await?;
    let sessions = sessions::of_user(&mut conn, by.user.id, now, SHOWN).await?;
    let codes = recovery::count(&mut conn, by.user.id).await?;
    let mut may: Vec<String> =
        account.user.role.iter().map(|role| format!("{} of all newsletters", role.as_str())).collect();
    for newsletter in newsletters::list(&mut conn).await? {
        if let Some((_, role)) = account.user.newsletters.iter().find(|(id, _)| *id == newsletter.id) {
            may.push(format!("{} of {}", role.as_str(), newsletter.name));
        }
    }
    drop(conn);
    if may.is_empty() {
        may.push("no role yet: ask an admin for one".to_owned());
    }
    let own = Own {
        email: account.user.email.as_str(),
        name: typed_name.unwrap_or(&account.user.name),
        may,
        has_password: account.password_hash.is_some(),
        has_second_factor: account.totp_secret.is_some(),
        codes,
        all_codes: RECOVERY_CODES,
        are_few: codes < FEW,
        least: MIN_PASSWORD,
        wrong: Wrong::new(problems),
        are_several: sessions.len() > 1,
        sessions: sessions
            .into_iter()
            .map(|session| ShownSession {
                is_this: session.hash == by.session.hash,
                browser: Browser::of(&session.agent),
                created: Moment::past(session.created_at, now, chrono_tz::UTC),
                seen: Moment::past(session.seen_at, now, chrono_tz::UTC),
                hash: session.hash,
                network: session.network,
            })
            .collect(),
    };
    desk::show(by, status, "/account", "Your account", "account/own", &own)
}

/// `GET /account`
pub async fn show(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    page(&app, &by, StatusCode::OK, None, &[]).await
}

/// The page again with what is wrong, or on to it with a sentence.
async fn then(
    app: &App,
    by: &SignedIn,
    typed_name: Option<&str>,
    problem: Option<Problem>,
    words: &str,
) -> Result<Response, Error> {
    match problem {
        Some(problem) => page(app, by, StatusCode::UNPROCESSABLE_ENTITY, typed_name, &[problem]).await,
        None => Ok(said::then_say(app, "/account", words)),
    }
}

/// `POST /account/name`
pub async fn change_name(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let (by, name) = (&act.by, act.form.get("name"));
    let account = accounts::find(&mut *app.db.conn().await?, by.user.id).await?;
    let problem = accounts::change_name(&app, &Actor::new(&by.user, &by.network), &account, name).await?;
    then(&app, by, Some(name), problem, "Your name is changed.").await
}

/// `POST /account/password`
pub async fn change_password(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let (by, form) = (&act.by, &act.form);
    let account = accounts::find(&mut *app.db.conn().await?, by.user.id).await?;
    let actor = Actor::new(&by.user, &by.network);
    let (current, password) = (form.get("current"), form.get("password"));
    let problem = accounts::change_password(&app, &actor, &account, &by.session, current, password).await?;
    then(&app, by, None, problem, "Your password is changed. You are signed out everywhere else.").await
}

/// `POST /account/sessions`: signs out everywhere else.
pub async fn end_others(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let actor = Actor::new(&by.user, &by.network);
    let ended = accounts::end_others(&app, &actor, &by.user, &by.session).await?;
    let words = match ended {
        0 => "You were signed in nowhere else.".to_owned(),
        1 => "You are signed out of the other browser.".to_owned(),
        many => format!("You are signed out of {many} other browsers."),
    };
    Ok(said::then_say(&app, "/account", words))
}

/// `POST /account/sessions/end`: ends one.
pub async fn end_one(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let actor = Actor::new(&by.user, &by.network);
    accounts::end_session(&app, &actor, &by.user, act.form.get("session")).await?;
    Ok(said::then_say(&app, "/account", "That browser is signed out."))
}
