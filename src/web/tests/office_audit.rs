//! What admins do is written down with the change, or is not done.

use super::*;
use crate::db::segments;
use crate::pipeline::accounts::Actor;
use crate::pipeline::directory::{self, Asked};
use crate::pipeline::import::uploads::Upload;
use crate::pipeline::{bulk, newsletters as settings, people, schedules, signing, sources, topics};

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    for house in houses().await {
        house.subscribe("ann@example.org").await;
        let (app, by) = (&house.app, &Actor::command_line());
        let ann = EmailAddress::parse("ann@example.org").unwrap();
        let stranger = EmailAddress::parse("stranger@example.org").unwrap();
        let schedule = house.schedule(house.brief, "daily", "daily", "07:00").await;
        let on_topics = async |change: topics::Change| topics::change(app, by, house.brief, &[change]).await;
        let topics::Changed::All(made) = on_topics(topics::Change::Add("Sport".to_owned())).await.unwrap()
        else {
            panic!("it is not made")
        };
        let topic = made[0].id;
        let source = sources::add(app, by, "brief", "https://example.org/feed", &[], "either").await.unwrap();
        signing::add(app, by, "example.org", &[signing::Algorithm::Ed25519], Some("one")).await.unwrap();
        let asked = Asked { q: "a".to_owned(), ..Asked::default() };
        assert!(directory::keep(app, by, "Press", &asked).await.unwrap());
        let mut conn = app.db.conn().await.unwrap();
        let id = subscribers::find(&mut conn, &ann).await.unwrap().unwrap().id;
        let newsletter = newsletters::get(&mut conn, house.brief).await.unwrap().unwrap();
        let segment = segments::list(&mut conn).await.unwrap().remove(0).id;
        people::tag(app, by, id, "vip").await.unwrap();
        let tag = crate::db::tags::find(&mut conn, "vip").await.unwrap().unwrap().id;
        let slots = newsletters::schedules_of(&mut conn, house.brief).await.unwrap().remove(0).slots;
        drop(conn);
        let deed = bulk::Deed { kind: crate::db::bulk::BulkKind::Tag, object: "many".to_owned() };
        let running = bulk::begin(app, by, &Asked::default(), &deed).await.unwrap();
        let before = everything(app).await;
        sqlx::query("ALTER TABLE audit RENAME TO audit_away")
            .execute(&mut *app.db.conn().await.unwrap())
            .await
            .unwrap();

        let until = app.clock.now().plus_millis(HOUR);
        let edit = people::Edit { email: ann.clone(), name: "Else".to_owned(), language: None, zone: None };
        let set = [settings::Typed { key: "name".to_owned(), value: "Else".to_owned(), was: None }];
        let new = settings::NewNewsletter {
            slug: "other".to_owned(),
            name: "Other".to_owned(),
            from: "other@example.org".to_owned(),
            timezone: "UTC".to_owned(),
            language: "en".to_owned(),
            settings: vec![],
        };
        let ed25519 = [signing::Algorithm::Ed25519];
        let feed = "https://example.org/other";
        let mut upload = Upload::begin(app).unwrap();
        upload.write(b"email\n").await.unwrap();
        for (what, is_refused) in [
            ("edit", people::edit(app, by, id, &edit).await.is_err()),
            ("pause", people::pause(app, by, &ann, "brief", until).await.is_err()),
            ("choose", people::choose(app, by, house.brief, id, Default::default()).await.is_err()),
            ("leave", people::unsubscribe(app, by, &ann, None).await.is_err()),
            ("suppress", people::suppress(app, by, &stranger, "").await.is_err()),
            ("erase", people::erase(app, Some(by), &ann).await.is_err()),
            ("tag", people::tag(app, by, id, "press").await.is_err()),
            ("untag", people::untag(app, by, id, tag).await.is_err()),
            ("keep", directory::keep(app, by, "Other", &asked).await.is_err()),
            ("forget", directory::remove_segment(app, by, segment).await.is_err()),
            ("bulk", bulk::begin(app, by, &Asked::default(), &deed).await.is_err()),
            ("bulk stop", bulk::stop(app, by, running).await.is_err()),
            ("newsletter", settings::add(app, by, &new).await.is_err()),
            ("settings", settings::set_form(app, by, house.brief, &set).await.is_err()),
            (
                "schedule",
                settings::add_schedule(app, by, "brief", Some("b"), "9:00", None, "daily").await.is_err(),
            ),
            ("schedule paused", settings::pause_schedule(app, by, "brief", "daily", true).await.is_err()),
            ("schedule changed", schedules::change(app, by, &newsletter, schedule, slots).await.is_err()),
            ("schedule removed", schedules::remove(app, by, &newsletter, schedule).await.is_err()),
            ("topic", on_topics(topics::Change::Add("Culture".to_owned())).await.is_err()),
            ("topic renamed", on_topics(topics::Change::Rename(topic, "Games".to_owned())).await.is_err()),
            ("topic removed", on_topics(topics::Change::Remove(topic)).await.is_err()),
            ("key", signing::add(app, by, "example.org", &ed25519, Some("two")).await.is_err()),
            ("key removed", signing::remove(app, by, "example.org", "one").await.is_err()),
            ("source", sources::add(app, by, "brief", feed, &[], "either").await.is_err()),
            ("source paused", sources::pause(app, by, source.id, true).await.is_err()),
            ("source removed", sources::remove(app, by, source.id).await.is_err()),
            ("upload", upload.finish(by, house.brief, "people.csv").await.is_err()),
        ] {
            assert!(is_refused, "{what}");
        }
        sqlx::query("ALTER TABLE audit_away RENAME TO audit")
            .execute(&mut *app.db.conn().await.unwrap())
            .await
            .unwrap();
        assert_eq!(everything(app).await, before);
        house.close().await;
    }
}

