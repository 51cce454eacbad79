//! Changes to everybody whom a filter finds, and what they changed.

use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::calendar::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkKind {
    Tag,
    Untag,
    Unsubscribe,
    Suppress,
}

impl BulkKind {
    const ALL: [Self; 4] = [Self::Tag, Self::Untag, Self::Unsubscribe, Self::Suppress];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Unsubscribe => "unsubscribe",
            Self::Suppress => "suppress",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkState {
    Running,
    Done,
    Undoing,
    Undone,
}

impl BulkState {
    const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Undoing, Self::Undone];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A change to everybody whom a filter finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkAction {
    pub id: i64,
    pub kind: BulkKind,
    /// The tag or the newsletter.
    pub object_id: Option<i64>,
    /// As it stands in the list's address; empty once it has ended.
    pub filter: String,
    pub words: String,
    pub who: String,
    pub state: BulkState,
    /// Up to where it has come in the list.
    pub place: Option<String>,
    pub changed: i64,
    pub beat_at: Timestamp,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Why it stands still until somebody lets it go on; none: it does not, or goes on by itself.
    pub error: Option<String>,
    /// Somebody ended it before it had come to everybody.
    pub is_stopped: bool,
    /// To how many it had not come then; none where nobody counted them.
    pub left_over: Option<i64>,
}

const COLUMNS: &str = "id, kind, object_id, filter, words, who, state, place, changed, beat_at, created_at, \
     finished_at, error, stopped, left_over";

fn action(row: &sqlx::any::AnyRow) -> Result<BulkAction, DbError> {
    let row = Row::new(row, "bulk_actions");
    Ok(BulkAction {
        id: row.int("id")?,
        kind: row.parsed("kind", BulkKind::parse)?,
        object_id: row.opt_int("object_id")?,
        filter: row.text("filter")?,
        words: row.text("words")?,
        who: row.text("who")?,
        state: row.parsed("state", BulkState::parse)?,
        place: row.opt_text("place")?,
        changed: row.int("changed")?,
        beat_at: row.time("beat_at")?,
        created_at: row.time("created_at")?,
        finished_at: row.opt_time("finished_at")?,
        error: row.opt_text("error")?,
        is_stopped: row.flag("stopped")?,
        left_over: row.opt_int("left_over")?,
    })
}

pub async fn insert(
    conn: &mut Conn,
    kind: BulkKind,
    object_id: Option<i64>,
    filter: &str,
    words: &str,
    who: &str,
    now: Timestamp,
) -> Result<i64, DbError> {
    let row = sqlx::query(
        "INSERT INTO bulk_actions (kind, object_id, filter, words, who, state, beat_at, created_at)
         VALUES ($1, $2, $3, $4, $5, 'running', $6, $6) RETURNING id",
    )
    .bind(kind.as_str())
    .bind(object_id)
    .bind(filter)
    .bind(words)
    .bind(who)
    .bind(now.millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "bulk_actions").int("id")
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<BulkAction>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM bulk_actions WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(action).transpose()
}

/// The last actions, the newest first.
pub async fn list(conn: &mut Conn, limit: i64) -> Result<Vec<BulkAction>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM bulk_actions ORDER BY id DESC LIMIT $1"));
    sqlx::query(query).bind(limit).fetch_all(conn).await?.iter().map(action).collect()
}

/// An action in this state, held for this transaction: of two processes at the same action one waits for the other.
pub async fn hold(
    conn: &mut Conn,
    id: i64,
    state: BulkState,
    now: Timestamp,
) -> Result<Option<BulkAction>, DbError> {
    let query =
        sql(format!("UPDATE bulk_actions SET beat_at = $3 WHERE id = $1 AND state = $2 RETURNING {COLUMNS}"));
    let row =
        sqlx::query(query).bind(id).bind(state.as_str()).bind(now.millis()).fetch_optional(conn).await?;
    row.as_ref().map(action).transpose()
}

/// The filters of the actions that have not come to their end, each with its id.
pub async fn running(conn: &mut Conn) -> Result<Vec<(i64, String)>, DbError> {
    let rows = sqlx::query("SELECT id, filter FROM bulk_actions WHERE state = 'running' ORDER BY id");
    let running = |row: &sqlx::any::AnyRow| {
        let row = Row::new(row, "bulk_actions");
        Ok((row.int("id")?, row.text("filter")?))
    };
    rows.fetch_all(conn).await?.iter().map(running).collect()
}

