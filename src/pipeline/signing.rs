//! The keys that sign mail: made, kept in the database, told to the world through DNS.
//!
//! A new key waits until its record was seen in DNS, or somebody lets it sign all the same: a signature that no receiver
//! can verify is worse than none. From then on it signs until it is removed. So a new key can be made beside an old one
//! and its record be published at leisure: until then the old key signs, and there is no moment without a signature that
//! holds.

use std::collections::BTreeSet;

use crate::db;
use crate::db::dkim::DkimKey;
use crate::domain::address::parse_domain;
use crate::domain::calendar::Timestamp;
use crate::mail::dkim::{self, SigningKey};
use crate::mail::dns::{Dns, KeyFound};

use super::accounts::Actor;
use super::deliver::cohort;
use super::{App, Error};

/// The most octets of a name in DNS (RFC 1035 §2.3.4, as text).
const MAX_NAME: usize = 253;

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA of 2,048 bits, which every receiver verifies (RFC 8301).
    Rsa,
    /// Ed25519 (RFC 8463): a tenth of the time and of the record, and not yet verified everywhere.
    Ed25519,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    fn generate(self) -> Result<String, Error> {
        match self {
            Self::Rsa => dkim::generate_rsa(),
            Self::Ed25519 => dkim::generate_ed25519(),
        }
        .map_err(Error::Io)
    }
}

/// The public half of a key, and where it belongs.
#[derive(Clone, Debug)]
pub struct Published {
    pub domain: String,
    pub selector: String,
    pub algorithm: String,
    pub made: Timestamp,
    /// None while it waits for its record in DNS.
    pub signs_since: Option<Timestamp>,
    /// The name of the TXT record.
    pub name: String,
    /// Its value (RFC 6376 §3.6.1).
    pub record: String,
    /// The same as a line of a zone file.
    pub zone_line: String,
}

/// Makes a key for a domain with each of these algorithms, and returns them. They wait for their records in DNS.
///
/// Several keys of one `selector` are told apart by their algorithm, and so are those that are named after the day.
pub async fn add(
    app: &App,
    by: &Actor,
    domain: &str,
    algorithms: &[Algorithm],
    selector: Option<&str>,
) -> Result<Vec<Published>, Error> {
    let domain = parse_domain(domain).map_err(Error::Invalid)?;
    let made = app.clock.now();
    let mut keys = vec![];
    for algorithm in algorithms {
        let selector = match (selector, algorithms.len()) {
            (Some(selector), 1) => selector.to_owned(),
            (Some(selector), _) => format!("{selector}-{}", algorithm.name()),
            (None, _) => format!("db{}-{}", made.to_utc().format("%Y%m%d"), algorithm.name()),
        };
        keys.push(DkimKey {
            domain: domain.clone(),
            selector: parse_selector(&selector, &domain)?,
            algorithm: format!("{}-sha256", algorithm.name()),
            private_key: algorithm.generate()?,
            created_at: made,
            signs_since: None,
        });
    }
    let mut tx = app.db.begin().await?;
    for key in &keys {
        match db::dkim::insert(&mut tx, key).await {
            Err(error) if error.is_duplicate() => {
                return Err(Error::Invalid(format!(
                    "there is a key {} of {domain} already: choose another selector",
                    key.selector
                )));
            }
            other => other?,
        }
    }
    let names: Vec<String> = keys.iter().map(|key| record_name(&key.selector, &key.domain)).collect();
    by.note_of(app, &mut tx, "dkim.add", &names.join(", "), None).await?;
    db::commit(tx).await?;
    keys.into_iter().map(published).collect()
}

/// Whether keys can be made for this domain.
pub fn is_domain(text: &str) -> bool {
    parse_domain(text).is_ok()
}

