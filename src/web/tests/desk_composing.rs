//! The editor's page where something comes between: articles, other editors, a held article, a full issue.

use std::collections::BTreeMap;

use super::desk::{Fields, fields, type_in, unescape};
use super::sending::saw;
use super::*;
use crate::db;
use crate::domain::composition::{Field, Item, Layout};
use crate::domain::issue::{Issue, IssueState};
use crate::pipeline::composing::{self, By, Done, Edit, MOST_ARTICLES};
use crate::pipeline::{articles, compose, schedules};

/// What stands in an issue: articles by their titles, headings in angle brackets.
async fn stands(house: &House, issue: i64) -> Vec<String> {
    let mut conn = house.app.db.conn().await.unwrap();
    let places = db::composing::places(&mut conn, issue).await.unwrap();
    let articles = db::articles::of_issue(&mut conn, issue).await.unwrap();
    let title = |id: i64| articles.iter().find(|article| article.id == id).unwrap().title.clone();
    let lines = |place: &crate::domain::composition::Place| {
        let heading = place.heading.as_ref().map(|heading| format!("<{heading}>"));
        heading.into_iter().chain([title(place.article_id)]).collect::<Vec<_>>()
    };
    places.iter().flat_map(lines).collect()
}

async fn found(house: &House, id: i64) -> Issue {
    db::issues::get(&mut house.app.db.conn().await.unwrap(), id).await.unwrap().unwrap()
}

fn items(page: &Fields) -> Vec<&str> {
    page.iter().filter(|(name, _)| name == "item").map(|(_, item)| item.as_str()).collect()
}

/// Puts the list into another order, as dragging does.
fn drag(page: &mut Fields, order: &[String]) {
    page.retain(|(name, _)| name != "item");
    page.extend(order.iter().map(|item| ("item".to_owned(), item.clone())));
}

/// Saves as the page's script does, and takes over the version and the marks.
async fn save_behind_the_page(house: &House, person: &Person, issue: i64, page: &mut Fields) -> StatusCode {
    let mut fields: Vec<(&str, &str)> =
        page.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.retain(|(name, _)| *name != "token");
    fields.extend([("do", "save"), ("token", &person.token)]);
    let request = house.client.post(format!("{}/desk/issues/{issue}", house.base));
    let request = request.header("cookie", &person.cookie).header("content-type", FORM);
    let request = request.header("accept", "application/json").body(urlencoded(&fields));
    let answer = Answer::of(request.send().await.unwrap()).await;
    if answer.status == 200 {
        let saved: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        type_in(page, "version", &saved["version"].to_string());
        for (name, mark) in saved["marks"].as_object().unwrap() {
            if page.iter().any(|(field, _)| field == name) {
                type_in(page, name, mark.as_str().unwrap());
            }
        }
    }
    answer.status
}

#[tokio::test]
async fn the_first_save_keeps_every_heading_as_it_was_shown_whatever_came_meanwhile() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        for (title, topic) in [("Cup", "Sport"), ("Ferry", "World"), ("Race", "Sport"), ("Harbour", "World")]
        {
            house.article(title, &[topic]).await;
        }
        let shown = ["Harbour", "<World>", "Ferry", "<Sport>", "Race", "Cup"];
        let mut page = house.open_issue(&ann, issue).await;
        // It leads from now on, and all others stand topic by topic below it.
        house.article("Storm", &["Sport"]).await;
        type_in(&mut page, "introduction", "Good morning.");
        let answer = house.send_issue(&ann, issue, &page, "save").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(stands(&house, issue).await, shown);
        house.close().await;
    }
}

#[tokio::test]
async fn what_was_typed_stays_where_something_is_refused() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &[]).await;
        let mut page = house.open_issue(&ann, issue).await;
        type_in(&mut page, "subject", "Ferries");
        house.send_issue(&ann, issue, &page, "save").await;
        let storm = house.article("Storm", &[]).await;
        let mut page = house.open_issue(&ann, issue).await;
        type_in(&mut page, "introduction", "Written for an hour");
        type_in(&mut page, &format!("headline-{ferry}"), "The ferry is back");
        // A colleague holds what she puts in.
        composing::flag(&house.app, By::CommandLine, storm, Some(true), None).await.unwrap();
        let answer = house.send_issue(&ann, issue, &page, &format!("put:{storm}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
        assert!(answer.body.contains("This article is held"), "{}", answer.body);
        let again = fields(&answer.body);
        for typed in ["Written for an hour", "The ferry is back"] {
            assert!(again.iter().any(|(_, value)| value == typed), "{again:?}");
        }
        let answer = house.send_issue(&ann, issue, &again, "save").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(found(&house, issue).await.introduction, "Written for an hour");
        house.close().await;
    }
}

