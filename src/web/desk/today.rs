//! Today: the issue that is filling, in words; what needs a decision; what became of the last.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono_tz::Tz;
use futures_util::future::try_join_all;
use serde::Serialize;

use super::issue_page::sentence;
use super::issues::visible;
use super::starting::Starting;
use super::words::{self, Moment};
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Approval, Newsletter, Schedule};
use crate::domain::user::Role;
use crate::pipeline::audience::{self, Audience, Results};
use crate::pipeline::{App, composing};
use crate::web::Error;
use crate::web::auth::SignedIn;
use crate::web::words::zone_name;

/// How many headlines of an issue are shown.
const HEADLINES: i64 = 4;

pub fn routes() -> Router<App> {
    Router::new().route("/desk", get(show))
}

#[derive(Serialize)]
struct Today {
    papers: Vec<Paper>,
    needs: Vec<Need>,
    /// May make the first newsletter.
    is_admin: bool,
}

#[derive(Serialize)]
struct Paper {
    name: String,
    slug: String,
    issues: Vec<Coming>,
    /// There is no schedule, and so no issue comes by itself.
    is_unscheduled: bool,
    may_start: bool,
    last: Option<Last>,
}

/// An issue that has not come to its end.
#[derive(Serialize)]
struct Coming {
    href: String,
    whose: String,
    name: String,
    /// Its schedule, where the newsletter has several.
    schedule: Option<String>,
    says: String,
    holds: String,
    /// What stands at its top.
    headlines: Vec<String>,
    others: Option<String>,
    counted: Option<Moment>,
    /// An editor sends it now.
    starting: Option<Starting>,
}

/// Something that waits for somebody.
#[derive(Serialize)]
struct Need {
    href: String,
    title: String,
    says: String,
    tone: &'static str,
}

#[derive(Serialize)]
struct Last {
    href: String,
    title: String,
    says: String,
}

/// What is known of an issue before its readers are counted.
struct Found<'n> {
    newsletter: &'n Newsletter,
    schedule: Option<&'n Schedule>,
    has_several: bool,
    issue: Issue,
    articles: i64,
    headlines: Vec<String>,
    waiting: i64,
    /// When it starts, where an editor sends it now.
    starts_at: Option<Timestamp>,
}

impl Found<'_> {
    fn zone(&self) -> Tz {
        self.schedule.map_or(self.newsletter.zone, |schedule| schedule.slots.zone)
    }

    fn title(&self, now: Timestamp) -> String {
        let whose = words::whose(self.issue.slot_at, now, self.zone());
        match self.schedule.filter(|_| self.has_several) {
            Some(schedule) => format!("{whose} {} ({})", self.newsletter.name, schedule.name),
            None => format!("{whose} {}", self.newsletter.name),
        }
    }
}

/// `GET /desk`
async fn show(State(app): State<App>, by: SignedIn) -> Result<Response, Error> {
    let newsletters = visible(&app, &by).await?;
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let schedules = db::newsletters::schedules(&mut conn).await?;
    let found = find(&mut conn, &newsletters, &schedules).await?;
    let mut needs: Vec<Need> = found.iter().flat_map(|found| needs_of(found, now)).collect();
    let mut ended = vec![];
    for newsletter in &newsletters {
        let sources = db::sources::list(&mut conn, Some(newsletter.id)).await?;
        needs.extend(failing(newsletter, &sources));
        needs.extend(paused(newsletter, &schedules));
        ended.push(db::issues::last_ended(&mut conn, newsletter.id).await?);
    }
    // Counting takes a connection of its own: two at once would run the pool dry.
    drop(conn);
    let coming = try_join_all(found.iter().map(|found| coming(&app, &by, found, now))).await?;
    let lasts = newsletters.iter().zip(&ended).map(|(newsletter, issue)| last(&app, newsletter, issue, now));
    let lasts = try_join_all(lasts).await?;
    let mut papers: Vec<Paper> = newsletters
        .iter()
        .zip(lasts)
        .map(|(newsletter, last)| Paper {
            name: newsletter.name.clone(),
            slug: newsletter.slug.clone(),
            issues: vec![],
            is_unscheduled: !schedules.iter().any(|schedule| schedule.newsletter_id == newsletter.id),
            may_start: by.user.may(Role::Editor, newsletter.id),
            last,
        })
        .collect();
    for (found, coming) in found.iter().zip(coming) {
        if let Some(paper) = papers.iter_mut().find(|paper| paper.slug == found.newsletter.slug) {
            paper.issues.push(coming);
        }
    }
    let page = Today { papers, needs, is_admin: by.user.may_everywhere(Role::Admin) };
    super::show(&by, StatusCode::OK, "/desk", "Today", "desk/today", &page)
}

