//! One message on its way to one recipient: what the relay is told of it, and whether it can take it.

use lettre::transport::smtp::response::Response;

use super::outcome::of_our_own;
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{Outcome, OutcomeClass};

/// Who sends and who receives, as the relay is told.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// None is the null sender `<>`, for a message that must not bounce (RFC 5321 §4.5.5).
    pub from: Option<&'a EmailAddress>,
    pub to: &'a EmailAddress,
}

/// What the relay offers, off its answer to `EHLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 1870; in octets, 0 where it is offered without a limit.
    pub size: Option<usize>,
}

impl Features {
    /// Reads the answer to `EHLO`; one to `HELO` offers nothing.
    pub(super) fn offered(answer: &Response) -> Self {
        let mut features = Self::default();
        for line in answer.message().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => features.pipelining = true,
                "8BITMIME" => features.eight_bit_mime = true,
                "SMTPUTF8" => features.smtputf8 = true,
                "SIZE" => {
                    features.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0));
                }
                _ => {}
            }
        }
        features
    }
}

/// The commands that announce a message, as they stand on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead(String);

impl Ahead {
    pub(super) fn commands(&self) -> &str {
        &self.0
    }
}

/// A message that this relay can take, and how it is announced.
pub(super) struct Prepared<'a> {
    envelope: &'a Envelope<'a>,
    message: &'a str,
    announce_size: bool,
    eight_bit: bool,
    smtputf8: bool,
}

impl<'a> Prepared<'a> {
    /// # Errors
    /// The outcome, when the relay has said beforehand that it does not take such a message.
    pub(super) fn check(
        features: Features,
        envelope: &'a Envelope<'a>,
        message: &'a str,
    ) -> Result<Self, Outcome> {
        let refused = |detail: &str| Err(of_our_own(OutcomeClass::OurFault, detail));
        let limit = features.size.unwrap_or(0);
        if limit > 0 && message.len() > limit {
            return refused(&format!(
                "the message has {} bytes and the relay takes {limit} at most (SIZE): shorten the issue",
                message.len()
            ));
        }
        let eight_bit = !message.is_ascii();
        let own_address = envelope.from.is_some_and(EmailAddress::needs_smtputf8);
        let header = || message.split("\r\n\r\n").next().unwrap_or_default();
        let smtputf8 = own_address || envelope.to.needs_smtputf8() || (eight_bit && !header().is_ascii());
        if smtputf8 && !features.smtputf8 {
            return Err(of_our_own(
                OutcomeClass::Refused,
                "the address has letters beyond ASCII before the @, and the relay does not take those (SMTPUTF8): \
                 ask for another address, or use a relay that does",
            ));
        }
        if eight_bit && !smtputf8 && !features.eight_bit_mime {
            return refused("the message is not encoded as ASCII, and the relay takes no other (8BITMIME)");
        }
        Ok(Self { envelope, message, announce_size: features.size.is_some(), eight_bit, smtputf8 })
    }

    /// `MAIL`, `RCPT` and `DATA` in one.
    pub(super) fn write_envelope(&self, out: &mut String) {
        self.write_mail(out);
        self.write_rcpt(out);
        out.push_str("DATA\r\n");
    }

    pub(super) fn ahead(&self) -> Ahead {
        let mut commands = String::with_capacity(160);
        self.write_envelope(&mut commands);
        Ahead(commands)
    }

    pub(super) fn write_mail(&self, out: &mut String) {
        out.push_str("MAIL FROM:<");
        out.push_str(self.envelope.from.map_or("", EmailAddress::as_str));
        out.push('>');
        if self.announce_size {
            out.push_str(" SIZE=");
            out.push_str(&self.message.len().to_string());
        }
        if self.eight_bit {
            out.push_str(" BODY=8BITMIME");
        }
        if self.smtputf8 {
            out.push_str(" SMTPUTF8");
        }
        out.push_str("\r\n");
    }

    pub(super) fn write_rcpt(&self, out: &mut String) {
        out.push_str("RCPT TO:<");
        out.push_str(self.envelope.to.as_str());
        out.push_str(">\r\n");
    }

    /// The message and the dot that ends it (RFC 5321 §4.1.1.4). Our letters have no line that starts with a dot;
    /// one from elsewhere is dot-stuffed (§4.5.2).
    pub(super) fn write_body(&self, out: &mut String) {
        out.reserve(self.message.len() + 5);
        if self.message.starts_with('.') || has_dot_line(self.message.as_bytes()) {
            for line in self.message.split_inclusive('\n') {
                if line.starts_with('.') {
                    out.push('.');
                }
                out.push_str(line);
            }
        } else {
            out.push_str(self.message);
        }
        out.push_str(if self.message.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" });
    }
}

/// Whether a dot follows a line break. Without a branch, so that the compiler looks at many octets at once: a
/// microsecond for 20 KB.
fn has_dot_line(message: &[u8]) -> bool {
    let next = message.get(1..).unwrap_or_default();
    let dot_line = |found: u8, (a, b): (&u8, &u8)| found | (u8::from(*a == b'\n') & u8::from(*b == b'.'));
    message.iter().zip(next).fold(0, dot_line) != 0
}
