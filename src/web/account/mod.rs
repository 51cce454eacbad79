//! Signing in, and one's own account: name, password, second factor, sessions.

mod browser;
mod entrance;
mod link;
mod own;
mod recovery;
mod second_factor;
mod sign_in;
mod welcome;

use axum::Router;
use axum::routing::{get, post};

pub use self::browser::Browser;
pub use self::entrance::is_own_page;
use crate::pipeline::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-in/code", get(sign_in::show_code).post(sign_in::submit_code))
        .route("/sign-in/recovery", get(sign_in::show_recovery).post(sign_in::submit_recovery))
        .route("/sign-in/mail", post(link::mail))
        .route("/sign-in/link/{secret}", get(link::show).post(link::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/welcome/{secret}", get(welcome::show).post(welcome::submit))
        .route("/account", get(own::show))
        .route("/account/name", post(own::change_name))
        .route("/account/password", post(own::change_password))
        .route("/account/sessions", post(own::end_others))
        .route("/account/sessions/end", post(own::end_one))
        .route("/account/second-factor", get(second_factor::show).post(second_factor::submit))
        .route("/account/second-factor/remove", post(second_factor::remove))
        .route("/account/recovery-codes", get(recovery::show).post(recovery::submit))
}
