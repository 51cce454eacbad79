//! A relay of our own that keeps what it is sent, to look at: for the demo, for rehearsals, and for tests.
//!
//! It is a real SMTP server (RFC 5321) that any program can send to. Nothing leaves it. A message is stored as it
//! came and parsed only when somebody looks: storing is what happens thousands of times a second.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use super::catcher_mailbox::{CaughtMail, Limits, Mailbox, Opened, Summary};

/// The largest message, in octets (`SIZE`, RFC 1870).
const MAX_MESSAGE: usize = 25_000_000;
/// The longest command line: RFC 5321 §4.5.3.1.4 says 512 octets, extensions add to it (RFC 6531 §3.3).
const MAX_COMMAND: u64 = 2048;
/// Recipients of one message; RFC 5321 §4.5.3.1.8 asks for at least 100.
const MAX_RECIPIENTS: usize = 1000;
/// Replies that wait to be written together, in octets.
const MAX_REPLIES: usize = 16 * 1024;
const MAX_CONNECTIONS: usize = 200;
/// RFC 5321 §4.5.3.2.7 asks for at least five minutes.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Takes mail from whoever connects, until `shutdown` is done; connections that are open then are dropped.
pub async fn run(listener: TcpListener, mailbox: Mailbox, shutdown: impl Future<Output = ()>) {
    let mut connections = tokio::task::JoinSet::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let mut stream = match accepted {
                    Ok((stream, _)) => stream,
                    // Gone before it was accepted, or no descriptor left: both pass, and the second not at once.
                    Err(error) => {
                        tracing::warn!(%error, "the mail catcher could not accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                // Without it, replies wait for ACKs; a socket that refuses is closing anyway.
                let _ = stream.set_nodelay(true);
                let Ok(place) = places.clone().try_acquire_owned() else {
                    // A full house says so (RFC 5321 §3.8) and does not wait to be understood.
                    let _ = stream.try_write(b"421 4.3.2 Too many connections\r\n");
                    let _ = stream.shutdown().await;
                    continue;
                };
                let mailbox = mailbox.clone();
                connections.spawn(async move {
                    // A connection that breaks is the sender's affair: it has no 250 for what was not kept.
                    let _ = Conversation::new(stream, mailbox).hold().await;
                    drop(place);
                });
            }
        }
    }
}

/// One connection.
struct Conversation {
    stream: BufReader<TcpStream>,
    mailbox: Mailbox,
    line: Vec<u8>,
    /// Replies that go out in one write, once everything that has come in is answered (RFC 2920 §3.2).
    replies: Vec<u8>,
    from: Option<String>,
    to: Vec<String>,
}

impl Conversation {
    fn new(stream: TcpStream, mailbox: Mailbox) -> Self {
        Self {
            stream: BufReader::with_capacity(32 * 1024, stream),
            mailbox,
            line: Vec::new(),
            replies: b"220 daybreak mail catcher ESMTP\r\n".to_vec(),
            from: None,
            to: Vec::new(),
        }
    }

