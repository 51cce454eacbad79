//! The archive, the feed, and the newsletter's own page.

use super::*;
use crate::db::deliveries;
use crate::db::issues::{self, NewDraft};
use crate::domain::article::IssueArticle;
use crate::domain::delivery::DeliveryState;
use crate::domain::issue::{IssueContent, IssueState};
use crate::domain::topic::TopicSet;
use crate::pipeline::deliver::finish;
use crate::pipeline::inspect::{self, Whom};
use crate::pipeline::{address, editors};

fn article(id: i64, headline: &str, summary: &str) -> IssueArticle {
    IssueArticle {
        id,
        headline: headline.to_owned(),
        summary: summary.to_owned(),
        url: Some(format!("https://planet.example/{id}?a=1&b=2")),
        image_url: None,
        image_alt: None,
        source: "The Planet".to_owned(),
        author: None,
        language: None,
        published_at: None,
        reading_minutes: 0,
        topics: TopicSet::EMPTY,
        section: None,
        also: vec![],
    }
}

impl House {
    /// Sends out an issue with these articles, and returns its id and number.
    async fn publish(&self, articles: &[(&str, &str)]) -> (i64, i64) {
        self.publish_on(None, articles).await
    }

    /// The same of a schedule.
    async fn publish_on(&self, schedule_id: Option<i64>, articles: &[(&str, &str)]) -> (i64, i64) {
        let now = self.app.clock.now();
        let mut tx = self.app.db.begin().await.unwrap();
        let draft = NewDraft {
            newsletter_id: self.brief,
            schedule_id,
            slot_at: now,
            slot_date: now.to_utc().date_naive(),
            cutoff_at: now,
        };
        let id = issues::insert_draft(&mut tx, &draft, now).await.unwrap().unwrap();
        let number = newsletters::next_number(&mut tx, self.brief).await.unwrap();
        let articles = (1..).zip(articles).map(|(id, (headline, summary))| article(id, headline, summary));
        let content = IssueContent { articles: articles.collect(), ..IssueContent::default() };
        issues::freeze(&mut tx, id, number, &content, now).await.unwrap();
        issues::advance(&mut tx, id, IssueState::Frozen, IssueState::Approved, None, now).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(address::address(&self.app).await.unwrap().len(), 1);
        (id, number)
    }
}

