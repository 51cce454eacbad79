//! The demo: the whole service on sample data, with a world of its own around it.
//!
//! Everything is on loopback and on free ports: papers that publish (`press`), readers (`readers`), a relay that
//! keeps what it is sent, and a database in a folder that goes away (`folder`). What happens in between is the
//! service's own doing: the demo calls what the command line and the scheduler call.

mod feeds;
mod folder;
mod newsroom;
mod picture;
mod press;
mod readers;
mod report;
mod titles;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as _, FromArgMatches as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::report::{Outcome, Report, Skipped};

use self::folder::Folder;
use self::newsroom::Newsroom;
use self::press::Press;
use self::readers::Standing;
use crate::app::{self, Role};
use crate::config::{Networks, Secret, Settings};
use crate::db;
use crate::domain::address::EmailAddress;
use crate::domain::composition::Field;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::user;
use crate::mail::catcher::{self, Limits, Mailbox};
use crate::pipeline::accounts::Actor;
use crate::pipeline::collect::{self, Polled};
use crate::pipeline::composing::{self, By};
use crate::pipeline::import::{self, Files};
use crate::pipeline::newsletters::{self, NewNewsletter};
use crate::pipeline::{App, Error, accounts, editors, people, sources};
use crate::web;

/// What the relay keeps: enough to look at, in a few dozen megabytes. All are counted.
const KEPT_MAILS: Limits = Limits { messages: 2_000, bytes: 64_000_000 };

/// Who may do everything in the demo. Mail to them comes to the demo's mailbox, as all of it does.
pub const ADMIN: &str = "admin@demo.example";

/// How long the link signs in that the demo prints: a day, as nobody knows when a visitor has time.
const DESK_LINK: i64 = 24 * 60 * 60 * 1000;

/// How long readers on holiday are away.
const HOLIDAY: i64 = 14 * 24 * 60 * 60 * 1000;

/// What a demo is made with.
#[derive(Debug)]
pub struct Options {
    pub subscribers: u64,
    /// Where database and mails stay; none: they go when the demo ends.
    pub keep: Option<PathBuf>,
}

/// A demo: the service, and the world around it.
#[derive(Debug)]
pub struct Demo {
    pub app: App,
    listener: TcpListener,
    mailbox: Mailbox,
    /// Takes mail from anybody on this machine.
    pub relay: SocketAddr,
    press: Press,
    subscribers: u64,
    /// The relay and the papers; they end with it.
    _world: JoinSet<()>,
    folder: Folder,
}

impl Demo {
    /// Sets the world up: an empty database, a relay, papers. Of the operator's `settings` only what cannot touch
    /// anything of theirs is used: connections, templates, clock and the pages' port.
    pub async fn open(options: Options, settings: &Settings) -> Result<Self, Error> {
        let folder = match &options.keep {
            Some(path) => Folder::kept(path)?,
            None => Folder::throw_away()?,
        };
        let listener = match listen(settings.listen.port()).await {
            Ok(listener) => listener,
            Err(_) => listen(0).await?,
        };
        let (relay_listener, press_listener) = (listen(0).await?, listen(0).await?);
        let (pages, relay, papers) =
            (address(&listener)?, address(&relay_listener)?, address(&press_listener)?);
        let app = App::open(Settings {
            database_url: Secret::new(format!("sqlite://{}", folder.database().display())),
            relay_url: Secret::new(format!("smtp://{relay}?tls=none")),
            public_url: format!("http://{pages}"),
            listen: pages,
            ehlo_name: Some("demo.example".to_owned()),
            // The papers are on loopback.
            fetch_private: true,
            connections: settings.connections,
            templates: settings.templates.clone(),
            clock: settings.clock.clone(),
            ..default_settings()
        })
        .await?;
        let mailbox = match folder.is_kept() {
            true => Mailbox::in_folder(app.clock.clone(), KEPT_MAILS, &folder.mail())
                .map_err(|error| Error::Io(format!("{}: {error}", folder.mail().display())))?,
            false => Mailbox::in_memory(app.clock.clone(), KEPT_MAILS),
        };
        let press = Press {
            newsroom: Arc::new(Newsroom::read()),
            clock: app.clock.clone(),
            start: app.clock.now(),
            base: format!("http://{papers}"),
        };
        let mut world = JoinSet::new();
        world.spawn(catcher::run(relay_listener, mailbox.clone(), std::future::pending()));
        let router = press.clone().router();
        world.spawn(async move {
            // Who cannot read the papers any more says so at the next poll.
            let _ = web::serve(press_listener, Networks::default(), router, std::future::pending()).await;
        });
        let subscribers = options.subscribers;
        Ok(Self { app, listener, mailbox, relay, press, subscribers, _world: world, folder })
    }

    /// What the database and the mails stand in, and whether it stays.
    pub fn folder(&self) -> (String, bool) {
        (self.folder.path().display().to_string(), self.folder.is_kept())
    }

    /// Where the papers are to be read.
    pub fn papers(&self) -> &str {
        &self.press.base
    }

