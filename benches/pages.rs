//! `cargo bench --bench pages`: how long the office's pages take over HTTP at a million subscribers, on SQLite and on a
//! PostgreSQL of its own.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it finds")]

#[expect(dead_code, reason = "the other benchmark also asks for its CPU time")]
#[path = "send/postgres.rs"]
mod postgres;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args as _, FromArgMatches as _, Parser, ValueEnum};
use daybreak::config::{Networks, Secret, Settings};
use daybreak::db::dialect::Dialect;
use daybreak::db::import::{Change, OnRecord, Tie};
use daybreak::db::subscriptions::Choice;
use daybreak::db::{self, Db};
use daybreak::domain::address::EmailAddress;
use daybreak::domain::subscription::SubscriptionStatus;
use daybreak::domain::user::Role;
use daybreak::pipeline::newsletters::{self, NewNewsletter};
use daybreak::pipeline::{App, accounts};
use daybreak::web;
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::postgres::Postgres;

/// Subscribers written in one transaction.
const GROUP: u64 = 5_000;

/// What a page may take.
const LIMIT: Duration = Duration::from_millis(100);

const FIRST: [&str; 8] = ["Ann", "Bob", "Chloé", "Dora", "Émile", "Fatima", "Greta", "Hugo"];
/// A name that one in so many has, and nobody else.
const RARE: (&str, u64) = ("Quillfeather", 25_000);
const LAST: [&str; 7] = ["Adams", "Baker", "Cohen", "Dupont", "Evans", "Fischer", "García"];

