//! What readers change by themselves: preferences, address, data.

use super::*;
use crate::db::suppressions;
use crate::db::testing::every_text;
use crate::domain::subscription::SuppressionReason;
use crate::pipeline::people;

const DAY: i64 = 24 * HOUR;

/// Subscribes somebody to `brief`, and returns the path of their preferences, from the welcome.
pub(super) async fn reader(house: &House, email: &str) -> String {
    house.sign_up(email).await;
    assert_eq!(house.post(&confirm_path(&house.mails().await), FORM, "").await.status, 200);
    let mails = house.mails().await;
    let Some((_, Notice::Welcome(welcome))) = mails.first() else { panic!("no welcome: {mails:?}") };
    path_of(welcome.preferences_url.as_deref().unwrap())
}

/// A page that leads on, followed.
pub(super) async fn follow(house: &House, answer: Answer) -> Answer {
    assert_eq!(answer.status, 303, "{}", answer.body);
    house.get(answer.header("location")).await
}

pub(super) async fn subscriber(
    house: &House,
    email: &str,
) -> Option<crate::domain::subscription::Subscriber> {
    let email = EmailAddress::parse(email).unwrap();
    subscribers::find(&mut house.app.db.conn().await.unwrap(), &email).await.unwrap()
}

#[tokio::test]
async fn a_reader_sees_what_comes_and_changes_it() {
    for house in houses().await {
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        let weekly = house.schedule(house.brief, "weekly", "weekly", "09:00").await;
        let mut tx = house.app.db.begin().await.unwrap();
        for topic in ["Science", "Politics", "Books"] {
            newsletters::ensure_topic(&mut tx, house.brief, &topic.to_lowercase(), topic).await.unwrap();
        }
        tx.commit().await.unwrap();
        let home = reader(&house, "ann@example.org").await;
        let page = house.get(&home).await;
        assert_eq!(page.status, 200);
        for part in
            ["ann@example.org", "Every day at 07:00 (Europe/Paris)", "All topics", "tomorrow at 07:00"]
        {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        let of_brief = format!("{home}/newsletters/brief");
        let form = house.get(&of_brief).await.body;
        assert!(form.contains("Mondays at 09:00") && form.contains("Science"), "{form}");
        let fields = [
            ("schedule", "weekly"),
            ("topic", "science"),
            ("topic", "books"),
            ("hour", "06:00"),
            ("timezone", "America/New_York"),
        ];
        let saved = follow(&house, house.submit(&of_brief, &fields).await).await.body;
        for part in ["Saved.", "Mondays at 09:00", "06:00 (America/New York)", "Science and Books"] {
            assert!(saved.contains(part), "{part}: {saved}");
        }
        let stored = house.stored("ann@example.org").await.remove(0).subscription;
        assert_eq!((stored.schedule_id, stored.topics.bits()), (Some(weekly), 0b101));
        // The form shows what was chosen, and every topic is all of them, also those to come.
        let form = house.get(&of_brief).await.body;
        assert_eq!(form.matches("checked").count(), 3, "{form}");
        let all = [("topic", "science"), ("topic", "politics"), ("topic", "books"), ("schedule", "no such")];
        follow(&house, house.submit(&of_brief, &all).await).await;
        let stored = house.stored("ann@example.org").await.remove(0).subscription;
        assert_eq!((stored.schedule_id, stored.topics.bits(), stored.hour), (Some(weekly), 0, None));

        let wrong = house.submit(&of_brief, &[("hour", "25:00"), ("timezone", "Mars/Olympus")]).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains("is not a time zone") && wrong.body.contains("Mars/Olympus"));
        assert_eq!(house.get(&format!("{home}/newsletters/no-such")).await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn a_reader_tells_name_language_and_zone() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let about = format!("{home}/about");
        assert_eq!(house.get(&about).await.status, 200);
        let fields = [("name", "Ann \"<b>\" Dawn"), ("language", "fr"), ("timezone", "Asia/Tokyo")];
        let page = follow(&house, house.submit(&about, &fields).await).await.body;
        assert!(
            page.contains("Français") && page.contains("Asia/Tokyo") && !page.contains("<b>\""),
            "{page}"
        );
        let ann = subscriber(&house, "ann@example.org").await.unwrap();
        assert_eq!((ann.name.as_str(), ann.language.as_deref()), ("Ann \"<b>\" Dawn", Some("fr")));
        for (field, value) in [("name", "a\nb"), ("language", "☃"), ("timezone", "Nowhere")] {
            let wrong = house.submit(&about, &[(field, value)]).await;
            assert_eq!(wrong.status, 422, "{field}");
            assert!(wrong.body.contains("There is a problem"));
        }
        follow(&house, house.submit(&about, &[]).await).await;
        let ann = subscriber(&house, "ann@example.org").await.unwrap();
        assert_eq!((ann.name.as_str(), ann.language, ann.zone), ("", None, None));
        house.close().await;
    }
}

#[tokio::test]
async fn a_pause_lasts_until_the_morning_of_its_day_and_can_be_ended() {
    for house in houses().await {
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        let home = reader(&house, "ann@example.org").await;
        follow(&house, house.submit(&format!("{home}/about"), &[("timezone", "Europe/Paris")]).await).await;
        let of_brief = format!("{home}/newsletters/brief");
        let pause = format!("{of_brief}/pause");
        let form = house.get(&pause).await.body;
        assert!(form.contains("min=\"2026-11-22\"") && form.contains("Europe/Paris"), "{form}");
        let paused = follow(&house, house.submit(&pause, &[("day", "2026-12-05")]).await).await.body;
        for part in ["Paused until Saturday, 5 December 2026", "Resume <span"] {
            assert!(paused.contains(part), "{part}: {paused}");
        }
        let until = house.stored("ann@example.org").await.remove(0).subscription.paused_until;
        assert_eq!(until, Timestamp::parse("2026-12-04T23:00:00Z"));
        for (day, says) in [
            ("2026-11-21", "a day that is to come"),
            ("2020-01-01", "a day that is to come"),
            ("2028-01-01", "within a year"),
            ("tomorrow", "for instance 2026-12-24"),
            ("", "for instance 2026-12-24"),
        ] {
            let wrong = house.submit(&pause, &[("day", day)]).await;
            assert_eq!(wrong.status, 422, "{day}");
            assert!(wrong.body.contains(says), "{day}: {}", wrong.body);
        }
        // It ends by itself, and a reader can end it before.
        house.pass(14 * DAY);
        assert!(!house.get(&home).await.body.contains("Paused until"));
        house.pass(-14 * DAY);
        let page = follow(&house, house.submit(&format!("{of_brief}/resume"), &[]).await).await.body;
        assert!(page.contains("tomorrow at 07:00"), "{page}");
        assert_eq!(house.stored("ann@example.org").await[0].subscription.paused_until, None);
        house.close().await;
    }
}

#[tokio::test]
async fn leaving_one_or_all_can_be_undone_for_a_day_with_everything_that_was_chosen() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        let home = reader(&house, "ann@example.org").await;
        house.pass(HOUR);
        house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", "weekly")]).await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        house.mails().await;
        let of_brief = format!("{home}/newsletters/brief");
        follow(&house, house.submit(&of_brief, &[("hour", "05:00")]).await).await;

        assert!(house.get(&format!("{of_brief}/leave")).await.body.contains("It came too often"));
        assert_eq!(house.statuses("ann@example.org").await, ["active", "active"], "a GET changes nothing");
        let answer = house.submit(&format!("{of_brief}/leave"), &[("reason", "too-often")]).await;
        let page = follow(&house, answer).await.body;
        assert!(page.contains("Nothing more of it will come") && page.contains("Undo: keep sending"));
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed", "active"]);
        let left = house.stored("ann@example.org").await.remove(0);
        assert_eq!(left.left_reason.as_deref(), Some("too-often"));
        assert!(matches!(house.mails().await.as_slice(), [(_, Notice::Goodbye(_))]));

        follow(&house, house.submit(&format!("{of_brief}/undo"), &[]).await).await;
        let back = house.stored("ann@example.org").await.remove(0);
        assert_eq!(back.subscription.status.as_str(), "active");
        assert_eq!(back.subscription.hour, TimeOfDay::parse("05:00").ok());
        assert_eq!((back.left_at, back.left_reason), (None, None));
        assert!(matches!(house.mails().await.as_slice(), [(_, Notice::Welcome(_))]));

        let page = house.get(&format!("{home}/leave")).await.body;
        assert!(page.contains("Leave <span dir=\"auto\">brief and weekly</span>"), "{page}");
        follow(&house, house.submit(&format!("{home}/leave"), &[]).await).await;
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed", "unsubscribed"]);
        house.pass(DAY - 1000);
        let page = follow(&house, house.submit(&format!("{home}/undo"), &[]).await).await.body;
        assert!(page.contains("You get it again"), "{page}");
        assert_eq!(house.statuses("ann@example.org").await, ["active", "active"]);

        // A day later only signing up and confirming brings anybody back.
        follow(&house, house.submit(&format!("{home}/leave"), &[]).await).await;
        house.pass(DAY + 1);
        follow(&house, house.submit(&format!("{home}/undo"), &[]).await).await;
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed", "unsubscribed"]);
        assert!(house.get(&home).await.body.contains("Sign up again"));
        house.close().await;
    }
}

