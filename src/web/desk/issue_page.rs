//! What the two pages of an issue share: the editor's, where the text is the page; and the issue to read, where it no
//! longer changes or somebody only looks.

use serde::Serialize;

use super::words::Moment;
use crate::db::composing::Step;
use crate::domain::calendar::Timestamp;
use crate::domain::composition::Field;

/// The longest sentence about a save: it travels in a cookie.
const LONGEST_WORDS: usize = 300;

/// How much of a line inboxes show.
#[derive(Serialize)]
pub struct Length {
    printed: String,
    count: usize,
    says: &'static str,
    cuts: Vec<Cut>,
}

#[derive(Serialize)]
struct Cut {
    place: &'static str,
    text: String,
}

/// What inboxes show of a line, in characters: about.
const WIDTHS: [(&str, usize); 3] = [("A phone", 40), ("A narrow window", 50), ("A wide window", 90)];

impl Length {
    pub fn of(printed: &str) -> Self {
        let count = printed.chars().count();
        let cut = |(place, width): (&'static str, usize)| Cut {
            place,
            text: match count > width {
                true => format!("{}…", printed.chars().take(width).collect::<String>().trim_end()),
                false => printed.to_owned(),
            },
        };
        let says = match count {
            0 => "there is nothing to show",
            1..=40 => "all of it is seen everywhere, also on a phone",
            41..=50 => "a phone shows about 40 of them",
            51..=90 => "a phone shows about 40 of them, a narrow window 50",
            _ => "few see all of it: a phone shows about 40 of them, a narrow window 50, a wide one 90",
        };
        Self { count, says, cuts: WIDTHS.map(cut).into(), printed: printed.to_owned() }
    }
}

/// A step of the history.
#[derive(Serialize)]
pub struct StepView {
    version: i64,
    who: String,
    what: String,
    /// What else was done in it, where that was much.
    more: Option<More>,
    at: Moment,
}

#[derive(Serialize)]
struct More {
    words: String,
    whats: Vec<String>,
}

/// What of a step is told at once, where there is more than one thing besides.
const TOLD: usize = 2;

/// A step in words, and what is folded under it.
fn folded(what: &str) -> (String, Option<More>) {
    let parts = parts(what);
    if parts.len() <= TOLD + 1 {
        return (what.to_owned(), None);
    }
    let (told, rest) = parts.split_at(TOLD);
    let whats: Vec<String> = rest.iter().map(|part| (*part).to_owned()).collect();
    (told.join("; "), Some(More { words: format!("and {} more", whats.len()), whats }))
}

/// The changes of a step, which stand one behind the other: "put “Ferry; a story” in; changed the subject". A title may
/// have the same sign in it.
fn parts(what: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (vec![], 0, 0_usize);
    for (index, letter) in what.char_indices() {
        match letter {
            '“' => depth += 1,
            '”' => depth = depth.saturating_sub(1),
            ';' if depth == 0 && what[index..].starts_with("; ") => {
                parts.push(&what[start..index]);
                start = index + 2;
            }
            _ => {}
        }
    }
    parts.push(&what[start..]);
    parts
}

pub fn steps(steps: Vec<Step>, now: Timestamp, zone: chrono_tz::Tz) -> Vec<StepView> {
    let view = |step: Step| {
        let (what, more) = folded(&step.what);
        let at = Moment::past(step.at, now, zone);
        StepView { version: step.version, who: step.who, what, more, at }
    };
    steps.into_iter().map(view).collect()
}

#[derive(Serialize)]
pub struct LostText {
    pub name: String,
    pub label: String,
    pub text: String,
}

/// A text that was not saved, to copy.
pub fn lost_text(field: Field, text: &str) -> LostText {
    let label = match field {
        Field::Introduction => "Introduction",
        Field::Subject => "Subject",
        Field::Preheader => "Preheader",
        Field::Headline(_) => "Headline",
        Field::Summary(_) => "Summary",
        Field::Alt(_) => "What the picture shows",
        Field::Decorative(_) => "The picture is decorative",
        Field::Heading(_) => "Heading",
    };
    LostText { name: field.to_string(), label: label.to_owned(), text: text.to_owned() }
}

/// "Changed the subject." of "changed the subject".
pub fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let rest: String = letters.collect();
    match rest.chars().count() > LONGEST_WORDS {
        true => format!("{first}{}…", rest.chars().take(LONGEST_WORDS).collect::<String>()),
        false => format!("{first}{rest}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_many_changes_is_folded_behind_the_first_two() {
        let few = "put “Ferry; a story” in; took “Storm” out; changed the subject";
        let (what, more) = folded(few);
        assert!(what == few && more.is_none());
        let (what, more) = folded(&format!("{few}; changed the preheader; wrote the headline of “A; B”"));
        let more = more.unwrap();
        assert_eq!(
            (what.as_str(), more.words.as_str()),
            ("put “Ferry; a story” in; took “Storm” out", "and 3 more")
        );
        assert_eq!(
            more.whats,
            ["changed the subject", "changed the preheader", "wrote the headline of “A; B”"]
        );
    }

    #[test]
    fn a_line_is_measured_as_inboxes_show_it() {
        let short = Length::of("The night train is back");
        assert_eq!((short.count, short.says), (23, "all of it is seen everywhere, also on a phone"));
        assert!(short.cuts.iter().all(|cut| cut.text == "The night train is back"));
        let long = Length::of(&"Où l’été ".repeat(12));
        assert_eq!(long.count, 108);
        assert_eq!(long.cuts[0].text.chars().count(), 41);
        assert!(long.cuts[0].text.ends_with('…') && long.says.starts_with("few see all of it"));
    }
}
