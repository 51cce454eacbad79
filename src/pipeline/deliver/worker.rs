//! One connection to a relay: takes messages one by one, sends them, and says what became of each.
//!
//! While a message is sent, the next is written and announced behind it, so that the relay never waits for us. From then
//! on it can be dropped only with the connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::db;
use crate::domain::delivery::{Next, OutcomeClass};
use crate::mail::session::{Envelope, Sending, Session};

use super::cohort::Cohort;
use super::job::{Addresses, DeliveryJob, Job};
use super::lanes::Token;
use super::line::{Line, Slot, Task, Work};
use super::recorder::{Done, Settled};
use super::relay::Working;
use super::verdict::{self, Answer, Verdict, give_back, pass_on};
use super::{DRAIN, Shared, within};

/// How old a reader's row may be when their message goes out: older, and it is read again. At full speed a batch is
/// on the wire within this time, so the check costs nothing there.
const FRESH: Duration = Duration::from_millis(250);

/// How long a connection is kept without work: many relays close at five minutes, and hold it against us.
const IDLE: Duration = Duration::from_secs(10);

/// How long a connection waits that the relay refused while it serves others.
const NO_MORE_CONNECTIONS: Duration = Duration::from_secs(15);

/// A relay that answers within this time is sent the next envelope behind a body.
const QUICK: Duration = Duration::from_secs(1);

/// How long a message that is announced waits for the one before it, until another connection may have it.
const ANNOUNCED: Duration = Duration::from_secs(2);

/// How long a message waits for a connection that is being opened, until another may have it.
const CONNECTING: Duration = Duration::from_secs(5);

/// A session, and what we know of the relay from it.
struct Open {
    session: Session,
    /// Whether the relay has answered a message on it.
    working: Option<Working>,
    /// Whether it answered the last one within [`QUICK`].
    is_quick: bool,
    /// Whether it has answered an envelope that went out behind a body.
    took_ahead: bool,
    /// Messages that were sent on it.
    messages: u32,
}

impl Open {
    /// Whether the message that is sent now is the last for this connection.
    fn is_last(&self, line: &Line) -> bool {
        line.relay.url.terms.per_connection.is_some_and(|most| self.messages + 1 >= most)
    }

    /// Whether the connection has had as many messages as it may.
    fn is_full(&self, line: &Line) -> bool {
        line.relay.url.terms.per_connection.is_some_and(|most| self.messages >= most)
    }
}

/// A message that is written for its recipient.
struct Outgoing {
    job: Job,
    slot: Slot,
    addresses: Addresses,
    message: String,
}

impl Outgoing {
    fn envelope(&self) -> Envelope<'_> {
        Envelope { from: Some(&self.addresses.from), to: &self.addresses.to }
    }
}

pub struct Worker {
    shared: Arc<Shared>,
    /// The relay, and its place among the others.
    line: Arc<Line>,
    place: usize,
    tasks: flume::Receiver<Task>,
    /// The lane that it is in.
    lane: Option<Arc<Token>>,
    outcomes: mpsc::Sender<Settled>,
    open: Option<Open>,
    /// A message that was to be announced when the connection ended.
    after_that: Option<Outgoing>,
    /// Buffers of messages that are sent, for those to come: two at most.
    spare: Vec<String>,
}

impl Worker {
    /// A connection to the relay at `place`.
    pub fn new(
        shared: Arc<Shared>,
        place: usize,
        tasks: flume::Receiver<Task>,
        outcomes: mpsc::Sender<Settled>,
    ) -> Self {
        let line = Arc::clone(&shared.lines[place]);
        Self {
            shared,
            line,
            place,
            tasks,
            lane: None,
            outcomes,
            open: None,
            after_that: None,
            spare: Vec::new(),
        }
    }

    /// Works until there will be no more jobs.
    pub async fn run(mut self) {
        let mut next = None;
        loop {
            let outgoing = match next.take().or_else(|| self.after_that.take()) {
                Some(outgoing) => Some(outgoing),
                None if let Some(work) = self.next_in_lane() => self.take(work).await,
                None => match tokio::time::timeout(IDLE, self.tasks.recv_async()).await {
                    Ok(Ok(task)) => match self.begin(task) {
                        Some(work) => self.take(work).await,
                        None => None,
                    },
                    Ok(Err(flume::RecvError::Disconnected)) => break,
                    Err(_) => {
                        self.close().await;
                        None
                    }
                },
            };
            if let Some(outgoing) = outgoing {
                next = self.handle(outgoing).await;
            }
        }
        self.close().await;
    }

