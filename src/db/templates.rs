//! Mail templates that editors saved, in all their versions.

use std::collections::BTreeMap;

use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;

/// The setting that counts the changes.
const COUNTER: &str = "templates";

/// One saved version of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: i64,
    pub file: String,
    /// None: back to the default.
    pub text: Option<String>,
    pub made_by: String,
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, file, text, made_by, created_at";

fn version(row: &sqlx::any::AnyRow) -> Result<Version, DbError> {
    let row = Row::new(row, "template_versions");
    Ok(Version {
        id: row.int("id")?,
        file: row.text("file")?,
        text: row.opt_text("text")?,
        made_by: row.text("made_by")?,
        created_at: row.time("created_at")?,
    })
}

/// How many changes there were.
pub async fn counter(conn: &mut Conn) -> Result<i64, DbError> {
    let count = super::settings::get(conn, COUNTER).await?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// The newest version of each file.
pub async fn newest(conn: &mut Conn) -> Result<Vec<Version>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM template_versions
         WHERE id IN (SELECT MAX(id) FROM template_versions GROUP BY file) ORDER BY file"
    ));
    sqlx::query(query).fetch_all(conn).await?.iter().map(version).collect()
}

/// The texts that count now, by file; files that are as the default are not among them.
pub async fn texts(conn: &mut Conn) -> Result<BTreeMap<String, String>, DbError> {
    let newest = newest(conn).await?.into_iter();
    Ok(newest.filter_map(|version| Some((version.file, version.text?))).collect())
}

/// The versions of a file before one of them (or all), the newest first.
pub async fn of_file(
    conn: &mut Conn,
    file: &str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Version>, DbError> {
    let query = sql(format!(
        "SELECT {COLUMNS} FROM template_versions WHERE file = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    ));
    let rows =
        sqlx::query(query).bind(file).bind(before.unwrap_or(i64::MAX)).bind(limit).fetch_all(conn).await?;
    rows.iter().map(version).collect()
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Version>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM template_versions WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(version).transpose()
}

/// Adds a version, where there were `seen` changes before it; false where there was another meanwhile. Call it in a
/// transaction that writes.
pub async fn insert(
    conn: &mut Conn,
    seen: i64,
    file: &str,
    text: Option<&str>,
    made_by: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    // Whoever changes this row first is first: the other waits here, and then finds another number.
    let counted = sqlx::query("UPDATE settings SET value = $1 WHERE name = $2 AND value = $3")
        .bind((seen + 1).to_string())
        .bind(COUNTER)
        .bind(seen.to_string())
        .execute(&mut *conn)
        .await?;
    if counted.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query("INSERT INTO template_versions (file, text, made_by, created_at) VALUES ($1, $2, $3, $4)")
        .bind(file)
        .bind(text)
        .bind(made_by)
        .bind(now.millis())
        .execute(conn)
        .await?;
    Ok(true)
}
