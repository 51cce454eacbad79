//! What pictures show, in words: from the source, written in the inbox or for the mail alone, asked for by the checks.

use super::desk::{Fields, fields, type_in};
use super::*;
use crate::db;
use crate::db::articles::Place;
use crate::domain::article::{FoundArticle, Identity};
use crate::domain::composition::Field;
use crate::domain::topic::TopicSet;
use crate::pipeline::{compose, editors, inspect};

impl House {
    /// An article with a picture, as a source brought it.
    async fn pictured(&self, title: &str, alt: Option<&str>) -> i64 {
        self.pass(60_000);
        let now = self.app.clock.now();
        let mut tx = self.app.db.begin().await.unwrap();
        let source = source(&mut tx, self.brief).await;
        let place = Place {
            newsletter_id: self.brief,
            source_id: Some(source),
            topics: TopicSet::EMPTY,
            story_id: None,
            fresh_at: now,
        };
        let found = with_picture(title, alt);
        let id = db::articles::insert(&mut tx, &found, place, &[], now).await.unwrap().unwrap();
        db::commit(tx).await.unwrap();
        compose::compose(&self.app).await.unwrap();
        id
    }

    /// What is said of the only picture in an issue's mail.
    async fn alt_in_mail(&self, issue: i64) -> String {
        let html = inspect::preview(&self.app, issue, None).await.unwrap().html();
        let picture = html.split("https://planet.example/pictures/").nth(1).expect("the mail has a picture");
        picture.split(" alt=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    async fn checks(&self, person: &Person, issue: i64) -> String {
        self.get_as(person, &format!("/desk/issues/{issue}/checks")).await.body
    }
}

/// The newsletter's only source.
async fn source(conn: &mut db::Conn, newsletter_id: i64) -> i64 {
    let known = db::sources::list(conn, Some(newsletter_id)).await.unwrap();
    if let Some(source) = known.first() {
        return source.id;
    }
    let (url, now) = ("https://planet.example/feed", Timestamp::parse(NOW).unwrap());
    db::sources::insert(conn, newsletter_id, url, Identity::Either, TopicSet::EMPTY, now).await.unwrap()
}

fn with_picture(title: &str, alt: Option<&str>) -> FoundArticle {
    FoundArticle {
        title: title.to_owned(),
        url: Some(format!("https://planet.example/{title}")),
        image_url: Some(format!("https://planet.example/pictures/{title}.jpg")),
        image_alt: alt.map(str::to_owned),
        ..FoundArticle::default()
    }
}

fn tick(page: &mut Fields, field: Field, is_ticked: bool) {
    let name = field.to_string();
    page.retain(|(known, _)| *known != name);
    page.push((name, if is_ticked { "yes" } else { "" }.to_owned()));
}

#[tokio::test]
async fn what_a_picture_shows_is_written_for_the_mail_alone_and_asked_for_until_it_is() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.pictured("Ferry", None).await;
        let alt = Field::Alt(ferry).to_string();
        let checks = house.checks(&ann, issue).await;
        assert!(checks.contains("nothing says what is to be seen with: Ferry"), "{checks}");
        assert!(checks.contains(&format!("href=\"/desk/issues/{issue}#{alt}\"")), "{checks}");
        let page = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert!(page.contains(&format!("id=\"{alt}\"")) && page.contains("Nobody has said it yet"), "{page}");

        let mut page = fields(&page);
        type_in(&mut page, &alt, " A ferry\r\nat \"dusk\" ");
        let answer = house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert_eq!(house.alt_in_mail(issue).await, "A ferry at &quot;dusk&quot;");
        assert!(house.checks(&ann, issue).await.contains("with their words"));
        let article =
            db::articles::get(&mut house.app.db.conn().await.unwrap(), ferry).await.unwrap().unwrap();
        assert_eq!(article.image_alt, None, "the article itself keeps what its source says");

