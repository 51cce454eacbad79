//! Admins at the newsletters: their settings, topics and schedules.

use super::*;
use crate::domain::newsletter::{Newsletter, Order};
use crate::pipeline::{compose, newsletters as settings};

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
async fn settings_are_saved_in_one_go_and_refused_beside_their_fields() {
    for house in houses().await {
        let ann = house.sign_in_for_brief("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, BRIEF).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(page.body.matches("action=\"/office/newsletters/brief\"").count(), 1, "one form");
        assert!(page.body.contains("/office/newsletters/brief/schedules"), "{}", page.body);
        // What is on its page is told there: no word of the command line's.
        for word in ["docs/templates.md", "#rrggbb", "unless-held,", "daybreak "] {
            assert!(!page.body.contains(word), "{word}: {}", page.body);
        }
        let content = |fewest: &'static str, most: &'static str, age: &'static str, order: &'static str| {
            [("min-articles", fewest), ("max-articles", most), ("max-age-hours", age), ("order", order)]
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

        let mut wrong = content("9", "5", "soon", "newest").to_vec();
        wrong.extend([
            ("name", ""),
            ("colour", "#123456"),
            ("subject", "{{leed.title}}"),
            ("reply-to", "nobody"),
        ]);
        let refused = house.submit_as(&ann, BRIEF, &wrong).await;
        assert_eq!(refused.status, 422);
        assert!(problem(&refused, "max-age-hours").contains("“soon” is not a number from 1 to"));
        assert!(problem(&refused, "min-articles").contains("9 is more than the most articles, which is 5."));
        assert!(problem(&refused, "name").contains("A newsletter needs a name, such as Morning Brief."));
        assert!(problem(&refused, "subject").contains("unknown name “leed.title”"));
        assert!(!problem(&refused, "reply-to").is_empty());
        for (field, value) in
            [("max-age-hours", "soon"), ("colour", "#123456"), ("subject", "{{leed.title}}")]
        {
            let input = tag(&refused, &format!("<input id=\"{field}\""));
            assert!(input.contains(&format!("value=\"{value}\"")), "what was typed is kept: {input}");
        }
        // Above the form each is named by its label, in the page's order, and the first of them has the focus.
        assert_eq!(
            summary(&refused),
            ["name", "reply-to", "min-articles", "max-age-hours", "subject"],
            "{}",
            refused.body
        );
        for line in ["Fewest articles: 9 is more", "Greatest age in hours: “soon”", "Answers go to: “nobody”"]
        {
            assert!(refused.body.contains(line), "{line}: {}", refused.body);
        }
        for key in ["min-articles:", "max-articles (", "reply-to:", "max-age-hours:"] {
            assert!(!refused.body.contains(key), "{key} is a name of the command line's");
        }
        assert_eq!(refused.body.matches(" autofocus").count(), 1);
        assert!(tag(&refused, "<input id=\"name\"").contains(" autofocus"));
        assert!(refused.body.contains("<title>Problem: brief"));
        assert_eq!(brief(&house).await.rules, rules, "nothing of it is saved");
        assert_eq!(brief(&house).await.name, "brief");

        let sender = [
            ("from", "Morning Brief <brief@example.org>"),
            ("reply-to", ""),
            ("postal-address", "1 Quay\r\nHarwich"),
        ];
        assert_eq!(house.submit_as(&ann, BRIEF, &sender).await.status, 303);
        let kept = brief(&house).await;
        assert_eq!(
            (kept.from.name.as_str(), kept.postal_address.as_str()),
            ("Morning Brief", "1 Quay\nHarwich")
        );
        let editors = [
            ("approval", "unless-held"),
            ("cutoff-minutes", "30"),
            ("grace-minutes", "180"),
            ("editors", "a@example.org\r\nb@example.org"),
        ];
        assert_eq!(house.submit_as(&ann, BRIEF, &editors).await.status, 303);
        assert_eq!(brief(&house).await.editors.len(), 2);
        // The same again changes nothing, and is not written down; what a form does not have stays.
        let before = house.logged().await.len();
        assert_eq!(house.submit_as(&ann, BRIEF, &editors).await.status, 303);
        assert_eq!(house.submit_as(&ann, BRIEF, &editors[..3]).await.status, 303);
        assert_eq!((brief(&house).await.editors.len(), house.logged().await.len()), (2, before));
        assert_eq!(house.submit_as(&ann, BRIEF, &[("editors", "")]).await.status, 303);
        assert_eq!(brief(&house).await.editors.len(), 0, "a field that is empty says so");
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

/// A start tag that begins so, to its end.
fn tag<'b>(answer: &'b Answer, begins: &str) -> &'b str {
    let start = answer.body.find(begins).unwrap_or_else(|| panic!("{begins}: {}", answer.body));
    answer.body[start..].split('>').next().unwrap()
}

