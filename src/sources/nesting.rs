//! How deep HTML nests, told without parsing it.
//!
//! An HTML parser walks its stack of open elements at every tag, so that a page of 100,000 nested `<div>`s costs 10^10
//! steps, and whatever recurses over the tree afterwards overflows the stack. [`is_too_deep`] finds such a page in one
//! pass. It keeps a stack like the parser's, roughly: where the parser would close more it may count too many, never
//! far too few.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The deepest tree that is parsed. Browsers (Blink) stop at 512 themselves; news pages reach 30 to 60.
pub const DEEPEST: usize = 512;

struct Open<'a> {
    name: &'a str,
    /// Tells `<font color=red>` from `<font color=blue>`.
    tag: u64,
}

/// Whether a document nests deeper than [`DEEPEST`] elements.
pub fn is_too_deep(html: &str) -> bool {
    let mut stack: Vec<Open<'_>> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end..]);
            continue;
        }
        let (is_closing, inside) = rest.strip_prefix('/').map_or((false, rest), |inside| (true, inside));
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let tag = &inside[..end_of_tag(inside)];
        let name_end = tag.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(tag.len());
        let name = &tag[..name_end];
        rest = &inside[tag.len()..];
        if is_closing {
            close(&mut stack, name);
        } else if is_one_of(name, &RAW_TEXT) {
            rest = skip_raw_text(rest, name);
        } else if !is_one_of(name, &VOID) {
            open(&mut stack, name, tag);
            if stack.len() > DEEPEST {
                return true;
            }
        }
    }
    false
}

const VOID: [&str; 16] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "html", "body",
];
const RAW_TEXT: [&str; 7] = ["script", "style", "textarea", "title", "xmp", "noframes", "iframe"];
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements whose start ends an open one of the same group, as far as only members of groups above it in this list
/// lie between: anything for a part of a table, only `<p>` for the others.
const ENDED_BY_NEXT: [&[&str]; 7] = [
    &["p"],
    &["option", "optgroup", "rt", "rp"],
    &["li"],
    &["dd", "dt"],
    &["td", "th"],
    &["tr"],
    &["tbody", "thead", "tfoot"],
];

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// The length of a tag up to its `>`, which may stand in a quoted value.
fn end_of_tag(tag: &str) -> usize {
    let mut quote = None;
    for (index, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return index,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // An open quote swallows the rest for us as for the parser; without one the tag ends with the text.
    tag.len()
}

fn skip_raw_text<'a>(rest: &'a str, name: &str) -> &'a str {
    let mut after = rest;
    while let Some(at) = after.find("</") {
        after = &after[at + 2..];
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after;
        }
    }
    ""
}

fn open<'a>(stack: &mut Vec<Open<'a>>, name: &'a str, tag: &str) {
    if let Some(group) = ENDED_BY_NEXT.iter().position(|names| is_one_of(name, names)) {
        let passes = if group < 4 { group.min(1) } else { group };
        let passed =
            |open: &Open<'_>| ENDED_BY_NEXT[..passes].iter().any(|names| is_one_of(open.name, names));
        let kept = stack.iter().rposition(|open| !passed(open)).map_or(0, |index| index + 1);
        if kept > 0 && is_one_of(stack[kept - 1].name, ENDED_BY_NEXT[group]) {
            stack.truncate(kept - 1);
        }
    }
    let mut hasher = DefaultHasher::new();
    tag.hash(&mut hasher);
    stack.push(Open { name, tag: hasher.finish() });
}

/// Closes the innermost element of that name. Formatting elements within stay: the parser opens them again, though
/// no more than three alike (HTML §13.2.4.3, "Noah's Ark").
fn close(stack: &mut Vec<Open<'_>>, name: &str) {
    let Some(at) = stack.iter().rposition(|open| open.name.eq_ignore_ascii_case(name)) else { return };
    let within = stack.split_off(at);
    for open in within.into_iter().skip(1).filter(|open| is_one_of(open.name, &FORMATTING)) {
        if stack.iter().filter(|other| other.tag == open.tag).count() < 3 {
            stack.push(open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tower_of_elements_is_too_deep() {
        for tower in [
            "<div>".repeat(100_000),
            "<b>".repeat(600),
            "<table><tr><td>".repeat(600),
            "<dd><li>".repeat(600),
            "<DIV CLASS='a>b'>".repeat(600),
            (0..600).map(|index| format!("<div><font size={index}></div>")).collect(),
            (0..600).map(|index| format!("<b><i class={index}></b>")).collect(),
        ] {
            assert!(is_too_deep(&tower), "{}", &tower[..60]);
        }
    }

    #[test]
    fn a_long_page_is_not_deep() {
        for page in [
            "<p>one<p>two".repeat(10_000),
            "<ul><li>one<li>two</ul>".repeat(10_000),
            "<li><p>one<li>two".repeat(10_000),
            "<dt>one<dd><p>two".repeat(10_000),
            "<tr><td>one<td>two".repeat(10_000),
            "<div><br><img src='a'><b>x</b></div>".repeat(10_000),
            "<div><b>never closed</div>".repeat(10_000),
            "<script>'<div><div>'</script>".repeat(10_000),
            "<!-- <div> -->".repeat(10_000),
            "1 < 2 <3 <".repeat(10_000),
        ] {
            assert!(!is_too_deep(&page), "{}", &page[..30]);
        }
    }
}
