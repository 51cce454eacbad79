//! The ledger: one row per issue and subscription, and what became of it.

use serde::{Deserialize, Serialize};

use super::articles::json;
use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::subscription::SubscriptionStatus;
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

/// A delivery that this node has claimed, with the reader as they stand now.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: i64,
    pub issue_id: i64,
    pub subscription_id: i64,
    pub due_at: Timestamp,
    pub attempts: u32,
    /// How many of them ended without an answer: the relay may have the message.
    pub uncertain: u32,
    /// Whether its issue is going out: not paused, for instance.
    pub is_going_out: bool,
    /// The node whose claim it is; none where it is claimed no more.
    pub node: Option<String>,
    /// Why it must not be sent after all.
    pub skip: Option<SkipReason>,
    /// None where the subscriber was erased meanwhile.
    pub reader: Option<Reader>,
}

/// Whom a claimed delivery goes to.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The subscriber's; 0 where the mail is nobody's.
    pub id: i64,
    pub email: EmailAddress,
    pub name: String,
    pub language: Option<String>,
    pub timezone: Option<String>,
    pub topics: TopicSet,
    /// They asked not to be measured.
    pub unmeasured: bool,
}

/// A delivery's place in the queue of its issue: when it is due, and its id.
pub type Place = (Timestamp, i64);

/// Claims up to `limit` deliveries of an issue that are due, for `node`, the longest due first, of those behind `after`;
/// returns their places, in order of their ids.
///
/// PostgreSQL leaves the index entries of what was claimed before until it cleans up: whoever asks from the beginning
/// each time walks over all of them (30 µs a message at the end of a million).
pub async fn claim(
    conn: &mut Conn,
    issue_id: i64,
    node: &str,
    now: Timestamp,
    limit: i64,
    after: Option<Place>,
) -> Result<Vec<Place>, DbError> {
    // The state is tested again outside the sub-select: without that, PostgreSQL hands rows out twice.
    let skip_locked = Dialect::of(conn).skip_locked();
    let statement = sql(format!(
        "UPDATE deliveries SET state = 'claimed', node = $2, updated_at = $3
         WHERE id IN (SELECT id FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred')
                          AND not_before <= $3 AND (not_before, id) > ($5, $6)
                      ORDER BY not_before, id LIMIT $4 {skip_locked})
           AND state IN ('queued', 'deferred')
         RETURNING id, not_before"
    ));
    let (time, id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), 0));
    let rows = sqlx::query(statement)
        .bind(issue_id)
        .bind(node)
        .bind(now.millis())
        .bind(limit)
        .bind(time.millis())
        .bind(id)
        .fetch_all(conn)
        .await?;
    let place = |row| {
        let row = Row::new(row, "deliveries");
        Ok((row.time("not_before")?, row.int("id")?))
    };
    let mut places = rows.iter().map(place).collect::<Result<Vec<_>, DbError>>()?;
    places.sort_unstable_by_key(|(_, id)| *id);
    Ok(places)
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

/// A delivery as [`load`] found it: its id, and what is needed to send it, or why that cannot be read.
pub type Loaded = (i64, Result<Claimed, DbError>);

/// What is needed to send these deliveries, in order of their ids, each with its reader as they stand now.
pub async fn load(conn: &mut Conn, ids: &[i64], now: Timestamp) -> Result<Vec<Loaded>, DbError> {
    let dialect = Dialect::of(conn);
    let (list, rows) = (dialect.list("$1"), dialect.all_rows(&ASKED));
    let query = sql(format!(
        "SELECT {rows} AS found
         FROM deliveries d
         JOIN issues i ON i.id = d.issue_id
         LEFT JOIN subscriptions s ON s.id = d.subscription_id
         LEFT JOIN subscribers p ON p.id = s.subscriber_id
         LEFT JOIN suppressions x ON x.email_hash = p.email_hash
         WHERE d.id IN {list}"
    ));
    let row = sqlx::query(query).bind(json(&ids)).fetch_one(conn).await?;
    let octets = Row::new(&row, "deliveries").bytes("found")?;
    let found: Vec<Found> = serde_json::from_str(&String::from_utf8_lossy(&octets)).map_err(|error| {
        let (column, id) = ("?".to_owned(), json(&ids));
        DbError::Unreadable { table: "deliveries", column, id, why: error.to_string() }
    })?;
    let mut loaded: Vec<Loaded> = found.into_iter().map(|row| (row.id, row.claimed(now))).collect();
    loaded.sort_by_key(|(id, _)| *id);
    Ok(loaded)
}

