//! One-time links: mailed to sign in, given to whoever is new, printed for the first admin.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::{App, Error};
use super::attempts::{self, MAILED, MAILED_A_DAY, MAILED_FROM_NETWORK};
use super::sign_in::{Entrance, enter};
use super::{Actor, From, Problem, clean_name, hash_of, is_same, new_password, secret};
use crate::db::notices::NewNotice;
use crate::db::sessions::{self, LinkKind};
use crate::db::users::{self, Account};
use crate::db::{self, Conn};
use crate::domain::address::EmailAddress;
use crate::domain::newsletter::Newsletter;
use crate::domain::notice::{Access, Notice, Publication};
use crate::domain::user::Role;

/// How long a mailed link signs in.
pub const LINK_MINUTES: i64 = 15;

/// How long an invitation can be taken.
pub const INVITATION_DAYS: i64 = 7;

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

fn sign_in_url(app: &App, secret: &str) -> String {
    format!("{}/sign-in/link/{secret}", app.settings.public_url)
}

/// Whether a mailed link may lead on to this page: whoever asks for the mail is anybody, and a path of ours with nothing
/// but an address in it tells its reader nothing else.
fn is_mailable(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    let is_place = ["/desk/", "/office/", "/account"].iter().any(|place| path.starts_with(place));
    is_place && path.len() <= 100 && path.bytes().all(is_plain)
}

fn welcome_url(app: &App, secret: &str) -> String {
    format!("{}/welcome/{secret}", app.settings.public_url)
}

/// A link that signs in once, for so long.
pub async fn sign_in_link(app: &App, user_id: i64, millis: i64) -> Result<String, Error> {
    let secret = secret()?;
    let expires = app.clock.now().plus_millis(millis);
    let mut conn = app.db.conn().await?;
    sessions::insert_link(&mut conn, &hash_of(&secret), user_id, LinkKind::SignIn, expires).await?;
    Ok(sign_in_url(app, &secret))
}

/// A link by which somebody chooses their name and password; those they had before stop working.
pub(super) async fn welcome_link(app: &App, tx: &mut Conn, user_id: i64) -> Result<String, Error> {
    let secret = secret()?;
    let expires = app.clock.now().plus_millis(INVITATION_DAYS * DAY);
    sessions::remove_links(tx, user_id).await?;
    sessions::insert_link(tx, &hash_of(&secret), user_id, LinkKind::Welcome, expires).await?;
    Ok(welcome_url(app, &secret))
}

/// Mails a link that signs in, where the address has an account: at most one in five minutes, and ten a day. What it did
/// is not said. `back` is the page that it leads on to, where that is one of the desk's.
pub async fn mail_link(app: &App, email: &EmailAddress, back: &str, from: From<'_>) -> Result<(), Error> {
    let by = Actor::who_typed(app, Some(email), from.network).await?;
    let mut too_many = attempts::count_network(app, MAILED_FROM_NETWORK, from.network).await?;
    // What one limit refuses, the next does not count.
    for limit in [MAILED, MAILED_A_DAY] {
        if too_many.is_none() {
            too_many = attempts::count(app, limit, email.as_str()).await?;
        }
    }
    if let Some(too_many) = too_many {
        if too_many.is_first {
            by.refused(app, "user.mail_link", "too many tries").await?;
        }
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    let account = users::by_email(&mut tx, email).await?.filter(|account| !account.is_disabled);
    let Some(account) = account else {
        drop(tx);
        return by.refused(app, "user.mail_link", "there is no account that may sign in").await;
    };
    let secret = secret()?;
    let (hash, expires) = (hash_of(&secret), app.clock.now().plus_millis(LINK_MINUTES * MINUTE));
    sessions::remove_ended(&mut tx, account.user.id, app.clock.now()).await?;
    sessions::insert_link(&mut tx, &hash, account.user.id, LinkKind::SignIn, expires).await?;
    let mut url = sign_in_url(app, &secret);
    if is_mailable(back) {
        url.push_str(&format!("?back={back}"));
    }
    if !queue(app, &mut tx, &account, &hash, &url, Notice::SignIn).await? {
        tracing::warn!(
            "a link to sign in cannot be mailed: there is no newsletter yet whose address it comes from"
        );
    }
    by.note(app, &mut tx, "user.mail_link", email.as_str()).await?;
    Ok(db::commit(tx).await?)
}

/// Mails an invitation, and returns whether there is a newsletter that it can come from.
pub(super) async fn mail_invitation(
    app: &App,
    tx: &mut Conn,
    account: &Account,
    url: &str,
) -> Result<bool, Error> {
    queue(app, tx, account, &hash_of(url), url, Notice::Invitation).await
}

/// Queues a mail with a link, once for `hash`.
async fn queue(
    app: &App,
    tx: &mut Conn,
    account: &Account,
    hash: &str,
    url: &str,
    notice: fn(Access) -> Notice,
) -> Result<bool, Error> {
    let Some(newsletter) = sender(tx, account).await? else { return Ok(false) };
    let notice = notice(Access {
        newsletter: Publication::from(&newsletter),
        service: host(app).to_owned(),
        url: url.to_owned(),
        minutes: LINK_MINUTES,
        days: INVITATION_DAYS,
    });
    let new = NewNotice {
        event: &format!("{}:{hash}", notice.name()),
        newsletter_id: newsletter.id,
        email: &account.user.email,
        name: &account.user.name,
        content: &notice.to_json(),
        due_at: app.clock.now(),
    };
    Ok(db::notices::queue(tx, &new, app.clock.now()).await?)
}

/// The host that the desk is at, as mails name it.
pub(super) fn host(app: &App) -> &str {
    app.settings.public_url.split_once("://").map_or("", |(_, rest)| rest)
}

/// The newsletter whose address a mail to somebody comes from: one of theirs, or the first.
pub(super) async fn sender(conn: &mut Conn, account: &Account) -> Result<Option<Newsletter>, Error> {
    let all = db::newsletters::list(conn).await?;
    let theirs = all.iter().find(|newsletter| account.user.may(Role::Viewer, newsletter.id));
    Ok(theirs.or(all.first()).cloned())
}

/// Whether a mailed link still works. It is left as it is: link scanners follow links.
pub async fn peek_link(app: &App, secret: &str) -> Result<bool, Error> {
    let (now, mut conn) = (app.clock.now(), app.db.conn().await?);
    Ok(sessions::find_link(&mut conn, &hash_of(secret), LinkKind::SignIn, now).await?.is_some())
}

/// Signs in by a mailed link, which is used up by it.
pub async fn sign_in_by_link(app: &App, secret: &str, from: From<'_>) -> Result<Entrance, Error> {
    let hash = hash_of(secret);
    let mut tx = app.db.begin().await?;
    let found = sessions::find_link(&mut tx, &hash, LinkKind::SignIn, app.clock.now()).await?;
    let Some(account) = found else { return Ok(Entrance::Expired) };
    if !sessions::use_link(&mut tx, &hash).await? {
        return Ok(Entrance::Expired);
    }
    let entrance = enter(app, &mut tx, &account, "with a one-time link", from).await?;
    db::commit(tx).await?;
    Ok(entrance)
}

/// The secret of the first admin's link: worked out from the service's key, so that every node and every restart
/// prints the same, and it works for as long as there is no account.
fn first_secret(app: &App) -> String {
    URL_SAFE_NO_PAD.encode(app.key.derive("first admin"))
}

/// The link that makes the first admin; none where there is an account already.
pub async fn first_admin_link(app: &App) -> Result<Option<String>, Error> {
    match users::is_any(&mut *app.db.conn().await?).await? {
        true => Ok(None),
        false => Ok(Some(welcome_url(app, &first_secret(app)))),
    }
}

/// Who is welcomed by a link.
#[derive(Clone, Debug)]
pub enum Welcome {
    /// Whoever has it becomes the first admin.
    FirstAdmin,
    /// Somebody who was invited, or needs a new password.
    User(Box<Account>),
}

/// Whom a welcoming link is for; none where it does not work (any more).
pub async fn peek_welcome(app: &App, secret: &str) -> Result<Option<Welcome>, Error> {
    let mut conn = app.db.conn().await?;
    if is_same(secret, &first_secret(app)) {
        return Ok((!users::is_any(&mut conn).await?).then_some(Welcome::FirstAdmin));
    }
    let found = sessions::find_link(&mut conn, &hash_of(secret), LinkKind::Welcome, app.clock.now()).await?;
    Ok(found.map(|account| Welcome::User(Box::new(account))))
}

/// What somebody who is welcomed has typed.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'f> {
    /// Asked of the first admin alone.
    pub email: &'f str,
    pub name: &'f str,
    pub password: &'f str,
}

