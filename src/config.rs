//! Every setting once: a field here is a flag, an environment key, a help line and a line of `.env.example`.

mod networks;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

pub use self::networks::Networks;

/// What an operator can set. Each field is a flag of every command and a key in the environment or in `.env`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings (each also as an environment key, or a line of .env)")]
#[expect(rustdoc::bare_urls, reason = "these comments are the help's sentences too")]
pub struct Settings {
    /// Where everything is kept: sqlite://FILE, or postgres://USER:PASSWORD@HOST/NAME
    #[arg(
        long,
        env = "DAYBREAK_DATABASE_URL",
        default_value = "sqlite://daybreak.db",
        global = true,
        hide_env_values = true
    )]
    pub database_url: Secret,

    /// The SMTP server that takes our mail: smtp://USER:PASSWORD@HOST:587 (STARTTLS), smtps://… (TLS from the start), smtp://HOST:25?tls=none (no encryption); several with spaces between them, and limits as ?priority=1&per_second=50 (see docs/operating.md)
    #[arg(
        long,
        env = "DAYBREAK_RELAY_URL",
        default_value = "smtp://localhost:25?tls=none",
        global = true,
        hide_env_values = true
    )]
    pub relay_url: Secret,

    /// Where readers reach this service, for the links in mails: https://news.example.org
    #[arg(
        long,
        env = "DAYBREAK_PUBLIC_URL",
        default_value = "http://localhost:8080",
        value_parser = parse_public_url,
        global = true
    )]
    pub public_url: String,

    /// The address and port that the web pages are served on
    #[arg(long, env = "DAYBREAK_LISTEN", default_value = "127.0.0.1:8080", global = true)]
    pub listen: SocketAddr,

    /// Proxies in front of the pages that are believed about where a visitor comes from (X-Forwarded-For): addresses and networks, such as 10.0.0.0/8, with spaces between them; this machine always is one
    #[arg(long, env = "DAYBREAK_TRUSTED_PROXIES", global = true)]
    pub trusted_proxies: Option<Networks>,

    /// The host name given to the relay (EHLO): the public URL's host unless set
    #[arg(long, env = "DAYBREAK_EHLO_NAME", global = true)]
    pub ehlo_name: Option<String>,

    /// Domain of the bounce addresses, one per delivery: bounces go to the newsletter's own address unless set
    #[arg(long, env = "DAYBREAK_BOUNCE_DOMAIN", global = true)]
    pub bounce_domain: Option<String>,

    /// Connections to a relay at a time
    #[arg(long, env = "DAYBREAK_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500), global = true)]
    pub connections: u16,

    /// Messages a second to a relay at most, over all nodes; 0 for no limit
    #[arg(long, env = "DAYBREAK_MESSAGES_PER_SECOND", default_value_t = 0, global = true)]
    pub messages_per_second: u32,

    /// Seconds to wait for the relay's answer at most; RFC 5321's minutes (five for a command, ten for a message) unless set
    #[arg(long, env = "DAYBREAK_RELAY_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=600), global = true)]
    pub relay_timeout: Option<u64>,

    /// Days for which it is kept what became of each delivery, from its issue's end; then they are counted. 0: for ever
    #[arg(long, env = "DAYBREAK_KEEP_DELIVERIES", default_value_t = 365, value_parser = clap::value_parser!(u32).range(0..=36_500), global = true)]
    pub keep_deliveries: u32,

    /// Folder of mail templates that take the place of the built-in ones, file by file
    #[arg(long, env = "DAYBREAK_TEMPLATES", global = true)]
    pub templates: Option<PathBuf>,

    /// Take no sign-up from addresses of a role, such as info@ or support@
    #[arg(long, env = "DAYBREAK_REFUSE_ROLE_ADDRESSES", default_value_t = false, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub refuse_role_addresses: bool,

    /// Take no sign-up from services that give out addresses for a short time
    #[arg(long, env = "DAYBREAK_REFUSE_DISPOSABLE", default_value_t = false, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub refuse_disposable: bool,

    /// File with the domains of such services, one on each line: the best known unless set
    #[arg(long, env = "DAYBREAK_DISPOSABLE_DOMAINS", global = true)]
    pub disposable_domains: Option<PathBuf>,

    /// Let sources and article pages be fetched from loopback and private networks too
    #[arg(long, env = "DAYBREAK_FETCH_PRIVATE", default_value_t = false, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub fetch_private: bool,

    /// The DNS server that doctor asks, as ADDRESS:PORT: the system's unless set
    #[arg(long, env = "DAYBREAK_RESOLVER", global = true)]
    pub resolver: Option<SocketAddr>,

    /// What is logged, for instance info, or warn,daybreak=debug
    #[arg(
        long,
        env = "DAYBREAK_LOG",
        default_value = "info,sqlx=error",
        value_parser = parse_log,
        global = true
    )]
    pub log: String,

    /// For rehearsals and tests: the time at which this program's clock starts, for instance 2026-03-29T00:30:00Z
    #[arg(long, env = "DAYBREAK_CLOCK", global = true)]
    pub clock: Option<String>,
}

impl Settings {
    /// Whether what this address says about whom it asks for is believed.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback()
            || self.trusted_proxies.as_ref().is_some_and(|proxies| proxies.contains(address))
    }
}

/// An address that links can begin with: http or https, a host, and at most a path; no slash at its end.
fn parse_public_url(text: &str) -> Result<String, String> {
    let wrong =
        || "write the address at which readers reach this service, for instance https://news.example.org";
    let url = url::Url::parse(text.trim()).map_err(|_| wrong())?;
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match matches!(url.scheme(), "http" | "https") && url.host().is_some() && is_bare {
        true => Ok(url.as_str().trim_end_matches('/').to_owned()),
        false => Err(wrong().to_owned()),
    }
}

/// What `tracing` understands.
fn parse_log(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; write error, warn, info or debug, or module=level pairs")),
    }
}

/// A setting that may hold a password: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// For help texts, where clap shows a default: the password, if any, is left out.
impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match url::Url::parse(&self.0) {
            // Several URLs, each with a password of its own.
            _ if self.0.contains(char::is_whitespace) => formatter.write_str("…"),
            Ok(mut url) if url.password().is_some() => {
                let _ = url.set_password(Some("…"));
                write!(formatter, "{url}")
            }
            Ok(_) => formatter.write_str(&self.0),
            Err(_) => formatter.write_str("…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_one_that_links_can_begin_with() {
        assert_eq!(parse_public_url("https://news.example.org/"), Ok("https://news.example.org".to_owned()));
        assert_eq!(parse_public_url("http://localhost:8080/x"), Ok("http://localhost:8080/x".to_owned()));
        for wrong in [
            "news.example.org",
            "javascript:alert(1)//",
            "https://",
            "https://a@b.example",
            "https://b.example/?q",
        ] {
            assert!(parse_public_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("postgres://daybreak:hunter2@db.example/daybreak");
        assert!(!format!("{secret} {secret:?}").contains("hunter2"));
        let secret = Secret::new("smtp://a.example?tls=none smtp://ann:hunter2@b.example");
        assert!(!format!("{secret} {secret:?}").contains("hunter2"));
    }
}
