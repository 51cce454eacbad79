//! The recovery codes of accounts, as hashes. One that was used is gone.

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};

/// Makes the transaction the only one that changes an account's codes, until it ends: another one that gives it new codes
/// would not see these, and leave them.
async fn lock(conn: &mut Conn, user_id: i64) -> Result<(), DbError> {
    let for_update = Dialect::of(conn).for_update();
    let query = sql(format!("SELECT id FROM users WHERE id = $1 {for_update}"));
    sqlx::query(query).bind(user_id).fetch_optional(conn).await?;
    Ok(())
}

/// Gives an account these codes in the place of those it had.
pub async fn replace(conn: &mut Conn, user_id: i64, hashes: &[String]) -> Result<(), DbError> {
    lock(conn, user_id).await?;
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
    lock(conn, user_id).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::databases;
    use crate::db::{self, users};
    use crate::domain::address::EmailAddress;
    use crate::domain::calendar::Timestamp;

    #[tokio::test]
    async fn of_codes_that_are_made_twice_at_once_only_the_last_are_good() {
        for test in databases().await {
            let db = &test.db;
            let email = EmailAddress::parse("ann@example.org").unwrap();
            let mut conn = db.conn().await.unwrap();
            let id = users::insert(&mut conn, &email, "", None, Timestamp::from_millis(0)).await.unwrap();
            drop(conn);
            let mut first = db.begin().await.unwrap();
            replace(&mut first, id, &["a".to_owned(), "b".to_owned()]).await.unwrap();
            let second = tokio::spawn({
                let db = db.clone();
                async move {
                    let mut second = db.begin().await.unwrap();
                    replace(&mut second, id, &["c".to_owned(), "d".to_owned()]).await.unwrap();
                    db::commit(second).await.unwrap();
                }
            });
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            db::commit(first).await.unwrap();
            second.await.unwrap();
            let mut conn = db.conn().await.unwrap();
            assert_eq!(count(&mut conn, id).await.unwrap(), 2);
            assert!(!take(&mut conn, id, "a").await.unwrap() && take(&mut conn, id, "c").await.unwrap());
        }
    }
}
