//! One person: who they are, what they follow, whether they may be mailed, and everything that was sent to them or not
//! and why.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::fields::{self, Again, Asked, Field, Kind, Wrong};
use super::subscribers_view::{Choice, Standing, standing};
use super::words::{When, counted, when, why_words};
use super::{Reach, SUBSCRIBERS, number, person_acts, reach, require};
use crate::db;
use crate::db::Conn;
use crate::db::subscriptions::Stored;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::delivery::DeliveryState;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::subscription::{Subscriber, SubscriptionStatus};
use crate::domain::topic::Topic;
use crate::pipeline::App;
use crate::pipeline::story::{self, Delivered};
use crate::pipeline::subscribe::followed;
use crate::web::Error;
use crate::web::auth::SignedIn;
use crate::web::desk;
use crate::web::desk::words::Moment;
use crate::web::form::Segment;
use crate::web::words::{frequency, sentence};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/office/subscribers/{id}", get(show))
        .route("/office/subscribers/{id}/edit", post(person_acts::edit))
        .route("/office/subscribers/{id}/subscription", post(person_acts::subscription))
        .route("/office/subscribers/{id}/tag", post(person_acts::tag))
        .route("/office/subscribers/{id}/untag", post(person_acts::untag))
        .route("/office/subscribers/{id}/suppress", post(person_acts::suppress))
        .route("/office/subscribers/{id}/unsuppress", post(person_acts::unsuppress))
        .route("/office/subscribers/{id}/export", post(person_acts::export))
        .route("/office/subscribers/{id}/erase", get(show_erase).post(person_acts::erase))
}

/// What is asked about a person.
pub const ASKED: [Asked; 4] = [
    ("name", "Name", "", Kind::Input("text")),
    ("email", "E-mail address", "", Kind::Input("email")),
    ("language", "Language", "A tag such as en or pt-BR; empty: the newsletter’s", Kind::Input("text")),
    ("zone", "Time zone", "Such as Europe/Paris; empty: the newsletter’s", Kind::Input("text")),
];

fn kept(person: &Subscriber, field: &str) -> String {
    match field {
        "name" => person.name.clone(),
        "email" => person.email.to_string(),
        "language" => person.language.clone().unwrap_or_default(),
        _ => person.zone.map(|zone| zone.name().to_owned()).unwrap_or_default(),
    }
}

/// The places on the page of what is not about the person as such; those of a newsletter have its slug behind them.
pub const TIES: &str = "ties";
pub const TAG: &str = "tag";
pub const REASON: &str = "reason";
pub const UNTIL: &str = "until";
pub const HOUR: &str = "hour";

#[derive(Serialize)]
struct SuppressedView {
    sentence: &'static str,
    detail: String,
    since: When,
}

#[derive(Serialize)]
struct Consent {
    at: When,
    from: String,
    words: String,
}

#[derive(Serialize)]
struct TopicTick {
    slug: String,
    name: String,
    /// Tells the tick of one newsletter from that of another with the same slug.
    field: String,
    ticked: bool,
}

#[derive(Serialize)]
struct Tie {
    newsletter: String,
    slug: String,
    standing: Standing,
    is_over: bool,
    is_active: bool,
    paused_until: Option<String>,
    schedule: String,
    schedules: Vec<Choice>,
    /// In words, and to choose.
    topics: String,
    ticks: Vec<TopicTick>,
    hour: String,
    /// What is wrong with the hour or the day that was just typed; empty where nothing is.
    wrong_hour: String,
    wrong_until: String,
    consent: Option<Consent>,
    origin: Option<String>,
    confirmed: Option<When>,
    left: Option<When>,
    left_reason: String,
}

#[derive(Serialize)]
struct Sent {
    class: &'static str,
    state: &'static str,
    /// The newsletter's name, with the issue's number where it has one.
    title: String,
    issue_id: i64,
    /// When it was due: "today at 07:00".
    slot: Moment,
    sentence: String,
    at: When,
}

#[derive(Serialize)]
struct Person {
    id: i64,
    heading: String,
    email: String,
    /// The heading is their name, not their address.
    is_named: bool,
    /// Not of some newsletters alone: what concerns the person as a whole can be changed.
    is_whole: bool,
    fields: Vec<Field>,
    problems: Vec<Wrong>,
    wrong_tag: String,
    /// The tag that was typed, where it cannot be.
    typed_tag: String,
    wrong_reason: String,
    suppressed: Option<SuppressedView>,
    ties: Vec<Tie>,
    tags: Vec<TagView>,
    deliveries: Vec<Sent>,
    is_first_page: bool,
    older: Option<String>,
    today: String,
}

#[derive(Serialize)]
struct TagView {
    id: i64,
    name: String,
}

