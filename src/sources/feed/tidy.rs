//! Brings an XML feed, whole or broken, of whatever dialect, into the plain RSS 2.0 or Atom that `feed-rs` reads.
//!
//! `feed-rs` gives up a whole feed for one bad tag, knows no RSS 0.90, 0.93 or Atom 0.3, cuts a title at its first
//! element, and panics on some names and durations. What it gets from here has no such thing: only the elements
//! below, well-formed, with absolute links, dates in RFC 3339 and names without addresses. What it has no place for
//! (images, languages, whether a GUID is a link) stands in [`Extras`], one for each item, in order.

mod elements;
mod pictures;

use std::collections::HashMap;
use std::sync::Arc;

use url::Url;

use self::pictures::Words;
use super::dialect::{Dates, Format, Space};
use super::scan::{Scan, Tag, read_inside};
use super::{Extras, LONGEST_BASE, LONGEST_LINK, MOST_READ};
use crate::domain::link::web_link;
use crate::sources::byline::name_of_person;
use crate::sources::text::to_line;

/// A feed as it is handed on.
pub struct Tidy {
    pub xml: String,
    pub extras: Vec<Extras>,
    /// What the feed says of its own language, where `feed-rs` does not look.
    pub language: Option<String>,
    /// How many items were cut off or broken beyond use.
    pub broken: usize,
    /// Items beyond [`MOST_READ`], which were only counted.
    pub older: usize,
    /// Whether the document ended before the feed did.
    pub is_cut_off: bool,
}

/// Reads an XML feed; None where there is no root element of a feed.
pub fn tidy(text: &str, base: &Url) -> Option<Tidy> {
    let scan = Scan::new(text);
    let root = find_root(&scan)?;
    let format = if matches!(root.name, "feed" | "entry") { Format::Atom } else { Format::Rss };
    let mut writer = Writer::new(scan, format, base);
    writer.learn_spaces(&root);
    writer.language = root.attribute("xml:lang");
    writer.push_base(&root);
    let start = if matches!(root.name, "entry" | "channel") { root.start } else { root.end };
    writer.read_feed(start);
    Some(writer.finish())
}

/// The first element that a feed can begin with; anything before it is junk, unless the document is a web page.
fn find_root<'a>(scan: &Scan<'a>) -> Option<Tag<'a>> {
    let mut at = 0;
    while let Some(tag) = scan.next_tag(at, scan.text.len()) {
        at = tag.end;
        if !tag.is_end && matches!(tag.name, "rss" | "feed" | "RDF" | "rdf" | "RSS" | "channel" | "entry") {
            return Some(tag);
        }
        if tag.name.eq_ignore_ascii_case("html") {
            return None;
        }
    }
    None
}

struct Writer<'a> {
    scan: Scan<'a>,
    format: Format,
    spaces: HashMap<&'a str, Space>,
    /// What links are relative to: the document's address, and what `xml:base` said since.
    bases: Vec<Arc<Url>>,
    xml: String,
    extras: Vec<Extras>,
    language: Option<String>,
    broken: usize,
    older: usize,
    /// Whether the item at hand has its link, or outside of items the feed: one is enough.
    has_link: bool,
    /// Elements whose end was not found; from so many on, none is looked for.
    unclosed: usize,
    is_ended: bool,
    /// What the item at hand says of its pictures.
    words: Words,
}

/// A document with more unclosed elements than this is no feed; each costs a search to the end.
const MOST_UNCLOSED: usize = 64;

impl<'a> Writer<'a> {
    fn new(scan: Scan<'a>, format: Format, base: &Url) -> Self {
        let xml = match format {
            Format::Rss => "<rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
                            xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel>"
                .to_owned(),
            Format::Atom => "<feed xmlns=\"http://www.w3.org/2005/Atom\">".to_owned(),
        };
        let bases = vec![Arc::new(base.clone())];
        let extras = Vec::new();
        Self {
            scan,
            format,
            spaces: HashMap::new(),
            bases,
            xml,
            extras,
            language: None,
            broken: 0,
            older: 0,
            has_link: false,
            unclosed: 0,
            is_ended: false,
            words: Words::default(),
        }
    }

    fn finish(mut self) -> Tidy {
        self.xml.push_str(if self.format == Format::Rss { "</channel></rss>" } else { "</feed>" });
        let is_cut_off = !self.is_ended;
        Tidy {
            xml: self.xml,
            extras: self.extras,
            language: self.language,
            broken: self.broken,
            older: self.older,
            is_cut_off,
        }
    }

    fn base(&self) -> &Arc<Url> {
        self.bases.last().expect("the document's own address stays at the bottom")
    }