#[tokio::test]
async fn the_page_after_leaving_by_the_mails_link_has_an_undo() {
    for house in houses().await {
        let leave = house.subscribe("ann@example.org").await;
        assert!(
            house.get(&leave).await.body.contains("Mail me that link"),
            "there are other ways than leaving"
        );
        let left = house.post(&leave, FORM, "").await.body;
        assert!(left.contains(&format!("action=\"{leave}/undo\"")), "{left}");
        assert_eq!(house.get(&format!("{leave}/undo")).await.status, 405);
        let back = house.post(&format!("{leave}/undo"), FORM, "").await;
        assert!(back.status == 200 && back.body.contains("again</h1>"), "{}", back.body);
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        house.post(&leave, FORM, "").await;
        house.pass(DAY + 1);
        assert!(!house.get(&leave).await.body.contains("/undo"));
        let late = house.post(&format!("{leave}/undo"), FORM, "").await;
        assert!(
            late.body.contains("You have left") && late.body.contains("too late to undo"),
            "{}",
            late.body
        );
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed"]);
        // Who never left is not touched, and nobody is told.
        house.mails().await;
        let bob = house.subscribe("bob@example.org").await;
        house.post(&format!("{bob}/undo"), FORM, "").await;
        assert_eq!(house.mails().await, []);
        house.close().await;
    }
}

