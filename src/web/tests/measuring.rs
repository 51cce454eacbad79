//! What readers follow and open, where a newsletter measures it: the links, who counts, what readers may do about it.

use super::sending::with_relay;
use super::*;
use crate::db::{measuring as kept, outcomes};
use crate::domain::measuring::{ANY_LINK, PICTURE};
use crate::domain::subscription::SuppressionReason;
use crate::mail::catcher::Mailbox;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{compose, editors, keep, links, measuring, newsletters as settings};

const SECOND: i64 = 1000;
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

impl House {
    /// Sends an issue with two articles to ann, and what ben chose to ben, with this measured; a minute passes.
    async fn sent(&self, measure: &str) -> i64 {
        settings::set(&self.app, &Actor::command_line(), "brief", &[format!("measure={measure}")])
            .await
            .unwrap();
        let id = self.draft().await.id;
        editors::send(&self.app, id, true).await.unwrap();
        self.beat().await;
        self.deliver().await;
        self.pass(60 * SECOND);
        id
    }

    /// Another issue, with an article of this name.
    async fn sent_another(&self, title: &str) -> i64 {
        self.story(title, &[], |_| {}).await;
        compose::compose(&self.app).await.unwrap();
        let newest = crate::db::issues::list(&mut self.app.db.conn().await.unwrap(), None, 1).await.unwrap();
        editors::send(&self.app, newest[0].id, true).await.unwrap();
        self.beat().await;
        self.deliver().await;
        self.pass(60 * SECOND);
        newest[0].id
    }

    /// Follows a link of a mail with this browser, and waits until that is recorded.
    async fn follow(&self, url: &str, agent: &str) -> Answer {
        let answer = Answer::of(self.client.get(url).header("user-agent", agent).send().await.unwrap()).await;
        measuring::settle(&self.app).await;
        answer
    }

    /// People and programs alone, of a link.
    async fn counted(&self, issue_id: i64, link: i64) -> (i64, i64) {
        let mut conn = self.app.db.conn().await.unwrap();
        kept::counts(&mut conn, issue_id).await.unwrap().get(&link).copied().unwrap_or_default()
    }

    async fn subscriber_id(&self, email: &str) -> i64 {
        let email = EmailAddress::parse(email).unwrap();
        subscribers::find(&mut self.app.db.conn().await.unwrap(), &email).await.unwrap().unwrap().id
    }

    async fn preferences(&self, email: &str) -> String {
        let address = EmailAddress::parse(email).unwrap();
        path_of(&links::preferences(&self.app, self.subscriber_id(email).await, &address, None))
    }
}

/// The last mail to an address: its headers, text and HTML.
fn last_mail(mailbox: &Mailbox, email: &str) -> (String, String, String) {
    let caught = mailbox.addressed_to(email).pop().expect("a mail has come");
    let raw = String::from_utf8(caught.raw.clone()).unwrap();
    let opened = mailbox.get(caught.id).unwrap();
    let headers = raw.split("\r\n\r\n").next().unwrap().to_owned();
    (headers, opened.text.unwrap_or_default(), opened.html.unwrap_or_default())
}

/// The addresses in a text that begin so, up to a quote or white space.
fn addresses<'t>(text: &'t str, beginning: &str) -> Vec<&'t str> {
    let end = |address: &str| address.find(|sign: char| sign == '"' || sign.is_whitespace());
    text.match_indices(beginning)
        .map(|(at, _)| &text[at..at + end(&text[at..]).unwrap_or(text.len() - at)])
        .collect()
}

