//! The newsletters: which there are, and a new one. What can be set of each is on pages of its own.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Wrong, typed};
use super::words::{When, counted, when};
use super::{newsletter_settings, newsletter_topics, schedules};
use crate::db;
use crate::domain::newsletter::Newsletter;
use crate::domain::user::Role;
use crate::pipeline::newsletters::{self as settings, NewNewsletter};
use crate::pipeline::population::population;
use crate::pipeline::{self, App};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::words::frequency;
use crate::web::{Error, said};

const PATH: &str = "/office/newsletters";

/// How long the page waits for readers who were never counted before.
const COUNTING: Duration = Duration::from_secs(1);

pub fn routes() -> Router<App> {
    Router::new()
        .route(PATH, get(all).post(add))
        .merge(newsletter_settings::routes())
        .merge(newsletter_topics::routes())
        .merge(schedules::routes())
}

/// The newsletter of an address.
async fn find(app: &App, slug: &str) -> Result<Newsletter, Error> {
    let found = db::newsletters::find(&mut *app.db.conn().await?, slug).await?;
    found.ok_or(Error::NotFound)
}

/// The newsletter of an address, for somebody who may look at its pages here.
pub async fn looked_at(app: &App, by: &SignedIn, slug: &str) -> Result<Newsletter, Error> {
    let newsletter = find(app, slug).await?;
    by.require(app, Role::Admin, newsletter.id, "newsletter.look", slug).await?;
    Ok(newsletter)
}

/// The newsletter of an address, where somebody may change it.
pub async fn allowed(app: &App, act: &Act, slug: &str, action: &str) -> Result<Newsletter, Error> {
    let newsletter = find(app, slug).await?;
    act.by.require(app, Role::Admin, newsletter.id, action, slug).await?;
    Ok(newsletter)
}

/// What the pages of one newsletter begin with.
#[derive(Serialize)]
pub struct Head {
    slug: String,
    name: String,
    tabs: [Tab; 3],
}

#[derive(Serialize)]
struct Tab {
    address: String,
    words: &'static str,
    here: bool,
}

/// The pages of one newsletter: what stands behind its address, and what each is called.
const PAGES: [(&str, &str); 3] = [("", "Settings"), ("/schedules", "Schedules"), ("/topics", "Topics")];

impl Head {
    /// `page`: what stands behind the newsletter's address.
    pub fn new(newsletter: &Newsletter, page: &str) -> Self {
        let tab = |(behind, words): (&str, &'static str)| Tab {
            address: format!("{PATH}/{}{behind}", newsletter.slug),
            words,
            here: behind == page,
        };
        Self { slug: newsletter.slug.clone(), name: newsletter.name.clone(), tabs: PAGES.map(tab) }
    }
}

#[derive(Serialize)]
struct List {
    newsletters: Vec<Row>,
    may_add: bool,
    fields: Vec<Field>,
    problems: Vec<Wrong>,
    zones: Vec<&'static str>,
}

#[derive(Serialize)]
struct Row {
    slug: String,
    /// Who gets what is sent, where that is known; and when they were counted, where that was a while ago.
    readers: Option<String>,
    counted: Option<When>,
    name: String,
    description: String,
    when: String,
    from: String,
    is_listed: bool,
}

/// What is asked of a new newsletter.
const NEW: [Asked; 6] = [
    ("name", "Name", "As readers see it: Morning Brief", Kind::Input("text")),
    (
        "slug",
        "Slug",
        "Names it in addresses: lower-case letters, digits and hyphens, such as morning-brief. It cannot be changed later.",
        Kind::Input("text"),
    ),
    (
        "from",
        "From",
        "The address it is sent from, with or without a name: Morning Brief <brief@example.org>",
        Kind::Input("text"),
    ),
    ("language", "Language", "A language tag such as en, fr or pt-BR", Kind::Input("text")),
    ("timezone", "Time zone", "A name of the IANA list such as Europe/Paris", Kind::Input("text")),
    (
        "listed",
        "Listed for everybody to sign up",
        "From now on; it can be changed at any time",
        Kind::Choice(&newsletter_settings::LISTED),
    ),
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
    let people = population(app, COUNTING).await?;
    let now = app.clock.now();
    let mut rows = vec![];
    for newsletter in newsletters.into_iter().filter(|newsletter| by.user.may(Role::Admin, newsletter.id)) {
        let own = all.iter().filter(|schedule| schedule.newsletter_id == newsletter.id && !schedule.paused);
        let slots: Vec<String> = own.map(|schedule| frequency(&schedule.slots)).collect();
        rows.push(Row {
            when: if slots.is_empty() { "It has no schedule that runs".to_owned() } else { slots.join("; ") },
            readers: people
                .as_ref()
                .map(|people| counted(people.readers_of(newsletter.id), "reader", "readers")),
            counted: people
                .as_ref()
                .filter(|people| people.is_kept)
                .map(|people| when(people.counted_at(), now)),
            from: newsletter.from.address.to_string(),
            is_listed: newsletter.is_listed,
            slug: newsletter.slug,
            name: newsletter.name,
            description: newsletter.description,
        });
    }
    let kept = |name: &str| match name {
        "language" => "en",
        "timezone" => "UTC",
        "listed" => "yes",
        _ => "",
    };
    let mut fields: Vec<Field> =
        NEW.iter().map(|field| Field::new(again, "new", *field, kept(field.0))).collect();
    let page = List {
        newsletters: rows,
        may_add: by.user.may_everywhere(Role::Admin),
        problems: fields::wrong(&mut fields),
        fields,
        zones: zones(),
    };
    let title = fields::title("Newsletters", &page.problems);
    show(by, status, PATH, &title, "office/newsletters", &page)
}

/// Every zone that a form takes.
pub fn zones() -> Vec<&'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect()
}

/// `POST /office/newsletters`
async fn add(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let slug: String = act.form.get("slug").trim().chars().take(60).collect();
    act.by.require_everywhere(&app, Role::Admin, "newsletter.add", &slug).await?;
    let typed = typed(&act.form, NEW.iter().map(|(name, ..)| *name));
    let new = new(&typed);
    let mut problems = settings::problems_of_new(&new);
    if problems.is_empty() {
        match settings::add(&app, &act.by.actor(), &new).await {
            Ok(newsletter) => {
                let words = format!(
                    "{} is there. It goes out once it has a schedule, which you add here, and a source.",
                    newsletter.name
                );
                let to = format!("{PATH}/{}/schedules", newsletter.slug);
                return Ok(said::then_say(&app, &to, words));
            }
            // All else was looked at: only the slug can be somebody else's.
            Err(pipeline::Error::Invalid(says)) => problems.push(("slug".to_owned(), says)),
            Err(error) => return Err(error.into()),
        }
    }
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
        settings: if get("listed").as_deref() == Some("no") { vec!["listed=no".to_owned()] } else { vec![] },
    }
}