/// A selector in lower case (RFC 6376 §3.1: labels as in a domain, with dots between them).
fn parse_selector(text: &str, domain: &str) -> Result<String, Error> {
    let wrong = || {
        Error::Invalid(format!(
            "“{text}” cannot be the selector of a key: write letters, digits and hyphens, for instance spring26"
        ))
    };
    let fits = |label: &str| {
        let signs = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        signs && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let selector = text.to_ascii_lowercase();
    let is_short = record_name(&selector, domain).len() <= MAX_NAME;
    (is_short && selector.split('.').all(fits)).then_some(selector).ok_or_else(wrong)
}

/// Every key with its record, each domain's oldest first.
pub async fn list(app: &App) -> Result<Vec<Published>, Error> {
    let mut conn = app.db.conn().await?;
    db::dkim::list(&mut conn).await?.into_iter().map(published).collect()
}

/// Lets a key sign from now on, whether its record was seen or not.
pub async fn sign_now(app: &App, by: &Actor, domain: &str, selector: &str) -> Result<(), Error> {
    let domain = parse_domain(domain).map_err(Error::Invalid)?;
    let selector = selector.to_ascii_lowercase();
    let mut tx = app.db.begin().await?;
    if !db::dkim::let_sign(&mut tx, &domain, &selector, app.clock.now()).await? {
        return Err(Error::NotFound(format!(
            "no key {selector} of {domain} waits: `daybreak dkim list` shows those there are"
        )));
    }
    by.note_of(app, &mut tx, "dkim.sign", &record_name(&selector, &domain), None).await?;
    Ok(db::commit(tx).await?)
}

/// Asks DNS for the record of every key that waits, and lets those sign whose record is there; returns their names.
pub async fn sign_with_published(app: &App, by: &Actor) -> Result<Vec<String>, Error> {
    let waiting: Vec<DkimKey> = {
        let keys = db::dkim::list(&mut *app.db.conn().await?).await?;
        keys.into_iter().filter(|key| key.signs_since.is_none()).collect()
    };
    let domains: BTreeSet<&str> = waiting.iter().map(|key| key.domain.as_str()).collect();
    if domains.is_empty() {
        return Ok(vec![]);
    }
    let dns = match Dns::open(app.settings.resolver) {
        Ok(dns) => dns,
        Err(why) => {
            tracing::warn!(why, "DNS cannot be asked for the records of keys that wait");
            return Ok(vec![]);
        }
    };
    let mut names = vec![];
    for domain in domains {
        // A damaged key is no reason for the others to wait.
        match sign_published(app, by, &dns, domain, &waiting).await {
            Ok(signing) => names.extend(signing),
            Err(Error::Db(error)) => return Err(Error::Db(error)),
            Err(error) => tracing::error!(domain, %error, "keys that wait could not be looked for in DNS"),
        }
    }
    Ok(names)
}

/// Lets those of a domain's waiting keys sign whose record is in DNS; one that was made anew meanwhile goes on waiting.
async fn sign_published(
    app: &App,
    by: &Actor,
    dns: &Dns,
    domain: &str,
    waiting: &[DkimKey],
) -> Result<Vec<String>, Error> {
    let message = sample(app, domain, |key| waiting.contains(key)).await?;
    let judged = dns.judge(message.as_bytes(), domain).await.map_err(Error::Invalid)?;
    let mut names = vec![];
    for (selector, _) in judged.keys.iter().filter(|(_, found)| *found == KeyFound::Good) {
        let key = waiting.iter().find(|key| key.domain == domain && key.selector == *selector);
        let Some(key) = key else { continue };
        let mut tx = app.db.begin().await?;
        let is_there = db::dkim::list(&mut tx).await?.contains(key);
        if is_there && db::dkim::let_sign(&mut tx, domain, selector, app.clock.now()).await? {
            let name = record_name(selector, domain);
            by.note_of(app, &mut tx, "dkim.sign", &name, None).await?;
            db::commit(tx).await?;
            names.push(name);
        }
    }
    Ok(names)
}

/// A message from this domain as it is signed with those of its keys.
pub(super) async fn sample(
    app: &App,
    domain: &str,
    is_wanted: impl Fn(&DkimKey) -> bool,
) -> Result<String, Error> {
    let date = app.clock.now().to_utc().format("%a, %d %b %Y %H:%M:%S +0000");
    let mut message = format!(
        "From: doctor@{domain}\r\nTo: doctor@{domain}\r\nDate: {date}\r\nSubject: doctor\r\nMessage-ID: \
         <doctor@{domain}>\r\n\r\nNobody is sent this.\r\n"
    );
    let signer = cohort::signer_with(&mut *app.db.conn().await?, domain, is_wanted).await?;
    if let Some(signer) = signer {
        signer.sign(&mut message).map_err(Error::Invalid)?;
    }
    Ok(message)
}

/// Removes a key, and returns how many of the domain's are left that sign: mail is no longer signed with it. Its DNS
/// record must stay for as long as signed mail is under way.
pub async fn remove(app: &App, by: &Actor, domain: &str, selector: &str) -> Result<usize, Error> {
    let domain = parse_domain(domain).map_err(Error::Invalid)?;
    let selector = selector.to_ascii_lowercase();
    let mut tx = app.db.begin().await?;
    if !db::dkim::delete(&mut tx, &domain, &selector).await? {
        return Err(Error::NotFound(format!(
            "there is no key {selector} for {domain}: `daybreak dkim list` shows those there are"
        )));
    }
    by.note_of(app, &mut tx, "dkim.remove", &record_name(&selector, &domain), None).await?;
    let signs = |key: &&DkimKey| key.domain == domain && key.signs_since.is_some();
    let left = db::dkim::list(&mut tx).await?.iter().filter(signs).count();
    db::commit(tx).await?;
    Ok(left)
}

fn record_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

fn published(key: DkimKey) -> Result<Published, Error> {
    let signing = SigningKey::from_pem(&key.private_key).map_err(|why| {
        Error::Invalid(format!("the key {} of {} is damaged: {why}", key.selector, key.domain))
    })?;
    let name = record_name(&key.selector, &key.domain);
    Ok(Published {
        zone_line: dkim::zone_line(&name, signing.dns_record()),
        record: signing.dns_record().to_owned(),
        name,
        domain: key.domain,
        selector: key.selector,
        algorithm: key.algorithm,
        made: key.created_at,
        signs_since: key.signs_since,
    })
}
