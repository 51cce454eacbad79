//! Sessions with a scripted relay.

use std::time::Duration;

use super::sink::{Encryption, Options, Sink, Wrong};
use super::{Envelope, Sending, Session, Timeouts};
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{Outcome, OutcomeClass};
use crate::mail::relay::{Relay, RelayUrl};

const MESSAGE: &str = "Subject: Today\r\n\r\nHello\r\n";

/// Short enough for tests that wait for the end, long enough for a busy machine in those that do not.
fn hasty() -> Timeouts {
    let short = Duration::from_millis(300);
    Timeouts { connect: Duration::from_secs(10), command: short, data: short, body: short }
}

fn patient() -> Timeouts {
    let long = Duration::from_secs(20);
    Timeouts { connect: long, command: long, data: long, body: long }
}

async fn connect_to(url: &str, timeouts: Timeouts) -> Result<Session, Outcome> {
    let relay = Relay::open(RelayUrl::parse(url).unwrap()).unwrap();
    Session::connect(&relay, "mail.example.org", timeouts).await
}

async fn connect(sink: &Sink) -> Session {
    connect_to(&sink.url(), patient()).await.unwrap()
}

async fn send_message(session: &mut Session, to: &str, message: &str) -> Sending {
    let from = EmailAddress::parse("bounce+d1-0a1b2c3d@example.org").unwrap();
    let to = EmailAddress::parse(&format!("{to}@example.net")).unwrap();
    session.send(&Envelope { from: Some(&from), to: &to }, message, None).await
}

async fn send(session: &mut Session, to: &str) -> Sending {
    send_message(session, to, MESSAGE).await
}

/// Both ways of talking: with and without `PIPELINING`.
fn both_ways() -> [Options; 2] {
    [true, false].map(|pipelining| Options { pipelining, ..Options::default() })
}

#[tokio::test]
async fn a_message_arrives_as_it_was_written() {
    for options in both_ways() {
        let sink = Sink::start(options).await;
        let mut session = connect(&sink).await;
        let sending = send(&mut session, "ann").await;
        assert_eq!(sending.outcome.class, OutcomeClass::Sent, "{sending:?}");
        assert_eq!((sending.outcome.code, sending.outcome.status), (Some(250), Some((2, 0, 0))));
        assert_eq!(sending.outcome.detail, "250 2.0.0 Taken");
        assert!(sending.alive);
        session.quit().await;
        let [accepted] = sink.accepted().try_into().unwrap();
        assert_eq!(accepted.from, "bounce+d1-0a1b2c3d@example.org");
        assert_eq!(accepted.to, ["ann@example.net"]);
        assert_eq!(accepted.message, MESSAGE.as_bytes());
        let commands = sink.commands();
        assert_eq!(commands[0], "EHLO mail.example.org");
        assert_eq!(commands[1], format!("MAIL FROM:<bounce+d1-0a1b2c3d@example.org> SIZE={}", MESSAGE.len()));
        assert_eq!(commands[2..], ["RCPT TO:<ann@example.net>", "DATA", "QUIT"]);
    }
}

#[tokio::test]
async fn each_refusal_has_its_class_and_keeps_the_connection() {
    use OutcomeClass::{BadAddress, OurFault, TryLater};
    for options in both_ways() {
        let sink = Sink::start(options).await;
        let mut session = connect(&sink).await;
        for (to, class, code) in [
            ("greylisted", TryLater, 451),
            ("full", TryLater, 452),
            ("unknown", BadAddress, 550),
            ("latin1", BadAddress, 550),
            ("blocked", OurFault, 550),
            ("no-data", TryLater, 451),
            ("refused-content", OurFault, 554),
            ("spam", OurFault, 550),
            ("later", TryLater, 451),
        ] {
            let sending = send(&mut session, to).await;
            assert_eq!(
                (sending.outcome.class, sending.outcome.code),
                (class, Some(code)),
                "{to}: {sending:?}"
            );
            assert!(sending.alive, "{to}");
            assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::Sent, "after {to}");
        }
        for to in ["greylisted", "later"] {
            assert_eq!(send(&mut session, to).await.outcome.class, OutcomeClass::Sent, "{to} again");
        }
        assert_eq!(sink.connections(), 1);
        assert!(sink.accepted().iter().all(|accepted| accepted.connection == 1));
        assert_eq!(sink.accepted().len(), 9 + 2);
    }
}

