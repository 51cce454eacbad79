//! What a file says of tags, pauses and dates, who gets the next issue by it, and that an export brings it all elsewhere.

use super::tests::{counts, import_as, import_bytes, on_record, with_brief};
use super::*;
use crate::db::import::Tie;
use crate::db::subscriptions;
use crate::domain::subscription::SubscriptionEvent;
use crate::pipeline::testing::{apps, now};

/// Every column that an export has, and every status.
const EVERYTHING: &str = "\
email,name,status,topics,frequency,hour,timezone,language,consent_at,consent_from,consent_words,paused_until,left_at,\
left_reason,tags\n\
ann@example.org,\"Lee, Ann\",active,world;arts,weekly,07:30,Europe/Paris,pt-BR,2024-03-01T10:00:00Z,fair,I agree,\
2099-01-01,,,\"press;\"\"a, b\"\";\"\"5\"\"\"\" disk\"\"\"\n\
bob@example.org,=Bob,pending,,,,,,2024-03-02,web form,,,,,'=sum;vip\n\
cleo@example.org,,unsubscribed,arts,,,,,,,,,,,vip\n\
dan@example.org,,bounced,,,,,,,,,,,,\n\
eve@example.org,,complained,,,,,,,,,,,,\n\
fay@example.org,Fay,blocked,,daily,,,,2023-05-01T09:00:00Z,kiosk,Send it,,,,press\n\
gus@example.org,,unsubscribed,,,,,,2022-05-01T09:00:00Z,kiosk,,,2023-07-01T10:00:00Z,too-often,\n";

async fn exported(app: &App) -> String {
    let mut csv = vec![];
    crate::pipeline::export::export(app, "brief", None, crate::pipeline::export::Format::Csv, &mut csv)
        .await
        .unwrap();
    String::from_utf8(csv).unwrap()
}

#[tokio::test]
async fn of_an_export_of_several_newsletters_only_the_lines_of_this_one_are_taken() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let header = "email,status,consent_from,left_reason,newsletter\n";
        let lines = "ann@example.org,active,fair,,brief\nbob@example.org,active,fair,,weekly\n\
                     ann@example.org,unsubscribed,,link,weekly\n";
        let report = import_bytes(app, format!("{header}{lines}").as_bytes()).await.unwrap();
        assert_eq!(counts(&report), (1, 0, 0, 2), "{:?}", report.notes);
        assert!(report.notes[0].reason.contains("“weekly” is another newsletter than brief"), "{report:?}");
        let ann = on_record(app, id, "ann@example.org").await.tie.unwrap();
        assert_eq!(ann.status, crate::domain::subscription::SubscriptionStatus::Active);
        assert!(on_record(app, id, "bob@example.org").await.tie.is_none());
    }
}

#[tokio::test]
async fn an_export_that_is_imported_elsewhere_makes_the_same_readers() {
    for (test, elsewhere) in apps().await.into_iter().zip(apps().await) {
        let (app, id) = with_brief(&test).await;
        let report = import_bytes(app, EVERYTHING.as_bytes()).await.unwrap();
        assert_eq!((counts(&report), report.incomplete), ((7, 0, 0, 0), 0), "{:?}", report.notes);
        let ann = on_record(app, id, "ann@example.org").await;
        assert_eq!(ann.tags, ["5\" disk", "a, b", "press"]);
        assert_eq!(ann.tie.unwrap().paused_until, Timestamp::parse("2099-01-01T00:00:00Z"));
        assert_eq!(on_record(app, id, "bob@example.org").await.tags, ["=sum", "vip"]);
        let gus = on_record(app, id, "gus@example.org").await.tie.unwrap();
        let left = (gus.left_at, gus.left_reason.as_deref());
        assert_eq!(left, (Timestamp::parse("2023-07-01T10:00:00Z"), Some("too-often")));
        let text = exported(app).await;
        assert!(text.lines().next().unwrap().ends_with("paused_until,left_at,left_reason,tags"), "{text}");
        let again = import_bytes(app, text.as_bytes()).await.unwrap();
        assert_eq!(counts(&again), (0, 0, 7, 0), "{again:?}");

        let (other, other_id) = with_brief(&elsewhere).await;
        let report = import_bytes(other, text.as_bytes()).await.unwrap();
        assert_eq!(counts(&report), (7, 0, 0, 0), "{:?}", report.notes);
        assert_eq!(report.new_tags, ["5\" disk", "=sum", "a, b", "press", "vip"]);
        assert_eq!(exported(other).await, text);
        for email in ["ann", "bob", "cleo", "dan", "eve", "fay", "gus"] {
            let email = format!("{email}@example.org");
            let (here, there) = (on_record(app, id, &email).await, on_record(other, other_id, &email).await);
            assert_eq!((here.name, here.tags, here.suppressed), (there.name, there.tags, there.suppressed));
            let left = |tie: &Option<Tie>| tie.clone().and_then(|tie| tie.left_at.zip(tie.left_reason));
            assert_eq!(left(&here.tie), left(&there.tie), "{email}");
            let consent = |tie: Option<Tie>| tie.and_then(|tie| tie.consent);
            let has_consent = ["ann", "bob", "fay", "gus"].iter().any(|name| email.starts_with(name));
            let (here, there) = (consent(here.tie), consent(there.tie));
            assert_eq!((here.is_some(), here), (has_consent, there), "{email}");
        }
    }
}

