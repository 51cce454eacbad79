//! What there is to see on the pages: newsletters, readers at every point of their way, and those who sign in.

use std::collections::HashMap;

use serde_json::Value;

use crate::browser::Browser;
use crate::daybreak::{Daybreak, MONDAY, Service};
use crate::feeds::{Feeds, Item, rss};
use crate::mail::mail_to;
use crate::sink::Sink;

/// Everybody's password.
pub const PASSWORD: &str = "a ferry leaves at four";

/// Who opens a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Nobody is signed in.
    Anybody,
    Viewer,
    Editor,
    Admin,
    /// An editor with a second factor.
    Guarded,
    /// Whoever opened the page before.
    AsBefore,
}

/// A recovery code of the one with a second factor.
pub const RECOVERY_CODE: &str = "AAAA-AAAA-AAAA-AAAA";

/// Their addresses and roles, in the order in which they get their accounts.
const USERS: [(Who, &str, &str); 4] = [
    (Who::Admin, "admin@example.org", "admin"),
    (Who::Editor, "editor@example.org", "editor"),
    (Who::Viewer, "viewer@example.org", "viewer"),
    (Who::Guarded, "guarded@example.org", "editor"),
];

/// A running service whose readers are at every point of their way, another that is empty, and the demo.
pub struct World {
    pub base: String,
    pub empty: String,
    pub demo: String,
    pub confirm: String,
    pub confirm_several: String,
    pub confirm_expired: String,
    pub confirm_after_leaving: String,
    pub leave: String,
    pub leave_erased: String,
    pub preferences: String,
    pub preferences_to_erase: String,
    pub address: String,
    /// What takes an address back, and the link by which it was changed.
    pub address_back: String,
    pub address_overtaken: String,
    pub digest: String,
    /// The issue that is filling, one that is sent, and one that is going out: somebody's mailbox is full.
    pub filling: i64,
    pub sent: i64,
    pub sending: i64,
    /// A reader whom many issues have reached.
    pub reader: i64,
    /// Files of people, one of them without any.
    pub file: String,
    pub empty_file: String,
    /// An import and a change to many whose process died.
    pub import: i64,
    pub bulk: i64,
    pub sign_in_link: String,
    pub welcome: String,
    pub welcome_first: String,
    /// The cookies of those who are signed in.
    cookies: HashMap<Who, Value>,
    services: Vec<Service>,
    _outside: (Sink, Feeds),
}

