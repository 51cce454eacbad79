//! Suppressions: addresses that must not be mailed, found by the keyed hash of the address, so that a suppression
//! outlives the person's erasure.

use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::{BULK_REASON, Suppression, SuppressionReason};
use crate::domain::token::SigningKey;

/// Puts an address on the list; the first reason stays, unless a bulk action gave it: undoing that must not lose this
/// one. Returns whether the entry is written.
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
         ON CONFLICT (email_hash) DO UPDATE SET reason = excluded.reason, detail = excluded.detail
         WHERE suppressions.reason = 'manual' AND suppressions.detail LIKE $6",
    )
    .bind(key.address_hash(email))
    .bind(email.as_str())
    .bind(reason.as_str())
    .bind(detail)
    .bind(now.millis())
    .bind(format!("{BULK_REASON}%"))
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

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub hash: String,
    pub suppression: Suppression,
    /// Who has the address, where somebody has.
    pub subscriber_id: Option<i64>,
}

/// A page of the list, the newest first: of those behind `from` (a time and a hash), or, going back, before it.
pub async fn list(
    conn: &mut Conn,
    reason: Option<SuppressionReason>,
    from: Option<(Timestamp, &str)>,
    back: bool,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    let (sign, direction) = if back { (">", "ASC") } else { ("<", "DESC") };
    let (at, hash) = from.unwrap_or((Timestamp::from_millis(i64::MAX), ""));
    // The reason is one of our own words, and each way has its index.
    let reason = reason.map_or_else(String::new, |reason| format!("AND x.reason = '{}'", reason.as_str()));
    let query = sql(format!(
        "{LISTED} WHERE (x.created_at, x.email_hash) {sign} ($1, $2) {reason}
         ORDER BY x.created_at {direction}, x.email_hash {direction} LIMIT $3"
    ));
    let rows =
        sqlx::query(query).bind(at.millis()).bind(hash).bind(limit).persistent(false).fetch_all(conn).await?;
    let mut listed: Vec<Listed> = rows.iter().map(listed).collect::<Result<_, _>>()?;
    if back {
        listed.reverse();
    }
    Ok(listed)
}

const LISTED: &str = "SELECT x.email_hash, x.email, x.reason, x.detail, x.created_at,
         (SELECT s.id FROM subscribers s WHERE s.email_hash = x.email_hash) AS subscriber_id
     FROM suppressions x";

fn listed(row: &sqlx::any::AnyRow) -> Result<Listed, DbError> {
    let entry = Row::new(row, "suppressions");
    Ok(Listed {
        hash: entry.text("email_hash")?,
        subscriber_id: entry.opt_int("subscriber_id")?,
        suppression: suppression(row)?,
    })
}

/// The entry of an address, also where only its hash is left.
pub async fn entry(
    conn: &mut Conn,
    key: &SigningKey,
    email: &EmailAddress,
) -> Result<Option<Listed>, DbError> {
    by_hash(conn, &key.address_hash(email)).await
}

pub async fn by_hash(conn: &mut Conn, hash: &str) -> Result<Option<Listed>, DbError> {
    let query = sql(format!("{LISTED} WHERE x.email_hash = $1"));
    sqlx::query(query).bind(hash).fetch_optional(conn).await?.as_ref().map(listed).transpose()
}

/// At most `limit` entries whose address begins so, for that reason or for any, in the order of the addresses: of those
/// behind the address `after`.
pub async fn beginning(
    conn: &mut Conn,
    words: &str,
    reason: Option<SuppressionReason>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    // The reason is one of our own words, and each way has its index.
    let reason = reason.map_or_else(String::new, |reason| format!("AND x.reason = '{}'", reason.as_str()));
    let (sign, from) = match after.filter(|after| *after >= words) {
        Some(after) => (">", after),
        None => (">=", words),
    };
    let query = sql(format!(
        "{LISTED} WHERE x.email IS NOT NULL AND x.email {sign} $1 AND x.email < $2 {reason}
         ORDER BY x.email LIMIT $3"
    ));
    let rows = sqlx::query(query)
        .bind(from)
        .bind(format!("{words}\u{10ffff}"))
        .bind(limit)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    rows.iter().map(listed).collect()
}

/// Takes an entry off the list. Returns whether it was on it.
pub async fn lift(conn: &mut Conn, hash: &str) -> Result<bool, DbError> {
    let result =
        sqlx::query("DELETE FROM suppressions WHERE email_hash = $1").bind(hash).execute(conn).await?;
    Ok(result.rows_affected() == 1)
}
