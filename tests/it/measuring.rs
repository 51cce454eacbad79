//! Links that tell that they were followed: in the mails of a newsletter that measures them, and nowhere else.

use crate::daybreak::{arrived, everywhere};
use crate::feeds::{Feeds, Item};
use crate::mail::Mail;

#[tokio::test(flavor = "multi_thread")]
async fn a_measured_mail_leads_to_the_bare_article_and_an_unmeasured_one_has_its_address() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.on_loopback();
        daybreak.newsletter(&["measure=clicks-and-opens"]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.readers("email\nann@example.net\nben@example.net\n").await;
        daybreak.keys(&[]).await;
        daybreak.execute("UPDATE subscribers SET unmeasured = 1 WHERE email = 'ben@example.net'").await;
        daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        let accepted = arrived(&sink, "two digests", |all| all.len() == 2).await;
        let to = |email: &str| Mail::from(accepted.iter().find(|one| one.to == [email]).unwrap());
        let (ann, ben) = (to("ann@example.net"), to("ben@example.net"));
        let plain = ben.link("first-story");
        assert!(ben.html.contains(&plain), "{}", ben.html);
        for part in ["/c/", "/o/"] {
            assert!(!ben.html.contains(part) && !ben.text.contains(part), "{}", ben.html);
        }
        let measured = ann.link("/c/");
        assert_eq!(ann.html_link("/c/"), measured);
        assert!(ann.html.contains("/o/") && !ann.html.contains(&plain), "{}", ann.html);
        // What ends the subscription is what the header says, measured or not.
        for mail in [&ann, &ben] {
            let leave = mail.field("List-Unsubscribe");
            assert!(leave.contains("/unsubscribe/") && !leave.contains("/c/"), "{leave}");
            assert!(mail.fields("DKIM-Signature").len() == 1);
            assert!(mail.html.contains(leave.trim_matches(['<', '>'])), "{}", mail.html);
        }

        daybreak.at("2026-03-02T09:00:00Z");
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        let quiet = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let quiet = quiet.build().unwrap();
        let request = quiet.get(&measured).header("user-agent", "Mozilla/5.0 Firefox/140.0");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 302);
        assert_eq!(answer.headers()["location"], plain.as_str());
        // What waits to be written is written before the service ends.
        service.stop().await;
        assert_eq!(daybreak.number("SELECT people FROM issue_visits WHERE link = 0").await, 1);

        // Nor does it wait for more to come: what was followed a second before a kill is counted.
        let service = daybreak.serve(&["--role", "web"]).await;
        service.pages().await;
        let picture = ann.html.split('"').find(|part| part.contains("/o/")).unwrap();
        let request = quiet.get(picture).header("user-agent", "Mozilla/5.0 Firefox/140.0");
        assert_eq!(request.send().await.unwrap().status(), 200);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        service.kill().await;
        assert_eq!(daybreak.number("SELECT people FROM issue_visits WHERE link = -1").await, 1);
    })
    .await;
}