impl World {
    pub async fn make(daybreak: &mut Daybreak, browser: &Browser) -> Self {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        let empty = format!("sqlite://{}", daybreak.folder().join("empty.db").display());
        let mut nothing_yet = Daybreak::beside(daybreak, empty);
        let empty = nothing_yet.on_loopback();
        let base = daybreak.on_loopback();

        daybreak.at("2026-02-20T05:00:00Z");
        let description = "description=What happened while you slept, in a dozen stories and five minutes.";
        let topics = "topics=World,Business,Science and technology,Culture,Sport";
        let postal = "postal-address=Morning Brief, 12 North Quay, Port Ellery";
        daybreak.newsletter(&[description, topics, postal, "measure=clicks-and-opens"]).await;
        daybreak.schedule("07:00", "Europe/Paris", "daily").await;
        daybreak.schedule("09:00", "Europe/Paris", "mon").await;
        daybreak.newsletter_called("evening", &["description=The day in three pictures."]).await;
        daybreak.execute("UPDATE newsletters SET name = 'Evening Post' WHERE slug = 'evening'").await;
        let arabic = ["newsletter", "add", "ufuq", "--name", "الأفق", "--language", "ar", "--set"];
        let settings = ["description=أخبار الصباح في خمس دقائق", "--set", "topics=العالم,الثقافة"];
        daybreak.run(&[&arabic[..], &settings, &["--from", "ufuq@news.example.org"]].concat()).await;
        daybreak.schedule_of("ufuq", "06:30", "Africa/Cairo", "daily").await;
        daybreak.newsletter_called("harbour", &["description=Ships, tides and wind, hour by hour."]).await;
        daybreak.execute("UPDATE newsletters SET name = 'Harbour Notes' WHERE slug = 'harbour'").await;
        daybreak.schedule_of("harbour", "06:00", "UTC", "mon").await;
        daybreak.source(&feeds, "/feed", &stories()).await;
        feeds.answer("/harbour", rss(&[Item::new("The dredger is back in the fairway")]));
        daybreak.run(&["source", "add", "harbour", &feeds.url("/harbour")]).await;

        let service = daybreak.serve(&[]).await;
        service.pages().await;
        sign_up(&base, "slow@example.com", &["brief"]).await;
        let confirm_expired = mail_to(&sink, "slow@example.com", 1).await.link("/confirm/");
        service.stop().await;

        daybreak.at(MONDAY);
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        let mut confirm = vec![];
        for (email, newsletters) in [
            ("ann@example.net", &["brief"][..]),
            ("zoe@example.net", &["brief", "evening", "ufuq"]),
            ("left@example.net", &["brief"]),
            ("gone@example.net", &["brief"]),
            ("dan@example.net", &["brief"]),
            ("eva@example.net", &["brief"]),
            ("fay@example.net", &["evening"]),
        ] {
            sign_up(&base, email, newsletters).await;
            confirm.push(mail_to(&sink, email, 1).await.link("/confirm/"));
        }
        let [ann, zoe, left, gone, dan, eva, fay] = confirm.try_into().unwrap();
        let (mut leave, mut preferences) = (vec![], vec![]);
        for (email, link) in [
            ("left@example.net", &left),
            ("gone@example.net", &gone),
            ("dan@example.net", &dan),
            ("eva@example.net", &eva),
            ("fay@example.net", &fay),
        ] {
            post(link, "").await;
            let welcome = mail_to(&sink, email, 2).await;
            leave.push(welcome.link("/unsubscribe/"));
            preferences.push(welcome.link("/preferences/"));
        }
        post(&leave[0], "").await;
        post(&format!("{}/address", preferences[2]), "email=dan%40new.example.net").await;
        let address = mail_to(&sink, "dan@new.example.net", 1).await.link("/address/");
        post(&format!("{}/address", preferences[4]), "email=fay%40new.example.net").await;
        let address_overtaken = mail_to(&sink, "fay@new.example.net", 1).await.link("/address/");
        post(&address_overtaken, "").await;
        let address_back = mail_to(&sink, "fay@example.net", 3).await.link("/address/");
        daybreak.run(&["subscriber", "erase", "gone@example.net"]).await;
        let sailors = "email\nfull@example.com\nunknown@example.com\nmate@example.com\n";
        daybreak.readers_of("harbour", sailors).await;
        service.stop().await;

        daybreak.at("2026-03-02T05:59:59Z");
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        let cookies = sign_everybody_in(daybreak, browser).await;
        let secret = "UPDATE users SET totp_secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ' WHERE email = 'guarded@example.org'";
        daybreak.execute(secret).await;
        // Its hash is kept with the account's id, which is 4.
        let code = "INSERT INTO user_recovery_codes (hash, user_id)
                    VALUES ('6908cde17d72407c79017b42b45b993e46342c710c4e25f078d8f7c5dae6e35e', 4)";
        daybreak.execute(code).await;
        browser.open(&format!("{base}/sign-in")).await;
        browser.write("E-mail address", "editor@example.org").await;
        browser.press("Mail me a link instead").await;
        browser.reads("Check your inbox").await;
        let sign_in_link = mail_to(&sink, "editor@example.org", 1).await.link("/sign-in/link/");
        let digest = mail_to(&sink, "dan@example.net", 3).await.link("/view/");

        feeds.answer("/feed", rss(&later_stories()));
        daybreak.run(&["source", "poll"]).await;
        // The one of the day is sent, and the next one is filling.
        let both = "SELECT COUNT(DISTINCT i.state) FROM issues i JOIN newsletters n ON n.id = i.newsletter_id
                    WHERE n.slug = 'brief' AND i.state IN ('draft', 'sent')";
        daybreak.until_counted(both, 2).await;
        let tried = "SELECT COUNT(*) FROM deliveries WHERE state IN ('deferred', 'failed')";
        daybreak.until_counted(tried, 2).await;
        let reader = many_issues(daybreak).await;
        let (import, bulk) = dead_work(daybreak).await;
        let issues = daybreak.issues("brief").await;
        let of = |state: &str| {
            issues.iter().find(|issue| issue["state"] == state).unwrap()["id"].as_i64().unwrap()
        };

        let nothing = nothing_yet.serve(&[]).await;
        let said = nothing.says("/welcome/").await;
        let welcome_first =
            said.split_whitespace().find(|word| word.contains("/welcome/")).unwrap().to_owned();
        let demo = daybreak.start(&["demo", "--subscribers", "80"]);
        let said = demo.says("/mailbox").await;
        let (demo_base, _) =
            said.split_once("The mailbox ").unwrap().1.trim().split_once("/mailbox").unwrap();
        Self {
            base,
            empty,
            demo: demo_base.to_owned(),
            confirm: ann,
            confirm_several: zoe,
            confirm_expired,
            confirm_after_leaving: left,
            leave: leave[2].clone(),
            leave_erased: leave[1].clone(),
            preferences: preferences[2].clone(),
            preferences_to_erase: preferences[3].clone(),
            address,
            address_back,
            address_overtaken,
            digest,
            filling: of("draft"),
            sent: of("sent"),
            sending: daybreak
                .issues("harbour")
                .await
                .iter()
                .find(|issue| issue["state"] == "sending")
                .unwrap()["id"]
                .as_i64()
                .unwrap(),
            reader,
            file: file(daybreak, "people.csv", PEOPLE),
            empty_file: file(daybreak, "nobody.csv", ""),
            import,
            bulk,
            sign_in_link,
            welcome: welcome(daybreak, "invited@example.org", "viewer").await,
            welcome_first,
            cookies,
            services: vec![service, nothing, demo],
            _outside: (sink, feeds),
        }
    }

