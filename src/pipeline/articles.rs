//! Articles that editors bring: by link, by saved file, by pasted text, by hand.

use url::Url;

use crate::db;
use crate::db::articles::{Article, Place};
use crate::domain::article::{ALT_CHARS, FoundArticle, Identity, LINK_CHARS, SUMMARY_CHARS, TITLE_CHARS};
use crate::domain::link::web_link;
use crate::domain::newsletter::Newsletter;
use crate::domain::topic::TopicSet;
use crate::sources::fetch::{Fetched, Fetcher, Validators};
use crate::sources::page::{PageError, extract_page, from_pasted_text};
use crate::sources::text::{escape, fold, to_paragraphs};
use crate::sources::{decode, sanitise, summarise, to_text};

use super::editors::find_newsletter;
use super::newsletters::ensure_topic;
use super::{App, Error, collect, too_long};

/// The largest file that is read: a fetched page is held to the same.
const LARGEST_FILE: u64 = 10 * 1024 * 1024;

/// An article as an editor writes it.
#[derive(Clone, Debug, Default)]
pub struct ByHand {
    pub title: String,
    pub url: Option<String>,
    pub summary: Option<String>,
    /// Plain text with blank lines between paragraphs, or HTML.
    pub body: Option<String>,
    pub author: Option<String>,
    pub image_url: Option<String>,
    pub image_alt: Option<String>,
}

/// What became of an article that an editor brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    New(Article),
    /// The newsletter has it already.
    Known(Article),
}

/// Reads an article page by its link.
pub async fn fetch(fetcher: &Fetcher, link: &str) -> Result<FoundArticle, Error> {
    let cannot = |why: String| Error::Io(format!("{link}: {why}"));
    let url = Url::parse(link.trim()).map_err(|_| Error::Invalid(no_link(link)))?;
    match fetcher.get(&url, &Validators::default()).await.map_err(|error| cannot(error.to_string()))? {
        Fetched::NotModified { .. } => {
            Err(cannot("the server says that it has not changed, though it was not asked".to_owned()))
        }
        Fetched::Document(document) => {
            let reading = tokio::task::spawn_blocking(move || {
                extract_page(&document.bytes, document.content_type.as_deref(), Some(&document.url))
            });
            read(reading).await.map_err(|error| cannot(error.to_string()))
        }
    }
}

/// Reads a saved page, or a file with the text of one.
pub async fn read_file(path: &str) -> Result<FoundArticle, Error> {
    let cannot = |why: String| Error::Io(format!("{path}: {why}"));
    let about = tokio::fs::metadata(path).await.map_err(|error| cannot(error.to_string()))?;
    if about.is_dir() {
        return Err(cannot("this is a folder: name the HTML file in it".to_owned()));
    }
    if about.len() > LARGEST_FILE {
        return Err(cannot(format!("it is larger than {} MB", LARGEST_FILE / 1024 / 1024)));
    }
    let bytes = tokio::fs::read(path).await.map_err(|error| cannot(error.to_string()))?;
    if is_binary(&bytes) {
        return Err(cannot("this is neither a page nor a text".to_owned()));
    }
    let is_page = is_html(path, &bytes);
    let reading = tokio::task::spawn_blocking(move || match is_page {
        true => extract_page(&bytes, None, None),
        false => from_pasted_text(&decode(&bytes, None)),
    });
    read(reading).await.map_err(|error| cannot(error.to_string()))
}

async fn read(
    reading: tokio::task::JoinHandle<Result<FoundArticle, PageError>>,
) -> Result<FoundArticle, Error> {
    let read = reading.await.map_err(|_| Error::Io("the page's reader failed".to_owned()))?;
    read.map_err(|error| Error::Invalid(error.to_string()))
}

/// Whether more than one byte in a hundred is a control character that no text has; UTF-16 begins with its mark.
fn is_binary(bytes: &[u8]) -> bool {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let is_control = |byte: &&u8| matches!(**byte, 0..=8 | 14..=26 | 28..=31);
    !is_utf16 && bytes.iter().filter(is_control).count() * 100 > bytes.len()
}

/// A file is a page by its name, or by its first tag.
fn is_html(path: &str, bytes: &[u8]) -> bool {
    let name = path.to_lowercase();
    if [".html", ".htm", ".xhtml"].iter().any(|ending| name.ends_with(ending)) {
        return true;
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_lowercase();
    let start = start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n', '\0']);
    ["<!doctype", "<html", "<head", "<body", "<?xml", "<!--"].iter().any(|tag| start.starts_with(tag))
}

/// The fields of an article by hand that something can be wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnField {
    Title,
    Url,
    Summary,
    Image,
    ImageAlt,
}

fn no_link(text: &str) -> String {
    format!("“{}” is not a link: write the whole address, https://…", text.trim().escape_debug())
}

