//! The five steps of a digest's road, and everything that people ask of it: the scheduler, the command line, the
//! pages and the tests call these functions. Each does one bounded piece of work and returns what it did.

pub mod accounts;
pub mod address;
pub mod app;
pub mod archive;
pub mod articles;
pub mod audience;
pub mod bulk;
pub mod calendar;
pub mod caught;
pub mod checks;
pub mod collect;
pub mod compose;
pub mod composing;
pub mod deliver;
pub mod directory;
pub mod doctor;
pub mod editors;
pub mod export;
pub mod import;
pub mod inspect;
pub mod keep;
pub mod links;
pub mod measuring;
pub mod newsletters;
pub mod pages;
pub mod people;
#[cfg(test)]
mod people_tests;
pub mod population;
pub mod relays;
pub mod results;
mod revising;
pub mod schedules;
pub mod seen;
pub mod signing;
pub mod sources;
pub mod start;
pub mod story;
pub mod subscribe;
pub mod system;
pub mod templates;
pub mod test_mail;
#[cfg(test)]
pub mod testing;
pub mod topics;
pub mod why;

pub use self::app::App;
use crate::db::DbError;

/// What is wrong with a typed text that has more characters than `most`; nothing is cut without a word.
pub fn too_long(text: &str, most: usize) -> Option<String> {
    let count = text.chars().count();
    (count > most).then(|| format!("It has {count} characters, and {most} is the most: shorten it."))
}

/// What keeps the pipeline from doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such newsletter, issue, subscriber …; the sentence names it and says how to see what there is.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense as things stand; the sentence says why and what to do.
    #[error("{0}")]
    Invalid(String),
    /// Too many pages are wanted at this moment: the same works a little later.
    #[error("too many pages are asked for at this moment: try again in a few seconds")]
    Busy,
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Template(#[from] crate::render::TemplateError),
    #[error(transparent)]
    Render(#[from] crate::render::RenderError),
    /// A file or a socket failed; the sentence names it.
    #[error("{0}")]
    Io(String),
}
