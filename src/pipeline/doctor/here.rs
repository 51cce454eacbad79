//! What this installation stands on: database, disk, clock, templates, its own names, its sources.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use url::{Host, Url};

use super::{App, Finding, SOON_DAYS, days_left};
use crate::clock::Clock;
use crate::db;
use crate::db::DbError;
use crate::db::sources::Source;
use crate::domain::newsletter::Newsletter;
use crate::mail::dns::{Dns, NoAnswer};
use crate::pipeline::deliver;
use crate::sources::fetch::{self, FetchError};

/// How long a web server may take to answer.
const WEB_PATIENCE: Duration = Duration::from_secs(8);

/// A change takes milliseconds; this long, and a send waits for the database.
const SLOW: Duration = Duration::from_millis(250);

/// What one node opens at most.
const CONNECTIONS_OF_A_NODE: i64 = 16;

/// What one delivery takes in a SQLite file with its indexes, in bytes, and as much again in the write-ahead log.
const BYTES_OF_A_DELIVERY: u64 = 2 * 250;

const GIGABYTE: u64 = 1_000_000_000;

/// A clock that is off by so many milliseconds is worth a word; HTTP tells whole seconds, and the way takes some.
const CLOCK_WARNING: i64 = 5_000;

/// So far off, issues go out at the wrong time, and receivers doubt dates and signatures.
const CLOCK_BAD: i64 = 5 * 60 * 1000;

/// Servers whose clocks ours is compared with.
const CLOCKS: usize = 3;

pub async fn database(app: &App) -> Vec<Finding> {
    let kind = match app.db.file() {
        Some(file) => format!("SQLite, {}", file.display()),
        None => "PostgreSQL".to_owned(),
    };
    let begun = Instant::now();
    let mut findings = vec![match write(app).await {
        Err(error) => Finding::bad(
            "database",
            format!("{kind}: cannot be written: {error}"),
            "see that its disk is not full, and that this user may write it (PostgreSQL: that it is not a standby)",
        ),
        Ok(()) if begun.elapsed() > SLOW => Finding::warning(
            "database",
            format!("{kind}: a small change took {} ms", begun.elapsed().as_millis()),
            "look at the load and the disk of the database: a send waits for it",
        ),
        Ok(()) => Finding::good(
            "database",
            format!("{kind}: up to date, written in {} ms", begun.elapsed().as_millis()),
        ),
    }];
    if let Ok(db::server::Server { connections: Some((most, open)), .. }) = server(app).await
        && most - open < CONNECTIONS_OF_A_NODE
    {
        findings.push(Finding::warning(
            "database",
            format!("{kind}: takes {most} connections, {open} are open, and a node opens up to {CONNECTIONS_OF_A_NODE}"),
            "raise max_connections, or put a pooler between",
        ));
    }
    for file in app.db.exposed_files() {
        findings.push(Finding::warning(
            "database",
            format!(
                "{}: others than its owner may read it, with the addresses and keys in it",
                file.display()
            ),
            format!("chmod 600 {}", file.display()),
        ));
    }
    findings
}

/// Writing is what fails on a full disk, in a read-only folder and on a standby.
async fn write(app: &App) -> Result<(), DbError> {
    let mut tx = app.db.begin().await?;
    db::settings::put(&mut tx, "doctor", &app.clock.now().to_string()).await?;
    db::commit(tx).await
}

async fn server(app: &App) -> Result<db::server::Server, DbError> {
    let mut conn = app.db.conn().await?;
    db::server::ask(&mut conn).await
}

/// Whether the next issue's deliveries have room. A server's disk is looked after by who runs the server.
pub async fn disk(app: &App, newsletters: &[Newsletter]) -> Vec<Finding> {
    let Some(file) = app.db.file() else { return vec![] };
    let mut readers = 0;
    if let Ok(mut conn) = app.db.conn().await {
        for newsletter in newsletters {
            let followers =
                db::addressing::followers(&mut conn, newsletter.id, None).await.unwrap_or_default();
            readers += u64::try_from(followers).unwrap_or_default();
        }
    }
    let needed = readers * BYTES_OF_A_DELIVERY;
    let (free, all) = match db::server::disk_of(file) {
        Ok(room) => room,
        Err(error) => {
            let says = format!("{}: its disk cannot be asked: {error}", file.display());
            return vec![Finding::warning("disk", says, "see that the folder may be read")];
        }
    };
    let says =
        format!("{} MB of {} MB are free where {} lies", free / 1_000_000, all / 1_000_000, file.display());
    let to_do = "free some, move the database to a larger disk, or keep deliveries for a shorter time \
                 (DAYBREAK_KEEP_DELIVERIES)";
    vec![if free < needed {
        let says = format!("{says}, and the next issues' deliveries need some {} MB", needed / 1_000_000);
        Finding::bad("disk", says, to_do)
    } else if free < GIGABYTE || free < all / 10 {
        Finding::warning("disk", says, to_do)
    } else {
        Finding::good("disk", says)
    }]
}

