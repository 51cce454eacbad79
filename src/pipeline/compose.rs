//! Compose: keeps the next issue of every schedule filled, freezes it at its cutoff, and sees to its approval.

use std::collections::HashMap;

use crate::db::articles::Article;
use crate::db::issues::NewDraft;
use crate::db::{self, Conn};
use crate::domain::article::IssueArticle;
use crate::domain::calendar::{Slot, Slots, Timestamp};
use crate::domain::composition::Field;
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::newsletter::{Approval, Newsletter, Order, Schedule};
use crate::pipeline::editors::{self, Note};

use super::{App, Error};

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The most slots of one schedule that one pass accounts for: a year of daily slots that nobody was there for.
const MOST_SLOTS: usize = 400;

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composed {
    pub frozen: Vec<i64>,
    pub approved: Vec<i64>,
    pub skipped: Vec<i64>,
}

/// One pass over every schedule and every issue that waits for its slot.
pub async fn compose(app: &App) -> Result<Composed, Error> {
    let mut done = Composed::default();
    let (newsletters, schedules) = {
        let mut conn = app.db.conn().await?;
        (db::newsletters::list(&mut conn).await?, db::newsletters::schedules(&mut conn).await?)
    };
    for newsletter in &newsletters {
        for schedule in
            schedules.iter().filter(|schedule| schedule.newsletter_id == newsletter.id && !schedule.paused)
        {
            // One that cannot be read or written must not keep the others from going out.
            if let Err(error) = compose_schedule(app, newsletter, schedule, &mut done).await {
                tracing::error!(newsletter = newsletter.slug, schedule = schedule.name, %error, "no issue was made");
            }
        }
    }
    let waiting = {
        let mut conn = app.db.conn().await?;
        db::issues::in_states(&mut conn, &[IssueState::Frozen]).await?
    };
    for issue in waiting {
        let Some(newsletter) = newsletters.iter().find(|newsletter| newsletter.id == issue.newsletter_id)
        else {
            continue;
        };
        if let Err(error) = see_to_approval(app, newsletter, &issue, &mut done).await {
            tracing::error!(issue = issue.id, %error, "an issue's approval could not be seen to");
        }
    }
    Ok(done)
}

async fn compose_schedule(
    app: &App,
    newsletter: &Newsletter,
    schedule: &Schedule,
    done: &mut Composed,
) -> Result<(), Error> {
    for _ in 0..MOST_SLOTS {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        db::newsletters::lock(&mut tx, newsletter.id).await?;
        let Some(draft) = ensure_draft(&mut tx, newsletter, schedule, now).await? else { return Ok(()) };
        if db::starts::of(&mut tx, draft.id).await?.is_some() {
            // An editor sends it now, as they saw it, and has time to take that back.
            db::commit(tx).await?;
            return Ok(());
        }
        let articles = fill(&mut tx, newsletter, &draft, Some(&schedule.slots)).await?;
        if now < draft.cutoff_at {
            db::commit(tx).await?;
            return Ok(());
        }
        match why_not(newsletter, &draft, articles.len(), now) {
            Some(reason) => {
                db::issues::advance(
                    &mut tx,
                    draft.id,
                    IssueState::Draft,
                    IssueState::Skipped,
                    Some(&reason),
                    now,
                )
                .await?;
                done.skipped.push(draft.id);
            }
            None => {
                freeze(&mut tx, newsletter, &draft, articles, now).await?;
                done.frozen.push(draft.id);
            }
        }
        db::commit(tx).await?;
    }
    Ok(())
}

/// Why a draft whose cutoff has come does not go out.
fn why_not(newsletter: &Newsletter, draft: &Issue, articles: usize, now: Timestamp) -> Option<String> {
    if is_too_late(newsletter, draft, now) {
        return Some(missed(newsletter));
    }
    let fewest = newsletter.rules.min_articles;
    (i64::try_from(articles).unwrap_or(i64::MAX) < fewest).then(|| {
        match articles {
            0 => format!("no article had come, and it goes out with {fewest} or more"),
            1 => format!("1 article had come, and it goes out with {fewest} or more: it waits for the next issue"),
            many => {
                format!("{many} articles had come, and it goes out with {fewest} or more: they wait for the next issue")
            }
        }
    })
}