/// Writes how far an action has come.
pub async fn advance(
    conn: &mut Conn,
    id: i64,
    state: BulkState,
    place: Option<&str>,
    changed: i64,
    finished_at: Option<Timestamp>,
) -> Result<(), DbError> {
    // What it goes by may be somebody's address: it is kept no longer than it is needed.
    let result = sqlx::query(
        "UPDATE bulk_actions
         SET state = $2, place = CASE WHEN $2 = 'running' THEN $3 ELSE NULL END, changed = $4, finished_at = $5,
             error = NULL, filter = CASE WHEN $2 = 'running' THEN filter ELSE '' END
         WHERE id = $1",
    )
    .bind(id)
    .bind(state.as_str())
    .bind(place)
    .bind(changed)
    .bind(finished_at.map(Timestamp::millis))
    .execute(conn)
    .await?;
    one_row("an action's progress", &result)
}

/// Writes down that an action was stopped.
pub async fn stop(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    let result =
        sqlx::query("UPDATE bulk_actions SET stopped = 1 WHERE id = $1").bind(id).execute(conn).await?;
    one_row("stopping an action", &result)
}

/// Writes down to how many an action had not come when it was stopped.
pub async fn leave_over(conn: &mut Conn, id: i64, people: i64) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE bulk_actions SET left_over = $2 WHERE id = $1").bind(id).bind(people);
    one_row("counting whom an action left", &query.execute(conn).await?)
}

