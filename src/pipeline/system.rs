//! The state of the system: who is sending, what waits, what it all stands on. Cheap enough to be asked at any time.

use super::{App, Error};
use crate::db;
use crate::db::nodes::Node;
use crate::db::server::About;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};

/// So far open rows are counted; beyond it they are "more than".
pub const COUNTED: i64 = 100_000;

/// The most issues that are under way on a page.
const MOST_ISSUES: usize = 50;

#[derive(Clone, Debug)]
pub struct System {
    pub nodes: Vec<Node>,
    /// The database's clock, by which nodes live.
    pub now: Timestamp,
    pub issues: Vec<UnderWay>,
    /// Mails to single people that wait.
    pub notices: i64,
    pub database: About,
    /// Bytes that are free, and that there are, on the disk of a SQLite file.
    pub disk: Option<(u64, u64)>,
    /// Where that file is.
    pub file: Option<String>,
}

/// An issue that is going out, or paused in it.
#[derive(Clone, Debug)]
pub struct UnderWay {
    pub issue: Issue,
    /// Each counted up to [`COUNTED`].
    pub queued: i64,
    pub deferred: i64,
    pub claimed: i64,
}

pub async fn look(app: &App) -> Result<System, Error> {
    let mut conn = app.db.conn().await?;
    let (nodes, now) = db::nodes::list(&mut conn).await?;
    let mut issues = vec![];
    let running = db::issues::in_states(&mut conn, &[IssueState::Sending, IssueState::Paused]).await?;
    for issue in running.into_iter().take(MOST_ISSUES) {
        let [queued, deferred, claimed] =
            db::deliveries::open_counts(&mut conn, issue.id, COUNTED + 1).await?;
        issues.push(UnderWay { issue, queued, deferred, claimed });
    }
    Ok(System {
        nodes,
        now,
        issues,
        notices: db::notices::open_count(&mut conn, COUNTED + 1).await?,
        database: db::server::about(&mut conn).await?,
        disk: app.db.file().and_then(|file| db::server::disk_of(file).ok()),
        file: app.db.file().map(|file| file.display().to_string()),
    })
}
