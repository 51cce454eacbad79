//! E-mail addresses, parsed at the door.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// An e-mail address that can be mailed: `local@domain`, lower case, the domain as A-labels (RFC 5891).
///
/// The local part is a dot-atom (RFC 5322 §3.2.3) and may hold letters beyond ASCII (RFC 6531 §3.3); quoted local
/// parts and address literals are refused: no subscriber has one, and every bug in this field does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// RFC 5321 §4.5.3.1.1, in octets.
const MAX_LOCAL: usize = 64;
/// RFC 5321 §4.5.3.1.3 allows a path of 256 octets, which includes `<` and `>`.
const MAX_ADDRESS: usize = 254;
/// Longer input is refused before anything else looks at it.
const MAX_INPUT: usize = 1024;

impl EmailAddress {
    /// Parses an address as people write it: white space around it is dropped, case is folded.
    ///
    /// # Errors
    /// A sentence that names the value, what is wrong with it and what to do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let wrong = |what: &str| format!("“{}” is not an e-mail address: {what}", shown(trimmed));
        if trimmed.is_empty() {
            return Err("the e-mail address is empty: write one like ann@example.org".to_owned());
        }
        if trimmed.len() > MAX_INPUT {
            return Err(wrong("it is too long; an address has at most 254 characters"));
        }
        if trimmed.contains(['<', '>']) {
            return Err(wrong("it holds an angle bracket; write the address alone, without a name"));
        }
        if let Some(what) = trimmed.chars().find_map(complaint_about) {
            return Err(wrong(what));
        }
        let Some((local, domain)) = trimmed.split_once('@') else {
            return Err(wrong("the @ is missing; write it like ann@example.org"));
        };
        if domain.contains('@') {
            return Err(wrong("it holds more than one @; write one address at a time"));
        }
        let local = local.to_lowercase();
        check_local(&local).map_err(wrong)?;
        let domain = to_a_labels(domain).map_err(wrong)?;
        let address = format!("{local}@{domain}");
        if address.len() > MAX_ADDRESS {
            return Err(wrong("it is too long; an address has at most 254 characters"));
        }
        Ok(Self(address))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address as people know it: the domain in its own script, unless that comes out as another domain, or a label mixes
    /// Latin letters with those of other scripts, which may look the same.
    pub fn readable(&self) -> String {
        let (domain, decoded) =
            Uts46::new().to_unicode(self.domain().as_bytes(), AsciiDenyList::STD3, Hyphens::Allow);
        let is_plain = decoded.is_ok()
            && to_a_labels(&domain).is_ok_and(|labels| labels == self.domain())
            && domain.split('.').all(|label| !is_mixed(label));
        format!("{}@{}", self.local(), if is_plain { &*domain } else { self.domain() })
    }

    /// Whether mailing it needs `SMTPUTF8` (RFC 6531): its local part is not ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        !self.0.is_ascii()
    }
}

/// Parses the domain of an address by itself, by the same rules: lower case, A-labels.
///
/// # Errors
/// A sentence that names the value and what to write instead.
pub fn parse_domain(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    match EmailAddress::parse(&format!("a@{trimmed}")) {
        Ok(address) => Ok(address.domain().to_owned()),
        Err(_) => Err(format!(
            "“{}” is not a domain: write what stands after the @ of an address, for instance example.org (letters, \
             digits and hyphens between single dots)",
            shown(trimmed)
        )),
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a label has both Latin and other letters.
fn is_mixed(label: &str) -> bool {
    let is_latin =
        |letter: char| matches!(letter, 'a'..='z' | '\u{df}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    let mut letters = label.chars().filter(|letter| letter.is_alphabetic());
    letters.clone().any(is_latin) && !letters.all(is_latin)
}

/// What is wrong with a character that may stand nowhere in an address.
fn complaint_about(character: char) -> Option<&'static str> {
    match character {
        '"' => Some("it holds a quotation mark; addresses in quotation marks are not supported"),
        '[' | ']' => Some("it names a machine by its number; use an address at a domain"),
        ',' | ';' => Some("it holds a comma or semicolon; write one address at a time"),
        '(' | ')' | ':' | '\\' => {
            Some("it holds a character that addresses do not have; check how it is spelt")
        }
        _ if character.is_control() => Some("it holds a line break or another control character; remove it"),
        _ if character.is_whitespace() => Some("it holds a space; remove it"),
        _ if is_invisible(character) => Some("it holds an invisible character; type it anew"),
        _ => None,
    }
}

/// Characters that print nothing or turn the writing direction: two addresses that look the same must be the same.
pub fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn check_local(local: &str) -> Result<(), &'static str> {
    if local.is_empty() {
        return Err("nothing stands before the @; write it like ann@example.org");
    }
    if local.len() > MAX_LOCAL {
        return Err("the part before the @ is too long; it has at most 64 characters");
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err("a dot stands at an end of the part before the @, or two in a row; remove it");
    }
    // What is left of ASCII after `complaint_about` is atext (RFC 5322 §3.2.3), the dot and the at sign.
    Ok(())
}

/// The domain as A-labels: UTS 46 with STD3 rules and DNS lengths.
fn to_a_labels(domain: &str) -> Result<String, &'static str> {
    if domain.is_empty() {
        return Err("nothing stands after the @; write it like ann@example.org");
    }
    let mapped = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| {
            "the part after the @ is not a domain; it has letters, digits and hyphens between single dots, and no \
             part longer than 63"
        })?;
    let Some((_, top)) = mapped.rsplit_once('.') else {
        return Err("the part after the @ has no dot; write the whole domain, for instance example.org");
    };
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it names a machine by its number; use an address at a domain");
    }
    Ok(mapped.into_owned())
}

