//! Languages: which tags are tags, which way they are written, how they write a date.
//!
//! The fixed words of mails are in [`super::words`].

use chrono::{Datelike, Locale};
use chrono_tz::Tz;

use super::calendar::Timestamp;

/// The longest tag that is taken (RFC 5646 §4.4.1 asks for at least 35 characters).
const MAX_TAG: usize = 35;

/// Languages that are written from right to left where no script says otherwise.
const RTL_LANGUAGES: [&str; 18] = [
    "ar", "arc", "ckb", "dv", "fa", "glk", "he", "ks", "lrc", "mzn", "nqo", "pnb", "ps", "sd", "syr", "ug",
    "ur", "yi",
];

/// Scripts that are written from right to left (ISO 15924).
const RTL_SCRIPTS: [&str; 11] =
    ["Adlm", "Arab", "Aran", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"];

/// The tag in its usual form, for instance `pt-BR` for `pt_br`; none where it has not the shape of a tag (RFC 5646
/// §2.1). Only the shape is looked at: a registry of languages would be out of date.
pub fn normalise(tag: &str) -> Option<String> {
    let tag = tag.trim();
    if tag.len() > MAX_TAG || !tag.is_ascii() {
        return None;
    }
    let mut subtags = tag.split(['-', '_']);
    let language = subtags.next().filter(|first| (2..=3).contains(&first.len()) && is_alphabetic(first))?;
    let mut normal = match language.to_ascii_lowercase().as_str() {
        // The names that ISO 639 gave up in 1989, still sent by old software.
        "iw" => "he".to_owned(),
        "ji" => "yi".to_owned(),
        "in" => "id".to_owned(),
        other => other.to_owned(),
    };
    let mut in_extension = false;
    for subtag in subtags {
        if subtag.is_empty() || subtag.len() > 8 || !subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        in_extension |= subtag.len() == 1;
        normal.push('-');
        match subtag.len() {
            2 if !in_extension && is_alphabetic(subtag) => normal.push_str(&subtag.to_ascii_uppercase()),
            4 if !in_extension && is_alphabetic(subtag) => {
                normal.push_str(&subtag[..1].to_ascii_uppercase());
                normal.push_str(&subtag[1..].to_ascii_lowercase());
            }
            _ => normal.push_str(&subtag.to_ascii_lowercase()),
        }
    }
    // A singleton opens an extension, and an extension has content.
    let ends_open = normal.rsplit('-').next().is_some_and(|last| last.len() == 1);
    (!ends_open).then_some(normal)
}

fn is_alphabetic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The language of a tag without script and region: `pt` of `pt-BR`. Takes any text.
pub fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

/// Whether two tags are of the same language, whatever the region: `en-GB` and `en-US` are.
pub fn is_same_language(one: &str, other: &str) -> bool {
    match (normalise(one), normalise(other)) {
        (Some(one), Some(other)) => macro_language(primary(&one)) == macro_language(primary(&other)),
        _ => false,
    }
}

/// Both written forms of Norwegian are read by whoever asked for Norwegian.
fn macro_language(primary: &str) -> &str {
    if matches!(primary, "nb" | "nn") { "no" } else { primary }
}

/// Whether the language of `tag` is written from right to left. Text that is no tag is not.
pub fn is_rtl(tag: &str) -> bool {
    let Some(tag) = normalise(tag) else { return false };
    let script = tag.split('-').skip(1).find(|subtag| subtag.len() == 4 && is_alphabetic(subtag));
    match script {
        Some(script) => RTL_SCRIPTS.contains(&script),
        None => RTL_LANGUAGES.contains(&primary(&tag)),
    }
}

/// `ltr` or `rtl`, as HTML's `dir` wants it.
pub fn direction(tag: &str) -> &'static str {
    if is_rtl(tag) { "rtl" } else { "ltr" }
}

/// The colon behind words, with the space that the language writes before it: one at which no line ends.
pub fn colon(tag: &str) -> &'static str {
    let is_french = normalise(tag).is_some_and(|tag| primary(&tag) == "fr");
    if is_french { "\u{a0}:" } else { ":" }
}

