//! Several relays: who gets how much, and who goes on when one does not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::daybreak::{Daybreak, arrived, everywhere, many_readers, on_sqlite, recipients};
use crate::feeds::{Feeds, Item};
use crate::mail::Mail;
use crate::sink::{Accepted, Options, Sink};

const SENT_ISSUES: &str = "SELECT COUNT(*) FROM issues WHERE state = 'sent'";
const SENT: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'sent'";
const WAITING: &str =
    "SELECT COUNT(*) FROM issues WHERE state = 'sending' AND reason LIKE 'waiting for the relays%'";

/// So many readers of “brief”, and an issue for them that is due at 07:00 UTC.
async fn due(daybreak: &mut Daybreak, readers: usize) {
    due_for(daybreak, &many_readers(readers)).await;
}

/// The same for these readers.
async fn due_for(daybreak: &mut Daybreak, csv: &str) {
    let feeds = Feeds::start().await;
    daybreak.newsletter(&["editors=ed@example.org"]).await;
    daybreak.schedule("07:00", "UTC", "daily").await;
    daybreak.readers(csv).await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    daybreak.run(&["source", "pause", "1"]).await;
    daybreak.at("2026-03-02T07:00:00Z");
}

/// Two sinks as relays, with these options in their URLs.
async fn two(daybreak: &mut Daybreak, first: (Options, &str), second: (Options, &str)) -> (Sink, Sink) {
    let (one, other) = (Sink::start(first.0).await, Sink::start(second.0).await);
    daybreak.relay(format!("{}&{} {}&{}", one.url(), first.1, other.url(), second.1));
    (one, other)
}

/// A port on which nobody listens.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// How many readers got it.
fn readers(accepted: &[Accepted]) -> usize {
    let different: BTreeSet<&String> =
        accepted.iter().flat_map(|accepted| &accepted.to).filter(|to| to.starts_with("reader")).collect();
    different.len()
}

