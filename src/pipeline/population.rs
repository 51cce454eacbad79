//! How many people there are in all, and how many read each newsletter: counted in the background, and kept for a while,
//! because counting walks over all of them. Where they are few it is counted anew each time.

use std::time::Duration;

use super::audience::turn;
use super::{App, Error};
use crate::db::tallies::{self, Tally};
use crate::db::{Conn, DbError, people_tallies};
use crate::domain::calendar::Timestamp;

/// How old a count may be before it is counted anew, in milliseconds.
const FRESH: i64 = 5 * 60 * 1000;

/// Nobody else begins to count for so long.
const COUNTING: i64 = 60 * 1000;

/// So many are counted in a few milliseconds.
const FEW: i64 = 10_000;

/// How many people there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    tally: Tally,
    /// It was not counted just now.
    pub is_kept: bool,
}

impl Population {
    pub fn counted_at(&self) -> Timestamp {
        self.tally.at
    }

    pub fn all(&self) -> u64 {
        u64::try_from(self.tally.of(people_tallies::ALL)).unwrap_or(0)
    }

    /// Who gets what is sent of a newsletter.
    pub fn readers_of(&self, newsletter_id: i64) -> u64 {
        u64::try_from(self.tally.of(&people_tallies::readers_of(newsletter_id))).unwrap_or(0)
    }
}

/// How many there are; none where nobody knows within `patience`. An old count is given out, and made anew behind the
/// page's back.
pub async fn population(app: &App, patience: Duration) -> Result<Option<Population>, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let known = people_tallies::get(&mut conn).await?;
    let known = known.map(|tally| Population { tally, is_kept: true });
    let many = known.clone().filter(|known| known.tally.of(people_tallies::ALL) > FEW);
    // A clock that was set back must not make a count good for long.
    let is_fresh = |at: Timestamp| at <= now && now < at.plus_millis(FRESH);
    if many.as_ref().is_some_and(|many| is_fresh(many.counted_at())) {
        return Ok(many);
    }
    // Few are counted by everybody who asks.
    let is_ours = (known.is_some() && many.is_none())
        || people_tallies::claim(&mut conn, now, now.plus_millis(-COUNTING)).await?;
    drop(conn);
    if !is_ours {
        return Ok(known);
    }
    let counting = app.clone();
    let counting = tokio::spawn(async move {
        let _turn = turn().await;
        // Whoever waited for their turn may find it counted.
        if let Ok(mut conn) = counting.db.conn().await
            && let Ok(Some(tally)) = people_tallies::get(&mut conn).await
            && tally.at > now
        {
            return Some(tally);
        }
        let counted = count(&counting, now).await;
        counted.inspect_err(|error| tracing::error!(%error, "people could not be counted")).ok()
    });
    if many.is_some() {
        return Ok(many);
    }
    // It goes on where nobody waits for it any more.
    let counted = tokio::time::timeout(patience, counting).await.ok().and_then(Result::ok).flatten();
    Ok(counted.map(|tally| Population { tally, is_kept: false }).or(known))
}

/// Forgets how many there are, and how many the next issues go to: many people have just been changed, and whoever did that
/// looks at the numbers.
pub(super) async fn forget(conn: &mut Conn) -> Result<(), DbError> {
    people_tallies::forget(&mut *conn).await?;
    tallies::forget(conn, tallies::Kind::Audience).await
}

async fn count(app: &App, now: Timestamp) -> Result<Tally, Error> {
    let mut conn = app.db.conn().await?;
    let tally = people_tallies::count(&mut conn, now).await?;
    people_tallies::put(&mut conn, &tally).await?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db;
    use crate::db::directory::{Filter, State};
    use crate::db::testing::a_newsletter;
    use crate::pipeline::import::{Files, Request, import};
    use crate::pipeline::testing::{apps, now};

    const LONG: Duration = Duration::from_secs(60);

    async fn take_in(app: &App, newsletter: &str, file: &[u8]) {
        let request = Request { newsletter: newsletter.to_owned(), ..Request::default() };
        let input = Box::new(std::io::Cursor::new(file.to_vec()));
        import(app, &request, Files { input, first_look: None, report: None, progress: &|_| {} })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn readers_are_those_whom_the_list_finds_active() {
        for test in apps().await {
            let app = &test.app;
            let (brief, weekly) =
                (a_newsletter(&app.db, "brief").await, a_newsletter(&app.db, "weekly").await);
            let file = b"email,status,paused_until\nann@example.org,,\nbob@example.org,,2001-01-01\n\
                cleo@example.org,,2099-01-01\ndan@example.org,pending,\neve@example.org,unsubscribed,\n\
                fay@example.org,bounced,\ngus@example.org,,\n";
            take_in(app, "brief", file).await;
            take_in(app, "weekly", b"email\nann@example.org\ngus@example.org\n").await;
            take_in(app, "weekly", b"email,status\ngus@example.org,complained\n").await;
            let counted = population(app, LONG).await.unwrap().unwrap();
            assert_eq!((counted.all(), counted.is_kept), (7, false));
            for (newsletter_id, readers) in [(brief, 2), (weekly, 1), (99, 0)] {
                assert_eq!(counted.readers_of(newsletter_id), readers, "{newsletter_id}");
                let of = (Some(newsletter_id), Some(State::Active));
                let filter = Filter { newsletter_id: of.0, state: of.1, ..Filter::everybody(now()) };
                let mut conn = app.db.conn().await.unwrap();
                let listed = db::directory::count(&mut conn, &filter, 100, LONG).await.unwrap();
                assert_eq!(listed.people, readers, "{newsletter_id}");
            }
            take_in(app, "weekly", b"email\nhal@example.org\n").await;
            assert_eq!(population(app, LONG).await.unwrap().unwrap().all(), 8, "few are counted each time");
        }
    }

    #[tokio::test]
    async fn many_are_counted_anew_after_a_while_and_behind_the_page_s_back() {
        for test in apps().await {
            let app = &test.app;
            let tally = Tally { at: now(), counts: vec![(people_tallies::ALL.to_owned(), 1_000_000)] };
            people_tallies::put(&mut app.db.conn().await.unwrap(), &tally).await.unwrap();
            app.clock.set(now().plus_millis(FRESH - 1));
            let kept = population(app, LONG).await.unwrap().unwrap();
            assert_eq!((kept.all(), kept.counted_at(), kept.is_kept), (1_000_000, now(), true));
            app.clock.set(now().plus_millis(FRESH));
            assert_eq!(population(app, LONG).await.unwrap().unwrap().all(), 1_000_000, "nobody waits");
            for _ in 0..1000 {
                if population(app, LONG).await.unwrap().unwrap().all() == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(population(app, LONG).await.unwrap().unwrap().all(), 0);
        }
    }
}