/// Writes down why an action that is under way stands still.
pub async fn fail(conn: &mut Conn, id: i64, error: &str) -> Result<(), DbError> {
    sqlx::query("UPDATE bulk_actions SET error = $2 WHERE id = $1 AND state IN ('running', 'undoing')")
        .bind(id)
        .bind(error)
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets an action that is under way go on; returns whether it is.
pub async fn wake(conn: &mut Conn, id: i64, now: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "UPDATE bulk_actions SET error = NULL, beat_at = $2 WHERE id = $1 AND state IN ('running', 'undoing')",
    )
    .bind(id)
    .bind(now.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Takes over an action whose process has given no sign of life since `alive_since`: one process gets it, however many
/// ask. One that failed for good waits for somebody.
pub async fn take_over(
    conn: &mut Conn,
    alive_since: Timestamp,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    // The condition stands in both places: of two that choose the same row, the second finds its sign of life.
    let row = sqlx::query(
        "UPDATE bulk_actions SET beat_at = $2
         WHERE beat_at < $1 AND error IS NULL AND state IN ('running', 'undoing') AND id = (
             SELECT MIN(a.id) FROM bulk_actions a
             WHERE a.beat_at < $1 AND a.error IS NULL AND a.state IN ('running', 'undoing'))
         RETURNING id",
    )
    .bind(alive_since.millis())
    .bind(now.millis())
    .fetch_optional(conn)
    .await?;
    row.map(|row| Row::new(&row, "bulk_actions").int("id")).transpose()
}

/// Notes whom an action changed, who had no subscription that it changed.
pub async fn note(conn: &mut Conn, id: i64, subscriber_ids: &[i64]) -> Result<(), DbError> {
    let list = Dialect::of(conn).list("$2");
    let query = sql(format!(
        "INSERT INTO bulk_changes (action_id, subscriber_id) SELECT $1, s.id FROM subscribers s WHERE s.id IN {list}"
    ));
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    sqlx::query(query).bind(id).bind(ids).persistent(false).execute(conn).await?;
    Ok(())
}

/// Ends these people's subscriptions to a newsletter where they have not ended, notes how they were, and returns how
/// many. It is what [`super::subscriptions::apply`] does with `Leave`, for many at once.
pub async fn unsubscribe(
    conn: &mut Conn,
    id: i64,
    newsletter_id: i64,
    subscriber_ids: &[i64],
    reason: &str,
    now: Timestamp,
) -> Result<i64, DbError> {
    let list = Dialect::of(conn).list("$3");
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let query = sql(format!(
        "INSERT INTO bulk_changes (action_id, subscriber_id, status, left_at, left_reason)
         SELECT $1, subscriber_id, status, left_at, left_reason FROM subscriptions
         WHERE newsletter_id = $2 AND subscriber_id IN {list} AND status <> 'unsubscribed' {}",
        Dialect::of(conn).for_update()
    ));
    let noted = sqlx::query(query).bind(id).bind(newsletter_id).bind(&ids).persistent(false);
    let noted = noted.execute(&mut *conn).await?.rows_affected();
    let query = sql(format!(
        "UPDATE subscriptions SET left_from = status, status = 'unsubscribed', left_at = $1, left_reason = $4,
             updated_at = $1
         WHERE newsletter_id = $2 AND subscriber_id IN {list} AND status <> 'unsubscribed'"
    ));
    let ended = sqlx::query(query).bind(now.millis()).bind(newsletter_id).bind(&ids).bind(reason);
    let ended = ended.persistent(false).execute(conn).await?.rows_affected();
    match noted == ended {
        true => Ok(i64::try_from(ended).unwrap_or(i64::MAX)),
        // The transaction is rolled back, and the step taken again.
        false => Err(DbError::WrongRows { what: "ending subscriptions", rows: ended }),
    }
}

/// Puts these people's addresses on the suppression list, notes who was not on it, and returns how many.
pub async fn suppress(
    conn: &mut Conn,
    id: i64,
    subscriber_ids: &[i64],
    detail: &str,
    now: Timestamp,
) -> Result<i64, DbError> {
    let list = Dialect::of(conn).list("$1");
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let query = sql(format!(
        "INSERT INTO suppressions (email_hash, email, reason, detail, created_at)
         SELECT email_hash, email, 'manual', $2, $3 FROM subscribers WHERE id IN {list}
         ON CONFLICT (email_hash) DO NOTHING RETURNING email_hash"
    ));
    let added = sqlx::query(query).bind(&ids).bind(detail).bind(now.millis()).persistent(false);
    let added = added.fetch_all(&mut *conn).await?;
    let hashes: Vec<String> =
        added.iter().map(|row| Row::new(row, "suppressions").text("email_hash")).collect::<Result<_, _>>()?;
    let rows: Vec<[&String; 1]> = hashes.iter().map(|hash| [hash]).collect();
    let rows = serde_json::to_string(&rows).expect("texts are JSON");
    let table = Dialect::of(conn).rows("$2", &[("email_hash", Kind::Text)]);
    let query = sql(format!(
        "INSERT INTO bulk_changes (action_id, subscriber_id)
         SELECT $1, s.id FROM {table} AS r JOIN subscribers s ON s.email_hash = r.email_hash"
    ));
    sqlx::query(query).bind(id).bind(rows).persistent(false).execute(conn).await?;
    Ok(i64::try_from(hashes.len()).unwrap_or(i64::MAX))
}

/// Some of those whom an action changed and whose change still stands in its notes.
pub async fn noted(conn: &mut Conn, id: i64, limit: i64) -> Result<Vec<i64>, DbError> {
    let rows = sqlx::query(
        "SELECT subscriber_id FROM bulk_changes WHERE action_id = $1 ORDER BY subscriber_id LIMIT $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Row::new(row, "bulk_changes").int("subscriber_id")).collect()
}

/// Gives these people the subscriptions back that an action ended, as they were: where nothing happened to them since.
/// Returns how many.
pub async fn resubscribe(
    conn: &mut Conn,
    action: &BulkAction,
    subscriber_ids: &[i64],
    reason: &str,
    now: Timestamp,
) -> Result<u64, DbError> {
    let list = Dialect::of(conn).list("$3");
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let query = sql(format!(
        "UPDATE subscriptions
         SET status = c.status, left_at = c.left_at, left_reason = c.left_reason, updated_at = $5
         FROM bulk_changes c
         WHERE c.action_id = $1 AND c.subscriber_id IN {list} AND c.status IS NOT NULL
             AND subscriptions.newsletter_id = $2 AND subscriptions.subscriber_id = c.subscriber_id
             AND subscriptions.status = 'unsubscribed' AND subscriptions.left_reason = $4"
    ));
    let query = sqlx::query(query).bind(action.id).bind(action.object_id).bind(ids).bind(reason);
    Ok(query.bind(now.millis()).persistent(false).execute(conn).await?.rows_affected())
}

/// Takes these people's addresses off the suppression list, where an action put them on it. Returns how many.
pub async fn unsuppress(conn: &mut Conn, subscriber_ids: &[i64], detail: &str) -> Result<u64, DbError> {
    let list = Dialect::of(conn).list("$1");
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let query = sql(format!(
        "DELETE FROM suppressions WHERE reason = 'manual' AND detail = $2
             AND email_hash IN (SELECT email_hash FROM subscribers WHERE id IN {list})"
    ));
    Ok(sqlx::query(query).bind(ids).bind(detail).persistent(false).execute(conn).await?.rows_affected())
}

/// Removes notes about these people.
pub async fn forget(conn: &mut Conn, id: i64, subscriber_ids: &[i64]) -> Result<(), DbError> {
    let list = Dialect::of(conn).list("$2");
    let query = sql(format!("DELETE FROM bulk_changes WHERE action_id = $1 AND subscriber_id IN {list}"));
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    sqlx::query(query).bind(id).bind(ids).persistent(false).execute(conn).await?;
    Ok(())
}

/// An action that ended before that, whose notes are still there. One that is being undone needs them.
pub async fn outdated(conn: &mut Conn, before: Timestamp) -> Result<Option<(i64, BulkState)>, DbError> {
    let row = sqlx::query(
        "SELECT a.id, a.state FROM bulk_actions a WHERE a.finished_at <= $1 AND a.state IN ('done', 'undone')
             AND EXISTS (SELECT 1 FROM bulk_changes c WHERE c.action_id = a.id) ORDER BY a.id LIMIT 1",
    )
    .bind(before.millis())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = Row::new(&row, "bulk_actions");
    Ok(Some((row.int("id")?, row.parsed("state", BulkState::parse)?)))
}
