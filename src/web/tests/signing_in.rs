//! Signing in and out, with everything that must not work.

use super::*;
use crate::db::audit::{self, Entry};
use crate::domain::totp::TotpSecret;
use crate::pipeline::accounts::Actor;

const MINUTE: i64 = 60 * 1000;
pub(super) const PASSWORD: &str = "mornings are for reading";

/// A browser of a person's own: it keeps its cookies.
pub(super) struct Browser {
    client: Client,
    pub(super) cookies: std::cell::RefCell<Vec<(String, String)>>,
    network: &'static str,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self::in_network("198.51.100.7")
    }

    fn in_network(network: &'static str) -> Self {
        let client =
            Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, cookies: std::cell::RefCell::default(), network }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let jar =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let request = request.header("cookie", jar.join("; ")).header("x-forwarded-for", self.network);
        let answer = Answer::of(request.send().await.unwrap()).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            cookies.retain(|(known, _)| known != name);
            if !set.contains("Max-Age=0") {
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    pub(super) async fn get(&self, house: &House, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", house.base))).await
    }

    pub(super) async fn submit(&self, house: &House, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}{path}", house.base)).header("content-type", FORM);
        self.send(request.header("origin", &house.base).body(urlencoded(fields))).await
    }

    pub(super) async fn sign_in(&self, house: &House, email: &str, password: &str) -> Answer {
        self.submit(house, "/sign-in", &[("email", email), ("password", password)]).await
    }

    /// Sends a form with the token of the page that it stands on.
    pub(super) async fn act(&self, house: &House, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(house, page).await.body;
        let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
        let mut fields = fields.to_vec();
        fields.push(("token", &token));
        self.submit(house, path, &fields).await
    }

    /// Whether they see their own account.
    pub(super) async fn is_in(&self, house: &House) -> bool {
        self.get(house, "/account").await.status == 200
    }
}

pub(super) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let from = text.find(before).unwrap_or_else(|| panic!("no {before:?} in {text}")) + before.len();
    let rest = &text[from..];
    &rest[..rest.find(after).unwrap()]
}

