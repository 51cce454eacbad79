//! HTML of others: made safe for mails and pages, and turned into plain text.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use dom_query::{Document, NodeRef};
use url::Url;

use super::nesting::is_too_deep;
use crate::domain::article::SUMMARY_CHARS;

/// What may stand in a body. A mail client knows these, and no one can do harm with them.
const TAGS: [&str; 37] = [
    "p",
    "h2",
    "h3",
    "h4",
    "a",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "img",
    "figure",
    "figcaption",
    "em",
    "strong",
    "b",
    "i",
    "u",
    "s",
    "sub",
    "sup",
    "small",
    "mark",
    "q",
    "cite",
    "code",
    "pre",
    "br",
    "hr",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
];

/// Elements that go with all they hold.
const DROPPED: [&str; 21] = [
    "script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "math", "canvas", "form",
    "button", "select", "textarea", "input", "audio", "video", "head", "title", "dialog", "nav",
];

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 38] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "footer",
    "aside",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "figure",
    "figcaption",
    "pre",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "caption",
    "hr",
    "address",
    "details",
    "summary",
    "center",
    "fieldset",
];

/// The most of one document that is cleaned, in bytes: a body of 2 MB is a book.
const LONGEST: usize = 2 * 1024 * 1024;

/// Makes HTML safe to show in a mail or a page: only harmless elements, links to `http`, `https` and `mailto`, images
/// from `http` and `https`; no script, style or event handler. Relative addresses are resolved against `base` or
/// dropped, as are images of one pixel, which only count readers. The result is well-formed; may be empty.
pub fn sanitise(html: &str, base: Option<&Url>) -> String {
    let html = prefix(html, LONGEST);
    if is_too_deep(html) {
        return to_paragraphs(&crude_text(html));
    }
    let tidy = restructure(html);
    let mut cleaner = cleaner();
    if let Some(base) = base {
        cleaner.url_relative(UrlRelative::RewriteWithBase(base.clone()));
    }
    let clean = cleaner.clean(&tidy).to_string();
    drop_empty(&clean)
}

fn cleaner() -> Builder<'static> {
    static ATTRIBUTES: LazyLock<HashMap<&'static str, HashSet<&'static str>>> = LazyLock::new(|| {
        HashMap::from([
            ("a", HashSet::from(["href"])),
            ("img", HashSet::from(["src", "alt"])),
            ("td", HashSet::from(["colspan", "rowspan"])),
            ("th", HashSet::from(["colspan", "rowspan"])),
        ])
    });
    let mut cleaner = Builder::empty();
    cleaner
        .tags(HashSet::from(TAGS))
        .clean_content_tags(DROPPED.into_iter().collect())
        .tag_attributes(ATTRIBUTES.clone())
        .generic_attributes(HashSet::from(["dir", "lang"]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"))
        .strip_comments(true)
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("img", "src") if !is_web_link(value) => None,
            ("a", "href") if value.len() > 4096 => None,
            ("td" | "th", "colspan" | "rowspan") if value.parse::<u8>().is_err() => None,
            _ => Some(Cow::Borrowed(value)),
        });
    cleaner
}

fn is_web_link(link: &str) -> bool {
    // A relative one was resolved before, or will be dropped by the cleaner.
    !link.contains(':')
        || link.starts_with("http://")
        || link.starts_with("https://")
        || Url::parse(link).is_err()
}

/// Brings the document into the shape that survives cleaning: lazy images get their source, counting pixels go, a
/// `div` that holds text becomes a paragraph, headings start at `h2`.
fn restructure(html: &str) -> String {
    let document = Document::fragment(html);
    for image in document.select("img").nodes() {
        if is_counting_pixel(image) {
            image.remove_from_parent();
        } else if let Some(source) = image_source(image) {
            image.set_attr("src", &source);
        } else {
            image.remove_from_parent();
        }
    }
    for div in document.select("div, section, article, main, header, footer, aside, center, address").nodes()
    {
        if !has_block_within(div) && !div.text().trim().is_empty() {
            div.rename("p");
        }
    }
    for (name, lower) in [("h1", "h2"), ("h5", "h4"), ("h6", "h4")] {
        document.select(name).rename(lower);
    }
    document.html().to_string()
}

