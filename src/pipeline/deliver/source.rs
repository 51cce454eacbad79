//! Claims what is due and makes jobs of it.

mod notices;
mod relays;

use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::db;
use crate::db::deliveries::{Claimed, Place, Reader};
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, Next, without_addresses};
use crate::domain::issue::{Issue, IssueState};
use crate::pipeline::editors::{self, Note};

use self::notices::NOTICES;
use self::relays::Report;
use super::super::Error;
use super::cohort::{Cohorts, Edition};
use super::hold::{Hold, Table};
use super::job::{DeliveryJob, Job};
use super::recorder::{DOMAIN_LIMIT, Done, Settled};
use super::{NOTHING_DUE, Outbox, Outlook, Shared, record_refusals, within};

/// Deliveries claimed at a time: as many as go out within [`BATCH_LASTS`], so that at a slow relay few are claimed that
/// another node could send. No more at full speed either: a longer claim saves nothing, and while it keeps a core of two
/// busy the connections wait.
const BATCHES: RangeInclusive<i64> = 50..=200;

/// How long a batch is to last.
const BATCH_LASTS: Range<Duration> = Duration::from_millis(40)..Duration::from_millis(120);

/// How soon lanes with messages in them are looked after again.
const LANES: Duration = Duration::from_millis(20);

/// How often an issue's queue is looked through from its beginning: for what was given back meanwhile.
const ANEW: Duration = Duration::from_secs(2);

/// Whether there was something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    Some,
    Nothing,
    /// Nothing at the moment; there may be more after this time.
    Waits(Duration),
    /// No relay takes mail before this time has passed.
    NoRelay(Duration),
}

pub struct JobSource {
    shared: Arc<Shared>,
    outcomes: mpsc::Sender<Settled>,
    cohorts: Cohorts,
    /// What was last noted with the issues under way about the relays, and with which. At first unknown: a sender that
    /// died may have left a note.
    reported: Option<(Report, Vec<i64>)>,
    /// What was last tried to be noted, and when.
    reporting: Option<(Report, Instant)>,
    /// Issues that were paused because no relay takes them.
    stopped: HashSet<i64>,
    /// How often the relays had refused us when the issues were paused for it.
    given_up_at: u32,
    /// How many deliveries are claimed at a time.
    batch: i64,
    /// Behind what place of an issue's queue claiming goes on, and since when it does.
    behind: HashMap<i64, (Place, Instant)>,
}

impl JobSource {
    pub fn new(shared: Arc<Shared>, outcomes: mpsc::Sender<Settled>) -> Self {
        Self {
            shared,
            outcomes,
            cohorts: Cohorts::default(),
            reported: None,
            reporting: None,
            stopped: HashSet::new(),
            given_up_at: 0,
            batch: 200,
            behind: HashMap::new(),
        }
    }

