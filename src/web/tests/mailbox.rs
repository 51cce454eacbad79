//! The demo's mailbox.

use super::*;
use crate::pipeline::caught::Mailbox;

const MAIL: &str = "From: Brief <brief@example.org>\r\nTo: Ann <ann@example.org>\r\nSubject: <b>News</b>\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\
    Content-Type: text/plain\r\n\r\nHello <Ann>\r\n--x\r\nContent-Type: text/html\r\n\r\n\
    <html><head></head><body><script>alert(1)</script><a href=\"https://example.org\">x</a></body></html>\r\n\
    --x--\r\n";

async fn serve(mailbox: Mailbox) -> (String, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = super::super::mailbox::router(mailbox);
    tokio::spawn(super::super::serve(listener, Networks::default(), router, std::future::pending()));
    (base, Client::builder().no_proxy().build().unwrap())
}

fn mailbox() -> Mailbox {
    let clock = crate::clock::Clock::fixed(Timestamp::parse(NOW).unwrap());
    Mailbox::in_memory(clock, crate::mail::catcher::Limits::default())
}

fn keep(mailbox: &Mailbox, raw: &str) {
    let (from, to) = ("bounces@example.org".to_owned(), vec!["ann@example.org".to_owned()]);
    mailbox.keep(from, to, raw.as_bytes().to_vec()).unwrap();
}

#[tokio::test]
async fn a_mail_is_shown_in_all_its_parts_and_none_of_it_runs() {
    let mailbox = mailbox();
    keep(&mailbox, MAIL);
    let (base, client) = serve(mailbox).await;
    let get = async |path: &str| Answer::of(client.get(format!("{base}{path}")).send().await.unwrap()).await;
    let list = get("/mailbox").await;
    assert!(list.body.contains("&lt;b&gt;News&lt;/b&gt;") && list.body.contains("21 November, 09:00:00 UTC"));
    assert_eq!(list.header("cache-control"), "no-store");

    let html = get("/mailbox/1").await;
    assert!(
        html.body.contains("<iframe src=\"/mailbox/1/body\"") && html.body.contains("sandbox=\"allow-popups")
    );
    assert!(html.header("content-security-policy").contains("frame-src 'self'"));
    assert!(!html.body.contains("<script"));
    let body = get("/mailbox/1/body").await;
    let policy = body.header("content-security-policy");
    assert!(policy.starts_with("sandbox ") && policy.contains("default-src 'none'"));
    assert!(!policy.contains("allow-scripts") && !policy.contains("script-src"));
    assert!(body.body.contains("<base target=\"_blank\">"));

    assert!(get("/mailbox/1/text").await.body.contains("Hello &lt;Ann&gt;"));
    assert!(get("/mailbox/1/headers").await.body.contains("<dt>MIME-Version</dt>"));
    assert!(get("/mailbox/1/source").await.body.contains("boundary&#x3D;x"));
    for path in ["/mailbox/2", "/mailbox/x", "/mailbox/-1/body", "/mailbox/99999999999999999999/source"] {
        assert_eq!(get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_mailbox_has_pages_and_an_empty_one_says_so() {
    let mailbox = mailbox();
    let (base, client) = serve(mailbox.clone()).await;
    let get =
        async |path: &str| client.get(format!("{base}{path}")).send().await.unwrap().text().await.unwrap();
    assert!(get("/mailbox").await.contains("There is no mail here yet"));
    for number in 0..60 {
        keep(&mailbox, &format!("Subject: number {number}\r\n\r\nx"));
    }
    keep(&mailbox, "\u{fffd}\r\n\r\n\0 not a mail at all");
    let first = get("/mailbox").await;
    assert!(first.contains("(no subject)") && first.contains("number 59") && !first.contains("number 3<"));
    assert!(first.contains("Older") && !first.contains("Newer"));
    let second = get("/mailbox?page=1").await;
    assert!(second.contains("number 3<") && second.contains("Newer") && !second.contains("Older"));
    assert!(get("/mailbox?page=18446744073709551615").await.contains("There are no more mails"));
    assert!(get("/mailbox?page=x").await.contains("number 59"));
    assert!(get("/mailbox/61").await.contains("This mail has no HTML part"));
}

#[tokio::test]
async fn mails_are_found_by_a_part_of_their_recipient() {
    let mailbox = mailbox();
    for number in 0..120 {
        let raw =
            format!("From: Brief <brief@example.org>\r\nSubject: number {number}\r\n\r\nx").into_bytes();
        let to = format!("{}{number}@Example.org", if number % 2 == 0 { "ann+" } else { "bob+" });
        mailbox.keep(String::new(), vec![to], raw).unwrap();
    }
    let (base, client) = serve(mailbox).await;
    let get =
        async |path: &str| client.get(format!("{base}{path}")).send().await.unwrap().text().await.unwrap();
    let anns = get("/mailbox?to=%20ANN%2B").await;
    assert!(
        anns.contains("number 118<") && !anns.contains("number 119<") && anns.contains("<bdi>Brief</bdi> to")
    );
    assert!(anns.contains("value=\"ANN+\"") && anns.contains("page&#x3D;1&amp;to&#x3D;ANN%2B"), "{anns}");
    assert!(get("/mailbox?page=1&to=ANN%2B").await.contains("number 0<"));
    let none = get("/mailbox?page=x&to=%3Cb%3E").await;
    assert!(none.contains("There is no mail to an address with “<bdi>&lt;b&gt;</bdi>”"), "{none}");
}
