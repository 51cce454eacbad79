//! What a template prints, as long as it is no more than a mail can be, and is printed in time: loops in loops print for
//! ever, and would take all memory with them.

use std::io::{self, Write};
use std::time::Instant;

use handlebars::Output;

/// The most bytes that one file of a template prints. A digest has a tenth of a megabyte at the end; before its last
/// articles are left out it may have several times that.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How often the time is looked at: a look costs as much as some writes.
const WRITES: u32 = 256;

pub(super) struct Bounded {
    printed: Vec<u8>,
    writes: u32,
    until: Option<Instant>,
}

impl Bounded {
    pub fn new(until: Option<Instant>) -> Self {
        Self { printed: vec![], writes: 0, until }
    }

    pub fn into_string(self) -> String {
        String::from_utf8(self.printed).expect("Handlebars writes whole pieces of text")
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.printed.len() + bytes.len() > MOST_BYTES {
            return Err(io::Error::other(format!(
                "more than {} MB are printed: look for loops in loops",
                MOST_BYTES / 1024 / 1024
            )));
        }
        self.writes = self.writes.wrapping_add(1);
        if self.writes.is_multiple_of(WRITES) && self.until.is_some_and(|until| Instant::now() > until) {
            return Err(io::Error::other("rendering takes too long: look for loops in loops"));
        }
        self.printed.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Bounded {
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_after_its_time_is_refused() {
        let mut late = Bounded::new(Some(Instant::now()));
        let mut writes = 0;
        let why = loop {
            match Output::write(&mut late, "x") {
                Ok(()) => writes += 1,
                Err(why) => break why,
            }
        };
        assert!(writes < 1_000 && why.to_string().contains("takes too long"), "{writes}: {why}");
        let mut unhurried = Bounded::new(None);
        (0..1_000).for_each(|_| Output::write(&mut unhurried, "é").unwrap());
        assert_eq!(unhurried.into_string(), "é".repeat(1_000));
    }
}
