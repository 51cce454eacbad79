//! What `doctor` finds in good worlds and in bad ones, and what it says to do.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpListener;

use crate::daybreak::{Daybreak, everywhere, on_sqlite};
use crate::feeds::{Answer, Item, rss};
use crate::names::{Names, Records};
use crate::sink::{Encryption, Options, Sink};
use crate::web::{Page, Web};

const DOMAIN: &str = "news.example.org";
const EHLO: &str = "mail.example.org";
const ADDRESS: [u8; 4] = [198, 51, 100, 7];

fn page(status: u16, body: &str) -> Page {
    dated_page(status, body, Duration::ZERO)
}

fn dated_page(status: u16, body: &str, behind: Duration) -> Page {
    Page { status, body: body.to_owned(), behind }
}

/// Everything as it should be: a relay with TLS and a password, a public URL with a certificate, DNS that knows us.
struct World {
    names: Names,
    good: Records,
    key: Value,
    _relay: Sink,
    _web: Web,
}

async fn good_world(daybreak: &mut Daybreak) -> World {
    daybreak.unset("DAYBREAK_CLOCK");
    daybreak.newsletter(&[]).await;
    let key = daybreak.keys(&[]).await[0].clone();

    let auth = Some(("ann".to_owned(), "secret".to_owned()));
    let relay = Sink::start(Options { tls: Encryption::StartTls, auth, ..Options::default() }).await;
    let ca = daybreak.folder().join("relay.pem");
    std::fs::write(&ca, relay.certificate()).unwrap();
    daybreak.relay(format!("smtp://ann:secret@{}?ca={}", relay.address, ca.display()));

    let web = Web::safe(page(200, "ok"), DOMAIN, 60).await;
    let trusted = daybreak.folder().join("trusted.pem");
    std::fs::write(&trusted, &web.certificate).unwrap();
    daybreak.set("SSL_CERT_FILE", trusted.to_str().unwrap());
    daybreak.set("DAYBREAK_PUBLIC_URL", format!("https://{DOMAIN}:{}", web.address.port()));
    daybreak.set("DAYBREAK_EHLO_NAME", EHLO);

    let mut good = Records::default();
    good.a(DOMAIN, [127, 0, 0, 1]);
    good.a(EHLO, ADDRESS);
    good.ptr(ADDRESS, EHLO);
    good.txt(DOMAIN, &format!("v=spf1 a:{EHLO} -all"));
    good.txt(key["name"].as_str().unwrap(), key["record"].as_str().unwrap());
    good.txt("_dmarc.example.org", "v=DMARC1; p=reject");
    let names = Names::start().await;
    names.know(good.clone());
    daybreak.set("DAYBREAK_RESOLVER", names.address.to_string());
    World { names, good, key, _relay: relay, _web: web }
}

async fn findings(daybreak: &Daybreak) -> Vec<Value> {
    let ran = daybreak.try_run(&["doctor", "--json"]).await;
    let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let is_bad = findings.iter().any(|finding| finding["state"] == "bad");
    assert_eq!(ran.status.code(), Some(i32::from(is_bad)), "it fails where something is bad: {findings:?}");
    for finding in &findings {
        assert_eq!(
            finding["state"] != "good",
            finding["to_do"].is_string(),
            "what is to do is said: {finding}"
        );
    }
    findings
}

