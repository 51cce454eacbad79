//! What readers find besides signing up: their preferences, their data, the archive, the feed.

use axum::Router;

use crate::pipeline::App;

pub fn routes() -> Router<App> {
    Router::new()
}
