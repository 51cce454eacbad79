//! What follows for a message from what the relay said, and how it is passed on to be recorded.

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::db::deliveries::Record;
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{DeliveryState, NOTICE_LASTS, Next, Outcome, OutcomeClass, after_attempt};

use super::super::App;
use super::Shared;
use super::job::{DeliveryJob, Job, NoticeJob};
use super::recorder::{Done, Settled};

/// What became of a message, before it is known how its row is held.
pub struct Verdict {
    pub done: Done,
    pub suppress: Option<(EmailAddress, String)>,
    pub room: Option<OwnedSemaphorePermit>,
}

impl From<Done> for Verdict {
    fn from(done: Done) -> Self {
        Self { done, suppress: None, room: None }
    }
}

/// What the relay answered, with the room that the message takes until that is recorded.
pub struct Answer {
    pub outcome: Outcome,
    pub was_first: bool,
    pub room: Option<OwnedSemaphorePermit>,
}

/// What the relay said of a delivery.
pub fn delivered(app: &App, job: &DeliveryJob, answer: Answer, to: EmailAddress) -> Verdict {
    let id = job.claimed.id;
    let Answer { outcome, room, .. } = answer;
    let now = app.clock.now();
    let counts = outcome.class != OutcomeClass::RelayDown;
    let attempts = job.claimed.attempts + u32::from(counts);
    let uncertain = job.claimed.uncertain + u32::from(outcome.class == OutcomeClass::Uncertain);
    let stale = job.edition.stale(job.claimed.due_at);
    let (state, not_before, suppress) = match after_attempt(outcome.class, attempts, uncertain, stale, now) {
        Next::Sent => (DeliveryState::Sent, None, false),
        Next::RetryAt(time) => (DeliveryState::Deferred, Some(time), false),
        Next::Fail { suppress } => (DeliveryState::Failed, None, suppress),
    };
    let reason = (state != DeliveryState::Sent).then(|| reason_word(outcome.class).to_owned());
    let suppress = suppress.then(|| (to, outcome.detail.clone()));
    let record = Record { id, state, reason, detail: Some(outcome.detail), not_before, attempted: counts };
    Verdict { done: Done::Delivery(record), suppress, room }
}

/// What the relay said of a notice.
pub fn notified(app: &App, job: &NoticeJob, answer: Answer) -> Verdict {
    let Answer { outcome, room, .. } = answer;
    let attempts = job.notice.attempts + i64::from(outcome.class != OutcomeClass::RelayDown);
    let counted = u32::try_from(attempts).unwrap_or(u32::MAX);
    // A mail to one person is asked for once: it waits until the relay takes our mail again.
    let class = match outcome.class {
        OutcomeClass::OurFault => OutcomeClass::TryLater,
        class => class,
    };
    let now = app.clock.now();
    // What made its earlier attempts fail is not kept with a notice: each may have been uncertain.
    let stale = job.notice.due_at.plus_millis(NOTICE_LASTS);
    let next = after_attempt(class, counted, counted, stale, now);
    let suppress = match next {
        Next::Fail { suppress: true } => Some((job.notice.email.clone(), outcome.detail.clone())),
        _ => None,
    };
    Verdict {
        done: Done::Notice { id: job.notice.id, next, attempts, detail: outcome.detail },
        suppress,
        room,
    }
}

/// Gives a delivery back to be claimed anew. A notice is just let go: the lease's keeper gives it back.
pub async fn give_back(shared: &Shared, outcomes: &mpsc::Sender<Settled>, job: Job) {
    if let Job::Delivery(delivery) = &job {
        let done = Done::back(delivery.claimed.id);
        record(shared, outcomes, done.into(), job).await;
    }
}

pub async fn record(shared: &Shared, outcomes: &mpsc::Sender<Settled>, verdict: Verdict, job: Job) {
    let Verdict { done, suppress, room } = verdict;
    let hold = match job {
        Job::Delivery(job) => job.hold,
        Job::Notice(job) => job.hold,
    };
    pass_on(shared, outcomes, Settled { done, suppress, hold, room }).await;
}

pub async fn pass_on(shared: &Shared, outcomes: &mpsc::Sender<Settled>, settled: Settled) {
    if outcomes.send(settled).await.is_err() {
        // Nobody records any more: nothing may be sent any more.
        shared.stop_now("outcomes are no longer recorded");
    }
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
