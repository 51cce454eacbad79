//! Where mail is handed over, and how safely: a URL for each relay.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use url::Url;

use super::certificate::{Seen, Watch};
use super::terms::{self, Terms};
use super::transcript::Transcript;

/// How the connection to a relay is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet (RFC 8314 §3.3): `smtps://`.
    Implicit,
    /// `STARTTLS`, or no mail (RFC 3207): `smtp://`.
    StartTls,
    /// Not at all, because the URL says so: `?tls=none`.
    Plain,
}

/// A relay as the operator names it: `smtp://user:password@mail.example.org:587`.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayUrl {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// A file with certificates (PEM) that are trusted beside the system's: `?ca=/etc/relay.pem`.
    pub ca: Option<PathBuf>,
    /// The name that the certificate must have, where it is not the host's: `?name=mail.example.org`.
    pub certificate_name: Option<String>,
    /// Tells two accounts at one host apart: `?label=second`.
    pub label: Option<String>,
    pub terms: Terms,
}

const EXAMPLE: &str = "write it like smtp://user:password@mail.example.org:587";

impl RelayUrl {
    /// Parses the URLs of one or more relays, with white space between them.
    ///
    /// # Errors
    /// A sentence with what is wrong and what to do. It never holds a password.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let urls: Vec<&str> = text.split_whitespace().collect();
        if urls.is_empty() {
            return Err(format!("no relay is named; {EXAMPLE}"));
        }
        let mut relays: Vec<Self> = vec![];
        for (index, url) in urls.iter().enumerate() {
            // It may be a piece of a password with a space in it: it is not shown.
            if urls.len() > 1 && !url.contains("://") {
                return Err(format!(
                    "what stands in place {} of the relays' URLs does not start with smtp:// or smtps://; write a \
                     space between two URLs, and a space in a password as %20",
                    index + 1
                ));
            }
            let relay = Self::parse(url)?;
            if relays.iter().any(|other| other.key() == relay.key()) {
                return Err(format!(
                    "the relay {relay} is named twice; where these are two accounts, tell them apart with \
                     label=first and label=second"
                ));
            }
            relays.push(relay);
        }
        Ok(relays)
    }

    /// What the relay's limits are counted under: it stays the same when the password changes.
    pub fn key(&self) -> String {
        let label = self.label.as_deref().map_or_else(String::new, |label| format!("/{label}"));
        format!("{}:{}{label}", self.host, self.port)
    }

    /// Parses `smtps://` (TLS, port 465), `smtp://` (`STARTTLS` required, port 587) or `smtp://…?tls=none` (port 25),
    /// with percent-encoded user name and password.
    ///
    /// # Errors
    /// A sentence with what is wrong and what to do. It never holds the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |what: &str| format!("the relay's URL “{}” {what}", without_credentials(text));
        let url = Url::parse(text).map_err(|error| wrong(&format!("cannot be read ({error}); {EXAMPLE}")))?;
        let mut relay = Self {
            host: host(&url).ok_or_else(|| wrong(&format!("names no host; {EXAMPLE}")))?,
            port: 0,
            security: match url.scheme() {
                "smtps" => Security::Implicit,
                "smtp" => Security::StartTls,
                _ => return Err(wrong("must start with smtp:// or smtps://")),
            },
            credentials: credentials(&url).map_err(|what| wrong(&what))?,
            ca: None,
            certificate_name: None,
            label: None,
            terms: Terms::default(),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong("has a path behind the host; remove it, or write a / in the password as %2F"));
        }
        let mut named: Vec<String> = vec![];
        for (key, value) in url.query_pairs() {
            if named.iter().any(|name| *name == key) {
                return Err(wrong(&format!("sets “{key}” twice; take one of the two away")));
            }
            named.push(key.to_string());
            match (key.as_ref(), value.as_ref()) {
                ("tls", "none") if relay.security == Security::Implicit => {
                    return Err(wrong("says smtps:// and tls=none; take one of the two away"));
                }
                ("tls", "none") => relay.security = Security::Plain,
                ("tls", other) => {
                    return Err(wrong(&format!(
                        "says tls={other}; only tls=none is known, and without it TLS is required"
                    )));
                }
                ("ca", path) if !path.is_empty() => relay.ca = Some(PathBuf::from(path)),
                ("name", name) if !name.is_empty() => relay.certificate_name = Some(name.to_owned()),
                ("label", label) if is_label(label) => relay.label = Some(label.to_owned()),
                ("label", other) => {
                    return Err(wrong(&format!(
                        "says label={other}; write up to 40 letters and digits, for instance label=second"
                    )));
                }
                (other, value) if relay.terms.set(other, value).map_err(|what| wrong(&what))? => {}
                (other, _) => {
                    return Err(wrong(&format!(
                        "sets “{other}”; what can be set is tls=none, ca=FILE, name=HOST, label, {}",
                        terms::NAMES
                    )));
                }
            }
        }
        let usual = match relay.security {
            Security::Implicit => 465,
            Security::StartTls => 587,
            Security::Plain => 25,
        };
        relay.port = url.port().unwrap_or(usual);
        Ok(relay)
    }
}

