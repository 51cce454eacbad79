//! What editors do at the desk with an issue that goes out, each written down; and sending now, with time to take it
//! back.
//!
//! Who sends now is not obeyed at once. The issue stays as it is for half a minute, and a row says when it starts; until
//! then whoever takes it back deletes that row, and nothing has happened. The row outlives the process: whichever node
//! keeps the time starts the issue, once.

use crate::db::{self, Conn};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::Newsletter;
use crate::domain::user::User;

use super::editors::Filling;
use super::seen::{Extent, Seen};
use super::{App, Error, accounts, audience, compose, editors};

/// How long sending now can be taken back, in milliseconds.
pub const UNDO_MILLIS: i64 = 30_000;

const MINUTE: i64 = 60 * 1000;

/// Who acts, and from where.
#[derive(Clone, Copy, Debug)]
pub struct By<'b> {
    pub user: &'b User,
    pub network: &'b str,
}

/// What an editor does with an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Approve,
    Hold,
    /// Nothing goes out before somebody approves it anew, and until then it can be changed.
    Revise,
    /// It starts in half a minute, whatever its slot.
    SendNow,
    /// It does not, after all.
    TakeBack,
    /// It goes out at another time.
    Move(Timestamp),
    Pause,
    Resume,
    Cancel,
}

impl Action {
    /// As the audit log has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "issue.approve",
            Self::Hold => "issue.hold",
            Self::Revise => "issue.revise",
            Self::SendNow => "issue.send",
            Self::TakeBack => "issue.take_back",
            Self::Move(_) => "issue.move",
            Self::Pause => "issue.pause",
            Self::Resume => "issue.resume",
            Self::Cancel => "issue.cancel",
        }
    }

    /// What must still be as the editor saw it. What keeps an issue back is done whatever it holds.
    fn depends_on(self) -> Extent {
        match self {
            Self::Approve | Self::SendNow => Extent::Content,
            Self::Move(_) => Extent::Slot,
            Self::Hold | Self::Revise | Self::TakeBack | Self::Pause | Self::Resume | Self::Cancel => {
                Extent::State
            }
        }
    }
}

/// What an issue is called in the audit log.
pub fn name_of(newsletter: &Newsletter, issue: &Issue) -> String {
    format!("{}, issue {} of {}", newsletter.name, issue.id, issue.slot_date)
}

/// Does it, and writes it down; returns the issue as it is then.
///
/// # Errors
/// `Invalid` where the issue is no longer as the editor `saw` it ([`Seen`]), with what has changed meanwhile.
pub async fn act(app: &App, by: By<'_>, id: i64, saw: &str, action: Action) -> Result<Issue, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    editors::find_issue_alone(&mut tx, id).await?;
    let issue = editors::lock_issue(&mut tx, id).await?;
    let newsletter = editors::newsletter_of(&mut tx, &issue).await?;
    let starts_at = db::starts::of(&mut tx, id).await?;
    still_so(&mut tx, &newsletter, &issue, starts_at, saw, action).await?;
    match action {
        Action::Approve => drop(editors::approve_in(&mut tx, id, Filling::AsSeen, now).await?),
        Action::Hold => editors::hold_in(&mut tx, id, now).await?,
        Action::Revise => revise(&mut tx, &issue, starts_at, now).await?,
        Action::SendNow => send_now(&mut tx, &issue, now).await?,
        Action::TakeBack => take_back(&mut tx, &issue, now).await?,
        Action::Move(slot) => move_slot(&mut tx, &issue, slot, now).await?,
        Action::Pause => editors::pause_in(&mut tx, id, now).await?,
        Action::Resume => editors::resume_in(&mut tx, id, now).await?,
        Action::Cancel => editors::cancel_in(&mut tx, id, now).await?,
    }
    let mut what = name_of(&newsletter, &issue);
    if let Action::Move(slot) = action {
        what = format!("{what}, from {} to {slot}", issue.slot_at);
    }
    accounts::note(app, &mut tx, by.user, by.network, action.name(), &what, Some(newsletter.id)).await?;
    let issue = editors::find_issue(&mut tx, id).await?;
    db::commit(tx).await?;
    Ok(issue)
}

