//! Claims what is due and makes jobs of it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::db;
use crate::db::deliveries::Claimed;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::STALE_AFTER;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::notice::Notice;
use crate::mail::message::Letter;
use crate::pipeline::editors::{self, Note};

use super::super::Error;
use super::Shared;
use super::cohort::{self, Cohorts};
use super::job::{DeliveryJob, Job, NoticeJob};
use super::recorder::{Done, Unrecorded};
use super::worker::{failed, skipped};

/// Deliveries claimed at a time: large enough that a claim costs little, small enough to be on the wire at once.
const BATCH: i64 = 200;

/// Notices claimed at a time.
const NOTICES: i64 = 20;

/// Whether there was something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    Some,
    Nothing,
}

pub struct JobSource {
    shared: Arc<Shared>,
    outcomes: mpsc::Sender<Unrecorded>,
    cohorts: Cohorts,
    /// Why the relay cannot be reached, as it was last noted, and with which issues.
    reported: Option<(String, Vec<i64>)>,
}

impl JobSource {
    pub fn new(shared: Arc<Shared>, outcomes: mpsc::Sender<Unrecorded>) -> Self {
        Self { shared, outcomes, cohorts: Cohorts::default(), reported: None }
    }

    /// Claims a batch of everything that is due and hands it to the connections.
    pub async fn take(&mut self, jobs: &flume::Sender<Job>) -> Result<Took, Error> {
        let mut took = self.take_notices(jobs).await?;
        let issues = self.sending().await?;
        self.cohorts.keep(&issues.iter().map(|issue| issue.id).collect::<Vec<_>>());
        for issue in &issues {
            if self.take_deliveries(issue, jobs).await? == Took::Some {
                took = Took::Some;
            }
        }
        Ok(took)
    }

    async fn sending(&self) -> Result<Vec<Issue>, Error> {
        let mut conn = self.shared.app.db.conn().await?;
        Ok(db::issues::in_states(&mut conn, &[IssueState::Sending]).await?)
    }

    async fn take_deliveries(&mut self, issue: &Issue, jobs: &flume::Sender<Job>) -> Result<Took, Error> {
        let shared = Arc::clone(&self.shared);
        let now = shared.app.clock.now();
        let mut conn = shared.app.db.conn().await?;
        let ids = db::deliveries::claim(&mut conn, issue.id, &shared.node, now, BATCH).await?;
        if ids.is_empty() {
            return Ok(Took::Nothing);
        }
        let checked_at = Instant::now();
        let batch = db::deliveries::load(&mut conn, &ids, now).await?;
        let edition = self.cohorts.edition(&shared.app, &mut conn, issue.id).await?;
        drop(conn);
        for claimed in batch {
            let (claimed, reader) = match sendable(claimed, now) {
                Ok(sendable) => sendable,
                Err(done) => {
                    self.record(*done).await;
                    continue;
                }
            };
            match self.cohorts.cohort(&shared.app, &edition, edition.audience(&reader)) {
                Ok(cohort) => {
                    let edition = Arc::clone(&edition);
                    let job =
                        Job::Delivery(Box::new(DeliveryJob { claimed, reader, edition, cohort, checked_at }));
                    if jobs.send_async(job).await.is_err() {
                        return Ok(Took::Nothing);
                    }
                }
                Err(error) => {
                    self.stop_issue(issue, &error.to_string()).await?;
                    break;
                }
            }
        }
        Ok(Took::Some)
    }

    /// Pauses an issue that cannot be rendered before it fails for everybody, and tells the editors.
    async fn stop_issue(&self, issue: &Issue, why: &str) -> Result<(), Error> {
        let app = &self.shared.app;
        let now = app.clock.now();
        tracing::error!(issue = issue.id, why, "an issue cannot be rendered and is paused");
        let mut tx = app.db.begin().await?;
        let reason = format!("it cannot be rendered: {why}");
        db::issues::advance(&mut tx, issue.id, IssueState::Sending, IssueState::Paused, Some(&reason), now)
            .await?;
        db::deliveries::release_issue(&mut tx, &self.shared.node, issue.id).await?;
        let issue = editors::find_issue(&mut tx, issue.id).await?;
        if let Some(newsletter) = db::newsletters::get(&mut tx, issue.newsletter_id).await? {
            editors::tell(&mut tx, app, &newsletter, &issue, Note::Failed).await?;
        }
        Ok(db::commit(tx).await?)
    }