fn has_block_within(node: &NodeRef<'_>) -> bool {
    node.descendants_it().any(|child| child.node_name().is_some_and(|name| BLOCKS.contains(&&*name)))
}

/// The address an image is shown from: `src`, or where lazily loading pages hide it.
pub fn image_source(image: &NodeRef<'_>) -> Option<String> {
    let is_placeholder = |link: &str| {
        link.is_empty() || link.starts_with("data:") || link.starts_with("about:") || link.contains("{width}")
    };
    let lazy = ["src", "data-src", "data-lazy-src", "data-original", "data-full-src"]
        .into_iter()
        .filter_map(|name| image.attr(name))
        .map(|link| link.trim().to_owned())
        .find(|link| !is_placeholder(link));
    lazy.or_else(|| {
        let set = image.attr("srcset").or_else(|| image.attr("data-srcset"))?;
        let first = set.split_whitespace().next()?.trim_end_matches(',').to_owned();
        (!is_placeholder(&first)).then_some(first)
    })
}

/// Images that nobody sees: one pixel high or wide, hidden, or served by a counter.
pub fn is_counting_pixel(image: &NodeRef<'_>) -> bool {
    let is_tiny = |name: &str| {
        let size = image.attr(name).map(|size| size.trim().trim_end_matches("px").to_owned());
        size.is_some_and(|size| matches!(size.as_str(), "0" | "1" | "2"))
    };
    let style = image.attr("style").unwrap_or_default().to_ascii_lowercase().replace(' ', "");
    let is_hidden =
        style.contains("display:none") || style.contains("width:1px") || style.contains("height:1px");
    let source = image.attr("src").unwrap_or_default();
    let is_counter = [
        "/pixel.",
        "pixel.gif",
        "feedburner.com/~r/",
        "feedsportal.com",
        "stats.wordpress.com",
        "/count.gif",
    ]
    .iter()
    .any(|mark| source.contains(mark));
    is_tiny("width") || is_tiny("height") || is_hidden || is_counter
}

/// The first image of a text that somebody is meant to see, with its description.
pub fn first_image(html: &str, base: Option<&Url>) -> Option<(String, Option<String>)> {
    let html = prefix(html, LONGEST);
    if !html.contains("<img") && !html.contains("<IMG") || is_too_deep(html) {
        return None;
    }
    let document = Document::fragment(html);
    let images = document.select("img");
    images.nodes().iter().filter(|image| !is_counting_pixel(image)).find_map(|image| {
        let source = image_source(image)?;
        let link = match base {
            Some(base) => base.join(&source).ok()?,
            None => Url::parse(&source).ok()?,
        };
        let alt = image.attr("alt").map(|alt| to_line(&alt)).filter(|alt| !alt.is_empty());
        matches!(link.scheme(), "http" | "https").then(|| (link.to_string(), alt))
    })
}

/// Removes what cleaning left empty: paragraphs, list items, figures and links with nothing in them.
fn drop_empty(html: &str) -> String {
    let document = Document::fragment(html);
    // Innermost first, so that what becomes empty goes as well.
    for node in document
        .select("p, li, ul, ol, figure, figcaption, blockquote, h2, h3, h4, a, em, strong, b, i")
        .nodes()
        .iter()
        .rev()
    {
        let shows = node
            .descendants_it()
            .any(|child| child.node_name().is_some_and(|name| matches!(&*name, "img" | "hr" | "table")));
        if !shows && node.text().trim_matches(is_blank).is_empty() {
            node.remove_from_parent();
        }
    }
    document.select("img:not([src])").remove();
    inner_html(&document).trim().to_owned()
}

/// The HTML of a fragment without the root that the parser puts around it.
pub fn inner_html(document: &Document) -> String {
    document.html_root().inner_html().to_string()
}

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