pub(super) fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

#[tokio::test]
async fn links_that_confirm_or_leave_mail_the_link_to_the_preferences_and_do_not_show_it() {
    for house in houses().await {
        house.sign_up("ann@example.org").await;
        let confirm = confirm_path(&house.mails().await);
        assert!(
            house.post(&confirm, FORM, "").await.body.contains("/preferences/"),
            "who confirms may go there"
        );
        let mails = house.mails().await;
        let Some((_, Notice::Welcome(welcome))) = mails.first() else { panic!("{mails:?}") };
        let leave = path_of(&welcome.unsubscribe_url);
        for page in [
            house.get(&confirm).await,
            house.post(&confirm, FORM, "").await,
            house.get(&leave).await,
            house.post(&leave, FORM, "").await,
            house.get(&leave).await,
            house.post(&format!("{leave}/undo"), FORM, "").await,
        ] {
            assert!(page.status == 200 && !page.body.contains("/preferences/"), "{}", page.body);
        }
        house.mails().await;
        assert_eq!(house.get(&format!("{leave}/link")).await.status, 405);
        for _ in 0..3 {
            let asked = house.post(&format!("{leave}/link"), FORM, "").await;
            assert!(asked.body.contains("Look into your inbox"), "{}", asked.body);
            assert!(!asked.body.contains("/preferences/"), "{}", asked.body);
        }
        let mails = house.mails().await;
        let [(to, Notice::Welcome(welcome))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(to, "ann@example.org");
        let home = path_of(welcome.preferences_url.as_deref().unwrap());
        assert_eq!(house.get(&home).await.status, 200);
        house.close().await;
    }
}

#[tokio::test]
async fn who_never_confirmed_does_not_become_a_reader_by_taking_leaving_back() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        let home = reader(&house, "ann@example.org").await;
        house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", "weekly")]).await;
        let leave = house.leave_path(house.stored("ann@example.org").await[1].subscription.id);
        house.submit(&format!("{home}/leave"), &[]).await;
        assert_eq!(house.statuses("ann@example.org").await, ["unsubscribed", "unsubscribed"]);
        house.post(&format!("{home}/undo"), FORM, "").await;
        house.post(&format!("{home}/newsletters/weekly/undo"), FORM, "").await;
        house.post(&format!("{leave}/undo"), FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active", "unsubscribed"]);
        assert!(!house.get(&leave).await.body.contains("/undo"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_change_of_address_tells_nobody_who_reads_and_takes_nothing_from_them() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        reader(&house, "bob@example.org").await;
        house.pass(HOUR);
        let form = format!("{home}/address");
        let mut answers = vec![];
        for email in ["bob@example.org", "nobody@example.org"] {
            let answer = house.submit(&form, &[("email", email)]).await;
            answers.push((answer.status, answer.body.replace(email, "ADDRESS")));
        }
        assert_eq!(answers[0], answers[1]);
        let mails = house.mails().await;
        let Some((to, Notice::Address(mail))) = mails.first() else { panic!("{mails:?}") };
        assert_eq!(to, "bob@example.org");
        let path = path_of(&mail.confirm_url);
        for answer in [house.get(&path).await, house.post(&path, FORM, "").await] {
            assert!(answer.body.contains("Somebody reads at this address already"), "{}", answer.body);
        }
        assert_eq!(house.statuses("bob@example.org").await, ["active"]);
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);

        // One mail an hour for an address, five addresses a day for a person, two days for a link.
        house.submit(&form, &[("email", "nobody@example.org")]).await;
        assert_eq!(house.mails().await, []);
        for (email, status) in [("ann@example.org", 422), ("x", 422), ("", 422), ("c@example.org", 200)] {
            assert_eq!(house.submit(&form, &[("email", email)]).await.status, status, "{email}");
        }
        let mails = house.mails().await;
        let Some((_, Notice::Address(mail))) = mails.first() else { panic!("{mails:?}") };
        house.submit(&form, &[("email", "d@example.org")]).await;
        let over = house.submit(&form, &[("email", "e@example.org")]).await;
        assert!(over.status == 422 && over.body.contains("try again tomorrow"), "{}", over.body);
        house.pass(2 * DAY + 1);
        assert_eq!(house.post(&path_of(&mail.confirm_url), FORM, "").await.status, 410);
        house.close().await;
    }
}

#[tokio::test]
async fn a_suppressed_reader_is_told_and_a_suppressed_address_gets_no_mail() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        for email in ["ann@example.org", "gone@example.org"] {
            let email = EmailAddress::parse(email).unwrap();
            let (app, now) = (&house.app, house.app.clock.now());
            let mut conn = app.db.conn().await.unwrap();
            suppressions::suppress(&mut conn, &app.key, &email, SuppressionReason::Bounced, "550", now)
                .await
                .unwrap();
        }
        assert!(house.get(&home).await.body.contains("mail to the address came back"));
        let asked = house.submit(&format!("{home}/address"), &[("email", "gone@example.org")]).await;
        assert_eq!((asked.status.as_u16(), house.mails().await), (200, vec![]));
        house.close().await;
    }
}

