//! What readers do twice, too late or in two tabs, and take back.

use super::readers::{follow, reader, subscriber};
use super::*;
use crate::domain::issue::IssueState;
use crate::pipeline::editors;

const DAY: i64 = 24 * HOUR;

/// What a browser sends of a form that it was shown: the hidden fields, and then what somebody typed.
fn filled<'f>(page: &'f str, typed: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let hidden = page.split("type=\"hidden\" name=\"").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once("value=\"")?;
        Some((name, rest.split_once('"')?.0))
    });
    hidden.chain(typed.iter().copied()).collect()
}

#[tokio::test]
async fn an_older_tab_does_not_undo_what_a_newer_one_saved() {
    for house in houses().await {
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        let mut tx = house.app.db.begin().await.unwrap();
        for topic in ["Science", "Politics"] {
            newsletters::ensure_topic(&mut tx, house.brief, &topic.to_lowercase(), topic).await.unwrap();
        }
        tx.commit().await.unwrap();
        let home = reader(&house, "ann@example.org").await;
        let of_brief = format!("{home}/newsletters/brief");
        let older = house.get(&of_brief).await.body;
        let newer = house.get(&of_brief).await.body;
        let typed = [("topic", "science"), ("hour", ""), ("timezone", "Asia/Tokyo")];
        follow(&house, house.submit(&of_brief, &filled(&newer, &typed)).await).await;
        // The older one shows no topic, no hour and no zone; only the hour is changed in it.
        let typed = [("hour", "08:00"), ("timezone", "")];
        let page = follow(&house, house.submit(&of_brief, &filled(&older, &typed)).await).await.body;
        assert!(page.contains("Topics: <span") && page.contains("08:00 (Asia/Tokyo)"), "{page}");
        // A form that is shown again, because something in it is wrong, still knows what it showed first.
        let wrong = house.submit(&of_brief, &filled(&older, &[("hour", "25:00"), ("timezone", "")])).await;
        let page =
            house.submit(&of_brief, &filled(&wrong.body, &[("hour", "09:00"), ("timezone", "")])).await;
        let page = follow(&house, page).await.body;
        assert!(page.contains("Topics: <span") && page.contains("09:00 (Asia/Tokyo)"), "{page}");

        let about = format!("{home}/about");
        let older = house.get(&about).await.body;
        let typed = [("name", "Ann"), ("language", "fr"), ("timezone", "Asia/Tokyo")];
        house.submit(&about, &filled(&older, &typed)).await;
        let typed = [("name", ""), ("language", "pt-BR"), ("timezone", "Asia/Tokyo")];
        let page = follow(&house, house.submit(&about, &filled(&older, &typed)).await).await.body;
        assert!(page.contains("Português (BR)"), "{page}");
        let ann = subscriber(&house, "ann@example.org").await.unwrap();
        assert_eq!((ann.name.as_str(), ann.language.as_deref()), ("Ann", Some("pt-BR")));
        house.close().await;
    }
}