#[tokio::test]
async fn a_refused_recipient_keeps_the_connection() {
    // RFC 2920 §3.1: a server may answer DATA with 354 although no recipient was accepted.
    for data_without_recipient in [true, false] {
        let sink = Sink::start(Options { data_without_recipient, ..Options::default() }).await;
        let mut session = connect(&sink).await;
        for _ in 0..3 {
            let sending = send(&mut session, "unknown").await;
            assert_eq!(sending.outcome.class, OutcomeClass::BadAddress);
            assert_eq!(sending.outcome.status, Some((5, 1, 1)));
            assert!(sending.alive);
        }
        assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::Sent);
        assert_eq!(sink.accepted().len(), 1, "nothing else was delivered to anybody");
        assert_eq!(sink.connections(), 1);
    }
}

#[tokio::test]
async fn a_refused_sender_is_our_fault() {
    for options in both_ways() {
        let refuse_mail = Some("553 5.1.8 Who are you?");
        let sink = Sink::start(Options { refuse_mail, ..options }).await;
        let mut session = connect(&sink).await;
        for _ in 0..2 {
            let sending = send(&mut session, "ann").await;
            assert_eq!(sending.outcome.class, OutcomeClass::OurFault);
            assert!(sending.alive);
        }
    }
}

#[tokio::test]
async fn a_relay_that_goes_down_is_left_and_nothing_is_decided() {
    for options in both_ways() {
        let sink = Sink::start(options).await;
        for to in ["421", "drops-in-data", "drops-after-dot", "not-smtp", "endless-line", "endless-reply"] {
            let mut session = connect(&sink).await;
            let sending = send(&mut session, to).await;
            // Once the message is written, nobody knows whether the relay has it.
            let broke_in_body = to.starts_with("drops");
            let class = if broke_in_body { OutcomeClass::Uncertain } else { OutcomeClass::RelayDown };
            assert_eq!(sending.outcome.class, class, "{to}: {sending:?}");
            assert!(!sending.alive, "{to}");
            let after = send(&mut session, "ann").await;
            assert_eq!((after.outcome.class, after.alive), (OutcomeClass::RelayDown, false), "{to}");
        }
        assert!(sink.accepted().is_empty());
    }
}

#[tokio::test]
async fn the_sentence_says_what_the_relay_did() {
    let sink = Sink::start(Options::default()).await;
    for (to, words) in [
        ("421", "421 4.3.2 Going down"),
        ("drops-in-data", "broke at the message"),
        ("drops-after-dot", "it may have taken the message"),
        ("not-smtp", "not a reply of SMTP"),
        ("endless-line", "no end"),
    ] {
        let mut session = connect(&sink).await;
        let detail = send(&mut session, to).await.outcome.detail;
        assert!(detail.contains(words), "{to}: {detail}");
    }
}

#[tokio::test]
async fn a_relay_that_stops_answering_in_the_body_is_left_after_the_time_out() {
    for options in both_ways() {
        let sink = Sink::start(options).await;
        for to in ["stalls-in-data", "stalls"] {
            let mut session = connect_to(&sink.url(), hasty()).await.unwrap();
            let sending = send(&mut session, to).await;
            let class = if to == "stalls" { OutcomeClass::RelayDown } else { OutcomeClass::Uncertain };
            assert_eq!((sending.outcome.class, sending.alive), (class, false), "{to}");
            assert!(sending.outcome.detail.contains("did not answer"), "{sending:?}");
        }
    }
}

#[tokio::test]
async fn a_relay_that_does_not_read_is_left_after_the_time_out() {
    let sink = Sink::start(Options { size: None, ..Options::default() }).await;
    let mut session = connect_to(&sink.url(), hasty()).await.unwrap();
    // More than the buffers of both sockets hold: the write waits.
    let message = "a line of text\r\n".repeat(2_000_000);
    let sending = send_message(&mut session, "stalls", &message).await;
    assert_eq!((sending.outcome.class, sending.alive), (OutcomeClass::RelayDown, false));
}

#[tokio::test]
async fn a_message_that_is_given_up_half_way_ends_the_session() {
    let sink = Sink::start(Options::default()).await;
    let mut session = connect(&sink).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), send(&mut session, "stalls")).await;
    assert!(given_up.is_err());
    let sending = send(&mut session, "ann").await;
    assert_eq!((sending.outcome.class, sending.alive), (OutcomeClass::RelayDown, false));
    assert!(sink.accepted().is_empty());
}

