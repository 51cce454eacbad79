//! The dialects of XML feeds: what their names mean, and which of their dates counts.

use super::scan::read_inside;
use crate::sources::dates::parse_date;
use crate::sources::text::to_line;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Rss,
    Atom,
}

/// What a prefix stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The feed's own language: RSS in an RSS feed, Atom in an Atom feed.
    Core,
    /// Atom within RSS.
    Atom,
    Content,
    Dc,
    DcTerms,
    Media,
    Itunes,
    FeedBurner,
    Other,
}

impl Space {
    /// What a namespace means, in the spellings that are met (`https` for `http`, with or without a slash).
    pub fn of_uri(uri: &str, format: Format) -> Self {
        let uri = uri.trim().to_ascii_lowercase().replace("https://", "http://");
        match uri.trim_end_matches(['/', '#']) {
            "http://www.w3.org/2005/atom" | "http://purl.org/atom/ns" if format == Format::Rss => Self::Atom,
            "http://www.w3.org/2005/atom" | "http://purl.org/atom/ns" | "http://purl.org/rss/1.0" => {
                Self::Core
            }
            uri if uri.contains("netscape.com/rdf") || uri.contains("userland.com/rss") => Self::Core,
            "http://purl.org/rss/1.0/modules/content" => Self::Content,
            "http://purl.org/dc/elements/1.1" | "http://purl.org/dc/elements/1.0" => Self::Dc,
            "http://purl.org/dc/terms" => Self::DcTerms,
            uri if uri.contains("search.yahoo.com/mrss") => Self::Media,
            uri if uri.contains("itunes.com/dtds/podcast") => Self::Itunes,
            uri if uri.contains("feedburner.org") || uri.contains("feedburner.google.com") => {
                Self::FeedBurner
            }
            _ => Self::Other,
        }
    }

    /// What a prefix means that nobody declared: the same as everywhere else.
    pub fn of_prefix(prefix: &str, format: Format) -> Self {
        match prefix {
            "atom" | "a10" if format == Format::Rss => Self::Atom,
            "atom" | "rss" => Self::Core,
            "content" => Self::Content,
            "dc" => Self::Dc,
            "dcterms" => Self::DcTerms,
            "media" => Self::Media,
            "itunes" => Self::Itunes,
            "feedburner" => Self::FeedBurner,
            _ => Self::Other,
        }
    }
}

/// The dates of an item, each with the rank of the element that it came from: the lower, the better.
#[derive(Default)]
pub struct Dates {
    pub published: Option<(u8, String)>,
    pub updated: Option<(u8, String)>,
}

impl Dates {
    /// Keeps a date if the element holds one, and none of a better rank is known.
    pub fn note(&mut self, space: Space, name: &str, inside: &str) {
        let (slot, rank) = match (space, name) {
            (Space::Core | Space::Atom, "pubdate" | "published" | "issued") => (&mut self.published, 0),
            (Space::Dc, "date") => (&mut self.published, 1),
            (Space::DcTerms, "issued" | "date" | "available") => (&mut self.published, 2),
            (Space::DcTerms | Space::Core, "created" | "date") => (&mut self.published, 3),
            (Space::Core | Space::Atom, "updated" | "modified" | "lastbuilddate") => (&mut self.updated, 0),
            (Space::DcTerms, "modified") => (&mut self.updated, 1),
            _ => return,
        };
        if slot.as_ref().is_some_and(|(known, _)| *known <= rank) {
            return;
        }
        if let Some(date) = parse_date(&to_line(&read_inside(inside))) {
            *slot = Some((rank, date.to_string()));
        }
    }
}
