//! The recovery codes of accounts, as hashes. One that was used is gone.

use super::row::Row;
use super::{Conn, DbError};

/// Gives an account these codes in the place of those it had.
pub async fn replace(conn: &mut Conn, user_id: i64, hashes: &[String]) -> Result<(), DbError> {
    remove(conn, user_id).await?;
    for hash in hashes {
        sqlx::query("INSERT INTO user_recovery_codes (hash, user_id) VALUES ($1, $2)")
            .bind(hash)
            .bind(user_id)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Takes all of an account's codes back.
pub async fn remove(conn: &mut Conn, user_id: i64) -> Result<(), DbError> {
    sqlx::query("DELETE FROM user_recovery_codes WHERE user_id = $1").bind(user_id).execute(conn).await?;
    Ok(())
}

/// Uses a code up, and returns whether the account had it: of two who send it at once one gets in.
pub async fn take(conn: &mut Conn, user_id: i64, hash: &str) -> Result<bool, DbError> {
    let result = sqlx::query("DELETE FROM user_recovery_codes WHERE hash = $1 AND user_id = $2")
        .bind(hash)
        .bind(user_id)
        .execute(conn)
        .await?;
    Ok(result.rows_affected() == 1)
}

/// How many codes an account has left.
pub async fn count(conn: &mut Conn, user_id: i64) -> Result<i64, DbError> {
    let row = sqlx::query("SELECT COUNT(*) AS codes FROM user_recovery_codes WHERE user_id = $1")
        .bind(user_id)
        .fetch_one(conn)
        .await?;
    Row::new(&row, "user_recovery_codes").int("codes")
}
