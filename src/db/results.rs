//! What became of issues: how far one is, how it ended, who did not get it, who left since.

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::db::articles::json;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::IssueState;
use crate::domain::subscription::SuppressionReason;

/// When an issue was addressed, and when it ended.
pub async fn times(
    conn: &mut Conn,
    issue_id: i64,
) -> Result<(Option<Timestamp>, Option<Timestamp>), DbError> {
    let query = sqlx::query("SELECT id, addressed_at, finished_at FROM issues WHERE id = $1");
    let Some(row) = query.bind(issue_id).fetch_optional(conn).await? else { return Ok((None, None)) };
    let row = Row::new(&row, "issues");
    Ok((row.opt_time("addressed_at")?, row.opt_time("finished_at")?))
}

/// How an issue ended: how many messages the relay took, how many failed, and how many were not to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub sent: i64,
    pub failed: i64,
    pub skipped: i64,
}

/// Keeps how an issue ended; what was kept before is replaced.
pub async fn keep_totals(conn: &mut Conn, issue_id: i64, totals: Totals) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO issue_totals (issue_id, sent, failed, skipped) VALUES ($1, $2, $3, $4)
         ON CONFLICT (issue_id) DO UPDATE SET sent = excluded.sent, failed = excluded.failed, skipped = excluded.skipped",
    )
    .bind(issue_id)
    .bind(totals.sent)
    .bind(totals.failed)
    .bind(totals.skipped)
    .execute(conn)
    .await?;
    Ok(())
}