impl fmt::Display for RelayUrl {
    /// The URL without user name, password and terms.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.security == Security::Implicit { "smtps" } else { "smtp" };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.host, self.port)?;
        } else {
            write!(formatter, "{scheme}://{}:{}", self.host, self.port)?;
        }
        match (self.security == Security::Plain, &self.label) {
            (true, None) => write!(formatter, "?tls=none"),
            (true, Some(label)) => write!(formatter, "?tls=none&label={label}"),
            (false, Some(label)) => write!(formatter, "?label={label}"),
            (false, None) => Ok(()),
        }
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signs_in = if self.credentials.is_some() { ", with a password" } else { "" };
        write!(formatter, "RelayUrl({self}{signs_in})")
    }
}

/// A relay, ready to connect to: the URL, and the certificates that are trusted there, read once.
#[derive(Clone, Debug)]
pub struct Relay {
    pub url: RelayUrl,
    /// None only for a relay whose URL says `tls=none`.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Where what is said is written down, for who looks at a connection.
    pub(super) transcript: Option<Transcript>,
}

impl Relay {
    /// Reads the trusted certificates: the system's, and the file that the URL names.
    ///
    /// # Errors
    /// A sentence, when there are none, or the file cannot be read.
    pub fn open(url: RelayUrl) -> Result<Self, String> {
        Self::open_with(url, |verifier| verifier)
    }

    /// The same, and notes what the relay shows when it is connected to.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_watched(url: RelayUrl) -> Result<(Self, Arc<Seen>), String> {
        let seen = Arc::new(Seen::default());
        let relay = Self::open_with(url, |verifier| Arc::new(Watch::new(verifier, seen.clone())))?;
        Ok((relay, seen))
    }

    /// The same, and writes down what is said on its connections.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_heard(url: RelayUrl) -> Result<(Self, Transcript), String> {
        let transcript = Transcript::new(url.credentials.as_ref());
        let relay = Self::open(url)?;
        Ok((Self { transcript: Some(transcript.clone()), ..relay }, transcript))
    }

    fn open_with(
        url: RelayUrl,
        wrap: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, String> {
        if url.security == Security::Plain {
            return Ok(Self { url, tls: None, transcript: None });
        }
        let name = url.certificate_name.clone().unwrap_or_else(|| url.host.clone());
        let name = ServerName::try_from(name.clone()).map_err(|_| {
            format!("“{name}” cannot be the name in a certificate: set name=HOST in the relay's URL")
        })?;
        let extra = url.ca.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
        let provider = Arc::new(default_provider());
        let verifier = Verifier::new_with_extra_roots(extra, provider.clone()).map_err(|error| {
            format!(
                "no certificate to trust was found on this system ({error}): install ca-certificates, or name a \
                 file with ca=FILE in the relay's URL"
            )
        })?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(wrap(Arc::new(verifier)))
            .with_no_client_auth();
        Ok(Self { url, tls: Some((Arc::new(config), name)), transcript: None })
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates =
        read.map_err(|error| format!("the relay's certificates cannot be read from {shown}: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{shown} holds no certificate: it must have a PEM block BEGIN CERTIFICATE"));
    }
    Ok(certificates)
}

