//! What the two pages of an issue share: the editor's, where the text is the page; and the issue to read, where it no
//! longer changes or somebody only looks.

use serde::Serialize;

use super::words::{self, Moment, State};
use crate::db::composing::Step;
use crate::domain::calendar::Timestamp;
use crate::domain::composition::Field;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::web::words::zone_name;

/// The longest sentence about a save: it travels in a cookie.
const LONGEST_WORDS: usize = 300;

/// What stands above both pages.
#[derive(Serialize)]
pub struct Head {
    pub id: i64,
    pub title: String,
    newsletter: String,
    newsletter_slug: String,
    state: State,
    says: String,
    /// Where it is given another time, while it has not gone out.
    move_to: Option<String>,
    /// Where it is sent, or watched.
    next: Option<Next>,
}

#[derive(Serialize)]
struct Next {
    href: String,
    words: &'static str,
}

impl Head {
    pub fn of(
        issue: &Issue,
        newsletter: &Newsletter,
        schedule: Option<&Schedule>,
        now: Timestamp,
        may_edit: bool,
    ) -> Self {
        let next = match issue.state {
            IssueState::Draft | IssueState::Frozen if may_edit => Some(("send", "Approve or send")),
            IssueState::Approved if may_edit => Some(("send", "Hold or send now")),
            IssueState::Sending | IssueState::Paused => Some(("live", "Watch it go out")),
            IssueState::Sent => Some(("live", "See its results")),
            _ => None,
        };
        let zone = schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone);
        let number = if issue.number > 0 { format!(", No. {}", issue.number) } else { String::new() };
        let when = |at| words::when(at, now, zone);
        let slot = format!("{} ({})", when(issue.slot_at), zone_name(zone));
        let since = issue.frozen_at.map(|at| format!("It froze {}", when(at)));
        let since = since.unwrap_or_else(|| "It never froze".to_owned());
        let because = issue.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let says = match issue.state {
            IssueState::Draft if schedule.is_none() => "Goes out when an editor sends it.".to_owned(),
            IssueState::Draft => format!("Freezes {} and goes out {slot}.", when(issue.cutoff_at)),
            IssueState::Frozen if issue.held => {
                format!("{since} and no longer changes. An editor holds it: it goes out once it is approved.")
            }
            IssueState::Frozen => format!("{since} and no longer changes. It is for {slot}."),
            IssueState::Approved => format!("{since} and no longer changes. It goes out {slot}."),
            IssueState::Sending => {
                format!("{since} and no longer changes: it has been going out since {slot}.")
            }
            IssueState::Paused => format!("{since} and no longer changes. Its sending is paused{because}."),
            IssueState::Sent => format!("{since} and no longer changes. It went out {slot}."),
            IssueState::Cancelled => format!("It was cancelled and no longer changes{because}."),
            IssueState::Skipped => format!("It was skipped and no longer changes{because}."),
        };
        let may_move = match issue.state {
            IssueState::Draft => may_edit && schedule.is_some(),
            IssueState::Frozen | IssueState::Approved => may_edit,
            _ => false,
        };
        Self {
            move_to: may_move.then(|| format!("/desk/issues/{}/send#do-move", issue.id)),
            id: issue.id,
            title: format!("{} {}{number}", words::whose(issue.slot_at, now, zone), newsletter.name),
            newsletter: newsletter.name.clone(),
            newsletter_slug: newsletter.slug.clone(),
            state: words::state(issue),
            says,
            next: next.map(|(page, words)| Next { href: format!("/desk/issues/{}/{page}", issue.id), words }),
        }
    }
}

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
    at: Moment,
}

pub fn steps(steps: Vec<Step>, now: Timestamp, zone: chrono_tz::Tz) -> Vec<StepView> {
    let view = |step: Step| StepView {
        version: step.version,
        who: step.who,
        what: step.what,
        at: Moment::past(step.at, now, zone),
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
