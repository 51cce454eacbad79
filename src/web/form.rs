//! Forms as they come in: bounded, URL-encoded, every field possibly more than once.

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;

use super::Error;

/// The largest form of somebody unknown that is read, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// The largest form of somebody who is signed in: an issue of 200 articles with texts of their own, each letter of
/// which may take six bytes.
const MAX_FORM_OF_OURS: usize = 1024 * 1024;

/// How much of a form that is too large is read and dropped, in bytes: a browser shows our answer only once it has
/// sent all of its form, and a broken connection otherwise.
const MAX_DROPPED: usize = 16 * 1024 * 1024;

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a URL-encoded form. Bytes that are not UTF-8 are replaced, and so is NUL, which PostgreSQL has in no text.
    pub async fn read(request: Request) -> Result<Self, Error> {
        Self::read_up_to(request, MAX_FORM).await
    }

    /// The same for somebody who is signed in, who may write more.
    pub async fn read_of_ours(request: Request) -> Result<Self, Error> {
        Self::read_up_to(request, MAX_FORM_OF_OURS).await
    }

    async fn read_up_to(request: Request, most: usize) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        if !is_urlencoded(&parts.headers) {
            return Err(Error::NotAForm);
        }
        Ok(Self::parse(&read_body(body, most).await?))
    }

    /// The fields of an address's query.
    pub fn of_query(query: Option<&str>) -> Self {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    fn parse(bytes: &[u8]) -> Self {
        let fields = url::form_urlencoded::parse(bytes);
        let storable = |text: &str| text.replace('\0', "\u{fffd}");
        Self(fields.map(|(name, value)| (storable(&name), storable(&value))).collect())
    }

    /// Every field, as it came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a field; empty where it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// The first value of a field; none where the form has no such field.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a field that is not empty.
    pub fn all(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(field, value)| field == name && !value.is_empty());
        values.map(|(_, value)| value.clone()).collect()
    }
}

fn is_urlencoded(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn read_body(body: Body, most: usize) -> Result<Vec<u8>, Error> {
    let mut stream = body.into_data_stream();
    let mut bytes = vec![];
    let mut dropped = 0;
    while let Some(chunk) = stream.next().await {
        // The connection broke: nobody is there to read the answer.
        let Ok(chunk) = chunk else { return Err(Error::Slow) };
        if dropped == 0 && bytes.len() + chunk.len() <= most {
            bytes.extend_from_slice(&chunk);
            continue;
        }
        dropped += chunk.len();
        if dropped > MAX_DROPPED {
            break;
        }
    }
    if dropped > 0 { Err(Error::TooLarge) } else { Ok(bytes) }
}

/// The variable part of an address; one that cannot be read or looked up (NUL) is no page of ours.
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let segment = path.ok().filter(|Path(segment)| !segment.contains('\0'));
        segment.map(|Path(segment)| Self(segment)).ok_or(Error::NotFound)
    }
}
