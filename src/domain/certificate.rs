//! Until when a certificate is good.

use chrono::NaiveDateTime;

use super::calendar::Timestamp;

/// The end of a certificate's validity: `notAfter` of its DER (RFC 5280 §4.1.2.5); none where that is not to be found.
///
/// All else about a certificate is checked as a connection is made; this alone has to be known beforehand.
pub fn expires(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    // Version (tagged 0, and left out by version 1), serial number, signature algorithm, issuer; then the validity.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (kind, end, _) = element(element(validity)?.2)?;
    let text = std::str::from_utf8(end).ok()?;
    let full = match kind {
        // UTCTime has two digits of the year: 50 to 99 are of the last century.
        0x17 if text.get(..2)? >= "50" => format!("19{text}"),
        0x17 => format!("20{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%SZ").ok()?;
    Some(Timestamp::from_millis(time.and_utc().timestamp_millis()))
}

/// The first element of DER: its tag, its content, and what comes behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::expires;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, month, day) in [(2031, 4, 5), (2049, 12, 31), (2050, 1, 1), (2100, 2, 28)] {
            let mut wanted = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, month, day);
            let made = wanted.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            let end = expires(made.der()).unwrap().to_string();
            assert_eq!(end, format!("{year}-{month:02}-{day:02}T00:00:00Z"));
        }
    }

    proptest! {
        #[test]
        fn what_is_no_certificate_is_none(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            expires(&octets);
            let framed = [&[0x30, 0x82, 1, 0, 0x30, 0x81, 200], &octets[..]].concat();
            expires(&framed);
        }
    }
}
