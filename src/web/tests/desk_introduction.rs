//! The introduction in its notation: links, emphasis, lists; in the mail, its text, the checks and the measuring.

use super::desk::type_in;
use super::sending::with_relay;
use super::*;
use crate::db;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{compose, editors, inspect, newsletters as settings};

const TYPED: &str = "Good *morning*. See [the **new** ferry](https://x.example/a?b=1&c=2), or \
                     [write](mailto:us@x.example).\r\n\r\n- one <b>\r\n- two";

#[tokio::test]
async fn an_introduction_has_links_emphasis_and_lists_and_nothing_else() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.article("Ferry", &[]).await;
        let mut page = house.open_issue(&ann, issue).await;
        type_in(&mut page, "introduction", TYPED);
        assert_eq!(house.send_issue(&ann, issue, &page, "save").await.status, 303);
        let preview = inspect::preview(&house.app, issue, None).await.unwrap();
        let html = preview.html();
        for part in [
            "Good <em>morning</em>. See <a",
            "href=\"https://x.example/a?b=1&amp;c=2\"",
            "<strong>new</strong>",
            "href=\"mailto:us@x.example\"",
            "<ul",
            "one &lt;b&gt;</li>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let text = preview.text();
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            folded.contains(
                "Good morning. See the new ferry <https://x.example/a?b=1&c=2>, or write <us@x.example>. - one <b> - two"
            ),
            "{text}"
        );
        assert!(text.contains("- one <b>\n- two\n"), "{text}");
        // Whoever only looks sees it as well.
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let read = house.get_as(&viewer, &format!("/desk/issues/{issue}")).await.body;
        assert!(read.contains("<strong>new</strong>") && read.contains("one &lt;b&gt;</li>"), "{read}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_refused_with_what_was_typed() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.article("Ferry", &[]).await;
        for typed in ["Read [this](www.x.example)", "[x](javascript:alert(1))"] {
            let mut page = house.open_issue(&ann, issue).await;
            type_in(&mut page, "introduction", typed);
            let answer = house.send_issue(&ann, issue, &page, "save").await;
            assert_eq!(answer.status, 422, "{}", answer.body);
            assert!(
                answer.body.contains("id=\"problem-introduction\"")
                    && answer.body.contains("write the whole address")
                    && answer.body.contains(typed),
                "{}",
                answer.body
            );
        }
        house.close().await;
    }
}

#[tokio::test]
async fn links_of_the_introduction_are_checked_and_measured() {
    for (house, mailbox) in with_relay().await {
        settings::set(&house.app, &Actor::command_line(), "brief", &["measure=clicks".to_owned()])
            .await
            .unwrap();
        let issue = house.draft().await.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let mut page = house.open_issue(&ed, issue).await;
        type_in(
            &mut page,
            "introduction",
            "See [the port](http://127.0.0.1:9/port), [us](mailto:us@x.example).",
        );
        assert_eq!(house.send_issue(&ed, issue, &page, "save").await.status, 303);
        let looked = house.submit_as(&ed, &format!("/desk/issues/{issue}/checks"), &[]).await.body;
        assert!(looked.contains(">http://127.0.0.1:9/port<") && !looked.contains("mailto:"), "{looked}");
        compose::compose(&house.app).await.unwrap();
        editors::send(&house.app, issue, true).await.unwrap();
        house.beat().await;
        house.deliver().await;
        let caught = mailbox.addressed_to("ann@example.org").pop().unwrap();
        let mail = mailbox.get(caught.id).unwrap();
        let (text, html) = (mail.text.unwrap(), mail.html.unwrap());
        assert!(!html.contains("127.0.0.1:9/port") && !text.contains("127.0.0.1:9/port"), "{text}");
        assert!(html.contains("mailto:us@x.example") && text.contains("us <us@x.example>"), "{text}");
        let links = db::measuring::targets(&mut house.app.db.conn().await.unwrap(), issue).await.unwrap();
        let own = links.iter().find(|link| link.url.ends_with("/port")).unwrap();
        assert_eq!((own.number, own.article_id), (3, None), "behind those of the two articles");
        let results = house.get_as(&ed, &format!("/desk/issues/{issue}/results")).await.body;
        assert!(results.contains("A link of the introduction"), "{results}");
        house.close().await;
    }
}
