//! Titles as stories: whether two sources tell the same one.

use unicode_normalization::UnicodeNormalization;

/// How much of two titles must agree, as twice the words they share in order over the words of both.
///
/// A title of five telling words may gain two (10 of 12: 0.83) and be the same story. But exchanging one word of six
/// ("US strikes …" and "UK strikes …", also 0.83) makes another story, so where each title has a word that the other
/// has not, at least ten words must agree for each that differs.
const ALIKE_WHEN_ADDED: f64 = 0.8;
const ALIKE_WHEN_EXCHANGED: f64 = 0.9;

/// A title with fewer telling words than this ("Live updates", "Photos of the day") names a rubric, not a story.
const FEWEST_WORDS: usize = 3;

/// Words beyond this many are not compared: no title is longer, and comparing costs their product.
const MOST_WORDS: usize = 60;

/// A title prepared for comparing, so that one can be compared with many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The words in order, folded, without the little ones.
    words: Vec<String>,
    /// What must agree exactly: numbers, weekdays, months, negations. Sorted.
    marks: Vec<String>,
}

/// Whether two titles, from two sources, tell the same story.
///
/// Case, accents, punctuation, white space and a trailing site's name (" - The Daily Planet") do not matter, nor do
/// articles and prepositions. Words may be added; numbers, weekdays, months and negations must agree; short generic
/// titles are never the same. In doubt the answer is no: a story told twice is a nuisance, one that vanishes is a loss.
pub fn same_story(a: &str, b: &str) -> bool {
    Story::of(a).same_as(&Story::of(b))
}

/// A key that is the same for titles that differ only in what [`same_story`] ignores; None for a generic title. Good
/// for finding exact repeats with an index; near ones take [`Story::same_as`].
pub fn story_key(title: &str) -> Option<String> {
    let story = Story::of(title);
    let marks = story.marks.join(" ");
    story.is_telling().then(|| format!("{}|{marks}", story.words.join(" ")))
}

impl Story {
    pub fn of(title: &str) -> Self {
        let title = without_site_name(title);
        let mut words = Vec::new();
        let mut marks = Vec::new();
        for word in split_words(title).into_iter().take(MOST_WORDS) {
            if let Some(mark) = mark_of(&word) {
                marks.push(mark);
            } else if !LITTLE_WORDS.contains(&word.as_str()) {
                words.push(word);
            }
        }
        marks.sort();
        Self { words, marks }
    }

    /// See [`same_story`].
    pub fn same_as(&self, other: &Self) -> bool {
        if !self.is_telling() || !other.is_telling() || self.marks != other.marks {
            return false;
        }
        let shared = shared_in_order(&self.words, &other.words);
        let both = self.words.len() + other.words.len();
        #[expect(clippy::cast_precision_loss, reason = "at most 120 words")]
        let alike = 2.0 * shared as f64 / both as f64;
        let only_added = shared == self.words.len().min(other.words.len());
        alike >= if only_added { ALIKE_WHEN_ADDED } else { ALIKE_WHEN_EXCHANGED }
    }

    fn is_telling(&self) -> bool {
        self.words.len() >= FEWEST_WORDS
    }
}

/// Cuts " - Site name", " | Site name": the last part, of at most four words, where at least three words stay.
fn without_site_name(title: &str) -> &str {
    for separator in [" | ", " - ", " – ", " — ", " · ", " :: ", " » "] {
        let Some((story, site)) = title.trim().rsplit_once(separator) else { continue };
        let site_words = site.split_whitespace().count();
        let is_mark = split_words(site).iter().any(|word| mark_of(word).is_some());
        if (1..=4).contains(&site_words) && !is_mark && story.split_whitespace().count() >= 3 {
            return story;
        }
    }
    title
}

