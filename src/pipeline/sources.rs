//! Sources, as editors set them up.

use std::time::Duration;

use url::Url;

use crate::db;
use crate::db::sources::Source;
use crate::domain::article::Identity;
use crate::domain::topic::TopicSet;

use super::accounts::Actor;
use super::collect::{self, Brought};
use super::editors::find_newsletter;
use super::newsletters::ensure_topic;
use super::{App, Error};

/// Adds a feed to a newsletter; it is due at once. Topics that the newsletter does not have are made.
pub async fn add(
    app: &App,
    by: &Actor,
    slug: &str,
    url: &str,
    topics: &[String],
    identity: &str,
) -> Result<Source, Error> {
    let url = parse_feed_url(url)?;
    let identity = Identity::parse(identity).ok_or_else(|| {
        Error::Invalid(format!("identity: “{identity}” is not one of {}", Identity::NAMES.join(", ")))
    })?;
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    let labels = labels(&mut tx, newsletter.id, topics).await?;
    let added =
        db::sources::insert(&mut tx, newsletter.id, url.as_str(), identity, labels, app.clock.now()).await;
    let id = match added {
        Err(error) if error.is_duplicate() => {
            return Err(Error::Invalid(format!("“{slug}” has the source {url} already")));
        }
        other => other?,
    };
    let source = find(&mut tx, id).await?;
    note(app, &mut tx, by, "source.add", &source).await?;
    db::commit(tx).await?;
    Ok(source)
}

/// The newsletter's topics of these names; those that it does not have are made.
async fn labels(conn: &mut db::Conn, newsletter_id: i64, topics: &[String]) -> Result<TopicSet, Error> {
    let mut labels = TopicSet::EMPTY;
    for topic in topics {
        labels = labels.with(&ensure_topic(conn, newsletter_id, topic).await?);
    }
    Ok(labels)
}

/// Gives a source these topics in place of those that it has; what it brought keeps its own.
pub async fn set_topics(app: &App, by: &Actor, id: i64, topics: &[String]) -> Result<Source, Error> {
    let mut tx = app.db.begin().await?;
    let source = find(&mut tx, id).await?;
    let labels = labels(&mut tx, source.newsletter_id, topics).await?;
    db::sources::set_topics(&mut tx, id, labels).await?;
    note(app, &mut tx, by, "source.topics", &source).await?;
    db::commit(tx).await?;
    Ok(Source { topics: labels, ..source })
}

/// Writes down what somebody did to a source.
async fn note(
    app: &App,
    conn: &mut db::Conn,
    by: &Actor,
    action: &str,
    source: &Source,
) -> Result<(), Error> {
    let what: String = source.url.chars().take(200).collect();
    by.note_of(app, conn, action, &what, Some(source.newsletter_id)).await
}

fn parse_feed_url(text: &str) -> Result<Url, Error> {
    let typed = text.trim();
    let text = typed;
    // People paste feed: links, and addresses without a scheme.
    let text = text.strip_prefix("feed:").map_or(text, |rest| rest.trim_start_matches("//"));
    let has_scheme = text.contains("://");
    let text = if has_scheme { text.to_owned() } else { format!("https://{text}") };
    let wrong = |why: &str| Error::Invalid(format!("“{}” cannot be a source: {why}", typed.escape_debug()));
    let url = Url::parse(&text).map_err(|_| wrong("write the feed's address, https://…"))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Without the address: it would be printed with the password.
        return Err(Error::Invalid(
            "a source's address cannot have a name or a password in it (https://NAME:PASSWORD@…): addresses are shown \
             in lists and logs; give one that works without"
                .to_owned(),
        ));
    }
    // A word alone is a slip; a host of the own network is named with its scheme.
    let is_whole = |host: url::Host<&str>| match host {
        url::Host::Domain(name) => name.trim_end_matches('.').contains('.') || name == "localhost",
        url::Host::Ipv4(_) | url::Host::Ipv6(_) => true,
    };
    if !has_scheme && !url.host().is_some_and(is_whole) {
        let why = "no host such as example.org stands in it; write the feed's whole address, \
                   https://example.org/feed.xml";
        return Err(wrong(why));
    }
    match url.scheme() {
        "http" | "https" if text.len() > 2000 => Err(wrong("it is longer than 2,000 characters")),
        "http" | "https" => Ok(url),
        scheme => Err(wrong(&format!("“{scheme}:” is not http or https"))),
    }
}

/// The source, or an error that says how to see which there are.
pub async fn find(conn: &mut db::Conn, id: i64) -> Result<Source, Error> {
    db::sources::get(conn, id).await?.ok_or_else(|| {
        Error::NotFound(format!("there is no source {id}: `daybreak source list` shows those there are"))
    })
}

/// Pauses a source, or polls it again from now on.
pub async fn pause(app: &App, by: &Actor, id: i64, paused: bool) -> Result<Source, Error> {
    let mut tx = app.db.begin().await?;
    let source = find(&mut tx, id).await?;
    db::sources::set_paused(&mut tx, id, paused, app.clock.now()).await?;
    let action = if paused { "source.pause" } else { "source.resume" };
    note(app, &mut tx, by, action, &source).await?;
    db::commit(tx).await?;
    Ok(source)
}

/// How long whoever asks for a poll waits for its end.
const POLL_PATIENCE: Duration = Duration::from_secs(22);

/// Polls a source now, due or not; who asks for it is written down before. None where it takes long: it goes on, and the source says later what came of it.
pub async fn poll_now(app: &App, by: &Actor, id: i64) -> Result<Option<Result<Brought, String>>, Error> {
    let mut conn = app.db.conn().await?;
    let source = find(&mut conn, id).await?;
    note(app, &mut conn, by, "source.poll", &source).await?;
    drop(conn);
    let fetcher = collect::fetcher(app)?;
    let app = app.clone();
    let polling = tokio::spawn(async move { collect::poll_all(&app, &fetcher, vec![source], |_| {}).await });
    match tokio::time::timeout(POLL_PATIENCE, polling).await {
        Err(_) => Ok(None),
        Ok(Err(error)) => Err(Error::Io(format!("the poll crashed: {error}"))),
        Ok(Ok(polled)) => Ok(polled?.pop().map(|polled| polled.result)),
    }
}

/// Writes down who asks for polls of these, before they are polled.
pub async fn note_polls(app: &App, by: &Actor, sources: &[Source]) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    for source in sources {
        note(app, &mut tx, by, "source.poll", source).await?;
    }
    Ok(db::commit(tx).await?)
}

/// Removes a source; what it brought stays.
pub async fn remove(app: &App, by: &Actor, id: i64) -> Result<Source, Error> {
    let mut tx = app.db.begin().await?;
    let source = find(&mut tx, id).await?;
    db::sources::remove(&mut tx, id).await?;
    note(app, &mut tx, by, "source.remove", &source).await?;
    db::commit(tx).await?;
    Ok(source)
}
