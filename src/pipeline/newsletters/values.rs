//! What stands for a setting, read from text. What is wrong is a sentence that does not say which setting it is about: the
//! command line puts its key before it, and a page shows it beside the field.

use crate::domain::address::EmailAddress;
use crate::domain::language;
use crate::domain::mail::Mailbox;

/// The longest line, in characters.
const MAX_LINE: usize = 500;

/// The longest name of a newsletter, in characters: it stands in headings, and in every mail's head.
pub const MAX_NAME: usize = 100;

/// The longest name of a topic, in characters: readers choose from a row of them.
pub const MAX_TOPIC: usize = 60;

/// A value without line breaks and control characters: it may stand in a header.
pub fn one_line(value: &str) -> Result<String, String> {
    one_line_of(value, MAX_LINE)
}

/// The same with at most so many characters.
pub fn one_line_of(value: &str, most: usize) -> Result<String, String> {
    let length = value.trim().chars().count();
    if value.chars().any(char::is_control) {
        return Err("write it on one line, without line breaks or control characters".to_owned());
    }
    match length > most {
        true => Err(format!("it has {length} characters, and may have {most}: shorten it")),
        false => Ok(value.trim().to_owned()),
    }
}

pub fn name(value: &str) -> Result<String, String> {
    match value.trim() {
        "" => Err("a newsletter needs a name, such as Morning Brief".to_owned()),
        name => one_line_of(name, MAX_NAME),
    }
}

pub fn number(value: &str, least: i64, most: i64) -> Result<i64, String> {
    let parsed = value.parse().ok().filter(|number| (least..=most).contains(number));
    parsed.ok_or_else(|| match value {
        "" => format!("write a number from {least} to {most}"),
        _ => format!("“{}” is not a number from {least} to {most}", shown(value)),
    })
}

pub fn one_of<T>(value: &str, parsed: Option<T>, names: &[&str]) -> Result<T, String> {
    parsed.ok_or_else(|| format!("“{}” is not one of {}", shown(value), names.join(", ")))
}

pub fn yes(value: &str) -> Option<bool> {
    match value {
        "yes" | "true" | "1" | "on" => Some(true),
        "no" | "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// Lower-case letters, digits and hyphens: it stands in addresses, file names and `List-Id` (RFC 2919 §2).
pub fn slug(text: &str, example: &str) -> Result<String, String> {
    let fits = (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        // Digits alone would be taken for an issue's number.
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-');
    match fits {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "“{}” does not do: write lower-case letters (at least one), digits and hyphens, 40 of them at most, for \
             instance {example}",
            shown(text)
        )),
    }
}

/// `Name <address>` or an address alone, which gets `name`.
pub fn mailbox(text: &str, name: &str) -> Result<Mailbox, String> {
    let text = text.trim();
    let (given, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((given, address)) => (given.trim().trim_matches('"'), address),
        None => ("", text),
    };
    let address = EmailAddress::parse(address)?;
    let name = if given.is_empty() { name.to_owned() } else { one_line_of(given, MAX_NAME)? };
    Ok(Mailbox { name, address })
}

/// Addresses with commas, semicolons, spaces or line breaks between them.
pub fn addresses(text: &str) -> Result<Vec<EmailAddress>, String> {
    let between = |letter: char| matches!(letter, ',' | ';') || letter.is_whitespace();
    text.split(between).filter(|address| !address.is_empty()).map(EmailAddress::parse).collect()
}

pub fn language(text: &str) -> Result<String, String> {
    language::normalise(text).ok_or_else(|| {
        format!("“{}” is not a language tag: write en, fr or pt-BR, for instance", shown(text))
    })
}

pub fn colour(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    match digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_lowercase()),
        false => Err(format!("“{}” is not a colour: write #b4451f, for instance", shown(text))),
    }
}

pub fn logo(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(url.to_string())),
        _ => Err(format!("“{}” is not the address of an image (https://…)", shown(text))),
    }
}

/// What was typed, as a sentence can hold it.
fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(60).collect();
    let more = if beginning.len() < text.len() { "…" } else { "" };
    format!("{}{more}", beginning.escape_debug())
}
