//! Taking an approval back: the issue is held, edited, and approved anew.

use super::desk::{fields, type_in};
use super::sending::{saw, with_relay};
use super::*;
use crate::db::{articles, issues};
use crate::domain::issue::IssueState;
use crate::pipeline::accounts::Actor;
use crate::pipeline::composing::{self, Act};
use crate::pipeline::newsletters as set_up;
use crate::pipeline::{address, editors, start};

const MINUTE: i64 = 60 * 1000;

impl House {
    /// The headlines that an issue is frozen with.
    async fn frozen(&self, id: i64) -> Vec<String> {
        let mut conn = self.app.db.conn().await.unwrap();
        let content = issues::content(&mut conn, id).await.unwrap().expect("it is frozen");
        content.articles.into_iter().map(|article| article.headline).collect()
    }

    /// The article of an issue with this title.
    async fn number(&self, id: i64, title: &str) -> i64 {
        let mut conn = self.app.db.conn().await.unwrap();
        let articles = articles::of_issue(&mut conn, id).await.unwrap();
        articles.iter().find(|article| article.title == title).expect(title).id
    }
}

#[tokio::test]
async fn an_approval_is_taken_back_the_issue_edited_and_approved_anew() {
    for (house, mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = format!("/desk/issues/{id}");
        assert_eq!(house.press(&ed, id, "approve").await.status, 303);
        let shown = house.get_as(&ed, &page).await.body;
        for part in [
            "Take the approval back and edit",
            "It goes out only once somebody approves it anew, and is skipped for good",
            "Its time stays tomorrow at 07:00 (Europe/Paris).",
            "is skipped for good if nobody does until tomorrow at 10:00 (Europe/Paris)",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let fields_seen = [("do", "revise"), ("saw", saw(&shown))];
        let taken = house.submit_as(&ed, &format!("{page}/send"), &fields_seen).await;
        assert_eq!((taken.status.as_u16(), taken.header("location")), (303, page.as_str()), "{}", taken.body);
        let held = house.issue(id).await;
        assert_eq!((held.state, held.held, held.number), (IssueState::Frozen, true, 1));
        assert_eq!(held.reason.as_deref(), Some("its approval was taken back to edit it"));
        let audit = house.audit().await;
        assert!(audit.iter().any(|line| line.starts_with("ed@example.org issue.revise done")), "{audit:?}");

        // Its slot comes and goes: nothing goes out.
        house.pass(22 * HOUR);
        house.beat().await;
        assert_eq!(house.issue(id).await.state, IssueState::Frozen);
        let ed = house.sign_in("eve@example.org", Role::Editor).await;
        let mut form = fields(&house.get_as(&ed, &page).await.body);
        let (market, harbour) = (house.number(id, "Market").await, house.number(id, "Harbour").await);
        type_in(&mut form, "subject", "Put right");
        type_in(&mut form, &format!("headline-{market}"), "A market, put right");
        let saved = house.send_issue(&ed, id, &form, "save").await;
        assert_eq!(saved.status, 303, "{}", saved.body);
        assert!(house.frozen(id).await.contains(&"A market, put right".to_owned()));
        let preview = house.get_as(&ed, &format!("{page}/preview")).await.body;
        assert!(preview.contains("Put right"), "{preview}");

        // Whoever saw it before cannot approve what they did not see.
        let before = house.get_as(&ed, &format!("{page}/send")).await.body;
        let form = fields(&house.get_as(&ed, &page).await.body);
        assert_eq!(house.send_issue(&ed, id, &form, &format!("top:{harbour}")).await.status, 303);
        let send = format!("{page}/send");
        let late = house.submit_as(&ed, &send, &[("do", "approve"), ("saw", saw(&before))]).await;
        assert_eq!(late.status, 422);
        assert!(late.body.contains("eve@example.org: "), "{}", late.body);

        assert_eq!(house.press(&ed, id, "approve").await.status, 303);
        let form = fields(&house.get_as(&ed, "/desk/issues/2").await.body);
        assert_eq!(house.send_issue(&ed, id, &form, "save").await.status, 409, "it is approved again");
        house.beat().await;
        house.deliver().await;
        let sent = house.issue(id).await;
        assert_eq!((sent.state, sent.number), (IssueState::Sent, 1));
        let mails = mailbox.addressed_to("ann@example.org");
        let mail = String::from_utf8_lossy(&mails[0].raw).into_owned();
        assert!(mails.len() == 1 && mail.contains("Put right") && mail.contains("put right"), "{mail}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_an_editor_does_not_touch_stays_as_it_was_frozen() {
    for house in houses().await {
        let id = house.draft().await.id;
        let app = &house.app;
        editors::approve(app, id).await.unwrap();
        editors::hold(app, id).await.unwrap();
        let (market, harbour) = (house.number(id, "Market").await, house.number(id, "Harbour").await);
        // The sources write on, and somebody holds an article.
        let mut conn = app.db.conn().await.unwrap();
        sqlx::query("UPDATE articles SET title = 'Another ' || title, summary = 'Other words.'")
            .execute(&mut *conn)
            .await
            .unwrap();
        drop(conn);
        let by = composing::By::CommandLine;
        composing::flag(app, by, harbour, Some(true), None).await.unwrap();
        let mut words = std::collections::BTreeMap::new();
        words.insert(crate::domain::composition::Field::Introduction, "Good morning.".to_owned());
        composing::write_words(app, by, id, &words).await.unwrap();
        let mut titles = house.frozen(id).await;
        titles.sort();
        assert_eq!(titles, ["Harbour", "Market"]);

        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = house.open_issue(&ed, id).await;
        let shown = |name: String| page.iter().find(|(field, _)| *field == name).unwrap().1.clone();
        assert_eq!(shown(format!("headline-{harbour}")), "Harbour");
        assert_eq!(house.send_issue(&ed, id, &page, &format!("top:{harbour}")).await.status, 303);
        assert_eq!(house.frozen(id).await, ["Harbour", "Market"]);
        // One is taken out, and it may go into the next issue; the last one stays.
        composing::put(app, by, id, Act::TakeOut(market)).await.unwrap();
        assert_eq!(house.frozen(id).await, ["Harbour"]);
        let next = house.fill().await;
        assert_eq!(house.number(next, "Another Market").await, market);
        let why = composing::put(app, by, id, Act::TakeOut(harbour)).await.unwrap_err().to_string();
        assert!(why.contains("holds one article at least"), "{why}");
        let why = composing::put(app, by, id, Act::FillAgain).await.unwrap_err().to_string();
        assert!(why.contains("no longer fills by itself"), "{why}");
        assert_eq!(house.frozen(id).await, ["Harbour"]);
        // Every step is taken back here, too; what comes in again has the words that it was frozen with.
        let version = house.issue(id).await.version;
        composing::undo(app, by, id, version, None).await.unwrap();
        assert_eq!(house.frozen(id).await, ["Harbour", "Market"]);
        // So it has where somebody puts it in anew.
        composing::put(app, by, id, Act::TakeOut(market)).await.unwrap();
        composing::put(app, by, id, Act::Put(market)).await.unwrap();
        assert_eq!(house.frozen(id).await, ["Harbour", "Market"]);
        house.close().await;
    }
}

#[tokio::test]
async fn what_comes_into_a_frozen_issue_leaves_the_schedules_next_draft() {
    for house in houses().await {
        let id = house.draft().await.id;
        let (app, by) = (&house.app, composing::By::CommandLine);
        editors::approve(app, id).await.unwrap();
        editors::hold(app, id).await.unwrap();
        let ferry = house.article("Ferry", &[]).await;
        house.article("Tram", &[]).await;
        let next = house.fill().await;
        assert_eq!(house.holds(next).await, ["Tram", "Ferry"]);
        // One that nobody has touched lets it go at once.
        composing::put(app, by, id, Act::Put(ferry)).await.unwrap();
        assert_eq!(house.holds(next).await, ["Tram"]);
        composing::put(app, by, id, Act::TakeOut(ferry)).await.unwrap();
        assert_eq!(house.holds(next).await, ["Tram", "Ferry"]);
        // One that an editor has touched, by a step.
        composing::put(app, by, next, Act::Move(crate::domain::composition::Item::Article(ferry), -1))
            .await
            .unwrap();
        assert!(house.issue(next).await.edited);
        composing::put(app, by, id, Act::Put(ferry)).await.unwrap();
        assert_eq!(house.holds(next).await, ["Tram"]);
        let mut conn = app.db.conn().await.unwrap();
        let steps = crate::db::composing::steps(&mut conn, next, 0, 9).await.unwrap();
        drop(conn);
        assert_eq!(steps[0].what, "took “Ferry” out");
        // Taking that step back does not bring it into both.
        composing::undo(app, by, next, steps[0].version, None).await.unwrap();
        assert_eq!(house.holds(next).await, ["Tram"]);
        // Nor does one of the frozen issue, once the next one has it and is frozen.
        composing::put(app, by, id, Act::TakeOut(ferry)).await.unwrap();
        composing::put(app, by, next, Act::Put(ferry)).await.unwrap();
        editors::approve(app, next).await.unwrap();
        let version = house.issue(id).await.version;
        composing::undo(app, by, id, version, None).await.unwrap();
        assert!(!house.frozen(id).await.contains(&"Ferry".to_owned()));
        assert_eq!(house.holds(next).await, ["Tram", "Ferry"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_frozen_issue_keeps_the_names_of_its_sections() {
    for house in houses().await {
        let id = house.draft().await.id;
        let (app, by) = (&house.app, composing::By::CommandLine);
        editors::approve(app, id).await.unwrap();
        editors::hold(app, id).await.unwrap();
        let mut conn = app.db.conn().await.unwrap();
        let names = async |conn: &mut crate::db::Conn| {
            let content = issues::content(conn, id).await.unwrap().unwrap();
            content.topics.into_iter().map(|topic| topic.name).collect::<Vec<_>>()
        };
        let frozen = names(&mut conn).await;
        assert!(!frozen.is_empty());
        sqlx::query("UPDATE topics SET name = 'Other ' || name").execute(&mut *conn).await.unwrap();
        drop(conn);
        let mut words = std::collections::BTreeMap::new();
        words.insert(crate::domain::composition::Field::Introduction, "Good morning.".to_owned());
        composing::write_words(app, by, id, &words).await.unwrap();
        assert_eq!(names(&mut app.db.conn().await.unwrap()).await, frozen);
        let open = composing::open(app, house.issue(id).await).await.unwrap();
        let headings: Vec<_> =
            open.composition.places.into_iter().filter_map(|place| place.heading).collect();
        assert!(!headings.is_empty() && headings.iter().all(|name| frozen.contains(name)), "{headings:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_is_not_taken_back_once_it_starts_nor_by_who_may_not() {
    for (house, _mailbox) in with_relay().await {
        let id = house.draft().await.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let page = format!("/desk/issues/{id}");
        let send = format!("{page}/send");
        let revise = async |saw: &str| {
            let answer = house.submit_as(&ed, &send, &[("do", "revise"), ("saw", saw)]).await;
            (answer.status.as_u16(), answer.body)
        };
        let (status, body) = revise("draft.0.0..").await;
        assert!(status == 422 && body.contains("can be edited as it is"), "{body}");
        editors::approve(&house.app, id).await.unwrap();
        let shown = house.get_as(&viewer, &page).await.body;
        assert!(!shown.contains("revise") && !shown.contains("Take the approval back"), "{shown}");
        let fields = [("do", "revise"), ("saw", "approved.0.0..")];
        assert_eq!(house.submit_as(&viewer, &send, &fields).await.status, 403);
        assert!(
            house.audit().await.iter().any(|line| line.starts_with("viewer@example.org issue.revise denied"))
        );

        // In the half minute before the start, the start is taken back first.
        house.press(&ed, id, "now").await;
        let (status, body) = revise("starting.0.0..").await;
        assert!(status == 422 && body.contains("take that back first"), "{body}");
        let (status, body) = revise("approved.0.0..").await;
        assert!(status == 422 && body.contains("it was approved, and is about to start"), "{body}");
        assert_eq!(house.press(&ed, id, "undo").await.status, 303);
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        for (state, words) in
            [("sending", "pause it, if it must not go on"), ("paused", "some readers have it")]
        {
            let (status, body) = revise(&format!("{state}.0.0..")).await;
            assert!(status == 422 && body.contains(words), "{body}");
            editors::pause(&house.app, id).await.ok();
        }
        editors::resume(&house.app, id).await.unwrap();
        house.deliver().await;
        let (status, body) = revise("sent.0.0..").await;
        assert!(status == 422 && body.contains("it has come to its end"), "{body}");
        house.close().await;
    }
}

#[tokio::test]
async fn taking_an_approval_back_at_its_slot_either_holds_it_whole_or_comes_too_late() {
    for house in houses().await {
        let draft = house.draft().await;
        let id = draft.id;
        editors::approve(&house.app, id).await.unwrap();
        house.app.clock.set(draft.slot_at);
        let email = EmailAddress::parse("ed@example.org").unwrap();
        let user_id = accounts::add(&house.app, &email, "", Some(Role::Editor)).await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let user = crate::db::users::find(&mut conn, user_id).await.unwrap().unwrap().user;
        drop(conn);
        let by = start::By { user: &user, network: "192.0.2.1" };
        let (taken, started) = tokio::join!(
            start::act(&house.app, by, id, "approved.0.0..", start::Action::Revise),
            address::address(&house.app)
        );
        let started = started.unwrap();
        let issue = house.issue(id).await;
        match taken {
            Ok(_) => assert!(issue.state == IssueState::Frozen && issue.held && started.is_empty()),
            Err(_) => assert!(issue.state == IssueState::Sending && started.len() == 1),
        }
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_that_waits_for_approval_can_be_edited_and_one_that_goes_by_itself_is_held_first() {
    for house in houses().await {
        let draft = house.draft().await;
        let id = draft.id;
        let app = &house.app;
        let rule = async |rule: &str| {
            set_up::set(app, &Actor::command_line(), "brief", &[format!("approval={rule}")]).await.unwrap()
        };
        rule("unless-held").await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        app.clock.set(draft.cutoff_at.plus_millis(MINUTE));
        house.beat().await;
        let page = format!("/desk/issues/{id}");
        let shown = house.get_as(&ed, &page).await.body;
        assert!(shown.contains("Hold it and edit") && !shown.contains("data-compose"), "{shown}");
        rule("required").await;
        let form = house.open_issue(&ed, id).await;
        let harbour = house.number(id, "Harbour").await;
        assert_eq!(house.send_issue(&ed, id, &form, &format!("top:{harbour}")).await.status, 303);
        rule("unless-held").await;
        assert_eq!(house.send_issue(&ed, id, &form, "save").await.status, 409);
        assert_eq!(house.press(&ed, id, "revise").await.status, 303);
        let held = house.issue(id).await;
        assert!(held.held && held.reason.as_deref() == Some("it was held back to edit it"));
        house.open_issue(&ed, id).await;
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        assert!(!house.get_as(&viewer, &page).await.body.contains("data-compose"));
        house.close().await;
    }
}
