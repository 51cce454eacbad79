//! What admins do with accounts.

use super::super::{App, Error};
use super::{Actor, clean_name, links, new_password};
use crate::db::users::{self, Account};
use crate::db::{self, Conn, sessions};
use crate::domain::address::EmailAddress;
use crate::domain::user::Role;

/// What somebody may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// For every newsletter.
    pub everywhere: Option<Role>,
    /// For some, by the newsletter's id.
    pub newsletters: Vec<(i64, Role)>,
}

/// Somebody to invite.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: EmailAddress,
    /// May be empty: they choose it themselves.
    pub name: String,
    pub roles: Roles,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    pub user_id: i64,
    /// The link to choose a name and a password with, once.
    pub url: String,
    /// A mail with it is on its way; not so where it was not asked for, or there is no newsletter that it could come
    /// from.
    pub is_mailed: bool,
}

/// Adds an account that may do so much everywhere.
///
/// # Errors
/// `Invalid` where the address has one.
pub async fn add(app: &App, email: &EmailAddress, name: &str, role: Option<Role>) -> Result<i64, Error> {
    insert(app, &mut *app.db.conn().await?, email, name, role).await
}

async fn insert(
    app: &App,
    conn: &mut Conn,
    email: &EmailAddress,
    name: &str,
    role: Option<Role>,
) -> Result<i64, Error> {
    users::insert(conn, email, name, role, app.clock.now()).await.map_err(|error| {
        match error.is_duplicate() {
            true => Error::Invalid(format!("the address {email} has an account already")),
            false => error.into(),
        }
    })
}

/// The account with this id.
///
/// # Errors
/// `NotFound`
pub async fn find(conn: &mut Conn, id: i64) -> Result<Account, Error> {
    users::find(conn, id).await?.ok_or_else(|| Error::NotFound(format!("there is no account {id}")))
}

/// The account of this address.
///
/// # Errors
/// `NotFound`
pub async fn find_by_email(conn: &mut Conn, email: &EmailAddress) -> Result<Account, Error> {
    let found = users::by_email(conn, email).await?;
    found.ok_or_else(|| {
        Error::NotFound(format!("{email} has no account: `daybreak user list` shows those there are"))
    })
}

/// Adds an account, and makes the link that invites its owner; it is mailed where `mails` says so.
///
/// # Errors
/// `Invalid` where the address has an account, or no role was chosen.
pub async fn invite(app: &App, by: &Actor, new: &NewUser, mails: bool) -> Result<Invited, Error> {
    if new.roles == Roles::default() {
        return Err(Error::Invalid("Choose what they may do: for all newsletters, or for some".to_owned()));
    }
    let name = clean_name(&new.name).map_err(|problem| Error::Invalid(problem.says))?;
    let mut tx = app.db.begin().await?;
    let id = insert(app, &mut tx, &new.email, &name, new.roles.everywhere).await?;
    for (newsletter_id, role) in &new.roles.newsletters {
        users::set_newsletter_role(&mut tx, id, *newsletter_id, Some(*role)).await?;
    }
    let what = format!("{} as {}", new.email, in_words(&mut tx, &new.roles).await?);
    by.note(app, &mut tx, "user.add", &what).await?;
    let invited = link(app, &mut tx, id, mails).await?;
    db::commit(tx).await?;
    Ok(invited)
}

/// A new link for somebody who lost theirs, or forgot their password. The one before stops working.
///
/// # Errors
/// `Invalid` where the account is disabled.
pub async fn invite_again(app: &App, by: &Actor, id: i64, mails: bool) -> Result<Invited, Error> {
    let mut tx = app.db.begin().await?;
    let account = find(&mut tx, id).await?;
    if account.is_disabled {
        return Err(Error::Invalid(format!("{} is disabled: enable the account first", account.user.email)));
    }
    by.note(app, &mut tx, "user.invite", account.user.email.as_str()).await?;
    let invited = link(app, &mut tx, id, mails).await?;
    db::commit(tx).await?;
    Ok(invited)
}

async fn link(app: &App, tx: &mut Conn, user_id: i64, mails: bool) -> Result<Invited, Error> {
    let url = links::welcome_link(app, tx, user_id).await?;
    let account = find(tx, user_id).await?;
    let is_mailed = mails && links::mail_invitation(app, tx, &account, &url).await?;
    Ok(Invited { user_id, url, is_mailed })
}

/// Roles for the audit log: `editor, admin of morning`.
async fn in_words(conn: &mut Conn, roles: &Roles) -> Result<String, Error> {
    let mut words: Vec<String> = roles.everywhere.iter().map(|role| role.as_str().to_owned()).collect();
    for newsletter in db::newsletters::list(conn).await? {
        if let Some((_, role)) = roles.newsletters.iter().find(|(id, _)| *id == newsletter.id) {
            words.push(format!("{} of {}", role.as_str(), newsletter.slug));
        }
    }
    Ok(if words.is_empty() { "nothing".to_owned() } else { words.join(", ") })
}

