//! The thread that reads: bytes → batches of people, and notes about the lines that are not.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::StringRecord;
use encoding_rs::Encoding;
use tokio::sync::mpsc::Sender;

use super::columns::{Columns, Field};
use super::dates::Slashed;
use super::decode;
use super::doubt::Doubtful;
use super::entry::{Entry, Reading, Source};
use super::records::{Record, Records};
use super::report::{Cause, Note};
use crate::domain::newsletter::Schedule;
use crate::domain::subscription::SubscriptionEvent;
use crate::domain::topic::Topic;
use crate::pipeline::Error;

/// How many people are looked up and written at a time: enough that a batch's few statements cost little per person,
/// few enough that other writers wait for some ten milliseconds only.
const BATCH: usize = 1000;

/// How many addresses are remembered to find those that a file holds twice: what fits a table of 4 Mi entries of 17
/// bytes, 71 MB; a million take 36 MB. Duplicates further apart are taken in like an update.
const REMEMBERED: usize = 3_600_000;

/// What the file is read with.
pub struct Words {
    pub topics: Vec<Topic>,
    pub schedules: Vec<Schedule>,
    /// The names of the tags that there are.
    pub tags: HashSet<String>,
    pub source: Source,
    pub map: Vec<(String, String)>,
    /// What every column holds, where that was said.
    pub columns: Option<Vec<Option<Field>>>,
    pub encoding: Option<&'static Encoding>,
    /// The same file once more, to find out first which way round its dates are.
    pub first_look: Option<Box<dyn Read + Send>>,
}

/// What the thread has read.
pub enum Batch {
    /// Comes first, once.
    Head {
        encoding: String,
        separator: String,
        columns: Vec<String>,
        ignored_columns: Vec<String>,
        doubtful_columns: Vec<String>,
        dates: Option<String>,
    },
    /// People by line, each address once; notes about lines; and how many bytes of the file are read so far.
    People { people: Vec<(u64, Entry)>, notes: Vec<Note>, bytes: u64 },
}

/// Counts the bytes that are read.
struct Counted {
    input: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.count.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::Io(format!("the file cannot be read: {error}"))
}

/// Reads to the end, or until nobody takes the batches any more.
pub fn run(input: Box<dyn Read + Send>, words: Words, sender: &Sender<Batch>) -> Result<(), Error> {
    let count = Arc::new(AtomicU64::new(0));
    let input = Box::new(Counted { input, count: Arc::clone(&count) });
    let (input, encoding) = decode::open(input, words.encoding).map_err(unreadable)?;
    let mut records = Records::open(input).map_err(unreadable)?;
    let header = header(&mut records)?;
    let columns = match &words.columns {
        Some(said) => Columns::said(&header, said)?,
        None => Columns::read(&header, &words.map)?,
    };
    let slashed = match words.first_look {
        Some(input) => look_first(input, words.encoding, &columns)?,
        None => Slashed::default(),
    };
    let doubtful = Doubtful::of(&columns, &header);
    let head = Batch::Head {
        encoding: encoding.name().to_owned(),
        separator: records.separator().to_string(),
        columns: columns.used(&header),
        ignored_columns: columns.ignored(&header),
        doubtful_columns: doubtful.names(),
        dates: slashed.words(),
    };
    let mut parser = Parser {
        reading: Reading::new(
            columns,
            words.topics,
            words.schedules,
            words.tags,
            slashed,
            doubtful,
            words.source,
        ),
        seen: HashMap::new(),
        hasher: RandomState::new(),
        people: vec![],
        notes: vec![],
        count,
    };
    if sender.blocking_send(head).is_err() {
        return Ok(());
    }
    while let Some(record) = records.next().map_err(unreadable)? {
        if let Some(batch) = parser.take(record)
            && sender.blocking_send(batch).is_err()
        {
            return Ok(());
        }
    }
    // Whoever does not take the last batch has failed, and says so.
    let _ = sender.blocking_send(parser.flush());
    Ok(())
}

/// Looks through a whole file for which way round its dates with slashes are.
fn look_first(
    input: Box<dyn Read + Send>,
    encoding: Option<&'static Encoding>,
    columns: &Columns,
) -> Result<Slashed, Error> {
    let mut slashed = Slashed::default();
    let dated = [Field::ConsentAt, Field::PausedUntil, Field::LeftAt, Field::BouncedAt];
    let dated = dated.map(|field| columns.has(field).then_some(field));
    if dated == [None; 4] {
        return Ok(slashed);
    }
    let (input, _) = decode::open(input, encoding).map_err(unreadable)?;
    let mut records = Records::open(input).map_err(unreadable)?;
    header(&mut records)?;
    while let Some(record) = records.next().map_err(unreadable)? {
        if let Record::Fields { fields, .. } = record {
            let cells = dated.into_iter().flatten().filter_map(|field| columns.cell(&fields, field));
            cells.for_each(|cell| slashed.see(cell));
        }
    }
    Ok(slashed)
}

