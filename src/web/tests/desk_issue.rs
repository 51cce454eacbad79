//! The editor's page: order, headings, texts for the mail alone, two editors at once, undo.

use super::desk::{fields, type_in};
use super::*;
use crate::db;
use crate::domain::issue::IssueState;
use crate::pipeline::{compose, editors, inspect};

#[tokio::test]
async fn new_articles_go_in_by_themselves_until_an_editor_touches_the_issue() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.article("Ferry", &[]).await;
        house.article("Harbour", &[]).await;
        assert_eq!(house.holds(issue).await, ["Harbour", "Ferry"]);
        let page = house.open_issue(&ann, issue).await;
        // Something comes while she looks: it does not come between what she sees.
        house.article("Storm", &[]).await;
        let ferry = page.iter().filter(|(name, _)| name == "item").nth(1).unwrap().1.clone();
        let answer = house.send_issue(&ann, issue, &page, &format!("up:{ferry}")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, &*format!("/desk/issues/{issue}#i{ferry}"))
        );
        assert_eq!(house.holds(issue).await, ["Ferry", "Harbour"]);
        let train = house.article("Train", &[]).await;
        house.fill().await;
        assert_eq!(house.holds(issue).await, ["Ferry", "Harbour"]);
        let page = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        let waiting = page.split("id=\"waiting\"").nth(1).unwrap();
        assert!(
            waiting.contains("Train") && waiting.contains("Storm") && !waiting.contains(">Ferry<"),
            "{page}"
        );
        house.send_issue(&ann, issue, &fields(&page), &format!("put:{train}")).await;
        assert_eq!(house.holds(issue).await, ["Ferry", "Harbour", "Train"]);
        house.send_issue(&ann, issue, &house.open_issue(&ann, issue).await, "fill").await;
        assert_eq!(house.holds(issue).await, ["Train", "Storm", "Harbour", "Ferry"]);
        house.close().await;
    }
}

