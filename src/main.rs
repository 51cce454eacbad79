//! The words of the command line and the log, then `cli`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use daybreak::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

#[expect(clippy::print_stderr, reason = "where a command says what went wrong")]
fn main() -> ExitCode {
    // Of this folder alone: one of a folder above belongs to something else.
    match dotenvy::from_path(".env") {
        Ok(()) => {}
        Err(error) if error.not_found() => {}
        Err(error) => {
            eprintln!("daybreak: .env cannot be read: {}", cli::printable(&error.to_string()));
            return ExitCode::from(2);
        }
    }
    let cli = Cli::parse();
    for key in cli::unknown_settings() {
        eprintln!("daybreak: {key} is not a setting, and does nothing: `daybreak --help` lists them");
    }
    let filter = EnvFilter::try_new(&cli.settings.log).unwrap_or_default();
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let ran = daybreak::app::runtime().and_then(|runtime| runtime.block_on(cli::run(cli)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("daybreak: {}", cli::printable(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}
