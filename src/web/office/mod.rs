//! The admins' office: subscribers, newsletters, relays, users, the audit log, the state of the system.

mod audit;
mod audit_words;
mod bulk;
mod dkim;
mod import;
mod import_form;
mod newsletters;
mod person;
mod person_acts;
mod relays;
mod schedules;
mod segments;
mod subscribers;
mod subscribers_view;
mod suppressions;
mod system;
mod user;
mod users;
mod words;

use axum::Router;

use crate::domain::user::Role;
use crate::pipeline::App;
use crate::web::Error;
use crate::web::auth::SignedIn;

pub use self::import::UPLOAD_PATH;

/// Where the rail is, on every page about people.
const SUBSCRIBERS: &str = "/office/subscribers";

pub fn routes() -> Router<App> {
    Router::new()
        .merge(users::routes())
        .merge(user::routes())
        .merge(audit::routes())
        .merge(dkim::routes())
        .merge(newsletters::routes())
        .merge(relays::routes())
        .merge(system::routes())
        .merge(subscribers::routes())
        .merge(person::routes())
        .merge(import::routes())
        .merge(segments::routes())
        .merge(suppressions::routes())
        .merge(bulk::routes())
}

/// Succeeds for admins of every newsletter: people belong to none, and may read several.
async fn require(app: &App, by: &SignedIn, action: &str, what: &str) -> Result<(), Error> {
    by.require_everywhere(app, Role::Admin, action, what).await
}

/// The number in an address.
fn number(segment: &str) -> Result<i64, Error> {
    segment.parse().map_err(|_| Error::NotFound)
}
