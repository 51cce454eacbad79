//! Who did what, and who was refused what.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::audit_words::words;
use super::users::query;
use crate::db::audit::{self, Entry, Filter};
use crate::db::newsletters;
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Newsletter;
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::web::auth::SignedIn;
use crate::web::desk::words::Moment;
use crate::web::{Error, desk};

const PATH: &str = "/office/audit";

/// Lines on a page.
const SHOWN: usize = 50;

pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(list))
}

/// What the address bar asks for; a value that cannot be is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    who: String,
    action: String,
    /// A slug.
    newsletter: String,
    denied: String,
    before: String,
    after: String,
}

/// A line of the log, in words.
#[derive(Serialize)]
pub struct Line {
    at: Moment,
    who: String,
    /// Where a person did it: the log of what they did.
    who_href: String,
    action: String,
    words: &'static str,
    what: String,
    newsletter: String,
    is_denied: bool,
    network: String,
}

impl Line {
    pub fn new(entry: &Entry, newsletters: &[Newsletter], now: Timestamp) -> Self {
        let newsletter = newsletters.iter().find(|newsletter| Some(newsletter.id) == entry.newsletter_id);
        Self {
            at: Moment::past(entry.at, now, chrono_tz::UTC),
            who_href: of_whom(&entry.who),
            who: entry.who.clone(),
            words: words(&entry.action),
            action: entry.action.clone(),
            what: entry.what.clone(),
            newsletter: newsletter.map_or_else(String::new, |newsletter| newsletter.name.clone()),
            is_denied: entry.is_denied,
            network: entry.network.clone(),
        }
    }
}

/// Everything that somebody did.
pub fn of_whom(who: &str) -> String {
    query(PATH, &[("who", who)])
}

#[derive(Serialize)]
struct AuditPage {
    who: String,
    action: String,
    denied: bool,
    newsletters: Vec<Choice>,
    is_filtered: bool,
    lines: Vec<Line>,
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Serialize)]
struct Choice {
    slug: String,
    name: String,
    language: String,
    chosen: bool,
}

/// `GET /office/audit`
async fn list(
    State(app): State<App>,
    by: SignedIn,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    by.require_everywhere(&app, Role::Admin, "audit.list", "the audit log").await?;
    let Query(asked) = asked.unwrap_or_default();
    let (now, mut conn) = (app.clock.now(), app.db.conn().await?);
    let newsletters = newsletters::list(&mut conn).await?;
    let newsletter = newsletters.iter().find(|newsletter| newsletter.slug == asked.newsletter);
    let is_word = |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-');
    let filter = Filter {
        who: asked.who.trim().to_lowercase().replace('\0', ""),
        action: asked.action.trim().to_lowercase().chars().filter(is_word).collect(),
        newsletter_id: newsletter.map(|newsletter| newsletter.id),
        denied: asked.denied == "1",
        before: asked.before.parse().ok(),
        after: asked.after.parse().ok(),
    };
    let mut entries = audit::list(&mut conn, &filter, SHOWN as i64 + 1).await?;
    drop(conn);
    let is_more = entries.len() > SHOWN;
    if is_more && filter.after.is_some() {
        entries.remove(0);
    }
    entries.truncate(SHOWN);
    let page = |key: &str, id: Option<i64>| {
        let id = id.map(|id| id.to_string())?;
        let slug = newsletter.map_or("", |newsletter| newsletter.slug.as_str());
        let denied = if filter.denied { "1" } else { "" };
        let (who, action) = (filter.who.as_str(), filter.action.as_str());
        let pairs =
            [("who", who), ("action", action), ("newsletter", slug), ("denied", denied), (key, id.as_str())];
        Some(query(PATH, &pairs))
    };
    // Towards where one came from there is always more; on the other side, where one line more was found.
    let is_newer = if filter.after.is_some() { is_more } else { filter.before.is_some() };
    let is_older = filter.after.is_some() || is_more;
    let content = AuditPage {
        newer: page("after", entries.first().filter(|_| is_newer).map(|entry| entry.id)),
        older: page("before", entries.last().filter(|_| is_older).map(|entry| entry.id)),
        lines: entries.iter().map(|entry| Line::new(entry, &newsletters, now)).collect(),
        is_filtered: !filter.who.is_empty()
            || !filter.action.is_empty()
            || filter.newsletter_id.is_some()
            || filter.denied
            || filter.before.is_some()
            || filter.after.is_some(),
        newsletters: newsletters
            .iter()
            .map(|newsletter| Choice {
                slug: newsletter.slug.clone(),
                name: newsletter.name.clone(),
                language: newsletter.language.clone(),
                chosen: Some(newsletter.id) == filter.newsletter_id,
            })
            .collect(),
        who: filter.who,
        action: filter.action,
        denied: filter.denied,
    };
    desk::show(&by, StatusCode::OK, PATH, "Audit log", "office/audit", &content)
}
