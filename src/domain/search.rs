//! How people are found: the words that a name and an address hold, and the words that are looked for.
//!
//! Both are cut and folded here, so that a search finds the same people on either database.

use super::address::parse_domain;
use super::issue::folded;

/// Letters of a word that count: no index takes words without end, and nobody types more.
const LONGEST: usize = 64;

/// What somebody is found by: each word of a text in small letters and without accents (`ø` is `o`, `ß` is `ss`), with a space before it. A text
/// is cut wherever there is neither letter nor digit; the `@` of an address is a word of its own:
/// `anna.smith@example.org` gives ` anna smith @ example org`.
pub fn words_of(text: &str) -> String {
    cut(text).iter().flat_map(|word| [" ", word]).collect()
}

fn cut(text: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    let mut is_within = false;
    // A sigma at the end of what was typed may stand in the middle of a word.
    for letter in folded(text).chars().map(|letter| if letter == 'ς' { 'σ' } else { letter }) {
        if letter == '@' {
            words.push("@".to_owned());
        } else if letter.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if is_within => word.push(letter),
                _ => words.push(letter.to_string()),
            }
        }
        is_within = letter.is_alphanumeric();
    }
    for word in &mut words {
        if let Some((end, _)) = word.char_indices().nth(LONGEST) {
            word.truncate(end);
        }
    }
    words
}

/// What is looked for in names and addresses: all its terms, each the beginning of a word. Without any it finds everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    terms: Vec<Term>,
}

/// A word, and whether its beginning is enough.
pub type Word<'s> = (&'s str, bool);

/// What stands between two spaces of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What [`words_of`] a name or an address must hold: `example.org` is ` example org`, so that it also finds
    /// `mail.example.org`, and `example.organic`.
    pub phrase: String,
    /// Behind an `@` at its beginning: how the address's domain begins.
    pub domain: Option<String>,
}

impl Search {
    /// Reads a search as it was typed. None where something was, but no letter and no digit.
    pub fn parse(text: &str) -> Option<Self> {
        let mut terms: Vec<Term> = vec![];
        for typed in text.split_whitespace().map(as_stored) {
            let term = Term {
                phrase: words_of(&typed),
                domain: typed.strip_prefix('@').map(str::to_lowercase).filter(|domain| !domain.is_empty()),
            };
            let says_something = term.phrase.contains(char::is_alphanumeric);
            if says_something && !terms.contains(&term) {
                terms.push(term);
            }
        }
        (!terms.is_empty() || text.trim().is_empty()).then_some(Self { terms })
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The domain, where a domain is all that is looked for.
    pub fn domain_alone(&self) -> Option<&str> {
        match self.terms.as_slice() {
            [Term { domain, .. }] => domain.as_deref(),
            _ => None,
        }
    }

    /// How the domains of those who are found begin.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| term.domain.as_deref())
    }

    /// What to ask an index of words for, one after the other, until few have it: words that whoever is found has, each
    /// with whether its beginning is enough. Whole words come first, and then the longest beginning: an index looks a
    /// word up, but reads all that begin in one way, and `com` is what most of a list begins with.
    pub fn attempts(&self) -> Vec<Vec<Word<'_>>> {
        let all = self.words();
        let whole: Vec<Word<'_>> = all.iter().copied().filter(|(_, is_begun)| !is_begun).collect();
        let longest =
            all.iter().copied().filter(|(_, is_begun)| *is_begun).max_by_key(|(word, _)| word.len());
        let mut attempts = vec![whole, longest.into_iter().collect(), all];
        attempts.retain(|words| !words.is_empty());
        attempts.dedup();
        attempts
    }

    /// All words but those of domains. The `@`, which everybody has, is left out, and so is the beginning of a word
    /// behind two whole ones: it says little.
    fn words(&self) -> Vec<Word<'_>> {
        let mut words: Vec<Word<'_>> = vec![];
        for term in self.terms.iter().filter(|term| term.domain.is_none()) {
            let mut its: Vec<Word<'_>> = term.phrase.split_whitespace().map(|word| (word, false)).collect();
            if let Some(last) = its.last_mut() {
                last.1 = true;
            }
            its.retain(|(word, _)| *word != "@");
            if its.len() > 2 {
                its.retain(|(_, is_begun)| !is_begun);
            }
            words.extend(its);
        }
        words.sort_unstable();
        words.dedup();
        words
    }
}