#[derive(Parser, Debug)]
#[command(name = "pages", about = "Measures the office's pages at many subscribers")]
struct Options {
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    subscribers: u64,
    /// How often each page is asked for
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One database only
    #[arg(long)]
    only: Option<Kind>,
    /// Only pages with these words in their names
    #[arg(long, default_value = "")]
    pages: String,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // Why a page failed.
    tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(std::io::stderr).init();
    let done = daybreak::app::runtime()
        .map_err(|error| error.to_string().into())
        .and_then(|runtime| runtime.block_on(measure(&options)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pages: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every page kept within the limit.
async fn measure(options: &Options) -> Result<bool, Box<dyn Error>> {
    let mut is_well = true;
    if options.only != Some(Kind::Postgres) {
        let folder = TempDir::new()?;
        let url = format!("sqlite://{}", folder.path().join("pages.db").display());
        is_well &= on("SQLite", &url, options).await?;
    }
    if options.only != Some(Kind::Sqlite) {
        let Some(programs) = postgres::programs() else {
            eprintln!("PostgreSQL is left out: its server is missing (Debian: apt-get install postgresql)");
            return Ok(is_well);
        };
        let server = Postgres::start(programs)?;
        is_well &= on("PostgreSQL", &server.database("pages")?, options).await?;
    }
    Ok(is_well)
}

async fn on(name: &str, url: &str, options: &Options) -> Result<bool, Box<dyn Error>> {
    let begun = Instant::now();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let app = App::open(settings(url, &base)?).await?;
    let town = settle(&app, options.subscribers).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served =
        tokio::spawn(web::serve(listener, Networks::default(), web::router(app.clone()), async move {
            let _ = stopped.await;
        }));
    println!("\n{name}, {} subscribers (made in {:.0?})", options.subscribers, begun.elapsed());
    println!("{}", sizes(&app).await?);
    println!("{:<52} {:>8} {:>8} {:>8} {:>8}", "page", "p50 ms", "p95 ms", "most", "CPU ms");
    let cookie = sign_in(&app).await?;
    let browser = Browser { client: reqwest::Client::builder().no_proxy().build()?, base, cookie };
    let mut is_well = true;
    let is_asked = |words: &str| words.contains(&options.pages);
    for (words, path) in pages(&town).into_iter().filter(|(words, _)| is_asked(words)) {
        is_well &= browser.measure(words, &path, options.rounds).await?;
    }
    // Pages deeper in the list cost what the first does.
    let deep = "active in a newsletter, the 21st page";
    if is_asked(deep) {
        let mut path = format!("{LIST}?newsletter=brief&state=active");
        for _ in 0..20 {
            let Some(next) = next_of(&browser.get(&path).await?.1) else { break };
            path = next;
        }
        is_well &= browser.measure(deep, &path, options.rounds).await?;
    }
    for (words, path) in deep_pages(&town).into_iter().filter(|(words, _)| is_asked(words)) {
        // So that a place that is not one does not measure the first page.
        if !browser.get(&path).await?.1.contains("rel=\"prev\"") {
            return Err(format!("{words}: nothing is before {path}").into());
        }
        is_well &= browser.measure(words, &path, options.rounds).await?;
    }
    let _ = stop.send(());
    served.await??;
    app.db.close().await;
    Ok(is_well)
}

const LIST: &str = "/office/subscribers";

/// Every kind of road that a list can take, and the other pages.
fn pages(town: &Town) -> Vec<(&'static str, String)> {
    let list = |query: &str| format!("{LIST}?{query}");
    vec![
        ("everybody", LIST.to_owned()),
        ("a newsletter", list("newsletter=brief")),
        ("active in a newsletter", list("newsletter=brief&state=active")),
        ("not confirmed in a newsletter", list("newsletter=brief&state=pending")),
        ("left, anywhere", list("state=unsubscribed")),
        ("paused in a small newsletter", list("newsletter=weekly&state=paused")),
        ("suppressed", list("state=suppressed")),
        ("suppressed in a small newsletter", list("newsletter=weekly&state=suppressed")),
        ("a topic", list("newsletter=brief&topic=world")),
        ("a tag", list("tag=press")),
        ("a tag and a rare language", list("tag=press&language=is")),
        ("a rare language", list("language=is")),
        ("a language that nobody has, in a newsletter", list("newsletter=brief&language=zu")),
        ("joined within days", list("from=2026-01-10&until=2026-01-11")),
        ("a whole address", list(&format!("q=reader{}%40inbox7.example", town.middle / 1000 * 1000 + 7))),
        ("the beginning of an address", list("q=reader12")),
        ("a domain", list("q=%40inbox7.example")),
        ("a domain, active in a newsletter", list("q=%40inbox7.example&newsletter=brief&state=active")),
        ("a first name", list("q=chlo%C3%A9")),
        ("a last name", list("q=garcia")),
        (
            "a last name, among those who left a newsletter",
            list("q=cohen&newsletter=brief&state=unsubscribed"),
        ),
        ("a rare last name", list("q=quillfeather")),
        ("the beginning of a rare last name", list("q=quillf")),
        ("a rare last name, active in a newsletter", list("q=quillf&newsletter=brief&state=active")),
        ("a rare last name, on the suppression list", list("q=quillf&state=suppressed")),
        ("a rare last name, with a tag", list("q=quillf&tag=press")),
        ("a common and a rare word", list("q=ann+quill")),
        ("two common words", list("q=ann+bak")),
        ("two common words that nobody has together", list("q=ann+bob")),
        ("a domain of a thousand by its word", list("q=inbox999")),
        ("a domain of three in ten by its words", list("q=bigmail.example")),
        ("a word of every address", list("q=exam")),
        ("the end of a word (nobody)", list("q=box999")),
        ("nobody", list("q=nobody+has+that")),
        ("a person", format!("{LIST}/{}", town.middle)),
        ("the suppression list", "/office/suppressions".to_owned()),
        ("the suppression list by reason", "/office/suppressions?reason=complained".to_owned()),
        ("an address on the suppression list", "/office/suppressions?q=reader70".to_owned()),
        ("an address that is not on it", "/office/suppressions?q=nobody".to_owned()),
        ("segments", "/office/segments".to_owned()),
        ("a segment", list("q=quillf&state=active")),
        ("imports", "/office/import".to_owned()),
        ("the audit log", "/office/audit".to_owned()),
        ("the audit log of one user", "/office/audit?who=ed7%40news.example".to_owned()),
        ("the audit log of a newsletter", "/office/audit?newsletter=weekly".to_owned()),
        ("the audit log, what was denied", "/office/audit?denied=1".to_owned()),
        ("the audit log, a common action", "/office/audit?action=issue".to_owned()),
        ("the audit log, a rare action", "/office/audit?action=user.remove".to_owned()),
        ("the audit log, from its middle on", format!("/office/audit?before={}", town.middle)),
        ("issues", "/desk/issues".to_owned()),
        ("an issue's deliveries while it goes out", "/desk/issues/2/live".to_owned()),
        ("what has become of them so far", "/desk/issues/2/results".to_owned()),
        ("how an issue went out", "/desk/issues/1/live".to_owned()),
        ("what became of an issue's deliveries", "/desk/issues/1/results".to_owned()),
    ]
}

/// Pages in the middle of an import, whose people all came at one time, and at its end.
fn deep_pages(town: &Town) -> Vec<(&'static str, String)> {
    let deep = |query: &str, first: serde_json::Value, second: u64| {
        let place = serde_json::json!({ "at": [first, second] });
        format!("{LIST}?{query}&behind={}", URL_SAFE_NO_PAD.encode(place.to_string()))
    };
    let (middle, end) = (town.middle, 100);
    vec![
        ("everybody, in the middle of an import", deep("", IMPORTED_AT.into(), middle)),
        ("everybody, at an import's end", deep("", IMPORTED_AT.into(), end)),
        (
            "a newsletter, in the middle of an import",
            deep("newsletter=brief&state=active", IMPORTED_AT.into(), middle),
        ),
        ("a newsletter, at an import's end", deep("newsletter=brief&state=active", IMPORTED_AT.into(), end)),
        (
            "joined on a day, in the middle of an import",
            deep("newsletter=brief&from=2026-01-01&until=2026-01-31", IMPORTED_AT.into(), middle),
        ),
        (
            "left, in the middle of an import",
            deep("newsletter=brief&state=unsubscribed", IMPORTED_AT.into(), middle),
        ),
        ("a language, in the middle of an import", deep("language=en", IMPORTED_AT.into(), middle)),
        ("a large domain, in the middle", deep("q=%40bigmail.example", "bigmail.example".into(), middle)),
    ]
}

struct Browser {
    client: reqwest::Client,
    base: String,
    cookie: String,
}

impl Browser {
    async fn get(&self, path: &str) -> Result<(Duration, String), Box<dyn Error>> {
        let begun = Instant::now();
        let request = self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            return Err(format!("{path}: {status}").into());
        }
        Ok((begun.elapsed(), text))
    }

    async fn measure(&self, words: &str, path: &str, rounds: u32) -> Result<bool, Box<dyn Error>> {
        self.get(path).await?;
        let mut times = vec![];
        let before = cpu_seconds()?;
        for _ in 0..rounds {
            times.push(self.get(path).await?.0);
        }
        // Of the service and of this browser; PostgreSQL's is not in it. Where a machine has other work to do, it keeps
        // its meaning, and the time that a page takes does not.
        let cpu = (cpu_seconds()? - before) / f64::from(rounds) * 1000.0;
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let is_well = at(95) <= LIMIT;
        let verdict = if is_well { "" } else { "  NO: more than 100 ms" };
        let most = times.last().copied().unwrap_or_default();
        let (half, slow, most) = (millis(at(50)), millis(at(95)), millis(most));
        println!("{words:<52} {half:>8.1} {slow:>8.1} {most:>8.1} {cpu:>8.1}{verdict}");
        Ok(is_well)
    }
}

/// CPU seconds of this process so far.
fn cpu_seconds() -> Result<f64, nix::Error> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(nix::sys::time::TimeValLike::num_microseconds(&time)).unwrap_or(0),
        )
        .as_secs_f64()
    };
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The address of the next page.
fn next_of(body: &str) -> Option<String> {
    let rest = body.split("rel=\"next\" href=\"").nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&").replace("&#x3D;", "="))
}