/// Compares this machine's clock with the database server's and with those of the sources' servers: with whichever it
/// agrees best, as any of them may be wrong.
pub async fn clock(app: &App, sources: &[Source]) -> Vec<Finding> {
    if let Some(start) = &app.settings.clock {
        return vec![Finding::warning(
            "clock",
            format!("DAYBREAK_CLOCK is set: this program plays {start}"),
            "take DAYBREAK_CLOCK away to send real issues",
        )];
    }
    let mut differences = vec![];
    if app.db.file().is_none()
        && let Ok(server) = server(app).await
    {
        differences.push((Clock::system().now().millis() - server.clock.millis(), "PostgreSQL's".to_owned()));
    }
    let works = |source: &&Source| !source.paused && source.failures == 0 && source.last_success_at.is_some();
    let asked = sources.iter().filter(works).take(CLOCKS).filter_map(|source| Url::parse(&source.url).ok());
    let asked = join_all(asked.map(async |url| {
        let probe = fetch::probe(&url, None, app.settings.fetch_private, WEB_PATIENCE).await.ok()?;
        let difference = Clock::system().now().millis() - probe.clock?.millis();
        Some((difference, format!("that of {}", url.host_str()?)))
    }));
    differences.extend(asked.await.into_iter().flatten());
    let Some((off, whose)) = differences.into_iter().min_by_key(|(difference, _)| difference.abs()) else {
        return vec![Finding::warning(
            "clock",
            "could not be compared: neither a database server nor a source that answers tells the time",
            "see for yourself that the system keeps time by NTP (timedatectl)",
        )];
    };
    let (seconds, way) = (off.abs() / 1000, if off > 0 { "ahead of" } else { "behind" });
    let to_do = "let the system keep time by NTP (timedatectl set-ntp true)";
    vec![match off.abs() {
        0..=CLOCK_WARNING => Finding::good("clock", format!("agrees with {whose}")),
        CLOCK_BAD.. => Finding::bad("clock", format!("is {seconds} seconds {way} {whose}"), to_do),
        _ => Finding::warning("clock", format!("is {seconds} seconds {way} {whose}"), to_do),
    }]
}

pub fn templates(app: &App) -> Vec<Finding> {
    if let [first, ..] = app.renderer.problems().as_slice() {
        let says = format!("what was saved on the desk cannot be used, and none of it is: {first}");
        return vec![Finding::bad(
            "templates",
            says,
            "put it right on the desk, under Templates, or take it back to the default there",
        )];
    }
    vec![match app.renderer.check().as_slice() {
        [] => Finding::good("templates", "every mail renders with its samples"),
        [first, ..] => Finding::bad("templates", first.to_string(), "daybreak template check shows all"),
    }]
}

