//! What a relay's reply means for the recipient: the one place where a code is understood.

use crate::domain::delivery::{Outcome, OutcomeClass};

/// What was asked when the relay replied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The banner and `EHLO`.
    Greeting,
    StartTls,
    Auth,
    MailFrom,
    RcptTo,
    Data,
    /// The message and its final dot.
    Body,
}

impl Step {
    /// The step for an error message: “the relay … to {words}”.
    pub fn words(self) -> &'static str {
        match self {
            Self::Greeting => "the greeting",
            Self::StartTls => "STARTTLS",
            Self::Auth => "the user name and password",
            Self::MailFrom => "MAIL FROM",
            Self::RcptTo => "RCPT TO",
            Self::Data => "DATA",
            Self::Body => "the message",
        }
    }
}

/// A relay's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// RFC 5321 §4.2, 200 to 599.
    pub code: u16,
    /// Its lines, joined with spaces.
    pub text: String,
}

impl Reply {
    /// The enhanced status code that the text starts with, where it agrees with the code (RFC 2034 §4).
    pub fn status(&self) -> Option<(u8, u16, u16)> {
        let mut parts = self.text.split_whitespace().next()?.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let number =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?;
        let status = (class.parse().ok()?, number(subject)?, number(detail)?);
        (parts.next().is_none() && u16::from(status.0) == self.code / 100).then_some(status)
    }

    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// What the reply to `step` means.
    pub fn outcome(&self, step: Step) -> Outcome {
        Outcome {
            class: classify(step, self.code, self.status()),
            detail: shortened(&format!("{} {}", self.code, self.text)),
            code: Some(self.code),
            status: self.status(),
        }
    }
}

/// Sorts a reply into the closed vocabulary of outcomes, by code and enhanced status (RFC 3463).
pub fn classify(step: Step, code: u16, status: Option<(u8, u16, u16)>) -> OutcomeClass {
    use OutcomeClass::{BadAddress, OurFault, Refused, RelayDown, Sent, TryLater};
    let before_recipient = matches!(step, Step::Greeting | Step::StartTls | Step::Auth);
    match (code, status) {
        (200..400, _) => Sent,
        // The connection ends (RFC 5321 §3.8); the recipient is tried again on another.
        (421, _) => RelayDown,
        // Authentication: required, too weak, wrong, or in need of encryption (RFC 4954 §6).
        (530 | 534 | 535 | 538, _) => OurFault,
        (_, _) if step == Step::Auth && code >= 500 => OurFault,
        // A relay that takes nobody's mail says nothing about a recipient.
        (_, _) if before_recipient => RelayDown,
        (400..500, _) => TryLater,
        // 5.1.7 and 5.1.8 are about the sender's address, 5.7 about what the sender may do. 5.1.0 does not say whose address
        // it means; Postfix says it of the sender's, and in answer to RCPT. Nobody is suppressed for that.
        (_, Some((5, 1, 0 | 7 | 8) | (5, 7, _))) => OurFault,
        // A sender, a message or all of us: nothing is known of the recipient yet, or they are accepted already. Too
        // large (RFC 1870 §6.1) and refused content are of this kind: they meet every reader alike.
        (_, _) if step == Step::MailFrom => OurFault,
        (_, Some((5, 1, _))) => BadAddress,
        (_, Some((5, 2, _))) => Refused,
        (_, _) if step != Step::RcptTo => OurFault,
        _ => Refused,
    }
}

/// An outcome that the connection brought about, not a reply.
pub fn relay_down(detail: &str) -> Outcome {
    of_our_own(OutcomeClass::RelayDown, detail)
}

/// An outcome that we know without asking the relay.
pub fn of_our_own(class: OutcomeClass, detail: &str) -> Outcome {
    Outcome { class, detail: shortened(detail), code: None, status: None }
}

