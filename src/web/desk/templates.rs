//! The mail templates: which there are, one in an editor with a preview beside it, and its versions.
//!
//! A preview is a mail that an editor's text makes: it stands in a sandboxed frame, and is served under a policy of its
//! own that lets nothing run.

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::words::{Moment, count};
use super::{show, template_help};
use crate::db;
use crate::db::templates::Version;
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::templates::{self, Content, File, Origin, Saved};
use crate::render::{FIXED, MAILS, TemplateProblem};
use crate::web::auth::{Act, SignedIn};
use crate::web::{Error, page, said};

/// Versions on a page.
const VERSIONS: i64 = 30;

/// Newsletters to choose a preview's content from.
const CHOICES: usize = 100;

/// Nothing runs, nothing is sent, nothing leaves the frame; the sandbox holds also where it is opened by itself.
const PREVIEW_POLICY: &str = "sandbox; default-src 'none'; style-src 'self' 'unsafe-inline'; \
                              img-src http: https: data:; base-uri 'none'; form-action 'none'; \
                              frame-ancestors 'self'";

pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk/templates", get(list))
        .route("/desk/templates/help", get(template_help::show))
        .route("/desk/templates/{folder}/{name}", get(open).post(submit))
        .route("/desk/templates/{folder}/{name}/preview", post(preview))
        .route("/desk/templates/{folder}/{name}/default", post(to_default))
        .route("/desk/templates/{folder}/{name}/versions/{id}", get(look_back).post(take_back))
}

type Named = Result<Path<(String, String)>, PathRejection>;
type NamedVersion = Result<Path<(String, String, i64)>, PathRejection>;

/// A file by its address; one that no mail has is found to be none by whoever looks it up.
fn named(path: Named) -> Result<String, Error> {
    let Path((folder, name)) = path.map_err(|_| Error::NotFound)?;
    Ok(format!("{folder}/{name}"))
}

/// Templates make every newsletter's mails.
pub(super) async fn may(app: &App, by: &SignedIn, action: &str, what: &str) -> Result<(), Error> {
    by.require_everywhere(app, Role::Editor, action, what).await
}

/// Who saves a file: a piece is in every mail, those to admins among them.
fn saver(file: &str) -> Role {
    if file.starts_with("partials/") { Role::Admin } else { Role::Editor }
}

async fn may_save(app: &App, by: &SignedIn, action: &str, file: &str) -> Result<(), Error> {
    by.require_everywhere(app, saver(file), action, file).await
}

#[derive(Serialize)]
struct Listed {
    groups: Vec<Group>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Group {
    name: &'static str,
    about: &'static str,
    /// Its files can be changed here.
    is_changeable: bool,
    files: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    what: &'static str,
    is_saved: bool,
    state: &'static str,
    /// Who changed it, and when.
    by: String,
    at: Option<Moment>,
}

const ABOUT: [(&str, &str, &str); 13] = [
    ("digest", "Digest", "an issue, for its readers"),
    ("confirm", "Confirmation", "asks whether somebody wants a newsletter"),
    ("welcome", "Welcome", "after the confirmation"),
    ("goodbye", "Goodbye", "after somebody has left"),
    ("address", "New address", "asks the owner of a new address whether mails are to go there"),
    ("moved", "Moved", "tells the address before that mails go elsewhere now"),
    ("ready", "Ready", "to editors: an issue waits for approval"),
    ("held", "Held", "to editors: an issue is held"),
    ("failed", "Failed", "to editors: an issue did not go out"),
    ("partials", "Pieces", "what several mails share; admins save them"),
    ("sign_in", "Sign-in link", "to users; not to be changed here, only in the folder of templates"),
    ("invitation", "Invitation", "to users; not to be changed here, only in the folder of templates"),
    (
        "recovery_code",
        "Recovery code used",
        "to users; not to be changed here, only in the folder of templates",
    ),
];

/// What a file of a mail is.
fn what(file: &str) -> &'static str {
    match file.split_once('/') {
        Some((_, "subject.txt.hbs")) => "Subject line",
        Some((_, "body.mjml.hbs")) => "HTML, as MJML",
        Some((_, "body.html.hbs")) => "HTML",
        Some((_, "body.txt.hbs")) => "Text",
        Some((_, name)) if name.ends_with(".txt.hbs") => "Piece of texts",
        _ => "Piece of HTML",
    }
}

