//! Subscribe and leave: a form asks, a mail lets the owner of the address confirm, a link in every mail leaves.
//!
//! Every change and the mail that tells about it are one transaction. Who typed an address into a form learns nothing
//! about it: the answer is the same whether it is known, active, suppressed or new.

mod confirm;
mod leave;
mod moving;
mod next;
mod preferences;
mod refuse;
mod sign_up;

pub use confirm::{Asked, Confirmation, confirm, peek};
pub use leave::{LeaveLink, LeaveReason, UNDO_MILLIS, come_back, leave, mail_link, whose};
pub use moving::{AddressChange, ask_to_move, move_to, peek_move};
pub use next::NextIssue;
pub use preferences::{
    About, Choices, Following, MAX_PAUSE_DAYS, Managed, Person, about, choose, leave_some, pause, person,
    take_back_some, whose_preferences,
};
pub use refuse::{check_list, why_not};
pub use sign_up::{CONFIRM_DAYS, MAX_NEWSLETTERS, Own, SignUp, Taken, clean_name, sign_up};

use super::Error;
use crate::db::{Conn, notices, suppressions};
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Schedule;
use crate::domain::notice::Notice;
use crate::domain::subscription::{Subscriber, Subscription};
use crate::pipeline::App;

/// The schedule that a subscription follows: its own choice, or the newsletter's first.
pub fn followed<'s>(schedules: &'s [Schedule], subscription: &Subscription) -> Option<&'s Schedule> {
    let chosen = schedules.iter().find(|schedule| Some(schedule.id) == subscription.schedule_id);
    chosen.or(schedules.first())
}

/// Queues `notice` for a subscriber, once per `event`; an address that must not be mailed gets nothing.
async fn queue(
    tx: &mut Conn,
    app: &App,
    event: &str,
    newsletter_id: i64,
    to: &Subscriber,
    notice: &Notice,
) -> Result<(), Error> {
    if suppressions::is_suppressed(tx, &app.key, &to.email).await? {
        return Ok(());
    }
    queue_at(tx, app, event, newsletter_id, to, notice, app.clock.now()).await?;
    Ok(())
}

/// Queues `notice` to be sent at that time, unless one was queued for the same `event`. Returns whether it was queued.
async fn queue_at(
    tx: &mut Conn,
    app: &App,
    event: &str,
    newsletter_id: i64,
    to: &Subscriber,
    notice: &Notice,
    due_at: Timestamp,
) -> Result<bool, Error> {
    let content = notice.to_json();
    // A name that somebody typed beside another's address must not reach that other: only owners are addressed by it.
    let name = if matches!(notice, Notice::Confirm(_)) { "" } else { to.name.as_str() };
    let new = notices::NewNotice { event, newsletter_id, email: &to.email, name, content: &content, due_at };
    Ok(notices::queue(tx, &new, app.clock.now()).await?)
}
