//! How many an issue goes to, and what became of its mails: counted in the background, and kept for a while, because
//! counting walks over every reader.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::db::outcomes::Count;
use crate::db::tallies::{self, Tally};
use crate::db::{self, DbError};
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::issue::Issue;

use super::{App, Error, start};

const MINUTE: i64 = 60 * 1000;

/// How old a count may be before it is counted anew.
const FRESH: i64 = 5 * MINUTE;

/// Nobody else begins to count for so long.
const COUNTING: i64 = MINUTE;

/// An issue's results no longer change so long after its slot: every delivery has come to its end by then.
const SETTLED: i64 = 10 * 24 * 60 * MINUTE;

/// How long a page waits for a count that was never made before.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is counted over all readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audience,
    Results,
}

impl From<Kind> for tallies::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Audience => Self::Audience,
            Kind::Results => Self::Results,
        }
    }
}

/// How many count at a time: a million rows take a core for a second, and sending comes first.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A turn at counting, until it is dropped.
pub(super) async fn turn() -> SemaphorePermit<'static> {
    TURNS.acquire().await.expect("nobody closes the semaphore")
}

/// What stands for those who get it, among the reasons of the others.
const GETS: &str = "gets";

/// Who gets an issue, and why the others do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    pub readers: i64,
    /// Those who will not get it, by reason, the most frequent first.
    pub others: Vec<(SkipReason, i64)>,
    pub counted_at: Timestamp,
}

/// Who would get an issue that has not gone out; none while that is counted for the first time.
pub async fn audience(app: &App, issue: &Issue) -> Result<Option<Audience>, Error> {
    let Some(tally) = tally(app, issue, Kind::Audience).await? else { return Ok(None) };
    let mut others: Vec<(SkipReason, i64)> = SkipReason::ALL
        .into_iter()
        .map(|reason| (reason, tally.of(reason.as_str())))
        .filter(|(_, count)| *count > 0)
        .collect();
    others.sort_by_key(|(_, count)| -count);
    Ok(Some(Audience { readers: tally.of(GETS), others, counted_at: tally.at }))
}

/// What became of an issue's mails, by the state of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    pub sent: i64,
    pub failed: i64,
    /// Not decided yet: queued, on the wire, or put off.
    pub open: i64,
    /// Not sent any more, because the issue was cancelled.
    pub cut_off: i64,
    pub counted_at: Timestamp,
}

impl Results {
    fn of(tally: &Tally) -> Self {
        let is_cut_off = |count: &Count| count.reason.as_deref() == Some(SkipReason::Cancelled.as_str());
        Self {
            sent: of_state(tally, DeliveryState::Sent),
            failed: of_state(tally, DeliveryState::Failed),
            open: open(tally),
            cut_off: counts_of(tally).into_iter().filter(is_cut_off).map(|count| count.count).sum(),
            counted_at: tally.at,
        }
    }

    /// Whom the issue was to reach.
    pub fn all(&self) -> i64 {
        self.sent + self.failed + self.open + self.cut_off
    }
}

/// The results of an issue as they were counted last; a list does not count.
pub async fn kept_results(conn: &mut db::Conn, issue_id: i64) -> Result<Option<Results>, Error> {
    Ok(tallies::get(conn, issue_id, Kind::Results.into()).await?.as_ref().map(Results::of))
}

/// The results of an issue that was addressed; none while they are counted for the first time.
pub async fn results(app: &App, issue: &Issue) -> Result<Option<Results>, Error> {
    let Some(tally) = tally(app, issue, Kind::Results).await? else { return Ok(None) };
    Ok(Some(Results::of(&tally)))
}

/// Keeps the results of an issue that has just ended, so that no page has to count them.
pub(super) async fn keep_results(
    conn: &mut db::Conn,
    issue_id: i64,
    counts: &[Count],
    now: Timestamp,
) -> Result<(), DbError> {
    let counts = counts.iter().map(|count| (outcome(count), count.count)).collect();
    tallies::put(conn, issue_id, Kind::Results.into(), &Tally { at: now, counts }).await
}

