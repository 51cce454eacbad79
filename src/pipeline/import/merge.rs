//! What is on record, and what a file says → what shall be on record.

use super::entry::Entry;
use crate::db::import::{OnRecord, Tie};
use crate::db::subscriptions::{Choice, ended_for_many};
use crate::domain::calendar::Timestamp;
use crate::domain::subscription::{SubscriptionEvent, SubscriptionStatus, transition};

/// What shall be on record once `entry` is taken in. Values are only overwritten by values, whoever left stays away,
/// and a consent on record stays unless the reader becomes active by another: taking in the same entry again changes
/// nothing.
pub fn merge(before: &OnRecord, entry: &Entry, now: Timestamp) -> OnRecord {
    let mut after = before.clone();
    if let Some(name) = &entry.name {
        after.name.clone_from(name);
    }
    after.language = entry.language.clone().or(after.language);
    after.zone = entry.zone.or(after.zone);
    after.tie = Some(merge_tie(before, entry, now));
    for tag in &entry.tags {
        if let Err(place) = after.tags.binary_search(tag) {
            after.tags.insert(place, tag.clone());
        }
    }
    // The first reason stays, unless a bulk action gave it: undoing that must not have the address mailed again.
    if entry.suppression.is_some() && (before.suppressed.is_none() || before.is_suppressed_in_bulk) {
        (after.suppressed, after.is_suppressed_in_bulk) = (entry.suppression, false);
    }
    after
}

fn merge_tie(record: &OnRecord, entry: &Entry, now: Timestamp) -> Tie {
    use SubscriptionStatus as S;
    let before = record.tie.as_ref();
    let has_left = before.is_some_and(|tie| tie.left_at.is_some());
    let is_known = before.is_some() && record.suppressed.is_some();
    let event = match entry.event {
        // Somebody who left and was signed up again, by a form that anybody can fill in, is not to be brought back.
        SubscriptionEvent::Import if has_left => SubscriptionEvent::ImportPending,
        // An export says `unsubscribed` of whoever has left and waits to confirm anew, and `bounced` of whoever is
        // suppressed: where that is on record already, it changes nothing.
        SubscriptionEvent::Leave if has_left || (entry.suppression.is_some() && is_known) => {
            SubscriptionEvent::ImportPending
        }
        event => event,
    };
    let was = before.map(|tie| tie.status);
    let status = transition(was, event);
    let mut tie = before.cloned().unwrap_or_else(|| Tie {
        id: None,
        status,
        choice: Choice::default(),
        paused_until: None,
        consent: None,
        origin: Some(entry.origin.clone()),
        left_at: None,
        left_reason: None,
    });
    tie.status = status;
    tie.choice = Choice {
        schedule_id: entry.schedule_id.or(tie.choice.schedule_id),
        topics: entry.topics.unwrap_or(tie.choice.topics),
        hour: entry.hour.or(tie.choice.hour),
    };
    if status == S::Active {
        tie.paused_until = entry.paused_until.filter(|until| *until > now).or(tie.paused_until);
    }
    let becomes_active = status == S::Active && was != Some(S::Active);
    // Who waits to confirm is asked by a link, which a later consent would put out of force.
    let waits = status == S::Pending && was == Some(S::Pending);
    if let Some(consent) = entry.consent.as_ref().filter(|_| !waits)
        && (becomes_active
            || (tie.consent.is_none()
                && (status != S::Unsubscribed || entry.event == SubscriptionEvent::Leave)))
    {
        tie.consent = Some(consent.clone());
    }
    let left_reason = || entry.left_reason.as_ref().unwrap_or(&entry.origin).clone();
    if status == S::Unsubscribed && was != Some(S::Unsubscribed) {
        tie.left_at = Some(entry.left_at.filter(|at| *at <= now).unwrap_or(now));
        tie.left_reason = Some(left_reason());
    } else if status == S::Unsubscribed
        && entry.event == SubscriptionEvent::Leave
        && ended_for_many(tie.left_reason.as_deref())
    {
        // The file says that they left: undoing the bulk action does not bring them back.
        tie.left_reason = Some(left_reason());
    }
    tie
}
