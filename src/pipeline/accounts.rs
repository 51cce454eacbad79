//! Accounts: who signs in, with what, and for how long; and the record of what they do.
//!
//! Secrets are kept as hashes only: passwords with Argon2id, the values of cookies and links with SHA-256 (they are
//! 256 random bits, which nobody guesses).

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;

use super::{App, Error};
use crate::db::Conn;
use crate::db::audit::{self, NewEntry};
use crate::db::users::{self, Account, Session};
use crate::domain::address::EmailAddress;
use crate::domain::user::{Role, User};

/// How long a session lasts without a sign of life, and at most.
pub const SESSION_MILLIS: i64 = 14 * 24 * 60 * 60 * 1000;

/// A password has at least so many characters (NIST SP 800-63B §5.1.1 asks for 8), and at most so many bytes.
const MIN_PASSWORD: usize = 10;
const MAX_PASSWORD: usize = 1024;

/// Passwords that are hashed at a time: each takes 19 MB and some 20 ms of a core.
static HASHING: Semaphore = Semaphore::const_new(2);

/// 256 random bits, as they stand in a cookie or a link.
pub fn secret() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Io(format!("the system gives no randomness: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret.
pub fn hash_of(secret: &str) -> String {
    digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A password's hash, as it is kept.
///
/// # Errors
/// `Invalid` where it is too short or too long.
pub async fn hash_password(password: &str) -> Result<String, Error> {
    if password.chars().count() < MIN_PASSWORD || password.len() > MAX_PASSWORD {
        return Err(Error::Invalid(format!(
            "a password has at least {MIN_PASSWORD} characters; a sentence is easy to keep"
        )));
    }
    let password = password.to_owned();
    hashing(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
        .await?
        .map_err(|error| Error::Io(format!("the password cannot be hashed: {error}")))
}

/// Whether it is the account's password. It takes as long where there is no account, or no password: nobody is to
/// learn from the time which addresses have one.
pub async fn is_password(account: Option<&Account>, password: &str) -> Result<bool, Error> {
    /// The hash of a password that nobody has.
    const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5c3NhbHQxMjM0NQ$\
                           5pL3Ihxl0q0hQ0Sx6c0hnY2XkV3mGxW0y2m8W0m4sJk";
    let kept = account.and_then(|account| account.password_hash.clone());
    let has_one = kept.is_some();
    let kept = kept.unwrap_or_else(|| NOBODYS.to_owned());
    let password: String = password.chars().take(MAX_PASSWORD).collect();
    let matches = hashing(move || {
        PasswordHash::new(&kept)
            .is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
    });
    Ok(matches.await? && has_one)
}

async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _place = HASHING.acquire().await.expect("nobody closes the semaphore");
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Io(format!("hashing crashed: {error}")))
}

/// Adds an account.
///
/// # Errors
/// `Invalid` where the address has one.
pub async fn add(app: &App, email: &EmailAddress, name: &str, role: Option<Role>) -> Result<i64, Error> {
    let mut conn = app.db.conn().await?;
    users::insert(&mut conn, email, name, role, app.clock.now()).await.map_err(|error| {
        match error.is_duplicate() {
            true => Error::Invalid(format!("{email} has an account already")),
            false => error.into(),
        }
    })
}

/// Signs somebody in: the value of their cookie.
pub async fn start_session(app: &App, user_id: i64, agent: &str, network: &str) -> Result<String, Error> {
    let secret = secret()?;
    let now = app.clock.now();
    let session = Session {
        hash: hash_of(&secret),
        created_at: now,
        seen_at: now,
        expires_at: now.plus_millis(SESSION_MILLIS),
        agent: agent.chars().take(200).collect(),
        network: network.to_owned(),
    };
    users::start_session(&mut *app.db.conn().await?, user_id, &session).await?;
    Ok(secret)
}

/// Who has a cookie of this value, and their session.
pub async fn of_cookie(app: &App, value: &str) -> Result<Option<(User, Session)>, Error> {
    let found = users::of_session(&mut *app.db.conn().await?, &hash_of(value), app.clock.now()).await?;
    Ok(found.map(|(account, session)| (account.user, session)))
}

/// What ties a form to a session: only a page of ours can have it.
pub fn form_token(app: &App, session: &Session) -> String {
    let key = app.key.derive("forms");
    hash_of(&format!("{}:{}", URL_SAFE_NO_PAD.encode(key), session.hash))
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
