//! The settings of a newsletter: one form, in sections, with one save.
//!
//! Beside each field stands what was in it when the page was made. Only what differs from that was typed by this admin; where
//! what is stored now differs from it too, somebody else typed there meanwhile, and both are shown.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Wrong, normal};
use super::newsletters::{Head, allowed, looked_at, zones};
use crate::db;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Newsletter, Order};
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::newsletters::{self as settings, FormSet, Typed};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::form::{Form, Segment};
use crate::web::words::{frequency, list};
use crate::web::{Error, said};

pub fn routes() -> Router<App> {
    Router::new().route("/office/newsletters/{slug}", get(open).post(set))
}

const APPROVALS: [(&str, &str); 3] = [
    (Approval::NAMES[0], "nothing: it goes out at its slot"),
    (Approval::NAMES[1], "an editor approves it, or it does not go out"),
    (Approval::NAMES[2], "it goes out unless an editor holds it"),
];
const ORDERS: [(&str, &str); 3] = [
    (Order::NAMES[0], "the newest first"),
    (Order::NAMES[1], "the oldest first"),
    (Order::NAMES[2], "one of each source in turn"),
];
const MEASURES: [(&str, &str); 3] = [
    (Measure::NAMES[0], "nothing"),
    (Measure::NAMES[1], "which links they follow"),
    (Measure::NAMES[2], "which links they follow, and whether they open the mail"),
];
pub const LISTED: [(&str, &str); 2] = [
    ("yes", "yes: it stands on the public pages"),
    ("no", "no: it stands on none, and only you bring people in"),
];
const LANGUAGES: [(&str, &str); 2] =
    [("no", "every article"), ("yes", "articles in their own language only")];

/// A section of the form.
struct Section {
    /// Its place on the page.
    id: &'static str,
    name: &'static str,
    about: &'static str,
    /// A page of the office that has more, and what it has; only admins of every newsletter get there.
    more: Option<(&'static str, &'static str)>,
    fields: &'static [Asked],
}

const TEXT: Kind = Kind::Input("text");
const NUMBER: Kind = Kind::Input("number");
static SECTIONS: [Section; 7] = [
    Section {
        id: "basics",
        name: "Basics",
        about: "What readers see on the sign-up page and in their inbox. Language and time zone are for readers who have not \
                told theirs, and for new schedules.",
        more: None,
        fields: &[
            ("name", "Name", "", TEXT),
            ("description", "Description", "One sentence for the sign-up page", TEXT),
            ("language", "Language", "A language tag such as en, fr or pt-BR", TEXT),
            ("timezone", "Time zone", "A name of the IANA list such as Europe/Paris", TEXT),
            (
                "listed",
                "Listed for everybody to sign up",
                "Those who get it keep it either way, with their preferences, and past issues stay where they are",
                Kind::Choice(&LISTED),
            ),
        ],
    },
    Section {
        id: "sender",
        name: "Sender",
        about: "Who the mail is from. Large mailbox providers want a domain that signs its mail.",
        more: Some(("/office/dkim", "DKIM keys, and what DNS says of them")),
        fields: &[
            ("from", "From", "An address, with or without a name: Morning Brief <brief@example.org>", TEXT),
            ("reply-to", "Answers go to", "Empty: to the address it is from", Kind::Input("email")),
            (
                "postal-address",
                "Postal address",
                "For the foot of the mail; some laws ask for one",
                Kind::Area,
            ),
        ],
    },
    Section {
        id: "look",
        name: "Look",
        about: "How the mail is told from others at a glance.",
        more: Some(("/desk/templates", "The templates of the mails")),
        fields: &[
            ("colour", "Colour", "Of labels and links in the mail", Kind::Input("color")),
            (
                "logo-url",
                "Logo",
                "The https address of an image; empty: the name in letters",
                Kind::Input("url"),
            ),
        ],
    },
    Section {
        id: "content",
        name: "What goes in",
        about: "Which articles an issue takes, and in which order.",
        more: None,
        fields: &[
            (
                "min-articles",
                "Fewest articles",
                "With fewer, no issue goes out and they wait for the next",
                NUMBER,
            ),
            ("max-articles", "Most articles", "Up to 200", NUMBER),
            (
                "max-age-hours",
                "Greatest age in hours",
                "How old an article may be at its slot; empty: all that is new since the last issue",
                NUMBER,
            ),
            ("order", "Order", "Pinned articles stand above the others", Kind::Choice(&ORDERS)),
            ("match-language", "Readers get", "", Kind::Choice(&LANGUAGES)),
        ],
    },
    Section {
        id: "inbox",
        name: "In the inbox",
        about: "What stands there before the mail is opened, with names in double braces for what changes. An editor may write \
                other words for an issue.",
        more: None,
        fields: &[
            (
                "subject",
                "Subject",
                "{{lead.title}} is the first headline; {{newsletter.name}} the name",
                TEXT,
            ),
            ("preheader", "Preheader", "What an inbox shows behind the subject, in grey", TEXT),
        ],
    },
    Section {
        id: "approval",
        name: "Approval",
        about: "What must happen between an issue’s last article and its sending.",
        more: None,
        fields: &[
            ("approval", "Before it goes out", "", Kind::Choice(&APPROVALS)),
            (
                "cutoff-minutes",
                "Minutes from its last article to its slot",
                "From then on nothing goes in by itself",
                NUMBER,
            ),
            (
                "grace-minutes",
                "Minutes that it may be late",
                "After a standstill: what would be later than this is left out, and its articles wait for the next",
                NUMBER,
            ),
            (
                "editors",
                "Editors who are told by mail",
                "Their addresses, one on a line: they are told when an issue waits, is held or fails",
                Kind::Area,
            ),
        ],
    },
    Section {
        id: "measuring",
        name: "Measuring",
        about: "What is recorded belongs to a person, so it is personal data, though nothing of their network or device is in \
                it: say so in your privacy notice, and ask for consent where the law wants that. Readers are told under their \
                preferences, and can ask to be left out. A change counts from the next issue that goes out.",
        more: None,
        fields: &[("measure", "Of each reader is recorded", "", Kind::Choice(&MEASURES))],
    },
];

