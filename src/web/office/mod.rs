//! The admins' office: subscribers, newsletters, relays, users, the audit log, the state of the system.

mod audit;
mod user;
mod users;

use axum::Router;

use crate::pipeline::App;

pub fn routes() -> Router<App> {
    Router::new().merge(users::routes()).merge(user::routes()).merge(audit::routes())
}
