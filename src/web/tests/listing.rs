//! Newsletters that are not listed: nobody signs up for them, and nothing changes for those who have them.

use super::*;

impl House {
    async fn list_brief(&self, by: &Person, listed: &str) {
        let saved = self.submit_as(by, "/office/newsletters/brief", &[("listed", listed)]).await;
        assert_eq!(saved.status, 303, "{}", saved.body);
    }
}

#[tokio::test]
async fn a_newsletter_that_is_not_listed_stands_on_no_public_page_and_takes_no_sign_ups() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        a_newsletter(&house.app.db, "evening").await;
        house.list_brief(&ann, "no").await;
        for path in ["/", "/subscribe"] {
            let page = house.get(path).await;
            assert!(page.status == 200 && page.body.contains("evening"), "{path}: {}", page.body);
            assert!(!page.body.contains("brief"), "{path}: {}", page.body);
        }
        for path in ["/subscribe/brief", "/subscribe/brief/embed"] {
            let page = house.get(path).await;
            assert!(page.status == 200 && page.body.contains("It takes no sign-ups at the moment"), "{path}");
            assert!(!page.body.contains("<form"), "{path}: {}", page.body);
        }
        // A form that somebody has open still, or on a page of their own.
        let email = ("email", "bob@example.org");
        let of_one = house.submit("/subscribe", &[email, ("page", "brief"), ("newsletter", "brief")]).await;
        assert!(of_one.status == 422 && of_one.body.contains("takes no sign-ups"), "{}", of_one.body);
        let several = [email, ("newsletter", "brief"), ("newsletter", "evening")];
        let of_several = house.submit("/subscribe", &several).await;
        assert!(
            of_several.status == 422 && of_several.body.contains("takes no sign-ups"),
            "{}",
            of_several.body
        );
        assert!(house.mails().await.is_empty() && house.stored("bob@example.org").await.is_empty());
        let page = house.get_as(&ann, "/office/newsletters").await;
        assert!(page.body.contains("not listed"), "{}", page.body);

        // One may be made before anybody is to see it.
        let new = [
            ("name", "Harbour News"),
            ("slug", "harbour"),
            ("from", "harbour@example.org"),
            ("language", "en"),
            ("timezone", "UTC"),
            ("listed", "no"),
        ];
        assert_eq!(house.submit_as(&ann, "/office/newsletters", &new).await.status, 303);
        assert!(!house.get("/").await.body.contains("Harbour"));

        house.list_brief(&ann, "yes").await;
        assert!(house.get("/").await.body.contains("brief"));
        assert_eq!(house.sign_up("bob@example.org").await.status, 200);
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}

#[tokio::test]
async fn readers_of_a_newsletter_that_is_not_listed_any_more_keep_it() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let leave = house.subscribe("bob@example.org").await;
        house.sign_up("eve@example.org").await;
        let mails = house.mails().await;
        house.list_brief(&ann, "no").await;
        // Whoever had asked before may confirm.
        assert_eq!(house.post(&confirm_path(&mails), FORM, "").await.status, 200);
        assert_eq!(house.statuses("eve@example.org").await, ["active"]);
        let archive = house.get("/archive/brief").await;
        assert!(archive.status == 200 && !archive.body.contains("/subscribe/brief"), "{}", archive.body);
        assert_eq!(house.get(&leave).await.status, 200);
        assert_eq!(house.statuses("bob@example.org").await, ["active"]);
        // None is left to pick from: the front page says so.
        let none = house.get("/subscribe").await;
        assert_eq!((none.status.as_u16(), none.header("location")), (303, "/"));
        assert!(house.get("/").await.body.contains("no newsletter to sign up for"));
        house.close().await;
    }
}
