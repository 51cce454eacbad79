//! Admins at the relays, the keys and the state of the system.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::config::Secret;
use crate::db::nodes;
use crate::pipeline::deliver::cohort;

const RELAYS: &str = "/office/relays";

/// A house with this relay.
async fn with_relay(test: TestApp, url: &str) -> House {
    let mut test = test;
    test.app.settings.relay_url = Secret::new(url);
    open(test).await
}

/// Answers one connection until `STARTTLS` or its end; a password is repeated in the answer, as no relay should.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, offers: &[&str], greets: bool) -> bool {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 relay.example ready\r\n").await.unwrap();
    }
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        let answer = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => {
                let offered: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                format!("250-relay.example\r\n{offered}250 8BITMIME\r\n")
            }
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.unwrap();
                return true;
            }
            "AUTH" if line.contains(&STANDARD.encode("\0ann\0hunter2")) => "235 welcome\r\n".to_owned(),
            "AUTH" => format!("535 5.7.8 wrong: {} hunter3\r\n", line.trim()),
            _ => "221 bye\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        line.clear();
    }
    false
}

/// A relay in the clear.
async fn plain(offers: &'static [&'static str]) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            talk(&mut stream, offers, true).await;
        }
    });
    (port, serving)
}

/// A relay that wants TLS, and the file with its certificate.
async fn safe(folder: &std::path::Path) -> (u16, String, JoinHandle<()>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let encoded = STANDARD.encode(made.cert.der());
    let file = folder.join("relay.pem");
    std::fs::write(&file, format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n"))
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if talk(&mut stream, &["STARTTLS"], true).await {
                let mut stream = acceptor.accept(stream).await.unwrap();
                talk(&mut stream, &["AUTH PLAIN", "PIPELINING"], false).await;
            }
        }
    });
    (port, file.display().to_string(), serving)
}

/// What a conversation shows, a line each.
fn lines(answer: &Answer) -> Vec<String> {
    let talk = answer.body.split("class=\"talk\"").nth(1).unwrap_or_else(|| panic!("{}", answer.body));
    let talk = talk.split("</ol>").next().unwrap();
    let line = |part: &str| part.split("</li>").next().unwrap().replace("<b>", "").replace("</b>", "");
    talk.split("<li class=\"").skip(1).map(|part| line(part.split_once('>').unwrap().1)).collect()
}

#[tokio::test]
async fn a_relay_that_is_silent_was_connected_to_and_one_that_is_away_was_not() {
    for mut test in apps().await {
        test.app.settings.relay_timeout = Some(1);
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let [silent_at, away_at] = [&silent, &away].map(|listener| listener.local_addr().unwrap().port());
        drop(away);
        let urls = format!("smtp://127.0.0.1:{silent_at}?tls=none smtp://127.0.0.1:{away_at}?tls=none");
        let house = with_relay(test, &urls).await;
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let tested = house.submit_as(&ann, "/office/relays/0/test", &[]).await;
        assert!(tested.body.contains("did not answer the greeting"), "{}", tested.body);
        assert_eq!(lines(&tested), [format!("Note connected to 127.0.0.1:{silent_at}")]);
        assert!(!tested.body.contains("no connection came about"), "{}", tested.body);
        let tested = house.submit_as(&ann, "/office/relays/1/test", &[]).await;
        assert!(tested.body.contains("no connection came about"), "{}", tested.body);
        house.close().await;
        drop(silent);
    }
}

#[tokio::test]
async fn a_test_shows_the_conversation_without_the_password() {
    let folder = tempfile::TempDir::new().unwrap();
    for test in apps().await {
        let (port, ca, serving) = safe(folder.path()).await;
        let url = format!("smtp://ann:hunter2@localhost:{port}?ca={ca}&per_day=500&priority=2");
        let house = with_relay(test, &url).await;
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, RELAYS).await;
        for part in
            ["STARTTLS, or no mail", "signs in as ann", "<dd>500</dd>", "not known here", "smtp://localhost:"]
        {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        let tested = house.submit_as(&ann, "/office/relays/0/test", &[]).await;
        assert!(tested.status == 200 && tested.body.contains("The relay takes our mail"), "{}", tested.body);
        let lines = lines(&tested);
        let expected = [
            "Relay 220 relay.example ready",
            "We EHLO 127.0.0.1",
            "Relay 250-relay.example",
            "Relay 250-STARTTLS",
            "Relay 250 8BITMIME",
            "We STARTTLS",
            "Relay 220 go on",
            "Note TLS 1.3: the certificate is good, and the rest is encrypted",
            "We EHLO 127.0.0.1",
            "Relay 250-relay.example",
            "Relay 250-AUTH PLAIN",
            "Relay 250-PIPELINING",
            "Relay 250 8BITMIME",
            "We AUTH PLAIN …",
            "Relay 235 welcome",
            "We QUIT",
            "Relay 221 bye",
        ];
        let (connected, lines) = lines.split_first().unwrap();
        assert!(connected.starts_with("Note connected to "), "{connected}");
        let shown: Vec<String> = lines.iter().map(|line| line.replace("[127.0.0.1]", "127.0.0.1")).collect();
        assert_eq!(shown, expected);
        for secret in ["hunter2", &STANDARD.encode("\0ann\0hunter2")] {
            assert!(!tested.body.contains(secret) && !page.body.contains(secret));
        }
        assert_eq!(house.logged().await[0].0, "relay.test");
        serving.abort();
        house.close().await;
    }
}

