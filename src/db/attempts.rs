//! How often something was tried lately: kept in the database, so that a limit holds over restarts and nodes.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// The longest that tries are counted for, in milliseconds: what is older may be forgotten.
pub const LONGEST: i64 = 24 * 60 * 60 * 1000;

/// Tries within a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    pub since: Timestamp,
    pub count: i64,
}

/// Counts one more try of `what`, and returns how many there were since the first; one from before `from` begins
/// anew. A single statement: tries side by side are all counted.
pub async fn count(conn: &mut Conn, what: &str, from: Timestamp, now: Timestamp) -> Result<Tried, DbError> {
    let row = sqlx::query(
        "INSERT INTO attempts (what, since, count) VALUES ($1, $3, 1)
         ON CONFLICT (what) DO UPDATE SET
             count = CASE WHEN attempts.since <= $2 THEN 1 ELSE attempts.count + 1 END,
             since = CASE WHEN attempts.since <= $2 THEN $3 ELSE attempts.since END
         RETURNING since, count",
    )
    .bind(what)
    .bind(from.millis())
    .bind(now.millis())
    .fetch_one(conn)
    .await?;
    let row = Row::new(&row, "attempts");
    Ok(Tried { since: row.time("since")?, count: row.int("count")? })
}

/// Forgets the tries of `what`: it succeeded.
pub async fn forget(conn: &mut Conn, what: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM attempts WHERE what = $1").bind(what).execute(conn).await?;
    Ok(())
}

/// Forgets every try from before `before`, so that the table stays small.
pub async fn forget_before(conn: &mut Conn, before: Timestamp) -> Result<(), DbError> {
    sqlx::query("DELETE FROM attempts WHERE since < $1").bind(before.millis()).execute(conn).await?;
    Ok(())
}
