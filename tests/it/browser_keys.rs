//! With the keyboard alone, and the focus always seen: an editor approves an issue, a reader leaves and comes back.
//!
//! On SQLite: the pages are tested on both databases in `src/web/tests`.

use crate::browser::{Browser, ENTER};
use crate::browser_desk::{brief, sign_in_as};
use crate::browser_readers::state;
use crate::browser_world::{PASSWORD, post, sign_up};
use crate::daybreak::{MONDAY, on_sqlite};
use crate::mail::mail_to;

/// Goes to what has these words, and presses it.
async fn press(browser: &Browser, words: &str) {
    browser.tab_to(words).await;
    browser.type_keys(&ENTER.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_keyboard_alone_an_editor_signs_in_and_approves_an_issue() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (_feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        sign_in_as(daybreak, &browser, "Ann", &["--role", "editor"]).await;
        press(&browser, "Sign out").await;

        browser.open(&format!("{base}/sign-in")).await;
        browser.tab_to("E-mail address").await;
        browser.type_keys("ann@news.example.org").await;
        browser.tab_to("Password").await;
        browser.type_keys(PASSWORD).await;
        press(&browser, "Sign in").await;
        browser.reads("Today").await;
        // Past the rail at once, and on the first thing of the page.
        press(&browser, "Skip to the page").await;
        press(&browser, "Tomorrow").await;
        browser.find("//form[@data-compose]").await;
        press(&browser, "Skip to the page").await;
        press(&browser, "Approve or send").await;
        browser.find("//button[. = 'Approve this issue']").await;
        press(&browser, "Skip to the page").await;
        press(&browser, "Approve this issue").await;
        browser.is_told("It is approved, and goes out tomorrow at 07:00").await;
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM issues WHERE state = 'approved'").await, 1);
        // From any page to another, by two letters.
        browser.type_keys("gi").await;
        browser.reads("Inbox").await;
        browser.type_keys("/match").await;
        browser.type_keys(&ENTER.to_string()).await;
        browser
            .find("//main[contains(., 'A match is won') and not(contains(., 'Rewetting the fens'))]")
            .await;
        assert_eq!(browser.logged_errors().await, [""; 0]);
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_keyboard_alone_a_reader_changes_leaves_and_comes_back() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (sink, _feeds, base) = crate::browser_readers::brief(daybreak).await;
        daybreak.at(MONDAY);
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        sign_up(&base, "zoe@example.net", &["brief"]).await;
        post(&mail_to(&sink, "zoe@example.net", 1).await.link("/confirm/"), "").await;
        let mine = mail_to(&sink, "zoe@example.net", 2).await.link("/preferences/");

        browser.open(&mine).await;
        browser.reads("What you get").await;
        press(&browser, "Change Morning Brief").await;
        browser.reads("Change Morning Brief").await;
        browser.tab_to("Sport").await;
        browser.type_keys(" ").await;
        press(&browser, "Save").await;
        browser.find("//*[@role = 'status']").await;
        assert!(browser.text().await.contains("Topics: Sport"), "{}", browser.text().await);

        press(&browser, "Leave Morning Brief").await;
        browser.reads("Leave Morning Brief").await;
        press(&browser, "Leave Morning Brief").await;
        browser.find("//p[starts-with(., 'You left it')]").await;
        assert_eq!(state(daybreak, "zoe@example.net").await, "unsubscribed");
        mail_to(&sink, "zoe@example.net", 3).await;
        press(&browser, "Undo: keep sending Morning Brief").await;
        browser.find("//a[. = 'Pause Morning Brief']").await;
        assert_eq!(state(daybreak, "zoe@example.net").await, "active");
        mail_to(&sink, "zoe@example.net", 4).await;
        assert_eq!(browser.logged_errors().await, [""; 0]);
        service.stop().await;
    })
    .await;
}
