//! What relays may still be sent: turns within a second, and messages within a day, reserved before they are used. So a
//! limit holds over all nodes and over restarts.
//!
//! Paces are kept by the database's clock, as leases are: the clocks of two machines differ. A day is the caller's.

use super::articles::json;
use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::{Conn, DbError, sql};

/// Reserved turns of one domain, or of a relay as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    pub domain: String,
    /// How many were left within the horizon, of those that were wanted.
    pub granted: i64,
    /// When the first of them is, in microseconds from now.
    pub first: i64,
}

/// How much further ahead than a turn can be reserved the next one still counts, in microseconds: who has waited for
/// another's reservation proposes an earlier time.
const SLACK: i64 = 5_000_000;

/// Reserves turns that are `interval` apart and begin within `horizon` from now, both in microseconds, for each of these
/// domains as many as are wanted and left; the empty domain stands for the relay as a whole. A domain is named once.
pub async fn reserve_turns(
    conn: &mut Conn,
    relay: &str,
    interval: i64,
    horizon: i64,
    wanted: &[(&str, i64)],
) -> Result<Vec<Turns>, DbError> {
    let dialect = Dialect::of(conn);
    let now = format!("{} * 1000", dialect.now_millis());
    let rows = dialect.rows("$2", &[("domain", Kind::Text), ("wanted", Kind::Int)]);
    // What is proposed begins now; where turns are given out already, it begins behind them.
    let proposed = "(excluded.next_at - excluded.granted * $3)";
    // Nor does one count that nobody can have reserved: the database's clock was set back meanwhile.
    let is_passed = format!("(p.next_at <= {proposed} OR p.next_at > {proposed} + $4 + $3 + {SLACK})");
    let granted = format!(
        "CASE WHEN {is_passed} THEN excluded.granted
              WHEN p.next_at > {proposed} + $4 THEN 0
              WHEN ({proposed} + $4 - p.next_at) / $3 + 1 < excluded.granted
                  THEN ({proposed} + $4 - p.next_at) / $3 + 1
              ELSE excluded.granted END"
    );
    let statement = sql(format!(
        "INSERT INTO paces AS p (relay, domain, next_at, granted)
         SELECT $1, r.domain, {now} + r.wanted * $3, r.wanted FROM {rows} r WHERE 1 = 1
         ON CONFLICT (relay, domain) DO UPDATE SET granted = {granted},
             next_at = CASE WHEN {is_passed} THEN {proposed} ELSE p.next_at END + ({granted}) * $3
         RETURNING domain, granted, next_at - granted * $3 - {now} AS first"
    ));
    // In one order for everybody: two nodes that reserve the same domains do not wait for each other.
    let most = horizon / interval + 1;
    let mut wanted: Vec<_> = wanted.iter().map(|(domain, count)| (domain, (*count).min(most))).collect();
    wanted.sort_unstable();
    let rows = sqlx::query(statement)
        .bind(relay)
        .bind(json(&wanted))
        .bind(interval)
        .bind(horizon)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let row = Row::new(row, "paces");
            Ok(Turns { domain: row.text("domain")?, granted: row.int("granted")?, first: row.int("first")? })
        })
        .collect()
}

/// Deletes the paces that say nothing any more.
pub async fn forget_paces(conn: &mut Conn) -> Result<(), DbError> {
    let dialect = Dialect::of(conn);
    let (now, skip_locked) = (dialect.now_millis(), dialect.skip_locked());
    let statement = sql(format!(
        "DELETE FROM paces WHERE (relay, domain) IN
             (SELECT relay, domain FROM paces WHERE next_at < ({now} - 1000) * 1000 {skip_locked})
           AND next_at < ({now} - 1000) * 1000"
    ));
    sqlx::query(statement).execute(conn).await?;
    Ok(())
}