    /// Claims a batch of everything that is due and hands it to the relays.
    pub async fn take(&mut self, outbox: &mut Outbox) -> Result<Took, Error> {
        record_refusals(&self.shared, &self.outcomes, false).await;
        for (issue_id, why) in noted(&self.shared.broken) {
            if of_issue(issue_id, self.stop_issue(issue_id, &why).await)?.is_some() {
                forget(&self.shared.broken, &issue_id);
            }
        }
        for ((line, issue_id), why) in noted(&self.shared.refused) {
            if of_issue(issue_id, self.refused(line, issue_id, &why).await)?.is_some() {
                forget(&self.shared.refused, &(line, issue_id));
            }
        }
        let lanes_wait = outbox.look_after_lanes();
        // What waits for its turn goes first.
        if let Some(wait) = self.flush(outbox).await? {
            return Ok(Took::Waits(wait));
        }
        let mut took = match outbox.outlook(None, NOTICES) {
            Outlook::Takes(some) => self.take_notices(some, outbox).await?,
            Outlook::Soon(wait) => return Ok(Took::Waits(wait)),
            Outlook::Nothing(wait) => return Ok(Took::NoRelay(wait)),
        };
        let issues = self.sending().await?;
        for issue in issues.iter().filter(|issue| self.stopped.remove(&issue.id)) {
            // Whoever resumed it has mended something: its refusals are counted anew.
            self.shared.lines.iter().for_each(|line| line.refusals.forget(issue.id));
        }
        let ids: Vec<i64> = issues.iter().map(|issue| issue.id).collect();
        self.cohorts.keep(&ids);
        self.behind.retain(|id, _| ids.contains(id));
        for issue in &issues {
            if outbox.is_waiting() {
                // No turn is left for another issue either.
                break;
            }
            let here = match outbox.outlook(Some(issue.id), self.batch) {
                Outlook::Takes(some) => {
                    let taken = self.take_deliveries(issue, some, outbox).await;
                    of_issue(issue.id, taken)?.unwrap_or(Took::Nothing)
                }
                Outlook::Soon(wait) => Took::Waits(wait),
                Outlook::Nothing(_) => Took::Nothing,
            };
            if took == Took::Nothing || here == Took::Some {
                took = here;
            }
        }
        if took == Took::Nothing {
            super::give_back_days(&self.shared).await;
            // What was put off a moment ago is as good as due.
            let wait = if lanes_wait { Some(LANES) } else { outbox.put_off() };
            took = wait.map_or(took, |wait| Took::Waits(wait.min(NOTHING_DUE)));
        }
        Ok(took)
    }

    /// A relay refuses every message of an issue: others get it, and where all refuse it the issue is paused.
    async fn refused(&mut self, line: usize, issue_id: i64, why: &str) -> Result<(), Error> {
        // One that is only left alone for a while may take it when it is back.
        if self.shared.lines.iter().all(|line| line.refusals.refuses(issue_id)) {
            self.stop_issue(issue_id, &format!("the relay refuses every message: {why}")).await?;
            self.stopped.insert(issue_id);
            return Ok(());
        }
        let relay = &self.shared.lines[line].relay.url;
        tracing::warn!(issue = issue_id, %relay, why, "the relay refuses an issue, which goes through others");
        let mut tx = self.shared.app.db.begin().await?;
        let said = format!("the relay {relay} refuses every message, and others carry on: {why}");
        self.tell(&mut tx, issue_id, &said).await?;
        Ok(db::commit(tx).await?)
    }

    /// Tells the editors of an issue's newsletter, once, that something is to be mended. Where what is damaged is who they
    /// are, the log alone says it.
    async fn tell(&self, conn: &mut db::Conn, issue_id: i64, reason: &str) -> Result<(), Error> {
        let telling = async {
            let mut issue = editors::find_issue(conn, issue_id).await?;
            issue.reason = Some(reason.to_owned());
            if let Some(newsletter) = db::newsletters::get(conn, issue.newsletter_id).await? {
                editors::tell(conn, &self.shared.app, &newsletter, &issue, Note::Failed).await?;
            }
            Ok(())
        };
        match telling.await {
            Err(error) if !is_of_database(&error) => {
                tracing::error!(issue = issue_id, %error, reason, "the editors cannot be told");
                Ok(())
            }
            told => told,
        }
    }

    async fn sending(&self) -> Result<Vec<Issue>, Error> {
        let issues = async {
            let mut conn = self.shared.app.db.conn().await?;
            db::issues::in_states(&mut conn, &[IssueState::Sending]).await
        };
        Ok(within(issues).await?)
    }

