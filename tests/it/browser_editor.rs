//! An editor's whole way in a real browser: composes, previews, checks, tests, sends, and watches it to its end.
//!
//! On SQLite: the pages are tested on both databases in `src/web/tests`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::browser::{ARROW_UP, Browser};
use crate::browser_desk::{brief, order, sign_in_as};
use crate::daybreak::{Daybreak, on_sqlite};
use crate::mail::mail_to;
use crate::sink::{Options, Sink};

const EDITOR: &[&str] = &["--role", "editor"];

/// Longer than the half minute in which a sending can be taken back.
const AFTER_THE_UNDO: Duration = Duration::from_secs(60);

/// A relay that takes no message before the test lets it.
async fn relay(daybreak: &mut Daybreak) -> (Sink, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    (daybreak.sink_with(Options { gate: Some(gate.clone()), ..Options::default() }).await, gate)
}

/// The headlines on the editor's page, from the top.
async fn seen(browser: &Browser) -> Vec<String> {
    let headlines = "return [...document.querySelectorAll('.story .headline')].map((field) => field.value)";
    let seen = browser.run(headlines).await;
    seen.as_array().unwrap().iter().map(|headline| headline.as_str().unwrap().to_owned()).collect()
}

/// The one text of a column of the issue that is filling.
async fn stored(daybreak: &Daybreak, column: &str) -> String {
    daybreak
        .texts(&format!("SELECT {column} FROM issues WHERE {column} IS NOT NULL AND {column} <> ''"))
        .await
        .join("\n")
}

/// A story's row, for scripts; the first is 0.
fn story(place: usize) -> String {
    format!("document.querySelectorAll('.story')[{place}]")
}

/// Opens the issue from the page of the day, and puts it in order with keys and with the mouse.
async fn put_in_order(daybreak: &Daybreak, ann: &Browser) {
    ann.press_at("//p[@class = 'sentence']/a").await;
    let before = seen(ann).await;
    assert_eq!(before.len(), 4);
    ann.run("document.querySelectorAll('.story [data-grip]')[1].focus()").await;
    ann.type_keys(&ARROW_UP.to_string()).await;
    ann.is_told("Saved.").await;
    let by_keys = seen(ann).await;
    assert_eq!([&by_keys[0], &by_keys[1]], [&before[1], &before[0]]);
    assert_eq!(order(daybreak).await, by_keys);

    ann.drag(&format!("{}.querySelector('[data-grip]')", story(2)), &story(1)).await;
    ann.is_told(&format!("{}: place", by_keys[2])).await;
    ann.is_told("Saved.").await;
    let by_mouse = seen(ann).await;
    assert_eq!([&by_mouse[1], &by_mouse[2]], [&by_keys[2], &by_keys[1]]);
    assert_eq!(order(daybreak).await, by_mouse);
}

/// Ann and Ben write at once, and he saves first: she is told, and nothing that either wrote is lost.
async fn write_at_once(daybreak: &Daybreak, ann: &Browser, ben: &Browser) {
    let title = seen(ann).await[0].clone();
    let headline = format!("Headline in the mail of: {title}");
    ann.write("Subject", "Exactly forty-five letters stand in this line").await;
    ann.find("//*[@data-count][. = '45']").await;
    ann.write(&headline, "As Ann has it").await;

    ben.press_at("//p[@class = 'sentence']/a").await;
    ben.write("Introduction", "Good morning from Ben.").await;
    ben.write(&headline, "As Ben has it").await;
    ben.press("Save").await;
    ben.is_told("hanged the").await;

    ann.press("Save").await;
    ann.is_told("somebody else changed this issue while you wrote").await;
    let says = ann.text().await;
    assert!(says.contains("Ben wrote the headline") && says.contains("As Ben has it"), "{says}");
    assert_eq!(ann.logged_errors().await, [""; 0], "that this page was answered with a conflict is none");
    assert_eq!(ann.written("Introduction").await, "Good morning from Ben.");
    assert_eq!(ann.written("Subject").await, "Exactly forty-five letters stand in this line");
    assert_eq!(ann.written(&headline).await, "As Ann has it");
    assert_eq!(stored(daybreak, "subject").await, "", "nothing is saved before she has seen it");
    ann.press("Save").await;
    assert_eq!(stored(daybreak, "subject").await, "Exactly forty-five letters stand in this line");
    assert_eq!(stored(daybreak, "introduction").await, "Good morning from Ben.");
    assert_eq!(ann.written(&headline).await, "As Ann has it");
}