/// `GET /office/subscribers/{id}`
async fn show(
    State(app): State<App>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    by: SignedIn,
) -> Result<Response, Error> {
    let id = number(&id)?;
    let what = format!("subscriber {id}");
    if let Reach::Of(own) = reach(&app, &by, "subscriber.see", &what).await? {
        let all = db::subscriptions::of_subscriber(&mut *app.db.conn().await?, id).await?;
        if !all.iter().any(|stored| own.contains(&stored.subscription.newsletter_id)) {
            require(&app, &by, "subscriber.see", &what).await?;
        }
    }
    page(&app, &by, id, before(query.as_deref().unwrap_or_default()), &Again::default()).await
}

/// Where a page of deliveries begins: `before=MILLIS-ISSUE`.
fn before(query: &str) -> Option<(Timestamp, i64)> {
    let value = query.strip_prefix("before=")?;
    let (millis, issue_id) = value.split_once('.')?;
    Some((Timestamp::from_millis(millis.parse().ok()?), issue_id.parse().ok()?))
}

/// The page of a person, and what is wrong with what was just typed there.
pub async fn page(
    app: &App,
    by: &SignedIn,
    id: i64,
    before: Option<(Timestamp, i64)>,
    again: &Again<'_>,
) -> Result<Response, Error> {
    let now = app.clock.now();
    let reach = Reach::of(&by.user);
    let is_whole = reach == Reach::Everybody;
    let mut conn = app.db.conn().await?;
    let mut person = db::subscribers::get(&mut conn, id).await?.ok_or(Error::NotFound)?;
    let suppression = db::suppressions::find(&mut conn, &app.key, &person.email).await?;
    let mut ties = vec![];
    let (own, others): (Vec<Stored>, Vec<Stored>) = db::subscriptions::of_subscriber(&mut conn, id)
        .await?
        .into_iter()
        .partition(|stored| reach.holds(stored.subscription.newsletter_id));
    let gets_none = |stored: &Stored| stored.subscription.status != SubscriptionStatus::Active;
    if !others.is_empty() && own.iter().all(gets_none) {
        // Others know them: what they are called is shown to those whom they read.
        person.name.clear();
    }
    for stored in own {
        if let Some(tie) = tie(&mut conn, stored, now).await? {
            ties.push(tie);
        }
    }
    let tags = db::tags::of_subscriber(&mut conn, id).await?;
    drop(conn);
    let (deliveries, next) = story::deliveries(app, id, before, reach.newsletters()).await?;
    let wrong_at = |place: &str| {
        let found = again.problems.iter().find(|(at, _)| at == place);
        found.map(|(_, says)| sentence(says)).unwrap_or_default()
    };
    for tie in &mut ties {
        tie.wrong_hour = wrong_at(&format!("{HOUR}-{}", tie.slug));
        tie.wrong_until = wrong_at(&format!("{UNTIL}-{}", tie.slug));
    }
    let mut fields: Vec<Field> =
        ASKED.iter().map(|asked| Field::new(again, "", *asked, &kept(&person, asked.0))).collect();
    let mut problems = fields::wrong(&mut fields);
    let is_elsewhere = |(place, _): &&(String, String)| ASKED.iter().all(|(name, ..)| name != place);
    let is_shown = |tie: &Tie, place: &str| {
        (tie.is_active && place == format!("{UNTIL}-{}", tie.slug))
            || (!tie.is_over && place == format!("{HOUR}-{}", tie.slug))
    };
    for (place, says) in again.problems.iter().filter(is_elsewhere) {
        // A subscription that is over has no fields.
        let is_there = [TAG, REASON].contains(&place.as_str()) || ties.iter().any(|tie| is_shown(tie, place));
        let field = if is_there { place } else { TIES };
        problems.push(Wrong { field: field.to_owned(), says: sentence(says) });
    }
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let heading = if person.name.is_empty() { person.email.to_string() } else { person.name.clone() };
    let view = Person {
        id,
        email: person.email.to_string(),
        is_named: !person.name.is_empty(),
        fields,
        wrong_tag: wrong_at(TAG),
        typed_tag: again
            .typed
            .iter()
            .find(|(name, _)| name == TAG)
            .map(|(_, tag)| tag.clone())
            .unwrap_or_default(),
        wrong_reason: wrong_at(REASON),
        problems,
        suppressed: suppression.map(|found| SuppressedView {
            sentence: found.reason.sentence(),
            // It may tell of another newsletter.
            detail: if is_whole { why_words(&found.detail) } else { String::new() },
            since: when(found.at, now),
        }),
        is_whole,
        ties,
        tags: tags.into_iter().map(|tag| TagView { id: tag.id, name: tag.name }).collect(),
        deliveries: deliveries.into_iter().map(|delivery| sent(delivery, now)).collect(),
        is_first_page: before.is_none(),
        older: next.map(|(slot, issue)| format!("/office/subscribers/{id}?before={}.{issue}", slot.millis())),
        today: now.to_utc().format("%Y-%m-%d").to_string(),
        heading: heading.clone(),
    };
    let title = fields::title(&heading, &view.problems);
    desk::show(by, status, SUBSCRIBERS, &title, "office/person", &view)
}