/// Issues that were cancelled while they went out, and of which nobody kept how they ended: nothing of theirs is on its
/// way any more.
pub async fn cancelled_and_uncounted(conn: &mut Conn) -> Result<Vec<i64>, DbError> {
    let rows = sqlx::query(
        "SELECT i.id FROM issues i WHERE i.state = 'cancelled' AND i.addressed_at IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM issue_totals t WHERE t.issue_id = i.id)
             AND NOT EXISTS (SELECT 1 FROM deliveries d
                 WHERE d.issue_id = i.id AND d.state IN ('queued', 'claimed', 'deferred'))",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Row::new(row, "issues").int("id")).collect()
}

/// An issue in the chart over issues.
#[derive(Clone, Debug)]
pub struct Past {
    pub id: i64,
    pub number: i64,
    pub slot_at: Timestamp,
    pub state: IssueState,
    /// None where nothing was kept yet.
    pub totals: Option<Totals>,
    /// How many readers followed a link of it; none where that was not measured.
    pub clicked: Option<i64>,
}

/// The issues of a schedule that went out, and those for every reader, up to one with this slot, the latest first. No
/// schedule: all of the newsletter.
pub async fn past(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
    up_to: Timestamp,
    limit: i64,
) -> Result<Vec<Past>, DbError> {
    let query = sqlx::query(
        "SELECT i.id, i.number, i.slot_at, i.state, t.sent, t.failed, t.skipped,
             CASE WHEN i.measure <> 'nothing' THEN COALESCE(v.people, 0) END AS clicked
         FROM issues i
         LEFT JOIN issue_totals t ON t.issue_id = i.id
         LEFT JOIN issue_visits v ON v.issue_id = i.id AND v.link = 0
         WHERE i.newsletter_id = $1 AND i.slot_at <= $2 AND i.addressed_at IS NOT NULL
             AND ($4 = 0 OR i.schedule_id IS NULL OR i.schedule_id = $4)
         ORDER BY i.slot_at DESC, i.id DESC LIMIT $3",
    );
    let query = query.bind(newsletter_id).bind(up_to.millis()).bind(limit).bind(schedule_id.unwrap_or(0));
    let rows = query.fetch_all(conn).await?;
    let past = |row| {
        let row = Row::new(row, "issues");
        let (sent, failed, skipped) = (row.opt_int("sent")?, row.opt_int("failed")?, row.opt_int("skipped")?);
        Ok(Past {
            id: row.int("id")?,
            number: row.int("number")?,
            slot_at: row.time("slot_at")?,
            state: row.parsed("state", IssueState::parse)?,
            totals: sent.zip(failed).zip(skipped).map(|((sent, failed), skipped)| Totals {
                sent,
                failed,
                skipped,
            }),
            clicked: row.opt_int("clicked")?,
        })
    };
    rows.iter().map(past).collect()
}

/// When the next issue after this time was addressed, if one was, that readers of the schedule got. No schedule: any of
/// the newsletter.
pub async fn next_addressed(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
    after: Timestamp,
) -> Result<Option<Timestamp>, DbError> {
    let row = sqlx::query(
        "SELECT MIN(addressed_at) AS addressed_at FROM issues
         WHERE newsletter_id = $1 AND addressed_at > $2 AND ($3 = 0 OR schedule_id IS NULL OR schedule_id = $3)",
    )
    .bind(newsletter_id)
    .bind(after.millis())
    .bind(schedule_id.unwrap_or(0))
    .fetch_one(conn)
    .await?;
    Row::new(&row, "issues").opt_time("addressed_at")
}

/// How many readers of a schedule left its newsletter within a time, by what they gave as the reason, most first. No
/// schedule: of all. Who has come back since is not counted.
pub async fn left(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(Option<String>, i64)>, DbError> {
    let query = sqlx::query(
        "SELECT left_reason, COUNT(*) AS count FROM subscriptions
         WHERE newsletter_id = $1 AND left_at >= $2 AND left_at < $3 AND left_at IS NOT NULL
             AND ($4 = 0 OR schedule_id = $4 OR (schedule_id IS NULL
                  AND $4 = (SELECT MIN(id) FROM schedules WHERE newsletter_id = $1)))
         GROUP BY left_reason ORDER BY COUNT(*) DESC, left_reason LIMIT 20",
    );
    let query = query.bind(newsletter_id).bind(from.millis()).bind(until.millis());
    // Planned each time: how many left, or bounced, differs by what the times are.
    let rows = query.bind(schedule_id.unwrap_or(0)).persistent(false).fetch_all(conn).await?;
    let group = |row| {
        let row = Row::new(row, "subscriptions");
        Ok((row.opt_text("left_reason")?, row.int("count")?))
    };
    rows.iter().map(group).collect()
}

/// Readers who had an issue, and whose address was suppressed for it later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    pub bounced: i64,
    pub complained: i64,
}

/// Few addresses are suppressed in the time of one issue; each is looked up in it. SQLite joins in this order because
/// of CROSS: without, it looks each of a million deliveries up in the suppressions, which takes half a second.
pub(super) const LATE: &str = "SELECT x.reason, COUNT(*) AS count
     FROM suppressions x CROSS JOIN subscribers p CROSS JOIN deliveries d
     WHERE x.reason IN ('bounced', 'complained') AND x.created_at >= $2 AND x.created_at < $3
         AND p.email_hash = x.email_hash AND d.issue_id = $1 AND d.subscriber_id = p.id
         AND d.state = 'sent' AND d.updated_at <= x.created_at
     GROUP BY x.reason";

/// How many readers of an issue bounced or complained after they had it, within a time; as it was kept, where it was.
pub async fn late(
    conn: &mut Conn,
    issue_id: i64,
    from: Timestamp,
    until: Timestamp,
) -> Result<Late, DbError> {
    if let Some(kept) = kept_late(conn, issue_id).await? {
        return Ok(kept);
    }
    let query = sqlx::query(LATE).bind(issue_id).bind(from.millis()).bind(until.millis());
    let rows = query.persistent(false).fetch_all(conn).await?;
    let mut late = Late::default();
    for row in &rows {
        let row = Row::new(row, "suppressions");
        match row.parsed("reason", SuppressionReason::parse)? {
            SuppressionReason::Complained => late.complained = row.int("count")?,
            _ => late.bounced = row.int("count")?,
        }
    }
    Ok(late)
}

/// The same as it was kept; none where it was not.
pub async fn kept_late(conn: &mut Conn, issue_id: i64) -> Result<Option<Late>, DbError> {
    let row =
        sqlx::query("SELECT issue_id AS id, bounced_later, complained FROM issue_totals WHERE issue_id = $1")
            .bind(issue_id)
            .fetch_optional(conn)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let row = Row::new(&row, "issue_totals");
    let kept = row.opt_int("bounced_later")?.zip(row.opt_int("complained")?);
    Ok(kept.map(|(bounced, complained)| Late { bounced, complained }))
}

/// Keeps it beside the totals, which are there.
pub async fn keep_late(conn: &mut Conn, issue_id: i64, late: Late) -> Result<(), DbError> {
    let result =
        sqlx::query("UPDATE issue_totals SET bounced_later = $2, complained = $3 WHERE issue_id = $1")
            .bind(issue_id)
            .bind(late.bounced)
            .bind(late.complained)
            .execute(conn)
            .await?;
    one_row("keeping who bounced and complained", &result)
}

/// A delivery that failed, or that waits for another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// None where the reader was erased since.
    pub email: Option<String>,
    pub state: String,
    pub reason: Option<String>,
    /// What the relay said.
    pub detail: Option<String>,
    pub at: Timestamp,
}

