//! Recovery codes: ten are given with the second factor, shown once and kept as hashes; each stands once for a code of the
//! app, and its owner is told of it by mail.

use super::super::{App, Error};
use super::attempts::{self, CODES};
use super::links::{host, sender};
use super::second_factor::{self, WRONG_CODE, too_many_codes, wrong_code};
use super::{Actor, Problem, hash_of, random};
use crate::db::notices::{self, NewNotice};
use crate::db::users::Account;
use crate::db::{self, Conn, recovery};
use crate::domain::notice::{CodeUsed, Notice, Publication};
use crate::domain::recovery::{RECOVERY_CODES, RecoveryCode};

/// What is kept of a code. The account is part of it: the same code of two accounts is no duplicate.
fn kept(user_id: i64, code: &RecoveryCode) -> String {
    hash_of(&format!("recovery code:{user_id}:{}", code.as_str()))
}

/// Gives an account new codes, in the place of those it had.
pub(super) async fn renew(tx: &mut Conn, user_id: i64) -> Result<Vec<RecoveryCode>, Error> {
    let codes = (0..RECOVERY_CODES).map(|_| Ok(RecoveryCode::new(random()?)));
    let codes = codes.collect::<Result<Vec<_>, Error>>()?;
    let hashes: Vec<String> = codes.iter().map(|code| kept(user_id, code)).collect();
    recovery::replace(tx, user_id, &hashes).await?;
    Ok(codes)
}

/// Makes new codes on request. It takes a code of the app, or a recovery code, as taking the second factor away does: the
/// password alone must not get around it.
///
/// # Errors
/// `Invalid` where there is no second factor.
pub async fn make_recovery_codes(
    app: &App,
    by: &Actor,
    account: &Account,
    code: &str,
) -> Result<Result<Vec<RecoveryCode>, Problem>, Error> {
    const ACTION: &str = "user.make_recovery_codes";
    if account.totp_secret.is_none() {
        return Err(Error::Invalid(
            "Set up a second factor first: recovery codes stand in for its codes".to_owned(),
        ));
    }
    let id = account.user.id;
    if let Some(too_many) = attempts::count(app, CODES, &id.to_string()).await? {
        return Ok(Err(too_many_codes(app, by, ACTION, too_many).await?));
    }
    let mut tx = app.db.begin().await?;
    let Some(proof) = second_factor::take(app, &mut tx, account, code).await? else {
        drop(tx);
        by.refused(app, ACTION, WRONG_CODE).await?;
        return Ok(Err(wrong_code()));
    };
    let codes = renew(&mut tx, id).await?;
    proof.tell(app, &mut tx, by, account).await?;
    by.note(app, &mut tx, ACTION, account.user.email.as_str()).await?;
    db::commit(tx).await?;
    attempts::forget(app, CODES, &id.to_string()).await?;
    Ok(Ok(codes))
}

/// The hash of a code of the account's, which is used up by it; none where it has no such code (any more).
pub(super) async fn take(tx: &mut Conn, account: &Account, typed: &str) -> Result<Option<String>, Error> {
    let Some(code) = RecoveryCode::parse(typed) else { return Ok(None) };
    let hash = kept(account.user.id, &code);
    Ok(recovery::take(tx, account.user.id, &hash).await?.then_some(hash))
}

/// Writes down that a code was used, and queues the mail that tells its owner; returns how many are left.
pub(super) async fn tell(
    app: &App,
    tx: &mut Conn,
    by: &Actor,
    account: &Account,
    hash: &str,
) -> Result<i64, Error> {
    let (email, now) = (&account.user.email, app.clock.now());
    let left = recovery::count(tx, account.user.id).await?;
    by.note(app, tx, "user.recovery_code", &format!("{email}: {left} left")).await?;
    let Some(newsletter) = sender(tx, account).await? else {
        tracing::warn!(
            "nobody is told by mail that a recovery code was used: there is no newsletter to send it from"
        );
        return Ok(left);
    };
    let notice = Notice::RecoveryCode(CodeUsed {
        newsletter: Publication::from(&newsletter),
        service: host(app).to_owned(),
        used_at: now,
        network: by.network.clone(),
        left,
        url: format!("{}/account", app.settings.public_url),
    });
    let new = NewNotice {
        event: &format!("{}:{hash}", notice.name()),
        newsletter_id: newsletter.id,
        email,
        name: &account.user.name,
        content: &notice.to_json(),
        due_at: now,
    };
    notices::queue(tx, &new, now).await?;
    Ok(left)
}
