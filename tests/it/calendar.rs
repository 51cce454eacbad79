//! When issues go out: at their slot, once a day, through clock changes, outages and clocks that are set back.

use crate::daybreak::{Daybreak, Kind, everywhere, on_postgres, on_sqlite, recipients};
use crate::feeds::{Feeds, Item, rss};
use crate::mail::Mail;
use crate::sink::Sink;

/// A newsletter at an hour with one reader and a feed.
async fn brief(daybreak: &mut Daybreak, at: &str, zone: &str, days: &str) -> (Sink, Feeds) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    daybreak.newsletter(&[]).await;
    daybreak.schedule(at, zone, days).await;
    daybreak.readers("email\nann@example.net\n").await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    (sink, feeds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_issue_goes_out_at_its_slot_and_once() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, "07:00", "Europe/Paris", "daily").await;
        daybreak.serve_once("2026-03-02T05:59:00Z").await;
        assert_eq!(sink.accepted().len(), 0, "nobody gets it before its slot");
        for time in ["2026-03-02T06:00:00Z", "2026-03-02T06:00:30Z", "2026-03-02T23:00:00Z"] {
            daybreak.serve_once(time).await;
            assert_eq!(recipients(&sink), ["ann@example.net"], "at {time}");
        }
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T05:58:00Z").await;
        assert_eq!(sink.accepted().len(), 1);
        daybreak.serve_once("2026-03-03T06:00:00Z").await;
        assert_eq!(sink.accepted().len(), 2);
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-02T06:00:00Z", "2026-03-03T06:00:00Z"]);
    })
    .await;
}

/// Walks the clock through `times` with four daily newsletters, and checks that each issue goes out at its slot, not
/// before, and once: `slots` are the instants that each must have.
async fn nights(
    daybreak: &mut Daybreak,
    begin: &str,
    times: &[String],
    briefs: &[(&str, &str, &str, &[&str])],
) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    feeds.answer("/feed", rss(&[Item::new("Story 0")]));
    daybreak.at(begin);
    for (slug, at, zone, _) in briefs {
        daybreak.newsletter_called(slug, &[]).await;
        daybreak.schedule_of(slug, at, zone, "daily").await;
        daybreak.readers_of(slug, &format!("email\n{slug}@example.net\n")).await;
        daybreak.run(&["source", "add", slug, &feeds.url("/feed")]).await;
    }
    for (number, time) in times.iter().enumerate() {
        feeds.answer("/feed", rss(&[Item::new(&format!("Story {number} of many"))]));
        let before = recipients(&sink).len();
        daybreak.serve_once(time).await;
        let mut due: Vec<String> = briefs
            .iter()
            .filter(|(_, _, _, slots)| slots.contains(&time.as_str()))
            .map(|(slug, ..)| format!("{slug}@example.net"))
            .collect();
        due.sort();
        let mut came: Vec<String> =
            sink.accepted()[before..].iter().flat_map(|accepted| accepted.to.clone()).collect();
        came.sort();
        assert_eq!(came, due, "what goes out at {time}");
    }
    for (slug, _, _, slots) in briefs {
        assert_eq!(&daybreak.slots(slug, "sent").await, slots, "the issues of {slug}");
    }
}

