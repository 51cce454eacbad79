//! The queue of single mails: confirmations, welcomes, goodbyes, notes to editors.
//!
//! The table is the queue's truth: a notice is queued in the transaction of the change that it tells about, claimed
//! by a node, and recorded by the node that holds the claim.

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, Next};

/// A mail to one person, to be queued.
#[derive(Clone, Debug)]
pub struct NewNotice<'n> {
    /// Names the event that it tells about: one event is one mail, whoever notices it and however often.
    pub event: &'n str,
    /// The newsletter that it comes from.
    pub newsletter_id: i64,
    pub email: &'n EmailAddress,
    /// For the `To` header; may be empty.
    pub name: &'n str,
    /// The mail's typed context, JSON.
    pub content: &'n str,
    /// When it is first to be sent; now, but for a mail that waits.
    pub due_at: Timestamp,
}

/// Queues a mail unless one was queued for the same event. Returns whether it was queued.
pub async fn queue(conn: &mut Conn, new: &NewNotice<'_>, now: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO notices (event, newsletter_id, email, name, content, state, not_before, due_at, created_at,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, 'queued', $6, $6, $7, $7)
         ON CONFLICT (event) DO NOTHING",
    )
    .bind(new.event)
    .bind(new.newsletter_id)
    .bind(new.email.as_str())
    .bind(new.name)
    .bind(new.content)
    .bind(new.due_at.millis())
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// When the mail for `event` was queued, where there is one.
pub async fn queued_at(conn: &mut Conn, event: &str) -> Result<Option<Timestamp>, DbError> {
    let row = sqlx::query("SELECT id, created_at FROM notices WHERE event = $1")
        .bind(event)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Row::new(&row, "notices").time("created_at")).transpose()
}

/// A mail in the queue, or one that has left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// When it is, or was, first due.
    pub due_at: Timestamp,
    /// No node has begun to send it.
    pub is_waiting: bool,
    /// The mail's typed context, JSON.
    pub content: String,
}

/// The mail for `event`, where there is one.
pub async fn queued(conn: &mut Conn, event: &str) -> Result<Option<Queued>, DbError> {
    let row = sqlx::query("SELECT id, due_at, state, attempts, content FROM notices WHERE event = $1")
        .bind(event)
        .fetch_optional(conn)
        .await?;
    let found = |row| {
        let row = Row::new(&row, "notices");
        let is_waiting = row.text("state")? == DeliveryState::Queued.as_str() && row.int("attempts")? == 0;
        Ok(Queued { due_at: row.time("due_at")?, is_waiting, content: row.text("content")? })
    };
    row.map(found).transpose()
}

/// Gives the mail for `event` another content in the place of `before`. Returns whether it did: not once a node has begun
/// to send it, nor where somebody else has changed it meanwhile.
pub async fn rewrite(
    conn: &mut Conn,
    event: &str,
    before: &str,
    content: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let result = sqlx::query(
        "UPDATE notices SET content = $2, updated_at = $3
         WHERE event = $1 AND content = $4 AND state = 'queued' AND attempts = 0",
    )
    .bind(event)
    .bind(content)
    .bind(now.millis())
    .bind(before)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// When the last mail was, or is, due that asks the owner of an address for something: to confirm a sign-up, or to have
/// somebody's mails come there.
pub async fn last_asked(conn: &mut Conn, email: &EmailAddress) -> Result<Option<Timestamp>, DbError> {
    let row = sqlx::query(
        "SELECT MAX(due_at) AS due_at FROM notices WHERE email = $1
             AND (event >= 'confirm:' AND event < 'confirm;' OR event >= 'address:' AND event < 'address;')",
    )
    .bind(email.as_str())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "notices").opt_time("due_at")
}