/// The names of a file's columns.
pub fn header(records: &mut Records) -> Result<StringRecord, Error> {
    match records.next().map_err(unreadable)? {
        Some(Record::Fields { fields, .. }) => Ok(fields),
        Some(Record::Refused { line, why }) => {
            Err(Error::Invalid(format!("the names of the columns cannot be read, in line {line}: {why}")))
        }
        None => Err(Error::Invalid(
            "the file is empty: its first line must name the columns, for instance email,name".to_owned(),
        )),
    }
}

/// Where an address stood first, and what most was said against mailing it: the line shifted by two, and two bits.
#[derive(Clone, Copy)]
struct Seen(u64);

impl Seen {
    fn new(line: u64, against: Against) -> Self {
        Self(line << 2 | u64::from(against))
    }

    fn line(self) -> u64 {
        self.0 >> 2
    }

    fn against(self) -> Against {
        u8::try_from(self.0 & 0b11).unwrap_or(SUPPRESSED)
    }
}

/// What a line says against mailing an address: 0, [`LEFT`] or [`SUPPRESSED`]; the greater is believed.
type Against = u8;
const LEFT: Against = 1;
const SUPPRESSED: Against = 2;

fn against(entry: &Entry) -> Against {
    match (entry.suppression, entry.event) {
        (Some(_), _) => SUPPRESSED,
        (None, SubscriptionEvent::Leave) => LEFT,
        (None, _) => 0,
    }
}

struct Parser {
    reading: Reading,
    /// By the hash of the address; its key is random, so nobody can make addresses collide.
    seen: HashMap<u64, Seen>,
    hasher: RandomState,
    people: Vec<(u64, Entry)>,
    notes: Vec<Note>,
    count: Arc<AtomicU64>,
}

impl Parser {
    /// Takes in a record; returns the batch that is full by now.
    fn take(&mut self, record: Record) -> Option<Batch> {
        let mut full = None;
        match record {
            Record::Refused { line, why } => self.notes.push(Note::new(line, Cause::Unreadable, why)),
            Record::Fields { line, fields } => match self.reading.read(&fields) {
                Err((cause, why)) => self.notes.push(Note::new(line, cause, why)),
                Ok((entry, left_out)) => {
                    let note = |(cause, why)| Note::new(line, cause, why);
                    self.notes.extend(left_out.into_iter().map(note));
                    full = self.take_entry(line, entry);
                }
            },
        }
        let is_full = self.people.len() >= BATCH || self.notes.len() >= BATCH;
        full.or_else(|| is_full.then(|| self.flush()))
    }

    fn take_entry(&mut self, line: u64, entry: Entry) -> Option<Batch> {
        let address = self.hasher.hash_one(entry.email.as_str());
        let against = against(&entry);
        let Some(first) = self.seen.get(&address).copied() else {
            let is_much = self.seen.len() >= REMEMBERED;
            let flushed = is_much.then(|| {
                self.seen.clear();
                self.flush()
            });
            self.seen.insert(address, Seen::new(line, against));
            self.people.push((line, entry));
            return flushed;
        };
        let again = format!("{} is on line {} already", entry.email, first.line());
        if against <= first.against() {
            self.notes.push(Note::new(line, Cause::Twice, again));
            return None;
        }
        // Of two lines that disagree, the one that says that the person left, or must not be mailed, is believed.
        self.seen.insert(address, Seen::new(first.line(), against));
        match self.people.iter_mut().find(|(_, earlier)| earlier.email == entry.email) {
            Some((_, earlier)) => {
                (earlier.event, earlier.suppression) = (entry.event, entry.suppression);
                (earlier.left_at, earlier.left_reason) = (entry.left_at, entry.left_reason);
                let word = if against == LEFT { "unsubscribed" } else { "suppressed" };
                let why = format!("{again}, which now counts as {word}, as this line says");
                self.notes.push(Note::new(line, Cause::Twice, why));
            }
            None => self.people.push((line, entry)),
        }
        None
    }

    fn flush(&mut self) -> Batch {
        let (people, notes) = (std::mem::take(&mut self.people), std::mem::take(&mut self.notes));
        Batch::People { people, notes, bytes: self.count.load(Ordering::Relaxed) }
    }
}
