//! One connection to the relay: takes messages one by one, sends them, and says what became of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::db;
use crate::db::deliveries::Record;
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{DeliveryState, Next, Outcome, OutcomeClass, after_attempt};
use crate::mail::session::{Envelope, Session};

use super::cohort::Cohort;
use super::job::{DeliveryJob, Job, NoticeJob};
use super::recorder::{Done, Settled};
use super::relay::Working;
use super::{DRAIN, Shared, within};

/// How old a reader's row may be when their message goes out: older, and it is read again. At full speed a batch is
/// on the wire within this time, so the check costs nothing there.
const FRESH: Duration = Duration::from_millis(250);

/// How long a connection is kept without work: many relays close at five minutes, and hold it against us.
const IDLE: Duration = Duration::from_secs(10);

/// How long a connection waits that the relay refused while it serves others.
const NO_MORE_CONNECTIONS: Duration = Duration::from_secs(15);

/// How long a message waits whose connection the relay ended, as many do after so many messages, in milliseconds.
const AFTER_LAST_OF_CONNECTION: i64 = 2_000;

/// A session, and whether the relay has answered a message on it.
struct Open {
    session: Session,
    working: Option<Working>,
}

/// What became of a message, before it is known how its row is held.
struct Verdict {
    done: Done,
    suppress: Option<(EmailAddress, String)>,
    room: Option<OwnedSemaphorePermit>,
}

impl From<Done> for Verdict {
    fn from(done: Done) -> Self {
        Self { done, suppress: None, room: None }
    }
}

/// What the relay answered, with the room that the message takes until that is recorded.
struct Answer {
    outcome: Outcome,
    was_first: bool,
    room: Option<OwnedSemaphorePermit>,
}

