//! The suppression list: addresses that must not be mailed.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Wrong, typed};
use super::subscribers_view::Choice;
use super::words::{When, when, why_words};
use super::{SUBSCRIBERS, require};
use crate::db;
use crate::db::suppressions::Listed;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::SuppressionReason;
use crate::pipeline::{App, people};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;
use crate::web::said;

const PATH: &str = "/office/suppressions";

/// Entries on a page.
const PAGE: usize = 50;

pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(show).post(add)).route("/office/suppressions/remove", post(remove))
}

#[derive(Serialize)]
struct Row {
    hash: String,
    /// None: the person was erased, and only the hash is left.
    email: Option<String>,
    sentence: &'static str,
    detail: String,
    since: When,
    href: Option<String>,
}

#[derive(Default, Serialize)]
struct Page {
    q: String,
    reasons: Vec<Choice>,
    rows: Vec<Row>,
    is_filtered: bool,
    /// An address was typed whole, and is on the list or not.
    verdict: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    /// What is asked of an address that is put on the list.
    fields: Vec<Field>,
    problems: Vec<Wrong>,
}

pub(super) fn reason_words(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Bounced => "Bounced",
        SuppressionReason::Complained => "Complained",
        SuppressionReason::Manual => "By an admin",
        SuppressionReason::Erased => "Erased",
    }
}

fn field(query: &str, name: &str) -> String {
    let mut fields = url::form_urlencoded::parse(query.as_bytes());
    let found = fields.find(|(field, _)| field == name);
    found.map(|(_, value)| value.trim().replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// A place in the list: when, and the hash.
fn place(text: &str) -> Option<(Timestamp, String)> {
    let (millis, hash) = text.split_once('.')?;
    Some((Timestamp::from_millis(millis.parse().ok()?), hash.to_owned()))
}

/// `GET /office/suppressions?q=…&reason=…`
async fn show(State(app): State<App>, RawQuery(query): RawQuery, by: SignedIn) -> Result<Response, Error> {
    require(&app, &by, "suppressions.list", "the suppression list").await?;
    let page = find(&app, &query.unwrap_or_default()).await?;
    page_of(&by, StatusCode::OK, page, &Again::default())
}

const ASKED: [Asked; 2] = [
    ("email", "The address", "", Kind::Input("email")),
    ("reason", "Why, for the record", "", Kind::Input("text")),
];

fn page_of(by: &SignedIn, status: StatusCode, mut page: Page, again: &Again<'_>) -> Result<Response, Error> {
    page.fields = ASKED.iter().map(|asked| Field::new(again, "add", *asked, "")).collect();
    page.problems = fields::wrong(&mut page.fields);
    let title = fields::title("Suppression list", &page.problems);
    desk::show(by, status, SUBSCRIBERS, &title, "office/suppressions", &page)
}

async fn find(app: &App, query: &str) -> Result<Page, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let typed = field(query, "q");
    let words = typed.to_lowercase();
    let reason = SuppressionReason::parse(&field(query, "reason"));
    let mut page = Page {
        q: typed.clone(),
        reasons: SuppressionReason::ALL
            .map(|each| Choice {
                value: each.as_str().to_owned(),
                words: reason_words(each).to_owned(),
                chosen: reason == Some(each),
            })
            .to_vec(),
        is_filtered: reason.is_some() || !words.is_empty(),
        ..Page::default()
    };
    let entries = if words.is_empty() {
        let (behind, before) = (place(&field(query, "behind")), place(&field(query, "before")));
        let back = behind.is_none() && before.is_some();
        let from = behind.or(before);
        let at = from.as_ref().map(|(at, hash)| (*at, hash.as_str()));
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let mut entries = db::suppressions::list(&mut conn, reason, at, back, limit).await?;
        let is_more = entries.len() > PAGE;
        match back {
            true => drop(entries.drain(..entries.len().saturating_sub(PAGE))),
            false => entries.truncate(PAGE),
        }
        let href = |name: &str, entry: &Listed| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            if let Some(reason) = reason {
                query.append_pair("reason", reason.as_str());
            }
            let place = format!("{}.{}", entry.suppression.at.millis(), entry.hash);
            format!("{PATH}?{}", query.append_pair(name, &place).finish())
        };
        let (has_newer, has_older) = if back { (is_more, true) } else { (from.is_some(), is_more) };
        page.newer = entries.first().filter(|_| has_newer).map(|first| href("before", first));
        page.older = entries.last().filter(|_| has_older).map(|last| href("behind", last));
        entries
    } else {
        // A whole address is found by its hash also where nothing else is left of it.
        let whole = EmailAddress::parse(&words).ok();
        let entry = match &whole {
            Some(email) => db::suppressions::entry(&mut conn, &app.key, email).await?,
            // The audit log names an entry by its hash.
            None => db::suppressions::by_hash(&mut conn, &typed).await?,
        };
        if let Some(email) = &whole {
            page.verdict = Some(match &entry {
                Some(_) => format!("{email} is on the list: nothing is mailed to it."),
                None => format!("{email} is not on the list."),
            });
        }
        let after = Some(field(query, "after")).filter(|after| !after.is_empty());
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let mut entries =
            db::suppressions::beginning(&mut conn, &words, reason, after.as_deref(), limit).await?;
        let is_more = entries.len() > PAGE;
        entries.truncate(PAGE);
        let href = |after: Option<&str>| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("q", &words);
            query.extend_pairs(reason.map(|reason| ("reason", reason.as_str())));
            query.extend_pairs(after.map(|after| ("after", after)));
            format!("{PATH}?{}", query.finish())
        };
        let last = entries.last().and_then(|last| last.suppression.email.as_ref());
        page.older = last.filter(|_| is_more).map(|last| href(Some(last.as_str())));
        page.newer = after.is_some().then(|| href(None));
        let fits = |entry: &Listed| reason.is_none_or(|reason| entry.suppression.reason == reason);
        let is_new = |entry: &Listed| entries.iter().all(|other| other.hash != entry.hash);
        if let Some(entry) = entry.filter(|entry| after.is_none() && fits(entry) && is_new(entry)) {
            entries.insert(0, entry);
        }
        entries
    };
    page.rows = entries.into_iter().map(|entry| row(entry, now)).collect();
    Ok(page)
}

