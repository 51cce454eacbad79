//! A database with subscribers, a newsletter and an issue of about 20 KB: what a send is measured on.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use clap::{Args as _, FromArgMatches as _};
use daybreak::config::{Secret, Settings};
use daybreak::db::dialect::Dialect;
use daybreak::db::dkim::DkimKey;
use daybreak::db::import::{Change, OnRecord, Tie};
use daybreak::db::subscriptions::Choice;
use daybreak::db::{self, Db};
use daybreak::domain::address::EmailAddress;
use daybreak::domain::subscription::SubscriptionStatus;
use daybreak::mail::dkim;
use daybreak::pipeline::accounts::Actor;
use daybreak::pipeline::articles::{self, ByHand};
use daybreak::pipeline::newsletters::{self, NewNewsletter};
use daybreak::pipeline::{App, address, editors, inspect};

const SLUG: &str = "brief";
const DOMAIN: &str = "news.example";

/// Articles of the issue: with so many, a message of the built-in templates has about 20 KB.
const ARTICLES: usize = 5;

/// Subscribers written in one transaction.
const GROUP: u64 = 5_000;

/// What readers told of themselves: three cohorts, each with words and dates of its own.
const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

/// Which DKIM key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    Plain,
    Ed25519,
    Rsa2048,
}

/// The settings as they are where nobody has set anything, but for these; the environment is not asked.
pub fn settings(database_url: &str, relay_url: &str, connections: u16) -> Result<Settings, Box<dyn Error>> {
    let command = Settings::augment_args(clap::Command::new("bench"))
        .mut_args(|arg| arg.env(clap::builder::Resettable::Reset));
    let mut settings = Settings::from_arg_matches(&command.try_get_matches_from(["bench"])?)?;
    settings.database_url = Secret::new(database_url);
    settings.relay_url = Secret::new(relay_url);
    settings.public_url = format!("https://{DOMAIN}");
    settings.connections = connections;
    Ok(settings)
}

/// A SQLite database in this folder.
pub fn sqlite_url(folder: &Path, name: &str) -> String {
    format!("sqlite://{}", folder.join(name).display())
}

pub struct World {
    pub app: App,
    pub url: String,
    pub issue_id: i64,
    pub subscribers: u64,
    /// Bytes of one message, without a signature.
    pub message_bytes: usize,
}

impl World {
    /// Makes the tables, the newsletter, its subscribers, and an issue that is approved.
    pub async fn make(url: &str, subscribers: u64) -> Result<Self, Box<dyn Error>> {
        let app = App::open(settings(url, "smtp://127.0.0.1:9?tls=none", 1)?).await?;
        let newsletter = newsletters::add(
            &app,
            &Actor::command_line(),
            &NewNewsletter {
                slug: SLUG.to_owned(),
                name: "Morning Brief".to_owned(),
                from: format!("brief@{DOMAIN}"),
                timezone: "Europe/Paris".to_owned(),
                language: "en".to_owned(),
                settings: vec![],
            },
        )
        .await?;
        newsletters::add_schedule(&app, &Actor::command_line(), SLUG, None, "07:00", None, "daily").await?;
        add_subscribers(&app, newsletter.id, subscribers).await?;
        for number in 0..ARTICLES {
            articles::add(&app, SLUG, &articles::by_hand(article(number))?, &[]).await?;
        }
        let issue = editors::filling(&app, SLUG, None).await?;
        let issue = editors::send(&app, issue.id, true).await?;
        let message_bytes = inspect::preview(&app, issue.id, Some(&email(0)?)).await?.eml.len();
        Ok(Self { app, url: url.to_owned(), issue_id: issue.id, subscribers, message_bytes })
    }

    /// Signs with such a key from now on.
    pub async fn sign_with(&self, signing: Signing) -> Result<(), Box<dyn Error>> {
        run(&self.app.db, "DELETE FROM dkim_keys").await?;
        let (algorithm, private_key) = match signing {
            Signing::Plain => return Ok(()),
            Signing::Ed25519 => ("ed25519-sha256", dkim::generate_ed25519()?),
            Signing::Rsa2048 => ("rsa-sha256", dkim::generate_rsa()?),
        };
        let key = DkimKey {
            domain: DOMAIN.to_owned(),
            selector: "bench".to_owned(),
            algorithm: algorithm.to_owned(),
            private_key,
            created_at: self.app.clock.now(),
            signs_since: Some(self.app.clock.now()),
        };
        db::dkim::insert(&mut *self.app.db.conn().await?, &key).await?;
        Ok(())
    }

