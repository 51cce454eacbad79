//! Today: the issue that is filling, in words; what needs a decision; what became of the last.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono_tz::Tz;
use futures_util::future::try_join_all;
use serde::Serialize;

use super::ended::{self, Last};
use super::issue_page::sentence;
use super::issues::visible;
use super::starting::Starting;
use super::words::{self, Moment};
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::SkipReason;
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
    /// The last that ended, of each schedule.
    lasts: Vec<Last>,
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
    /// Its date, where lists tell it in another zone.
    date: Option<String>,
}

/// Who gets it, or has it; none while that is counted for the first time.
struct Counted {
    audience: Option<Audience>,
    results: Option<Results>,
}

impl Counted {
    async fn of(app: &App, issue: &Issue) -> Result<Self, Error> {
        Ok(match is_out(issue) {
            true => Self { audience: None, results: audience::results(app, issue).await? },
            false => Self { audience: audience::audience(app, issue).await?, results: None },
        })
    }

    fn at(&self) -> Option<Timestamp> {
        let at = self.audience.as_ref().map(|audience| audience.counted_at);
        at.or(self.results.as_ref().map(|results| results.counted_at))
    }
}

fn is_out(issue: &Issue) -> bool {
    matches!(issue.state, IssueState::Sending | IssueState::Paused)
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
    let found = find(&mut conn, &newsletters, &schedules, now).await?;
    let mut others = vec![];
    let mut ended = vec![];
    for newsletter in &newsletters {
        let sources = db::sources::list(&mut conn, Some(newsletter.id)).await?;
        others.extend(failing(newsletter, &sources));
        others.extend(paused(newsletter, &schedules));
        ended.push(ended::last(&mut conn, newsletter, &schedules).await?);
    }
    // Counting takes a connection of its own: two at once would run the pool dry.
    drop(conn);
    let counted = try_join_all(found.iter().map(|found| Counted::of(&app, &found.issue))).await?;
    let counted: Vec<(&Found<'_>, Counted)> = found.iter().zip(counted).collect();
    let mut needs: Vec<Need> =
        counted.iter().flat_map(|(found, counted)| needs_of(found, counted, now)).collect();
    needs.extend(others);
    let coming = counted.iter().map(|(found, counted)| coming(&by, found, counted, now));
    let lasts =
        newsletters.iter().zip(&ended).map(|(newsletter, ended)| ended::tell(&app, newsletter, ended, now));
    let lasts = try_join_all(lasts).await?;
    let mut papers: Vec<Paper> = newsletters
        .iter()
        .zip(lasts)
        .map(|(newsletter, lasts)| Paper {
            name: newsletter.name.clone(),
            slug: newsletter.slug.clone(),
            issues: vec![],
            is_unscheduled: !schedules.iter().any(|schedule| schedule.newsletter_id == newsletter.id),
            may_start: by.user.may(Role::Editor, newsletter.id),
            lasts,
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
    now: Timestamp,
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
    let lists_zone = words::lists_zone(newsletters.iter(), schedules);
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
        let zone = schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone);
        found.push(Found {
            date: words::date_elsewhere(issue.slot_at, now, zone, lists_zone),
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

fn coming(by: &SignedIn, found: &Found<'_>, counted: &Counted, now: Timestamp) -> Coming {
    let (issue, zone) = (&found.issue, found.zone());
    Coming {
        href: match is_out(issue) {
            true => format!("/desk/issues/{}/live", issue.id),
            false => format!("/desk/issues/{}", issue.id),
        },
        whose: words::whose(issue.slot_at, now, zone),
        name: found.newsletter.name.clone(),
        schedule: found.schedule.filter(|_| found.has_several).map(|schedule| schedule.name.clone()),
        says: says(found, counted, now),
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
        others: counted.audience.as_ref().and_then(|audience| others(found, audience)),
        counted: counted.at().map(|at| Moment::past(at, now, zone)),
        starting: found.starts_at.map(|at| {
            let may_take_back = by.user.may(Role::Editor, issue.newsletter_id);
            Starting::of(issue, at, now, zone, may_take_back, "today", "/desk".to_owned())
        }),
    }
}

/// What happens to it and when, behind its name.
fn says(found: &Found<'_>, counted: &Counted, now: Timestamp) -> String {
    let (issue, zone) = (&found.issue, found.zone());
    let readers = match &counted.audience {
        Some(audience) => words::count(audience.readers, "reader"),
        None => "its readers, who are being counted,".to_owned(),
    };
    // Its name says the day already.
    let date = found.date.as_ref().map(|date| format!(" on {date}")).unwrap_or_default();
    let at = format!("{} {}{date}", words::hour(issue.slot_at, zone), zone_name(zone));
    let out = match &counted.results {
        Some(results) => format!("{} have it", words::of_readers(results.sent, results.all())),
        None => "its readers are being counted".to_owned(),
    };
    let because = issue.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let once = match (issue.state, issue.held, found.newsletter.rules.approval) {
        (IssueState::Draft, true, _) => ", once it is no longer held",
        (IssueState::Draft | IssueState::Frozen, _, Approval::Required) => ", once an editor approves it",
        (IssueState::Draft | IssueState::Frozen, _, Approval::UnlessHeld) => ", unless an editor holds it",
        _ => "",
    };
    match (issue.state, issue.held) {
        (IssueState::Draft | IssueState::Frozen | IssueState::Approved, _) if found.starts_at.is_some() => {
            format!("is about to go out to {readers}.")
        }
        // Whom it would go to depends on what it holds.
        (IssueState::Draft, _) if issue.schedule_id.is_none() && found.articles == 0 => {
            "is filling and goes out when an editor sends it.".to_owned()
        }
        (IssueState::Draft, _) if issue.schedule_id.is_none() => {
            format!("is filling and goes to {readers} when an editor sends it.")
        }
        (IssueState::Draft, _) => {
            let same_day =
                issue.cutoff_at.in_zone(zone).date_naive() == issue.slot_at.in_zone(zone).date_naive();
            let cutoff = match same_day {
                true => format!("at {}", words::hour(issue.cutoff_at, zone)),
                false => words::when(issue.cutoff_at, now, zone),
            };
            match found.articles {
                0 => format!("freezes {cutoff}; its time is {at}{once}."),
                _ => format!("freezes {cutoff} and goes to {readers} at {at}{once}."),
            }
        }
        (IssueState::Frozen, true) => {
            format!("is frozen and held: it goes to {readers} once it is approved.")
        }
        (IssueState::Frozen | IssueState::Approved, _) => {
            format!("is frozen and goes to {readers} at {at}{once}.")
        }
        (IssueState::Sending, _) => format!("is going out: {out}{because}."),
        (IssueState::Paused, _) => format!("is paused: {out}{because}."),
        (IssueState::Sent | IssueState::Cancelled | IssueState::Skipped, _) => "has ended.".to_owned(),
    }
}

/// "612 will not get it: 400 have not confirmed, 212 have paused it."
fn others(found: &Found<'_>, audience: &Audience) -> Option<String> {
    let mut others = audience.others.clone();
    if found.articles == 0 {
        // In an issue without an article nobody finds anything: that is no choice of theirs.
        others.retain(|(reason, _)| *reason != SkipReason::NoArticles);
    }
    let all: i64 = others.iter().map(|(_, count)| count).sum();
    let reasons: Vec<String> = others
        .iter()
        .map(|(reason, count)| format!("{} {}", words::number(*count), words::reason(*reason, *count)))
        .collect();
    (all > 0).then(|| format!("{} will not get it: {}.", words::number(all), reasons.join(", ")))
}

/// Why nobody gets what it holds.
fn nobody(found: &Found<'_>, audience: &Audience) -> Option<String> {
    if found.articles == 0 || audience.readers > 0 {
        return None;
    }
    Some(match (audience.others.is_empty(), found.schedule.filter(|_| found.has_several)) {
        (true, Some(schedule)) => {
            format!("It goes to nobody: no reader of {} follows “{}”.", found.newsletter.name, schedule.name)
        }
        (true, None) => format!("It goes to nobody: {} has no reader yet.", found.newsletter.name),
        (false, _) => "It goes to nobody: none of its readers gets it as things stand.".to_owned(),
    })
}

/// What an issue lacks, or waits for.
fn needs_of(found: &Found<'_>, counted: &Counted, now: Timestamp) -> Vec<Need> {
    let (issue, rules) = (&found.issue, &found.newsletter.rules);
    let mut said: Vec<(&'static str, String, String)> = vec![];
    let page = format!("/desk/issues/{}", issue.id);
    let sending = format!("{page}/send");
    let last = issue.slot_at.plus_millis(rules.grace() * 60_000);
    let by = words::when(last, now, found.zone());
    let by = format!("{} ({})", by.strip_prefix("on ").unwrap_or(&by), zone_name(found.zone()));
    let why = sentence(issue.reason.as_deref().unwrap_or("an editor holds it"));
    let nobody = counted.audience.as_ref().and_then(|audience| nobody(found, audience));
    if let Some(says) = nobody.filter(|_| found.starts_at.is_none()) {
        said.push(("warn", says, page.clone()));
    }
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
