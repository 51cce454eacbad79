//! Issues: drafts that fill, frozen content, and the states in between.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::articles::json;
use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::measuring::Measure;

pub(super) const COLUMNS: &str = "id, newsletter_id, schedule_id, number, slot_at, slot_date, edition, cutoff_at, state, \
                                  reason, held, pauses, at_once, introduction, subject, preheader, addressed_at, edited, \
                                  version, frozen_at, measure, moved_from";

pub(super) fn issue(row: &sqlx::any::AnyRow) -> Result<Issue, DbError> {
    let row = Row::new(row, "issues");
    Ok(Issue {
        id: row.int("id")?,
        newsletter_id: row.int("newsletter_id")?,
        schedule_id: row.opt_int("schedule_id")?,
        number: row.int("number")?,
        slot_at: row.time("slot_at")?,
        slot_date: row.parsed("slot_date", |text| text.parse().ok())?,
        edition: row.int("edition")?,
        cutoff_at: row.time("cutoff_at")?,
        moved_from: row.opt_time("moved_from")?,
        state: row.parsed("state", IssueState::parse)?,
        reason: row.opt_text("reason")?,
        held: row.flag("held")?,
        pauses: row.int("pauses")?,
        at_once: row.flag("at_once")?,
        introduction: row.text("introduction")?,
        subject: row.opt_text("subject")?,
        preheader: row.opt_text("preheader")?,
        edited: row.flag("edited")?,
        version: row.int("version")?,
        frozen_at: row.opt_time("frozen_at")?,
        measure: row.parsed("measure", Measure::parse)?,
    })
}

/// A new draft's place in time.
#[derive(Clone, Copy, Debug)]
pub struct NewDraft {
    pub newsletter_id: i64,
    pub schedule_id: Option<i64>,
    pub slot_at: Timestamp,
    pub slot_date: NaiveDate,
    pub cutoff_at: Timestamp,
}

/// Makes the draft for a slot; none where the schedule has an issue for that day already (another node was first).
pub async fn insert_draft(conn: &mut Conn, draft: &NewDraft, now: Timestamp) -> Result<Option<i64>, DbError> {
    let row = sqlx::query(
        "INSERT INTO issues (newsletter_id, schedule_id, slot_at, slot_date, cutoff_at, state, created_at)
         VALUES ($1, $2, $3, $4, $5, 'draft', $6)
         ON CONFLICT (schedule_id, slot_date, edition) DO NOTHING
         RETURNING id",
    )
    .bind(draft.newsletter_id)
    .bind(draft.schedule_id)
    .bind(draft.slot_at.millis())
    .bind(draft.slot_date.to_string())
    .bind(draft.cutoff_at.millis())
    .bind(now.millis())
    .fetch_optional(conn)
    .await?;
    row.map(|row| Row::new(&row, "issues").int("id")).transpose()
}

/// Moves a draft to another slot; on a day whose regular issue exists it becomes an extra edition.
pub async fn move_draft(
    conn: &mut Conn,
    id: i64,
    slot_at: Timestamp,
    slot_date: NaiveDate,
    cutoff_at: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE issues SET slot_at = $2, slot_date = $3, cutoff_at = $4, moved_from = NULL,
             edition = (SELECT COALESCE(MAX(o.edition) + 1, 0) FROM issues o
                        WHERE o.schedule_id = issues.schedule_id AND o.slot_date = $3 AND o.id <> issues.id)
         WHERE id = $1 AND state = 'draft'",
    )
    .bind(id)
    .bind(slot_at.millis())
    .bind(slot_date.to_string())
    .bind(cutoff_at.millis())
    .execute(conn)
    .await?;
    one_row("moving a draft", &result)
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Issue>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM issues WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(issue).transpose()
}

/// The issues in these states, by slot.
pub async fn in_states(conn: &mut Conn, states: &[IssueState]) -> Result<Vec<Issue>, DbError> {
    let names: Vec<String> = states.iter().map(|state| format!("'{}'", state.as_str())).collect();
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE state IN ({}) ORDER BY slot_at, id",
        names.join(", ")
    ));
    sqlx::query(query).fetch_all(conn).await?.iter().map(issue).collect()
}

