//! Adding one person: asked by a mail, or with their consent on record.

use super::*;

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
        let asked = add("bob@example.org", "ask", "Met at the fair").await;
        assert_eq!(asked.status, 303, "{}", asked.body);
        assert_eq!(house.statuses("bob@example.org").await, ["pending"]);
        let stored = house.stored("bob@example.org").await.remove(0);
        assert_eq!(stored.subscription.consent, None, "nobody has agreed to anything yet");
        let page = house.get_as(&ann, asked.header("location").split('?').next().unwrap()).await.body;
        assert!(page.contains("<dt>Consent</dt><dd>none on record</dd>"), "{page}");
        assert!(page.contains("<dt>Origin</dt><dd>added by ann@example.org: Met at the fair</dd>"), "{page}");
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        assert_eq!(house.statuses("bob@example.org").await, ["active"]);
        let consent = house.stored("bob@example.org").await.remove(0).subscription.consent.unwrap();
        assert_eq!((consent.from.as_str(), consent.words.as_str()), ("127.0.0.1", ""), "now they have");
        house.mails().await;

        // Who signs up by themselves while they are asked gets what they choose, and is asked by a new link alone.
        assert_eq!(add("eve@example.org", "ask", "Met at the fair").await.status, 303);
        let asked = confirm_path(&house.mails().await);
        house.pass(60_000);
        house.sign_up("eve@example.org").await;
        let stored = house.stored("eve@example.org").await.remove(0).subscription;
        let words = stored.consent.expect("she has agreed").words;
        assert!(!words.is_empty(), "to the words of the form");
        assert_eq!(house.post(&asked, FORM, "").await.status, 410);
        house.pass(HOUR);
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let eve = house.stored("eve@example.org").await.remove(0).subscription;
        assert_eq!((eve.status.as_str(), eve.consent.unwrap().words), ("active", words));
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
