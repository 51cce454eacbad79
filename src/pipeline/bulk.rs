//! Changing everybody whom a filter finds: a few hundred people a step, each step a transaction of its own, so that
//! nobody waits long and nothing is lost or done twice when a process dies. What was changed is kept for an hour after
//! its end, to be undone.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::accounts::Actor;
use super::directory::{self, Asked};
use super::population;
use super::{App, Error};
use crate::db::bulk::{BulkAction, BulkKind, BulkState};
use crate::db::directory::{From, Place};
use crate::db::{self, DbError};
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::BULK_REASON;
use crate::pipeline::import::one_line;

/// How many people are changed in one transaction.
const STEP: usize = 500;

/// How long a step looks for them: it may hold SQLite's only place to write.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long those are counted whom an action had not come to when it was stopped, and how many at once.
const COUNTING: Duration = Duration::from_secs(5);
const COUNTED_AT_ONCE: usize = 10_000;

/// How long whoever stopped it waits for that number.
const WAIT_FOR_COUNT: Duration = Duration::from_millis(300);

/// How long an action can be undone after its end.
pub const UNDO_MILLIS: i64 = 60 * 60 * 1000;

/// Without a sign of life for so long, whoever was at an action has died.
pub const ALIVE_MILLIS: i64 = 30 * 1000;

/// How often a step is tried that met somebody who changed the same people (PostgreSQL only).
const TRIES: usize = 5;

/// The longest name of a tag, in characters.
const MAX_TAG: usize = 40;

/// What shall be done to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub kind: BulkKind,
    /// The tag's name, or the newsletter's slug.
    pub object: String,
}

/// A tag's name as it is kept: lower case, on one line.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn tag_name(text: &str) -> Result<String, String> {
    let name = one_line("tag", text, MAX_TAG)?.to_lowercase();
    match name.is_empty() {
        true => Err("A tag needs a name: write a word, such as press.".to_owned()),
        false => Ok(name),
    }
}

fn nobody_has(tag: &str) -> String {
    format!("Nobody has the tag “{tag}”.")
}

impl Deed {
    /// What it does to each, as a sentence that goes before "12 people".
    ///
    /// # Errors
    /// `Invalid` where what it names is not there.
    pub async fn words(&self, app: &App) -> Result<String, Error> {
        Ok(match self.kind {
            BulkKind::Tag => format!("Give the tag “{}” to", tag_name(&self.object).map_err(Error::Invalid)?),
            BulkKind::Untag => {
                format!("Take the tag “{}” from", tag_name(&self.object).map_err(Error::Invalid)?)
            }
            BulkKind::Unsubscribe => {
                format!("End the subscription to {} of", self.newsletter(app).await?.name)
            }
            BulkKind::Suppress => "Put on the suppression list the addresses of".to_owned(),
        })
    }

    /// The sentence of [`Deed::words`], or what is wrong with what it names.
    pub async fn check(&self, app: &App) -> Result<Result<String, String>, Error> {
        if self.kind == BulkKind::Untag {
            let found = db::tags::find(&mut *app.db.conn().await?, &self.object).await?;
            if found.is_none() {
                return Ok(Err(nobody_has(&self.object)));
            }
        }
        match self.words(app).await {
            Err(Error::NotFound(_)) => Ok(Err("Choose the newsletter to end.".to_owned())),
            Err(Error::Invalid(says)) => Ok(Err(says)),
            other => other.map(Ok),
        }
    }

    async fn newsletter(&self, app: &App) -> Result<crate::domain::newsletter::Newsletter, Error> {
        super::editors::find_newsletter(&mut *app.db.conn().await?, &self.object).await
    }

