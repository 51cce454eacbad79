//! Browsers that are signed in: for 14 days since the last sign of life.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::{App, Error};
use super::{Actor, From, hash_of, secret};
use crate::db::sessions::{self, Session};
use crate::db::users::{self, Account};
use crate::db::{self, Conn};
use crate::domain::calendar::Timestamp;
use crate::domain::user::User;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// How long a session lasts without a sign of life.
const IDLE: i64 = 14 * DAY;

/// How long a session lasts at most, however busy.
const LONGEST: i64 = 90 * DAY;

/// A sign of life is written down once in so long: pages are read far more often.
const TOUCH: i64 = 5 * 60 * 1000;

/// The most of an agent's name that is kept, in characters.
const MAX_AGENT: usize = 200;

fn expiry(created_at: Timestamp, now: Timestamp) -> Timestamp {
    now.plus_millis(IDLE).min(created_at.plus_millis(LONGEST))
}

/// Signs somebody in: the value of their cookie.
pub async fn start_session(app: &App, user_id: i64, agent: &str, network: &str) -> Result<String, Error> {
    let mut tx = app.db.begin().await?;
    let value = start(app, &mut tx, user_id, From { agent, network }).await?;
    db::commit(tx).await?;
    Ok(value)
}

/// The same within a transaction; what of theirs has ended is cleared away.
pub(super) async fn start(app: &App, tx: &mut Conn, user_id: i64, from: From<'_>) -> Result<String, Error> {
    let secret = secret()?;
    let now = app.clock.now();
    let session = Session {
        hash: hash_of(&secret),
        created_at: now,
        seen_at: now,
        expires_at: expiry(now, now),
        agent: from.agent.chars().take(MAX_AGENT).collect(),
        network: from.network.to_owned(),
    };
    sessions::remove_ended(tx, user_id, now).await?;
    sessions::start(tx, user_id, &session).await?;
    users::see(tx, user_id, now).await?;
    Ok(secret)
}

/// Who has a cookie of this value, and their session.
pub async fn of_cookie(app: &App, value: &str) -> Result<Option<(Account, Session)>, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let found = sessions::find(&mut conn, &hash_of(value), now).await?;
    let Some((account, mut session)) = found else { return Ok(None) };
    if session.seen_at.plus_millis(TOUCH) <= now {
        sessions::touch(&mut conn, &session.hash, expiry(session.created_at, now), now).await?;
        users::see(&mut conn, account.user.id, now).await?;
        session.seen_at = now;
    }
    Ok(Some((account, session)))
}

/// What a form of theirs must have: only a page of ours, shown to them, does. It is worth nothing without a session, and
/// lives as long as the password: a form that was open when the session ended is still good after signing in again.
pub fn form_token(app: &App, account: &Account) -> String {
    let password = account.password_hash.as_deref().unwrap_or_default();
    URL_SAFE_NO_PAD.encode(app.key.derive(&format!("forms:{}:{password}", account.user.id)))
}

/// Ends the session of a browser that signs out.
pub async fn sign_out(app: &App, by: &Actor, user: &User, session: &Session) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    if sessions::end(&mut tx, user.id, &session.hash).await? {
        by.note(app, &mut tx, "user.sign_out", user.email.as_str()).await?;
    }
    Ok(db::commit(tx).await?)
}

/// Ends one session of an account.
///
/// # Errors
/// `NotFound` where it has ended already.
pub async fn end_session(app: &App, by: &Actor, user: &User, hash: &str) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    if !sessions::end(&mut tx, user.id, hash).await? {
        return Err(Error::NotFound("this session has ended already".to_owned()));
    }
    by.note(app, &mut tx, "user.end_session", user.email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Ends every session of an account but this one, and returns how many.
pub async fn end_others(app: &App, by: &Actor, user: &User, session: &Session) -> Result<u64, Error> {
    let mut tx = app.db.begin().await?;
    let ended = sessions::end_all_but(&mut tx, user.id, &session.hash).await?;
    if ended > 0 {
        by.note(app, &mut tx, "user.end_session", &format!("{}: all others ({ended})", user.email)).await?;
    }
    db::commit(tx).await?;
    Ok(ended)
}
