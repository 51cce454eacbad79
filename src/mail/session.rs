//! One connection to a relay, and any number of messages over it.
//!
//! lettre's connection is driven with `command` and `read_response`, not with its `send` and `message`: those tear the
//! connection down at any refusal, wait for each reply before the next command, push the body octet by octet through a
//! dot-stuffing codec and write the final dot on its own. `command` would copy what it is given, so it is given nothing:
//! what is to go out stands in the outbox that we share with the wire below lettre, which writes it when lettre flushes.
//! The envelope is one write of three commands (RFC 2920), and the body with its dot another.
//!
//! Where the next message is known while one is sent, its envelope goes out behind the body, in the same write (RFC 2920
//! §3.1 allows for it): a message then costs one write and one round trip instead of two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::envelope::Prepared;
pub use super::envelope::{Ahead, Envelope, Features};
use super::outcome::{Reply, Step, of_our_own, relay_down};
use super::relay::Relay;
use super::wire::{self, Outbox};
use crate::domain::delivery::{Outcome, OutcomeClass};

/// How long to wait for a relay, RFC 5321 §4.5.3.2.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection with TLS.
    pub connect: Duration,
    /// For the reply to a command, and for the banner.
    pub command: Duration,
    /// For the reply to `DATA`.
    pub data: Duration,
    /// For the message to be written and the final dot answered.
    pub body: Duration,
}

impl Timeouts {
    /// The same, but none longer than `most`.
    pub fn at_most(self, most: Duration) -> Self {
        Self {
            connect: self.connect.min(most),
            command: self.command.min(most),
            data: self.data.min(most),
            body: self.body.min(most),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            command: Duration::from_secs(5 * 60),
            data: Duration::from_secs(2 * 60),
            body: Duration::from_secs(10 * 60),
        }
    }
}

/// Ends a transaction that was refused (RFC 5321 §4.1.1.5).
const RESET: &str = "RSET\r\n";

/// How long a relay may take to answer the `MAIL` that it got behind the message before. One that offers `PIPELINING`
/// and throws away what comes behind a message never answers.
const AHEAD: Duration = Duration::from_secs(30);

/// What became of one message, and of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    pub outcome: Outcome,
    /// Whether the session can take the next message.
    pub alive: bool,
}

/// A connection to a relay, greeted and signed in.
pub struct Session {
    connection: AsyncSmtpConnection,
    features: Features,
    timeouts: Timeouts,
    /// What goes out in one write.
    outbox: Outbox,
    /// Set while the relay may take a message at any moment: it is written, and not answered.
    handing_over: Arc<AtomicBool>,
    /// A refused transaction is open and must be reset before the next.
    needs_reset: bool,
    /// The envelope that is written already, whose replies are still to be read.
    ahead: Option<Ahead>,
    alive: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Session(alive: {}, {:?})", self.alive, self.features)
    }
}

