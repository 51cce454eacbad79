//! A stream of UTF-8 bytes → records of a CSV file, in bounded memory.
//!
//! A broken record costs its first line and no more: reading goes on with the line after it. So a quotation mark that
//! is never closed cannot swallow the file.

use std::io::{self, Read};

use csv::StringRecord;

/// The most bytes one record may have, 64 KB: far more than a person's row needs.
pub const MAX_RECORD: usize = 64 * 1024;

const CHUNK: usize = 256 * 1024;

/// Separators, the likelier first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads the records of one file.
pub struct Records {
    input: Box<dyn Read + Send>,
    separator: u8,
    /// What is read and not given out yet begins at `start`.
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// The line at `start`, from 1.
    line: u64,
    /// The fields of one record, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// One record, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Record {
    Fields { line: u64, fields: StringRecord },
    Refused { line: u64, why: String },
}

impl Records {
    /// Starts reading, and finds the separator in the first line.
    pub fn open(input: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut records = Self {
            input,
            separator: b',',
            buffer: vec![],
            start: 0,
            ended: false,
            line: 1,
            text: vec![],
            ends: vec![],
        };
        records.fill()?;
        let first = first_line(&records.buffer[..records.buffer.len().min(MAX_RECORD)]);
        // Spreadsheets write and read such a line.
        if let Some(separator) = first.strip_prefix(b"sep=").and_then(|rest| rest.first()) {
            records.separator = *separator;
            records.skip_line()?;
        } else {
            records.separator = separator_of(first);
        }
        Ok(records)
    }

    pub fn separator(&self) -> char {
        char::from(self.separator)
    }

    /// The next record; none at the end. Empty lines, and lines of separators alone, are passed over.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let window = &self.buffer[self.start..];
            let is_cut = window.len() > MAX_RECORD;
            let window = &window[..window.len().min(MAX_RECORD)];
            if window.is_empty() && self.ended {
                return Ok(None);
            }
            match split(window, self.separator, self.ended && !is_cut, &mut self.text, &mut self.ends) {
                Split::More if is_cut => return self.refuse(TOO_LONG).map(Some),
                Split::More => self.fill()?,
                Split::Broken(why) => return self.refuse(why).map(Some),
                Split::Whole(length) => {
                    let line = self.line;
                    self.line += lines(&window[..length]);
                    self.start += length;
                    if self.text.iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
                        return Ok(Some(self.record(line)));
                    }
                }
            }
        }
    }

    fn record(&self, line: u64) -> Record {
        if self.text.contains(&0) {
            return Record::Refused { line, why: "a NUL byte stands in this line: remove it".to_owned() };
        }
        let mut fields = StringRecord::with_capacity(self.text.len(), self.ends.len());
        let mut from = 0;
        // A file that is UTF-8 but for a few lines: those were pasted from an older one.
        let is_utf8 = std::str::from_utf8(&self.text).is_ok();
        for end in &self.ends {
            let field = &self.text[from..*end];
            match std::str::from_utf8(field) {
                Ok(text) if is_utf8 => fields.push_field(text),
                _ => fields.push_field(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(field).0),
            }
            from = *end;
        }
        Record::Fields { line, fields }
    }

    fn refuse(&mut self, why: &str) -> io::Result<Record> {
        let line = self.line;
        self.skip_line()?;
        Ok(Record::Refused { line, why: why.to_owned() })
    }

    /// Drops everything up to the end of the line at `start`, however long it is.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let rest = &self.buffer[self.start..];
            match rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                Some(at) if at + 1 < rest.len() || self.ended => {
                    let is_pair = rest[at] == b'\r' && rest.get(at + 1) == Some(&b'\n');
                    self.start += at + if is_pair { 2 } else { 1 };
                    break;
                }
                Some(at) => self.start += at,
                None => self.start = self.buffer.len(),
            }
            if self.ended {
                break;
            }
            self.fill()?;
        }
        self.line += 1;
        Ok(())
    }

    /// Reads on; what was given out makes room.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
        let read = (&mut self.input).take(limit).read_to_end(&mut self.buffer)?;
        self.ended = read < CHUNK;
        debug_assert_eq!(self.buffer.len(), length + read);
        Ok(())
    }
}

