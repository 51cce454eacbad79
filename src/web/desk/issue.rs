//! An issue: the editor's page, its saves, and its undo.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::issue_editor::{Editor, Kept, Overtaken};
use super::issue_form::{Typed, mark};
use super::issue_page::{LostText, lost_text, sentence, steps};
use super::issue_reading::{Reading, Stories};
use super::opened::Opened;
use crate::db;
use crate::domain::composition::{Field, Item};
use crate::domain::introduction;
use crate::domain::issue::Issue;
use crate::domain::user::Role;
use crate::pipeline::composing::{self, By, Done};
use crate::pipeline::{self, App, inspect};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::said::{self, Said};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk/issues/{issue}", get(show).post(save))
        .route("/desk/issues/{issue}/undo/{step}", post(undo))
}

/// Steps of the history that the page shows.
const SHOWN_STEPS: i64 = 15;

async fn find(app: &App, id: i64) -> Result<Issue, Error> {
    db::issues::get(&mut *app.db.conn().await?, id).await?.ok_or(Error::NotFound)
}

/// `GET /desk/issues/{issue}`
async fn show(
    State(app): State<App>,
    by: SignedIn,
    path: Result<Path<i64>, PathRejection>,
) -> Result<Response, Error> {
    let Path(id) = path.map_err(|_| Error::NotFound)?;
    let issue = find(&app, id).await?;
    by.require(&app, Role::Viewer, issue.newsletter_id, "issue.look", &format!("issue {id}")).await?;
    let opened = Opened::of(&app, &by, issue).await?;
    match opened.may_edit && opened.is_open() {
        true => editor(&app, &by, StatusCode::OK, opened, Kept::Nothing).await,
        false => reading(&app, &by, StatusCode::OK, opened, vec![]).await,
    }
}

/// The page to write on.
async fn editor(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    opened: Opened,
    kept: Kept<'_>,
) -> Result<Response, Error> {
    let id = opened.issue.id;
    let lines = lines(app, id).await?;
    let open = composing::open(app, opened.issue.clone()).await?;
    let mut conn = app.db.conn().await?;
    let topics = db::newsletters::topics(&mut conn, open.newsletter.id).await?;
    let taken = db::composing::steps(&mut conn, id, 0, SHOWN_STEPS).await?;
    drop(conn);
    let history = steps(taken, opened.now, opened.zone);
    let page = Editor::of(&opened, open, lines, history, &topics, kept);
    super::show(by, status, "/desk/issues", page.title(), "desk/issue", &page)
}

/// Subject and preheader as they will be printed; none where there is nothing to print, or a line is at fault.
async fn lines(app: &App, id: i64) -> Result<Option<(String, String)>, Error> {
    match inspect::lines(app, id).await {
        // A template of one's own may fail at this issue: the preview says how.
        Err(pipeline::Error::Render(_)) => Ok(None),
        lines => Ok(lines?),
    }
}

/// The page to read.
async fn reading(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    opened: Opened,
    unsaved: Vec<LostText>,
) -> Result<Response, Error> {
    let id = opened.issue.id;
    let content = db::issues::content(&mut *app.db.conn().await?, id).await?;
    let lines = lines(app, id).await?;
    let taken = db::composing::steps(&mut *app.db.conn().await?, id, 0, SHOWN_STEPS).await?;
    let (introduction, stories) = match content {
        Some(content) => (content.introduction(), Stories::frozen(content)),
        None => {
            let open = composing::open(app, opened.issue.clone()).await?;
            (introduction::read(&opened.issue.introduction), Stories::of_draft(&open))
        }
    };
    let history = steps(taken, opened.now, opened.zone);
    let page = Reading::of(&opened, introduction, stories, lines, history, unsaved);
    super::show(by, status, "/desk/issues", page.title(), "desk/issue_read", &page)
}

