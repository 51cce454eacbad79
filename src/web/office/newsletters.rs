//! The newsletters: which there are, a new one, and the settings of each, one idea a section.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::schedules::{self, Planned};
use crate::db;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Newsletter, Order};
use crate::domain::user::Role;
use crate::pipeline::newsletters::{self as settings, FormSet, KEYS, NewNewsletter};
use crate::pipeline::{self, App, topics};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::form::{Form, Segment};
use crate::web::words::{frequency, list};
use crate::web::{Error, said};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/office/newsletters", get(all).post(add))
        .route("/office/newsletters/{slug}", get(open).post(set))
        .route("/office/newsletters/{slug}/topics", post(change_topic))
        .merge(schedules::routes())
}

/// What is wrong with a form, by field.
pub type Problems = Vec<(String, String)>;

/// What was typed into a form that is shown again, and what is wrong with it.
#[derive(Default)]
pub struct Again<'f> {
    /// Which form.
    pub form: &'f str,
    pub typed: Vec<(String, String)>,
    pub problems: Problems,
}

impl Again<'_> {
    fn typed(&self, form: &str, name: &str) -> Option<&str> {
        let typed = (self.form == form).then_some(&self.typed)?;
        typed.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn problem(&self, form: &str, name: &str) -> String {
        let problems = if self.form == form { self.problems.as_slice() } else { &[] };
        problems.iter().find(|(key, _)| key == name).map(|(_, says)| says.clone()).unwrap_or_default()
    }
}

/// A field of a form, for the partial `office/field`.
#[derive(Serialize)]
pub struct Field {
    pub name: String,
    pub id: String,
    pub label: &'static str,
    pub help: &'static str,
    pub value: String,
    pub problem: String,
    /// The `type` of an input; empty for the others.
    pub kind: &'static str,
    pub is_area: bool,
    pub options: Vec<Choice>,
}

#[derive(Serialize)]
pub struct Choice {
    pub value: &'static str,
    pub words: &'static str,
    pub chosen: bool,
}

/// How a field is typed.
#[derive(Clone, Copy)]
pub enum Kind {
    Input(&'static str),
    Area,
    /// One of these values, with what they mean.
    Choice(&'static [(&'static str, &'static str)]),
}

impl Field {
    pub fn new(
        again: &Again<'_>,
        form: &str,
        of: (&str, &'static str, &'static str, Kind),
        kept: &str,
    ) -> Self {
        let (name, label, help, kind) = of;
        let value = again.typed(form, name).unwrap_or(kept).to_owned();
        let options = match kind {
            Kind::Choice(options) => options,
            Kind::Input(_) | Kind::Area => &[],
        };
        Self {
            options: options
                .iter()
                .map(|(option, words)| Choice { value: option, words, chosen: *option == value })
                .collect(),
            id: format!("{form}-{name}"),
            problem: again.problem(form, name),
            name: name.to_owned(),
            label,
            help,
            kind: if let Kind::Input(kind) = kind { kind } else { "" },
            is_area: matches!(kind, Kind::Area),
            value,
        }
    }
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
const LANGUAGES: [(&str, &str); 2] =
    [("no", "every article"), ("yes", "articles in their own language only")];

/// The sections of the settings: what each is called, what it is about, and its keys with their labels.
type Section = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str, Kind)]);