/// Whether readers reach us, and safely.
pub async fn public_url(app: &App, dns: Option<&Dns>) -> Vec<Finding> {
    const ABOUT: &str = "public URL";
    let text = &app.settings.public_url;
    let Ok(url) = Url::parse(&format!("{text}/healthz")) else {
        let says = format!("“{text}” is not an address like https://news.example.org");
        return vec![Finding::bad(ABOUT, says, "put DAYBREAK_PUBLIC_URL right")];
    };
    let is_named = matches!(url.host(), Some(Host::Domain(name)) if name != "localhost");
    if !is_named {
        return vec![Finding::warning(
            ABOUT,
            format!("{text}: readers cannot reach this"),
            "set DAYBREAK_PUBLIC_URL to the address at which they can, like https://news.example.org",
        )];
    }
    let mut findings = vec![];
    if url.scheme() != "https" {
        findings.push(Finding::warning(
            ABOUT,
            format!("{text}: is not https, which one-click unsubscribing needs (RFC 8058) and large providers ask for"),
            "put a web server with a certificate before Daybreak, and https:// into DAYBREAK_PUBLIC_URL",
        ));
    }
    let host = url.host_str().unwrap_or_default();
    let addresses = match dns {
        None => None,
        Some(dns) => match dns.addresses(host).await {
            Ok(addresses) => Some(addresses),
            Err(NoAnswer::Nothing) => {
                findings.push(Finding::bad(
                    ABOUT,
                    format!("{text}: DNS has no address for {host}, so no link in a mail works"),
                    format!(
                        "publish  {host}. 3600 IN A …  with the address at which readers reach this service"
                    ),
                ));
                return findings;
            }
            Err(NoAnswer::Silence(why)) => {
                findings
                    .push(Finding::silence(ABOUT, format!("{text}: {host} could not be looked up ({why})")));
                return findings;
            }
        },
    };
    let probed = fetch::probe(&url, addresses.as_deref(), true, WEB_PATIENCE).await;
    let finding = match probed {
        Err(error @ FetchError::Tls { .. }) => Finding::bad(
            ABOUT,
            format!("{text}: {error}"),
            format!(
                "get a certificate for {host}, such as those of Let's Encrypt, onto the web server there"
            ),
        ),
        Err(error) => Finding::warning(
            ABOUT,
            format!("{text}: could not be reached from here: {error}"),
            "see that daybreak serve runs, and that the web server before it hands requests on to it",
        ),
        Ok(probe) if probe.status == 200 && probe.beginning == "ok" => {
            if let Some(days @ ..SOON_DAYS) = probe.expires.map(days_left) {
                findings.push(Finding::warning(
                    ABOUT,
                    format!("{text}: its certificate ends in {days} days"),
                    "see that the web server before Daybreak renews it",
                ));
            }
            let until =
                probe.expires.map(|end| format!(", certificate good until {end}")).unwrap_or_default();
            Finding::good(ABOUT, format!("{text}: answers{until}"))
        }
        Ok(probe) => Finding::warning(
            ABOUT,
            format!(
                "{text}: something answers there (status {}), but it is not Daybreak, or Daybreak is not well",
                probe.status
            ),
            "see that daybreak serve runs, and that the web server before it hands requests on to it",
        ),
    };
    findings.push(finding);
    findings
}

/// Whether the name that we give the relay leads to an address, and the address back to the name.
pub async fn host_name(app: &App, dns: Option<&Dns>) -> Vec<Finding> {
    const ABOUT: &str = "reverse DNS";
    let name = deliver::ehlo_name(app);
    let setting = "set DAYBREAK_EHLO_NAME to this machine's name in DNS, like mail.example.org";
    if !name.contains('.') || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return vec![Finding::warning(
            ABOUT,
            format!("we call ourselves {name} to the relay, which is no name in DNS"),
            setting,
        )];
    }
    let Some(dns) = dns else {
        return vec![Finding::silence(ABOUT, format!("{name}: DNS cannot be asked"))];
    };
    let addresses = match dns.addresses(&name).await {
        Ok(addresses) => addresses,
        Err(NoAnswer::Nothing) => {
            return vec![Finding::warning(
                ABOUT,
                format!("we call ourselves {name} to the relay, and DNS has no address for it"),
                setting,
            )];
        }
        Err(NoAnswer::Silence(why)) => {
            return vec![Finding::silence(ABOUT, format!("{name}: could not be looked up ({why})"))];
        }
    };
    let answers = join_all(addresses.iter().map(|address| dns.names(*address))).await;
    let wanted = name.to_ascii_lowercase();
    for (address, answer) in addresses.iter().zip(answers) {
        let names = match answer {
            Ok(names) if names.contains(&wanted) => continue,
            Ok(names) => format!("is called {}", names.join(", ")),
            Err(NoAnswer::Nothing) => "has no name".to_owned(),
            Err(NoAnswer::Silence(why)) => {
                return vec![Finding::silence(ABOUT, format!("{address}: could not be looked up ({why})"))];
            }
        };
        return vec![Finding::warning(
            ABOUT,
            format!("we call ourselves {name} to the relay, but its address {address} {names}"),
            format!(
                "ask who gave you {address} to let its PTR record say {name}; where mail leaves from a relay elsewhere, \
                 that one's name and address are what counts"
            ),
        )];
    }
    vec![Finding::good(ABOUT, format!("{name}: leads to its address, and the address back"))]
}

/// Sources that fail.
pub fn sources(sources: &[Source]) -> Vec<Finding> {
    let failing = sources.iter().filter(|source| source.failures > 0);
    failing
        .map(|source| {
            let why = source.last_error.as_deref().unwrap_or_default();
            Finding::warning(
                "source",
                format!("{} failed {} times in a row: {why}", source.url, source.failures),
                format!("mend its link, or leave it out:  daybreak source pause {}", source.id),
            )
        })
        .collect()
}
