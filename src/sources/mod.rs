//! The outside world.
mod byline;
mod charset;
mod dates;
pub mod feed;
pub mod fetch;
mod html;
mod language;
mod nesting;
