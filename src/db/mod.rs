//! All SQL, one file per group of tables. Functions take a connection and return domain types; only this module
//! names `sqlx`, and only `dialect` knows which database it is.
//!
//! A change that must hit one row says so with `one_row`; a list is bound as one JSON value
//! ([`dialect::Dialect::list`], [`dialect::Dialect::rows`]). `now` is always bound, never the database's clock.

pub mod addressing;
pub mod archive;
pub mod articles;
pub mod attempts;
pub mod audit;
pub mod bulk;
pub mod composing;
pub mod deliveries;
pub mod dialect;
pub mod directory;
pub mod dkim;
pub mod import;
pub mod imports;
pub mod issues;
pub mod keeping;
pub mod limits;
pub mod measuring;
pub mod newsletters;
pub mod nodes;
pub mod notices;
pub mod outcomes;
pub mod people;
pub mod people_tallies;
pub mod recovery;
pub mod results;
mod row;
pub mod segments;
pub mod server;
pub mod sessions;
pub mod settings;
pub mod sources;
pub mod starts;
pub mod subscribers;
pub mod subscriptions;
pub mod suppressions;
pub mod tags;
pub mod tallies;
pub mod templates;
#[cfg(test)]
pub mod testing;
pub mod uploads;
pub mod users;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyQueryResult};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyPool, Connection as _, Executor as _, Transaction};

use self::dialect::Dialect;

/// What the functions of this module work on: a pooled connection or a transaction, dereferenced.
pub type Conn = sqlx::AnyConnection;

/// A connection of the pool's; it goes back when it is dropped.
pub type Pooled = sqlx::pool::PoolConnection<Any>;

/// A transaction that writes; dropped without `commit`, it is rolled back.
pub type Tx = Transaction<'static, Any>;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database could not be opened or reached.
    #[error("the database cannot be opened: {why}")]
    Open { why: String },
    /// The tables are of a newer Daybreak.
    #[error(
        "the database was made by a newer Daybreak (it has migration {version}, which this one does not know): \
         install that version, or restore the backup from before the upgrade"
    )]
    Newer { version: i64 },
    /// Another process works on the SQLite file.
    #[error(
        "another daybreak is at work on {file} (it holds {file}-lock): one SQLite file takes one service at a time; \
         stop the other one, or move to PostgreSQL for several"
    )]
    Taken { file: String },
    #[error("the database's tables could not be brought up to date: {0}")]
    Migrate(MigrateError),
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    /// No answer in time; what was asked for may or may not have happened.
    #[error("the database does not answer")]
    Silent,
    #[error("{table}, row {id}, column {column} cannot be read: {why}")]
    Unreadable { table: &'static str, column: String, id: String, why: String },
    /// A change hit another number of rows than it must.
    #[error("{what} changed {rows} rows instead of one")]
    WrongRows { what: &'static str, rows: u64 },
}

impl DbError {
    /// Whether a unique key refused the row: somebody else was first.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether the same may work when it is tried again: two transactions locked each other out, a connection broke, the
    /// server is being restarted. A transaction that failed so has changed nothing, unless it was at its commit.
    pub fn passes(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code_passes(&code)),
            Self::Sql(error) => {
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed)
            }
            _ => false,
        }
    }
}

/// The pauses before what failed for a passing reason is tried again: long enough for a PostgreSQL that restarts.
pub const PAUSES: [Duration; 7] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(750),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(8),
];

/// PostgreSQL's codes (its manual, appendix A) and SQLite's (SQLITE_BUSY and what it is extended to).
fn code_passes(code: &str) -> bool {
    // Serialization failure, deadlock, lock not available; shutdown, crash, not yet up; too many connections; cut off
    // while idle in a transaction.
    let postgres = ["40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300", "25P03"];
    let sqlite = ["5", "6", "261", "517"];
    postgres.contains(&code) || sqlite.contains(&code) || (code.len() == 5 && code.starts_with("08"))
}

/// How long the database may take for one answer: longer than a second writer waits on SQLite, and not for ever, as
/// behind a firewall that forgot the connection.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// What the database answers in time.
///
/// # Errors
/// [`DbError::Silent`] where it does not.
pub async fn within<T>(asking: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(DbError::Silent))
}

/// Makes a transaction's changes last.
pub async fn commit(tx: Tx) -> Result<(), DbError> {
    Ok(tx.commit().await?)
}

/// Succeeds where a change hit exactly one row.
fn one_row(what: &'static str, result: &AnyQueryResult) -> Result<(), DbError> {
    match result.rows_affected() {
        1 => Ok(()),
        rows => Err(DbError::WrongRows { what, rows }),
    }
}

/// SQL put together from this module's own constants and the dialect's; values are always bound.
fn sql(text: String) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(text)
}

/// The database: a pool of connections.
#[derive(Clone, Debug)]
pub struct Db {
    pool: AnyPool,
    dialect: Dialect,
    file: Option<PathBuf>,
}

impl Db {
    /// Opens the database at `url`: `sqlite://FILE` (made if missing, readable to its owner only) or `postgres://…`.
    ///
    /// # Errors
    /// [`DbError::Open`] with what is wrong with the URL, the file or the server.
    pub async fn open(url: &str) -> Result<Self, DbError> {
        sqlx::any::install_default_drivers();
        let open = |why: String| DbError::Open { why };
        if let Some(file) = sqlite_file(url) {
            make_private(&file).map_err(open)?;
            // One writer at a time is all SQLite has; the others read.
            let options = options(&format!("sqlite://{}?mode=rwc", file.display()))?;
            let pool = pool(options, 4, SQLITE_SETUP).await.map_err(|error| {
                open(format!(
                    "{}: {error}; is it a database of Daybreak, and may this user write it?",
                    file.display()
                ))
            })?;
            return Ok(Self { pool, dialect: Dialect::Sqlite, file: Some(file) });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let pool = pool(options(url)?, 16, POSTGRES_SETUP)
                .await
                .map_err(|error| open(format!("PostgreSQL: {error}; check host, name, user and password")))?;
            return Ok(Self { pool, dialect: Dialect::Postgres, file: None });
        }
        Err(open("the URL must be sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME".to_owned()))
    }

