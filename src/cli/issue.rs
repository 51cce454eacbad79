//! `daybreak issue …`.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::output::Output;
use super::send;
use crate::db;
use crate::db::outcomes::Said;
use crate::domain::address::EmailAddress;
use crate::domain::composition::Field;
use crate::domain::delivery::{DeliveryState, OutcomeClass, SkipReason};
use crate::domain::issue::{Issue, IssueState};
use crate::pipeline::accounts::Actor;
use crate::pipeline::composing::{self, By};
use crate::pipeline::why::{self, Answer};
use crate::pipeline::{App, Error, editors};
use crate::pipeline::{inspect, test_mail};

#[derive(Subcommand, Debug)]
pub enum IssueCommand {
    /// List issues, the latest slot first
    List {
        #[arg(long)]
        newsletter: Option<String>,
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Show an issue with its articles
    Show {
        /// An issue's number, or a newsletter's slug: the one that is filling
        #[arg(value_name = "ID|SLUG")]
        which: String,
    },
    /// Show an issue as it will reach a reader, also while it is filling
    Preview {
        /// An issue's number, or a newsletter's slug: the one that is filling
        #[arg(value_name = "ID|SLUG")]
        which: String,
        /// A subscriber whose own copy to show
        #[arg(long = "as", value_name = "EMAIL")]
        reader: Option<String>,
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Send an issue to one address, marked as a test
    Test {
        /// An issue's number, or a newsletter's slug: the one that is filling
        #[arg(value_name = "ID|SLUG")]
        which: String,
        #[arg(long)]
        to: String,
    },
    /// Approve an issue: it goes out at its slot
    Approve { id: i64 },
    /// Keep an issue back until somebody approves it
    Hold { id: i64 },
    /// Write an issue's introduction, subject or preheader, while it is filling or waits for approval
    Write {
        id: i64,
        /// Paragraphs with blank lines between them; [words](https://…) for a link, *emphasis*, **strong**, - or 1. for a list
        #[arg(long)]
        introduction: Option<String>,
        /// A Handlebars line in place of the newsletter's; empty: the newsletter's
        #[arg(long)]
        subject: Option<String>,
        #[arg(long)]
        preheader: Option<String>,
    },
    /// Send an issue, or the one of a newsletter that is filling
    Send {
        /// An issue's number, or a newsletter's slug
        #[arg(value_name = "ID|SLUG")]
        which: String,
        /// Now, not at its slot, whatever hours readers chose
        #[arg(long)]
        now: bool,
        /// Of a newsletter with several schedules, the one whose issue to send
        #[arg(long)]
        schedule: Option<String>,
        /// Show the progress until it is sent, and send from here if no service runs
        #[arg(long)]
        wait: bool,
    },
    /// Stop a send for now; who has it, has it
    Pause { id: i64 },
    /// Go on with a paused send where it stood
    Resume { id: i64 },
    /// End an issue for good: who has not got it does not get it
    Cancel { id: i64 },
    /// How far a send is, by outcome and reason
    Status {
        /// An issue's number, or a newsletter's slug: its latest that went out or is about to
        #[arg(value_name = "ID|SLUG")]
        which: String,
    },
    /// Why somebody did or did not get an issue
    Why {
        /// An issue's number, or a newsletter's slug: its latest that went out or is about to
        #[arg(value_name = "ID|SLUG")]
        which: String,
        email: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Html,
    Text,
    Eml,
}

pub async fn run(app: &App, output: Output, command: IssueCommand) -> Result<(), Error> {
    match command {
        IssueCommand::List { newsletter, limit } => list(app, output, newsletter.as_deref(), limit).await?,
        IssueCommand::Show { which } => show(app, output, filling(app, &which).await?).await?,
        IssueCommand::Preview { which, reader, format } => {
            let id = filling(app, &which).await?;
            let reader = reader.as_deref().map(EmailAddress::parse).transpose().map_err(Error::Invalid)?;
            let preview = inspect::preview(app, id, reader.as_ref()).await?;
            match format {
                Format::Html => output.raw(&preview.html()),
                Format::Text => output.raw(&format!("Subject: {}\n\n{}", preview.subject(), preview.text())),
                Format::Eml => output.raw(&preview.eml),
            }
        }
        IssueCommand::Test { which, to } => {
            let id = filling(app, &which).await?;
            let to = EmailAddress::parse(&to).map_err(Error::Invalid)?;
            let outcome = test_mail::test_by_command(app, id, &to).await?;
            if outcome.class != OutcomeClass::Sent {
                return Err(Error::Io(format!("the test was not sent: {}", outcome.detail)));
            }
            output.say(format!("Sent to {to}: {}", outcome.detail));
        }
        IssueCommand::Approve { id } => {
            let issue = editors::approve(app, id).await?;
            output.say(format!("Issue {id} is approved and goes out at {}.", issue.slot_at));
        }
        IssueCommand::Hold { id } => {
            editors::hold(app, id).await?;
            output
                .say(format!("Issue {id} is held: it does not go out before `daybreak issue approve {id}`."));
        }
        IssueCommand::Write { id, introduction, subject, preheader } => {
            let words = [
                (Field::Introduction, introduction),
                (Field::Subject, subject),
                (Field::Preheader, preheader),
            ];
            let words = words.into_iter().filter_map(|(field, text)| Some((field, text?))).collect();
            composing::write_words(app, By::CommandLine, id, &words).await?;
            output.say(format!("Written. Look at it: daybreak issue preview {id}"));
        }
        IssueCommand::Send { which, now, schedule, wait } => {
            let id = match which.parse() {
                Ok(id) => id,
                Err(_) => {
                    let by = Actor::command_line();
                    editors::filling_by(app, Some(&by), &which, schedule.as_deref()).await?.id
                }
            };
            let issue = editors::send(app, id, now).await?;
            if wait {
                send::wait(app, output, issue.id).await?;
            } else if now {
                let day = issue.slot_date.format("%-d %B %Y");
                output.say(format!(
                    "Issue {id} goes out now as the issue of {day}, by the running `daybreak serve` (or add --wait)."
                ));
            } else {
                output.say(format!("Issue {id} is approved and goes out at {}.", issue.slot_at));
            }
        }
        IssueCommand::Pause { id } => {
            editors::pause(app, id).await?;
            output.say(format!("Issue {id} is paused: `daybreak issue resume {id}` goes on where it stood."));
        }
        IssueCommand::Resume { id } => {
            editors::resume(app, id).await?;
            output.say(format!("Issue {id} goes on."));
        }
        IssueCommand::Cancel { id } => {
            editors::cancel(app, id).await?;
            output.say(format!("Issue {id} is cancelled: nobody else gets it."));
        }
        IssueCommand::Status { which } => status(app, output, gone_out(app, &which).await?).await?,
        IssueCommand::Why { which, email } => {
            let id = gone_out(app, &which).await?;
            let email = EmailAddress::parse(&email).map_err(Error::Invalid)?;
            let answer = why::why(app, id, &email).await?;
            output.one(&answer_as_json(id, &answer), &[("", answer.sentence)]);
        }
    }
    Ok(())
}

/// The issue of that number; behind a newsletter's slug the one that is filling, as `issue send` takes it.
async fn filling(app: &App, which: &str) -> Result<i64, Error> {
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let mut conn = app.db.conn().await?;
    let newsletter = editors::find_newsletter(&mut conn, which).await?;
    let schedules = db::newsletters::schedules_of(&mut conn, newsletter.id).await?;
    let first = schedules.iter().find(|schedule| !schedule.paused).map(|schedule| schedule.id);
    let draft = db::issues::draft_of(&mut conn, newsletter.id, first).await?;
    draft.map(|draft| draft.id).ok_or_else(|| {
        Error::NotFound(format!(
            "“{which}” has no issue that is filling: a schedule makes one (daybreak schedule add {which} --at 07:00); \
             `daybreak issue list` shows those there are"
        ))
    })
}

/// The issue of that number; behind a newsletter's slug its latest that is not filling any more.
async fn gone_out(app: &App, which: &str) -> Result<i64, Error> {
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let mut conn = app.db.conn().await?;
    let newsletter = editors::find_newsletter(&mut conn, which).await?;
    let issues = db::issues::list(&mut conn, Some(newsletter.id), LOOKED_AT).await?;
    let latest = issues.iter().find(|issue| issue.state != IssueState::Draft);
    latest.map(|issue| issue.id).ok_or_else(|| {
        Error::NotFound(format!(
            "nothing of “{which}” has gone out yet: `daybreak issue list` shows what is filling"
        ))
    })
}

/// How many issues are looked at for the latest that went out: one is filling for each schedule at most.
const LOOKED_AT: i64 = 200;

fn as_json(issue: &Issue) -> serde_json::Value {
    json!({
        "id": issue.id,
        "newsletter_id": issue.newsletter_id,
        "number": issue.number,
        "slot": issue.slot_at.to_string(),
        "date": issue.slot_date,
        "edition": issue.edition,
        "cutoff": issue.cutoff_at.to_string(),
        "state": issue.state.as_str(),
        "held": issue.held,
        "reason": issue.reason,
    })
}

async fn list(app: &App, output: Output, slug: Option<&str>, limit: i64) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    let newsletters = db::newsletters::list(&mut conn).await?;
    let schedules = db::newsletters::schedules(&mut conn).await?;
    let newsletter_id = match slug {
        Some(slug) => Some(editors::find_newsletter(&mut conn, slug).await?.id),
        None => None,
    };
    let issues = db::issues::list(&mut conn, newsletter_id, limit).await?;
    let rows: Vec<_> = issues
        .iter()
        .map(|issue| {
            let mut row = as_json(issue);
            let newsletter = newsletters.iter().find(|newsletter| newsletter.id == issue.newsletter_id);
            row["newsletter"] = json!(newsletter.map(|newsletter| &newsletter.slug));
            let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
            row["schedule"] = json!(schedule.map(|schedule| &schedule.name));
            row
        })
        .collect();
    let cells = |row: &serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        vec![
            row["id"].to_string(),
            text("newsletter"),
            text("schedule"),
            text("slot"),
            text("state"),
            text("reason"),
        ]
    };
    let empty = "There is no issue yet: a schedule makes one (daybreak schedule add), and serve fills it.";
    output.list(&rows, &["ID", "NEWSLETTER", "SCHEDULE", "SLOT", "STATE", "REASON"], cells, empty);
    Ok(())
}

async fn show(app: &App, output: Output, id: i64) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    let issue = editors::find_issue(&mut conn, id).await?;
    let articles = db::articles::of_issue(&mut conn, id).await?;
    let mut shown = as_json(&issue);
    shown["articles"] = articles
        .iter()
        .map(|article| json!({ "id": article.id, "title": article.title, "url": article.url, "source": article.source }))
        .collect();
    let mut lines = vec![
        ("state", issue.state.as_str().to_owned()),
        ("slot", issue.slot_at.to_string()),
        ("freezes", issue.cutoff_at.to_string()),
    ];
    lines.extend(issue.reason.clone().map(|reason| ("reason", reason)));
    lines.extend(articles.iter().map(|article| ("article", format!("{}  {}", article.id, article.title))));
    output.one(&shown, &lines);
    Ok(())
}

