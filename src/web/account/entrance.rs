//! What the pages of signing in share: who asks, where they go afterwards, and the cookies that they get.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use crate::pipeline::accounts::{self, Actor, From, Problem};
use crate::pipeline::{App, Error as PipelineError};
use crate::web::Error;
use crate::web::auth::{cookie, cookie_name, is_from_here, is_https, network_of, set_cookie};
use crate::web::form::Form;
use crate::web::said;

/// How long an answer takes at least: whether an address has an account costs the database a different number of
/// milliseconds, and nobody is to learn from it which has.
pub const ANSWER_AFTER: Duration = Duration::from_millis(200);

/// How long a browser keeps the cookie of a session, in seconds: as long as one can last. When it ends is the
/// database's to say.
const KEPT: i64 = 90 * 24 * 60 * 60;

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub struct Back {
    #[serde(default)]
    back: String,
}

impl Back {
    /// A page of ours, whatever the address bar says.
    pub fn page(&self) -> &str {
        own_page(&self.back)
    }
}

/// The path, if it is one of this service's own; the desk otherwise.
pub fn own_page(path: &str) -> &str {
    if is_own_page(path) { path } else { "/desk" }
}

/// Whether a path is one of this service's own. Browsers read `\` as `/`, and drop line breaks.
pub fn is_own_page(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 2000
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// A form of somebody who is not signed in, sent from a page of ours.
#[derive(Debug)]
pub struct Guest {
    pub form: Form,
    pub headers: HeaderMap,
    pub network: String,
}

impl FromRequest<App> for Guest {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let headers = request.headers().clone();
        let network = network_of(app, request.extensions(), &headers);
        if !is_from_here(&headers, &app.settings.public_url) {
            accounts::refuse_form(app, None, &network, request.uri().path()).await?;
            return Err(Error::FromElsewhere);
        }
        Ok(Self { form: Form::read(request).await?, headers, network })
    }
}

impl Guest {
    pub fn from(&self) -> From<'_> {
        let agent = self.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        From { agent: agent.unwrap_or_default(), network: &self.network }
    }

    /// Ends the session that this browser had: another one begins.
    async fn leave(&self, app: &App) -> Result<(), PipelineError> {
        let Some(value) = cookie(&self.headers, cookie_name(app)) else { return Ok(()) };
        match accounts::of_cookie(app, &value).await? {
            Some((account, session)) => {
                let user = &account.user;
                accounts::sign_out(app, &Actor::new(user, &self.network), user, &session).await
            }
            None => Ok(()),
        }
    }
}

/// Signed in: the browser gets its cookie, and goes on.
pub async fn open(app: &App, guest: &Guest, value: &str, back: &str) -> Result<Response, Error> {
    guest.leave(app).await?;
    let mut response = lead_to(own_page(back));
    said::add_cookie(&mut response, &set_cookie(app, cookie_name(app), value, Some(KEPT)));
    said::add_cookie(&mut response, &set_cookie(app, ticket_name(app), "", Some(0)));
    Ok(response)
}

/// On to the code of the second factor.
pub fn ask_for_code(app: &App, ticket: &str, back: &str) -> Response {
    let mut response = lead_to(&query("/sign-in/code", own_page(back)));
    let seconds = accounts::TICKET_MINUTES * 60;
    said::add_cookie(&mut response, &set_cookie(app, ticket_name(app), ticket, Some(seconds)));
    response
}

/// A page's address, from which one goes on to `back`.
pub fn query(path: &str, back: &str) -> String {
    let back: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
    format!("{path}?back={back}")
}

/// The cookie that waits for the code.
pub fn ticket_name(app: &App) -> &'static str {
    if is_https(app) { "__Host-daybreak_step" } else { "daybreak_step" }
}

pub fn lead_to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}

/// What is wrong, beside each field of these pages.
#[derive(Debug, Default, Serialize)]
pub struct Wrong {
    email: Option<String>,
    name: Option<String>,
    current: Option<String>,
    password: Option<String>,
    code: Option<String>,
}

impl Wrong {
    pub fn new(problems: &[Problem]) -> Self {
        let of = |field: &str| {
            let found = problems.iter().find(|problem| problem.field == field);
            found.map(|problem| problem.says.clone())
        };
        Self {
            email: of("email"),
            name: of("name"),
            current: of("current"),
            password: of("password"),
            code: of("code"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_returned_to() {
        for ours in ["/desk", "/office/audit?who=ann%40example.org", "/"] {
            assert_eq!(own_page(ours), ours);
        }
        let long = format!("/{}", "a".repeat(3000));
        for other in
            ["", "desk", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "/ü", &long]
        {
            assert_eq!(own_page(other), "/desk");
        }
    }
}
