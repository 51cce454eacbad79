//! How often something may be tried: counted in the database, so that a limit holds over restarts and nodes.

use super::super::{App, Error};
use super::hash_of;
use crate::db::attempts;
use crate::domain::network::counted_network;

const MINUTE: i64 = 60 * 1000;

/// So many tries within so many minutes of the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    name: &'static str,
    most: i64,
    minutes: i64,
}

/// Passwords for one address, known or not: whoever guesses gets some thousand tries a week.
pub(super) const PASSWORDS: Limit = Limit { name: "password", most: 10, minutes: 15 };
/// Passwords from one network: a newsroom behind one address has more than one person in it.
pub(super) const FROM_NETWORK: Limit = Limit { name: "network", most: 60, minutes: 15 };
/// Codes of one account, recovery codes among them, of whoever has its password already. Three codes of a million are good
/// at a time.
pub(super) const CODES: Limit = Limit { name: "code", most: 5, minutes: 15 };
/// Mailed links for one address, known or not.
pub(super) const MAILED: Limit = Limit { name: "mailed", most: 1, minutes: 5 };
/// The same over a day: whoever asks in another's name does not fill their inbox.
pub(super) const MAILED_A_DAY: Limit = Limit { name: "mailed-day", most: 10, minutes: 24 * 60 };
/// Mailed links asked for from one network.
pub(super) const MAILED_FROM_NETWORK: Limit = Limit { name: "mailed-network", most: 20, minutes: 15 };
/// Refused forms of one user, or of one network, that are written down: a page that sends them by the thousand does not
/// fill the audit log.
pub(super) const REFUSED_FORMS: Limit = Limit { name: "form", most: 20, minutes: 15 };

/// What an attempt is counted under: no address is kept in readable form.
fn key(limit: Limit, of: &str) -> String {
    format!("{}:{}", limit.name, &hash_of(of)[..32])
}

/// A try too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooMany {
    /// Until the next may be.
    pub minutes: i64,
    /// It is the first that is refused: worth a line in the audit log, as the thousandth is not.
    pub is_first: bool,
}

impl TooMany {
    /// "a minute", "15 minutes".
    pub(super) fn in_words(self) -> String {
        if self.minutes == 1 { "a minute".to_owned() } else { format!("{} minutes", self.minutes) }
    }
}

/// Counts a try, and says where it is one too many.
pub(super) async fn count(app: &App, limit: Limit, of: &str) -> Result<Option<TooMany>, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let tried = attempts::count(&mut conn, &key(limit, of), limit.minutes * MINUTE, now).await?;
    if tried.count == 1 {
        attempts::forget_old(&mut conn, now).await?;
    }
    let left = tried.since.millis() + limit.minutes * MINUTE - now.millis();
    let too_many = TooMany { minutes: (left + MINUTE - 1) / MINUTE, is_first: tried.count == limit.most + 1 };
    Ok((tried.count > limit.most).then_some(too_many))
}

/// It succeeded: the next failure is the first again.
pub(super) async fn forget(app: &App, limit: Limit, of: &str) -> Result<(), Error> {
    Ok(attempts::forget(&mut *app.db.conn().await?, &key(limit, of)).await?)
}

/// Counts a try from a network, where it comes from one that counts.
pub(super) async fn count_network(app: &App, limit: Limit, network: &str) -> Result<Option<TooMany>, Error> {
    match network.parse().ok().and_then(counted_network) {
        Some(network) => count(app, limit, &network).await,
        None => Ok(None),
    }
}
