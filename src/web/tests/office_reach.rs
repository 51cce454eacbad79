//! Who may see and change people: admins of all newsletters, admins of one, and nobody else.

use super::*;

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
        let mut conn = house.app.db.conn().await.unwrap();
        let tag = crate::db::tags::ensure(&mut conn, "difficult", house.app.clock.now()).await.unwrap();
        crate::db::tags::put(&mut conn, tag.id, &[both]).await.unwrap();
        drop(conn);
        let export = house.submit_as(&bea, "/office/subscribers/export", &[("filter", "")]).await;
        assert!(!export.body.contains("difficult"), "tags tell of more than one newsletter: {}", export.body);
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
async fn what_others_know_of_somebody_is_not_shown_to_those_who_only_asked_them() {
    for house in houses().await {
        let id = house.named("cleo@example.org", "Cleo Secret").await;
        let own = a_newsletter(&house.app.db, "own").await;
        let bea = admin_of(&house, "bea@example.org", &[own]).await;
        house.pass(HOUR);
        let add = [("newsletter", "own"), ("email", "cleo@example.org"), ("name", "X"), ("consent", "ask")];
        assert_eq!(house.submit_as(&bea, "/office/subscribers/add", &add).await.status, 303);
        let seen = async || {
            let page = house.get_as(&bea, &format!("/office/subscribers/{id}")).await;
            let list = house.get_as(&bea, "/office/subscribers").await;
            let file = [("filter", "newsletter=own")];
            let file = house.submit_as(&bea, "/office/subscribers/export", &file).await;
            [page, list, file].map(|answer| {
                assert!(answer.status == 200 && answer.body.contains("cleo@example.org"), "{}", answer.body);
                answer.body
            })
        };
        let [page, list, file] = seen().await;
        for body in [&page, &list, &file] {
            assert!(!body.contains("Secret"), "{body}");
        }
        let finds = async |query: &str| {
            let list = house.get_as(&bea, &format!("/office/subscribers?newsletter=own&{query}")).await.body;
            let filter = format!("newsletter=own&{query}");
            let file = house.submit_as(&bea, "/office/subscribers/export", &[("filter", &filter)]).await.body;
            let found = [list, file].map(|body| body.contains("cleo@example.org"));
            assert_eq!(found[0], found[1], "{query}: the file has whom the list has");
            found[0]
        };
        let language = "UPDATE subscribers SET language = 'fr' WHERE email = 'cleo@example.org'";
        sqlx::query(language).execute(&mut *house.app.db.conn().await.unwrap()).await.unwrap();
        assert!(!finds("q=secret").await && !finds("q=cleo+secret").await && !finds("language=fr").await);
        assert!(
            finds("q=cleo").await && finds("q=cleo%40example.org").await,
            "by what they typed themselves"
        );
        assert!(list.contains(">just now</time>"), "they joined this newsletter now: {list}");
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        assert!(house.get_as(&ann, &format!("/office/subscribers/{id}")).await.body.contains("Secret"));
        // Nor is it once they are taken off again.
        let left = "UPDATE subscriptions SET status = $1 WHERE newsletter_id = $2";
        let status = async |status: &str| {
            let mut conn = house.app.db.conn().await.unwrap();
            sqlx::query(left).bind(status.to_owned()).bind(own).execute(&mut *conn).await.unwrap();
        };
        status("unsubscribed").await;
        for body in seen().await {
            assert!(!body.contains("Secret"), "{body}");
        }
        status("pending").await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        for body in seen().await {
            assert!(body.contains("Secret"), "now they read it: {body}");
        }
        assert!(finds("q=secret").await && finds("language=fr").await);
        house.close().await;
    }
}
