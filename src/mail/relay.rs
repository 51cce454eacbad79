//! Where mail is handed over, and how safely: one URL.

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
}

const EXAMPLE: &str = "write it like smtp://user:password@mail.example.org:587";

impl RelayUrl {
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
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong("has a path behind the host; remove it, or write a / in the password as %2F"));
        }
        for (key, value) in url.query_pairs() {
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
                (other, _) => {
                    return Err(wrong(&format!(
                        "sets “{other}”; what can be set is tls=none, ca=FILE and name=HOST"
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
    /// The URL without user name and password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.security == Security::Implicit { "smtps" } else { "smtp" };
        let plain = if self.security == Security::Plain { "?tls=none" } else { "" };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}{plain}", self.host, self.port)
        } else {
            write!(formatter, "{scheme}://{}:{}{plain}", self.host, self.port)
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

    fn open_with(
        url: RelayUrl,
        wrap: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, String> {
        if url.security == Security::Plain {
            return Ok(Self { url, tls: None });
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
        Ok(Self { url, tls: Some((Arc::new(config), name)) })
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
fn without_credentials(text: &str) -> String {
    let shown = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &text[..scheme], &text[at..]),
        (None, Some(at)) => format!("…{}", &text[at..]),
        _ => text.to_owned(),
    };
    shown.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(100).collect()
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
            let _ = RelayUrl::parse(&format!("{scheme}{text}"));
        }
    }
}
