//! An issue on its way out: how it looks, what is wrong with it, a test, the sending itself, its progress, its results.

mod checks;
mod found;
mod live;
mod measured;
mod preview;
mod reaches;
mod results;
mod scheme;
mod send;
mod test_mail;
mod words;

use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;

use super::opened::{Head, Opened};
use crate::pipeline::App;

/// Everything below `/desk/issues/{id}` that is about sending it.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk/issues/{id}/preview", get(preview::show))
        .route("/desk/issues/{id}/preview/mail", get(preview::mail))
        .route("/desk/issues/{id}/preview/eml", get(preview::eml))
        .route("/desk/issues/{id}/checks", get(checks::show).post(checks::look))
        .route("/desk/issues/{id}/test", get(test_mail::show).post(test_mail::send))
        .route("/desk/issues/{id}/send", get(send::show).post(send::act))
        .route("/desk/issues/{id}/live", get(live::show))
        .route("/desk/issues/{id}/events", get(live::events))
        .route("/desk/issues/{id}/results", get(results::show))
        .layer(Extension(live::Hub::default()))
        .layer(Extension(reaches::Reaches::default()))
}

/// A page of an issue: its own content, with the head.
#[derive(Serialize)]
struct Page<'p, T> {
    head: Head,
    #[serde(flatten)]
    own: &'p T,
}

/// The fields of an address's query.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn of(query: Option<String>) -> Self {
        let query = query.unwrap_or_default();
        // What a database or a header cannot hold is not looked for.
        let clean = |text: &str| text.replace('\0', "");
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (clean(&name), clean(&value)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(field, value)| field == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect()
    }
}
