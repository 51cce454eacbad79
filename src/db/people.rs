//! Reading about people: lists and exports by keyset pages, and what was sent to one person.

use chrono_tz::Tz;
use serde::Serialize;
use sqlx::any::AnyRow;

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::subscription::{Consent, SubscriptionStatus, SuppressionReason};
use crate::domain::topic::TopicSet;

/// Which people a list holds, and from where on.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those with a subscription to this newsletter.
    pub newsletter_id: Option<i64>,
    /// Only those with a subscription (to that newsletter) in this state.
    pub status: Option<SubscriptionStatus>,
    /// Only those on the suppression list.
    pub suppressed: bool,
    /// How the address begins, in lower case.
    pub prefix: String,
    /// Only addresses after this one.
    pub after: String,
}

/// A person in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    #[serde(skip)]
    pub id: i64,
    pub email: String,
    pub name: String,
    pub suppressed: bool,
    pub created_at: Timestamp,
    pub subscriptions: Vec<ListedTie>,
}

/// A subscription of a person in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedTie {
    /// The newsletter's slug.
    pub newsletter: String,
    pub status: &'static str,
}

/// A page of at most `limit` people in the order of their addresses; the next page is the one after its last.
pub async fn list(conn: &mut Conn, filter: &Filter, limit: i64) -> Result<Vec<Listed>, DbError> {
    let bytewise = Dialect::of(conn).bytewise();
    let (lower, from) = match filter.after < filter.prefix {
        true => (">=", &filter.prefix),
        false => (">", &filter.after),
    };
    let query = sql(format!(
        "SELECT s.id, s.email, s.name, s.created_at, x.email_hash AS suppressed
         FROM subscribers s LEFT JOIN suppressions x ON x.email_hash = s.email_hash
         WHERE s.email {bytewise} {lower} $1 AND s.email {bytewise} < $2
             AND ($3 = 0 AND $4 = '' OR EXISTS (
                 SELECT 1 FROM subscriptions t
                 WHERE t.subscriber_id = s.id AND ($3 = 0 OR t.newsletter_id = $3) AND ($4 = '' OR t.status = $4)))
             AND ($5 = 0 OR x.email_hash IS NOT NULL)
         ORDER BY s.email {bytewise}
         LIMIT $6"
    ));
    let rows = sqlx::query(query)
        .bind(from)
        .bind(format!("{}\u{10ffff}", filter.prefix))
        .bind(filter.newsletter_id.unwrap_or(0))
        .bind(filter.status.map_or("", SubscriptionStatus::as_str))
        .bind(i64::from(filter.suppressed))
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
    let people: Vec<Listed> = rows.iter().map(listed).collect::<Result<_, _>>()?;
    with_ties(conn, people).await
}

fn listed(row: &AnyRow) -> Result<Listed, DbError> {
    let row = Row::new(row, "subscribers");
    Ok(Listed {
        id: row.int("id")?,
        email: row.text("email")?,
        name: row.text("name")?,
        suppressed: row.opt_text("suppressed")?.is_some(),
        created_at: row.time("created_at")?,
        subscriptions: vec![],
    })
}

async fn with_ties(conn: &mut Conn, mut people: Vec<Listed>) -> Result<Vec<Listed>, DbError> {
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!(
        "SELECT t.id, t.subscriber_id, n.slug, t.status
         FROM subscriptions t JOIN newsletters n ON n.id = t.newsletter_id
         WHERE t.subscriber_id IN {list} ORDER BY t.id"
    ));
    let ids = serde_json::to_string(&ids).expect("numbers are JSON");
    for row in sqlx::query(query).bind(ids).fetch_all(conn).await? {
        let row = Row::new(&row, "subscriptions");
        let subscriber_id = row.int("subscriber_id")?;
        let status = row.parsed("status", SubscriptionStatus::parse)?.as_str();
        let tie = ListedTie { newsletter: row.text("slug")?, status };
        if let Some(person) = people.iter_mut().find(|person| person.id == subscriber_id) {
            person.subscriptions.push(tie);
        }
    }
    Ok(people)
}

/// A subscription with everything that an export tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The subscription's id; the next page begins behind it.
    pub id: i64,
    pub subscriber_id: i64,
    pub email: EmailAddress,
    pub name: String,
    pub language: Option<String>,
    pub timezone: Option<String>,
    pub status: SubscriptionStatus,
    /// When the reader left; also while a new sign-up waits to be confirmed.
    pub left_at: Option<Timestamp>,
    pub left_reason: Option<String>,
    /// Why the address must not be mailed, where it must not.
    pub suppressed: Option<SuppressionReason>,
    /// The schedule's name, where the reader chose one.
    pub schedule: Option<String>,
    pub topics: TopicSet,
    pub hour: Option<TimeOfDay>,
    pub paused_until: Option<Timestamp>,
    pub consent: Option<Consent>,
}

const EXPORTED: &str =
    "SELECT t.id, t.subscriber_id, s.email, s.name, s.language, s.timezone, t.status, c.name AS schedule, t.topics,
         t.at_minute, t.paused_until, t.consent_at, t.consent_from, t.consent_words, t.left_at, t.left_reason,
         x.reason AS suppressed
     FROM subscriptions t
     JOIN subscribers s ON s.id = t.subscriber_id
     LEFT JOIN suppressions x ON x.email_hash = s.email_hash
     LEFT JOIN schedules c ON c.id = t.schedule_id";

