//! What people ask about an issue: how it looks, how far it is, why somebody did or did not get it.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::db;
use crate::db::deliveries::Reader;
use crate::db::outcomes::{Count, Said, Story};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::{DeliveryState, Outcome, OutcomeClass, SkipReason};
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::mail::{HoleValues, Mailbox, RenderedMail, escape_html};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::subscription::{Subscription, SubscriptionStatus};
use crate::domain::topic::TopicSet;
use crate::mail::identity::message_id;
use crate::mail::message::{Letter, Recipient};
use crate::mail::session::{Envelope, Session};
use crate::render::RenderError;

use super::deliver::cohort::Edition;
use super::deliver::job::hole_values;
use super::editors::find_issue;
use super::pages::as_page;
use super::start::{self, By};
use super::{App, Error, accounts, compose, links};

/// An issue as it would reach one reader.
#[derive(Clone, Debug)]
pub struct Preview {
    pub mail: RenderedMail,
    /// The whole message (RFC 5322).
    pub eml: String,
}

impl Preview {
    pub fn subject(&self) -> String {
        self.mail.subject.fill(&HoleValues::default(), str::to_owned)
    }

    pub fn html(&self) -> String {
        self.mail.html.fill(&HoleValues::default(), escape_html)
    }

    pub fn text(&self) -> String {
        self.mail.text.fill(&HoleValues::default(), str::to_owned)
    }
}

/// Renders an issue, also one that is still filling, for a subscriber or for a reader who told nothing.
pub async fn preview(app: &App, id: i64, reader: Option<&EmailAddress>) -> Result<Preview, Error> {
    let edition = load(app, id).await?;
    if edition.content.articles.is_empty() {
        return Err(Error::Invalid(format!(
            "issue {id} holds no article: none is new and young enough (`daybreak article list {}` shows them, \
             `daybreak newsletter set {} max-age-hours=…` lets older ones in)",
            edition.newsletter.slug, edition.newsletter.slug
        )));
    }
    let (reader, subscription_id, delivery_id) = match reader {
        Some(email) => find_reader(app, &edition, email).await?,
        None => (nobody(&edition)?, 0, 0),
    };
    let values = hole_values(app, &reader, subscription_id, delivery_id);
    let mail = app.renderer.digest_for(&edition.input(&edition.audience(&reader)), &values)?;
    let eml = message(app, &edition, &mail, &values, &reader, delivery_id);
    Ok(Preview { mail, eml })
}

/// An issue's subject and preheader, as a reader who told nothing sees them in the inbox; none where it holds no article.
pub async fn lines(app: &App, id: i64) -> Result<Option<(String, String)>, Error> {
    let edition = load(app, id).await?;
    let reader = nobody(&edition)?;
    let values = hole_values(app, &reader, 0, 0);
    match app.renderer.lines(&edition.input(&edition.audience(&reader)), &values) {
        Err(RenderError::NoArticles) => Ok(None),
        lines => Ok(Some(lines?)),
    }
}

/// Whom an issue is looked at for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A reader who told nothing.
    Anybody,
    Subscriber(EmailAddress),
    /// Readers who chose these topics (empty: all) and this language (none: the newsletter's).
    Cohort {
        topics: TopicSet,
        language: Option<String>,
    },
}

/// An issue with everything that is looked at before it is sent.
#[derive(Debug)]
pub struct Looked {
    pub newsletter: Newsletter,
    pub issue: Issue,
    pub content: IssueContent,
    /// Or why there is no mail, in a sentence.
    pub preview: Result<Preview, String>,
}

/// Renders an issue for people of the desk. Its links to leave, to change what comes and to view lead nowhere: whoever looks at somebody's
/// mail must not be able to act for them.
pub async fn look(app: &App, id: i64, whom: &Whom) -> Result<Looked, Error> {
    let edition = load(app, id).await?;
    let preview = match edition.content.articles.is_empty() {
        true => Err("There is no article in this issue yet.".to_owned()),
        false => draw(app, &edition, whom).await?,
    };
    let Edition { newsletter, issue, content, .. } = edition;
    Ok(Looked { newsletter, issue, content, preview })
}

