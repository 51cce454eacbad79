//! The furniture of a page: all that stands around a story and is none of it.
//!
//! It is known by what its elements are called, and by what its lines say ([`super::lines`]). A rule may only take what is short: a story about newsletters stays.

use super::lines::{Verdict, judge, says_the_same};
use super::metadata::Metadata;
use crate::sources::html::inner_html;
use crate::sources::text::{fold, node_text};
use dom_query::{Document, NodeRef};
/// Elements with more text than this are not removed for their name alone. In bytes.
const LONGEST_BOX: usize = 1_500;
/// Removes from a page what its elements' names call furniture, before the story is looked for.
pub fn clear_page(page: &Document) {
    page.select("nav, dialog, button, iframe, [role=navigation], [role=dialog]").remove();
    // Some systems put the whole page into a form, or hide the story until a script has run.
    let boxes = page.select("aside, footer, form, [role=complementary], [hidden]");
    boxes.nodes().iter().filter(|node| is_box(node)).for_each(NodeRef::remove_from_parent);
    for node in page.select("body [class], body [id]").nodes() {
        if is_surely_furniture(node) || (is_called_furniture(node) && is_box(node)) {
            node.remove_from_parent();
        }
    }
}
/// Words in `class` and `id` that name furniture: `post-share-buttons` has one, `shareholders` has none.
const NAMES: &[&str] = &[
    "share",
    "sharing",
    "sharedaddy",
    "addtoany",
    "social",
    "socials",
    "newsletter",
    "newsletters",
    "subscribe",
    "subscription",
    "signup",
    "related",
    "relatedposts",
    "recommended",
    "recommendations",
    "readmore",
    "comments",
    "commentlist",
    "disqus",
    "cookie",
    "cookies",
    "consent",
    "gdpr",
    "advert",
    "advertisement",
    "adsbygoogle",
    "ads",
    "sponsored",
    "breadcrumb",
    "breadcrumbs",
    "pagination",
    "popup",
    "modal",
    "paywall",
    "donate",
    "outbrain",
    "taboola",
    "trending",
    "sidebar",
    "skip",
    "screenreader",
    "toolbar",
    "follow",
    "authorbox",
    "bio",
    "tags",
    "tagcloud",
    "nextprev",
    "prevnext",
    "likes",
    "reactions",
    "promo",
    "cta",
    "meta",
];
fn is_called_furniture(node: &NodeRef<'_>) -> bool {
    if node.node_name().is_none_or(|name| {
        matches!(&*name, "body" | "html" | "article" | "main" | "p" | "img" | "figure" | "h1" | "h2")
    }) {
        return false;
    }
    let names = format!("{} {}", node.attr("class").unwrap_or_default(), node.attr("id").unwrap_or_default())
        .to_ascii_lowercase();
    names.split(|c: char| !c.is_alphanumeric()).any(|word| NAMES.contains(&word))
}
/// Whole names that only ever stand for what other readers or stories say, however long: unless a story is within.
fn is_surely_furniture(node: &NodeRef<'_>) -> bool {
    let class = node.attr("class").unwrap_or_default().to_ascii_lowercase();
    let id = node.attr("id").unwrap_or_default().to_ascii_lowercase();
    let is_named = class.split_whitespace().chain([id.as_str()]).any(|name| SURE_NAMES.contains(&name));
    let holds_story = |child: NodeRef<'_>| {
        child.has_name("h1")
            || child.has_name("article")
            || child.attr("itemprop").as_deref() == Some("articleBody")
    };
    is_named && !node.has_name("body") && !node.has_name("article") && !node.descendants_it().any(holds_story)
}

const SURE_NAMES: &[&str] = &[
    "comments",
    "comment-list",
    "commentlist",
    "comments-area",
    "comment-section",
    "disqus_thread",
    "respond",
    "related-posts",
    "related-articles",
    "jp-relatedposts",
    "newsletter-signup",
    "cookie-banner",
    "cookie-notice",
];

/// Whether an element is a box beside the story: little text in it, and no paragraph of a story's length.
fn is_box(node: &NodeRef<'_>) -> bool {
    let text = node.text();
    if text.trim().len() > LONGEST_BOX {
        // A long list of comments or of other stories is a box all the same.
        let linked: usize = node.find(&["a"]).iter().map(|link| link.text().len()).sum();
        return linked * 2 > text.trim().len();
    }
    // A story's paragraph is long, or has a neighbour that is no label either.
    let paragraphs = node.find(&["p"]);
    let lines =
        paragraphs.iter().map(node_text).filter(|line| line.len() > 80 && judge(line) == Verdict::Story);
    let lengths: Vec<usize> = lines.take(2).map(|line| line.len()).collect();
    lengths.len() < 2 && lengths.iter().all(|length| *length <= 250)
}
/// Removes furniture from a story's HTML: lines that are none of it, the title said again, and what comes after the end.
pub fn clear_story(html: &str, metadata: &Metadata) -> String {
    let story = Document::fragment(html);
    let total = story.text().len();
    let mut seen = 0;
    for node in story.select("p, li, h1, h2, h3, h4, h5, h6, div, span, td, time, address").nodes() {
        let is_leaf =
            !node.descendants_it().any(|child| child.node_name().is_some_and(|name| is_block(&name)));
        if !is_leaf || node.parent().is_none() {
            continue;
        }
        let line = fold(&node.text());
        let is_inline = node.node_name().is_some_and(|name| matches!(&*name, "span" | "time"));
        // A word within a paragraph is judged with its paragraph.
        if is_inline && node.parent().is_some_and(|parent| fold(&parent.text()).len() > line.len()) {
            continue;
        }
        seen += line.len();
        if node.descendants_it().any(|child| child.has_name("img")) {
            continue;
        }
        let is_early = seen * 3 < total || seen < 600;
        let is_head = is_early && (is_title(&line, metadata) || is_byline(&line, metadata));
        match judge(&line) {
            _ if is_head => node.remove_from_parent(),
            Verdict::Story => {}
            Verdict::Furniture => node.remove_from_parent(),
            Verdict::End if seen * 2 > total => {
                remove_from_here(node);
                break;
            }
            Verdict::End => node.remove_from_parent(),
        }
    }
    story
        .select("h1")
        .nodes()
        .iter()
        .filter(|node| is_title(&node.text(), metadata))
        .for_each(NodeRef::remove_from_parent);
    inner_html(&story)
}
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "li"
            | "ul"
            | "ol"
            | "div"
            | "table"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "figure"
            | "blockquote"
            | "section"
    )
}
/// Removes a node and all that follows it in the document.
fn remove_from_here(node: &NodeRef<'_>) {
    let mut levels: Vec<NodeRef<'_>> = vec![*node];
    levels.extend(node.ancestors_it(None));
    for level in levels {
        while let Some(next) = level.next_sibling() {
            next.remove_from_parent();
        }
    }
    node.remove_from_parent();
}
fn is_title(line: &str, metadata: &Metadata) -> bool {
    metadata.title.as_deref().is_some_and(|title| says_the_same(line, title))
}
/// A line at the head that only says who wrote it, or when.
fn is_byline(line: &str, metadata: &Metadata) -> bool {
    if line.chars().count() > 80 {
        return false;
    }
    let is_author = metadata.author.as_deref().is_some_and(|author| {
        let name = crate::sources::byline::name_of_person(line).unwrap_or_default();
        says_the_same(&name, author)
    });
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let is_date = letters < 40
        && line.split_whitespace().count() <= 8
        && crate::sources::dates::parse_date(line).is_some();
    is_author || is_date
}
