//! What is asked for of many people, and the page that asks again where it makes no sense as it is.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::SUBSCRIBERS;
use super::subscribers_view::{Choice, newsletter_choices};
use crate::db;
use crate::db::bulk::BulkKind;
use crate::pipeline::App;
use crate::pipeline::directory::{Asked, MAX_PEOPLE, Problem};
use crate::web::Error;
use crate::web::auth::SignedIn;
use crate::web::desk;
use crate::web::form::Form;

/// What the form on the list of people asks, as it was typed.
pub struct Question {
    pub kind: String,
    pub tag: String,
    pub newsletter: String,
    /// What the list was filtered by.
    pub filter: String,
    /// Those who were ticked are meant, not all who were found.
    pub is_of_ticked: bool,
    people: Vec<i64>,
}

impl Question {
    pub fn of(form: &Form) -> Self {
        let people = form.all("person").into_iter().filter_map(|number| number.parse().ok());
        Self {
            kind: form.get("kind").to_owned(),
            tag: form.get("deed_tag").to_owned(),
            newsletter: form.get("deed_newsletter").to_owned(),
            filter: Asked::parse(form.get("filter")).query(),
            is_of_ticked: form.get("whom") == "ticked",
            people: people.take(MAX_PEOPLE).collect(),
        }
    }

    /// Whom it is about.
    pub fn whom(&self) -> Result<Asked, Problem> {
        let says = "Nobody is ticked: go back to the list, and tick those to change.";
        match (self.is_of_ticked, self.people.is_empty()) {
            (true, true) => Err(Problem { field: "whom", says: says.to_owned() }),
            (true, false) => Ok(Asked::ticked(&self.people)),
            (false, _) => Ok(Asked::parse(&self.filter)),
        }
    }
}

#[derive(Serialize)]
struct Ask {
    filter: String,
    is_of_ticked: bool,
    people: Vec<i64>,
    kinds: Vec<Choice>,
    newsletters: Vec<Choice>,
    tag: String,
    tags: Vec<String>,
    /// What is wrong: nothing but one of these.
    whom_problem: Option<String>,
    kind_problem: Option<String>,
    tag_problem: Option<String>,
    newsletter_problem: Option<String>,
}

/// What can be done, as the form offers it.
pub fn kinds(chosen: &str) -> Vec<Choice> {
    let kind = |(kind, words): (BulkKind, &str)| Choice {
        value: kind.as_str().to_owned(),
        words: words.to_owned(),
        chosen: kind.as_str() == chosen,
    };
    let all = [
        (BulkKind::Tag, "Give the tag"),
        (BulkKind::Untag, "Take the tag away"),
        (BulkKind::Unsubscribe, "End the subscription to"),
        (BulkKind::Suppress, "Put on the suppression list"),
    ];
    all.map(kind).to_vec()
}

/// Asks again, with what was typed and what is wrong with it.
pub async fn page(app: &App, by: &SignedIn, question: Question, problem: Problem) -> Result<Response, Error> {
    let mut conn = app.db.conn().await?;
    let newsletters = db::newsletters::list(&mut conn).await?;
    let tags = db::tags::list(&mut conn).await?;
    drop(conn);
    let of = |field: &str| (problem.field == field).then(|| problem.says.clone());
    let page = Ask {
        kinds: kinds(&question.kind),
        newsletters: newsletter_choices(&newsletters, &question.newsletter),
        filter: question.filter,
        is_of_ticked: question.is_of_ticked,
        people: question.people,
        tag: question.tag,
        tags: tags.into_iter().map(|tag| tag.name).collect(),
        whom_problem: of("whom"),
        kind_problem: of("kind"),
        tag_problem: of("tag"),
        newsletter_problem: of("newsletter"),
    };
    let (status, title) = (StatusCode::UNPROCESSABLE_ENTITY, "Problem: Change many people");
    desk::show(by, status, SUBSCRIBERS, title, "office/bulk_ask", &page)
}
