//! Sign-ups that mean no good, and forms on the pages of others.

use super::*;

/// Signs up from a network, as a proxy on this machine says.
async fn from(house: &House, network: &str, email: &str) -> Answer {
    let body = urlencoded(&[("email", email), ("newsletter", "brief"), ("page", "brief")]);
    let request = house.client.post(format!("{}/subscribe", house.base)).header("content-type", FORM);
    Answer::of(request.header("x-forwarded-for", network).body(body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_network_that_signs_up_too_many_is_asked_to_wait_an_hour() {
    for house in houses().await {
        let all = (0..60).map(|number| {
            let (house, email) = (&house, format!("reader{number}@example.org"));
            async move { from(house, "203.0.113.7", &email).await.status }
        });
        let answers = futures_util::future::join_all(all).await;
        assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
        let over = from(&house, "203.0.113.7", "reader60@example.org").await;
        assert_eq!((over.status.as_u16(), over.header("retry-after")), (429, "3600"));
        assert!(over.body.contains("try again in an hour") && over.body.contains("reader60@example.org"));
        assert!(house.stored("reader60@example.org").await.is_empty());
        // A known address learns no more than an unknown one.
        assert_eq!(from(&house, "203.0.113.7", "reader1@example.org").await.status, 429);
        assert_eq!(from(&house, "203.0.113.8", "reader60@example.org").await.status, 200);
        house.pass(HOUR);
        assert_eq!(from(&house, "203.0.113.7", "reader61@example.org").await.status, 200);
        house.close().await;
    }
}

#[tokio::test]
async fn an_address_that_is_signed_up_too_often_gets_the_same_answer_and_nothing_more() {
    for house in houses().await {
        a_newsletter(&house.app.db, "weekly").await;
        for number in 0..10 {
            assert_eq!(from(&house, &format!("203.0.113.{number}"), "ann@example.org").await.status, 200);
        }
        house.mails().await;
        let first = house.sign_up("bob@example.org").await.body.replace("bob@", "ann@");
        let fields = [("email", "ann@example.org"), ("newsletter", "weekly")];
        let over = house.submit("/subscribe", &fields).await;
        assert_eq!((over.status.as_u16(), over.body), (200, first));
        assert_eq!(house.stored("ann@example.org").await.len(), 1);
        house.pass(24 * HOUR);
        house.submit("/subscribe", &fields).await;
        assert_eq!(house.stored("ann@example.org").await.len(), 2);
        house.close().await;
    }
}

#[tokio::test]
async fn who_fills_in_the_field_that_people_do_not_see_gets_the_same_answer_and_nothing_happens() {
    for house in houses().await {
        let page = house.get("/subscribe/brief").await.body;
        assert!(page.contains("class=\"trap\" aria-hidden=\"true\"") && page.contains("name=\"website\""));
        let fields = [("email", "ann@example.org"), ("newsletter", "brief")];
        let trapped = [fields[0], fields[1], ("website", "https://spam.example")];
        let caught = house.submit("/subscribe", &trapped).await;
        assert_eq!((house.mails().await, house.stored("ann@example.org").await.len()), (vec![], 0));
        let taken = house.submit("/subscribe", &fields).await;
        assert_eq!((caught.status, caught.body), (taken.status, taken.body));
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}

#[tokio::test]
async fn one_mail_an_hour_asks_an_address_and_joins_all_that_was_asked_for_meanwhile() {
    for house in houses().await {
        for slug in ["weekly", "monthly"] {
            a_newsletter(&house.app.db, slug).await;
        }
        house.sign_up("ann@example.org").await;
        assert_eq!(house.mails().await.len(), 1);
        for slug in ["weekly", "monthly", "weekly"] {
            house.pass(10 * 60_000);
            house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", slug)]).await;
            assert_eq!(house.mails().await, [], "{slug}");
        }
        house.pass(29 * 60_000);
        assert_eq!(house.mails().await, []);
        house.pass(60_000);
        let mails = house.mails().await;
        let [(_, Notice::Confirm(confirm))] = mails.as_slice() else { panic!("{mails:?}") };
        let asked: Vec<&str> = confirm.newsletters.iter().map(|one| one.slug.as_str()).collect();
        assert_eq!(asked, ["weekly", "monthly"]);
        house.post(&confirm_path(&mails), FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["pending", "active", "active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn sign_ups_at_once_for_different_newsletters_are_one_mail_with_all_of_them() {
    for house in houses().await {
        for slug in ["weekly", "monthly"] {
            a_newsletter(&house.app.db, slug).await;
        }
        let all =
            ["brief", "weekly", "monthly"].map(|slug| {
                let house = &house;
                async move {
                    house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", slug)]).await
                }
            });
        let answers = futures_util::future::join_all(all).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let mails = house.mails().await;
        let [(_, Notice::Confirm(confirm))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(confirm.newsletters.len(), 3);
        house.post(&confirm_path(&mails), FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active", "active", "active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn roles_and_throw_away_addresses_are_refused_where_that_is_set() {
    for test in apps().await {
        let mut test = test;
        test.app.settings.refuse_role_addresses = true;
        test.app.settings.refuse_disposable = true;
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("domains.txt");
        std::fs::write(&list, "# a list\n\nThrown.example\n*.wild.example\n").unwrap();
        let mut listed = test.app.settings.clone();
        listed.disposable_domains = Some(list);
        let house = open(test).await;
        for (email, says) in [
            ("info@example.org", "several people read"),
            ("No-Reply+x@example.org", "several people read"),
            ("ann@yopmail.com", "for a short time"),
            ("ann@eu.mailinator.com", "for a short time"),
        ] {
            let refused = house.sign_up(email).await;
            assert_eq!(refused.status, 422, "{email}");
            assert!(refused.body.contains(says), "{email}: {}", refused.body);
        }
        assert_eq!(house.sign_up("ann@thrown.example").await.status, 200);
        let why = async |email: &str| {
            crate::pipeline::subscribe::why_not(&listed, &EmailAddress::parse(email).unwrap()).await
        };
        assert!(why("ann@thrown.example").await.is_some() && why("ann@x.wild.example").await.is_some());
        assert!(why("ann@yopmail.com").await.is_none(), "the file takes the place of the built-in list");
        house.close().await;
    }
    for house in houses().await {
        assert_eq!(house.sign_up("info@yopmail.com").await.status, 200, "unless it is set");
        house.close().await;
    }
}

#[tokio::test]
async fn the_form_on_a_page_of_somebody_else_signs_up_without_a_cookie() {
    for house in houses().await {
        let page = house.get("/subscribe/brief/embed").await;
        assert_eq!(page.status, 200);
        let action = format!("&lt;form action&#x3D;&quot;{}/subscribe&quot;", house.base);
        for part in [action.as_str(), "&quot;newsletter&quot; value&#x3D;&quot;brief&quot;", "readonly"] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        assert!(
            page.body.contains("daybreak-brief-email") && page.body.contains("name&#x3D;&quot;website&quot;")
        );
        assert!(!page.body.contains("checkbox") && !page.body.contains("&lt;select"), "{}", page.body);
        let mut tx = house.app.db.begin().await.unwrap();
        newsletters::ensure_topic(&mut tx, house.brief, "arts", "Arts").await.unwrap();
        newsletters::ensure_topic(&mut tx, house.brief, "world", "World & \"more\"").await.unwrap();
        tx.commit().await.unwrap();
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        house.schedule(house.brief, "weekly", "mon", "07:00").await;
        let page = house.get("/subscribe/brief/embed").await;
        for part in
            ["checkbox", "&lt;select", "value&#x3D;&quot;world&quot;&gt; World &amp;amp; &amp;quot;more"]
        {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        assert_eq!(house.get("/subscribe/no-such/embed").await.status, 404);
        for (email, status) in [("ann@example.org", 200), ("not an address", 422)] {
            let body = urlencoded(&[("page", "brief"), ("newsletter", "brief"), ("email", email)]);
            let request = house.client.post(format!("{}/subscribe", house.base));
            let request =
                request.header("origin", "https://site.example").header("sec-fetch-site", "cross-site");
            let request = request.header("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
            let answer = Answer::of(request.body(body).send().await.unwrap()).await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (status, ""));
            let expected = if status == 200 { "Check your inbox" } else { "There is a problem" };
            assert!(answer.body.contains(expected) && answer.body.contains("/subscribe"), "{}", answer.body);
        }
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}

#[tokio::test]
async fn an_address_gets_one_mail_an_hour_that_asks_it_for_whatever_reason() {
    for house in houses().await {
        house.sign_up("ann@example.org").await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let mails = house.mails().await;
        let Some((_, Notice::Welcome(welcome))) = mails.first() else { panic!("{mails:?}") };
        let form = format!("{}/address", path_of(welcome.preferences_url.as_deref().unwrap()));
        // A sign-up, and then somebody who wants their mails to go there.
        house.sign_up("bob@example.org").await;
        assert_eq!(house.mails().await.len(), 1);
        assert_eq!(house.submit(&form, &[("email", "bob@example.org")]).await.status, 200);
        house.pass(HOUR - 1);
        assert_eq!(house.mails().await, []);
        house.pass(1);
        let mails = house.mails().await;
        assert!(matches!(mails.as_slice(), [(_, Notice::Address(_))]), "{mails:?}");
        // And the other way round.
        house.submit(&form, &[("email", "cem@example.org")]).await;
        assert_eq!(house.mails().await.len(), 1);
        house.sign_up("cem@example.org").await;
        house.pass(HOUR - 1);
        assert_eq!(house.mails().await, []);
        house.pass(1);
        let mails = house.mails().await;
        assert!(matches!(mails.as_slice(), [(_, Notice::Confirm(_))]), "{mails:?}");
        house.close().await;
    }
}
