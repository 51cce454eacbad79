//! Whom an issue is for: one delivery for each subscription, with its time, or the reason why there is no mail.

use super::articles::json;
use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::delivery::SkipReason;
use crate::domain::topic::TopicSet;

/// Whom an issue is for, and when.
#[derive(Clone, Debug)]
pub struct Addressing<'a> {
    pub issue_id: i64,
    pub newsletter_id: i64,
    /// None: everybody who subscribes to the newsletter.
    pub schedule_id: Option<i64>,
    /// Whether subscribers who chose no schedule follow this one.
    pub is_first_schedule: bool,
    /// When it is due for readers without an hour of their own.
    pub due_at: Timestamp,
    /// When it is due for readers with an hour of their own.
    pub hours: &'a [OwnHour],
    /// What the issue holds for readers of these languages; other languages see `otherwise`.
    pub languages: &'a [(String, Holding)],
    pub otherwise: Holding,
    /// For readers who told neither.
    pub language: &'a str,
    pub timezone: &'a str,
}

/// What an issue holds for readers of one language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The topics of its articles.
    pub topics: TopicSet,
    /// Whether an article is for every reader.
    pub general: bool,
}

/// Readers in one zone who want their mail at one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnHour {
    pub timezone: String,
    pub at: TimeOfDay,
    pub due_at: Timestamp,
}

/// The hours that this newsletter's readers chose, each zone's once; `due_at` is left at the epoch.
pub async fn own_hours(conn: &mut Conn, newsletter_id: i64, timezone: &str) -> Result<Vec<OwnHour>, DbError> {
    let rows = sqlx::query(
        "SELECT DISTINCT s.at_minute, COALESCE(p.timezone, $2) AS timezone
         FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id
         WHERE s.newsletter_id = $1 AND s.at_minute IS NOT NULL",
    )
    .bind(newsletter_id)
    .bind(timezone)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let row = Row::new(row, "subscriptions");
            let at = TimeOfDay::from_minutes(row.int("at_minute")?).unwrap_or_else(TimeOfDay::midnight);
            Ok(OwnHour { timezone: row.text("timezone")?, at, due_at: Timestamp::from_millis(0) })
        })
        .collect()
}

/// The languages of this newsletter's readers.
pub async fn languages(conn: &mut Conn, newsletter_id: i64, language: &str) -> Result<Vec<String>, DbError> {
    let rows = sqlx::query(
        "SELECT DISTINCT COALESCE(p.language, $2) AS language
         FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id WHERE s.newsletter_id = $1",
    )
    .bind(newsletter_id)
    .bind(language)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Row::new(row, "subscribers").text("language")).collect()
}

