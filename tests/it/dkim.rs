//! Keys and signatures: what is made, who can read it, and whether another program than ours verifies every mail.
//!
//! That program is dkimpy (`verify_dkim.py`), which `tests/run` installs; without it these tests say so, and check
//! everything else.

#![expect(clippy::print_stderr, reason = "a test that leaves something out says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt as _;

use crate::daybreak::{Daybreak, Kind, PATIENCE, arrived, everywhere, on_sqlite};
use crate::feeds::{Feeds, Item};
use crate::mail::Mail;
use crate::relay::SENT_ISSUES;
use crate::sink::Accepted;

/// The Python that has dkimpy and PyNaCl.
fn dkimpy() -> Option<String> {
    let named = std::env::var("TEST_DKIMPY").ok().filter(|python| !python.is_empty());
    let has_it = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import dkim, nacl"]).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    named.or_else(|| {
        ["python3", "/usr/bin/python3"].iter().find(|python| has_it(python)).map(ToString::to_string)
    })
}

/// Lets dkimpy verify these messages with the keys' records; for each, every signature's selector and whether it holds.
/// None where it is not installed.
fn verify(keys: &Value, messages: &[Vec<u8>]) -> Option<Vec<Vec<(String, bool)>>> {
    let Some(python) = dkimpy() else {
        eprintln!("note: dkimpy and PyNaCl are missing: no signature is verified (tests/run installs them)");
        return None;
    };
    let folder = TempDir::new().unwrap();
    let records: BTreeMap<&str, &str> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["name"].as_str().unwrap(), key["record"].as_str().unwrap()))
        .collect();
    std::fs::write(folder.path().join("records.json"), serde_json::to_vec(&records).unwrap()).unwrap();
    for (number, message) in messages.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number:06}.eml")), message).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/verify_dkim.py");
    let verified = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let results: BTreeMap<String, Vec<(String, bool)>> = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(results.len(), messages.len());
    Some(results.into_values().collect())
}

fn selectors(keys: &Value) -> BTreeSet<String> {
    keys.as_array().unwrap().iter().map(|key| key["selector"].as_str().unwrap().to_owned()).collect()
}

/// Asserts that each message has one signature of each key, and that all of them hold.
fn assert_verified(keys: &Value, accepted: &[Accepted]) {
    let messages: Vec<Vec<u8>> = accepted.iter().map(|accepted| accepted.message.clone()).collect();
    let Some(results) = verify(keys, &messages) else { return };
    for (accepted, signatures) in accepted.iter().zip(results) {
        let subject = Mail::from(accepted).subject;
        assert!(signatures.iter().all(|(_, holds)| *holds), "{subject}: {signatures:?}");
        let by: BTreeSet<String> = signatures.iter().map(|(selector, _)| selector.clone()).collect();
        assert_eq!(by, selectors(keys), "{subject}");
        assert_eq!(signatures.len(), by.len(), "{subject}: one signature of each key");
    }
}

const MANY: &str = "email,name,language,topics,timezone\n\
    ann@example.net,Ann,en,,\n\
    zoe@example.net,\"Zoë “Žofka” Müller-Lüdenscheidt, née Ångström <b>@ \",de,World,Asia/Tokyo\n\
    hana@example.net,山田花子,pl,Sport,America/New_York\n\
    ibn@example.net,ابن سينا,ar,\"World,Sport\",\n\
    dov@example.net,,he,,\n\
    none@example.net,,,,\n";