pub(super) fn is_too_late(newsletter: &Newsletter, issue: &Issue, now: Timestamp) -> bool {
    now > issue.slot_at.plus_millis(newsletter.rules.grace() * MINUTE)
}

pub(super) fn missed(newsletter: &Newsletter) -> String {
    format!(
        "missed: the service was not running at the slot, nor in the {} minutes of grace after it; the articles wait \
         for the next issue",
        newsletter.rules.grace()
    )
}

/// When content freezes for a slot.
pub(super) fn cutoff_of(newsletter: &Newsletter, slot_at: Timestamp) -> Timestamp {
    slot_at.plus_millis(-newsletter.rules.cutoff_minutes * MINUTE)
}

/// The schedule's draft, made or moved to where its next slot is now.
pub(super) async fn ensure_draft(
    conn: &mut Conn,
    newsletter: &Newsletter,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Option<Issue>, Error> {
    let forgotten = db::issues::forget_skipped_ahead(conn, schedule.id, now).await?;
    if forgotten > 0 {
        tracing::warn!(
            schedule = schedule.id,
            forgotten,
            "slots to come had been skipped by a clock that was ahead"
        );
    }
    let Some(slot) = next_slot(conn, schedule).await? else { return Ok(None) };
    let cutoff_at = cutoff_of(newsletter, slot.at);
    match db::issues::draft_of(conn, newsletter.id, Some(schedule.id)).await? {
        Some(draft) if draft.slot_at == slot.at && draft.cutoff_at == cutoff_at => Ok(Some(draft)),
        // An editor gave it another time: that holds as long as the schedule's own is the one that it was then.
        Some(draft) if draft.moved_from == Some(slot.at) => {
            let cutoff_at = cutoff_of(newsletter, draft.slot_at);
            db::issues::set_draft_time(conn, draft.id, draft.slot_at, cutoff_at, draft.moved_from).await?;
            Ok(Some(Issue { cutoff_at, ..draft }))
        }
        Some(draft) => {
            db::issues::move_draft(conn, draft.id, slot.at, slot.date, cutoff_at).await?;
            Ok(db::issues::get(conn, draft.id).await?)
        }
        None => {
            let draft = NewDraft {
                newsletter_id: newsletter.id,
                schedule_id: Some(schedule.id),
                slot_at: slot.at,
                slot_date: slot.date,
                cutoff_at,
            };
            match db::issues::insert_draft(conn, &draft, now).await? {
                Some(id) => Ok(db::issues::get(conn, id).await?),
                None => Ok(None),
            }
        }
    }
}

/// The first slot of a schedule that no issue was frozen for, or skipped.
pub(super) async fn next_slot(conn: &mut Conn, schedule: &Schedule) -> Result<Option<Slot>, Error> {
    let last = db::issues::last_slot(conn, schedule.id).await?;
    let after = last.map_or(schedule.starts_at, |(slot, _)| slot.max(schedule.starts_at));
    Ok(schedule.slots.next(after, last.map(|(_, date)| date)))
}

/// Puts into a draft what belongs there now, and returns it in order. What an editor has touched stays as it is: what
/// came since waits beside it.
pub(super) async fn fill(
    conn: &mut Conn,
    newsletter: &Newsletter,
    draft: &Issue,
    slots: Option<&Slots>,
) -> Result<Vec<Article>, Error> {
    if draft.edited {
        let mut articles = db::articles::of_issue(conn, draft.id).await?;
        articles.retain(|article| !article.held);
        return Ok(articles);
    }
    let oldest = oldest(conn, newsletter, draft, slots).await?;
    let candidates = db::articles::candidates(conn, newsletter.id, draft.schedule_id, oldest).await?;
    let articles = arrange(candidates, newsletter.rules.order, newsletter.rules.max_articles);
    let ids: Vec<i64> = articles.iter().map(|article| article.id).collect();
    db::issues::fill(conn, draft.id, &ids).await?;
    Ok(articles)
}

/// Fills the drafts of a newsletter that nobody has touched, now: an article was added, held or pinned.
pub(super) async fn refill(conn: &mut Conn, newsletter: &Newsletter) -> Result<(), Error> {
    let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
    for draft in db::issues::drafts_of(conn, newsletter.id).await? {
        if db::starts::of(conn, draft.id).await?.is_some() {
            // An editor sends it now, as they saw it.
            continue;
        }
        let schedule = schedules.iter().find(|schedule| Some(schedule.id) == draft.schedule_id);
        fill(conn, newsletter, &draft, schedule.map(|schedule| &schedule.slots)).await?;
    }
    Ok(())
}

/// What an article must be as fresh as. Without a rule: all that came since content last froze on this schedule (or
/// since its first issue began to fill, where none has), and at least since a day before the slot before, so that what
/// a skipped issue left behind goes out with the next.
pub(super) async fn oldest(
    conn: &mut Conn,
    newsletter: &Newsletter,
    draft: &Issue,
    slots: Option<&Slots>,
) -> Result<Timestamp, Error> {
    if let Some(hours) = newsletter.rules.max_age_hours {
        return Ok(draft.slot_at.plus_millis(-hours * HOUR));
    }
    let gap = slots.map_or(7, |slots| slots.recurrence.longest_gap_days());
    let slot_before = |slot: Timestamp| slot.plus_millis(-gap * DAY);
    let since = match db::issues::last_frozen(conn, newsletter.id, draft.schedule_id).await? {
        Some(last) => Some(last),
        None => db::issues::first_slot(conn, newsletter.id, draft.schedule_id).await?.map(slot_before),
    };
    let before = slot_before(draft.slot_at);
    Ok(since.map_or(before, |since| since.min(before)).plus_millis(-DAY))
}

/// Pinned articles first, then by the newsletter's order, and no more than `most`.
fn arrange(candidates: Vec<Article>, order: Order, most: i64) -> Vec<Article> {
    let (mut articles, mut rest): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|article| article.pinned);
    match order {
        Order::Newest => {}
        Order::Oldest => {
            // The newest are chosen, and then told in the order in which they happened.
            let room = usize::try_from(most).unwrap_or(0).saturating_sub(articles.len());
            rest.truncate(room);
            rest.reverse();
        }
        Order::Sources => rest = take_turns(rest),
    }
    articles.append(&mut rest);
    articles.truncate(usize::try_from(most).unwrap_or(0));
    articles
}

