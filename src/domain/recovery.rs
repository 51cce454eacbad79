//! Recovery codes: each lets somebody in once who has lost the app of their second factor.

use std::fmt;

/// How many an account is given at a time.
pub const RECOVERY_CODES: usize = 10;

/// Letters and digits that are not mistaken for one another (Crockford's Base32).
const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 16 signs are 80 random bits: nobody guesses them, and nobody finds them from a hash.
const LENGTH: usize = 16;

/// A code, without what groups its signs.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecoveryCode(…)")
    }
}

impl RecoveryCode {
    /// A code of these random bytes: five bits of each.
    pub fn new(bytes: [u8; LENGTH]) -> Self {
        Self(bytes.iter().map(|byte| char::from(SIGNS[usize::from(byte & 31)])).collect())
    }

    /// Reads a code as it is typed: small letters, spaces and dashes are fine, and so are the letters that are taken for
    /// digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = String::with_capacity(LENGTH);
        for sign in text.chars().filter(|sign| !sign.is_whitespace() && !"-–—".contains(*sign)) {
            let sign = match sign.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                sign => sign,
            };
            if code.len() == LENGTH || !sign.is_ascii() || !SIGNS.contains(&(sign as u8)) {
                return None;
            }
            code.push(sign);
        }
        (code.len() == LENGTH).then_some(Self(code))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In groups of four, as people copy it: `7QK2-MW9D-0HXA-R5TE`.
impl fmt::Display for RecoveryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, sign) in self.0.chars().enumerate() {
            if place > 0 && place.is_multiple_of(4) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{sign}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = RecoveryCode::new([1, 0, 31, 255, 32, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(code.to_string(), "10ZZ-0ABC-DEFG-HJKM");
        for typed in
            ["10ZZ-0ABC-DEFG-HJKM", "10zz0abcdefghjkm", " lozz – oabc\tdefg hjkm\n", "IOZZ-OABC-DEFG-HJKM"]
        {
            assert_eq!(RecoveryCode::parse(typed), Some(code.clone()), "{typed}");
        }
        let long = "A".repeat(100_000);
        for wrong in
            ["", "123456", "10ZZ-0ABC-DEFG-HJK", "10ZZ-0ABC-DEFG-HJKMM", "10ZZ-0ABC-DEFG-HJKU", "é", &long]
        {
            assert_eq!(RecoveryCode::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{code:?}").contains("10ZZ"), "no log has it");
    }
}
