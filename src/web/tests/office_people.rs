//! The office: the list of subscribers, segments of it, and a person.

use super::*;
use crate::db::testing::a_history;
use crate::domain::subscription::SubscriptionEvent;

impl House {
    /// Adds somebody who follows the brief.
    pub(super) async fn named(&self, email: &str, name: &str) -> i64 {
        let now = self.app.clock.now();
        let mut tx = self.app.db.begin().await.unwrap();
        let email = EmailAddress::parse(email).unwrap();
        let mut person = subscribers::ensure(&mut tx, &self.app.key, &email, now).await.unwrap();
        person.name = name.to_owned();
        subscribers::update(&mut tx, &person, now).await.unwrap();
        subscriptions::enter(&mut tx, self.brief, person.id, SubscriptionEvent::Import, now).await.unwrap();
        crate::db::commit(tx).await.unwrap();
        person.id
    }

    /// The audit log: who was refused or did what.
    pub(super) async fn lines_of_audit(&self) -> Vec<String> {
        crate::db::testing::audit(&mut self.app.db.conn().await.unwrap()).await
    }
}

/// The address of a link with these words.
pub(super) fn href_of(body: &str, words: &str) -> Option<String> {
    let end = body.find(&format!("\">{words}</a>"))?;
    let start = body[..end].rfind("href=\"")? + 6;
    Some(body[start..end].replace("&amp;", "&").replace("&#x3D;", "="))
}

