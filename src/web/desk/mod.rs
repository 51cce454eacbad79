//! The editors' desk: today, what came in, the issues and their sending, the calendar, sources, templates.

mod calendar;
mod ended;
mod frame;
mod inbox;
mod inbox_add;
mod inbox_picture;
mod issue;
mod issue_editor;
mod issue_form;
mod issue_page;
mod issue_reading;
mod issues;
mod opened;
mod paging;
mod sending;
mod sources;
mod starting;
mod template_help;
mod templates;
mod today;
pub(super) mod words;

use axum::Router;

pub use self::frame::show;
use crate::pipeline::App;

/// The pages of the desk.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(today::routes())
        .merge(inbox::routes())
        .merge(issues::routes())
        .merge(issue::routes())
        .merge(calendar::routes())
        .merge(sending::routes())
        .merge(sources::routes())
        .merge(templates::routes())
}