#[tokio::test]
async fn everything_held_about_a_reader_is_a_file() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let file = house.get(&format!("{home}/data")).await;
        assert_eq!(file.header("content-type"), "application/json; charset=utf-8");
        assert!(file.header("content-disposition").starts_with("attachment"));
        assert_eq!(file.header("cache-control"), "no-store");
        let data: serde_json::Value = serde_json::from_str(&file.body).unwrap();
        assert_eq!(data["email"], "ann@example.org");
        assert_eq!(data["subscriptions"][0]["newsletter"], "brief");
        assert_eq!(data["subscriptions"][0]["consent"]["from"], "127.0.0.1");
        let kinds: Vec<&str> =
            data["other_mails"].as_array().unwrap().iter().filter_map(|mail| mail["kind"].as_str()).collect();
        assert_eq!(kinds, ["welcome", "confirm"]);
        house.close().await;
    }
}

#[tokio::test]
async fn erasing_leaves_only_what_keeps_the_address_from_being_mailed() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        house.submit(&format!("{home}/address"), &[("email", "ann-new@example.org")]).await;
        let page = house.get(&format!("{home}/erase")).await.body;
        assert!(page.contains("Erase everything about me") && page.contains("cannot be undone"), "{page}");
        assert!(
            page.contains("can then not sign up here again") && page.contains("mailto:editors@"),
            "{page}"
        );
        assert_eq!(house.statuses("ann@example.org").await, ["active"], "a GET changes nothing");
        let erased = house.post(&format!("{home}/erase"), FORM, "").await;
        assert!(erased.status == 200 && erased.body.contains("You are erased"), "{}", erased.body);
        for part in
            ["cannot sign up here again", "mailto:editors@example.org", "those to articles still lead there"]
        {
            assert!(erased.body.contains(part), "{part}: {}", erased.body);
        }
        let left = every_text(&house.app.db).await;
        assert!(!left.contains("ann"), "{left}");
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        assert!(suppressions::is_suppressed(&mut conn, &house.app.key, &email).await.unwrap());
        drop(conn);
        for path in ["", "/about", "/data", "/address", "/leave", "/erase", "/newsletters/brief/pause"] {
            let answer = house.get(&format!("{home}{path}")).await;
            assert!(answer.body.contains("Nobody is known under this link"), "{path}: {}", answer.body);
        }
        for path in ["/about", "/address", "/leave", "/undo", "/erase", "/newsletters/brief/leave"] {
            let answer = house.submit(&format!("{home}{path}"), &[("email", "x@example.org")]).await;
            assert!(answer.body.contains("Nobody is known under this link"), "{path}: {}", answer.body);
        }
        house.sign_up("ann@example.org").await;
        assert_eq!(house.mails().await, []);
        // Who comes later has a number of their own: the link of who was erased is not theirs.
        reader(&house, "bob@example.org").await;
        assert!(house.get(&home).await.body.contains("Nobody is known"));
        house.close().await;
    }
}

