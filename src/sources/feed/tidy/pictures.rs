//! Pictures: which of an item's is its lead, and what it shows.

use super::super::Picture;
use super::super::scan::{Tag, read_inside};
use super::Writer;
use crate::domain::article::ALT_CHARS;
use crate::sources::text::{alternative, to_line};

/// A picture known to be narrower, in pixels, is a writer's portrait or a counter, not a lead image.
const SMALLEST_WIDTH: u32 = 80;

/// What an item says of its media.
#[derive(Debug, Default)]
pub struct Words {
    /// Of the picture that is the lead so far.
    picture: Said,
    /// Of no element in particular.
    item: Said,
    /// Whether the element of media that is open is that picture; none: none is open.
    is_lead: Option<bool>,
    /// There is a sound or a film, which the item's own words are about.
    has_other: bool,
}

#[derive(Debug, Default)]
struct Said {
    title: Option<String>,
    description: Option<String>,
}

impl Said {
    fn alt(self) -> Option<String> {
        self.description.or(self.title)
    }
}

impl<'a> Writer<'a> {
    pub(super) fn note_media(&mut self, tag: &Tag<'a>) {
        let Some(link) = tag.attribute("url") else { return };
        let kind = tag.attribute("type").unwrap_or_default();
        let medium = tag.attribute("medium").unwrap_or_default();
        let path = link.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let has_ending =
            [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"].iter().any(|end| path.ends_with(end));
        let is_picture = kind.starts_with("image/")
            || medium == "image"
            || (kind.is_empty() && medium.is_empty() && has_ending);
        let is_lead = is_picture && self.note_image(Some(link), (3, width_of(tag)), None);
        self.words.has_other |= !is_picture;
        self.words.is_lead = (!tag.is_empty).then_some(is_lead);
    }

    /// An element of media ends.
    pub(super) fn leave_media(&mut self) {
        self.words.is_lead = None;
    }

    /// `<media:title>` or `<media:description>`: of the picture in whose element it stands, or of the item.
    pub(super) fn note_media_words(&mut self, name: &str, inside: &str) {
        let text = to_line(&read_inside(inside));
        // A longer text is about more than a picture.
        let is_short = text.chars().count() <= ALT_CHARS;
        let Some(text) = alternative(&text).filter(|_| is_short) else { return };
        let said = match self.words.is_lead {
            Some(true) => &mut self.words.picture,
            None => &mut self.words.item,
            Some(false) => return,
        };
        let slot = if name == "title" { &mut said.title } else { &mut said.description };
        slot.get_or_insert(text);
    }

    /// At the end of an item: what its lead picture shows, where it is said.
    pub(super) fn write_alt(&mut self) {
        let words = std::mem::take(&mut self.words);
        if let Some(picture) = &mut self.extra().image
            && picture.alt.is_none()
        {
            let of_item = if words.has_other { None } else { words.item.alt() };
            picture.alt = words.picture.alt().or(of_item);
        }
    }

    pub(super) fn note_thumbnail(&mut self, tag: &Tag<'a>) {
        self.note_image(tag.attribute("url"), (2, width_of(tag)), None);
    }

    pub(super) fn note_enclosure(&mut self, tag: &Tag<'a>) {
        let link = tag.attribute("url");
        if tag.attribute("type").is_some_and(|kind| kind.starts_with("image")) {
            self.note_image(link, (3, 0), None);
        } else if let Some(link) = link.and_then(|link| self.absolute(&link)) {
            self.words.has_other = true;
            self.extra().enclosure.get_or_insert(link);
        }
    }

    /// `<image>` within an item: a link, or `<url>` within, and `<title>`.
    pub(super) fn note_item_image(&mut self, inside: &str) {
        let within = |name: &str| {
            let (_, after) = inside.split_once(&format!("<{name}>"))?;
            Some(read_inside(after.split("</").next().unwrap_or_default()))
        };
        let link = within("url").unwrap_or_else(|| read_inside(inside));
        self.note_image(Some(link), (2, 0), within("title"));
    }

    /// Keeps a picture if its kind ranks higher than that of the one there is, or equal and it is wider; whether it is kept.
    pub(super) fn note_image(&mut self, link: Option<String>, rank: (u8, u32), alt: Option<String>) -> bool {
        // Reddit writes "self" and "default" where there is no picture.
        let link = link.filter(|link| link.trim().starts_with("http") || link.trim().starts_with('/'));
        let Some(link) = link.and_then(|link| self.absolute(&link)) else { return false };
        if self.extras.is_empty() || (1..SMALLEST_WIDTH).contains(&rank.1) {
            return false;
        }
        let extra = self.extra();
        let is_better = extra.image.as_ref().is_none_or(|best| rank > best.rank);
        if is_better {
            extra.image = Some(Picture { link, rank, alt: alt.as_deref().and_then(alternative) });
            self.words.picture = Said::default();
        }
        is_better
    }
}

fn width_of(tag: &Tag<'_>) -> u32 {
    tag.attribute("width").and_then(|width| width.parse().ok()).unwrap_or(0)
}
