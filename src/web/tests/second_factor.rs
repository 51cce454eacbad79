//! The second factor: asked for, lost, and taken away.

use super::signing_in::{Browser, PASSWORD};
use super::*;

const MINUTE: i64 = 60 * 1000;

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let (first, other) = (Browser::new(), Browser::new());
        first.sign_in(&house, "ann@example.org", PASSWORD).await;
        other.sign_in(&house, "ann@example.org", PASSWORD).await;
        let secret = house.enrol(&first).await;
        assert!(first.is_in(&house).await && !other.is_in(&house).await, "it was in without the factor");

        let step = other.sign_in(&house, "ann@example.org", PASSWORD).await;
        assert_eq!((step.status.as_u16(), step.header("location")), (303, "/sign-in/code?back=%2Fdesk"));
        assert!(!other.is_in(&house).await, "the password alone is not enough");
        assert!(other.get(&house, "/sign-in/code").await.body.contains("autocomplete=\"one-time-code\""));
        let used = secret.code_at(house.app.clock.now());
        let again = other.submit(&house, "/sign-in/code", &[("code", &used)]).await;
        assert_eq!(again.status, 422, "the code that set it up is used up");
        house.pass(30_000);
        let code = secret.code_at(house.app.clock.now());
        assert_eq!(other.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 303);
        assert!(other.is_in(&house).await);
        let third = Browser::new();
        third.sign_in(&house, "ann@example.org", PASSWORD).await;
        assert_eq!(third.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 422);

        // Without the password's ticket there is no second step; with an old one neither.
        let fresh = Browser::new();
        assert_eq!(fresh.get(&house, "/sign-in/code").await.header("location"), "/sign-in");
        fresh.cookies.borrow_mut().push(("daybreak_step".to_owned(), "1.99999999999999.eA.eA".to_owned()));
        house.pass(30_000);
        let code = secret.code_at(house.app.clock.now());
        let forged = fresh.submit(&house, "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(forged.header("location"), "/sign-in");
        house.pass(11 * MINUTE);
        let code = secret.code_at(house.app.clock.now());
        let late = third.submit(&house, "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(late.header("location"), "/sign-in");
        assert!(third.get(&house, "/sign-in").await.body.contains("took too long"));

        // Five wrong codes, and the right one waits.
        third.sign_in(&house, "ann@example.org", PASSWORD).await;
        for _ in 0..4 {
            third.submit(&house, "/sign-in/code", &[("code", "123456")]).await;
        }
        let code = secret.code_at(house.app.clock.now());
        third.submit(&house, "/sign-in/code", &[("code", "123456")]).await;
        assert_eq!(third.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 429);

        // Taken away by its owner, with a code.
        house.pass(16 * MINUTE);
        let path = "/account/second-factor";
        let code = secret.code_at(house.app.clock.now());
        let kept = first.act(&house, path, "/account/second-factor/remove", &[("code", "123456")]).await;
        assert_eq!(kept.status, 422);
        let gone = first.act(&house, path, "/account/second-factor/remove", &[("code", &code)]).await;
        assert_eq!(gone.status, 303);
        assert_eq!(
            Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.header("location"),
            "/desk"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_mailed_link_does_not_get_around_the_second_factor() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let (first, browser) = (Browser::new(), Browser::new());
        first.sign_in(&house, "ann@example.org", PASSWORD).await;
        let secret = house.enrol(&first).await;
        browser.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        let link = house.mailed_link().await;
        assert!(browser.submit(&house, &link, &[]).await.header("location").starts_with("/sign-in/code"));
        assert!(!browser.is_in(&house).await);
        house.pass(30_000);
        let code = secret.code_at(house.app.clock.now());
        assert_eq!(browser.submit(&house, "/sign-in/code", &[("code", &code)]).await.status, 303);
        assert!(browser.is_in(&house).await);
        house.close().await;
    }
}

#[tokio::test]
async fn an_admin_removes_the_second_factor_of_who_lost_their_phone() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let ann = Browser::new();
        ann.sign_in(&house, "ann@example.org", PASSWORD).await;
        house.enrol(&ann).await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let path = format!("/office/users/{id}");
        assert!(house.get_as(&admin, &path).await.body.contains("Remove the second factor"));
        assert_eq!(house.submit_as(&admin, &format!("{path}/second-factor"), &[]).await.status, 303);
        assert_eq!(
            Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.header("location"),
            "/desk"
        );
        house.close().await;
    }
}
