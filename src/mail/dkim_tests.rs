//! Signatures checked by a verifier that reads our DNS records.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache, Txt,
};

use super::{Signer, SigningKey, generate_ed25519, generate_rsa};

/// The DNS of a test: names to TXT records.
struct Records(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Stands in for the caches that checking a signature never asks.
struct Nothing;

macro_rules! never_asked {
    ($key:ty, $value:ty) => {
        impl ResolverCache<$key, $value> for Nothing {
            fn get<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }
            fn remove<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }
            fn insert(&self, _: $key, _: $value, _: Instant) {}
        }
    };
}
never_asked!(Box<str>, RecordSet<MX>);
never_asked!(Box<str>, RecordSet<Ipv4Addr>);
never_asked!(Box<str>, RecordSet<Ipv6Addr>);
never_asked!(IpAddr, RecordSet<Box<str>>);

const MESSAGE: &str = "Date: Sun, 29 Mar 2026 01:02:03 +0000\r\n\
    To: Ann <ann@example.net>\r\n\
    Message-ID: <d1@example.org>\r\n\
    List-Unsubscribe: <https://example.org/u/abc>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
    Subject: Today:\r\n three stories\r\n\
    From: Daily <news@example.org>\r\n\
    Reply-To: <editors@example.org>\r\n\
    List-Id: Daily <daily.example.org>\r\n\
    List-Help: <https://example.org/n/daily>\r\n\
    Feedback-ID: 1:daily:digest:daybreak\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\
    \r\n\
    Hello  Ann =\r\n\r\n\r\n";

fn keys() -> [(&'static str, SigningKey); 2] {
    [
        ("rsa1", SigningKey::from_pem(&generate_rsa().unwrap()).unwrap()),
        ("ed1", SigningKey::from_pem(&generate_ed25519().unwrap()).unwrap()),
    ]
}

async fn check(message: &[u8], records: &Records) -> Vec<bool> {
    let parsed = AuthenticatedMessage::parse(message).unwrap();
    let nothing = Nothing;
    let parameters = Parameters {
        params: &parsed,
        cache_txt: Some(records),
        cache_mx: Some(&nothing),
        cache_ptr: Some(&nothing),
        cache_ipv4: Some(&nothing),
        cache_ipv6: Some(&nothing),
    };
    let resolver = MessageAuthenticator::new_google().unwrap();
    let outputs = resolver.verify_dkim(parameters).await;
    outputs.iter().map(|output| matches!(output.result(), DkimResult::Pass)).collect()
}

fn signed() -> (String, Records) {
    let mut records = HashMap::new();
    let keys = keys().map(|(selector, key)| {
        let record = DomainKey::parse(key.dns_record().as_bytes()).unwrap();
        records.insert(format!("{selector}._domainkey.example.org.").into_boxed_str(), record.into());
        (selector.to_owned(), key)
    });
    let mut message = MESSAGE.to_owned();
    Signer::new("example.org", keys).sign(&mut message).unwrap();
    (message, Records(records))
}

#[tokio::test]
async fn both_signatures_hold() {
    let (text, records) = signed();
    assert_eq!(check(text.as_bytes(), &records).await, [true, true]);
    assert!(text.ends_with(MESSAGE));
    assert!(text.contains("a=rsa-sha256") && text.contains("a=ed25519-sha256"));
    assert_eq!(text.matches("c=relaxed/simple").count(), 2);
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
}

#[tokio::test]
async fn a_relay_may_refold_and_add_but_not_change() {
    let (text, records) = signed();
    let relayed = format!("Received: by x\r\n{}", text.replace("Today:\r\n three", "Today: three"));
    assert_eq!(check(relayed.as_bytes(), &records).await, [true, true]);
    for (before, after) in [
        ("Hello  Ann", "Hello Bob"),
        ("To: Ann", "To: Bob"),
        ("/u/abc", "/u/abd"),
        ("List-Unsubscribe=One-Click", "List-Unsubscribe=No"),
        ("three stories", "four stories"),
        ("d1@example.org", "d2@example.org"),
        ("1:daily", "2:daily"),
        ("Daily <daily.", "Daily <weekly."),
        ("/n/daily", "/n/weekly"),
        ("<editors@", "<others@"),
        ("text/plain", "text/html"),
        ("01:02:03", "01:02:04"),
        ("news@example.org", "fake@example.org"),
        ("MIME-Version: 1.0", "MIME-Version: 2.0"),
        ("quoted-printable", "base64"),
    ] {
        let changed = text.replace(before, after);
        assert_ne!(changed, text, "{before}");
        assert_eq!(check(changed.as_bytes(), &records).await, [false, false], "{before}");
    }
}

#[test]
fn a_dns_record_is_that_of_the_key() {
    let [(_, rsa), (_, ed25519)] = keys();
    assert!(rsa.dns_record().starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"));
    let public = ed25519.dns_record().strip_prefix("v=DKIM1; k=ed25519; p=").unwrap().to_owned();
    assert_eq!(public.len(), 44);
    assert!(!format!("{rsa:?}{ed25519:?}").contains("PRIVATE"));
}

#[test]
fn a_zone_files_strings_are_of_255_octets_at_most() {
    for (_, key) in keys() {
        let line = super::zone_line("s._domainkey.example.org", key.dns_record());
        let strings = line.strip_prefix("s._domainkey.example.org. 3600 IN TXT \"").unwrap();
        let strings: Vec<&str> = strings.strip_suffix('"').unwrap().split("\" \"").collect();
        assert!(strings.iter().all(|part| part.len() <= 255), "{line}");
        assert_eq!(strings.concat(), key.dns_record());
    }
}

#[test]
fn the_example_key_of_rfc_8463_is_read() {
    // RFC 8463 appendix A.2, as OpenSSL writes it: PKCS#8 without the public key.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(pem).unwrap();
    assert_eq!(key.dns_record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}

#[test]
fn what_is_no_key_is_refused() {
    assert!(SigningKey::from_pem("hello").unwrap_err().contains("PEM"));
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(SigningKey::from_pem(junk).unwrap_err().contains("make a new one"));
    assert!(SigningKey::from_der(b"hello").is_err());
}