        // Decorative: an empty text, and nothing is asked for.
        let mut page = house.open_issue(&ann, issue).await;
        tick(&mut page, Field::Decorative(ferry), true);
        house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(house.alt_in_mail(issue).await, "");
        let checks = house.checks(&ann, issue).await;
        assert!(checks.contains("1 decorative") && !checks.contains("nothing says what"), "{checks}");
        let shown = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert!(shown.contains("said that the picture of “Ferry” is decorative"), "{shown}");
        // A save that changes something else leaves it so.
        let mut page = fields(&shown);
        type_in(&mut page, "introduction", "Hello.");
        house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(house.alt_in_mail(issue).await, "");
        // No longer: nobody has said anything again; words stand over a tick.
        let mut page = house.open_issue(&ann, issue).await;
        tick(&mut page, Field::Decorative(ferry), false);
        house.send_issue(&ann, issue, &page, "save").await;
        assert!(house.checks(&ann, issue).await.contains("nothing says what is to be seen with: Ferry"));
        let mut page = house.open_issue(&ann, issue).await;
        tick(&mut page, Field::Decorative(ferry), true);
        type_in(&mut page, &alt, "A ferry");
        house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(house.alt_in_mail(issue).await, "A ferry");

        // What is frozen keeps it, on the public page as well.
        editors::approve(&house.app, issue).await.unwrap();
        let content = db::issues::content(&mut house.app.db.conn().await.unwrap(), issue).await.unwrap();
        assert_eq!(content.unwrap().articles[0].image_alt.as_deref(), Some("A ferry"));
        house.close().await;
    }
}

#[tokio::test]
async fn what_an_editor_writes_of_a_picture_outlives_what_its_source_says_but_not_the_picture() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.pictured("Ferry", Some("From the feed")).await;
        assert_eq!(house.alt_in_mail(issue).await, "From the feed");
        let describe = format!("/desk/inbox/{ferry}/picture");
        let inbox = house.get_as(&ann, "/desk/inbox").await.body;
        assert!(inbox.contains("Picture: From the feed") && inbox.contains(&describe), "{inbox}");
        let answer = house.submit_as(&ann, &describe, &[("alt", "A ferry at dusk")]).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert_eq!(house.alt_in_mail(issue).await, "A ferry at dusk");

        let refreshed = async |found: &FoundArticle| {
            let mut tx = house.app.db.begin().await.unwrap();
            let source = source(&mut tx, house.brief).await;
            let touched = db::articles::refresh(&mut tx, ferry, Some(source), found, TopicSet::EMPTY).await;
            db::commit(tx).await.unwrap();
            assert!(touched.unwrap(), "{found:?}");
        };
        refreshed(&with_picture("Ferry", Some("Anew from the feed"))).await;
        assert_eq!(house.alt_in_mail(issue).await, "A ferry at dusk");
        let signed = FoundArticle {
            image_url: Some("https://planet.example/pictures/Ferry.jpg?s=1#a".to_owned()),
            ..with_picture("Ferry", Some("Anew"))
        };
        refreshed(&signed).await;
        refreshed(&with_picture("Ferry", Some("Anew"))).await;
        assert_eq!(house.alt_in_mail(issue).await, "A ferry at dusk", "it is the same picture");
        let another = FoundArticle {
            image_url: Some("https://planet.example/pictures/other.jpg".to_owned()),
            ..with_picture("Ferry", Some("Another"))
        };
        refreshed(&another).await;
        assert_eq!(house.alt_in_mail(issue).await, "Another");

        // Decorative, and back to what the source says.
        house.submit_as(&ann, &describe, &[("alt", ""), ("decorative", "yes")]).await;
        assert_eq!(house.alt_in_mail(issue).await, "");
        let shown = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert!(
            shown.contains(&format!("name=\"{}\" value=\"yes\" checked", Field::Decorative(ferry))),
            "{shown}"
        );
        house.submit_as(&ann, &describe, &[("alt", "")]).await;
        assert_eq!(house.alt_in_mail(issue).await, "Another");
        let audit = db::testing::audited(&house.app.db).await;
        assert!(audit.iter().any(|line| line.contains("article.describe")), "{audit:?}");

        // Too long, or both at once: what was typed is kept.
        let long = "ferry ".repeat(60);
        for (form, problem) in [
            (vec![("alt", long.trim())], "300 is the most"),
            (vec![("alt", "A ferry"), ("decorative", "yes")], "not both"),
        ] {
            let answer = house.submit_as(&ann, &describe, &form).await;
            assert_eq!(answer.status, 422, "{}", answer.body);
            assert!(answer.body.contains(problem) && answer.body.contains(form[0].1), "{}", answer.body);
        }
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        assert_eq!(house.submit_as(&viewer, &describe, &[("alt", "Mine")]).await.status, 403);
        assert!(!house.get_as(&viewer, "/desk/inbox").await.body.contains(&describe));
        assert_eq!(house.submit_as(&ann, "/desk/inbox/999/picture", &[("alt", "x")]).await.status, 404);
        assert_eq!(house.alt_in_mail(issue).await, "Another");
        house.close().await;
    }
}

