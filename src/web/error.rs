//! The one error of the web: each variant is a page, and its doc says the status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;

use super::form::Form;
use super::page;
use crate::db::DbError;
use crate::pipeline;

/// What a handler cannot answer.
#[derive(Debug)]
pub enum Error {
    /// 303: nobody is signed in; afterwards they come back to this page.
    SignIn(String),
    /// 401: a form of desk or office, after the session has ended: it is kept in the page, to be sent again.
    SignedOut { to: String, form: Form },
    /// 403: they may not do that, and the sentence says what it takes. It is in the audit log.
    Forbidden(String),
    /// 403: a form that no page of ours sent, or one of a session that has ended.
    FromElsewhere,
    /// 422: it makes no sense as things stand; the sentence says why and what to do.
    Refused(String),
    /// 404: there is no such page.
    NotFound,
    /// 404: a link's token that this service did not make, or not this way.
    BadToken,
    /// 404: a link of ours whose reader is erased, or never was: tests and previews have such links.
    Nobody,
    /// 404: a mail that cannot be shown in a browser any more.
    NoCopy,
    /// 405: the page is there, but not for this method.
    Method,
    /// 408: the request did not come to its end in time, or the answer did not; it may have been done all the same.
    Slow,
    /// 410: a link that confirms and has expired.
    Expired,
    /// 410: a link to the preferences that was mailed to an address which is not the reader's any more.
    Outdated,
    /// 413: the form is larger than a form of ours can be.
    TooLarge,
    /// 415: the form is not URL-encoded.
    NotAForm,
    /// 503: too many pages are asked for at this moment.
    Busy,
    /// 500: the pipeline failed; the reader learns only that, the log has the rest.
    Failed(pipeline::Error),
    /// 500: a page cannot be rendered.
    Page(String),
}

impl From<pipeline::Error> for Error {
    fn from(error: pipeline::Error) -> Self {
        match error {
            pipeline::Error::NotFound(_) => Self::NotFound,
            pipeline::Error::Invalid(says) => Self::Refused(says),
            pipeline::Error::Busy => Self::Busy,
            other => Self::Failed(other),
        }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

/// What an error's answer says, left in its extensions for [`super::framed`].
#[derive(Clone, Debug)]
pub struct Told {
    pub title: &'static str,
    pub says: String,
    pub what: What,
}

/// Errors that are said otherwise, or done otherwise, at the desk than to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Who asks is not signed in.
    SignIn,
    NotFound,
    Method,
    NotAForm,
    Other,
}

#[derive(Serialize)]
struct ErrorPage<'e> {
    status: u16,
    title: &'e str,
    says: &'e str,
    way_out: &'static str,
    way_out_words: &'static str,
}

/// A form that is kept.
#[derive(Serialize)]
struct SignedOut<'e> {
    title: &'e str,
    to: &'e str,
    fields: Vec<Field<'e>>,
}

#[derive(Serialize)]
struct Field<'e> {
    name: &'e str,
    value: &'e str,
}

impl Error {
    fn words(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::SignIn(_) => (StatusCode::SEE_OTHER, "Sign in", "Sign in first."),
            Self::SignedOut { .. } => {
                (StatusCode::UNAUTHORIZED, "You are signed out", "Sign in, and send the form again.")
            }
            Self::Forbidden(says) => (StatusCode::FORBIDDEN, "That is not yours to do", says),
            Self::FromElsewhere => (
                StatusCode::FORBIDDEN,
                "Nothing was changed",
                "This form was open for too long, or did not come from a page of this service. Go back, load the \
                 page anew, and try again.",
            ),
            Self::Refused(says) => (StatusCode::UNPROCESSABLE_ENTITY, "That cannot be done", says),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is no such page",
                "Check the address for a letter too many or too few.",
            ),
            Self::BadToken => (
                StatusCode::NOT_FOUND,
                "This link does not work",
                "Part of it seems to be missing: some mail programs cut long links in two. Copy the whole address \
                 from the mail into your browser, or follow the link in a later mail.",
            ),
            Self::Nobody => (
                StatusCode::NOT_FOUND,
                "Nobody is known under this link",
                "Either everything about the reader was deleted, or the mail was a test or a preview. If mail still \
                 comes to you, follow the link in the latest one.",
            ),
            Self::NoCopy => (
                StatusCode::NOT_FOUND,
                "This copy is not here any more",
                "A reader’s own copy goes when everything about the reader is deleted, some time after it was sent, and \
                 when the reader has another address or chose other topics since, of which it has nothing. Tests and previews have none. Past \
                 issues, as everybody may read them, are in the newsletter’s archive.",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "That cannot be done here",
                "This page can be read, but it takes no such request.",
            ),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "That took too long",
                "It may or may not have been done. Look whether it was done before you try again.",
            ),
            Self::Expired => (
                StatusCode::GONE,
                "This link has expired",
                "A link that confirms works for 7 days, and until a newer one is sent. Sign up again, and one comes to your inbox.",
            ),
            Self::Outdated => (
                StatusCode::GONE,
                "This link has ended",
                "The address that the mails go to was changed since it was sent. Follow the link to leave in any mail that \
                 you have: you can ask for a new link there, which goes to the address of today.",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "That is too much for this form",
                "The form was larger than 64 KB (1 MB on the desk), and nothing was changed. Go back and write less into \
                 it.",
            ),
            Self::NotAForm => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "That is not a form",
                "This address takes URL-encoded forms only. Use the form on the sign-up page.",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Many people ask for this at once",
                "The page could not be made in time. It works again within seconds: load it anew.",
            ),
            Self::Failed(_) | Self::Page(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "That did not work",
                "The fault is on our side, and nothing was changed. Go back and try again in a few minutes.",
            ),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Self::Failed(error) => tracing::error!(%error, "a page failed"),
            Self::Page(error) => tracing::error!(%error, "a page cannot be rendered"),
            _ => {}
        }
        let (status, title, says) = self.words();
        let told = Told { title, says: says.to_owned(), what: self.what() };
        let mut response = self.page(status, title, says);
        response.extensions_mut().insert(told);
        response
    }
}

impl Error {
    fn what(&self) -> What {
        match self {
            Self::SignIn(_) | Self::SignedOut { .. } => What::SignIn,
            Self::NotFound => What::NotFound,
            Self::Method => What::Method,
            Self::NotAForm => What::NotAForm,
            _ => What::Other,
        }
    }

    /// The page for whoever is not in the desk's frame.
    fn page(&self, status: StatusCode, title: &str, says: &str) -> Response {
        if let Self::SignIn(back) = self {
            let back: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
            return Redirect::to(&format!("/sign-in?back={back}")).into_response();
        }
        if let Self::SignedOut { to, form } = self {
            let fields = form.fields().map(|(name, value)| Field { name, value }).collect();
            let html = page::render("account/signed_out", &SignedOut { title, to, fields });
            let html = html.unwrap_or_else(|_| title.to_owned());
            return (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
        }
        let (way_out, way_out_words) = match self {
            Self::Forbidden(_) | Self::FromElsewhere | Self::Refused(_) => ("/desk", "Back to the desk"),
            Self::Expired | Self::NotAForm => ("/subscribe", "Sign up"),
            _ => ("/", "See the newsletters"),
        };
        let page = ErrorPage { status: status.as_u16(), title, says, way_out, way_out_words };
        let html = page::render("error", &page).unwrap_or_else(|_| title.to_owned());
        let mut response =
            (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
        if matches!(self, Self::Busy) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
