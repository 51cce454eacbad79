//! Tags: what admins call people, and who is called so.

use std::collections::HashMap;

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub id: i64,
    pub name: String,
}

fn tag(row: &sqlx::any::AnyRow) -> Result<Tag, DbError> {
    let row = Row::new(row, "tags");
    Ok(Tag { id: row.int("id")?, name: row.text("name")? })
}

/// Every tag, in the order of the names.
pub async fn list(conn: &mut Conn) -> Result<Vec<Tag>, DbError> {
    sqlx::query("SELECT id, name FROM tags ORDER BY name LIMIT 1000")
        .fetch_all(conn)
        .await?
        .iter()
        .map(tag)
        .collect()
}

/// The names of the tags that there are: a file that is imported makes those that it has besides. Whoever has more than
/// these is told of some that they are new, and none is made twice.
pub async fn names(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let rows = sqlx::query("SELECT name FROM tags ORDER BY id LIMIT 100000").fetch_all(conn).await?;
    rows.iter().map(|row| Row::new(row, "tags").text("name")).collect()
}

/// The names of these people's tags, in the order of the names, by person.
pub async fn of_many(conn: &mut Conn, subscriber_ids: &[i64]) -> Result<HashMap<i64, Vec<String>>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!(
        "SELECT g.subscriber_id, t.name FROM subscriber_tags g JOIN tags t ON t.id = g.tag_id
         WHERE g.subscriber_id IN {list} ORDER BY t.name"
    ));
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    for row in sqlx::query(query).bind(ids).persistent(false).fetch_all(conn).await? {
        let row = Row::new(&row, "subscriber_tags");
        tags.entry(row.int("subscriber_id")?).or_default().push(row.text("name")?);
    }
    Ok(tags)
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Tag>, DbError> {
    let row = sqlx::query("SELECT id, name FROM tags WHERE id = $1").bind(id).fetch_optional(conn).await?;
    row.as_ref().map(tag).transpose()
}

pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<Tag>, DbError> {
    let row =
        sqlx::query("SELECT id, name FROM tags WHERE name = $1").bind(name).fetch_optional(conn).await?;
    row.as_ref().map(tag).transpose()
}

/// The tag of this name: the one there is, or a new one.
pub async fn ensure(conn: &mut Conn, name: &str, now: Timestamp) -> Result<Tag, DbError> {
    sqlx::query("INSERT INTO tags (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(now.millis())
        .execute(&mut *conn)
        .await?;
    find(conn, name).await?.ok_or(DbError::WrongRows { what: "adding a tag", rows: 0 })
}

/// A person's tags, in the order of their names.
pub async fn of_subscriber(conn: &mut Conn, subscriber_id: i64) -> Result<Vec<Tag>, DbError> {
    let rows = sqlx::query(
        "SELECT t.id, t.name FROM subscriber_tags g JOIN tags t ON t.id = g.tag_id
         WHERE g.subscriber_id = $1 ORDER BY t.name",
    )
    .bind(subscriber_id)
    .fetch_all(conn)
    .await?;
    rows.iter().map(tag).collect()
}

/// Gives people a tag, and returns those who did not have it.
pub async fn put(conn: &mut Conn, tag_id: i64, subscriber_ids: &[i64]) -> Result<Vec<i64>, DbError> {
    let list = Dialect::of(conn).list("$2");
    let query = sql(format!(
        "INSERT INTO subscriber_tags (tag_id, subscriber_id)
         SELECT $1, id FROM subscribers WHERE id IN {list} ON CONFLICT (tag_id, subscriber_id) DO NOTHING
         RETURNING subscriber_id"
    ));
    changed(conn, query, tag_id, subscriber_ids).await
}

/// Takes a tag from people, and returns those who had it.
pub async fn take(conn: &mut Conn, tag_id: i64, subscriber_ids: &[i64]) -> Result<Vec<i64>, DbError> {
    let list = Dialect::of(conn).list("$2");
    let query = sql(format!(
        "DELETE FROM subscriber_tags WHERE tag_id = $1 AND subscriber_id IN {list} RETURNING subscriber_id"
    ));
    changed(conn, query, tag_id, subscriber_ids).await
}

async fn changed(
    conn: &mut Conn,
    query: sqlx::AssertSqlSafe<String>,
    tag_id: i64,
    subscriber_ids: &[i64],
) -> Result<Vec<i64>, DbError> {
    let ids = serde_json::to_string(subscriber_ids).expect("numbers are JSON");
    let rows = sqlx::query(query).bind(tag_id).bind(ids).persistent(false).fetch_all(conn).await?;
    rows.iter().map(|row| Row::new(row, "subscriber_tags").int("subscriber_id")).collect()
}

/// Removes the tags that nobody has: not those made since `since`, which somebody is about to give, nor those that a bulk
/// action gives or takes, or can still be undone to give back. Returns how many.
pub async fn remove_unused(conn: &mut Conn, since: Timestamp) -> Result<u64, DbError> {
    let result = sqlx::query(
        "DELETE FROM tags WHERE created_at < $1
             AND NOT EXISTS (SELECT 1 FROM subscriber_tags g WHERE g.tag_id = tags.id)
             AND NOT EXISTS (SELECT 1 FROM bulk_actions a WHERE a.object_id = tags.id AND a.kind IN ('tag', 'untag')
                 AND (a.state IN ('running', 'undoing') OR (a.state = 'done' AND a.finished_at >= $1)))",
    )
    .bind(since.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}
