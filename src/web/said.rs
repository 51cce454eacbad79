//! What a page says of the request before it: "12 readers were added". It travels in a cookie, and is shown once.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::account::is_own_page;
use super::auth::{cookie, is_https, set_cookie};
use crate::pipeline::App;

/// On HTTPS with the prefix that keeps other hosts from setting it, as that of the session.
fn cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-daybreak_said" } else { "daybreak_said" }
}

/// A sentence, and what takes back what it tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub words: String,
    /// Where a form of one button is sent to; empty where there is no way back.
    #[serde(default)]
    pub undo: String,
    /// What that button says, such as "Put it back".
    #[serde(default)]
    pub undo_words: String,
    /// What of the page it is about, by the anchor there, where it is said too: the page is scrolled to it. May be empty.
    #[serde(default)]
    pub at: String,
}

/// What the request before has left to be said.
pub fn of(app: &App, headers: &HeaderMap) -> Option<Said> {
    let bytes = URL_SAFE_NO_PAD.decode(cookie(headers, cookie_name(is_https(app)))?).ok()?;
    let said: Said = serde_json::from_slice(&bytes).ok()?;
    // The way back is a page of ours, whoever wrote the cookie.
    (said.undo.is_empty() || is_own_page(&said.undo)).then_some(said)
}

/// Leads on to a page, which says this.
pub fn then(app: &App, to: &str, said: Said) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned())]).into_response();
    leave(app, &mut response, &said);
    response
}

/// Leaves this for the page that an answer leads to.
pub fn leave(app: &App, response: &mut Response, said: &Said) {
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(said).unwrap_or_default());
    add_cookie(response, &set_cookie(app, cookie_name(is_https(app)), &text, Some(60)));
}

/// Leads on to a page, which says this sentence.
pub fn then_say(app: &App, to: &str, words: impl Into<String>) -> Response {
    then(app, to, Said { words: words.into(), ..Said::default() })
}

/// It is said: once is enough. `is_https`: where our pages are.
pub fn forget(response: &mut Response, is_https: bool) {
    let (name, secure) = (cookie_name(is_https), if is_https { "; Secure" } else { "" });
    add_cookie(response, &format!("{name}=; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=0"));
}

pub fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