#[tokio::test]
async fn an_article_by_hand_has_a_picture_in_words_and_nothing_of_it_is_cut() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let form = [
            ("newsletter", "brief"),
            ("kind", "hand"),
            ("title", "A column"),
            ("url", ""),
            ("summary", "In short."),
            ("image", "https://planet.example/pictures/a.jpg"),
            ("image_alt", "A desk by the window"),
        ];
        let with = |name: &str, value: &str| -> Vec<(String, String)> {
            let own = |(field, known): &(&str, &str)| {
                ((*field).to_owned(), if *field == name { value } else { known }.to_owned())
            };
            form.iter().map(own).collect()
        };
        let long = |count: usize| "word ".repeat(count / 5);
        for (name, value, problem) in [
            ("title", long(305), "It has 304 characters, and 300 is the most"),
            ("summary", long(405), "It has 404 characters, and 400 is the most"),
            ("image_alt", long(305), "300 is the most"),
            ("url", format!("https://planet.example/{}", "a".repeat(2_000)), "2000 is the most"),
            ("image", "pictures/a.jpg".to_owned(), "is not a link"),
            ("image", String::new(), "leave out what it shows"),
        ] {
            let fields = with(name, &value);
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = house.submit_as(&ann, "/desk/inbox", &fields).await;
            assert_eq!(answer.status, 422, "{name}: {}", answer.body);
            let id = format!("id=\"{name}-problem\"");
            let body = super::desk::unescape(&answer.body);
            assert!(
                body.contains(&id) && body.contains(problem) && body.contains(value.trim()),
                "{name}: {body}"
            );
        }
        assert!(house.holds(issue).await.is_empty());
        let answer = house.submit_as(&ann, "/desk/inbox", &form).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert_eq!(house.alt_in_mail(issue).await, "A desk by the window");
        // Too many words to look for are refused, and kept as well.
        let inbox = house.get_as(&ann, &format!("/desk/inbox?q={}", "a".repeat(101))).await.body;
        assert!(
            inbox.contains("It has 101 characters, and 100 is the most") && inbox.contains(&"a".repeat(101))
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_mute_picture_of_a_held_issue_is_given_words_from_the_checks_or_in_the_inbox() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.pictured("Ferry", None).await;
        editors::approve(&house.app, issue).await.unwrap();
        let link = format!("href=\"/desk/issues/{issue}#{}\"", Field::Alt(ferry));
        assert!(!house.checks(&ann, issue).await.contains(&link), "it is approved");
        editors::hold(&house.app, issue).await.unwrap();
        assert!(house.checks(&ann, issue).await.contains(&link));
        let describe = format!("/desk/inbox/{ferry}/picture");
        house.submit_as(&ann, &describe, &[("alt", "A ferry at dusk")]).await;
        assert_eq!(house.alt_in_mail(issue).await, "A ferry at dusk");
        // What is said of it in the issue stays.
        house.submit_as(&ann, &describe, &[("alt", "A boat")]).await;
        assert_eq!(house.alt_in_mail(issue).await, "A ferry at dusk");
        house.close().await;
    }
}
