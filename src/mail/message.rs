//! A cohort's mail as a message (RFC 5322, RFC 2045): encoded once, cut at its holes, and written for each recipient.
//!
//! Encoding 20 KB takes longer than sending it. What a cohort shares is therefore encoded once, into segments; a
//! recipient's message is the segments copied in order, with the values between them. Each value stands on lines of
//! its own (soft line breaks around it), encoded by the same encoder.

use std::ops::Range;

use chrono::{Datelike, Timelike};

use super::{header, quoted_printable};
use crate::domain::calendar::Timestamp;
use crate::domain::mail::{Hole, HoleValues, Holed, Mailbox, Piece, RenderedMail, escape_html};

/// What all messages of an issue, or of a kind of notice, have in their headers.
#[derive(Clone, Debug)]
pub struct MailHead {
    pub from: Mailbox,
    pub reply_to: Option<Mailbox>,
    /// For the issues of a newsletter; a notice to one person has none.
    pub list: Option<ListHead>,
    /// `issue:newsletter:digest:sender`, for Gmail's feedback loop; nothing that identifies a person.
    pub feedback_id: Option<String>,
    /// Whether the mail answers something the recipient did (a confirmation, a password): `Auto-Submitted`
    /// (RFC 3834 §5) keeps it from being answered by another program.
    pub auto_submitted: bool,
}

/// The fields about the newsletter (RFC 2369, RFC 2919).
#[derive(Clone, Debug)]
pub struct ListHead {
    /// The newsletter's name.
    pub name: String,
    /// `slug.domain`, the same for every issue.
    pub id: String,
    /// The page that explains the newsletter.
    pub help_url: Option<String>,
}

/// Whom a message is for, and what differs for them.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    pub mailbox: &'a Mailbox,
    pub values: &'a HoleValues,
    /// Without angle brackets; see [`super::identity::message_id`].
    pub message_id: &'a str,
    pub date: Timestamp,
    /// The HTTPS address that ends the subscription on a POST (RFC 8058 §3.1).
    pub list_unsubscribe: Option<&'a str>,
}

/// Between the parts. Quoted-printable text has hexadecimal digits or a line break behind each `=`, so it cannot
/// hold this (RFC 2045 §6.7).
const BOUNDARY: &str = "=_daybreak";

/// A cohort's mail, encoded and cut at its holes.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The segments' text, one behind the other.
    encoded: String,
    segments: Vec<Segment>,
    /// With holes, the subject is encoded for each recipient; without, it is a part of the first segment.
    subject: Option<Holed>,
}

#[derive(Clone, Debug)]
enum Segment {
    Encoded(Range<usize>),
    TextHole(Hole),
    HtmlHole(Hole),
}

