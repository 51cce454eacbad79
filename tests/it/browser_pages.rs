//! Every page there is, in a real browser, at both widths and in both schemes: axe-core finds nothing on it, nothing of
//! it is wider than the window, and it logs no error. `tests/screenshots` makes pictures of the same pages.

#![expect(clippy::print_stderr, reason = "a test that fails says on which page")]

use std::path::Path;
use std::sync::Mutex;

use crate::browser::{Browser, Scheme, WIDTHS};
use crate::browser_axe::violations;
use crate::browser_world::{PASSWORD, RECOVERY_CODE, Who, World};
use crate::daybreak::on_sqlite;

/// A page, and how one comes to it.
struct Page {
    /// What its pictures are called.
    name: &'static str,
    address: String,
    who: Who,
    steps: Vec<Step>,
}

/// What is done on the way.
enum Step {
    Write(&'static str, String),
    Choose(&'static str),
    Press(&'static str),
    /// Waits until the page has this below its headline: work in the background is done.
    Until(&'static str),
}

fn page(name: &'static str, address: impl Into<String>) -> Page {
    Page { name, address: address.into(), who: Who::Anybody, steps: vec![] }
}

impl Page {
    /// Who opens it.
    fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    fn write(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.steps.push(Step::Write(label, text.into()));
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

    fn until(mut self, heading: &'static str) -> Self {
        self.steps.push(Step::Until(heading));
        self
    }

    async fn open(&self, browser: &Browser, world: &World) {
        world.sign_in(browser, self.who).await;
        browser.open(&self.address).await;
        for step in &self.steps {
            match step {
                Step::Write(label, text) => browser.write(label, text).await,
                Step::Choose(words) => browser.choose(words).await,
                Step::Press(words) => browser.press(words).await,
                Step::Until(words) => {
                    browser.find(&format!("(//h1 | //h2)[normalize-space() = \"{words}\"]")).await;
                }
            }
        }
        let is_missing = browser.text().await.contains("There is no such page");
        assert_eq!(is_missing, self.name == "error-no-such-page", "{} at {}", self.name, self.address);
    }
}

/// What the mails of those who left are called: one line.
const TEMPLATE: &str = "/desk/templates/goodbye/subject.txt.hbs";

/// Every page, in an order in which those that change something come after those that show it.
fn pages(world: &World) -> Vec<Page> {
    let at = |path: &str| format!("{}{path}", world.base);
    let mine = |path: &str| format!("{}{path}", world.preferences);
    let of_issue = |issue: i64, path: &str| format!("{}/desk/issues/{issue}{path}", world.base);
    let empty = |name, path: &str| page(name, format!("{}{path}", world.empty)).by(Who::AsBefore);
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
        page("archive", at("/archive/brief")),
        page("archive-found-none", at("/archive/brief?q=zeppelin")),
        page("archive-empty", at("/archive/evening")),
        page("archive-issue", at("/archive/brief/1")),
        page("embed", at("/subscribe/brief/embed")),
        page("preferences", mine("")),
        page("preferences-about", mine("/about")),
        page("preferences-about-problems", mine("/about")).write("Time zone", "Paris, France").press("Save"),
        page("preferences-said", mine("/about")).write("Name", "Dan").press("Save"),
        page("preferences-newsletter", mine("/newsletters/brief")),
        page("preferences-newsletter-problems", mine("/newsletters/brief"))
            .write("Your time zone", "Paris, France")
            .press("Save"),
        page("preferences-pause", mine("/newsletters/brief/pause")),
        page("preferences-pause-problems", mine("/newsletters/brief/pause")).press("Pause Morning Brief"),
        page("preferences-leave", mine("/newsletters/brief/leave")),
        page("preferences-leave-all", mine("/leave")),
        page("address", mine("/address")),
        page("address-problems", mine("/address"))
            .write("New e-mail address", "dan@example")
            .press("Send a mail to the new address"),
        page("address-asked", mine("/address"))
            .write("New e-mail address", "dan@elsewhere.example.net")
            .press("Send a mail to the new address"),
        page("erase", format!("{}/erase", world.preferences_to_erase)),
        page("erased", format!("{}/erase", world.preferences_to_erase)).press("Erase everything about me"),
        page("leave", &world.leave),
        page("leave-link-mailed", &world.leave).press("Mail me that link"),
        page("left", &world.leave).press("Leave Morning Brief"),
        page("left-thanked", &world.leave).choose("It came too often").press("Send the answer"),
        page("preferences-left", mine("")),
        page("preferences-back", mine("")).press("Undo: keep sending Morning Brief"),
        page("address-confirm", &world.address),
        page("address-changed", &world.address).press("Yes, send them here"),
        page("address-back", &world.address_back),
        page("address-taken-back", &world.address_back).press("Send them here again"),
        page("address-expired", &world.address_overtaken),
        page("preferences-outdated", mine("")),
        page("left-nobody", &world.leave_erased),
        page("error-no-such-page", at("/nowhere")),
        page("error-cut-link", at("/unsubscribe/abc")),
        page("sign-in", at("/sign-in")),
        page("sign-in-wrong", at("/sign-in"))
            .write("E-mail address", "nobody@example.org")
            .write("Password", "a guess")
            .press("Sign in"),
        page("sign-in-code", at("/sign-in"))
            .write("E-mail address", "guarded@example.org")
            .write("Password", PASSWORD)
            .press("Sign in"),
        page("sign-in-code-wrong", at("/sign-in"))
            .write("E-mail address", "guarded@example.org")
            .write("Password", PASSWORD)
            .press("Sign in")
            .write("The six digits", "000000")
            .press("Sign in"),
        page("sign-in-recovery", at("/sign-in"))
            .write("E-mail address", "guarded@example.org")
            .write("Password", PASSWORD)
            .press("Sign in")
            .press("Use a recovery code"),
        page("sign-in-mailed", at("/sign-in"))
            .write("E-mail address", "nobody@example.org")
            .press("Mail me a link instead"),
        page("sign-in-link", &world.sign_in_link),
        page("sign-in-link-gone", at("/sign-in/link/abc")),
        page("welcome-first", &world.welcome_first),
        page("welcome-first-problems", &world.welcome_first)
            .write("E-mail address", "ann")
            .write("Password", "short")
            .press("Make my account"),
        page("welcome", &world.welcome),
        page("account", at("/account")).by(Who::Editor),
        page("account-problem", at("/account"))
            .by(Who::Editor)
            .write("Your password now", "a guess")
            .write("The new password", PASSWORD)
            .press("Change the password"),
        page("account-said", at("/account"))
            .by(Who::Editor)
            .write("As colleagues know you", "Ed Itor")
            .press("Save the name"),
        page("second-factor", at("/account/second-factor")).by(Who::Editor),
        page("second-factor-problem", at("/account/second-factor"))
            .by(Who::Editor)
            .write("The six digits", "000000")
            .press("Set up the second factor"),
        page("second-factor-set", at("/account/second-factor")).by(Who::Guarded),
        page("recovery-codes", at("/account/recovery-codes")).by(Who::Guarded),
        page("recovery-codes-made", at("/account/recovery-codes"))
            .by(Who::Guarded)
            .write("The code that your app shows now, or a recovery code", RECOVERY_CODE)
            .press("Make 10 new codes")
            .until("Your recovery codes"),
        page("desk-today", at("/desk")).by(Who::Editor),
        page("desk-inbox", at("/desk/inbox")).by(Who::Editor).press("Add an article"),
        page("desk-inbox-found-none", at("/desk/inbox?q=nothing")).by(Who::Editor),
        page("desk-issues", at("/desk/issues")).by(Who::Editor),
        page("desk-issue", of_issue(world.filling, "")).by(Who::Editor),
        page("desk-issue-edited", of_issue(world.filling, "")).by(Who::Editor).press("To the top"),
        page("desk-issue-sent", of_issue(world.sent, "")).by(Who::Editor),
        page("desk-issue-to-look-at", of_issue(world.filling, "")).by(Who::Viewer),
        page("desk-preview", of_issue(world.filling, "/preview")).by(Who::Editor),
        page("desk-checks", of_issue(world.filling, "/checks")).by(Who::Editor),
        page("desk-test", of_issue(world.filling, "/test")).by(Who::Editor),
        page("desk-send", of_issue(world.filling, "/send")).by(Who::Editor),
        page("desk-send-under-way", of_issue(world.sending, "/send")).by(Who::Editor),
        page("desk-live", of_issue(world.sending, "/live")).by(Who::Editor),
        page("desk-live-looked-at", of_issue(world.sending, "/live")).by(Who::Viewer),
        page("desk-results-so-far", of_issue(world.sending, "/results")).by(Who::Editor),
        page("desk-live-sent", of_issue(world.sent, "/live")).by(Who::Editor),
        page("desk-results", of_issue(world.sent, "/results")).by(Who::Editor),
        page("desk-calendar", at("/desk/calendar")).by(Who::Editor),
        page("desk-sources", at("/desk/sources")).by(Who::Editor),
        page("desk-source", at("/desk/sources/1")).by(Who::Editor),
        page("desk-templates", at("/desk/templates")).by(Who::Editor),
        page("desk-template-help", at("/desk/templates/help")).by(Who::Editor),
        page("desk-template", at("/desk/templates/digest/body.mjml.hbs")).by(Who::Editor),
        page("newsletters", at("/office/newsletters")).by(Who::Admin),
        page("newsletter", at("/office/newsletters/brief")).by(Who::Admin),
        page("newsletter-problems", at("/office/newsletters/brief"))
            .by(Who::Admin)
            .write("Name", "")
            .write("Most articles", "many")
            .press("Save settings"),
        page("newsletter-schedules", at("/office/newsletters/brief/schedules")).by(Who::Admin),
        page("newsletter-schedule", at("/office/newsletters/brief/schedules/1")).by(Who::Admin),
        page("newsletter-schedule-problems", at("/office/newsletters/brief/schedules/add"))
            .by(Who::Admin)
            .write("Time", "noon")
            .press("Add this schedule"),
        page("newsletter-topics", at("/office/newsletters/brief/topics")).by(Who::Admin),
        page("newsletter-topics-problems", at("/office/newsletters/brief/topics"))
            .by(Who::Admin)
            .write("A new topic", "!!!")
            .press("Save topics"),
        page("dkim", at("/office/dkim")).by(Who::Admin),
        page("relays", at("/office/relays")).by(Who::Admin),
        page("system", at("/office/system")).by(Who::Admin),
        page("users", at("/office/users")).by(Who::Admin),
        page("user-invite", at("/office/users/invite")).by(Who::Admin),
        page("user-invite-problem", at("/office/users/invite"))
            .by(Who::Admin)
            .write("E-mail address", "somebody")
            .press("Invite them"),
        page("user", at("/office/users/2")).by(Who::Admin),
        page("user-remove", at("/office/users/2/remove")).by(Who::Admin),
        page("user-with-second-factor", at("/office/users/4")).by(Who::Admin),
        page("error-not-yours", at("/office/users")).by(Who::Viewer),
        page("error-no-such-issue", at("/desk/issues/999999")).by(Who::Editor),
        page("audit", at("/office/audit")).by(Who::Admin),
        page("audit-found-none", at("/office/audit?who=nobody")).by(Who::Admin),
        page("subscribers", at("/office/subscribers")).by(Who::Admin),
        page("subscribers-found", at("/office/subscribers?newsletter=brief&q=example")).by(Who::Admin),
        page("subscribers-found-none", at("/office/subscribers?q=nobody")).by(Who::Admin),
        page("subscribers-problem", at("/office/subscribers?state=odd&from=never")).by(Who::Admin),
        page("subscriber-add", at("/office/subscribers/add?newsletter=brief")).by(Who::Admin),
        page("subscriber-add-problems", at("/office/subscribers/add?newsletter=brief"))
            .by(Who::Admin)
            .write("E-mail address", "ann@example")
            .press("Add this person"),
        page("subscriber-add-first", at("/office/subscribers/add")).by(Who::Admin),
        page("subscriber", at("/office/subscribers/1")).by(Who::Admin),
        page("subscriber-with-history", at(&format!("/office/subscribers/{}", world.reader))).by(Who::Admin),
        page("subscriber-problem", at("/office/subscribers/1"))
            .by(Who::Admin)
            .write("Time zone", "Mars")
            .press("Keep the changes"),
        page("subscriber-erase", at("/office/subscribers/1/erase")).by(Who::Admin),
        page("subscriber-add", at("/office/subscribers/add?newsletter=brief")).by(Who::Admin),
        page("subscriber-add-problems", at("/office/subscribers/add?newsletter=brief"))
            .by(Who::Admin)
            .write("E-mail address", "ann@example")
            .press("Add this person"),
        page("subscriber-add-first", at("/office/subscribers/add")).by(Who::Admin),
        page("bulk-first", at("/office/bulk?kind=tag&deed_tag=press")).by(Who::Admin),
        page("bulk-nobody", at("/office/bulk?kind=tag&deed_tag=press&filter=q%3Dnobody-at-all"))
            .by(Who::Admin),
        page("bulk-stands-still", at(&format!("/office/bulk/{}", world.bulk))).by(Who::Admin),
        page("bulk-done", at("/office/bulk?kind=tag&deed_tag=press&filter=q%3Ddan%40"))
            .by(Who::Admin)
            .press("Give the tag “press” to 1 person")
            .until("Done"),
        page("bulk-problem", at("/office/bulk?kind=tag&deed_tag=")).by(Who::Admin),
        page("bulk-nobody-ticked", at("/office/bulk?kind=suppress&whom=ticked")).by(Who::Admin),
        page("bulk-ticked", at("/office/bulk?kind=suppress&whom=ticked&person=1&person=2")).by(Who::Admin),
        page("subscribers-ticked", at("/office/subscribers?ticked=all")).by(Who::Admin),
        page("segments-none", at("/office/segments")).by(Who::Admin),
        page("segments", at("/office/subscribers?q=a"))
            .by(Who::Admin)
            .write("Keep this filter as a segment", "Press")
            .press("Keep segment"),
        page("segments-kept", at("/office/segments")).by(Who::Admin),
        page("suppressions", at("/office/suppressions")).by(Who::Admin),
        page("suppressions-problem", at("/office/suppressions"))
            .by(Who::Admin)
            .write("The address", "somebody@nowhere")
            .press("Suppress this address"),
        page("import", at("/office/import")).by(Who::Admin),
        page("import-problem", at("/office/import"))
            .by(Who::Admin)
            .write("The file", &world.empty_file)
            .press("Upload and look at the columns"),
        page("import-columns", at("/office/import"))
            .by(Who::Admin)
            .write("The file", &world.file)
            .press("Upload and look at the columns"),
        page("import-checked", at("/office/import"))
            .by(Who::Admin)
            .press("people.csv")
            .press("See what it would do")
            .until("What it would do"),
        page("import-done", at("/office/import"))
            .by(Who::Admin)
            .press("people.csv")
            .press("Import 2 people into Morning Brief")
            .until("What it did"),
        page("import-stands-still", at(&format!("/office/import/{}", world.import))).by(Who::Admin),
        page("desk-template-problem", at(TEMPLATE))
            .by(Who::Editor)
            .write("Template", "{{#if newsletter}}You are out of it")
            .press("Save this template"),
        page("desk-template-saved", at(TEMPLATE))
            .by(Who::Editor)
            .write("Template", "You are out of it")
            .press("Save this template"),
        page("desk-template-version", at(&format!("{TEMPLATE}/versions/1"))).by(Who::Editor),
        page("mailbox", mailbox("")),
        page("mailbox-found-none", mailbox("?to=nobody")),
        page("mailbox-last", mailbox("?page=1000")),
        page("mail", mailbox("/1")),
        page("mail-text", mailbox("/1/text")),
        page("mail-headers", mailbox("/1/headers")),
        page("mail-source", mailbox("/1/source")),
        page("empty-today", &world.welcome_first)
            .write("E-mail address", "ann@example.org")
            .write("Password", PASSWORD)
            .press("Make my account"),
        empty("empty-inbox", "/desk/inbox"),
        empty("empty-issues", "/desk/issues"),
        empty("empty-calendar", "/desk/calendar"),
        empty("empty-sources", "/desk/sources"),
        empty("empty-subscribers", "/office/subscribers"),
        empty("empty-import", "/office/import"),
        empty("empty-suppressions", "/office/suppressions"),
        empty("empty-newsletters", "/office/newsletters"),
        empty("empty-dkim", "/office/dkim"),
        empty("empty-relays", "/office/relays"),
        empty("empty-system", "/office/system"),
    ]
}

/// Opens every page, and looks at each at both widths and in both schemes.
async fn look_at_every_page(look: impl AsyncFn(&Browser, &Page, u32, Scheme)) {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        daybreak.leaves_some_open();
        let world = World::make(daybreak, &browser).await;
        for page in pages(&world) {
            eprintln!("-- {}", page.name);
            page.open(&browser, &world).await;
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
async fn faults(browser: &Browser) -> Vec<String> {
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
