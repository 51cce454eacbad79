//! Mail templates as editors change them: tried out, saved in the database, taken up by every node.
//!
//! The mails that let somebody in (sign-in links, invitations) are not changed here, and pieces of several mails by admins
//! only. What is saved here lies over the folder of templates (`DAYBREAK_TEMPLATES`), and that over the embedded ones, file by
//! file. Only what renders every mail is saved.

use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::deliver::cohort::Edition;
use super::deliver::job::hole_values;
use super::{App, Error, accounts, inspect};
use crate::db;
use crate::db::templates::Version;
use crate::domain::mail::{HoleValues, RenderedMail, escape_html};
use crate::domain::newsletter::Newsletter;
use crate::domain::user::User;
use crate::render::{MAX_BYTES, RenderError, Renderer, TemplateProblem, Texts, is_changeable, is_template};

/// How long trying out a template may take. A digest takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long somebody waits for those who try out others.
const TURN: Duration = Duration::from_secs(20);

/// How many are tried out at a time: each takes a core.
static TRYING: Semaphore = Semaphore::const_new(2);

/// Issues of a newsletter that are looked at for one with articles.
const ISSUES: i64 = 5;

/// Uses the templates that were saved, where others were saved since this program last looked.
pub async fn refresh(app: &App) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    let counter = db::templates::counter(&mut conn).await?;
    if counter == app.renderer.version() {
        return Ok(());
    }
    // A change between the two is found by the next look.
    let texts = db::templates::texts(&mut conn).await?;
    drop(conn);
    app.renderer.take(&texts, counter);
    if let [first, ..] = app.renderer.problems().as_slice() {
        tracing::error!(%first, "the saved templates cannot be used: mails are made without any of them");
    }
    Ok(())
}

/// Where the text of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    BuiltIn,
    /// The folder that `DAYBREAK_TEMPLATES` names.
    Folder,
    Saved(Version),
}

/// A file as it is used now.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub text: String,
    pub origin: Origin,
    /// The newest version, also where it says to be as the default; 0 where it was never saved.
    pub newest: i64,
}

/// Every file that a mail is made of.
pub async fn files(app: &App) -> Result<Vec<File>, Error> {
    refresh(app).await?;
    let versions = db::templates::newest(&mut *app.db.conn().await?).await?;
    let file = |name: &str| {
        let newest = versions.iter().find(|version| version.file == name);
        let base = if app.renderer.is_of_folder(name) { Origin::Folder } else { Origin::BuiltIn };
        let (text, origin) = match newest.and_then(|version| Some((version, version.text.as_ref()?))) {
            Some((version, text)) => (text.clone(), Origin::Saved(version.clone())),
            None => (app.renderer.base_text(name).unwrap_or_default().to_owned(), base),
        };
        File { name: name.to_owned(), text, origin, newest: newest.map_or(0, |version| version.id) }
    };
    Ok(app.renderer.base_files().map(file).collect())
}

/// One of them, if it can be changed here.
pub async fn file(app: &App, name: &str) -> Result<File, Error> {
    let found = files(app).await?.into_iter().find(|file| file.name == name && is_changeable(name));
    found.ok_or_else(|| Error::NotFound(format!("no mail is made of a template {name}")))
}

/// The templates with this text (none: the default) in the place of one file's.
async fn with(app: &App, file: &str, text: Option<&str>) -> Result<Texts, Error> {
    if !is_template(file) || !is_changeable(file) || app.renderer.base_text(file).is_none() {
        return Err(Error::NotFound(format!("no mail is made of a template {file}")));
    }
    let mut conn = app.db.conn().await?;
    let mut texts = db::templates::texts(&mut conn).await?;
    match text {
        Some(text) => texts.insert(file.to_owned(), text.to_owned()),
        None => texts.remove(file),
    };
    Ok(texts)
}

