//! Sending an issue from the desk: how it looks, what is wrong with it, a test, the actions and who may, the half minute
//! to take it back, progress to the end, results.

mod seen;

use axum::Router;
use axum::routing::get;
use tokio::sync::watch;

use super::*;
use crate::clock::Clock;
use crate::config::Secret;
use crate::db::{deliveries, issues, starts};
use crate::domain::issue::{Issue, IssueState};
use crate::mail::catcher::{self, Limits, Mailbox};
use crate::pipeline::articles::{self, ByHand};
use crate::pipeline::deliver::{Sender, Until, finish};
use crate::pipeline::people::{self, NewPerson};
use crate::pipeline::{address, compose, editors, start};

const SECOND: i64 = 1000;

/// Houses whose relay keeps what it is sent.
pub(super) async fn with_relay() -> Vec<(House, Mailbox)> {
    let mut houses = vec![];
    for mut test in apps().await {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        test.app.settings.relay_url = Secret::new(relay);
        test.app.settings.fetch_private = true;
        let mailbox = Mailbox::in_memory(Clock::system(), Limits::default());
        tokio::spawn(catcher::run(listener, mailbox.clone(), std::future::pending()));
        houses.push((open(test).await, mailbox));
    }
    houses
}

impl House {
    pub(super) async fn story(&self, title: &str, topics: &[&str], change: impl FnOnce(&mut ByHand)) {
        let mut new = ByHand {
            title: title.to_owned(),
            url: Some(format!("http://127.0.0.1:9/{}", title.to_lowercase())),
            body: Some(format!("{title}, told in a few words.")),
            ..ByHand::default()
        };
        change(&mut new);
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let found = articles::by_hand(new).unwrap();
        articles::add(&self.app, "brief", &found, &topics).await.unwrap();
    }

    pub(super) async fn reader(&self, email: &str, topics: &[&str]) {
        let new = NewPerson {
            email: EmailAddress::parse(email).unwrap(),
            newsletter: "brief".to_owned(),
            name: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            schedule: None,
            hour: None,
            zone: None,
            language: None,
            pending: false,
            origin: String::new(),
            consent_words: String::new(),
        };
        people::add(&self.app, &new).await.unwrap();
    }

    /// Two readers and an issue for tomorrow, 07:00 in Paris, with two articles: it is filling.
    pub(super) async fn draft(&self) -> Issue {
        let daily = Schedule {
            id: 0,
            newsletter_id: self.brief,
            name: "daily".to_owned(),
            slots: Slots {
                recurrence: Recurrence::DAILY,
                at: TimeOfDay::parse("7:00").unwrap(),
                zone: chrono_tz::Europe::Paris,
            },
            paused: false,
            starts_at: self.app.clock.now(),
        };
        let mut conn = self.app.db.conn().await.unwrap();
        newsletters::insert_schedule(&mut conn, &daily).await.unwrap();
        drop(conn);
        self.story("Harbour", &["Science"], |_| {}).await;
        self.story("Market", &["Arts"], |_| {}).await;
        self.reader("ann@example.org", &[]).await;
        self.reader("ben@example.org", &["Arts"]).await;
        compose::compose(&self.app).await.unwrap();
        let mut conn = self.app.db.conn().await.unwrap();
        issues::in_states(&mut conn, &[IssueState::Draft]).await.unwrap().remove(0)
    }

    pub(super) async fn issue(&self, id: i64) -> Issue {
        issues::get(&mut self.app.db.conn().await.unwrap(), id).await.unwrap().unwrap()
    }

    /// What the schedule's node does at one moment.
    pub(super) async fn beat(&self) {
        compose::compose(&self.app).await.unwrap();
        start::start_due(&self.app).await.unwrap();
        address::address(&self.app).await.unwrap();
        finish(&self.app).await.unwrap();
    }

    /// Sends what is due.
    pub(super) async fn deliver(&self) {
        let (_stop, told) = watch::channel(false);
        Sender::new(&self.app, told).unwrap().run(Until::NothingDue).await.unwrap();
        finish(&self.app).await.unwrap();
    }

    /// Who did what, or was refused it.
    pub(super) async fn audit(&self) -> Vec<String> {
        let mut conn = self.app.db.conn().await.unwrap();
        crate::db::testing::audit(&mut conn).await
    }