impl Session {
    /// Connects, says hello as `ehlo_name` (our host's real name, RFC 5321 §4.1.1.1), and signs in where the relay's
    /// URL has a password.
    ///
    /// # Errors
    /// The outcome for whatever was to be sent: `RelayDown` when the relay does not serve us now, `OurFault` when a
    /// setting is wrong (password, no TLS). Nothing is decided about a recipient in either case.
    pub async fn connect(relay: &Relay, ehlo_name: &str, timeouts: Timeouts) -> Result<Self, Outcome> {
        let hello = client_id(ehlo_name)?;
        let opened = timeout(timeouts.connect, wire::open(relay, &hello)).await;
        let mut wire = opened.map_err(|_| {
            relay_down(&format!("no connection to {} within {:?}", relay.url, timeouts.connect))
        })??;
        let greeted = timeout(timeouts.command, wire.greet(&hello)).await;
        let answer = greeted.map_err(|_| {
            relay_down(&format!("the relay did not answer the greeting within {:?}", timeouts.command))
        })??;
        let outbox = wire.outbox();
        let connecting = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello);
        let connection = timed(timeouts.command, connecting, Step::Greeting)
            .await
            .map_err(|failure| failure.outcome(Step::Greeting))?;
        let mut session = Self {
            connection,
            features: Features::offered(&answer),
            timeouts,
            outbox,
            needs_reset: false,
            ahead: None,
            alive: true,
            handing_over: Arc::default(),
        };
        if let Some((user, password)) = &relay.url.credentials {
            session.sign_in(Credentials::new(user.clone(), password.clone())).await?;
        }
        Ok(session)
    }

    /// Tells, while [`Session::send`] runs, whether the relay may have the message already: then only its answer, or
    /// the end of the time for it, tells what became of it.
    pub fn handing_over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.handing_over)
    }

    pub fn features(&self) -> Features {
        self.features
    }

    /// The envelope of a message that will be sent next, to be handed to [`Session::send`] for the message before it.
    /// None where it cannot go out ahead: the relay does not offer `PIPELINING`, or it would not take such a message.
    pub fn ahead(&self, envelope: &Envelope<'_>, message: &str) -> Option<Ahead> {
        let prepared = Prepared::check(self.features, envelope, message).ok()?;
        self.features.pipelining.then(|| prepared.ahead())
    }

    /// Whether a message is announced to the relay: the next that is sent here must be that one. To send nothing more
    /// instead, drop the session.
    pub fn is_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    /// Sends one message to one recipient. `message` ends with CRLF and comes from [`super::message::Letter`]. `next` is
    /// the envelope of the message that will follow: it goes out behind this one's body.
    ///
    /// A refused recipient leaves the session as it was. When the returned `alive` is false, or the future is dropped
    /// before it has ended, the session sends nothing more and is to be dropped.
    pub async fn send(&mut self, envelope: &Envelope<'_>, message: &str, next: Option<Ahead>) -> Sending {
        if !self.alive {
            return Sending { outcome: relay_down("the connection to the relay has ended"), alive: false };
        }
        let prepared = Prepared::check(self.features, envelope, message);
        let outcome = match prepared {
            Err(outcome) => {
                self.alive = self.ahead.is_none();
                return Sending { outcome, alive: self.alive };
            }
            Ok(prepared) => {
                // Half a conversation cannot be taken up again: dead until it has come to its end.
                self.alive = false;
                self.transact(&prepared, next).await
            }
        };
        self.alive = outcome.is_ok();
        let (Ok(outcome) | Err(outcome)) = outcome;
        Sending { outcome, alive: self.alive }
    }

    /// Says goodbye (RFC 5321 §4.1.1.10). What the relay answers does not matter any more. Where a message is announced
    /// it would be taken for a line of it: there the connection is just closed.
    pub async fn quit(mut self) {
        if self.alive && self.ahead.is_none() {
            let farewell = self.timeouts.command.min(Duration::from_secs(5));
            let _ = timeout(farewell, self.connection.command("QUIT\r\n")).await;
        }
    }

    async fn sign_in(&mut self, credentials: Credentials) -> Result<(), Outcome> {
        const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
        if self.connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            return Err(of_our_own(
                OutcomeClass::OurFault,
                "the relay does not take a user name and password (AUTH PLAIN or LOGIN): remove them from its URL, \
                 or check the host and port",
            ));
        }
        let signing_in = self.connection.auth(&MECHANISMS, &credentials);
        let signed_in = timed(self.timeouts.command, signing_in, Step::Auth).await;
        signed_in.map(|_| ()).map_err(|failure| failure.outcome(Step::Auth))
    }

    /// One mail transaction. `Ok` leaves the connection fit for the next, `Err` ends it.
    async fn transact(&mut self, prepared: &Prepared<'_>, next: Option<Ahead>) -> Result<Outcome, Outcome> {
        let refusal = if self.features.pipelining {
            self.open_pipelined(prepared).await?
        } else {
            self.open_stepwise(prepared).await?
        };
        if let Some(outcome) = refusal {
            self.needs_reset = true;
            return Ok(outcome);
        }
        self.handing_over.store(true, Ordering::SeqCst);
        let body = |out: &mut String| {
            prepared.write_body(out);
            if let Some(next) = &next {
                out.push_str(next.commands());
            }
        };
        let reply = self.exchange(Step::Body, body).await;
        self.handing_over.store(false, Ordering::SeqCst);
        let reply = reply?;
        self.ahead = next;
        Ok(reply.outcome(Step::Body))
    }

    /// The envelope in one write (RFC 2920 §3.1), unless it went out behind the message before. Returns the refusal, or
    /// none when the relay waits for the message.
    async fn open_pipelined(&mut self, prepared: &Prepared<'_>) -> Result<Option<Outcome>, Outcome> {
        let mail = match self.ahead.take() {
            Some(ahead) if ahead == prepared.ahead() => {
                let limit = self.timeouts.command.min(AHEAD);
                understood_ahead(self.reply_within(limit, Step::MailFrom).await?)?
            }
            // What we wrote now would go to whom the relay waits for.
            Some(_) => return Err(relay_down("another message was announced to the relay")),
            None => {
                let reset = std::mem::take(&mut self.needs_reset);
                let envelope = |out: &mut String| {
                    out.push_str(if reset { RESET } else { "" });
                    prepared.write_envelope(out);
                };
                let first = self.exchange(Step::MailFrom, envelope).await?;
                if reset {
                    was_reset(&first)?;
                    self.reply(Step::MailFrom).await?
                } else {
                    first
                }
            }
        };
        let rcpt = self.reply(Step::RcptTo).await?;
        let data = self.reply(Step::Data).await?;

        let refused = [(&mail, Step::MailFrom), (&rcpt, Step::RcptTo), (&data, Step::Data)]
            .into_iter()
            .find(|(reply, _)| !reply.is_positive());
        let Some((reply, step)) = refused else {
            return Ok(None);
        };
        let outcome = reply.outcome(step);
        if data.is_positive() {
            if rcpt.is_positive() {
                // No sender, but a recipient: whatever we wrote now might be delivered. Hang up.
                return Err(outcome);
            }
            // It waits for a message to nobody (RFC 2920 §3.1): an empty one ends that.
            self.exchange(Step::Body, |out| out.push_str(".\r\n")).await?;
        }
        Ok(Some(outcome))
    }

    /// The envelope command by command, for a relay that does not offer `PIPELINING`.
    async fn open_stepwise(&mut self, prepared: &Prepared<'_>) -> Result<Option<Outcome>, Outcome> {
        if std::mem::take(&mut self.needs_reset) {
            was_reset(&self.exchange(Step::MailFrom, |out| out.push_str(RESET)).await?)?;
        }
        for step in [Step::MailFrom, Step::RcptTo, Step::Data] {
            let command = |out: &mut String| match step {
                Step::MailFrom => prepared.write_mail(out),
                Step::RcptTo => prepared.write_rcpt(out),
                _ => out.push_str("DATA\r\n"),
            };
            let reply = self.exchange(step, command).await?;
            if !reply.is_positive() {
                return Ok(Some(reply.outcome(step)));
            }
        }
        Ok(None)
    }

    /// Sends what is written into the outbox, and reads the first reply to it.
    async fn exchange(&mut self, step: Step, write: impl FnOnce(&mut String)) -> Result<Reply, Outcome> {
        self.outbox.put(write);
        // lettre adds nothing to it, and flushes.
        let exchanging = self.connection.command("");
        understood(timed(self.timeouts.for_step(step), exchanging, step).await, step)
    }

    /// Reads one more reply.
    async fn reply(&mut self, step: Step) -> Result<Reply, Outcome> {
        self.reply_within(self.timeouts.for_step(step), step).await
    }

    async fn reply_within(&mut self, limit: Duration, step: Step) -> Result<Reply, Outcome> {
        let reading = self.connection.read_response();
        understood(timed(limit, reading, step).await, step)
    }
}

