use std::io::{Cursor, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::db::testing::a_newsletter;
use crate::db::{newsletters, subscribers, subscriptions, suppressions};
use crate::domain::calendar::{Recurrence, Slots, TimeOfDay};
use crate::domain::newsletter::Schedule;
use crate::domain::subscription::{SubscriptionEvent, SuppressionReason};
use crate::pipeline::testing::{TestApp, apps, now};

pub(super) async fn import_bytes(app: &App, bytes: &[u8]) -> Result<Report, Error> {
    let request = Request {
        newsletter: "brief".into(),
        file_name: "list.csv".into(),
        consent_words: "I agree".into(),
        ..Request::default()
    };
    import_as(app, &request, bytes).await
}

pub(super) async fn import_as(app: &App, request: &Request, bytes: &[u8]) -> Result<Report, Error> {
    let input = Box::new(Cursor::new(bytes.to_vec()));
    let first_look: Option<Box<dyn Read + Send>> = Some(Box::new(Cursor::new(bytes.to_vec())));
    import(app, request, Files { input, first_look, report: None, progress: &|_| {} }).await
}

/// A newsletter `brief` with the topics World and Arts, and the schedules daily and weekly.
pub(super) async fn with_brief(test: &TestApp) -> (&App, i64) {
    let app = &test.app;
    let id = a_newsletter(&app.db, "brief").await;
    let mut tx = app.db.begin().await.unwrap();
    newsletters::ensure_topic(&mut tx, id, "world", "World").await.unwrap();
    newsletters::ensure_topic(&mut tx, id, "arts", "Arts").await.unwrap();
    for name in ["daily", "weekly"] {
        let at = TimeOfDay::parse("07:00").unwrap();
        let slots = Slots { recurrence: Recurrence::DAILY, at, zone: chrono_tz::UTC };
        let schedule =
            Schedule { id: 0, newsletter_id: id, name: name.into(), slots, paused: false, starts_at: now() };
        newsletters::insert_schedule(&mut tx, &schedule).await.unwrap();
    }
    tx.commit().await.unwrap();
    (app, id)
}

pub(super) async fn on_record(app: &App, newsletter_id: i64, email: &str) -> OnRecord {
    let mut conn = app.db.conn().await.unwrap();
    let email = EmailAddress::parse(email).unwrap();
    let mut found = db::import::look_up(&mut conn, &app.key, newsletter_id, &[&email]).await.unwrap();
    db::import::look_up_tags(&mut conn, &[&email], &mut found).await.unwrap();
    found.remove(0)
}

pub(super) fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (report.added, report.updated, report.unchanged, report.refused)
}

