//! Editors stop a send, go on with it, or end it: at once, and nobody is forgotten or mailed twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::daybreak::{Daybreak, Service, arrived, everywhere, many_readers, on_postgres, recipients};
use crate::relay::{SENT_ISSUES, due};
use crate::sink::{Options, Sink};

const OPEN: &str = "SELECT COUNT(*) FROM deliveries WHERE state IN ('queued', 'claimed', 'deferred')";
const NOT_ONE_ATTEMPT: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'sent' AND attempts <> 1";

/// A send to so many, under way on these nodes; it has reached the first of them.
async fn under_way(
    daybreak: &mut Daybreak,
    readers: usize,
    delay: Duration,
    nodes: usize,
) -> (Sink, Vec<Service>) {
    let sink = daybreak.sink_with(Options { delay, ..Options::default() }).await;
    due(daybreak, &many_readers(readers)).await;
    let mut services = vec![];
    for _ in 0..nodes {
        services.push(daybreak.serve(&["--role", "schedule,send"]).await);
    }
    daybreak.until_counted("SELECT COUNT(*) FROM nodes", nodes as i64).await;
    arrived(&sink, "the first of them", |all| all.len() >= 30).await;
    (sink, services)
}

/// A second after the command has returned, nothing more is accepted; returns how many were before.
async fn check_stopped(sink: &Sink, returned: Instant) -> usize {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let accepted = sink.accepted();
    let last = accepted.last().unwrap().at.saturating_duration_since(returned);
    assert!(last < Duration::from_secs(1), "a message is accepted {last:?} after the command has returned");
    accepted.len()
}

/// Everybody has it once, at the first attempt.
async fn check_all_once(daybreak: &Daybreak, sink: &Sink, readers: usize) {
    let all = recipients(sink);
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((different.len(), all.len()), (readers, readers));
    assert_eq!(daybreak.number(NOT_ONE_ATTEMPT).await, 0);
}

async fn stop(services: Vec<Service>) {
    for service in services {
        service.stop().await;
    }
}