/// Reserves up to `wanted` messages of a relay's day, of which it may be sent `limit`, and returns how many it got.
pub async fn reserve_day(
    conn: &mut Conn,
    relay: &str,
    day: i64,
    limit: i64,
    wanted: i64,
) -> Result<i64, DbError> {
    let granted = "CASE WHEN d.sent >= $3 THEN 0
                        WHEN d.sent + excluded.granted > $3 THEN $3 - d.sent
                        ELSE excluded.granted END";
    let statement = sql(format!(
        "INSERT INTO relay_days AS d (relay, day, sent, granted) VALUES ($1, $2, $4, $4)
         ON CONFLICT (relay, day) DO UPDATE SET granted = {granted}, sent = d.sent + {granted}
         RETURNING granted"
    ));
    let row = sqlx::query(statement)
        .bind(relay)
        .bind(day)
        .bind(limit)
        .bind(wanted.min(limit))
        .fetch_one(conn)
        .await?;
    Row::new(&row, "relay_days").int("granted")
}

/// Gives back what was reserved of a relay's day and not sent.
pub async fn release_day(conn: &mut Conn, relay: &str, day: i64, unused: i64) -> Result<(), DbError> {
    sqlx::query("UPDATE relay_days SET sent = sent - $3 WHERE relay = $1 AND day = $2")
        .bind(relay)
        .bind(day)
        .bind(unused)
        .execute(conn)
        .await?;
    Ok(())
}

/// What a relay was sent on a day, or has reserved to be sent; none where its days are not counted.
pub async fn sent_on(conn: &mut Conn, relay: &str, day: i64) -> Result<Option<i64>, DbError> {
    let row = sqlx::query("SELECT sent FROM relay_days WHERE relay = $1 AND day = $2")
        .bind(relay)
        .bind(day)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Row::new(&row, "relay_days").int("sent")).transpose()
}

