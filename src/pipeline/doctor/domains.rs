//! What receivers learn from DNS about mail from our From domains: SPF, DKIM, DMARC and whether they are aligned.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::future::join_all;

use super::relays::is_here;
use super::{App, Error, Finding, in_time};
use crate::domain::newsletter::Newsletter;
use crate::mail::dns::{Dmarc, Dns, Judged, KeyFound, Spf};
use crate::mail::relay::RelayUrl;
use crate::pipeline::deliver;
use crate::pipeline::signing::{self, Published};

/// The most addresses that SPF is asked about: a large relay has dozens, all alike.
const MOST_ADDRESSES: usize = 8;

/// An address of the documentation (RFC 5737), for asking whether there is a record at all.
const NO_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Mail from one domain.
struct Sending<'a> {
    /// Of From.
    domain: &'a str,
    /// Of the envelope's sender.
    envelope: &'a str,
    /// Those that sign.
    keys: Vec<&'a Published>,
    /// A message as we sign it.
    message: String,
    /// Those that wait for their records.
    waiting: Vec<&'a Published>,
    /// A message as they would sign it.
    to_come: String,
}

/// Looks at each domain that a newsletter is sent from.
pub async fn examine(
    app: &App,
    newsletters: &[Newsletter],
    relays: &[RelayUrl],
    dns: Option<&Dns>,
) -> Result<Vec<Finding>, Error> {
    let keys = signing::list(app).await?;
    let from: BTreeSet<&str> =
        newsletters.iter().map(|newsletter| newsletter.from.address.domain()).collect();
    let mut all = vec![];
    for domain in from {
        let envelope = app.settings.bounce_domain.as_deref().unwrap_or(domain);
        let own = keys.iter().filter(|key| key.domain == domain);
        let (keys, waiting) = own.partition(|key| key.signs_since.is_some());
        let message = signing::sample(app, domain, |key| key.signs_since.is_some()).await?;
        let to_come = signing::sample(app, domain, |key| key.signs_since.is_none()).await?;
        all.push(Sending { domain, envelope, keys, message, waiting, to_come });
    }
    let envelopes: BTreeSet<&str> = all.iter().map(|sending| sending.envelope).collect();
    let (allowed, signed) = tokio::join!(
        join_all(envelopes.iter().map(|domain| in_time("SPF", spf(app, domain, relays, dns)))),
        join_all(all.iter().map(|sending| in_time("DKIM", receive(sending, dns)))),
    );
    Ok(allowed.into_iter().chain(signed).flatten().collect())
}

/// Where mail comes from, as far as it is known here: the relays' addresses, or those of this machine's name where the
/// relay is on it.
async fn outgoing(app: &App, relays: &[RelayUrl], dns: &Dns) -> Vec<(String, IpAddr)> {
    let ehlo = deliver::ehlo_name(app);
    let hosts: BTreeSet<String> =
        relays.iter().map(|url| if is_here(&url.host) { ehlo.clone() } else { url.host.clone() }).collect();
    let mut found = vec![];
    for host in hosts {
        let addresses = match host.trim_matches(['[', ']']).parse() {
            Ok(address) => vec![address],
            Err(_) => dns.addresses(&host).await.unwrap_or_default(),
        };
        found.extend(addresses.into_iter().map(|address| (host.clone(), address)));
    }
    found.retain(|(_, address)| !address.is_loopback());
    found.truncate(MOST_ADDRESSES);
    found
}

