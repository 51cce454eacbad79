//! Signing up and confirming.

use super::*;
use crate::db::suppressions;
use crate::domain::subscription::SuppressionReason;

#[tokio::test]
async fn nobody_is_subscribed_before_the_owner_of_the_address_presses_the_button() {
    for house in houses().await {
        let answer = house.sign_up("Ann@Example.org").await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("Check your inbox") && answer.body.contains("ann@example.org"));
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);

        let mails = house.mails().await;
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].0, "ann@example.org");
        let path = confirm_path(&mails);
        let asked = house.get(&path).await;
        assert_eq!(asked.status, 200);
        assert!(asked.body.contains("Yes, send it to me"));
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);

        let confirmed = house.post(&path, FORM, "").await;
        assert_eq!(confirmed.status, 200);
        assert!(confirmed.body.contains("You are subscribed"));
        let stored = house.stored("ann@example.org").await;
        assert_eq!(stored[0].subscription.status.as_str(), "active");
        assert_eq!(stored[0].confirmed_at, Some(house.app.clock.now()));
        let consent = stored[0].subscription.consent.as_ref().unwrap();
        assert_eq!((consent.at, consent.from.as_str()), (house.app.clock.now(), "127.0.0.1"));
        assert!(consent.words.contains("send you"), "{}", consent.words);
        house.close().await;
    }
}

#[tokio::test]
async fn confirming_twice_welcomes_once() {
    for house in houses().await {
        house.sign_up("ann@example.org").await;
        let path = confirm_path(&house.mails().await);
        for _ in 0..2 {
            let confirmed = house.post(&path, FORM, "").await;
            assert_eq!(confirmed.status, 200);
            assert!(confirmed.body.contains("You are subscribed"));
            house.pass(1000);
        }
        let mails = house.mails().await;
        assert!(matches!(mails.as_slice(), [(_, Notice::Welcome(_))]), "{mails:?}");
        // A reader who follows the link again is told how things stand, also after it would have expired.
        house.pass(8 * 24 * HOUR);
        assert!(house.get(&path).await.body.contains("You are subscribed"));
        assert_eq!(house.post(&path, FORM, "").await.status, 200);
        house.close().await;
    }
}

#[tokio::test]
async fn one_mail_confirms_several_newsletters() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        a_newsletter(&house.app.db, "not-wanted").await;
        let fields = [("email", "ann@example.org"), ("newsletter", "brief"), ("newsletter", "weekly")];
        assert_eq!(house.submit("/subscribe", &fields).await.status, 200);
        let mails = house.mails().await;
        let [(_, Notice::Confirm(confirm))] = mails.as_slice() else { panic!("{mails:?}") };
        let names: Vec<&str> = confirm.newsletters.iter().map(|asked| asked.slug.as_str()).collect();
        assert_eq!(names, ["brief", "weekly"]);
        assert!(house.get(&confirm_path(&mails)).await.body.contains("these newsletters"));
        house.post(&confirm_path(&mails), FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active", "active"]);
        assert_eq!(house.mails().await.len(), 2, "a welcome to each");
        house.close().await;
    }
}

