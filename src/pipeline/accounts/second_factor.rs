//! The second factor: set up with an app, asked for at every sign-in, taken away by oneself or by an admin.

use super::super::{App, Error};
use super::attempts::{self, CODES, TooMany};
use super::own::{FRESH, prove_password};
use super::{Actor, Problem, recovery};
use crate::db::sessions::Session;
use crate::db::users::{self, Account};
use crate::db::{self, Conn, sessions};
use crate::domain::recovery::RecoveryCode;
use crate::domain::totp::TotpSecret;

/// What the audit log says of one.
pub(super) const WRONG_CODE: &str = "the code was wrong";

/// What somebody has shown, and used up by it.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// A code of the app.
    Code,
    /// A recovery code, of this hash.
    RecoveryCode(String),
}

impl Proof {
    /// For the audit log.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Code => "a code",
            Self::RecoveryCode(_) => "a recovery code",
        }
    }

    /// Tells the account's owner of a recovery code; how many are left, where it was one.
    pub(super) async fn tell(
        &self,
        app: &App,
        tx: &mut Conn,
        by: &Actor,
        account: &Account,
    ) -> Result<Option<i64>, Error> {
        match self {
            Self::Code => Ok(None),
            Self::RecoveryCode(hash) => recovery::tell(app, tx, by, account, hash).await.map(Some),
        }
    }
}

/// Uses up a code of the account's app, or one of its recovery codes; none where it is neither, or was used before. Tries
/// are counted before the transaction begins.
pub(super) async fn take(
    app: &App,
    tx: &mut Conn,
    account: &Account,
    code: &str,
) -> Result<Option<Proof>, Error> {
    let Some(secret) = account.totp_secret.as_deref().and_then(TotpSecret::parse) else { return Ok(None) };
    if let Some(step) = secret.step_of(code, app.clock.now(), account.totp_step) {
        let is_first = users::take_totp_step(tx, account.user.id, step).await?;
        return Ok(is_first.then_some(Proof::Code));
    }
    Ok(recovery::take(tx, account, code).await?.map(Proof::RecoveryCode))
}

/// The secret that this session would set up: the same each time the page is shown, with nothing kept until a code
/// has proved that the app has it, and another one after every code that was taken and every second factor that was
/// removed.
pub fn pending_secret(app: &App, account: &Account, session: &Session) -> TotpSecret {
    let (id, step) = (account.user.id, account.totp_step);
    TotpSecret::new(&app.key.derive(&format!("second factor:{id}:{step}:{}", session.hash)))
}

/// Sets the second factor up, where `code` is one of the pending secret's, and gives it recovery codes. Other sessions
/// end: they were made without. It takes the `password`, where the account has one: whoever finds a browser that was left
/// open is not to lock its owner out.
pub async fn enrol(
    app: &App,
    by: &Actor,
    account: &Account,
    session: &Session,
    password: &str,
    code: &str,
) -> Result<Result<Vec<RecoveryCode>, Problem>, Error> {
    let id = account.user.id;
    if account.totp_secret.is_some() {
        return Err(Error::Invalid("Your account has a second factor already".to_owned()));
    }
    if account.password_hash.is_some() {
        if let Some(problem) = prove_password(app, by, account, "user.second_factor", password).await? {
            return Ok(Err(problem));
        }
    } else if session.created_at.plus_millis(FRESH) < app.clock.now() {
        let says = "You have signed in too long ago for this: sign out, sign in by a mailed link, and set the second \
                    factor up within 15 minutes.";
        return Ok(Err(Problem::new("code", says)));
    }
    if let Some(too_many) = attempts::count(app, CODES, &id.to_string()).await? {
        return Ok(Err(too_many_codes(app, by, "user.second_factor", too_many).await?));
    }
    let secret = pending_secret(app, account, session);
    let Some(step) = secret.step_of(code, app.clock.now(), account.totp_step) else {
        by.refused(app, "user.second_factor", WRONG_CODE).await?;
        return Ok(Err(Problem::new(
            "code",
            "This is not the code that the app shows now: wait for the next one, and check the clock of your phone.",
        )));
    };
    let mut tx = app.db.begin().await?;
    if !users::take_totp_step(&mut tx, id, step).await? {
        return Ok(Err(used_already()));
    }
    users::set_totp(&mut tx, id, Some(&secret.to_base32())).await?;
    let codes = recovery::renew(&mut tx, id).await?;
    sessions::end_all_but(&mut tx, id, &session.hash).await?;
    by.note(app, &mut tx, "user.second_factor", account.user.email.as_str()).await?;
    db::commit(tx).await?;
    attempts::forget(app, CODES, &id.to_string()).await?;
    Ok(Ok(codes))
}

/// Takes one's own second factor away: it takes a code of it, or a recovery code.
pub async fn remove_own_second_factor(
    app: &App,
    by: &Actor,
    account: &Account,
    code: &str,
) -> Result<Option<Problem>, Error> {
    let id = account.user.id;
    if let Some(too_many) = attempts::count(app, CODES, &id.to_string()).await? {
        return Ok(Some(too_many_codes(app, by, "user.remove_second_factor", too_many).await?));
    }
    let mut tx = app.db.begin().await?;
    let Some(proof) = take(app, &mut tx, account, code).await? else {
        drop(tx);
        by.refused(app, "user.remove_second_factor", WRONG_CODE).await?;
        return Ok(Some(wrong_code()));
    };
    users::set_totp(&mut tx, id, None).await?;
    proof.tell(app, &mut tx, by, account).await?;
    by.note(app, &mut tx, "user.remove_second_factor", account.user.email.as_str()).await?;
    db::commit(tx).await?;
    attempts::forget(app, CODES, &id.to_string()).await?;
    Ok(None)
}

pub(super) fn wrong_code() -> Problem {
    Problem::new(
        "code",
        "This is neither the code that your app shows now nor a recovery code of yours, or it was used already.",
    )
}

fn used_already() -> Problem {
    Problem::new("code", "This code was used already: wait for the next one.")
}

pub(super) async fn too_many_codes(
    app: &App,
    by: &Actor,
    action: &str,
    too_many: TooMany,
) -> Result<Problem, Error> {
    if too_many.is_first {
        by.refused(app, action, "too many codes").await?;
    }
    Ok(Problem::new("code", format!("Too many codes were wrong: try again in {}.", too_many.in_words())))
}