/// What [`load`] asks for, in the order of [`Found`].
const ASKED: [&str; 18] = [
    "d.id",
    "d.issue_id",
    "d.subscription_id",
    "d.due_at",
    "d.attempts",
    "d.uncertain",
    "d.node",
    "i.state",
    "s.status",
    "s.topics",
    "s.paused_until",
    "p.id",
    "p.email",
    "p.name",
    "p.language",
    "p.timezone",
    "p.unmeasured",
    "x.email_hash",
];

/// A row of [`load`].
#[derive(Deserialize)]
struct Found {
    id: i64,
    issue_id: i64,
    subscription_id: i64,
    due_at: i64,
    attempts: i64,
    uncertain: Option<i64>,
    node: Option<String>,
    issue_state: String,
    status: Option<String>,
    topics: Option<i64>,
    paused_until: Option<i64>,
    subscriber_id: Option<i64>,
    email: Option<String>,
    name: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    unmeasured: Option<i64>,
    suppressed: Option<String>,
}

impl Found {
    fn claimed(self, now: Timestamp) -> Result<Claimed, DbError> {
        let skip = self.skip(now)?;
        let reader = match &self.email {
            None => None,
            Some(email) => Some(Reader {
                id: self.subscriber_id.unwrap_or(0),
                email: EmailAddress::parse(email).map_err(|why| self.unreadable("email", why))?,
                name: self.name.unwrap_or_default(),
                language: self.language,
                timezone: self.timezone,
                topics: TopicSet::from_bits(self.topics.unwrap_or(0)),
                unmeasured: self.unmeasured == Some(1),
            }),
        };
        Ok(Claimed {
            id: self.id,
            issue_id: self.issue_id,
            subscription_id: self.subscription_id,
            due_at: Timestamp::from_millis(self.due_at),
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            uncertain: u32::try_from(self.uncertain.unwrap_or(0)).unwrap_or(u32::MAX),
            is_going_out: self.issue_state == "sending",
            node: self.node,
            skip,
            reader,
        })
    }

    /// Why it must not be sent after all.
    fn skip(&self, now: Timestamp) -> Result<Option<SkipReason>, DbError> {
        if self.issue_state == "cancelled" {
            return Ok(Some(SkipReason::Cancelled));
        }
        // None where the subscriber was erased meanwhile.
        let Some(word) = &self.status else { return Ok(Some(SkipReason::Unsubscribed)) };
        let status = SubscriptionStatus::parse(word)
            .ok_or_else(|| self.unreadable("status", format!("“{word}” is not a value of this column")))?;
        Ok(match status {
            SubscriptionStatus::Unsubscribed => Some(SkipReason::Unsubscribed),
            SubscriptionStatus::Pending => Some(SkipReason::Unconfirmed),
            SubscriptionStatus::Active if self.suppressed.is_some() => Some(SkipReason::Suppressed),
            SubscriptionStatus::Active if self.paused_until.is_some_and(|until| until > now.millis()) => {
                Some(SkipReason::Paused)
            }
            SubscriptionStatus::Active => None,
        })
    }

    fn unreadable(&self, column: &str, why: String) -> DbError {
        let id = self.id.to_string();
        DbError::Unreadable { table: "deliveries", column: column.to_owned(), id, why }
    }
}

/// What is written down about one claimed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: i64,
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// What the relay said.
    pub detail: Option<String>,
    /// When to try again, for a deferred one.
    pub not_before: Option<Timestamp>,
    /// Whether an attempt was made.
    pub attempted: bool,
}

/// Writes outcomes down, and returns how many of the rows this node still held: a row that another node took over
/// meanwhile is left as that node made it.
pub async fn record(conn: &mut Conn, node: &str, records: &[Record], now: Timestamp) -> Result<u64, DbError> {
    let list = Dialect::of(conn).rows(
        "$1",
        &[
            ("id", Kind::Int),
            ("state", Kind::Text),
            ("reason", Kind::Text),
            ("detail", Kind::Text),
            ("not_before", Kind::Int),
            ("attempted", Kind::Int),
        ],
    );
    let statement = sql(format!(
        "UPDATE deliveries SET state = r.state, reason = r.reason,
             detail = CASE WHEN deliveries.subscription_id <> 0 THEN COALESCE(r.detail, deliveries.detail) END,
             not_before = COALESCE(r.not_before, deliveries.not_before), node = NULL,
             attempts = deliveries.attempts + r.attempted, updated_at = $3,
             uncertain = CASE WHEN r.attempted = 1 AND r.reason = 'uncertain' THEN COALESCE(deliveries.uncertain, 0) + 1
                              ELSE deliveries.uncertain END
         FROM {list} r
         WHERE deliveries.id = r.id AND deliveries.state = 'claimed' AND deliveries.node = $2"
    ));
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            let not_before = record.not_before.map(Timestamp::millis);
            (
                record.id,
                record.state.as_str(),
                &record.reason,
                &record.detail,
                not_before,
                i64::from(record.attempted),
            )
        })
        .collect();
    let result = sqlx::query(statement).bind(json(&rows)).bind(node).bind(now.millis()).execute(conn).await?;
    Ok(result.rows_affected())
}

