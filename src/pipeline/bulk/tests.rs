use super::*;
use crate::db::dialect::Dialect;
use crate::pipeline::people::{NewPerson, add};
use crate::pipeline::testing::apps;

async fn somebody(app: &App, email: &str) -> i64 {
    let email = crate::domain::address::EmailAddress::parse(email).unwrap();
    let person = NewPerson {
        email: email.clone(),
        newsletter: "brief".to_owned(),
        name: None,
        topics: vec![],
        schedule: None,
        hour: None,
        zone: None,
        language: None,
        pending: false,
        origin: String::new(),
        consent_words: String::new(),
    };
    add(app, &person).await.unwrap();
    db::subscribers::find(&mut app.db.conn().await.unwrap(), &email).await.unwrap().unwrap().id
}

/// On SQLite there is one writer: it waits, and two never wait for each other.
#[tokio::test]
async fn a_step_that_lost_a_deadlock_is_taken_again() {
    for test in apps().await {
        let app = &test.app;
        if app.db.dialect() != Dialect::Postgres {
            continue;
        }
        db::testing::a_newsletter(&app.db, "brief").await;
        let ann = somebody(app, "ann@example.org").await;
        let by = Actor::command_line();
        let begin = async |kind| {
            let deed = Deed { kind, object: "press".to_owned() };
            begin(app, &by, &Asked::parse("newsletter=brief"), &deed).await.unwrap()
        };
        let tagged = begin(BulkKind::Tag).await;
        finish(app, tagged).await.unwrap();
        let tag = db::tags::find(&mut app.db.conn().await.unwrap(), "press").await.unwrap().unwrap().id;

        // Somebody takes the tag from ann, and then wants the action, whose step holds it and waits for ann's tag. The
        // server ends the one that waited first.
        let id = begin(BulkKind::Untag).await;
        let mut tx = app.db.begin().await.unwrap();
        assert_eq!(db::tags::take(&mut tx, tag, &[ann]).await.unwrap(), [ann]);
        let stepping = tokio::spawn({
            let app = app.clone();
            async move { step(&app, id).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = app.clock.now();
        assert!(db::bulk::hold(&mut tx, id, BulkState::Running, now).await.unwrap().is_some());
        drop(tx);

        assert!(!stepping.await.unwrap().unwrap(), "it was its last step");
        let mut conn = app.db.conn().await.unwrap();
        let action = db::bulk::get(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((action.state, action.changed), (BulkState::Done, 1));
        assert_eq!(db::tags::of_subscriber(&mut conn, ann).await.unwrap(), []);
    }
}
