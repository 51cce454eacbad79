//! What is wrong with an issue before it is sent, and what to do about it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::{Opened, Page};
use crate::domain::composition::Field;
use crate::domain::user::Role;
use crate::pipeline::checks::{self, Answered};
use crate::pipeline::doctor::{Finding, State as Grade};
use crate::pipeline::inspect::{self, Whom};
use crate::pipeline::{App, start};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk;
use crate::web::form::Segment;

#[derive(Serialize)]
struct ChecksPage {
    verdict: &'static str,
    findings: Vec<Row>,
    may_edit: bool,
    /// The links were looked at.
    looked: bool,
    links: Vec<Link>,
    links_say: String,
    problem: String,
}

#[derive(Serialize)]
struct Row {
    about: &'static str,
    word: &'static str,
    class: &'static str,
    says: String,
    to_do: String,
    /// Where each article that it is about is mended.
    mend: Vec<Mend>,
}

#[derive(Serialize)]
struct Mend {
    href: String,
    headline: String,
}

#[derive(Serialize)]
struct Link {
    url: String,
    /// It can be followed from here.
    is_web: bool,
    word: &'static str,
    class: &'static str,
    says: String,
    is_image: bool,
}

fn words(grade: Grade) -> (&'static str, &'static str) {
    match grade {
        Grade::Good => ("good", "good"),
        Grade::Warning => ("look at it", "warn"),
        Grade::Bad => ("wrong", "bad"),
    }
}

impl Row {
    /// `editor` is the page on which the issue is written, while it can be.
    fn of(finding: Finding, editor: Option<&str>) -> Self {
        let (word, class) = words(finding.state);
        let mend = |(id, headline)| {
            editor.map(|editor| Mend { href: format!("{editor}#{}", Field::Alt(id)), headline })
        };
        Self {
            mend: finding.articles.into_iter().filter_map(mend).collect(),
            about: finding.about,
            word,
            class,
            says: finding.says,
            to_do: finding.to_do.unwrap_or_default(),
        }
    }
}

impl From<Answered> for Link {
    fn from(answered: Answered) -> Self {
        let (word, class) = words(answered.state);
        let is_web = ["http://", "https://"].iter().any(|start| answered.url.starts_with(start));
        Self { url: answered.url, is_web, word, class, says: answered.says, is_image: answered.is_image }
    }
}

/// `GET /desk/issues/{id}/checks`
pub async fn show(State(app): State<App>, by: SignedIn, Segment(id): Segment) -> Result<Response, Error> {
    let opened = Opened::find(&app, &by, &id, Role::Viewer, "issue.check").await?;
    page(&app, &by, &opened, StatusCode::OK, None, "").await
}

/// `POST /desk/issues/{id}/checks`: asks for every link. It changes nothing, but it makes this service knock at others'
/// doors: editors alone may, and it is written down.
pub async fn look(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let by = act.by;
    let opened = Opened::find(&app, &by, &id, Role::Editor, "issue.check_links").await?;
    let what = start::name_of(&opened.newsletter, &opened.issue);
    by.note(&app, "issue.check_links", &what, Some(opened.newsletter.id)).await?;
    let looked = inspect::look(&app, opened.issue.id, &Whom::Anybody).await?;
    match checks::links(&app, &looked).await {
        Ok(links) => {
            checks::keep_links(&app, opened.issue.id, &links).await?;
            page(&app, &by, &opened, StatusCode::OK, Some(links), "").await
        }
        Err(crate::pipeline::Error::Invalid(why)) => {
            page(&app, &by, &opened, StatusCode::UNPROCESSABLE_ENTITY, None, &why).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn page(
    app: &App,
    by: &SignedIn,
    opened: &Opened,
    status: StatusCode,
    links: Option<Vec<Answered>>,
    problem: &str,
) -> Result<Response, Error> {
    let looked = inspect::look(app, opened.issue.id, &Whom::Anybody).await?;
    let findings = checks::all(app, &looked).await?;
    let verdict = match checks::worst(&findings) {
        Grade::Good => "Nothing is wrong with the mail itself.",
        Grade::Warning => "It can go out. Something could be better.",
        Grade::Bad => "Something is wrong: put it right before it goes out.",
    };
    let editor = (opened.may_edit && opened.is_open()).then(|| format!("/desk/issues/{}", opened.issue.id));
    let is_looked = links.is_some();
    let links = links.unwrap_or_default();
    let broken = links.iter().filter(|link| link.state != Grade::Good).count();
    let links_say = match (links.len(), broken) {
        (0, _) => "The mail has no links but those to this service.".to_owned(),
        (all, 0) => format!("All {all} links and images answer."),
        (all, broken) => format!("{broken} of {all} links and images want a look."),
    };
    let page = ChecksPage {
        verdict,
        findings: findings.into_iter().map(|finding| Row::of(finding, editor.as_deref())).collect(),
        may_edit: opened.may_edit,
        looked: is_looked,
        links: links.into_iter().map(Link::from).collect(),
        links_say,
        problem: problem.to_owned(),
    };
    let title = format!("Checks: {}", opened.name());
    let page = Page { head: opened.head("checks"), own: &page };
    desk::show(by, status, "/desk/issues", &title, "desk/sending/checks", &page)
}
