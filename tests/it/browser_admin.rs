//! An admin's whole way in a real browser: imports, searches, keeps, changes many, exports, and makes a user.
//!
//! On SQLite: the pages are tested on both databases in `src/web/tests`.

use crate::browser::Browser;
use crate::browser_desk::{brief, sign_in_as};
use crate::browser_world::PASSWORD;
use crate::daybreak::{Daybreak, on_sqlite};
use crate::mail::mail_to;

/// As another program writes it: its own headings, a line without an address, one whose time zone is none.
const FILE: &str = "\
Mail,Full name,Where,Since\n\
mia@press.example.org,Mia Ferry,Europe/Oslo,2024-05-06\n\
noa@press.example.org,\"Noa, of the Quay\",Europe/Paris,2024-05-07\n\
oda@press.example.org,=Oda(1),Mars,2024-05-08\n\
not an address,Pia,,2024-05-09\n";

const TAGGED: &str = "SELECT COUNT(*) FROM subscriber_tags";

/// Takes a file in: columns, dry run, report, and the import itself.
async fn import(daybreak: &Daybreak, browser: &Browser) {
    let file = daybreak.folder().join("press.csv");
    std::fs::write(&file, FILE).unwrap();
    browser.press("Subscribers").await;
    browser.press("Import people").await;
    browser.write("The file", file.to_str().unwrap()).await;
    browser.press("Upload and look at the columns").await;
    browser.reads("press.csv").await;
    browser.select("Mail", "E-mail address").await;
    browser.select("Full name", "Name").await;
    browser.select("Where", "Time zone").await;
    browser.select("Since", "Date of consent").await;
    browser.write("Words that these people agreed to", "Yes, send me the news.").await;
    browser.press("See what it would do").await;
    browser.find("//h2[. = 'What it would do']").await;
    assert_eq!(daybreak.number("SELECT COUNT(*) FROM subscribers").await, 30, "nothing is written yet");
    let notes = browser.text().await;
    assert!(notes.contains("Mars") && notes.contains("not an address"), "{notes}");
    browser.press("Import 3 people into Morning Brief").await;
    browser.find("//h2[. = 'What it did']").await;
    let names =
        daybreak.texts("SELECT name FROM subscribers WHERE name LIKE '%Quay' OR name LIKE '=%'").await;
    assert_eq!(names.len(), 2, "{names:?}");
}

/// The addresses of the people that the page lists.
async fn listed(browser: &Browser) -> Vec<String> {
    let people =
        "return [...document.querySelectorAll('ul[aria-label=People] > li')].map((row) => row.innerText)";
    let rows = browser.run(people).await;
    let address = |row: &serde_json::Value| {
        let mut words = row.as_str().unwrap().split_whitespace();
        words.find(|word| word.contains('@')).unwrap().to_owned()
    };
    let mut found: Vec<String> = rows.as_array().unwrap().iter().map(address).collect();
    found.sort();
    found
}

/// Searches, filters, and keeps the filter under a name.
async fn find_people(browser: &Browser) {
    browser.press("Subscribers").await;
    browser.write("Address or name", "mia").await;
    browser.press("Show").await;
    assert_eq!(listed(browser).await, ["mia@press.example.org"]);
    browser.press("Mia Ferry").await;
    browser.reads("Mia Ferry").await;
    browser.find("//dd[contains(., 'Yes, send me the news.')]").await;

    browser.press("Subscribers").await;
    browser.write("Address or name", "@press.example.org").await;
    browser.select("Newsletter", "Morning Brief").await;
    browser.select("State", "Active").await;
    browser.press("Show").await;
    assert_eq!(listed(browser).await.len(), 3);
    browser.write("Keep this filter as a segment", "The press").await;
    browser.press("Keep segment").await;
    browser.press("Subscribers").await;
    browser.press("The press").await;
    assert_eq!(listed(browser).await.len(), 3);
}

/// Tags all who are found, takes that back, and takes them out as a file.
async fn change_and_export(daybreak: &Daybreak, browser: &Browser) {
    browser.write("Tag for giving", "press").await;
    browser.press("For all found").await;
    browser.reads("Before it is done").await;
    assert_eq!(daybreak.number(TAGGED).await, 0);
    browser.press_at("//button[contains(., 'press') and contains(., '3 people')]").await;
    browser.reads("Done").await;
    assert_eq!(daybreak.number(TAGGED).await, 3);
    browser.press("Undo for 3 people").await;
    browser.reads("Undone").await;
    assert_eq!(daybreak.number(TAGGED).await, 0);

    // The same for single people, by their ticks.
    browser.press("Subscribers").await;
    browser.press("The press").await;
    browser.press("Tick all on this page").await;
    browser.find("//*[. = '3 ticked']").await;
    browser.press("Tick nobody").await;
    browser.click("(//input[@name = 'person'])[1]").await;
    browser.find("//*[. = '1 ticked']").await;
    browser.write("Tag for giving", "one").await;
    browser.press("For those ticked").await;
    browser.reads("Before it is done").await;
    browser.press_at("//button[contains(., 'one') and contains(., '1 person')]").await;
    browser.reads("Done").await;
    assert_eq!(daybreak.number(TAGGED).await, 1);

    browser.press("Subscribers").await;
    browser.press("The press").await;
    let (name, csv) = browser.download("Export as CSV").await;
    assert!(name.ends_with(".csv"), "{name}");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 4, "{csv}");
    for address in ["mia@press.example.org", "noa@press.example.org", "oda@press.example.org"] {
        assert!(lines[1..].iter().any(|line| line.contains(address)), "{csv}");
    }
    assert!(!csv.contains(",=Oda") && csv.contains("Noa, of the Quay"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_imports_finds_changes_and_exports_people_and_makes_a_user() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let sink = daybreak.sink().await;
        let (_feeds, base) = brief(daybreak).await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        sign_in_as(daybreak, &browser, "Ada", &["--role", "admin"]).await;
        import(daybreak, &browser).await;
        find_people(&browser).await;
        change_and_export(daybreak, &browser).await;

        browser.press("Users").await;
        browser.press("Invite somebody").await;
        browser.write("E-mail address", "eve@news.example.org").await;
        browser.select("Morning Brief", "Editor").await;
        browser.press("Invite them").await;
        browser.is_told("eve@news.example.org").await;
        let invitation = mail_to(&sink, "eve@news.example.org", 1).await;
        browser.press("Audit").await;
        for action in ["import.run", "segment.keep", "subscribers.change", "subscribers.export", "user.add"] {
            browser.find(&format!("//code[starts-with(., '{action}')]")).await;
        }
        browser.press("Sign out").await;

        browser.open(&invitation.link("/welcome/")).await;
        browser.write("Name", "Eve").await;
        browser.write("Password", PASSWORD).await;
        browser.press("Keep it and sign in").await;
        browser.reads("Today").await;
        browser.open(&format!("{base}/office/users")).await;
        browser.reads("That is not yours to do").await;
        assert_eq!(browser.logged_errors().await, [""; 0]);
        service.stop().await;
    })
    .await;
}
