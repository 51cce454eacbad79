//! The fixture: the real program on a fresh database, with a clock of the test's own.

#![expect(clippy::print_stderr, reason = "a test that fails says on which database")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::feeds::{Feeds, Item, rss};
use crate::sink::{Accepted, Options, Sink};

/// How long anything may take before the test says what it waited for: far longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// When tests begin unless they say otherwise: a Monday.
pub const MONDAY: &str = "2026-03-02T05:00:00Z";

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

fn server() -> Option<String> {
    static SAY_ONCE: Once = Once::new();
    let server = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty());
    if server.is_none() {
        // Straight to standard error: what is printed by a test that passes is not shown.
        SAY_ONCE.call_once(|| {
            let note =
                "note: TEST_DATABASE_URL is not set: the tests run on SQLite alone (tests/run runs both)";
            let _ = writeln!(std::io::stderr(), "{note}");
        });
    }
    server
}

/// Runs a test on a fresh Daybreak on SQLite, and on another on PostgreSQL where there is a server. At its end
/// nothing may be left queued, deferred or claimed, unless the test says so.
pub async fn everywhere(test: impl AsyncFn(&mut Daybreak)) {
    on_sqlite(&test).await;
    on_postgres(&test).await;
}

/// See [`everywhere`].
pub async fn on_sqlite(test: impl AsyncFn(&mut Daybreak)) {
    eprintln!("-- on SQLite");
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("daybreak.db").display());
    Daybreak::new(Kind::Sqlite, url, folder).see(test).await;
}

