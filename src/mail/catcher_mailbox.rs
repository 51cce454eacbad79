//! What the mail catcher has caught: the newest messages in memory, and in a folder where one is named.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail_parser::{Address, Message, MessageParser, PartType};

use crate::clock::Clock;
use crate::domain::calendar::Timestamp;

/// How much is kept; the oldest messages go first.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub messages: usize,
    /// Octets of all messages together.
    pub bytes: usize,
}

impl Default for Limits {
    /// 5,000 digests of 20 KB are 100 MB; twice that is still no burden.
    fn default() -> Self {
        Self { messages: 5_000, bytes: 200_000_000 }
    }
}

/// How many messages a page of [`Mailbox::list`] has.
pub const PAGE: usize = 50;

/// A message as it was caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaughtMail {
    /// Counts from 1, in the order of arrival.
    pub id: u64,
    pub received: Timestamp,
    /// The envelope's sender; empty for the null sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The message as it came, without dot-stuffing.
    pub raw: Vec<u8>,
}

/// A line in the list of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub id: u64,
    pub received: Timestamp,
    /// As in the header, for people: `Name <address>`.
    pub from: String,
    pub to: String,
    pub subject: String,
    /// In octets.
    pub size: usize,
}

/// A message taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub summary: Summary,
    pub envelope_from: String,
    pub envelope_to: Vec<String>,
    /// Name and value in their order, unfolded, as they were sent.
    pub headers: Vec<(String, String)>,
    /// As it was sent: whoever shows it must treat it as a stranger's.
    pub html: Option<String>,
    pub text: Option<String>,
    pub source: String,
}

/// The caught messages. Clones share them.
#[derive(Clone, Debug)]
pub struct Mailbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    limits: Limits,
    folder: Option<PathBuf>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    mails: VecDeque<Arc<CaughtMail>>,
    bytes: usize,
    next_id: u64,
    count: u64,
}

impl Mailbox {
    /// A mailbox in memory.
    pub fn in_memory(clock: Clock, limits: Limits) -> Self {
        Self::starting(clock, limits, None, 1)
    }

    /// A mailbox whose messages also stand in a folder, as `000001.eml` and so on; the oldest are deleted when there
    /// are more than `limits` allows. Files from an earlier run stay, and are neither listed nor deleted.
    ///
    /// # Errors
    /// When the folder can be neither made nor read.
    pub fn in_folder(clock: Clock, limits: Limits, folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut last: u64 = 0;
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".eml")?.parse().ok());
            // Larger numbers are none of ours.
            last = last.max(id.filter(|id| *id < 1 << 40).unwrap_or(0));
        }
        Ok(Self::starting(clock, limits, Some(folder.to_owned()), last + 1))
    }

    fn starting(clock: Clock, limits: Limits, folder: Option<PathBuf>, next_id: u64) -> Self {
        let kept = Mutex::new(Kept { mails: VecDeque::new(), bytes: 0, next_id, count: 0 });
        Self(Arc::new(Shared { clock, limits, folder, kept }))
    }

    /// How many messages were caught since the start, also those that are gone again.
    pub fn count(&self) -> u64 {
        self.kept().count
    }

    /// A page of messages, the newest first; pages count from 0 and have [`PAGE`] messages.
    pub fn list(&self, page: usize) -> Vec<Summary> {
        self.find_to("", page)
    }

    /// The same of the messages to a recipient whose address holds `text`, in any case.
    pub fn find_to(&self, text: &str, page: usize) -> Vec<Summary> {
        let text = text.to_lowercase();
        let is_to = |mail: &&Arc<CaughtMail>| mail.to.iter().any(|to| to.to_lowercase().contains(&text));
        let kept = self.kept();
        let found = kept.mails.iter().rev().filter(|mail| text.is_empty() || is_to(mail));
        let mails: Vec<_> = found.skip(page.saturating_mul(PAGE)).take(PAGE).cloned().collect();
        drop(kept);
        mails.iter().map(|mail| summary(mail, parse_headers(&mail.raw).as_ref())).collect()
    }

    /// A message taken apart, if it is still there.
    pub fn get(&self, id: u64) -> Option<Opened> {
        self.find(id).map(|mail| open(&mail))
    }

    /// The messages to one recipient, the oldest first.
    pub fn addressed_to(&self, address: &str) -> Vec<Arc<CaughtMail>> {
        let is_to = |mail: &&Arc<CaughtMail>| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address));
        self.kept().mails.iter().filter(is_to).cloned().collect()
    }

    /// Keeps a message and returns its number.
    ///
    /// # Errors
    /// When it cannot be written to the folder; it is not kept then.
    pub fn keep(&self, from: String, to: Vec<String>, raw: Vec<u8>) -> io::Result<u64> {
        let received = self.0.clock.now();
        let mut kept = self.kept();
        let mail = CaughtMail { id: kept.next_id, received, from, to, raw };
        kept.next_id += 1;
        let mut gone = Vec::new();
        let id = mail.id;
        kept.bytes += mail.raw.len();
        let mail = Arc::new(mail);
        kept.mails.push_back(mail.clone());
        kept.count += 1;
        // The newest one stays, whatever its size.
        while kept.mails.len() > 1
            && (kept.mails.len() > self.0.limits.messages || kept.bytes > self.0.limits.bytes)
        {
            let oldest = kept.mails.pop_front().expect("there is more than one");
            kept.bytes -= oldest.raw.len();
            gone.push(oldest.id);
        }
        drop(kept);
        if let Some(folder) = &self.0.folder {
            if let Err(error) = write_file(folder, &mail) {
                self.forget(id);
                return Err(error);
            }
            for id in gone {
                // Somebody may have moved it away.
                let _ = std::fs::remove_file(file(folder, id));
            }
        }
        Ok(id)
    }

    fn find(&self, id: u64) -> Option<Arc<CaughtMail>> {
        let kept = self.kept();
        let index = kept.mails.binary_search_by_key(&id, |mail| mail.id).ok()?;
        kept.mails.get(index).cloned()
    }

    fn forget(&self, id: u64) {
        let mut kept = self.kept();
        if let Ok(index) = kept.mails.binary_search_by_key(&id, |mail| mail.id)
            && let Some(mail) = kept.mails.remove(index)
        {
            kept.bytes -= mail.raw.len();
            kept.count -= 1;
        }
    }

    /// Nothing that holds the lock can panic half-way; a poisoned one is as good as new.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("{id:06}.eml"))
}

