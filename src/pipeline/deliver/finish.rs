//! Brings issues to their end: all deliveries settled, or cancelled.

use crate::db;
use crate::domain::delivery::{DeliveryState, without_addresses};
use crate::domain::issue::{Issue, IssueState};
use crate::pipeline::editors::{self, Note};

use super::super::{App, Error, audience, results};

/// Deliveries of a cancelled issue that are skipped in one statement: other writers need not wait long.
const CANCEL_BATCH: i64 = 5_000;

/// Ends every issue that has nothing left to send, and returns them.
pub async fn finish(app: &App) -> Result<Vec<i64>, Error> {
    let (sending, cancelled) = db::within(async {
        let mut conn = app.db.conn().await?;
        let sending = db::issues::in_states(&mut conn, &[IssueState::Sending]).await?;
        Ok((sending, db::issues::cancelled_and_open(&mut conn).await?))
    })
    .await?;
    for issue_id in cancelled {
        let mut conn = app.db.conn().await?;
        while db::deliveries::cancel(&mut conn, issue_id, CANCEL_BATCH, app.clock.now()).await? > 0 {}
    }
    keep_cancelled(app).await?;
    let mut finished = vec![];
    for issue in sending {
        match finish_one(app, &issue).await {
            Ok(true) => finished.push(issue.id),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(issue = issue.id, %error, "an issue could not be brought to its end")
            }
        }
    }
    Ok(finished)
}

/// Keeps how far issues came that were cancelled on their way: pages say it, and who has one can read it.
async fn keep_cancelled(app: &App) -> Result<(), Error> {
    let uncounted =
        db::within(async { db::results::cancelled_and_uncounted(&mut *app.db.conn().await?).await }).await?;
    for issue_id in uncounted {
        if let Err(error) = keep_one(app, issue_id).await {
            tracing::error!(issue = issue_id, %error, "how far a cancelled issue came could not be kept");
        }
    }
    Ok(())
}

async fn keep_one(app: &App, issue_id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let counts = db::keeping::counts(&mut tx, issue_id).await?;
    db::results::keep_totals(&mut tx, issue_id, results::totals_of(&counts)).await?;
    audience::keep_results(&mut tx, issue_id, &counts, app.clock.now()).await?;
    Ok(db::commit(tx).await?)
}

async fn finish_one(app: &App, issue: &Issue) -> Result<bool, Error> {
    let now = app.clock.now();
    // Looked at before a transaction is begun: most of the time there is more to send, and no reason to hold a writer up.
    let is_open =
        db::within(async { db::deliveries::is_open(&mut *app.db.conn().await?, issue.id).await }).await?;
    if is_open {
        return Ok(false);
    }
    let mut tx = app.db.begin().await?;
    let counts = db::keeping::counts(&mut tx, issue.id).await?;
    let of = |state: DeliveryState| -> i64 {
        counts.iter().filter(|count| count.state == state.as_str()).map(|count| count.count).sum()
    };
    let (sent, failed) = (of(DeliveryState::Sent), of(DeliveryState::Failed));
    let ours = counts.iter().any(|count| count.reason.as_deref() == Some("our_fault"));
    let mut reason =
        (failed > 0).then(|| format!("{failed} of {} messages could not be delivered", sent + failed));
    let mut end = IssueState::Sent;
    if ours && sent == 0 {
        // Nobody has it, and it is not the readers' fault: it can go out once the relay is put right.
        let last = db::outcomes::failures(&mut tx, issue.id, 1).await?.pop();
        let said = last.and_then(|story| story.detail).unwrap_or_default();
        reason = Some(format!("the relay refuses every message: {}", without_addresses(&said)));
        end = IssueState::Paused;
    }
    if !db::issues::advance(&mut tx, issue.id, IssueState::Sending, end, reason.as_deref(), now).await? {
        return Ok(false);
    }
    if end == IssueState::Sent {
        db::results::keep_totals(&mut tx, issue.id, results::totals_of(&counts)).await?;
        audience::keep_results(&mut tx, issue.id, &counts, now).await?;
    }
    // A few bad addresses are every list's lot; more than one in twenty, or a refusal of us, is news.
    if ours || failed * 20 > sent + failed {
        let issue = editors::find_issue(&mut tx, issue.id).await?;
        if let Some(newsletter) = db::newsletters::get(&mut tx, issue.newsletter_id).await? {
            editors::tell(&mut tx, app, &newsletter, &issue, Note::Failed).await?;
        }
    }
    db::commit(tx).await?;
    Ok(end == IssueState::Sent)
}