#[tokio::test]
async fn the_archive_lists_what_went_out_the_newest_first_page_by_page() {
    for house in houses().await {
        let empty = house.get("/archive/brief").await;
        assert!(empty.status == 200 && empty.body.contains("No issue has gone out yet"), "{}", empty.body);
        for number in 1..=23 {
            house.publish(&[(&format!("Story {number} of the day"), "A summary.")]).await;
            house.pass(24 * HOUR);
        }
        let first = house.get("/archive/brief").await;
        assert!(first.header("cache-control").starts_with("public"));
        assert!(first.body.contains("Story 23 of") && first.body.contains("Story 4 of"), "{}", first.body);
        assert!(!first.body.contains("Story 3 of") && !first.body.contains("Newest"), "{}", first.body);
        assert!(first.body.contains("/archive/brief?before&#x3D;4"), "{}", first.body);
        let second = house.get("/archive/brief?before=4").await.body;
        assert!(second.contains("Story 3 of") && second.contains("Saturday, 21 November 2026"), "{second}");
        assert!(!second.contains("Story 4 of") && !second.contains(">Older<"), "{second}");
        assert!(house.get("/archive/brief?before=1").await.body.contains("There are no earlier issues"));
        assert_eq!(house.get("/archive/no-such").await.status, 404);
        assert_eq!(house.get("/archive/brief?before=x").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn issues_of_several_schedules_name_theirs() {
    for house in houses().await {
        let daily = house.schedule(house.brief, "daily", "daily", "07:00").await;
        house.publish_on(Some(daily), &[("Harbour", "A summary.")]).await;
        assert!(!house.get("/archive/brief").await.body.contains(">daily<"), "it has but one");
        let weekly = house.schedule(house.brief, "weekly", "weekly", "08:00").await;
        house.publish_on(Some(weekly), &[("Harbour", "A summary.")]).await;
        let list = house.get("/archive/brief").await.body;
        assert!(list.contains(">daily</span> · No. 1") && list.contains(">weekly</span> · No. 2"), "{list}");
        let feed = house.get("/archive/brief/feed.atom").await.body;
        assert!(feed.contains(" · daily</title>") && feed.contains(" · weekly</title>"), "{feed}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_search_finds_issues_with_all_its_words_whatever_the_accents() {
    for house in houses().await {
        house
            .publish(&[("Le château rouvre", "Après dix ans."), ("100 % rain_fall", "Wet\u{0} indeed.")])
            .await;
        house.publish(&[("Der Zug nach Köln", "Ein Bericht über SCHNEE.")]).await;
        for (search, found) in [
            ("Chateau", vec![1]),
            ("CHÂTEAU ans", vec![1]),
            ("köln schnee", vec![2]),
            ("chateau koln", vec![]),
            ("100%", vec![]),
            ("100 %", vec![1]),
            ("\"chateau\", (koln).", vec![]),
            ("\"chateau\",", vec![1]),
            ("?", vec![]),
            ("rain_fall", vec![1]),
            ("rainxfall", vec![]),
            ("\\", vec![]),
            ("%", vec![1]),
            ("e", vec![2, 1]),
            ("\0", vec![2, 1]),
            ("'; DROP TABLE issues; --", vec![]),
        ] {
            let query = urlencoded(&[("q", search)]);
            let page = house.get(&format!("/archive/brief?{query}")).await;
            assert_eq!(page.status, 200);
            let there: Vec<i64> =
                [2, 1].into_iter().filter(|n| page.body.contains(&format!("/archive/brief/{n}\""))).collect();
            assert_eq!(there, found, "{search}: {}", page.body);
        }
        let hostile =
            house.get(&format!("/archive/brief?{}", urlencoded(&[("q", "\"><script>")]))).await.body;
        assert!(!hostile.contains("<script"), "{hostile}");
        let long = "wort ".repeat(5000);
        assert!(house.get(&format!("/archive/brief?{}", urlencoded(&[("q", &long)]))).await.status == 200);
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_leads_to_the_ones_beside_it_and_never_to_one_that_is_not_out() {
    for house in houses().await {
        for headline in ["One", "Two", "Three"] {
            house.publish(&[(headline, "A summary.")]).await;
            house.pass(24 * HOUR);
        }
        for (number, beside) in [(1, vec![2]), (2, vec![1, 3]), (3, vec![2])] {
            let page = house.get(&format!("/archive/brief/{number}")).await.body;
            let bar = signing_in::between(&page, "<nav class=\"archive-bar\"", "</nav>");
            let there = (0..=4).filter(|other| bar.contains(&format!("\"/archive/brief/{other}\"")));
            assert_eq!(there.collect::<Vec<i64>>(), beside, "{bar}");
            for way in ["\"/archive/brief\"", "\"/subscribe/brief\""] {
                assert!(bar.contains(way), "{way}: {bar}");
            }
        }
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_is_a_page_that_holds_nothing_of_any_reader() {
    for house in houses().await {
        house.subscribe("ann@example.org").await;
        let (id, number) =
            house.publish(&[("The night train is back", "Eleven years later."), ("Fens", "")]).await;
        let page = house.get(&format!("/archive/brief/{number}")).await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-security-policy").contains("sandbox"));
        for part in
            ["The night train is back and 1 more</title>", "Saturday, 21 November 2026", "Sign up for brief"]
        {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        for part in ["/unsubscribe/", "/view/", "/preferences/", "ann@", "href=\"\"", "was sent to"] {
            assert!(!page.body.contains(part), "{part}: {}", page.body);
        }
        // The mail itself links to that page, and to the reader's preferences.
        let ann = EmailAddress::parse("ann@example.org").unwrap();
        let mail = inspect::preview(&house.app, id, Some(&ann)).await.unwrap();
        for text in [mail.html(), mail.text()] {
            assert!(text.contains(&format!("{}/archive/brief/{number}", house.base)), "{text}");
            assert!(text.contains(&format!("{}/preferences/", house.base)), "{text}");
        }
        let preferences = mail.text();
        let start = preferences.find("/preferences/").unwrap();
        let path = preferences[start..].lines().next().unwrap();
        assert!(house.get(path).await.body.contains("ann@example.org"));

        // Whoever looks at it on the desk gets no link by which they could act for its reader.
        let looked = inspect::look(&house.app, id, &Whom::Subscriber(ann)).await.unwrap();
        let text = looked.preview.unwrap().text();
        let path = text[text.find("/preferences/").unwrap()..].lines().next().unwrap().to_owned();
        assert!(house.get(&path).await.body.contains("Nobody is known under this link"));

        for path in
            ["/archive/brief/0", "/archive/brief/-1", "/archive/brief/99", "/archive/brief/x", "/archive/x/1"]
        {
            assert_eq!(house.get(path).await.status, 404, "{path}");
        }
        // What is cancelled before anybody has it is taken out, and what has not gone out is not in.
        let mut conn = house.app.db.conn().await.unwrap();
        let now = house.app.clock.now();
        issues::advance(&mut conn, id, IssueState::Sending, IssueState::Cancelled, None, now).await.unwrap();
        drop(conn);
        assert_eq!(house.get(&format!("/archive/brief/{number}")).await.status, 404);
        assert!(!house.get("/archive/brief").await.body.contains("night train"));
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_that_was_cancelled_halfway_stays_readable_and_its_numbers_are_told() {
    for house in houses().await {
        let ann = house.sign_in("viewer@example.org", Role::Viewer).await;
        for name in ["one", "two", "three"] {
            house.subscribe(&format!("{name}@example.org")).await;
        }
        let (id, number) = house.publish(&[("The night train is back", "Beds again.")]).await;
        let now = house.app.clock.now();
        let mut conn = house.app.db.conn().await.unwrap();
        let claimed = deliveries::claim(&mut conn, id, "test", now, 1, None).await.unwrap();
        let sent = deliveries::Record {
            id: claimed[0].1,
            state: DeliveryState::Sent,
            reason: None,
            detail: None,
            not_before: None,
            attempted: true,
        };
        deliveries::record(&mut conn, "test", &[sent], now).await.unwrap();
        drop(conn);
        editors::cancel(&house.app, id).await.unwrap();
        finish(&house.app).await.unwrap();
        // Who has it can read and share it; nobody else is led to it.
        assert_eq!(house.get(&format!("/archive/brief/{number}")).await.status, 200);
        assert!(!house.get("/archive/brief").await.body.contains("night train"));
        assert!(!house.get("/archive/brief/feed.atom").await.body.contains("night train"));
        for (path, words) in [
            ("/desk".to_owned(), "It was cancelled when 1 of 3 readers had it: an editor cancelled it."),
            ("/desk/issues".to_owned(), "articles: an editor cancelled it when 1 of 3 readers had it"),
            (format!("/desk/issues/{id}/live"), "1 of 3 readers had it when it was cancelled"),
            (format!("/desk/issues/{id}/results"), "It was cancelled when 1 of 3 readers had it."),
            (format!("/desk/issues/{id}/results"), "33.3 %"),
        ] {
            let page = house.get_as(&ann, &path).await.body;
            assert!(page.contains(words), "{path}: {words}: {page}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn the_feed_is_atom_that_feed_readers_take() {
    for house in houses().await {
        let parse = |text: &str| feed_rs::parser::parse(text.as_bytes()).unwrap();
        let none = house.get("/archive/brief/feed.atom").await;
        assert_eq!(parse(&none.body).entries.len(), 0);
        house.publish(&[("A \"quoted\" <b>title</b> & more \u{b}", "Summary ]]> <script>")]).await;
        house.pass(24 * HOUR);
        house.publish(&[("Second", "x")]).await;
        let answer = house.get("/archive/brief/feed.atom").await;
        assert_eq!(answer.header("content-type"), "application/atom+xml; charset=utf-8");
        let feed = parse(&answer.body);
        assert_eq!(feed.feed_type, feed_rs::model::FeedType::Atom);
        let page = format!("{}/archive/brief", house.base);
        assert_eq!(feed.id, page);
        let own = feed.links.iter().find(|link| link.rel.as_deref() == Some("self")).unwrap();
        assert_eq!(own.href, format!("{page}/feed.atom"));
        let ids: Vec<&str> = feed.entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, [format!("{page}/2"), format!("{page}/1")]);
        assert_eq!(feed.updated, feed.entries[0].updated);
        assert_eq!(feed.entries[0].updated.unwrap().to_rfc3339(), "2026-11-22T09:00:00+00:00");
        let title = &feed.entries[1].title.as_ref().unwrap().content;
        assert_eq!(title, "A \"quoted\" <b>title</b> & more");
        let content = feed.entries[1].content.as_ref().unwrap().body.as_ref().unwrap();
        assert!(content.contains("&lt;script&gt;") && !content.contains("<script>"), "{content}");
        // Who has it already is told so.
        let request =
            house.client.get(format!("{page}/feed.atom")).header("if-none-match", answer.header("etag"));
        assert_eq!(request.send().await.unwrap().status(), 304);
        assert!(house.get("/archive/brief").await.body.contains("application/atom+xml"));
        assert_eq!(house.get("/archive/no-such/feed.atom").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn the_newsletters_page_shows_the_latest_issue_and_guesses_the_zone() {
    for house in houses().await {
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        assert!(!house.get("/subscribe/brief").await.body.contains("The latest issue"));
        let articles: Vec<(String, &str)> =
            (1..=7).map(|number| (format!("Headline {number}"), "")).collect();
        let articles: Vec<(&str, &str)> =
            articles.iter().map(|(title, text)| (title.as_str(), *text)).collect();
        house.publish(&articles).await;
        let page = house.get("/subscribe/brief").await.body;
        for part in [
            "The latest issue",
            "Headline 1 and 6 more",
            "Headline 5",
            "and 2 more",
            "/archive/brief/1",
            "zone.js",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<li dir=\"auto\">Headline 6"), "{page}");
        let start = page.find("/assets/zone.js").unwrap();
        let script = house.get(page[start..].split('"').next().unwrap()).await;
        assert!(
            script.body.contains("resolvedOptions") && script.header("content-type").contains("javascript")
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_feed_without_an_issue_changed_when_its_newsletter_was_made() {
    for house in houses().await {
        let first = house.get("/archive/brief/feed.atom").await;
        house.pass(HOUR);
        let later = house.get("/archive/brief/feed.atom").await;
        assert!(first.status == 200 && first.body.contains("<updated>"), "{}", first.body);
        assert_eq!(first.body, later.body);
        house.close().await;
    }
}

#[tokio::test]
async fn an_issues_page_is_rendered_once_however_many_ask_and_anew_when_what_it_is_made_of_changes() {
    for house in houses().await {
        house.publish(&[("The night train is back", "Eleven years later.")]).await;
        let path = "/archive/brief/1";
        let asked = futures_util::future::join_all((0..200).map(|_| house.get(path))).await;
        assert!(asked.iter().all(|page| page.status == 200 && page.body == asked[0].body));
        assert_eq!(house.app.pages.begun(), 1);
        let has = async |tag: &str| {
            let request = house.client.get(format!("{}{path}", house.base)).header("if-none-match", tag);
            Answer::of(request.send().await.unwrap()).await
        };
        let tag = asked[0].header("etag").to_owned();
        assert!(asked[0].header("cache-control").starts_with("public"));
        let known = has(&format!("\"other\", W/{tag}")).await;
        assert!(known.status == 304 && known.body.is_empty() && known.header("etag") == tag, "{known:?}");
        assert_eq!(has("\"other\"").await.status, 200);
        assert_eq!(house.app.pages.begun(), 1);

        // Its colour, and then its templates.
        let dark = |colour: &str| crate::render::readable_colour(colour).1;
        assert!(asked[0].body.contains(&dark("#b4451f")), "{}", asked[0].body);
        let mut conn = house.app.db.conn().await.unwrap();
        let mut brief = newsletters::get(&mut conn, house.brief).await.unwrap().unwrap();
        brief.colour = "#004488".to_owned();
        brief.name = "The brief".to_owned();
        brief.rules.subject = "{{newsletter.name}} of the day".to_owned();
        let list = async || house.get("/archive/brief").await.body;
        assert!(list().await.contains("The night train is back"));
        newsletters::update(&mut conn, &brief).await.unwrap();
        drop(conn);
        assert!(list().await.contains("The brief of the day"));
        let changed = has(&tag).await;
        assert!(changed.status == 200 && changed.body.contains(&dark("#004488")), "{}", changed.body);
        assert!(changed.header("etag") != tag && house.app.pages.begun() == 2);
        let text = house.app.renderer.base_text("partials/masthead.mjml.hbs").unwrap();
        let text = text.replace("{{newsletter.name}}", "{{newsletter.name}}, a newsletter");
        let texts = [("partials/masthead.mjml.hbs".to_owned(), text)].into_iter().collect();
        house.app.renderer.take(&texts, 1);
        assert!(house.get(path).await.body.contains("The brief, a newsletter"));
        house.close().await;
    }
}

#[tokio::test]
async fn who_asks_while_too_many_pages_are_made_is_told_when_to_come_back() {
    for house in houses().await {
        house.subscribe("ann@example.org").await;
        house.publish(&[("The night train is back", "Eleven years later.")]).await;
        let ann = EmailAddress::parse("ann@example.org").unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let ann = subscribers::find(&mut conn, &ann).await.unwrap().unwrap();
        let delivery = crate::db::outcomes::find(&mut conn, 1, ann.id).await.unwrap().unwrap();
        drop(conn);
        let own = format!("/view/{}", house.app.key.sign(&Token::View { delivery_id: delivery.id }));
        let turns = (house.app.pages.turn().await.unwrap(), house.app.pages.turn().await.unwrap());
        for page in futures_util::future::join_all([house.get("/archive/brief/1"), house.get(&own)]).await {
            assert_eq!((page.status.as_u16(), page.header("retry-after")), (503, "5"), "{}", page.body);
            assert!(page.body.contains("Many people ask for this at once"));
            assert_eq!(page.header("cache-control"), "no-store");
        }
        drop(turns);
        assert_eq!(house.get("/archive/brief/1").await.status, 200);
        let page = house.get(&own).await;
        assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-store"));
        assert_eq!(house.app.pages.begun(), 2, "a reader's own copy is not kept");
        house.close().await;
    }
}
