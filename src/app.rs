//! Runs the roles of a node, and shuts them down.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use clap::ValueEnum;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::db::FileLock;
use crate::pipeline::deliver::{self, Sender, Until};
use crate::pipeline::{App, Error, collect, measuring, templates};
use crate::{db, schedule, web};

/// What everything runs on: a thread for each core but one. That one is for the database and for the kernel's side of
/// the connections; with a thread there too, a message costs a quarter more, in threads that wake one another up.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads((cores - 1).max(1)).enable_all().build();
    built.map_err(|error| Error::Io(format!("the program cannot start its threads: {error}")))
}

/// How soon a node uses templates that were saved at another.
const TEMPLATES_EVERY: Duration = Duration::from_secs(5);

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The pages
    Web,
    /// Collecting articles, making issues, keeping time
    Schedule,
    /// Sending mail
    Send,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Web, Self::Schedule, Self::Send];
}

/// Opens the socket of the web pages.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        let what_to_do = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "stop the program that has it (another daybreak?), or set DAYBREAK_LISTEN to a free address"
            }
            _ => "set DAYBREAK_LISTEN to an address of this machine, with a free port",
        };
        Error::Io(format!("the pages cannot be served on {address}: {error}; {what_to_do}"))
    })
}

/// Runs these roles until `stop` turns true; `pages` are what the web role serves, and where. A role that fails stops
/// the others.
///
/// On SQLite a node is alone, for which it has the database's lock: a second one is refused before it says where it is.
pub async fn run(
    app: &App,
    _alone: Option<FileLock>,
    roles: &[Role],
    pages: Option<(TcpListener, Router)>,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    tracing::info!(?roles, version = env!("CARGO_PKG_VERSION"), "at work");
    let (ended, any_ended) = watch::channel(false);
    let mut running: JoinSet<Result<(), Error>> = JoinSet::new();
    for role in roles {
        let (app, any_ended) = (app.clone(), any_ended.clone());
        match role {
            // It has the socket, and is started below.
            Role::Web => {}
            Role::Schedule => {
                running.spawn(schedule::run(app, any_ended));
            }
            Role::Send => {
                running.spawn(async move { Sender::new(&app, any_ended)?.run(Until::Stopped).await });
            }
        }
    }
    if let Some((listener, router)) = pages {
        let until = stopped(any_ended);
        let proxies = app.settings.trusted_proxies.clone().unwrap_or_default();
        running.spawn(async move {
            web::serve(listener, proxies, router, until)
                .await
                .map_err(|error| Error::Io(format!("the pages can no longer be served: {error}")))
        });
    }
    running.spawn(keep_templates(app.clone(), ended.subscribe()));
    let mut first_error = Ok(());
    let mut asked = stop;
    tokio::select! {
        _ = asked.wait_for(|stop| *stop) => {}
        Some(joined) = running.join_next() => first_error = flatten(joined),
    }
    let _ = ended.send(true);
    while let Some(joined) = running.join_next().await {
        first_error = first_error.and(flatten(joined));
    }
    measuring::settle(app).await;
    first_error
}

/// Looks for templates that were saved elsewhere, until told to stop; a database that does not answer keeps nobody from
/// stopping, and is asked again.
async fn keep_templates(app: App, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    let refresh = async || loop {
        tokio::time::sleep(TEMPLATES_EVERY).await;
        match tokio::time::timeout(db::PATIENCE, templates::refresh(&app)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "it cannot be asked whether templates were saved; asking again");
            }
            Err(_) => tracing::warn!("the database does not say whether templates were saved; asking again"),
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => Ok(()),
        () = refresh() => Ok(()),
    }
}

fn flatten(joined: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    joined.unwrap_or_else(|error| Err(Error::Io(format!("a part of the service crashed: {error}"))))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left to say it: that is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Everything that is due now, and then the end: for cron, rehearsals and tests.
pub async fn run_once(app: &App) -> Result<(), Error> {
    let _alone = app.db.lock()?;
    let stop = stop_signal()?;
    let fetcher = collect::fetcher(app)?;
    tokio::select! {
        done = schedule::run_once(app, &fetcher) => done?,
        () = stopped(stop.clone()) => return Ok(()),
    }
    Sender::new(app, stop)?.run(Until::NothingDue).await?;
    deliver::finish(app).await?;
    Ok(())
}

/// Signals within this time are one: `timeout`, for instance, signals a program and then the group that it is in.
const SIGNALLED_ONCE: Duration = Duration::from_secs(1);

/// Turns true at SIGTERM or Ctrl-C.
pub fn stop_signal() -> Result<watch::Receiver<bool>, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error: std::io::Error| Error::Io(format!("signals cannot be listened for: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(true);
        tracing::info!("stopping: what is on the wire is finished first; a second signal ends at once");
        // Whoever signals again does not want to wait: what was not recorded is found by the next start.
        let first = Instant::now();
        while first.elapsed() < SIGNALLED_ONCE {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        std::process::exit(1);
    });
    Ok(stopped)
}
