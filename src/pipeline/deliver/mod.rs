//! Deliver: claims deliveries that are due, renders, speaks SMTP, and records each outcome.
//!
//! One task claims and renders, one for each connection sends, one records. The table is the queue's truth: what a
//! sender has claimed and not recorded when it ends is given back, or taken over by another when its lease runs out.

pub mod cohort;
mod finish;
mod hold;
pub mod job;
mod lanes;
pub mod limits;
mod line;
mod outbox;
mod recorder;
mod refusals;
pub mod relay;
mod shares;
mod source;
mod verdict;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::finish::finish;
use self::hold::{Claims, Table};
use self::line::Line;
use self::outbox::{Outbox, Outlook};
use self::recorder::{Done, Settled};
use self::source::{JobSource, Took};
use self::worker::Worker;
use super::{App, Error};
use crate::config::Settings;
use crate::db::{self, within};
use crate::domain::delivery::{DeliveryState, Next};
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::newsletter::Newsletter;
use crate::mail::identity::Verp;
use crate::mail::relay::{Relay, RelayUrl};
use crate::mail::session::Timeouts;

/// How long a node's claims are good for without a sign of life.
pub const LEASE_MILLIS: i64 = 20_000;
const LEASE: Duration = Duration::from_millis(LEASE_MILLIS.unsigned_abs());

/// How often a node gives a sign of life.
const RENEW: Duration = Duration::from_secs(5);

/// How long the database may take to hear a sign of life, and how soon another follows one that it did not: where one
/// connection hangs, there is time for a second one before the lease runs out.
const RENEW_PATIENCE: Duration = Duration::from_secs(7);
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// How long a sender that is told to stop lets a conversation with the relay go on that has not come to the message.
/// Where the message is written, the relay may have it: then its answer is waited for, up to the relay's time-out.
const DRAIN: Duration = Duration::from_secs(3);

/// How long giving back may take at the end: what is not given back is free when the lease runs out, or at the next
/// start.
const LEAVE: Duration = Duration::from_millis(1500);

/// How long the claimer waits where nothing is due; a lost wake-up costs no more.
const NOTHING_DUE: Duration = Duration::from_millis(500);