    fn push_base(&mut self, tag: &Tag<'a>) -> bool {
        let base = self.stated_base(tag);
        base.is_some_and(|base| {
            self.bases.push(Arc::new(base));
            true
        })
    }

    fn stated_base(&self, tag: &Tag<'a>) -> Option<Url> {
        let base = self.base().join(&tag.attribute("xml:base")?).ok()?;
        (base.as_str().len() <= LONGEST_BASE).then_some(base)
    }

    /// Takes the place of the base at hand, for an element that is never left.
    fn replace_base(&mut self, base: Url) {
        if base.as_str().len() <= LONGEST_BASE {
            *self.bases.last_mut().expect("the document's own address stays at the bottom") = Arc::new(base);
        }
    }

    /// The prefixes that an element declares. Scopes are not kept: no feed uses one prefix for two things.
    fn learn_spaces(&mut self, tag: &Tag<'a>) {
        for (name, value) in tag.attributes() {
            if let Some(prefix) = name.strip_prefix("xmlns:") {
                let space = Space::of_uri(&value, self.format);
                self.spaces.insert(prefix, space);
            }
        }
    }

    fn space(&self, tag: &Tag<'a>) -> Space {
        if tag.prefix.is_empty() {
            let own = tag.attribute("xmlns").map(|uri| Space::of_uri(&uri, self.format));
            return own.unwrap_or(Space::Core);
        }
        let declared = self.spaces.get(tag.prefix).copied();
        declared.unwrap_or_else(|| Space::of_prefix(tag.prefix, self.format))
    }

    /// The feed's own elements and its items, wherever they stand: RSS 1.0 has items beside the channel.
    fn read_feed(&mut self, start: usize) {
        let whole = self.scan.text.len();
        let mut at = start;
        while let Some(tag) = self.scan.next_tag(at, whole) {
            at = tag.end;
            if tag.is_end {
                self.is_ended |= matches!(tag.name, "rss" | "feed" | "RDF" | "channel" | "RSS" | "rdf");
                continue;
            }
            self.learn_spaces(&tag);
            match (self.space(&tag), tag.name) {
                (Space::Core, "item" | "entry") if !tag.is_empty => at = self.read_item(&tag),
                (Space::Core, "channel") => {
                    if let Some(base) = self.stated_base(&tag) {
                        self.replace_base(base);
                    }
                }
                _ if tag.is_empty => self.write_feed_element(&tag, ""),
                _ => {
                    let Some((inside, after)) = self.inside(&tag, whole) else { continue };
                    self.write_feed_element(&tag, inside);
                    at = after;
                }
            }
        }
    }

    /// What an element holds, and the place after it; None if it is never closed.
    fn inside(&mut self, tag: &Tag<'a>, limit: usize) -> Option<(&'a str, usize)> {
        if self.unclosed > MOST_UNCLOSED {
            return None;
        }
        match self.scan.find_end(tag, limit) {
            Some(end) => Some((&self.scan.text[tag.end..end.start], end.end)),
            None => {
                self.unclosed += 1;
                None
            }
        }
    }

    fn write_feed_element(&mut self, tag: &Tag<'a>, inside: &str) {
        match (self.space(tag), tag.name.to_ascii_lowercase().as_str()) {
            (Space::Core, "title") => self.write_text(tag, inside),
            (Space::Core | Space::Atom, "link") => self.write_link(tag, inside),
            (Space::Core | Space::Dc, "language") => self.language = Some(read_inside(inside)),
            (Space::Core, "author") if self.format == Format::Atom => self.write_person(inside),
            _ => {}
        }
    }

    /// One item; gives the place after it. An item that is cut off is left out: its link may be half a link.
    fn read_item(&mut self, start: &Tag<'a>) -> usize {
        let (limit, after, is_whole) = self.item_end(start);
        if !is_whole {
            self.broken += 1;
            return after;
        }
        if self.extras.len() >= MOST_READ {
            self.older += 1;
            return after;
        }
        let feed_has_link = std::mem::take(&mut self.has_link);
        let has_base = self.push_base(start);
        let language = start.attribute("xml:lang");
        let about = start.attribute("rdf:about").and_then(|link| self.absolute(&link));
        self.extras.push(Extras {
            language,
            about,
            base: Some(Arc::clone(self.base())),
            ..Extras::default()
        });
        self.xml.push_str(if self.format == Format::Rss { "<item>" } else { "<entry>" });
        self.unclosed = 0;
        let mut dates = Dates::default();
        let mut at = start.end;
        while let Some(tag) = self.scan.next_tag(at, limit) {
            at = tag.end;
            if tag.is_end {
                if tag.name == "content" && self.space(&tag) == Space::Media {
                    self.leave_media();
                }
                continue;
            }
            self.learn_spaces(&tag);
            let space = self.space(&tag);
            // Containers of media are opened: what counts stands within.
            if space == Space::Media && matches!(tag.name, "group" | "content") {
                self.note_media(&tag);
                continue;
            }
            let inside = if tag.is_empty { Some(("", tag.end)) } else { self.inside(&tag, limit) };
            let Some((inside, after)) = inside else { continue };
            at = after;
            let has_own_base = self.push_base(&tag);
            self.write_item_element(space, &tag, inside, &mut dates);
            if has_own_base {
                self.bases.pop();
            }
        }
        self.write_dates(&dates);
        self.write_alt();
        self.xml.push_str(if self.format == Format::Rss { "</item>" } else { "</entry>" });
        if has_base {
            self.bases.pop();
        }
        self.has_link = feed_has_link;
        after
    }

