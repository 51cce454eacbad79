//! Signing up: anybody can type any address into a form, so nothing comes of it but a mail that asks the owner.

use chrono_tz::Tz;

use super::super::{Error, links};
use super::next::next_issue;
use super::{queue, queue_at};
use crate::db::notices::Queued;
use crate::db::subscriptions::{Changed, Choice};
use crate::db::{Conn, DbError, attempts, newsletters, notices, subscribers, subscriptions, suppressions};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::network::counted_network;
use crate::domain::newsletter::Newsletter;
use crate::domain::notice::{Confirm, Notice, Publication, Welcome};
use crate::domain::subscription::{Consent, Subscriber, Subscription, SubscriptionEvent, SubscriptionStatus};
use crate::domain::token::Token;
use crate::domain::topic::TopicSet;
use crate::pipeline::App;
use crate::pipeline::import::{MAX_NAME, one_line};

/// How many days a link that confirms works.
pub const CONFIRM_DAYS: i64 = 7;

/// The most newsletters in one sign-up: the token that confirms them all stays under 600 characters.
pub const MAX_NEWSLETTERS: usize = 50;

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

/// How many sign-ups an hour may come from one network: more than a classroom or a stand at a fair.
const MAX_PER_NETWORK: i64 = 60;

/// How many sign-ups for one address may be written at the same moment; more than come of it at all in a day.
const MOST_AT_ONCE: i64 = MAX_PER_ADDRESS + 1;

/// How many sign-ups a day do something for one address.
const MAX_PER_ADDRESS: i64 = 10;

/// How long a link that confirms works, in milliseconds.
pub(super) const VALID: i64 = CONFIRM_DAYS * 24 * HOUR;

/// What somebody typed into a form.
#[derive(Clone, Debug)]
pub struct SignUp {
    pub email: EmailAddress,
    /// May be empty.
    pub name: String,
    /// Slugs, at least one.
    pub newsletters: Vec<String>,
    /// Slugs of the topics wanted; none: every topic.
    pub topics: Vec<String>,
    /// The name of the schedule to follow; none: the first.
    pub schedule: Option<String>,
    /// What was chosen of some newsletters by themselves, instead of topics and schedule above.
    pub own: Vec<Own>,
    /// The reader's own hour; none: the schedule's.
    pub hour: Option<TimeOfDay>,
    pub zone: Option<Tz>,
    /// BCP 47 tag; none: the newsletter's.
    pub language: Option<String>,
    /// The network address that the form came from.
    pub from: String,
    /// The words that were agreed to.
    pub words: String,
    /// The admin who asks in place of the person, who has agreed to nothing yet: `added by ann@example.org`.
    pub added_by: Option<String>,
}

/// What was chosen of one newsletter, where a form has several.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Its slug.
    pub newsletter: String,
    /// Slugs of the topics wanted; none: every topic.
    pub topics: Vec<String>,
    /// The name of the schedule to follow; none: the first.
    pub schedule: Option<String>,
}

/// What became of a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Whatever is to be done was done; whoever asked learns no more.
    Yes,
    /// Too many came from that network: nothing was done.
    TooMany,
}

/// A subscription that waits to be confirmed.
struct Pending {
    newsletter: Newsletter,
    subscription: Subscription,
    /// No mail has asked for it yet, as it stands now.
    is_new: bool,
}

/// A name fit for a mail's header: at most 200 characters on one line, without control and invisible characters.
///
/// # Errors
/// A sentence that says what is wrong with it and what to do.
pub fn clean_name(text: &str) -> Result<String, String> {
    if text.trim().chars().any(char::is_control) {
        return Err("The name holds a line break or another control character: remove it".to_owned());
    }
    one_line("name", text, MAX_NAME)
        .map_err(|_| format!("The name is longer than {MAX_NAME} characters: shorten it, or leave it out"))
}

