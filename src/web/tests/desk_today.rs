//! Today's words, by a clock that is set.

use super::*;
use crate::db;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{compose, editors, newsletters as set_up, schedules};

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
async fn today_promises_nothing_that_waits_for_an_editor() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.subscribe("one@example.org").await;
        house.daily().await;
        house.article("Ferry", &[]).await;
        let says = "and goes to 1 reader at 07:00 Europe/Paris";
        for (rule, once) in [
            ("automatic", "."),
            ("required", ", once an editor approves it."),
            ("unless-held", ", unless an editor holds it."),
        ] {
            let settings = [format!("approval={rule}")];
            set_up::set(&house.app, &Actor::command_line(), "brief", &settings).await.unwrap();
            let today = counted(&house, &ann, "1 reader").await;
            assert!(today.contains(&format!("freezes at 06:30 {says}{once}")), "{rule}: {today}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn today_says_why_nobody_gets_an_issue() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.subscribe("one@example.org").await;
        house.daily().await;
        let empty = house.get_as(&ann, "/desk").await.body;
        // It has no article: that is nobody's choice of topics, and not the number of its readers.
        assert!(empty.contains("freezes at 06:30; its time is 07:00 Europe/Paris."), "{empty}");
        assert!(!empty.contains("on their topics") && !empty.contains("0 readers"), "{empty}");
        let send = house.get_as(&ann, &format!("/desk/issues/{}/send", house.fill().await)).await.body;
        assert!(send.contains("No article is in it") && !send.contains("Others get nothing"), "{send}");
        let (actor, zone) = (Actor::command_line(), Some("Europe/Paris"));
        set_up::add_schedule(&house.app, &actor, "brief", Some("weekly"), "8:00", zone, "sun").await.unwrap();
        house.article("Ferry", &[]).await;
        let today = counted(&house, &ann, "0 readers").await;
        let needs = today.split("id=\"needs\"").nth(1).unwrap();
        assert!(needs.contains("It goes to nobody: no reader of Morning Brief follows “weekly”."), "{needs}");
        assert_eq!(needs.matches("It goes to nobody").count(), 1, "{needs}");
        house.close().await;
    }
}

#[tokio::test]
async fn today_tells_the_last_issue_of_each_schedule() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let daily = house.daily().await;
        let (actor, zone) = (Actor::command_line(), Some("Europe/Paris"));
        set_up::add_schedule(&house.app, &actor, "brief", Some("weekly"), "7:00", zone, "sun").await.unwrap();
        house.fill().await;
        let mut conn = house.app.db.conn().await.unwrap();
        let drafts = db::issues::drafts_of(&mut conn, house.brief).await.unwrap();
        drop(conn);
        let weekly = drafts.iter().find(|draft| draft.id != daily).unwrap().id;
        for id in [daily, weekly] {
            editors::cancel(&house.app, id).await.unwrap();
        }
        let today = house.get_as(&ann, "/desk").await.body;
        for (id, name) in [(daily, "daily"), (weekly, "weekly")] {
            let last = format!("Last: <a href=\"/desk/issues/{id}\">Tomorrow’s Morning Brief ({name})</a>.");
            assert!(today.contains(&last), "{last}: {today}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_day_is_that_of_the_zone_where_the_issue_goes_out() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let (actor, zone) = (Actor::command_line(), Some("America/Montreal"));
        house.daily().await;
        set_up::add_schedule(&house.app, &actor, "brief", Some("west"), "6:30", zone, "daily").await.unwrap();
        // Early in the morning in Paris it is the evening before in Montreal.
        house.app.clock.set(Timestamp::parse("2026-11-23T03:12:00Z").unwrap());
        house.fill().await;
        let mut conn = house.app.db.conn().await.unwrap();
        let id = db::issues::drafts_of(&mut conn, house.brief).await.unwrap().pop().unwrap().id;
        drop(conn);
        let own = "tomorrow at 06:30";
        for (path, words) in [
            ("/desk".to_owned(), "Tomorrow’s <em>Morning Brief</em> (west)".to_owned()),
            ("/desk".to_owned(), "06:30 America/Montreal on 23 November".to_owned()),
            ("/desk/issues".to_owned(), format!("{own} America/Montreal (23 November)")),
            (format!("/desk/issues/{id}"), format!("{own} (America/Montreal, 23 November)")),
            ("/desk/calendar".to_owned(), "06:30 America/Montreal (23 November)".to_owned()),
        ] {
            let page = house.get_as(&ann, &path).await.body;
            assert!(page.contains(&words), "{path}: {words}: {page}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn another_time_of_a_schedule_is_its_issues_at_once() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let id = house.daily().await;
        let mut conn = house.app.db.conn().await.unwrap();
        let newsletter = db::newsletters::get(&mut conn, house.brief).await.unwrap().unwrap();
        let schedule = db::newsletters::schedules_of(&mut conn, house.brief).await.unwrap().remove(0);
        drop(conn);
        let slots = Slots { at: TimeOfDay::parse("9:15").unwrap(), ..schedule.slots };
        let actor = Actor::command_line();
        schedules::change(&house.app, &actor, &newsletter, schedule.id, slots).await.unwrap();
        for path in ["/desk".to_owned(), format!("/desk/issues/{id}/send")] {
            let page = house.get_as(&ann, &path).await.body;
            assert!(page.contains("09:15") && !page.contains("07:00"), "{path}: {page}");
        }
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
