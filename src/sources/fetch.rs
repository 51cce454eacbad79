//! Fetches a feed or a page from a server that may be slow, broken or hostile.
//!
//! What belongs here: HTTP, and every limit on it. A fetch never takes more than [`TIME_LIMIT`] nor keeps more than
//! [`SIZE_LIMIT`], never reaches the inner network (see `address`), and asks one host one question at a time (see
//! `gate`). Its error is [`FetchError`].

mod address;
mod error;
mod gate;
mod knock;
mod probe;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::address::{is_public, is_public_host};
pub use self::error::FetchError;
use self::error::{RefusedAddress, Unresolved};
use self::gate::Gate;
pub use self::knock::Knocked;
pub use self::probe::{Probe, probe};
use super::dates::parse_date;
use crate::clock::Clock;

/// The most of a decompressed body that is taken, in bytes.
pub const SIZE_LIMIT: usize = 10 * 1024 * 1024;

/// The longest that a fetch may take from its first byte to its last, redirects included, waiting its turn excluded.
pub const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The longest chain of redirects that is followed: feeds that moved twice and changed to https need three.
pub const MOST_REDIRECTS: usize = 5;

/// A `Retry-After` beyond this is a mistake or an insult, and is read as this.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How a [`Fetcher`] behaves.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Whether loopback and private addresses may be fetched: for tests, and for those who collect from within.
    pub allow_private: bool,
    /// Where a publisher finds out who reads their feed; told in the `User-Agent`.
    pub contact: Option<Url>,
    /// See [`TIME_LIMIT`]; shorter in tests.
    pub time_limit: Duration,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self { allow_private: false, contact: None, time_limit: TIME_LIMIT }
    }
}

/// What a server gave last time so that it can say "nothing new" (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// What a fetch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    Document(Document),
    /// The server says that nothing has changed since the validators were given (304).
    NotModified {
        moved_to: Option<Url>,
    },
}

/// A document as it was served, decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub bytes: Vec<u8>,
    /// The `Content-Type` header as written.
    pub content_type: Option<String>,
    /// Where it was found, after all redirects: what relative links are relative to.
    pub url: Url,
    /// Where it has moved for good: set if there were redirects and each was permanent (301, 308).
    pub moved_to: Option<Url>,
    pub validators: Validators,
}

/// Fetches documents. Cheap to clone; clones share connections and the one-at-a-time rule.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    settings: FetchSettings,
    gate: Gate,
    clock: Clock,
}

