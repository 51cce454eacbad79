//! Changing everybody whom a filter finds, and taking it back.

use super::*;
use crate::db::bulk::BulkState;
use crate::db::{bulk as store, suppressions, tags};
use crate::domain::subscription::SubscriptionEvent;
use crate::pipeline::accounts::Actor;
use crate::pipeline::bulk;

fn by() -> Actor {
    Actor::command_line()
}

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
        bulk::undo(&house.app, &by(), untagged.id).await.unwrap();
        bulk::finish(&house.app, untagged.id).await.unwrap();
        assert_eq!(count(&house, "tag=vip").await, 1);
        assert_eq!(vip.name, "vip");

        crate::pipeline::people::suppress(&house.app, &by(), &own, "by hand").await.unwrap();
        let suppressed = change(&house, &ann, "q=r10", "suppress", "").await;
        assert_eq!((suppressed.changed, count(&house, "state=suppressed").await), (110, 111));
        bulk::undo(&house.app, &by(), suppressed.id).await.unwrap();
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
        let id = bulk::begin(&house.app, &by(), &asked, &deed).await.unwrap();
        assert!(bulk::step(&house.app, id).await.unwrap());
        let half = store::get(&mut house.app.db.conn().await.unwrap(), id).await.unwrap().unwrap();
        assert_eq!((half.changed, half.state), (500, BulkState::Running));
        let path = format!("/office/bulk/{id}");
        assert_eq!(house.get_as(&ann, &path).await.header("refresh"), "2");
        house.pass(60_000);
        let page = house.get_as(&ann, &path).await;
        assert!(page.header("refresh") == "10" && page.body.contains("Go on where it stopped"));
        assert_eq!(house.submit_as(&ann, &format!("{path}/go-on"), &[]).await.status, 303);
        assert_eq!(until(&house, id, BulkState::Done).await.changed, 1100);
        house.pass(HOUR);
        assert!(!house.get_as(&ann, &path).await.body.contains("Undo for"));
        assert_eq!(house.submit_as(&ann, &format!("{path}/undo"), &[]).await.status, 422);
        bulk::forget(&house.app).await.unwrap();
        let noted = store::noted(&mut house.app.db.conn().await.unwrap(), id, 10).await.unwrap();
        assert_eq!(noted, Vec::<i64>::new());
        assert_eq!(count(&house, "tag=all").await, 1100);

        let id = bulk::begin(&house.app, &by(), &asked, &deed).await.unwrap();
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

