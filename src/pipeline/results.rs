//! How far an issue is, and what became of it.

use std::collections::BTreeMap;

use crate::db;
use crate::db::measuring::Target;
use crate::db::outcomes::Count;
use crate::db::results::{Failure, Late, Past, Totals};
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::measuring::Measure;

use super::editors::find_issue;
use super::{App, Error, audience};

/// How many issues the chart shows.
const IN_CHART: i64 = 12;

/// How many failures are told one by one.
const TOLD: i64 = 10;

/// How far an issue is, at one moment.
#[derive(Clone, Debug)]
pub struct Progress {
    pub issue: Issue,
    pub at: Timestamp,
    pub addressed_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub counts: Vec<Count>,
}

impl Progress {
    pub fn count(&self, state: DeliveryState) -> i64 {
        self.counts.iter().filter(|count| count.state == state.as_str()).map(|count| count.count).sum()
    }

    /// Messages to be sent: everybody but those who get none.
    pub fn all(&self) -> i64 {
        self.counts.iter().map(|count| count.count).sum::<i64>() - self.count(DeliveryState::Skipped)
    }

    /// Messages that are not sent any more, because the issue was cancelled.
    pub fn cut_off(&self) -> i64 {
        let is_cut_off = |count: &&Count| count.reason.as_deref() == Some(SkipReason::Cancelled.as_str());
        self.counts.iter().filter(is_cut_off).map(|count| count.count).sum()
    }

    /// Messages that have come to their end.
    pub fn done(&self) -> i64 {
        self.count(DeliveryState::Sent) + self.count(DeliveryState::Failed)
    }

    /// Messages that go out, or would if the issue went on: also those that the relay refused for a reason of ours,
    /// which are tried again after a pause.
    pub fn open(&self) -> i64 {
        let is_ours = |count: &&Count| {
            count.state == DeliveryState::Failed.as_str() && count.reason.as_deref() == Some("our_fault")
        };
        let ours: i64 = self.counts.iter().filter(is_ours).map(|count| count.count).sum();
        self.all() - self.done() + if self.issue.state == IssueState::Paused { ours } else { 0 }
    }

    /// Whether nothing more happens: a cancelled issue still lets go of what waited.
    pub fn is_over(&self) -> bool {
        self.issue.state.is_final() && self.open() == 0
    }
}

/// Counts an issue's deliveries by state and reason; one that has ended is not counted at every look.
pub async fn progress(app: &App, id: i64) -> Result<Progress, Error> {
    let mut conn = app.db.conn().await?;
    let issue = find_issue(&mut conn, id).await?;
    let (addressed_at, finished_at) = db::results::times(&mut conn, id).await?;
    drop(conn);
    let counts = match finished_at {
        Some(finished_at) => audience::ended(app, &issue, finished_at).await?,
        None => {
            let _turn = audience::turn().await;
            db::keeping::counts(&mut *app.db.conn().await?, id).await?
        }
    };
    Ok(Progress { issue, at: app.clock.now(), addressed_at, finished_at, counts })
}

/// The latest deliveries that failed or were put off.
pub async fn failures(app: &App, id: i64) -> Result<Vec<Failure>, Error> {
    Ok(db::results::failures(&mut *app.db.conn().await?, id, TOLD).await?)
}

/// How many of an issue's readers left the newsletter between it and their next one, by reason, and until when that was counted.
#[derive(Clone, Debug)]
pub struct Left {
    pub until: Timestamp,
    /// Whether the next issue has been addressed: nobody more is counted here.
    pub is_closed: bool,
    pub groups: Vec<(Option<String>, i64)>,
}

impl Left {
    pub fn count(&self) -> i64 {
        self.groups.iter().map(|(_, count)| count).sum()
    }
}

pub async fn left(app: &App, progress: &Progress) -> Result<Option<Left>, Error> {
    let Some(from) = progress.addressed_at else { return Ok(None) };
    let (newsletter_id, schedule_id) = (progress.issue.newsletter_id, progress.issue.schedule_id);
    let mut conn = app.db.conn().await?;
    let next = db::results::next_addressed(&mut conn, newsletter_id, schedule_id, from).await?;
    let until = next.unwrap_or(progress.at.plus_millis(1));
    let groups = db::results::left(&mut conn, newsletter_id, schedule_id, from, until).await?;
    Ok(Some(Left { until, is_closed: next.is_some(), groups }))
}

