//! Collecting from a site of a few lines, on every database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::db::articles::Article;
use crate::db::testing::a_newsletter;
use crate::pipeline::accounts::Actor;
use crate::pipeline::articles;
use crate::pipeline::sources;
use crate::pipeline::testing::{TestApp, apps, now};

const SECOND: i64 = 1000;

/// What a site answers at each path, and what it was asked.
#[derive(Clone, Default)]
struct Site {
    root: String,
    answers: Arc<Mutex<HashMap<String, String>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let site = Self { root, ..Self::default() };
        let served = site.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![];
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = served.answers.lock().unwrap().get(&path).cloned();
                served.heads.lock().unwrap().push(head);
                let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\n\r\n".to_owned());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        site
    }

    fn answer(&self, path: &str, status: &str, headers: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n{body}");
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn serve(&self, path: &str, items: &str) {
        let body = format!("<rss version='2.0'><channel><title>Feed {path}</title>{items}</channel></rss>");
        self.answer(path, "200 OK", "Content-Type: application/rss+xml\r\nETag: \"a\"\r\n", &body);
    }
}

/// A newsletter “brief” with nothing in it, and a site.
async fn set_up(test: &mut TestApp) -> (i64, Site) {
    test.app.settings.fetch_private = true;
    (a_newsletter(&test.app.db, "brief").await, Site::open().await)
}

async fn source(app: &App, site: &Site, path: &str, identity: &str) -> Source {
    sources::add(app, &Actor::command_line(), "brief", &format!("{}{path}", site.root), &[], identity)
        .await
        .unwrap()
}

/// The source as it is kept now.
async fn kept(app: &App, source: &Source) -> Source {
    sources::find(&mut app.db.conn().await.unwrap(), source.id).await.unwrap()
}

async fn poll_once(app: &App, source: &Source) -> Result<Brought, String> {
    let fetcher = fetcher(app).unwrap();
    let polled = poll_all(app, &fetcher, vec![kept(app, source).await], |_| {}).await.unwrap();
    polled.into_iter().next().unwrap().result
}

async fn stored(app: &App, newsletter: i64) -> Vec<Article> {
    db::articles::list(&mut app.db.conn().await.unwrap(), newsletter, 1000).await.unwrap()
}

fn brought(new: usize, same_story: usize, changed: usize, known: usize) -> Result<Brought, String> {
    Ok(Brought { new, same_story, changed, known, skipped: 0 })
}

fn item(number: u32, guid: &str, link: &str) -> String {
    format!(
        "<item><title>Story {number}</title><guid isPermaLink='false'>{guid}</guid><link>{link}</link></item>"
    )
}

const FERRY: &str = "<title>Ferry leaves the old harbour with twelve passengers</title>";

#[tokio::test]
async fn an_article_comes_once_however_often_and_from_how_many_feeds_it_is_read() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        let items = item(1, "1", "https://example.org/1") + &item(2, "2", "https://example.org/2");
        site.serve("/a", &items);
        // The same stories, with marks of the feed's own.
        let marked = item(1, "x", "http://www.example.org/1/?utm_source=b")
            + &item(2, "y", "https://example.org/2#top");
        site.serve("/b", &marked);
        site.serve("/c", "<item><title>No link at all</title></item>");
        let (a, b) = (source(app, &site, "/a", "either").await, source(app, &site, "/b", "either").await);
        let c = source(app, &site, "/c", "link").await;
        assert_eq!(poll_once(app, &a).await, brought(2, 0, 0, 0));
        assert_eq!(poll_once(app, &a).await, brought(0, 0, 0, 2));
        assert_eq!(poll_once(app, &b).await, brought(0, 0, 0, 2));
        assert_eq!(poll_once(app, &c).await, brought(1, 0, 0, 0));
        assert_eq!(poll_once(app, &c).await, brought(0, 0, 0, 1));
        // The second feed's GUID names the article from now on, whatever its link becomes.
        site.serve("/b", &item(1, "x", "https://example.org/moved"));
        assert_eq!(poll_once(app, &b).await, brought(0, 0, 0, 1));
        assert_eq!(stored(app, newsletter).await.len(), 3);
    }
}

