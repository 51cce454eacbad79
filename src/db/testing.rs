//! Databases for tests: a fresh one of each kind, with tables.

use tempfile::TempDir;

use super::Db;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::mail::Mailbox;
use crate::domain::newsletter::{Approval, Newsletter, Order, Rules};

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
        },
        editors: vec![],
    };
    let mut conn = db.conn().await.expect("a connection");
    super::newsletters::insert(&mut conn, &newsletter, Timestamp::from_millis(0)).await.expect("it is added")
}
