//! Address: decides, for each subscriber, send or not and why, and when.

use crate::db::addressing::{Addressing, Group, Holding, OwnHour};
use crate::db::{self, Conn};
use crate::domain::calendar::{Timestamp, first_at, parse_zone};
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::language;
use crate::domain::newsletter::Newsletter;

use super::{App, Error, compose, measuring};

/// What became of an approved issue whose slot has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressed {
    /// It is going out: one delivery per subscription, sent or not.
    Started { issue_id: i64, deliveries: u64 },
    /// Its slot was missed by more than the newsletter's grace.
    Skipped { issue_id: i64 },
}

/// Addresses every approved issue whose slot has come.
pub async fn address(app: &App) -> Result<Vec<Addressed>, Error> {
    let now = app.clock.now();
    let approved = db::within(async {
        let mut conn = app.db.conn().await?;
        db::issues::in_states(&mut conn, &[IssueState::Approved]).await
    })
    .await?;
    let mut done = vec![];
    for issue in approved.iter().filter(|issue| issue.slot_at <= now) {
        // One that cannot be read must not keep the others from going out.
        match address_one(app, issue.id).await {
            Ok(addressed) => done.extend(addressed),
            Err(error) => tracing::error!(issue = issue.id, %error, "an issue could not be addressed"),
        }
    }
    Ok(done)
}

/// Starts one issue. State and deliveries change in one transaction: an issue that is being sent is addressed whole.
async fn address_one(app: &App, id: i64) -> Result<Option<Addressed>, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    // Read anew: an editor may have given it another time at this moment.
    let Some(issue) = db::issues::lock(&mut tx, id)
        .await?
        .filter(|issue| issue.state == IssueState::Approved && issue.slot_at <= now)
    else {
        return Ok(None);
    };
    let issue = &issue;
    let newsletter = db::newsletters::get(&mut tx, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {} has no newsletter", issue.id)))?;
    if !issue.at_once
        && compose::is_too_late(&newsletter, issue, now)
        && db::starts::of(&mut tx, issue.id).await?.is_none()
    {
        let reason = compose::missed(&newsletter);
        let skipped = db::issues::advance(
            &mut tx,
            issue.id,
            IssueState::Approved,
            IssueState::Skipped,
            Some(&reason),
            now,
        )
        .await?;
        db::commit(tx).await?;
        return Ok(skipped.then_some(Addressed::Skipped { issue_id: issue.id }));
    }
    if !db::issues::advance(&mut tx, issue.id, IssueState::Approved, IssueState::Sending, None, now).await? {
        return Ok(None);
    }
    if db::starts::of(&mut tx, issue.id).await?.is_some() {
        // An editor sends it now, and has time to take that back: it starts then, and not at a slot that comes first.
        return Ok(None);
    }
    let content = db::issues::content(&mut tx, issue.id)
        .await?
        .ok_or_else(|| Error::Invalid(format!("issue {} is approved but was never frozen", issue.id)))?;
    let deliveries = write_deliveries(&mut tx, &newsletter, issue, &content, now).await?;
    measuring::begin(&mut tx, app, &newsletter, issue, &content).await?;
    db::archive::publish(&mut tx, issue.id, &content.words()).await?;
    db::commit(tx).await?;
    Ok(Some(Addressed::Started { issue_id: issue.id, deliveries }))
}

/// What decides whom an issue goes to, and when.
struct Reach {
    hours: Vec<OwnHour>,
    languages: Vec<(String, Holding)>,
    otherwise: Holding,
    is_first_schedule: bool,
}

impl Reach {
    async fn of(
        conn: &mut Conn,
        newsletter: &Newsletter,
        issue: &Issue,
        content: &IssueContent,
    ) -> Result<Self, Error> {
        let mut hours = vec![];
        if !issue.at_once {
            hours = db::addressing::own_hours(conn, newsletter.id, newsletter.zone.name()).await?;
            for hour in &mut hours {
                let zone = parse_zone(&hour.timezone).unwrap_or(newsletter.zone);
                hour.due_at = first_at(issue.slot_at, hour.at, zone);
            }
        }
        let mut languages = vec![];
        if newsletter.rules.match_language {
            for tag in db::addressing::languages(conn, newsletter.id, &newsletter.language).await? {
                let holding = holding(content, Some(&tag));
                languages.push((tag, holding));
            }
        }
        let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
        let is_first_schedule = schedules.first().map(|schedule| schedule.id) == issue.schedule_id;
        Ok(Self { hours, languages, otherwise: holding(content, None), is_first_schedule })
    }

    fn addressing<'a>(&'a self, newsletter: &'a Newsletter, issue: &Issue) -> Addressing<'a> {
        Addressing {
            issue_id: issue.id,
            newsletter_id: newsletter.id,
            schedule_id: issue.schedule_id,
            is_first_schedule: self.is_first_schedule,
            due_at: issue.slot_at,
            hours: &self.hours,
            languages: &self.languages,
            otherwise: self.otherwise,
            language: &newsletter.language,
            timezone: newsletter.zone.name(),
        }
    }
}

async fn write_deliveries(
    conn: &mut Conn,
    newsletter: &Newsletter,
    issue: &Issue,
    content: &IssueContent,
    now: Timestamp,
) -> Result<u64, Error> {
    let reach = Reach::of(conn, newsletter, issue, content).await?;
    Ok(db::addressing::address(conn, &reach.addressing(newsletter, issue), now).await?)
}

/// Whom an issue with this content would go to, if it were addressed now, and whom not.
pub async fn audience(
    conn: &mut Conn,
    newsletter: &Newsletter,
    issue: &Issue,
    content: &IssueContent,
    now: Timestamp,
) -> Result<Vec<Group>, Error> {
    let reach = Reach::of(conn, newsletter, issue, content).await?;
    Ok(db::addressing::audience(conn, &reach.addressing(newsletter, issue), now).await?)
}

/// What an issue holds for readers of a language (none: of any).
fn holding(content: &IssueContent, language: Option<&str>) -> Holding {
    let readable = content.articles.iter().filter(|article| match (language, &article.language) {
        (Some(reader), Some(tag)) => language::is_same_language(reader, tag),
        _ => true,
    });
    readable.fold(Holding::default(), |held, article| Holding {
        topics: held.topics.union(article.topics),
        general: held.general || article.topics.is_empty(),
    })
}