#[tokio::test]
async fn a_source_can_tell_its_items_by_guid_or_by_link_alone() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        let one_link = item(1, "1", "https://example.org/radio") + &item(2, "2", "https://example.org/radio");
        site.serve("/guid", &one_link);
        site.serve("/link", &item(3, "v1", "https://example.org/3"));
        let by_guid = source(app, &site, "/guid", "guid").await;
        let by_link = source(app, &site, "/link", "link").await;
        assert_eq!(poll_once(app, &by_guid).await, brought(2, 0, 0, 0));
        assert_eq!(poll_once(app, &by_link).await, brought(1, 0, 0, 0));
        site.serve("/link", &item(3, "v2", "https://example.org/3"));
        assert_eq!(poll_once(app, &by_link).await, brought(0, 0, 0, 1));
        assert_eq!(stored(app, newsletter).await.len(), 3);
    }
}

#[tokio::test]
async fn a_story_of_two_sources_is_one_with_a_link_to_the_other() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        site.serve("/a", &format!("<item>{FERRY}<link>https://a.example/ferry</link></item>"));
        site.serve("/b", &format!("<item>{FERRY}<link>https://b.example/boat</link></item>"));
        let (a, b) = (source(app, &site, "/a", "either").await, source(app, &site, "/b", "either").await);
        assert_eq!(poll_once(app, &a).await, brought(1, 0, 0, 0));
        assert_eq!(poll_once(app, &b).await, brought(0, 1, 0, 0));
        let mut stored = stored(app, newsletter).await;
        stored.sort_by_key(|article| article.id);
        assert_eq!((stored[0].story_id, stored[1].story_id), (None, Some(stored[0].id)));
        let mut conn = app.db.conn().await.unwrap();
        let chosen =
            db::articles::candidates(&mut conn, newsletter, None, Timestamp::from_millis(0)).await.unwrap();
        assert_eq!(chosen.iter().map(|article| article.id).collect::<Vec<_>>(), [stored[0].id]);
        let also = db::articles::also_at(&mut conn, &[stored[0].id]).await.unwrap();
        let also = &also[&stored[0].id];
        assert_eq!((also[0].source.as_str(), also[0].url.as_str()), ("Feed /b", "https://b.example/boat"));
        assert_eq!(also.len(), 1);
    }
}

#[tokio::test]
async fn a_changed_item_changes_the_article_and_a_date_in_the_future_is_now() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        let dated = |title: &str| {
            format!(
                "<item><title>{title}</title><guid>1</guid><pubDate>2031-01-01T00:00:00Z</pubDate></item>
                 <item><title>Old</title><guid>2</guid><pubDate>2026-03-01T00:00:00Z</pubDate></item>"
            )
        };
        site.serve("/a", &dated("Befor"));
        let a = source(app, &site, "/a", "either").await;
        assert_eq!(poll_once(app, &a).await, brought(2, 0, 0, 0));
        site.serve("/a", &dated("Before"));
        test.app.clock.set(now().plus_millis(HOUR));
        assert_eq!(poll_once(app, &a).await, brought(0, 0, 1, 1));
        let stored = stored(app, newsletter).await;
        let found: Vec<_> = stored.iter().map(|article| (article.title.as_str(), article.fresh_at)).collect();
        assert_eq!(found, [("Before", now()), ("Old", Timestamp::parse("2026-03-01T00:00:00Z").unwrap())]);
    }
}

#[tokio::test]
async fn a_source_moves_where_it_is_told_for_good_but_not_onto_another() {
    for mut test in apps().await {
        let (_, site) = set_up(&mut test).await;
        let app = &test.app;
        site.serve("/new", &item(1, "1", "https://example.org/1"));
        for (path, status) in [("/old", "301 Moved Permanently"), ("/twin", "308 Permanent Redirect")] {
            site.answer(path, status, "Location: /new\r\n", "");
        }
        site.answer("/away", "302 Found", "Location: /new\r\n", "");
        let urls = ["/old", "/twin", "/away"];
        let mut now_at = vec![];
        for path in urls {
            let moved = source(app, &site, path, "either").await;
            assert!(poll_once(app, &moved).await.is_ok(), "{path}");
            now_at.push(kept(app, &moved).await.url.replace(&site.root, ""));
        }
        assert_eq!(now_at, ["/new", "/twin", "/away"]);
    }
}