const TEXT: Kind = Kind::Input("text");
const SECTIONS: [Section; 8] = [
    (
        "name",
        "Name",
        "What readers see on the sign-up page and in their inbox.",
        &[("name", "Name", TEXT), ("description", "Description", TEXT)],
    ),
    (
        "sender",
        "Sender",
        "Who the mail is from. Large mailbox providers want a domain that signs its mail: see DKIM under Relays.",
        &[
            ("from", "From", TEXT),
            ("reply-to", "Answers go to", Kind::Input("email")),
            ("postal-address", "Postal address", Kind::Area),
        ],
    ),
    (
        "language",
        "Language and time zone",
        "For readers who have not told theirs, and for new schedules.",
        &[
            ("language", "Language", TEXT),
            ("timezone", "Time zone", TEXT),
            ("match-language", "Readers get", Kind::Choice(&LANGUAGES)),
        ],
    ),
    (
        "look",
        "Look",
        "How the mail is told from others at a glance.",
        &[("colour", "Colour", TEXT), ("logo-url", "Logo", Kind::Input("url"))],
    ),
    (
        "content",
        "What goes in",
        "Which articles an issue takes, and in which order.",
        &[
            ("min-articles", "Fewest articles", Kind::Input("number")),
            ("max-articles", "Most articles", Kind::Input("number")),
            ("max-age-hours", "Greatest age in hours", Kind::Input("number")),
            ("order", "Order", Kind::Choice(&ORDERS)),
        ],
    ),
    (
        "inbox",
        "In the inbox",
        "What stands there before the mail is opened. An editor may write other words for an issue.",
        &[("subject", "Subject", TEXT), ("preheader", "Preheader", TEXT)],
    ),
    (
        "approval",
        "Approval",
        "What must happen between an issue's last article and its sending.",
        &[
            ("approval", "Before it goes out", Kind::Choice(&APPROVALS)),
            ("cutoff-minutes", "Minutes from its last article to its slot", Kind::Input("number")),
            ("grace-minutes", "Minutes that it may be late", Kind::Input("number")),
            ("editors", "Editors who are told by mail", Kind::Area),
        ],
    ),
    (
        "measuring",
        "Measuring",
        "What is recorded belongs to a person, so it is personal data, though nothing of their network or device is in it: \
         say so in your privacy notice, and ask for consent where the law wants that. Readers are told under their \
         preferences, and can ask to be left out. A change counts from the next issue that goes out.",
        &[("measure", "Of each reader is recorded", Kind::Choice(&MEASURES))],
    ),
];

#[derive(Serialize)]
struct SectionShown {
    form: &'static str,
    name: &'static str,
    about: &'static str,
    fields: Vec<Field>,
}

fn sections(newsletter: &Newsletter, again: &Again<'_>) -> Vec<SectionShown> {
    let help = |key: &str| KEYS.iter().find(|(known, _)| *known == key).map_or("", |(_, help)| help);
    let section = |(form, name, about, keys): &Section| SectionShown {
        form,
        name,
        about,
        fields: keys
            .iter()
            .map(|(key, label, kind)| {
                let kept = settings::value(newsletter, key).unwrap_or_default();
                Field::new(again, form, (key, label, help(key), *kind), &kept)
            })
            .collect(),
    };
    SECTIONS.iter().map(section).collect()
}

#[derive(Serialize)]
struct List {
    newsletters: Vec<Row>,
    may_add: bool,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Row {
    slug: String,
    name: String,
    description: String,
    when: String,
    from: String,
}

/// What is asked of a new newsletter.
const NEW: [(&str, &str, &str, Kind); 5] = [
    ("name", "Name", "As readers see it: Morning Brief", TEXT),
    (
        "slug",
        "Slug",
        "For addresses and the command line: lower-case letters, digits and hyphens, such as morning-brief. It cannot be \
         changed later.",
        TEXT,
    ),
    ("from", "From", "The address it is sent from", Kind::Input("email")),
    ("language", "Language", "A language tag such as en, fr or pt-BR", TEXT),
    ("timezone", "Time zone", "A name of the IANA list such as Europe/Paris", TEXT),
];

/// `GET /office/newsletters`
async fn all(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    if !by.user.may_somewhere(Role::Admin) {
        by.require_everywhere(&app, Role::Admin, "newsletter.look", "the newsletters").await?;
    }
    list_page(&app, &by, StatusCode::OK, &Again::default()).await
}

async fn list_page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    again: &Again<'_>,
) -> Result<Response, Error> {
    let mut conn = app.db.conn().await?;
    let newsletters = db::newsletters::list(&mut conn).await?;
    let all = db::newsletters::schedules(&mut conn).await?;
    drop(conn);
    let mut rows = vec![];
    for newsletter in newsletters.into_iter().filter(|newsletter| by.user.may(Role::Admin, newsletter.id)) {
        let own = all.iter().filter(|schedule| schedule.newsletter_id == newsletter.id && !schedule.paused);
        let when: Vec<String> = own.map(|schedule| frequency(&schedule.slots)).collect();
        rows.push(Row {
            when: if when.is_empty() { "It has no schedule that runs".to_owned() } else { when.join("; ") },
            from: newsletter.from.address.to_string(),
            slug: newsletter.slug,
            name: newsletter.name,
            description: newsletter.description,
        });
    }
    let kept = |name: &str| match name {
        "language" => "en",
        "timezone" => "UTC",
        _ => "",
    };
    let page = List {
        newsletters: rows,
        may_add: by.user.may_everywhere(Role::Admin),
        fields: NEW.iter().map(|field| Field::new(again, "new", *field, kept(field.0))).collect(),
    };
    show(by, status, "/office/newsletters", "Newsletters", "office/newsletters", &page)
}

