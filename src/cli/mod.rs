//! The command tree: one file per noun, each arm one call.

pub mod output;

use clap::{Parser, Subcommand};

use self::output::Output;
use crate::config::Settings;
use crate::pipeline::{App, Error};

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
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let output = Output { json: cli.json };
    match cli.command {
        Command::Migrate => {
            App::open(cli.settings).await?;
            output.say("The tables are up to date.");
        }
    }
    Ok(())
}
