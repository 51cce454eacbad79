//! Accounts, their sessions and their one-time links.

use sqlx::any::AnyRow;

use super::row::Row;
use super::{Conn, DbError, one_row};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::user::{Role, User};

/// An account, with what only signing in needs to know.
#[derive(Clone)]
pub struct Account {
    pub user: User,
    /// Argon2id, as a PHC string.
    pub password_hash: Option<String>,
    /// Base32.
    pub totp_secret: Option<String>,
    pub totp_step: i64,
    pub is_disabled: bool,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Account({:?})", self.user)
    }
}

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

const ACCOUNT: &str =
    "SELECT id, email, name, role, password_hash, totp_secret, totp_step, disabled FROM users";

fn role(row: &Row<'_>, column: &'static str) -> Result<Option<Role>, DbError> {
    let text = row.opt_text(column)?;
    Ok(text.and_then(|text| Role::parse(&text)))
}

async fn account(conn: &mut Conn, row: &AnyRow) -> Result<Account, DbError> {
    let row = Row::new(row, "users");
    let id = row.int("id")?;
    let rows = sqlx::query(
        "SELECT newsletter_id, role FROM user_newsletters WHERE user_id = $1 ORDER BY newsletter_id",
    )
    .bind(id)
    .fetch_all(conn)
    .await?;
    let mut newsletters = vec![];
    for own in &rows {
        let own = Row::new(own, "user_newsletters");
        if let Some(role) = role(&own, "role")? {
            newsletters.push((own.int("newsletter_id")?, role));
        }
    }
    Ok(Account {
        user: User {
            id,
            email: row.address("email")?,
            name: row.text("name")?,
            role: role(&row, "role")?,
            newsletters,
        },
        password_hash: row.opt_text("password_hash")?,
        totp_secret: row.opt_text("totp_secret")?,
        totp_step: row.int("totp_step")?,
        is_disabled: row.flag("disabled")?,
    })
}

/// Adds an account; the id.
///
/// # Errors
/// [`DbError::is_duplicate`] where the address has one.
pub async fn insert(
    conn: &mut Conn,
    email: &EmailAddress,
    name: &str,
    role: Option<Role>,
    now: Timestamp,
) -> Result<i64, DbError> {
    let row =
        sqlx::query("INSERT INTO users (email, name, role, created_at) VALUES ($1, $2, $3, $4) RETURNING id")
            .bind(email.as_str())
            .bind(name)
            .bind(role.map(Role::as_str))
            .bind(now.millis())
            .fetch_one(conn)
            .await?;
    Row::new(&row, "users").int("id")
}

pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<Account>, DbError> {
    let statement = super::sql(format!("{ACCOUNT} WHERE id = $1"));
    match sqlx::query(statement).bind(id).fetch_optional(&mut *conn).await? {
        Some(row) => account(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

pub async fn by_email(conn: &mut Conn, email: &EmailAddress) -> Result<Option<Account>, DbError> {
    let statement = super::sql(format!("{ACCOUNT} WHERE email = $1"));
    match sqlx::query(statement).bind(email.as_str()).fetch_optional(&mut *conn).await? {
        Some(row) => account(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Whether there is any account.
pub async fn is_any(conn: &mut Conn) -> Result<bool, DbError> {
    Ok(sqlx::query("SELECT id FROM users LIMIT 1").fetch_optional(conn).await?.is_some())
}

pub async fn set_password(conn: &mut Conn, id: i64, hash: &str) -> Result<(), DbError> {
    let statement = "UPDATE users SET password_hash = $2 WHERE id = $1";
    let result = sqlx::query(statement).bind(id).bind(hash).execute(conn).await?;
    one_row("setting a password", &result)
}

pub async fn start_session(conn: &mut Conn, user_id: i64, session: &Session) -> Result<(), DbError> {
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
pub async fn of_session(
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
    let found = find(conn, row.int("user_id")?).await?;
    Ok(found.map(|account| (account, session)))
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

pub async fn end_session(conn: &mut Conn, hash: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM user_sessions WHERE hash = $1").bind(hash).execute(conn).await?;
    Ok(())
}
