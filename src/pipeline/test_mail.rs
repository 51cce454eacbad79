//! Test mails: an issue as it looks now, to oneself and colleagues, marked so in the subject.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::db;
use crate::db::deliveries::Reader;
use crate::domain::address::EmailAddress;
use crate::domain::delivery::{Outcome, OutcomeClass};
use crate::domain::issue::Issue;
use crate::domain::newsletter::Newsletter;
use crate::mail::session::{Envelope, Session};
use crate::render::RenderError;

use super::accounts::Actor;
use super::deliver::job::hole_values;
use super::editors::{find_issue, newsletter_of};
use super::inspect::{load, message, nobody};
use super::start::{self, By};
use super::{App, Error, accounts};

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

/// [`test()`] for the command line, which is written down first.
pub async fn test_by_command(app: &App, id: i64, to: &EmailAddress) -> Result<Outcome, Error> {
    let mut tx = app.db.begin().await?;
    let issue = find_issue(&mut tx, id).await?;
    let newsletter = newsletter_of(&mut tx, &issue).await?;
    let what = what(&newsletter, &issue, to);
    Actor::command_line().note_of(app, &mut tx, "issue.test", &what, Some(newsletter.id)).await?;
    db::commit(tx).await?;
    test(app, id, to).await
}

/// What a test is called in the audit log. Of the address its domain only: whoever is erased is not to be found there.
fn what(newsletter: &Newsletter, issue: &Issue, to: &EmailAddress) -> String {
    format!("{}, to an address at {}", start::name_of(newsletter, issue), to.domain())
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
    let newsletter = newsletter_of(&mut tx, &issue).await?;
    let sent = db::results::tests_since(&mut tx, by.user.id, now.plus_millis(-TESTS_WITHIN)).await?;
    if sent + i64::try_from(to.len()).unwrap_or(i64::MAX) > MOST_TESTS {
        return Err(Error::Invalid(format!(
            "You have sent {sent} test mails within ten minutes, and {MOST_TESTS} is the most: wait a little."
        )));
    }
    // Written down before it is done: who is cut off in the middle has sent some of them.
    for address in to {
        let what = what(&newsletter, &issue, address);
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
