//! A CSV file of people → subscriptions of one newsletter, however long the file, in bounded memory.
//!
//! A thread reads the file and parses it into batches; each batch is looked up, merged and written in a transaction
//! of its own. What was written stays written, and taking in the same file again changes nothing, so an import that
//! was cut off is simply run again. Nobody is mailed by an import, and nobody who left is brought back.

mod columns;
mod dates;
mod decode;
mod doubt;
#[cfg(test)]
mod elsewhere_tests;
mod entry;
mod merge;
mod old_uploads;
mod parse;
pub mod pieces;
mod records;
mod report;
#[cfg(test)]
mod round_trip_tests;
mod tags;
#[cfg(test)]
mod tests;
pub mod uploads;

use std::collections::HashSet;
use std::io::Read;

use encoding_rs::Encoding;

pub use self::columns::{Field, protect};
pub use self::entry::{Entry, MAX_CONSENT, MAX_NAME, one_line, read_language};
pub use self::merge::merge;
use self::parse::Batch;
pub use self::report::{Cause, FIRST, Group, Note, NoteKind, Notes, Report};
pub use self::tags::join as join_tags;
use crate::db;
use crate::db::DbError;
use crate::db::import::{Change, OnRecord};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::{SubscriptionEvent, SubscriptionStatus, SuppressionReason};
use crate::pipeline::App;
use crate::pipeline::Error;
use crate::pipeline::accounts::Actor;
use crate::pipeline::editors::find_newsletter;
use crate::pipeline::population;

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
    /// The same file once more, where that can be had: which way round its dates with slashes are is found out first.
    pub first_look: Option<Box<dyn Read + Send>>,
    pub report: Option<Notes>,
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
    let tags: HashSet<String> = db::tags::names(&mut conn).await?.into_iter().collect();
    let words = parse::Words {
        topics: db::newsletters::topics(&mut conn, newsletter.id).await?,
        schedules: db::newsletters::schedules_of(&mut conn, newsletter.id).await?,
        source: entry::Source {
            newsletter: [newsletter.slug.clone(), newsletter.name.clone()],
            now,
            origin: format!("import {}", request.file_name).trim_end().to_owned(),
            consent_words: request.consent_words.clone(),
        },
        map: request.map.clone(),
        columns: request.columns.clone(),
        encoding,
        tags: tags.clone(),
        first_look: files.first_look,
    };
    drop(conn);
    let mut file = match files.report {
        Some(notes) => Some(report::NoteFile::begin(notes).await?),
        None => None,
    };
    let mut report = Report { dry_run: request.dry_run, ..Report::default() };
    // Two batches wait while one is written: the parser is never far ahead, whatever the file's size.
    let (sender, mut batches) = tokio::sync::mpsc::channel(2);
    let input = files.input;
    let (done, parsed) = tokio::sync::oneshot::channel();
    // A thread of its own: a command that fails does not wait for somebody to type into standard input.
    std::thread::spawn(move || done.send(parse::run(input, words, &sender)));
    while let Some(batch) = batches.recv().await {
        match batch {
            Batch::Head { encoding, separator, columns, ignored_columns, doubtful_columns, dates } => {
                (report.encoding, report.separator, report.dates) = (encoding, separator, dates);
                (report.columns, report.ignored_columns) = (columns, ignored_columns);
                report.doubtful_columns = doubtful_columns;
            }
            Batch::People { people, mut notes, bytes } => {
                let outcome = take_in(app, newsletter.id, &people, request.dry_run, now).await?;
                report.added += outcome.added;
                report.updated += outcome.updated;
                report.unchanged += outcome.unchanged;
                report.getting += outcome.getting;
                report.getting_first += outcome.getting_first;
                for tag in outcome.tags.into_iter().filter(|tag| !tags.contains(tag)) {
                    if let Err(place) = report.new_tags.binary_search(&tag) {
                        report.new_tags.insert(place, tag);
                    }
                }
                notes.extend(outcome.notes);
                report.note(notes, file.as_mut()).await?;
                (files.progress)(bytes);
            }
        }
    }
    parsed.await.map_err(|_| Error::Io("the file's reader broke down: please report this".to_owned()))??;
    if let Some(file) = file {
        file.finish().await?;
    }
    if !request.dry_run {
        // Who is taken in is taken in, whatever becomes of that.
        let forgotten = async { population::forget(&mut *app.db.conn().await?).await };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "old counts of people stay for some minutes");
        }
    }
    Ok(report)
}