pub(super) const FAILED: &str = "SELECT id, subscriber_id, state, reason, detail, updated_at FROM deliveries
    WHERE issue_id = $1 AND state IN ('failed', 'deferred') ORDER BY updated_at DESC, id DESC LIMIT $2";

/// The latest deliveries of an issue that failed or were put off.
pub async fn failures(conn: &mut Conn, issue_id: i64, limit: i64) -> Result<Vec<Failure>, DbError> {
    let query = sql(format!(
        "SELECT d.id, d.state, d.reason, d.detail, d.updated_at, p.email FROM ({FAILED}) d
         LEFT JOIN subscribers p ON p.id = d.subscriber_id
         ORDER BY d.updated_at DESC, d.id DESC"
    ));
    let rows = sqlx::query(query).bind(issue_id).bind(limit).fetch_all(conn).await?;
    let failure = |row| {
        let row = Row::new(row, "deliveries");
        Ok(Failure {
            email: row.opt_text("email")?,
            state: row.text("state")?,
            reason: row.opt_text("reason")?,
            detail: row.opt_text("detail")?,
            at: row.time("updated_at")?,
        })
    };
    rows.iter().map(failure).collect()
}

/// An article that readers of the same schedule were sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentBefore {
    pub article_id: i64,
    /// The issue that it was in.
    pub issue_id: i64,
    pub number: i64,
    pub slot_at: Timestamp,
    /// It goes out, or has gone out; else its content waits for that.
    pub is_out: bool,
}

/// Which of these articles another frozen issue of the schedule (none: of a newsletter without one) held.
pub async fn sent_before(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
    issue_id: i64,
    article_ids: &[i64],
) -> Result<Vec<SentBefore>, DbError> {
    let list = Dialect::of(conn).list("$4");
    let query = sql(format!(
        "SELECT x.article_id, i.id, i.number, i.slot_at, i.state
         FROM issue_articles x JOIN issues i ON i.id = x.issue_id
         WHERE x.article_id IN {list} AND i.id <> $3 AND i.newsletter_id = $1 AND COALESCE(i.schedule_id, 0) = $2
           AND i.state IN ('frozen', 'approved', 'sending', 'paused', 'sent')
         ORDER BY i.slot_at DESC, i.id DESC, x.position LIMIT 100"
    ));
    let rows = sqlx::query(query)
        .bind(newsletter_id)
        .bind(schedule_id.unwrap_or(0))
        .bind(issue_id)
        .bind(json(&article_ids))
        .fetch_all(conn)
        .await?;
    let before = |row| {
        let row = Row::new(row, "issues");
        Ok(SentBefore {
            article_id: row.int("article_id")?,
            issue_id: row.int("id")?,
            number: row.int("number")?,
            slot_at: row.time("slot_at")?,
            is_out: !matches!(
                row.parsed("state", IssueState::parse)?,
                IssueState::Frozen | IssueState::Approved
            ),
        })
    };
    rows.iter().map(before).collect()
}

