//! Where articles come from, how well each source is, and what may be done with it.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::show;
use super::words::Moment;
use crate::db;
use crate::db::articles::Article;
use crate::db::sources::Source;
use crate::domain::article::{Identity, LINK_CHARS};
use crate::domain::newsletter::Newsletter;
use crate::domain::topic::{TOPIC_CHARS, Topic, slug_of};
use crate::domain::user::Role;
use crate::pipeline::collect::Brought;
use crate::pipeline::{self, App, sources, too_long};
use crate::web::auth::{Act, SignedIn};
use crate::web::form::Segment;
use crate::web::words::zone_name;
use crate::web::{Error, said, words};

/// So many failures in a row are no chance.
const MANY_FAILURES: i64 = 4;

/// Articles on a source's page.
const ARTICLES: i64 = 30;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk/sources", get(list).post(add))
        .route("/desk/sources/{id}", get(open))
        .route("/desk/sources/{id}/pause", post(pause))
        .route("/desk/sources/{id}/resume", post(resume))
        .route("/desk/sources/{id}/poll", post(poll))
        .route("/desk/sources/{id}/topics", post(set_topics))
        .route("/desk/sources/{id}/remove", post(remove))
}

#[derive(Deserialize, Default)]
struct Asked {
    newsletter: Option<String>,
}

#[derive(Default, Serialize)]
struct Page {
    groups: Vec<Group>,
    choices: Vec<Choice>,
    /// Newsletters that a source may be added to.
    own: Vec<Choice>,
    typed: Typed,
    wrong: Wrong,
}

#[derive(Serialize)]
struct Choice {
    slug: String,
    name: String,
    chosen: bool,
}

#[derive(Default, Serialize)]
struct Typed {
    url: String,
    topics: String,
}

/// What is wrong with what was typed, by field.
#[derive(Default, Serialize)]
struct Wrong {
    url: String,
    topics: String,
    /// Some of the topics are not there yet.
    is_new: bool,
}

#[derive(Serialize)]
struct Group {
    name: String,
    /// The zone of its times.
    zone: String,
    may_edit: bool,
    sources: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: i64,
    name: String,
    url: String,
    topics: String,
    paused: bool,
    state: &'static str,
    kind: &'static str,
    /// How often it failed in a row, in words.
    failures: String,
    last_error: String,
    last_success: Option<Moment>,
    last_poll: Option<Moment>,
    next_poll: Option<Moment>,
}

fn row(app: &App, zone: Tz, topics: &[Topic], source: &Source) -> Row {
    let now = app.clock.now();
    let moment = |at| Moment::near(at, now, zone);
    let (state, kind) = match source {
        Source { paused: true, .. } => ("paused", ""),
        Source { failures: MANY_FAILURES.., .. } => ("fails", "bad"),
        Source { failures: 1.., .. } => ("failed lately", "warn"),
        Source { last_success_at: None, .. } => ("not polled yet", ""),
        _ => ("works", "good"),
    };
    let names: Vec<String> =
        topics.iter().filter(|topic| source.topics.contains(topic)).map(|topic| topic.name.clone()).collect();
    Row {
        id: source.id,
        name: if source.title.is_empty() { source.url.clone() } else { source.title.clone() },
        url: source.url.clone(),
        topics: words::list(&names),
        paused: source.paused,
        state,
        kind,
        failures: match source.failures {
            0 => String::new(),
            1 => "The last poll failed".to_owned(),
            many => format!("The last {many} polls failed"),
        },
        last_error: source.last_error.clone().unwrap_or_default(),
        last_success: source.last_success_at.map(moment),
        last_poll: source.last_polled_at.map(moment),
        next_poll: (!source.paused).then(|| match source.next_poll_at <= now {
            true => Moment::of("in a moment".to_owned(), now, zone),
            false => moment(source.next_poll_at),
        }),
    }
}

/// `GET /desk/sources?newsletter=brief`
async fn list(
    State(app): State<App>,
    by: SignedIn,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let chosen = asked.ok().and_then(|Query(asked)| asked.newsletter).unwrap_or_default();
    page(&app, &by, StatusCode::OK, &chosen, Typed::default(), Wrong::default()).await
}