#[tokio::test]
async fn a_measured_link_leads_to_the_bare_article_and_counts_people_once() {
    for (house, mailbox) in with_relay().await {
        let id = house.sent("clicks-and-opens").await;
        let (headers, text, html) = last_mail(&mailbox, "ann@example.org");
        let links = format!("{}/c/", house.base);
        let (in_text, in_html) = (addresses(&text, &links), addresses(&html, &links));
        assert_eq!(in_text.len(), 2, "{text}");
        // The last one is the link that nobody sees.
        assert_eq!(in_html.len(), 3, "{html}");
        assert_eq!(in_text, in_html[..2]);
        assert!(!html.contains("http://127.0.0.1:9/"), "no article's own address is left: {html}");
        assert!(!headers.contains("/c/") && headers.contains("/unsubscribe/"), "{headers}");
        assert!(html.contains("tabindex=\"-1\"") && !text.contains("/0\n"), "{html}");

        // It leads on, with nothing added, and says nothing of where it came from.
        let answer = house.follow(in_text[0], BROWSER).await;
        assert_eq!(answer.status, 302, "{}", answer.body);
        let article = answer.header("location").to_owned();
        assert!(["http://127.0.0.1:9/harbour", "http://127.0.0.1:9/market"].contains(&article.as_str()));
        for (name, value) in
            [("referrer-policy", "no-referrer"), ("cache-control", "no-store"), ("x-robots-tag", "noindex")]
        {
            assert_eq!(answer.header(name), value);
        }
        assert_eq!(answer.header("set-cookie"), "");
        assert_eq!(house.counted(id, 1).await, (1, 0));
        // Once more is the same reader; a program behind a person changes nothing.
        house.pass(60 * SECOND);
        house.follow(in_text[0], BROWSER).await;
        house.follow(in_text[0], "Slackbot 1.0").await;
        assert_eq!((house.counted(id, 1).await, house.counted(id, ANY_LINK).await), ((1, 0), (1, 0)));

        // The picture.
        let picture = addresses(&html, &format!("{}/o/", house.base))[0];
        let shown = house.follow(picture, "Mozilla/5.0").await;
        assert_eq!((shown.status.as_u16(), shown.header("content-type")), (200, "image/gif"));
        assert_eq!(house.counted(id, PICTURE).await, (0, 1), "Apple's proxy loads every mail's");
        house.follow(picture, BROWSER).await;
        assert_eq!(house.counted(id, PICTURE).await, (1, 0));

        // What people look at before and beside the mail has the articles' own addresses.
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let seen = house.get_as(&viewer, &format!("/desk/issues/{id}/preview/mail")).await.body;
        let public = house.get("/archive/brief/1").await.body;
        let own = house.get(&path_of(addresses(&html, &format!("{}/view/", house.base))[0])).await.body;
        for page in [&seen, &public, &own] {
            assert!(page.contains("http://127.0.0.1:9/harbour") && !page.contains("/c/"), "{page}");
        }
        let results = house.get_as(&viewer, &format!("/desk/issues/{id}/results")).await.body;
        for part in ["Followed a link", "50.0 % of those sent", "Opened, as an estimate", "Harbour", "Market"]
        {
            assert!(results.contains(part), "{part}: {results}");
        }
        assert!(!results.contains(" style="));
        house.close().await;
    }
}

#[tokio::test]
async fn programs_are_kept_apart_from_people() {
    for (house, mailbox) in with_relay().await {
        let id = house.sent("clicks").await;
        let (_, _, html) = last_mail(&mailbox, "ann@example.org");
        assert!(!html.contains("/o/"), "opens are not measured: {html}");
        let links = addresses(&html, &format!("{}/c/", house.base));
        // A request that says so, whatever it is called.
        let head = house.client.head(links[0]).header("user-agent", BROWSER).send().await.unwrap();
        assert_eq!(head.status(), 302);
        let ahead =
            house.client.get(links[0]).header("user-agent", BROWSER).header("sec-purpose", "prefetch");
        assert_eq!(ahead.send().await.unwrap().status(), 302);
        measuring::settle(&house.app).await;
        assert_eq!(house.counted(id, 1).await, (0, 1));
        // Two links at once, and both after the link that nobody sees: none is a person's.
        house.pass(60 * SECOND);
        for link in &links[..2] {
            house.follow(link, BROWSER).await;
        }
        assert_eq!((house.counted(id, 1).await, house.counted(id, 2).await), ((0, 1), (0, 1)));
        house.pass(60 * SECOND);
        house.follow(links[0], BROWSER).await;
        assert_eq!(house.counted(id, ANY_LINK).await, (1, 0), "as far as can be told it is a person");
        let hidden = house.follow(links[2], BROWSER).await;
        assert_eq!(hidden.header("location"), format!("{}/archive/brief/1", house.base));
        assert_eq!(house.counted(id, ANY_LINK).await, (0, 1), "and the hidden link tells that it is none");
        house.pass(60 * SECOND);
        house.follow(links[1], BROWSER).await;
        assert_eq!((house.counted(id, 2).await, house.counted(id, ANY_LINK).await), ((1, 0), (1, 0)));
        house.close().await;
    }
}

