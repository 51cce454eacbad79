//! A newsletter's topics as admins change them.

use super::accounts::Actor;
use super::newsletters::{ensure_topic, one_line};
use super::{App, Error};
use crate::db;
use crate::domain::topic::{Topic, slug_of};

async fn find(conn: &mut db::Conn, newsletter_id: i64, id: i64) -> Result<(Topic, Vec<Topic>), Error> {
    let topics = db::newsletters::topics(conn, newsletter_id).await?;
    let found = topics.iter().find(|topic| topic.id == id).cloned();
    let found = found.ok_or_else(|| Error::NotFound(format!("the newsletter has no topic {id}")))?;
    Ok((found, topics))
}

/// Adds a topic; one of that name may be there already.
pub async fn add(app: &App, by: &Actor, newsletter_id: i64, name: &str) -> Result<Topic, Error> {
    let mut tx = app.db.begin().await?;
    let topic = ensure_topic(&mut tx, newsletter_id, name).await?;
    by.note_of(app, &mut tx, "topic.add", &topic.name, Some(newsletter_id)).await?;
    db::commit(tx).await?;
    Ok(topic)
}

/// Gives a topic another name. Feeds go on to name it by the old one: whoever follows it loses nothing.
pub async fn rename(app: &App, by: &Actor, newsletter_id: i64, id: i64, name: &str) -> Result<Topic, Error> {
    let name = one_line("topic", name)?;
    let slug = slug_of(&name).ok_or_else(|| {
        Error::Invalid(format!("“{name}” cannot be a topic: it has no letter and no digit"))
    })?;
    let mut tx = app.db.begin().await?;
    let (topic, topics) = find(&mut tx, newsletter_id, id).await?;
    let is_taken = |other: &&Topic| {
        other.id != id && (other.slug == slug || other.name.to_lowercase() == name.to_lowercase())
    };
    if let Some(other) = topics.iter().find(is_taken) {
        return Err(Error::Invalid(format!(
            "there is a topic “{}” already: choose another name",
            other.name
        )));
    }
    db::newsletters::rename_topic(&mut tx, id, &name).await?;
    let what = format!("{} to {name}", topic.name);
    by.note_of(app, &mut tx, "topic.rename", &what, Some(newsletter_id)).await?;
    db::commit(tx).await?;
    Ok(Topic { name, ..topic })
}

/// Removes a topic that nothing has.
pub async fn remove(app: &App, by: &Actor, newsletter_id: i64, id: i64) -> Result<Topic, Error> {
    let mut tx = app.db.begin().await?;
    let (topic, _) = find(&mut tx, newsletter_id, id).await?;
    let who = match db::newsletters::users_of_topic(&mut tx, newsletter_id, &topic).await? {
        (_, _, true) => "readers chose it",
        (true, ..) => "a source gives it to its articles",
        (_, true, _) => "articles have it",
        (false, false, false) => {
            db::newsletters::remove_topic(&mut tx, id).await?;
            by.note_of(app, &mut tx, "topic.remove", &topic.name, Some(newsletter_id)).await?;
            db::commit(tx).await?;
            return Ok(topic);
        }
    };
    Err(Error::Invalid(format!(
        "“{}” cannot be removed, because {who}: give it another name instead",
        topic.name
    )))
}
