//! Writes outcomes down as they come, in small groups.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use crate::db::deliveries::Record;
use crate::db::notices::Attempt;
use crate::db::{self, Conn, DbError, Pooled};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, Next};
use crate::domain::subscription::SuppressionReason;

use super::hold::Hold;
use super::{Shared, Totals};

/// What became of a claimed message.
#[derive(Debug)]
pub enum Done {
    Delivery(Record),
    Notice { id: i64, next: Next, attempts: i64, detail: String },
}

/// What is said of a message that waits for its turn at the recipient's domain.
pub const DOMAIN_LIMIT: &str = "its domain is sent as much as it may be now";

impl Done {
    /// Gives a delivery back as it was, for a later claim: at once, or at a time.
    pub fn back(id: i64) -> Self {
        Self::Delivery(Record {
            id,
            state: DeliveryState::Queued,
            reason: None,
            detail: None,
            not_before: None,
            attempted: false,
        })
    }

    /// Lets a delivery wait for its turn at the recipient's domain.
    pub fn put_off(id: i64, later: Timestamp) -> Self {
        let (state, reason) = (DeliveryState::Deferred, Some("domain_limit".to_owned()));
        let detail = Some(DOMAIN_LIMIT.to_owned());
        Self::Delivery(Record { id, state, reason, detail, not_before: Some(later), attempted: false })
    }

    /// Ends a delivery without an attempt.
    pub fn end(id: i64, state: DeliveryState, reason: &str, detail: Option<String>) -> Self {
        let reason = Some(reason.to_owned());
        Self::Delivery(Record { id, state, reason, detail, not_before: None, attempted: false })
    }

    pub fn skipped(id: i64, reason: &str) -> Self {
        Self::end(id, DeliveryState::Skipped, reason, None)
    }
}

/// An outcome on its way to the database, with what is let go once it is there.
#[derive(Debug)]
pub struct Settled {
    pub done: Done,
    /// The address that must not be mailed again, and what the relay said of it.
    pub suppress: Option<(EmailAddress, String)>,
    pub hold: Hold,
    /// Room for one message that the relay has and the ledger does not know of yet.
    pub room: Option<OwnedSemaphorePermit>,
}

/// Outcomes written in one transaction at most. What a crash can repeat is this many and the open connections; a
/// group of 20 costs half of what single rows cost (measured: half the CPU on SQLite, double the rate on PostgreSQL).
pub const GROUP: usize = 20;

/// How long a group is waited for: at full speed it is full before.
const LINGER: Duration = Duration::from_millis(5);

/// How long an idle connection is kept for the next group: the other end may be gone by then.
const KEEP: Duration = Duration::from_secs(1);

/// How long a database that refuses is tried once the service is to stop, and how long still when that was in vain.
const PATIENCE_WHEN_STOPPING: [Duration; 2] = [Duration::from_secs(4), Duration::from_millis(100)];

/// Records until every sender of outcomes is gone. A database that refuses is tried again and again: an outcome is
/// kept until it is written, and the connections wait meanwhile.
pub async fn run(shared: Arc<Shared>, mut outcomes: mpsc::Receiver<Settled>, totals: Arc<Totals>) {
    let mut group = Vec::with_capacity(GROUP);
    let mut ledger = Ledger { shared: Arc::clone(&shared), kept: None };
    let mut gave_up = false;
    while gather(&mut outcomes, &mut group).await {
        let patience = PATIENCE_WHEN_STOPPING[usize::from(gave_up)];
        gave_up = !write(&mut ledger, &group, patience).await;
        if gave_up {
            tracing::error!(
                outcomes = group.len(),
                "given up: these messages may be sent again by the next start"
            );
            group.clear();
        }
        for Settled { done, hold, room, .. } in group.drain(..) {
            totals.count(&done);
            drop((hold, room));
        }
    }
}

/// Waits for an outcome, and a little for those that come close behind it; false when there will be no more.
async fn gather(outcomes: &mut mpsc::Receiver<Settled>, group: &mut Vec<Settled>) -> bool {
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

/// Writes a group, however often it takes; false where the service is to stop, and the database still refuses or does not
/// answer after so long.
async fn write(ledger: &mut Ledger, group: &[Settled], patience: Duration) -> bool {
    let shared = Arc::clone(&ledger.shared);
    let trying = async {
        let mut wait = Duration::from_millis(100);
        while let Err(error) = db::within(ledger.record(group)).await {
            tracing::error!(%error, outcomes = group.len(), "outcomes cannot be recorded; trying again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    };
    let giving_up = async {
        while !shared.is_stopping() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        () = trying => true,
        () = giving_up => false,
    }
}

/// Where outcomes are written down.
struct Ledger {
    shared: Arc<Shared>,
    /// The connection that the last group went through, and when: handed back and fetched anew for each group, it would
    /// be asked twice whether it lives, which takes longer than the group itself.
    kept: Option<(Pooled, Instant)>,
}

impl Ledger {
    /// Writes a group, all of it or nothing.
    async fn record(&mut self, group: &[Settled]) -> Result<(), DbError> {
        let delivery = |settled: &Settled| match (&settled.done, &settled.suppress) {
            (Done::Delivery(record), None) => Some(record.clone()),
            _ => None,
        };
        let Some(records) = group.iter().map(delivery).collect::<Option<Vec<_>>>() else {
            return record_one_by_one(&self.shared, group).await;
        };
        // What the mass of a send is made of is a single statement, and so a transaction by itself. The connection is
        // kept only where it went well: broken off in the middle it is good for nothing.
        let kept = self.kept.take().filter(|(_, used)| used.elapsed() < KEEP);
        let mut conn = match kept {
            Some((conn, _)) => conn,
            None => self.shared.app.db.conn().await?,
        };
        record_deliveries(&self.shared, &mut conn, &records).await?;
        self.kept = Some((conn, Instant::now()));
        Ok(())
    }
}

async fn record_deliveries(shared: &Shared, conn: &mut Conn, records: &[Record]) -> Result<(), DbError> {
    let held = db::deliveries::record(conn, &shared.node, records, shared.app.clock.now()).await?;
    if held < records.len() as u64 {
        tracing::warn!(lost = records.len() as u64 - held, "another node had taken over what this one sent");
    }
    Ok(())
}

/// Writes a group that has more in it than deliveries: suppressed addresses, and what became of notices.
async fn record_one_by_one(shared: &Shared, group: &[Settled]) -> Result<(), DbError> {
    let (app, node) = (&shared.app, shared.node.as_str());
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut records = Vec::with_capacity(group.len());
    for settled in group {
        if let Some((address, detail)) = &settled.suppress {
            let reason = SuppressionReason::Bounced;
            db::suppressions::suppress(&mut tx, &app.key, address, reason, detail, now).await?;
        }
        match &settled.done {
            Done::Delivery(record) => records.push(record.clone()),
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
        record_deliveries(shared, &mut tx, &records).await?;
    }
    db::commit(tx).await
}
