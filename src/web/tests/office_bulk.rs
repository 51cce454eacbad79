//! Changing everybody whom a filter finds, and taking it back.

use super::*;
use crate::db::bulk::BulkState;
use crate::db::{bulk as store, suppressions, tags};
use crate::domain::subscription::SubscriptionEvent;
use crate::pipeline::bulk;

/// More than two steps.
const PEOPLE: i64 = 1100;

async fn people(house: &House) {
    let now = house.app.clock.now();
    let mut tx = house.app.db.begin().await.unwrap();
    for n in 0..PEOPLE {
        let email = EmailAddress::parse(&format!("r{n}@example.org")).unwrap();
        let person = subscribers::ensure(&mut tx, &house.app.key, &email, now).await.unwrap();
        let id = subscriptions::enter(&mut tx, house.brief, person.id, SubscriptionEvent::Import, now);
        let id = id.await.unwrap().now.id;
        if n < 100 {
            subscriptions::apply(&mut tx, id, SubscriptionEvent::Leave, Some("link"), now).await.unwrap();
        }
    }
    crate::db::commit(tx).await.unwrap();
}

/// Asks for it as the page does, and waits for its end.
async fn change(house: &House, by: &Person, filter: &str, kind: &str, object: &str) -> store::BulkAction {
    let fields = [("filter", filter), ("kind", kind), ("object", object)];
    let begun = house.submit_as(by, "/office/bulk", &fields).await;
    assert_eq!(begun.status, 303, "{}", begun.body);
    let id = begun.header("location").rsplit('/').next().unwrap().parse().unwrap();
    until(house, id, BulkState::Done).await
}

async fn until(house: &House, id: i64, state: BulkState) -> store::BulkAction {
    for _ in 0..2000 {
        let action = store::get(&mut house.app.db.conn().await.unwrap(), id).await.unwrap().unwrap();
        if action.state == state {
            return action;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("action {id} never came to {state:?}");
}

async fn count(house: &House, query: &str) -> u64 {
    let now = house.app.clock.now();
    let wanted = crate::pipeline::directory::kept(&house.app, query, now).await.unwrap();
    let mut conn = house.app.db.conn().await.unwrap();
    let patience = std::time::Duration::from_secs(60);
    crate::db::directory::count(&mut conn, &wanted.filter, u64::MAX - 1, patience).await.unwrap().people
}

#[tokio::test]
async fn everybody_found_is_changed_in_steps_and_put_back_within_the_hour() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let words = "/office/bulk?kind=unsubscribe&deed_newsletter=brief&filter=newsletter%3Dbrief";
        let first = house.get_as(&ann, words).await;
        assert!(first.body.contains("End the subscription to brief of 1,100 people"), "{}", first.body);
        assert_eq!(count(&house, "state=active").await, 1000, "looking changes nothing");

        // Who had left before is not brought back by undoing.
        let done = change(&house, &ann, "newsletter=brief", "unsubscribe", "brief").await;
        assert_eq!(done.changed, 1000);
        assert_eq!(count(&house, "state=unsubscribed").await, 1100);
        let page = house.get_as(&ann, &format!("/office/bulk/{}", done.id)).await;
        assert!(page.body.contains("Undo for 1,000 people"), "{}", page.body);
        // Two who come back and leave by themselves meanwhile stay as they chose.
        let stored = house.stored("r500@example.org").await.remove(0);
        let mut tx = house.app.db.begin().await.unwrap();
        let (id, now) = (stored.subscription.id, house.app.clock.now());
        subscriptions::apply(&mut tx, id, SubscriptionEvent::SignUp, None, now).await.unwrap();
        subscriptions::apply(&mut tx, id, SubscriptionEvent::Confirm, None, now).await.unwrap();
        subscriptions::apply(&mut tx, id, SubscriptionEvent::Leave, Some("link"), now).await.unwrap();
        crate::db::commit(tx).await.unwrap();
        let undo = format!("/office/bulk/{}/undo", done.id);
        assert_eq!(house.submit_as(&ann, &undo, &[]).await.status, 303);
        until(&house, done.id, BulkState::Undone).await;
        assert_eq!(house.submit_as(&ann, &undo, &[]).await.status, 303, "pressed twice");
        assert_eq!(count(&house, "state=active").await, 999);
        assert_eq!(house.statuses("r500@example.org").await, ["unsubscribed"]);
        assert_eq!(house.stored("r7@example.org").await[0].left_reason.as_deref(), Some("link"));
        let lines = house.lines_of_audit().await.join("\n");
        assert!(
            lines.contains("subscribers.change done: action 1: End the subscription to brief of"),
            "{lines}"
        );
        assert!(lines.contains("subscribers.change.undo"), "{lines}");
        house.close().await;
    }
}

