//! Confirming a sign-up.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::form::Segment;
use super::home::Shown;
use super::{Error, page, words};
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::App;
use crate::pipeline::subscribe::{self, Asked, Confirmation};

#[derive(Serialize)]
struct Ask {
    title: String,
    newsletters: Vec<Shown>,
    several: bool,
}

/// `GET /confirm/{token}`: a page with a button; changes nothing.
pub async fn show(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    let found = found(subscribe::peek(&app, &token).await?)?;
    let pending = |asked: &&Asked| asked.status == SubscriptionStatus::Pending;
    let newsletters: Vec<Shown> = found
        .iter()
        .filter(pending)
        .map(|asked| {
            Shown::new(&asked.newsletter, asked.schedule.as_ref().filter(|schedule| !schedule.paused))
        })
        .collect();
    if newsletters.is_empty() {
        return outcome(found, app.clock.now());
    }
    let title = format!("Confirm {}", names(&newsletters));
    page::page(StatusCode::OK, "confirm", &Ask { title, several: newsletters.len() > 1, newsletters })
}

/// `POST /confirm/{token}`: confirms, and says when the next issue comes.
pub async fn submit(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    let found = found(subscribe::confirm(&app, &token).await?)?;
    outcome(found, app.clock.now())
}

fn found(confirmation: Confirmation) -> Result<Vec<Asked>, Error> {
    match confirmation {
        Confirmation::Found(found) => Ok(found),
        Confirmation::Expired => Err(Error::Expired),
        Confirmation::Forged => Err(Error::BadToken),
    }
}

fn names(newsletters: &[Shown]) -> String {
    let names: Vec<String> = newsletters.iter().map(|newsletter| newsletter.name.clone()).collect();
    words::list(&names)
}

#[derive(Serialize)]
struct Outcome {
    title: &'static str,
    confirmed: Vec<Coming>,
    several: bool,
    /// The addresses that the mails come from.
    senders: Vec<String>,
    left: Vec<Shown>,
}

#[derive(Serialize)]
struct Coming {
    name: String,
    language: String,
    next: String,
}

/// What is now subscribed, and what the reader has left since.
fn outcome(found: Vec<Asked>, now: Timestamp) -> Result<Response, Error> {
    let (active, left): (Vec<Asked>, Vec<Asked>) =
        found.into_iter().partition(|asked| asked.status == SubscriptionStatus::Active);
    let mut senders: Vec<String> = vec![];
    for asked in &active {
        let address = asked.newsletter.from.address.to_string();
        if !senders.contains(&address) {
            senders.push(address);
        }
    }
    let coming = |asked: &Asked| Coming {
        name: asked.newsletter.name.clone(),
        language: asked.newsletter.language.clone(),
        next: words::next_issue(asked.next, now),
    };
    let confirmed: Vec<Coming> = active.iter().map(coming).collect();
    let name = if confirmed.is_empty() { "left_since" } else { "confirmed" };
    let outcome = Outcome {
        title: if confirmed.is_empty() { "You have left since" } else { "You are subscribed" },
        several: confirmed.len() > 1,
        confirmed,
        senders,
        left: left.iter().map(|asked| Shown::new(&asked.newsletter, None)).collect(),
    };
    page::page(StatusCode::OK, name, &outcome)
}
