//! The fixed words of mails, in the languages that we have them in.
//!
//! One file per language, each a [`Words`]: the compiler refuses a language that misses a key. To add one, copy
//! `en.rs`, translate it, and add it to [`LANGUAGES`]. Plain sentences, no exclamation marks, and nothing that
//! changes with a number's plural: write "{count} more", not "{count} more articles".

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod he;
mod it;
mod nl;
mod pl;
mod pt;

use serde::Serialize;

use super::calendar::Recurrence;
use super::language::{normalise, primary};

/// The languages that mails have fixed words in; every other gets English.
pub const LANGUAGES: [(&str, &Words); 10] = [
    ("en", &en::WORDS),
    ("fr", &fr::WORDS),
    ("de", &de::WORDS),
    ("es", &es::WORDS),
    ("it", &it::WORDS),
    ("pt", &pt::WORDS),
    ("nl", &nl::WORDS),
    ("pl", &pl::WORDS),
    ("ar", &ar::WORDS),
    ("he", &he::WORDS),
];

/// The fixed words of one language. `{newsletter}` and its like stand for values ([`fill`]).
#[derive(Debug, Serialize)]
pub struct Words {
    /// `{number}`: the issue's.
    pub issue_number: &'static str,
    /// `{minutes}`
    pub reading_time: &'static str,
    /// Before the names of other sources that tell the same story.
    pub also_at: &'static str,
    /// Behind the lead's title in a subject. `{count}`: the other articles.
    pub and_more: &'static str,
    /// Why this mail came. `{newsletter}`
    pub why: &'static str,
    pub every_day: &'static str,
    pub on_weekdays: &'static str,
    pub every_week: &'static str,
    pub several_days: &'static str,
    pub every_month: &'static str,
    pub leave: &'static str,
    /// Leads to the page on which a reader changes what comes.
    pub preferences: &'static str,
    /// Under an issue that anybody may read. `{newsletter}`
    pub sign_up: &'static str,
    pub view: &'static str,
    pub share: &'static str,
    /// Leads to the articles that this mail had no room for.
    pub more_online: &'static str,
    pub sent_to: &'static str,
    /// `{newsletters}`: their names, with commas.
    pub confirm_subject: &'static str,
    pub confirm_ask: &'static str,
    pub confirm_button: &'static str,
    pub confirm_ignore: &'static str,
    /// `{date}`, `{time}`
    pub confirm_until: &'static str,
    pub copy_link: &'static str,
    /// `{newsletter}`
    pub welcome_subject: &'static str,
    /// `{newsletter}`
    pub welcome_text: &'static str,
    /// In its place, to who gets the newsletter already. `{newsletter}`
    pub again_text: &'static str,
    /// `{date}`, `{time}`
    pub next_issue: &'static str,
    /// `{address}`: what the newsletter is sent from.
    pub add_sender: &'static str,
    /// `{newsletter}`
    pub goodbye_subject: &'static str,
    /// `{newsletter}`
    pub goodbye_text: &'static str,
    pub goodbye_mistake: &'static str,
    pub subscribe_again: &'static str,
    pub address_subject: &'static str,
    /// Before the names of the newsletters.
    pub address_ask: &'static str,
    pub address_button: &'static str,
    pub address_ignore: &'static str,
    pub moved_subject: &'static str,
    pub moved_text: &'static str,
    /// In its place, to who has it no more because its owner before took it back.
    pub moved_back_text: &'static str,
    pub moved_mistake: &'static str,
    pub moved_button: &'static str,
}

/// The fixed words for readers of `language`, or the English ones.
pub fn words(language: &str) -> (&'static str, &'static Words) {
    let normal = normalise(language).unwrap_or_default();
    LANGUAGES.into_iter().find(|(tag, _)| *tag == primary(&normal)).unwrap_or(LANGUAGES[0])
}

impl Words {
    /// How often a schedule's issues come, as a sentence.
    pub fn how_often(&self, recurrence: Recurrence) -> &'static str {
        match recurrence {
            Recurrence::Monthly(_) => self.every_month,
            Recurrence::Weekly(0b001_1111) => self.on_weekdays,
            Recurrence::DAILY => self.every_day,
            Recurrence::Weekly(days) if days.count_ones() == 1 => self.every_week,
            Recurrence::Weekly(_) => self.several_days,
        }
    }
}

/// Puts values in the places of a sentence: `fill("by {name}", &[("name", "Ann")])`. A value's own braces are text.
pub fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let value = after
            .split_once('}')
            .and_then(|(name, tail)| Some((values.iter().find(|(key, _)| *key == name)?.1, tail)));
        match value {
            Some((value, tail)) => {
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn table(words: &Words) -> BTreeMap<String, String> {
        serde_json::from_value(serde_json::to_value(words).unwrap()).unwrap()
    }

    fn places(sentence: &str) -> Vec<String> {
        let mut places: Vec<_> =
            sentence.split('{').skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect();
        places.sort();
        places
    }

    #[test]
    fn every_language_has_every_sentence_with_the_same_places() {
        let english = table(&en::WORDS);
        for (tag, words) in LANGUAGES {
            for (key, sentence) in table(words) {
                assert!(!sentence.trim().is_empty(), "{tag} misses {key}");
                assert_eq!(places(&sentence), places(&english[&key]), "{tag}: {key}");
                assert!(!sentence.contains(['!', '¡']), "{tag}: {key} shouts");
                assert_eq!(sentence.trim(), sentence, "{tag}: {key}");
            }
        }
    }

    #[test]
    fn translations_are_not_the_english_sentence() {
        let english = table(&en::WORDS);
        for (tag, words) in LANGUAGES.into_iter().skip(1) {
            for (key, sentence) in table(words) {
                let may_be_the_same = key == "reading_time" || key == "issue_number";
                assert!(may_be_the_same || sentence != english[&key], "{tag}: {key} is not translated");
            }
        }
    }

    #[test]
    fn a_language_without_words_gets_english() {
        assert_eq!(words("pt_BR").0, "pt");
        assert_eq!(words("iw").0, "he");
        assert_eq!(words("tlh").0, "en");
        assert_eq!(words("\u{0}").0, "en");
    }

    #[test]
    fn a_value_with_braces_is_not_filled_again() {
        assert_eq!(fill("a {x} b {y}", &[("x", "{y}"), ("y", "2")]), "a {y} b 2");
        assert_eq!(fill("{ {z} {x", &[("x", "1")]), "{ {z} {x");
    }

    #[test]
    fn how_often_follows_the_schedule() {
        let how_often = |days: &str| en::WORDS.how_often(Recurrence::parse(days).unwrap());
        assert_eq!(how_often("daily"), en::WORDS.every_day);
        assert_eq!(how_often("mon-fri"), en::WORDS.on_weekdays);
        assert_eq!(how_often("weekly"), en::WORDS.every_week);
        assert_eq!(how_often("mon,thu"), en::WORDS.several_days);
        assert_eq!(how_often("monthly"), en::WORDS.every_month);
    }
}