#[tokio::test]
async fn tags_and_suppressions_of_many_are_put_back_as_they_were() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let (vip, own) = {
            let mut conn = house.app.db.conn().await.unwrap();
            let vip = tags::ensure(&mut conn, "vip", house.app.clock.now()).await.unwrap();
            tags::put(&mut conn, vip.id, &[1100]).await.unwrap();
            (vip, EmailAddress::parse("r1099@example.org").unwrap())
        };
        let tagged = change(&house, &ann, "q=r10", "tag", "VIP").await;
        // r10, r100 to r109, r1000 to r1099, but for the one who had it.
        assert_eq!((tagged.changed, count(&house, "tag=vip").await), (110, 111));
        let page = house.get_as(&ann, "/office/subscribers?tag=vip").await;
        assert!(page.body.contains("111 people found"), "{}", page.body);
        assert_eq!(house.submit_as(&ann, &format!("/office/bulk/{}/undo", tagged.id), &[]).await.status, 303);
        until(&house, tagged.id, BulkState::Undone).await;
        assert_eq!(count(&house, "tag=vip").await, 1);
        let untagged = change(&house, &ann, "", "untag", "vip").await;
        assert_eq!((untagged.changed, count(&house, "tag=vip").await), (1, 0));
        bulk::undo(&house.app, untagged.id).await.unwrap();
        bulk::finish(&house.app, untagged.id).await.unwrap();
        assert_eq!(count(&house, "tag=vip").await, 1);
        assert_eq!(vip.name, "vip");

        crate::pipeline::people::suppress(&house.app, &own, "by hand").await.unwrap();
        let suppressed = change(&house, &ann, "q=r10", "suppress", "").await;
        assert_eq!((suppressed.changed, count(&house, "state=suppressed").await), (110, 111));
        bulk::undo(&house.app, suppressed.id).await.unwrap();
        bulk::finish(&house.app, suppressed.id).await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let kept = suppressions::find(&mut conn, &house.app.key, &own).await.unwrap().unwrap();
        assert_eq!(kept.detail, "by hand");
        drop(conn);
        assert_eq!(count(&house, "state=suppressed").await, 1);
        house.close().await;
    }
}

#[tokio::test]
async fn an_action_that_died_goes_on_where_it_stopped_and_ends_after_its_hour() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let asked = crate::pipeline::directory::Asked::default();
        let deed = bulk::Deed { kind: store::BulkKind::Tag, object: "all".to_owned() };
        let (id, _) = bulk::begin(&house.app, &asked, &deed, "ann@example.org").await.unwrap();
        assert!(bulk::step(&house.app, id).await.unwrap());
        let half = store::get(&mut house.app.db.conn().await.unwrap(), id).await.unwrap().unwrap();
        assert_eq!((half.changed, half.state), (500, BulkState::Running));
        let path = format!("/office/bulk/{id}");
        assert_eq!(house.get_as(&ann, &path).await.header("refresh"), "2");
        house.pass(60_000);
        let page = house.get_as(&ann, &path).await;
        assert!(page.header("refresh").is_empty() && page.body.contains("Go on where it stopped"));
        assert_eq!(house.submit_as(&ann, &format!("{path}/go-on"), &[]).await.status, 303);
        assert_eq!(until(&house, id, BulkState::Done).await.changed, 1100);
        house.pass(HOUR);
        assert!(!house.get_as(&ann, &path).await.body.contains("Undo for"));
        assert_eq!(house.submit_as(&ann, &format!("{path}/undo"), &[]).await.status, 422);
        bulk::forget(&house.app).await.unwrap();
        let noted = store::noted(&mut house.app.db.conn().await.unwrap(), id, 10).await.unwrap();
        assert_eq!(noted, Vec::<i64>::new());
        assert_eq!(count(&house, "tag=all").await, 1100);

        let (id, _) = bulk::begin(&house.app, &asked, &deed, "ann@example.org").await.unwrap();
        let stop = house.submit_as(&ann, &format!("/office/bulk/{id}/stop"), &[]).await;
        assert_eq!(stop.status, 303);
        assert_eq!(until(&house, id, BulkState::Done).await.changed, 0);
        for (kind, object) in
            [("tag", ""), ("unsubscribe", "none"), ("dance", ""), ("untag", "nobody has it")]
        {
            let fields = [("kind", kind), ("object", object)];
            let refused = house.submit_as(&ann, "/office/bulk", &fields).await.status;
            assert!(refused == 422 || refused == 404, "{kind} {object}: {refused}");
        }
        house.close().await;
    }
}
