//! The second factor: codes of six digits that an app makes from a shared secret and the time (RFC 6238, with what
//! every such app understands: SHA-1, six digits, 30 seconds).
//!
//! The arithmetic is ten lines over the HMAC that is here already; a crate for it would bring a second SHA-1.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use super::calendar::Timestamp;

/// How long a code lasts, in milliseconds.
const STEP: i64 = 30 * 1000;

/// A shared secret: 160 bits, as many as the HMAC has (RFC 4226 §4, R6).
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; 20]);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TotpSecret(…)")
    }
}

impl TotpSecret {
    /// A secret of the first 160 of these random bits.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut secret = [0; 20];
        secret.copy_from_slice(&bytes[..20]);
        Self(secret)
    }

    /// Reads Base32, as it is kept.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(BASE32_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?))
    }

    /// Base32: 32 capital letters and digits, as people type it into an app.
    pub fn to_base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// What the QR code says: apps show `issuer` and `account` beside the code.
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let escape = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let (issuer, account) = (escape(issuer), escape(account));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.to_base32())
    }

    /// The time step whose code this is, if it is one of now, of the step before or of the next (a clock may be half
    /// a minute wrong), and later than `after`: a code is good once.
    pub fn step_of(&self, code: &str, now: Timestamp, after: i64) -> Option<i64> {
        let code: String = code.chars().filter(|character| !character.is_whitespace()).collect();
        let current = now.millis().div_euclid(STEP);
        let steps = [current, current - 1, current + 1];
        let is_code = |step: &i64| {
            aws_lc_rs::constant_time::verify_slices_are_equal(self.code(*step).as_bytes(), code.as_bytes())
                .is_ok()
        };
        steps.into_iter().filter(|step| *step > after).find(is_code)
    }

    /// The code at a time, as an app shows it.
    #[cfg(test)]
    pub fn code_at(&self, now: Timestamp) -> String {
        self.code(now.millis().div_euclid(STEP))
    }

    /// RFC 4226 §5.3.
    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[19] & 0xf);
        let number = u32::from_be_bytes([tag[offset], tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret(*b"12345678901234567890")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(secret().code_at(at(seconds)), code);
            assert_eq!(secret().step_of(code, at(seconds), 0), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_half_a_minute_around_its_time_and_once() {
        let (secret, now) = (secret(), at(1_111_111_109));
        let step = secret.step_of("081 804", now, 0).unwrap();
        assert_eq!(secret.step_of("081804", now.plus_millis(STEP), 0), Some(step));
        assert_eq!(secret.step_of("081804", now.plus_millis(2 * STEP), 0), None);
        assert_eq!(secret.step_of("081804", now, step), None);
        for wrong in ["", "081805", "81804", "0818040", "０81804"] {
            assert_eq!(secret.step_of(wrong, now, 0), None);
        }
    }

    #[test]
    fn a_secret_comes_back_from_base32_and_its_address_is_escaped() {
        let secret = secret();
        assert_eq!(secret.to_base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(TotpSecret::parse(&secret.to_base32()), Some(secret.clone()));
        assert_eq!(TotpSecret::parse("GEZDGNBV"), None);
        assert_eq!(
            secret.uri("Daybreak news.example", "ann+1@example.org"),
            "otpauth://totp/Daybreak%20news%2Eexample:ann%2B1%40example%2Eorg\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Daybreak%20news%2Eexample"
        );
    }
}
