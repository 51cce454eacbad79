//! What goes out is what its editor saw, whenever it was made; and what a page says of it is so.

use std::collections::BTreeMap;

use super::*;
use crate::db::tallies;
use crate::domain::composition::Field;
use crate::domain::delivery::DeliveryState;
use crate::pipeline::accounts::Actor;
use crate::pipeline::composing::{self, Act};
use crate::pipeline::newsletters::set;
use crate::render::Texts;

const DAY: i64 = 24 * HOUR;

impl House {
    /// An issue of a newsletter without a schedule, made now.
    async fn unscheduled(&self, story: &str) -> Issue {
        self.story(story, &[], |_| {}).await;
        editors::filling(&self.app, "brief", None).await.unwrap()
    }

    async fn titles(&self, id: i64) -> Vec<String> {
        let mut conn = self.app.db.conn().await.unwrap();
        let content = issues::content(&mut conn, id).await.unwrap().expect("it is frozen");
        content.articles.into_iter().map(|article| article.headline).collect()
    }

    async fn page_of(&self, person: &Person, id: i64, page: &str) -> String {
        let answer = self.get_as(person, &format!("/desk/issues/{id}/{page}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }
}

#[tokio::test]
async fn an_issue_without_a_schedule_goes_out_however_long_ago_it_was_made() {
    for (house, mailbox) in with_relay().await {
        house.reader("ann@example.org", &[]).await;
        // Approved four days later.
        let first = house.unscheduled("Harbour").await;
        house.pass(4 * DAY);
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = house.page_of(&ed, first.id, "send").await;
        assert!(page.contains("It goes to 1 reader as soon as you approve it."), "{page}");
        assert!(!page.contains("Hold this issue"), "it goes nowhere by itself");
        assert_eq!(house.press(&ed, first.id, "approve").await.status, 303);
        house.beat().await;
        house.deliver().await;
        let sent = house.issue(first.id).await;
        assert_eq!((sent.state, sent.slot_at), (IssueState::Sent, house.app.clock.now()));
        assert_eq!(sent.slot_date.to_string(), "2026-11-25");
        assert_eq!(mailbox.addressed_to("ann@example.org").len(), 1);

        // Sent four days later, once taken back: that holds nothing.
        let second = house.unscheduled("Market").await;
        house.pass(4 * DAY);
        let ed = house.sign_in("eve@example.org", Role::Editor).await;
        assert_eq!(house.press(&ed, second.id, "now").await.status, 303);
        house.pass(5 * SECOND);
        assert_eq!(house.press(&ed, second.id, "undo").await.status, 303);
        assert_eq!(house.issue(second.id).await, second, "it is as it was before");
        assert_eq!(house.press(&ed, second.id, "now").await.status, 303);
        house.pass(30 * SECOND);
        house.beat().await;
        house.deliver().await;
        assert_eq!(house.issue(second.id).await.state, IssueState::Sent);
        assert_eq!(mailbox.addressed_to("ann@example.org").len(), 2);
        house.close().await;
    }
}

#[tokio::test]
async fn who_lets_an_issue_go_that_changed_since_is_told_what_changed() {
    for house in houses().await {
        let draft = house.draft().await;
        let id = draft.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{id}/send");
        let act = async |page: &str, name: &str| {
            house.submit_as(&ed, &path, &[("do", name), ("saw", saw(page))]).await
        };
        let refused = async |page: &str, name: &str, part: &str| {
            let answer = act(page, name).await;
            assert_eq!(answer.status, 422, "{name}");
            assert!(answer.body.contains(part), "{part}: {}", answer.body);
            assert_eq!(house.issue(id).await.state, IssueState::Draft);
        };
        let page = house.page_of(&ed, id, "send").await;
        house.story("Tide", &[], |_| {}).await;
        compose::compose(&house.app).await.unwrap();
        refused(&page, "approve", "“Tide” came in").await;
        refused(&page, "now", "“Tide” came in").await;
        let page = house.page_of(&ed, id, "send").await;
        let by = composing::By::CommandLine;
        let words = BTreeMap::from([(Field::Subject, "Good morning".to_owned())]);
        composing::write_words(&house.app, by, id, &words).await.unwrap();
        refused(&page, "approve", "the command line: ").await;
        // What keeps it back depends on nothing that it holds.
        assert_eq!(act(&page, "hold").await.status, 303);
        refused_as_held(&house, &ed, id, &page).await;

        // What has come, and nobody saw in it, stays out.
        let page = house.page_of(&ed, id, "send").await;
        house.story("Unseen", &[], |_| {}).await;
        assert_eq!(act(&page, "approve").await.status, 303);
        let titles = house.titles(id).await;
        assert!(titles.len() == 3 && !titles.contains(&"Unseen".to_owned()), "{titles:?}");

        // Another time is a change, too.
        let page = house.page_of(&ed, id, "send").await;
        let mut tx = house.app.db.begin().await.unwrap();
        issues::move_slot(&mut tx, id, draft.slot_at.plus_millis(HOUR)).await.unwrap();
        tx.commit().await.unwrap();
        let late = act(&page, "now").await;
        assert!(late.status == 422 && late.body.contains("its time is another"), "{}", late.body);
        house.close().await;
    }
}

async fn refused_as_held(house: &House, ed: &Person, id: i64, page: &str) {
    let fields = [("do", "approve"), ("saw", saw(page))];
    let late = house.submit_as(ed, &format!("/desk/issues/{id}/send"), &fields).await;
    assert_eq!(late.status, 422);
    assert!(late.body.contains("it was filling, and is held"), "{}", late.body);
}

#[tokio::test]
async fn nothing_changes_in_the_half_minute_before_an_issue_goes_out() {
    for house in houses().await {
        let draft = house.draft().await;
        let (app, id, by) = (&house.app, draft.id, composing::By::CommandLine);
        let ids: Vec<i64> = {
            let mut conn = app.db.conn().await.unwrap();
            let articles = crate::db::articles::of_issue(&mut conn, id).await.unwrap();
            articles.iter().map(|article| article.id).collect()
        };
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        composing::put(app, by, id, Act::TakeOut(ids[0])).await.unwrap();
        house.press(&ed, id, "now").await;
        let refused = |done: Result<(), crate::pipeline::Error>| {
            let why = done.expect_err("it is about to go out").to_string();
            assert!(why.contains("take it back first"), "{why}");
        };
        refused(composing::put(app, by, id, Act::Put(ids[0])).await.map(drop));
        refused(composing::undo(app, by, id, 1, None).await.map(drop));
        refused(composing::write_words(app, by, id, &BTreeMap::new()).await);
        refused(composing::flag(app, by, ids[1], Some(true), None).await.map(drop));
        // Another article may be pinned; it does not go into this issue.
        composing::flag(app, by, ids[0], None, Some(true)).await.unwrap();
        let there = crate::db::articles::of_issue(&mut app.db.conn().await.unwrap(), id).await.unwrap();
        assert_eq!(there.iter().map(|article| article.id).collect::<Vec<_>>(), ids[1..]);
        assert_eq!(house.press(&ed, id, "undo").await.status, 303);
        composing::put(app, by, id, Act::Put(ids[0])).await.unwrap();

        // One that nobody has touched is not filled again either.
        composing::put(app, by, id, Act::FillAgain).await.unwrap();
        house.press(&ed, id, "now").await;
        let found = articles::by_hand(ByHand { title: "Late".to_owned(), ..ByHand::default() }).unwrap();
        let newsletter = {
            let mut conn = app.db.conn().await.unwrap();
            newsletters::get(&mut conn, house.brief).await.unwrap().unwrap()
        };
        composing::add(app, by, &newsletter, &found, &[]).await.unwrap();
        house.pass(30 * SECOND);
        house.beat().await;
        let titles = house.titles(id).await;
        assert!(titles.len() == 2 && !titles.contains(&"Late".to_owned()), "{titles:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn going_on_counts_whom_the_relay_refused_and_shows_their_addresses_to_nobody() {
    for house in houses().await {
        let draft = house.draft().await;
        let id = draft.id;
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        let now = house.app.clock.now();
        let mut conn = house.app.db.conn().await.unwrap();
        let claimed = deliveries::claim(&mut conn, id, "test", now, 10, None).await.unwrap();
        let refused = claimed.iter().map(|(_, id)| deliveries::Record {
            id: *id,
            state: DeliveryState::Failed,
            reason: Some("our_fault".to_owned()),
            detail: Some("550 5.7.1 <ann@example.org>: sender refused".to_owned()),
            not_before: None,
            attempted: true,
        });
        deliveries::record(&mut conn, "test", &refused.collect::<Vec<_>>(), now).await.unwrap();
        drop(conn);
        finish(&house.app).await.unwrap();
        assert_eq!(house.issue(id).await.state, IssueState::Paused);
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = house.page_of(&ed, id, "send").await;
        for part in ["0 readers have it; 2 wait.", "Go on with 2 readers", "Cancel for 2 readers"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let mut pages = vec![house.get_as(&viewer, "/desk").await.body];
        for page in ["live", "results", "preview"] {
            pages.push(house.page_of(&viewer, id, page).await);
        }
        for page in &pages {
            assert!(!page.contains("ann@example.org"), "{page}");
        }
        assert!(pages[1].contains("the relay refuses every message: 550 5.7.1 … sender refused"));
        house.close().await;
    }
}

#[tokio::test]
async fn who_holds_an_issue_is_told_until_when_it_can_still_go_out() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let until = "and is skipped for good if nobody does until tomorrow at 10:00 (Europe/Paris)";
        assert!(house.page_of(&ed, draft.id, "send").await.contains(until));
        house.press(&ed, draft.id, "hold").await;
        assert!(house.page_of(&ed, draft.id, "preview").await.contains(until));

        // No grace at all would skip what is late by a second.
        let grace = async |minutes: &str| {
            set(&house.app, &Actor::command_line(), "brief", &[format!("grace-minutes={minutes}")]).await
        };
        assert!(grace("0").await.unwrap_err().to_string().contains('5'));
        grace("5").await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let mut newsletter = newsletters::get(&mut conn, house.brief).await.unwrap().unwrap();
        newsletter.rules.grace_minutes = 0;
        newsletters::update(&mut conn, &newsletter).await.unwrap();
        drop(conn);
        house.press(&ed, draft.id, "now").await;
        house.pass(31 * SECOND);
        house.beat().await;
        assert_eq!(house.issue(draft.id).await.state, IssueState::Sending);
        house.close().await;
    }
}

#[tokio::test]
async fn the_live_page_waits_for_the_start_and_follows_to_the_last_message() {
    for (house, _mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = house.page_of(&ed, id, "live").await;
        for part in ["has not started", "data-waits", "data-events", "live.js", "http-equiv=\"refresh\""] {
            assert!(page.contains(part), "{part}: {page}");
        }
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        editors::cancel(&house.app, id).await.unwrap();
        // Who looks within a second of another sees what they saw.
        let a_second = std::time::Duration::from_millis(1200);
        tokio::time::sleep(a_second).await;
        let page = house.page_of(&ed, id, "live").await;
        assert!(
            page.contains("0 of 2 readers had it") && page.contains("data-events"),
            "it is not over: {page}"
        );
        finish(&house.app).await.unwrap();
        house.pass(SECOND);
        tokio::time::sleep(a_second).await;
        let page = house.page_of(&ed, id, "live").await;
        assert!(page.contains("0 of 2 readers had it") && !page.contains("data-events"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_that_has_ended_is_counted_once_and_again_after_some_minutes() {
    for (house, _mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        house.page_of(&ed, id, "results").await;
        house.deliver().await;
        let first = house.app.clock.now();
        house.pass(SECOND);
        let counted = async || {
            let mut conn = house.app.db.conn().await.unwrap();
            tallies::get(&mut conn, id, tallies::Kind::Results).await.unwrap().map(|tally| tally.at)
        };
        for page in ["results", "live", "results"] {
            house.page_of(&ed, id, page).await;
            assert_eq!(counted().await, Some(first), "{page}");
            house.pass(SECOND);
        }
        // A bounce comes back.
        let mut conn = house.app.db.conn().await.unwrap();
        sqlx::query(
            "UPDATE deliveries SET state = 'failed', reason = 'bad_address' WHERE subscription_id = 1",
        )
        .execute(&mut *conn)
        .await
        .unwrap();
        drop(conn);
        assert!(house.page_of(&ed, id, "results").await.contains("100 %"));
        house.pass(6 * 60 * SECOND);
        // An old count is shown while it is counted anew: no page waits for a million rows.
        assert!(house.page_of(&ed, id, "results").await.contains("100 %"));
        while counted().await == Some(first) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let page = house.page_of(&ed, id, "results").await;
        assert!(page.contains("50.0 %") && page.contains("bounced: the address does not exist"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_mail_stands_beside_the_buttons_that_send_it() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = house.page_of(&ed, draft.id, "send").await;
        assert!(page.contains("Nobody has looked yet whether its links answer."), "{page}");
        assert!(page.contains("could be better") && !page.contains("Put right before it goes out"), "{page}");
        let nothing = Texts::from([("digest/body.txt.hbs".to_owned(), " ".to_owned())]);
        house.app.renderer.take(&nothing, 1);
        let page = house.page_of(&ed, draft.id, "send").await;
        for part in ["Put right before it goes out", "Text part", "readers without HTML see nothing"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        house.app.renderer.take(&Texts::new(), 0);
        house.close().await;
    }
}