/// That the issue is what the editor `saw`, as far as the action depends on it.
async fn still_so(
    tx: &mut Conn,
    newsletter: &Newsletter,
    issue: &Issue,
    starts_at: Option<Timestamp>,
    saw: &str,
    action: Action,
) -> Result<(), Error> {
    let saw = Seen::parse(saw).ok_or_else(|| {
        Error::Invalid("The form does not say what was seen: look at the issue as it is now.".to_owned())
    })?;
    let is = Seen::now(tx, newsletter, issue, starts_at).await?;
    let changes = saw.changes(tx, issue, &is, action.depends_on()).await?;
    if changes.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "The issue has changed since this page was shown: {}. Nothing was done; look at it as it is now.",
        changes.join("; ")
    )))
}

/// Takes an approval back: the issue is held, and its content can be changed until somebody approves it again. A slot that
/// comes meanwhile starts nothing; once the newsletter's grace after it is over, the issue is skipped.
async fn revise(
    tx: &mut Conn,
    issue: &Issue,
    starts_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    let why = match issue.state {
        IssueState::Frozen | IssueState::Approved if starts_at.is_some() => {
            "it is about to go out: take that back first"
        }
        IssueState::Frozen | IssueState::Approved => {
            let reason = match issue.state {
                IssueState::Approved => "its approval was taken back to edit it",
                _ => "it was held back to edit it",
            };
            editors::hold_in(tx, issue.id, now).await?;
            return Ok(db::issues::set_held(tx, issue.id, true, Some(reason)).await?);
        }
        IssueState::Draft => "it is filling, and can be edited as it is",
        IssueState::Sending => "it is going out: pause it, if it must not go on",
        IssueState::Paused => "some readers have it already: it can only go on as it is, or be cancelled",
        IssueState::Sent | IssueState::Cancelled | IssueState::Skipped => "it has come to its end",
    };
    Err(Error::Invalid(format!("The issue cannot be taken back to edit it: {why}.")))
}

async fn send_now(tx: &mut Conn, issue: &Issue, now: Timestamp) -> Result<(), Error> {
    if !matches!(issue.state, IssueState::Draft | IssueState::Frozen | IssueState::Approved) {
        return Err(Error::Invalid(format!("The issue is {}: it cannot be sent.", issue.state.as_str())));
    }
    let is_empty = issue.state == IssueState::Draft && db::articles::of_issue(tx, issue.id).await?.is_empty();
    if is_empty {
        return Err(Error::Invalid("There is no article in this issue: put one in first.".to_owned()));
    }
    db::starts::put(tx, issue.id, now.plus_millis(UNDO_MILLIS)).await?;
    Ok(())
}

/// An issue whose slot has come meanwhile would go out all the same: it is held.
async fn take_back(tx: &mut Conn, issue: &Issue, now: Timestamp) -> Result<(), Error> {
    if !db::starts::take(tx, issue.id).await? {
        return Err(Error::Invalid("It is too late to take that back: the issue has started.".to_owned()));
    }
    // A draft that no schedule freezes stays where it is all the same.
    let goes_by_itself = match issue.state {
        IssueState::Draft => editors::schedule_of(tx, issue).await?.is_some_and(|schedule| !schedule.paused),
        _ => true,
    };
    if issue.slot_at <= now && goes_by_itself && !issue.held {
        editors::hold_in(tx, issue.id, now).await?;
    }
    Ok(())
}

/// The time after which the schedule's next issue comes; none without a schedule.
pub async fn move_before(conn: &mut Conn, issue: &Issue) -> Result<Option<Timestamp>, Error> {
    let schedule = editors::schedule_of(conn, issue).await?;
    let next = schedule.and_then(|schedule| schedule.slots.next(issue.slot_at, Some(issue.slot_date)));
    Ok(next.map(|slot| slot.at))
}

async fn move_slot(tx: &mut Conn, issue: &Issue, slot: Timestamp, now: Timestamp) -> Result<(), Error> {
    if slot <= now {
        return Err(Error::Invalid("That time has passed: choose a later one, or send it now.".to_owned()));
    }
    let before = move_before(tx, issue).await?.unwrap_or(issue.slot_at.plus_millis(30 * 24 * 60 * MINUTE));
    if slot >= before {
        return Err(Error::Invalid(
            "At that time the schedule's next issue goes out: choose an earlier one.".to_owned(),
        ));
    }
    if issue.state == IssueState::Draft {
        return move_draft(tx, issue, slot).await;
    }
    match db::issues::move_slot(tx, issue.id, slot).await? {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "The issue is {}: its time can be changed once its content is frozen, and before it goes out.",
            issue.state.as_str()
        ))),
    }
}

