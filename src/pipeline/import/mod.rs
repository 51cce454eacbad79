//! A CSV file of people → subscriptions of one newsletter, however long the file, in bounded memory.
//!
//! A thread reads the file and parses it into batches; each batch is looked up, merged and written in a transaction
//! of its own. What was written stays written, and taking in the same file again changes nothing, so an import that
//! was cut off is simply run again. Nobody is mailed by an import, and nobody who left is brought back.

mod columns;
mod decode;
mod entry;
mod merge;
mod parse;
mod records;
mod report;
#[cfg(test)]
mod tests;
pub mod uploads;

use std::io::{Read, Write};

use encoding_rs::Encoding;

pub use self::columns::{Field, protect};
pub use self::entry::{Entry, MAX_CONSENT, MAX_NAME, one_line, read_language};
pub use self::merge::merge;
use self::parse::Batch;
pub use self::report::{KEPT_NOTES, Note, NoteKind, Report};
use crate::db;
use crate::db::DbError;
use crate::db::import::{Change, OnRecord};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::{Consent, SubscriptionStatus};
use crate::pipeline::App;
use crate::pipeline::Error;
use crate::pipeline::editors::find_newsletter;

/// What to import, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The newsletter's slug.
    pub newsletter: String,
    /// What the file is called, for the record of where the consent comes from.
    pub file_name: String,
    /// The words that these people agreed to, where the file does not say.
    pub consent_words: String,
    /// Columns that hold another field than their name tells: (column, field).
    pub map: Vec<(String, String)>,
    /// What every column holds, in their order; none: found by the columns' names.
    pub columns: Option<Vec<Option<Field>>>,
    /// The file's encoding, a label such as `windows-1250`; none: found out.
    pub encoding: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// The file, where every note goes, and who is told how many bytes are read.
pub struct Files<'f> {
    pub input: Box<dyn Read + Send>,
    pub report: Option<Box<dyn Write + Send>>,
    pub progress: &'f (dyn Fn(u64) + Sync),
}

/// Imports a file.
///
/// # Errors
/// An unknown newsletter or encoding, a header without addresses, a `map` that names what is not there: nothing is
/// written. A file or a database that fails midway: what was written so far stays.
pub async fn import(app: &App, request: &Request, files: Files<'_>) -> Result<Report, Error> {
    let now = app.clock.now();
    let encoding = request.encoding.as_deref().map(encoding).transpose()?;
    let mut conn = app.db.conn().await?;
    let newsletter = find_newsletter(&mut conn, &request.newsletter).await?;
    let words = parse::Words {
        topics: db::newsletters::topics(&mut conn, newsletter.id).await?,
        schedules: db::newsletters::schedules_of(&mut conn, newsletter.id).await?,
        consent: Consent {
            at: now,
            from: format!("import {}", request.file_name).trim_end().to_owned(),
            words: request.consent_words.clone(),
        },
        map: request.map.clone(),
        columns: request.columns.clone(),
        encoding,
    };
    drop(conn);
    let mut file = files.report.map(report::NoteFile::new).transpose()?;
    let mut report = Report { dry_run: request.dry_run, ..Report::default() };
    // Two batches wait while one is written: the parser is never far ahead, whatever the file's size.
    let (sender, mut batches) = tokio::sync::mpsc::channel(2);
    let input = files.input;
    let (done, parsed) = tokio::sync::oneshot::channel();
    // A thread of its own: a command that fails does not wait for somebody to type into standard input.
    std::thread::spawn(move || done.send(parse::run(input, words, &sender)));
    while let Some(batch) = batches.recv().await {
        match batch {
            Batch::Head { encoding, separator, columns, ignored_columns } => {
                (report.encoding, report.separator) = (encoding, separator);
                (report.columns, report.ignored_columns) = (columns, ignored_columns);
            }
            Batch::People { people, mut notes, bytes } => {
                let outcome = take_in(app, newsletter.id, &people, request.dry_run, now).await?;
                report.added += outcome.added;
                report.updated += outcome.updated;
                report.unchanged += outcome.unchanged;
                notes.extend(outcome.notes);
                report.note(notes, file.as_mut())?;
                (files.progress)(bytes);
            }
        }
    }
    parsed.await.map_err(|_| Error::Io("the file's reader broke down: please report this".to_owned()))??;
    file.map(report::NoteFile::finish).transpose()?;
    Ok(report)
}

