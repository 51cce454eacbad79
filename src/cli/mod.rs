//! The command tree: one file per noun, each arm one call.

pub mod output;
pub mod subscriber;
mod subscriber_words;

use clap::{Parser, Subcommand};

use self::output::Output;
use crate::app::App;
use crate::config::Settings;
use crate::pipeline::Error;

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
    /// Bring the database's tables up to date (every command that needs them does so too)
    Migrate,
    /// People: add, import, export, list, show, unsubscribe, suppress, erase
    #[command(subcommand)]
    Subscriber(subscriber::SubscriberCommand),
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let output = Output { json: cli.json };
    match cli.command {
        Command::Migrate => {
            App::open(cli.settings).await?;
            output.say("The tables are up to date.");
        }
        Command::Subscriber(command) => {
            subscriber::run(&App::open(cli.settings).await?, output, command).await?;
        }
    }
    Ok(())
}