/// The fields that the lines above a form lead to.
fn summary(answer: &Answer) -> Vec<&str> {
    let (_, rest) = answer.body.split_once("class=\"problems\"").unwrap_or_else(|| panic!("{}", answer.body));
    let lines = rest.split("</ul>").next().unwrap().split("href=\"#").skip(1);
    lines.map(|line| line.split('"').next().unwrap()).collect()
}

/// The settings' form as a browser has it: every field with what it was, and these typed over.
async fn form_of<'f>(house: &House, person: &Person, typed: &[(&'f str, &'f str)]) -> Vec<(String, String)> {
    let newsletter = brief(house).await;
    assert_eq!(house.get_as(person, BRIEF).await.status, 200);
    let mut fields = vec![];
    for (key, _) in settings::KEYS.iter().filter(|(key, _)| *key != "topics") {
        let value = settings::value(&newsletter, key).unwrap();
        let typed = typed.iter().find(|(name, _)| name == key).map_or(value.as_str(), |(_, value)| value);
        fields.push(((*key).to_owned(), typed.to_owned()));
        fields.push((format!("was-{key}"), value));
    }
    fields
}

async fn send(house: &House, person: &Person, fields: &[(String, String)]) -> Answer {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    house.submit_as(person, BRIEF, &fields).await
}

#[tokio::test]
async fn a_save_that_another_admin_s_overtook_is_merged_or_refused_with_both_shown() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let ben = house.sign_in("ben@example.org", Role::Admin).await;
        let page = house.get_as(&ann, BRIEF).await.body;
        for field in ["name", "order", "postal-address"] {
            assert!(page.contains(&format!("name=\"was-{field}\"")), "{field}");
        }
        // Both open the page. Ben saves first; Ann's form has other fields of hers, and his as they were before.
        let anns = form_of(&house, &ann, &[("colour", "#112233"), ("order", "oldest")]).await;
        let bens = form_of(&house, &ben, &[("description", "Ben’s"), ("order", "sources")]).await;
        assert_eq!(send(&house, &ben, &bens).await.status, 303);
        let refused = send(&house, &ann, &anns).await;
        assert_eq!(refused.status, 422, "both changed the order");
        assert!(problem(&refused, "order").contains("Somebody else changed this while you wrote"));
        assert!(refused.body.contains("<option value=\"oldest\" selected"), "hers stands in the field");
        let (_, theirs) = refused.body.split_once("Now stored, by somebody else:").unwrap();
        assert!(theirs.split("</blockquote>").next().unwrap().contains("one of each source in turn"));
        assert!(
            tag(&refused, "<input id=\"colour\"").contains("#112233"),
            "what she typed elsewhere is kept"
        );
        assert!(tag(&refused, "<input id=\"description\"").contains("Ben’s"), "so is his");
        assert_eq!(summary(&refused), ["order"]);
        let kept = brief(&house).await;
        assert_eq!((kept.rules.order, kept.description.as_str()), (Order::Sources, "Ben’s"));
        assert_ne!(kept.colour, "#112233", "nothing of hers is saved yet");

        // Sent again as the page has it now, hers holds.
        let again = form_of(&house, &ann, &[("colour", "#112233"), ("order", "oldest")]).await;
        assert_eq!(send(&house, &ann, &again).await.status, 303);
        let kept = brief(&house).await;
        assert_eq!(
            (kept.rules.order, kept.colour.as_str(), kept.description.as_str()),
            (Order::Oldest, "#112233", "Ben’s")
        );

        // Or she takes his.
        let anns = form_of(&house, &ann, &[("order", "newest"), ("max-articles", "20")]).await;
        let bens = form_of(&house, &ben, &[("order", "sources")]).await;
        assert_eq!(send(&house, &ben, &bens).await.status, 303);
        assert_eq!(send(&house, &ann, &anns).await.status, 422);
        let mut again = form_of(&house, &ann, &[("order", "newest"), ("max-articles", "20")]).await;
        again.push(("take".to_owned(), "order".to_owned()));
        assert_eq!(send(&house, &ann, &again).await.status, 303);
        let kept = brief(&house).await;
        assert_eq!((kept.rules.order, kept.rules.max_articles), (Order::Sources, 20));

        // Different fields are merged, and that is told.
        let anns = form_of(&house, &ann, &[("colour", "#445566")]).await;
        let bens = form_of(&house, &ben, &[("subject", "{{lead.title}}")]).await;
        assert_eq!(send(&house, &ben, &bens).await.status, 303);
        let saved = send(&house, &ann, &anns).await;
        assert_eq!(saved.status, 303);
        let cookie = saved.header("set-cookie").split(';').next().unwrap().to_owned();
        let with = Person { cookie: format!("{}; {cookie}", ann.cookie), token: ann.token.clone() };
        let told = house.get_as(&with, BRIEF).await.body;
        assert!(
            told.contains("Saved: Colour.") && told.contains("Somebody else changed meanwhile: Subject."),
            "{told}"
        );
        let kept = brief(&house).await;
        assert_eq!((kept.colour.as_str(), kept.rules.subject.as_str()), ("#445566", "{{lead.title}}"));
        house.close().await;
    }
}

