//! Signing in, and one's own account: password, second factor, sessions.

use axum::Router;

use crate::pipeline::App;

pub fn routes() -> Router<App> {
    Router::new()
}
