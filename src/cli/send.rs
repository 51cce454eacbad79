//! Watching a send, and doing it from here where no service runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::output::Output;
use crate::db::{self, DbError};
use crate::domain::issue::IssueState;
use crate::pipeline::deliver::{self, Sender, Until};
use crate::pipeline::{App, Error, address, inspect};

/// How often the bar moves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Shows the progress of an issue until nothing of it is left to send but what waits for its readers' own hour.
/// Sends from here where nobody else does. SIGTERM and Ctrl-C end it in good order.
pub async fn wait(app: &App, output: Output, id: i64) -> Result<(), Error> {
    let stop = crate::app::stop_signal()?;
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
    let watched = watch_issue(app, id, alone.is_some(), stop, sending.as_ref()).await;
    let _ = ended.send(true);
    if let Some(sending) = sending {
        sending.await.map_err(|error| Error::Io(format!("the sender crashed: {error}")))??;
    }
    if alone.is_some() {
        deliver::finish(app).await?;
    }
    watched?;
    super::issue::status(app, output, id).await
}

async fn watch_issue(
    app: &App,
    id: i64,
    is_sender: bool,
    mut stop: watch::Receiver<bool>,
    sending: Option<&tokio::task::JoinHandle<Result<(), Error>>>,
) -> Result<(), Error> {
    let bar = ProgressBar::new(0).with_style(style());
    loop {
        if is_sender {
            address::address(app).await?;
            deliver::finish(app).await?;
        }
        let status = look(app, id, &bar).await?;
        if status.is_final() || status == IssueState::Paused {
            break;
        }
        let mut conn = app.db.conn().await?;
        if status == IssueState::Sending
            && !db::deliveries::is_open_now(&mut conn, id, app.clock.now()).await?
        {
            break;
        }
        drop(conn);
        if sending.is_some_and(tokio::task::JoinHandle::is_finished) {
            break;
        }
        if tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            bar.abandon();
            return Err(Error::Io(format!(
                "stopped before issue {id} was sent: `daybreak issue send {id} --wait` or `daybreak serve` goes on"
            )));
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Moves the bar to where the issue is.
async fn look(app: &App, id: i64, bar: &ProgressBar) -> Result<IssueState, Error> {
    let mut conn = app.db.conn().await?;
    let issue = super::super::pipeline::editors::find_issue(&mut conn, id).await?;
    if issue.state == IssueState::Sending {
        if bar.length() == Some(0) {
            let counts = db::deliveries::counts(&mut conn, id).await?;
            let all =
                counts.iter().filter(|count| count.state != "skipped").map(|count| count.count).sum::<i64>();
            bar.set_length(u64::try_from(all).unwrap_or(0));
        }
        let (waiting, claimed) = db::deliveries::open(&mut conn, id).await?;
        let open = u64::try_from(waiting + claimed).unwrap_or(0);
        bar.set_position(bar.length().unwrap_or(0).saturating_sub(open));
        bar.set_message(issue.reason.unwrap_or_default());
    }
    Ok(issue.state)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {pos} of {len}  {per_sec}  {eta} left  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Whether everybody got the issue who should: nothing failed, nothing is left.
pub async fn everybody_got_it(app: &App, id: i64) -> Result<bool, Error> {
    use crate::domain::delivery::DeliveryState as S;
    let status = inspect::status(app, id).await?;
    let missing = [S::Queued, S::Claimed, S::Deferred, S::Failed].map(|state| status.count(state));
    Ok(status.issue.state == IssueState::Sent && missing.iter().sum::<i64>() == 0)
}