async fn page(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    chosen: &str,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Error> {
    let mut conn = app.db.conn().await?;
    let mut newsletters = db::newsletters::list(&mut conn).await?;
    newsletters.retain(|newsletter| by.user.may(Role::Viewer, newsletter.id));
    let choice = |newsletter: &Newsletter| Choice {
        slug: newsletter.slug.clone(),
        name: newsletter.name.clone(),
        chosen: newsletter.slug == chosen,
    };
    let may_edit = |newsletter: &&Newsletter| by.user.may(Role::Editor, newsletter.id);
    let mut page = Page {
        choices: newsletters.iter().map(choice).collect(),
        own: newsletters.iter().filter(may_edit).map(choice).collect(),
        typed,
        wrong,
        ..Page::default()
    };
    if newsletters.iter().any(|newsletter| newsletter.slug == chosen) {
        newsletters.retain(|newsletter| newsletter.slug == chosen);
    }
    for newsletter in &newsletters {
        let topics = db::newsletters::topics(&mut conn, newsletter.id).await?;
        let sources = db::sources::list(&mut conn, Some(newsletter.id)).await?;
        page.groups.push(Group {
            name: newsletter.name.clone(),
            zone: zone_name(newsletter.zone),
            may_edit: may_edit(&newsletter),
            sources: sources.iter().map(|source| row(app, newsletter.zone, &topics, source)).collect(),
        });
    }
    drop(conn);
    show(by, status, "/desk/sources", "Sources", "desk/sources", &page)
}

/// `POST /desk/sources`
async fn add(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let slug = act.form.get("newsletter");
    let newsletter = {
        let mut conn = app.db.conn().await?;
        db::newsletters::find(&mut conn, slug).await?
    };
    let Some(newsletter) = newsletter else {
        act.by.require_everywhere(&app, Role::Editor, "source.add", slug).await?;
        return Err(Error::Refused("Choose the newsletter that the source is for.".to_owned()));
    };
    let url = act.form.get("url");
    act.by.require(&app, Role::Editor, newsletter.id, "source.add", &shortened(url)).await?;
    let typed = act.form.get("topics");
    let topics = named(typed);
    let typed = Typed { url: url.to_owned(), topics: typed.to_owned() };
    let mut wrong = Wrong {
        url: too_long(url.trim(), LINK_CHARS).unwrap_or_default(),
        topics: wrong_topic(&topics).unwrap_or_default(),
        is_new: false,
    };
    if wrong.topics.is_empty()
        && let Some(says) = new_topic(&app, &act, newsletter.id, &topics).await?
    {
        (wrong.topics, wrong.is_new) = (says, true);
    }
    if !wrong.url.is_empty() || !wrong.topics.is_empty() {
        return page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, slug, typed, wrong).await;
    }
    match sources::add(&app, &act.by.actor(), slug, url, &topics, Identity::default().as_str()).await {
        Ok(source) => {
            let address = format!("/desk/sources/{}", source.id);
            let words = "The source is added, and is polled within a minute. “Poll it now” shows at once whether it works.";
            Ok(said::then_say(&app, &address, words))
        }
        Err(pipeline::Error::Invalid(problem)) => {
            let wrong = Wrong { url: problem, ..Wrong::default() };
            page(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, slug, typed, wrong).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The topics of a list with commas.
fn named(topics: &str) -> Vec<String> {
    topics.split(',').map(|topic| topic.trim().to_owned()).filter(|topic| !topic.is_empty()).collect()
}

fn wrong_topic(topics: &[String]) -> Option<String> {
    topics.iter().find_map(|topic| match slug_of(topic) {
        None => Some(format!("“{topic}” cannot be a topic: it has no letter and no digit")),
        Some(_) => {
            too_long(topic, TOPIC_CHARS).map(|says| format!("The topic “{topic}” is too long. {says}"))
        }
    })
}

/// What to ask before a topic is made that readers could choose at once: it may be a slip of the keys. None where the
/// form says that it is meant, or where all are there.
async fn new_topic(
    app: &App,
    act: &Act,
    newsletter_id: i64,
    named: &[String],
) -> Result<Option<String>, Error> {
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, newsletter_id).await?;
    let is_known =
        |name: &str| slug_of(name).is_some_and(|slug| topics.iter().any(|topic| topic.slug == slug));
    let new: Vec<String> =
        named.iter().filter(|name| !is_known(name)).map(|name| format!("“{name}”")).collect();
    if new.is_empty() || topics.is_empty() || act.form.get("new") == "yes" {
        return Ok(None);
    }
    let known: Vec<String> = topics.into_iter().map(|topic| topic.name).collect();
    let are = if new.len() == 1 { "is" } else { "are" };
    Ok(Some(format!(
        "{} {are} not among the topics yet: there are {}. Choose one of them, or tick below that readers are to have a new one.",
        words::list(&new),
        words::list(&known)
    )))
}

/// What is written down of an address that may be anything.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[derive(Serialize)]
struct Opened {
    newsletter: String,
    /// The zone of the page's times.
    zone: String,
    slug: String,
    may_edit: bool,
    source: Row,
    articles: Vec<Told>,
    /// The source's topics as they are typed, and what is wrong with them.
    topics: String,
    wrong_topics: String,
    /// What is wrong is that some of them are not there yet.
    new_topics: bool,
}

#[derive(Serialize)]
struct Told {
    title: String,
    url: String,
    summary: String,
    at: Moment,
    topics: String,
    state: &'static str,
}

fn told(app: &App, zone: Tz, topics: &[Topic], article: Article) -> Told {
    let names: Vec<String> = topics
        .iter()
        .filter(|topic| article.topics.contains(topic))
        .map(|topic| topic.name.clone())
        .collect();
    Told {
        at: Moment::near(article.fresh_at, app.clock.now(), zone),
        topics: words::list(&names),
        state: match (article.held, article.story_id) {
            (true, _) => "held",
            (false, Some(_)) => "told by another source first",
            (false, None) => "",
        },
        title: article.title,
        url: article
            .url
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .unwrap_or_default(),
        summary: article.summary,
    }
}

/// The source of an address, and its newsletter.
async fn find(app: &App, id: &str) -> Result<(Source, Newsletter), Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let mut conn = app.db.conn().await?;
    let source = sources::find(&mut conn, id).await?;
    let newsletter = db::newsletters::get(&mut conn, source.newsletter_id).await?;
    Ok((source, newsletter.ok_or(Error::NotFound)?))
}

/// `GET /desk/sources/{id}`
async fn open(State(app): State<App>, by: SignedIn, Segment(id): Segment) -> Result<Response, Error> {
    let (source, newsletter) = find(&app, &id).await?;
    by.require(&app, Role::Viewer, newsletter.id, "source.look", &shortened(&source.url)).await?;
    one(&app, &by, StatusCode::OK, source, newsletter, None).await
}

/// Topics that were typed and cannot be, and why.
struct WrongTopics {
    typed: String,
    says: String,
    is_new: bool,
}

/// A source's page.
async fn one(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    source: Source,
    newsletter: Newsletter,
    wrong: Option<WrongTopics>,
) -> Result<Response, Error> {
    let mut conn = app.db.conn().await?;
    let topics = db::newsletters::topics(&mut conn, newsletter.id).await?;
    let articles = db::articles::of_source(&mut conn, newsletter.id, source.id, ARTICLES).await?;
    drop(conn);
    let names = topics.iter().filter(|topic| source.topics.contains(topic)).map(|topic| topic.name.as_str());
    let wrong = wrong.unwrap_or_else(|| WrongTopics {
        typed: names.collect::<Vec<_>>().join(", "),
        says: String::new(),
        is_new: false,
    });
    let page = Opened {
        topics: wrong.typed,
        wrong_topics: wrong.says,
        new_topics: wrong.is_new,
        may_edit: by.user.may(Role::Editor, newsletter.id),
        source: row(app, newsletter.zone, &topics, &source),
        articles: articles.into_iter().map(|article| told(app, newsletter.zone, &topics, article)).collect(),
        zone: zone_name(newsletter.zone),
        newsletter: newsletter.name,
        slug: newsletter.slug,
    };
    let title = page.source.name.clone();
    show(by, status, &format!("/desk/sources/{}", source.id), &title, "desk/source", &page)
}

/// The source that somebody may change.
async fn allowed(app: &App, act: &Act, id: &str, action: &str) -> Result<Source, Error> {
    let (source, newsletter) = find(app, id).await?;
    act.by.require(app, Role::Editor, newsletter.id, action, &shortened(&source.url)).await?;
    Ok(source)
}

/// `POST /desk/sources/{id}/topics`
async fn set_topics(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let source = allowed(&app, &act, &id, "source.topics").await?;
    let typed = act.form.get("topics");
    let topics = named(typed);
    let mut is_new = false;
    let done = match wrong_topic(&topics) {
        Some(says) => Err(pipeline::Error::Invalid(says)),
        None => match new_topic(&app, &act, source.newsletter_id, &topics).await? {
            Some(says) => {
                is_new = true;
                Err(pipeline::Error::Invalid(says))
            }
            None => sources::set_topics(&app, &act.by.actor(), source.id, &topics).await,
        },
    };
    match done {
        Ok(source) => {
            let words = "Its topics are changed. What comes from now on has them; articles that are here keep theirs.";
            Ok(said::then_say(&app, &format!("/desk/sources/{}", source.id), words))
        }
        Err(pipeline::Error::Invalid(says)) => {
            let (source, newsletter) = find(&app, &id).await?;
            let wrong = Some(WrongTopics { typed: typed.to_owned(), says, is_new });
            one(&app, &act.by, StatusCode::UNPROCESSABLE_ENTITY, source, newsletter, wrong).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /desk/sources/{id}/pause`
async fn pause(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let source = allowed(&app, &act, &id, "source.pause").await?;
    sources::pause(&app, &act.by.actor(), source.id, true).await?;
    let undo = said::Said {
        words: "The source is paused: nothing new comes from it. What it brought can still go out."
            .to_owned(),
        undo: format!("/desk/sources/{}/resume", source.id),
        undo_words: "Poll it again".to_owned(),
        ..said::Said::default()
    };
    Ok(said::then(&app, &format!("/desk/sources/{}", source.id), undo))
}

/// `POST /desk/sources/{id}/resume`
async fn resume(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let source = allowed(&app, &act, &id, "source.resume").await?;
    sources::pause(&app, &act.by.actor(), source.id, false).await?;
    let words = "The source is polled again, within a minute for the first time.";
    Ok(said::then_say(&app, &format!("/desk/sources/{}", source.id), words))
}

/// `POST /desk/sources/{id}/poll`
async fn poll(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let source = allowed(&app, &act, &id, "source.poll").await?;
    let polled = sources::poll_now(&app, &act.by.actor(), source.id).await?;
    let words = match polled {
        Some(Ok(brought)) => said_of(brought),
        Some(Err(why)) => format!("The poll failed: {why}"),
        None => "The poll takes long, and goes on: look at this page again in a minute.".to_owned(),
    };
    Ok(said::then_say(&app, &format!("/desk/sources/{}", source.id), words))
}

/// What came, in a sentence.
fn said_of(brought: Brought) -> String {
    let articles = |count: usize| match count {
        1 => "1 article".to_owned(),
        count => format!("{count} articles"),
    };
    let mut parts = vec![];
    if brought.new > 0 {
        parts.push(format!("{} new", articles(brought.new)));
    }
    if brought.same_story > 0 {
        parts.push(format!("{} that another source told already", articles(brought.same_story)));
    }
    if brought.changed > 0 {
        parts.push(format!("{} changed", articles(brought.changed)));
    }
    if brought.skipped > 0 {
        parts.push(format!("{} that could not be read", articles(brought.skipped)));
    }
    match (parts.is_empty(), brought.known) {
        (false, _) => format!("It works: {}.", words::list(&parts)),
        (true, 0) => "It works, and nothing has changed since the last poll.".to_owned(),
        (true, known) => format!("It works, and holds nothing new: {} known already.", articles(known)),
    }
}

/// `POST /desk/sources/{id}/remove`
async fn remove(State(app): State<App>, Segment(id): Segment, act: Act) -> Result<Response, Error> {
    let source = allowed(&app, &act, &id, "source.remove").await?;
    sources::remove(&app, &act.by.actor(), source.id).await?;
    let words = format!(
        "{} is removed. Its articles stay, and can still go out; add the address again to poll it again.",
        shortened(&source.url)
    );
    Ok(said::then_say(&app, "/desk/sources", words))
}