/// The day of `time` in `zone` as `language` writes it in full, for instance "Sunday, 22 November 2026".
pub fn long_date(time: Timestamp, zone: Tz, language: &str) -> String {
    let local = time.in_zone(zone);
    let (locale, language) = locale_of(language);
    local.format_localized(date_pattern(locale, &language, local.day()), locale).to_string()
}

/// The time of day of `time` in `zone` as `language` writes it, for instance "07:00" or "7:00 AM".
pub fn time_of_day(time: Timestamp, zone: Tz, language: &str) -> String {
    let local = time.in_zone(zone);
    let (locale, _) = locale_of(language);
    let twelve_hours = matches!(locale, Locale::en_US | Locale::en_CA | Locale::en_AU | Locale::en_NZ);
    let pattern = if twelve_hours { "%-I:%M %p" } else { "%H:%M" };
    local.format_localized(pattern, locale).to_string()
}

/// The locale whose names of days and months are used, and its primary language. Falls back to English.
fn locale_of(tag: &str) -> (Locale, String) {
    let tag = normalise(tag).unwrap_or_default();
    let language = match primary(&tag) {
        "no" => "nb",
        other => other,
    };
    let region = tag.split('-').skip(1).find(|subtag| subtag.len() == 2);
    let traditional = tag.contains("Hant") && language == "zh";
    let named = region.and_then(|region| Locale::try_from(format!("{language}_{region}").as_str()).ok());
    let usual = if traditional { "zh_TW" } else { usual_locale(language) };
    match named.or_else(|| Locale::try_from(usual).ok()) {
        Some(locale) => (locale, language.to_owned()),
        None => (Locale::en_GB, "en".to_owned()),
    }
}

/// The locale of a language whose tag names no region.
fn usual_locale(language: &str) -> &'static str {
    match language {
        "ar" => "ar_EG",
        "bg" => "bg_BG",
        "bn" => "bn_BD",
        "ca" => "ca_ES",
        "cs" => "cs_CZ",
        "cy" => "cy_GB",
        "da" => "da_DK",
        "de" => "de_DE",
        "el" => "el_GR",
        "en" => "en_GB",
        "es" => "es_ES",
        "et" => "et_EE",
        "eu" => "eu_ES",
        "fa" => "fa_IR",
        "fi" => "fi_FI",
        "fr" => "fr_FR",
        "ga" => "ga_IE",
        "gl" => "gl_ES",
        "he" => "he_IL",
        "hi" => "hi_IN",
        "hr" => "hr_HR",
        "hu" => "hu_HU",
        "id" => "id_ID",
        "is" => "is_IS",
        "it" => "it_IT",
        "ja" => "ja_JP",
        "ko" => "ko_KR",
        "lt" => "lt_LT",
        "lv" => "lv_LV",
        "nb" => "nb_NO",
        "nl" => "nl_NL",
        "nn" => "nn_NO",
        "pl" => "pl_PL",
        "pt" => "pt_BR",
        "ro" => "ro_RO",
        "ru" => "ru_RU",
        "sk" => "sk_SK",
        "sl" => "sl_SI",
        "sr" => "sr_RS",
        "sv" => "sv_SE",
        "tr" => "tr_TR",
        "uk" => "uk_UA",
        "ur" => "ur_PK",
        "vi" => "vi_VN",
        "zh" => "zh_CN",
        _ => "",
    }
}