/// Every field, in the page's order.
fn asked() -> impl Iterator<Item = &'static Asked> {
    SECTIONS.iter().flat_map(|section| section.fields)
}

#[derive(Serialize)]
struct SectionShown {
    id: &'static str,
    name: &'static str,
    about: &'static str,
    more: Option<More>,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct More {
    address: &'static str,
    words: &'static str,
}

#[derive(Serialize)]
struct Page {
    head: Head,
    /// When it goes out, in words.
    when: Vec<String>,
    sections: Vec<SectionShown>,
    problems: Vec<Wrong>,
    zones: Vec<&'static str>,
}

/// A setting as its field has it.
fn shown(key: &str, value: &str) -> String {
    if key == "editors" { value.replace(", ", "\n") } else { value.to_owned() }
}

fn field(newsletter: &Newsletter, asked: &Asked, again: &Again<'_>, theirs: &[(String, String)]) -> Field {
    let kept = shown(asked.0, &settings::value(newsletter, asked.0).unwrap_or_default());
    let mut field = Field::new(again, "", *asked, &kept);
    if let Some((_, now)) = theirs.iter().find(|(key, _)| key == asked.0) {
        let words = field.options.iter().find(|option| option.value == now);
        field.theirs = words.map_or_else(|| shown(asked.0, now), |option| option.words.to_owned());
        field.is_overtaken = true;
        if field.problem.is_empty() {
            field.problem =
                "Somebody else changed this while you wrote. Look at both: what you save now holds."
                    .to_owned();
        }
    }
    (field.tells_was, field.was) = (true, kept);
    field
}

/// `GET /office/newsletters/{slug}`
async fn open(State(app): State<App>, by: SignedIn, Segment(slug): Segment) -> Result<Response, Error> {
    let newsletter = looked_at(&app, &by, &slug).await?;
    page(&app, &by, StatusCode::OK, &newsletter, &Again::default(), &[]).await
}

/// The page with the form; `theirs` is what somebody else changed while it was typed: the key, and what stands there now.
async fn page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    newsletter: &Newsletter,
    again: &Again<'_>,
    theirs: &[(String, String)],
) -> Result<Response, Error> {
    let schedules = db::newsletters::schedules_of(&mut *app.db.conn().await?, newsletter.id).await?;
    let running = schedules.iter().filter(|schedule| !schedule.paused);
    let may_all = by.user.may_everywhere(Role::Admin);
    let section = |section: &Section| SectionShown {
        id: section.id,
        name: section.name,
        about: section.about,
        more: section.more.filter(|_| may_all).map(|(address, words)| More { address, words }),
        fields: section.fields.iter().map(|asked| field(newsletter, asked, again, theirs)).collect(),
    };
    let mut sections: Vec<SectionShown> = SECTIONS.iter().map(section).collect();
    let page = Page {
        head: Head::new(newsletter, ""),
        when: running.map(|schedule| frequency(&schedule.slots)).collect(),
        problems: fields::wrong(sections.iter_mut().flat_map(|section| &mut section.fields)),
        sections,
        zones: zones(),
    };
    let address = format!("/office/newsletters/{}", newsletter.slug);
    let title = fields::title(&newsletter.name, &page.problems);
    show(by, status, &address, &title, "office/newsletter", &page)
}

