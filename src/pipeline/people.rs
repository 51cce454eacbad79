//! What admins do with one person: add, show, unsubscribe, suppress, erase; and lists of people.

use chrono_tz::Tz;
use serde::Serialize;

use crate::db;
use crate::db::bulk::BulkState;
use crate::db::import::Change;
use crate::db::people::{Filter, Listed};
use crate::db::subscriptions::Choice;
use crate::db::{Conn, DbError};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::{
    Consent, Subscriber, Subscription, SubscriptionEvent, SubscriptionStatus, Suppression, SuppressionReason,
};
use crate::domain::topic::{TopicSet, slug_of};
use crate::pipeline::App;
use crate::pipeline::Error;
use crate::pipeline::accounts::Actor;
use crate::pipeline::directory::Asked;
use crate::pipeline::editors::find_newsletter;
use crate::pipeline::import::{Entry, MAX_NAME, merge, one_line};

/// The topics of a newsletter with these names or slugs.
async fn topics(conn: &mut Conn, newsletter: &Newsletter, names: &[String]) -> Result<TopicSet, Error> {
    let all = db::newsletters::topics(conn, newsletter.id).await?;
    let mut chosen = TopicSet::EMPTY;
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let slug = slug_of(name);
        let found = all.iter().find(|topic| {
            Some(&topic.slug) == slug.as_ref() || topic.name.to_lowercase() == name.to_lowercase()
        });
        chosen = chosen.with(found.ok_or_else(|| {
            let slugs: Vec<&str> = all.iter().map(|topic| topic.slug.as_str()).collect();
            no_such("topic", name, newsletter, &slugs)
        })?);
    }
    Ok(chosen)
}

async fn schedule(conn: &mut Conn, newsletter: &Newsletter, name: &str) -> Result<i64, Error> {
    let all = db::newsletters::schedules_of(conn, newsletter.id).await?;
    let found = all.iter().find(|schedule| schedule.name.to_lowercase() == name.trim().to_lowercase());
    found.map(|schedule| schedule.id).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|schedule| schedule.name.as_str()).collect();
        no_such("schedule", name, newsletter, &names)
    })
}

fn no_such(what: &str, name: &str, newsletter: &Newsletter, there: &[&str]) -> Error {
    let slug = &newsletter.slug;
    Error::NotFound(match there {
        [] => format!("{slug} has no {what} “{name}”, nor any other"),
        _ => format!("{slug} has no {what} “{name}”: it has {}", there.join(", ")),
    })
}

/// A person to subscribe.
#[derive(Clone, Debug)]
pub struct NewPerson {
    pub email: EmailAddress,
    /// The newsletter's slug.
    pub newsletter: String,
    pub name: Option<String>,
    /// Names or slugs of topics; none: every topic, or those chosen before.
    pub topics: Vec<String>,
    /// The schedule's name.
    pub schedule: Option<String>,
    pub hour: Option<TimeOfDay>,
    pub zone: Option<Tz>,
    pub language: Option<String>,
    /// Not mailed before the person confirms.
    pub pending: bool,
    /// Who adds them, or how: where the subscription came from, and the consent, where there is one.
    pub origin: String,
    /// What the person agreed to, and how; empty: no consent is on record.
    pub consent_words: String,
}

/// What adding a person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    pub email: String,
    pub newsletter: String,
    pub status: &'static str,
    /// The person had no subscription to this newsletter before.
    pub is_new: bool,
    /// Why the person will not be mailed all the same.
    pub suppressed: Option<&'static str>,
}

/// Subscribes one person, as an import of one line would. Nobody is mailed.
///
/// # Errors
/// A newsletter, topic or schedule that is not there; somebody who has left, whom only a confirmation brings back.
pub async fn add(app: &App, new: &NewPerson) -> Result<Added, Error> {
    let mut tx = app.db.begin().await?;
    let added = add_in(app, &mut tx, new).await?;
    db::commit(tx).await?;
    Ok(added)
}

