//! The stream under a session: TCP or TLS, `TCP_NODELAY` set, and replies as relays really write them.
//!
//! lettre reads and writes through this (`AsyncSmtpConnection::connect_with_transport`). Left to itself it would not
//! set `TCP_NODELAY` (40 ms a message, waiting for a delayed ACK), it waits for ever behind a line that ends without
//! a carriage return, takes a code without text for nonsense, gives up on a relay that knows only `HELO`, reads a line
//! without an end into memory until there is none left, and a reply in Latin-1 is an I/O error to it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::{ClientId, Extension, ServerInfo};
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{Error as TlsError, ProtocolVersion};

use super::outcome::{Reply, Step, of_our_own, relay_down};
use super::relay::{Relay, Security};
use super::transcript::Transcript;
use crate::domain::delivery::{Outcome, OutcomeClass};

/// The most octets that a relay may send as one reply. Replies have lines of 512 at most (RFC 5321 §4.5.3.1.5); a
/// long answer to `EHLO` has some twenty.
const MAX_REPLY: usize = 256 * 1024;

/// So much of a line is kept: lettre takes lines of 1,000, and nobody reads more.
const MAX_LINE: usize = 512;

/// So many lines of a reply are kept, and the last: lettre reads a reply anew with each line.
const MAX_LINES: usize = 100;

/// What the relay says, put as lettre understands it: whole lines, each with CRLF, in ASCII, with something behind the
/// code, and not too many of them.
#[derive(Debug, Default)]
struct Replies {
    /// Whole lines that are not handed on yet.
    heard: Vec<u8>,
    /// The line that has begun.
    line: Vec<u8>,
    /// Lines of the reply that has begun.
    lines: usize,
    /// Octets of the reply that has begun, also those that are left out.
    octets: usize,
    /// Where the lines of both sides are written down.
    transcript: Option<Transcript>,
}

impl Replies {
    fn hear(&mut self, octets: &[u8]) -> io::Result<()> {
        for octet in octets {
            self.octets += 1;
            match octet {
                b'\n' => self.end_line(),
                // It ends a line together with the other, which alone is enough for us.
                b'\r' => {}
                _ if self.line.len() >= MAX_LINE => {}
                // Replies are ASCII but for free text; lettre would drop a refusal for an é in Latin-1.
                _ => self.line.push(if octet.is_ascii() { *octet } else { b'?' }),
            }
            if self.octets > MAX_REPLY {
                return Err(io::Error::new(ErrorKind::InvalidData, "its reply has no end"));
            }
        }
        Ok(())
    }

    fn end_line(&mut self) {
        let goes_on = self.line.get(3) == Some(&b'-');
        if let Some(transcript) = &self.transcript {
            transcript.heard(&self.line);
        }
        if !goes_on || self.lines < MAX_LINES {
            // A code alone is a reply (RFC 5321 §4.2).
            if self.line.len() == 3 {
                self.line.push(b' ');
            }
            self.heard.append(&mut self.line);
            self.heard.extend_from_slice(b"\r\n");
        }
        self.line.clear();
        (self.lines, self.octets) = if goes_on { (self.lines + 1, self.octets) } else { (0, 0) };
    }

    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.heard.len().min(buffer.remaining());
        buffer.put_slice(&self.heard[..length]);
        self.heard.drain(..length);
    }

    fn is_empty(&self) -> bool {
        self.heard.is_empty() && self.line.is_empty()
    }
}

/// What is to go out with the next flush, shared by a session and its wire. A session writes into it while nothing is
/// on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// Kept for its memory.
    text: String,
    /// Octets of it that are written.
    gone: usize,
}

impl Outbox {
    /// Puts in what goes out next, in place of what went before it.
    pub(super) fn put(&self, write: impl FnOnce(&mut String)) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.text.clear();
        waiting.gone = 0;
        write(&mut waiting.text);
    }
}

/// The stream that lettre is given.
#[derive(Debug)]
pub(super) struct Wire {
    transport: Transport,
    replies: Replies,
    outbox: Outbox,
    /// Octets that lettre writes and that are not to be sent: its hello, which is said already.
    unsaid: usize,
}

