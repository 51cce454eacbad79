//! The outside world.
mod charset;
mod dates;
pub mod fetch;
mod html;
mod nesting;
