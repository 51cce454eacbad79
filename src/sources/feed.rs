//! Feeds: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, JSON Feed 1 and 1.1, into found articles.
//!
//! The road: bytes are decoded (`charset`), brought into a form that cannot trip a parser (`tidy`, `json`), read
//! by `feed-rs`, and each entry becomes a [`FoundArticle`] (`entry`). The error is [`FeedError`].

mod dialect;
mod entry;
mod json;
mod scan;
mod tidy;

use std::sync::Arc;

use feed_rs::parser::Builder;
use url::Url;

use super::charset::decode;
use super::is_too_deep;
use super::language::read_language;
use super::text::{prefix, to_line};
use crate::domain::article::FoundArticle;
use crate::domain::link::web_link;

/// The most items of one feed that are kept, the newest: a digest of more is nobody's, and archives of ten years are
/// served as feeds.
pub const MOST_ARTICLES: usize = 500;

/// The most items that are read at all, before the newest are chosen; the rest is only counted. Each costs some
/// kilobytes and microseconds, and a hostile feed has a million of seven bytes.
const MOST_READ: usize = 5000;

/// Longer links lead nowhere: servers refuse them.
const LONGEST_LINK: usize = 4096;

/// What links are relative to is shorter, in bytes: it is repeated in every one of them.
const LONGEST_BASE: usize = 2000;

/// A feed as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// Plain text; None where the feed has none.
    pub title: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    /// The site that the feed belongs to.
    pub home_url: Option<String>,
    /// In the feed's order, at most [`MOST_ARTICLES`].
    pub articles: Vec<FoundArticle>,
    /// Items that were broken, or had nothing to show.
    pub skipped: usize,
    /// Items beyond [`MOST_ARTICLES`], and those that were not even read.
    pub older: usize,
}

/// Why a document cannot be read as a feed, in a sentence for editors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    #[error("the document is empty")]
    Empty,
    #[error("this is a web page, not a feed{}", feed_url.as_ref().map(|url| format!("; its feed is {url}")).unwrap_or_else(|| ", and it names no feed".to_owned()))]
    WebPage {
        /// The feed that the page names, if it does.
        feed_url: Option<String>,
    },
    #[error("this is not a feed: it begins with “{start}”")]
    NotAFeed { start: String },
    #[error("the feed is broken and could not be repaired: {reason}")]
    Broken { reason: String },
}

/// What a feed says of an item and `feed-rs` has no place for.
#[derive(Clone, Debug, Default)]
struct Extras {
    language: Option<String>,
    /// `rdf:about`: an RSS 1.0 item's own address.
    about: Option<Url>,
    /// Where the item really is, when its link goes through a counter.
    original_link: Option<Url>,
    guid_is_link: bool,
    /// What links within its text are relative to.
    base: Option<Arc<Url>>,
    /// A text from podcast or media elements, for an item without one of its own.
    description: Option<String>,
    /// The same for its author.
    author: Option<String>,
    image: Option<Picture>,
    /// The first sound or film.
    enclosure: Option<Url>,
}

/// An item's lead picture.
#[derive(Clone, Debug)]
struct Picture {
    link: Url,
    /// Its kind's rank and its width, by which the best was chosen.
    rank: (u8, u32),
    /// What it shows, as the feed says.
    alt: Option<String>,
}

