//! `daybreak source …`.

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::Output;
use crate::db;
use crate::pipeline::accounts::Actor;
use crate::pipeline::collect::{self, Polled};
use crate::pipeline::{App, Error, compose, editors, sources};

#[derive(Subcommand, Debug)]
pub enum SourceCommand {
    /// Add a feed (RSS, Atom or JSON Feed), and read it once
    Add {
        /// The newsletter
        slug: String,
        url: String,
        /// A topic that its articles get; may be given several times, and is made if it is new
        #[arg(long = "topic")]
        topics: Vec<String>,
        /// What makes two items the same: their GUID, their link, or either
        #[arg(long, default_value = "either")]
        identity: String,
        /// Do not read it now
        #[arg(long)]
        no_poll: bool,
    },
    /// List sources with their health
    List { slug: Option<String> },
    /// Read sources now: one, or all that are not paused
    Poll { id: Option<i64> },
    /// Stop reading a source
    Pause { id: i64 },
    /// Read a paused source again
    Resume { id: i64 },
    /// Remove a source; the articles that it brought stay
    Remove { id: i64 },
}

pub async fn run(app: &App, output: Output, command: SourceCommand) -> Result<(), Error> {
    match command {
        SourceCommand::Add { slug, url, topics, identity, no_poll } => {
            let source = sources::add(app, &Actor::command_line(), &slug, &url, &topics, &identity).await?;
            output.say(format!("Source {} is added.", source.id));
            if !no_poll {
                poll(app, output, vec![source]).await?;
            }
        }
        SourceCommand::List { slug } => list(app, output, slug.as_deref()).await?,
        SourceCommand::Poll { id } => {
            let mut conn = app.db.conn().await?;
            let chosen = match id {
                Some(id) => vec![sources::find(&mut conn, id).await?],
                None => {
                    let all = db::sources::list(&mut conn, None).await?;
                    all.into_iter().filter(|source| !source.paused).collect()
                }
            };
            drop(conn);
            sources::note_polls(app, &Actor::command_line(), &chosen).await?;
            poll(app, output, chosen).await?;
        }
        SourceCommand::Pause { id } => {
            let source = sources::pause(app, &Actor::command_line(), id, true).await?;
            output.say(format!("{} is no longer read; `daybreak source resume {id}` goes on.", source.url));
        }
        SourceCommand::Resume { id } => {
            let source = sources::pause(app, &Actor::command_line(), id, false).await?;
            output.say(format!("{} is read again.", source.url));
        }
        SourceCommand::Remove { id } => {
            let source = sources::remove(app, &Actor::command_line(), id).await?;
            output.say(format!("{} is removed; its articles stay.", source.url));
        }
    }
    Ok(())
}

async fn list(app: &App, output: Output, slug: Option<&str>) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    let newsletter_id = match slug {
        Some(slug) => Some(editors::find_newsletter(&mut conn, slug).await?.id),
        None => None,
    };
    let rows: Vec<_> = db::sources::list(&mut conn, newsletter_id)
        .await?
        .into_iter()
        .map(|source| {
            json!({
                "id": source.id, "url": source.url, "title": source.title, "paused": source.paused,
                "identity": source.identity.as_str(), "failures": source.failures, "error": source.last_error,
                "last_polled": source.last_polled_at.map(|at| at.to_string()),
                "last_success": source.last_success_at.map(|at| at.to_string()),
                "next_poll": source.next_poll_at.to_string(),
            })
        })
        .collect();
    let cells = |row: &serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let health = match (row["paused"] == true, row["error"].as_str()) {
            (true, _) => "paused".to_owned(),
            (false, Some(error)) if row["failures"] == 1 => format!("failed: {error}"),
            (false, Some(error)) => format!("failed {} times: {error}", row["failures"]),
            (false, None) if row["last_polled"].is_null() => "not read yet".to_owned(),
            (false, None) => format!("well at {}", text("last_success")),
        };
        vec![row["id"].to_string(), text("title"), text("url"), health]
    };
    let empty = "There is no source yet: daybreak source add SLUG https://example.org/feed.xml";
    output.list(&rows, &["ID", "TITLE", "URL", "HEALTH"], cells, empty);
    Ok(())
}

/// Polls with a bar, and reports each; fails where the only one failed.
async fn poll(app: &App, output: Output, chosen: Vec<db::sources::Source>) -> Result<(), Error> {
    let bar = ProgressBar::new(chosen.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos} of {len} sources")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let fetcher = collect::fetcher(app)?;
    let polled = collect::poll_all(app, &fetcher, chosen, |_| bar.inc(1)).await?;
    bar.finish_and_clear();
    compose::compose(app).await?;
    let rows: Vec<_> = polled.iter().map(as_json).collect();
    let cells = |row: &serde_json::Value| {
        let result = match row["error"].as_str() {
            Some(error) => error.to_owned(),
            None => format!(
                "{} new, {} told by another source already, {} changed, {} known",
                row["new"], row["same_story"], row["changed"], row["known"]
            ),
        };
        vec![row["source"].to_string(), row["url"].as_str().unwrap_or_default().to_owned(), result]
    };
    output.list(&rows, &["SOURCE", "URL", "RESULT"], cells, "There is no source to read.");
    match polled.as_slice() {
        [Polled { result: Err(why), .. }] => Err(Error::Io(format!("the source could not be read: {why}"))),
        _ => Ok(()),
    }
}

fn as_json(polled: &Polled) -> serde_json::Value {
    match &polled.result {
        Ok(brought) => json!({
            "source": polled.source_id, "url": polled.url, "new": brought.new, "same_story": brought.same_story,
            "changed": brought.changed, "known": brought.known, "skipped": brought.skipped,
        }),
        Err(why) => json!({ "source": polled.source_id, "url": polled.url, "error": why }),
    }
}
