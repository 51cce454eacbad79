//! The second factor: set up with an app, asked for at every sign-in, taken away by oneself or by an admin.

use super::super::{App, Error};
use super::attempts::{self, CODES, TooMany};
use super::{Actor, Problem};
use crate::db::sessions::Session;
use crate::db::users::{self, Account};
use crate::db::{self, sessions};
use crate::domain::totp::TotpSecret;

/// What the audit log says of one.
const WRONG_CODE: &str = "the code was wrong";

/// What a code is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    Right,
    Wrong,
    TooMany(TooMany),
}

/// Whether it is a code of the account's that was not used before; it is used up.
pub(super) async fn check(app: &App, account: &Account, code: &str) -> Result<Code, Error> {
    if let Some(too_many) = attempts::count(app, CODES, &account.user.id.to_string()).await? {
        return Ok(Code::TooMany(too_many));
    }
    let secret = account.totp_secret.as_deref().and_then(TotpSecret::parse);
    let step = secret.and_then(|secret| secret.step_of(code, app.clock.now(), account.totp_step));
    let Some(step) = step else { return Ok(Code::Wrong) };
    let is_first = users::take_totp_step(&mut *app.db.conn().await?, account.user.id, step).await?;
    Ok(if is_first { Code::Right } else { Code::Wrong })
}

/// The secret that this session would set up: the same each time the page is shown, with nothing kept until a code
/// has proved that the app has it, and another one after every code that was taken.
pub fn pending_secret(app: &App, account: &Account, session: &Session) -> TotpSecret {
    let (id, step) = (account.user.id, account.totp_step);
    TotpSecret::new(&app.key.derive(&format!("second factor:{id}:{step}:{}", session.hash)))
}

/// Sets the second factor up, where `code` is one of the pending secret's. Other sessions end: they were made without.
pub async fn enrol(
    app: &App,
    by: &Actor,
    account: &Account,
    session: &Session,
    code: &str,
) -> Result<Option<Problem>, Error> {
    let id = account.user.id;
    if account.totp_secret.is_some() {
        return Err(Error::Invalid("Your account has a second factor already".to_owned()));
    }
    if let Some(too_many) = attempts::count(app, CODES, &id.to_string()).await? {
        return Ok(Some(too_many_codes(app, by, "user.second_factor", too_many).await?));
    }
    let secret = pending_secret(app, account, session);
    let Some(step) = secret.step_of(code, app.clock.now(), account.totp_step) else {
        by.refused(app, "user.second_factor", WRONG_CODE).await?;
        return Ok(Some(Problem::new(
            "code",
            "This is not the code that the app shows now: wait for the next one, and check the clock of your phone.",
        )));
    };
    let mut tx = app.db.begin().await?;
    if !users::take_totp_step(&mut tx, id, step).await? {
        return Ok(Some(used_already()));
    }
    users::set_totp(&mut tx, id, Some(&secret.to_base32())).await?;
    sessions::end_all_but(&mut tx, id, &session.hash).await?;
    by.note(app, &mut tx, "user.second_factor", account.user.email.as_str()).await?;
    db::commit(tx).await?;
    attempts::forget(app, CODES, &id.to_string()).await?;
    Ok(None)
}

/// Takes one's own second factor away: it takes a code of it.
pub async fn remove_own_second_factor(
    app: &App,
    by: &Actor,
    account: &Account,
    code: &str,
) -> Result<Option<Problem>, Error> {
    match check(app, account, code).await? {
        Code::Right => {}
        Code::Wrong => {
            by.refused(app, "user.remove_second_factor", WRONG_CODE).await?;
            let says = "This is not the code that your app shows now, or it was used already: wait for the next one.";
            return Ok(Some(Problem::new("code", says)));
        }
        Code::TooMany(too_many) => {
            return Ok(Some(too_many_codes(app, by, "user.remove_second_factor", too_many).await?));
        }
    }
    let mut tx = app.db.begin().await?;
    users::set_totp(&mut tx, account.user.id, None).await?;
    by.note(app, &mut tx, "user.remove_second_factor", account.user.email.as_str()).await?;
    db::commit(tx).await?;
    attempts::forget(app, CODES, &account.user.id.to_string()).await?;
    Ok(None)
}

fn used_already() -> Problem {
    Problem::new("code", "This code was used already: wait for the next one.")
}

async fn too_many_codes(app: &App, by: &Actor, action: &str, too_many: TooMany) -> Result<Problem, Error> {
    if too_many.is_first {
        by.refused(app, action, "too many codes").await?;
    }
    let minutes = too_many.minutes;
    Ok(Problem::new("code", format!("Too many codes were wrong: try again in {minutes} minutes.")))
}