/// The issues whose slot lies in a time (the end not counted), by slot.
pub async fn between(
    conn: &mut Conn,
    from: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Issue>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE slot_at >= $1 AND slot_at < $2 ORDER BY slot_at, id LIMIT $3"
    ));
    let rows =
        sqlx::query(query).bind(from.millis()).bind(until.millis()).bind(limit).fetch_all(conn).await?;
    rows.iter().map(issue).collect()
}

/// A newsletter's issues (or everybody's), the latest slot first.
pub async fn list(conn: &mut Conn, newsletter_id: Option<i64>, limit: i64) -> Result<Vec<Issue>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE newsletter_id = $1 OR $2 = 1 ORDER BY slot_at DESC, id DESC LIMIT $3"
    ));
    let rows = sqlx::query(query)
        .bind(newsletter_id.unwrap_or(0))
        .bind(i64::from(newsletter_id.is_none()))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(issue).collect()
}

/// A page of these newsletters' issues, the latest slot first: those behind `from` in that order, or before it where
/// `is_newer`, up to `limit`.
pub async fn page(
    conn: &mut Conn,
    newsletters: &[i64],
    from: Option<(Timestamp, i64)>,
    is_newer: bool,
    limit: i64,
) -> Result<Vec<Issue>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let (side, order) = if is_newer { (">", "ASC") } else { ("<", "DESC") };
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE newsletter_id IN {list} AND (slot_at, id) {side} ($2, $3)
         ORDER BY slot_at {order}, id {order} LIMIT $4"
    ));
    let start =
        if is_newer { (Timestamp::from_millis(i64::MIN), 0) } else { (Timestamp::from_millis(i64::MAX), 0) };
    let (slot, id) = from.unwrap_or(start);
    let rows = sqlx::query(query)
        .bind(json(&newsletters))
        .bind(slot.millis())
        .bind(id)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let mut issues = rows.iter().map(issue).collect::<Result<Vec<_>, _>>()?;
    if is_newer {
        issues.reverse();
    }
    Ok(issues)
}

/// How many articles each of these issues holds.
pub async fn article_counts(conn: &mut Conn, ids: &[i64]) -> Result<HashMap<i64, i64>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!(
        "SELECT issue_id, COUNT(*) AS count FROM issue_articles WHERE issue_id IN {list} GROUP BY issue_id"
    ));
    let rows = sqlx::query(query).bind(json(&ids)).fetch_all(conn).await?;
    let count = |row| {
        let row = Row::new(row, "issue_articles");
        Ok((row.int("issue_id")?, row.int("count")?))
    };
    rows.iter().map(count).collect()
}

/// The first headlines of each of these issues, as the mail has them, in order.
pub async fn headlines(
    conn: &mut Conn,
    ids: &[i64],
    most: i64,
) -> Result<HashMap<i64, Vec<String>>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!(
        "SELECT i.issue_id, COALESCE(i.headline, a.title) AS headline
         FROM (SELECT issue_id, article_id, headline, position,
                      ROW_NUMBER() OVER (PARTITION BY issue_id ORDER BY position) AS place
               FROM issue_articles WHERE issue_id IN {list}) i
         JOIN articles a ON a.id = i.article_id
         WHERE i.place <= $2 ORDER BY i.issue_id, i.position"
    ));
    let rows = sqlx::query(query).bind(json(&ids)).bind(most).fetch_all(conn).await?;
    let mut headlines: HashMap<i64, Vec<String>> = HashMap::new();
    for row in &rows {
        let row = Row::new(row, "issue_articles");
        headlines.entry(row.int("issue_id")?).or_default().push(row.text("headline")?);
    }
    Ok(headlines)
}

