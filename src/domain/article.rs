//! Articles: as a source gave them, and as they are kept.

use serde::{Deserialize, Serialize};

use super::calendar::Timestamp;
use super::topic::TopicSet;

/// An article as a feed, a page or an editor gave it, cleaned but not yet stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundArticle {
    /// The source's own identifier (RSS `guid`, Atom `id`, JSON Feed `id`), as written there.
    pub guid: Option<String>,
    /// Where to read it: absolute, `http` or `https`, as published (tracking parameters and all).
    pub url: Option<String>,
    /// Plain text, entities resolved, white space folded; never empty.
    pub title: String,
    /// Plain text: the names of those who wrote it.
    pub author: Option<String>,
    /// Plain text of at most [`SUMMARY_CHARS`] characters, ended at a word; may be empty.
    pub summary: String,
    /// Sanitised HTML of the story itself, without the page's furniture; may be empty.
    pub body_html: String,
    /// Lead image: absolute, `http` or `https`.
    pub image_url: Option<String>,
    /// What the lead image shows, in words; none where the source does not say.
    pub image_alt: Option<String>,
    /// BCP 47 language tag, for instance `fr` or `pt-BR`.
    pub language: Option<String>,
    pub published_at: Option<Timestamp>,
    pub modified_at: Option<Timestamp>,
    /// The labels that the source gave it, plain text.
    pub categories: Vec<String>,
}

/// The longest summary that is kept, in characters.
pub const SUMMARY_CHARS: usize = 400;

/// The longest title, and the longest alternative text of a picture, in characters.
pub const TITLE_CHARS: usize = 300;
pub const ALT_CHARS: usize = 300;

/// The longest link, in characters: mail programs take no longer ones.
pub const LINK_CHARS: usize = 2_000;

/// What addresses of one picture begin with, and whether a query may follow: where the path names a picture file, the
/// query only signs, counts or sizes it.
pub fn picture_stem(url: &str) -> (&str, bool) {
    let url = url.split('#').next().unwrap_or_default();
    let path = url.split('?').next().unwrap_or_default();
    let is_file = path
        .rsplit_once('.')
        .is_some_and(|(_, ending)| PICTURE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)));
    if is_file { (path, true) } else { (url, false) }
}

const PICTURE_ENDINGS: [&str; 8] = ["avif", "bmp", "gif", "jpeg", "jpg", "png", "svg", "webp"];

/// What makes two items of one source the same article.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The same GUID or the same canonical link.
    #[default]
    Either,
    /// The GUID alone: for a feed whose items share a link.
    Guid,
    /// The canonical link alone: for a feed that makes a new GUID at every change.
    Link,
}

impl Identity {
    pub const NAMES: [&str; 3] = ["either", "guid", "link"];

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "either" => Some(Self::Either),
            "guid" => Some(Self::Guid),
            "link" => Some(Self::Link),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Either => "either",
            Self::Guid => "guid",
            Self::Link => "link",
        }
    }
}

/// An article as an issue froze it: what is sent is this, whatever happens to the article later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueArticle {
    pub id: i64,
    pub headline: String,
    pub summary: String,
    pub url: Option<String>,
    pub image_url: Option<String>,
    /// What the image shows, in words; empty: it is decorative; none: nobody has said.
    pub image_alt: Option<String>,
    /// The name of the source, for instance "The Daily Planet"; empty for an article by hand.
    pub source: String,
    pub author: Option<String>,
    pub language: Option<String>,
    pub published_at: Option<Timestamp>,
    /// Minutes to read the whole story; 0 where only a summary is known.
    pub reading_minutes: u32,
    /// Empty: an article for every reader.
    pub topics: TopicSet,
    /// The same story elsewhere.
    pub also: Vec<AlsoAt>,
    /// The section in which it stands, where an editor laid the issue out.
    #[serde(default)]
    pub section: Option<String>,
}

/// Another source's telling of the same story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlsoAt {
    pub source: String,
    pub url: String,
}

#[cfg(test)]
mod tests {
    use super::picture_stem;

    #[test]
    fn a_query_behind_a_picture_file_does_not_make_another_picture() {
        for (url, stem) in [
            ("https://a.example/b.JPG?s=1#c", ("https://a.example/b.JPG", true)),
            ("https://a.example/b.webp", ("https://a.example/b.webp", true)),
            ("https://a.example/show?id=5#c", ("https://a.example/show?id=5", false)),
            ("https://a.example/show.php?file=b.jpg", ("https://a.example/show.php?file=b.jpg", false)),
            ("", ("", false)),
        ] {
            assert_eq!(picture_stem(url), stem);
        }
    }
}