/// [`add`], written down with it.
pub async fn add_by(app: &App, by: &Actor, new: &NewPerson) -> Result<Added, Error> {
    let mut tx = app.db.begin().await?;
    let added = add_in(app, &mut tx, new).await?;
    let newsletter = find_newsletter(&mut tx, &new.newsletter).await?;
    if let Some(person) = db::subscribers::find(&mut tx, &new.email).await? {
        by.note_of(app, &mut tx, "subscriber.add", &named(person.id), Some(newsletter.id)).await?;
    }
    db::commit(tx).await?;
    Ok(added)
}

async fn add_in(app: &App, tx: &mut Conn, new: &NewPerson) -> Result<Added, Error> {
    let now = app.clock.now();
    let newsletter = find_newsletter(tx, &new.newsletter).await?;
    let topics = topics(tx, &newsletter, &new.topics).await?;
    let schedule_id = match &new.schedule {
        None => None,
        Some(name) => Some(schedule(tx, &newsletter, name).await?),
    };
    let name = new
        .name
        .as_deref()
        .map(|name| one_line("name", name, MAX_NAME))
        .transpose()
        .map_err(Error::Invalid)?;
    let (origin, words) = (new.origin.clone(), new.consent_words.clone());
    let (consent, origin) = match new.pending {
        _ if words.is_empty() => (None, origin),
        // They have not agreed yet.
        true => (None, format!("{origin}: {words}")),
        false => (Some(Consent { at: now, from: origin.clone(), words }), origin),
    };
    let entry = Entry {
        email: new.email.clone(),
        name: name.filter(|name| !name.is_empty()),
        language: new.language.clone(),
        zone: new.zone,
        schedule_id,
        topics: (!topics.is_empty()).then_some(topics),
        hour: new.hour,
        paused_until: None,
        tags: vec![],
        event: if new.pending { SubscriptionEvent::ImportPending } else { SubscriptionEvent::Import },
        suppression: None,
        consent,
        origin,
        left_at: None,
        left_reason: None,
    };
    let found = db::import::look_up(tx, &app.key, newsletter.id, &[&new.email]).await?;
    let before = found.into_iter().next().unwrap_or_default();
    if before.is_erased {
        return Err(Error::Invalid(format!(
            "the person with the address {} was erased: take it off the suppression list first, if its owner asks for \
             that; nothing was changed",
            new.email
        )));
    }
    let after = merge(&before, &entry, now);
    let status = after.tie.as_ref().map_or(SubscriptionStatus::Active, |tie| tie.status);
    if status == SubscriptionStatus::Unsubscribed {
        return Err(Error::Invalid(format!(
            "{} has left {}, and only signing up and confirming anew brings a reader back: nothing was changed",
            new.email, newsletter.name
        )));
    }
    let suppressed = db::suppressions::find(tx, &app.key, &new.email).await?;
    let is_new = before.tie.is_none();
    let change = Change { email: new.email.clone(), before, after };
    db::import::write(tx, &app.key, newsletter.id, &[change], now).await?;
    Ok(Added {
        email: new.email.to_string(),
        newsletter: newsletter.slug,
        status: status.as_str(),
        is_new,
        suppressed: suppressed.map(|suppression| suppression.reason.sentence()),
    })
}

fn nobody(email: &EmailAddress) -> Error {
    Error::NotFound(format!(
        "nobody has the address {email}: daybreak subscriber list --search shows how addresses begin"
    ))
}

/// A subscription that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The newsletter's slug.
    pub newsletter: String,
    /// The person had left it before.
    pub already: bool,
}