/// A value for an error message: at most 60 characters, with control and invisible characters spelt out.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == 60 {
            shown.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{EmailAddress, parse_domain};

    fn parse(text: &str) -> Result<String, String> {
        EmailAddress::parse(text).map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_trimmed_and_folded() {
        assert_eq!(parse("  Ann.O'Brien+News@Example.ORG\n").unwrap(), "ann.o'brien+news@example.org");
    }

    #[test]
    fn an_address_is_readable_unless_that_could_mislead() {
        let readable = |text: &str| EmailAddress::parse(text).unwrap().readable();
        assert_eq!(readable("ann@Bücher.example"), "ann@bücher.example");
        assert_eq!(readable("ann@例え.テスト"), "ann@例え.テスト");
        assert_eq!(readable("ann@example.org"), "ann@example.org");
        // A Cyrillic letter among Latin ones.
        assert_eq!(readable("ann@\u{430}pple.example"), "ann@xn--pple-43d.example");
    }

    #[test]
    fn a_domain_becomes_a_labels() {
        assert_eq!(parse("ann@Bücher.example").unwrap(), "ann@xn--bcher-kva.example");
        assert_eq!(parse("ann@例え。テスト").unwrap(), "ann@xn--r8jz45g.xn--zckzah");
        assert!(!EmailAddress::parse("ann@bücher.example").unwrap().needs_smtputf8());
    }

    #[test]
    fn a_local_part_beyond_ascii_is_kept_and_known() {
        let address = EmailAddress::parse("Dörte@example.org").unwrap();
        assert_eq!((address.local(), address.domain()), ("dörte", "example.org"));
        assert!(address.needs_smtputf8());
    }

    #[test]
    fn what_cannot_be_mailed_is_refused_with_the_value_and_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("   ", "empty"),
            ("ann", "@ is missing"),
            ("@example.org", "before the @"),
            ("ann@", "after the @"),
            ("ann@@example.org", "more than one @"),
            ("ann@b@example.org", "more than one @"),
            ("ann@localhost", "no dot"),
            (".ann@example.org", "dot"),
            ("ann.@example.org", "dot"),
            ("an..n@example.org", "dot"),
            ("ann@example..org", "not a domain"),
            ("ann@.example.org", "not a domain"),
            ("ann@example.org.", "not a domain"),
            ("ann@-example.org", "not a domain"),
            ("ann@exa_mple.org", "not a domain"),
            ("ann@[192.0.2.1]", "number"),
            ("ann@192.0.2.1", "number"),
            ("\"ann smith\"@example.org", "quotation mark"),
            ("ann smith@example.org", "space"),
            ("ann\u{a0}smith@example.org", "space"),
            ("Ann <ann@example.org>", "angle bracket"),
            ("ann@example.org,bob@example.org", "comma"),
            ("ann\r\nDATA@example.org", "control character"),
            ("ann\0@example.org", "control character"),
            ("an\u{200b}n@example.org", "invisible"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        assert!(parse("ann\n@example.org").unwrap_err().contains("ann\\n@example.org"));
    }

    #[test]
    fn lengths_are_those_of_rfc_5321() {
        let local = "a".repeat(64);
        assert!(parse(&format!("{local}@example.org")).is_ok());
        assert!(parse(&format!("a{local}@example.org")).unwrap_err().contains("64"));
        let label = "b".repeat(63);
        assert!(parse(&format!("ann@{label}.org")).is_ok());
        assert!(parse(&format!("ann@b{label}.org")).unwrap_err().contains("63"));
        let domain = format!("{label}.{label}.{label}");
        assert!(parse(&format!("{}@{domain}", "a".repeat(62))).is_ok());
        assert!(parse(&format!("{}@{domain}", "a".repeat(63))).unwrap_err().contains("254"));
        assert!(parse(&format!("{}@example.org", "a".repeat(300))).is_err());
        let error = parse(&"a".repeat(1_000_000)).unwrap_err();
        assert!(error.len() < 300, "{error}");
    }

    #[test]
    fn a_domain_by_itself_is_that_of_an_address() {
        assert_eq!(parse_domain(" News.Example.ORG ").unwrap(), "news.example.org");
        assert_eq!(parse_domain("Bücher.example").unwrap(), "xn--bcher-kva.example");
        let long = "b.".repeat(200);
        for text in
            ["", "not a domain", "ann@example.org", "localhost", "example.org.", "192.0.2.1", "[::1]", &long]
        {
            let error = parse_domain(text).unwrap_err();
            assert!(
                error.contains("is not a domain") && error.contains("for instance example.org"),
                "{error}"
            );
            assert!(error.starts_with(&format!("“{}", text.get(..50).unwrap_or(text))), "{error}");
            assert!(error.len() < 300, "{error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_what_it_accepts_safe(text in ".{0,80}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                check(&address)?;
            }
        }

        #[test]
        fn parsing_an_address_again_changes_nothing(
            text in "\\PC{1,12}@[a-zA-Z0-9äöüßéñçΣσςİı\u{300}例.-]{1,12}\\.[a-zA-Zéж]{2,5}"
        ) {
            if let Ok(address) = EmailAddress::parse(&text) {
                check(&address)?;
            }
        }
    }

    fn check(address: &EmailAddress) -> Result<(), TestCaseError> {
        let text = address.to_string();
        prop_assert!(!text.contains(['\r', '\n', '\0', ' ', '<', '>', '"']));
        prop_assert_eq!(text.matches('@').count(), 1);
        prop_assert!(address.domain().is_ascii());
        prop_assert!(text.len() <= 254 && address.local().len() <= 64);
        prop_assert_eq!(EmailAddress::parse(&text), Ok(address.clone()));
        Ok(())
    }
}
