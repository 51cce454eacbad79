//! What is refused, what is kept of it, and what is lost by it: nothing.

use super::signing_in::{Browser, PASSWORD, between};
use super::*;
use crate::db::audit::Entry;
use crate::pipeline::accounts::Actor;

const MINUTE: i64 = 60 * 1000;

impl House {
    /// What was refused, the newest first.
    async fn refused(&self) -> Vec<Entry> {
        self.log().await.into_iter().filter(|entry| entry.is_denied).collect()
    }

    async fn id_of(&self, email: &str) -> i64 {
        let mut conn = self.app.db.conn().await.unwrap();
        let email = EmailAddress::parse(email).unwrap();
        accounts::find_by_email(&mut conn, &email).await.unwrap().user.id
    }
}

/// The fields of the form in a page that keeps what was typed.
fn kept(page: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        text.replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#x3D;", "=")
            .replace("&amp;", "&")
    };
    let inputs = page.split("<input type=\"hidden\" name=\"").skip(1);
    inputs
        .map(|rest| (plain(rest.split('"').next().unwrap()), plain(between(rest, "value=\"", "\""))))
        .collect()
}

#[tokio::test]
async fn what_was_typed_when_the_session_ended_is_sent_again_after_signing_in() {
    for house in houses().await {
        let id = house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        let subject = "/desk/templates/welcome/subject.txt.hbs";
        let page = browser.get(&house, subject).await.body;
        let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
        accounts::end_all_sessions(&house.app, &Actor::command_line(), id).await.unwrap();
        let text = "Come \"in\"\n<b>{{newsletter.name}}</b> = here";
        let fields = [("token", token.as_str()), ("opened", "0"), ("text", text), ("do", "save")];
        let ended = browser.submit(&house, subject, &fields).await;
        assert_eq!(ended.status, 401, "{}", ended.body);
        assert!(ended.body.contains("You are signed out") && ended.body.contains("href=\"/sign-in\" target"));
        assert_eq!(between(&ended.body, "<form method=\"post\" action=\"", "\""), subject);
        assert!(!ended.body.contains("<b>{{"), "it is text, never markup");
        let kept = kept(&ended.body);
        let sent: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(kept, sent);
        // Nothing is done by whoever is not signed in.
        let fields: Vec<_> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(browser.submit(&house, subject, &fields).await.status, 401);
        browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        assert_eq!(browser.submit(&house, subject, &fields).await.status, 303);
        assert!(browser.get(&house, subject).await.body.contains("Changed by ann@example.org"));

        // A token is its owner's, and the password's.
        let eve = house.sign_in("eve@example.org", Role::Admin).await;
        assert_ne!(eve.token, token);
        let eve = Person { token: token.clone(), ..eve };
        assert_eq!(house.submit_as(&eve, subject, &[]).await.status, 403);
        accounts::set_password(&house.app, &Actor::command_line(), id, "another one by far").await.unwrap();
        browser.sign_in(&house, "ann@example.org", "another one by far").await;
        assert_eq!(browser.submit(&house, subject, &fields).await.status, 403);

        // A name is kept as well.
        let name = house.submit("/account/name", &[("name", "Ann Reed"), ("token", "x")]).await;
        assert!(name.status == 401 && name.body.contains("Ann Reed"), "{}", name.body);

        // A password stands in no page, and what comes from elsewhere in none of ours.
        let secret = [("current", PASSWORD), ("password", "a new one, and long"), ("token", "x")];
        let away = house.submit("/account/password", &secret).await;
        assert_eq!((away.status.as_u16(), away.header("location")), (303, "/sign-in?back=%2Fdesk"));
        let request = house.client.post(format!("{}{subject}", house.base)).header("content-type", FORM);
        let request = request.header("origin", "https://evil.example").body(urlencoded(&[("text", "evil")]));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(answer.status == 403 && !answer.body.contains("name=\"text\""), "{}", answer.body);
        house.close().await;
    }
}

