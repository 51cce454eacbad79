//! An issue while it goes out: how far it is, how fast, what fails. A page that shows it once, and a stream of events
//! that goes on telling it.
//!
//! However many look on, an issue is counted once a second at most, and less often where counting takes long.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::words::{number, span};
use super::{Opened, Page};
use crate::db::results::Failure;
use crate::domain::delivery::{DeliveryState, without_addresses};
use crate::domain::issue::IssueState;
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::results::{self, Progress};
use crate::web::auth::SignedIn;
use crate::web::desk::words::{of_readers, state_at};
use crate::web::form::Segment;
use crate::web::serve::Closing;
use crate::web::words::zone_name;
use crate::web::{Error, desk};

/// How many look on at a time, over all issues; each takes one of the server's connections.
const MOST_STREAMS: usize = 300;

/// How often an issue is counted at most, and how many times longer than counting the rest is at least.
const BEAT: Duration = Duration::from_secs(1);
const REST: u32 = 10;

/// How long a stream lasts: a browser comes back by itself, and is asked again who it is.
const LASTS: Duration = Duration::from_secs(60);

/// The speed is that of the last half minute, once there is enough of it to measure.
const WINDOW: Duration = Duration::from_secs(30);
const LEAST: Duration = Duration::from_secs(5);

/// So many failures to count in a row end a watch; a browser comes back by itself.
const MOST_FAILURES: u32 = 5;

/// What is known of an issue at one moment.
#[derive(Debug)]
pub struct Moment {
    pub progress: Progress,
    /// Messages a second; none where it cannot be told.
    rate: Option<f64>,
    failures: Vec<Failure>,
}

type Moments = watch::Sender<Option<Arc<Moment>>>;

/// Who looks on at what.
#[derive(Clone)]
pub struct Hub {
    watched: Arc<Mutex<HashMap<i64, Weak<Moments>>>>,
    /// What was measured of issues at which nobody looks, for a page that is loaded again and again.
    paces: Arc<Mutex<HashMap<i64, Pace>>>,
    places: Arc<Semaphore>,
}

impl Default for Hub {
    fn default() -> Self {
        let (watched, paces) = (Arc::default(), Arc::default());
        Self { watched, paces, places: Arc::new(Semaphore::new(MOST_STREAMS)) }
    }
}

impl Hub {
    /// Joins those who look on at an issue; the first starts the counting.
    fn join(&self, app: &App, id: i64) -> watch::Receiver<Option<Arc<Moment>>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moments) = watched.get(&id).and_then(Weak::upgrade) {
            let mut receiver = moments.subscribe();
            if receiver.borrow().is_some() {
                // What is known is news to whoever has just come.
                receiver.mark_changed();
            }
            return receiver;
        }
        let moments = Arc::new(Moments::new(None));
        let receiver = moments.subscribe();
        watched.insert(id, Arc::downgrade(&moments));
        tokio::spawn(self.clone().watch(app.clone(), id, moments));
        receiver
    }

    /// How far an issue is, counted now or a moment ago.
    pub async fn look(&self, app: &App, id: i64) -> Result<Arc<Moment>, Error> {
        let mut moments = self.join(app, id);
        let moment = moments.wait_for(Option::is_some).await.ok().and_then(|moment| moment.clone());
        moment.ok_or(Error::Slow)
    }

    /// Counts until nobody looks on, or there is no more to see.
    async fn watch(self, app: App, id: i64, moments: Arc<Moments>) {
        let mut pace = self.take_pace(id);
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let before = moments.borrow().clone();
            match look(&app, id, &mut pace, before.as_deref()).await {
                Ok(moment) => {
                    failures = 0;
                    let is_over = moment.progress.is_over();
                    moments.send_replace(Some(Arc::new(moment)));
                    if is_over {
                        return self.leave(id);
                    }
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(issue = id, %error, "an issue's progress cannot be counted");
                    if failures >= MOST_FAILURES {
                        return self.leave(id);
                    }
                }
            }
            tokio::time::sleep(BEAT.max(began.elapsed() * REST)).await;
            // Nobody joins while the lock is held.
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            if moments.receiver_count() == 0 {
                watched.remove(&id);
                return self.keep_pace(id, pace);
            }
        }
    }

    fn take_pace(&self, id: i64) -> Pace {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.remove(&id).filter(|pace| pace.is_fresh(Instant::now())).unwrap_or_default()
    }

    fn keep_pace(&self, id: i64, pace: Pace) {
        let now = Instant::now();
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|_, pace| pace.is_fresh(now));
        paces.insert(id, pace);
    }

    fn leave(&self, id: i64) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

async fn look(
    app: &App,
    id: i64,
    pace: &mut Pace,
    before: Option<&Moment>,
) -> Result<Moment, crate::pipeline::Error> {
    let progress = results::progress(app, id).await?;
    let troubled = |progress: &Progress| {
        (progress.count(DeliveryState::Failed), progress.count(DeliveryState::Deferred))
    };
    let failures = match before {
        Some(before) if troubled(&before.progress) == troubled(&progress) => before.failures.clone(),
        _ => results::failures(app, id).await?,
    };
    let is_sending = progress.issue.state == IssueState::Sending;
    let rate = pace.rate(Instant::now(), is_sending, progress.done());
    Ok(Moment { progress, rate, failures })
}