async fn spf(app: &App, domain: &str, relays: &[RelayUrl], dns: Option<&Dns>) -> Vec<Finding> {
    let Some(dns) = dns else {
        return vec![Finding::silence("SPF", format!("{domain}: DNS cannot be asked"))];
    };
    let ehlo = deliver::ehlo_name(app);
    let outgoing = outgoing(app, relays, dns).await;
    let asked: Vec<IpAddr> = match outgoing.as_slice() {
        [] => vec![NO_ADDRESS],
        known => known.iter().map(|(_, address)| *address).collect(),
    };
    let answers = join_all(asked.iter().map(|address| dns.spf(domain, *address, &ehlo))).await;
    let refused: Vec<&(String, IpAddr)> = outgoing
        .iter()
        .zip(&answers)
        .filter(|(_, spf)| **spf == Spf::DoesNotAllow)
        .map(|(from, _)| from)
        .collect();
    let wanted: BTreeSet<String> = match refused.is_empty() {
        true => outgoing.iter().map(|(host, address)| mechanism(host, *address)).collect(),
        false => refused.iter().map(|(host, address)| mechanism(host, *address)).collect(),
    };
    let wanted: Vec<String> = wanted.into_iter().collect();
    let wanted = wanted.join(" ");
    let provider =
        "a relay's provider tells what to write for all its addresses (include:…): then write that instead";
    vec![if answers.contains(&Spf::Silence) {
        Finding::silence("SPF", format!("{domain}: its record could not be looked up"))
    } else if answers.contains(&Spf::Broken) {
        Finding::bad(
            "SPF",
            format!("{domain}: receivers cannot read its record"),
            format!(
                "publish one TXT record at {domain} that begins with v=spf1, needs ten look-ups at most, and has no mistake in it"
            ),
        )
    } else if answers.contains(&Spf::NoRecord) {
        let wanted = if wanted.is_empty() { "ip4:ADDRESS-OF-THE-RELAY" } else { &wanted };
        Finding::warning(
            "SPF",
            format!("{domain}: has no SPF record, and large mailbox providers ask for one"),
            format!("publish  {domain}. 3600 IN TXT \"v=spf1 {wanted} ~all\"  ({provider})"),
        )
    } else if outgoing.is_empty() {
        Finding::warning(
            "SPF",
            format!("{domain}: has a record, but where our mail leaves from is not known here"),
            "set DAYBREAK_EHLO_NAME to this machine's name in DNS, if the relay runs on it",
        )
    } else if let Some((host, address)) = refused.first() {
        Finding::warning(
            "SPF",
            format!(
                "{domain}: its record does not allow {host} ({address}), where our mail comes from as far as is known here"
            ),
            format!(
                "add  {wanted}  to the record that begins with v=spf1 at {domain}, before its “all” ({provider})"
            ),
        )
    } else {
        let hosts: BTreeSet<&str> = outgoing.iter().map(|(host, _)| host.as_str()).collect();
        let hosts: Vec<&str> = hosts.into_iter().collect();
        Finding::good("SPF", format!("{domain}: allows {}", hosts.join(", ")))
    }]
}

/// What an SPF record says to allow a host (RFC 7208 §5).
fn mechanism(host: &str, address: IpAddr) -> String {
    match (host.trim_matches(['[', ']']).parse::<IpAddr>(), address) {
        (Err(_), _) => format!("a:{host}"),
        (Ok(_), IpAddr::V4(address)) => format!("ip4:{address}"),
        (Ok(_), IpAddr::V6(address)) => format!("ip6:{address}"),
    }
}

/// What a receiver makes of mail from this domain.
async fn receive(sending: &Sending<'_>, dns: Option<&Dns>) -> Vec<Finding> {
    let domain = sending.domain;
    let Some(dns) = dns else {
        return vec![Finding::silence("DKIM", format!("{domain}: DNS cannot be asked"))];
    };
    let judge = async |message: &str| dns.judge(message.as_bytes(), sending.envelope).await;
    let (judged, to_come) = tokio::join!(judge(&sending.message), judge(&sending.to_come));
    match judged.and_then(|judged| Ok((judged, to_come?))) {
        Ok((judged, to_come)) => {
            let mut findings = dkim(sending, &judged);
            findings.extend(waiting(sending, &to_come));
            findings.push(dmarc(sending, judged.dmarc));
            findings.push(alignment(sending, judged.dmarc));
            findings
        }
        Err(why) => vec![Finding::bad(
            "DKIM",
            format!("{domain}: {why}"),
            format!("make another key: daybreak dkim add {domain}"),
        )],
    }
}

fn dkim(sending: &Sending<'_>, judged: &Judged) -> Vec<Finding> {
    let domain = sending.domain;
    if sending.keys.is_empty() && sending.waiting.is_empty() {
        return vec![Finding::warning(
            "DKIM",
            format!("{domain}: mail is not signed here"),
            format!(
                "unless the relay signs for {domain}:  daybreak dkim add {domain}  and publish what it prints"
            ),
        )];
    }
    let found = |key: &Published| found(judged, key);
    let of_key = |key: &&Published| {
        let name = &key.name;
        let publish = format!("publish  {}", key.zone_line);
        let has_good_successor = sending.keys.iter().any(|other| {
            other.algorithm == key.algorithm && other.made > key.made && found(other) == KeyFound::Good
        });
        match found(key) {
            KeyFound::Good if has_good_successor => Finding::warning(
                "DKIM",
                format!("{name}: has a successor, which is published: two signatures are no longer needed"),
                format!("daybreak dkim remove {domain} {}", key.selector),
            ),
            KeyFound::Good => {
                Finding::good("DKIM", format!("{name}: is published, and a signature of ours holds"))
            }
            KeyFound::NotPublished => Finding::bad(
                "DKIM",
                format!("{name}: mail is signed with this key, which is not published"),
                publish,
            ),
            KeyFound::Different => Finding::bad(
                "DKIM",
                format!("{name}: what is published there is not the key that signs"),
                publish,
            ),
            KeyFound::Silence => Finding::silence("DKIM", format!("{name}: could not be looked up")),
        }
    };
    sending.keys.iter().map(of_key).collect()
}