/// Forgets the mails to an address that is a reader's no more: those that have come to their end, and what would still
/// be sent of their subscriptions. What somebody with that address gets as an editor still goes out.
pub async fn forget(conn: &mut Conn, email: &EmailAddress) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM notices WHERE email = $1 AND (state IN ('sent', 'failed')
             OR state IN ('queued', 'deferred') AND (event >= 'again:' AND event < 'again;'
                 OR event >= 'confirm:' AND event < 'confirm;' OR event >= 'goodbye:' AND event < 'goodbye;'
                 OR event >= 'welcome:' AND event < 'welcome;'))",
    )
    .bind(email.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// How the event of a mail begins that goes once it is recorded: its receiver was erased while it was being sent.
const ERASED: &str = "erased:";

/// Forgets the mails to an address, and returns how many of them are being sent at this moment: those go when they are
/// recorded.
pub async fn erase(conn: &mut Conn, email: &EmailAddress) -> Result<i64, DbError> {
    sqlx::query("DELETE FROM notices WHERE email = $1 AND state <> 'claimed'")
        .bind(email.as_str())
        .execute(&mut *conn)
        .await?;
    let left = sqlx::query("UPDATE notices SET event = $2 || CAST(id AS TEXT) WHERE email = $1")
        .bind(email.as_str())
        .bind(ERASED)
        .execute(conn)
        .await?;
    Ok(i64::try_from(left.rows_affected()).unwrap_or(i64::MAX))
}

/// The same for the mails whose event begins so, and ends with a colon: a range of the index.
pub async fn erase_events(conn: &mut Conn, beginning: &str) -> Result<(), DbError> {
    // A semicolon comes behind a colon.
    let end = format!("{};", beginning.trim_end_matches(':'));
    sqlx::query("DELETE FROM notices WHERE event >= $1 AND event < $2 AND state <> 'claimed'")
        .bind(beginning)
        .bind(&end)
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE notices SET event = $3 || CAST(id AS TEXT) WHERE event >= $1 AND event < $2")
        .bind(beginning)
        .bind(end)
        .bind(ERASED)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes at most `limit` mails that came to their end before that time, and returns how many.
pub async fn prune(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<u64, DbError> {
    let result = sqlx::query(
        "DELETE FROM notices WHERE id IN (
             SELECT id FROM notices WHERE state IN ('sent', 'failed') AND updated_at < $1
             ORDER BY updated_at LIMIT $2)",
    )
    .bind(before.millis())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// A mail to somebody that is not a digest, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub content: String,
    pub state: DeliveryState,
    pub detail: Option<String>,
    pub created_at: Timestamp,
}

/// The last `limit` such mails to an address, the newest first.
pub async fn to(conn: &mut Conn, email: &EmailAddress, limit: i64) -> Result<Vec<Told>, DbError> {
    let rows = sqlx::query(
        "SELECT id, content, state, detail, created_at FROM notices WHERE email = $1
         ORDER BY created_at DESC, id DESC LIMIT $2",
    )
    .bind(email.as_str())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let told = |row: &sqlx::any::AnyRow| {
        let row = Row::new(row, "notices");
        Ok(Told {
            content: row.text("content")?,
            state: row.parsed("state", DeliveryState::parse)?,
            detail: row.opt_text("detail")?,
            created_at: row.time("created_at")?,
        })
    };
    rows.iter().map(told).collect()
}

/// A mail that a node has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub id: i64,
    pub event: String,
    pub newsletter_id: i64,
    pub email: EmailAddress,
    pub name: String,
    /// The mail's typed context, JSON.
    pub content: String,
    /// When it was first due.
    pub due_at: Timestamp,
    /// Attempts so far.
    pub attempts: i64,
}

fn notice(row: &sqlx::any::AnyRow) -> Result<Notice, DbError> {
    let row = Row::new(row, "notices");
    Ok(Notice {
        id: row.int("id")?,
        event: row.text("event")?,
        newsletter_id: row.int("newsletter_id")?,
        email: row.address("email")?,
        name: row.text("name")?,
        content: row.text("content")?,
        due_at: row.time("due_at")?,
        attempts: row.int("attempts")?,
    })
}

/// How many mails wait, counted up to `most`.
pub async fn open_count(conn: &mut Conn, most: i64) -> Result<i64, DbError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS count FROM (
             SELECT id FROM notices WHERE state IN ('queued', 'deferred') LIMIT $1) open",
    )
    .bind(most)
    .fetch_one(conn)
    .await?;
    Row::new(&row, "notices").int("count")
}

/// Claims up to `limit` mails that are due for `node`, the oldest first.
///
/// The state is tested again outside the sub-select: without that, two nodes of PostgreSQL can get the same row.
pub async fn claim(conn: &mut Conn, node: &str, now: Timestamp, limit: i64) -> Result<Vec<Notice>, DbError> {
    let skip_locked = Dialect::of(conn).skip_locked();
    let query = sql(format!(
        "UPDATE notices SET state = 'claimed', node = $1, updated_at = $2
         WHERE id IN (
                 SELECT id FROM notices
                 WHERE state IN ('queued', 'deferred') AND not_before <= $2
                 ORDER BY not_before, id
                 LIMIT $3 {skip_locked})
             AND state IN ('queued', 'deferred')
         RETURNING id, event, newsletter_id, email, name, content, due_at, attempts"
    ));
    let rows = sqlx::query(query).bind(node).bind(now.millis()).bind(limit).fetch_all(conn).await?;
    let mut claimed: Vec<Notice> = rows.iter().map(notice).collect::<Result<_, _>>()?;
    // RETURNING promises no order.
    claimed.sort_by_key(|notice| (notice.due_at, notice.id));
    Ok(claimed)
}

/// What one attempt to send a mail led to.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub next: Next,
    /// Attempts so far, this one included where it counts (a relay that is down costs none).
    pub attempts: i64,
    /// What the relay said, for people.
    pub detail: &'a str,
}