/// The fields that a form has; what it does not have is not touched.
fn read(form: &Form) -> Vec<Typed> {
    let value = |key: &str, text: &str| {
        let between = |letter: char| matches!(letter, ',' | ';') || letter.is_whitespace();
        match key {
            "editors" => {
                text.split(between).filter(|address| !address.is_empty()).collect::<Vec<_>>().join(", ")
            }
            _ => normal(text),
        }
    };
    let typed = |(key, ..): &Asked| {
        let was = form.first(&format!("was-{key}")).map(|was| value(key, was));
        let is_dropped = form.fields().any(|(name, taken)| name == "take" && taken == *key);
        let typed = value(key, form.first(key)?);
        Some(Typed {
            value: was.clone().filter(|_| is_dropped).unwrap_or(typed),
            key: (*key).to_owned(),
            was,
        })
    };
    asked().filter_map(typed).collect()
}

/// `POST /office/newsletters/{slug}`: all settings that the form has, or none.
async fn set(State(app): State<App>, Segment(slug): Segment, act: Act) -> Result<Response, Error> {
    let newsletter = allowed(&app, &act, &slug, "newsletter.set").await?;
    let typed = read(&act.form);
    match settings::set_form(&app, &act.by.actor(), newsletter.id, &typed).await? {
        FormSet::Changed { changed, meanwhile } => {
            let mut words = match changed.is_empty() {
                true => "Everything is as it was: there was nothing to save.".to_owned(),
                false => format!("Saved: {}. {}", labels(&changed), settings::counts(&named(&changed))),
            };
            if !meanwhile.is_empty() {
                words += &format!(" Somebody else changed meanwhile: {}. That is kept.", labels(&meanwhile));
            }
            Ok(said::then_say(&app, &format!("/office/newsletters/{slug}"), words))
        }
        FormSet::Refused { problems, theirs } => {
            // What stands there now, but for what this admin typed.
            let newsletter = looked_at(&app, &act.by, &slug).await?;
            let is_own = |field: &&Typed| field.was.as_ref() != Some(&field.value);
            let as_typed = |field: &Typed| (field.key.clone(), normal(act.form.get(&field.key)));
            let typed: Vec<_> = typed.iter().filter(is_own).map(as_typed).collect();
            let again = Again { form: "", typed, problems };
            page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &newsletter, &again, &theirs).await
        }
    }
}

/// These settings with their labels, in the page's order.
fn named(keys: &[String]) -> Vec<(&'static str, &'static str)> {
    let all = asked().filter(|(key, ..)| keys.iter().any(|changed| changed == key));
    all.map(|(key, label, ..)| (*key, *label)).collect()
}

/// "Colour and Logo"
fn labels(keys: &[String]) -> String {
    list(&named(keys).into_iter().map(|(_, label)| label.to_owned()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::newsletters::KEYS;

    #[test]
    fn every_setting_stands_in_a_section() {
        let keys: Vec<&str> = asked().map(|(key, ..)| *key).collect();
        for (key, _) in KEYS.iter().filter(|(key, _)| *key != "topics") {
            assert_eq!(keys.iter().filter(|known| *known == key).count(), 1, "{key}");
        }
        assert_eq!(keys.len(), KEYS.len() - 1);
    }
}
