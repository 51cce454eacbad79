//! Passwords that are guessed first. Length alone keeps nobody out who tries what people type most: digits in a row, a row
//! of keys, their own address.
//!
//! What anybody could guess is taken away from a password, and what is left must be worth guessing. That is a page of code
//! and a few words; a crate that estimates strength (zxcvbn was weighed) brings a megabyte of names and words of English.

/// So many characters must be left of a password without what anybody could guess.
const LEAST_LEFT: usize = 6;

/// So many different characters a password has at least.
const LEAST_DIFFERENT: usize = 5;

/// The longest piece whose mere repetition is refused, in characters.
const LONGEST_PIECE: usize = 6;

/// Keys and signs in a row; they are looked for backwards, too.
const ROWS: [&str; 8] = [
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// What stands in the commonest passwords of ten characters and more, as lists of those that leaked have them; a word
/// before one that is its beginning.
const COMMON: [&str; 32] = [
    "password",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "passwort",
    "motdepasse",
    "contraseña",
    "iloveyou",
    "letmein",
    "welcome",
    "changeme",
    "administrator",
    "admin",
    "football",
    "baseball",
    "basketball",
    "sunshine",
    "princess",
    "superman",
    "spiderman",
    "starwars",
    "trustno1",
    "computer",
    "internet",
    "dragon",
    "monkey",
    "michael",
    "jennifer",
    "secret",
    "login",
    "daybreak",
    "newsletter",
];

/// Why a password does not do, in a sentence; none where it does. `about`: what is known of whose it is, and of the service.
pub(super) fn why_weak(password: &str, about: &[&str]) -> Option<String> {
    let lower = password.to_lowercase();
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < LEAST_DIFFERENT {
        return Some("This password repeats the same few characters: take a sentence".to_owned());
    }
    if is_repeated(&lower) {
        return Some("This password is a short piece over and over: take a sentence".to_owned());
    }
    let mut own: Vec<String> = about.iter().flat_map(|text| words(&text.to_lowercase())).collect();
    // A whole address before its parts.
    own.sort_by_key(|word| std::cmp::Reverse(word.len()));
    if left(&without(&lower, own.iter().map(String::as_str))) < LEAST_LEFT {
        let says =
            "This password is little more than your own address or name, or this service’s: take a sentence";
        return Some(says.to_owned());
    }
    if left(&without_rows(&lower)) < LEAST_LEFT {
        let says = "This password is little more than signs in a row, as on a keyboard: take a sentence";
        return Some(says.to_owned());
    }
    let all = own.iter().map(String::as_str).chain(COMMON);
    (left(&without_rows(&without(&lower, all))) < LEAST_LEFT)
        .then(|| "This password is among the first that are tried: take a sentence".to_owned())
}

/// A text, and its parts between signs; those that are too short to be anybody's are not counted.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|sign: char| !sign.is_alphanumeric());
    let together: String = text.chars().filter(|sign| sign.is_alphanumeric()).collect();
    let all = parts.map(str::to_owned).chain([text.to_owned(), together]);
    all.filter(|word| word.chars().count() >= 3).collect()
}

fn without<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> String {
    words.fold(text.to_owned(), |text, word| text.replace(word, " "))
}

/// Three signs and more that stand in one of the rows like this are taken out.
fn without_rows(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let rows: Vec<Vec<char>> =
        ROWS.iter().flat_map(|row| [row.chars().collect(), row.chars().rev().collect()]).collect();
    let is_in_row =
        |part: &[char]| rows.iter().any(|row| row.windows(part.len()).any(|window| window == part));
    let (mut kept, mut at) = (String::new(), 0);
    while at < signs.len() {
        let longest = (3..=signs.len() - at).take_while(|length| is_in_row(&signs[at..at + length])).last();
        match longest {
            Some(length) => at += length,
            None => {
                kept.push(signs[at]);
                at += 1;
            }
        }
    }
    kept
}

/// How many signs of a text are left.
fn left(text: &str) -> usize {
    text.chars().filter(|sign| !sign.is_whitespace()).count()
}

/// Whether a text is one short piece again and again.
fn is_repeated(text: &str) -> bool {
    let signs: Vec<char> = text.chars().collect();
    let longest = LONGEST_PIECE.min(signs.len() / 2);
    (1..=longest).any(|length| signs.iter().enumerate().all(|(at, sign)| *sign == signs[at % length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: [&str; 3] = ["ann.reed@example.org", "Ann Reed", "news.example.org"];

    #[test]
    fn what_is_guessed_first_is_refused() {
        for (password, why) in [
            ("aaaaaaaaaa", "the same few"),
            ("abababababab", "the same few"),
            ("1112223334", "the same few"),
            ("hello1hello1", "over and over"),
            ("1234567890", "in a row"),
            ("0987654321", "in a row"),
            ("123456789012", "in a row"),
            ("abcdefghijk", "in a row"),
            ("Qwertyuiop1", "in a row"),
            ("asdfghjkl123", "in a row"),
            ("1q2w3e4r5t6y", "in a row"),
            ("ann.reed@example.org", "your own address"),
            ("Ann.Reed@Example.org1", "your own address"),
            ("annreed2026", "your own address"),
            ("news.example.org", "your own address"),
            ("password123", "the first that are tried"),
            ("Password2026", "the first that are tried"),
            ("P@ssw0rd1234", "the first that are tried"),
            ("iloveyou1234", "the first that are tried"),
            ("administrator", "the first that are tried"),
            ("welcome-ann-1", "the first that are tried"),
        ] {
            let says = why_weak(password, &ABOUT);
            assert!(says.as_ref().is_some_and(|says| says.contains(why)), "{password}: {says:?}");
        }
    }

    #[test]
    fn what_people_think_of_themselves_is_taken() {
        for password in [
            "mornings are for reading",
            "a ferry leaves at four",
            "correct horse battery staple",
            "Tr0ub4dor&3x",
            "xK9#mQ2$vL",
            "ann likes her coffee black",
            "утро вечера мудренее",
            "朝は読書のためにある時間です",
        ] {
            assert_eq!(why_weak(password, &ABOUT), None, "{password}");
        }
        // Whoever is called by two letters is not refused every word that holds them.
        assert_eq!(why_weak("jobs to be done", &["jo@example.org", "Jo", "example.org"]), None);
    }
}
