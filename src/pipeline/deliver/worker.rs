//! One connection to the relay: takes messages one by one, sends them, and says what became of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::db;
use crate::db::deliveries::Record;
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{DeliveryState, Next, Outcome, OutcomeClass, after_attempt};
use crate::mail::session::{Envelope, Session};

use super::Shared;
use super::cohort::Cohort;
use super::job::{DeliveryJob, Job, NoticeJob};
use super::recorder::{Done, Unrecorded};

/// How old a reader's row may be when their message goes out: older, and it is read again. At full speed a batch is
/// on the wire within this time, so the check costs nothing there.
const FRESH: Duration = Duration::from_millis(250);

/// How long a connection is kept without work: many relays close at five minutes, and hold it against us.
const IDLE: Duration = Duration::from_secs(10);

/// How long a connection waits that the relay refused while it serves others.
const NO_MORE_CONNECTIONS: Duration = Duration::from_secs(15);

/// A session, and how many messages it has taken.
struct Open {
    session: Session,
    taken: u32,
}

pub struct Worker {
    shared: Arc<Shared>,
    outcomes: mpsc::Sender<Unrecorded>,
    open: Option<Open>,
    message: Vec<u8>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, outcomes: mpsc::Sender<Unrecorded>) -> Self {
        Self { shared, outcomes, open: None, message: Vec::new() }
    }

    /// Works until there will be no more jobs.
    pub async fn run(mut self, jobs: flume::Receiver<Job>) {
        loop {
            match tokio::time::timeout(IDLE, jobs.recv_async()).await {
                Ok(Ok(job)) => self.handle(job).await,
                Ok(Err(flume::RecvError::Disconnected)) => break,
                Err(_) => self.close().await,
            }
        }
        self.close().await;
    }

    async fn handle(&mut self, job: Job) {
        let leave = Arc::clone(&self.shared.unrecorded).acquire_owned().await.ok();
        let done = match job {
            // The sender gives all of it back as it ends.
            _ if self.shared.is_stopping() => return,
            // What another node has taken over meanwhile is no longer ours to give back, and stays as it is.
            job if !self.shared.holds_lease() => Some(job.back(self.shared.app.clock.now())),
            Job::Delivery(job) => self.deliver(*job).await,
            Job::Notice(job) => self.notify(&job).await,
        };
        if let Some(done) = done {
            // The recorder ends after the workers: a closed channel means that it crashed, and the lease settles it.
            let _ = self.outcomes.send(Unrecorded { done, leave }).await;
        }
    }

    async fn deliver(&mut self, mut job: DeliveryJob) -> Option<Done> {
        let id = job.claimed.id;
        if self.open_session().await.is_err() {
            return Some(Done::back(id));
        }
        self.shared.throttle.turn().await;
        if job.checked_at.elapsed() > FRESH && !self.check_again(&mut job).await {
            return Some(Done::back(id));
        }
        if let Some(done) = not_to_be_sent(&job) {
            return Some(done);
        }
        let app = &self.shared.app;
        self.message.clear();
        let addresses = match job.write(app, self.shared.verp.as_ref(), app.clock.now(), &mut self.message) {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::error!(delivery = id, %error, "a message cannot be written");
                return Some(failed(id, "message", error.to_string(), None));
            }
        };
        if !self.shared.holds_lease() {
            return Some(Done::back(id));
        }
        let (outcome, was_first) = self.send(&addresses.from, &addresses.to).await?;
        // A relay that ends a connection after so many messages has said nothing about this one.
        if outcome.class == OutcomeClass::RelayDown && outcome.code == Some(421) && !was_first {
            return Some(Done::back(id));
        }
        Some(self.settle(&job, outcome, addresses.to))
    }

    /// Reads the reader's row once more; false where it is not to go out now, or no longer by this node.
    async fn check_again(&self, job: &mut DeliveryJob) -> bool {
        let app = &self.shared.app;
        let loaded = async {
            let mut conn = app.db.conn().await?;
            db::deliveries::load(&mut conn, &[job.claimed.id], app.clock.now()).await
        };
        match loaded.await {
            Ok(mut rows) => {
                let Some(claimed) = rows.pop() else { return false };
                job.claimed = claimed;
                job.checked_at = Instant::now();
                job.claimed.node.as_ref() == Some(&self.shared.node)
            }
            Err(error) => {
                tracing::error!(%error, "a reader's row cannot be read; the message waits");
                false
            }
        }
    }

    fn settle(&self, job: &DeliveryJob, outcome: Outcome, to: EmailAddress) -> Done {
        let now = self.shared.app.clock.now();
        let counts = outcome.class != OutcomeClass::RelayDown;
        let attempts = job.claimed.attempts + u32::from(counts);
        let next = after_attempt(outcome.class, attempts, job.claimed.due_at, now);
        let detail = Some(outcome.detail.clone());
        let (state, reason, not_before, suppress) = match next {
            Next::Sent => (DeliveryState::Sent, None, None, None),
            Next::RetryAt(time) => {
                (DeliveryState::Deferred, Some(reason_word(outcome.class)), Some(time), None)
            }
            Next::Fail { suppress } => {
                let suppress = suppress.then_some((to, outcome.detail));
                (DeliveryState::Failed, Some(reason_word(outcome.class)), None, suppress)
            }
        };
        if outcome.class == OutcomeClass::OurFault {
            self.shared.our_fault(job.claimed.issue_id);
        }
        let reason = reason.map(str::to_owned);
        Done::Delivery {
            record: Record { id: job.claimed.id, state, reason, detail, not_before, attempted: counts },
            suppress,
        }
    }

    async fn notify(&mut self, job: &NoticeJob) -> Option<Done> {
        let now = self.shared.app.clock.now();
        if self.open_session().await.is_err() {
            return Some(job.back(now));
        }
        self.shared.throttle.turn().await;
        self.message.clear();
        let outcome = match job.write(now, &mut self.message) {
            Ok(addresses) => self.send(&addresses.from, &addresses.to).await?.0,
            Err(error) => {
                Outcome { class: OutcomeClass::Refused, detail: error.to_string(), code: None, status: None }
            }
        };
        let attempts = job.notice.attempts + i64::from(outcome.class != OutcomeClass::RelayDown);
        let next =
            after_attempt(outcome.class, u32::try_from(attempts).unwrap_or(u32::MAX), job.notice.due_at, now);
        Some(Done::Notice { id: job.notice.id, next, attempts, detail: outcome.detail })
    }

    /// Sends `self.message`; also says whether it was the first of its connection.
    async fn send(&mut self, from: &EmailAddress, to: &EmailAddress) -> Option<(Outcome, bool)> {
        let open = self.open.as_mut()?;
        let was_first = open.taken == 0;
        open.taken = open.taken.saturating_add(1);
        let sending = open.session.send(&Envelope { from: Some(from), to }, &self.message).await;
        if !sending.alive {
            self.open = None;
            self.shared.relay_state.closed();
        }
        Some((sending.outcome, was_first))
    }

    /// Sees to it that a session is open.
    async fn open_session(&mut self) -> Result<(), ()> {
        if self.open.is_some() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        if shared.relay_state.wait().is_some() {
            return Err(());
        }
        match Session::connect(&shared.relay, &shared.ehlo_name, shared.timeouts).await {
            Ok(session) => {
                shared.relay_state.opened();
                self.open = Some(Open { session, taken: 0 });
                Ok(())
            }
            Err(outcome) => {
                shared.relay_state.failed(&outcome.detail);
                if shared.relay_state.wait().is_none() {
                    shared.pause(NO_MORE_CONNECTIONS).await;
                }
                Err(())
            }
        }
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.shared.relay_state.closed();
            open.session.quit().await;
        }
    }
}

