//! Passwords.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use tokio::sync::Semaphore;

use super::super::Error;
use crate::db::users::Account;

/// A password has at least so many characters (NIST SP 800-63B §5.1.1 asks for 8), and at most so many bytes.
pub const MIN_PASSWORD: usize = 10;
const MAX_PASSWORD: usize = 1024;

/// Passwords that are hashed at a time: each takes 19 MB and some 20 ms of a core.
static HASHING: Semaphore = Semaphore::const_new(2);

/// The hash of a password that nobody has.
pub(super) const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5c3NhbHQxMjM0NQ$\
                                  5pL3Ihxl0q0hQ0Sx6c0hnY2XkV3mGxW0y2m8W0m4sJk";

/// A password's hash, as it is kept.
///
/// # Errors
/// `Invalid` where it is too short or too long.
pub async fn hash_password(password: &str) -> Result<String, Error> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(Error::Invalid(format!(
            "A password has at least {MIN_PASSWORD} characters: a sentence is easy to keep"
        )));
    }
    if password.len() > MAX_PASSWORD {
        return Err(Error::Invalid(format!(
            "This password is longer than {MAX_PASSWORD} bytes: take a shorter one"
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
    let kept = account.and_then(|account| account.password_hash.clone());
    let has_one = kept.is_some();
    let kept = kept.unwrap_or_else(|| NOBODYS.to_owned());
    // One that is too long is nobody's, and costs no more than others.
    let fits = password.len() <= MAX_PASSWORD;
    let password = if fits { password.to_owned() } else { String::new() };
    let matches = hashing(move || is_hash_of(&kept, &password));
    Ok(matches.await? && has_one && fits)
}

pub(super) fn is_hash_of(kept: &str, password: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &kept).is_ok()
}

async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _place = HASHING.acquire().await.expect("nobody closes the semaphore");
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Io(format!("hashing crashed: {error}")))
}