#[tokio::test]
async fn a_relay_that_closes_after_a_message_has_taken_it() {
    let sink = Sink::start(Options { close_after: Some(1), ..Options::default() }).await;
    let mut session = connect(&sink).await;
    assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::Sent);
    let sending = send(&mut session, "bob").await;
    assert_eq!((sending.outcome.class, sending.alive), (OutcomeClass::RelayDown, false));
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test]
async fn replies_of_many_lines_and_slow_ones_are_read_whole() {
    for options in both_ways() {
        let delay = Duration::from_millis(5);
        let sink = Sink::start(Options { reply_lines: 20, delay, ..options }).await;
        let mut session = connect(&sink).await;
        assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::Sent);
        let refused = send(&mut session, "unknown").await.outcome;
        assert_eq!((refused.class, refused.status), (OutcomeClass::BadAddress, Some((5, 1, 1))));
        assert!(refused.detail.chars().count() <= 300);
        assert_eq!(send(&mut session, "bob").await.outcome.class, OutcomeClass::Sent);
        let [first, second] = sink.accepted().try_into().unwrap();
        assert!(second.at >= first.at + delay, "the sink was slow");
    }
}

#[tokio::test]
async fn what_a_relay_cannot_take_is_refused_before_it_is_sent() {
    let sink = Sink::start(Options { size: Some(100), smtputf8: false, ..Options::default() }).await;
    let mut session = connect(&sink).await;
    let before = sink.commands().len();
    let large = send_message(&mut session, "ann", &"a line\r\n".repeat(20)).await;
    assert_eq!((large.outcome.class, large.alive), (OutcomeClass::OurFault, true));
    assert!(large.outcome.detail.contains("160 bytes") && large.outcome.detail.contains("100"), "{large:?}");
    let foreign = send(&mut session, "dörte").await;
    assert_eq!((foreign.outcome.class, foreign.alive), (OutcomeClass::Refused, true));
    assert!(foreign.outcome.detail.contains("SMTPUTF8"), "{foreign:?}");
    let header = send_message(&mut session, "ann", "To: <dörte@example.net>\r\n\r\n").await;
    assert_eq!(header.outcome.class, OutcomeClass::Refused);
    assert_eq!(sink.commands().len(), before, "nothing was sent");
    assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::Sent);
}

#[tokio::test]
async fn a_local_part_beyond_ascii_is_announced_where_the_relay_takes_it() {
    let sink = Sink::start(Options::default()).await;
    let mut session = connect(&sink).await;
    let message = "To: <dörte@example.net>\r\n\r\nHello\r\n";
    let sending = send_message(&mut session, "dörte", message).await;
    assert_eq!(sending.outcome.class, OutcomeClass::Sent);
    assert!(sink.commands()[1].ends_with(" BODY=8BITMIME SMTPUTF8"), "{:?}", sink.commands());
    assert_eq!(sink.accepted()[0].to, ["dörte@example.net"]);
}

#[tokio::test]
async fn a_message_without_a_sender_has_the_null_path() {
    let sink = Sink::start(Options::default()).await;
    let mut session = connect(&sink).await;
    let to = EmailAddress::parse("ann@example.net").unwrap();
    let sending = session.send(&Envelope { from: None, to: &to }, MESSAGE, None).await;
    assert_eq!(sending.outcome.class, OutcomeClass::Sent);
    assert_eq!(sink.accepted()[0].from, "");
}

#[tokio::test]
async fn lines_that_start_with_a_dot_survive() {
    let sink = Sink::start(Options::default()).await;
    let mut session = connect(&sink).await;
    for message in [".\r\n", ".a\r\n..b\r\n.\r\nc\r\n", "a\r\n.\r\nRSET\r\n", "no end", ""] {
        assert_eq!(send_message(&mut session, "ann", message).await.outcome.class, OutcomeClass::Sent);
        let expected = if message.is_empty() || message == "no end" {
            format!("{message}\r\n")
        } else {
            message.to_owned()
        };
        assert_eq!(sink.accepted().last().unwrap().message, expected.as_bytes());
    }
}

/// The sink's URL with its certificate as a trusted one, and a user name and password.
fn trusting(sink: &Sink, password: Option<&str>) -> (String, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sink.certificate()).unwrap();
    let url = sink.url();
    let url = match password {
        Some(password) => url.replace("://", &format!("://ann:{password}@")),
        None => url,
    };
    let separator = if url.contains('?') { '&' } else { '?' };
    (format!("{url}{separator}ca={}", file.path().display()), file)
}