fn is_label(label: &str) -> bool {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    (1..=40).contains(&label.len()) && label.chars().all(fits)
}

fn host(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // For a scheme that it does not know, `url` keeps a host's letters as they were written, percent-encoded.
    let host = percent_decode_str(host).decode_utf8().ok()?;
    if host.contains(':') { Some(host.into_owned()) } else { idna::domain_to_ascii(&host).ok() }
}

fn credentials(url: &Url) -> Result<Option<(String, String)>, String> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8().ok().filter(|text| !text.contains('\0'));
        decoded
            .map(|text| text.into_owned())
            .ok_or("has a user name or password that is not UTF-8 text".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (_, None) => Err("has a user name without a password; write user:password@".to_owned()),
        ("", Some(_)) => Err("has a password without a user name; write user:password@".to_owned()),
        (user, Some(password)) => Ok(Some((decode(user)?, decode(password)?))),
    }
}

/// A URL for an error message: what stands between `//` and the last `@` is left out, and the rest is shortened.
/// Without an `@`, what may be the beginning of a password is left out as well.
fn without_credentials(text: &str) -> String {
    let shown = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &text[..scheme], &text[at..]),
        (None, Some(at)) => format!("…{}", &text[at..]),
        (Some(scheme), None) if !ends_in_port(&text[scheme + 3..]) => format!("{}://…", &text[..scheme]),
        _ => text.to_owned(),
    };
    shown.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(100).collect()
}

