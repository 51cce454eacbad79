//! Fetches from servers of a few lines, each with one fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::domain::calendar::Timestamp;

fn fetcher(allow_private: bool) -> Fetcher {
    let settings = FetchSettings {
        allow_private,
        contact: Some(Url::parse("https://digest.example.org/").expect("a link")),
        time_limit: Duration::from_secs(2),
    };
    let noon = Timestamp::parse("2026-01-13T12:00:00Z").expect("a date");
    Fetcher::new(settings, Clock::fixed(noon)).expect("a fetcher")
}

/// Serves each request with what `answer` makes of its head; gives the server's root link.
async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let root = format!("http://{}/", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let _ = stream.write_all(&answer(&String::from_utf8_lossy(&head))).await;
            });
        }
    });
    Url::parse(&root).expect("a link")
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut reply = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    reply.extend_from_slice(body);
    reply
}

async fn get(url: &Url) -> Result<Fetched, FetchError> {
    fetcher(true).get(url, &Validators::default()).await
}

fn document(fetched: Result<Fetched, FetchError>) -> Document {
    match fetched {
        Ok(Fetched::Document(document)) => document,
        other => panic!("no document: {other:?}"),
    }
}

#[tokio::test]
async fn a_document_comes_with_its_type_and_validators() {
    let url = serve(|head| {
        assert!(head.contains("user-agent: Daybreak/"), "{head}");
        assert!(head.contains("+https://digest.example.org/"), "{head}");
        reply(
            "200 OK",
            "Content-Type: text/xml; charset=x\r\nETag: \"a\"\r\nLast-Modified: yesterday\r\n",
            b"<rss/>",
        )
    })
    .await;
    let found = document(get(&url).await);
    assert_eq!(found.bytes, b"<rss/>");
    assert_eq!(found.content_type.as_deref(), Some("text/xml; charset=x"));
    assert_eq!(found.validators.etag.as_deref(), Some("\"a\""));
    assert_eq!(found.validators.last_modified.as_deref(), Some("yesterday"));
    assert_eq!((found.url, found.moved_to), (url, None));
}

#[tokio::test]
async fn an_unchanged_document_is_not_sent_again() {
    let url = serve(|head| {
        assert!(
            head.contains("if-none-match: \"a\"") && head.contains("if-modified-since: yesterday"),
            "{head}"
        );
        reply("304 Not Modified", "", b"")
    })
    .await;
    let known = Validators { etag: Some("\"a\"".into()), last_modified: Some("yesterday".into()) };
    assert_eq!(fetcher(true).get(&url, &known).await, Ok(Fetched::NotModified { moved_to: None }));
}

#[tokio::test]
async fn only_permanent_redirects_tell_a_new_link() {
    let url = serve(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/good" => reply("301 Moved Permanently", "Location: /good2\r\n", b""),
        "/good2" => reply("308 Permanent Redirect", "Location: end\r\n", b""),
        "/mixed" => reply("301 Moved Permanently", "Location: /temporary\r\n", b""),
        "/temporary" => reply("302 Found", "Location: /end\r\n", b""),
        "/loop" => reply("301 Moved Permanently", "Location: /loop\r\n", b""),
        "/nowhere" => reply("301 Moved Permanently", "", b""),
        "/ftp" => reply("301 Moved Permanently", "Location: ftp://example.org/\r\n", b""),
        "/secret" => reply("301 Moved Permanently", "Location: http://a:b@example.org/\r\n", b""),
        _ => reply("200 OK", "", b"end"),
    })
    .await;
    let at = |path: &str| url.join(path).expect("a link");
    assert_eq!(document(get(&at("/good")).await).moved_to, Some(at("/end")));
    assert_eq!(document(get(&at("/mixed")).await).moved_to, None);
    let temporary = document(get(&at("/temporary")).await);
    assert_eq!((temporary.url, temporary.moved_to), (at("/end"), None));
    assert_eq!(get(&at("/loop")).await, Err(FetchError::TooManyRedirects { limit: 5 }));
    assert_eq!(get(&at("/nowhere")).await, Err(FetchError::BadRedirect { target: String::new() }));
    assert_eq!(get(&at("/ftp")).await, Err(FetchError::NotHttp { scheme: "ftp".into() }));
    assert_eq!(get(&at("/secret")).await, Err(FetchError::BadRedirect { target: "example.org".into() }));
}

#[tokio::test]
async fn a_status_becomes_a_reason() {
    let url = serve(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/404" => reply("404 Not Found", "", b""),
        "/410" => reply("410 Gone", "", b""),
        "/403" => reply("403 Forbidden", "", b""),
        "/429" => reply("429 Too Many Requests", "Retry-After: 120\r\n", b""),
        "/503" => reply("503 Service Unavailable", "Retry-After: Tue, 13 Jan 2026 12:01:00 GMT\r\n", b""),
        _ => reply("500 Internal Server Error", "", b""),
    })
    .await;
    let fail = async |path: &str| get(&url.join(path).expect("a link")).await.expect_err("a failure");
    assert_eq!(fail("/404").await, FetchError::NotFound);
    assert_eq!(fail("/410").await, FetchError::Gone);
    assert!(fail("/410").await.is_permanent() && !fail("/404").await.is_permanent());
    assert_eq!(fail("/403").await, FetchError::Forbidden { status: 403 });
    assert_eq!(fail("/429").await.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(fail("/503").await.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(fail("/500").await.to_string(), "the server answered with status 500 (Internal Server Error)");
}

#[tokio::test]
async fn an_endless_document_ends() {
    let url = serve(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/told" => reply("200 OK", "Content-Length: 99999999\r\n", b"x"),
        "/drip" => reply("200 OK", "Content-Length: 100\r\n", b"x"),
        _ => reply("200 OK", "", &vec![b'x'; SIZE_LIMIT + 1]),
    })
    .await;
    let at = |path: &str| url.join(path).expect("a link");
    assert_eq!(get(&at("/told")).await, Err(FetchError::TooLarge { limit: SIZE_LIMIT }));
    assert_eq!(get(&at("/untold")).await, Err(FetchError::TooLarge { limit: SIZE_LIMIT }));
    // Closed after one byte of a hundred.
    assert!(matches!(get(&at("/drip")).await, Err(FetchError::Broken { .. })));
}

