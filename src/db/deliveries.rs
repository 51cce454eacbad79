//! The ledger as the sender works on it: one row per issue and subscription, claimed, loaded and recorded.
//!
//! [`super::addressing`] writes its rows, [`super::outcomes`] and [`super::results`] tell what became of them.

use serde::Deserialize;

use super::articles::json;
use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::subscription::SubscriptionStatus;
use crate::domain::topic::TopicSet;

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
    /// When the address last changed.
    pub moved_at: Option<Timestamp>,
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
const ASKED: [&str; 19] = [
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
    "p.moved_at",
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
    moved_at: Option<i64>,
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
                moved_at: self.moved_at.map(Timestamp::from_millis),
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
