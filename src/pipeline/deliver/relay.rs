//! Whether a relay can be reached, and how fast we may go: what all connections to it share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::delivery::{Outcome, OutcomeClass};
use crate::mail::relay::RelayUrl;

/// A relay as the connections see it.
#[derive(Debug, Default)]
pub struct RelayState {
    /// Connections on which the relay has answered a message.
    working: AtomicUsize,
    down: Mutex<Option<Down>>,
    /// Connections in a row that ended at the first envelope that was sent behind a body.
    ahead_failures: AtomicU32,
    /// First messages of connections that broke off, since the relay last answered one.
    broken_off: AtomicU32,
}

/// So many connections in a row that end where an envelope was sent ahead are no chance: such a relay offers
/// `PIPELINING` and does not do it.
const AHEAD_FAILURES: u32 = 3;

/// So many messages in a row that break off are enough, though each of them is the first try for its reader.
const BROKEN_OFF: u32 = 1_000;

/// How long a relay that fails is left alone at most.
const MOST: Duration = Duration::from_secs(60);

/// The same where it refuses us: whoever tries too often with a wrong password is locked out.
const MOST_IF_OURS: Duration = Duration::from_secs(300);

/// Why the relay takes no mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub why: String,
    /// A wrong password, a certificate that does not match: it will not get better by itself.
    pub is_ours: bool,
    /// How many connections failed one after the other.
    pub failures: u32,
}

#[derive(Clone, Debug)]
struct Down {
    until: Instant,
    failures: u32,
    trouble: Trouble,
}

/// The relays of the sender that runs in this process, if one does, for who wants to know how they are.
#[derive(Clone, Debug, Default)]
pub struct RelayStates(Arc<Mutex<BTreeMap<String, Weak<RelayState>>>>);

impl RelayStates {
    pub(super) fn put(&self, key: String, state: &Arc<RelayState>) {
        self.lock().insert(key, Arc::downgrade(state));
    }

    /// How the relay of this key is; none where no sender of this process has it.
    pub fn get(&self, key: &str) -> Option<Arc<RelayState>> {
        self.lock().get(key).and_then(Weak::upgrade)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Weak<RelayState>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for a connection on which the relay answers, until it is dropped.
#[derive(Debug)]
pub struct Working(Arc<RelayState>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::SeqCst);
    }
}

impl RelayState {
    /// Notes that the relay has answered the first message of a connection.
    pub fn works(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::SeqCst);
        self.broken_off.store(0, Ordering::Relaxed);
        *self.lock() = None;
        Working(Arc::clone(self))
    }

    /// Notes that a connection could not be opened, or ended with its first message. While others work the relay only
    /// wants no more of them; with none at work it is down, and left alone for 1, 2, 4 … 60 seconds.
    pub fn failed(&self, relay: &RelayUrl, outcome: &Outcome) {
        if self.working.load(Ordering::SeqCst) > 0 {
            return;
        }
        let mut down = self.lock();
        let now = Instant::now();
        match &mut *down {
            // Several connections fail at once: that is one failure.
            Some(known) if known.until > now => {}
            known => {
                let failures = known.as_ref().map_or(0, |known| known.failures);
                let is_ours = outcome.class == OutcomeClass::OurFault;
                let most = if is_ours { MOST_IF_OURS } else { MOST };
                let wait = Duration::from_secs(1 << failures.min(9)).min(most);
                let why = outcome.detail.clone();
                tracing::warn!(%relay, why, ?wait, "the relay cannot be reached, and is left alone for a while");
                let trouble = Trouble { why, is_ours, failures: failures + 1 };
                *known = Some(Down { until: now + wait, failures: failures + 1, trouble });
            }
        }
    }

    /// Notes that a connection ended with its first message, which the relay may have. A second try is worth something
    /// only where the relay answers at all: each reader has three, and a relay that breaks every message off would use
    /// them up for the whole list in twenty minutes.
    pub fn broke_off(&self, relay: &RelayUrl, outcome: &Outcome, was_tried: bool) {
        let in_a_row = self.broken_off.fetch_add(1, Ordering::Relaxed) + 1;
        if was_tried || in_a_row >= BROKEN_OFF {
            self.failed(relay, outcome);
        }
    }

    /// Whether the relay may be sent an envelope behind a body.
    pub fn takes_ahead(&self) -> bool {
        self.ahead_failures.load(Ordering::Relaxed) < AHEAD_FAILURES
    }

    /// Notes how the first envelope fared that was sent behind a body on a connection.
    pub fn noted_ahead(&self, answered: bool) {
        if answered {
            self.ahead_failures.store(0, Ordering::Relaxed);
        } else {
            self.ahead_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections on which it answers now.
    pub fn working(&self) -> usize {
        self.working.load(Ordering::SeqCst)
    }

    /// How long to leave the relay alone still.
    pub fn wait(&self) -> Option<Duration> {
        let down = self.lock();
        let left = down.as_ref().and_then(|down| down.until.checked_duration_since(Instant::now()));
        left.filter(|wait| !wait.is_zero())
    }

    /// Why the relay takes no mail, since it last did.
    pub fn trouble(&self) -> Option<Trouble> {
        self.lock().as_ref().map(|down| down.trouble.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spaces messages out, over all connections of this node, however late some of them come to their turn.
#[derive(Debug)]
pub struct Throttle {
    interval: Option<Duration>,
    next: Mutex<Instant>,
}

impl Throttle {
    /// One message in each interval; none for no limit.
    pub fn new(interval: Option<Duration>) -> Self {
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// When this message's turn is; none where there is no limit.
    pub fn turn(&self) -> Option<Instant> {
        let interval = self.interval?;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(Instant::now());
        *next = turn + interval;
        Some(turn)
    }
}
