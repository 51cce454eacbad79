//! The admins' office: subscribers, newsletters, relays, users, the audit log, the state of the system.

mod audit;
mod dkim;
mod newsletters;
mod relays;
mod schedules;
mod system;
mod user;
mod users;

use axum::Router;

use crate::pipeline::App;

pub fn routes() -> Router<App> {
    Router::new()
        .merge(dkim::routes())
        .merge(newsletters::routes())
        .merge(relays::routes())
        .merge(system::routes())
        .merge(users::routes())
        .merge(user::routes())
        .merge(audit::routes())
}
