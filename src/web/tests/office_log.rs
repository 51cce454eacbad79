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
