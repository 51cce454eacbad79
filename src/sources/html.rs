//! HTML of others, made safe for mails and pages.

use super::is_too_deep;
use super::text::{alternative, crude_text, is_blank, prefix, to_paragraphs};
use crate::domain::link::web_link;
use ammonia::{Builder, UrlRelative};
use dom_query::{Document, NodeRef};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use url::Url;
/// What may stand in a body. A mail client knows these, and no one can do harm with them.
const TAGS: &[&str] = &[
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
pub const DROPPED: &[&str] = &[
    "script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "math", "canvas",
    "button", "select", "textarea", "input", "audio", "video", "head", "title", "dialog", "nav",
];
/// Elements that stand on lines of their own.
pub const BLOCKS: &[&str] = &[
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
/// The most of one story that is read, in bytes: 1 MB is a book.
pub const LONGEST: usize = 1024 * 1024;
/// Makes HTML safe to show in a mail or a page: only harmless elements, links to `http`, `https` and `mailto`, images
/// from `http` and `https`; no script, style or event handler. Relative addresses are resolved against `base` or
/// dropped, as are images of one pixel, which only count readers. The result is well-formed and not much longer; may be empty.
pub fn sanitise(html: &str, base: Option<&Url>) -> String {
    let html = prefix(html, LONGEST);
    if is_too_deep(html) {
        return to_paragraphs(&crude_text(html));
    }
    let tidy = restructure(html);
    let mut cleaner = cleaner();
    // Each relative link grows by the base: a text of nothing but short ones would grow a hundredfold.
    let links = tidy.matches(" href=").count() + tidy.matches(" src=").count();
    let room = 16 * 1024 + 4 * html.len();
    if let Some(base) = base.filter(|base| links * base.as_str().len() <= room) {
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
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(DROPPED.iter().copied().collect())
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
        let alt = image.attr("alt").and_then(|alt| alternative(&alt));
        web_link(link).map(|link| (link.to_string(), alt))
    })
}
/// What a text says of a picture that stands in it.
pub fn alt_of(html: &str, picture: &str) -> Option<String> {
    let html = prefix(html, LONGEST);
    if !html.contains(" alt=") || is_too_deep(html) {
        return None;
    }
    alt_on(&Document::fragment(html), picture)
}
/// The same of a page: pictures are told by their file's name, for they come in several sizes.
pub fn alt_on(page: &Document, picture: &str) -> Option<String> {
    let file = |link: &str| {
        let path = link.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let wanted = file(picture);
    let images = page.select("img[alt][src]");
    let same = images.nodes().iter().find(|node| {
        !is_counting_pixel(node)
            && wanted.len() > 4
            && node.attr("src").is_some_and(|source| file(&source) == wanted)
    });
    alternative(&same?.attr("alt")?)
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
    drop_passwords(&document);
    inner_html(&document).trim().to_owned()
}
/// Links with a name and password in them lose both.
fn drop_passwords(document: &Document) {
    for (selector, attribute) in [("a[href*='@']", "href"), ("img[src*='@']", "src")] {
        for node in document.select(selector).nodes() {
            let link = node.attr(attribute).and_then(|link| Url::parse(&link).ok());
            let has_some = |link: &Url| !link.username().is_empty() || link.password().is_some();
            if let Some(link) = link.filter(has_some).and_then(web_link) {
                node.set_attr(attribute, link.as_str());
            }
        }
    }
}
/// The HTML of a fragment without the root that the parser puts around it.
pub fn inner_html(document: &Document) -> String {
    document.html_root().inner_html().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::text::to_line;
    use super::*;
    use crate::sources::text::to_text;
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
            ("<form action=/x><input value=a><p>b</p><button>c</button></form>", "<p>b</p>"),
            ("<svg><script>alert(1)</script></svg><p>a</p>", "<p>a</p>"),
            ("<!-- comment --><p>a</p>", "<p>a</p>"),
            ("<img src='https://ann:secret@example.org/x'>", "<img src=\"https://example.org/x\">"),
            (
                "<a href='//ann:secret@example.org/x'>a</a>",
                "<a href=\"https://example.org/x\" rel=\"noopener noreferrer\">a</a>",
            ),
            (
                "<a href='mailto:a@example.org'>a</a>",
                "<a href=\"mailto:a@example.org\" rel=\"noopener noreferrer\">a</a>",
            ),
            ("<p>a\0b</p><pre>\0c</pre>", "<p>ab</p><pre>c</pre>"),
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

    }
}