fn row(entry: Listed, now: Timestamp) -> Row {
    Row {
        hash: entry.hash,
        email: entry.suppression.email.map(|email| email.to_string()),
        sentence: entry.suppression.reason.sentence(),
        detail: why_words(&entry.suppression.detail),
        since: when(entry.suppression.at, now),
        href: entry.subscriber_id.map(|id| format!("{SUBSCRIBERS}/{id}")),
    }
}

/// `POST /office/suppressions`: puts an address on the list.
async fn add(State(app): State<App>, Act { by, form }: Act) -> Result<Response, Error> {
    require(&app, &by, "suppression.add", "an address").await?;
    let again = async |field: &str, says: String| {
        let typed = typed(&form, ASKED.iter().map(|(name, ..)| *name));
        let again = Again { form: "add", typed, problems: vec![(field.to_owned(), says)] };
        page_of(&by, StatusCode::UNPROCESSABLE_ENTITY, find(&app, "").await?, &again)
    };
    let email = match EmailAddress::parse(form.get("email")) {
        Ok(email) => email,
        Err(says) => return again("email", says).await,
    };
    match people::suppress(&app, &by.actor(), &email, form.get("reason")).await {
        Ok(is_new) => {
            let said = match is_new {
                true => format!("{email} is on the list: no newsletter mails it any more."),
                false => format!("{email} was on the list already, and stays there."),
            };
            Ok(said::then_say(&app, PATH, said))
        }
        // The address is one: only the reason can be too long.
        Err(crate::pipeline::Error::Invalid(says)) => again("reason", says).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /office/suppressions/remove`: takes an entry off the list.
async fn remove(State(app): State<App>, Act { by, form }: Act) -> Result<Response, Error> {
    require(&app, &by, "suppression.remove", "an address").await?;
    let lifted = people::lift(&app, &by.actor(), form.get("hash")).await?;
    let said = match lifted.email {
        Some(email) => format!("{email} is off the list: what it follows is sent to it again."),
        None => "The erased address is off the list: it may sign up or be imported again.".to_owned(),
    };
    Ok(said::then_say(&app, PATH, said))
}