/// Ends a person's subscription to one newsletter, by its slug, or to all.
pub async fn unsubscribe(
    app: &App,
    by: &Actor,
    email: &EmailAddress,
    newsletter_slug: Option<&str>,
) -> Result<Vec<Left>, Error> {
    let only = match newsletter_slug {
        None => None,
        Some(slug) => Some(find_newsletter(&mut *app.db.conn().await?, slug).await?.id),
    };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let subscriber = db::subscribers::find(&mut tx, email).await?.ok_or_else(|| nobody(email))?;
    let newsletters = db::newsletters::list(&mut tx).await?;
    let all = db::subscriptions::of_subscriber(&mut tx, subscriber.id).await?;
    let wanted = all.iter().map(|stored| &stored.subscription);
    let wanted: Vec<&Subscription> =
        wanted.filter(|subscription| only.is_none_or(|id| id == subscription.newsletter_id)).collect();
    if wanted.is_empty() {
        return Err(Error::NotFound(match newsletter_slug {
            Some(slug) => format!("{email} has no subscription to {slug}"),
            None => format!("{email} has no subscription"),
        }));
    }
    let mut left = vec![];
    let what = named(subscriber.id);
    for subscription in wanted {
        by.note_of(app, &mut tx, "subscription.leave", &what, Some(subscription.newsletter_id)).await?;
        db::subscriptions::apply(&mut tx, subscription.id, SubscriptionEvent::Leave, Some("admin"), now)
            .await?;
        let newsletter = newsletters.iter().find(|newsletter| newsletter.id == subscription.newsletter_id);
        left.push(Left {
            newsletter: newsletter.map(|newsletter| newsletter.slug.clone()).unwrap_or_default(),
            already: subscription.status == SubscriptionStatus::Unsubscribed,
        });
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(left)
}

/// Puts an address on the suppression list, subscriber or not; `detail` says why in the admin's words. Returns
/// whether it was not there before.
pub async fn suppress(app: &App, by: &Actor, email: &EmailAddress, detail: &str) -> Result<bool, Error> {
    let detail = one_line("reason", detail, 300).map_err(Error::Invalid)?;
    let mut tx = app.db.begin().await?;
    let (reason, now) = (SuppressionReason::Manual, app.clock.now());
    let is_new = db::suppressions::suppress(&mut tx, &app.key, email, reason, &detail, now).await?;
    let (action, what) = on_list(app, &mut tx, email, "suppress", "suppression.add").await?;
    by.note_of(app, &mut tx, action, &what, None).await?;
    db::commit(tx).await?;
    Ok(is_new)
}

/// What doing something to an entry of the suppression list is called in the audit log, and whose entry it is: the
/// subscriber's number, or the hash by which the list finds it.
async fn on_list(
    app: &App,
    conn: &mut Conn,
    email: &EmailAddress,
    verb: &str,
    of_nobody: &'static str,
) -> Result<(&'static str, String), Error> {
    Ok(match db::subscribers::find(conn, email).await? {
        Some(person) if verb == "suppress" => ("subscriber.suppress", named(person.id)),
        Some(person) => ("subscriber.unsuppress", named(person.id)),
        None => (of_nobody, app.key.address_hash(email)),
    })
}

/// The audit log names people by their number: it outlives them.
pub fn named(subscriber_id: i64) -> String {
    format!("subscriber {subscriber_id}")
}

/// Stops a newsletter's digests to a person until that time.
///
/// # Errors
/// A time that has passed; a newsletter that is not there, or that the person does not follow.
pub async fn pause(
    app: &App,
    by: &Actor,
    email: &EmailAddress,
    newsletter_slug: &str,
    until: Timestamp,
) -> Result<(), Error> {
    if until <= app.clock.now() {
        return Err(Error::Invalid("that day has passed already: name a day to come".to_owned()));
    }
    set_pause(app, by, email, newsletter_slug, Some(until)).await
}

/// Lets the digests of a newsletter come again to a person who had paused it.
pub async fn resume(app: &App, by: &Actor, email: &EmailAddress, newsletter_slug: &str) -> Result<(), Error> {
    set_pause(app, by, email, newsletter_slug, None).await
}

async fn set_pause(
    app: &App,
    by: &Actor,
    email: &EmailAddress,
    newsletter_slug: &str,
    until: Option<Timestamp>,
) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, newsletter_slug).await?;
    let subscriber = db::subscribers::find(&mut tx, email).await?.ok_or_else(|| nobody(email))?;
    let subscription = db::subscriptions::find(&mut tx, newsletter.id, subscriber.id).await?;
    let subscription = subscription.ok_or_else(|| {
        Error::NotFound(format!(
            "{email} is no subscriber of “{newsletter_slug}”: there is nothing to pause or resume"
        ))
    })?;
    db::subscriptions::pause(&mut tx, subscription.id, until, app.clock.now()).await?;
    let action = if until.is_some() { "subscription.pause" } else { "subscription.resume" };
    by.note_of(app, &mut tx, action, &named(subscriber.id), Some(newsletter.id)).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Takes an address off the suppression list, and returns why it was on it.
