//! Reads markup that may be broken: tags, attributes and text, without ever failing.
//!
//! A feed that an XML parser refuses (a stray `&`, a tag never closed, a document cut off) still has stories in it.
//! Nothing here expands an entity of the document's own or follows a DTD.

use std::cell::Cell;

/// A start or end tag, `<a:link href="x"/>`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tag<'a> {
    /// Without prefix: `link`.
    pub name: &'a str,
    /// `a`, or empty.
    pub prefix: &'a str,
    /// What follows the name, up to the `>`.
    attributes: &'a str,
    pub is_end: bool,
    /// `<br/>`: has no end tag.
    pub is_empty: bool,
    /// Where the tag begins, and where the text after it does, in bytes.
    pub start: usize,
    pub end: usize,
}

/// A document that is read from its beginning to its end.
pub struct Scan<'a> {
    pub text: &'a str,
    /// Where an end of a comment or CDATA section was looked for in vain: it need not be looked for again.
    no_comment_end: Cell<bool>,
    no_cdata_end: Cell<bool>,
    no_doctype_end: Cell<bool>,
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            no_comment_end: Cell::new(false),
            no_cdata_end: Cell::new(false),
            no_doctype_end: Cell::new(false),
        }
    }

    /// The next tag at or after `from` that begins before `limit`, comments, CDATA sections, declarations and
    /// processing instructions skipped.
    pub fn next_tag(&self, from: usize, limit: usize) -> Option<Tag<'a>> {
        let mut at = from;
        loop {
            at += self.text.get(at..limit)?.find('<')?;
            let rest = &self.text[at..];
            if rest.starts_with("<!--") {
                at = self.after(at + 4, "-->", &self.no_comment_end);
            } else if rest.starts_with("<![CDATA[") {
                at = self.after(at + 9, "]]>", &self.no_cdata_end);
            } else if rest.starts_with("<!") {
                at += self.doctype_length(rest);
            } else if rest.starts_with("<?") {
                at += rest.find('>').map_or(rest.len(), |end| end + 1);
            } else if let Some(tag) = read_tag(rest, at) {
                return Some(tag);
            } else {
                at += 1;
            }
            if at >= limit {
                return None;
            }
        }
    }

    /// The place after `end`; where there is none, `from`: then what began is read as text.
    fn after(&self, from: usize, end: &str, missing: &Cell<bool>) -> usize {
        if missing.get() {
            return from;
        }
        if let Some(found) = self.text[from..].find(end) {
            from + found + end.len()
        } else {
            missing.set(true);
            from
        }
    }

    /// `<!DOCTYPE … [ … ]>`: to the end of its internal part, if it has one.
    fn doctype_length(&self, rest: &str) -> usize {
        let close = rest.find('>').map_or(rest.len(), |close| close + 1);
        let Some(open) = rest[..close].find('[').filter(|_| !self.no_doctype_end.get()) else { return close };
        // Declarations within end with `>` too; a DTD of more than 64 KB is an attack.
        let limit = rest.floor_char_boundary(open + 64 * 1024);
        if let Some(end) = rest[open..limit].find("]>") {
            return open + end + 2;
        }
        self.no_doctype_end.set(true);
        close
    }

    /// The first end tag of `start`'s name before `limit`, outside comments and CDATA sections: no element that feeds
    /// are read for holds another of its name.
    pub fn find_end(&self, start: &Tag<'a>, limit: usize) -> Option<Tag<'a>> {
        let colon = if start.prefix.is_empty() { "" } else { ":" };
        let wanted = format!("</{}{colon}{}", start.prefix, start.name);
        if !self.text.get(start.end..limit)?.contains(&wanted) {
            return None;
        }
        let mut at = start.end;
        loop {
            at += self.text.get(at..limit)?.find('<')?;
            let rest = &self.text[at..];
            if rest.starts_with("<![CDATA[") {
                at = self.after(at + 9, "]]>", &self.no_cdata_end);
            } else if rest.starts_with("<!--") {
                at = self.after(at + 4, "-->", &self.no_comment_end);
            } else {
                let is_wanted = rest.starts_with(&wanted);
                let end = is_wanted.then(|| read_tag(rest, at)).flatten();
                if let Some(end) = end.filter(|end| end.name == start.name) {
                    return Some(end);
                }
                at += 1;
            }
        }
    }
}

fn read_tag(rest: &str, start: usize) -> Option<Tag<'_>> {
    let (is_end, inside) = rest[1..].strip_prefix('/').map_or((false, &rest[1..]), |inside| (true, inside));
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.');
    if !inside.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let name_end = inside.find(|c| !is_name(c)).unwrap_or(inside.len());
    let (prefix, name) = inside[..name_end].split_once(':').unwrap_or(("", &inside[..name_end]));
    let length = tag_length(&inside[name_end..])?;
    let attributes = &inside[name_end..name_end + length];
    let is_empty = attributes.ends_with('/');
    let end = start + (rest.len() - inside.len()) + name_end + length + 1;
    Some(Tag { name, prefix, attributes: attributes.trim_end_matches('/'), is_end, is_empty, start, end })
}

