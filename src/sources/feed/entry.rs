//! One entry of a feed into a found article.

use feed_rs::model::{Content, Entry, Person, Text};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Extras, LONGEST_LINK};
use crate::domain::article::FoundArticle;
use crate::domain::calendar::Timestamp;
use crate::domain::link::web_link;
use crate::sources::byline::{join_names, name_of_person};
use crate::sources::html::{alt_of, first_image, sanitise};
use crate::sources::language::read_language;
use crate::sources::text::{cut_at_word, looks_like_markup, summarise, to_line, to_paragraphs, to_text};

/// A title that has to be made from a text is cut to this many characters.
const MADE_TITLE_CHARS: usize = 100;
/// Longer titles are texts in the wrong place.
const LONGEST_TITLE: usize = 300;
/// Labels beyond these are search bait.
const MOST_CATEGORIES: usize = 20;
const LONGEST_CATEGORY: usize = 80;
/// Longer identifiers are kept by their hash: databases index them.
const LONGEST_GUID: usize = 500;

/// None for an entry that has neither a title nor a text, nor a link to make one from.
pub fn to_article(entry: Entry, extras: Extras) -> Option<FoundArticle> {
    let guid = Some(short_guid(entry.id.trim())).filter(|guid| !guid.is_empty());
    let url = find_link(&entry, &extras, guid.as_deref());
    let base = extras.base.as_deref().or(url.as_ref());
    let content = entry.content.as_ref().and_then(html_of_content).unwrap_or_default();
    let description = entry.summary.as_ref().map(html_of_text).unwrap_or_default();
    let description =
        if description.is_empty() { extras.description.unwrap_or_default() } else { description };

    let title = entry.title.as_ref().map(|title| to_line(&title.content)).unwrap_or_default();
    let title = cut_at_word(&title, LONGEST_TITLE);
    let summary = make_summary(&description, &content, &title);
    let title = if title.is_empty() { make_title(&summary, url.as_ref())? } else { title };
    let published_at = entry.published.map(|time| Timestamp::from_millis(time.timestamp_millis()));
    let modified_at = entry.updated.map(|time| Timestamp::from_millis(time.timestamp_millis()));

    let story = if !content.trim().is_empty() {
        content.as_str()
    } else if holds_a_story(&description) {
        description.as_str()
    } else {
        ""
    };
    let texts = [&content, &description];
    let image = extras.image.map(|picture| {
        let link = picture.link.to_string();
        let alt = picture.alt.or_else(|| texts.into_iter().find_map(|html| alt_of(html, &link)));
        (link, alt)
    });
    let image = image.or_else(|| texts.into_iter().find_map(|html| first_image(html, base)));
    let (image_url, image_alt) = image.unzip();
    // The headline stands beside the picture: said twice, it tells nothing.
    let image_alt = image_alt.flatten().filter(|alt| *alt != title);
    let guid = guid.or_else(|| url.is_none().then(|| made_guid(&title, published_at)));
    Some(FoundArticle {
        guid,
        url: url.as_ref().map(Url::to_string),
        author: join_authors(&entry.authors).or(extras.author),
        summary,
        body_html: sanitise(story, base),
        image_url,
        image_alt,
        language: extras.language.as_deref().or(entry.language.as_deref()).and_then(read_language),
        // Atom demands only `updated`: then the entry is as old as that.
        published_at: published_at.or(modified_at),
        modified_at: modified_at.filter(|time| published_at.is_some_and(|published| published != *time)),
        categories: read_categories(&entry),
        title,
    })
}

pub fn join_authors(authors: &[Person]) -> Option<String> {
    join_names(authors.iter().filter_map(|author| name_of_person(&to_line(author.name.as_deref()?))))
}

/// Where to read it: past the counter, else its link, else a GUID that is one, else the sound or film itself.
fn find_link(entry: &Entry, extras: &Extras, guid: Option<&str>) -> Option<Url> {
    let parse = |link: &str| {
        let link = link.trim();
        let is_web = link.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
        (is_web && link.len() <= LONGEST_LINK).then(|| Url::parse(link).ok().and_then(web_link)).flatten()
    };
    let own = entry.links.iter().find_map(|link| parse(&link.href));
    extras
        .original_link
        .clone()
        .or(own)
        .or_else(|| guid.filter(|_| extras.guid_is_link).and_then(parse))
        .or_else(|| extras.about.clone())
        .or_else(|| extras.enclosure.clone())
}