/// The recovery codes on a page.
pub(super) fn recovery_codes(page: &str) -> Vec<String> {
    let lines = page.split("<li><code dir=\"ltr\">").skip(1);
    lines.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

impl House {
    /// Somebody with an account and a password.
    pub(super) async fn a_user(&self, email: &str, role: Option<Role>) -> i64 {
        let email = EmailAddress::parse(email).unwrap();
        let id = accounts::add(&self.app, &email, "", role).await.unwrap();
        accounts::set_password(&self.app, &Actor::command_line(), id, PASSWORD).await.unwrap();
        id
    }

    pub(super) async fn log(&self) -> Vec<Entry> {
        let mut conn = self.app.db.conn().await.unwrap();
        audit::list(&mut conn, &audit::Filter::default(), 100).await.unwrap()
    }

    /// Sets a second factor up in the browser; the secret.
    pub(super) async fn enrol(&self, browser: &Browser) -> TotpSecret {
        self.enrol_with_codes(browser).await.0
    }

    /// The same, with the recovery codes that its page shows.
    pub(super) async fn enrol_with_codes(&self, browser: &Browser) -> (TotpSecret, Vec<String>) {
        let page = browser.get(self, "/account/second-factor").await.body;
        let secret: String = between(&page, "<code dir=\"ltr\">", "</code>").split_whitespace().collect();
        let secret = TotpSecret::parse(&secret).unwrap();
        assert!(
            page.contains("src=\"data:image/svg&#x2B;xml;base64,")
                || page.contains("data:image/svg+xml;base64,")
        );
        let path = "/account/second-factor";
        let wrong = browser.act(self, path, path, &[("current", PASSWORD), ("code", "000000")]).await;
        assert!(wrong.status == 422 && wrong.body.contains("This is not the code"), "{}", wrong.body);
        let code = secret.code_at(self.app.clock.now());
        // Whoever finds a browser that was left open has no password to type.
        let has_password = page.contains("name=\"current\"");
        for guess in ["", "a guess or two"].into_iter().filter(|_| has_password) {
            let found = browser.act(self, path, path, &[("current", guess), ("code", &code)]).await;
            assert!(
                found.status == 422 && found.body.contains("This is not your password"),
                "{}",
                found.body
            );
        }
        let set = browser.act(self, path, path, &[("current", PASSWORD), ("code", &code)]).await;
        assert!(set.status == 200 && set.body.contains("Keep these codes"), "{}", set.body);
        (secret, recovery_codes(&set.body))
    }

    /// The path of the link that was mailed last.
    pub(super) async fn mailed_link(&self) -> String {
        let mails = self.mails().await;
        match mails.as_slice() {
            [(_, Notice::SignIn(access) | Notice::Invitation(access))] => path_of(&access.url),
            _ => panic!("not one link: {mails:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_signs_in_is_in_until_they_sign_out() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        let away = browser.get(&house, "/account?x=1").await;
        assert_eq!(
            (away.status.as_u16(), away.header("location")),
            (303, "/sign-in?back=%2Faccount%3Fx%3D1")
        );
        let form = browser.get(&house, "/sign-in?back=%2Faccount%3Fx%3D1").await;
        assert!(form.body.contains("name=\"back\" value=\"/account?x&#x3D;1\""), "{}", form.body);
        let fields = [("email", " Ann@Example.org "), ("password", PASSWORD), ("back", "/account?x=1")];
        let entered = browser.submit(&house, "/sign-in", &fields).await;
        assert_eq!((entered.status.as_u16(), entered.header("location")), (303, "/account?x=1"));
        let cookie = entered.header("set-cookie");
        assert!(
            cookie.starts_with("daybreak=") && cookie.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age=")
        );
        assert!(!cookie.contains("Secure"), "a browser would drop it without HTTPS: {cookie}");

        let account = browser.get(&house, "/account").await;
        assert!(account.body.contains("ann@example.org") && account.body.contains("this browser"));
        assert_eq!(browser.get(&house, "/sign-in?back=//evil.example").await.header("location"), "/desk");
        let out = browser.act(&house, "/account", "/sign-out", &[]).await;
        assert_eq!((out.status.as_u16(), out.header("location")), (303, "/sign-in"));
        assert!(browser.get(&house, "/sign-in").await.body.contains("You are signed out."));
        assert!(!browser.is_in(&house).await);
        let log: Vec<_> = house.log().await.into_iter().map(|entry| (entry.action, entry.who)).collect();
        let ann = |action: &str| (action.to_owned(), "ann@example.org".to_owned());
        assert_eq!(log[..2], [ann("user.sign_out"), ann("user.sign_in")]);
        house.close().await;
    }
}

#[tokio::test]
async fn on_https_the_cookie_belongs_to_this_host_alone() {
    for test in apps().await {
        let mut app = test.app.clone();
        app.settings.public_url = "https://news.example.org".to_owned();
        let name = crate::web::auth::cookie_name(&app);
        let cookie = crate::web::auth::set_cookie(&app, name, "x", None);
        assert_eq!(cookie, "__Host-daybreak=x; Path=/; HttpOnly; SameSite=Lax; Secure");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_page() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let off = house.a_user("off@example.org", Some(Role::Editor)).await;
        accounts::disable(&house.app, &Actor::command_line(), off).await.unwrap();
        let without = EmailAddress::parse("new@example.org").unwrap();
        accounts::add(&house.app, &without, "", Some(Role::Editor)).await.unwrap();
        let browser = Browser::new();
        let mut pages = vec![];
        for (email, password) in [
            ("ann@example.org", "evenings are for reading"),
            ("nobody@example.org", PASSWORD),
            ("off@example.org", PASSWORD),
            ("new@example.org", ""),
            ("not an address", PASSWORD),
            ("ann@example.org", &"long".repeat(500)),
        ] {
            let answer = browser.sign_in(&house, email, password).await;
            assert_eq!(answer.status, 422, "{email}");
            assert!(answer.headers.get("set-cookie").is_none());
            pages.push(answer.body.replace(email, "…"));
        }
        assert!(pages.windows(2).all(|two| two[0] == two[1]));
        let log = house.log().await;
        assert!(log.iter().take(6).all(|entry| entry.action == "user.sign_in" && entry.is_denied));
        assert!(log.iter().all(|entry| entry.who != "not an address"), "it may be a password");
        house.close().await;
    }
}

#[tokio::test]
async fn too_many_tries_are_refused_also_after_a_restart() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        for email in ["ann@example.org", "nobody@example.org"] {
            let browser = Browser::new();
            for _ in 0..10 {
                assert_eq!(browser.sign_in(&house, email, "a guess or two").await.status, 422);
            }
            // Another network, and the right password: neither helps.
            let other = Browser::in_network("203.0.113.9");
            let refused = other.sign_in(&house, email, PASSWORD).await;
            assert_eq!(refused.status, 429);
            assert!(refused.body.contains("Try again in 15 minutes"), "{}", refused.body);
        }
        // A new process on the same database.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut app = house.app.clone();
        app.settings.public_url = base.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move {
            let _ = stopped.await;
        };
        let served =
            tokio::spawn(crate::web::serve(listener, Networks::default(), crate::web::router(app), until));
        let fields = urlencoded(&[("email", "ann@example.org"), ("password", PASSWORD)]);
        let request = house.client.post(format!("{base}/sign-in")).header("content-type", FORM).body(fields);
        assert_eq!(request.send().await.unwrap().status(), 429);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();

        let refusals = house.log().await.into_iter().filter(|entry| entry.what == "too many tries").count();
        assert_eq!(refusals, 2, "one line each, however many tries");
        house.pass(16 * MINUTE);
        assert_eq!(Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn one_network_does_not_try_address_after_address() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::in_network("2001:db8::1");
        for number in 0..60 {
            // What is no address costs a try as well.
            browser.sign_in(&house, &format!("guess {number}"), "a guess or two").await;
        }
        let neighbour = Browser::in_network("2001:db8::2");
        assert_eq!(neighbour.sign_in(&house, "ann@example.org", PASSWORD).await.status, 429);
        let elsewhere = Browser::in_network("2001:db8:1::1");
        assert_eq!(elsewhere.sign_in(&house, "ann@example.org", PASSWORD).await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn forms_from_elsewhere_and_without_their_token_change_nothing() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Admin)).await;
        let ann = house.sign_in("other@example.org", Role::Admin).await;
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            for path in
                ["/sign-in", "/sign-in/mail", "/sign-in/code", "/welcome/x", "/sign-in/link/x", "/sign-out"]
            {
                let fields = [("email", "ann@example.org"), ("password", PASSWORD), ("token", &ann.token)];
                let request = house.client.post(format!("{}{path}", house.base)).header("content-type", FORM);
                let request = request.header("cookie", &ann.cookie).header(name, value);
                let answer = Answer::of(request.body(urlencoded(&fields)).send().await.unwrap()).await;
                assert_eq!(answer.status, 403, "{path}");
                assert!(answer.body.contains("did not come from a page of this service"));
            }
        }
        let posts = [
            "/sign-out",
            "/account/name",
            "/account/password",
            "/account/sessions",
            "/account/sessions/end",
            "/account/second-factor",
            "/account/second-factor/remove",
            "/office/users/invite",
            "/office/users/1/roles",
            "/office/users/1/invite",
            "/office/users/1/disable",
            "/office/users/1/enable",
            "/office/users/1/second-factor",
            "/office/users/1/sessions",
        ];
        for path in posts {
            for token in ["", "x"] {
                let request = house.client.post(format!("{}{path}", house.base)).header("content-type", FORM);
                let request = request.header("cookie", &ann.cookie).body(urlencoded(&[("token", token)]));
                assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
            }
        }
        assert_eq!(house.get_as(&ann, "/account").await.status, 200);
        house.close().await;
    }
}
