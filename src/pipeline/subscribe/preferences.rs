//! What readers change by themselves, through the link in every mail: what comes, when, in which language, or nothing.
//!
//! The link names the person; every function takes who that is, and reads again what they follow.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::super::Error;
use super::leave::{LeaveReason, can_return, end, take_back};
use super::next::next_issue;
use super::{NextIssue, followed};
use crate::db::subscriptions::{Choice, Stored};
use crate::db::{Conn, DbError, measuring, newsletters, subscribers, subscriptions, suppressions};
use crate::domain::calendar::{TimeOfDay, Timestamp, instant_of};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::subscription::{Subscriber, SubscriptionStatus, SuppressionReason};
use crate::domain::token::Token;
use crate::domain::topic::{Topic, TopicSet};
use crate::pipeline::App;

/// How far ahead a reader can pause, in days.
pub const MAX_PAUSE_DAYS: i64 = 366;

/// A person with everything that they follow or followed.
#[derive(Clone, Debug)]
pub struct Person {
    pub subscriber: Subscriber,
    /// Why nothing can be sent to the address, where nothing can.
    pub suppressed: Option<SuppressionReason>,
    /// They asked not to be measured.
    pub unmeasured: bool,
    /// The oldest first.
    pub follows: Vec<Following>,
}

impl Person {
    pub fn of(&self, slug: &str) -> Option<&Following> {
        self.follows.iter().find(|following| following.newsletter.slug == slug)
    }

    pub fn active(&self) -> impl Iterator<Item = &Following> {
        self.follows.iter().filter(|following| following.status() == SubscriptionStatus::Active)
    }

    /// What they left lately, and can still take back.
    pub fn left_lately(&self) -> impl Iterator<Item = &Following> {
        self.follows.iter().filter(|following| following.can_return)
    }
}

/// One newsletter of a person's.
#[derive(Clone, Debug)]
pub struct Following {
    pub newsletter: Newsletter,
    pub schedules: Vec<Schedule>,
    pub topics: Vec<Topic>,
    pub stored: Stored,
    pub next: Option<NextIssue>,
    /// They left, and can still take it back.
    pub can_return: bool,
    /// None where it comes.
    pub paused_until: Option<Timestamp>,
}

impl Following {
    pub fn status(&self) -> SubscriptionStatus {
        self.stored.subscription.status
    }

    /// The schedules to choose from: those that are not paused, and their own.
    pub fn offers(&self) -> Vec<Schedule> {
        let own = self.schedule().map(|schedule| schedule.id);
        let offered = self.schedules.iter().filter(|schedule| !schedule.paused || Some(schedule.id) == own);
        offered.cloned().collect()
    }

    /// The schedule that they follow.
    pub fn schedule(&self) -> Option<&Schedule> {
        followed(&self.schedules, &self.stored.subscription)
    }
}

/// Whose link to the preferences this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Managed {
    /// This service did not make the link.
    Forged,
    /// The link was mailed to an address that is not the person's any more, or its time is over.
    Outdated,
    /// The person has been erased since, or the mail was a test or a preview.
    Gone,
    By(i64),
}

/// Whose link to the preferences this is. The pages behind it read the person again.
pub async fn whose_preferences(app: &App, token: &str) -> Result<Managed, Error> {
    let Some(Token::Manage { subscriber_id, mark, expires }) = app.key.read(token) else {
        return Ok(Managed::Forged);
    };
    let mut conn = app.db.conn().await?;
    let Some(subscriber) = subscribers::get(&mut conn, subscriber_id).await? else {
        return Ok(Managed::Gone);
    };
    let is_current = match mark {
        Some(mark) => mark == app.key.address_mark(&subscriber.email, subscriber.moved_at),
        None => !subscribers::has_moved(&mut conn, subscriber_id).await?,
    };
    let is_in_time = expires.is_none_or(|expires| app.clock.now() <= expires);
    Ok(if is_current && is_in_time { Managed::By(subscriber_id) } else { Managed::Outdated })
}

