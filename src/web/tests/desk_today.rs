//! Today's words, by a clock that is set.

use super::*;
use crate::db;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{compose, editors, newsletters as set_up};

#[tokio::test]
async fn today_says_what_goes_out_when_and_to_whom() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.daily().await;
        let today = house.get_as(&ann, "/desk").await;
        assert_eq!(today.status, 200, "{}", today.body);
        assert!(today.body.contains("It holds no article yet."), "{}", today.body);
        house.subscribe("one@example.org").await;
        house.subscribe("two@example.org").await;
        house.sign_up("three@example.org").await;
        let ferry = house.article("Ferry", &[]).await;
        house.article("Storm", &[]).await;
        // Counted anew once the count is old.
        house.pass(10 * 60_000);
        house.get_as(&ann, "/desk").await;
        let today = counted(&house, &ann, "2 readers").await;
        let sentence = "Tomorrow’s <em>Morning Brief</em></a> freezes at 06:30 and goes to 2 readers at 07:00 Europe/Paris. 2 articles in.";
        assert!(today.contains(sentence), "{today}");
        assert!(today.contains("1 will not get it: 1 has not confirmed."), "{today}");
        assert!(today.contains("Nothing. What is missing"), "{today}");
        // One is taken out: it waits.
        let issue = house.fill().await;
        let fields = [("issue", &*issue.to_string())];
        house.submit_as(&ann, &format!("/desk/inbox/{ferry}/take"), &fields).await;
        assert!(house.get_as(&ann, "/desk").await.body.contains("1 article in, 1 waiting."));
        house.close().await;
    }
}

#[tokio::test]
async fn what_needs_a_decision_is_said() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let settings = ["approval=required".to_owned(), "min-articles=2".to_owned()];
        set_up::set(&house.app, &Actor::command_line(), "brief", &settings).await.unwrap();
        let issue = house.daily().await;
        house.article("Ferry", &[]).await;
        let needs = |page: &Answer, words: &str| {
            let needs = page.body.split("id=\"needs\"").nth(1).unwrap().to_owned();
            assert!(needs.contains(words), "{words}: {needs}");
        };
        needs(&house.get_as(&ann, "/desk").await, "It holds 1 article, and goes out with 2 or more");
        house.article("Storm", &[]).await;
        editors::hold(&house.app, issue).await.unwrap();
        needs(&house.get_as(&ann, "/desk").await, "An editor holds it");
        house.app.clock.set(Timestamp::parse("2026-11-22T05:31:00Z").unwrap());
        compose::compose(&house.app).await.unwrap();
        let mut tx = house.app.db.begin().await.unwrap();
        db::issues::set_held(&mut tx, issue, false, None).await.unwrap();
        db::commit(tx).await.unwrap();
        let today = house.get_as(&ann, "/desk").await;
        needs(&today, "It waits for approval, and is skipped if nobody gives it until today at 10:00");
        assert!(
            today.body.contains("Today’s <em>Morning Brief</em></a> is frozen and goes to"),
            "{}",
            today.body
        );
        set_up::pause_schedule(&house.app, &Actor::command_line(), "brief", "daily", true).await.unwrap();
        needs(&house.get_as(&ann, "/desk").await, "Its schedule “daily” is paused");
        editors::cancel(&house.app, issue).await.unwrap();
        assert!(house.get_as(&ann, "/desk").await.body.contains("It was cancelled: an editor cancelled it."));
        house.close().await;
    }
}

#[tokio::test]
async fn a_newsletter_without_a_schedule_and_no_newsletter_at_all_are_said_too() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let today = house.get_as(&ann, "/desk").await.body;
        assert!(today.contains("has no schedule: its issues go out when an editor sends them"), "{today}");
        let answer = house.submit_as(&ann, "/desk/issues", &[("newsletter", "brief")]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let page = house.get_as(&ann, answer.header("location")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("goes out when an editor approves or sends it."), "{}", page.body);
        let fay = house.sign_in("fay@example.org", Role::Editor).await;
        assert_eq!(house.submit_as(&fay, "/desk/issues", &[("newsletter", "none")]).await.status, 404);
        house.close().await;
    }
}

/// Today's page once it shows these words: counting goes on in the background.
async fn counted(house: &House, person: &Person, words: &str) -> String {
    for _ in 0..100 {
        let page = house.get_as(person, "/desk").await.body;
        if page.contains(words) {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("“{words}” never came: {}", house.get_as(person, "/desk").await.body)
}