fn html_of_content(content: &Content) -> Option<String> {
    let body = content.body.clone()?;
    let is_plain = content.content_type.as_str().starts_with("text/plain") && !looks_like_markup(&body);
    Some(if is_plain { to_paragraphs(&body) } else { body })
}

fn html_of_text(text: &Text) -> String {
    text.content.trim().to_owned()
}

/// The description if it says more than the title, else the beginning of the story.
fn make_summary(description: &str, content: &str, title: &str) -> String {
    [description, content]
        .into_iter()
        .map(|html| summarise(without_trailer(&to_text(html))))
        .find(|summary| !summary.is_empty() && summary != title)
        .unwrap_or_default()
}

/// Cuts what feed tools write behind a summary: "Continue reading …", "The post … appeared first on …".
fn without_trailer(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let last = text.rsplit('\n').next().unwrap_or_default().trim();
        let lower = last.to_lowercase();
        let is_trailer = (lower.starts_with("the post ") && lower.contains("appeared first on"))
            || lower.starts_with("continue reading")
            || lower.starts_with("read more")
            || lower.starts_with("submitted by /u/")
            || matches!(
                &*lower,
                "comments" | "[link] [comments]" | "weiterlesen" | "lire la suite" | "leer más" | "[…]"
            );
        if !is_trailer || last.len() == text.len() {
            break;
        }
        text = text[..text.len() - last.len()].trim_end();
    }
    text.trim_end_matches("[…]").trim_end_matches("[...]").trim_end_matches("[&#8230;]").trim_end()
}

/// Some feeds put the whole story into the description: then it has paragraphs, or is longer than a summary.
fn holds_a_story(description: &str) -> bool {
    let lower = description.to_ascii_lowercase();
    lower.matches("<p").count() >= 2
        || lower.matches("<br").count() >= 4
        || to_text(description).chars().count() > crate::domain::article::SUMMARY_CHARS
}

/// A title for an item without: its first words, else the words of its link.
fn make_title(summary: &str, url: Option<&Url>) -> Option<String> {
    if !summary.is_empty() {
        let sentence = summary.split_inclusive(['.', '!', '?', '。']).next().unwrap_or(summary).trim();
        let start = if sentence.chars().count() >= 15 { sentence } else { summary };
        return Some(cut_at_word(start, MADE_TITLE_CHARS));
    }
    let url = url?;
    let last = url.path_segments()?.rfind(|segment| !segment.is_empty()).unwrap_or_default();
    let words = percent_encoding::percent_decode_str(last).decode_utf8_lossy().replace(['-', '_', '+'], " ");
    let words = to_line(words.trim_end_matches(".html").trim_end_matches(".htm").trim_end_matches(".mp3"));
    let title = if words.chars().any(char::is_alphabetic) { words } else { url.host_str()?.to_owned() };
    Some(cut_at_word(&title, MADE_TITLE_CHARS))
}

/// As written, without control characters: nobody means them, and PostgreSQL stores no NUL.
fn short_guid(guid: &str) -> String {
    let guid: String = guid.chars().filter(|c| !c.is_control()).collect();
    if guid.len() <= LONGEST_GUID { guid } else { format!("sha256:{}", hash(&guid)) }
}

/// An identity for an item with neither GUID nor link: by its title and date, so that it is the same at every visit
/// and a weekly "Menu of the week" is new every week.
fn made_guid(title: &str, published_at: Option<Timestamp>) -> String {
    let date = published_at.map(|time| time.to_string()).unwrap_or_default();
    format!("title:{}", hash(&format!("{}\n{date}", title.to_lowercase())))
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn read_categories(entry: &Entry) -> Vec<String> {
    let mut categories: Vec<String> = Vec::new();
    for category in &entry.categories {
        let label = to_line(category.label.as_deref().unwrap_or(&category.term));
        let is_label =
            !label.is_empty() && !label.contains("://") && label.chars().count() <= LONGEST_CATEGORY;
        let is_new = !categories.iter().any(|known| known.to_lowercase() == label.to_lowercase());
        if is_label && is_new && categories.len() < MOST_CATEGORIES {
            categories.push(label);
        }
    }
    categories
}
