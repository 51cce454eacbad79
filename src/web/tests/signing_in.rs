//! Signing in and out, with everything that must not work.

use super::*;
use crate::db::audit::{self, Entry};
use crate::db::sessions;
use crate::domain::totp::TotpSecret;
use crate::pipeline::accounts::{Actor, Roles};

const MINUTE: i64 = 60 * 1000;
pub(super) const PASSWORD: &str = "mornings are for reading";

/// A browser of a person's own: it keeps its cookies.
pub(super) struct Browser {
    client: Client,
    cookies: std::cell::RefCell<Vec<(String, String)>>,
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
        let page = browser.get(self, "/account/second-factor").await.body;
        let secret: String = between(&page, "<code dir=\"ltr\">", "</code>").split_whitespace().collect();
        let secret = TotpSecret::parse(&secret).unwrap();
        assert!(
            page.contains("src=\"data:image/svg&#x2B;xml;base64,")
                || page.contains("data:image/svg+xml;base64,")
        );
        let path = "/account/second-factor";
        let wrong = browser.act(self, path, path, &[("code", "000000")]).await;
        assert!(wrong.status == 422 && wrong.body.contains("This is not the code"), "{}", wrong.body);
        let code = secret.code_at(self.app.clock.now());
        assert_eq!(browser.act(self, path, path, &[("code", &code)]).await.status, 303);
        secret
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
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let (first, other) = (Browser::new(), Browser::new());
        first.sign_in(&house, "ann@example.org", PASSWORD).await;
        other.sign_in(&house, "ann@example.org", PASSWORD).await;
        let secret = house.enrol(&first).await;
        assert!(first.is_in(&house).await && !other.is_in(&house).await, "it was in without the factor");

        let step = other.sign_in(&house, "ann@example.org", PASSWORD).await;
        assert_eq!((step.status.as_u16(), step.header("location")), (303, "/sign-in/code?back=%2Fdesk"));
        assert!(!other.is_in(&house).await, "the password alone is not enough");
        assert!(other.get(&house, "/sign-in/code").await.body.contains("autocomplete=\"one-time-code\""));
        let used = secret.code_at(house.app.clock.now());
        let again = other.submit(&house, "/sign-in/code", &[("code", &used)]).await;
        assert_eq!(again.status, 422, "the code that set it up is used up");
        house.pass(30_000);
        let code = secret.code_at(house.app.clock.now());
        assert_eq!(other.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 303);
        assert!(other.is_in(&house).await);
        let third = Browser::new();
        third.sign_in(&house, "ann@example.org", PASSWORD).await;
        assert_eq!(third.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 422);

