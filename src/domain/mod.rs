//! Types and rules without I/O: what a digest is made of, and every decision about it.
//!
//! Nothing here opens a file, a socket or a database, or reads a clock. Values from outside become these types at
//! the door (`parse`), and are trusted behind it.

pub mod address;
pub mod article;
pub mod calendar;
pub mod certificate;
pub mod composition;
pub mod delivery;
pub mod introduction;
pub mod issue;
pub mod language;
pub mod link;
pub mod mail;
pub mod measuring;
pub mod nesting;
pub mod network;
pub mod newsletter;
pub mod notice;
pub mod recovery;
pub mod search;
pub mod subscription;
pub mod token;
pub mod topic;
pub mod totp;
pub mod user;
pub mod words;