    /// Presses a button of the page about sending, as the page shows it now.
    pub(super) async fn press(&self, person: &Person, id: i64, button: &str) -> Answer {
        let path = format!("/desk/issues/{id}/send");
        let page = self.get_as(person, &path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains(&format!("value=\"{button}\"")), "no button {button}: {}", page.body);
        self.submit_as(person, &path, &[("do", button), ("saw", saw(&page.body))]).await
    }
}

pub(super) fn saw(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"saw\" value=\"").expect("the form says what was seen");
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn a_preview_stands_in_a_frame_that_lets_nothing_run() {
    for house in houses().await {
        let draft = house.draft().await;
        let ann = house.sign_in("viewer@example.org", Role::Viewer).await;
        let path = format!("/desk/issues/{}/preview", draft.id);
        let page = house.get_as(&ann, &format!("{path}?width=phone&scheme=dark")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(
            page.body.contains("Market and 1 more") && page.body.contains("class=\"stage phone\""),
            "{}",
            page.body
        );
        assert!(!page.body.contains(" style=") && !page.body.contains("One subscriber"));
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));

        let mail = house.get_as(&ann, &format!("{path}/mail?scheme=dark")).await;
        let policy = mail.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'self'") && policy.contains("; sandbox allow-popups"),
            "{policy}"
        );
        assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"), "{policy}");
        assert!(policy.contains("form-action 'none'") && policy.starts_with("default-src 'none'"));
        assert!(mail.body.contains("Harbour") && mail.body.contains("@media (min-width: 0px)"));
        assert!(!mail.body.contains("prefers-color-scheme"));
        let light = house.get_as(&ann, &format!("{path}/mail?scheme=light")).await.body;
        assert!(light.contains("@media (max-width: 0px)") && light.contains("content=\"light\""));
        assert!(house.get_as(&ann, &format!("{path}/mail")).await.body.contains("prefers-color-scheme"));

        let text = house.get_as(&ann, &format!("{path}?part=text")).await.body;
        assert!(text.contains("<pre") && !text.contains("<iframe"));
        let source = house.get_as(&ann, &format!("{path}?part=source")).await.body;
        assert!(source.contains("List-Unsubscribe") && source.contains("multipart/alternative"), "{source}");
        let eml = house.get_as(&ann, &format!("{path}/eml")).await;
        assert_eq!(eml.header("content-type"), "message/rfc822");
        assert!(eml.header("content-disposition").contains("issue-"));
        assert_eq!(house.get("/desk/issues/1/preview").await.status, 303, "nobody is signed in");
        assert_eq!(house.get_as(&ann, "/desk/issues/999/preview").await.status, 404);
        assert_eq!(house.get_as(&ann, "/desk/issues/x/preview").await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn a_mail_is_seen_as_one_subscriber_or_as_a_cohort_gets_it() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let mail = format!("/desk/issues/{}/preview/mail", draft.id);
        let of_ben = house.get_as(&ed, &format!("{mail}?as=ben%40example.org")).await.body;
        assert!(of_ben.contains("Market") && !of_ben.contains("Harbour"));
        let science = house.get_as(&ed, &format!("{mail}?topic=science")).await.body;
        assert!(science.contains("Harbour") && !science.contains("Market"));
        let french = house.get_as(&ed, &format!("{mail}?language=fr")).await.body;
        assert!(french.contains("lang=\"fr\""), "{french}");

        // Whoever looks at Ben's mail cannot act for Ben.
        let leave = of_ben.split("/unsubscribe/").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(house.app.key.read(leave), Some(Token::Leave { subscription_id: 0 }));

        let page = format!("/desk/issues/{}/preview", draft.id);
        let body = house.get_as(&ed, &format!("{page}?as=nobody%40example.org")).await.body;
        assert!(body.contains("does not subscribe to brief"), "{body}");
        let body = house.get_as(&ed, &format!("{page}?language=%3Cb%3E")).await.body;
        assert!(body.contains("is not a language") && !body.contains("“<b>”"));

        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        assert_eq!(house.get_as(&viewer, &format!("{page}?as=ben%40example.org")).await.status, 403);
        assert_eq!(house.get_as(&viewer, &format!("{mail}?as=ben%40example.org")).await.status, 403);
        assert!(
            house
                .audit()
                .await
                .iter()
                .any(|line| line.starts_with("viewer@example.org issue.preview_as denied"))
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_preview_says_who_gets_nothing_and_why() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let actor = crate::pipeline::accounts::Actor::command_line();
        crate::pipeline::newsletters::add_schedule(
            &house.app,
            &actor,
            "brief",
            Some("weekly"),
            "8:00",
            None,
            "sun",
        )
        .await
        .unwrap();
        let path = format!("/desk/issues/{}/preview?as=ann%40example.org", draft.id);
        let gets = house.get_as(&ed, &path).await.body;
        assert!(gets.contains("As ann@example.org gets it.") && !gets.contains("gets nothing"), "{gets}");
        for (statement, why) in [
            ("SET status = 'pending'", "this reader has not confirmed"),
            ("SET status = 'unsubscribed'", "this reader has left"),
            ("SET status = 'active', paused_until = 9000000000000", "this reader has paused it"),
            // A pause that is over by then keeps nothing from them.
            ("SET paused_until = 1", ""),
            (
                "SET schedule_id = (SELECT id FROM schedules WHERE name = 'weekly')",
                "this reader follows “weekly”, and the issue is for “daily”",
            ),
        ] {
            let ann = "WHERE subscriber_id = (SELECT id FROM subscribers WHERE email = 'ann@example.org')";
            let statement = format!("UPDATE subscriptions {statement} {ann}");
            let mut conn = house.app.db.conn().await.unwrap();
            sqlx::query(statement.leak() as &'static str).execute(&mut *conn).await.unwrap();
            drop(conn);
            let page = house.get_as(&ed, &path).await.body;
            let words = format!("ann@example.org gets nothing of this issue: {why}.");
            assert_eq!(page.contains(&words), !why.is_empty(), "{words}: {page}");
            // The mail stands there all the same.
            assert!(page.contains("<iframe"), "{page}");
        }
        // Once it is out, the ledger says it.
        editors::send(&house.app, draft.id, true).await.unwrap();
        house.beat().await;
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains("this reader follows “weekly”"), "{page}");
        let path = path.replace("ann", "ben");
        assert!(!house.get_as(&ed, &path).await.body.contains("gets nothing"));
        editors::cancel(&house.app, draft.id).await.unwrap();
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains("it was cancelled before their mail went out"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn checks_say_what_is_wrong_and_whether_links_answer() {
    for (house, _mailbox) in with_relay().await {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = format!("http://{}", listener.local_addr().unwrap());
        let png = ([("content-type", "image/png")], "png");
        let site =
            Router::new().route("/story", get("<p>story")).route("/pic.png", get(move || async move { png }));
        tokio::spawn(async move { axum::serve(listener, site).await });
        house.story("Good", &[], |new| new.url = Some(format!("{there}/story"))).await;
        house
            .story("Gone", &[], |new| {
                new.url = Some(format!("{there}/gone"));
                new.image_url = Some(format!("{there}/pic.png"));
            })
            .await;
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{}/checks", draft.id);
        let page = house.get_as(&ed, &path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        for part in [
            "Postal address",
            "None stands at the foot",
            "nothing says what is to be seen with: Gone",
            "Text part",
        ] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        assert!(page.body.contains("Check the links") && !page.body.contains("/story"));

        let looked = house.submit_as(&ed, &path, &[]).await;
        assert_eq!(looked.status, 200, "{}", looked.body);
        let row = |what: &str| {
            let at = looked
                .body
                .find(&format!(">{there}{what}<"))
                .unwrap_or_else(|| panic!("{what}: {}", looked.body));
            looked.body[at..].split("</li>").next().unwrap().to_owned()
        };
        assert!(row("/story").contains(">good<") && row("/pic.png").contains(">good<"));
        assert!(row("/gone").contains(">wrong<") && row("/gone").contains("nothing at this link (404)"));
        assert!(looked.body.contains("want a look"));
        let send = house.get_as(&ed, &format!("/desk/issues/{}/send", draft.id)).await.body;
        assert!(send.contains("links and images wanted a look today at 10:00 (Europe/Paris)."), "{send}");

        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        assert!(!house.get_as(&viewer, &path).await.body.contains("Check the links"));
        assert_eq!(house.submit_as(&viewer, &path, &[]).await.status, 403);
        house.close().await;
    }
}

#[tokio::test]
async fn an_article_that_went_out_before_is_found() {
    for (house, _mailbox) in with_relay().await {
        let draft = house.draft().await;
        editors::send(&house.app, draft.id, true).await.unwrap();
        house.beat().await;
        house.deliver().await;
        assert_eq!(house.issue(draft.id).await.state, IssueState::Sent);
        // The next issue takes what is new; an editor puts an old story in as well.
        house.story("Tide", &[], |_| {}).await;
        compose::compose(&house.app).await.unwrap();
        let mut conn = house.app.db.conn().await.unwrap();
        let next = issues::in_states(&mut conn, &[IssueState::Draft]).await.unwrap().remove(0);
        let mut ids: Vec<i64> = crate::db::articles::of_issue(&mut conn, next.id)
            .await
            .unwrap()
            .iter()
            .map(|article| article.id)
            .collect();
        ids.push(crate::db::articles::of_issue(&mut conn, draft.id).await.unwrap()[0].id);
        drop(conn);
        let mut tx = house.app.db.begin().await.unwrap();
        issues::fill(&mut tx, next.id, &ids).await.unwrap();
        tx.commit().await.unwrap();
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let page = house.get_as(&ed, &format!("/desk/issues/{}/checks", next.id)).await.body;
        assert!(page.contains("Readers have had this already") && page.contains("(No. 1)"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_test_goes_to_colleagues_marked_so() {
    for (house, mailbox) in with_relay().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{}/test", draft.id);
        assert!(house.get_as(&ed, &path).await.body.contains("ed@example.org</textarea>"));
        let sent = house.submit_as(&ed, &path, &[("to", "ed@example.org\r\ncy@example.org")]).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        assert_eq!(sent.body.matches(">taken<").count(), 2, "{}", sent.body);
        for to in ["ed@example.org", "cy@example.org"] {
            let mails = mailbox.addressed_to(to);
            assert_eq!(mails.len(), 1);
            assert!(String::from_utf8_lossy(&mails[0].raw).contains("Subject: [Test] "));
        }
        assert_eq!(house.issue(draft.id).await.state, IssueState::Draft);
        let tests = house.audit().await.into_iter().filter(|line| line.contains("issue.test")).count();
        assert_eq!(tests, 2);

        let wrong = house.submit_as(&ed, &path, &[("to", "nonsense")]).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains(">nonsense</textarea>") && wrong.body.contains("aria-invalid"));
        // Twenty within ten minutes, and no more.
        let ten: Vec<String> = (0..10).map(|index| format!("c{index}@example.org")).collect();
        assert_eq!(house.submit_as(&ed, &path, &[("to", &ten.join(" "))]).await.status, 200);
        let more = house.submit_as(&ed, &path, &[("to", &ten.join(" "))]).await;
        assert_eq!(more.status, 422);
        assert!(more.body.contains("wait a little"), "{}", more.body);
        house.pass(11 * 60 * SECOND);
        assert_eq!(house.submit_as(&ed, &path, &[("to", "ed@example.org")]).await.status, 200);
        house.close().await;
    }
}

#[tokio::test]
async fn each_action_says_what_it_will_do_changes_the_state_and_is_written_down() {
    for (house, _mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{id}/send");
        house.sign_up("pending@example.org").await;
        let page = house.get_as(&ed, &path).await.body;
        for part in [
            "2 articles for 2 readers",
            "<strong>1</strong> because the subscription was not confirmed",
            "It goes to 2 readers tomorrow at 07:00 (Europe/Paris).",
            "Send to 2 readers",
            "Sunday, 22 November gets its own",
            "Cancel this issue for good",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(house.press(&ed, id, "approve").await.status, 303);
        assert_eq!(house.issue(id).await.state, IssueState::Approved);
        assert_eq!(house.press(&ed, id, "hold").await.status, 303);
        let held = house.issue(id).await;
        assert!(held.state == IssueState::Frozen && held.held);

        // Another time, before the next issue's.
        let move_to = async |at: &str| {
            let page = house.get_as(&ed, &path).await.body;
            house.submit_as(&ed, &path, &[("do", "move"), ("at", at), ("saw", saw(&page))]).await
        };
        for (at, why) in [
            ("2026-11-21T09:59", "has passed"),
            ("2026-11-23T07:00", "next issue goes out"),
            ("nonsense", "is not a day and a time"),
        ] {
            let answer = move_to(at).await;
            assert_eq!(answer.status, 422, "{at}");
            assert!(answer.body.contains(why), "{at}: {}", answer.body);
        }
        assert_eq!(move_to("2026-11-22T08:30").await.status, 303);
        assert_eq!(house.issue(id).await.slot_at, Timestamp::parse("2026-11-22T07:30:00Z").unwrap());

        assert_eq!(house.press(&ed, id, "approve").await.status, 303);
        house.pass(23 * HOUR);
        house.beat().await;
        assert_eq!(house.issue(id).await.state, IssueState::Sending);
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains("0 readers have it; 2 wait."), "{page}");
        assert_eq!(house.press(&ed, id, "pause").await.status, 303);
        assert_eq!(house.issue(id).await.state, IssueState::Paused);
        assert_eq!(house.press(&ed, id, "resume").await.status, 303);
        assert_eq!(house.issue(id).await.state, IssueState::Sending);
        assert_eq!(house.press(&ed, id, "cancel").await.status, 303);
        assert_eq!(house.issue(id).await.state, IssueState::Cancelled);
        assert!(house.get_as(&ed, &path).await.body.contains("nothing left to do"));

        let audit = house.audit().await;
        for action in ["approve", "hold", "move", "pause", "resume", "cancel"] {
            assert!(
                audit.iter().any(|line| line.starts_with(&format!("ed@example.org issue.{action} done"))),
                "{audit:?}"
            );
        }
        house.close().await;
    }
}

#[tokio::test]
async fn who_acts_on_what_is_no_longer_so_is_told() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{}/send", draft.id);
        let page = house.get_as(&ed, &path).await.body;
        editors::hold(&house.app, draft.id).await.unwrap();
        let late = house.submit_as(&ed, &path, &[("do", "now"), ("saw", saw(&page))]).await;
        assert_eq!(late.status, 422);
        assert!(late.body.contains("has changed since this page was shown"), "{}", late.body);
        assert_eq!(house.submit_as(&ed, &path, &[("do", "dance"), ("saw", "held")]).await.status, 422);
        let done = |line: &String| line.contains(" done") && !line.starts_with("command line");
        assert!(!house.audit().await.iter().any(done));
        house.close().await;
    }
}

#[tokio::test]
async fn a_viewer_is_refused_by_page_and_by_request() {
    for house in houses().await {
        let draft = house.draft().await;
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let path = |page: &str| format!("/desk/issues/{}/{page}", draft.id);
        for page in ["preview", "checks", "live", "results"] {
            assert_eq!(house.get_as(&viewer, &path(page)).await.status, 200, "{page}");
        }
        for page in ["send", "test"] {
            assert_eq!(house.get_as(&viewer, &path(page)).await.status, 403, "{page}");
        }
        for action in ["approve", "hold", "now", "undo", "move", "pause", "resume", "cancel"] {
            let fields = [("do", action), ("saw", "draft"), ("at", "2026-11-22T08:30")];
            assert_eq!(house.submit_as(&viewer, &path("send"), &fields).await.status, 403, "{action}");
        }
        assert_eq!(house.submit_as(&viewer, &path("test"), &[("to", "a@example.org")]).await.status, 403);
        assert_eq!(house.issue(draft.id).await, draft);
        let audit = house.audit().await;
        assert!(
            audit.iter().any(|line| line.starts_with("viewer@example.org issue.cancel denied")),
            "{audit:?}"
        );
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let forged = Person { cookie: ed.cookie, token: "guess".to_owned() };
        let answer = house.submit_as(&forged, &path("send"), &[("do", "cancel"), ("saw", "draft")]).await;
        assert_eq!(answer.status, 403, "a form from elsewhere");
        house.close().await;
    }
}

#[tokio::test]
async fn sending_now_can_be_taken_back_for_half_a_minute() {
    for (house, mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{id}/send");
        assert_eq!(house.press(&ed, id, "now").await.status, 303);
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains("It goes to 2 readers in") && page.contains("Take it back"), "{page}");
        assert!(page.contains("data-millis=\"30000\"") && page.contains("10:00:30"), "{page}");
        // What comes in meanwhile waits, and a beat changes nothing.
        house.story("Late", &[], |_| {}).await;
        house.pass(29 * SECOND);
        house.beat().await;
        assert_eq!(house.issue(id).await, draft);
        assert_eq!(house.press(&ed, id, "undo").await.status, 303);
        assert_eq!(house.issue(id).await, draft, "it is as it was before");
        house.pass(60 * SECOND);
        start::start_due(&house.app).await.unwrap();
        address::address(&house.app).await.unwrap();
        assert_eq!(house.issue(id).await.state, IssueState::Draft);

        // Nobody takes it back: it starts once, whoever looks first, and what was seen is sent.
        let shown =
            crate::db::articles::of_issue(&mut house.app.db.conn().await.unwrap(), id).await.unwrap().len();
        house.press(&ed, id, "now").await;
        house.story("Later", &[], |_| {}).await;
        house.pass(30 * SECOND);
        let (one, other) = tokio::join!(start::start_due(&house.app), start::start_due(&house.app));
        assert_eq!(one.unwrap().len() + other.unwrap().len(), 1);
        house.beat().await;
        assert_eq!(house.issue(id).await.state, IssueState::Sending);
        let late = house.submit_as(&ed, &path, &[("do", "undo"), ("saw", "starting.0.0..")]).await;
        assert_eq!(late.status, 422, "it is too late");
        assert!(late.body.contains("it was about to start, and is going out"), "{}", late.body);
        house.deliver().await;
        assert_eq!(mailbox.addressed_to("ann@example.org").len(), 1);
        assert_eq!(house.issue(id).await.state, IssueState::Sent);
        let mut conn = house.app.db.conn().await.unwrap();
        let content = issues::content(&mut conn, id).await.unwrap().unwrap();
        assert_eq!(content.articles.len(), shown);
        assert!(!content.articles.iter().any(|article| article.headline == "Later"));
        drop(conn);
        let audit = house.audit().await;
        let count = |action: &str| audit.iter().filter(|line| line.contains(action)).count();
        assert_eq!((count("issue.send done"), count("issue.take_back done")), (2, 1), "{audit:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_slot_that_comes_within_the_half_minute_waits_and_taking_back_holds() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        editors::approve(&house.app, draft.id).await.unwrap();
        house.app.clock.set(draft.slot_at.plus_millis(-10 * SECOND));
        // Nobody looked for 21 hours, and the session is still good.
        assert_eq!(house.press(&ed, draft.id, "now").await.status, 303);
        house.pass(15 * SECOND);
        house.beat().await;
        assert_eq!(
            house.issue(draft.id).await.state,
            IssueState::Approved,
            "its slot has come, and it waits"
        );
        assert_eq!(house.press(&ed, draft.id, "undo").await.status, 303);
        let held = house.issue(draft.id).await;
        assert!(held.held && held.state == IssueState::Frozen);
        house.beat().await;
        assert_eq!(house.issue(draft.id).await.state, IssueState::Frozen);
        house.close().await;
    }
}

#[tokio::test]
async fn what_was_to_start_while_the_service_was_away_for_long_is_held() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        house.press(&ed, draft.id, "now").await;
        house.pass(4 * HOUR);
        assert_eq!(start::start_due(&house.app).await.unwrap(), Vec::<i64>::new());
        let issue = house.issue(draft.id).await;
        assert!(issue.held && issue.reason.as_deref().unwrap_or_default().contains("was not running then"));
        assert_eq!(starts::of(&mut house.app.db.conn().await.unwrap(), draft.id).await.unwrap(), None);
        // Holding takes back as well.
        house.press(&ed, draft.id, "now").await;
        editors::hold(&house.app, draft.id).await.unwrap();
        house.pass(60 * SECOND);
        assert_eq!(start::start_due(&house.app).await.unwrap(), Vec::<i64>::new());
        house.close().await;
    }
}

#[tokio::test]
async fn the_stream_tells_progress_to_the_end() {
    for (house, _mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let path = format!("/desk/issues/{id}");
        let page = house.get_as(&viewer, &format!("{path}/live")).await.body;
        assert!(
            page.contains("0 of 2 done") && page.contains(&format!("data-events=\"{path}/events\"")),
            "{page}"
        );
        assert!(page.contains("http-equiv=\"refresh\"") && page.contains("live.js"));

        let request =
            house.client.get(format!("{}{path}/events", house.base)).header("cookie", &viewer.cookie);
        let mut stream = request.send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let first = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
        assert!(
            first.contains("event: progress") && first.contains("\"headline\":\"0 of 2 done\""),
            "{first}"
        );
        // A second viewer shares the counting.
        let events = format!("{path}/events");
        let second = house.get_as(&viewer, &events);
        let work = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            house.deliver().await;
        };
        let (second, ()) = tokio::join!(second, work);
        let mut rest = String::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            rest.push_str(&String::from_utf8_lossy(&chunk));
        }
        for told in [&rest, &second.body] {
            assert!(
                told.contains("\"headline\":\"2 of 2 done\"") && told.contains("\"state\":\"sent\""),
                "{told}"
            );
            assert!(told.trim_end().ends_with("event: end\ndata: over"), "{told}");
        }
        assert!(house.get_as(&viewer, &format!("{path}/live")).await.body.contains("2 of 2 done"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_pause_is_told_by_the_whole_page_and_by_its_events() {
    for house in houses().await {
        let id = house.draft().await.id;
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{id}");
        let live = format!("{path}/live");
        let page = house.get_as(&ed, &live).await.body;
        assert!(
            page.contains("data-live=\"says\">It is going out.") && page.contains("Pause or cancel"),
            "{page}"
        );
        let request = house.client.get(format!("{}{path}/events", house.base)).header("cookie", &ed.cookie);
        let mut stream = request.send().await.unwrap();
        let mut told = async |words: &str| {
            for _ in 0..20 {
                let chunk = stream.chunk().await.unwrap().unwrap();
                if String::from_utf8_lossy(&chunk).contains(words) {
                    return;
                }
            }
            panic!("“{words}” was never told");
        };
        told("\"says\":\"It is going out.").await;
        house.press(&ed, id, "pause").await;
        // Others look on, and the page says at once what the events say.
        let page = house.get_as(&ed, &live).await.body;
        assert!(
            page.contains("data-live=\"says\">It stands still") && page.contains("Go on or cancel"),
            "{page}"
        );
        assert!(!page.contains(">going out<") && page.matches(">paused<").count() == 2, "{page}");
        told("\"state\":\"paused\",\"class\":\"bad\",\"says\":\"It stands still").await;
        house.press(&ed, id, "resume").await;
        told("\"state\":\"going out\",\"class\":\"good\",\"says\":\"It is going out.").await;
        house.close().await;
    }
}

#[tokio::test]
async fn moving_an_issue_to_another_day_says_which_day_has_none_then() {
    for house in houses().await {
        let draft = house.draft().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let path = format!("/desk/issues/{}/send", draft.id);
        let page = house.get_as(&ed, &path).await.body;
        let day = draft.slot_date.format("%A, %-d %B").to_string();
        for words in [
            format!("It stays the issue of {day}: at a time on another day, {day} then has no issue."),
            format!("It becomes an issue of today; {day} gets its own."),
        ] {
            assert!(page.contains(&words), "{words}: {page}");
        }
        let at = house.app.clock.now().plus_millis(3600 * SECOND).in_zone(chrono_tz::Europe::Paris);
        let at = at.format("%Y-%m-%dT%H:%M").to_string();
        let fields = [("do", "move"), ("at", at.as_str()), ("saw", saw(&page))];
        house.submit_as(&ed, &path, &fields).await;
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains(&format!("{day} then has no issue.")), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end_of_the_service() {
    for house in houses().await {
        let draft = house.draft().await;
        editors::send(&house.app, draft.id, true).await.unwrap();
        house.beat().await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let url = format!("{}/desk/issues/{}/events", house.base, draft.id);
        let mut stream = house.client.get(url).header("cookie", &ed.cookie).send().await.unwrap();
        assert!(stream.chunk().await.unwrap().is_some());
        let began = std::time::Instant::now();
        house.close().await;
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
    }
}

#[tokio::test]
async fn results_tell_what_became_of_an_issue_and_show_addresses_to_nobody_who_may_not() {
    for (house, _mailbox) in with_relay().await {
        let draft = house.draft().await;
        let id = draft.id;
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        // One address does not exist; the other reader leaves after the mail.
        let mut conn = house.app.db.conn().await.unwrap();
        let claimed = deliveries::claim(&mut conn, id, "test", house.app.clock.now(), 1, None).await.unwrap();
        let failed = deliveries::Record {
            id: claimed[0].1,
            state: crate::domain::delivery::DeliveryState::Failed,
            reason: Some("bad_address".to_owned()),
            detail: Some("550 5.1.1 <ann@example.org> unknown".to_owned()),
            not_before: None,
            attempted: true,
        };
        deliveries::record(&mut conn, "test", &[failed], house.app.clock.now()).await.unwrap();
        drop(conn);
        house.deliver().await;
        house.pass(SECOND);
        let ben = EmailAddress::parse("ben@example.org").unwrap();
        people::unsubscribe(&house.app, &crate::pipeline::accounts::Actor::command_line(), &ben, None)
            .await
            .unwrap();
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let results = house.get_as(&viewer, &format!("/desk/issues/{id}/results")).await;
        assert_eq!(results.status, 200, "{}", results.body);
        for part in ["50.0 %", "bounced: the address does not exist", "Left the newsletter", "until now"] {
            assert!(results.body.contains(part), "{part}: {}", results.body);
        }
        assert!(!results.body.contains("<svg"), "one issue is no chart");
        let live = format!("/desk/issues/{id}/live");
        let seen = house.get_as(&viewer, &live).await.body;
        assert!(seen.contains("550 5.1.1 … unknown") && !seen.contains("ann@example.org"), "{seen}");
        let events = house.get_as(&viewer, &format!("/desk/issues/{id}/events")).await.body;
        assert!(!events.contains("ann@example.org") && events.contains("event: end"), "{events}");
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        assert!(house.get_as(&ed, &live).await.body.contains("ann@example.org"));

        // A second issue, and both stand in a chart with a table.
        house.story("Tide", &[], |_| {}).await;
        compose::compose(&house.app).await.unwrap();
        let next = issues::in_states(&mut house.app.db.conn().await.unwrap(), &[IssueState::Draft])
            .await
            .unwrap()
            .remove(0);
        editors::send(&house.app, next.id, true).await.unwrap();
        house.beat().await;
        house.deliver().await;
        let results = house.get_as(&viewer, &format!("/desk/issues/{}/results", next.id)).await.body;
        assert!(
            results.contains("<svg") && results.contains("No. 1") && results.contains("No. 2"),
            "{results}"
        );
        // Each bar says above it how many got the issue.
        assert_eq!(results.matches("class=\"figure-above\"").count(), 2, "{results}");
        assert!(!results.contains(" style="));
        house.close().await;
    }
}

#[tokio::test]
async fn the_mail_that_asks_for_approval_leads_to_the_page_with_the_button() {
    for house in houses().await {
        let draft = house.draft().await;
        let mut conn = house.app.db.conn().await.unwrap();
        let mut newsletter = newsletters::get(&mut conn, house.brief).await.unwrap().unwrap();
        newsletter.editors = vec![EmailAddress::parse("ed@example.org").unwrap()];
        newsletter.rules.approval = crate::domain::newsletter::Approval::Required;
        newsletters::update(&mut conn, &newsletter).await.unwrap();
        drop(conn);
        house.app.clock.set(draft.cutoff_at);
        house.beat().await;
        let mails = house.mails().await;
        let Some((_, Notice::Ready(ready))) = mails.first() else { panic!("nobody is asked: {mails:?}") };
        assert!(
            ready.reason.starts_with("It goes out once an editor approves it. If nobody has by"),
            "{ready:?}"
        );
        let path = path_of(ready.url.as_deref().unwrap());
        assert_eq!(path, format!("/desk/issues/{}/send", draft.id));
        let asked = house.get(&path).await;
        assert_eq!(asked.status, 303, "whoever follows it signs in first, and comes back");
        assert!(asked.header("location").contains("back=%2Fdesk%2Fissues"));
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        assert!(house.get_as(&ed, &path).await.body.contains("Approve this issue"));
        house.close().await;
    }
}
