//! A newsletter's schedules as admins set them up: when, and whether at all.

use super::accounts::Actor;
use super::editors::find_newsletter;
use super::newsletters::slug;
use super::{App, Error, compose};
use crate::db;
use crate::domain::calendar::{Recurrence, Slot, Slots, TimeOfDay, parse_zone};
use crate::domain::newsletter::{Newsletter, Schedule};

/// Adds a schedule to a newsletter.
pub async fn add_schedule(
    app: &App,
    by: &Actor,
    newsletter: &str,
    name: Option<&str>,
    at: &str,
    timezone: Option<&str>,
    days: &str,
) -> Result<Schedule, Error> {
    let recurrence = Recurrence::parse(days).map_err(Error::Invalid)?;
    let at = TimeOfDay::parse(at).map_err(Error::Invalid)?;
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, newsletter).await?;
    let zone = timezone.map(parse_zone).transpose().map_err(Error::Invalid)?.unwrap_or(newsletter.zone);
    let name = match name {
        Some(name) => slug(name, "monday-morning").map_err(Error::Invalid)?,
        None => default_name(recurrence).to_owned(),
    };
    let mut schedule = Schedule {
        id: 0,
        newsletter_id: newsletter.id,
        name,
        slots: Slots { recurrence, at, zone },
        paused: false,
        starts_at: app.clock.now(),
    };
    schedule.id = match db::newsletters::insert_schedule(&mut tx, &schedule).await {
        Err(error) if error.is_duplicate() => {
            return Err(Error::Invalid(format!(
                "“{}” has a schedule “{}” already: give this one another name",
                newsletter.slug, schedule.name
            )));
        }
        other => other?,
    };
    note_schedule(app, &mut tx, by, "schedule.add", &newsletter.slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}

fn default_name(recurrence: Recurrence) -> &'static str {
    match recurrence {
        Recurrence::Monthly(_) => "monthly",
        Recurrence::Weekly(days) if days.count_ones() == 1 => "weekly",
        Recurrence::Weekly(days) if days.count_ones() == 7 => "daily",
        Recurrence::Weekly(_) => "weekdays",
    }
}

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
    move_draft(app, &mut tx, newsletter, &schedule).await?;
    note_schedule(app, &mut tx, by, "schedule.change", &newsletter.slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}

/// Brings the issue that a schedule fills to its new time at once: the desk shows no other.
async fn move_draft(
    app: &App,
    conn: &mut db::Conn,
    newsletter: &Newsletter,
    schedule: &Schedule,
) -> Result<(), Error> {
    if !schedule.paused {
        compose::ensure_draft(conn, newsletter, schedule, app.clock.now()).await?;
    }
    Ok(())
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

/// Pauses a schedule, or lets it go on from now: what was due meanwhile is not made up for.
pub async fn pause_schedule(
    app: &App,
    by: &Actor,
    slug: &str,
    name: &str,
    paused: bool,
) -> Result<Schedule, Error> {
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    // All of the schedule is written: nobody is to change it in between.
    db::newsletters::lock(&mut tx, newsletter.id).await?;
    let schedules = db::newsletters::schedules_of(&mut tx, newsletter.id).await?;
    let Some(mut schedule) = schedules.iter().find(|schedule| schedule.name == name).cloned() else {
        let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        return Err(Error::NotFound(format!(
            "“{slug}” has no schedule “{name}”: it has {}",
            names.join(", ")
        )));
    };
    schedule.paused = paused;
    if !paused {
        schedule.starts_at = app.clock.now();
    }
    db::newsletters::update_schedule(&mut tx, &schedule).await?;
    move_draft(app, &mut tx, &newsletter, &schedule).await?;
    let action = if paused { "schedule.pause" } else { "schedule.resume" };
    note_schedule(app, &mut tx, by, action, slug, &schedule).await?;
    db::commit(tx).await?;
    Ok(schedule)
}

/// A newsletter's schedules with their next `count` slots.
pub async fn next_slots(app: &App, slug: &str, count: usize) -> Result<Vec<(Schedule, Vec<Slot>)>, Error> {
    let mut conn = app.db.conn().await?;
    let newsletter = find_newsletter(&mut conn, slug).await?;
    let mut listed = vec![];
    for schedule in db::newsletters::schedules_of(&mut conn, newsletter.id).await? {
        let last = db::issues::last_slot(&mut conn, schedule.id).await?;
        let mut after = last.map_or(schedule.starts_at, |(slot, _)| slot).max(app.clock.now());
        let mut date = last.map(|(_, date)| date);
        let mut slots = vec![];
        while let Some(slot) = schedule.slots.next(after, date).filter(|_| slots.len() < count) {
            (after, date) = (slot.at, Some(slot.date));
            slots.push(slot);
        }
        listed.push((schedule, slots));
    }
    Ok(listed)
}

/// Writes down what somebody did to a schedule, which is then so.
async fn note_schedule(
    app: &App,
    conn: &mut db::Conn,
    by: &Actor,
    action: &str,
    slug: &str,
    schedule: &Schedule,
) -> Result<(), Error> {
    let Slots { recurrence, at, zone } = &schedule.slots;
    let what = format!("{slug}: {}, {recurrence} at {at} {}", schedule.name, zone.name());
    by.note_of(app, conn, action, &what, Some(schedule.newsletter_id)).await
}
