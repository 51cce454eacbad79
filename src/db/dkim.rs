//! The keys that sign mail.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// A key that signs mail of `domain`; its public half stands in DNS at `selector._domainkey.domain`.
#[derive(Clone, PartialEq, Eq)]
pub struct DkimKey {
    pub domain: String,
    pub selector: String,
    /// `rsa-sha256` or `ed25519-sha256` (RFC 6376, RFC 8463).
    pub algorithm: String,
    /// PKCS#8 PEM.
    pub private_key: String,
    pub created_at: Timestamp,
    /// Since when mail is signed with it; none while it waits for its record in DNS.
    pub signs_since: Option<Timestamp>,
}

pub async fn insert(conn: &mut Conn, key: &DkimKey) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO dkim_keys (domain, selector, algorithm, private_key, created_at, signs_since)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&key.domain)
    .bind(&key.selector)
    .bind(&key.algorithm)
    .bind(&key.private_key)
    .bind(key.created_at.millis())
    .bind(key.signs_since.map(Timestamp::millis))
    .execute(conn)
    .await?;
    Ok(())
}

/// The keys of every domain, the oldest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<DkimKey>, DbError> {
    let rows = sqlx::query(
        "SELECT domain, selector, algorithm, private_key, created_at, signs_since FROM dkim_keys
         ORDER BY domain, created_at, selector",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let row = Row::new(row, "dkim_keys");
            Ok(DkimKey {
                domain: row.text("domain")?,
                selector: row.text("selector")?,
                algorithm: row.text("algorithm")?,
                private_key: row.text("private_key")?,
                created_at: row.time("created_at")?,
                signs_since: row.opt_time("signs_since")?,
            })
        })
        .collect()
}

/// Lets a key that waits sign from now on; false where none of that name waits.
pub async fn let_sign(
    conn: &mut Conn,
    domain: &str,
    selector: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let result = sqlx::query(
        "UPDATE dkim_keys SET signs_since = $1 WHERE domain = $2 AND selector = $3 AND signs_since IS NULL",
    )
    .bind(now.millis())
    .bind(domain)
    .bind(selector)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Removes a key; false where there is none of that name.
pub async fn delete(conn: &mut Conn, domain: &str, selector: &str) -> Result<bool, DbError> {
    let result = sqlx::query("DELETE FROM dkim_keys WHERE domain = $1 AND selector = $2")
        .bind(domain)
        .bind(selector)
        .execute(conn)
        .await?;
    Ok(result.rows_affected() == 1)
}
