//! Relays that refuse, break off and talk nonsense, each towards many readers over several connections: who is sent,
//! who is tried again and when, who is failed, and what the editors read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::daybreak::{Daybreak, arrived, everywhere, many_readers, on_sqlite};
use crate::mail::Mail;
use crate::relay::{WAITING, due};
use crate::sink::{Encryption, Options, Sink, Wrong};

pub const SENT: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'sent'";
pub const NOT_ONE_ATTEMPT: &str = "SELECT COUNT(*) FROM deliveries WHERE attempts <> 1";
pub const ATTEMPTED: &str = "SELECT COUNT(*) FROM deliveries WHERE attempts > 0";

/// Readers with these local parts, each so many times.
pub fn scripted(scripts: &[(&str, usize)]) -> String {
    let lines: String = scripts
        .iter()
        .flat_map(|(script, count)| {
            (1..=*count).map(move |number| format!("{script}+{number}@example.net\n"))
        })
        .collect();
    format!("email\n{lines}")
}

/// How often each reader got a message; a repeat must be the same message.
pub fn copies(sinks: &[&Sink]) -> BTreeMap<String, usize> {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for accepted in sinks.iter().flat_map(|sink| sink.accepted()) {
        let [to] = accepted.to.as_slice() else { panic!("one message, one recipient: {:?}", accepted.to) };
        ids.entry(to.clone()).or_default().push(Mail::from(&accepted).message_id);
    }
    ids.remove("ed@example.org");
    for (to, ids) in &ids {
        let different: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), 1, "what {to} got again is the same message: {ids:?}");
    }
    ids.into_iter().map(|(to, ids)| (to, ids.len())).collect()
}

/// So many readers have it, each once.
pub fn check_once_each(sinks: &[&Sink], readers: usize) {
    let copies = copies(sinks);
    let repeated: Vec<_> = copies.iter().filter(|(_, count)| **count > 1).collect();
    assert_eq!((copies.len(), repeated.len()), (readers, 0), "repeated: {repeated:?}");
}

