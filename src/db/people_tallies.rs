//! How many people there are, and how many each newsletter has: counted now and then, and kept.

use super::articles::json;
use super::row::Row;
use super::tallies::Tally;
use super::{Conn, DbError, one_row};
use crate::domain::calendar::Timestamp;

/// All people, in a tally.
pub const ALL: &str = "all";

/// The readers of a newsletter, in a tally: those who get what is sent, neither paused nor suppressed.
pub fn readers_of(newsletter_id: i64) -> String {
    format!("readers {newsletter_id}")
}

/// What was counted last; none where nothing was yet.
pub async fn get(conn: &mut Conn) -> Result<Option<Tally>, DbError> {
    let row =
        sqlx::query("SELECT id, counts, counted_at FROM people_tallies WHERE id = 1").fetch_optional(conn);
    let Some(row) = row.await? else { return Ok(None) };
    let row = Row::new(&row, "people_tallies");
    let counts = row.opt_parsed("counts", |text| serde_json::from_str(text).ok())?;
    Ok(counts.zip(row.opt_time("counted_at")?).map(|(counts, at)| Tally { at, counts }))
}

/// Whether it is ours to count: nobody has begun to since `before`.
pub async fn claim(conn: &mut Conn, now: Timestamp, before: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO people_tallies (id, asked_at) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET asked_at = excluded.asked_at WHERE people_tallies.asked_at < $2",
    )
    .bind(now.millis())
    .bind(before.millis())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Keeps what was counted.
pub async fn put(conn: &mut Conn, tally: &Tally) -> Result<(), DbError> {
    let result = sqlx::query(
        "INSERT INTO people_tallies (id, asked_at, counts, counted_at) VALUES (1, $2, $1, $2)
         ON CONFLICT (id) DO UPDATE SET counts = excluded.counts, counted_at = excluded.counted_at",
    )
    .bind(json(&tally.counts))
    .bind(tally.at.millis())
    .execute(conn)
    .await?;
    one_row("keeping a count of people", &result)
}

/// Forgets what was counted: many people have just been changed.
pub async fn forget(conn: &mut Conn) -> Result<(), DbError> {
    sqlx::query("DELETE FROM people_tallies").execute(conn).await?;
    Ok(())
}

/// Counts all of them: it reads every subscription.
pub async fn count(conn: &mut Conn, now: Timestamp) -> Result<Tally, DbError> {
    let row = sqlx::query("SELECT COUNT(*) AS people FROM subscribers").fetch_one(&mut *conn).await?;
    let mut counts = vec![(ALL.to_owned(), Row::new(&row, "subscribers").int("people")?)];
    let active = sqlx::query(
        "SELECT newsletter_id, COUNT(*) AS people FROM subscriptions
         WHERE status = 'active' AND (paused_until IS NULL OR paused_until <= $1) GROUP BY newsletter_id",
    );
    // Those on the suppression list are few beside all: they are looked up one by one, and taken off.
    let suppressed = sqlx::query(
        "SELECT t.newsletter_id, -COUNT(*) AS people
         FROM suppressions x
         JOIN subscribers s ON s.email_hash = x.email_hash
         JOIN subscriptions t ON t.subscriber_id = s.id
         WHERE t.status = 'active' AND (t.paused_until IS NULL OR t.paused_until <= $1) GROUP BY t.newsletter_id",
    );
    for query in [active, suppressed] {
        for row in query.bind(now.millis()).fetch_all(&mut *conn).await? {
            let row = Row::new(&row, "subscriptions");
            counts.push((readers_of(row.int("newsletter_id")?), row.int("people")?));
        }
    }
    Ok(Tally { at: now, counts })
}
