//! Connections per recipient domain: each domain has a lane, and only who holds a token of it sends what is in there, one
//! message after the other.
//!
//! Over several nodes each has its share of the tokens, by its place among those that are alive. A node that joins has
//! none before every other one must have heard of it, or has lost its lease.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::line::Work;

/// Messages that wait in a lane for each of its tokens.
const FOR_EACH: usize = 50;

/// Lanes that are kept at most while nothing is in them.
const MOST_IDLE: usize = 1_000;

/// What a message is taken to need until it is known.
const STEP: Duration = Duration::from_millis(20);

/// The longest that a message is put off for its place in a lane.
const LONGEST: Duration = Duration::from_secs(10);

/// The longest that a message is put off for a lane in which nothing moves.
const STANDSTILL: Duration = Duration::from_secs(30);

/// How long a message waits whose domain is other nodes' alone.
const OTHERS: Duration = Duration::from_secs(2);

/// The lanes of one relay.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: HashMap<String, Arc<Lane>>,
}

/// The messages to one domain.
#[derive(Debug, Default)]
pub struct Lane {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Work>,
    /// Tokens that are out, and how many may be.
    tokens: usize,
    share: usize,
    /// How long a message takes, over all tokens, and since when that is measured.
    step: Option<Duration>,
    served_at: Option<Instant>,
    /// When a message was last taken out of a lane that is not empty, or put into one that was.
    moved_at: Option<Instant>,
    /// When a message that is put off now would have its place.
    tail: Option<Instant>,
}

/// Lets its holder send what is in a lane.
#[derive(Debug)]
pub struct Token(Arc<Lane>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.lock().tokens -= 1;
    }
}

/// What became of a message that is to go into a lane.
#[derive(Debug)]
pub enum Entered {
    /// It waits there; a token to be handed out, where one is left.
    In(Option<Arc<Token>>),
    /// The lane is full: there may be a place in so long.
    Full(Work, Duration),
}

impl Lanes {
    /// Puts a message into its domain's lane, of which this node may have `share` tokens out.
    pub fn enter(&mut self, work: Work, share: usize) -> Entered {
        if self.lanes.len() >= MOST_IDLE {
            self.lanes.retain(|_, lane| !lane.is_idle());
        }
        let lane = match self.lanes.get(work.job.domain()) {
            Some(lane) => lane,
            None => self.lanes.entry(work.job.domain().to_owned()).or_default(),
        };
        lane.enter(work, share)
    }

    /// Tokens for lanes in which messages wait and nobody is, to be handed out.
    pub fn stalled(&self, share: impl Fn(&str) -> usize) -> Vec<Arc<Token>> {
        self.lanes.iter().filter_map(|(domain, lane)| lane.token(share(domain))).collect()
    }

    /// Whether messages wait in a lane.
    pub fn are_waiting(&self) -> bool {
        self.lanes.values().any(|lane| !lane.lock().waiting.is_empty())
    }

    /// How long it takes until all messages that were put off have had their place.
    pub fn put_off(&self) -> Option<Duration> {
        let last = self.lanes.values().filter_map(|lane| lane.lock().tail).max()?;
        last.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }

    /// Takes everything out again.
    pub fn drain(&mut self) -> Vec<Work> {
        self.lanes.values().flat_map(|lane| std::mem::take(&mut lane.lock().waiting)).collect()
    }
}

impl Lane {
    fn enter(self: &Arc<Self>, work: Work, share: usize) -> Entered {
        let now = Instant::now();
        {
            let state = &mut self.lock();
            state.share = share;
            let step = state.step.unwrap_or(STEP);
            if state.waiting.len() >= share * FOR_EACH {
                let ahead = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX);
                let stood = state.moved_at.map_or(Duration::ZERO, |moved| now - moved);
                let first = now + if share == 0 { OTHERS } else { put_off(step, ahead, stood) };
                let turn = state.tail.filter(|tail| *tail > first).unwrap_or(first);
                state.tail = Some(turn + step);
                return Entered::Full(work, turn - now);
            }
            if state.waiting.is_empty() {
                state.moved_at = Some(now);
            }
            state.waiting.push_back(work);
        }
        Entered::In(self.token(share))
    }

    /// A token, where messages wait and one may be out.
    fn token(self: &Arc<Self>, share: usize) -> Option<Arc<Token>> {
        let state = &mut self.lock();
        state.share = share;
        let is_due = state.tokens < share.min(state.waiting.len());
        state.tokens += usize::from(is_due);
        is_due.then(|| Arc::new(Token(Arc::clone(self))))
    }

    fn is_idle(&self) -> bool {
        let state = &self.lock();
        state.tokens == 0 && state.waiting.is_empty() && state.tail.is_none_or(|tail| tail < Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    /// The next message of the lane. It keeps the token until it is answered. None where there is no more, or where the
    /// token is one too many.
    pub fn next(self: &Arc<Self>) -> Option<Work> {
        let state = &mut self.0.lock();
        if state.tokens > state.share {
            return None;
        }
        let mut work = state.waiting.pop_front()?;
        let now = Instant::now();
        state.moved_at = Some(now);
        let took = state.served_at.replace(now).map(|last| (now - last).min(Duration::from_secs(1)));
        state.step = match (state.step, took) {
            (Some(step), Some(took)) => Some((step * 7 + took) / 8),
            (step, took) => step.or(took),
        };
        if state.waiting.is_empty() {
            // Until the next comes, time passes that no message needs.
            state.served_at = None;
        }
        work.slot.token = Some(Arc::clone(self));
        Some(work)
    }
}

/// How long a message is put off that finds so many ahead of it in a lane, in which nothing has moved for so long. The
/// longer that is, the later it comes back: nobody is claimed and put off over and over for nothing.
fn put_off(step: Duration, ahead: u32, stood: Duration) -> Duration {
    step.saturating_mul(ahead).min(LONGEST).max(stood.min(STANDSTILL))
}

/// How many of `all` tokens of a domain are this node's, at its place among so many; each node has as many as any other,
/// and which of them has one more depends on the domain.
pub fn share(all: usize, domain: &str, place: usize, nodes: usize) -> usize {
    if nodes <= 1 {
        return all;
    }
    // All nodes agree on it, whichever version each of them is.
    let digest = Sha256::digest(domain.as_bytes());
    let turned = digest.iter().take(4).fold(0, |number, byte| number * 256 + usize::from(*byte)) % nodes;
    all / nodes + usize::from((place + turned) % nodes < all % nodes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{put_off, share};

    #[test]
    fn a_message_is_put_off_the_longer_the_longer_nothing_moves() {
        use std::time::Duration;
        let after = |stood| put_off(Duration::from_millis(20), 50, Duration::from_secs(stood)).as_secs();
        assert_eq!([0, 1, 5, 25, 600].map(after), [1, 1, 5, 25, 30]);
    }

    #[test]
    fn which_node_has_one_more_is_the_same_in_every_version() {
        let of = |domain| (0..3).map(|place| share(4, domain, place, 3)).collect::<Vec<_>>();
        assert_eq!((of("a.example"), of("b.example")), (vec![1, 1, 2], vec![2, 1, 1]));
    }

    proptest! {
        #[test]
        fn nodes_share_all_tokens_of_a_domain(all in 1_usize..50, nodes in 1_usize..20, domain in "[a-z]{1,9}") {
            let shares: Vec<usize> = (0..nodes).map(|place| share(all, &domain, place, nodes)).collect();
            prop_assert_eq!(shares.iter().sum::<usize>(), all);
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
