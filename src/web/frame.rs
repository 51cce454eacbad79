//! What holds for every page: how long a request may take, and the headers that keep a browser careful.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::Error;
use super::office::UPLOAD_PATH;

/// How long a request may take, body and answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a file may take to come: 500 MB over a line of 1.2 Mbit/s.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Scripts and styles are files of ours, nothing comes from elsewhere but images, nobody frames us.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
                      img-src 'self' http: https: data:; frame-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What no page of ours asks a browser for.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// A year: browsers that have once been here on HTTPS do not come back without (RFC 6797).
const HTTPS_ONLY: &str = "max-age=31536000";

/// Answers within 30 seconds, or an hour where a file is uploaded.
pub async fn patient(request: Request, next: Next) -> Response {
    let patience = match request.uri().path() {
        UPLOAD_PATH if request.method() == Method::POST => UPLOAD_PATIENCE,
        _ => PATIENCE,
    };
    // No address of ours has NUL in it, and PostgreSQL has it in no text.
    let is_address = !request.uri().path().contains("%00");
    let answering =
        async { if is_address { next.run(request).await } else { Error::NotFound.into_response() } };
    match tokio::time::timeout(patience, answering).await {
        Ok(response) => response,
        Err(_) => Error::Slow.into_response(),
    }
}

/// What no route has: a page with a slash too many at its end, or nothing.
pub async fn elsewhere(request: Request) -> Result<Redirect, Error> {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match is_read && trimmed != path && is_public(trimmed) {
        true => {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            Ok(Redirect::permanent(&format!("{trimmed}{query}")))
        }
        false => Err(Error::NotFound),
    }
}

/// Whether a page is for everybody: those to sign up with, and the archive.
fn is_public(path: &str) -> bool {
    path == "/" || ["/subscribe", "/archive/"].iter().any(|start| path.starts_with(start))
}

/// Adds the headers that an answer has not set itself. `is_https`: where our pages are.
pub async fn careful(State(is_https): State<bool>, request: Request, next: Next) -> Response {
    let is_public = is_public(request.uri().path());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !is_public {
        // A link that somebody passes on, or posts, is not to be found by a search.
        headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Addresses with a token in them must not travel on, nor lie in a cache; what holds for them holds for all.
        // With `no-referrer` a browser would say `Origin: null` of our own forms (Fetch §3.1), which are refused then.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // What the policy says of frames, for browsers that do not read it.
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let framed = match policy.is_some_and(|policy| policy.contains("frame-ancestors 'self'")) {
        true => "SAMEORIGIN",
        false => "DENY",
    };
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static(framed));
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
        // A page that one of ours opens, or that opens one of ours, has no hand on it. Without HTTPS browsers leave it
        // aside, and complain.
        let opener = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(opener, HeaderValue::from_static("same-origin"));
    }
    response
}
