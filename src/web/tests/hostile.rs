//! Input that means no good gets a clear answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::places::Places;
use super::super::serve::{self, Limits};
use super::*;

#[tokio::test]
async fn a_form_of_ten_megabytes_is_refused() {
    for house in houses().await {
        let body = format!("email={}", "a".repeat(10 * 1024 * 1024));
        let answer = house.post("/subscribe", FORM, body).await;
        assert_eq!(answer.status, 413);
        assert!(answer.body.contains("64 KB"), "{}", answer.body);
        assert_eq!(house.get("/healthz").await.body, "ok");
        house.close().await;
    }
}

#[tokio::test]
async fn a_body_too_large_keeps_nobody_from_leaving() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        let answer = house.post(&leave, FORM, "x".repeat(1024 * 1024)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_thousand_newsletters_are_refused() {
    for house in houses().await {
        let slugs: Vec<String> = (0..1000).map(|number| format!("letter-{number}")).collect();
        let mut fields = vec![("email", "ann@example.org")];
        fields.extend(slugs.iter().map(|slug| ("newsletter", slug.as_str())));
        let answer = house.submit("/subscribe", &fields).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains("Choose at most 50 newsletters at a time."), "{}", answer.body);
        assert_eq!(house.mails().await, []);
        house.close().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field_and_what_was_typed_is_kept() {
    for house in houses().await {
        let long = format!("{}@example.org", "a".repeat(300));
        let cases = [
            ("email", "", "Enter your e-mail address"),
            ("email", "ann", "ann"),
            ("email", &long, "is not an e-mail address"),
            ("email", "ann@example.org\r\nBcc: bob@example.org", "is not an e-mail address"),
            ("email", "ann@example.org,bob@example.org", "is not an e-mail address"),
            ("name", "Ann\r\nBcc: bob@example.org", "The name holds a line break"),
            ("name", &"n".repeat(201), "longer than 200 characters"),
            ("hour", "25:00", "is not a time of day"),
            ("timezone", "Mars/Olympus", "is not a time zone"),
        ];
        for (field, value, says) in cases {
            let mut fields = vec![(field, value)];
            let rest =
                [("page", "brief"), ("newsletter", "brief"), ("email", "ann@example.org"), ("name", "Ann")];
            fields.extend(rest.into_iter().filter(|(name, _)| *name != field));
            let answer = house.submit("/subscribe", &fields).await;
            assert_eq!(answer.status, 422, "{field}={value:?}");
            assert!(answer.body.contains(says), "{field}={value:?}: {}", answer.body);
            assert!(answer.body.contains("There is a problem"));
            if field != "email" {
                assert!(answer.body.contains("value=\"ann@example.org\""));
            }
        }
        assert_eq!(house.mails().await, []);
        assert!(house.stored("ann@example.org").await.is_empty());
        house.close().await;
    }
}

#[tokio::test]
async fn choosing_nothing_or_what_there_is_not_is_a_problem_of_that_field() {
    for house in houses().await {
        let none = house.submit("/subscribe", &[("email", "ann@example.org")]).await;
        assert_eq!(none.status, 422);
        assert!(none.body.contains("Choose at least one newsletter."));
        let fields = [("email", "ann@example.org"), ("newsletter", "no-such")];
        let gone = house.submit("/subscribe", &fields).await;
        assert_eq!(gone.status, 422);
        assert!(gone.body.contains("is not here any more: choose again."), "{}", gone.body);
        house.close().await;
    }
}

#[tokio::test]
async fn what_was_typed_is_text_never_markup() {
    for house in houses().await {
        let script = "\"><script>alert(1)</script>";
        let fields = [("email", script), ("name", script), ("page", script), ("newsletter", script)];
        let answer = house.submit("/subscribe", &fields).await;
        assert_eq!(answer.status, 422);
        assert!(!answer.body.contains("<script"), "{}", answer.body);
        house.close().await;
    }
}

#[tokio::test]
async fn nul_finds_nothing_and_fails_nothing() {
    for house in houses().await {
        assert_eq!(house.get("/subscribe/%00").await.status, 404);
        assert_eq!(house.get("/subscribe/br%00ief").await.status, 404);
        for body in [
            "email=ann@example.org&newsletter=br%00ief",
            "email=ann@example.org&newsletter=brief%00",
            "email=ann%00@example.org&newsletter=brief",
        ] {
            assert_eq!(house.post("/subscribe", FORM, body).await.status, 422, "{body}");
        }
        let body = "email=ann@example.org&newsletter=brief&page=brief%00&name=A%00nn&topic=%00&schedule=%00\
                    &language=%00&%00=%00";
        assert_eq!(house.post("/subscribe", FORM, body).await.status, 200);
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);
        let leave = house.leave_path(house.stored("ann@example.org").await[0].subscription.id);
        assert_eq!(house.post(&leave, FORM, "reason=%00").await.status, 200);
        house.close().await;
    }
}

#[tokio::test]
async fn a_name_holds_nothing_that_is_invisible_or_turns_the_text_around() {
    for house in houses().await {
        let name = "\u{202e}Ann\u{2028}Le\u{feff}e \u{200b}\u{2066}";
        let fields = [("email", "ann@example.org"), ("newsletter", "brief"), ("name", name)];
        assert_eq!(house.submit("/subscribe", &fields).await.status, 200);
        let mut conn = house.app.db.conn().await.unwrap();
        let email = EmailAddress::parse("ann@example.org").unwrap();
        assert_eq!(subscribers::find(&mut conn, &email).await.unwrap().unwrap().name, "Ann Lee");
        drop(conn);
        house.close().await;
    }
}

#[tokio::test]
async fn what_is_not_a_form_is_refused() {
    for house in houses().await {
        let answer = house.post("/subscribe", "application/json", "{\"email\":\"ann@example.org\"}").await;
        assert_eq!(answer.status, 415);
        let binary =
            house.post("/subscribe", FORM, b"email=%ff%00&newsletter=\xff\xfe&%=&&&=".to_vec()).await;
        assert_eq!(binary.status, 422);
        house.close().await;
    }
}

#[tokio::test]
async fn a_name_typed_beside_an_address_does_not_reach_its_owner_unconfirmed() {
    for house in houses().await {
        let fields =
            [("email", "ann@example.org"), ("name", "Win a prize at spam.example"), ("newsletter", "brief")];
        house.submit("/subscribe", &fields).await;
        let mut conn = house.app.db.conn().await.unwrap();
        let mail = notices::claim(&mut conn, "test", house.app.clock.now(), 1).await.unwrap().remove(0);
        assert!(!mail.name.contains("prize") && !mail.content.contains("prize"), "{mail:?}");
        drop(conn);
        house.close().await;
    }
}

/// A service of these pages, and how to stop it.
async fn serve_within(
    limits: Limits,
    router: axum::Router,
) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move { stopped.await.unwrap() };
    let served =
        tokio::spawn(serve::serve_within(Places::new(limits, Networks::default()), listener, router, until));
    (address, stop, served)
}

