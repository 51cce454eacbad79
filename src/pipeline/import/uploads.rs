//! Files that admins upload: kept in the database while they are looked at and taken in, and removed afterwards.
//!
//! Any node can do so. A dry run and the import itself are done in the background; whoever was at it gives a sign of life
//! each second, so that one whose process died can be told to begin anew, which does no harm.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::columns::Columns;
use super::pieces::{self, Pieces, Reader, Writer};
use super::records::{Record, Records};
use super::{Field, Files, Group, Notes, Report, Request, decode, import, old_uploads};
use crate::db;
use crate::db::imports::{Import, ImportState, NewImport};
use crate::db::uploads::Part;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::pipeline::accounts::Actor;
use crate::pipeline::bulk::ALIVE_MILLIS;
use crate::pipeline::{App, Error};

/// The largest file that is taken, in bytes.
pub const MAX_UPLOAD: u64 = 500 * 1024 * 1024;

/// How long a file is kept that nobody does anything with, and the notes about one that was taken in, in milliseconds.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// More columns than that are not shown, and nobody's list of people has them.
const MAX_COLUMNS: usize = 100;

/// How many people are shown as an example, and how much of each of their cells.
const EXAMPLES: usize = 3;
const SHOWN: usize = 60;

/// A file that is being uploaded; dropped before its end, it is removed.
pub struct Upload {
    app: App,
    file: Writer,
    stored: String,
    bytes: u64,
    is_finished: bool,
}

impl Upload {
    pub fn begin(app: &App) -> Result<Self, Error> {
        let stored = crate::pipeline::accounts::secret()?;
        let file = Writer::new(app, &stored, Part::File);
        Ok(Self { app: app.clone(), file, stored, bytes: 0, is_finished: false })
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// `Invalid` where the file is too large.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes > MAX_UPLOAD {
            let most = MAX_UPLOAD / 1024 / 1024;
            return Err(Error::Invalid(format!(
                "The file is larger than {most} MB: cut it into several, or use daybreak subscriber import."
            )));
        }
        self.file.write(bytes).await
    }

    /// Writes the upload down, and returns its id.
    pub async fn finish(mut self, by: &Actor, newsletter_id: i64, file_name: &str) -> Result<i64, Error> {
        if self.bytes == 0 {
            return Err(Error::Invalid(
                "The file is empty: choose one with a line for each person.".to_owned(),
            ));
        }
        self.file.finish().await?;
        let new = NewImport {
            newsletter_id,
            who: by.who(),
            file_name,
            stored: &self.stored,
            bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
        };
        let mut tx = self.app.db.begin().await?;
        let id = db::imports::insert(&mut tx, &new, self.app.clock.now()).await?;
        let what = format!("import {id}: {file_name}");
        by.note_of(&self.app, &mut tx, "import.upload", &what, Some(newsletter_id)).await?;
        db::commit(tx).await?;
        self.is_finished = true;
        Ok(id)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_finished || self.bytes == 0 {
            return;
        }
        // It goes with the old files otherwise.
        let (app, stored) = (self.app.clone(), std::mem::take(&mut self.stored));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = pieces::remove(&app, &stored, Part::File).await {
                    tracing::warn!(%error, "half an upload stays for a day");
                }
            });
        }
    }
}

/// An upload's file, from its beginning.
///
/// # Errors
/// `Invalid` where it is not there any more, or not all of it.
async fn stored(app: &App, upload: &Import) -> Result<Reader, Error> {
    let bytes = db::uploads::bytes(&mut *app.db.conn().await?, &upload.stored, Part::File).await?;
    if bytes != upload.bytes {
        let why = "The file is not here any more: upload it again. Doing so does no harm.";
        return Err(Error::Invalid(why.to_owned()));
    }
    let pieces = pieces::read(app, &upload.stored, Part::File);
    Ok(Reader::new(pieces, u64::try_from(bytes).unwrap_or(0)))
}

/// The first lines of a file, and what its columns seem to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    pub header: Vec<String>,
    /// The first people's cells, in the order of the header.
    pub examples: Vec<Vec<String>>,
    pub guessed: Vec<Option<Field>>,
}

/// Looks at the first lines of an upload.
///
/// # Errors
/// `Invalid` where they are no table.
pub async fn peek(app: &App, upload: &Import) -> Result<Peek, Error> {
    let file = stored(app, upload).await?;
    let looked = tokio::task::spawn_blocking(move || look(Box::new(file)));
    looked.await.map_err(|error| Error::Io(format!("looking at a file broke down: {error}")))?
}

