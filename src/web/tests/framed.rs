//! Errors at the desk and in the office: in the frame for who works there, and the way in for who is not signed in.

use super::signing_in::{Browser, PASSWORD};
use super::*;

/// Asserts that an answer is in the frame, with these words and this way on.
fn is_framed(answer: &Answer, status: u16, says: &str, way_on: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let (frame, page) = answer.body.split_once("<main").unwrap();
    assert!(frame.contains("<nav class=\"rail\"") && frame.contains("href=\"/account\""), "{frame}");
    assert!(
        page.contains(says) && page.contains(&format!("href=\"{way_on}\"")),
        "no {says:?}, {way_on}: {page}"
    );
}

#[tokio::test]
async fn whoever_is_signed_in_finds_errors_in_the_frame_with_a_way_on() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        for (path, status, says, way_on) in [
            ("/desk/nowhere", 404, "There is no such page", "/desk"),
            ("/desk/issues/999", 404, "There is no such issue", "/desk/issues"),
            ("/desk/issues/%ff/preview", 404, "There is no such issue", "/desk/issues"),
            ("/desk/sources/x", 404, "There is no such source", "/desk/sources"),
            ("/desk/templates/no/such", 404, "There is no such template", "/desk/templates"),
            ("/desk/a%00b", 404, "There is no such page", "/desk"),
            ("/office/users/999", 404, "There is no such user", "/office/users"),
            ("/office/subscribers/999", 404, "There is no such subscriber", "/office/subscribers"),
            ("/office/newsletters/none", 404, "There is no such newsletter", "/office/newsletters"),
            ("/office/import/999", 404, "There is no such import", "/office/import"),
            ("/office/bulk/999", 404, "There is no such change to many", "/office/bulk"),
            ("/office/users/1/disable", 405, "nothing to read", "/office/users"),
            ("/account/nowhere", 404, "There is no such page", "/account"),
        ] {
            is_framed(&house.get_as(&admin, path).await, status, says, way_on);
        }
        assert_eq!(house.get_as(&admin, "/office/users/1/disable").await.header("allow"), "POST");
        // What is refused of a form.
        let forged = Person { token: "x".to_owned(), cookie: admin.cookie.clone() };
        is_framed(&house.submit_as(&forged, "/account/name", &[]).await, 403, "Nothing was changed", "/desk");
        let long = "x".repeat(1024 * 1024 + 1);
        let answer = house.submit_as(&admin, "/account/name", &[("name", &long)]).await;
        is_framed(&answer, 413, "That is too much", "/account");
        let request =
            house.client.post(format!("{}/account/name", house.base)).header("cookie", &admin.cookie);
        let answer = Answer::of(request.body("{}").send().await.unwrap()).await;
        is_framed(&answer, 415, "the forms of its own page", "/account");
        is_framed(&house.submit_as(&admin, "/desk", &[]).await, 405, "takes no such request", "/desk");
        // Readers' pages stay theirs.
        assert!(!house.get_as(&admin, "/nowhere").await.body.contains("class=\"rail\""));
        house.close().await;
    }
}

#[tokio::test]
async fn whoever_is_refused_learns_which_role_it_takes_and_whom_to_ask() {
    for house in houses().await {
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let refused = house.get_as(&vic, "/office/users").await;
        is_framed(&refused, 403, "role of admin for all newsletters", "/desk");
        assert!(
            refused.body.contains("Ask an admin of this service for it."),
            "there is none: {}",
            refused.body
        );
        house.sign_in("ada@example.org", Role::Admin).await;
        let off = house.a_user("off@example.org", Some(Role::Admin)).await;
        accounts::disable(&house.app, &accounts::Actor::command_line(), off).await.unwrap();
        let refused = house.get_as(&vic, "/office/users").await;
        assert!(refused.body.contains("for it: ada@example.org."), "{}", refused.body);
        let issue = house.daily().await;
        let name = {
            let mut conn = house.app.db.conn().await.unwrap();
            newsletters::get(&mut conn, house.brief).await.unwrap().unwrap().name
        };
        let refused = house.get_as(&vic, &format!("/desk/issues/{issue}/send")).await;
        is_framed(&refused, 403, &format!("role of editor for {name}"), "/desk");
        house.close().await;
    }
}

#[tokio::test]
async fn whoever_is_not_signed_in_signs_in_and_comes_to_where_they_wanted() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Admin)).await;
        let there = "/office/users/999?x=1";
        // What there is and what is not look the same from outside.
        for path in [there, "/office/nowhere?x=1", "/office/users/1/disable?x=1", "/office/users?x=1"] {
            let away = house.get(path).await;
            let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
            assert_eq!(
                (away.status.as_u16(), away.header("location")),
                (303, format!("/sign-in?back={back}").as_str())
            );
        }
        let ann = Browser::new();
        let fields = [("email", "ann@example.org"), ("password", PASSWORD), ("back", there)];
        assert_eq!(ann.submit(&house, "/sign-in", &fields).await.header("location"), there);
        is_framed(&ann.get(&house, there).await, 404, "There is no such user", "/office/users");
        let nowhere = house.submit("/desk/nowhere", &[]).await;
        assert!(nowhere.status == 404 && !nowhere.body.contains("class=\"rail\""));
        house.close().await;
    }
}

#[tokio::test]
async fn scripts_are_answered_in_kind() {
    for house in houses().await {
        let issue = house.daily().await;
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let ask = async |method: &str, path: &str, accept: &str, cookie: &str| {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = house.client.request(method, format!("{}{path}", house.base));
            let request =
                request.header("accept", accept).header("cookie", cookie).header("content-type", FORM);
            Answer::of(request.body(urlencoded(&[("token", &vic.token)])).send().await.unwrap()).await
        };
        let (edit, events) = (format!("/desk/issues/{issue}"), format!("/desk/issues/{issue}/events"));
        for (cookie, status) in [("", 401), (vic.cookie.as_str(), 403)] {
            let answer = ask("POST", &edit, "application/json", cookie).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, "application/json"));
            let says: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert!(says["says"].as_str().is_some_and(|says| !says.is_empty()), "{says}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        for (path, cookie, status) in
            [(events.as_str(), "", 401), ("/desk/issues/999/events", vic.cookie.as_str(), 404)]
        {
            let answer = ask("GET", path, "text/event-stream", cookie).await;
            assert_eq!(answer.status, status, "{}", answer.body);
            assert!(answer.header("content-type").starts_with("text/plain") && !answer.body.contains('<'));
        }
        house.close().await;
    }
}

#[tokio::test]
async fn where_the_database_does_not_answer_the_page_does_without_the_frame() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        house.app.db.close().await;
        let failed = house.get_as(&admin, "/desk").await;
        assert!(failed.status == 500 && failed.body.contains("The fault is on our side"), "{}", failed.body);
        house.close().await;
    }
}
