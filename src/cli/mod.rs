//! The command tree: one file per noun, each arm one call.

pub mod article;
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

use clap::{Parser, Subcommand};

use self::article::ArticleCommand;
use self::demo::DemoArgs;
use self::dkim::DkimCommand;
use self::issue::IssueCommand;
use self::newsletter::{NewsletterCommand, ScheduleCommand};
use self::output::Output;
use self::source::SourceCommand;
use self::subscriber::SubscriberCommand;
use self::template::TemplateCommand;
use crate::app::{self, Role};
use crate::config::Settings;
use crate::pipeline::{App, Error};
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
    /// See everything at once on sample data, with a mailbox to look into; nothing leaves this machine
    Demo(DemoArgs),
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
    /// Mail templates: check, render, export
    #[command(subcommand)]
    Template(TemplateCommand),
    /// The keys that sign mail (DKIM)
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Look whether everything is set up to send, and say what to do where it is not
    Doctor,
    /// Issues: look, approve, send, and ask why
    #[command(subcommand)]
    Issue(IssueCommand),
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let output = Output { json: cli.json };
    if let Command::Template(command) = cli.command {
        return template::run(cli.settings.templates.as_deref(), output, command);
    }
    if let Command::Demo(args) = cli.command {
        return demo::run(&cli.settings, output, args).await;
    }
    let app = App::open(cli.settings).await?;
    match cli.command {
        Command::Serve { once: true, .. } => app::run_once(&app).await?,
        Command::Serve { role, once: false } => serve(&app, output, role).await?,
        Command::Migrate => output.say("The tables are up to date."),
        Command::Newsletter(command) => newsletter::run(&app, output, command).await?,
        Command::Schedule(command) => newsletter::run_schedule(&app, output, command).await?,
        Command::Subscriber(command) => subscriber::run(&app, output, command).await?,
        Command::Source(command) => source::run(&app, output, command).await?,
        Command::Article(command) => article::run(&app, output, command).await?,
        Command::Issue(command) => issue::run(&app, output, command).await?,
        Command::Dkim(command) => dkim::run(&app, output, command).await?,
        Command::Doctor => doctor::run(&app, output).await?,
        Command::Demo(_) | Command::Template(_) => {}
    }
    app.db.close().await;
    Ok(())
}

async fn serve(app: &App, output: Output, role: Vec<Role>) -> Result<(), Error> {
    let roles = if role.is_empty() { Role::ALL.to_vec() } else { role };
    let stop = app::stop_signal()?;
    let pages = match roles.contains(&Role::Web) {
        true => {
            let listener = app::listen(app.settings.listen).await?;
            let address = listener.local_addr().map_err(|error| Error::Io(error.to_string()))?;
            output.say(format!(
                "Daybreak serves its pages on http://{address} (links say {}).",
                app.settings.public_url
            ));
            Some((listener, web::router(app.clone())))
        }
        false => None,
    };
    app::run(app, &roles, pages, stop).await
}