fn found(judged: &Judged, key: &Published) -> KeyFound {
    let found = judged.keys.iter().find(|(selector, _)| *selector == key.selector);
    found.map_or(KeyFound::Silence, |(_, found)| *found)
}

/// What there is to say of the keys that wait for their records.
fn waiting(sending: &Sending<'_>, judged: &Judged) -> Vec<Finding> {
    let of_key = |key: &&Published| {
        let name = &key.name;
        let publish = format!("publish  {}", key.zone_line);
        match found(judged, key) {
            KeyFound::Good => Finding::warning(
                "DKIM",
                format!(
                    "{name}: is published, and mail is not signed with this key yet: it is within minutes where the \
                     service runs"
                ),
                format!("daybreak dkim sign {} {}", sending.domain, key.selector),
            ),
            KeyFound::NotPublished => Finding::warning(
                "DKIM",
                format!("{name}: this key waits for its record: mail is not signed with it yet"),
                publish,
            ),
            KeyFound::Different => Finding::warning(
                "DKIM",
                format!("{name}: what is published there is not this key, with which mail is not signed yet"),
                publish,
            ),
            KeyFound::Silence => Finding::silence("DKIM", format!("{name}: could not be looked up")),
        }
    };
    sending.waiting.iter().map(of_key).collect()
}

fn dmarc(sending: &Sending<'_>, dmarc: Dmarc) -> Finding {
    let domain = sending.domain;
    let sign = format!(
        "publish the key's record where DKIM above asks for it, or make a key:  daybreak dkim add {domain}  (unless the \
         relay signs for {domain})"
    );
    match dmarc {
        Dmarc::Silence => Finding::silence("DMARC", format!("{domain}: its record could not be looked up")),
        Dmarc::NoRecord => Finding::warning(
            "DMARC",
            format!("{domain}: has no DMARC record, and large mailbox providers ask for one"),
            format!(
                "publish  _dmarc.{domain}. 3600 IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@{domain}\""
            ),
        ),
        Dmarc::Found { policy, by_signature: true, .. } => {
            Finding::good("DMARC", format!("{domain}: policy {policy}, and our signature passes"))
        }
        Dmarc::Found { policy, by_envelope: true, .. } => Finding::warning(
            "DMARC",
            format!(
                "{domain}: policy {policy}; without a signature that holds, mail passes where SPF allows the relay, and not when it is forwarded"
            ),
            sign,
        ),
        Dmarc::Found { policy: policy @ "none", .. } => Finding::warning(
            "DMARC",
            format!(
                "{domain}: policy {policy}, and our mail does not pass: no signature of it holds, and its envelope is at another domain"
            ),
            sign,
        ),
        Dmarc::Found { policy, .. } => Finding::bad(
            "DMARC",
            format!(
                "{domain}: its policy is to {policy} our mail: no signature of it holds, and its envelope is at another domain"
            ),
            sign,
        ),
    }
}

/// Whether what is signed and the envelope's sender belong to the domain of From.
fn alignment(sending: &Sending<'_>, dmarc: Dmarc) -> Finding {
    let (domain, envelope) = (sending.domain, sending.envelope);
    let below = |one: &str, other: &str| {
        one.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let envelope_is_ours = match dmarc {
        Dmarc::Found { by_envelope, .. } => by_envelope,
        // Without a record nobody says how strict to be.
        Dmarc::NoRecord | Dmarc::Silence => below(envelope, domain) || below(domain, envelope),
    };
    let signature = if sending.keys.is_empty() { "not signed here" } else { "signed by it" };
    let about = "From alignment";
    match (envelope_is_ours, sending.keys.is_empty()) {
        (true, _) => Finding::good(
            about,
            format!("{domain}: mail is {signature}, and its envelope's domain ({envelope}) is aligned"),
        ),
        (false, false) => Finding::good(
            about,
            format!(
                "{domain}: mail is signed by it; its envelope's domain ({envelope}) is not aligned, so DMARC rests on the signature"
            ),
        ),
        (false, true) => Finding::warning(
            about,
            format!(
                "{domain}: mail is neither signed by it here, nor is its envelope's domain ({envelope}) aligned"
            ),
            format!("daybreak dkim add {domain},  or set DAYBREAK_BOUNCE_DOMAIN to a name below {domain}"),
        ),
    }
}
