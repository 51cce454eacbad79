//! Whether relays take our mail, and over what.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;

use super::{App, Finding, SOON_DAYS, State, days_left, in_time};
use crate::domain::delivery::OutcomeClass;
use crate::mail::relay::{Relay, RelayUrl, Security};
use crate::mail::session::Session;
use crate::pipeline::deliver;

/// How long a relay may take for any one answer here; in a send it may take longer.
const PATIENCE: Duration = Duration::from_secs(8);

/// The most octets that a digest has: large mailbox providers show no more than some 100 KB of HTML, which comes
/// encoded, and with a text beside it.
const LARGEST_DIGEST: usize = 500_000;

/// Whether a host is this machine.
pub fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

const SETTING: &str = "put DAYBREAK_RELAY_URL right";

/// Looks at every relay; where one serves us, another that does not keeps no mail back.
pub async fn examine(app: &App, relays: &Result<Vec<RelayUrl>, String>) -> Vec<Finding> {
    let relays = match relays {
        Ok(relays) => relays,
        Err(why) => return vec![Finding::bad("relay", why, SETTING)],
    };
    let mut found = join_all(relays.iter().map(|url| in_time("relay", examine_one(app, url)))).await;
    let serves = |findings: &Vec<Finding>| findings.iter().any(|finding| finding.state == State::Good);
    if found.iter().any(serves) {
        found.iter_mut().flatten().filter(|finding| finding.state == State::Bad).for_each(|finding| {
            finding.state = State::Warning;
        });
    }
    found.concat()
}

/// Connects to a relay, signs in, and says how that went.
async fn examine_one(app: &App, url: &RelayUrl) -> Vec<Finding> {
    let (relay, seen) = match Relay::open_watched(url.clone()) {
        Ok(opened) => opened,
        Err(why) => return vec![Finding::bad("relay", why, SETTING)],
    };
    let timeouts = deliver::timeouts(&app.settings).at_most(PATIENCE);
    let connected = Session::connect(&relay, &deliver::ehlo_name(app), timeouts).await;
    let days_left = seen.expires().map(days_left);
    let session = match connected {
        Ok(session) => session,
        Err(outcome) => {
            let says = format!("{url}: {}", outcome.detail);
            let to_do = match (outcome.class, days_left, outcome.code) {
                (_, Some(..0), _) => {
                    "its certificate has ended: whoever runs the relay must renew it".to_owned()
                }
                (_, _, Some(530 | 534 | 535)) => {
                    "write the user name and the password that the relay knows into DAYBREAK_RELAY_URL"
                        .to_owned()
                }
                (OutcomeClass::OurFault, ..) => SETTING.to_owned(),
                _ => format!(
                    "see that the relay runs, that its name and port are right in DAYBREAK_RELAY_URL, and that this \
                     machine may connect to {} port {}",
                    url.host, url.port
                ),
            };
            return vec![Finding::bad("relay", says, to_do)];
        }
    };
    let features = session.features();
    session.quit().await;

    let mut says = format!("{url}: answers");
    if let Some(version) = seen.version() {
        says += &format!(", {version}");
    }
    if let Some(end) = seen.expires() {
        says += &format!(", certificate good until {end}");
    }
    if url.credentials.is_some() {
        says += ", signed in";
    }
    says += if features.pipelining { ", PIPELINING" } else { ", no PIPELINING (slower)" };
    if let Some(size @ 1..) = features.size {
        says += &format!(", messages up to {} MB", size / 1_000_000);
    }
    let mut findings = vec![Finding::good("relay", says)];
    if let Some(days @ ..SOON_DAYS) = days_left {
        findings.push(Finding::warning(
            "relay",
            format!("{url}: its certificate ends in {days} days"),
            "see that it is renewed: nothing is sent over a certificate that has ended",
        ));
    }
    if url.security == Security::Plain && !is_here(&url.host) {
        let what = if url.credentials.is_some() { "mail and the password" } else { "mail" };
        findings.push(Finding::warning(
            "relay",
            format!("{url}: {what} travel there in the clear"),
            "use smtp:// without tls=none, or smtps://, in DAYBREAK_RELAY_URL",
        ));
    }
    if let Some(size @ 1..LARGEST_DIGEST) = features.size {
        findings.push(Finding::warning(
            "relay",
            format!("{url}: takes messages of {size} octets at most, and a long digest is larger"),
            "raise the relay's limit (Postfix: message_size_limit), or lower max-articles",
        ));
    }
    findings
}
