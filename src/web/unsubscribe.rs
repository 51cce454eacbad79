//! Leaving: a page with a button for people, and the one-click request of mailbox providers (RFC 8058 §3.1–3.2).

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::time::timeout;

use super::form::{Form, Segment};
use super::{Error, page};
use crate::domain::language::direction;
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::App;
use crate::pipeline::subscribe::{self, LeaveLink, LeaveReason};

/// How long the body of a request to leave is waited for: what it says is worth no more.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Leave {
    title: String,
    /// Where the button leads that mails the link to change what comes; empty where nothing comes yet.
    keep: String,
    name: String,
    language: String,
    dir: &'static str,
}

/// `GET /unsubscribe/{token}`: a page with a button; changes nothing.
pub async fn show(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    match subscribe::whose(&app, &token).await? {
        LeaveLink::Forged => Err(Error::BadToken),
        LeaveLink::Gone => nobody(),
        LeaveLink::Of { newsletter, status: SubscriptionStatus::Unsubscribed, can_return, .. } => {
            left(&token, *newsletter, Before::Nothing, can_return)
        }
        LeaveLink::Of { newsletter, status, .. } => {
            let is_active = status == SubscriptionStatus::Active;
            let leave = Leave {
                title: format!("Leave {}", newsletter.name),
                keep: if is_active { format!("/unsubscribe/{token}/link") } else { String::new() },
                dir: direction(&newsletter.language),
                name: newsletter.name,
                language: newsletter.language,
            };
            page::page(StatusCode::OK, "unsubscribe", &leave)
        }
    }
}

/// `POST /unsubscribe/{token}`: leaves at once. The token alone decides: providers send `List-Unsubscribe=One-Click`
/// URL-encoded or as `multipart/form-data`, people press a button, and a body that cannot be read, or does not come to
/// its end, must keep nobody from leaving. Our own form may say why.
pub async fn submit(
    State(app): State<App>,
    Segment(token): Segment,
    request: Request,
) -> Result<Response, Error> {
    let form = timeout(PATIENCE, Form::read(request)).await.unwrap_or(Err(Error::Slow));
    let is_ours = form.as_ref().is_ok_and(|form| form.get("List-Unsubscribe").is_empty());
    let answer = form.as_ref().ok().and_then(|form| LeaveReason::parse_answer(form.get("reason")));
    let reason = answer.unwrap_or(if is_ours { LeaveReason::Link } else { LeaveReason::OneClick });
    match subscribe::leave(&app, &token, reason).await? {
        LeaveLink::Forged => Err(Error::BadToken),
        LeaveLink::Gone => nobody(),
        LeaveLink::Of { newsletter, can_return, .. } => {
            let before = if answer.is_some() { Before::Answered } else { Before::Nothing };
            left(&token, *newsletter, before, can_return)
        }
    }
}

/// What a page says that is about one newsletter and has no form.
#[derive(Serialize)]
struct About {
    title: String,
    name: String,
    language: String,
}

/// `POST /unsubscribe/{token}/link`: mails the link to the preferences. The link to leave stands in the header of every
/// mail, where many programs read it, so it does not lead there by itself.
pub async fn mail_link(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    match subscribe::mail_link(&app, &token).await? {
        LeaveLink::Forged => Err(Error::BadToken),
        LeaveLink::Gone => nobody(),
        LeaveLink::Of { newsletter, status: SubscriptionStatus::Active, .. } => {
            let Newsletter { name, language, .. } = *newsletter;
            let title = "Look into your inbox".to_owned();
            page::page(StatusCode::OK, "readers/link_mailed", &About { title, name, language })
        }
        LeaveLink::Of { newsletter, can_return, .. } => {
            left(&token, *newsletter, Before::Nothing, can_return)
        }
    }
}

/// `POST /unsubscribe/{token}/undo`: takes leaving back, soon after.
pub async fn undo(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    match subscribe::come_back(&app, &token).await? {
        LeaveLink::Forged => Err(Error::BadToken),
        LeaveLink::Gone => nobody(),
        LeaveLink::Of { newsletter, status: SubscriptionStatus::Unsubscribed, .. } => {
            left(&token, *newsletter, Before::TooLate, false)
        }
        LeaveLink::Of { newsletter, .. } => {
            let back = About {
                title: format!("You get {} again", newsletter.name),
                name: newsletter.name,
                language: newsletter.language,
            };
            page::page(StatusCode::OK, "readers/back", &back)
        }
    }
}

#[derive(Serialize)]
struct Nobody {
    title: &'static str,
}

/// 200 all the same: to a mailbox provider it is as good as left.
pub fn nobody() -> Result<Response, Error> {
    page::page(StatusCode::OK, "nobody", &Nobody { title: "Nobody is known under this link" })
}

#[derive(Serialize)]
struct Left {
    title: String,
    name: String,
    slug: String,
    language: String,
    thanked: bool,
    /// They would undo it, and cannot any more.
    too_late: bool,
    /// Where the answer goes.
    leave: String,
    /// Where the button that takes it back leads; empty where it is too late.
    undo: String,
    reasons: [Reason; 4],
}

/// A reason for leaving, to choose.
#[derive(Serialize)]
pub struct Reason {
    value: &'static str,
    words: &'static str,
}

/// What was done before somebody sees that they have left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// They said why.
    Answered,
    /// They pressed to undo it, and it was too late.
    TooLate,
}

fn left(token: &str, newsletter: Newsletter, before: Before, can_return: bool) -> Result<Response, Error> {
    let Newsletter { name, slug, language, .. } = newsletter;
    let title = format!("You have left {name}");
    let leave = format!("/unsubscribe/{token}");
    let undo = if can_return { format!("/unsubscribe/{token}/undo") } else { String::new() };
    let reasons = reasons();
    let (thanked, too_late) = (before == Before::Answered, before == Before::TooLate);
    let left = Left { title, name, slug, language, thanked, too_late, leave, undo, reasons };
    page::page(StatusCode::OK, "left", &left)
}

/// What a reader can say about why they leave.
pub fn reasons() -> [Reason; 4] {
    LeaveReason::ANSWERS.map(|reason| Reason { value: reason.as_str(), words: words(reason) })
}

fn words(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::TooOften => "It came too often",
        LeaveReason::NotForMe => "It was not about what I care about",
        LeaveReason::NeverAsked => "I did not ask for it",
        LeaveReason::Other | LeaveReason::Link | LeaveReason::OneClick => "Something else",
    }
}
