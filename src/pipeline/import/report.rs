//! What an import did, in numbers and line by line.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::columns::protect;
use super::pieces::Writer;
use crate::pipeline::Error;

/// How many lines are kept for the end of an import; the numbers count all.
pub const KEPT_NOTES: usize = 1000;

/// How many lines are kept of each group.
pub const FIRST: usize = 5;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Nothing was written: this is what would be.
    pub dry_run: bool,
    /// The file's encoding and separator, as they were found.
    pub encoding: String,
    pub separator: String,
    /// Which column was read as what, `email ← E-Mail-Adresse`, and the columns that were not read.
    pub columns: Vec<String>,
    pub ignored_columns: Vec<String>,
    /// Those among the latter that sound as if whoever has something in them must not be mailed.
    pub doubtful_columns: Vec<String>,
    /// How dates with slashes were read, where the file has such.
    pub dates: Option<String>,
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
    /// People of the file who get the next issue, and those among them who would not have got it before.
    pub getting: u64,
    pub getting_first: u64,
    /// The tags that are new, in the order of their names.
    pub new_tags: Vec<String>,
    /// What there is to say, by its cause.
    pub groups: Vec<Group>,
    /// The first `KEPT_NOTES` notes.
    pub notes: Vec<Note>,
    /// How many there are in all.
    pub notes_in_all: u64,
}

/// The notes of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub cause: Cause,
    pub count: u64,
    /// The first [`FIRST`].
    pub first: Vec<Note>,
}

/// Something to know about one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The line in the file on which the record begins, from 1.
    pub line: u64,
    pub kind: NoteKind,
    pub cause: Cause,
    pub reason: String,
}

impl Note {
    pub fn new(line: u64, cause: Cause, reason: String) -> Self {
        Self { line, kind: cause.kind(), cause, reason }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    Refused,
    Incomplete,
    Suppressed,
    /// Taken, and not brought back.
    Left,
    /// Taken, and to be looked at.
    Doubtful,
}

impl NoteKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Incomplete => "incomplete",
            Self::Suppressed => "suppressed",
            Self::Left => "left",
            Self::Doubtful => "doubtful",
        }
    }
}

/// What was wrong with a line, or is to be known of it; in the order in which a report tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A column that is not read sounds as if the person must not be mailed.
    Doubtful,
    NotAnAddress,
    NoAddress,
    Columns,
    Unreadable,
    TooLong,
    Status,
    Twice,
    Erased,
    /// Of another newsletter than the one that people are taken into.
    Elsewhere,
    Date,
    Zone,
    Hour,
    Language,
    Schedule,
    Topic,
    Tag,
    /// On the suppression list already, and kept there.
    OnList,
    /// Put on it, as the file says.
    PutOnList,
    HasLeft,
}

impl Cause {
    pub fn kind(self) -> NoteKind {
        match self {
            Self::NotAnAddress
            | Self::NoAddress
            | Self::Columns
            | Self::Unreadable
            | Self::TooLong
            | Self::Status
            | Self::Twice
            | Self::Erased
            | Self::Elsewhere => NoteKind::Refused,
            Self::Date
            | Self::Zone
            | Self::Hour
            | Self::Language
            | Self::Schedule
            | Self::Topic
            | Self::Tag => NoteKind::Incomplete,
            Self::OnList | Self::PutOnList => NoteKind::Suppressed,
            Self::HasLeft => NoteKind::Left,
            Self::Doubtful => NoteKind::Doubtful,
        }
    }

