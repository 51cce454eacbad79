//! Leaving one newsletter or all of them from the preferences, with a reason if one likes, and taking it back.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::super::form::Form;
use super::super::unsubscribe::{Reason, reasons};
use super::super::{Error, page, words};
use super::preferences::Manages;
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::App;
use crate::pipeline::subscribe::{self, Following, LeaveReason};

#[derive(Serialize)]
struct LeavePage<'a> {
    title: String,
    home: &'a str,
    /// What is left, in words.
    what: String,
    reasons: [Reason; 4],
}

fn can_leave(following: &&Following) -> bool {
    following.status() != SubscriptionStatus::Unsubscribed
}

/// `GET /preferences/{token}/leave`, and of one newsletter `…/newsletters/{slug}/leave`.
pub async fn show(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    let person = manages.person(&app).await?;
    let meant = |following: &&Following| manages.slug.is_empty() || manages.slug == following.newsletter.slug;
    let left = person.follows.iter().filter(meant).filter(can_leave);
    let names: Vec<String> = left.map(|following| following.newsletter.name.clone()).collect();
    if names.is_empty() {
        return if manages.slug.is_empty() { Ok(manages.back("left-all")) } else { Err(Error::NotFound) };
    }
    let what = words::list(&names);
    let leave = LeavePage { title: format!("Leave {what}"), home: &manages.home, what, reasons: reasons() };
    page::page(StatusCode::OK, "readers/leave", &leave)
}

/// `POST` to the same: leaves at once.
pub async fn submit(State(app): State<App>, manages: Manages, request: Request) -> Result<Response, Error> {
    let form = Form::read(request).await?;
    manages.person(&app).await?;
    let reason = LeaveReason::parse_answer(form.get("reason")).unwrap_or(LeaveReason::Link);
    subscribe::leave_some(&app, manages.subscriber_id, only(&manages), reason).await?;
    Ok(manages.back(if only(&manages).is_some() { "left" } else { "left-all" }))
}

/// `POST /preferences/{token}/undo`, and of one newsletter `…/newsletters/{slug}/undo`.
pub async fn undo(State(app): State<App>, manages: Manages) -> Result<Response, Error> {
    manages.person(&app).await?;
    let came_back = subscribe::take_back_some(&app, manages.subscriber_id, only(&manages)).await?;
    Ok(manages.back(if came_back { "back" } else { "too-late" }))
}

/// The newsletter that the address names.
fn only(manages: &Manages) -> Option<&str> {
    Some(manages.slug.as_str()).filter(|slug| !slug.is_empty())
}
