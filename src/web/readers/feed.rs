//! The archive as an Atom feed (RFC 4287): the latest issues, for feed readers.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::Error;
use super::super::form::Segment;
use super::archive::{PUBLIC, has, newsletter};
use crate::db::newsletters;
use crate::domain::article::IssueArticle;
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Newsletter;
use crate::pipeline::App;
use crate::pipeline::accounts::hash_of;
use crate::pipeline::archive::{self, Published};
use crate::pipeline::links;

/// How many issues the feed holds.
const ISSUES: i64 = 20;

/// `GET /archive/{slug}/feed.atom`; 304 for whoever has it already.
pub async fn atom(
    State(app): State<App>,
    Segment(slug): Segment,
    asked: HeaderMap,
) -> Result<Response, Error> {
    let newsletter = newsletter(&app, &slug).await?;
    let issues = archive::list(&app, &newsletter, "", None, ISSUES).await?;
    let made_at = newsletters::made_at(&mut *app.db.conn().await?, newsletter.id).await?;
    let feed = write(&app, &newsletter, made_at.unwrap_or(Timestamp::from_millis(0)), &issues);
    let tag = format!("\"{}\"", &hash_of(&feed)[..32]);
    let mut headers = HeaderMap::new();
    headers.insert(PUBLIC.0, PUBLIC.1);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if has(&asked, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/atom+xml; charset=utf-8"));
    Ok((headers, feed).into_response())
}

/// The feed. Its ids are the addresses of its pages, which stay.
fn write(app: &App, newsletter: &Newsletter, made_at: Timestamp, issues: &[Published]) -> String {
    let page = links::archive(app, &newsletter.slug);
    // A feed without an issue changed last when it was made.
    let updated = issues.first().map_or(made_at, |latest| latest.slot_at);
    let mut feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{language}\">\n\
         <id>{page}</id>\n<title>{title}</title>\n<updated>{updated}</updated>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{page}/feed.atom\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n\
         <author><name>{author}</name></author>\n",
        language = escape(&newsletter.language),
        page = escape(&page),
        title = escape(&newsletter.name),
        author = escape(author(newsletter)),
    );
    if !newsletter.description.is_empty() {
        let _ = writeln!(feed, "<subtitle>{}</subtitle>", escape(&newsletter.description));
    }
    for issue in issues {
        let address = escape(&links::issue(app, &newsletter.slug, issue.number));
        let content: String = issue.content.articles.iter().map(article).collect();
        let _ = write!(
            feed,
            "<entry>\n<id>{address}</id>\n<title>{title}</title>\n<updated>{at}</updated>\n<published>{at}</published>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{address}\"/>\n<content type=\"html\">{content}</content>\n\
             </entry>\n",
            title = escape(&title(issue)),
            at = issue.slot_at,
            content = escape(&content),
        );
    }
    feed + "</feed>\n"
}

/// An issue's title, with its schedule where the newsletter has several.
fn title(issue: &Published) -> String {
    match issue.schedule.as_str() {
        "" => issue.title.clone(),
        schedule => format!("{} · {schedule}", issue.title),
    }
}

fn author(newsletter: &Newsletter) -> &str {
    if newsletter.from.name.is_empty() { &newsletter.name } else { &newsletter.from.name }
}

/// An article as HTML: headline and summary.
fn article(article: &IssueArticle) -> String {
    let headline = escape(&article.headline);
    let web = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
    let headline = match article.url.as_ref().filter(web) {
        Some(url) => format!("<a href=\"{}\">{headline}</a>", escape(url)),
        None => headline,
    };
    let summary = match article.summary.is_empty() {
        true => String::new(),
        false => format!("<p>{}</p>", escape(&article.summary)),
    };
    format!("<h3>{headline}</h3>{summary}")
}

/// Text for XML and HTML, in content and in quoted attributes, without the characters that no XML may hold
/// (XML 1.0 §2.2).
fn escape(text: &str) -> String {
    let is_xml = |letter: char| matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(|letter| is_xml(*letter)).collect();
    crate::domain::mail::escape_html(&text)
}
