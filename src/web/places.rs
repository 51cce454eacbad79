//! The places of connections that are served at once: so many in all, and so many from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::serve::Limits;
use crate::config::Networks;
use crate::domain::network::counted_network;

/// How many connections each network has now: at most as many entries as there are connections.
type Taken = Arc<Mutex<HashMap<String, usize>>>;

#[derive(Debug)]
pub struct Places {
    pub limits: Limits,
    proxies: Networks,
    all: Arc<Semaphore>,
    taken: Taken,
}

/// A place of a connection, which it holds until it ends.
#[derive(Debug)]
pub struct Place {
    /// Its network, where that is counted.
    network: Option<(Taken, String)>,
    _free: OwnedSemaphorePermit,
}

impl Places {
    /// Connections from this machine and from `proxies` are counted among all, and not by network: they ask for others.
    pub fn new(limits: Limits, proxies: Networks) -> Self {
        let all = Arc::new(Semaphore::new(limits.connections));
        Self { limits, proxies, all, taken: Taken::default() }
    }

    /// Waits for a place for anybody.
    pub async fn free(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.all).acquire_owned().await.expect("nobody closes the semaphore")
    }

    /// Gives a free place to a connection; none where its network has as many as one may.
    pub fn take(&self, free: OwnedSemaphorePermit, peer: IpAddr) -> Option<Place> {
        let network = counted_network(peer).filter(|_| !self.proxies.contains(peer));
        let Some(network) = network else { return Some(Place { network: None, _free: free }) };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network.clone()).or_default();
        if *count >= self.limits.from_one {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { network: Some((Arc::clone(&self.taken), network)), _free: free })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((taken, network)) = &self.network else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_network_does_not_take_every_place() {
        let hour = Duration::from_secs(3600);
        let limits = Limits { connections: 20, headers: hour, from_one: 2, write: hour, drain: hour };
        let places = Places::new(limits, "10.0.0.0/8".parse().unwrap());
        let take = async |peer: &str| places.take(places.free().await, peer.parse().unwrap());
        let one = take("2001:db8::1").await.expect("the first");
        let _two = take("2001:db8::2").await.expect("the second");
        assert!(take("2001:db8::3").await.is_none(), "a third from one household");
        let others = [take("203.0.113.7").await, take("203.0.113.8").await];
        assert!(others.iter().all(Option::is_some));
        let mut ours = vec![];
        for peer in ["10.0.0.1", "10.0.0.1", "10.0.0.1", "127.0.0.1", "127.0.0.1", "::1"] {
            ours.push(take(peer).await.expect("proxies and this machine ask for many"));
        }
        drop(one);
        assert!(take("2001:db8::3").await.is_some(), "whoever goes makes room");
        drop((others, ours, _two));
        assert!(places.taken.lock().unwrap().is_empty(), "nothing is kept of who has gone");
        assert_eq!(places.all.available_permits(), 20);
    }
}
