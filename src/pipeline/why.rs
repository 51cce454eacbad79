//! How far an issue is, and why somebody did or did not get it.

use crate::db;
use crate::db::outcomes::{Count, Said, Story};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, SkipReason};
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::Schedule;
use crate::domain::subscription::{Subscription, SubscriptionStatus};

use super::editors::find_issue;
use super::{App, Error};

/// How far an issue is.
#[derive(Clone, Debug)]
pub struct Status {
    pub issue: Issue,
    pub counts: Vec<Count>,
    /// What was said most often of those who did not get it, or not yet.
    pub said: Vec<Said>,
}

impl Status {
    pub fn count(&self, state: DeliveryState) -> i64 {
        let counts = self.counts.iter().filter(|count| count.state == state.as_str());
        counts.map(|count| count.count).sum()
    }
}

pub async fn status(app: &App, id: i64) -> Result<Status, Error> {
    let mut conn = app.db.conn().await?;
    let issue = find_issue(&mut conn, id).await?;
    let counts = db::keeping::counts(&mut conn, id).await?;
    let said = db::outcomes::said(&mut conn, id, 20).await?;
    Ok(Status { issue, counts, said })
}

/// The answer to "why did I (not) get it?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The delivery's, as it stands in the ledger; none where the issue has no delivery for the address.
    pub state: Option<DeliveryState>,
    /// A word for programs: why it was skipped or has failed, what it waits for, or why there is no delivery.
    pub reason: Option<String>,
    /// What was noted last: mostly what the relay said.
    pub detail: Option<String>,
    /// Attempts so far.
    pub attempts: i64,
    /// When the delivery came into its state.
    pub since: Option<Timestamp>,
    /// When it is due, or tried again; none where it is not, as things stand.
    pub next_at: Option<Timestamp>,
    /// All of it for people.
    pub sentence: String,
}

impl Answer {
    /// The answer where there is no delivery.
    fn without_delivery(reason: &str, sentence: String) -> Self {
        let (state, detail, since, next_at) = (None, None, None, None);
        Self { state, reason: Some(reason.to_owned()), detail, attempts: 0, since, next_at, sentence }
    }
}

/// Why an issue was or was not sent to somebody, or when it will be.
pub async fn why(app: &App, id: i64, email: &EmailAddress) -> Result<Answer, Error> {
    let mut conn = app.db.conn().await?;
    let issue = find_issue(&mut conn, id).await?;
    let newsletter = db::newsletters::get(&mut conn, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {id} has no newsletter")))?;
    let Some(subscriber) = db::subscribers::find(&mut conn, email).await? else {
        let sentence = format!("{email} is not a subscriber (or was erased): no mail goes there.");
        return Ok(Answer::without_delivery("not_a_subscriber", sentence));
    };
    if let Some(delivery) = db::outcomes::find(&mut conn, id, subscriber.id).await? {
        return Ok(of_delivery(delivery, &issue, email, app.clock.now()));
    }
    if db::keeping::is_shrunk(&mut conn, id).await? {
        let sentence = format!(
            "Issue {id} was for {}: what became of each of its mails was removed with age (DAYBREAK_KEEP_DELIVERIES), and \
             only counts are kept (`daybreak issue status {id}`).",
            issue.slot_at
        );
        return Ok(Answer::without_delivery("removed_with_age", sentence));
    }
    if db::suppressions::is_suppressed(&mut conn, &app.key, email).await? {
        let sentence = format!("{email} is on the suppression list: no mail goes there.");
        return Ok(Answer::without_delivery(SkipReason::Suppressed.as_str(), sentence));
    }
    let Some(subscription) = db::subscriptions::find(&mut conn, newsletter.id, subscriber.id).await? else {
        let sentence = format!("{email} does not subscribe to “{}”.", newsletter.name);
        return Ok(Answer::without_delivery("not_subscribed", sentence));
    };
    let schedules = db::newsletters::schedules_of(&mut conn, newsletter.id).await?;
    Ok(of_subscription(&subscription, &schedules, &issue, email, app.clock.now()))
}

/// Why a subscriber of the newsletter gets nothing of an issue whatever it holds: did not, or would not as things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bar {
    Skipped(SkipReason),
    /// They follow one schedule, and the issue is for another.
    OtherSchedule {
        follows: String,
        issue_is_for: String,
    },
    /// They subscribed after it was addressed.
    TooLate,
    /// The mail was refused, or could not be delivered.
    Failed,
    /// Nobody gets it any more.
    Ended(IssueState),
}

