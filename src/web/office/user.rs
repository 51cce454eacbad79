//! One account: what it may, where it is signed in, and what was done with it lately.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::audit::{Line, lines, of_whom};
use super::users::{PATH, RoleChoices, invited_words, may, roles_of};
use crate::db::users::Account;
use crate::db::{audit, newsletters, recovery, sessions};
use crate::domain::user::Role;
use crate::pipeline::accounts::{self, Actor, Roles};
use crate::pipeline::{self, App};
use crate::web::account::Browser;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::words::Moment;
use crate::web::form::Segment;
use crate::web::{Error, desk, said};

/// The most sessions, and the most lines of the log, that a page shows.
const SESSIONS: i64 = 100;
const LINES: i64 = 10;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/office/users/{id}", get(show))
        .route("/office/users/{id}/roles", post(set_roles))
        .route("/office/users/{id}/invite", post(invite))
        .route("/office/users/{id}/disable", post(disable))
        .route("/office/users/{id}/enable", post(enable))
        .route("/office/users/{id}/remove", get(show_remove).post(remove))
        .route("/office/users/{id}/second-factor", post(remove_second_factor))
        .route("/office/users/{id}/sessions", post(end_sessions))
}

#[derive(Serialize)]
struct UserPage {
    id: i64,
    shown: String,
    email: String,
    may: String,
    created: Moment,
    seen: Option<Moment>,
    is_disabled: bool,
    is_own: bool,
    has_password: bool,
    has_second_factor: bool,
    /// Recovery codes that they have left.
    codes: i64,
    roles: RoleChoices,
    problem: Option<String>,
    sessions: Vec<ShownSession>,
    lines: Vec<Line>,
    /// All of them.
    all_lines: String,
}

#[derive(Serialize)]
struct ShownSession {
    hash: String,
    browser: Browser,
    network: String,
    created: Moment,
    seen: Moment,
}

/// The account that an address names; whoever may not see it learns nothing about it.
async fn account(app: &App, by: &SignedIn, id: &str, action: &str) -> Result<Account, Error> {
    let id: Option<i64> = id.parse().ok();
    let found = match id {
        Some(id) => accounts::find(&mut *app.db.conn().await?, id).await.map(Some),
        None => Ok(None),
    };
    let found = match found {
        Err(pipeline::Error::NotFound(_)) => None,
        found => found?,
    };
    let what = found.as_ref().map_or("users", |account| account.user.email.as_str());
    by.require_everywhere(app, Role::Admin, action, what).await?;
    found.ok_or(Error::NotFound)
}

async fn page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    account: &Account,
    problem: Option<String>,
) -> Result<Response, Error> {
    let (now, user) = (app.clock.now(), &account.user);
    let mut conn = app.db.conn().await?;
    let newsletters = newsletters::list(&mut conn).await?;
    let sessions = sessions::of_user(&mut conn, user.id, now, SESSIONS).await?;
    let codes = recovery::count(&mut conn, user.id).await?;
    let lately = audit::Filter { who: vec![user.email.to_string()], ..audit::Filter::default() };
    let entries = audit::list(&mut conn, &lately, LINES).await?;
    let lines = lines(&mut conn, &entries, &newsletters, now).await?;
    drop(conn);
    let roles = Roles { everywhere: user.role, newsletters: user.newsletters.clone() };
    let content = UserPage {
        id: user.id,
        shown: user.shown().to_owned(),
        email: user.email.to_string(),
        may: may(account, &newsletters),
        created: Moment::past(account.created_at, now, chrono_tz::UTC),
        seen: account.seen_at.map(|at| Moment::past(at, now, chrono_tz::UTC)),
        is_disabled: account.is_disabled,
        is_own: user.id == by.user.id,
        has_password: account.password_hash.is_some(),
        has_second_factor: account.totp_secret.is_some(),
        codes,
        roles: RoleChoices::new(&roles, &newsletters),
        problem,
        sessions: sessions
            .into_iter()
            .map(|session| ShownSession {
                browser: Browser::of(&session.agent),
                created: Moment::past(session.created_at, now, chrono_tz::UTC),
                seen: Moment::past(session.seen_at, now, chrono_tz::UTC),
                hash: session.hash,
                network: session.network,
            })
            .collect(),
        all_lines: of_whom(user.email.as_str()),
        lines,
    };
    let path = format!("{PATH}/{}", user.id);
    desk::show(by, status, &path, user.shown(), "office/user", &content)
}

/// `GET /office/users/{id}`
async fn show(State(app): State<App>, by: SignedIn, Segment(id): Segment) -> Result<Response, Error> {
    let account = account(&app, &by, &id, "user.show").await?;
    page(&app, &by, StatusCode::OK, &account, None).await
}