/// Tries templates out beside everything else.
async fn tried<T: Send + 'static>(
    file: &str,
    work: impl FnOnce(Instant) -> Result<T, Vec<TemplateProblem>> + Send + 'static,
) -> Result<Result<T, Vec<TemplateProblem>>, Error> {
    let problem =
        |message: String| vec![TemplateProblem { file: file.to_owned(), line: None, column: None, message }];
    let place = match tokio::time::timeout(TURN, TRYING.acquire()).await {
        Ok(place) => place.expect("nobody closes the semaphore"),
        Err(_) => {
            let words = "others try templates out at this moment, and take long: try again in a minute";
            return Ok(Err(problem(words.to_owned())));
        }
    };
    let until = Instant::now() + PATIENCE;
    let trying = tokio::task::spawn_blocking(move || {
        let done = work(until);
        drop(place);
        done
    });
    // What renders stops by itself at that time, and has a moment to say so.
    match tokio::time::timeout(PATIENCE + Duration::from_secs(1), trying).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Error::Io(format!("trying a template out crashed: {error}"))),
        Err(_) => Ok(Err(problem(format!(
            "rendering takes longer than {} seconds: look for loops in loops",
            PATIENCE.as_secs()
        )))),
    }
}

fn too_long(file: &str, text: &str) -> Option<Vec<TemplateProblem>> {
    let is_long = u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES;
    is_long.then(|| {
        let message = format!("it has {} bytes; a template has at most {MAX_BYTES}", text.len());
        vec![TemplateProblem { file: file.to_owned(), line: None, column: None, message }]
    })
}

/// What in the mails is hard to read, where nothing else is wrong.
type Checked = Result<Vec<String>, Vec<TemplateProblem>>;

fn checked(renderer: &Renderer, texts: &Texts, until: Instant) -> Checked {
    let tried = renderer.with(texts, until).map_err(|error| error.problems)?;
    let problems = tried.check();
    if problems.is_empty() { Ok(tried.faint()) } else { Err(problems) }
}

/// Renders every mail with its samples, with this text in the place of a file's: what is wrong with it, or what in it is
/// hard to read.
pub async fn check(app: &App, file: &str, text: &str) -> Result<Checked, Error> {
    if let Some(problems) = too_long(file, text) {
        return Ok(Err(problems));
    }
    let texts = with(app, file, Some(text)).await?;
    let renderer = app.renderer.clone();
    tried(file, move |until| checked(&renderer, &texts, until)).await
}

/// What became of a text that was to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// With what in its mails is hard to read.
    Done(Vec<String>),
    /// It is what is used already.
    AsItWas,
    /// It cannot be used.
    Broken(Vec<TemplateProblem>),
    /// Somebody else saved this file after it was opened.
    Overtaken(Version),
    /// Somebody else saved another file at this moment.
    AtOnce,
}

/// Saves a text for a file (none: back to the default), which was opened when `opened` was its newest version.
pub async fn save(
    app: &App,
    by: (&User, &str),
    file: &str,
    text: Option<&str>,
    opened: i64,
) -> Result<Saved, Error> {
    // Read before the file: what somebody saves from here on is noticed when this is saved.
    let seen = db::templates::counter(&mut *app.db.conn().await?).await?;
    let now = self::file(app, file).await?;
    if let Some(newest) = db::templates::get(&mut *app.db.conn().await?, now.newest).await?
        && newest.id != opened
    {
        return Ok(Saved::Overtaken(newest));
    }
    let is_same = match (text, &now.origin) {
        (None, origin) => !matches!(origin, Origin::Saved(_)),
        (Some(text), _) => text == now.text,
    };
    if is_same {
        return Ok(Saved::AsItWas);
    }
    if let Some(problems) = text.and_then(|text| too_long(file, text)) {
        return Ok(Saved::Broken(problems));
    }
    let texts = with(app, file, text).await?;
    let renderer = app.renderer.clone();
    let faint = match tried(file, move |until| checked(&renderer, &texts, until)).await? {
        Ok(faint) => faint,
        Err(problems) => return Ok(Saved::Broken(problems)),
    };
    let (user, network) = by;
    let mut tx = app.db.begin().await?;
    // What was checked is what is saved: nobody may have changed another file meanwhile.
    if !db::templates::insert(&mut tx, seen, file, text, user.email.as_str(), app.clock.now()).await? {
        return Ok(Saved::AtOnce);
    }
    let action = if text.is_some() { "template.save" } else { "template.default" };
    accounts::note(app, &mut tx, user, network, action, file, None).await?;
    db::commit(tx).await?;
    refresh(app).await?;
    Ok(Saved::Done(faint))
}

