//! Looks whether everything is set up to send, and says what to do where it is not.
//!
//! Whatever is looked at runs beside the rest and is given up after a while: without a network it takes no longer, and
//! what could not be looked at is a warning. Bad is only what surely keeps mail from going out or from arriving.

mod domains;
mod here;
mod relays;

use std::time::Duration;

use super::{App, Error};
use crate::clock::Clock;
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::mail::dns::Dns;
use crate::mail::relay::RelayUrl;

/// How long any one look may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// A certificate that ends within so many days is worth a word: those of the usual authorities are renewed a month
/// before their end.
const SOON_DAYS: i64 = 14;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub about: &'static str,
    pub state: State,
    /// What was found, in a sentence.
    pub says: String,
    /// What to do, where there is something: a command, a setting, the record to publish.
    pub to_do: Option<String>,
    /// The articles that it is about, with their headlines, where each is mended by itself.
    pub articles: Vec<(i64, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Good,
    /// It works, but not as well as it could; or it could not be looked at.
    Warning,
    Bad,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

impl Finding {
    pub(super) fn good(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, state: State::Good, says: says.into(), to_do: None, articles: vec![] }
    }

    pub(super) fn warning(about: &'static str, says: impl Into<String>, to_do: impl Into<String>) -> Self {
        let to_do = Some(to_do.into());
        Self { about, state: State::Warning, says: says.into(), to_do, articles: vec![] }
    }

    pub(super) fn bad(about: &'static str, says: impl Into<String>, to_do: impl Into<String>) -> Self {
        let to_do = Some(to_do.into());
        Self { about, state: State::Bad, says: says.into(), to_do, articles: vec![] }
    }

    /// What DNS does not say.
    fn silence(about: &'static str, says: impl Into<String>) -> Self {
        Self::warning(
            about,
            says,
            "see that this machine can ask DNS, or name a server that answers in DAYBREAK_RESOLVER",
        )
    }
}

/// Looks at everything: what is here first, then the road out, then what the world knows of us.
pub async fn examine(app: &App) -> Result<Vec<Finding>, Error> {
    let (newsletters, sources) = {
        let mut conn = app.db.conn().await?;
        (db::newsletters::list(&mut conn).await?, db::sources::list(&mut conn, None).await?)
    };
    let urls = RelayUrl::parse_all(app.settings.relay_url.reveal());
    let dns = match Dns::open(app.settings.resolver) {
        Ok(dns) => Some(dns),
        Err(why) => {
            tracing::warn!(why, "DNS cannot be asked");
            None
        }
    };
    let dns = dns.as_ref();
    let known = urls.as_deref().unwrap_or_default();
    let (database, disk, clock, public_url, host_name, relay, domains) = tokio::join!(
        in_time("database", here::database(app)),
        in_time("disk", here::disk(app, &newsletters)),
        in_time("clock", here::clock(app, &sources)),
        in_time("public URL", here::public_url(app, dns)),
        in_time("host name", here::host_name(app, dns)),
        relays::examine(app, &urls),
        domains::examine(app, &newsletters, known, dns),
    );
    let mut findings = [database, disk, clock, here::templates(app), public_url, host_name, relay].concat();
    findings.extend(domains?);
    findings.extend(here::sources(&sources));
    Ok(findings)
}

/// Looks at what DNS says about mail from the newsletters' domains.
pub async fn examine_domains(app: &App) -> Result<Vec<Finding>, Error> {
    let newsletters = db::newsletters::list(&mut *app.db.conn().await?).await?;
    let urls = RelayUrl::parse_all(app.settings.relay_url.reveal()).unwrap_or_default();
    let dns = Dns::open(app.settings.resolver).ok();
    domains::examine(app, &newsletters, &urls, dns.as_ref()).await
}

/// How many days a certificate has left. They are judged by the system's clock, whatever day this program plays.
fn days_left(end: Timestamp) -> i64 {
    (end.millis() - Clock::system().now().millis()).div_euclid(24 * 60 * 60 * 1000)
}

/// What a look finds, or that it took too long.
async fn in_time(about: &'static str, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| {
        let says = format!("could not be looked at within {} seconds", PATIENCE.as_secs());
        vec![Finding::warning(about, says, "see that the network is well, and look again")]
    })
}
