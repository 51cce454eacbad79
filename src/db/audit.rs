//! Who did what, and who was refused what.

use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// One thing that somebody did, or was refused.
#[derive(Clone, Debug)]
pub struct NewEntry<'e> {
    /// None: the command line, or nobody who is known.
    pub user_id: Option<i64>,
    /// The address as it is now, or `command line`.
    pub who: &'e str,
    /// A noun and a verb, such as `issue.send`.
    pub action: &'e str,
    /// What it was done to, in words.
    pub what: &'e str,
    pub newsletter_id: Option<i64>,
    pub is_denied: bool,
    /// The network address that it came from; empty for the command line.
    pub network: &'e str,
}

/// Writes it down: in the transaction of the change, where there is one.
pub async fn write(conn: &mut Conn, entry: &NewEntry<'_>, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO audit (at, user_id, who, action, what, newsletter_id, denied, network)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(now.millis())
    .bind(entry.user_id)
    .bind(entry.who)
    .bind(entry.action)
    .bind(entry.what)
    .bind(entry.newsletter_id)
    .bind(i64::from(entry.is_denied))
    .bind(entry.network)
    .execute(conn)
    .await?;
    Ok(())
}
