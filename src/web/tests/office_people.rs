//! The office: the list of subscribers, a person, segments, the suppression list, and who may see them.

use super::*;
use crate::db::testing::a_history;
use crate::domain::subscription::SubscriptionEvent;

impl House {
    /// Adds somebody who follows the brief.
    async fn named(&self, email: &str, name: &str) -> i64 {
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
fn href_of(body: &str, words: &str) -> Option<String> {
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
            ("%", vec![]),
            ("' OR 1=1 --", vec![]),
        ] {
            let page = house.get_as(&ann, &format!("/office/subscribers?{}", urlencoded(&[("q", q)]))).await;
            assert_eq!(page.status, 200);
            assert_eq!(people_on(&page.body), ids, "{q}");
            assert!(!page.body.contains("<b>Smith"), "{q}");
        }
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
        for part in ["Bob", "bob@example.org", "issue 1", "250 for bob@example.org", "it waits to be sent"] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
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
            ("email", "cleo@example.org", "is another subscriber"),
            ("email", "robert", "the @ is missing"),
            ("zone", "Mars", "not a time zone"),
            ("language", "klingon?", "not a language"),
        ] {
            let fields = fields.map(|(name, old)| (name, if name == field { value } else { old }));
            let refused = house.submit_as(&ann, &at("edit"), &fields).await;
            assert_eq!(refused.status, 422, "{value}");
            assert!(refused.body.contains(says) && refused.body.contains(value), "{value}: {}", refused.body);
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
async fn the_suppression_list_is_searched_and_changed() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        assert!(house.get_as(&ann, "/office/suppressions").await.body.contains("The list is empty"));
        house.named("gone@example.org", "").await;
        let gone = EmailAddress::parse("gone@example.org").unwrap();
        crate::pipeline::people::erase(&house.app, None, &gone).await.unwrap();
        let add = async |email: &str| {
            house.submit_as(&ann, "/office/suppressions", &[("email", email), ("reason", "asked")]).await
        };
        for n in 0..60 {
            house.pass(1);
            assert_eq!(add(&format!("x{n}@example.org")).await.status, 303);
        }
        let refused = add("nobody").await;
        assert!(refused.status == 422 && refused.body.contains("the @ is missing"), "{}", refused.body);
        let first = house.get_as(&ann, "/office/suppressions").await;
        assert!(first.body.contains("x59@example.org") && !first.body.contains(">x5@example.org"));
        let second = house.get_as(&ann, &href_of(&first.body, "Older").unwrap()).await;
        assert!(second.body.contains(">x5@example.org") && second.body.contains("An erased person"));
        assert_eq!(href_of(&second.body, "Older"), None);
        let back = house.get_as(&ann, &href_of(&second.body, "Newer").unwrap()).await;
        assert!(back.body.contains("x59@example.org") && href_of(&back.body, "Newer").is_none());
        let erased = house.get_as(&ann, "/office/suppressions?q=GONE%40example.org").await;
        assert!(erased.body.contains("gone@example.org is on the list"), "{}", erased.body);
        assert!(house.get_as(&ann, "/office/suppressions?q=x59").await.body.contains("x59@example.org"));
        let manual = house.get_as(&ann, "/office/suppressions?reason=erased").await;
        assert!(manual.body.contains("An erased person") && !manual.body.contains("x59@"));
        let hash = house.app.key.address_hash(&EmailAddress::parse("x59@example.org").unwrap());
        let removed = house.submit_as(&ann, "/office/suppressions/remove", &[("hash", &hash)]).await;
        assert_eq!(removed.status, 303);
        assert!(!house.get_as(&ann, "/office/suppressions").await.body.contains("x59@"));
        assert_eq!(
            house.submit_as(&ann, "/office/suppressions/remove", &[("hash", &hash)]).await.status,
            404
        );
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
async fn editors_and_viewers_are_refused_by_page_and_by_direct_request() {
    for house in houses().await {
        let id = house.named("bob@example.org", "Bob").await;
        let editor = house.sign_in("ed@example.org", Role::Editor).await;
        let viewer = house.sign_in("vi@example.org", Role::Viewer).await;
        let person = format!("/office/subscribers/{id}");
        let pages =
            ["subscribers", "suppressions", "segments", "import", "bulk?kind=suppress", "bulk/1", "import/1"]
                .map(|page| format!("/office/{page}"));
        let deeds = ["edit", "subscription", "tag", "untag", "suppress", "unsuppress", "export", "erase"];
        let mut posts: Vec<String> = deeds.iter().map(|deed| format!("{person}/{deed}")).collect();
        posts.extend(
            [
                "subscribers/export",
                "segments",
                "segments/1/remove",
                "suppressions",
                "suppressions/remove",
                "bulk",
                "bulk/1/undo",
                "bulk/1/stop",
                "bulk/1/go-on",
                "import/1/check",
                "import/1/run",
                "import/1/remove",
            ]
            .map(|post| format!("/office/{post}")),
        );
        for who in [&editor, &viewer] {
            for path in pages.iter().chain([
                &person,
                &format!("{person}/erase"),
                &"/office/import/1/notes".to_owned(),
            ]) {
                let refused = house.get_as(who, path).await;
                assert_eq!(refused.status, 403, "{path}");
                assert!(!refused.body.contains("bob@example.org"), "{path}");
            }
            for path in &posts {
                assert_eq!(house.submit_as(who, path, &[("act", "leave")]).await.status, 403, "{path}");
            }
        }
        assert_eq!(house.get("/office/subscribers").await.status, 303, "nobody is signed in");
        assert_eq!(house.statuses("bob@example.org").await, ["active"]);
        let denied = house.lines_of_audit().await.iter().filter(|line| line.contains(" denied: ")).count();
        assert_eq!(denied, 2 * (pages.len() + 3 + posts.len()));
        // An admin's own form from elsewhere is refused too.
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let forged = Person { cookie: ann.cookie.clone(), token: "x".repeat(64) };
        for path in &posts {
            assert_eq!(house.submit_as(&forged, path, &[]).await.status, 403, "{path}");
        }
        house.close().await;
    }
}

/// Somebody who is an admin of these newsletters alone.
async fn admin_of(house: &House, email: &str, newsletters: &[i64]) -> Person {
    let email = EmailAddress::parse(email).unwrap();
    let id = accounts::add(&house.app, &email, "", None).await.unwrap();
    for newsletter in newsletters {
        let mut conn = house.app.db.conn().await.unwrap();
        crate::db::users::set_newsletter_role(&mut conn, id, *newsletter, Some(Role::Admin)).await.unwrap();
    }
    let value = accounts::start_session(&house.app, id, "a test", "192.0.2.1").await.unwrap();
    let (account, _) = accounts::of_cookie(&house.app, &value).await.unwrap().unwrap();
    Person { cookie: format!("daybreak={value}"), token: accounts::form_token(&house.app, &account) }
}

#[tokio::test]
async fn an_admin_of_one_newsletter_sees_and_changes_its_readers_alone() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        for (email, newsletter) in
            [("both@example.org", "brief"), ("both@example.org", "weekly"), ("other@example.org", "weekly")]
        {
            house.pass(HOUR);
            house.submit("/subscribe", &[("email", email), ("newsletter", newsletter)]).await;
            house.post(&confirm_path(&house.mails().await), FORM, "").await;
            house.mails().await;
        }
        let id = async |email: &str| {
            let email = EmailAddress::parse(email).unwrap();
            let found = subscribers::find(&mut house.app.db.conn().await.unwrap(), &email).await;
            found.unwrap().unwrap().id
        };
        let (both, other) = (id("both@example.org").await, id("other@example.org").await);
        let bea = admin_of(&house, "bea@example.org", &[house.brief]).await;

        for path in ["/office/subscribers", "/office/subscribers?newsletter=brief&tag=x"] {
            let list = house.get_as(&bea, path).await;
            assert!(list.status == 200 && list.body.contains("both@example.org"), "{}", list.body);
            assert!(
                !list.body.contains("other@example.org") && !list.body.contains("weekly"),
                "{}",
                list.body
            );
            assert!(
                !list.body.contains("/office/bulk") && !list.body.contains("/office/import"),
                "{}",
                list.body
            );
        }
        assert_eq!(house.get_as(&bea, "/office/subscribers?newsletter=weekly").await.status, 403);
        let export = house.submit_as(&bea, "/office/subscribers/export", &[("filter", "")]).await;
        assert!(
            export.body.contains("both@example.org") && !export.body.contains("weekly"),
            "{}",
            export.body
        );
        let export =
            house.submit_as(&bea, "/office/subscribers/export", &[("filter", "newsletter=weekly")]).await;
        assert_eq!(export.status, 403);

        let person = format!("/office/subscribers/{both}");
        let page = house.get_as(&bea, &person).await;
        assert!(
            page.status == 200 && page.body.contains("brief") && !page.body.contains("weekly"),
            "{}",
            page.body
        );
        assert!(!page.body.contains("/erase") && !page.body.contains("/edit"), "{}", page.body);
        assert_eq!(house.get_as(&bea, &format!("/office/subscribers/{other}")).await.status, 403);
        assert_eq!(house.get_as(&bea, &format!("{person}/erase")).await.status, 403);
        for deed in ["edit", "tag", "untag", "suppress", "unsuppress", "export", "erase"] {
            let refused =
                house.submit_as(&bea, &format!("{person}/{deed}"), &[("email", "x@example.org")]).await;
            assert_eq!(refused.status, 403, "{deed}");
        }
        let leave = async |id: i64, newsletter: &str| {
            let fields = [("act", "leave"), ("newsletter", newsletter)];
            house.submit_as(&bea, &format!("/office/subscribers/{id}/subscription"), &fields).await.status
        };
        assert_eq!((leave(both, "weekly").await.as_u16(), leave(other, "weekly").await.as_u16()), (403, 403));
        assert_eq!(leave(other, "brief").await, 404);
        assert_eq!(leave(both, "brief").await, 303);
        assert_eq!(house.statuses("both@example.org").await, ["unsubscribed", "active"]);
        for path in
            ["/office/suppressions", "/office/segments", "/office/import", "/office/bulk?kind=suppress"]
        {
            assert_eq!(house.get_as(&bea, path).await.status, 403, "{path}");
        }
        assert_eq!(house.get_as(&bea, "/office/subscribers/add?newsletter=weekly").await.status, 200);
        let add = [("newsletter", "weekly"), ("email", "new@example.org"), ("consent", "ask")];
        assert_eq!(house.submit_as(&bea, "/office/subscribers/add", &add).await.status, 403);
        house.close().await;
    }
}

