//! Changing an address, and taking the old one back.

use super::readers::{between, reader, subscriber};
use super::*;

const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn an_address_changes_only_once_its_owner_confirms_and_the_old_one_is_told() {
    for house in houses().await {
        let home = reader(&house, "old@example.org").await;
        let before = home;
        let form = format!("{before}/address");
        let asked = house.submit(&form, &[("email", " New@Example.org ")]).await;
        assert!(asked.status == 200 && asked.body.contains("Check your new inbox"), "{}", asked.body);
        let mails = house.mails().await;
        let [(to, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(to, "new@example.org");
        let path = path_of(&mail.confirm_url);
        assert!(house.get(&path).await.body.contains("Yes, send them here"));
        assert!(subscriber(&house, "new@example.org").await.is_none(), "a GET changes nothing");

        let done = house.post(&path, FORM, "").await.body;
        assert!(done.contains("Your newsletters go to this address"), "{done}");
        let home = format!("/preferences/{}", between(&done, "/preferences/", "\""));
        assert_eq!(house.get(&home).await.status, 200);
        assert_eq!(house.statuses("new@example.org").await, ["active"]);
        assert!(subscriber(&house, "old@example.org").await.is_none());
        let mails = house.mails().await;
        let [(to, Notice::Moved(moved))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(to, "old@example.org");
        // Whoever has the old address can take it back for a week, and not with the links from before.
        let recall = path_of(&moved.preferences_url);
        assert_eq!(
            (house.get(&recall).await.status.as_u16(), house.get(&before).await.status.as_u16()),
            (200, 410)
        );
        assert_eq!(house.submit(&format!("{before}/erase"), &[]).await.status, 410);

        // Again it says the same. Once the address has changed otherwise, the link of before does nothing.
        assert!(house.post(&path, FORM, "").await.body.contains("Your newsletters go to this address"));
        house.submit(&format!("{home}/address"), &[("email", "third@example.org")]).await;
        let mails = house.mails().await;
        let [(_, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
        house.post(&path_of(&mail.confirm_url), FORM, "").await;
        assert_eq!(house.post(&path, FORM, "").await.status, 410);
        assert_eq!(house.statuses("third@example.org").await, ["active"]);
        assert_eq!(house.get(&recall).await.status, 200, "whoever had the address first has the last word");
        house.close().await;
    }
}

#[tokio::test]
async fn links_of_old_mails_work_until_the_address_changes_and_the_way_back_for_a_week() {
    for house in houses().await {
        let home = reader(&house, "old@example.org").await;
        let id = subscriber(&house, "old@example.org").await.unwrap().id;
        let unmarked = Token::Manage { subscriber_id: id, mark: None, expires: None };
        let unmarked = format!("/preferences/{}", house.app.key.sign(&unmarked));
        assert_eq!(house.get(&unmarked).await.status, 200);
        house.submit(&format!("{home}/address"), &[("email", "new@example.org")]).await;
        let mails = house.mails().await;
        let [(_, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
        house.post(&path_of(&mail.confirm_url), FORM, "").await;
        assert_eq!(house.get(&unmarked).await.status, 410);
        let mails = house.mails().await;
        let [(_, Notice::Moved(moved))] = mails.as_slice() else { panic!("{mails:?}") };
        let recall = path_of(&moved.preferences_url);
        house.pass(7 * DAY);
        assert_eq!(house.get(&recall).await.status, 200);
        house.pass(1);
        assert_eq!(house.get(&recall).await.status, 410);
        assert_eq!(house.get(&path_of(&mail.confirm_url)).await.status, 410, "nor does that link lead there");
        house.close().await;
    }
}

#[tokio::test]
async fn whoever_had_the_address_takes_it_back_with_a_button_and_has_the_last_word() {
    for house in houses().await {
        let home = reader(&house, "old@example.org").await;
        house.submit(&format!("{home}/address"), &[("email", "new@example.org")]).await;
        let mails = house.mails().await;
        let [(_, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(mail.newsletters.len(), 1, "it names what would come");
        house.pass(1);
        house.post(&path_of(&mail.confirm_url), FORM, "").await;
        house.pass(1);
        let mails = house.mails().await;
        let [(_, Notice::Moved(moved))] = mails.as_slice() else { panic!("{mails:?}") };
        let back = path_of(&moved.preferences_url);
        let page = house.get(&back).await.body;
        assert!(page.contains("Take your old address back") && page.contains("old@example.org"), "{page}");
        assert_eq!(house.statuses("new@example.org").await, ["active"], "a GET changes nothing");
        let page = house.post(&back, FORM, "").await.body;
        assert!(page.contains("Your newsletters go to this address"), "{page}");
        assert_eq!(house.statuses("old@example.org").await, ["active"]);
        let mails = house.mails().await;
        let [(to, notice @ Notice::Moved(moved))] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!((to.as_str(), moved.preferences_url.as_str()), ("new@example.org", ""));
        let text = house.app.renderer.notice(notice).unwrap().text.fill(&Default::default(), str::to_owned);
        assert!(!text.contains("change it back") && !text.contains("http"), "{text}");
        let first = house.post(&path_of(&mail.confirm_url), FORM, "").await;
        assert_eq!(first.status, 410, "the link by which it was changed does not change it again");
        house.close().await;
    }
}

#[tokio::test]
async fn the_copy_of_a_mail_is_not_shown_to_the_address_before() {
    for (house, _mailbox) in sending::with_relay().await {
        let draft = house.draft().await;
        crate::pipeline::editors::send(&house.app, draft.id, true).await.unwrap();
        house.pass(60_000);
        house.beat().await;
        house.deliver().await;
        let ann = subscriber(&house, "ann@example.org").await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let story = crate::db::outcomes::find(&mut conn, draft.id, ann.id).await.unwrap().unwrap();
        drop(conn);
        let view = format!("/view/{}", house.app.key.sign(&Token::View { delivery_id: story.id }));
        let page = house.get(&view).await;
        assert!(page.status == 200 && page.body.contains("ann@example.org"), "{}", page.body);
        house.mails().await;
        house.pass(HOUR);
        moves(&house, &house.preferences_of("ann@example.org").await, "new@example.org").await;
        let page = house.get(&view).await;
        assert!(page.status == 404 && !page.body.contains("new@example.org"), "{}", page.body);
        house.close().await;
    }
}

/// Has the person with these preferences confirm another address; the path of the link that takes it back.
async fn moves(house: &House, home: &str, to: &str) -> String {
    house.submit(&format!("{home}/address"), &[("email", to)]).await;
    let mails = house.mails().await;
    let [(_, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
    let done = house.post(&path_of(&mail.confirm_url), FORM, "").await.body;
    assert!(done.contains("Your newsletters go to this address"), "{done}");
    let mails = house.mails().await;
    let [(_, Notice::Moved(moved))] = mails.as_slice() else { panic!("{mails:?}") };
    path_of(&moved.preferences_url)
}

#[tokio::test]
async fn whoever_had_the_address_first_takes_it_back_though_it_was_moved_on() {
    for house in houses().await {
        let stolen = reader(&house, "ann@example.org").await;
        let anns = moves(&house, &stolen, "thief@example.net").await;
        house.pass(1);
        let thiefs =
            moves(&house, &house.preferences_of("thief@example.net").await, "thief2@example.net").await;
        // The thief has the first address of theirs back, and Ann hers all the same.
        house.pass(1);
        house.post(&thiefs, FORM, "").await;
        assert_eq!(house.statuses("thief@example.net").await, ["active"]);
        house.pass(1);
        house.mails().await;
        let done = house.post(&anns, FORM, "").await;
        assert!(done.status == 200 && done.body.contains("/preferences/"), "{}", done.body);
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        assert_eq!(house.post(&thiefs, FORM, "").await.status, 410, "a change after hers is undone with it");

        // The link by which it was stolen is none any more, and she may move as she likes.
        assert_eq!(house.get(&stolen).await.status, 410);
        house.mails().await;
        house.pass(HOUR);
        let back = moves(&house, &house.preferences_of("ann@example.org").await, "ann@example.com").await;
        assert_eq!(house.post(&anns, FORM, "").await.status, 410, "used once");
        assert_eq!(house.get(&back).await.status, 200);
        house.close().await;
    }
}

#[tokio::test]
async fn an_address_that_somebody_typed_into_a_form_meanwhile_is_taken_back_all_the_same() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let anns = moves(&house, &home, "thief@example.net").await;
        house.pass(HOUR);
        house.sign_up("ann@example.org").await;
        let confirm = confirm_path(&house.mails().await);
        assert_eq!(house.statuses("ann@example.org").await, ["pending"]);
        assert!(house.get(&anns).await.body.contains("Take your old address back"));
        house.post(&anns, FORM, "").await;
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        assert!(subscriber(&house, "thief@example.net").await.is_none());
        assert_ne!(house.post(&confirm, FORM, "").await.status, 500);
        house.close().await;
    }
}

#[tokio::test]
async fn who_left_once_and_is_asked_anew_stays_on_record_as_one_who_left() {
    for house in houses().await {
        let leave = house.subscribe("old@example.org").await;
        house.post(&leave, FORM, "").await;
        house.pass(2 * DAY);
        house.sign_up("old@example.org").await;
        house.mails().await;
        let home = reader(&house, "ann@example.org").await;
        house.pass(HOUR);
        house.submit(&format!("{home}/address"), &[("email", "old@example.org")]).await;
        let mails = house.mails().await;
        let [(_, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
        let kept = house.post(&path_of(&mail.confirm_url), FORM, "").await;
        assert!(kept.body.contains("Somebody reads at this address already"), "{}", kept.body);
        assert!(house.stored("old@example.org").await[0].left_at.is_some());
        house.close().await;
    }
}

#[tokio::test]
async fn a_confirmation_mailed_to_another_address_confirms_nothing_for_the_one_taken_back() {
    for house in houses().await {
        a_newsletter(&house.app.db, "other").await;
        let stolen = reader(&house, "ann@example.org").await;
        let anns = moves(&house, &stolen, "thief@example.net").await;
        house.pass(HOUR);
        house.submit("/subscribe", &[("email", "thief@example.net"), ("newsletter", "other")]).await;
        let confirm = confirm_path(&house.mails().await);
        assert_eq!(house.get(&confirm).await.status, 200);
        house.pass(1);
        house.post(&anns, FORM, "").await;
        for answer in [house.get(&confirm).await, house.post(&confirm, FORM, "").await] {
            assert!(answer.status == 410 && !answer.body.contains("/preferences/"), "{}", answer.body);
        }
        assert_eq!(house.statuses("ann@example.org").await, ["active", "pending"]);
        house.close().await;
    }
}

#[tokio::test]
async fn an_address_at_which_somebody_confirmed_again_stays_theirs() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let anns = moves(&house, &home, "bob@example.net").await;
        house.pass(HOUR);
        house.subscribe("ann@example.org").await;
        let kept = house.post(&anns, FORM, "").await;
        assert!(kept.body.contains("Somebody reads at this address already"), "{}", kept.body);
        assert_eq!(house.statuses("bob@example.net").await, ["active"]);
        house.close().await;
    }
}

#[tokio::test]
async fn an_address_that_is_taken_back_while_it_is_moved_on_is_back() {
    for house in houses().await {
        let stolen = reader(&house, "ann@example.org").await;
        let anns = moves(&house, &stolen, "thief@example.net").await;
        house.pass(HOUR);
        let home = house.preferences_of("thief@example.net").await;
        house.submit(&format!("{home}/address"), &[("email", "thief2@example.net")]).await;
        let mails = house.mails().await;
        let [(_, Notice::Address(mail))] = mails.as_slice() else { panic!("{mails:?}") };
        house.pass(1);
        let onward = path_of(&mail.confirm_url);
        let (back, _) = tokio::join!(house.post(&anns, FORM, ""), house.post(&onward, FORM, ""));
        assert_eq!(back.status, 200, "{}", back.body);
        assert_eq!(house.statuses("ann@example.org").await, ["active"]);
        house.close().await;
    }
}
