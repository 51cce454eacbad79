//! The sign-up form for the pages of others: HTML to copy. It needs no script and no cookie; it sends the browser here,
//! where the answer is a page of ours.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::super::form::Segment;
use super::super::sign_up_form::TRAP;
use super::super::{Error, page, sign_up, sign_up_form, words};
use super::archive::newsletter;
use crate::db::newsletters;
use crate::domain::mail::escape_html;
use crate::domain::newsletter::Schedule;
use crate::domain::topic::Topic;
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
    if let Some(page) = sign_up::closed(&app, &slug, StatusCode::OK).await? {
        return Ok(page);
    }
    let newsletter = newsletter(&app, &slug).await?;
    let (slug, name) = (newsletter.slug.as_str(), newsletter.name.as_str());
    let mut conn = app.db.conn().await?;
    let topics = newsletters::topics(&mut conn, newsletter.id).await?;
    let schedules = newsletters::schedules_of(&mut conn, newsletter.id).await?;
    drop(conn);
    let snippet = format!(
        "<form action=\"{base}/subscribe\" method=\"post\" accept-charset=\"utf-8\">\n\
         \x20 <input type=\"hidden\" name=\"page\" value=\"{slug}\">\n\
         \x20 <input type=\"hidden\" name=\"newsletter\" value=\"{slug}\">\n\
         \x20 <label for=\"daybreak-{slug}-email\">E-mail address</label>\n\
         \x20 <input id=\"daybreak-{slug}-email\" name=\"email\" type=\"email\" autocomplete=\"email\" required>\n\
         {topics}{schedules}\
         \x20 <p hidden><label>Website <input name=\"{TRAP}\" tabindex=\"-1\" autocomplete=\"off\"></label></p>\n\
         \x20 <p>{consent}</p>\n\
         \x20 <button type=\"submit\">Sign up for {name}</button>\n\
         </form>\n",
        base = escape_html(&app.settings.public_url),
        slug = escape_html(slug),
        name = escape_html(name),
        topics = topic_choice(&topics),
        schedules = schedule_choice(slug, &schedules),
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

/// Boxes to tick; nothing where there is nothing to choose.
fn topic_choice(topics: &[Topic]) -> String {
    let tick = |topic: &Topic| {
        format!(
            "    <label><input type=\"checkbox\" name=\"topic\" value=\"{}\"> {}</label>\n",
            escape_html(&topic.slug),
            escape_html(&topic.name)
        )
    };
    match topics {
        [] | [_] => String::new(),
        _ => format!(
            "  <fieldset>\n    <legend>Topics (none ticked: all of them)</legend>\n{}  </fieldset>\n",
            topics.iter().map(tick).collect::<String>()
        ),
    }
}

/// How often it comes, where one can choose.
fn schedule_choice(slug: &str, schedules: &[Schedule]) -> String {
    let offered: Vec<&Schedule> = schedules.iter().filter(|schedule| !schedule.paused).collect();
    if offered.len() < 2 {
        return String::new();
    }
    let choice = |schedule: &&Schedule| {
        format!(
            "    <option value=\"{}\">{}</option>\n",
            escape_html(&schedule.name),
            escape_html(&words::frequency(&schedule.slots))
        )
    };
    format!(
        "  <label for=\"daybreak-{slug}-schedule\">How often</label>\n  \
         <select id=\"daybreak-{slug}-schedule\" name=\"schedule\">\n{}  </select>\n",
        offered.iter().map(choice).collect::<String>()
    )
}