    /// The database's file, where it is SQLite.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Those of a SQLite database's files that others than their owner may read: they hold addresses and keys. Ours are
    /// made without; a copy that was put back may be different.
    pub fn exposed_files(&self) -> Vec<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let Some(file) = &self.file else { return vec![] };
        let files = ["", "-wal", "-shm"].map(|ending| PathBuf::from(format!("{}{ending}", file.display())));
        let is_exposed = |file: &PathBuf| {
            std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
        };
        files.into_iter().filter(is_exposed).collect()
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Brings the tables up to date; a database of a newer Daybreak is refused.
    pub async fn migrate(&self) -> Result<(), DbError> {
        let migrator = match self.dialect {
            Dialect::Sqlite => &SQLITE,
            Dialect::Postgres => &POSTGRES,
        };
        migrator.run(&self.pool).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => DbError::Newer { version },
            other => DbError::Migrate(other),
        })?;
        match directory::cut_words(self).await? {
            0 => {}
            people => tracing::info!(people, "the words that people are found by are written down"),
        }
        Ok(())
    }

    /// A connection to read with, or to write a single statement.
    pub async fn conn(&self) -> Result<Pooled, DbError> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction to write in.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Ok(self.pool.begin_with(self.dialect.begin()).await?)
    }

    /// Makes this process the only one that collects and sends on a SQLite file, until the lock is dropped or the
    /// process dies. PostgreSQL takes any number of them, and gives none.
    ///
    /// # Errors
    /// [`DbError::Taken`] where another process has the lock.
    pub fn lock(&self) -> Result<Option<FileLock>, DbError> {
        let Some(file) = &self.file else { return Ok(None) };
        // One file has one lock, whatever links lead to it.
        let file = file.canonicalize().unwrap_or_else(|_| file.clone());
        let name = format!("{}-lock", file.display());
        let cannot = |why: String| DbError::Open { why: format!("{name}: {why}") };
        make_private(Path::new(&name)).map_err(|why| DbError::Open { why })?;
        let lock =
            std::fs::OpenOptions::new().write(true).open(&name).map_err(|error| cannot(error.to_string()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(FileLock(lock))),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(DbError::Taken { file: file.display().to_string() })
            }
            Err(std::fs::TryLockError::Error(error)) => Err(cannot(error.to_string())),
        }
    }

    /// Closes every connection, once what runs on it has ended; one that takes long ends with the process.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.pool.close()).await;
    }
}

/// Held by the process that works on a SQLite file.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held open for its lock")] std::fs::File);

// Readers and the writer do not wait for each other (WAL); a commit survives a crash of the process, and of the
// machine up to the last checkpoint (NORMAL); a second writer waits its turn for up to 30 s.
const SQLITE_SETUP: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 30000; \
                            PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY";
// A node that froze in the middle of a transaction loses it after 20 s, as long as its claims last: the server would
// keep its locks for hours otherwise. Ours end within milliseconds.
const POSTGRES_SETUP: &str = "SET TIME ZONE 'UTC'; SET idle_in_transaction_session_timeout = '20s'";

/// How long a connection may have lain idle and still be handed out without a question to the database: asked each
/// time, it costs as much again as a small statement.
const SURELY_ALIVE: Duration = Duration::from_secs(1);

/// How long a connection may take to say that it is alive: one whose other end is gone without a word never does.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

async fn pool(options: AnyConnectOptions, most: u32, setup: &'static str) -> Result<AnyPool, sqlx::Error> {
    AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(setup).await.map(drop) })
        })
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                // SQLite itself rolls back where the disk is full; sqlx does not learn of it, waits for the end of a
                // transaction that has ended, and would refuse every other one on this connection.
                if connection.is_in_transaction() {
                    return Ok(false);
                }
                if about.idle_for > SURELY_ALIVE {
                    sign_of_life(connection).await?;
                }
                Ok(true)
            })
        })
        // sqlx asks for a sign of life itself here, and waits for it for ever: the pool would run dry.
        .after_release(|connection, _| Box::pin(async move { sign_of_life(connection).await.map(|()| true) }))
        .connect_with(options)
        .await
}

async fn sign_of_life(connection: &mut Conn) -> Result<(), sqlx::Error> {
    let answer = tokio::time::timeout(SIGN_OF_LIFE, connection.ping()).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

fn options(url: &str) -> Result<AnyConnectOptions, DbError> {
    AnyConnectOptions::from_str(url).map_err(|error| DbError::Open { why: error.to_string() })
}

/// The file of a SQLite URL: `sqlite://daybreak.db`, `sqlite:daybreak.db` or `sqlite:///var/lib/daybreak.db`.
fn sqlite_file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split('?').next().unwrap_or(path);
    Some(PathBuf::from(path))
}

/// Makes the file if it is missing, for its owner alone: it holds addresses and keys.
fn make_private(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if file.as_os_str().is_empty() || file.as_os_str() == ":memory:" {
        return Err("the URL names no file: write sqlite://daybreak.db, for instance".to_owned());
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
