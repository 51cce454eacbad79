//! How often something was tried lately, such as signing in or up: kept in the database, so that a limit holds over
//! restarts and nodes. A window begins with the first try.

use super::row::Row;
use super::{Conn, DbError};
use crate::domain::calendar::Timestamp;

/// The longest window, in milliseconds: a day. What is older counts for nothing.
pub const LONGEST: i64 = 24 * 60 * 60 * 1000;

/// How many rows that are too old one call of [`forget_old`] removes at most.
const FORGOTTEN: i64 = 100;

/// Tries within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// When the window began.
    pub since: Timestamp,
    pub count: i64,
}

/// Counts one more try of `what`, and returns how many there were since the window began, this one included. A window
/// of `window` milliseconds ([`LONGEST`] at most) that is over, or that begins in the future because the clock was set back, begins anew. A
/// single statement: tries side by side are all counted.
pub async fn count(conn: &mut Conn, what: &str, window: i64, now: Timestamp) -> Result<Tried, DbError> {
    let row = sqlx::query(
        "INSERT INTO attempts (what, since, count) VALUES ($1, $2, 1)
         ON CONFLICT (what) DO UPDATE SET
             count = CASE WHEN attempts.since <= $3 OR attempts.since > $2 THEN 1 ELSE attempts.count + 1 END,
             since = CASE WHEN attempts.since <= $3 OR attempts.since > $2 THEN $2 ELSE attempts.since END
         RETURNING since, count",
    )
    .bind(what)
    .bind(now.millis())
    .bind(now.plus_millis(-window).millis())
    .fetch_one(conn)
    .await?;
    let row = Row::new(&row, "attempts");
    Ok(Tried { since: row.time("since")?, count: row.int("count")? })
}

/// Forgets the tries of `what`: it succeeded.
pub async fn forget(conn: &mut Conn, what: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM attempts WHERE what = $1").bind(what).execute(conn).await?;
    Ok(())
}

/// Removes what is older than any window, a hundred at a time: each try removes more than it adds.
pub async fn forget_old(conn: &mut Conn, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM attempts WHERE what IN (SELECT what FROM attempts WHERE since < $1 ORDER BY since LIMIT $2)",
    )
    .bind(now.plus_millis(-LONGEST).millis())
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
                assert_eq!(
                    count(&mut conn, "sign-up:1", 1000, at(now)).await.unwrap().count,
                    counted,
                    "{now}"
                );
            }
            assert_eq!(count(&mut conn, "sign-up:2", 1000, at(1500)).await.unwrap().count, 1);
            forget_old(&mut conn, at(1500 + LONGEST)).await.unwrap();
            assert_eq!(count(&mut conn, "sign-up:1", 1000, at(1501)).await.unwrap().count, 2);
            forget_old(&mut conn, at(1501 + LONGEST)).await.unwrap();
            assert_eq!(count(&mut conn, "sign-up:1", 1000, at(1502)).await.unwrap().count, 1);
        }
    }
}
