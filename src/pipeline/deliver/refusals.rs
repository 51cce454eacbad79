//! Refusals for a reason of ours: whether they are about one message, or about all that we send through a relay.
//!
//! A refusal is not recorded at once. So many in a row, and no message taken between them, mean that the relay refuses
//! us: then none of them counts. A message that is taken, or some time without one, ends the row, and each counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recorder::{Done, Settled};
use crate::domain::delivery::OutcomeClass;

/// So many refusals for a reason of ours, and no message taken between them, are about us and not about a recipient: a
/// wrong password, a sender that the relay does not know.
const IN_A_ROW: usize = 10;

/// How long a refusal waits for what comes after it.
const UNDECIDED: Duration = Duration::from_secs(5);

/// How long an issue's messages go through other relays before this one is tried again.
const ASIDE: Duration = Duration::from_secs(600);

/// What a relay refused, by issue.
#[derive(Debug, Default)]
pub struct Refusals {
    issues: Mutex<HashMap<i64, Row>>,
    /// How many issues are in there: most of the time none, and then nothing is locked.
    count: AtomicUsize,
}

/// Refusals of one issue in a row.
#[derive(Debug, Default)]
struct Row {
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
    /// Whether what the relay says is to be weighed, and not just recorded.
    pub fn concern(&self, class: OutcomeClass) -> bool {
        class == OutcomeClass::OurFault
            || (class == OutcomeClass::Sent && self.count.load(Ordering::Relaxed) > 0)
    }

    /// Weighs what became of a delivery; `id` is its own.
    pub fn weigh(&self, issue_id: i64, id: i64, class: OutcomeClass, mut settled: Settled) -> Weighed {
        let mut issues = self.lock();
        if class != OutcomeClass::OurFault {
            let ended = issues.remove(&issue_id).map_or(vec![], |row| row.undecided);
            self.count.store(issues.len(), Ordering::Relaxed);
            return Weighed { settled: ended.into_iter().chain([settled]).collect(), refuses_all: false };
        }
        // The relay does not have it: nothing can repeat.
        settled.room = None;
        let row = issues.entry(issue_id).or_default();
        row.count += 1;
        row.last = Some(Instant::now());
        row.undecided.push(settled);
        let refuses_all = row.count >= IN_A_ROW;
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
        tracing::debug!(issue = issue_id, delivery = id, count = row.count, "refused for a reason of ours");
        self.count.store(issues.len(), Ordering::Relaxed);
        Weighed { settled: decided, refuses_all }
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
        let decided = over.flat_map(|row| std::mem::take(&mut row.undecided)).collect();
        issues.retain(|_, row| row.last.is_some_and(|last| now.duration_since(last) < 2 * ASIDE));
        self.count.store(issues.len(), Ordering::Relaxed);
        decided
    }

    /// Counts an issue's refusals anew: whoever resumes it has mended something.
    pub fn forget(&self, issue_id: i64) {
        let mut issues = self.lock();
        issues.remove(&issue_id);
        self.count.store(issues.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Row>> {
        self.issues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