#[tokio::test]
async fn one_person_is_added_by_a_mail_that_asks_or_with_their_consent_on_record() {
    const PATH: &str = "/office/subscribers/add";
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, PATH).await;
        assert!(page.status == 200 && page.body.contains("Have they agreed?"), "{}", page.body);
        let add = async |email: &str, consent: &str, words: &str| {
            let fields = [
                ("newsletter", "brief"),
                ("email", email),
                ("name", "Bob"),
                ("consent", consent),
                ("words", words),
            ];
            house.submit_as(&ann, PATH, &fields).await
        };
        let asked = add("bob@example.org", "ask", "").await;
        assert_eq!(asked.status, 303, "{}", asked.body);
        assert_eq!(house.statuses("bob@example.org").await, ["pending"]);
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        assert_eq!(house.statuses("bob@example.org").await, ["active"]);
        house.mails().await;

        let again = add("bob@example.org", "given", "By telephone").await;
        assert!(again.status == 422 && again.body.contains("already: nothing was changed"), "{}", again.body);
        let silent = add("cem@example.org", "given", "").await;
        assert!(silent.status == 422 && silent.body.contains("that is the proof of it"), "{}", silent.body);
        assert!(silent.body.contains("cem@example.org"), "what was typed is kept");
        assert_eq!(add("cem", "given", "x").await.status, 422);
        assert_eq!(add("cem@example.org", "given", "By telephone").await.status, 303);
        let stored = house.stored("cem@example.org").await.remove(0);
        let consent = stored.subscription.consent.unwrap();
        assert_eq!(stored.subscription.status.as_str(), "active");
        assert_eq!(
            (consent.from.as_str(), consent.words.as_str()),
            ("added by ann@example.org", "By telephone")
        );
        assert_eq!(house.mails().await, [], "nobody is mailed who is put on record");

        house.submit(&house.leave_path(stored.subscription.id), &[]).await;
        let left = add("cem@example.org", "given", "By telephone").await;
        assert!(
            left.status == 422 && left.body.contains("only signing up and confirming anew"),
            "{}",
            left.body
        );
        let email = EmailAddress::parse("dora@example.org").unwrap();
        crate::pipeline::people::suppress(
            &house.app,
            &crate::pipeline::accounts::Actor::command_line(),
            &email,
            "asked",
        )
        .await
        .unwrap();
        let blocked = add("dora@example.org", "ask", "").await;
        assert!(blocked.status == 422 && blocked.body.contains("suppression list"), "{}", blocked.body);
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        assert_eq!(house.get_as(&ed, PATH).await.status, 403);
        assert_eq!(house.submit_as(&ed, PATH, &[("newsletter", "brief")]).await.status, 403);
        house.close().await;
    }
}

