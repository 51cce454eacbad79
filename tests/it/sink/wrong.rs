//! What a relay can do wrong to everybody, as relays really do.

use std::time::Duration;

/// A relay's faults; none unless a test says so.
#[derive(Clone, Debug, Default)]
pub struct Wrong {
    /// Answers `EHLO` with this; `HELO` is known.
    pub ehlo: Option<&'static str>,
    /// Offers no extension.
    pub no_extension: bool,
    /// Ends its lines with a line feed alone.
    pub bare_line_feeds: bool,
    /// Says nothing behind the code.
    pub bare_codes: bool,
    /// Answers `RSET` with this.
    pub reset: Option<&'static str>,
    /// Answers `DATA` with this.
    pub data: Option<&'static str>,
    /// Closes in the middle of each message.
    pub breaks_bodies: bool,
    /// Answers each message with this, and has not taken it.
    pub refuse_body: Option<&'static str>,
    /// Answers each message with this and no more, and has taken it.
    pub body: Option<&'static [u8]>,
    /// Throws away what has come behind a message when it has read that.
    pub deaf_behind: bool,
    /// Waits before it answers a message for a recipient `slow@…`; it has taken it by then.
    pub slowness: Duration,
}

impl Wrong {
    /// A reply as it is written: so many lines, with its faults.
    pub fn written(&self, reply: &str, lines: usize) -> String {
        let (code, text) = reply.split_at(3);
        let mut written = String::new();
        for _ in 1..lines {
            written.push_str(&format!("{code}-{}\r\n", text.trim_start()));
        }
        written.push_str(if self.bare_codes { code } else { reply });
        written.push_str("\r\n");
        if self.bare_line_feeds { written.replace('\r', "") } else { written }
    }
}