/// The issues of these newsletters that have not come to their end, by slot.
async fn find<'n>(
    conn: &mut db::Conn,
    newsletters: &'n [Newsletter],
    schedules: &'n [Schedule],
) -> Result<Vec<Found<'n>>, Error> {
    const STATES: [IssueState; 5] = [
        IssueState::Draft,
        IssueState::Frozen,
        IssueState::Approved,
        IssueState::Sending,
        IssueState::Paused,
    ];
    let issues = db::issues::in_states(conn, &STATES).await?;
    let ids: Vec<i64> = issues.iter().map(|issue| issue.id).collect();
    let counts = db::issues::article_counts(conn, &ids).await?;
    let mut headlines = db::issues::headlines(conn, &ids, HEADLINES).await?;
    let mut found = vec![];
    for issue in issues {
        let Some(newsletter) = newsletters.iter().find(|newsletter| newsletter.id == issue.newsletter_id)
        else {
            continue;
        };
        let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
        if issue.state == IssueState::Draft && schedule.is_some_and(|schedule| schedule.paused) {
            // Said once, of the schedule.
            continue;
        }
        let waiting = match issue.state {
            IssueState::Draft => composing::count_waiting(conn, newsletter, &issue, schedule).await?,
            _ => 0,
        };
        let of_newsletter = schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id);
        found.push(Found {
            starts_at: db::starts::of(conn, issue.id).await?,
            has_several: of_newsletter.count() > 1,
            articles: counts.get(&issue.id).copied().unwrap_or(0),
            headlines: headlines.remove(&issue.id).unwrap_or_default(),
            newsletter,
            schedule,
            issue,
            waiting,
        });
    }
    Ok(found)
}

async fn coming(app: &App, by: &SignedIn, found: &Found<'_>, now: Timestamp) -> Result<Coming, Error> {
    let issue = &found.issue;
    let is_out = matches!(issue.state, IssueState::Sending | IssueState::Paused);
    let audience = if is_out { None } else { audience::audience(app, issue).await? };
    let results = if is_out { audience::results(app, issue).await? } else { None };
    let others = audience.as_ref().and_then(others);
    let at = audience.as_ref().map(|audience| audience.counted_at);
    let counted = at.or(results.as_ref().map(|results| results.counted_at));
    let zone = found.zone();
    Ok(Coming {
        href: match is_out {
            true => format!("/desk/issues/{}/live", issue.id),
            false => format!("/desk/issues/{}", issue.id),
        },
        whose: words::whose(issue.slot_at, now, zone),
        name: found.newsletter.name.clone(),
        schedule: found.schedule.filter(|_| found.has_several).map(|schedule| schedule.name.clone()),
        says: says(found, audience.as_ref(), results.as_ref(), now),
        holds: match (issue.state, issue.edited) {
            (IssueState::Draft, false) if found.waiting == 0 => {
                format!("{} in.", words::count(found.articles, "article"))
            }
            (IssueState::Draft, _) => {
                let (articles, waiting) =
                    (words::count(found.articles, "article"), words::number(found.waiting));
                format!("{articles} in, {waiting} waiting.")
            }
            _ => format!("{}.", words::count(found.articles, "article")),
        },
        headlines: found.headlines.clone(),
        others,
        counted: counted.map(|at| Moment::past(at, now, zone)),
        starting: found.starts_at.map(|at| {
            let may_take_back = by.user.may(Role::Editor, issue.newsletter_id);
            Starting::of(issue, at, now, zone, may_take_back, "today", "/desk".to_owned())
        }),
    })
}