pub struct Worker {
    shared: Arc<Shared>,
    outcomes: mpsc::Sender<Settled>,
    open: Option<Open>,
    message: Vec<u8>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, outcomes: mpsc::Sender<Settled>) -> Self {
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
        // What is not sent now is given back: by the sender as it ends, or by the lease's keeper.
        if self.shared.is_stopping() || !self.shared.holds_lease() {
            return;
        }
        let (verdict, hold) = match job {
            Job::Delivery(mut job) => (self.deliver(&mut job).await, job.hold),
            Job::Notice(job) => (self.notify(&job).await, job.hold),
        };
        let Some(Verdict { done, suppress, room }) = verdict else { return };
        if self.outcomes.send(Settled { done, suppress, hold, room }).await.is_err() {
            // Nobody records any more: nothing may be sent any more.
            self.shared.stop_now("outcomes are no longer recorded");
        }
    }

    async fn deliver(&mut self, job: &mut DeliveryJob) -> Option<Verdict> {
        let id = job.claimed.id;
        if self.open_session().await.is_err() {
            return Some(Done::back(id, None).into());
        }
        if !self.wait_for_turn().await {
            return None;
        }
        if job.checked_at.elapsed() > FRESH && !self.check_again(job).await {
            return Some(Done::back(id, None).into());
        }
        if let Some(done) = not_to_be_sent(job) {
            return Some(done.into());
        }
        let app = &self.shared.app;
        self.message.clear();
        let addresses = match job.write(app, self.shared.verp.as_ref(), app.clock.now(), &mut self.message) {
            Ok(addresses) => addresses,
            Err(error) => {
                // What fails for one reader's template or key fails for others too: the issue is paused instead.
                self.shared.broken(job.claimed.issue_id, format!("it cannot be rendered: {error}"));
                return Some(Done::back(id, None).into());
            }
        };
        if !self.shared.holds_lease() {
            return None;
        }
        let Answer { outcome, was_first, room } = self.send(&addresses.from, &addresses.to).await?;
        if outcome.class == OutcomeClass::RelayDown && !was_first {
            // A relay that ends a connection after so many messages has said nothing about this one.
            let soon = self.shared.app.clock.now().plus_millis(AFTER_LAST_OF_CONNECTION);
            return Some(Verdict { done: Done::back(id, Some(soon)), suppress: None, room });
        }
        if self.shared.refuses_us(job.claimed.issue_id, outcome.class) {
            let why = format!("the relay refuses every message: {}", outcome.detail);
            self.shared.broken(job.claimed.issue_id, why);
            return Some(Verdict { done: Done::back(id, None), suppress: None, room });
        }
        let (done, suppress) = self.settle(job, outcome, addresses.to);
        Some(Verdict { done, suppress, room })
    }

    /// Waits until the limit of messages a second lets one more go; false where the service is to stop before.
    async fn wait_for_turn(&self) -> bool {
        if let Some(turn) = self.shared.throttle.turn() {
            self.shared.pause(turn.saturating_duration_since(tokio::time::Instant::now())).await;
        }
        !self.shared.is_stopping()
    }

    /// Reads the reader's row once more; false where it is not to go out now, or no longer by this node.
    async fn check_again(&self, job: &mut DeliveryJob) -> bool {
        let app = &self.shared.app;
        let loaded = async {
            let mut conn = app.db.conn().await?;
            let mut rows = db::deliveries::load(&mut conn, &[job.claimed.id], app.clock.now()).await?;
            rows.pop().map(|(_, claimed)| claimed).transpose()
        };
        match within(loaded).await {
            Ok(Some(claimed)) => {
                job.claimed = claimed;
                job.checked_at = Instant::now();
                job.claimed.node.as_ref() == Some(&self.shared.node)
            }
            Ok(None) => false,
            Err(error) => {
                tracing::error!(%error, "a reader's row cannot be read; the message waits");
                false
            }
        }
    }

    fn settle(
        &self,
        job: &DeliveryJob,
        outcome: Outcome,
        to: EmailAddress,
    ) -> (Done, Option<(EmailAddress, String)>) {
        let now = self.shared.app.clock.now();
        let counts = outcome.class != OutcomeClass::RelayDown;
        let attempts = job.claimed.attempts + u32::from(counts);
        let next = after_attempt(outcome.class, attempts, job.claimed.due_at, now);
        let (state, not_before, suppress) = match next {
            Next::Sent => (DeliveryState::Sent, None, false),
            Next::RetryAt(time) => (DeliveryState::Deferred, Some(time), false),
            Next::Fail { suppress } => (DeliveryState::Failed, None, suppress),
        };
        let reason = (state != DeliveryState::Sent).then(|| reason_word(outcome.class).to_owned());
        let suppress = suppress.then(|| (to, outcome.detail.clone()));
        let detail = Some(outcome.detail);
        let record = Record { id: job.claimed.id, state, reason, detail, not_before, attempted: counts };
        (Done::Delivery(record), suppress)
    }

    async fn notify(&mut self, job: &NoticeJob) -> Option<Verdict> {
        self.open_session().await.ok()?;
        if !self.wait_for_turn().await {
            return None;
        }
        let now = self.shared.app.clock.now();
        self.message.clear();
        let (outcome, room) = match job.write(now, &mut self.message) {
            Ok(addresses) => {
                let answer = self.send(&addresses.from, &addresses.to).await?;
                (answer.outcome, answer.room)
            }
            Err(error) => {
                let detail = error.to_string();
                (Outcome { class: OutcomeClass::Refused, detail, code: None, status: None }, None)
            }
        };
        let attempts = job.notice.attempts + i64::from(outcome.class != OutcomeClass::RelayDown);
        let counted = u32::try_from(attempts).unwrap_or(u32::MAX);
        // A mail to one person is asked for once: it waits until the relay takes our mail again.
        let class = match outcome.class {
            OutcomeClass::OurFault => OutcomeClass::TryLater,
            class => class,
        };
        let next = after_attempt(class, counted, job.notice.due_at, now);
        let suppress = match next {
            Next::Fail { suppress: true } => Some((job.notice.email.clone(), outcome.detail.clone())),
            _ => None,
        };
        let done = Done::Notice { id: job.notice.id, next, attempts, detail: outcome.detail };
        Some(Verdict { done, suppress, room })
    }

    /// Sends `self.message`, once there is room for one more that is not recorded.
    async fn send(&mut self, from: &EmailAddress, to: &EmailAddress) -> Option<Answer> {
        let room = Arc::clone(&self.shared.unrecorded).acquire_owned().await.ok();
        if self.shared.is_stopping() {
            return None;
        }
        let open = self.open.as_mut()?;
        let was_first = open.working.is_none();
        let handing_over = open.session.handing_over();
        let envelope = Envelope { from: Some(from), to };
        let sent = {
            let sending = open.session.send(&envelope, &self.message);
            tokio::pin!(sending);
            tokio::select! {
                sent = &mut sending => Some(sent),
                () = self.shared.after_stop(DRAIN) => match handing_over.load(Ordering::SeqCst) {
                    true => Some(sending.await),
                    false => None,
                }
            }
        };
        let sending = sent?;
        match sending.outcome.class {
            OutcomeClass::RelayDown if was_first => self.shared.relay_state.failed(&sending.outcome),
            OutcomeClass::RelayDown => {}
            _ if was_first => open.working = Some(self.shared.relay_state.works()),
            _ => {}
        }
        if !sending.alive {
            self.open = None;
        }
        Some(Answer { outcome: sending.outcome, was_first, room })
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
        let connected = tokio::select! {
            connected = Session::connect(&shared.relay, &shared.ehlo_name, shared.timeouts) => connected,
            () = shared.after_stop(DRAIN) => return Err(()),
        };
        match connected {
            Ok(session) => {
                self.open = Some(Open { session, working: None });
                Ok(())
            }
            Err(outcome) => {
                shared.relay_state.failed(&outcome);
                if shared.relay_state.wait().is_none() {
                    shared.pause(NO_MORE_CONNECTIONS).await;
                }
                Err(())
            }
        }
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.session.quit().await;
        }
    }
}

/// What is recorded without sending anything: the reader left meanwhile, the issue is paused, the digest is stale.
fn not_to_be_sent(job: &DeliveryJob) -> Option<Done> {
    let id = job.claimed.id;
    if let Some(skip) = job.claimed.skip {
        return Some(Done::skipped(id, skip.as_str()));
    }
    if !job.claimed.is_going_out {
        return Some(Done::back(id, None));
    }
    matches!(&*job.cohort, Cohort::Nothing).then(|| Done::skipped(id, "no_articles"))
}

/// The outcome's class as it is kept with a delivery.
fn reason_word(class: OutcomeClass) -> &'static str {
    match class {
        OutcomeClass::Sent => "sent",
        OutcomeClass::TryLater => "try_later",
        OutcomeClass::BadAddress => "bad_address",
        OutcomeClass::Refused => "refused",
        OutcomeClass::OurFault => "our_fault",
        OutcomeClass::Uncertain => "uncertain",
        OutcomeClass::RelayDown => "relay_down",
    }
}