#[derive(Debug)]
enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to a relay as its URL says: in the clear, with TLS, or with `STARTTLS` and then TLS. Never falls back.
///
/// # Errors
/// The outcome for whatever was to be sent: the relay is down, or (no TLS where the URL asks for it) it is our fault.
pub(super) async fn open(relay: &Relay, hello: &ClientId) -> Result<Wire, Outcome> {
    let url = &relay.url;
    let no_connection = |error: io::Error| relay_down(&format!("no connection to {url}: {error}"));
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(no_connection)?;
    stream.set_nodelay(true).map_err(no_connection)?;
    if let (Some(transcript), Ok(address)) = (&relay.transcript, stream.peer_addr()) {
        transcript.note(&format!("connected to {address}"));
    }
    let Some((config, name)) = &relay.tls else {
        return Ok(Wire::new(Transport::Tcp(stream), relay));
    };
    let stream = match url.security {
        Security::StartTls => ask_for_tls(stream, hello, relay).await?,
        _ => stream,
    };
    let connected = TlsConnector::from(config.clone()).connect(name.clone(), stream).await;
    let stream = connected.map_err(|error| {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        let (class, help) = match cause {
            Some(TlsError::InvalidCertificate(_)) => (
                OutcomeClass::OurFault,
                "; the relay's certificate must be valid for its name and from an authority that is trusted here \
                 (ca=FILE in the relay's URL adds one, name=HOST expects another name)",
            ),
            _ => (OutcomeClass::RelayDown, ""),
        };
        of_our_own(class, &format!("no safe connection to {url}: {error}{help}"))
    })?;
    if let Some(transcript) = &relay.transcript {
        let version = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        transcript.note(&format!("{version}: the certificate is good, and the rest is encrypted"));
    }
    let mut wire = Wire::new(Transport::Tls(Box::new(stream)), relay);
    if url.security == Security::StartTls {
        // It has greeted before TLS, and does not again.
        wire.replies.heard.extend_from_slice(b"220 \r\n");
    }
    Ok(wire)
}

/// The talk before TLS (RFC 3207 §4). What the relay has said here counts for nothing afterwards, and what it says
/// before it may is a sign that somebody else is speaking.
async fn ask_for_tls(stream: TcpStream, hello: &ClientId, relay: &Relay) -> Result<TcpStream, Outcome> {
    let mut wire = Wire::new(Transport::Tcp(stream), relay);
    let mut talk = BufReader::new(&mut wire);
    let offered = ServerInfo::from_response(&say_hello(&mut talk, hello).await?);
    if !offered.is_ok_and(|info| info.supports_feature(Extension::StartTls)) {
        return Err(of_our_own(
            OutcomeClass::OurFault,
            &format!(
                "{} does not offer STARTTLS, and mail is not sent in the clear: if it speaks TLS from the start, \
                 write smtps:// in the relay's URL; if it must be in the clear, add ?tls=none",
                relay.url
            ),
        ));
    }
    ask(&mut talk, "STARTTLS", Step::StartTls).await?;
    let spoke = !talk.buffer().is_empty();
    match wire {
        Wire { transport: Transport::Tcp(stream), replies, .. } if replies.is_empty() && !spoke => Ok(stream),
        _ => Err(relay_down("the relay spoke between STARTTLS and TLS, which a safe one never does")),
    }
}

/// Hears the relay's greeting and says hello: `EHLO`, and `HELO` to a relay that does not know the other (RFC 5321
/// §3.2). Returns the answer, which names what the relay offers.
async fn say_hello(talk: &mut BufReader<&mut Wire>, hello: &ClientId) -> Result<Response, Outcome> {
    positive(read_reply(talk, Step::Greeting).await?, Step::Greeting)?;
    let answer = command(talk, &format!("EHLO {hello}"), Step::Greeting).await?;
    let code = u16::from(answer.code());
    let offered = positive(answer, Step::Greeting);
    match offered {
        Err(refused) if code >= 500 => {
            ask(talk, &format!("HELO {hello}"), Step::Greeting).await.map_err(|_| refused)
        }
        offered => offered,
    }
}

/// Gives a command, which the relay must carry out.
async fn ask(talk: &mut BufReader<&mut Wire>, command_line: &str, step: Step) -> Result<Response, Outcome> {
    positive(command(talk, command_line, step).await?, step)
}