/// Who this is, and what they follow; none once they are erased.
pub async fn person(app: &App, subscriber_id: i64) -> Result<Option<Person>, Error> {
    let mut conn = app.db.conn().await?;
    read(&mut conn, app, subscriber_id).await
}

async fn read(conn: &mut Conn, app: &App, subscriber_id: i64) -> Result<Option<Person>, Error> {
    let Some(subscriber) = subscribers::get(conn, subscriber_id).await? else { return Ok(None) };
    let now = app.clock.now();
    let suppressed = suppressions::find(conn, &app.key, &subscriber.email).await?.map(|found| found.reason);
    let unmeasured = measuring::is_unmeasured(conn, subscriber_id).await?;
    let mut follows = vec![];
    for stored in subscriptions::of_subscriber(conn, subscriber_id).await? {
        let id = stored.subscription.newsletter_id;
        let Some(newsletter) = newsletters::get(conn, id).await? else { continue };
        let schedules = newsletters::schedules_of(conn, id).await?;
        let topics = newsletters::topics(conn, id).await?;
        let paused_until = stored.subscription.paused_until.filter(|until| *until > now);
        let next = next_issue(conn, &newsletter, &schedules, &subscriber, &stored.subscription, now).await?;
        let can_return = can_return(&stored, now);
        follows.push(Following { newsletter, schedules, topics, next, can_return, paused_until, stored });
    }
    Ok(Some(Person { subscriber, suppressed, unmeasured, follows }))
}

/// What a person changes of what they told about themselves; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// May be empty.
    pub name: Option<String>,
    /// None within: each newsletter's own.
    pub language: Option<Option<String>>,
    pub zone: Option<Option<Tz>>,
}

/// Writes what a person changes about themselves.
///
/// # Errors
/// [`Error::NotFound`] where they were erased.
pub async fn about(app: &App, subscriber_id: i64, about: About) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut subscriber = known(&mut tx, subscriber_id).await?;
    subscriber.name = about.name.unwrap_or(subscriber.name);
    subscriber.language = about.language.unwrap_or(subscriber.language);
    subscriber.zone = about.zone.unwrap_or(subscriber.zone);
    subscribers::update(&mut tx, &subscriber, now).await?;
    Ok(tx.commit().await.map_err(DbError::from)?)
}

async fn known(tx: &mut Conn, subscriber_id: i64) -> Result<Subscriber, Error> {
    let found = subscribers::get(tx, subscriber_id).await?;
    found.ok_or_else(|| Error::NotFound("nobody is known under this link any more".to_owned()))
}

/// What a reader changes about one newsletter; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Slugs; empty: every topic.
    pub topics: Option<Vec<String>>,
    /// The schedule's name; one that there is not changes nothing.
    pub schedule: Option<String>,
    /// None within: when the issue is out.
    pub hour: Option<Option<TimeOfDay>>,
    /// None within: each newsletter's own.
    pub zone: Option<Option<Tz>>,
}

/// Writes what a reader changes about a newsletter that they get.
///
/// # Errors
/// [`Error::NotFound`] where they do not get it.
pub async fn choose(app: &App, subscriber_id: i64, slug: &str, choices: &Choices) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let (person, following) = follows(&mut tx, app, subscriber_id, slug).await?;
    let before = &following.stored.subscription;
    // Whoever ticks every topic wants all of them, also those to come.
    let all = following.topics.iter().fold(TopicSet::EMPTY, TopicSet::with);
    let topics = choices.topics.as_ref().map_or(before.topics, |slugs| {
        let wanted = following.topics.iter().filter(|topic| slugs.contains(&topic.slug));
        let wanted = wanted.fold(TopicSet::EMPTY, TopicSet::with);
        if wanted == all { TopicSet::EMPTY } else { wanted }
    });
    let offers = following.offers();
    let schedule = offers.iter().find(|schedule| Some(&schedule.name) == choices.schedule.as_ref());
    let choice = Choice {
        schedule_id: schedule.map_or(before.schedule_id, |schedule| Some(schedule.id)),
        topics,
        hour: choices.hour.unwrap_or(before.hour),
    };
    subscriptions::choose(&mut tx, following.stored.subscription.id, choice, now).await?;
    if let Some(zone) = choices.zone.filter(|zone| *zone != person.subscriber.zone) {
        let subscriber = Subscriber { zone, ..person.subscriber };
        subscribers::update(&mut tx, &subscriber, now).await?;
    }
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// A newsletter that a person gets.
async fn follows(
    tx: &mut Conn,
    app: &App,
    subscriber_id: i64,
    slug: &str,
) -> Result<(Person, Following), Error> {
    let person = read(tx, app, subscriber_id).await?;
    let following = person.as_ref().and_then(|person| person.of(slug)).cloned();
    let active = following.filter(|following| following.status() == SubscriptionStatus::Active);
    person
        .zip(active)
        .ok_or_else(|| Error::NotFound(format!("“{slug}” does not come to whom this link belongs to")))
}