/// Whom an issue is for, with the reason where somebody gets nothing, and when; the binds of [`bind_addressing`].
fn decided(dialect: Dialect) -> String {
    let hours =
        dialect.rows("$9", &[("timezone", Kind::Text), ("at_minute", Kind::Int), ("due_at", Kind::Int)]);
    let languages =
        dialect.rows("$10", &[("language", Kind::Text), ("topics", Kind::Int), ("general", Kind::Int)]);
    format!(
        "SELECT s.subscriber_id, s.id AS subscription_id, s.topics, s.at_minute, p.language, p.timezone,
             CASE
                 WHEN s.status = 'pending' THEN 'unconfirmed'
                 WHEN s.status = 'unsubscribed' THEN 'unsubscribed'
                 WHEN x.email_hash IS NOT NULL THEN 'suppressed'
                 WHEN s.paused_until > $2 THEN 'paused'
                 WHEN COALESCE(l.general, $8) = 0
                      AND (COALESCE(l.topics, $7) = 0
                           OR (s.topics <> 0 AND (s.topics & COALESCE(l.topics, $7)) = 0)) THEN 'no_articles'
             END AS reason,
             COALESCE(h.due_at, $6) AS due_at
         FROM subscriptions s
         JOIN subscribers p ON p.id = s.subscriber_id
         LEFT JOIN suppressions x ON x.email_hash = p.email_hash
         LEFT JOIN {hours} h ON h.at_minute = s.at_minute AND h.timezone = COALESCE(p.timezone, $11)
         LEFT JOIN {languages} l ON l.language = COALESCE(p.language, $12)
         WHERE s.newsletter_id = $3 AND ($4 = 0 OR s.schedule_id = $4 OR (s.schedule_id IS NULL AND $5 = 1))"
    )
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn bind_addressing<'q>(query: Query<'q>, to: &Addressing<'q>, now: Timestamp) -> Query<'q> {
    let hour_rows: Vec<_> =
        to.hours.iter().map(|hour| (&hour.timezone, hour.at.minutes(), hour.due_at.millis())).collect();
    let language_rows: Vec<_> = to
        .languages
        .iter()
        .map(|(language, holding)| (language, holding.topics.bits(), i64::from(holding.general)))
        .collect();
    query
        .bind(to.issue_id)
        .bind(now.millis())
        .bind(to.newsletter_id)
        .bind(to.schedule_id.unwrap_or(0))
        .bind(i64::from(to.is_first_schedule))
        .bind(to.due_at.millis())
        .bind(to.otherwise.topics.bits())
        .bind(i64::from(to.otherwise.general))
        .bind(json(&hour_rows))
        .bind(json(&language_rows))
        .bind(to.timezone)
        .bind(to.language)
}

/// Writes one delivery per subscription, also for those who get nothing, with the reason; returns how many rows.
///
/// One statement for any number of subscribers. Rows come in the order of language, zone and topics, so that those
/// who get the same mail are sent one after the other and each cohort is rendered once; and then in that of the
/// subscribers, so that index pages are filled one after the other (a tenth less time for a million).
pub async fn address(conn: &mut Conn, to: &Addressing<'_>, now: Timestamp) -> Result<u64, DbError> {
    let dialect = Dialect::of(conn);
    let decided = decided(dialect);
    let statement = sql(format!(
        "INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, reason, not_before, due_at, updated_at)
         SELECT $1, r.subscriber_id, r.subscription_id, CASE WHEN r.reason IS NULL THEN 'queued' ELSE 'skipped' END,
             r.reason, r.due_at, r.due_at, $2
         FROM ({decided}) r
         ORDER BY r.language, r.timezone, r.topics, r.subscriber_id
         ON CONFLICT (issue_id, subscriber_id) DO NOTHING"
    ));
    let result = bind_addressing(sqlx::query(statement), to, now).execute(&mut *conn).await?;
    if let Some(statement) = dialect.look_again() {
        sqlx::query(statement).execute(conn).await?;
    }
    Ok(result.rows_affected())
}

/// How many an issue is for, or not for, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// None: they get it.
    pub reason: Option<SkipReason>,
    pub count: i64,
    /// How many of them chose an hour of their own.
    pub own_hour: i64,
}

/// Whom [`address`] would send an issue to now, and whom not.
pub async fn audience(conn: &mut Conn, to: &Addressing<'_>, now: Timestamp) -> Result<Vec<Group>, DbError> {
    let decided = decided(Dialect::of(conn));
    let query = sql(format!(
        "SELECT CAST($1 AS BIGINT) AS id, r.reason, COUNT(*) AS count, COUNT(r.at_minute) AS own_hour
         FROM ({decided}) r GROUP BY r.reason"
    ));
    let rows = bind_addressing(sqlx::query(query), to, now).fetch_all(conn).await?;
    let group = |row| {
        let row = Row::new(row, "subscriptions");
        let reason = row.opt_parsed("reason", SkipReason::parse)?;
        Ok(Group { reason, count: row.int("count")?, own_hour: row.int("own_hour")? })
    };
    rows.iter().map(group).collect()
}

/// How many readers an issue of this schedule is for, as things stand.
pub async fn followers(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
) -> Result<i64, DbError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS count FROM subscriptions s
         WHERE s.newsletter_id = $1 AND s.status = 'active'
           AND ($2 = 0 OR s.schedule_id = $2 OR (s.schedule_id IS NULL
                AND $2 = (SELECT MIN(id) FROM schedules WHERE newsletter_id = $1)))",
    )
    .bind(newsletter_id)
    .bind(schedule_id.unwrap_or(0))
    .fetch_one(conn)
    .await?;
    Row::new(&row, "subscriptions").int("count")
}
