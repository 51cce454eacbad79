//! Accounts: who signs in, with what, and for how long; and the record of what they do.
//!
//! Secrets are kept as hashes only: passwords with Argon2id, the values of cookies and links with SHA-256 (they are
//! 256 random bits, which nobody guesses), and so are recovery codes (80). Nobody who is not signed in learns which addresses have an account:
//! answers, and the time that they take, are the same.

mod attempts;
mod links;
mod own;
mod password;
mod recovery;
mod second_factor;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;
mod users;
mod weak;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use self::links::{
    INVITATION_DAYS, LINK_MINUTES, NewAccount, Welcome, accept, first_admin_link, mail_link, peek_link,
    peek_welcome, sign_in_by_link, sign_in_link,
};
pub use self::own::{change_name, change_password};
pub use self::password::{MIN_PASSWORD, hash_password, is_password};
pub use self::recovery::make_recovery_codes;
pub use self::second_factor::{enrol, pending_secret, remove_own_second_factor};
pub use self::sessions::{end_others, end_session, form_token, of_cookie, sign_out, start_session};
pub use self::sign_in::{Entrance, TICKET_MINUTES, sign_in, sign_in_by_code};
pub use self::users::{
    Invited, NewUser, Roles, add, disable, enable, end_all_sessions, find, find_by_email, invite,
    invite_again, remove, remove_second_factor, set_password, set_roles,
};

use super::{App, Error};
use crate::db::audit::{self, NewEntry};
use crate::db::users::Account;
use crate::db::{self, Conn};
use crate::domain::address::EmailAddress;
use crate::domain::user::User;
use crate::pipeline::import::{MAX_NAME, one_line};

/// Where a request to sign in comes from.
#[derive(Clone, Copy, Debug)]
pub struct From<'r> {
    /// What the browser calls itself.
    pub agent: &'r str,
    pub network: &'r str,
}

/// What is wrong with a field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub field: &'static str,
    /// A sentence that says what is wrong and what to do.
    pub says: String,
}

impl Problem {
    fn new(field: &'static str, says: impl Into<String>) -> Self {
        Self { field, says: says.into() }
    }
}

/// Who does something, for the audit log.
#[derive(Clone, Debug)]
pub struct Actor {
    user_id: Option<i64>,
    who: String,
    network: String,
}

impl Actor {
    pub fn new(user: &User, network: &str) -> Self {
        Self { user_id: Some(user.id), who: user.email.as_str().to_owned(), network: network.to_owned() }
    }

    pub fn command_line() -> Self {
        Self { user_id: None, who: "command line".to_owned(), network: String::new() }
    }

    /// What the service does by itself.
    pub fn service() -> Self {
        Self { user_id: None, who: "the service".to_owned(), network: String::new() }
    }

    /// Whether it is this account itself.
    fn is(&self, user_id: i64) -> bool {
        self.user_id == Some(user_id)
    }

    /// The address of an account, or `command line`.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Whoever has typed this address in and is not signed in. What is no address is not kept: it may be a password in
    /// the wrong field. Of an address without an account only a keyed hash is: it may be anybody's, who never came here.
    async fn who_typed(app: &App, typed: Option<&EmailAddress>, network: &str) -> Result<Self, Error> {
        let account = match typed {
            Some(email) => db::users::by_email(&mut *app.db.conn().await?, email).await?,
            None => None,
        };
        if let Some(account) = account {
            return Ok(Self::new(&account.user, network));
        }
        let who = match typed {
            Some(email) => format!("unknown address {}", &app.key.address_hash(email)[..16]),
            None => "nobody known".to_owned(),
        };
        Ok(Self { user_id: None, who, network: network.to_owned() })
    }

    fn entry<'e>(&'e self, action: &'e str, what: &'e str) -> NewEntry<'e> {
        NewEntry {
            user_id: self.user_id,
            who: &self.who,
            action,
            what,
            newsletter_id: None,
            is_denied: false,
            network: &self.network,
        }
    }

    async fn note(&self, app: &App, conn: &mut Conn, action: &str, what: &str) -> Result<(), Error> {
        self.note_of(app, conn, action, what, None).await
    }

    /// Writes down what they did, in the transaction of the change.
    pub async fn note_of(
        &self,
        app: &App,
        conn: &mut Conn,
        action: &str,
        what: &str,
        newsletter_id: Option<i64>,
    ) -> Result<(), Error> {
        let entry = NewEntry { newsletter_id, ..self.entry(action, what) };
        Ok(audit::write(conn, &entry, app.clock.now()).await?)
    }

    /// Writes down that they were refused something.
    async fn refused(&self, app: &App, action: &str, what: &str) -> Result<(), Error> {
        let entry = NewEntry { is_denied: true, ..self.entry(action, what) };
        Ok(audit::write(&mut *app.db.conn().await?, &entry, app.clock.now()).await?)
    }
}

/// Writes down that a form was refused which no page of ours sent (`what`: where it was sent to), for as long as they
/// are few. `by`: who was signed in.
pub async fn refuse_form(app: &App, by: Option<&User>, network: &str, what: &str) -> Result<(), Error> {
    let of = by.map_or_else(|| format!("network {network}"), |user| format!("user {}", user.id));
    if attempts::count(app, attempts::REFUSED_FORMS, &of).await?.is_some() {
        return Ok(());
    }
    let by = match by {
        Some(user) => Actor::new(user, network),
        None => Actor { user_id: None, who: "nobody known".to_owned(), network: network.to_owned() },
    };
    by.refused(app, "form.send", what).await
}

/// 256 random bits, as they stand in a cookie or a link.
pub fn secret() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Io(format!("the system gives no randomness: {error}")))?;
    Ok(bytes)
}

/// What is kept of a secret.
pub fn hash_of(secret: &str) -> String {
    digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two secrets are the same, in a time that does not say where they differ.
fn is_same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// A name on one line; empty where they go by their address.
pub fn clean_name(text: &str) -> Result<String, Problem> {
    one_line("name", text, MAX_NAME).map_err(|_| {
        Problem::new("name", format!("The name is longer than {MAX_NAME} characters: shorten it."))
    })
}

/// A new password's hash, or what is wrong with it. It is `email`'s, who is called `name`; `account`: theirs, where they have
/// one already.
async fn new_password(
    app: &App,
    email: Option<&EmailAddress>,
    name: &str,
    account: Option<&Account>,
    password: &str,
) -> Result<Result<String, Problem>, Error> {
    let refused = |says: String| Ok(Err(Problem::new("password", format!("{says}."))));
    match hash_password(password).await {
        Ok(hash) => {
            let url = url::Url::parse(&app.settings.public_url).ok();
            let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
            let about = [email.map_or("", EmailAddress::as_str), name, host];
            if let Some(says) = weak::why_weak(password, &about) {
                return refused(says);
            }
            if account.is_some_and(|account| account.password_hash.is_some())
                && is_password(account, password).await?
            {
                return refused("This is your password as it was: take another".to_owned());
            }
            Ok(Ok(hash))
        }
        Err(Error::Invalid(says)) => refused(says),
        Err(error) => Err(error),
    }
}

/// Writes down what somebody did, in the transaction of the change.
pub async fn note(
    app: &App,
    conn: &mut Conn,
    user: &User,
    network: &str,
    action: &str,
    what: &str,
    newsletter_id: Option<i64>,
) -> Result<(), Error> {
    let who = user.email.as_str();
    let entry =
        NewEntry { user_id: Some(user.id), who, action, what, newsletter_id, is_denied: false, network };
    Ok(audit::write(conn, &entry, app.clock.now()).await?)
}