    /// Lets the browser be theirs.
    pub async fn sign_in(&self, browser: &Browser, who: Who) {
        if who == Who::AsBefore {
            return;
        }
        browser.take_cookies(self.cookies.get(&who)).await;
    }

    pub async fn end(self) {
        for service in self.services {
            service.stop().await;
        }
    }
}

/// Two who are new, one whose time zone is none, and a line without an address.
const PEOPLE: &str = "\
E-mail address,Name,Time zone,Since\n\
mia@press.example.org,Mia Ferry,Europe/Oslo,2024-05-06\n\
oda@press.example.org,\"Oda, of the Quay\",Mars,2024-05-08\n\
not an address,Pia,,2024-05-09\n";

/// Writes a file for a browser to send, and returns where it is.
fn file(daybreak: &Daybreak, name: &str, text: &str) -> String {
    let path = daybreak.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

/// Lets a reader of the harbour's have got an issue on each of the 70 days before, and returns who it is.
async fn many_issues(daybreak: &Daybreak) -> i64 {
    let days = "WITH RECURSIVE days (day) AS (SELECT 1 UNION ALL SELECT day + 1 FROM days WHERE day < 70)";
    let issues = format!(
        "{days} INSERT INTO issues (newsletter_id, slot_at, slot_date, cutoff_at, state, reason, created_at)
         SELECT n.id, 1772431200000 - day * 86400000, date(1772431200 - day * 86400, 'unixepoch'),
             1772431200000 - day * 86400000, 'cancelled', 'by an editor', 1772431200000 - day * 86400000
         FROM days, newsletters n WHERE n.slug = 'harbour'"
    );
    daybreak.execute(&issues).await;
    let deliveries =
        "INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, reason, detail,
             not_before, due_at, attempts, updated_at)
         SELECT i.id, p.id, s.id, CASE i.id % 5 WHEN 0 THEN 'skipped' WHEN 1 THEN 'failed' ELSE 'sent' END,
             CASE i.id % 5 WHEN 0 THEN 'paused' WHEN 1 THEN 'try_later' END,
             CASE i.id % 5 WHEN 1 THEN '451 4.3.0 Try again later' ELSE '250 2.0.0 Ok' END,
             i.slot_at, i.slot_at, 1, i.slot_at + 1000
         FROM issues i JOIN newsletters n ON n.id = i.newsletter_id
             JOIN subscribers p ON p.email = 'mate@example.com' JOIN subscriptions s ON s.subscriber_id = p.id
         WHERE n.slug = 'harbour' AND i.state = 'cancelled'";
    daybreak.execute(deliveries).await;
    daybreak.number("SELECT id FROM subscribers WHERE email = 'mate@example.com'").await
}