/// Looks at the mail in every way that the preview offers.
async fn preview(ann: &Browser) {
    const FRAME: &str = "//iframe";
    const GROUND: &str = "return getComputedStyle(document.body).backgroundColor";
    ann.press("Preview").await;
    ann.find("//dd[. = 'Exactly forty-five letters stand in this line']").await;
    let mut grounds = vec![];
    let mut widths = vec![];
    for (scheme, width) in [("Light", "Desktop"), ("Dark", "Phone")] {
        ann.press(scheme).await;
        ann.press(width).await;
        widths.push(ann.run("return document.querySelector('iframe').clientWidth").await.as_u64().unwrap());
        ann.enter_frame(FRAME).await;
        ann.find("//*[contains(., 'As Ann has it')]").await;
        ann.find("//*[contains(., 'Good morning from Ben.')]").await;
        grounds.push(ann.run(GROUND).await);
        ann.leave_frame().await;
    }
    assert_ne!(grounds[0], grounds[1], "the dark is another");
    assert!(widths[1] < 430 && widths[0] > 600, "{widths:?}");
    ann.press("Text").await;
    ann.find("//pre[contains(., 'As Ann has it')]").await;
    ann.write("One subscriber, by address", "reader7@example.net").await;
    ann.press("Show it").await;
    assert!(ann.text().await.contains("As reader7@example.net gets it."), "{}", ann.text().await);
    ann.find("//pre[contains(., 'As Ann has it')]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_composes_tests_sends_and_watches_it_to_its_end() {
    let Some((ann, ben)) = Browser::start_two().await else { return };
    on_sqlite(async |daybreak| {
        let (sink, gate) = relay(daybreak).await;
        let (_feeds, _base) = brief(daybreak).await;
        daybreak.readers("email\nunknown@example.net\n").await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        sign_in_as(daybreak, &ann, "Ann", EDITOR).await;
        sign_in_as(daybreak, &ben, "Ben", EDITOR).await;

        put_in_order(daybreak, &ann).await;
        write_at_once(daybreak, &ann, &ben).await;
        preview(&ann).await;

        ann.press("Checks").await;
        ann.find("//ul[contains(@class, 'findings')]/li").await;
        ann.press("Check the links").await;
        ann.find("//li[contains(., '/stories/0')]/span[contains(@class, 'bad')]").await;
        ann.find("//li[contains(., '/stories/1')]/span[contains(@class, 'good')]").await;

        gate.add_permits(1);
        ann.press("Test").await;
        assert_eq!(ann.written("Addresses").await, "ann@news.example.org", "her own at first");
        ann.press("Send a test").await;
        ann.is_told("taken").await;
        let test = mail_to(&sink, "ann@news.example.org", 1).await;
        assert_eq!(test.subject, "[Test] Exactly forty-five letters stand in this line");
        assert!(test.html.contains("As Ann has it"), "{}", test.html);

        ann.press("Send").await;
        ann.press("Send to 31 readers").await;
        ann.find("//h2[starts-with(., 'It goes to 31 readers in')]").await;
        ann.press("Take it back").await;
        ann.is_told("Nothing went out: the issue is as it was before.").await;
        ann.press("Approve this issue").await;
        ann.is_told("It is approved, and goes out").await;
        ann.press("Send to 31 readers").await;
        // From here on she touches nothing: the countdown leads to the page that shows the sending.
        ann.find_within(AFTER_THE_UNDO, "//*[@data-live = 'headline'][. = '0 of 31 done']").await;
        assert_eq!(sink.count(), 1, "the relay holds everything up");
        ann.run("window.isTheSamePage = true").await;
        gate.add_permits(12);
        ann.find("//*[@data-live = 'sent'][. = '12']").await;
        assert_eq!(
            ann.run("return window.isTheSamePage").await,
            true,
            "the figures moved without a new page"
        );
        gate.add_permits(18);
        ann.find("//h2[contains(., '31 of 31 done')]/span[. = 'sent']").await;
        ann.find("//*[@data-live = 'failures']/li[contains(., 'unknown@example.net')]").await;
        ann.press("Results").await;
        ann.find("//dt[. = 'Sent']/following-sibling::dd[1][. = '30']").await;
        ann.find("//dt[. = 'Failed']/following-sibling::dd[1][. = '1']").await;
        assert_eq!(ann.logged_errors().await, [""; 0]);
        let got = mail_to(&sink, "reader7@example.net", 1).await;
        assert_eq!(got.subject, "Exactly forty-five letters stand in this line");
        assert!(got.html.contains("As Ann has it") && got.html.contains("Good morning from Ben."));
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_an_editor_composes_sends_and_watches_it_to_its_end() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        browser.without_scripts().await;
        let (sink, gate) = relay(daybreak).await;
        let (_feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        sign_in_as(daybreak, &browser, "Ann", EDITOR).await;

        browser.press_at("//p[@class = 'sentence']/a").await;
        browser.write("Subject", "As it is written").await;
        browser.press_at("(//button[. = 'Down'])[1]").await;
        browser.is_told("Moved").await;
        assert_eq!(stored(daybreak, "subject").await, "As it is written", "every button saves what is typed");
        browser.press("Preview").await;
        browser.press("Text").await;
        browser.find("//pre[contains(., 'A match is won')]").await;
        browser.press("Checks").await;
        browser.press("Check the links").await;
        browser.find("//li[contains(., '/stories/1')]/span[contains(@class, 'good')]").await;
        gate.add_permits(1);
        browser.press("Test").await;
        browser.press("Send a test").await;
        browser.is_told("taken").await;
        assert_eq!(mail_to(&sink, "ann@news.example.org", 1).await.subject, "[Test] As it is written");
        browser.press("Send").await;
        browser.press("Send to 30 readers").await;
        browser.press("Take it back").await;
        browser.is_told("Nothing went out").await;
        browser.press("Approve this issue").await;
        browser.is_told("It is approved, and goes out tomorrow at 07:00").await;
        service.stop().await;

        daybreak.at("2026-03-02T05:59:59Z");
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE state = 'sending'", 1).await;
        let issue = daybreak.number("SELECT id FROM issues WHERE state = 'sending'").await;
        browser.open(&format!("{base}/desk/issues/{issue}/live")).await;
        browser.find("//h2[contains(., '0 of 30 done')]").await;
        gate.add_permits(30);
        // The page loads itself anew.
        browser.find("//h2[contains(., '30 of 30 done')]/span[. = 'sent']").await;
        browser.press("Results").await;
        browser.find("//dt[. = 'Sent']/following-sibling::dd[1][. = '30']").await;
        assert_eq!(mail_to(&sink, "reader7@example.net", 1).await.subject, "As it is written");
        service.stop().await;
    })
    .await;
}
