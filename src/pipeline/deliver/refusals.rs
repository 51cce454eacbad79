//! Refusals for a reason of ours, or of the recipient: whether they are about one message, or about all that we send
//! through a relay.
//!
//! A refusal is not recorded at once. So many in a row, and no message taken between them, mean that the relay refuses
//! us, or knows none of the domains: then none of them counts, and nobody is suppressed. A message that is taken ends the
//! row, and each counts. Those that nothing came after for some time count too, though the row goes on behind them; but
//! of a row so long nobody is suppressed unless a message is taken after it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recorder::{Done, Settled};
use crate::domain::delivery::OutcomeClass;

/// So many refusals, and no message taken between them, are about us and not about a recipient: a wrong password, a
/// sender that the relay does not know, the wrong relay, which has none of these mailboxes.
const IN_A_ROW: usize = 10;

/// So many addresses in a row that do not exist, where the relay has taken messages of the issue before, or somebody has
/// resumed it after it was stopped: it does know mailboxes, and a list may well have more than [`IN_A_ROW`] bad addresses
/// side by side. That many at a relay that has lost its own list of mailboxes are its fault all the same.
const KNOWN_TO_TAKE: usize = 100;

/// Issues of which the relay took a message that are kept in mind at most.
const MOST_TAKEN: usize = 10_000;

/// How long a refusal waits for what comes after it.
const UNDECIDED: Duration = Duration::from_secs(5);

/// How long an issue's messages go through other relays before this one is tried again.
const ASIDE: Duration = Duration::from_secs(600);

/// What a relay refused, by issue.
#[derive(Debug, Default)]
pub struct Refusals {
    /// How many connections there are to it.
    connections: usize,
    issues: Mutex<HashMap<i64, Row>>,
    /// How many issues are in there: most of the time none, and then nothing is locked.
    count: AtomicUsize,
    /// The issue of which the relay took a message last (0 before), and all of which it took any.
    took: AtomicI64,
    taken: Mutex<HashSet<i64>>,
}

/// Refusals of one issue in a row.
#[derive(Debug, Default)]
struct Row {
    /// Somebody has resumed the issue after it was stopped.
    is_resumed: bool,
    count: usize,
    undecided: Vec<Settled>,
    last: Option<Instant>,
    aside_until: Option<Instant>,
}

/// What is to be recorded now, and whether the relay has turned out to refuse the whole issue.
#[derive(Debug, Default)]
pub struct Weighed {
    pub settled: Vec<Settled>,
    pub refuses_all: bool,
}

impl Refusals {
    pub fn new(connections: u16) -> Self {
        Self { connections: usize::from(connections), ..Self::default() }
    }

    /// Whether what the relay says of an issue's message is to be weighed, and not just recorded.
    pub fn concern(&self, issue_id: i64, class: OutcomeClass) -> bool {
        if class != OutcomeClass::Sent {
            return is_refusal(class);
        }
        // Written where it changes only: all connections read it.
        if self.took.load(Ordering::Relaxed) != issue_id {
            self.took.store(issue_id, Ordering::Relaxed);
            let mut taken = lock(&self.taken);
            if taken.len() >= MOST_TAKEN {
                taken.clear();
            }
            taken.insert(issue_id);
        }
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Weighs what became of a delivery; `id` is its own, and `is_taking` tells whether the relay is just being handed a
    /// message: then it knows some recipients.
    pub fn weigh(
        &self,
        issue_id: i64,
        id: i64,
        class: OutcomeClass,
        is_taking: bool,
        mut settled: Settled,
    ) -> Weighed {
        let mut issues = self.lock();
        if !is_refusal(class) {
            let ended = issues.remove(&issue_id).unwrap_or_default();
            if ended.is_resumed {
                issues.insert(issue_id, Row::resumed());
            }
            let ended = ended.undecided;
            self.count.store(issues.len(), Ordering::Relaxed);
            return Weighed { settled: ended.into_iter().chain([settled]).collect(), refuses_all: false };
        }
        // The relay does not have it: nothing can repeat.
        settled.room = None;
        let row = issues.entry(issue_id).or_default();
        row.count += 1;
        row.last = Some(Instant::now());
        row.undecided.push(settled);
        let enough = match class {
            OutcomeClass::BadAddress if row.is_resumed || lock(&self.taken).contains(&issue_id) => {
                self.unknown().max(KNOWN_TO_TAKE)
            }
            OutcomeClass::BadAddress => self.unknown(),
            _ => IN_A_ROW,
        };
        let refuses_all = row.count >= enough && !(class == OutcomeClass::BadAddress && is_taking);
        let mut decided = vec![];
        if refuses_all {
            row.aside_until = Some(Instant::now() + ASIDE);
            decided = std::mem::take(&mut row.undecided);
            for settled in &mut decided {
                settled.suppress = None;
                if let Done::Delivery(record) = &settled.done {
                    settled.done = Done::back(record.id);
                }
            }
        }
        tracing::debug!(issue = issue_id, delivery = id, count = row.count, "refused, and maybe all of it");
        self.count.store(issues.len(), Ordering::Relaxed);
        Weighed { settled: decided, refuses_all }
    }

    /// So many addresses in a row that do not exist may mean that the relay knows none. A refused recipient is answered
    /// sooner than a message: each connection may meet some while others are in the middle of one that will be taken.
    fn unknown(&self) -> usize {
        IN_A_ROW + 2 * self.connections
    }

    /// Whether the relay refuses every message of the issue.
    pub fn refuses(&self, issue_id: i64) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let aside_until = self.lock().get(&issue_id).and_then(|row| row.aside_until);
        aside_until.is_some_and(|until| until > Instant::now())
    }

    /// Whether the relay refuses every message of some issue.
    pub fn refuses_any(&self) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let now = Instant::now();
        self.lock().values().any(|row| row.aside_until.is_some_and(|until| until > now))
    }

    /// Refusals that nothing came after, and that count therefore: those that have waited, or all.
    pub fn decided(&self, all: bool) -> Vec<Settled> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return vec![];
        }
        let now = Instant::now();
        let is_over = |row: &Row| all || row.last.is_none_or(|last| now.duration_since(last) > UNDECIDED);
        let mut issues = self.lock();
        let over = issues.values_mut().filter(|row| is_over(row));
        let decide = |row: &mut Row| {
            let mut decided = std::mem::take(&mut row.undecided);
            if row.count >= self.unknown() && !row.is_resumed {
                decided.iter_mut().for_each(|settled| settled.suppress = None);
            }
            decided
        };
        let decided = over.flat_map(decide).collect();
        issues.retain(|_, row| row.last.is_some_and(|last| now.duration_since(last) < 2 * ASIDE));
        self.count.store(issues.len(), Ordering::Relaxed);
        decided
    }

    /// Counts an issue's refusals anew: whoever resumes it has mended something.
    pub fn forget(&self, issue_id: i64) {
        let mut issues = self.lock();
        issues.insert(issue_id, Row::resumed());
        self.count.store(issues.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Row>> {
        lock(&self.issues)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Row {
    fn resumed() -> Self {
        Self { is_resumed: true, last: Some(Instant::now()), ..Self::default() }
    }
}

/// Whether so many of them in a row are about us.
fn is_refusal(class: OutcomeClass) -> bool {
    matches!(class, OutcomeClass::OurFault | OutcomeClass::BadAddress)
}
