//! Imports in the browser: upload, columns, dry run, report; and exports.

use super::*;
use crate::db::imports::{self, ImportState};
use crate::db::testing::count;
use crate::pipeline::accounts::Actor;
use crate::pipeline::import::uploads;

const BOUNDARY: &str = "----boundary";

impl House {
    /// Uploads a file as the form of the page does.
    async fn upload(&self, by: &Person, newsletter: &str, name: &str, file: &[u8]) -> Answer {
        let mut body = vec![];
        for (field, value) in [("token", by.token.as_str()), ("newsletter", newsletter)] {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: text/csv\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let request = self.client.post(format!("{}/office/import", self.base)).header("cookie", &by.cookie);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = request.header("origin", &self.base).header("content-type", kind).body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// The page of an import once nobody is at it any more.
    async fn settled(&self, by: &Person, path: &str) -> String {
        for _ in 0..1000 {
            let page = self.get_as(by, path).await;
            assert_eq!(page.status, 200, "{}", page.body);
            if page.header("refresh").is_empty() {
                return page.body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{path} never settles");
    }

    /// Uploads, checks and takes in a file whose columns are guessed; returns the report's page.
    async fn take_in(&self, by: &Person, file: &[u8], columns: &[&str]) -> String {
        let uploaded = self.upload(by, "brief", "people.csv", file).await;
        assert_eq!(uploaded.status, 303, "{}", uploaded.body);
        let path = uploaded.header("location").to_owned();
        let names: Vec<String> = (0..columns.len()).map(|place| format!("column-{place}")).collect();
        let fields: Vec<(&str, &str)> = names
            .iter()
            .map(String::as_str)
            .zip(columns.iter().copied())
            .chain([("consent", "Yes, please")])
            .collect();
        let checked = self.submit_as(by, &format!("{path}/check"), &fields).await;
        assert_eq!(checked.status, 303, "{}", checked.body);
        self.settled(by, &path).await;
        let run = self.submit_as(by, &format!("{path}/run"), &[]).await;
        assert_eq!(run.status, 303, "{}", run.body);
        self.settled(by, &path).await
    }
}

#[tokio::test]
async fn a_file_without_names_of_columns_is_refused_and_loses_nobody() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let uploaded = house.upload(&ed, "brief", "people.csv", b"ann@example.org\nbob@example.org\n").await;
        let page = match uploaded.header("location") {
            "" => uploaded.body,
            to => house.get_as(&ed, to).await.body,
        };
        assert!(page.contains("The first line holds an e-mail address"), "{page}");
        // A list of mailing lists beside a column of addresses is none.
        let lists = b"email,news@lists.example\nann@example.org,yes\n";
        assert_eq!(house.upload(&ed, "brief", "people.csv", lists).await.status, 303);
        house.close().await;
    }
}

#[tokio::test]
async fn a_dry_run_warns_above_the_button_of_people_who_may_have_left_elsewhere() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let file = b"email,Account disabled\nann@example.org,yes\nbob@example.org,no\n";
        let uploaded = house.upload(&ed, "brief", "people.csv", file).await;
        let path = uploaded.header("location").to_owned();
        let check = async |held: &str| {
            let fields = [("column-0", "email"), ("column-1", held)];
            house.submit_as(&ed, &format!("{path}/check"), &fields).await;
            house.settled(&ed, &path).await
        };
        let page = check("").await;
        let warning = page.find("1 person who would be mailed has something in “Account disabled”").unwrap();
        assert!(warning < page.find("Import 2 people into brief").unwrap(), "{page}");
        assert!(page.contains("line 2</span>"), "{page}");
        let page = check("left_at").await;
        assert!(
            !page.contains("would be mailed") && page.contains("1 person in the file would get"),
            "{page}"
        );
        house.close().await;
    }
}