    async fn take_notices(&mut self, jobs: &flume::Sender<Job>) -> Result<Took, Error> {
        let shared = Arc::clone(&self.shared);
        let app = &shared.app;
        let mut conn = app.db.conn().await?;
        let notices = db::notices::claim(&mut conn, &shared.node, app.clock.now(), NOTICES).await?;
        let took = if notices.is_empty() { Took::Nothing } else { Took::Some };
        for notice in notices {
            let id = notice.id;
            match self.notice_job(&mut conn, notice).await {
                Ok(job) => {
                    if jobs.send_async(Job::Notice(Box::new(job))).await.is_err() {
                        return Ok(Took::Nothing);
                    }
                }
                Err(why) => {
                    tracing::error!(notice = id, why, "a mail cannot be written");
                    let next = crate::domain::delivery::Next::Fail { suppress: false };
                    self.record(Done::Notice { id, next, attempts: 0, detail: why }).await;
                }
            }
        }
        Ok(took)
    }

    async fn notice_job(
        &self,
        conn: &mut db::Conn,
        queued: db::notices::Notice,
    ) -> Result<NoticeJob, String> {
        let app = &self.shared.app;
        let notice: Notice = serde_json::from_str(&queued.content).map_err(|error| error.to_string())?;
        let is_suppressed = db::suppressions::is_suppressed(conn, &app.key, &queued.email).await;
        if is_suppressed.map_err(|error| error.to_string())? {
            return Err("the address is on the suppression list".to_owned());
        }
        let newsletter = db::newsletters::get(conn, queued.newsletter_id)
            .await
            .map_err(|error| error.to_string())?
            .ok_or("its newsletter is gone")?;
        let mail = app.renderer.notice(&notice).map_err(|error| error.to_string())?;
        let from = newsletter.from.address.clone();
        let signer = cohort::signer(conn, from.domain()).await.map_err(|error| error.to_string())?;
        let mut head = cohort::head(&newsletter);
        head.auto_submitted = true;
        Ok(NoticeJob {
            notice: queued,
            letter: Letter::new(&head, &mail),
            from,
            signer: signer.map(Arc::new),
        })
    }

    async fn record(&self, done: Done) {
        // The recorder outlives the source: a closed channel means that it crashed, and the lease settles it.
        let _ = self.outcomes.send(Unrecorded { done, leave: None }).await;
    }

    /// Writes to the issues under way that the relay cannot be reached, also to those that start meanwhile, and clears
    /// it when it can.
    pub async fn report_relay(&mut self) {
        let why = self.shared.relay_state.why_down();
        if why.is_none() && self.reported.is_none() {
            return;
        }
        match self.note(why.as_deref()).await {
            Ok(issues) => self.reported = why.map(|why| (why, issues)),
            Err(error) => tracing::warn!(%error, "the relay's state cannot be noted"),
        }
    }

    /// Notes with each issue under way why the relay cannot be reached, or that it can, and returns them.
    async fn note(&self, why: Option<&str>) -> Result<Vec<i64>, Error> {
        let issues: Vec<i64> = self.sending().await?.iter().map(|issue| issue.id).collect();
        let reason = why.map(|why| format!("waiting for the relay, and trying again: {why}"));
        let known = self.reported.as_ref().filter(|(reported, _)| Some(reported.as_str()) == why);
        let mut conn = self.shared.app.db.conn().await?;
        for id in &issues {
            if !known.is_some_and(|(_, noted)| noted.contains(id)) {
                db::issues::set_reason(&mut conn, *id, reason.as_deref()).await?;
            }
        }
        Ok(issues)
    }
}

/// The delivery and its reader, or why it is not to be sent.
fn sendable(mut claimed: Claimed, now: Timestamp) -> Result<(Claimed, db::deliveries::Reader), Box<Done>> {
    if let Some(skip) = claimed.skip {
        return Err(Box::new(skipped(claimed.id, skip.as_str())));
    }
    if now.millis() > claimed.due_at.millis() + STALE_AFTER {
        let detail = "it could not be sent within a day of its time, and is stale".to_owned();
        return Err(Box::new(failed(claimed.id, "stale", detail, None)));
    }
    match claimed.reader.take() {
        Some(reader) if claimed.is_going_out => Ok((claimed, reader)),
        Some(_) => Err(Box::new(Done::back(claimed.id))),
        None => Err(Box::new(skipped(claimed.id, "unsubscribed"))),
    }
}
