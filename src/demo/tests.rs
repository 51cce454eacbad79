//! The world around the demo, as it answers.

use super::feeds::Edition;
use super::*;
use crate::clock::Clock;
use crate::domain::calendar::Timestamp;

const START: &str = "2026-03-28T19:30:00Z";

async fn papers() -> (String, JoinSet<()>) {
    let listener = listen(0).await.unwrap();
    let base = format!("http://{}", address(&listener).unwrap());
    let start = Timestamp::parse(START).unwrap();
    let newsroom = Arc::new(Newsroom::read());
    let press = Press { newsroom, clock: Clock::fixed(start), start, base: base.clone() };
    let mut world = JoinSet::new();
    world.spawn(async move {
        web::serve(listener, Networks::default(), press.router(), std::future::pending()).await.unwrap()
    });
    (base, world)
}

#[tokio::test]
async fn the_papers_serve_their_feeds_stories_and_pictures() {
    let (base, _world) = papers().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{base}{path}")).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.bytes().await.unwrap().to_vec())
    };
    let text = |answer: &(u16, String, Vec<u8>)| -> String { String::from_utf8(answer.2.clone()).unwrap() };

    let front = get("/").await;
    assert!(
        text(&front).contains("Terrace &amp; Touchline") && text(&front).contains("href=\"/courier/feed\"")
    );
    assert!(text(&get("/courier").await).contains("/coast-wire/lighthouse-logbooks"));
    let story = get("/courier/night-ferry").await;
    assert!(
        text(&story).contains("<h1>Night ferry to Skarholm")
            && text(&story).contains("/courier/night-ferry.png")
    );
    let (status, kind, picture) = get("/tideline/seagrass.png").await;
    assert_eq!((status, kind.as_str(), &picture[..8]), (200, "image/png", b"\x89PNG\r\n\x1a\n".as_slice()));

    for (paper, kind) in [
        ("courier", "application/rss+xml"),
        ("quayside", "application/atom+xml"),
        ("tideline", "application/feed+json"),
        ("touchline", "text/html"),
    ] {
        let answer = get(&format!("/{paper}/feed")).await;
        assert!(answer.1.starts_with(kind), "{paper}: {}", answer.1);
    }
    for nothing in
        ["/planet", "/planet/feed", "/courier/no-such", "/courier/tram-line-4.png", "/quayside/night-ferry"]
    {
        assert_eq!(get(nothing).await.0, 404, "{nothing}");
    }
}

#[test]
fn news_that_is_still_to_come_is_in_no_feed_yet() {
    let newsroom = Newsroom::read();
    let courier = newsroom.publisher("courier").unwrap();
    let start = Timestamp::parse(START).unwrap();
    let feed = |minutes: i64| {
        let now = start.plus_millis(minutes * 60_000);
        Edition { base: "http://papers.example", start, now }.feed(courier).text
    };
    assert!(!feed(5).contains("Swing bridge"));
    assert!(feed(7).contains("Swing bridge"));
}

#[test]
fn the_environment_is_not_asked_for_settings() {
    let command = deaf(clap::Command::new("demo"));
    let settings: Vec<_> = command.get_arguments().collect();
    assert!(settings.len() > 5 && settings.iter().all(|setting| setting.get_env().is_none()));
    assert_eq!(default_settings().connections, 10);
}
