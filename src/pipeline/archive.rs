//! The archive: issues that went out, as anybody may read them.

use std::sync::Arc;

use super::deliver::cohort::Edition;
use super::pages::{MadeOf, Page};
use super::{App, Error, links};
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueContent, folded};
use crate::domain::language::long_date;
use crate::domain::mail::{HoleValues, escape_html};
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::topic::TopicSet;
use crate::render::{Audience, DigestInput, RenderError};

/// The longest search that is looked at, in characters.
pub const MAX_SEARCH: usize = 100;

/// An issue in the archive.
#[derive(Clone, Debug)]
pub struct Published {
    pub number: i64,
    /// Its subject, as a reader of whom nothing is known gets it.
    pub title: String,
    /// Its day in words, in the newsletter's language and the schedule's zone.
    pub date: String,
    /// The same for machines, for instance 2026-11-22.
    pub date_iso: String,
    pub slot_at: Timestamp,
    /// Its schedule, where the newsletter has several: two issues of one day are told apart by it. Else empty.
    pub schedule: String,
    pub content: IssueContent,
}

/// Marks that are not looked for, wherever they stand: people type one apostrophe or quotation mark, and texts have
/// another.
const QUOTES: [char; 12] = ['"', '\'', '“', '”', '„', '‘', '’', '‚', '«', '»', '‹', '›'];

/// What is not looked for around words; within them it is, as in 3.5.
const AROUND: [char; 10] = [',', '.', ';', ':', '!', '?', '(', ')', '-', '–'];

/// At most `limit` issues that hold every word of `search`, the newest first, of numbers below `before`.
pub async fn list(
    app: &App,
    newsletter: &Newsletter,
    search: &str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Published>, Error> {
    let search: String = search.chars().take(MAX_SEARCH).collect();
    let words: Vec<String> = folded(&search)
        .split(|letter: char| letter.is_whitespace() || QUOTES.contains(&letter))
        .map(|word| word.trim_matches(AROUND))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if words.is_empty() && !search.trim().is_empty() {
        return Ok(vec![]);
    }
    let mut conn = app.db.conn().await?;
    let schedules = db::newsletters::schedules_of(&mut conn, newsletter.id).await?;
    let found = db::archive::list(&mut conn, newsletter.id, &words, before, limit).await?;
    drop(conn);
    let published = |(issue, content)| published(app, newsletter, &schedules, issue, content);
    found.into_iter().map(published).collect()
}

/// The latest issue, where one went out.
pub async fn latest(app: &App, newsletter: &Newsletter) -> Result<Option<Published>, Error> {
    Ok(list(app, newsletter, "", None, 1).await?.pop())
}

fn published(
    app: &App,
    newsletter: &Newsletter,
    schedules: &[Schedule],
    issue: Issue,
    content: IssueContent,
) -> Result<Published, Error> {
    let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
    let zone = schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone);
    let audience = Audience {
        topics: TopicSet::EMPTY,
        language: newsletter.language.clone(),
        zone,
        measure: Measure::Nothing,
    };
    let input = DigestInput {
        newsletter,
        issue: &issue,
        content: &content,
        schedule,
        audience: &audience,
        site_url: None,
        issue_url: None,
        is_public: true,
    };
    let made_of = MadeOf {
        newsletter: newsletter.clone(),
        issue: issue.clone(),
        schedule: schedule.cloned(),
        templates: app.renderer.version(),
    };
    let title = app.pages.title(made_of, || match app.renderer.subject(&input) {
        // Nothing in it is in the newsletter's own language.
        Err(RenderError::NoArticles) => Ok(newsletter.name.clone()),
        rendered => Ok(rendered?),
    })?;
    Ok(Published {
        number: issue.number,
        title,
        date: long_date(issue.slot_at, zone, &newsletter.language),
        date_iso: issue.slot_at.in_zone(zone).date_naive().to_string(),
        slot_at: issue.slot_at,
        schedule: schedule.filter(|_| schedules.len() > 1).map(|one| one.name.clone()).unwrap_or_default(),
        content,
    })
}

/// An issue as a page that anybody may read: the mail's HTML without anything that is one reader's. It is rendered once,
/// and again where something that it is made of has changed.
///
/// # Errors
/// [`Error::NotFound`] where there is no such issue in the archive, or nothing in it is in the newsletter's language;
/// [`Error::Busy`] where too many others are being rendered.
pub async fn page(app: &App, slug: &str, number: i64) -> Result<Arc<Page>, Error> {
    let gone = || gone(slug, number);
    let mut conn = app.db.conn().await?;
    let newsletter = db::newsletters::find(&mut conn, slug).await?.ok_or_else(gone)?;
    let issue = db::archive::find(&mut conn, newsletter.id, number).await?.ok_or_else(gone)?;
    let schedules = db::newsletters::schedules_of(&mut conn, newsletter.id).await?;
    drop(conn);
    let schedule = schedules.into_iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
    let templates = app.renderer.version();
    let making = {
        let (app, slug, id) = (app.clone(), slug.to_owned(), issue.id);
        move || async move { made(&app, &slug, number, id).await }
    };
    app.pages.get(MadeOf { newsletter, issue, schedule, templates }, making).await
}

fn gone(slug: &str, number: i64) -> Error {
    Error::NotFound(format!("“{slug}” has no issue {number} in the archive"))
}

async fn made(app: &App, slug: &str, number: i64, issue_id: i64) -> Result<Page, Error> {
    // What waits for its turn holds no content.
    let turn = app.pages.turn().await?;
    let mut edition = Edition::load(app, &mut *app.db.conn().await?, issue_id).await?;
    edition.is_public = true;
    // For templates of one's own that print them all the same.
    let page = links::subscribe(app, slug);
    let values = HoleValues {
        name: String::new(),
        email: String::new(),
        unsubscribe_url: page.clone(),
        view_url: links::issue(app, slug, number),
        preferences_url: page,
        ..HoleValues::default()
    };
    let rendering = turn.render(move || {
        let mail = edition.renderer.digest_for(&edition.input(&edition.default_audience()), &values)?;
        Ok(Page::of_mail(&mail.html.fill(&HoleValues::default(), escape_html)))
    });
    match rendering.await? {
        Err(RenderError::NoArticles) => Err(gone(slug, number)),
        rendered => Ok(rendered?),
    }
}