/// `POST /desk/issues/{issue}`: everything on the editor's page, and what the button says in `do`.
///
/// A script that asks for JSON gets the new version and marks, or why nothing was saved (409, 422); the page then sends
/// the form as a browser does, and shows what is to be decided.
async fn save(
    State(app): State<App>,
    path: Result<Path<i64>, PathRejection>,
    headers: HeaderMap,
    act: Act,
) -> Result<Response, Error> {
    let Path(id) = path.map_err(|_| Error::NotFound)?;
    let issue = find(&app, id).await?;
    act.by.require(&app, Role::Editor, issue.newsletter_id, "issue.edit", &format!("issue {id}")).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_script = accept.starts_with("application/json");
    let typed = Typed::read(&act.form);
    let opened = Opened::of(&app, &act.by, issue).await?;
    if !opened.issue.may_change(opened.newsletter.rules.approval) {
        return closed(&app, &act.by, id, &typed, is_script).await;
    }
    let problems = composing::problems(&app, &typed.changed);
    if !problems.is_empty() {
        if is_script {
            let says = problems.iter().map(|(field, says)| format!("{field}: {says}"));
            return Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, &says.collect::<Vec<_>>().join(" ")));
        }
        let kept = Kept::Problems(&typed, problems.into_iter().collect(), None);
        return editor(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, opened, kept).await;
    }
    let by = By::User { user: &act.by.user, network: &act.by.network };
    let done = match composing::edit(&app, by, id, &typed.edit()).await {
        Err(pipeline::Error::Invalid(why)) if is_script => {
            return Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, &sentence(&why)));
        }
        Err(pipeline::Error::Invalid(why)) => {
            let kept = Kept::Problems(&typed, BTreeMap::new(), Some(why));
            let opened = Opened::of(&app, &act.by, find(&app, id).await?).await?;
            return editor(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, opened, kept).await;
        }
        done => done?,
    };
    match done {
        Done::Closed => closed(&app, &act.by, id, &typed, is_script).await,
        Done::Stale => stale(&app, &act.by, id, &typed, is_script).await,
        Done::Changed { version, .. } if is_script => saved(&app, id, version).await,
        Done::Unchanged if is_script => saved(&app, id, typed.version).await,
        Done::Changed { version, what } => {
            let said = Said {
                words: match typed.act {
                    Some(composing::Act::FillAgain) => {
                        "It fills by itself again, in the newsletter’s order.".to_owned()
                    }
                    _ => sentence(&what),
                },
                undo: format!("/desk/issues/{id}/undo/{version}"),
                undo_words: "Undo".to_owned(),
                at: place(&typed).trim_start_matches('#').to_owned(),
            };
            Ok(said::then(&app, &format!("/desk/issues/{id}{}", place(&typed)), said))
        }
        Done::Unchanged => {
            let to = format!("/desk/issues/{id}{}", place(&typed));
            Ok(said::then_say(&app, &to, "There was nothing to save: it stands as you see it."))
        }
    }
}

/// Where on the page the editor was at work.
fn place(typed: &Typed) -> String {
    match typed.act {
        Some(composing::Act::Move(Item::Article(id), _) | composing::Act::Put(id)) => format!("#i{id}"),
        Some(composing::Act::Move(Item::Heading(id), _)) => format!("#ih{id}"),
        // What stood behind it stands in its place.
        Some(composing::Act::TakeOut(id)) => match behind(typed, id) {
            Some(item) => format!("#i{item}"),
            None => String::new(),
        },
        _ => String::new(),
    }
}

/// What stands behind an article that is taken out, or else before it.
fn behind(typed: &Typed, id: i64) -> Option<String> {
    let items = &typed.layout.items;
    let at = items.iter().position(|item| *item == Item::Article(id))?;
    let near = items.get(at + 1).or_else(|| items.get(at.checked_sub(1)?))?;
    Some(match near {
        Item::Article(id) => id.to_string(),
        Item::Heading(id) => format!("h{id}"),
    })
}

fn refused(status: StatusCode, says: &str) -> Response {
    as_json(status, &json!({ "says": says }))
}

