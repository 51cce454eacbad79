//! Who is sending: one row per running sender, with the time its claims are good for.
//!
//! Leases are written and judged by the database's clock, the one exception to "now is always bound": the clocks of
//! two machines differ, and a node whose clock is ahead must not take over what another is sending.

use super::articles::json;
use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;

/// Enters a node, or renews its lease for so many milliseconds.
pub async fn renew(conn: &mut Conn, name: &str, lease_millis: i64) -> Result<(), DbError> {
    let now = Dialect::of(conn).now_millis();
    let statement = sql(format!(
        "INSERT INTO nodes (name, started_at, lease_until) VALUES ($1, {now}, {now} + $2)
         ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until"
    ));
    sqlx::query(statement).bind(name).bind(lease_millis).execute(conn).await?;
    Ok(())
}

/// A node's place among those that are alive, from 0 and by name, and how many these are; itself counts always.
pub async fn place(conn: &mut Conn, name: &str) -> Result<(usize, usize), DbError> {
    let now = Dialect::of(conn).now_millis();
    let others = sqlx::query(sql(format!(
        "SELECT COUNT(*) AS others, COUNT(CASE WHEN name < $1 THEN 1 END) AS before
         FROM nodes WHERE name <> $1 AND lease_until > {now}"
    )))
    .bind(name)
    .fetch_one(conn)
    .await?;
    let row = Row::new(&others, "nodes");
    let count = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok((count(row.int("before")?), count(row.int("others")?) + 1))
}

/// A sender that runs, or died lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub started_at: Timestamp,
    /// Until when its claims are its own.
    pub lease_until: Timestamp,
}

/// Every sender, by name, and what time the database has: their times are by its clock.
pub async fn list(conn: &mut Conn) -> Result<(Vec<Node>, Timestamp), DbError> {
    let now = sql(format!("SELECT {} AS now", Dialect::of(conn).now_millis()));
    let now = Row::new(&sqlx::query(now).fetch_one(&mut *conn).await?, "nodes").time("now")?;
    let rows =
        sqlx::query("SELECT name, started_at, lease_until FROM nodes ORDER BY name").fetch_all(conn).await?;
    let node = |row: &sqlx::any::AnyRow| {
        let row = Row::new(row, "nodes");
        Ok(Node {
            name: row.text("name")?,
            started_at: row.time("started_at")?,
            lease_until: row.time("lease_until")?,
        })
    };
    Ok((rows.iter().map(node).collect::<Result<_, DbError>>()?, now))
}

/// Takes a node off the list: what it still claims is free at once.
pub async fn leave(conn: &mut Conn, name: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM nodes WHERE name = $1").bind(name).execute(conn).await?;
    Ok(())
}

/// Takes every other node off the list: for who holds the lock of the SQLite file, and so is alone.
pub async fn leave_others(conn: &mut Conn, name: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM nodes WHERE name <> $1").bind(name).execute(conn).await?;
    Ok(())
}

/// Gives back what nodes other than `name` claimed in `table` whose lease has run out; returns how many rows. Rows that such a node still
/// has locked, in a transaction that it never ended, are left for the next time: nobody waits for the dead.
pub async fn take_over(conn: &mut Conn, table: &'static str, name: &str) -> Result<u64, DbError> {
    let dialect = Dialect::of(conn);
    let (skip_locked, now) = (dialect.skip_locked(), dialect.now_millis());
    let statement = sql(format!(
        "UPDATE {table} SET state = 'queued', node = NULL
         WHERE id IN (SELECT id FROM {table} WHERE state = 'claimed' AND node <> $1
                          AND node NOT IN (SELECT name FROM nodes WHERE lease_until > {now}) {skip_locked})
           AND state = 'claimed'"
    ));
    Ok(sqlx::query(statement).bind(name).execute(conn).await?.rows_affected())
}

/// Forgets the nodes whose lease has run out.
pub async fn forget_dead(conn: &mut Conn) -> Result<(), DbError> {
    let now = Dialect::of(conn).now_millis();
    sqlx::query(sql(format!("DELETE FROM nodes WHERE lease_until <= {now}"))).execute(conn).await?;
    Ok(())
}

/// Gives back what `name` has claimed in `table` but for the rows that it holds; returns how many.
pub async fn release_all_but(
    conn: &mut Conn,
    table: &'static str,
    name: &str,
    held: &[i64],
) -> Result<u64, DbError> {
    let list = Dialect::of(conn).list("$2");
    let statement = sql(format!(
        "UPDATE {table} SET state = 'queued', node = NULL
         WHERE state = 'claimed' AND node = $1 AND id NOT IN {list}"
    ));
    Ok(sqlx::query(statement).bind(name).bind(json(&held)).execute(conn).await?.rows_affected())
}
