//! `daybreak article …`.

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::Output;
use crate::db;
use crate::db::articles::Article;
use crate::pipeline::articles::{self, Added, ByHand};
use crate::pipeline::composing::{self, By};
use crate::pipeline::{App, Error, collect, compose, editors};

#[derive(Subcommand, Debug)]
pub enum ArticleCommand {
    /// Write an article by hand
    Add {
        /// The newsletter
        slug: String,
        #[arg(long)]
        title: String,
        #[arg(long)]
        url: Option<String>,
        #[arg(long)]
        summary: Option<String>,
        /// Text with blank lines between paragraphs, or HTML
        #[arg(long)]
        body: Option<String>,
        #[arg(long)]
        author: Option<String>,
        #[arg(long)]
        image: Option<String>,
        /// What the image shows, in words
        #[arg(long)]
        image_alt: Option<String>,
        /// May be given several times; made if it is new
        #[arg(long = "topic")]
        topics: Vec<String>,
    },
    /// Read articles from their pages: links, saved pages, or files with pasted text
    Import {
        /// The newsletter
        slug: String,
        #[arg(required = true, value_name = "FILE|URL")]
        places: Vec<String>,
        #[arg(long = "topic")]
        topics: Vec<String>,
    },
    /// List a newsletter's newest articles
    List {
        slug: String,
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Keep an article out of issues
    Hold { id: i64 },
    /// Let a held article in again
    Release { id: i64 },
    /// Put an article at the top of its issue, however old it is
    Pin { id: i64 },
    /// Take an article from the top
    Unpin { id: i64 },
}

pub async fn run(app: &App, output: Output, command: ArticleCommand) -> Result<(), Error> {
    let done = run_one(app, output, command).await;
    // The issues that are filling show it at once.
    compose::compose(app).await?;
    done
}

async fn run_one(app: &App, output: Output, command: ArticleCommand) -> Result<(), Error> {
    match command {
        ArticleCommand::Add { slug, title, url, summary, body, author, image, image_alt, topics } => {
            let article =
                articles::by_hand(ByHand { title, url, summary, body, author, image_url: image, image_alt })?;
            let newsletter = editors::find_newsletter(&mut *app.db.conn().await?, &slug).await?;
            let added = composing::add(app, By::CommandLine, &newsletter, &article, &topics).await?;
            print(output, &[added]);
        }
        ArticleCommand::Import { slug, places, topics } => {
            import(app, output, &slug, &places, &topics).await?
        }
        ArticleCommand::List { slug, limit } => {
            let mut conn = app.db.conn().await?;
            let newsletter = editors::find_newsletter(&mut conn, &slug).await?;
            let listed = db::articles::list(&mut conn, newsletter.id, limit).await?;
            let rows: Vec<_> = listed.iter().map(as_json).collect();
            let cells = |row: &serde_json::Value| {
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                let mark = match (row["held"] == true, row["pinned"] == true, row["same_story_as"].is_null())
                {
                    (true, _, _) => "held".to_owned(),
                    (_, true, _) => "pinned".to_owned(),
                    (_, _, false) => format!("same story as {}", row["same_story_as"]),
                    _ => String::new(),
                };
                vec![row["id"].to_string(), text("fresh"), text("source"), text("title"), mark]
            };
            let empty = "There is no article yet: daybreak source add, article import, or article add.";
            output.list(&rows, &["ID", "SINCE", "SOURCE", "TITLE", ""], cells, empty);
        }
        ArticleCommand::Hold { id } => {
            composing::flag(app, By::CommandLine, id, Some(true), None).await?;
            output.say(format!("Article {id} stays out of issues until `daybreak article release {id}`."));
        }
        ArticleCommand::Release { id } => {
            composing::flag(app, By::CommandLine, id, Some(false), None).await?;
            output.say(format!("Article {id} may go into issues again."));
        }
        ArticleCommand::Pin { id } => {
            composing::flag(app, By::CommandLine, id, None, Some(true)).await?;
            output.say(format!("Article {id} goes to the top of the next issue."));
        }
        ArticleCommand::Unpin { id } => {
            composing::flag(app, By::CommandLine, id, None, Some(false)).await?;
            output.say(format!("Article {id} takes its place among the others."));
        }
    }
    Ok(())
}

/// Reads each place; one that cannot be read does not keep the others out.
async fn import(
    app: &App,
    output: Output,
    slug: &str,
    places: &[String],
    topics: &[String],
) -> Result<(), Error> {
    let newsletter = editors::find_newsletter(&mut *app.db.conn().await?, slug).await?;
    let fetcher = collect::fetcher(app)?;
    let bar = ProgressBar::new(places.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos} of {len} pages")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut added = vec![];
    let mut failed = vec![];
    for place in places {
        let is_link = place.starts_with("http://") || place.starts_with("https://");
        let found =
            if is_link { articles::fetch(&fetcher, place).await } else { articles::read_file(place).await };
        match found {
            Ok(article) => {
                added.push(composing::add(app, By::CommandLine, &newsletter, &article, topics).await?)
            }
            Err(error) => failed.push(error.to_string()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    print(output, &added);
    match failed.as_slice() {
        [] => Ok(()),
        _ => Err(Error::Io(format!(
            "{} of {} could not be read:\n  {}",
            failed.len(),
            places.len(),
            failed.join("\n  ")
        ))),
    }
}

fn print(output: Output, added: &[Added]) {
    let rows: Vec<_> = added
        .iter()
        .map(|added| {
            let (article, is_new) = match added {
                Added::New(article) => (article, true),
                Added::Known(article) => (article, false),
            };
            let mut row = as_json(article);
            row["new"] = json!(is_new);
            row
        })
        .collect();
    let cells = |row: &serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let state = if row["new"] == true { "added" } else { "known already" };
        vec![row["id"].to_string(), state.to_owned(), text("title"), text("author"), text("published")]
    };
    output.list(&rows, &["ID", "", "TITLE", "AUTHOR", "PUBLISHED"], cells, "Nothing was added.");
}

fn as_json(article: &Article) -> serde_json::Value {
    json!({
        "id": article.id, "title": article.title, "author": article.author, "url": article.url,
        "source": article.source, "summary": article.summary, "image": article.image_url,
        "image_alt": article.image_alt, "language": article.language,
        "published": article.published_at.map(|at| at.to_string()),
        "fresh": article.fresh_at.to_string(), "held": article.held, "pinned": article.pinned,
        "same_story_as": article.story_id,
    })
}