/// How many were done when, lately: measured from the last look before the first message, or the first after a pause.
#[derive(Default)]
struct Pace {
    looks: VecDeque<(Instant, i64)>,
    has_begun: bool,
}

impl Pace {
    fn rate(&mut self, now: Instant, is_sending: bool, done: i64) -> Option<f64> {
        let has_moved = self.looks.back().is_some_and(|(_, before)| *before != done);
        // Who comes to an issue that is going out has not seen it begin.
        let is_joining = self.looks.is_empty() && done > 0;
        self.has_begun = is_sending && (self.has_begun || has_moved || is_joining);
        if !self.has_begun {
            self.looks.clear();
        }
        self.looks.push_back((now, done));
        while self.looks.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.looks.pop_front();
        }
        let (first, then) = self.looks.front().copied()?;
        let time = now - first;
        (self.has_begun && time >= LEAST).then(|| (done - then) as f64 / time.as_secs_f64())
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.looks.back().is_some_and(|(at, _)| now - *at <= WINDOW)
    }
}

/// What is shown, once or with every event.
#[derive(Serialize)]
struct Figures {
    state: &'static str,
    class: &'static str,
    /// Where the issue stands, as the page's head says it.
    says: String,
    /// What the button leads to; empty where nothing is left to do.
    act: &'static str,
    headline: String,
    percent: i64,
    sent: String,
    waiting: String,
    deferred: String,
    failed: String,
    skipped: String,
    speed: String,
    left: String,
    reason: String,
    is_over: bool,
    /// It has begun: there is something to see.
    has_begun: bool,
    failures: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    /// Empty for those who are not to see readers' addresses.
    who: String,
    state: &'static str,
    said: String,
    at: String,
}

/// The figures of one moment; how the issue stands is said as `opened` has it.
fn figures(opened: &Opened, moment: &Moment) -> Figures {
    let progress = &moment.progress;
    let issue = &opened.issue;
    let is_sending = issue.state == IssueState::Sending;
    let count = |state: DeliveryState| progress.count(state);
    let (done, all) = (progress.done(), progress.all() + progress.cut_off());
    let headline = match issue.state {
        IssueState::Cancelled => {
            format!("{} had it when it was cancelled", of_readers(count(DeliveryState::Sent), all))
        }
        _ => format!("{} of {} done", number(done), number(all)),
    };
    let rate = moment.rate.filter(|rate| *rate > 0.0);
    let speed = match rate {
        _ if !is_sending => "–".to_owned(),
        Some(rate) if rate >= 1.0 => format!("{} a second", number(rate.round() as i64)),
        Some(rate) => format!("{} a minute", number((rate * 60.0).ceil() as i64)),
        None => "–".to_owned(),
    };
    let left = match rate {
        Some(rate) if is_sending && done < all => span(((all - done) as f64 / rate * 1000.0) as i64),
        _ => "–".to_owned(),
    };
    let state = state_at(issue, opened.starts_at);
    let failed = |failure: &Failure| {
        let said = failure.detail.as_deref().or(failure.reason.as_deref()).unwrap_or_default();
        Failed {
            who: match opened.may_edit {
                true => failure.email.clone().unwrap_or_else(|| "a reader who was erased".to_owned()),
                false => String::new(),
            },
            state: if failure.state == "failed" { "failed" } else { "tried again later" },
            said: if opened.may_edit { said.to_owned() } else { without_addresses(said) },
            at: failure.at.in_zone(opened.zone).format("%H:%M:%S").to_string(),
        }
    };
    Figures {
        state: state.words,
        class: state.tone,
        says: opened.says(),
        act: match issue.state {
            IssueState::Cancelled => "",
            IssueState::Paused => "Go on or cancel",
            _ => "Pause or cancel",
        },
        headline,
        percent: if all == 0 { 100 } else { done * 100 / all },
        sent: number(count(DeliveryState::Sent)),
        waiting: number(count(DeliveryState::Queued) + count(DeliveryState::Claimed)),
        deferred: number(count(DeliveryState::Deferred)),
        failed: number(count(DeliveryState::Failed)),
        skipped: number(count(DeliveryState::Skipped)),
        speed,
        left,
        reason: issue.reason.clone().unwrap_or_default(),
        is_over: progress.is_over(),
        has_begun: progress.addressed_at.is_some(),
        failures: moment.failures.iter().map(failed).collect(),
    }
}

#[derive(Serialize)]
struct LivePage {
    figures: Figures,
    events: String,
    may_edit: bool,
    send: String,
    results: String,
    /// The zone of the failures' times.
    zone: String,
}