/// Why somebody gets nothing of an issue; none where they have it, or get it as far as it is known.
pub async fn bar(app: &App, id: i64, email: &EmailAddress) -> Result<Option<Bar>, Error> {
    let mut conn = app.db.conn().await?;
    let issue = find_issue(&mut conn, id).await?;
    let Some(subscriber) = db::subscribers::find(&mut conn, email).await? else { return Ok(None) };
    if let Some(delivery) = db::outcomes::find(&mut conn, id, subscriber.id).await? {
        let reason = delivery.reason.as_deref().and_then(SkipReason::parse);
        return Ok(match delivery.state {
            DeliveryState::Skipped => reason.map(Bar::Skipped),
            DeliveryState::Failed => Some(Bar::Failed),
            DeliveryState::Queued | DeliveryState::Deferred if issue.state == IssueState::Cancelled => {
                Some(Bar::Skipped(SkipReason::Cancelled))
            }
            _ => None,
        });
    }
    if db::keeping::is_shrunk(&mut conn, id).await? {
        return Ok(None);
    }
    let Some(subscription) = db::subscriptions::find(&mut conn, issue.newsletter_id, subscriber.id).await?
    else {
        return Ok(None);
    };
    let schedules = db::newsletters::schedules_of(&mut conn, issue.newsletter_id).await?;
    if let Some((follows, issue_is_for)) = other_schedule(&subscription, &schedules, &issue) {
        return Ok(Some(Bar::OtherSchedule { follows, issue_is_for }));
    }
    if matches!(issue.state, IssueState::Cancelled | IssueState::Skipped) {
        return Ok(Some(Bar::Ended(issue.state)));
    }
    // A pause that ends before the issue goes out is over by then.
    let goes_at = issue.slot_at.max(app.clock.now());
    let skipped = match subscription.status {
        SubscriptionStatus::Pending => Some(SkipReason::Unconfirmed),
        SubscriptionStatus::Unsubscribed => Some(SkipReason::Unsubscribed),
        _ if db::suppressions::is_suppressed(&mut conn, &app.key, email).await? => {
            Some(SkipReason::Suppressed)
        }
        _ if subscription.paused_until.is_some_and(|until| until > goes_at) => Some(SkipReason::Paused),
        SubscriptionStatus::Active => None,
    };
    let is_addressed = matches!(issue.state, IssueState::Sending | IssueState::Sent | IssueState::Paused);
    Ok(skipped.map(Bar::Skipped).or(is_addressed.then_some(Bar::TooLate)))
}

/// The schedule that somebody follows and the one that an issue is for, where these are two.
fn other_schedule(
    subscription: &Subscription,
    schedules: &[Schedule],
    issue: &Issue,
) -> Option<(String, String)> {
    let own = subscription.schedule_id.or(schedules.first().map(|schedule| schedule.id));
    let name = |id: Option<i64>| {
        let schedule = schedules.iter().find(|schedule| Some(schedule.id) == id);
        schedule.map_or("none", |schedule| schedule.name.as_str()).to_owned()
    };
    (issue.schedule_id.is_some() && own != issue.schedule_id).then(|| (name(own), name(issue.schedule_id)))
}

