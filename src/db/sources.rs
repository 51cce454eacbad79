//! Sources: which are due, what polling them brought, and why one fails.

use serde::Serialize;

use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::article::Identity;
use crate::domain::calendar::Timestamp;
use crate::domain::topic::TopicSet;

/// Where articles of a newsletter come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub id: i64,
    pub newsletter_id: i64,
    pub url: String,
    /// The feed's own title; empty until it was read.
    pub title: String,
    pub identity: Identity,
    pub topics: TopicSet,
    pub paused: bool,
    pub validators: Validators,
    pub next_poll_at: Timestamp,
    pub last_polled_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: i64,
    pub last_error: Option<String>,
}

/// What a server gave to ask "has it changed?" with (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

const COLUMNS: &str = "id, newsletter_id, url, title, identity, topics, paused, etag, last_modified, next_poll_at, \
                       last_polled_at, last_success_at, failures, last_error";

fn source(row: &sqlx::any::AnyRow) -> Result<Source, DbError> {
    let row = Row::new(row, "sources");
    Ok(Source {
        id: row.int("id")?,
        newsletter_id: row.int("newsletter_id")?,
        url: row.text("url")?,
        title: row.text("title")?,
        identity: row.parsed("identity", Identity::parse)?,
        topics: row.topics("topics")?,
        paused: row.flag("paused")?,
        validators: Validators { etag: row.opt_text("etag")?, last_modified: row.opt_text("last_modified")? },
        next_poll_at: row.time("next_poll_at")?,
        last_polled_at: row.opt_time("last_polled_at")?,
        last_success_at: row.opt_time("last_success_at")?,
        failures: row.int("failures")?,
        last_error: row.opt_text("last_error")?,
    })
}

/// Adds a source that is due at once, and returns its id; a URL that the newsletter has is a duplicate.
pub async fn insert(
    conn: &mut Conn,
    newsletter_id: i64,
    url: &str,
    identity: Identity,
    topics: TopicSet,
    now: Timestamp,
) -> Result<i64, DbError> {
    let row = sqlx::query(
        "INSERT INTO sources (newsletter_id, url, title, identity, topics, next_poll_at, created_at)
         VALUES ($1, $2, '', $3, $4, $5, $5) RETURNING id",
    )
    .bind(newsletter_id)
    .bind(url)
    .bind(identity.as_str())
    .bind(topics.bits())
    .bind(now.millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "sources").int("id")
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Source>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM sources WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(source).transpose()
}

/// The sources of a newsletter, or of all.
pub async fn list(conn: &mut Conn, newsletter_id: Option<i64>) -> Result<Vec<Source>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM sources WHERE newsletter_id = $1 OR $2 = 1 ORDER BY newsletter_id, id"
    ));
    let rows = sqlx::query(query)
        .bind(newsletter_id.unwrap_or(0))
        .bind(i64::from(newsletter_id.is_none()))
        .fetch_all(conn)
        .await?;
    rows.iter().map(source).collect()
}

/// Takes up to `limit` sources that are due and puts them off until `until`, so that no other node polls them
/// meanwhile; if this one dies, they are due again then.
pub async fn claim_due(
    conn: &mut Conn,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Source>, DbError> {
    let skip_locked = super::dialect::Dialect::of(conn).skip_locked();
    let query = sql(format!(
        "UPDATE sources SET next_poll_at = $2
         WHERE id IN (SELECT id FROM sources WHERE paused = 0 AND next_poll_at <= $1
                      ORDER BY next_poll_at, id LIMIT $3 {skip_locked})
           AND paused = 0 AND next_poll_at <= $1
         RETURNING {COLUMNS}"
    ));
    let rows = sqlx::query(query).bind(now.millis()).bind(until.millis()).bind(limit).fetch_all(conn).await?;
    rows.iter().map(source).collect()
}

/// Notes that a poll went well: the feed's title and validators, and the new URL where it moved for good.
pub async fn record_success(
    conn: &mut Conn,
    source: &Source,
    title: &str,
    validators: &Validators,
    moved_to: Option<&str>,
    now: Timestamp,
    next: Timestamp,
) -> Result<(), DbError> {
    // A move to a URL that the newsletter already polls is not followed: it would be the same source twice.
    let result = sqlx::query(
        "UPDATE sources SET title = $2, etag = $3, last_modified = $4, last_polled_at = $6, last_success_at = $6,
             failures = 0, last_error = NULL, next_poll_at = $7,
             url = CASE WHEN EXISTS (SELECT 1 FROM sources o WHERE o.newsletter_id = $8 AND o.url = $5)
                        THEN url ELSE $5 END
         WHERE id = $1",
    )
    .bind(source.id)
    .bind(title)
    .bind(validators.etag.as_deref())
    .bind(validators.last_modified.as_deref())
    .bind(moved_to.unwrap_or(&source.url))
    .bind(now.millis())
    .bind(next.millis())
    .bind(source.newsletter_id)
    .execute(conn)
    .await?;
    one_row("noting a poll", &result)
}

/// Notes that a poll failed, in words for the editor.
pub async fn record_failure(
    conn: &mut Conn,
    id: i64,
    error: &str,
    now: Timestamp,
    next: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE sources SET failures = failures + 1, last_error = $2, last_polled_at = $3, next_poll_at = $4
         WHERE id = $1",
    )
    .bind(id)
    .bind(error)
    .bind(now.millis())
    .bind(next.millis())
    .execute(conn)
    .await?;
    one_row("noting a failed poll", &result)
}

/// Pauses or resumes a source; a resumed one is due at `now`.
pub async fn set_paused(conn: &mut Conn, id: i64, paused: bool, now: Timestamp) -> Result<(), DbError> {
    let result = sqlx::query("UPDATE sources SET paused = $2, next_poll_at = $3 WHERE id = $1")
        .bind(id)
        .bind(i64::from(paused))
        .bind(now.millis())
        .execute(conn)
        .await?;
    one_row("pausing a source", &result)
}

/// Gives a source other topics: what comes from now on has them.
pub async fn set_topics(conn: &mut Conn, id: i64, topics: TopicSet) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE sources SET topics = $2 WHERE id = $1").bind(id).bind(topics.bits());
    one_row("changing a source's topics", &query.execute(conn).await?)
}

/// Removes a source; its articles stay, as if an editor had added them.
pub async fn remove(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    sqlx::query("UPDATE articles SET source_id = NULL WHERE source_id = $1")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    one_row(
        "removing a source",
        &sqlx::query("DELETE FROM sources WHERE id = $1").bind(id).execute(conn).await?,
    )
}