/// How many test mails somebody sent since then, as the audit log has it.
pub async fn tests_since(conn: &mut Conn, user_id: i64, since: Timestamp) -> Result<i64, DbError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS count FROM audit WHERE user_id = $1 AND action = 'issue.test' AND denied = 0 AND at > $2",
    )
    .bind(user_id)
    .bind(since.millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "audit").int("count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{a_newsletter, databases};

    #[tokio::test]
    async fn who_leaves_counts_for_the_schedule_that_they_followed() {
        for test in databases().await {
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut conn = test.db.conn().await.unwrap();
            for statement in [
                "INSERT INTO schedules (id, newsletter_id, name, recurrence, at_minute, timezone, starts_at)
                 VALUES (1, 1, 'daily', 'daily', 420, 'UTC', 0), (2, 1, 'weekly', 'mon', 480, 'UTC', 0)",
                "INSERT INTO issues (id, newsletter_id, schedule_id, number, slot_at, slot_date, cutoff_at, state, created_at,
                     addressed_at)
                 VALUES (1, 1, 1, 1, 100, '2026-01-01', 100, 'sent', 0, 100),
                     (2, 1, 2, 2, 101, '2026-01-01', 101, 'sent', 0, 101),
                     (3, 1, 1, 3, 500, '2026-01-02', 500, 'sent', 0, 500)",
                "INSERT INTO subscribers (id, email, email_hash, name, created_at, updated_at)
                 VALUES (1, 'a@b.example', 'a', '', 0, 0), (2, 'b@b.example', 'b', '', 0, 0),
                     (3, 'c@b.example', 'c', '', 0, 0)",
                "INSERT INTO subscriptions (newsletter_id, subscriber_id, schedule_id, status, topics, left_at, left_reason,
                     created_at, updated_at)
                 VALUES (1, 1, NULL, 'unsubscribed', 0, 200, 'link', 0, 0),
                     (1, 2, 2, 'unsubscribed', 0, 600, 'one-click', 0, 0), (1, 3, 1, 'unsubscribed', 0, 600, NULL, 0, 0)",
            ] {
                sqlx::query(statement).execute(&mut *conn).await.unwrap();
            }
            let at = Timestamp::from_millis;
            let next = async |conn: &mut Conn, schedule, from| {
                next_addressed(conn, newsletter, schedule, at(from)).await.unwrap().map(Timestamp::millis)
            };
            assert_eq!(next(&mut conn, Some(1), 100).await, Some(500));
            assert_eq!(next(&mut conn, Some(2), 101).await, None);
            assert_eq!(next(&mut conn, None, 100).await, Some(101));
            let gone = async |conn: &mut Conn, schedule, from, until| {
                left(conn, newsletter, schedule, at(from), at(until)).await.unwrap()
            };
            let (link, one_click) = ((Some("link".to_owned()), 1), (Some("one-click".to_owned()), 1));
            assert_eq!(gone(&mut conn, Some(1), 100, 500).await, [link]);
            assert_eq!(gone(&mut conn, Some(1), 500, 900).await, [(None, 1)]);
            assert_eq!(gone(&mut conn, Some(2), 101, 900).await, [one_click]);
            assert_eq!(gone(&mut conn, None, 100, 900).await.len(), 3);
            let numbers = async |conn: &mut Conn, schedule| {
                let past = past(conn, newsletter, schedule, at(900), 9).await.unwrap();
                past.iter().map(|issue| issue.number).collect::<Vec<_>>()
            };
            assert_eq!(numbers(&mut conn, Some(1)).await, [3, 1]);
            assert_eq!(numbers(&mut conn, None).await, [3, 2, 1]);
        }
    }
}