/// Letters and digits in lower case without accents; `U.S.` is `us`, `don't` is `dont`, `1.5` stays. Scripts without
/// spaces are cut into single characters, which compare like words.
fn split_words(title: &str) -> Vec<String> {
    let folded: Vec<char> = title
        .chars()
        .take(1000)
        .collect::<String>()
        .nfkd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c) && *c != '\u{ad}')
        .flat_map(char::to_lowercase)
        .collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (index, &c) in folded.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| folded.get(index)).copied().unwrap_or(' ');
        let after = folded.get(index + 1).copied().unwrap_or(' ');
        let joins = match c {
            '\'' | '’' | 'ʼ' => before.is_alphabetic() && after.is_alphabetic(),
            '.' | ',' => before.is_ascii_digit() && after.is_ascii_digit(),
            _ => false,
        };
        if is_ideograph(c) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            words.push(c.to_string());
        } else if c.is_alphanumeric() || ('\u{900}'..='\u{109f}').contains(&c) {
            word.push(c);
        } else if joins {
            if c == '.' || c == ',' {
                word.push('.');
            }
        } else if c == '.' && word.chars().count() == 1 && after.is_alphabetic() {
            // The dots of an abbreviation: U.S., a.m.
        } else if !(word.is_empty()
            || (c == '.' && before.is_alphabetic() && is_abbreviation(&folded, index)))
        {
            words.push(std::mem::take(&mut word));
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Whether the dot at `index` stands within single letters: `u.s.a`, between the s and the a.
fn is_abbreviation(folded: &[char], index: usize) -> bool {
    let dot_before = index >= 2 && folded[index - 2] == '.';
    let letter_after = folded.get(index + 1).is_some_and(|c| c.is_alphabetic());
    let dot_after = folded.get(index + 2) == Some(&'.');
    dot_before && letter_after && dot_after
}

/// Han, kana and hangul after decomposition are compared character by character; Thai, Lao and Khmer likewise.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

/// What must agree for two titles to be one story, in one spelling: `three` is `3`.
fn mark_of(word: &str) -> Option<String> {
    if word.chars().any(char::is_numeric) {
        return Some(word.to_owned());
    }
    if let Some((_, digits)) = NUMBER_WORDS.iter().find(|(name, _)| *name == word) {
        return Some((*digits).to_owned());
    }
    (MARKS.contains(&word)).then(|| word.to_owned())
}

/// The length of the longest common subsequence: words that both say in the same order.
fn shared_in_order(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0usize; b.len() + 1];
    for word in a {
        let mut diagonal = 0;
        for (index, other) in b.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if word == other { diagonal + 1 } else { above.max(row[index]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

const NUMBER_WORDS: [(&str, &str); 41] = [
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("first", "1st"),
    ("second", "2nd"),
    ("third", "3rd"),
    ("fourth", "4th"),
    ("fifth", "5th"),
    ("deux", "2"),
    ("trois", "3"),
    ("quatre", "4"),
    ("cinq", "5"),
    ("dix", "10"),
    ("zwei", "2"),
    ("drei", "3"),
    ("vier", "4"),
    ("funf", "5"),
    ("sechs", "6"),
    ("sieben", "7"),
    ("acht", "8"),
    ("neun", "9"),
    ("zehn", "10"),
    ("dos", "2"),
    ("tres", "3"),
    ("cuatro", "4"),
    ("cinco", "5"),
    ("due", "2"),
    ("tre", "3"),
    ("quattro", "4"),
    ("cinque", "5"),
    ("ii", "2"),
    ("iii", "3"),
    ("iv", "4"),
];

/// Weekdays, months and negations, without accents.
const MARKS: [&str; 98] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "morning",
    "evening",
    "afternoon",
    "night",
    "vi",
    "vii",
    "viii",
    "ix",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "januar",
    "februar",
    "marz",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "lunes",
    "martes",
    "miercoles",
    "jueves",
    "viernes",
    "sabado",
    "domingo",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "lunedi",
    "martedi",
    "mercoledi",
    "giovedi",
    "venerdi",
    "sabato",
    "domenica",
    "no",
    "not",
    "never",
    "without",
    "nicht",
    "kein",
    "keine",
    "nie",
    "ohne",
    "pas",
    "jamais",
    "sans",
    "non",
    "nunca",
];

/// Articles, prepositions and the like, which headlines drop at will, without accents.
const LITTLE_WORDS: [&str; 62] = [
    "a", "an", "the", "of", "in", "on", "at", "to", "for", "and", "or", "is", "are", "was", "were", "be",
    "as", "by", "with", "from", "its", "his", "her", "their", "that", "le", "la", "les", "un", "une", "des",
    "du", "de", "et", "en", "au", "aux", "der", "die", "das", "den", "dem", "ein", "eine", "und", "im", "am",
    "zu", "von", "el", "los", "las", "y", "del", "il", "lo", "gli", "e", "di", "o", "os", "do",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_story_told_by_two_sources() {
        let same = [
            (
                "Parliament passes the budget after an all-night session",
                "Parliament passes budget after all-night session",
            ),
            ("Ferry sinks off Crete, 12 missing", "FERRY SINKS OFF CRETE: 12 missing"),
            ("Ferry sinks off Crete, 12 missing", "Ferry sinks off Crete, 12 missing - The Daily Planet"),
            ("Ferry sinks off Crete, 12 missing", "Ferry sinks off Crete, 12 missing | Planet"),
            ("Ferry sinks off Crete, three people missing", "Ferry sinks off Crete, 3 missing"),
            ("Māori tribes fearful over whale strandings", "Maori tribes fearful over whale strandings"),
            ("U.S. strikes a deal with Canada on steel", "US strikes deal with Canada on steel"),
            ("“It’s over”: mayor of Lyon resigns", "It's over: Mayor of Lyon resigns"),
            ("東京で大規模な停電が発生", "東京で大規模な停電が発生 | 日報"),
        ];
        for (one, other) in same {
            assert!(same_story(one, other), "{one} / {other}: {:?} {:?}", Story::of(one), Story::of(other));
            assert!(same_story(other, one), "{other} / {one}");
        }
    }

    #[test]
    fn different_stories_are_not_merged() {
        let different = [
            ("Results of round 3", "Results of round 4"),
            (
                "All the results of the Premier League, round three",
                "All the results of the Premier League, round four",
            ),
            ("Live updates", "Live updates"),
            ("Photos of the day", "Photos of the day"),
            ("France beats Spain in the final", "Spain beats France in the final"),
            ("US strikes Iran nuclear site overnight", "UK strikes Iran nuclear site overnight"),
            ("Minister says she will resign next week", "Minister says she will not resign next week"),
            ("Weather: what to expect on Monday", "Weather: what to expect on Tuesday"),
            ("History of the Roman empire, part II", "History of the Roman empire, part III"),
            ("Election results - Round 3 of voting", "Election results - Round 4 of voting"),
            ("", ""),
            ("!!!", "???"),
        ];
        for (one, other) in different {
            assert!(!same_story(one, other), "{one} / {other}: {:?} {:?}", Story::of(one), Story::of(other));
        }
    }

    #[test]
    fn the_key_is_the_same_for_the_same_words() {
        let key = story_key("Ferry sinks off Crete, 12 missing");
        assert!(key.is_some());
        assert_eq!(key, story_key("The ferry sinks off Crete: 12 missing – Daily Planet"));
        assert_eq!(story_key("Live updates"), None);
    }

    proptest! {
        #[test]
        fn any_two_titles_can_be_compared(a in ".*", b in ".*") {
            prop_assert_eq!(same_story(&a, &b), same_story(&b, &a));
        }
    }
}
