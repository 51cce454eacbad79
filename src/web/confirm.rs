//! Confirming a sign-up.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::form::Segment;
use super::home::Shown;
use super::network::network_address;
use super::{Error, page, words};
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::subscribe::{self, Asked, Confirmation};
use crate::pipeline::{App, links};

#[derive(Serialize)]
struct Ask {
    title: String,
    /// The name that was typed; may be empty.
    name: String,
    newsletters: Vec<Offer>,
    several: bool,
}

/// A newsletter with what was chosen about it: whoever confirms must see it, because anybody may have typed it.
#[derive(Serialize)]
struct Offer {
    #[serde(flatten)]
    shown: Shown,
    /// Empty where every topic comes.
    topics: String,
    /// "06:00 (America/New York)"; empty where it is the schedule's.
    hour: String,
}

impl Offer {
    fn new(asked: &Asked) -> Self {
        let hour = asked.hour.map(|(hour, zone)| format!("{hour} ({})", words::zone_name(zone)));
        Self {
            shown: Shown::new(
                &asked.newsletter,
                asked.schedule.as_ref().filter(|schedule| !schedule.paused).as_slice(),
            ),
            topics: words::list(&asked.topics),
            hour: hour.unwrap_or_default(),
        }
    }
}

/// `GET /confirm/{token}`: a page with a button; changes nothing.
pub async fn show(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    let found = found(subscribe::peek(&app, &token).await?)?;
    let pending: Vec<&Asked> =
        found.iter().filter(|asked| asked.status == SubscriptionStatus::Pending).collect();
    let Some(first) = pending.first() else { return outcome(&app, found) };
    let names: Vec<String> = pending.iter().map(|asked| asked.newsletter.name.clone()).collect();
    let ask = Ask {
        title: format!("Confirm {}", words::list(&names)),
        name: first.name.clone(),
        several: pending.len() > 1,
        newsletters: pending.into_iter().map(Offer::new).collect(),
    };
    page::page(StatusCode::OK, "confirm", &ask)
}

/// `POST /confirm/{token}`: confirms, and says when the next issue comes.
pub async fn submit(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Segment(token): Segment,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let from = network_address(&app.settings, peer, &headers).to_string();
    let found = found(subscribe::confirm(&app, &token, &from).await?)?;
    outcome(&app, found)
}

fn found(confirmation: Confirmation) -> Result<Vec<Asked>, Error> {
    match confirmation {
        Confirmation::Found(found) => Ok(found),
        Confirmation::Expired => Err(Error::Expired),
        Confirmation::Forged => Err(Error::BadToken),
    }
}

#[derive(Serialize)]
struct Outcome {
    title: &'static str,
    confirmed: Vec<Coming>,
    several: bool,
    /// Where the reader changes what comes; empty but for who has just confirmed: a link that confirms may be read by many
    /// programs later, and mails have this one.
    preferences: String,
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
fn outcome(app: &App, found: Vec<Asked>) -> Result<Response, Error> {
    let now = app.clock.now();
    let preferences = found.iter().find(|asked| asked.is_new);
    let preferences = preferences.map_or_else(String::new, |asked| {
        links::preferences_path(app, asked.subscriber_id, &asked.email, asked.moved_at)
    });
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
        preferences,
        senders,
        left: left.iter().map(|asked| Shown::new(&asked.newsletter, &[])).collect(),
    };
    page::page(StatusCode::OK, name, &outcome)
}
