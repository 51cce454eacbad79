//! Holes: what stands in a rendered text for a value of one subscriber.
//!
//! While a digest is rendered for a cohort, each such value is one character of Unicode's last private plane
//! ([`mark`]). Every text from outside passes [`clean`] first, which drops those characters, so none can be there
//! by chance or by intent. At the end [`cut`] makes holes of them.

use crate::domain::mail::{Hole, Holed, Piece};

/// Supplementary Private Use Area-B; Unicode will never give these a meaning.
const FIRST: u32 = 0x10_0D00;

/// The character that stands for `hole`.
pub(super) fn mark(hole: Hole) -> char {
    let index = Hole::ALL.iter().position(|one| *one == hole).expect("ALL holds every hole") as u32;
    char::from_u32(FIRST + index).expect("plane 16 is made of characters")
}

fn hole_of(character: char) -> Option<Hole> {
    let index = u32::from(character).checked_sub(FIRST)?;
    Hole::ALL.get(index as usize).copied()
}

fn is_mark(character: char) -> bool {
    hole_of(character).is_some()
}

/// Text from outside as it may enter a template: without marks and control characters, white space folded to
/// single spaces.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() || is_line_break(character) {
            gap = !cleaned.is_empty();
        } else if !character.is_control() && !is_mark(character) && !is_nonsense(character) {
            if gap {
                cleaned.push(' ');
                gap = false;
            }
            cleaned.push(character);
        }
    }
    cleaned
}

/// Unicode's own line and paragraph separators, which some mail clients break a header at.
fn is_line_break(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

/// The two characters that no XML may hold (XML 1.0 §2.2), at which the MJML's parser stops, and the overrides of
/// direction, which turn letters around (Unicode TR 36 §2.4) and have no use in a title.
fn is_nonsense(character: char) -> bool {
    matches!(character, '\u{FFFE}' | '\u{FFFF}' | '\u{202D}' | '\u{202E}')
}

/// Makes holes of the marks in a rendered text. In HTML a mark in an attribute comes as a character reference
/// (`html::shield` made it one).
pub(super) fn cut(text: &str) -> Holed {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some((start, length, hole)) = next_mark(text, at) {
        if start > from {
            pieces.push(Piece::Text(text[from..start].to_owned()));
        }
        pieces.push(Piece::Hole(hole));
        from = start + length;
        at = from;
    }
    if from < text.len() {
        pieces.push(Piece::Text(text[from..].to_owned()));
    }
    Holed(pieces)
}

/// The next mark at or after `at`: where it starts, its length in bytes, its hole.
fn next_mark(text: &str, at: usize) -> Option<(usize, usize, Hole)> {
    // UTF-8 writes every character of plane 16 with F4 first, and no other byte of any character is F4.
    let starts = text.as_bytes()[at..].iter().enumerate().filter(|(_, byte)| **byte == 0xF4);
    let character = starts.map(|(offset, _)| at + offset).find_map(|start| {
        let character = text[start..].chars().next()?;
        Some((start, character.len_utf8(), hole_of(character)?))
    });
    let limit = character.map_or(text.len(), |(start, _, _)| start);
    reference(&text[..limit], at).or(character)
}

/// The next mark written as a character reference in `text[at..]`.
fn reference(text: &str, at: usize) -> Option<(usize, usize, Hole)> {
    let mut from = at;
    while let Some(offset) = text[from..].find("&#x100d0") {
        let start = from + offset;
        let end = start + text[start..].find(';')? + 1;
        let code = u32::from_str_radix(&text[start + 3..end - 1], 16).ok();
        if let Some(hole) = code.and_then(char::from_u32).and_then(hole_of) {
            return Some((start, end - start, hole));
        }
        from = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_holes_in_text_and_in_references() {
        let name = mark(Hole::Name);
        let link = format!("&#x{:x};", u32::from(mark(Hole::UnsubscribeUrl)));
        let holed = cut(&format!("Dear {name}, <a href=\"{link}\">{name}</a>"));
        let expected = vec![
            Piece::Text("Dear ".into()),
            Piece::Hole(Hole::Name),
            Piece::Text(", <a href=\"".into()),
            Piece::Hole(Hole::UnsubscribeUrl),
            Piece::Text("\">".into()),
            Piece::Hole(Hole::Name),
            Piece::Text("</a>".into()),
        ];
        assert_eq!(holed.0, expected);
        assert_eq!(cut(""), Holed(Vec::new()));
        assert_eq!(cut("&#x100d0f; &#x100d0"), Holed::plain("&#x100d0f; &#x100d0"));
    }

    #[test]
    fn text_from_outside_cannot_hold_a_mark() {
        let hostile: String = Hole::ALL.iter().map(|hole| mark(*hole)).collect();
        assert_eq!(clean(&format!("a{hostile}b \u{0}\u{7f}\r\n\u{2028} c ")), "ab c");
        assert!(!cut(&clean(&hostile)).has_holes());
    }
}
