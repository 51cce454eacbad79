//! How deep HTML nests, told without parsing it.
//!
//! An HTML parser walks its stack of open elements at every tag, so that a page of 100,000 nested `<div>`s costs 10^10
//! steps, and whatever recurses over the tree afterwards overflows the stack. [`is_deeper`] finds such a page in one
//! pass. It keeps a stack like the parser's (HTML, §13.2.6): where it is not sure that the parser would close an element,
//! it stays open, so that it may count too many and does not count too few.

use std::hash::{DefaultHasher, Hash, Hasher};

struct Open<'a> {
    name: &'a str,
    /// Tells `<font color=red>` from `<font color=blue>`.
    tag: u64,
}

/// Whether a document nests deeper than so many elements.
pub fn is_deeper(html: &str, most: usize) -> bool {
    let mut stack: Vec<Open<'_>> = Vec::new();
    let mut rest = html;
    // Up to where what looks like an end may be text to the parser: this many octets before the end of the document.
    let mut sure_from = html.len();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = behind_comment(comment);
            continue;
        }
        if let Some(text) = rest.strip_prefix("![CDATA[") {
            let end = text.find("]]>").map_or(0, |end| text.len() - end);
            sure_from = sure_from.min(end);
            continue;
        }
        let (is_closing, inside) = rest.strip_prefix('/').map_or((false, rest), |inside| (true, inside));
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let tag = &inside[..end_of_tag(inside)];
        let name_end = tag.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(tag.len());
        let name = &tag[..name_end];
        let is_sure = rest.len() <= sure_from;
        rest = &inside[tag.len()..];
        if is_closing {
            if is_sure {
                close(&mut stack, name);
            }
        } else if is_one_of(name, &RAW_TEXT) && !is_foreign(&stack) {
            rest = skip_raw_text(rest, name);
        } else if !is_one_of(name, &VOID) {
            if is_one_of(name, &RAW_TEXT) {
                // An element like others within SVG, and raw text where the parser has left that.
                sure_from = sure_from.min(skip_raw_text(rest, name).len() + 1);
            }
            open(&mut stack, name, tag);
            if stack.len() > most {
                return true;
            }
        }
    }
    false
}

/// `<!-->` and `<!--->` are whole comments, and `--!>` ends one, too.
fn behind_comment(comment: &str) -> &str {
    if let Some(rest) = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->")) {
        return rest;
    }
    let ends = ["-->", "--!>"].iter().filter_map(|end| comment.find(end));
    ends.min().map_or("", |end| &comment[end..])
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
const ENDED_BY_NEXT: [&[&str]; 6] =
    [&["p"], &["li"], &["dd", "dt"], &["td", "th"], &["tr"], &["tbody", "thead", "tfoot"]];
