//! Relays as they are: down, picky, slow, and secured.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::daybreak::{Daybreak, arrived, everywhere, many_readers, on_sqlite, recipients};
use crate::feeds::{Feeds, Item};
use crate::mail::Mail;
use crate::sink::{Encryption, Options, Sink};

pub const WAITING: &str =
    "SELECT COUNT(*) FROM issues WHERE state = 'sending' AND reason LIKE 'waiting for the relay%'";
pub const SENT_ISSUES: &str = "SELECT COUNT(*) FROM issues WHERE state = 'sent'";

/// These readers of “brief”, and an issue for them that is due at 07:00 UTC.
pub async fn due(daybreak: &mut Daybreak, csv: &str) {
    let feeds = Feeds::start().await;
    daybreak.newsletter(&["editors=ed@example.org"]).await;
    daybreak.schedule("07:00", "UTC", "daily").await;
    daybreak.readers(csv).await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    daybreak.run(&["source", "pause", "1"]).await;
    daybreak.at("2026-03-02T07:00:00Z");
}

/// A port on which nobody listens.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_waits_for_a_relay_that_is_down_and_goes_on_by_itself() {
    everywhere(async |daybreak| {
        let port = free_port().await;
        daybreak.relay(format!("smtp://127.0.0.1:{port}?tls=none"));
        due(daybreak, &many_readers(100)).await;
        let service = daybreak.serve(&[]).await;
        let pages = service.pages().await;
        // A mail to one person waits as well.
        let form = "email=new@example.net&newsletter=brief&page=brief";
        let client = reqwest::Client::new();
        let post = client.post(format!("{pages}/subscribe")).body(form);
        let answer = post.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        daybreak.until_counted(WAITING, 1).await;
        let why = daybreak.why(1, "reader1@example.net").await;
        assert!(why.contains("waiting for the relay"), "{why}");

        let sink = Sink::start(Options { port, ..Options::default() }).await;
        arrived(&sink, "everything", |all| all.len() == 101).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        assert_eq!(
            daybreak.issues("brief").await[0]["reason"],
            serde_json::Value::Null,
            "the note is cleared"
        );
        service.stop().await;
        let different: BTreeSet<String> = recipients(&sink).into_iter().collect();
        assert_eq!(different.len(), 101);
        let attempts = "SELECT COUNT(*) FROM deliveries WHERE attempts <> 1 AND state = 'sent'";
        assert_eq!(daybreak.number(attempts).await, 0, "a relay that is down costs nobody an attempt");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_in_the_middle_is_waited_for() {
    everywhere(async |daybreak| {
        let port = free_port().await;
        let options = Options { port, delay: Duration::from_millis(2), ..Options::default() };
        let sink = daybreak.sink_with(options.clone()).await;
        due(daybreak, &many_readers(300)).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "a part of them", |all| all.len() >= 100).await;
        let arrivals = sink.arrivals.clone();
        drop(sink);
        let first = arrivals.borrow().clone();
        daybreak.until_counted(WAITING, 1).await;
        let sink = Sink::start(options).await;
        // What was on the wire is tried again some minutes later.
        let open = "SELECT COUNT(*) FROM deliveries WHERE state IN ('queued', 'claimed')";
        daybreak.until_counted(open, 0).await;
        service.stop().await;
        daybreak.serve_once("2026-03-02T07:10:00Z").await;
        let all = [first, sink.accepted()].concat();
        let different: BTreeSet<&String> = all.iter().flat_map(|accepted| &accepted.to).collect();
        assert_eq!(different.len(), 300);
        assert!(all.len() <= 300 + 10, "only what was on the wire can repeat: {}", all.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_costs_nobody_their_digest() {
    everywhere(async |daybreak| {
        let auth = Some(("ann@example.org".to_owned(), "right/one".to_owned()));
        let sink = daybreak.sink_with(Options { auth, ..Options::default() }).await;
        let port = sink.address.port();
        due(daybreak, "email\nann@example.net\n").await;
        daybreak.relay(format!("smtp://ann%40example.org:wrong@127.0.0.1:{port}?tls=none"));
        let ran = daybreak.try_run(&["serve", "--once"]).await;
        assert!(!ran.stderr.contains("wrong@") && !ran.stderr.contains(":wrong"), "no password in the log");
        assert_eq!(sink.accepted().len(), 0);
        let why = daybreak.why(1, "ann@example.net").await;
        assert!(
            why.contains("waiting for the relay") && why.contains("Wrong user name or password"),
            "{why}"
        );
        daybreak.relay(format!("smtp://ann%40example.org:right%2Fone@127.0.0.1:{port}?tls=none"));
        daybreak.serve_once("2026-03-02T07:02:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "ed@example.org"], "the editors hear of it too");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_stays_wrong_pauses_the_issue_and_says_what_to_do() {
    everywhere(async |daybreak| {
        let auth = Some(("ann@example.org".to_owned(), "right".to_owned()));
        let sink = daybreak.sink_with(Options { auth, ..Options::default() }).await;
        let port = sink.address.port();
        due(daybreak, &many_readers(30)).await;
        daybreak.relay(format!("smtp://ann%40example.org:wrong@127.0.0.1:{port}?tls=none"));
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let paused = "SELECT COUNT(*) FROM issues WHERE state = 'paused' AND reason LIKE 'no relay takes mail from us%'";
        daybreak.until_counted(paused, 1).await;
        service.stop().await;
        let logins = sink.commands().iter().filter(|command| command.starts_with("AUTH")).count();
        assert!(logins <= 30, "{logins} tries can lock an account");
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE attempts > 0").await, 0);

        daybreak.relay(format!("smtp://ann%40example.org:right@127.0.0.1:{port}?tls=none"));
        daybreak.run(&["issue", "resume", "1"]).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        daybreak.until_counted("SELECT COUNT(*) FROM notices WHERE state <> 'sent'", 0).await;
        let different: BTreeSet<String> = recipients(&sink).into_iter().collect();
        assert_eq!(different.len(), 31, "everybody, and the editor");
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_greylisted_is_tried_again_when_it_is_time() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, "email\ngreylisted@example.net\nlater@example.net\nann@example.net\n").await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(recipients(&sink), ["ann@example.net"]);
        daybreak.serve_once("2026-03-02T07:04:30Z").await;
        assert_eq!(sink.accepted().len(), 1, "not before five minutes have passed");
        daybreak.serve_once("2026-03-02T07:05:30Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "greylisted@example.net", "later@example.net"]);
        assert!(daybreak.why(1, "greylisted@example.net").await.contains("attempt 2"));
        assert_eq!(daybreak.slots("brief", "sent").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_tries_again_by_itself() {
    on_sqlite(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, "email\ngreylisted@example.net\n").await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(sink.accepted().len(), 0);
        daybreak.at("2026-03-02T07:04:58Z");
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "the second try", |all| all.len() == 1).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_broken_connection_is_the_same_message() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(
            daybreak,
            "email\ntakes-and-drops@example.net\ndrops-in-data@example.net\ndrops-after-dot@example.net\n",
        )
        .await;
        daybreak.run(&["serve", "--once"]).await;
        let why = daybreak.why(1, "takes-and-drops@example.net").await;
        assert!(why.contains("it may have taken the message"), "{why}");
        for minute in 2..=9 {
            daybreak.serve_once(&format!("2026-03-02T07:{:02}:00Z", minute * 3)).await;
        }
        let to = ["drops-after-dot@example.net", "drops-in-data@example.net", "takes-and-drops@example.net"];
        assert_eq!(recipients(&sink), [to[0], to[1], to[2], to[2]], "nobody is forgotten");
        let ids: BTreeSet<String> = sink
            .accepted()
            .iter()
            .filter(|accepted| accepted.to == [to[2]])
            .map(|accepted| Mail::from(accepted).message_id)
            .collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_keeps_the_rest_and_the_connection() {
    for pipelining in [true, false] {
        everywhere(async |daybreak| {
            let sink = daybreak.sink_with(Options { pipelining, ..Options::default() }).await;
            daybreak.set("DAYBREAK_CONNECTIONS", "1");
            let refused: String = ["unknown", "full", "blocked", "refused-content", "no-data"]
                .iter()
                .flat_map(|script| (1..=4).map(move |number| format!("{script}+{number}@example.net,\n")))
                .collect();
            due(daybreak, &format!("{}{refused}", many_readers(40))).await;
            daybreak.run(&["serve", "--once"]).await;
            let got = recipients(&sink);
            let digests = got.iter().filter(|to| to.starts_with("reader")).count();
            assert_eq!(digests, 40, "{got:?}");
            assert_eq!(sink.connections(), 1, "one connection serves them all");
            daybreak.leaves_some_open();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_unknown_is_not_mailed_again() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(
            daybreak,
            "email\nann@example.net\nunknown@example.net\nspam@example.net\nrefused-content@example.net\n",
        )
        .await;
        daybreak.run(&["serve", "--once"]).await;
        let suppressed = daybreak.json(&["subscriber", "list", "--suppressed"]).await;
        let suppressed: Vec<&str> =
            suppressed.as_array().unwrap().iter().map(|person| person["email"].as_str().unwrap()).collect();
        assert_eq!(
            suppressed,
            ["unknown@example.net"],
            "only what is wrong with the address counts against it"
        );
        let rcpt = |sink: &Sink| {
            sink.commands().iter().filter(|command| command.contains("RCPT TO:<unknown@")).count()
        };
        assert_eq!(rcpt(&sink), 1);
        daybreak.run(&["article", "add", "brief", "--title", "Another story"]).await;
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        assert_eq!(rcpt(&sink), 1, "the next issue leaves it out");
        assert!(daybreak.why(2, "unknown@example.net").await.contains("suppression list"));
        // The note to the editor.
        daybreak.serve_once("2026-03-03T07:01:00Z").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_sender_suppresses_nobody_and_the_editors_are_told() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, "email\nann@example.net\nblocked@example.net\nspam@example.net\n").await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-02T07:01:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "ed@example.org"]);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM suppressions").await, 0);
        let note = sink
            .accepted()
            .iter()
            .find(|accepted| accepted.to == ["ed@example.org"])
            .map(Mail::from)
            .unwrap();
        assert!(note.text.contains("2 of 3 messages could not be delivered"), "{}", note.text);
        assert!(note.text.contains("daybreak issue status 1"), "{}", note.text);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_us_altogether_costs_nobody_their_digest() {
    for (readers, refusal) in [
        (150, "550 5.7.60 Client does not have permission to send as this sender"),
        (3, "550 5.7.1 Relay access denied"),
        (150, "530 5.7.0 Authentication required"),
    ] {
        everywhere(async |daybreak| {
            let refusing =
                daybreak.sink_with(Options { refuse_mail: Some(refusal), ..Options::default() }).await;
            due(daybreak, &many_readers(readers)).await;
            daybreak.run(&["serve", "--once"]).await;
            assert_eq!(refusing.accepted().len(), 0);
            let issue = daybreak.issues("brief").await.remove(0);
            assert_eq!(issue["state"], "paused", "{issue}");
            let words = refusal.split_once(' ').unwrap().1;
            assert!(issue["reason"].as_str().unwrap().contains(words), "{issue}");

            // Once the relay is put right, the issue goes on, and to those who were refused as well.
            let sink = daybreak.sink().await;
            daybreak.at("2026-03-02T08:00:00Z");
            daybreak.run(&["issue", "resume", "1"]).await;
            daybreak.run(&["serve", "--once"]).await;
            let got: BTreeSet<String> =
                recipients(&sink).into_iter().filter(|to| to.starts_with("reader")).collect();
            assert_eq!(got.len(), readers);
            assert_eq!(daybreak.slots("brief", "sent").await.len(), 1);
            daybreak.serve_once("2026-03-02T10:00:00Z").await;
            assert!(
                recipients(&sink).contains(&"ed@example.org".to_owned()),
                "the editors are told, if late"
            );
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_editors_are_told_again_of_an_issue_that_is_paused_again() {
    everywhere(async |daybreak| {
        const TOLD: &str = "SELECT COUNT(*) FROM notices WHERE event LIKE 'failed:1:paused:%'";
        let refusal = "550 5.7.1 Relay access denied";
        let refusing = daybreak.sink_with(Options { refuse_mail: Some(refusal), ..Options::default() }).await;
        due(daybreak, &many_readers(3)).await;
        for pauses in 1..=3 {
            daybreak.run(&["serve", "--once"]).await;
            assert_eq!(daybreak.issues("brief").await[0]["state"], "paused");
            assert_eq!(daybreak.number(TOLD).await, pauses);
            daybreak.run(&["serve", "--once"]).await;
            assert_eq!(daybreak.number(TOLD).await, pauses, "once for each pause");
            daybreak.run(&["issue", "resume", "1"]).await;
        }
        assert_eq!(refusing.accepted().len(), 0);

        let sink = daybreak.sink().await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-02T10:00:00Z").await;
        let got = recipients(&sink);
        let notes = got.iter().filter(|to| *to == "ed@example.org").count();
        assert_eq!((got.len(), notes), (6, 3), "{got:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_answering_holds_one_connection_up_and_not_the_others() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, &format!("{}stalls-in-data@example.net,\nstalls@example.net,\n", many_readers(300)))
            .await;
        daybreak.set("DAYBREAK_RELAY_TIMEOUT", "4");
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "everybody else", |all| all.len() == 300).await;
        let took = service.stop().await;
        assert!(took < Duration::from_secs(10), "it takes {took:?} to stop");
        daybreak.until_counted("SELECT COUNT(*) FROM deliveries WHERE state = 'sent'", 300).await;
        assert_eq!(
            daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state IN ('queued', 'deferred')").await,
            2
        );
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_where_the_url_does_not_say_otherwise() {
    for tls in [Encryption::StartTls, Encryption::Implicit] {
        on_sqlite(async |daybreak| {
            let sink = daybreak.sink_with(Options { tls, ..Options::default() }).await;
            let file = daybreak.folder().join("relay.pem");
            std::fs::write(&file, sink.certificate()).unwrap();
            due(daybreak, "email\nann@example.net\n").await;
            // A certificate that nobody vouches for is no protection: nothing is sent.
            daybreak.run(&["serve", "--once"]).await;
            assert_eq!(sink.accepted().len(), 0);
            let why = daybreak.why(1, "ann@example.net").await;
            assert!(why.contains("waiting for the relay") && why.contains("certificate"), "{why}");
            daybreak.relay(format!("{}?ca={}&name=localhost", sink.url(), file.display()));
            daybreak.run(&["serve", "--once"]).await;
            daybreak.serve_once("2026-03-02T07:01:00Z").await;
            assert_eq!(
                recipients(&sink),
                ["ann@example.net", "ed@example.org"],
                "{tls:?}: the editors hear of it too"
            );
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_in_the_clear_to_a_relay_without_starttls() {
    on_sqlite(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, "email\nann@example.net\n").await;
        daybreak.relay(format!("smtp://user:secret@127.0.0.1:{}", sink.address.port()));
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(sink.accepted().len(), 0);
        let said = sink.commands();
        assert!(
            said.iter().all(|command| !command.starts_with("AUTH") && !command.starts_with("MAIL")),
            "{said:?}"
        );
        let why = daybreak.why(1, "ann@example.net").await;
        assert!(why.contains("STARTTLS"), "{why}");
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_could_not_be_sent_for_a_day_is_stale() {
    everywhere(async |daybreak| {
        let port = free_port().await;
        daybreak.relay(format!("smtp://127.0.0.1:{port}?tls=none"));
        due(daybreak, "email\nann@example.net\nbob@example.net\n").await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-03T06:30:00Z").await;
        assert!(daybreak.why(1, "ann@example.net").await.contains("waiting for the relay"));
        let sink = daybreak.sink().await;
        daybreak.serve_once("2026-03-03T07:01:00Z").await;
        daybreak.serve_once("2026-03-03T07:02:00Z").await;
        assert_eq!(recipients(&sink), ["ed@example.org"], "yesterday's news is not sent");
        let why = daybreak.why(1, "ann@example.net").await;
        assert!(why.contains("Failed") && why.contains("stale"), "{why}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_spaced_out_as_the_operator_says() {
    on_sqlite(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, &many_readers(41)).await;
        daybreak.set("DAYBREAK_MESSAGES_PER_SECOND", "20");
        daybreak.run(&["serve", "--once"]).await;
        let accepted = sink.accepted();
        let (first, last) = (accepted.first().unwrap().at, accepted.last().unwrap().at);
        let took = last.duration_since(first);
        assert!(took >= Duration::from_millis(1900), "41 messages at 20 a second took {took:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_one_address_and_counts_for_nothing() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, "email\nann@example.net\n").await;
        daybreak.at("2026-03-02T06:00:00Z");
        daybreak.run(&["serve", "--once"]).await;
        daybreak.run(&["issue", "test", "1", "--to", "ed@example.org"]).await;
        let [accepted] = sink.accepted().try_into().unwrap();
        assert_eq!(accepted.to, ["ed@example.org"]);
        assert!(Mail::from(&accepted).subject.starts_with("[Test] "));
        let error = daybreak.fails(&["issue", "test", "1", "--to", "unknown@example.org"]).await;
        assert!(error.contains("No such user here"), "{error}");
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries").await, 0);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM suppressions").await, 0);
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "ed@example.org"]);
    })
    .await;
}