/// The figures of a report: new, changed, unchanged, refused.
fn figures(body: &str) -> Vec<&str> {
    body.split("<span class=\"figure\">").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

const FILE: &[u8] = b"Mail,Who,Kunde,Notes\r\nann@example.org,Ann Lee,7,x\r\nnobody,No,8,\r\n\
    bob@example.org,\"=HYPERLINK(\"\"http://evil.example\"\")\",9,\r\nann@example.org,Again,1,\r\n";

#[tokio::test]
async fn a_file_is_looked_at_checked_and_taken_in_and_again_changes_nothing() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let uploaded = house.upload(&ed, "brief", "../../etc/people.csv", FILE).await;
        assert_eq!(uploaded.status, 303, "{}", uploaded.body);
        let path = uploaded.header("location").to_owned();
        let page = house.get_as(&ed, &path).await.body;
        assert!(page.contains("<h1>people.csv</h1>") && !page.contains("etc/"), "{page}");
        for part in ["ann@example.org", "Ann Lee", "Kunde", "<option value=\"email\" selected>", "Skip it"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let check = async |columns: [&str; 4]| {
            let fields: Vec<(String, &str)> = columns
                .iter()
                .enumerate()
                .map(|(place, field)| (format!("column-{place}"), *field))
                .collect();
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, field)| (name.as_str(), *field)).collect();
            house.submit_as(&ed, &format!("{path}/check"), &fields).await
        };
        for (columns, says) in [
            (["", "name", "", ""], "which column holds the e-mail address"),
            (["email", "name", "name", ""], "2 columns are said to be “Name”"),
        ] {
            let refused = check(columns).await;
            assert!(refused.status == 422 && refused.body.contains(says), "{says}: {}", refused.body);
            assert!(refused.body.contains("<option value=\"name\" selected>"), "what was chosen stays");
        }
        assert_eq!(check(["email", "name", "", ""]).await.status, 303);
        let report = house.settled(&ed, &path).await;
        assert_eq!(figures(&report), ["2", "0", "0", "2"], "{report}");
        assert!(
            report.contains("What it would do") && report.contains("Import 2 people into brief"),
            "{report}"
        );
        assert!(
            report.contains("“nobody” is not an e-mail address") && report.contains("line 3</span>"),
            "{report}"
        );
        assert!(house.stored("ann@example.org").await.is_empty(), "a dry run writes nothing");
        let notes = house.get_as(&ed, &format!("{path}/notes")).await;
        assert!(notes.body.starts_with("line,what,reason\n3,refused,"), "{}", notes.body);
        assert!(notes.header("content-disposition").contains("attachment"));

        assert_eq!(house.submit_as(&ed, &format!("{path}/run"), &[]).await.status, 303);
        let report = house.settled(&ed, &path).await;
        assert!(report.contains("What it did"), "{report}");
        assert_eq!(figures(&report), ["2", "0", "0", "2"]);
        let stored = house.stored("ann@example.org").await.remove(0);
        assert_eq!(
            (stored.subscription.consent, stored.origin.as_deref()),
            (None, Some("import people.csv")),
            "nobody told of a consent"
        );
        assert_eq!(house.submit_as(&ed, &format!("{path}/run"), &[]).await.status, 422, "it is done");

        // Now it is said what they agreed to.
        let told = house.take_in(&ed, FILE, &["email", "name", "", ""]).await;
        assert_eq!(figures(&told), ["0", "2", "0", "2"], "{told}");
        let consent = house.stored("ann@example.org").await.remove(0).subscription.consent.unwrap();
        assert_eq!(consent.words, "Yes, please");
        let again = house.take_in(&ed, FILE, &["email", "name", "", ""]).await;
        assert_eq!(figures(&again), ["0", "0", "2", "2"], "{again}");
        let lines = house.lines_of_audit().await.join("\n");
        for action in ["import.upload", "import.check", "import.run"] {
            assert!(
                lines.contains(&format!("ed@example.org {action} done: import 1: people.csv")),
                "{action}: {lines}"
            );
        }
        assert_eq!(house.submit_as(&ed, &format!("{path}/remove"), &[]).await.status, 303);
        assert_eq!(house.get_as(&ed, &path).await.status, 404);
        house.close().await;
    }
}

#[tokio::test]
async fn hostile_files_are_refused_in_words_and_harm_nothing() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let many = vec!["column"; 200].join(",");
        for (file, says) in [
            (&b""[..], "The file is empty"),
            (b"\"never closed", "cannot be read"),
            (many.as_bytes(), "200 columns"),
        ] {
            let mut answer = house.upload(&ed, "brief", "x.csv", file).await;
            if answer.status == 303 {
                answer = house.get_as(&ed, answer.header("location")).await;
            }
            assert!(answer.body.contains(says), "{says}: {}", answer.body);
        }
        let file = b"email,name\n<script>alert(1)</script>,\"<img src=x onerror=alert(1)>\"\nann@example.org,\0\0\n\xff\xfe@x,y\nbob@example.org,Bob\n";
        let uploaded = house.upload(&ed, "brief", "<b>x</b>.csv", file).await;
        let page = house.get_as(&ed, uploaded.header("location")).await;
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{}", page.body);
        let report = house.take_in(&ed, file, &["email", "name"]).await;
        assert_eq!(figures(&report), ["1", "0", "0", "3"], "{report}");
        assert_eq!(house.upload(&ed, "none", "x.csv", FILE).await.status, 422);
        // Neither a strange token nor an editor's own.
        let forged = Person { cookie: ed.cookie.clone(), token: "0".repeat(64) };
        assert_eq!(house.upload(&forged, "brief", "x.csv", FILE).await.status, 403);
        let editor = house.sign_in("editor@example.org", Role::Editor).await;
        assert_eq!(house.upload(&editor, "brief", "x.csv", FILE).await.status, 403);
        let urlencoded = house.submit_as(&ed, "/office/import", &[("newsletter", "brief")]).await;
        assert_eq!(urlencoded.status, 415);
        house.close().await;
    }
}

