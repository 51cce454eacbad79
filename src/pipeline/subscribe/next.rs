//! When a reader's next issue comes: what pages and mails promise, by what will really go out.

use chrono_tz::Tz;

use super::super::{Error, compose};
use super::followed;
use crate::db::{Conn, issues, outcomes};
use crate::domain::calendar::{Timestamp, first_at};
use crate::domain::issue::IssueState;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::subscription::{Subscriber, Subscription};

/// When a reader's next issue comes, and the zone to say it in. It may be now: then it is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextIssue {
    pub at: Timestamp,
    pub zone: Tz,
}

/// When a reader's next issue comes: the mail that waits for them, else the issue that their schedule is filling or has
/// frozen, else its first slot that no issue has been made for. While the newsletter is paused for them, what comes after.
///
/// None where nothing tells: an issue is late, or its editors have paused it.
pub(super) async fn next_issue(
    conn: &mut Conn,
    newsletter: &Newsletter,
    schedules: &[Schedule],
    subscriber: &Subscriber,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<Option<NextIssue>, Error> {
    let schedule = followed(schedules, subscription);
    let zone = match (subscriber.zone, subscription.hour, schedule) {
        (Some(zone), _, _) => zone,
        (None, None, Some(schedule)) => schedule.slots.zone,
        (None, _, _) => newsletter.zone,
    };
    let found = |at| Ok(Some(NextIssue { at, zone }));
    let paused_until = subscription.paused_until.filter(|until| *until > now);
    // Whoever has an hour of their own gets an issue at the first such hour after its slot.
    let due = |slot: Timestamp| subscription.hour.map_or(slot, |hour| first_at(slot, hour, zone));
    match outcomes::next_due(conn, subscription, paused_until).await? {
        Some((at, true)) => return found(at.max(now)),
        Some((_, false)) => return Ok(None),
        None => {}
    }

    let going = schedule.filter(|schedule| !schedule.paused);
    let slot = match going {
        Some(schedule) => compose::next_slot(conn, schedule).await?,
        None => None,
    };
    let mut taken = None;
    for issue in issues::to_come(conn, newsletter.id, schedule.map(|schedule| schedule.id)).await? {
        let is_draft = issue.state == IssueState::Draft;
        if is_draft && going.is_none() {
            continue;
        }
        // A draft goes where its schedule's next slot is, unless an editor gave it a time of its own.
        let slot_at = match slot {
            Some(slot) if is_draft && issue.moved_from != Some(slot.at) => slot.at,
            _ => issue.slot_at,
        };
        taken = taken.max(Some(issue.slot_date));
        if paused_until.is_some_and(|until| slot_at < until) {
            continue;
        }
        if slot_at > now || issue.state == IssueState::Approved {
            return found(if issue.at_once { slot_at } else { due(slot_at) }.max(now));
        }
        if !compose::is_too_late(newsletter, &issue, now) {
            return Ok(None);
        }
    }
    let Some((schedule, slot)) = going.zip(slot) else { return Ok(None) };
    // Paused until the very moment of a slot, a reader gets its issue.
    let from = paused_until.map_or(now, |until| until.plus_millis(-1)).max(schedule.starts_at);
    if slot.at > from && taken.is_none_or(|taken| taken < slot.date) {
        return found(due(slot.at));
    }
    let after = schedule.slots.next(from, taken.max(slot.date.pred_opt()));
    Ok(after.map(|slot| NextIssue { at: due(slot.at), zone }))
}