/// Stops a newsletter until the morning of that day in the reader's zone; none: it comes again.
///
/// # Errors
/// [`Error::Invalid`] for a day that is not to come, or too far off; [`Error::NotFound`] where they do not get it.
pub async fn pause(app: &App, subscriber_id: i64, slug: &str, until: Option<NaiveDate>) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let (person, following) = follows(&mut tx, app, subscriber_id, slug).await?;
    let zone = person.subscriber.zone.unwrap_or(following.newsletter.zone);
    let until = until.map(|date| instant_of(date, TimeOfDay::midnight(), zone));
    if let Some(until) = until {
        if until <= now {
            return Err(Error::Invalid("Choose a day that is to come".to_owned()));
        }
        if until > now.plus_millis(MAX_PAUSE_DAYS * 24 * 60 * 60 * 1000) {
            return Err(Error::Invalid(
                "Choose a day within a year; for longer, leave the newsletter and come back".to_owned(),
            ));
        }
    }
    subscriptions::pause(&mut tx, following.stored.subscription.id, until, now).await?;
    Ok(tx.commit().await.map_err(DbError::from)?)
}

/// Ends what a person gets or was asked to confirm: one newsletter, by its slug, or all.
///
/// # Errors
/// [`Error::NotFound`] where they were erased.
pub async fn leave_some(
    app: &App,
    subscriber_id: i64,
    slug: Option<&str>,
    reason: LeaveReason,
) -> Result<(), Error> {
    change(app, subscriber_id, slug, Change::Leave(reason)).await?;
    Ok(())
}

/// Takes back what a person left lately: one newsletter, by its slug, or all. False where all they have left was left too
/// long ago for that.
///
/// # Errors
/// [`Error::NotFound`] where they were erased.
pub async fn take_back_some(app: &App, subscriber_id: i64, slug: Option<&str>) -> Result<bool, Error> {
    change(app, subscriber_id, slug, Change::TakeBack).await
}

enum Change {
    Leave(LeaveReason),
    TakeBack,
}

/// False where something that was meant was left before and nothing of it came back, or nothing of it is there.
async fn change(app: &App, subscriber_id: i64, slug: Option<&str>, change: Change) -> Result<bool, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    known(&mut tx, subscriber_id).await?;
    let (mut is_there, mut was_left, mut came_back) = (false, false, false);
    let Some(person) = read(&mut tx, app, subscriber_id).await? else { return Ok(false) };
    let meant = |following: &&Following| slug.is_none_or(|slug| slug == following.newsletter.slug);
    for following in person.follows.iter().filter(meant) {
        let id = following.stored.subscription.id;
        is_there |= following.status() == SubscriptionStatus::Active;
        was_left |= following.status() == SubscriptionStatus::Unsubscribed;
        match change {
            // Leaving all again says nothing new about what was left before.
            Change::Leave(_) if slug.is_none() && following.status() == SubscriptionStatus::Unsubscribed => {}
            Change::Leave(reason) => {
                end(&mut tx, app, id, reason, now).await?;
            }
            Change::TakeBack => came_back |= take_back(&mut tx, app, id, now).await?,
        }
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(came_back || (is_there && !was_left))
}