/// On one line, without control characters, at most 300 characters.
fn shortened(text: &str) -> String {
    let spaced: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::{OutcomeClass, Reply, Step, classify};

    fn class(step: Step, code: u16, text: &str) -> OutcomeClass {
        Reply { code, text: text.to_owned() }.outcome(step).class
    }

    #[test]
    fn replies_become_outcomes() {
        use OutcomeClass::{BadAddress, OurFault, Refused, RelayDown, Sent, TryLater};
        use Step::{Auth, Body, Data, Greeting, MailFrom, RcptTo};
        for (step, code, text, expected) in [
            (Body, 250, "2.0.0 Ok: queued as 4X", Sent),
            (RcptTo, 451, "4.7.1 Greylisted", TryLater),
            (RcptTo, 452, "4.2.2 Mailbox full", TryLater),
            (Body, 451, "", TryLater),
            (MailFrom, 452, "4.3.1 Insufficient storage", TryLater),
            (RcptTo, 421, "4.3.2 Shutting down", RelayDown),
            (RcptTo, 550, "5.1.1 No such user", BadAddress),
            (RcptTo, 550, "No such user", Refused),
            (RcptTo, 551, "User not local", Refused),
            (RcptTo, 553, "Mailbox name not allowed", Refused),
            (RcptTo, 556, "5.1.10 Null MX", BadAddress),
            (RcptTo, 501, "5.1.3 Bad address syntax", BadAddress),
            (Body, 550, "5.1.1 No such user", BadAddress),
            (RcptTo, 550, "5.7.1 Blocked", OurFault),
            (RcptTo, 550, "5.2.1 Mailbox disabled", Refused),
            (RcptTo, 552, "5.2.2 Mailbox full", Refused),
            (RcptTo, 554, "Transaction failed", Refused),
            (RcptTo, 550, "4.1.1 disagrees with its code", Refused),
            (RcptTo, 530, "5.7.0 Authentication required", OurFault),
            (RcptTo, 550, "5.1.8 Sender's domain not found", OurFault),
            (RcptTo, 550, "5.1.0 <news@x.org>: Sender address rejected: User unknown", OurFault),
            (MailFrom, 550, "5.1.0 Sender rejected", OurFault),
            (MailFrom, 553, "", OurFault),
            (MailFrom, 552, "5.3.4 Message too big", OurFault),
            (Body, 552, "5.3.4 Message too big", OurFault),
            (Body, 554, "5.6.0 Content refused", OurFault),
            (Body, 550, "5.7.1 Looks like spam", OurFault),
            (Body, 550, "Refused", OurFault),
            (Data, 554, "Transaction failed", OurFault),
            (Body, 552, "5.2.2 Mailbox full", Refused),
            (Auth, 535, "5.7.8 Wrong password", OurFault),
            (Auth, 504, "Mechanism not known", OurFault),
            (Auth, 454, "4.7.0 Temporary failure", RelayDown),
            (Greeting, 554, "No service", RelayDown),
            (Greeting, 450, "Later", RelayDown),
        ] {
            assert_eq!(class(step, code, text), expected, "{step:?} {code} {text}");
        }
    }

    #[test]
    fn an_enhanced_status_is_read_only_where_it_is_one() {
        let status = |text: &str| Reply { code: 550, text: text.to_owned() }.status();
        assert_eq!(status("5.1.1 No"), Some((5, 1, 1)));
        assert_eq!(status("5.1.10"), Some((5, 1, 10)));
        for text in ["", "5.1", "5.1.1.1", "5.1.x", "4.1.1 no", "5..1", "5.1.-1", "5.1.99999", "255.1.1"] {
            assert_eq!(status(text), None, "{text}");
        }
    }

    #[test]
    fn details_are_one_short_line() {
        let reply = Reply { code: 550, text: format!("no\r\n\0thing {}", "é".repeat(400)) };
        let outcome = reply.outcome(Step::RcptTo);
        assert!(outcome.detail.starts_with("550 no thing é") && outcome.detail.chars().count() == 300);
        assert_eq!(classify(Step::RcptTo, 999, None), OutcomeClass::Refused);
    }
}
