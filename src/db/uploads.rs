//! Uploaded files, and the notes about their lines, in pieces.

use super::row::Row;
use super::{Conn, DbError, one_row};
use crate::domain::calendar::Timestamp;

/// Which of the files of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What was uploaded.
    File,
    /// What is to be said about its lines, a CSV file.
    Notes,
    /// What is to be said about them by its cause, JSON.
    Groups,
}

impl Part {
    fn number(self) -> i64 {
        match self {
            Self::File => 0,
            Self::Notes => 1,
            Self::Groups => 2,
        }
    }
}

/// Writes a piece, in the place of one that somebody left there.
pub async fn put(
    conn: &mut Conn,
    stored: &str,
    part: Part,
    number: i64,
    bytes: &[u8],
    now: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query(
        "INSERT INTO upload_pieces (stored, part, number, created_at, bytes) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (stored, part, number) DO UPDATE SET created_at = excluded.created_at, bytes = excluded.bytes",
    )
    .bind(stored)
    .bind(part.number())
    .bind(number)
    .bind(now.millis())
    .bind(bytes)
    .execute(conn)
    .await?;
    one_row("keeping a piece of a file", &result)
}

/// A piece by its number, from 0; none behind the last.
pub async fn get(conn: &mut Conn, stored: &str, part: Part, number: i64) -> Result<Option<Vec<u8>>, DbError> {
    let row = sqlx::query(
        "SELECT number AS id, bytes FROM upload_pieces WHERE stored = $1 AND part = $2 AND number = $3",
    )
    .bind(stored)
    .bind(part.number())
    .bind(number)
    .fetch_optional(conn)
    .await?;
    row.map(|row| Row::new(&row, "upload_pieces").bytes("bytes")).transpose()
}

/// How many bytes there are of a file.
pub async fn bytes(conn: &mut Conn, stored: &str, part: Part) -> Result<i64, DbError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(LENGTH(bytes)), 0) AS BIGINT) AS bytes FROM upload_pieces
         WHERE stored = $1 AND part = $2",
    )
    .bind(stored)
    .bind(part.number())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "upload_pieces").int("bytes")
}

/// Removes some pieces of a file, 4 MB at most: other writers wait for some milliseconds only. Returns how many; 0 once
/// there is none.
pub async fn remove_some(conn: &mut Conn, stored: &str, part: Part) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "DELETE FROM upload_pieces WHERE stored = $1 AND part = $2 AND number IN (
             SELECT number FROM upload_pieces WHERE stored = $1 AND part = $2 ORDER BY number LIMIT 16)",
    )
    .bind(stored)
    .bind(part.number())
    .execute(conn)
    .await?;
    Ok(removed.rows_affected())
}

/// The same for pieces from before `since` whose import nobody has touched since then, or that have none: their upload
/// was cut off.
pub async fn forget_some(conn: &mut Conn, since: Timestamp) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "DELETE FROM upload_pieces WHERE (stored, part, number) IN (
             SELECT p.stored, p.part, p.number FROM upload_pieces p
             WHERE p.created_at < $1
                 AND NOT EXISTS (SELECT 1 FROM imports i WHERE i.stored = p.stored AND i.beat_at >= $1)
             LIMIT 16)",
    )
    .bind(since.millis())
    .execute(conn)
    .await?;
    Ok(removed.rows_affected())
}
