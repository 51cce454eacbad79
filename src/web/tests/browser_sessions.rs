//! How long a browser is signed in, and what ends it.

use super::signing_in::{Browser, PASSWORD, between};
use super::*;
use crate::db::sessions;

const MINUTE: i64 = 60 * 1000;

#[tokio::test]
async fn sessions_end_one_by_one_and_all_together() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let (one, two, three) = (Browser::new(), Browser::new(), Browser::new());
        for browser in [&one, &two, &three] {
            browser.sign_in(&house, "ann@example.org", PASSWORD).await;
            house.pass(MINUTE);
        }
        let page = one.get(&house, "/account").await.body;
        assert_eq!(page.matches("name=\"session\"").count(), 2);
        let hash = between(&page, "name=\"session\" value=\"", "\"").to_owned();
        let ended = one.act(&house, "/account", "/account/sessions/end", &[("session", &hash)]).await;
        assert_eq!(ended.status, 303);
        assert!(two.is_in(&house).await && !three.is_in(&house).await, "the last seen stood first");
        assert_eq!(one.act(&house, "/account", "/account/sessions", &[]).await.status, 303);
        assert!(one.is_in(&house).await && !two.is_in(&house).await);

        // An admin signs them out everywhere.
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        assert_eq!(house.submit_as(&admin, &format!("/office/users/{id}/sessions"), &[]).await.status, 303);
        assert!(!one.is_in(&house).await);

        // A new password signs out everywhere else; disabling the account, everywhere.
        for browser in [&one, &two] {
            browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        }
        let new = "evenings are for reading";
        let wrong = [("current", "a guess or two"), ("password", new)];
        let refused = one.act(&house, "/account", "/account/password", &wrong).await;
        assert!(refused.status == 422 && refused.body.contains("This is not your password now"));
        let fields = [("current", PASSWORD), ("password", new)];
        assert_eq!(one.act(&house, "/account", "/account/password", &fields).await.status, 303);
        assert!(one.is_in(&house).await && !two.is_in(&house).await);
        assert_eq!(two.sign_in(&house, "ann@example.org", PASSWORD).await.status, 422);
        assert_eq!(house.submit_as(&admin, &format!("/office/users/{id}/disable"), &[]).await.status, 303);
        assert!(!one.is_in(&house).await);
        assert_eq!(one.sign_in(&house, "ann@example.org", new).await.status, 422);
        assert_eq!(house.submit_as(&admin, &format!("/office/users/{id}/enable"), &[]).await.status, 303);
        assert_eq!(one.sign_in(&house, "ann@example.org", new).await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn a_session_was_last_seen_when_it_was_last_used() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        let seen = async || {
            let mut conn = house.app.db.conn().await.unwrap();
            let session = sessions::of_user(&mut conn, id, house.app.clock.now(), 9).await.unwrap().remove(0);
            let account = accounts::find(&mut conn, id).await.unwrap();
            assert_eq!(account.seen_at, Some(session.seen_at), "the office says the same");
            session.seen_at
        };
        let signed_in = house.app.clock.now();
        house.pass(2 * MINUTE);
        browser.get(&house, "/account").await;
        assert_eq!(seen().await, signed_in, "not every page writes");
        house.pass(18 * MINUTE);
        browser.get(&house, "/account").await;
        assert_eq!(seen().await, house.app.clock.now());
        house.close().await;
    }
}

#[tokio::test]
async fn passwords_that_are_guessed_first_and_the_old_one_are_refused() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        for (new, why) in [
            ("aaaaaaaaaa", "repeats the same few characters"),
            ("1234567890", "signs in a row"),
            ("ann@example.org", "your own address"),
            ("password2026", "among the first that are tried"),
            (PASSWORD, "This is your password as it was"),
        ] {
            let fields = [("current", PASSWORD), ("password", new)];
            let refused = browser.act(&house, "/account", "/account/password", &fields).await;
            assert!(refused.status == 422 && refused.body.contains(why), "{new}: {}", refused.body);
        }
        assert_eq!(Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.status, 303);
        let by = accounts::Actor::command_line();
        let refused = accounts::set_password(&house.app, &by, id, "1234567890").await.unwrap_err();
        assert!(refused.to_string().contains("signs in a row"), "{refused}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_session_lasts_fourteen_days_from_the_last_sign_of_life_and_ninety_at_most() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let day = 24 * HOUR;
        let (busy, idle) = (Browser::new(), Browser::new());
        busy.sign_in(&house, "ann@example.org", PASSWORD).await;
        idle.sign_in(&house, "ann@example.org", PASSWORD).await;
        for _ in 0..6 {
            house.pass(13 * day);
            assert!(busy.is_in(&house).await);
        }
        assert!(!idle.is_in(&house).await);
        house.pass(13 * day);
        assert!(!busy.is_in(&house).await, "91 days");
        // Whoever signs in next clears away what has ended.
        busy.sign_in(&house, "ann@example.org", PASSWORD).await;
        let mut conn = house.app.db.conn().await.unwrap();
        let long_ago = Timestamp::from_millis(0);
        assert_eq!(sessions::of_user(&mut conn, id, long_ago, 100).await.unwrap().len(), 1);
        drop(conn);
        house.close().await;
    }
}