fn row(app: &App, file: &File) -> Row {
    let (state, version) = match &file.origin {
        Origin::BuiltIn => ("as built in", None),
        Origin::Folder => ("from the folder of templates", None),
        Origin::Saved(version) => ("changed here", Some(version)),
    };
    Row {
        what: what(&file.name),
        is_saved: version.is_some(),
        state,
        by: version.map(|version| version.made_by.clone()).unwrap_or_default(),
        at: version.map(|version| moment(app, version)),
        name: file.name.clone(),
    }
}

fn moment(app: &App, version: &Version) -> Moment {
    Moment::near(version.created_at, app.clock.now(), chrono_tz::UTC)
}

/// `GET /desk/templates`
async fn list(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    may(&app, &by, "template.look", "the templates").await?;
    let files = templates::files(&app).await?;
    let group = |(folder, name, about): &(&str, &'static str, &'static str)| Group {
        name,
        about,
        is_changeable: !FIXED.contains(folder),
        files: files
            .iter()
            .filter(|file| file.name.split('/').next() == Some(folder))
            .map(|file| row(&app, file))
            .collect(),
    };
    let listed = Listed {
        groups: ABOUT.iter().map(group).collect(),
        problems: app.renderer.problems().iter().map(|problem| Problem::new(problem, "", "")).collect(),
    };
    show(&by, StatusCode::OK, "/desk/templates", "Templates", "desk/templates", &listed)
}

/// A fault of a template, with the line that it stands in.
#[derive(Serialize)]
struct Problem {
    says: String,
    /// The text of that line, where it is in the file at hand.
    line: String,
}

impl Problem {
    fn new(problem: &TemplateProblem, file: &str, text: &str) -> Self {
        let line = problem.line.filter(|_| problem.file == file);
        let line = line.and_then(|line| text.lines().nth(line.saturating_sub(1)));
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("Line {line}, column {column}: "),
            (Some(line), None) => format!("Line {line}: "),
            _ => String::new(),
        };
        // A partial may be at fault where another file was changed.
        let elsewhere = if problem.file == file { String::new() } else { format!("{}: ", problem.file) };
        Self {
            says: format!("{elsewhere}{place}{}", problem.message),
            line: line.unwrap_or_default().chars().take(200).collect(),
        }
    }
}

/// One file, its preview, and what it was.
#[derive(Serialize)]
struct Editor {
    file: Row,
    address: String,
    text: String,
    lines: usize,
    /// The newest version when it was opened.
    opened: i64,
    problems: Vec<Problem>,
    /// What is hard to read in the mails.
    faint: Vec<String>,
    /// What a look at the text found, where that is good.
    found: &'static str,
    /// The mails to look at: one, but for a piece of several.
    mails: Vec<&'static str>,
    /// Whose newest issue a digest can be looked at with.
    newsletters: Vec<Choice>,
    is_text: bool,
    /// Whoever looks at it may save it.
    may_save: bool,
    versions: Vec<VersionRow>,
    /// Where older versions are listed.
    older: Option<String>,
}

#[derive(Serialize)]
struct Choice {
    id: i64,
    name: String,
}

#[derive(Serialize)]
struct VersionRow {
    by: String,
    at: Moment,
    address: String,
    is_default: bool,
    is_newest: bool,
    lines: String,
}

/// What an editor has before them: a text that may not be saved.
struct Typed<'t> {
    text: &'t str,
    opened: i64,
    problems: &'t [TemplateProblem],
    faint: Vec<String>,
    found: &'static str,
    before: Option<i64>,
}

async fn editor(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    file: &File,
    typed: Typed<'_>,
) -> Result<Response, Error> {
    let mut conn = app.db.conn().await?;
    let newsletters = db::newsletters::list(&mut conn).await?;
    let mut versions = db::templates::of_file(&mut conn, &file.name, typed.before, VERSIONS + 1).await?;
    drop(conn);
    let has_older = versions.len() > usize::try_from(VERSIONS).unwrap_or(usize::MAX);
    versions.truncate(usize::try_from(VERSIONS).unwrap_or(usize::MAX));
    let address = format!("/desk/templates/{}", file.name);
    let version = |version: &Version| VersionRow {
        by: version.made_by.clone(),
        at: moment(app, version),
        address: format!("{address}/versions/{}", version.id),
        is_default: version.text.is_none(),
        is_newest: version.id == file.newest,
        lines: count(
            i64::try_from(version.text.as_deref().unwrap_or_default().lines().count()).unwrap_or(0),
            "line",
        ),
    };
    let folder = file.name.split('/').next().unwrap_or_default();
    let own: Vec<&'static str> = MAILS.into_iter().filter(|mail| *mail == folder).collect();
    let page = Editor {
        file: row(app, file),
        lines: typed.text.lines().count().clamp(4, 40),
        text: typed.text.to_owned(),
        opened: typed.opened,
        problems: typed
            .problems
            .iter()
            .map(|problem| Problem::new(problem, &file.name, typed.text))
            .collect(),
        faint: typed.faint,
        found: typed.found,
        mails: if own.is_empty() { MAILS.to_vec() } else { own },
        newsletters: newsletters
            .into_iter()
            .take(CHOICES)
            .map(|newsletter| Choice { id: newsletter.id, name: newsletter.name })
            .collect(),
        may_save: by.user.may_everywhere(saver(&file.name)),
        is_text: file.name.ends_with(".txt.hbs"),
        older: versions.last().filter(|_| has_older).map(|last| format!("{address}?before={}", last.id)),
        versions: versions.iter().map(version).collect(),
        address: address.clone(),
    };
    show(by, status, &address, &file.name, "desk/template", &page)
}