    async fn hold(mut self) -> io::Result<()> {
        loop {
            if self.stream.buffer().is_empty() || self.replies.len() > MAX_REPLIES {
                self.flush().await?;
            }
            if !self.read_command().await? {
                return Ok(());
            }
            let Ok(line) = std::str::from_utf8(&self.line) else {
                self.reply("500 5.5.2 A command is UTF-8 text");
                continue;
            };
            let line = line.trim_end().to_owned();
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "DATA" => self.receive().await?,
                "QUIT" => {
                    self.reply("221 2.0.0 Bye");
                    return self.flush().await;
                }
                _ => self.answer(&verb, &line),
            }
        }
    }

    /// Whether there is another command; one that is too long ends the connection.
    async fn read_command(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.stream).take(MAX_COMMAND);
        timeout(IDLE, limited.read_until(b'\n', &mut self.line)).await??;
        if !self.line.ends_with(b"\n") && !self.line.is_empty() {
            self.reply("500 5.5.2 The line is too long");
            self.flush().await?;
        }
        Ok(self.line.ends_with(b"\n"))
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(IDLE, self.stream.write_all(&self.replies)).await??;
        self.replies.clear();
        Ok(())
    }

    fn reply(&mut self, line: &str) {
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    fn answer(&mut self, verb: &str, line: &str) {
        match verb {
            "EHLO" => {
                self.reset();
                self.reply("250-daybreak");
                self.reply("250-PIPELINING");
                self.reply("250-8BITMIME");
                self.reply("250-SMTPUTF8");
                self.reply("250-ENHANCEDSTATUSCODES");
                self.reply(&format!("250 SIZE {MAX_MESSAGE}"));
            }
            "HELO" => {
                self.reset();
                self.reply("250 daybreak");
            }
            "MAIL" if self.from.is_some() => self.reply("503 5.5.1 A message is under way"),
            "MAIL" => match path(line) {
                Some(_) if announced_size(line).is_some_and(|size| size > MAX_MESSAGE) => {
                    self.reply("552 5.3.4 The message is too large");
                }
                Some(from) => {
                    self.from = Some(from.to_owned());
                    self.reply("250 2.1.0 Ok");
                }
                None => self.reply("501 5.1.7 Write MAIL FROM:<address>"),
            },
            "RCPT" if self.from.is_none() => self.reply("503 5.5.1 MAIL comes first"),
            "RCPT" if self.to.len() >= MAX_RECIPIENTS => self.reply("452 4.5.3 Too many recipients"),
            "RCPT" => match path(line) {
                Some(to) if !to.is_empty() => {
                    self.to.push(to.to_owned());
                    self.reply("250 2.1.5 Ok");
                }
                _ => self.reply("501 5.1.3 Write RCPT TO:<address>"),
            },
            "RSET" => {
                self.reset();
                self.reply("250 2.0.0 Ok");
            }
            "NOOP" => self.reply("250 2.0.0 Ok"),
            "VRFY" => self.reply("252 2.5.0 Everybody is welcome"),
            _ => self.reply("502 5.5.1 The command is not known here"),
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Reads a message up to its dot and keeps it.
    async fn receive(&mut self) -> io::Result<()> {
        if self.to.is_empty() {
            self.reply("554 5.5.1 No recipient");
            return Ok(());
        }
        self.reply("354 Go on, and end with a dot on a line of its own");
        self.flush().await?;
        let message = self.read_message().await?;
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        match message {
            Some(message) => match self.mailbox.keep(from, to, message) {
                Ok(id) => self.reply(&format!("250 2.0.0 Caught as {id}")),
                Err(error) => self.reply(&format!("452 4.3.1 It cannot be written: {error}")),
            },
            None => self.reply("552 5.3.4 The message is too large"),
        }
        Ok(())
    }

    /// None for a message that is too large; it is read to its end all the same, and not kept. Only CRLF ends a line:
    /// a dot between bare line feeds is text (a message must not be able to smuggle in another).
    async fn read_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        let mut too_large = false;
        let mut after_crlf = true;
        loop {
            let start = message.len();
            // One octet more than fits, and always enough for the end.
            let room = (MAX_MESSAGE + 1).saturating_sub(start).max(8) as u64;
            let mut limited = (&mut self.stream).take(room);
            if timeout(IDLE, limited.read_until(b'\n', &mut message)).await?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = &message[start..];
            if after_crlf && line == b".\r\n" {
                message.truncate(start);
                return Ok((!too_large).then_some(message));
            }
            let ends_line = message.ends_with(b"\r\n");
            if after_crlf && message[start] == b'.' {
                message.remove(start);
            }
            after_crlf = ends_line;
            if message.len() > MAX_MESSAGE || too_large {
                too_large = true;
                message.clear();
            }
        }
    }
}

/// What stands between the angle brackets of `MAIL FROM:<…>` or `RCPT TO:<…>`.
fn path(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(":<").or_else(|| line.split_once(": <"))?;
    let (path, _) = rest.split_once('>')?;
    (!path.contains(char::is_control)).then_some(path)
}

fn announced_size(line: &str) -> Option<usize> {
    let (_, parameters) = line.split_once('>')?;
    parameters.split_ascii_whitespace().find_map(|word| word.strip_prefix("SIZE=")?.parse().ok())
}

#[cfg(test)]
#[path = "catcher_tests.rs"]
mod tests;