        // Without the password's ticket there is no second step; with an old one neither.
        let fresh = Browser::new();
        assert_eq!(fresh.get(&house, "/sign-in/code").await.header("location"), "/sign-in");
        fresh.cookies.borrow_mut().push(("daybreak_step".to_owned(), "1.99999999999999.eA.eA".to_owned()));
        house.pass(30_000);
        let code = secret.code_at(house.app.clock.now());
        let forged = fresh.submit(&house, "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(forged.header("location"), "/sign-in");
        house.pass(11 * MINUTE);
        let code = secret.code_at(house.app.clock.now());
        let late = third.submit(&house, "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(late.header("location"), "/sign-in");
        assert!(third.get(&house, "/sign-in").await.body.contains("took too long"));

        // Five wrong codes, and the right one waits.
        third.sign_in(&house, "ann@example.org", PASSWORD).await;
        for _ in 0..4 {
            third.submit(&house, "/sign-in/code", &[("code", "123456")]).await;
        }
        let code = secret.code_at(house.app.clock.now());
        third.submit(&house, "/sign-in/code", &[("code", "123456")]).await;
        assert_eq!(third.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 429);

        // Taken away by its owner, with a code.
        house.pass(16 * MINUTE);
        let path = "/account/second-factor";
        let code = secret.code_at(house.app.clock.now());
        let kept = first.act(&house, path, "/account/second-factor/remove", &[("code", "123456")]).await;
        assert_eq!(kept.status, 422);
        let gone = first.act(&house, path, "/account/second-factor/remove", &[("code", &code)]).await;
        assert_eq!(gone.status, 303);
        assert_eq!(
            Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.header("location"),
            "/desk"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_mailed_link_signs_in_once_and_not_for_long() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        let known = browser.submit(&house, "/sign-in/mail", &[("email", "Ann@example.org")]).await;
        let unknown = browser.submit(&house, "/sign-in/mail", &[("email", "nobody@example.org")]).await;
        assert_eq!((known.status.as_u16(), unknown.status.as_u16()), (200, 200));
        let same = |page: &Answer, email: &str| page.body.replace(email, "…");
        assert_eq!(same(&known, "ann@example.org"), same(&unknown, "nobody@example.org"));
        let link = house.mailed_link().await;
        // One mail in five minutes, and the answer does not say so.
        let again = browser.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        assert_eq!(again.body, known.body);
        assert_eq!(house.mails().await, []);

        // A link scanner follows it, and uses nothing up.
        assert!(house.get(&link).await.body.contains("Press the button"));
        assert_eq!(browser.submit(&house, &link, &[]).await.header("location"), "/desk");
        assert!(browser.is_in(&house).await);
        let other = Browser::new();
        assert_eq!(other.submit(&house, &link, &[]).await.status, 410);
        assert_eq!(house.get(&link).await.status, 410);
        assert!(!other.is_in(&house).await);

        house.pass(6 * MINUTE);
        other.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        let link = house.mailed_link().await;
        house.pass(15 * MINUTE);
        assert_eq!(house.get(&link).await.status, 410);
        assert_eq!(other.submit(&house, &link, &[]).await.status, 410);
        let wrong = other.submit(&house, "/sign-in/mail", &[("email", "ann")]).await;
        assert!(wrong.status == 422 && wrong.body.contains("Enter your e-mail address"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_mailed_link_does_not_get_around_the_second_factor() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let (first, browser) = (Browser::new(), Browser::new());
        first.sign_in(&house, "ann@example.org", PASSWORD).await;
        let secret = house.enrol(&first).await;
        browser.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        let link = house.mailed_link().await;
        assert!(browser.submit(&house, &link, &[]).await.header("location").starts_with("/sign-in/code"));
        assert!(!browser.is_in(&house).await);
        house.pass(30_000);
        let code = secret.code_at(house.app.clock.now());
        assert_eq!(browser.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 303);
        assert!(browser.is_in(&house).await);
        house.close().await;
    }
}

#[tokio::test]
async fn the_first_admin_comes_by_the_printed_link_and_only_the_first() {
    for house in houses().await {
        let link = path_of(&accounts::first_admin_link(&house.app).await.unwrap().unwrap());
        let (browser, other) = (Browser::new(), Browser::new());
        assert!(browser.get(&house, &link).await.body.contains("You are the first here"));
        assert_eq!(browser.get(&house, "/welcome/guess").await.status, 410);
        let typed = [("email", "ann"), ("name", "Ann"), ("password", "short")];
        let wrong = browser.submit(&house, &link, &typed).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains("at least 10 characters") && wrong.body.contains("value=\"ann\""));
        assert!(!wrong.body.contains("short\""), "a password is never shown");

        let typed = [("email", "ann@example.org"), ("name", "Ann"), ("password", PASSWORD)];
        assert_eq!(browser.submit(&house, &link, &typed).await.header("location"), "/desk");
        assert_eq!(browser.get(&house, "/office/users").await.status, 200);
        let late = [("email", "eve@example.org"), ("name", "Eve"), ("password", PASSWORD)];
        assert_eq!(other.submit(&house, &link, &late).await.status, 410);
        assert_eq!(house.get(&link).await.status, 410);
        assert_eq!(accounts::first_admin_link(&house.app).await.unwrap(), None);
        house.close().await;
    }
}

#[tokio::test]
async fn of_two_who_open_the_first_link_at_once_one_becomes_the_admin() {
    for house in houses().await {
        let link = path_of(&accounts::first_admin_link(&house.app).await.unwrap().unwrap());
        let (ann, eve) = (Browser::new(), Browser::new());
        let typed = |email| [("email", email), ("name", ""), ("password", PASSWORD)];
        let (of_ann, of_eve) = (typed("ann@example.org"), typed("eve@example.org"));
        let (one, two) = tokio::join!(ann.submit(&house, &link, &of_ann), eve.submit(&house, &link, &of_eve));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 410]);
        house.close().await;
    }
}

#[tokio::test]
async fn an_invitation_lets_somebody_choose_their_password_once() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        assert_eq!(house.get_as(&admin, "/office/users/invite").await.status, 200);
        let nothing = [("email", "ben@example.org"), ("role", "")];
        let refused = house.submit_as(&admin, "/office/users/invite", &nothing).await;
        assert!(
            refused.status == 422 && refused.body.contains("Choose what they may do"),
            "{}",
            refused.body
        );
        let role = format!("role-{}", house.brief);
        let fields = [("email", "ben@example.org"), ("name", "Ben"), ("role", ""), (role.as_str(), "editor")];
        let invited = house.submit_as(&admin, "/office/users/invite", &fields).await;
        assert_eq!(invited.status, 303);
        let page = house.get_as(&admin, invited.header("location")).await;
        assert!(page.body.contains("Editor of "), "{}", page.body);
        let twice = house.submit_as(&admin, "/office/users/invite", &fields).await;
        assert!(twice.status == 422 && twice.body.contains("has an account already"));
        let first_link = house.mailed_link().await;

