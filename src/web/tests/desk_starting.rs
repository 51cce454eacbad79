//! The half minute before an issue goes out, on every page that shows the issue; and the head that those pages share.

use super::desk::type_in;
use super::*;
use crate::pipeline::editors;

#[tokio::test]
async fn every_page_of_the_desk_that_shows_an_issue_about_to_go_out_says_so_and_takes_it_back() {
    for house in houses().await {
        let id = house.draft().await.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let page = format!("/desk/issues/{id}");
        let words = "Going out in <span class=\"countdown\" data-countdown>24</span> seconds.";
        for (path, back) in [("/desk".to_owned(), "/desk"), (page.clone(), page.as_str())] {
            assert_eq!(house.press(&ed, id, "now").await.status, 303);
            house.pass(6_000);
            let shown = house.get_as(&ed, &path).await.body;
            assert!(shown.contains(words) && shown.contains("Take it back"), "{path}: {shown}");
            assert!(!shown.contains("data-compose"), "nothing can be changed now");
            assert!(shown.contains("10:00:30 Europe/Paris") && shown.contains("http-equiv=\"refresh\""));
            let seen = house.get_as(&viewer, &path).await.body;
            assert!(seen.contains(words) && !seen.contains("Take it back"), "{path}: {seen}");
            // Its button is that of the page that sends.
            let form =
                shown.split("class=\"notice starting\"").nth(1).unwrap().split("</form>").next().unwrap();
            let value = |name: &str| {
                let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
                rest.split('"').next().unwrap().to_owned()
            };
            let (saw, to) = (value("saw"), value("back"));
            let fields = [("do", "undo"), ("saw", saw.as_str()), ("back", to.as_str())];
            let answer = house.submit_as(&ed, &format!("{page}/send"), &fields).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, back), "{}", answer.body);
            assert!(!house.get_as(&ed, &path).await.body.contains("Going out"));
            house.app.clock.set(Timestamp::parse(NOW).unwrap());
        }
        house.press(&ed, id, "now").await;
        for tab in ["preview", "checks", "test", "live"] {
            let shown = house.get_as(&ed, &format!("{page}/{tab}")).await.body;
            assert!(shown.contains("Take it back"), "{tab}: {shown}");
        }
        let send = house.get_as(&ed, &format!("{page}/send")).await.body;
        assert_eq!(send.matches("value=\"undo\"").count(), 1, "{send}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_somebody_typed_while_a_colleague_sends_the_issue_is_kept() {
    for house in houses().await {
        let id = house.draft().await.id;
        let (ann, ben) = (
            house.sign_in("ann@example.org", Role::Editor).await,
            house.sign_in("ben@example.org", Role::Editor).await,
        );
        let mut typed = house.open_issue(&ann, id).await;
        house.press(&ben, id, "now").await;
        type_in(&mut typed, "introduction", "Good morning to everybody.");
        let answer = house.send_issue(&ann, id, &typed, "save").await;
        assert_eq!(answer.status, 422);
        let page = &answer.body;
        assert!(page.contains("Good morning to everybody.") && page.contains("Going out in"), "{page}");
        assert!(page.contains("Take it back in another tab"), "{page}");
        // Nothing leads away from what she typed.
        for part in ["data-then", "http-equiv=\"refresh\"", "value=\"undo\""] {
            assert!(!page.contains(part), "{part}: {page}");
        }
        house.close().await;
    }
}

#[tokio::test]
async fn all_pages_of_an_issue_have_one_head_and_one_row_of_tabs() {
    for house in houses().await {
        let id = house.draft().await.id;
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let head = |page: &str| {
            let (_, head) = page.split_once("<h1>").expect("a headline");
            head.split(" <span").next().unwrap().to_owned()
        };
        let tabs = |page: &str| -> Vec<String> {
            let (_, tabs) = page.split_once("<nav class=\"tabs\" aria-label=\"This issue\">").expect("tabs");
            let tabs = tabs.split("</nav>").next().unwrap();
            tabs.split("</a>")
                .filter_map(|tab| tab.rsplit_once('>').map(|(_, word)| word.to_owned()))
                .collect()
        };
        let path = |page: &str| format!("/desk/issues/{id}{page}");
        let edit = house.get_as(&ed, &path("")).await.body;
        assert_eq!(head(&edit), "Tomorrow’s brief");
        assert_eq!(tabs(&edit), ["Edit", "Preview", "Checks", "Test", "Send"]);
        for page in ["/preview", "/checks", "/test", "/send"] {
            let shown = house.get_as(&ed, &path(page)).await.body;
            assert_eq!((head(&shown), tabs(&shown)), (head(&edit), tabs(&edit)), "{page}");
            let here = format!("<a href=\"{}\" aria-current=\"page\">", path(page));
            assert!(shown.contains(&here), "{page}: {shown}");
        }
        assert!(edit.contains(&format!("<a href=\"{}\" aria-current=\"page\">Edit</a>", path(""))));
        editors::send(&house.app, id, true).await.unwrap();
        house.beat().await;
        let read = house.get_as(&ed, &path("")).await.body;
        assert_eq!(head(&read), "Today’s brief, No. 1");
        for page in ["", "/live", "/results", "/send"] {
            let shown = house.get_as(&ed, &path(page)).await.body;
            assert_eq!(head(&shown), head(&read), "{page}");
            let all = ["Issue", "Preview", "Checks", "Test", "Send", "Live", "Results"];
            assert_eq!(tabs(&shown), all, "{page}");
        }
        let viewer = house.sign_in("viewer@example.org", Role::Viewer).await;
        let shown = house.get_as(&viewer, &path("")).await.body;
        assert_eq!(tabs(&shown), ["Issue", "Preview", "Checks", "Live", "Results"]);
        // Of several schedules its own is named.
        house.schedule(house.brief, "weekly", "sun", "9:00").await;
        assert_eq!(head(&house.get_as(&ed, &path("")).await.body), "Today’s brief (daily), No. 1");
        house.close().await;
    }
}