fn look(file: Box<dyn Read + Send>) -> Result<Peek, Error> {
    let unreadable = |error: io::Error| Error::Io(format!("an uploaded file cannot be read: {error}"));
    let (input, _) = decode::open(file, None).map_err(unreadable)?;
    let mut records = Records::open(input).map_err(unreadable)?;
    let header = super::parse::header(&mut records)?;
    if header.len() > MAX_COLUMNS {
        return Err(Error::Invalid(format!(
            "The file has {} columns; at most {MAX_COLUMNS} are looked at: remove those that are not needed.",
            header.len()
        )));
    }
    let guessed = Columns::guess(&header);
    // Taken for names, the first line would lose the person in it.
    if !guessed.contains(&Some(Field::Email)) && header.iter().any(|cell| EmailAddress::parse(cell).is_ok()) {
        return Err(Error::Invalid(
            "The first line holds an e-mail address, where the names of the columns are to stand: put a line such as \
             email,name above it, and upload the file again."
                .to_owned(),
        ));
    }
    let mut examples = vec![];
    while examples.len() < EXAMPLES
        && let Some(record) = records.next().map_err(unreadable)?
    {
        if let Record::Fields { fields, .. } = record {
            examples
                .push((0..header.len()).map(|place| shown(fields.get(place).unwrap_or_default())).collect());
        }
    }
    Ok(Peek { guessed, header: header.iter().map(shown).collect(), examples })
}

fn shown(cell: &str) -> String {
    let cell = cell.trim();
    let mut shown: String =
        cell.chars().take(SHOWN).map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    if cell.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Begins a dry run or the import itself, in the background.
///
/// # Errors
/// `Invalid` where the columns make no sense, the file is gone, or somebody is at it already.
pub async fn begin(
    app: &App,
    by: &Actor,
    upload: &Import,
    columns: &[Option<Field>],
    consent_words: &str,
    dry_run: bool,
) -> Result<(), Error> {
    drop(stored(app, upload).await?);
    super::columns::check(columns).map_err(Error::Invalid)?;
    let names: Vec<Option<&str>> = columns.iter().map(|field| field.map(Field::heading)).collect();
    let names = serde_json::to_string(&names).expect("headings are texts");
    let (now, state) = (app.clock.now(), if dry_run { ImportState::Checking } else { ImportState::Running });
    let alive_since = now.plus_millis(-ALIVE_MILLIS);
    let mut tx = app.db.begin().await?;
    if !db::imports::begin(&mut tx, upload.id, state, &names, consent_words, alive_since, now).await? {
        let is_early = !dry_run && !matches!(upload.state, ImportState::Running | ImportState::Done);
        return Err(Error::Invalid(match is_early {
            true => "Look first what it would do: nothing is taken in before a dry run has come to its end."
                .to_owned(),
            false => "This file is being read already, or was taken in: see its report.".to_owned(),
        }));
    }
    let (action, what) = (
        if dry_run { "import.check" } else { "import.run" },
        format!("import {}: {}", upload.id, upload.file_name),
    );
    by.note_of(app, &mut tx, action, &what, Some(upload.newsletter_id)).await?;
    db::commit(tx).await?;
    let (app, id) = (app.clone(), upload.id);
    tokio::spawn(async move {
        if let Err(error) = work(&app, id).await {
            tracing::error!(import = id, %error, "an import stands still");
        }
    });
    Ok(())
}

/// The fields of an upload's columns, as they were said last.
pub fn columns(upload: &Import) -> Vec<Option<Field>> {
    let names: Vec<Option<String>> =
        upload.columns.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    names.iter().map(|name| name.as_deref().and_then(Field::of_heading)).collect()
}

/// Reads an upload to its end, and writes down what came of it.
async fn work(app: &App, id: i64) -> Result<(), Error> {
    let Some(upload) = db::imports::get(&mut *app.db.conn().await?, id).await? else { return Ok(()) };
    let dry_run = upload.state == ImportState::Checking;
    let worked = read(app, &upload, dry_run).await;
    let (state, report, error) = match &worked {
        Ok(report) => {
            if let Err(error) = keep_groups(app, &upload, &report.groups).await {
                tracing::error!(%error, "an import's report is kept without its first lines");
            }
            // Notes hold addresses, and stand in their files alone.
            let groups = report.groups.iter().map(|group| Group { first: vec![], ..group.clone() }).collect();
            let numbers = Report { notes: vec![], groups, ..report.clone() };
            let text = serde_json::to_string(&numbers).expect("a report is numbers and texts");
            (if dry_run { ImportState::Checked } else { ImportState::Done }, Some(text), None)
        }
        Err(error) => (ImportState::Failed, None, Some(error.to_string())),
    };
    let mut conn = app.db.conn().await?;
    db::imports::finish(
        &mut conn,
        id,
        upload.run,
        state,
        report.as_deref(),
        error.as_deref(),
        app.clock.now(),
    )
    .await?;
    drop(conn);
    if state == ImportState::Done {
        // What was taken in is among the people.
        pieces::remove(app, &upload.stored, Part::File).await?;
    }
    Ok(())
}

async fn read(app: &App, upload: &Import, dry_run: bool) -> Result<Report, Error> {
    let newsletter = db::newsletters::get(&mut *app.db.conn().await?, upload.newsletter_id).await?;
    let newsletter = newsletter.ok_or_else(|| Error::NotFound("the newsletter is gone".to_owned()))?;
    let request = Request {
        newsletter: newsletter.slug,
        file_name: upload.file_name.clone(),
        consent_words: upload.consent_words.clone(),
        columns: Some(columns(upload)),
        dry_run,
        ..Request::default()
    };
    // Those of a dry run before.
    pieces::remove(app, &upload.stored, Part::Notes).await?;
    let progress = AtomicU64::new(0);
    let files = Files {
        input: Box::new(stored(app, upload).await?),
        first_look: Some(Box::new(stored(app, upload).await?)),
        report: Some(Notes::Database(Box::new(Writer::new(app, &upload.stored, Part::Notes)))),
        progress: &|bytes| progress.store(bytes, Ordering::Relaxed),
    };
    let beat = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let bytes = i64::try_from(progress.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            let beat = async {
                let mut conn = app.db.conn().await?;
                db::imports::beat(&mut conn, upload.id, upload.run, bytes, app.clock.now()).await
            };
            match beat.await {
                Err(error) if error.passes() => tracing::warn!(%error, "an import gives no sign of life"),
                result => result?,
            }
        }
    };
    tokio::select! {
        report = import(app, &request, files) => report,
        failed = beat => failed,
    }
}

