//! Serving connections: how many at once, how long each may take to ask, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

/// What keeps a stranger from holding the service up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are served at once; more wait in the system's queue.
    pub connections: usize,
    /// How long a connection may take until the headers of its next request are complete. An idle one ends then, too.
    pub headers: Duration,
    /// How long a shutdown waits for requests that are being answered. A connection that never finishes its request
    /// must not keep the service from stopping.
    pub drain: Duration,
}

impl Limits {
    const DEFAULT: Self =
        Self { connections: 1000, headers: Duration::from_secs(10), drain: Duration::from_secs(10) };
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
/// seconds. At most 1,000 connections are served at once, and each has 10 seconds for the headers of a request.
///
/// # Errors
/// What the listener says when it has failed for a minute.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(Limits::DEFAULT, listener, router, shutdown).await
}

/// [`serve`] with limits of one's own.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let service = TowerToHyperService::new(router);
    let (close, closing) = watch::channel(false);
    tokio::select! {
        failed = accept_all(limits, &listener, &service, &graceful, Closing(closing)) => return failed.map(|never| match never {}),
        () = shutdown => {}
    }
    drop(listener);
    close.send_replace(true);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(limits.drain) => {}
    }
    Ok(())
}

async fn accept_all(
    limits: Limits,
    listener: &TcpListener,
    service: &TowerToHyperService<Router>,
    graceful: &GracefulShutdown,
    closing: Closing,
) -> io::Result<Infallible> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut failures = 0;
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, peer)) => {
                failures = 0;
                let connection =
                    Connection { stream, peer, place, watcher: graceful.watcher(), closing: closing.clone() };
                tokio::spawn(connection.serve(service.clone(), limits.headers));
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
    /// Its place among those served at once, which it holds until it ends.
    place: OwnedSemaphorePermit,
    watcher: Watcher,
    closing: Closing,
}

impl Connection {
    async fn serve(self, service: TowerToHyperService<Router>, headers: Duration) {
        let Self { stream, peer, place, watcher, closing } = self;
        let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(closing.clone());
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(headers)
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    }
}
