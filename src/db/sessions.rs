//! Browsers that are signed in, and one-time links that sign in.

use super::row::Row;
use super::users::{self, Account};
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's value, in hexadecimal digits.
    pub hash: String,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub agent: String,
    pub network: String,
}

fn session(row: &Row<'_>) -> Result<Session, DbError> {
    Ok(Session {
        hash: row.text("hash")?,
        created_at: row.time("created_at")?,
        seen_at: row.time("seen_at")?,
        expires_at: row.time("expires_at")?,
        agent: row.text("agent")?,
        network: row.text("network")?,
    })
}

pub async fn start(conn: &mut Conn, user_id: i64, session: &Session) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO user_sessions (hash, user_id, created_at, seen_at, expires_at, agent, network)
         VALUES ($1, $2, $3, $3, $4, $5, $6)",
    )
    .bind(&session.hash)
    .bind(user_id)
    .bind(session.created_at.millis())
    .bind(session.expires_at.millis())
    .bind(&session.agent)
    .bind(&session.network)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose session this is, where it has not ended and the account may sign in.
pub async fn find(
    conn: &mut Conn,
    hash: &str,
    now: Timestamp,
) -> Result<Option<(Account, Session)>, DbError> {
    let row = sqlx::query(
        "SELECT s.user_id, s.hash, s.created_at, s.seen_at, s.expires_at, s.agent, s.network
         FROM user_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.hash = $1 AND s.expires_at > $2 AND u.disabled = 0",
    )
    .bind(hash)
    .bind(now.millis())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = Row::new(&row, "user_sessions");
    let session = session(&row)?;
    let found = users::find(conn, row.int("user_id")?).await?;
    Ok(found.map(|account| (account, session)))
}

/// The sessions of an account that have not ended, the last seen first; at most `limit`.
pub async fn of_user(
    conn: &mut Conn,
    user_id: i64,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Session>, DbError> {
    let rows = sqlx::query(
        "SELECT hash, created_at, seen_at, expires_at, agent, network FROM user_sessions
         WHERE user_id = $1 AND expires_at > $2 ORDER BY seen_at DESC, hash LIMIT $3",
    )
    .bind(user_id)
    .bind(now.millis())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| session(&Row::new(row, "user_sessions"))).collect()
}

/// Notes a sign of life.
pub async fn touch(
    conn: &mut Conn,
    hash: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("UPDATE user_sessions SET seen_at = $2, expires_at = $3 WHERE hash = $1")
        .bind(hash)
        .bind(now.millis())
        .bind(expires_at.millis())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends one session of an account, and returns whether there was one.
pub async fn end(conn: &mut Conn, user_id: i64, hash: &str) -> Result<bool, DbError> {
    let result = sqlx::query("DELETE FROM user_sessions WHERE hash = $1 AND user_id = $2")
        .bind(hash)
        .bind(user_id)
        .execute(conn)
        .await?;
    Ok(result.rows_affected() == 1)
}

/// Ends every session of an account but `kept` (none: empty), and returns how many.
pub async fn end_all_but(conn: &mut Conn, user_id: i64, kept: &str) -> Result<u64, DbError> {
    let result = sqlx::query("DELETE FROM user_sessions WHERE user_id = $1 AND hash <> $2")
        .bind(user_id)
        .bind(kept)
        .execute(conn)
        .await?;
    Ok(result.rows_affected())
}

/// What a one-time link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// It signs in.
    SignIn,
    /// It lets somebody choose their name and password, and signs them in.
    Welcome,
}

impl LinkKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Welcome => "welcome",
        }
    }
}

pub async fn insert_link(
    conn: &mut Conn,
    hash: &str,
    user_id: i64,
    kind: LinkKind,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO user_links (hash, user_id, kind, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(user_id)
        .bind(kind.as_str())
        .bind(expires_at.millis())
        .execute(conn)
        .await?;
    Ok(())
}

/// Whose link this is, where it still works and the account may sign in. It is left as it is.
pub async fn find_link(
    conn: &mut Conn,
    hash: &str,
    kind: LinkKind,
    now: Timestamp,
) -> Result<Option<Account>, DbError> {
    let row = sqlx::query(
        "SELECT l.user_id FROM user_links l JOIN users u ON u.id = l.user_id
         WHERE l.hash = $1 AND l.kind = $2 AND l.expires_at > $3 AND u.disabled = 0",
    )
    .bind(hash)
    .bind(kind.as_str())
    .bind(now.millis())
    .fetch_optional(&mut *conn)
    .await?;
    match row {
        Some(row) => users::find(conn, Row::new(&row, "user_links").int("user_id")?).await,
        None => Ok(None),
    }
}

/// Uses a link up, and returns whether it was still there: of two who press its button one gets in.
pub async fn use_link(conn: &mut Conn, hash: &str) -> Result<bool, DbError> {
    let result = sqlx::query("DELETE FROM user_links WHERE hash = $1").bind(hash).execute(conn).await?;
    Ok(result.rows_affected() == 1)
}

/// Takes an account's links back.
pub async fn remove_links(conn: &mut Conn, user_id: i64) -> Result<(), DbError> {
    sqlx::query("DELETE FROM user_links WHERE user_id = $1").bind(user_id).execute(conn).await?;
    Ok(())
}

/// Removes the sessions and links of an account that have ended.
pub async fn remove_ended(conn: &mut Conn, user_id: i64, now: Timestamp) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM user_sessions WHERE user_id = $1 AND expires_at <= $2",
        "DELETE FROM user_links WHERE user_id = $1 AND expires_at <= $2",
    ] {
        sqlx::query(statement).bind(user_id).bind(now.millis()).execute(&mut *conn).await?;
    }
    Ok(())
}