/// What the database holds, but for the log itself.
async fn everything(app: &App) -> String {
    let mut conn = app.db.conn().await.unwrap();
    let ann = EmailAddress::parse("ann@example.org").unwrap();
    let ann = subscribers::find(&mut conn, &ann).await.unwrap().unwrap();
    let id = ann.id;
    let newsletters = newsletters::list(&mut conn).await.unwrap();
    let brief = newsletters[0].id;
    format!(
        "{ann:?} {newsletters:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        subscriptions::of_subscriber(&mut conn, id).await.unwrap(),
        crate::db::suppressions::list(&mut conn, None, None, false, 10).await.unwrap(),
        crate::db::tags::list(&mut conn).await.unwrap(),
        crate::db::tags::of_subscriber(&mut conn, id).await.unwrap(),
        segments::list(&mut conn).await.unwrap(),
        crate::db::bulk::list(&mut conn, 10).await.unwrap(),
        newsletters::schedules_of(&mut conn, brief).await.unwrap(),
        newsletters::topics(&mut conn, brief).await.unwrap(),
        crate::db::dkim::list(&mut conn)
            .await
            .unwrap()
            .iter()
            .map(|key| key.selector.clone())
            .collect::<Vec<_>>(),
        crate::db::imports::list(&mut conn, 10).await.unwrap(),
    )
}

#[tokio::test]
async fn the_log_says_whose_address_was_suppressed_without_holding_it() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let add = [("email", "stranger@example.org"), ("reason", "asked")];
        assert_eq!(house.submit_as(&ed, "/office/suppressions", &add).await.status, 303);
        let hash = house.app.key.address_hash(&EmailAddress::parse("stranger@example.org").unwrap());
        let lines = house.lines_of_audit().await.join("\n");
        assert!(lines.contains(&format!("ed@example.org suppression.add done: {hash}")), "{lines}");
        assert!(!lines.contains("stranger@"), "{lines}");
        let found = house.get_as(&ed, &format!("/office/suppressions?q={hash}")).await;
        assert!(found.body.contains("stranger@example.org"), "{}", found.body);
        let fields = [("hash", hash.as_str())];
        assert_eq!(house.submit_as(&ed, "/office/suppressions/remove", &fields).await.status, 303);
        assert_eq!(house.submit_as(&ed, "/office/suppressions/remove", &fields).await.status, 404);
        let lines = house.lines_of_audit().await.join("\n");
        assert!(lines.contains(&format!("ed@example.org suppression.remove done: {hash}")), "{lines}");
        let page = house.get_as(&ed, "/office/audit").await.body;
        assert!(page.contains("Took an address off the suppression list"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_segment_does_not_replace_another_of_its_name() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let keep = async |filter: &str| {
            house.submit_as(&ed, "/office/segments", &[("name", "Press"), ("filter", filter)]).await
        };
        assert_eq!(keep("q=ann").await.status, 303);
        assert_eq!(keep("q=ann").await.status, 303, "pressed twice");
        let refused = keep("q=bob").await;
        assert!(refused.status == 422 && refused.body.contains("There is a segment “Press” already"));
        let kept = segments::list(&mut house.app.db.conn().await.unwrap()).await.unwrap();
        assert_eq!(kept.iter().map(|segment| segment.filter.as_str()).collect::<Vec<_>>(), ["q=ann"]);
        house.close().await;
    }
}