/// Records an attempt of the node that holds the claim. The mail goes where its receiver was erased meanwhile.
///
/// # Errors
/// [`DbError::WrongRows`] where `node` does not hold it (any more): another node has taken it over.
pub async fn record(
    conn: &mut Conn,
    node: &str,
    id: i64,
    attempt: &Attempt<'_>,
    now: Timestamp,
) -> Result<(), DbError> {
    let (state, not_before) = match attempt.next {
        Next::Sent => (DeliveryState::Sent, None),
        Next::RetryAt(time) => (DeliveryState::Deferred, Some(time.millis())),
        Next::Fail { .. } => (DeliveryState::Failed, None),
    };
    let row = sqlx::query(
        // A link that lets somebody in is a secret: of a mail with one, only its kind is kept once it is done.
        "UPDATE notices SET state = $1, not_before = COALESCE($2, not_before), attempts = $3, detail = $4,
             node = NULL, updated_at = $5,
             content = CASE WHEN $1 = 'deferred' THEN content
                 WHEN event LIKE 'sign!_in:%' ESCAPE '!' THEN '{\"kind\":\"sign_in\"}'
                 WHEN event LIKE 'invitation:%' THEN '{\"kind\":\"invitation\"}'
                 ELSE content END
         WHERE id = $6 AND state = 'claimed' AND node = $7
         RETURNING id, event",
    )
    .bind(state.as_str())
    .bind(not_before)
    .bind(attempt.attempts)
    .bind(attempt.detail)
    .bind(now.millis())
    .bind(id)
    .bind(node)
    .fetch_optional(&mut *conn)
    .await?;
    let row = row.ok_or(DbError::WrongRows { what: "recording a mail's outcome", rows: 0 })?;
    if Row::new(&row, "notices").text("event")?.starts_with(ERASED) {
        sqlx::query("DELETE FROM notices WHERE id = $1").bind(id).execute(conn).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::newsletters;
    use crate::db::nodes;
    use crate::db::testing::a_newsletter;
    use crate::db::testing::databases;

    const T0: Timestamp = Timestamp::from_millis(1_000_000);

    fn ann() -> EmailAddress {
        EmailAddress::parse("ann@example.org").unwrap()
    }

    fn new<'n>(
        event: &'n str,
        email: &'n EmailAddress,
        newsletter_id: i64,
        due_at: Timestamp,
    ) -> NewNotice<'n> {
        NewNotice { event, newsletter_id, email, name: "Ann", content: "{}", due_at }
    }

    #[tokio::test]
    async fn one_event_is_one_mail() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut conn = test.db.conn().await.unwrap();
            assert!(newsletters::get(&mut conn, newsletter).await.unwrap().is_some());
            let ann = ann();
            assert!(queue(&mut conn, &new("welcome:1", &ann, newsletter, T0), T0).await.unwrap());
            assert!(!queue(&mut conn, &new("welcome:1", &ann, newsletter, T0), T0).await.unwrap());
            let waits = queued(&mut conn, "welcome:1").await.unwrap().unwrap();
            assert_eq!((waits.due_at, waits.is_waiting, waits.content.as_str()), (T0, true, "{}"));
            assert_eq!(queued(&mut conn, "welcome:2").await.unwrap(), None);
            assert!(rewrite(&mut conn, "welcome:1", "{}", "{\"a\":1}", T0).await.unwrap());
            let stale = rewrite(&mut conn, "welcome:1", "{}", "{\"b\":1}", T0).await.unwrap();
            assert!(!stale, "it is another by now");
            let claimed = claim(&mut conn, "a", T0, 10).await.unwrap();
            assert_eq!((claimed.len(), claimed[0].content.as_str()), (1, "{\"a\":1}"));
            let late = rewrite(&mut conn, "welcome:1", "{\"a\":1}", "{}", T0).await.unwrap();
            assert!(!late, "it is being sent");
            assert!(!queued(&mut conn, "welcome:1").await.unwrap().unwrap().is_waiting);
            assert_eq!(to(&mut conn, &ann, 10).await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_mail_is_claimed_once_when_it_is_due_and_the_oldest_first() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut conn = test.db.conn().await.unwrap();
            let ann = ann();
            for (event, due) in [("later", 5), ("second", 2), ("first", 1)] {
                queue(&mut conn, &new(event, &ann, newsletter, T0.plus_millis(due)), T0).await.unwrap();
            }
            assert_eq!(claim(&mut conn, "a", T0, 10).await.unwrap(), []);
            let events = |notices: Vec<Notice>| notices.into_iter().map(|n| n.event).collect::<Vec<_>>();
            let now = T0.plus_millis(3);
            assert_eq!(events(claim(&mut conn, "a", now, 1).await.unwrap()), ["first"]);
            assert_eq!(events(claim(&mut conn, "b", now, 10).await.unwrap()), ["second"]);
            assert_eq!(claim(&mut conn, "c", now, 10).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn only_the_node_that_holds_the_claim_records_it() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut conn = test.db.conn().await.unwrap();
            let ann = ann();
            queue(&mut conn, &new("one", &ann, newsletter, T0), T0).await.unwrap();
            let id = claim(&mut conn, "a", T0, 10).await.unwrap()[0].id;
            let sent = Attempt { next: Next::Sent, attempts: 1, detail: "250 ok" };
            let refused = record(&mut conn, "b", id, &sent, T0).await;
            assert!(matches!(refused, Err(DbError::WrongRows { rows: 0, .. })));

            let later = T0.plus_millis(60_000);
            let deferred = Attempt { next: Next::RetryAt(later), attempts: 1, detail: "451 later" };
            record(&mut conn, "a", id, &deferred, T0).await.unwrap();
            assert_eq!(claim(&mut conn, "a", T0, 10).await.unwrap(), []);
            let again = claim(&mut conn, "b", later, 10).await.unwrap();
            assert_eq!((again[0].id, again[0].attempts, again[0].due_at), (id, 1, T0));
            record(&mut conn, "b", id, &sent, later).await.unwrap();
            let twice = record(&mut conn, "b", id, &sent, later).await;
            assert!(twice.is_err(), "what is sent is not recorded again");
            assert_eq!(claim(&mut conn, "b", later.plus_millis(1 << 40), 10).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn the_secret_of_a_link_is_not_kept_once_its_mail_is_done() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut conn = test.db.conn().await.unwrap();
            let ann = ann();
            for event in ["sign_in:1", "invitation:2", "signs_in:3"] {
                queue(&mut conn, &new(event, &ann, newsletter, T0), T0).await.unwrap();
            }
            let content = async |conn: &mut Conn, event| queued(conn, event).await.unwrap().unwrap().content;
            let secret = content(&mut conn, "sign_in:1").await;
            let ids: Vec<i64> =
                claim(&mut conn, "a", T0, 10).await.unwrap().iter().map(|notice| notice.id).collect();
            let deferred = Attempt { next: Next::RetryAt(T0), attempts: 1, detail: "451 later" };
            record(&mut conn, "a", ids[0], &deferred, T0).await.unwrap();
            assert_eq!(content(&mut conn, "sign_in:1").await, secret, "it is sent yet");
            claim(&mut conn, "a", T0, 10).await.unwrap();
            let sent = Attempt { next: Next::Sent, attempts: 2, detail: "250 ok" };
            for id in ids {
                record(&mut conn, "a", id, &sent, T0).await.unwrap();
            }
            assert_eq!(content(&mut conn, "sign_in:1").await, r#"{"kind":"sign_in"}"#);
            assert_eq!(content(&mut conn, "invitation:2").await, r#"{"kind":"invitation"}"#);
            assert_eq!(content(&mut conn, "signs_in:3").await, secret);
        }
    }

    #[tokio::test]
    async fn what_a_node_gives_back_another_takes() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut conn = test.db.conn().await.unwrap();
            let ann = ann();
            for event in ["one", "two"] {
                queue(&mut conn, &new(event, &ann, newsletter, T0), T0).await.unwrap();
            }
            claim(&mut conn, "a", T0, 10).await.unwrap();
            assert_eq!(nodes::release_all_but(&mut conn, "notices", "b", &[]).await.unwrap(), 0);
            assert_eq!(nodes::release_all_but(&mut conn, "notices", "a", &[]).await.unwrap(), 2);
            assert_eq!(claim(&mut conn, "b", T0, 10).await.unwrap().len(), 2);
        }
    }

    #[tokio::test]
    async fn workers_side_by_side_never_get_the_same_mail() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let ann = ann();
            let mut tx = test.db.begin().await.unwrap();
            for number in 0..200 {
                queue(&mut tx, &new(&format!("event:{number}"), &ann, newsletter, T0), T0).await.unwrap();
            }
            tx.commit().await.unwrap();
            let workers = (0..4).map(|worker| {
                let db = test.db.clone();
                tokio::spawn(async move {
                    let mut ids = vec![];
                    loop {
                        let mut conn = db.conn().await.unwrap();
                        let claimed = claim(&mut conn, &format!("node-{worker}"), T0, 7).await.unwrap();
                        if claimed.is_empty() {
                            return ids;
                        }
                        ids.extend(claimed.into_iter().map(|notice| notice.id));
                    }
                })
            });
            let mut ids: Vec<i64> =
                futures_util::future::join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
            ids.sort_unstable();
            let count = ids.len();
            ids.dedup();
            assert_eq!((ids.len(), count), (200, 200));
        }
    }
}