#[tokio::test]
async fn a_postal_address_from_elsewhere_can_be_changed_in_the_browser() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let command_line = accounts::Actor::command_line();
        for (stored, expected) in
            [("1 Quay\r\nHarwich\r\n", "1 Quay\nHarwich"), ("1 Quay\\nHarwich\\n", "1 Quay\nHarwich")]
        {
            let pair = format!("postal-address={stored}");
            settings::set(&house.app, &command_line, "brief", &[pair]).await.unwrap();
            assert_eq!(brief(&house).await.postal_address, expected);
        }
        // As an earlier version kept it.
        let mut newsletter = brief(&house).await;
        newsletter.postal_address = "1 Quay\r\nHarwich\n".to_owned();
        newsletters::update(&mut house.app.db.conn().await.unwrap(), &newsletter).await.unwrap();
        let before = house.logged().await.len();
        let untouched = form_of(&house, &ann, &[]).await;
        assert_eq!(send(&house, &ann, &untouched).await.status, 303);
        assert_eq!(house.logged().await.len(), before, "it is not touched");
        let typed = form_of(&house, &ann, &[("postal-address", "2 Quay\r\nHarwich")]).await;
        let saved = send(&house, &ann, &typed).await;
        assert_eq!(saved.status, 303, "{}", saved.body);
        assert_eq!(brief(&house).await.postal_address, "2 Quay\nHarwich");
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
        assert_eq!(summary(&refused), ["new-slug", "new-from", "new-timezone"]);
        for field in summary(&refused) {
            assert!(!problem(&refused, field).is_empty());
        }
        assert!(tag(&refused, "<input id=\"new-slug\"").contains(" autofocus"));
        assert!(refused.body.contains("value=\"Evening!\""));
        let taken = house.submit_as(&ann, path, &fields("brief", "e@example.org", "Europe/Paris")).await;
        assert!(problem(&taken, "new-slug").contains("choose another slug"));
        let made = house.submit_as(&ann, path, &fields("evening", "e@example.org", "Europe/Paris")).await;
        assert_eq!(made.header("location"), "/office/newsletters/evening/schedules", "{}", made.body);
        let list = house.get_as(&ann, path).await.body;
        assert!(list.contains("Evening") && list.contains("It has no schedule that runs"), "{list}");
        house.close().await;
    }
}