#[tokio::test]
async fn tags_are_added_and_none_is_taken_away() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(app, b"email,tags\nann@example.org,\"press,vip\"\nbob@example.org,\n").await.unwrap();
        let file = b"email,tags\nann@example.org,VIP;late\nbob@example.org,press\ncleo@example.org,\n";
        let request = Request { newsletter: "brief".into(), dry_run: true, ..Request::default() };
        let dry = import_as(app, &request, file).await.unwrap();
        assert_eq!((counts(&dry), dry.new_tags), ((1, 2, 0, 0), vec!["late".to_owned()]));
        assert_eq!(on_record(app, id, "ann@example.org").await.tags, ["press", "vip"]);
        let report = import_bytes(app, file).await.unwrap();
        assert_eq!((counts(&report), report.new_tags), ((1, 2, 0, 0), vec!["late".to_owned()]));
        assert_eq!(on_record(app, id, "ann@example.org").await.tags, ["late", "press", "vip"]);
        assert_eq!(on_record(app, id, "bob@example.org").await.tags, ["press"]);
        let again = import_bytes(app, file).await.unwrap();
        assert_eq!((counts(&again), again.new_tags), ((0, 0, 3, 0), vec![]));
    }
}

#[tokio::test]
async fn a_dry_run_says_how_many_get_the_next_issue_and_what_keeps_the_others() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(
            app,
            b"email,status\nknown@example.org,\nleft@example.org,\nwaits@example.org,pending\n",
        )
        .await
        .unwrap();
        let left = on_record(app, id, "left@example.org").await.tie.unwrap().id.unwrap();
        let mut tx = app.db.begin().await.unwrap();
        subscriptions::apply(&mut tx, left, SubscriptionEvent::Leave, Some("link"), now()).await.unwrap();
        tx.commit().await.unwrap();
        let file =
            b"email,status,paused_until\nknown@example.org,,\nleft@example.org,,\nwaits@example.org,,\n\
            new@example.org,,2001-01-01\npaused@example.org,,2099-01-01\nasked@example.org,pending,\n\
            gone@example.org,bounced,\n";
        let request = Request { newsletter: "brief".into(), dry_run: true, ..Request::default() };
        let dry = import_as(app, &request, file).await.unwrap();
        assert_eq!((dry.getting, dry.getting_first), (3, 2), "known, new, and who waited: {dry:?}");
        let causes: Vec<(Cause, u64)> = dry.groups.iter().map(|group| (group.cause, group.count)).collect();
        assert_eq!(causes, [(Cause::PutOnList, 1), (Cause::HasLeft, 1)]);
        let done = import_bytes(app, file).await.unwrap();
        assert_eq!((done.getting, done.getting_first), (3, 2));
        let paused = on_record(app, id, "paused@example.org").await;
        assert!(!paused.is_mailed(now()), "{paused:?}");
        let again = import_bytes(app, file).await.unwrap();
        assert_eq!((again.getting, again.getting_first, again.updated), (3, 0, 0));
    }
}

#[tokio::test]
async fn slashed_dates_are_read_as_the_whole_file_tells_and_said_so() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let file = b"email,opt-in time\nann@example.org,03/04/2024\nbob@example.org,1/31/2024 10:00\n";
        let report = import_bytes(app, file).await.unwrap();
        assert!(report.dates.as_deref().unwrap().contains("month/day/year: 1/31/2024"), "{report:?}");
        let of = async |email: &str| on_record(app, id, email).await.tie.unwrap().consent.unwrap();
        assert_eq!(of("ann@example.org").await.at, Timestamp::parse("2024-03-04T00:00:00Z").unwrap());
        let report = import_bytes(app, b"email,opt-in time\ncleo@example.org,03/04/2024\n").await.unwrap();
        assert_eq!(report.groups[0].cause, Cause::Date);
        assert!(report.groups[0].first[0].reason.contains("may begin with the day or the month"));
        let consent = of("cleo@example.org").await;
        assert_eq!((consent.at, consent.from.contains("no date")), (now(), true));
    }
}