/// What the mail to the editor says, on one line.
fn note(sink: &Sink) -> String {
    let accepted = sink.accepted();
    let to_editor = accepted.iter().find(|accepted| accepted.to == ["ed@example.org"]);
    let mail = Mail::from(to_editor.expect("the editor is told"));
    mail.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `issue status` says was said of deliveries in a state: how many of them, what, and when they are tried again.
pub async fn said(daybreak: &Daybreak, state: &str) -> Vec<(i64, String, Option<String>)> {
    let status = daybreak.json(&["issue", "status", "1"]).await;
    let all = status["said"].as_array().unwrap().iter().filter(|said| said["state"] == state);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    all.map(|said| {
        (said["count"].as_i64().unwrap(), text(&said["said"]).unwrap_or_default(), text(&said["next"]))
    })
    .collect()
}

pub async fn issue(daybreak: &Daybreak) -> Value {
    daybreak.issues("brief").await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_greylisted_once_gets_it_five_minutes_later() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, &scripted(&[("greylisted", 120)])).await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(sink.accepted().len(), 0);
        let [(120, words, Some(next))] = &said(daybreak, "deferred").await[..] else { panic!() };
        assert!(
            words.contains("451 4.7.1 Greylisted") && next.starts_with("2026-03-02T07:05:0"),
            "{words} {next}"
        );
        let status = daybreak.run(&["issue", "status", "1"]).await;
        assert!(
            status.contains("120  451 4.7.1 Greylisted, come back later (the next try at 2026"),
            "{status}"
        );
        let why = daybreak.why(1, "greylisted+7@example.net").await;
        assert!(why.contains("1 attempt so far, and the next at 2026-03-02T07:05:0"), "{why}");
        daybreak.serve_once("2026-03-02T07:04:30Z").await;
        assert_eq!(sink.accepted().len(), 0, "not before five minutes have passed");
        daybreak.serve_once("2026-03-02T07:05:30Z").await;
        check_once_each(&[&sink], 120);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE attempts <> 2").await, 0);
        assert_eq!(issue(daybreak).await["state"], "sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_every_sender_for_now_is_asked_again_five_minutes_later() {
    for pipelining in [true, false] {
        on_sqlite(async |daybreak| {
            let refuse_mail = Some("452 4.3.1 Insufficient storage");
            let full = daybreak.sink_with(Options { refuse_mail, pipelining, ..Options::default() }).await;
            due(daybreak, &many_readers(60)).await;
            daybreak.run(&["serve", "--once"]).await;
            let [(60, words, Some(next))] = &said(daybreak, "deferred").await[..] else { panic!() };
            assert!(words.contains("452 4.3.1") && next.starts_with("2026-03-02T07:05:0"), "{words} {next}");
            assert!(full.connections() <= 10, "{} connections", full.connections());
            let sink = daybreak.sink().await;
            daybreak.serve_once("2026-03-02T07:05:30Z").await;
            check_once_each(&[&full, &sink], 60);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_that_are_refused_side_by_side_fail_and_everybody_else_gets_it() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        // More of them than stop an issue of which the relay has taken nothing.
        due(daybreak, &scripted(&[("ann", 30), ("unknown", 45), ("zoe", 30)])).await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-02T07:01:00Z").await;
        check_once_each(&[&sink], 60);
        let suppressed = "SELECT COUNT(*) FROM suppressions WHERE reason = 'bounced'";
        assert_eq!(daybreak.number(suppressed).await, 45);
        assert_eq!(said(daybreak, "failed").await, [(45, "550 5.1.1 No such user here".to_owned(), None)]);
        let issue = issue(daybreak).await;
        assert_eq!(
            (&issue["state"], &issue["reason"]),
            (&"sent".into(), &"45 of 105 messages could not be delivered".into())
        );
        assert!(note(&sink).contains("45 of 105 messages could not be delivered"));
        assert_eq!(daybreak.number(NOT_ONE_ATTEMPT).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_suppressed_by_many_refusals_after_which_the_relay_takes_nothing_more() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        // One connection: nothing is taken while the first of them are refused.
        daybreak.set("DAYBREAK_CONNECTIONS", "1");
        // It may have lost its list of mailboxes on the way.
        due(daybreak, &scripted(&[("ann", 60), ("unknown", 45)])).await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-02T07:01:00Z").await;
        check_once_each(&[&sink], 60);
        assert_eq!(said(daybreak, "failed").await, [(45, "550 5.1.1 No such user here".to_owned(), None)]);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM suppressions").await, 0);
        assert_eq!(issue(daybreak).await["state"], "sent");
    })
    .await;
}

/// What is refused here meets every reader alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_relay_refuses_to_everybody_pauses_the_issue_before_the_list_is_used_up() {
    let small = Options { size: Some(1_000), ..Options::default() };
    let no_data = Wrong { data: Some("554 5.3.0 Not today"), ..Wrong::default() };
    let no_body = Wrong { refuse_body: Some("554 5.6.0 We do not like what it says"), ..Wrong::default() };
    for (options, words) in [
        (small, "the relay takes 1000 at most (SIZE): shorten the issue"),
        (Options { wrong: no_data, ..Options::default() }, "554 5.3.0 Not today"),
        (Options { wrong: no_body, ..Options::default() }, "554 5.6.0 We do not like"),
    ] {
        everywhere(async |daybreak| {
            let refusing = daybreak.sink_with(options.clone()).await;
            due(daybreak, &many_readers(150)).await;
            daybreak.run(&["serve", "--once"]).await;
            let paused = issue(daybreak).await;
            assert_eq!(
                (paused["state"].as_str(), refusing.accepted().len()),
                (Some("paused"), 0),
                "{paused}"
            );
            let reason = paused["reason"].as_str().unwrap();
            assert!(reason.contains("refuses every message") && reason.contains(words), "{reason}");
            let failed: i64 = said(daybreak, "failed").await.iter().map(|(count, ..)| count).sum();
            assert!(failed < 60, "{failed} of 150 have failed");

            let sink = daybreak.sink().await;
            daybreak.at("2026-03-02T08:00:00Z");
            daybreak.run(&["issue", "resume", "1"]).await;
            daybreak.run(&["serve", "--once"]).await;
            check_once_each(&[&sink], 150);
            daybreak.serve_once("2026-03-02T10:00:00Z").await;
            assert!(note(&sink).contains(words), "the editor reads why");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_connections_takes_every_message_once_and_at_once() {
    let closes = |after| Options { close_after: Some(after), ..Options::default() };
    let ends = |after| Options { most_per_connection: Some(after), ..Options::default() };
    for options in [ends(7), ends(1), Options { pipelining: false, ..ends(7) }, closes(1), closes(5)] {
        everywhere(async |daybreak| {
            let sink = daybreak.sink_with(options.clone()).await;
            due(daybreak, &many_readers(200)).await;
            daybreak.run(&["serve", "--once"]).await;
            check_once_each(&[&sink], 200);
            assert_eq!(issue(daybreak).await["state"], "sent");
            assert_eq!(daybreak.number(NOT_ONE_ATTEMPT).await, 0);
            let most = options.close_after.or(options.most_per_connection).unwrap();
            let used: BTreeSet<usize> = sink.accepted().iter().map(|accepted| accepted.connection).collect();
            assert!(used.len() >= 200 / most, "{} connections took messages", used.len());
            let connections = sink.connections();
            assert!(connections <= 200 / most + 25, "{connections} connections");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_at_whom_the_relay_hangs_up_holds_nobody_up_and_waits_a_minute() {
    everywhere(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, &format!("{}421@example.net,\n421+2@example.net,\n", many_readers(100))).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "everybody else", |all| all.len() == 100).await;
        daybreak.until_counted("SELECT COUNT(*) FROM deliveries WHERE state = 'deferred'", 2).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        service.stop().await;
        check_once_each(&[&sink], 100);
        let tried = sink.commands().iter().filter(|command| command.contains("RCPT TO:<421")).count();
        assert!(tried <= 4, "each is tried once more, on a new connection: {tried}");
        let why = daybreak.why(1, "421@example.net").await;
        assert!(why.contains("0 attempts so far, and the next at 2026-03-02T07:01:"), "{why}");
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_every_message_with_421_is_left_alone_and_spends_nobodys_attempt() {
    everywhere(async |daybreak| {
        let wrong = Wrong { refuse_body: Some("421 4.3.0 Going down"), ..Wrong::default() };
        let broken = daybreak.sink_with(Options { wrong, ..Options::default() }).await;
        due(daybreak, &many_readers(200)).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted(WAITING, 1).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let reason = issue(daybreak).await["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("421 4.3.0 Going down"), "{reason}");
        service.stop().await;
        // As many as there are connections, and then one to try it with after one second and after three.
        assert!(broken.connections() <= 20, "{} connections", broken.connections());
        assert_eq!(daybreak.number(ATTEMPTED).await, 0);
        let sink = daybreak.sink().await;
        daybreak.serve_once("2026-03-02T07:02:00Z").await;
        check_once_each(&[&sink], 200);
    })
    .await;
}

/// The relay may have what broke off, so that nobody is given it more than three times: a relay that breaks everything
/// off for an hour must not use that up.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_breaks_off_in_every_body_gets_one_try_of_each_and_then_one_at_a_time() {
    everywhere(async |daybreak| {
        let wrong = Wrong { breaks_bodies: true, ..Wrong::default() };
        let broken = daybreak.sink_with(Options { wrong, ..Options::default() }).await;
        due(daybreak, &many_readers(200)).await;
        daybreak.run(&["serve", "--once"]).await;
        let deferred = said(daybreak, "deferred").await;
        assert_eq!(deferred.iter().map(|(count, ..)| count).sum::<i64>(), 200, "{deferred:?}");
        for (_, said, next) in &deferred {
            assert!(
                said.contains("broke at the message") && said.contains("it may have taken the message"),
                "{said}"
            );
            assert!(next.as_deref().unwrap().starts_with("2026-03-02T07:05:"), "{next:?}");
        }
        for time in ["07:06", "07:12", "07:22", "07:40", "08:10"] {
            daybreak.serve_once(&format!("2026-03-02T{time}:00Z")).await;
        }
        let again = daybreak.number("SELECT COUNT(*) FROM deliveries WHERE attempts > 1").await;
        assert!(again <= 5 * 20, "{again} of 200 were tried again");
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE state = 'failed'").await, 0);
        let reason = issue(daybreak).await["reason"].as_str().unwrap().to_owned();
        assert!(
            reason.contains("waiting for the relay") && reason.contains("broke at the message"),
            "{reason}"
        );
        let sink = daybreak.sink().await;
        daybreak.serve_once("2026-03-02T09:00:00Z").await;
        check_once_each(&[&broken, &sink], 200);
        assert_eq!(issue(daybreak).await["state"], "sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_breaks_everybodys_first_message_off_has_them_five_minutes_later() {
    on_sqlite(async |daybreak| {
        let sink = daybreak.sink().await;
        due(daybreak, &scripted(&[("drops-in-data", 200)])).await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.serve_once("2026-03-02T07:06:00Z").await;
        check_once_each(&[&sink], 200);
    })
    .await;
}

/// A reply that SMTP allows for, or that relays give all the same, is the reply that it means.
#[tokio::test(flavor = "multi_thread")]
async fn replies_of_every_form_are_understood() {
    let long: &'static [u8] = {
        let line = format!("250-2.0.0 {}\r\n", "x".repeat(400));
        format!("{}250 2.0.0 Taken\r\n", line.repeat(150)).into_bytes().leak()
    };
    let wrong = Wrong::default();
    for (name, options) in [
        (
            "bare line feeds",
            Options { wrong: Wrong { bare_line_feeds: true, ..wrong.clone() }, ..Options::default() },
        ),
        ("codes alone", Options { wrong: Wrong { bare_codes: true, ..wrong.clone() }, ..Options::default() }),
        ("64 KB", Options { wrong: Wrong { body: Some(long), ..wrong.clone() }, ..Options::default() }),
        ("many lines", Options { reply_lines: 150, ..Options::default() }),
        (
            "no extension",
            Options { wrong: Wrong { no_extension: true, ..wrong.clone() }, ..Options::default() },
        ),
        (
            "HELO",
            Options { wrong: Wrong { ehlo: Some("502 5.5.1 What?"), ..wrong.clone() }, ..Options::default() },
        ),
        (
            "a lonely HELO",
            Options {
                wrong: Wrong {
                    ehlo: Some("500 What?"),
                    bare_codes: true,
                    bare_line_feeds: true,
                    ..wrong.clone()
                },
                ..Options::default()
            },
        ),
        (
            "no RSET",
            Options {
                wrong: Wrong { reset: Some("502 5.5.1 What?"), ..wrong.clone() },
                ..Options::default()
            },
        ),
    ] {
        on_sqlite(async |daybreak| {
            let sink = daybreak.sink_with(options.clone()).await;
            due(daybreak, &format!("{}unknown@example.net,\nfull@example.net,\n", many_readers(60))).await;
            daybreak.run(&["serve", "--once"]).await;
            check_once_each(&[&sink], 60);
            assert_eq!(daybreak.number(SENT).await, 60, "{name}");
            assert_eq!(daybreak.number(NOT_ONE_ATTEMPT).await, 0, "{name}");
            let states = "SELECT state FROM deliveries WHERE state <> 'sent' ORDER BY state";
            assert_eq!(daybreak.texts(states).await, ["deferred", "failed"], "{name}");
            daybreak.leaves_some_open();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_offers_pipelining_and_does_not_do_it_gets_everything_once() {
    everywhere(async |daybreak| {
        let wrong = Wrong { deaf_behind: true, ..Wrong::default() };
        let sink = daybreak.sink_with(Options { wrong, ..Options::default() }).await;
        due(daybreak, &many_readers(100)).await;
        // Else it takes half a minute to find out.
        daybreak.set("DAYBREAK_RELAY_TIMEOUT", "2");
        daybreak.run(&["serve", "--once"]).await;
        check_once_each(&[&sink], 100);
        assert_eq!(daybreak.number(NOT_ONE_ATTEMPT).await, 0);
        assert!(sink.connections() <= 30, "it is found out: {} connections", sink.connections());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_serves_some_connections_and_turns_others_away_later_is_not_hammered_by_these() {
    on_sqlite(async |daybreak| {
        let delay = Duration::from_millis(20);
        let sink =
            daybreak.sink_with(Options { most_connections: Some(3), delay, ..Options::default() }).await;
        daybreak.set("DAYBREAK_CONNECTIONS", "10");
        due(daybreak, &many_readers(300)).await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "nearly all", |all| all.len() >= 250).await;
        service.stop().await;
        assert!(sink.connections() <= 40, "{} connections", sink.connections());
        check_once_each(&[&sink], sink.accepted().len());
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_turns_everybody_away_is_not_hammered_and_spends_nobodys_attempt() {
    for (banner, words) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "not a reply of SMTP"),
        ("554 5.7.1 No service for you\r\n", "554 5.7.1 No service for you"),
        ("421 4.3.2 Too many connections\r\n", "421 4.3.2 Too many connections"),
        ("220 sink\r\n221 Bye\r\n", "the relay answered DATA with 250"),
    ] {
        on_sqlite(async |daybreak| {
            let banner = Some(banner.as_bytes().to_vec());
            let wrong = Wrong { no_extension: true, ..Wrong::default() };
            let closed = daybreak.sink_with(Options { banner, wrong, ..Options::default() }).await;
            due(daybreak, &many_readers(100)).await;
            let service = daybreak.serve(&["--role", "schedule,send"]).await;
            daybreak.until_counted(WAITING, 1).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let reason = issue(daybreak).await["reason"].as_str().unwrap().to_owned();
            assert!(
                reason.contains("waiting for the relay, and trying again") && reason.contains(words),
                "{reason}"
            );
            service.stop().await;
            assert!(closed.connections() <= 30, "{} connections in four seconds", closed.connections());
            assert_eq!(daybreak.number(ATTEMPTED).await, 0);
            let sink = daybreak.sink().await;
            daybreak.serve_once("2026-03-02T07:02:00Z").await;
            check_once_each(&[&sink], 100);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_we_may_not_use_costs_nobody_their_digest_and_the_editors_are_told() {
    let auth = Some(("ann".to_owned(), "right".to_owned()));
    for (tls, query, words) in [
        (Encryption::None, "?tls=none", "Wrong user name or password"),
        (Encryption::None, "", "does not offer STARTTLS"),
        (Encryption::StartTls, "", "certificate"),
        (Encryption::Implicit, "", "certificate"),
    ] {
        everywhere(async |daybreak| {
            let closed = Sink::start(Options { tls, auth: auth.clone(), ..Options::default() }).await;
            let scheme = if tls == Encryption::Implicit { "smtps" } else { "smtp" };
            daybreak.relay(format!("{scheme}://ann:wrong@127.0.0.1:{}{query}", closed.address.port()));
            due(daybreak, &many_readers(100)).await;
            daybreak.run(&["serve", "--once"]).await;
            let reason = issue(daybreak).await["reason"].as_str().unwrap().to_owned();
            assert!(
                reason.contains("waiting for the relay, and trying again") && reason.contains(words),
                "{reason}"
            );
            let why = daybreak.why(1, "reader7@example.net").await;
            assert!(why.contains(words), "{why}");
            assert!(closed.connections() <= 10 && closed.accepted().is_empty());
            assert_eq!(daybreak.number(ATTEMPTED).await, 0);
            let sink = daybreak.sink().await;
            daybreak.serve_once("2026-03-02T07:02:00Z").await;
            check_once_each(&[&sink], 100);
            assert!(note(&sink).contains(words), "the editor reads why, if late");
        })
        .await;
    }
}
