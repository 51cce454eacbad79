//! Brings a JSON Feed, whole or sloppy, into what `feed-rs` reads: strings where strings belong, a known version, only
//! items that are objects. One number as an `id` would else cost the whole feed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Extras, LONGEST_BASE, LONGEST_LINK, MOST_READ, Picture};
use crate::domain::link::web_link;
use crate::sources::byline::name_of_person;
use crate::sources::dates::parse_date;
use crate::sources::text::{alternative, looks_like_markup, to_line};

/// A JSON Feed as it is handed on.
pub struct TidyJson {
    pub json: String,
    pub extras: Vec<Extras>,
    pub language: Option<String>,
    pub broken: usize,
    /// Items beyond [`MOST_READ`], which were not looked at.
    pub older: usize,
}

/// The longest item that is read, in bytes: twice the longest story.
const LONGEST_ITEM: usize = 2 * 1024 * 1024;

/// The same for each of the feed's own values.
const LONGEST_HEAD: usize = 64 * 1024;

/// Reads a JSON Feed; the error is the parser's own sentence, or what is missing.
pub fn tidy(text: &str, base: &Url) -> Result<TidyJson, String> {
    let calm: String;
    let parts = match read_parts(text) {
        Ok(parts) => parts,
        // Control characters in strings are forgiven.
        Err(error) => {
            calm = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            read_parts(&calm).map_err(|_| error)?
        }
    };
    let items: Vec<&RawValue> = parts
        .get("items")
        .and_then(|items| serde_json::from_str(items.get()).ok())
        .ok_or("it has no list named “items”")?;
    let feed: Map<String, Value> = ["title", "home_page_url", "language", "author", "authors"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), read_value(parts.get(name)?, LONGEST_HEAD)?)))
        .collect();
    let home = string(&feed, "home_page_url").and_then(|link| base.join(&link).ok());
    let home = home.filter(|home| home.as_str().len() <= LONGEST_BASE);
    let base = Arc::new(home.clone().unwrap_or_else(|| base.clone()));
    let mut tidied = vec![];
    let mut extras = vec![];
    // One at a time: a parsed value takes many times the room of its text.
    for item in items.iter().take(MOST_READ) {
        if let Some(Value::Object(item)) = read_value(item, LONGEST_ITEM) {
            tidied.push(tidy_item(&item, &base));
            extras.push(read_extras(&item, &base));
        }
    }
    let older = items.len().saturating_sub(MOST_READ);
    let broken = items.len() - older - tidied.len();
    let tidy = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": string(&feed, "title").unwrap_or_default(),
        "home_page_url": home.as_ref().map(Url::as_str),
        "authors": authors(&feed),
        "items": tidied,
    });
    Ok(TidyJson { json: tidy.to_string(), extras, language: string(&feed, "language"), broken, older })
}

/// The first object of the text, its values still unread; what follows it is ignored.
fn read_parts(text: &str) -> Result<BTreeMap<String, &RawValue>, String> {
    let first = serde_json::Deserializer::from_str(text).into_iter().next();
    first.unwrap_or_else(|| Ok(BTreeMap::new())).map_err(|error| error.to_string())
}

/// None for what is longer than `limit` bytes or nests too deep.
fn read_value(raw: &RawValue, limit: usize) -> Option<Value> {
    (raw.get().len() <= limit).then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

/// A text, or a number written as one. An escaped control character (`\u0000`) passes the parser, and is dropped.
fn string(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match object.get(name)? {
        Value::String(text) => {
            let kept = text.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
            kept.collect()
        }
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn link(object: &Map<String, Value>, name: &str, base: &Url) -> Option<Url> {
    let link = base.join(&string(object, name)?).ok().and_then(web_link)?;
    (link.as_str().len() <= LONGEST_LINK).then_some(link)
}

fn tidy_item(item: &Map<String, Value>, base: &Url) -> Value {
    let date = |name| string(item, name).and_then(|date| parse_date(&date)).map(|date| date.to_string());
    let tags = item.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let html = string(item, "content_html");
    let text = string(item, "content_text");
    // Markup in the field for plain text is read as what it is.
    let (html, text) = match text {
        Some(text) if html.is_none() && looks_like_markup(&text) => (Some(text), None),
        text => (html, text),
    };
    json!({
        "id": string(item, "id"),
        "url": link(item, "url", base).or_else(|| link(item, "external_url", base)),
        "title": string(item, "title"),
        "content_html": html,
        "content_text": text,
        "summary": string(item, "summary"),
        "date_published": date("date_published"),
        "date_modified": date("date_modified"),
        "authors": authors(item),
        "tags": tags.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
    })
}

/// Version 1 has one `author`, version 1.1 a list of `authors`; some write plain names.
fn authors(object: &Map<String, Value>) -> Vec<Value> {
    let one = object.get("author").into_iter();
    let many = object.get("authors").and_then(Value::as_array).into_iter().flatten();
    let names = one.chain(many).filter_map(|author| match author {
        Value::Object(author) => string(author, "name"),
        Value::String(name) => Some(name.clone()),
        _ => None,
    });
    names.filter_map(|name| name_of_person(&to_line(&name))).map(|name| json!({ "name": name })).collect()
}

fn read_extras(item: &Map<String, Value>, base: &Arc<Url>) -> Extras {
    let image = link(item, "image", base).or_else(|| link(item, "banner_image", base));
    let mut extras = Extras {
        language: string(item, "language"),
        image: image.map(|link| Picture { link, rank: (3, 0), alt: None }),
        base: link(item, "url", base).map_or_else(|| Some(Arc::clone(base)), |link| Some(Arc::new(link))),
        guid_is_link: true,
        ..Extras::default()
    };
    for attachment in item.get("attachments").and_then(Value::as_array).into_iter().flatten() {
        let Some(attachment) = attachment.as_object() else { continue };
        let Some(link) = link(attachment, "url", base) else { continue };
        if string(attachment, "mime_type").is_some_and(|kind| kind.starts_with("image/")) {
            let alt = string(attachment, "title").as_deref().and_then(alternative);
            extras.image.get_or_insert(Picture { link, rank: (2, 0), alt });
        } else {
            extras.enclosure.get_or_insert(link);
        }
    }
    extras
}
