//! Names of authors, out of what feeds and pages write where a name belongs.

use super::dates::parse_date;
use super::text::fold;

/// Longer "names" are sentences.
const LONGEST: usize = 160;

/// What stands before a name, in lower case. Those of one word need a space after them.
const LEADS: &[&str] = &[
    "post author:",
    "posted by:",
    "posted by",
    "written by:",
    "written by",
    "article by",
    "story by",
    "words by",
    "text by",
    "reported by",
    "author:",
    "authors:",
    "autor:",
    "autora:",
    "autore:",
    "auteur:",
    "auteur :",
    "par:",
    "por:",
    "von:",
    "by:",
    "by",
    "von",
    "par",
    "por",
    "di",
    "door",
    "av",
    "af",
    "text:",
    "texte:",
    "publié par",
    "escrito por",
    "scritto da",
];

/// What content systems write where nobody gave a name.
const NOBODY: &[&str] = &[
    "admin",
    "administrator",
    "author",
    "unknown",
    "anonymous",
    "null",
    "none",
    "undefined",
    "n/a",
    "root",
    "webmaster",
    "noreply",
    "user",
    "default",
];

/// The name in what stands where a name belongs: without "By", addresses and links. None where there is no name: a
/// link, a date, an address alone, a placeholder.
///
/// `text` is plain text on one line.
pub fn name_of_person(text: &str) -> Option<String> {
    let name = without_address(&fold(text));
    let name = without_lead(&name);
    let name = without_date(name);
    let name = name.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, ',' | ';' | ':' | '|' | '•' | '·' | '–' | '—' | '-')
    });
    let lower = name.to_lowercase();
    let is_link = lower.contains("://") || lower.starts_with("www.") || is_domain_path(&lower);
    let has_letter = name.chars().any(char::is_alphabetic);
    let is_nobody = NOBODY.contains(&lower.as_str()) || LEADS.contains(&lower.as_str());
    let is_date = name.chars().any(|c| c.is_ascii_digit()) && parse_date(name).is_some();
    if is_link || !has_letter || is_nobody || is_date || name.len() > LONGEST || name.contains('@') {
        return None;
    }
    Some(name.to_owned())
}

/// Joins names, each once, however they are written.
pub fn join_names(names: impl IntoIterator<Item = String>) -> Option<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names.into_iter().take(20) {
        if !kept.iter().any(|known| known.to_lowercase() == name.to_lowercase()) {
            kept.push(name);
        }
    }
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// `facebook.com/planet`: a link that lost its scheme.
fn is_domain_path(lower: &str) -> bool {
    lower.split_once('/').is_some_and(|(host, _)| host.contains('.') && !host.contains(' '))
}

/// `a@example.org (Ann)` and `Ann <a@example.org>`, as RSS and mail write them.
fn without_address(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    if let Some((before, after)) = text.split_once('(')
        && before.contains('@')
    {
        return after.trim_end_matches(')').to_owned();
    }
    let is_divider =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '（' | '）' | '[' | ']');
    let words = text.split(is_divider).filter(|word| !word.is_empty() && !word.contains('@'));
    words.collect::<Vec<_>>().join(" ")
}

fn without_lead(name: &str) -> &str {
    let mut name = name.trim();
    // "Written by: By Ann" has been seen.
    for _ in 0..2 {
        let lead = LEADS.iter().find(|lead| {
            let begins = name.get(..lead.len()).is_some_and(|start| start.to_lowercase() == **lead);
            let after = name.get(lead.len()..).unwrap_or_default();
            begins && (lead.ends_with(':') || after.starts_with(|c: char| c.is_whitespace() || c == ':'))
        });
        match lead {
            Some(lead) => name = name[lead.len()..].trim_start_matches([':', ' ', '\u{a0}']),
            None => break,
        }
    }
    name
}

/// "Ann Lee on January 13, 2026", "Ann Lee | 13.01.2026", "Ann Lee, 13 January 2026".
fn without_date(name: &str) -> &str {
    for separator in [" on ", " | ", " • ", " · ", " – ", " — ", " - ", ", "] {
        if let Some((before, after)) = name.split_once(separator)
            && after.chars().any(|c| c.is_ascii_digit())
            && parse_date(after).is_some()
        {
            return before;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_what_stands_for_it() {
        for (text, name) in [
            ("Ann Lee", "Ann Lee"),
            ("By Ann Lee", "Ann Lee"),
            ("BY: Ann Lee", "Ann Lee"),
            ("Post author:Ann Lee", "Ann Lee"),
            ("Von Änne Löhr", "Änne Löhr"),
            ("Par Zoé", "Zoé"),
            ("ann@example.org (Ann Lee)", "Ann Lee"),
            ("Ann Lee <ann@example.org>", "Ann Lee"),
            ("Zoé（ann@example.org）", "Zoé"),
            ("/u/ann", "/u/ann"),
            ("Byron Lee", "Byron Lee"),
            ("Ann Lee on January 13, 2026", "Ann Lee"),
            ("BBC News", "BBC News"),
            ("Ann Lee,", "Ann Lee"),
        ] {
            assert_eq!(name_of_person(text).as_deref(), Some(name), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in [
            "",
            "By",
            "admin",
            "https://facebook.com/planet",
            "www.example.org",
            "facebook.com/planet",
            "January 13, 2026",
            "2026-01-13",
            "ann@example.org",
            "Post author:",
            "12",
            "—",
        ] {
            assert_eq!(name_of_person(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_joined_once() {
        let names = ["Ann Lee", "Bo", "ANN LEE"].map(str::to_owned);
        assert_eq!(join_names(names).as_deref(), Some("Ann Lee, Bo"));
        assert_eq!(join_names([]), None);
    }
}
