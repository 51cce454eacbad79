//! Setting up one's second factor, and taking it away.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Serialize;

use super::entrance::Wrong;
use super::recovery;
use crate::db::users::Account;
use crate::pipeline::App;
use crate::pipeline::accounts::{self, Actor, Problem};
use crate::web::auth::{Act, SignedIn};
use crate::web::{Error, desk, said};

const PATH: &str = "/account/second-factor";

#[derive(Serialize)]
struct SecondFactor {
    is_set: bool,
    has_password: bool,
    /// What an app reads with the camera, as the address of an image; empty where it is set already.
    picture: String,
    /// The same for an app on this device.
    uri: String,
    /// The same to be typed: Base32 in groups of four.
    secret: String,
    wrong: Wrong,
}

fn page(
    app: &App,
    by: &SignedIn,
    account: &Account,
    status: StatusCode,
    problems: &[Problem],
) -> Result<Response, Error> {
    let is_set = account.totp_secret.is_some();
    let (mut picture, mut uri, mut grouped) = (String::new(), String::new(), String::new());
    if !is_set {
        let secret = accounts::pending_secret(app, account, &by.session);
        let host = app.settings.public_url.split_once("://").map_or("", |(_, rest)| rest);
        uri = secret.uri(&format!("Daybreak {host}"), account.user.email.as_str());
        picture = qr_code(&uri)?;
        let letters: Vec<char> = secret.to_base32().chars().collect();
        grouped = letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ");
    }
    let has_password = account.password_hash.is_some();
    let wrong = Wrong::new(problems);
    let content = SecondFactor { is_set, has_password, picture, uri, secret: grouped, wrong };
    desk::show(by, status, "/account", "Second factor", "account/second_factor", &content)
}

/// A QR code as an image in its own address: the secret is in no page's path, and in no cache.
fn qr_code(text: &str) -> Result<String, Error> {
    let code = QrCode::new(text).map_err(|error| Error::Page(format!("no QR code: {error}")))?;
    let picture = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(format!("data:image/svg+xml;base64,{}", STANDARD.encode(picture)))
}

/// `GET /account/second-factor`: how to set it up, or that it is.
pub async fn show(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    let account = accounts::find(&mut *app.db.conn().await?, by.user.id).await?;
    page(&app, &by, &account, StatusCode::OK, &[])
}

/// `POST /account/second-factor`: sets it up, where the app shows the right code, and shows its recovery codes.
pub async fn submit(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = accounts::find(&mut *app.db.conn().await?, by.user.id).await?;
    let actor = Actor::new(&by.user, &by.network);
    let (password, code) = (act.form.get("current"), act.form.get("code"));
    match accounts::enrol(&app, &actor, &account, &by.session, password, code).await? {
        Err(problem) => page(&app, by, &account, StatusCode::UNPROCESSABLE_ENTITY, &[problem]),
        Ok(codes) => recovery::given(&app, by, &codes, true),
    }
}

/// `POST /account/second-factor/remove`
pub async fn remove(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    let account = accounts::find(&mut *app.db.conn().await?, by.user.id).await?;
    if account.totp_secret.is_none() {
        return Ok(said::then_say(&app, PATH, "Your account has no second factor."));
    }
    let actor = Actor::new(&by.user, &by.network);
    match accounts::remove_own_second_factor(&app, &actor, &account, act.form.get("code")).await? {
        Some(problem) => page(&app, by, &account, StatusCode::UNPROCESSABLE_ENTITY, &[problem]),
        None => Ok(said::then_say(
            &app,
            "/account",
            "Your second factor is removed: the password alone signs you in.",
        )),
    }
}
