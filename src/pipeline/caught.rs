//! The mails that a relay of our own caught instead of sending, for the pages that show them.

pub use crate::mail::catcher::{Mailbox, Opened, Summary};