#[tokio::test]
async fn topics_are_added_renamed_and_removed_in_one_go_or_not_at_all() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        for name in ["Sport", "Sea"] {
            assert_eq!(house.submit_as(&ann, TOPICS, &[("new", name)]).await.status, 303);
        }
        let topics =
            async || newsletters::topics(&mut house.app.db.conn().await.unwrap(), house.brief).await.unwrap();
        let names = async || topics().await.into_iter().map(|topic| topic.name).collect::<Vec<_>>();
        let ids: Vec<i64> = topics().await.iter().map(|topic| topic.id).collect();
        let (sport, sea) = (format!("name-{}", ids[0]), format!("name-{}", ids[1]));
        // One of three cannot be: none is done, and all that was typed is kept.
        let typed = [(sport.as_str(), "SEA"), (&sea, "The sea"), ("new", "Harbour")];
        let refused = house.submit_as(&ann, TOPICS, &typed).await;
        assert_eq!(
            (refused.status.as_u16(), summary(&refused)),
            (422, vec![sport.as_str()]),
            "{}",
            refused.body
        );
        assert!(problem(&refused, &sport).contains("There is a topic “Sea” already"));
        assert!(refused.body.contains("Sport: There is a topic"), "named by what it is called");
        for (field, value) in typed {
            let input = tag(&refused, &format!("<input id=\"{field}\""));
            assert!(input.contains(&format!("value=\"{value}\"")), "{input}");
        }
        assert_eq!(names().await, ["Sport", "Sea"]);
        let typed = [(sport.as_str(), "Games"), (&sea, "Sea"), ("new", "Harbour")];
        assert_eq!(house.submit_as(&ann, TOPICS, &typed).await.status, 303);
        assert_eq!(names().await, ["Games", "Sea", "Harbour"]);
        assert_eq!(topics().await[0].slug, "sport");
        let nothing = house.submit_as(&ann, TOPICS, &[("new", " "), (&sea, "Sea")]).await;
        assert_eq!(nothing.status, 303);
        let empty = house.submit_as(&ann, TOPICS, &[(&sea, " ")]).await;
        assert!(problem(&empty, &sea).contains("A topic needs a name"), "{}", empty.body);
        // Ann's page is old: what she did not touch stays as another admin called it.
        let was = format!("was-{sport}");
        let old = [(sport.as_str(), "Sport"), (&was, "Sport"), (&sea, "The sea")];
        assert_eq!(house.submit_as(&ann, TOPICS, &old).await.status, 303);
        assert_eq!(names().await, ["Games", "The sea", "Harbour"]);

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
        let [of_sport, of_sea] = [ids[0].to_string(), ids[1].to_string()];
        let both = [("remove", of_sport.as_str()), ("remove", &of_sea)];
        let refused = house.submit_as(&ann, TOPICS, &both).await;
        assert!(problem(&refused, &sea).contains("a source gives it to its articles"), "{}", refused.body);
        assert_eq!(refused.body.matches("\" checked>").count(), 2, "the ticks are kept: {}", refused.body);
        assert_eq!(topics().await.len(), 3);
        assert_eq!(house.submit_as(&ann, TOPICS, &both[..1]).await.status, 303);
        assert_eq!(topics().await.len(), 2);
        // Of another newsletter.
        let other = a_newsletter(&house.app.db, "other").await;
        let mut tx = house.app.db.begin().await.unwrap();
        let theirs = newsletters::ensure_topic(&mut tx, other, "x", "X").await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let id = theirs.id.to_string();
        assert_eq!(house.submit_as(&ann, TOPICS, &[("remove", &id)]).await.status, 303);
        let mut conn = house.app.db.conn().await.unwrap();
        assert_eq!(newsletters::topics(&mut conn, other).await.unwrap().len(), 1);
        drop(conn);
        house.close().await;
    }
}

