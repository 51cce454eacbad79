//! Suppressions: addresses that must not be mailed, found by the keyed hash of the address, so that a suppression
//! outlives the person's erasure.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::{Suppression, SuppressionReason};
use crate::domain::token::SigningKey;

/// Puts an address on the list; the first reason stays. Returns whether it was not there before.
pub async fn suppress(
    conn: &mut Conn,
    key: &SigningKey,
    email: &EmailAddress,
    reason: SuppressionReason,
    detail: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO suppressions (email_hash, email, reason, detail, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email_hash) DO NOTHING",
    )
    .bind(key.address_hash(email))
    .bind(email.as_str())
    .bind(reason.as_str())
    .bind(detail)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Why an address must not be mailed; none: it may.
pub async fn find(
    conn: &mut Conn,
    key: &SigningKey,
    email: &EmailAddress,
) -> Result<Option<Suppression>, DbError> {
    let row = sqlx::query("SELECT email, reason, detail, created_at FROM suppressions WHERE email_hash = $1")
        .bind(key.address_hash(email))
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(suppression).transpose()
}

fn suppression(row: &sqlx::any::AnyRow) -> Result<Suppression, DbError> {
    let row = Row::new(row, "suppressions");
    Ok(Suppression {
        email: row.opt_parsed("email", |text| EmailAddress::parse(text).ok())?,
        reason: row.parsed("reason", SuppressionReason::parse)?,
        detail: row.text("detail")?,
        at: row.time("created_at")?,
    })
}

pub async fn is_suppressed(conn: &mut Conn, key: &SigningKey, email: &EmailAddress) -> Result<bool, DbError> {
    Ok(find(conn, key, email).await?.is_some())
}

/// Takes an address off the list. Returns whether it was on it.
pub async fn unsuppress(conn: &mut Conn, key: &SigningKey, email: &EmailAddress) -> Result<bool, DbError> {
    let result = sqlx::query("DELETE FROM suppressions WHERE email_hash = $1")
        .bind(key.address_hash(email))
        .execute(conn)
        .await?;
    Ok(result.rows_affected() == 1)
}

/// Leaves nothing of an erased person but the hash of the address, which stays on the list, or comes onto it.
pub async fn forget(
    conn: &mut Conn,
    key: &SigningKey,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO suppressions (email_hash, email, reason, detail, created_at) VALUES ($1, NULL, $2, '', $3)
         ON CONFLICT (email_hash) DO UPDATE SET email = NULL, detail = ''",
    )
    .bind(key.address_hash(email))
    .bind(SuppressionReason::Erased.as_str())
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(())
}
