//! When the next issue comes: what pages and mails promise is what goes out.

use super::*;
use crate::db::issues;
use crate::pipeline::{editors, links};

impl House {
    /// The path of somebody's preferences.
    pub(super) async fn preferences_of(&self, email: &str) -> String {
        let email = EmailAddress::parse(email).unwrap();
        let mut conn = self.app.db.conn().await.unwrap();
        let subscriber = subscribers::find(&mut conn, &email).await.unwrap().unwrap();
        links::preferences_path(&self.app, subscriber.id, &email, subscriber.moved_at)
    }
}

#[tokio::test]
async fn an_issue_sent_before_its_slot_is_not_promised_for_its_slot() {
    for (house, _mailbox) in sending::with_relay().await {
        let draft = house.draft().await;
        let home = house.preferences_of("ann@example.org").await;
        let page = house.get(&home).await.body;
        assert!(page.contains("tomorrow at 07:00 (Europe/Paris)"), "{page}");
        // Early on the day itself.
        house.app.clock.set(draft.slot_at.plus_millis(-2 * HOUR));
        editors::send(&house.app, draft.id, true).await.unwrap();
        house.beat().await;
        let page = house.get(&home).await.body;
        assert!(page.contains("The next issue is on its way to you."), "{page}");
        house.deliver().await;
        let page = house.get(&home).await.body;
        assert!(page.contains("tomorrow at 07:00 (Europe/Paris)"), "{page}");

        house.sign_up("cleo@example.org").await;
        let page = house.post(&confirm_path(&house.mails().await), FORM, "").await.body;
        assert!(page.contains("tomorrow at 07:00 (Europe/Paris)"), "{page}");
        let mails = house.mails().await;
        let Some((_, Notice::Welcome(welcome))) = mails.first() else { panic!("no welcome: {mails:?}") };
        assert_eq!(welcome.next_issue, Timestamp::parse("2026-11-23T06:00:00Z"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_mail_that_waits_for_the_readers_own_hour_is_the_next_issue() {
    for (house, _mailbox) in sending::with_relay().await {
        let draft = house.draft().await;
        let home = house.preferences_of("ann@example.org").await;
        let of_brief = format!("{home}/newsletters/brief");
        house.submit(&of_brief, &[("hour", "12:00"), ("timezone", "Europe/Paris")]).await;
        assert!(house.get(&home).await.body.contains("tomorrow at 12:00 (Europe/Paris)"));
        house.app.clock.set(draft.slot_at);
        house.beat().await;
        house.pass(HOUR);
        let page = house.get(&home).await.body;
        assert!(page.contains("today at 12:00 (Europe/Paris)"), "{page}");
        house.pass(5 * HOUR);
        house.deliver().await;
        let page = house.get(&home).await.body;
        assert!(page.contains("tomorrow at 12:00 (Europe/Paris)"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_that_editors_moved_is_promised_for_its_own_time() {
    for (house, _mailbox) in sending::with_relay().await {
        let draft = house.draft().await;
        let home = house.preferences_of("ann@example.org").await;
        let slot = draft.slot_at.plus_millis(2 * HOUR);
        let mut conn = house.app.db.conn().await.unwrap();
        let moved = issues::set_draft_time(&mut conn, draft.id, slot, slot, Some(draft.slot_at));
        assert!(moved.await.unwrap());
        drop(conn);
        let page = house.get(&home).await.body;
        assert!(page.contains("tomorrow at 09:00 (Europe/Paris)"), "{page}");
        // Who pauses beyond it gets the first that comes after.
        house.submit(&format!("{home}/newsletters/brief/pause"), &[("day", "2026-11-24")]).await;
        house.sign_up("ann@example.org").await;
        let mails = house.mails().await;
        let Some((_, Notice::Welcome(welcome))) = mails.first() else { panic!("no welcome: {mails:?}") };
        assert_eq!(welcome.next_issue, Timestamp::parse("2026-11-24T06:00:00Z"));
        house.close().await;
    }
}