    /// Takes a task on; its first message.
    fn begin(&mut self, task: Task) -> Option<Work> {
        self.line.room.notify_one();
        match task {
            Task::Send(work) => Some(work),
            Task::Lane(token) => {
                self.lane = Some(token);
                self.next_in_lane()
            }
        }
    }

    /// The next message of the lane that this connection is in; without one it leaves the lane.
    fn next_in_lane(&mut self) -> Option<Work> {
        let work = self.lane.as_ref().and_then(Token::next);
        if work.is_none() {
            self.lane = None;
        }
        work
    }

    /// Writes the message of a job whose turn it is, once a connection is open for it. None where it is not to be sent
    /// now: what is neither sent nor recorded is given back, by the sender as it ends or by the lease's keeper.
    async fn take(&mut self, work: Work) -> Option<Outgoing> {
        if self.shared.is_stopping() || !self.shared.holds_lease() {
            return None;
        }
        let Work { job, slot } = work;
        let Some(job) = self.open_for(job).await else {
            // Another connection may have the lane.
            self.lane = None;
            return None;
        };
        if !self.wait_for_turn(&slot, &job).await {
            if !self.shared.is_stopping() {
                give_back(&self.shared, &self.outcomes, job).await;
            }
            return None;
        }
        self.write(Work { job, slot }).await
    }