    async fn take_deliveries(
        &mut self,
        issue: &Issue,
        limit: i64,
        outbox: &mut Outbox,
    ) -> Result<Took, Error> {
        let shared = Arc::clone(&self.shared);
        let mut holds = self.claim(issue, limit).await?;
        if holds.is_empty() {
            return Ok(Took::Nothing);
        }
        let count = i64::try_from(holds.len()).unwrap_or(i64::MAX);
        let now = shared.app.clock.now();
        let checked_at = Instant::now();
        let mut conn = shared.app.db.conn().await?;
        let edition = match self.cohorts.edition(&shared.app, &mut conn, issue.id).await {
            Ok(edition) => edition,
            Err(error) if is_of_database(&error) => return Err(error),
            // A damaged key or content stays as it is: everybody's mail waits for somebody to mend it.
            Err(error) => {
                drop(conn);
                self.stop_issue(issue.id, &format!("it cannot be rendered: {error}")).await?;
                return Ok(Took::Nothing);
            }
        };
        let ids: Vec<i64> = holds.iter().map(|(id, _)| *id).collect();
        let mut batch = within(db::deliveries::load(&mut conn, &ids, now)).await?;
        // Who had no try comes first: a relay that still takes nothing is not to be tried with the same few each time.
        batch.sort_by_key(|(_, loaded)| loaded.as_ref().map_or(0, |claimed| claimed.attempts));
        drop(conn);
        let is_limited = shared.lines.iter().any(|line| line.limits.counts_days());
        for (id, loaded) in batch {
            let Some(hold) = take_hold(&mut holds, id) else { continue };
            let (claimed, reader) = match sendable(id, loaded, &edition, now, is_limited) {
                Ok(sendable) => sendable,
                Err(done) => {
                    self.record(*done, hold).await;
                    continue;
                }
            };
            match self.cohorts.cohort(&edition, edition.audience_sent(&reader)) {
                Ok(cohort) => {
                    let edition = Arc::clone(&edition);
                    let job = DeliveryJob { claimed, reader, edition, cohort, checked_at, hold };
                    outbox.put(Job::Delivery(Box::new(job)));
                }
                Err(error) => {
                    self.stop_issue(issue.id, &format!("it cannot be rendered: {error}")).await?;
                    break;
                }
            }
        }
        self.flush(outbox).await?;
        if count == self.batch {
            self.batch = fitting(count, checked_at.elapsed());
        }
        Ok(Took::Some)
    }

    /// Hands out what is in the outbox; what no relay takes is given back. Returns how long what is left in there waits
    /// for its turn.
    async fn flush(&self, outbox: &mut Outbox) -> Result<Option<Duration>, Error> {
        let flushed = outbox.flush().await?;
        for job in flushed.left {
            // A notice is just let go: the lease's keeper gives it back.
            if let Job::Delivery(job) = job {
                self.record(Done::back(job.claimed.id), job.hold).await;
            }
        }
        let now = self.shared.app.clock.now();
        for (job, wait) in flushed.put_off {
            let later = now.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            match job {
                Job::Delivery(job) => self.record(Done::put_off(job.claimed.id, later), job.hold).await,
                Job::Notice(job) => {
                    let (id, attempts) = (job.notice.id, job.notice.attempts);
                    let detail = DOMAIN_LIMIT.to_owned();
                    let next = Next::RetryAt(later);
                    self.record(Done::Notice { id, next, attempts, detail }, job.hold).await;
                }
            }
        }
        Ok(flushed.wait)
    }

    /// Claims a batch; each row is held from here on.
    async fn claim(&mut self, issue: &Issue, limit: i64) -> Result<Vec<(i64, Hold)>, Error> {
        let shared = &self.shared;
        let _gate = shared.claims.claiming().await;
        let behind = self.behind.get(&issue.id).filter(|(_, since)| since.elapsed() < ANEW).copied();
        let claim = async |after: Option<Place>| {
            let mut conn = shared.app.db.conn().await?;
            let now = shared.app.clock.now();
            db::deliveries::claim(&mut conn, issue.id, &shared.node, now, limit, after).await
        };
        let mut places = within(claim(behind.map(|(place, _)| place))).await?;
        if places.is_empty() && behind.is_some() {
            places = within(claim(None)).await?;
        }
        match places.iter().max() {
            Some(last) if i64::try_from(places.len()) == Ok(limit) => {
                let since = behind.map_or_else(Instant::now, |(_, since)| since);
                self.behind.insert(issue.id, (*last, since));
            }
            _ => drop(self.behind.remove(&issue.id)),
        }
        let hold = |(_, id)| Some((id, shared.claims.hold(Table::Deliveries, id)?));
        Ok(places.into_iter().filter_map(hold).collect())
    }