/// `GET /desk/issues/{id}/live`
pub async fn show(
    State(app): State<App>,
    Extension(hub): Extension<Hub>,
    by: SignedIn,
    Segment(id): Segment,
) -> Result<Response, Error> {
    let mut opened = Opened::find(&app, &by, &id, Role::Viewer, "issue.watch").await?;
    let moment = hub.look(&app, opened.issue.id).await?;
    // What was counted for others a moment ago may be older than what was found now: the head and the figures say one.
    if moment.progress.at > opened.now || moment.progress.is_over() {
        opened.issue = moment.progress.issue.clone();
    }
    let page = LivePage {
        figures: figures(&opened, &moment),
        events: opened.path("events"),
        may_edit: opened.may_edit,
        send: opened.path("send"),
        results: opened.path("results"),
        zone: zone_name(opened.zone),
    };
    let title = format!("Live: {}", opened.name());
    let page = Page { head: opened.head("live"), own: &page };
    desk::show(&by, StatusCode::OK, "/desk/issues", &title, "desk/sending/live", &page)
}

/// Somebody who looks on.
struct Viewer {
    moments: watch::Receiver<Option<Arc<Moment>>>,
    opened: Opened,
    until: Instant,
    closing: Option<Closing>,
    /// The last event has told the end.
    is_over: bool,
    is_told: bool,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    /// The next event; none at the end.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if self.is_told {
            return None;
        }
        if self.is_over {
            self.is_told = true;
            return Some((Ok(Event::default().event("end").data("over")), self));
        }
        let closed = async {
            match &mut self.closing {
                Some(closing) => closing.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.moments.changed() => changed.ok()?,
            () = closed => return None,
            () = tokio::time::sleep_until(self.until) => return None,
        }
        let moment = self.moments.borrow_and_update().clone()?;
        self.opened.issue = moment.progress.issue.clone();
        self.opened.now = moment.progress.at;
        let figures = figures(&self.opened, &moment);
        self.is_over = figures.is_over;
        let data = serde_json::to_string(&figures).ok()?;
        Some((Ok(Event::default().event("progress").data(data)), self))
    }
}

/// `GET /desk/issues/{id}/events`: server-sent events, `progress` with the figures as JSON whenever they are counted,
/// and `end` when the issue has come to its end.
pub async fn events(
    State(app): State<App>,
    Extension(hub): Extension<Hub>,
    closing: Option<Extension<Closing>>,
    by: SignedIn,
    Segment(id): Segment,
) -> Result<Response, Error> {
    let opened = Opened::find(&app, &by, &id, Role::Viewer, "issue.watch").await?;
    let Ok(place) = Arc::clone(&hub.places).try_acquire_owned() else {
        let words = "Too many people look on: reload the page instead.";
        return Ok((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], words).into_response());
    };
    let viewer = Viewer {
        moments: hub.join(&app, opened.issue.id),
        opened,
        until: Instant::now() + LASTS,
        closing: closing.map(|Extension(closing)| closing),
        is_over: false,
        is_told: false,
        _place: place,
    };
    let stream = stream::unfold(viewer, Viewer::next);
    // A stream of its own would say `no-cache`: caches may keep that.
    let quiet = [(header::CACHE_CONTROL, "no-store")];
    Ok((quiet, Sse::new(stream).keep_alive(KeepAlive::default())).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates of looks a second apart, in messages a minute.
    fn rates(pace: &mut Pace, from: Instant, looks: &[(bool, i64)]) -> Vec<Option<i64>> {
        let rate = |(second, (is_sending, done)): (u64, &(bool, i64))| {
            let rate = pace.rate(from + Duration::from_secs(second), *is_sending, *done)?;
            Some((rate * 60.0).round() as i64)
        };
        std::iter::zip(0.., looks).map(rate).collect()
    }

    #[test]
    fn the_speed_is_measured_from_the_first_message_and_anew_after_a_pause() {
        let start = Instant::now();
        let mut pace = Pace::default();
        // Twelve seconds until the first message, then 120 a minute.
        let steady: Vec<(bool, i64)> =
            (0..12).map(|_| (true, 0)).chain((1..10).map(|n| (true, 2 * n))).collect();
        let told = rates(&mut pace, start, &steady);
        assert!(told[..16].iter().all(Option::is_none), "{told:?}");
        assert!(told[16..].iter().all(|rate| *rate == Some(120)), "{told:?}");
        // A minute's pause does not slow it down.
        let later = start + Duration::from_secs(21);
        let paused: Vec<(bool, i64)> =
            (0..60).map(|_| (false, 18)).chain((0..10).map(|n| (true, 18 + 2 * n))).collect();
        let told = rates(&mut pace, later, &paused);
        assert!(told[..65].iter().all(Option::is_none), "{told:?}");
        assert_eq!(told.last(), Some(&Some(120)));
        // Who comes later waits a few seconds, too, and an issue that stalls comes to nothing.
        let mut pace = Pace::default();
        let stalled: Vec<(bool, i64)> =
            (0..10).map(|n| (true, 500 + 2 * n)).chain((0..40).map(|_| (true, 518))).collect();
        let told = rates(&mut pace, start, &stalled);
        assert_eq!((told[4], told[5], told[49]), (None, Some(120), Some(0)));
    }
}