async fn pauses_and_goes_on(daybreak: &mut Daybreak, readers: usize, delay: Duration, nodes: usize) {
    let (sink, services) = under_way(daybreak, readers, delay, nodes).await;
    daybreak.run(&["issue", "pause", "1"]).await;
    let sent = check_stopped(&sink, Instant::now()).await;
    assert!(sent < readers, "all {sent} were sent before the pause: nothing is tested");
    let status = daybreak.run(&["issue", "status", "1"]).await;
    assert!(status.contains("is paused") && status.contains("an editor paused it"), "{status}");
    let got: BTreeSet<String> = recipients(&sink).into_iter().collect();
    let left = (1..=readers).map(|number| format!("reader{number}@example.net")).find(|to| !got.contains(to));
    let why = daybreak.json(&["issue", "why", "1", &left.unwrap()]).await;
    assert!(why["answer"].as_str().unwrap().contains("issue 1 is paused (an editor paused it)"), "{why}");
    assert_eq!((&why["reason"], why["next"].is_null()), (&"issue_paused".into(), true), "{why}");
    daybreak.run(&["issue", "resume", "1"]).await;
    daybreak.until_counted(SENT_ISSUES, 1).await;
    stop(services).await;
    check_all_once(daybreak, &sink, readers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_a_send_at_full_speed_within_a_second() {
    everywhere(async |daybreak| pauses_and_goes_on(daybreak, 4000, Duration::from_millis(1), 1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_a_send_to_a_slow_relay_within_a_second() {
    everywhere(async |daybreak| pauses_and_goes_on(daybreak, 120, Duration::from_millis(150), 1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_every_node_within_a_second() {
    on_postgres(async |daybreak| pauses_and_goes_on(daybreak, 3000, Duration::from_millis(2), 3).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_paused_and_resumed_again_and_again_reaches_everybody_once() {
    everywhere(async |daybreak| {
        let nodes = if daybreak.kind == crate::daybreak::Kind::Postgres { 2 } else { 1 };
        let (sink, services) = under_way(daybreak, 1500, Duration::from_millis(5), nodes).await;
        for _ in 0..8 {
            daybreak.run(&["issue", "pause", "1"]).await;
            daybreak.run(&["issue", "resume", "1"]).await;
        }
        assert!(sink.accepted().len() < 1500, "all were sent before the last pause: nothing is tested");
        daybreak.until_counted(SENT_ISSUES, 1).await;
        stop(services).await;
        check_all_once(daybreak, &sink, 1500).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cancelled_send_has_not_reached_is_left_unsent_with_that_reason() {
    everywhere(async |daybreak| {
        let nodes = if daybreak.kind == crate::daybreak::Kind::Postgres { 2 } else { 1 };
        let (sink, services) = under_way(daybreak, 1500, Duration::from_millis(5), nodes).await;
        daybreak.run(&["issue", "cancel", "1"]).await;
        let sent = check_stopped(&sink, Instant::now()).await;
        daybreak.until_counted(OPEN, 0).await;
        stop(services).await;
        assert!(sent < 1500, "all were sent before: nothing is tested");
        let all: BTreeSet<String> = recipients(&sink).into_iter().collect();
        assert_eq!(all.len(), sent, "nobody got it twice");
        let skipped = "SELECT COUNT(*) FROM deliveries WHERE state = 'skipped' AND reason = 'cancelled'";
        assert_eq!(daybreak.number(skipped).await, (1500 - sent) as i64);
        let status = daybreak.run(&["issue", "status", "1"]).await;
        let words = format!("{:>8}  the issue was cancelled before this message went out", 1500 - sent);
        assert!(status.contains("is cancelled") && status.contains(&words), "{status}");
        let left =
            (1..=1500).map(|number| format!("reader{number}@example.net")).find(|to| !all.contains(to));
        let why = daybreak.why(1, &left.unwrap()).await;
        assert!(why.contains("Not sent: the issue was cancelled"), "{why}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_can_be_cancelled_while_it_is_paused_and_is_then_sent_to_nobody() {
    everywhere(async |daybreak| {
        let (sink, services) = under_way(daybreak, 300, Duration::from_millis(20), 1).await;
        daybreak.run(&["issue", "pause", "1"]).await;
        let sent = check_stopped(&sink, Instant::now()).await;
        stop(services).await;
        daybreak.run(&["issue", "cancel", "1"]).await;
        let got: BTreeSet<String> = recipients(&sink).into_iter().collect();
        let left = (1..=300).map(|number| format!("reader{number}@example.net")).find(|to| !got.contains(to));
        let why = daybreak.why(1, left.as_ref().unwrap()).await;
        assert!(
            why.contains("Not sent: the issue was cancelled"),
            "also before a service has seen it: {why}"
        );
        for (command, words) in [
            ("send", "issue 1 is cancelled"),
            ("resume", "cancelled"),
            ("pause", "cancelled"),
            ("cancel", "cancelled"),
        ] {
            let error = daybreak.fails(&["issue", command, "1"]).await;
            assert!(error.contains(words), "{command}: {error}");
        }
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(sink.accepted().len(), sent);
        assert_eq!(daybreak.number(OPEN).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_serve_once_in_good_order_also_where_it_comes_twice() {
    everywhere(async |daybreak| {
        let delay = Duration::from_millis(20);
        let sink = daybreak.sink_with(Options { delay, ..Options::default() }).await;
        due(daybreak, &many_readers(500)).await;
        let once = daybreak.serve(&["--once"]).await;
        arrived(&sink, "the first of them", |all| all.len() >= 30).await;
        once.signal("TERM");
        tokio::time::sleep(Duration::from_millis(20)).await;
        once.stop().await;
        let sent = sink.accepted().len();
        assert!(sent < 500, "all were sent before: nothing is tested");
        assert_eq!(
            daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'sent'").await,
            sent as i64
        );
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'claimed'").await, 0);
        daybreak.run(&["serve", "--once"]).await;
        check_all_once(daybreak, &sink, 500).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_the_middle_of_a_send_to_a_slow_relay_loses_nothing_and_repeats_nothing() {
    everywhere(async |daybreak| {
        let (sink, services) = under_way(daybreak, 120, Duration::from_millis(150), 1).await;
        let begun = Instant::now();
        stop(services).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "it takes {:?} to stop", begun.elapsed());
        let sent = sink.accepted().len();
        assert!(sent < 120, "all were sent before: nothing is tested");
        assert_eq!(
            daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'sent'").await,
            sent as i64
        );
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'claimed'").await, 0);
        daybreak.run(&["serve", "--once"]).await;
        check_all_once(daybreak, &sink, 120).await;
    })
    .await;
}
