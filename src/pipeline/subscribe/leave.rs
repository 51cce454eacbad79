//! Leaving: at once, for as long as the mail with the link may lie in an inbox.
//!
//! Only the subscription's row counts: a send that is under way reads it again before each message.

use super::super::{Error, links};
use super::queue;
use super::sign_up::{welcome, welcome_again};
use crate::db::subscriptions::Stored;
use crate::db::{Conn, DbError, newsletters, subscribers, subscriptions};
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Newsletter;
use crate::domain::notice::{Goodbye, Notice, Publication};
use crate::domain::subscription::{Subscription, SubscriptionEvent, SubscriptionStatus};
use crate::domain::token::Token;
use crate::pipeline::App;

/// How long after leaving it can be taken back with a button; later a reader signs up and confirms anew.
pub const UNDO_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// How somebody left, or what they say about why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The mailbox provider's own button (RFC 8058).
    OneClick,
    /// The button on the page.
    Link,
    TooOften,
    NotForMe,
    NeverAsked,
    Other,
}

impl LeaveReason {
    /// What a reader can say, in the order in which it is asked.
    pub const ANSWERS: [Self; 4] = [Self::TooOften, Self::NotForMe, Self::NeverAsked, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneClick => "one-click",
            Self::Link => "link",
            Self::TooOften => "too-often",
            Self::NotForMe => "not-for-me",
            Self::NeverAsked => "never-asked",
            Self::Other => "other",
        }
    }

    /// Reads one of [`LeaveReason::ANSWERS`].
    pub fn parse_answer(text: &str) -> Option<Self> {
        Self::ANSWERS.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What a link that leaves leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaveLink {
    /// This service did not make the link.
    Forged,
    /// Nobody is known under it: the person has been erased since, or the mail was a test or a preview.
    Gone,
    Of {
        newsletter: Box<Newsletter>,
        subscriber_id: i64,
        status: SubscriptionStatus,
        /// It can still be taken back.
        can_return: bool,
    },
}

/// Whose link it is. Changes nothing: scanners follow links.
pub async fn whose(app: &App, token: &str) -> Result<LeaveLink, Error> {
    let Some(Token::Leave { subscription_id }) = app.key.read(token) else { return Ok(LeaveLink::Forged) };
    let mut conn = app.db.conn().await?;
    let Some(subscription) = subscriptions::get(&mut conn, subscription_id).await? else {
        return Ok(LeaveLink::Gone);
    };
    link(&mut conn, &subscription, app.clock.now()).await
}

async fn link(conn: &mut Conn, subscription: &Subscription, now: Timestamp) -> Result<LeaveLink, Error> {
    let Some(newsletter) = newsletters::get(conn, subscription.newsletter_id).await? else {
        return Ok(LeaveLink::Gone);
    };
    let stored = subscriptions::history(conn, subscription.id).await?;
    Ok(LeaveLink::Of {
        newsletter: Box::new(newsletter),
        subscriber_id: subscription.subscriber_id,
        status: subscription.status,
        can_return: stored.is_some_and(|stored| can_return(&stored, now)),
    })
}

/// Whether leaving can be taken back: soon after, and by who was a reader. Who never confirmed would be one without ever
/// having said so.
pub fn can_return(stored: &Stored, now: Timestamp) -> bool {
    stored.subscription.status == SubscriptionStatus::Unsubscribed
        && stored.left_from == Some(SubscriptionStatus::Active)
        && stored.left_at.is_some_and(|at| now <= at.plus_millis(UNDO_MILLIS))
}

/// Ends the subscription that `token` names, and queues a goodbye to who was a reader. Leaving again changes nothing,
/// but an answer about why is noted.
pub async fn leave(app: &App, token: &str, reason: LeaveReason) -> Result<LeaveLink, Error> {
    let Some(Token::Leave { subscription_id }) = app.key.read(token) else { return Ok(LeaveLink::Forged) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(subscription) = end(&mut tx, app, subscription_id, reason, now).await? else {
        return Ok(LeaveLink::Gone);
    };
    let link = link(&mut tx, &subscription, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(link)
}

/// Ends a subscription, and queues a goodbye to who was a reader; none where there is no such subscription.
pub(super) async fn end(
    tx: &mut Conn,
    app: &App,
    subscription_id: i64,
    reason: LeaveReason,
    now: Timestamp,
) -> Result<Option<Subscription>, Error> {
    let event = SubscriptionEvent::Leave;
    let changed = subscriptions::apply(tx, subscription_id, event, Some(reason.as_str()), now).await?;
    let Some(changed) = changed else { return Ok(None) };
    if changed.before == Some(SubscriptionStatus::Unsubscribed) && LeaveReason::ANSWERS.contains(&reason) {
        subscriptions::explain(tx, subscription_id, reason.as_str(), now).await?;
    }
    let subscription = changed.now;
    let Some(newsletter) = newsletters::get(tx, subscription.newsletter_id).await? else {
        return Ok(None);
    };
    if changed.before == Some(SubscriptionStatus::Active)
        && let Some(subscriber) = subscribers::get(tx, subscription.subscriber_id).await?
    {
        let notice = Notice::Goodbye(Goodbye {
            language: subscriber.language.clone().unwrap_or_else(|| newsletter.language.clone()),
            newsletter: Publication::from(&newsletter),
            resubscribe_url: Some(links::subscribe(app, &newsletter.slug)),
        });
        let event = format!("goodbye:{subscription_id}:{}", now.millis());
        queue(tx, app, &event, newsletter.id, &subscriber, &notice).await?;
    }
    Ok(Some(subscription))
}

/// Mails the link to the preferences to the reader whose link to leave this is, once a day: the link to leave, which many
/// programs read, does not show it.
pub async fn mail_link(app: &App, token: &str) -> Result<LeaveLink, Error> {
    let Some(Token::Leave { subscription_id }) = app.key.read(token) else { return Ok(LeaveLink::Forged) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(subscription) = subscriptions::get(&mut tx, subscription_id).await? else {
        return Ok(LeaveLink::Gone);
    };
    let newsletter = newsletters::get(&mut tx, subscription.newsletter_id).await?;
    let subscriber = subscribers::get(&mut tx, subscription.subscriber_id).await?;
    if let (SubscriptionStatus::Active, Some(newsletter), Some(subscriber)) =
        (subscription.status, newsletter, subscriber)
    {
        welcome_again(&mut tx, app, &newsletter, &subscriber, &subscription, now).await?;
    }
    let link = link(&mut tx, &subscription, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(link)
}

/// Takes leaving back, as the link of the mail that was left by; within a day.
pub async fn come_back(app: &App, token: &str) -> Result<LeaveLink, Error> {
    let Some(Token::Leave { subscription_id }) = app.key.read(token) else { return Ok(LeaveLink::Forged) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    take_back(&mut tx, app, subscription_id, now).await?;
    let Some(subscription) = subscriptions::get(&mut tx, subscription_id).await? else {
        return Ok(LeaveLink::Gone);
    };
    let link = link(&mut tx, &subscription, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(link)
}

/// Makes a subscription what it was before the reader left, with everything that was chosen, and queues a welcome.
/// Nothing happens, and false is returned, where they did not leave, or longer ago than [`UNDO_MILLIS`].
pub(super) async fn take_back(
    tx: &mut Conn,
    app: &App,
    subscription_id: i64,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(stored) = subscriptions::history(tx, subscription_id).await? else { return Ok(false) };
    if !can_return(&stored, now) {
        return Ok(false);
    }
    let subscription = stored.subscription;
    let event = SubscriptionEvent::Return;
    let Some(changed) = subscriptions::apply(tx, subscription_id, event, None, now).await? else {
        return Ok(false);
    };
    let newsletter = newsletters::get(tx, subscription.newsletter_id).await?;
    let subscriber = subscribers::get(tx, subscription.subscriber_id).await?;
    if let (Some(newsletter), Some(subscriber)) = (newsletter, subscriber) {
        let event = format!("welcome:{subscription_id}:{}", now.millis());
        welcome(tx, app, &event, &newsletter, &subscriber, &changed.now, now).await?;
    }
    Ok(true)
}