/// Begins a request and does not end its headers.
async fn half_a_request(address: SocketAddr) -> TcpStream {
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"POST /subscribe HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    half
}

const MINUTE: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits { connections: 9, headers: MINUTE, from_one: 9, write: MINUTE, drain: MINUTE };

#[tokio::test]
async fn a_connection_that_never_finishes_does_not_keep_the_service_from_stopping() {
    let drain = Duration::from_millis(50);
    let (address, stop, served) =
        serve_within(Limits { connections: 9, drain, ..LIMITS }, axum::Router::new()).await;
    let half = half_a_request(address).await;
    // Another's request is answered meanwhile, so the half one is known to the service.
    reqwest::get(format!("http://{address}/")).await.unwrap();
    stop.send(()).unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), served).await;
    assert!(closed.is_ok(), "the service did not stop");
    drop(half);
}

#[tokio::test]
async fn a_connection_that_does_not_ask_is_closed_and_makes_room() {
    let headers = Duration::from_millis(200);
    let (address, stop, served) =
        serve_within(Limits { connections: 2, headers, ..LIMITS }, axum::Router::new()).await;
    let mut held = vec![half_a_request(address).await, TcpStream::connect(address).await.unwrap()];
    // Both places are taken: the third is answered once they are free.
    let answer = tokio::time::timeout(Duration::from_secs(10), reqwest::get(format!("http://{address}/")));
    assert_eq!(answer.await.expect("no place became free").unwrap().status(), 404);
    for stream in &mut held {
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a silent connection was kept");
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let limits = Limits { connections: 1, drain: Duration::from_millis(50), ..LIMITS };
    let (address, stop, served) = serve_within(limits, axum::Router::new()).await;
    let half = half_a_request(address).await;
    let mut next = tokio::spawn(reqwest::get(format!("http://{address}/")));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut next).await;
    assert!(early.is_err(), "the only place is taken");
    drop(half);
    let answer = tokio::time::timeout(Duration::from_secs(10), next).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 404);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_asks_and_never_reads_the_answer_makes_room_for_others() {
    let limits = Limits { connections: 1, write: Duration::from_millis(300), ..LIMITS };
    let long = || async { vec![b'x'; 64 * 1024 * 1024] };
    let router = axum::Router::new().route("/long", axum::routing::get(long));
    let (address, stop, served) = serve_within(limits, router).await;
    let mut deaf = TcpStream::connect(address).await.unwrap();
    deaf.write_all(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), reqwest::get(format!("http://{address}/")));
    assert_eq!(answer.await.expect("no place became free").unwrap().status(), 404);
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), served).await.unwrap().unwrap().unwrap();
    drop(deaf);
}
