//! Links that let somebody in once: mailed, printed for the first admin, given with an invitation.

use super::signing_in::{Browser, PASSWORD};
use super::*;

const MINUTE: i64 = 60 * 1000;

#[tokio::test]
async fn a_mailed_link_signs_in_once_and_not_for_long() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        let known = browser.submit(&house, "/sign-in/mail", &[("email", "Ann@example.org")]).await;
        let unknown = browser.submit(&house, "/sign-in/mail", &[("email", "nobody@example.org")]).await;
        assert_eq!((known.status.as_u16(), unknown.status.as_u16()), (200, 200));
        let same = |page: &Answer, email: &str| page.body.replace(email, "…");
        assert_eq!(same(&known, "ann@example.org"), same(&unknown, "nobody@example.org"));
        let link = house.mailed_link().await;
        // One mail in five minutes, and the answer does not say so.
        let again = browser.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        assert_eq!(again.body, known.body);
        assert_eq!(house.mails().await, []);

        // A link scanner follows it, and uses nothing up.
        assert!(house.get(&link).await.body.contains("Press the button"));
        assert_eq!(browser.submit(&house, &link, &[]).await.header("location"), "/desk");
        assert!(browser.is_in(&house).await);
        let other = Browser::new();
        assert_eq!(other.submit(&house, &link, &[]).await.status, 410);
        assert_eq!(house.get(&link).await.status, 410);
        assert!(!other.is_in(&house).await);

        house.pass(6 * MINUTE);
        other.submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        let link = house.mailed_link().await;
        house.pass(15 * MINUTE);
        assert_eq!(house.get(&link).await.status, 410);
        assert_eq!(other.submit(&house, &link, &[]).await.status, 410);
        let wrong = other.submit(&house, "/sign-in/mail", &[("email", "ann")]).await;
        assert!(wrong.status == 422 && wrong.body.contains("Enter your e-mail address"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_mailed_link_leads_on_to_where_they_wanted_and_says_nothing_else() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        for (back, kept) in [
            ("/office/users/7", Some("/office/users/7")),
            ("/desk", None),
            ("/desk/issues?say=Call+0900", None),
            ("//evil.example", None),
            ("/desk/<b>", None),
        ] {
            let browser = Browser::new();
            browser.submit(&house, "/sign-in/mail", &[("email", "ann@example.org"), ("back", back)]).await;
            let mails = house.mails().await;
            let [(_, Notice::SignIn(access))] = mails.as_slice() else { panic!("{mails:?}") };
            let url = url::Url::parse(&access.url).unwrap();
            assert_eq!(url.query(), kept.map(|kept| format!("back={kept}")).as_deref(), "{back}");
            let link = access.url.strip_prefix(&house.base).unwrap();
            assert_eq!(browser.submit(&house, link, &[]).await.header("location"), kept.unwrap_or("/desk"));
            house.pass(6 * MINUTE);
        }
        house.close().await;
    }
}

#[tokio::test]
async fn the_first_admin_comes_by_the_printed_link_and_only_the_first() {
    for house in houses().await {
        let link = path_of(&accounts::first_admin_link(&house.app).await.unwrap().unwrap());
        let (browser, other) = (Browser::new(), Browser::new());
        assert!(browser.get(&house, &link).await.body.contains("You are the first here"));
        assert_eq!(browser.get(&house, "/welcome/guess").await.status, 410);
        let typed = [("email", "ann"), ("name", "Ann"), ("password", "short")];
        let wrong = browser.submit(&house, &link, &typed).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains("at least 10 characters") && wrong.body.contains("value=\"ann\""));
        assert!(!wrong.body.contains("short\""), "a password is never shown");

        let typed = [("email", "ann@example.org"), ("name", "Ann"), ("password", PASSWORD)];
        assert_eq!(browser.submit(&house, &link, &typed).await.header("location"), "/desk");
        assert_eq!(browser.get(&house, "/office/users").await.status, 200);
        let late = [("email", "eve@example.org"), ("name", "Eve"), ("password", PASSWORD)];
        assert_eq!(other.submit(&house, &link, &late).await.status, 410);
        assert_eq!(house.get(&link).await.status, 410);
        assert_eq!(accounts::first_admin_link(&house.app).await.unwrap(), None);
        house.close().await;
    }
}

#[tokio::test]
async fn of_two_who_open_the_first_link_at_once_one_becomes_the_admin() {
    for house in houses().await {
        let link = path_of(&accounts::first_admin_link(&house.app).await.unwrap().unwrap());
        let (ann, eve) = (Browser::new(), Browser::new());
        let typed = |email| [("email", email), ("name", ""), ("password", PASSWORD)];
        let (of_ann, of_eve) = (typed("ann@example.org"), typed("eve@example.org"));
        let (one, two) = tokio::join!(ann.submit(&house, &link, &of_ann), eve.submit(&house, &link, &of_eve));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 410]);
        house.close().await;
    }
}

#[tokio::test]
async fn an_invitation_lets_somebody_choose_their_password_once() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        assert_eq!(house.get_as(&admin, "/office/users/invite").await.status, 200);
        let nothing = [("email", "ben@example.org"), ("role", "")];
        let refused = house.submit_as(&admin, "/office/users/invite", &nothing).await;
        assert!(
            refused.status == 422 && refused.body.contains("Choose what they may do"),
            "{}",
            refused.body
        );
        let role = format!("role-{}", house.brief);
        let fields = [("email", "ben@example.org"), ("name", "Ben"), ("role", ""), (role.as_str(), "editor")];
        let invited = house.submit_as(&admin, "/office/users/invite", &fields).await;
        assert_eq!(invited.status, 303);
        let page = house.get_as(&admin, invited.header("location")).await;
        assert!(page.body.contains("Editor of "), "{}", page.body);
        let twice = house.submit_as(&admin, "/office/users/invite", &fields).await;
        assert!(twice.status == 422 && twice.body.contains("has an account already"));
        let first_link = house.mailed_link().await;

        // A new one takes the place of the one before.
        let again = format!("{}/invite", invited.header("location"));
        assert_eq!(house.submit_as(&admin, &again, &[]).await.status, 303);
        let link = house.mailed_link().await;
        let ben = Browser::new();
        assert_eq!(ben.get(&house, &first_link).await.status, 410);
        assert!(ben.get(&house, &link).await.body.contains("ben@example.org"));
        let fields = [("name", "Benjamin"), ("password", PASSWORD), ("email", "admin@example.org")];
        assert_eq!(ben.submit(&house, &link, &fields).await.status, 303);
        assert!(ben.get(&house, "/account").await.body.contains("Benjamin"));
        assert_eq!(Browser::new().submit(&house, &link, &fields).await.status, 410);
        assert_eq!(Browser::new().sign_in(&house, "ben@example.org", PASSWORD).await.status, 303);
        assert_eq!(
            ben.get(&house, "/office/users").await.status,
            403,
            "an editor of one newsletter is no admin"
        );
        house.close().await;
    }
}