        // A new one takes the place of the one before.
        let again = format!("{}/invite", invited.header("location"));
        assert_eq!(house.submit_as(&admin, &again, &[]).await.status, 303);
        let link = house.mailed_link().await;
        let ben = Browser::new();
        assert_eq!(ben.get(&house, &first_link).await.status, 410);
        assert!(ben.get(&house, &link).await.body.contains("ben@example.org"));
        let fields = [("name", "Benjamin"), ("password", PASSWORD), ("email", "admin@example.org")];
        assert_eq!(ben.submit(&house, &link, &fields).await.status, 303);
        assert!(ben.get(&house, "/account").await.body.contains("Benjamin"));
        assert_eq!(Browser::new().submit(&house, &link, &fields).await.status, 410);
        assert_eq!(Browser::new().sign_in(&house, "ben@example.org", PASSWORD).await.status, 303);
        assert_eq!(
            ben.get(&house, "/office/users").await.status,
            403,
            "an editor of one newsletter is no admin"
        );
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

#[tokio::test]
async fn only_admins_manage_users_and_whoever_else_tries_is_in_the_log() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let one = format!("/office/users/{id}");
        let pages = ["/office/users", "/office/users/invite", "/office/audit", &one];
        let posts = ["roles", "invite", "disable", "enable", "second-factor", "sessions"];
        for (email, role) in [("viewer@example.org", Role::Viewer), ("editor@example.org", Role::Editor)] {
            let person = house.sign_in(email, role).await;
            let before = house.log().await.len();
            for path in pages {
                let answer = house.get_as(&person, path).await;
                assert_eq!(answer.status, 403, "{path}");
                assert!(!answer.body.contains("ann@example.org"));
            }
            for post in posts {
                assert_eq!(
                    house.submit_as(&person, &format!("{one}/{post}"), &[("role", "admin")]).await.status,
                    403
                );
            }
            let fields = [("email", "eve@example.org"), ("role", "admin")];
            assert_eq!(house.submit_as(&person, "/office/users/invite", &fields).await.status, 403);
            let log = house.log().await;
            let denied: Vec<&Entry> = log[..log.len() - before].iter().collect();
            assert_eq!(denied.len(), pages.len() + posts.len() + 1);
            assert!(denied.iter().all(|entry| entry.is_denied && entry.who == email));
        }
        let log = house.get_as(&admin, "/office/audit?denied=1&who=viewer%40example.org").await;
        assert!(log.body.contains("viewer@example.org") && log.body.contains("refused"), "{}", log.body);
        assert!(!log.body.contains("editor@example.org"));
        assert_eq!(house.get_as(&admin, "/office/users/999").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn sessions_end_one_by_one_and_all_together() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let (one, two, three) = (Browser::new(), Browser::new(), Browser::new());
        for browser in [&one, &two, &three] {
            browser.sign_in(&house, "ann@example.org", PASSWORD).await;
            house.pass(MINUTE);
        }
        let page = one.get(&house, "/account").await.body;
        assert_eq!(page.matches("name=\"session\"").count(), 2);
        let hash = between(&page, "name=\"session\" value=\"", "\"").to_owned();
        let ended = one.act(&house, "/account", "/account/sessions/end", &[("session", &hash)]).await;
        assert_eq!(ended.status, 303);
        assert!(two.is_in(&house).await && !three.is_in(&house).await, "the last seen stood first");
        assert_eq!(one.act(&house, "/account", "/account/sessions", &[]).await.status, 303);
        assert!(one.is_in(&house).await && !two.is_in(&house).await);

        // An admin signs them out everywhere.
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        assert_eq!(house.submit_as(&admin, &format!("/office/users/{id}/sessions"), &[]).await.status, 303);
        assert!(!one.is_in(&house).await);

        // A new password signs out everywhere else; disabling the account, everywhere.
        for browser in [&one, &two] {
            browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        }
        let new = "evenings are for reading";
        let wrong = [("current", "a guess or two"), ("password", new)];
        let refused = one.act(&house, "/account", "/account/password", &wrong).await;
        assert!(refused.status == 422 && refused.body.contains("This is not your password now"));
        let fields = [("current", PASSWORD), ("password", new)];
        assert_eq!(one.act(&house, "/account", "/account/password", &fields).await.status, 303);
        assert!(one.is_in(&house).await && !two.is_in(&house).await);
        assert_eq!(two.sign_in(&house, "ann@example.org", PASSWORD).await.status, 422);
        assert_eq!(house.submit_as(&admin, &format!("/office/users/{id}/disable"), &[]).await.status, 303);
        assert!(!one.is_in(&house).await);
        assert_eq!(one.sign_in(&house, "ann@example.org", new).await.status, 422);
        assert_eq!(house.submit_as(&admin, &format!("/office/users/{id}/enable"), &[]).await.status, 303);
        assert_eq!(one.sign_in(&house, "ann@example.org", new).await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn a_session_lasts_fourteen_days_from_the_last_sign_of_life_and_ninety_at_most() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let day = 24 * HOUR;
        let (busy, idle) = (Browser::new(), Browser::new());
        busy.sign_in(&house, "ann@example.org", PASSWORD).await;
        idle.sign_in(&house, "ann@example.org", PASSWORD).await;
        for _ in 0..6 {
            house.pass(13 * day);
            assert!(busy.is_in(&house).await);
        }
        assert!(!idle.is_in(&house).await);
        house.pass(13 * day);
        assert!(!busy.is_in(&house).await, "91 days");
        // Whoever signs in next clears away what has ended.
        busy.sign_in(&house, "ann@example.org", PASSWORD).await;
        let mut conn = house.app.db.conn().await.unwrap();
        let long_ago = Timestamp::from_millis(0);
        assert_eq!(sessions::of_user(&mut conn, id, long_ago, 100).await.unwrap().len(), 1);
        drop(conn);
        house.close().await;
    }
}

#[tokio::test]
async fn the_last_admin_stays_and_nobody_demotes_themselves() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        let email = EmailAddress::parse("admin@example.org").unwrap();
        let id = accounts::find_by_email(&mut conn, &email).await.unwrap().user.id;
        drop(conn);
        let one = format!("/office/users/{id}");
        let refused = house.submit_as(&admin, &format!("{one}/roles"), &[("role", "editor")]).await;
        assert!(refused.status == 422 && refused.body.contains("your own role of admin"), "{}", refused.body);
        assert_eq!(house.submit_as(&admin, &format!("{one}/disable"), &[]).await.status, 422);
        let by = Actor::command_line();
        let says = accounts::disable(&house.app, &by, id).await.unwrap_err().to_string();
        assert!(says.contains("is the only admin"), "{says}");
        assert!(accounts::set_roles(&house.app, &by, id, &Roles::default()).await.is_err());

