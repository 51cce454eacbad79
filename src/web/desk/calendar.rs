//! The calendar: what goes out in the next four weeks, by week and day, and the days on which clocks are changed.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono::{Datelike as _, Days, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::show;
use super::words::{Moment, count, date_elsewhere, hour, lists_zone, state};
use crate::db;
use crate::domain::calendar::{self, Shown, Timestamp};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::calendar::{Entry, coming};
use crate::web::auth::SignedIn;
use crate::web::words::{frequency, zone_name};
use crate::web::{Error, words};

const WEEKS: i64 = 4;
const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// The most slots on a page: four weeks of thirty daily newsletters.
const MOST: usize = 900;

pub fn routes() -> Router<App> {
    Router::new().route("/desk/calendar", get(page))
}

#[derive(Deserialize, Default)]
struct Asked {
    newsletter: Option<String>,
}

#[derive(Serialize)]
struct Page {
    newsletters: Vec<Choice>,
    weeks: Vec<Week>,
    paused: Vec<Paused>,
    /// The zone that the page's days and times are in.
    zone: String,
    /// There is more than the page shows.
    is_cut: bool,
    may_set_up: bool,
}

#[derive(Serialize)]
struct Choice {
    slug: String,
    name: String,
    chosen: bool,
}

/// From Monday to Sunday.
#[derive(Serialize)]
struct Week {
    /// "This week", "30 March to 5 April".
    name: String,
    /// "7 issues"
    says: String,
    /// "Clocks change on Sunday 29 March."
    changes: String,
    /// It is folded.
    is_far: bool,
    days: Vec<Day>,
}

#[derive(Default, Serialize)]
struct Day {
    /// "Today", "Tomorrow", "Sunday 29 March".
    name: String,
    date: String,
    /// What happens to clocks.
    changes: Vec<String>,
    slots: Vec<Slot>,
}

