//! Accounts.

use sqlx::any::AnyRow;

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, one_row, recovery};
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
    pub created_at: Timestamp,
    pub seen_at: Option<Timestamp>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Account({:?})", self.user)
    }
}

const ACCOUNT: &str =
    "SELECT id, email, name, role, password_hash, totp_secret, totp_step, disabled, created_at,
    seen_at FROM users";

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
        created_at: row.time("created_at")?,
        seen_at: row.opt_time("seen_at")?,
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

/// A page of at most `limit` accounts in the order of their addresses, behind the address `after`.
pub async fn list(conn: &mut Conn, after: &str, limit: i64) -> Result<Vec<Account>, DbError> {
    let bytewise = Dialect::of(conn).bytewise();
    let statement =
        super::sql(format!("{ACCOUNT} WHERE email {bytewise} > $1 ORDER BY email {bytewise} LIMIT $2"));
    let rows = sqlx::query(statement).bind(after).bind(limit).fetch_all(&mut *conn).await?;
    let mut accounts = vec![];
    for row in &rows {
        accounts.push(account(conn, row).await?);
    }
    Ok(accounts)
}

/// Whether there is any account.
pub async fn is_any(conn: &mut Conn) -> Result<bool, DbError> {
    Ok(sqlx::query("SELECT id FROM users LIMIT 1").fetch_optional(conn).await?.is_some())
}

/// Whether somebody else than `id` is an admin who may sign in.
pub async fn is_other_admin(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    let statement = "SELECT id FROM users WHERE role = 'admin' AND disabled = 0 AND id <> $1 LIMIT 1";
    Ok(sqlx::query(statement).bind(id).fetch_optional(conn).await?.is_some())
}

/// The ids of the accounts of these addresses, each with its address: at most 100 of them are looked for.
pub async fn ids_of(conn: &mut Conn, emails: &[&str]) -> Result<Vec<(String, i64)>, DbError> {
    let emails = &emails[..emails.len().min(100)];
    if emails.is_empty() {
        return Ok(vec![]);
    }
    let places: Vec<String> = (1..=emails.len()).map(|place| format!("${place}")).collect();
    let statement = super::sql(format!("SELECT id, email FROM users WHERE email IN ({})", places.join(", ")));
    let query = emails.iter().fold(sqlx::query(statement), |query, email| query.bind(*email));
    let rows = query.fetch_all(conn).await?;
    let found = |row: &AnyRow| {
        let row = Row::new(row, "users");
        Ok((row.text("email")?, row.int("id")?))
    };
    rows.iter().map(found).collect()
}

/// Admins of everything who may sign in, those seen last first: at most `limit`, as others know them.
pub async fn admins(conn: &mut Conn, limit: i64) -> Result<Vec<String>, DbError> {
    let rows = sqlx::query(
        "SELECT email, name FROM users WHERE role = 'admin' AND disabled = 0
         ORDER BY COALESCE(seen_at, 0) DESC, id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let shown = |row: &AnyRow| {
        let row = Row::new(row, "users");
        let name = row.text("name")?;
        if name.is_empty() { row.text("email") } else { Ok(name) }
    };
    rows.iter().map(shown).collect()
}

/// Lets nobody else make the first account, or take an admin's role away, before the transaction ends: two admins who
/// demote each other at once would leave none.
pub async fn lock(conn: &mut Conn) -> Result<(), DbError> {
    super::settings::put(conn, "users_lock", "").await
}

async fn change(
    conn: &mut Conn,
    what: &'static str,
    statement: &'static str,
    id: i64,
    value: Option<&str>,
) -> Result<(), DbError> {
    let result = sqlx::query(statement).bind(id).bind(value).execute(conn).await?;
    one_row(what, &result)
}

pub async fn set_password(conn: &mut Conn, id: i64, hash: &str) -> Result<(), DbError> {
    let statement = "UPDATE users SET password_hash = $2 WHERE id = $1";
    change(conn, "setting a password", statement, id, Some(hash)).await
}

pub async fn set_name(conn: &mut Conn, id: i64, name: &str) -> Result<(), DbError> {
    change(conn, "setting a name", "UPDATE users SET name = $2 WHERE id = $1", id, Some(name)).await
}

pub async fn set_role(conn: &mut Conn, id: i64, role: Option<Role>) -> Result<(), DbError> {
    let role = role.map(Role::as_str);
    change(conn, "setting a role", "UPDATE users SET role = $2 WHERE id = $1", id, role).await
}

/// What they may for one newsletter; none: nothing beyond their role for all.
pub async fn set_newsletter_role(
    conn: &mut Conn,
    id: i64,
    newsletter_id: i64,
    role: Option<Role>,
) -> Result<(), DbError> {
    let query = match role {
        Some(role) => sqlx::query(
            "INSERT INTO user_newsletters (user_id, newsletter_id, role) VALUES ($1, $2, $3)
             ON CONFLICT (user_id, newsletter_id) DO UPDATE SET role = excluded.role",
        )
        .bind(id)
        .bind(newsletter_id)
        .bind(role.as_str()),
        None => sqlx::query("DELETE FROM user_newsletters WHERE user_id = $1 AND newsletter_id = $2")
            .bind(id)
            .bind(newsletter_id),
    };
    query.execute(conn).await?;
    Ok(())
}

/// Sets or removes the second factor, and takes back the recovery codes of the one before. The last step stays: its code
/// is not good again; where the factor is removed it goes on by one, so that the next has another secret than a phone that
/// may be in other hands.
pub async fn set_totp(conn: &mut Conn, id: i64, secret: Option<&str>) -> Result<(), DbError> {
    recovery::remove(conn, id).await?;
    let statement = match secret {
        Some(_) => "UPDATE users SET totp_secret = $2 WHERE id = $1",
        None => "UPDATE users SET totp_secret = $2, totp_step = totp_step + 1 WHERE id = $1",
    };
    change(conn, "setting a second factor", statement, id, secret).await
}

/// Notes that the code of this time step was taken, and returns whether it was the first to be: a code is good once.
pub async fn take_totp_step(conn: &mut Conn, id: i64, step: i64) -> Result<bool, DbError> {
    let result = sqlx::query("UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2")
        .bind(id)
        .bind(step)
        .execute(conn)
        .await?;
    Ok(result.rows_affected() == 1)
}

pub async fn set_disabled(conn: &mut Conn, id: i64, disabled: bool) -> Result<(), DbError> {
    let statement = "UPDATE users SET disabled = $2 WHERE id = $1";
    let result = sqlx::query(statement).bind(id).bind(i64::from(disabled)).execute(conn).await?;
    one_row("disabling an account", &result)
}

/// Removes an account with its roles, sessions, links and codes; what the audit log says of it stays.
pub async fn remove(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM user_sessions WHERE user_id = $1",
        "DELETE FROM user_links WHERE user_id = $1",
        "DELETE FROM user_recovery_codes WHERE user_id = $1",
        "DELETE FROM user_newsletters WHERE user_id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *conn).await?;
    }
    let result = sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(conn).await?;
    one_row("removing an account", &result)
}

/// Notes a sign of life.
pub async fn see(conn: &mut Conn, id: i64, now: Timestamp) -> Result<(), DbError> {
    let statement = "UPDATE users SET seen_at = $2 WHERE id = $1";
    sqlx::query(statement).bind(id).bind(now.millis()).execute(conn).await?;
    Ok(())
}
