//! Who is sending: one row per running sender, with the time its claims are good for.

use super::dialect::Dialect;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// Enters a node, or renews its lease; a node whose claims others took over meanwhile starts anew.
pub async fn renew(
    conn: &mut Conn,
    name: &str,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO nodes (name, started_at, lease_until) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until",
    )
    .bind(name)
    .bind(now.millis())
    .bind(lease_until.millis())
    .execute(conn)
    .await?;
    Ok(())
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

/// Gives back what nodes claimed whose lease has run out; returns how many deliveries and notices. Rows that such a
/// node still has locked, in a transaction that it never ended, are left for the next time: nobody waits for the dead.
pub async fn take_over(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    let skip_locked = Dialect::of(conn).skip_locked();
    let mut freed = 0;
    for table in ["deliveries", "notices"] {
        let statement = super::sql(format!(
            "UPDATE {table} SET state = 'queued', node = NULL
             WHERE id IN (SELECT id FROM {table} WHERE state = 'claimed'
                              AND node NOT IN (SELECT name FROM nodes WHERE lease_until > $1) {skip_locked})
               AND state = 'claimed'"
        ));
        freed += sqlx::query(statement).bind(now.millis()).execute(&mut *conn).await?.rows_affected();
    }
    sqlx::query("DELETE FROM nodes WHERE lease_until <= $1").bind(now.millis()).execute(conn).await?;
    Ok(freed)
}