    /// Where an item's content ends, where the next thing begins, and whether the item was whole: it ends with its
    /// end tag, or where the next item begins.
    fn item_end(&self, start: &Tag<'a>) -> (usize, usize, bool) {
        let whole = self.scan.text.len();
        let mut at = start.end;
        while let Some(tag) = self.scan.next_tag(at, whole) {
            if tag.name == start.name && tag.prefix == start.prefix {
                return if tag.is_end { (tag.start, tag.end, true) } else { (tag.start, tag.start, true) };
            }
            if tag.is_end && matches!(tag.name, "channel" | "rss" | "feed" | "RDF") && tag.prefix != "media" {
                return (tag.start, tag.start, true);
            }
            at = tag.end;
        }
        (whole, whole, false)
    }

    fn write_item_element(&mut self, space: Space, tag: &Tag<'a>, inside: &str, dates: &mut Dates) {
        let name = tag.name.to_ascii_lowercase();
        match (space, name.as_str()) {
            (Space::Core, "title" | "description" | "summary" | "content") | (Space::Content, "encoded") => {
                self.write_text(tag, inside);
                if matches!(name.as_str(), "content" | "encoded") {
                    self.extra().base = Some(Arc::clone(self.base()));
                }
            }
            (Space::Media, "title") => self.note_media_words("title", inside),
            (Space::Dc, "description") | (Space::Itunes | Space::Media, "summary" | "description") => {
                if space == Space::Media {
                    self.note_media_words("description", inside);
                }
                let text = read_inside(inside);
                let longest = self.extra().description.as_ref().map_or(0, String::len);
                if text.len() > longest {
                    self.extra().description = Some(text);
                }
            }
            (Space::Core | Space::Atom, "link") => self.write_link(tag, inside),
            (Space::FeedBurner, "origlink") => {
                self.extra().original_link = self.absolute(&read_inside(inside))
            }
            (Space::Core, "guid" | "id") => {
                let guid = read_inside(inside).trim().to_owned();
                self.extra().guid_is_link = tag.attribute("isPermaLink").is_none_or(|value| value != "false");
                let name = if self.format == Format::Rss { "guid" } else { "id" };
                self.write_element(name, "", &guid);
            }
            (Space::Core | Space::Atom, "author" | "contributor")
                if inside.contains('<') && !inside.contains("<![CDATA[") =>
            {
                if name == "author" {
                    self.write_person(inside);
                }
            }
            (Space::Core, "author") | (Space::Dc, "creator") => self.write_name(&read_inside(inside)),
            (Space::Itunes, "author") => self.extra().author = name_of_person(&to_line(&read_inside(inside))),
            (Space::Core, "category") | (Space::Dc, "subject") => {
                let label = tag.attribute("label").or_else(|| tag.attribute("term"));
                self.write_category(&label.unwrap_or_else(|| read_inside(inside)));
            }
            (Space::Dc | Space::DcTerms, "language") => self.extra().language = Some(read_inside(inside)),
            (Space::Core, "enclosure") => self.note_enclosure(tag),
            (Space::Media, "thumbnail") => self.note_thumbnail(tag),
            (Space::Itunes, "image") => {
                self.note_image(tag.attribute("href"), (1, 0), None);
            }
            (Space::Core, "image") => self.note_item_image(inside),
            _ => dates.note(space, &name, inside),
        }
    }

    fn extra(&mut self) -> &mut Extras {
        if self.extras.is_empty() {
            self.extras.push(Extras::default());
        }
        self.extras.last_mut().expect("there is at least one")
    }

    fn absolute(&self, link: &str) -> Option<Url> {
        let link = link.trim();
        if link.is_empty() {
            return None;
        }
        let link = self.base().join(link).ok().and_then(web_link)?;
        (link.as_str().len() <= LONGEST_LINK).then_some(link)
    }
}