async fn sign_in(app: &App) -> Result<String, Box<dyn Error>> {
    let email = EmailAddress::parse("admin@news.example")?;
    let id = accounts::add(app, &email, "Admin", Some(Role::Admin)).await?;
    let value = accounts::start_session(app, id, "bench", "127.0.0.1").await?;
    Ok(format!("daybreak={value}"))
}

/// The settings as they are where nobody has set anything; the environment is not asked.
fn settings(database_url: &str, public_url: &str) -> Result<Settings, Box<dyn Error>> {
    let command = Settings::augment_args(clap::Command::new("bench"))
        .mut_args(|arg| arg.env(clap::builder::Resettable::Reset));
    let mut settings = Settings::from_arg_matches(&command.try_get_matches_from(["bench"])?)?;
    settings.database_url = Secret::new(database_url);
    settings.public_url = public_url.to_owned();
    Ok(settings)
}

/// When the people of the import came.
const IMPORTED_AT: i64 = 1_767_571_200_000;

struct Town {
    /// Somebody in the middle.
    middle: u64,
}

/// A large newsletter with everybody, a small one with a hundredth, and people of every kind.
async fn settle(app: &App, subscribers: u64) -> Result<Town, Box<dyn Error>> {
    let mut ids = vec![];
    for slug in ["brief", "weekly"] {
        let new = NewNewsletter {
            slug: slug.to_owned(),
            name: format!("The {slug}"),
            from: format!("{slug}@news.example"),
            timezone: "Europe/Paris".to_owned(),
            language: "en".to_owned(),
            settings: vec![],
        };
        ids.push(newsletters::add(app, &daybreak::pipeline::accounts::Actor::command_line(), &new).await?.id);
    }
    let (brief, weekly) = (ids[0], ids[1]);
    let mut tx = app.db.begin().await?;
    newsletters::ensure_topic(&mut tx, brief, "World").await?;
    let tag = db::tags::ensure(&mut tx, "press", app.clock.now()).await?.id;
    db::commit(tx).await?;
    add_people(app, brief, subscribers).await?;
    let joined = |id: &str| {
        // The first seven in ten by one import, and after it one a second.
        let imported = subscribers / 10 * 7;
        format!("{IMPORTED_AT} + CASE WHEN {id} <= {imported} THEN 0 ELSE ({id} - {imported}) * 1000 END")
    };
    for statement in [
        format!("UPDATE subscribers SET created_at = {}", joined("id")),
        format!("UPDATE subscriptions SET created_at = {}", joined("subscriber_id")),
        "UPDATE subscribers SET language = 'is' WHERE id % 5000 = 17".to_owned(),
        format!(
            "INSERT INTO subscriptions (newsletter_id, subscriber_id, status, topics, created_at, updated_at)
             SELECT {weekly}, id, 'active', 0, created_at, created_at FROM subscribers WHERE id % 100 = 3"
        ),
        "UPDATE subscriptions SET paused_until = 4102444800000 WHERE subscriber_id % 1000 = 3".to_owned(),
        format!("INSERT INTO subscriber_tags (tag_id, subscriber_id) SELECT {tag}, id FROM subscribers WHERE id % 500 = 1"),
        "INSERT INTO suppressions (email_hash, email, reason, detail, created_at)
         SELECT email_hash, email, CASE WHEN id % 70000 = 0 THEN 'complained' ELSE 'bounced' END, '',
             -- One in ten since the last issue.
             CASE WHEN id % 700 = 0 THEN 1767312000000 ELSE 1767000000000 END + id
         FROM subscribers WHERE id % 70 = 0"
            .to_owned(),
        format!(
            "INSERT INTO issues (newsletter_id, number, slot_at, slot_date, cutoff_at, state, created_at, addressed_at,
                 finished_at)
             VALUES ({brief}, 1, 1767225600000, '2026-01-01', 1767225600000, 'sent', 0, 1767225600000, 1767226600000),
                 ({brief}, 2, 1767312000000, '2026-01-02', 1767312000000, 'sending', 0, 1767312000000, NULL)"
        ),
        "INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, reason, detail, not_before, due_at,
             updated_at)
         SELECT 1, s.subscriber_id, s.id, CASE WHEN s.subscriber_id % 100 = 7 THEN 'failed' ELSE 'sent' END,
             CASE WHEN s.subscriber_id % 100 = 7 THEN 'bad_address' END,
             CASE WHEN s.subscriber_id % 100 = 7 THEN '550 5.1.1 no such user' END, 0, 0, 1767225600000
         FROM subscriptions s WHERE s.newsletter_id = 1"
            .to_owned(),
        // One that has gone out to half of its readers.
        "INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, reason, detail, not_before, due_at,
             updated_at)
         SELECT 2, d.subscriber_id, d.subscription_id,
             CASE WHEN d.id % 2 = 0 THEN 'queued' WHEN d.id % 1000 = 17 THEN 'deferred' ELSE d.state END,
             CASE WHEN d.id % 2 = 1 THEN d.reason END, CASE WHEN d.id % 2 = 1 THEN d.detail END, 0, 0, 1767312000000
         FROM deliveries d WHERE d.issue_id = 1"
            .to_owned(),
        "INSERT INTO segments (name, filter, created_at)
         SELECT 'Segment ' || id, 'newsletter=brief&state=active&q=quill' || id, 0 FROM subscribers WHERE id <= 200"
            .to_owned(),
        // As many things done as there are people.
        format!(
            "INSERT INTO audit (at, user_id, who, action, what, newsletter_id, denied, network)
             SELECT 1767225600000 + id, id % 50, 'ed' || (id % 50) || '@news.example',
                 CASE WHEN id % 100000 = 7 THEN 'user.remove' WHEN id % 3 = 0 THEN 'issue.send' ELSE 'article.edit' END,
                 'something', CASE WHEN id % 1000 = 1 THEN {weekly} ELSE {brief} END,
                 CASE WHEN id % 5000 = 2 THEN 1 ELSE 0 END, '192.0.2.0/24'
             FROM subscribers"
        ),
    ] {
        run(&app.db, statement).await?;
    }
    if app.db.dialect() == Dialect::Postgres {
        run(&app.db, "VACUUM ANALYZE").await?;
    }
    Ok(Town { middle: subscribers / 2 })
}

