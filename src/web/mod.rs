//! The pages that readers see: sign up, confirm, leave.
//!
//! Server-rendered, without scripts. `GET` never changes anything, because link scanners follow links. Pages read
//! through `db` and act through `pipeline`. What a handler cannot answer is an [`Error`], which is a page too.

mod assets;
mod confirm;
mod error;
mod form;
mod frame;
mod home;
pub mod mailbox;
mod page;
mod sign_up;
mod sign_up_form;
#[cfg(test)]
mod tests;
mod unsubscribe;
mod view;
mod words;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use error::Error;

use crate::pipeline::App;

/// The readers' pages.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/subscribe", get(sign_up::show).post(sign_up::submit))
        .route("/subscribe/{slug}", get(sign_up::show_one))
        .route("/confirm/{token}", get(confirm::show).post(confirm::submit))
        .route("/unsubscribe/{token}", get(unsubscribe::show).post(unsubscribe::submit))
        .route("/view/{token}", get(view::show))
        .route("/healthz", get(home::health))
        .route("/assets/{name}", get(assets::get))
        .fallback(|| async { Error::NotFound })
        .method_not_allowed_fallback(|| async { Error::Method })
        .layer(middleware::from_fn(frame::around))
        .with_state(app)
}

/// How long a shutdown waits for requests that are being answered. A connection that never finishes its request must
/// not keep the service from stopping.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves `router` on `listener` until `shutdown` resolves, and then finishes what it is answering, for at most 10
/// seconds.
///
/// # Errors
/// What the listener says when it fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_and_drain(listener, router, shutdown, DRAIN).await
}

async fn serve_and_drain(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    drain: Duration,
) -> io::Result<()> {
    let (say_begun, begun) = oneshot::channel();
    let until = async move {
        shutdown.await;
        let _ = say_begun.send(());
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(until);
    let drained = async {
        match begun.await {
            Ok(()) => tokio::time::sleep(drain).await,
            // The server ended by itself: its own result is the answer.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server => ended,
        () = drained => Ok(()),
    }
}
