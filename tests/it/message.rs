//! What arrives: every rule for bulk mail, on messages that the real program sent.

use std::collections::BTreeSet;

use mail_parser::{MessageParser, MimeHeaders as _};

use crate::daybreak::{Daybreak, everywhere, on_sqlite};
use crate::feeds::{Feeds, Item};
use crate::mail::Mail;
use crate::sink::{Accepted, Options, Sink};

/// A name with everything that headers stumble over.
const HARD_NAME: &str = "Zoë “Žofka” Müller-Lüdenscheidt, née Ångström; 山田太郎 <b>@ \"quoted\" ";

/// Sends one issue with these items to these readers, and returns what arrived.
async fn send(
    daybreak: &mut Daybreak,
    settings: &[&str],
    csv: &str,
    items: &[Item],
) -> (Sink, Vec<Accepted>) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    daybreak.newsletter(settings).await;
    daybreak.schedule("07:00", "Europe/Paris", "daily").await;
    daybreak.readers(csv).await;
    daybreak.source(&feeds, "/feed", items).await;
    daybreak.serve_once("2026-03-02T06:00:00Z").await;
    let accepted = sink.accepted();
    (sink, accepted)
}

fn find<'a>(accepted: &'a [Accepted], to: &str) -> &'a Accepted {
    accepted.iter().find(|accepted| accepted.to == [to]).unwrap_or_else(|| panic!("nothing for {to}"))
}

/// What holds for each message, whoever it is for.
fn check_form(raw: &[u8]) {
    let text = std::str::from_utf8(raw).expect("a message is ASCII");
    assert!(text.is_ascii(), "a message is ASCII");
    assert!(text.ends_with("\r\n"));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "no bare LF");
    assert_eq!(text.matches('\r').count(), text.matches("\r\n").count(), "no bare CR");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    for line in head.split("\r\n") {
        assert!(line.len() <= 998, "RFC 5322 §2.1.1: {line}");
        let is_long_uri = line.contains("https://");
        assert!(line.len() <= 78 || is_long_uri || line.contains("b="), "78 are preferred: {line}");
        assert!(!line.trim().is_empty(), "no line of white space");
    }
    for line in body.split("\r\n") {
        assert!(line.len() <= 76, "RFC 2045 §6.7: {line}");
        assert!(
            !line.ends_with([' ', '\t']),
            "white space at the end of a line is lost on the way: {line:?}"
        );
    }
    let mail = Mail::parse(raw);
    for once in [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "List-Id",
        "List-Help",
        "Feedback-ID",
    ] {
        mail.field(once);
    }
    for never in ["Bcc", "Cc", "Sender", "Return-Path", "Precedence"] {
        assert!(mail.fields(never).is_empty(), "{never}");
    }
    check_encoded_words(head);
}

/// RFC 2047 §2 and §5: 75 characters at most, whole characters, not within quotation marks.
fn check_encoded_words(head: &str) {
    use base64::Engine as _;
    for line in head.split("\r\n") {
        for word in line.split([' ', '\t']).filter(|word| word.contains("=?")) {
            assert!(word.starts_with("=?") && word.ends_with("?="), "an encoded word stands alone: {word}");
            assert!(word.len() <= 75, "{word}");
            let parts: Vec<&str> = word.trim_matches(['=', '?']).split('?').collect();
            let [charset, encoding, content] = parts.as_slice() else { panic!("{word}") };
            assert_eq!(charset.to_ascii_lowercase(), "utf-8");
            let bytes = match encoding.to_ascii_uppercase().as_str() {
                "B" => {
                    // The trailing = was trimmed with the frame.
                    let content = word.rsplit_once("?=").unwrap().0.rsplit_once('?').unwrap().1;
                    base64::engine::general_purpose::STANDARD.decode(content).unwrap()
                }
                "Q" => unquote(content),
                other => panic!("{other}"),
            };
            String::from_utf8(bytes).expect("no character is split between two words");
        }
        let quoted: String = line.split('"').skip(1).step_by(2).collect();
        assert!(!quoted.contains("=?"), "no encoded word in quotation marks: {line}");
    }
}