#[tokio::test]
async fn a_change_that_was_stopped_says_so_and_how_many_it_left() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let asked = crate::pipeline::directory::Asked::default();
        let deed = bulk::Deed { kind: store::BulkKind::Tag, object: "all".to_owned() };
        let id = bulk::begin(&house.app, &by(), &asked, &deed).await.unwrap();
        assert!(bulk::step(&house.app, id).await.unwrap());
        let path = format!("/office/bulk/{id}");
        assert_eq!(house.submit_as(&ann, &format!("{path}/stop"), &[]).await.status, 303);
        let page = house.get_as(&ann, &path).await.body;
        assert!(page.contains("<h1>Stopped</h1>") && page.contains("500 people</p>"), "{page}");
        assert!(
            page.contains("did not come to 600 people more") && page.contains("Undo for 500 people"),
            "{page}"
        );
        let list = house.get_as(&ann, "/office/bulk").await.body;
        assert!(list.contains("500 people changed, 600 people left as they were"), "{list}");
        assert!(list.contains("<span class=\"state warn\">stopped</span>"), "{list}");
        assert_eq!(house.submit_as(&ann, &format!("{path}/undo"), &[]).await.status, 303);
        until(&house, id, BulkState::Undone).await;
        let page = house.get_as(&ann, &path).await.body;
        assert!(page.contains("<h1>Undone</h1>") && !page.contains("topped"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn who_leaves_after_a_change_to_many_is_not_brought_back_by_its_undo() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let done = change(&house, &ann, "newsletter=brief", "unsubscribe", "brief").await;
        // By the link of an old mail; and as the file of another system says.
        let id = house.stored("r500@example.org").await[0].subscription.id;
        assert_eq!(house.submit(&house.leave_path(id), &[]).await.status, 200);
        let file = b"email,status\nr501@example.org,unsubscribed\nr502@example.org,active\n";
        let request = crate::pipeline::import::Request {
            newsletter: "brief".to_owned(),
            file_name: "left.csv".to_owned(),
            ..Default::default()
        };
        let files = crate::pipeline::import::Files {
            input: Box::new(std::io::Cursor::new(file.to_vec())),
            first_look: None,
            report: None,
            progress: &|_| {},
        };
        crate::pipeline::import::import(&house.app, &request, files).await.unwrap();
        bulk::undo(&house.app, &by(), done.id).await.unwrap();
        bulk::finish(&house.app, done.id).await.unwrap();
        assert_eq!(count(&house, "state=active").await, 998);
        for (email, reason) in [("r500@example.org", "link"), ("r501@example.org", "import left.csv")] {
            let stored = house.stored(email).await.remove(0);
            assert_eq!(stored.subscription.status.as_str(), "unsubscribed", "{email}");
            assert_eq!(stored.left_reason.as_deref(), Some(reason));
        }
        assert_eq!(house.statuses("r502@example.org").await, ["active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_bounce_after_a_change_to_many_outlives_its_undo() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let done = change(&house, &ann, "q=r10", "suppress", "").await;
        let bounced = EmailAddress::parse("r100@example.org").unwrap();
        let by_hand = EmailAddress::parse("r101@example.org").unwrap();
        let (key, now) = (&house.app.key, house.app.clock.now());
        let mut conn = house.app.db.conn().await.unwrap();
        let reason = crate::domain::subscription::SuppressionReason::Bounced;
        suppressions::suppress(&mut conn, key, &bounced, reason, "550 gone", now).await.unwrap();
        drop(conn);
        crate::pipeline::people::suppress(&house.app, &by(), &by_hand, "a court order").await.unwrap();
        bulk::undo(&house.app, &by(), done.id).await.unwrap();
        bulk::finish(&house.app, done.id).await.unwrap();
        assert_eq!(count(&house, "state=suppressed").await, 2);
        let mut conn = house.app.db.conn().await.unwrap();
        for (email, detail) in [(&bounced, "550 gone"), (&by_hand, "a court order")] {
            let kept = suppressions::find(&mut conn, key, email).await.unwrap().unwrap();
            assert_eq!(kept.detail, detail);
        }
        drop(conn);
        house.close().await;
    }
}

#[tokio::test]
async fn the_hourly_step_leaves_an_undo_under_way_its_notes() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let done = change(&house, &ann, "newsletter=brief", "unsubscribe", "brief").await;
        house.pass(HOUR - 1000);
        bulk::undo(&house.app, &by(), done.id).await.unwrap();
        assert!(bulk::step(&house.app, done.id).await.unwrap());
        house.pass(60_000);
        bulk::forget(&house.app).await.unwrap();
        bulk::finish(&house.app, done.id).await.unwrap();
        assert_eq!(count(&house, "state=active").await, 1000);
        house.close().await;
    }
}