/// On how many days before this one mail went out through a relay, as far as days are counted.
pub async fn days_before(conn: &mut Conn, relay: &str, day: i64) -> Result<i64, DbError> {
    let row =
        sqlx::query("SELECT COUNT(*) AS count FROM relay_days WHERE relay = $1 AND day < $2 AND sent > 0")
            .bind(relay)
            .bind(day)
            .fetch_one(conn)
            .await?;
    Row::new(&row, "relay_days").int("count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::databases;

    const SECOND: i64 = 1_000_000;

    #[tokio::test]
    async fn turns_are_given_out_once_and_as_far_apart_as_they_must() {
        for test in databases().await {
            let mut conn = test.db.conn().await.unwrap();
            let mut reserve = async |wanted: &[(&str, i64)]| {
                let mut turns = reserve_turns(&mut conn, "r", SECOND / 10, SECOND, wanted).await.unwrap();
                turns.sort_by(|one, other| one.domain.cmp(&other.domain));
                turns
            };
            let first = reserve(&[("", 4)]).await.remove(0);
            assert_eq!(first.granted, 4);
            assert!((-SECOND / 100..=0).contains(&first.first), "{first:?}");
            // Behind the four that are given out, within a second.
            let second = reserve(&[("", 100)]).await.remove(0);
            assert!((6..=8).contains(&second.granted), "{second:?}");
            assert!((SECOND / 10..=SECOND * 4 / 10).contains(&second.first), "{second:?}");
            let third = reserve(&[("", 100)]).await.remove(0);
            assert!(third.granted <= 1 && third.first > SECOND / 2, "{third:?}");
            // Domains do not know of one another.
            let domains = reserve(&[("b.example", 3), ("a.example", 1_000)]).await;
            assert_eq!((domains[0].granted, domains[1].granted), (11, 3), "{domains:?}");
        }
    }

    #[tokio::test]
    async fn a_pace_that_has_passed_is_forgotten_and_allows_no_burst() {
        for test in databases().await {
            let mut conn = test.db.conn().await.unwrap();
            reserve_turns(&mut conn, "r", SECOND, SECOND, &[("", 1), ("a.example", 1)]).await.unwrap();
            sqlx::query("UPDATE paces SET next_at = 5 WHERE domain = ''").execute(&mut *conn).await.unwrap();
            // It makes nothing up for: two turns are all there is within a second, at one a second.
            let turns = reserve_turns(&mut conn, "r", SECOND, SECOND, &[("", 50)]).await.unwrap();
            assert_eq!(turns[0].granted, 2);
            sqlx::query("UPDATE paces SET next_at = 5 WHERE domain = ''").execute(&mut *conn).await.unwrap();
            forget_paces(&mut conn).await.unwrap();
            let row = sqlx::query("SELECT COUNT(*) AS count FROM paces").fetch_one(&mut *conn).await.unwrap();
            assert_eq!(Row::new(&row, "paces").int("count").unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_pace_that_lies_further_ahead_than_it_can_has_passed() {
        for test in databases().await {
            let mut conn = test.db.conn().await.unwrap();
            reserve_turns(&mut conn, "r", SECOND / 10, SECOND, &[("", 1)]).await.unwrap();
            // As if the database's clock had been set back by an hour.
            let ahead = "UPDATE paces SET next_at = next_at + 3600000000";
            sqlx::query(ahead).execute(&mut *conn).await.unwrap();
            let first =
                reserve_turns(&mut conn, "r", SECOND / 10, SECOND, &[("", 4)]).await.unwrap().remove(0);
            assert_eq!(first.granted, 4);
            assert!((-SECOND / 100..=0).contains(&first.first), "{first:?}");
            let second =
                reserve_turns(&mut conn, "r", SECOND / 10, SECOND, &[("", 4)]).await.unwrap().remove(0);
            assert!((SECOND / 10..=SECOND * 4 / 10).contains(&second.first), "{second:?}");
        }
    }

    #[tokio::test]
    async fn a_day_gives_out_no_more_than_its_limit_and_takes_back_what_is_unused() {
        for test in databases().await {
            let mut conn = test.db.conn().await.unwrap();
            for (wanted, granted) in [(60, 60), (60, 40), (1, 0)] {
                assert_eq!(reserve_day(&mut conn, "r", 7, 100, wanted).await.unwrap(), granted);
            }
            release_day(&mut conn, "r", 7, 5).await.unwrap();
            assert_eq!(reserve_day(&mut conn, "r", 7, 100, 60).await.unwrap(), 5);
            assert_eq!(reserve_day(&mut conn, "r", 7, 10, 60).await.unwrap(), 0, "a limit that was lowered");
            assert_eq!(reserve_day(&mut conn, "r", 8, 10, 60).await.unwrap(), 10);
            release_day(&mut conn, "r", 8, 10).await.unwrap();
            assert_eq!(reserve_day(&mut conn, "other", 6, 10, 60).await.unwrap(), 10);
            assert_eq!(days_before(&mut conn, "r", 9).await.unwrap(), 1, "a day on which nothing went out");
            assert_eq!(days_before(&mut conn, "r", 7).await.unwrap(), 0);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_reserves_at_the_same_time_gets_different_turns_and_no_more_than_the_day_has() {
        for test in databases().await {
            let mut reserving = tokio::task::JoinSet::new();
            for node in 0..4 {
                let db = test.db.clone();
                reserving.spawn(async move {
                    let (mut turns, mut day) = (vec![], 0);
                    for _ in 0..25 {
                        let mut conn = db.conn().await.unwrap();
                        let domains = [("a.example", 2), ("", 3), ("b.example", 1)];
                        let rotated = [domains[node % 3], domains[(node + 1) % 3], domains[(node + 2) % 3]];
                        let got = reserve_turns(&mut conn, "r", 1000, 10 * SECOND, &rotated).await.unwrap();
                        turns.extend(got.into_iter().map(|turns| (turns.domain, turns.granted)));
                        day += reserve_day(&mut conn, "r", 1, 150, 2).await.unwrap();
                    }
                    (turns, day)
                });
            }
            let (mut of_relay, mut of_day) = (0, 0);
            while let Some(done) = reserving.join_next().await {
                let (turns, day) = done.unwrap();
                of_relay +=
                    turns.iter().filter(|(domain, _)| domain.is_empty()).map(|turns| turns.1).sum::<i64>();
                of_day += day;
            }
            assert_eq!((of_relay, of_day), (300, 150));
        }
    }
}