impl Timeouts {
    fn for_step(&self, step: Step) -> Duration {
        match step {
            Step::Data => self.data,
            Step::Body => self.body,
            _ => self.command,
        }
    }
}

/// Why there is no positive reply.
enum Failure {
    Negative(Reply),
    Broken(Outcome),
}

impl Failure {
    fn outcome(self, step: Step) -> Outcome {
        match self {
            Self::Negative(reply) => reply.outcome(step),
            Self::Broken(outcome) => outcome,
        }
    }
}

/// Waits so long for lettre, whose own time-out covers connecting only, and tells a refusal from a broken connection.
async fn timed<T>(
    limit: Duration,
    asking: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    step: Step,
) -> Result<T, Failure> {
    let words = step.words();
    let broken = |what: &str| {
        // Here alone it is open whether the relay has the message (RFC 1047).
        let doubt = if step == Step::Body {
            "; it may have taken the message, which can then arrive twice"
        } else {
            ""
        };
        let class = if step == Step::Body { OutcomeClass::Uncertain } else { OutcomeClass::RelayDown };
        Failure::Broken(of_our_own(class, &format!("{what}{doubt}")))
    };
    let Ok(answered) = timeout(limit, asking).await else {
        return Err(broken(&format!("the relay did not answer {words} within {limit:?}")));
    };
    answered.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        match error.status() {
            Some(code) => Failure::Negative(Reply { code: code.into(), text: cause }),
            None if error.is_response() => {
                broken(&format!("what the relay answered to {words} is not a reply of SMTP ({cause})"))
            }
            None => broken(&format!("the connection to the relay broke at {words}: {cause}")),
        }
    })
}