#[tokio::test]
async fn a_form_that_no_page_of_ours_sent_is_in_the_log_and_does_not_fill_it() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let forged = Person { token: "x".to_owned(), ..ann };
        for _ in 0..30 {
            assert_eq!(house.submit_as(&forged, "/office/users/invite", &[]).await.status, 403);
        }
        let refused = house.refused().await;
        assert_eq!(refused.len(), 20, "and no more of them");
        let first = &refused[0];
        assert_eq!((first.who.as_str(), first.action.as_str()), ("ann@example.org", "form.send"));
        assert_eq!(first.what, "/office/users/invite");
        for path in ["/sign-in", "/desk/issues"] {
            let request = house.client.post(format!("{}{path}", house.base)).header("content-type", FORM);
            assert_eq!(request.header("origin", "https://evil.example").send().await.unwrap().status(), 403);
            let last = house.refused().await.remove(0);
            assert_eq!((last.who.as_str(), last.what.as_str()), ("nobody known", path));
        }
        house.close().await;
    }
}

#[tokio::test]
async fn what_is_refused_is_kept_short_and_nul_is_no_fault_of_ours() {
    for house in houses().await {
        let viewer = house.sign_in("ann@example.org", Role::Viewer).await;
        let long = "ö".repeat(100_000);
        let refused = house.submit_as(&viewer, "/office/segments", &[("name", &long)]).await;
        assert_eq!(refused.status, 403);
        let last = house.refused().await.remove(0);
        assert_eq!(last.what, format!("{}…", "ö".repeat(300)));
        let path = |path: &str| format!("{path}%00");
        for path in ["/desk/templates/a%00/b", &path("/desk/inbox/1/"), &path("/office/users/")] {
            assert_eq!(house.submit_as(&viewer, path, &[]).await.status, 404, "{path}");
            assert_eq!(house.get_as(&viewer, path).await.status, 404, "{path}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn guesses_at_passwords_and_codes_are_in_the_log_and_too_many_once() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        browser.sign_in(&house, "ann@example.org", PASSWORD).await;
        let wrong = [("current", "a guess or two"), ("password", "another one by far")];
        for _ in 0..13 {
            browser.act(&house, "/account", "/account/password", &wrong).await;
        }
        let count = async |action: &str, what: &str| {
            let all = house.refused().await;
            all.iter().filter(|entry| entry.action == action && entry.what == what).count()
        };
        assert_eq!(count("user.password", "the password before was wrong").await, 10);
        assert_eq!(count("user.password", "too many tries").await, 1);

        let path = "/account/second-factor";
        house.pass(16 * MINUTE);
        house.enrol(&browser).await;
        assert_eq!(count("user.second_factor", "the code was wrong").await, 1, "that of enrolling");
        house.pass(16 * MINUTE);
        for _ in 0..8 {
            browser.act(&house, path, "/account/second-factor/remove", &[("code", "000000")]).await;
        }
        assert_eq!(count("user.remove_second_factor", "the code was wrong").await, 5);
        assert_eq!(count("user.remove_second_factor", "too many codes").await, 1);
        house.pass(16 * MINUTE);
        let other = Browser::new();
        other.sign_in(&house, "ann@example.org", PASSWORD).await;
        for _ in 0..8 {
            other.submit(&house, "/sign-in/code", &[("code", "000000")]).await;
        }
        assert_eq!(
            (count("user.sign_in", "with a code").await, count("user.sign_in", "too many codes").await),
            (5, 1)
        );
        assert!(house.refused().await.iter().all(|entry| entry.who == "ann@example.org"));
        house.close().await;
    }
}

#[tokio::test]
async fn sign_in_mails_are_ten_a_day_and_asking_for_them_is_in_the_log() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let ask = async |email: &str| {
            let browser = Browser::new();
            let answer = browser.submit(&house, "/sign-in/mail", &[("email", email)]).await;
            house.pass(20 * MINUTE);
            answer.body
        };
        let mut answers = vec![];
        for _ in 0..12 {
            answers.push(ask("ann@example.org").await);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "nobody learns of the limit");
        assert_eq!(house.mails().await.len(), 10);
        let asked = |entry: &&Entry| entry.action == "user.mail_link";
        let log = house.log().await;
        let denied: Vec<_> = log.iter().filter(asked).map(|entry| entry.is_denied).collect();
        assert_eq!((denied.len(), denied.iter().filter(|denied| **denied).count()), (11, 1));
        house.pass(24 * HOUR);
        ask("ann@example.org").await;
        assert_eq!(house.mails().await.len(), 1);
        house.close().await;
    }
}

