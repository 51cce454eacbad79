//! The stream under a session: TCP or TLS, `TCP_NODELAY` set, with a limit on what a relay may say.
//!
//! lettre reads and writes through this (`AsyncSmtpConnection::connect_with_transport`). Left to itself it would not
//! set `TCP_NODELAY` (40 ms a message, waiting for a delayed ACK), it reads a line without an end into memory until
//! there is none left, and a reply in Latin-1 is an I/O error to it, whatever the code.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::extension::{ClientId, Extension, ServerInfo};
use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::outcome::{Reply, Step, of_our_own, relay_down};
use super::relay::{Relay, Security};
use crate::domain::delivery::{Outcome, OutcomeClass};

/// The most octets that a relay may send as one reply. Replies have lines of 512 at most (RFC 5321 §4.5.3.1.5); a
/// long answer to `EHLO` has some twenty.
pub const MAX_REPLY: usize = 16 * 1024;

/// How much the relay may still say before we hang up.
#[derive(Clone, Debug)]
pub(super) struct ReplyBudget(Arc<AtomicUsize>);

impl ReplyBudget {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(MAX_REPLY)))
    }

    /// Before each reply.
    pub(super) fn refill(&self) {
        self.0.store(MAX_REPLY, Ordering::Relaxed);
    }
}

/// The stream that lettre is given.
#[derive(Debug)]
pub(super) struct Wire {
    transport: Transport,
    /// What is read before anything off the network. lettre waits for a banner; after `STARTTLS` there is none.
    greeting: &'static [u8],
    budget: ReplyBudget,
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
pub(super) async fn open(relay: &Relay, hello: &ClientId) -> Result<(Wire, ReplyBudget), Outcome> {
    let url = &relay.url;
    let mut stream = TcpStream::connect((url.host.as_str(), url.port))
        .await
        .map_err(|error| relay_down(&format!("no connection to {url}: {error}")))?;
    stream.set_nodelay(true).map_err(|error| relay_down(&format!("no connection to {url}: {error}")))?;

    let mut greeting: &'static [u8] = b"";
    let transport = match &relay.tls {
        None => Transport::Tcp(stream),
        Some((config, name)) => {
            if url.security == Security::StartTls {
                ask_for_tls(&mut stream, hello, relay).await?;
                greeting = b"220 the relay has said so before TLS\r\n";
            }
            let connected = TlsConnector::from(config.clone()).connect(name.clone(), stream).await;
            let stream = connected.map_err(|error| {
                relay_down(&format!(
                    "no safe connection to {url}: {error}; the relay's certificate must be valid for its name and \
                     from an authority that is trusted here (ca=FILE in the relay's URL adds one)"
                ))
            })?;
            Transport::Tls(Box::new(stream))
        }
    };
    let budget = ReplyBudget::new();
    Ok((Wire { transport, greeting, budget: budget.clone() }, budget))
}

/// The talk before TLS (RFC 3207 §4). What the relay has said here counts for nothing afterwards, and what it says
/// before it may is a sign that somebody else is speaking.
async fn ask_for_tls(stream: &mut TcpStream, hello: &ClientId, relay: &Relay) -> Result<(), Outcome> {
    let mut stream = BufReader::new(stream);
    expect_reply(&mut stream, Step::Greeting).await?;
    write(&mut stream, &format!("EHLO {hello}\r\n")).await?;
    let offered = expect_reply(&mut stream, Step::Greeting).await?;
    let offered = ServerInfo::from_response(&offered);
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
    write(&mut stream, "STARTTLS\r\n").await?;
    expect_reply(&mut stream, Step::StartTls).await?;
    if !stream.buffer().is_empty() {
        return Err(relay_down("the relay spoke between STARTTLS and TLS, which a safe one never does"));
    }
    Ok(())
}

async fn write(stream: &mut BufReader<&mut TcpStream>, command: &str) -> Result<(), Outcome> {
    stream
        .write_all(command.as_bytes())
        .await
        .map_err(|error| relay_down(&format!("the connection broke: {error}")))
}

/// Reads one reply before TLS; a negative one ends the connection.
async fn expect_reply(stream: &mut BufReader<&mut TcpStream>, step: Step) -> Result<Response, Outcome> {
    let mut stream = stream.take(MAX_REPLY as u64);
    let (mut text, mut line_start) = (Vec::new(), 0);
    loop {
        let read = stream.read_until(b'\n', &mut text).await;
        let read = read.map_err(|error| relay_down(&format!("the connection broke: {error}")))?;
        if read == 0 {
            return Err(relay_down(&format!("the relay ended the connection at {}", step.words())));
        }
        // The last line of a reply has a space behind the code (RFC 5321 §4.2.1).
        if text.get(line_start + 3) != Some(&b'-') {
            break;
        }
        line_start = text.len();
    }
    let response: Response = String::from_utf8_lossy(&text)
        .parse()
        .map_err(|_| relay_down(&format!("what answered at {} is not an SMTP relay", step.words())))?;
    if response.is_positive() {
        return Ok(response);
    }
    let text = response.message().collect::<Vec<_>>().join(" ");
    Err(Reply { code: response.code().into(), text }.outcome(step))
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.greeting.is_empty() {
            let length = wire.greeting.len().min(buffer.remaining());
            let (now, later) = wire.greeting.split_at(length);
            buffer.put_slice(now);
            wire.greeting = later;
            return Poll::Ready(Ok(()));
        }
        let left = wire.budget.0.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, "its reply has no end")));
        }
        // lettre's buffer is initialised: this clears nothing.
        let room = left.min(buffer.remaining());
        let octets = buffer.initialize_unfilled_to(room);
        let mut part = ReadBuf::new(octets);
        let done = ready!(match &mut wire.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(context, &mut part),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, &mut part),
        });
        let read = part.filled().len();
        match done {
            // TLS without a proper end is an error of this kind too, and lettre calls an end a malformed reply.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Poll::Ready(Err(error)),
            Ok(()) if read > 0 => {}
            _ => {
                return Poll::Ready(Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "it was closed by the relay",
                )));
            }
        }
        // Replies are ASCII but for free text; lettre takes only UTF-8 and would drop a refusal for an é in Latin-1.
        octets[..read].iter_mut().filter(|octet| !octet.is_ascii()).for_each(|octet| *octet = b'?');
        buffer.advance(read);
        wire.budget.0.store(left - read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(context, octets),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
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
