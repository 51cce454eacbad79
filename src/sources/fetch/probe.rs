//! Looks at a server without reading more than a few words of what it says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::header;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Response};
use url::Url;

use super::address::is_public_host;
use super::error::{self, FetchError};
use super::{Resolver, header_text};
use crate::domain::calendar::Timestamp;
use crate::domain::certificate;
use crate::sources::dates::parse_date;

/// The most of an answer that is read, in bytes.
const ENOUGH: usize = 1024;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub status: u16,
    /// The beginning of its body.
    pub beginning: String,
    /// What time its clock shows, where it says so (RFC 9110 §6.6.1); a cache's answer counts from then on.
    pub clock: Option<Timestamp>,
    /// Until when its certificate is good.
    pub expires: Option<Timestamp>,
}

/// Asks for `url` once, without following it elsewhere; at `addresses` where they are given.
///
/// # Errors
/// As for a fetch; nothing is wrong with an answer of whatever status.
pub async fn probe(
    url: &Url,
    addresses: Option<&[IpAddr]>,
    allow_private: bool,
    limit: Duration,
) -> Result<Probe, FetchError> {
    let host = url.host_str().unwrap_or_default();
    if !allow_private && !is_public_host(url) {
        return Err(FetchError::Refused { host: host.to_owned() });
    }
    let mut client = Client::builder()
        .user_agent(concat!("Daybreak/", env!("CARGO_PKG_VERSION"), " (doctor)"))
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Resolver { allow_private })
        .no_proxy()
        .tls_info(true)
        .timeout(limit);
    if let Some(addresses) = addresses {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| (*address, 0).into()).collect();
        client = client.resolve_to_addrs(host, &addresses);
    }
    let client = client.build().map_err(|error| FetchError::Unready { reason: error::root_cause(&error) })?;
    let answered = client.get(url.clone()).send().await;
    let mut response = answered.map_err(|error| match error.is_timeout() {
        true => FetchError::TooSlow { limit },
        false => FetchError::from_reqwest(&error, host),
    })?;
    let info = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
    let expires = info.and_then(certificate::expires);
    let clock = clock(&response);
    let mut beginning = vec![];
    while beginning.len() < ENOUGH {
        match response.chunk().await {
            Ok(Some(chunk)) => beginning.extend_from_slice(&chunk[..chunk.len().min(ENOUGH)]),
            // The status is known: how its words end makes no difference.
            Ok(None) | Err(_) => break,
        }
    }
    let beginning = String::from_utf8_lossy(&beginning).into_owned();
    Ok(Probe { status: response.status().as_u16(), beginning, clock, expires })
}

fn clock(response: &Response) -> Option<Timestamp> {
    let date = parse_date(&header_text(response.headers(), &header::DATE)?)?;
    let age = header_text(response.headers(), &header::AGE).and_then(|age| age.trim().parse::<u32>().ok());
    Some(date.plus_millis(i64::from(age.unwrap_or(0)) * 1000))
}