fn unquote(content: &str) -> Vec<u8> {
    let mut bytes = content.bytes();
    let mut out = vec![];
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_as_the_standards_and_the_mailbox_providers_want_it() {
    everywhere(async |daybreak| {
        daybreak.run(&["migrate"]).await;
        let quoted = HARD_NAME.replace('"', "\"\"");
        let csv = format!("email,name\nann@example.net,Ann Arbor\nzoe@example.net,\"{quoted}\"\nbob@example.net,\n");
        let settings = [
            "name=Größte Nachrichten des Tages — für alle, die früh aufstehen",
            "reply-to=redaktion@example.org",
            "subject=Žluťoučký kůň: {{#each articles}}{{title}}; {{/each}}und noch viel mehr für heute früh",
        ];
        let items = [
            Item::new("Ein Pferd spricht übers Wetter"),
            Item::new(".dots at the start, and a very long line that goes on and on and on, without an end in sight, so that it must be broken somewhere"),
        ];
        let (_sink, accepted) = send(daybreak, &settings, &csv, &items).await;
        assert_eq!(accepted.len(), 3);
        for accepted in &accepted {
            check_form(&accepted.message);
            assert_eq!(accepted.from, "brief@news.example.org", "bounces come back to the newsletter");
        }
        let ids: BTreeSet<String> = accepted.iter().map(|accepted| Mail::from(accepted).message_id).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.ends_with("@news.example.org")), "{ids:?}");

        let raw = &find(&accepted, "zoe@example.net").message;
        let message = MessageParser::default().parse(raw).unwrap();
        assert_eq!(message.parts.iter().filter(|part| part.is_encoding_problem).count(), 0);
        let to = message.to().unwrap().first().unwrap();
        assert_eq!(to.address(), Some("zoe@example.net"));
        assert_eq!(to.name(), Some(HARD_NAME.trim()), "the name arrives as it is");
        let from = message.from().unwrap().first().unwrap();
        assert_eq!(from.address(), Some("brief@news.example.org"));
        let subject = message.subject().unwrap();
        assert!(subject.starts_with("Žluťoučký kůň: ") && subject.ends_with("heute früh"), "{subject}");
        let date = message.date().unwrap();
        assert!(date.to_rfc3339().starts_with("2026-03-02T06:00"), "{date}");

        // multipart/alternative, plain first, HTML last, both UTF-8 and quoted-printable.
        let kind = message.content_type().unwrap();
        assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
        let parts: Vec<_> = message.parts.iter().skip(1).collect();
        assert_eq!(parts.len(), 2);
        for (part, subtype) in parts.iter().zip(["plain", "html"]) {
            let kind = part.content_type().unwrap();
            assert_eq!((kind.ctype(), kind.subtype()), ("text", Some(subtype)));
            assert_eq!(kind.attribute("charset"), Some("utf-8"));
            assert_eq!(part.content_transfer_encoding(), Some("quoted-printable"));
        }
        let mail = Mail::parse(raw);
        let unwrapped = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(mail.text.contains("\n.dots at the start"), "a dot at the start of a line arrives: {}", mail.text);
        for item in &items {
            assert!(unwrapped.contains(&item.title), "{} in {unwrapped}", item.title);
            assert!(mail.html.contains(&item.title), "{}", item.title);
        }
        assert_eq!(mail.field("MIME-Version"), "1.0");
        assert_eq!(mail.field("Reply-To").trim_matches(['<', '>']), "redaktion@example.org");

        // The list, and how to leave it.
        assert!(mail.field("List-Id").ends_with("<brief.news.example.org>"), "{}", mail.field("List-Id"));
        assert_eq!(mail.field("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        let unsubscribe = mail.field("List-Unsubscribe");
        let url = unsubscribe.split(',').next().unwrap().trim_matches(['<', '>']);
        assert!(url.starts_with("https://news.example.org/"), "{url}");
        assert_eq!(unsubscribe.matches("https://").count(), 1);
        assert!(mail.text.contains(url) && mail.html.contains(url), "a visible link stands in both parts");
        assert_eq!(mail.field("Feedback-ID"), "1:brief:digest:daybreak");
        let other = Mail::from(find(&accepted, "bob@example.net"));
        for same in ["List-Id", "Feedback-ID", "From", "List-Help"] {
            assert_eq!(mail.field(same), other.field(same), "{same} identifies nobody");
        }
        assert_ne!(unsubscribe, other.field("List-Unsubscribe"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_the_same_in_every_issue_and_no_message_id_comes_twice() {
    everywhere(async |daybreak| {
        let csv = "email\nann@example.net\n";
        let (sink, _) = send(daybreak, &[], csv, &[Item::new("The first story")]).await;
        daybreak.run(&["article", "add", "brief", "--title", "The second story"]).await;
        daybreak.serve_once("2026-03-03T06:00:00Z").await;
        let [first, second]: [Mail; 2] =
            sink.accepted().iter().map(Mail::from).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(first.field("List-Id"), second.field("List-Id"));
        assert_ne!(first.message_id, second.message_id);
        assert_eq!(second.field("Feedback-ID"), "2:brief:digest:daybreak");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_signed_over_everything_that_matters() {
    everywhere(async |daybreak| {
        daybreak.keys(&["--algorithm", "both"]).await;
        let csv = "email,name\nzoe@example.net,Zoë\nann@example.net,Ann\n";
        let (_sink, accepted) =
            send(daybreak, &["reply-to=ed@example.org"], csv, &[Item::new("Größe")]).await;
        for accepted in &accepted {
            let signatures = Mail::from(accepted).fields("DKIM-Signature");
            assert_eq!(signatures.len(), 2, "RSA for everybody, Ed25519 beside it");
            for signature in &signatures {
                let tags: Vec<&str> = signature.split(';').map(str::trim).collect();
                assert!(tags.contains(&"d=news.example.org"), "aligned with From: {signature}");
                let covered = tags.iter().find_map(|tag| tag.strip_prefix("h=")).unwrap().to_lowercase();
                let covered: Vec<&str> = covered.split(':').map(str::trim).collect();
                for field in [
                    "from",
                    "to",
                    "reply-to",
                    "subject",
                    "date",
                    "message-id",
                    "mime-version",
                    "content-type",
                    "list-id",
                    "list-unsubscribe",
                    "list-unsubscribe-post",
                    "list-help",
                    "feedback-id",
                ] {
                    assert!(covered.contains(&field), "{field} is not covered: {covered:?}");
                }
                assert!(!tags.iter().any(|tag| tag.starts_with("l=")), "the whole body is covered");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_delivery_has_an_envelope_sender_of_its_own_where_bounces_have_a_domain() {
    everywhere(async |daybreak| {
        daybreak.set("DAYBREAK_BOUNCE_DOMAIN", "bounce.example.org");
        daybreak.set("DAYBREAK_EHLO_NAME", "mx7.example.org");
        let csv = "email\nann@example.net\nbob@example.net\n";
        let (sink, accepted) = send(daybreak, &[], csv, &[Item::new("The first story")]).await;
        let senders: BTreeSet<&String> = accepted.iter().map(|accepted| &accepted.from).collect();
        assert_eq!(senders.len(), 2);
        assert!(
            senders.iter().all(|from| from.starts_with("bounce+d") && from.ends_with("@bounce.example.org"))
        );
        assert!(sink.commands().iter().any(|command| command == "EHLO mx7.example.org"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_beyond_ascii_are_mailed_where_that_can_be() {
    for smtputf8 in [true, false] {
        everywhere(async |daybreak| {
            let sink = daybreak.sink_with(Options { smtputf8, ..Options::default() }).await;
            let feeds = Feeds::start().await;
            daybreak.newsletter(&[]).await;
            daybreak.schedule("07:00", "UTC", "daily").await;
            daybreak.readers("email\njörg@example.net\nann@bücher.example\n").await;
            daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
            daybreak.serve_once("2026-03-02T07:00:00Z").await;
            let mut got: Vec<String> = sink.accepted().into_iter().flat_map(|accepted| accepted.to).collect();
            got.sort();
            let mail = sink
                .commands()
                .into_iter()
                .find(|command| command.starts_with("MAIL") && command.contains("SMTPUTF8"));
            if smtputf8 {
                assert_eq!(got, ["ann@xn--bcher-kva.example", "jörg@example.net"]);
                assert!(mail.is_some());
            } else {
                assert_eq!(got, ["ann@xn--bcher-kva.example"], "a domain is always ASCII on the wire");
                assert!(mail.is_none());
                let why = daybreak.why(1, "jörg@example.net").await;
                assert!(why.contains("SMTPUTF8"), "{why}");
                assert_eq!(daybreak.number("SELECT COUNT(*) FROM suppressions").await, 0);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_issue_is_not_clipped() {
    on_sqlite(async |daybreak| {
        let long = "A sentence that is about as long as sentences in newspapers are, give or take a word. "
            .repeat(60);
        let items: Vec<Item> = (1..=30)
            .map(|number| Item {
                summary: long.clone(),
                ..Item::new(&format!(
                    "A headline that goes on for a while, as headlines of number {number} do, until it ends"
                ))
            })
            .collect();
        let (_sink, accepted) =
            send(daybreak, &["max-articles=30"], "email\nann@example.net\n", &items).await;
        let mail = Mail::from(&accepted[0]);
        assert!(mail.html.contains("number 30") && mail.html.contains("number 1 "));
        assert!(mail.html.len() < 102 * 1024, "Gmail clips {} bytes", mail.html.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_comes_in_can_change_a_message() {
    everywhere(async |daybreak| {
        let evil = [
            "Stop\r\nBcc: everybody@example.net\r\n\r\nBuy this",
            "{{unsubscribe_url}} {{#each articles}}{{/each}} {{{name}}}",
            "<script>alert(1)</script><img src=x onerror=alert(1)>",
            "=?utf-8?q?Free=0d=0aBcc:_all@example.net?=",
            "\u{202e}gnp.exe \u{0} \u{8}",
            "--=_daybreak\r\nContent-Type: text/html\r\n\r\nanother part",
        ];
        let items: Vec<Item> = evil
            .iter()
            .enumerate()
            .map(|(number, text)| Item {
                title: format!("{number} {text}"),
                link: format!("https://stories.example.org/{number}"),
                summary: (*text).to_owned(),
                ..Item::new("x")
            })
            .collect();
        // What XML cannot hold, a feed cannot bring.
        let items: Vec<Item> = items
            .into_iter()
            .map(|mut item| {
                item.title = item.title.replace(['\0', '\u{8}'], "");
                item.summary = item.summary.replace(['\0', '\u{8}'], "");
                item
            })
            .collect();
        let csv = "email,name\n\
                   ann@example.net,\"Ann\r\nBcc: everybody@example.net\"\n\
                   bob@example.net,{{#each articles}}<b>Bob</b>{{unsubscribe_url}}\n\
                   eve@example.net,=?utf-8?q?Eve=0d=0aBcc:_all@example.net?=\n";
        let settings = ["subject={{#each articles}}{{title}} {{/each}}for {{subscriber.name}}"];
        let (_sink, accepted) = send(daybreak, &settings, csv, &items).await;
        assert!(
            accepted.len() >= 2,
            "who has a name with a line break is refused or renamed, and the others get it"
        );
        for accepted in &accepted {
            check_form(&accepted.message);
            let [to] = accepted.to.as_slice() else { panic!() };
            let message = MessageParser::default().parse(&accepted.message).unwrap();
            assert_eq!(message.to().unwrap().first().unwrap().address(), Some(to.as_str()));
            assert_eq!(message.parts.len(), 3, "no other part");
            let mail = Mail::from(accepted);
            for never in ["<script>", "onerror=alert(1)>", "<b>Bob</b>"] {
                assert!(!mail.html.contains(never), "{never} for {to}");
            }
            assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
            assert!(mail.text.contains("{{unsubscribe_url}}"), "what looks like a template is text");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_leaves_at_once_and_following_a_link_changes_nothing() {
    everywhere(async |daybreak| {
        let csv = "email\nann@example.net\nbob@example.net\ncat@example.net\ndan@example.net\n";
        let (sink, accepted) = send(daybreak, &[], csv, &[Item::new("The first story")]).await;
        // A mail may lie in an inbox for a long time.
        daybreak.at("2027-03-01T12:00:00Z");
        let service = daybreak.serve(&["--role", "web"]).await;
        let pages = service.pages().await;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = |to: &str| {
            let field = Mail::from(find(&accepted, to)).field("List-Unsubscribe");
            field.trim_matches(['<', '>']).replace("https://news.example.org", &pages)
        };
        let active = "SELECT COUNT(*) FROM subscriptions WHERE status = 'active'";
        for method in [reqwest::Method::GET, reqwest::Method::HEAD, reqwest::Method::OPTIONS] {
            let answer = client.request(method.clone(), url("ann@example.net")).send().await.unwrap();
            assert!(answer.status().is_success() || method == reqwest::Method::OPTIONS, "{method}");
            assert!(answer.headers().get("set-cookie").is_none());
            assert_eq!(daybreak.number(active).await, 4, "{method} changes nothing");
        }
        let page = client.get(url("ann@example.net")).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("<form") && page.contains("method=\"post\""), "the page has a button: {page}");

        // Urlencoded, multipart, and a body that is neither: the request is what counts.
        let one_click = "List-Unsubscribe=One-Click";
        let multipart =
            "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        for (to, kind, body) in [
            ("ann@example.net", "application/x-www-form-urlencoded", one_click),
            ("bob@example.net", "multipart/form-data; boundary=x", multipart),
            ("cat@example.net", "text/plain", ""),
        ] {
            // Twice: providers repeat.
            for _ in 0..2 {
                let answer =
                    client.post(url(to)).header("Content-Type", kind).body(body).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{to}");
            }
            let shown = daybreak.json(&["subscriber", "show", to]).await;
            assert!(shown.to_string().contains("unsubscribed"), "{shown}");
        }
        assert_eq!(daybreak.number(active).await, 1);
        let forged = format!("{}x", url("dan@example.net"));
        let answer = client.post(forged).body(one_click).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{}", answer.status());
        assert_eq!(daybreak.number(active).await, 1);
        service.stop().await;

        // Goodbyes aside, nobody who left gets another mail.
        let before = sink.accepted().len();
        daybreak.at("2027-03-01T12:00:00Z");
        daybreak.run(&["article", "add", "brief", "--title", "The second story"]).await;
        daybreak.run(&["issue", "send", "brief", "--now", "--wait"]).await;
        // Later than the service ran that queued the goodbyes.
        daybreak.serve_once("2027-03-01T12:10:00Z").await;
        let digests: Vec<String> = sink.accepted()[before..]
            .iter()
            .filter(|accepted| !Mail::from(*accepted).fields("List-Id").is_empty())
            .flat_map(|accepted| accepted.to.clone())
            .collect();
        assert_eq!(digests, ["dan@example.net"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_to_the_browser_shows_what_was_sent() {
    everywhere(async |daybreak| {
        let csv = "email,name\nann@example.net,Ann\n";
        let (_sink, accepted) = send(daybreak, &[], csv, &[Item::new("The first story")]).await;
        let mail = Mail::from(&accepted[0]);
        let link = mail.text.split_whitespace().find(|word| word.contains("/view/")).unwrap().to_owned();
        let service = daybreak.serve(&["--role", "web"]).await;
        let pages = service.pages().await;
        let shown = reqwest::get(link.replace("https://news.example.org", &pages)).await.unwrap();
        assert_eq!(shown.status(), 200);
        let shown = shown.text().await.unwrap();
        assert!(shown.contains("The first story"));
        assert!(
            !shown.contains("/preferences/"),
            "whoever is given the page's address manages nothing: {shown}"
        );
        let forged = link.replace("https://news.example.org", &pages).replace("/view/", "/view/A");
        assert!(reqwest::get(forged).await.unwrap().status().is_client_error());
        service.stop().await;
    })
    .await;
}