#[tokio::test]
async fn a_failing_source_is_asked_less_and_less_and_says_why() {
    for mut test in apps().await {
        let (_, site) = set_up(&mut test).await;
        let app = &test.app;
        site.answer("/a", "500 Internal Server Error", "", "");
        let a = source(app, &site, "/a", "either").await;
        let mut waits = vec![];
        for _ in 0..9 {
            let why = poll_once(app, &a).await.unwrap_err();
            let kept = kept(app, &a).await;
            assert_eq!(kept.last_error.as_deref(), Some(why.as_str()));
            waits.push((kept.next_poll_at.millis() - now().millis()) / MINUTE);
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!((kept(app, &a).await.failures, kept(app, &a).await.last_success_at), (9, None));

        site.serve("/a", "");
        assert!(poll_once(app, &a).await.is_ok());
        let well = kept(app, &a).await;
        assert_eq!((well.failures, well.last_error), (0, None));
        assert_eq!(well.next_poll_at, now().plus_millis(15 * MINUTE));
    }
}

#[tokio::test]
async fn a_server_that_asks_for_time_is_given_it() {
    for mut test in apps().await {
        let (_, site) = set_up(&mut test).await;
        let app = &test.app;
        let a = source(app, &site, "/a", "either").await;
        for (header, seconds) in
            [("7200", 7200), ("Sun, 29 Mar 2026 09:00:00 GMT", 10_800), ("5", 3600), ("nonsense", 7200)]
        {
            site.answer("/a", "429 Too Many Requests", &format!("Retry-After: {header}\r\n"), "");
            assert!(poll_once(app, &a).await.is_err());
            // The fourth failure waits 15 minutes doubled three times, whatever is asked.
            let wait = kept(app, &a).await.next_poll_at.millis() - now().millis();
            assert_eq!(wait, seconds * SECOND, "{header}");
        }
        site.answer("/a", "410 Gone", "", "");
        assert!(poll_once(app, &a).await.is_err());
        assert_eq!(kept(app, &a).await.next_poll_at, now().plus_millis(DAY));
    }
}

#[tokio::test]
async fn an_unchanged_feed_keeps_its_title_and_what_it_is_asked_with() {
    for mut test in apps().await {
        let (_, site) = set_up(&mut test).await;
        let app = &test.app;
        site.serve("/a", &item(1, "1", "https://example.org/1"));
        let a = source(app, &site, "/a", "either").await;
        assert_eq!(poll_once(app, &a).await, brought(1, 0, 0, 0));
        site.answer("/a", "304 Not Modified", "", "");
        for _ in 0..2 {
            assert_eq!(poll_once(app, &a).await, brought(0, 0, 0, 0));
            let kept = kept(app, &a).await;
            assert_eq!((kept.title.as_str(), kept.validators.etag.as_deref()), ("Feed /a", Some("\"a\"")));
        }
        let asked =
            site.heads.lock().unwrap().iter().filter(|head| head.contains("if-none-match: \"a\"")).count();
        assert_eq!(asked, 2);
    }
}

#[tokio::test]
async fn a_feed_that_becomes_a_page_keeps_its_articles() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        site.serve("/a", &item(1, "1", "https://example.org/1"));
        let a = source(app, &site, "/a", "either").await;
        assert_eq!(poll_once(app, &a).await, brought(1, 0, 0, 0));
        site.answer("/a", "200 OK", "Content-Type: text/html\r\n", "<!doctype html><html><p>Parked</html>");
        let why = poll_once(app, &a).await.unwrap_err();
        assert!(why.contains("web page"), "{why}");
        assert_eq!((kept(app, &a).await.title.as_str(), kept(app, &a).await.failures), ("Feed /a", 1));
        assert_eq!(stored(app, newsletter).await.len(), 1);
    }
}