#[tokio::test]
async fn an_import_whose_process_died_is_run_again() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let uploaded = house.upload(&ed, "brief", "people.csv", FILE).await;
        let path = uploaded.header("location").to_owned();
        let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
        let now = house.app.clock.now();
        let columns = "[\"email\",\"name\",null,null]";
        let begin = async |state| {
            let mut conn = house.app.db.conn().await.unwrap();
            imports::begin(&mut conn, id, state, columns, "Yes", now, now).await.unwrap()
        };
        assert!(!begin(ImportState::Running).await, "nothing is taken in before a dry run");
        let early = house.submit_as(&ed, &format!("{path}/run"), &[]).await;
        assert_eq!(early.status, 422, "{}", early.body);
        // The process of the dry run dies: what is offered is a dry run.
        assert!(begin(ImportState::Checking).await);
        house.pass(60_000);
        let page = house.get_as(&ed, &path).await.body;
        let form = page.split("Nothing has happened for a while").nth(1).unwrap();
        let form = form.split("</form>").next().unwrap();
        assert!(form.contains(&format!("action=\"{path}/check\"")), "{form}");
        assert!(
            form.contains("name=\"column-0\" value=\"email\"") && form.contains("value=\"Yes\""),
            "{form}"
        );
        assert!(!page.contains(&format!("{path}/run")), "{page}");
        let early = house.submit_as(&ed, &format!("{path}/run"), &[]).await;
        assert!(early.status == 422 && early.body.contains("Look first what it would do"), "{}", early.body);
        let fields = [("column-0", "email"), ("column-1", "name"), ("column-2", ""), ("column-3", "")];
        assert_eq!(house.submit_as(&ed, &format!("{path}/check"), &fields).await.status, 303);
        house.settled(&ed, &path).await;
        assert!(house.stored("ann@example.org").await.is_empty());
        // Now the process of the import.
        let now = house.app.clock.now();
        let mut conn = house.app.db.conn().await.unwrap();
        let running = ImportState::Running;
        assert!(imports::begin(&mut conn, id, running, columns, "Yes", now, now).await.unwrap());
        drop(conn);
        let page = house.get_as(&ed, &path).await;
        assert_eq!(page.header("refresh"), "2");
        assert!(!page.body.contains(&format!("{path}/remove")), "{}", page.body);
        assert_eq!(house.submit_as(&ed, &format!("{path}/run"), &[]).await.status, 422, "somebody is at it");
        let removed = house.submit_as(&ed, &format!("{path}/remove"), &[]).await;
        assert!(removed.status == 422 && removed.body.contains("being read"), "{}", removed.body);
        house.pass(60_000);
        let page = house.get_as(&ed, &path).await;
        assert!(page.body.contains(&format!("{path}/remove")), "{}", page.body);
        assert!(page.body.contains("Import again from the start"), "{}", page.body);
        assert_eq!(house.submit_as(&ed, &format!("{path}/run"), &[]).await.status, 303);
        assert_eq!(figures(&house.settled(&ed, &path).await), ["2", "0", "0", "2"]);
        // The process that was taken for dead comes back, and changes nothing any more.
        let mut conn = house.app.db.conn().await.unwrap();
        let run = imports::get(&mut conn, id).await.unwrap().unwrap().run;
        let now = house.app.clock.now();
        assert!(imports::beat(&mut conn, id, run - 1, 5, now).await.is_err());
        let failed = ImportState::Failed;
        assert!(imports::finish(&mut conn, id, run - 1, failed, None, Some("frozen"), now).await.is_err());
        drop(conn);
        assert_eq!(figures(&house.settled(&ed, &path).await), ["2", "0", "0", "2"]);
        house.close().await;
    }
}

