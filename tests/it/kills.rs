//! A send of many thousands whose process is ended again and again, at any moment.

#![expect(clippy::print_stderr, reason = "a test that fails says what came before")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::chance::Chance;
use crate::daybreak::{Daybreak, on_postgres, on_sqlite};
use crate::ledger::{CONNECTIONS, GROUP, SENT, SENT_ISSUES, check_everybody_got_it, due_on};
use crate::sink::{Options, Sink};

/// What one `kill -9` may repeat.
const REPEATS: usize = CONNECTIONS + GROUP;

const KILLS: usize = 12;
const STOPS: usize = 8;

async fn many_are_due(daybreak: &mut Daybreak, readers: usize) -> Sink {
    due_on(daybreak, readers, Options { keep_ids_only: true, ..Options::default() }).await
}

/// Waits for some moment in the given part of a send; one time in four, for one in the first half second of a process.
async fn some_moment(chance: &mut Chance, sink: &Sink, part: usize, length: usize) {
    if chance.below(4) == 0 {
        tokio::time::sleep(chance.millis(500)).await;
        return;
    }
    sink.until((part - 1) * length + chance.below(length as u64) as usize).await;
    tokio::time::sleep(chance.millis(10)).await;
}

async fn killed_at_any_moment(daybreak: &mut Daybreak) {
    const READERS: usize = 20_000;
    // The end is left out: on PostgreSQL what killed nodes had claimed is not free before 20 s.
    const PART: usize = READERS * 85 / 100 / KILLS;
    let mut chance = Chance::new();
    let sink = many_are_due(daybreak, READERS).await;
    let mut before = 0;
    for kill in 1..=KILLS {
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        some_moment(&mut chance, &sink, kill, PART).await;
        service.kill().await;
        let taken: BTreeSet<_> = sink.accepted().into_iter().flat_map(|accepted| accepted.to).collect();
        let unrecorded = taken.len() - daybreak.number(SENT).await as usize;
        eprintln!("kill {kill} at {}: {unrecorded} are with the relay and not in the ledger", sink.count());
        assert!(unrecorded <= before + REPEATS, "{} could be repeated by one kill", unrecorded - before);
        before = unrecorded;
    }
    let service = daybreak.serve(&["--role", "schedule,send"]).await;
    // On PostgreSQL once the last lease has run out.
    daybreak.until_counted(SENT_ISSUES, 1).await;
    service.stop().await;
    eprintln!("{} repeats of {KILLS} kills", sink.count() - READERS);
    check_everybody_got_it(&sink, READERS, KILLS * REPEATS);
}

async fn stopped_at_any_moment(daybreak: &mut Daybreak) {
    const READERS: usize = 8_000;
    const PART: usize = READERS / STOPS;
    let mut chance = Chance::new();
    let sink = many_are_due(daybreak, READERS).await;
    for stop in 1..=STOPS {
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        // Before it listens for signals, SIGTERM ends it as it ends any program.
        service.logs("at work").await;
        some_moment(&mut chance, &sink, stop, PART).await;
        let took = service.stop().await;
        eprintln!("stop {stop} at {}: {took:?}", sink.count());
        assert!(took < Duration::from_secs(10), "it takes {took:?} to stop");
        assert_eq!(daybreak.number(SENT).await as usize, sink.count(), "what is sent is recorded");
        let claimed = "SELECT COUNT(*) FROM deliveries WHERE state = 'claimed' OR node IS NOT NULL";
        assert_eq!(daybreak.number(claimed).await, 0, "what is not sent is given back");
    }
    let service = daybreak.serve(&["--role", "schedule,send"]).await;
    daybreak.until_counted(SENT_ISSUES, 1).await;
    service.stop().await;
    check_everybody_got_it(&sink, READERS, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_of_20000_that_is_killed_at_any_moment_reaches_everybody_on_sqlite() {
    on_sqlite(killed_at_any_moment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_of_20000_that_is_killed_at_any_moment_reaches_everybody_on_postgresql() {
    on_postgres(killed_at_any_moment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_stopped_at_any_moment_repeats_nothing_on_sqlite() {
    on_sqlite(stopped_at_any_moment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_stopped_at_any_moment_repeats_nothing_on_postgresql() {
    on_postgres(stopped_at_any_moment).await;
}
