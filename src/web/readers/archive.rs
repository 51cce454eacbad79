//! The archive: what went out, to look through, to search and to read.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::form::Segment;
use super::super::view::POLICY;
use super::super::{Error, page};
use crate::db::archive::neighbours;
use crate::db::newsletters;
use crate::domain::language::direction;
use crate::domain::newsletter::Newsletter;
use crate::pipeline::App;
use crate::pipeline::accounts::hash_of;
use crate::pipeline::archive::{self, MAX_SEARCH, Published};

/// Issues on a page.
const PAGE: usize = 20;

/// What anybody may read may be kept for a while by whoever hands it on.
pub const PUBLIC: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));

/// Which part of the archive is asked for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Words to look for.
    #[serde(default)]
    q: String,
    /// Only issues of numbers below this one.
    before: Option<i64>,
}

#[derive(Serialize)]
struct ArchivePage<'a> {
    title: String,
    slug: &'a str,
    /// It takes sign-ups.
    is_listed: bool,
    name: &'a str,
    language: &'a str,
    dir: &'static str,
    search: &'a str,
    issues: Vec<Row>,
    is_first: bool,
    newest: String,
    /// The page with what came before; empty where this is the last.
    older: String,
    max_search: usize,
}

#[derive(Serialize)]
struct Row {
    number: i64,
    title: String,
    date: String,
    date_iso: String,
    /// Which of the newsletter's schedules it is of; empty where it has one.
    schedule: String,
    summary: String,
}

/// What stands above an issue: the way to the others, and to signing up.
#[derive(Serialize)]
struct Bar<'a> {
    slug: &'a str,
    /// It takes sign-ups.
    is_listed: bool,
    /// The numbers of the issues beside this one.
    before: Option<i64>,
    after: Option<i64>,
}

impl From<Published> for Row {
    fn from(issue: Published) -> Self {
        let Published { number, title, date, date_iso, schedule, content, .. } = issue;
        let summary = content.articles.into_iter().next().map(|lead| lead.summary).unwrap_or_default();
        Self { number, title, date, date_iso, schedule, summary }
    }
}

/// The newsletter of this slug.
pub async fn newsletter(app: &App, slug: &str) -> Result<Newsletter, Error> {
    newsletters::find(&mut *app.db.conn().await?, slug).await?.ok_or(Error::NotFound)
}

/// `GET /archive/{slug}`
pub async fn list(
    State(app): State<App>,
    Segment(slug): Segment,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Error> {
    let Query(asked) = query.map_err(|_| Error::NotFound)?;
    let newsletter = newsletter(&app, &slug).await?;
    let search: String = asked.q.replace('\0', " ").trim().chars().take(MAX_SEARCH).collect();
    let most = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut found = archive::list(&app, &newsletter, &search, asked.before, most).await?;
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let address = |before: Option<i64>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !search.is_empty() {
            query.append_pair("q", &search);
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { format!("/archive/{slug}") } else { format!("/archive/{slug}?{query}") }
    };
    let last = found.last().map(|issue| issue.number).filter(|_| has_more);
    let archive = ArchivePage {
        title: format!("All issues of {}", newsletter.name),
        slug: &newsletter.slug,
        is_listed: newsletter.is_listed,
        name: &newsletter.name,
        language: &newsletter.language,
        dir: direction(&newsletter.language),
        search: &search,
        is_first: asked.before.is_none(),
        newest: address(None),
        older: last.map(|last| address(Some(last))).unwrap_or_default(),
        issues: found.into_iter().map(Row::from).collect(),
        max_search: MAX_SEARCH,
    };
    Ok(([PUBLIC], page::page(StatusCode::OK, "readers/archive", &archive)?).into_response())
}

/// `GET /archive/{slug}/{number}`: the issue as anybody may read it; 304 for whoever has it already, 503 where too many
/// others are being made.
pub async fn issue(
    State(app): State<App>,
    asked: HeaderMap,
    path: Result<Path<(String, i64)>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Error> {
    let Path((slug, number)) = path.map_err(|_| Error::NotFound)?;
    if slug.contains('\0') {
        return Err(Error::NotFound);
    }
    let kept = archive::page(&app, &slug, number).await?;
    let newsletter = newsletter(&app, &slug).await?;
    let (before, after) = neighbours(&mut *app.db.conn().await?, newsletter.id, number).await?;
    let bar = page::render(
        "readers/issue_bar",
        &Bar { slug: &slug, is_listed: newsletter.is_listed, before, after },
    )?;
    let tag = format!("\"{}\"", &hash_of(&format!("{bar}{}", kept.tag))[..32]);
    let mut headers = HeaderMap::from_iter([(POLICY.0, HeaderValue::from_static(POLICY.1)), PUBLIC]);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if has(&asked, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Html(below(&bar, &kept.html))).into_response())
}

/// A page with `bar` at its head. A template of one's own that has no body stays as it is.
fn below(bar: &str, html: &str) -> String {
    let head = html.find("<body").and_then(|body| Some(body + html[body..].find('>')? + 1));
    head.map_or_else(|| html.to_owned(), |head| format!("{}{bar}{}", &html[..head], &html[head..]))
}

/// Whether somebody says that they have what `tag` stands for (`If-None-Match`, RFC 9110 §13.1.2).
pub fn has(asked: &HeaderMap, tag: &str) -> bool {
    let tags = asked.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|tags| tags.to_str().ok());
    let mut tags = tags.flat_map(|tags| tags.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    tags.any(|one| one == tag || one == "*")
}