impl Letter {
    /// Encodes a mail for all its recipients.
    pub fn new(head: &MailHead, mail: &RenderedMail) -> Self {
        let mut letter = Self { encoded: String::new(), segments: Vec::new(), subject: None };
        if mail.subject.has_holes() {
            letter.subject = Some(mail.subject.clone());
        } else {
            let subject = mail.subject.fill(&HoleValues::default(), str::to_owned);
            header::write_text(&mut letter.encoded, "Subject", &subject);
        }
        write_shared_header(&mut letter.encoded, head, &mail.language);
        let out = &mut letter.encoded;
        out.push_str("MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"");
        out.push_str(BOUNDARY);
        out.push_str("\"\r\n");
        // Plain first, HTML last: the last that a reader's program understands is shown (RFC 2046 §5.1.4).
        letter.push_part("plain", &mail.text, Segment::TextHole);
        letter.push_part("html", &mail.html, Segment::HtmlHole);
        letter.push_delimiter();
        letter.encoded.push_str("--\r\n");
        letter.close_segment();
        letter
    }

    /// Appends one recipient's whole message. It ends with CRLF, no line starts with a dot, and it is ASCII but for
    /// an address whose local part is not.
    pub fn write(&self, out: &mut String, recipient: &Recipient) {
        // The values come on top: some hundred octets of header, and links with a token in the text.
        out.reserve(self.encoded.len() + 2048);
        self.write_own_header(out, recipient);
        for segment in &self.segments {
            match segment {
                Segment::Encoded(range) => out.push_str(&self.encoded[range.clone()]),
                Segment::TextHole(hole) => quoted_printable::encode(out, recipient.values.get(*hole)),
                Segment::HtmlHole(hole) => {
                    quoted_printable::encode(out, &escape_html(recipient.values.get(*hole)));
                }
            }
        }
    }

    fn write_own_header(&self, out: &mut String, recipient: &Recipient) {
        write_date(out, recipient.date);
        header::write_mailbox(out, "To", recipient.mailbox);
        header::write_named(out, "Message-ID", "", recipient.message_id);
        if let Some(uri) = recipient.list_unsubscribe
            && header::write_uri(out, "List-Unsubscribe", uri)
            && uri.starts_with("https://")
        {
            out.push_str("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
        }
        if let Some(subject) = &self.subject {
            header::write_text(out, "Subject", &subject.fill(recipient.values, str::to_owned));
        }
    }

    fn push_part(&mut self, subtype: &str, content: &Holed, hole_segment: fn(Hole) -> Segment) {
        self.push_delimiter();
        self.encoded.push_str("\r\nContent-Type: text/");
        self.encoded.push_str(subtype);
        self.encoded.push_str("; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
        for piece in merged(content) {
            match piece {
                Piece::Text(text) => quoted_printable::encode(&mut self.encoded, &text),
                Piece::Hole(hole) => {
                    self.close_segment();
                    self.segments.push(hole_segment(hole));
                }
            }
        }
    }

    /// The line break before a delimiter belongs to it (RFC 2046 §5.1.1), so that a part ends exactly as its text.
    fn push_delimiter(&mut self) {
        // A soft line break before it would say that the part's last line goes on. It stays behind white space, which
        // must not end a line, and behind a hole, whose value may be empty: every reader drops it there.
        if let Some(before) = self.encoded[self.segment_start()..].strip_suffix("=\r\n")
            && before.ends_with(|last| !matches!(last, ' ' | '\t'))
        {
            self.encoded.truncate(self.encoded.len() - 3);
        }
        self.encoded.push_str("\r\n--");
        self.encoded.push_str(BOUNDARY);
    }

    fn close_segment(&mut self) {
        let range = self.segment_start()..self.encoded.len();
        if !range.is_empty() {
            self.segments.push(Segment::Encoded(range));
        }
    }

    /// Where the segment begins that is being encoded.
    fn segment_start(&self) -> usize {
        let ends = self.segments.iter().rev().find_map(|segment| match segment {
            Segment::Encoded(range) => Some(range.end),
            Segment::TextHole(_) | Segment::HtmlHole(_) => None,
        });
        ends.unwrap_or(0)
    }
}

/// Neighbouring stretches of text as one, so that lines are as long as they can be.
fn merged(content: &Holed) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for piece in &content.0 {
        match (pieces.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(text),
            _ => pieces.push(piece.clone()),
        }
    }
    pieces
}

fn write_shared_header(out: &mut String, head: &MailHead, language: &str) {
    header::write_mailbox(out, "From", &head.from);
    if let Some(reply_to) = &head.reply_to {
        header::write_mailbox(out, "Reply-To", reply_to);
    }
    if let Some(list) = &head.list {
        header::write_named(out, "List-Id", &list.name, &list.id);
        if let Some(url) = &list.help_url {
            header::write_uri(out, "List-Help", url);
        }
    }
    if let Some(feedback_id) = &head.feedback_id {
        header::write_text(out, "Feedback-ID", feedback_id);
    }
    if head.auto_submitted {
        out.push_str("Auto-Submitted: auto-generated\r\n");
    }
    let language: String =
        language.chars().filter(|sign| sign.is_ascii_alphanumeric() || *sign == '-').take(35).collect();
    if !language.is_empty() {
        header::write_text(out, "Content-Language", &language);
    }
}

/// RFC 5322 §3.3, in UTC: `Sun, 29 Mar 2026 01:00:00 +0000`. Written by hand: chrono's formatter costs a microsecond.
fn write_date(out: &mut String, date: Timestamp) {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = date.to_utc();
    let day = DAYS[time.weekday().num_days_from_monday() as usize];
    let month = MONTHS[time.month0() as usize];
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let line = format!(
        "Date: {day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} +0000\r\n",
        time.day(),
        time.year()
    );
    out.push_str(&line);
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
