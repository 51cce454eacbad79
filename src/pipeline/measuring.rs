//! Links that tell that they were followed: where they lead, and what is recorded of it.
//!
//! Whoever follows a link is led on at once. What is recorded waits in memory and is written behind their back, many
//! visits in one transaction; where the database takes none for too long, visits are dropped, not readers kept waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::db;
use crate::db::measuring::{Changes, Target};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::measuring::{Visit, add, counts};
use crate::domain::newsletter::Newsletter;
use crate::render;

use super::{App, Error, links};

/// The most visits that wait to be written: some 100 bytes each.
const MOST_WAITING: usize = 20_000;

/// The most visits that are written in one transaction.
const BATCH: usize = 200;

/// How often it is tried to write visits, and how long it rests between two tries.
const TRIES: u32 = 5;
const REST: Duration = Duration::from_secs(2);

/// The most issues whose links are kept at hand, some 20 KB each.
const MOST_ISSUES: usize = 32;

/// How long a reader waits for the database where an issue's links are not at hand.
const PATIENCE: Duration = Duration::from_secs(10);

/// Visits that wait to be written, and the links of the issues that are followed now.
#[derive(Clone, Debug, Default)]
pub struct Visits(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    waiting: Vec<(i64, Visit)>,
    is_writing: bool,
    urls: HashMap<i64, Arc<BTreeMap<i64, String>>>,
}

impl Visits {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles what is measured of an issue as it begins to go out; nothing is written where nothing is.
pub(super) async fn begin(
    conn: &mut db::Conn,
    app: &App,
    newsletter: &Newsletter,
    issue: &Issue,
    content: &IssueContent,
) -> Result<(), Error> {
    if !newsletter.rules.measure.is_on() {
        return Ok(());
    }
    let mut targets = vec![Target::hidden(links::issue(app, &newsletter.slug, issue.number))];
    targets.extend(render::links(content).into_iter().map(|link| Target {
        number: link.number,
        url: link.url,
        article_id: link.article_id,
    }));
    Ok(db::measuring::begin(conn, issue.id, newsletter.rules.measure, &targets).await?)
}

/// Where a link of an issue leads; none where it has no such link.
///
/// # Errors
/// The database does not say in time.
pub async fn target(app: &App, issue_id: i64, number: i64) -> Result<Option<String>, Error> {
    if let Some(urls) = app.visits.kept().urls.get(&issue_id) {
        return Ok(urls.get(&number).cloned());
    }
    let reading = async { db::measuring::targets(&mut *app.db.conn().await?, issue_id).await };
    let targets = tokio::time::timeout(PATIENCE, reading).await.unwrap_or(Err(db::DbError::Silent))?;
    if targets.is_empty() {
        return Ok(None);
    }
    let urls: BTreeMap<i64, String> = targets.into_iter().map(|target| (target.number, target.url)).collect();
    let url = urls.get(&number).cloned();
    let mut kept = app.visits.kept();
    if kept.urls.len() >= MOST_ISSUES {
        kept.urls.clear();
    }
    kept.urls.insert(issue_id, Arc::new(urls));
    Ok(url)
}

/// Notes a visit to a delivery's mail, and returns at once.
pub fn note(app: &App, delivery_id: i64, visit: Visit) {
    let mut kept = app.visits.kept();
    if kept.waiting.len() >= MOST_WAITING {
        tracing::warn!("visits come faster than they can be written: one is not counted");
        return;
    }
    kept.waiting.push((delivery_id, visit));
    if !std::mem::replace(&mut kept.is_writing, true) {
        let app = app.clone();
        tokio::spawn(async move { write_all(&app).await });
    }
}

/// Waits until every visit is written that was noted, for as long as that may take at the end of the service.
pub async fn settle(app: &App) {
    let settled = async {
        while app.visits.kept().is_writing {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(db::PATIENCE, settled).await.is_err() {
        tracing::warn!("some visits could not be written: they are not counted");
    }
}

async fn write_all(app: &App) {
    loop {
        let batch: Vec<_> = {
            let mut kept = app.visits.kept();
            let count = kept.waiting.len().min(BATCH);
            if count == 0 {
                kept.is_writing = false;
                return;
            }
            kept.waiting.drain(..count).collect()
        };
        for tries in 1..=TRIES {
            match tokio::time::timeout(db::PATIENCE, write(app, &batch)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) if tries == TRIES => {
                    tracing::error!(%error, visits = batch.len(), "visits cannot be written: they are not counted");
                }
                Err(_) if tries == TRIES => {
                    tracing::error!(
                        visits = batch.len(),
                        "the database takes no visits: they are not counted"
                    );
                }
                _ => tokio::time::sleep(REST).await,
            }
        }
    }
}

/// Writes visits and what they change in what is counted, in one transaction.
async fn write(app: &App, batch: &[(i64, Visit)]) -> Result<(), Error> {
    let mut ids: Vec<i64> = batch.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut tx = app.db.begin().await?;
    let mut changes = Changes::new();
    let mut changed = vec![];
    for delivery in db::measuring::visited(&mut tx, &ids).await? {
        let mut visits = delivery.visits.clone();
        for (_, visit) in batch.iter().filter(|(id, _)| *id == delivery.delivery_id) {
            add(&mut visits, *visit, delivery.sent_at);
        }
        let mut change = |counts: BTreeMap<i64, (i64, i64)>, sign: i64| {
            for (link, (people, programs)) in counts {
                let count = changes.entry((delivery.issue_id, link)).or_default();
                *count = (count.0 + sign * people, count.1 + sign * programs);
            }
        };
        change(counts(&delivery.visits), -1);
        change(counts(&visits), 1);
        let is_new = |visit: &Visit| !delivery.visits.contains(visit);
        changed.extend(visits.into_iter().filter(is_new).map(|visit| (delivery.delivery_id, visit)));
    }
    changes.retain(|_, change| *change != (0, 0));
    if !changed.is_empty() {
        db::measuring::write(&mut tx, &changed).await?;
    }
    if !changes.is_empty() {
        db::measuring::count(&mut tx, &changes).await?;
    }
    Ok(db::commit(tx).await?)
}

/// Writes down whether a reader asks not to be measured. What is recorded of them is forgotten then.
///
/// # Errors
/// [`Error::NotFound`] where they were erased.
pub async fn ask(app: &App, subscriber_id: i64, unmeasured: bool) -> Result<(), Error> {
    let now: Timestamp = app.clock.now();
    let mut tx = app.db.begin().await?;
    if db::subscribers::get(&mut tx, subscriber_id).await?.is_none() {
        return Err(Error::NotFound("nobody is known under this link any more".to_owned()));
    }
    db::measuring::set_unmeasured(&mut tx, subscriber_id, unmeasured, now).await?;
    if unmeasured {
        db::measuring::forget(&mut tx, subscriber_id).await?;
    }
    Ok(db::commit(tx).await?)
}