/// What happens to it and when, behind its name.
fn says(found: &Found<'_>, audience: Option<&Audience>, results: Option<&Results>, now: Timestamp) -> String {
    let (issue, zone) = (&found.issue, found.zone());
    let readers = match audience {
        Some(audience) => words::count(audience.readers, "reader"),
        None => "its readers, who are being counted,".to_owned(),
    };
    // Its name says the day already.
    let at = format!("{} {}", words::hour(issue.slot_at, zone), zone_name(zone));
    let out = match results {
        Some(results) => format!(
            "{} of {} have it",
            words::number(results.sent),
            words::count(results.sent + results.failed + results.open, "reader")
        ),
        None => "its readers are being counted".to_owned(),
    };
    let because = issue.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    match (issue.state, issue.held, found.newsletter.rules.approval) {
        (IssueState::Draft | IssueState::Frozen | IssueState::Approved, ..) if found.starts_at.is_some() => {
            format!("is about to go out to {readers}.")
        }
        (IssueState::Draft, _, _) if issue.schedule_id.is_none() => {
            format!("is filling and goes to {readers} when an editor sends it.")
        }
        (IssueState::Draft, held, _) => {
            let same_day =
                issue.cutoff_at.in_zone(zone).date_naive() == issue.slot_at.in_zone(zone).date_naive();
            let cutoff = match same_day {
                true => format!("at {}", words::hour(issue.cutoff_at, zone)),
                false => words::when(issue.cutoff_at, now, zone),
            };
            let once = if held { ", once it is no longer held" } else { "" };
            format!("freezes {cutoff} and goes to {readers} at {at}{once}.")
        }
        (IssueState::Frozen, true, _) => {
            format!("is frozen and held: it goes to {readers} once it is approved.")
        }
        (IssueState::Frozen, false, Approval::Required) => {
            format!("is frozen and goes to {readers} at {at}, once an editor approves it.")
        }
        (IssueState::Frozen, false, Approval::UnlessHeld) => {
            format!("is frozen and goes to {readers} at {at}, unless an editor holds it.")
        }
        (IssueState::Frozen | IssueState::Approved, _, _) => {
            format!("is frozen and goes to {readers} at {at}.")
        }
        (IssueState::Sending, _, _) => format!("is going out: {out}{because}."),
        (IssueState::Paused, _, _) => format!("is paused: {out}{because}."),
        (IssueState::Sent | IssueState::Cancelled | IssueState::Skipped, _, _) => "has ended.".to_owned(),
    }
}

/// "612 will not get it: 400 have not confirmed, 212 have paused it."
fn others(audience: &Audience) -> Option<String> {
    let all: i64 = audience.others.iter().map(|(_, count)| count).sum();
    let reasons: Vec<String> = audience
        .others
        .iter()
        .map(|(reason, count)| format!("{} {}", words::number(*count), words::reason(*reason, *count)))
        .collect();
    (all > 0).then(|| format!("{} will not get it: {}.", words::number(all), reasons.join(", ")))
}