/// One article of each source in turn; within a source, and among the sources' firsts, as they came.
fn take_turns(articles: Vec<Article>) -> Vec<Article> {
    let mut rounds: HashMap<Option<i64>, usize> = HashMap::new();
    let mut numbered: Vec<(usize, Article)> = articles
        .into_iter()
        .map(|article| {
            let round = rounds.entry(article.source_id).or_default();
            *round += 1;
            (*round, article)
        })
        .collect();
    numbered.sort_by_key(|(round, _)| *round);
    numbered.into_iter().map(|(_, article)| article).collect()
}

/// Freezes a draft with these articles: what is sent is this.
pub(super) async fn freeze(
    conn: &mut Conn,
    newsletter: &Newsletter,
    draft: &Issue,
    articles: Vec<Article>,
    now: Timestamp,
) -> Result<(), Error> {
    let content = content(conn, newsletter, draft, articles).await?;
    let number = db::newsletters::next_number(conn, newsletter.id).await?;
    db::issues::freeze(conn, draft.id, number, &content, now).await?;
    Ok(())
}

/// What an issue with these articles holds, as it would be frozen now.
pub(super) async fn content(
    conn: &mut Conn,
    newsletter: &Newsletter,
    draft: &Issue,
    articles: Vec<Article>,
) -> Result<IssueContent, Error> {
    let ids: Vec<i64> = articles.iter().map(|article| article.id).collect();
    let mut also = db::articles::also_at(conn, &ids).await?;
    let composition = db::composing::composition(conn, draft).await?;
    let section_of: HashMap<i64, String> = std::iter::zip(&composition.places, composition.sections())
        .filter_map(|(place, section)| Some((place.article_id, section?.to_owned())))
        .collect();
    let own = |field: Field| composition.own(field).map(str::to_owned);
    let articles = articles
        .into_iter()
        .map(|article| IssueArticle {
            id: article.id,
            reading_minutes: reading_minutes(article.body_chars),
            also: also.remove(&article.id).unwrap_or_default(),
            headline: own(Field::Headline(article.id)).unwrap_or(article.title),
            summary: own(Field::Summary(article.id)).unwrap_or(article.summary),
            section: section_of.get(&article.id).filter(|_| draft.edited).cloned(),
            url: article.url,
            image_url: article.image_url,
            image_alt: own(Field::Alt(article.id)).or(article.image_alt),
            source: article.source,
            author: article.author,
            language: article.language,
            published_at: article.published_at,
            topics: article.topics,
        })
        .collect();
    Ok(IssueContent {
        articles,
        topics: db::newsletters::topics(conn, newsletter.id).await?,
        subject: draft.subject.clone().unwrap_or_else(|| newsletter.rules.subject.clone()),
        preheader: draft.preheader.clone().unwrap_or_else(|| newsletter.rules.preheader.clone()),
        introduction: draft.introduction.clone(),
        laid_out: draft.edited,
        has_notation: true,
        out: vec![],
    })
}