/// Every half hour of some nights (UTC), from an hour to another.
fn half_hours(dates: &[&str], hours: std::ops::Range<u32>) -> Vec<String> {
    let of = |date: &&str| {
        let date = (*date).to_owned();
        hours.clone().flat_map(move |hour| [0, 30].map(|minute| format!("{date}T{hour:02}:{minute:02}:00Z")))
    };
    dates.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_night_when_clocks_go_forward_in_paris_has_one_issue() {
    everywhere(async |daybreak| {
        // 02:00 to 03:00 do not exist on 29 March: the next instant that does is 03:00, 01:00 UTC.
        let slots_0200 = &["2026-03-28T01:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"];
        let slots_0230 = &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
        let times = half_hours(&["2026-03-28", "2026-03-29", "2026-03-30"], 0..3);
        let briefs = [
            ("paris-0200", "02:00", "Europe/Paris", &slots_0200[..]),
            ("paris-0230", "02:30", "Europe/Paris", &slots_0230[..]),
        ];
        nights(daybreak, "2026-03-27T12:00:00Z", &times, &briefs).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_night_when_clocks_go_back_in_paris_has_one_issue() {
    everywhere(async |daybreak| {
        // 02:00 to 03:00 come twice on 25 October: the first time is meant, in summer time.
        let slots_0200 = &["2026-10-24T00:00:00Z", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"];
        let slots_0230 = &["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        let times = half_hours(&["2026-10-24", "2026-10-25", "2026-10-26"], 0..3);
        let briefs = [
            ("paris-0200", "02:00", "Europe/Paris", &slots_0200[..]),
            ("paris-0230", "02:30", "Europe/Paris", &slots_0230[..]),
        ];
        nights(daybreak, "2026-10-23T12:00:00Z", &times, &briefs).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_night_when_clocks_go_forward_in_new_york_has_one_issue() {
    everywhere(async |daybreak| {
        let slots_0200 = &["2026-03-07T07:00:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"];
        let slots_0230 = &["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"];
        let times = half_hours(&["2026-03-07", "2026-03-08", "2026-03-09"], 5..9);
        let briefs = [
            ("york-0200", "02:00", "America/New_York", &slots_0200[..]),
            ("york-0230", "02:30", "America/New_York", &slots_0230[..]),
        ];
        nights(daybreak, "2026-03-06T12:00:00Z", &times, &briefs).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_night_when_clocks_go_back_in_new_york_has_one_issue() {
    everywhere(async |daybreak| {
        // There 01:00 to 02:00 come twice, and 02:00 and 02:30 once.
        let slots_0130 = &["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
        let slots_0200 = &["2026-10-31T06:00:00Z", "2026-11-01T07:00:00Z", "2026-11-02T07:00:00Z"];
        let slots_0230 = &["2026-10-31T06:30:00Z", "2026-11-01T07:30:00Z", "2026-11-02T07:30:00Z"];
        let times = half_hours(&["2026-10-31", "2026-11-01", "2026-11-02"], 5..9);
        let briefs = [
            ("york-0130", "01:30", "America/New_York", &slots_0130[..]),
            ("york-0200", "02:00", "America/New_York", &slots_0200[..]),
            ("york-0230", "02:30", "America/New_York", &slots_0230[..]),
        ];
        nights(daybreak, "2026-10-30T12:00:00Z", &times, &briefs).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weekdays_weeks_and_months_have_their_issues_and_no_other_day() {
    everywhere(async |daybreak| {
        let begin = "2026-01-01T00:00:00Z";
        let weekdays = ["2026-01-29", "2026-01-30", "2026-02-02", "2026-02-03", "2026-02-04"];
        let mondays = ["2026-02-02"];
        // A month without a 31st has its issue on its last day.
        let months = ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"];
        let at_seven =
            |dates: &[&str]| dates.iter().map(|date| format!("{date}T07:00:00Z")).collect::<Vec<_>>();
        let slots = [at_seven(&weekdays), at_seven(&mondays), at_seven(&months)];
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.at(begin);
        let briefs = [("weekdays", "mon-fri"), ("mondays", "weekly"), ("months", "day 31")];
        feeds.answer("/feed", rss(&[Item::new("Story 0")]));
        for (slug, days) in briefs {
            daybreak.newsletter_called(slug, &[]).await;
            daybreak.readers_of(slug, &format!("email\n{slug}@example.net\n")).await;
            daybreak.run(&["source", "add", slug, &feeds.url("/feed")]).await;
            if slug != "months" {
                daybreak.at("2026-01-28T12:00:00Z");
            }
            daybreak.schedule_of(slug, "07:00", "UTC", days).await;
        }
        let visit = async |daybreak: &mut Daybreak, date: &str| {
            feeds.answer("/feed", rss(&[Item::new(&format!("The story of {date}"))]));
            daybreak.serve_once(&format!("{date}T07:00:00Z")).await;
        };
        let days = [
            "2026-01-29",
            "2026-01-30",
            "2026-01-31",
            "2026-02-01",
            "2026-02-02",
            "2026-02-03",
            "2026-02-04",
        ];
        for date in days {
            visit(daybreak, date).await;
        }
        daybreak.run(&["schedule", "pause", "weekdays", "weekdays"]).await;
        daybreak.run(&["schedule", "pause", "mondays", "weekly"]).await;
        for date in ["2026-02-28", "2026-03-30", "2026-03-31", "2026-04-30"] {
            visit(daybreak, date).await;
        }
        for ((slug, _), slots) in briefs.iter().zip(slots) {
            assert_eq!(daybreak.slots(slug, "sent").await, slots, "{slug}");
            let got = recipients(&sink).iter().filter(|to| to.starts_with(slug)).count();
            assert_eq!(got, slots.len(), "{slug}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_without_a_31st_has_its_slot_on_its_last_day_in_leap_years_too() {
    on_sqlite(async |daybreak| {
        daybreak.at("2027-12-31T12:00:00Z");
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "day 31").await;
        let slots = daybreak.json(&["schedule", "next", "brief", "--count", "4"]).await;
        let dates: Vec<&str> =
            slots.as_array().unwrap().iter().map(|slot| slot["date"].as_str().unwrap()).collect();
        assert_eq!(dates, ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_missed_within_the_grace_is_sent_late() {
    everywhere(async |daybreak| {
        let (sink, _feeds) = brief(daybreak, "07:00", "UTC", "daily").await;
        // Six hours of grace unless the newsletter says otherwise.
        daybreak.serve_once("2026-03-02T12:59:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net"]);
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-02T07:00:00Z"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_missed_beyond_the_grace_is_skipped_and_its_articles_wait_for_the_next() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, "07:00", "UTC", "daily").await;
        daybreak.serve_once("2026-03-02T13:01:00Z").await;
        assert_eq!(sink.accepted().len(), 0);
        let issues = daybreak.issues("brief").await;
        assert_eq!(issues[0]["state"], "skipped");
        let reason = issues[0]["reason"].as_str().unwrap();
        assert!(reason.contains("missed") && reason.contains("360 minutes"), "{reason}");
        let why = daybreak.why(issues[0]["id"].as_i64().unwrap(), "ann@example.net").await;
        assert!(why.contains("skipped") && why.contains("missed"), "{why}");

        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        let [message] = sink.accepted().try_into().unwrap();
        let text = Mail::from(&message).text;
        assert!(text.contains("The first story") && text.contains("The second story"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_a_week_ends_in_one_issue_with_the_week_in_it() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, "07:00", "UTC", "daily").await;
        let items: Vec<Item> =
            (1..=9).map(|number| Item::new(&format!("Story {number} of the outage"))).collect();
        feeds.answer("/feed", rss(&items));
        daybreak.serve_once("2026-03-09T09:00:00Z").await;
        let [message] = sink.accepted().try_into().unwrap();
        let text = Mail::from(&message).text;
        assert!(text.contains("The first story"), "what was there before the outage is not lost: {text}");
        assert!((1..=9).all(|number| text.contains(&format!("Story {number} of the outage"))), "{text}");
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-09T07:00:00Z"]);
        assert_eq!(daybreak.slots("brief", "skipped").await.len(), 7, "each missed day is accounted for");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_never_sends_twice() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, "07:00", "UTC", "daily").await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 2);
        feeds.answer("/feed", rss(&[Item::new("The third story")]));
        // An hour back, a day back, and the same moments once more.
        for time in [
            "2026-03-03T06:00:00Z",
            "2026-03-03T07:00:00Z",
            "2026-03-02T06:00:00Z",
            "2026-03-02T07:00:00Z",
            "2026-03-02T07:30:00Z",
            "2026-03-03T07:00:00Z",
        ] {
            daybreak.serve_once(time).await;
            assert_eq!(sink.accepted().len(), 2, "at {time}");
        }
        daybreak.serve_once("2026-03-04T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 3, "the next day has its issue");
        assert_eq!(
            daybreak.slots("brief", "sent").await,
            ["2026-03-02T07:00:00Z", "2026-03-03T07:00:00Z", "2026-03-04T07:00:00Z"]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_or_zone_that_is_changed_makes_no_second_issue_of_the_day() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, "07:00", "UTC", "daily").await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.execute("UPDATE schedules SET at_minute = 540, timezone = 'Europe/London'").await;
        daybreak.serve_once("2026-03-02T09:00:00Z").await;
        assert_eq!(sink.accepted().len(), 1, "the day has had its issue");
        daybreak.serve_once("2026-03-03T09:00:00Z").await;
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-02T07:00:00Z", "2026-03-03T09:00:00Z"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_at_the_same_moment_make_one_issue_and_send_it_once() {
    on_postgres(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.readers(&crate::daybreak::many_readers(300)).await;
        feeds.answer("/feed", rss(&[Item::new("The first story"), Item::new("The second story")]));
        daybreak.run(&["source", "add", "brief", &feeds.url("/feed"), "--no-poll"]).await;
        for day in 2..=6 {
            feeds.answer("/feed", rss(&[Item::new(&format!("Story {day} for both nodes"))]));
            daybreak.at(&format!("2026-03-0{day}T06:59:00Z"));
            daybreak.run(&["source", "poll"]).await;
            daybreak.at(&format!("2026-03-0{day}T07:00:00Z"));
            let words = ["serve", "--once"];
            let (one, other) = tokio::join!(daybreak.try_run(&words), daybreak.try_run(&words));
            assert!(one.status.success() && other.status.success(), "{}{}", one.stderr, other.stderr);
            // Who was last to look may have seen the other's messages on the wire.
            daybreak.run(&words).await;
            let got = recipients(&sink);
            assert_eq!(got.len(), 300 * (day - 1), "on day {day}");
            let different: std::collections::BTreeSet<_> = got.iter().collect();
            assert_eq!(different.len(), 300);
        }
        assert_eq!(daybreak.slots("brief", "sent").await.len(), 5);
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM articles").await, 5, "each article is stored once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_address_is_taken_says_so_and_what_to_do_and_nothing_else() {
    on_sqlite(async |daybreak| {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        daybreak.set("DAYBREAK_LISTEN", taken.local_addr().unwrap().to_string());
        let ran = daybreak.try_run(&["serve"]).await;
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(1), ""));
        assert!(ran.stderr.contains("stop the program that has it"), "{}", ran.stderr);
        assert!(ran.stderr.contains("DAYBREAK_LISTEN"), "{}", ran.stderr);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_one_sqlite_file_is_refused_with_what_to_do() {
    on_sqlite(async |daybreak| {
        assert_eq!(daybreak.kind, Kind::Sqlite);
        let (_sink, _feeds) = brief(daybreak, "07:00", "UTC", "daily").await;
        let service = daybreak.serve(&[]).await;
        service.pages().await;
        for words in [&["serve", "--once"][..], &["serve"], &["serve", "--role", "send"]] {
            let error = daybreak.fails(words).await;
            assert!(
                error.contains("another daybreak is at work on") && error.contains("PostgreSQL"),
                "{error}"
            );
            assert!(error.contains("daybreak.db"), "{error}");
            let ran = daybreak.try_run(words).await;
            assert_eq!(ran.stdout, "", "it does not say that it serves anything");
        }
        // Looking and setting up go on beside it.
        daybreak.run(&["issue", "list"]).await;
        daybreak.newsletter_called("evening", &[]).await;
        service.stop().await;
        daybreak.run(&["serve", "--once"]).await;
    })
    .await;
}