#[tokio::test]
async fn a_file_is_taken_in_with_every_value_and_again_changes_nothing() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let file = "E-Mail-Adresse;Vorname;Nachname;Themen;Frequency;Uhrzeit;Zeitzone;Sprache;Status;Opt-in time\r\n\
                    Ann@Example.org;Ann;Lee;World|Arts;Weekly;7:30;Europe/Paris;fr;;2024-03-01 10:00:00\r\n\
                    bob@example.org;;;;;;;;pending;\r\n\
                    cleo@example.org;\"Cleo \"\"C\"\"\";;;;;;;unsubscribed;\r\n";
        let report = import_bytes(app, file.as_bytes()).await.unwrap();
        assert_eq!(counts(&report), (3, 0, 0, 0), "{report:?}");
        assert_eq!(report.separator, ";");
        let ann = on_record(app, id, "ann@example.org").await;
        assert_eq!((ann.name.as_str(), ann.language.as_deref()), ("Ann Lee", Some("fr")));
        assert_eq!(ann.zone, Some(chrono_tz::Europe::Paris));
        let tie = ann.tie.unwrap();
        assert_eq!(tie.status, SubscriptionStatus::Active);
        assert_eq!(tie.choice.topics.bits(), 0b11);
        assert_eq!(tie.choice.hour.unwrap().to_string(), "07:30");
        assert!(tie.choice.schedule_id.is_some());
        let consent = tie.consent.unwrap();
        assert_eq!(consent.at, Timestamp::parse("2024-03-01T10:00:00Z").unwrap());
        assert_eq!((consent.from.as_str(), consent.words.as_str()), ("import list.csv", "I agree"));
        let bob = on_record(app, id, "bob@example.org").await.tie.unwrap();
        assert_eq!(bob.status, SubscriptionStatus::Pending);
        assert_eq!((bob.consent, bob.origin.as_deref()), (None, Some("import list.csv")));
        let cleo = on_record(app, id, "cleo@example.org").await;
        assert_eq!(cleo.name, "Cleo \"C\"");
        let cleo = cleo.tie.unwrap();
        assert_eq!((cleo.status, cleo.left_at), (SubscriptionStatus::Unsubscribed, Some(now())));
        assert_eq!(cleo.consent, None);

        app.clock.set(now().plus_millis(1000));
        let again = import_bytes(app, file.as_bytes()).await.unwrap();
        assert_eq!(counts(&again), (0, 0, 3, 0), "{again:?}");
        // A consent that a file tells of somebody who waits would put the link out of force that asks them.
        let told = "email;status;opt-in time\nbob@example.org;pending;2026-02-01 10:00:00\n";
        import_bytes(app, told.as_bytes()).await.unwrap();
        assert_eq!(on_record(app, id, "bob@example.org").await.tie.unwrap().consent, None);
        let mut conn = app.db.conn().await.unwrap();
        let email = EmailAddress::parse("ann@example.org").unwrap();
        assert!(subscribers::find(&mut conn, &email).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn every_oddity_is_refused_by_line_and_the_rest_kept() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let mut file = b"email,name,topics\n\
            ann@example.org,Ann,world;sports\n\
            nobody,No,\n\
            ,Empty,\n\
            bob@example.org\n\
            bob@example.org,Bob,world,spare\n\
            nul@example.org,N\0l,\n\
            cleo@example.org,\"Two\nlines\",\n\
            ANN@example.org,Ann,\n\
            long@example.org,"
            .to_vec();
        file.extend(std::iter::repeat_n(b'x', 5000));
        file.extend_from_slice(b",\n\nopen@example.org,\"never closed,\n");
        for number in 0..3000 {
            file.extend_from_slice(format!("reader{number}@example.org,Reader {number},arts\r\n").as_bytes());
        }
        let report = import_bytes(app, &file).await.unwrap();
        assert_eq!(report.refused, 8, "{:?}", report.notes);
        assert_eq!(counts(&report), (3002, 0, 0, 8));
        assert_eq!((report.incomplete, report.suppressed), (1, 0));
        let of = |kind| -> Vec<u64> {
            report.notes.iter().filter(|note| note.kind == kind).map(|note| note.line).collect()
        };
        assert_eq!(of(NoteKind::Refused), [3, 4, 5, 6, 7, 10, 11, 13]);
        assert_eq!(of(NoteKind::Incomplete), [2]);
        assert!(report.notes.iter().any(|note| note.line == 10 && note.reason.contains("line 2")));
        assert_eq!(on_record(app, id, "cleo@example.org").await.name, "Two lines");
        assert_eq!(on_record(app, id, "ann@example.org").await.tie.unwrap().choice.topics.bits(), 0b01);
        let again = import_bytes(app, &file).await.unwrap();
        assert_eq!(counts(&again), (0, 0, 3002, 8));
    }
}

#[tokio::test]
async fn every_encoding_gives_the_same_people() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let text = "email\tname\njoerg@example.org\tJörg Müßig\nfrancois@example.org\tFrançois Lefèvre\n";
        let utf_16: Vec<u8> =
            [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let first = import_bytes(app, text.as_bytes()).await.unwrap();
        assert_eq!(counts(&first), (2, 0, 0, 0));
        assert_eq!(on_record(app, id, "joerg@example.org").await.name, "Jörg Müßig");
        let latin = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
        for (bytes, encoding) in [
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8"),
            (latin, "windows-1252"),
            (utf_16, "UTF-16LE"),
        ] {
            let report = import_bytes(app, &bytes).await.unwrap();
            assert_eq!((counts(&report), report.encoding.as_str()), ((0, 0, 2, 0), encoding));
        }
    }
}

