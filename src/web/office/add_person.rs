//! Adding one person to a newsletter: a mail asks them, or consent that they gave elsewhere is put on record.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Problems};
use super::subscribers_view::{Choice, newsletter_choices};
use super::{Reach, SUBSCRIBERS, reach};
use crate::db;
use crate::domain::address::EmailAddress;
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::SubscriptionStatus;
use crate::domain::user::Role;
use crate::pipeline::import::MAX_CONSENT;
use crate::pipeline::people::{self, NewPerson};
use crate::pipeline::subscribe::{self, SignUp, clean_name};
use crate::pipeline::{self, App};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;
use crate::web::form::Form;
use crate::web::said;

const PATH: &str = "/office/subscribers/add";
const ACTION: &str = "subscriber.add";
const WHAT: &str = "a person";

pub fn routes() -> Router<App> {
    Router::new().route(PATH, get(show).post(add))
}

/// What was chosen in the form, and what was typed.
#[derive(Clone, Debug, Default, Serialize)]
struct Typed {
    email: String,
    name: String,
    topics: Vec<String>,
    /// The person agreed already; otherwise a mail asks them.
    has_agreed: bool,
    words: String,
}

impl Typed {
    fn of(form: &Form) -> Self {
        Self {
            email: form.get("email").trim().to_owned(),
            name: form.get("name").trim().to_owned(),
            topics: form.all("topic"),
            has_agreed: form.get("consent") == "given",
            words: form.get("words").trim().to_owned(),
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        let all = [("email", &self.email), ("name", &self.name), ("words", &self.words)];
        all.map(|(name, value)| (name.to_owned(), value.clone())).to_vec()
    }
}

const WHO: [Asked; 2] = [
    ("email", "E-mail address", "", Kind::Input("email")),
    ("name", "Name", "Optional", Kind::Input("text")),
];
const CONSENT: Asked = (
    "words",
    "What they agreed to, and how",
    "For instance: asked for it by telephone on 3 March",
    Kind::Area,
);

/// What keeps somebody from being added.
enum Wrong {
    Fields(Problems),
    /// The newsletter has them already: where they are.
    Already(String),
}

#[derive(Serialize)]
struct Page {
    /// To choose from, where none is chosen yet.
    newsletters: Vec<Choice>,
    newsletter: String,
    slug: String,
    topics: Vec<Choice>,
    typed: Typed,
    who: Vec<Field>,
    /// What they agreed to: a field, or none where no newsletter is chosen yet.
    consent: Vec<Field>,
    problems: Vec<fields::Wrong>,
    /// Where the person is whom the newsletter has already.
    already: Option<String>,
}

/// `GET /office/subscribers/add?newsletter=…`: which newsletter, where there are several, and then who.
async fn show(State(app): State<App>, RawQuery(query): RawQuery, by: SignedIn) -> Result<Response, Error> {
    let reach = reach(&app, &by, ACTION, WHAT).await?;
    let slug = Form::of_query(query.as_deref()).get("newsletter").to_owned();
    let mut newsletters = db::newsletters::list(&mut *app.db.conn().await?).await?;
    newsletters.retain(|newsletter| reach.holds(newsletter.id));
    let one = match newsletters.as_slice() {
        [only] if slug.is_empty() => Some(only.clone()),
        _ => newsletters.iter().find(|newsletter| newsletter.slug == slug).cloned(),
    };
    match one {
        Some(newsletter) => page(&app, &by, &newsletter, Typed::default(), None).await,
        None => {
            let page = Page {
                newsletters: newsletter_choices(&newsletters, ""),
                newsletter: String::new(),
                slug: String::new(),
                topics: vec![],
                typed: Typed::default(),
                who: vec![],
                consent: vec![],
                problems: vec![],
                already: None,
            };
            desk::show(&by, StatusCode::OK, SUBSCRIBERS, "Add a person", "office/add_person", &page)
        }
    }
}

async fn page(
    app: &App,
    by: &SignedIn,
    newsletter: &Newsletter,
    typed: Typed,
    wrong: Option<Wrong>,
) -> Result<Response, Error> {
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?;
    let choice = |topic: crate::domain::topic::Topic| Choice {
        chosen: typed.topics.contains(&topic.slug),
        value: topic.slug,
        words: topic.name,
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let title = if wrong.is_some() { "Problem: Add a person" } else { "Add a person" };
    let (problems, already) = match wrong {
        Some(Wrong::Fields(problems)) => (problems, None),
        Some(Wrong::Already(href)) => (vec![], Some(href)),
        None => (vec![], None),
    };
    let again = Again { form: "", typed: typed.fields(), problems };
    let field = |asked: &Asked| Field::new(&again, "", *asked, "");
    let mut who: Vec<Field> = WHO.iter().map(field).collect();
    let mut consent = vec![field(&CONSENT)];
    let page = Page {
        newsletters: vec![],
        newsletter: newsletter.name.clone(),
        slug: newsletter.slug.clone(),
        topics: topics.into_iter().map(choice).collect(),
        problems: fields::wrong(who.iter_mut().chain(&mut consent)),
        typed,
        who,
        consent,
        already,
    };
    desk::show(by, status, SUBSCRIBERS, title, "office/add_person", &page)
}

/// `POST /office/subscribers/add`
async fn add(State(app): State<App>, Act { by, form }: Act) -> Result<Response, Error> {
    let reach = reach(&app, &by, ACTION, WHAT).await?;
    let newsletter = db::newsletters::find(&mut *app.db.conn().await?, form.get("newsletter")).await?;
    let newsletter = newsletter.ok_or(Error::NotFound)?;
    by.require(&app, Role::Admin, newsletter.id, ACTION, WHAT).await?;
    let typed = Typed::of(&form);
    let mut wrong: Problems = vec![];
    let email = EmailAddress::parse(&typed.email);
    let email = email.map_err(|says| wrong.push(("email".to_owned(), says))).ok();
    let name = clean_name(&typed.name).map_err(|says| wrong.push(("name".to_owned(), says))).ok();
    if typed.has_agreed && typed.words.is_empty() {
        let says = "say what they agreed to, and how: that is the proof of it";
        wrong.push(("words".to_owned(), says.to_owned()));
    }
    let length = typed.words.chars().count();
    if length > MAX_CONSENT {
        let says = format!("it has {length} characters, and may have {MAX_CONSENT}: shorten it");
        wrong.push(("words".to_owned(), says));
    }
    let (Some(email), Some(name), true) = (email, name, wrong.is_empty()) else {
        return page(&app, &by, &newsletter, typed, Some(Wrong::Fields(wrong))).await;
    };
    if let Some(found) = in_the_way(&app, &reach, &newsletter, &email).await? {
        return page(&app, &by, &newsletter, typed, Some(found)).await;
    }
    match put(&app, &by, &reach, &newsletter, &email, name, &typed).await {
        Err(pipeline::Error::Invalid(says)) => {
            let wrong = Wrong::Fields(vec![("email".to_owned(), says)]);
            page(&app, &by, &newsletter, typed, Some(wrong)).await
        }
        done => {
            done?;
            let person = db::subscribers::find(&mut *app.db.conn().await?, &email).await?;
            let id = person.ok_or(Error::NotFound)?.id;
            by.note(&app, ACTION, &format!("subscriber {id}"), Some(newsletter.id)).await?;
            let said = match typed.has_agreed {
                true => format!("{email} gets {} from the next issue on.", newsletter.name),
                false => format!(
                    "A mail asks {email} to confirm {}: one an hour at most. Nothing else is sent before they do.",
                    newsletter.name
                ),
            };
            Ok(said::then_say(&app, &format!("{SUBSCRIBERS}/{id}"), said))
        }
    }
}

/// What keeps an address from being added: it is there already, or nothing may be mailed to it.
async fn in_the_way(
    app: &App,
    reach: &Reach,
    newsletter: &Newsletter,
    email: &EmailAddress,
) -> Result<Option<Wrong>, Error> {
    let mut conn = app.db.conn().await?;
    if let Some(found) = db::suppressions::find(&mut conn, &app.key, email).await? {
        let says = match reach {
            Reach::Everybody => format!(
                "Nothing may be mailed to {email}: {}. Only taking it off the suppression list changes that.",
                found.reason.sentence()
            ),
            // What others' mails met is not for who manages one newsletter.
            Reach::Of(_) => {
                format!("Nothing may be mailed to {email}. Ask an admin of all newsletters, who can see why.")
            }
        };
        return Ok(Some(Wrong::Fields(vec![("email".to_owned(), says)])));
    }
    let Some(person) = db::subscribers::find(&mut conn, email).await? else { return Ok(None) };
    let tie = db::subscriptions::find(&mut conn, newsletter.id, person.id).await?;
    Ok(tie
        .filter(|tie| tie.status == SubscriptionStatus::Active)
        .map(|_| Wrong::Already(format!("{SUBSCRIBERS}/{}", person.id))))
}

async fn put(
    app: &App,
    by: &SignedIn,
    reach: &Reach,
    newsletter: &Newsletter,
    email: &EmailAddress,
    name: String,
    typed: &Typed,
) -> Result<(), pipeline::Error> {
    let from = format!("added by {}", by.user.email);
    if !typed.has_agreed {
        // What is typed of somebody who has not agreed is no consent.
        let added_by = match typed.words.as_str() {
            "" => from,
            words => format!("{from}: {words}"),
        };
        let asked = SignUp {
            email: email.clone(),
            name,
            newsletters: vec![newsletter.slug.clone()],
            topics: typed.topics.clone(),
            schedule: None,
            own: vec![],
            hour: None,
            zone: None,
            language: None,
            from: String::new(),
            words: String::new(),
            added_by: Some(added_by),
        };
        subscribe::sign_up(app, &asked).await?;
        return match db::subscribers::find(&mut *app.db.conn().await?, email).await? {
            Some(_) => Ok(()),
            None => Err(pipeline::Error::Invalid(format!(
                "{email} was asked too often today: try again tomorrow, or put the consent on record that they gave."
            ))),
        };
    }
    // What somebody is called concerns other newsletters too.
    let is_known = db::subscribers::find(&mut *app.db.conn().await?, email).await?.is_some();
    let may_name = !is_known || *reach == Reach::Everybody;
    let new = NewPerson {
        email: email.clone(),
        newsletter: newsletter.slug.clone(),
        name: Some(name).filter(|name| may_name && !name.is_empty()),
        topics: typed.topics.clone(),
        schedule: None,
        hour: None,
        zone: None,
        language: None,
        pending: false,
        origin: from,
        consent_words: typed.words.clone(),
    };
    people::add(app, &new).await.map(drop)
}