#[tokio::test]
async fn the_lead_goes_down_past_a_heading_and_an_emptied_heading_is_told() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &["World"]).await;
        let cup = house.article("Cup", &["Sport"]).await;
        let lead = house.article("Storm", &[]).await;
        let page = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        let items = |page: &str| {
            let items = fields(page).into_iter().filter(|(name, _)| name == "item").map(|(_, value)| value);
            items.collect::<Vec<_>>().join(" ")
        };
        let [h_ferry, h_cup] = [ferry, cup].map(|id| format!("h{id}"));
        let [ferry, cup, lead] = [ferry, cup, lead].map(|id| id.to_string());
        assert_eq!(items(&page), format!("{lead} {h_ferry} {ferry} {h_cup} {cup}"));
        // What would change nothing has no button: the first heading up, the last one down.
        for (button, is_hidden) in [("up", true), ("down", false)] {
            let shown =
                format!("value=\"{button}:{h_ferry}\"{}", if is_hidden { " hidden" } else { " data-step" });
            assert!(page.contains(&shown), "{shown}: {page}");
        }
        assert!(page.contains(&format!("value=\"down:{h_cup}\" hidden")), "{page}");
        let answer = house.send_issue(&ann, issue, &fields(&page), &format!("down:{lead}")).await;
        assert_eq!(answer.header("location"), format!("/desk/issues/{issue}#i{lead}"));
        assert_eq!(house.holds(issue).await, ["Ferry", "Storm", "Cup"]);
        let page = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert!(page.contains("moved “Ferry” to the top"), "{page}");
        assert_eq!(items(&page), format!("{ferry} h{lead} {lead} {h_cup} {cup}"));
        // Over the heading it is told as what it is, and so is a heading that is left with nothing.
        house.send_issue(&ann, issue, &fields(&page), &format!("up:{cup}")).await;
        let page = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert_eq!(items(&page), format!("{ferry} h{lead} {lead} {cup}"));
        assert!(page.contains("removed the heading “Sport”"), "{page}");
        house.send_issue(&ann, issue, &fields(&page), &format!("up:{lead}")).await;
        let page = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert!(page.contains("moved “Storm” above the heading “World”"), "{page}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_is_written_for_the_mail_is_in_the_mail_and_not_in_the_article() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &["World"]).await;
        let cup = house.article("Cup", &["Sport"]).await;
        let race = house.article("Race", &["Sport"]).await;
        let mut page = house.open_issue(&ann, issue).await;
        // It stands as in the mail: the lead, then topic by topic.
        let items: Vec<&str> =
            page.iter().filter(|(name, _)| name == "item").map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            items,
            [
                &race.to_string(),
                &format!("h{ferry}"),
                &ferry.to_string(),
                &format!("h{cup}"),
                &cup.to_string()
            ]
        );
        type_in(&mut page, "subject", "News & <views>");
        type_in(&mut page, "introduction", "Good morning.\r\n\r\nIt rains.");
        type_in(&mut page, &format!("headline-{ferry}"), "The ferry is back");
        type_in(&mut page, &format!("summary-{ferry}"), "");
        type_in(&mut page, &format!("heading-{ferry}"), "Abroad");
        let answer = house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let preview = inspect::preview(&house.app, issue, None).await.unwrap();
        assert_eq!(preview.subject(), "News & <views>");
        let text = preview.text();
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in {text}"));
        assert!(place("It rains.") < place("Race") && place("Race") < place("* Abroad *"));
        assert!(
            place("* Abroad *") < place("The ferry is back")
                && place("The ferry is back") < place("* Sport *")
        );
        assert!(
            !text.contains("* World *")
                && !text.contains("All about Ferry")
                && text.contains("All about Cup")
        );
        let mut conn = house.app.db.conn().await.unwrap();
        let article = db::articles::get(&mut conn, ferry).await.unwrap().unwrap();
        assert_eq!((article.title.as_str(), article.summary.as_str()), ("Ferry", "All about Ferry."));
        drop(conn);
        // Its length stands beside it, and an empty headline is the article's own again.
        let shown = house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body;
        assert!(shown.contains("<b data-count>14</b> characters"), "{shown}");
        let mut page = fields(&shown);
        type_in(&mut page, &format!("headline-{ferry}"), " ");
        house.send_issue(&ann, issue, &page, "save").await;
        let text = inspect::preview(&house.app, issue, None).await.unwrap().text();
        assert!(text.contains("Ferry") && !text.contains("The ferry is back"), "{text}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_laid_out_issue_goes_out_as_it_is_laid_out() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &["World"]).await;
        let cup = house.article("Cup", &["Sport"]).await;
        let race = house.article("Race", &["Sport"]).await;
        let page = house.open_issue(&ann, issue).await;
        // The heading of Sport goes up past the ferry, which now stands in its section.
        house.send_issue(&ann, issue, &page, &format!("up:h{cup}")).await;
        let page = house.open_issue(&ann, issue).await;
        house.send_issue(&ann, issue, &page, &format!("out:{race}")).await;
        house.article("Late", &[]).await;
        editors::approve(&house.app, issue).await.unwrap();
        let content =
            db::issues::content(&mut house.app.db.conn().await.unwrap(), issue).await.unwrap().unwrap();
        let shown: Vec<(i64, Option<&str>)> =
            content.articles.iter().map(|article| (article.id, article.section.as_deref())).collect();
        assert!(content.laid_out);
        assert_eq!(shown, [(ferry, None), (cup, Some("Sport"))]);
        // It says why it cannot be changed any more, and keeps what was typed.
        let mut late = page.clone();
        type_in(&mut late, "introduction", "Written too late");
        let answer = house.send_issue(&ann, issue, &late, "save").await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(
            answer.body.contains("Written too late") && answer.body.contains("no longer changes"),
            "{}",
            answer.body
        );
        assert!(answer.body.contains("It froze today at"), "{}", answer.body);
        let next = house.fill().await;
        assert_ne!(next, issue);
        assert!(house.holds(next).await.contains(&"Late".to_owned()));
        house.close().await;
    }
}

