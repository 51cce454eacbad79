//! How long it is kept what became of each delivery, and of each other mail.

use std::time::{Duration, Instant};

use super::{App, Error, results};
use crate::db;
use crate::domain::calendar::Timestamp;

/// The most deliveries that are removed in one transaction.
const BATCH: i64 = 5_000;

/// A transaction that takes longer is followed by a smaller one, as other writers wait for it; one that takes a quarter
/// of this by a larger one. How long it takes is up to the disk, and to how the index's entries lie.
const LONGEST: Duration = Duration::from_millis(100);

/// How long one call goes on; the rest waits for the next.
const TURN: Duration = Duration::from_secs(10 * 60);

const A_DAY: i64 = 24 * 60 * 60 * 1000;

/// An issue whose deliveries were counted and removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrunk {
    pub issue_id: i64,
    pub deliveries: u64,
}

/// Shrinks the deliveries of issues that ended long ago to counts, and returns which; and forgets other mails as old.
///
/// Each batch is counted and removed in a transaction of its own, so it may end at any moment and begin anew. Between
/// two batches it rests for as long as one took: whoever sends meanwhile gets half of the database at least.
pub async fn shrink(app: &App) -> Result<Vec<Shrunk>, Error> {
    let Some(before) = kept_since(app) else { return Ok(vec![]) };
    let until = Instant::now() + TURN;
    let ended = db::keeping::ended(&mut *app.db.conn().await?, before).await?;
    let mut shrunk = vec![];
    for issue_id in ended {
        let deliveries = shrink_one(app, issue_id, until).await?;
        if deliveries > 0 {
            shrunk.push(Shrunk { issue_id, deliveries });
        }
    }
    forget_mails(app, before, until).await?;
    Ok(shrunk)
}

/// Forgets single mails that came to their end as long ago.
async fn forget_mails(app: &App, before: Timestamp, until: Instant) -> Result<(), Error> {
    while Instant::now() < until {
        let begun = Instant::now();
        if db::notices::prune(&mut *app.db.conn().await?, before, BATCH / 5).await? == 0 {
            break;
        }
        tokio::time::sleep(begun.elapsed()).await;
    }
    Ok(())
}

/// The end of an issue before which its deliveries are not kept; none where they are kept for ever.
fn kept_since(app: &App) -> Option<Timestamp> {
    let days = i64::from(app.settings.keep_deliveries);
    (days > 0).then(|| app.clock.now().plus_millis(-days * A_DAY))
}

async fn shrink_one(app: &App, issue_id: i64, until: Instant) -> Result<u64, Error> {
    let span = {
        let mut conn = app.db.conn().await?;
        // A cancelled issue's last rows may still be on their way to their end.
        if db::deliveries::is_open(&mut conn, issue_id).await? {
            return Ok(0);
        }
        db::keeping::span(&mut conn, issue_id).await?
    };
    let mut removed = 0;
    if let Some((first, last)) = span {
        results::keep_late(app, issue_id).await?;
        let (mut from, mut batch) = (first, BATCH / 5);
        while from <= last && Instant::now() < until {
            let begun = Instant::now();
            let mut tx = app.db.begin().await?;
            removed += db::keeping::shrink(&mut tx, issue_id, from, from + batch - 1).await?;
            db::commit(tx).await?;
            from += batch;
            let took = begun.elapsed();
            if took > LONGEST {
                batch = (batch / 2).max(BATCH / 5);
            } else if took < LONGEST / 4 {
                batch = (batch * 2).min(BATCH);
            }
            tokio::time::sleep(took).await;
        }
    }
    db::keeping::close(&mut *app.db.conn().await?, issue_id, app.clock.now()).await?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::notices::{self, Attempt, NewNotice};
    use crate::db::testing::{a_newsletter, count};
    use crate::domain::address::EmailAddress;
    use crate::domain::delivery::Next;
    use crate::pipeline::testing::apps;

    #[tokio::test]
    async fn single_mails_are_forgotten_as_long_after_their_end_as_an_issues() {
        for test in apps().await {
            let app = &test.app;
            let newsletter_id = a_newsletter(&app.db, "brief").await;
            let ann = EmailAddress::parse("ann@example.org").unwrap();
            let day = |days: i64| app.clock.set(crate::pipeline::testing::now().plus_millis(days * A_DAY));
            let queue = async |event: &str| {
                let now = app.clock.now();
                let new =
                    NewNotice { event, newsletter_id, email: &ann, name: "", content: "{}", due_at: now };
                assert!(notices::queue(&mut app.db.conn().await.unwrap(), &new, now).await.unwrap());
            };
            let end = async |next: Next| {
                let mut conn = app.db.conn().await.unwrap();
                let now = app.clock.now();
                for claimed in notices::claim(&mut conn, "test", now, 100).await.unwrap() {
                    let attempt = Attempt { next, attempts: 1, detail: "250 ok" };
                    notices::record(&mut conn, "test", claimed.id, &attempt, now).await.unwrap();
                }
            };
            // On day 0 one is sent, one fails and one is put off; on day 10 another is sent.
            queue("confirm:1").await;
            end(Next::Sent).await;
            queue("confirm:2").await;
            end(Next::Fail { suppress: false }).await;
            queue("confirm:3").await;
            end(Next::RetryAt(app.clock.now().plus_millis(1000 * A_DAY))).await;
            day(10);
            queue("confirm:4").await;
            end(Next::Sent).await;
            for (days, kept, expected) in [(30, 0, 4), (29, 30, 4), (31, 30, 2), (41, 30, 1), (900, 30, 1)] {
                day(days);
                let mut keeper = app.clone();
                keeper.settings.keep_deliveries = kept;
                shrink(&keeper).await.unwrap();
                let mut conn = app.db.conn().await.unwrap();
                assert_eq!(count(&mut conn, "notices").await, expected, "day {days}, kept for {kept}");
            }
            let mut conn = app.db.conn().await.unwrap();
            assert!(notices::queued_at(&mut conn, "confirm:3").await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn many_single_mails_are_forgotten_in_one_go_some_at_a_time() {
        for test in apps().await {
            let app = &test.app;
            let newsletter_id = a_newsletter(&app.db, "brief").await;
            let ann = EmailAddress::parse("ann@example.org").unwrap();
            let mut tx = app.db.begin().await.unwrap();
            let now = app.clock.now();
            for number in 0..BATCH / 5 + 7 {
                let event = format!("confirm:{number}");
                let new = NewNotice {
                    event: &event,
                    newsletter_id,
                    email: &ann,
                    name: "",
                    content: "{}",
                    due_at: now,
                };
                assert!(notices::queue(&mut tx, &new, now).await.unwrap());
            }
            for claimed in notices::claim(&mut tx, "test", now, 2 * BATCH).await.unwrap() {
                let attempt = Attempt { next: Next::Sent, attempts: 1, detail: "" };
                notices::record(&mut tx, "test", claimed.id, &attempt, now).await.unwrap();
            }
            db::commit(tx).await.unwrap();
            app.clock.set(now.plus_millis(10_000 * A_DAY));
            shrink(app).await.unwrap();
            assert_eq!(count(&mut app.db.conn().await.unwrap(), "notices").await, 0);
        }
    }
}