/// Writes a message with its envelope on top, as final delivery does (RFC 5321 §4.4).
fn write_file(folder: &Path, mail: &CaughtMail) -> io::Result<()> {
    let mut content = format!("Return-Path: <{}>\r\n", mail.from).into_bytes();
    for to in &mail.to {
        content.extend_from_slice(format!("Delivered-To: {to}\r\n").as_bytes());
    }
    content.extend_from_slice(&mail.raw);
    std::fs::write(file(folder, mail.id), content)
}

fn parse_headers(raw: &[u8]) -> Option<Message<'_>> {
    MessageParser::new().parse_headers(raw)
}

fn summary(mail: &CaughtMail, parsed: Option<&Message>) -> Summary {
    let people = |address: Option<&Address>| {
        let names = address.map(|address| address.iter().map(shown).collect::<Vec<_>>().join(", "));
        names.unwrap_or_default()
    };
    Summary {
        id: mail.id,
        received: mail.received,
        from: people(parsed.and_then(Message::from)),
        to: people(parsed.and_then(Message::to)),
        subject: parsed.and_then(Message::subject).unwrap_or_default().to_owned(),
        size: mail.raw.len(),
    }
}

fn shown(person: &mail_parser::Addr) -> String {
    match (person.name(), person.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => address.or(name).unwrap_or_default().to_owned(),
    }
}

fn open(mail: &CaughtMail) -> Opened {
    let parsed = MessageParser::new().parse(&mail.raw);
    let part = |wanted: fn(&PartType) -> Option<String>| {
        parsed.as_ref().and_then(|message| message.parts.iter().find_map(|part| wanted(&part.body)))
    };
    let headers = parsed.iter().flat_map(Message::headers_raw);
    Opened {
        summary: summary(mail, parsed.as_ref()),
        envelope_from: mail.from.clone(),
        envelope_to: mail.to.clone(),
        headers: headers.map(|(name, value)| (name.to_owned(), unfolded(value))).collect(),
        html: part(|body| if let PartType::Html(html) = body { Some(html.to_string()) } else { None }),
        text: part(|body| if let PartType::Text(text) = body { Some(text.to_string()) } else { None }),
        source: String::from_utf8_lossy(&mail.raw).into_owned(),
    }
}

/// RFC 5322 §2.2.3.
fn unfolded(value: &str) -> String {
    value.replace("\r\n", "").replace('\n', "").trim().to_owned()
}
