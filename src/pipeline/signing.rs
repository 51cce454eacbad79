//! The keys that sign mail: made, kept in the database, told to the world through DNS.
//!
//! Every key of a domain signs until it is removed. So a new key can be made beside an old one and its record be
//! published at leisure: until then mail is verified by the old key's signature, and there is no moment without one.

use crate::db;
use crate::db::dkim::DkimKey;
use crate::domain::address::parse_domain;
use crate::domain::calendar::Timestamp;
use crate::mail::dkim::{self, SigningKey};

use super::accounts::Actor;
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
    /// The name of the TXT record.
    pub name: String,
    /// Its value (RFC 6376 §3.6.1).
    pub record: String,
    /// The same as a line of a zone file.
    pub zone_line: String,
}

/// Makes a key for a domain with each of these algorithms, and returns them.
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
        });
    }
    let mut tx = app.db.begin().await?;
    for key in &keys {
        match db::dkim::insert(&mut tx, key).await {
            Err(error) if error.is_duplicate() => {
                return Err(Error::Invalid(format!(
                    "{domain} has a key {} already (`daybreak dkim list` shows it): name another with --selector",
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

/// Removes a key, and returns how many the domain has left: mail is no longer signed with it. Its DNS record must stay
/// for as long as signed mail is under way.
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
    let left = db::dkim::list(&mut tx).await?.iter().filter(|key| key.domain == domain).count();
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
    })
}
