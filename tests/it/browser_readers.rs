//! A reader's whole way in a real browser: signs up, confirms from the mail, gets the digest, leaves by its link.
//!
//! On SQLite: the pages are tested on both databases in `src/web/tests`.

use crate::browser::{Browser, ENTER};
use crate::daybreak::{Daybreak, on_sqlite};
use crate::feeds::{Feeds, Item, rss};
use crate::mail::mail_to;
use crate::sink::Sink;

/// A newsletter with topics, two schedules and a story, and where its pages are.
pub async fn brief(daybreak: &mut Daybreak) -> (Sink, Feeds, String) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    let base = daybreak.on_loopback();
    daybreak.newsletter(&["topics=World,Sport", "description=What the world did while you slept."]).await;
    daybreak.schedule("07:00", "UTC", "daily").await;
    daybreak.schedule("09:00", "UTC", "mon").await;
    let stories =
        [Item::new("A treaty is signed").about("World"), Item::new("A match is won").about("Sport")];
    daybreak.source(&feeds, "/feed", &stories).await;
    (sink, feeds, base)
}

/// Where somebody's subscription stands.
pub async fn state(daybreak: &Daybreak, email: &str) -> String {
    let person = daybreak.json(&["subscriber", "show", email]).await;
    person["subscriptions"][0]["status"].as_str().unwrap().to_owned()
}

/// Gets the digest of the day, and leaves by the link of its HTML.
async fn get_it_and_leave(daybreak: &mut Daybreak, sink: &Sink, browser: &Browser, email: &str) {
    // The confirmation and the welcome came before.
    daybreak.at("2026-03-02T06:59:59Z");
    let service = daybreak.serve(&[]).await;
    let digest = mail_to(sink, email, 3).await;
    assert_eq!(digest.subject, "A match is won");
    assert!(!digest.text.contains("A treaty is signed"), "only the topic asked for: {}", digest.text);
    browser.open(&digest.html_link("/unsubscribe/")).await;
    assert_eq!(state(daybreak, email).await, "active", "a link that was followed has changed nothing");
    browser.press("Leave Morning Brief").await;
    browser.reads("You have left Morning Brief").await;
    browser.choose("It came too often").await;
    browser.press("Send the answer").await;
    browser.is_told("Your answer is noted").await;
    assert_eq!(state(daybreak, email).await, "unsubscribed");
    mail_to(sink, email, 4).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_a_reader_signs_up_and_leaves() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        browser.without_scripts().await;
        let (sink, feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;

        browser.open(&base).await;
        browser.press("Sign up for Morning Brief").await;
        browser.reads("Morning Brief").await;
        browser.write("E-mail address", "ann@example").await;
        browser.choose("Sport").await;
        browser.press("Sign up for Morning Brief").await;
        // What was typed stays, and the problem leads to its field.
        browser.find("//h2[. = 'There is a problem']").await;
        browser.find("//input[@name = 'topic'][@value = 'sport'][@checked]").await;
        browser.write("E-mail address", "ann@example.net").await;
        browser.press("Sign up for Morning Brief").await;
        browser.reads("Check your inbox").await;
        assert!(browser.text().await.contains("ann@example.net"));

        let asked = mail_to(&sink, "ann@example.net", 1).await;
        browser.open(&asked.link("/confirm/")).await;
        assert_eq!(state(daybreak, "ann@example.net").await, "pending");
        browser.press("Yes, send it to me").await;
        browser.reads("You are subscribed to Morning Brief").await;
        assert_eq!(state(daybreak, "ann@example.net").await, "active");
        mail_to(&sink, "ann@example.net", 2).await;
        service.stop().await;

        get_it_and_leave(daybreak, &sink, &browser, "ann@example.net").await;
        feeds.answer("/feed", rss(&[Item::new("Another match is won").about("Sport")]));
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        assert_eq!(sink.count(), 4, "nothing comes any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_keyboard_alone_a_reader_signs_up_and_leaves() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (sink, _feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        let enter = ENTER.to_string();

        browser.open(&base).await;
        browser.tab_to("Sign up for Morning Brief").await;
        browser.type_keys(&enter).await;
        browser.reads("Morning Brief").await;
        browser.tab_to("E-mail address").await;
        browser.type_keys("zoe@example.net").await;
        browser.tab_to("Name").await;
        browser.type_keys("Zoe").await;
        browser.tab_to("Sport").await;
        browser.type_keys(" ").await;
        browser.tab_to("Get it at an hour of your own").await;
        browser.type_keys(&enter).await;
        browser.tab_to("Hour").await;
        browser.type_keys("08").await;
        browser.tab_to("Time zone").await;
        browser.type_keys("Europe/Paris").await;
        browser.tab_to("Sign up for Morning Brief").await;
        browser.type_keys(&enter).await;
        browser.reads("Check your inbox").await;

        let asked = mail_to(&sink, "zoe@example.net", 1).await;
        browser.open(&asked.html_link("/confirm/")).await;
        assert!(browser.text().await.contains("Delivered at 08:00"), "{}", browser.text().await);
        browser.tab_to("Yes, send it to me").await;
        browser.type_keys(&enter).await;
        browser.reads("You are subscribed to Morning Brief").await;
        let welcome = mail_to(&sink, "zoe@example.net", 2).await;

        browser.open(&welcome.link("/unsubscribe/")).await;
        browser.tab_to("Leave Morning Brief").await;
        browser.type_keys(&enter).await;
        browser.reads("You have left Morning Brief").await;
        browser.tab_to("It came too often").await;
        browser.type_keys(" ").await;
        browser.tab_to("Send the answer").await;
        browser.type_keys(&enter).await;
        browser.is_told("Your answer is noted").await;
        assert_eq!(state(daybreak, "zoe@example.net").await, "unsubscribed");
        mail_to(&sink, "zoe@example.net", 3).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_ones_own_is_one_of_the_clock_on_ones_wall() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (sink, _feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        // The second is a name from before, which browsers still say.
        for (zone, email) in [("America/New_York", "ann@example.net"), ("Asia/Calcutta", "ben@example.net")] {
            browser.in_zone(zone).await;
            browser.open(&format!("{base}/subscribe/brief")).await;
            browser.write("E-mail address", email).await;
            browser.press("Get it at an hour of your own").await;
            assert_eq!(browser.written("Time zone").await, zone);
            browser.select("Hour", "06:00").await;
            browser.press("Sign up for Morning Brief").await;
            browser.reads("Check your inbox").await;
            let asked = mail_to(&sink, email, 1).await;
            browser.open(&asked.html_link("/confirm/")).await;
            let page = browser.text().await;
            assert!(page.contains(&format!("Delivered at 06:00 ({})", zone.replace('_', " "))), "{page}");
        }
        // What somebody wrote is not put right, also where the form comes back.
        browser.open(&format!("{base}/subscribe/brief")).await;
        browser.write("E-mail address", "dora@example").await;
        browser.press("Get it at an hour of your own").await;
        browser.select("Hour", "07:00").await;
        browser.write("Time zone", "Europe/Rome").await;
        browser.press("Sign up for Morning Brief").await;
        browser.find("//h2[. = 'There is a problem']").await;
        assert_eq!(browser.written("Time zone").await, "Europe/Rome");
        service.stop().await;
    })
    .await;
}
