//! What templates can print: docs/templates.md as a page of the desk.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pulldown_cmark::{Options, Parser, html};
use serde::Serialize;

use crate::pipeline::App;
use crate::web::Error;
use crate::web::auth::SignedIn;

/// The text behind its title, as HTML. What is wider than a phone is moved sideways, by the keyboard too.
static HTML: LazyLock<String> = LazyLock::new(|| {
    let text = include_str!("../../../docs/templates.md");
    let (_title, body) = text.split_once('\n').unwrap_or_default();
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(body, Options::ENABLE_TABLES));
    let page = page.replace("<pre>", "<pre tabindex=\"0\">").replace("</table>", "</table></div>");
    // Each has a name of its own, for who goes from one to the next.
    let mut pieces = page.split("<table>");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for (place, piece) in (1..).zip(pieces) {
        page.push_str(&format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table {place}\"><table>{piece}"
        ));
    }
    page
});

#[derive(Serialize)]
struct Help {
    text: &'static str,
}

/// `GET /desk/templates/help`
pub async fn show(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    super::templates::may(&app, &by, "template.look", "what templates can print").await?;
    let page = Help { text: &HTML };
    super::show(
        &by,
        StatusCode::OK,
        "/desk/templates",
        "What templates can print",
        "desk/template_help",
        &page,
    )
}