    /// Empties the ledger and addresses the issue anew, so that every round finds the same; returns the seconds that
    /// `address` took. What the database still has to write is written before the next measurement.
    pub async fn address(&self) -> Result<f64, Box<dyn Error>> {
        let empty = match self.app.db.dialect() {
            Dialect::Sqlite => "DELETE FROM deliveries",
            Dialect::Postgres => "TRUNCATE deliveries",
        };
        run(&self.app.db, empty).await?;
        run(&self.app.db, "UPDATE issues SET state = 'approved', addressed_at = NULL").await?;
        self.settle().await?;
        let started = Instant::now();
        let addressed = address::address(&self.app).await?;
        let seconds = started.elapsed().as_secs_f64();
        if addressed.len() != 1 {
            return Err(format!("the issue was not addressed: {addressed:?}").into());
        }
        self.settle().await?;
        Ok(seconds)
    }

    /// Lets the database write what it still has to.
    async fn settle(&self) -> Result<(), Box<dyn Error>> {
        let settle = match self.app.db.dialect() {
            Dialect::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)",
            Dialect::Postgres => "CHECKPOINT",
        };
        run(&self.app.db, settle).await
    }

    /// Notes all deliveries as sent but the last `open`, as if they had been, and PostgreSQL's autovacuum had come by, as it
    /// does every minute.
    pub async fn skip_to_the_last(&self, open: u64) -> Result<(), Box<dyn Error>> {
        let last = "SELECT MIN(id) FROM (SELECT id FROM deliveries ORDER BY id DESC LIMIT";
        let statement = format!(
            "UPDATE deliveries SET state = 'sent', attempts = 1, detail = '2.0.0 Ok'
             WHERE state = 'queued' AND id < ({last} {open}) AS newest)"
        );
        run(&self.app.db, statement).await?;
        if self.app.db.dialect() == Dialect::Postgres {
            run(&self.app.db, "VACUUM deliveries").await?;
        }
        self.settle().await
    }

    /// How many deliveries are sent, by the ledger.
    pub async fn sent(&self) -> Result<u64, Box<dyn Error>> {
        let counts = db::keeping::counts(&mut *self.app.db.conn().await?, self.issue_id).await?;
        let sent = counts.iter().filter(|count| count.state == "sent").map(|count| count.count).sum::<i64>();
        Ok(u64::try_from(sent)?)
    }
}

async fn run(db: &Db, statement: impl Into<String>) -> Result<(), Box<dyn Error>> {
    sqlx::query(sqlx::AssertSqlSafe(statement.into())).execute(&mut *db.conn().await?).await?;
    Ok(())
}

fn email(number: u64) -> Result<EmailAddress, String> {
    EmailAddress::parse(&format!("reader{number}@inbox{}.example", number % 1_000))
}

async fn add_subscribers(app: &App, newsletter_id: i64, subscribers: u64) -> Result<(), Box<dyn Error>> {
    let tie = Tie {
        id: None,
        status: SubscriptionStatus::Active,
        choice: Choice::default(),
        paused_until: None,
        consent: None,
        origin: None,
        left_at: None,
        left_reason: None,
    };
    for start in (0..subscribers).step_by(usize::try_from(GROUP)?) {
        let mut changes = vec![];
        for number in start..subscribers.min(start + GROUP) {
            let language = LANGUAGES[usize::try_from(number)? % LANGUAGES.len()];
            let after = OnRecord {
                name: format!("Reader Number {number}"),
                language: Some(language.to_owned()),
                tie: Some(tie.clone()),
                ..OnRecord::default()
            };
            changes.push(Change { email: email(number)?, before: OnRecord::default(), after });
        }
        let mut tx = app.db.begin().await?;
        db::import::write(&mut tx, &app.key, newsletter_id, &changes, app.clock.now()).await?;
        db::commit(tx).await?;
    }
    Ok(())
}

fn article(number: usize) -> ByHand {
    let titles = ["The night train is back", "Rewetting the fens", "A library that lends silence"];
    let words = "Eleven years after the last one left, the sleeper to the coast runs again, with a restaurant car, \
                 berths for bicycles and a timetable that the towns along the line were asked about. ";
    ByHand {
        title: format!("{}, part {}", titles[number % titles.len()], number + 1),
        url: Some(format!("https://planet.example/2026/stories-of-the-week/{number}?from=brief")),
        summary: Some(words.repeat(2)),
        body: Some(words.repeat(12)),
        author: Some("Grace Hopper".to_owned()),
        image_url: Some(format!("https://planet.example/pictures/{number}-large.jpg")),
        image_alt: Some("A platform at dusk".to_owned()),
    }
}
