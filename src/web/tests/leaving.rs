//! Leaving, by people and by mailbox providers.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn a_get_never_changes_anything() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        house.sign_up("bob@example.org").await;
        let confirm = confirm_path(&house.mails().await);
        let state = |email: &'static str| house.stored(email);
        let before = (state("ann@example.org").await, state("bob@example.org").await);
        for path in
            [&leave, &confirm, &format!("{leave}?List-Unsubscribe=One-Click"), &"/subscribe".to_owned()]
        {
            let url = format!("{}{path}", house.base);
            assert_eq!(house.client.get(&url).send().await.unwrap().status(), 200);
            assert_eq!(house.client.head(&url).send().await.unwrap().status(), 200);
            let options = house.client.request(reqwest::Method::OPTIONS, &url).send().await.unwrap();
            assert_eq!(options.status(), 405);
        }
        assert_eq!((state("ann@example.org").await, state("bob@example.org").await), before);
        assert_eq!(house.mails().await, []);
        house.close().await;
    }
}

#[tokio::test]
async fn one_click_unsubscribes_with_urlencoded_and_multipart_bodies() {
    let multipart = "--b0undary\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n\
                     --b0undary--\r\n";
    for house in houses().await {
        for (who, kind, body) in [
            ("ann@example.org", FORM, "List-Unsubscribe=One-Click"),
            ("bob@example.org", "multipart/form-data; boundary=b0undary", multipart),
            ("cem@example.org", "text/plain", "whatever a provider sends"),
        ] {
            let leave = house.subscribe(who).await;
            let answer = house.post(&leave, kind, body).await;
            assert_eq!(answer.status, 200, "{kind}");
            assert_eq!(answer.header("location"), "");
            assert_eq!(answer.header("set-cookie"), "");
            let stored = house.stored(who).await.remove(0);
            assert_eq!(stored.subscription.status.as_str(), "unsubscribed");
            assert_eq!(stored.left_reason.as_deref(), Some("one-click"));
            let mails = house.mails().await;
            assert!(matches!(mails.as_slice(), [(_, Notice::Goodbye(_))]), "{mails:?}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_person_leaves_with_a_button_may_say_why_and_is_shown_the_way_back() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        let page = house.get(&leave).await;
        assert!(page.body.contains("method=\"post\"") && page.body.contains("Leave "), "{}", page.body);
        let left = house.post(&leave, FORM, "").await;
        assert!(left.body.contains("You have left") && left.body.contains("/subscribe/brief"));
        let stored = house.stored("ann@example.org").await.remove(0);
        assert_eq!(
            (stored.left_at, stored.left_reason.as_deref()),
            (Some(house.app.clock.now()), Some("link"))
        );

        let thanked = house.submit(&leave, &[("reason", "too-often")]).await;
        assert!(thanked.body.contains("Thank you"));
        let stored = house.stored("ann@example.org").await.remove(0);
        assert_eq!(stored.left_reason.as_deref(), Some("too-often"));
        // Anything else that comes as a reason is none.
        house.submit(&leave, &[("reason", "<script>")]).await;
        let stored = house.stored("ann@example.org").await.remove(0);
        assert_eq!(stored.left_reason.as_deref(), Some("too-often"));
        house.close().await;
    }
}

#[tokio::test]
async fn leaving_works_years_later_and_says_goodbye_once() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        house.pass(5 * 365 * 24 * HOUR);
        let left_at = house.app.clock.now();
        for _ in 0..3 {
            assert_eq!(house.post(&leave, FORM, "List-Unsubscribe=One-Click").await.status, 200);
            house.pass(HOUR);
        }
        assert!(house.get(&leave).await.body.contains("You have left"));
        let stored = house.stored("ann@example.org").await.remove(0);
        assert_eq!(stored.left_at, Some(left_at));
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}

#[tokio::test]
async fn leaving_one_newsletter_keeps_the_others() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        let fields = [("email", "ann@example.org"), ("newsletter", "brief"), ("newsletter", "weekly")];
        house.submit("/subscribe", &fields).await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let id = house.stored("ann@example.org").await[1].subscription.id;
        house.post(&house.leave_path(id), FORM, "List-Unsubscribe=One-Click").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active", "unsubscribed"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_link_under_which_nobody_is_known_says_so() {
    for house in houses().await {
        let leave = house.leave_path(4711);
        for answer in [house.get(&leave).await, house.post(&leave, FORM, "").await] {
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains("Nobody is known under this link"));
            assert!(!answer.body.contains("You have left"));
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_request_to_leave_that_stalls_leaves_all_the_same() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        let mut half = TcpStream::connect(house.base.trim_start_matches("http://")).await.unwrap();
        let request = format!(
            "POST {leave} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 26\r\n\r\nList-Un"
        );
        half.write_all(request.as_bytes()).await.unwrap();
        let mut begins = [0; 12];
        let answered = timeout(Duration::from_secs(10), half.read_exact(&mut begins)).await;
        answered.expect("the body is not waited for").unwrap();
        assert_eq!(begins, *b"HTTP/1.1 200");
        let stored = house.stored("ann@example.org").await.remove(0);
        assert_eq!(stored.left_reason.as_deref(), Some("one-click"));
        drop(half);
        house.close().await;
    }
}

#[tokio::test]
async fn a_forged_token_is_a_page_not_found() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        let cut = &leave[..leave.len() - 4];
        let elsewhere = SigningKey::new(&[8; 32]).sign(&Token::Leave { subscription_id: 1 });
        let view = house.app.key.sign(&Token::View { delivery_id: 1 });
        // A token for one thing is not one for another.
        let as_confirm = leave.replace("/unsubscribe/", "/confirm/");
        for path in [
            cut.to_owned(),
            format!("/unsubscribe/{elsewhere}"),
            format!("/unsubscribe/{view}"),
            format!("/confirm/{view}"),
            "/unsubscribe/x".to_owned(),
            "/unsubscribe/%ff%fe".to_owned(),
            format!("/unsubscribe/{}", "A".repeat(8000)),
            as_confirm,
        ] {
            for answer in
                [house.get(&path).await, house.post(&path, FORM, "List-Unsubscribe=One-Click").await]
            {
                assert_eq!(answer.status, 404, "{path}");
                assert!(answer.body.contains("<h1>"), "{path}");
            }
        }
        assert!(house.get(cut).await.body.contains("Copy the whole address"));
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        house.close().await;
    }
}
