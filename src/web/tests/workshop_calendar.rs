//! The calendar, over the days on which clocks are changed.

use super::*;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{compose, newsletters as settings};

/// A house whose newsletter lives in Paris and goes out at 02:30.
async fn in_paris(house: &House, now: &str) {
    house.app.clock.set(Timestamp::parse(now).unwrap());
    settings::set(&house.app, &Actor::command_line(), "brief", &["timezone=Europe/Paris".to_owned()])
        .await
        .unwrap();
    settings::add_schedule(&house.app, &Actor::command_line(), "brief", Some("night"), "2:30", None, "daily")
        .await
        .unwrap();
}

/// The part of the page for a day.
fn day<'b>(page: &'b Answer, date: &str) -> &'b str {
    let start = page
        .body
        .find(&format!("<h3><time datetime=\"{date}\">"))
        .unwrap_or_else(|| panic!("{date}: {}", page.body));
    page.body[start..].split("class=\"day\"").next().unwrap()
}

#[tokio::test]
async fn a_slot_that_clocks_skip_says_what_it_becomes() {
    for house in houses().await {
        in_paris(&house, "2026-03-20T12:00:00Z").await;
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let page = house.get_as(&vic, "/desk/calendar").await;
        assert_eq!(page.status, 200);
        let sunday = day(&page, "2026-03-29");
        assert!(
            sunday.contains("Sunday 29 March") && sunday.contains("Clocks go forward: 02:00 becomes 03:00."),
            "{sunday}"
        );
        assert!(sunday.contains("Clocks go forward: 02:30 becomes 03:00."), "{sunday}");
        let exact =
            "<time datetime=\"2026-03-29T01:00:00Z\" title=\"2026-03-29 03:00 Europe/Paris\">03:00</time>";
        assert!(sunday.contains(exact), "{sunday}");
        let before = day(&page, "2026-03-28");
        assert!(
            before.contains("datetime=\"2026-03-28T01:30:00Z\"") && !before.contains("Clocks"),
            "{before}"
        );
        assert!(day(&page, "2026-03-30").contains("datetime=\"2026-03-30T00:30:00Z\""));
        assert!(day(&page, "2026-03-21").contains("Tomorrow, Saturday 21 March"));
        assert_eq!(page.body.matches("class=\"day\"").count(), 28, "four weeks of days");
        house.close().await;
    }
}

#[tokio::test]
async fn a_slot_that_comes_twice_goes_out_at_the_first() {
    for house in houses().await {
        in_paris(&house, "2026-10-10T12:00:00Z").await;
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let page = house.get_as(&vic, "/desk/calendar").await;
        let sunday = day(&page, "2026-10-25");
        assert!(sunday.contains("Clocks go back: 03:00 becomes 02:00."), "{sunday}");
        assert!(sunday.contains("02:30 comes twice, and it goes out at the first"), "{sunday}");
        assert!(sunday.contains("datetime=\"2026-10-25T00:30:00Z\"") && sunday.matches("<li>").count() == 1);
        // A day without a slot is there for its change alone.
        settings::pause_schedule(&house.app, &Actor::command_line(), "brief", "night", true).await.unwrap();
        settings::add_schedule(
            &house.app,
            &Actor::command_line(),
            "brief",
            Some("monthly"),
            "9:00",
            None,
            "day 28",
        )
        .await
        .unwrap();
        let page = house.get_as(&vic, "/desk/calendar").await;
        assert!(
            page.body.contains("the schedule “night” (Every day at 02:30 (Europe/Paris)) is paused"),
            "{}",
            page.body
        );
        assert!(day(&page, "2026-10-24").contains("paused: nothing goes out"));
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_that_is_made_stands_at_its_slot_with_its_state() {
    for house in houses().await {
        in_paris(&house, "2026-03-20T12:00:00Z").await;
        compose::compose(&house.app).await.unwrap();
        let vic = house.sign_in_for_brief("vic@example.org", Role::Viewer).await;
        let page = house.get_as(&vic, "/desk/calendar").await;
        let saturday = day(&page, "2026-03-21");
        assert!(saturday.contains("href=\"/desk/issues/1\"") && saturday.contains(">filling<"), "{saturday}");
        assert_eq!(saturday.matches("<li>").count(), 1, "the slot is the issue's: {saturday}");
        assert!(day(&page, "2026-03-22").contains("to come"));
        // Newsletters that somebody may not look at are not there.
        let other = a_newsletter(&house.app.db, "secret").await;
        house.schedule(other, "daily", "daily", "12:34").await;
        let page = house.get_as(&vic, "/desk/calendar?newsletter=secret").await;
        assert!(!page.body.contains("12:34") && !page.body.contains("secret"), "{}", page.body);
        let ann = house.sign_in("ann@example.org", Role::Viewer).await;
        let all = house.get_as(&ann, "/desk/calendar").await;
        assert!(
            all.body.contains("12:34")
                && all.body.contains("Clocks go forward in Europe/Paris: 02:00 becomes 03:00.")
        );
        let one = house.get_as(&ann, "/desk/calendar?newsletter=secret").await;
        assert!(one.body.contains("12:34") && !one.body.contains("night"));
        assert_eq!(house.get("/desk/calendar").await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn weeks_far_off_are_folded_and_all_times_are_in_one_zone_that_is_named() {
    for house in houses().await {
        in_paris(&house, "2026-03-13T12:00:00Z").await;
        a_newsletter(&house.app.db, "asahi").await;
        let actor = Actor::command_line();
        settings::set(&house.app, &actor, "asahi", &["timezone=Asia/Tokyo".to_owned()]).await.unwrap();
        settings::add_schedule(&house.app, &actor, "asahi", Some("morning"), "7:00", None, "daily")
            .await
            .unwrap();
        a_newsletter(&house.app.db, "third").await;
        settings::set(&house.app, &actor, "third", &["timezone=Europe/Paris".to_owned()]).await.unwrap();
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let page = house.get_as(&vic, "/desk/calendar").await.body;
        assert!(page.contains("Times in Europe/Paris."), "{page}");
        assert!(page.contains("title=\"2026-03-16 23:00 Europe/Paris\">23:00</time>"), "{page}");
        assert!(page.contains("morning, 07:00 Asia/Tokyo") && !page.contains(" Asia/Tokyo\">"), "{page}");
        let open = page.split("<details class=\"week\">").next().unwrap();
        assert!(
            open.contains("<h2>This week</h2>") && open.contains("<h2>Next week, 16 March to 22 March</h2>")
        );
        assert!(!open.contains("2026-03-23"), "{open}");
        assert_eq!(page.matches("<details class=\"week\">").count(), 3);
        let folded = page.split("<h2>23 March to 29 March</h2>").nth(1).unwrap();
        let summary = folded.split("</summary>").next().unwrap();
        assert!(
            summary.contains("13 issues") && summary.contains("Clocks change on Sunday 29 March."),
            "{summary}"
        );
        house.close().await;
    }
}
