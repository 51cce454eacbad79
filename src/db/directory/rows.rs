//! What a list says of each person.

use std::collections::HashMap;

use super::super::dialect::{Dialect, Kind};
use super::super::row::Row;
use super::super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::{SubscriptionStatus, SuppressionReason};

/// A person in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub email: String,
    /// May be empty.
    pub name: String,
    pub joined_at: Timestamp,
    /// Why and since when the address must not be mailed.
    pub suppressed: Option<(SuppressionReason, Timestamp)>,
    /// The oldest first.
    pub ties: Vec<PersonTie>,
    pub tags: Vec<String>,
    /// When the last digest went to them, where it is among the last few issues of what they follow.
    pub last_digest_at: Option<Timestamp>,
}

impl Person {
    /// Whether they are known from elsewhere, and get none of these newsletters: they were only asked, or have left.
    pub fn is_stranger_to(&self, newsletter_ids: &[i64]) -> bool {
        let (own, others): (Vec<&PersonTie>, Vec<&PersonTie>) =
            self.ties.iter().partition(|tie| newsletter_ids.contains(&tie.newsletter_id));
        !others.is_empty() && own.iter().all(|tie| tie.status != SubscriptionStatus::Active)
    }
}

/// A subscription of a person in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonTie {
    pub newsletter_id: i64,
    pub status: SubscriptionStatus,
    /// Since when it is in that state.
    pub since: Timestamp,
    pub paused_until: Option<Timestamp>,
}

/// Issues of a newsletter that are looked through for a person's last digest.
const ISSUES_BACK: i64 = 5;

/// These people, in this order; whoever is not there any more is left out.
pub async fn rows(conn: &mut Conn, ids: &[i64]) -> Result<Vec<Person>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let bound = serde_json::to_string(ids).expect("numbers are JSON");
    let mut people: HashMap<i64, Person> = HashMap::new();
    let query = sql(format!(
        "SELECT s.id, s.email, s.name, s.created_at, x.reason, x.created_at AS suppressed_at
         FROM subscribers s LEFT JOIN suppressions x ON x.email_hash = s.email_hash WHERE s.id IN {list}"
    ));
    for row in sqlx::query(query).bind(&bound).persistent(false).fetch_all(&mut *conn).await? {
        let person = person(&Row::new(&row, "subscribers"))?;
        people.insert(person.id, person);
    }
    let query = sql(format!(
        "SELECT id, subscriber_id, newsletter_id, status, paused_until, created_at, confirmed_at, left_at
         FROM subscriptions WHERE subscriber_id IN {list} ORDER BY id"
    ));
    for row in sqlx::query(query).bind(&bound).persistent(false).fetch_all(&mut *conn).await? {
        let row = Row::new(&row, "subscriptions");
        if let Some(person) = people.get_mut(&row.int("subscriber_id")?) {
            person.ties.push(tie(&row)?);
        }
    }
    for (id, tags) in super::super::tags::of_many(conn, ids).await? {
        if let Some(person) = people.get_mut(&id) {
            person.tags = tags;
        }
    }
    last_digests(conn, &mut people).await?;
    Ok(ids.iter().filter_map(|id| people.remove(id)).collect())
}

fn person(row: &Row<'_>) -> Result<Person, DbError> {
    let reason = row.opt_parsed("reason", SuppressionReason::parse)?;
    Ok(Person {
        id: row.int("id")?,
        email: row.text("email")?,
        name: row.text("name")?,
        joined_at: row.time("created_at")?,
        suppressed: reason.zip(row.opt_time("suppressed_at")?),
        ties: vec![],
        tags: vec![],
        last_digest_at: None,
    })
}

fn tie(row: &Row<'_>) -> Result<PersonTie, DbError> {
    let status = row.parsed("status", SubscriptionStatus::parse)?;
    let created_at = row.time("created_at")?;
    let since = match status {
        SubscriptionStatus::Pending => None,
        SubscriptionStatus::Active => row.opt_time("confirmed_at")?,
        SubscriptionStatus::Unsubscribed => row.opt_time("left_at")?,
    };
    Ok(PersonTie {
        newsletter_id: row.int("newsletter_id")?,
        status,
        since: since.unwrap_or(created_at),
        paused_until: row.opt_time("paused_until")?,
    })
}

/// Deliveries have no index of people: each person is looked up in the last issues of what they follow.
async fn last_digests(conn: &mut Conn, people: &mut HashMap<i64, Person>) -> Result<(), DbError> {
    let mut newsletters: Vec<i64> =
        people.values().flat_map(|person| &person.ties).map(|tie| tie.newsletter_id).collect();
    newsletters.sort_unstable();
    newsletters.dedup();
    let mut issues: Vec<i64> = vec![];
    for newsletter_id in newsletters.into_iter().take(20) {
        let rows = sqlx::query(
            "SELECT id FROM issues WHERE newsletter_id = $1 AND addressed_at IS NOT NULL AND shrunk_at IS NULL
             ORDER BY slot_at DESC LIMIT $2",
        )
        .bind(newsletter_id)
        .bind(ISSUES_BACK)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            issues.push(Row::new(row, "issues").int("id")?);
        }
    }
    if issues.is_empty() {
        return Ok(());
    }
    // Each pair is looked up by itself: asked for both lists at once, PostgreSQL reads an issue's deliveries whole.
    let dialect = Dialect::of(conn);
    let (issue, reader) =
        (dialect.rows("$1", &[("id", Kind::Int)]), dialect.rows("$2", &[("id", Kind::Int)]));
    let query = sql(format!(
        "SELECT p.id AS subscriber_id,
             MAX((SELECT d.updated_at FROM deliveries d
                  WHERE d.issue_id = i.id AND d.subscriber_id = p.id AND d.state = 'sent')) AS sent_at
         FROM {issue} AS i CROSS JOIN {reader} AS p GROUP BY p.id"
    ));
    let one = |ids: &[i64]| {
        let rows: Vec<[i64; 1]> = ids.iter().map(|id| [*id]).collect();
        serde_json::to_string(&rows).expect("numbers are JSON")
    };
    let (issues, ids): (_, Vec<i64>) = (one(&issues), people.keys().copied().collect());
    for row in sqlx::query(query).bind(issues).bind(one(&ids)).persistent(false).fetch_all(conn).await? {
        let row = Row::new(&row, "deliveries");
        if let Some(person) = people.get_mut(&row.int("subscriber_id")?) {
            person.last_digest_at = row.opt_time("sent_at")?;
        }
    }
    Ok(())
}