    /// What there is so often, behind the number: for one, and for more.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Doubtful => (
                "person may have left, bounced or complained elsewhere",
                "people may have left, bounced or complained elsewhere",
            ),
            Self::NotAnAddress => ("address is not an e-mail address", "addresses are not e-mail addresses"),
            Self::NoAddress => ("line has no e-mail address", "lines have no e-mail address"),
            Self::Columns => (
                "line has another number of columns than the header",
                "lines have another number of columns than the header",
            ),
            Self::Unreadable => ("line cannot be read", "lines cannot be read"),
            Self::TooLong => ("line has a text that is too long", "lines have a text that is too long"),
            Self::Status => ("status is not known", "statuses are not known"),
            Self::Twice => {
                ("line repeats an address of an earlier one", "lines repeat an address of an earlier one")
            }
            Self::Erased => ("person was erased before", "people were erased before"),
            Self::Elsewhere => ("line is about another newsletter", "lines are about other newsletters"),
            Self::Date => ("date could not be read", "dates could not be read"),
            Self::Zone => ("time zone is not known", "time zones are not known"),
            Self::Hour => ("hour could not be read", "hours could not be read"),
            Self::Language => ("language is not known", "languages are not known"),
            Self::Schedule => ("schedule is not there", "schedules are not there"),
            Self::Topic => ("topic is not there", "topics are not there"),
            Self::Tag => ("tag was left out", "tags were left out"),
            Self::OnList => {
                ("person is on the suppression list already", "people are on the suppression list already")
            }
            Self::PutOnList => (
                "person goes on the suppression list, as the file says",
                "people go on the suppression list, as the file says",
            ),
            Self::HasLeft => ("person has left before", "people have left before"),
        }
    }

    /// What becomes of them, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Doubtful => {
                "Something is in a column that is skipped, and its name sounds as if they must not be mailed. Say that it \
                 holds “Has left” or “Bounced”, unless it means something else."
            }
            Self::NotAnAddress | Self::NoAddress => {
                "Nothing of these lines is taken. Correct the addresses and import the file again: only what is missing \
                 is written."
            }
            Self::Columns | Self::Unreadable => {
                "Nothing of these lines is taken. Quotation marks around a text with a separator or a line break keep \
                 its line together."
            }
            Self::TooLong => {
                "Nothing of these lines is taken. Another text may have slipped into the column."
            }
            Self::Status => {
                "Nothing of these lines is taken: the word may mean that the person must not be mailed. Write active, \
                 pending, unsubscribed, bounced, complained or blocked, or leave the cell empty for active."
            }
            Self::Twice => {
                "The first line of an address counts; of two that disagree, the one that says that the person left."
            }
            Self::Erased => {
                "Nothing of these lines is taken. Where the owner of an address asks to be mailed again, take it off \
                 the suppression list first."
            }
            Self::Elsewhere => {
                "Nothing of these lines is taken. Import the file once for each newsletter. Where it has another name here, \
                 skip the column (--map newsletter=ignore), and take in a file that holds its people alone."
            }
            Self::Date => {
                "The people are taken without it. Write dates like 2024-01-31. A consent without its date is marked so, and who left stays away."
            }
            Self::Zone => "The people are taken without it. Write zones like Europe/Paris.",
            Self::Hour => "The people are taken without it. Write hours like 07:30.",
            Self::Language => "The people are taken without it. Write languages like en or pt-BR.",
            Self::Schedule => {
                "The people are taken, and follow the newsletter’s first schedule. Add the schedule to the newsletter \
                 first, or skip the column."
            }
            Self::Topic => {
                "The people are taken without them. Add the topics to the newsletter first, or map the column to tags."
            }
            Self::Tag => "The people are taken without them. A tag is a word or a few, such as press.",
            Self::OnList => "They are kept, and not mailed.",
            Self::PutOnList => "They are kept, and no newsletter mails them any more.",
            Self::HasLeft => {
                "They stay away, whatever the file says: only signing up and confirming anew brings them back."
            }
        }
    }
}

/// Where every note goes.
pub enum Notes {
    File(Box<dyn Write + Send>),
    Database(Box<Writer>),
}

/// The most bytes of notes that are kept in the database: some 500,000 of them. Whoever gets more has another file before
/// them than they thought.
const MOST_IN_DATABASE: usize = 32 * 1024 * 1024;

/// Every note, as CSV: `line,what,reason`.
pub struct NoteFile {
    notes: Notes,
    bytes: usize,
}

impl NoteFile {
    pub async fn begin(notes: Notes) -> Result<Self, Error> {
        let mut file = Self { notes, bytes: 0 };
        file.put(&[["line", "what", "reason"].map(str::to_owned)]).await?;
        Ok(file)
    }

    async fn write(&mut self, notes: &[Note]) -> Result<(), Error> {
        let record =
            |note: &Note| [note.line.to_string(), note.kind.as_str().to_owned(), protect(&note.reason)];
        let records: Vec<[String; 3]> = notes.iter().map(record).collect();
        self.put(&records).await
    }

    async fn put(&mut self, records: &[[String; 3]]) -> Result<(), Error> {
        let failed = |why: String| Error::Io(format!("the report cannot be written: {why}"));
        let mut csv = csv::Writer::from_writer(vec![]);
        for record in records {
            csv.write_record(record).map_err(|error| failed(error.to_string()))?;
        }
        let bytes = csv.into_inner().map_err(|error| failed(error.to_string()))?;
        match &mut self.notes {
            Notes::File(file) => file.write_all(&bytes).map_err(|error| failed(error.to_string())),
            Notes::Database(_) if self.bytes > MOST_IN_DATABASE => Ok(()),
            Notes::Database(writer) => {
                self.bytes += bytes.len();
                writer.write(&bytes).await?;
                if self.bytes > MOST_IN_DATABASE {
                    writer.write(MORE).await?;
                }
                Ok(())
            }
        }
    }

