//! Files as other services write them: who left, bounced or complained there is not mailed from here.

use super::tests::{import_as, import_bytes, on_record, with_brief};
use super::*;
use crate::db::import::Tie;
use crate::pipeline::testing::{apps, now};

async fn tie(app: &App, newsletter_id: i64, name: &str) -> (Option<SuppressionReason>, Tie) {
    let found = on_record(app, newsletter_id, &format!("{name}@example.org")).await;
    (found.suppressed, found.tie.unwrap())
}

#[tokio::test]
async fn whom_substack_sends_nothing_gets_nothing_from_here() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let file = b"email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n\
            ann@example.org,false,,,false,2024-01-05T10:00:00.000Z,\n\
            bob@example.org,false,,,true,2024-01-05T10:00:00.000Z,\n";
        let report = import_bytes(app, file).await.unwrap();
        assert_eq!((report.added, report.getting), (2, 1), "{report:?}");
        assert_eq!(tie(app, id, "ann").await.1.status, SubscriptionStatus::Active);
        let (suppressed, bob) = tie(app, id, "bob").await;
        assert_eq!((suppressed, bob.status), (None, SubscriptionStatus::Unsubscribed));
    }
}

#[tokio::test]
async fn mailchimp_s_files_of_who_left_and_who_bounced_make_no_readers() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let left = b"Email Address,First Name,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,UNSUB_TIME,\
            UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES\n\
            ann@example.org,Ann,2020-01-01 09:00:00,192.0.2.7,2020-01-01 09:05:00,192.0.2.7,2024-02-03 10:00:00,\
            Spring,17,NORMAL,,1,abc,\n";
        let cleaned =
            b"Email Address,OPTIN_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID\n\
            bob@example.org,2020-01-01 09:00:00,2024-02-04 10:00:00,Spring,17,2,def\n";
        let request = Request { newsletter: "brief".into(), dry_run: true, ..Request::default() };
        for file in [&left[..], cleaned] {
            let dry = import_as(app, &request, file).await.unwrap();
            assert_eq!((dry.added, dry.getting, dry.doubtful_columns.len()), (1, 0, 0), "{dry:?}");
            import_bytes(app, file).await.unwrap();
            assert_eq!(import_bytes(app, file).await.unwrap().unchanged, 1);
        }
        let (suppressed, ann) = tie(app, id, "ann").await;
        assert_eq!((suppressed, ann.status), (None, SubscriptionStatus::Unsubscribed));
        assert_eq!(ann.left_at, Timestamp::parse("2024-02-03T10:00:00Z"));
        assert_eq!(ann.left_reason.as_deref(), Some("NORMAL"));
        assert_eq!(ann.consent.unwrap().at, Timestamp::parse("2020-01-01T09:00:00Z").unwrap());
        let (suppressed, bob) = tie(app, id, "bob").await;
        assert_eq!(
            (suppressed, bob.status),
            (Some(SuppressionReason::Bounced), SubscriptionStatus::Unsubscribed)
        );
        assert_eq!(bob.left_at, Timestamp::parse("2024-02-04T10:00:00Z"));
    }
}

#[tokio::test]
async fn a_reader_whose_file_says_that_they_left_leaves_on_that_day() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(app, b"email\nann@example.org\nbob@example.org\n").await.unwrap();
        import_bytes(app, b"email,unsubscribed at\nann@example.org,2024-02-03\nbob@example.org,2999-01-01\n")
            .await
            .unwrap();
        let (_, ann) = tie(app, id, "ann").await;
        assert_eq!(
            (ann.status, ann.left_at),
            (SubscriptionStatus::Unsubscribed, Timestamp::parse("2024-02-03T00:00:00Z"))
        );
        assert_eq!(tie(app, id, "bob").await.1.left_at, Some(now()), "nobody left in the future");
    }
}

#[tokio::test]
async fn a_dry_run_warns_of_columns_that_are_skipped_and_sound_against_mailing() {
    for test in apps().await {
        let (app, _) = with_brief(&test).await;
        let file = b"email,status,Bounce type,Unsubscribe link\n\
            ann@example.org,,hard,https://example.org/a\n\
            bob@example.org,,,https://example.org/b\n\
            cleo@example.org,unsubscribed,hard,https://example.org/c\n";
        let request = Request { newsletter: "brief".into(), dry_run: true, ..Request::default() };
        let dry = import_as(app, &request, file).await.unwrap();
        assert_eq!(dry.doubtful_columns, ["Bounce type"]);
        let group = &dry.groups[0];
        assert_eq!((group.cause, group.count, group.first[0].line), (Cause::Doubtful, 1, 2), "{dry:?}");
        let map = vec![("Bounce type".to_owned(), "bounced_at".to_owned())];
        let dry = import_as(app, &Request { map, ..request }, file).await.unwrap();
        assert_eq!((dry.doubtful_columns.len(), dry.getting, dry.suppressed), (0, 1, 2), "{dry:?}");
    }
}