/// A full date in the order and with the particles of the language (chrono's `%x` and `%c` are short forms).
fn date_pattern(locale: Locale, language: &str, day: u32) -> &'static str {
    match language {
        "en" if matches!(locale, Locale::en_US | Locale::en_CA) => "%A, %B %-d, %Y",
        "cs" | "de" | "et" | "fi" | "hr" | "is" | "nb" | "nn" | "sk" | "sl" => "%A, %-d. %B %Y",
        "da" => "%A den %-d. %B %Y",
        "fr" if day == 1 => "%A %-der %B %Y",
        "el" | "fr" | "it" | "nl" | "sv" => "%A %-d %B %Y",
        "ca" => "%A, %-d %B de %Y",
        "es" | "gl" | "pt" => "%A, %-d de %B de %Y",
        "ar" | "fa" | "ur" => "%A، %-d %B %Y",
        "he" => "%A, %-d ב%B %Y",
        "hu" => "%Y. %B %-d., %A",
        "tr" => "%-d %B %Y %A",
        "ja" | "zh" => "%Y年%-m月%-d日%A",
        "ko" => "%Y년 %-m월 %-d일 %A",
        _ => "%A, %-d %B %Y",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sunday() -> Timestamp {
        Timestamp::parse("2026-11-22T06:05:00Z").unwrap()
    }

    #[test]
    fn tags_are_brought_into_their_usual_form() {
        for (given, normal) in [
            ("en", "en"),
            (" pt_br ", "pt-BR"),
            ("ZH-hant-tw", "zh-Hant-TW"),
            ("iw", "he"),
            ("es-419", "es-419"),
            ("de-DE-1996", "de-DE-1996"),
            ("en-u-CA-gregory", "en-u-ca-gregory"),
            ("ckb", "ckb"),
        ] {
            assert_eq!(normalise(given).as_deref(), Some(normal), "{given}");
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_tag_is_none() {
        let long = "en-".repeat(40);
        for hostile in [
            "",
            " ",
            "e",
            "english",
            "en-",
            "-en",
            "en--us",
            "en us",
            "e\u{301}n",
            "en\r\nBcc",
            "<b>",
            "en-x",
            &long,
        ] {
            assert_eq!(normalise(hostile), None, "{hostile:?}");
            assert!(!is_rtl(hostile));
        }
    }

    #[test]
    fn the_script_decides_the_direction_before_the_language_does() {
        for tag in ["ar", "he-IL", "iw", "fa", "ur_PK", "ku-Arab", "az-Arab-IR"] {
            assert_eq!(direction(tag), "rtl", "{tag}");
        }
        for tag in ["en", "ku", "ar-Latn", "he-Latn-IL", "zh-Hant"] {
            assert_eq!(direction(tag), "ltr", "{tag}");
        }
    }

    #[test]
    fn regions_share_a_language() {
        assert!(is_same_language("en-GB", "en-US"));
        assert!(is_same_language("nb", "no"));
        assert!(is_same_language("iw", "he-IL"));
        assert!(!is_same_language("en", "fr"));
        assert!(!is_same_language("", ""));
    }

    #[test]
    fn dates_are_written_as_the_language_writes_them() {
        let dates = [
            ("en", "Sunday, 22 November 2026"),
            ("en-US", "Sunday, November 22, 2026"),
            ("fr", "dimanche 22 novembre 2026"),
            ("de", "Sonntag, 22. November 2026"),
            ("es", "domingo, 22 de noviembre de 2026"),
            ("it", "domenica 22 novembre 2026"),
            ("pt-PT", "domingo, 22 de novembro de 2026"),
            ("nl", "zondag 22 november 2026"),
            ("pl", "niedziela, 22 listopada 2026"),
            ("ar", "الأحد، 22 نوفمبر 2026"),
            ("ja", "2026年11月22日日曜日"),
            ("tlh", "Sunday, 22 November 2026"),
            ("nonsense!", "Sunday, 22 November 2026"),
        ];
        for (language, written) in dates {
            assert_eq!(
                long_date(sunday(), Tz::UTC, language).to_lowercase(),
                written.to_lowercase(),
                "{language}"
            );
        }
        assert!(long_date(sunday(), Tz::UTC, "he").contains("22 בנובמבר 2026"));
    }

    #[test]
    fn the_first_of_a_month_is_ordinal_in_french() {
        let first = Timestamp::parse("2026-11-01T06:05:00Z").unwrap();
        assert_eq!(long_date(first, Tz::UTC, "fr").to_lowercase(), "dimanche 1er novembre 2026");
    }

    #[test]
    fn the_zone_decides_the_day_and_the_hour() {
        assert!(long_date(sunday(), chrono_tz::America::Los_Angeles, "en").starts_with("Saturday, 21"));
        assert_eq!(time_of_day(sunday(), chrono_tz::Europe::Paris, "fr"), "07:05");
        assert_eq!(time_of_day(sunday(), chrono_tz::Europe::Paris, "en-US"), "7:05 AM");
    }
}