#[tokio::test]
async fn nobody_who_left_comes_back_and_nobody_suppressed_is_hidden() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(app, b"email\nann@example.org\nbob@example.org\n").await.unwrap();
        let ann = on_record(app, id, "ann@example.org").await.tie.unwrap().id.unwrap();
        let mut tx = app.db.begin().await.unwrap();
        subscriptions::apply(&mut tx, ann, SubscriptionEvent::Leave, Some("link"), now()).await.unwrap();
        let bob = EmailAddress::parse("bob@example.org").unwrap();
        let reason = SuppressionReason::Bounced;
        suppressions::suppress(&mut tx, &app.key, &bob, reason, "", now()).await.unwrap();
        tx.commit().await.unwrap();

        let file = b"email,status,name\nann@example.org,active,Ann\nbob@example.org,,\n";
        let report = import_bytes(app, file).await.unwrap();
        assert_eq!(counts(&report), (0, 1, 1, 0));
        assert_eq!(report.suppressed, 1);
        let ann = on_record(app, id, "ann@example.org").await;
        assert_eq!(ann.name, "Ann");
        assert_eq!(ann.tie.as_ref().unwrap().status, SubscriptionStatus::Unsubscribed);
        assert_eq!(ann.tie.unwrap().left_reason.as_deref(), Some("link"));

        // Signed up again by a form, which anybody can fill in: only the confirmation brings her back.
        let mut tx = app.db.begin().await.unwrap();
        let event = SubscriptionEvent::SignUp;
        subscriptions::enter(&mut tx, id, ann.subscriber_id.unwrap(), event, now()).await.unwrap();
        tx.commit().await.unwrap();
        import_bytes(app, file).await.unwrap();
        assert_eq!(
            on_record(app, id, "ann@example.org").await.tie.unwrap().status,
            SubscriptionStatus::Pending
        );
    }
}

#[tokio::test]
async fn a_status_in_the_file_ends_a_subscription_also_on_a_second_line() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(app, b"email\nann@example.org\n").await.unwrap();
        let file =
            b"email,status\nann@example.org,unsubscribed\nbob@example.org,active\nbob@example.org,no\n";
        let report = import_bytes(app, file).await.unwrap();
        assert_eq!(counts(&report), (1, 1, 0, 1));
        for email in ["ann@example.org", "bob@example.org"] {
            let status = on_record(app, id, email).await.tie.unwrap().status;
            assert_eq!(status, SubscriptionStatus::Unsubscribed);
        }
        assert_eq!(counts(&import_bytes(app, file).await.unwrap()), (0, 0, 2, 1));
    }
}

#[tokio::test]
async fn who_must_not_be_mailed_by_the_file_is_suppressed_for_every_newsletter() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(app, b"email\nann@example.org\n").await.unwrap();
        let mut file = b"email,status\nann@example.org,cleaned\nbob@example.org,complained\n\
            cleo@example.org,unsubscribed\ncleo@example.org,blocked\ndan@example.org,no\n"
            .to_vec();
        (0..1500).for_each(|n| file.extend_from_slice(format!("gone{n}@example.org,bounced\n").as_bytes()));
        let report = import_bytes(app, &file).await.unwrap();
        assert_eq!(counts(&report), (1503, 1, 0, 1), "{:?}", report.notes.first());
        assert_eq!(report.suppressed, 1503);
        for (email, reason) in [
            ("ann@example.org", Some(SuppressionReason::Bounced)),
            ("bob@example.org", Some(SuppressionReason::Complained)),
            ("cleo@example.org", Some(SuppressionReason::Manual)),
            ("dan@example.org", None),
            ("gone1499@example.org", Some(SuppressionReason::Bounced)),
        ] {
            let found = on_record(app, id, email).await;
            assert_eq!(found.suppressed, reason, "{email}");
            assert_eq!(found.tie.unwrap().status, SubscriptionStatus::Unsubscribed, "{email}");
        }
        assert_eq!(counts(&import_bytes(app, &file).await.unwrap()), (0, 0, 1504, 1));
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_writes_nothing() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let request = Request { newsletter: "brief".into(), dry_run: true, ..Request::default() };
        let report = import_as(app, &request, b"email\nann@example.org\nx\n").await.unwrap();
        assert_eq!(counts(&report), (1, 0, 0, 1));
        assert!(report.dry_run);
        assert_eq!(on_record(app, id, "ann@example.org").await, OnRecord::default());
    }
}

