//! Serving connections: how many at once and from one place, how long each may take to ask and to listen, and how they
//! end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::patient::Patient;
use super::places::{Place, Places};
use crate::config::Networks;

/// What keeps a stranger from holding the service up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are served at once; more wait in the system's queue.
    pub connections: usize,
    /// How long a connection may take until the headers of its next request are complete. An idle one ends then, too.
    pub headers: Duration,
    /// How many are served at once from one network; more are closed at once. This machine and proxies ask for others.
    pub from_one: usize,
    /// How long an answer may wait for the other end to take any of it.
    pub write: Duration,
    /// How long a shutdown waits for requests that are being answered. A connection that never finishes its request
    /// must not keep the service from stopping.
    pub drain: Duration,
}

impl Limits {
    /// A browser opens six; an office behind one address has many of them.
    const DEFAULT: Self = Self {
        connections: 1000,
        headers: Duration::from_secs(10),
        from_one: 100,
        write: Duration::from_secs(30),
        drain: Duration::from_secs(10),
    };
}

/// How often in a row, once a second, accepting may fail before the listener is given up.
const MAX_FAILURES: u32 = 60;

/// Tells an answer that goes on for long that the service is stopping; every request carries it.
#[derive(Clone, Debug)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Comes to its end when the service stops.
    pub async fn wait(&mut self) {
        // Nobody left to say it is a stop as well.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

/// Serves `router` on `listener` until `shutdown` resolves, and then finishes what it is answering, for at most 10
/// seconds. At most 1,000 connections are served at once, 100 of them from one network that is none of `proxies`; each
/// has 10 seconds for the headers of a request, and ends where the other end takes nothing of an answer for 30.
///
/// # Errors
/// What the listener says when it has failed for a minute.
pub async fn serve(
    listener: TcpListener,
    proxies: Networks,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let places = Places::new(Limits::DEFAULT, proxies);
    serve_within(places, listener, router, shutdown).await
}

/// [`serve`] with limits of one's own.
pub async fn serve_within(
    places: Places,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let service = TowerToHyperService::new(router);
    let (close, closing) = watch::channel(false);
    tokio::select! {
        failed = accept_all(&places, &listener, &service, &graceful, Closing(closing)) => return failed.map(|never| match never {}),
        () = shutdown => {}
    }
    drop(listener);
    close.send_replace(true);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(places.limits.drain) => {}
    }
    Ok(())
}

async fn accept_all(
    places: &Places,
    listener: &TcpListener,
    service: &TowerToHyperService<Router>,
    graceful: &GracefulShutdown,
    closing: Closing,
) -> io::Result<Infallible> {
    let mut failures = 0;
    loop {
        let free = places.free().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                failures = 0;
                let Some(place) = places.take(free, peer.ip()) else { continue };
                let connection =
                    Connection { stream, peer, place, watcher: graceful.watcher(), closing: closing.clone() };
                tokio::spawn(connection.serve(service.clone(), places.limits));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if failures >= MAX_FAILURES => return Err(error),
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                failures += 1;
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether accepting failed because the other end had gone already.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    watcher: Watcher,
    closing: Closing,
}

impl Connection {
    async fn serve(self, service: TowerToHyperService<Router>, limits: Limits) {
        let Self { stream, peer, place, watcher, closing } = self;
        let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(closing.clone());
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.headers)
            .serve_connection(TokioIo::new(Patient::new(stream, limits.write)), answer);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    }
}
