//! What every answer of desk, office and account tells the browser, whoever asks.

use super::roles::ROUTES;
use super::*;

/// A policy that lets nothing run but files of ours, and in mails nothing at all.
fn is_strict(policy: &str) -> bool {
    let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src"));
    policy.contains("default-src 'none'")
        && policy.contains("frame-ancestors")
        && policy.contains("base-uri 'none'")
        && !policy.contains("unsafe-eval")
        && scripts.is_none_or(|scripts| scripts.trim() == "script-src 'self'")
}

fn check(what: &str, headers: &reqwest::header::HeaderMap, is_https: bool) {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let policy = header("content-security-policy");
    assert!(is_strict(policy), "{what}: {policy}");
    let frames = if policy.contains("frame-ancestors 'none'") { "DENY" } else { "SAMEORIGIN" };
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", frames),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", if is_https { "same-origin" } else { "" }),
        ("strict-transport-security", if is_https { "max-age=31536000" } else { "" }),
        ("access-control-allow-origin", ""),
        ("server", ""),
        ("x-powered-by", ""),
    ] {
        assert_eq!(header(name), value, "{what}: {name}");
    }
    assert!(header("permissions-policy").contains("camera=()"), "{what}");
    for cookie in headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax"), "{what}: {cookie}");
        assert_eq!(cookie.contains("; Secure"), is_https, "{what}: {cookie}");
        assert_eq!(cookie.starts_with("__Host-"), is_https, "{what}: {cookie}");
    }
}

/// What no page says: what it is made of, and what a strict policy would not run anyway.
fn is_clean(what: &str, body: &str) {
    for word in
        ["panicked", "sqlx", "SELECT ", ".rs:", "stack backtrace", "src=\"http:", "<script>", " onclick="]
    {
        assert!(!body.contains(word), "{what} has {word}: {body}");
    }
}

#[tokio::test]
async fn every_answer_keeps_the_browser_careful() {
    for house in houses().await {
        let things = house.things().await;
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let nobody = Person { cookie: String::new(), token: String::new() };
        for (route, get, _) in ROUTES {
            let url = format!("{}{}", house.base, things.path(route));
            for (name, person) in [("nobody", &nobody), ("viewer", &viewer), ("admin", &admin)] {
                // A form without a token is refused, and so changes nothing; one without a page is answered as well.
                for is_get in [true, false] {
                    let request = if is_get { house.client.get(&url) } else { house.client.post(&url) };
                    let request = request.header("cookie", &person.cookie).header("content-type", FORM);
                    let answer = request.send().await.unwrap();
                    let what = format!(
                        "{name} {} {route}: {}",
                        if is_get { "GET" } else { "POST" },
                        answer.status()
                    );
                    assert!(answer.status().as_u16() < 500, "{what}");
                    check(&what, answer.headers(), false);
                    let kind =
                        answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
                    if kind.is_some_and(|kind| kind.starts_with("text/html")) {
                        let is_mail = get.is_some() && route.ends_with("/preview/mail");
                        let body = answer.text().await.unwrap();
                        is_clean(&what, &body);
                        assert!(is_mail || !body.contains(" style=\""), "{what}: {body}");
                    }
                }
            }
        }
        house.close().await;
    }
}

#[tokio::test]
async fn on_https_browsers_are_told_to_stay_there_and_cookies_are_secure() {
    for test in apps().await {
        let mut app = test.app.clone();
        app.settings.public_url = "https://news.example.org".to_owned();
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let id = accounts::add(&app, &email, "", Some(Role::Admin)).await.unwrap();
        let password = "mornings are for reading";
        accounts::set_password(&app, &accounts::Actor::command_line(), id, password).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move {
            let _ = stopped.await;
        };
        let served =
            tokio::spawn(crate::web::serve(listener, Networks::default(), crate::web::router(app), until));
        let client =
            Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        for path in ["/", "/sign-in", "/desk", "/office/users", "/account", "/nowhere", "/desk/nowhere"] {
            let answer = client.get(format!("{base}{path}")).send().await.unwrap();
            let header = answer.headers().get("strict-transport-security");
            assert_eq!(header.map(|value| value.to_str().unwrap()), Some("max-age=31536000"), "{path}");
        }
        let fields = urlencoded(&[("email", "ann@example.org"), ("password", password)]);
        let request = client.post(format!("{base}/sign-in")).header("content-type", FORM).body(fields);
        let entered = request.send().await.unwrap();
        assert_eq!(entered.status(), 303);
        check("signing in", entered.headers(), true);
        let cookies = entered.headers().get_all("set-cookie").iter();
        let session =
            cookies.map(|cookie| cookie.to_str().unwrap()).find(|one| one.starts_with("__Host-daybreak="));
        let session = session.unwrap().split(';').next().unwrap().to_owned();
        let account = client.get(format!("{base}/account")).header("cookie", session).send().await.unwrap();
        assert_eq!(account.status(), 200);
        check("the account", account.headers(), true);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
    }
}
