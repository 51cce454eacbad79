//! Quoted-printable (RFC 2045 §6.7), in stretches that each stand on lines of their own.

const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// RFC 2045 §6.7 (5): 76 characters, of which the last is the `=` of a soft line break.
const MAX_COLUMN: usize = 75;

/// Encodes one stretch of UTF-8 text. It begins and ends at the start of a line: a stretch that does not end with a
/// line break is closed with a soft one, which a reader's program takes out again. So stretches can be encoded
/// apart, once, and a recipient's values between them.
///
/// Line breaks (`\n`) become CRLF; carriage returns are dropped. A dot at the start of a line is encoded, and so is
/// `From `: the message needs neither dot-stuffing (RFC 5321 §4.5.2) nor `>From` quoting on its way.
pub fn encode(out: &mut String, text: &str) {
    let (mut rest, mut column) = (text, 0);
    while let Some(character) = rest.chars().next() {
        // Most of a text stands for itself wherever it stands, and is copied in stretches.
        let room = MAX_COLUMN - column;
        let stretch = rest.bytes().take(room).take_while(|octet| is_always_plain(*octet)).count();
        if stretch > 0 {
            out.push_str(&rest[..stretch]);
            column += stretch;
            rest = &rest[stretch..];
            continue;
        }
        rest = &rest[character.len_utf8()..];
        column = encode_one(out, character, rest, column);
    }
    if column > 0 {
        out.push_str("=\r\n");
    }
}

/// Encodes one character with what stands behind it, and returns the column after it.
fn encode_one(out: &mut String, character: char, after: &str, mut column: usize) -> usize {
    match character {
        '\r' => return column,
        '\n' => {
            out.push_str("\r\n");
            return 0;
        }
        _ => {}
    }
    let mut plain = is_plain(character, after, column);
    if column + width(character, plain) > MAX_COLUMN {
        out.push_str("=\r\n");
        column = 0;
        plain = is_plain(character, after, column);
    }
    if plain {
        out.push(character);
    } else {
        push_escaped(out, character);
    }
    column + width(character, plain)
}

/// Appends `=XX` for each octet of a character.
pub fn push_escaped(out: &mut String, character: char) {
    for octet in character.encode_utf8(&mut [0; 4]).bytes() {
        out.push('=');
        out.push(char::from(HEX[usize::from(octet >> 4)]));
        out.push(char::from(HEX[usize::from(octet & 15)]));
    }
}

/// Whether this is printed as it is at every column.
fn is_always_plain(octet: u8) -> bool {
    matches!(octet, b'!'..=b'~') && !matches!(octet, b'=' | b'.' | b'F')
}

fn is_plain(character: char, after: &str, column: usize) -> bool {
    match character {
        ' ' | '\t' => !after.trim_start_matches('\r').starts_with('\n'),
        '.' => column > 0,
        'F' => column > 0 || !after.starts_with("rom "),
        '=' => false,
        '!'..='~' => true,
        _ => false,
    }
}

fn width(character: char, plain: bool) -> usize {
    if plain { 1 } else { 3 * character.len_utf8() }
}

#[cfg(test)]
mod tests {
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    use proptest::prelude::*;

    use super::encode;

    fn encoded(text: &str) -> String {
        let mut out = String::new();
        encode(&mut out, text);
        out
    }

    #[test]
    fn a_stretch_ends_with_a_soft_line_break_and_nothing_stays_nothing() {
        assert_eq!(encoded("Hello "), "Hello =\r\n");
        assert_eq!(encoded("Hello\n"), "Hello\r\n");
        assert_eq!(encoded(""), "");
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_encoded() {
        assert_eq!(encoded("a \r\nb\t\n"), "a=20\r\nb=09\r\n");
    }

    #[test]
    fn a_line_never_starts_with_a_dot_or_from() {
        assert_eq!(encoded(".\n..\nFrom me\n"), "=2E\r\n=2E.\r\n=46rom me\r\n");
        let folded = encoded(&format!("{}.b", "a".repeat(75)));
        assert_eq!(folded, format!("{}=\r\n=2Eb=\r\n", "a".repeat(75)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same_on_short_safe_lines(
            parts in proptest::collection::vec("(?s:[a-zF .=\\t\r\né€😀]|From |.){0,120}", 0..4)
        ) {
            let mut out = String::new();
            for part in &parts {
                encode(&mut out, part);
            }
            prop_assert!(out.is_ascii());
            for line in out.split_inclusive("\r\n") {
                prop_assert!(line.ends_with("\r\n"));
                let line = &line[..line.len() - 2];
                prop_assert!(line.len() <= 76, "{line}");
                prop_assert!(!line.starts_with('.') && !line.starts_with("From "), "{line}");
                prop_assert!(!line.ends_with([' ', '\t']), "{line}");
                prop_assert!(!line.contains(['\r', '\n']), "{line:?}");
            }
            let decoded = quoted_printable_decode(out.as_bytes()).unwrap_or_default();
            let decoded = String::from_utf8(decoded).unwrap().replace("\r\n", "\n");
            prop_assert_eq!(decoded, parts.concat().replace('\r', ""));
        }
    }
}