#[tokio::test]
async fn a_relay_that_refuses_us_says_so_and_repeats_no_password() {
    for test in apps().await {
        let (port, serving) = plain(&["AUTH PLAIN"]).await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let urls = format!("smtp://ann:hunter3@127.0.0.1:{port}?tls=none smtp://127.0.0.1:{closed}?tls=none");
        let house = with_relay(test, &urls).await;
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let refused = house.submit_as(&ann, "/office/relays/0/test", &[]).await;
        assert!(refused.body.contains("The relay does not take our mail"), "{}", refused.body);
        assert!(refused.body.contains("535 5.7.8 wrong: AUTH PLAIN … …"), "{}", refused.body);
        assert!(
            !refused.body.contains("hunter3") && !refused.body.contains(&STANDARD.encode("\0ann\0hunter3"))
        );
        let none = house.submit_as(&ann, "/office/relays/1/test", &[]).await;
        assert!(
            none.status == 200 && none.body.contains("no connection to smtp://127.0.0.1:"),
            "{}",
            none.body
        );
        for place in ["2", "x", "-1"] {
            assert_eq!(house.submit_as(&ann, &format!("/office/relays/{place}/test"), &[]).await.status, 404);
        }
        serving.abort();
        house.close().await;
    }
}

#[tokio::test]
async fn a_setting_that_names_no_relay_is_told_without_its_password() {
    for test in apps().await {
        let house = with_relay(test, "smtp://ann:hunter2@").await;
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, RELAYS).await;
        assert!(page.body.contains("No mail can go out") && !page.body.contains("hunter2"), "{}", page.body);
        assert_eq!(house.submit_as(&ann, "/office/relays/0/test", &[]).await.status, 422);
        house.close().await;
    }
}

