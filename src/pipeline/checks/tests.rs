//! Each rule, for a mail that keeps it and for one that does not.

use super::*;
use crate::domain::address::EmailAddress;
use crate::domain::article::IssueArticle;
use crate::domain::calendar::Timestamp;
use crate::domain::mail::{Holed, Mailbox, RenderedMail};
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Order, Rules};
use crate::domain::topic::{Topic, TopicSet};

fn newsletter() -> Newsletter {
    Newsletter {
        id: 1,
        slug: "brief".to_owned(),
        name: "Morning Brief".to_owned(),
        description: String::new(),
        from: Mailbox {
            name: "Morning Brief".to_owned(),
            address: EmailAddress::parse("brief@example.org").unwrap(),
        },
        reply_to: None,
        language: "en".to_owned(),
        zone: chrono_tz::UTC,
        postal_address: "1 Main Street".to_owned(),
        colour: "#b4451f".to_owned(),
        logo_url: None,
        rules: Rules {
            approval: Approval::Automatic,
            min_articles: 1,
            max_articles: 30,
            max_age_hours: None,
            order: Order::Newest,
            match_language: false,
            subject: String::new(),
            preheader: "What matters today".to_owned(),
            cutoff_minutes: 30,
            grace_minutes: 180,
            measure: Measure::Nothing,
        },
        editors: vec![],
        is_listed: true,
    }
}

fn article(id: i64, topics: TopicSet) -> IssueArticle {
    IssueArticle {
        id,
        headline: format!("Story {id}"),
        summary: String::new(),
        url: Some(format!("https://news.example/{id}")),
        image_url: Some(format!("https://news.example/{id}.png")),
        image_alt: Some("A harbour at dawn".to_owned()),
        source: String::new(),
        author: None,
        language: None,
        published_at: None,
        reading_minutes: 0,
        topics,
        section: None,
        also: vec![],
    }
}

fn content(articles: Vec<IssueArticle>) -> IssueContent {
    IssueContent { articles, ..IssueContent::default() }
}

#[test]
fn a_subject_is_there_and_not_too_long() {
    assert_eq!(subject("Harbour reopens").state, State::Good);
    assert_eq!(subject("  ").state, State::Bad);
    let long = subject(&"é".repeat(71));
    assert!(long.state == State::Warning && long.says.starts_with("71 characters"));
    assert_eq!(subject(&"é".repeat(70)).state, State::Good);
}

#[test]
fn a_preheader_is_written_by_somebody() {
    let mut newsletter = newsletter();
    assert_eq!(preheader(&content(vec![]), &newsletter).state, State::Good);
    newsletter.rules.preheader = " ".to_owned();
    assert_eq!(preheader(&content(vec![]), &newsletter).state, State::Warning);
    let own = IssueContent { preheader: "Own".to_owned(), ..IssueContent::default() };
    assert_eq!(preheader(&own, &newsletter).state, State::Good);
}

#[test]
fn readers_see_who_writes_and_from_where() {
    let mut newsletter = newsletter();
    assert_eq!((sender(&newsletter).state, postal_address(&newsletter).state), (State::Good, State::Good));
    newsletter.from.name.clear();
    newsletter.postal_address = "\n".to_owned();
    assert_eq!(
        (sender(&newsletter).state, postal_address(&newsletter).state),
        (State::Warning, State::Warning)
    );
}

#[test]
fn mail_programs_can_offer_to_leave() {
    let of = |head: &str| {
        let mail = RenderedMail {
            subject: Holed::plain(""),
            html: Holed::plain(""),
            text: Holed::plain(""),
            language: "en".to_owned(),
        };
        // What stands in the body is no header.
        let eml = format!("{head}\r\n\r\nlist-unsubscribe: <https://x.example>\r\n");
        leaving(&Preview { mail, eml }, "http://localhost:8080").state
    };
    let both = "List-Unsubscribe: <https://x.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click";
    assert_eq!(of(both), State::Good);
    assert_eq!(of("List-Unsubscribe: <http://x.example/u>"), State::Warning);
    assert_eq!(of("Subject: x"), State::Bad);
}