#[tokio::test]
async fn who_gets_it_already_is_mailed_that_nothing_has_changed() {
    for house in houses().await {
        let first = house.sign_up("ann@example.org").await.body;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let mails = house.mails().await;
        assert!(matches!(mails.as_slice(), [(_, Notice::Welcome(welcome))] if !welcome.again), "{mails:?}");
        let second = house.sign_up("ann@example.org").await.body;
        assert_eq!(first, second, "whoever types an address in learns nothing about it");
        assert!(second.contains("If you get what you asked for already"), "{second}");
        let mails = house.mails().await;
        let [(_, notice @ Notice::Welcome(welcome))] = mails.as_slice() else { panic!("{mails:?}") };
        assert!(welcome.again);
        let mail = house.app.renderer.notice(notice).unwrap();
        let text = mail.text.fill(&Default::default(), str::to_owned);
        assert!(text.contains("comes to this address already") && text.contains("/preferences/"), "{text}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_was_left_with_one_press_was_left_on_one_day() {
    for house in houses().await {
        let other = a_newsletter(&house.app.db, "other").await;
        let mut tx = house.app.db.begin().await.unwrap();
        let mut newsletter = newsletters::get(&mut tx, other).await.unwrap().unwrap();
        newsletter.zone = chrono_tz::Pacific::Kiritimati;
        newsletters::update(&mut tx, &newsletter).await.unwrap();
        tx.commit().await.unwrap();
        let fields = [("email", "ann@example.org"), ("newsletter", "brief"), ("newsletter", "other")];
        house.submit("/subscribe", &fields).await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let home = house.preferences_of("ann@example.org").await;
        // Another day has begun in Kiritimati.
        house.pass(4 * HOUR);
        let page = follow(&house, house.submit(&format!("{home}/leave"), &[]).await).await.body;
        assert_eq!(page.matches("You left it on Saturday, 21 November 2026").count(), 2, "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn undoing_too_late_says_so() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        house.submit(&format!("{home}/leave"), &[]).await;
        house.pass(DAY + 1);
        for undo in ["undo", "newsletters/brief/undo"] {
            let page = follow(&house, house.submit(&format!("{home}/{undo}"), &[]).await).await.body;
            assert!(page.contains("too late to undo") && !page.contains("You get it again"), "{page}");
        }
        // Something else that they signed up for since did not come back by that.
        a_newsletter(&house.app.db, "other").await;
        house.mails().await;
        house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", "other")]).await;
        house.post(&confirm_path(&house.mails().await), FORM, "").await;
        let page = follow(&house, house.submit(&format!("{home}/undo"), &[]).await).await.body;
        assert!(page.contains("too late to undo"), "{page}");
        // Nor does what waits to be confirmed anew.
        house.submit("/subscribe", &[("email", "ann@example.org"), ("newsletter", "brief")]).await;
        let undo = format!("{home}/newsletters/brief/undo");
        let page = follow(&house, house.submit(&undo, &[]).await).await.body;
        assert!(page.contains("too late to undo"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn the_own_copy_of_an_erased_reader_says_what_became_of_it() {
    for (house, _mailbox) in sending::with_relay().await {
        let draft = house.draft().await;
        editors::send(&house.app, draft.id, true).await.unwrap();
        house.beat().await;
        assert_eq!(house.issue(draft.id).await.state, IssueState::Sending);
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let ann = subscribers::find(&mut conn, &email).await.unwrap().unwrap();
        let story = crate::db::outcomes::find(&mut conn, draft.id, ann.id).await.unwrap().unwrap();
        drop(conn);
        let view = format!("/view/{}", house.app.key.sign(&Token::View { delivery_id: story.id }));
        let page = house.get(&view).await.body;
        assert!(page.contains("#keep"), "to change what comes leads to the way that is not leaving: {page}");
        crate::pipeline::people::erase(&house.app, None, &email).await.unwrap();
        let gone = house.get(&view).await;
        assert!(
            gone.status == 404 && gone.body.contains("everything about the reader is deleted"),
            "{}",
            gone.body
        );
        house.close().await;
    }
}

#[tokio::test]
async fn an_address_is_shown_as_people_write_it() {
    for house in houses().await {
        let page = house.sign_up("anna@exämple.org").await.body;
        assert!(page.contains("anna@exämple.org") && !page.contains("xn--"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_newsletter_that_comes_as_one_chooses_says_all_of_it() {
    for house in houses().await {
        a_newsletter(&house.app.db, "other").await;
        house.schedule(house.brief, "daily", "daily", "07:00").await;
        house.schedule(house.brief, "weekly", "weekly", "08:00").await;
        for path in ["/", "/subscribe"] {
            let page = house.get(path).await.body;
            assert!(
                page.contains("Every day at 07:00, or Mondays at 08:00 (Europe/Paris)"),
                "{path}: {page}"
            );
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_note_is_not_shown_where_it_is_not_so_any_more() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let left = house.submit(&format!("{home}/leave"), &[]).await;
        let page = follow(&house, left).await.body;
        assert!(page.contains("You have left everything"), "{page}");
        house.submit(&format!("{home}/undo"), &[]).await;
        for done in ["left", "left-all", "paused"] {
            let page = house.get(&format!("{home}?done={done}")).await.body;
            assert!(!page.contains("Nothing more") && !page.contains("Paused."), "{page}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn an_emptied_time_zone_is_each_newsletters_own_again() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        let change = format!("{home}/newsletters/brief");
        let zone = async || subscriber(&house, "ann@example.org").await.unwrap().zone;
        house.submit(&change, &[("was-timezone", ""), ("timezone", "asia/tokyo")]).await;
        assert_eq!(zone().await, Some(chrono_tz::Asia::Tokyo));
        house.submit(&change, &[("was-timezone", "Asia/Tokyo"), ("timezone", "")]).await;
        assert_eq!(zone().await, None);
        house.close().await;
    }
}

#[tokio::test]
async fn a_form_of_what_was_left_in_another_tab_leads_back_and_says_so() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        house.submit(&format!("{home}/newsletters/brief/leave"), &[]).await;
        for form in ["", "/pause", "/resume"] {
            let sent =
                house.submit(&format!("{home}/newsletters/brief{form}"), &[("day", "2026-12-05")]).await;
            let page = follow(&house, sent).await.body;
            assert!(page.contains("you do not get it any more") && page.contains("Undo"), "{page}");
        }
        assert_eq!(house.submit(&format!("{home}/newsletters/none/pause"), &[]).await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn what_links_of_mails_lead_to_is_not_for_searches_and_a_slash_too_many_does_no_harm() {
    for house in houses().await {
        let home = reader(&house, "ann@example.org").await;
        assert_eq!(house.get(&home).await.header("x-robots-tag"), "noindex");
        for path in ["/", "/subscribe", "/subscribe/brief", "/archive/brief"] {
            assert_eq!(house.get(path).await.header("x-robots-tag"), "", "{path}");
        }
        let moved = house.get("/archive/brief/?q=rain").await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "/archive/brief?q=rain"));
        for path in ["//evil.example/", "/desk/", "/subscribe//"] {
            assert_ne!(house.get(path).await.header("location"), "//evil.example", "{path}");
        }
        house.close().await;
    }
}