    pub async fn finish(self) -> Result<(), Error> {
        match self.notes {
            Notes::File(mut file) => {
                file.flush().map_err(|error| Error::Io(format!("the report cannot be written: {error}")))
            }
            Notes::Database(mut writer) => writer.finish().await,
        }
    }
}

/// The last line of notes that are too many.
const MORE: &[u8] =
    b",,\"there are more notes than are kept, 32 MB of them: see the numbers of the report\"\n";

impl Report {
    /// Takes in the notes of some lines, in the order of the lines.
    pub async fn note(&mut self, mut notes: Vec<Note>, file: Option<&mut NoteFile>) -> Result<(), Error> {
        notes.sort_by_key(|note| note.line);
        let mut last_incomplete = None;
        for note in &notes {
            match note.kind {
                NoteKind::Refused => self.refused += 1,
                NoteKind::Suppressed => self.suppressed += 1,
                NoteKind::Incomplete if last_incomplete != Some(note.line) => self.incomplete += 1,
                NoteKind::Incomplete | NoteKind::Left | NoteKind::Doubtful => {}
            }
            if note.kind == NoteKind::Incomplete {
                last_incomplete = Some(note.line);
            }
        }
        notes.iter().for_each(|note| self.group(note));
        if let Some(file) = file {
            file.write(&notes).await?;
        }
        self.notes_in_all += u64::try_from(notes.len()).unwrap_or(0);
        let room = KEPT_NOTES.saturating_sub(self.notes.len());
        self.notes.extend(notes.into_iter().take(room));
        Ok(())
    }

    fn group(&mut self, note: &Note) {
        let place = match self.groups.binary_search_by_key(&note.cause, |group| group.cause) {
            Ok(place) => place,
            Err(place) => {
                self.groups.insert(place, Group { cause: note.cause, count: 0, first: vec![] });
                place
            }
        };
        let group = &mut self.groups[place];
        group.count += 1;
        if group.first.len() < FIRST {
            group.first.push(note.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::uploads::{self, Part};
    use crate::pipeline::testing::apps;

    #[tokio::test]
    async fn a_note_is_no_formula_to_a_spreadsheet() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut file = NoteFile::begin(Notes::File(Box::new(path.reopen().unwrap()))).await.unwrap();
        let reason = "=HYPERLINK(1)@example.org is on line 1 already".to_owned();
        let notes = vec![Note::new(2, Cause::Twice, reason)];
        Report::default().note(notes, Some(&mut file)).await.unwrap();
        file.finish().await.unwrap();
        let text = std::fs::read_to_string(path.path()).unwrap();
        assert!(text.contains("2,refused,'=HYPERLINK"), "{text}");
    }

    #[tokio::test]
    async fn notes_are_told_together_by_what_was_wrong() {
        let mut report = Report::default();
        for line in (2..14).rev() {
            let cause = if line % 2 == 0 { Cause::Date } else { Cause::NotAnAddress };
            report.note(vec![Note::new(line, cause, format!("line {line}"))], None).await.unwrap();
        }
        let told: Vec<_> = report.groups.iter().map(|group| (group.cause, group.count)).collect();
        assert_eq!(told, [(Cause::NotAnAddress, 6), (Cause::Date, 6)]);
        assert_eq!(report.groups[0].first.len(), FIRST);
        assert_eq!((report.refused, report.incomplete), (6, 6));
    }

    #[tokio::test]
    async fn notes_in_the_database_end_somewhere_and_say_so() {
        for test in apps().await {
            let writer = Writer::new(&test.app, "a", Part::Notes);
            let mut file = NoteFile::begin(Notes::Database(Box::new(writer))).await.unwrap();
            let note = |line| Note::new(line, Cause::NotAnAddress, "x".repeat(1024 * 1024));
            for line in 1..40 {
                Report::default().note(vec![note(line)], Some(&mut file)).await.unwrap();
            }
            file.finish().await.unwrap();
            let mut conn = test.app.db.conn().await.unwrap();
            let bytes = uploads::bytes(&mut conn, "a", Part::Notes).await.unwrap();
            assert!((32..34).contains(&(bytes / 1024 / 1024)), "{bytes}");
            let last = bytes / (256 * 1024);
            let last = uploads::get(&mut conn, "a", Part::Notes, last).await.unwrap().unwrap();
            assert!(String::from_utf8_lossy(&last).contains("there are more notes"));
        }
    }
}