const TOO_LONG: &str = "the line, or the quoted text that begins on it, is longer than 64 KB: is a quotation mark \
                        not closed?";
const NOT_CLOSED: &str = "a quotation mark is opened on this line and never closed";
const TEXT_BEHIND: &str = "text stands behind a closing quotation mark: close the quotation, or double the quotation marks within it";

enum Split {
    /// A record of so many bytes, its line end included.
    Whole(usize),
    /// It does not end within these bytes.
    More,
    Broken(&'static str),
}

/// Splits the record at the start of `bytes` into fields; `ended` says that nothing follows them.
fn split(bytes: &[u8], separator: u8, ended: bool, text: &mut Vec<u8>, ends: &mut Vec<usize>) -> Split {
    text.clear();
    ends.clear();
    let mut at = 0;
    loop {
        let spaces = bytes[at..].iter().take_while(|byte| **byte == b' ').count();
        if bytes.get(at + spaces) == Some(&b'"') {
            at += spaces + 1;
            loop {
                let Some(quote) = bytes[at..].iter().position(|byte| *byte == b'"') else {
                    return if ended { Split::Broken(NOT_CLOSED) } else { Split::More };
                };
                text.extend_from_slice(&bytes[at..at + quote]);
                at += quote + 1;
                match bytes.get(at) {
                    Some(b'"') => text.push(b'"'),
                    None if !ended => return Split::More,
                    _ => break,
                }
                at += 1;
            }
            at += bytes[at..].iter().take_while(|byte| **byte == b' ').count();
            if bytes.get(at).is_some_and(|byte| *byte != separator && !matches!(byte, b'\n' | b'\r')) {
                return Split::Broken(TEXT_BEHIND);
            }
        } else {
            let is_end = |byte: &u8| *byte == separator || matches!(byte, b'\n' | b'\r');
            let length = bytes[at..].iter().position(is_end).unwrap_or(bytes.len() - at);
            text.extend_from_slice(&bytes[at..at + length]);
            at += length;
        }
        ends.push(text.len());
        match bytes.get(at) {
            None if ended => return Split::Whole(at),
            None => return Split::More,
            Some(b'\n') => return Split::Whole(at + 1),
            Some(b'\r') => match bytes.get(at + 1) {
                None if !ended => return Split::More,
                Some(b'\n') => return Split::Whole(at + 2),
                _ => return Split::Whole(at + 1),
            },
            Some(_) => at += 1,
        }
    }
}

/// How many lines end in `bytes`: LF, CR LF, or CR alone.
fn lines(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    u64::try_from(ends.count()).unwrap_or(u64::MAX)
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
}

/// The separator that stands most often outside quotation marks.
fn separator_of(line: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some(place) = SEPARATORS.iter().position(|separator| separator == byte).filter(|_| !quoted) {
            counts[place] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    SEPARATORS
        .into_iter()
        .zip(counts)
        .find(|(_, count)| *count == most)
        .map_or(b',', |(separator, _)| separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Record> {
        let mut records = Records::open(Box::new(io::Cursor::new(bytes.to_vec()))).unwrap();
        std::iter::from_fn(|| records.next().unwrap()).collect()
    }

    fn fields(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let of = |record| match record {
            Record::Fields { line, fields } => (line, fields.iter().map(str::to_owned).collect()),
            Record::Refused { line, why } => (line, vec![format!("refused: {why}")]),
        };
        read(bytes).into_iter().map(of).collect()
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn quotes_line_breaks_and_every_line_end_are_read() {
        let text = b"a,b\r\n\"x, \"\"y\"\"\r\nz\", \"w\" \n\n,,\nlast,\"\"\rmac,os";
        let expected = [
            row(1, &["a", "b"]),
            row(2, &["x, \"y\"\r\nz", "w"]),
            row(6, &["last", ""]),
            row(7, &["mac", "os"]),
        ];
        assert_eq!(fields(text), expected);
    }

    #[test]
    fn the_separator_is_found_in_the_first_line() {
        for separator in [",", ";", "\t", "|"] {
            let text = format!("\"a,;|\tb\"{separator}c{separator}d\n1{separator}2{separator}3");
            assert_eq!(fields(text.as_bytes())[1], row(2, &["1", "2", "3"]));
        }
        assert_eq!(fields(b"sep=;\na,b;c\n"), [row(2, &["a,b", "c"])]);
        assert_eq!(fields(b"email\nx"), [row(1, &["email"]), row(2, &["x"])]);
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_its_own_line() {
        let mut text = b"a,b\n1,\"open\n".to_vec();
        for number in 0..20_000 {
            text.extend_from_slice(format!("{number},some text\n").as_bytes());
        }
        let read = fields(&text);
        assert_eq!(read.len(), 20_002);
        assert_eq!(read[1], row(2, &[&format!("refused: {TOO_LONG}")]));
        assert_eq!(read[2], row(3, &["0", "some text"]));
        assert_eq!(read[20_001], row(20_002, &["19999", "some text"]));
        assert_eq!(fields(b"a,b\n1,\"open\n2,x")[1], row(2, &[&format!("refused: {NOT_CLOSED}")]));
        assert_eq!(fields(b"a,b\n1,\"open\n2,x")[2], row(3, &["2", "x"]));
        assert_eq!(fields(b"a,b\n\"x\"y,1\n2,x")[1], row(2, &[&format!("refused: {TEXT_BEHIND}")]));
    }

    #[test]
    fn an_endless_line_is_dropped_without_being_kept() {
        let mut text = b"a,b\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * CHUNK));
        text.extend_from_slice(b"\r\n1,2\n");
        let read = fields(&text);
        assert_eq!(read[1], row(2, &[&format!("refused: {TOO_LONG}")]));
        assert_eq!(read[2], row(3, &["1", "2"]));
    }

    #[test]
    fn a_nul_byte_is_refused_and_a_line_that_is_not_utf_8_is_read_as_windows_1252() {
        let read = fields(b"a,b\n1,x\0y\n2,J\xf6rg\n3,J\xc3\xb6rg\n");
        assert!(read[1].1[0].contains("NUL"));
        assert_eq!(read[2..], [row(3, &["2", "Jörg"]), row(4, &["3", "Jörg"])]);
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_wrote_is_read_as_it_was(rows in prop::collection::vec(
            prop::collection::vec("[a-z\",;\n\r |äß]{0,12}", 3), 1..40))
        {
            let mut writer = csv::Writer::from_writer(vec![]);
            writer.write_record(["a", "b", "c"]).unwrap();
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let read = fields(&writer.into_inner().unwrap());
            // Cells of spaces alone make an empty row, and an unquoted cell keeps its spaces.
            let expected = rows.iter().filter(|row| row.concat().bytes().any(|byte| byte != b' '));
            let read: Vec<&Vec<String>> = read.iter().skip(1).map(|(_, cells)| cells).collect();
            prop_assert_eq!(read, expected.collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_to_the_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            read(&bytes);
        }

        #[test]
        fn no_line_is_lost(text in "[a\",\n\r]{0,300}") {
            let mut records = Records::open(Box::new(io::Cursor::new(text.clone().into_bytes()))).unwrap();
            while records.next().unwrap().is_some() {}
            let ends = lines(text.as_bytes());
            prop_assert!(records.line == ends + 1 || records.line == ends + 2, "{} of {ends}", records.line);
        }
    }
}