fn said_as_json(said: &Said) -> serde_json::Value {
    let next = (said.state == DeliveryState::Deferred).then(|| said.next_at.to_string());
    json!({
        "state": said.state.as_str(),
        "reason": said.reason,
        "said": said.detail,
        "count": said.count,
        "next": next,
    })
}

fn answer_as_json(issue: i64, answer: &Answer) -> serde_json::Value {
    json!({
        "issue": issue,
        "state": answer.state.map(DeliveryState::as_str),
        "reason": answer.reason,
        "detail": answer.detail,
        "attempts": answer.attempts,
        "since": answer.since.map(|time| time.to_string()),
        "next": answer.next_at.map(|time| time.to_string()),
        "answer": answer.sentence,
    })
}

pub async fn status(app: &App, output: Output, id: i64) -> Result<(), Error> {
    let status = why::status(app, id).await?;
    let shown = json!({
        "issue": as_json(&status.issue),
        "deliveries": status.counts,
        "said": status.said.iter().map(said_as_json).collect::<Vec<_>>(),
    });
    let mut lines = vec![("issue", format!("{} is {}", id, status.issue.state.as_str()))];
    lines.extend(status.issue.reason.clone().map(|reason| ("", reason)));
    for state in DeliveryState::ALL {
        let count = status.count(state);
        if count > 0 {
            lines.push((state.as_str(), count.to_string()));
        }
        for said in status.said.iter().filter(|said| said.state == state) {
            let again = match state {
                DeliveryState::Deferred => format!(" (the next try at {})", said.next_at),
                _ => String::new(),
            };
            let detail = said.detail.as_deref().or(said.reason.as_deref()).unwrap_or_default();
            lines.push(("", format!("{:>8}  {detail}{again}", said.count)));
        }
        if state == DeliveryState::Skipped {
            for count in status.counts.iter().filter(|count| count.state == state.as_str()) {
                let reason = count.reason.as_deref().unwrap_or_default();
                let sentence = SkipReason::parse(reason).map_or(reason, |skip| skip.sentence());
                lines.push(("", format!("{:>8}  {sentence}", count.count)));
            }
        }
    }
    output.one(&shown, &lines);
    Ok(())
}