async fn tie(conn: &mut Conn, stored: Stored, now: Timestamp) -> Result<Option<Tie>, Error> {
    let id = stored.subscription.newsletter_id;
    let Some(newsletter) = db::newsletters::get(conn, id).await? else { return Ok(None) };
    let schedules = db::newsletters::schedules_of(conn, id).await?;
    let topics = db::newsletters::topics(conn, id).await?;
    Ok(Some(tie_view(stored, newsletter, &schedules, &topics, now)))
}

fn tie_view(
    stored: Stored,
    newsletter: Newsletter,
    schedules: &[Schedule],
    topics: &[Topic],
    now: Timestamp,
) -> Tie {
    let subscription = stored.subscription;
    let (class, state) = standing(subscription.status, subscription.paused_until, now);
    let followed = followed(schedules, &subscription);
    let paused_until = subscription.paused_until.filter(|until| *until > now);
    let chosen: Vec<String> = topics
        .iter()
        .filter(|topic| subscription.topics.contains(topic))
        .map(|topic| topic.name.clone())
        .collect();
    let tick = |topic: &Topic| TopicTick {
        slug: topic.slug.clone(),
        name: topic.name.clone(),
        field: format!("topic-{id}-{}", topic.id, id = subscription.id),
        ticked: subscription.topics.contains(topic),
    };
    let choice = |schedule: &Schedule| Choice {
        value: schedule.name.clone(),
        words: format!("{}: {}", schedule.name, frequency(&schedule.slots)),
        chosen: followed.is_some_and(|followed| followed.id == schedule.id),
    };
    Tie {
        standing: Standing { class, words: state.to_owned(), since: None },
        is_over: subscription.status == SubscriptionStatus::Unsubscribed,
        is_active: subscription.status == SubscriptionStatus::Active,
        paused_until: paused_until
            .map(|until| until.in_zone(newsletter.zone).format("%-d %B %Y").to_string()),
        schedule: followed.map(|schedule| frequency(&schedule.slots)).unwrap_or_default(),
        schedules: schedules.iter().map(choice).collect(),
        topics: if chosen.is_empty() { "every topic".to_owned() } else { chosen.join(", ") },
        ticks: topics.iter().map(tick).collect(),
        hour: subscription.hour.map(|hour: TimeOfDay| hour.to_string()).unwrap_or_default(),
        wrong_hour: String::new(),
        wrong_until: String::new(),
        consent: subscription.consent.map(|consent| Consent {
            at: when(consent.at, now),
            from: consent.from,
            words: consent.words,
        }),
        origin: stored.origin,
        confirmed: stored.confirmed_at.map(|at| when(at, now)),
        left: stored.left_at.map(|at| when(at, now)),
        left_reason: stored.left_reason.as_deref().map(why_words).unwrap_or_default(),
        newsletter: newsletter.name,
        slug: newsletter.slug,
    }
}

fn sent(delivered: Delivered, now: Timestamp) -> Sent {
    let Delivered { sent, sentence } = delivered;
    let (class, state) = match sent.state {
        DeliveryState::Sent => ("good", "sent"),
        DeliveryState::Failed => ("bad", "failed"),
        DeliveryState::Skipped => ("", "not sent"),
        DeliveryState::Deferred => ("warn", "put off"),
        DeliveryState::Claimed => ("warn", "being sent"),
        DeliveryState::Queued => ("warn", "waiting"),
    };
    Sent {
        class,
        state,
        title: match sent.number {
            0 => sent.newsletter_name,
            number => format!("{}, no. {number}", sent.newsletter_name),
        },
        issue_id: sent.issue_id,
        slot: Moment::of(desk::words::when(sent.slot_at, now, sent.zone), sent.slot_at, sent.zone),
        sentence,
        at: when(sent.updated_at, now),
    }
}

#[derive(Serialize)]
struct ErasePage {
    id: i64,
    email: String,
    subscriptions: String,
}

/// `GET /office/subscribers/{id}/erase`: what erasing does, and the button.
async fn show_erase(State(app): State<App>, Segment(id): Segment, by: SignedIn) -> Result<Response, Error> {
    let id = number(&id)?;
    require(&app, &by, "subscriber.erase", &format!("subscriber {id}")).await?;
    let mut conn = app.db.conn().await?;
    let person = db::subscribers::get(&mut conn, id).await?.ok_or(Error::NotFound)?;
    let ties = db::subscriptions::of_subscriber(&mut conn, id).await?.len();
    let subscriptions = counted(u64::try_from(ties).unwrap_or(0), "subscription", "subscriptions");
    let page = ErasePage { id, email: person.email.to_string(), subscriptions };
    desk::show(&by, StatusCode::OK, SUBSCRIBERS, "Erase a person", "office/erase", &page)
}
