//! Article pages, saved pages and pasted text into found articles.
//!
//! A page's metadata is read from what it says of itself (`metadata`), its story is found by `dom_smoothie`
//! (Mozilla's Readability) and cleared of the page's furniture (`furniture`). Pasted text has only its lines to go by
//! (`pasted`). The error is [`PageError`].

mod furniture;
mod jsonld;
mod lines;
mod metadata;
mod pasted;

use dom_query::Document;
use dom_smoothie::{Config, ParsePolicy, Readability};
use url::Url;

pub use self::pasted::from_pasted_text;
use super::charset::decode;
use super::html::{first_image, sanitise};
use super::language::guess_language;
use super::text::{node_text, prefix, summarise, to_paragraphs, to_text};
use super::{DEEPEST, is_too_deep};
use crate::domain::article::FoundArticle;
use metadata::Metadata;

/// The most elements that a story is looked for in. News pages have 1,000 to 5,000, the longest live blogs 40,000;
/// the search weighs each against its neighbours.
const MOST_ELEMENTS: usize = 100_000;

/// A story with less text is a sign, not a story, unless the page itself says that it is an article. In characters.
const SHORTEST_STORY: usize = 140;
const SHORTEST_DECLARED_STORY: usize = 20;

/// Why a document cannot be read as an article, in a sentence for editors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("there is nothing in it")]
    Empty,
    #[error("this is {what}, not a web page")]
    NotAPage { what: &'static str },
    #[error("the page asks for a sign-in: save it from your browser and add the file, or paste its text")]
    SignIn,
    #[error("no article was found in it: paste the text instead")]
    NoArticle,
    #[error(
        "the page is built too deep to be read (more than {DEEPEST} elements in one another): paste the text instead"
    )]
    TooDeep,
}

/// Reads an article's page. `content_type` is the HTTP header where there was one; `url` is where the page was found,
/// and for a saved file None: then the page's own word counts (`canonical`, `og:url`).
///
/// Takes up to a few seconds for the largest page that `fetch` gives: call it where it may block.
pub fn extract_page(
    bytes: &[u8],
    content_type: Option<&str>,
    url: Option<&Url>,
) -> Result<FoundArticle, PageError> {
    if let Some(what) = recognise_other(bytes, content_type) {
        return Err(PageError::NotAPage { what });
    }
    let html = decode(bytes, content_type);
    if html.trim().is_empty() {
        return Err(PageError::Empty);
    }
    if is_feed(&html) {
        return Err(PageError::NotAPage { what: "a feed (add it as a source)" });
    }
    if !html.contains('<') {
        return Err(PageError::NotAPage { what: "plain text (paste it instead)" });
    }
    if is_too_deep(&html) {
        return Err(PageError::TooDeep);
    }

    let page = Document::from(html);
    let metadata = metadata::read(&page, url);
    let asks_for_sign_in = page.select("input[type=password]").exists();
    let base = metadata.base.clone();
    furniture::clear_page(&page);
    let story = find_story(page, metadata.title.as_deref().unwrap_or_default());
    let body_html = sanitise(&furniture::clear_story(&story, &metadata), base.as_ref());
    let text = to_text(&body_html);
    let length = text.chars().count();
    let (body_html, text) = match &metadata.body {
        // The page's own copy for search engines, where the visible one is drawn by scripts.
        Some(copy) if copy.chars().count() > 2 * length && length < 500 => {
            (to_paragraphs(copy), copy.clone())
        }
        _ => (body_html, text),
    };
    let length = text.chars().count();
    let shortest = if metadata.is_article { SHORTEST_DECLARED_STORY } else { SHORTEST_STORY };
    if asks_for_sign_in && length < 500 && !metadata.is_article {
        return Err(PageError::SignIn);
    }
    if length < shortest {
        return Err(if asks_for_sign_in { PageError::SignIn } else { PageError::NoArticle });
    }
    Ok(to_article(metadata, body_html, &text))
}

