//! Whether the relay can be reached, and how fast we may go: what all connections of a sender share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The relay as the connections see it.
#[derive(Debug, Default)]
pub struct RelayState {
    open: AtomicUsize,
    down: Mutex<Option<Down>>,
}

#[derive(Clone, Debug)]
struct Down {
    until: Instant,
    failures: u32,
    why: String,
}

impl RelayState {
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
        *self.lock() = None;
    }

    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Notes that a connection could not be opened. While others are open the relay only wants no more of them;
    /// with none open it is down, and left alone for 1, 2, 4 … 60 seconds.
    pub fn failed(&self, why: &str) {
        if self.open.load(Ordering::SeqCst) > 0 {
            return;
        }
        let mut down = self.lock();
        let now = Instant::now();
        match &mut *down {
            // Several connections fail at once: that is one failure.
            Some(known) if known.until > now => {}
            known => {
                let failures = known.as_ref().map_or(0, |known| known.failures);
                let wait = Duration::from_secs(1 << failures.min(6)).min(Duration::from_secs(60));
                tracing::warn!(why, ?wait, "the relay cannot be reached, and is left alone for a while");
                *known = Some(Down { until: now + wait, failures: failures + 1, why: why.to_owned() });
            }
        }
    }

    /// How long to leave the relay alone still.
    pub fn wait(&self) -> Option<Duration> {
        let down = self.lock();
        down.as_ref()
            .and_then(|down| down.until.checked_duration_since(Instant::now()))
            .filter(|wait| !wait.is_zero())
    }

    /// Why the relay cannot be reached, since it last could.
    pub fn why_down(&self) -> Option<String> {
        self.lock().as_ref().map(|down| down.why.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spaces messages out, over all connections.
#[derive(Debug)]
pub struct Throttle {
    interval: Option<Duration>,
    next: Mutex<Instant>,
}

impl Throttle {
    /// `per_second` messages at most; 0 for no limit.
    pub fn new(per_second: u32) -> Self {
        let interval = (per_second > 0).then(|| Duration::from_secs(1) / per_second);
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits for this message's turn.
    pub async fn turn(&self) {
        let Some(interval) = self.interval else { return };
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + interval;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}
