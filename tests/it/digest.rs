//! What is in whose digest, and when it comes: topics, languages, hours, frequencies, and the editors' say.

use crate::daybreak::{Daybreak, arrived, everywhere, recipients};
use crate::feeds::{Feeds, Item, rss};
use crate::mail::Mail;
use crate::sink::Sink;

/// The digests that somebody has got, in the order in which they came.
fn digests_of(sink: &Sink, email: &str) -> Vec<Mail> {
    let to = |to: &Vec<String>| to.iter().any(|to| to == email);
    sink.accepted().iter().filter(|accepted| to(&accepted.to)).map(Mail::from).collect()
}

/// Which of these headlines a digest has; text and HTML must agree.
fn headlines<'a>(mail: &Mail, all: &[&'a str]) -> Vec<&'a str> {
    let of = |text: &str| all.iter().copied().filter(|headline| text.contains(headline)).collect::<Vec<_>>();
    assert_eq!(of(&mail.text), of(&mail.html), "both parts have the same articles");
    of(&mail.text)
}

/// A newsletter that goes out at 07:00 UTC every day to ann@example.net, with one story.
async fn brief(daybreak: &mut Daybreak, settings: &[&str]) -> (Sink, Feeds) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    daybreak.newsletter(settings).await;
    daybreak.schedule("07:00", "UTC", "daily").await;
    daybreak.readers("email\nann@example.net\n").await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    (sink, feeds)
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_get_the_topics_they_chose_and_what_is_for_everybody() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&["topics=World,Sport,Arts"]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak
            .readers(
                "email,topics\nall@example.net,\nworld@example.net,World\nboth@example.net,\"World,Sport\"\n\
                 arts@example.net,Arts\n",
            )
            .await;
        let items = [
            Item::new("A treaty is signed").about("World"),
            Item::new("A match is won").about("Sport"),
            Item::new("A word to all readers"),
        ];
        daybreak.source(&feeds, "/feed", &items).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        let all = ["A treaty is signed", "A match is won", "A word to all readers"];
        for (email, expected) in [
            ("all@example.net", &all[..]),
            ("world@example.net", &["A treaty is signed", "A word to all readers"]),
            ("both@example.net", &all),
            ("arts@example.net", &["A word to all readers"]),
        ] {
            let [mail] = digests_of(&sink, email).try_into().unwrap();
            assert_eq!(headlines(&mail, &all), expected, "{email}");
        }
        // Without a word to all, who chose nothing that is there gets nothing.
        feeds.answer("/feed", rss(&[Item::new("Another match is won").about("Sport")]));
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        assert_eq!(digests_of(&sink, "both@example.net").len(), 2);
        assert_eq!(digests_of(&sink, "arts@example.net").len(), 1);
        assert!(daybreak.why(2, "arts@example.net").await.contains("no article was on the reader's topics"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_get_articles_in_their_language_where_the_newsletter_says_so() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&["match-language=yes"]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak
            .readers("email,language\nann@example.net,\nluc@example.net,fr\nlea@example.net,fr-CA\npia@example.net,de\n")
            .await;
        let items = [
            Item::new("The harbour opens again").in_language("en"),
            Item::new("Le port rouvre ses portes").in_language("fr"),
        ];
        daybreak.source(&feeds, "/feed", &items).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        let all = ["The harbour opens again", "Le port rouvre ses portes"];
        for (email, expected) in [
            ("ann@example.net", &["The harbour opens again"][..]),
            ("luc@example.net", &["Le port rouvre ses portes"]),
            ("lea@example.net", &["Le port rouvre ses portes"]),
        ] {
            let [mail] = digests_of(&sink, email).try_into().unwrap();
            assert_eq!(headlines(&mail, &all), expected, "{email}");
        }
        assert_eq!(digests_of(&sink, "pia@example.net").len(), 0);
        assert!(daybreak.why(1, "pia@example.net").await.contains("language"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_get_it_at_their_own_hour_in_their_own_zone() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&["timezone=Europe/Paris"]).await;
        daybreak.schedule("07:00", "Europe/Paris", "daily").await;
        daybreak
            .readers(
                "email,hour,timezone\n\
                 ann@example.net,,\n\
                 noon@example.net,12:00,\n\
                 york@example.net,08:00,America/New_York\n\
                 early@example.net,06:30,Europe/Paris\n\
                 tokyo@example.net,,Asia/Tokyo\n",
            )
            .await;
        daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
        // Each at the first time that their clock shows their hour, from the slot on.
        for (time, due) in [
            ("2026-03-02T05:59:00Z", &[][..]),
            ("2026-03-02T06:00:00Z", &["ann@example.net", "tokyo@example.net"]),
            ("2026-03-02T10:59:00Z", &[]),
            ("2026-03-02T11:00:00Z", &["noon@example.net"]),
            ("2026-03-02T12:59:00Z", &[]),
            ("2026-03-02T13:00:00Z", &["york@example.net"]),
            ("2026-03-03T05:29:00Z", &[]),
            ("2026-03-03T05:30:00Z", &["early@example.net"]),
        ] {
            let before = sink.accepted().len();
            daybreak.serve_once(time).await;
            let mut came: Vec<_> =
                sink.accepted()[before..].iter().flat_map(|accepted| accepted.to.clone()).collect();
            came.sort();
            assert_eq!(came, due, "at {time}");
        }
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-02T06:00:00Z"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_weekly_gets_what_the_week_brought_and_each_article_once() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.schedule("09:00", "UTC", "weekly").await;
        daybreak.readers("email,frequency\nann@example.net,\nwes@example.net,weekly\n").await;
        daybreak.source(&feeds, "/feed", &[Item::new("The story of day 0")]).await;
        daybreak.serve_once("2026-03-02T09:00:00Z").await;
        let all: Vec<String> = (0..=7).map(|day| format!("The story of day {day}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        for (day, headline) in all.iter().enumerate().skip(1) {
            feeds.answer("/feed", rss(&[Item::new(headline)]));
            daybreak.serve_once(&format!("2026-03-0{}T07:00:00Z", day + 2)).await;
        }
        daybreak.serve_once("2026-03-09T09:00:00Z").await;
        let daily: Vec<Vec<&str>> =
            digests_of(&sink, "ann@example.net").iter().map(|mail| headlines(mail, &all)).collect();
        let each: Vec<Vec<&str>> = all.iter().map(|headline| vec![*headline]).collect();
        assert_eq!(daily, each, "one article a day, and none twice");
        let weekly: Vec<Vec<&str>> =
            digests_of(&sink, "wes@example.net").iter().map(|mail| headlines(mail, &all)).collect();
        assert_eq!(weekly, [vec![all[0]], all[1..].to_vec()], "the week that was");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_articles_wait_for_the_next_issue() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, &["min-articles=3"]).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 0);
        let issues = daybreak.issues("brief").await;
        assert_eq!(issues[0]["state"], "skipped");
        assert!(
            issues[0]["reason"]
                .as_str()
                .unwrap()
                .contains("1 article had come, and it goes out with 3 or more")
        );
        assert!(daybreak.why(1, "ann@example.net").await.contains("3 or more"));

        // The third comes four days later: none of the others is too old by then.
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        for day in 3..=5 {
            daybreak.serve_once(&format!("2026-03-0{day}T07:00:00Z")).await;
        }
        assert_eq!(sink.accepted().len(), 0);
        feeds.answer("/feed", rss(&[Item::new("The third story")]));
        daybreak.serve_once("2026-03-06T07:00:00Z").await;
        let [mail] = digests_of(&sink, "ann@example.net").try_into().unwrap();
        let all = ["The first story", "The second story", "The third story"];
        assert_eq!(headlines(&mail, &all), all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_makes_no_mail() {
    everywhere(async |daybreak| {
        let (sink, _feeds) = brief(daybreak, &[]).await;
        for day in 2..=4 {
            daybreak.serve_once(&format!("2026-03-0{day}T07:00:00Z")).await;
        }
        assert_eq!(sink.accepted().len(), 1, "one article makes one mail");
        assert_eq!(daybreak.slots("brief", "skipped").await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_needs_approval_waits_for_it_and_the_editors_are_told_once() {
    everywhere(async |daybreak| {
        let settings = ["approval=required", "editors=ed@example.org", "cutoff-minutes=60"];
        let (sink, feeds) = brief(daybreak, &settings).await;
        for time in
            ["2026-03-02T06:00:00Z", "2026-03-02T06:05:00Z", "2026-03-02T07:00:00Z", "2026-03-02T07:30:00Z"]
        {
            daybreak.serve_once(time).await;
            assert_eq!(recipients(&sink), ["ed@example.org"], "at {time}");
        }
        let [note] = digests_of(&sink, "ed@example.org").try_into().unwrap();
        assert!(note.text.contains("daybreak issue approve 1"), "{}", note.text);
        assert!(note.fields("List-Unsubscribe").is_empty(), "a note to an editor is not from the list");

        daybreak.run(&["issue", "approve", "1"]).await;
        daybreak.serve_once("2026-03-02T08:00:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "ed@example.org"]);

        // One that nobody approves in time is skipped, and its articles wait.
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T06:00:00Z").await;
        daybreak.serve_once("2026-03-03T13:00:30Z").await;
        let issues = daybreak.issues("brief").await;
        assert_eq!(issues[1]["state"], "skipped");
        assert!(
            issues[1]["reason"].as_str().unwrap().contains("no editor approved it in time"),
            "{issues:?}"
        );
        daybreak.serve_once("2026-03-04T06:00:00Z").await;
        daybreak.run(&["issue", "approve", "3"]).await;
        daybreak.serve_once("2026-03-04T07:00:00Z").await;
        let mails = digests_of(&sink, "ann@example.net");
        assert_eq!(mails.len(), 2);
        assert!(mails[1].text.contains("The second story"));
        assert_eq!(digests_of(&sink, "ed@example.org").len(), 3, "one note for each issue");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_goes_out_unless_an_editor_holds_it() {
    everywhere(async |daybreak| {
        let settings = ["approval=unless-held", "editors=ed@example.org", "cutoff-minutes=60"];
        let (sink, feeds) = brief(daybreak, &settings).await;
        daybreak.serve_once("2026-03-02T06:00:00Z").await;
        assert_eq!(recipients(&sink), ["ed@example.org"]);
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net", "ed@example.org"], "nobody held it");

        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T06:00:00Z").await;
        daybreak.run(&["issue", "hold", "2"]).await;
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        daybreak.serve_once("2026-03-03T07:30:00Z").await;
        assert_eq!(digests_of(&sink, "ann@example.net").len(), 1, "it is held");
        let notes = digests_of(&sink, "ed@example.org");
        assert_eq!(notes.len(), 3, "ready, ready, and held");
        assert!(notes[0].text.contains("by itself, unless an editor holds it"), "{}", notes[0].text);
        assert!(notes[2].text.contains("daybreak issue approve 2"), "{}", notes[2].text);
        assert!(daybreak.why(2, "ann@example.net").await.contains("has not gone out yet"));
        daybreak.run(&["issue", "approve", "2"]).await;
        daybreak.serve_once("2026-03-03T09:00:00Z").await;
        assert_eq!(digests_of(&sink, "ann@example.net").len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_issue_can_be_held_too() {
    everywhere(async |daybreak| {
        let (sink, _feeds) = brief(daybreak, &["cutoff-minutes=60"]).await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.run(&["issue", "hold", "1"]).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 0);
        daybreak.run(&["issue", "approve", "1"]).await;
        daybreak.serve_once("2026-03-02T07:10:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_sends_now_and_tomorrow_has_its_regular_issue() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, &[]).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.at("2026-03-02T12:00:00Z");
        daybreak.run(&["source", "poll"]).await;
        let printed = daybreak.run(&["issue", "send", "brief", "--now", "--wait"]).await;
        assert!(printed.contains("is sent") || printed.contains("sent"), "{printed}");
        let mails = digests_of(&sink, "ann@example.net");
        assert_eq!(mails.len(), 2, "the extra edition is there when the command ends");
        assert_eq!(headlines(&mails[1], &["The first story", "The second story"]), ["The second story"]);

        feeds.answer("/feed", rss(&[Item::new("The third story")]));
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        assert_eq!(digests_of(&sink, "ann@example.net").len(), 3, "the next day has its regular issue");
        let issues = daybreak.issues("brief").await;
        let told: Vec<(&str, i64)> = issues
            .iter()
            .filter(|issue| issue["state"] == "sent")
            .map(|issue| (issue["date"].as_str().unwrap(), issue["edition"].as_i64().unwrap()))
            .collect();
        assert_eq!(told, [("2026-03-02", 0), ("2026-03-02", 1), ("2026-03-03", 0)]);
        let error = daybreak.fails(&["issue", "send", "1", "--now"]).await;
        assert!(error.contains("cannot be sent again"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_sent_before_its_slot_is_the_issue_of_that_day() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, &[]).await;
        daybreak.at("2026-03-02T06:00:00Z");
        daybreak.run(&["issue", "send", "brief", "--now", "--wait"]).await;
        assert_eq!(sink.accepted().len(), 1);
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 1, "the day has had its issue");
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_sent_now_is_sent_by_the_service_that_runs_and_whatever_hours_readers_chose() {
    everywhere(async |daybreak| {
        let (sink, _feeds) = brief(daybreak, &[]).await;
        daybreak.readers("email,hour\nlate@example.net,23:00\n").await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE state = 'draft'", 1).await;
        let printed = daybreak.run(&["issue", "send", "brief", "--now"]).await;
        assert!(printed.contains("goes out now"), "{printed}");
        arrived(&sink, "the issue", |all| all.len() == 2).await;
        daybreak.until_counted("SELECT COUNT(*) FROM issues WHERE state = 'sent'", 1).await;
        service.stop().await;
        assert_eq!(recipients(&sink), ["ann@example.net", "late@example.net"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newsletter_without_a_schedule_goes_to_every_subscriber_when_it_is_sent() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.readers("email\nann@example.net\nbob@example.net\n").await;
        let error = daybreak.fails(&["issue", "send", "brief", "--now"]).await;
        assert!(error.contains("nothing to send"), "{error}");
        daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
        daybreak.run(&["issue", "send", "brief", "--now", "--wait"]).await;
        assert_eq!(recipients(&sink), ["ann@example.net", "bob@example.net"]);
        let error = daybreak.fails(&["issue", "send", "brief", "--now"]).await;
        assert!(error.contains("nothing to send"), "each article goes out once: {error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_cancelled_before_its_slot_reaches_nobody_and_its_articles_go_out_with_the_next() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, &[]).await;
        daybreak.run(&["serve", "--once"]).await;
        daybreak.run(&["issue", "cancel", "1"]).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 0);
        assert!(daybreak.why(1, "ann@example.net").await.contains("an editor cancelled it"));
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        let [mail] = digests_of(&sink, "ann@example.net").try_into().unwrap();
        let all = ["The first story", "The second story"];
        assert_eq!(headlines(&mail, &all), all);
        let error = daybreak.fails(&["issue", "approve", "1"]).await;
        assert!(error.contains("cancelled"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn editors_write_the_introduction_and_the_subject_and_choose_what_is_in() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, &["max-articles=3", "approval=automatic"]).await;
        let items: Vec<Item> =
            (1..=6).map(|number| Item::new(&format!("Story {number} of the day"))).collect();
        feeds.answer("/feed", rss(&items));
        daybreak.at("2026-03-02T06:00:00Z");
        daybreak.run(&["source", "poll"]).await;
        daybreak.run(&["article", "add", "brief", "--title", "A word from the editors"]).await;
        let listed = daybreak.json(&["article", "list", "brief"]).await;
        let id = |title: &str| {
            let found = listed.as_array().unwrap().iter().find(|article| article["title"] == title);
            found.unwrap_or_else(|| panic!("no {title} in {listed}"))["id"].to_string()
        };
        daybreak.run(&["article", "pin", &id("A word from the editors")]).await;
        daybreak.run(&["article", "pin", &id("The first story")]).await;
        daybreak.run(&["article", "hold", &id("Story 1 of the day")]).await;
        daybreak.run(&["serve", "--once"]).await;
        let words = [
            "issue",
            "write",
            "1",
            "--introduction",
            "Good morning.\n\nIt rains.",
            "--subject",
            "Rain & sun",
        ];
        daybreak.run(&words).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        let [mail] = digests_of(&sink, "ann@example.net").try_into().unwrap();
        assert_eq!(mail.subject, "Rain & sun");
        assert!(mail.text.contains("Good morning.") && mail.text.contains("It rains."), "{}", mail.text);
        assert!(mail.html.contains("Good morning.") && mail.html.contains("It rains."));
        let all: Vec<String> = (1..=6).map(|number| format!("Story {number} of the day")).collect();
        let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
        all.extend(["The first story", "A word from the editors"]);
        let there = headlines(&mail, &all);
        assert_eq!(there.len(), 3, "no more than the newsletter says: {there:?}");
        assert!(
            there.contains(&"The first story") && there.contains(&"A word from the editors"),
            "{there:?}"
        );
        assert!(!there.contains(&"Story 1 of the day"), "{there:?}");
    })
    .await;
}
