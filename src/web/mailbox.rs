//! The mailbox of the demo: what would have reached inboxes, to look at.
//!
//! A mail is a stranger's: its HTML stands in a sandboxed frame, served under a policy of its own that lets nothing
//! run. Images and links work.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::form::Segment;
use super::{Error, frame, page};
use crate::domain::calendar::Timestamp;
use crate::pipeline::caught::{Mailbox, Opened, Summary};

/// The pages under `/mailbox`, to be merged with the readers' pages, whose styles they use.
pub fn router(mailbox: Mailbox) -> Router {
    Router::new()
        .route("/mailbox", get(list))
        .route("/mailbox/{id}", get(html))
        .route("/mailbox/{id}/body", get(body))
        .route("/mailbox/{id}/text", get(text))
        .route("/mailbox/{id}/headers", get(headers))
        .route("/mailbox/{id}/source", get(source))
        .layer(middleware::from_fn(frame::patient))
        // The demo's alone, which is on this machine.
        .layer(middleware::from_fn_with_state(false, frame::careful))
        .with_state(mailbox)
}

/// The frame that a mail's HTML stands in is a page of ours.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Styles and images, and nothing that runs; the sandbox holds also where the body is opened by itself. Links leave
/// the frame as pages of their own.
const BODY_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
                           style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'self'";

/// How much of a text or a source a page shows, in bytes: a browser still scrolls it.
const MAX_SHOWN: usize = 512 * 1024;

#[derive(Deserialize)]
struct Asked {
    page: Option<String>,
    /// A part of the recipient's address.
    to: Option<String>,
}

#[derive(Serialize)]
struct ListPage {
    title: &'static str,
    count: u64,
    /// The part of an address that is looked for; empty: none.
    to: String,
    mails: Vec<Line>,
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Serialize)]
struct Line {
    id: u64,
    subject: String,
    from: String,
    /// Who it is from, as short as an inbox says it.
    sender: String,
    to: String,
    /// For `datetime` and on hover.
    at: String,
    time: String,
    size: String,
}

impl From<Summary> for Line {
    fn from(mail: Summary) -> Self {
        Self {
            id: mail.id,
            subject: if mail.subject.trim().is_empty() { "(no subject)".to_owned() } else { mail.subject },
            sender: mail.from.split(" <").next().unwrap_or_default().to_owned(),
            from: mail.from,
            to: mail.to,
            at: mail.received.to_string(),
            time: time(mail.received),
            size: size(mail.size),
        }
    }
}

fn time(at: Timestamp) -> String {
    at.to_utc().format("%-d %B, %H:%M:%S UTC").to_string()
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}

/// `GET /mailbox?page=0&to=ann`: the newest first.
async fn list(
    State(mailbox): State<Mailbox>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let Asked { page, to } = query.map_or(Asked { page: None, to: None }, |Query(asked)| asked);
    let page: usize = page.and_then(|page| page.parse().ok()).unwrap_or(0);
    let to = to.unwrap_or_default().trim().to_owned();
    let address = |page: usize| {
        let mut query = url::form_urlencoded::Serializer::new("/mailbox?".to_owned());
        query.append_pair("page", &page.to_string());
        if !to.is_empty() {
            query.append_pair("to", &to);
        }
        query.finish()
    };
    let list = ListPage {
        title: "Mailbox",
        count: mailbox.count(),
        mails: mailbox.find_to(&to, page).into_iter().map(Line::from).collect(),
        newer: page.checked_sub(1).map(address),
        older: page.checked_add(1).filter(|next| !mailbox.find_to(&to, *next).is_empty()).map(address),
        to: to.clone(),
    };
    page::page(StatusCode::OK, "mailbox", &list)
}

#[derive(Serialize)]
struct MailPage {
    title: String,
    mail: Line,
    envelope_from: String,
    envelope_to: String,
    tabs: Vec<Tab>,
    /// The address of the mail's HTML, to stand in a frame.
    frame: Option<String>,
    headers: Option<Vec<(String, String)>>,
    plain: Option<String>,
    /// Said instead of a part that the mail does not have, or below a part that is too long.
    note: &'static str,
}

#[derive(Serialize)]
struct Tab {
    name: &'static str,
    address: String,
    current: bool,
}

/// The mail of an address, and the page around one of its parts.
fn open(mailbox: &Mailbox, id: &str) -> Result<Opened, Error> {
    id.parse().ok().and_then(|id| mailbox.get(id)).ok_or(Error::NotFound)
}