/// What is recorded without sending anything: the reader left meanwhile, the issue is paused, the digest is stale.
fn not_to_be_sent(job: &DeliveryJob) -> Option<Done> {
    let id = job.claimed.id;
    if let Some(skip) = job.claimed.skip {
        return Some(skipped(id, skip.as_str()));
    }
    if !job.claimed.is_going_out {
        return Some(Done::back(id));
    }
    matches!(&*job.cohort, Cohort::Nothing).then(|| skipped(id, "no_articles"))
}

pub fn skipped(id: i64, reason: &str) -> Done {
    let record = Record {
        id,
        state: DeliveryState::Skipped,
        reason: Some(reason.to_owned()),
        detail: None,
        not_before: None,
        attempted: false,
    };
    Done::Delivery { record, suppress: None }
}

pub fn failed(id: i64, reason: &str, detail: String, suppress: Option<(EmailAddress, String)>) -> Done {
    let record = Record {
        id,
        state: DeliveryState::Failed,
        reason: Some(reason.to_owned()),
        detail: Some(detail),
        not_before: None,
        attempted: false,
    };
    Done::Delivery { record, suppress }
}

/// The outcome's class as it is kept with a delivery.
fn reason_word(class: OutcomeClass) -> &'static str {
    match class {
        OutcomeClass::Sent => "sent",
        OutcomeClass::TryLater => "try_later",
        OutcomeClass::BadAddress => "bad_address",
        OutcomeClass::Refused => "refused",
        OutcomeClass::OurFault => "our_fault",
        OutcomeClass::RelayDown => "relay_down",
    }
}