/// What a preview is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The newest issue of all, or made-up content where there is none.
    Newest,
    NewestOf(i64),
    MadeUp,
}

/// A mail as it would be with a text that is not saved.
#[derive(Clone, Debug)]
pub struct Previewed {
    pub subject: String,
    pub html: String,
    pub text: String,
}

/// Renders a mail with this text in the place of a file's.
pub async fn preview(
    app: &App,
    file: &str,
    text: &str,
    mail: &str,
    content: Content,
) -> Result<Result<Previewed, Vec<TemplateProblem>>, Error> {
    if let Some(problems) = too_long(file, text) {
        return Ok(Err(problems));
    }
    let texts = with(app, file, Some(text)).await?;
    let edition = if mail == "digest" { newest(app, content).await? } else { None };
    let newsletter = if mail == "digest" { None } else { newsletter_of(app, content).await? };
    let values = match &edition {
        Some(edition) => hole_values(app, &inspect::nobody(edition)?, 0, 0),
        None => HoleValues::default(),
    };
    let (renderer, mail) = (app.renderer.clone(), mail.to_owned());
    let rendered = tried(file, move |until| {
        let renderer = renderer.with(&texts, until).map_err(|error| error.problems)?;
        let rendered = match &edition {
            Some(edition) => renderer.digest_for(&edition.input(&edition.default_audience()), &values),
            None => renderer.render_sample(&mail, newsletter.as_ref()),
        };
        // All of it may be in another language than the newsletter's.
        let rendered = match rendered {
            Err(RenderError::NoArticles) => renderer.render_sample(&mail, newsletter.as_ref()),
            rendered => rendered,
        };
        rendered.map_err(|error| match error {
            RenderError::Template(problem) => vec![problem],
            RenderError::NoArticles => vec![],
        })
    });
    let filled = |mail: RenderedMail| {
        let values = HoleValues::default();
        Previewed {
            subject: mail.subject.fill(&values, str::to_owned),
            html: mail.html.fill(&values, escape_html),
            text: mail.text.fill(&values, str::to_owned),
        }
    };
    Ok(rendered.await?.map(filled))
}

/// The newsletter that a notice is shown for.
async fn newsletter_of(app: &App, content: Content) -> Result<Option<Newsletter>, Error> {
    let mut newsletters = match content {
        Content::MadeUp => vec![],
        _ => db::newsletters::list(&mut *app.db.conn().await?).await?,
    };
    if let Content::NewestOf(id) = content {
        newsletters.retain(|newsletter| newsletter.id == id);
    }
    Ok(newsletters.into_iter().next())
}

/// The newest issue with articles.
async fn newest(app: &App, content: Content) -> Result<Option<Edition>, Error> {
    let newsletter_id = match content {
        Content::MadeUp => return Ok(None),
        Content::Newest => None,
        Content::NewestOf(id) => Some(id),
    };
    let issues = db::issues::list(&mut *app.db.conn().await?, newsletter_id, ISSUES).await?;
    for issue in issues {
        let edition = inspect::load(app, issue.id).await?;
        if !edition.content.articles.is_empty() {
            return Ok(Some(edition));
        }
    }
    Ok(None)
}
