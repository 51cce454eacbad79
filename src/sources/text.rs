//! Plain text: out of HTML, on one line, cut to a length, and back into paragraphs.

use std::borrow::Cow;

use dom_query::{Document, NodeRef};

use super::html::{BLOCKS, DROPPED, LONGEST};
use super::is_too_deep;
use crate::domain::article::{ALT_CHARS, SUMMARY_CHARS};

/// White space and what looks like it: no-break and zero-width spaces.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}' | '\u{2060}' | '\u{ad}')
}
/// Turns HTML into plain text: paragraphs parted by an empty line, list items on lines with a bullet, everything else
/// folded. Entities are resolved.
pub fn to_text(html: &str) -> String {
    let html = prefix(html, LONGEST);
    if !html.contains(['<', '&']) {
        return fold_lines(html);
    }
    if is_too_deep(html) {
        return crude_text(html);
    }
    let document = Document::fragment(html);
    let mut text = String::new();
    write_text(&document.root(), &mut text);
    close_lines(&text)
}
/// The text of one node, as [`to_text`] writes it.
pub fn node_text(node: &NodeRef<'_>) -> String {
    let mut text = String::new();
    write_text(node, &mut text);
    close_lines(&text)
}
/// Recurses no deeper than [`super::DEEPEST`], which the callers have checked.
fn write_text(node: &NodeRef<'_>, text: &mut String) {
    for child in node.children_it(false) {
        if child.is_text() {
            text.push_str(&child.text().replace(['\n', '\r', '\t'], " "));
            continue;
        }
        let Some(name) = child.node_name() else { continue };
        match &*name {
            name if DROPPED.contains(&name) => {}
            "br" => text.push('\n'),
            "li" => {
                text.push_str("\n• ");
                write_text(&child, text);
                text.push('\n');
            }
            "tr" => {
                text.push('\n');
                write_text(&child, text);
            }
            "td" | "th" => {
                write_text(&child, text);
                text.push(' ');
            }
            name if BLOCKS.contains(&name) => {
                text.push_str("\n\n");
                write_text(&child, text);
                text.push_str("\n\n");
            }
            _ => write_text(&child, text),
        }
    }
}
/// Folds spaces within lines, and empty lines to one.
fn close_lines(text: &str) -> String {
    let mut closed = String::with_capacity(text.len());
    let mut is_gap = false;
    let mut bullet = false;
    for line in text.split('\n') {
        let line = fold(line);
        if line.is_empty() {
            is_gap = true;
            continue;
        }
        // The bullet of an item whose text is a block stands on the line before.
        if line == "•" {
            bullet = true;
            continue;
        }
        if !closed.is_empty() {
            let is_item = bullet || line.starts_with("• ");
            closed.push_str(if is_gap && !is_item { "\n\n" } else { "\n" });
        }
        if std::mem::take(&mut bullet) {
            closed.push_str("• ");
        }
        closed.push_str(&line);
        is_gap = false;
    }
    closed
}
fn fold_lines(text: &str) -> String {
    close_lines(&text.replace("\r\n", "\n"))
}
/// Text on one line: every run of white space becomes a space; control characters and marks that turn the direction
/// of what follows (U+202A–202E, U+2066–2069) go.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else if !matches!(c, '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            folded.push(c);
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}
/// One line of plain text from what a source gave as a title, a name or a label: markup and entities are resolved,
/// also when they were escaped twice, and the tag in "How to use `<div>`" stays.
pub fn to_line(source: &str) -> String {
    let source = prefix(source, 20_000);
    let mut line = fold(source);
    // Escaped twice is common (a title through two tools), three times has not been seen.
    for _ in 0..3 {
        let is_markup = looks_like_markup(&line);
        if !is_markup && !has_entity(&line) {
            break;
        }
        let html =
            if is_markup { Cow::Borrowed(line.as_str()) } else { Cow::Owned(line.replace('<', "&lt;")) };
        let text = fold(&to_text(&html).replace("\n• ", " "));
        if text == line {
            break;
        }
        line = text;
    }
    line.strip_prefix("• ").map_or(line.clone(), str::to_owned)
}
/// Whether a text that may be plain has markup in it: an end tag, or one of the tags that need none.
pub fn looks_like_markup(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["</", "<br", "<img", "<wbr", "<p>", "<!--", "<hr"].iter().any(|mark| lower.contains(mark))
}
fn has_entity(text: &str) -> bool {
    text.split('&').skip(1).any(|rest| {
        let name = rest.split(';').next().unwrap_or_default();
        let is_name = name.strip_prefix('#').unwrap_or(name).chars().all(|c| c.is_ascii_alphanumeric());
        name.len() < rest.len() && (2..=10).contains(&name.len()) && is_name
    })
}
/// Cuts plain text to a summary of at most [`SUMMARY_CHARS`] characters, on one line, ended at a word with "…".
pub fn summarise(text: &str) -> String {
    let line = fold(prefix(text, 20_000));
    cut_at_word(&line, SUMMARY_CHARS)
}
/// What a source says that a picture shows, cut to [`ALT_CHARS`] characters; none where it is a file's name.
pub fn alternative(source: &str) -> Option<String> {
    let line = to_line(source);
    let lower = line.to_lowercase();
    let is_word = line.is_ascii() && !line.contains(' ');
    let is_file = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"].iter().any(|end| lower.ends_with(end))
        || (is_word && line.contains(['_', '/']))
        || (is_word && line.chars().filter(char::is_ascii_digit).count() > 3)
        || !line.contains(char::is_alphabetic);
    (!is_file).then(|| cut_at_word(&line, ALT_CHARS))
}
/// Cuts a line to `limit` characters, "…" included, after a word; scripts without spaces are cut at a character.
pub fn cut_at_word(line: &str, limit: usize) -> String {
    let Some((end, _)) = line.char_indices().nth(limit) else { return line.to_owned() };
    let keep = line[..end].char_indices().last().map_or(0, |(at, _)| at);
    let head = &line[..keep];
    let head = match head.rfind(' ') {
        // A last word of a third of the text is no word.
        Some(at) if at * 3 > keep * 2 && !line[keep..].starts_with(' ') => &head[..at],
        _ => head,
    };
    let head = head.trim_end_matches(|c: char| {
        c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '–' | '—' | '.' | '…')
    });
    format!("{head}…")
}
/// Escapes plain text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
/// Plain text, paragraphs parted by empty lines, as HTML.
pub fn to_paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", escape(paragraph).replace('\n', "<br>"))).collect()
}
/// The text between tags, for what nests too deep to be parsed.
pub fn crude_text(html: &str) -> String {
    // A tag without end was cut off, and is no text.
    let texts = html.split('<').enumerate().map(|(index, part)| match part.split_once('>') {
        Some((_, text)) => text,
        None if index == 0 => part,
        None => "",
    });
    fold(&texts.collect::<Vec<_>>().join(" "))
}
/// The first `bytes` of a text, ended at a character.
pub fn prefix(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_keeps_paragraphs() {
        let html = "<h2>Head</h2><p>One\n two.</p><div>Three<br>four</div><ul><li>five</li><li><p>six</p></li></ul><script>x</script>seven";
        assert_eq!(to_text(html), "Head\n\nOne two.\n\nThree\nfour\n• five\n• six\n\nseven");
        assert_eq!(to_text("a &amp; b&nbsp;c &lt;d&gt;"), "a & b c <d>");
    }

    #[test]
    fn a_line_is_plain_text() {
        for (source, line) in [
            ("AT&amp;amp;T &amp;#8217;s <b>deal</b>", "AT&T ’s deal"),
            ("How to use <div> in HTML", "How to use <div> in HTML"),
            ("5 < 6 & 7 > 3", "5 < 6 & 7 > 3"),
            ("  two\n lines\u{202e} ", "two lines"),
            ("&lt;em&gt;Big&lt;/em&gt; news", "Big news"),
            ("Caf&eacute; &ndash; bar", "Café – bar"),
        ] {
            assert_eq!(to_line(source), line, "{source}");
        }
    }

    #[test]
    fn a_summary_ends_at_a_word() {
        assert_eq!(summarise("short  text"), "short text");
        let long = "word, ".repeat(200);
        let summary = summarise(&long);
        assert!(summary.chars().count() <= SUMMARY_CHARS && summary.ends_with("word…"), "{summary}");
        assert_eq!(summarise(&"東".repeat(1000)).chars().count(), SUMMARY_CHARS);
        assert_eq!(cut_at_word("alpha beta gamma", 11), "alpha beta…");
        assert_eq!(cut_at_word("alpha beta", 10), "alpha beta");
    }

    proptest! {
        #[test]
        fn summaries_are_short(text in ".{0,900}") {
            prop_assert!(summarise(&text).chars().count() <= SUMMARY_CHARS);
        }
    }
}
