//! Every page there is, in a real browser, at both widths and in both schemes: axe-core finds nothing on it, nothing of
//! it is wider than the window, and it logs no error. `tests/screenshots` makes pictures of the same pages.

#![expect(clippy::print_stderr, reason = "a test that fails says on which page")]

use std::path::Path;
use std::sync::Mutex;

use crate::browser::{Browser, Scheme, WIDTHS};
use crate::browser_axe::violations;
use crate::daybreak::{Daybreak, Service, on_sqlite};
use crate::feeds::{Feeds, Item};
use crate::mail::mail_to;
use crate::sink::Sink;

/// A page, and how one comes to it.
struct Page {
    /// What its pictures are called.
    name: &'static str,
    address: String,
    steps: Vec<Step>,
}

/// What is done on the way.
enum Step {
    Write(&'static str, &'static str),
    Choose(&'static str),
    Press(&'static str),
}

fn page(name: &'static str, address: impl Into<String>) -> Page {
    Page { name, address: address.into(), steps: vec![] }
}

impl Page {
    fn write(mut self, label: &'static str, text: &'static str) -> Self {
        self.steps.push(Step::Write(label, text));
        self
    }

    fn choose(mut self, words: &'static str) -> Self {
        self.steps.push(Step::Choose(words));
        self
    }

    fn press(mut self, words: &'static str) -> Self {
        self.steps.push(Step::Press(words));
        self
    }

    async fn open(&self, browser: &Browser) {
        browser.open(&self.address).await;
        for step in &self.steps {
            match step {
                Step::Write(label, text) => browser.write(label, text).await,
                Step::Choose(words) => browser.choose(words).await,
                Step::Press(words) => browser.press(words).await,
            }
        }
    }
}

/// A running service whose readers are at every point of their way, another that is empty, and the demo.
struct World {
    base: String,
    empty: String,
    demo: String,
    confirm: String,
    confirm_several: String,
    confirm_expired: String,
    confirm_after_leaving: String,
    leave: String,
    leave_erased: String,
    digest: String,
    services: Vec<Service>,
    _outside: (Sink, Feeds),
}

/// Every page, in an order in which those that change something come after those that show it.
fn pages(world: &World) -> Vec<Page> {
    let at = |path: &str| format!("{}{path}", world.base);
    let mailbox = |path: &str| format!("{}/mailbox{path}", world.demo);
    vec![
        page("home", at("/")),
        page("home-empty", &world.empty),
        page("subscribe", at("/subscribe")),
        page("subscribe-problems", at("/subscribe")).write("Name", "Ann").press("Sign up"),
        page("subscribe-one", at("/subscribe/brief")).press("Get it at an hour of your own"),
        page("subscribe-one-problems", at("/subscribe/brief"))
            .write("E-mail address", "ann@example")
            .press("Get it at an hour of your own")
            .write("Time zone", "Paris, France")
            .press("Sign up for Morning Brief"),
        page("subscribe-right-to-left", at("/subscribe/ufuq")),
        page("check-inbox", at("/subscribe/brief"))
            .write("E-mail address", "a.rather.long.address.of.somebody@subdomain.example.net")
            .choose("Sport")
            .press("Sign up for Morning Brief"),
        page("confirm", &world.confirm),
        page("confirmed", &world.confirm).press("Yes, send it to me"),
        page("confirm-several", &world.confirm_several),
        page("confirmed-several", &world.confirm_several).press("Yes, send them to me"),
        page("confirm-expired", &world.confirm_expired),
        page("confirm-after-leaving", &world.confirm_after_leaving),
        page("digest", &world.digest),
        page("leave", &world.leave),
        page("left", &world.leave).press("Leave Morning Brief"),
        page("left-thanked", &world.leave).choose("It came too often").press("Send the answer"),
        page("left-nobody", &world.leave_erased),
        page("error-no-such-page", at("/nowhere")),
        page("error-cut-link", at("/unsubscribe/abc")),
        page("mailbox", mailbox("")),
        page("mailbox-found-none", mailbox("?to=nobody")),
        page("mailbox-last", mailbox("?page=1000")),
        page("mail", mailbox("/1")),
        page("mail-text", mailbox("/1/text")),
        page("mail-headers", mailbox("/1/headers")),
        page("mail-source", mailbox("/1/source")),
    ]
}

impl World {
    async fn make(daybreak: &mut Daybreak) -> Self {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        let empty = format!("sqlite://{}", daybreak.folder().join("empty.db").display());
        let mut nothing_yet = Daybreak::beside(daybreak, empty);
        let empty = nothing_yet.on_loopback();
        let base = daybreak.on_loopback();

        daybreak.at("2026-02-20T05:00:00Z");
        let description = "description=What happened while you slept, in a dozen stories and five minutes.";
        let topics = "topics=World,Business,Science and technology,Culture,Sport";
        let postal = "postal-address=Morning Brief, 12 North Quay, Port Ellery";
        daybreak.newsletter(&[description, topics, postal]).await;
        daybreak.schedule("07:00", "Europe/Paris", "daily").await;
        daybreak.schedule("09:00", "Europe/Paris", "mon").await;
        daybreak.newsletter_called("evening", &["description=The day in three pictures."]).await;
        daybreak.execute("UPDATE newsletters SET name = 'Evening Post' WHERE slug = 'evening'").await;
        let arabic = ["newsletter", "add", "ufuq", "--name", "الأفق", "--language", "ar", "--set"];
        let settings = ["description=أخبار الصباح في خمس دقائق", "--set", "topics=العالم,الثقافة"];
        daybreak.run(&[&arabic[..], &settings, &["--from", "ufuq@news.example.org"]].concat()).await;
        daybreak.schedule_of("ufuq", "06:30", "Africa/Cairo", "daily").await;
        daybreak.source(&feeds, "/feed", &stories()).await;

        let service = daybreak.serve(&[]).await;
        service.pages().await;
        sign_up(&base, "slow@example.com", &["brief"]).await;
        let confirm_expired = mail_to(&sink, "slow@example.com", 1).await.link("/confirm/");
        service.stop().await;

        daybreak.at(crate::daybreak::MONDAY);
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        let mut confirm = vec![];
        for (email, newsletters) in [
            ("ann@example.net", &["brief"][..]),
            ("zoe@example.net", &["brief", "evening", "ufuq"]),
            ("left@example.net", &["brief"]),
            ("gone@example.net", &["brief"]),
            ("dan@example.net", &["brief"]),
        ] {
            sign_up(&base, email, newsletters).await;
            confirm.push(mail_to(&sink, email, 1).await.link("/confirm/"));
        }
        let [ann, zoe, left, gone, dan] = confirm.try_into().unwrap();
        let mut leave = vec![];
        for (email, link) in
            [("left@example.net", &left), ("gone@example.net", &gone), ("dan@example.net", &dan)]
        {
            post(link, "").await;
            leave.push(mail_to(&sink, email, 2).await.link("/unsubscribe/"));
        }
        post(&leave[0], "").await;
        daybreak.run(&["subscriber", "erase", "gone@example.net"]).await;
        service.stop().await;

        daybreak.at("2026-03-02T05:59:59Z");
        let service = daybreak.serve(&[]).await;
        let digest = mail_to(&sink, "dan@example.net", 3).await.link("/view/");

        let nothing = nothing_yet.serve(&[]).await;
        nothing.pages().await;
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
            digest,
            services: vec![service, nothing, demo],
            _outside: (sink, feeds),
        }
    }

    async fn end(self) {
        for service in self.services {
            service.stop().await;
        }
    }
}

fn stories() -> Vec<Item> {
    vec![
        Item::new("A treaty is signed after eleven years of talks").about("World"),
        Item::new("The last ferry of the winter leaves early").about("Business"),
        Item::new("A telescope sees a planet turn").about("Science and technology"),
        Item::new("A match is won in the ninetieth minute").about("Sport"),
    ]
}

async fn post(address: &str, body: &str) {
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(address);
    let form = "application/x-www-form-urlencoded";
    let answer = request.header("content-type", form).body(body.to_owned()).send().await.unwrap();
    assert!(answer.status().is_success(), "{address} answered {}", answer.status());
}

async fn sign_up(base: &str, email: &str, newsletters: &[&str]) {
    let fields = newsletters.iter().map(|slug| ("newsletter", *slug)).chain([("email", email)]);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(&format!("{base}/subscribe"), &body).await;
}

/// Opens every page, and looks at each at both widths and in both schemes.
async fn look_at_every_page(look: impl AsyncFn(&Browser, &Page, u32, Scheme)) {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        daybreak.leaves_some_open();
        let world = World::make(daybreak).await;
        for page in pages(&world) {
            eprintln!("-- {}", page.name);
            page.open(&browser).await;
            for width in WIDTHS {
                for scheme in Scheme::BOTH {
                    browser.look(width, scheme).await;
                    look(&browser, &page, width, scheme).await;
                }
            }
        }
        world.end().await;
    })
    .await;
}

