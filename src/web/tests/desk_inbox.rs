//! The inbox: what came, what is brought, and what is done with it.

use super::*;
use crate::db;
use crate::db::articles::Place;
use crate::domain::article::FoundArticle;
use crate::domain::topic::TopicSet;
use crate::pipeline::accounts::Actor;
use crate::pipeline::newsletters as set_up;

#[tokio::test]
async fn articles_go_into_the_issue_and_out_of_it_are_held_and_pinned() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &[]).await;
        house.article("Storm", &[]).await;
        let to = |verb: &str| format!("/desk/inbox/{ferry}/{verb}");
        let which = [("issue", &*issue.to_string()), ("back", "newsletter=brief&q=Ferry&x=1")];
        let answer = house.submit_as(&ann, &to("take"), &which).await;
        assert_eq!(answer.header("location"), format!("/desk/inbox?newsletter=brief&q=Ferry#a{ferry}"));
        assert_eq!(house.holds(issue).await, ["Storm"]);
        house.submit_as(&ann, &to("put"), &which).await;
        assert_eq!(house.holds(issue).await, ["Storm", "Ferry"]);
        // Held, it is in no issue and cannot go into one; released, it waits.
        house.submit_as(&ann, &to("hold"), &[]).await;
        assert_eq!(house.holds(issue).await, ["Storm"]);
        assert_eq!(house.submit_as(&ann, &to("put"), &which).await.status, 422);
        house.submit_as(&ann, &to("release"), &[]).await;
        house.fill().await;
        assert_eq!(house.holds(issue).await, ["Storm"]);
        house.submit_as(&ann, &to("pin"), &[]).await;
        assert_eq!(house.holds(issue).await, ["Ferry", "Storm"]);
        let inbox = house.get_as(&ann, "/desk/inbox").await.body;
        assert!(inbox.contains("in tomorrow’s issue") && inbox.contains(">pinned<"), "{inbox}");
        let audit = audit(&house).await;
        for action in ["article.hold", "article.release", "article.pin", "issue.edit"] {
            assert!(audit.contains(&action.to_owned()), "{action}: {audit:?}");
        }
        // Not into another newsletter's issue, nor what is no act.
        db::testing::a_newsletter(&house.app.db, "other").await;
        assert_eq!(house.submit_as(&ann, &to("put"), &[("issue", "99")]).await.status, 404);
        assert_eq!(house.submit_as(&ann, &to("burn"), &[]).await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn editors_bring_articles_by_hand_and_by_link() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let by_hand = |title: &'static str, url: &'static str| {
            [
                ("newsletter", "brief"),
                ("kind", "hand"),
                ("title", title),
                ("url", url),
                ("summary", "In short."),
                ("topic", "sport"),
            ]
        };
        let answer = house.submit_as(&ann, "/desk/inbox", &by_hand("A column", "")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(house.holds(issue).await, ["A column"]);
        let inbox = house.get_as(&ann, "/desk/inbox?newsletter=brief&topic=sport").await.body;
        assert!(inbox.contains("A column") && inbox.contains("In short."), "{inbox}");
        assert!(!house.get_as(&ann, "/desk/inbox?topic=world").await.body.contains("A column"));
        // What is wrong stands beside its field, with what was typed.
        for (fields, problem, kept) in [
            (by_hand(" ", ""), "title-problem", "In short."),
            (by_hand("Kept", "javascript:alert(1)"), "url-problem", "value=\"Kept\""),
        ] {
            let answer = house.submit_as(&ann, "/desk/inbox", &fields).await;
            assert_eq!(answer.status, 422);
            assert!(
                answer.body.contains(problem) && answer.body.contains(kept),
                "{problem}: {}",
                answer.body
            );
        }
        // Loopback is not fetched unless the settings say so.
        for link in ["", "not a link", &format!("{}/", house.base)] {
            let fields = [("newsletter", "brief"), ("kind", "link"), ("link", link)];
            let answer = house.submit_as(&ann, "/desk/inbox", &fields).await;
            assert_eq!(answer.status, 422, "{link}");
            assert!(answer.body.contains("id=\"link-problem\""), "{link}: {}", answer.body);
            let is_said = answer.body.contains("“not a link” is not a link: write the whole address");
            assert_eq!(is_said, link == "not a link", "{}", answer.body);
        }
        assert_eq!(house.holds(issue).await, ["A column"]);
        house.close().await;
    }
}

