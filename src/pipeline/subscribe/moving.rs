//! Changing an address: a mail to the new one asks its owner, and only then do mails go there. The old one is told.

use super::super::{Error, links};
use super::preferences::{Person, person};
use super::{queue, queue_at};
use crate::db::subscriptions::Stored;
use crate::db::{Conn, DbError, attempts, newsletters, notices, subscribers, subscriptions, suppressions};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Newsletter;
use crate::domain::notice::{ConfirmAddress, Moved, Notice, Publication};
use crate::domain::subscription::{Subscriber, SubscriptionStatus};
use crate::domain::token::Token;
use crate::pipeline::App;

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

/// How long the link in the mail to the new address works.
const VALID: i64 = 2 * DAY;

/// How long whoever has the address before can take it back.
const RECALL: i64 = 7 * DAY;

/// How many new addresses a person may name in a day.
const MAX_A_DAY: i64 = 5;

/// Queues the mail that lets the owner of a new address confirm it, at most once an hour for an address. The outcome
/// is the same whether somebody has the address or not.
///
/// # Errors
/// [`Error::Invalid`] where it is their address already, they get nothing, or named too many; [`Error::NotFound`] where
/// they were erased.
pub async fn ask_to_move(app: &App, subscriber_id: i64, to: &EmailAddress) -> Result<(), Error> {
    let now = app.clock.now();
    let gone = || Error::NotFound("nobody is known under this link any more".to_owned());
    let asking = person(app, subscriber_id).await?.ok_or_else(gone)?;
    if asking.subscriber.email == *to {
        return Err(Error::Invalid("That is your address already: write the new one".to_owned()));
    }
    let mut tx = app.db.begin().await?;
    if attempts::count(&mut tx, &format!("move:{subscriber_id}"), DAY, now).await?.count > MAX_A_DAY {
        tx.commit().await.map_err(DbError::from)?;
        return Err(Error::Invalid(format!(
            "You have named {MAX_A_DAY} addresses today: try again tomorrow"
        )));
    }
    let newsletter = sender(&asking).ok_or_else(|| {
        Error::Invalid("You get no newsletter at the moment: sign up with the new address instead".to_owned())
    })?;
    let expires = now.plus_millis(VALID);
    let Subscriber { email: current, moved_at, .. } = &asking.subscriber;
    let from = app.key.address_mark(current, *moved_at);
    let token = Token::Move { subscriber_id, expires, to: to.clone(), from };
    let notice = Notice::Address(ConfirmAddress {
        language: language(&asking.subscriber, newsletter),
        zone: asking.subscriber.zone.unwrap_or(newsletter.zone).name().to_owned(),
        newsletter: Publication::from(newsletter),
        newsletters: asking.active().map(|following| Publication::from(&following.newsletter)).collect(),
        confirm_url: links::new_address(app, &token),
        valid_until: expires,
    });
    let hash = app.key.address_hash(to);
    let asked = attempts::count(&mut tx, &format!("move-to:{hash}"), HOUR, now).await?.count;
    if asked > 1 {
        return Ok(tx.commit().await.map_err(DbError::from)?);
    }
    let event = format!("address:{subscriber_id}:{hash}:{}", now.millis());
    // The name is its owner's only once they confirm.
    let receiver = Subscriber { email: to.clone(), name: String::new(), ..asking.subscriber.clone() };
    if !suppressions::is_suppressed(&mut tx, &app.key, to).await? {
        // Whatever is asked, by whomever: the owner gets one such mail an hour.
        let last = notices::last_asked(&mut tx, to).await?;
        let due = last.map_or(now, |last| now.max(last.plus_millis(HOUR)));
        queue_at(&mut tx, app, &event, newsletter.id, &receiver, &notice, due).await?;
    }
    Ok(tx.commit().await.map_err(DbError::from)?)
}

fn language(subscriber: &Subscriber, newsletter: &Newsletter) -> String {
    subscriber.language.clone().unwrap_or_else(|| newsletter.language.clone())
}

/// The newsletter that such mails come from: one that the person gets.
fn sender(person: &Person) -> Option<&Newsletter> {
    person.active().next().map(|following| &following.newsletter)
}

/// What a link that changes an address leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// This service did not make the link.
    Forged,
    /// It is too old, or the person was erased, or has changed their address otherwise since.
    Expired,
    /// It waits for the button; `is_back` where it is the address that they had before.
    Asked { to: EmailAddress, is_back: bool },
    /// Somebody gets newsletters at the new address already: both stay as they are.
    Taken { to: EmailAddress },
    /// The person's mails go there, since then.
    Done { subscriber_id: i64, to: EmailAddress, moved_at: Option<Timestamp> },
}

/// What [`move_to`] would do. Changes nothing: scanners follow links.
pub async fn peek_move(app: &App, token: &str) -> Result<AddressChange, Error> {
    let Some(token) = app.key.read(token) else { return Ok(AddressChange::Forged) };
    let mut conn = app.db.conn().await?;
    Ok(match look(&mut conn, app, &token).await? {
        Found::Otherwise(change) => change,
        Found::Ready { to, .. } => AddressChange::Asked { to, is_back: is_back(&token) },
    })
}

