//! One relay as a sender uses it, and the place that each message on its way to it takes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::job::Job;
use super::lanes::Token;
use super::limits::{self, Limits};
use super::refusals::Refusals;
use super::relay::{RelayState, Throttle};
use crate::config::Settings;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::Outcome;
use crate::mail::relay::Relay;

/// How long a relay may be silent until others get what was meant for it: at least, at most, and while it is not known
/// how long it takes to answer.
const PATIENCE: (Duration, Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30), Duration::from_secs(3));

/// A relay with its connections.
#[derive(Debug)]
pub struct Line {
    pub relay: Relay,
    pub connections: u16,
    pub state: Arc<RelayState>,
    pub throttle: Throttle,
    pub refusals: Refusals,
    /// For each open session whether it is handing a message over.
    sessions: Mutex<Vec<Weak<AtomicBool>>>,
    pub limits: Limits,
    /// Told whenever a connection takes a message.
    pub room: Notify,
    /// Messages on their way: handed out and not answered.
    in_hand: AtomicUsize,
    /// Whether it took nothing for so long that others were given its messages.
    is_stuck: AtomicBool,
    /// Since when it is silent: it answered, or was given the first message after a pause; in milliseconds after `made`.
    silent_since: AtomicU64,
    made: Instant,
    /// How long it takes for a message, by the last one that it took, in milliseconds; 0 while it has taken none.
    takes: AtomicU64,
}

/// Whether a relay is to get messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Works,
    /// It failed, and one message will show whether it works again.
    OnTrial,
    /// What is on its way will show whether it takes more.
    Tried,
    /// It is left alone for so long.
    LeftAlone(Duration),
    /// It has had what it may have today.
    Spent,
}

impl Line {
    pub fn new(relay: Relay, settings: &Settings) -> Self {
        let terms = &relay.url.terms;
        let per_second = terms.per_second.unwrap_or(settings.messages_per_second);
        let connections = terms.connections.unwrap_or(settings.connections);
        Self {
            connections,
            state: Arc::default(),
            throttle: Throttle::new(limits::interval(per_second)),
            refusals: Refusals::new(connections),
            sessions: Mutex::default(),
            limits: Limits::new(&relay.url, per_second),
            room: Notify::new(),
            in_hand: AtomicUsize::new(0),
            is_stuck: AtomicBool::new(false),
            silent_since: AtomicU64::new(0),
            made: Instant::now(),
            takes: AtomicU64::new(0),
            relay,
        }
    }

    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.limits.is_spent(now) {
            // What is on its way and not taken gives some of the day back.
            return if self.in_hand.load(Ordering::SeqCst) == 0 { Standing::Spent } else { Standing::Tried };
        }
        if let Some(wait) = self.state.wait() {
            return Standing::LeftAlone(wait);
        }
        if !self.is_stuck.load(Ordering::Relaxed) && self.state.trouble().is_none() {
            return Standing::Works;
        }
        match self.in_hand.load(Ordering::SeqCst) {
            0 => Standing::OnTrial,
            _ => Standing::Tried,
        }
    }

    /// Notes that it takes no message any more, though it does not fail either.
    pub fn got_stuck(&self) {
        if !self.is_stuck.swap(true, Ordering::Relaxed) {
            tracing::warn!(relay = %self.relay.url, "the relay takes nothing any more: its messages go through others");
        }
    }

    /// Notes a session that was opened, by what tells whether it is handing a message over.
    pub fn opened(&self, handing_over: &Arc<AtomicBool>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(handing_over));
    }

    /// Whether a message is just being handed over: the relay has accepted its recipient.
    pub fn is_taking(&self) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter_map(Weak::upgrade).any(|session| session.load(Ordering::SeqCst))
    }

    /// Notes that the relay has answered.
    pub fn answers(&self) {
        self.silent_since.store(millis(self.made.elapsed()), Ordering::Relaxed);
        if self.is_stuck.load(Ordering::Relaxed) {
            self.is_stuck.store(false, Ordering::Relaxed);
        }
    }

    /// How long its connections may take no message until others get what was meant for it: a slow relay is not stuck.
    pub fn patience(&self) -> Duration {
        let (least, most, unknown) = PATIENCE;
        match self.takes.load(Ordering::Relaxed) {
            0 => unknown,
            takes => Duration::from_millis(takes.saturating_mul(3)).clamp(least, most),
        }
    }

    /// Whether it has messages and has not answered for longer than that.
    pub fn is_silent(&self) -> bool {
        let since = Duration::from_millis(self.silent_since.load(Ordering::Relaxed));
        self.in_hand.load(Ordering::SeqCst) > 0 && self.made.elapsed().saturating_sub(since) > self.patience()
    }

    /// Notes that a connection could not be opened, or ended with its first message.
    pub fn failed(&self, outcome: &Outcome) {
        self.state.failed(&self.relay.url, outcome);
    }

    /// Notes that a connection ended with its first message, which the relay may have.
    pub fn broke_off(&self, outcome: &Outcome, was_tried: bool) {
        self.state.broke_off(&self.relay.url, outcome, was_tried);
    }
}

/// A message on its way to a relay.
#[derive(Debug)]
pub struct Work {
    pub job: Job,
    pub slot: Slot,
}

/// What a connection is to do.
#[derive(Debug)]
pub enum Task {
    Send(Work),
    /// Send what is in a domain's lane.
    Lane(Arc<Token>),
}

/// A message's place at a relay, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    line: Arc<Line>,
    /// When it is to go out.
    pub turn: Option<Instant>,
    /// The day that it counts for.
    day: Option<i64>,
    /// What lets it go to its domain.
    pub token: Option<Arc<Token>>,
    since: Instant,
    /// How often each connection has to take a message until it is this one's turn.
    rounds: u64,
}

impl Slot {
    pub fn new(line: &Arc<Line>, turn: Option<Instant>, day: Option<i64>) -> Self {
        let ahead = line.in_hand.fetch_add(1, Ordering::SeqCst);
        if ahead == 0 {
            line.silent_since.store(millis(line.made.elapsed()), Ordering::Relaxed);
        }
        let rounds = (ahead / usize::from(line.connections.max(1))) as u64 + 1;
        Self { line: Arc::clone(line), turn, day, token: None, since: Instant::now(), rounds }
    }

    /// Notes that the relay has the message, or may have it.
    pub fn is_used(&mut self) {
        self.day = None;
        let takes = (millis(self.since.elapsed()) / self.rounds).max(1);
        self.line.takes.store(takes, Ordering::Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.line.in_hand.fetch_sub(1, Ordering::SeqCst);
        if let Some(day) = self.day {
            self.line.limits.unused(day);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