#[tokio::test]
async fn keys_are_made_with_their_records_asked_for_in_dns_and_removed() {
    for mut test in apps().await {
        // Nobody answers there: DNS is silent, and soon.
        test.app.settings.resolver = Some("127.0.0.1:9".parse().unwrap());
        let house = open(test).await;
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, "/office/dkim").await;
        assert!(
            page.body.contains("Its mail is not signed here") && page.body.contains("value=\"example.org\""),
            "{}",
            page.body
        );
        let form = |selector: &'static str, domain: &'static str| {
            [("domain", domain), ("algorithm", "ed25519"), ("selector", selector)]
        };
        for (fields, field) in
            [(form("x_y", "example.org"), "key-selector"), (form("spring26", "no domain"), "key-domain")]
        {
            let refused = house.submit_as(&ann, "/office/dkim", &fields).await;
            assert_eq!(refused.status, 422);
            assert!(refused.body.contains(&format!("id=\"{field}-problem\"")), "{field}: {}", refused.body);
        }
        assert_eq!(house.submit_as(&ann, "/office/dkim", &form("spring26", "example.org")).await.status, 303);
        assert_eq!(
            house.submit_as(&ann, "/office/dkim", &form("spring26", "example.org")).await.status,
            422,
            "twice"
        );
        let page = house.get_as(&ann, "/office/dkim").await;
        for part in ["spring26._domainkey.example.org", "k=ed25519"] {
            assert!(page.body.contains(&part.replace('=', "&#x3D;")), "{part}: {}", page.body);
        }
        assert!(!page.body.contains("PRIVATE KEY"));
        let looked = house.submit_as(&ann, "/office/dkim/look", &[]).await;
        assert!(looked.status == 200 && looked.body.contains("What DNS says"), "{}", looked.body);
        assert!(
            looked.body.contains("spring26._domainkey.example.org: could not be looked up"),
            "{}",
            looked.body
        );
        // Nobody could verify it yet: it waits, until DNS is seen to have it or somebody does not want to wait.
        let signs = async || {
            let mut conn = house.app.db.conn().await.unwrap();
            cohort::signer(&mut conn, "example.org").await.unwrap().is_some()
        };
        assert!(!signs().await && looked.body.contains("waiting for its record in DNS"), "{}", looked.body);
        let key = [("domain", "example.org"), ("selector", "spring26")];
        assert_eq!(house.submit_as(&ann, "/office/dkim/sign", &key).await.status, 303);
        assert!(signs().await);
        let page = house.get_as(&ann, "/office/dkim").await;
        assert!(
            page.body.contains("signs since") && !page.body.contains("Sign with it now"),
            "{}",
            page.body
        );
        assert_eq!(house.submit_as(&ann, "/office/dkim/sign", &key).await.status, 404, "it does not wait");
        assert_eq!(house.submit_as(&ann, "/office/dkim/remove", &key).await.status, 303);
        assert_eq!(house.submit_as(&ann, "/office/dkim/remove", &key).await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn the_system_page_tells_who_sends_what_waits_and_what_doctor_finds() {
    for mut test in apps().await {
        test.app.settings.resolver = Some("127.0.0.1:9".parse().unwrap());
        let (port, serving) = plain(&[]).await;
        let house = with_relay(test, &format!("smtp://127.0.0.1:{port}?tls=none")).await;
        let ann = house.sign_in("ann@example.org", Role::Admin).await;
        let page = house.get_as(&ann, "/office/system").await;
        for part in ["No sender runs", "No issue is going out", "Last migration", "notes to editors): 0."] {
            assert!(page.body.contains(part), "{part}: {}", page.body);
        }
        let kind = if house.app.db.file().is_some() { "SQLite 3." } else { "PostgreSQL 1" };
        assert!(page.body.contains(kind), "{}", page.body);
        assert_eq!(house.app.db.file().is_some(), page.body.contains(" are free"));

        let mut conn = house.app.db.conn().await.unwrap();
        nodes::renew(&mut conn, "node-1", 20_000).await.unwrap();
        nodes::renew(&mut conn, "node-2", -60_000).await.unwrap();
        sqlx::query(
            "INSERT INTO issues (newsletter_id, slot_at, slot_date, cutoff_at, state, reason, created_at)
                     VALUES ($1, 0, '2026-01-01', 0, 'sending', 'waiting for the relay', 0)",
        )
        .bind(house.brief)
        .execute(&mut *conn)
        .await
        .unwrap();
        for (subscriber, state) in
            [(1, "queued"), (2, "queued"), (3, "deferred"), (4, "sent"), (5, "claimed")]
        {
            sqlx::query("INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, not_before, due_at, updated_at)
                         SELECT id, $1, $1, $2, 0, 0, 0 FROM issues")
                .bind(i64::from(subscriber)).bind(state).execute(&mut *conn).await.unwrap();
        }
        drop(conn);
        let page = house.get_as(&ann, "/office/system").await;
        assert!(
            page.body.contains("silent: others take over") && page.body.contains(">alive<"),
            "{}",
            page.body
        );
        let row = page.body.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
        for part in [
            "waiting for the relay",
            "<td class=\"number\">2</td><td class=\"number\">1</td><td class=\"number\">1</td>",
        ] {
            assert!(row.contains(part), "{part}: {row}");
        }

        let examined = house.submit_as(&ann, "/office/system/examine", &[]).await;
        assert_eq!(examined.status, 200);
        for part in
            ["<b>database</b>", "<b>templates</b>", "<b>relay</b>", "every mail renders with its samples"]
        {
            assert!(examined.body.contains(part), "{part}: {}", examined.body);
        }
        serving.abort();
        house.close().await;
    }
}

#[tokio::test]
async fn relays_keys_and_system_are_for_admins_of_everything() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Editor).await;
        let vic = house.sign_in("vic@example.org", Role::Viewer).await;
        let own = house.sign_in_for_brief("own@example.org", Role::Admin).await;
        for person in [&ed, &vic, &own] {
            for path in [RELAYS, "/office/dkim", "/office/system"] {
                assert_eq!(house.get_as(person, path).await.status, 403, "{path}");
            }
            for path in [
                "/office/relays/0/test",
                "/office/dkim",
                "/office/dkim/look",
                "/office/dkim/remove",
                "/office/system/examine",
            ] {
                assert_eq!(
                    house.submit_as(person, path, &[("domain", "example.org")]).await.status,
                    403,
                    "{path}"
                );
            }
        }
        let rail = house.get_as(&own, "/office/newsletters").await.body;
        assert!(
            !rail.contains("href=\"/office/relays\"") && !rail.contains("href=\"/office/system\""),
            "{rail}"
        );
        assert_eq!(house.logged().await.iter().filter(|(.., denied)| *denied).count(), 24);
        house.close().await;
    }
}
