//! Collect: polls the sources that are due, and stores what they bring, each article once.

use futures_util::StreamExt as _;
use url::Url;

use crate::db;
use crate::db::articles::Place;
use crate::db::sources::{Source, Validators};
use crate::domain::article::{FoundArticle, Identity};
use crate::domain::calendar::Timestamp;
use crate::domain::link::{self, Story};
use crate::domain::topic::{Topic, TopicSet, slug_of};
use crate::sources::feed::{Feed, parse_feed};
use crate::sources::fetch::{self, Document, FetchError, FetchSettings, Fetched, Fetcher};

use super::{App, Error};

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How often a source is polled. Newsrooms publish by the hour, and hosts take four requests an hour kindly.
const POLL_EVERY: i64 = 15 * MINUTE;

/// The longest that a failing source is left alone.
const LONGEST_BACK_OFF: i64 = DAY;

/// How long a node has for the sources it took: a fetch takes 20 s, and waits its turn behind others of its host.
const CLAIM: i64 = 10 * MINUTE;

/// Sources taken at a time, and polled side by side.
const BATCH: i64 = 16;
const SIDE_BY_SIDE: usize = 8;

/// How far back a title is looked for: two sources tell the same story within a few days.
const SAME_STORY_WITHIN: i64 = 3 * DAY;

/// What polling one source brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    pub source_id: i64,
    pub url: String,
    pub result: Result<Brought, String>,
}

/// What became of a feed's items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    pub new: usize,
    /// Told by another source already: kept as a further link.
    pub same_story: usize,
    /// Known, and changed by the source.
    pub changed: usize,
    pub known: usize,
    /// Broken items that could not be read.
    pub skipped: usize,
}

/// Something that fetches, with the settings' limits.
pub fn fetcher(app: &App) -> Result<Fetcher, Error> {
    let settings = FetchSettings {
        allow_private: app.settings.fetch_private,
        contact: Url::parse(&app.settings.public_url).ok(),
        ..FetchSettings::default()
    };
    Fetcher::new(settings, app.clock.clone()).map_err(|error| Error::Io(error.to_string()))
}

/// Polls a batch of the sources that are due; `each` is told as each comes in. Empty when none is due.
pub async fn poll_due(app: &App, fetcher: &Fetcher, each: impl Fn(&Polled)) -> Result<Vec<Polled>, Error> {
    let now = app.clock.now();
    let due = {
        let mut conn = app.db.conn().await?;
        db::sources::claim_due(&mut conn, now, now.plus_millis(CLAIM), BATCH).await?
    };
    poll_all(app, fetcher, due, each).await
}

/// Polls these sources now, due or not.
pub async fn poll_all(
    app: &App,
    fetcher: &Fetcher,
    sources: Vec<Source>,
    each: impl Fn(&Polled),
) -> Result<Vec<Polled>, Error> {
    let polls = sources.into_iter().map(|source| async move { poll(app, fetcher, source).await });
    let mut polls = futures_util::stream::iter(polls).buffer_unordered(SIDE_BY_SIDE);
    let mut done = vec![];
    while let Some(polled) = polls.next().await {
        let polled = polled?;
        each(&polled);
        done.push(polled);
    }
    Ok(done)
}

async fn poll(app: &App, fetcher: &Fetcher, source: Source) -> Result<Polled, Error> {
    let brought = match fetch_feed(fetcher, &source).await {
        Ok(answer) => store(app, &source, answer).await.map_err(|error| Failure {
            why: format!("what it brought could not be stored: {error}"),
            retry_after: None,
        }),
        Err(failure) => Err(failure),
    };
    let result = match brought {
        Ok(brought) => Ok(brought),
        Err(failure) => Err(note_failure(app, &source, failure).await?),
    };
    Ok(Polled { source_id: source.id, url: source.url, result })
}

/// Puts a failing source off, and gives the reason as it is kept. Fails only where the database does: one bad source
/// must not keep a batch from its others.
async fn note_failure(app: &App, source: &Source, failure: Failure) -> Result<String, Error> {
    // A server's own words may be in it, and it is printed on terminals.
    let why: String = failure.why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let now = app.clock.now();
    let next = now.plus_millis(back_off(source.failures, failure.retry_after));
    let mut conn = app.db.conn().await?;
    if db::sources::get(&mut conn, source.id).await?.is_none() {
        return Ok("it was removed meanwhile".to_owned());
    }
    db::sources::record_failure(&mut conn, source.id, &why, now, next).await?;
    Ok(why)
}

