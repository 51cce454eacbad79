//! Deliver: claims deliveries that are due, renders, speaks SMTP, and records each outcome.
//!
//! One task claims and renders, one for each connection sends, one records. The table is the queue's truth: what a
//! sender has claimed and not recorded when it ends is given back, or taken over by another when its lease runs out.

pub mod cohort;
mod finish;
pub mod job;
mod recorder;
mod relay;
mod source;
mod worker;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

pub use self::finish::finish;
use self::recorder::Done;
use self::relay::{RelayState, Throttle};
use self::source::{JobSource, Took};
use self::worker::Worker;
use super::{App, Error};
use crate::db;
use crate::domain::delivery::{DeliveryState, Next};
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::newsletter::Newsletter;
use crate::mail::identity::Verp;
use crate::mail::relay::{Relay, RelayUrl};
use crate::mail::session::Timeouts;

/// How long a node's claims are good for without a sign of life.
const LEASE_MILLIS: i64 = 20_000;

/// How often a node gives a sign of life.
const RENEW: Duration = Duration::from_secs(5);

/// How long a sender that is told to stop waits for what is on the wire. A relay that has stalled may take ten minutes
/// to answer (RFC 5321 §4.5.3.2), and a supervisor that asked for the end kills after ten seconds.
const DRAIN: Duration = Duration::from_secs(8);

/// How long the claimer waits where nothing is due; a lost wake-up costs no more.
const NOTHING_DUE: Duration = Duration::from_millis(500);

/// What a sender did.
#[derive(Debug, Default)]
pub struct Totals {
    pub sent: AtomicU64,
    pub deferred: AtomicU64,
    pub failed: AtomicU64,
    pub skipped: AtomicU64,
}

impl Totals {
    fn count(&self, done: &Done) {
        let counter = match done {
            Done::Delivery { record, .. } => match record.state {
                DeliveryState::Sent => &self.sent,
                DeliveryState::Deferred => &self.deferred,
                DeliveryState::Failed => &self.failed,
                DeliveryState::Skipped => &self.skipped,
                DeliveryState::Queued | DeliveryState::Claimed => return,
            },
            Done::Notice { next, .. } => match next {
                Next::Sent => &self.sent,
                Next::RetryAt(_) => &self.deferred,
                Next::Fail { .. } => &self.failed,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// When a sender ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When it is told to.
    Stopped,
    /// When nothing is due any more, or the relay cannot be reached.
    NothingDue,
}

/// What the tasks of one sender share.
#[derive(Debug)]
struct Shared {
    app: App,
    node: String,
    relay: Relay,
    ehlo_name: String,
    timeouts: Timeouts,
    verp: Option<Verp>,
    throttle: Throttle,
    relay_state: RelayState,
    lease_until: AtomicI64,
    /// One permit for each message that may be out and not written down: what a crash can repeat.
    unrecorded: Arc<Semaphore>,
    stopping: AtomicBool,
    stop: watch::Receiver<bool>,
    /// Issues that the relay refused for a reason of ours: their editors are told.
    at_fault: Mutex<HashSet<i64>>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst) || *self.stop.borrow()
    }

    /// Whether what this node claimed is still its own. Another may have taken it over while this one was frozen.
    fn holds_lease(&self) -> bool {
        self.app.clock.now().millis() < self.lease_until.load(Ordering::SeqCst)
    }

    fn our_fault(&self, issue_id: i64) {
        self.at_fault.lock().unwrap_or_else(PoisonError::into_inner).insert(issue_id);
    }

    /// Waits, but not past the order to stop.
    async fn pause(&self, wait: Duration) {
        let mut stop = self.stop.clone();
        let _ = tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await;
    }

    /// Comes to its end so long after the order to stop.
    async fn after_stop(&self, wait: Duration) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left to give the order.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(wait).await;
    }

    async fn renew(&self) -> Result<(), Error> {
        let now = self.app.clock.now();
        let until = now.plus_millis(LEASE_MILLIS);
        let mut conn = self.app.db.conn().await?;
        db::nodes::renew(&mut conn, &self.node, now, until).await?;
        self.lease_until.store(until.millis(), Ordering::SeqCst);
        Ok(())
    }
}

/// A sender: one node of as many as there are.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    connections: u16,
    totals: Arc<Totals>,
}

