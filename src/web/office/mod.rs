//! The admins' office: subscribers, newsletters, relays, users, the audit log, the state of the system.

mod newsletters;
mod schedules;

use axum::Router;

use crate::pipeline::App;

pub fn routes() -> Router<App> {
    Router::new().merge(newsletters::routes())
}