/// What an issue lacks, or waits for.
fn needs_of(found: &Found<'_>, now: Timestamp) -> Vec<Need> {
    let (issue, rules) = (&found.issue, &found.newsletter.rules);
    let mut said: Vec<(&'static str, String, String)> = vec![];
    let page = format!("/desk/issues/{}", issue.id);
    let sending = format!("{page}/send");
    let last = issue.slot_at.plus_millis(rules.grace() * 60_000);
    let by = words::when(last, now, found.zone());
    let by = format!("{} ({})", by.strip_prefix("on ").unwrap_or(&by), zone_name(found.zone()));
    let why = sentence(issue.reason.as_deref().unwrap_or("an editor holds it"));
    match issue.state {
        // What it lacks has been seen by who sends it.
        _ if found.starts_at.is_some() => {}
        IssueState::Draft => {
            let fewest = rules.min_articles.max(1);
            if now > issue.cutoff_at.plus_millis(5 * 60 * 1000) && issue.schedule_id.is_some() {
                said.push((
                    "bad",
                    "Its hour to freeze has passed, and nothing froze it: see that the service runs with the role \
                     “schedule”."
                        .to_owned(),
                    page.clone(),
                ));
            }
            if found.articles == 0 {
                said.push(("warn", "It holds no article yet.".to_owned(), page.clone()));
            } else if found.articles < fewest {
                let words = format!(
                    "It holds {}, and goes out with {fewest} or more: otherwise it is skipped, and they wait for the next \
                     issue.",
                    words::count(found.articles, "article")
                );
                said.push(("warn", words, page.clone()));
            }
            if issue.held {
                let words = format!("{why} It does not go out before somebody approves it.");
                said.push(("warn", words, sending));
            }
        }
        IssueState::Frozen if issue.held => {
            let words = format!(
                "{why} It can be changed, goes out once somebody approves it, and is skipped if nobody does until {by}."
            );
            said.push(("warn", words, sending));
        }
        IssueState::Frozen if rules.approval == Approval::Required => {
            let words = format!("It waits for approval, and is skipped if nobody gives it until {by}.");
            said.push(("warn", words, sending));
        }
        IssueState::Paused => {
            let reason = issue.reason.as_deref().unwrap_or("no reason was noted");
            said.push(("bad", format!("It is paused: {reason}."), sending));
        }
        IssueState::Sending => {
            if let Some(reason) = &issue.reason {
                said.push(("warn", format!("{reason}."), format!("{page}/live")));
            }
        }
        _ => {}
    }
    let need = |(tone, says, href)| Need { tone, says, href, title: found.title(now) };
    said.into_iter().map(need).collect()
}

fn failing(newsletter: &Newsletter, sources: &[db::sources::Source]) -> Option<Need> {
    let failing: Vec<&db::sources::Source> =
        sources.iter().filter(|source| source.failures > 0 && !source.paused).collect();
    let first = failing.first()?;
    let name = if first.title.is_empty() { &first.url } else { &first.title };
    let says = match failing.len() {
        1 => format!(
            "The source “{name}” fails: {}.",
            first.last_error.as_deref().unwrap_or("no reason was noted")
        ),
        many => format!("{many} sources fail, “{name}” among them."),
    };
    let href = format!("/desk/sources?newsletter={}", newsletter.slug);
    Some(Need { href, title: newsletter.name.clone(), says, tone: "warn" })
}

fn paused(newsletter: &Newsletter, schedules: &[Schedule]) -> Option<Need> {
    let paused: Vec<&str> = schedules
        .iter()
        .filter(|schedule| schedule.newsletter_id == newsletter.id && schedule.paused)
        .map(|schedule| schedule.name.as_str())
        .collect();
    let says = match paused.as_slice() {
        [] => return None,
        [one] => format!("Its schedule “{one}” is paused: no issue of it fills or goes out."),
        many => {
            format!("Its schedules {} are paused: no issue of theirs fills or goes out.", many.join(", "))
        }
    };
    Some(Need { href: "/desk/calendar".to_owned(), title: newsletter.name.clone(), says, tone: "warn" })
}

/// What became of the issue that ended last.
async fn last(
    app: &App,
    newsletter: &Newsletter,
    issue: &Option<Issue>,
    now: Timestamp,
) -> Result<Option<Last>, Error> {
    let Some(issue) = issue else { return Ok(None) };
    let reason = issue.reason.as_deref().unwrap_or("no reason was noted");
    let says = match issue.state {
        IssueState::Skipped => format!("It was skipped: {reason}."),
        IssueState::Cancelled => format!("It was cancelled: {reason}."),
        _ => match audience::results(app, issue).await? {
            None => "Its results are being counted.".to_owned(),
            Some(results) => {
                let all = results.sent + results.failed + results.open;
                let mut says = format!("{} of {} sent", words::number(results.sent), words::number(all));
                for (count, what) in [(results.failed, "failed"), (results.open, "still to come")] {
                    if count > 0 {
                        says.push_str(&format!(", {} {what}", words::number(count)));
                    }
                }
                format!("{says}.")
            }
        },
    };
    let number = if issue.number > 0 { format!(", No. {}", issue.number) } else { String::new() };
    let title = format!("{} {}{number}", words::whose(issue.slot_at, now, newsletter.zone), newsletter.name);
    let href = match issue.state {
        IssueState::Sent => format!("/desk/issues/{}/results", issue.id),
        _ => format!("/desk/issues/{}", issue.id),
    };
    Ok(Some(Last { href, title, says }))
}