/// How many readers of an issue bounced or complained after they had it and before the newsletter's next issue.
pub async fn late(app: &App, progress: &Progress, left: Option<&Left>) -> Result<Late, Error> {
    let Some((from, left)) = progress.addressed_at.zip(left) else { return Ok(Late::default()) };
    Ok(db::results::late(&mut *app.db.conn().await?, progress.issue.id, from, left.until).await?)
}

/// Keeps that, with how the issue ended, before the deliveries go that it is counted from.
pub(super) async fn keep_late(app: &App, issue_id: i64) -> Result<(), Error> {
    if db::results::kept_late(&mut *app.db.conn().await?, issue_id).await?.is_some() {
        return Ok(());
    }
    let progress = progress(app, issue_id).await?;
    let left = left(app, &progress).await?;
    let late = late(app, &progress, left.as_ref()).await?;
    let mut tx = app.db.begin().await?;
    db::results::keep_totals(&mut tx, issue_id, totals_of(&progress.counts)).await?;
    db::results::keep_late(&mut tx, issue_id, late).await?;
    Ok(db::commit(tx).await?)
}

/// What readers of an issue followed and opened.
#[derive(Clone, Debug)]
pub struct Measured {
    pub measure: Measure,
    pub content: IssueContent,
    /// Where the links lead, in the issue's order.
    pub targets: Vec<Target>,
    /// Mails, by link: that people visited, and that programs alone did.
    pub counts: BTreeMap<i64, (i64, i64)>,
}

/// None where it was not measured.
pub async fn measured(app: &App, issue: &Issue) -> Result<Option<Measured>, Error> {
    if !issue.measure.is_on() {
        return Ok(None);
    }
    let mut conn = app.db.conn().await?;
    Ok(Some(Measured {
        measure: issue.measure,
        content: db::issues::content(&mut conn, issue.id).await?.unwrap_or_default(),
        targets: db::measuring::targets(&mut conn, issue.id).await?,
        counts: db::measuring::counts(&mut conn, issue.id).await?,
    }))
}

/// The last issues of the same schedule up to this one, the oldest first, with how each ended or how far it is.
pub async fn past(app: &App, progress: &Progress) -> Result<Vec<(Past, Totals)>, Error> {
    let issue = &progress.issue;
    let mut conn = app.db.conn().await?;
    let (newsletter_id, schedule_id) = (issue.newsletter_id, issue.schedule_id);
    let mut past = db::results::past(&mut conn, newsletter_id, schedule_id, issue.slot_at, IN_CHART).await?;
    past.reverse();
    let mut all = vec![];
    for one in past {
        let totals = match one.totals {
            Some(totals) => totals,
            None if one.id == issue.id => totals_of(&progress.counts),
            None => count_anew(&mut conn, &one).await?,
        };
        all.push((one, totals));
    }
    Ok(all)
}

/// Counts an issue whose end nobody kept, and keeps it where it has come to its end.
async fn count_anew(conn: &mut db::Conn, past: &Past) -> Result<Totals, Error> {
    let counts = db::keeping::counts(conn, past.id).await?;
    let totals = totals_of(&counts);
    let is_open = [DeliveryState::Queued, DeliveryState::Claimed, DeliveryState::Deferred]
        .iter()
        .any(|state| counts.iter().any(|count| count.state == state.as_str()));
    if matches!(past.state, IssueState::Sent | IssueState::Cancelled) && !is_open {
        db::results::keep_totals(conn, past.id, totals).await?;
    }
    Ok(totals)
}

/// How an issue with these counts ended.
pub fn totals_of(counts: &[Count]) -> Totals {
    let of = |state: DeliveryState| {
        counts.iter().filter(|count| count.state == state.as_str()).map(|count| count.count).sum()
    };
    Totals {
        sent: of(DeliveryState::Sent),
        failed: of(DeliveryState::Failed),
        skipped: of(DeliveryState::Skipped),
    }
}