/// The length up to `>`, which may stand in a quoted value; None for a tag that is cut off or longer than 64 KB.
fn tag_length(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in rest.bytes().enumerate().take(64 * 1024) {
        match (quote, byte) {
            (None, b'>') => return Some(index),
            // A tag within a tag: this one was never closed.
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

impl<'a> Tag<'a> {
    /// The attributes by full name (`xml:base`), entities resolved.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, String)> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            rest = rest.trim_start();
            let name_end = rest.find(|c: char| c == '=' || c.is_whitespace())?;
            let (name, after) = rest.split_at(name_end);
            let Some(value) = after.trim_start().strip_prefix('=') else {
                rest = after;
                return Some((name, String::new()));
            };
            let value = value.trim_start();
            let (value, after) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            rest = after;
            Some((name, resolve_entities(value)))
        })
    }

    /// One attribute by its full name; empty values count as absent.
    pub fn attribute(&self, wanted: &str) -> Option<String> {
        let found = self.attributes().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// What an element holds, as HTML or text: entities resolved once and CDATA opened; where it holds elements, as they
/// are written.
pub fn read_inside(inside: &str) -> String {
    let scan = Scan::new(inside);
    let has_elements = scan.next_tag(0, inside.len()).is_some();
    let mut content = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find("<![CDATA[") {
        push_text(&mut content, &rest[..at], has_elements);
        rest = &rest[at + 9..];
        let (literal, after) = rest.split_once("]]>").unwrap_or((rest, ""));
        content.push_str(literal);
        rest = after;
    }
    push_text(&mut content, rest, has_elements);
    content
}

fn push_text(content: &mut String, text: &str, is_markup: bool) {
    if is_markup {
        content.push_str(text);
    } else {
        content.push_str(&resolve_entities(text));
    }
}

/// Resolves numeric references and XML's five entities. Others (`&nbsp;`) stay: HTML's are resolved where the text is
/// read as HTML, and a document's own are never.
pub fn resolve_entities(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        resolved.push_str(&rest[..at]);
        rest = &rest[at..];
        // The longest reference is &#1114111;
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((end, resolve_entity(&rest[1..end])?))) {
            Some((end, c)) => {
                resolved.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                resolved.push('&');
                rest = &rest[1..];
            }
        }
    }
    resolved.push_str(rest);
    resolved
}

fn resolve_entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            let code = hex.map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16)).ok()?;
            char::from_u32(code).filter(|c| is_xml_char(*c))
        }
    }
}

/// XML 1.0 §2.2: control characters have no place in XML, even escaped.
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        let scan = Scan::new(text);
        let mut at = 0;
        let mut names = Vec::new();
        while let Some(tag) = scan.next_tag(at, text.len()) {
            at = tag.end;
            names.push(format!(
                "{}{}{}",
                if tag.is_end { "/" } else { "" },
                tag.name,
                if tag.is_empty { "/" } else { "" }
            ));
        }
        names
    }

    #[test]
    fn tags_are_found_in_good_and_bad_markup() {
        assert_eq!(names("<a><b x='>'/>text</a>"), ["a", "b/", "/a"]);
        assert_eq!(names("<!DOCTYPE a [<!ENTITY x \"<y>\">]><?xml?><!-- <c> --><![CDATA[<d>]]><a>"), ["a"]);
        assert_eq!(names("1 < 2 <3 <a <b> & </b"), ["b"]);
        assert_eq!(names("<![CDATA[ never closed <a>"), ["a"]);
    }

    #[test]
    fn attributes_are_read_quoted_or_not() {
        let text = "<a b=\"1 &amp; 2\" c='3' d=4 e f = '5'/>";
        let tag = Scan::new(text).next_tag(0, text.len()).expect("a tag");
        let expected = [("b", "1 & 2"), ("c", "3"), ("d", "4"), ("e", ""), ("f", "5")];
        assert_eq!(
            tag.attributes().collect::<Vec<_>>(),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn the_inside_is_resolved_once() {
        assert_eq!(read_inside("a &amp;amp; &#233; &nbsp; &bad & b"), "a &amp; é &nbsp; &bad & b");
        assert_eq!(read_inside("x <![CDATA[<b>&amp;</b>]]> &lt;y"), "x <b>&amp;</b> <y");
        assert_eq!(read_inside("<b>a &lt; b</b>"), "<b>a &lt; b</b>");
        assert_eq!(read_inside("&#0;&#x1F;&#xD800;"), "&#0;&#x1F;&#xD800;");
    }

    proptest! {
        #[test]
        fn any_text_can_be_scanned(text in "([<>/=!?&;\"'\\[\\]a:-]|<!\\[CDATA\\[|\\]\\]>|<!--|-->|é|&#){0,60}") {
            names(&text);
            read_inside(&text);
            if let Some(tag) = Scan::new(&text).next_tag(0, text.len()) {
                tag.attributes().for_each(drop);
            }
        }
    }
}
