//! Why a fetch failed, in words for editors.

use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a document could not be fetched. The sentence says what was wrong and, where there is something, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("“{scheme}:” links cannot be fetched: use one that begins with http:// or https://")]
    NotHttp { scheme: String },
    #[error(
        "{host} is an address of the inner network: set DAYBREAK_FETCH_PRIVATE=true to fetch it all the same"
    )]
    Refused { host: String },
    #[error("there is no server named {host}: check the spelling of the link")]
    Unresolved { host: String },
    #[error("the server {host} does not answer ({reason})")]
    Unreachable { host: String, reason: String },
    #[error("the connection to {host} is not secure ({reason})")]
    Tls { host: String, reason: String },
    #[error("the server took longer than {} seconds", .limit.as_secs_f32())]
    TooSlow { limit: Duration },
    #[error("the document is larger than {} MB", .limit / 1024 / 1024)]
    TooLarge { limit: usize },
    #[error("the document was broken off or wrongly packed ({reason})")]
    Broken { reason: String },
    #[error("there is nothing at this link (404): check it, or look for the feed's new link on the site")]
    NotFound,
    #[error("the publisher has removed this for good (410)")]
    Gone,
    #[error("the server refuses access ({status}): it may ask for a sign-in, or turn away programs")]
    Forbidden { status: u16 },
    #[error("the server is busy or asks to come back later ({status})")]
    Busy { status: u16, retry_after: Option<Duration> },
    #[error("the server answered with status {status} ({meaning})")]
    Status { status: u16, meaning: &'static str },
    #[error("the link leads from one place to the next more than {limit} times")]
    TooManyRedirects { limit: usize },
    #[error("the link leads to “{target}”, which cannot be followed")]
    BadRedirect { target: String },
    #[error("secure connections cannot be set up on this machine ({reason})")]
    Unready { reason: String },
}

impl FetchError {
    /// Whether asking again the same way is useless: the publisher said so, or the link itself is wrong.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::NotHttp { .. } | Self::Refused { .. } | Self::Gone)
    }

    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn from_reqwest(error: &reqwest::Error, host: &str) -> Self {
        let host = host.to_owned();
        let reason = root_cause(error);
        if has_cause::<RefusedAddress>(error) {
            Self::Refused { host }
        } else if has_cause::<Unresolved>(error) {
            Self::Unresolved { host }
        } else if error.is_connect() && is_tls(error) {
            Self::Tls { host, reason }
        } else if error.is_decode() || error.is_body() {
            Self::Broken { reason }
        } else {
            Self::Unreachable { host, reason }
        }
    }
}

/// The resolver found only addresses that may not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to the inner network")]
pub struct RefusedAddress;

/// The resolver found no address.
#[derive(Debug, thiserror::Error)]
#[error("the name is not known")]
pub struct Unresolved;

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause_of(*error))
}

/// An I/O error gives what it wraps by `get_ref` alone: its `source` skips that.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn has_cause<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<E>)
}

/// The TLS layer reports a bad certificate or handshake as invalid data; TCP never does.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

/// The innermost cause in words; the outer ones only say where it happened.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
