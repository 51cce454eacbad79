//! Old issues: their deliveries shrink to counts, a batch at a time.

use super::articles::json;
use super::dialect::{Dialect, Kind};
use super::outcomes::Count;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::DeliveryState;

/// Issues that ended before `before` and still have deliveries one by one, the oldest first.
pub async fn ended(conn: &mut Conn, before: Timestamp) -> Result<Vec<i64>, DbError> {
    let rows = sqlx::query(
        "SELECT id FROM issues WHERE state IN ('sent', 'cancelled') AND finished_at < $1 AND shrunk_at IS NULL
         ORDER BY id",
    )
    .bind(before.millis())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Row::new(row, "issues").int("id")).collect()
}

/// The first and the last id of an issue's deliveries; none where it has none.
///
/// They were written in one go, and so stand close together. `id + 0` keeps PostgreSQL from walking the whole table by
/// its primary key until it meets this issue; so it goes through the issue's own entries of the index.
pub async fn span(conn: &mut Conn, issue_id: i64) -> Result<Option<(i64, i64)>, DbError> {
    let row =
        sqlx::query("SELECT MIN(id + 0) AS first, MAX(id + 0) AS last FROM deliveries WHERE issue_id = $1")
            .bind(issue_id)
            .fetch_one(conn)
            .await?;
    let row = Row::new(&row, "deliveries");
    Ok(row.opt_int("first")?.zip(row.opt_int("last")?))
}

/// Adds an issue's deliveries with these ids to its counts and removes them with their visits, and returns how many. In a transaction:
/// both happen or neither, and of two nodes at the same rows the second finds none.
///
/// # Errors
/// [`DbError::WrongRows`] where not as many were removed as counted: the transaction must be rolled back.
pub async fn shrink(conn: &mut Conn, issue_id: i64, first: i64, last: i64) -> Result<u64, DbError> {
    let dialect = Dialect::of(conn);
    let alone = sql(format!("SELECT id FROM issues WHERE id = $1 {}", dialect.for_update()));
    sqlx::query(alone).bind(issue_id).fetch_optional(&mut *conn).await?;
    let rows = sqlx::query(
        "SELECT state, reason, COUNT(*) AS count FROM deliveries
         WHERE issue_id = $1 AND id BETWEEN $2 AND $3 GROUP BY state, reason",
    )
    .bind(issue_id)
    .bind(first)
    .bind(last)
    .fetch_all(&mut *conn)
    .await?;
    let counts = rows.iter().map(count).collect::<Result<Vec<_>, _>>()?;
    if counts.is_empty() {
        return Ok(0);
    }
    let list = dialect.rows("$2", &[("state", Kind::Text), ("reason", Kind::Text), ("count", Kind::Int)]);
    // Without `WHERE`, SQLite takes `ON CONFLICT` for the condition of a join.
    let add = sql(format!(
        "INSERT INTO delivery_counts (issue_id, state, reason, count)
         SELECT $1, r.state, r.reason, r.count FROM {list} r WHERE TRUE
         ON CONFLICT (issue_id, state, reason) DO UPDATE SET count = delivery_counts.count + excluded.count"
    ));
    let cells: Vec<_> = counts
        .iter()
        .map(|count| (count.state, count.reason.as_deref().unwrap_or_default(), count.count))
        .collect();
    sqlx::query(add).bind(issue_id).bind(json(&cells)).execute(&mut *conn).await?;
    sqlx::query(
        "DELETE FROM visits WHERE delivery_id IN (
             SELECT id FROM deliveries WHERE issue_id = $1 AND id BETWEEN $2 AND $3)",
    )
    .bind(issue_id)
    .bind(first)
    .bind(last)
    .execute(&mut *conn)
    .await?;
    let removed = sqlx::query("DELETE FROM deliveries WHERE issue_id = $1 AND id BETWEEN $2 AND $3")
        .bind(issue_id)
        .bind(first)
        .bind(last)
        .execute(conn)
        .await?
        .rows_affected();
    let counted: i64 = counts.iter().map(|count| count.count).sum();
    match u64::try_from(counted) == Ok(removed) {
        true => Ok(removed),
        false => Err(DbError::WrongRows { what: "removing deliveries that were counted", rows: removed }),
    }
}

/// Notes that an issue has no deliveries any more, where that is so.
pub async fn close(conn: &mut Conn, issue_id: i64, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE issues SET shrunk_at = $2
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1)",
    )
    .bind(issue_id)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether deliveries of the issue were removed.
pub async fn is_shrunk(conn: &mut Conn, issue_id: i64) -> Result<bool, DbError> {
    let row = sqlx::query("SELECT state FROM delivery_counts WHERE issue_id = $1 LIMIT 1")
        .bind(issue_id)
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// How many deliveries of an issue are in which state, and why; removed ones are counted as they were.
pub async fn counts(conn: &mut Conn, issue_id: i64) -> Result<Vec<Count>, DbError> {
    let rows = sqlx::query(
        "SELECT state, reason, CAST(SUM(count) AS BIGINT) AS count FROM (
             SELECT state, reason, COUNT(*) AS count FROM deliveries WHERE issue_id = $1 GROUP BY state, reason
             UNION ALL
             SELECT state, NULLIF(reason, ''), count FROM delivery_counts WHERE issue_id = $1) c
         GROUP BY state, reason ORDER BY state, reason",
    )
    .bind(issue_id)
    .fetch_all(conn)
    .await?;
    rows.iter().map(count).collect()
}

fn count(row: &sqlx::any::AnyRow) -> Result<Count, DbError> {
    let row = Row::new(row, "deliveries");
    let state = row.parsed("state", DeliveryState::parse)?.as_str();
    Ok(Count { state, reason: row.opt_text("reason")?, count: row.int("count")? })
}