fn as_json(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// What a script needs to go on from a version: the marks of what is stored. Where somebody saved since, theirs would be
/// taken for what the script's editor saw.
async fn saved(app: &App, id: i64, version: i64) -> Result<Response, Error> {
    let open = composing::open(app, find(app, id).await?).await?;
    if open.issue.version != version {
        return Ok(refused(
            StatusCode::CONFLICT,
            "It is saved, and somebody else changed this issue since. Press Save: what both of you did is shown.",
        ));
    }
    let ids = open.composition.places.iter().map(|place| place.article_id);
    let of_article = |id| {
        let texts = [Field::Headline(id), Field::Summary(id), Field::Alt(id), Field::Decorative(id)];
        texts.into_iter().chain([Field::Heading(id)])
    };
    let fields = ids.flat_map(of_article);
    let fields = [Field::Introduction, Field::Subject, Field::Preheader].into_iter().chain(fields);
    let marks: serde_json::Map<String, Value> =
        fields.map(|field| (format!("was-{field}"), mark(open.shown(field)).into())).collect();
    let step = db::composing::steps(&mut *app.db.conn().await?, id, 0, 1).await?;
    let what = step.first().map_or("nothing changed", |step| step.what.as_str());
    let answer = json!({ "version": open.issue.version, "says": sentence(what), "marks": marks });
    Ok(as_json(StatusCode::OK, &answer))
}

/// Somebody was faster: what was typed is kept, and what they did is told.
async fn stale(app: &App, by: &SignedIn, id: i64, typed: &Typed, is_script: bool) -> Result<Response, Error> {
    let opened = Opened::of(app, by, find(app, id).await?).await?;
    if is_script {
        return Ok(refused(
            StatusCode::CONFLICT,
            "Somebody else changed this issue meanwhile, and nothing was saved. Press Save: both texts are shown.",
        ));
    }
    let mut conn = app.db.conn().await?;
    let taken = db::composing::steps(&mut conn, id, typed.version, SHOWN_STEPS).await?;
    let base = composing::as_of(&mut conn, id, typed.version).await?;
    drop(conn);
    let since = steps(taken, opened.now, opened.zone);
    let kept = Kept::Stale(Overtaken { typed, since, base });
    editor(app, by, StatusCode::CONFLICT, opened, kept).await
}

/// It was frozen or approved while somebody wrote: what they typed is shown, to copy.
async fn closed(
    app: &App,
    by: &SignedIn,
    id: i64,
    typed: &Typed,
    is_script: bool,
) -> Result<Response, Error> {
    if is_script {
        return Ok(refused(
            StatusCode::CONFLICT,
            "Nothing was saved: this issue is frozen or approved meanwhile, and no longer changes. Press Save to see what can be done.",
        ));
    }
    let unsaved = typed.changed.iter().map(|(field, text)| lost_text(*field, text)).collect();
    let opened = Opened::of(app, by, find(app, id).await?).await?;
    reading(app, by, StatusCode::CONFLICT, opened, unsaved).await
}

/// `POST /desk/issues/{issue}/undo/{step}`: back to what it was before that step. With the field `version` any step that
/// is kept, without it only the last.
async fn undo(
    State(app): State<App>,
    path: Result<Path<(i64, i64)>, PathRejection>,
    act: Act,
) -> Result<Response, Error> {
    let Path((id, step)) = path.map_err(|_| Error::NotFound)?;
    let issue = find(&app, id).await?;
    let what = format!("issue {id}: undo of step {step}");
    act.by.require(&app, Role::Editor, issue.newsletter_id, "issue.edit", &what).await?;
    let by = By::User { user: &act.by.user, network: &act.by.network };
    let page = format!("/desk/issues/{id}");
    Ok(match composing::undo(&app, by, id, step, act.form.get("version").parse().ok()).await? {
        Done::Changed { version, what } => {
            let undo = format!("{page}/undo/{version}");
            said::then(
                &app,
                &page,
                Said { words: sentence(&what), undo, undo_words: "Undo that".to_owned(), ..Said::default() },
            )
        }
        Done::Unchanged => said::then_say(&app, &page, "It stands as it was before already."),
        Done::Stale => said::then_say(
            &app,
            &page,
            "Nothing was undone: the issue was changed meanwhile. Look at its history below, and choose the step.",
        ),
        Done::Closed => said::then_say(&app, &page, "Nothing was undone: the issue no longer changes."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::a_newsletter;
    use crate::pipeline::accounts::Actor;
    use crate::pipeline::testing::apps;
    use crate::pipeline::{compose, newsletters};

    #[tokio::test]
    async fn a_script_is_not_given_what_somebody_else_saved_since() {
        for test in apps().await {
            let app = &test.app;
            let newsletter = a_newsletter(&app.db, "brief").await;
            newsletters::add_schedule(app, &Actor::command_line(), "brief", None, "07:00", None, "daily")
                .await
                .unwrap();
            compose::compose(app).await.unwrap();
            let drafts = db::issues::drafts_of(&mut app.db.conn().await.unwrap(), newsletter).await.unwrap();
            let draft = drafts.first().unwrap();
            assert_eq!(saved(app, draft.id, draft.version).await.unwrap().status(), StatusCode::OK);
            let words = BTreeMap::from([(Field::Introduction, "Theirs".to_owned())]);
            composing::write_words(app, By::CommandLine, draft.id, &words).await.unwrap();
            assert_eq!(saved(app, draft.id, draft.version).await.unwrap().status(), StatusCode::CONFLICT);
        }
    }
}