pub async fn unsuppress(app: &App, by: &Actor, email: &EmailAddress) -> Result<Suppression, Error> {
    let mut tx = app.db.begin().await?;
    let found = db::suppressions::find(&mut tx, &app.key, email).await?;
    let found = found.ok_or_else(|| Error::NotFound(format!("{email} is not on the suppression list")))?;
    db::suppressions::unsuppress(&mut tx, &app.key, email).await?;
    let (action, what) = on_list(app, &mut tx, email, "unsuppress", "suppression.remove").await?;
    by.note_of(app, &mut tx, action, &what, None).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(found)
}

/// Takes an entry off the suppression list by its hash, also where nothing else is left of it, and returns what it was.
pub async fn lift(app: &App, by: &Actor, hash: &str) -> Result<Suppression, Error> {
    let mut tx = app.db.begin().await?;
    let entry = db::suppressions::by_hash(&mut tx, hash).await?;
    let entry = entry.ok_or_else(|| Error::NotFound("there is no such entry".to_owned()))?;
    db::suppressions::lift(&mut tx, hash).await?;
    by.note_of(app, &mut tx, "suppression.remove", hash, None).await?;
    db::commit(tx).await?;
    Ok(entry.suppression)
}

/// Gives a person a tag, which is made where there is none of the name.
pub async fn tag(app: &App, by: &Actor, id: i64, name: &str) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let tag = db::tags::ensure(&mut tx, name, app.clock.now()).await?;
    db::tags::put(&mut tx, tag.id, &[id]).await?;
    by.note_of(app, &mut tx, "subscriber.tag", &format!("{}: {name}", named(id)), None).await?;
    db::commit(tx).await?;
    Ok(())
}

/// Takes a tag from a person, and returns its name.
pub async fn untag(app: &App, by: &Actor, id: i64, tag_id: i64) -> Result<String, Error> {
    let mut tx = app.db.begin().await?;
    let tag = db::tags::get(&mut tx, tag_id).await?;
    let tag = tag.ok_or_else(|| Error::NotFound("there is no such tag".to_owned()))?;
    db::tags::take(&mut tx, tag.id, &[id]).await?;
    by.note_of(app, &mut tx, "subscriber.untag", &format!("{}: {}", named(id), tag.name), None).await?;
    db::commit(tx).await?;
    Ok(tag.name)
}

/// What an admin changes about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub email: EmailAddress,
    pub name: String,
    pub language: Option<String>,
    pub zone: Option<Tz>,
}

/// Changes who a person is: name, address, language, zone.
///
/// # Errors
/// `Invalid` where somebody else has the address, or it must not be mailed.
pub async fn edit(app: &App, by: &Actor, id: i64, edit: &Edit) -> Result<(), Error> {
    let now = app.clock.now();
    let name = one_line("name", &edit.name, MAX_NAME).map_err(Error::Invalid)?;
    let mut tx = app.db.begin().await?;
    db::subscribers::hold(&mut tx, id, &edit.email).await?;
    let before = db::subscribers::get(&mut tx, id).await?;
    let before = before.ok_or_else(|| Error::NotFound("there is no such subscriber".to_owned()))?;
    if before.email != edit.email {
        if db::suppressions::is_suppressed(&mut tx, &app.key, &edit.email).await? {
            return Err(Error::Invalid(format!(
                "{} is on the suppression list: nothing is mailed to it. Take it off the list first, if its owner \
                 asks for that.",
                edit.email
            )));
        }
        let written = db::subscribers::set_address(&mut tx, &app.key, id, &edit.email, now).await;
        written.map_err(|error| match error.is_duplicate() {
            true => Error::Invalid(format!("{} is another subscriber's address already.", edit.email)),
            false => error.into(),
        })?;
        // What went to the address before is no more about anybody, and nobody takes back what an admin has changed.
        db::notices::forget(&mut tx, &before.email).await?;
        db::subscribers::undo_moves(&mut tx, id, Timestamp::from_millis(0)).await?;
    }
    let changed = Subscriber { name, language: edit.language.clone(), zone: edit.zone, ..before };
    db::subscribers::update(&mut tx, &changed, now).await?;
    by.note_of(app, &mut tx, "subscriber.edit", &named(id), None).await?;
    db::commit(tx).await?;
    Ok(())
}