/// Asserts that there is a finding about something with this state and these words in what it says and what to do.
async fn finds(daybreak: &Daybreak, about: &str, state: &str, words: &[&str]) {
    let findings = findings(daybreak).await;
    let fits = |finding: &&Value| {
        let text = format!("{} → {}", finding["says"], finding["to_do"]).replace("\\\"", "\"");
        finding["about"] == about && finding["state"] == state && words.iter().all(|word| text.contains(word))
    };
    assert!(
        findings.iter().any(|finding| fits(&finding)),
        "no {state} {about} with {words:?} in {findings:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_world_is_good() {
    everywhere(async |daybreak| {
        let _world = good_world(daybreak).await;
        let clock = Web::plain(page(200, &body_of(rss(&[Item::new("A story")])))).await;
        daybreak.run(&["source", "add", "brief", &format!("http://{}/feed", clock.address)]).await;
        let findings = findings(daybreak).await;
        // How much room there is on the machine that tests is not for us to say.
        let others =
            findings.iter().filter(|finding| finding["state"] != "good" && finding["about"] != "disk");
        assert_eq!(others.count(), 0, "{findings:#?}");
        let about = |about: &str| findings.iter().find(|finding| finding["about"] == about);
        for each in [
            "database",
            "clock",
            "templates",
            "public URL",
            "reverse DNS",
            "relay",
            "SPF",
            "DKIM",
            "DMARC",
            "From alignment",
        ] {
            assert!(about(each).is_some(), "nothing about {each}: {findings:#?}");
        }
        let relay = about("relay").unwrap()["says"].as_str().unwrap();
        assert!(
            ["TLS 1.3", "certificate good until", "signed in", "PIPELINING", "25 MB"]
                .iter()
                .all(|word| relay.contains(word)),
            "{relay}"
        );
        let text = daybreak.run(&["doctor"]).await;
        assert!(!text.contains("secret") && text.contains("good     relay"), "{text}");
    })
    .await;
}

fn body_of(answer: Answer) -> String {
    let Answer::Page(_, body) = answer else { panic!("{answer:?}") };
    String::from_utf8(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dns_lacks_is_said_with_the_record_to_publish() {
    on_sqlite(async |daybreak| {
        let world = good_world(daybreak).await;
        let key = |what: &str| world.key[what].as_str().unwrap();
        let with = |change: &dyn Fn(&mut Records)| {
            let mut records = world.good.clone();
            change(&mut records);
            world.names.know(records);
        };
        let spf = |records: &mut Records, text: &str| {
            records.without_txt(DOMAIN);
            records.txt(DOMAIN, text);
        };

        with(&|records| records.without_txt(DOMAIN));
        let wanted = format!("{DOMAIN}. 3600 IN TXT \"v=spf1 a:{EHLO} ~all\"");
        finds(daybreak, "SPF", "warning", &["has no SPF record", &wanted]).await;
        with(&|records| spf(records, "v=spf1 ip4:203.0.113.1 -all"));
        finds(
            daybreak,
            "SPF",
            "warning",
            &["does not allow mail.example.org (198.51.100.7)", "add  a:mail.example.org"],
        )
        .await;
        with(&|records| spf(records, "v=spf1 ip4:nonsense -all"));
        finds(daybreak, "SPF", "bad", &["cannot read", "one TXT record"]).await;
        with(&|records| records.txt(DOMAIN, "v=spf1 ~all"));
        finds(daybreak, "SPF", "bad", &["cannot read", "one TXT record"]).await;
        with(&|records| spf(records, &format!("v=spf1 include:{DOMAIN} -all")));
        finds(daybreak, "SPF", "bad", &["cannot read", "ten look-ups"]).await;

        with(&|records| records.without_txt(key("name")));
        finds(daybreak, "DKIM", "bad", &["not published", key("name"), key("zone")]).await;
        for other in [
            "v=DKIM1; k=rsa; p=",
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            "nonsense",
        ] {
            with(&|records| {
                records.without_txt(key("name"));
                records.txt(key("name"), other);
            });
            finds(daybreak, "DKIM", "bad", &["is not the key that signs", key("zone")]).await;
        }

        with(&|records| records.without_txt("_dmarc.example.org"));
        finds(
            daybreak,
            "DMARC",
            "warning",
            &["no DMARC record", "_dmarc.news.example.org. 3600 IN TXT \"v=DMARC1; p=none"],
        )
        .await;

        with(&|records| records.without_a(EHLO));
        finds(daybreak, "reverse DNS", "warning", &["no address for it", "DAYBREAK_EHLO_NAME"]).await;
        with(&|records| records.without_ptr());
        finds(
            daybreak,
            "reverse DNS",
            "warning",
            &["198.51.100.7 has no name", "PTR record say mail.example.org"],
        )
        .await;
        with(&|records| {
            records.without_ptr();
            records.ptr(ADDRESS, "host7.example.com");
        });
        finds(daybreak, "reverse DNS", "warning", &["is called host7.example.com"]).await;
        with(&|records| records.without_a(DOMAIN));
        finds(daybreak, "public URL", "bad", &["no address for news.example.org", "3600 IN A"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_elsewhere_and_a_key_that_is_not_seen_fail_dmarc() {
    on_sqlite(async |daybreak| {
        let world = good_world(daybreak).await;
        let with = |key: bool, dmarc: &str| {
            let mut records = world.good.clone();
            if !key {
                records.without_txt(world.key["name"].as_str().unwrap());
            }
            records.without_txt("_dmarc.example.org");
            records.txt("_dmarc.example.org", dmarc);
            for domain in ["bounce.example.org", "bounce.example.com"] {
                records.txt(domain, &format!("v=spf1 a:{EHLO} -all"));
            }
            world.names.know(records);
        };
        daybreak.set("DAYBREAK_BOUNCE_DOMAIN", "bounce.example.com");
        with(true, "v=DMARC1; p=quarantine");
        finds(daybreak, "DMARC", "good", &["policy quarantine", "signature passes"]).await;
        finds(daybreak, "From alignment", "good", &["bounce.example.com", "rests on the signature"]).await;
        finds(daybreak, "SPF", "good", &["bounce.example.com: allows mail.example.org"]).await;
        with(false, "v=DMARC1; p=reject");
        finds(daybreak, "DMARC", "bad", &["to reject our mail", "dkim add news.example.org"]).await;
        with(false, "v=DMARC1; p=none");
        finds(daybreak, "DMARC", "warning", &["does not pass"]).await;

        // Another name below the same organization is aligned, unless the record is strict.
        daybreak.set("DAYBREAK_BOUNCE_DOMAIN", "bounce.example.org");
        with(false, "v=DMARC1; p=reject");
        finds(daybreak, "DMARC", "warning", &["without a signature"]).await;
        finds(daybreak, "From alignment", "good", &["bounce.example.org) is aligned"]).await;
        with(false, "v=DMARC1; p=reject; aspf=s");
        finds(daybreak, "DMARC", "bad", &["to reject our mail"]).await;

        daybreak.run(&["dkim", "remove", DOMAIN, world.key["selector"].as_str().unwrap()]).await;
        finds(daybreak, "DKIM", "warning", &["not signed here", "unless the relay signs"]).await;
        finds(daybreak, "From alignment", "warning", &["neither"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_key_may_go_once_its_successor_is_seen() {
    on_sqlite(async |daybreak| {
        let world = good_world(daybreak).await;
        let new = daybreak.keys(&["--selector", "next"]).await[0].clone();
        finds(daybreak, "DKIM", "bad", &["next._domainkey.news.example.org", "not published"]).await;
        let mut records = world.good.clone();
        records.txt(new["name"].as_str().unwrap(), new["record"].as_str().unwrap());
        world.names.know(records);
        let remove = format!("daybreak dkim remove {DOMAIN} {}", world.key["selector"].as_str().unwrap());
        finds(daybreak, "DKIM", "warning", &["has a successor", &remove]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_signs_once_dns_has_its_record() {
    everywhere(async |daybreak| {
        let world = good_world(daybreak).await;
        let new = daybreak.json(&["dkim", "add", DOMAIN, "--selector", "next"]).await[0].clone();
        let signs = async || {
            daybreak.run(&["serve", "--once"]).await;
            let keys = daybreak.json(&["dkim", "list"]).await;
            let signs = |key: &Value| key["signs_since"].is_string();
            keys.as_array().unwrap().iter().filter(|key| signs(key)).count()
        };
        assert_eq!(signs().await, 1, "the old one goes on");
        finds(daybreak, "DKIM", "warning", &["next._domainkey.news.example.org", "waits for its record"])
            .await;
        finds(daybreak, "DMARC", "good", &["our signature passes"]).await;

        let name = new["name"].as_str().unwrap();
        let mut records = world.good.clone();
        records.txt(name, world.key["record"].as_str().unwrap());
        world.names.know(records);
        assert_eq!(signs().await, 1, "another key's record is not its own");
        finds(daybreak, "DKIM", "warning", &[name, "is not this key"]).await;

        let mut records = world.good.clone();
        records.txt(name, new["record"].as_str().unwrap());
        world.names.know(records);
        finds(daybreak, "DKIM", "warning", &[name, "is published", "daybreak dkim sign"]).await;
        assert_eq!(signs().await, 2);
        finds(daybreak, "DKIM", "good", &[name, "a signature of ours holds"]).await;
        let lines =
            daybreak.texts("SELECT who || ' ' || action || ' ' || what FROM audit ORDER BY id DESC").await;
        assert_eq!(lines[0], format!("the service dkim.sign {name}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_serve_us_is_said_with_what_to_change() {
    on_sqlite(async |daybreak| {
        let _world = good_world(daybreak).await;
        let start = async |options| Sink::start(options).await;
        let ca = |certificate: &str| {
            let file = daybreak.folder().join("other.pem");
            std::fs::write(&file, certificate).unwrap();
            file.display().to_string()
        };
        let auth = Some(("ann".to_owned(), "secret".to_owned()));
        let safe = start(Options { tls: Encryption::Implicit, auth, ..Options::default() }).await;
        let at = safe.address;
        let safe_ca = ca(safe.certificate());
        let plain = start(Options { pipelining: false, size: Some(100_000), ..Options::default() }).await;
        let ended = Web::safe(page(200, ""), "localhost", -2).await;
        let ended_ca = daybreak.folder().join("ended.pem");
        std::fs::write(&ended_ca, &ended.certificate).unwrap();
        let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        for (url, state, words) in [
            (format!("smtps://ann:secret@{at}?ca={safe_ca}"), "good", &["TLS 1.3", "signed in"][..]),
            (format!("smtps://ann:wrong@{at}?ca={safe_ca}"), "bad", &["535", "user name and the password"]),
            (format!("smtps://ann:secret@{at}"), "bad", &["certificate", "ca=FILE"]),
            (
                format!("smtps://ann:secret@localhost:{}?ca={safe_ca}&name=x.example", at.port()),
                "bad",
                &["certificate"],
            ),
            (format!("smtp://{}", plain.address), "bad", &["does not offer STARTTLS", "DAYBREAK_RELAY_URL"]),
            (format!("smtp://ann:secret@{}?tls=none", plain.address), "bad", &["does not take a user name"]),
            (format!("smtp://{}?tls=none", plain.address), "good", &["no PIPELINING"]),
            (
                format!("smtp://{}?tls=none", plain.address),
                "warning",
                &["100000 octets", "message_size_limit"],
            ),
            (
                format!("smtps://localhost:{}?ca={}", ended.address.port(), ended_ca.display()),
                "bad",
                &["has ended"],
            ),
            (format!("smtp://{nobody}?tls=none"), "bad", &["no connection", "may connect to 127.0.0.1 port"]),
            (
                format!("smtp://{nobody}?tls=none smtp://{}?tls=none", plain.address),
                "warning",
                &["no connection"],
            ),
            ("smtp://ann:secret@".to_owned(), "bad", &["relay's URL", "put DAYBREAK_RELAY_URL right"]),
        ] {
            daybreak.relay(&url);
            finds(daybreak, "relay", state, words).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_url_that_readers_cannot_use_is_said() {
    on_sqlite(async |daybreak| {
        let _world = good_world(daybreak).await;
        let stranger = Web::safe(page(200, "ok"), DOMAIN, 60).await;
        let other = Web::plain(page(200, "<html>Welcome to the web server")).await;
        let down = Web::plain(page(502, "Bad gateway")).await;
        let well = Web::plain(page(200, "ok")).await;
        let at = |web: &Web, scheme: &str| format!("{scheme}://{DOMAIN}:{}", web.address.port());
        let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        for (url, state, words) in [
            (at(&stranger, "https"), "bad", &["not secure", "certificate for news.example.org"][..]),
            (at(&other, "http"), "warning", &["not Daybreak"]),
            (at(&down, "http"), "warning", &["status 502"]),
            (at(&well, "http"), "good", &["answers"]),
            (at(&well, "http"), "warning", &["is not https", "one-click"]),
            (
                format!("https://{DOMAIN}:{}", nobody.port()),
                "warning",
                &["could not be reached", "daybreak serve runs"],
            ),
            ("http://localhost:8080".to_owned(), "warning", &["readers cannot reach this"]),
            ("http://10.1.2.3".to_owned(), "warning", &["readers cannot reach this"]),
        ] {
            daybreak.set("DAYBREAK_PUBLIC_URL", &url);
            finds(daybreak, "public URL", state, words).await;
        }
        let soon = Web::safe(page(200, "ok"), DOMAIN, 5).await;
        std::fs::write(&daybreak.settings()["SSL_CERT_FILE"], &soon.certificate).unwrap();
        daybreak.set("DAYBREAK_PUBLIC_URL", at(&soon, "https"));
        finds(daybreak, "public URL", "warning", &["certificate ends in 5 days", "renews it"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_noticed() {
    on_sqlite(async |daybreak| {
        let _world = good_world(daybreak).await;
        finds(daybreak, "clock", "warning", &["could not be compared", "NTP"]).await;
        let feed = body_of(rss(&[Item::new("A story")]));
        for (behind, state, words) in [
            (60, "warning", &["seconds ahead of that of 127.0.0.1", "NTP"]),
            (3600, "bad", &["seconds ahead of that of 127.0.0.1", "NTP"]),
        ] {
            let page = dated_page(200, &feed, Duration::from_secs(behind));
            let web = Web::plain(page).await;
            daybreak.run(&["source", "add", "brief", &format!("http://{}/feed", web.address)]).await;
            if state == "bad" {
                daybreak.run(&["source", "pause", "1"]).await;
            }
            finds(daybreak, "clock", state, words).await;
        }
        daybreak.set("DAYBREAK_CLOCK", "2026-03-02T05:00:00Z");
        finds(daybreak, "clock", "warning", &["DAYBREAK_CLOCK is set"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dns_it_warns_and_takes_no_longer_than_people_wait() {
    on_sqlite(async |daybreak| {
        let _world = good_world(daybreak).await;
        // A socket that hears and never speaks.
        let silent = tokio::net::UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        daybreak.set("DAYBREAK_RESOLVER", silent.local_addr().unwrap().to_string());
        let begun = Instant::now();
        let findings = findings(daybreak).await;
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert!(findings.iter().all(|finding| finding["state"] != "bad"), "{findings:#?}");
        for about in ["SPF", "DKIM", "DMARC", "reverse DNS", "public URL"] {
            let silence = findings.iter().find(|finding| finding["about"] == about).unwrap();
            assert!(silence["to_do"].as_str().unwrap().contains("DAYBREAK_RESOLVER"), "{silence}");
        }
    })
    .await;
}
