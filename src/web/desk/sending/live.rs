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
use crate::web::desk::words::state_at;
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

/// The speed is that of the last half minute.
const WINDOW: Duration = Duration::from_secs(30);

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
    places: Arc<Semaphore>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { watched: Arc::default(), places: Arc::new(Semaphore::new(MOST_STREAMS)) }
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
        let mut pace = Pace::default();
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
                return;
            }
        }
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
    let rate = pace.rate(&progress);
    Ok(Moment { progress, rate, failures })
}

/// How many were done when, lately.
#[derive(Default)]
struct Pace(VecDeque<(Instant, i64)>);

impl Pace {
    fn rate(&mut self, progress: &Progress) -> Option<f64> {
        let (now, done) = (Instant::now(), progress.done());
        self.0.push_back((now, done));
        while self.0.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.0.pop_front();
        }
        let (first, then) = self.0.front().copied()?;
        let seconds = (now - first).as_secs_f64();
        if seconds < 2.0 {
            return average(progress);
        }
        (progress.issue.state == IssueState::Sending).then(|| (done - then) as f64 / seconds)
    }
}

/// Since the issue was addressed.
fn average(progress: &Progress) -> Option<f64> {
    let seconds = (progress.at.millis() - progress.addressed_at?.millis()) as f64 / 1000.0;
    (progress.issue.state == IssueState::Sending && seconds >= 1.0).then(|| progress.done() as f64 / seconds)
}

/// What is shown, once or with every event.
#[derive(Serialize)]
struct Figures {
    state: &'static str,
    class: &'static str,
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

fn figures(opened: &Opened, moment: &Moment) -> Figures {
    let progress = &moment.progress;
    let count = |state: DeliveryState| progress.count(state);
    let (done, all) = (progress.done(), progress.all());
    let rate = moment.rate.filter(|rate| *rate > 0.0);
    let speed = match rate {
        _ if progress.issue.state != IssueState::Sending => "–".to_owned(),
        Some(rate) if rate >= 1.0 => format!("{} a second", number(rate.round() as i64)),
        Some(rate) => format!("{} a minute", number((rate * 60.0).ceil() as i64)),
        None => "–".to_owned(),
    };
    let left = match rate {
        Some(rate) if progress.issue.state == IssueState::Sending && done < all => {
            span(((all - done) as f64 / rate * 1000.0) as i64)
        }
        _ => "–".to_owned(),
    };
    let state = state_at(&progress.issue, opened.starts_at);
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
        headline: format!("{} of {} done", number(done), number(all)),
        percent: if all == 0 { 100 } else { done * 100 / all },
        sent: number(count(DeliveryState::Sent)),
        waiting: number(count(DeliveryState::Queued) + count(DeliveryState::Claimed)),
        deferred: number(count(DeliveryState::Deferred)),
        failed: number(count(DeliveryState::Failed)),
        skipped: number(count(DeliveryState::Skipped)),
        speed,
        left,
        reason: progress.issue.reason.clone().unwrap_or_default(),
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
    let opened = Opened::find(&app, &by, &id, Role::Viewer, "issue.watch").await?;
    let moment = hub.look(&app, opened.issue.id).await?;
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