fn many_items() -> Vec<Item> {
    let long = format!("https://stories.example.org/{}?{}", "a-long-path/".repeat(60), "q=ü&".repeat(80));
    vec![
        Item::new("A treaty is signed, — “at last”").about("World"),
        Item { summary: "word ".repeat(2_000), link: long, ..Item::new("A match is won").about("Sport") },
        Item {
            summary: "x".repeat(3_000), ..Item::new("Größe, жизнь, 日本語, שלום, سلام, 🎉")
        },
        Item::new(".a dot at the start of a line   and   spaces   in it\t\t"),
        Item::new("From here on"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_verifies_every_mail_of_a_send() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        let keys = daybreak.keys(&["--algorithm", "both"]).await;
        daybreak
            .newsletter(&["topics=World,Sport", "reply-to=ed@example.org", "editors=ed@example.org"])
            .await;
        // Its templates look at the reader's name: each of its mails is rendered by itself.
        let looks = "subject={{#if subscriber.name}}For {{subscriber.name}}{{/if}} — {{lead.title}}";
        daybreak.newsletter_called("personal", &[looks]).await;
        for slug in ["brief", "personal"] {
            daybreak.schedule_of(slug, "07:00", "UTC", "daily").await;
            feeds.answer("/feed", crate::feeds::rss(&many_items()));
            daybreak.run(&["source", "add", slug, &feeds.url("/feed")]).await;
        }
        daybreak.readers(MANY).await;
        daybreak.readers_of("personal", &MANY.replace("topics", "comment")).await;
        daybreak.set("DAYBREAK_BOUNCE_DOMAIN", "bounce.example.org");

        // The notices: to editors (an issue is held), and to readers (confirm, welcome, goodbye).
        daybreak.run(&["newsletter", "set", "personal", "approval=required", "editors=ed@example.org"]).await;
        daybreak.at("2026-03-02T07:00:00Z");
        let service = daybreak.serve(&[]).await;
        let pages = service.pages().await;
        let client = reqwest::Client::new();
        let form = "application/x-www-form-urlencoded";
        for body in [
            "email=new%40example.net&newsletter=brief",
            "email=j%C3%BCrgen%40example.net&newsletter=personal",
        ] {
            let asked = client.post(format!("{pages}/subscribe")).header("content-type", form).body(body);
            assert!(asked.send().await.unwrap().status().is_success());
        }
        let to = |all: &[Accepted], email: &str| all.iter().filter(|one| one.to == [email]).count();
        let all = arrived(&sink, "a confirmation", |all| to(all, "new@example.net") == 1).await;
        let asked = all.iter().find(|one| one.to == ["new@example.net"]).unwrap();
        let asked = Mail::from(asked);
        let link = asked.text.split_whitespace().find(|word| word.contains("/confirm/")).unwrap();
        let link = link.replace("https://news.example.org", &pages);
        let confirmed = client.post(link).header("content-type", form).send().await.unwrap();
        assert!(confirmed.status().is_success());
        // Who confirms before the issue is addressed gets that as well, at once.
        arrived(&sink, "a welcome", |all| to(all, "new@example.net") >= 2).await;
        // Six digests, two confirmations, a welcome, and the note that an issue waits for approval.
        arrived(&sink, "what waits for nobody", |all| all.len() >= 10).await;
        let waiting = daybreak.issues("personal").await;
        let waiting = waiting.iter().find(|issue| issue["state"] == "frozen").unwrap();
        daybreak.run(&["issue", "approve", &waiting["id"].to_string()]).await;
        daybreak.until_counted(SENT_ISSUES, 2).await;
        daybreak.until_counted("SELECT COUNT(*) FROM notices WHERE state <> 'sent'", 0).await;
        service.stop().await;
        let all = sink.accepted();

        // Who confirms before the issue is addressed gets it as well; nobody gets anything twice.
        let ids: BTreeSet<String> = all.iter().map(|one| Mail::from(one).message_id).collect();
        assert!(ids.len() == all.len() && (16..=17).contains(&all.len()), "{} of {}", ids.len(), all.len());
        let subjects: BTreeSet<String> = all.iter().map(|one| Mail::from(one).subject).collect();
        assert!(subjects.contains("For Ann — A treaty is signed, — “at last”"), "{subjects:?}");
        assert_verified(&keys, &all);

        // It would notice.
        let text = String::from_utf8(all[0].message.clone()).unwrap();
        for (before, after) in
            [("news.example.org", "new.example.org"), ("\r\nTo: ", "\r\nTo: x"), ("e", "a")]
        {
            let end = text.rfind(before).unwrap();
            let changed = format!("{}{after}{}", &text[..end], &text[end + before.len()..]);
            let Some(results) = verify(&keys, &[changed.into_bytes()]) else { return };
            assert!(results[0].iter().all(|(_, holds)| !holds), "“{before}” is another, and nobody noticed");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_key_and_its_successor_both_sign_until_the_old_one_is_removed() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.readers("email\nann@example.net\n").await;
        daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
        let old = daybreak.keys(&["--selector", "Winter25"]).await;
        assert_eq!(old[0]["name"], "winter25._domainkey.news.example.org");
        daybreak.serve_once("2026-03-02T07:00:00Z").await;

        let new = daybreak.keys(&["--selector", "spring26", "--algorithm", "ed25519"]).await;
        assert_eq!(
            selectors(&new),
            BTreeSet::from(["spring26".to_owned()]),
            "what is there already is not repeated"
        );
        daybreak.run(&["article", "add", "brief", "--title", "The second story"]).await;
        daybreak.serve_once("2026-03-03T07:00:00Z").await;
        let both = daybreak.json(&["dkim", "list"]).await;

        let said = daybreak.run(&["dkim", "remove", "news.example.org", "winter25"]).await;
        assert!(said.contains("Leave its DNS record") && !said.contains("no longer signed"), "{said}");
        daybreak.run(&["article", "add", "brief", "--title", "The third story"]).await;
        daybreak.serve_once("2026-03-04T07:00:00Z").await;
        let said = daybreak.run(&["dkim", "remove", "news.example.org", "spring26"]).await;
        assert!(said.contains("no longer signed"), "{said}");

        let accepted = sink.accepted();
        assert_eq!(accepted.len(), 3);
        for (keys, accepted) in [&old, &both, &new].into_iter().zip(&accepted) {
            assert_verified(keys, std::slice::from_ref(accepted));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_comes_with_its_record_and_is_never_shown() {
    everywhere(async |daybreak| {
        let added = daybreak.run(&["dkim", "add", "News.Example.org", "--algorithm", "both"]).await;
        let listed = daybreak.run(&["dkim", "list"]).await;
        let keys = daybreak.json(&["dkim", "list"]).await;
        let plain = daybreak.run(&["dkim", "add", "example.com"]).await;
        assert!(
            plain.contains("db20260302-rsa._domainkey.example.com") && !plain.contains("ed25519"),
            "{plain}"
        );
        for text in [&added, &listed, &plain, &keys.to_string()] {
            assert!(!text.contains("PRIVATE"), "{text}");
        }
        let kept = daybreak.texts("SELECT private_key FROM dkim_keys").await;
        for pem in &kept {
            let secret: String = pem.lines().filter(|line| !line.starts_with('-')).take(2).collect();
            assert!(!added.contains(&secret) && !listed.contains(&secret));
        }
        for text in [&added, &listed] {
            let who = match daybreak.kind {
                Kind::Sqlite => "its owner alone",
                Kind::Postgres => "whoever may read its table dkim_keys",
            };
            assert!(text.contains(who), "{text}");
        }
        assert_eq!(keys.as_array().unwrap().len(), 2);
        for key in keys.as_array().unwrap() {
            let [name, record, zone] = ["name", "record", "zone"].map(|what| key[what].as_str().unwrap());
            assert!(added.contains(record) && added.contains(zone), "{added}");
            assert!(record.starts_with("v=DKIM1; k="), "{record}");
            // A zone file's strings have 255 octets at most, and are the record when put together.
            let strings = zone.strip_prefix(&format!("{name}. 3600 IN TXT \"")).unwrap();
            let strings: Vec<&str> = strings.trim_end_matches('"').split("\" \"").collect();
            assert!(strings.iter().all(|part| part.len() <= 255));
            assert_eq!(strings.concat(), record);
            // The clock goes on from the moment that the test set.
            assert!(key["made"].as_str().unwrap().starts_with("2026-03-02T05:0"), "{}", key["made"]);
        }

        let error = daybreak.fails(&["dkim", "add", "news.example.org"]).await;
        assert!(error.contains("db20260302-rsa") && error.contains("another selector"), "{error}");
        for wrong in ["not a domain", "ed@example.org", "localhost"] {
            for command in [&["dkim", "add", wrong][..], &["dkim", "remove", wrong, "x"]] {
                let error = daybreak.fails(command).await;
                assert!(error.contains(&format!("“{wrong}” is not a domain")), "{error}");
                assert!(
                    error.contains("for instance example.org") && !error.contains("postmaster"),
                    "{error}"
                );
            }
        }
        for wrong in ["a b", "-x", "x.", "é", &"x".repeat(64), "x\nIN TXT"] {
            let error = daybreak.fails(&["dkim", "add", "example.net", &format!("--selector={wrong}")]).await;
            assert!(error.contains("selector"), "{error}");
        }
        assert!(daybreak.fails(&["dkim", "remove", "example.net", "x"]).await.contains("dkim list"));
        daybreak.run(&["dkim", "add", "Bücher.example", "--selector", "x"]).await;
        daybreak.run(&["dkim", "remove", "bücher.example", "x"]).await;
    })
    .await;
}

/// The permissions of a database's files while a service works on it that was started with this umask.
async fn modes(daybreak: &Daybreak, umask: &str) -> Vec<(String, u32)> {
    let mut service = tokio::process::Command::new("sh")
        .args(["-c", &format!("umask {umask}; exec \"$0\" serve"), env!("CARGO_BIN_EXE_daybreak")])
        .envs(daybreak.settings())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = tokio::io::BufReader::new(service.stdout.take().unwrap());
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, said.read_line(&mut line)).await.unwrap().unwrap();
    assert!(line.contains("serves its pages"), "{line}");
    daybreak.run(&["dkim", "list"]).await;
    let mut modes = vec![];
    for entry in std::fs::read_dir(daybreak.folder()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("daybreak.db") {
            modes.push((name, entry.metadata().unwrap().permissions().mode() & 0o777));
        }
    }
    service.kill().await.unwrap();
    modes.sort();
    modes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_with_the_keys_is_its_owners_alone() {
    on_sqlite(async |daybreak| {
        let private = |name: &str| (format!("daybreak.db{name}"), 0o600);
        for umask in ["000", "022", "077"] {
            assert_eq!(modes(daybreak, umask).await, ["", "-lock", "-shm", "-wal"].map(private), "{umask}");
            for file in ["daybreak.db", "daybreak.db-lock", "daybreak.db-shm", "daybreak.db-wal"] {
                std::fs::remove_file(daybreak.folder().join(file)).unwrap();
            }
        }
        daybreak.run(&["dkim", "add", "news.example.org"]).await;

        // A copy that was put back without care is noticed.
        let file = daybreak.folder().join("daybreak.db");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = daybreak.run(&["dkim", "list"]).await;
        assert!(said.contains("others than its owner may read") && said.contains("chmod 600"), "{said}");
    })
    .await;
}
