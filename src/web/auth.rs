//! Who asks: the session behind a request, what they may, and forms that only our own pages can send.
//!
//! A handler that takes [`SignedIn`] is for those who are signed in; others are sent to the sign-in page. A handler
//! that changes something takes [`Act`], which also refuses forms from elsewhere, and gives their work back to those
//! whose session has ended. What somebody may is asked with [`SignedIn::require`] and
//! [`SignedIn::require_everywhere`], which write a refusal down.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, header};
use tokio::sync::Semaphore;

use super::Error;
use super::form::Form;
use super::network::network_address;
use super::words::list;
use crate::db::audit::{self, NewEntry};
use crate::db::sessions::Session;
use crate::db::{newsletters, users};
use crate::domain::user::{Role, User};
use crate::pipeline::accounts::Actor;
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

/// How many admins are named to whoever is refused something.
const NAMED: i64 = 3;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    /// What a form of our own pages sends back as `token`.
    pub form_token: String,
    /// Where the request comes from.
    pub network: String,
    /// Whether our pages are on HTTPS, as far as we are told.
    pub is_https: bool,
    /// What the page before has to say, once.
    pub said: Option<super::said::Said>,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let to_sign_in = || {
            // Only a page can be returned to.
            let back = parts.uri.path_and_query().filter(|_| parts.method == Method::GET);
            let back = back.map_or_else(|| "/desk".to_owned(), ToString::to_string);
            Error::SignIn(back)
        };
        let value = cookie(&parts.headers, cookie_name(app)).ok_or_else(to_sign_in)?;
        let (account, session) = accounts::of_cookie(app, &value).await?.ok_or_else(to_sign_in)?;
        Ok(Self {
            form_token: accounts::form_token(app, &account),
            said: super::said::of(app, &parts.headers),
            network: network_of(app, &parts.extensions, &parts.headers),
            is_https: is_https(app),
            user: account.user,
            session,
        })
    }
}

impl SignedIn {
    /// As the audit log knows them.
    pub fn actor(&self) -> Actor {
        Actor::new(&self.user, &self.network)
    }

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
            false => self.refuse(app, role, Some(newsletter_id), action, what).await,
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
            false => self.refuse(app, role, None, action, what).await,
        }
    }

    /// Writes down what they did, in a statement of its own: it is done already.
    pub async fn note(
        &self,
        app: &App,
        action: &str,
        what: &str,
        newsletter_id: Option<i64>,
    ) -> Result<(), Error> {
        let mut conn = app.db.conn().await?;
        Ok(accounts::note(app, &mut conn, &self.user, &self.network, action, what, newsletter_id).await?)
    }

    async fn refuse(
        &self,
        app: &App,
        role: Role,
        newsletter_id: Option<i64>,
        action: &str,
        what: &str,
    ) -> Result<(), Error> {
        let (who, network) = (self.user.email.as_str(), self.network.as_str());
        let user_id = Some(self.user.id);
        let entry = NewEntry { user_id, who, action, what, newsletter_id, is_denied: true, network };
        let mut conn = app.db.conn().await?;
        audit::write(&mut conn, &entry, app.clock.now()).await?;
        let newsletter = match newsletter_id {
            Some(id) => newsletters::get(&mut conn, id).await?,
            None => None,
        };
        let of = newsletter.map_or_else(|| "all newsletters".to_owned(), |newsletter| newsletter.name);
        let admins = match users::admins(&mut conn, NAMED).await? {
            admins if admins.is_empty() => String::new(),
            admins => format!(": {}", list(&admins)),
        };
        Err(Error::Forbidden(format!(
            "This is for whoever has the role of {} for {of}; your account does not have it. Ask an admin of this service \
             for it{admins}.",
            role.as_str()
        )))
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
        let path = parts.uri.path().to_owned();
        let is_ours = is_from_here(&parts.headers, &app.settings.public_url);
        let by = match SignedIn::from_request_parts(&mut parts, app).await {
            Err(Error::SignIn(_)) if !is_ours => {
                let network = network_of(app, &parts.extensions, &parts.headers);
                accounts::refuse_form(app, None, &network, &path).await?;
                return Err(Error::FromElsewhere);
            }
            Err(Error::SignIn(back)) => return Err(keep(back, &path, Request::from_parts(parts, body)).await),
            by => by?,
        };
        if !is_ours {
            return Err(by.not_ours(app, &path).await);
        }
        let form = Form::read_of_ours(Request::from_parts(parts, body)).await?;
        by.check(app, form.get("token"), &path).await?;
        Ok(Self { by, form })
    }
}

/// How many forms of those whose session has ended are read at a time: one may have 1 MB, of anybody.
static KEEPING: Semaphore = Semaphore::const_new(16);

/// What becomes of a form whose sender is not signed in (any more): a page that has all of it, to be sent again. Forms
/// of accounts have passwords, which stand in no page, but for the one with the name.
async fn keep(back: String, path: &str, request: Request) -> Error {
    let is_work = ["/desk/", "/office/", "/account/name"].iter().any(|place| path.starts_with(place));
    let Some(_place) = KEEPING.try_acquire().ok().filter(|_| is_work) else { return Error::SignIn(back) };
    let to = request.uri().path_and_query().map_or_else(|| path.to_owned(), ToString::to_string);
    match Form::read_of_ours(request).await {
        Ok(form) => Error::SignedOut { to, form },
        Err(error) => error,
    }
}

impl SignedIn {
    /// Succeeds where it is the token that our pages have for them; `path` is where the form was sent to.
    ///
    /// # Errors
    /// [`Error::FromElsewhere`], which is written down.
    pub async fn check(&self, app: &App, token: &str, path: &str) -> Result<(), Error> {
        let (ours, theirs) = (self.form_token.as_bytes(), token.as_bytes());
        match aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.not_ours(app, path).await),
        }
    }

    /// Writes down that no page of ours sent a form.
    pub async fn not_ours(&self, app: &App, path: &str) -> Error {
        match accounts::refuse_form(app, Some(&self.user), &self.network, path).await {
            Ok(()) => Error::FromElsewhere,
            Err(error) => error.into(),
        }
    }
}

/// The network address that a request comes from; empty where no connection says it.
pub fn network_of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> String {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    peer.map(|peer| network_address(&app.settings, peer, headers).to_string()).unwrap_or_default()
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