#[tokio::test]
async fn tellings_of_one_story_are_folded_under_the_first() {
    for house in houses().await {
        house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry sinks off Crete", &[]).await;
        let mut tx = house.app.db.begin().await.unwrap();
        let found =
            FoundArticle { title: "Ferry sinks off Crete, again".to_owned(), ..FoundArticle::default() };
        let place = Place {
            newsletter_id: house.brief,
            source_id: None,
            topics: TopicSet::from_bits(2),
            story_id: Some(ferry),
            fresh_at: house.app.clock.now(),
        };
        let other =
            db::articles::insert(&mut tx, &found, place, &[], house.app.clock.now()).await.unwrap().unwrap();
        db::commit(tx).await.unwrap();
        let inbox = house.get_as(&ann, "/desk/inbox").await.body;
        assert!(inbox.contains("Same story: 1 more") && inbox.contains("again"), "{inbox}");
        assert!(!inbox.contains(&format!("id=\"a{other}\"")));
        // A story is found by any of its tellings.
        assert!(
            house.get_as(&ann, "/desk/inbox?topic=sport").await.body.contains(&format!("id=\"a{ferry}\""))
        );
        assert!(house.get_as(&ann, "/desk/inbox?q=AGAIN").await.body.contains(&format!("id=\"a{ferry}\"")));
        assert!(house.get_as(&ann, "/desk/inbox?q=%25").await.body.contains("Nothing fits"));
        house.submit_as(&ann, &format!("/desk/inbox/{other}/part"), &[]).await;
        let inbox = house.get_as(&ann, "/desk/inbox").await.body;
        assert!(inbox.contains(&format!("id=\"a{other}\"")) && !inbox.contains("Same story"), "{inbox}");
        // It can be undone, and nothing else be made of it.
        let join = async |id: i64, story: i64| {
            house.submit_as(&ann, &format!("/desk/inbox/{id}/join-{story}"), &[]).await.status.as_u16()
        };
        assert_eq!(join(other, ferry).await, 303);
        assert!(house.get_as(&ann, "/desk/inbox").await.body.contains("Same story: 1 more"));
        for (id, story, status) in [(ferry, other, 422), (ferry, ferry, 422), (other, 999, 404)] {
            assert_eq!(join(id, story).await, status, "{id} into {story}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn the_inbox_is_read_page_by_page() {
    for house in houses().await {
        house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Viewer).await;
        assert!(house.get_as(&ann, "/desk/inbox").await.body.contains("No article yet"));
        let mut tx = house.app.db.begin().await.unwrap();
        for index in 0..45 {
            let found = FoundArticle { title: format!("Story {index:02}"), ..FoundArticle::default() };
            let place = Place {
                newsletter_id: house.brief,
                source_id: None,
                topics: TopicSet::EMPTY,
                story_id: None,
                fresh_at: Timestamp::from_millis(index / 2),
            };
            db::articles::insert(&mut tx, &found, place, &[], Timestamp::from_millis(0)).await.unwrap();
        }
        db::commit(tx).await.unwrap();
        let first = house.get_as(&ann, "/desk/inbox").await.body;
        assert!(
            first.contains("Story 44") && first.contains("Story 15") && !first.contains("Story 14"),
            "{first}"
        );
        let next = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let second = house.get_as(&ann, &super::desk::unescape(next)).await.body;
        assert!(second.contains("Story 14") && second.contains("Story 00") && !second.contains("Story 15"));
        assert_eq!(house.get_as(&ann, "/desk/inbox?newsletter=none").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn issues_are_named_by_their_schedule_where_there_are_several_and_lists_name_their_zone() {
    for house in houses().await {
        house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.article("Ferry", &[]).await;
        let inbox = house.get_as(&ann, "/desk/inbox").await.body;
        assert!(inbox.contains(">in tomorrow’s issue</a>") && inbox.contains("Times in UTC."), "{inbox}");
        assert!(!inbox.contains("is filling: what comes waits here"), "{inbox}");
        let (actor, zone) = (Actor::command_line(), Some("Europe/Paris"));
        set_up::add_schedule(&house.app, &actor, "brief", Some("weekly"), "8:00", zone, "sun").await.unwrap();
        house.fill().await;
        let inbox = house.get_as(&ann, "/desk/inbox").await.body;
        for schedule in ["daily", "weekly"] {
            let words = format!(">in tomorrow’s issue ({schedule})</a>");
            assert_eq!(inbox.matches(&words).count(), 1, "{words}: {inbox}");
        }
        let issues = house.get_as(&ann, "/desk/issues").await.body;
        for words in [">Morning Brief (daily)</a>", ">Morning Brief (weekly)</a>", "Times in Europe/Paris."] {
            assert!(issues.contains(words), "{words}: {issues}");
        }
        // Without an issue that fills, the inbox says where what comes goes.
        a_newsletter(&house.app.db, "other").await;
        let inbox = house.get_as(&ann, "/desk/inbox?newsletter=other").await.body;
        assert!(inbox.contains("No issue of other is filling: what comes waits here."), "{inbox}");
        house.close().await;
    }
}

async fn audit(house: &House) -> Vec<String> {
    db::testing::audited(&house.app.db).await
}
