//! What this node has claimed and still answers for.
//!
//! A claimed row is held by a [`Hold`] from the claim to the recorded outcome. Whatever goes wrong in between, a failed
//! read, a lost answer of the database, a dropped job, the hold goes, and the lease keeper gives the row back.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tables that messages are claimed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Deliveries,
    Notices,
}

impl Table {
    pub const ALL: [Self; 2] = [Self::Deliveries, Self::Notices];

    pub fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Notices => "notices",
        }
    }
}

/// The rows that are held; a few hundred at most.
#[derive(Debug, Default)]
pub struct Claims {
    held: Mutex<HashSet<(Table, i64)>>,
    /// Taken around each claim, and around giving back what is not held: a row is never seen claimed but not yet held.
    gate: tokio::sync::Mutex<()>,
}

impl Claims {
    /// Keeps rows from being given back between their claim and their [`Hold`].
    pub async fn claiming(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.gate.lock().await
    }

    /// Holds a row that was just claimed. None where it is held from an earlier claim: the database forgot that one (a
    /// standby that had not got it was promoted), or another node took it over while this one was frozen, and gave it
    /// back. What was made of the earlier claim is recorded under the new one; nothing may be sent a second time.
    pub fn hold(self: &Arc<Self>, table: Table, id: i64) -> Option<Hold> {
        let is_new = self.lock().insert((table, id));
        is_new.then(|| Hold { claims: Arc::clone(self), table, id })
    }

    pub fn held(&self, table: Table) -> Vec<i64> {
        self.lock().iter().filter(|(of, _)| *of == table).map(|(_, id)| *id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(Table, i64)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for one claimed row, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    claims: Arc<Claims>,
    table: Table,
    id: i64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.claims.lock().remove(&(self.table, self.id));
    }
}
