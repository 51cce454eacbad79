//! Settings that the service makes itself and keeps, such as the key that signs tokens.

use super::{Conn, DbError, row::Row};

/// The value kept under `name`.
pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<String>, DbError> {
    let row =
        sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(conn).await?;
    row.map(|row| Row::new(&row, "settings").text("value")).transpose()
}

/// Keeps `value` under `name` unless a value is there already, and returns the one that is there now: two nodes that
/// start at once agree on one key.
pub async fn get_or_put(conn: &mut Conn, name: &str, value: &str) -> Result<String, DbError> {
    sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(&mut *conn)
        .await?;
    Ok(get(conn, name).await?.unwrap_or_else(|| value.to_owned()))
}

/// Keeps `value` under `name`, whatever was there.
pub async fn put(conn: &mut Conn, name: &str, value: &str) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(conn)
    .await?;
    Ok(())
}