/// These people's subscriptions to a newsletter, in no order.
pub async fn export_of(
    conn: &mut Conn,
    newsletter_id: i64,
    subscriber_ids: &[i64],
) -> Result<Vec<Exported>, DbError> {
    let list = Dialect::of(conn).list("$2");
    let query = sql(format!("{EXPORTED} WHERE t.newsletter_id = $1 AND t.subscriber_id IN {list}"));
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let rows = sqlx::query(query).bind(newsletter_id).bind(ids).persistent(false).fetch_all(conn).await?;
    rows.iter().map(exported).collect()
}

/// A page of at most `limit` subscriptions of a newsletter, behind the one with the id `after`.
pub async fn export(
    conn: &mut Conn,
    newsletter_id: i64,
    status: Option<SubscriptionStatus>,
    after: i64,
    limit: i64,
) -> Result<Vec<Exported>, DbError> {
    let query = sql(format!(
        "{EXPORTED} WHERE t.newsletter_id = $1 AND t.id > $2 AND ($3 = '' OR t.status = $3) ORDER BY t.id LIMIT $4"
    ));
    let rows = sqlx::query(query)
        .bind(newsletter_id)
        .bind(after)
        .bind(status.map_or("", SubscriptionStatus::as_str))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(exported).collect()
}

fn exported(row: &AnyRow) -> Result<Exported, DbError> {
    let row = Row::new(row, "subscriptions");
    Ok(Exported {
        id: row.int("id")?,
        subscriber_id: row.int("subscriber_id")?,
        email: row.address("email")?,
        name: row.text("name")?,
        language: row.opt_text("language")?,
        timezone: row.opt_text("timezone")?,
        status: row.parsed("status", SubscriptionStatus::parse)?,
        left_at: row.opt_time("left_at")?,
        left_reason: row.opt_text("left_reason")?,
        suppressed: row.opt_parsed("suppressed", SuppressionReason::parse)?,
        schedule: row.opt_text("schedule")?,
        topics: row.topics("topics")?,
        hour: row.opt_int("at_minute")?.and_then(TimeOfDay::from_minutes),
        paused_until: row.opt_time("paused_until")?,
        consent: super::subscriptions::consent(&row)?,
    })
}

/// One line of a person's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The newsletter's slug and name.
    pub newsletter: String,
    pub newsletter_name: String,
    pub issue_id: i64,
    /// 0 while the issue has none.
    pub number: i64,
    pub slot_at: Timestamp,
    /// The newsletter's.
    pub zone: Tz,
    pub state: DeliveryState,
    /// Why it was skipped, where it was.
    pub skipped: Option<SkipReason>,
    /// The reason of a failure, and what the relay said last.
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub updated_at: Timestamp,
}

/// What was sent to a person, or not and why: at most `limit` deliveries, the newest issue first, of those before the
/// issue `before` (its slot and its id), of these newsletters or of all.
///
/// Deliveries have no index of people: each issue of what the person follows, whose deliveries are still there, is asked
/// for theirs.
pub async fn sent(
    conn: &mut Conn,
    subscriber_id: i64,
    before: Option<(Timestamp, i64)>,
    newsletters: Option<&[i64]>,
    limit: i64,
) -> Result<Vec<Sent>, DbError> {
    let list = Dialect::of(conn).list("$5");
    let of_these = newsletters.map_or_else(String::new, |_| format!("AND i.newsletter_id IN {list}"));
    let (slot_at, issue_id) = before.unwrap_or((Timestamp::from_millis(i64::MAX), i64::MAX));
    let query = sql(format!(
        "SELECT d.id, n.slug, n.name, n.timezone, d.issue_id, i.number, i.slot_at, d.state, d.reason, d.detail, d.updated_at
         FROM issues i
         CROSS JOIN deliveries d
         CROSS JOIN newsletters n
         WHERE d.issue_id = i.id AND d.subscriber_id = $1 AND n.id = i.newsletter_id
             AND (i.slot_at, i.id) < ($2, $3)
             AND i.newsletter_id IN (SELECT s.newsletter_id FROM subscriptions s WHERE s.subscriber_id = $1)
             AND i.shrunk_at IS NULL {of_these}
         ORDER BY i.slot_at DESC, i.id DESC LIMIT $4",
    ));
    let query = sqlx::query(query).bind(subscriber_id).bind(slot_at.millis()).bind(issue_id).bind(limit);
    let ids = newsletters.map(|ids| serde_json::to_string(ids).expect("numbers are JSON"));
    let rows = ids.into_iter().fold(query, |query, ids| query.bind(ids)).fetch_all(conn).await?;
    let sent = |row: &AnyRow| {
        let row = Row::new(row, "deliveries");
        let reason = row.opt_text("reason")?;
        Ok(Sent {
            newsletter: row.text("slug")?,
            newsletter_name: row.text("name")?,
            issue_id: row.int("issue_id")?,
            number: row.int("number")?,
            slot_at: row.time("slot_at")?,
            zone: row.parsed("timezone", |text| text.parse().ok())?,
            state: row.parsed("state", DeliveryState::parse)?,
            skipped: reason.as_deref().and_then(SkipReason::parse),
            reason,
            detail: row.opt_text("detail")?,
            updated_at: row.time("updated_at")?,
        })
    };
    rows.iter().map(sent).collect()
}