#[tokio::test]
async fn of_two_editors_at_once_the_second_is_told_and_nothing_is_lost() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ben = house.sign_in("ben@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &[]).await;
        let storm = house.article("Storm", &[]).await;
        let mut anns = house.open_issue(&ann, issue).await;
        let mut bens = anns.clone();
        type_in(&mut anns, "subject", "Ann's subject");
        type_in(&mut anns, &format!("headline-{ferry}"), "Ann's ferry");
        house.send_issue(&ann, issue, &anns, &format!("out:{storm}")).await;
        type_in(&mut bens, "subject", "Ben's subject");
        type_in(&mut bens, "introduction", "Ben's introduction");
        type_in(&mut bens, &format!("headline-{storm}"), "Ben's storm");
        let answer = house.send_issue(&ben, issue, &bens, "save").await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
        let page = unescaped(&answer.body);
        assert!(
            page.contains(
                "ann@example.org took “Storm” out; wrote the headline of “Ferry”; changed the subject"
            ),
            "{page}"
        );
        // Both texts of the subject; his alone where she wrote nothing; hers where he did not; and what was lost.
        assert!(page.contains("<blockquote>Ann's subject</blockquote>") && page.contains("Ben's subject"));
        assert_eq!(page.matches("<blockquote>").count(), 1);
        assert!(page.contains("Somebody took this article out") && page.contains("Ben's storm"));
        let again = fields(&answer.body);
        let value = |name: &str| again.iter().find(|(field, _)| field == name).unwrap().1.clone();
        assert_eq!(value("introduction"), "Ben's introduction");
        assert_eq!(value(&format!("headline-{ferry}")), "Ann's ferry");
        assert_eq!(stored_subject(&house, issue).await.as_deref(), Some("Ann's subject"));
        // He takes her subject, and puts the storm back with his text.
        let mut mine = again.clone();
        mine.push(("take".to_owned(), "subject".to_owned()));
        let answer = house.send_issue(&ben, issue, &mine, &format!("put:{storm}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(stored_subject(&house, issue).await.as_deref(), Some("Ann's subject"));
        let text = inspect::preview(&house.app, issue, None).await.unwrap().text();
        assert!(
            text.contains("Ben's introduction")
                && text.contains("Ann's ferry")
                && text.contains("Ben's storm"),
            "{text}"
        );
        house.close().await;
    }
}

#[tokio::test]
async fn every_step_can_be_taken_back() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &[]).await;
        house.article("Storm", &[]).await;
        house.send_issue(&ann, issue, &house.open_issue(&ann, issue).await, &format!("top:{ferry}")).await;
        let mut page = house.open_issue(&ann, issue).await;
        type_in(&mut page, "subject", "A subject");
        house.send_issue(&ann, issue, &page, "save").await;
        let answer = house
            .send_issue(&ann, issue, &house.open_issue(&ann, issue).await, &format!("out:{ferry}"))
            .await;
        assert_eq!(house.holds(issue).await, ["Storm"]);
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        // An undo without the version that was seen is of the last step alone.
        let undo = |step: i64| format!("/desk/issues/{issue}/undo/{step}");
        house.submit_as(&ann, &undo(2), &[]).await;
        assert_eq!(house.holds(issue).await, ["Storm"]);
        house.submit_as(&ann, &undo(3), &[]).await;
        assert_eq!(house.holds(issue).await, ["Ferry", "Storm"]);
        // It is a step itself.
        let shown = unescaped(&house.get_as(&ann, &format!("/desk/issues/{issue}")).await.body);
        assert!(shown.contains("went back to before they took “Ferry” out"), "{shown}");
        house.submit_as(&ann, &undo(4), &[]).await;
        assert_eq!(house.holds(issue).await, ["Storm"]);
        // Back to before everything: it fills by itself again.
        house.submit_as(&ann, &undo(1), &[("version", "4")]).await;
        assert_eq!(house.holds(issue).await, ["Storm"]);
        house.submit_as(&ann, &undo(1), &[("version", "5")]).await;
        house.article("Train", &[]).await;
        assert_eq!(house.holds(issue).await, ["Train", "Storm", "Ferry"]);
        assert_eq!(stored_subject(&house, issue).await, None);
        let mut conn = house.app.db.conn().await.unwrap();
        assert_eq!(db::composing::steps(&mut conn, issue, 0, 50).await.unwrap().len(), 6);
        drop(conn);
        house.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_said_at_its_field() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &[]).await;
        let mut page = house.open_issue(&ann, issue).await;
        type_in(&mut page, "subject", "{{nobody.knows}}");
        type_in(&mut page, &format!("headline-{ferry}"), &"long ".repeat(100));
        type_in(&mut page, "introduction", "Kept all the same");
        let answer = house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        for words in ["id=\"problem-subject\"", "nobody.knows", "Kept all the same", "300 is the most"] {
            assert!(answer.body.contains(words), "{words}: {}", answer.body);
        }
        assert_eq!(stored_subject(&house, issue).await, None);
        // A script learns the same.
        let mut fields: Vec<(&str, &str)> =
            page.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("do", "save"));
        let request = house.client.post(format!("{}/desk/issues/{issue}", house.base));
        let request = request.header("cookie", &ann.cookie).header("content-type", FORM);
        let request = request.header("accept", "application/json").body(urlencoded(&fields));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::UNPROCESSABLE_ENTITY, "application/json")
        );
        house.close().await;
    }
}

