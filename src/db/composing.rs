//! What editors make of drafts, and the steps that led there.

use super::articles::json;
use super::row::Row;
use super::{Conn, DbError, one_row};
use crate::domain::calendar::Timestamp;
use crate::domain::composition::{Composition, Place};
use crate::domain::issue::Issue;

/// How many steps of an issue are kept.
pub const MOST_STEPS: i64 = 100;

/// An issue's articles, in order.
pub async fn places(conn: &mut Conn, issue_id: i64) -> Result<Vec<Place>, DbError> {
    let rows = sqlx::query(
        "SELECT article_id, headline, summary, image_alt, heading FROM issue_articles WHERE issue_id = $1
         ORDER BY position",
    )
    .bind(issue_id)
    .fetch_all(conn)
    .await?;
    let place = |row| {
        let row = Row::new(row, "issue_articles");
        Ok(Place {
            article_id: row.int("article_id")?,
            headline: row.opt_text("headline")?,
            summary: row.opt_text("summary")?,
            image_alt: row.opt_text("image_alt")?,
            heading: row.opt_text("heading")?,
        })
    };
    rows.iter().map(place).collect()
}

/// Everything of an issue that editors change, as it is stored.
pub async fn composition(conn: &mut Conn, issue: &Issue) -> Result<Composition, DbError> {
    Ok(Composition {
        edited: issue.edited,
        introduction: issue.introduction.clone(),
        subject: issue.subject.clone(),
        preheader: issue.preheader.clone(),
        places: places(conn, issue.id).await?,
    })
}

/// Writes an issue that is filling or frozen anew, as its next version, which is returned.
pub async fn write(conn: &mut Conn, issue_id: i64, composition: &Composition) -> Result<i64, DbError> {
    let row = sqlx::query(
        "UPDATE issues SET introduction = $2, subject = $3, preheader = $4, edited = $5, version = version + 1
         WHERE id = $1 AND state IN ('draft', 'frozen') RETURNING version",
    )
    .bind(issue_id)
    .bind(&composition.introduction)
    .bind(composition.subject.as_deref())
    .bind(composition.preheader.as_deref())
    .bind(i64::from(composition.edited))
    .fetch_one(&mut *conn)
    .await?;
    let version = Row::new(&row, "issues").int("version")?;
    sqlx::query("DELETE FROM issue_articles WHERE issue_id = $1").bind(issue_id).execute(&mut *conn).await?;
    for (position, place) in (0_i64..).zip(&composition.places) {
        sqlx::query(
            "INSERT INTO issue_articles (issue_id, article_id, position, headline, summary, image_alt, heading)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(issue_id)
        .bind(place.article_id)
        .bind(position)
        .bind(place.headline.as_deref())
        .bind(place.summary.as_deref())
        .bind(place.image_alt.as_deref())
        .bind(place.heading.as_deref())
        .execute(&mut *conn)
        .await?;
    }
    super::tallies::forget_audience(conn, issue_id).await?;
    Ok(version)
}

/// A step of an issue's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The version that it made.
    pub version: i64,
    pub at: Timestamp,
    pub who: String,
    pub what: String,
}

/// Notes a step with what was before it, and forgets those that are more than [`MOST_STEPS`] ago.
pub async fn note(conn: &mut Conn, issue_id: i64, step: &Step, before: &Composition) -> Result<(), DbError> {
    let result = sqlx::query(
        "INSERT INTO issue_history (issue_id, version, at, who, what, state_before) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(issue_id)
    .bind(step.version)
    .bind(step.at.millis())
    .bind(&step.who)
    .bind(&step.what)
    .bind(json(before))
    .execute(&mut *conn)
    .await?;
    one_row("noting a step of an issue", &result)?;
    sqlx::query("DELETE FROM issue_history WHERE issue_id = $1 AND version <= $2")
        .bind(issue_id)
        .bind(step.version - MOST_STEPS)
        .execute(conn)
        .await?;
    Ok(())
}

/// An issue's steps that led beyond this version, the latest first.
pub async fn steps(conn: &mut Conn, issue_id: i64, beyond: i64, limit: i64) -> Result<Vec<Step>, DbError> {
    let rows = sqlx::query(
        "SELECT version, at, who, what FROM issue_history WHERE issue_id = $1 AND version > $2
         ORDER BY version DESC LIMIT $3",
    )
    .bind(issue_id)
    .bind(beyond)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(step).collect()
}

fn step(row: &sqlx::any::AnyRow) -> Result<Step, DbError> {
    let row = Row::new(row, "issue_history");
    Ok(Step {
        version: row.int("version")?,
        at: row.time("at")?,
        who: row.text("who")?,
        what: row.text("what")?,
    })
}

/// One step, and the issue before it; none where it is no longer kept.
pub async fn step_back(
    conn: &mut Conn,
    issue_id: i64,
    version: i64,
) -> Result<Option<(Step, Composition)>, DbError> {
    let row = sqlx::query(
        "SELECT version, at, who, what, state_before FROM issue_history WHERE issue_id = $1 AND version = $2",
    )
    .bind(issue_id)
    .bind(version)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let before =
        Row::new(&row, "issue_history").parsed("state_before", |text| serde_json::from_str(text).ok())?;
    Ok(Some((step(&row)?, before)))
}
