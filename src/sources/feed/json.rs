//! Brings a JSON Feed, whole or sloppy, into what `feed-rs` reads: strings where strings belong, a known version, only
//! items that are objects. One number as an `id` would else cost the whole feed.

use serde_json::{Map, Value, json};
use url::Url;

use super::Extras;
use crate::sources::byline::name_of_person;
use crate::sources::dates::parse_date;
use crate::sources::text::{looks_like_markup, to_line};

/// A JSON Feed as it is handed on.
pub struct TidyJson {
    pub json: String,
    pub extras: Vec<Extras>,
    pub language: Option<String>,
    pub broken: usize,
}

/// Reads a JSON Feed; the error is the parser's own sentence, or what is missing.
pub fn tidy(text: &str, base: &Url) -> Result<TidyJson, String> {
    let feed = read_value(text)?;
    let items = feed.get("items").and_then(Value::as_array).ok_or("it has no list named “items”")?;
    let objects: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    let home = string(&feed, "home_page_url").and_then(|link| base.join(&link).ok());
    let base = home.as_ref().unwrap_or(base);
    let tidy = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": string(&feed, "title").unwrap_or_default(),
        "home_page_url": home.as_ref().map(Url::as_str),
        "authors": authors(&feed),
        "items": objects.iter().map(|item| tidy_item(item, base)).collect::<Vec<_>>(),
    });
    Ok(TidyJson {
        json: tidy.to_string(),
        extras: objects.iter().map(|item| read_extras(item, base)).collect(),
        language: string(&feed, "language"),
        broken: items.len() - objects.len(),
    })
}

/// The first value of the text; what follows it is ignored, and control characters in strings are forgiven.
fn read_value(text: &str) -> Result<Map<String, Value>, String> {
    let read = |text: &str| match serde_json::Deserializer::from_str(text).into_iter::<Value>().next() {
        Some(Ok(Value::Object(object))) => Ok(object),
        Some(Ok(_)) | None => Err("it is not an object".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
    };
    read(text).or_else(|error| {
        let calm: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        read(&calm).map_err(|_| error)
    })
}

/// A text, or a number written as one.
fn string(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match object.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn link(object: &Map<String, Value>, name: &str, base: &Url) -> Option<Url> {
    base.join(&string(object, name)?).ok().filter(|link| matches!(link.scheme(), "http" | "https"))
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

fn read_extras(item: &Map<String, Value>, base: &Url) -> Extras {
    let image = link(item, "image", base).or_else(|| link(item, "banner_image", base));
    let mut extras = Extras {
        language: string(item, "language"),
        image: image.map(|image| (image, (3, 0))),
        base: link(item, "url", base).or_else(|| Some(base.clone())),
        guid_is_link: true,
        ..Extras::default()
    };
    for attachment in item.get("attachments").and_then(Value::as_array).into_iter().flatten() {
        let Some(attachment) = attachment.as_object() else { continue };
        let Some(link) = link(attachment, "url", base) else { continue };
        if string(attachment, "mime_type").is_some_and(|kind| kind.starts_with("image/")) {
            extras.image.get_or_insert((link, (2, 0)));
        } else {
            extras.enclosure.get_or_insert(link);
        }
    }
    extras
}
