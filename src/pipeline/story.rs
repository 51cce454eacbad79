//! A person's whole story: what they follow and how, whether they may be mailed, and what they were sent or why not.

use serde::Serialize;

use crate::db;
use crate::db::people::Sent;
use crate::db::subscriptions::Stored;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::DeliveryState;
use crate::domain::measuring::PICTURE;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::topic::Topic;
use crate::pipeline::App;
use crate::pipeline::Error;
use crate::pipeline::subscribe::followed;

/// How many deliveries a story tells.
const DELIVERIES: i64 = 20;

/// How many deliveries, and how many single mails, the file for a person tells at most: a daily newsletter's of many
/// years.
const ALL: i64 = 10_000;

/// Everything on record about an address. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    pub email: String,
    /// Somebody has this address; if not, it is only on the suppression list.
    pub is_subscriber: bool,
    pub name: String,
    pub language: Option<String>,
    pub timezone: Option<String>,
    pub suppression: Option<SuppressionStory>,
    pub subscriptions: Vec<SubscriptionStory>,
    /// The last ones, the newest first.
    pub deliveries: Vec<DeliveryStory>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuppressionStory {
    pub reason: &'static str,
    pub sentence: &'static str,
    pub detail: String,
    pub since: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionStory {
    /// The newsletter's slug.
    pub newsletter: String,
    pub status: &'static str,
    /// The schedule that the reader follows, by name.
    pub schedule: Option<String>,
    /// Slugs of the chosen topics; empty: every topic.
    pub topics: Vec<String>,
    /// The reader's own hour, in their zone.
    pub hour: Option<String>,
    pub paused_until: Option<String>,
    /// None: none is on record.
    pub consent: Option<ConsentStory>,
    /// Where the subscription came from, where that was no consent of the person's own.
    pub origin: Option<String>,
    pub confirmed_at: Option<String>,
    pub left_at: Option<String>,
    pub left_reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConsentStory {
    pub at: String,
    pub from: String,
    pub words: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryStory {
    pub newsletter: String,
    pub issue_id: i64,
    /// The slot of the issue.
    pub slot_at: String,
    pub state: &'static str,
    /// What became of it, as a sentence.
    pub sentence: String,
    pub at: String,
}

/// Everything on record about a person, for themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnStory {
    /// When this was written.
    pub at: String,
    /// When the address came here first, and when something about the person changed last.
    pub known_since: String,
    pub changed_at: String,
    #[serde(flatten)]
    pub story: Story,
    /// What the admins call the person.
    pub tags: Vec<String>,
    /// Mails to the address that were not digests, the newest first.
    pub other_mails: Vec<MailStory>,
    /// They asked not to be measured.
    pub not_measured: bool,
    /// What they followed and opened, where a newsletter measures it, the latest first.
    pub visits: Vec<VisitStory>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VisitStory {
    pub issue_id: i64,
    /// `followed a link` or `opened the mail`.
    pub what: &'static str,
    pub url: Option<String>,
    pub at: String,
    /// A program seems to have done it, such as a filter of mail.
    pub by_program: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailStory {
    /// For instance `welcome`.
    pub kind: String,
    pub at: String,
    pub state: &'static str,
    /// What the relay said.
    pub detail: Option<String>,
}

/// Tells a person everything that is held about them; none once they are erased.
pub async fn own(app: &App, subscriber_id: i64) -> Result<Option<OwnStory>, Error> {
    let mut conn = app.db.conn().await?;
    let Some(subscriber) = db::subscribers::get(&mut conn, subscriber_id).await? else { return Ok(None) };
    let times = db::subscribers::written_at(&mut conn, subscriber_id).await?;
    let other_mails = db::notices::to(&mut conn, &subscriber.email, ALL).await?;
    let tags = db::tags::of_subscriber(&mut conn, subscriber_id).await?;
    let not_measured = db::measuring::is_unmeasured(&mut conn, subscriber_id).await?;
    let visits = db::measuring::followed(&mut conn, subscriber_id, ALL).await?;
    drop(conn);
    let kind = |content: &str| {
        let content: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
        content["kind"].as_str().unwrap_or_default().to_owned()
    };
    let told = |mail: db::notices::Told| MailStory {
        kind: kind(&mail.content),
        at: mail.created_at.to_string(),
        state: mail.state.as_str(),
        detail: mail.detail,
    };
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    Ok(Some(OwnStory {
        at: app.clock.now().to_string(),
        known_since: text(times.map(|(since, _)| since)),
        changed_at: text(times.map(|(_, changed)| changed)),
        story: tell(app, &subscriber.email, ALL).await?,
        tags: tags.into_iter().map(|tag| tag.name).collect(),
        other_mails: other_mails.into_iter().map(told).collect(),
        not_measured,
        visits: visits.into_iter().map(visit_story).collect(),
    }))
}

fn visit_story(followed: db::measuring::Followed) -> VisitStory {
    let is_picture = followed.visit.link == PICTURE;
    VisitStory {
        issue_id: followed.issue_id,
        what: if is_picture { "opened the mail" } else { "followed a link" },
        url: followed.url,
        at: followed.visit.at.to_string(),
        by_program: followed.visit.by_program,
    }
}

/// Tells everything on record about an address.
pub async fn show(app: &App, email: &EmailAddress) -> Result<Story, Error> {
    tell(app, email, DELIVERIES).await
}

async fn tell(app: &App, email: &EmailAddress, most_deliveries: i64) -> Result<Story, Error> {
    let mut conn = app.db.conn().await?;
    let suppression = db::suppressions::find(&mut conn, &app.key, email).await?;
    let suppression = suppression.map(|found| SuppressionStory {
        reason: found.reason.as_str(),
        sentence: found.reason.sentence(),
        detail: found.detail,
        since: found.at.to_string(),
    });
    let Some(subscriber) = db::subscribers::find(&mut conn, email).await? else {
        if suppression.is_none() {
            return Err(Error::NotFound(format!("nobody has the address {email}")));
        }
        return Ok(Story {
            email: email.to_string(),
            is_subscriber: false,
            name: String::new(),
            language: None,
            timezone: None,
            suppression,
            subscriptions: vec![],
            deliveries: vec![],
        });
    };
    let mut subscriptions = vec![];
    for stored in db::subscriptions::of_subscriber(&mut conn, subscriber.id).await? {
        let id = stored.subscription.newsletter_id;
        let Some(newsletter) = db::newsletters::get(&mut conn, id).await? else { continue };
        let schedules = db::newsletters::schedules_of(&mut conn, id).await?;
        let topics = db::newsletters::topics(&mut conn, id).await?;
        subscriptions.push(subscription_story(stored, newsletter, &schedules, &topics));
    }
    let deliveries = db::people::sent(&mut conn, subscriber.id, None, None, most_deliveries).await?;
    Ok(Story {
        email: email.to_string(),
        is_subscriber: true,
        name: subscriber.name,
        language: subscriber.language,
        timezone: subscriber.zone.map(|zone| zone.name().to_owned()),
        suppression,
        subscriptions,
        deliveries: deliveries.into_iter().map(delivery_story).collect(),
    })
}

fn subscription_story(
    stored: Stored,
    newsletter: Newsletter,
    schedules: &[Schedule],
    topics: &[Topic],
) -> SubscriptionStory {
    let subscription = stored.subscription;
    let schedule = followed(schedules, &subscription);
    let chosen = topics.iter().filter(|topic| subscription.topics.contains(topic));
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    SubscriptionStory {
        newsletter: newsletter.slug,
        status: subscription.status.as_str(),
        schedule: schedule.map(|schedule| schedule.name.clone()),
        topics: chosen.map(|topic| topic.slug.clone()).collect(),
        hour: subscription.hour.map(|hour| hour.to_string()),
        paused_until: text(subscription.paused_until),
        consent: subscription.consent.map(|consent| ConsentStory {
            at: consent.at.to_string(),
            from: consent.from,
            words: consent.words,
        }),
        origin: stored.origin,
        confirmed_at: text(stored.confirmed_at),
        left_at: text(stored.left_at),
        left_reason: stored.left_reason,
    }
}

/// A delivery as a page tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub sent: Sent,
    /// What became of it, as a sentence.
    pub sentence: String,
}

/// A page of what was sent to a person or not and why, the newest issue first, behind `before`, of these newsletters or of
/// all; and where the next page begins: an issue's slot and id.
pub async fn deliveries(
    app: &App,
    subscriber_id: i64,
    before: Option<(Timestamp, i64)>,
    newsletters: Option<&[i64]>,
) -> Result<(Vec<Delivered>, Option<(Timestamp, i64)>), Error> {
    let mut conn = app.db.conn().await?;
    let mut sent = db::people::sent(&mut conn, subscriber_id, before, newsletters, DELIVERIES + 1).await?;
    let page = usize::try_from(DELIVERIES).unwrap_or(usize::MAX);
    let is_more = sent.len() > page;
    sent.truncate(page);
    let last = sent.last().filter(|_| is_more).map(|last| (last.slot_at, last.issue_id));
    let delivered = |sent: Sent| Delivered { sentence: sentence(&sent), sent };
    Ok((sent.into_iter().map(delivered).collect(), last))
}

fn delivery_story(sent: Sent) -> DeliveryStory {
    let sentence = sentence(&sent);
    DeliveryStory {
        newsletter: sent.newsletter,
        issue_id: sent.issue_id,
        slot_at: sent.slot_at.to_string(),
        state: sent.state.as_str(),
        sentence,
        at: sent.updated_at.to_string(),
    }
}

fn sentence(sent: &Sent) -> String {
    let said = sent.detail.as_deref().or(sent.reason.as_deref()).filter(|said| !said.is_empty());
    let with = |what: &str| said.map_or_else(|| what.to_owned(), |said| format!("{what}: {said}"));
    match (sent.state, sent.skipped) {
        (DeliveryState::Skipped, Some(reason)) => reason.sentence().to_owned(),
        (DeliveryState::Skipped, None) => with("it was skipped"),
        (DeliveryState::Queued, _) => "it waits to be sent".to_owned(),
        (DeliveryState::Claimed, _) => "it is being sent".to_owned(),
        (DeliveryState::Deferred, _) if sent.reason.as_deref() == Some("domain_limit") => {
            with("it waits for its turn")
        }
        (DeliveryState::Deferred, _) => with("the relay asked to try again later"),
        (DeliveryState::Sent, _) => with("the relay took it"),
        (DeliveryState::Failed, _) => with("it failed"),
    }
}
