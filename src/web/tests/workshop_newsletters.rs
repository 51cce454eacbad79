//! Admins at the newsletters: their settings, topics and schedules.

use super::*;
use crate::domain::newsletter::{Newsletter, Order};
use crate::pipeline::compose;

const BRIEF: &str = "/office/newsletters/brief";
const SCHEDULES: &str = "/office/newsletters/brief/schedules";
const TOPICS: &str = "/office/newsletters/brief/topics";

async fn brief(house: &House) -> Newsletter {
    newsletters::find(&mut house.app.db.conn().await.unwrap(), "brief").await.unwrap().unwrap()
}

async fn schedules(house: &House) -> Vec<Schedule> {
    newsletters::schedules_of(&mut house.app.db.conn().await.unwrap(), house.brief).await.unwrap()
}

/// What stands right behind the place where a field's problem is.
fn problem<'b>(answer: &'b Answer, field: &str) -> &'b str {
    let start = format!("id=\"{field}-problem\"");
    let rest = answer.body.split(&start).nth(1).unwrap_or_else(|| panic!("{field}: {}", answer.body));
    rest.split("</p>").next().unwrap()
}

#[tokio::test]
async fn settings_are_saved_by_section_and_refused_beside_their_fields() {
    for house in houses().await {
        let ann = house.sign_in_for_brief("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, BRIEF).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let content = |fewest: &'static str, most: &'static str, age: &'static str, order: &'static str| {
            [
                ("section", "content"),
                ("min-articles", fewest),
                ("max-articles", most),
                ("max-age-hours", age),
                ("order", order),
            ]
        };
        // Both grow at once: in whichever order, they fit together.
        let saved = house.submit_as(&ann, BRIEF, &content("40", "50", "48", "sources")).await;
        assert_eq!((saved.status.as_u16(), saved.header("location")), (303, BRIEF), "{}", saved.body);
        let rules = brief(&house).await.rules;
        assert_eq!(
            (rules.min_articles, rules.max_articles, rules.max_age_hours, rules.order),
            (40, 50, Some(48), Order::Sources)
        );
        let page = house.get_as(&ann, BRIEF).await;
        assert!(
            page.body.contains("<option value=\"sources\" selected>one of each source in turn"),
            "{}",
            page.body
        );

        let refused = house.submit_as(&ann, BRIEF, &content("9", "5", "soon", "newest")).await;
        assert_eq!(refused.status, 422);
        assert!(problem(&refused, "content-max-age-hours").contains("“soon” is not a number from 1 to"));
        assert!(problem(&refused, "content-min-articles").contains("cannot be more than max-articles (5)"));
        assert!(
            refused.body.contains("name=\"max-age-hours\" type=\"number\" value=\"soon\""),
            "what was typed is kept"
        );
        assert!(refused.body.contains("href=\"#content-min-articles\""));
        assert_eq!(brief(&house).await.rules, rules, "nothing of it is saved");

        let inbox = [("section", "inbox"), ("subject", "{{leed.title}}"), ("preheader", "")];
        let refused = house.submit_as(&ann, BRIEF, &inbox).await;
        assert!(problem(&refused, "inbox-subject").contains("unknown name “leed.title”"));
        let sender = [
            ("section", "sender"),
            ("from", "Morning Brief <brief@example.org>"),
            ("reply-to", "nobody"),
            ("postal-address", "1 Quay\r\nHarwich"),
        ];
        let refused = house.submit_as(&ann, BRIEF, &sender).await;
        assert!(!problem(&refused, "sender-reply-to").is_empty());
        let mut sender = sender;
        sender[2] = ("reply-to", "");
        assert_eq!(house.submit_as(&ann, BRIEF, &sender).await.status, 303);
        let kept = brief(&house).await;
        assert_eq!(
            (kept.from.name.as_str(), kept.postal_address.as_str()),
            ("Morning Brief", "1 Quay\nHarwich")
        );
        let editors = [
            ("section", "approval"),
            ("approval", "unless-held"),
            ("cutoff-minutes", "30"),
            ("grace-minutes", "180"),
            ("editors", "a@example.org\r\nb@example.org"),
        ];
        assert_eq!(house.submit_as(&ann, BRIEF, &editors).await.status, 303);
        assert_eq!(brief(&house).await.editors.len(), 2);
        // The same again changes nothing, and is not written down.
        let before = house.logged().await.len();
        assert_eq!(house.submit_as(&ann, BRIEF, &editors[..4]).await.status, 303);
        assert_eq!(brief(&house).await.editors.len(), 0, "a field that is empty says so");
        assert_eq!(house.submit_as(&ann, BRIEF, &editors[..4]).await.status, 303);
        assert_eq!(house.logged().await.len(), before + 1);
        let log = house.logged().await;
        assert!(
            log.contains(&(
                "newsletter.set".to_owned(),
                "brief: min-articles, max-articles, max-age-hours, order".to_owned(),
                false
            )),
            "{log:?}"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_newsletter_is_made_and_what_is_wrong_is_said_by_field() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let path = "/office/newsletters";
        let fields = |slug: &'static str, from: &'static str, zone: &'static str| {
            [("name", "Evening"), ("slug", slug), ("from", from), ("language", "fr"), ("timezone", zone)]
        };
        let refused = house.submit_as(&ann, path, &fields("Evening!", "nobody", "Paris")).await;
        assert_eq!(refused.status, 422);
        for field in ["new-slug", "new-from", "new-timezone"] {
            assert!(!problem(&refused, field).is_empty());
        }
        assert!(refused.body.contains("value=\"Evening!\""));
        let taken = house.submit_as(&ann, path, &fields("brief", "e@example.org", "Europe/Paris")).await;
        assert!(problem(&taken, "new-slug").contains("choose another slug"));
        let made = house.submit_as(&ann, path, &fields("evening", "e@example.org", "Europe/Paris")).await;
        assert_eq!(made.header("location"), "/office/newsletters/evening", "{}", made.body);
        let list = house.get_as(&ann, path).await.body;
        assert!(list.contains("Evening") && list.contains("It has no schedule that runs"), "{list}");
        house.close().await;
    }
}

