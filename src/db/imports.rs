//! Files that admins upload to import, and how far each has come.

use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::calendar::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// The file is here, and nothing was looked at but its first lines.
    Uploaded,
    /// A dry run goes on.
    Checking,
    /// The dry run is done.
    Checked,
    Running,
    Done,
    Failed,
}

impl ImportState {
    const ALL: [Self; 6] =
        [Self::Uploaded, Self::Checking, Self::Checked, Self::Running, Self::Done, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Checking => "checking",
            Self::Checked => "checked",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether somebody works on it.
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Checking | Self::Running)
    }
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub id: i64,
    pub newsletter_id: i64,
    pub who: String,
    /// What the file was called.
    pub file_name: String,
    /// What it is called here.
    pub stored: String,
    pub bytes: i64,
    /// Which field each column holds, JSON; none: not said yet.
    pub columns: Option<String>,
    pub consent_words: String,
    pub state: ImportState,
    /// How often somebody has begun to read it.
    pub run: i64,
    /// How many bytes are read.
    pub progress: i64,
    /// What came of it in numbers, JSON.
    pub report: Option<String>,
    pub error: Option<String>,
    pub beat_at: Timestamp,
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, newsletter_id, who, file_name, stored, bytes, columns, consent_words, state, run, progress, \
     report, error, beat_at, created_at";

fn import(row: &sqlx::any::AnyRow) -> Result<Import, DbError> {
    let row = Row::new(row, "imports");
    Ok(Import {
        id: row.int("id")?,
        newsletter_id: row.int("newsletter_id")?,
        who: row.text("who")?,
        file_name: row.text("file_name")?,
        stored: row.text("stored")?,
        bytes: row.int("bytes")?,
        columns: row.opt_text("columns")?,
        consent_words: row.text("consent_words")?,
        state: row.parsed("state", ImportState::parse)?,
        run: row.int("run")?,
        progress: row.int("progress")?,
        report: row.opt_text("report")?,
        error: row.opt_text("error")?,
        beat_at: row.time("beat_at")?,
        created_at: row.time("created_at")?,
    })
}

/// A file that has just been uploaded.
#[derive(Clone, Debug)]
pub struct NewImport<'i> {
    pub newsletter_id: i64,
    pub who: &'i str,
    pub file_name: &'i str,
    pub stored: &'i str,
    pub bytes: i64,
}

pub async fn insert(conn: &mut Conn, new: &NewImport<'_>, now: Timestamp) -> Result<i64, DbError> {
    let row = sqlx::query(
        "INSERT INTO imports (newsletter_id, who, file_name, stored, bytes, consent_words, state, beat_at, created_at)
         VALUES ($1, $2, $3, $4, $5, '', 'uploaded', $6, $6) RETURNING id",
    )
    .bind(new.newsletter_id)
    .bind(new.who)
    .bind(new.file_name)
    .bind(new.stored)
    .bind(new.bytes)
    .bind(now.millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "imports").int("id")
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Import>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM imports WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(import).transpose()
}

/// The last uploads, the newest first.
pub async fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Import>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM imports ORDER BY id DESC LIMIT $1"));
    sqlx::query(query).bind(limit).fetch_all(conn).await?.iter().map(import).collect()
}

/// Begins a dry run or an import with these columns, unless somebody else is at it: whoever has not given a sign of life
/// since `alive_since` is not. An import begins only once a dry run has told what it would do, or to go on with one that
/// was cut off. Returns whether it began.
pub async fn begin(
    conn: &mut Conn,
    id: i64,
    state: ImportState,
    columns: &str,
    consent_words: &str,
    alive_since: Timestamp,
    now: Timestamp,
) -> Result<bool, DbError> {
    let may = match state {
        ImportState::Running => "(state = 'checked' OR (state = 'running' AND beat_at < $6))",
        _ => {
            "(state IN ('uploaded', 'checked', 'failed') OR (state IN ('checking', 'running') AND beat_at < $6))"
        }
    };
    let result = sqlx::query(sql(format!(
        "UPDATE imports SET state = $2, run = run + 1, columns = $3, consent_words = $4, progress = 0, error = NULL,
             beat_at = $5
         WHERE id = $1 AND {may}"
    )))
    .bind(id)
    .bind(state.as_str())
    .bind(columns)
    .bind(consent_words)
    .bind(now.millis())
    .bind(alive_since.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// A sign of life of a run.
///
/// # Errors
/// [`DbError::WrongRows`] where another run has begun since.
pub async fn beat(conn: &mut Conn, id: i64, run: i64, progress: i64, now: Timestamp) -> Result<(), DbError> {
    let result = sqlx::query("UPDATE imports SET progress = $3, beat_at = $4 WHERE id = $1 AND run = $2")
        .bind(id)
        .bind(run)
        .bind(progress)
        .bind(now.millis())
        .execute(conn)
        .await?;
    one_row("an import's progress", &result)
}

/// Writes what came of a run.
///
/// # Errors
/// [`DbError::WrongRows`] where another run has begun since.
pub async fn finish(
    conn: &mut Conn,
    id: i64,
    run: i64,
    state: ImportState,
    report: Option<&str>,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE imports SET state = $3, report = COALESCE($4, report), error = $5, beat_at = $6
         WHERE id = $1 AND run = $2",
    )
    .bind(id)
    .bind(run)
    .bind(state.as_str())
    .bind(report)
    .bind(error)
    .bind(now.millis())
    .execute(conn)
    .await?;
    one_row("an import's end", &result)
}

/// Forgets an upload, unless somebody is at it who has given a sign of life since `alive_since`. Returns whether it is
/// forgotten.
pub async fn remove(conn: &mut Conn, id: i64, alive_since: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "DELETE FROM imports WHERE id = $1 AND (state NOT IN ('checking', 'running') OR beat_at < $2)",
    )
    .bind(id)
    .bind(alive_since.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}