/// What became of the mails of an issue that has ended, by state and reason. It is counted once, and again every few
/// minutes, behind the page's back, until all that comes back has come: bounces, for instance.
pub(super) async fn ended(app: &App, issue: &Issue, finished_at: Timestamp) -> Result<Vec<Count>, Error> {
    let kept = async || {
        let tally = tallies::get(&mut *app.db.conn().await?, issue.id, Kind::Results.into()).await?;
        // What was counted before the end, or while mails were let go of, says nothing of the end.
        let is_of_end = |tally: &Tally| tally.at >= finished_at && open(tally) == 0;
        Ok::<_, Error>(tally.filter(is_of_end))
    };
    if let Some(kept) = kept().await? {
        // An old one is good for this page, and is counted anew for the next.
        tally(app, issue, Kind::Results).await?;
        return Ok(counts_of(&kept));
    }
    let _turn = turn().await;
    // Whoever waited for their turn finds it counted.
    let tally = match kept().await? {
        Some(tally) => tally,
        None => count(app, issue, Kind::Results).await?,
    };
    Ok(counts_of(&tally))
}

/// A state and its reason, as they are kept.
fn outcome(count: &Count) -> String {
    match &count.reason {
        Some(reason) => format!("{} {reason}", count.state),
        None => count.state.to_owned(),
    }
}

fn counts_of(tally: &Tally) -> Vec<Count> {
    let count = |(word, count): &(String, i64)| {
        let (state, reason) = word.split_once(' ').map_or((word.as_str(), None), |(s, r)| (s, Some(r)));
        let state = DeliveryState::parse(state)?.as_str();
        Some(Count { state, reason: reason.map(str::to_owned), count: *count })
    };
    tally.counts.iter().filter_map(count).collect()
}

fn of_state(tally: &Tally, state: DeliveryState) -> i64 {
    let of = counts_of(tally).into_iter().filter(|count| count.state == state.as_str());
    of.map(|count| count.count).sum()
}

fn open(tally: &Tally) -> i64 {
    let states = [DeliveryState::Queued, DeliveryState::Claimed, DeliveryState::Deferred];
    states.into_iter().map(|state| of_state(tally, state)).sum()
}

/// The count as it is kept. An old one is given out, and counted anew behind the page's back.
async fn tally(app: &App, issue: &Issue, kind: Kind) -> Result<Option<Tally>, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let known = tallies::get(&mut conn, issue.id, kind.into()).await?;
    if known.as_ref().is_some_and(|tally| is_good(tally, issue, kind, now)) {
        return Ok(known);
    }
    if !tallies::claim(&mut conn, issue.id, kind.into(), now, now.plus_millis(-COUNTING)).await? {
        return Ok(known);
    }
    drop(conn);
    let (counting, issue) = (app.clone(), issue.clone());
    let counting = tokio::spawn(async move {
        let id = issue.id;
        // Whom an issue is for is counted in a turn of its own.
        let _turn = if kind == Kind::Results { Some(turn().await) } else { None };
        let counted = count(&counting, &issue, kind).await;
        counted.inspect_err(|error| tracing::error!(issue = id, %error, "readers could not be counted")).ok()
    });
    if known.is_some() {
        return Ok(known);
    }
    // It goes on where nobody waits for it any more.
    Ok(tokio::time::timeout(PATIENCE, counting).await.ok().and_then(Result::ok).flatten())
}

fn is_good(tally: &Tally, issue: &Issue, kind: Kind, now: Timestamp) -> bool {
    let is_settled =
        kind == Kind::Results && issue.state.is_final() && tally.at > issue.slot_at.plus_millis(SETTLED);
    // A clock that was set back must not make a count good for long.
    is_settled || (tally.at <= now && now < tally.at.plus_millis(FRESH))
}

async fn count(app: &App, issue: &Issue, kind: Kind) -> Result<Tally, Error> {
    let now = app.clock.now();
    let counts = match kind {
        Kind::Results => {
            let counts = db::keeping::counts(&mut *app.db.conn().await?, issue.id).await?;
            counts.iter().map(|count| (outcome(count), count.count)).collect()
        }
        Kind::Audience => {
            let newsletter = db::newsletters::get(&mut *app.db.conn().await?, issue.newsletter_id)
                .await?
                .ok_or_else(|| Error::NotFound(format!("issue {} has no newsletter", issue.id)))?;
            let groups = start::reach(app, &newsletter, issue).await?.groups;
            let word = |reason: Option<SkipReason>| reason.map_or(GETS, SkipReason::as_str).to_owned();
            groups.into_iter().map(|group| (word(group.reason), group.count)).collect()
        }
    };
    let tally = Tally { at: now, counts };
    tallies::put(&mut *app.db.conn().await?, issue.id, kind.into(), &tally).await?;
    Ok(tally)
}