#[tokio::test]
async fn the_log_has_no_address_of_whoever_has_no_account() {
    for house in houses().await {
        house.a_user("ann@example.org", Some(Role::Editor)).await;
        let browser = Browser::new();
        for email in ["reader@example.org", "reader@example.org", "ann@example.org"] {
            browser.sign_in(&house, email, "a guess or two").await;
        }
        browser.submit(&house, "/sign-in/mail", &[("email", "reader@example.org")]).await;
        let log = house.refused().await;
        let who: Vec<&str> = log.iter().map(|entry| entry.who.as_str()).collect();
        assert!(who[0].starts_with("unknown address "), "{who:?}");
        assert_eq!((who[0], who[1], who[2]), (who[2], "ann@example.org", who[3]), "the same is known again");
        assert!(log.iter().all(|entry| !entry.who.contains("reader") && !entry.what.contains("reader")));
        house.close().await;
    }
}

#[tokio::test]
async fn a_user_is_removed_with_everything_but_what_they_did() {
    for house in houses().await {
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let id = house.a_user("ann@example.org", Some(Role::Admin)).await;
        let ann = Browser::new();
        ann.sign_in(&house, "ann@example.org", PASSWORD).await;
        Browser::new().submit(&house, "/sign-in/mail", &[("email", "ann@example.org")]).await;
        let link = house.mailed_link().await;
        let path = format!("/office/users/{id}/remove");
        assert!(house.get_as(&admin, &format!("/office/users/{id}")).await.body.contains(&path));
        let asked = house.get_as(&admin, &path).await.body;
        assert!(asked.contains("This cannot be undone") && asked.contains("ann@example.org"), "{asked}");
        assert!(ann.is_in(&house).await, "looking removes nobody");
        let own = format!("/office/users/{}/remove", house.id_of("admin@example.org").await);
        let refused = house.submit_as(&admin, &own, &[]).await;
        assert!(refused.status == 422 && refused.body.contains("your own account"), "{}", refused.body);

        let removed = house.submit_as(&admin, &path, &[]).await;
        assert_eq!((removed.status.as_u16(), removed.header("location")), (303, "/office/users"));
        assert!(!ann.is_in(&house).await);
        assert_eq!(house.get(&link).await.status, 410);
        assert_eq!(Browser::new().sign_in(&house, "ann@example.org", PASSWORD).await.status, 422);
        assert_eq!(house.get_as(&admin, &path).await.status, 404);
        let log = house.get_as(&admin, "/office/audit?who=ann%40example.org").await;
        assert_eq!(log.status, 200);
        let log = house.log().await;
        assert!(log.iter().any(|entry| entry.who == "ann@example.org" && entry.user_id == Some(id)));
        assert!(log.iter().any(|entry| entry.action == "user.remove" && entry.what == "ann@example.org"));
        let only = house.id_of("admin@example.org").await;
        let says = accounts::remove(&house.app, &Actor::command_line(), only).await.unwrap_err().to_string();
        assert!(says.contains("is the only admin"), "{says}");

        // The address may come back, with nothing of before.
        let back = house.a_user("ann@example.org", None).await;
        assert_ne!(back, id);
        house.close().await;
    }
}

#[tokio::test]
async fn what_a_page_says_comes_from_this_host_alone_and_leads_nowhere_else() {
    use super::super::said::{self, Said};
    for test in apps().await {
        let mut app = test.app.clone();
        for (url, name) in
            [("https://a.example", "__Host-daybreak_said"), ("http://a.example", "daybreak_said")]
        {
            app.settings.public_url = url.to_owned();
            let heard = |undo: &str, name: &str| {
                let said = Said {
                    words: "Done.".to_owned(),
                    undo: undo.to_owned(),
                    undo_words: "Undo".to_owned(),
                    ..Said::default()
                };
                let response = said::then(&app, "/desk", said);
                let set = response.headers()["set-cookie"].to_str().unwrap();
                let (own, value) = set.split(';').next().unwrap().split_once('=').unwrap();
                assert_eq!(set.contains("; Secure"), own.starts_with("__Host-"));
                let mut headers = axum::http::HeaderMap::new();
                headers.insert("cookie", format!("{name}={value}").parse().unwrap());
                said::of(&app, &headers)
            };
            assert_eq!(heard("/desk/issues/1/undo/2", name).unwrap().undo, "/desk/issues/1/undo/2");
            assert_eq!(heard("", name).unwrap().words, "Done.");
            for elsewhere in
                ["//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/\t/evil.example"]
            {
                assert_eq!(heard(elsewhere, name), None, "{elsewhere}");
            }
            assert!(name.starts_with("__Host-") || heard("", "__Host-daybreak_said").is_none());
            assert!(!name.starts_with("__Host-") || heard("", "daybreak_said").is_none());
        }
    }
}
