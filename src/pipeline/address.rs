//! Address: decides, for each subscriber, send or not and why, and when.

use crate::db::deliveries::{Addressing, Holding};
use crate::db::{self, Conn};
use crate::domain::calendar::{first_at, parse_zone};
use crate::domain::delivery::SkipReason;
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::language;
use crate::domain::newsletter::Newsletter;

use super::{App, Error, compose};

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
        match address_one(app, issue).await {
            Ok(addressed) => done.extend(addressed),
            Err(error) => tracing::error!(issue = issue.id, %error, "an issue could not be addressed"),
        }
    }
    Ok(done)
}

/// Starts one issue. State and deliveries change in one transaction: an issue that is being sent is addressed whole.
async fn address_one(app: &App, issue: &Issue) -> Result<Option<Addressed>, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let newsletter = db::newsletters::get(&mut tx, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {} has no newsletter", issue.id)))?;
    if !issue.at_once && compose::is_too_late(&newsletter, issue, now) {
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
    let content = db::issues::content(&mut tx, issue.id)
        .await?
        .ok_or_else(|| Error::Invalid(format!("issue {} is approved but was never frozen", issue.id)))?;
    let deliveries = write_deliveries(&mut tx, &newsletter, issue, &content, now).await?;
    db::archive::publish(&mut tx, issue.id, &content.words()).await?;
    db::commit(tx).await?;
    Ok(Some(Addressed::Started { issue_id: issue.id, deliveries }))
}

async fn write_deliveries(
    conn: &mut Conn,
    newsletter: &Newsletter,
    issue: &Issue,
    content: &IssueContent,
    now: crate::domain::calendar::Timestamp,
) -> Result<u64, Error> {
    let timezone = newsletter.zone.name();
    let mut hours = vec![];
    if !issue.at_once {
        hours = db::deliveries::own_hours(conn, newsletter.id, timezone).await?;
        for hour in &mut hours {
            let zone = parse_zone(&hour.timezone).unwrap_or(newsletter.zone);
            hour.due_at = first_at(issue.slot_at, hour.at, zone);
        }
    }
    let languages = languages(conn, newsletter, content).await?;
    let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
    let to = Addressing {
        issue_id: issue.id,
        newsletter_id: newsletter.id,
        schedule_id: issue.schedule_id,
        is_first_schedule: schedules.first().map(|schedule| schedule.id) == issue.schedule_id,
        due_at: issue.slot_at,
        hours: &hours,
        languages: &languages,
        otherwise: holding(content, None),
        language: &newsletter.language,
        timezone,
    };
    Ok(db::deliveries::address(conn, &to, now).await?)
}

/// How many would get an issue with this content as things stand, and how many not and why.
pub(super) async fn count(
    conn: &mut Conn,
    newsletter: &Newsletter,
    issue: &Issue,
    content: &IssueContent,
    now: crate::domain::calendar::Timestamp,
) -> Result<Vec<(Option<SkipReason>, i64)>, Error> {
    let languages = languages(conn, newsletter, content).await?;
    let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
    let to = Addressing {
        issue_id: issue.id,
        newsletter_id: newsletter.id,
        schedule_id: issue.schedule_id,
        is_first_schedule: schedules.first().map(|schedule| schedule.id) == issue.schedule_id,
        due_at: issue.slot_at,
        hours: &[],
        languages: &languages,
        otherwise: holding(content, None),
        language: &newsletter.language,
        timezone: newsletter.zone.name(),
    };
    Ok(db::deliveries::count_audience(conn, &to, now).await?)
}

/// What an issue holds for the readers of each language, where that matters.
async fn languages(
    conn: &mut Conn,
    newsletter: &Newsletter,
    content: &IssueContent,
) -> Result<Vec<(String, Holding)>, Error> {
    if !newsletter.rules.match_language {
        return Ok(vec![]);
    }
    let tags = db::deliveries::languages(conn, newsletter.id, &newsletter.language).await?;
    let with_holding = |tag: String| {
        let holding = holding(content, Some(&tag));
        (tag, holding)
    };
    Ok(tags.into_iter().map(with_holding).collect())
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
