//! What an import did, in numbers and line by line.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::columns::protect;
use crate::pipeline::Error;

/// How many lines are kept for the end of an import; the numbers count all.
pub const KEPT_NOTES: usize = 1000;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Nothing was written: this is what would be.
    pub dry_run: bool,
    /// The file's encoding and separator, as they were found.
    pub encoding: String,
    pub separator: String,
    /// Which column was read as what, `email ← E-Mail-Adresse`, and the columns that were not read.
    pub columns: Vec<String>,
    pub ignored_columns: Vec<String>,
    /// People who are new to the newsletter.
    pub added: u64,
    pub updated: u64,
    pub unchanged: u64,
    /// Lines of which nothing was taken.
    pub refused: u64,
    /// Lines that were taken without some value that was not understood.
    pub incomplete: u64,
    /// People among the added, updated and unchanged who are on the suppression list, or are put on it because the
    /// file says so: they will not be mailed.
    pub suppressed: u64,
    /// The first [`KEPT_NOTES`] notes.
    pub notes: Vec<Note>,
    /// How many there are in all.
    pub notes_in_all: u64,
}

/// Something to know about one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The line in the file on which the record begins, from 1.
    pub line: u64,
    pub kind: NoteKind,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    Refused,
    Incomplete,
    Suppressed,
}

impl NoteKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Incomplete => "incomplete",
            Self::Suppressed => "suppressed",
        }
    }
}

/// Where every note is written, as CSV: `line,what,reason`.
pub struct NoteFile(csv::Writer<Box<dyn Write + Send>>);

impl NoteFile {
    pub fn new(output: Box<dyn Write + Send>) -> Result<Self, Error> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(["line", "what", "reason"]).map_err(failed)?;
        Ok(Self(writer))
    }

    fn write(&mut self, note: &Note) -> Result<(), Error> {
        let line = note.line.to_string();
        self.0
            .write_record([line.as_str(), note.kind.as_str(), protect(&note.reason).as_str()])
            .map_err(failed)
    }

    pub fn finish(mut self) -> Result<(), Error> {
        self.0.flush().map_err(|error| failed(error.into()))
    }
}

fn failed(error: csv::Error) -> Error {
    Error::Io(format!("the report cannot be written: {error}"))
}

impl Report {
    /// Takes in the notes of some lines, in the order of the lines.
    pub fn note(&mut self, mut notes: Vec<Note>, file: Option<&mut NoteFile>) -> Result<(), Error> {
        notes.sort_by_key(|note| note.line);
        let mut last_incomplete = None;
        for note in &notes {
            match note.kind {
                NoteKind::Refused => self.refused += 1,
                NoteKind::Suppressed => self.suppressed += 1,
                NoteKind::Incomplete if last_incomplete != Some(note.line) => self.incomplete += 1,
                NoteKind::Incomplete => {}
            }
            if note.kind == NoteKind::Incomplete {
                last_incomplete = Some(note.line);
            }
        }
        if let Some(file) = file {
            notes.iter().try_for_each(|note| file.write(note))?;
        }
        self.notes_in_all += u64::try_from(notes.len()).unwrap_or(0);
        let room = KEPT_NOTES.saturating_sub(self.notes.len());
        self.notes.extend(notes.into_iter().take(room));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_no_formula_to_a_spreadsheet() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut file = NoteFile::new(Box::new(path.reopen().unwrap())).unwrap();
        let reason = "=HYPERLINK(1)@example.org is on line 1 already".to_owned();
        let notes = vec![Note { line: 2, kind: NoteKind::Refused, reason }];
        Report::default().note(notes, Some(&mut file)).unwrap();
        file.finish().unwrap();
        let text = std::fs::read_to_string(path.path()).unwrap();
        assert!(text.contains("2,refused,'=HYPERLINK"), "{text}");
    }
}
