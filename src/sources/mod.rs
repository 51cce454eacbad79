//! The outside world, turned into found articles.
//!
//! What belongs here: whatever reads from servers of others, or from what people paste and upload, and ends in a
//! [`FoundArticle`](crate::domain::article::FoundArticle). Nothing here knows the database, or what a newsletter is.
//! Every value is hostile until it has passed through: bounded in size and depth, never a panic, HTML sanitised.
//!
//! - [`fetch`]: bytes from a link, within limits of time, size and place; [`FetchError`].
//! - [`feed`]: bytes into a [`Feed`]; [`FeedError`].
//! - [`page`]: bytes of an article's page, or pasted text, into one article; [`PageError`].
//! - [`html`] makes HTML safe, [`text`] makes it plain. The rest are tools of these: charsets, dates, names, languages.

mod byline;
mod charset;
mod dates;
pub mod feed;
pub mod fetch;
pub mod html;
mod language;
pub mod page;
pub mod text;

pub use charset::decode;
pub use feed::{Feed, FeedError, parse_feed};
pub use fetch::{Document, FetchError, FetchSettings, Fetched, Fetcher, Validators};
pub use html::sanitise;
pub use page::{PageError, extract_page, from_pasted_text};
pub use text::{summarise, to_text};

/// The deepest HTML that is parsed, in elements in one another. Browsers (Blink) stop at 512 themselves; news pages reach
/// 30 to 60.
const DEEPEST: usize = 512;

fn is_too_deep(html: &str) -> bool {
    crate::domain::nesting::is_deeper(html, DEEPEST)
}