/// Takes a welcoming link: sets name and password, and signs in. What is wrong with the form uses nothing up.
pub async fn accept(
    app: &App,
    secret: &str,
    typed: NewAccount<'_>,
    from: From<'_>,
) -> Result<Result<Entrance, Vec<Problem>>, Error> {
    let Some(welcome) = peek_welcome(app, secret).await? else { return Ok(Ok(Entrance::Expired)) };
    let mut problems = vec![];
    let email = match &welcome {
        Welcome::User(account) => Some(account.user.email.clone()),
        Welcome::FirstAdmin => EmailAddress::parse(typed.email)
            .map_err(|says| problems.push(Problem::new("email", upper(&says))))
            .ok(),
    };
    let name = clean_name(typed.name).map_err(|problem| problems.push(problem)).ok();
    let known = match &welcome {
        Welcome::User(account) => Some(account.as_ref()),
        Welcome::FirstAdmin => None,
    };
    let hash = new_password(app, email.as_ref(), typed.name, known, typed.password).await?;
    let hash = hash.map_err(|problem| problems.push(problem)).ok();
    let (Some(email), Some(name), Some(hash)) = (email, name, hash) else { return Ok(Err(problems)) };
    let mut tx = app.db.begin().await?;
    let id = match welcome {
        Welcome::FirstAdmin => {
            users::lock(&mut tx).await?;
            if users::is_any(&mut tx).await? {
                return Ok(Ok(Entrance::Expired));
            }
            users::insert(&mut tx, &email, &name, Some(Role::Admin), app.clock.now()).await?
        }
        Welcome::User(account) => {
            if !sessions::use_link(&mut tx, &hash_of(secret)).await? {
                return Ok(Ok(Entrance::Expired));
            }
            users::set_name(&mut tx, account.user.id, &name).await?;
            account.user.id
        }
    };
    users::set_password(&mut tx, id, &hash).await?;
    sessions::end_all_but(&mut tx, id, "").await?;
    sessions::remove_links(&mut tx, id).await?;
    let account =
        users::find(&mut tx, id).await?.ok_or_else(|| Error::NotFound("the account is gone".into()))?;
    Actor::new(&account.user, from.network).note(app, &mut tx, "user.welcome", email.as_str()).await?;
    let entrance = enter(app, &mut tx, &account, "with a welcoming link", from).await?;
    db::commit(tx).await?;
    Ok(Ok(entrance))
}

/// A parser's words as a sentence of their own.
fn upper(says: &str) -> String {
    let mut characters = says.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