#[tokio::test]
async fn names_that_no_page_has_room_for_are_refused() {
    for house in houses().await {
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let long = "n".repeat(101);
        let refused = house.submit_as(&ann, BRIEF, &[("name", long.as_str())]).await;
        assert_eq!(refused.status, 422);
        assert!(
            problem(&refused, "name").contains("It has 101 characters, and may have 100"),
            "{}",
            refused.body
        );
        let from = format!("{long} <brief@example.org>");
        let refused = house.submit_as(&ann, BRIEF, &[("from", from.as_str())]).await;
        assert!(problem(&refused, "from").contains("may have 100"), "{}", refused.body);
        assert_eq!(house.submit_as(&ann, BRIEF, &[("name", &long[..100])]).await.status, 303);
        let topic = "t".repeat(61);
        let refused = house.submit_as(&ann, TOPICS, &[("new", topic.as_str())]).await;
        assert!(
            refused.status == 422 && refused.body.contains("61 characters, and may have 60"),
            "{}",
            refused.body
        );
        let by = &accounts::Actor::command_line();
        let refused = settings::set(&house.app, by, "brief", &[format!("topics={topic}")]).await.unwrap_err();
        assert!(refused.to_string().contains("may have 60"), "{refused}");
        let refused = settings::set(&house.app, by, "brief", &[format!("name={long}")]).await.unwrap_err();
        assert!(refused.to_string().contains("may have 100"), "{refused}");
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
        for (field, says) in [("at", "25:00"), ("days", "someday"), ("timezone", "Mars/Base")] {
            assert!(problem(&refused, field).contains(says));
        }
        assert_eq!(summary(&refused), ["at", "days", "timezone"]);
        assert!(refused.body.contains("Time: “25:00” is not a time of day"), "{}", refused.body);
        assert_eq!(submit(with("add", "", when("7:00", "daily", "Europe/Paris"))).await.status, 303);
        let taken = submit(with("add", "", when("8:00", "daily", "Europe/Paris"))).await;
        assert!(problem(&taken, "name").contains("has a schedule “daily” already"));
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
        assert!(house.get_as(&ann, BRIEF).await.body.contains("It goes out: Monday to Friday at 08:30"));
        let page = house.get_as(&ann, SCHEDULES).await;
        assert!(page.body.contains("Monday to Friday at 08:30 (Europe/Berlin)"), "{}", page.body);
        assert!(page.body.contains("on Monday at 08:30"), "{}", page.body);

        // Days that few have are written; what is wrong with them is told there.
        let mut rare = with("change", &id, when("8:30", "other", "Europe/Berlin"));
        rare.push(("other", "mon, dax".to_owned()));
        let refused = submit(rare.clone()).await;
        assert!(problem(&refused, "other").contains("does not name days") && summary(&refused) == ["other"]);
        rare.last_mut().unwrap().1 = "mon, thu".to_owned();
        assert_eq!(submit(rare).await.status, 303);
        assert_eq!(schedules(&house).await[0].slots.recurrence.to_string(), "mon,thu");
        // Days that are written where others are chosen are neither dropped nor taken: that is asked.
        for (verb, id) in [("change", id.as_str()), ("add", "")] {
            let mut both = with(verb, id, when("8:30", "daily", "Europe/Berlin"));
            both.extend([("other", "day 31".to_owned()), ("name", "both".to_owned())]);
            let refused = submit(both.clone()).await;
            assert_eq!(refused.status, 422, "{verb}");
            assert!(
                problem(&refused, "other").contains("Days says “every day”, and here stands “day 31”"),
                "{}",
                refused.body
            );
            assert!(
                tag(&refused, "<input id=\"other\"").contains("value=\"day 31\""),
                "what was typed is kept"
            );
            assert_eq!(schedules(&house).await[0].slots.recurrence.to_string(), "mon,thu");
            assert_eq!(schedules(&house).await.len(), 1);
        }
        let mut both = with("change", &id, when("8:30", "mon", "Europe/Berlin"));
        both.push(("other", "weekly".to_owned()));
        assert_eq!(submit(both).await.status, 303, "both say the same");
        let mut back = with("change", &id, when("8:30", "other", "Europe/Berlin"));
        back.push(("other", "mon,thu".to_owned()));
        assert_eq!(submit(back).await.status, 303);
        let page = house.get_as(&ann, &format!("{SCHEDULES}/{id}")).await;
        assert!(page.body.contains("value=\"other\" selected"), "{}", page.body);
        assert!(tag(&page, "<input id=\"other\"").contains("value=\"mon,thu\""));
        assert_eq!(submit(with("change", &id, when("8:30", "mon-fri", "Europe/Berlin"))).await.status, 303);
        let page = house.get_as(&ann, &format!("{SCHEDULES}/{id}")).await;
        assert!(page.body.contains("value=\"mon-fri\" selected"), "{}", page.body);
        // A page of its own for each, and for a new one.
        for path in [format!("{SCHEDULES}/{id}"), format!("{SCHEDULES}/add")] {
            assert_eq!(house.get_as(&ann, &path).await.status, 200, "{path}");
        }
        for path in [
            format!("{SCHEDULES}/77"),
            format!("{SCHEDULES}/x"),
            "/office/newsletters/%00/schedules/1".to_owned(),
        ] {
            assert_eq!(house.get_as(&ann, &path).await.status, 404, "{path}");
        }
        // Another admin changed it after this page was made: that is told, and what was typed is kept.
        let mut stale = with("change", &id, when("9:00", "mon-fri", "Europe/Berlin"));
        stale.push(("was", "07:00 daily Europe/Paris".to_owned()));
        let refused = submit(stale).await;
        assert_eq!(refused.status, 422);
        assert!(problem(&refused, "at").contains("now it is: Monday to Friday at 08:30"), "{}", refused.body);
        assert!(tag(&refused, "<input id=\"at\"").contains("value=\"9:00\""));
        assert!(
            refused.body.contains("name=\"was\" value=\"08:30 mon-fri Europe/Berlin\""),
            "{}",
            refused.body
        );

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
            [
                "schedule.add",
                "schedule.change",
                "schedule.change",
                "schedule.change",
                "schedule.change",
                "schedule.change",
                "schedule.pause",
                "schedule.resume",
                "schedule.remove"
            ]
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
            ("name", "Mine"),
            ("new", "Mine"),
            ("slug", "mine"),
            ("at", "7:00"),
            ("days", "daily"),
            ("timezone", "UTC"),
        ];
        for path in ["/office/newsletters", BRIEF, SCHEDULES, TOPICS] {
            assert_eq!(house.submit_as(&ed, path, &forms).await.status, 403, "{path}");
        }
        for path in ["/office/newsletters", BRIEF, SCHEDULES, TOPICS] {
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
        assert_eq!(house.logged().await.iter().filter(|(.., denied)| *denied).count(), 12);
        house.close().await;
    }
}