/// `POST /office/newsletters`
async fn add(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let slug: String = act.form.get("slug").trim().chars().take(60).collect();
    act.by.require_everywhere(&app, Role::Admin, "newsletter.add", &slug).await?;
    let typed = typed(&act.form, NEW.iter().map(|(name, ..)| *name));
    let problems = settings::problems_of_new(&new(&typed));
    let problems = match problems.is_empty() {
        true => match settings::add(&app, &act.by.actor(), &new(&typed)).await {
            Ok(newsletter) => {
                let words =
                    format!("{} is there. It goes out once it has a schedule and a source.", newsletter.name);
                return Ok(said::then_say(&app, &format!("/office/newsletters/{}", newsletter.slug), words));
            }
            // All else was looked at: only the slug can be somebody else's.
            Err(pipeline::Error::Invalid(says)) => vec![("slug".to_owned(), says)],
            Err(error) => return Err(error.into()),
        },
        false => problems,
    };
    let again = Again { form: "new", typed, problems };
    list_page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &again).await
}

fn new(typed: &[(String, String)]) -> NewNewsletter {
    let get = |name: &str| typed.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    NewNewsletter {
        slug: get("slug").unwrap_or_default(),
        name: get("name").unwrap_or_default(),
        from: get("from").unwrap_or_default(),
        timezone: get("timezone").unwrap_or_default(),
        language: get("language").unwrap_or_default(),
        settings: vec![],
    }
}

/// These fields of a form.
pub fn typed<'n>(form: &Form, names: impl Iterator<Item = &'n str>) -> Vec<(String, String)> {
    names.map(|name| (name.to_owned(), form.get(name).replace("\r\n", "\n").trim().to_owned())).collect()
}

/// The newsletter of an address.
async fn find(app: &App, slug: &str) -> Result<Newsletter, Error> {
    let found = db::newsletters::find(&mut *app.db.conn().await?, slug).await?;
    found.ok_or(Error::NotFound)
}

/// The newsletter of an address, where somebody may change it.
pub async fn allowed(app: &App, act: &Act, slug: &str, action: &str) -> Result<Newsletter, Error> {
    let newsletter = find(app, slug).await?;
    act.by.require(app, Role::Admin, newsletter.id, action, slug).await?;
    Ok(newsletter)
}

#[derive(Serialize)]
struct Page {
    slug: String,
    name: String,
    sections: Vec<SectionShown>,
    topics: Vec<Topic>,
    new_topic: Field,
    schedules: Vec<Planned>,
    new_schedule: Vec<Field>,
    new_schedule_open: bool,
    problems: Vec<Linked>,
    zones: Vec<&'static str>,
}

#[derive(Serialize)]
struct Topic {
    id: i64,
    slug: String,
    field: Field,
}

/// A problem, and where its field is.
#[derive(Serialize)]
struct Linked {
    field: String,
    says: String,
}

/// `GET /office/newsletters/{slug}`
async fn open(State(app): State<App>, by: SignedIn, Segment(slug): Segment) -> Result<Response, Error> {
    let newsletter = find(&app, &slug).await?;
    by.require(&app, Role::Admin, newsletter.id, "newsletter.look", &slug).await?;
    page(&app, &by, StatusCode::OK, &newsletter, &Again::default()).await
}

/// A newsletter's page, with a form as it was typed.
pub async fn page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    newsletter: &Newsletter,
    again: &Again<'_>,
) -> Result<Response, Error> {
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?;
    let topic = |topic: &crate::domain::topic::Topic| Topic {
        id: topic.id,
        slug: topic.slug.clone(),
        field: Field::new(again, &format!("topic-{}", topic.id), ("name", "Name", "", TEXT), &topic.name),
    };
    let problem = |(field, says): &(String, String)| Linked {
        field: format!("{}-{field}", again.form),
        says: says.clone(),
    };
    let page = Page {
        slug: newsletter.slug.clone(),
        name: newsletter.name.clone(),
        sections: sections(newsletter, again),
        topics: topics.iter().map(topic).collect(),
        new_topic: Field::new(
            again,
            "topic",
            ("name", "A new topic", "Readers may choose it at once.", TEXT),
            "",
        ),
        schedules: schedules::planned(app, newsletter, again).await?,
        new_schedule: schedules::new_fields(newsletter, again),
        new_schedule_open: again.form == "schedule",
        problems: again.problems.iter().map(problem).collect(),
        zones: chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect(),
    };
    let address = format!("/office/newsletters/{}", newsletter.slug);
    show(by, status, &address, &newsletter.name, "office/newsletter", &page)
}