#[tokio::test]
async fn topics_are_added_renamed_and_removed_where_nothing_has_them() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        for name in ["Sport", "Sea"] {
            assert_eq!(house.submit_as(&ann, TOPICS, &[("do", "add"), ("name", name)]).await.status, 303);
        }
        let topics =
            async || newsletters::topics(&mut house.app.db.conn().await.unwrap(), house.brief).await.unwrap();
        let ids: Vec<String> = topics().await.iter().map(|topic| topic.id.to_string()).collect();
        let (sport, sea) = (ids[0].as_str(), ids[1].as_str());
        let refused =
            house.submit_as(&ann, TOPICS, &[("do", "rename"), ("id", sport), ("name", "SEA")]).await;
        assert!(problem(&refused, &format!("topic-{sport}-name")).contains("there is a topic “Sea” already"));
        assert_eq!(
            house.submit_as(&ann, TOPICS, &[("do", "rename"), ("id", sport), ("name", "Games")]).await.status,
            303
        );
        assert_eq!((topics().await[0].name.as_str(), topics().await[0].slug.as_str()), ("Games", "sport"));
        let empty = house.submit_as(&ann, TOPICS, &[("do", "add"), ("name", " ")]).await;
        assert!(problem(&empty, "topic-name").contains("write the topic"));

        crate::pipeline::sources::add(
            &house.app,
            &crate::pipeline::accounts::Actor::command_line(),
            "brief",
            "https://sea.example/feed",
            &["Sea".to_owned()],
            "either",
        )
        .await
        .unwrap();
        let refused = house.submit_as(&ann, TOPICS, &[("do", "remove"), ("id", sea)]).await;
        assert!(
            problem(&refused, &format!("topic-{sea}-name")).contains("a source gives it to its articles"),
            "{}",
            refused.body
        );
        assert_eq!(house.submit_as(&ann, TOPICS, &[("do", "remove"), ("id", sport)]).await.status, 303);
        assert_eq!(topics().await.len(), 1);
        // Of another newsletter.
        let other = a_newsletter(&house.app.db, "other").await;
        let mut tx = house.app.db.begin().await.unwrap();
        let theirs = newsletters::ensure_topic(&mut tx, other, "x", "X").await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let id = theirs.id.to_string();
        assert_eq!(house.submit_as(&ann, TOPICS, &[("do", "remove"), ("id", &id)]).await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn schedules_are_added_changed_paused_and_removed() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let when = |at: &'static str, days: &'static str, zone: &'static str| {
            [("at", at), ("days", days), ("timezone", zone)]
        };
        let with = |verb: &'static str,
                    id: &str,
                    when: [(&'static str, &'static str); 3]|
         -> Vec<(&'static str, String)> {
            let mut fields = vec![("do", verb.to_owned()), ("id", id.to_owned())];
            fields.extend(when.map(|(name, value)| (name, value.to_owned())));
            fields
        };
        let submit = async |fields: Vec<(&'static str, String)>| {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            house.submit_as(&ann, SCHEDULES, &fields).await
        };
        let refused = submit(with("add", "", when("25:00", "someday", "Mars/Base"))).await;
        assert_eq!(refused.status, 422);
        for (field, says) in
            [("schedule-at", "25:00"), ("schedule-days", "someday"), ("schedule-timezone", "Mars/Base")]
        {
            assert!(problem(&refused, field).contains(says));
        }
        assert_eq!(submit(with("add", "", when("7:00", "daily", "Europe/Paris"))).await.status, 303);
        let taken = submit(with("add", "", when("8:00", "daily", "Europe/Paris"))).await;
        assert!(problem(&taken, "schedule-name").contains("has a schedule “daily” already"));
        compose::compose(&house.app).await.unwrap();
        let id = schedules(&house).await[0].id.to_string();

        // Past for today: the issue that is filling moves to tomorrow, and nothing is made up for.
        let changed = submit(with("change", &id, when("8:30", "mon-fri", "Europe/Berlin"))).await;
        assert_eq!(changed.status, 303, "{}", changed.body);
        compose::compose(&house.app).await.unwrap();
        let kept = schedules(&house).await.remove(0);
        assert_eq!(
            (kept.slots.at.to_string(), kept.slots.recurrence.to_string()),
            ("08:30".to_owned(), "mon-fri".to_owned())
        );
        let page = house.get_as(&ann, BRIEF).await;
        assert!(page.body.contains("Monday to Friday at 08:30 (Europe/Berlin)"), "{}", page.body);
        assert!(page.body.contains("on Monday at 08:30"), "{}", page.body);

        for (verb, is_paused) in [("pause", true), ("resume", false)] {
            assert_eq!(submit(vec![("do", verb.to_owned()), ("id", id.clone())]).await.status, 303);
            assert_eq!(schedules(&house).await[0].paused, is_paused);
        }
        // Somebody chose it; then nobody.
        let mut tx = house.app.db.begin().await.unwrap();
        sqlx::query("INSERT INTO subscribers (email, email_hash, name, created_at, updated_at) VALUES ('r@example.org', 'h', '', 0, 0)")
            .execute(&mut *tx).await.unwrap();
        sqlx::query("INSERT INTO subscriptions (newsletter_id, subscriber_id, status, schedule_id, topics, created_at, updated_at)
                     SELECT $1, id, 'active', $2, 0, 0, 0 FROM subscribers")
            .bind(house.brief).bind(kept.id).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let remove = || vec![("do", "remove".to_owned()), ("id", id.clone())];
        let refused = submit(remove()).await;
        assert_eq!(refused.status, 422);
        assert!(
            refused.body.contains("cannot be removed, because 1 reader chose it: pause it instead"),
            "{}",
            refused.body
        );
        sqlx::query("UPDATE subscriptions SET schedule_id = NULL")
            .execute(&mut *house.app.db.conn().await.unwrap())
            .await
            .unwrap();
        assert_eq!(submit(remove()).await.status, 303);
        assert_eq!(schedules(&house).await, []);
        assert_eq!(
            crate::db::issues::list(&mut house.app.db.conn().await.unwrap(), None, 9).await.unwrap(),
            []
        );
        assert_eq!(submit(remove()).await.status, 404);
        let actions: Vec<String> = house.logged().await.into_iter().map(|(action, ..)| action).collect();
        assert_eq!(
            actions,
            ["schedule.add", "schedule.change", "schedule.pause", "schedule.resume", "schedule.remove"]
        );
        house.close().await;
    }
}

