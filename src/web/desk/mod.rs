//! The editors' desk: today, what came in, the issues and their sending, the calendar, sources, templates.

mod calendar;
mod frame;
pub(super) mod moments;
mod sources;
mod templates;

use axum::Router;

pub use self::frame::show;
use crate::pipeline::App;

/// The pages of the desk.
pub fn routes() -> Router<App> {
    Router::new().merge(calendar::routes()).merge(sources::routes()).merge(templates::routes())
}