/// How much room everything takes, and the index of words.
async fn sizes(app: &App) -> Result<String, Box<dyn Error>> {
    let (all, words) = match app.db.dialect() {
        Dialect::Sqlite => (
            "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size",
            "SELECT SUM(length(block)) AS bytes FROM subscriber_words_data",
        ),
        Dialect::Postgres => (
            "SELECT pg_database_size(current_database()) AS bytes",
            "SELECT pg_relation_size('subscribers_by_words') AS bytes",
        ),
    };
    let mut conn = app.db.conn().await?;
    let mut megabytes = vec![];
    for query in [all, words] {
        let row = sqlx::query(query).fetch_one(&mut *conn).await?;
        megabytes.push(sqlx::Row::try_get::<i64, _>(&row, "bytes")?.cast_unsigned().div_ceil(1_000_000));
    }
    Ok(format!("{} MB, of them {} MB for the index of words", megabytes[0], megabytes[1]))
}

async fn run(db: &Db, statement: impl Into<String>) -> Result<(), Box<dyn Error>> {
    sqlx::query(sqlx::AssertSqlSafe(statement.into())).execute(&mut *db.conn().await?).await?;
    Ok(())
}

async fn add_people(app: &App, newsletter_id: i64, subscribers: u64) -> Result<(), Box<dyn Error>> {
    let languages = ["en", "de", "fr"];
    for start in (0..subscribers).step_by(usize::try_from(GROUP)?) {
        let mut changes = vec![];
        for number in start..subscribers.min(start + GROUP) {
            let place = usize::try_from(number)?;
            let status = match number % 20 {
                0 => SubscriptionStatus::Pending,
                1 | 2 => SubscriptionStatus::Unsubscribed,
                _ => SubscriptionStatus::Active,
            };
            let tie = Tie {
                id: None,
                status,
                choice: Choice::default(),
                paused_until: None,
                consent: None,
                origin: None,
                left_at: (status == SubscriptionStatus::Unsubscribed).then(|| app.clock.now()),
                left_reason: None,
            };
            let last = match number % RARE.1 {
                16 => RARE.0,
                _ => LAST[place / 3 % LAST.len()],
            };
            let after = OnRecord {
                name: format!("{} {last}", FIRST[place % FIRST.len()]),
                language: Some(languages[place % languages.len()].to_owned()),
                tie: Some(tie),
                ..OnRecord::default()
            };
            // Three in ten are with one large provider.
            let domain = match number % 10 {
                0..3 => "bigmail.example".to_owned(),
                _ => format!("inbox{}.example", number % 1_000),
            };
            let email = EmailAddress::parse(&format!("reader{number}@{domain}"))?;
            changes.push(Change { email, before: OnRecord::default(), after });
        }
        let mut tx = app.db.begin().await?;
        db::import::write(&mut tx, &app.key, newsletter_id, &changes, app.clock.now()).await?;
        db::commit(tx).await?;
    }
    Ok(())
}
