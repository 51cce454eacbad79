//! Messages read back by an independent parser.

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

use super::{Letter, ListHead, MailHead, Recipient};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::mail::{Hole, HoleValues, Holed, Mailbox, Piece, RenderedMail, escape_html};

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: name.to_owned(), address: EmailAddress::parse(address).unwrap() }
}

fn issue_head() -> MailHead {
    MailHead {
        from: mailbox("The Daily, Grüße", "news@example.org"),
        reply_to: Some(mailbox("", "editors@example.org")),
        list: Some(ListHead {
            name: "The Daily".to_owned(),
            id: "daily.example.org".to_owned(),
            help_url: Some("https://example.org/n/daily".to_owned()),
        }),
        feedback_id: Some("42:daily:digest:daybreak".to_owned()),
        auto_submitted: false,
    }
}

fn notice_head() -> MailHead {
    MailHead {
        from: mailbox("Daybreak", "news@example.org"),
        reply_to: None,
        list: None,
        feedback_id: None,
        auto_submitted: true,
    }
}

fn digest() -> RenderedMail {
    let text = |text: &str| Piece::Text(text.to_owned());
    RenderedMail {
        subject: Holed::plain("Today: three stories"),
        html: Holed(vec![
            text("<p>Hello "),
            Piece::Hole(Hole::Name),
            text("</p>\n.dots\n<a href=\""),
            Piece::Hole(Hole::UnsubscribeUrl),
            text("\">leave</a>\n"),
        ]),
        text: Holed(vec![text("Hello "), Piece::Hole(Hole::Name), text("!\n")]),
        language: "en".to_owned(),
    }
}

fn values() -> HoleValues {
    HoleValues {
        name: "Zoë <b> & Co.".to_owned(),
        email: "zoe@example.org".to_owned(),
        unsubscribe_url: "https://example.org/u/abc?x=1&y=2".to_owned(),
        view_url: "https://example.org/v/abc".to_owned(),
        preferences_url: "https://example.org/p/abc".to_owned(),
        links_url: "https://example.org/c/abc/".to_owned(),
        picture_url: "https://example.org/o/abc.gif".to_owned(),
    }
}

fn write(head: &MailHead, mail: &RenderedMail, to: &Mailbox, values: &HoleValues) -> String {
    let mut out = String::new();
    let unsubscribe = head.list.is_some().then_some("https://example.org/u/abc");
    Letter::new(head, mail).write(
        &mut out,
        &Recipient {
            mailbox: to,
            values,
            message_id: "d1.abc@example.org",
            date: Timestamp::parse("2026-03-29T01:02:03Z").unwrap(),
            list_unsubscribe: unsubscribe,
        },
    );
    out
}

fn parse(message: &str) -> Message<'_> {
    MessageParser::new().parse(message).unwrap()
}

fn names(message: &Message) -> Vec<String> {
    message.headers_raw().map(|(name, _)| name.to_owned()).collect()
}

const ISSUE_FIELDS: [&str; 15] = [
    "Date",
    "To",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Subject",
    "From",
    "Reply-To",
    "List-ID",
    "List-Help",
    "Feedback-ID",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
    "",
];

#[test]
fn an_issue_has_each_field_once() {
    let written = write(&issue_head(), &digest(), &mailbox("Zoë", "zoe@example.org"), &values());
    let message = parse(&written);
    assert_eq!(names(&message), ISSUE_FIELDS[..14]);
    let raw = |name: &str| message.header_raw(name.to_owned()).unwrap_or_default().trim().to_owned();
    assert_eq!(raw("Date"), "Sun, 29 Mar 2026 01:02:03 +0000");
    assert_eq!(raw("Message-ID"), "<d1.abc@example.org>");
    assert_eq!(raw("List-Unsubscribe"), "<https://example.org/u/abc>");
    assert_eq!(raw("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(raw("List-ID"), "The Daily <daily.example.org>");
    assert_eq!(raw("Feedback-ID"), "42:daily:digest:daybreak");
    assert_eq!(raw("Content-Language"), "en");
    assert_eq!(raw("To"), "=?UTF-8?Q?Zo=C3=AB?= <zoe@example.org>");
    assert_eq!(message.from().unwrap().first().unwrap().name(), Some("The Daily, Grüße"));
}

#[test]
fn a_notice_says_that_no_person_wrote_it_and_has_no_list_fields() {
    let written = write(&notice_head(), &digest(), &mailbox("", "zoe@example.org"), &values());
    let names = names(&parse(&written));
    assert!(names.contains(&"Auto-Submitted".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("List-") || name == "Feedback-ID"), "{names:?}");
}

#[test]
fn one_click_is_offered_only_over_https() {
    let mut out = String::new();
    let (to, values) = (mailbox("", "zoe@example.org"), values());
    let recipient = Recipient {
        mailbox: &to,
        values: &values,
        message_id: "d1@example.org",
        date: Timestamp::from_millis(0),
        list_unsubscribe: Some("http://example.org/u/abc"),
    };
    Letter::new(&issue_head(), &digest()).write(&mut out, &recipient);
    let names = names(&parse(&out));
    assert!(names.contains(&"List-Unsubscribe".to_owned()));
    assert!(!names.contains(&"List-Unsubscribe-Post".to_owned()));
}

#[test]
fn plain_text_comes_first_and_html_last() {
    let written = write(&issue_head(), &digest(), &mailbox("", "zoe@example.org"), &values());
    let message = parse(&written);
    let kinds: Vec<String> = message
        .parts
        .iter()
        .map(|part| part.content_type().unwrap())
        .map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()))
        .collect();
    assert_eq!(kinds, ["multipart/alternative", "text/plain", "text/html"]);
    assert_eq!(message.body_text(0).unwrap(), "Hello Zoë <b> & Co.!\r\n");
    assert!(message.body_html(0).unwrap().contains("Hello Zoë &lt;b&gt; &amp; Co.</p>"));
    assert!(message.body_html(0).unwrap().contains("href=\"https://example.org/u/abc?x=1&amp;y=2\""));
}