#[derive(Serialize)]
struct Slot {
    at: Moment,
    newsletter: String,
    slug: String,
    /// The schedule, and its own time where that is in another zone.
    what: String,
    /// What clocks do to this slot.
    note: String,
    issue: Option<i64>,
    state: &'static str,
    kind: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct Paused {
    newsletter: String,
    slug: String,
    name: String,
    frequency: String,
}

/// `GET /desk/calendar`
async fn page(
    State(app): State<App>,
    by: SignedIn,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let asked = asked.map_or_else(|_| Asked::default(), |Query(asked)| asked);
    let mut newsletters = {
        let mut conn = app.db.conn().await?;
        db::newsletters::list(&mut conn).await?
    };
    newsletters.retain(|newsletter| by.user.may(Role::Viewer, newsletter.id));
    let is_chosen = |newsletter: &Newsletter| asked.newsletter.as_deref() == Some(newsletter.slug.as_str());
    let choices = newsletters.iter().map(|newsletter| Choice {
        slug: newsletter.slug.clone(),
        name: newsletter.name.clone(),
        chosen: is_chosen(newsletter),
    });
    let choices = choices.collect();
    if newsletters.iter().any(is_chosen) {
        newsletters.retain(is_chosen);
    }
    let now = app.clock.now();
    let until = now.plus_millis(WEEKS * WEEK);
    let mut entries = coming(&app, &newsletters, until).await?;
    let schedules = db::newsletters::schedules(&mut *app.db.conn().await?).await?;
    let paused = paused(&newsletters, &schedules);
    let is_cut = entries.len() > MOST;
    entries.truncate(MOST);
    let zone = lists_zone(newsletters.iter(), &schedules);
    let page = Page {
        newsletters: choices,
        weeks: weeks(days(&newsletters, &entries, zone, now, until), now.in_zone(zone).date_naive()),
        paused,
        zone: zone_name(zone),
        is_cut,
        may_set_up: by.user.may_somewhere(Role::Admin),
    };
    show(&by, StatusCode::OK, "/desk/calendar", "Calendar", "desk/calendar", &page)
}

fn paused(newsletters: &[Newsletter], schedules: &[Schedule]) -> Vec<Paused> {
    let of = |schedule: &Schedule| {
        let newsletter = newsletters.iter().find(|newsletter| newsletter.id == schedule.newsletter_id)?;
        Some(Paused {
            newsletter: newsletter.name.clone(),
            slug: newsletter.slug.clone(),
            name: schedule.name.clone(),
            frequency: frequency(&schedule.slots),
        })
    };
    schedules.iter().filter(|schedule| schedule.paused).filter_map(of).collect()
}

fn days(
    newsletters: &[Newsletter],
    entries: &[Entry],
    zone: Tz,
    now: Timestamp,
    until: Timestamp,
) -> BTreeMap<NaiveDate, Day> {
    let several = newsletters.iter().any(|newsletter| newsletter.zone != zone);
    let mut days: BTreeMap<NaiveDate, Day> = BTreeMap::new();
    for entry in entries {
        let Some(newsletter) = newsletters.iter().find(|newsletter| newsletter.id == entry.newsletter_id)
        else {
            continue;
        };
        let date = entry.at.in_zone(zone).date_naive();
        days.entry(date).or_default().slots.push(slot(newsletter, entry, zone, now));
    }
    for (zone, changes) in changes(newsletters, now, until) {
        for change in changes {
            let way = if change.to > change.from { "forward" } else { "back" };
            let (from, to) = (change.from.format("%H:%M"), change.to.format("%H:%M"));
            let place = if several { format!(" in {}", zone_name(zone)) } else { String::new() };
            let words = format!("Clocks go {way}{place}: {from} becomes {to}.");
            days.entry(change.from.date()).or_default().changes.push(words);
        }
    }
    let today = now.in_zone(zone).date_naive();
    for (date, day) in &mut days {
        day.date = date.to_string();
        let name = date.format("%A %-d %B");
        day.name = match (*date - today).num_days() {
            0 => format!("Today, {name}"),
            1 => format!("Tomorrow, {name}"),
            _ => name.to_string(),
        };
    }
    days
}

/// Days by week: this one and the next are shown, those behind them folded.
fn weeks(days: BTreeMap<NaiveDate, Day>, today: NaiveDate) -> Vec<Week> {
    let monday = |date: NaiveDate| date - Days::new(u64::from(date.weekday().num_days_from_monday()));
    let mut by_week: BTreeMap<NaiveDate, Vec<(NaiveDate, Day)>> = BTreeMap::new();
    for (date, day) in days {
        by_week.entry(monday(date)).or_default().push((date, day));
    }
    let week = |(begins, days): (NaiveDate, Vec<(NaiveDate, Day)>)| {
        let away = (begins - monday(today)).num_days() / 7;
        let span = format!("{} to {}", begins.format("%-d %B"), (begins + Days::new(6)).format("%-d %B"));
        let changed = days.iter().filter(|(_, day)| !day.changes.is_empty());
        let changed: Vec<String> = changed.map(|(date, _)| date.format("%A %-d %B").to_string()).collect();
        let slots: usize = days.iter().map(|(_, day)| day.slots.len()).sum();
        Week {
            name: match away {
                ..=0 => "This week".to_owned(),
                1 => format!("Next week, {span}"),
                _ => span,
            },
            says: count(i64::try_from(slots).unwrap_or(i64::MAX), "issue"),
            changes: match changed.is_empty() {
                true => String::new(),
                false => format!("Clocks change on {}.", words::list(&changed)),
            },
            is_far: away > 1,
            days: days.into_iter().map(|(_, day)| day).collect(),
        }
    };
    by_week.into_iter().map(week).collect()
}

fn changes(
    newsletters: &[Newsletter],
    now: Timestamp,
    until: Timestamp,
) -> Vec<(Tz, Vec<calendar::ClockChange>)> {
    let mut zones: Vec<Tz> = newsletters.iter().map(|newsletter| newsletter.zone).collect();
    zones.sort_by_key(|zone| zone.name());
    zones.dedup();
    zones.into_iter().map(|zone| (zone, calendar::clock_changes(zone, now, until))).collect()
}

fn slot(newsletter: &Newsletter, entry: &Entry, zone: Tz, now: Timestamp) -> Slot {
    let schedule = entry.schedule.as_ref();
    let (state, kind) = match (&entry.issue, schedule) {
        (Some(issue), _) => {
            let state = state(issue);
            (state.words, state.tone)
        }
        (None, Some(schedule)) if schedule.paused => ("paused: nothing goes out", "warn"),
        (None, _) => ("to come", ""),
    };
    let elsewhere = schedule.filter(|schedule| schedule.slots.zone != zone).map(|schedule| {
        let own = schedule.slots.zone;
        let date = date_elsewhere(entry.at, now, own, zone).map(|date| format!(" ({date})"));
        format!("{}, {} {}{}", schedule.name, schedule.slots.at, zone_name(own), date.unwrap_or_default())
    });
    let extra = entry.issue.as_ref().is_some_and(|issue| issue.edition > 0);
    let what = elsewhere.or_else(|| schedule.map(|schedule| schedule.name.clone()));
    Slot {
        at: Moment::of(hour(entry.at, zone), entry.at, zone),
        newsletter: newsletter.name.clone(),
        slug: newsletter.slug.clone(),
        what: match what {
            Some(what) if extra => format!("{what}, an extra edition"),
            Some(what) => what,
            None => "by hand".to_owned(),
        },
        note: schedule.map(|schedule| note(schedule, entry)).unwrap_or_default(),
        issue: entry.issue.as_ref().map(|issue| issue.id),
        state,
        kind,
        reason: entry.issue.as_ref().and_then(|issue| issue.reason.clone()).unwrap_or_default(),
    }
}

/// What clocks do to a slot.
fn note(schedule: &Schedule, entry: &Entry) -> String {
    let (at, zone) = (schedule.slots.at, schedule.slots.zone);
    if entry.issue.as_ref().is_some_and(|issue| issue.edition > 0) {
        return String::new();
    }
    match calendar::shown(entry.date, at, zone) {
        Shown::Once => String::new(),
        Shown::Never => {
            let becomes = hour(entry.at, zone);
            format!("Clocks go forward: {at} becomes {becomes}.")
        }
        Shown::Twice => format!("Clocks go back: {at} comes twice, and it goes out at the first."),
    }
}