async fn draw(app: &App, edition: &Edition, whom: &Whom) -> Result<Result<Preview, String>, Error> {
    let reader = match whom {
        Whom::Anybody => nobody(edition)?,
        Whom::Subscriber(email) => match find_reader(app, edition, email).await {
            // Without their number the link to their preferences leads nowhere, too.
            Ok((reader, ..)) => Reader { id: 0, ..reader },
            Err(Error::NotFound(_)) => {
                let name = &edition.newsletter.name;
                return Ok(Err(format!("{email} does not subscribe to {name}: check the address.")));
            }
            Err(error) => return Err(error),
        },
        Whom::Cohort { topics, language } => {
            Reader { topics: *topics, language: language.clone(), ..nobody(edition)? }
        }
    };
    let values = hole_values(app, &reader, 0, 0);
    match app.renderer.digest_for(&edition.input(&edition.audience(&reader)), &values) {
        Ok(mail) => {
            let eml = message(app, edition, &mail, &values, &reader, 0);
            Ok(Ok(Preview { mail, eml }))
        }
        Err(RenderError::NoArticles) => {
            Ok(Err("Nothing in this issue is for these readers: they get no mail, and the reason is noted."
                .to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Loads an issue; one that is filling comes with what it holds now.
pub(super) async fn load(app: &App, id: i64) -> Result<Edition, Error> {
    let mut conn = app.db.conn().await?;
    let mut edition = Edition::load(app, &mut conn, id).await?;
    if edition.issue.state == IssueState::Draft {
        let articles = db::articles::of_issue(&mut conn, id).await?;
        let content = compose::content(&mut conn, &edition.newsletter, &edition.issue, articles).await?;
        let Edition { newsletter, issue, schedule, signer, .. } = edition;
        edition = Edition::new(app, newsletter, issue, content, schedule, signer);
    }
    Ok(edition)
}

fn message(
    app: &App,
    edition: &Edition,
    mail: &RenderedMail,
    values: &HoleValues,
    reader: &Reader,
    delivery_id: i64,
) -> String {
    let mailbox = Mailbox { name: reader.name.clone(), address: reader.email.clone() };
    let now = app.clock.now();
    let recipient = Recipient {
        mailbox: &mailbox,
        values,
        message_id: &message_id("p", delivery_id, now, edition.newsletter.from.address.domain()),
        date: now,
        list_unsubscribe: Some(&values.unsubscribe_url),
    };
    let mut eml = String::new();
    Letter::new(&edition.head, mail).write(&mut eml, &recipient);
    eml
}

pub(super) fn nobody(edition: &Edition) -> Result<Reader, Error> {
    let domain = edition.newsletter.from.address.domain();
    let email = EmailAddress::parse(&format!("reader@{domain}")).map_err(Error::Invalid)?;
    Ok(Reader {
        id: 0,
        email,
        name: String::new(),
        language: None,
        timezone: None,
        topics: TopicSet::EMPTY,
        unmeasured: true,
    })
}

async fn find_reader(
    app: &App,
    edition: &Edition,
    email: &EmailAddress,
) -> Result<(Reader, i64, i64), Error> {
    let mut conn = app.db.conn().await?;
    let unknown = || Error::NotFound(format!("{email} is no subscriber of “{}”", edition.newsletter.slug));
    let subscriber = db::subscribers::find(&mut conn, email).await?.ok_or_else(unknown)?;
    let subscription = db::subscriptions::find(&mut conn, edition.newsletter.id, subscriber.id)
        .await?
        .ok_or_else(unknown)?;
    let delivery = db::outcomes::find(&mut conn, edition.issue.id, subscriber.id).await?;
    let reader = Reader {
        id: subscriber.id,
        email: subscriber.email,
        name: subscriber.name,
        language: subscriber.language,
        timezone: subscriber.zone.map(|zone| zone.name().to_owned()),
        topics: subscription.topics,
        unmeasured: true,
    };
    Ok((reader, subscription.id, delivery.map_or(0, |delivery| delivery.id)))
}

/// The page of a delivery: the HTML that its reader would be sent now. It is rendered anew, from the issue as it was
/// frozen and from what the reader chooses today, and so may differ from the mail that was sent.
pub async fn view(app: &App, delivery_id: i64) -> Result<String, Error> {
    let mut conn = app.db.conn().await?;
    let gone = || Error::NotFound("there is no such mail any more".to_owned());
    let (issue_id, subscription_id) =
        db::deliveries::place(&mut conn, delivery_id).await?.ok_or_else(gone)?;
    let claimed =
        db::deliveries::load(&mut conn, &[delivery_id], app.clock.now()).await?.pop().ok_or_else(gone)?;
    drop(conn);
    let reader = claimed.1?.reader.ok_or_else(gone)?;
    // Whoever waits holds no content.
    let turn = app.pages.turn().await?;
    let edition = load(app, issue_id).await?;
    let values = HoleValues {
        // The address of this page is passed on: whoever has it can have the link mailed to the reader.
        preferences_url: links::unsubscribe(app, subscription_id),
        ..hole_values(app, &reader, subscription_id, delivery_id)
    };
    let rendering = turn.render(move || {
        let mail = edition.renderer.digest_for(&edition.input(&edition.audience(&reader)), &values)?;
        Ok(as_page(&mail.html.fill(&HoleValues::default(), escape_html)))
    });
    match rendering.await? {
        Err(RenderError::NoArticles) => Err(gone()),
        rendered => Ok(rendered?),
    }
}

/// Sends an issue as it looks now to one address, marked as a test, and returns what the relay said.
pub async fn test(app: &App, id: i64, to: &EmailAddress) -> Result<Outcome, Error> {
    let edition = load(app, id).await?;
    let reader = Reader { email: to.clone(), ..nobody(&edition)? };
    let values = hole_values(app, &reader, 0, 0);
    let mut mail = app.renderer.digest_for(&edition.input(&edition.audience(&reader)), &values)?;
    mail.subject.0.insert(0, crate::domain::mail::Piece::Text("[Test] ".to_owned()));
    let mut eml = message(app, &edition, &mail, &values, &reader, 0);
    if let Some(signer) = &edition.signer {
        signer.sign(&mut eml).map_err(|why| Error::Invalid(format!("the mail cannot be signed: {why}")))?;
    }
    let mut relays = super::deliver::relays(&app.settings).map_err(Error::Invalid)?;
    relays.sort_by_key(|relay| relay.url.terms.priority);
    let (ehlo_name, timeouts) = (super::deliver::ehlo_name(app), super::deliver::timeouts(&app.settings));
    let mut first_failure = None;
    for relay in &relays {
        match Session::connect(relay, &ehlo_name, timeouts).await {
            Err(outcome) => first_failure = first_failure.or(Some(outcome)),
            Ok(mut session) => {
                let from = &edition.newsletter.from.address;
                let sending = session.send(&Envelope { from: Some(from), to }, &eml, None).await;
                session.quit().await;
                return Ok(sending.outcome);
            }
        }
    }
    first_failure.ok_or_else(|| Error::Invalid("no relay is named: set DAYBREAK_RELAY_URL".to_owned()))
}

/// Test mails that one person sends within ten minutes.
pub const MOST_TESTS: i64 = 20;
const TESTS_WITHIN: i64 = 10 * 60 * 1000;

/// How many addresses a test goes to at a time.
pub const MOST_TESTERS: usize = 10;

/// How long the relay may take for all of them: the page waits.
const TEST_PATIENCE: Duration = Duration::from_secs(20);

/// What the relay said to a test.
#[derive(Clone, Debug)]
pub struct Tested {
    pub to: EmailAddress,
    pub is_taken: bool,
    /// The relay's words, or ours.
    pub said: String,
}

/// Sends a test to each of these addresses, three at a time, and writes it down.
///
/// # Errors
/// `Invalid` for too many addresses, or too many tests lately.
pub async fn tests(app: &App, by: By<'_>, id: i64, to: &[EmailAddress]) -> Result<Vec<Tested>, Error> {
    if to.is_empty() || to.len() > MOST_TESTERS {
        return Err(Error::Invalid(format!("Name one to {MOST_TESTERS} addresses.")));
    }
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let issue = find_issue(&mut tx, id).await?;
    let newsletter = db::newsletters::get(&mut tx, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {id} has no newsletter")))?;
    let sent = db::results::tests_since(&mut tx, by.user.id, now.plus_millis(-TESTS_WITHIN)).await?;
    if sent + i64::try_from(to.len()).unwrap_or(i64::MAX) > MOST_TESTS {
        return Err(Error::Invalid(format!(
            "You have sent {sent} test mails within ten minutes, and {MOST_TESTS} is the most: wait a little."
        )));
    }
    // Written down before it is done: who is cut off in the middle has sent some of them.
    for address in to {
        // Of the address its domain only: whoever is erased is not to be found here.
        let what = format!("{}, to an address at {}", start::name_of(&newsletter, &issue), address.domain());
        accounts::note(app, &mut tx, by.user, by.network, "issue.test", &what, Some(newsletter.id)).await?;
    }
    db::commit(tx).await?;
    let until = tokio::time::Instant::now() + TEST_PATIENCE;
    let one = async |to: &EmailAddress| {
        let (is_taken, said) = match tokio::time::timeout_at(until, test(app, id, to)).await {
            Ok(Ok(outcome)) => (outcome.class == OutcomeClass::Sent, outcome.detail),
            Ok(Err(Error::Render(RenderError::NoArticles))) => {
                (false, "There is no article in this issue yet.".to_owned())
            }
            Ok(Err(Error::Db(error))) => return Err(Error::Db(error)),
            Ok(Err(error)) => (false, error.to_string()),
            Err(_) => {
                (false, "The relay did not answer within 20 seconds: it may arrive all the same.".to_owned())
            }
        };
        Ok(Tested { to: to.clone(), is_taken, said })
    };
    stream::iter(to).map(one).buffered(3).try_collect().await
}

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
            let own = subscription.schedule_id.or(schedules.first().map(|schedule| schedule.id));
            let name = |id: Option<i64>| {
                let schedule = schedules.iter().find(|schedule| Some(schedule.id) == id);
                schedule.map_or("none", |schedule| schedule.name.as_str())
            };
            if issue.schedule_id.is_some() && own != issue.schedule_id {
                let (follows, went) = (name(own), name(issue.schedule_id));
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