/// 15 minutes, 30, 1 hour, 2 … up to a day; longer only where the server asks for it.
fn back_off(failures: i64, retry_after: Option<i64>) -> i64 {
    let doublings = u32::try_from(failures.clamp(0, 10)).unwrap_or(10);
    let wait = (POLL_EVERY << doublings).min(LONGEST_BACK_OFF);
    retry_after.map_or(wait, |asked| wait.max(asked))
}

struct Failure {
    why: String,
    retry_after: Option<i64>,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let retry_after = match &error {
            // What is gone for good is asked for once a day, in case it was a mistake.
            error if error.is_permanent() => Some(LONGEST_BACK_OFF),
            error => error.retry_after().and_then(|wait| i64::try_from(wait.as_millis()).ok()),
        };
        Self { why: error.to_string(), retry_after }
    }
}

enum Answer {
    NotModified { moved_to: Option<Url> },
    Feed(Box<(Feed, Document)>),
}

async fn fetch_feed(fetcher: &Fetcher, source: &Source) -> Result<Answer, Failure> {
    let url = Url::parse(&source.url).map_err(|error| Failure {
        why: format!("“{}” is not a link: {error}", source.url),
        retry_after: None,
    })?;
    let known = fetch::Validators {
        etag: source.validators.etag.clone(),
        last_modified: source.validators.last_modified.clone(),
    };
    let document = match fetcher.get(&url, &known).await? {
        Fetched::NotModified { moved_to } => return Ok(Answer::NotModified { moved_to }),
        Fetched::Document(document) => document,
    };
    // Parsing 10 MB takes a while: not on a thread that others wait for.
    let parsed = tokio::task::spawn_blocking(move || {
        let feed = parse_feed(&document.bytes, document.content_type.as_deref(), &document.url);
        feed.map(|feed| Answer::Feed(Box::new((feed, document))))
    });
    match parsed.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure { why: error.to_string(), retry_after: None }),
        Err(_) => Err(Failure {
            why: "the feed could not be read: its reader failed".to_owned(),
            retry_after: None,
        }),
    }
}

async fn store(app: &App, source: &Source, answer: Answer) -> Result<Brought, Error> {
    let now = app.clock.now();
    let next = now.plus_millis(POLL_EVERY);
    let mut tx = app.db.begin().await?;
    let (brought, title, validators, moved_to) = match answer {
        Answer::NotModified { moved_to } => {
            (Brought::default(), source.title.clone(), source.validators.clone(), moved_to)
        }
        Answer::Feed(read) => {
            let (feed, document) = *read;
            let topics = db::newsletters::topics(&mut tx, source.newsletter_id).await?;
            let mut brought = store_found(&mut tx, source, &topics, &feed.articles, now).await?;
            brought.skipped = feed.skipped;
            let validators = Validators {
                etag: document.validators.etag,
                last_modified: document.validators.last_modified,
            };
            // A feed that turned into another keeps its title until the editor looks; a first poll names it.
            let title = feed.title.filter(|title| !title.is_empty()).unwrap_or_else(|| source.title.clone());
            (brought, title, validators, document.moved_to)
        }
    };
    let moved_to = moved_to.as_ref().map(Url::as_str);
    db::sources::record_success(&mut tx, source, &title, &validators, moved_to, now, next).await?;
    db::commit(tx).await?;
    Ok(brought)
}