impl Fetcher {
    /// Fails where the system's certificates or TLS cannot be set up.
    pub fn new(settings: FetchSettings, clock: Clock) -> Result<Self, FetchError> {
        let contact = settings.contact.as_ref().map(|url| format!("; +{url}")).unwrap_or_default();
        let agent = format!("Daybreak/{} (newsletter digest{contact})", env!("CARGO_PKG_VERSION"));
        let client = Client::builder()
            .user_agent(agent)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Resolver { allow_private: settings.allow_private })
            // A proxy from the environment would resolve names itself, past our check of the address.
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| FetchError::Unready { reason: error::root_cause(&error) })?;
        Ok(Self { client, settings, gate: Gate::default(), clock })
    }

    /// Fetches a document by GET, unless it is as `known` says. Waits while another fetch of the same host runs.
    pub async fn get(&self, url: &Url, known: &Validators) -> Result<Fetched, FetchError> {
        let mut url = url.clone();
        let mut left = self.settings.time_limit;
        let mut moved_for_good = true;
        for hop in 0..=MOST_REDIRECTS {
            self.check(&url)?;
            let host = url.host_str().unwrap_or_default().to_owned();
            let turn = self.gate.enter(&host).await;
            let started = Instant::now();
            let answered = self.ask(&url, known, started + left).await;
            left = left.saturating_sub(started.elapsed());
            drop(turn);
            let moved_to = || (hop > 0 && moved_for_good).then(|| url.clone());
            match answered? {
                Answer::NotModified => return Ok(Fetched::NotModified { moved_to: moved_to() }),
                Answer::Document(mut document) => {
                    document.moved_to = moved_to();
                    return Ok(Fetched::Document(document));
                }
                Answer::Elsewhere { target, for_good } => {
                    moved_for_good &= for_good;
                    url = target;
                }
            }
        }
        Err(FetchError::TooManyRedirects { limit: MOST_REDIRECTS })
    }

    /// Refuses what may not be fetched, as far as the link itself tells; names are checked when they are resolved.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::NotHttp { scheme: url.scheme().to_owned() });
        }
        if !self.settings.allow_private && !is_public_host(url) {
            return Err(FetchError::Refused { host: url.host_str().unwrap_or_default().to_owned() });
        }
        Ok(())
    }

    /// One request and its answer, body included, by `deadline`.
    async fn ask(&self, url: &Url, known: &Validators, deadline: Instant) -> Result<Answer, FetchError> {
        let host = url.host_str().unwrap_or_default();
        let too_slow = |_| FetchError::TooSlow { limit: self.settings.time_limit };
        let mut request = self.client.get(url.clone()).header(
            header::ACCEPT,
            "application/atom+xml, application/rss+xml, application/feed+json, text/html;q=0.9, */*;q=0.5",
        );
        for (name, value) in
            [(header::IF_NONE_MATCH, &known.etag), (header::IF_MODIFIED_SINCE, &known.last_modified)]
        {
            // A validator that is no header value was never given by a server: then ask without it.
            if let Some(value) = value.as_deref().and_then(|value| header::HeaderValue::from_str(value).ok())
            {
                request = request.header(name, value);
            }
        }
        let answered = timeout_at(deadline, request.send()).await.map_err(too_slow)?;
        let response = answered.map_err(|error| FetchError::from_reqwest(&error, host))?;
        let status = response.status();
        match status.as_u16() {
            200 | 203 => timeout_at(deadline, read_document(response, url))
                .await
                .map_err(too_slow)?
                .map(Answer::Document),
            304 => Ok(Answer::NotModified),
            301 | 302 | 303 | 307 | 308 => {
                let target = find_target(url, response.headers())?;
                Ok(Answer::Elsewhere { target, for_good: matches!(status.as_u16(), 301 | 308) })
            }
            404 => Err(FetchError::NotFound),
            410 => Err(FetchError::Gone),
            401 | 403 | 451 => Err(FetchError::Forbidden { status: status.as_u16() }),
            429 | 503 => Err(FetchError::Busy {
                status: status.as_u16(),
                retry_after: self.read_retry_after(response.headers()),
            }),
            _ => Err(FetchError::Status { status: status.as_u16(), meaning: meaning_of(status) }),
        }
    }

    /// RFC 9110 §10.2.3: seconds, or a date.
    fn read_retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let value = header_text(headers, &header::RETRY_AFTER)?;
        let wait = match value.trim().parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let millis = parse_date(&value)?.millis().saturating_sub(self.clock.now().millis());
                Duration::from_millis(u64::try_from(millis).unwrap_or(0))
            }
        };
        Some(wait.min(LONGEST_WAIT))
    }
}

enum Answer {
    Document(Document),
    NotModified,
    Elsewhere { target: Url, for_good: bool },
}

async fn read_document(mut response: Response, url: &Url) -> Result<Document, FetchError> {
    let host = url.host_str().unwrap_or_default();
    let too_large = FetchError::TooLarge { limit: SIZE_LIMIT };
    if response.content_length().is_some_and(|length| length > SIZE_LIMIT as u64) {
        return Err(too_large);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::from_reqwest(&error, host))? {
        if bytes.len() + chunk.len() > SIZE_LIMIT {
            return Err(too_large);
        }
        bytes.extend_from_slice(&chunk);
    }
    let headers = response.headers();
    Ok(Document {
        bytes,
        content_type: header_text(headers, &header::CONTENT_TYPE),
        url: url.clone(),
        moved_to: None,
        validators: Validators {
            etag: header_text(headers, &header::ETAG),
            last_modified: header_text(headers, &header::LAST_MODIFIED),
        },
    })
}

fn find_target(from: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let bad = |target: &str| FetchError::BadRedirect { target: target.to_owned() };
    // Location is ASCII by standard and UTF-8 in practice.
    let location = headers.get(header::LOCATION).ok_or_else(|| bad(""))?;
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut target = from.join(location.trim()).map_err(|_| bad(&location))?;
    if !target.username().is_empty() || target.password().is_some() {
        return Err(bad(target.host_str().unwrap_or_default()));
    }
    target.set_fragment(None);
    Ok(target)
}

fn header_text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn meaning_of(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("not a standard status")
}

/// Resolves names, and gives the connection only addresses that may be fetched: what is checked here is what is
/// connected to, so a name cannot point elsewhere between the two.
struct Resolver {
    allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await.map_err(|_| Unresolved)?;
            let all: Vec<SocketAddr> = found.collect();
            if all.is_empty() {
                return Err(Unresolved.into());
            }
            let allowed: Vec<_> =
                all.into_iter().filter(|found| allow_private || is_public(found.ip())).collect();
            if allowed.is_empty() {
                return Err(RefusedAddress.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