#[tokio::test]
async fn nothing_is_measured_unless_the_newsletter_says_so() {
    for (house, mailbox) in with_relay().await {
        let id = house.draft().await.id;
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        house.deliver().await;
        let (_, text, html) = last_mail(&mailbox, "ann@example.org");
        assert!(text.contains("http://127.0.0.1:9/harbour") && html.contains("http://127.0.0.1:9/market"));
        assert!(!html.contains("/c/") && !html.contains("/o/") && !text.contains("/c/"));
        let path = format!("/desk/issues/{id}/results");
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let results = house.get_as(&viewer, &path).await.body;
        assert!(
            results.contains("It is not measured what readers followed") && !results.contains("#measuring")
        );
        let admin = house.sign_in("admin@example.org", Role::Admin).await;
        let results = house.get_as(&admin, &path).await.body;
        assert!(results.contains("/office/newsletters/brief#measuring"), "{results}");
        // There it can be changed, and readers of what goes out later are told.
        let page = house.get_as(&admin, "/office/newsletters/brief").await.body;
        assert!(page.contains("personal data") && page.contains("id=\"measuring\""), "{page}");
        let home = house.preferences("ann@example.org").await;
        assert!(!house.get(&home).await.body.contains("What you read"));
        let form = [("section", "measuring"), ("measure", "clicks")];
        assert_eq!(house.submit_as(&admin, "/office/newsletters/brief", &form).await.status, 303);
        let told = house.get(&home).await.body;
        assert!(
            told.contains("which links of a mail you follow") && !told.contains("whether you open"),
            "{told}"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn whoever_asks_not_to_be_measured_gets_plain_links_and_what_was_recorded_is_forgotten() {
    for (house, mailbox) in with_relay().await {
        let id = house.sent("clicks-and-opens").await;
        let (_, text, _) = last_mail(&mailbox, "ann@example.org");
        let link = addresses(&text, &format!("{}/c/", house.base))[0].to_owned();
        house.follow(&link, BROWSER).await;
        let home = house.preferences("ann@example.org").await;
        let data = house.get(&format!("{home}/data")).await.body;
        assert!(data.contains("followed a link") && data.contains("127.0.0.1:9"), "{data}");
        assert!(!data.contains("Firefox"), "{data}");

        let answer = house.submit(&format!("{home}/measuring"), &[("measure", "no")]).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let page = house.get(answer.header("location")).await.body;
        assert!(page.contains("You are not measured any more") && page.contains("record it again"), "{page}");
        let data = house.get(&format!("{home}/data")).await.body;
        assert!(data.contains("\"visits\": []") && data.contains("\"not_measured\": true"), "{data}");
        // Links of mails that came before lead on, and nothing is recorded.
        house.pass(60 * SECOND);
        assert_eq!(house.follow(&link, BROWSER).await.status, 302);
        assert!(house.get(&format!("{home}/data")).await.body.contains("\"visits\": []"));
        assert_eq!(house.counted(id, 1).await, (1, 0), "the count has no name on it, and stays");
        house.sent_another("Tide").await;
        let (_, text, html) = last_mail(&mailbox, "ann@example.org");
        assert!(text.contains("http://127.0.0.1:9/tide") && !html.contains("/c/") && !html.contains("/o/"));
        let (_, text, _) = last_mail(&mailbox, "ben@example.org");
        assert!(text.contains("/c/"), "others are measured: {text}");

        // And back again.
        let answer = house.submit(&format!("{home}/measuring"), &[("measure", "yes")]).await;
        assert!(house.get(answer.header("location")).await.body.contains("Do not record what I read"));
        house.close().await;
    }
}

#[tokio::test]
async fn links_lead_on_when_their_reader_and_their_delivery_are_gone() {
    for (house, mailbox) in with_relay().await {
        let id = house.sent("clicks").await;
        let link = |email: &str| {
            let (_, text, _) = last_mail(&mailbox, email);
            addresses(&text, &format!("{}/c/", house.base))[0].to_owned()
        };
        let (ann, ben) = (link("ann@example.org"), link("ben@example.org"));
        for link in [&ann, &ben] {
            house.follow(link, BROWSER).await;
        }
        assert_eq!(house.counted(id, ANY_LINK).await, (2, 0));
        let email = EmailAddress::parse("ann@example.org").unwrap();
        crate::pipeline::people::erase(&house.app, None, &email).await.unwrap();
        house.pass(60 * SECOND);
        assert_eq!(house.follow(&ann, BROWSER).await.status, 302);
        // Ben complains, and a year passes.
        let mut conn = house.app.db.conn().await.unwrap();
        let (email, now) = (EmailAddress::parse("ben@example.org").unwrap(), house.app.clock.now());
        let key = &house.app.key;
        crate::db::suppressions::suppress(&mut conn, key, &email, SuppressionReason::Complained, "", now)
            .await
            .unwrap();
        drop(conn);
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let complaint = "<dt>Complained</dt><dd class=\"figure\">1</dd>";
        let path = format!("/desk/issues/{id}/results");
        assert!(house.get_as(&viewer, &path).await.body.contains(complaint));
        house.pass(400 * 24 * HOUR);
        assert_eq!(keep::shrink(&house.app).await.unwrap().len(), 1);
        let mut conn = house.app.db.conn().await.unwrap();
        let ben_id = house.subscriber_id("ben@example.org").await;
        assert!(outcomes::find(&mut conn, id, ben_id).await.unwrap().is_none());
        assert_eq!(crate::db::testing::count(&mut conn, "visits").await, 0);
        drop(conn);
        for link in [&ann, &ben] {
            assert_eq!(house.follow(link, BROWSER).await.status, 302);
        }
        assert_eq!(house.counted(id, ANY_LINK).await, (2, 0));
        let again = house.sign_in("again@example.org", Role::Viewer).await;
        let results = house.get_as(&again, &path).await.body;
        assert!(results.contains(complaint) && results.contains("100 % of those sent"), "{results}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_link_that_was_never_in_a_mail_leads_nowhere() {
    for (house, mailbox) in with_relay().await {
        let id = house.sent("clicks-and-opens").await;
        let (_, text, _) = last_mail(&mailbox, "ann@example.org");
        let link = addresses(&text, &format!("{}/c/", house.base))[0];
        let (token, _) = link.rsplit_once('/').unwrap();
        for number in ["99", "-1", "9999999999999999999999", "x", "1%00", "http:%2F%2Fevil.example"] {
            let answer = house.follow(&format!("{token}/{number}"), BROWSER).await;
            assert_eq!(answer.status, 404, "{number}: {}", answer.body);
        }
        let view = house.app.key.sign(&Token::View { delivery_id: 1 });
        let strange = house.app.key.sign(&Token::Visit { issue_id: 999, delivery_id: 1 });
        for (path, status) in [
            (format!("/c/{view}/1"), 400..500),
            (format!("/c/{strange}/1"), 404..405),
            ("/c/nonsense/1".to_owned(), 400..500),
            (format!("/o/{view}.gif"), 200..201),
            ("/o/nonsense.gif".to_owned(), 200..201),
        ] {
            let got = house.follow(&format!("{}{path}", house.base), BROWSER).await;
            assert!(status.contains(&got.status.as_u16()), "{path}: {}", got.status);
        }
        // A link of a delivery that is not there leads on, and nothing is recorded.
        let nobody = house.app.key.sign(&Token::Visit { issue_id: id, delivery_id: 999_999 });
        assert_eq!(house.follow(&format!("{}/c/{nobody}/1", house.base), BROWSER).await.status, 302);
        assert_eq!(house.counted(id, ANY_LINK).await, (0, 0));
        assert_eq!(house.post(&path_of(link), FORM, "").await.status, 405);
        house.close().await;
    }
}
