//! A scripted SMTP server for tests: the recipient's local part picks what happens (up to a `+`, so that
//! `full+7@example.org` behaves like `full@example.org`). Any other recipient is accepted.
//!
//! | local part | what happens |
//! | --- | --- |
//! | `greylisted` | 451 to the first `RCPT`, then accepted |
//! | `full` | 452 4.2.2 to `RCPT` |
//! | `unknown` | 550 5.1.1 to `RCPT` |
//! | `latin1` | 550 5.1.1 to `RCPT`, with an é in Latin-1 |
//! | `blocked` | 550 5.7.1 to `RCPT` |
//! | `421` | 421 to `RCPT`, and the connection is closed |
//! | `no-data` | 451 to `DATA` |
//! | `not-smtp`, `endless-line`, `endless-reply` | nonsense in answer to `RCPT` |
//! | `refused-content` | 554 5.6.0 after the message |
//! | `spam` | 550 5.7.1 after the message |
//! | `later` | 451 4.3.0 after the message, the first time |
//! | `drops-in-data` | closes in the middle of the first message |
//! | `drops-after-dot` | closes after the first message, before it answers |
//! | `takes-and-drops` | accepts the first message, and closes before it says so |
//! | `stalls-in-data` | reads the message and never answers |
//! | `stalls` | never answers `RCPT` |
//! | `slow` | answers the message after `Wrong::slowness` |

#[path = "sink/tls.rs"]
mod tls;
#[path = "sink/wrong.rs"]
mod wrong;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use self::wrong::Wrong;

/// How the sink behaves to everybody.
#[derive(Clone, Debug)]
pub struct Options {
    pub pipelining: bool,
    pub smtputf8: bool,
    pub size: Option<usize>,
    pub tls: Encryption,
    /// Asks for this user name and password before `MAIL`.
    pub auth: Option<(String, String)>,
    /// `AUTH` mechanisms that are offered where `auth` is set.
    pub mechanisms: &'static str,
    /// Sent instead of `220 sink`.
    pub banner: Option<Vec<u8>>,
    /// Sent behind the answer to `STARTTLS`, in the clear.
    pub after_starttls: &'static str,
    /// Each reply has this many lines.
    pub reply_lines: usize,
    /// Waits before each reply.
    pub delay: Duration,
    /// Closes each connection after so many accepted messages.
    pub close_after: Option<usize>,
    /// Answers `DATA` with 354 even if no recipient was accepted (RFC 2920 §3.1 allows for such servers).
    pub data_without_recipient: bool,
    /// Refuses every `MAIL` with this.
    pub refuse_mail: Option<&'static str>,
    /// Answers 421 to the `MAIL` after so many messages of a connection, and closes it.
    pub most_per_connection: Option<usize>,
    /// Where to listen; 0 for any port that is free.
    pub port: u16,
    /// Takes a permit for each message before it accepts it: holds senders up until a test lets them go on.
    pub gate: Option<Arc<Semaphore>>,
    /// Keeps no more of each message than its Message-ID field: for sends of many thousands.
    pub keep_ids_only: bool,
    /// Refuses every message with this once it has it.
    pub refuse_message: Option<&'static str>,
    pub wrong: Wrong,
    /// Told for each domain the connections in the middle of a message to it: now, and the most there were at a time.
    pub busy: Arc<Mutex<HashMap<String, (usize, usize)>>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pipelining: true,
            smtputf8: true,
            size: Some(25_000_000),
            tls: Encryption::None,
            auth: None,
            mechanisms: "PLAIN LOGIN",
            banner: None,
            after_starttls: "",
            reply_lines: 1,
            delay: Duration::ZERO,
            close_after: None,
            data_without_recipient: false,
            refuse_mail: None,
            most_per_connection: None,
            port: 0,
            gate: None,
            busy: Arc::default(),
            keep_ids_only: false,
            refuse_message: None,
            wrong: Wrong::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    Implicit,
}

/// A message that the sink has accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub from: String,
    pub to: Vec<String>,
    /// As it was before dot-stuffing, with CRLF.
    pub message: Vec<u8>,
    pub at: Instant,
    /// Connections count from 1.
    pub connection: usize,
}