/// A reply that SMTP knows at this step: 354 to `DATA`, 2yz to everything else, or a refusal. 421 ends the connection
/// at any step; another positive one means that the two sides no longer speak of the same command.
fn understood(answered: Result<Response, Failure>, step: Step) -> Result<Reply, Outcome> {
    let reply = match answered {
        Ok(response) => {
            let text = response.message().collect::<Vec<_>>().join(" ");
            Reply { code: response.code().into(), text }
        }
        Err(Failure::Negative(reply)) => reply,
        Err(Failure::Broken(outcome)) => return Err(outcome),
    };
    match (step, reply.code) {
        (_, 421) => Err(reply.outcome(step)),
        (Step::Data, 354) | (_, 400..) => Ok(reply),
        (Step::Data, _) | (_, 300..) => {
            let said = format!("the relay answered {} with {}", step.words(), reply.code);
            // It has the whole message, whatever it means by that: to try again for ever would be a copy each time.
            let class = if step == Step::Body { OutcomeClass::Uncertain } else { OutcomeClass::RelayDown };
            Err(of_our_own(class, &said))
        }
        _ => Ok(reply),
    }
}

/// The reply to a `MAIL` that went out behind a message. A relay that offers `PIPELINING` and does not do it may call that
/// a wrong command, or one at the wrong time (RFC 5321 §4.2.4): this says nothing of the message, nor of its sender.
fn understood_ahead(reply: Reply) -> Result<Reply, Outcome> {
    match reply.code {
        500 | 503 => Err(relay_down(&format!(
            "the relay took a command that was sent ahead for a mistake: {} {}",
            reply.code, reply.text
        ))),
        _ => Ok(reply),
    }
}

/// A refused transaction that stays open would swallow the next: then the connection has to end.
fn was_reset(reply: &Reply) -> Result<(), Outcome> {
    match reply.is_positive() {
        true => Ok(()),
        false => Err(relay_down(&format!("the relay refused RSET: {} {}", reply.code, reply.text))),
    }
}

/// The name for `EHLO`: a host's, or an address literal (RFC 5321 §4.1.3).
fn client_id(name: &str) -> Result<ClientId, Outcome> {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_' | '[' | ']' | ':');
    if name.is_empty() || name.len() > 255 || !name.chars().all(fits) {
        return Err(of_our_own(
            OutcomeClass::OurFault,
            "the name for EHLO is not a host name: set it to this machine's name, for instance mail.example.org",
        ));
    }
    Ok(ClientId::Domain(name.to_owned()))
}

#[cfg(test)]
#[path = "../../tests/it/sink.rs"]
mod sink;
#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
