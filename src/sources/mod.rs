//! The outside world.
mod charset;
mod dates;
mod html;
mod nesting;
