//! `daybreak demo`.

use std::path::PathBuf;

use clap::Args;
use tokio::sync::watch;

use super::output::Output;
use super::send;
use crate::app;
use crate::config::Settings;
use crate::demo::{ADMIN, Demo, Options, Report};
use crate::domain::issue::Issue;
use crate::pipeline::Error;
use crate::pipeline::collect::Polled;

#[derive(Args, Debug)]
pub struct DemoArgs {
    /// End after today's issues: with status 0 where everybody got theirs who should, 1 where not
    #[arg(long)]
    exit: bool,
    /// How many people are subscribed
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    subscribers: u64,
    /// Keep database and mails in this folder, for a closer look (daybreak issue list --database-url sqlite://DIR/daybreak.db)
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub async fn run(settings: &Settings, output: Output, args: DemoArgs) -> Result<(), Error> {
    let stop = app::stop_signal()?;
    let demo = Demo::open(Options { subscribers: args.subscribers, keep: args.keep }, settings).await?;
    let (folder, is_kept) = demo.folder();
    let fate = if is_kept { "is kept" } else { "goes away at the end" };
    output.say(format!(
        "A demo of Daybreak. Nothing leaves this machine; the database is in {folder} and {fate}.\n"
    ));
    let issues = rehearse(&demo, output, stop.clone()).await?;
    let report = demo.report(&issues).await?;
    tell(output, &report);
    if args.exit {
        demo.close().await;
        return if report.everything_arrived { Ok(()) } else { Err(what_is_missing(&report)) };
    }
    go_on(demo, output, stop).await
}

/// Makes everything and sends today's issues.
async fn rehearse(demo: &Demo, output: Output, mut stop: watch::Receiver<bool>) -> Result<Vec<Issue>, Error> {
    let prepare = async {
        demo.load().await?;
        say_polled(output, &demo.subscribe_to_papers().await?);
        demo.compose().await
    };
    let issues = tokio::select! {
        prepared = prepare => prepared?,
        _ = stop.wait_for(|stop| *stop) => return Err(Error::Io("stopped before anything was sent".to_owned())),
    };
    let ids: Vec<i64> = issues.iter().map(|issue| issue.id).collect();
    let sent = send::send(&demo.app, &ids, stop.clone()).await;
    if *stop.borrow() {
        // Going on with it later, as the sender would advise, is not for a demo.
        return Err(Error::Io("stopped before everything was sent".to_owned()));
    }
    sent?;
    Ok(issues)
}

fn say_polled(output: Output, polled: &[Polled]) {
    let count = |of: fn(&crate::pipeline::collect::Brought) -> usize| -> usize {
        polled.iter().filter_map(|polled| polled.result.as_ref().ok()).map(of).sum()
    };
    output.say(format!(
        "Read {} feeds: {} new articles, {} told by another source already, {} known.",
        polled.len(),
        count(|brought| brought.new),
        count(|brought| brought.same_story),
        count(|brought| brought.known),
    ));
    for Polled { url, result, .. } in polled {
        if let Err(why) = result {
            output.say(format!("{url} could not be read: {why}."));
        }
    }
}

fn tell(output: Output, report: &Report) {
    // For a program that reads along; people get the same in lines.
    output.one(report, &[]);
    let line = |count: i64, what: &str| output.say(format!("{count:>8}  {what}"));
    for outcome in &report.newsletters {
        output.say(format!("\n{} No. {}: {}", outcome.newsletter, outcome.number, outcome.subject));
        line(outcome.sent, &format!("sent, in {:.2} seconds", outcome.seconds));
        for skipped in &outcome.skipped {
            line(skipped.count, &format!("not sent: {}", skipped.because));
        }
        line(outcome.failed, "failed");
        if outcome.waiting > 0 {
            line(outcome.waiting, "still waiting");
        }
        if outcome.other_schedules > 0 {
            line(outcome.other_schedules, "not asked: the reader follows another schedule");
        }
    }
    output.say(format!(
        "\nThe ledger says that {} were sent, and {} came in at the relay.",
        report.sent, report.caught
    ));
    if !report.everything_arrived {
        output.say(format!("\n{}", what_is_missing(report)));
    }
}

fn what_is_missing(report: &Report) -> Error {
    let failed: i64 = report.newsletters.iter().map(|outcome| outcome.failed).sum();
    let waiting: i64 = report.newsletters.iter().map(|outcome| outcome.waiting).sum();
    Error::Io(format!(
        "not every digest arrived as it should: {} were sent, {} caught, {failed} failed and {waiting} are waiting; \
         `daybreak demo --keep DIR` leaves the database for `daybreak issue status`",
        report.sent, report.caught
    ))
}

/// Serves the pages and keeps to the schedule until somebody has seen enough.
async fn go_on(demo: Demo, output: Output, stop: watch::Receiver<bool>) -> Result<(), Error> {
    let base = demo.app.settings.public_url.clone();
    let desk = demo.desk_link().await?;
    output.say(format!(
        "\nThe desk        {desk}   (signs you in as the demo's admin, once)\nSign in again   {base}/sign-in   (as \
         {ADMIN}, without a password: the link comes to the mailbox)"
    ));
    output.say(format!(
        "The mailbox     {base}/mailbox\nSign up         {base}/subscribe   (the mail that asks you to confirm \
         comes to the mailbox)\nThe papers      {}/\nSMTP            {}   (send it mail of your own)\n\nThe schedule \
         goes on. Ctrl-C ends it.",
        demo.papers(),
        demo.relay,
    ));
    demo.run(stop).await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use clap::Parser as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::cli::Cli;

    /// A demo on an evening in Paris, with settings that it must not touch.
    async fn demo(subscribers: u64, clock: &str) -> Demo {
        let words = [
            "daybreak",
            "demo",
            "--clock",
            clock,
            "--database-url",
            "postgres://nobody@nowhere.invalid/precious",
            "--relay-url",
            "smtp://relay.nowhere.invalid:25?tls=none",
            "--public-url",
            "https://news.nowhere.invalid",
        ];
        let settings = Cli::parse_from(words).settings;
        Demo::open(Options { subscribers, keep: None }, &settings).await.unwrap()
    }

    async fn rehearsed(demo: &Demo) -> Vec<Issue> {
        let (_keep, stop) = watch::channel(false);
        rehearse(demo, Output { json: true }, stop).await.unwrap()
    }

    /// Hands the relay a mail that no ledger knows of.
    async fn send_by_hand(relay: SocketAddr) {
        let mut stream = tokio::net::TcpStream::connect(relay).await.unwrap();
        let words = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<guest@visitor.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n";
        stream.write_all(words.as_bytes()).await.unwrap();
        stream.read_to_string(&mut String::new()).await.unwrap();
    }

    #[tokio::test]
    async fn everybody_gets_today_s_issue_or_is_counted_under_a_reason() {
        let demo = demo(40, "2026-03-28T19:30:00Z").await;
        let settings = &demo.app.settings;
        assert!(settings.public_url.starts_with("http://127.0.0.1:"));
        assert!(settings.relay_url.reveal().starts_with("smtp://127.0.0.1:"));
        assert!(settings.database_url.reveal().contains("daybreak-demo-"));
        let issues = rehearsed(&demo).await;
        let report = demo.report(&issues).await.unwrap();
        let counts: Vec<_> = report
            .newsletters
            .iter()
            .map(|outcome| {
                let skipped: Vec<_> =
                    outcome.skipped.iter().map(|skipped| (skipped.reason.as_str(), skipped.count)).collect();
                (outcome.sent, outcome.failed, outcome.waiting, outcome.other_schedules, skipped)
            })
            .collect();
        let brief = vec![
            ("no_articles", 3),
            ("paused", 2),
            ("suppressed", 1),
            ("unconfirmed", 2),
            ("unsubscribed", 2),
        ];
        let revue = vec![("no_articles", 2), ("suppressed", 2), ("unsubscribed", 1)];
        assert_eq!(counts, [(19, 0, 0, 2, brief), (10, 0, 0, 0, revue)]);
        assert!(report.everything_arrived);
        assert!(report.newsletters[0].subject.starts_with("Night ferry to Skarholm returns"));

        send_by_hand(demo.relay).await;
        let report = demo.report(&issues).await.unwrap();
        assert!(!report.everything_arrived, "one mail more than the ledger knows of");
        let folder = demo.folder().0;
        demo.close().await;
        assert!(!std::path::Path::new(&folder).exists());
    }

    #[tokio::test]
    async fn a_demo_that_starts_at_a_newsletter_s_slot_sends_the_issue_of_that_slot() {
        let demo = demo(12, "2026-03-28T05:59:59Z").await;
        let issues = rehearsed(&demo).await;
        let report = demo.report(&issues).await.unwrap();
        assert!(report.everything_arrived && report.sent > 5, "{report:?}");
    }

    #[tokio::test]
    async fn a_demo_that_is_stopped_leaves_nothing_behind() {
        let demo = demo(40, "2026-03-28T19:30:00Z").await;
        let folder = demo.folder().0;
        let (_keep, stop) = watch::channel(true);
        let stopped = rehearse(&demo, Output { json: true }, stop).await;
        assert!(stopped.unwrap_err().to_string().contains("stopped"));
        drop(demo);
        assert!(!std::path::Path::new(&folder).exists());
    }
}
