//! How long it is kept what became of each mail: then rows become counts, and nothing else changes.

use std::time::Duration;

use serde_json::Value;

use crate::daybreak::{Daybreak, Kind, everywhere, on_postgres, recipients};
use crate::feeds::{Feeds, Item};

const READERS: &str = "email,status\n\
    ann@example.net,active\n\
    bob@example.net,active\n\
    unknown@example.net,active\n\
    spam+1@example.net,unsubscribed\n\
    pending@example.net,pending\n";

/// Two issues a day apart, both sent.
async fn two_issues(daybreak: &mut Daybreak) -> (crate::sink::Sink, Feeds) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    daybreak.newsletter(&[]).await;
    daybreak.schedule("07:00", "UTC", "daily").await;
    daybreak.readers(READERS).await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    daybreak.serve_once("2026-03-02T07:00:00Z").await;
    daybreak.run(&["article", "add", "brief", "--title", "The second story"]).await;
    daybreak.serve_once("2026-03-03T07:00:00Z").await;
    (sink, feeds)
}

async fn counts(daybreak: &Daybreak, issue: i64) -> Value {
    daybreak.json(&["issue", "status", &issue.to_string()]).await["deliveries"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_issue_shrinks_to_counts_that_say_the_same() {
    everywhere(async |daybreak| {
        let (sink, _feeds) = two_issues(daybreak).await;
        let sent = recipients(&sink);
        let before = [counts(daybreak, 1).await, counts(daybreak, 2).await];
        assert_eq!(
            before[0].as_array().unwrap().len(),
            4,
            "sent, failed, and skipped for two reasons: {before:?}"
        );
        let rows = "SELECT COUNT(*) FROM deliveries WHERE issue_id = ";

        daybreak.set("DAYBREAK_KEEP_DELIVERIES", "0");
        daybreak.serve_once("2027-03-02T06:00:00Z").await;
        daybreak.set("DAYBREAK_KEEP_DELIVERIES", "30");
        daybreak.serve_once("2026-04-01T06:59:00Z").await;
        assert_eq!(daybreak.number(&format!("{rows}1")).await, 5, "30 days are not over");

        daybreak.serve_once("2026-04-01T07:00:30Z").await;
        assert_eq!(daybreak.number(&format!("{rows}1")).await, 0);
        assert_eq!(daybreak.number(&format!("{rows}2")).await, 5, "the other is a day younger");
        assert_eq!([counts(daybreak, 1).await, counts(daybreak, 2).await], before);
        for email in ["ann@example.net", "pending@example.net"] {
            let why = daybreak.why(1, email).await;
            assert!(why.contains("removed with age") && why.contains("issue status 1"), "{why}");
            assert!(!daybreak.why(2, email).await.contains("removed"));
        }
        assert!(daybreak.why(1, "nobody@example.net").await.contains("not a subscriber"));

        // It is as sent as it was.
        for words in [
            &["issue", "send", "1"][..],
            &["issue", "send", "1", "--now"],
            &["issue", "resume", "1"],
            &["issue", "cancel", "1"],
        ] {
            daybreak.fails(words).await;
        }
        assert_eq!(daybreak.issues("brief").await[0]["state"], "sent");
        daybreak.serve_once("2026-04-03T07:00:30Z").await;
        assert_eq!([counts(daybreak, 1).await, counts(daybreak, 2).await], before);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries").await, 0);
        assert_eq!(recipients(&sink), sent, "nobody is mailed again");
    })
    .await;
}

/// Deliveries in every end state for the first issue.
const MANY: i64 = 60_000;

async fn many_rows(daybreak: &Daybreak) {
    let numbers = match daybreak.kind {
        Kind::Sqlite => format!(
            "WITH RECURSIVE n (i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 1000 + {MANY}) SELECT i FROM n"
        ),
        Kind::Postgres => format!("SELECT i FROM generate_series(1001, 1000 + {MANY}) AS n (i)"),
    };
    daybreak
        .execute(&format!(
            "INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, reason, detail, not_before, due_at,
                 updated_at)
             SELECT 1, i, i, CASE WHEN i % 10 = 0 THEN 'skipped' WHEN i % 7 = 0 THEN 'failed' ELSE 'sent' END,
                 CASE WHEN i % 20 = 0 THEN 'paused' WHEN i % 10 = 0 THEN 'suppressed' WHEN i % 7 = 0 THEN 'refused' END,
                 '250 ok', 0, 0, 0
             FROM ({numbers}) AS numbers"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_loses_nothing_and_counts_nothing_twice() {
    everywhere(async |daybreak| {
        let (_sink, _feeds) = two_issues(daybreak).await;
        many_rows(daybreak).await;
        let before = counts(daybreak, 1).await;
        daybreak.set("DAYBREAK_KEEP_DELIVERIES", "30");
        daybreak.at("2026-04-01T07:00:30Z");
        let left = "SELECT COUNT(*) FROM deliveries WHERE issue_id = 1";
        let mut kills = 0;
        for wait in [0, 7, 23, 41, 80, 120] {
            let was = daybreak.number(left).await;
            let service = daybreak.serve(&[]).await;
            while daybreak.number(left).await == was && was > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
            service.kill().await;
            kills += i32::from((1..MANY).contains(&daybreak.number(left).await));
            assert_eq!(counts(daybreak, 1).await, before);
        }
        assert!(kills > 0, "no kill came in the middle");
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(daybreak.number(left).await, 0);
        assert_eq!(counts(daybreak, 1).await, before);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM issues WHERE shrunk_at IS NOT NULL").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_shrink_the_same_issue_count_each_delivery_once() {
    on_postgres(async |daybreak| {
        let (_sink, _feeds) = two_issues(daybreak).await;
        many_rows(daybreak).await;
        let before = counts(daybreak, 1).await;
        daybreak.set("DAYBREAK_KEEP_DELIVERIES", "30");
        daybreak.at("2026-04-01T07:00:30Z");
        let nodes =
            [daybreak.serve(&["--role", "schedule"]).await, daybreak.serve(&["--role", "schedule"]).await];
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE shrunk_at IS NOT NULL", 1).await;
        for node in nodes {
            node.stop().await;
        }
        assert_eq!(counts(daybreak, 1).await, before);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM deliveries WHERE issue_id = 1").await, 0);
    })
    .await;
}
