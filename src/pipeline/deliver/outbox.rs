//! Hands claimed messages out to the relays.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use flume::{Receiver, Sender, TrySendError};

use super::Shared;
use super::job::Job;
use super::line::{Line, Slot, Standing, Work};
use super::shares::Shares;

/// How long a relay's connections may take no message until others get what was meant for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How soon a relay that is being tried is looked at again.
const SOON: Duration = Duration::from_millis(50);

/// What the relays take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// As many messages as there are.
    All,
    /// So many: only relays that failed, and are to be tried, can take any.
    Few(i64),
    /// None, but that may change at any moment.
    Soon(Duration),
    /// None before this time has passed.
    Down(Duration),
}

/// Messages that are claimed, and the ways out.
pub struct Outbox {
    shared: Arc<Shared>,
    shares: Shares,
    /// For each relay what is handed out to it; both ends, to take back what it does not take.
    channels: Vec<(Sender<Work>, Receiver<Work>)>,
    waiting: VecDeque<Job>,
}

impl Outbox {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let terms = shared.lines.iter().map(|line| &line.relay.url.terms);
        let shares = Shares::new(terms.map(|terms| (terms.priority, terms.weight)));
        // Bounded: what is claimed waits here, and no more is claimed before it went out.
        let channels = shared.lines.iter().map(|line| flume::bounded(usize::from(line.connections) * 2));
        Self { shares, channels: channels.collect(), waiting: VecDeque::new(), shared: Arc::clone(shared) }
    }

    /// Where a relay's connections take their messages from, until the outbox is dropped.
    pub fn way_out(&self, line: usize) -> Receiver<Work> {
        self.channels[line].1.clone()
    }

    /// What the relays take now, of one issue's messages or of others.
    pub fn outlook(&self, issue_id: Option<i64>) -> Outlook {
        let (mut on_trial, mut tried) = (0, false);
        let mut wait = Duration::MAX;
        for line in self.shared.lines.iter().filter(|line| !refuses(line, issue_id)) {
            match line.standing() {
                Standing::Works => return Outlook::All,
                Standing::OnTrial => on_trial += 1,
                Standing::Tried => tried = true,
                Standing::LeftAlone(left) => wait = wait.min(left),
            }
        }
        match (on_trial, tried) {
            (0, false) => Outlook::Down(wait),
            (0, true) => Outlook::Soon(SOON),
            (some, _) => Outlook::Few(some),
        }
    }

    pub fn put(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Hands out what was put in, and returns what no relay takes now.
    pub async fn flush(&mut self) -> Vec<Job> {
        let mut left = vec![];
        while let Some(job) = self.waiting.pop_front() {
            if let Err(job) = self.hand_out(job).await {
                left.push(job);
            }
        }
        left
    }

    async fn hand_out(&mut self, mut job: Job) -> Result<(), Job> {
        while !self.shared.is_stopping() {
            let issue_id = job.issue_id();
            let lines = &self.shared.lines;
            // What concerns no issue rather goes where no issue is refused: it may come from the same sender.
            let welcome = self.shares.next(|index| {
                takes(&lines[index], issue_id) && (issue_id.is_some() || !lines[index].refusals.refuses_any())
            });
            let chosen = welcome.or_else(|| self.shares.next(|index| takes(&lines[index], issue_id)));
            let Some(chosen) = chosen else { break };
            let slot = Slot::new(&lines[chosen]);
            match self.offer(chosen, Work { job, slot }).await {
                Ok(()) => return Ok(()),
                Err(work) => job = work.job,
            }
        }
        Err(job)
    }

    /// Waits until a relay's connections have room for a message, as long as that is worth it.
    async fn offer(&mut self, chosen: usize, mut work: Work) -> Result<(), Work> {
        let line = Arc::clone(&self.shared.lines[chosen]);
        loop {
            work = match self.channels[chosen].0.try_send(work) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => work,
            };
            let is_full = tokio::time::timeout(PATIENCE, line.room.notified()).await.is_err();
            if self.shared.is_stopping() || matches!(line.standing(), Standing::LeftAlone(_)) {
                return Err(work);
            }
            if is_full && self.another_takes(chosen, work.job.issue_id()) {
                line.got_stuck();
                while let Ok(stuck) = self.channels[chosen].1.try_recv() {
                    self.waiting.push_front(stuck.job);
                }
                return Err(work);
            }
        }
    }

    /// Whether another relay than this one would take a message.
    pub fn another_takes(&self, than: usize, issue_id: Option<i64>) -> bool {
        let others = self.shared.lines.iter().enumerate().filter(|(index, _)| *index != than);
        others.into_iter().any(|(_, line)| takes(line, issue_id))
    }
}

fn takes(line: &Line, issue_id: Option<i64>) -> bool {
    matches!(line.standing(), Standing::Works | Standing::OnTrial) && !refuses(line, issue_id)
}

/// Whether the relay refuses every message of the issue.
fn refuses(line: &Line, issue_id: Option<i64>) -> bool {
    issue_id.is_some_and(|issue_id| line.refusals.refuses(issue_id))
}
