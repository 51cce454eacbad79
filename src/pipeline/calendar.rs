//! The coming slots of every schedule, with the issues that are made for them already.

use chrono::NaiveDate;

use super::{App, Error};
use crate::db;
use crate::domain::calendar::{Slot, Timestamp};
use crate::domain::issue::Issue;
use crate::domain::newsletter::{Newsletter, Schedule};

/// The most slots of one schedule that are listed: one a day, for two months.
const MOST_SLOTS: usize = 62;

/// The most issues that are looked at.
const MOST_ISSUES: i64 = 2_000;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Something that goes out, went out today, or would but for a pause.
#[derive(Clone, Debug)]
pub struct Entry {
    pub newsletter_id: i64,
    /// None for an issue that belongs to no schedule.
    pub schedule: Option<Schedule>,
    pub at: Timestamp,
    /// The day it is for, where a schedule says so.
    pub date: NaiveDate,
    /// The issue for this slot, where there is one.
    pub issue: Option<Issue>,
}

/// What these newsletters have from today until `until`, in the order of time.
pub async fn coming(app: &App, newsletters: &[Newsletter], until: Timestamp) -> Result<Vec<Entry>, Error> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let schedules = db::newsletters::schedules(&mut conn).await?;
    // Today may have begun a day ago, in whatever zone.
    let issues = db::issues::between(&mut conn, now.plus_millis(-DAY), until, MOST_ISSUES).await?;
    drop(conn);
    let mut entries = vec![];
    for newsletter in newsletters {
        let today = now.in_zone(newsletter.zone).date_naive();
        let own = issues.iter().filter(|issue| issue.newsletter_id == newsletter.id);
        for issue in own.clone().filter(|issue| issue.slot_at.in_zone(newsletter.zone).date_naive() >= today)
        {
            let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
            entries.push(Entry {
                newsletter_id: newsletter.id,
                schedule: schedule.cloned(),
                at: issue.slot_at,
                date: issue.slot_date,
                issue: Some(issue.clone()),
            });
        }
        for schedule in schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id) {
            let days: Vec<NaiveDate> = own
                .clone()
                .filter(|issue| issue.schedule_id == Some(schedule.id) && issue.edition == 0)
                .map(|issue| issue.slot_date)
                .collect();
            // A day has one issue: where it has that already, it gets no other.
            let free = slots(schedule, now, until).into_iter().filter(|slot| !days.contains(&slot.date));
            entries.extend(free.map(|slot| Entry {
                newsletter_id: newsletter.id,
                schedule: Some(schedule.clone()),
                at: slot.at,
                date: slot.date,
                issue: None,
            }));
        }
    }
    entries.sort_by_key(|entry| (entry.at, entry.newsletter_id));
    Ok(entries)
}

fn slots(schedule: &Schedule, now: Timestamp, until: Timestamp) -> Vec<Slot> {
    let (mut after, mut date) = (schedule.starts_at.max(now), None);
    let mut slots = vec![];
    while let Some(slot) = schedule.slots.next(after, date).filter(|slot| slot.at < until) {
        if slots.len() == MOST_SLOTS {
            break;
        }
        (after, date) = (slot.at, Some(slot.date));
        slots.push(slot);
    }
    slots
}