#[tokio::test]
async fn no_get_changes_anything_and_no_foreign_token_opens_anything() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let before = (house.stored("ann@example.org").await, subscriber(&house, "ann@example.org").await);
        let pages = [
            "",
            "/about",
            "/address",
            "/leave",
            "/data",
            "/erase",
            "/newsletters/brief",
            "/newsletters/brief/pause",
            "/newsletters/brief/leave",
        ];
        for path in pages {
            let answer = house.get(&format!("{home}{path}")).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!((answer.header("set-cookie"), answer.header("referrer-policy")), ("", "same-origin"));
            assert!(!answer.body.contains("<script") && !answer.body.contains(" style="), "{path}");
        }
        for path in ["/undo", "/newsletters/brief/resume", "/newsletters/brief/undo"] {
            assert_eq!(house.get(&format!("{home}{path}")).await.status, 405, "{path}");
        }
        assert_eq!(
            (house.stored("ann@example.org").await, subscriber(&house, "ann@example.org").await),
            before
        );

        let id = before.1.unwrap().id;
        let elsewhere = SigningKey::new(&[8; 32]).sign(&Token::Manage {
            subscriber_id: id,
            mark: Some([0; 8]),
            expires: None,
        });
        let leave = house.app.key.sign(&Token::Leave { subscription_id: id });
        let cut = home.trim_start_matches("/preferences/");
        for token in [elsewhere.as_str(), &leave, &cut[..cut.len() - 4], "x", "%00", &"A".repeat(5000)] {
            for path in pages {
                let address = format!("/preferences/{token}{path}");
                assert_eq!(house.get(&address).await.status, 404, "{address}");
                assert!([404, 405].contains(&house.submit(&address, &[]).await.status.as_u16()), "{address}");
            }
            assert_eq!(house.get(&format!("/address/{token}")).await.status, 404);
            assert_eq!(house.submit(&format!("/address/{token}"), &[]).await.status, 404);
        }
        assert_eq!(house.get(&format!("{home}/newsletters/br%00ief")).await.status, 404);
        assert_eq!(
            house.get(&format!("{home}?done=<script>")).await.body.matches("role=\"status\"").count(),
            0
        );
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn what_waits_to_be_confirmed_can_be_refused_from_the_preferences() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        let home = reader(&house, "ann@example.org").await;
        house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", "weekly")]).await;
        assert!(house.get(&home).await.body.contains("You have not confirmed it yet"));
        assert_eq!(house.get(&format!("{home}/newsletters/weekly")).await.status, 404);
        follow(&house, house.submit(&format!("{home}/newsletters/weekly/leave"), &[]).await).await;
        assert_eq!(house.statuses("ann@example.org").await, ["active", "unsubscribed"]);
        assert_eq!(house.mails().await, [], "there is no goodbye to what never came");
        // An admin's erasure is the same as one's own.
        people::erase(&house.app, None, &EmailAddress::parse("ann@example.org").unwrap()).await.unwrap();
        assert!(house.get(&home).await.body.contains("Nobody is known"));
        house.close().await;
    }
}
