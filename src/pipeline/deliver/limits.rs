//! How much a relay may be sent in a second and in a day: reserved in the database before it is used, some messages at a
//! time, so that it holds over all nodes and over restarts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::db::{self, DbError};
use crate::domain::calendar::Timestamp;
use crate::mail::relay::RelayUrl;

use super::super::App;

/// How far ahead turns are reserved, in microseconds.
const HORIZON: i64 = 1_000_000;

/// Turns are a little further apart than the limit says: what is late on its way does not come as one too many.
const WIDER: f64 = 1.05;

/// How late a message may come to its turn, unless half of what lies between two turns is more.
const LATE: Duration = Duration::from_millis(50);

/// Messages of a day that are reserved at a time: what a crash can lose of that day.
const OF_DAY: i64 = 20;

/// How long a day that is used up is left alone, before it is seen whether another node has given some of it back.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Domains whose next free turn is remembered at most.
const MOST_DOMAINS: usize = 10_000;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The limits of one relay, and what is reserved of them.
#[derive(Debug)]
pub struct Limits {
    key: String,
    /// Between two messages.
    interval: Option<Duration>,
    /// Between two messages to one domain.
    domain_interval: Option<Duration>,
    per_day: Option<u32>,
    warmup: Vec<u32>,
    reserved: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    turns: VecDeque<Instant>,
    /// Until when there are no more turns.
    paced_until: Option<Instant>,
    domains: HashMap<String, VecDeque<Instant>>,
    /// When a message that is put off now would have its turn, for domains that have more messages than turns.
    tails: HashMap<String, Instant>,
    day: Day,
}

/// One day of a relay.
#[derive(Clone, Debug, Default)]
struct Day {
    /// Since 1970, in UTC.
    number: i64,
    /// Messages; none before it is looked up, and none inside for no limit.
    limit: Option<Option<i64>>,
    /// Reserved and not used.
    unused: i64,
    /// When it was found used up.
    used_up: Option<Instant>,
}

/// What the limits say to one more message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes at this turn, and counts for this day.
    Goes { turn: Option<Instant>, day: Option<i64> },
    /// Not now: the relay says when, or that its day is used up.
    Waits,
}

/// A turn at a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainTurn {
    At(Option<Instant>),
    /// All turns are taken; there is one in so long.
    After(Duration),
}

/// The interval between so many messages a second; none for no limit.
pub fn interval(per_second: u32) -> Option<Duration> {
    (per_second > 0).then(|| Duration::from_secs(1).mul_f64(WIDER) / per_second)
}

fn micros(interval: Duration) -> i64 {
    i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1)
}