/// What was typed, with a domain of other letters than ASCII's as addresses have it: `xn--bcher-kva.example`.
fn as_stored(typed: &str) -> String {
    let domain = typed.rsplit_once('@').filter(|(_, domain)| !domain.is_ascii());
    match domain.map(|(local, domain)| (local, parse_domain(domain))) {
        Some((local, Ok(domain))) => format!("{local}@{domain}"),
        _ => typed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_addresses_are_cut_into_words_without_case_and_accents() {
        assert_eq!(words_of("anna.smith+news@mail.example.org"), " anna smith news @ mail example org");
        assert_eq!(words_of("  Émile   O’BRIEN-Dvořák "), " emile o brien dvorak");
        assert_eq!(words_of("山田 太郎 7eleven"), " 山田 太郎 7eleven");
        assert_eq!(words_of("ΟΔΟΣ ΟΔΟΣΑ"), " οδοσ οδοσα");
        assert_eq!(words_of("Søren ŁUKASZ Đặng Sigurður Þór"), " soren lukasz dang sigurdur thor");
        assert_eq!(words_of("Weiß ẞ Æble ŒUVRE Işık Ħal Ŧ"), " weiss ss aeble oeuvre isik hal t");
        assert_eq!(words_of(" -- … "), "");
        assert_eq!(words_of(&"x".repeat(300)).len(), 65);
    }

    #[test]
    fn a_search_is_terms_of_words_the_last_of_each_a_beginning() {
        let search = Search::parse("Ann  example.org @mail.Example ANN").unwrap();
        let terms: Vec<_> =
            search.terms().iter().map(|term| (term.phrase.as_str(), term.domain.as_deref())).collect();
        assert_eq!(
            terms,
            [(" ann", None), (" example org", None), (" @ mail example", Some("mail.example"))]
        );
        let words = search.words();
        assert_eq!(words, [("ann", true), ("example", false), ("org", true)]);
        let attempts = |text: &str| Search::parse(text).unwrap().attempts().len();
        assert_eq!(search.attempts(), [vec![("example", false)], vec![("org", true)], words]);
        assert_eq!(search.domains().collect::<Vec<_>>(), ["mail.example"]);
        assert_eq!(["ann", "ann@", "@example.org", "ann smi"].map(attempts), [1, 1, 0, 2]);
        assert_eq!(Search::parse("ann@").unwrap().words(), [("ann", false)]);
        let address = Search::parse("ann@example.com").unwrap();
        assert_eq!(address.terms()[0].phrase, " ann @ example com");
        assert_eq!(address.words(), [("ann", false), ("example", false)]);
        assert_eq!(Search::parse("@example.org").unwrap().domain_alone(), Some("example.org"));
        assert_eq!(search.domain_alone(), None);
        assert_eq!(Search::parse(" "), Some(Search::default()));
        for nothing in ["@", "-", ". @ …", "'"] {
            assert_eq!(Search::parse(nothing), None, "{nothing}");
        }
    }

    proptest! {
        /// What an index is asked for holds letters and digits alone, so that no sign of its language is among them.
        #[test]
        fn words_are_letters_and_digits_and_found_in_their_own_text(text in "\\PC{0,80}") {
            let found = words_of(&text);
            for word in found.split(' ').skip(1) {
                prop_assert!(word == "@" || (!word.is_empty() && word.chars().all(char::is_alphanumeric)));
            }
            for term in text.split_whitespace() {
                prop_assert!(found.contains(&words_of(term)), "{term}: {found}");
            }
        }
    }
}