/// A running sink; it ends when this is dropped.
pub struct Sink {
    pub address: SocketAddr,
    /// What it has accepted, and the means to wait for more of it.
    pub arrivals: watch::Receiver<Vec<Accepted>>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    options: Options,
    acceptor: TlsAcceptor,
    certificate: String,
    accepted: watch::Sender<Vec<Accepted>>,
    commands: Mutex<Vec<String>>,
    tries: Mutex<HashMap<String, usize>>,
    connections: AtomicUsize,
}

impl Sink {
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, certificate) = tls::self_signed();
        let (accepted, arrivals) = watch::channel(Vec::new());
        let shared = Arc::new(Shared {
            options,
            acceptor,
            certificate,
            accepted,
            commands: Mutex::default(),
            tries: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let task = tokio::spawn(listen(listener, shared.clone())).abort_handle();
        Self { address, arrivals, shared, task }
    }

    /// The relay's URL for this sink, without certificate or password.
    pub fn url(&self) -> String {
        match self.shared.options.tls {
            Encryption::None => format!("smtp://127.0.0.1:{}?tls=none", self.address.port()),
            Encryption::StartTls => format!("smtp://127.0.0.1:{}", self.address.port()),
            Encryption::Implicit => format!("smtps://127.0.0.1:{}", self.address.port()),
        }
    }

    /// The certificate that it shows, for `localhost` and `127.0.0.1`, in PEM.
    pub fn certificate(&self) -> &str {
        &self.shared.certificate
    }

    pub fn accepted(&self) -> Vec<Accepted> {
        self.arrivals.borrow().clone()
    }

    /// Every command of every connection, in the order of arrival.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // A sink that ends breaks its connections off.
    let mut talks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let shared = shared.clone();
        // A broken connection ends the talk; that is what half of the tests are about.
        talks.spawn(async move { talk(stream, shared, number).await.ok() });
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.is_done();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Talk {
    /// The domains of the recipients of the message that is under way.
    busy: Vec<String>,
    stream: BufReader<Box<dyn Stream>>,
    shared: Arc<Shared>,
    connection: usize,
    from: Option<String>,
    to: Vec<String>,
    signed_in: bool,
    accepted: usize,
}

/// Ends the talk: the connection broke, or the script says to close it.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

async fn talk(stream: TcpStream, shared: Arc<Shared>, connection: usize) -> Result<(), Over> {
    let options = shared.options.clone();
    let stream: Box<dyn Stream> = if options.tls == Encryption::Implicit {
        Box::new(shared.acceptor.accept(stream).await?)
    } else if options.tls == Encryption::StartTls {
        Box::new(tls::start_tls(stream, &shared).await?)
    } else {
        Box::new(stream)
    };
    let mut talk = Talk {
        busy: Vec::new(),
        stream: BufReader::new(stream),
        shared,
        connection,
        from: None,
        to: Vec::new(),
        signed_in: options.auth.is_none(),
        accepted: 0,
    };
    if options.tls != Encryption::StartTls {
        let banner = options.banner.unwrap_or_else(|| b"220 sink ready\r\n".to_vec());
        talk.stream.write_all(&banner).await?;
    }
    loop {
        let line = talk.line().await?;
        talk.shared.commands.lock().unwrap().push(line.clone());
        talk.obey(&line).await?;
        if options.close_after.is_some_and(|most| talk.accepted >= most) {
            return Ok(());
        }
    }
}

impl Talk {
    async fn line(&mut self) -> Result<String, Over> {
        let mut line = Vec::new();
        (&mut self.stream).take(10_000).read_until(b'\n', &mut line).await?;
        let line = String::from_utf8(line).map_err(|_| Over)?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or(Over)
    }

    async fn say(&mut self, reply: &str) -> Result<(), Over> {
        tokio::time::sleep(self.shared.options.delay).await;
        let written = self.shared.options.wrong.written(reply, self.shared.options.reply_lines);
        self.stream.write_all(written.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn obey(&mut self, line: &str) -> Result<(), Over> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => match self.shared.options.wrong.ehlo {
                Some(reply) => self.say(reply).await,
                None => self.hello().await,
            },
            "HELO" => self.say("250 sink").await,
            "AUTH" => self.sign_in(line).await,
            "MAIL" if !self.signed_in => self.say("530 5.7.0 Authentication required").await,
            "MAIL" if self.from.is_some() => self.say("503 5.5.1 A transaction is open").await,
            "MAIL" if self.shared.options.most_per_connection.is_some_and(|most| self.accepted >= most) => {
                self.say("421 4.4.5 Enough for one connection").await?;
                Err(Over)
            }
            "MAIL" => match self.shared.options.refuse_mail {
                Some(reply) => self.say(reply).await,
                None => {
                    self.from = Some(path(line));
                    self.say("250 2.1.0 Sender accepted").await
                }
            },
            "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await,
            "RCPT" => self.recipient(&path(line)).await,
            "DATA" => self.data().await,
            "RSET" if let Some(reply) = self.shared.options.wrong.reset => self.say(reply).await,
            "RSET" => {
                self.from = None;
                self.to.clear();
                self.is_done();
                self.say("250 2.0.0 Reset").await
            }
            "NOOP" => self.say("250 2.0.0 Here").await,
            "QUIT" => {
                self.say("221 2.0.0 Bye").await?;
                Err(Over)
            }
            _ => self.say("500 5.5.2 What?").await,
        }
    }

    async fn hello(&mut self) -> Result<(), Over> {
        let options = &self.shared.options;
        if options.wrong.no_extension {
            return self.say("250 sink").await;
        }
        let mut lines = vec!["sink".to_owned(), "8BITMIME".to_owned()];
        lines.extend(options.pipelining.then(|| "PIPELINING".to_owned()));
        lines.extend(options.smtputf8.then(|| "SMTPUTF8".to_owned()));
        lines.extend(options.size.map(|size| format!("SIZE {size}")));
        lines.extend(options.auth.as_ref().map(|_| format!("AUTH {}", options.mechanisms)));
        let last = lines.len() - 1;
        let reply: String = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("250{}{line}\r\n", if index == last { ' ' } else { '-' }))
            .collect();
        let reply = if options.wrong.bare_line_feeds { reply.replace('\r', "") } else { reply };
        self.stream.write_all(reply.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn sign_in(&mut self, line: &str) -> Result<(), Over> {
        let decode =
            |text: &str| String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default();
        let mut words = line.split(' ').skip(1);
        let given = match (words.next(), words.next()) {
            (Some("PLAIN"), Some(response)) => {
                let mut parts =
                    decode(response).split('\0').map(str::to_owned).collect::<Vec<_>>().into_iter();
                parts.next();
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            (Some("LOGIN"), None) => {
                self.say(&format!("334 {}", STANDARD.encode("Username:"))).await?;
                let user = decode(&self.line().await?);
                self.say(&format!("334 {}", STANDARD.encode("Password:"))).await?;
                (user, decode(&self.line().await?))
            }
            _ => return self.say("504 5.5.4 Mechanism not known").await,
        };
        self.signed_in = self.shared.options.auth.as_ref() == Some(&given);
        self.say(if self.signed_in { "235 2.7.0 Welcome" } else { "535 5.7.8 Wrong user name or password" })
            .await
    }

    async fn recipient(&mut self, to: &str) -> Result<(), Over> {
        let reply = match script(to) {
            "greylisted" if self.tries(to) == 1 => "451 4.7.1 Greylisted, come back later",
            "full" => "452 4.2.2 Mailbox full",
            "unknown" => "550 5.1.1 No such user here",
            "blocked" => "550 5.7.1 You are on our list",
            "421" => {
                self.say("421 4.3.2 Going down").await?;
                return Err(Over);
            }
            "latin1" => {
                self.stream.write_all(b"550 5.1.1 Utilisateur ignor\xe9\r\n").await?;
                return Ok(());
            }
            "not-smtp" => {
                self.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
                return Ok(());
            }
            "endless-line" => loop {
                self.stream.write_all(&[b'a'; 4096]).await?;
            },
            "endless-reply" => loop {
                self.stream.write_all(b"250-and so on\r\n").await?;
            },
            "stalls" => return std::future::pending().await,
            _ => {
                self.to.push(to.to_owned());
                self.is_busy(to);
                "250 2.1.5 Recipient accepted"
            }
        };
        self.say(reply).await
    }

    async fn data(&mut self) -> Result<(), Over> {
        let taken = self.take_data().await;
        self.is_done();
        taken
    }

    async fn take_data(&mut self) -> Result<(), Over> {
        let first = self.to.first().cloned().unwrap_or_default();
        if self.from.is_none() || (self.to.is_empty() && !self.shared.options.data_without_recipient) {
            return self.say("554 5.5.1 No valid recipients").await;
        }
        if script(&first) == "no-data" {
            return self.say("451 4.3.0 Not now").await;
        }
        let wrong = self.shared.options.wrong.clone();
        if let Some(reply) = wrong.data {
            return self.say(reply).await;
        }
        self.say("354 Go on").await?;
        let drops = wrong.breaks_bodies || script(&first) == "drops-in-data" && self.tries(&first) == 1;
        let mut message = Vec::new();
        loop {
            let start = message.len();
            if self.stream.read_until(b'\n', &mut message).await? == 0 || drops {
                return Err(Over);
            }
            if message[start..] == *b".\r\n" {
                message.truncate(start);
                break;
            }
            if message[start] == b'.' {
                message.remove(start);
            }
        }
        if wrong.deaf_behind {
            let (mut behind, moment) = ([0; 8192], Duration::from_millis(5));
            while let Ok(Ok(1..)) = tokio::time::timeout(moment, self.stream.read(&mut behind)).await {}
        }
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        let reply = match script(&first) {
            _ if wrong.refuse_body.is_some() => wrong.refuse_body.unwrap_or_default(),
            _ if to.is_empty() => "554 5.5.1 No valid recipients",
            "refused-content" => "554 5.6.0 We do not like what it says",
            "spam" => "550 5.7.1 Looks like spam",
            "later" if self.tries(&first) == 1 => "451 4.3.0 Come back later",
            "drops-after-dot" if self.tries(&first) == 1 => return Err(Over),
            "stalls-in-data" => return std::future::pending().await,
            _ => {
                if let Some(gate) = &self.shared.options.gate {
                    gate.acquire().await.map_err(|_| Over)?.forget();
                }
                if let Some(reply) = self.shared.options.refuse_message {
                    return self.say(reply).await;
                }
                if self.shared.options.keep_ids_only {
                    message = id_field(&message);
                }
                let accepted =
                    Accepted { from, to, message, at: Instant::now(), connection: self.connection };
                self.shared.accepted.send_modify(|all| all.push(accepted));
                self.accepted += 1;
                if script(&first) == "takes-and-drops" && self.tries(&first) == 1 {
                    return Err(Over);
                }
                if script(&first) == "slow" {
                    tokio::time::sleep(wrong.slowness).await;
                }
                if let Some(reply) = wrong.body {
                    self.stream.write_all(reply).await?;
                    return Ok(self.stream.flush().await?);
                }
                "250 2.0.0 Taken"
            }
        };
        self.say(reply).await?;
        if reply.starts_with("421") { Err(Over) } else { Ok(()) }
    }

    /// A message to this address is under way.
    fn is_busy(&mut self, to: &str) {
        let domain = to.rsplit('@').next().unwrap_or_default().to_owned();
        let mut busy = self.shared.options.busy.lock().unwrap();
        let (now, most) = busy.entry(domain.clone()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        self.busy.push(domain);
    }

    /// No message is under way any more.
    fn is_done(&mut self) {
        let mut busy = self.shared.options.busy.lock().unwrap();
        for domain in self.busy.drain(..) {
            busy.entry(domain).or_default().0 -= 1;
        }
    }

    /// Counts this try for an address.
    fn tries(&self, address: &str) -> usize {
        let mut tries = self.shared.tries.lock().unwrap();
        let count = tries.entry(address.to_owned()).or_default();
        *count += 1;
        *count
    }
}

/// The Message-ID field alone, as a message.
fn id_field(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(&message[..message.len().min(8192)]);
    let field = text.lines().take_while(|line| !line.is_empty()).find(|line| line.starts_with("Message-ID:"));
    format!("{}\r\n\r\n", field.unwrap_or_default()).into_bytes()
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

fn script(address: &str) -> &str {
    address.split(['@', '+']).next().unwrap_or_default()
}
