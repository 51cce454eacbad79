//! Databases for tests: a fresh one of each kind, with tables.

use tempfile::TempDir;

use super::row::Row;
use super::{Conn, Db, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::mail::Mailbox;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Newsletter, Order, Rules};
use crate::domain::subscription::Subscriber;

/// A fresh database with tables, and the folder it lives in.
pub struct TestDb {
    pub db: Db,
    _folder: TempDir,
}

/// A SQLite file, and a PostgreSQL database where `TEST_DATABASE_URL` names a server on which one may be made.
pub async fn databases() -> Vec<TestDb> {
    let mut databases = vec![];
    let folder = TempDir::new().expect("a temporary folder can be made");
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    databases.push(open(&url, folder).await);
    if let Ok(server) = std::env::var("TEST_DATABASE_URL") {
        databases.push(open(&fresh_postgres(&server).await, TempDir::new().expect("a folder")).await);
    }
    databases
}

async fn open(url: &str, folder: TempDir) -> TestDb {
    let db = Db::open(url).await.expect("the test database opens");
    db.migrate().await.expect("the tables are made");
    TestDb { db, _folder: folder }
}

/// Makes a database with a name of its own on `server` and returns its URL.
async fn fresh_postgres(server: &str) -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    let name = format!("daybreak_test_{:016x}", u64::from_be_bytes(bytes));
    let admin = Db::open(server).await.expect("TEST_DATABASE_URL names a server");
    let statement = super::sql(format!("CREATE DATABASE {name}"));
    sqlx::query(statement).execute(&mut *admin.conn().await.unwrap()).await.expect("a database can be made");
    admin.close().await;
    let mut url = url::Url::parse(server).expect("TEST_DATABASE_URL is a URL");
    url.set_path(&name);
    url.to_string()
}

/// Adds a newsletter with that slug and nothing else of interest, and returns its id.
pub async fn a_newsletter(db: &Db, slug: &str) -> i64 {
    let address = EmailAddress::parse("editors@example.org").expect("an address");
    let newsletter = Newsletter {
        id: 0,
        slug: slug.to_owned(),
        name: slug.to_owned(),
        description: String::new(),
        from: Mailbox { name: slug.to_owned(), address },
        reply_to: None,
        language: "en".to_owned(),
        zone: chrono_tz::UTC,
        postal_address: String::new(),
        colour: "#b4451f".to_owned(),
        logo_url: None,
        rules: Rules {
            approval: Approval::Automatic,
            min_articles: 1,
            max_articles: 30,
            max_age_hours: None,
            order: Order::Newest,
            match_language: false,
            subject: String::new(),
            preheader: String::new(),
            cutoff_minutes: 30,
            grace_minutes: 180,
            measure: Measure::Nothing,
        },
        editors: vec![],
        is_listed: true,
    };
    let mut conn = db.conn().await.expect("a connection");
    super::newsletters::insert(&mut conn, &newsletter, Timestamp::from_millis(0)).await.expect("it is added")
}

/// Writes three deliveries to a subscriber, skipped, sent and waiting, and a notice that waits.
pub async fn a_history(db: &Db, newsletter_id: i64, subscriber: &Subscriber) {
    let mut tx = db.begin().await.expect("a transaction");
    for (number, state, reason, detail) in [
        (1, "skipped", Some("paused"), None),
        (2, "sent", None, Some(format!("250 for {}", subscriber.email))),
        (3, "queued", None, None),
    ] {
        let row = sqlx::query(
            "INSERT INTO issues (newsletter_id, slot_at, slot_date, cutoff_at, state, created_at)
             VALUES ($1, $2, $3, $2, 'sent', $2) RETURNING id",
        )
        .bind(newsletter_id)
        .bind(number * 1000)
        .bind(format!("2026-03-0{number}"))
        .fetch_one(&mut *tx)
        .await
        .expect("an issue is added");
        sqlx::query(
            "INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, state, reason, detail, not_before,
                 due_at, updated_at)
             VALUES ($1, $2, 1, $3, $4, $5, 0, 0, 0)",
        )
        .bind(Row::new(&row, "issues").int("id").expect("an id"))
        .bind(subscriber.id)
        .bind(state)
        .bind(reason)
        .bind(detail)
        .execute(&mut *tx)
        .await
        .expect("a delivery is added");
    }
    sqlx::query(
        "INSERT INTO notices (event, newsletter_id, email, name, content, state, not_before, due_at, created_at,
             updated_at)
         VALUES ('confirm:1', $1, $2, $3, '{}', 'queued', 0, 0, 0, 0)",
    )
    .bind(newsletter_id)
    .bind(subscriber.email.as_str())
    .bind(&subscriber.name)
    .execute(&mut *tx)
    .await
    .expect("a notice is added");
    tx.commit().await.expect("it is written");
}

/// Every text of the tables that hold people, to look for what must not be there any more.
pub async fn every_text(db: &Db) -> String {
    let mut conn = db.conn().await.expect("a connection");
    let mut texts = String::new();
    for query in [
        "SELECT email || name || name_words || email_words AS text FROM subscribers",
        "SELECT COALESCE(email, '') || detail AS text FROM suppressions",
        "SELECT COALESCE(consent_from, '') || COALESCE(consent_words, '') || COALESCE(origin, '') AS text
         FROM subscriptions",
        "SELECT COALESCE(detail, '') || COALESCE(reason, '') AS text FROM deliveries",
        "SELECT event || email || name || content || COALESCE(detail, '') AS text FROM notices",
        "SELECT filter || COALESCE(place, '') AS text FROM bulk_actions",
        "SELECT name || filter AS text FROM segments",
    ] {
        for row in sqlx::query(query).fetch_all(&mut *conn).await.expect("it is read") {
            texts.push_str(&Row::new(&row, "any").text("text").expect("a text"));
            texts.push('\n');
        }
    }
    texts
}

/// The actions in the audit log, the oldest first.
pub async fn audited(db: &Db) -> Vec<String> {
    let mut conn = db.conn().await.expect("a connection");
    let rows = sqlx::query("SELECT id, action FROM audit ORDER BY id").fetch_all(&mut *conn).await;
    let action = |row| Row::new(row, "audit").text("action").expect("a text");
    rows.expect("it is read").iter().map(action).collect()
}

/// The audit log, one line for each thing: who, what, and whether it was done or denied.
pub async fn audit(conn: &mut Conn) -> Vec<String> {
    let query = "SELECT who || ' ' || action || CASE WHEN denied = 0 THEN ' done: ' ELSE ' denied: ' END || what AS text
                 FROM audit ORDER BY id";
    let rows = sqlx::query(query).fetch_all(conn).await.expect("it is read");
    rows.iter().map(|row| Row::new(row, "audit").text("text").expect("a text")).collect()
}

/// Adds `count` people who follow nothing, in one go.
pub async fn a_multitude(db: &Db, count: i64) {
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query(
        "INSERT INTO subscribers (email, email_hash, name, email_words, created_at, updated_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
         SELECT 'm' || i || '@example.org', 'hash ' || i, '', ' m' || i, 0, 0 FROM n",
    )
    .bind(count)
    .execute(&mut *tx)
    .await
    .expect("people are added");
    tx.commit().await.expect("it is written");
}

/// How many rows a table has.
pub async fn count(conn: &mut Conn, table: &str) -> i64 {
    let query = sql(format!("SELECT COUNT(*) AS count FROM {table}"));
    let row = sqlx::query(query).fetch_one(conn).await.expect("the table is there");
    Row::new(&row, "?").int("count").expect("a number")
}