const TABLE_PARTS: [&str; 9] = ["table", "caption", "colgroup", "tbody", "thead", "tfoot", "tr", "td", "th"];
/// Elements that the end of one outside them does not reach.
const SCOPES: [&str; 16] = [
    "applet",
    "caption",
    "table",
    "td",
    "th",
    "marquee",
    "object",
    "template",
    "foreignobject",
    "desc",
    "mi",
    "mo",
    "mn",
    "ms",
    "mtext",
    "annotation-xml",
];
/// Elements that the end of one which is neither of these nor formatting does not close.
const SPECIAL: [&str; 56] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "button",
    "center",
    "colgroup",
    "dd",
    "details",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "li",
    "listing",
    "main",
    "menu",
    "nav",
    "noembed",
    "noscript",
    "ol",
    "p",
    "plaintext",
    "pre",
    "search",
    "section",
    "select",
    "summary",
    "tbody",
    "tfoot",
    "thead",
    "tr",
    "ul",
    "svg",
    "math",
    "script",
    "style",
    "textarea",
    "title",
    "iframe",
    "xmp",
];

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// The length of a tag up to its `>`, which may stand in a quoted value.
pub fn end_of_tag(tag: &str) -> usize {
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

/// Whether the parser may be within SVG or MathML, where elements are others.
fn is_foreign(stack: &[Open<'_>]) -> bool {
    stack.iter().any(|open| is_one_of(open.name, &["svg", "math"]))
}

fn open<'a>(stack: &mut Vec<Open<'a>>, name: &'a str, tag: &str) {
    if !is_foreign(stack) {
        let is_part = is_one_of(name, &TABLE_PARTS[1..]);
        if is_part && !stack.iter().any(|open| is_one_of(open.name, &["table"])) {
            // The parser takes no part of a table outside one.
            return;
        }
        end_by_next(stack, name);
    }
    let mut hasher = DefaultHasher::new();
    tag.hash(&mut hasher);
    stack.push(Open { name, tag: hasher.finish() });
}

fn end_by_next(stack: &mut Vec<Open<'_>>, name: &str) {
    let last = stack.last().map_or("", |open| open.name);
    if is_one_of(name, &["option", "optgroup"]) {
        if is_one_of(last, &["option"]) {
            stack.pop();
        }
    } else if is_one_of(name, &["rt", "rp"]) {
        let within = stack.len().checked_sub(2).map_or("", |place| stack[place].name);
        if is_one_of(last, &["rt", "rp"]) && is_one_of(within, &["ruby"]) {
            stack.pop();
        }
    } else if let Some(group) = ENDED_BY_NEXT.iter().position(|names| is_one_of(name, names)) {
        let passes = if group < 3 { group.min(1) } else { group };
        let passed =
            |open: &Open<'_>| ENDED_BY_NEXT[..passes].iter().any(|names| is_one_of(open.name, names));
        let kept = stack.iter().rposition(|open| !passed(open)).map_or(0, |index| index + 1);
        if kept > 0 && is_one_of(stack[kept - 1].name, ENDED_BY_NEXT[group]) {
            stack.truncate(kept - 1);
        }
    }
}

/// Closes the innermost element of that name, where the parser does. Formatting elements within stay: the parser opens
/// them again, though no more than three alike (HTML §13.2.4.3, "Noah's Ark").
fn close(stack: &mut Vec<Open<'_>>, name: &str) {
    let Some(at) = stack.iter().rposition(|open| open.name.eq_ignore_ascii_case(name)) else { return };
    let is_within = |names: &[&str]| stack[at + 1..].iter().any(|open| is_one_of(open.name, names));
    let is_out_of_reach = match () {
        () if is_one_of(name, &TABLE_PARTS) => is_within(&["table", "template"]),
        () if is_one_of(name, &["template"]) => false,
        () if is_one_of(name, &["p"]) => is_within(&SCOPES) || is_within(&["button"]),
        () if is_one_of(name, &["li"]) => is_within(&SCOPES) || is_within(&["ol", "ul"]),
        () if is_one_of(name, &SPECIAL) || is_one_of(name, &FORMATTING) => is_within(&SCOPES),
        () => is_within(&SCOPES) || is_within(&SPECIAL),
    };
    if is_out_of_reach {
        return;
    }
    // These go alone, and what stands in them stays open.
    if is_one_of(name, &["form"]) || (is_one_of(name, &FORMATTING) && is_within(&SPECIAL)) {
        stack.remove(at);
        return;
    }
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

    fn is_too_deep(html: &str) -> bool {
        is_deeper(html, 512)
    }

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
            // Ends which the parser does not take for one, or not for that of so much.
            format!("<!-->{}", "<div>".repeat(600)),
            format!("<!--->{}", "<div>".repeat(600)),
            format!("<!-- --!>{}", "<div>".repeat(600)),
            "<div/>".repeat(600),
            "<div></i>".repeat(600),
            "<span><div></span>".repeat(600),
            "<b><div></b>".repeat(600),
            "<form><div></form>".repeat(600),
            "<div><table><tr><td></div>".repeat(600),
            "<p><button></p>".repeat(600),
            "<rt>".repeat(600),
            "<option><p>".repeat(600),
            "<td><dd><li>".repeat(600),
            format!("<svg>{}", "<g><![CDATA[</g>]]>".repeat(600)),
            format!("<svg>{}", "<td>".repeat(600)),
            format!("<svg><title>{}", "<div>".repeat(600)),
            "<svg><div><style></div></svg></style>".repeat(600),
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
            "<svg viewBox='0 0 1 1'><title>a</title><style>.a{}</style><path d='M0'/><g><a><use/></a></g></svg>"
                .repeat(10),
            "<form><p>one</p><select><option>a<option>b</select></form>".repeat(10_000),
            "<table><thead><tr><th>a<tbody><tr><td><p>a<ul><li>b</ul><td><a href='x'>b</a></table>".repeat(1_000),
            "<ruby>a<rt>b<rt>c</ruby>".repeat(10_000),
            "<h2><a href='x'><span>a</span></a></h2><article><b><p>a</b></article>".repeat(1_000),
            "<!-- <div> -->".repeat(10_000),
            "1 < 2 <3 <".repeat(10_000),
        ] {
            assert!(!is_too_deep(&page), "{}", &page[..30]);
        }
    }
}
