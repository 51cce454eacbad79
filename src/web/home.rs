//! What there is to read, and whether the service is well.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::{Error, page, words};
use crate::db::{Conn, DbError, newsletters, settings};
use crate::domain::language::direction;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::pipeline::App;

/// A newsletter as pages show it.
#[derive(Serialize)]
pub struct Shown {
    pub slug: String,
    pub name: String,
    pub description: String,
    pub language: String,
    pub dir: &'static str,
    /// "Every day at 07:00, or Mondays at 09:00 (Europe/Paris)"; empty where no schedule tells, or the page says it
    /// elsewhere.
    pub frequency: String,
    /// Whether it is ticked in a form.
    pub chosen: bool,
}

impl Shown {
    /// With the schedules that a reader gets it by, or has the choice of.
    pub fn new(newsletter: &Newsletter, schedules: &[&Schedule]) -> Self {
        Self {
            slug: newsletter.slug.clone(),
            name: newsletter.name.clone(),
            description: newsletter.description.clone(),
            language: newsletter.language.clone(),
            dir: direction(&newsletter.language),
            frequency: words::frequencies(schedules),
            chosen: false,
        }
    }
}

/// Every newsletter that is listed, with when it comes.
async fn newsletters(conn: &mut Conn) -> Result<Vec<Shown>, DbError> {
    let mut all = newsletters::list(conn).await?;
    all.retain(|newsletter| newsletter.is_listed);
    let schedules = newsletters::schedules(conn).await?;
    let shown = all.iter().map(|newsletter| {
        let of_it = schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id);
        Shown::new(newsletter, &of_it.filter(|schedule| !schedule.paused).collect::<Vec<_>>())
    });
    Ok(shown.collect())
}

#[derive(Serialize)]
struct Home {
    title: &'static str,
    newsletters: Vec<Shown>,
    several: bool,
}

/// `GET /`
pub async fn show(State(app): State<App>) -> Result<Response, Error> {
    let newsletters = newsletters(&mut *app.db.conn().await?).await?;
    let home = Home { title: "Newsletters", several: newsletters.len() > 1, newsletters };
    page::page(StatusCode::OK, "home", &home)
}

/// `GET /healthz`: 200 where the database answers within 5 seconds, 503 where it does not.
pub async fn health(State(app): State<App>) -> (StatusCode, &'static str) {
    let ask = async { settings::get(&mut *app.db.conn().await?, "signing_key").await };
    match tokio::time::timeout(Duration::from_secs(5), ask).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time"),
    }
}
