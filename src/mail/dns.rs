//! What receivers learn from DNS about our mail, asked in the way that they ask: SPF (RFC 7208), the keys of our
//! signatures (RFC 6376), DMARC (RFC 9989), and the names of addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::proto::rr::RData;
use hickory_resolver::system_conf::read_system_conf;
use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimResult, DmarcResult, DnsError, Error, MessageAuthenticator, SpfOutput,
    SpfResult,
};

/// How long one question to one server may take before it is asked once more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// DNS says that there is nothing of the kind.
    Nothing,
    /// It does not say: the server is silent, or fails.
    Silence(String),
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        match error {
            Error::Dns(DnsError::RecordNotFound(_)) => Self::Nothing,
            Error::Dns(DnsError::Resolver(why)) => Self::Silence(why),
            other => Self::Silence(other.to_string()),
        }
    }
}

/// What the SPF record of a domain says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spf {
    Allows,
    /// It says no, or says nothing of this address.
    DoesNotAllow,
    NoRecord,
    /// Two records, a mistake in one, or more look-ups than a receiver makes.
    Broken,
    Silence,
}

/// What a receiver makes of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFound {
    Good,
    NotPublished,
    /// What is published is not this key, or is no key.
    Different,
    Silence,
}

/// What a receiver makes of a message.
#[derive(Clone, Debug)]
pub struct Judged {
    /// By selector.
    pub keys: Vec<(String, KeyFound)>,
    pub dmarc: Dmarc,
}

/// The DMARC record that rules mail from a domain, and whether our mail would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dmarc {
    Found {
        /// `none`, `quarantine` or `reject`.
        policy: &'static str,
        /// A signature that holds, by a domain that is aligned.
        by_signature: bool,
        /// The envelope's domain is aligned: mail passes where SPF allows the relay.
        by_envelope: bool,
    },
    NoRecord,
    Silence,
}

/// Asks one DNS server, or the system's.
pub struct Dns(MessageAuthenticator);

impl Dns {
    /// # Errors
    /// A sentence, where the system does not say which server to ask.
    pub fn open(server: Option<SocketAddr>) -> Result<Self, String> {
        let (config, mut options) = match server {
            Some(server) => (only(server), ResolverOpts::default()),
            None => read_system_conf().map_err(|error| {
                format!("the system names no DNS server ({error}); DAYBREAK_RESOLVER names one to ask")
            })?,
        };
        options.timeout = PATIENCE;
        options.attempts = 1;
        MessageAuthenticator::new(config, options).map(Self).map_err(|error| error.to_string())
    }

    /// The addresses of a host.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NoAnswer> {
        let host = format!("{}.", host.trim_end_matches('.'));
        let found = self.0.resolver().lookup_ip(host.as_str()).await.map_err(Error::from)?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() { Err(NoAnswer::Nothing) } else { Ok(addresses) }
    }

    /// The names of an address, in lower case and without the dot at their end.
    pub async fn names(&self, address: IpAddr) -> Result<Vec<String>, NoAnswer> {
        let found = self.0.ptr_lookup(address, None::<&NoPtr>).await?;
        Ok(found.rrset.iter().map(|name| name.trim_end_matches('.').to_owned()).collect())
    }

    /// Whether mail whose envelope sender is at `domain` may come from `address`, of a host that calls itself `ehlo`.
    pub async fn spf(&self, domain: &str, address: IpAddr, ehlo: &str) -> Spf {
        // Two records are none (RFC 7208 §4.5), which the verifier does not look for.
        match self.texts(domain).await {
            Ok(texts) if texts.iter().filter(|text| is_spf(text)).count() > 1 => return Spf::Broken,
            Ok(_) | Err(NoAnswer::Nothing) => {}
            Err(NoAnswer::Silence(_)) => return Spf::Silence,
        }
        let sender = format!("bounce@{domain}");
        let asked = SpfParameters::verify_mail_from(address, ehlo, ehlo, &sender);
        match self.0.verify_spf(asked).await.result() {
            SpfResult::Pass => Spf::Allows,
            SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Spf::DoesNotAllow,
            SpfResult::None => Spf::NoRecord,
            SpfResult::PermError => Spf::Broken,
            SpfResult::TempError => Spf::Silence,
        }
    }

    /// The texts of a name, each put together.
    async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, NoAnswer> {
        let found = self.0.resolver().txt_lookup(format!("{name}.")).await.map_err(Error::from)?;
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        Ok(texts.collect())
    }

    /// Judges a message with our signatures, with an envelope sender at `envelope`, as a receiver does.
    ///
    /// # Errors
    /// A sentence, where it cannot be read as a message.
    pub async fn judge(&self, message: &[u8], envelope: &str) -> Result<Judged, String> {
        let message = AuthenticatedMessage::parse(message)
            .ok_or_else(|| "a message of ours cannot be read by a receiver".to_owned())?;
        let signatures = self.0.verify_dkim(&message).await;
        let keys = signatures.iter().filter_map(|output| {
            let found = match output.result() {
                DkimResult::Pass => KeyFound::Good,
                DkimResult::TempError(_) => KeyFound::Silence,
                DkimResult::PermError(Error::Dns(DnsError::RecordNotFound(_))) => KeyFound::NotPublished,
                _ => KeyFound::Different,
            };
            Some((output.signature()?.s.clone(), found))
        });
        let keys: Vec<_> = keys.collect();
        // Whether SPF allows the relay is asked elsewhere: here it is whether that would do.
        let spf = SpfOutput::new(envelope.to_owned()).with_result(SpfResult::Pass);
        let asked = DmarcParameters::new(&message, &signatures, envelope, &spf);
        let output = self.0.verify_dmarc(asked).await;
        let is_silence = |result: &DmarcResult| matches!(result, DmarcResult::TempError(_));
        let dmarc = match output.dmarc_record() {
            None if is_silence(output.dkim_result()) || is_silence(output.spf_result()) => Dmarc::Silence,
            None => Dmarc::NoRecord,
            Some(_) => Dmarc::Found {
                policy: match output.policy() {
                    Policy::Reject => "reject",
                    Policy::Quarantine => "quarantine",
                    Policy::None | Policy::Unspecified => "none",
                },
                by_signature: *output.dkim_result() == DmarcResult::Pass,
                by_envelope: *output.spf_result() == DmarcResult::Pass,
            },
        };
        Ok(Judged { keys, dmarc })
    }
}

type NoPtr = mail_auth::common::cache::NoCache<IpAddr, mail_auth::RecordSet<Box<str>>>;

fn is_spf(text: &[u8]) -> bool {
    let version = text.split(|octet| *octet == b' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case(b"v=spf1")
}

fn only(server: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, connections.to_vec())])
}