/// See [`everywhere`]; nothing where there is no server.
pub async fn on_postgres(test: impl AsyncFn(&mut Daybreak)) {
    let Some(server) = server() else { return };
    eprintln!("-- on PostgreSQL");
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    let name = format!("daybreak_it_{:016x}", u64::from_be_bytes(bytes));
    execute(&server, &format!("CREATE DATABASE {name}")).await;
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    Daybreak::new(Kind::Postgres, url.to_string(), TempDir::new().unwrap()).see(test).await;
    execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// Runs a test on a fresh Daybreak on the database at this URL; see [`everywhere`].
pub async fn on(kind: Kind, url: String, test: impl AsyncFn(&mut Daybreak)) {
    Daybreak::new(kind, url, TempDir::new().unwrap()).see(test).await;
}

/// One connection for one statement: the program has its own.
async fn connect(url: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await.unwrap_or_else(|error| panic!("no connection to {url}: {error}"))
}

async fn execute(url: &str, statement: &str) {
    let mut connection = connect(url).await;
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A Daybreak on a database of its own.
pub struct Daybreak {
    pub kind: Kind,
    pub url: String,
    folder: TempDir,
    settings: BTreeMap<&'static str, String>,
    may_leave_open: bool,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Daybreak {
    fn new(kind: Kind, url: String, folder: TempDir) -> Self {
        let settings = BTreeMap::from([
            ("DAYBREAK_DATABASE_URL", url.clone()),
            ("DAYBREAK_PUBLIC_URL", "https://news.example.org".to_owned()),
            ("DAYBREAK_LISTEN", "127.0.0.1:0".to_owned()),
            ("DAYBREAK_FETCH_PRIVATE", "true".to_owned()),
            ("DAYBREAK_CLOCK", MONDAY.to_owned()),
        ]);
        Self { kind, url, folder, settings, may_leave_open: false }
    }

    /// The same settings on another database: to look into it.
    pub fn beside(other: &Self, url: String) -> Self {
        let mut beside = Self::new(other.kind, url.clone(), TempDir::new().unwrap());
        beside.settings = other.settings.clone();
        beside.set("DAYBREAK_DATABASE_URL", url);
        beside
    }

    async fn see(mut self, test: impl AsyncFn(&mut Self)) {
        test(&mut self).await;
        if !self.may_leave_open {
            for table in ["deliveries", "notices"] {
                let open = self
                    .number(&format!(
                        "SELECT COUNT(*) FROM {table} WHERE state NOT IN ('sent', 'failed', 'skipped')"
                    ))
                    .await;
                assert_eq!(open, 0, "rows of {table} are left open at the end of the test");
            }
        }
    }

    /// Says that this test ends with messages that are not sent.
    pub fn leaves_some_open(&mut self) {
        self.may_leave_open = true;
    }

    /// Sets an environment key for every command from now on.
    pub fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.settings.insert(key, value.into());
    }

    /// Leaves an environment key out of every command from now on.
    pub fn unset(&mut self, key: &str) {
        self.settings.remove(key);
    }

    /// The environment of every command.
    pub fn settings(&self) -> &BTreeMap<&'static str, String> {
        &self.settings
    }

    /// Sets the time at which the clock of every command from now on begins.
    pub fn at(&mut self, time: &str) {
        self.set("DAYBREAK_CLOCK", time);
    }

    pub fn relay(&mut self, url: impl Into<String>) {
        self.set("DAYBREAK_RELAY_URL", url);
    }

    /// Starts a sink that takes everything but what its scripts say, and names it as the relay.
    pub async fn sink(&mut self) -> Sink {
        self.sink_with(Options::default()).await
    }

    pub async fn sink_with(&mut self, options: Options) -> Sink {
        let sink = Sink::start(options).await;
        self.relay(sink.url());
        sink
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybreak"));
        command
            .args(words)
            .env_clear()
            .envs(
                std::env::vars()
                    .filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME" | "RUST_BACKTRACE")),
            )
            .envs(&self.settings)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end, however that is.
    pub async fn try_run(&self, words: &[&str]) -> Ran {
        let running = self.command(words).output();
        let output = timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("{words:?} does not end"));
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what commands print is UTF-8");
        let ran = Ran { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) };
        // Shown where the test fails.
        eprintln!("$ daybreak {}\n{}", words.join(" "), ran.stderr);
        ran
    }

    /// Runs a command as a user to whom permissions apply; none where that cannot be done.
    pub async fn try_run_as_nobody(&self, words: &[&str]) -> Option<Ran> {
        let id = std::process::Command::new("id").arg("-u").output().ok()?;
        if id.stdout != b"0\n" {
            return Some(self.try_run(words).await);
        }
        // Where our own program lies in a folder of root's, it is out of reach for others.
        let program = self.folder().with_extension("program");
        std::fs::copy(env!("CARGO_BIN_EXE_daybreak"), &program).ok()?;
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).args(words);
        command.env_clear().envs(&self.settings).current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await;
        let _ = std::fs::remove_file(&program);
        let output = output.ok()?.ok()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Some(Ran { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub async fn run(&self, words: &[&str]) -> String {
        let ran = self.try_run(words).await;
        assert!(ran.status.success(), "{words:?} failed: {}\n{}", ran.stderr, ran.stdout);
        ran.stdout
    }

    /// Runs a command that must fail (exit status 1), and returns what it said about it.
    pub async fn fails(&self, words: &[&str]) -> String {
        let ran = self.try_run(words).await;
        assert_eq!(ran.status.code(), Some(1), "{words:?} was to fail: {}\n{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran.stderr
    }

    /// Runs a reading command, and returns its JSON.
    pub async fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        let printed = self.run(&words).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{words:?}: {error}: {printed}"))
    }

    /// Makes keys for news.example.org, with these words behind `dkim add`, that sign without waiting for DNS.
    pub async fn keys(&self, words: &[&str]) -> serde_json::Value {
        let keys = self.json(&[&["dkim", "add", "news.example.org"], words].concat()).await;
        for key in keys.as_array().unwrap() {
            self.run(&["dkim", "sign", "news.example.org", key["selector"].as_str().unwrap()]).await;
        }
        keys
    }

    /// Does everything that is due at this time.
    pub async fn serve_once(&mut self, time: &str) {
        self.at(time);
        self.run(&["serve", "--once"]).await;
    }

    /// Lets the service listen where mails say that it is, for a browser: at a loopback address that nobody else has,
    /// so that it can be named before the service starts, and stays the same when it starts again.
    pub fn on_loopback(&mut self) -> String {
        let mut place = [0; 3];
        getrandom::fill(&mut place).unwrap();
        // Neither a network's own address nor one to everybody in it, and not 127.0.0.1.
        let [a, b, c] = place.map(|byte: u8| byte.clamp(1, 254));
        let address = format!("127.{a}.{b}.{c}:8000");
        let url = format!("http://{address}");
        self.set("DAYBREAK_LISTEN", address);
        self.set("DAYBREAK_PUBLIC_URL", url.clone());
        url
    }

    /// Starts the service.
    pub async fn serve(&self, words: &[&str]) -> Service {
        self.start(&[&["serve"], words].concat())
    }

    /// Starts a command that goes on until it is told to stop.
    pub fn start(&self, words: &[&str]) -> Service {
        let mut child = self.command(words).spawn().unwrap();
        let (log, logged) = watch::channel(String::new());
        let (said, heard) = watch::channel(String::new());
        tokio::spawn(gather(child.stderr.take().unwrap(), log));
        tokio::spawn(gather(child.stdout.take().unwrap(), said));
        Service { child, log: logged, said: heard }
    }

    /// A newsletter “brief” whose issues freeze at their slot, with these further settings.
    pub async fn newsletter(&self, settings: &[&str]) {
        self.newsletter_called("brief", settings).await;
    }

    pub async fn newsletter_called(&self, slug: &str, settings: &[&str]) {
        let from = format!("The {slug} <{slug}@news.example.org>");
        let mut words = vec!["newsletter", "add", slug, "--name", "Morning Brief", "--from", &from];
        for setting in [&["cutoff-minutes=0"], settings].concat() {
            words.extend(["--set", setting]);
        }
        self.run(&words).await;
    }

    /// A schedule of “brief”.
    pub async fn schedule(&self, at: &str, zone: &str, days: &str) {
        self.schedule_of("brief", at, zone, days).await;
    }

    pub async fn schedule_of(&self, slug: &str, at: &str, zone: &str, days: &str) {
        self.run(&["schedule", "add", slug, "--at", at, "--timezone", zone, "--days", days]).await;
    }

    /// Adds a feed with these items to “brief”, and reads it.
    pub async fn source(&self, feeds: &Feeds, path: &str, items: &[Item]) {
        feeds.answer(path, rss(items));
        self.run(&["source", "add", "brief", &feeds.url(path)]).await;
    }

    /// Readers of “brief”, active, by a CSV file.
    pub async fn readers(&self, csv: &str) {
        self.readers_of("brief", csv).await;
    }

    pub async fn readers_of(&self, slug: &str, csv: &str) {
        let file = self.folder().join("readers.csv");
        std::fs::write(&file, csv).unwrap();
        self.run(&["subscriber", "import", file.to_str().unwrap(), "--newsletter", slug]).await;
    }

    /// The issues of a newsletter that have gone out or are to, the earliest slot first.
    pub async fn issues(&self, slug: &str) -> Vec<Value> {
        let listed = self.json(&["issue", "list", "--newsletter", slug, "--limit", "1000"]).await;
        let mut issues = listed.as_array().unwrap().clone();
        issues.reverse();
        issues
    }

    /// The slots of a newsletter's issues in a state.
    pub async fn slots(&self, slug: &str, state: &str) -> Vec<String> {
        let issues = self.issues(slug).await;
        let there = issues.iter().filter(|issue| issue["state"] == state);
        there.map(|issue| issue["slot"].as_str().unwrap().to_owned()).collect()
    }

    /// The answer to why somebody did or did not get an issue.
    pub async fn why(&self, issue: i64, email: &str) -> String {
        let answer = self.json(&["issue", "why", &issue.to_string(), email]).await;
        answer["answer"].as_str().unwrap().to_owned()
    }

    /// What one row with one number says.
    pub async fn number(&self, query: &str) -> i64 {
        let mut connection = connect(&self.url).await;
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let row = sqlx::query(query).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }

    /// What the first column of a query says.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let mut connection = connect(&self.url).await;
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Changes the database behind the program's back.
    pub async fn execute(&self, statement: &str) {
        execute(&self.url, statement).await;
    }

    /// Keeps everybody else from writing deliveries.
    pub async fn lock_deliveries(&self) -> Lock {
        let mut connection = connect(&self.url).await;
        let statement = match self.kind {
            Kind::Sqlite => "PRAGMA busy_timeout = 30000; BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN; LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE",
        };
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        Lock(connection)
    }

    /// Waits until a query counts as many.
    pub async fn until_counted(&self, query: &str, count: i64) {
        let begun = Instant::now();
        loop {
            let counted = self.number(query).await;
            if counted == count {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{query}: it is {counted} and does not become {count}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// See [`Daybreak::lock_deliveries`].
pub struct Lock(AnyConnection);

impl Lock {
    pub async fn release(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// Collects what a process writes.
async fn gather(pipe: impl AsyncRead + Unpin, into: watch::Sender<String>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        into.send_modify(|all| {
            all.push_str(&line);
            all.push('\n');
        });
    }
}

/// A running `daybreak serve` or `daybreak demo`; it is killed when this is dropped.
pub struct Service {
    child: Child,
    log: watch::Receiver<String>,
    said: watch::Receiver<String>,
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("-- what a service logged:\n{}", *self.log.borrow());
        }
    }
}

impl Service {
    /// Where its pages are.
    pub async fn pages(&self) -> String {
        let said = self.says("http://").await;
        let address = said.split_once("http://").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
        format!("http://{}", address.unwrap())
    }

    /// Waits until it has printed these words, and returns all that it has.
    pub async fn says(&self, words: &str) -> String {
        self.wait(&self.said, &format!("says “{words}”"), |text| text.contains(words)).await
    }

    /// Waits until its log holds these words.
    pub async fn logs(&self, words: &str) {
        self.wait(&self.log, &format!("logs “{words}”"), |text| text.contains(words)).await;
    }

    async fn wait(
        &self,
        text: &watch::Receiver<String>,
        what: &str,
        enough: impl Fn(&str) -> bool,
    ) -> String {
        let mut text = text.clone();
        let waited = timeout(PATIENCE, text.wait_for(|text| enough(text))).await;
        match waited {
            Ok(Ok(text)) => text.clone(),
            _ => panic!("the service never {what}; its log:\n{}", *self.log.borrow()),
        }
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs");
        // The shell's own kill: the program of that name is not everywhere.
        let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(sent.unwrap().success());
    }

    /// SIGSTOP: when this returns, every thread stands still. The signal alone is not enough: the thread that gets it
    /// may have to wait for a processor, and the others go on until it has had one.
    pub async fn freeze(&self) {
        self.signal("STOP");
        let id = self.child.id().expect("it runs");
        let stands_still = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state comes after the program's name, which stands in parentheses (proc_pid_stat(5)).
            stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
        };
        let frozen = || {
            let mut threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
            threads.all(|thread| thread.is_ok_and(stands_still))
        };
        while !frozen() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and how long it took to end; it must end well.
    pub async fn stop(self) -> Duration {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it has ended, well, and returns how long that took.
    pub async fn ended(mut self) -> Duration {
        let (status, took) = self.wait_for_end().await;
        assert!(status.success(), "{status}; its log:\n{}", *self.log.borrow());
        took
    }

    /// Waits until it has ended, well or not, and returns how long that took, and its log.
    pub async fn gone(mut self) -> (Duration, String) {
        let (_, took) = self.wait_for_end().await;
        (took, self.log.borrow().clone())
    }

    async fn wait_for_end(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let ended = timeout(PATIENCE, self.child.wait()).await;
        (ended.expect("SIGTERM ends the service").unwrap(), begun.elapsed())
    }
}

/// What sends of many thousands ask.
impl Sink {
    /// How many messages it has accepted.
    pub fn count(&self) -> usize {
        self.arrivals.borrow().len()
    }

    /// Waits until it has accepted so many messages.
    pub async fn until(&self, count: usize) {
        let mut arrivals = self.arrivals.clone();
        let waited = timeout(PATIENCE, arrivals.wait_for(|all| all.len() >= count)).await.is_ok();
        assert!(waited, "the relay never got {count} messages; it has {}", self.count());
    }
}

/// Waits until the sink has accepted what a test waits for, and returns all it has accepted.
pub async fn arrived(sink: &Sink, what: &str, enough: impl Fn(&[Accepted]) -> bool) -> Vec<Accepted> {
    let mut arrivals = sink.arrivals.clone();
    let waited = timeout(PATIENCE, arrivals.wait_for(|all| enough(all))).await;
    match waited {
        Ok(Ok(all)) => all.clone(),
        _ => panic!("the relay never got {what}; it has {} messages", sink.arrivals.borrow().len()),
    }
}

/// Whom the sink has accepted messages for, sorted.
pub fn recipients(sink: &Sink) -> Vec<String> {
    let mut all: Vec<String> = sink.accepted().into_iter().flat_map(|accepted| accepted.to).collect();
    all.sort();
    all
}

/// Readers 1 to `count` as a CSV file.
pub fn many_readers(count: usize) -> String {
    let lines: String =
        (1..=count).map(|number| format!("reader{number}@example.net,Reader {number}\n")).collect();
    format!("email,name\n{lines}")
}
