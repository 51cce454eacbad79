//! A reader's own digest as a page, rendered anew.

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse, Response};

use super::Error;
use super::form::Segment;
use crate::domain::token::Token;
use crate::pipeline::App;
use crate::pipeline::inspect;

/// Mails carry their styles with them and show images from anywhere; scripts and forms they have none.
pub const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// A mail's HTML as a page: among a mail program's many it is an article, here it is what the page is for.
pub fn as_page(html: &str) -> String {
    html.replacen("role=\"article\"", "role=\"main\"", 1)
}

/// `GET /view/{token}`: the issue as the token's reader would get it now. Whoever changed their topics or language
/// since sees what these make of it; 404 where nothing of it is for them any more.
pub async fn show(State(app): State<App>, Segment(token): Segment) -> Result<Response, Error> {
    match app.key.read(&token) {
        Some(Token::View { delivery_id }) => {
            let html = inspect::view(&app, delivery_id).await?;
            Ok(([POLICY], Html(as_page(&html))).into_response())
        }
        _ => Err(Error::BadToken),
    }
}