#[tokio::test]
async fn a_script_saves_one_order_after_the_other() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        for title in ["Ferry", "Storm", "Train"] {
            house.article(title, &[]).await;
        }
        let mut page = house.open_issue(&ann, issue).await;
        for order in [["Storm", "Train", "Ferry"], ["Ferry", "Storm", "Train"]] {
            let mut items: Vec<(usize, String)> = vec![];
            for (name, id) in page.iter().filter(|(name, _)| name == "item") {
                assert_eq!(name, "item");
                let title =
                    page.iter().find(|(field, _)| *field == format!("headline-{id}")).unwrap().1.clone();
                items.push((order.iter().position(|other| *other == title).unwrap(), id.clone()));
            }
            items.sort();
            page.retain(|(name, _)| name != "item");
            page.extend(items.into_iter().map(|(_, id)| ("item".to_owned(), id)));
            let mut fields: Vec<(&str, &str)> =
                page.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            fields.push(("do", "save"));
            let request = house.client.post(format!("{}/desk/issues/{issue}", house.base));
            let request = request.header("cookie", &ann.cookie).header("content-type", FORM);
            let request = request.header("accept", "application/json").body(urlencoded(&fields));
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            type_in(&mut page, "version", &answer["version"].to_string());
            for (name, mark) in answer["marks"].as_object().unwrap() {
                type_in(&mut page, name, mark.as_str().unwrap());
            }
            assert_eq!(house.holds(issue).await, order);
        }
        house.close().await;
    }
}

#[tokio::test]
async fn who_only_looks_is_shown_the_issue_and_changes_nothing() {
    for house in houses().await {
        let issue = house.daily().await;
        let ferry = house.article("Ferry", &[]).await;
        let eve = house.sign_in("eve@example.org", Role::Viewer).await;
        let page = house.get_as(&eve, &format!("/desk/issues/{issue}")).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Ferry") && !page.body.contains("id=\"compose\""), "{}", page.body);
        let path = format!("/desk/issues/{issue}");
        let fields = [("version", "0"), ("do", &*format!("out:{ferry}")), ("item", &*ferry.to_string())];
        assert_eq!(house.submit_as(&eve, &path, &fields).await.status, 403);
        assert_eq!(house.submit_as(&eve, &format!("{path}/undo/1"), &[]).await.status, 403);
        assert_eq!(house.submit_as(&eve, &format!("/desk/inbox/{ferry}/hold"), &[]).await.status, 403);
        assert_eq!(house.submit_as(&eve, "/desk/issues", &[("newsletter", "brief")]).await.status, 403);
        let fields = [("newsletter", "brief"), ("kind", "hand"), ("title", "Mine")];
        assert_eq!(house.submit_as(&eve, "/desk/inbox", &fields).await.status, 403);
        assert_eq!(house.holds(issue).await, ["Ferry"]);
        // Nobody at all is led to sign in, and who has no role for it learns nothing of it.
        assert_eq!(house.get(&path).await.status, StatusCode::SEE_OTHER);
        let fay = house.sign_in_for("fay@example.org").await;
        assert_eq!(house.get_as(&fay, &path).await.status, 403);
        assert!(!house.get_as(&fay, "/desk").await.body.contains("Morning Brief"));
        house.close().await;
    }
}

#[tokio::test]
async fn the_list_of_issues_is_read_page_by_page() {
    for house in houses().await {
        house.daily().await;
        // Forty days without an article.
        for _ in 0..40 {
            house.pass(24 * HOUR);
            compose::compose(&house.app).await.unwrap();
        }
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let first = house.get_as(&ann, "/desk/issues?newsletter=brief").await.body;
        assert_eq!(first.matches("class=\"title\"").count(), 30);
        assert!(first.contains("filling") && first.contains("skipped") && !first.contains(">Newer<"));
        let older = unescape_link(&first, "next");
        let second = house.get_as(&ann, &older).await.body;
        assert_eq!(second.matches("class=\"title\"").count(), 11);
        assert!(!second.contains(">Older<"));
        let newer = unescape_link(&second, "prev");
        let back = house.get_as(&ann, &newer).await.body;
        assert_eq!(back.matches("class=\"title\"").count(), 30);
        house.close().await;
    }
}

fn unescape_link(html: &str, rel: &str) -> String {
    let link = html.split(&format!("rel=\"{rel}\" href=\"")).nth(1).expect("there is such a page");
    super::desk::unescape(link.split('"').next().unwrap())
}

fn unescaped(html: &str) -> String {
    super::desk::unescape(html)
}

async fn stored_subject(house: &House, issue: i64) -> Option<String> {
    let mut conn = house.app.db.conn().await.unwrap();
    let issue = db::issues::get(&mut conn, issue).await.unwrap().unwrap();
    assert_ne!(issue.state, IssueState::Skipped);
    issue.subject
}

impl House {
    /// Signs in somebody who may nothing anywhere.
    async fn sign_in_for(&self, email: &str) -> Person {
        let email = EmailAddress::parse(email).unwrap();
        let id = accounts::add(&self.app, &email, "", None).await.unwrap();
        let value = accounts::start_session(&self.app, id, "a test", "192.0.2.1").await.unwrap();
        let (account, _) = accounts::of_cookie(&self.app, &value).await.unwrap().unwrap();
        Person { cookie: format!("daybreak={value}"), token: accounts::form_token(&self.app, &account) }
    }
}