#[tokio::test]
async fn items_with_nul_in_them_are_stored_without() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        let feed = r#"{"title":"F\u0000","items":[{"id":"a\u0000b","title":"A\u0000b","content_text":"c\u0000d",
            "authors":[{"name":"Ann\u0000"}],"tags":["x\u0000"],"url":"https://example.org/\u0000a"},{"id":"\u0000","title":"B"}]}"#;
        site.answer("/a", "200 OK", "", feed);
        let a = source(app, &site, "/a", "either").await;
        assert_eq!(poll_once(app, &a).await, brought(2, 0, 0, 0));
        assert_eq!(poll_once(app, &a).await, brought(0, 0, 0, 2));
        assert_eq!(stored(app, newsletter).await.len(), 2);
    }
}

#[tokio::test]
async fn a_batch_goes_on_where_a_source_cannot_be_stored() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        let mut all = vec![];
        for path in ["/a", "/b", "/c"] {
            site.serve(path, &item(1, path, &format!("https://example.org{path}")));
            all.push(source(app, &site, path, "either").await);
        }
        // The second cannot be stored, the third is removed while it is read.
        let mut conn = app.db.conn().await.unwrap();
        db::sources::remove(&mut conn, all[2].id).await.unwrap();
        drop(conn);
        all[1].newsletter_id = newsletter + 1;
        let mut polled = poll_all(app, &fetcher(app).unwrap(), all.clone(), |_| {}).await.unwrap();
        polled.sort_by_key(|polled| polled.source_id);
        assert_eq!(polled[0].result, brought(1, 0, 0, 0));
        let why = polled[1].result.clone().unwrap_err();
        assert!(why.contains("could not be stored"), "{why}");
        assert_eq!(kept(app, &all[1]).await.last_error, Some(why));
        assert_eq!(polled[2].result, Err("it was removed meanwhile".to_owned()));
        assert_eq!(stored(app, newsletter).await.len(), 1);
    }
}

#[tokio::test]
async fn a_source_with_a_password_is_refused_without_repeating_it() {
    for mut test in apps().await {
        let (_, _) = set_up(&mut test).await;
        for url in [
            "https://ann:secret@example.org/feed",
            "ann:secret@example.org/feed",
            "feed://secret@example.org/",
        ] {
            let error = sources::add(&test.app, &Actor::command_line(), "brief", url, &[], "either")
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("password") && !error.contains("secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_page_that_a_feed_brought_already_is_known_when_it_is_imported() {
    for mut test in apps().await {
        let (newsletter, site) = set_up(&mut test).await;
        let app = &test.app;
        site.serve("/a", &item(1, "1", &format!("{}/story?utm_source=rss", site.root)));
        let body = format!(
            "<html><title>Story 1</title><article>{}</article>",
            "<p>A long sentence about a ferry.</p>".repeat(20)
        );
        site.answer("/story", "200 OK", "Content-Type: text/html\r\n", &body);
        let a = source(app, &site, "/a", "either").await;
        assert_eq!(poll_once(app, &a).await, brought(1, 0, 0, 0));
        let page = articles::fetch(&fetcher(app).unwrap(), &format!("{}/story", site.root)).await.unwrap();
        let added = articles::add(app, "brief", &page, &[]).await.unwrap();
        assert!(matches!(added, articles::Added::Known(_)), "{added:?}");
        // And the other way round: the page first, then a feed.
        site.answer("/other", "200 OK", "Content-Type: text/html\r\n", &body);
        let page = articles::fetch(&fetcher(app).unwrap(), &format!("{}/other", site.root)).await.unwrap();
        let added = articles::add(app, "brief", &page, &[]).await.unwrap();
        assert!(matches!(added, articles::Added::New(_)), "{added:?}");
        site.serve("/a", &item(1, "3", &format!("{}/other", site.root)));
        assert_eq!(poll_once(app, &a).await, brought(0, 0, 0, 1));
        assert_eq!(stored(app, newsletter).await.len(), 2);
    }
}