fn is_back(token: &Token) -> bool {
    matches!(token, Token::TakeBack { .. })
}

/// What a link leads to.
enum Found {
    /// This person's address can be changed to that. Somebody else has signed up with it, and confirmed nothing.
    Ready {
        before: Subscriber,
        to: EmailAddress,
        unconfirmed: Option<i64>,
    },
    Otherwise(AddressChange),
}

async fn look(conn: &mut Conn, app: &App, token: &Token) -> Result<Found, Error> {
    let (id, to, expires) = match token {
        Token::Move { subscriber_id, to, expires, .. } => (*subscriber_id, to.clone(), *expires),
        Token::TakeBack { subscriber_id, to, moved_at } => {
            (*subscriber_id, to.clone(), moved_at.plus_millis(RECALL))
        }
        _ => return Ok(Found::Otherwise(AddressChange::Forged)),
    };
    let is_over = app.clock.now() > expires;
    let found = if is_over { None } else { subscribers::get(conn, id).await? };
    let Some(before) = found else { return Ok(Found::Otherwise(AddressChange::Expired)) };
    let moved_at = before.moved_at;
    if before.email == to {
        return Ok(Found::Otherwise(AddressChange::Done { subscriber_id: id, to, moved_at }));
    }
    let counts = match token {
        Token::Move { from, .. } => app.key.address_mark(&before.email, moved_at) == *from,
        // However often it was changed since: whoever had the address first has the last word.
        Token::TakeBack { moved_at, .. } => subscribers::has_move(conn, id, *moved_at).await?,
        _ => false,
    };
    if !counts {
        return Ok(Found::Otherwise(AddressChange::Expired));
    }
    let Some(other) = subscribers::find(conn, &to).await? else {
        return Ok(Found::Ready { before, to, unconfirmed: None });
    };
    let all = subscriptions::of_subscriber(conn, other.id).await?;
    // Who left once, and is asked anew, stays on record as one who left.
    let is_only_asked = |stored: &Stored| {
        stored.subscription.status == SubscriptionStatus::Pending
            && stored.left_at.is_none()
            && stored.confirmed_at.is_none()
    };
    Ok(match all.iter().all(is_only_asked) {
        // Anybody can type an address into a form. Its owner is who has this link.
        true => Found::Ready { before, to, unconfirmed: Some(other.id) },
        false => Found::Otherwise(AddressChange::Taken { to }),
    })
}

/// Has a person's mails go to the address that the link was sent to, and tells the address before: with a link to take it
/// back, unless it is what was just taken back.
pub async fn move_to(app: &App, token: &str) -> Result<AddressChange, Error> {
    let Some(token) = app.key.read(token) else { return Ok(AddressChange::Forged) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    if let Token::Move { subscriber_id, to, .. } | Token::TakeBack { subscriber_id, to, .. } = &token {
        // Nobody changes it otherwise, or confirms what is about to go, until this is done.
        subscribers::hold(&mut tx, *subscriber_id, to).await?;
    }
    let (before, to, unconfirmed) = match look(&mut tx, app, &token).await? {
        Found::Ready { before, to, unconfirmed } => (before, to, unconfirmed),
        Found::Otherwise(change) => return Ok(change),
    };
    if unconfirmed.is_some() {
        subscribers::erase(&mut tx, &to, unconfirmed, now).await?;
    }
    match subscribers::set_address(&mut tx, &app.key, before.id, &to, now).await {
        Err(error) if error.is_duplicate() => return Ok(AddressChange::Taken { to }),
        changed => changed?,
    }
    match token {
        Token::TakeBack { moved_at, .. } => subscribers::undo_moves(&mut tx, before.id, moved_at).await?,
        _ => subscribers::add_move(&mut tx, before.id, now, now.plus_millis(-RECALL)).await?,
    }
    // What went to the address before is no more about anybody.
    notices::forget(&mut tx, &before.email).await?;
    if let Some(newsletter) = first_newsletter(&mut tx, before.id).await? {
        let is_back = is_back(&token);
        let back = Token::TakeBack { subscriber_id: before.id, moved_at: now, to: before.email.clone() };
        let notice = Notice::Moved(Moved {
            language: language(&before, &newsletter),
            newsletter: Publication::from(&newsletter),
            preferences_url: if is_back { String::new() } else { links::new_address(app, &back) },
            valid_until: (!is_back).then_some(now.plus_millis(RECALL)),
            zone: before.zone.unwrap_or(newsletter.zone).name().to_owned(),
        });
        let event = format!("moved:{}:{}", before.id, now.millis());
        queue(&mut tx, app, &event, newsletter.id, &before, &notice).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(AddressChange::Done { subscriber_id: before.id, to, moved_at: Some(now) })
}

async fn first_newsletter(tx: &mut Conn, subscriber_id: i64) -> Result<Option<Newsletter>, Error> {
    let all = subscriptions::of_subscriber(tx, subscriber_id).await?;
    let active = all.iter().find(|stored| stored.subscription.status == SubscriptionStatus::Active);
    match active.or(all.first()) {
        Some(stored) => Ok(newsletters::get(tx, stored.subscription.newsletter_id).await?),
        None => Ok(None),
    }
}