#[tokio::test]
async fn the_list_is_exported_as_it_is_filtered_and_harmless_to_spreadsheets() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        house.take_in(&ed, FILE, &["email", "name", "", ""]).await;
        let mut tx = house.app.db.begin().await.unwrap();
        let alone = EmailAddress::parse("alone@example.org").unwrap();
        subscribers::ensure(&mut tx, &house.app.key, &alone, house.app.clock.now()).await.unwrap();
        crate::db::commit(tx).await.unwrap();
        let export = async |filter: &str| {
            house.submit_as(&ed, "/office/subscribers/export", &[("filter", filter)]).await
        };
        let all = export("").await;
        assert!(all.header("content-disposition").contains("subscribers.csv"));
        let mut lines = csv::Reader::from_reader(all.body.as_bytes());
        assert_eq!(lines.headers().unwrap().iter().next_back(), Some("newsletter"));
        let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
        let of =
            |email: &str| lines.iter().find(|line| &line[0] == email).unwrap_or_else(|| panic!("{email}"));
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (&of("bob@example.org")[1], &of("bob@example.org")[2]),
            ("'=HYPERLINK(\"http://evil.example\")", "active")
        );
        assert_eq!((&of("alone@example.org")[2], &of("alone@example.org")[15]), ("none", ""));
        let one = export("newsletter=brief&q=ann").await;
        assert!(one.header("content-disposition").contains("subscribers-brief.csv"));
        assert_eq!(one.body.lines().count(), 2, "{}", one.body);
        // What it wrote changes nothing when it is read back, and brings in nobody who follows nothing.
        let columns = [
            "email",
            "name",
            "status",
            "topics",
            "frequency",
            "hour",
            "timezone",
            "language",
            "consent_at",
            "consent_from",
            "consent_words",
            "paused_until",
            "left_at",
            "left_reason",
            "tags",
            "",
        ];
        let again = house.take_in(&ed, all.body.as_bytes(), &columns).await;
        assert_eq!(figures(&again), ["0", "0", "2", "1"], "{again}");
        assert_eq!(export("state=odd").await.status, 422);
        let lines = house.lines_of_audit().await.join("\n");
        assert!(lines.contains("ed@example.org subscribers.export done: people"), "{lines}");
        house.close().await;
    }
}

#[tokio::test]
async fn nothing_of_an_erased_person_comes_back_with_a_file() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        house.take_in(&ed, FILE, &["email", "name", "", ""]).await;
        // One is erased as a reader, the other after their mail came back: that reason stays.
        let (ann, bob) = ("ann@example.org", "bob@example.org");
        let erased = [ann, bob].map(|email| EmailAddress::parse(email).unwrap());
        let by = Actor::command_line();
        crate::pipeline::people::suppress(&house.app, &by, &erased[1], "asked").await.unwrap();
        for email in &erased {
            crate::pipeline::people::erase(&house.app, None, email).await.unwrap();
        }
        let report =
            house.take_in(&ed, b"email\nann@example.org\nbob@example.org\neve@example.org\n", &["email"]);
        let report = report.await;
        assert_eq!(figures(&report), ["1", "0", "0", "2"], "{report}");
        assert!(
            report.contains("2 people were erased before") && report.contains("line 2</span>"),
            "{report}"
        );
        assert!(!report.contains(ann) && !report.contains(bob), "{report}");
        let mut conn = house.app.db.conn().await.unwrap();
        for email in &erased {
            assert_eq!(subscribers::find(&mut conn, email).await.unwrap(), None);
        }
        drop(conn);
        house.close().await;
    }
}

impl House {
    async fn pieces(&self) -> i64 {
        count(&mut self.app.db.conn().await.unwrap(), "upload_pieces").await
    }

    /// Waits until there are pieces of files, or none.
    async fn until_pieces(&self, are: bool) {
        for _ in 0..1000 {
            if (self.pieces().await > 0) == are {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("there are {} pieces", self.pieces().await);
    }
}

#[tokio::test]
async fn a_file_lies_where_every_node_finds_it_until_it_is_taken_in_or_a_day_has_passed() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        // Two of the same name and content are two.
        let first = house.upload(&ed, "brief", "people.csv", FILE).await.header("location").to_owned();
        let again = house.upload(&ed, "brief", "people.csv", FILE).await.header("location").to_owned();
        assert!(first != again && house.pieces().await == 2);
        let fields = [("column-0", "email"), ("column-1", "name"), ("column-2", ""), ("column-3", "")];
        let check = async |path: &str| house.submit_as(&ed, &format!("{path}/check"), &fields).await;
        assert_eq!(check(&first).await.status, 303);
        house.settled(&ed, &first).await;
        assert_eq!(house.pieces().await, 4, "two files, and twice the notes about one");
        assert_eq!(house.submit_as(&ed, &format!("{first}/run"), &[]).await.status, 303);
        let report = house.settled(&ed, &first).await;
        assert!(report.contains("is not an e-mail address"), "{report}");
        house.pass(23 * HOUR);
        uploads::forget(&house.app).await.unwrap();
        assert_eq!(house.pieces().await, 3, "the file that waits, and the notes about the other");
        assert_eq!(check(&again).await.status, 303);
        house.settled(&ed, &again).await;
        house.pass(23 * HOUR);
        uploads::forget(&house.app).await.unwrap();
        assert_eq!(house.pieces().await, 3, "the file that was looked at today, and its notes");
        house.pass(2 * HOUR);
        uploads::forget(&house.app).await.unwrap();
        assert_eq!(house.pieces().await, 0);
        let page = house.get_as(&ed, &again).await;
        assert!(page.body.contains("The file is not here any more: upload it again"), "{}", page.body);
        assert_eq!(house.submit_as(&ed, &format!("{again}/run"), &[]).await.status, 422);
        house.close().await;
    }
}

