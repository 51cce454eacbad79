//! What became of the demo's issues, counted twice: in the ledger, and at the relay.

use serde::Serialize;

use crate::db;
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::issue::{Issue, IssueState};
use crate::pipeline::{App, Error, deliver, why};

/// What became of all issues.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub newsletters: Vec<Outcome>,
    /// Digests that the ledger says the relay took.
    pub sent: i64,
    /// Mails that the relay holds or has held.
    pub caught: i64,
    /// Whether everybody got their digest who should, and nobody got it twice.
    pub everything_arrived: bool,
}

/// What became of one issue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub newsletter: String,
    pub issue: i64,
    pub number: i64,
    pub subject: String,
    pub sent: i64,
    pub skipped: Vec<Skipped>,
    pub failed: i64,
    /// Neither sent nor given up.
    pub waiting: i64,
    /// Active readers who follow another schedule: this issue is not for them.
    pub other_schedules: i64,
    /// From the decision who gets it to the last mail that the relay took.
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub reason: String,
    /// The reason as a sentence.
    pub because: String,
    pub count: i64,
}

pub async fn report(app: &App, issues: &[Issue], caught: u64) -> Result<Report, Error> {
    let mut newsletters = vec![];
    let mut everything_arrived = true;
    for issue in issues {
        let (outcome, is_whole) = outcome(app, issue.id).await?;
        everything_arrived &= is_whole;
        newsletters.push(outcome);
    }
    let sent: i64 = newsletters.iter().map(|outcome| outcome.sent).sum();
    let caught = i64::try_from(caught).unwrap_or(i64::MAX);
    everything_arrived &= sent == caught;
    Ok(Report { newsletters, sent, caught, everything_arrived })
}

/// What became of an issue, and whether nothing of it is missing.
async fn outcome(app: &App, id: i64) -> Result<(Outcome, bool), Error> {
    use DeliveryState as S;
    let status = why::status(app, id).await?;
    let issue = &status.issue;
    let mut conn = app.db.conn().await?;
    let newsletter = db::newsletters::get(&mut conn, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {id} has no newsletter")))?;
    let content = db::issues::content(&mut conn, id).await?.unwrap_or_default();
    let mut other_schedules = 0;
    for schedule in db::newsletters::schedules_of(&mut conn, newsletter.id).await? {
        if Some(schedule.id) != issue.schedule_id {
            other_schedules += db::addressing::followers(&mut conn, newsletter.id, Some(schedule.id)).await?;
        }
    }
    let took = db::outcomes::sending_time(&mut conn, id).await?.unwrap_or(0);
    let skipped = status.counts.iter().filter(|count| count.state == S::Skipped.as_str()).map(|count| {
        let reason = count.reason.clone().unwrap_or_default();
        let because =
            SkipReason::parse(&reason).map_or_else(|| reason.clone(), |skip| skip.sentence().to_owned());
        Skipped { reason, because, count: count.count }
    });
    let waiting = [S::Queued, S::Claimed, S::Deferred].map(|state| status.count(state)).iter().sum();
    let outcome = Outcome {
        subject: deliver::subject(app, &newsletter, issue, &content),
        newsletter: newsletter.name,
        issue: id,
        number: issue.number,
        sent: status.count(S::Sent),
        skipped: skipped.collect(),
        failed: status.count(S::Failed),
        waiting,
        other_schedules,
        seconds: took as f64 / 1000.0,
    };
    let is_whole = issue.state == IssueState::Sent && outcome.failed == 0 && waiting == 0;
    Ok((outcome, is_whole))
}