/// An import and a change to many whose process died in the middle of it.
async fn dead_work(daybreak: &Daybreak) -> (i64, i64) {
    let import =
        "INSERT INTO imports (newsletter_id, who, file_name, stored, bytes, consent_words, state, progress,
             beat_at, created_at)
         VALUES (1, 'admin@example.org', 'everybody.csv', 'none', 48000000, '', 'running', 19000000,
             1772425800000, 1772425800000)";
    daybreak.execute(import).await;
    let bulk = "INSERT INTO bulk_actions (kind, object_id, filter, words, who, state, changed, beat_at, created_at)
         VALUES ('suppress', NULL, 'q=nobody-at-all', 'Put 12,000 people on the suppression list', 'admin@example.org', 'running',
             4100, 1772425800000, 1772425800000)";
    daybreak.execute(bulk).await;
    (
        daybreak.number("SELECT MAX(id) FROM imports").await,
        daybreak.number("SELECT MAX(id) FROM bulk_actions").await,
    )
}

/// Invites somebody, and returns the link by which they come.
async fn welcome(daybreak: &Daybreak, email: &str, role: &str) -> String {
    let invited = daybreak.json(&["user", "add", email, "--role", role]).await;
    invited["link"].as_str().unwrap().to_owned()
}

/// Gives everybody who signs in their account and their password, and keeps their cookies.
async fn sign_everybody_in(daybreak: &Daybreak, browser: &Browser) -> HashMap<Who, Value> {
    let mut cookies = HashMap::new();
    for (who, email, role) in USERS {
        browser.take_cookies(None).await;
        browser.open(&welcome(daybreak, email, role).await).await;
        browser.write("Name", &format!("{who:?}")).await;
        browser.write("Password", PASSWORD).await;
        browser.press("Keep it and sign in").await;
        cookies.insert(who, browser.cookies().await);
    }
    browser.take_cookies(None).await;
    // Of pages that were only passed through.
    browser.logged_errors().await;
    cookies
}

fn stories() -> Vec<Item> {
    vec![
        Item::new("A treaty is signed after eleven years of talks").about("World"),
        Item::new("The last ferry of the winter leaves early").about("Business"),
        Item::new("A telescope sees a planet turn").about("Science and technology"),
        Item::new("A match is won in the ninetieth minute").about("Sport"),
    ]
}

/// What comes in after the issue of the day is sent.
fn later_stories() -> Vec<Item> {
    vec![
        Item::new("A library lends silence by the hour").about("Culture"),
        Item::new("The night train is back, and it is full until the end of March and beyond").about("World"),
        Item::new("Rewetting the fens: what it costs, and whom it helps").about("Science and technology"),
        Item::new("A race is lost").about("Sport"),
    ]
}

pub async fn post(address: &str, body: &str) {
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(address);
    let form = "application/x-www-form-urlencoded";
    let answer = request.header("content-type", form).body(body.to_owned()).send().await.unwrap();
    assert!(answer.status().is_success(), "{address} answered {}", answer.status());
}

pub async fn sign_up(base: &str, email: &str, newsletters: &[&str]) {
    let fields = newsletters.iter().map(|slug| ("newsletter", *slug)).chain([("email", email)]);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(&format!("{base}/subscribe"), &body).await;
}
