//! Confirming: the button that only a mail to the address leads to.

use chrono_tz::Tz;

use super::super::Error;
use super::next::next_issue;
use super::sign_up::{VALID, welcome};
use super::{NextIssue, followed};
use crate::db::{Conn, DbError, newsletters, subscribers, subscriptions};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::subscription::{Consent, Subscriber, Subscription, SubscriptionEvent, SubscriptionStatus};
use crate::domain::token::Token;
use crate::domain::topic::Topic;
use crate::pipeline::App;

/// What a link that confirms leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// This service did not make the link.
    Forged,
    /// It is too old to confirm what is still pending, or the person has been erased since.
    Expired,
    /// What was asked for in one go, at least one.
    Found(Vec<Asked>),
}

/// A newsletter that was asked for, and what was chosen about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub subscriber_id: i64,
    pub email: EmailAddress,
    /// When the address last changed.
    pub moved_at: Option<Timestamp>,
    pub newsletter: Newsletter,
    /// The reader's name; may be empty.
    pub name: String,
    /// The names of the chosen topics; none: every topic.
    pub topics: Vec<String>,
    /// The reader's own hour and the zone that it is in; none: the schedule's.
    pub hour: Option<(TimeOfDay, Tz)>,
    /// The schedule that the reader follows, where there is one.
    pub schedule: Option<Schedule>,
    /// It was confirmed by this very request.
    pub is_new: bool,
    /// Active once it is confirmed; unsubscribed where the reader has left since, and stays away.
    pub status: SubscriptionStatus,
    pub next: Option<NextIssue>,
}

/// What [`confirm`] would confirm. Changes nothing: scanners follow links.
pub async fn peek(app: &App, token: &str) -> Result<Confirmation, Error> {
    let Some(Token::Confirm { subscription_ids, expires }) = app.key.read(token) else {
        return Ok(Confirmation::Forged);
    };
    let mut conn = app.db.conn().await?;
    let now = app.clock.now();
    let mut found = vec![];
    for id in subscription_ids {
        let Some(subscription) = subscriptions::get(&mut conn, id).await? else { continue };
        let is_pending = subscription.status == SubscriptionStatus::Pending;
        if is_pending && (now > expires || is_replaced(&subscription, expires)) {
            return Ok(Confirmation::Expired);
        }
        if let Some(rows) = read(&mut conn, subscription).await? {
            if is_pending && rows.has_moved_since(expires) {
                return Ok(Confirmation::Expired);
            }
            found.push(rows.asked(&mut conn, now, false).await?);
        }
    }
    Ok(if found.is_empty() { Confirmation::Expired } else { Confirmation::Found(found) })
}

/// Whether the sign-up that a link was made for has given way to a later one: the link must not confirm what somebody
/// else may have chosen since.
fn is_replaced(subscription: &Subscription, expires: Timestamp) -> bool {
    subscription.last_asked_at().is_some_and(|at| at.plus_millis(VALID) > expires)
}

/// Makes active what is still pending of a sign-up, and queues a welcome for each. The consent on record is from then
/// on that of the network address `from`, to the words and at the time of the sign-up: somebody else may have sent that
/// form from elsewhere, and when it was confirmed is on record beside it. Pressing the button again
/// changes nothing, and who has left since is not brought back.
pub async fn confirm(app: &App, token: &str, from: &str) -> Result<Confirmation, Error> {
    let Some(Token::Confirm { subscription_ids, expires }) = app.key.read(token) else {
        return Ok(Confirmation::Forged);
    };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut found = vec![];
    for id in subscription_ids {
        let changed = subscriptions::apply(&mut tx, id, SubscriptionEvent::Confirm, None, now).await?;
        let Some(changed) = changed else { continue };
        let is_new = changed.before == Some(SubscriptionStatus::Pending);
        if is_new && (now > expires || is_replaced(&changed.now, expires)) {
            // Dropping the transaction leaves everything as it was.
            return Ok(Confirmation::Expired);
        }
        let Some(rows) = read(&mut tx, changed.now).await? else { continue };
        if is_new && rows.has_moved_since(expires) {
            return Ok(Confirmation::Expired);
        }
        if is_new {
            let asked = rows.subscription.consent.as_ref();
            // A file can tell of a consent in the future.
            let at = asked.map_or(now, |asked| asked.at.min(now));
            let words = asked.map(|asked| asked.words.clone()).unwrap_or_default();
            let consent = Consent { at, from: from.to_owned(), words };
            subscriptions::agree(&mut tx, id, &consent, now).await?;
            let event = format!("welcome:{id}:{}", now.millis());
            let Rows { newsletter, subscriber, subscription, .. } = &rows;
            welcome(&mut tx, app, &event, newsletter, subscriber, subscription, now).await?;
        }
        found.push(rows.asked(&mut tx, now, is_new).await?);
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(if found.is_empty() { Confirmation::Expired } else { Confirmation::Found(found) })
}

struct Rows {
    newsletter: Newsletter,
    schedules: Vec<Schedule>,
    topics: Vec<Topic>,
    subscriber: Subscriber,
    subscription: Subscription,
}

/// A subscription with what it ties together; none where the person or the newsletter has gone since.
async fn read(conn: &mut Conn, subscription: Subscription) -> Result<Option<Rows>, Error> {
    let Some(newsletter) = newsletters::get(conn, subscription.newsletter_id).await? else { return Ok(None) };
    let Some(subscriber) = subscribers::get(conn, subscription.subscriber_id).await? else { return Ok(None) };
    let schedules = newsletters::schedules_of(conn, newsletter.id).await?;
    let topics = newsletters::topics(conn, newsletter.id).await?;
    Ok(Some(Rows { newsletter, schedules, topics, subscriber, subscription }))
}

impl Rows {
    /// Whether the person's address has changed since the link was mailed: it went to another, who may not confirm for
    /// this one.
    fn has_moved_since(&self, expires: Timestamp) -> bool {
        self.subscriber.moved_at.is_some_and(|at| at.plus_millis(VALID) > expires)
    }

    async fn asked(self, conn: &mut Conn, now: Timestamp, is_new: bool) -> Result<Asked, Error> {
        let Self { newsletter, schedules, subscriber, subscription, .. } = &self;
        let next = next_issue(conn, newsletter, schedules, subscriber, subscription, now).await?;
        let chosen = self.topics.iter().filter(|topic| self.subscription.topics.contains(topic));
        let zone = self.subscriber.zone.unwrap_or(self.newsletter.zone);
        Ok(Asked {
            subscriber_id: self.subscriber.id,
            email: self.subscriber.email.clone(),
            moved_at: self.subscriber.moved_at,
            name: self.subscriber.name.clone(),
            topics: chosen.map(|topic| topic.name.clone()).collect(),
            hour: self.subscription.hour.map(|hour| (hour, zone)),
            schedule: followed(&self.schedules, &self.subscription).cloned(),
            is_new,
            status: self.subscription.status,
            next,
            newsletter: self.newsletter,
        })
    }
}
