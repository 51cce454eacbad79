//! The issues of every newsletter, the latest slot first.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono_tz::Tz;
use serde::Serialize;

use super::paging::{self, Pages};
use super::words::{self, Moment, State as Shown};
use crate::db;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::user::Role;
use crate::pipeline::audience::{self, Results};
use crate::pipeline::{App, editors};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::form::Form;
use crate::web::said;
use crate::web::words::zone_name;

pub fn routes() -> Router<App> {
    Router::new().route("/desk/issues", get(list).post(start))
}

/// Rows on a page.
const PAGE: usize = 30;

/// A newsletter in a list to choose from.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    pub value: String,
    pub words: String,
    pub chosen: bool,
}

#[derive(Serialize)]
struct List {
    newsletters: Vec<Choice>,
    rows: Vec<Row>,
    pages: Pages,
    is_empty: bool,
    /// The zone of the page's times.
    zone: String,
}

#[derive(Serialize)]
struct Row {
    href: String,
    title: String,
    state: Shown,
    slot: Moment,
    says: String,
}

/// The newsletters that somebody may look at.
pub async fn visible(app: &App, by: &SignedIn) -> Result<Vec<Newsletter>, Error> {
    let mut newsletters = db::newsletters::list(&mut *app.db.conn().await?).await?;
    newsletters.retain(|newsletter| by.user.may(Role::Viewer, newsletter.id));
    Ok(newsletters)
}

/// The zone in which an issue's times are told: its schedule's, or its newsletter's.
pub async fn zones(app: &App) -> Result<HashMap<i64, Tz>, Error> {
    let schedules = db::newsletters::schedules(&mut *app.db.conn().await?).await?;
    Ok(schedules.into_iter().map(|schedule| (schedule.id, schedule.slots.zone)).collect())
}

/// `GET /desk/issues[?newsletter=SLUG]`
async fn list(State(app): State<App>, by: SignedIn, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let query = Form::of_query(query.as_deref());
    let newsletters = visible(&app, &by).await?;
    let wanted = query.get("newsletter");
    let chosen: Vec<i64> = newsletters
        .iter()
        .filter(|newsletter| wanted.is_empty() || newsletter.slug == wanted)
        .map(|newsletter| newsletter.id)
        .collect();
    let from = paging::From::of(&query);
    let limit = i64::try_from(PAGE).unwrap_or(30) + 1;
    let mut conn = app.db.conn().await?;
    let mut issues = db::issues::page(&mut conn, &chosen, from.key, from.is_newer, limit).await?;
    let rest = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs((!wanted.is_empty()).then_some(("newsletter", wanted)))
        .finish();
    let pages =
        paging::cut(&mut issues, from, PAGE, "/desk/issues", &rest, |issue| (issue.slot_at, issue.id));
    let ids: Vec<i64> = issues.iter().map(|issue| issue.id).collect();
    let articles = db::issues::article_counts(&mut conn, &ids).await?;
    let mut results = HashMap::new();
    for issue in &issues {
        if matches!(issue.state, IssueState::Sent | IssueState::Cancelled)
            && let Some(kept) = audience::kept_results(&mut conn, issue.id).await?
        {
            results.insert(issue.id, kept);
        }
    }
    drop(conn);
    let schedules = db::newsletters::schedules(&mut *app.db.conn().await?).await?;
    let now = app.clock.now();
    let find = |issue: &Issue| newsletters.iter().find(|newsletter| newsletter.id == issue.newsletter_id);
    let of = |issue: &Issue| schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
    let own_zone = |issue: &Issue| {
        let of_schedule = of(issue).map(|schedule| schedule.slots.zone);
        of_schedule.or(find(issue).map(|newsletter| newsletter.zone))
    };
    let has_several = |newsletter: &Newsletter| {
        schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id).count() > 1
    };
    let shown = newsletters.iter().filter(|newsletter| chosen.contains(&newsletter.id));
    let zone = words::lists_zone(shown, &schedules);
    let row = |issue: &Issue| {
        let newsletter = find(issue)?;
        Some(Row {
            href: format!("/desk/issues/{}", issue.id),
            title: title(issue, newsletter, of(issue).filter(|_| has_several(newsletter))),
            state: words::state(issue),
            slot: {
                let own = own_zone(issue).unwrap_or(zone);
                Moment::of(words::when_own(issue.slot_at, now, own, zone), issue.slot_at, own)
            },
            says: says(issue, articles.get(&issue.id).copied().unwrap_or(0), results.get(&issue.id)),
        })
    };
    let page = List {
        rows: issues.iter().filter_map(row).collect(),
        newsletters: choices(&newsletters, wanted),
        is_empty: issues.is_empty(),
        zone: zone_name(zone),
        pages,
    };
    super::show(&by, StatusCode::OK, "/desk/issues", "Issues", "desk/issues", &page)
}

pub fn choices(newsletters: &[Newsletter], chosen: &str) -> Vec<Choice> {
    let choice = |newsletter: &Newsletter| Choice {
        value: newsletter.slug.clone(),
        words: newsletter.name.clone(),
        chosen: newsletter.slug == chosen,
    };
    newsletters.iter().map(choice).collect()
}

/// "Morning Brief (weekly), No. 12": with its schedule where there are several, and without a number before it is frozen.
fn title(issue: &Issue, newsletter: &Newsletter, schedule: Option<&Schedule>) -> String {
    let schedule = schedule.map(|schedule| format!(" ({})", schedule.name)).unwrap_or_default();
    let number = if issue.number > 0 { format!(", No. {}", issue.number) } else { String::new() };
    format!("{}{schedule}{number}", newsletter.name)
}

fn says(issue: &Issue, articles: i64, results: Option<&Results>) -> String {
    let articles = words::count(articles, "article");
    match (issue.state, results, &issue.reason) {
        (IssueState::Sent, Some(results), _) => format!("{articles}, {} sent", words::number(results.sent)),
        (IssueState::Cancelled, Some(results), reason) if results.all() > 0 => {
            let reason = reason.as_deref().unwrap_or("it was cancelled");
            format!("{articles}: {reason} when {} had it", words::of_readers(results.sent, results.all()))
        }
        (IssueState::Skipped | IssueState::Cancelled | IssueState::Paused, _, Some(reason)) => {
            format!("{articles}: {reason}")
        }
        _ => articles,
    }
}

/// `POST /desk/issues`: an issue for a newsletter without a schedule.
async fn start(State(app): State<App>, act: Act) -> Result<Response, Error> {
    let slug = act.form.get("newsletter");
    let newsletter = db::newsletters::find(&mut *app.db.conn().await?, slug).await?.ok_or(Error::NotFound)?;
    let what = format!("an issue of {}", newsletter.name);
    act.by.require(&app, Role::Editor, newsletter.id, "issue.start", &what).await?;
    let issue = editors::filling_by(&app, Some(&act.by.actor()), &newsletter.slug, None).await?;
    Ok(said::then_say(&app, &format!("/desk/issues/{}", issue.id), "The issue is filling."))
}