impl Sender {
    /// A sender with the settings' relay and limits; it ends when `stop` turns true.
    pub fn new(app: &App, stop: watch::Receiver<bool>) -> Result<Self, Error> {
        let settings = &app.settings;
        let url = RelayUrl::parse(settings.relay_url.reveal()).map_err(Error::Invalid)?;
        let relay = Relay::open(url).map_err(Error::Invalid)?;
        let verp = match &settings.bounce_domain {
            Some(domain) => Some(Verp::new(&app.key.derive("bounce"), domain).map_err(Error::Invalid)?),
            None => None,
        };
        let shared = Shared {
            app: app.clone(),
            node: node_name()?,
            relay,
            ehlo_name: ehlo_name(app),
            timeouts: Timeouts::default(),
            verp,
            throttle: Throttle::new(settings.messages_per_second),
            relay_state: RelayState::default(),
            lease_until: AtomicI64::new(0),
            unrecorded: Arc::new(Semaphore::new(usize::from(settings.connections) + recorder::GROUP)),
            stopping: AtomicBool::new(false),
            stop,
            at_fault: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), connections: settings.connections, totals: Arc::default() })
    }

    /// What it did so far.
    pub fn totals(&self) -> Arc<Totals> {
        Arc::clone(&self.totals)
    }

    /// Sends until it is stopped, or until nothing is due. What it has on the wire then is finished and recorded, if
    /// the relay answers within [`DRAIN`]; what it has claimed beyond that is given back.
    pub async fn run(&self, until: Until) -> Result<(), Error> {
        let shared = &self.shared;
        self.enter().await?;
        let keeper = tokio::spawn(keep_lease(Arc::clone(shared)));
        let (outcome_sender, outcome_receiver) = mpsc::channel(usize::from(self.connections) * 2 + 64);
        let recorder = tokio::spawn(recorder::run(
            shared.app.clone(),
            shared.node.clone(),
            outcome_receiver,
            Arc::clone(&self.totals),
            shared.stop.clone(),
        ));
        let mut source = JobSource::new(Arc::clone(shared), outcome_sender.clone());
        let mut ended = Ok(());
        while !shared.is_stopping() {
            // Bounded: what is claimed waits here, and no more is claimed before it went out.
            let (job_sender, job_receiver) = flume::bounded(usize::from(self.connections) * 2);
            let mut workers = JoinSet::new();
            for _ in 0..self.connections {
                workers
                    .spawn(Worker::new(Arc::clone(shared), outcome_sender.clone()).run(job_receiver.clone()));
            }
            drop(job_receiver);
            let sending = async {
                let fed = feed(shared, &mut source, &job_sender, until).await;
                drop(job_sender);
                while workers.join_next().await.is_some() {}
                fed
            };
            let fed = tokio::select! {
                fed = sending => fed,
                () = shared.after_stop(DRAIN) => {
                    tracing::warn!("the relay does not answer; what is on the wire is given back, and may arrive twice");
                    break;
                }
            };
            match fed {
                Ok(Fed::SomeSent) if until == Until::NothingDue => {}
                Ok(_) => break,
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        shared.stopping.store(true, Ordering::SeqCst);
        drop(source);
        drop(outcome_sender);
        let _ = recorder.await;
        keeper.abort();
        self.leave().await?;
        ended
    }

    /// Takes over what nodes left behind that are gone. Who works on a SQLite file is alone: whatever else is claimed
    /// there was claimed by somebody who is gone.
    async fn enter(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.renew().await?;
        let mut tx = shared.app.db.begin().await?;
        if shared.app.db.file().is_some() {
            db::nodes::leave_others(&mut tx, &shared.node).await?;
        }
        let freed = db::nodes::take_over(&mut tx, shared.app.clock.now()).await?;
        db::commit(tx).await?;
        if freed > 0 {
            tracing::info!(freed, "took over what an earlier sender had claimed and not sent");
        }
        Ok(())
    }

    async fn leave(&self) -> Result<(), Error> {
        let shared = &self.shared;
        let mut tx = shared.app.db.begin().await?;
        db::deliveries::release(&mut tx, &shared.node).await?;
        db::notices::release(&mut tx, &shared.node, shared.app.clock.now()).await?;
        db::nodes::leave(&mut tx, &shared.node).await?;
        Ok(db::commit(tx).await?)
    }
}

/// How feeding the connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    SomeSent,
    NothingDue,
}

/// Claims and hands out until told to stop, or until nothing is due.
async fn feed(
    shared: &Arc<Shared>,
    source: &mut JobSource,
    jobs: &flume::Sender<self::job::Job>,
    until: Until,
) -> Result<Fed, Error> {
    let mut fed = Fed::NothingDue;
    loop {
        if shared.is_stopping() {
            return Ok(fed);
        }
        source.report_relay().await;
        if let Some(wait) = shared.relay_state.wait() {
            if until == Until::NothingDue {
                return Ok(Fed::NothingDue);
            }
            shared.pause(wait).await;
            continue;
        }
        match source.take(jobs).await {
            Ok(Took::Some) => fed = Fed::SomeSent,
            Ok(Took::Nothing) if until == Until::NothingDue => return Ok(fed),
            Ok(Took::Nothing) => shared.pause(NOTHING_DUE).await,
            Err(error) if until == Until::NothingDue => return Err(error),
            Err(error) => {
                tracing::error!(%error, "nothing can be claimed; trying again");
                shared.pause(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Renews the lease, and takes over from nodes that no longer renew theirs, until the sender ends.
async fn keep_lease(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = async {
            shared.renew().await?;
            let mut tx = shared.app.db.begin().await?;
            let freed = db::nodes::take_over(&mut tx, shared.app.clock.now()).await?;
            db::commit(tx).await?;
            Ok::<_, Error>(freed)
        };
        match renewed.await {
            Ok(0) => {}
            Ok(freed) => tracing::info!(freed, "took over from a node whose lease has run out"),
            Err(error) => {
                tracing::error!(%error, "the lease cannot be renewed; sending stops when it runs out")
            }
        }
    }
}

/// The subject that readers without special wishes will see; the bare line where it cannot be rendered.
pub fn subject(app: &App, newsletter: &Newsletter, issue: &Issue, content: &IssueContent) -> String {
    let edition = cohort::Edition::new(app, newsletter.clone(), issue.clone(), content.clone(), None, None);
    let values = crate::domain::mail::HoleValues::default();
    let audience = edition.default_audience();
    match app.renderer.digest_for(&edition.input(&audience), &values) {
        Ok(mail) => mail.subject.fill(&values, str::to_owned),
        Err(_) => content.subject.clone(),
    }
}

/// A name that no other sender ever has: 64 random bits.
fn node_name() -> Result<String, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Io(format!("the system gives no randomness: {error}")))?;
    Ok(format!("node-{:016x}", u64::from_be_bytes(bytes)))
}

/// What we call ourselves (RFC 5321 §4.1.1.1): the setting, or the public URL's host.
pub(super) fn ehlo_name(app: &App) -> String {
    let host = || url::Url::parse(&app.settings.public_url).ok()?.host_str().map(str::to_owned);
    app.settings.ehlo_name.clone().or_else(host).unwrap_or_else(|| "localhost".to_owned())
}
