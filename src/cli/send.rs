//! Watching a send, and doing it from here where no service runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::output::Output;
use crate::db::{self, DbError};
use crate::domain::issue::IssueState;
use crate::pipeline::deliver::{self, Sender, Until};
use crate::pipeline::{App, Error, address, editors};

/// How often the bar moves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Shows the progress of an issue until nothing of it is left to send but what waits for its readers' own hour.
/// Sends from here where nobody else does. SIGTERM and Ctrl-C end it in good order. Fails where the issue is paused.
pub async fn wait(app: &App, output: Output, id: i64) -> Result<(), Error> {
    send(app, &[id], crate::app::stop_signal()?).await?;
    super::issue::status(app, output, id).await?;
    let issue = editors::find_issue(&mut *app.db.conn().await?, id).await?;
    match issue.state {
        // For scripts: not everybody has it.
        IssueState::Paused => Err(Error::Invalid(format!(
            "issue {id} was paused before everybody had it; `daybreak issue resume {id}` goes on where it stood"
        ))),
        _ => Ok(()),
    }
}

/// The same for several issues that go out side by side, until `stop` turns true; says nothing of how it went.
pub async fn send(app: &App, ids: &[i64], stop: watch::Receiver<bool>) -> Result<(), Error> {
    let alone = match app.db.lock() {
        Ok(lock) => Some(lock),
        Err(DbError::Taken { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let (ended, any_ended) = watch::channel(false);
    let sending = match &alone {
        Some(_) => {
            let sender = Sender::new(app, any_ended)?;
            Some(tokio::spawn(async move { sender.run(Until::Stopped).await }))
        }
        None => None,
    };
    let watched = watch_issues(app, ids, alone.is_some(), stop, sending.as_ref()).await;
    let _ = ended.send(true);
    if let Some(sending) = sending {
        sending.await.map_err(|error| Error::Io(format!("the sender crashed: {error}")))??;
    }
    if alone.is_some() {
        deliver::finish(app).await?;
    }
    watched
}

async fn watch_issues(
    app: &App,
    ids: &[i64],
    is_sender: bool,
    mut stop: watch::Receiver<bool>,
    sending: Option<&tokio::task::JoinHandle<Result<(), Error>>>,
) -> Result<(), Error> {
    let bar = ProgressBar::new(0).with_style(style());
    let mut progress: Vec<Progress> = ids.iter().map(|id| Progress::of(*id)).collect();
    loop {
        if is_sender {
            address::address(app).await?;
            deliver::finish(app).await?;
        }
        for issue in &mut progress {
            issue.look(app).await?;
        }
        bar.set_length(progress.iter().map(|issue| issue.all).sum());
        bar.set_position(progress.iter().map(|issue| issue.all.saturating_sub(issue.open)).sum());
        bar.set_message(progress.iter().find_map(|issue| issue.reason.clone()).unwrap_or_default());
        if progress.iter().all(|issue| issue.is_over) {
            break;
        }
        if sending.is_some_and(tokio::task::JoinHandle::is_finished) {
            break;
        }
        if tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            bar.abandon();
            let left = progress.iter().find(|issue| !issue.is_over).map_or(0, |issue| issue.id);
            return Err(Error::Io(format!(
                "stopped before issue {left} was sent: `daybreak issue send {left} --wait` or `daybreak serve` goes on"
            )));
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// How far an issue is.
struct Progress {
    id: i64,
    /// Messages to send; 0 until the issue goes out.
    all: u64,
    /// Those that have not come to an end.
    open: u64,
    reason: Option<String>,
    /// Whether nothing is left to wait for.
    is_over: bool,
}

impl Progress {
    fn of(id: i64) -> Self {
        Self { id, all: 0, open: 0, reason: None, is_over: false }
    }

    async fn look(&mut self, app: &App) -> Result<(), Error> {
        let mut conn = app.db.conn().await?;
        let issue = editors::find_issue(&mut conn, self.id).await?;
        if issue.state == IssueState::Sending {
            if self.all == 0 {
                let counts = db::keeping::counts(&mut conn, self.id).await?;
                let to_send = counts.iter().filter(|count| count.state != "skipped").map(|count| count.count);
                self.all = u64::try_from(to_send.sum::<i64>()).unwrap_or(0);
            }
            let (waiting, claimed) = db::deliveries::open(&mut conn, self.id).await?;
            self.open = u64::try_from(waiting + claimed).unwrap_or(0);
            // With nothing left at all, the issue is about to be finished by who sends it.
            self.is_over =
                self.open > 0 && !db::deliveries::is_open_now(&mut conn, self.id, app.clock.now()).await?;
        } else {
            self.is_over = issue.state.is_final() || issue.state == IssueState::Paused;
            if issue.state.is_final() {
                self.open = 0;
            }
        }
        self.reason = issue.reason;
        Ok(())
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {pos} of {len}  {per_sec}  {eta} left  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
