//! Bytes of a file in some encoding → bytes of UTF-8, as a stream.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a file is looked at to find its encoding.
const PREFIX: u64 = 256 * 1024;

const CHUNK: usize = 32 * 1024;

/// The file's text as UTF-8, and the encoding it is in: the one that its byte order mark tells, the one given, or the
/// one that its first 256 KB look like. A file that is ASCII up to there counts as UTF-8.
pub fn open(
    mut input: Box<dyn Read + Send>,
    given: Option<&'static Encoding>,
) -> io::Result<(Box<dyn Read + Send>, &'static Encoding)> {
    let mut prefix = vec![];
    (&mut input).take(PREFIX).read_to_end(&mut prefix)?;
    let (encoding, mark) =
        Encoding::for_bom(&prefix).unwrap_or_else(|| (given.unwrap_or_else(|| guess(&prefix)), 0));
    prefix.drain(..mark);
    let whole = io::Cursor::new(prefix).chain(input);
    if encoding == UTF_8 {
        return Ok((Box::new(whole), encoding));
    }
    let decoder = encoding.new_decoder_without_bom_handling();
    let decoding =
        Decoding { input: Box::new(whole), decoder, raw: vec![], text: vec![], given: 0, ended: false };
    Ok((Box::new(decoding), encoding))
}

fn guess(prefix: &[u8]) -> &'static Encoding {
    // Spreadsheets write UTF-16 without a mark too; no other encoding has a NUL beside a letter in the header.
    match prefix {
        [0, letter, ..] if *letter != 0 => return UTF_16BE,
        [letter, 0, ..] if *letter != 0 => return UTF_16LE,
        _ => {}
    }
    match std::str::from_utf8(prefix) {
        Ok(_) => return UTF_8,
        // The prefix may end within a character.
        Err(error) if error.error_len().is_none() => return UTF_8,
        Err(_) => {}
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(prefix, true);
    detector.guess(None, chardetng::Utf8Detection::Deny)
}

struct Decoding {
    input: Box<dyn Read + Send>,
    decoder: Decoder,
    /// Bytes read and not decoded yet.
    raw: Vec<u8>,
    /// Text decoded, of which `given` bytes are given out.
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Read for Decoding {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.decode()?;
        }
        let count = out.len().min(self.text.len() - self.given);
        out[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

impl Decoding {
    fn decode(&mut self) -> io::Result<()> {
        self.raw.clear();
        let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
        self.ended = (&mut self.input).take(limit).read_to_end(&mut self.raw)? < CHUNK;
        // No encoding grows more than threefold; the rest is for a character begun in the chunk before.
        self.text.resize(3 * self.raw.len() + 64, 0);
        let (_, _, written, _) = self.decoder.decode_to_utf8(&self.raw, &mut self.text, self.ended);
        self.text.truncate(written);
        self.given = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: Vec<u8>) -> (String, &'static str) {
        let (mut reader, encoding) = open(Box::new(io::Cursor::new(bytes)), None).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        (text, encoding.name())
    }

    fn utf_16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn the_encoding_is_found_by_its_mark_or_by_its_bytes() {
        let text = "email,name\njoerg@example.org,Jörg Müßig\nfrancois@example.org,François Lefèvre\n";
        let latin = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
        let cases = [
            (text.as_bytes().to_vec(), "UTF-8"),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8"),
            (latin, "windows-1252"),
            ([b"\xff\xfe".to_vec(), utf_16(text, u16::to_le_bytes)].concat(), "UTF-16LE"),
            ([b"\xfe\xff".to_vec(), utf_16(text, u16::to_be_bytes)].concat(), "UTF-16BE"),
            (utf_16(text, u16::to_le_bytes), "UTF-16LE"),
        ];
        for (bytes, name) in cases {
            assert_eq!(read(bytes), (text.to_owned(), name));
        }
    }

    #[test]
    fn a_long_file_is_decoded_across_its_chunks() {
        let text = "é€😀x".repeat(100_000);
        assert_eq!(read([b"\xff\xfe".to_vec(), utf_16(&text, u16::to_le_bytes)].concat()).0, text);
        assert_eq!(read(text.clone().into_bytes()), (text, "UTF-8"));
        assert_eq!(read(vec![]), (String::new(), "UTF-8"));
    }
}