/// Changes what somebody may.
///
/// # Errors
/// `Invalid` where nobody would be left to manage accounts, or it takes one's own role of admin away.
pub async fn set_roles(app: &App, by: &Actor, id: i64, roles: &Roles) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    users::lock(&mut tx).await?;
    let account = find(&mut tx, id).await?;
    if account.user.role == Some(Role::Admin) && roles.everywhere != Some(Role::Admin) {
        may_lose_admin(&mut tx, by, &account).await?;
    }
    users::set_role(&mut tx, id, roles.everywhere).await?;
    let before = account.user.newsletters.iter().map(|(newsletter_id, _)| *newsletter_id);
    for newsletter_id in before.filter(|id| roles.newsletters.iter().all(|(kept, _)| kept != id)) {
        users::set_newsletter_role(&mut tx, id, newsletter_id, None).await?;
    }
    for (newsletter_id, role) in &roles.newsletters {
        users::set_newsletter_role(&mut tx, id, *newsletter_id, Some(*role)).await?;
    }
    let what = format!("{}: {}", account.user.email, in_words(&mut tx, roles).await?);
    by.note(app, &mut tx, "user.role", &what).await?;
    Ok(db::commit(tx).await?)
}

/// Succeeds where an admin can be done without, and is somebody else.
async fn may_lose_admin(tx: &mut Conn, by: &Actor, account: &Account) -> Result<(), Error> {
    if by.is(account.user.id) {
        return Err(Error::Invalid(
            "You cannot take your own role of admin away: ask another admin to do it".to_owned(),
        ));
    }
    if account.is_disabled || users::is_other_admin(tx, account.user.id).await? {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{} is the only admin: make somebody else an admin first, or nobody could manage accounts",
        account.user.email
    )))
}

/// Lets somebody in no more, and ends all of their sessions.
///
/// # Errors
/// `Invalid` where it is the only admin, or oneself.
pub async fn disable(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    users::lock(&mut tx).await?;
    let account = find(&mut tx, id).await?;
    if by.is(id) {
        return Err(Error::Invalid("You cannot disable your own account: ask another admin".to_owned()));
    }
    if account.user.role == Some(Role::Admin) {
        may_lose_admin(&mut tx, by, &account).await?;
    }
    users::set_disabled(&mut tx, id, true).await?;
    sessions::end_all_but(&mut tx, id, "").await?;
    sessions::remove_links(&mut tx, id).await?;
    by.note(app, &mut tx, "user.disable", account.user.email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Removes an account: its sessions and links end, and its address may be given another. What they did stays in the audit
/// log, under the address as it was.
///
/// # Errors
/// `Invalid` where it is the only admin, or oneself.
pub async fn remove(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    users::lock(&mut tx).await?;
    let account = find(&mut tx, id).await?;
    if by.is(id) {
        return Err(Error::Invalid("You cannot remove your own account: ask another admin".to_owned()));
    }
    if account.user.role == Some(Role::Admin) {
        may_lose_admin(&mut tx, by, &account).await?;
    }
    users::remove(&mut tx, id).await?;
    by.note(app, &mut tx, "user.remove", account.user.email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Lets somebody in again, with the password that they had.
pub async fn enable(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let account = find(&mut tx, id).await?;
    users::set_disabled(&mut tx, id, false).await?;
    by.note(app, &mut tx, "user.enable", account.user.email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Takes somebody's second factor away: they have lost their phone.
pub async fn remove_second_factor(app: &App, by: &Actor, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let account = find(&mut tx, id).await?;
    users::set_totp(&mut tx, id, None).await?;
    by.note(app, &mut tx, "user.remove_second_factor", account.user.email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Sets somebody's password, which ends all of their sessions.
///
/// # Errors
/// `Invalid` where it is too short or too long, or easily guessed.
pub async fn set_password(app: &App, by: &Actor, id: i64, password: &str) -> Result<(), Error> {
    let account = find(&mut *app.db.conn().await?, id).await?;
    let user = &account.user;
    let hash = new_password(app, Some(&user.email), &user.name, None, password).await?;
    let hash = hash.map_err(|problem| Error::Invalid(problem.says.trim_end_matches('.').to_owned()))?;
    let mut tx = app.db.begin().await?;
    users::set_password(&mut tx, id, &hash).await?;
    sessions::end_all_but(&mut tx, id, "").await?;
    sessions::remove_links(&mut tx, id).await?;
    by.note(app, &mut tx, "user.password", account.user.email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Ends every session of an account, and returns how many.
pub async fn end_all_sessions(app: &App, by: &Actor, id: i64) -> Result<u64, Error> {
    let mut tx = app.db.begin().await?;
    let account = find(&mut tx, id).await?;
    let ended = sessions::end_all_but(&mut tx, id, "").await?;
    by.note(app, &mut tx, "user.end_session", &format!("{}: all ({ended})", account.user.email)).await?;
    db::commit(tx).await?;
    Ok(ended)
}