#[tokio::test]
async fn what_cannot_be_begun_is_told_at_once() {
    for test in apps().await {
        let (app, _) = with_brief(&test).await;
        let error = import_bytes(app, b"Phone,City\n1,2\n").await.unwrap_err().to_string();
        assert!(error.contains("“Phone”, “City”"), "{error}");
        let error = import_bytes(app, b"").await.unwrap_err().to_string();
        assert!(error.contains("empty"), "{error}");
        let request = Request { newsletter: "breif".into(), ..Request::default() };
        let error = import_as(app, &request, b"email\n").await.unwrap_err().to_string();
        assert!(error.contains("there is brief"), "{error}");
        let request =
            Request { newsletter: "brief".into(), encoding: Some("klingon".into()), ..Request::default() };
        let error = import_as(app, &request, b"email\n").await.unwrap_err().to_string();
        assert!(error.contains("klingon"), "{error}");
    }
}

/// What is written into it, to be read by the test.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_report_holds_every_line_and_the_answer_the_first_thousand() {
    for test in apps().await {
        let (app, _) = with_brief(&test).await;
        let mut file = b"email\n".to_vec();
        (0..2500).for_each(|number| file.extend_from_slice(format!("nobody {number}\n").as_bytes()));
        let notes = Shared::default();
        let read = AtomicU64::new(0);
        let files = Files {
            input: Box::new(Cursor::new(file.clone())),
            first_look: None,
            report: Some(Notes::File(Box::new(notes.clone()))),
            progress: &|bytes| read.store(bytes, Ordering::Relaxed),
        };
        let request = Request { newsletter: "brief".into(), ..Request::default() };
        let report = import(app, &request, files).await.unwrap();
        assert_eq!((report.refused, report.notes.len()), (2500, 1000));
        assert_eq!(read.load(Ordering::Relaxed), u64::try_from(file.len()).unwrap());
        let mut lines = csv::Reader::from_reader(Cursor::new(notes.0.lock().unwrap().clone()));
        let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 2500);
        assert_eq!((&lines[2499][0], &lines[2499][1]), ("2501", "refused"));
    }
}

/// Makes a file's lines as they are read, so that no test holds the file.
struct ManyLines {
    next: u64,
    last: u64,
    rest: Vec<u8>,
    given: Arc<AtomicU64>,
}