#[tokio::test]
async fn nothing_stays_of_an_upload_that_breaks_off() {
    use tokio::io::AsyncWriteExt as _;
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let place = house.base.strip_prefix("http://").unwrap();
        let mut line = tokio::net::TcpStream::connect(place).await.unwrap();
        let head = format!(
            "POST /office/import HTTP/1.1\r\nHost: {place}\r\nOrigin: {}\r\nCookie: {}\r\nContent-Length: 9000000\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{}\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"newsletter\"\r\n\r\nbrief\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\nemail\n",
            house.base, ed.cookie, ed.token
        );
        line.write_all(head.as_bytes()).await.unwrap();
        line.write_all("ann@example.org\n".repeat(40_000).as_bytes()).await.unwrap();
        house.until_pieces(true).await;
        drop(line);
        house.until_pieces(false).await;
        assert!(imports::list(&mut house.app.db.conn().await.unwrap(), 10).await.unwrap().is_empty());

        // A process that died in the middle could remove nothing: it goes with the old files.
        let mut conn = house.app.db.conn().await.unwrap();
        let now = house.app.clock.now();
        crate::db::uploads::put(&mut conn, "half", crate::db::uploads::Part::File, 0, b"email", now)
            .await
            .unwrap();
        drop(conn);
        uploads::forget(&house.app).await.unwrap();
        assert_eq!(house.pieces().await, 1);
        house.pass(25 * HOUR);
        uploads::forget(&house.app).await.unwrap();
        assert_eq!(house.pieces().await, 0);
        house.close().await;
    }
}

#[tokio::test]
async fn a_dry_run_says_who_gets_the_next_issue_which_tags_are_new_and_what_is_wrong_in_groups() {
    for house in houses().await {
        let ed = house.sign_in("ed@example.org", Role::Admin).await;
        let mut file =
            "email,tags,since\nann@example.org,\"press, VIP\",31/01/2024\nbob@example.org,,31/31/2024\n"
                .to_owned();
        (0..30).for_each(|n| file += &format!("nobody {n},,\n"));
        let uploaded = house.upload(&ed, "brief", "people.csv", file.as_bytes()).await;
        let path = uploaded.header("location").to_owned();
        let fields = [("column-0", "email"), ("column-1", "tags"), ("column-2", "consent_at")];
        assert_eq!(house.submit_as(&ed, &format!("{path}/check"), &fields).await.status, 303);
        let report = house.settled(&ed, &path).await;
        for part in [
            "2 people in the file would get the next issue of brief, for the first time.",
            "It makes 2 new tags: press, vip.",
            "Dates with slashes are read as day/month/year: 31/01/2024",
            "<strong>30 addresses are not e-mail addresses</strong>",
            "and 25 more",
            "<strong>1 date could not be read</strong>",
            "“31/31/2024” is not a date: write it like 2024-01-31",
            "Download every line as a file",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
        let kept = imports::list(&mut house.app.db.conn().await.unwrap(), 1).await.unwrap().remove(0);
        assert!(!kept.report.unwrap().contains("nobody"), "no address stands in the database");
        let mut conn = house.app.db.conn().await.unwrap();
        assert!(crate::db::tags::list(&mut conn).await.unwrap().is_empty(), "a dry run makes nothing");
        drop(conn);
        assert_eq!(house.submit_as(&ed, &format!("{path}/run"), &[]).await.status, 303);
        let report = house.settled(&ed, &path).await;
        assert!(
            report.contains("2 people in the file get the next issue")
                && report.contains("It made 2 new tags")
        );
        let list = house.get_as(&ed, "/office/subscribers?tag=vip").await.body;
        assert!(list.contains("ann@example.org") && !list.contains("bob@example.org"), "{list}");
        house.close().await;
    }
}
