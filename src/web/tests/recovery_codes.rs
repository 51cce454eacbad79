//! Recovery codes: shown once, good once, and told of.

use super::signing_in::{Browser, PASSWORD, recovery_codes};
use super::*;
use crate::db::recovery;
use crate::pipeline::accounts::Actor;

const MINUTE: i64 = 60 * 1000;
const PAGE: &str = "/account/recovery-codes";

/// Somebody with a second factor, the browser in which they set it up, and their recovery codes.
async fn guarded(house: &House) -> (i64, Browser, Vec<String>) {
    let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
    let browser = Browser::new();
    browser.sign_in(house, "ann@example.org", PASSWORD).await;
    let (_, codes) = house.enrol_with_codes(&browser).await;
    (id, browser, codes)
}

/// A browser that has the password behind it.
async fn half_in(house: &House) -> Browser {
    let browser = Browser::new();
    let step = browser.sign_in(house, "ann@example.org", PASSWORD).await;
    assert_eq!(step.header("location"), "/sign-in/code?back=%2Fdesk");
    browser
}

async fn send(house: &House, browser: &Browser, code: &str) -> Answer {
    browser.submit(house, "/sign-in/recovery", &[("code", code), ("back", "/account?x=1")]).await
}

#[tokio::test]
async fn each_recovery_code_signs_in_once_and_its_owner_is_told() {
    for house in houses().await {
        let (id, ann, codes) = guarded(&house).await;
        assert_eq!(codes.len(), 10);
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 19 && codes.iter().filter(|other| *other == code).count() == 1)
        );
        let account = ann.get(&house, "/account").await.body;
        assert!(
            account.contains("10 of 10 recovery codes left") && !account.contains(&codes[0]),
            "{account}"
        );
        assert!(!ann.get(&house, PAGE).await.body.contains(&codes[0]), "they are shown once");
        assert_eq!(house.mails().await, []);

        let other = half_in(&house).await;
        let form = other.get(&house, "/sign-in/code?back=%2Faccount%3Fx%3D1").await.body;
        assert!(form.contains("/sign-in/recovery?back&#x3D;%2Faccount%3Fx%3D1"), "{form}");
        let form = other.get(&house, "/sign-in/recovery?back=%2Faccount%3Fx%3D1").await.body;
        assert!(
            form.contains("name=\"back\" value=\"/account?x&#x3D;1\"") && !form.contains("numeric"),
            "{form}"
        );
        let wrong = send(&house, &other, "AAAA-AAAA-AAAA-AAAA").await;
        assert!(wrong.status == 422 && wrong.body.contains("none of your recovery codes"), "{}", wrong.body);
        // As somebody types it from paper.
        let typed = codes[3].to_lowercase().replace('-', " ");
        let entered = send(&house, &other, &typed).await;
        assert_eq!((entered.status.as_u16(), entered.header("location")), (303, "/account?x=1"));
        let account = other.get(&house, "/account").await.body;
        assert!(account.contains("You used a recovery code: 9 are left."), "{account}");
        assert!(account.contains("9 of 10 recovery codes left"));

        let mails = house.mails().await;
        let [(to, Notice::RecoveryCode(used))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!((to.as_str(), used.left, used.network.as_str()), ("ann@example.org", 9, "198.51.100.7"));
        assert_eq!(used.url, format!("{}/account", house.base));
        let log = house.log().await;
        let done: Vec<_> =
            log.iter().take(3).map(|entry| (entry.action.as_str(), entry.what.as_str())).collect();
        let expected = [
            ("user.sign_in", "with a password and a recovery code"),
            ("user.recovery_code", "ann@example.org: 9 left"),
            ("user.sign_in", "with a code"),
        ];
        assert_eq!(done, expected);

        let third = half_in(&house).await;
        assert_eq!(send(&house, &third, &codes[3]).await.status, 422, "it is used up");
        assert!(!third.is_in(&house).await);
        assert_eq!(
            send(&house, &Browser::new(), &codes[4]).await.header("location"),
            "/sign-in",
            "no password"
        );
        let mut conn = house.app.db.conn().await.unwrap();
        assert_eq!(recovery::count(&mut conn, id).await.unwrap(), 9);
        assert!(
            !recovery::take(&mut conn, id, &codes[4].replace('-', "")).await.unwrap(),
            "only hashes are kept"
        );
        drop(conn);
        house.close().await;
    }
}

#[tokio::test]
async fn of_two_who_send_the_same_recovery_code_at_once_one_gets_in() {
    for house in houses().await {
        let (_, _, codes) = guarded(&house).await;
        let (one, two) = (half_in(&house).await, half_in(&house).await);
        let (first, second) = tokio::join!(send(&house, &one, &codes[0]), send(&house, &two, &codes[0]));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422]);
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}