async fn command(talk: &mut BufReader<&mut Wire>, line: &str, step: Step) -> Result<Response, Outcome> {
    let written = talk.write_all(format!("{line}\r\n").as_bytes()).await;
    written.map_err(|error| broken(&error, step))?;
    read_reply(talk, step).await
}

fn broken(error: &io::Error, step: Step) -> Outcome {
    relay_down(&format!("the connection to the relay broke at {}: {error}", step.words()))
}

async fn read_reply(talk: &mut BufReader<&mut Wire>, step: Step) -> Result<Response, Outcome> {
    let (mut text, mut line_start) = (String::new(), 0);
    loop {
        talk.read_line(&mut text).await.map_err(|error| broken(&error, step))?;
        // The last line of a reply has a space behind the code (RFC 5321 §4.2.1).
        if text.as_bytes().get(line_start + 3) != Some(&b'-') {
            break;
        }
        line_start = text.len();
    }
    text.parse().map_err(|_| {
        let begin: String = text.trim().chars().take(60).collect();
        relay_down(&format!("what the relay answered to {} is not a reply of SMTP: “{begin}”", step.words()))
    })
}

fn positive(response: Response, step: Step) -> Result<Response, Outcome> {
    if response.is_positive() {
        return Ok(response);
    }
    let text = response.message().collect::<Vec<_>>().join(" ");
    Err(Reply { code: response.code().into(), text }.outcome(step))
}

impl Wire {
    fn new(transport: Transport, relay: &Relay) -> Self {
        let replies = Replies { transcript: relay.transcript.clone(), ..Replies::default() };
        Self { transport, replies, outbox: Outbox::default(), unsaid: 0 }
    }

    /// Whatever is put in here goes out when lettre flushes.
    pub(super) fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    fn poll_send(&mut self, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(context, octets),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, octets),
        });
        if let (Ok(length), Some(transcript)) = (&written, &self.replies.transcript) {
            transcript.told(&octets[..*length]);
        }
        Poll::Ready(written)
    }

    /// Hears the greeting and says hello, and lettre will find both done: it says hello by itself, but only with `EHLO`,
    /// and does not tell all that the relay offers. Returns the relay's answer.
    pub(super) async fn greet(&mut self, hello: &ClientId) -> Result<Response, Outcome> {
        let answer = say_hello(&mut BufReader::new(&mut *self), hello).await?;
        let lines: Vec<&str> = answer.message().collect();
        let heard = &mut self.replies.heard;
        heard.extend_from_slice(b"220 \r\n");
        for (index, line) in lines.iter().enumerate() {
            // lettre wants a name in the first line, which a bare code has not.
            let line = if index == 0 && line.trim().is_empty() { "relay" } else { line };
            let sign = if index + 1 == lines.len() { ' ' } else { '-' };
            heard.extend_from_slice(format!("250{sign}{line}\r\n").as_bytes());
        }
        self.unsaid = Ehlo::new(hello.clone()).to_string().len();
        Ok(answer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        while wire.replies.heard.is_empty() {
            let mut octets = [0; 2048];
            let mut part = ReadBuf::new(&mut octets);
            let done = ready!(match &mut wire.transport {
                Transport::Tcp(stream) => Pin::new(stream).poll_read(context, &mut part),
                Transport::Tls(stream) => Pin::new(stream).poll_read(context, &mut part),
            });
            match done {
                // TLS without a proper end is an error of this kind too, and lettre calls an end a malformed reply.
                Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Poll::Ready(Err(error)),
                Ok(()) if !part.filled().is_empty() => wire.replies.hear(part.filled())?,
                _ => {
                    return Poll::Ready(Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "it was closed by the relay",
                    )));
                }
            }
        }
        wire.replies.hand_on(buffer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.unsaid > 0 {
            let length = wire.unsaid.min(octets.len());
            wire.unsaid -= length;
            return Poll::Ready(Ok(length));
        }
        wire.poll_send(context, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let outbox = wire.outbox.clone();
        let mut waiting = outbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.gone < waiting.text.len() {
            match ready!(wire.poll_send(context, &waiting.text.as_bytes()[waiting.gone..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => waiting.gone += written,
            }
        }
        match &mut wire.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.transport {
            Transport::Tcp(stream) => stream.peer_addr(),
            Transport::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}
