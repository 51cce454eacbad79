//! Content and a recipient become bytes, go over SMTP, and come back as an outcome.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`message`] | a cohort's mail, encoded once and cut at its holes; one recipient's message from it |
//! | [`header`], [`quoted_printable`] | the two encodings of RFC 5322, 2045 and 2047 that it is made of |
//! | [`identity`] | `Message-ID` and the envelope sender, derived from the delivery |
//! | [`dkim`] | keys, signatures, and the DNS record for them |
//! | [`dns`] | what receivers learn from DNS about our mail |
//! | [`certificate`] | notes what a relay shows of itself |
//! | [`relay`] | where to send, and how safely |
//! | [`transcript`] | what is said there, to look at, without passwords |
//! | [`terms`] | how much of the mail a relay gets, and how fast |
//! | [`session`] | one connection to a relay, any number of messages |
//! | [`envelope`] | what the relay is told of a message, and whether it can take it |
//! | [`wire`] | the stream under it: TCP or TLS, with a limit on what a relay may say |
//! | [`outcome`] | what a reply means for the recipient |
//! | [`catcher`] | a relay that keeps what it is sent, to look at |
//!
//! What goes wrong with a message or a connection is a [`crate::domain::delivery::Outcome`]; what is wrong with a
//! setting is a sentence for the person who set it.

pub mod catcher;
pub mod catcher_mailbox;
pub mod certificate;
pub mod dkim;
pub mod dns;
pub mod envelope;
pub mod header;
pub mod identity;
pub mod message;
pub mod outcome;
pub mod quoted_printable;
pub mod relay;
pub mod session;
pub mod terms;
pub mod transcript;
pub mod wire;
