//! `daybreak subscriber …`: people, one at a time or a file of them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use super::subscriber_words as words;
use crate::db::people::Filter;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, instant_of, parse_zone};
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::App;
use crate::pipeline::accounts::Actor;
use crate::pipeline::editors::find_newsletter;
use crate::pipeline::export::{self, Format};
use crate::pipeline::import::{self, Files, read_language};
use crate::pipeline::people::{self, NewPerson};
use crate::pipeline::{Error, story};

#[derive(Subcommand, Debug)]
pub enum SubscriberCommand {
    /// Subscribe one person, who has agreed to it elsewhere; nobody is mailed
    Add(Add),
    /// Subscribe the people of a CSV file; run it again as often as you like, only what changed is written
    #[command(after_long_help = words::IMPORT_HELP)]
    Import(Import),
    /// Write a newsletter's people as CSV, which import reads back, or with --json as one object a line
    Export(Export),
    /// List people in the order of their addresses
    List(List),
    /// Show a person's whole story: subscriptions, consent, suppression, and what was sent or why not
    Show {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// End a person's subscription to one newsletter, or to all of them
    Unsubscribe {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// Only this newsletter
        #[arg(long, value_name = "SLUG")]
        newsletter: Option<String>,
    },
    /// Send a person none of a newsletter's issues for a while
    Pause {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        #[arg(long, value_name = "SLUG")]
        newsletter: String,
        /// The day from which issues come again, in the newsletter's time zone, for instance 2026-08-24
        #[arg(long, value_name = "DATE", value_parser = words::day)]
        until: NaiveDate,
    },
    /// Send a person who had paused a newsletter its issues again
    Resume {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        #[arg(long, value_name = "SLUG")]
        newsletter: String,
    },
    /// Put an address on the suppression list: nothing is mailed to it, by any newsletter
    Suppress {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Take an address off the suppression list
    Unsuppress {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
    /// Forget a person; only a keyed hash of the address stays, so that no import has them mailed again
    Erase {
        #[arg(value_parser = EmailAddress::parse)]
        email: EmailAddress,
    },
}

#[derive(Args, Debug)]
pub struct Add {
    #[arg(value_parser = EmailAddress::parse)]
    email: EmailAddress,
    /// The newsletter to subscribe to
    #[arg(long, value_name = "SLUG")]
    newsletter: String,
    #[arg(long)]
    name: Option<String>,
    /// Topics to get articles on, by name: world,arts; all of them unless given
    #[arg(long, value_delimiter = ',', value_name = "TOPICS")]
    topics: Vec<String>,
    /// The schedule to follow, by name; the newsletter's first unless given
    #[arg(long, value_name = "NAME")]
    schedule: Option<String>,
    /// The hour to get it at, in the person's time zone, for instance 07:30; the schedule's unless given
    #[arg(long, value_parser = TimeOfDay::parse)]
    hour: Option<TimeOfDay>,
    /// The person's time zone, for instance Europe/Paris; the newsletter's unless given
    #[arg(long, value_parser = parse_zone)]
    timezone: Option<Tz>,
    /// The person's language, for instance pt-BR; the newsletter's unless given
    #[arg(long, value_parser = read_language)]
    language: Option<String>,
    /// Do not mail the person before they sign up and confirm
    #[arg(long)]
    pending: bool,
    /// The words that the person agreed to, for the record
    #[arg(long, default_value = "", hide_default_value = true, value_name = "WORDS")]
    consent: String,
}

#[derive(Args, Debug)]
pub struct Import {
    /// The CSV file; - for standard input
    file: PathBuf,
    /// The newsletter to subscribe to
    #[arg(long, value_name = "SLUG")]
    newsletter: String,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Read a column as another field than its name tells, or as “ignore”; may be repeated
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = words::column_and_field)]
    map: Vec<(String, String)>,
    /// The words that these people agreed to, for the record, where the file does not say
    #[arg(long, default_value = "", hide_default_value = true, value_name = "WORDS")]
    consent: String,
    /// The file's encoding, for instance windows-1250; found out unless given
    #[arg(long, value_name = "LABEL")]
    encoding: Option<String>,
    /// Write every refused or incomplete line, and every suppressed address, to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Export {
    /// The newsletter whose people are written
    #[arg(long, value_name = "SLUG")]
    newsletter: String,
    /// Only those who are pending, active or unsubscribed
    #[arg(long, value_parser = words::status)]
    status: Option<SubscriptionStatus>,
    /// Write to this file, readable to you alone; to standard output unless given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct List {
    /// Only those with a subscription to this newsletter
    #[arg(long, value_name = "SLUG")]
    newsletter: Option<String>,
    /// Only those with a subscription that is pending, active or unsubscribed
    #[arg(long, value_parser = words::status)]
    status: Option<SubscriptionStatus>,
    /// Only those on the suppression list
    #[arg(long)]
    suppressed: bool,
    /// Only addresses that begin like this
    #[arg(long, default_value = "", hide_default_value = true, value_name = "BEGINNING")]
    search: String,
    /// Only addresses after this one: the last one of the page before
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ADDRESS")]
    after: String,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

pub async fn run(app: &App, output: Output, command: SubscriberCommand) -> Result<(), Error> {
    match command {
        SubscriberCommand::Add(new) => {
            let added = people::add_by(app, &Actor::command_line(), &new.into()).await?;
            output.one(&added, &[]);
            output.say(words::added(&added));
        }
        SubscriberCommand::Import(asked) => import(app, output, asked).await?,
        SubscriberCommand::Export(asked) => export(app, output, asked).await?,
        SubscriberCommand::List(asked) => list(app, output, asked).await?,
        SubscriberCommand::Show { email } => {
            let story = story::show(app, &email).await?;
            output.one(&story, &words::person(&story));
            words::story(&story).iter().for_each(|line| output.say(line));
        }
        SubscriberCommand::Unsubscribe { email, newsletter } => {
            let left =
                people::unsubscribe(app, &Actor::command_line(), &email, newsletter.as_deref()).await?;
            output.one(&left, &[]);
            left.iter().for_each(|left| output.say(words::left(&email, left)));
        }
        SubscriberCommand::Pause { email, newsletter, until } => {
            let zone = find_newsletter(&mut *app.db.conn().await?, &newsletter).await?.zone;
            people::pause(
                app,
                &Actor::command_line(),
                &email,
                &newsletter,
                instant_of(until, TimeOfDay::midnight(), zone),
            )
            .await?;
            output.say(format!("{email} gets no issue of {newsletter} before {until}."));
        }
        SubscriberCommand::Resume { email, newsletter } => {
            people::resume(app, &Actor::command_line(), &email, &newsletter).await?;
            output.say(format!("{email} gets the issues of {newsletter} again."));
        }
        SubscriberCommand::Suppress { email, reason } => {
            let is_new = people::suppress(app, &Actor::command_line(), &email, &reason).await?;
            output.say(match is_new {
                true => format!("{email} is on the suppression list: nothing is mailed to it."),
                false => format!("{email} was on the suppression list already."),
            });
        }
        SubscriberCommand::Unsuppress { email } => {
            let was = people::unsuppress(app, &Actor::command_line(), &email).await?;
            let why = was.reason.sentence();
            output.say(format!("{email} is off the suppression list; it was there since {}: {why}.", was.at));
        }
        SubscriberCommand::Erase { email } => {
            let erased = people::erase(app, Some(&Actor::command_line()), &email).await?;
            output.one(&erased, &[]);
            output.say(words::erased(&erased));
        }
    }
    Ok(())
}

impl From<Add> for NewPerson {
    fn from(new: Add) -> Self {
        Self {
            email: new.email,
            newsletter: new.newsletter,
            name: new.name,
            topics: new.topics,
            schedule: new.schedule,
            hour: new.hour,
            zone: new.timezone,
            language: new.language,
            pending: new.pending,
            origin: "added at the command line".to_owned(),
            consent_words: new.consent,
        }
    }
}

async fn import(app: &App, output: Output, asked: Import) -> Result<(), Error> {
    let (input, length) = open(&asked.file)?;
    if asked.report.as_deref().is_some_and(|report| is_same(report, &asked.file)) {
        return Err(Error::Invalid("--report names the file to import: give it another name".to_owned()));
    }
    let report: Option<Box<dyn Write + Send>> = match &asked.report {
        None => None,
        Some(path) => Some(Box::new(private_file(path)?)),
    };
    let bar = progress_bar(length);
    let request = import::Request {
        newsletter: asked.newsletter,
        file_name: match asked.file.file_name() {
            Some(name) if name != "-" => name.to_string_lossy().into_owned(),
            _ => "standard input".to_owned(),
        },
        consent_words: asked.consent,
        map: asked.map,
        columns: None,
        encoding: asked.encoding,
        dry_run: asked.dry_run,
    };
    let report = report.map(import::Notes::File);
    let first_look = match length {
        Some(_) => Some(open(&asked.file)?.0),
        // Standard input and its like are read once.
        None => None,
    };
    let files = Files { input, first_look, report, progress: &|bytes| bar.set_position(bytes) };
    import::note(app, &Actor::command_line(), &request).await?;
    let report = import::import(app, &request, files).await;
    bar.finish_and_clear();
    let report = report?;
    output.one(&report, &[]);
    words::imported(&report).iter().for_each(|line| output.say(line));
    Ok(())
}

/// The file to read and its length in bytes, where it has one.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Error> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let failed = |error: io::Error| Error::Io(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(Error::Invalid(format!("{} is a folder: name the CSV file in it", path.display())));
    }
    Ok((Box::new(file), about.is_file().then_some(about.len())))
}

fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// A file for its owner alone: it holds addresses. What was in it is replaced.
fn private_file(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.map_err(|error| Error::Io(format!("{} cannot be written: {error}", path.display())))
}

/// A bar on standard error; it hides by itself where that is no terminal.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = match length {
        Some(_) => "{wide_bar} {bytes} of {total_bytes}, {eta} left",
        None => "{spinner} {bytes} in {elapsed}",
    };
    let style = ProgressStyle::with_template(template).expect("the template is one of these two");
    bar.set_style(style);
    bar
}

async fn export(app: &App, output: Output, asked: Export) -> Result<(), Error> {
    let format = if output.json { Format::JsonLines } else { Format::Csv };
    export::note(app, &Actor::command_line(), &asked.newsletter, asked.status).await?;
    let Some(path) = &asked.output else {
        let mut stdout = io::stdout();
        export::export(app, &asked.newsletter, asked.status, format, &mut stdout).await?;
        return Ok(());
    };
    let mut file = private_file(path)?;
    let count = export::export(app, &asked.newsletter, asked.status, format, &mut file).await?;
    output.say(format!("{} written to {}.", words::counted(count, "person", "people"), path.display()));
    Ok(())
}

async fn list(app: &App, output: Output, asked: List) -> Result<(), Error> {
    let filter = Filter {
        newsletter_id: None,
        status: asked.status,
        suppressed: asked.suppressed,
        prefix: asked.search,
        after: asked.after,
    };
    // One more than asked for tells whether there are more.
    let mut found = people::list(app, asked.newsletter.as_deref(), filter, asked.limit + 1).await?;
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let empty = "Nobody; subscriber add and subscriber import bring people in.";
    output.list(&found, &["address", "name", "newsletters"], words::listed, empty);
    if let Some(last) = found.last().filter(|_| more) {
        output.say(format!("There are more: --after {}", last.email));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::cli::Cli;

    #[test]
    fn the_command_tree_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_are_checked_where_they_are_typed() {
        let parse =
            |words: &str| Cli::try_parse_from(words.split(' ')).map(drop).map_err(|error| error.to_string());
        for words in [
            "daybreak subscriber add ann@example.org --newsletter brief --topics a,b --hour 7:30 --timezone UTC",
            "daybreak subscriber import - --newsletter brief --dry-run --map a=name --map b=ignore",
            "daybreak subscriber export --newsletter brief --status active --json",
            "daybreak subscriber list --search ann --limit 5",
            "daybreak subscriber pause ann@example.org --newsletter brief --until 2026-08-24",
            "daybreak subscriber resume ann@example.org --newsletter brief",
        ] {
            assert_eq!(parse(words), Ok(()));
        }
        for (words, why) in [
            ("daybreak subscriber show ann", "the @ is missing"),
            ("daybreak subscriber add ann@example.org --newsletter brief --hour 25:00", "07:00"),
            ("daybreak subscriber add ann@example.org --newsletter brief --timezone Mars", "Europe/Paris"),
            ("daybreak subscriber pause a@example.org --newsletter b --until soon", "2026-08-24"),
            ("daybreak subscriber pause a@example.org --newsletter b --until +262142-12-31", "2026-08-24"),
            ("daybreak subscriber list --status asleep", "pending, active, unsubscribed"),
            ("daybreak subscriber import - --newsletter brief --map name", "COLUMN=FIELD"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
