//! What is said on a connection to a relay, line by line, for who wants to see it; passwords are never in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// So many lines are kept.
const MOST_LINES: usize = 200;

/// Who says a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    We,
    TheRelay,
    /// Nobody: something that happened.
    Note,
}

/// A conversation that is written down as it goes on.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    lines: Vec<(Who, String)>,
    /// What we have begun to say.
    begun: Vec<u8>,
    /// We are signing in: what we say is a secret.
    signing_in: bool,
    /// What must not be shown, whoever says it.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Said {
    /// Without what was said.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Said({} lines)", self.lines.len())
    }
}

impl Transcript {
    /// A transcript of a conversation in which these user name and password may be said.
    pub fn new(credentials: Option<&(String, String)>) -> Self {
        let transcript = Self::default();
        if let Some((user, password)) = credentials {
            let plain = format!("\0{user}\0{password}");
            // A relay that repeats what it was told would give them away. The longest first: one is a part of another.
            let mut secrets = vec![STANDARD.encode(plain), STANDARD.encode(password), password.clone()];
            secrets.retain(|secret| !secret.is_empty());
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
            transcript.lock().secrets = secrets;
        }
        transcript
    }

    /// A text without what must not be shown.
    pub fn without_secrets(&self, text: &str) -> String {
        self.lock().without_secrets(text)
    }

    pub fn lines(&self) -> Vec<(Who, String)> {
        self.lock().lines.clone()
    }

    /// Notes something that happened.
    pub(super) fn note(&self, what: &str) {
        self.lock().add(Who::Note, what);
    }

    /// Notes a line of the relay's.
    pub(super) fn heard(&self, line: &[u8]) {
        let mut said = self.lock();
        let line = String::from_utf8_lossy(line).into_owned();
        // 334 asks for more of it (RFC 4954 §4); any other answer is the end.
        if said.signing_in && !line.starts_with("334") {
            said.signing_in = false;
        }
        said.add(Who::TheRelay, &line);
    }

    /// Notes octets of ours, which may be a part of a line, or several.
    pub(super) fn told(&self, octets: &[u8]) {
        let mut said = self.lock();
        for octet in octets {
            if *octet != b'\n' {
                said.begun.push(*octet);
                continue;
            }
            let line = std::mem::take(&mut said.begun);
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let words: Vec<&str> = line.split(' ').collect();
            let is_auth = words[0].eq_ignore_ascii_case("AUTH");
            let shown = match (is_auth, said.signing_in) {
                (true, _) => format!("AUTH {} …", words.get(1).copied().unwrap_or_default()),
                (false, true) => "…".to_owned(),
                (false, false) => line,
            };
            said.signing_in |= is_auth;
            said.add(Who::We, shown.trim_end());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn add(&mut self, who: Who, line: &str) {
        if self.lines.len() >= MOST_LINES {
            return;
        }
        let line: String = line.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
        let line = self.without_secrets(&line);
        self.lines.push((who, line));
    }

    fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_signs_in_is_left_out_whoever_says_it() {
        let transcript = Transcript::new(Some(&("ann".to_owned(), "hunter2".to_owned())));
        transcript.heard(b"250-AUTH PLAIN LOGIN");
        transcript.told(b"EHLO here\r\nAUTH PL");
        transcript.told(format!("AIN {}\r\n", STANDARD.encode("\0ann\0hunter2")).as_bytes());
        transcript.heard(format!("535 wrong: {} hunter2", STANDARD.encode("\0ann\0hunter2")).as_bytes());
        transcript.told(b"AUTH LOGIN\r\n");
        transcript.heard(b"334 UGFzc3dvcmQ6");
        transcript.told(format!("{}\r\n", STANDARD.encode("hunter2")).as_bytes());
        transcript.heard(b"235 well");
        transcript.told(b"QUIT\r\n");
        let lines: Vec<String> = transcript.lines().into_iter().map(|(_, line)| line).collect();
        let expected = [
            "250-AUTH PLAIN LOGIN",
            "EHLO here",
            "AUTH PLAIN …",
            "535 wrong: … …",
            "AUTH LOGIN …",
            "334 UGFzc3dvcmQ6",
            "…",
            "235 well",
            "QUIT",
        ];
        assert_eq!(lines, expected);
        assert!(!format!("{transcript:?}").contains("hunter2"));
    }
}
