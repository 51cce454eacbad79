//! Measured links and the picture that tells of an opened mail. Whatever is recorded, the reader is led on at once.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Error;
use super::form::Segment;
use crate::domain::measuring::{Asking, PICTURE, Visit, is_program};
use crate::domain::token::Token;
use crate::pipeline::{App, measuring};

/// An address with a token in it is not told to the article's site, nor kept or listed by anybody.
const QUIET: [(HeaderName, &str); 3] = [
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// A transparent point (GIF 89a).
const POINT: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// `GET /c/{token}/{number}`: on to the address that the link of this number stands for, exactly as it is.
pub async fn follow(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Error> {
    let Path((token, number)) = path.map_err(|_| Error::NotFound)?;
    let Some(Token::Visit { issue_id, delivery_id }) = app.key.read(&token) else {
        return Err(Error::BadToken);
    };
    let number = number.parse().map_err(|_| Error::NotFound)?;
    let url = measuring::target(&app, issue_id, number).await?.ok_or(Error::NotFound)?;
    let location = HeaderValue::try_from(url).map_err(|_| Error::NotFound)?;
    note(&app, delivery_id, number, &method, &headers);
    Ok((StatusCode::FOUND, QUIET, [(header::LOCATION, location)]).into_response())
}

/// `GET /o/{token}.gif`: a picture of one transparent point, whatever the token says.
pub async fn open(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    Segment(name): Segment,
) -> Response {
    let token = name.strip_suffix(".gif").and_then(|token| app.key.read(token));
    if let Some(Token::Visit { delivery_id, .. }) = token {
        note(&app, delivery_id, PICTURE, &method, &headers);
    }
    (QUIET, [(header::CONTENT_TYPE, "image/gif")], Bytes::from_static(POINT)).into_response()
}

fn note(app: &App, delivery_id: i64, link: i64, method: &Method, headers: &HeaderMap) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let purpose = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map(text).join(" ");
    let asking =
        Asking { is_head: method == Method::HEAD, user_agent: text("user-agent"), purpose: &purpose };
    let visit = Visit { link, at: app.clock.now(), by_program: is_program(asking) };
    measuring::note(app, delivery_id, visit);
}
