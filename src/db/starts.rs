//! Issues that an editor sends now, and that have not started: until then it can be taken back.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// Notes that an issue starts at that time; false where it is noted already.
pub async fn put(conn: &mut Conn, issue_id: i64, starts_at: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO early_starts (issue_id, starts_at) VALUES ($1, $2) ON CONFLICT (issue_id) DO NOTHING",
    )
    .bind(issue_id)
    .bind(starts_at.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// When the issue starts, where an editor sends it now and it has not started.
pub async fn of(conn: &mut Conn, issue_id: i64) -> Result<Option<Timestamp>, DbError> {
    let query = sqlx::query("SELECT issue_id AS id, starts_at FROM early_starts WHERE issue_id = $1");
    let row = query.bind(issue_id).fetch_optional(conn).await?;
    row.map(|row| Row::new(&row, "early_starts").time("starts_at")).transpose()
}

/// The issues whose time to start has come, and when that was.
pub async fn due(conn: &mut Conn, now: Timestamp) -> Result<Vec<(i64, Timestamp)>, DbError> {
    let query = sqlx::query(
        "SELECT issue_id AS id, starts_at FROM early_starts WHERE starts_at <= $1 ORDER BY starts_at, issue_id",
    );
    let rows = query.bind(now.millis()).fetch_all(conn).await?;
    let start = |row| {
        let row = Row::new(row, "early_starts");
        Ok((row.int("id")?, row.time("starts_at")?))
    };
    rows.iter().map(start).collect()
}

/// Forgets that an issue is to start; false where nothing is noted: somebody else started it, or took it back.
pub async fn take(conn: &mut Conn, issue_id: i64) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM early_starts WHERE issue_id = $1");
    Ok(query.bind(issue_id).execute(conn).await?.rows_affected() == 1)
}