fn in_micros(now: Instant, micros: i64) -> Instant {
    now + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl Limits {
    /// The limits of a relay; `per_second` is its own or the settings'.
    pub fn new(url: &RelayUrl, per_second: u32) -> Self {
        Self {
            key: url.key(),
            interval: interval(per_second),
            domain_interval: url.terms.domain_per_second.and_then(interval),
            per_day: url.terms.per_day,
            warmup: url.terms.warmup.clone(),
            reserved: Mutex::default(),
        }
    }

    pub fn is_any(&self) -> bool {
        self.interval.is_some() || self.domain_interval.is_some() || self.counts_days()
    }

    /// Whether each message has its turn.
    pub fn has_turns(&self) -> bool {
        self.interval.is_some() || self.domain_interval.is_some()
    }

    pub fn has_domains(&self) -> bool {
        self.domain_interval.is_some()
    }

    pub fn counts_days(&self) -> bool {
        self.per_day.is_some() || !self.warmup.is_empty()
    }

    /// How many messages are worth claiming at a time: what goes in a second, or a batch.
    pub fn at_a_time(&self, batch: i64) -> i64 {
        match (self.interval, self.domain_interval) {
            (Some(interval), None) => (HORIZON / micros(interval) + 1).min(batch),
            _ => batch,
        }
    }

    /// How late a message may come to its turn.
    pub fn tolerance(&self) -> Duration {
        let shortest = [self.interval, self.domain_interval].into_iter().flatten().min();
        shortest.map_or(LATE, |interval| (interval / 2).max(LATE))
    }

    /// Until when all turns are taken.
    pub fn paced_until(&self) -> Option<Instant> {
        self.interval?;
        self.lock().paced_until.filter(|until| *until > Instant::now())
    }

    /// Whether the day is used up, as far as is known.
    pub fn is_used_up(&self, now: Timestamp) -> bool {
        self.counts_days() && {
            let day = &self.lock().day;
            day.number == day_of(now) && day.unused == 0 && day.used_up.is_some()
        }
    }

    /// Whether it is of no use to ask for more of the day.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        self.is_used_up(now) && self.lock().day.used_up.is_some_and(|since| since.elapsed() < LOOK_AGAIN)
    }

    /// Takes a turn and a message of the day, where there are any; `wanted` says how many messages wait.
    pub async fn admit(&self, app: &App, wanted: i64) -> Result<Admission, DbError> {
        if self.interval.is_some() && !self.has_turn() && !self.reserve_turns(app, wanted).await? {
            return Ok(Admission::Waits);
        }
        let day = match self.counts_days() {
            true => match self.take_of_day(app, wanted).await? {
                Some(day) => day,
                None => return Ok(Admission::Waits),
            },
            false => None,
        };
        let turn = if self.interval.is_some() { self.lock().turns.pop_front() } else { None };
        Ok(Admission::Goes { turn, day })
    }

    /// Lets another message have a turn, and a message of the day.
    pub fn not_taken(&self, turn: Option<Instant>, day: Option<i64>) {
        if let Some(turn) = turn {
            self.lock().turns.push_front(turn);
        }
        if let Some(day) = day {
            self.unused(day);
        }
    }

    /// Whether a turn is left that is not past.
    fn has_turn(&self) -> bool {
        let (now, tolerance) = (Instant::now(), self.tolerance());
        let turns = &mut self.lock().turns;
        while turns.front().is_some_and(|turn| *turn + tolerance < now) {
            turns.pop_front();
        }
        !turns.is_empty()
    }

    async fn reserve_turns(&self, app: &App, wanted: i64) -> Result<bool, DbError> {
        let Some(interval) = self.interval else { return Ok(true) };
        let (got, now) = self.ask_turns(app, interval, &[("", wanted)]).await?;
        let mut reserved = self.lock();
        for turns in got {
            reserved.turns.extend(instants(&turns, now, interval));
            if turns.granted == 0 {
                // Until there are more than a few again, or the next is near.
                reserved.paced_until =
                    Some(in_micros(now, turns.first - HORIZON / 2) + Duration::from_millis(1));
            }
        }
        Ok(!reserved.turns.is_empty())
    }

    /// Reserves turns, and says when that was, by this process's own clock.
    async fn ask_turns(
        &self,
        app: &App,
        interval: Duration,
        wanted: &[(&str, i64)],
    ) -> Result<(Vec<db::limits::Turns>, Instant), DbError> {
        let begun = Instant::now();
        let ask = async {
            let mut conn = app.db.conn().await?;
            db::limits::reserve_turns(&mut conn, &self.key, micros(interval), HORIZON, wanted).await
        };
        let turns = super::within(ask).await?;
        // The database looked at its clock somewhere between question and answer.
        Ok((turns, begun + begun.elapsed() / 2))
    }

    /// Reserves turns at these domains, for as many messages each.
    pub async fn reserve_domains(&self, app: &App, wanted: &HashMap<String, i64>) -> Result<(), DbError> {
        let Some(interval) = self.domain_interval else { return Ok(()) };
        let missing: Vec<(&str, i64)> = {
            let (now, tolerance) = (Instant::now(), self.tolerance());
            let mut reserved = self.lock();
            reserved.domains.values_mut().for_each(|turns| turns.retain(|turn| *turn + tolerance >= now));
            reserved.domains.retain(|_, turns| !turns.is_empty());
            let has = |domain: &str| {
                reserved.domains.get(domain).map_or(0, |turns| turns.len().cast_signed() as i64)
            };
            wanted.iter().map(|(domain, count)| (domain.as_str(), count - has(domain))).collect()
        };
        let missing: Vec<_> = missing.into_iter().filter(|(_, count)| *count > 0).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (got, now) = self.ask_turns(app, interval, &missing).await?;
        let mut reserved = self.lock();
        if reserved.tails.len() >= MOST_DOMAINS {
            reserved.tails.retain(|_, tail| *tail > now);
        }
        for turns in got {
            let next = in_micros(now, turns.first + turns.granted * micros(interval));
            let fits = wanted.get(&turns.domain).is_some_and(|count| turns.granted >= *count);
            if !fits && reserved.tails.len() < MOST_DOMAINS {
                let tail = reserved.tails.entry(turns.domain.clone()).or_insert(next);
                *tail = next.max(*tail);
            }
            let instants: Vec<_> = instants(&turns, now, interval).collect();
            reserved.domains.entry(turns.domain).or_default().extend(instants);
        }
        Ok(())
    }

    /// Takes a turn that is reserved at a domain; where there is none, says when a message that is put off now will have
    /// one, each a little later than the one before.
    pub fn domain_turn(&self, domain: &str) -> DomainTurn {
        let Some(interval) = self.domain_interval else { return DomainTurn::At(None) };
        let now = Instant::now();
        let mut reserved = self.lock();
        if let Some(turn) = reserved.domains.get_mut(domain).and_then(VecDeque::pop_front) {
            return DomainTurn::At(Some(turn));
        }
        let Some(tail) = reserved.tails.get_mut(domain) else {
            return DomainTurn::After(Duration::from_secs(1));
        };
        let turn = (*tail).max(now);
        *tail = turn + interval;
        DomainTurn::After(turn - now)
    }

    /// How long it takes until all messages that were put off have had their turn.
    pub fn put_off(&self) -> Option<Duration> {
        self.domain_interval?;
        let now = Instant::now();
        let last = self.lock().tails.values().max().copied()?;
        last.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Takes one message of today: its day, or none where today has no limit. Outside: none where it is used up.
    async fn take_of_day(&self, app: &App, wanted: i64) -> Result<Option<Option<i64>>, DbError> {
        let today = day_of(app.clock.now());
        if self.lock().day.number != today {
            self.give_back(app).await?;
            self.lock().day = Day { number: today, ..Day::default() };
        }
        let known = self.lock().day.limit;
        let limit = match known {
            Some(limit) => limit,
            None => {
                let limit = self.look_up_limit(app, today).await?;
                self.lock().day.limit = Some(limit);
                limit
            }
        };
        let Some(limit) = limit else { return Ok(Some(None)) };
        if self.take_unused() {
            return Ok(Some(Some(today)));
        }
        let ask = async {
            let mut conn = app.db.conn().await?;
            db::limits::reserve_day(&mut conn, &self.key, today, limit, wanted.min(OF_DAY)).await
        };
        let granted = super::within(ask).await?;
        {
            let day = &mut self.lock().day;
            day.unused += granted;
            day.used_up = (granted == 0).then(Instant::now);
        }
        Ok(self.take_unused().then_some(Some(today)))
    }

    fn take_unused(&self) -> bool {
        let day = &mut self.lock().day;
        let has = day.unused > 0;
        day.unused -= i64::from(has);
        has
    }

    /// The most of today: what the plan says while it lasts, and never more than a day's limit.
    async fn look_up_limit(&self, app: &App, today: i64) -> Result<Option<i64>, DbError> {
        let planned = match self.warmup.is_empty() {
            true => None,
            false => {
                let mut conn = app.db.conn().await?;
                let days = db::limits::days_before(&mut conn, &self.key, today).await?;
                usize::try_from(days).ok().and_then(|days| self.warmup.get(days).copied())
            }
        };
        Ok([planned, self.per_day].into_iter().flatten().min().map(i64::from))
    }

    /// Lets another message have what was reserved for one that was not sent.
    pub fn unused(&self, of_day: i64) {
        let day = &mut self.lock().day;
        if day.number == of_day {
            day.unused += 1;
        }
    }

    /// Gives back what is reserved of the day and not used.
    pub async fn give_back(&self, app: &App) -> Result<(), DbError> {
        let (number, unused) = {
            let day = &mut self.lock().day;
            (day.number, std::mem::take(&mut day.unused))
        };
        if unused == 0 {
            return Ok(());
        }
        let release = async {
            let mut conn = app.db.conn().await?;
            db::limits::release_day(&mut conn, &self.key, number, unused).await
        };
        super::within(release).await?;
        // It is no longer used up, whoever takes it now: what was claimed before may still wait for it.
        let day = &mut self.lock().day;
        if day.number == number {
            day.used_up = None;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Reserved> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When reserved turns are, by this process's own clock.
fn instants(turns: &db::limits::Turns, now: Instant, interval: Duration) -> impl Iterator<Item = Instant> {
    let (granted, first, step) = (turns.granted, turns.first, micros(interval));
    (0..granted).map(move |index| in_micros(now, first + index * step))
}

pub fn day_of(now: Timestamp) -> i64 {
    now.millis().div_euclid(DAY_MILLIS)
}
