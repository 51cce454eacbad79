//! Tokens in links, and the key that signs them.
//!
//! A token says what its link is for and which row it is tied to, signed with the service's key: opaque to whoever
//! holds it, not to be forged, and good for as long as the mail may lie in an inbox, with nothing stored per mail.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::address::EmailAddress;
use super::calendar::Timestamp;

/// What a link in a mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// End this subscription; never expires.
    Leave { subscription_id: i64 },
    /// Show this delivery as a page; never expires.
    View { delivery_id: i64 },
    /// Lead on from a measured link of this delivery; never expires. The issue is named too, as it outlives its deliveries.
    Visit { issue_id: i64, delivery_id: i64 },
    /// Confirm these subscriptions, asked for in one go, until then.
    Confirm { subscription_ids: Vec<i64>, expires: Timestamp },
    /// Change what this person gets, see what is held about them, erase it; for as long as their address is the one that
    /// the link was mailed to.
    ///
    /// Without a mark it is one of those that were made before there was one: it counts for who never changed their
    /// address. Without an end it never expires.
    Manage { subscriber_id: i64, mark: Option<AddressMark>, expires: Option<Timestamp> },
    /// Have this person's mails go to another address, until then, where theirs is still the one that it was.
    Move { subscriber_id: i64, expires: Timestamp, to: EmailAddress, from: AddressMark },
    /// Undo the change of an address that was made then: its owner before was mailed this link.
    TakeBack { subscriber_id: i64, moved_at: Timestamp, to: EmailAddress },
}

/// Eight octets of a keyed hash of an address and of when it became a person's: enough to see whether theirs is still the
/// one that a token was made for, and not the address itself.
pub type AddressMark = [u8; 8];

/// The key that signs tokens and hides addresses, 256 bits; made on first start and kept in the database.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey(…)")
    }
}

/// Bytes of the signature that a token carries: 128 bits, out of reach of guessing.
const TAG_BYTES: usize = 16;

impl SigningKey {
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Reads a key as it is stored (base64url).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self::new(&bytes.try_into().ok()?))
    }

    /// A key's stored form.
    pub fn encode(bytes: &[u8; 32]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token as it stands in a link: letters, digits, `-` and `_`.
    pub fn sign(&self, token: &Token) -> String {
        let mut bytes = encode(token);
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a link's token says; none where this key did not sign it.
    pub fn read(&self, text: &str) -> Option<Token> {
        if text.len() > 1024 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let expected = hmac::sign(&self.0, payload);
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG_BYTES], tag).ok()?;
        decode(payload)
    }

    /// What stands for an address once the person is erased: keyed, so that nobody else can test addresses on it.
    pub fn address_hash(&self, address: &EmailAddress) -> String {
        let mut text = b"address:".to_vec();
        text.extend_from_slice(address.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(&hmac::sign(&self.0, &text).as_ref()[..TAG_BYTES])
    }

    /// What a token knows of the address that it was made for, which has been the person's since they changed theirs, or
    /// always: where one is taken back, the links mailed to it before do not count again.
    pub fn address_mark(&self, address: &EmailAddress, moved_at: Option<Timestamp>) -> AddressMark {
        let mut text = b"mark:".to_vec();
        text.extend_from_slice(address.as_str().as_bytes());
        if let Some(moved_at) = moved_at {
            text.extend_from_slice(format!(" {}", moved_at.millis()).as_bytes());
        }
        let tag = hmac::sign(&self.0, &text);
        *tag.as_ref().first_chunk().expect("HMAC-SHA-256 has 32 octets")
    }

    /// What stands for a text, such as a network address, where it need only be told from others.
    pub fn blind(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD
            .encode(&hmac::sign(&self.0, format!("blind:{purpose}:{text}").as_bytes()).as_ref()[..TAG_BYTES])
    }

    /// A key for another purpose, which tells nothing about this one.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut derived = [0; 32];
        derived.copy_from_slice(hmac::sign(&self.0, format!("derive:{purpose}").as_bytes()).as_ref());
        derived
    }
}

fn encode(token: &Token) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    match token {
        Token::Leave { subscription_id } => {
            bytes.push(b'L');
            bytes.extend_from_slice(&subscription_id.to_be_bytes());
        }
        Token::View { delivery_id } => {
            bytes.push(b'V');
            bytes.extend_from_slice(&delivery_id.to_be_bytes());
        }
        Token::Visit { issue_id, delivery_id } => {
            bytes.push(b'R');
            bytes.extend_from_slice(&issue_id.to_be_bytes());
            bytes.extend_from_slice(&delivery_id.to_be_bytes());
        }
        Token::Confirm { subscription_ids, expires } => {
            bytes.push(b'C');
            bytes.extend_from_slice(&expires.millis().to_be_bytes());
            subscription_ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_be_bytes()));
        }
        Token::Manage { subscriber_id, mark, expires } => {
            bytes.push(match mark {
                None => b'M',
                Some(_) => b'P',
            });
            bytes.extend_from_slice(&subscriber_id.to_be_bytes());
            bytes.extend(mark.iter().flatten());
            bytes.extend(expires.iter().flat_map(|expires| expires.millis().to_be_bytes()));
        }
        Token::Move { subscriber_id, expires, to, from } => {
            bytes.push(b'A');
            bytes.extend_from_slice(&subscriber_id.to_be_bytes());
            bytes.extend_from_slice(&expires.millis().to_be_bytes());
            bytes.extend_from_slice(from);
            bytes.extend_from_slice(to.as_str().as_bytes());
        }
        Token::TakeBack { subscriber_id, moved_at, to } => {
            bytes.push(b'T');
            bytes.extend_from_slice(&subscriber_id.to_be_bytes());
            bytes.extend_from_slice(&moved_at.millis().to_be_bytes());
            bytes.extend_from_slice(to.as_str().as_bytes());
        }
    }
    bytes
}

