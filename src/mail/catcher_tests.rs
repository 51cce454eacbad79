//! The catcher, sent to by our own sessions and by hand.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{Limits, Mailbox, run};
use crate::clock::Clock;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::OutcomeClass;
use crate::mail::relay::{Relay, RelayUrl};
use crate::mail::session::{Envelope, Session, Timeouts};

fn clock() -> Clock {
    Clock::fixed(Timestamp::parse("2026-03-29T01:00:00Z").unwrap())
}

struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

async fn start(mailbox: &Mailbox) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let ended = tokio::spawn(run(listener, mailbox.clone(), shutdown));
    Running { port, stop, ended }
}

async fn session(port: u16) -> Session {
    let relay = Relay::open(RelayUrl::parse(&format!("smtp://127.0.0.1:{port}?tls=none")).unwrap()).unwrap();
    Session::connect(&relay, "localhost", Timeouts::default()).await.unwrap()
}

/// Writes all at once, closes its side, and returns what the catcher says.
async fn talk(port: u16, words: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(words).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8(said).unwrap()
}

const MESSAGE: &str = "From: The Daily <news@example.org>\r\n\
    To: =?UTF-8?Q?Zo=C3=AB?= <zoe@example.net>\r\n\
    Subject: Today:\r\n three stories\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=\"x\"\r\n\r\n\
    --x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--x--\r\n";

#[tokio::test]
async fn what_is_sent_is_caught_and_can_be_opened() {
    let mailbox = Mailbox::in_memory(clock(), Limits::default());
    let running = start(&mailbox).await;
    let mut session = session(running.port).await;
    let features = session.features();
    assert!(features.pipelining && features.smtputf8 && features.eight_bit_mime);
    assert_eq!(features.size, Some(25_000_000));
    let (from, to) =
        (EmailAddress::parse("b@example.org").unwrap(), EmailAddress::parse("zoë@example.net").unwrap());
    for _ in 0..60 {
        let sending = session.send(&Envelope { from: Some(&from), to: &to }, MESSAGE, None).await;
        assert_eq!(sending.outcome.class, OutcomeClass::Sent, "{sending:?}");
    }
    session.quit().await;

    assert_eq!(mailbox.count(), 60);
    assert_eq!(mailbox.list(0).len(), 50);
    let rest = mailbox.list(1);
    assert_eq!(rest.iter().map(|summary| summary.id).collect::<Vec<_>>(), (1..=10).rev().collect::<Vec<_>>());
    assert!(mailbox.list(2).is_empty() && mailbox.list(usize::MAX).is_empty());
    assert_eq!(mailbox.addressed_to("zoë@example.net").len(), 60);
    let opened = mailbox.get(7).unwrap();
    assert_eq!(opened.summary.subject, "Today: three stories");
    assert_eq!(opened.summary.from, "The Daily <news@example.org>");
    assert_eq!(opened.summary.to, "Zoë <zoe@example.net>");
    assert_eq!(opened.summary.received, clock().now());
    assert_eq!(
        (opened.envelope_from.as_str(), opened.envelope_to),
        ("b@example.org", vec!["zoë@example.net".into()])
    );
    assert_eq!((opened.text.as_deref(), opened.html.as_deref()), (Some("Hello"), Some("<p>Hello</p>")));
    assert_eq!(opened.headers[2], ("Subject".to_owned(), "Today: three stories".to_owned()));
    assert_eq!(opened.source, MESSAGE);
    assert_eq!(mailbox.get(0), None);
    assert_eq!(mailbox.get(61), None);

    running.stop.send(()).unwrap();
    running.ended.await.unwrap();
}

#[tokio::test]
async fn pipelined_commands_are_answered_one_by_one() {
    let mailbox = Mailbox::in_memory(clock(), Limits::default());
    let running = start(&mailbox).await;
    let said = talk(
        running.port,
        b"EHLO x\r\nRCPT TO:<a@b.org>\r\nmail from:<>\r\nRCPT TO:<>\r\nRCPT TO:<a@b.org>\r\nDATA\r\n..a\r\n\n.\nb\r\n.\r\n\
          MAIL FROM:<c@b.org> SIZE=99999999\r\nMAIL FROM:<c@b.org>\r\nDATA\r\nRSET\r\nWHAT\r\nNOOP\r\nQUIT\r\n",
    )
    .await;
    let codes: Vec<&str> =
        said.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        [
            "220", "250", "503", "250", "501", "250", "354", "250", "552", "250", "554", "250", "502", "250",
            "221"
        ],
        "{said}"
    );
    assert_eq!(mailbox.get(1).unwrap().source, ".a\r\n\n.\nb\r\n");
}

