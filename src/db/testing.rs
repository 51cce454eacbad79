//! Databases for tests: a fresh one of each kind, with tables.

use tempfile::TempDir;

use super::Db;

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