#[derive(Deserialize)]
struct Asked {
    before: Option<i64>,
}

/// `GET /desk/templates/{folder}/{name}`
async fn open(
    State(app): State<App>,
    by: SignedIn,
    path: Named,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let name = named(path)?;
    may(&app, &by, "template.look", &name).await?;
    let file = templates::file(&app, &name).await?;
    let before = asked.ok().and_then(|Query(asked)| asked.before);
    let typed =
        Typed { text: &file.text, opened: file.newest, problems: &[], faint: vec![], found: "", before };
    editor(&app, &by, StatusCode::OK, &file, typed).await
}

/// A text as a browser sends it, with the line ends that files have.
fn text_of(act: &Act) -> String {
    act.form.get("text").replace("\r\n", "\n")
}

/// `POST /desk/templates/{folder}/{name}`: checks a text, or saves it.
async fn submit(State(app): State<App>, path: Named, act: Act) -> Result<Response, Error> {
    let name = named(path)?;
    let is_check = act.form.get("do") == "check";
    match is_check {
        true => may(&app, &act.by, "template.check", &name).await?,
        false => may_save(&app, &act.by, "template.save", &name).await?,
    }
    let file = templates::file(&app, &name).await?;
    let text = text_of(&act);
    let opened = act.form.get("opened").parse().unwrap_or(0);
    let typed = Typed { text: &text, opened, problems: &[], faint: vec![], found: "", before: None };
    if is_check {
        let checked = templates::check(&app, &name, &text).await?;
        let found =
            if checked.is_ok() { "Every mail renders with this text. It is not saved yet." } else { "" };
        let (faint, problems) = checked.map_or_else(|problems| (vec![], problems), |faint| (faint, vec![]));
        let typed = Typed { problems: &problems, faint, found, ..typed };
        return editor(&app, &act.by, StatusCode::OK, &file, typed).await;
    }
    let by = (&act.by.user, act.by.network.as_str());
    let saved = templates::save(&app, by, &name, Some(&text), opened).await?;
    answer(&app, &act.by, &file, saved, typed).await
}

/// What became of a text that was to be saved.
async fn answer(
    app: &App,
    by: &SignedIn,
    file: &File,
    saved: Saved,
    typed: Typed<'_>,
) -> Result<Response, Error> {
    let address = format!("/desk/templates/{}", file.name);
    let problem =
        |message: String| TemplateProblem { file: file.name.clone(), line: None, column: None, message };
    let (status, problems, opened) = match saved {
        Saved::Done(faint) => {
            let mut words = format!(
                "{} is saved. Mails are made with it within seconds: also those of an issue that is going out, once its sending is \
                 resumed or another node joins in.",
                file.name
            );
            if let Some(first) = faint.first() {
                let more = match faint.len() {
                    1 => String::new(),
                    all => format!(", and {} more: check it to see them all", all - 1),
                };
                words.push_str(&format!(" Some of the text is hard to read: {first}{more}."));
            }
            return Ok(said::then_say(app, &address, words));
        }
        Saved::AsItWas => {
            return Ok(said::then_say(
                app,
                &address,
                format!("{} is as it was: there is nothing to save.", file.name),
            ));
        }
        Saved::Broken(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems, typed.opened),
        Saved::Overtaken(newest) => {
            let says = format!(
                "{} saved this file after you opened it; theirs is the first of the versions below. Your text is still \
                 here, and not saved: save again to put it in the place of theirs.",
                newest.made_by
            );
            (StatusCode::CONFLICT, vec![problem(says)], newest.id)
        }
        Saved::AtOnce => {
            let says =
                "Somebody saved another file at this moment, so this one must be checked anew: save again.";
            (StatusCode::CONFLICT, vec![problem(says.to_owned())], typed.opened)
        }
    };
    editor(app, by, status, file, Typed { problems: &problems, opened, ..typed }).await
}