#[tokio::test]
async fn a_server_that_never_answers_is_too_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("a link");
    tokio::spawn(async move {
        // A byte now and then must not keep the fetch alive.
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(get(&url).await, Err(FetchError::TooSlow { limit: Duration::from_secs(2) }));
}

#[tokio::test]
async fn a_packed_bomb_is_too_large() {
    // A gzip of zeros, made of stored blocks is no bomb; a deflate block of one repeated byte is: 1,032 to 1.
    let url = serve(|_| reply("200 OK", "Content-Encoding: gzip\r\n", &bomb())).await;
    assert_eq!(get(&url).await, Err(FetchError::TooLarge { limit: SIZE_LIMIT }));
}

/// A gzip stream (RFC 1952) of 12 MB of zeros: one fixed-Huffman block (RFC 1951 §3.2.6) of a literal 0 and copies of
/// 258 bytes from distance 1.
fn bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    let push = |bits: &mut Vec<bool>, code: u32, width: u32| {
        bits.extend((0..width).rev().map(|bit| code >> bit & 1 == 1))
    };
    push(&mut bits, 0b0011_0000, 8);
    for _ in 0..12 * 1024 * 1024 / 258 {
        push(&mut bits, 0b1100_0101, 8);
        push(&mut bits, 0, 5);
    }
    push(&mut bits, 0, 7);
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0u8, |sum, (at, bit)| sum | u8::from(*bit) << at)),
    );
    gzip
}

#[tokio::test]
async fn the_inner_network_is_refused() {
    let url = serve(|_| reply("200 OK", "", b"secret")).await;
    let port = url.port().expect("a port");
    let fetcher = fetcher(false);
    for link in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://0.0.0.0/".to_owned(),
    ] {
        let error = fetcher.get(&Url::parse(&link).expect("a link"), &Validators::default()).await;
        assert!(matches!(error, Err(FetchError::Refused { .. })), "{link}: {error:?}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_resolved() {
    let resolver = Resolver { allow_private: false };
    let refused = resolver.resolve("localhost".parse().expect("a name")).await.err().expect("an error");
    assert!(refused.is::<RefusedAddress>(), "{refused}");
    let unknown =
        resolver.resolve("no-such-name.invalid".parse().expect("a name")).await.err().expect("an error");
    assert!(unknown.is::<Unresolved>(), "{unknown}");

    let link = Url::parse("http://no-such-name.invalid/").expect("a link");
    let error = fetcher(false).get(&link, &Validators::default()).await;
    assert_eq!(error, Err(FetchError::Unresolved { host: "no-such-name.invalid".into() }));
}

#[tokio::test]
async fn what_does_not_answer_is_unreachable_and_what_is_not_tls_is_insecure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed =
        Url::parse(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("a link");
    drop(listener);
    assert!(matches!(get(&closed).await, Err(FetchError::Unreachable { .. })));

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let plain =
        Url::parse(&format!("https://{}/", listener.local_addr().expect("an address"))).expect("a link");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_u8().await;
    });
    assert!(matches!(get(&plain).await, Err(FetchError::Tls { .. })));
}

#[tokio::test]
async fn a_host_is_asked_one_question_at_a_time() {
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("a link");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                AT_ONCE.fetch_sub(1, Ordering::SeqCst);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
            });
        }
    });
    let fetcher = fetcher(true);
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let (fetcher, url) = (fetcher.clone(), url.clone());
            tokio::spawn(async move { fetcher.get(&url, &Validators::default()).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.expect("a task").is_ok());
    }
    assert_eq!(MOST.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_inside_is_refused() {
    let url = serve(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/name" => reply("302 Found", "Location: http://localhost/\r\n", b""),
        "/number" => reply("302 Found", "Location: http://2130706433/\r\n", b""),
        "/metadata" => reply("302 Found", "Location: //169.254.169.254/latest/\r\n", b""),
        _ => reply("200 OK", "", b"public"),
    })
    .await;
    // A public name, which this client alone resolves to the server here.
    let address =
        format!("127.0.0.1:{}", url.port().expect("a port")).parse::<SocketAddr>().expect("an address");
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let client = client.resolve("public.example.org", address).build().expect("a client");
    let strict = Fetcher { client, ..fetcher(false) };
    let ask = async |path: &str| {
        let link = format!("http://public.example.org:{}{path}", address.port());
        strict.get(&Url::parse(&link).expect("a link"), &Validators::default()).await
    };
    assert_eq!(document(ask("/").await).bytes, b"public");
    for path in ["/name", "/number", "/metadata"] {
        assert!(matches!(ask(path).await, Err(FetchError::Refused { .. })), "{path}");
    }
}