#[tokio::test]
async fn a_change_whose_process_died_goes_on_by_itself_and_one_that_failed_says_why() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let empty = house.get_as(&ann, "/office/bulk").await;
        assert!(empty.body.contains("Nothing was changed for many yet"), "{}", empty.body);
        let deed = bulk::Deed { kind: store::BulkKind::Tag, object: "all".to_owned() };
        let id = bulk::begin(&house.app, &by(), &Default::default(), &deed).await.unwrap();
        assert!(bulk::step(&house.app, id).await.unwrap());
        bulk::resume(&house.app).await.unwrap();
        let half = store::get(&mut house.app.db.conn().await.unwrap(), id).await.unwrap().unwrap();
        assert_eq!((half.changed, half.state), (500, BulkState::Running), "it may be alive");
        house.pass(60_000);
        let (now, alive_since) = (house.app.clock.now(), house.app.clock.now().plus_millis(-30_000));
        let mut conn = house.app.db.conn().await.unwrap();
        assert_eq!(store::take_over(&mut conn, alive_since, now).await.unwrap(), Some(id));
        assert_eq!(store::take_over(&mut conn, alive_since, now).await.unwrap(), None, "one takes it");
        drop(conn);
        house.pass(60_000);
        bulk::resume(&house.app).await.unwrap();
        assert_eq!(until(&house, id, BulkState::Done).await.changed, 1100);

        // What it looks for is gone meanwhile.
        let asked = crate::pipeline::directory::Asked { tag: "all".to_owned(), ..Default::default() };
        let id = bulk::begin(&house.app, &by(), &asked, &deed).await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let all = tags::find(&mut conn, "all").await.unwrap().unwrap();
        tags::take(&mut conn, all.id, &(0..=PEOPLE).collect::<Vec<_>>()).await.unwrap();
        sqlx::query("UPDATE tags SET name = 'none'").execute(&mut *conn).await.unwrap();
        drop(conn);
        house.pass(60_000);
        bulk::resume(&house.app).await.unwrap();
        let path = format!("/office/bulk/{id}");
        let page = house.get_as(&ann, &path).await;
        assert!(
            page.body.contains("It stands still: ") && page.header("refresh").is_empty(),
            "{}",
            page.body
        );
        let list = house.get_as(&ann, "/office/bulk").await.body;
        assert!(list.contains(&path) && list.contains("stands still"), "{list}");
        let people = house.get_as(&ann, "/office/subscribers").await.body;
        assert!(people.contains("href=\"/office/bulk\""), "{people}");
        let failed = async || {
            let mut conn = house.app.db.conn().await.unwrap();
            store::get(&mut conn, id).await.unwrap().unwrap().error.is_some()
        };
        assert!(failed().await);
        // It is not tried over and over, but when somebody says so.
        house.pass(60_000);
        bulk::resume(&house.app).await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        sqlx::query("UPDATE tags SET name = 'all'").execute(&mut *conn).await.unwrap();
        drop(conn);
        assert_eq!(house.submit_as(&ann, &format!("{path}/go-on"), &[]).await.status, 303);
        until(&house, id, BulkState::Done).await;
        assert!(!failed().await);
        let lines = house.lines_of_audit().await.join("\n");
        assert!(lines.contains("subscribers.change.go_on"), "{lines}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_tag_that_nobody_has_goes_once_it_cannot_be_given_back() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        change(&house, &ann, "q=r1", "tag", "vip").await;
        let is_there = async || {
            bulk::forget(&house.app).await.unwrap();
            let mut conn = house.app.db.conn().await.unwrap();
            tags::find(&mut conn, "vip").await.unwrap().is_some()
        };
        house.pass(2 * HOUR);
        assert!(is_there().await, "people have it");
        let untagged = change(&house, &ann, "", "untag", "vip").await;
        assert!(is_there().await, "it may be given back");
        bulk::undo(&house.app, &by(), untagged.id).await.unwrap();
        bulk::finish(&house.app, untagged.id).await.unwrap();
        assert!(count(&house, "tag=vip").await > 100);
        change(&house, &ann, "", "untag", "vip").await;
        house.pass(2 * HOUR);
        assert!(!is_there().await);
        house.close().await;
    }
}

/// The fields of a form that asks what would be done with those ticked.
fn ticked(kind: &str, tag: &str, people: &[i64]) -> String {
    let mut form = url::form_urlencoded::Serializer::new("/office/bulk?".to_owned());
    form.append_pair("kind", kind).append_pair("deed_tag", tag).append_pair("deed_newsletter", "brief");
    form.append_pair("filter", "newsletter=brief&q=r1").append_pair("whom", "ticked");
    form.extend_pairs(people.iter().map(|id| ("person", id.to_string())));
    form.finish().replacen("?&", "?", 1)
}

