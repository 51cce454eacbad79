//! Header fields (RFC 5322 §2.2) and encoded words (RFC 2047).
//!
//! Nothing that is written here can start a second field or end the header: control characters, line breaks among
//! them, become spaces, whatever the value. They are refused at the door already; this is the second lock.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::quoted_printable::push_escaped;
use crate::domain::mail::Mailbox;

/// Lines are folded to this many characters where they can be (RFC 5322 §2.1.1).
const PREFERRED_LINE: usize = 78;
/// A line with an encoded word has at most this many characters (RFC 2047 §2).
const ENCODED_LINE: usize = 76;
/// `=?UTF-8?Q?` and `?=`.
const WORD_FRAME: usize = 12;
/// An ASCII word longer than this cannot be folded and is written as encoded words.
const LONGEST_WORD: usize = 60;
/// Longer URIs would come near the limit of 998 octets for a line and are left out; so is the end of other values.
const LONGEST_URI: usize = 900;

/// Writes a field of free text: `Subject`, `Feedback-ID`.
pub fn write_text(out: &mut String, name: &str, text: &str) {
    let text = without_controls(text);
    let mut column = write_name(out, name);
    if is_simple(&text) {
        write_folded(out, &mut column, &text);
    } else {
        write_encoded_words(out, &mut column, &text);
    }
    out.push_str("\r\n");
}

/// Writes a field that holds one mailbox: `From`, `To`, `Reply-To`. A local part beyond ASCII is written as it is
/// (RFC 6532): such a message goes only to a relay that offers `SMTPUTF8`.
pub fn write_mailbox(out: &mut String, name: &str, mailbox: &Mailbox) {
    write_named(out, name, &mailbox.name, mailbox.address.as_str());
}

/// Writes `Field: A Name <content>`, for a mailbox or a list's identifier (RFC 2919 §3).
pub fn write_named(out: &mut String, field: &str, name: &str, content: &str) {
    let mut column = write_name(out, field);
    let name = without_controls(name);
    let name = name.trim();
    if !name.is_empty() {
        write_phrase(out, &mut column, name);
        out.push_str(if column + content.len() + 3 > PREFERRED_LINE { "\r\n " } else { " " });
    }
    out.push('<');
    let start = out.len();
    out.extend(content.chars().filter(|sign| *sign > ' ' && !matches!(sign, '<' | '>' | '\x7f')));
    out.truncate(out.floor_char_boundary(start + LONGEST_URI));
    out.push_str(">\r\n");
}

/// Writes a field of a URI in angle brackets (RFC 2369 §2). What may not stand in a URI is percent-encoded; without
/// one, or with one that is too long for a line, there is no field. Returns whether there is one.
pub fn write_uri(out: &mut String, name: &str, uri: &str) -> bool {
    let uri = safe_uri(uri);
    if uri.is_empty() || uri.len() > LONGEST_URI {
        return false;
    }
    write_name(out, name);
    out.push('<');
    out.push_str(&uri);
    out.push_str(">\r\n");
    true
}

fn write_name(out: &mut String, name: &str) -> usize {
    out.push_str(name);
    out.push_str(": ");
    name.len() + 2
}

/// Control characters as spaces. Most values have none and are not copied.
fn without_controls(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().any(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() }
}

/// Whether text can stand in a header as it is: printable ASCII in words of a length that folds, single spaces
/// between them (others could get lost in unfolding), and nothing that reads like an encoded word.
fn is_simple(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.contains("=?")
        && text.split(' ').all(|word| (1..=LONGEST_WORD).contains(&word.len()))
}

fn write_folded(out: &mut String, column: &mut usize, text: &str) {
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            let fits = *column + 1 + word.len() <= PREFERRED_LINE;
            out.push_str(if fits { " " } else { "\r\n " });
            *column = if fits { *column + 1 } else { 1 };
        }
        out.push_str(word);
        *column += word.len();
    }
}

/// A display name: atoms, a quoted string, or encoded words, which never stand in a quoted string (RFC 2047 §5).
fn write_phrase(out: &mut String, column: &mut usize, name: &str) {
    if !is_simple(name) || name.len() > LONGEST_WORD {
        write_encoded_words(out, column, name);
    } else if name.bytes().all(|byte| byte == b' ' || is_atext(byte)) {
        out.push_str(name);
        *column += name.len();
    } else {
        out.push('"');
        for character in name.chars() {
            if matches!(character, '"' | '\\') {
                out.push('\\');
            }
            out.push(character);
        }
        out.push('"');
        *column += name.len() + 2;
    }
}

/// RFC 5322 §3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// Writes the whole text as encoded words, in the shorter of the two encodings, one to a line.
fn write_encoded_words(out: &mut String, column: &mut usize, text: &str) {
    let q_width: usize = text.chars().map(q_width).sum();
    let q = q_width <= text.len().div_ceil(3) * 4;
    let mut rest = text;
    while !rest.is_empty() {
        let room = ENCODED_LINE.saturating_sub(*column + WORD_FRAME);
        let taken = if q { fitting_q(rest, room) } else { fitting_b(rest, room) };
        if taken == 0 {
            // Nothing fits behind the field's name: on the next line, 63 characters are free.
            out.push_str("\r\n ");
            *column = 1;
            continue;
        }
        let (word, after) = rest.split_at(taken);
        let before = out.len();
        out.push_str(if q { "=?UTF-8?Q?" } else { "=?UTF-8?B?" });
        if q {
            word.chars().for_each(|character| push_q(out, character));
        } else {
            STANDARD.encode_string(word, out);
        }
        out.push_str("?=");
        *column += out.len() - before;
        rest = after;
        if !rest.is_empty() {
            out.push_str("\r\n ");
            *column = 1;
        }
    }
}