#[tokio::test]
async fn the_answer_is_the_same_for_a_known_and_an_unknown_address() {
    for house in houses().await {
        house.subscribe("active@example.org").await;
        house.sign_up("pending@example.org").await;
        let leave = house.subscribe("left@example.org").await;
        house.post(&leave, FORM, "").await;
        let suppressed = EmailAddress::parse("suppressed@example.org").unwrap();
        let (app, now) = (&house.app, house.app.clock.now());
        let mut conn = app.db.conn().await.unwrap();
        suppressions::suppress(&mut conn, &app.key, &suppressed, SuppressionReason::Manual, "", now)
            .await
            .unwrap();
        drop(conn);
        let mut answers = vec![];
        for who in ["active", "pending", "left", "suppressed", "unknown"] {
            let email = format!("{who}@example.org");
            let mut answer = house.sign_up(&email).await;
            answer.headers.remove("date");
            answer.headers.remove("content-length");
            answers.push((answer.status, answer.headers.clone(), answer.body.replace(&email, "ADDRESS")));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_suppressed_address_gets_no_mail_and_is_not_stored() {
    for house in houses().await {
        let (app, now) = (&house.app, house.app.clock.now());
        let gone = EmailAddress::parse("gone@example.org").unwrap();
        let mut conn = app.db.conn().await.unwrap();
        let reason = SuppressionReason::Bounced;
        suppressions::suppress(&mut conn, &app.key, &gone, reason, "550", now).await.unwrap();
        drop(conn);
        assert_eq!(house.sign_up("gone@example.org").await.status, 200);
        assert_eq!(house.mails().await, []);
        assert!(house.stored("gone@example.org").await.is_empty());
        house.close().await;
    }
}

#[tokio::test]
async fn signing_up_twice_in_an_hour_sends_one_mail() {
    for house in houses().await {
        // Across the turn of the hour by the clock, too.
        house.pass(HOUR - 60_000);
        house.sign_up("ann@example.org").await;
        house.pass(2 * 60_000);
        house.sign_up("ann@example.org").await;
        assert_eq!(house.mails().await.len(), 1);
        house.pass(HOUR);
        house.sign_up("ann@example.org").await;
        assert_eq!(house.mails().await.len(), 1, "an hour later it may be asked again");
        house.close().await;
    }
}

#[tokio::test]
async fn signing_up_for_a_second_newsletter_asks_when_the_hour_is_over() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        house.sign_up("ann@example.org").await;
        house.mails().await;
        house.pass(60_000);
        let fields = [("email", "ann@example.org"), ("newsletter", "weekly")];
        for _ in 0..3 {
            house.submit("/subscribe", &fields).await;
        }
        assert_eq!(house.mails().await, []);
        house.pass(HOUR);
        let mails = house.mails().await;
        let [(_, Notice::Confirm(confirm))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(confirm.newsletters.len(), 1);
        house.post(&confirm_path(&mails), FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["pending", "active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn many_sign_ups_at_once_send_one_mail() {
    for house in houses().await {
        let all = (0..8).map(|_| house.sign_up("ann@example.org"));
        let answers = futures_util::future::join_all(all).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert_eq!(house.mails().await.len(), 1);
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_form_changes_nothing_for_a_reader() {
    for house in houses().await {
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        house.schedule(house.brief, "weekly", "weekly", "09:00").await;
        house.subscribe("ann@example.org").await;
        let before = house.stored("ann@example.org").await;
        let fields = [
            ("email", "ann@example.org"),
            ("name", "Mallory"),
            ("newsletter", "brief"),
            ("schedule", "weekly"),
            ("hour", "03:00"),
            ("timezone", "Asia/Tokyo"),
        ];
        for _ in 0..3 {
            assert_eq!(house.submit("/subscribe", &fields).await.status, 200);
        }
        assert_eq!(house.stored("ann@example.org").await, before);
        let mut conn = house.app.db.conn().await.unwrap();
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let ann = subscribers::find(&mut conn, &email).await.unwrap().unwrap();
        assert_eq!((ann.name.as_str(), ann.zone), ("", None));
        drop(conn);
        // The owner learns that all is well, once a day.
        let mails = house.mails().await;
        assert!(matches!(mails.as_slice(), [(_, Notice::Welcome(_))]), "{mails:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_a_reader_chose_is_kept_and_the_next_issue_is_named() {
    for house in houses().await {
        let daily = house.schedule(house.brief, "daily", "daily", "07:00").await;
        let weekly = house.schedule(house.brief, "weekly", "weekly", "09:00").await;
        let mut tx = house.app.db.begin().await.unwrap();
        for topic in ["science", "politics", "books"] {
            newsletters::ensure_topic(&mut tx, house.brief, topic, topic).await.unwrap();
        }
        tx.commit().await.unwrap();
        let fields = [
            ("email", "ann@example.org"),
            ("name", "Ann Dawn"),
            ("newsletter", "brief"),
            ("schedule", "weekly"),
            ("topic", "science"),
            ("topic", "books"),
        ];
        house.submit("/subscribe", &fields).await;
        let confirmed = house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let said = "You will get the next issue on Monday at 09:00 (Europe/Paris).";
        assert!(confirmed.body.contains(said), "{}", confirmed.body);
        let stored = house.stored("ann@example.org").await.remove(0).subscription;
        assert_eq!(stored.schedule_id, Some(weekly));
        assert_eq!(stored.topics.bits(), 0b101);
        let mails = house.mails().await;
        let [(_, Notice::Welcome(welcome))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(welcome.next_issue, Timestamp::parse("2026-11-23T08:00:00Z"));

        // Who chooses nothing follows the first schedule; an hour of one's own is kept with the zone it is in.
        house.sign_up("bob@example.org").await;
        let confirmed = house.post(&confirm_path(&house.mails().await), FORM, "").await;
        assert!(confirmed.body.contains("tomorrow at 07:00 (Europe/Paris)"), "{}", confirmed.body);
        assert_ne!(house.stored("bob@example.org").await[0].subscription.schedule_id, Some(daily + 1000));
        house.mails().await;
        let fields = [
            ("email", "cem@example.org"),
            ("newsletter", "brief"),
            ("hour", "06:00"),
            ("timezone", "America/New_York"),
        ];
        house.submit("/subscribe", &fields).await;
        let confirmed = house.post(&confirm_path(&house.mails().await), FORM, "").await;
        assert!(confirmed.body.contains("tomorrow at 06:00 (America/New York)"), "{}", confirmed.body);
        house.close().await;
    }
}

#[tokio::test]
async fn a_link_to_confirm_works_for_seven_days() {
    for house in houses().await {
        house.sign_up("ann@example.org").await;
        let path = confirm_path(&house.mails().await);
        house.pass(7 * 24 * HOUR);
        assert_eq!(house.get(&path).await.status, 200);
        house.pass(1);
        for answer in [house.get(&path).await, house.post(&path, FORM, "").await] {
            assert_eq!(answer.status, 410);
            assert!(answer.body.contains("This link has expired") && answer.body.contains("/subscribe"));
        }
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);
        assert_eq!(house.mails().await, []);
        house.close().await;
    }
}

#[tokio::test]
async fn a_confirmation_sent_before_leaving_does_not_bring_back() {
    for house in houses().await {
        house.sign_up("ann@example.org").await;
        let path = confirm_path(&house.mails().await);
        house.post(&path, FORM, "").await;
        let id = house.stored("ann@example.org").await[0].subscription.id;
        house.post(&house.leave_path(id), FORM, "").await;
        house.mails().await;
        for answer in [house.get(&path).await, house.post(&path, FORM, "").await] {
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains("You have left since"));
        }
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed"]);
        assert_eq!(house.mails().await, []);
        house.close().await;
    }
}

#[tokio::test]
async fn who_left_comes_back_only_by_confirming_anew() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        house.post(&leave, FORM, "").await;
        house.mails().await;
        house.pass(HOUR);
        house.sign_up("ann@example.org").await;
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);
        let path = confirm_path(&house.mails().await);
        house.post(&path, FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        assert!(matches!(house.mails().await.as_slice(), [(_, Notice::Welcome(_))]));
        // Leaving works again, and is told again.
        assert_eq!(house.post(&leave, FORM, "").await.status, 200);
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed"]);
        assert!(matches!(house.mails().await.as_slice(), [(_, Notice::Goodbye(_))]));
        house.close().await;
    }
}

#[tokio::test]
async fn a_stranger_changes_nothing_of_a_sign_up_that_waits() {
    for house in houses().await {
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        let mine = [
            ("email", "ann@example.org"),
            ("name", "Ann Dawn"),
            ("newsletter", "brief"),
            ("hour", "06:00"),
            ("timezone", "Europe/Paris"),
        ];
        house.submit("/subscribe", &mine).await;
        let path = confirm_path(&house.mails().await);
        let before = house.stored("ann@example.org").await;
        house.pass(60_000);
        let theirs = [
            ("email", "ann@example.org"),
            ("name", "Mallory"),
            ("newsletter", "brief"),
            ("hour", "03:00"),
            ("timezone", "Asia/Tokyo"),
        ];
        house.submit("/subscribe", &theirs).await;
        assert_eq!(house.stored("ann@example.org").await, before);
        let page = house.get(&path).await.body;
        assert!(page.contains("Ann Dawn") && page.contains("06:00 (Europe/Paris)"), "{page}");
        assert!(!page.contains("Mallory") && !page.contains("Tokyo"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_waited_a_week_may_be_replaced_and_no_link_of_before_confirms_it() {
    for house in houses().await {
        house.sign_up("ann@example.org").await;
        house.mails().await;
        house.pass(6 * 24 * HOUR);
        house.sign_up("ann@example.org").await;
        let mine = confirm_path(&house.mails().await);
        assert_eq!(house.get(&mine).await.status, 200);
        house.pass(2 * 24 * HOUR);
        let fields = [("email", "ann@example.org"), ("name", "Mallory"), ("newsletter", "brief")];
        house.submit("/subscribe", &fields).await;
        for answer in [house.get(&mine).await, house.post(&mine, FORM, "").await] {
            assert_eq!(answer.status, 410);
        }
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);
        let theirs = confirm_path(&house.mails().await);
        assert!(house.get(&theirs).await.body.contains("addressed to <b dir=\"auto\">Mallory</b>"));
        house.post(&theirs, FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_form_with_several_newsletters_lets_choose_of_each_how_often_and_topics() {
    for house in houses().await {
        let other = a_newsletter(&house.app.db, "sea").await;
        a_newsletter(&house.app.db, "plain").await;
        for newsletter in [house.brief, other] {
            house.schedule(newsletter, "daily", "daily", "07:00").await;
        }
        let weekly = house.schedule(other, "weekly", "weekly", "09:00").await;
        let mut tx = house.app.db.begin().await.unwrap();
        for (newsletter, topic) in
            [(house.brief, "Science"), (house.brief, "Books"), (other, "Books"), (other, "Tides")]
        {
            newsletters::ensure_topic(&mut tx, newsletter, &topic.to_lowercase(), topic).await.unwrap();
        }
        tx.commit().await.unwrap();
        let page = house.get("/subscribe").await.body;
        // Folded away, and not there at all where there is nothing to choose.
        assert_eq!(page.matches("<details class=\"of-one\" >").count(), 2, "{page}");
        assert!(page.contains("Choose topics") && page.contains("Choose how often, and topics"), "{page}");
        for part in
            ["name=\"topic-brief\" value=\"science\"", "name=\"schedule-sea\" value=\"weekly\"", "Tides"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("name=\"schedule-brief\"") && !page.contains("topic-plain"));

        let fields = [
            ("email", "ann"),
            ("newsletter", "brief"),
            ("newsletter", "sea"),
            ("topic-brief", "science"),
            ("schedule-sea", "weekly"),
            ("topic-sea", "books"),
            ("topic-sea", "tides"),
            ("schedule-no-such", "weekly"),
        ];
        let again = house.submit("/subscribe", &fields).await;
        assert_eq!(again.status, 422);
        assert_eq!(again.body.matches("<details class=\"of-one\" open>").count(), 2, "{}", again.body);
        for ticked in ["\"tides\" checked", "\"science\" checked", "\"weekly\" checked"] {
            assert!(again.body.contains(ticked), "{ticked}: {}", again.body);
        }
        let mut fields = fields;
        fields[0] = ("email", "ann@example.org");
        assert_eq!(house.submit("/subscribe", &fields).await.status, 200);
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let stored = house.stored("ann@example.org").await;
        let of = |id: i64| {
            let found = stored.iter().find(|stored| stored.subscription.newsletter_id == id).unwrap();
            (found.subscription.topics.bits(), found.subscription.schedule_id)
        };
        // The topic that both have was chosen of one alone.
        assert_eq!((of(house.brief), of(other)), ((0b01, None), (0b11, Some(weekly))));
        // What stands in the fields of one that is not ticked is nothing: it is not asked for.
        assert_eq!(stored.len(), 2);
        house.close().await;
    }
}

#[tokio::test]
async fn whoever_confirms_sees_what_was_chosen_and_the_consent_is_theirs() {
    for house in houses().await {
        house.schedule(house.brief, "weekly", "weekly", "09:00").await;
        let mut tx = house.app.db.begin().await.unwrap();
        for topic in ["Science", "Politics", "Books"] {
            newsletters::ensure_topic(&mut tx, house.brief, &topic.to_lowercase(), topic).await.unwrap();
        }
        tx.commit().await.unwrap();
        let fields = [
            ("email", "ann@example.org"),
            ("newsletter", "brief"),
            ("topic", "science"),
            ("topic", "books"),
            ("hour", "06:00"),
            ("timezone", "America/New_York"),
        ];
        house.submit("/subscribe", &fields).await;
        let path = confirm_path(&house.mails().await);
        let page = house.get(&path).await.body;
        for part in ["Mondays at 09:00 (Europe/Paris)", "06:00 (America/New York)", "Science and Books"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let asked = house.stored("ann@example.org").await.remove(0).subscription.consent.unwrap();
        house.pass(HOUR);
        let request =
            house.client.post(format!("{}{path}", house.base)).header("x-forwarded-for", "203.0.113.9");
        assert_eq!(request.send().await.unwrap().status(), 200);
        let given = house.stored("ann@example.org").await.remove(0).subscription.consent.unwrap();
        assert_eq!(
            (given.at, given.from.as_str()),
            (asked.at, "203.0.113.9"),
            "agreed when the form was sent"
        );
        let confirmed_at = house.stored("ann@example.org").await.remove(0).confirmed_at;
        assert_eq!(confirmed_at, Some(asked.at.plus_millis(HOUR)));
        assert_eq!((asked.from.as_str(), asked.words), ("127.0.0.1", given.words));
        house.close().await;
    }
}

#[tokio::test]
async fn the_consent_names_what_was_asked_for_whatever_page_the_form_says_it_is_from() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        let fields = [("page", "weekly"), ("email", "ann@example.org"), ("newsletter", "brief")];
        house.submit("/subscribe", &fields).await;
        let mut conn = house.app.db.conn().await.unwrap();
        let name = newsletters::get(&mut conn, house.brief).await.unwrap().unwrap().name;
        drop(conn);
        let consent = house.stored("ann@example.org").await.remove(0).subscription.consent.unwrap();
        assert!(consent.words.contains(&format!("send you {name} by")), "{}", consent.words);
        house.close().await;
    }
}

#[tokio::test]
async fn a_reader_of_many_newsletters_is_told_once_a_day_that_all_is_well() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        let fields = [("email", "ann@example.org"), ("newsletter", "brief"), ("newsletter", "weekly")];
        house.submit("/subscribe", &fields).await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        house.mails().await;
        house.submit("/subscribe", &fields).await;
        house.submit("/subscribe", &fields[..2]).await;
        assert_eq!(house.mails().await.len(), 1);
        house.pass(24 * HOUR);
        house.submit("/subscribe", &fields).await;
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}