#[tokio::test]
async fn those_who_are_ticked_are_changed_and_nobody_else() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let list = house.get_as(&ann, "/office/subscribers?newsletter=brief").await.body;
        assert_eq!(list.matches("name=\"person\"").count(), 50, "{list}");
        assert_eq!(list.matches("form=\"change\" checked").count(), 0);
        let all = house.get_as(&ann, "/office/subscribers?newsletter=brief&ticked=all").await.body;
        assert_eq!(all.matches("form=\"change\" checked").count(), 50, "{all}");

        let first = house.get_as(&ann, &ticked("tag", "vip", &[200, 7, 200, 1099])).await;
        assert_eq!(first.status, 200, "{}", first.body);
        for part in [
            "Give the tag “vip” to 3 people",
            "r6@example.org",
            "r1098@example.org",
            "value=\"people&#x3D;200%2C7%2C200%2C1099\"",
            "href=\"/office/subscribers?newsletter&#x3D;brief&amp;q&#x3D;r1\"",
        ] {
            assert!(first.body.contains(part), "{part}: {}", first.body);
        }
        assert_eq!(count(&house, "people=7,200,1099").await, 3);
        let done = change(&house, &ann, "people=200%2C7%2C200%2C1099", "tag", "vip").await;
        assert_eq!(done.changed, 3);
        assert_eq!(done.words, "Give the tag “vip” to people, ticked one by one");
        assert_eq!(count(&house, "tag=vip").await, 3);
        bulk::undo(&house.app, &by(), done.id).await.unwrap();
        bulk::finish(&house.app, done.id).await.unwrap();
        assert_eq!(count(&house, "people=7,200,1099").await, 3, "a filter like others");
        assert_eq!(count(&house, "people=7,200,1099&state=unsubscribed").await, 1);
        assert_eq!(count(&house, "people=7,200,1099&q=r1098").await, 1);

        let nobody = house.get_as(&ann, &ticked("suppress", "", &[])).await;
        assert!(nobody.status == 422 && nobody.body.contains("Nobody is ticked"), "{}", nobody.body);
        let many = (1..=101).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        for people in ["x", "1,", &many] {
            let page = house.get_as(&ann, &format!("/office/subscribers?people={people}")).await;
            assert!(page.status == 422 && page.body.contains("at most 100 people"), "{}", page.body);
            let fields = [("filter", format!("people={people}")), ("kind", "suppress".to_owned())];
            let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(house.submit_as(&ann, "/office/bulk", &fields).await.status, 422);
        }
        assert_eq!(count(&house, "state=suppressed").await, 0);
        house.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_done_to_many_is_said_at_its_field_and_what_was_typed_is_kept() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let long = "x".repeat(41);
        for (kind, tag, field, says) in [
            ("tag", " ", "tag", "A tag needs a name"),
            ("tag", long.as_str(), "tag", "it may have 40"),
            ("untag", "nobody has it", "tag", "Nobody has the tag “nobody has it”"),
            ("dance", "vip", "kind", "Choose what to do"),
        ] {
            let page = house.get_as(&ann, &ticked(kind, tag, &[7, 200])).await;
            assert_eq!(page.status, 422, "{kind}");
            let beside = page.body.split(&format!("id=\"{field}-problem\"")).nth(1).expect(kind);
            assert!(beside.contains(says), "{says}: {}", page.body);
            let kept = [format!("value=\"{tag}\""), "name=\"person\" value=\"200\"".to_owned()];
            assert!(kept.iter().all(|part| page.body.contains(part)), "{}", page.body);
        }
        let page = house.get_as(&ann, "/office/bulk?kind=unsubscribe&deed_newsletter=none").await;
        assert!(page.status == 422 && page.body.contains("id=\"newsletter-problem\""), "{}", page.body);
        house.close().await;
    }
}

#[tokio::test]
async fn a_file_that_says_bounced_outlives_the_undo_of_a_change_to_many() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        people(&house).await;
        let done = change(&house, &ann, "q=r10", "suppress", "").await;
        let file =
            b"email,status\nr100@example.org,bounced\nr101@example.org,blocked\nr102@example.org,active\n";
        let request =
            crate::pipeline::import::Request { newsletter: "brief".to_owned(), ..Default::default() };
        for updated in [2, 0] {
            let files = crate::pipeline::import::Files {
                input: Box::new(std::io::Cursor::new(file.to_vec())),
                first_look: None,
                report: None,
                progress: &|_| {},
            };
            let report = crate::pipeline::import::import(&house.app, &request, files).await.unwrap();
            assert_eq!((report.updated, report.suppressed), (updated, 3), "{report:?}");
        }
        bulk::undo(&house.app, &by(), done.id).await.unwrap();
        bulk::finish(&house.app, done.id).await.unwrap();
        assert_eq!(count(&house, "state=suppressed").await, 2);
        let mut conn = house.app.db.conn().await.unwrap();
        for (email, reason) in [("r100@example.org", "bounced"), ("r101@example.org", "manual")] {
            let email = EmailAddress::parse(email).unwrap();
            let kept = suppressions::find(&mut conn, &house.app.key, &email).await.unwrap().unwrap();
            assert_eq!((kept.reason.as_str(), kept.detail.as_str()), (reason, "said by an import"));
        }
        drop(conn);
        house.close().await;
    }
}
