//! Hands claimed messages out to the relays.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use flume::{Receiver, Sender, TrySendError};
use tokio::time::Instant;

use super::super::Error;
use super::Shared;
use super::job::Job;
use super::lanes::{Entered, Lanes};
use super::limits::{Admission, DomainTurn};
use super::line::{Line, Slot, Standing, Task, Work};
use super::shares::Shares;

/// Messages for each connection that wait for it at most. What is claimed waits here, and no more is claimed before it
/// went out: enough for the time that it takes to claim more, 5 ms at full speed.
const WAITING: usize = 10;

/// How soon a relay that is being tried is looked at again.
const SOON: Duration = Duration::from_millis(50);

/// How long a relay is left alone whose day is used up, until the day is looked at again.
const SPENT: Duration = Duration::from_secs(5);

/// What the relays take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// So many messages.
    Takes(i64),
    /// None, but that will change soon.
    Soon(Duration),
    /// None before this time has passed: all have failed, or had what they may have today.
    Nothing(Duration),
}

/// What became of the messages in the outbox that were not handed out.
#[derive(Debug, Default)]
pub struct Flushed {
    /// No relay takes them now.
    pub left: Vec<Job>,
    /// Their domain has enough for now, and will have more so much later.
    pub put_off: Vec<(Job, Duration)>,
    /// How long the rest has to wait in the outbox for its turn.
    pub wait: Option<Duration>,
}

/// What became of one message.
enum Handed {
    Out,
    Left(Job),
    PutOff(Job, Duration),
    Waits(Job, Duration),
}

/// Messages that are claimed, and the ways out.
pub struct Outbox {
    shared: Arc<Shared>,
    shares: Shares,
    /// For each relay what is handed out to it; both ends, to take back what it does not take.
    channels: Vec<(Sender<Task>, Receiver<Task>)>,
    /// For each relay the lanes of the domains, where connections to one domain have a limit.
    lanes: Vec<Lanes>,
    waiting: VecDeque<Job>,
}

