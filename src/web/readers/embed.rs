//! The sign-up form for the pages of others: HTML to copy. It needs no script and no cookie; it sends the browser here,
//! where the answer is a page of ours.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::super::form::Segment;
use super::super::{Error, page, sign_up_form};
use super::archive::newsletter;
use crate::domain::mail::escape_html;
use crate::pipeline::App;

#[derive(Serialize)]
struct Embed<'a> {
    title: String,
    slug: &'a str,
    name: &'a str,
    language: &'a str,
    snippet: String,
    lines: usize,
}

/// `GET /subscribe/{slug}/embed`
pub async fn show(State(app): State<App>, Segment(slug): Segment) -> Result<Response, Error> {
    let newsletter = newsletter(&app, &slug).await?;
    let (slug, name) = (newsletter.slug.as_str(), newsletter.name.as_str());
    let snippet = format!(
        "<form action=\"{base}/subscribe\" method=\"post\" accept-charset=\"utf-8\">\n\
         \x20 <input type=\"hidden\" name=\"page\" value=\"{slug}\">\n\
         \x20 <input type=\"hidden\" name=\"newsletter\" value=\"{slug}\">\n\
         \x20 <label for=\"daybreak-email\">E-mail address</label>\n\
         \x20 <input id=\"daybreak-email\" name=\"email\" type=\"email\" autocomplete=\"email\" required>\n\
         \x20 <p>{consent}</p>\n\
         \x20 <button type=\"submit\">Sign up for {name}</button>\n\
         </form>\n",
        base = escape_html(&app.settings.public_url),
        slug = escape_html(slug),
        name = escape_html(name),
        consent = escape_html(&sign_up_form::consent(name)),
    );
    let embed = Embed {
        title: format!("The form for {name} on a page of yours"),
        slug,
        name,
        language: &newsletter.language,
        lines: snippet.lines().count() + 1,
        snippet,
    };
    page::page(StatusCode::OK, "readers/embed", &embed)
}
