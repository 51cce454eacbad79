//! How often something was tried lately, such as signing up, within a window that begins with the first try.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// How many rows that are too old one call of [`forget`] removes at most.
const FORGOTTEN: i64 = 100;

/// Counts a try, and returns how many there were since the window began, this one included. A window that is over, or
/// that begins in the future because the clock was set back, begins anew.
pub async fn count(conn: &mut Conn, what: &str, window: i64, now: Timestamp) -> Result<i64, DbError> {
    let row = sqlx::query(
        "INSERT INTO attempts (what, since, count) VALUES ($1, $2, 1)
         ON CONFLICT (what) DO UPDATE SET
             count = CASE WHEN attempts.since <= $3 OR attempts.since > $2 THEN 1 ELSE attempts.count + 1 END,
             since = CASE WHEN attempts.since <= $3 OR attempts.since > $2 THEN $2 ELSE attempts.since END
         RETURNING what AS id, count",
    )
    .bind(what)
    .bind(now.millis())
    .bind(now.plus_millis(-window).millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "attempts").int("count")
}

/// Removes what began before `before`, a hundred at a time: each try removes more than it adds.
pub async fn forget(conn: &mut Conn, before: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM attempts WHERE what IN (SELECT what FROM attempts WHERE since < $1 ORDER BY since LIMIT $2)",
    )
    .bind(before.millis())
    .bind(FORGOTTEN)
    .execute(conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::databases;

    #[tokio::test]
    async fn tries_are_counted_until_their_window_is_over() {
        for test in databases().await {
            let mut conn = test.db.conn().await.unwrap();
            let at = Timestamp::from_millis;
            for (now, counted) in [(1000, 1), (1001, 2), (1999, 3), (2000, 1), (2500, 2), (1500, 1)] {
                assert_eq!(count(&mut conn, "sign-up:1", 1000, at(now)).await.unwrap(), counted, "{now}");
            }
            assert_eq!(count(&mut conn, "sign-up:2", 1000, at(1500)).await.unwrap(), 1);
            forget(&mut conn, at(1500)).await.unwrap();
            assert_eq!(count(&mut conn, "sign-up:1", 1000, at(1501)).await.unwrap(), 2);
            forget(&mut conn, at(1501)).await.unwrap();
            assert_eq!(count(&mut conn, "sign-up:1", 1000, at(1502)).await.unwrap(), 1);
        }
    }
}
