//! The pages: the readers', the editors' desk and the admins' office.
//!
//! Server-rendered; every form works without scripts. `GET` never changes anything, because link scanners follow
//! links. Pages read through `db` and act through `pipeline`. What a handler cannot answer is an [`Error`], which is a
//! page too. Who signs in is `auth`'s to say.

mod account;
mod assets;
mod auth;
mod confirm;
mod desk;
mod error;
mod form;
mod frame;
mod framed;
mod home;
pub mod mailbox;
mod network;
mod office;
mod page;
mod patient;
mod places;
mod readers;
mod said;
mod serve;
mod sign_up;
mod sign_up_form;
#[cfg(test)]
mod tests;
mod unsubscribe;
mod view;
mod visits;
mod words;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

pub use error::Error;
pub use serve::serve;

use crate::pipeline::App;

/// Every page.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/subscribe", get(sign_up::show).post(sign_up::submit))
        .route("/subscribe/{slug}", get(sign_up::show_one))
        .route("/confirm/{token}", get(confirm::show).post(confirm::submit))
        .route("/unsubscribe/{token}", get(unsubscribe::show).post(unsubscribe::submit))
        .route("/unsubscribe/{token}/undo", post(unsubscribe::undo))
        .route("/unsubscribe/{token}/link", post(unsubscribe::mail_link))
        .route("/view/{token}", get(view::show))
        .route("/c/{token}/{number}", get(visits::follow))
        .route("/o/{name}", get(visits::open))
        .merge(account::routes())
        .merge(desk::routes())
        .merge(office::routes())
        .merge(readers::routes())
        .route("/healthz", get(home::health))
        .route("/assets/{name}", get(assets::get))
        .route("/favicon.ico", get(assets::icon))
        .fallback(frame::elsewhere)
        .method_not_allowed_fallback(|| async { Error::Method })
        .layer(middleware::from_fn(frame::patient))
        .layer(middleware::from_fn_with_state(app.clone(), framed::around))
        .layer(middleware::from_fn_with_state(auth::is_https(&app), frame::careful))
        .with_state(app)
}
