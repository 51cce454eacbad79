//! Signing in: by password, and then by a code where there is a second factor.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::{App, Error};
use super::attempts::{self, CODES, FROM_NETWORK, PASSWORDS, TooMany};
use super::second_factor;
use super::{Actor, From, is_password, is_same, sessions};
use crate::db::users::{self, Account};
use crate::db::{self, Conn};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;

/// How long there is for the code after the password.
pub const TICKET_MINUTES: i64 = 10;

/// What became of an attempt to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// They are signed in: the value of their cookie; and how many recovery codes are left, where they used one.
    Open { cookie: String, codes_left: Option<i64> },
    /// The code of the second factor is wanted, with this ticket.
    NeedsCode { ticket: String },
    /// Address and password do not belong together, or the code is none: which of them is not said.
    Wrong,
    /// Too many tries, whoever it is: again in so many minutes.
    Later { minutes: i64 },
    /// The first step was too long ago, or its link was used already: begin anew.
    Expired,
}

impl std::convert::From<TooMany> for Entrance {
    fn from(too_many: TooMany) -> Self {
        Self::Later { minutes: too_many.minutes }
    }
}

/// Signs in with address and password, as typed.
pub async fn sign_in(app: &App, email: &str, password: &str, from: From<'_>) -> Result<Entrance, Error> {
    let address = EmailAddress::parse(email).ok();
    let typed = address.as_ref().map_or_else(|| email.trim().to_lowercase(), ToString::to_string);
    let too_many = match attempts::count_network(app, FROM_NETWORK, from.network).await? {
        None => attempts::count(app, PASSWORDS, &typed).await?,
        too_many => too_many,
    };
    if let Some(too_many) = too_many {
        if too_many.is_first {
            refuse(app, address.as_ref(), "too many tries", from).await?;
        }
        return Ok(too_many.into());
    }
    let account = match &address {
        Some(address) => users::by_email(&mut *app.db.conn().await?, address).await?,
        None => None,
    };
    let account = account.filter(|account| !account.is_disabled);
    if !is_password(account.as_ref(), password).await? {
        refuse(app, address.as_ref(), "with a password", from).await?;
        return Ok(Entrance::Wrong);
    }
    let Some(account) = account else { return Ok(Entrance::Wrong) };
    attempts::forget(app, PASSWORDS, &typed).await?;
    let mut tx = app.db.begin().await?;
    let entrance = enter(app, &mut tx, &account, "with a password", from).await?;
    db::commit(tx).await?;
    Ok(entrance)
}

/// Lets somebody in who has proved who they are, or asks for the code of their second factor.
pub(super) async fn enter(
    app: &App,
    tx: &mut Conn,
    account: &Account,
    how: &str,
    from: From<'_>,
) -> Result<Entrance, Error> {
    if account.totp_secret.is_some() {
        return Ok(Entrance::NeedsCode { ticket: ticket(app, account, how) });
    }
    open(app, tx, account, how, None, from).await
}

async fn open(
    app: &App,
    tx: &mut Conn,
    account: &Account,
    how: &str,
    codes_left: Option<i64>,
    from: From<'_>,
) -> Result<Entrance, Error> {
    let cookie = sessions::start(app, tx, account.user.id, from).await?;
    Actor::new(&account.user, from.network).note(app, tx, "user.sign_in", how).await?;
    Ok(Entrance::Open { cookie, codes_left })
}

/// Signs in with the code of a second factor, or with a recovery code, after the first step gave this ticket.
pub async fn sign_in_by_code(app: &App, ticket: &str, code: &str, from: From<'_>) -> Result<Entrance, Error> {
    let Some((account, how)) = holder(app, ticket).await? else { return Ok(Entrance::Expired) };
    let (id, email) = (account.user.id, &account.user.email);
    if let Some(too_many) = attempts::count(app, CODES, &id.to_string()).await? {
        if too_many.is_first {
            refuse(app, Some(email), "too many codes", from).await?;
        }
        return Ok(too_many.into());
    }
    let mut tx = app.db.begin().await?;
    let Some(proof) = second_factor::take(app, &mut tx, &account, code).await? else {
        drop(tx);
        refuse(app, Some(email), "with a code", from).await?;
        return Ok(Entrance::Wrong);
    };
    let left = proof.tell(app, &mut tx, &Actor::new(&account.user, from.network), &account).await?;
    let how = format!("{how} and {}", proof.words());
    let entrance = open(app, &mut tx, &account, &how, left, from).await?;
    db::commit(tx).await?;
    attempts::forget(app, CODES, &id.to_string()).await?;
    Ok(entrance)
}

/// What the browser keeps between the two steps: whose code is wanted, and how the first step was done. It is worth
/// nothing once the password has changed.
fn ticket(app: &App, account: &Account, how: &str) -> String {
    let expires = app.clock.now().plus_millis(TICKET_MINUTES * 60 * 1000);
    let how = URL_SAFE_NO_PAD.encode(how);
    let (id, expires) = (account.user.id, expires.millis());
    format!("{id}.{expires}.{how}.{}", seal(app, account, expires, &how))
}

fn seal(app: &App, account: &Account, expires: i64, how: &str) -> String {
    let password = account.password_hash.as_deref().unwrap_or_default();
    let purpose = format!("second step:{}:{expires}:{how}:{password}", account.user.id);
    URL_SAFE_NO_PAD.encode(app.key.derive(&purpose))
}

/// Whose ticket it is, where we made it and it is still good.
async fn holder(app: &App, ticket: &str) -> Result<Option<(Account, String)>, Error> {
    let parts: Vec<&str> = ticket.split('.').collect();
    let [id, expires, how, sealed] = parts.as_slice() else { return Ok(None) };
    let (Ok(id), Ok(expires)) = (id.parse(), expires.parse()) else { return Ok(None) };
    if Timestamp::from_millis(expires) <= app.clock.now() {
        return Ok(None);
    }
    let found = users::find(&mut *app.db.conn().await?, id).await?;
    let Some(account) = found.filter(|account| !account.is_disabled) else { return Ok(None) };
    if !is_same(&seal(app, &account, expires, how), sealed) {
        return Ok(None);
    }
    let how = URL_SAFE_NO_PAD.decode(how).ok().and_then(|how| String::from_utf8(how).ok());
    Ok(Some((account, how.unwrap_or_default())))
}

/// Writes down that somebody was not let in.
async fn refuse(app: &App, typed: Option<&EmailAddress>, what: &str, from: From<'_>) -> Result<(), Error> {
    Actor::who_typed(app, typed, from.network).await?.refused(app, "user.sign_in", what).await
}
