//! The elements that `feed-rs` gets of a feed: texts, links, names, labels and dates.

use std::fmt::Write as _;

use super::super::dialect::{Dates, Format};
use super::super::scan::{Scan, Tag, is_xml_char, read_inside};
use super::Writer;
use crate::sources::byline::name_of_person;
use crate::sources::text::to_line;

impl<'a> Writer<'a> {
    pub(super) fn write_element(&mut self, name: &str, attributes: &str, text: &str) {
        let _ = write!(self.xml, "<{name}{attributes}>");
        push_escaped(&mut self.xml, text);
        let _ = write!(self.xml, "</{name}>");
    }

    pub(super) fn write_text(&mut self, tag: &Tag<'a>, inside: &str) {
        let text = read_inside(inside);
        if text.trim().is_empty() {
            return;
        }
        let name = match tag.name {
            "encoded" => "content:encoded",
            // Atom's words within RSS, and RSS's within Atom.
            "summary" | "Description" if self.format == Format::Rss => "description",
            "content" if self.format == Format::Rss => "content:encoded",
            "description" if self.format == Format::Atom => "summary",
            "Title" => "title",
            name => name,
        };
        if self.format == Format::Rss {
            self.write_element(name, "", &text);
            return;
        }
        let kind = tag.attribute("type").unwrap_or_default().to_ascii_lowercase();
        let is_escaped = tag.attribute("mode").is_some_and(|mode| mode == "escaped");
        let is_markup =
            matches!(kind.as_str(), "html" | "xhtml" | "text/html" | "application/xhtml+xml") || is_escaped;
        // Elsewhere, or a picture in base64: nothing to read.
        if tag.attribute("src").is_some()
            || !(is_markup || matches!(kind.as_str(), "" | "text" | "text/plain"))
        {
            return;
        }
        self.write_element(name, if is_markup { " type=\"html\"" } else { " type=\"text\"" }, &text);
    }

    pub(super) fn write_link(&mut self, tag: &Tag<'a>, inside: &str) {
        let link = tag.attribute("href").unwrap_or_else(|| read_inside(inside));
        let Some(link) = self.absolute(&link) else { return };
        let relation = tag.attribute("rel").unwrap_or_else(|| "alternate".to_owned());
        let kind = tag.attribute("type").unwrap_or_default();
        if relation == "enclosure" {
            if kind.starts_with("image/") {
                self.note_image(Some(link.into()), (2, 0), tag.attribute("title"));
            } else {
                self.extra().enclosure.get_or_insert(link);
            }
        } else if relation == "alternate" {
            let is_page = kind.is_empty() || kind.contains("html");
            if self.has_link || (self.format == Format::Atom && !is_page) {
                return;
            }
            self.has_link = true;
            match self.format {
                // The channel's link is what an RSS feed's relative links are relative to.
                Format::Rss if self.extras.is_empty() => {
                    self.replace_base(link.clone());
                    self.write_element("link", "", link.as_str());
                }
                Format::Rss => self.write_element("link", "", link.as_str()),
                Format::Atom => {
                    let mut attributes = String::from(" rel=\"alternate\" href=\"");
                    push_escaped(&mut attributes, link.as_str());
                    attributes.push('"');
                    self.write_element("link", &attributes, "");
                }
            }
        }
    }

    /// An Atom person: `<name>`, `<email>`, `<uri>` within.
    pub(super) fn write_person(&mut self, inside: &str) {
        let scan = Scan::new(inside);
        let mut at = 0;
        while let Some(tag) = scan.next_tag(at, inside.len()) {
            at = tag.end;
            if tag.name == "name"
                && !tag.is_end
                && let Some(end) = scan.find_end(&tag, inside.len())
            {
                let name = read_inside(&inside[tag.end..end.start]);
                self.write_name(&name);
                return;
            }
        }
    }

    pub(super) fn write_name(&mut self, text: &str) {
        // Without the at sign `feed-rs` has no address to look for, and to cut wrongly.
        let Some(name) = name_of_person(&to_line(text)).filter(|name| !name.contains('@')) else { return };
        match self.format {
            Format::Rss => self.write_element("dc:creator", "", &name),
            Format::Atom => {
                self.xml.push_str("<author>");
                self.write_element("name", "", &name);
                self.xml.push_str("</author>");
            }
        }
    }

    pub(super) fn write_category(&mut self, text: &str) {
        let label = to_line(text);
        if label.is_empty() {
            return;
        }
        match self.format {
            Format::Rss => self.write_element("category", "", &label),
            Format::Atom => {
                let mut attributes = String::from(" term=\"");
                push_escaped(&mut attributes, &label);
                attributes.push('"');
                self.write_element("category", &attributes, "");
            }
        }
    }

    pub(super) fn write_dates(&mut self, dates: &Dates) {
        let names =
            if self.format == Format::Rss { ["pubDate", "updated"] } else { ["published", "updated"] };
        for (name, date) in names.into_iter().zip([&dates.published, &dates.updated]) {
            if let Some((_, date)) = date {
                self.write_element(name, "", date);
            }
        }
    }
}

fn push_escaped(xml: &mut String, text: &str) {
    for c in text.chars().filter(|c| is_xml_char(*c)) {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            c => xml.push(c),
        }
    }
}