/// The latest issue of a schedule (none: of a newsletter without one) that has come to its end.
pub async fn last_ended(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
) -> Result<Option<Issue>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues
         WHERE newsletter_id = $1 AND COALESCE(schedule_id, 0) = $2 AND state IN ('sent', 'cancelled', 'skipped')
         ORDER BY slot_at DESC, id DESC LIMIT 1"
    ));
    let query = sqlx::query(query).bind(newsletter_id).bind(schedule_id.unwrap_or(0));
    query.fetch_optional(conn).await?.as_ref().map(issue).transpose()
}

/// The draft of a schedule (none: of a newsletter without one), if there is one.
pub async fn draft_of(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
) -> Result<Option<Issue>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE newsletter_id = $1 AND COALESCE(schedule_id, 0) = $2 AND state = 'draft'
         ORDER BY slot_at LIMIT 1"
    ));
    let row =
        sqlx::query(query).bind(newsletter_id).bind(schedule_id.unwrap_or(0)).fetch_optional(conn).await?;
    row.as_ref().map(issue).transpose()
}

/// A newsletter's drafts, the first slot first.
pub async fn drafts_of(conn: &mut Conn, newsletter_id: i64) -> Result<Vec<Issue>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE newsletter_id = $1 AND state = 'draft' ORDER BY slot_at, id"
    ));
    sqlx::query(query).bind(newsletter_id).fetch_all(conn).await?.iter().map(issue).collect()
}

/// What is still to go out on a schedule, by slot; and what was approved for every reader of the newsletter.
pub async fn to_come(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
) -> Result<Vec<Issue>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM issues
         WHERE newsletter_id = $1 AND state IN ('draft', 'frozen', 'approved')
           AND (schedule_id = $2 OR (schedule_id IS NULL AND state = 'approved'))
         ORDER BY slot_at, id"
    ));
    let rows = sqlx::query(query).bind(newsletter_id).bind(schedule_id.unwrap_or(0)).fetch_all(conn).await?;
    rows.iter().map(issue).collect()
}

/// What a schedule's next slot must come after: the date and instant of its latest regular issue that is no longer a
/// draft.
pub async fn last_slot(conn: &mut Conn, schedule_id: i64) -> Result<Option<(Timestamp, NaiveDate)>, DbError> {
    let row = sqlx::query(
        "SELECT id, slot_at, slot_date FROM issues WHERE schedule_id = $1 AND edition = 0 AND state <> 'draft'
         ORDER BY slot_date DESC LIMIT 1",
    )
    .bind(schedule_id)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let row = Row::new(&row, "issues");
        Ok((row.time("slot_at")?, row.parsed("slot_date", |text| text.parse().ok())?))
    })
    .transpose()
}

/// When content last froze on a schedule for an issue that was not skipped.
pub async fn last_frozen(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
) -> Result<Option<Timestamp>, DbError> {
    let row = sqlx::query(
        "SELECT MAX(frozen_at) AS frozen_at FROM issues
         WHERE newsletter_id = $1 AND COALESCE(schedule_id, 0) = $2 AND state NOT IN ('draft', 'skipped', 'cancelled')",
    )
    .bind(newsletter_id)
    .bind(schedule_id.unwrap_or(0))
    .fetch_one(conn)
    .await?;
    Row::new(&row, "issues").opt_time("frozen_at")
}

/// The slot of a schedule's first issue, whatever became of it.
pub async fn first_slot(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
) -> Result<Option<Timestamp>, DbError> {
    let row = sqlx::query(
        "SELECT MIN(slot_at) AS slot_at FROM issues WHERE newsletter_id = $1 AND COALESCE(schedule_id, 0) = $2",
    )
    .bind(newsletter_id)
    .bind(schedule_id.unwrap_or(0))
    .fetch_one(conn)
    .await?;
    Row::new(&row, "issues").opt_time("slot_at")
}

