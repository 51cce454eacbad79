//! The relays as admins see them: their terms, how they are, and a conversation with one.

use std::time::Duration;

use super::deliver::relay::RelayState;
use super::deliver::{self, limits};
use super::{App, Error};
use crate::db;
use crate::mail::relay::{Relay, RelayUrl, Security};
use crate::mail::session::Session;
pub use crate::mail::transcript::Who;

/// How long a relay may take for any one answer when it is tried, and for all of them.
const ANSWER: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay of the settings.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its place among the settings' relays, from 0.
    pub place: usize,
    /// Its URL without user name, password and terms.
    pub url: String,
    /// How its connections are protected, in words.
    pub security: &'static str,
    /// The user that we sign in as.
    pub user: Option<String>,
    /// What is said about how much of the mail it gets and how fast: what, and how much.
    pub terms: Vec<(&'static str, String)>,
    pub standing: Standing,
    /// What it was sent today (UTC), where that is counted.
    pub today: Option<i64>,
}

/// How a relay is, as far as this process knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No sender runs in this process.
    Unknown,
    /// Nothing is wrong; messages go out on so many connections.
    Well { connections: usize },
    /// It takes no mail, and is left alone for so long still.
    Down { why: String, failures: u32, left: Option<Duration> },
}

fn standing(state: Option<&RelayState>) -> Standing {
    let Some(state) = state else { return Standing::Unknown };
    match state.trouble() {
        None => Standing::Well { connections: state.working() },
        Some(trouble) => Standing::Down { why: trouble.why, failures: trouble.failures, left: state.wait() },
    }
}

fn urls(app: &App) -> Result<Vec<RelayUrl>, Error> {
    RelayUrl::parse_all(app.settings.relay_url.reveal()).map_err(Error::Invalid)
}

/// Whether mail can be sent by what the settings say of the relays.
///
/// # Errors
/// `Invalid` with what is wrong with them.
pub fn check(app: &App) -> Result<(), Error> {
    deliver::relays(&app.settings).map(drop).map_err(Error::Invalid)
}

/// Every relay that the settings name.
///
/// # Errors
/// `Invalid` with what is wrong with the setting.
pub async fn list(app: &App) -> Result<Vec<Described>, Error> {
    let day = limits::day_of(app.clock.now());
    let mut conn = app.db.conn().await?;
    let mut relays = vec![];
    for (place, url) in urls(app)?.into_iter().enumerate() {
        relays.push(Described {
            place,
            security: match url.security {
                Security::Implicit => "TLS from the start",
                Security::StartTls => "STARTTLS, or no mail",
                Security::Plain => "not encrypted",
            },
            user: url.credentials.as_ref().map(|(user, _)| user.clone()),
            terms: terms(app, &url),
            standing: standing(app.relays.get(&url.key()).as_deref()),
            today: db::limits::sent_on(&mut conn, &url.key(), day).await?,
            url: url.to_string(),
        });
    }
    Ok(relays)
}

fn terms(app: &App, url: &RelayUrl) -> Vec<(&'static str, String)> {
    let (terms, settings) = (&url.terms, &app.settings);
    let per_second = match terms.per_second.unwrap_or(settings.messages_per_second) {
        0 => "no limit".to_owned(),
        limit => limit.to_string(),
    };
    let mut all = vec![
        ("Priority", terms.priority.to_string()),
        ("Weight", terms.weight.to_string()),
        ("Connections on each node", terms.connections.unwrap_or(settings.connections).to_string()),
        ("Messages a second", per_second),
    ];
    let limits = [
        ("Messages a day", terms.per_day),
        ("Messages on a connection", terms.per_connection),
        ("Messages a second to one domain", terms.domain_per_second),
        ("Connections to one domain", terms.domain_connections.map(u32::from)),
    ];
    all.extend(limits.into_iter().filter_map(|(what, limit)| Some((what, limit?.to_string()))));
    if !terms.warmup.is_empty() {
        let days: Vec<String> = terms.warmup.iter().take(10).map(u32::to_string).collect();
        let more = if terms.warmup.len() > days.len() { " …" } else { "" };
        all.push(("Warm-up, by days", format!("{}{more}", days.join(", "))));
    }
    all
}

/// What came of trying a relay.
#[derive(Clone, Debug)]
pub struct Tried {
    pub url: String,
    pub lines: Vec<(Who, String)>,
    pub works: bool,
    /// In a sentence.
    pub says: String,
}

/// Connects to a relay, signs in, says goodbye, and writes down what was said. Nothing is sent to anybody.
pub async fn converse(app: &App, place: usize) -> Result<Tried, Error> {
    let url = urls(app)?.into_iter().nth(place);
    let url = url.ok_or_else(|| Error::NotFound("there is no such relay any more".to_owned()))?;
    let shown = url.to_string();
    let (relay, transcript) = match Relay::open_heard(url) {
        Ok(opened) => opened,
        Err(says) => return Ok(Tried { url: shown, lines: vec![], works: false, says }),
    };
    let timeouts = deliver::timeouts(&app.settings).at_most(ANSWER);
    let ehlo_name = deliver::ehlo_name(app);
    let talk = async {
        match Session::connect(&relay, &ehlo_name, timeouts).await {
            Ok(session) => {
                session.quit().await;
                Ok(())
            }
            Err(outcome) => Err(outcome.detail),
        }
    };
    let done = tokio::time::timeout(PATIENCE, talk).await;
    let (works, says) = match done {
        Ok(Ok(())) if relay.url.credentials.is_some() => {
            (true, "It answers, and takes our password.".to_owned())
        }
        Ok(Ok(())) => (true, "It answers.".to_owned()),
        Ok(Err(why)) => (false, transcript.without_secrets(&why)),
        Err(_) => (false, format!("The conversation did not end within {} seconds.", PATIENCE.as_secs())),
    };
    Ok(Tried { url: shown, lines: transcript.lines(), works, says })
}