impl Outbox {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let terms = shared.lines.iter().map(|line| &line.relay.url.terms);
        let shares = Shares::new(terms.map(|terms| (terms.priority, terms.weight)));
        let channels =
            shared.lines.iter().map(|line| flume::bounded(usize::from(line.connections) * WAITING));
        let lanes = shared.lines.iter().map(|_| Lanes::default()).collect();
        Self {
            shares,
            channels: channels.collect(),
            lanes,
            waiting: VecDeque::new(),
            shared: Arc::clone(shared),
        }
    }

    /// Where a relay's connections take their messages from, until the outbox is dropped.
    pub fn way_out(&self, line: usize) -> Receiver<Task> {
        self.channels[line].1.clone()
    }

    /// What the relays take now, of one issue's messages or of others: at most a batch for each that works.
    pub fn outlook(&self, issue_id: Option<i64>, batch: i64) -> Outlook {
        let mut lines: Vec<&Arc<Line>> =
            self.shared.lines.iter().filter(|line| !refuses(line, issue_id)).collect();
        lines.sort_by_key(|line| line.relay.url.terms.priority);
        let (mut on_trial, mut tried) = (0, false);
        let mut wait = Duration::MAX;
        for tier in
            lines.chunk_by(|one, other| one.relay.url.terms.priority == other.relay.url.terms.priority)
        {
            let (mut takes, mut paced) = (0, None);
            for line in tier {
                match (standing(&self.shared, line), line.limits.paced_until()) {
                    (Standing::Works, None) => takes += line.limits.at_a_time(batch),
                    (Standing::Works, Some(until)) => {
                        paced = Some(paced.map_or(until, |paced| until.min(paced)))
                    }
                    (Standing::OnTrial, _) => on_trial += 1,
                    (Standing::Tried, _) => tried = true,
                    (Standing::LeftAlone(left), _) => wait = wait.min(left),
                    (Standing::Spent, _) => wait = wait.min(SPENT),
                }
            }
            match paced {
                _ if takes > 0 => return Outlook::Takes((takes + on_trial).min(batch)),
                Some(until) if on_trial == 0 => {
                    return Outlook::Soon(until.saturating_duration_since(Instant::now()));
                }
                Some(_) => break,
                None => {}
            }
        }
        match (on_trial, tried) {
            (0, false) => Outlook::Nothing(wait),
            (0, true) => Outlook::Soon(SOON),
            (some, _) => Outlook::Takes(some),
        }
    }

    /// Whether messages are in here that wait for their turn.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn put(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Hands out what was put in.
    ///
    /// # Errors
    /// The database's, where limits cannot be looked at. What is not handed out then stays in the outbox.
    pub async fn flush(&mut self) -> Result<Flushed, Error> {
        let mut flushed = Flushed::default();
        if self.waiting.is_empty() {
            return Ok(flushed);
        }
        self.reserve_domains().await?;
        while let Some(job) = self.waiting.pop_front() {
            match self.hand_out(job).await {
                Ok(Handed::Out) => {}
                Ok(Handed::Left(job)) => flushed.left.push(job),
                Ok(Handed::PutOff(job, wait)) => flushed.put_off.push((job, wait)),
                Ok(Handed::Waits(job, wait)) => {
                    self.waiting.push_front(job);
                    flushed.wait = Some(wait);
                    break;
                }
                Err((job, error)) => {
                    self.waiting.push_front(job);
                    return Err(error);
                }
            }
        }
        Ok(flushed)
    }

    /// Reserves turns at the domains of the messages in here, where domains have a limit.
    async fn reserve_domains(&self) -> Result<(), Error> {
        let mut wanted: HashMap<String, i64> = HashMap::new();
        for line in self.shared.lines.iter().filter(|line| line.limits.has_domains()) {
            if wanted.is_empty() {
                for job in &self.waiting {
                    *wanted.entry(job.domain().to_owned()).or_default() += 1;
                }
            }
            line.limits.reserve_domains(&self.shared.app, &wanted).await?;
        }
        Ok(())
    }

    /// How soon messages that were put off are to be looked for; none where all have had their turn.
    pub fn put_off(&self) -> Option<Duration> {
        match self.lanes.iter().any(|lanes| lanes.put_off().is_some()) {
            true => Some(SOON),
            false => self.shared.lines.iter().filter_map(|line| line.limits.put_off()).max(),
        }
    }

    async fn hand_out(&mut self, mut job: Job) -> Result<Handed, (Job, Error)> {
        let shared = Arc::clone(&self.shared);
        while !shared.is_stopping() {
            let issue_id = job.issue_id();
            let Some(chosen) = self.choose(issue_id) else {
                return Ok(match self.next_turn(issue_id) {
                    Some(wait) => Handed::Waits(job, wait),
                    None => Handed::Left(job),
                });
            };
            let line = &shared.lines[chosen];
            let wanted = i64::try_from(self.waiting.len() + 1).unwrap_or(i64::MAX);
            let (turn, day) = match line.limits.admit(&shared.app, wanted).await {
                Ok(Admission::Goes { turn, day }) => (turn, day),
                Ok(Admission::Waits) => continue,
                Err(error) => return Err((job, error.into())),
            };
            let at_domain = match line.limits.domain_turn(job.domain()) {
                DomainTurn::At(turn) => turn,
                DomainTurn::After(wait) => {
                    line.limits.not_taken(turn, day);
                    return Ok(Handed::PutOff(job, wait));
                }
            };
            let slot = Slot::new(line, turn.max(at_domain), day);
            let work = Work { job, slot };
            let task = match line.relay.url.terms.domain_connections {
                None => Task::Send(work),
                Some(all) => {
                    let share = shared.share(usize::from(all), work.job.domain());
                    match self.lanes[chosen].enter(work, share) {
                        Entered::In(None) => return Ok(Handed::Out),
                        Entered::In(Some(token)) => Task::Lane(token),
                        Entered::Full(work, wait) => return Ok(Handed::PutOff(work.job, wait)),
                    }
                }
            };
            match self.offer(chosen, task, issue_id).await {
                // Without its token the message waits in its lane for the next.
                Ok(()) | Err(Task::Lane(_)) => return Ok(Handed::Out),
                Err(Task::Send(work)) => job = work.job,
            }
        }
        Ok(Handed::Left(job))
    }

    /// The relay that is to get the next message.
    fn choose(&mut self, issue_id: Option<i64>) -> Option<usize> {
        let lines = &self.shared.lines;
        let can_take = |index: usize| takes(&self.shared, &lines[index], issue_id);
        let is_ready = |index: usize| lines[index].limits.paced_until().is_none();
        // What concerns no issue rather goes where no issue is refused: it may come from the same sender.
        let is_welcome = |index: usize| issue_id.is_some() || !lines[index].refusals.refuses_any();
        let welcome = self.shares.next(|index| can_take(index) && is_welcome(index), is_ready);
        welcome.or_else(|| self.shares.next(can_take, is_ready))
    }

    /// How long it takes until a relay that takes mail has a turn left.
    fn next_turn(&self, issue_id: Option<i64>) -> Option<Duration> {
        let takers = self.shared.lines.iter().filter(|line| takes(&self.shared, line, issue_id));
        let soonest = takers.filter_map(|line| line.limits.paced_until()).min()?;
        Some(soonest.saturating_duration_since(Instant::now()))
    }

    /// Waits until a relay's connections have room for a task, as long as that is worth it.
    async fn offer(&mut self, chosen: usize, mut task: Task, issue_id: Option<i64>) -> Result<(), Task> {
        let line = Arc::clone(&self.shared.lines[chosen]);
        loop {
            task = match self.channels[chosen].0.try_send(task) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => task,
            };
            let is_full = tokio::time::timeout(line.patience(), line.room.notified()).await.is_err();
            let standing = standing(&self.shared, &line);
            if self.shared.is_stopping() || matches!(standing, Standing::LeftAlone(_)) {
                return Err(task);
            }
            if is_full && self.another_takes(chosen, issue_id) {
                line.got_stuck();
                self.take_back(chosen);
                return Err(task);
            }
        }
    }

    /// Takes back what was handed out to a relay and no connection has taken.
    fn take_back(&mut self, line: usize) {
        while let Ok(task) = self.channels[line].1.try_recv() {
            if let Task::Send(work) = task {
                self.waiting.push_front(work.job);
            }
        }
        for work in self.lanes[line].drain() {
            self.waiting.push_front(work.job);
        }
    }

    /// Hands out tokens for lanes that nobody is in, and takes back what waits in the lanes of a relay that hangs where
    /// another takes it; true where messages wait in a lane.
    pub fn look_after_lanes(&mut self) -> bool {
        let mut waiting = false;
        let shared = Arc::clone(&self.shared);
        for (index, line) in shared.lines.iter().enumerate() {
            let Some(all) = line.relay.url.terms.domain_connections else { continue };
            if self.lanes[index].are_waiting() && line.is_silent() && self.another_takes(index, None) {
                line.got_stuck();
                self.take_back(index);
                continue;
            }
            for token in self.lanes[index].stalled(|domain| self.shared.share(usize::from(all), domain)) {
                // Where there is no room now, there is the next time.
                let _ = self.channels[index].0.try_send(Task::Lane(token));
            }
            waiting |= self.lanes[index].are_waiting();
        }
        waiting
    }

    /// Whether another relay than this one would take a message.
    fn another_takes(&self, than: usize, issue_id: Option<i64>) -> bool {
        let others = self.shared.lines.iter().enumerate().filter(|(index, _)| *index != than);
        others.into_iter().any(|(_, line)| takes(&self.shared, line, issue_id))
    }
}

fn takes(shared: &Shared, line: &Line, issue_id: Option<i64>) -> bool {
    matches!(standing(shared, line), Standing::Works | Standing::OnTrial) && !refuses(line, issue_id)
}

fn standing(shared: &Shared, line: &Line) -> Standing {
    if line.relay.url.terms.domain_connections.is_some() && shared.is_new() {
        return Standing::Tried;
    }
    line.standing(shared.app.clock.now())
}

/// Whether the relay refuses every message of the issue.
fn refuses(line: &Line, issue_id: Option<i64>) -> bool {
    issue_id.is_some_and(|issue_id| line.refusals.refuses(issue_id))
}
