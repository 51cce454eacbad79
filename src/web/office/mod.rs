//! The admins' office: subscribers, newsletters, relays, users, the audit log, the state of the system.

mod add_person;
mod audit;
mod audit_links;
mod audit_words;
mod bulk;
mod bulk_ask;
mod dkim;
mod fields;
mod import;
mod import_form;
mod newsletter_settings;
mod newsletter_topics;
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

use crate::domain::user::{Role, User};
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
        .merge(add_person::routes())
        .merge(subscribers::routes())
        .merge(person::routes())
        .merge(import::routes())
        .merge(segments::routes())
        .merge(suppressions::routes())
        .merge(bulk::routes())
}

/// Succeeds for admins of every newsletter.
async fn require(app: &App, by: &SignedIn, action: &str, what: &str) -> Result<(), Error> {
    by.require_everywhere(app, Role::Admin, action, what).await
}

/// Whose people somebody manages.
///
/// An admin of one newsletter manages its readers as such: sees them and what came to them of it, adds some, and changes what
/// they get of it. What concerns a person as a whole (name, address, tags, suppression, the file with everything, erasure)
/// may touch other newsletters, and is for admins of all.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    Everybody,
    /// The readers of these newsletters.
    Of(Vec<i64>),
}

impl Reach {
    fn of(user: &User) -> Self {
        if user.may_everywhere(Role::Admin) {
            return Self::Everybody;
        }
        let own = user.newsletters.iter().filter(|(_, role)| *role >= Role::Admin);
        Self::Of(own.map(|(id, _)| *id).collect())
    }

    fn holds(&self, newsletter_id: i64) -> bool {
        match self {
            Self::Everybody => true,
            Self::Of(own) => own.contains(&newsletter_id),
        }
    }

    /// None: all.
    fn newsletters(&self) -> Option<&[i64]> {
        match self {
            Self::Everybody => None,
            Self::Of(own) => Some(own),
        }
    }
}

/// Whose people they manage; succeeds for admins of any newsletter.
async fn reach(app: &App, by: &SignedIn, action: &str, what: &str) -> Result<Reach, Error> {
    let reach = Reach::of(&by.user);
    if reach == Reach::Of(vec![]) {
        require(app, by, action, what).await?;
    }
    Ok(reach)
}

/// The number in an address.
fn number(segment: &str) -> Result<i64, Error> {
    segment.parse().map_err(|_| Error::NotFound)
}