/// Stores what a source found: new articles, new tellings of known stories, changes.
async fn store_found(
    conn: &mut db::Conn,
    source: &Source,
    topics: &[Topic],
    found: &[FoundArticle],
    now: Timestamp,
) -> Result<Brought, Error> {
    let identities: Vec<Vec<String>> =
        found.iter().map(|article| identities_or_title(source, article)).collect();
    let all: Vec<String> = identities.iter().flatten().cloned().collect();
    let mut known = db::articles::known(conn, source.newsletter_id, &all).await?;
    let is_any_new = identities.iter().any(|names| !names.iter().any(|name| known.contains_key(name)));
    let mut told = if is_any_new { told_lately(conn, source.newsletter_id, now).await? } else { vec![] };
    let mut brought = Brought::default();
    // The oldest first, so that ids and the order of a feed without dates agree.
    for (article, names) in found.iter().zip(&identities).rev() {
        let labels = article
            .categories
            .iter()
            .fold(source.topics, |labels, category| with_label(labels, topics, category));
        if let Some(id) = names.iter().find_map(|name| known.get(name).copied()) {
            match db::articles::refresh(conn, id, Some(source.id), article, labels).await? {
                true => brought.changed += 1,
                false => brought.known += 1,
            }
            for name in names.iter().filter(|name| !known.contains_key(*name)) {
                db::articles::add_identity(conn, source.newsletter_id, name, id).await?;
            }
            known.extend(names.iter().map(|name| (name.clone(), id)));
            continue;
        }
        let story = Story::of(&article.title);
        let story_id = told
            .iter()
            .find(|told| told.source_id != Some(source.id) && told.story.same_as(&story))
            .map(|told| told.story_id);
        let place = Place {
            newsletter_id: source.newsletter_id,
            source_id: Some(source.id),
            topics: labels,
            story_id,
            // A date in the future is a mistake of the publisher's; a missing one is now.
            fresh_at: article.published_at.map_or(now, |published| published.min(now)),
        };
        let Some(id) = db::articles::insert(conn, article, place, names, now).await? else {
            brought.known += 1;
            continue;
        };
        known.extend(names.iter().map(|name| (name.clone(), id)));
        told.push(ToldStory { story_id: story_id.unwrap_or(id), source_id: Some(source.id), story });
        match story_id {
            Some(_) => brought.same_story += 1,
            None => brought.new += 1,
        }
    }
    Ok(brought)
}

/// What a title is compared with.
struct ToldStory {
    story_id: i64,
    source_id: Option<i64>,
    story: Story,
}

async fn told_lately(
    conn: &mut db::Conn,
    newsletter_id: i64,
    now: Timestamp,
) -> Result<Vec<ToldStory>, Error> {
    let told = db::articles::told_since(conn, newsletter_id, now.plus_millis(-SAME_STORY_WITHIN)).await?;
    let story = |told: db::articles::Told| ToldStory {
        story_id: told.story_id,
        source_id: told.source_id,
        story: Story::of(&told.title),
    };
    Ok(told.into_iter().map(story).collect())
}

fn with_label(labels: TopicSet, topics: &[Topic], category: &str) -> TopicSet {
    let slug = slug_of(category);
    topics.iter().find(|topic| Some(&topic.slug) == slug.as_ref()).map_or(labels, |topic| labels.with(topic))
}

/// The keys of a feed's item: where it has neither GUID nor link, its title, so that it is not new at every poll.
fn identities_or_title(source: &Source, article: &FoundArticle) -> Vec<String> {
    let keys = identities(source.id, source.identity, article);
    match keys.is_empty() {
        true => vec![bounded(&format!("title:{}:{}", source.id, article.title.to_lowercase()))],
        false => keys,
    }
}

/// The keys under which an article is the same as another (see [`Identity`]); none for one that has neither a GUID nor
/// a link that is its own.
///
/// A GUID that is an address or a `tag:`/`urn:` is meant to be unique in the world; any other only within its feed.
pub fn identities(source_id: i64, identity: Identity, article: &FoundArticle) -> Vec<String> {
    let guid = article.guid.as_ref().map(|guid| match is_worldwide(guid) {
        true => format!("guid:{guid}"),
        false => format!("guid:{source_id}:{guid}"),
    });
    let link = article.url.as_ref().filter(|url| link::is_identity(url)).and_then(|url| link::canonical(url));
    let link = link.map(|link| format!("link:{link}"));
    let chosen: Vec<String> = match identity {
        Identity::Either => guid.into_iter().chain(link).collect(),
        Identity::Guid => guid.or(link).into_iter().collect(),
        Identity::Link => link.or(guid).into_iter().collect(),
    };
    // Keys stand in an index, and PostgreSQL takes no more than 2,700 bytes there.
    chosen.into_iter().map(|key| bounded(&key)).collect()
}

/// The key of a text that has neither GUID nor link.
pub fn text_identity(title: &str, body: &str) -> String {
    format!("text:{}", digest(&format!("{title}\n{body}")))
}

fn is_worldwide(guid: &str) -> bool {
    ["http://", "https://", "tag:", "urn:"].iter().any(|scheme| guid.starts_with(scheme))
}

fn digest(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key of at most 500 bytes: a longer one keeps its beginning, and a digest of the whole.
fn bounded(key: &str) -> String {
    if key.len() <= 500 {
        return key.to_owned();
    }
    let start: String = key.chars().take(100).collect();
    format!("{start}…{}", digest(key))
}

#[cfg(test)]
mod tests;
