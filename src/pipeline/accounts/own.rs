//! What people change about their own account.

use super::super::{App, Error};
use super::attempts::{self, PASSWORDS};
use super::{Actor, Problem, clean_name, is_password, new_password};
use crate::db::sessions::Session;
use crate::db::users::{self, Account};
use crate::db::{self, sessions};

/// How long after signing in an account without a password may be given one, or a second factor: whoever finds a browser
/// that was left open is not to take the account over.
pub(super) const FRESH: i64 = 15 * 60 * 1000;

/// Changes the name; empty: they go by their address.
pub async fn change_name(
    app: &App,
    by: &Actor,
    account: &Account,
    name: &str,
) -> Result<Option<Problem>, Error> {
    let name = match clean_name(name) {
        Ok(name) => name,
        Err(problem) => return Ok(Some(problem)),
    };
    let mut tx = app.db.begin().await?;
    users::set_name(&mut tx, account.user.id, &name).await?;
    by.note(app, &mut tx, "user.name", account.user.email.as_str()).await?;
    db::commit(tx).await?;
    Ok(None)
}

/// Changes the password, which ends every other session and takes back the links that were mailed.
pub async fn change_password(
    app: &App,
    by: &Actor,
    account: &Account,
    session: &Session,
    current: &str,
    password: &str,
) -> Result<Option<Problem>, Error> {
    let id = account.user.id;
    if account.password_hash.is_some() {
        if let Some(problem) = prove_password(app, by, account, "user.password", current).await? {
            return Ok(Some(problem));
        }
    } else if session.created_at.plus_millis(FRESH) < app.clock.now() {
        let says = "You have signed in too long ago for this: sign out, sign in by a mailed link, and set the \
                    password within 15 minutes.";
        return Ok(Some(Problem::new("password", says)));
    }
    let user = &account.user;
    let hash = match new_password(app, Some(&user.email), &user.name, Some(account), password).await? {
        Ok(hash) => hash,
        Err(problem) => return Ok(Some(problem)),
    };
    let mut tx = app.db.begin().await?;
    users::set_password(&mut tx, id, &hash).await?;
    sessions::end_all_but(&mut tx, id, &session.hash).await?;
    sessions::remove_links(&mut tx, id).await?;
    by.note(app, &mut tx, "user.password", account.user.email.as_str()).await?;
    db::commit(tx).await?;
    Ok(None)
}

/// What is wrong with the password that somebody who is signed in was asked for again, for `action`; none where it is
/// theirs.
pub(super) async fn prove_password(
    app: &App,
    by: &Actor,
    account: &Account,
    action: &str,
    typed: &str,
) -> Result<Option<Problem>, Error> {
    let mine = format!("user {}", account.user.id);
    if let Some(too_many) = attempts::count(app, PASSWORDS, &mine).await? {
        if too_many.is_first {
            by.refused(app, action, "too many tries").await?;
        }
        return Ok(Some(Problem::new(
            "current",
            format!("Too many tries: try again in {}.", too_many.in_words()),
        )));
    }
    if !is_password(Some(account), typed).await? {
        by.refused(app, action, "the password before was wrong").await?;
        let says = "This is not your password now: type it as you sign in with it.";
        return Ok(Some(Problem::new("current", says)));
    }
    attempts::forget(app, PASSWORDS, &mine).await?;
    Ok(None)
}
