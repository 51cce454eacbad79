//! Who asks: the session behind a request, what they may, and forms that only our own pages can send.
//!
//! A handler that takes [`SignedIn`] is for those who are signed in; others are sent to the sign-in page. A handler
//! that changes something takes [`Act`], which also refuses forms from elsewhere. What somebody may is asked with
//! [`SignedIn::require`] and [`SignedIn::require_everywhere`], which write a refusal down.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use super::Error;
use super::form::Form;
use super::sign_up::network_address;
use crate::db::audit::{self, NewEntry};
use crate::db::sessions::Session;
use crate::domain::user::{Role, User};
use crate::pipeline::{App, accounts};

/// The cookie's name. On HTTPS a browser takes this prefix only with `Secure`, for `/`, and from no other host
/// (RFC 6265bis §4.1.3.2).
pub fn cookie_name(app: &App) -> &'static str {
    if is_https(app) { "__Host-daybreak" } else { "daybreak" }
}

pub fn is_https(app: &App) -> bool {
    app.settings.public_url.starts_with("https://")
}

/// The value of a `Set-Cookie` field; no age ends the cookie with the browser.
pub fn set_cookie(app: &App, name: &str, value: &str, seconds: Option<i64>) -> String {
    let secure = if is_https(app) { "; Secure" } else { "" };
    let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
}

/// The value of a cookie of this name.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    /// What a form of our own pages sends back as `token`.
    pub form_token: String,
    /// Where the request comes from.
    pub network: String,
    /// What the page before has to say, once.
    pub said: Option<super::said::Said>,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let to_sign_in = || {
            // Only a page can be returned to.
            let back = if parts.method == Method::GET { parts.uri.to_string() } else { "/desk".to_owned() };
            Error::SignIn(back)
        };
        let value = cookie(&parts.headers, cookie_name(app)).ok_or_else(to_sign_in)?;
        let (user, session) = accounts::of_cookie(app, &value).await?.ok_or_else(to_sign_in)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        let network = peer.map(|peer| network_address(peer, &parts.headers).to_string());
        Ok(Self {
            form_token: accounts::form_token(app, &session),
            said: super::said::of(&parts.headers),
            network: network.unwrap_or_default(),
            user,
            session,
        })
    }
}

impl SignedIn {
    /// Succeeds where they may what `role` may for that newsletter.
    ///
    /// # Errors
    /// [`Error::Forbidden`], which is written down: who, and what they asked for (`action` on `what`).
    pub async fn require(
        &self,
        app: &App,
        role: Role,
        newsletter_id: i64,
        action: &str,
        what: &str,
    ) -> Result<(), Error> {
        match self.user.may(role, newsletter_id) {
            true => Ok(()),
            false => self.refuse(app, Some(newsletter_id), action, what).await,
        }
    }

    /// The same for what belongs to no newsletter, or to all.
    pub async fn require_everywhere(
        &self,
        app: &App,
        role: Role,
        action: &str,
        what: &str,
    ) -> Result<(), Error> {
        match self.user.may_everywhere(role) {
            true => Ok(()),
            false => self.refuse(app, None, action, what).await,
        }
    }

    async fn refuse(
        &self,
        app: &App,
        newsletter_id: Option<i64>,
        action: &str,
        what: &str,
    ) -> Result<(), Error> {
        let (who, network) = (self.user.email.as_str(), self.network.as_str());
        let user_id = Some(self.user.id);
        let entry = NewEntry { user_id, who, action, what, newsletter_id, is_denied: true, network };
        audit::write(&mut *app.db.conn().await?, &entry, app.clock.now()).await?;
        Err(Error::Forbidden)
    }
}

/// A form that somebody who is signed in has sent from one of our pages.
#[derive(Debug)]
pub struct Act {
    pub by: SignedIn,
    pub form: Form,
}

impl FromRequest<App> for Act {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        if !is_from_here(&parts.headers, &app.settings.public_url) {
            return Err(Error::FromElsewhere);
        }
        let by = SignedIn::from_request_parts(&mut parts, app).await?;
        let form = Form::read_of_ours(Request::from_parts(parts, body)).await?;
        by.check(form.get("token"))?;
        Ok(Self { by, form })
    }
}

impl SignedIn {
    /// Succeeds where it is the token that our pages have for this session.
    ///
    /// # Errors
    /// [`Error::FromElsewhere`]
    pub fn check(&self, token: &str) -> Result<(), Error> {
        let (ours, theirs) = (self.form_token.as_bytes(), token.as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).map_err(|_| Error::FromElsewhere)
    }
}

/// Whether a request that changes something comes from a page of ours, as far as the browser says.
pub fn is_from_here(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        // The browser has compared them itself.
        Some("same-origin") => return true,
        Some("none") | None => {}
        Some(_) => return false,
    }
    let Some(origin) = text("origin") else { return true };
    let authority =
        |url: &str| url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or("").to_owned());
    let from = authority(origin);
    from.is_some() && (from == authority(public_url) || from.as_deref() == text("host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(fields: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        is_from_here(&headers, "https://news.example.org/letters")
    }

    #[test]
    fn only_requests_of_our_own_pages_are_taken() {
        assert!(is_taken(&[]) && is_taken(&[("origin", "https://news.example.org")]));
        assert!(is_taken(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(!is_taken(&[("origin", "https://evil.example")]) && !is_taken(&[("origin", "null")]));
        assert!(is_taken(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(!is_taken(&[("sec-fetch-site", "none"), ("origin", "null")]));
        assert!(
            !is_taken(&[("sec-fetch-site", "cross-site")]) && !is_taken(&[("sec-fetch-site", "same-site")])
        );
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=1; daybreak=x=y; b=2".parse().unwrap());
        assert_eq!(cookie(&headers, "daybreak").as_deref(), Some("x=y"));
        assert_eq!(cookie(&headers, "day"), None);
    }
}
