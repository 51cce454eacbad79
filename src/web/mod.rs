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
mod serve;
mod sign_up;
mod sign_up_form;
#[cfg(test)]
mod tests;
mod unsubscribe;
mod view;
mod words;

use axum::Router;
use axum::middleware;
use axum::routing::get;

pub use error::Error;
pub use serve::serve;

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
