//! What readers find besides signing up: their preferences, their data, the archive, the feed.
//!
//! Preferences are reached by the link in every mail, whose token is all that a reader shows: whoever has it may do what
//! its owner may. No page sets a cookie.

mod address;
mod archive;
mod data;
mod embed;
mod feed;
mod leave;
mod newsletter;
pub mod preferences;

use axum::Router;
use axum::routing::{get, post};

use crate::pipeline::App;

pub fn routes() -> Router<App> {
    let of_one = Router::new()
        .route("/", get(newsletter::show).post(newsletter::submit))
        .route("/pause", get(newsletter::show_pause).post(newsletter::pause))
        .route("/resume", post(newsletter::resume))
        .route("/leave", get(leave::show).post(leave::submit))
        .route("/undo", post(leave::undo));
    Router::new()
        .route("/preferences/{token}", get(preferences::show))
        .route("/preferences/{token}/about", get(preferences::show_about).post(preferences::about))
        .route("/preferences/{token}/measuring", post(preferences::measuring))
        .nest("/preferences/{token}/newsletters/{slug}", of_one)
        .route("/preferences/{token}/address", get(address::show).post(address::ask))
        .route("/preferences/{token}/leave", get(leave::show).post(leave::submit))
        .route("/preferences/{token}/undo", post(leave::undo))
        .route("/preferences/{token}/data", get(data::file))
        .route("/preferences/{token}/erase", get(data::show_erase).post(data::erase))
        .route("/address/{token}", get(address::show_confirm).post(address::confirm))
        .route("/subscribe/{slug}/embed", get(embed::show))
        .route("/archive/{slug}", get(archive::list))
        .route("/archive/{slug}/{number}", get(archive::issue))
        .route("/archive/{slug}/feed.atom", get(feed::atom))
}
