//! A reader's own digest as a page, rendered anew.

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse, Response};

use super::Error;
use super::form::Segment;
use crate::domain::token::Token;
use crate::pipeline::{self, App, inspect};

/// Mails carry their styles with them and show images from anywhere; scripts and forms they have none.
pub const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// `GET /view/{token}`: the issue as the token's reader would get it now. Whoever changed their topics or language
/// since sees what these make of it; 404 where nothing of it is for them any more or they are erased, 503 where too many
/// ask at once.
pub async fn show(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    match app.key.read(&token) {
        Some(Token::View { delivery_id }) => {
            let html = inspect::view(&app, delivery_id).await.map_err(|error| match error {
                pipeline::Error::NotFound(_) => Error::NoCopy,
                other => other.into(),
            })?;
            Ok(([POLICY], Html(html)).into_response())
        }
        _ => Err(Error::BadToken),
    }
}