fn both(one: &Sink, other: &Sink) -> Vec<Accepted> {
    [one.accepted(), other.accepted()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_divide_the_messages_at_full_speed() {
    everywhere(async |daybreak| {
        let (heavy, light) =
            two(daybreak, (Options::default(), "weight=3"), (Options::default(), "weight=1")).await;
        due(daybreak, 2000).await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!((heavy.accepted().len(), light.accepted().len()), (1500, 500));
        assert_eq!(readers(&both(&heavy, &light)), 2000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_in_the_middle_is_replaced_by_the_next_and_gets_the_mail_again_when_it_is_back() {
    everywhere(async |daybreak| {
        let options =
            Options { port: free_port().await, delay: Duration::from_millis(2), ..Options::default() };
        let slow = Options { delay: Duration::from_millis(10), ..Options::default() };
        let (best, next) = two(daybreak, (options.clone(), "priority=1"), (slow, "priority=2")).await;
        daybreak.set("DAYBREAK_CONNECTIONS", "4");
        due(daybreak, 3000).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&best, "a part of them", |all| all.len() >= 300).await;
        assert_eq!(next.accepted().len(), 0, "the next gets nothing while the best takes mail");
        let arrivals = best.arrivals.clone();
        drop(best);
        let first = arrivals.borrow().clone();
        arrived(&next, "some of the rest", |all| all.len() >= 100).await;
        assert_eq!(daybreak.number(WAITING).await, 0);

        let best = Sink::start(options).await;
        arrived(&best, "the mail again", |all| all.len() >= 100).await;
        let by_then = next.accepted().len();
        arrived(&best, "more", |all| all.len() >= 400).await;
        assert!(next.accepted().len() < by_then + 50, "the next gets nothing any more");
        let open = "SELECT COUNT(*) FROM deliveries WHERE state IN ('queued', 'claimed')";
        daybreak.until_counted(open, 0).await;
        service.stop().await;
        daybreak.serve_once("2026-03-02T07:10:00Z").await;
        let all = [first, both(&best, &next)].concat();
        assert_eq!(readers(&all), 3000);
        assert!(all.len() <= 3000 + 8, "only what was on the wire can repeat: {}", all.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hangs_does_not_hold_up_the_others() {
    // One that takes no connection, one that never greets, one that never answers a message.
    for hangs_at in ["greeting", "message"] {
        everywhere(async |daybreak| {
            let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let gate = Some(Arc::new(Semaphore::new(5)));
            let stalling = Sink::start(Options { gate, ..Options::default() }).await;
            let good = Sink::start(Options::default()).await;
            let hangs = match hangs_at {
                "greeting" => format!("smtp://{}?tls=none", silent.local_addr().unwrap()),
                _ => stalling.url(),
            };
            daybreak.relay(format!("{hangs} {}", good.url()));
            daybreak.set("DAYBREAK_CONNECTIONS", "4");
            due(daybreak, 500).await;
            let service = daybreak.serve(&["--role", "schedule,send"]).await;
            // But for what hangs on the wire: two for each connection at most.
            arrived(&good, "nearly all", |all| all.len() >= 500 - 5 - 8).await;
            if hangs_at == "greeting" {
                arrived(&good, "all", |all| readers(all) == 500).await;
            }
            daybreak.leaves_some_open();
            service.kill().await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hangs_keeps_no_domain_with_a_limit_of_connections() {
    on_sqlite(async |daybreak| {
        let gate = Some(Arc::new(Semaphore::new(5)));
        let hangs = Options { gate, ..Options::default() };
        let limits = ("priority=1&domain_connections=2", "priority=2");
        let (_hangs, good) = two(daybreak, (hangs, limits.0), (Options::default(), limits.1)).await;
        due(daybreak, 300).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&good, "nearly all", |all| all.len() >= 300 - 5 - 4).await;
        daybreak.leaves_some_open();
        service.kill().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_slow_keeps_what_is_meant_for_it() {
    on_sqlite(async |daybreak| {
        // It takes 1.5 seconds for what it answers to a message.
        let slow = Options { delay: Duration::from_millis(500), ..Options::default() };
        let (slow, next) =
            two(daybreak, (slow, "priority=1&connections=1"), (Options::default(), "priority=2")).await;
        due(daybreak, 30).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&slow, "some", |all| all.len() >= 8).await;
        assert_eq!(next.accepted().len(), 0);
        daybreak.leaves_some_open();
        service.kill().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_at_one_relay_leaves_the_mail_to_the_other_and_is_told_once() {
    everywhere(async |daybreak| {
        let auth = Some(("ann".to_owned(), "right".to_owned()));
        let locked = Sink::start(Options { auth, ..Options::default() }).await;
        let good = Sink::start(Options::default()).await;
        let port = locked.address.port();
        daybreak.relay(format!("smtp://ann:hunter2@127.0.0.1:{port}?tls=none {}&priority=2", good.url()));
        due(daybreak, 300).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let all = arrived(&good, "everything, and the note", |all| all.len() >= 301).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
        assert_eq!((readers(&all), locked.accepted().len()), (300, 0));
        let notes: Vec<Mail> =
            all.iter().filter(|mail| mail.to == ["ed@example.org"]).map(Mail::from).collect();
        let [note] = notes.as_slice() else { panic!("{} notes", notes.len()) };
        assert!(note.text.contains("takes no mail from us: 535"), "{}", note.text);
        assert!(
            note.text.contains("other relays carry on") && !note.text.contains("hunter2"),
            "{}",
            note.text
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_relays_down_the_issue_waits_and_goes_on_by_itself() {
    everywhere(async |daybreak| {
        let (one, other) = (free_port().await, free_port().await);
        daybreak
            .relay(format!("smtp://127.0.0.1:{one}?tls=none smtp://127.0.0.1:{other}?tls=none&priority=2"));
        due(daybreak, 100).await;
        let ran = daybreak.try_run(&["serve", "--once"]).await;
        assert!(ran.status.success(), "{}", ran.stderr);
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted(WAITING, 1).await;
        let sink = Sink::start(Options { port: other, ..Options::default() }).await;
        arrived(&sink, "everything", |all| readers(all) == 100).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        assert_eq!(daybreak.issues("brief").await[0]["reason"], serde_json::Value::Null);
        service.stop().await;
        let attempts = "SELECT COUNT(*) FROM deliveries WHERE attempts <> 1 AND state = 'sent'";
        assert_eq!(daybreak.number(attempts).await, 0, "a relay that is down costs nobody an attempt");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_relay_refuses_for_a_reason_of_ours_goes_through_the_other() {
    everywhere(async |daybreak| {
        let refuse_mail = Some("550 5.7.60 Client does not have permission to send as this sender");
        let refusing = Options { refuse_mail, ..Options::default() };
        let (refusing, good) =
            two(daybreak, (refusing, "priority=1"), (Options::default(), "priority=2")).await;
        daybreak.set("DAYBREAK_CONNECTIONS", "20");
        due(daybreak, 500).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let all = arrived(&good, "everything, and the note", |all| all.len() >= 501).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
        assert_eq!(readers(&all), 500);
        let refused = refusing.commands().iter().filter(|command| command.starts_with("MAIL")).count();
        assert!((10..=50).contains(&refused), "{refused} are refused before the relay is put aside");
        assert_eq!(daybreak.number(SENT).await, 500);
        let note = all.iter().find(|mail| mail.to == ["ed@example.org"]).map(Mail::from).unwrap();
        assert!(note.text.contains("5.7.60") && note.text.contains("others carry on"), "{}", note.text);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_relay_refuses_waits_for_another_that_is_down_and_goes_on_by_itself() {
    on_sqlite(async |daybreak| {
        let refuse_mail = Some("550 5.7.1 Relay access denied");
        let refusing = Sink::start(Options { refuse_mail, ..Options::default() }).await;
        let port = free_port().await;
        daybreak.relay(format!("{} smtp://127.0.0.1:{port}?tls=none", refusing.url()));
        due(daybreak, 100).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(daybreak.issues("brief").await.remove(0)["state"], "sending");
        let back = Sink::start(Options { port, ..Options::default() }).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
        assert_eq!(readers(&back.accepted()), 100);
        // The note to the editor, where the first relay was asked to take it.
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_every_relay_refuses_pauses_before_it_burns_the_list() {
    everywhere(async |daybreak| {
        let refusing =
            || Options { refuse_mail: Some("550 5.7.1 Relay access denied"), ..Options::default() };
        let (one, other) = two(daybreak, (refusing(), "weight=1"), (refusing(), "weight=1")).await;
        due(daybreak, 500).await;
        daybreak.run(&["serve", "--once"]).await;
        let issue = daybreak.issues("brief").await.remove(0);
        assert_eq!(issue["state"], "paused", "{issue}");
        assert!(issue["reason"].as_str().unwrap().contains("Relay access denied"), "{issue}");
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'failed'").await, 0);
        let tried =
            one.commands().iter().chain(&other.commands()).filter(|it| it.starts_with("RCPT")).count();
        assert!(tried <= 80, "{tried} are tried");
        daybreak.leaves_some_open();
    })
    .await;
}

/// Readers who do not exist where the relay delivers, and before them so many who do.
fn unknown_readers(good: usize, unknown: usize) -> String {
    let unknown: String = (1..=unknown).map(|number| format!("unknown+{number}@example.net,\n")).collect();
    format!("{}{unknown}", many_readers(good))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_knows_no_recipient_at_all_suppresses_nobody() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due_for(daybreak, &unknown_readers(0, 60)).await;
        daybreak.run(&["serve", "--once"]).await;
        let issue = daybreak.issues("brief").await.remove(0);
        assert_eq!(issue["state"], "paused", "{issue}");
        assert!(issue["reason"].as_str().unwrap().contains("5.1.1"), "{issue}");
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM suppressions").await, 0);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'queued'").await, 60);
        // Whoever resumes it says that there may be so many.
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE state = 'paused'", 1).await;
        daybreak.run(&["issue", "resume", "1"]).await;
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE state = 'paused'", 1).await;
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM suppressions").await, 0);
        daybreak.run(&["issue", "resume", "1"]).await;
        daybreak.until_counted("SELECT COUNT(*) FROM suppressions", 60).await;
        service.stop().await;
        assert_eq!(readers(&sink.accepted()), 0);
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_refusals_of_us_among_messages_that_are_taken_count_each() {
    on_sqlite(async |daybreak| {
        let (one, other) =
            two(daybreak, (Options::default(), "weight=1"), (Options::default(), "weight=1")).await;
        let feeds = Feeds::start().await;
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        let blocked: String = (1..=4).map(|number| format!("blocked+{number}@example.net,\n")).collect();
        daybreak.readers(&format!("{}{blocked}", many_readers(60))).await;
        daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
        daybreak.run(&["source", "pause", "1"]).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(recipients(&one).len() + recipients(&other).len(), 60);
        let failed = "SELECT COUNT(*) FROM deliveries WHERE state = 'failed' AND reason = 'our_fault'";
        assert_eq!(daybreak.number(failed).await, 4);
        assert_eq!(daybreak.slots("brief", "sent").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_of_relays_that_cannot_be_is_refused_at_the_start_without_a_password() {
    on_sqlite(async |daybreak| {
        daybreak.run(&["migrate"]).await;
        for (relays, said) in [
            ("smtp://a.example?weight=0", "weight=0; write a number from 1 to 100"),
            ("smtp://ann:hunter2@a.example smtp://a.example", "named twice"),
            ("smtp://ann:hunter2 x@a.example", "relay"),
            ("smtp://a.example?per_day=lots", "per_day=lots"),
        ] {
            daybreak.relay(relays);
            let error = daybreak.fails(&["serve", "--once"]).await;
            assert!(error.contains(said) && !error.contains("hunter2"), "{relays}: {error}");
            // A service says nothing of its pages before, and does not say that it is at work.
            let ran = daybreak.try_run(&["serve"]).await;
            assert!(ran.stdout.is_empty() && !ran.stderr.contains("at work"), "{}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newsletter_whose_row_is_damaged_stops_no_other() {
    everywhere(async |daybreak| {
        let port = free_port().await;
        daybreak.relay(format!("smtp://127.0.0.1:{port}?tls=none"));
        due(daybreak, 20).await;
        daybreak.at("2026-03-02T06:00:00Z");
        daybreak.newsletter_called("revue", &[]).await;
        daybreak.schedule_of("revue", "07:00", "UTC", "daily").await;
        daybreak.readers_of("revue", "email\nzoe@example.net\n").await;
        daybreak.run(&["article", "add", "revue", "--title", "A story"]).await;
        daybreak.at("2026-03-02T07:00:00Z");
        daybreak.try_run(&["serve", "--once"]).await;
        daybreak.execute("UPDATE newsletters SET timezone = 'Nowhere' WHERE slug = 'brief'").await;
        let sink = Sink::start(Options { port, ..Options::default() }).await;
        let service = daybreak.serve(&["--role", "send"]).await;
        arrived(&sink, "the other one's", |all| all.iter().any(|one| one.to == ["zoe@example.net"])).await;
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE state = 'paused'", 1).await;
        service.stop().await;
        assert_eq!(readers(&sink.accepted()), 0);
        daybreak.leaves_some_open();
    })
    .await;
}
