//! A newsletter's topics: all of them in one form, with one save.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::fields::{self, Again, Field, Kind, Wrong, normal};
use super::newsletters::{Head, allowed, looked_at};
use crate::db;
use crate::domain::newsletter::Newsletter;
use crate::domain::topic::Topic;
use crate::pipeline::App;
use crate::pipeline::topics::{self, Change, Changed};
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::form::{Form, Segment};
use crate::web::words::list;
use crate::web::{Error, said};

pub fn routes() -> Router<App> {
    Router::new().route("/office/newsletters/{slug}/topics", get(open).post(save))
}

#[derive(Serialize)]
struct Page {
    head: Head,
    topics: Vec<Row>,
    new_topic: Field,
    problems: Vec<Wrong>,
}

#[derive(Serialize)]
struct Row {
    id: i64,
    slug: String,
    /// To be removed.
    ticked: bool,
    field: Field,
}

/// The field of a new topic.
const NEW: &str = "new";

/// The field of a topic's name.
fn name_of(topic: &Topic) -> String {
    format!("name-{}", topic.id)
}

/// `GET /office/newsletters/{slug}/topics`
async fn open(State(app): State<App>, by: SignedIn, Segment(slug): Segment) -> Result<Response, Error> {
    let newsletter = looked_at(&app, &by, &slug).await?;
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?;
    page(&by, StatusCode::OK, &newsletter, &topics, &Again::default(), &[])
}

fn page(
    by: &SignedIn,
    status: StatusCode,
    newsletter: &Newsletter,
    topics: &[Topic],
    again: &Again<'_>,
    removed: &[String],
) -> Result<Response, Error> {
    let row = |topic: &Topic| {
        let mut field = Field::named(again, &name_of(topic), &topic.name, &topic.name);
        field.was.clone_from(&topic.name);
        Row { id: topic.id, slug: topic.slug.clone(), ticked: removed.contains(&topic.id.to_string()), field }
    };
    let asked = (NEW, "A new topic", "Readers may choose it at once.", Kind::Input("text"));
    let (mut rows, mut new) = (topics.iter().map(row).collect::<Vec<_>>(), Field::new(again, "", asked, ""));
    let problems = fields::wrong(rows.iter_mut().map(|row| &mut row.field).chain([&mut new]));
    let page = Page { head: Head::new(newsletter, "/topics"), topics: rows, new_topic: new, problems };
    let title = fields::title(&format!("Topics of {}", newsletter.name), &page.problems);
    let address = format!("/office/newsletters/{}/topics", newsletter.slug);
    show(by, status, &address, &title, "office/topics", &page)
}

/// What a form changes, each with the field that it stands in. A topic that is gone meanwhile has no field any more.
fn read(form: &Form, topics: &[Topic]) -> Vec<(String, Change)> {
    let removed = form.all("remove");
    let mut changes = vec![];
    for topic in topics {
        let field = name_of(topic);
        if removed.contains(&topic.id.to_string()) {
            changes.push((field, Change::Remove(topic.id)));
            continue;
        }
        let Some(typed) = form.first(&field).map(normal) else { continue };
        // What was not touched stays, also where somebody else gave it another name meanwhile.
        let is_touched = form.first(&format!("was-{field}")).is_none_or(|was| normal(was) != typed);
        if is_touched && typed != topic.name {
            changes.push((field, Change::Rename(topic.id, typed)));
        }
    }
    let new = normal(form.get(NEW));
    if !new.is_empty() {
        changes.push((NEW.to_owned(), Change::Add(new)));
    }
    changes
}

/// `POST /office/newsletters/{slug}/topics`: gives topics other names, removes those that are ticked, and adds one.
async fn save(State(app): State<App>, Segment(slug): Segment, act: Act) -> Result<Response, Error> {
    let newsletter = allowed(&app, &act, &slug, "topic.change").await?;
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?;
    let (names, changes): (Vec<String>, Vec<Change>) = read(&act.form, &topics).into_iter().unzip();
    match topics::change(&app, &act.by.actor(), newsletter.id, &changes).await? {
        Changed::All(done) => {
            let words = done.iter().zip(&changes).map(|(topic, change)| match change {
                Change::Add(_) => format!("“{}” is there", topic.name),
                Change::Rename(..) => format!("what feeds call “{}” is called “{}”", topic.slug, topic.name),
                Change::Remove(_) => format!("“{}” is removed", topic.name),
            });
            let words = match changes.is_empty() {
                true => "Everything is as it was: there was nothing to save.".to_owned(),
                false => format!("Saved: {}.", list(&words.collect::<Vec<_>>())),
            };
            Ok(said::then_say(&app, &format!("/office/newsletters/{slug}/topics"), words))
        }
        Changed::None(wrong) => {
            let typed = act.form.fields().map(|(name, value)| (name.to_owned(), normal(value))).collect();
            let problem = |(place, says): (usize, String)| Some((names.get(place)?.clone(), says));
            let again = Again { form: "", typed, problems: wrong.into_iter().filter_map(problem).collect() };
            let removed = act.form.all("remove");
            page(&act.by, StatusCode::UNPROCESSABLE_ENTITY, &newsletter, &topics, &again, &removed)
        }
    }
}