        let other = house.a_user("ben@example.org", Some(Role::Editor)).await;
        let path = format!("/office/users/{other}/roles");
        assert_eq!(house.submit_as(&admin, &path, &[("role", "admin")]).await.status, 303);
        accounts::disable(&house.app, &by, id).await.unwrap();
        assert!(accounts::disable(&house.app, &by, other).await.is_err());
        house.close().await;
    }
}

#[tokio::test]
async fn a_role_for_one_newsletter_is_given_and_taken_away() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let id = house.a_user("ben@example.org", None).await;
        let path = format!("/office/users/{id}/roles");
        let role = format!("role-{}", house.brief);
        let of_ben = async || {
            let mut conn = house.app.db.conn().await.unwrap();
            accounts::find(&mut conn, id).await.unwrap().user
        };
        assert_eq!(
            house.submit_as(&admin, &path, &[(&role, "editor"), ("role", "viewer")]).await.status,
            303
        );
        let ben = of_ben().await;
        assert!(ben.may(Role::Editor, house.brief) && !ben.may(Role::Editor, house.brief + 1));
        assert!(ben.may_everywhere(Role::Viewer) && !ben.may_everywhere(Role::Editor));
        assert!(house.log().await[0].what.contains("viewer, editor of brief"));
        // An admin of one newsletter is led nowhere that they are refused.
        assert_eq!(house.submit_as(&admin, &path, &[(&role, "admin"), ("role", "")]).await.status, 303);
        let browser = Browser::new();
        browser.sign_in(&house, "ben@example.org", PASSWORD).await;
        let page = browser.get(&house, "/account").await.body;
        assert!(page.contains("href=\"/office/newsletters\"") && !page.contains("href=\"/office/users\""));
        assert_eq!(house.submit_as(&admin, &path, &[(&role, "nonsense"), ("role", "")]).await.status, 303);
        assert!(!of_ben().await.may_somewhere(Role::Viewer));
        house.close().await;
    }
}

