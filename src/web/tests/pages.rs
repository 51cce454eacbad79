//! The pages themselves.

use super::*;
use crate::db::testing::a_history;

#[tokio::test]
async fn every_page_keeps_the_browser_careful() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        for path in ["/", "/subscribe", "/subscribe/brief", &leave, "/nowhere", "/confirm/x", "/healthz"] {
            let answer = house.get(path).await;
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"));
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert_eq!(answer.header("set-cookie"), "");
            assert!(!answer.body.contains("<script") && !answer.body.contains(" style="), "{path}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn embedded_files_are_kept_for_good_under_an_address_with_their_hash() {
    for house in houses().await {
        let home = house.get("/").await.body;
        let start = home.find("/assets/daybreak.css?v=").expect("the page links its styles");
        let address = home[start..].split('"').next().unwrap();
        let kept = house.get(address).await;
        assert_eq!(kept.header("content-type"), "text/css; charset=utf-8");
        assert!(kept.header("cache-control").contains("immutable"));
        assert_eq!(house.get("/assets/daybreak.css?v=old").await.header("cache-control"), "no-cache");
        let icon = house.get("/favicon.ico").await;
        assert_eq!(icon.status, 303);
        assert_eq!(house.get(icon.header("location")).await.header("content-type"), "image/svg+xml");
        assert_eq!(house.get("/assets/secret").await.status, 404);
        assert_eq!(house.get("/assets/..%2f..%2fCargo.toml").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn the_front_page_lists_the_newsletters() {
    for house in houses().await {
        assert!(!house.get("/").await.body.contains("Sign up for several"));
        a_newsletter(&house.app.db, "weekly").await;
        house.schedule(house.brief, "weekly", "mon,thu", "9:00").await;
        let home = house.get("/").await.body;
        for part in ["/subscribe/brief", "/subscribe/weekly", "Sign up for several at once"] {
            assert!(home.contains(part), "{part}");
        }
        assert!(home.contains("Mondays and Thursdays at 09:00 (Europe/Paris)"));
        house.close().await;
    }
}

#[test]
fn a_service_without_newsletters_says_what_to_do() {
    let empty = super::super::page::render(
        "home",
        &serde_json::json!({ "title": "Newsletters", "newsletters": [], "several": false }),
    );
    assert!(empty.unwrap().contains("daybreak newsletter add"));
}

#[tokio::test]
async fn the_form_of_one_newsletter_offers_its_choices_in_words() {
    for house in houses().await {
        let plain = house.get("/subscribe/brief").await.body;
        assert!(!plain.contains("How often") && !plain.contains("Topics") && !plain.contains("<details"));
        house.schedule(house.brief, "daily", "mon-fri", "7:00").await;
        house.schedule(house.brief, "weekly", "weekly", "9:00").await;
        let mut tx = house.app.db.begin().await.unwrap();
        newsletters::ensure_topic(&mut tx, house.brief, "science", "Science & Space").await.unwrap();
        tx.commit().await.unwrap();
        let form = house.get("/subscribe/brief").await.body;
        for part in [
            "Monday to Friday at 07:00 (Europe/Paris)",
            "Mondays at 09:00 (Europe/Paris)",
            "Science &amp; Space",
            "<option value=\"America/New_York\">",
        ] {
            assert!(form.contains(part), "{part}: {form}");
        }
        assert_eq!(form.matches("checked").count(), 1, "the first schedule is ticked");
        assert_eq!(house.get("/subscribe/no-such").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn the_service_says_whether_it_is_well() {
    for house in houses().await {
        let well = house.get("/healthz").await;
        assert_eq!((well.status.as_u16(), well.body.as_str()), (200, "ok"));
        house.app.db.close().await;
        assert_eq!(house.get("/healthz").await.status, 503);
        let failed = house.get("/").await;
        assert_eq!(failed.status, 500);
        assert!(failed.body.contains("The fault is on our side"));
        assert!(!failed.body.to_lowercase().contains("pool"), "no detail reaches a reader: {}", failed.body);
        house.close().await;
    }
}

#[tokio::test]
async fn a_method_that_a_page_does_not_take_is_a_page_too() {
    for house in houses().await {
        let answer = house.submit("/", &[]).await;
        assert_eq!(answer.status, 405);
        assert!(answer.body.contains("<h1>"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_mail_of_which_nothing_is_for_its_reader_any_more_is_a_page_not_found() {
    for house in houses().await {
        house.subscribe("ann@example.org").await;
        let mut conn = house.app.db.conn().await.unwrap();
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let ann = subscribers::find(&mut conn, &email).await.unwrap().unwrap();
        drop(conn);
        // Issues without articles.
        a_history(&house.app.db, house.brief, &ann).await;
        for delivery_id in 1..=3 {
            let path = format!("/view/{}", house.app.key.sign(&Token::View { delivery_id }));
            let answer = house.get(&path).await;
            assert_eq!(answer.status, 404, "{}", answer.body);
        }
        house.close().await;
    }
}
