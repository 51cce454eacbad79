//! Writes outcomes down as they come, in small groups.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::db::deliveries::Record;
use crate::db::notices::Attempt;
use crate::db::{self, DbError};
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{DeliveryState, Next};
use crate::domain::subscription::SuppressionReason;

use super::super::App;
use super::Totals;

/// What became of a claimed message.
#[derive(Clone, Debug)]
pub enum Done {
    Delivery {
        record: Record,
        /// The address that must not be mailed again, and what the relay said of it.
        suppress: Option<(EmailAddress, String)>,
    },
    Notice {
        id: i64,
        next: Next,
        attempts: i64,
        detail: String,
    },
}

impl Done {
    /// Gives a delivery back as it was, for a later claim.
    pub fn back(id: i64) -> Self {
        let record = Record {
            id,
            state: DeliveryState::Queued,
            reason: None,
            detail: None,
            not_before: None,
            attempted: false,
        };
        Self::Delivery { record, suppress: None }
    }
}

/// An outcome on its way to the table.
#[derive(Debug)]
pub struct Unrecorded {
    pub done: Done,
    /// Of a message that went out: lets the next one go once this is written (see [`GROUP`]).
    #[expect(dead_code, reason = "held until the outcome is written down")]
    pub leave: Option<OwnedSemaphorePermit>,
}

/// Outcomes written in one transaction at most. What a crash can repeat is this many and the open connections; a
/// group of 20 costs half of what single rows cost (measured: half the CPU on SQLite, double the rate on PostgreSQL).
/// No connection begins a message while more than that is not written down, however slow the database.
pub const GROUP: usize = 20;

/// How long a group is waited for: at full speed it is full before.
const LINGER: Duration = Duration::from_millis(5);

/// How often a group is tried once the service is to stop: some ten seconds.
const TRIES_WHEN_STOPPING: u32 = 7;

/// Records until every sender of outcomes is gone. A database that refuses is tried again and again: an outcome is
/// kept until it is written, and the connections wait meanwhile.
pub async fn run(
    app: App,
    node: String,
    mut outcomes: mpsc::Receiver<Unrecorded>,
    totals: Arc<Totals>,
    stop: watch::Receiver<bool>,
) {
    let mut group = Vec::with_capacity(GROUP);
    while gather(&mut outcomes, &mut group).await {
        let mut wait = Duration::from_millis(100);
        let mut tries_when_stopping = TRIES_WHEN_STOPPING;
        while let Err(error) = record(&app, &node, &group).await {
            tracing::error!(%error, outcomes = group.len(), "outcomes cannot be recorded; trying again");
            if *stop.borrow() {
                tries_when_stopping -= 1;
            }
            if tries_when_stopping == 0 {
                tracing::error!(
                    outcomes = group.len(),
                    "given up: these messages may be sent again by the next start"
                );
                group.clear();
                break;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
        group.drain(..).for_each(|unrecorded| totals.count(&unrecorded.done));
    }
}

/// Waits for an outcome, and a little for those that come close behind it; false when there will be no more.
async fn gather(outcomes: &mut mpsc::Receiver<Unrecorded>, group: &mut Vec<Unrecorded>) -> bool {
    if outcomes.recv_many(group, GROUP).await == 0 {
        return false;
    }
    let linger = tokio::time::sleep(LINGER);
    tokio::pin!(linger);
    while group.len() < GROUP {
        let room = GROUP - group.len();
        tokio::select! {
            more = outcomes.recv_many(group, room) => if more == 0 { break },
            () = &mut linger => break,
        }
    }
    true
}

async fn record(app: &App, node: &str, group: &[Unrecorded]) -> Result<(), DbError> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut records = Vec::with_capacity(group.len());
    for unrecorded in group {
        match &unrecorded.done {
            Done::Delivery { record, suppress } => {
                if let Some((address, detail)) = suppress {
                    let reason = SuppressionReason::Bounced;
                    db::suppressions::suppress(&mut tx, &app.key, address, reason, detail, now).await?;
                }
                records.push(record.clone());
            }
            Done::Notice { id, next, attempts, detail } => {
                let attempt = Attempt { next: *next, attempts: *attempts, detail };
                match db::notices::record(&mut tx, node, *id, &attempt, now).await {
                    // Another node has taken it over: what that one records is what counts.
                    Ok(()) | Err(DbError::WrongRows { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    if !records.is_empty() {
        let held = db::deliveries::record(&mut tx, node, &records, now).await?;
        if held < records.len() as u64 {
            tracing::warn!(
                lost = records.len() as u64 - held,
                "another node had taken over what this one sent"
            );
        }
    }
    db::commit(tx).await
}
