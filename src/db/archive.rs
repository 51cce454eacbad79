//! The archive: issues that went out, as anybody may read them.
//!
//! An issue is in the archive from the moment it is addressed. One that is cancelled is listed no more; where readers
//! have it, its page stays: their mail leads there.

use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::issue::{Issue, IssueContent};

use super::issues::{COLUMNS, issue};

/// What is listed in the archive.
const PUBLIC: &str = "words IS NOT NULL AND number > 0 AND state IN ('sending', 'paused', 'sent')";

/// What has a page: also what was cancelled once readers had it.
const READABLE: &str =
    "words IS NOT NULL AND number > 0 AND (state IN ('sending', 'paused', 'sent') OR (state = 'cancelled'
    AND EXISTS (SELECT 1 FROM issue_totals t WHERE t.issue_id = issues.id AND t.sent > 0)))";

/// Puts an issue into the archive; `words` is what it is found by ([`crate::domain::issue::folded`]).
pub async fn publish(conn: &mut Conn, issue_id: i64, words: &str) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE issues SET words = $2 WHERE id = $1").bind(issue_id).bind(words);
    one_row("putting an issue into the archive", &query.execute(conn).await?)
}

/// At most `limit` issues that hold each of these words, the newest first, of numbers below `before`. Words are
/// folded, and at most [`MOST_WORDS`] count.
pub async fn list(
    conn: &mut Conn,
    newsletter_id: i64,
    words: &[String],
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(Issue, IssueContent)>, DbError> {
    let holds: String =
        (0..words.len().min(MOST_WORDS)).map(|n| format!(" AND words LIKE ${} ESCAPE '\\'", n + 4)).collect();
    let statement = sql(format!(
        "SELECT {COLUMNS}, content FROM issues
         WHERE newsletter_id = $1 AND number < $2 AND {PUBLIC}{holds}
         ORDER BY number DESC, id DESC LIMIT $3"
    ));
    let mut query = sqlx::query(statement).bind(newsletter_id).bind(before.unwrap_or(i64::MAX)).bind(limit);
    for word in words.iter().take(MOST_WORDS) {
        query = query.bind(pattern(word));
    }
    query.fetch_all(conn).await?.iter().map(with_content).collect()
}

/// How many words of a search count.
pub const MOST_WORDS: usize = 20;

/// The issue of this number without what it holds, where it has a page in the archive.
pub async fn find(conn: &mut Conn, newsletter_id: i64, number: i64) -> Result<Option<Issue>, DbError> {
    let statement = sql(format!(
        "SELECT {COLUMNS} FROM issues WHERE newsletter_id = $1 AND number = $2 AND {READABLE}
         ORDER BY id DESC LIMIT 1"
    ));
    let row = sqlx::query(statement).bind(newsletter_id).bind(number).fetch_optional(conn).await?;
    row.as_ref().map(issue).transpose()
}

/// The numbers of the issues in the archive right before and right after this one. Both are read off the index of
/// numbers.
pub async fn neighbours(
    conn: &mut Conn,
    newsletter_id: i64,
    number: i64,
) -> Result<(Option<i64>, Option<i64>), DbError> {
    let mut nearest = [None, None];
    for (found, (beyond, order)) in nearest.iter_mut().zip([("<", "DESC"), (">", "ASC")]) {
        let statement = sql(format!(
            "SELECT number FROM issues WHERE newsletter_id = $1 AND number {beyond} $2 AND {PUBLIC}
             ORDER BY number {order} LIMIT 1"
        ));
        let row = sqlx::query(statement).bind(newsletter_id).bind(number).fetch_optional(&mut *conn).await?;
        *found = row.as_ref().map(|row| Row::new(row, "issues").int("number")).transpose()?;
    }
    let [before, after] = nearest;
    Ok((before, after))
}

fn with_content(row: &sqlx::any::AnyRow) -> Result<(Issue, IssueContent), DbError> {
    let content = Row::new(row, "issues").opt_parsed("content", |text| serde_json::from_str(text).ok())?;
    Ok((issue(row)?, content.unwrap_or_default()))
}

/// A text that holds `word` anywhere, for `LIKE … ESCAPE '\'`.
fn pattern(word: &str) -> String {
    let mut pattern = "%".to_owned();
    for character in word.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}
