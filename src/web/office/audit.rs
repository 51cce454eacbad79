//! Who did what, and who was refused what.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::audit_links::{Accounts, href};
use super::audit_words::{Group, choices, is_known, words};
use super::users::query;
use crate::db::audit::{self, Entry, Filter};
use crate::db::{Conn, newsletters, users};
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

/// Addresses to choose from; others can be typed.
const PEOPLE: i64 = 200;

pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(list))
}

/// So many people whose addresses begin as was typed are looked for.
const ALIKE: i64 = 20;

/// What the address bar asks for; a value that cannot be is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    who: String,
    action: String,
    /// A slug.
    newsletter: String,
    denied: String,
    /// Days in UTC: `2026-11-22`.
    from: String,
    until: String,
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
    /// The page of what it was done to, where it has one.
    href: Option<String>,
    newsletter: String,
    is_denied: bool,
    network: String,
}

/// Lines for a page.
pub async fn lines(
    conn: &mut Conn,
    entries: &[Entry],
    newsletters: &[Newsletter],
    now: Timestamp,
) -> Result<Vec<Line>, Error> {
    let accounts = Accounts::of(conn, entries).await?;
    let line = |entry: &Entry| {
        let newsletter = newsletters.iter().find(|newsletter| Some(newsletter.id) == entry.newsletter_id);
        Line {
            at: Moment::past(entry.at, now, chrono_tz::UTC),
            who_href: of_whom(&entry.who),
            who: entry.who.clone(),
            words: words(&entry.action),
            action: entry.action.clone(),
            what: entry.what.clone(),
            href: href(entry, newsletter, &accounts),
            newsletter: newsletter.map_or_else(String::new, |newsletter| newsletter.name.clone()),
            is_denied: entry.is_denied,
            network: entry.network.clone(),
        }
    };
    Ok(entries.iter().map(line).collect())
}

/// Everything that somebody did.
pub fn of_whom(who: &str) -> String {
    query(PATH, &[("who", who)])
}

#[derive(Serialize)]
struct AuditPage {
    who: String,
    /// Addresses to choose from.
    people: Vec<String>,
    actions: Vec<Group>,
    /// What the address bar asks for and no choice has; empty: nothing.
    action: String,
    from: String,
    until: String,
    /// What is wrong with the days; empty: nothing.
    wrong_from: String,
    wrong_until: String,
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

/// The first instant of a day in UTC, so many days later.
fn day(text: &str, later: u64) -> Option<Timestamp> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.checked_add_days(Days::new(later))?;
    Timestamp::parse(&format!("{}T00:00:00Z", day.format("%Y-%m-%d")))
}

/// What is wrong with a day that was typed, and counts for nothing.
fn wrong_day(typed: &str, read: Option<Timestamp>) -> String {
    let shown: String = typed.chars().take(60).collect();
    match (typed, read) {
        ("", _) | (_, Some(_)) => String::new(),
        _ => format!("“{shown}” is not a day, and was left out: write it as 2026-08-24."),
    }
}

/// Those whose lines are asked for: whoever is typed in full, and everybody with an account whose address begins like this.
async fn people_of(conn: &mut Conn, typed: &str) -> Result<Vec<String>, Error> {
    if typed.is_empty() {
        return Ok(vec![]);
    }
    let alike =
        users::list(conn, typed, ALIKE).await?.into_iter().map(|account| account.user.email.to_string());
    let alike = alike.filter(|email| email.starts_with(typed));
    Ok([typed.to_owned()].into_iter().chain(alike).collect())
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
    let who = asked.who.trim().to_lowercase().replace('\0', "");
    let filter = Filter {
        who: people_of(&mut conn, &who).await?,
        action: asked.action.trim().to_lowercase().chars().filter(is_word).collect(),
        newsletter_id: newsletter.map(|newsletter| newsletter.id),
        denied: asked.denied == "1",
        from: day(&asked.from, 0),
        until: day(&asked.until, 1),
        before: asked.before.parse().ok(),
        after: asked.after.parse().ok(),
    };
    let mut entries = audit::list(&mut conn, &filter, SHOWN as i64 + 1).await?;
    let people = users::list(&mut conn, "", PEOPLE).await?;
    let is_more = entries.len() > SHOWN;
    if is_more && filter.after.is_some() {
        entries.remove(0);
    }
    entries.truncate(SHOWN);
    let lines = lines(&mut conn, &entries, &newsletters, now).await?;
    drop(conn);
    // A day that cannot be is none, in the fields as in the list.
    let from = if filter.from.is_some() { asked.from.as_str() } else { "" };
    let until = if filter.until.is_some() { asked.until.as_str() } else { "" };
    let page = |key: &str, id: Option<i64>| {
        let id = id.map(|id| id.to_string())?;
        let slug = newsletter.map_or("", |newsletter| newsletter.slug.as_str());
        let denied = if filter.denied { "1" } else { "" };
        let (who, action) = (who.as_str(), filter.action.as_str());
        let pairs = [
            ("who", who),
            ("action", action),
            ("newsletter", slug),
            ("denied", denied),
            ("from", from),
            ("until", until),
            (key, id.as_str()),
        ];
        Some(query(PATH, &pairs))
    };
    // Towards where one came from there is always more; on the other side, where one line more was found.
    let is_newer = if filter.after.is_some() { is_more } else { filter.before.is_some() };
    let is_older = filter.after.is_some() || is_more;
    let content = AuditPage {
        newer: page("after", entries.first().filter(|_| is_newer).map(|entry| entry.id)),
        older: page("before", entries.last().filter(|_| is_older).map(|entry| entry.id)),
        lines,
        wrong_from: wrong_day(&asked.from, filter.from),
        wrong_until: wrong_day(&asked.until, filter.until),
        is_filtered: !filter.who.is_empty()
            || !filter.action.is_empty()
            || filter.newsletter_id.is_some()
            || filter.denied
            || filter.from.is_some()
            || filter.until.is_some()
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
        people: people.iter().map(|account| account.user.email.to_string()).collect(),
        actions: choices(&filter.action),
        action: if is_known(&filter.action) { String::new() } else { filter.action },
        from: from.to_owned(),
        until: until.to_owned(),
        who,
        denied: filter.denied,
    };
    desk::show(&by, StatusCode::OK, PATH, "Audit log", "office/audit", &content)
}
