//! Segments: filters with a name.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// A filter that was given a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub id: i64,
    pub name: String,
    /// As it stands in the list's address.
    pub filter: String,
}

/// Every segment, in the order of the names.
pub async fn list(conn: &mut Conn) -> Result<Vec<Segment>, DbError> {
    let rows =
        sqlx::query("SELECT id, name, filter FROM segments ORDER BY name LIMIT 500").fetch_all(conn).await?;
    let segment = |row| {
        let row = Row::new(row, "segments");
        Ok(Segment { id: row.int("id")?, name: row.text("name")?, filter: row.text("filter")? })
    };
    rows.iter().map(segment).collect()
}

/// Keeps a filter under a name. Returns whether it is kept: another that has the name stays.
pub async fn put(conn: &mut Conn, name: &str, filter: &str, now: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO segments (name, filter, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET filter = excluded.filter WHERE segments.filter = excluded.filter",
    )
    .bind(name)
    .bind(filter)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Forgets a segment, and returns what it was.
pub async fn remove(conn: &mut Conn, id: i64) -> Result<Option<Segment>, DbError> {
    let row = sqlx::query("DELETE FROM segments WHERE id = $1 RETURNING id, name, filter")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let row = Row::new(&row, "segments");
    Ok(Some(Segment { id: row.int("id")?, name: row.text("name")?, filter: row.text("filter")? }))
}