impl Read for ManyLines {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() && self.next < self.last {
            let line = |n| {
                let zone = ["Europe/Paris", "UTC", ""][n as usize % 3];
                format!("reader-{n}@mail{}.example.org,\"Reader, {n}\",world,{zone},2024-03-01\n", n % 500)
            };
            self.rest =
                (self.next..self.last.min(self.next + 100)).map(line).collect::<String>().into_bytes();
            self.next += 100;
            self.given.store(self.next, Ordering::Relaxed);
        }
        let count = out.len().min(self.rest.len());
        out[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

/// Memory is bounded by what is between the file and the database at any time: the decoder's prefix and the reader's
/// chunk (256 KB each), two batches that wait, one being parsed and one being written (1,000 people each), and 17 to
/// 34 bytes per address to know duplicates. The test holds the reader to it: it is never further ahead than that.
#[tokio::test]
async fn fifty_thousand_people_are_taken_in_without_reading_far_ahead() {
    const PEOPLE: u64 = 50_000;
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        let given = Arc::new(AtomicU64::new(0));
        let lines = ManyLines { next: 0, last: PEOPLE, rest: vec![], given: Arc::clone(&given) };
        let header = Cursor::new(b"email,name,topics,timezone,consent date\n".to_vec());
        let (batches, furthest) = (AtomicU64::new(0), AtomicU64::new(0));
        let progress = |_| {
            let written = 1000 * (batches.fetch_add(1, Ordering::Relaxed) + 1);
            let ahead = given.load(Ordering::Relaxed).saturating_sub(written);
            furthest.fetch_max(ahead, Ordering::Relaxed);
        };
        let files = Files {
            input: Box::new(header.chain(lines)),
            first_look: None,
            report: None,
            progress: &progress,
        };
        let request = Request { newsletter: "brief".into(), ..Request::default() };
        let begun = std::time::Instant::now();
        let report = import(app, &request, files).await.unwrap();
        println!("{PEOPLE} people on {:?}: {:.1?}", app.db.dialect(), begun.elapsed());
        assert_eq!(counts(&report), (PEOPLE, 0, 0, 0), "{:?}", report.notes.first());
        // A chunk and a prefix are some 8,000 lines of 70 bytes; with the batches, 12,000.
        assert!(furthest.load(Ordering::Relaxed) < 16_000, "{furthest:?} lines ahead");
        let last = on_record(app, id, &format!("reader-{}@mail499.example.org", PEOPLE - 1)).await;
        assert_eq!(last.name, format!("Reader, {}", PEOPLE - 1));
    }
}

/// A disk that fails when it has given everything it has.
struct Broken(Cursor<Vec<u8>>);

impl Read for Broken {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(std::io::Error::other("the disk is gone")),
            read => Ok(read),
        }
    }
}

#[tokio::test]
async fn an_import_that_was_cut_off_is_run_again_from_the_start() {
    for test in apps().await {
        let (app, _) = with_brief(&test).await;
        let mut file = b"email,name\n".to_vec();
        let line = |number: u32| format!("reader{number}@example.org,{}\n", "name ".repeat(30));
        (0..10_000).for_each(|number| file.extend_from_slice(line(number).as_bytes()));
        let request = Request { newsletter: "brief".into(), ..Request::default() };
        let half = Broken(Cursor::new(file[..file.len() / 2].to_vec()));
        let files = Files { input: Box::new(half), first_look: None, report: None, progress: &|_| {} };
        let error = import(app, &request, files).await.unwrap_err().to_string();
        assert!(error.contains("the disk is gone"), "{error}");
        let report = import_as(app, &request, &file).await.unwrap();
        assert_eq!((report.added + report.unchanged, report.updated, report.refused), (10_000, 0, 0));
        assert!(report.unchanged > 0, "what was read before was kept");
    }
}

#[tokio::test]
async fn imports_at_once_and_readers_who_leave_meanwhile_do_not_hurt_each_other() {
    for test in apps().await {
        let (app, id) = with_brief(&test).await;
        import_bytes(app, b"email\nreader5@example.org\n").await.unwrap();
        let file = |name: &str| -> Vec<u8> {
            let lines = (0..5000).map(|number| format!("reader{number}@example.org,{name}\n"));
            ["email,name\n".to_owned()].into_iter().chain(lines).collect::<String>().into_bytes()
        };
        let leave = async {
            let reader = on_record(app, id, "reader5@example.org").await.tie.unwrap().id.unwrap();
            let mut tx = app.db.begin().await.unwrap();
            subscriptions::apply(&mut tx, reader, SubscriptionEvent::Leave, None, now()).await.unwrap();
            tx.commit().await.unwrap();
        };
        let (one, other) = (file("One"), file("Other"));
        let (one, other, ()) = tokio::join!(import_bytes(app, &one), import_bytes(app, &other), leave);
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.added + other.added, 4999, "{one:?} {other:?}");
        assert_eq!(one.refused + other.refused, 0);
        let reader = on_record(app, id, "reader5@example.org").await.tie.unwrap();
        assert_eq!(reader.status, SubscriptionStatus::Unsubscribed);
    }
}
