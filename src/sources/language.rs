//! Language tags as publishers write them, brought into one form.

/// The BCP 47 tag in what a feed or page says of its language: `en-us`, `IT_it` and `pt-BR.UTF-8` become `en-US`,
/// `it-IT` and `pt-BR`. None for what is no tag (`English`, `x-default`).
pub fn read_language(text: &str) -> Option<String> {
    let text = text.trim().split(['.', ',', ';', ' ']).next()?;
    let mut parts = text.split(['-', '_']);
    let language = parts.next()?.to_ascii_lowercase();
    let is_letters = |part: &str| part.chars().all(|c| c.is_ascii_alphabetic());
    // `und` says "undetermined", `mul` "several", `zxx` "none" (ISO 639-2).
    if !(2..=3).contains(&language.len())
        || !is_letters(&language)
        || matches!(&*language, "und" | "mul" | "zxx")
    {
        return None;
    }
    let mut tag = language;
    for part in parts.take(2) {
        match part.len() {
            // A script: Hant.
            4 if is_letters(part) => {
                let (first, rest) = part.split_at(1);
                tag.push_str(&format!("-{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase()));
            }
            // A region: BR, 419.
            2 if is_letters(part) => tag.push_str(&format!("-{}", part.to_ascii_uppercase())),
            3 if part.chars().all(|c| c.is_ascii_digit()) => tag.push_str(&format!("-{part}")),
            _ => break,
        }
    }
    Some(tag)
}

/// The language that a text is most likely in; None where that cannot be told. For an article that names none.
pub fn guess_language(text: &str) -> Option<String> {
    let guess = whatlang::detect(super::text::prefix(text, 4000)).filter(whatlang::Info::is_reliable)?;
    let code = guess.lang().code();
    // ISO 639-3, as the detector names languages, to the two letters that BCP 47 asks for.
    let short = TWO_LETTERS.iter().find(|(long, _)| *long == code).map(|(_, short)| *short);
    short.map(str::to_owned)
}

const TWO_LETTERS: &[(&str, &str)] = &[
    ("eng", "en"),
    ("fra", "fr"),
    ("deu", "de"),
    ("spa", "es"),
    ("ita", "it"),
    ("por", "pt"),
    ("nld", "nl"),
    ("swe", "sv"),
    ("dan", "da"),
    ("nob", "nb"),
    ("fin", "fi"),
    ("pol", "pl"),
    ("ces", "cs"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("hrv", "hr"),
    ("srp", "sr"),
    ("bul", "bg"),
    ("ron", "ro"),
    ("hun", "hu"),
    ("ell", "el"),
    ("tur", "tr"),
    ("rus", "ru"),
    ("ukr", "uk"),
    ("bel", "be"),
    ("lit", "lt"),
    ("lav", "lv"),
    ("est", "et"),
    ("cat", "ca"),
    ("ara", "ar"),
    ("heb", "he"),
    ("pes", "fa"),
    ("urd", "ur"),
    ("hin", "hi"),
    ("ben", "bn"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tha", "th"),
    ("vie", "vi"),
    ("ind", "id"),
    ("jpn", "ja"),
    ("kor", "ko"),
    ("cmn", "zh"),
    ("kat", "ka"),
    ("hye", "hy"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_one_form() {
        for (text, tag) in [
            ("en", "en"),
            ("en-us", "en-US"),
            ("IT-it", "it-IT"),
            ("pt_BR.UTF-8", "pt-BR"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            (" de ", "de"),
            ("en, fr", "en"),
            ("fr-FR-x-private", "fr-FR"),
        ] {
            assert_eq!(read_language(text).as_deref(), Some(tag), "{text}");
        }
        let french = "Largement approuvé par les députés, le texte sera désormais examiné par le Sénat, puis par le Conseil.";
        assert_eq!(guess_language(french).as_deref(), Some("fr"));
        assert_eq!(guess_language("12"), None);
        for text in ["", "English", "x-default", "und", "e", "1a"] {
            assert_eq!(read_language(text), None, "{text}");
        }
    }
}