/// Whether what stands behind a host's last colon, if there is one, is a port.
fn ends_in_port(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.ends_with(']') || port.is_empty() || port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Relay, RelayUrl, Security};

    #[test]
    fn the_scheme_picks_security_and_port() {
        for (text, security, port) in [
            ("smtps://mail.example.org", Security::Implicit, 465),
            ("smtp://mail.example.org", Security::StartTls, 587),
            ("smtp://mail.example.org/?tls=none", Security::Plain, 25),
            ("smtp://mail.example.org:2525?tls=none", Security::Plain, 2525),
            ("smtp://[::1]:2525?tls=none", Security::Plain, 2525),
        ] {
            let relay = RelayUrl::parse(text).unwrap();
            assert_eq!((relay.security, relay.port), (security, port), "{text}");
            assert_eq!(RelayUrl::parse(&relay.to_string()).unwrap(), relay);
        }
        assert_eq!(RelayUrl::parse("smtp://[::1]:25").unwrap().host, "::1");
        assert_eq!(RelayUrl::parse("smtp://Bücher.example").unwrap().host, "xn--bcher-kva.example");
    }

    #[test]
    fn user_name_and_password_are_decoded_and_never_shown() {
        let relay = RelayUrl::parse(
            "smtps://ann%40example.org:p%2Fss%3Aw%20rd@mail.example.org?ca=/etc/ca.pem&name=x.org",
        )
        .unwrap();
        assert_eq!(relay.credentials, Some(("ann@example.org".to_owned(), "p/ss:w rd".to_owned())));
        assert_eq!(relay.certificate_name.as_deref(), Some("x.org"));
        assert_eq!(relay.to_string(), "smtps://mail.example.org:465");
        assert_eq!(format!("{relay:?}"), "RelayUrl(smtps://mail.example.org:465, with a password)");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, reason) in [
            ("mail.example.org", "cannot be read"),
            ("http://u:hunter2@mail.example.org", "smtp://"),
            ("smtp://", "no host"),
            ("smtp://u:hunter2@", "cannot be read"),
            ("smtp://ann@mail.example.org", "without a password"),
            ("smtp://:hunter2@mail.example.org", "without a user name"),
            ("smtp://u:hunter2@mail.example.org/path", "path"),
            ("smtp://u:hunter2/x@mail.example.org", "cannot be read"),
            ("smtp://u:hunter2@mail.example.org?tls=maybe", "tls=maybe"),
            ("smtps://u:hunter2@mail.example.org?tls=none", "smtps:// and tls=none"),
            ("smtp://u:hunter2@mail.example.org?timeout=5", "timeout"),
            ("smtp://u:hunter2@mail.example.org:99999", "port"),
            ("smtp://u:%ff@mail.example.org", "UTF-8"),
        ] {
            let error = RelayUrl::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn several_relays_stand_side_by_side_with_their_terms() {
        let relays = RelayUrl::parse_all(
            "smtps://ann:pw@a.example?weight=3&per_second=0&warmup=50,100,200\n \
             smtp://b.example:2525?tls=none&priority=2&connections=4&per_day=1000&per_connection=50 \
             smtp://b.example:2525?tls=none&label=x&domain_per_second=5&domain_connections=2",
        )
        .unwrap();
        let [first, second, third] = relays.as_slice() else { panic!("{relays:?}") };
        assert_eq!((first.terms.priority, first.terms.weight, first.terms.per_second), (1, 3, Some(0)));
        assert_eq!(first.terms.warmup, [50, 100, 200]);
        assert_eq!((second.terms.priority, second.terms.connections), (2, Some(4)));
        assert_eq!((second.terms.per_day, second.terms.per_connection), (Some(1000), Some(50)));
        assert_eq!((third.terms.domain_per_second, third.terms.domain_connections), (Some(5), Some(2)));
        assert_eq!((second.key().as_str(), third.key().as_str()), ("b.example:2525", "b.example:2525/x"));
        assert_eq!(RelayUrl::parse(&third.to_string()).unwrap().key(), third.key());
    }

    #[test]
    fn terms_that_cannot_be_are_refused_with_the_value_and_an_example() {
        for (query, reason) in [
            ("priority=0", "priority=0; write a number from 1 to 100"),
            ("weight=101", "weight=101; write a number from 1 to 100"),
            ("weight=1&weight=2", "sets “weight” twice"),
            ("connections=501", "from 1 to 500"),
            ("per_second=-1", "per_second=-1; write a number from 0"),
            ("per_day=0", "per_day=0; write a number from 1"),
            ("per_day=many", "per_day=many"),
            ("per_connection=", "per_connection=; write"),
            ("domain_per_second=0", "domain_per_second=0; write"),
            ("domain_connections=0", "domain_connections=0; write"),
            ("warmup=50,,200", "for instance warmup=50,100,200"),
            ("warmup=", "for instance warmup=50,100,200"),
            ("label=a/b", "label=a/b"),
            ("speed=3", "sets “speed”; what can be set is tls=none"),
        ] {
            let error = RelayUrl::parse(&format!("smtp://u:hunter2@x.example?{query}")).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{query}: {error}");
        }
        for (text, reason) in [
            (" \t", "no relay is named"),
            ("smtp://a.example smtp://ann:hunter2@a.example", "named twice"),
            ("smtp://u:hunter2 hunter2@x.example", "smtp://…"),
            ("smtp://u:1 hunter2 x@x.example", "place 2"),
        ] {
            let error = RelayUrl::parse_all(text).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_of_certificates_must_be_one() {
        let open = |path: &str| Relay::open(RelayUrl::parse(&format!("smtp://x.org?ca={path}")).unwrap());
        assert!(open("/does/not/exist.pem").unwrap_err().contains("/does/not/exist.pem"));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(open(file.path().to_str().unwrap()).unwrap_err().contains("no certificate"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}", scheme in "smtps?://") {
            let _ = RelayUrl::parse(&text);
            let _ = RelayUrl::parse_all(&text);
            let _ = RelayUrl::parse(&format!("{scheme}{text}"));
        }
    }
}