#[test]
fn a_local_part_beyond_ascii_stands_in_the_header_as_it_is() {
    let written = write(&issue_head(), &digest(), &mailbox("", "zoë@example.org"), &values());
    let message = parse(&written);
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("zoë@example.org"));
}

/// Text without carriage returns and control characters but for the line break and the tab.
fn text() -> impl Strategy<Value = String> {
    "(?s:[a-zF .=\n\té€😀<&\"-]|From |=_daybreak|\\PC){0,60}"
}

fn holed() -> impl Strategy<Value = Holed> {
    let piece = prop_oneof![
        text().prop_map(Piece::Text),
        proptest::sample::select(Hole::ALL.to_vec()).prop_map(Piece::Hole)
    ];
    proptest::collection::vec(piece, 0..6).prop_map(Holed)
}

fn subject() -> impl Strategy<Value = Holed> {
    let piece = prop_oneof![
        "\\PC{0,40}".prop_map(Piece::Text),
        proptest::sample::select(Hole::ALL.to_vec()).prop_map(Piece::Hole)
    ];
    proptest::collection::vec(piece, 0..4).prop_map(Holed)
}

fn any_values() -> impl Strategy<Value = HoleValues> {
    ("\\PC{0,30}", "\\PC{0,30}", "\\PC{0,90}").prop_map(|(name, email, url)| HoleValues {
        name,
        email,
        unsubscribe_url: url.clone(),
        view_url: url.clone(),
        preferences_url: url.clone(),
        links_url: url.clone(),
        picture_url: url,
    })
}

fn part_text(message: &Message, index: usize) -> String {
    match &message.parts[index].body {
        PartType::Text(text) | PartType::Html(text) => text.replace("\r\n", "\n"),
        other => panic!("not a text part: {other:?}"),
    }
}

fn check_wire(message: &str) -> Result<(), TestCaseError> {
    prop_assert!(message.ends_with("\r\n"));
    prop_assert!(message.is_ascii());
    let mut in_header = true;
    for line in message.strip_suffix("\r\n").unwrap().split("\r\n") {
        prop_assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        prop_assert!(!line.starts_with('.') && !line.starts_with("From "), "{line}");
        in_header &= !line.is_empty();
        prop_assert!(line.len() <= if in_header { 998 } else { 76 }, "{line}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_message_from_segments_is_the_filled_mail(
        subject in subject(), html in holed(), text in holed(), values in any_values()
    ) {
        let mail = RenderedMail { subject, html, text, language: "en".to_owned() };
        let written = write(&issue_head(), &mail, &mailbox("Zoë", "zoe@example.org"), &values);
        check_wire(&written)?;
        let message = parse(&written);
        prop_assert_eq!(names(&message), &ISSUE_FIELDS[..14]);
        prop_assert_eq!(message.subject().unwrap_or_default(), mail.subject.fill(&values, str::to_owned));
        prop_assert_eq!(message.parts.len(), 3);
        prop_assert_eq!(part_text(&message, 1), mail.text.fill(&values, str::to_owned));
        prop_assert_eq!(part_text(&message, 2), mail.html.fill(&values, escape_html));
    }

    #[test]
    fn no_value_whatever_it_holds_adds_a_field(
        hostile in "(?s:.|\r\n|\n|\r|\0|Bcc: x@y.org|:|\r\n\r\n){0,40}"
    ) {
        let mut head = issue_head();
        head.from.name.clone_from(&hostile);
        head.feedback_id = Some(hostile.clone());
        head.list = Some(ListHead {
            name: hostile.clone(),
            id: hostile.clone(),
            help_url: Some(format!("https://example.org/{hostile}")),
        });
        let holes = Hole::ALL.map(Piece::Hole).to_vec();
        let mail = RenderedMail {
            subject: Holed([vec![Piece::Text(hostile.clone())], holes.clone()].concat()),
            html: Holed(holes.clone()),
            text: Holed(holes),
            language: format!("en{hostile}"),
        };
        let values = HoleValues {
            name: hostile.clone(),
            email: hostile.clone(),
            unsubscribe_url: hostile.clone(),
            view_url: hostile.clone(),
            preferences_url: hostile.clone(),
            links_url: hostile.clone(),
            picture_url: hostile.clone(),
        };
        let to = mailbox(&hostile, "zoe@example.org");
        let mut out = String::new();
        Letter::new(&head, &mail).write(&mut out, &Recipient {
            mailbox: &to,
            values: &values,
            message_id: &format!("{hostile}@example.org"),
            date: Timestamp::from_millis(0),
            list_unsubscribe: Some(&format!("https://example.org/{hostile}")),
        });
        prop_assert!(!out.replace("\r\n", "").contains(['\r', '\n', '\0']));
        let message = parse(&out);
        prop_assert_eq!(names(&message), &ISSUE_FIELDS[..14]);
        prop_assert_eq!(message.parts.len(), 3);
    }
}
