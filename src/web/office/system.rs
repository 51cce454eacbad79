//! The state of the system: senders, what waits, what it stands on, and everything that `doctor` finds.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use crate::db;
use crate::domain::issue::IssueState;
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::deliver::LEASE_MILLIS;
use crate::pipeline::doctor::{self, Finding, State as How};
use crate::pipeline::system::{self, COUNTED};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::desk::show;
use crate::web::desk::words::{Moment, number};

pub fn routes() -> Router<App> {
    Router::new().route("/office/system", get(page)).route("/office/system/examine", post(examine))
}

/// Something that `doctor` found.
#[derive(Serialize)]
pub struct Found {
    about: &'static str,
    state: &'static str,
    kind: &'static str,
    says: String,
    to_do: Option<String>,
}

pub fn found(finding: &Finding) -> Found {
    let (state, kind) = match finding.state {
        How::Good => ("good", "good"),
        How::Warning => ("look at it", "warn"),
        How::Bad => ("bad", "bad"),
    };
    Found { about: finding.about, state, kind, says: finding.says.clone(), to_do: finding.to_do.clone() }
}

#[derive(Serialize)]
struct Page {
    nodes: Vec<Node>,
    issues: Vec<UnderWay>,
    notices: String,
    facts: Vec<Fact>,
    /// None where nothing was examined.
    findings: Option<Vec<Found>>,
    bad: usize,
    warnings: usize,
}

#[derive(Serialize)]
struct Node {
    name: String,
    started: Moment,
    beat: Moment,
    is_alive: bool,
}

#[derive(Serialize)]
struct UnderWay {
    id: i64,
    newsletter: String,
    state: &'static str,
    kind: &'static str,
    reason: String,
    queued: String,
    deferred: String,
    claimed: String,
}

#[derive(Serialize)]
struct Fact {
    what: &'static str,
    value: String,
    kind: &'static str,
}

/// A number with its thousands; what was counted no further is "more than".
fn counted(count: i64) -> String {
    if count > COUNTED { format!("more than {}", number(COUNTED)) } else { number(count) }
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `GET /office/system`
async fn page(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    by.require_everywhere(&app, Role::Admin, "system.look", "the system").await?;
    answer(&app, &by, None).await
}

/// `POST /office/system/examine`: looks at everything, which asks relays and DNS and takes some seconds.
async fn examine(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let by = &act.by;
    by.require_everywhere(&app, Role::Admin, "system.examine", "the system").await?;
    let findings = doctor::examine(&app).await?;
    by.note(&app, "system.examine", "the system", None).await?;
    answer(&app, by, Some(findings)).await
}

async fn answer(app: &App, by: &SignedIn, findings: Option<Vec<Finding>>) -> Result<Response, Error> {
    let system = system::look(app).await?;
    let newsletters = db::newsletters::list(&mut *app.db.conn().await?).await?;
    let node = |node: &db::nodes::Node| Node {
        name: node.name.clone(),
        started: Moment::near(node.started_at, system.now, chrono_tz::UTC),
        beat: Moment::near(node.lease_until.plus_millis(-LEASE_MILLIS), system.now, chrono_tz::UTC),
        is_alive: node.lease_until > system.now,
    };
    let under_way = |under_way: &system::UnderWay| {
        let issue = &under_way.issue;
        let newsletter = newsletters.iter().find(|newsletter| newsletter.id == issue.newsletter_id);
        let (state, kind) =
            if issue.state == IssueState::Paused { ("paused", "warn") } else { ("going out", "good") };
        UnderWay {
            id: issue.id,
            newsletter: newsletter.map(|newsletter| newsletter.name.clone()).unwrap_or_default(),
            state,
            kind,
            reason: issue.reason.clone().unwrap_or_default(),
            queued: counted(under_way.queued),
            deferred: counted(under_way.deferred),
            claimed: counted(under_way.claimed),
        }
    };
    let count = |how: How| findings.iter().flatten().filter(|finding| finding.state == how).count();
    let page = Page {
        nodes: system.nodes.iter().map(node).collect(),
        issues: system.issues.iter().map(under_way).collect(),
        notices: counted(system.notices),
        facts: facts(app, &system),
        bad: count(How::Bad),
        warnings: count(How::Warning),
        findings: findings.as_ref().map(|all| all.iter().map(found).collect()),
    };
    show(by, StatusCode::OK, "/office/system", "System", "office/system", &page)
}

fn facts(app: &App, system: &system::System) -> Vec<Fact> {
    let fact = |what, value: String| Fact { what, value, kind: "" };
    let database = u64::try_from(system.database.bytes).unwrap_or_default();
    let mut facts = vec![
        fact("Daybreak", env!("CARGO_PKG_VERSION").to_owned()),
        fact("Database", format!("{}, {}", system.database.program, megabytes(database))),
        fact("Last migration", system.database.migration.to_string()),
    ];
    facts.extend(system.file.clone().map(|file| fact("File", file)));
    if let Some((free, all)) = system.disk {
        let kind = if free < all / 10 { "bad" } else { "" };
        let value = format!("{} of {} are free", megabytes(free), megabytes(all));
        facts.push(Fact { what: "Disk", value, kind });
    }
    let time = app.clock.now().to_utc().format("%Y-%m-%d %H:%M:%S UTC").to_string();
    facts.push(fact("Clock", time));
    facts.push(fact("Public address", app.settings.public_url.clone()));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_their_number() {
        assert_eq!(counted(12), "12");
        assert_eq!(counted(COUNTED + 1), "more than 100,000");
        assert_eq!([megabytes(1_500_000), megabytes(2_000_000_000)], ["1.5 MB", "2.0 GB"]);
    }
}