#[tokio::test]
async fn tls_is_spoken_from_the_start_or_after_starttls() {
    for tls in [Encryption::Implicit, Encryption::StartTls] {
        let sink = Sink::start(Options { tls, ..Options::default() }).await;
        let (url, _file) = trusting(&sink, None);
        let mut session = connect_to(&url, patient()).await.unwrap();
        for (to, class) in
            [("ann", OutcomeClass::Sent), ("latin1", OutcomeClass::BadAddress), ("bob", OutcomeClass::Sent)]
        {
            let sending = send(&mut session, to).await;
            assert_eq!((sending.outcome.class, sending.alive), (class, true), "{tls:?} {sending:?}");
        }
        let dropped = send(&mut session, "drops-in-data").await.outcome;
        assert!(dropped.detail.contains("broke at the message"), "{dropped:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_has_another_name_is_refused() {
    for tls in [Encryption::Implicit, Encryption::StartTls] {
        let sink = Sink::start(Options { tls, ..Options::default() }).await;
        let (url, _file) = trusting(&sink, None);
        // Something to trust must be there, on whatever system this runs.
        let other = Sink::start(Options::default()).await;
        let (_, others_file) = trusting(&other, None);
        let untrusted = format!("{}?ca={}", sink.url(), others_file.path().display());
        for url in [untrusted, format!("{url}&name=mail.example.org")] {
            let outcome = connect_to(&url, patient()).await.unwrap_err();
            assert_eq!(outcome.class, OutcomeClass::OurFault);
            assert!(outcome.detail.contains("certificate"), "{outcome:?}");
        }
        assert!(connect_to(&format!("{url}&name=localhost"), patient()).await.is_ok());
    }
}

#[tokio::test]
async fn mail_is_not_sent_in_the_clear_where_starttls_is_missing() {
    let sink =
        Sink::start(Options { auth: Some(("ann".into(), "secret".into())), ..Options::default() }).await;
    let file = trusting(&sink, None).1;
    let url = format!("smtp://ann:secret@127.0.0.1:{}?ca={}", sink.address.port(), file.path().display());
    let outcome = connect_to(&url, patient()).await.unwrap_err();
    assert_eq!(outcome.class, OutcomeClass::OurFault);
    assert!(outcome.detail.contains("STARTTLS") && outcome.detail.contains("tls=none"), "{outcome:?}");
    assert_eq!(sink.commands(), ["EHLO mail.example.org"], "no password, no mail");
}

#[tokio::test]
async fn what_is_said_between_starttls_and_tls_counts_for_nothing() {
    let after_starttls = "250 I am somebody else\r\n";
    let sink = Sink::start(Options { tls: Encryption::StartTls, after_starttls, ..Options::default() }).await;
    let (url, _file) = trusting(&sink, None);
    let outcome = connect_to(&url, patient()).await.unwrap_err();
    assert_eq!(outcome.class, OutcomeClass::RelayDown);
}

#[tokio::test]
async fn a_user_name_and_password_open_the_relay_and_a_wrong_one_is_our_fault() {
    for (tls, mechanisms) in
        [(Encryption::None, "PLAIN LOGIN"), (Encryption::Implicit, "LOGIN"), (Encryption::StartTls, "PLAIN")]
    {
        let auth = Some(("ann".to_owned(), "secret".to_owned()));
        let sink = Sink::start(Options { tls, auth, mechanisms, ..Options::default() }).await;
        let (url, _file) = trusting(&sink, Some("secret"));
        let mut session = connect_to(&url, patient()).await.unwrap();
        assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::Sent);

        let (url, _file) = trusting(&sink, Some("hunter2"));
        let outcome = connect_to(&url, patient()).await.unwrap_err();
        assert_eq!((outcome.class, outcome.code), (OutcomeClass::OurFault, Some(535)));
        assert!(!outcome.detail.contains("hunter2"));

        let (url, _file) = trusting(&sink, None);
        let mut session = connect_to(&url, patient()).await.unwrap();
        assert_eq!(send(&mut session, "ann").await.outcome.class, OutcomeClass::OurFault);
    }
}

#[tokio::test]
async fn a_relay_that_does_not_take_passwords_gets_none() {
    for (auth, mechanisms) in [(None, ""), (Some(("ann".to_owned(), "secret".to_owned())), "CRAM-MD5")] {
        let sink = Sink::start(Options { auth, mechanisms, ..Options::default() }).await;
        let (url, _file) = trusting(&sink, Some("secret"));
        let outcome = connect_to(&url, patient()).await.unwrap_err();
        assert_eq!(outcome.class, OutcomeClass::OurFault);
        assert!(!sink.commands().iter().any(|command| command.starts_with("AUTH")));
    }
}

#[tokio::test]
async fn a_banner_that_is_none_ends_in_a_sentence() {
    let banners: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 200 OK\r\n\r\n", "not a reply of SMTP"),
        (b"554 5.7.1 No service for you\r\n", "554 5.7.1 No service"),
        (b"421 4.3.2 Too many connections\r\n", "421 4.3.2"),
        (b"220-one\r\n554 two\r\n", "not a reply of SMTP"),
        (b"\0\xff\xfe\r\n", "not a reply of SMTP"),
    ];
    for (banner, words) in banners {
        let sink = Sink::start(Options { banner: Some(banner.to_vec()), ..Options::default() }).await;
        let outcome = connect_to(&sink.url(), patient()).await.unwrap_err();
        assert_eq!(outcome.class, OutcomeClass::RelayDown, "{outcome:?}");
        assert!(outcome.detail.contains(words), "{outcome:?}");
    }
    let sink = Sink::start(Options { banner: Some(b"220-still".to_vec()), ..Options::default() }).await;
    let outcome = connect_to(&sink.url(), hasty()).await.unwrap_err();
    assert!(outcome.detail.contains("did not answer the greeting"), "{outcome:?}");
}

