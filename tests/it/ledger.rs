//! The promise: nobody is skipped and nobody is mailed twice, whatever happens to a send.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::daybreak::{Daybreak, Service, everywhere, many_readers, on_postgres, on_sqlite, recipients};
use crate::feeds::{Feeds, Item};
use crate::mail::Mail;
use crate::sink::{Options, Sink};

/// Connections, unless a test says otherwise (the setting's default).
pub const CONNECTIONS: usize = 10;

/// Outcomes recorded in one transaction at most.
pub const GROUP: usize = 20;

/// As many permits as no test uses.
pub const PLENTY: usize = 1_000_000;

const OPEN: &str = "SELECT COUNT(*) FROM deliveries WHERE state IN ('queued', 'claimed', 'deferred')";
pub const SENT_ISSUES: &str = "SELECT COUNT(*) FROM issues WHERE state = 'sent'";
pub const SENT: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'sent'";

/// Many readers and an issue that is due at 07:00, on a sink that accepts as many messages as it is told to.
async fn due(daybreak: &mut Daybreak, readers: usize) -> (Sink, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let sink = due_on(daybreak, readers, Options { gate: Some(gate.clone()), ..Options::default() }).await;
    (sink, gate)
}

/// Many readers and an issue that is due at 07:00, on a sink with these options.
pub async fn due_on(daybreak: &mut Daybreak, readers: usize, options: Options) -> Sink {
    let sink = daybreak.sink_with(options).await;
    let feeds = Feeds::start().await;
    daybreak.newsletter(&[]).await;
    daybreak.schedule("07:00", "UTC", "daily").await;
    daybreak.readers(&many_readers(readers)).await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story"), Item::new("The second story")]).await;
    daybreak.run(&["source", "pause", "1"]).await;
    daybreak.at("2026-03-02T07:00:00Z");
    sink
}

/// Lets the sink accept so many more messages, and waits until it has.
pub async fn let_through(sink: &Sink, gate: &Semaphore, messages: usize) {
    let before = sink.count();
    gate.add_permits(messages);
    sink.until(before + messages).await;
}

