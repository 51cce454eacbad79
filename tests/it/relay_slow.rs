//! Relays that answer late, never, or are gone before they do: what may be theirs is tried again, and nobody waits.

use std::time::{Duration, Instant};

use crate::daybreak::{Daybreak, everywhere, on_postgres, on_sqlite};
use crate::relay::{SENT_ISSUES, due};
use crate::relay_faults::{ATTEMPTED, NOT_ONE_ATTEMPT, SENT, check_once_each, copies, issue, said, scripted};
use crate::sink::{Options, Wrong};

const CLAIMED: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'claimed' OR node IS NOT NULL";

#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_it_gets_it_once_more_as_the_same_message() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        let scripts = [("ann", 100), ("takes-and-drops", 10), ("drops-after-dot", 5), ("drops-in-data", 5)];
        due(daybreak, &scripted(&scripts)).await;
        daybreak.set("DAYBREAK_CONNECTIONS", "4");
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted("SELECT COUNT(*) FROM deliveries WHERE state = 'deferred'", 20).await;
        daybreak.until_counted(SENT, 100).await;
        service.stop().await;
        let deferred = said(daybreak, "deferred").await;
        let uncertain = deferred.iter().filter(|(_, said, _)| said.contains("it may have taken the message"));
        assert_eq!(uncertain.map(|(count, ..)| count).sum::<i64>(), 20, "{deferred:?}");
        assert!(
            deferred.iter().all(|(_, _, next)| next.as_deref().unwrap() < "2026-03-02T07:06"),
            "{deferred:?}"
        );
        daybreak.serve_once("2026-03-02T07:10:00Z").await;
        daybreak.serve_once("2026-03-02T07:30:00Z").await;
        let copies = copies(&[&sink]);
        assert_eq!(copies.len(), 120);
        let twice: Vec<&String> = copies.iter().filter(|(_, count)| **count > 1).map(|(to, _)| to).collect();
        assert!(twice.len() == 10 && twice.iter().all(|to| to.starts_with("takes-and-drops")), "{twice:?}");
        assert_eq!(sink.accepted().len(), 130);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_greylisted_before_has_three_uncertain_tries_all_the_same() {
    everywhere(async |daybreak| {
        let refuse_mail = Some("451 4.3.0 Not now");
        let full = daybreak.sink_with(Options { refuse_mail, ..Options::default() }).await;
        due(daybreak, &scripted(&[("takes-and-drops", 8)])).await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-02T07:06:00Z").await;
        let sink = daybreak.sink().await;
        daybreak.serve_once("2026-03-02T07:25:00Z").await;
        let why = daybreak.why(1, "takes-and-drops+1@example.net").await;
        assert!(why.contains("3 attempts so far") && why.contains("it may have taken the message"), "{why}");
        daybreak.serve_once("2026-03-02T08:00:00Z").await;
        assert!(copies(&[&full, &sink]).values().all(|count| *count == 2));
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'sent'").await, 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_never_comes_in_time_is_sent_three_times_at_most() {
    everywhere(async |daybreak| {
        let wrong = Wrong { slowness: Duration::from_secs(4), ..Wrong::default() };
        let sink = daybreak.sink_with(Options { wrong, ..Options::default() }).await;
        due(daybreak, &scripted(&[("slow", 10), ("ann", 50)])).await;
        daybreak.set("DAYBREAK_RELAY_TIMEOUT", "2");
        for time in ["07:00", "07:06", "07:25", "08:00", "09:30"] {
            daybreak.serve_once(&format!("2026-03-02T{time}:00Z")).await;
        }
        let copies = copies(&[&sink]);
        let of = |script: &str| {
            copies
                .iter()
                .filter(|(to, _)| to.starts_with(script))
                .map(|(_, count)| *count)
                .collect::<Vec<_>>()
        };
        assert_eq!((of("slow"), of("ann")), (vec![3; 10], vec![1; 50]));
        let [(10, words, None)] = &said(daybreak, "failed").await[..] else { panic!() };
        assert!(words.contains("did not answer the message within 2s; it may have taken"), "{words}");
        let why = daybreak.why(1, "slow+1@example.net").await;
        assert!(why.contains("Failed after 3 attempts, uncertain"), "{why}");
        assert_eq!(issue(daybreak).await["reason"], "10 of 60 messages could not be delivered");
    })
    .await;
}

/// Longer than a lease, which must be renewed meanwhile: another node would take the message over and send it too.
async fn waits_for_a_slow_answer(daybreak: &mut Daybreak, nodes: usize) {
    let wrong = Wrong { slowness: Duration::from_secs(23), ..Wrong::default() };
    let sink = daybreak.sink_with(Options { wrong, ..Options::default() }).await;
    due(daybreak, &scripted(&[("slow", 3), ("ann", 200)])).await;
    let mut services = vec![];
    for _ in 0..nodes {
        services.push(daybreak.serve(&["--role", "schedule,send"]).await);
    }
    let begun = Instant::now();
    daybreak.until_counted(SENT, 200).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "the other connections go on");
    daybreak.until_counted(SENT_ISSUES, 1).await;
    for service in services {
        service.stop().await;
    }
    check_once_each(&[&sink], 203);
    assert_eq!(daybreak.number(NOT_ONE_ATTEMPT).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_answers_late_is_waited_for_and_nothing_repeats_on_sqlite() {
    on_sqlite(async |daybreak| waits_for_a_slow_answer(daybreak, 1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_answers_late_is_waited_for_and_nothing_repeats_on_postgresql() {
    on_postgres(async |daybreak| waits_for_a_slow_answer(daybreak, 2).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_never_answers_loses_nothing_and_does_not_keep_the_service_from_stopping() {
    for (banner, script) in [(Some(vec![]), "ann"), (None, "stalls"), (None, "stalls-in-data")] {
        everywhere(async |daybreak| {
            let silent = daybreak.sink_with(Options { banner: banner.clone(), ..Options::default() }).await;
            due(daybreak, &scripted(&[(script, 60)])).await;
            daybreak.set("DAYBREAK_RELAY_TIMEOUT", "4");
            let service = daybreak.serve(&["--role", "schedule,send"]).await;
            daybreak.until_counted("SELECT COUNT(*) FROM deliveries WHERE state = 'claimed'", 60).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let took = service.stop().await;
            assert!(took < Duration::from_secs(10), "it takes {took:?} to stop");
            assert_eq!((silent.accepted().len(), silent.connections()), (0, 10));
            assert_eq!(daybreak.number(CLAIMED).await, 0);
            let attempted = daybreak.number(ATTEMPTED).await;
            assert!(attempted <= if script == "stalls-in-data" { 10 } else { 0 }, "{attempted}");
            daybreak.leaves_some_open();
        })
        .await;
    }
}