/// Skips up to `limit` deliveries of a cancelled issue that have not gone out, and returns how many.
pub async fn cancel(conn: &mut Conn, issue_id: i64, limit: i64, now: Timestamp) -> Result<u64, DbError> {
    let result = sqlx::query(
        "UPDATE deliveries SET state = 'skipped', reason = 'cancelled', updated_at = $2
         WHERE id IN (SELECT id FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred') LIMIT $3)
           AND state IN ('queued', 'deferred')",
    )
    .bind(issue_id)
    .bind(now.millis())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// How many deliveries of an issue have not come to an end: waiting (now or for later), and on the wire.
pub async fn open(conn: &mut Conn, issue_id: i64) -> Result<(i64, i64), DbError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred')) AS waiting,
             (SELECT COUNT(*) FROM deliveries WHERE issue_id = $1 AND state = 'claimed') AS claimed",
    )
    .bind(issue_id)
    .fetch_one(conn)
    .await?;
    let row = Row::new(&row, "deliveries");
    Ok((row.int("waiting")?, row.int("claimed")?))
}

/// Whether a delivery of the issue has not come to an end.
pub async fn is_open(conn: &mut Conn, issue_id: i64) -> Result<bool, DbError> {
    let row = sqlx::query(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred'))
                       OR EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state = 'claimed')
                     THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS is_open",
    )
    .bind(issue_id)
    .fetch_one(conn)
    .await?;
    Row::new(&row, "deliveries").flag("is_open")
}

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

/// The issue and the subscription of a delivery.
pub async fn place(conn: &mut Conn, id: i64) -> Result<Option<(i64, i64)>, DbError> {
    let row = sqlx::query("SELECT id, issue_id, subscription_id FROM deliveries WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let row = Row::new(&row, "deliveries");
        Ok((row.int("issue_id")?, row.int("subscription_id")?))
    })
    .transpose()
}

/// Whether deliveries of the issue are left that do not only wait for their readers' own hour.
pub async fn is_open_now(conn: &mut Conn, issue_id: i64, now: Timestamp) -> Result<bool, DbError> {
    let row = sqlx::query(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state IN ('queued', 'deferred')
                                  AND (not_before <= $2 OR state = 'deferred'))
                       OR EXISTS (SELECT 1 FROM deliveries WHERE issue_id = $1 AND state = 'claimed')
                     THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS is_open",
    )
    .bind(issue_id)
    .bind(now.millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "deliveries").flag("is_open")
}

/// How much of an issue is open, each counted up to `most`: what waits, what is put off by a refusal, what is on the
/// wire. It reads only open rows, which are in indexes of their own.
pub async fn open_counts(conn: &mut Conn, issue_id: i64, most: i64) -> Result<[i64; 3], DbError> {
    let mut counts = [0; 3];
    for (count, state) in counts.iter_mut().zip(["queued", "deferred", "claimed"]) {
        // The index holds queued and deferred rows together: for one of them alone, both are named.
        let among = if state == "claimed" { "state = 'claimed'" } else { "state IN ('queued', 'deferred')" };
        let query = sql(format!(
            "SELECT COUNT(*) AS count FROM (
                 SELECT id FROM deliveries WHERE issue_id = $1 AND {among} AND state = '{state}' LIMIT $2) open"
        ));
        let row = sqlx::query(query).bind(issue_id).bind(most).fetch_one(&mut *conn).await?;
        *count = Row::new(&row, "deliveries").int("count")?;
    }
    Ok(counts)
}

/// Lets what the relay refused for a reason of ours be tried again, once that is put right; returns how many.
pub async fn reopen_refused(conn: &mut Conn, issue_id: i64, now: Timestamp) -> Result<u64, DbError> {
    let result = sqlx::query(
        "UPDATE deliveries SET state = 'queued', reason = NULL, not_before = $2, updated_at = $2
         WHERE issue_id = $1 AND state = 'failed' AND reason = 'our_fault'",
    )
    .bind(issue_id)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Lets the open deliveries of an issue that goes on after a pause count as due now: the pause makes nothing stale.
pub async fn renew_due(conn: &mut Conn, issue_id: i64, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE deliveries SET due_at = $2 WHERE issue_id = $1 AND state IN ('queued', 'deferred') AND due_at < $2",
    )
    .bind(issue_id)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(())
}
