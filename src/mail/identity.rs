//! What identifies a message and outlives the attempt: its `Message-ID` and its envelope sender.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;

/// The `Message-ID` of a row, without angle brackets (RFC 5322 §3.6.4): the same on every try, so that a receiver can
/// drop a repeat. `kind` tells the tables apart (`d` for a delivery, `n` for a notice); `created` is when the row was
/// written, and keeps the value unique when a database is set up anew and counts from 1 again.
pub fn message_id(kind: &str, id: i64, created: Timestamp, domain: &str) -> String {
    let kind: String = kind.chars().filter(char::is_ascii_alphanumeric).collect();
    let domain: String =
        domain.chars().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, '.' | '-')).collect();
    format!("{kind}{id}.{:x}@{domain}", created.millis())
}

/// Variable envelope return paths (RFC 5321 §4.5.5): one envelope sender per delivery, so that whatever comes back
/// names its delivery, and a keyed tag, so that nobody else can make one up.
#[derive(Clone, Debug)]
pub struct Verp {
    key: hmac::Key,
    domain: String,
}

/// Eight hexadecimal digits: one in four thousand million guesses is right, and a right one marks a single delivery
/// as bounced.
const TAG_BYTES: usize = 4;

impl Verp {
    /// `secret` is the installation's key; `bounce_domain` the domain whose mail comes back to us.
    ///
    /// # Errors
    /// A sentence, when the domain cannot be part of an address.
    pub fn new(secret: &[u8], bounce_domain: &str) -> Result<Self, String> {
        let longest = EmailAddress::parse(&format!("bounce+d{}-00000000@{bounce_domain}", i64::MAX))
            .map_err(|_| {
                format!(
                    "“{bounce_domain}” cannot be the domain for bounces: name a domain whose mail comes back to this \
                     service, for instance bounce.example.org"
                )
            })?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), domain: longest.domain().to_owned() })
    }

    /// The envelope sender of a delivery: `bounce+d123-0a1b2c3d@bounce.example.org`.
    pub fn sender(&self, delivery_id: i64) -> EmailAddress {
        let address = format!("bounce+d{delivery_id}-{}@{}", self.tag(delivery_id), self.domain);
        EmailAddress::parse(&address).expect("letters, digits and hyphens at a domain that `new` has checked")
    }

    /// The delivery that an envelope sender names, or none where it is not one of ours. Relays may have changed its
    /// case on the way.
    pub fn delivery(&self, address: &str) -> Option<i64> {
        let address = address.trim().trim_matches(['<', '>']).to_ascii_lowercase();
        let (local, domain) = address.rsplit_once('@')?;
        let (id, tag) = local.strip_prefix("bounce+d")?.rsplit_once('-')?;
        let delivery_id: i64 = id.parse().ok()?;
        // The tag is compared in a time that does not tell how much of it was right.
        let matches = aws_lc_rs::constant_time::verify_slices_are_equal(
            self.tag(delivery_id).as_bytes(),
            tag.as_bytes(),
        );
        (domain == self.domain && matches.is_ok()).then_some(delivery_id)
    }

    fn tag(&self, delivery_id: i64) -> String {
        let signed = hmac::sign(&self.key, format!("bounce d{delivery_id}").as_bytes());
        signed.as_ref().iter().take(TAG_BYTES).fold(String::new(), |mut tag, byte| {
            write!(tag, "{byte:02x}").expect("writing into a string never fails");
            tag
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Verp, message_id};
    use crate::domain::calendar::Timestamp;

    #[test]
    fn a_message_id_is_the_same_on_every_try_and_holds_no_stranger() {
        let created = Timestamp::from_millis(1_774_746_000_000);
        let id = message_id("d", 42, created, "news.example.org");
        assert_eq!(id, "d42.19d371ada80@news.example.org");
        assert_eq!(id, message_id("d", 42, created, "news.example.org"));
        assert_eq!(message_id("d>\r\n", 1, created, "a.org\r\n<b>"), "d1.19d371ada80@a.orgb");
    }

    #[test]
    fn an_envelope_sender_names_its_delivery() {
        let verp = Verp::new(b"secret", "Bounce.Example.org").unwrap();
        let sender = verp.sender(123);
        assert!(sender.as_str().starts_with("bounce+d123-"), "{sender}");
        assert_eq!(verp.delivery(sender.as_str()), Some(123));
        assert_eq!(verp.delivery(&format!("<{}>", sender.as_str().to_uppercase())), Some(123));
    }

    #[test]
    fn a_made_up_envelope_sender_names_nothing() {
        let verp = Verp::new(b"secret", "bounce.example.org").unwrap();
        let other = Verp::new(b"another", "bounce.example.org").unwrap();
        let sender = verp.sender(123).to_string();
        assert_eq!(other.delivery(&sender), None);
        assert_eq!(verp.delivery(&sender.replace("d123", "d124")), None);
        assert_eq!(verp.delivery(&sender.replace("bounce.example", "example")), None);
        assert_eq!(verp.delivery("bounce+d123-@bounce.example.org"), None);
        assert_eq!(verp.delivery("ann@example.org"), None);
    }

    #[test]
    fn a_domain_that_is_none_is_refused() {
        assert!(Verp::new(b"secret", "no domain").unwrap_err().contains("no domain"));
        assert!(Verp::new(b"secret", &format!("{}.org", "a.".repeat(120))).is_err());
    }

    proptest! {
        #[test]
        fn every_delivery_reads_back(id in any::<i64>(), text in "\\PC{0,40}") {
            let verp = Verp::new(b"secret", "bounce.example.org").unwrap();
            prop_assert_eq!(verp.delivery(verp.sender(id).as_str()), Some(id));
            verp.delivery(&text);
            verp.delivery(&format!("bounce+d{text}@bounce.example.org"));
        }
    }
}