#[tokio::test]
async fn newsletters_are_for_their_admins() {
    for house in houses().await {
        a_newsletter(&house.app.db, "other").await;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let ann = house.sign_in_for_brief("ann@example.org", Role::Admin).await;
        let forms = [
            ("do", "add"),
            ("section", "name"),
            ("name", "Mine"),
            ("slug", "mine"),
            ("at", "7:00"),
            ("days", "daily"),
            ("timezone", "UTC"),
        ];
        for path in ["/office/newsletters", BRIEF, SCHEDULES, TOPICS] {
            assert_eq!(house.submit_as(&ed, path, &forms).await.status, 403, "{path}");
        }
        for path in ["/office/newsletters", BRIEF] {
            assert_eq!(house.get_as(&ed, path).await.status, 403, "{path}");
        }
        // An admin of one newsletter sees that one, and makes none.
        let list = house.get_as(&ann, "/office/newsletters").await;
        assert!(
            list.status == 200
                && list.body.contains(BRIEF)
                && !list.body.contains("/office/newsletters/other")
        );
        assert!(!list.body.contains("Make this newsletter"));
        for path in ["/office/newsletters", "/office/newsletters/other", "/office/newsletters/other/topics"] {
            assert_eq!(house.submit_as(&ann, path, &forms).await.status, 403, "{path}");
        }
        assert_eq!(house.get_as(&ann, "/office/newsletters/other").await.status, 403);
        assert_eq!(brief(&house).await.name, "brief");
        assert_eq!(house.logged().await.iter().filter(|(.., denied)| *denied).count(), 10);
        house.close().await;
    }
}