impl MailPage {
    fn new(mail: &Opened, current: &str) -> Self {
        let id = mail.summary.id;
        let tab = |(name, path): (&'static str, &str)| Tab {
            name,
            address: format!("/mailbox/{id}{path}"),
            current: name == current,
        };
        let line = Line::from(mail.summary.clone());
        Self {
            title: line.subject.clone(),
            mail: line,
            envelope_from: mail.envelope_from.clone(),
            envelope_to: mail.envelope_to.join(", "),
            tabs: [("HTML", ""), ("Text", "/text"), ("Headers", "/headers"), ("Source", "/source")]
                .map(tab)
                .into(),
            frame: None,
            headers: None,
            plain: None,
            note: "",
        }
    }

    fn show(&mut self, text: &str) {
        let mut end = text.len().min(MAX_SHOWN);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.note = if end < text.len() { "It goes on; only the first 512 KB are shown here." } else { "" };
        self.plain = Some(text[..end].to_owned());
    }

    fn answer(&self) -> Result<Response, Error> {
        let page = page::page(StatusCode::OK, "mail", self)?;
        Ok(([(header::CONTENT_SECURITY_POLICY, POLICY)], page).into_response())
    }
}

/// `GET /mailbox/{id}`: the mail as a mail program shows it.
async fn html(State(mailbox): State<Mailbox>, Segment(id): Segment) -> Result<Response, Error> {
    let mail = open(&mailbox, &id)?;
    let mut page = MailPage::new(&mail, "HTML");
    match mail.html {
        Some(_) => page.frame = Some(format!("/mailbox/{}/body", mail.summary.id)),
        None => page.note = "This mail has no HTML part.",
    }
    page.answer()
}

/// `GET /mailbox/{id}/body`: the mail's HTML, for the frame.
async fn body(State(mailbox): State<Mailbox>, Segment(id): Segment) -> Result<Response, Error> {
    let html = open(&mailbox, &id)?.html.ok_or(Error::NotFound)?;
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, BODY_POLICY)];
    Ok((headers, with_links_outside(&html)).into_response())
}

/// The HTML with its links opening outside the frame.
fn with_links_outside(html: &str) -> String {
    const BASE: &str = "<base target=\"_blank\">";
    // ASCII lower case keeps every byte's place.
    let lower = html.to_ascii_lowercase();
    let head = lower.find("<head").and_then(|start| Some(start + lower[start..].find('>')? + 1));
    // Without a head, before everything: a mail without one has no doctype to keep either.
    let place = head.unwrap_or(0);
    format!("{}{BASE}{}", &html[..place], &html[place..])
}

/// `GET /mailbox/{id}/text`
async fn text(State(mailbox): State<Mailbox>, Segment(id): Segment) -> Result<Response, Error> {
    let mail = open(&mailbox, &id)?;
    let mut page = MailPage::new(&mail, "Text");
    match &mail.text {
        Some(text) => page.show(text),
        None => page.note = "This mail has no text part.",
    }
    page.answer()
}

/// `GET /mailbox/{id}/headers`
async fn headers(State(mailbox): State<Mailbox>, Segment(id): Segment) -> Result<Response, Error> {
    let mail = open(&mailbox, &id)?;
    let mut page = MailPage::new(&mail, "Headers");
    page.headers = Some(mail.headers);
    page.answer()
}

/// `GET /mailbox/{id}/source`: the message as it came.
async fn source(State(mailbox): State<Mailbox>, Segment(id): Segment) -> Result<Response, Error> {
    let mail = open(&mailbox, &id)?;
    let mut page = MailPage::new(&mail, "Source");
    page.show(&mail.source);
    page.answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_mail_open_outside_its_frame() {
        let base = "<base target=\"_blank\">";
        let html = "<!DOCTYPE html><HTML><Head lang=en><title>ü</title></Head></HTML>";
        assert_eq!(with_links_outside(html), html.replace("en>", &format!("en>{base}")));
        assert_eq!(with_links_outside("<p>ü</p>"), format!("{base}<p>ü</p>"));
        assert_eq!(with_links_outside("<head"), format!("{base}<head"));
    }

    #[test]
    fn sizes_are_said_in_the_unit_people_use() {
        assert_eq!([size(0), size(20_000), size(3_500_000)], ["0 bytes", "20 KB", "3.3 MB"]);
    }
}
