//! Leaving: at once, for as long as the mail with the link may lie in an inbox.
//!
//! Only the subscription's row counts: a send that is under way reads it again before each message.

use super::super::{Error, links};
use super::queue;
use crate::db::{DbError, newsletters, subscribers, subscriptions};
use crate::domain::newsletter::Newsletter;
use crate::domain::notice::{Goodbye, Notice, Publication};
use crate::domain::subscription::{SubscriptionEvent, SubscriptionStatus};
use crate::domain::token::Token;
use crate::pipeline::App;

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
        status: SubscriptionStatus,
    },
}

/// Whose link it is. Changes nothing: scanners follow links.
pub async fn whose(app: &App, token: &str) -> Result<LeaveLink, Error> {
    let Some(Token::Leave { subscription_id }) = app.key.read(token) else { return Ok(LeaveLink::Forged) };
    let mut conn = app.db.conn().await?;
    let Some(subscription) = subscriptions::get(&mut conn, subscription_id).await? else {
        return Ok(LeaveLink::Gone);
    };
    let newsletter = newsletters::get(&mut conn, subscription.newsletter_id).await?;
    Ok(newsletter.map_or(LeaveLink::Gone, |newsletter| LeaveLink::Of {
        newsletter: Box::new(newsletter),
        status: subscription.status,
    }))
}

/// Ends the subscription that `token` names, and queues a goodbye to who was a reader. Leaving again changes nothing,
/// but an answer about why is noted.
pub async fn leave(app: &App, token: &str, reason: LeaveReason) -> Result<LeaveLink, Error> {
    let Some(Token::Leave { subscription_id }) = app.key.read(token) else { return Ok(LeaveLink::Forged) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let event = SubscriptionEvent::Leave;
    let changed = subscriptions::apply(&mut tx, subscription_id, event, Some(reason.as_str()), now).await?;
    let Some(changed) = changed else { return Ok(LeaveLink::Gone) };
    if changed.before == Some(SubscriptionStatus::Unsubscribed) && LeaveReason::ANSWERS.contains(&reason) {
        subscriptions::explain(&mut tx, subscription_id, reason.as_str(), now).await?;
    }
    let subscription = changed.now;
    let Some(newsletter) = newsletters::get(&mut tx, subscription.newsletter_id).await? else {
        return Ok(LeaveLink::Gone);
    };
    if changed.before == Some(SubscriptionStatus::Active)
        && let Some(subscriber) = subscribers::get(&mut tx, subscription.subscriber_id).await?
    {
        let notice = Notice::Goodbye(Goodbye {
            language: subscriber.language.clone().unwrap_or_else(|| newsletter.language.clone()),
            newsletter: Publication::from(&newsletter),
            resubscribe_url: Some(links::subscribe(app, &newsletter.slug)),
        });
        let event = format!("goodbye:{subscription_id}:{}", now.millis());
        queue(&mut tx, app, &event, newsletter.id, &subscriber, &notice).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(LeaveLink::Of { newsletter: Box::new(newsletter), status: subscription.status })
}