/// How long the claimer waits at most while no relay takes mail: editors and refusals are looked after meanwhile.
const NO_RELAY: Duration = Duration::from_secs(5);

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
        let state = match done {
            Done::Delivery(record) => record.state,
            Done::Notice { next: Next::Sent, .. } => DeliveryState::Sent,
            Done::Notice { next: Next::RetryAt(_), .. } => DeliveryState::Deferred,
            Done::Notice { next: Next::Fail { .. }, .. } => DeliveryState::Failed,
        };
        let counter = match state {
            DeliveryState::Sent => &self.sent,
            DeliveryState::Deferred => &self.deferred,
            DeliveryState::Failed => &self.failed,
            DeliveryState::Skipped => &self.skipped,
            DeliveryState::Queued | DeliveryState::Claimed => return,
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
    lines: Vec<Arc<Line>>,
    ehlo_name: String,
    timeouts: Timeouts,
    verp: Option<Verp>,
    claims: Arc<Claims>,
    /// This node's place among those that are alive, and how many these are.
    place: Mutex<(usize, usize)>,
    /// When this node joined the others.
    joined: Instant,
    /// Until when this node's claims are its own, by a clock that nobody sets.
    lease_until: Mutex<Instant>,
    /// Turns true when the sender is to end: told to, or because it must.
    stop: watch::Sender<bool>,
    /// Issues that cannot go on, and why: they are paused.
    broken: Mutex<HashMap<i64, String>>,
    /// Relays that refuse every message of an issue, by place and issue, and what they say.
    refused: Mutex<HashMap<(usize, i64), String>>,
    /// Room for messages that the relay has and the ledger does not know of: what a crash can repeat.
    unrecorded: Arc<Semaphore>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Whether what this node claimed is still its own. Another may have taken it over while this one was frozen.
    fn holds_lease(&self) -> bool {
        Instant::now() < *self.lease_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, issue_id: i64, why: String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).insert(issue_id, why);
    }

    /// Notes that a relay refuses every message of an issue.
    fn refused(&self, line: usize, issue_id: i64, why: String) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert((line, issue_id), why);
    }

    /// Ends the sender because it cannot keep its promise.
    fn stop_now(&self, why: &str) {
        tracing::error!(why, "the sender stops");
        self.stop.send_replace(true);
    }

    /// Waits, but not past the order to stop.
    async fn pause(&self, wait: Duration) {
        let mut stop = self.stop.subscribe();
        let _ = tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await;
    }

    /// Comes to its end so long after the order to stop.
    async fn after_stop(&self, wait: Duration) {
        // It cannot fail: the other end is here.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
        tokio::time::sleep(wait).await;
    }

    async fn renew(&self) -> Result<(), Error> {
        // Counted from before the question: however long the answer takes, the database's lease ends later.
        let until = Instant::now() + LEASE;
        let renew = async {
            let mut conn = self.app.db.conn().await?;
            db::nodes::renew(&mut conn, &self.node, LEASE_MILLIS).await?;
            db::nodes::place(&mut conn, &self.node).await
        };
        let place = tokio::time::timeout(RENEW_PATIENCE, renew).await.unwrap_or(Err(db::DbError::Silent))?;
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        *self.lease_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        Ok(())
    }

    /// How many of `all` tokens of a domain are this node's.
    fn share(&self, all: usize, domain: &str) -> usize {
        let (place, nodes) = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        lanes::share(all, domain, place, nodes)
    }

    /// Whether there are other nodes that may not have heard of this one yet: what is shared between nodes is theirs.
    fn is_new(&self) -> bool {
        let (_, nodes) = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        nodes > 1 && self.joined.elapsed() < LEASE + RENEW
    }

    /// Gives back what dead nodes claimed, and what this one claimed and no longer answers for; returns how many rows.
    async fn give_back(&self) -> Result<u64, Error> {
        let _gate = self.claims.claiming().await;
        let give = async {
            let mut conn = self.app.db.conn().await?;
            let mut freed = 0;
            for table in Table::ALL {
                freed += db::nodes::take_over(&mut conn, table.name(), &self.node).await?;
                let held = self.claims.held(table);
                freed += db::nodes::release_all_but(&mut conn, table.name(), &self.node, &held).await?;
            }
            db::nodes::forget_dead(&mut conn).await?;
            if self.lines.iter().any(|line| line.limits.is_any()) {
                db::limits::forget_paces(&mut conn).await?;
            }
            Ok(freed)
        };
        Ok(within(give).await?)
    }
}

/// A sender: one node of as many as there are.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    /// Turns true to end it.
    told: watch::Receiver<bool>,
    /// Connections to all relays together.
    connections: usize,
    totals: Arc<Totals>,
}

impl Sender {
    /// A sender with the settings' relays and limits; it ends when `stop` turns true.
    pub fn new(app: &App, stop: watch::Receiver<bool>) -> Result<Self, Error> {
        let settings = &app.settings;
        let relays = relays(settings).map_err(Error::Invalid)?;
        let lines: Vec<_> = relays.into_iter().map(|relay| Arc::new(Line::new(relay, settings))).collect();
        lines.iter().for_each(|line| app.relays.put(line.relay.url.key(), &line.state));
        let connections = lines.iter().map(|line| usize::from(line.connections)).sum();
        let verp = match &settings.bounce_domain {
            Some(domain) => Some(Verp::new(&app.key.derive("bounce"), domain).map_err(Error::Invalid)?),
            None => None,
        };
        let shared = Shared {
            app: app.clone(),
            node: node_name()?,
            lines,
            ehlo_name: ehlo_name(app),
            timeouts: timeouts(settings),
            verp,
            claims: Arc::default(),
            place: Mutex::new((0, 1)),
            joined: Instant::now(),
            lease_until: Mutex::new(Instant::now()),
            stop: watch::Sender::new(false),
            broken: Mutex::default(),
            refused: Mutex::default(),
            unrecorded: Arc::new(Semaphore::new(connections + recorder::GROUP)),
        };
        Ok(Self { shared: Arc::new(shared), told: stop, connections, totals: Arc::default() })
    }