/// The answer for a subscriber of the newsletter for whom there is no delivery.
fn of_subscription(
    subscription: &Subscription,
    schedules: &[Schedule],
    issue: &Issue,
    email: &EmailAddress,
    now: Timestamp,
) -> Answer {
    let (id, state) = (issue.id, issue.state.as_str());
    match issue.state {
        IssueState::Draft | IssueState::Frozen | IssueState::Approved => {
            let hint = match issue.state == IssueState::Approved && issue.slot_at < now {
                true => {
                    " Its time has come: `daybreak serve`, or `serve --role schedule` on some node, sends it."
                }
                false => "",
            };
            let sentence =
                format!("Issue {id} has not gone out yet: it is {state} for {}.{hint}", issue.slot_at);
            let detail = issue.reason.clone();
            let answer = Answer::without_delivery(&format!("issue_{state}"), sentence);
            Answer { detail, next_at: (!issue.held).then_some(issue.slot_at), ..answer }
        }
        IssueState::Skipped | IssueState::Cancelled => {
            let reason = issue.reason.as_deref().unwrap_or("no reason was noted");
            let sentence = format!("Nobody got issue {id}: it was {state} ({reason}).");
            let detail = issue.reason.clone();
            Answer { detail, ..Answer::without_delivery(&format!("issue_{state}"), sentence) }
        }
        IssueState::Sending | IssueState::Sent | IssueState::Paused => {
            if let Some((follows, went)) = other_schedule(subscription, schedules, issue) {
                let sentence =
                    format!("{email} follows the schedule “{follows}”, and issue {id} went to “{went}”.");
                Answer::without_delivery("other_schedule", sentence)
            } else if subscription.status == SubscriptionStatus::Active {
                let sentence =
                    format!("{email} subscribed after issue {id} was addressed: the next one is theirs.");
                Answer::without_delivery("subscribed_later", sentence)
            } else {
                let sentence = format!("{email} was not an active subscriber when issue {id} was addressed.");
                Answer::without_delivery("not_active", sentence)
            }
        }
    }
}

fn of_delivery(delivery: Story, issue: &Issue, email: &EmailAddress, now: Timestamp) -> Answer {
    let sentence = tell(&delivery, issue, email, now);
    let is_waiting = matches!(delivery.state, DeliveryState::Queued | DeliveryState::Deferred);
    let waits_for = match issue.state {
        _ if !is_waiting => None,
        IssueState::Cancelled => Some(SkipReason::Cancelled.as_str()),
        IssueState::Paused => Some("issue_paused"),
        _ if delivery.state == DeliveryState::Queued && delivery.not_before > now => Some("own_hour"),
        _ => None,
    };
    let goes_on = !matches!(issue.state, IssueState::Cancelled | IssueState::Paused);
    let noted = issue.reason.clone().filter(|_| is_waiting);
    Answer {
        state: Some(delivery.state),
        reason: waits_for.map(str::to_owned).or(delivery.reason),
        detail: delivery.detail.or(noted),
        attempts: delivery.attempts,
        since: Some(delivery.updated_at),
        next_at: (is_waiting && goes_on).then_some(delivery.not_before),
        sentence,
    }
}

fn tell(delivery: &Story, issue: &Issue, email: &EmailAddress, now: Timestamp) -> String {
    let detail = delivery.detail.as_deref().map(|said| format!(" Noted: {said}")).unwrap_or_default();
    let attempts = delivery.attempts;
    let tries = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
    let id = issue.id;
    match delivery.state {
        DeliveryState::Sent => {
            format!(
                "Sent: the relay took issue {id} for {email} at {}, attempt {attempts}.{detail}",
                delivery.updated_at
            )
        }
        DeliveryState::Skipped => {
            let reason = delivery.reason.as_deref().unwrap_or_default();
            let sentence = SkipReason::parse(reason).map_or(reason, |skip| skip.sentence());
            format!("Not sent: {sentence} (decided at {}).", delivery.updated_at)
        }
        DeliveryState::Failed => {
            let reason = delivery.reason.as_deref().unwrap_or_default();
            format!("Failed after {tries}, {reason}, at {}.{detail}", delivery.updated_at)
        }
        DeliveryState::Queued | DeliveryState::Deferred if issue.state == IssueState::Cancelled => {
            format!("Not sent: {}.{detail}", SkipReason::Cancelled.sentence())
        }
        DeliveryState::Queued | DeliveryState::Deferred if issue.state == IssueState::Paused => {
            format!(
                "It waits: issue {id} is paused ({}).{detail}",
                issue.reason.as_deref().unwrap_or("no reason was noted")
            )
        }
        DeliveryState::Deferred => {
            format!("Not yet: {tries} so far, and the next at {}.{detail}", delivery.not_before)
        }
        DeliveryState::Claimed => "It is on the wire at this moment.".to_owned(),
        DeliveryState::Queued if delivery.not_before > now => {
            format!("It waits for the reader's own hour: {}.", delivery.not_before)
        }
        DeliveryState::Queued => match &issue.reason {
            Some(reason) => format!("It waits to be sent: {reason}."),
            None => "It waits to be sent.".to_owned(),
        },
    }
}
