//! The keys that sign mail: made, kept in the database, told to the world through DNS.

use crate::db;
use crate::db::dkim::DkimKey;
use crate::domain::address::EmailAddress;
use crate::mail::dkim::{self, SigningKey};

use super::{App, Error};

/// A key and where its public half belongs.
#[derive(Clone, Debug)]
pub struct Published {
    pub domain: String,
    pub selector: String,
    pub algorithm: String,
    /// The name of the TXT record.
    pub name: String,
    /// Its value (RFC 6376 §3.6.1).
    pub record: String,
}

/// Makes keys for a domain: RSA-2048, which every receiver verifies, or Ed25519 beside it (RFC 8463).
pub async fn add(app: &App, domain: &str, with_ed25519: bool) -> Result<Vec<Published>, Error> {
    // An address is what parses domains: lower case, A-labels, no nonsense.
    let address = EmailAddress::parse(&format!("postmaster@{domain}")).map_err(Error::Invalid)?;
    let domain = address.domain().to_owned();
    let made = app.clock.now();
    let stamp = made.to_utc().format("%Y%m%d");
    let mut keys = vec![("rsa-sha256", format!("db{stamp}r"), dkim::generate_rsa())];
    if with_ed25519 {
        keys.push(("ed25519-sha256", format!("db{stamp}e"), dkim::generate_ed25519()));
    }
    let mut tx = app.db.begin().await?;
    for (algorithm, selector, pem) in keys {
        let private_key = pem.map_err(Error::Io)?;
        let key = DkimKey { domain: domain.clone(), selector, algorithm: algorithm.to_owned(), private_key };
        match db::dkim::insert(&mut tx, &key, made).await {
            Err(error) if error.is_duplicate() => {
                return Err(Error::Invalid(format!(
                    "{domain} got keys today already: `daybreak dkim list` shows them"
                )));
            }
            other => other?,
        }
    }
    db::commit(tx).await?;
    let all = list(app).await?;
    Ok(all.into_iter().filter(|key| key.domain == domain).collect())
}

pub async fn list(app: &App) -> Result<Vec<Published>, Error> {
    let mut conn = app.db.conn().await?;
    db::dkim::list(&mut conn).await?.into_iter().map(published).collect()
}

/// Removes a key: mail is no longer signed with it. Its DNS record must stay for as long as signed mail is under way.
pub async fn remove(app: &App, domain: &str, selector: &str) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    match db::dkim::delete(&mut conn, domain, selector).await? {
        true => Ok(()),
        false => Err(Error::NotFound(format!(
            "there is no key {selector} for {domain}: `daybreak dkim list` shows those there are"
        ))),
    }
}

fn published(key: DkimKey) -> Result<Published, Error> {
    let signing = SigningKey::from_pem(&key.private_key).map_err(|why| {
        Error::Invalid(format!("the key {} of {} is damaged: {why}", key.selector, key.domain))
    })?;
    Ok(Published {
        name: format!("{}._domainkey.{}", key.selector, key.domain),
        record: signing.dns_record().to_owned(),
        domain: key.domain,
        selector: key.selector,
        algorithm: key.algorithm,
    })
}