    /// What it did so far.
    pub fn totals(&self) -> Arc<Totals> {
        Arc::clone(&self.totals)
    }

    /// Sends until it is stopped, or until nothing is due. What the relay may have then is waited for and recorded; what
    /// is claimed beyond that is given back.
    pub async fn run(&self, until: Until) -> Result<(), Error> {
        let shared = &self.shared;
        let obey = tokio::spawn(obey(Arc::clone(shared), self.told.clone()));
        let ended = self.send(until).await;
        obey.abort();
        ended
    }

    async fn send(&self, until: Until) -> Result<(), Error> {
        let shared = &self.shared;
        self.enter().await?;
        let keeper = tokio::spawn(keep_lease(Arc::clone(shared)));
        let (outcome_sender, outcome_receiver) = mpsc::channel(self.connections * 2 + 64);
        let recorder =
            tokio::spawn(recorder::run(Arc::clone(shared), outcome_receiver, Arc::clone(&self.totals)));
        let mut source = JobSource::new(Arc::clone(shared), outcome_sender.clone());
        let mut ended = Ok(());
        while !shared.is_stopping() {
            let outbox = Outbox::new(shared);
            let mut workers = JoinSet::new();
            for (index, line) in shared.lines.iter().enumerate() {
                for _ in 0..line.connections {
                    let work = outbox.way_out(index);
                    let worker = Worker::new(Arc::clone(shared), index, work, outcome_sender.clone());
                    workers.spawn(worker.run());
                }
            }
            let fed = tokio::select! {
                fed = feed(shared, &mut source, outbox, until) => fed,
                // It waits for a database that does not answer.
                () = shared.after_stop(DRAIN) => Ok(Fed::SomeSent),
            };
            while workers.join_next().await.is_some() {}
            record_refusals(shared, &outcome_sender, true).await;
            match fed {
                Ok(Fed::SomeSent) if until == Until::NothingDue => {}
                Ok(_) => break,
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        shared.stop.send_replace(true);
        drop(source);
        drop(outcome_sender);
        let recorded = recorder.await;
        keeper.abort();
        give_back_days(shared).await;
        self.leave().await?;
        recorded.map_err(|error| Error::Io(format!("what records outcomes crashed: {error}")))?;
        ended
    }

    /// Takes over what nodes left behind that are gone. Who works on a SQLite file is alone: whatever else is claimed
    /// there was claimed by somebody who is gone.
    async fn enter(&self) -> Result<(), Error> {
        let shared = &self.shared;
        shared.renew().await?;
        if shared.app.db.file().is_some() {
            db::nodes::leave_others(&mut *shared.app.db.conn().await?, &shared.node).await?;
            // Now that it is alone.
            shared.renew().await?;
        }
        let freed = shared.give_back().await?;
        if freed > 0 {
            tracing::info!(freed, "took over what an earlier sender had claimed and not sent");
        }
        Ok(())
    }

    async fn leave(&self) -> Result<(), Error> {
        let shared = &self.shared;
        let leave = async {
            let mut tx = shared.app.db.begin().await?;
            for table in Table::ALL {
                db::nodes::release_all_but(&mut tx, table.name(), &shared.node, &[]).await?;
            }
            db::nodes::leave(&mut tx, &shared.node).await?;
            db::commit(tx).await
        };
        let left = tokio::time::timeout(LEAVE, leave).await;
        Ok(left.unwrap_or(Err(db::DbError::Silent))?)
    }
}

/// How feeding the connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    SomeSent,
    NothingDue,
}

/// Hands the order to stop on. Where nobody is left to give it, it never comes.
async fn obey(shared: Arc<Shared>, mut told: watch::Receiver<bool>) {
    if told.wait_for(|stop| *stop).await.is_ok() {
        shared.stop.send_replace(true);
    }
}

/// Claims and hands out until told to stop, or until nothing is due.
async fn feed(
    shared: &Arc<Shared>,
    source: &mut JobSource,
    mut outbox: Outbox,
    until: Until,
) -> Result<Fed, Error> {
    let mut fed = Fed::NothingDue;
    loop {
        if shared.is_stopping() {
            return Ok(fed);
        }
        source.report_relays().await;
        if let Err(error) = source.give_up().await {
            tracing::error!(%error, "issues that no relay takes cannot be paused");
        }
        if !shared.holds_lease() {
            shared.pause(Duration::from_millis(200)).await;
            continue;
        }
        match source.take(&mut outbox).await {
            Ok(Took::Some) => fed = Fed::SomeSent,
            Ok(Took::Nothing) if until == Until::NothingDue => return Ok(fed),
            Ok(Took::Nothing) => shared.pause(NOTHING_DUE).await,
            Ok(Took::Waits(wait)) => shared.pause(wait).await,
            // What is under way may give back some of a relay's day.
            Ok(Took::NoRelay(_)) if until == Until::NothingDue => return Ok(fed),
            Ok(Took::NoRelay(wait)) => shared.pause(wait.min(NO_RELAY)).await,
            Err(error) if until == Until::NothingDue => return Err(error),
            Err(error) => {
                tracing::error!(%error, "nothing can be claimed; trying again");
                shared.pause(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Records refusals that nothing came after: those that have waited for it, or all.
async fn record_refusals(shared: &Shared, outcomes: &mpsc::Sender<Settled>, all: bool) {
    for line in &shared.lines {
        for settled in line.refusals.decided(all) {
            if outcomes.send(settled).await.is_err() {
                shared.stop_now("outcomes are no longer recorded");
            }
        }
    }
}

/// Gives back what is reserved of relays' days and not used.
async fn give_back_days(shared: &Shared) {
    for line in &shared.lines {
        if let Err(error) = line.limits.give_back(&shared.app).await {
            tracing::warn!(%error, relay = %line.relay.url, "what is left of the relay's day cannot be given back");
        }
    }
}

/// Renews the lease, and gives back what nobody answers for, until the sender ends. Neither waits for the other: what
/// hangs on one connection to the database must not cost the lease.
async fn keep_lease(shared: Arc<Shared>) {
    let renewing = async {
        let mut pause = RENEW;
        loop {
            tokio::time::sleep(pause).await;
            pause = RENEW;
            if let Err(error) = shared.renew().await {
                tracing::error!(%error, "the lease cannot be renewed; sending stops when it runs out");
                pause = RENEW_AGAIN;
            }
        }
    };
    let giving_back = async {
        loop {
            tokio::time::sleep(RENEW).await;
            match shared.give_back().await {
                Ok(0) => {}
                Ok(freed) => tracing::info!(freed, "gave back what was claimed and nobody answers for"),
                Err(error) => {
                    tracing::error!(%error, "what nobody answers for cannot be given back; trying again")
                }
            }
        }
    };
    let ((), ()) = tokio::join!(renewing, giving_back);
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

/// The relays that the settings name, ready to connect to.
///
/// # Errors
/// What is wrong with one of them, for the person who set it.
pub(super) fn relays(settings: &Settings) -> Result<Vec<Relay>, String> {
    RelayUrl::parse_all(settings.relay_url.reveal())?.into_iter().map(Relay::open).collect()
}

/// How long the relay may take to answer.
pub(super) fn timeouts(settings: &Settings) -> Timeouts {
    let most = settings.relay_timeout.map(Duration::from_secs);
    most.map_or_else(Timeouts::default, |most| Timeouts::default().at_most(most))
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