/// Back to the account's page with a sentence, or the page with what is wrong.
async fn then(
    app: &App,
    by: &SignedIn,
    account: &Account,
    done: Result<String, pipeline::Error>,
) -> Result<Response, Error> {
    match done {
        Ok(words) => Ok(said::then_say(app, &format!("{PATH}/{}", account.user.id), words)),
        Err(pipeline::Error::Invalid(says)) => {
            let says = format!("{}.", says.trim_end_matches('.'));
            page(app, by, StatusCode::UNPROCESSABLE_ENTITY, account, Some(says)).await
        }
        Err(error) => Err(error.into()),
    }
}

fn actor(by: &SignedIn) -> Actor {
    Actor::new(&by.user, &by.network)
}

/// `POST /office/users/{id}/roles`
async fn set_roles(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.role").await?;
    let newsletters = newsletters::list(&mut *app.db.conn().await?).await?;
    let roles = roles_of(&act.form, &newsletters);
    let done = accounts::set_roles(&app, &actor(by), account.user.id, &roles).await;
    let words =
        || format!("What {} may do is changed; it holds from their next click.", account.user.shown());
    then(&app, by, &account, done.map(|()| words())).await
}

/// `POST /office/users/{id}/invite`: mails a new link to choose a password with.
async fn invite(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.invite").await?;
    let done = accounts::invite_again(&app, &actor(by), account.user.id, true).await;
    let words = done.map(|invited| invited_words(account.user.email.as_str(), &invited));
    then(&app, by, &account, words).await
}

/// `POST /office/users/{id}/disable`
async fn disable(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.disable").await?;
    let done = accounts::disable(&app, &actor(by), account.user.id).await;
    let words = || format!("{} is signed out everywhere and is let in no more.", account.user.shown());
    then(&app, by, &account, done.map(|()| words())).await
}

/// `POST /office/users/{id}/enable`
async fn enable(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.enable").await?;
    let done = accounts::enable(&app, &actor(by), account.user.id).await;
    let words = || format!("{} can sign in again.", account.user.shown());
    then(&app, by, &account, done.map(|()| words())).await
}

#[derive(Serialize)]
struct RemovePage<'p> {
    id: i64,
    shown: &'p str,
    email: &'p str,
    may: String,
    is_disabled: bool,
    /// Why it cannot be done.
    problem: Option<String>,
}

async fn remove_page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    account: &Account,
    problem: Option<String>,
) -> Result<Response, Error> {
    let newsletters = newsletters::list(&mut *app.db.conn().await?).await?;
    let user = &account.user;
    let content = RemovePage {
        id: user.id,
        shown: user.shown(),
        email: user.email.as_str(),
        may: may(account, &newsletters),
        is_disabled: account.is_disabled,
        problem,
    };
    let title = format!("Remove {}", user.shown());
    desk::show(by, status, PATH, &title, "office/user_remove", &content)
}

/// `GET /office/users/{id}/remove`: what it would do, and a button.
async fn show_remove(State(app): State<App>, by: SignedIn, Segment(id): Segment) -> Result<Response, Error> {
    let account = account(&app, &by, &id, "user.remove").await?;
    remove_page(&app, &by, StatusCode::OK, &account, None).await
}

/// `POST /office/users/{id}/remove`
async fn remove(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.remove").await?;
    match accounts::remove(&app, &actor(by), account.user.id).await {
        Ok(()) => {
            let words = format!("The account of {} is removed.", account.user.email);
            Ok(said::then_say(&app, PATH, words))
        }
        Err(pipeline::Error::Invalid(says)) => {
            let problem = Some(format!("{}.", says.trim_end_matches('.')));
            remove_page(&app, by, StatusCode::UNPROCESSABLE_ENTITY, &account, problem).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /office/users/{id}/second-factor`: takes it away.
async fn remove_second_factor(
    State(app): State<App>,
    Segment(id): Segment,
    act: Act,
) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.remove_second_factor").await?;
    let done = accounts::remove_second_factor(&app, &actor(by), account.user.id).await;
    let words = || format!("The password alone signs {} in now.", account.user.shown());
    then(&app, by, &account, done.map(|()| words())).await
}

/// `POST /office/users/{id}/sessions`: ends the one that is named, or all.
async fn end_sessions(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = account(&app, by, &id, "user.end_session").await?;
    let done = match act.form.get("session") {
        "" => {
            let ended = accounts::end_all_sessions(&app, &actor(by), account.user.id).await;
            ended.map(|_| format!("{} is signed out everywhere.", account.user.shown()))
        }
        hash => {
            let ended = accounts::end_session(&app, &actor(by), &account.user, hash).await;
            ended.map(|()| "That browser is signed out.".to_owned())
        }
    };
    then(&app, by, &account, done).await
}
