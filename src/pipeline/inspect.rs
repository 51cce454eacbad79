//! How an issue looks, to anybody or to one reader.

use crate::db;
use crate::db::deliveries::Reader;
use crate::domain::address::EmailAddress;
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::mail::{HoleValues, Mailbox, RenderedMail, escape_html};
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::SubscriptionStatus;
use crate::domain::topic::TopicSet;
use crate::mail::identity::message_id;
use crate::mail::message::{Letter, Recipient};
use crate::render::RenderError;

use super::deliver::cohort::Edition;
use super::deliver::job::hole_values;
use super::pages::as_page;
use super::{App, Error, compose, links};

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

pub(super) fn message(
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
        moved_at: None,
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
    // Who does not get it may be known from elsewhere alone: what they told others is not for this newsletter's editors.
    let gets_it = subscription.status == SubscriptionStatus::Active;
    let reader = Reader {
        id: subscriber.id,
        email: subscriber.email,
        name: if gets_it { subscriber.name } else { String::new() },
        language: subscriber.language.filter(|_| gets_it),
        timezone: subscriber.zone.filter(|_| gets_it).map(|zone| zone.name().to_owned()),
        topics: subscription.topics,
        unmeasured: true,
        moved_at: subscriber.moved_at,
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
    let reader = claimed.1?.reader.ok_or_else(gone)?;
    let sent_at = db::outcomes::find(&mut conn, issue_id, reader.id).await?.map(|story| story.updated_at);
    drop(conn);
    if reader.moved_at.is_some_and(|at| sent_at.is_none_or(|sent_at| at >= sent_at)) {
        // It went to an address that is not theirs any more, whose owner is not told the one that they have now.
        return Err(gone());
    }
    // Whoever waits holds no content.
    let turn = app.pages.turn().await?;
    let edition = load(app, issue_id).await?;
    let values = HoleValues {
        // The address of this page is passed on: whoever has it can have the link mailed to the reader.
        preferences_url: format!("{}#keep", links::unsubscribe(app, subscription_id)),
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
