//! The audit log as admins read it.

use super::signing_in::between;
use super::*;
use crate::db::audit;

#[tokio::test]
async fn the_log_is_read_page_by_page_and_filtered() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        for number in 0..120 {
            let what = format!("number {number:03}.");
            let entry = audit::NewEntry {
                user_id: None,
                who: "ben@example.org",
                action: if number % 2 == 0 { "issue.send" } else { "issuer.x" },
                what: &what,
                newsletter_id: (number % 3 == 0).then_some(house.brief),
                is_denied: number % 4 == 0,
                network: "192.0.2.1",
            };
            audit::write(&mut conn, &entry, house.app.clock.now()).await.unwrap();
        }
        drop(conn);
        let count = |answer: &Answer| answer.body.matches("number ").count();
        let link = |answer: &Answer, words: &str| {
            let nav = between(&answer.body, "<nav class=\"pages\"", "</nav>").to_owned();
            let end = nav.find(&format!("\">{words}<"))?;
            let start = nav[..end].rfind("href=\"")? + 6;
            Some(nav[start..end].replace("&amp;", "&").replace("&#x3D;", "="))
        };
        let first = house.get_as(&admin, "/office/audit?who=ben%40example.org").await;
        assert_eq!((count(&first), link(&first, "Newer")), (50, None));
        assert!(first.body.contains("number 119.") && first.body.contains("number 070."));
        let second = house.get_as(&admin, &link(&first, "Older").unwrap()).await;
        assert!(second.body.contains("number 069.") && second.body.contains("number 020."));
        let third = house.get_as(&admin, &link(&second, "Older").unwrap()).await;
        assert_eq!((count(&third), link(&third, "Older")), (20, None));
        let back = house.get_as(&admin, &link(&third, "Newer").unwrap()).await;
        assert!(back.body.contains("number 069.") && back.body.contains("number 020."));
        let top = house.get_as(&admin, &link(&back, "Newer").unwrap()).await;
        assert_eq!((count(&top), link(&top, "Newer")), (50, None));

        let few = house.get_as(&admin, "/office/audit?action=issue&denied=1&newsletter=brief").await;
        assert_eq!(count(&few), 10);
        for nothing in ["?who=nobody%00", "?action=%25", "?before=x&after=9999999", "?who=%ff&who=2"] {
            assert_eq!(
                house.get_as(&admin, &format!("/office/audit{nothing}")).await.status,
                200,
                "{nothing}"
            );
        }
        house.close().await;
    }
}

#[tokio::test]
async fn the_log_is_filtered_by_day_and_by_action_in_words() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        house.sign_in("ben@example.org", Role::Viewer).await;
        let mut conn = house.app.db.conn().await.unwrap();
        for (at, action) in [
            ("2026-11-18T23:59:59Z", "issue.send"),
            ("2026-11-19T00:00:00Z", "issue.send"),
            ("2026-11-19T23:59:59Z", "issue.edit"),
            ("2026-11-20T00:00:00Z", "user.role"),
        ] {
            let what = format!("at {at}.");
            let entry = audit::NewEntry {
                user_id: None,
                who: "ben@example.org",
                action,
                what: &what,
                newsletter_id: None,
                is_denied: false,
                network: "",
            };
            audit::write(&mut conn, &entry, Timestamp::parse(at).unwrap()).await.unwrap();
        }
        drop(conn);
        for (query, found) in [
            ("from=2026-11-19", 3),
            ("until=2026-11-19", 3),
            ("from=2026-11-19&until=2026-11-19", 2),
            ("from=2026-11-20&until=2026-11-19", 0),
            ("from=2030-01-01", 0),
            ("until=2020-01-01", 0),
            ("from=2026-11-19&action=issue.send&who=ben%40example.org", 1),
            ("action=issue", 3),
            ("from=yesterday&until=2026-02-30", 4),
            ("who=ben", 4),
            ("who=BEN%40ex&until=2026-11-18", 1),
            ("who=en%40example.org", 0),
            ("from=%2B262142-12-31&until=%2B262142-12-31", 4),
        ] {
            let page = house.get_as(&admin, &format!("/office/audit?{query}")).await;
            assert_eq!(page.body.matches("at 2026-11-").count(), found, "{query}: {}", page.body);
        }
        let wrong = house.get_as(&admin, "/office/audit?from=x%3C&until=2026-02-30").await.body;
        for (field, says) in [("from", "“x&lt;” is not a day"), ("until", "“2026-02-30” is not a day")]
        {
            let problem = between(&wrong, &format!("id=\"{field}-problem\""), "</p>");
            assert!(problem.contains(says), "{problem}");
        }
        let page = house.get_as(&admin, "/office/audit?from=2026-11-19&action=issue.send").await.body;
        assert!(!page.contains("is not a day"), "{page}");
        assert!(page.contains("<option value=\"issue.send\" selected>Sent an issue now</option>"), "{page}");
        assert!(
            page.contains("type=\"date\" value=\"2026-11-19\"")
                && page.contains("<option value=\"admin@example.org\">")
        );
        let odd = house.get_as(&admin, "/office/audit?action=issuer.x").await.body;
        assert!(
            odd.contains("<option value=\"issuer.x\" selected>")
                && odd.contains("Nothing in the log is like this.")
        );
        house.close().await;
    }
}