#[tokio::test]
async fn recovery_codes_are_counted_with_the_codes_of_the_app() {
    for house in houses().await {
        let (_, _, codes) = guarded(&house).await;
        let guesser = half_in(&house).await;
        for _ in 0..3 {
            assert_eq!(send(&house, &guesser, "AAAA-AAAA-AAAA-AAAA").await.status, 422);
        }
        for _ in 0..2 {
            guesser.submit(&house, "/sign-in/code", &[("code", "000000")]).await;
        }
        let late = send(&house, &guesser, &codes[0]).await;
        assert!(late.status == 429 && late.body.contains("Too many codes were wrong"), "{}", late.body);
        house.pass(16 * MINUTE);
        assert_eq!(send(&house, &half_in(&house).await, &codes[0]).await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn new_recovery_codes_take_a_code_and_not_the_password_alone_and_end_those_before() {
    for house in houses().await {
        let (_, ann, codes) = guarded(&house).await;
        for code in ["", PASSWORD, "000000", "AAAA-AAAA-AAAA-AAAA"] {
            let wrong = ann.act(&house, PAGE, PAGE, &[("current", PASSWORD), ("code", code)]).await;
            assert!(wrong.status == 422 && wrong.body.contains("This is neither"), "{}", wrong.body);
        }
        let made = ann.act(&house, PAGE, PAGE, &[("code", &codes[1])]).await;
        let new = recovery_codes(&made.body);
        assert!(made.status == 200 && new.len() == 10 && new.iter().all(|code| !codes.contains(code)));
        let file = signing_in::between(&made.body, "href=\"data:text/plain;charset", "\"");
        let is_in_file = |code: &String| file.contains(&code.replace('-', "%2D"));
        assert!(new.iter().all(is_in_file) && made.body.contains("download=\"daybreak-recovery-codes.txt\""));
        assert_eq!(made.header("cache-control"), "no-store");
        let mails = house.mails().await;
        assert!(
            matches!(mails.as_slice(), [(_, Notice::RecoveryCode(_))]),
            "its owner is told of it: {mails:?}"
        );
        assert_eq!(send(&house, &half_in(&house).await, &codes[0]).await.status, 422);
        assert_eq!(send(&house, &half_in(&house).await, &new[0]).await.status, 303);
        let log = house.log().await;
        assert!(log.iter().any(|entry| entry.action == "user.make_recovery_codes" && !entry.is_denied));
        assert!(log.iter().any(|entry| entry.action == "user.make_recovery_codes" && entry.is_denied));

        // Without a second factor there is nothing to recover.
        house.a_user("ben@example.org", Some(Role::Editor)).await;
        let ben = Browser::new();
        ben.sign_in(&house, "ben@example.org", PASSWORD).await;
        assert_eq!(ben.get(&house, PAGE).await.header("location"), "/account/second-factor");
        assert_eq!(ben.act(&house, "/account", PAGE, &[("code", &new[1])]).await.status, 422);
        house.close().await;
    }
}

#[tokio::test]
async fn whoever_has_no_password_makes_new_recovery_codes_with_a_code() {
    for house in houses().await {
        let email = EmailAddress::parse("ann@example.org").unwrap();
        accounts::add(&house.app, &email, "", Some(Role::Editor)).await.unwrap();
        let ann = Browser::new();
        ann.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        let link = house.mailed_link().await;
        ann.submit(&house, &link, &[]).await;
        let (secret, codes) = house.enrol_with_codes(&ann).await;
        house.pass(30_000);
        let wrong = ann.act(&house, PAGE, PAGE, &[("code", "000000")]).await;
        assert!(wrong.status == 422 && wrong.body.contains("This is neither"), "{}", wrong.body);
        let code = secret.code_at(house.app.clock.now());
        assert_eq!(recovery_codes(&ann.act(&house, PAGE, PAGE, &[("code", &code)]).await.body).len(), 10);
        let old = ann.act(&house, PAGE, PAGE, &[("code", &codes[0])]).await;
        assert_eq!(old.status, 422);
        house.close().await;
    }
}

#[tokio::test]
async fn a_recovery_code_takes_the_second_factor_away_and_the_others_go_with_it() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let ann = Browser::new();
        ann.sign_in(&house, "ann@example.org", PASSWORD).await;
        let (secret, codes) = house.enrol_with_codes(&ann).await;
        let remove = "/account/second-factor/remove";
        let gone = ann.act(&house, "/account/second-factor", remove, &[("code", &codes[0])]).await;
        assert_eq!(gone.status, 303);
        let mails = house.mails().await;
        assert!(matches!(mails.as_slice(), [(_, Notice::RecoveryCode(used))] if used.left == 0), "{mails:?}");
        assert_eq!(
            Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.header("location"),
            "/desk"
        );
        house.pass(MINUTE);
        let (other, _) = house.enrol_with_codes(&ann).await;
        assert_ne!(other, secret, "the phone that is lost knows the one before");
        assert_eq!(
            send(&house, &half_in(&house).await, &codes[1]).await.status,
            422,
            "it was of the one before"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn an_admin_sees_how_many_recovery_codes_are_left_and_takes_them_with_the_factor() {
    for house in houses().await {
        let (id, _, codes) = guarded(&house).await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let user = format!("/office/users/{id}");
        let page = house.get_as(&admin, &user).await.body;
        assert!(page.contains("Recovery codes left: 10") && !page.contains(&codes[0]), "{page}");
        let waiting = half_in(&house).await;
        assert_eq!(house.submit_as(&admin, &format!("{user}/second-factor"), &[]).await.status, 303);
        assert_eq!(send(&house, &waiting, &codes[0]).await.status, 422);
        let again = Browser::new();
        assert_eq!(again.sign_in(&house, "ann@example.org", PASSWORD).await.header("location"), "/desk");
        // An account that is removed takes its codes with it.
        house.pass(MINUTE);
        house.enrol(&again).await;
        accounts::remove(&house.app, &Actor::command_line(), id).await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        assert_eq!(recovery::count(&mut conn, id).await.unwrap(), 0);
        drop(conn);
        house.close().await;
    }
}
