//! A database that goes away, comes back, changes its place, fills its disk or is locked, in the middle of a send.

#![expect(clippy::print_stderr, reason = "a test that fails says what came before")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::chance::Chance;
use crate::clusters::{Cluster, Door};
use crate::daybreak::{Daybreak, Kind, everywhere, on, on_postgres, on_sqlite};
use crate::ledger::{
    CONNECTIONS, GROUP, PLENTY, SENT, SENT_ISSUES, check_everybody_got_it, due_on, let_through,
};
use crate::sink::{Options, Sink};

const READERS: usize = 5000;

/// What the relay may have that the ledger does not know of.
const UNRECORDED: usize = CONNECTIONS + GROUP;

fn ids_only() -> Options {
    Options { keep_ids_only: true, ..Options::default() }
}

/// The send has gone on by itself to its end.
async fn ends_well(daybreak: &Daybreak, sink: &Sink, most_repeats: usize) {
    daybreak.until_counted(SENT_ISSUES, 1).await;
    eprintln!("{} repeats", sink.count() - READERS);
    check_everybody_got_it(sink, READERS, most_repeats);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_restarted_and_the_send_goes_on() {
    let Some(cluster) = Cluster::start().await else { return };
    on(Kind::Postgres, cluster.url(), async |daybreak| {
        let mut chance = Chance::new();
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        // The last time for longer than a lease.
        for (part, (how, away)) in
            [("fast", 0), ("immediate", 0), ("immediate", 2000), ("fast", 22_000)].into_iter().enumerate()
        {
            sink.until(READERS / 5 * part + chance.below(READERS as u64 / 5) as usize).await;
            cluster.halt(how).await;
            tokio::time::sleep(Duration::from_millis(away)).await;
            cluster.go().await;
        }
        ends_well(daybreak, &sink, 0).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_postgresql_are_cut_and_the_send_goes_on() {
    on_postgres(async |daybreak| {
        let mut chance = Chance::new();
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        for _ in 0..20 {
            sink.until(sink.count() + 1).await;
            tokio::time::sleep(chance.millis(200)).await;
            // As a cluster's administrator does it.
            daybreak
                .number(
                    "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .await;
        }
        ends_well(daybreak, &sink, 0).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_is_promoted_and_nothing_repeats() {
    let Some(primary) = Cluster::start().await else { return };
    let standby = primary.standby().await;
    let door = Door::to(&primary).await;
    on(Kind::Postgres, door.url(), async |daybreak| {
        let mut chance = Chance::new();
        daybreak.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        daybreak.execute("SELECT pg_reload_conf()").await;
        daybreak.until_counted("SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'", 1).await;
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        sink.until(chance.below(READERS as u64 * 3 / 4) as usize).await;
        primary.halt("immediate").await;
        standby.promote().await;
        door.lead_to(&standby);
        ends_well(daybreak, &sink, 0).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_lags_is_promoted_and_only_what_it_had_not_got_repeats() {
    let Some(primary) = Cluster::start().await else { return };
    let standby = primary.standby().await;
    let door = Door::to(&primary).await;
    on(Kind::Postgres, door.url(), async |daybreak| {
        const LOST: usize = 300;
        let gate = Arc::new(Semaphore::new(0));
        let sink = due_on(daybreak, READERS, Options { gate: Some(gate.clone()), ..ids_only() }).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 1000).await;
        daybreak.until_counted(SENT, 1000).await;
        let at_standby = Daybreak::beside(daybreak, standby.url());
        at_standby.until_counted(SENT, 1000).await;
        // From here on it gets nothing more.
        at_standby.execute("ALTER SYSTEM SET primary_conninfo = ''").await;
        at_standby.execute("SELECT pg_reload_conf()").await;
        daybreak.until_counted("SELECT COUNT(*) FROM pg_stat_replication", 0).await;
        let_through(&sink, &gate, LOST).await;
        daybreak.until_counted(SENT, (1000 + LOST) as i64).await;
        primary.halt("immediate").await;
        standby.promote().await;
        door.lead_to(&standby);
        gate.add_permits(PLENTY);
        ends_well(daybreak, &sink, LOST + UNRECORDED).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_goes_away_without_a_word_and_the_send_goes_on() {
    let Some(cluster) = Cluster::start().await else { return };
    let door = Door::to(&cluster).await;
    on(Kind::Postgres, door.url(), async |daybreak| {
        let mut chance = Chance::new();
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        sink.until(READERS * 3 / 4 + chance.below(READERS as u64 / 8) as usize).await;
        door.forsake();
        ends_well(daybreak, &sink, 0).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_locks_sqlite_for_half_a_minute_and_the_send_goes_on() {
    on_sqlite(async |daybreak| {
        let mut chance = Chance::new();
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        sink.until(1 + chance.below(READERS as u64 * 3 / 4) as usize).await;
        let lock = daybreak.lock_deliveries().await;
        tokio::time::sleep(Duration::from_secs(31)).await;
        let unrecorded = sink.count() - daybreak.number(SENT).await as usize;
        assert!(unrecorded <= UNRECORDED, "{unrecorded} are sent that cannot be recorded");
        lock.release().await;
        ends_well(daybreak, &sink, 0).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_does_not_keep_the_service_from_stopping() {
    everywhere(async |daybreak| {
        let mut chance = Chance::new();
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        sink.until(1 + chance.below(READERS as u64 * 3 / 4) as usize).await;
        let lock = daybreak.lock_deliveries().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.signal("TERM");
        let (took, log) = service.gone().await;
        eprintln!("it took {took:?} to stop; its log:\n{log}");
        assert!(took < Duration::from_secs(10), "it takes {took:?} to stop");
        lock.release().await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        // On PostgreSQL once the lease has run out.
        ends_well(daybreak, &sink, UNRECORDED).await;
        service.stop().await;
    })
    .await;
}

/// A small disk of its own; it goes with this.
struct Disk(TempDir);

impl Disk {
    /// None where this user may mount none.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            let _ =
                writeln!(std::io::stderr(), "note: no disk is filled up: only root may mount a small one");
            return None;
        }
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path().join("ballast")).unwrap();
        while ballast.write(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_sqlite_is_full_and_the_send_waits_for_room() {
    let Some(disk) = Disk::mount(64) else { return };
    let url = format!("sqlite://{}", disk.path().join("daybreak.db").display());
    on(Kind::Sqlite, url, async |daybreak| {
        let mut chance = Chance::new();
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        sink.until(1 + chance.below(READERS as u64 / 2) as usize).await;
        disk.fill();
        service.logs("outcomes cannot be recorded").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let unrecorded = sink.count() - daybreak.number(SENT).await as usize;
        assert!(unrecorded <= UNRECORDED, "{unrecorded} are sent that cannot be recorded");
        disk.make_room();
        sink.until(READERS / 2 + 100 + chance.below(READERS as u64 / 8) as usize).await;
        let taken = sink.accepted();
        let readers: BTreeSet<_> = taken.iter().map(|accepted| &accepted.to).collect();
        assert_eq!(taken.len(), readers.len(), "it goes on where it stood");
        // And once more, with a process that does not live to see the room.
        disk.fill();
        tokio::time::sleep(Duration::from_secs(2)).await;
        service.kill().await;
        disk.make_room();
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        // Before it listens for signals, SIGTERM ends it as it ends any program.
        service.logs("at work").await;
        ends_well(daybreak, &sink, UNRECORDED).await;
        service.stop().await;
    })
    .await;
}