/// How many octets of `text`, in whole characters, fit into `room` characters of the `Q` encoding.
fn fitting_q(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += q_width(character);
        if used > room {
            return at;
        }
    }
    text.len()
}

/// The same for base64: three octets take four characters.
fn fitting_b(text: &str, room: usize) -> usize {
    text.floor_char_boundary(room / 4 * 3)
}

/// Characters that the `Q` encoding leaves as they are even in a phrase (RFC 2047 §5 (3)).
fn is_q_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '!' | '*' | '+' | '-' | '/')
}

fn q_width(character: char) -> usize {
    if character == ' ' || is_q_safe(character) { 1 } else { 3 * character.len_utf8() }
}

fn push_q(out: &mut String, character: char) {
    match character {
        ' ' => out.push('_'),
        _ if is_q_safe(character) => out.push(character),
        _ => push_escaped(out, character),
    }
}

/// A URI with everything percent-encoded that may not stand in one between angle brackets.
fn safe_uri(uri: &str) -> std::borrow::Cow<'_, str> {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const UNSAFE: &AsciiSet =
        &CONTROLS.add(b' ').add(b'<').add(b'>').add(b'"').add(b'\\').add(b'^').add(b'`');
    utf8_percent_encode(uri, UNSAFE).into()
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    use super::{write_mailbox, write_text, write_uri};
    use crate::domain::address::EmailAddress;
    use crate::domain::mail::Mailbox;

    fn subject(text: &str) -> String {
        let mut out = String::new();
        write_text(&mut out, "Subject", text);
        out
    }

    fn to(name: &str) -> String {
        let mut out = String::new();
        let address = EmailAddress::parse("ann@example.org").unwrap();
        write_mailbox(&mut out, "To", &Mailbox { name: name.to_owned(), address });
        out
    }

    #[test]
    fn plain_text_stays_readable_and_is_folded() {
        assert_eq!(subject("Good morning"), "Subject: Good morning\r\n");
        let long = subject("word ".repeat(40).trim_end());
        assert!(long.lines().count() > 1 && long.lines().all(|line| line.len() <= 78), "{long}");
    }

    #[test]
    fn the_shorter_encoding_is_taken() {
        assert_eq!(subject("Grüße"), "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n");
        assert_eq!(subject("Café news of the day"), "Subject: =?UTF-8?Q?Caf=C3=A9_news_of_the_day?=\r\n");
        assert!(subject("ニュース").contains("?B?"));
    }

    #[test]
    fn names_are_atoms_quoted_or_encoded() {
        assert_eq!(to(""), "To: <ann@example.org>\r\n");
        assert_eq!(to("Ann Smith"), "To: Ann Smith <ann@example.org>\r\n");
        assert_eq!(to("Smith, \"Ann\""), "To: \"Smith, \\\"Ann\\\"\" <ann@example.org>\r\n");
        assert_eq!(to("Zoë, B."), "To: =?UTF-8?B?Wm/DqywgQi4=?= <ann@example.org>\r\n");
    }

    #[test]
    fn a_line_break_in_a_value_starts_no_field() {
        assert_eq!(subject("a\r\nBcc: b"), "Subject: =?UTF-8?Q?a__Bcc=3A_b?=\r\n");
        assert_eq!(to("Ann\r\nBcc: b\0"), "To: =?UTF-8?Q?Ann__Bcc=3A_b?= <ann@example.org>\r\n");
        let mut out = String::new();
        write_uri(&mut out, "List-Help", "https://example.org/\r\nBcc: <b>");
        assert_eq!(out, "List-Help: <https://example.org/%0D%0ABcc:%20%3Cb%3E>\r\n");
    }

    #[test]
    fn a_field_without_a_uri_is_left_out() {
        let mut out = String::new();
        assert!(!write_uri(&mut out, "List-Help", ""));
        assert!(!write_uri(&mut out, "List-Help", &format!("https://{}", "a".repeat(1000))));
        assert!(out.is_empty());
    }

    fn check_lines(field: &str) -> Result<(), TestCaseError> {
        for line in field.split("\r\n") {
            prop_assert!(line.len() <= if line.contains("=?") { 76 + 258 } else { 330 }, "{line}");
            prop_assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
            for word in line.split(' ').filter(|word| word.starts_with("=?")) {
                prop_assert!(word.len() <= 75, "{word}");
                prop_assert!(line.starts_with(' ') || !line.contains('"'), "{line}");
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_subject_reads_back_as_it_was(text in "\\PC{0,60}|[a-z =?_é€😀]{0,200}|[a-z ]{0,300}|\\PC{200}") {
            let field = subject(&text);
            check_lines(&field)?;
            let message = format!("{field}\r\nbody");
            let parsed = MessageParser::new().parse(message.as_bytes()).unwrap();
            prop_assert_eq!(parsed.headers().len(), 1);
            prop_assert_eq!(parsed.subject().unwrap_or_default(), text);
        }

        #[test]
        fn any_name_reads_back_as_it_was(text in "\\PC{0,60}|[a-z,.@<>\"\\\\ é]{0,100}") {
            let text = text.trim().to_owned();
            let field = to(&text);
            check_lines(&field)?;
            let message = format!("{field}\r\nbody");
            let parsed = MessageParser::new().parse(message.as_bytes()).unwrap();
            prop_assert_eq!(parsed.headers().len(), 1);
            let to = parsed.to().unwrap().first().unwrap();
            prop_assert_eq!(to.address().unwrap_or_default(), "ann@example.org");
            prop_assert_eq!(to.name().unwrap_or_default(), text);
        }
    }
}
