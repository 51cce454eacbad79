//! What each role sees in a real browser, and what it is refused: by page, and by a request that no page of theirs makes.
//!
//! On SQLite: the pages are tested on both databases in `src/web/tests`.

use serde_json::json;

use crate::browser::Browser;
use crate::browser_desk::{brief, sign_in_as};
use crate::daybreak::{Daybreak, on_sqlite};

const REFUSED: &str = "That is not yours to do";

/// The places that the rail leads to.
async fn places(browser: &Browser) -> String {
    let links =
        "return [...document.querySelectorAll('.rail > ul a')].map((link) => link.textContent).join(' ')";
    browser.run(links).await.as_str().unwrap().to_owned()
}

/// How many refusals are written down.
async fn written_down(daybreak: &Daybreak) -> i64 {
    daybreak.number("SELECT COUNT(*) FROM audit WHERE denied = 1").await
}

/// Opens each page, and then sends each form with a token of their own: everything is refused in kind words, written
/// down, and leads back.
async fn is_refused(
    daybreak: &Daybreak,
    browser: &Browser,
    base: &str,
    pages: &[String],
    forms: &[(String, &str)],
) {
    let before = written_down(daybreak).await;
    for page in pages {
        browser.open(&format!("{base}{page}")).await;
        let text = browser.text().await;
        assert!(text.contains(REFUSED) && text.contains("403"), "{page}: {text}");
        assert!(text.contains("Ask an admin of this service"), "{page}: {text}");
    }
    browser.press("Back to the desk").await;
    browser.reads("Today").await;
    for (path, fields) in forms {
        let send = format!(
            "const done = arguments[0], token = document.querySelector('[name=token]').value; \
             fetch({}, {{ method: 'POST', body: new URLSearchParams({} + '&token=' + encodeURIComponent(token)) }}) \
                .then(async (answer) => done([answer.status, await answer.text()]), (error) => done([0, `${{error}}`]));",
            json!(path),
            json!(fields),
        );
        let answer = browser.run_to_end(&send).await;
        assert!(answer[0] == 403 && answer[1].as_str().unwrap().contains(REFUSED), "{path}: {answer}");
    }
    let count = i64::try_from(pages.len() + forms.len()).unwrap();
    assert_eq!(written_down(daybreak).await - before, count, "every refusal is in the audit log");
}

/// The pages of the office, which are an admin's alone.
const OFFICE: [&str; 8] = [
    "/office/subscribers",
    "/office/import",
    "/office/suppressions",
    "/office/newsletters",
    "/office/relays",
    "/office/users",
    "/office/audit",
    "/office/system",
];

fn office() -> Vec<String> {
    OFFICE.map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_is_refused_what_is_not_its_own_by_page_and_by_direct_request() {
    let Some(browser) = Browser::start().await else { return };
    on_sqlite(async |daybreak| {
        let (_feeds, base) = brief(daybreak).await;
        daybreak.newsletter_called("evening", &[]).await;
        daybreak.execute("UPDATE newsletters SET name = 'Evening Post' WHERE slug = 'evening'").await;
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        let issue = daybreak.issues("brief").await[0]["id"].as_i64().unwrap();
        let of_issue = |page: &str| format!("/desk/issues/{issue}{page}");
        let stories = daybreak.number("SELECT COUNT(*) FROM articles").await;
        let of_office = [
            ("/office/users/invite".to_owned(), "email=me@example.org&role=admin"),
            ("/office/users/1/roles".to_owned(), "role=admin"),
            ("/office/subscribers/export".to_owned(), "filter="),
            ("/office/subscribers/1/erase".to_owned(), ""),
            ("/office/bulk".to_owned(), "kind=suppress&filter=&object="),
            ("/office/newsletters/brief".to_owned(), "name=Mine"),
        ];

        sign_in_as(daybreak, &browser, "Vic", &["--role", "viewer"]).await;
        assert_eq!(places(&browser).await, "Today Inbox Issues Calendar Sources");
        browser.open(&format!("{base}{}", of_issue(""))).await;
        assert!(browser.text().await.contains("A match is won"), "a viewer reads");
        let without_forms = "return document.querySelectorAll('main form[method=post]').length";
        assert_eq!(browser.run(without_forms).await, 0, "and has nothing to press");
        let pages = ["/send", "/test"].map(of_issue).to_vec();
        let forms = [
            (of_issue(""), "do=save&version=0&introduction=Mine"),
            (of_issue("/send"), "do=now&saw=draft"),
            (of_issue("/test"), "to=me@example.org"),
            ("/desk/inbox".to_owned(), "newsletter=brief&title=Mine"),
            ("/desk/sources".to_owned(), "newsletter=brief&url=https://feeds.example.org/mine"),
        ];
        let templates = vec!["/desk/templates".to_owned()];
        let all = [pages.clone(), templates.clone(), office()].concat();
        is_refused(daybreak, &browser, &base, &all, &[&forms[..], &of_office].concat()).await;
        browser.press("Sign out").await;

        sign_in_as(daybreak, &browser, "Eve", &["--role", "editor", "--newsletter", "evening"]).await;
        assert_eq!(places(&browser).await, "Today Inbox Issues Calendar Sources");
        for page in ["/desk", "/desk/inbox", "/desk/issues", "/desk/calendar", "/desk/sources"] {
            browser.open(&format!("{base}{page}")).await;
            let text = browser.text().await;
            let is_hers = !text.contains("Morning Brief") && !text.contains("A match is won");
            assert!(is_hers, "{page} shows what is another's: {text}");
        }
        let hers = ["", "/preview", "/checks", "/live", "/results"].map(of_issue).to_vec();
        let all = [hers, pages, templates, office()].concat();
        is_refused(daybreak, &browser, &base, &all, &[&forms[..], &of_office].concat()).await;
        browser.press("Sign out").await;

        sign_in_as(daybreak, &browser, "Ed", &["--role", "editor"]).await;
        assert_eq!(places(&browser).await, "Today Inbox Issues Calendar Sources Templates");
        is_refused(daybreak, &browser, &base, &office(), &of_office).await;
        browser.press("Sign out").await;

        // Nobody at all is asked who they are, and comes to where they wanted to go.
        let page = format!("{base}{}", of_issue("/send"));
        browser.open(&page).await;
        browser.reads("Sign in").await;
        browser.write("E-mail address", "ed@news.example.org").await;
        browser.write("Password", crate::browser_world::PASSWORD).await;
        browser.press("Sign in").await;
        assert_eq!(browser.address().await, page);

        assert_eq!(daybreak.number("SELECT COUNT(*) FROM articles").await, stories);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM subscribers").await, 30);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM users").await, 3);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM issues WHERE state <> 'draft'").await, 0);
        service.stop().await;
    })
    .await;
}
