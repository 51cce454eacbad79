//! What became of the issues that ended last, as Today tells it.

use std::cmp::Reverse;

use futures_util::future::try_join_all;
use serde::Serialize;

use super::words;
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::pipeline::App;
use crate::pipeline::audience;
use crate::web::Error;

#[derive(Serialize)]
pub struct Last {
    href: String,
    title: String,
    says: String,
}

/// An issue that has ended, with its schedule, which is named where the newsletter has several.
pub struct Ended<'s> {
    schedule: Option<&'s Schedule>,
    has_several: bool,
    issue: Issue,
}

/// The last issue of each schedule that has ended, the latest first; of those without a schedule only where none came
/// after it.
pub async fn last<'s>(
    conn: &mut db::Conn,
    newsletter: &Newsletter,
    schedules: &'s [Schedule],
) -> Result<Vec<Ended<'s>>, Error> {
    let own: Vec<&Schedule> =
        schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id).collect();
    let has_several = own.len() > 1;
    let mut ended = vec![];
    for schedule in own.into_iter().map(Some).chain([None]) {
        let id = schedule.map(|schedule| schedule.id);
        let last = db::issues::last_ended(conn, newsletter.id, id).await?;
        ended.extend(last.map(|issue| Ended { schedule, has_several, issue }));
    }
    ended.sort_by_key(|ended| Reverse((ended.issue.slot_at, ended.issue.id)));
    let latest = ended.first().map(|ended| ended.issue.id);
    ended.retain(|ended| ended.schedule.is_some() || Some(ended.issue.id) == latest);
    Ok(ended)
}

/// What became of these issues of a newsletter.
pub async fn tell(
    app: &App,
    newsletter: &Newsletter,
    ended: &[Ended<'_>],
    now: Timestamp,
) -> Result<Vec<Last>, Error> {
    try_join_all(ended.iter().map(|ended| tell_one(app, newsletter, ended, now))).await
}

async fn tell_one(
    app: &App,
    newsletter: &Newsletter,
    Ended { schedule, has_several, issue }: &Ended<'_>,
    now: Timestamp,
) -> Result<Last, Error> {
    let reason = issue.reason.as_deref().unwrap_or("no reason was noted");
    let results = match issue.state {
        IssueState::Skipped => None,
        _ => audience::results(app, issue).await?,
    };
    let says = match (issue.state, results) {
        (IssueState::Skipped, _) => format!("It was skipped: {reason}."),
        (IssueState::Cancelled, Some(results)) if results.all() > 0 => {
            let had = words::of_readers(results.sent, results.all());
            format!("It was cancelled when {had} had it: {reason}.")
        }
        (IssueState::Cancelled, _) => format!("It was cancelled: {reason}."),
        (_, None) => "Its results are being counted.".to_owned(),
        (_, Some(results)) => {
            let mut says =
                format!("{} of {} sent", words::number(results.sent), words::number(results.all()));
            for (count, what) in [(results.failed, "failed"), (results.open, "still to come")] {
                if count > 0 {
                    says.push_str(&format!(", {} {what}", words::number(count)));
                }
            }
            format!("{says}.")
        }
    };
    let zone = schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone);
    let name = schedule.filter(|_| *has_several).map(|schedule| format!(" ({})", schedule.name));
    let number = if issue.number > 0 { format!(", No. {}", issue.number) } else { String::new() };
    let whose = words::whose(issue.slot_at, now, zone);
    let title = format!("{whose} {}{}{number}", newsletter.name, name.unwrap_or_default());
    let href = match issue.state {
        IssueState::Sent => format!("/desk/issues/{}/results", issue.id),
        _ => format!("/desk/issues/{}", issue.id),
    };
    Ok(Last { href, title, says })
}