/// The people on a page of the list, by the number in their address.
fn people_on(body: &str) -> Vec<i64> {
    let links = body.split("<a class=\"title\" href=\"/office/subscribers/").skip(1);
    links.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn the_list_is_walked_forth_and_back_without_gaps() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let empty = house.get_as(&ann, "/office/subscribers").await;
        assert_eq!(empty.status, 200);
        assert!(empty.body.contains("Nobody has subscribed yet"), "{}", empty.body);
        let mut ids = vec![];
        for n in 0..120 {
            ids.push(house.named(&format!("r{n}@example.org"), "").await);
        }
        ids.reverse();
        let (mut path, mut found, mut paths) =
            ("/office/subscribers?state=active".to_owned(), vec![], vec![]);
        loop {
            let page = house.get_as(&ann, &path).await;
            assert_eq!(page.status, 200, "{}", page.body);
            assert!(page.body.contains("120 people found"), "{}", page.body);
            found.extend(people_on(&page.body));
            paths.push(path);
            match href_of(&page.body, "Older") {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!((found.len(), paths.len()), (120, 3));
        assert_eq!(found, ids);
        let last = house.get_as(&ann, &paths[2]).await;
        let middle = house.get_as(&ann, &href_of(&last.body, "Newer").unwrap()).await;
        assert_eq!(people_on(&middle.body), ids[50..100]);
        let first = house.get_as(&ann, &href_of(&middle.body, "Newer").unwrap()).await;
        assert_eq!(people_on(&first.body), ids[..50]);
        assert_eq!(href_of(&first.body, "Newer"), None);
        assert!(paths[1].contains("state=active"), "the filter stays: {}", paths[1]);
        house.close().await;
    }
}

#[tokio::test]
async fn people_are_found_by_address_domain_and_name() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let lee = house.named("a.lee@paper.example", "Ann-Marie O'Lee").await;
        let bob = house.named("bob@example.org", "Bob <b>Smith</b>").await;
        let cleo = house.named("cleo+news@example.org", "Émile Zola").await;
        let soren = house.named("s1@home.example", "Søren Łukasz Weiß-Østergård").await;
        for (q, ids) in [
            ("a.lee@paper.example", vec![lee]),
            ("A.LEE", vec![lee]),
            ("@paper.example", vec![lee]),
            ("paper", vec![lee]),
            ("o'lee", vec![lee]),
            ("marie", vec![lee]),
            ("news@", vec![cleo]),
            ("zola", vec![cleo]),
            ("émile", vec![cleo]),
            ("ÉMILE", vec![cleo]),
            ("bob", vec![bob]),
            ("ann o'l", vec![lee]),
            ("emile", vec![cleo]),
            ("example.org", vec![cleo, bob]),
            ("soren", vec![soren]),
            ("SØREN luka", vec![soren]),
            ("ostergard", vec![soren]),
            ("weiß", vec![soren]),
            ("weiss", vec![soren]),
            ("mith", vec![]),
            ("' OR 1=1 --", vec![]),
        ] {
            let page = house.get_as(&ann, &format!("/office/subscribers?{}", urlencoded(&[("q", q)]))).await;
            assert_eq!(page.status, 200);
            assert_eq!(people_on(&page.body), ids, "{q}");
            assert!(!page.body.contains("<b>Smith"), "{q}");
        }
        let page = house.get_as(&ann, "/office/subscribers?q=%25").await;
        assert_eq!(page.status, 422);
        assert!(page.body.contains("“%” holds no letter and no digit: look for words."), "{}", page.body);
        let page = house.get_as(&ann, "/office/subscribers?q=x&topic=world&from=2026-13-01&state=odd").await;
        assert_eq!(page.status, 422);
        for says in ["has no topic “world”", "“2026-13-01” is not a day", "“odd” is not a state"]
        {
            assert!(page.body.contains(says), "{says}: {}", page.body);
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_segment_is_a_filter_with_a_name() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        house.named("bob@example.org", "Bob").await;
        let keep = async |name: &str, filter: &str| {
            house.submit_as(&ann, "/office/segments", &[("name", name), ("filter", filter)]).await
        };
        assert_eq!(keep("Bobs", "state=active&q=bob&junk=1").await.status, 303);
        for (name, filter) in [("", "q=bob"), ("All", ""), ("Odd", "state=odd"), ("Away", "newsletter=none")]
        {
            assert_eq!(keep(name, filter).await.status, 422, "{name}");
        }
        for name in ["", "Bobs"] {
            let again = keep(name, "q=ann").await.body;
            let form = again.split("id=\"segment-problem\"").nth(1).expect("said at its field");
            assert!(form.contains(&format!("value=\"{name}\"")), "{again}");
            assert!(again.contains("name=\"filter\" value=\"q&#x3D;ann\""), "{again}");
        }
        let list = house.get_as(&ann, "/office/subscribers?q=bob&state=active").await;
        let href =
            href_of(&list.body.replace("\" aria-current=\"page\">", "\">").replace("\" >", "\">"), "Bobs");
        assert_eq!(href.as_deref(), Some("/office/subscribers?state=active&q=bob"));
        assert!(house.get_as(&ann, "/office/segments").await.body.contains("active readers"));
        assert_eq!(house.submit_as(&ann, "/office/segments/1/remove", &[]).await.status, 303);
        assert!(house.get_as(&ann, "/office/segments").await.body.contains("No segment yet"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_person_is_shown_changed_and_erased() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let id = house.named("bob@example.org", "Bob").await;
        let other = house.named("cleo@example.org", "").await;
        let mut tx = house.app.db.begin().await.unwrap();
        newsletters::ensure_topic(&mut tx, house.brief, "world", "World").await.unwrap();
        let person = subscribers::get(&mut tx, id).await.unwrap().unwrap();
        crate::db::commit(tx).await.unwrap();
        house.schedule(house.brief, "daily", "daily", "7:00").await;
        house.schedule(house.brief, "weekly", "weekly", "9:00").await;
        a_history(&house.app.db, house.brief, &person).await;
        let path = format!("/office/subscribers/{id}");
        let page = house.get_as(&ann, &path).await;
        for part in ["Bob", "bob@example.org", "250 for bob@example.org", "it waits to be sent", "due <time"]
        {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        assert!(page.body.contains("href=\"/desk/issues/1\">brief"), "the issue by its newsletter's name");
        assert!(!page.body.contains("for <time"), "{}", page.body);
        let at = |rest: &str| format!("{path}/{rest}");
        let fields = [
            ("email", "robert@example.org"),
            ("name", "Robert"),
            ("language", "pt_br"),
            ("zone", "Europe/Paris"),
        ];
        assert_eq!(house.submit_as(&ann, &at("edit"), &fields).await.status, 303);
        let mut conn = house.app.db.conn().await.unwrap();
        let person = subscribers::get(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((person.email.as_str(), person.name.as_str()), ("robert@example.org", "Robert"));
        assert_eq!(
            (person.language.as_deref(), person.zone),
            (Some("pt-BR"), Some(chrono_tz::Europe::Paris))
        );
        drop(conn);
        for (field, value, says) in [
            ("email", "cleo@example.org", "cleo@example.org is another subscriber"),
            ("email", "robert", "the @ is missing"),
            ("zone", "Mars", "not a time zone"),
            ("language", "klingon?", "not a language"),
        ] {
            let fields = fields.map(|(name, old)| (name, if name == field { value } else { old }));
            let refused = house.submit_as(&ann, &at("edit"), &fields).await;
            assert_eq!(refused.status, 422, "{value}");
            let beside = refused.body.split(&format!("id=\"{field}-problem\"")).nth(1).expect(value);
            assert!(beside.contains(says) && beside.contains(value), "{value}: {}", refused.body);
        }
        let tie = async || house.stored("robert@example.org").await.remove(0);
        let of = |rest: &[(&'static str, &'static str)]| [&[("newsletter", "brief")], rest].concat();
        let act = async |fields: Vec<(&str, &str)>| house.submit_as(&ann, &at("subscription"), &fields).await;
        let chosen = of(&[("act", "choose"), ("schedule", "weekly"), ("topic", "world"), ("hour", "06:30")]);
        assert_eq!(act(chosen).await.status, 303);
        let now = tie().await.subscription;
        assert_eq!((now.topics.bits(), now.hour.unwrap().to_string().as_str()), (1, "06:30"));
        assert!(now.schedule_id.is_some());
        let says = act(of(&[("act", "pause"), ("until", "2026-01-01")])).await;
        assert!(says.status == 422 && says.body.contains("has passed already"), "{}", says.body);
        assert_eq!(act(of(&[("act", "pause"), ("until", "2026-12-24")])).await.status, 303);
        assert!(tie().await.subscription.paused_until.is_some());
        assert!(house.get_as(&ann, &path).await.body.contains("until 24 December 2026"));
        assert_eq!(act(of(&[("act", "resume")])).await.status, 303);
        assert_eq!(act(of(&[("act", "dance")])).await.status, 404);
        assert_eq!(act(of(&[("act", "leave")])).await.status, 303);
        assert_eq!(house.statuses("robert@example.org").await, ["unsubscribed"]);
        for (typed, says) in
            [("", "A tag needs a name"), ("a tag that is far too long to be a tag at all", "40")]
        {
            let refused = house.submit_as(&ann, &at("tag"), &[("tag", typed)]).await;
            assert_eq!(refused.status, 422);
            let beside = refused.body.split("id=\"tag-problem\"").nth(1).expect(typed);
            assert!(
                beside.contains(says) && beside.contains(&format!("value=\"{typed}\"")),
                "{}",
                refused.body
            );
        }
        assert_eq!(house.submit_as(&ann, &at("tag"), &[("tag", " VIP  Guests ")]).await.status, 303);
        assert!(house.get_as(&ann, "/office/subscribers?tag=vip+guests").await.body.contains("Robert"));
        assert_eq!(
            house.submit_as(&ann, &at("suppress"), &[("reason", "asked by telephone")]).await.status,
            303
        );
        let page = house.get_as(&ann, &path).await;
        assert!(page.body.contains("asked by telephone"), "{}", page.body);
        let held = house.submit_as(&ann, &at("export"), &[]).await;
        let held: serde_json::Value = serde_json::from_str(&held.body).unwrap();
        assert_eq!((&held["tags"][0], &held["deliveries"][2]["issue_id"]), (&"vip guests".into(), &1.into()));
        assert_eq!(house.submit_as(&ann, &at("unsuppress"), &[]).await.status, 303);
        assert_eq!(house.submit_as(&ann, &at("untag"), &[("tag", "1")]).await.status, 303);
        assert!(house.get_as(&ann, &at("erase")).await.body.contains("This cannot be undone"));
        assert_eq!(house.submit_as(&ann, &at("erase"), &[]).await.status, 303);
        assert_eq!(house.get_as(&ann, &path).await.status, 404);
        let texts = crate::db::testing::every_text(&house.app.db).await;
        assert!(!texts.contains("robert@example.org"), "{texts}");
        assert_eq!(house.get_as(&ann, &format!("/office/subscribers/{other}")).await.status, 200);
        let log = house.lines_of_audit().await.join("\n");
        for action in ["subscriber.edit", "subscription.pause", "subscription.leave", "subscriber.erase"] {
            assert!(
                log.contains(&format!("ann@example.org {action} done: subscriber {id}")),
                "{action}: {log}"
            );
        }
        assert!(!log.contains("robert@example.org"), "the log outlives people: {log}");
        house.close().await;
    }
}

#[tokio::test]
async fn the_number_of_readers_stands_at_each_newsletter() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let list = house.get_as(&ann, "/office/newsletters").await.body;
        assert!(
            list.contains("<a href=\"/office/subscribers?newsletter=brief&amp;state=active\">0 readers</a>"),
            "{list}"
        );
        for n in 0..3 {
            house.named(&format!("r{n}@example.org"), "").await;
        }
        let list = house.get_as(&ann, "/office/newsletters").await.body;
        assert!(list.contains(">3 readers</a>") && !list.contains("counted <time"), "{list}");
        // As it is where they are many: counted before.
        let counts = vec![("all".to_owned(), 1_000_000), (format!("readers {}", house.brief), 900_000)];
        let tally = crate::db::tallies::Tally { at: house.app.clock.now(), counts };
        crate::db::people_tallies::put(&mut house.app.db.conn().await.unwrap(), &tally).await.unwrap();
        house.pass(3 * 60_000);
        let list = house.get_as(&ann, "/office/newsletters").await.body;
        assert!(list.contains(">900,000 readers</a>") && list.contains(">3 minutes ago</time>"), "{list}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_list_longer_than_is_counted_at_once_says_its_exact_number_once_that_is_known() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        crate::db::testing::a_multitude(&house.app.db, 12_345).await;
        let mut page = house.get_as(&ann, "/office/subscribers").await.body;
        for _ in 0..1000 {
            if page.contains("<p>12,345 people. The newest first.</p>") {
                break;
            }
            assert!(page.contains("<p>more than 10,000 people. The newest first.</p>"), "{page}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            page = house.get_as(&ann, "/office/subscribers").await.body;
        }
        assert!(page.contains("<p>12,345 people. The newest first.</p>"), "{page}");
        house.pass(3 * 60_000);
        let page = house.get_as(&ann, "/office/subscribers").await.body;
        assert!(
            page.contains("<p>12,345 people, counted <time") && page.contains(">3 minutes ago</time>"),
            "{page}"
        );
        // Of a search that finds as many, nobody keeps the number.
        let found = house.get_as(&ann, "/office/subscribers?q=m").await.body;
        assert!(found.contains("more than 10,000 people found"), "{found}");
        house.close().await;
    }
}