/// Minutes to read a story: some 1,200 characters a minute (200 words of six), tags included; 0 for what is no longer
/// than a summary.
fn reading_minutes(body_chars: i64) -> u32 {
    if body_chars < 600 { 0 } else { u32::try_from((body_chars + 600) / 1200).unwrap_or(0).max(1) }
}

/// Approves a frozen issue that needs nobody's word, tells the editors about one that does, and skips one that nobody
/// approved in time.
async fn see_to_approval(
    app: &App,
    newsletter: &Newsletter,
    seen: &Issue,
    done: &mut Composed,
) -> Result<(), Error> {
    let now = app.clock.now();
    // Most of the time an issue waits for its slot and everybody knows: no reason to hold a writer up.
    if let Todo::Tell(note) = todo(newsletter, seen, now)
        && editors::was_told(&mut *app.db.conn().await?, newsletter, seen, note).await?
    {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    // Read anew: an editor may have held it at this moment.
    let Some(issue) =
        db::issues::lock(&mut tx, seen.id).await?.filter(|issue| issue.state == IssueState::Frozen)
    else {
        return Ok(());
    };
    if db::starts::of(&mut tx, issue.id).await?.is_some() {
        return Ok(());
    }
    match todo(newsletter, &issue, now) {
        Todo::Nothing => {}
        Todo::Tell(note) => editors::tell(&mut tx, app, newsletter, &issue, note).await?,
        Todo::Approve => {
            db::issues::advance(&mut tx, issue.id, IssueState::Frozen, IssueState::Approved, None, now)
                .await?;
            done.approved.push(issue.id);
        }
        Todo::Skip(reason) => {
            let reason = Some(reason);
            db::issues::advance(&mut tx, issue.id, IssueState::Frozen, IssueState::Skipped, reason, now)
                .await?;
            done.skipped.push(issue.id);
        }
    }
    db::commit(tx).await?;
    Ok(())
}

/// What is to be done about a frozen issue.
enum Todo {
    Nothing,
    Approve,
    Skip(&'static str),
    Tell(Note),
}

fn todo(newsletter: &Newsletter, issue: &Issue, now: Timestamp) -> Todo {
    let is_due = now >= issue.slot_at;
    match (newsletter.rules.approval, issue.held) {
        (_, true) if is_too_late(newsletter, issue, now) => {
            Todo::Skip("an editor held it, and let it go too late; the articles wait for the next issue")
        }
        _ if is_too_late(newsletter, issue, now) => {
            Todo::Skip("no editor approved it in time; the articles wait for the next issue")
        }
        (_, true) if is_due => Todo::Tell(Note::Held),
        (Approval::Automatic, true) => Todo::Nothing,
        (Approval::Automatic, false) => Todo::Approve,
        (Approval::UnlessHeld, false) if is_due => Todo::Approve,
        (Approval::UnlessHeld | Approval::Required, _) => Todo::Tell(Note::Ready),
    }
}
