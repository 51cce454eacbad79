//! The addresses of the pages that mails and pages link to.

use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::token::Token;
use crate::pipeline::App;

/// The page that ends a subscription; also the `List-Unsubscribe` URI (RFC 8058 §3.1).
pub fn unsubscribe(app: &App, subscription_id: i64) -> String {
    format!("{}/unsubscribe/{}", base(app), app.key.sign(&Token::Leave { subscription_id }))
}

/// The page with the button that confirms what `token` names.
pub fn confirm(app: &App, token: &Token) -> String {
    format!("{}/confirm/{}", base(app), app.key.sign(token))
}

/// The page to sign up for one newsletter.
pub fn subscribe(app: &App, slug: &str) -> String {
    format!("{}/subscribe/{slug}", base(app))
}

/// The page on which a person changes what comes; their address has been this one since then, or always.
pub fn preferences(
    app: &App,
    subscriber_id: i64,
    email: &EmailAddress,
    moved_at: Option<Timestamp>,
) -> String {
    format!("{}{}", base(app), preferences_path(app, subscriber_id, email, moved_at))
}

/// The path of [`preferences`].
pub fn preferences_path(
    app: &App,
    subscriber_id: i64,
    email: &EmailAddress,
    moved_at: Option<Timestamp>,
) -> String {
    let mark = Some(app.key.address_mark(email, moved_at));
    format!("/preferences/{}", app.key.sign(&Token::Manage { subscriber_id, mark, expires: None }))
}

/// The page with the button that changes an address as `token` says.
pub fn new_address(app: &App, token: &Token) -> String {
    format!("{}/address/{}", base(app), app.key.sign(token))
}

/// The list of a newsletter's issues that went out.
pub fn archive(app: &App, slug: &str) -> String {
    format!("{}/archive/{slug}", base(app))
}

/// An issue as anybody may read it.
pub fn issue(app: &App, slug: &str, number: i64) -> String {
    format!("{}/archive/{slug}/{number}", base(app))
}

/// A delivery as a page.
pub fn view(app: &App, delivery_id: i64) -> String {
    format!("{}/view/{}", base(app), app.key.sign(&Token::View { delivery_id }))
}

/// Where a delivery's measured links lead before their number, and its picture.
pub fn measured(app: &App, issue_id: i64, delivery_id: i64) -> (String, String) {
    let token = app.key.sign(&Token::Visit { issue_id, delivery_id });
    (format!("{}/c/{token}/", base(app)), format!("{}/o/{token}.gif", base(app)))
}

/// The page of the desk that says what sending an issue will do, with the buttons for it.
pub fn sending(app: &App, issue_id: i64) -> String {
    format!("{}/desk/issues/{issue_id}/send", base(app))
}

fn base(app: &App) -> &str {
    &app.settings.public_url
}