#[tokio::test]
async fn an_admin_removes_the_second_factor_of_who_lost_their_phone() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let ann = Browser::new();
        ann.sign_in(&house, "ann@example.org", PASSWORD).await;
        house.enrol(&ann).await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let path = format!("/office/users/{id}");
        assert!(house.get_as(&admin, &path).await.body.contains("Remove the second factor"));
        assert_eq!(house.submit_as(&admin, &format!("{path}/second-factor"), &[]).await.status, 303);
        assert_eq!(
            Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.header("location"),
            "/desk"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_filtered() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        for number in 0..120 {
            let what = format!("number {number:03}.");
            let entry = audit::NewEntry {
                user_id: None,
                who: "ben@example.org",
                action: if number % 2 == 0 { "issue.send" } else { "issuer.x" },
                what: &what,
                newsletter_id: (number % 3 == 0).then_some(house.brief),
                is_denied: number % 4 == 0,
                network: "192.0.2.1",
            };
            audit::write(&mut conn, &entry, house.app.clock.now()).await.unwrap();
        }
        drop(conn);
        let count = |answer: &Answer| answer.body.matches("number ").count();
        let link = |answer: &Answer, words: &str| {
            let nav = between(&answer.body, "<nav class=\"pages\"", "</nav>").to_owned();
            let end = nav.find(&format!("\">{words}<"))?;
            let start = nav[..end].rfind("href=\"")? + 6;
            Some(nav[start..end].replace("&amp;", "&").replace("&#x3D;", "="))
        };
        let first = house.get_as(&admin, "/office/audit?who=ben%40example.org").await;
        assert_eq!((count(&first), link(&first, "Newer")), (50, None));
        assert!(first.body.contains("number 119.") && first.body.contains("number 070."));
        let second = house.get_as(&admin, &link(&first, "Older").unwrap()).await;
        assert!(second.body.contains("number 069.") && second.body.contains("number 020."));
        let third = house.get_as(&admin, &link(&second, "Older").unwrap()).await;
        assert_eq!((count(&third), link(&third, "Older")), (20, None));
        let back = house.get_as(&admin, &link(&third, "Newer").unwrap()).await;
        assert!(back.body.contains("number 069.") && back.body.contains("number 020."));
        let top = house.get_as(&admin, &link(&back, "Newer").unwrap()).await;
        assert_eq!((count(&top), link(&top, "Newer")), (50, None));

        let few = house.get_as(&admin, "/office/audit?action=issue&denied=1&newsletter=brief").await;
        assert_eq!(count(&few), 10);
        for nothing in ["?who=nobody%00", "?action=%25", "?before=x&after=9999999", "?who=%ff&who=2"] {
            assert_eq!(
                house.get_as(&admin, &format!("/office/audit{nothing}")).await.status,
                200,
                "{nothing}"
            );
        }
        house.close().await;
    }
}

#[tokio::test]
async fn names_and_addresses_are_text_never_markup() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let script = "<script>alert(1)</script>";
        let fields = [("email", "ben@example.org"), ("name", script), ("role", "viewer")];
        let made = house.submit_as(&admin, "/office/users/invite", &fields).await;
        for path in ["/office/users", made.header("location"), "/office/audit"] {
            let page = house.get_as(&admin, path).await.body;
            assert!(!page.contains("<script>alert"), "{path}");
        }
        let typed = [("email", "\"><script>alert(1)</script>"), ("password", "x")];
        assert!(!house.submit("/sign-in", &typed).await.body.contains("<script>alert"));
        house.close().await;
    }
}