#[test]
fn images_are_said_in_words() {
    let mut with = content(vec![article(1, TopicSet::EMPTY)]);
    assert_eq!(alternative_texts(&with, r#"<img src="a" alt="A harbour">"#).state, State::Good);
    assert_eq!(alternative_texts(&with, r#"<img src="a" alt="">"#).state, State::Good);
    assert_eq!(alternative_texts(&with, r#"<img src="a">"#).state, State::Bad);
    with.articles[0].image_alt = Some(String::new());
    let decorative = alternative_texts(&with, r#"<img src="a" alt="">"#);
    assert!(decorative.state == State::Good && decorative.says.contains("1 decorative"), "{decorative:?}");
    with.articles[0].image_alt = None;
    let mute = alternative_texts(&with, r#"<img src="a" alt="">"#);
    assert!(mute.state == State::Warning && mute.says.contains("Story 1"));
    assert_eq!(mute.articles, [(1, "Story 1".to_owned())]);
    with.articles[0].image_url = None;
    assert_eq!(alternative_texts(&with, "").state, State::Good);
}

#[test]
fn a_mail_stays_below_what_gmail_shows() {
    assert_eq!(size(20_000).state, State::Good);
    assert_eq!(size(95 * 1024).state, State::Warning);
    assert_eq!(size(102 * 1024).state, State::Bad);
}

#[test]
fn a_colour_can_be_read() {
    assert_eq!(contrast("#b4451f", &[]).state, State::Good);
    let pale = contrast("#FFCC00", &[]);
    assert!(pale.state == State::Warning && pale.says.contains("mails use #"), "{}", pale.says);
}

#[test]
fn a_text_that_is_hard_to_read_is_named_with_its_colours_and_its_place() {
    let faint = render::faint("<p style='color:#999'>Leave</p>");
    let found = contrast("#b4451f", &faint);
    assert_eq!(found.state, State::Warning);
    for part in ["#999999 on #FFFFFF (2.84 to 1, wanted 4.5): “Leave”", "WCAG"] {
        assert!(found.says.contains(part), "{part}: {}", found.says);
    }
}

#[test]
fn there_is_a_text_part() {
    assert_eq!(text_part("Harbour reopens\n").state, State::Good);
    assert_eq!(text_part("\n \n").state, State::Bad);
}

#[test]
fn every_topic_has_an_article() {
    let topic = |bit: u8, name: &str| Topic {
        id: i64::from(bit),
        slug: name.to_lowercase(),
        name: name.to_owned(),
        bit,
    };
    let (science, arts) = (topic(0, "Science"), topic(1, "Arts"));
    let mut issue = content(vec![article(1, TopicSet::EMPTY.with(&science))]);
    issue.topics = vec![science.clone()];
    assert_eq!(empty_sections(&issue).state, State::Good);
    issue.topics = vec![science, arts];
    let empty = empty_sections(&issue);
    assert!(
        empty.state == State::Warning
            && empty.says.contains("no article on Arts: readers who chose nothing else get no mail")
    );
    issue.articles.push(article(2, TopicSet::EMPTY));
    assert!(empty_sections(&issue).says.contains("only what is for everybody"));
}

#[test]
fn an_article_is_sent_once() {
    let issue = content(vec![article(1, TopicSet::EMPTY), article(2, TopicSet::EMPTY)]);
    assert_eq!(sent_already(&issue, &[]).state, State::Good);
    let slot_at = Timestamp::from_millis(0);
    let mut before = SentBefore { article_id: 2, issue_id: 9, number: 4, slot_at, is_out: true };
    let again = sent_already(&issue, std::slice::from_ref(&before));
    assert!(again.state == State::Warning && again.says.contains("“Story 2” (No. 4)"), "{}", again.says);
    assert!(again.says.contains("Readers have had this already"), "{}", again.says);
    before.is_out = false;
    let twice = sent_already(&issue, &[before]);
    assert!(twice.state == State::Warning && twice.says.contains("may go out first"), "{}", twice.says);
}

#[test]
fn the_worst_finding_counts() {
    let good = Finding::good("a", "b");
    let (warning, bad) = (Finding::warning("a", "b", "c"), Finding::bad("a", "b", "c"));
    assert_eq!(worst(std::slice::from_ref(&good)), State::Good);
    assert_eq!(worst(&[good.clone(), warning.clone()]), State::Warning);
    assert_eq!(worst(&[good, bad, warning]), State::Bad);
}