#[tokio::test]
async fn a_stale_save_keeps_the_second_editors_order_and_says_so() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ben = house.sign_in("ben@example.org", Role::Editor).await;
        for title in ["Ferry", "Storm", "Train"] {
            house.article(title, &[]).await;
        }
        let mut anns = house.open_issue(&ann, issue).await;
        let mut bens = anns.clone();
        type_in(&mut anns, "subject", "Ann's subject");
        assert_eq!(save_behind_the_page(&house, &ann, issue, &mut anns).await, 200);
        let mut order: Vec<String> = items(&bens).into_iter().map(str::to_owned).collect();
        order.reverse();
        drag(&mut bens, &order);
        assert_eq!(save_behind_the_page(&house, &ben, issue, &mut bens).await, StatusCode::CONFLICT);
        let answer = house.send_issue(&ben, issue, &bens, "save").await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
        assert!(answer.body.contains("The order is yours"), "{}", answer.body);
        assert_eq!(house.holds(issue).await, ["Train", "Storm", "Ferry"]);
        house.send_issue(&ben, issue, &fields(&answer.body), "save").await;
        assert_eq!(house.holds(issue).await, ["Ferry", "Storm", "Train"]);
        // Who moved nothing does not undo the other's order.
        let answer = house.send_issue(&ann, issue, &anns, "save").await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(!answer.body.contains("The order is yours"), "{}", answer.body);
        assert_eq!(items(&fields(&answer.body)), order);
        house.close().await;
    }
}

#[tokio::test]
async fn a_heading_that_was_dragged_is_removed_when_its_button_says_so() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let second = house.article("Second", &["World"]).await;
        let first = house.article("First", &["World"]).await;
        let lead = house.article("Lead", &[]).await;
        let mut page = house.open_issue(&ann, issue).await;
        let heading = format!("h{first}");
        assert_eq!(items(&page), [lead.to_string(), heading.clone(), first.to_string(), second.to_string()]);
        let down = [lead.to_string(), first.to_string(), heading.clone(), second.to_string()];
        drag(&mut page, &down);
        assert_eq!(save_behind_the_page(&house, &ann, issue, &mut page).await, 200);
        assert_eq!(stands(&house, issue).await, ["Lead", "First", "<World>", "Second"]);
        let up = [lead.to_string(), heading.clone(), first.to_string(), second.to_string()];
        drag(&mut page, &up);
        assert_eq!(save_behind_the_page(&house, &ann, issue, &mut page).await, 200);
        assert_eq!(stands(&house, issue).await, ["Lead", "<World>", "First", "Second"]);
        drag(&mut page, &down);
        let answer = house.send_issue(&ann, issue, &page, &format!("unhead:{first}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(stands(&house, issue).await, ["Lead", "First", "Second"]);
        house.close().await;
    }
}

#[tokio::test]
async fn an_undo_leaves_the_heading_of_an_article_that_is_held_since() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.article("Tram", &["World"]).await;
        let ferry = house.article("Ferry", &["World"]).await;
        house.article("Lead", &[]).await;
        for subject in ["One", "Two"] {
            let mut page = house.open_issue(&ann, issue).await;
            type_in(&mut page, "subject", subject);
            house.send_issue(&ann, issue, &page, "save").await;
        }
        assert_eq!(stands(&house, issue).await, ["Lead", "<World>", "Ferry", "Tram"]);
        composing::flag(&house.app, By::CommandLine, ferry, Some(true), None).await.unwrap();
        let undo = format!("/desk/issues/{issue}/undo/2");
        house.submit_as(&ann, &undo, &[("version", "3")]).await;
        assert_eq!(found(&house, issue).await.subject.as_deref(), Some("One"));
        assert_eq!(stands(&house, issue).await, ["Lead", "<World>", "Tram"]);
        house.close().await;
    }
}