    async fn object_id(&self, conn: &mut db::Conn, now: Timestamp) -> Result<Option<i64>, Error> {
        match self.kind {
            BulkKind::Suppress => Ok(None),
            BulkKind::Unsubscribe => Ok(Some(super::editors::find_newsletter(conn, &self.object).await?.id)),
            BulkKind::Tag => {
                let name = tag_name(&self.object).map_err(Error::Invalid)?;
                Ok(Some(db::tags::ensure(conn, &name, now).await?.id))
            }
            BulkKind::Untag => {
                let name = tag_name(&self.object).map_err(Error::Invalid)?;
                let tag = db::tags::find(conn, &name).await?;
                let tag = tag.ok_or_else(|| Error::Invalid(nobody_has(&name)))?;
                Ok(Some(tag.id))
            }
        }
    }
}

/// Writes an action down, and returns its id: [`go_on`] does it.
pub async fn begin(app: &App, by: &Actor, asked: &Asked, deed: &Deed) -> Result<i64, Error> {
    let now = app.clock.now();
    let wanted = directory::kept(app, &asked.query(), now).await?;
    let words = format!("{} {}", deed.words(app).await?, wanted.words());
    let mut tx = app.db.begin().await?;
    let object_id = deed.object_id(&mut tx, now).await?;
    let id = db::bulk::insert(&mut tx, deed.kind, object_id, &asked.query(), &words, by.who(), now).await?;
    by.note_of(app, &mut tx, "subscribers.change", &format!("action {id}: {words}"), None).await?;
    db::commit(tx).await?;
    Ok(id)
}

/// Does what is left of an action, in the background.
pub fn go_on(app: &App, id: i64) {
    let app = app.clone();
    tokio::spawn(async move {
        finish_or_say(&app, id).await;
    });
}

/// Does what is left of an action whose process has died, also where an admin asks for it.
pub async fn go_on_by(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let is_at_work = db::bulk::wake(&mut tx, id, app.clock.now()).await?;
    by.note_of(app, &mut tx, "subscribers.change.go_on", &format!("action {id}"), None).await?;
    db::commit(tx).await?;
    if is_at_work {
        go_on(app, id);
    }
    Ok(())
}

/// Does what is left of the actions whose process has died: of all nodes one does it.
pub async fn resume(app: &App) -> Result<(), Error> {
    loop {
        let now = app.clock.now();
        let alive_since = now.plus_millis(-ALIVE_MILLIS);
        let id = db::bulk::take_over(&mut *app.db.conn().await?, alive_since, now).await?;
        let Some(id) = id else { return Ok(()) };
        tracing::info!(action = id, "a change to many people goes on");
        finish_or_say(app, id).await;
    }
}

