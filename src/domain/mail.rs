//! A mail before it has a recipient: text with holes, and what fills them.
//!
//! Subscribers who share topics, language and zone get the same digest but for a few values: a name, an address,
//! links with a token. Those values are *holes* in the rendered text. `render` makes text with holes, `mail` cuts
//! the encoded message at them once and fills them for each recipient.

use super::address::EmailAddress;

/// A value that differs between the subscribers of one cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hole {
    /// The subscriber's name as given; may be empty.
    Name,
    /// The first word of the name; may be empty.
    FirstName,
    Email,
    /// The page that ends the subscription.
    UnsubscribeUrl,
    /// This very mail as a page.
    ViewUrl,
    /// The page on which the subscriber changes what comes.
    PreferencesUrl,
    /// Where a measured link leads before its number: `https://…/c/TOKEN/`.
    LinksUrl,
    /// The picture that tells of an opened mail.
    PictureUrl,
}

impl Hole {
    pub const ALL: [Self; 8] = [
        Self::Name,
        Self::FirstName,
        Self::Email,
        Self::UnsubscribeUrl,
        Self::ViewUrl,
        Self::PreferencesUrl,
        Self::LinksUrl,
        Self::PictureUrl,
    ];
}

/// What fills the holes for one recipient. Plain text: whoever fills HTML escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoleValues {
    pub name: String,
    pub email: String,
    pub unsubscribe_url: String,
    pub view_url: String,
    pub preferences_url: String,
    /// These two are empty where the reader is not measured.
    pub links_url: String,
    pub picture_url: String,
}

impl HoleValues {
    pub fn get(&self, hole: Hole) -> &str {
        match hole {
            Hole::Name => &self.name,
            Hole::FirstName => self.name.split_whitespace().next().unwrap_or_default(),
            Hole::Email => &self.email,
            Hole::UnsubscribeUrl => &self.unsubscribe_url,
            Hole::ViewUrl => &self.view_url,
            Hole::PreferencesUrl => &self.preferences_url,
            Hole::LinksUrl => &self.links_url,
            Hole::PictureUrl => &self.picture_url,
        }
    }
}

/// One stretch of a text with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Hole(Hole),
}

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holed(pub Vec<Piece>);

impl Holed {
    /// A text without a hole.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    pub fn has_holes(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Hole(_)))
    }

    /// The text for one recipient; `escape` is applied to each value (`str::to_owned` where none is needed).
    pub fn fill(&self, values: &HoleValues, escape: impl Fn(&str) -> String) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Hole(hole) => filled.push_str(&escape(values.get(*hole))),
            }
        }
        filled
    }
}

/// Escapes text for HTML content and quoted attributes.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A mail as rendered: for a whole cohort (with holes) or for one person (without).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedMail {
    /// One line, no line break.
    pub subject: Holed,
    /// A whole HTML document; values are escaped with [`escape_html`] when they are filled in.
    pub html: Holed,
    /// Lines end with `\n`; values are filled in as they are.
    pub text: Holed,
    /// BCP 47 tag for `Content-Language`.
    pub language: String,
}

/// A name and an address, for `From`, `Reply-To` and `To`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// May be empty; holds no line break and no control character.
    pub name: String,
    pub address: EmailAddress,
}
