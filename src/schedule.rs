//! When the steps run: clokwerk beats, and the database decides what is due.
//!
//! A beat only wakes a step up. A restart, a second node or a lost beat changes nothing but the moment at which a
//! step looks again.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone, Utc};
use clokwerk::timeprovider::TimeProvider;
use clokwerk::{AsyncScheduler, Interval};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::db::DbError;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{App, Error, address, bulk, collect, compose, deliver, import, keep, signing, start};
use crate::sources::fetch::Fetcher;

/// Slots are met to the second.
const ADDRESS_EVERY: Interval = Interval::Seconds(1);

/// New articles show up in the issue that is filling within seconds.
const COMPOSE_EVERY: Interval = Interval::Seconds(5);

/// Sources are due every 15 minutes each; they are looked for this often.
const COLLECT_EVERY: Interval = Interval::Seconds(15);

/// A change to many people whose process died goes on within a minute.
const RESUME_EVERY: Interval = Interval::Seconds(15);

/// A key whose record was published signs within minutes. Only where one waits is DNS asked.
const SIGN_EVERY: Interval = Interval::Minutes(5);

/// Issues grow old by the day.
const KEEP_EVERY: Interval = Interval::Hours(1);

/// How long a step may take: longer than it takes to address a hundred million readers. One that takes longer waits for
/// a database that went away without a word, and begins anew.
const STEP_PATIENCE: Duration = Duration::from_secs(20 * 60);

/// Runs collect, compose, address, the end of issues, what was left undone, keys that wait, and the keeping of old ones
/// until told to stop.
pub async fn run(app: App, stop: watch::Receiver<bool>) -> Result<(), Error> {
    let fetcher = collect::fetcher(&app)?;
    let mut scheduler = AsyncScheduler::with_tz_and_provider::<Utc, SteadyTime>(Utc);
    let mut steps = JoinSet::new();
    let mut beat = |every: Interval, step: Step| {
        let wake = Arc::new(Notify::new());
        wake.notify_one();
        steps.spawn(run_step(app.clone(), fetcher.clone(), step, Arc::clone(&wake), stop.clone()));
        scheduler.every(every).run(move || {
            wake.notify_one();
            std::future::ready(())
        });
    };
    beat(COLLECT_EVERY, Step::Collect);
    beat(COMPOSE_EVERY, Step::Compose);
    beat(ADDRESS_EVERY, Step::Address);
    beat(RESUME_EVERY, Step::Resume);
    beat(SIGN_EVERY, Step::Sign);
    beat(KEEP_EVERY, Step::Keep);
    let mut stopped = stop.clone();
    loop {
        scheduler.run_pending().await;
        if tokio::time::timeout(Duration::from_millis(200), stopped.wait_for(|stop| *stop)).await.is_ok() {
            break;
        }
    }
    while steps.join_next().await.is_some() {}
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Collect,
    Compose,
    Address,
    Resume,
    Sign,
    Keep,
}

async fn run_step(
    app: App,
    fetcher: Fetcher,
    step: Step,
    wake: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = wake.notified() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // A poll that is under way may be cut short: its source is due again when its claim ends.
        let done = tokio::select! {
            done = tokio::time::timeout(STEP_PATIENCE, once(&app, &fetcher, step)) => {
                done.unwrap_or(Err(Error::Db(DbError::Silent)))
            }
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = done {
            tracing::error!(?step, %error, "a step failed, and runs again at its next beat");
        }
    }
}

async fn once(app: &App, fetcher: &Fetcher, step: Step) -> Result<(), Error> {
    match step {
        Step::Collect => while !collect::poll_due(app, fetcher, log_poll).await?.is_empty() {},
        Step::Compose => {
            let composed = compose::compose(app).await?;
            if composed != compose::Composed::default() {
                tracing::info!(?composed, "issues moved on");
            }
        }
        Step::Address => {
            for issue in start::start_due(app).await? {
                tracing::info!(issue, "an issue that an editor sends now starts");
            }
            for addressed in address::address(app).await? {
                tracing::info!(?addressed, "an issue's slot has come");
            }
            for issue in deliver::finish(app).await? {
                tracing::info!(issue, "an issue is sent");
            }
        }
        Step::Resume => bulk::resume(app).await?,
        Step::Sign => {
            for key in signing::sign_with_published(app, &Actor::service()).await? {
                tracing::info!(
                    key,
                    "the record of a DKIM key is published: mail is signed with it from now on"
                );
            }
        }
        Step::Keep => {
            for shrunk in keep::shrink(app).await? {
                tracing::info!(?shrunk, "an old issue's deliveries are counted and removed");
            }
            bulk::forget(app).await?;
            import::uploads::forget(app).await?;
        }
    }
    Ok(())
}

/// Every step once, in order, but for sending: what `serve --once` and the tests do between one moment and the next.
pub async fn run_once(app: &App, fetcher: &Fetcher) -> Result<(), Error> {
    for step in [Step::Collect, Step::Compose, Step::Address, Step::Resume, Step::Sign, Step::Keep] {
        once(app, fetcher, step).await?;
    }
    Ok(())
}

fn log_poll(polled: &collect::Polled) {
    match &polled.result {
        Ok(brought) => tracing::info!(source = polled.source_id, new = brought.new, "polled"),
        Err(why) => tracing::warn!(source = polled.source_id, why, "a source failed"),
    }
}

/// The time that beats are counted by: it never goes back, and a clock that is set does not stop it.
struct SteadyTime;

impl TimeProvider for SteadyTime {
    fn now<Tz>(zone: &Tz) -> DateTime<Tz>
    where
        Tz: TimeZone + Sync + Send,
    {
        static START: OnceLock<(DateTime<Utc>, Instant)> = OnceLock::new();
        let (start, began) = START.get_or_init(|| (Clock::system().now().to_utc(), Instant::now()));
        (*start + began.elapsed()).with_timezone(zone)
    }
}