#[tokio::test]
async fn nobody_at_the_port_is_a_relay_that_is_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outcome = connect_to(&format!("smtp://127.0.0.1:{port}?tls=none"), patient()).await.unwrap_err();
    assert_eq!(outcome.class, OutcomeClass::RelayDown);
    assert!(outcome.detail.contains(&format!("127.0.0.1:{port}")), "{outcome:?}");
}

#[tokio::test]
async fn a_name_for_ehlo_that_is_none_is_our_fault() {
    let sink = Sink::start(Options::default()).await;
    let relay = Relay::open(RelayUrl::parse(&sink.url()).unwrap()).unwrap();
    for name in ["", "a b", "a\r\nMAIL FROM:<>"] {
        let outcome = Session::connect(&relay, name, patient()).await.unwrap_err();
        assert_eq!(outcome.class, OutcomeClass::OurFault, "{name:?}");
    }
}

/// Sends a message to each of these, each one's envelope behind the body before it.
async fn send_in_a_row(session: &mut Session, to: &[&str]) -> Vec<Sending> {
    let addresses: Vec<EmailAddress> =
        to.iter().map(|to| EmailAddress::parse(&format!("{to}@example.net")).unwrap()).collect();
    let envelope = |index: usize| addresses.get(index).map(|to| Envelope { from: None, to });
    let mut sendings = vec![];
    for index in 0..addresses.len() {
        let next = envelope(index + 1).and_then(|next| session.ahead(&next, MESSAGE));
        sendings.push(session.send(&envelope(index).unwrap(), MESSAGE, next).await);
    }
    sendings
}

#[tokio::test]
async fn the_next_envelope_goes_out_behind_the_body() {
    let sink = Sink::start(Options::default()).await;
    let mut session = connect(&sink).await;
    let sendings = send_in_a_row(&mut session, &["ann", "ben", "cid"]).await;
    assert!(sendings.iter().all(|sending| sending.outcome.class == OutcomeClass::Sent && sending.alive));
    session.quit().await;
    let to: Vec<_> = sink.accepted().into_iter().flat_map(|accepted| accepted.to).collect();
    assert_eq!(to, ["ann@example.net", "ben@example.net", "cid@example.net"]);
    assert!(
        sink.accepted()
            .iter()
            .all(|accepted| accepted.message == MESSAGE.as_bytes() && accepted.connection == 1)
    );
}

#[tokio::test]
async fn nothing_goes_out_ahead_without_pipelining() {
    let sink = Sink::start(Options { pipelining: false, ..Options::default() }).await;
    let mut session = connect(&sink).await;
    let ann = EmailAddress::parse("ann@example.net").unwrap();
    assert_eq!(session.ahead(&Envelope { from: None, to: &ann }, MESSAGE), None);
    let sendings = send_in_a_row(&mut session, &["ann", "ben"]).await;
    assert!(sendings.iter().all(|sending| sending.outcome.class == OutcomeClass::Sent));
}

