//! The command tree: one file per noun, each arm one call.

pub mod article;
#[cfg(test)]
mod audit_tests;
pub mod demo;
pub mod dkim;
pub mod doctor;
pub mod issue;
pub mod newsletter;
pub mod output;
pub mod send;
pub mod source;
pub mod subscriber;
mod subscriber_words;
pub mod template;
pub mod user;

use clap::{Parser, Subcommand};

use self::article::ArticleCommand;
use self::demo::DemoArgs;
use self::dkim::DkimCommand;
use self::issue::IssueCommand;
use self::newsletter::{NewsletterCommand, ScheduleCommand};
use self::output::Output;
pub use self::output::printable;
use self::source::SourceCommand;
use self::subscriber::SubscriberCommand;
use self::template::TemplateCommand;
use self::user::UserCommand;
use crate::app::{self, Role};
use crate::config::Settings;
use crate::pipeline::{App, Error, accounts, relays};
use crate::web;

/// Daybreak sends newsletter digests: from feeds and editors to inboxes, on schedule.
#[derive(Parser, Debug)]
#[command(name = "daybreak", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print JSON instead of text (commands that read)
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Everything at once, on sample data, with a mailbox to look into; its pages are for this machine alone, at the port
    /// of --listen or another that is free
    Demo(DemoArgs),
    #[command(flatten)]
    OnDatabase(OnDatabase),
    /// Mail templates: check, render, export
    #[command(subcommand)]
    Template(TemplateCommand),
}

/// What works on the database.
#[derive(Subcommand, Debug)]
enum OnDatabase {
    /// Run the service: pages, schedule and sender, all in one unless told otherwise
    Serve {
        /// What this node does, separated by commas
        #[arg(long, value_delimiter = ',')]
        role: Vec<Role>,
        /// Do what is due now, and end: for cron
        #[arg(long)]
        once: bool,
    },
    /// Bring the database's tables up to date (every command that needs them does so too)
    Migrate,
    /// Look whether everything is set up to send, and say what to do where it is not
    Doctor,
    /// Newsletters
    #[command(subcommand)]
    Newsletter(NewsletterCommand),
    /// When newsletters go out
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// People: add, import, export, list, show, unsubscribe, suppress, erase
    #[command(subcommand)]
    Subscriber(SubscriberCommand),
    /// Where articles come from
    #[command(subcommand)]
    Source(SourceCommand),
    /// Articles: write, import, list, hold, pin
    #[command(subcommand)]
    Article(ArticleCommand),
    /// Issues: look, approve, send, and ask why
    #[command(subcommand)]
    Issue(IssueCommand),
    /// Who signs in to the desk: add, list, new passwords, disable
    #[command(subcommand)]
    User(UserCommand),
    /// The keys that sign mail (DKIM)
    #[command(subcommand)]
    Dkim(DkimCommand),
}

/// Keys of the environment that look like settings and are none: a slip of the pen should not pass unnoticed.
pub fn unknown_settings() -> Vec<String> {
    let command = <Cli as clap::CommandFactory>::command();
    let known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()).collect();
    let set = std::env::vars_os().map(|(key, _)| key).filter(|key| !known.contains(&key.as_os_str()));
    let names = set.filter_map(|key| key.into_string().ok());
    names.filter(|key| key.starts_with("DAYBREAK_")).collect()
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let output = Output { json: cli.json };
    match cli.command {
        // What needs no database is done without one.
        Command::Template(command) => template::run(cli.settings.templates.as_deref(), output, command),
        Command::Demo(args) => demo::run(&cli.settings, output, args).await,
        Command::OnDatabase(command) => {
            let app = App::open(cli.settings).await?;
            let done = run_on_database(&app, output, command).await;
            app.db.close().await;
            done
        }
    }
}

async fn run_on_database(app: &App, output: Output, command: OnDatabase) -> Result<(), Error> {
    match command {
        OnDatabase::Serve { once: true, .. } => app::run_once(app).await,
        OnDatabase::Serve { role, once: false } => serve(app, output, role).await,
        OnDatabase::Migrate => {
            output.say("The tables are up to date.");
            Ok(())
        }
        OnDatabase::Newsletter(command) => newsletter::run(app, output, command).await,
        OnDatabase::Schedule(command) => newsletter::run_schedule(app, output, command).await,
        OnDatabase::Subscriber(command) => subscriber::run(app, output, command).await,
        OnDatabase::Source(command) => source::run(app, output, command).await,
        OnDatabase::Article(command) => article::run(app, output, command).await,
        OnDatabase::Issue(command) => issue::run(app, output, command).await,
        OnDatabase::User(command) => user::run(app, output, command).await,
        OnDatabase::Dkim(command) => dkim::run(app, output, command).await,
        OnDatabase::Doctor => doctor::run(app, output).await,
    }
}

async fn serve(app: &App, output: Output, role: Vec<Role>) -> Result<(), Error> {
    let roles = if role.is_empty() { Role::ALL.to_vec() } else { role };
    // A setting that keeps it from sending is said before anything else is.
    if roles.contains(&Role::Send) {
        relays::check(app)?;
    }
    let stop = app::stop_signal()?;
    let alone = app.db.lock()?;
    let pages = match roles.contains(&Role::Web) {
        true => {
            let listener = app::listen(app.settings.listen).await?;
            let address = listener.local_addr().map_err(|error| Error::Io(error.to_string()))?;
            output.say(format!(
                "Daybreak serves its pages on http://{address} (links say {}).",
                app.settings.public_url
            ));
            if let Some(link) = accounts::first_admin_link(app).await? {
                output.say(format!(
                    "Nobody can sign in yet. Whoever opens this link makes the first account, an admin's; it works \
                     until somebody has:\n{link}"
                ));
            }
            Some((listener, web::router(app.clone())))
        }
        false => None,
    };
    app::run(app, alone, &roles, pages, stop).await
}
