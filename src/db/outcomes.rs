//! What became of deliveries, for people to read.

use serde::Serialize;

use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::DeliveryState;
use crate::domain::subscription::Subscription;

/// How many deliveries of an issue are in which state, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub state: &'static str,
    pub reason: Option<String>,
    pub count: i64,
}

/// One delivery's story, for "why did I (not) get it?".
#[derive(Clone, Debug)]
pub struct Story {
    pub id: i64,
    pub subscription_id: i64,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub not_before: Timestamp,
    pub due_at: Timestamp,
    pub attempts: i64,
    pub updated_at: Timestamp,
}

const STORY: &str =
    "SELECT id, subscription_id, state, reason, detail, not_before, due_at, attempts, updated_at
                     FROM deliveries";

fn story(row: &sqlx::any::AnyRow) -> Result<Story, DbError> {
    let row = Row::new(row, "deliveries");
    Ok(Story {
        id: row.int("id")?,
        subscription_id: row.int("subscription_id")?,
        state: row.parsed("state", DeliveryState::parse)?,
        reason: row.opt_text("reason")?,
        detail: row.opt_text("detail")?,
        not_before: row.time("not_before")?,
        due_at: row.time("due_at")?,
        attempts: row.int("attempts")?,
        updated_at: row.time("updated_at")?,
    })
}

/// The delivery of an issue to a subscriber.
pub async fn find(conn: &mut Conn, issue_id: i64, subscriber_id: i64) -> Result<Option<Story>, DbError> {
    let query = sql(format!("{STORY} WHERE issue_id = $1 AND subscriber_id = $2"));
    let row = sqlx::query(query).bind(issue_id).bind(subscriber_id).fetch_optional(conn).await?;
    row.as_ref().map(story).transpose()
}

/// When the mail is due that waits for a reader, no sooner than `from`, and whether its issue is going out rather than
/// paused; of several, the first.
pub async fn next_due(
    conn: &mut Conn,
    subscription: &Subscription,
    from: Option<Timestamp>,
) -> Result<Option<(Timestamp, bool)>, DbError> {
    let row = sqlx::query(
        "SELECT d.id, d.due_at, CASE WHEN i.state = 'sending' THEN 1 ELSE 0 END AS is_going
         FROM deliveries d JOIN issues i ON i.id = d.issue_id
         WHERE d.subscriber_id = $1 AND d.subscription_id = $2 AND d.state IN ('queued', 'claimed', 'deferred')
           AND i.state IN ('sending', 'paused') AND d.due_at >= $3
         ORDER BY d.due_at, d.id LIMIT 1",
    )
    .bind(subscription.subscriber_id)
    .bind(subscription.id)
    .bind(from.map_or(0, Timestamp::millis))
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let row = Row::new(&row, "deliveries");
        Ok((row.time("due_at")?, row.flag("is_going")?))
    })
    .transpose()
}

/// The latest failures of an issue.
pub async fn failures(conn: &mut Conn, issue_id: i64, limit: i64) -> Result<Vec<Story>, DbError> {
    let query =
        sql(format!("{STORY} WHERE issue_id = $1 AND state = 'failed' ORDER BY updated_at DESC LIMIT $2"));
    sqlx::query(query).bind(issue_id).bind(limit).fetch_all(conn).await?.iter().map(story).collect()
}

/// What was said of deliveries that did not go out, or not yet, and of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub count: i64,
    /// When the first of them is tried again, for deferred ones.
    pub next_at: Timestamp,
}

/// What was said most often of an issue's failed and deferred deliveries.
pub async fn said(conn: &mut Conn, issue_id: i64, limit: i64) -> Result<Vec<Said>, DbError> {
    let rows = sqlx::query(
        "SELECT state, reason, detail, COUNT(*) AS count, MIN(not_before) AS next_at FROM deliveries
         WHERE issue_id = $1 AND state IN ('failed', 'deferred')
         GROUP BY state, reason, detail ORDER BY COUNT(*) DESC, detail LIMIT $2",
    )
    .bind(issue_id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let row = Row::new(row, "deliveries");
            Ok(Said {
                state: row.parsed("state", DeliveryState::parse)?,
                reason: row.opt_text("reason")?,
                detail: row.opt_text("detail")?,
                count: row.int("count")?,
                next_at: row.time("next_at")?,
            })
        })
        .collect()
}

/// How long an issue was on its way, in milliseconds: from being addressed to the last mail that the relay took. None
/// where none was taken.
pub async fn sending_time(conn: &mut Conn, issue_id: i64) -> Result<Option<i64>, DbError> {
    let row = sqlx::query(
        "SELECT (SELECT MAX(updated_at) FROM deliveries WHERE issue_id = $1 AND state = 'sent') - addressed_at AS took
         FROM issues WHERE id = $1",
    )
    .bind(issue_id)
    .fetch_optional(conn)
    .await?;
    row.map_or(Ok(None), |row| Row::new(&row, "deliveries").opt_int("took"))
}
