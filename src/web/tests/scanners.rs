//! What web scanners try: other methods, folders, hosts, ways out, and addresses and headers that no browser sends.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::roles::ROUTES;
use super::signing_in::{Browser, PASSWORD};
use super::*;

#[tokio::test]
async fn other_methods_are_not_allowed_and_told_which_are() {
    for house in houses().await {
        let things = house.things().await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        for (route, get, post) in ROUTES {
            let url = format!("{}{}", house.base, things.path(route));
            for method in ["TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let request = house.client.request(method.clone(), &url).header("cookie", &admin.cookie);
                let answer = Answer::of(request.header("x-scan", "echo-me").send().await.unwrap()).await;
                assert_eq!(answer.status, 405, "{method} {route}");
                let allow: Vec<&str> = answer.header("allow").split(',').collect();
                assert_eq!(allow.contains(&"GET"), get.is_some(), "{method} {route}: {allow:?}");
                assert_eq!(allow.contains(&"POST"), post.is_some(), "{method} {route}: {allow:?}");
                assert!(!answer.body.contains("echo-me"), "{method} {route} repeats what was sent");
            }
        }
        house.close().await;
    }
}

#[tokio::test]
async fn there_are_no_folders_to_look_into_and_no_files_but_our_own() {
    for house in houses().await {
        for path in [
            "/assets",
            "/assets/",
            "/.git/config",
            "/.env",
            "/daybreak.db",
            "/server-status",
            "/wp-login.php",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/robots.txt.bak",
        ] {
            let answer = house.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            assert!(!answer.body.contains("root:") && !answer.body.contains("Index of"), "{path}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn links_that_are_mailed_come_from_the_public_address_alone() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let forge = async |path: &str, fields: &[(&str, &str)]| {
            let mut request = house.client.post(format!("{}{path}", house.base)).header("content-type", FORM);
            for (name, value) in [
                ("host", "evil.example"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "host=evil.example;proto=https"),
                ("x-original-url", "/office/users"),
                ("x-http-method-override", "DELETE"),
            ] {
                request = request.header(name, value);
            }
            let answer = Answer::of(request.body(urlencoded(fields)).send().await.unwrap()).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(!answer.body.contains("evil.example"), "{}", answer.body);
        };
        forge("/sign-in/mail", &[("email", "ann@example.org")]).await;
        forge("/subscribe", &[("email", "bob@example.org"), ("newsletter", "brief")]).await;
        let mails = house.mails().await;
        assert_eq!(mails.len(), 2);
        for (_, notice) in &mails {
            let json = notice.to_json();
            assert!(json.contains(&house.base) && !json.contains("evil.example"), "{json}");
        }
        let away = house.client.get(format!("{}/desk", house.base)).header("host", "evil.example");
        let away = Answer::of(away.send().await.unwrap()).await;
        assert_eq!(away.header("location"), "/sign-in?back=%2Fdesk");
        house.close().await;
    }
}

#[tokio::test]
async fn nobody_is_led_elsewhere_by_signing_in() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        for back in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "%2f%2fevil.example",
            "http:evil.example",
        ] {
            let ann = Browser::new();
            let fields = [("email", "ann@example.org"), ("password", PASSWORD), ("back", back)];
            assert_eq!(ann.submit(&house, "/sign-in", &fields).await.header("location"), "/desk", "{back}");
            let typed = urlencoded(&[("back", back)]);
            assert_eq!(
                ann.get(&house, &format!("/sign-in?{typed}")).await.header("location"),
                "/desk",
                "{back}"
            );
            let form = house.get(&format!("/sign-in?{typed}")).await.body;
            assert!(form.contains("name=\"back\" value=\"/desk\""), "{back}: {form}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn addresses_that_are_no_text_are_pages_of_ours() {
    for house in houses().await {
        let things = house.things().await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        for (route, get, _) in ROUTES.iter().filter(|(_, get, _)| get.is_some()) {
            assert!(get.is_some());
            let path = things.path(route);
            let odd: Vec<&str> =
                route.split('/').map(|part| if part.starts_with('{') { "%ff%fe" } else { part }).collect();
            for path in [
                odd.join("/"),
                format!(
                    "{path}?%ff=%fe&%00=%00&before=%ff&page=99999999999999999999&q=%00&newsletter=%00&after=-1"
                ),
                format!("{path}?{}", "a=b&".repeat(2000)),
            ] {
                let request =
                    house.client.get(format!("{}{path}", house.base)).header("cookie", &admin.cookie);
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                assert!(status < 500 && status != 400, "{status}: {path}");
                assert!(answer.headers().contains_key("content-security-policy"), "{path}");
            }
        }
        house.close().await;
    }
}

#[tokio::test]
async fn what_does_not_say_that_it_is_a_form_is_none() {
    for house in houses().await {
        let things = house.things().await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        for (route, _, _) in ROUTES.iter().filter(|(_, _, post)| post.is_some()) {
            for kind in [None, Some(&b"text/plain"[..]), Some(b"application/json"), Some(b"\xfc")] {
                let request = house.client.post(format!("{}{}", house.base, things.path(route)));
                let mut request = request.header("cookie", &admin.cookie).header("origin", &house.base);
                if let Some(kind) = kind {
                    request = request
                        .header("content-type", reqwest::header::HeaderValue::from_bytes(kind).unwrap());
                }
                let body = urlencoded(&[("token", &admin.token), ("email", "ann@example.org")]);
                let answer = request.body(body).send().await.unwrap();
                // A link that does not work is told so before its form is read.
                let is_told = matches!(answer.status().as_u16(), 415 | 410);
                assert!(is_told, "{route} {kind:?}: {}", answer.status());
            }
        }
        assert_eq!(house.get_as(&admin, "/account").await.status, 200);
        house.close().await;
    }
}

/// Sends this as it is, and returns the answer; empty where the connection just ended.
async fn raw(house: &House, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(house.base.strip_prefix("http://").unwrap()).await.unwrap();
    // Who is refused early may find the connection closed before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = vec![];
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is answered or closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_service_goes_on() {
    for house in houses().await {
        let end = "host: x\r\nconnection: close\r\n\r\n";
        for (request, statuses) in [
            (format!("GET /desk?{} HTTP/1.1\r\n{end}", "a".repeat(8000)), &["303"][..]),
            (format!("GET /{} HTTP/1.1\r\n{end}", "a".repeat(70_000)), &["414", "431"]),
            (format!("GET / HTTP/1.1\r\nx: {}\r\n{end}", "a".repeat(1_000_000)), &["431"]),
            (format!("GET / HTTP/1.1\r\n{}{end}", "x: y\r\n".repeat(500)), &["431"]),
            (format!("GET / HTTP/1.1\r\nx: \0\r\n{end}"), &["400"]),
            (format!("GET / \u{fc} HTTP/1.1\r\n{end}"), &["400"]),
            (format!("POST /sign-in HTTP/1.1\r\ncontent-length: -1\r\n{end}"), &["400"]),
            (
                format!(
                    "POST /sign-in HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n{end}0\r\n\r\n"
                ),
                &["400", "415"],
            ),
            (
                "GET http://evil.example/desk HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
                    .to_owned(),
                &["303"],
            ),
            (format!("CONNECT evil.example:443 HTTP/1.1\r\n{end}"), &["400", "404", "405"]),
        ] {
            let answer = raw(&house, request.as_bytes()).await;
            let told = answer.split(' ').nth(1).unwrap_or_default();
            let start: String = request.chars().take(60).collect();
            assert!(statuses.contains(&told), "{start:?}: {answer}");
            assert!(!answer.contains("evil.example"), "{start:?}: {answer}");
        }
        assert_eq!(house.get("/healthz").await.body, "ok");
        house.close().await;
    }
}
