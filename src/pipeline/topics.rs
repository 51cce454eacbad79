//! A newsletter's topics as admins change them.

use super::accounts::Actor;
use super::newsletters::{ensure_topic, topic_name};
use super::{App, Error};
use crate::db;
use crate::domain::topic::Topic;

/// What can be done with topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A topic of this name; it may be there already.
    Add(String),
    /// Gives a topic another name. Feeds go on to name it by the old one: whoever follows it loses nothing.
    Rename(i64, String),
    /// Removes a topic that nothing has.
    Remove(i64),
}

/// What became of the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// All are done; the topic of each.
    All(Vec<Topic>),
    /// None is: what is wrong with which of them.
    None(Vec<(usize, String)>),
}

/// Changes a newsletter's topics: does all of it or nothing, and tells every fault.
pub async fn change(app: &App, by: &Actor, newsletter_id: i64, changes: &[Change]) -> Result<Changed, Error> {
    let mut tx = app.db.begin().await?;
    db::newsletters::lock(&mut tx, newsletter_id).await?;
    let (mut done, mut wrong) = (vec![], vec![]);
    for (place, change) in changes.iter().enumerate() {
        match one(app, &mut tx, by, newsletter_id, change).await {
            Ok(topic) => done.push(topic),
            Err(Error::Invalid(says)) => wrong.push((place, says)),
            Err(error) => return Err(error),
        }
    }
    if !wrong.is_empty() {
        return Ok(Changed::None(wrong));
    }
    db::commit(tx).await?;
    Ok(Changed::All(done))
}

async fn one(
    app: &App,
    conn: &mut db::Conn,
    by: &Actor,
    newsletter_id: i64,
    change: &Change,
) -> Result<Topic, Error> {
    let topics = db::newsletters::topics(conn, newsletter_id).await?;
    let find = |id: i64| {
        let found = topics.iter().find(|topic| topic.id == id).cloned();
        found.ok_or_else(|| Error::NotFound(format!("the newsletter has no topic {id}")))
    };
    let (topic, action, what) = match change {
        Change::Add(name) => {
            let topic = ensure_topic(conn, newsletter_id, name).await?;
            (topic.clone(), "topic.add", topic.name)
        }
        Change::Rename(id, name) => {
            let topic = find(*id)?;
            let name = rename(conn, &topics, &topic, name).await?;
            let what = format!("{} to {name}", topic.name);
            (Topic { name, ..topic }, "topic.rename", what)
        }
        Change::Remove(id) => {
            let topic = find(*id)?;
            remove(conn, newsletter_id, &topic).await?;
            (topic.clone(), "topic.remove", topic.name)
        }
    };
    by.note_of(app, conn, action, &what, Some(newsletter_id)).await?;
    Ok(topic)
}

async fn rename(conn: &mut db::Conn, topics: &[Topic], topic: &Topic, name: &str) -> Result<String, Error> {
    let (name, slug) = topic_name(name)?;
    let is_taken = |other: &&Topic| {
        other.id != topic.id && (other.slug == slug || other.name.to_lowercase() == name.to_lowercase())
    };
    if let Some(other) = topics.iter().find(is_taken) {
        return Err(Error::Invalid(format!(
            "there is a topic “{}” already: choose another name",
            other.name
        )));
    }
    db::newsletters::rename_topic(conn, topic.id, &name).await?;
    Ok(name)
}

async fn remove(conn: &mut db::Conn, newsletter_id: i64, topic: &Topic) -> Result<(), Error> {
    let who = match db::newsletters::users_of_topic(conn, newsletter_id, topic).await? {
        (_, _, true) => "readers chose it",
        (true, ..) => "a source gives it to its articles",
        (_, true, _) => "articles have it",
        (false, false, false) => return Ok(db::newsletters::remove_topic(conn, topic.id).await?),
    };
    Err(Error::Invalid(format!(
        "“{}” cannot be removed, because {who}: give it another name instead",
        topic.name
    )))
}
