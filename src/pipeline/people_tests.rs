//! People: added, shown, exported and read back, erased; on every database.

use std::io::Cursor;

use super::Error;
use super::accounts::Actor;
use super::bulk::{self, Deed};
use super::directory::Asked;
use super::export::{Format, export};
use super::import::{Files, Report, Request, import};
use super::people::{
    Edit, NewPerson, add, edit, erase, list, pause, resume, suppress, unsubscribe, unsuppress,
};
use super::story::show;
use super::testing::{apps, now};
use crate::db::bulk::BulkKind;
use crate::db::people::Filter;
use crate::db::testing::a_newsletter;
use crate::db::{deliveries, newsletters, notices, subscribers, subscriptions};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::TimeOfDay;
use crate::domain::delivery::{DeliveryState, Next};
use crate::domain::subscription::{SubscriptionEvent, SubscriptionStatus, SuppressionReason};
use crate::pipeline::App;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn person(email: &str, newsletter: &str) -> NewPerson {
    NewPerson {
        email: address(email),
        newsletter: newsletter.to_owned(),
        name: None,
        topics: vec![],
        schedule: None,
        hour: None,
        zone: None,
        language: None,
        pending: false,
        origin: "subscriber add".to_owned(),
        consent_words: String::new(),
    }
}

async fn with_brief(app: &App) -> i64 {
    let id = a_newsletter(&app.db, "brief").await;
    let mut tx = app.db.begin().await.unwrap();
    newsletters::ensure_topic(&mut tx, id, "world", "World News").await.unwrap();
    newsletters::ensure_topic(&mut tx, id, "arts", "Arts").await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn import_csv(app: &App, newsletter: &str, text: Vec<u8>) -> Report {
    let request =
        Request { newsletter: newsletter.into(), file_name: "again.csv".into(), ..Request::default() };
    let files =
        Files { input: Box::new(Cursor::new(text)), first_look: None, report: None, progress: &|_| {} };
    import(app, &request, files).await.unwrap()
}

async fn addresses(app: &App, newsletter: Option<&str>, filter: Filter) -> Vec<String> {
    let people = list(app, newsletter, filter, 100).await.unwrap();
    people.into_iter().map(|person| person.email).collect()
}

#[tokio::test]
async fn a_person_is_added_and_shown_and_what_is_not_there_is_named() {
    for test in apps().await {
        let app = &test.app;
        with_brief(app).await;
        let new = NewPerson {
            name: Some(" Ann \n Lee ".into()),
            topics: vec!["world news".into(), "ARTS".into()],
            hour: Some(TimeOfDay::parse("07:30").unwrap()),
            zone: Some(chrono_tz::Europe::Paris),
            language: Some("fr".into()),
            consent_words: "By telephone".into(),
            ..person("ann@example.org", "brief")
        };
        let added = add(app, &new).await.unwrap();
        assert_eq!((added.is_new, added.status, added.suppressed), (true, "active", None));
        assert!(!add(app, &new).await.unwrap().is_new);
        let story = show(app, &new.email).await.unwrap();
        assert_eq!((story.name.as_str(), story.language.as_deref()), ("Ann Lee", Some("fr")));
        assert_eq!(story.timezone.as_deref(), Some("Europe/Paris"));
        let tie = &story.subscriptions[0];
        assert_eq!((tie.newsletter.as_str(), tie.status), ("brief", "active"));
        assert_eq!((tie.topics.join(" ").as_str(), tie.hour.as_deref()), ("world arts", Some("07:30")));
        let consent = tie.consent.as_ref().unwrap();
        assert_eq!(consent.at, now().to_string());
        assert_eq!((consent.from.as_str(), consent.words.as_str()), ("subscriber add", "By telephone"));

        for (new, there) in [
            (person("bob@example.org", "breif"), "brief"),
            (NewPerson { topics: vec!["sport".into()], ..person("bob@example.org", "brief") }, "world, arts"),
            (NewPerson { schedule: Some("hourly".into()), ..person("bob@example.org", "brief") }, "hourly"),
        ] {
            let error = add(app, &new).await.unwrap_err();
            assert!(matches!(error, Error::NotFound(_)) && error.to_string().contains(there), "{error}");
        }
        assert!(matches!(show(app, &address("bob@example.org")).await, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn who_left_is_not_added_again() {
    for test in apps().await {
        let app = &test.app;
        with_brief(app).await;
        a_newsletter(&app.db, "weekly").await;
        for newsletter in ["brief", "weekly"] {
            add(app, &person("ann@example.org", newsletter)).await.unwrap();
        }
        let ann = address("ann@example.org");
        let left = unsubscribe(app, &Actor::command_line(), &ann, Some("brief")).await.unwrap();
        assert_eq!((left.len(), left[0].already), (1, false));
        let left = unsubscribe(app, &Actor::command_line(), &ann, None).await.unwrap();
        assert_eq!(left.iter().map(|left| left.already).collect::<Vec<_>>(), [true, false]);
        let error = add(app, &person("ann@example.org", "brief")).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(why) if why.contains("has left")), "{error}");
        let tie = &show(app, &ann).await.unwrap().subscriptions[0];
        assert_eq!((tie.status, tie.left_reason.as_deref()), ("unsubscribed", Some("admin")));
        let nobody = unsubscribe(app, &Actor::command_line(), &address("bob@example.org"), None).await;
        assert!(matches!(nobody, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn a_reader_on_holiday_is_paused_in_one_newsletter() {
    for test in apps().await {
        let app = &test.app;
        let brief = with_brief(app).await;
        let ann = EmailAddress::parse("ann@example.org").unwrap();
        let until = now().plus_millis(1);
        assert!(
            pause(app, &Actor::command_line(), &ann, "brief", until)
                .await
                .unwrap_err()
                .to_string()
                .contains("ann@example.org")
        );
        import_csv(app, "brief", b"email\nann@example.org\n".to_vec()).await;
        pause(app, &Actor::command_line(), &ann, "brief", until).await.unwrap();
        let mut conn = app.db.conn().await.unwrap();
        let id = subscribers::find(&mut conn, &ann).await.unwrap().unwrap().id;
        let found = subscriptions::find(&mut conn, brief, id).await.unwrap().unwrap();
        assert_eq!(found.paused_until, Some(until));
        drop(conn);
        let error = pause(app, &Actor::command_line(), &ann, "brief", now()).await.unwrap_err().to_string();
        assert!(error.contains("has passed already"), "{error}");
        resume(app, &Actor::command_line(), &ann, "brief").await.unwrap();
        assert_eq!(show(app, &ann).await.unwrap().subscriptions[0].paused_until, None);
        a_newsletter(&app.db, "other").await;
        let error = pause(app, &Actor::command_line(), &ann, "other", until).await.unwrap_err().to_string();
        assert!(error.contains("no subscriber of “other”"), "{error}");
    }
}

#[tokio::test]
async fn an_erased_person_leaves_only_a_hash_and_stays_suppressed() {
    for test in apps().await {
        let app = &test.app;
        let id = with_brief(app).await;
        let ann = address("ann@example.org");
        add(app, &NewPerson { name: Some("Ann Lee".into()), ..person("ann@example.org", "brief") })
            .await
            .unwrap();
        let subscriber = subscribers::find(&mut app.db.conn().await.unwrap(), &ann).await.unwrap().unwrap();
        suppress(app, &Actor::command_line(), &ann, "asked by ann@example.org").await.unwrap();
        crate::db::testing::a_history(&app.db, id, &subscriber).await;
        let story = show(app, &ann).await.unwrap();
        let sentences: Vec<&str> = story.deliveries.iter().map(|sent| sent.sentence.as_str()).collect();
        assert_eq!(
            sentences,
            [
                "it waits to be sent",
                "the relay took it: 250 for ann@example.org",
                "the reader had paused the newsletter"
            ]
        );

        assert_eq!(erase(app, None, &ann).await.unwrap().notices_in_flight, 0);
        let text = crate::db::testing::every_text(&app.db).await;
        assert!(!text.contains("ann@example.org") && !text.contains("Ann Lee"), "{text}");
        let story = show(app, &ann).await.unwrap();
        assert!(!story.is_subscriber && story.suppression.unwrap().reason == "manual");

        let report = import_csv(app, "brief", b"email\nann@example.org\n".to_vec()).await;
        assert_eq!((report.added, report.refused), (0, 1));
        let error = add(app, &person("ann@example.org", "brief")).await.unwrap_err().to_string();
        assert!(error.contains("was erased"), "{error}");
        assert!(!crate::db::testing::every_text(&app.db).await.contains("ann@example.org"));
        assert!(matches!(erase(app, None, &ann).await, Err(Error::NotFound(_))));
        assert_eq!(
            unsuppress(app, &Actor::command_line(), &ann).await.unwrap().reason,
            SuppressionReason::Manual
        );
        assert!(matches!(unsuppress(app, &Actor::command_line(), &ann).await, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn what_is_being_sent_while_somebody_is_erased_leaves_nothing_once_it_is_recorded() {
    for test in apps().await {
        let app = &test.app;
        let id = with_brief(app).await;
        let ann = address("ann@example.org");
        add(app, &person("ann@example.org", "brief")).await.unwrap();
        let subscriber = subscribers::find(&mut app.db.conn().await.unwrap(), &ann).await.unwrap().unwrap();
        crate::db::testing::a_history(&app.db, id, &subscriber).await;
        sqlx::query("UPDATE deliveries SET state = 'claimed', node = 'test'")
            .execute(&mut *app.db.conn().await.unwrap())
            .await
            .unwrap();
        let mut conn = app.db.conn().await.unwrap();
        let moved = format!("moved:{}:1", subscriber.id);
        for (event, email) in [("welcome:1:1", &ann), (moved.as_str(), &address("a@old.example"))] {
            let new = notices::NewNotice {
                event,
                newsletter_id: id,
                email,
                name: "Ann",
                content: "{}",
                due_at: now(),
            };
            notices::queue(&mut conn, &new, now()).await.unwrap();
        }
        let claimed = notices::claim(&mut conn, "test", now(), 10).await.unwrap();
        drop(conn);
        // Its history has another one.
        assert_eq!((claimed.len(), erase(app, None, &ann).await.unwrap().notices_in_flight), (3, 2));

        let mut conn = app.db.conn().await.unwrap();
        let said = "250 queued for ann@example.org, who was a@old.example";
        let record = |id| deliveries::Record {
            id,
            state: DeliveryState::Sent,
            reason: None,
            detail: Some(said.to_owned()),
            not_before: None,
            attempted: true,
        };
        let records: Vec<_> = (1..=3).map(record).collect();
        assert!(deliveries::record(&mut conn, "test", &records, now()).await.unwrap() > 0);
        for notice in claimed {
            let sent = notices::Attempt { next: Next::Sent, attempts: 1, detail: said };
            notices::record(&mut conn, "test", notice.id, &sent, now()).await.unwrap();
        }
        drop(conn);
        let text = crate::db::testing::every_text(&app.db).await;
        assert!(!text.contains("ann") && !text.contains("old.example"), "{text}");
    }
}

#[tokio::test]
async fn filters_that_look_for_an_erased_address_are_forgotten() {
    for test in apps().await {
        let app = &test.app;
        with_brief(app).await;
        let ann = address("ann@example.org");
        add(app, &person("ann@example.org", "brief")).await.unwrap();
        add(app, &person("bob@example.org", "brief")).await.unwrap();
        let mut conn = app.db.conn().await.unwrap();
        for (name, filter) in [("her", "q=Ann%40example.org"), ("press", "newsletter=brief")] {
            crate::db::segments::put(&mut conn, name, filter, now()).await.unwrap();
        }
        drop(conn);
        let deed = Deed { kind: BulkKind::Tag, object: "press".to_owned() };
        let begin = async |filter| {
            bulk::begin(app, &Actor::command_line(), &Asked::parse(filter), &deed).await.unwrap()
        };
        // One that has ended, one that its process left behind, and one about others.
        let ended = begin("q=ann%40example.org").await;
        bulk::finish(app, ended).await.unwrap();
        begin("q=ann%40example.org").await;
        let other = begin("q=bob").await;
        erase(app, None, &ann).await.unwrap();
        let text = crate::db::testing::every_text(&app.db).await;
        assert!(!text.contains("ann") && !text.contains("Ann"), "{text}");
        assert!(text.contains("newsletter=brief") && text.contains("q=bob"), "{text}");
        bulk::finish(app, other).await.unwrap();
        let text = crate::db::testing::every_text(&app.db).await;
        assert!(!text.contains("q=bob"), "{text}");
    }
}

#[tokio::test]
async fn mails_to_an_address_that_an_admin_corrects_are_forgotten_but_for_an_editors() {
    for test in apps().await {
        let app = &test.app;
        let id = with_brief(app).await;
        let ann = address("ann@example.org");
        add(app, &person("ann@example.org", "brief")).await.unwrap();
        let subscriber = subscribers::find(&mut app.db.conn().await.unwrap(), &ann).await.unwrap().unwrap();
        let mut conn = app.db.conn().await.unwrap();
        for event in ["welcome:1:1", "confirm:x:1", "goodbye:1:1", "again:x:1", "ready:7"] {
            let new = notices::NewNotice {
                event,
                newsletter_id: id,
                email: &ann,
                name: "",
                content: "{}",
                due_at: now(),
            };
            notices::queue(&mut conn, &new, now()).await.unwrap();
        }
        drop(conn);
        let to = address("anne@example.org");
        let change = Edit { email: to, name: String::new(), language: None, zone: None };
        edit(app, &Actor::command_line(), subscriber.id, &change).await.unwrap();
        let mut conn = app.db.conn().await.unwrap();
        let left = notices::claim(&mut conn, "test", now(), 10).await.unwrap();
        let events: Vec<&str> = left.iter().map(|notice| notice.event.as_str()).collect();
        assert_eq!(events, ["ready:7"]);
    }
}

#[tokio::test]
async fn lists_are_filtered_and_go_on_behind_the_last_address() {
    for test in apps().await {
        let app = &test.app;
        with_brief(app).await;
        a_newsletter(&app.db, "weekly").await;
        for (email, newsletter) in [
            ("zoe@example.org", "brief"),
            ("ann-b@example.org", "brief"),
            ("ann.c@example.org", "weekly"),
            ("ann@example.org", "weekly"),
        ] {
            add(app, &person(email, newsletter)).await.unwrap();
        }
        unsubscribe(app, &Actor::command_line(), &address("zoe@example.org"), None).await.unwrap();
        suppress(app, &Actor::command_line(), &address("ann@example.org"), "").await.unwrap();
        let all = ["ann-b@example.org", "ann.c@example.org", "ann@example.org", "zoe@example.org"];
        assert_eq!(addresses(app, None, Filter::default()).await, all);
        let prefix = Filter { prefix: "Ann".into(), ..Filter::default() };
        assert_eq!(addresses(app, None, prefix.clone()).await, all[..3]);
        let after = Filter { after: all[1].into(), ..prefix };
        assert_eq!(addresses(app, None, after).await, all[2..3]);
        let exact = Filter { prefix: all[3].into(), ..Filter::default() };
        assert_eq!(addresses(app, None, exact).await, all[3..]);
        assert_eq!(addresses(app, Some("weekly"), Filter::default()).await, all[1..3]);
        let left = Filter { status: Some(SubscriptionStatus::Unsubscribed), ..Filter::default() };
        assert_eq!(addresses(app, None, left.clone()).await, all[3..]);
        assert_eq!(addresses(app, Some("weekly"), left).await, all[..0]);
        let suppressed = Filter { suppressed: true, ..Filter::default() };
        assert_eq!(addresses(app, None, suppressed).await, all[2..3]);
        let people = list(app, None, Filter::default(), 1).await.unwrap();
        assert_eq!(people.len(), 1);
        assert_eq!((people[0].subscriptions[0].newsletter.as_str(), people[0].suppressed), ("brief", false));
    }
}

#[tokio::test]
async fn an_export_read_back_changes_nothing_and_fills_an_empty_newsletter() {
    for test in apps().await {
        let app = &test.app;
        with_brief(app).await;
        let mut file = b"email,name,status,topics,hour,timezone,language,consent_at,consent_from\n\
            ann@example.org,=HYPERLINK(1),,world;arts,7:00,Europe/Paris,fr,2024-03-01,web\n\
            +bob@example.org,\"'=Bob, \"\"B\"\"\",pending,,,,,,\n\
            cleo@example.org,-1 Cleo,unsubscribed,,,,,,\n"
            .to_vec();
        (0..2500).for_each(|n| file.extend_from_slice(format!("reader{n}@example.org,,,,,,,,\n").as_bytes()));
        import_csv(app, "brief", file).await;
        let mut csv = vec![];
        assert_eq!(export(app, "brief", None, Format::Csv, &mut csv).await.unwrap(), 2503);
        let text = String::from_utf8(csv.clone()).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "email,name,status,topics,frequency,hour,timezone,language,consent_at,consent_from,consent_words,\
             paused_until,left_at,left_reason,tags"
        );
        assert!(
            text.lines().flat_map(|line| line.split(',')).all(|cell| !cell.starts_with(['=', '+', '-', '@']))
        );
        let again = import_csv(app, "brief", csv.clone()).await;
        assert_eq!((again.unchanged, again.added + again.updated + again.refused), (2503, 0), "{again:?}");

        let other = a_newsletter(&app.db, "other").await;
        let mut tx = app.db.begin().await.unwrap();
        newsletters::ensure_topic(&mut tx, other, "world", "World").await.unwrap();
        newsletters::ensure_topic(&mut tx, other, "arts", "Arts").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(import_csv(app, "other", csv.clone()).await.added, 2503);
        let mut copy = vec![];
        export(app, "other", None, Format::Csv, &mut copy).await.unwrap();
        // Those whose consent was not told have it from the import; what was exported is the same.
        let [exported, copied] = [csv, copy].map(|bytes| {
            let mut lines: Vec<String> =
                String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
            lines.sort();
            lines
        });
        assert_eq!(exported, copied);

        let mut json = vec![];
        let left = Some(SubscriptionStatus::Unsubscribed);
        assert_eq!(export(app, "brief", left, Format::JsonLines, &mut json).await.unwrap(), 1);
        let line: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            (line["email"].as_str(), line["name"].as_str()),
            (Some("cleo@example.org"), Some("-1 Cleo"))
        );
        let mut none = vec![];
        a_newsletter(&app.db, "empty").await;
        assert_eq!(export(app, "empty", None, Format::Csv, &mut none).await.unwrap(), 0);
        assert!(none.starts_with(b"email,"));
    }
}

#[tokio::test]
async fn an_export_brings_back_nobody_elsewhere_who_must_not_be_mailed() {
    for (test, fresh) in apps().await.into_iter().zip(apps().await) {
        let (app, other) = (&test.app, &fresh.app);
        let id = with_brief(app).await;
        a_newsletter(&other.db, "brief").await;
        let file = b"email,status\nann@example.org,\nbob@example.org,cleaned\ncleo@example.org,\n\
            dan@example.org,complained\neve@example.org,\nflo@example.org,\n";
        import_csv(app, "brief", file.to_vec()).await;
        suppress(app, &Actor::command_line(), &address("cleo@example.org"), "asked to").await.unwrap();
        suppress(app, &Actor::command_line(), &address("eve@example.org"), "asked, too").await.unwrap();
        // Has left, and somebody filled in the form again since.
        unsubscribe(app, &Actor::command_line(), &address("ann@example.org"), None).await.unwrap();
        let mut tx = app.db.begin().await.unwrap();
        let ann = subscribers::find(&mut tx, &address("ann@example.org")).await.unwrap().unwrap();
        let event = SubscriptionEvent::SignUp;
        subscriptions::enter(&mut tx, id, ann.id, event, now()).await.unwrap();
        tx.commit().await.unwrap();

        let mut csv = vec![];
        assert_eq!(export(app, "brief", None, Format::Csv, &mut csv).await.unwrap(), 6);
        let again = import_csv(app, "brief", csv.clone()).await;
        assert_eq!((again.unchanged, again.refused), (6, 0), "{again:?}");

        let taken = import_csv(other, "brief", csv).await;
        assert_eq!((taken.added, taken.refused), (6, 0), "{taken:?}");
        for (email, status, reason) in [
            ("ann@example.org", "unsubscribed", None),
            ("bob@example.org", "unsubscribed", Some("bounced")),
            ("cleo@example.org", "unsubscribed", Some("manual")),
            ("dan@example.org", "unsubscribed", Some("complained")),
            ("eve@example.org", "unsubscribed", Some("manual")),
            ("flo@example.org", "active", None),
        ] {
            let story = show(other, &address(email)).await.unwrap();
            let found = (story.subscriptions[0].status, story.suppression.map(|found| found.reason));
            assert_eq!(found, (status, reason), "{email}");
        }
    }
}