#[tokio::test]
async fn hostile_clients_get_a_refusal_and_no_memory() {
    let mailbox = Mailbox::in_memory(clock(), Limits::default());
    let running = start(&mailbox).await;
    let endless = vec![b'a'; 100_000];
    talk(running.port, &endless).await;
    assert!(talk(running.port, b"\xff\xfe\r\nQUIT\r\n").await.contains("500 5.5.2"));
    assert!(talk(running.port, b"MAIL FROM:<a\rb@c.org>\r\n").await.contains("501"));
    talk(running.port, b"MAIL FROM:<a@b.org>\r\nRCPT TO:<a@b.org>\r\nDATA\r\nhalf a mess").await;
    let mut large = b"MAIL FROM:<a@b.org>\r\nRCPT TO:<a@b.org>\r\nDATA\r\n".to_vec();
    large.resize(25_100_000, b'a');
    large.extend_from_slice(b"\r\n.\r\nNOOP\r\n");
    let said = talk(running.port, &large).await;
    assert!(said.ends_with("552 5.3.4 The message is too large\r\n250 2.0.0 Ok\r\n"), "{said}");
    assert_eq!(mailbox.count(), 0);
}

#[tokio::test]
async fn a_full_house_says_so() {
    let mailbox = Mailbox::in_memory(clock(), Limits::default());
    let running = start(&mailbox).await;
    let mut guests = Vec::new();
    for _ in 0..super::MAX_CONNECTIONS {
        let mut guest = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
        let mut banner = [0; 3];
        guest.read_exact(&mut banner).await.unwrap();
        assert_eq!(&banner, b"220");
        guests.push(guest);
    }
    let mut late = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
    let mut said = String::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), late.read_to_string(&mut said));
    reading.await.unwrap().unwrap();
    assert!(said.starts_with("421 "), "{said}");
}

#[test]
fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
    let mailbox = Mailbox::in_memory(clock(), Limits { messages: 3, bytes: 100 });
    let keep = |size: usize| mailbox.keep("a".to_owned(), vec!["b".to_owned()], vec![b'a'; size]).unwrap();
    assert_eq!([10; 5].map(keep), [1, 2, 3, 4, 5]);
    let ids = || mailbox.list(0).iter().map(|summary| summary.id).collect::<Vec<_>>();
    assert_eq!(ids(), [5, 4, 3]);
    keep(85);
    assert_eq!(ids(), [6, 5]);
    keep(1000);
    assert_eq!(ids(), [7]);
    assert_eq!(mailbox.count(), 7);
    assert!(mailbox.get(7).is_some() && mailbox.get(6).is_none());
}

#[test]
fn a_folder_holds_what_the_mailbox_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mails");
    let open = || Mailbox::in_folder(clock(), Limits { messages: 2, bytes: 1000 }, &path).unwrap();
    let mailbox = open();
    for _ in 0..3 {
        mailbox
            .keep("a@b.org".to_owned(), vec!["c@d.org".to_owned()], b"Subject: x\r\n\r\n".to_vec())
            .unwrap();
    }
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(files(), ["000002.eml", "000003.eml"]);
    let content = std::fs::read_to_string(path.join("000003.eml")).unwrap();
    assert_eq!(content, "Return-Path: <a@b.org>\r\nDelivered-To: c@d.org\r\nSubject: x\r\n\r\n");

    let again = open();
    assert_eq!(again.keep(String::new(), Vec::new(), Vec::new()).unwrap(), 4);
    assert_eq!(files().len(), 3, "an earlier run's files stay");
    std::fs::remove_dir_all(&path).unwrap();
    assert!(again.keep(String::new(), Vec::new(), Vec::new()).is_err());
    assert_eq!((again.count(), again.list(0).len()), (1, 1));
}
