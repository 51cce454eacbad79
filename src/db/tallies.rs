//! Counts about an issue, kept: over all its readers, or of its links. A page that shows them does not count.

use super::articles::json;
use super::row::Row;
use super::{Conn, DbError, one_row};
use crate::domain::calendar::Timestamp;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who will get it, and why others will not.
    Audience,
    /// What became of its mails.
    Results,
    /// How many links and images were looked at, and how many of them want a look.
    Links,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Results => "results",
            Self::Links => "links",
        }
    }
}

/// Counts by a word, as they were at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub at: Timestamp,
    pub counts: Vec<(String, i64)>,
}

impl Tally {
    pub fn of(&self, word: &str) -> i64 {
        self.counts.iter().filter(|(counted, _)| counted == word).map(|(_, count)| count).sum()
    }
}

/// What was counted last; none where nothing was yet.
pub async fn get(conn: &mut Conn, issue_id: i64, kind: Kind) -> Result<Option<Tally>, DbError> {
    let row = sqlx::query(
        "SELECT issue_id AS id, counts, counted_at FROM issue_tallies WHERE issue_id = $1 AND kind = $2",
    )
    .bind(issue_id)
    .bind(kind.as_str())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = Row::new(&row, "issue_tallies");
    let counts = row.opt_parsed("counts", |text| serde_json::from_str(text).ok())?;
    Ok(counts.zip(row.opt_time("counted_at")?).map(|(counts, at)| Tally { at, counts }))
}

/// Forgets what was counted of this kind, of every issue.
pub async fn forget(conn: &mut Conn, kind: Kind) -> Result<(), DbError> {
    sqlx::query("DELETE FROM issue_tallies WHERE kind = $1").bind(kind.as_str()).execute(conn).await?;
    Ok(())
}

/// Whether it is ours to count: nobody has begun to since `before`.
pub async fn claim(
    conn: &mut Conn,
    issue_id: i64,
    kind: Kind,
    now: Timestamp,
    before: Timestamp,
) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO issue_tallies (issue_id, kind, asked_at) VALUES ($1, $2, $3)
         ON CONFLICT (issue_id, kind) DO UPDATE SET asked_at = excluded.asked_at WHERE issue_tallies.asked_at < $4",
    )
    .bind(issue_id)
    .bind(kind.as_str())
    .bind(now.millis())
    .bind(before.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Lets whom an issue is for be counted anew: what it holds has changed.
pub async fn forget_audience(conn: &mut Conn, issue_id: i64) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM issue_tallies WHERE issue_id = $1 AND kind = $2");
    query.bind(issue_id).bind(Kind::Audience.as_str()).execute(conn).await?;
    Ok(())
}

/// Keeps what was counted.
pub async fn put(conn: &mut Conn, issue_id: i64, kind: Kind, tally: &Tally) -> Result<(), DbError> {
    let result = sqlx::query(
        "INSERT INTO issue_tallies (issue_id, kind, asked_at, counts, counted_at) VALUES ($1, $2, $4, $3, $4)
         ON CONFLICT (issue_id, kind) DO UPDATE SET counts = excluded.counts, counted_at = excluded.counted_at",
    )
    .bind(issue_id)
    .bind(kind.as_str())
    .bind(json(&tally.counts))
    .bind(tally.at.millis())
    .execute(conn)
    .await?;
    one_row("keeping a count", &result)
}
