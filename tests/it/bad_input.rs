//! What people, files, feeds and disks get wrong: said in words, with nothing lost and nothing hung.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::daybreak::{Daybreak, everywhere, many_readers, on_postgres, on_sqlite, recipients};
use crate::feeds::{Answer, Feeds, Item, rss};

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_a_header_is_refused_at_the_door() {
    everywhere(async |daybreak| {
        daybreak.newsletter(&[]).await;
        let add = |name: &'static str, from: &'static str| {
            ["newsletter", "add", "other", "--name", name, "--from", from]
        };
        for (name, from, word) in [
            ("Brief\r\nBcc: all@example.net", "a@example.org", "name"),
            ("Brief\0", "a@example.org", ""),
            ("", "a@example.org", "name"),
            ("Brief", "a@example.org\r\nBcc: all@example.net", ""),
            ("Brief", "Evil\nBcc: x <a@example.org>", ""),
            ("Brief", "no address", "no address"),
            ("Brief", "a@b@example.org", "a@b@example.org"),
            ("Brief", "\"a b\"@example.org", ""),
            ("Brief", "a@", "a@"),
        ] {
            // The system itself refuses an argument with a NUL.
            if name.contains('\0') {
                continue;
            }
            let error = daybreak.fails(&add(name, from)).await;
            assert!(error.starts_with("daybreak: ") && error.contains(word), "{name:?} {from:?}: {error}");
        }
        for setting in [
            "subject=One\nBcc: all@example.net",
            "preheader=One\r\nTwo",
            "reply-to=ann@example.org\r\nBcc: x@example.net",
            "colour=red; background: url(x)",
            "logo-url=javascript:alert(1)",
            "language=english please",
            "timezone=Europe/Nowhere",
            "min-articles=0",
            "min-articles=20",
            "max-articles=many",
            "approval=perhaps",
            "editors=ed@example.org, not an address",
            "no-such-key=1",
            "nothing",
            "subject={{lead.title",
            "subject={{lead.titel}}",
            "subject={{#if lead}}x",
        ] {
            let error = daybreak.fails(&["newsletter", "set", "brief", setting]).await;
            assert!(
                error.starts_with("daybreak: ") && error.trim().lines().count() == 1,
                "{setting:?}: {error}"
            );
        }
        for (words, word) in [
            (&["schedule", "add", "brief", "--at", "25:00"][..], "25:00"),
            (&["schedule", "add", "brief", "--at", "7"], "“7”"),
            (&["schedule", "add", "brief", "--at", "07:00", "--days", "someday"], "someday"),
            (&["schedule", "add", "brief", "--at", "07:00", "--timezone", "Mars/Phobos"], "Mars/Phobos"),
            (&["schedule", "add", "evening", "--at", "07:00"], "there is brief"),
            (&["source", "add", "brief", "ftp://example.org/feed"], "ftp"),
            (&["source", "add", "brief", "file:///etc/passwd"], "file"),
            (&["issue", "show", "77"], "no issue 77"),
            (&["issue", "approve", "77"], "no issue 77"),
            (&["issue", "send", "nothing"], "there is brief"),
            (&["newsletter", "add", "brief", "--name", "x", "--from", "a@example.org"], "already"),
            (&["newsletter", "add", "Bad Slug", "--name", "x", "--from", "a@example.org"], "slug"),
            (&["source", "pause", "77"], "no source 77"),
        ] {
            let error = daybreak.fails(words).await;
            assert!(error.contains(word), "{words:?}: {error}");
        }
        let ran = daybreak.try_run(&["issue", "fly"]).await;
        assert_eq!(ran.status.code(), Some(2), "wrong words are status 2: {}", ran.stderr);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_wrong_are_named() {
    on_sqlite(async |daybreak| {
        for (key, value, word) in [
            ("DAYBREAK_DATABASE_URL", "mysql://localhost/x", "sqlite://"),
            ("DAYBREAK_DATABASE_URL", "sqlite://", "names no file"),
            ("DAYBREAK_DATABASE_URL", "sqlite:///no/such/folder/x.db", "/no/such/folder/x.db"),
            ("DAYBREAK_RELAY_URL", "http://user:hunter2@localhost", "smtp://"),
            ("DAYBREAK_CLOCK", "yesterday", "DAYBREAK_CLOCK"),
            ("DAYBREAK_BOUNCE_DOMAIN", "no domain", "no domain"),
            ("DAYBREAK_TEMPLATES", "/no/such/folder", "/no/such/folder"),
        ] {
            let url = daybreak.url.clone();
            daybreak.set(key, value);
            let error = daybreak.fails(&["serve", "--once"]).await;
            assert!(error.contains(word) && !error.contains("hunter2"), "{key}={value}: {error}");
            daybreak.set("DAYBREAK_DATABASE_URL", url);
            daybreak.set("DAYBREAK_RELAY_URL", "smtp://localhost:9?tls=none");
            daybreak.at(crate::daybreak::MONDAY);
            daybreak.unset("DAYBREAK_BOUNCE_DOMAIN");
            daybreak.unset("DAYBREAK_TEMPLATES");
        }
        for (key, value) in
            [("DAYBREAK_LISTEN", "everywhere"), ("DAYBREAK_CONNECTIONS", "0"), ("DAYBREAK_CONNECTIONS", "x")]
        {
            let mut changed = std::collections::BTreeMap::from([(key, value)]);
            daybreak.set(key, changed.remove(key).unwrap());
            let ran = daybreak.try_run(&["serve", "--once"]).await;
            assert_eq!(ran.status.code(), Some(2), "{key}={value}: {}", ran.stderr);
            assert!(ran.stderr.contains(value), "{}", ran.stderr);
            daybreak.unset(key);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_people_are_read_however_they_were_saved() {
    everywhere(async |daybreak| {
        daybreak.newsletter(&["topics=World"]).await;
        let utf16: Vec<u8> = "\u{feff}email\tname\r\nsechs@example.net\tÄnne\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut latin: Vec<u8> =
            b"E-Mail;Vorname;Nachname\r\nsieben@example.net;J\xf6rg;M\xfcller\r\n".to_vec();
        latin.extend_from_slice(b"acht@example.net;;\r\n");
        let files: [(&str, Vec<u8>, i64, i64); 8] = [
            ("bom", "\u{feff}email,name\neins@example.net,Zoë\n".into(), 1, 0),
            (
                "quotes",
                b"name,email\n\"Brown, Ann\",zwei@example.net\n\"two\nlines\",drei@example.net\n".to_vec(),
                1,
                2,
            ),
            ("no end", b"email\nvier@example.net".to_vec(), 1, 0),
            ("old mac", b"email\rfuenf@example.net\r".to_vec(), 1, 0),
            ("utf-16", utf16, 1, 0),
            ("excel", latin, 2, 0),
            ("twice", b"email\nneun@example.net\nNEUN@example.net\n neun@example.net \n".to_vec(), 1, 0),
            (
                "wrong lines",
                b"email,name\nno address,x\n,y\n@,z\nzehn@example.net,Ten\n\n\n,,,,,\n".to_vec(),
                1,
                3,
            ),
        ];
        let mut all = 0;
        for (name, content, added, at_least_noted) in files {
            let file = daybreak.folder().join("people.csv");
            std::fs::write(&file, content).unwrap();
            let words = ["subscriber", "import", file.to_str().unwrap(), "--newsletter", "brief"];
            let dry = daybreak.json(&[&words[..], &["--dry-run"]].concat()).await;
            let count = "SELECT COUNT(*) FROM subscriptions";
            assert_eq!(daybreak.number(count).await, all, "{name}: a dry run writes nothing");
            let report = daybreak.json(&words).await;
            all = daybreak.number(count).await;
            assert!(report["added"].as_i64().unwrap() >= added, "{name}: {report}");
            assert_eq!(dry["added"], report["added"], "{name}: a dry run says what would be");
            let _ = at_least_noted;
            let again = daybreak.json(&words).await;
            assert_eq!((&again["added"], &again["updated"]), (&0.into(), &0.into()), "{name}: {again}");
        }
        for email in ["eins", "zwei", "vier", "fuenf", "sechs", "sieben", "acht", "neun", "zehn"] {
            daybreak.json(&["subscriber", "show", &format!("{email}@example.net")]).await;
        }
        let names = daybreak.texts("SELECT name FROM subscribers WHERE email = 'sieben@example.net'").await;
        assert_eq!(names, ["Jörg Müller"]);

        for (content, word) in [
            (&b""[..], ""),
            (b"name,topics\nAnn,World\n", "address"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", ""),
            (&[0; 4096], ""),
        ] {
            let file = daybreak.folder().join("wrong.csv");
            std::fs::write(&file, content).unwrap();
            let words = ["subscriber", "import", file.to_str().unwrap(), "--newsletter", "brief"];
            let error = daybreak.fails(&words).await;
            assert!(error.contains(word), "{error}");
        }
        let error = daybreak.fails(&["subscriber", "import", "/no/such.csv", "--newsletter", "brief"]).await;
        assert!(error.contains("/no/such.csv"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_wrong_is_named_with_its_line_before_anything_is_sent() {
    on_sqlite(async |daybreak| {
        let folder = daybreak.folder().join("templates");
        daybreak.set("DAYBREAK_TEMPLATES", folder.to_str().unwrap());
        let digest = folder.join("digest");
        for (file, content, words) in [
            ("subject.txt.hbs", "{{subscribr.name}}", &["digest/subject.txt.hbs", "line 1", "subscribr"][..]),
            ("body.txt.hbs", "One\nTwo\n{{#if lead}}Three\n", &["digest/body.txt.hbs", "if"]),
            (
                "body.txt.hbs",
                "One\n{{#each articles}}{{titel}}{{/each}}\n",
                &["digest/body.txt.hbs", "line 2", "titel"],
            ),
            ("body.txt.hbs", "{{> no_such_part}}", &["digest/body.txt.hbs", "no_such_part"]),
            ("body.mjml.hbs", "<mjml><mj-body><mj-section></mj-body></mjml>", &["digest/body.mjml.hbs"]),
            ("body.mjml.hbs", "{{{subscriber.name}}}", &["digest/body.mjml.hbs"]),
            ("bodi.txt.hbs", "Hello", &["bodi.txt.hbs"]),
        ] {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&digest).unwrap();
            std::fs::write(digest.join(file), content).unwrap();
            for command in [&["template", "check"][..], &["serve", "--once"], &["newsletter", "list"]] {
                let ran = daybreak.try_run(command).await;
                assert_eq!(ran.status.code(), Some(1), "{content}: {command:?}");
                let said = ran.stdout + &ran.stderr;
                for word in words {
                    assert!(said.contains(word), "{content}: {command:?} does not say {word}: {said}");
                }
            }
        }
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&digest).unwrap();
        std::fs::write(digest.join("subject.txt.hbs"), "Fine: {{issue.subject}}").unwrap();
        daybreak.run(&["template", "check"]).await;
        daybreak.run(&["newsletter", "list"]).await;
    })
    .await;
}

/// The error of the one source there is.
async fn source_error(daybreak: &Daybreak) -> String {
    let listed = daybreak.json(&["source", "list"]).await;
    listed[0]["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_that_are_none_are_reported_and_the_rest_goes_on() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.readers("email\nann@example.net\n").await;
        daybreak.run(&["source", "add", "brief", &feeds.url("/feed"), "--no-poll"]).await;
        feeds.answer("/good", rss(&[Item::new("A good story")]));
        daybreak.run(&["source", "add", "brief", &feeds.url("/good"), "--no-poll"]).await;
        let huge = format!("<rss><channel><title>{}</title></channel></rss>", "x".repeat(12 * 1024 * 1024));
        let page = b"<!doctype html><html><head><title>Not a feed</title></head><body>Hello</body></html>".to_vec();
        let deep = format!("<rss><channel>{}", "<a>".repeat(200_000));
        let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
                    <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><rss><channel><title>&c;</title></channel></rss>";
        for (name, answer, fails) in [
            ("empty", Answer::Page("application/rss+xml", vec![]), true),
            ("html", Answer::Page("text/html", page), true),
            ("noise", Answer::Page("application/rss+xml", (0..=255).cycle().take(100_000).collect()), true),
            ("huge", Answer::Page("application/rss+xml", huge.into_bytes()), true),
            ("endless", Answer::Endless, true),
            ("gone", Answer::Status(410), true),
            ("down", Answer::Status(503), true),
            ("loop", Answer::Moved("/feed"), true),
            ("deep", Answer::Page("application/rss+xml", deep.into_bytes()), false),
            ("bomb", Answer::Page("application/rss+xml", bomb.into()), false),
        ] {
            feeds.answer("/feed", answer);
            let begun = Instant::now();
            let ran = daybreak.try_run(&["source", "poll", "1"]).await;
            assert!(begun.elapsed() < Duration::from_secs(40), "{name} takes {:?}", begun.elapsed());
            assert!(!ran.stderr.contains("panicked"), "{name}: {}", ran.stderr);
            assert!(matches!(ran.status.code(), Some(0 | 1)), "{name}: {:?} {}", ran.status, ran.stderr);
            if fails {
                assert!(!ran.status.success(), "{name}");
                let error = source_error(daybreak).await;
                assert!(error.len() > 10, "{name} is explained to the editor: {error}");
            }
        }
        feeds.answer("/feed", Answer::Page("application/rss+xml", b"<rss><channel><item><title>Cut".to_vec()));
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(recipients(&sink), ["ann@example.net"], "one bad feed keeps nobody's digest back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_turns_into_another_is_read_on_and_two_feeds_with_the_same_items_make_them_once() {
    everywhere(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.readers("email\nann@example.net\n").await;
        let items = [Item::new("The harbour opens again"), Item::new("A library lends silence")];
        daybreak.source(&feeds, "/feed", &items).await;
        daybreak.source(&feeds, "/copy", &items).await;
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM articles").await, 2, "the same items are stored once");
        // RSS becomes Atom, at another address, with the same links and other GUIDs, and a new item.
        let atom = "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>The New Gazette</title><id>urn:x</id>\
             <updated>2026-03-02T06:00:00Z</updated>\
             <entry><id>urn:other:1</id><title>The harbour opens again</title><updated>2026-03-02T06:00:00Z</updated>\
             <link href=\"https://stories.example.org/the-harbour-opens-again\"/></entry>\
             <entry><id>urn:other:2</id><title>The night train is back</title><updated>2026-03-02T06:00:00Z</updated>\
             <link href=\"https://stories.example.org/night-train\"/></entry></feed>";
        feeds.answer("/new", Answer::Page("application/atom+xml", atom.into()));
        feeds.answer("/feed", Answer::Moved("/new"));
        daybreak.at("2026-03-02T06:30:00Z");
        daybreak.run(&["source", "poll", "1"]).await;
        assert_eq!(daybreak.number("SELECT COUNT(*) FROM articles").await, 3, "only what is new is added");
        let listed = daybreak.json(&["source", "list"]).await;
        assert!(listed.to_string().contains("/new"), "a feed that moved for good is read at its new address: {listed}");
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        let [accepted] = sink.accepted().try_into().unwrap();
        let text = crate::mail::Mail::from(&accepted).text;
        for headline in ["The harbour opens again", "A library lends silence", "The night train is back"] {
            let told = text.lines().filter(|line| *line == headline).count();
            assert_eq!(told, 1, "{headline}: {text}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_the_inner_network_are_not_fetched_unless_allowed() {
    on_sqlite(async |daybreak| {
        let feeds = Feeds::start().await;
        feeds.answer("/feed", rss(&[Item::new("A secret")]));
        feeds.answer("/away", Answer::Moved("/feed"));
        daybreak.newsletter(&[]).await;
        daybreak.set("DAYBREAK_FETCH_PRIVATE", "false");
        let port = feeds.address.port();
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"] {
            let url = format!("http://{host}:{port}/feed");
            let ran = daybreak.try_run(&["source", "add", "brief", &url]).await;
            assert_eq!(ran.status.code(), Some(1), "{host}: {}", ran.stdout);
        }
        assert_eq!(feeds.asked("/feed"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up() {
    on_sqlite(async |daybreak| {
        let feeds = Feeds::start().await;
        feeds.answer("/feed", Answer::Silence);
        daybreak.newsletter(&[]).await;
        let begun = Instant::now();
        let error = daybreak.fails(&["source", "add", "brief", &feeds.url("/feed")]).await;
        assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
        assert!(error.contains("20"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_daybreak_is_refused_and_left_as_it_is() {
    everywhere(async |daybreak| {
        daybreak.newsletter(&[]).await;
        let installed = "CURRENT_TIMESTAMP";
        let (success, checksum) = match daybreak.kind {
            crate::daybreak::Kind::Sqlite => ("1", "x'00'"),
            crate::daybreak::Kind::Postgres => ("true", "'\\x00'::bytea"),
        };
        daybreak
            .execute(&format!(
                "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
                 VALUES (999, 'from the future', {installed}, {success}, {checksum}, 0)"
            ))
            .await;
        for words in [&["newsletter", "list"][..], &["serve", "--once"], &["migrate"]] {
            let error = daybreak.fails(words).await;
            assert!(error.contains("newer Daybreak") && error.contains("999") && error.contains("backup"), "{error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    on_sqlite(async |daybreak| {
        let file = daybreak.folder().join("holiday.jpg");
        std::fs::write(&file, b"\xff\xd8\xff\xe0 not a database at all, but somebody's picture").unwrap();
        let before = std::fs::read(&file).unwrap();
        let url = std::mem::take(&mut daybreak.url);
        daybreak.set("DAYBREAK_DATABASE_URL", format!("sqlite://{}", file.display()));
        let error = daybreak.fails(&["newsletter", "list"]).await;
        assert!(error.contains("holiday.jpg") && error.contains("database"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
        daybreak.set("DAYBREAK_DATABASE_URL", url.clone());
        daybreak.url = url;
        daybreak.run(&["migrate"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    on_postgres(async |daybreak| {
        daybreak.run(&["migrate"]).await;
        daybreak.set("DAYBREAK_DATABASE_URL", "postgres://ann:hunter2@127.0.0.1:1/daybreak");
        let begun = Instant::now();
        let error = daybreak.fails(&["newsletter", "list"]).await;
        assert!(error.contains("PostgreSQL") && !error.contains("hunter2"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_said() {
    on_sqlite(async |daybreak| {
        use std::os::unix::fs::PermissionsExt as _;
        daybreak.newsletter(&[]).await;
        let file = daybreak.folder().join("daybreak.db");
        let only_read = |path: &std::path::Path, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        only_read(&file, 0o444);
        only_read(daybreak.folder(), 0o555);
        let words = ["newsletter", "add", "x", "--name", "X", "--from", "x@example.org"];
        // Nothing is forbidden to root: there the program runs as nobody.
        let ran = daybreak.try_run_as_nobody(&words).await;
        only_read(daybreak.folder(), 0o755);
        only_read(&file, 0o644);
        let Some(ran) = ran else { return };
        assert_eq!(ran.status.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("daybreak.db"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("read-only")
                || ran.stderr.contains("readonly")
                || ran.stderr.contains("write"),
            "{}",
            ran.stderr
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_promised() {
    on_sqlite(async |daybreak| {
        let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
        daybreak.newsletter(&[]).await;
        daybreak.schedule("07:00", "UTC", "daily").await;
        daybreak.readers(&many_readers(400)).await;
        daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
        let size = std::fs::metadata(daybreak.folder().join("daybreak.db")).unwrap().len();
        // The file and its log may grow by so much, and then every write fails: at another place each time.
        for (number, room) in [0, 40, 80, 120, 200].into_iter().enumerate() {
            daybreak.at(&format!("2026-03-02T07:0{number}:00Z"));
            let blocks = size.div_ceil(512) + room * 2;
            // A limit stands for the disk: SIGXFSZ ignored, a write beyond it fails with an error.
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" serve --once");
            let mut child = Command::new("sh")
                .args(["-c", &script, env!("CARGO_BIN_EXE_daybreak")])
                .envs(daybreak.settings())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            // It fails, or waits for room to record what it has sent: nobody comes to make any.
            let _ = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
            child.kill().await.unwrap();
            let output = child.wait_with_output().await.unwrap();
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(!log.contains("panicked"), "{log}");
        }
        daybreak.serve_once("2026-03-02T07:10:00Z").await;
        let got: std::collections::BTreeSet<String> = recipients(&sink).into_iter().collect();
        assert_eq!(got.len(), 400, "everybody gets it once there is room");
        let repeats = sink.accepted().len() - 400;
        assert!(repeats <= 5 * 30, "{repeats} repeats in five crashes");
    })
    .await;
}