/// Writes down that a file is imported, or looked at, before that begins: it is taken in batch by batch, and who is cut
/// off in the middle has taken in some of them.
///
/// # Errors
/// An unknown newsletter or encoding.
pub async fn note(app: &App, by: &Actor, request: &Request) -> Result<(), Error> {
    request.encoding.as_deref().map(encoding).transpose()?;
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, &request.newsletter).await?;
    let action = if request.dry_run { "import.check" } else { "import.run" };
    by.note_of(app, &mut tx, action, &request.file_name, Some(newsletter.id)).await?;
    Ok(db::commit(tx).await?)
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
    getting: u64,
    getting_first: u64,
    /// The tags that were given, each once.
    tags: HashSet<String>,
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
        let found = look_up(&mut conn, app, newsletter_id, people, &addresses).await?;
        return Ok(merge_all(people, found, now).1);
    }
    let mut tx = app.db.begin().await?;
    let found = look_up(&mut tx, app, newsletter_id, people, &addresses).await?;
    let (changes, outcome) = merge_all(people, found, now);
    db::import::write(&mut tx, &app.key, newsletter_id, &changes, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(outcome)
}

async fn look_up(
    conn: &mut db::Conn,
    app: &App,
    newsletter_id: i64,
    people: &[(u64, Entry)],
    addresses: &[&EmailAddress],
) -> Result<Vec<OnRecord>, DbError> {
    let mut found = db::import::look_up(conn, &app.key, newsletter_id, addresses).await?;
    if people.iter().any(|(_, entry)| !entry.tags.is_empty()) {
        db::import::look_up_tags(conn, addresses, &mut found).await?;
    }
    Ok(found)
}

/// What is said of the line of somebody who was erased; without the address, which nobody is to hold any more.
const ERASED: &str = "the person with this address was erased: nothing of the line is taken. Take the address off the \
     suppression list first, if its owner asks for that";

/// What to say about somebody who is not mailed, where it matters.
fn not_mailed(before: &OnRecord, after: &OnRecord, entry: &Entry) -> Option<(Cause, String)> {
    let email = &entry.email;
    let is_put_on_list = before.suppressed.is_none() || before.is_suppressed_in_bulk;
    let status = after.tie.as_ref().map(|tie| tie.status);
    match (entry.suppression, after.suppressed) {
        (Some(_), Some(reason)) if is_put_on_list => {
            let why = match reason {
                SuppressionReason::Bounced => "its mail bounced",
                SuppressionReason::Complained => "its owner complained",
                SuppressionReason::Manual | SuppressionReason::Erased => "it was blocked",
            };
            let says = format!("{email} is put on the suppression list: {why}, as the file says");
            Some((Cause::PutOnList, says))
        }
        (_, Some(_)) if status != Some(SubscriptionStatus::Unsubscribed) => {
            Some((Cause::OnList, format!("{email} is on the suppression list: it is kept, and not mailed")))
        }
        (None, None) if entry.event == SubscriptionEvent::Import && before.has_left() => {
            Some((Cause::HasLeft, format!("{email} has left, and is not brought back")))
        }
        _ => None,
    }
}

fn merge_all(people: &[(u64, Entry)], found: Vec<OnRecord>, now: Timestamp) -> (Vec<Change>, Outcome) {
    let mut outcome = Outcome::default();
    let mut changes = Vec::with_capacity(people.len());
    for ((line, entry), before) in people.iter().zip(found) {
        if before.is_erased {
            outcome.notes.push(Note::new(*line, Cause::Erased, ERASED.to_owned()));
            continue;
        }
        let after = merge(&before, entry, now);
        if let Some((cause, reason)) = not_mailed(&before, &after, entry) {
            outcome.notes.push(Note::new(*line, cause, reason));
        }
        match &before.tie {
            None => outcome.added += 1,
            Some(_) if before == after => outcome.unchanged += 1,
            Some(_) => outcome.updated += 1,
        }
        if after.is_mailed(now) {
            outcome.getting += 1;
            outcome.getting_first += u64::from(!before.is_mailed(now));
        }
        outcome.tags.extend(entry.tags.iter().cloned());
        if before != after {
            changes.push(Change { email: entry.email.clone(), before, after });
        }
    }
    (changes, outcome)
}
