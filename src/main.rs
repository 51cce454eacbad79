//! The words of the command line and the log, then `cli`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use daybreak::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "where a command says what went wrong")]
async fn main() -> ExitCode {
    // A missing .env is as good as an empty one; a broken one is said by the setting that is then missing.
    let _ = dotenvy::dotenv();
    let cli = Cli::parse();
    let filter = EnvFilter::try_new(&cli.settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match cli::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("daybreak: {error}");
            ExitCode::FAILURE
        }
    }
}