/// `POST /office/newsletters/{slug}`: one section of the settings.
async fn set(State(app): State<App>, Segment(slug): Segment, act: Act) -> Result<Response, Error> {
    let newsletter = allowed(&app, &act, &slug, "newsletter.set").await?;
    let asked = act.form.get("section");
    let (form, name, _, keys) = SECTIONS.iter().find(|(form, ..)| *form == asked).ok_or(Error::NotFound)?;
    let typed = typed(&act.form, keys.iter().map(|(key, ..)| *key));
    let as_set = |(key, value): &(String, String)| {
        // The command line has one line for these.
        let value = if key == "editors" { value.replace('\n', " ") } else { value.clone() };
        (key.clone(), value)
    };
    let fields: Vec<(String, String)> = typed.iter().map(as_set).collect();
    match settings::set_form(&app, &act.by.actor(), &slug, &fields).await? {
        FormSet::Changed(changed) if changed.is_empty() => {
            let words = format!("“{name}” is as it was: there was nothing to save.");
            Ok(said::then_say(&app, &format!("/office/newsletters/{slug}"), words))
        }
        FormSet::Changed(changed) => {
            let labels: Vec<String> = keys
                .iter()
                .filter(|(key, ..)| changed.iter().any(|changed| changed == key))
                .map(|(_, label, _)| (*label).to_owned())
                .collect();
            let words = format!("Saved: {}. It counts from the next issue that is made.", list(&labels));
            Ok(said::then_say(&app, &format!("/office/newsletters/{slug}"), words))
        }
        FormSet::Refused(problems) => {
            let again = Again { form, typed, problems };
            page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &newsletter, &again).await
        }
    }
}

/// `POST /office/newsletters/{slug}/topics`: adds, renames or removes one.
async fn change_topic(State(app): State<App>, Segment(slug): Segment, act: Act) -> Result<Response, Error> {
    let verb = act.form.get("do");
    let (action, is_new) = match verb {
        "add" => ("topic.add", true),
        "rename" => ("topic.rename", false),
        "remove" => ("topic.remove", false),
        _ => {
            allowed(&app, &act, &slug, "topic.change").await?;
            return Err(Error::NotFound);
        }
    };
    let newsletter = allowed(&app, &act, &slug, action).await?;
    let name = act.form.get("name").trim();
    let id = act.form.get("id").parse().unwrap_or(0);
    let by = &act.by.actor();
    let done = match verb {
        "add" if name.is_empty() => Err(pipeline::Error::Invalid("write the topic's name".to_owned())),
        "add" => topics::add(&app, by, newsletter.id, name).await,
        "rename" => topics::rename(&app, by, newsletter.id, id, name).await,
        _ => topics::remove(&app, by, newsletter.id, id).await,
    };
    let form = if is_new { "topic".to_owned() } else { format!("topic-{id}") };
    match done {
        Ok(topic) => {
            let words = match verb {
                "add" => format!("The topic “{}” is there.", topic.name),
                "rename" => format!(
                    "The topic is called “{}” now; articles that feeds label “{}” still come under it.",
                    topic.name, topic.slug
                ),
                _ => format!("The topic “{}” is removed.", topic.name),
            };
            Ok(said::then_say(&app, &format!("/office/newsletters/{slug}#topics"), words))
        }
        Err(pipeline::Error::Invalid(says)) => {
            let again = Again {
                form: &form,
                typed: typed(&act.form, ["name"].into_iter()),
                problems: vec![("name".to_owned(), says)],
            };
            page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, &newsletter, &again).await
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_stands_in_a_section() {
        let keys: Vec<&str> =
            SECTIONS.iter().flat_map(|(.., keys)| keys.iter().map(|(key, ..)| *key)).collect();
        for (key, _) in KEYS.iter().filter(|(key, _)| *key != "topics") {
            assert_eq!(keys.iter().filter(|known| *known == key).count(), 1, "{key}");
        }
        assert_eq!(keys.len(), KEYS.len() - 1);
    }
}
