//! The suppression list: searched, walked and changed.

use super::office_people::href_of;
use super::*;

#[tokio::test]
async fn the_suppression_list_is_searched_and_changed() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        assert!(house.get_as(&ann, "/office/suppressions").await.body.contains("The list is empty"));
        house.named("gone@example.org", "").await;
        let gone = EmailAddress::parse("gone@example.org").unwrap();
        crate::pipeline::people::erase(&house.app, None, &gone).await.unwrap();
        let add = async |email: &str| {
            house.submit_as(&ann, "/office/suppressions", &[("email", email), ("reason", "asked")]).await
        };
        for n in 0..60 {
            house.pass(1);
            assert_eq!(add(&format!("x{n}@example.org")).await.status, 303);
        }
        let refused = add("nobody").await;
        assert!(refused.status == 422 && refused.body.contains("the @ is missing"), "{}", refused.body);
        let first = house.get_as(&ann, "/office/suppressions").await;
        assert!(first.body.contains("x59@example.org") && !first.body.contains(">x5@example.org"));
        let second = house.get_as(&ann, &href_of(&first.body, "Older").unwrap()).await;
        assert!(second.body.contains(">x5@example.org") && second.body.contains("An erased person"));
        assert_eq!(href_of(&second.body, "Older"), None);
        let back = house.get_as(&ann, &href_of(&second.body, "Newer").unwrap()).await;
        assert!(back.body.contains("x59@example.org") && href_of(&back.body, "Newer").is_none());
        let erased = house.get_as(&ann, "/office/suppressions?q=GONE%40example.org").await;
        assert!(erased.body.contains("gone@example.org is on the list"), "{}", erased.body);
        assert!(house.get_as(&ann, "/office/suppressions?q=x59").await.body.contains("x59@example.org"));
        let manual = house.get_as(&ann, "/office/suppressions?reason=erased").await;
        assert!(manual.body.contains("An erased person") && !manual.body.contains("x59@"));
        let hash = house.app.key.address_hash(&EmailAddress::parse("x59@example.org").unwrap());
        let removed = house.submit_as(&ann, "/office/suppressions/remove", &[("hash", &hash)]).await;
        assert_eq!(removed.status, 303);
        assert!(!house.get_as(&ann, "/office/suppressions").await.body.contains("x59@"));
        assert_eq!(
            house.submit_as(&ann, "/office/suppressions/remove", &[("hash", &hash)]).await.status,
            404
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_search_of_the_suppression_list_goes_on_page_by_page_within_a_reason() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        for number in 0..130 {
            let email = EmailAddress::parse(&format!("gone{number:03}@example.org")).unwrap();
            let reason = if number % 10 == 9 {
                crate::domain::subscription::SuppressionReason::Complained
            } else {
                crate::domain::subscription::SuppressionReason::Bounced
            };
            let (key, now) = (&house.app.key, house.app.clock.now());
            crate::db::suppressions::suppress(&mut conn, key, &email, reason, "", now).await.unwrap();
        }
        drop(conn);
        for (query, count) in
            [("q=gone", 130), ("q=gone&reason=bounced", 117), ("q=gone&reason=complained", 13)]
        {
            let (mut path, mut found) = (format!("/office/suppressions?{query}"), vec![]);
            loop {
                let body = house.get_as(&ann, &path).await.body;
                found.extend((0..130).filter(|number| body.contains(&format!("gone{number:03}@"))));
                let Some(next) = body.split("rel=\"next\" href=\"").nth(1) else { break };
                path = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#x3D;", "=");
            }
            let all: Vec<i32> = found.clone();
            found.dedup();
            assert_eq!((all.len(), found.len()), (count, count), "{query}");
        }
        house.close().await;
    }
}