/// Gives an issue that is still filling another time; its cutoff goes with it. It stays the issue of its schedule's day,
/// and goes back to the schedule's time where that is given.
async fn move_draft(tx: &mut Conn, issue: &Issue, slot: Timestamp) -> Result<(), Error> {
    let schedule = editors::schedule_of(tx, issue).await?.ok_or_else(|| {
        Error::Invalid("The issue has no schedule, so it has no time: send it when it is ready.".to_owned())
    })?;
    let last = db::issues::last_slot(tx, schedule.id).await?;
    if last.is_some_and(|(last, _)| slot <= last) {
        return Err(Error::Invalid(
            "At that time the issue before it has not gone out: choose a later one.".to_owned(),
        ));
    }
    let newsletter = editors::newsletter_of(tx, issue).await?;
    let own = issue.moved_from.unwrap_or(issue.slot_at);
    let moved_from = Some(own).filter(|own| *own != slot);
    let cutoff_at = compose::cutoff_of(&newsletter, slot);
    match db::issues::set_draft_time(tx, issue.id, slot, cutoff_at, moved_from).await? {
        true => Ok(()),
        false => Err(Error::Invalid("The issue froze at this moment: look at it as it is now.".to_owned())),
    }
}

/// Starts the issues that editors sent now and did not take back; those of a service that was away for longer than the
/// newsletter's grace are held instead.
pub async fn start_due(app: &App) -> Result<Vec<i64>, Error> {
    let now = app.clock.now();
    let due = db::within(async { db::starts::due(&mut *app.db.conn().await?, now).await }).await?;
    let mut started = vec![];
    for (id, starts_at) in due {
        match start_one(app, id, starts_at).await {
            Ok(true) => started.push(id),
            Ok(false) => {}
            Err(Error::Invalid(why)) => {
                tracing::error!(issue = id, why, "an issue that an editor sent could not start");
                give_up(app, id, &why).await?;
            }
            // The database failed: it is tried again at the next beat.
            Err(error) => tracing::error!(issue = id, %error, "an issue could not be started"),
        }
    }
    Ok(started)
}

async fn start_one(app: &App, id: i64, starts_at: Timestamp) -> Result<bool, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let issue = editors::find_issue_alone(&mut tx, id).await?;
    if db::starts::of(&mut tx, id).await? != Some(starts_at) {
        // Another node was first, or somebody took it back at this moment.
        return Ok(false);
    }
    let newsletter = editors::newsletter_of(&mut tx, &issue).await?;
    if now > starts_at.plus_millis(newsletter.rules.grace() * MINUTE) {
        return Err(Error::Invalid(
            "an editor sent it, and the service was not running then: send it again, if it is still news"
                .to_owned(),
        ));
    }
    editors::send_in(&mut tx, id, true, now).await?;
    db::starts::take(&mut tx, id).await?;
    db::commit(tx).await?;
    Ok(true)
}

/// Lets an issue that cannot start wait for an editor, with the reason.
async fn give_up(app: &App, id: i64, why: &str) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let issue = editors::find_issue_alone(&mut tx, id).await?;
    db::starts::take(&mut tx, id).await?;
    if matches!(issue.state, IssueState::Draft | IssueState::Frozen | IssueState::Approved) {
        editors::hold_in(&mut tx, id, now).await?;
        db::issues::set_held(&mut tx, id, true, Some(why)).await?;
    }
    Ok(db::commit(tx).await?)
}

/// What sending an issue means, in figures.
#[derive(Clone, Debug)]
pub struct Reach {
    pub groups: Vec<db::addressing::Group>,
    pub articles: usize,
}

/// Whom an issue would go to, as things stand, and with how many articles.
pub async fn reach(app: &App, newsletter: &Newsletter, issue: &Issue) -> Result<Reach, Error> {
    let _turn = audience::turn().await;
    let mut conn = app.db.conn().await?;
    let content = match issue.state {
        IssueState::Draft => {
            let articles = db::articles::of_issue(&mut conn, issue.id).await?;
            compose::content(&mut conn, newsletter, issue, articles).await?
        }
        _ => db::issues::content(&mut conn, issue.id).await?.unwrap_or_default(),
    };
    let groups = super::address::audience(&mut conn, newsletter, issue, &content, app.clock.now()).await?;
    Ok(Reach { groups, articles: content.articles.len() })
}