#[tokio::test]
async fn a_search_of_the_suppression_list_goes_on_page_by_page_within_a_reason() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let mut conn = house.app.db.conn().await.unwrap();
        for number in 0..130 {
            let email = EmailAddress::parse(&format!("gone{number:03}@example.org")).unwrap();
            let reason = if number % 10 == 9 {
                crate::domain::subscription::SuppressionReason::Complained
            } else {
                crate::domain::subscription::SuppressionReason::Bounced
            };
            let (key, now) = (&house.app.key, house.app.clock.now());
            crate::db::suppressions::suppress(&mut conn, key, &email, reason, "", now).await.unwrap();
        }
        drop(conn);
        for (query, count) in
            [("q=gone", 130), ("q=gone&reason=bounced", 117), ("q=gone&reason=complained", 13)]
        {
            let (mut path, mut found) = (format!("/office/suppressions?{query}"), vec![]);
            loop {
                let body = house.get_as(&ann, &path).await.body;
                found.extend((0..130).filter(|number| body.contains(&format!("gone{number:03}@"))));
                let Some(next) = body.split("rel=\"next\" href=\"").nth(1) else { break };
                path = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#x3D;", "=");
            }
            let all: Vec<i32> = found.clone();
            found.dedup();
            assert_eq!((all.len(), found.len()), (count, count), "{query}");
        }
        house.close().await;
    }
}
