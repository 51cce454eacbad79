//! Looks whether everything is set up to send, and says what to do where it is not.

use crate::db;
use crate::mail::relay::{Relay, RelayUrl};
use crate::mail::session::Session;

use super::{App, Error};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub about: &'static str,
    pub state: State,
    /// What was found and, where something is to do, what.
    pub says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Good,
    /// It works, but not as well as it could.
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

/// Looks at database, templates, public URL, relay, keys and sources.
pub async fn examine(app: &App) -> Result<Vec<Finding>, Error> {
    let mut findings = vec![database(app).await?, templates(app), public_url(app)];
    findings.extend(relays(app).await);
    findings.extend(signing(app).await?);
    findings.extend(sources(app).await?);
    Ok(findings)
}

fn finding(about: &'static str, state: State, says: impl Into<String>) -> Finding {
    Finding { about, state, says: says.into() }
}

async fn database(app: &App) -> Result<Finding, Error> {
    // Writing is what fails on a full disk and in a read-only folder.
    let mut tx = app.db.begin().await?;
    let written = db::settings::put(&mut tx, "doctor", &app.clock.now().to_string()).await;
    let committed = match written {
        Ok(()) => db::commit(tx).await,
        Err(error) => Err(error),
    };
    let kind = match app.db.file() {
        Some(file) => format!("SQLite, {}", file.display()),
        None => "PostgreSQL".to_owned(),
    };
    Ok(match committed {
        Ok(()) => finding("database", State::Good, format!("{kind}: can be read and written")),
        Err(error) => finding("database", State::Bad, format!("{kind}: cannot be written: {error}")),
    })
}

fn templates(app: &App) -> Finding {
    match app.renderer.check().as_slice() {
        [] => finding("templates", State::Good, "every mail renders with its samples"),
        [first, ..] => {
            finding("templates", State::Bad, format!("{first} (`daybreak template check` shows all)"))
        }
    }
}

fn public_url(app: &App) -> Finding {
    let text = &app.settings.public_url;
    let host = url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    match host {
        None => finding(
            "public URL",
            State::Bad,
            format!("“{text}” is not an address like https://news.example.org"),
        ),
        Some(host) if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() => finding(
            "public URL",
            State::Warning,
            format!(
                "{text}: readers cannot reach this; set DAYBREAK_PUBLIC_URL to the address that they can"
            ),
        ),
        Some(_) if !text.starts_with("https://") => finding(
            "public URL",
            State::Warning,
            format!("{text}: one-click unsubscribing needs https (RFC 8058), and large providers ask for it"),
        ),
        Some(_) => finding("public URL", State::Good, text.clone()),
    }
}

async fn relays(app: &App) -> Vec<Finding> {
    let urls = match RelayUrl::parse_all(app.settings.relay_url.reveal()) {
        Ok(urls) => urls,
        Err(why) => return vec![finding("relay", State::Bad, why)],
    };
    let mut findings = vec![];
    for url in urls {
        findings.push(relay(app, url).await);
    }
    findings
}

async fn relay(app: &App, url: RelayUrl) -> Finding {
    let shown = url.to_string();
    let relay = match Relay::open(url) {
        Ok(relay) => relay,
        Err(why) => return finding("relay", State::Bad, why),
    };
    match Session::connect(&relay, &super::deliver::ehlo_name(app), super::deliver::timeouts(&app.settings))
        .await
    {
        Err(outcome) => finding("relay", State::Bad, format!("{shown}: {}", outcome.detail)),
        Ok(session) => {
            let features = session.features();
            session.quit().await;
            let pipelining = if features.pipelining { "with" } else { "without" };
            finding("relay", State::Good, format!("{shown}: answers, {pipelining} PIPELINING"))
        }
    }
}

async fn signing(app: &App) -> Result<Vec<Finding>, Error> {
    let mut conn = app.db.conn().await?;
    let newsletters = db::newsletters::list(&mut conn).await?;
    let keys = db::dkim::list(&mut conn).await?;
    let mut findings = vec![];
    for newsletter in newsletters {
        let domain = newsletter.from.address.domain();
        let count = keys.iter().filter(|key| key.domain == domain).count();
        findings.push(match count {
            0 => finding(
                "signing",
                State::Warning,
                format!(
                    "{}: mail from {domain} is not signed here; unless the relay signs it, run `daybreak dkim add \
                     {domain}` and publish what it prints",
                    newsletter.slug
                ),
            ),
            _ => finding("signing", State::Good, format!("{}: {count} keys for {domain}", newsletter.slug)),
        });
    }
    Ok(findings)
}

async fn sources(app: &App) -> Result<Vec<Finding>, Error> {
    let mut conn = app.db.conn().await?;
    let failing = db::sources::list(&mut conn, None).await?.into_iter().filter(|source| source.failures > 0);
    Ok(failing
        .map(|source| {
            let why = source.last_error.unwrap_or_default();
            finding(
                "source",
                State::Warning,
                format!("{} failed {} times: {why}", source.url, source.failures),
            )
        })
        .collect())
}