/// Notes that somebody asks for newsletters in the name of an address, and queues the mail that lets its owner
/// confirm. The outcome is the same whether the address is new, known, active or suppressed.
///
/// - New, or left before: pending, and one mail that confirms everything asked for.
/// - Pending: what was chosen first stays until the link to confirm it expires, because whoever asks again may be
///   somebody else.
/// - Active in everything asked for: nothing changes, and a welcome is repeated, at most once a day for an address.
/// - Suppressed: nothing happens.
///
/// An address gets at most one mail an hour that asks: the next one waits until the hour is over.
///
/// # Errors
/// [`Error::Invalid`] where the form asks for what there is not.
pub async fn sign_up(app: &App, asked: &SignUp) -> Result<Taken, Error> {
    let name = clean_name(&asked.name).map_err(Error::Invalid)?;
    let now = app.clock.now();
    if let Err(taken) = is_within_limits(app, asked, now).await? {
        return Ok(taken);
    }
    let mut tx = app.db.begin().await?;
    let wanted = wanted(&mut tx, asked).await?;
    if suppressions::is_suppressed(&mut tx, &app.key, &asked.email).await? {
        return Ok(Taken::Yes);
    }
    let known = subscribers::ensure(&mut tx, &app.key, &asked.email, now).await?;
    let subscriber = introduce(&mut tx, known, asked, name, now).await?;
    let consent = Consent { at: now, from: asked.from.clone(), words: asked.words.clone() };
    let mut pending: Vec<Pending> = vec![];
    let mut active = vec![];
    for (newsletter, choice) in wanted {
        let event = SubscriptionEvent::SignUp;
        let changed = subscriptions::enter(&mut tx, newsletter.id, subscriber.id, event, now).await?;
        if changed.now.status == SubscriptionStatus::Active {
            active.push((newsletter, changed));
            continue;
        }
        // What somebody asks for by a form counts more than an admin's question: nobody has chosen anything there.
        let is_answer = asked.added_by.is_none() && changed.now.consent.is_none();
        let waited = changed.before == Some(SubscriptionStatus::Pending)
            && is_waiting(&changed.now, now)
            && !is_answer;
        if !waited {
            subscriptions::choose(&mut tx, changed.now.id, choice, now).await?;
            match &asked.added_by {
                None => subscriptions::agree(&mut tx, changed.now.id, &consent, now).await?,
                Some(origin) => subscriptions::ask(&mut tx, changed.now.id, origin, now).await?,
            }
        }
        pending.push(Pending { newsletter, subscription: changed.now, is_new: !waited });
    }
    if pending.is_empty() {
        repeat_welcome(&mut tx, app, &subscriber, &active, now).await?;
    } else {
        ask(&mut tx, app, &subscriber, &pending, now).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(Taken::Yes)
}

/// Counts a sign-up, and says whether there are not too many: from a network, which is told, and for an address, which is
/// not: whoever types it in must not learn what others did.
async fn is_within_limits(app: &App, asked: &SignUp, now: Timestamp) -> Result<Result<(), Taken>, Error> {
    let mut tx = app.db.begin().await?;
    let mut within = Ok(());
    let address = format!("sign-up:address:{}", app.key.address_hash(&asked.email));
    if attempts::count(&mut tx, &address, DAY, now).await?.count > MAX_PER_ADDRESS {
        within = Err(Taken::Yes);
    }
    if let Some(network) = asked.from.parse().ok().and_then(counted_network) {
        let network = format!("sign-up:network:{}", app.key.blind("network", &network));
        if attempts::count(&mut tx, &network, HOUR, now).await?.count > MAX_PER_NETWORK {
            within = Err(Taken::TooMany);
        }
    }
    attempts::forget_old(&mut tx, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(within)
}

/// The newsletters asked for and what was chosen about each: topics and schedule go by name, so that one form can
/// serve several newsletters.
async fn wanted(tx: &mut Conn, asked: &SignUp) -> Result<Vec<(Newsletter, Choice)>, Error> {
    let mut slugs: Vec<&str> = vec![];
    for slug in &asked.newsletters {
        if !slugs.contains(&slug.as_str()) {
            slugs.push(slug);
        }
        if slugs.len() > MAX_NEWSLETTERS {
            return Err(Error::Invalid(format!("Choose at most {MAX_NEWSLETTERS} newsletters at a time")));
        }
    }
    if slugs.is_empty() {
        return Err(Error::Invalid("Choose at least one newsletter".to_owned()));
    }
    let mut wanted = vec![];
    for slug in slugs {
        let Some(newsletter) = newsletters::find(tx, slug).await? else {
            return Err(Error::Invalid(
                "One of the newsletters you chose is not here any more: choose again".into(),
            ));
        };
        // Admins still add people to one that is not listed.
        if !newsletter.is_listed && asked.added_by.is_none() {
            return Err(Error::Invalid(format!(
                "{} takes no sign-ups at the moment: leave it out",
                newsletter.name
            )));
        }
        let own = asked.own.iter().find(|own| own.newsletter == slug);
        let (wanted_topics, wanted_schedule) =
            own.map_or((&asked.topics, &asked.schedule), |own| (&own.topics, &own.schedule));
        let topics = newsletters::topics(tx, newsletter.id).await?;
        let chosen = topics.iter().filter(|topic| wanted_topics.contains(&topic.slug));
        let schedules = newsletters::schedules_of(tx, newsletter.id).await?;
        let schedule = schedules.iter().find(|schedule| Some(&schedule.name) == wanted_schedule.as_ref());
        let choice = Choice {
            schedule_id: schedule.map(|schedule| schedule.id),
            topics: chosen.fold(TopicSet::EMPTY, TopicSet::with),
            hour: asked.hour,
        };
        wanted.push((newsletter, choice));
    }
    // Two sign-ups at once lock the same rows in the same order.
    wanted.sort_by_key(|(newsletter, _)| newsletter.id);
    Ok(wanted)
}

/// Whether a sign-up waits to be confirmed, and still can be.
fn is_waiting(subscription: &Subscription, now: Timestamp) -> bool {
    // A file can tell of a consent in the future.
    let since = subscription.last_asked_at().filter(|at| *at <= now);
    subscription.status == SubscriptionStatus::Pending && since.is_some_and(|at| now <= at.plus_millis(VALID))
}

/// Takes over name, language and zone, unless somebody reads under this address or waits to: a form that anybody can
/// fill in changes nothing for them.
async fn introduce(
    tx: &mut Conn,
    mut subscriber: Subscriber,
    asked: &SignUp,
    name: String,
    now: Timestamp,
) -> Result<Subscriber, Error> {
    let all = subscriptions::of_subscriber(tx, subscriber.id).await?;
    let reads_or_waits = |subscription: &Subscription| {
        subscription.status == SubscriptionStatus::Active || is_waiting(subscription, now)
    };
    if all.iter().any(|stored| reads_or_waits(&stored.subscription)) {
        return Ok(subscriber);
    }
    if !name.is_empty() {
        subscriber.name = name;
    }
    subscriber.language = asked.language.clone().or(subscriber.language);
    subscriber.zone = asked.zone.or(subscriber.zone);
    subscribers::update(tx, &subscriber, now).await?;
    Ok(subscriber)
}

/// Queues the mail that lets the owner confirm: at once, or, where such a mail went to the address less than an hour ago,
/// when the hour is over. What is asked for meanwhile joins the mail that waits.
async fn ask(
    tx: &mut Conn,
    app: &App,
    subscriber: &Subscriber,
    pending: &[Pending],
    now: Timestamp,
) -> Result<(), Error> {
    let hash = app.key.address_hash(&subscriber.email);
    let event = |due: Timestamp| format!("confirm:{hash}:{}", due.millis().div_euclid(HOUR));
    let asks_for_more = pending.iter().any(|pending| pending.is_new);
    // Somebody else may sign the same address up at this moment: then the mail that they queued is found next time.
    for _ in 0..MOST_AT_ONCE {
        let due = match latest(tx, &event, now).await? {
            Some((_, mail)) if !asks_for_more && mail.due_at.plus_millis(HOUR) > now => return Ok(()),
            Some((event, mail)) if mail.is_waiting => {
                let joined = joined(app, &mail.content, pending, now).to_json();
                if notices::rewrite(tx, &event, &mail.content, &joined, now).await? {
                    return Ok(());
                }
                continue;
            }
            // Mails that ask for a new address count too.
            _ => {
                let last = notices::last_asked(tx, &subscriber.email).await?;
                last.map_or(now, |last| now.max(last.plus_millis(HOUR)))
            }
        };
        let all = pending.iter().collect();
        let notice = confirmation(app, subscriber, all, now);
        if queue_at(tx, app, &event(due), pending[0].newsletter.id, subscriber, &notice, due).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// The latest mail that asks an address to confirm, with its event: due in this hour by the clock, the next two, or the one
/// before.
async fn latest(
    tx: &mut Conn,
    event: &impl Fn(Timestamp) -> String,
    now: Timestamp,
) -> Result<Option<(String, Queued)>, Error> {
    for hours in [2, 1, 0, -1] {
        let event = event(now.plus_millis(hours * HOUR));
        if let Some(mail) = notices::queued(tx, &event).await? {
            return Ok(Some((event, mail)));
        }
    }
    Ok(None)
}

fn confirmation(app: &App, subscriber: &Subscriber, pending: Vec<&Pending>, now: Timestamp) -> Notice {
    let expires = now.plus_millis(VALID);
    let subscription_ids = pending.iter().map(|pending| pending.subscription.id).collect();
    let first = &pending[0].newsletter;
    Notice::Confirm(Confirm {
        language: subscriber.language.clone().unwrap_or_else(|| first.language.clone()),
        zone: subscriber.zone.unwrap_or(first.zone).name().to_owned(),
        newsletters: pending.iter().map(|pending| Publication::from(&pending.newsletter)).collect(),
        confirm_url: links::confirm(app, &Token::Confirm { subscription_ids, expires }),
        valid_until: Some(expires),
    })
}

/// The mail that waits, with what is asked for now beside what it asks for already.
fn joined(app: &App, content: &str, pending: &[Pending], now: Timestamp) -> Notice {
    let waiting = match serde_json::from_str(content) {
        Ok(Notice::Confirm(waiting)) => waiting,
        _ => Confirm::default(),
    };
    let token = waiting.confirm_url.rsplit('/').next().and_then(|token| app.key.read(token));
    let mut subscription_ids = match token {
        Some(Token::Confirm { subscription_ids, .. }) => subscription_ids,
        _ => vec![],
    };
    let mut newsletters = waiting.newsletters;
    for Pending { newsletter, subscription, .. } in pending {
        if !subscription_ids.contains(&subscription.id) && subscription_ids.len() < MAX_NEWSLETTERS {
            subscription_ids.push(subscription.id);
            newsletters.push(Publication::from(newsletter));
        }
    }
    let expires = now.plus_millis(VALID);
    Notice::Confirm(Confirm {
        newsletters,
        confirm_url: links::confirm(app, &Token::Confirm { subscription_ids, expires }),
        valid_until: Some(expires),
        ..waiting
    })
}

/// Tells a reader who signs up again that all is well: one mail a day, whatever somebody asks for in their name.
async fn repeat_welcome(
    tx: &mut Conn,
    app: &App,
    subscriber: &Subscriber,
    active: &[(Newsletter, Changed)],
    now: Timestamp,
) -> Result<(), Error> {
    let Some((newsletter, changed)) = active.first() else { return Ok(()) };
    welcome_again(tx, app, newsletter, subscriber, &changed.now, now).await
}

/// Queues the mail that says that a newsletter comes already, with the links of the welcome: one a day.
pub(super) async fn welcome_again(
    tx: &mut Conn,
    app: &App,
    newsletter: &Newsletter,
    subscriber: &Subscriber,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<(), Error> {
    let day = now.millis().div_euclid(24 * HOUR);
    let event = format!("again:{}:{day}", app.key.address_hash(&subscriber.email));
    let again = welcome_mail(tx, app, newsletter, subscriber, subscription, now).await?;
    let notice = Notice::Welcome(Welcome { again: true, ..again });
    queue(tx, app, &event, newsletter.id, subscriber, &notice).await
}

/// Queues the mail that says that a newsletter will come, and when.
pub(super) async fn welcome(
    tx: &mut Conn,
    app: &App,
    event: &str,
    newsletter: &Newsletter,
    subscriber: &Subscriber,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<(), Error> {
    let notice = Notice::Welcome(welcome_mail(tx, app, newsletter, subscriber, subscription, now).await?);
    queue(tx, app, event, newsletter.id, subscriber, &notice).await
}

async fn welcome_mail(
    tx: &mut Conn,
    app: &App,
    newsletter: &Newsletter,
    subscriber: &Subscriber,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<Welcome, Error> {
    let schedules = newsletters::schedules_of(tx, newsletter.id).await?;
    let next = next_issue(tx, newsletter, &schedules, subscriber, subscription, now).await?;
    let zone = next.map_or(subscriber.zone.unwrap_or(newsletter.zone), |next| next.zone);
    Ok(Welcome {
        language: subscriber.language.clone().unwrap_or_else(|| newsletter.language.clone()),
        zone: zone.name().to_owned(),
        newsletter: Publication::from(newsletter),
        again: false,
        // What is on its way needs no announcing.
        next_issue: next.map(|next| next.at).filter(|at| *at > now),
        unsubscribe_url: links::unsubscribe(app, subscription.id),
        preferences_url: Some(links::preferences(app, subscriber.id, &subscriber.email, subscriber.moved_at)),
    })
}
