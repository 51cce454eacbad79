//! Editors at the sources.

use axum::Router;
use axum::routing::get;

use super::*;
use crate::db::sources;

const FEED: &str = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>The Harbour</title>\
    <link>https://harbour.example/</link>\
    <item><title>The harbour is frozen</title><link>https://harbour.example/1</link><description>Ice.</description></item>\
    <item><title>A ship came in</title><link>https://harbour.example/2</link><description>Slowly.</description></item>\
    </channel></rss>";

/// A web server with one feed.
async fn feeds() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router =
        Router::new().route("/feed", get(|| async { ([("content-type", "application/rss+xml")], FEED) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

/// Houses that may ask servers of this machine.
async fn houses() -> Vec<House> {
    let mut houses = vec![];
    for mut test in apps().await {
        test.app.settings.fetch_private = true;
        houses.push(open(test).await);
    }
    houses
}

async fn only_source(house: &House) -> Option<sources::Source> {
    let all = sources::list(&mut house.app.db.conn().await.unwrap(), None).await.unwrap();
    assert!(all.len() < 2, "{all:?}");
    all.into_iter().next()
}

#[tokio::test]
async fn a_source_is_added_polled_paused_resumed_and_removed() {
    let feeds = feeds().await;
    for house in houses().await {
        let ed = house.sign_in_for_brief("ed@example.org", Role::Editor).await;
        let empty = house.get_as(&ed, "/desk/sources").await;
        assert!(
            empty.body.contains("has no source") && empty.body.contains("Add this source"),
            "{}",
            empty.body
        );
        let url = format!("{feeds}/feed");
        let fields = [("newsletter", "brief"), ("url", url.as_str()), ("topics", "Sea, Weather")];
        let added = house.submit_as(&ed, "/desk/sources", &fields).await;
        let path = added.header("location").to_owned();
        assert_eq!(
            (added.status.as_u16(), path.starts_with("/desk/sources/")),
            (303, true),
            "{}",
            added.body
        );
        assert!(house.get_as(&ed, &path).await.body.contains("not polled yet"));

        let polled = house.submit_as(&ed, &format!("{path}/poll"), &[]).await;
        assert_eq!(polled.status, 303);
        let source = only_source(&house).await.unwrap();
        assert_eq!((source.title.as_str(), source.failures), ("The Harbour", 0));
        let page = house.get_as(&ed, &path).await;
        for part in [
            "The harbour is frozen",
            "A ship came in",
            "Sea and Weather",
            ">works<",
            "just now",
            "in 15 minutes",
        ] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        let again = said_after(&house, &ed, &format!("{path}/poll")).await;
        assert!(again.contains("holds nothing new: 2 articles known already"), "{again}");

        let twice = house.submit_as(&ed, "/desk/sources", &fields).await;
        assert_eq!(twice.status, 422);
        assert!(
            twice.body.contains("already") && twice.body.contains(&format!("value=\"{url}\"")),
            "{}",
            twice.body
        );

        let paused = said_after(&house, &ed, &format!("{path}/pause")).await;
        assert!(paused.contains("nothing new comes from it"), "{paused}");
        assert!(only_source(&house).await.unwrap().paused);
        assert!(house.get_as(&ed, "/desk/sources").await.body.contains("Not polled while it is paused"));
        said_after(&house, &ed, &format!("{path}/resume")).await;
        assert!(!only_source(&house).await.unwrap().paused);

        let removed = said_after(&house, &ed, &format!("{path}/remove")).await;
        assert!(removed.contains("Its articles stay"), "{removed}");
        assert_eq!(only_source(&house).await, None);
        assert_eq!(house.get_as(&ed, &path).await.status, 404);
        let mut conn = house.app.db.conn().await.unwrap();
        assert_eq!(crate::db::articles::list(&mut conn, house.brief, 10).await.unwrap().len(), 2);
        drop(conn);
        let actions: Vec<String> = house.logged().await.into_iter().map(|(action, ..)| action).collect();
        let done =
            ["source.add", "source.poll", "source.poll", "source.pause", "source.resume", "source.remove"];
        assert_eq!(actions, done);
        house.close().await;
    }
}

/// Presses a button, and returns the page that it leads to.
async fn said_after(house: &House, person: &Person, path: &str) -> String {
    let answer = house.submit_as(person, path, &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let said = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let request = house.client.get(format!("{}{}", house.base, answer.header("location")));
    let page = request.header("cookie", format!("{}; {said}", person.cookie)).send().await.unwrap();
    Answer::of(page).await.body
}

#[tokio::test]
async fn a_source_that_fails_says_how_often_and_why() {
    let feeds = feeds().await;
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let url = format!("{feeds}/nothing-here");
        let fields = [("newsletter", "brief"), ("url", url.as_str()), ("topics", "")];
        let path = house.submit_as(&ed, "/desk/sources", &fields).await.header("location").to_owned();
        let failed = said_after(&house, &ed, &format!("{path}/poll")).await;
        assert!(failed.contains("The poll failed: ") && failed.contains("404"), "{failed}");
        for _ in 0..3 {
            house.pass(HOUR);
            said_after(&house, &ed, &format!("{path}/poll")).await;
        }
        let list = house.get_as(&ed, "/desk/sources").await.body;
        for part in ["The last 4 polls failed: ", "404", "state bad\">fails<", "Next poll"] {
            assert!(list.contains(part), "{part}: {list}");
        }
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains("notice bad") && page.contains("<dd>never</dd>"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_a_source_is_said_beside_its_field() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        for (url, topics, field, says) in [
            ("ftp://example.org/feed", "", "url", "is not http or https"),
            ("", "", "url", "cannot be a source"),
            ("nope", "", "url", "“nope” cannot be a source: no host such as example.org"),
            ("nope/feed.xml", "", "url", "write the feed"),
            ("javascript:alert(1)", "", "url", "cannot be a source"),
            ("https://ann:secret@example.org/", "", "url", "cannot have a name or a password"),
            ("https://example.org/\"><script>", "Sport, ***", "topics", "cannot be a topic"),
        ] {
            let fields = [("newsletter", "brief"), ("url", url), ("topics", topics)];
            let answer = house.submit_as(&ed, "/desk/sources", &fields).await;
            assert_eq!(answer.status, 422, "{url}");
            let beside = answer.body.split(&format!("id=\"{field}-problem\"")).nth(1).expect(url);
            assert!(beside.starts_with(" role=\"alert\">") && beside.contains(says), "{url}: {beside}");
            assert!(!answer.body.contains("\"><script>"));
        }
        assert_eq!(only_source(&house).await, None);
        house.close().await;
    }
}

#[tokio::test]
async fn viewers_look_at_sources_and_change_none() {
    for house in houses().await {
        let other = a_newsletter(&house.app.db, "other").await;
        let (vic, ed) = (
            house.sign_in("vic@example.org", Role::Viewer).await,
            house.sign_in_for_brief("ed@example.org", Role::Editor).await,
        );
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let fields = [("newsletter", "other"), ("url", "https://example.org/feed"), ("topics", "")];
        let path = house.submit_as(&ann, "/desk/sources", &fields).await.header("location").to_owned();
        let page = house.get_as(&vic, &path).await;
        assert!(page.status == 200 && !page.body.contains("Remove this source"), "{}", page.body);
        let list = house.get_as(&vic, "/desk/sources").await.body;
        assert!(list.contains("https://example.org/feed") && !list.contains("Add this source"));
        // An editor of one newsletter sees nothing of another.
        assert_eq!(house.get_as(&ed, &path).await.status, 403);
        assert!(!house.get_as(&ed, "/desk/sources").await.body.contains("https://example.org/feed"));
        for person in [&vic, &ed] {
            assert_eq!(house.submit_as(person, "/desk/sources", &fields).await.status, 403);
            for verb in ["pause", "resume", "poll", "remove"] {
                assert_eq!(
                    house.submit_as(person, &format!("{path}/{verb}"), &[]).await.status,
                    403,
                    "{verb}"
                );
            }
        }
        let source = only_source(&house).await.unwrap();
        assert!(!source.paused && source.last_polled_at.is_none() && source.newsletter_id == other);
        let refused = house.logged().await.into_iter().filter(|(.., denied)| *denied).count();
        assert_eq!(refused, 11);
        house.close().await;
    }
}

#[tokio::test]
async fn a_sources_topics_are_changed_on_its_page() {
    for house in houses().await {
        let ed = house.sign_in_for_brief("ed@example.org", Role::Editor).await;
        let fields = [("newsletter", "brief"), ("url", "https://harbour.example/feed"), ("topics", "Sea")];
        let path = house.submit_as(&ed, "/desk/sources", &fields).await.header("location").to_owned();
        let topics =
            async |typed: &str| house.submit_as(&ed, &format!("{path}/topics"), &[("topics", typed)]).await;
        // Readers could choose a slip of the keys at once.
        let asked = topics("Weather, Sea").await;
        assert_eq!(asked.status, 422);
        for part in
            ["“Weather” is not among the topics yet: there are", "name=\"new\"", "value=\"Weather, Sea\""]
        {
            assert!(asked.body.contains(part), "{part}: {}", asked.body);
        }
        let meant = [("topics", "Weather, Sea"), ("new", "yes")];
        assert_eq!(house.submit_as(&ed, &format!("{path}/topics"), &meant).await.status, 303);
        assert_eq!(topics("Weather, Sea").await.status, 303);
        let page = house.get_as(&ed, &path).await.body;
        assert!(
            page.contains("<dd>Sea and Weather</dd>") && page.contains("value=\"Sea, Weather\""),
            "{page}"
        );
        let wrong = topics("Weather, !!").await;
        assert_eq!(wrong.status, 422);
        assert!(
            wrong.body.contains("“!!” cannot be a topic") && wrong.body.contains("value=\"Weather, !!\"")
        );
        assert_eq!(topics("").await.status, 303);
        assert!(only_source(&house).await.unwrap().topics.is_empty());
        let eve = house.sign_in_for_brief("eve@example.org", Role::Viewer).await;
        let refused = house.submit_as(&eve, &format!("{path}/topics"), &[("topics", "Sea")]).await;
        assert_eq!(refused.status, 403);
        assert!(!house.get_as(&eve, &path).await.body.contains("Change its topics"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_link_or_a_topic_too_long_is_refused_with_what_was_typed() {
    for house in houses().await {
        let ed = house.sign_in_for_brief("ed@example.org", Role::Editor).await;
        let (url, topic) = (format!("https://x.example/{}", "a".repeat(2_000)), "sea ".repeat(20));
        for (url, topics, problem) in [
            (url.as_str(), "Sea", "2000 is the most"),
            ("https://x.example/feed", topic.trim(), "It has 79 characters, and 60 is the most"),
        ] {
            let fields = [("newsletter", "brief"), ("url", url), ("topics", topics)];
            let answer = house.submit_as(&ed, "/desk/sources", &fields).await;
            assert_eq!(answer.status, 422, "{}", answer.body);
            for part in [problem, url, topics] {
                assert!(answer.body.contains(part), "{part}: {}", answer.body);
            }
        }
        assert!(only_source(&house).await.is_none());
        house.close().await;
    }
}