#[tokio::test]
async fn a_refusal_of_what_went_out_ahead_keeps_the_connection_and_everybody_else() {
    for data_without_recipient in [true, false] {
        let sink = Sink::start(Options { data_without_recipient, ..Options::default() }).await;
        let mut session = connect(&sink).await;
        let to = ["ann", "unknown", "ben", "no-data", "cid", "spam", "dan", "full", "full+2", "eve"];
        let sendings = send_in_a_row(&mut session, &to).await;
        use OutcomeClass::{BadAddress, OurFault, Sent, TryLater};
        let classes: Vec<_> = sendings.iter().map(|sending| sending.outcome.class).collect();
        let expected = [Sent, BadAddress, Sent, TryLater, Sent, OurFault, Sent, TryLater, TryLater, Sent];
        assert_eq!(classes, expected);
        assert!(sendings.iter().all(|sending| sending.alive));
        let got: Vec<_> = sink.accepted().into_iter().flat_map(|accepted| accepted.to).collect();
        let expected = ["ann", "ben", "cid", "dan", "eve"].map(|to| format!("{to}@example.net"));
        assert_eq!(got, expected, "each got their own");
        assert_eq!(sink.connections(), 1);
    }
}

#[tokio::test]
async fn an_envelope_ahead_that_the_relay_takes_for_a_mistake_says_nothing_of_its_message() {
    for reply in ["503 5.5.0 Improper use of SMTP command pipelining", "500 5.5.2 Command not recognized"] {
        let wrong = Wrong { refuse_behind: Some(reply), ..Wrong::default() };
        let sink = Sink::start(Options { wrong, ..Options::default() }).await;
        let mut session = connect(&sink).await;
        let sendings = send_in_a_row(&mut session, &["ann", "ben"]).await;
        assert_eq!(sendings[0].outcome.class, OutcomeClass::Sent, "{sendings:?}");
        assert_eq!(sendings[1].outcome.class, OutcomeClass::RelayDown, "{sendings:?}");
        assert!(sendings[1].outcome.detail.contains(reply) && !sendings[1].alive, "{sendings:?}");
        let mut session = connect(&sink).await;
        assert_eq!(send(&mut session, "ben").await.outcome.class, OutcomeClass::Sent);
    }
}

#[tokio::test]
async fn a_message_that_is_answered_with_go_on_may_have_been_taken() {
    for mut options in both_ways() {
        options.wrong.body = Some(b"354 Go on\r\n");
        let sink = Sink::start(options).await;
        let mut session = connect(&sink).await;
        let sending = send(&mut session, "ann").await;
        assert_eq!(sending.outcome.class, OutcomeClass::Uncertain, "{sending:?}");
        assert!(!sending.alive);
    }
}

#[tokio::test]
async fn who_was_announced_and_is_not_to_be_sent_gets_nothing() {
    let sink = Sink::start(Options::default()).await;
    let mut session = connect(&sink).await;
    let [ann, ben, cid] =
        ["ann", "ben", "cid"].map(|to| EmailAddress::parse(&format!("{to}@example.net")).unwrap());
    let ahead = session.ahead(&Envelope { from: None, to: &ben }, MESSAGE);
    let sent = session.send(&Envelope { from: None, to: &ann }, MESSAGE, ahead).await;
    assert!(sent.alive && session.is_ahead());
    let sending = session.send(&Envelope { from: None, to: &cid }, MESSAGE, None).await;
    assert_eq!(sending.outcome.class, OutcomeClass::RelayDown, "{sending:?}");
    assert!(!sending.alive);

    let mut session = connect(&sink).await;
    let ahead = session.ahead(&Envelope { from: None, to: &ben }, MESSAGE);
    session.send(&Envelope { from: None, to: &ann }, MESSAGE, ahead).await;
    session.quit().await;
    let got: Vec<_> = sink.accepted().into_iter().flat_map(|accepted| accepted.to).collect();
    assert_eq!(got, ["ann@example.net", "ann@example.net"], "a goodbye is no message");
    assert!(!sink.commands().contains(&"QUIT".to_owned()));
}

#[tokio::test]
async fn a_relay_that_closes_after_a_message_has_that_one_and_not_the_next() {
    for options in [
        Options { most_per_connection: Some(1), ..Options::default() },
        Options { close_after: Some(1), ..Options::default() },
    ] {
        let sink = Sink::start(options).await;
        let mut session = connect(&sink).await;
        let sendings = send_in_a_row(&mut session, &["ann", "ben"]).await;
        assert_eq!(sendings[0].outcome.class, OutcomeClass::Sent, "{sendings:?}");
        assert_eq!(sendings[1].outcome.class, OutcomeClass::RelayDown, "{sendings:?}");
        assert!(!sendings[1].alive);
        assert_eq!(sink.accepted().len(), 1);
    }
}
