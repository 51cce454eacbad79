//! The editors' desk in a real browser: order by keys, by dragging and without scripts; lengths as one types;
//! saves that are under way.

use serde_json::Value;

use crate::browser::{ARROW_DOWN, ARROW_UP, Browser};
use crate::browser_world::PASSWORD;
use crate::daybreak::{Daybreak, many_readers, on_sqlite};
use crate::feeds::{Answer, Feeds, Item};

/// A newsletter with six stories on two topics and thirty readers, and where its pages are.
pub async fn brief(daybreak: &mut Daybreak) -> (Feeds, String) {
    let feeds = Feeds::start().await;
    let base = daybreak.on_loopback();
    daybreak.at("2026-03-01T12:00:00Z");
    let description = "description=What happened while you slept.";
    daybreak.newsletter(&["topics=World,Sport", description, "max-articles=4"]).await;
    daybreak.schedule("07:00", "Europe/Paris", "daily").await;
    let mut stories = [
        Item::new("A treaty is signed after a night that nobody in the room will forget").about("World"),
        Item::new("A match is won").about("Sport"),
        Item::new("The night train is back").about("World"),
        Item::new("A library lends silence"),
        Item::new("Rewetting the fens"),
        Item::new("A race is lost").about("Sport"),
    ];
    for (number, story) in stories.iter_mut().enumerate() {
        // One story is no longer where its feed says that it is.
        let path = format!("/stories/{number}");
        feeds.answer(&path, if number == 0 { Answer::Status(404) } else { page("<p>A story.") });
        story.link = feeds.url(&path);
    }
    daybreak.source(&feeds, "/feed", &stories).await;
    daybreak.readers(&many_readers(30)).await;
    daybreak.run(&["source", "poll"]).await;
    (feeds, base)
}

fn page(html: &str) -> Answer {
    Answer::Page("text/html; charset=utf-8", html.as_bytes().to_vec())
}

/// Adds an account, and signs it in by the link that makes its password. `words` say what it may.
pub async fn sign_in_as(daybreak: &Daybreak, browser: &Browser, name: &str, words: &[&str]) {
    let email = format!("{}@news.example.org", name.to_lowercase());
    let invited = daybreak.json(&[&["user", "add", &email, "--name", name], words].concat()).await;
    browser.open(invited["link"].as_str().unwrap()).await;
    browser.write("Password", PASSWORD).await;
    browser.press("Keep it and sign in").await;
    browser.reads("Today").await;
}