    /// Makes the newsletters with their schedules, and brings their subscribers in.
    pub async fn load(&self) -> Result<(), Error> {
        for title in titles::TITLES {
            newsletters::add(&self.app, &Actor::command_line(), &NewNewsletter::from(&title)).await?;
            for (at, days) in title.schedules {
                newsletters::add_schedule(
                    &self.app,
                    &Actor::command_line(),
                    title.slug,
                    None,
                    at,
                    None,
                    days,
                )
                .await?;
            }
        }
        for title in titles::TITLES {
            let request = import::Request {
                newsletter: title.slug.to_owned(),
                file_name: format!("{}.csv", title.slug),
                consent_words: title.consent.to_owned(),
                ..import::Request::default()
            };
            let input = Box::new(readers::Csv::new(title.slug, self.subscribers));
            import::import(
                &self.app,
                &request,
                Files { input, first_look: None, report: None, progress: &|_| () },
            )
            .await?;
        }
        self.send_some_away().await
    }

    /// What no file of subscribers says: whose mail came back, and who is on holiday.
    async fn send_some_away(&self) -> Result<(), Error> {
        let until = self.app.clock.now().plus_millis(HOLIDAY);
        for reader in (0..self.subscribers).map(readers::reader) {
            if !matches!(reader.standing, Standing::Suppressed | Standing::Paused) {
                continue;
            }
            let email = EmailAddress::parse(&reader.email).map_err(Error::Invalid)?;
            if reader.standing == Standing::Suppressed {
                people::suppress(&self.app, &Actor::command_line(), &email, "mail to the address came back")
                    .await?;
                continue;
            }
            for newsletter in reader.newsletters {
                people::pause(&self.app, &Actor::command_line(), &email, newsletter, until).await?;
            }
        }
        Ok(())
    }

    /// Adds the papers' feeds as sources, and reads each as it is added: the first paper that tells a story keeps it.
    pub async fn subscribe_to_papers(&self) -> Result<Vec<Polled>, Error> {
        let fetcher = collect::fetcher(&self.app)?;
        let mut polled = vec![];
        for publisher in &self.press.newsroom.publishers {
            let feed = self.press.feed_address(publisher);
            let source = sources::add(
                &self.app,
                &Actor::command_line(),
                &publisher.newsletter,
                &feed,
                &publisher.topics,
                "either",
            )
            .await?;
            polled.extend(collect::poll_all(&self.app, &fetcher, vec![source], |_| ()).await?);
        }
        Ok(polled)
    }

    /// Composes today's issue of each newsletter, with a word from its editor, and lets it go at once. Somebody has
    /// to send it still.
    pub async fn compose(&self) -> Result<Vec<Issue>, Error> {
        let mut issues = vec![];
        for title in titles::TITLES {
            let filling = editors::filling(&self.app, title.slug, Some("daily")).await?;
            let issue = match self.frozen_just_now(&filling).await? {
                Some(frozen) => frozen,
                None => {
                    let words = [(Field::Introduction, title.introduction.to_owned())].into();
                    composing::write_words(&self.app, By::CommandLine, filling.id, &words).await?;
                    filling
                }
            };
            issues.push(editors::send(&self.app, issue.id, true).await?);
        }
        Ok(issues)
    }

    /// A demo that starts within a second of a newsletter's slot finds today's issue frozen: then that is the one.
    async fn frozen_just_now(&self, filling: &Issue) -> Result<Option<Issue>, Error> {
        let mut conn = self.app.db.conn().await?;
        let issues = db::issues::in_states(&mut conn, &[IssueState::Frozen, IssueState::Approved]).await?;
        Ok(issues.into_iter().find(|issue| {
            issue.newsletter_id == filling.newsletter_id && issue.schedule_id == filling.schedule_id
        }))
    }

    /// A link that signs a visitor in as the demo's admin, once.
    pub async fn desk_link(&self) -> Result<String, Error> {
        let email = EmailAddress::parse(ADMIN).map_err(Error::Invalid)?;
        let known = db::users::by_email(&mut *self.app.db.conn().await?, &email).await?;
        let id = match known {
            Some(account) => account.user.id,
            None => accounts::add(&self.app, &email, "Demo admin", Some(user::Role::Admin)).await?,
        };
        accounts::sign_in_link(&self.app, id, DESK_LINK).await
    }

    /// What became of these issues, by the ledger and by what the relay holds.
    pub async fn report(&self, issues: &[Issue]) -> Result<Report, Error> {
        report::report(&self.app, issues, self.mailbox.count()).await
    }

    /// Runs the service with all its roles, and the mailbox beside its pages, until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), Error> {
        let Self { app, listener, mailbox, folder, _world, .. } = self;
        let pages = web::router(app.clone()).merge(web::mailbox::router(mailbox));
        let ran = match app.db.lock() {
            Ok(alone) => app::run(&app, alone, &Role::ALL, Some((listener, pages)), stop).await,
            Err(error) => Err(error.into()),
        };
        app.db.close().await;
        drop(folder);
        ran
    }

    /// Ends it: the database is closed, and the folder goes unless it is to be kept.
    pub async fn close(self) {
        self.app.db.close().await;
    }
}

async fn listen(port: u16) -> Result<TcpListener, Error> {
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listening.map_err(|error| Error::Io(format!("127.0.0.1 has no free port: {error}")))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|error| Error::Io(error.to_string()))
}

/// The settings as they are where nobody has set anything: neither the environment nor `.env` is asked.
fn default_settings() -> Settings {
    let matches = deaf(clap::Command::new("demo")).get_matches_from(["demo"]);
    Settings::from_arg_matches(&matches).expect("every setting has a default or may be missing")
}

/// A command that takes the settings as flags, and never from the environment.
fn deaf(command: clap::Command) -> clap::Command {
    Settings::augment_args(command).mut_args(|arg| arg.env(clap::builder::Resettable::Reset))
}

#[cfg(test)]
mod tests;
