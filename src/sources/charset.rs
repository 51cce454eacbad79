//! Bytes into text: which charset a document is in, when its server, its own words and its bytes disagree.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How far into a document its own declaration is looked for: HTML asks for 1,024 bytes, many pages need more.
const PROLOGUE: usize = 8 * 1024;

/// Decodes a document. `content_type` is the HTTP header, where there was one.
///
/// A byte order mark rules (RFC 7303 §3), then the header, then what the document says of itself (XML declaration,
/// HTML `meta`), then the bytes: valid UTF-8, else a guess. A single-byte charset is not believed where the bytes are
/// valid UTF-8 beyond ASCII: that happens by accident only with servers' defaults. Never fails: what cannot be decoded
/// becomes U+FFFD. NUL goes: it stands in no text, and PostgreSQL stores none.
pub fn decode(bytes: &[u8], content_type: Option<&str>) -> String {
    let text = decode_all(bytes, content_type);
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

fn decode_all(bytes: &[u8], content_type: Option<&str>) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[length..]).0.into_owned();
    }
    let declared = content_type.and_then(charset_of_header).or_else(|| declared_within(bytes));
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    let is_ascii = bytes.is_ascii();
    let encoding = match declared {
        Some(encoding) if encoding == UTF_8 && !is_mostly_utf8(bytes) => guess(bytes),
        Some(encoding) if encoding.is_single_byte() && is_utf8 && !is_ascii => UTF_8,
        Some(encoding) => encoding,
        None if is_utf8 => UTF_8,
        None if is_mostly_utf8(bytes) => UTF_8,
        None => guess(bytes),
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// The charset of a `Content-Type` header: `text/html; charset="utf-8"`.
fn charset_of_header(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        name.trim().eq_ignore_ascii_case("charset").then(|| Encoding::for_label(value.as_bytes())).flatten()
    })
}

/// What a document says of itself: `<?xml … encoding="…"?>`, `<meta charset=…>`, `<meta … content="…; charset=…">`.
fn declared_within(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<', 0, ..] => return Some(UTF_16LE),
        [0, b'<', ..] => return Some(UTF_16BE),
        _ => {}
    }
    let prologue = String::from_utf8_lossy(&bytes[..bytes.len().min(PROLOGUE)]).to_ascii_lowercase();
    let label = if let Some(declaration) = prologue.trim_start().strip_prefix("<?xml") {
        let declaration = &declaration[..declaration.find("?>")?];
        value_after(declaration, "encoding")
    } else {
        None
    };
    let label = label.or_else(|| {
        prologue
            .split("<meta")
            .skip(1)
            .find_map(|tag| value_after(&tag[..tag.find('>').unwrap_or(tag.len())], "charset"))
    })?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A document that could be read this far is not in UTF-16, whatever it says (HTML §13.2.3.2).
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// `utf-8` from `… encoding = "utf-8" …`.
fn value_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let after = text[text.find(name)? + name.len()..].trim_start().strip_prefix('=')?;
    let value = after.trim_start().trim_start_matches(['"', '\'']);
    let end =
        value.find(|c: char| c == '"' || c == '\'' || c == ';' || c.is_whitespace()).unwrap_or(value.len());
    (end > 0).then(|| value[..end].trim_end_matches('/'))
}

/// Whether the bytes are UTF-8 with a few broken characters (cut-off ends, pasted bits) rather than something else.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let mut broken = 0usize;
    let mut good = 0usize;
    for chunk in bytes.utf8_chunks() {
        broken += usize::from(!chunk.invalid().is_empty());
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
    }
    broken <= good / 2
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latin1(text: &str) -> Vec<u8> {
        encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
    }

    #[test]
    fn the_charset_is_found_where_it_is_named() {
        let cases: [(Vec<u8>, Option<&str>); 10] = [
            (b"\xef\xbb\xbfcaf\xc3\xa9".to_vec(), Some("text/xml; charset=iso-8859-1")),
            (latin1("café"), Some("text/html; charset=ISO-8859-1")),
            (latin1("café"), Some("text/html;charset='windows-1252'")),
            ("café".into(), Some("text/html; charset=iso-8859-1")),
            ("café".into(), None),
            ("café".into(), Some("text/html; charset=nonsense")),
            (b"c\0a\0f\0\xe9\0".to_vec(), Some("text/html; charset=utf-16le")),
            (b"\xff\xfec\0a\0f\0\xe9\0".to_vec(), None),
            (b"\xfe\xff\0c\0a\0f\0\xe9".to_vec(), None),
            (latin1("café"), None),
        ];
        for (bytes, content_type) in cases {
            assert_eq!(decode(&bytes, content_type), "café", "{bytes:?} {content_type:?}");
        }
    }

    #[test]
    fn a_document_names_its_own_charset() {
        for text in [
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>Diputación</a>",
            "<?xml version='1.0' encoding = 'windows-1252' ?><a>Diputación</a>",
            "<html><head><meta charset=iso-8859-15><title>Diputación</title>",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=ISO-8859-1\"><p>Diputación",
        ] {
            assert_eq!(decode(&latin1(text), None), text);
        }
        let cyrillic = "<?xml version=\"1.0\" encoding=\"windows-1251\"?><a>Новости</a>";
        assert_eq!(decode(&encoding_rs::WINDOWS_1251.encode(cyrillic).0, None), cyrillic);
    }

    #[test]
    fn a_wrong_claim_of_utf_8_is_not_believed() {
        let text = "<meta charset=utf-8><p>Élection présidentielle : les résultats définitifs à Orléans";
        assert_eq!(decode(&latin1(text), None), text);
        let cut = &"naïve café, déjà vu, Fête".as_bytes()[..27];
        assert!(decode(cut, Some("text/html; charset=utf-8")).starts_with("naïve café, déjà vu"));
    }
}