#[tokio::test]
async fn an_article_is_pinned_while_an_edited_issue_is_full() {
    for house in houses().await {
        let issue = house.daily().await;
        let mut ids = vec![];
        for number in 0..=MOST_ARTICLES {
            let url = Some(format!("https://planet.example/{number}"));
            let new =
                articles::ByHand { title: format!("Story {number}"), url, ..articles::ByHand::default() };
            let found = articles::by_hand(new).unwrap();
            let added = articles::add(&house.app, "brief", &found, &[]).await.unwrap();
            let (articles::Added::New(article) | articles::Added::Known(article)) = added;
            ids.push(article.id);
        }
        let one_more = ids.pop().unwrap();
        let layout = Layout { items: ids.iter().map(|id| Item::Article(*id)).collect(), ..Layout::default() };
        let version = found(&house, issue).await.version;
        let edit = Edit { version, layout, ..Edit::default() };
        let done = composing::edit(&house.app, By::CommandLine, issue, &edit).await.unwrap();
        assert!(matches!(done, Done::Changed { .. }), "{done:?}");
        let pinned = composing::flag(&house.app, By::CommandLine, one_more, None, Some(true)).await.unwrap();
        assert!(pinned.pinned);
        assert_eq!(house.holds(issue).await.len(), MOST_ARTICLES);
        // One that is in goes to the top all the same.
        composing::flag(&house.app, By::CommandLine, ids[7], None, Some(true)).await.unwrap();
        assert_eq!(house.holds(issue).await[0], "Story 7");
        house.close().await;
    }
}

