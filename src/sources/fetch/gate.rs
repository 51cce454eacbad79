//! One request at a time per host: a publisher with twenty feeds on one server is not asked for all at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Hosts = HashMap<String, Arc<tokio::sync::Mutex<()>>>;

/// Lets one at a time in for each host. Keeps only the hosts that somebody is at or waits for.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    hosts: Arc<Mutex<Hosts>>,
}

/// The right to ask one host, until it is dropped.
pub struct Turn {
    gate: Gate,
    host: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Gate {
    /// Waits for the host's turn.
    pub async fn enter(&self, host: &str) -> Turn {
        let lock = Arc::clone(self.hosts().entry(host.to_owned()).or_default());
        // Made before waiting, so that who gives up waiting cleans up as well.
        let mut turn = Turn { gate: self.clone(), host: host.to_owned(), held: None };
        turn.held = Some(lock.lock_owned().await);
        turn
    }

    /// A poisoned map is still a map: nothing here panics half-way through a change.
    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        // The map's own reference is the last one when nobody waits; new ones are made under the same lock.
        if let Entry::Occupied(entry) = self.gate.hosts().entry(std::mem::take(&mut self.host))
            && Arc::strong_count(entry.get()) == 1
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_host_is_entered_one_at_a_time() {
        let gate = Gate::default();
        let first = gate.enter("example.org").await;
        let other = gate.enter("example.com").await;
        let waiting = tokio::time::timeout(Duration::from_millis(20), gate.enter("example.org")).await;
        assert!(waiting.is_err(), "a second turn at the same host");
        drop(first);
        let second = gate.enter("example.org").await;
        drop((second, other));
        assert!(gate.hosts().is_empty(), "hosts that nobody is at are forgotten");
    }
}