fn decode(payload: &[u8]) -> Option<Token> {
    let (kind, rest) = payload.split_first()?;
    if matches!(kind, b'A' | b'T') {
        return decode_move(rest, *kind == b'T');
    }
    let numbers: Vec<i64> =
        rest.chunks(8).map(|chunk| chunk.try_into().ok().map(i64::from_be_bytes)).collect::<Option<_>>()?;
    match (kind, numbers.as_slice()) {
        (b'L', [subscription_id]) => Some(Token::Leave { subscription_id: *subscription_id }),
        (b'M', [subscriber_id]) => {
            Some(Token::Manage { subscriber_id: *subscriber_id, mark: None, expires: None })
        }
        (b'P', [subscriber_id, mark, expires @ ..]) if expires.len() <= 1 => Some(Token::Manage {
            subscriber_id: *subscriber_id,
            mark: Some(mark.to_be_bytes()),
            expires: expires.first().map(|expires| Timestamp::from_millis(*expires)),
        }),
        (b'V', [delivery_id]) => Some(Token::View { delivery_id: *delivery_id }),
        (b'R', [issue_id, delivery_id]) => {
            Some(Token::Visit { issue_id: *issue_id, delivery_id: *delivery_id })
        }
        (b'C', [expires, ids @ ..]) => {
            Some(Token::Confirm { subscription_ids: ids.to_vec(), expires: Timestamp::from_millis(*expires) })
        }
        _ => None,
    }
}

fn decode_move(rest: &[u8], is_back: bool) -> Option<Token> {
    let (subscriber_id, rest) = rest.split_first_chunk()?;
    let subscriber_id = i64::from_be_bytes(*subscriber_id);
    let (time, rest) = rest.split_first_chunk()?;
    let time = Timestamp::from_millis(i64::from_be_bytes(*time));
    let address = |octets| EmailAddress::parse(std::str::from_utf8(octets).ok()?).ok();
    if is_back {
        return Some(Token::TakeBack { subscriber_id, moved_at: time, to: address(rest)? });
    }
    let (from, to) = rest.split_first_chunk()?;
    Some(Token::Move { subscriber_id, expires: time, to: address(to)?, from: *from })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> [Token; 9] {
        let (mark, expires) = (Some([255, 2, 3, 4, 5, 6, 7, 8]), Some(Timestamp::from_millis(5)));
        let (to, time) = (EmailAddress::parse("jörg@example.org").unwrap(), Timestamp::from_millis(5));
        [
            Token::Manage { subscriber_id: 9, mark: None, expires: None },
            Token::Manage { subscriber_id: 9, mark, expires: None },
            Token::Manage { subscriber_id: 9, mark, expires },
            Token::Move { subscriber_id: 9, expires: time, to: to.clone(), from: [1, 2, 3, 4, 5, 6, 7, 8] },
            Token::TakeBack { subscriber_id: 9, moved_at: time, to },
            Token::Leave { subscription_id: 7 },
            Token::View { delivery_id: i64::MAX },
            Token::Visit { issue_id: 3, delivery_id: 4 },
            Token::Confirm { subscription_ids: vec![1, 2, 3], expires: Timestamp::from_millis(5) },
        ]
    }

    #[test]
    fn a_token_says_what_it_was_made_for() {
        let key = SigningKey::new(&[7; 32]);
        for token in tokens() {
            assert_eq!(key.read(&key.sign(&token)), Some(token));
        }
    }

    #[test]
    fn a_changed_token_and_a_token_of_another_service_say_nothing() {
        let key = SigningKey::new(&[7; 32]);
        for token in tokens() {
            let text = key.sign(&token);
            assert_eq!(SigningKey::new(&[8; 32]).read(&text), None);
            for place in 0..text.len() {
                let mut changed = text.clone().into_bytes();
                changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                // The last character carries bits that belong to no byte: only those may differ unnoticed.
                assert!(key.read(&changed).is_none_or(|read| read == token && place + 1 == text.len()));
            }
        }
        for text in ["", "A", "ü", &"A".repeat(5000)] {
            assert_eq!(key.read(text), None);
        }
    }
}