#[tokio::test]
async fn a_heading_for_an_article_that_was_taken_out_meanwhile_is_shown_and_comes_back_with_it() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ben = house.sign_in("ben@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &[]).await;
        let storm = house.article("Storm", &[]).await;
        house.article("Lead", &[]).await;
        let page = house.open_issue(&ann, issue).await;
        let mut bens = page.clone();
        type_in(&mut bens, &format!("heading-{ferry}"), "Far away");
        type_in(&mut bens, &format!("heading-{storm}"), "Weather");
        // She takes one out, and puts the other to the top, which has no heading.
        house.send_issue(&ann, issue, &page, &format!("out:{ferry}")).await;
        house.send_issue(&ann, issue, &house.open_issue(&ann, issue).await, &format!("top:{storm}")).await;
        let answer = house.send_issue(&ben, issue, &bens, "save").await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        let body = unescape(&answer.body);
        let lost = body.split("Somebody took this article out").nth(1).expect("it says so");
        assert!(lost.contains("Far away"), "{body}");
        // The lead's goes to what is below it now.
        let again = fields(&answer.body);
        house.send_issue(&ben, issue, &again, &format!("put:{ferry}")).await;
        assert_eq!(stands(&house, issue).await, ["Storm", "<Weather>", "Lead", "<Far away>", "Ferry"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_heading_that_two_wrote_is_shown_twice() {
    for house in houses().await {
        let issue = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        let ben = house.sign_in("ben@example.org", Role::Editor).await;
        let ferry = house.article("Ferry", &["World"]).await;
        house.article("Lead", &[]).await;
        let mut anns = house.open_issue(&ann, issue).await;
        let mut bens = anns.clone();
        let field = format!("heading-{ferry}");
        type_in(&mut anns, &field, "Abroad");
        house.send_issue(&ann, issue, &anns, "save").await;
        type_in(&mut bens, &field, "Far away");
        let answer = house.send_issue(&ben, issue, &bens, "save").await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("<blockquote>Abroad</blockquote>"), "{}", answer.body);
        let mut again = fields(&answer.body);
        assert!(again.contains(&(field.clone(), "Far away".to_owned())), "{again:?}");
        // He takes hers.
        again.push(("take".to_owned(), field));
        house.send_issue(&ben, issue, &again, "save").await;
        assert_eq!(stands(&house, issue).await, ["Lead", "<Abroad>", "Ferry"]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_heading_too_long_is_refused_however_it_is_sent() {
    for house in houses().await {
        let issue = house.daily().await;
        house.article("Ferry", &[]).await;
        let lead = house.article("Lead", &[]).await;
        let headings = BTreeMap::from([(lead, Some("long ".repeat(40)))]);
        let edit = Edit { layout: Layout { headings, ..Layout::default() }, ..Edit::default() };
        let refused = composing::edit(&house.app, By::CommandLine, issue, &edit).await.unwrap_err();
        assert!(refused.to_string().contains(&Field::Heading(0).limit().to_string()), "{refused}");
        house.close().await;
    }
}

#[tokio::test]
async fn an_issue_that_is_filling_is_given_another_time_and_its_cutoff_goes_with_it() {
    for house in houses().await {
        let id = house.daily().await;
        let ann = house.sign_in("ann@example.org", Role::Editor).await;
        house.article("Ferry", &[]).await;
        let path = format!("/desk/issues/{id}/send");
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let move_to = async |time: &str| {
            let page = house.get_as(&ann, &path).await.body;
            house.submit_as(&ann, &path, &[("do", "move"), ("at", time), ("saw", saw(&page))]).await
        };
        let page = house.get_as(&ann, &format!("/desk/issues/{id}")).await.body;
        assert!(page.contains(&format!("href=\"{path}#do-move\"")), "{page}");
        let page = house.get_as(&ann, &path).await.body;
        assert!(page.contains("Its content freezes 30 minutes before that time"), "{page}");
        for (time, why) in [("2026-11-21T09:00", "has passed"), ("2026-11-23T07:00", "next issue goes out")] {
            let answer = move_to(time).await;
            assert_eq!(answer.status, 422, "{time}");
            assert!(answer.body.contains(why), "{time}: {}", answer.body);
        }
        assert_eq!(move_to("2026-11-22T09:15").await.status, StatusCode::SEE_OTHER);
        assert!(house.get_as(&ann, &path).await.body.contains("own time is tomorrow at 07:00"));
        // The scheduler leaves it there, and it still fills.
        house.article("Storm", &[]).await;
        let issue = found(&house, id).await;
        assert_eq!(
            (issue.slot_at, issue.cutoff_at, issue.slot_date.to_string().as_str()),
            (at("2026-11-22T08:15:00Z"), at("2026-11-22T07:45:00Z"), "2026-11-22")
        );
        assert_eq!(house.holds(id).await, ["Storm", "Ferry"]);
        // Its schedule's own time takes that back; a schedule with another time takes it along.
        move_to("2026-11-22T07:00").await;
        assert_eq!(found(&house, id).await.moved_from, None);
        move_to("2026-11-22T09:15").await;
        let mut conn = house.app.db.conn().await.unwrap();
        let schedule = newsletters::schedules_of(&mut conn, house.brief).await.unwrap().remove(0);
        drop(conn);
        let later = Slots { at: TimeOfDay::parse("08:00").unwrap(), ..schedule.slots };
        let mut conn = house.app.db.conn().await.unwrap();
        let brief = crate::db::newsletters::get(&mut conn, house.brief).await.unwrap().unwrap();
        drop(conn);
        let by = &crate::pipeline::accounts::Actor::command_line();
        schedules::change(&house.app, by, &brief, schedule.id, later).await.unwrap();
        assert_eq!(house.fill().await, id);
        assert_eq!(found(&house, id).await.slot_at, at("2026-11-22T07:00:00Z"));
        // It freezes and goes out when it was moved to, and the next day has its own.
        move_to("2026-11-21T18:00").await;
        house.app.clock.set(at("2026-11-21T16:30:00Z"));
        compose::compose(&house.app).await.unwrap();
        let issue = found(&house, id).await;
        assert_eq!((issue.state, issue.slot_at), (IssueState::Approved, at("2026-11-21T17:00:00Z")));
        let next = house.fill().await;
        assert_eq!(found(&house, next).await.slot_at, at("2026-11-23T07:00:00Z"));
        // The next is not moved before it.
        let path = format!("/desk/issues/{next}/send");
        let page = house.get_as(&ann, &path).await.body;
        let fields = [("do", "move"), ("at", "2026-11-21T17:45"), ("saw", saw(&page))];
        let answer = house.submit_as(&ann, &path, &fields).await;
        assert!(answer.body.contains("the issue before it has not gone out"), "{}", answer.body);
        house.close().await;
    }
}