/// The headlines of the issue that is filling, as it is stored.
pub async fn order(daybreak: &Daybreak) -> Vec<String> {
    let query =
        "SELECT a.title FROM issue_articles ia JOIN articles a ON a.id = ia.article_id ORDER BY ia.position";
    daybreak.texts(query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_composes_with_keys_and_without_scripts() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (_feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        sign_in_as(daybreak, &browser, "Ann", &["--role", "editor"]).await;
        let issue = daybreak.issues("brief").await[0]["id"].as_i64().unwrap();
        let page = format!("{base}/desk/issues/{issue}");
        let before = order(daybreak).await;
        assert_eq!(before.len(), 4);

        browser.open(&page).await;
        let grip = "document.querySelectorAll('.story [data-grip]')[1]";
        browser.run(&format!("{grip}.focus()")).await;
        browser.type_keys(&ARROW_UP.to_string()).await;
        browser.is_told("Saved.").await;
        let seen = browser
            .run("return [...document.querySelectorAll('.story .headline')].map((h) => h.value)")
            .await;
        let seen: Vec<&str> = seen.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(order(daybreak).await, seen);
        assert_ne!(before, seen);
        // The same key the other way, and it stands as it stood.
        browser.type_keys(&ARROW_DOWN.to_string()).await;
        browser.is_told("place 2 of").await;
        browser.is_told("Saved.").await;

        // What is typed is measured at once, and saved with the next move.
        browser.run("document.querySelector('#subject').focus()").await;
        browser.type_keys("Exactly forty-five letters stand in this line").await;
        browser.find("//*[@data-count][. = '45']").await;
        browser.run(&format!("{grip}.focus()")).await;
        browser.type_keys(&ARROW_UP.to_string()).await;
        browser.is_told("place 1 of").await;
        browser.is_told("Saved.").await;
        let subject = daybreak.texts("SELECT subject FROM issues WHERE subject IS NOT NULL").await;
        assert_eq!(subject, ["Exactly forty-five letters stand in this line"]);

        browser.without_scripts().await;
        browser.open(&page).await;
        let before = order(daybreak).await;
        browser.find("//li[@data-item][1]//button[. = 'Down']").await;
        browser.press("Down").await;
        browser.is_told("Moved").await;
        assert_ne!(order(daybreak).await, before);
        browser.press("Undo").await;
        browser.is_told("Went back").await;
        assert_eq!(order(daybreak).await, before);
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_drags_and_goes_on_while_a_save_is_under_way() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (_feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        sign_in_as(daybreak, &browser, "Ann", &["--role", "editor"]).await;
        let issue = daybreak.issues("brief").await[0]["id"].as_i64().unwrap();
        browser.open(&format!("{base}/desk/issues/{issue}")).await;
        let stored = order(daybreak).await;
        let headlines = "return [...document.querySelectorAll('.story .headline')].map((h) => h.value)";
        let before = browser.run(headlines).await;

        let story = |index: usize| format!("document.querySelectorAll('.story')[{index}]");
        let grip = |index: usize| format!("{}.querySelector('[data-grip]')", story(index));
        browser.drag(&grip(1), &story(0)).await;
        browser.is_told("place 1 of").await;
        browser.is_told("Saved.").await;
        let seen = browser.run(headlines).await;
        assert_eq!((&seen[0], &seen[1]), (&before[1], &before[0]));
        assert_ne!(order(daybreak).await, stored);

        // What is typed while a save is under way is not taken for saved.
        let slow = "const real = window.fetch; window.fetch = async (...args) => { \
                    await new Promise((go) => setTimeout(go, 1500)); return real(...args); }";
        browser.run(slow).await;
        browser.run(&format!("{}.focus()", grip(0))).await;
        browser.type_keys(&ARROW_DOWN.to_string()).await;
        browser.run("document.querySelector('#subject').focus()").await;
        browser.type_keys("Trains").await;
        browser.is_told("Saved, but for what you typed since.").await;

        // A button waits for the save: nobody is told of somebody else who is themselves.
        browser.run(&format!("{}.focus()", grip(1))).await;
        browser.type_keys(&ARROW_UP.to_string()).await;
        browser.run("document.querySelector('#introduction').focus()").await;
        browser.type_keys("Good morning.").await;
        browser.press("Save").await;
        browser.find("//*[@role = 'status'][contains(., 'Changed the introduction')]").await;
        let subject = daybreak.texts("SELECT subject FROM issues WHERE subject IS NOT NULL").await;
        assert_eq!(subject, ["Trains"]);
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lead_goes_down_and_a_heading_that_goes_is_told_with_the_way_back() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (_feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        sign_in_as(daybreak, &browser, "Ann", &["--role", "editor"]).await;
        let issue = daybreak.issues("brief").await[0]["id"].as_i64().unwrap();
        let page = format!("{base}/desk/issues/{issue}");
        browser.open(&page).await;
        // Sport is a section of one article, at the end; another one is begun right below the lead.
        let field = "document.querySelectorAll('.story')[1].querySelector('.section-name').value = 'Next'";
        browser.run(field).await;
        browser.press("Save").await;
        browser.is_told("Wrote the heading “Next”").await;
        let rows = "return [...document.querySelectorAll('[data-item] :is(.headline, .section-name)')] \
                    .filter((field) => !field.closest('details')).map((field) => field.value)";
        let headings = "SELECT heading FROM issue_articles WHERE heading IS NOT NULL ORDER BY position";

        let stored = order(daybreak).await;
        let lead = "document.querySelector('.lead-story')";
        browser.run(&format!("{lead}.querySelector('[data-grip]').focus()")).await;
        browser.type_keys(&ARROW_DOWN.to_string()).await;
        browser.is_told("place 3 of").await;
        browser.is_told("Saved.").await;
        let after = order(daybreak).await;
        assert_eq!([&after[0], &after[1]], [&stored[1], &stored[0]]);
        let seen = browser.run(rows).await;
        browser.open(&page).await;
        assert_eq!(browser.run(rows).await, seen, "the page stood as it is stored");
        // No key brings the first heading above the lead.
        browser.run("document.querySelector('.heading [data-grip]').focus()").await;
        browser.type_keys(&ARROW_UP.to_string()).await;
        browser.is_told("a heading stands below the lead").await;
        assert_eq!(order(daybreak).await, after);

        let before = daybreak.texts(headings).await;
        browser
            .run(
                "[...document.querySelectorAll('.story')].at(-1).querySelector('[data-step=\"-1\"]').click()",
            )
            .await;
        browser.is_told("The heading “Sport” has no article below it any more, and was removed.").await;
        browser.is_told("Saved.").await;
        assert_eq!(daybreak.texts(headings).await, before[..before.len() - 1]);
        let seen = browser.run(rows).await;
        assert!(!seen.to_string().contains("Sport"), "{seen}");
        browser.press("Undo").await;
        browser.is_told("Went back").await;
        assert_eq!(daybreak.texts(headings).await, before);
        service.stop().await;
    })
    .await;
}