/// How much wider than the window the page is, in pixels.
const TOO_WIDE: &str = "const page = document.documentElement; return page.scrollWidth - page.clientWidth";

/// All that is wrong with the page that a browser shows.
pub async fn faults(browser: &Browser) -> Vec<String> {
    let mut found = violations(browser).await;
    let too_wide = browser.run(TOO_WIDE).await;
    if too_wide != 0 {
        found.push(format!("{too_wide} pixels are outside of the window"));
    }
    found.extend(browser.logged_errors().await);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_with_any_page() {
    let wrong = Mutex::new(vec![]);
    look_at_every_page(async |browser, page, width, scheme| {
        let place = format!("{} at {width} pixels, {}", page.name, scheme.name());
        let found = faults(browser).await.into_iter().map(|says| format!("{place}: {says}"));
        wrong.lock().unwrap().extend(found);
    })
    .await;
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_page_is_found_in_the_scheme_and_at_the_width_that_show_it() {
    const PAGE: &str = "data:text/html,<!doctype html><html lang=en><title>A page</title>\
        <style>main { width: 1200px; color: %23555 } @media (prefers-color-scheme: dark) { body { background: %23222 } }\
        </style>\
        <main><h1>A headline</h1><p>Too dark in the dark.</p></main><script>throw Error('a tantrum')</script>";
    let Some(browser) = Browser::start().await else { return };
    browser.open(PAGE).await;
    let found = faults(&browser).await;
    assert!(!found.is_empty() && found.iter().all(|says| says.contains("a tantrum")), "{found:?}");
    browser.look(390, Scheme::Dark).await;
    let found = faults(&browser).await;
    for fault in ["(color-contrast) at p:", "outside of the window"] {
        assert!(found.iter().any(|says| says.contains(fault)), "no {fault} in {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes pictures for people to look at: tests/screenshots runs it"]
async fn pictures_of_every_page() {
    let folder =
        std::env::var("TEST_SCREENSHOTS").expect("TEST_SCREENSHOTS names the folder for the pictures");
    std::fs::create_dir_all(&folder).unwrap();
    look_at_every_page(async |browser, page, width, scheme| {
        let file = format!("{}-{width}-{}.png", page.name, scheme.name());
        std::fs::write(Path::new(&folder).join(file), browser.picture().await).unwrap();
    })
    .await;
}
