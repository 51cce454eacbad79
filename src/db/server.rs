//! What the database stands on: its clock, its connections, its disk.

use std::path::Path;

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;

/// What a database server says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub clock: Timestamp,
    /// Connections that it takes, and that are open now.
    pub connections: Option<(i64, i64)>,
}

/// Asks the database server; on SQLite the clock is this machine's, and there are no connections to count.
pub async fn ask(conn: &mut Conn) -> Result<Server, DbError> {
    let dialect = Dialect::of(conn);
    let counts = match dialect {
        Dialect::Sqlite => "NULL AS most, NULL AS open",
        Dialect::Postgres => {
            "CAST(current_setting('max_connections') AS BIGINT) AS most,
             (SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS open"
        }
    };
    let query = sql(format!("SELECT {} AS clock, {counts}", dialect.now_millis()));
    let row = sqlx::query(query).fetch_one(conn).await?;
    let row = Row::new(&row, "the database server");
    let connections = match dialect {
        Dialect::Sqlite => None,
        Dialect::Postgres => Some((row.int("most")?, row.int("open")?)),
    };
    Ok(Server { clock: row.time("clock")?, connections })
}

/// The database's program with its version, the last migration that it had, and its size in bytes, where it says so.
#[derive(Clone, Debug)]
pub struct About {
    pub program: String,
    pub migration: i64,
    pub bytes: i64,
}

pub async fn about(conn: &mut Conn) -> Result<About, DbError> {
    let columns = match Dialect::of(conn) {
        Dialect::Sqlite => {
            "'SQLite ' || sqlite_version() AS program,
             (SELECT page_count FROM pragma_page_count()) * (SELECT page_size FROM pragma_page_size()) AS bytes"
        }
        Dialect::Postgres => {
            "'PostgreSQL ' || current_setting('server_version') AS program,
             pg_database_size(current_database()) AS bytes"
        }
    };
    let query = sql(format!(
        "SELECT {columns}, (SELECT CAST(MAX(version) AS BIGINT) FROM _sqlx_migrations) AS migration"
    ));
    let row = sqlx::query(query).fetch_one(conn).await?;
    let row = Row::new(&row, "the database server");
    Ok(About { program: row.text("program")?, migration: row.int("migration")?, bytes: row.int("bytes")? })
}

/// Bytes that are free for us on the disk of a file, and bytes that the disk has.
///
/// # Errors
/// What the system says.
pub fn disk_of(file: &Path) -> Result<(u64, u64), std::io::Error> {
    let disk = rustix::fs::statvfs(file)?;
    Ok((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}