/// What is wrong with an article before it is kept, each in a sentence that says what to do.
pub fn problems(new: &ByHand) -> Vec<(OwnField, String)> {
    let link = |link: &Option<String>| {
        let link = link.as_deref()?.trim();
        let is_link = || Url::parse(link).ok().and_then(web_link).is_some();
        too_long(link, LINK_CHARS).or_else(|| (!is_link()).then(|| no_link(link)))
    };
    let text = |text: &Option<String>, most: usize| too_long(&fold(text.as_deref()?), most);
    let title = match clean_title(&new.title) {
        title if title.is_empty() => Some("Write a title: it is what readers see first.".to_owned()),
        title => too_long(&title, TITLE_CHARS),
    };
    let found = [
        (OwnField::Title, title),
        (OwnField::Url, link(&new.url)),
        (OwnField::Summary, text(&new.summary, SUMMARY_CHARS)),
        (OwnField::Image, link(&new.image_url)),
        (OwnField::ImageAlt, text(&new.image_alt, ALT_CHARS)),
    ];
    found.into_iter().filter_map(|(field, says)| Some((field, says?))).collect()
}

fn clean_title(title: &str) -> String {
    to_text(&escape(title)).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An article as an editor wrote it, cleaned like any other.
///
/// # Errors
/// `Invalid` where it has one of the [`problems`].
pub fn by_hand(new: ByHand) -> Result<FoundArticle, Error> {
    if let Some((field, says)) = problems(&new).into_iter().next() {
        let name = match field {
            OwnField::Title => "title",
            OwnField::Url => "url",
            OwnField::Summary => "summary",
            OwnField::Image => "image",
            OwnField::ImageAlt => "image-alt",
        };
        return Err(Error::Invalid(format!("--{name}: {says}")));
    }
    let body_html = match &new.body {
        Some(body) if body.contains("</") => sanitise(body, None),
        Some(body) => to_paragraphs(&body.replace('\0', "")),
        None => String::new(),
    };
    let summary = match new.summary {
        Some(summary) => summarise(&summary),
        None => summarise(&to_text(&body_html)),
    };
    let link = |link: String| Url::parse(link.trim()).ok().and_then(web_link).map(String::from);
    Ok(FoundArticle {
        title: clean_title(&new.title),
        url: new.url.and_then(link),
        image_url: new.image_url.and_then(link),
        image_alt: new.image_alt.map(|alt| fold(&alt)).filter(|alt| !alt.is_empty()),
        author: new.author.map(|author| fold(&author)).filter(|author| !author.is_empty()),
        summary,
        body_html,
        ..FoundArticle::default()
    })
}

/// Adds an article to a newsletter. Its age counts from now: whoever brings it wants it in the next issue. One without
/// a link is always new: a column by hand has the same title every week.
pub async fn add(app: &App, slug: &str, article: &FoundArticle, topics: &[String]) -> Result<Added, Error> {
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    let added = add_in(app, &mut tx, &newsletter, article, topics).await?;
    db::commit(tx).await?;
    Ok(added)
}

/// [`add`] as a part of a transaction.
pub(super) async fn add_in(
    app: &App,
    tx: &mut db::Conn,
    newsletter: &Newsletter,
    article: &FoundArticle,
    topics: &[String],
) -> Result<Added, Error> {
    let now = app.clock.now();
    let mut labels = TopicSet::EMPTY;
    for topic in topics {
        labels = labels.with(&ensure_topic(tx, newsletter.id, topic).await?);
    }
    let mut identities = collect::identities(0, Identity::Either, article);
    if identities.is_empty() && !article.body_html.is_empty() {
        // A text that is pasted twice is the same article; a title that comes back with another text is not.
        identities.push(collect::text_identity(&article.title, &article.body_html));
    }
    let known = db::articles::known(tx, newsletter.id, &identities).await?;
    if let Some(id) = known.values().next() {
        db::articles::refresh(tx, *id, None, article, labels).await?;
        return Ok(Added::Known(find(tx, *id).await?));
    }
    let place = Place {
        newsletter_id: newsletter.id,
        source_id: None,
        topics: labels,
        story_id: None,
        fresh_at: now,
    };
    let id = db::articles::insert(tx, article, place, &identities, now)
        .await?
        .ok_or_else(|| Error::Invalid("the article was added by somebody else at this moment".to_owned()))?;
    Ok(Added::New(find(tx, id).await?))
}

/// The article, or an error that says how to see which there are.
pub async fn find(conn: &mut db::Conn, id: i64) -> Result<Article, Error> {
    db::articles::get(conn, id).await?.ok_or_else(|| {
        Error::NotFound(format!(
            "there is no article {id}: `daybreak article list SLUG` shows those there are"
        ))
    })
}

#[cfg(test)]
mod tests;
