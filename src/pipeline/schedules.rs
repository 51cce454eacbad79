//! A newsletter's schedules as admins change them: when, and whether at all.

use super::accounts::Actor;
use super::newsletters::note_schedule;
use super::{App, Error};
use crate::db;
use crate::domain::calendar::Slots;
use crate::domain::newsletter::{Newsletter, Schedule};

/// A schedule of a newsletter.
pub async fn find(conn: &mut db::Conn, newsletter_id: i64, id: i64) -> Result<Schedule, Error> {
    let schedules = db::newsletters::schedules_of(conn, newsletter_id).await?;
    let found = schedules.into_iter().find(|schedule| schedule.id == id);
    found.ok_or_else(|| Error::NotFound(format!("the newsletter has no schedule {id}")))
}

/// Changes when a schedule goes out. What lies behind is not made up for: its next slot comes after now, and not on a
/// day that has had its issue.
pub async fn change(
    app: &App,
    by: &Actor,
    newsletter: &Newsletter,
    id: i64,
    slots: Slots,
) -> Result<Schedule, Error> {
    let mut tx = app.db.begin().await?;
    db::newsletters::lock(&mut tx, newsletter.id).await?;
    let mut schedule = find(&mut tx, newsletter.id, id).await?;
    schedule.slots = slots;
    schedule.starts_at = app.clock.now();
    db::newsletters::update_schedule(&mut tx, &schedule).await?;
    note_schedule(app, &mut tx, by, "schedule.change", &newsletter.slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}

/// Removes a schedule that nobody chose and that no issue went out on; the issue that it is filling goes with it.
pub async fn remove(app: &App, by: &Actor, newsletter: &Newsletter, id: i64) -> Result<Schedule, Error> {
    let mut tx = app.db.begin().await?;
    db::newsletters::lock(&mut tx, newsletter.id).await?;
    let schedule = find(&mut tx, newsletter.id, id).await?;
    let (readers, issues) = db::newsletters::ties_of_schedule(&mut tx, &schedule).await?;
    let tie = match (readers, issues) {
        (0, 0) => None,
        (0, 1) => Some("1 issue was made for it, or edited".to_owned()),
        (0, issues) => Some(format!("{issues} issues were made for it, or edited")),
        (1, _) => Some("1 reader chose it".to_owned()),
        (readers, _) => Some(format!("{readers} readers chose it")),
    };
    if let Some(tie) = tie {
        return Err(Error::Invalid(format!(
            "the schedule “{}” cannot be removed, because {tie}: pause it instead",
            schedule.name
        )));
    }
    db::newsletters::remove_schedule(&mut tx, id).await?;
    note_schedule(app, &mut tx, by, "schedule.remove", &newsletter.slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}