/// Everybody has it, a repeat is the same message, and there are no more repeats than `most`.
pub fn check_everybody_got_it(sink: &Sink, readers: usize, most_repeats: usize) {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for accepted in &sink.accepted() {
        let [to] = accepted.to.as_slice() else { panic!("one message, one recipient: {:?}", accepted.to) };
        ids.entry(to.clone()).or_default().insert(Mail::from(accepted).message_id);
    }
    assert_eq!(ids.len(), readers, "everybody gets it");
    let repeats = sink.count() - readers;
    assert!(repeats <= most_repeats, "{repeats} repeats, and {most_repeats} are the most there may be");
    for (to, ids) in &ids {
        assert_eq!(ids.len(), 1, "what {to} got again is the same message: {ids:?}");
    }
    let different: BTreeSet<_> = ids.values().flatten().collect();
    assert_eq!(different.len(), readers, "no two readers have one Message-ID");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_a_send_skips_nobody_and_repeats_next_to_nothing() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 3000).await;
        let kills = [400, 1100, 2300];
        for at in kills {
            let service = daybreak.serve(&["--role", "schedule,send"]).await;
            let_through(&sink, &gate, at - sink.count()).await;
            service.kill().await;
        }
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        gate.add_permits(PLENTY);
        // On PostgreSQL once the last lease has run out.
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
        check_everybody_got_it(&sink, 3000, kills.len() * (CONNECTIONS + GROUP));
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-02T07:00:00Z"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_database_has_not_recorded_is_no_more_than_a_group_and_the_connections() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 500).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 5).await;
        let lock = daybreak.lock_deliveries().await;
        gate.add_permits(PLENTY);
        // Until the connections wait for the database.
        let mut seen = 0;
        while seen < sink.count() {
            seen = sink.count();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        service.kill().await;
        lock.release().await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        // On PostgreSQL once the lease has run out.
        daybreak.until_counted(SENT, 500).await;
        service.stop().await;
        check_everybody_got_it(&sink, 500, CONNECTIONS + GROUP);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_the_middle_of_a_send_loses_nothing_and_repeats_nothing() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 1000).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 300).await;
        service.signal("TERM");
        service.logs("what is on the wire is finished first").await;
        gate.add_permits(PLENTY);
        let took = service.ended().await;
        assert!(took < Duration::from_secs(5), "it takes {took:?} to stop");
        let sent = sink.count();
        assert!(
            sent <= 300 + 2 * CONNECTIONS,
            "{sent} are sent after all: only what is on the wire is finished"
        );
        assert_eq!(daybreak.number(SENT).await, sent as i64, "what is sent is recorded");
        let claimed = "SELECT COUNT(*) FROM deliveries WHERE state = 'claimed' OR node IS NOT NULL";
        assert_eq!(daybreak.number(claimed).await, 0, "what is not sent is given back");
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM nodes").await, 0);

        daybreak.run(&["serve", "--once"]).await;
        check_everybody_got_it(&sink, 1000, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stalls_does_not_keep_the_service_from_stopping() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 50).await;
        daybreak.set("DAYBREAK_RELAY_TIMEOUT", "4");
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 10).await;
        // Nothing on the wire is ever answered now.
        let took = service.stop().await;
        assert!(
            took < Duration::from_secs(10),
            "it takes {took:?} to stop: no more than one time-out of the relay"
        );
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'claimed'").await, 0);
        gate.add_permits(PLENTY);
        // What the relay may have taken is tried again when five minutes have passed.
        daybreak.serve_once("2026-03-02T07:06:00Z").await;
        check_everybody_got_it(&sink, 50, CONNECTIONS);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_takes_over_what_a_killed_one_had_claimed() {
    on_postgres(async |daybreak| {
        let (sink, gate) = due(daybreak, 1000).await;
        let killed = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 200).await;
        let other = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted("SELECT COUNT(*) FROM nodes", 2).await;
        killed.kill().await;
        gate.add_permits(PLENTY);
        // The lease is 20 seconds.
        daybreak.until_counted(SENT, 1000).await;
        other.stop().await;
        check_everybody_got_it(&sink, 1000, CONNECTIONS + GROUP);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_share_a_send_and_nobody_gets_it_twice() {
    on_postgres(async |daybreak| {
        let (sink, gate) = due(daybreak, 2000).await;
        let mut services: Vec<Service> = vec![];
        for role in ["schedule,send", "send", "send"] {
            services.push(daybreak.serve(&["--role", role]).await);
        }
        daybreak.until_counted("SELECT COUNT(*) FROM nodes", 3).await;
        gate.add_permits(PLENTY);
        daybreak.until_counted(SENT, 2000).await;
        for service in services {
            service.stop().await;
        }
        daybreak.run(&["serve", "--once"]).await;
        check_everybody_got_it(&sink, 2000, 0);
    })
    .await;
}

/// A process that is stopped and goes on (a laptop that slept, a virtual machine that was moved) finds its lease run
/// out: what it had claimed must not be sent by it any more, and must not be forgotten either.
async fn goes_on_after_it_stood_still(daybreak: &mut Daybreak) {
    let (sink, gate) = due(daybreak, 500).await;
    let service = daybreak.serve(&["--role", "schedule,send"]).await;
    let_through(&sink, &gate, 100).await;
    service.freeze().await;
    // Longer than a lease, and than the time between two renewals after it.
    tokio::time::sleep(Duration::from_secs(27)).await;
    gate.add_permits(PLENTY);
    service.signal("CONT");
    daybreak.until_counted(SENT, 500).await;
    service.stop().await;
    check_everybody_got_it(&sink, 500, CONNECTIONS + GROUP);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_does_not_send_what_another_took_over() {
    on_postgres(async |daybreak| {
        let (sink, gate) = due(daybreak, 500).await;
        let sleeper = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 100).await;
        sleeper.freeze().await;
        let other = daybreak.serve(&["--role", "schedule,send"]).await;
        gate.add_permits(PLENTY);
        // The other has sent everything but what was on the sleeper's wire, and that as well once its lease is over.
        daybreak.until_counted(SENT, 500).await;
        sleeper.signal("CONT");
        sleeper.logs("another node had taken over").await;
        sleeper.stop().await;
        other.stop().await;
        check_everybody_got_it(&sink, 500, CONNECTIONS + GROUP);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_forgets_nobody_on_sqlite() {
    on_sqlite(goes_on_after_it_stood_still).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_forgets_nobody_on_postgresql() {
    on_postgres(goes_on_after_it_stood_still).await;
}

/// Readers who have not got a message yet.
fn waiting(sink: &Sink, readers: usize) -> Vec<String> {
    let got: BTreeSet<String> = recipients(sink).into_iter().collect();
    let all = (1..=readers).map(|number| format!("reader{number}@example.net"));
    all.filter(|reader| !got.contains(reader)).collect()
}

/// The one-click address that a reader's copy of an issue has.
async fn one_click_url(daybreak: &Daybreak, issue: &str, email: &str) -> String {
    let eml = daybreak.run(&["issue", "preview", issue, "--as", email, "--format", "eml"]).await;
    let mail = Mail::parse(eml.as_bytes());
    mail.field("List-Unsubscribe").trim_matches(['<', '>']).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_during_a_send_gets_nothing_more() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 200).await;
        let service = daybreak.serve(&["--connections", "1", "--messages-per-second", "100"]).await;
        let pages = service.pages().await;
        let_through(&sink, &gate, 5).await;
        // Everybody is claimed by now, and the sixth message is on the wire.
        let waiting = waiting(&sink, 200);
        let [clicks, leaves, complains, erased] = [20, 40, 60, 80].map(|number| waiting[number].as_str());
        let url = one_click_url(daybreak, "1", clicks).await;
        let local = url.replace("https://news.example.org", &pages);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let post = client.post(&local).header("Content-Type", "application/x-www-form-urlencoded");
        let answer = post.body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        daybreak.run(&["subscriber", "unsubscribe", leaves]).await;
        daybreak.run(&["subscriber", "suppress", complains, "--reason", "asked by phone"]).await;
        daybreak.run(&["subscriber", "erase", erased]).await;
        gate.add_permits(PLENTY);
        daybreak.until_counted(OPEN, 0).await;
        daybreak
            .until_counted("SELECT COUNT(*) FROM notices WHERE state IN ('queued', 'claimed', 'deferred')", 0)
            .await;
        service.stop().await;
        let digests = sink
            .accepted()
            .iter()
            .filter(|accepted| !Mail::from(*accepted).fields("List-Id").is_empty())
            .flat_map(|accepted| accepted.to.clone())
            .collect::<BTreeSet<_>>();
        for gone in [clicks, leaves, complains, erased] {
            assert!(!digests.contains(gone), "{gone} left before their turn");
        }
        assert_eq!(digests.len(), 196);
        let why = daybreak.why(1, clicks).await;
        assert!(why.contains("had left"), "{why}");
        let why = daybreak.why(1, complains).await;
        assert!(why.contains("suppression list"), "{why}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_paused_stops_and_goes_on_where_it_stood() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 1000).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 100).await;
        daybreak.run(&["issue", "pause", "1"]).await;
        gate.add_permits(PLENTY);
        daybreak.until_counted("SELECT COUNT(*) FROM deliveries WHERE state = 'claimed'", 0).await;
        let sent = sink.count();
        assert!(sent < 500, "{sent} are sent: a pause takes effect on what is not on the wire yet");
        let why = daybreak.why(1, &waiting(&sink, 1000)[0]).await;
        assert!(why.contains("paused"), "{why}");
        daybreak.run(&["issue", "resume", "1"]).await;
        daybreak.until_counted(SENT, 1000).await;
        service.stop().await;
        check_everybody_got_it(&sink, 1000, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_cancelled_reaches_nobody_more() {
    everywhere(async |daybreak| {
        let (sink, gate) = due(daybreak, 1000).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let_through(&sink, &gate, 100).await;
        daybreak.run(&["issue", "cancel", "1"]).await;
        gate.add_permits(PLENTY);
        daybreak.until_counted(OPEN, 0).await;
        service.stop().await;
        let sent = sink.count();
        assert!(sent < 500, "{sent} are sent");
        assert_eq!(recipients(&sink).len(), sent);
        assert_eq!(daybreak.number(SENT).await, sent as i64);
        let why = daybreak.why(1, &waiting(&sink, 1000)[0]).await;
        assert!(why.contains("cancelled"), "{why}");
    })
    .await;
}
