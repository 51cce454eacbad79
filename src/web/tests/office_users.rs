//! Admins and the accounts of others.

use super::signing_in::{Browser, PASSWORD};
use super::*;
use crate::db::audit::Entry;
use crate::pipeline::accounts::{Actor, Roles};

#[tokio::test]
async fn only_admins_manage_users_and_whoever_else_tries_is_in_the_log() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let one = format!("/office/users/{id}");
        let pages = ["/office/users", "/office/users/invite", "/office/audit", &one];
        let posts = ["roles", "invite", "disable", "enable", "second-factor", "sessions"];
        for (email, role) in [("viewer@example.org", Role::Viewer), ("editor@example.org", Role::Editor)] {
            let person = house.sign_in(email, role).await;
            let before = house.log().await.len();
            for path in pages {
                let answer = house.get_as(&person, path).await;
                assert_eq!(answer.status, 403, "{path}");
                assert!(!answer.body.contains("ann@example.org"));
            }
            for post in posts {
                assert_eq!(
                    house.submit_as(&person, &format!("{one}/{post}"), &[("role", "admin")]).await.status,
                    403
                );
            }
            let fields = [("email", "eve@example.org"), ("role", "admin")];
            assert_eq!(house.submit_as(&person, "/office/users/invite", &fields).await.status, 403);
            let log = house.log().await;
            let denied: Vec<&Entry> = log[..log.len() - before].iter().collect();
            assert_eq!(denied.len(), pages.len() + posts.len() + 1);
            assert!(denied.iter().all(|entry| entry.is_denied && entry.who == email));
        }
        let log = house.get_as(&admin, "/office/audit?denied=1&who=viewer%40example.org").await;
        assert!(log.body.contains("viewer@example.org") && log.body.contains("refused"), "{}", log.body);
        assert!(!log.body.contains(">editor@example.org</a>"), "only its own lines");
        assert_eq!(house.get_as(&admin, "/office/users/999").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn the_last_admin_stays_and_nobody_demotes_themselves() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        let email = EmailAddress::parse("admin@example.org").unwrap();
        let id = accounts::find_by_email(&mut conn, &email).await.unwrap().user.id;
        drop(conn);
        let one = format!("/office/users/{id}");
        let refused = house.submit_as(&admin, &format!("{one}/roles"), &[("role", "editor")]).await;
        assert!(refused.status == 422 && refused.body.contains("your own role of admin"), "{}", refused.body);
        assert_eq!(house.submit_as(&admin, &format!("{one}/disable"), &[]).await.status, 422);
        let by = Actor::command_line();
        let says = accounts::disable(&house.app, &by, id).await.unwrap_err().to_string();
        assert!(says.contains("is the only admin"), "{says}");
        assert!(accounts::set_roles(&house.app, &by, id, &Roles::default()).await.is_err());

        let other = house.a_user("ben@example.org", Some(Role::Editor)).await;
        let path = format!("/office/users/{other}/roles");
        assert_eq!(house.submit_as(&admin, &path, &[("role", "admin")]).await.status, 303);
        accounts::disable(&house.app, &by, id).await.unwrap();
        assert!(accounts::disable(&house.app, &by, other).await.is_err());
        house.close().await;
    }
}

#[tokio::test]
async fn a_role_for_one_newsletter_is_given_and_taken_away() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let id = house.a_user("ben@example.org", None).await;
        let path = format!("/office/users/{id}/roles");
        let role = format!("role-{}", house.brief);
        let of_ben = async || {
            let mut conn = house.app.db.conn().await.unwrap();
            accounts::find(&mut conn, id).await.unwrap().user
        };
        assert_eq!(
            house.submit_as(&admin, &path, &[(&role, "editor"), ("role", "viewer")]).await.status,
            303
        );
        let ben = of_ben().await;
        assert!(ben.may(Role::Editor, house.brief) && !ben.may(Role::Editor, house.brief + 1));
        assert!(ben.may_everywhere(Role::Viewer) && !ben.may_everywhere(Role::Editor));
        assert!(house.log().await[0].what.contains("viewer, editor of brief"));
        // An admin of one newsletter is led nowhere that they are refused.
        assert_eq!(house.submit_as(&admin, &path, &[(&role, "admin"), ("role", "")]).await.status, 303);
        let browser = Browser::new();
        browser.sign_in(&house, "ben@example.org", PASSWORD).await;
        let page = browser.get(&house, "/account").await.body;
        assert!(page.contains("href=\"/office/newsletters\"") && !page.contains("href=\"/office/users\""));
        assert_eq!(house.submit_as(&admin, &path, &[(&role, "nonsense"), ("role", "")]).await.status, 303);
        assert!(!of_ben().await.may_somewhere(Role::Viewer));
        house.close().await;
    }
}

#[tokio::test]
async fn names_and_addresses_are_text_never_markup() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let script = "<script>alert(1)</script>";
        let fields = [("email", "ben@example.org"), ("name", script), ("role", "viewer")];
        let made = house.submit_as(&admin, "/office/users/invite", &fields).await;
        for path in ["/office/users", made.header("location"), "/office/audit"] {
            let page = house.get_as(&admin, path).await.body;
            assert!(!page.contains("<script>alert"), "{path}");
        }
        let typed = [("email", "\"><script>alert(1)</script>"), ("password", "x")];
        assert!(!house.submit("/sign-in", &typed).await.body.contains("<script>alert"));
        house.close().await;
    }
}