fn encoding(label: &str) -> Result<&'static Encoding, Error> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::Invalid(format!(
            "“{label}” is not an encoding: write utf-8, utf-16, windows-1252 or iso-8859-2, for instance"
        ))
    })
}

/// What became of a batch.
#[derive(Debug, Default)]
struct Outcome {
    added: u64,
    updated: u64,
    unchanged: u64,
    notes: Vec<Note>,
}

/// How often a batch is tried that somebody else changed midway (PostgreSQL only).
const TRIES: usize = 5;

async fn take_in(
    app: &App,
    newsletter_id: i64,
    people: &[(u64, Entry)],
    dry_run: bool,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let (mut tries, mut pauses) = (1, db::PAUSES.into_iter());
    loop {
        match try_to_take_in(app, newsletter_id, people, dry_run, now).await {
            Err(DbError::WrongRows { .. }) if tries < TRIES => tries += 1,
            Err(error) if error.passes() && pauses.len() > 0 => {
                tracing::warn!(%error, "a batch of an import is tried again");
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            result => return Ok(result?),
        }
    }
}

async fn try_to_take_in(
    app: &App,
    newsletter_id: i64,
    people: &[(u64, Entry)],
    dry_run: bool,
    now: Timestamp,
) -> Result<Outcome, DbError> {
    if people.is_empty() {
        return Ok(Outcome::default());
    }
    let addresses: Vec<&EmailAddress> = people.iter().map(|(_, entry)| &entry.email).collect();
    if dry_run {
        let mut conn = app.db.conn().await?;
        let found = db::import::look_up(&mut conn, &app.key, newsletter_id, &addresses).await?;
        return Ok(merge_all(people, found, now).1);
    }
    let mut tx = app.db.begin().await?;
    let found = db::import::look_up(&mut tx, &app.key, newsletter_id, &addresses).await?;
    let (changes, outcome) = merge_all(people, found, now);
    db::import::write(&mut tx, &app.key, newsletter_id, &changes, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(outcome)
}

/// What is said of the line of somebody who was erased; without the address, which nobody is to hold any more.
const ERASED: &str = "the person with this address was erased: nothing of the line is taken. Take the address off the \
     suppression list first, if its owner asks for that";

/// What to say about an address that is suppressed, where it matters.
fn suppressed(before: &OnRecord, after: &OnRecord, entry: &Entry) -> Option<String> {
    let email = &entry.email;
    match (before.suppressed, after.suppressed) {
        (None, Some(reason)) => {
            let reason = reason.as_str();
            Some(format!("{email} is put on the suppression list, as the file says: {reason}"))
        }
        (Some(_), _) => after
            .tie
            .as_ref()
            .filter(|tie| tie.status != SubscriptionStatus::Unsubscribed)
            .map(|_| format!("{email} is on the suppression list: it is kept, and not mailed")),
        _ => None,
    }
}

fn merge_all(people: &[(u64, Entry)], found: Vec<OnRecord>, now: Timestamp) -> (Vec<Change>, Outcome) {
    let mut outcome = Outcome::default();
    let mut changes = Vec::with_capacity(people.len());
    for ((line, entry), before) in people.iter().zip(found) {
        if before.is_erased {
            outcome.notes.push(Note { line: *line, kind: NoteKind::Refused, reason: ERASED.to_owned() });
            continue;
        }
        let after = merge(&before, entry, now);
        if let Some(reason) = suppressed(&before, &after, entry) {
            outcome.notes.push(Note { line: *line, kind: NoteKind::Suppressed, reason });
        }
        match &before.tie {
            None => outcome.added += 1,
            Some(_) if before == after => outcome.unchanged += 1,
            Some(_) => outcome.updated += 1,
        }
        if before != after {
            changes.push(Change { email: entry.email.clone(), before, after });
        }
    }
    (changes, outcome)
}