/// The notes about an upload's lines, a CSV file; none where there are none any more.
pub async fn notes(app: &App, upload: &Import) -> Result<Option<Pieces>, Error> {
    let bytes = db::uploads::bytes(&mut *app.db.conn().await?, &upload.stored, Part::Notes).await?;
    Ok((bytes > 0).then(|| pieces::read(app, &upload.stored, Part::Notes)))
}

async fn keep_groups(app: &App, upload: &Import, groups: &[Group]) -> Result<(), Error> {
    pieces::remove(app, &upload.stored, Part::Groups).await?;
    let text = serde_json::to_string(groups).expect("groups are numbers and texts");
    let mut file = Writer::new(app, &upload.stored, Part::Groups);
    file.write(text.as_bytes()).await?;
    file.finish().await
}

/// What there is to say about an upload's lines by its cause, with the first lines of each; none where it is not there
/// any more.
pub async fn groups(app: &App, upload: &Import) -> Result<Option<Vec<Group>>, Error> {
    let (mut pieces, mut text) = (pieces::read(app, &upload.stored, Part::Groups), vec![]);
    while let Some(piece) = pieces.recv().await {
        text.extend_from_slice(&piece?);
    }
    Ok(serde_json::from_slice(&text).ok())
}

/// Whether somebody is at an upload, and has given a sign of life lately.
pub fn is_at_work(upload: &Import, now: Timestamp) -> bool {
    upload.state.is_at_work() && now.millis() - upload.beat_at.millis() <= ALIVE_MILLIS
}

/// Removes an upload and what is kept of it.
///
/// # Errors
/// `Invalid` where somebody is at it: what is half taken in would stop there, without a report.
pub async fn remove(app: &App, by: &Actor, upload: &Import) -> Result<(), Error> {
    let alive_since = app.clock.now().plus_millis(-ALIVE_MILLIS);
    let mut tx = app.db.begin().await?;
    if !db::imports::remove(&mut tx, upload.id, alive_since).await? {
        return Err(Error::Invalid(
            "The file is being read at this moment: it can be removed once that has come to its end."
                .to_owned(),
        ));
    }
    let what = format!("import {}: {}", upload.id, upload.file_name);
    by.note_of(app, &mut tx, "import.remove", &what, Some(upload.newsletter_id)).await?;
    db::commit(tx).await?;
    for part in [Part::File, Part::Notes, Part::Groups] {
        pieces::remove(app, &upload.stored, part).await?;
    }
    Ok(())
}

/// Removes files that nobody has done anything with for a day, halves of uploads among them, and what an earlier version
/// left behind.
pub async fn forget(app: &App) -> Result<(), Error> {
    let since = app.clock.now().plus_millis(-KEPT);
    while db::uploads::forget_some(&mut *app.db.conn().await?, since).await? > 0 {}
    old_uploads::remove(app).await
}