/// Puts these articles into a draft, in this order; returns whether anything changed.
pub async fn fill(conn: &mut Conn, issue_id: i64, article_ids: &[i64]) -> Result<bool, DbError> {
    let rows = sqlx::query("SELECT article_id FROM issue_articles WHERE issue_id = $1 ORDER BY position")
        .bind(issue_id)
        .fetch_all(&mut *conn)
        .await?;
    let there = rows
        .iter()
        .map(|row| Row::new(row, "issue_articles").int("article_id"))
        .collect::<Result<Vec<_>, _>>()?;
    if there == article_ids {
        return Ok(false);
    }
    let gone: Vec<i64> = there.into_iter().filter(|id| !article_ids.contains(id)).collect();
    let gone_list = Dialect::of(conn).list("$2");
    let remove = sql(format!("DELETE FROM issue_articles WHERE issue_id = $1 AND article_id IN {gone_list}"));
    sqlx::query(remove).bind(issue_id).bind(json(&gone)).execute(&mut *conn).await?;
    for (position, article_id) in (0_i64..).zip(article_ids) {
        // What an editor wrote for the mail stays with an article that stays; headings are an editor's order.
        sqlx::query(
            "INSERT INTO issue_articles (issue_id, article_id, position) VALUES ($1, $2, $3)
             ON CONFLICT (issue_id, article_id) DO UPDATE SET position = excluded.position, heading = NULL",
        )
        .bind(issue_id)
        .bind(*article_id)
        .bind(position)
        .execute(&mut *conn)
        .await?;
    }
    super::tallies::forget_audience(conn, issue_id).await?;
    Ok(true)
}

/// Freezes a draft: what is sent from now on is `content`.
pub async fn freeze(
    conn: &mut Conn,
    id: i64,
    number: i64,
    content: &IssueContent,
    now: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE issues SET state = 'frozen', number = $2, content = $3, frozen_at = $4
         WHERE id = $1 AND state = 'draft'",
    )
    .bind(id)
    .bind(number)
    .bind(json(content))
    .bind(now.millis())
    .execute(conn)
    .await?;
    one_row("freezing an issue", &result)
}

/// Gives a frozen issue, which an editor changed, other content; it keeps its number.
pub async fn freeze_again(conn: &mut Conn, id: i64, content: &IssueContent) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE issues SET content = $2 WHERE id = $1 AND state = 'frozen'");
    one_row("changing a frozen issue", &query.bind(id).bind(json(content)).execute(conn).await?)
}

/// The content of a frozen issue; none before it is frozen.
pub async fn content(conn: &mut Conn, id: i64) -> Result<Option<IssueContent>, DbError> {
    let row =
        sqlx::query("SELECT id, content FROM issues WHERE id = $1").bind(id).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    Row::new(&row, "issues").opt_parsed("content", |text| serde_json::from_str(text).ok())
}