/// Does what is left of an action, or writes down why it stands still. Where not even that can be written, it is taken
/// over once the database is back.
async fn finish_or_say(app: &App, id: i64) {
    let Err(error) = finish(app, id).await else { return };
    tracing::error!(action = id, %error, "a change to many people stands still");
    let written = match app.db.conn().await {
        Ok(mut conn) => db::bulk::fail(&mut conn, id, &error.to_string()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::error!(action = id, %error, "it could not be written down why");
    }
}

/// Does what is left of an action.
pub async fn finish(app: &App, id: i64) -> Result<(), Error> {
    while step(app, id).await? {}
    Ok(())
}

/// Takes one step of an action; returns whether there are more to take.
pub async fn step(app: &App, id: i64) -> Result<bool, Error> {
    let (mut tries, mut pauses) = (1, db::PAUSES.into_iter());
    loop {
        match try_step(app, id).await {
            Err(Error::Db(DbError::WrongRows { .. })) if tries < TRIES => tries += 1,
            Err(Error::Db(error)) if error.passes() && pauses.len() > 0 => {
                tracing::warn!(action = id, %error, "a step of a change to many people is tried again");
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            result => return result,
        }
    }
}

async fn try_step(app: &App, id: i64) -> Result<bool, Error> {
    let state = db::bulk::get(&mut *app.db.conn().await?, id).await?.map(|action| action.state);
    match state {
        Some(BulkState::Running) => step_on(app, id).await,
        Some(BulkState::Undoing) => step_back(app, id).await,
        _ => Ok(false),
    }
}

async fn step_on(app: &App, id: i64) -> Result<bool, Error> {
    let now = app.clock.now();
    let Some(action) = db::bulk::get(&mut *app.db.conn().await?, id).await? else { return Ok(false) };
    let filter = directory::kept(app, &action.filter, action.created_at).await?.filter;
    let mut tx = app.db.begin().await?;
    let Some(action) = db::bulk::hold(&mut tx, id, BulkState::Running, now).await? else { return Ok(false) };
    let place = action.place.as_deref().and_then(Place::decode);
    let from = place.as_ref().map_or(From::Start, From::Behind);
    let walked = db::directory::walk(&mut tx, &filter, from, STEP, PATIENCE).await?;
    let ids: Vec<i64> = walked.people.iter().map(|found| found.subscriber_id).collect();
    let changed = action.changed + change(&mut tx, &action, &ids, now).await?;
    let place = walked.after.map(|place| place.encode());
    let (state, finished_at) = match place {
        Some(_) => (BulkState::Running, None),
        None => (BulkState::Done, Some(now)),
    };
    db::bulk::advance(&mut tx, id, state, place.as_deref(), changed, finished_at).await?;
    if state == BulkState::Done {
        population::forget(&mut tx).await?;
    }
    db::commit(tx).await?;
    Ok(state == BulkState::Running)
}

/// What a subscription that an action ended, or a suppression that it made, says of why.
fn reason(action: &BulkAction) -> String {
    format!("{BULK_REASON}{}", action.id)
}

async fn change(tx: &mut db::Conn, action: &BulkAction, ids: &[i64], now: Timestamp) -> Result<i64, DbError> {
    let object_id = action.object_id.unwrap_or_default();
    match action.kind {
        BulkKind::Tag | BulkKind::Untag => {
            let changed = match action.kind {
                BulkKind::Tag => db::tags::put(tx, object_id, ids).await?,
                _ => db::tags::take(tx, object_id, ids).await?,
            };
            db::bulk::note(tx, action.id, &changed).await?;
            Ok(i64::try_from(changed.len()).unwrap_or(i64::MAX))
        }
        BulkKind::Unsubscribe => {
            db::bulk::unsubscribe(tx, action.id, object_id, ids, &reason(action), now).await
        }
        BulkKind::Suppress => db::bulk::suppress(tx, action.id, ids, &reason(action), now).await,
    }
}

/// Whether an action can be undone at that time.
pub fn can_undo(action: &BulkAction, now: Timestamp) -> bool {
    let until = action.finished_at.map(|at| at.plus_millis(UNDO_MILLIS));
    action.state == BulkState::Done && action.changed > 0 && until.is_some_and(|until| now < until)
}

/// Lets an action end where it is, and writes down how many it had not come to, where they are counted soon.
pub async fn stop(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(action) = db::bulk::hold(&mut tx, id, BulkState::Running, now).await? else { return Ok(()) };
    let BulkAction { place, changed, .. } = &action;
    db::bulk::advance(&mut tx, id, BulkState::Done, place.as_deref(), *changed, Some(now)).await?;
    db::bulk::stop(&mut tx, id).await?;
    population::forget(&mut tx).await?;
    by.note_of(app, &mut tx, "subscribers.change.stop", &format!("action {id}"), None).await?;
    db::commit(tx).await?;
    // Whoever pressed the button does not wait for it longer than that; it goes on.
    let app = app.clone();
    let counting = tokio::spawn(async move {
        if let Err(error) = count_left_over(&app, &action).await {
            tracing::warn!(action = id, %error, "how many a stopped change has not come to is not counted");
        }
    });
    let _ = tokio::time::timeout(WAIT_FOR_COUNT, counting).await;
    Ok(())
}

async fn count_left_over(app: &App, action: &BulkAction) -> Result<(), Error> {
    if let Some(people) = left_over(app, action).await? {
        db::bulk::leave_over(&mut *app.db.conn().await?, action.id, people).await?;
    }
    Ok(())
}

/// How many an action has not come to; none where it takes long to count them, or what it goes by is not there any more.
async fn left_over(app: &App, action: &BulkAction) -> Result<Option<i64>, Error> {
    let filter = match directory::kept(app, &action.filter, action.created_at).await {
        Ok(wanted) => wanted.filter,
        Err(Error::Invalid(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut conn = app.db.conn().await?;
    let mut place = action.place.as_deref().and_then(Place::decode);
    let began = std::time::Instant::now();
    let mut people = 0;
    while began.elapsed() < COUNTING {
        let from = place.as_ref().map_or(From::Start, From::Behind);
        let walked = db::directory::walk(&mut conn, &filter, from, COUNTED_AT_ONCE, COUNTING).await?;
        people += i64::try_from(walked.people.len()).unwrap_or(i64::MAX);
        place = walked.after;
        if place.is_none() {
            return Ok(Some(people));
        }
    }
    Ok(None)
}

/// Begins to undo an action: [`go_on`] does it.
///
/// # Errors
/// `Invalid` where it is too late, or there is nothing to undo.
pub async fn undo(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let action = db::bulk::hold(&mut tx, id, BulkState::Done, now).await?;
    let action = action.filter(|action| can_undo(action, now)).ok_or_else(|| {
        Error::Invalid("This cannot be undone any more: it could for an hour after its end.".to_owned())
    })?;
    let place = action.place.as_deref();
    db::bulk::advance(&mut tx, id, BulkState::Undoing, place, action.changed, action.finished_at).await?;
    let what = format!("action {id}: {}", action.words);
    by.note_of(app, &mut tx, "subscribers.change.undo", &what, None).await?;
    db::commit(tx).await?;
    Ok(())
}

async fn step_back(app: &App, id: i64) -> Result<bool, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(action) = db::bulk::hold(&mut tx, id, BulkState::Undoing, now).await? else { return Ok(false) };
    let ids = db::bulk::noted(&mut tx, id, i64::try_from(STEP).unwrap_or(i64::MAX)).await?;
    let object_id = action.object_id.unwrap_or_default();
    match action.kind {
        BulkKind::Tag => drop(db::tags::take(&mut tx, object_id, &ids).await?),
        BulkKind::Untag => drop(db::tags::put(&mut tx, object_id, &ids).await?),
        BulkKind::Unsubscribe => {
            db::bulk::resubscribe(&mut tx, &action, &ids, &reason(&action), now).await?;
        }
        BulkKind::Suppress => {
            db::bulk::unsuppress(&mut tx, &ids, &reason(&action)).await?;
        }
    }
    db::bulk::forget(&mut tx, id, &ids).await?;
    let state = if ids.len() < STEP { BulkState::Undone } else { BulkState::Undoing };
    db::bulk::advance(&mut tx, id, state, None, action.changed, action.finished_at).await?;
    if state == BulkState::Undone {
        population::forget(&mut tx).await?;
    }
    db::commit(tx).await?;
    Ok(state == BulkState::Undoing)
}

/// Removes what is kept of actions that cannot be undone any more, and the tags that nobody has.
pub async fn forget(app: &App) -> Result<(), Error> {
    let now = app.clock.now();
    let before = now.plus_millis(-UNDO_MILLIS);
    while let Some((id, state)) = db::bulk::outdated(&mut *app.db.conn().await?, before).await? {
        let mut tx = app.db.begin().await?;
        // Somebody may have begun to undo it at this moment.
        if db::bulk::hold(&mut tx, id, state, now).await?.is_some() {
            let ids = db::bulk::noted(&mut tx, id, 5_000).await?;
            db::bulk::forget(&mut tx, id, &ids).await?;
        }
        db::commit(tx).await?;
        tokio::task::yield_now().await;
    }
    db::tags::remove_unused(&mut *app.db.conn().await?, before).await?;
    Ok(())
}