    /// Pauses an issue that cannot be rendered, or that the relay refuses, before it fails for everybody, and tells the
    /// editors. What is on the wire is recorded as it comes; what is claimed beyond that is given back.
    async fn stop_issue(&self, issue_id: i64, why: &str) -> Result<(), Error> {
        let app = &self.shared.app;
        // What stands with an issue is shown to all who may look at it; a delivery keeps the relay's full words.
        let why = &without_addresses(why);
        let now = app.clock.now();
        tracing::error!(issue = issue_id, why, "an issue cannot go on and is paused");
        let mut tx = app.db.begin().await?;
        db::issues::advance(&mut tx, issue_id, IssueState::Sending, IssueState::Paused, Some(why), now)
            .await?;
        self.tell(&mut tx, issue_id, why).await?;
        Ok(db::commit(tx).await?)
    }

    async fn record(&self, done: Done, hold: Hold) {
        if self.outcomes.send(Settled { done, suppress: None, hold, room: None }).await.is_err() {
            self.shared.stop_now("outcomes are no longer recorded");
        }
    }
}

/// Whether the database as a whole fails, and not what one row of it says.
fn is_of_database(error: &Error) -> bool {
    matches!(error, Error::Db(db::DbError::Sql(_) | db::DbError::Silent))
}

/// What came of one issue; none where something is wrong with it alone, which stops no other.
fn of_issue<T>(issue_id: i64, result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if is_of_database(&error) => Err(error),
        Err(error) => {
            tracing::error!(issue = issue_id, %error, "an issue cannot go on; others do");
            Ok(None)
        }
    }
}

/// What is noted for the source to look after; it stays until it is.
fn noted<K: Clone, V: Clone>(notes: &Mutex<HashMap<K, V>>) -> Vec<(K, V)> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn forget<K: Eq + std::hash::Hash, V>(notes: &Mutex<HashMap<K, V>>, key: &K) {
    notes.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
}

/// The next batch after one of this size, which took so long to hand out.
fn fitting(batch: i64, took: Duration) -> i64 {
    let next = match took {
        took if took < BATCH_LASTS.start => batch * 2,
        took if took > BATCH_LASTS.end => batch / 2,
        _ => batch,
    };
    next.clamp(*BATCHES.start(), *BATCHES.end())
}

fn take_hold(holds: &mut Vec<(i64, Hold)>, id: i64) -> Option<Hold> {
    let index = holds.iter().position(|(held, _)| *held == id)?;
    Some(holds.swap_remove(index).1)
}

/// The delivery and its reader, or why it is not to be sent; `is_limited` says that relays have limits for a day.
fn sendable(
    id: i64,
    loaded: Result<Claimed, db::DbError>,
    edition: &Edition,
    now: Timestamp,
    is_limited: bool,
) -> Result<(Claimed, Reader), Box<Done>> {
    let failed =
        |reason: &str, detail: String| Box::new(Done::end(id, DeliveryState::Failed, reason, Some(detail)));
    let mut claimed = loaded.map_err(|error| {
        tracing::error!(delivery = id, %error, "a reader's row is damaged");
        failed("unreadable", error.to_string())
    })?;
    if let Some(skip) = claimed.skip {
        return Err(Box::new(Done::skipped(id, skip.as_str())));
    }
    let stale = edition.stale(claimed.due_at);
    if now > stale {
        let why = match is_limited && claimed.attempts == 0 {
            true => ": the relays' limits for a day may have let no more out in time",
            false => "",
        };
        return Err(failed("stale", format!("it could not be sent before {stale}, and is stale{why}")));
    }
    match claimed.reader.take() {
        Some(reader) if claimed.is_going_out => Ok((claimed, reader)),
        Some(_) => Err(Box::new(Done::back(id))),
        None => Err(Box::new(Done::skipped(id, "unsubscribed"))),
    }
}