/// Reads a feed. `content_type` is the HTTP header where there was one; `base_url` is where the feed was found.
///
/// Broken feeds are repaired as far as can be. Takes time in proportion to the document, which `fetch` bounds; no
/// entity of the document's own is expanded and nothing is fetched.
pub fn parse_feed(bytes: &[u8], content_type: Option<&str>, base_url: &Url) -> Result<Feed, FeedError> {
    let text = decode(bytes, content_type);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    if text.is_empty() {
        return Err(FeedError::Empty);
    }
    let (readable, extras, language, broken, unread) = if text.starts_with('{') {
        let tidy = json::tidy(text, base_url).map_err(|reason| FeedError::Broken { reason })?;
        (tidy.json, tidy.extras, tidy.language, tidy.broken, tidy.older)
    } else {
        let tidy = tidy::tidy(text, base_url).ok_or_else(|| explain_no_feed(text, base_url))?;
        if tidy.is_cut_off && tidy.extras.is_empty() {
            return Err(FeedError::Broken { reason: "it is cut off before its first item".to_owned() });
        }
        (tidy.xml, tidy.extras, tidy.language, tidy.broken, tidy.older)
    };
    // No identifier is made up: an empty one says that the source gave none.
    let parser = Builder::new().id_generator(|_, _, _| String::new()).sanitize_content(false).build();
    let parsed =
        parser.parse(readable.as_bytes()).map_err(|error| FeedError::Broken { reason: error.to_string() })?;
    if parsed.entries.len() != extras.len() {
        // Cannot be: tidying writes one of each. Rather no article than one with another's picture.
        return Err(FeedError::Broken { reason: "its items could not be told apart".to_owned() });
    }

    let language = language.or(parsed.language).as_deref().and_then(read_language);
    let feed_author = entry::join_authors(&parsed.authors);
    let total = parsed.entries.len();
    let mut articles: Vec<FoundArticle> = parsed
        .entries
        .into_iter()
        .zip(extras)
        .filter_map(|(entry, extras)| entry::to_article(entry, extras))
        .map(|mut article| {
            article.author = article.author.or_else(|| feed_author.clone());
            article.language = article.language.or_else(|| language.clone());
            article
        })
        .collect();
    let skipped = total - articles.len() + broken;
    let older = unread + keep_newest(&mut articles);
    Ok(Feed {
        title: parsed.title.map(|title| to_line(&title.content)).filter(|title| !title.is_empty()),
        language,
        home_url: parsed.links.into_iter().map(|link| link.href).find(|link| link.starts_with("http")),
        articles,
        skipped,
        older,
    })
}

/// Leaves the newest [`MOST_ARTICLES`] in the feed's order; gives how many went. One without a date counts as new as
/// the first of the feed, for most feeds put the newest first.
fn keep_newest(articles: &mut Vec<FoundArticle>) -> usize {
    let older = articles.len().saturating_sub(MOST_ARTICLES);
    if older > 0 {
        let mut order: Vec<usize> = (0..articles.len()).collect();
        order.sort_by_key(|index| {
            std::cmp::Reverse(articles[*index].published_at.map_or(i64::MAX, |time| time.millis()))
        });
        let mut is_kept = vec![false; articles.len()];
        order.into_iter().take(MOST_ARTICLES).for_each(|index| is_kept[index] = true);
        let mut kept = is_kept.into_iter();
        articles.retain(|_| kept.next().unwrap_or(false));
    }
    older
}

fn explain_no_feed(text: &str, base_url: &Url) -> FeedError {
    let start = prefix(text, 4096).to_ascii_lowercase();
    if ["<html", "<!doctype html"].iter().any(|mark| start.contains(mark)) {
        return FeedError::WebPage { feed_url: find_feed_link(text, base_url) };
    }
    let start: String = to_line(prefix(text, 200)).chars().take(40).collect();
    FeedError::NotAFeed { start: if start.is_empty() { text.chars().take(40).collect() } else { start } }
}

/// The feed that a page names: `<link rel="alternate" type="application/rss+xml" href="…">`.
pub fn find_feed_link(html: &str, base_url: &Url) -> Option<String> {
    if is_too_deep(html) {
        return None;
    }
    let page = dom_query::Document::from(html);
    let base = page.base_uri().and_then(|base| base_url.join(&base).ok()).unwrap_or_else(|| base_url.clone());
    let is_feed = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        ["application/rss+xml", "application/atom+xml", "application/feed+json"]
            .iter()
            .any(|feed| kind.starts_with(feed))
    };
    let links = page.select("link[rel~=alternate][href], a[rel~=alternate][href]");
    let found = links.nodes().iter().find(|link| link.attr("type").is_some_and(|kind| is_feed(&kind)));
    base.join(&found?.attr("href")?).ok().and_then(web_link).map(String::from)
}

#[cfg(test)]
mod tests;
