//! What editors do with an issue: approve, hold, send, pause, resume, cancel; and what they are told.
//!
//! Each deed has a form that is a part of a transaction, for the desk, and one that is the command line's, which is
//! written down as its own.

use chrono_tz::Tz;

use crate::db::notices::NewNotice;
use crate::db::{self, Conn};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueEvent, IssueState, transition};
use crate::domain::newsletter::{Approval, Newsletter, Schedule};
use crate::domain::notice::{Command, IssueNotice, Notice};

use super::accounts::Actor;
use super::{App, Error, compose, deliver, links, start};

/// What an editor is told about an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It waits for approval, or goes out at its slot unless somebody holds it.
    Ready,
    /// Its slot came while somebody held it.
    Held,
    /// It could not be sent, or not to everybody.
    Failed,
}

impl Note {
    fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// Queues a mail to each of the newsletter's editors, once for each kind of note, state of the issue and pause.
pub async fn tell(
    conn: &mut Conn,
    app: &App,
    newsletter: &Newsletter,
    issue: &Issue,
    note: Note,
) -> Result<(), Error> {
    if newsletter.editors.is_empty() {
        return Ok(());
    }
    let now = app.clock.now();
    let zone = schedule_of(conn, issue).await?.map_or(newsletter.zone, |schedule| schedule.slots.zone);
    let content = db::issues::content(conn, issue.id).await?.unwrap_or_default();
    let command = |does: &str, verb: &str| Command {
        does: does.to_owned(),
        line: format!("daybreak issue {verb} {}", issue.id),
    };
    let commands = match note {
        Note::Ready => vec![
            command("Look at it", "preview"),
            command("Approve it", "approve"),
            command("Hold it", "hold"),
        ],
        Note::Held => vec![command("Let it go", "approve"), command("Cancel it", "cancel")],
        Note::Failed => vec![command("See who got it", "status"), command("Go on with it", "resume")],
    };
    let notice = IssueNotice {
        newsletter: newsletter.into(),
        issue_id: issue.id,
        number: issue.number,
        slot_at: issue.slot_at,
        zone: zone.name().to_owned(),
        subject: deliver::subject(app, newsletter, issue, &content),
        articles: content.articles.len() as u64,
        audience: u64::try_from(db::addressing::followers(conn, newsletter.id, issue.schedule_id).await?)
            .unwrap_or(0),
        url: Some(links::sending(app, issue.id)),
        commands,
        reason: match note {
            Note::Ready => what_next(newsletter, issue, zone),
            Note::Held | Note::Failed => issue.reason.clone().unwrap_or_default(),
        },
    };
    let notice = match note {
        Note::Ready => Notice::Ready(notice),
        Note::Held => Notice::Held(notice),
        Note::Failed => Notice::Failed(notice),
    };
    let content = notice.to_json();
    for editor in &newsletter.editors {
        let event = event(note, issue, editor);
        let new = NewNotice {
            event: &event,
            newsletter_id: newsletter.id,
            email: editor,
            name: "",
            content: &content,
            due_at: now,
        };
        db::notices::queue(conn, &new, now).await?;
    }
    Ok(())
}

/// What happens to an issue that is ready if nobody does anything, or what somebody must do.
fn what_next(newsletter: &Newsletter, issue: &Issue, zone: Tz) -> String {
    match (newsletter.rules.approval, issue.held) {
        (_, true) => "It is held: it does not go out before an editor approves it.".to_owned(),
        (Approval::UnlessHeld, false) => {
            "It goes out at that time by itself, unless an editor holds it.".to_owned()
        }
        (Approval::Required | Approval::Automatic, false) => {
            let last = issue.slot_at.plus_millis(newsletter.rules.grace() * 60 * 1000).in_zone(zone);
            format!(
                "It goes out once an editor approves it. If nobody has by {}, it is skipped, and its articles wait for \
                 the next issue.",
                last.format("%H:%M on %-d %B")
            )
        }
    }
}

/// Names what an editor is told: the same about an issue in another state is news, and so is what happens to it after
/// another pause. All nodes that see a pause count it alike.
fn event(note: Note, issue: &Issue, editor: &EmailAddress) -> String {
    let (note, state) = (note.word(), issue.state.as_str());
    match issue.pauses {
        0 => format!("{note}:{}:{state}:{editor}", issue.id),
        pauses => format!("{note}:{}:{state}:{pauses}:{editor}", issue.id),
    }
}

/// Whether the newsletter's editors were told, or there is nobody to tell.
pub async fn was_told(
    conn: &mut Conn,
    newsletter: &Newsletter,
    issue: &Issue,
    note: Note,
) -> Result<bool, Error> {
    for editor in &newsletter.editors {
        if db::notices::queued_at(conn, &event(note, issue, editor)).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn schedule_of(conn: &mut Conn, issue: &Issue) -> Result<Option<Schedule>, Error> {
    let schedules = db::newsletters::schedules_of(conn, issue.newsletter_id).await?;
    Ok(schedules.into_iter().find(|schedule| Some(schedule.id) == issue.schedule_id))
}

/// The issue, or an error that says how to see which there are.
pub async fn find_issue(conn: &mut Conn, id: i64) -> Result<Issue, Error> {
    db::issues::get(conn, id).await?.ok_or_else(|| {
        Error::NotFound(format!("there is no issue {id}: `daybreak issue list` shows those there are"))
    })
}

/// The issue, which nobody else fills or freezes before the transaction ends.
pub(super) async fn find_issue_alone(tx: &mut Conn, id: i64) -> Result<Issue, Error> {
    let issue = find_issue(tx, id).await?;
    db::newsletters::lock(tx, issue.newsletter_id).await?;
    find_issue(tx, id).await
}

/// The newsletter, or an error that names those there are.
pub async fn find_newsletter(conn: &mut Conn, slug: &str) -> Result<Newsletter, Error> {
    if let Some(found) = db::newsletters::find(conn, slug).await? {
        return Ok(found);
    }
    let slugs: Vec<String> =
        db::newsletters::list(conn).await?.into_iter().map(|newsletter| newsletter.slug).collect();
    Err(Error::NotFound(match slugs.is_empty() {
        true => format!("there is no newsletter “{slug}”: make one with `daybreak newsletter add {slug} …`"),
        false => format!("there is no newsletter “{slug}”: there is {}", slugs.join(", ")),
    }))
}

/// The issue as nobody else can change it until the transaction ends.
pub(super) async fn lock_issue(conn: &mut Conn, id: i64) -> Result<Issue, Error> {
    match db::issues::lock(conn, id).await? {
        Some(issue) => Ok(issue),
        None => find_issue(conn, id).await,
    }
}

pub(super) async fn newsletter_of(conn: &mut Conn, issue: &Issue) -> Result<Newsletter, Error> {
    db::newsletters::get(conn, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {} has no newsletter", issue.id)))
}

/// Lets an event happen to an issue, if it can now; the state is tested again by the change itself.
async fn advance(
    conn: &mut Conn,
    issue: &Issue,
    event: IssueEvent,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<IssueState, Error> {
    let next =
        transition(issue.state, event).map_err(|why| Error::Invalid(format!("issue {}: {why}", issue.id)))?;
    match db::issues::advance(conn, issue.id, issue.state, next, reason, now).await? {
        true => Ok(next),
        false => Err(Error::Invalid(format!(
            "issue {} changed at this moment: look at it and try again",
            issue.id
        ))),
    }
}

/// Writes down what the command line does with an issue.
async fn note(app: &App, tx: &mut Conn, action: &str, id: i64) -> Result<(), Error> {
    let issue = find_issue(tx, id).await?;
    let newsletter = newsletter_of(tx, &issue).await?;
    let what = start::name_of(&newsletter, &issue);
    Actor::command_line().note_of(app, tx, action, &what, Some(newsletter.id)).await
}

/// Approves an issue, whether an editor held it or not; a draft is frozen first. It goes out at its slot.
pub async fn approve(app: &App, id: i64) -> Result<Issue, Error> {
    let mut tx = app.db.begin().await?;
    note(app, &mut tx, "issue.approve", id).await?;
    let issue = approve_in(&mut tx, id, Filling::Anew, app.clock.now()).await?;
    db::commit(tx).await?;
    Ok(issue)
}

/// [`approve`] as a part of a transaction.
pub(super) async fn approve_in(
    tx: &mut Conn,
    id: i64,
    filling: Filling,
    now: Timestamp,
) -> Result<Issue, Error> {
    let issue = find_issue_alone(tx, id).await?;
    let issue = match issue.state {
        IssueState::Draft => freeze(tx, &issue, filling, now).await?,
        _ => issue,
    };
    advance(tx, &issue, IssueEvent::Approve, None, now).await?;
    db::issues::set_held(tx, id, false, None).await?;
    if issue.slot_at <= now {
        bring_to(tx, &issue, now).await?;
    }
    lock_issue(tx, id).await
}

/// An issue that goes out after its time, or before it, has that moment as its time: it is no more late than that. One
/// without a schedule, whose time was that of its making, becomes an issue of the day as well.
async fn bring_to(tx: &mut Conn, issue: &Issue, now: Timestamp) -> Result<(), Error> {
    let date = match issue.schedule_id {
        Some(_) => issue.slot_date,
        None => now.in_zone(newsletter_of(tx, issue).await?.zone).date_naive(),
    };
    Ok(db::issues::set_slot(tx, issue.id, now, date).await?)
}

/// What a draft that nobody has touched is frozen with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filling {
    /// What belongs into it now.
    Anew,
    /// What an editor saw in it: nothing that came since.
    AsSeen,
}

/// Freezes a draft before its cutoff, because an editor wants it so.
async fn freeze(conn: &mut Conn, draft: &Issue, filling: Filling, now: Timestamp) -> Result<Issue, Error> {
    let newsletter = newsletter_of(conn, draft).await?;
    let schedule = schedule_of(conn, draft).await?;
    let slots = schedule.as_ref().map(|schedule| &schedule.slots);
    let is_as_seen = filling == Filling::AsSeen || db::starts::of(conn, draft.id).await?.is_some();
    let articles = match is_as_seen {
        true => {
            let mut articles = db::articles::of_issue(conn, draft.id).await?;
            articles.retain(|article| !article.held);
            articles
        }
        false => compose::fill(conn, &newsletter, draft, slots).await?,
    };
    if articles.is_empty() {
        return Err(Error::Invalid(format!(
            "there is nothing to send: no new article of “{}” is young enough and not yet sent (`daybreak article \
             list {}` shows them; `daybreak newsletter set {} max-age-hours=…` lets older ones in)",
            newsletter.name, newsletter.slug, newsletter.slug
        )));
    }
    compose::freeze(conn, &newsletter, draft, articles, now).await?;
    find_issue(conn, draft.id).await
}

/// Holds an issue back: it does not go out before somebody approves it.
pub async fn hold(app: &App, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    note(app, &mut tx, "issue.hold", id).await?;
    hold_in(&mut tx, id, app.clock.now()).await?;
    Ok(db::commit(tx).await?)
}

/// [`hold`] as a part of a transaction.
pub(super) async fn hold_in(tx: &mut Conn, id: i64, now: Timestamp) -> Result<(), Error> {
    let issue = lock_issue(tx, id).await?;
    match issue.state {
        IssueState::Draft | IssueState::Frozen => {}
        IssueState::Approved => {
            db::issues::advance(tx, id, IssueState::Approved, IssueState::Frozen, None, now).await?;
        }
        state => {
            return Err(Error::Invalid(format!(
                "issue {id} is {}: it can no longer be held{}",
                state.as_str(),
                if state == IssueState::Sending { ", but paused: `daybreak issue pause`" } else { "" }
            )));
        }
    }
    db::issues::set_held(tx, id, true, Some("an editor holds it")).await?;
    db::starts::take(tx, id).await?;
    Ok(())
}

/// Sends an issue by hand: approves it, and with `at_once` lets it go now instead of at its slot.
///
/// A draft for a later day that is sent now becomes an issue of today, and the later day gets its own.
pub async fn send(app: &App, id: i64, at_once: bool) -> Result<Issue, Error> {
    let mut tx = app.db.begin().await?;
    note(app, &mut tx, if at_once { "issue.send" } else { "issue.approve" }, id).await?;
    let issue = send_in(&mut tx, id, at_once, app.clock.now()).await?;
    db::commit(tx).await?;
    Ok(issue)
}

/// [`send`] as a part of a transaction.
pub(super) async fn send_in(tx: &mut Conn, id: i64, at_once: bool, now: Timestamp) -> Result<Issue, Error> {
    let mut issue = find_issue_alone(tx, id).await?;
    if issue.state == IssueState::Draft {
        if at_once && issue.slot_at > now {
            let zone = match schedule_of(tx, &issue).await? {
                Some(schedule) => schedule.slots.zone,
                None => newsletter_of(tx, &issue).await?.zone,
            };
            let today = now.in_zone(zone).date_naive();
            if issue.slot_date != today {
                db::issues::move_draft(tx, id, now, today, now).await?;
                issue = lock_issue(tx, id).await?;
            }
        }
        issue = freeze(tx, &issue, Filling::Anew, now).await?;
    }
    if issue.state == IssueState::Frozen {
        advance(tx, &issue, IssueEvent::Approve, None, now).await?;
        issue.state = IssueState::Approved;
    }
    if issue.state == IssueState::Sending {
        // Started already, and perhaps interrupted: whoever sends goes on where it stands.
        return Ok(issue);
    }
    if issue.state != IssueState::Approved {
        return Err(Error::Invalid(format!(
            "issue {id} is {}: it cannot be sent again",
            issue.state.as_str()
        )));
    }
    if issue.held {
        db::issues::set_held(tx, id, false, None).await?;
    }
    if at_once {
        db::issues::set_at_once(tx, id).await?;
        bring_to(tx, &issue, now).await?;
    }
    db::starts::take(tx, id).await?;
    find_issue(tx, id).await
}

/// The issue that is filling for a newsletter: of the named schedule, or its first; made anew for a newsletter without
/// a schedule, whose issues go to every subscriber.
pub async fn filling(app: &App, slug: &str, schedule: Option<&str>) -> Result<Issue, Error> {
    filling_by(app, None, slug, schedule).await
}

/// [`filling`]; what is made anew is written down as done `by` them.
pub async fn filling_by(
    app: &App,
    by: Option<&Actor>,
    slug: &str,
    schedule: Option<&str>,
) -> Result<Issue, Error> {
    compose::compose(app).await?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    db::newsletters::lock(&mut tx, newsletter.id).await?;
    let schedules = db::newsletters::schedules_of(&mut tx, newsletter.id).await?;
    let schedule_id = match schedule {
        Some(name) => Some(
            schedules
                .iter()
                .find(|schedule| schedule.name == name)
                .ok_or_else(|| Error::NotFound(format!("“{slug}” has no schedule “{name}”")))?
                .id,
        ),
        None => {
            let active = schedules.iter().find(|schedule| !schedule.paused);
            active.or(schedules.first()).map(|schedule| schedule.id)
        }
    };
    if let Some(draft) = db::issues::draft_of(&mut tx, newsletter.id, schedule_id).await? {
        return Ok(draft);
    }
    if let Some(id) = schedule_id {
        let name =
            schedules.iter().find(|schedule| schedule.id == id).map_or("", |schedule| schedule.name.as_str());
        return Err(Error::NotFound(format!(
            "the schedule “{name}” of “{slug}” has no issue that is filling: if it is paused, `daybreak schedule resume \
             {slug} {name}`"
        )));
    }
    let draft = db::issues::NewDraft {
        newsletter_id: newsletter.id,
        schedule_id: None,
        slot_at: now,
        slot_date: now.in_zone(newsletter.zone).date_naive(),
        cutoff_at: now,
    };
    let id = db::issues::insert_draft(&mut tx, &draft, now)
        .await?
        .ok_or_else(|| Error::Invalid("another issue was made at this moment: try again".to_owned()))?;
    let draft = find_issue(&mut tx, id).await?;
    compose::fill(&mut tx, &newsletter, &draft, None).await?;
    if let Some(by) = by {
        let what = format!("an issue of {}", newsletter.name);
        by.note_of(app, &mut tx, "issue.start", &what, Some(newsletter.id)).await?;
    }
    db::commit(tx).await?;
    Ok(draft)
}

/// Stops a send; who has it, has it.
pub async fn pause(app: &App, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    note(app, &mut tx, "issue.pause", id).await?;
    pause_in(&mut tx, id, app.clock.now()).await?;
    Ok(db::commit(tx).await?)
}

/// [`pause`] as a part of a transaction.
pub(super) async fn pause_in(tx: &mut Conn, id: i64, now: Timestamp) -> Result<(), Error> {
    step(tx, id, IssueEvent::Pause, "an editor paused it", now).await
}

/// Goes on with a send where it stood; whom the relay refused for a reason of ours is tried again.
pub async fn resume(app: &App, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    note(app, &mut tx, "issue.resume", id).await?;
    resume_in(&mut tx, id, app.clock.now()).await?;
    Ok(db::commit(tx).await?)
}

/// [`resume`] as a part of a transaction.
pub(super) async fn resume_in(tx: &mut Conn, id: i64, now: Timestamp) -> Result<(), Error> {
    let issue = lock_issue(tx, id).await?;
    advance(tx, &issue, IssueEvent::Resume, None, now).await?;
    db::deliveries::reopen_refused(tx, id, now).await?;
    Ok(db::deliveries::renew_due(tx, id, now).await?)
}

/// Ends an issue for good; who has not got it does not get it.
pub async fn cancel(app: &App, id: i64) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    note(app, &mut tx, "issue.cancel", id).await?;
    cancel_in(&mut tx, id, app.clock.now()).await?;
    Ok(db::commit(tx).await?)
}

/// [`cancel`] as a part of a transaction.
pub(super) async fn cancel_in(tx: &mut Conn, id: i64, now: Timestamp) -> Result<(), Error> {
    step(tx, id, IssueEvent::Cancel, "an editor cancelled it", now).await?;
    db::starts::take(tx, id).await?;
    Ok(())
}

async fn step(tx: &mut Conn, id: i64, event: IssueEvent, reason: &str, now: Timestamp) -> Result<(), Error> {
    let issue = lock_issue(tx, id).await?;
    advance(tx, &issue, event, Some(reason), now).await?;
    Ok(())
}