/// Writes which schedule, topics and hour a person has of a newsletter.
///
/// # Errors
/// A subscription that is not there.
pub async fn choose(
    app: &App,
    by: &Actor,
    newsletter_id: i64,
    subscriber_id: i64,
    choice: Choice,
) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let found = db::subscriptions::find(&mut tx, newsletter_id, subscriber_id).await?;
    let found = found.ok_or_else(|| Error::NotFound("there is no such subscription".to_owned()))?;
    db::subscriptions::choose(&mut tx, found.id, choice, app.clock.now()).await?;
    by.note_of(app, &mut tx, "subscription.choose", &named(subscriber_id), Some(newsletter_id)).await?;
    db::commit(tx).await?;
    Ok(())
}

/// What erasing a person left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Mails to the address that are being sent at this moment: they go when they are recorded.
    pub notices_in_flight: i64,
}

/// Forgets the filters that look for an address: a segment, which would find everybody without it, and what an action
/// that has not come to its end goes by, which ends.
async fn forget_filters(tx: &mut Conn, email: &EmailAddress, now: Timestamp) -> Result<(), Error> {
    let looks_for = |filter: &str| Asked::parse(filter).q.to_lowercase().contains(email.as_str());
    for segment in db::segments::list(tx).await? {
        if looks_for(&segment.filter) {
            db::segments::remove(tx, segment.id).await?;
        }
    }
    for (id, filter) in db::bulk::running(tx).await? {
        if looks_for(&filter)
            && let Some(action) = db::bulk::hold(tx, id, BulkState::Running, now).await?
        {
            db::bulk::advance(tx, id, BulkState::Done, None, action.changed, Some(now)).await?;
        }
    }
    Ok(())
}

/// Forgets a person. Only a keyed hash of the address stays, on the suppression list, so that no import or sign-up
/// has the person mailed again. `by`: none where they do it themselves.
pub async fn erase(app: &App, by: Option<&Actor>, email: &EmailAddress) -> Result<Erased, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    if let Some(subscriber) = db::subscribers::find(&mut tx, email).await? {
        // Nobody changes the address meanwhile.
        db::subscribers::hold(&mut tx, subscriber.id, email).await?;
    }
    let subscriber = db::subscribers::find(&mut tx, email).await?;
    let suppression = db::suppressions::find(&mut tx, &app.key, email).await?;
    if subscriber.is_none() && suppression.is_none_or(|suppression| suppression.email.is_none()) {
        return Err(nobody(email));
    }
    db::suppressions::forget(&mut tx, &app.key, email, now).await?;
    forget_filters(&mut tx, email, now).await?;
    let id = subscriber.map(|subscriber| subscriber.id);
    let notices_in_flight = db::subscribers::erase(&mut tx, email, id, now).await?;
    if let Some(by) = by {
        let what = id.map_or_else(|| app.key.address_hash(email), named);
        by.note_of(app, &mut tx, "subscriber.erase", &what, None).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(Erased { notices_in_flight })
}

/// A page of people in the order of their addresses; the filter's `after` is the last address of the page before.
pub async fn list(
    app: &App,
    newsletter_slug: Option<&str>,
    filter: Filter,
    limit: i64,
) -> Result<Vec<Listed>, Error> {
    let newsletter_id = match newsletter_slug {
        None => None,
        Some(slug) => Some(find_newsletter(&mut *app.db.conn().await?, slug).await?.id),
    };
    let lower = |text: &str| text.trim().to_lowercase();
    let (prefix, after) = (lower(&filter.prefix), lower(&filter.after));
    let filter = Filter { newsletter_id, prefix, after, ..filter };
    let mut conn = app.db.conn().await?;
    Ok(db::people::list(&mut conn, &filter, limit).await?)
}