/// `POST /desk/templates/{folder}/{name}/default`: back to the folder's text, or the built-in one.
async fn to_default(State(app): State<App>, path: Named, act: Act) -> Result<Response, Error> {
    let name = named(path)?;
    may_save(&app, &act.by, "template.default", &name).await?;
    let file = templates::file(&app, &name).await?;
    let opened = act.form.get("opened").parse().unwrap_or(0);
    let by = (&act.by.user, act.by.network.as_str());
    let saved = templates::save(&app, by, &name, None, opened).await?;
    let typed = Typed { text: &file.text, opened, problems: &[], faint: vec![], found: "", before: None };
    answer(&app, &act.by, &file, saved, typed).await
}

#[derive(Serialize)]
struct Older {
    file: String,
    address: String,
    by: String,
    at: Moment,
    is_default: bool,
    text: String,
    is_newest: bool,
    may_save: bool,
    opened: i64,
}

async fn version(app: &App, path: NamedVersion) -> Result<(File, Version), Error> {
    let Path((folder, name, id)) = path.map_err(|_| Error::NotFound)?;
    let file = templates::file(app, &format!("{folder}/{name}")).await?;
    let found = db::templates::get(&mut *app.db.conn().await?, id).await?;
    let found = found.filter(|version| version.file == file.name);
    Ok((file, found.ok_or(Error::NotFound)?))
}

/// `GET /desk/templates/{folder}/{name}/versions/{id}`
async fn look_back(State(app): State<App>, by: SignedIn, path: NamedVersion) -> Result<Response, Error> {
    may(&app, &by, "template.look", "a version").await?;
    let (file, version) = version(&app, path).await?;
    let page = Older {
        at: moment(&app, &version),
        by: version.made_by,
        is_default: version.text.is_none(),
        text: version.text.unwrap_or_default(),
        is_newest: version.id == file.newest,
        may_save: by.user.may_everywhere(saver(&file.name)),
        opened: file.newest,
        address: format!("/desk/templates/{}/versions/{}", file.name, version.id),
        file: file.name,
    };
    show(&by, StatusCode::OK, &page.address, "A version", "desk/template_version", &page)
}

/// `POST /desk/templates/{folder}/{name}/versions/{id}`: saves that version anew.
async fn take_back(State(app): State<App>, path: NamedVersion, act: Act) -> Result<Response, Error> {
    may(&app, &act.by, "template.save", "a version").await?;
    let (file, version) = version(&app, path).await?;
    may_save(&app, &act.by, "template.save", &file.name).await?;
    let opened = act.form.get("opened").parse().unwrap_or(0);
    let by = (&act.by.user, act.by.network.as_str());
    let saved = templates::save(&app, by, &file.name, version.text.as_deref(), opened).await?;
    let text = version.text.as_deref().unwrap_or(&file.text);
    let typed = Typed { text, opened, problems: &[], faint: vec![], found: "", before: None };
    answer(&app, &act.by, &file, saved, typed).await
}

#[derive(Serialize)]
struct Preview {
    title: &'static str,
    subject: String,
    text: String,
    problems: Vec<Problem>,
}

/// `POST /desk/templates/{folder}/{name}/preview`: a mail made with a text that is not saved, for the frame.
async fn preview(State(app): State<App>, path: Named, act: Act) -> Result<Response, Error> {
    let name = named(path)?;
    may(&app, &act.by, "template.preview", &name).await?;
    let text = text_of(&act);
    let folder = name.split('/').next().unwrap_or_default();
    let mail = if folder == "partials" { act.form.get("mail") } else { folder };
    let mail = MAILS.into_iter().find(|known| *known == mail).unwrap_or("digest");
    let content = match act.form.get("content") {
        "made-up" => Content::MadeUp,
        id => id.parse().map_or(Content::Newest, Content::NewestOf),
    };
    let html = match templates::preview(&app, &name, &text, mail, content).await? {
        Ok(shown) if act.form.get("part") != "text" => shown.html,
        Ok(shown) => fragment(&Preview {
            title: "Preview",
            subject: shown.subject,
            text: shown.text,
            problems: vec![],
        })?,
        Err(problems) => {
            let problems = problems.iter().map(|problem| Problem::new(problem, &name, &text)).collect();
            fragment(&Preview { title: "Preview", subject: String::new(), text: String::new(), problems })?
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PREVIEW_POLICY),
    ];
    Ok((headers, html).into_response())
}

fn fragment(preview: &Preview) -> Result<String, Error> {
    page::render("desk/template_preview", preview)
}
