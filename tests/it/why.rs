//! For each person, the service can say why an issue was or was not sent.

use serde_json::json;

use crate::daybreak::{everywhere, recipients};
use crate::feeds::{Feeds, Item};

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_answer_for_everybody() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&["topics=World,Sport"]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.schedule("09:00", "UTC", "weekly").await;
        daybreak.newsletter_called("evening", &[]).await;
        daybreak
            .readers(
                "email,status,topics,frequency,hour\n\
                 ann@example.net,active,,,\n\
                 unconfirmed@example.net,pending,,,\n\
                 left@example.net,unsubscribed,,,\n\
                 bounced@example.net,active,,,\n\
                 away@example.net,active,,,\n\
                 back@example.net,active,,,\n\
                 sporty@example.net,active,Sport,,\n\
                 weekly@example.net,active,,weekly,\n\
                 late@example.net,active,,,22:00\n\
                 unknown@example.net,active,,,\n\
                 blocked@example.net,active,,,\n\
                 full@example.net,active,,,\n",
            )
            .await;
        daybreak.readers_of("evening", "email\nelsewhere@example.net\n").await;
        daybreak.run(&["subscriber", "suppress", "bounced@example.net"]).await;
        let pause = |until: &str, email: &str| {
            format!(
                "UPDATE subscriptions SET paused_until = {until}
                 WHERE subscriber_id = (SELECT id FROM subscribers WHERE email = '{email}')"
            )
        };
        // Until the 10th of March, and until the 1st.
        daybreak.execute(&pause("1773100800000", "away@example.net")).await;
        daybreak.execute(&pause("1772323200000", "back@example.net")).await;
        let story = Item::new("A story about the world").about("World");
        daybreak.source(&feeds, "/feed", &[story]).await;

        daybreak.run(&["serve", "--once"]).await;
        let early = daybreak.why(1, "ann@example.net").await;
        let json = daybreak.json(&["issue", "why", "1", "ann@example.net"]).await;
        assert_eq!(
            json,
            json!({ "issue": 1, "state": null, "reason": "issue_draft", "detail": null, "attempts": 0, "since": null,
                "next": "2026-03-02T07:00:00Z", "answer": early })
        );
        assert!(early.contains("has not gone out yet") && early.contains("2026-03-02T07:00:00Z"), "{early}");

        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        daybreak.readers("email\nnewcomer@example.net\n").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "back@example.net"]);
        for (email, words) in [
            ("ann@example.net", &["Sent: the relay took issue 1", "attempt 1", "2.0.0 Taken"][..]),
            ("ANN@Example.NET", &["Sent"]),
            ("back@example.net", &["Sent"]),
            ("unconfirmed@example.net", &["Not sent", "was not confirmed"]),
            ("left@example.net", &["Not sent", "had left this newsletter"]),
            ("bounced@example.net", &["Not sent", "suppression list"]),
            ("away@example.net", &["Not sent", "had paused"]),
            ("sporty@example.net", &["Not sent", "no article", "topics"]),
            ("weekly@example.net", &["follows the schedule “weekly”", "went to “daily”"]),
            ("late@example.net", &["waits for the reader's own hour", "2026-03-02T22:00:00Z"]),
            ("unknown@example.net", &["Failed after 1 attempt", "No such user here"]),
            ("blocked@example.net", &["Failed after 1 attempt", "You are on our list"]),
            ("full@example.net", &["Not yet: 1 attempt", "the next at 2026-03-02T07:05", "Mailbox full"]),
            ("newcomer@example.net", &["subscribed after issue 1 was addressed"]),
            ("elsewhere@example.net", &["does not subscribe to"]),
            ("nobody@example.net", &["is not a subscriber"]),
        ] {
            let why = daybreak.why(1, email).await;
            for word in words {
                assert!(why.contains(word), "{email}: “{why}” does not say “{word}”");
            }
        }
        let answer = async |email: &str| daybreak.json(&["issue", "why", "1", email]).await;
        for (email, state, reason, attempts, next) in [
            ("ann@example.net", Some("sent"), None, 1, None),
            ("left@example.net", Some("skipped"), Some("unsubscribed"), 0, None),
            ("away@example.net", Some("skipped"), Some("paused"), 0, None),
            ("late@example.net", Some("queued"), Some("own_hour"), 0, Some("2026-03-02T22:00:00Z")),
            ("unknown@example.net", Some("failed"), Some("bad_address"), 1, None),
            ("weekly@example.net", None, Some("other_schedule"), 0, None),
            ("newcomer@example.net", None, Some("subscribed_later"), 0, None),
            ("elsewhere@example.net", None, Some("not_subscribed"), 0, None),
            ("nobody@example.net", None, Some("not_a_subscriber"), 0, None),
        ] {
            let answer = answer(email).await;
            let told = [&answer["state"], &answer["reason"], &answer["attempts"], &answer["next"]];
            assert_eq!(told, [&json!(state), &json!(reason), &json!(attempts), &json!(next)], "{answer}");
            assert_eq!(answer["since"].is_null(), state.is_none(), "{answer}");
        }
        let full = answer("full@example.net").await;
        assert_eq!((&full["issue"], &full["state"], &full["attempts"]), (&json!(1), &json!("deferred"), &json!(1)));
        assert!(full["detail"].as_str().unwrap().contains("Mailbox full"), "{full}");
        assert!(full["next"].as_str().unwrap().starts_with("2026-03-02T07:05"), "{full}");
        assert!(full["since"].as_str().unwrap().starts_with("2026-03-02T07:00"), "{full}");

        let error = daybreak.fails(&["issue", "why", "99", "ann@example.net"]).await;
        assert!(error.contains("no issue 99") && error.contains("issue list"), "{error}");
        let error = daybreak.fails(&["issue", "why", "1", "no address"]).await;
        assert!(error.contains("no address"), "{error}");

        // The counts add up: one row for each who follows the schedule, and none for anybody else.
        let status = daybreak.json(&["issue", "status", "1"]).await;
        let counts = status["deliveries"].as_array().unwrap();
        let all: i64 = counts.iter().map(|count| count["count"].as_i64().unwrap()).sum();
        assert_eq!(all, 11, "{counts:?}");

        daybreak.serve_once("2026-03-02T22:00:00Z").await;
        let why = daybreak.why(1, "late@example.net").await;
        assert!(why.contains("Sent") && why.contains("2026-03-02T22:00"), "{why}");
        // The mailbox stays full: given up a day after the slot.
        daybreak.serve_once("2026-03-03T06:59:30Z").await;
        let why = daybreak.why(1, "full@example.net").await;
        assert!(why.contains("Failed after 3 attempts") && why.contains("Mailbox full"), "{why}");
    })
    .await;
}