    /// Opens a connection for a message. None where that fails, or takes so long that another may have the message.
    async fn open_for(&mut self, job: Job) -> Option<Job> {
        let (shared, outcomes) = (Arc::clone(&self.shared), self.outcomes.clone());
        let mut job = Some(job);
        let opening = self.open_session();
        tokio::pin!(opening);
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                () = tokio::time::sleep(CONNECTING), if job.is_some() => if let Some(job) = job.take() {
                    give_back(&shared, &outcomes, job).await;
                },
            }
        };
        if opened.is_err()
            && let Some(job) = job.take()
        {
            give_back(&shared, &outcomes, job).await;
        }
        job
    }

    /// Writes the message that follows at once, so that it can be announced behind the one before it.
    async fn look_ahead(&mut self) -> Option<Outgoing> {
        let open = self.open.as_ref()?;
        let shared = &self.shared;
        let is_ready = open.is_quick && open.session.features().pipelining;
        let line = &self.line;
        if !is_ready
            || line.limits.has_turns()
            || open.is_last(line)
            || !line.state.takes_ahead()
            || shared.is_stopping()
        {
            return None;
        }
        if let Some(next) = self.after_that.take() {
            return Some(next);
        }
        let work = match self.next_in_lane() {
            Some(work) => work,
            None => {
                let task = self.tasks.try_recv().ok()?;
                self.begin(task)?
            }
        };
        self.write(work).await
    }

    /// Writes a message; what cannot or must not be sent is recorded instead.
    async fn write(&mut self, work: Work) -> Option<Outgoing> {
        let Work { mut job, slot } = work;
        if let Some(done) = self.not_to_be_sent(&mut job).await {
            self.record(done, job).await;
            return None;
        }
        let app = &self.shared.app;
        let mut message = self.spare.pop().unwrap_or_default();
        message.clear();
        let now = app.clock.now();
        let written = match &job {
            Job::Delivery(job) => job.write(app, self.shared.verp.as_ref(), now, &mut message),
            Job::Notice(job) => job.write(now, &mut message),
        };
        match written {
            Ok(addresses) => Some(Outgoing { job, slot, addresses, message }),
            Err(error) => {
                let done = match &job {
                    Job::Delivery(job) => {
                        // What fails for one reader's template or key fails for others too: the issue is paused instead.
                        self.shared.broken(job.claimed.issue_id, format!("it cannot be rendered: {error}"));
                        Done::back(job.claimed.id)
                    }
                    Job::Notice(job) => {
                        let (id, attempts) = (job.notice.id, job.notice.attempts + 1);
                        let next = Next::Fail { suppress: false };
                        Done::Notice { id, next, attempts, detail: error.to_string() }
                    }
                };
                self.record(done, job).await;
                None
            }
        }
    }

    /// Sends a message and records what became of it; returns the one that was announced behind it.
    async fn handle(&mut self, mut outgoing: Outgoing) -> Option<Outgoing> {
        if self.shared.is_stopping() || !self.shared.holds_lease() {
            self.drop_announced();
            return None;
        }
        // The connection may have ended after the message was written.
        if self.open_session().await.is_err() {
            give_back(&self.shared, &self.outcomes, outgoing.job).await;
            return None;
        }
        let next = self.look_ahead().await;
        let room = Arc::clone(&self.shared.unrecorded).acquire_owned().await.ok();
        // All that can take long is behind us: as things stand now, the message goes out.
        if let Some(done) = self.not_to_be_sent(&mut outgoing.job).await {
            self.drop_announced();
            self.record(done, outgoing.job).await;
            return next;
        }
        if self.shared.is_stopping() || !self.shared.holds_lease() {
            self.drop_announced();
            return None;
        }
        let (answer, next) = self.send(&outgoing, next, room).await;
        let Some(answer) = answer else { return next };
        let (class, was_first) = (answer.outcome.class, answer.was_first);
        if class == OutcomeClass::RelayDown && !was_first {
            // A relay that ends a connection after so many messages has said nothing about this one: it goes out on
            // another, at once. Where that fails too, it waits.
            self.after_that = next;
            return Some(outgoing);
        }
        let Outgoing { job, mut slot, addresses, message } = outgoing;
        if matches!(class, OutcomeClass::Sent | OutcomeClass::Uncertain) {
            slot.is_used();
        }
        self.spare.push(message);
        match &job {
            Job::Delivery(delivery) => {
                let verdict = verdict::delivered(&self.shared.app, delivery, answer, addresses.to);
                if self.line.refusals.concern(delivery.claimed.issue_id, class) {
                    self.weigh(class, verdict, job).await;
                } else {
                    self.record(verdict, job).await;
                }
            }
            Job::Notice(notice) => {
                let verdict = verdict::notified(&self.shared.app, notice, answer);
                self.record(verdict, job).await;
            }
        }
        drop(slot);
        if self.open.as_ref().is_some_and(|open| open.is_full(&self.line)) {
            self.close().await;
        }
        if class == OutcomeClass::RelayDown && was_first && self.line.state.wait().is_none() {
            // It serves others, and wants no more of them: the next would only be turned away as well.
            self.lane = None;
            self.shared.pause(NO_MORE_CONNECTIONS).await;
        }
        next
    }

    /// Sends a message with the next one's envelope behind it. No answer where the service is to stop and the relay does
    /// not have the message. The next comes back, unless it had to wait too long and was given back.
    async fn send(
        &mut self,
        outgoing: &Outgoing,
        mut next: Option<Outgoing>,
        room: Option<OwnedSemaphorePermit>,
    ) -> (Option<Answer>, Option<Outgoing>) {
        let Some(open) = self.open.as_mut() else { return (None, next) };
        let (was_first, was_ahead) = (open.working.is_none(), open.session.is_ahead());
        let ahead = next.as_ref().and_then(|next| open.session.ahead(&next.envelope(), &next.message));
        let is_announced = ahead.is_some();
        let handing_over = open.session.handing_over();
        let begun = Instant::now();
        let sent = {
            let envelope = outgoing.envelope();
            let sending = open.session.send(&envelope, &outgoing.message, ahead);
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    sent = &mut sending => break Some(sent),
                    () = self.shared.after_stop(DRAIN) => break match handing_over.load(Ordering::SeqCst) {
                        true => Some(sending.await),
                        false => None,
                    },
                    () = tokio::time::sleep(ANNOUNCED), if next.is_some() => if let Some(next) = next.take() {
                        give_back(&self.shared, &self.outcomes, next.job).await;
                    },
                }
            }
        };
        let Some(Sending { outcome, alive }) = sent else {
            self.open = None;
            return (None, next);
        };
        let state = &self.line.state;
        let answered = !matches!(outcome.class, OutcomeClass::RelayDown | OutcomeClass::Uncertain);
        if was_first {
            match outcome.class {
                OutcomeClass::RelayDown => self.line.failed(&outcome),
                OutcomeClass::Uncertain => self.line.broke_off(&outcome, outgoing.job.was_tried()),
                _ => open.working = Some(state.works()),
            }
        }
        if answered {
            self.line.answers();
        }
        if was_ahead && !open.took_ahead {
            open.took_ahead = outcome.class != OutcomeClass::RelayDown;
            state.noted_ahead(open.took_ahead);
        }
        open.is_quick = begun.elapsed() < QUICK;
        open.messages = open.messages.saturating_add(1);
        // Who was announced and is not sent here any more must not get somebody else's message.
        if !alive || (is_announced && next.is_none()) {
            self.open = None;
        }
        (Some(Answer { outcome, was_first, room }), next)
    }

    /// What is recorded without sending anything: the reader left meanwhile, the issue is paused, the relay refuses all
    /// of it, or the row can not be read again.
    async fn not_to_be_sent(&self, job: &mut Job) -> Option<Done> {
        let Job::Delivery(job) = job else { return None };
        if self.line.refusals.refuses(job.claimed.issue_id) {
            return Some(Done::back(job.claimed.id));
        }
        if job.checked_at.elapsed() > FRESH && !self.check_again(job).await {
            return Some(Done::back(job.claimed.id));
        }
        let id = job.claimed.id;
        if let Some(skip) = job.claimed.skip {
            return Some(Done::skipped(id, skip.as_str()));
        }
        if !job.claimed.is_going_out {
            return Some(Done::back(id));
        }
        matches!(&*job.cohort, Cohort::Nothing).then(|| Done::skipped(id, "no_articles"))
    }

    /// Reads the reader's row once more; false where it is not to go out now, or no longer by this node.
    async fn check_again(&self, job: &mut DeliveryJob) -> bool {
        if self.shared.is_stopping() {
            return false;
        }
        let app = &self.shared.app;
        let loaded = async {
            let mut conn = app.db.conn().await?;
            let mut rows = db::deliveries::load(&mut conn, &[job.claimed.id], app.clock.now()).await?;
            rows.pop().map(|(_, claimed)| claimed).transpose()
        };
        let loaded = tokio::select! {
            loaded = within(loaded) => loaded,
            () = self.shared.after_stop(DRAIN) => return false,
        };
        match loaded {
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

    async fn record(&self, verdict: impl Into<Verdict>, job: Job) {
        verdict::record(&self.shared, &self.outcomes, verdict.into(), job).await;
    }

    /// Records what became of a delivery once it is known whether the relay refuses it alone, or all of the issue.
    async fn weigh(&self, class: OutcomeClass, verdict: Verdict, job: Job) {
        let Job::Delivery(job) = job else { return };
        let Verdict { done, suppress, room } = verdict;
        let said = match &done {
            Done::Delivery(record) => record.detail.clone().unwrap_or_default(),
            Done::Notice { detail, .. } => detail.clone(),
        };
        let (id, issue_id) = (job.claimed.id, job.claimed.issue_id);
        let settled = Settled { done, suppress, hold: job.hold, room };
        let weighed = self.line.refusals.weigh(issue_id, id, class, self.line.is_taking(), settled);
        if weighed.refuses_all {
            self.shared.refused(self.place, issue_id, said);
        }
        for settled in weighed.settled {
            pass_on(&self.shared, &self.outcomes, settled).await;
        }
    }

    /// Waits until the limits of messages a second let this one go; false where the service is to stop before, or the
    /// message comes too late to its turn: then it gets another.
    async fn wait_for_turn(&self, slot: &Slot, job: &Job) -> bool {
        let wait = async |turn: tokio::time::Instant| {
            self.shared.pause(turn.saturating_duration_since(tokio::time::Instant::now())).await;
        };
        if let Some(turn) = slot.turn {
            wait(turn).await;
            let is_late = turn.elapsed() > self.line.limits.tolerance();
            if is_late && matches!(job, Job::Delivery(_)) {
                return false;
            }
        }
        if let Some(turn) = self.line.throttle.turn() {
            wait(turn).await;
        }
        !self.shared.is_stopping()
    }

    /// Sees to it that a session is open.
    async fn open_session(&mut self) -> Result<(), ()> {
        if self.open.is_some() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        if self.line.state.wait().is_some() {
            return Err(());
        }
        let connected = tokio::select! {
            connected = Session::connect(&self.line.relay, &shared.ehlo_name, shared.timeouts) => connected,
            () = shared.after_stop(DRAIN) => return Err(()),
        };
        match connected {
            Ok(session) => {
                self.line.answers();
                self.line.opened(&session.handing_over());
                self.open =
                    Some(Open { session, working: None, is_quick: false, took_ahead: false, messages: 0 });
                Ok(())
            }
            Err(outcome) => {
                self.line.failed(&outcome);
                if self.line.state.wait().is_none() {
                    shared.pause(NO_MORE_CONNECTIONS).await;
                }
                Err(())
            }
        }
    }

    /// Ends the connection in good order.
    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.session.quit().await;
        }
    }

    /// Ends a connection on which a message is announced that is not sent: the relay drops it.
    fn drop_announced(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.session.is_ahead()) {
            self.open = None;
        }
    }
}