fn to_article(metadata: Metadata, body_html: String, text: &str) -> FoundArticle {
    let summary = metadata.description.map(|text| summarise(&text)).unwrap_or_default();
    let summary = if summary.is_empty() { first_paragraph(&body_html, text) } else { summary };
    let title = metadata.title.unwrap_or_else(|| super::text::cut_at_word(&summary, 100));
    let image = metadata.image.map(|image| (image, metadata.image_alt));
    let (image_url, image_alt) = image.or_else(|| first_image(&body_html, metadata.base.as_ref())).unzip();
    FoundArticle {
        guid: None,
        url: metadata.url.map(String::from),
        language: metadata.language.or_else(|| guess_language(text)),
        author: metadata.author,
        image_url,
        // The headline stands beside the picture: said twice, it tells nothing.
        image_alt: image_alt.flatten().filter(|alt| *alt != title),
        published_at: metadata.published_at,
        modified_at: metadata.modified_at,
        categories: metadata.categories,
        title,
        summary,
        body_html,
    }
}

/// A summary for a story that has none: its first paragraph, not its headings.
fn first_paragraph(body_html: &str, text: &str) -> String {
    let body = Document::fragment(body_html);
    let paragraphs = body.select("p");
    let first = paragraphs.nodes().iter().map(node_text).find(|paragraph| paragraph.chars().count() >= 20);
    summarise(first.as_deref().unwrap_or(text))
}

/// The story's HTML: as Readability finds it, else whatever stands in the article's own element.
fn find_story(page: Document, title: &str) -> String {
    // Readability rearranges the page that it is given.
    let fallback = own_element(&page);
    // The site's template is judged by its text's length: where the strict search finds little, a laxer one may do.
    let config = Config { max_elements_to_parse: MOST_ELEMENTS, disable_json_ld: true, ..Config::default() };
    let found = Readability::with_document(page, None, Some(config)).ok().and_then(|mut reader| {
        let html = reader.doc.html();
        let strict = reader.parse_with_policy(ParsePolicy::Strict).ok();
        if strict.as_ref().is_some_and(|article| article.length >= SHORTEST_STORY) {
            return strict;
        }
        let lax = Config {
            max_elements_to_parse: MOST_ELEMENTS,
            disable_json_ld: true,
            char_threshold: 100,
            ..Config::default()
        };
        Readability::new(html, None, Some(lax)).ok().and_then(|mut reader| reader.parse().ok()).or(strict)
    });
    let story = found.map(|article| article.content.to_string()).unwrap_or_default();
    let length = |html: &str| to_text(html).replace(title, "").len();
    if length(&story) * 3 < length(&fallback) || length(&story) == 0 { fallback } else { story }
}

fn own_element(page: &Document) -> String {
    for selector in
        ["[itemprop=articleBody]", "article .entry-content", "article", "main", "[role=main]", "body"]
    {
        let found = page.select(selector);
        if let [only] = found.nodes() {
            return prefix(&only.inner_html(), 512 * 1024).to_owned();
        }
    }
    String::new()
}

/// What a document is that is no page, by its first bytes or by what the server says.
fn recognise_other(bytes: &[u8], content_type: Option<&str>) -> Option<&'static str> {
    let by_bytes = match bytes {
        [b'%', b'P', b'D', b'F', ..] => Some("a PDF document"),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => {
            Some("an image")
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("an image"),
        [b'P', b'K', 3, 4, ..] | [0x1f, 0x8b, ..] => Some("a packed file or an office document"),
        [b'I', b'D', b'3', ..] | [b'O', b'g', b'g', b'S', ..] => Some("a sound recording"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("a film"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Some("an office document"),
        _ => None,
    };
    by_bytes.or_else(|| {
        let kind = content_type?.trim().to_ascii_lowercase();
        [
            ("application/pdf", "a PDF document"),
            ("image/", "an image"),
            ("audio/", "a sound recording"),
            ("video/", "a film"),
            ("application/json", "data for programs"),
            ("application/zip", "a packed file"),
            ("font/", "a font"),
        ]
        .into_iter()
        .find(|(start, _)| kind.starts_with(start))
        .map(|(_, what)| what)
    })
}

fn is_feed(html: &str) -> bool {
    let start = prefix(html.trim_start(), 1024).to_ascii_lowercase();
    !start.contains("<html") && ["<rss", "<feed", "<rdf:rdf"].iter().any(|root| start.contains(root))
}

#[cfg(test)]
mod tests;