#[tokio::test]
async fn the_lines_of_several_whose_addresses_begin_alike_stand_in_one_order() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let people = ["ben@example.org", "benjamin@example.org"];
        for person in people {
            house.sign_in(person, Role::Viewer).await;
        }
        let mut conn = house.app.db.conn().await.unwrap();
        for number in 0..120 {
            let what = format!("number {number:03}.");
            let entry = audit::NewEntry {
                user_id: None,
                who: people[number % 2],
                action: "issue.edit",
                what: &what,
                newsletter_id: None,
                is_denied: false,
                network: "",
            };
            audit::write(&mut conn, &entry, house.app.clock.now()).await.unwrap();
        }
        let filter = audit::Filter { who: people.map(str::to_owned).to_vec(), ..audit::Filter::default() };
        let all = audit::list(&mut conn, &filter, 200).await.unwrap();
        drop(conn);
        assert!(all.len() == 120 && all.is_sorted_by(|one, other| one.id > other.id));
        let numbers = |page: &str| -> Vec<String> {
            let parts = page.split("number ").skip(1);
            parts.map(|part| part.chars().take(3).collect()).collect()
        };
        let expected = |from: i32| (0..50).map(|at| format!("{:03}", from - at)).collect::<Vec<_>>();
        let first = house.get_as(&admin, "/office/audit?who=ben").await.body;
        assert_eq!(numbers(&first), expected(119));
        let before = format!("/office/audit?who=ben&before={}", all[49].id);
        assert_eq!(numbers(&house.get_as(&admin, &before).await.body), expected(69));
        let after = format!("/office/audit?who=ben&after={}", all[100].id);
        assert_eq!(numbers(&house.get_as(&admin, &after).await.body), expected(69));
        house.close().await;
    }
}

#[tokio::test]
async fn the_pages_of_a_filtered_log_keep_the_filter() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        for _ in 0..60 {
            let entry = audit::NewEntry {
                user_id: None,
                who: "ben@example.org",
                action: "issue.edit",
                what: "number",
                newsletter_id: None,
                is_denied: false,
                network: "",
            };
            audit::write(&mut conn, &entry, Timestamp::parse("2026-11-19T12:00:00Z").unwrap()).await.unwrap();
        }
        drop(conn);
        let page =
            house.get_as(&admin, "/office/audit?action=issue&from=2026-11-19&until=2026-11-20").await.body;
        let nav =
            between(&page, "<nav class=\"pages\"", "</nav>").replace("&amp;", "&").replace("&#x3D;", "=");
        let older = between(&nav, "href=\"", "\"").to_owned();
        assert!(older.contains("action=issue&from=2026-11-19&until=2026-11-20&before="), "{older}");
        assert_eq!(house.get_as(&admin, &older).await.body.matches("number<").count(), 10);
        house.close().await;
    }
}

#[tokio::test]
async fn a_line_of_the_log_leads_to_what_it_is_about() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let fields = [("email", "ben@example.org"), ("name", "Ben"), ("role", "viewer")];
        let invited = house.submit_as(&admin, "/office/users/invite", &fields).await;
        let page = house.get_as(&admin, "/office/audit?action=user.add").await.body;
        let link =
            format!("<a href=\"{}\" dir=\"auto\">ben@example.org as viewer</a>", invited.header("location"));
        assert!(page.contains(&link), "{page}");
        // Of whoever is removed there is no page any more.
        let remove = format!("{}/remove", invited.header("location"));
        assert_eq!(house.submit_as(&admin, &remove, &[]).await.status, 303);
        let page = house.get_as(&admin, "/office/audit?action=user.add").await.body;
        assert!(page.contains("ben@example.org as viewer") && !page.contains(&link));
        house.close().await;
    }
}