/// Recurses no deeper than [`super::nesting::DEEPEST`], which the callers have checked.
fn write_text(node: &NodeRef<'_>, text: &mut String) {
    for child in node.children_it(false) {
        if child.is_text() {
            text.push_str(&child.text().replace(['\n', '\r', '\t'], " "));
            continue;
        }
        let Some(name) = child.node_name() else { continue };
        match &*name {
            name if DROPPED.contains(&name) && name != "form" => {}
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
/// also when they were escaped twice, and `<div>` in "How to use <div>" stays.
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
fn crude_text(html: &str) -> String {
    let texts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
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

    fn base() -> Url {
        Url::parse("https://example.org/news/today").expect("a link")
    }

    #[test]
    fn what_can_do_harm_is_removed() {
        for (html, clean) in [
            ("<p onclick=x>a<script>alert(1)</script></p>", "<p>a</p>"),
            ("<style>p{}</style><p style='color:red' class=x id=y>a</p>", "<p>a</p>"),
            ("<a href='javascript:alert(1)'>a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
            ("<a href=' java\nscript:alert(1)'>a</a>", "<a rel=\"noopener noreferrer\">a</a>"),
            ("<img src='data:image/png;base64,AA' alt=a>", ""),
            ("<img src='mailto:a@example.org'>", ""),
            ("<img src=x onerror=alert(1) width=600>", "<img src=\"https://example.org/news/x\">"),
            ("<iframe src='https://example.org/'></iframe>b", "b"),
            ("<form action=/x><input value=a><p>secret</p></form>", ""),
            ("<svg><script>alert(1)</script></svg><p>a</p>", "<p>a</p>"),
            ("<!-- comment --><p>a</p>", "<p>a</p>"),
        ] {
            assert_eq!(sanitise(html, Some(&base())), clean, "{html}");
        }
    }

    #[test]
    fn relative_addresses_are_resolved_or_dropped() {
        let html = "<p><a href='/a?b=1&c=2'>x</a> <img src='../pic.jpg' alt='Pic'></p>";
        assert_eq!(
            sanitise(html, Some(&base())),
            "<p><a href=\"https://example.org/a?b=1&amp;c=2\" rel=\"noopener noreferrer\">x</a> \
             <img src=\"https://example.org/pic.jpg\" alt=\"Pic\"></p>"
        );
        assert_eq!(sanitise(html, None), "<p><a rel=\"noopener noreferrer\">x</a> </p>");
    }

    #[test]
    fn the_shape_of_a_story_is_kept() {
        for (html, clean) in [
            ("<h1>A</h1><h6>b</h6>", "<h2>A</h2><h4>b</h4>"),
            ("<div>one</div><div>two <b>bold</b></div>", "<p>one</p><p>two <b>bold</b></p>"),
            ("<section><p>one</p></section>", "<p>one</p>"),
            ("<p>one</p><p>&nbsp;</p><ul><li></li></ul>", "<p>one</p>"),
            (
                "<img src=a.gif width=1 height=1><img data-src='/big.jpg' src='data:image/gif;base64,R0'>",
                "<img src=\"https://example.org/big.jpg\">",
            ),
            ("<pre><code>a &lt; b</code></pre>", "<pre><code>a &lt; b</code></pre>"),
            (
                "<table><tr><td colspan=2>a</td></tr></table>",
                "<table><tbody><tr><td colspan=\"2\">a</td></tr></tbody></table>",
            ),
        ] {
            assert_eq!(sanitise(html, Some(&base())), clean, "{html}");
        }
    }

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

    #[test]
    fn what_nests_too_deep_becomes_text() {
        let html = format!("{}deep{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
        assert_eq!(sanitise(&html, None), "<p>deep</p>");
        assert_eq!(to_text(&html), "deep");
    }

    proptest! {
        #[test]
        fn cleaned_html_is_clean(html in "(<(p|a|img|div|li|b|script|style|table|td|svg)( (href|src|onload|style)=['\"]?[a-z:/.(]{0,12}['\"]?)?>|</(p|a|div|b|script|svg)>|[a-z &<>\"']{0,6}){0,20}") {
            let once = sanitise(&html, Some(&base()));
            let lower = once.to_lowercase();
            prop_assert!(!lower.contains("<script") && !lower.contains("javascript:\"") && !lower.contains(" onload="), "{}", once);
            let _ = to_text(&html);
            let _ = to_line(&html);
        }

        #[test]
        fn summaries_are_short(text in ".{0,900}") {
            prop_assert!(summarise(&text).chars().count() <= SUMMARY_CHARS);
        }
    }
}