/// Moves an issue from one state to the next; false where it is no longer in `from` (somebody else moved it).
pub async fn advance(
    conn: &mut Conn,
    id: i64,
    from: IssueState,
    to: IssueState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let result = sqlx::query(
        "UPDATE issues SET state = $3, reason = $4,
             pauses = CASE WHEN $3 = 'paused' THEN pauses + 1 ELSE pauses END,
             approved_at = CASE WHEN $3 = 'approved' THEN $5 ELSE approved_at END,
             addressed_at = CASE WHEN $3 = 'sending' THEN COALESCE(addressed_at, $5) ELSE addressed_at END,
             finished_at = CASE WHEN $3 IN ('sent', 'cancelled', 'skipped') THEN $5 ELSE finished_at END
         WHERE id = $1 AND state = $2",
    )
    .bind(id)
    .bind(from.as_str())
    .bind(to.as_str())
    .bind(reason)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Holds an issue back, or lets it go again.
pub async fn set_held(conn: &mut Conn, id: i64, held: bool, reason: Option<&str>) -> Result<(), DbError> {
    let result = sqlx::query("UPDATE issues SET held = $2, reason = $3 WHERE id = $1")
        .bind(id)
        .bind(i64::from(held))
        .bind(reason)
        .execute(conn)
        .await?;
    one_row("holding an issue", &result)
}

/// Reads an issue and keeps others from changing it until the transaction ends.
pub async fn lock(conn: &mut Conn, id: i64) -> Result<Option<Issue>, DbError> {
    let query = sql(format!("UPDATE issues SET state = state WHERE id = $1 RETURNING {COLUMNS}"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(issue).transpose()
}

/// Forgets issues of a schedule that were skipped before their content would freeze, as a clock that was ahead for a
/// while leaves them: their slots are to come, and nothing was ever written about them.
pub async fn forget_skipped_ahead(conn: &mut Conn, schedule_id: i64, now: Timestamp) -> Result<u64, DbError> {
    const AHEAD: &str = "schedule_id = $1 AND state = 'skipped' AND frozen_at IS NULL AND cutoff_at > $2";
    for table in ["issue_articles", "issue_history", "issue_tallies"] {
        let theirs =
            sql(format!("DELETE FROM {table} WHERE issue_id IN (SELECT id FROM issues WHERE {AHEAD})"));
        sqlx::query(theirs).bind(schedule_id).bind(now.millis()).execute(&mut *conn).await?;
    }
    let issues = sql(format!("DELETE FROM issues WHERE {AHEAD}"));
    Ok(sqlx::query(issues).bind(schedule_id).bind(now.millis()).execute(conn).await?.rows_affected())
}

/// Notes something for the editors about an issue that is going out, such as a relay that is down; none clears it.
pub async fn set_reason(conn: &mut Conn, id: i64, reason: Option<&str>) -> Result<(), DbError> {
    sqlx::query("UPDATE issues SET reason = $2 WHERE id = $1 AND state = 'sending'")
        .bind(id)
        .bind(reason)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says that an issue goes out as soon as it is addressed, whatever hours readers chose.
pub async fn set_at_once(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE issues SET at_once = 1 WHERE id = $1").bind(id);
    one_row("sending an issue now", &query.execute(conn).await?)
}

/// Gives an issue another time and day; those of a schedule keep their day, which tells them from one another.
pub async fn set_slot(
    conn: &mut Conn,
    id: i64,
    slot_at: Timestamp,
    slot_date: NaiveDate,
) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE issues SET slot_at = $2, slot_date = $3 WHERE id = $1")
        .bind(id)
        .bind(slot_at.millis())
        .bind(slot_date.to_string());
    one_row("giving an issue its time", &query.execute(conn).await?)
}

/// Moves an issue that is frozen or approved to another time; it stays the issue of its day. False where it is neither.
pub async fn move_slot(conn: &mut Conn, id: i64, slot_at: Timestamp) -> Result<bool, DbError> {
    let query =
        sqlx::query("UPDATE issues SET slot_at = $2 WHERE id = $1 AND state IN ('frozen', 'approved')");
    Ok(query.bind(id).bind(slot_at.millis()).execute(conn).await?.rows_affected() == 1)
}

/// Gives a draft another time than its schedule's, `moved_from`; it stays the issue of its day. False where it is none
/// any more.
pub async fn set_draft_time(
    conn: &mut Conn,
    id: i64,
    slot_at: Timestamp,
    cutoff_at: Timestamp,
    moved_from: Option<Timestamp>,
) -> Result<bool, DbError> {
    let query = sqlx::query(
        "UPDATE issues SET slot_at = $2, cutoff_at = $3, moved_from = $4 WHERE id = $1 AND state = 'draft'",
    );
    let query = query.bind(id).bind(slot_at.millis()).bind(cutoff_at.millis());
    Ok(query.bind(moved_from.map(Timestamp::millis)).execute(conn).await?.rows_affected() == 1)
}

/// Cancelled issues that still have deliveries waiting.
pub async fn cancelled_and_open(conn: &mut Conn) -> Result<Vec<i64>, DbError> {
    let rows = sqlx::query(
        "SELECT i.id FROM issues i WHERE i.state = 'cancelled' AND EXISTS (
             SELECT 1 FROM deliveries d WHERE d.issue_id = i.id AND d.state IN ('queued', 'deferred'))",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Row::new(row, "issues").int("id")).collect()
}
