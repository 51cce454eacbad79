//! One save of an issue: what an editor wrote and moved, and what taking a step back brings again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::newsletters::parse_line;
use super::super::{App, Error, compose, editors, revising, too_long};
use super::{By, MOST_ARTICLES, articles_own, by_id, current, newsletter_of, shorten};
use crate::db::articles::Article;
use crate::db::composing::Step;
use crate::db::{self, Conn};
use crate::domain::composition::{self, Composition, Field, Item, Layout, Place, YES};
use crate::domain::introduction;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::topic::Topic;
use crate::sources::text::fold;

/// What an editor does besides writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Move(Item, isize),
    Put(i64),
    TakeOut(i64),
    RemoveHeading(i64),
    /// Lets articles go in by themselves again, in the newsletter's order.
    FillAgain,
}

/// One save of the editor's page.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The version that the editor saw.
    pub version: i64,
    /// Where things stand, as the editor saw it.
    pub layout: Layout,
    /// The texts that the editor changed, headings aside.
    pub texts: BTreeMap<Field, String>,
    pub act: Option<Act>,
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is the issue's next version; what was done, in words.
    Changed {
        version: i64,
        what: String,
    },
    Unchanged,
    /// Not applied: the issue was changed since that version.
    Stale,
    /// Not applied: the issue no longer changes.
    Closed,
}

/// What is wrong with texts before they are saved: each with a sentence that says what to do.
pub fn problems(app: &App, texts: &BTreeMap<Field, String>) -> Vec<(Field, String)> {
    texts.iter().filter_map(|(field, text)| problem(app, *field, text).map(|says| (*field, says))).collect()
}

fn problem(app: &App, field: Field, text: &str) -> Option<String> {
    if let Some(says) = too_long(text, field.limit()) {
        return Some(says);
    }
    let line = match field {
        Field::Subject => "subject",
        Field::Preheader => "preheader",
        Field::Introduction => return introduction::problem(text),
        _ => return None,
    };
    match parse_line(app, line, text) {
        Err(Error::Invalid(says)) => Some(says),
        _ => None,
    }
}

fn refuse_problems(app: &App, texts: &BTreeMap<Field, String>) -> Result<(), Error> {
    match problems(app, texts).into_iter().next() {
        Some((field, says)) => Err(Error::Invalid(format!("{field}: {says}"))),
        None => Ok(()),
    }
}

/// The issue, which nobody else changes or lets go before the transaction ends; none where it no longer changes.
async fn find_open(tx: &mut Conn, id: i64) -> Result<Option<Issue>, Error> {
    editors::find_issue_alone(tx, id).await?;
    let issue = editors::lock_issue(tx, id).await?;
    let newsletter = newsletter_of(tx, &issue).await?;
    Ok(Some(issue).filter(|issue| issue.may_change(newsletter.rules.approval)))
}

/// Applies an edit to an issue that may still change.
///
/// # Errors
/// `Invalid` where a text has one of the [`problems`], or the issue would hold too much.
pub async fn edit(app: &App, by: By<'_>, id: i64, edit: &Edit) -> Result<Done, Error> {
    refuse_problems(app, &edit.texts)?;
    let mut tx = app.db.begin().await?;
    let Some(issue) = find_open(&mut tx, id).await? else { return Ok(Done::Closed) };
    may_change(&mut tx, id).await?;
    if issue.version != edit.version {
        return Ok(Done::Stale);
    }
    let (before, there) = current(&mut tx, &issue).await?;
    let mut known = known(&mut tx, &issue, &before, edit).await?;
    if issue.state == IssueState::Frozen {
        // What it was frozen with stays until an editor takes it out, also where it is held meanwhile.
        known.extend(there);
    }
    let topics = db::newsletters::topics(&mut tx, issue.newsletter_id).await?;
    let mut after = before.clone();
    after.edited = true;
    let layout = layout(edit, &before, &topics)?;
    after.lay_out(&layout, &|id| known.contains_key(&id));
    match edit.act {
        None => {}
        Some(Act::Move(item, by)) => {
            let mut items = after.items();
            composition::shift(&mut items, item, by);
            after.arrange(&items);
        }
        Some(Act::Put(id)) => {
            let article = known.get(&id).ok_or_else(|| {
                Error::Invalid("this article is held, or of another newsletter: it cannot go in".to_owned())
            })?;
            let labels = topics.iter().filter(|topic| article.topics.contains(topic));
            after.put(id, &labels.map(|topic| topic.name.clone()).collect::<Vec<_>>());
            // It comes back with what somebody wrote above it before it was taken out.
            if let Some(Some(heading)) = layout.headings.get(&id).filter(|_| !after.leads(id)) {
                after.set(Field::Heading(id), Some(heading.clone()).filter(|text| !text.is_empty()));
            }
        }
        Some(Act::TakeOut(id)) => after.take_out(id),
        // It has gone from the layout.
        Some(Act::RemoveHeading(_)) => {}
        Some(Act::FillAgain) if issue.state == IssueState::Frozen => {
            return Err(Error::Invalid(
                "the issue is frozen, and no longer fills by itself: put in what is missing".to_owned(),
            ));
        }
        Some(Act::FillAgain) => after.edited = false,
    }
    write_texts(app, &mut after, &edit.texts, &known)?;
    finish(app, tx, by, &issue, &before, after, None).await
}

/// That an issue is not about to go out: what an editor sends is what they saw.
pub(super) async fn may_change(tx: &mut Conn, id: i64) -> Result<(), Error> {
    match db::starts::of(tx, id).await? {
        None => Ok(()),
        Some(_) => Err(Error::Invalid(
            "this issue is about to go out, and no longer changes: take it back first, on its page “Send”"
                .to_owned(),
        )),
    }
}

/// The articles that an edit may name: those of the issue, and any other of its newsletter that nobody holds.
async fn known(
    conn: &mut Conn,
    issue: &Issue,
    before: &Composition,
    edit: &Edit,
) -> Result<HashMap<i64, Article>, Error> {
    let mut ids: HashSet<i64> = before.places.iter().map(|place| place.article_id).collect();
    ids.extend(edit.layout.items.iter().filter_map(|item| match item {
        Item::Article(id) => Some(*id),
        Item::Heading(_) => None,
    }));
    ids.extend(match edit.act {
        Some(Act::Put(id)) => Some(id),
        _ => None,
    });
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut found = db::articles::of_ids(conn, issue.newsletter_id, &ids).await?;
    found.retain(|article| !article.held);
    Ok(by_id(found))
}

/// Where things stand, as the editor saw it, with headings as they are stored. Only what an editor writes is bound to be
/// short: topics may have longer names.
fn layout(edit: &Edit, before: &Composition, topics: &[Topic]) -> Result<Layout, Error> {
    let mut layout = edit.layout.clone();
    if let Some(Act::RemoveHeading(id)) = edit.act {
        layout.remove_heading(id);
    }
    let most = Field::Heading(0).limit();
    for text in layout.headings.values_mut().flatten() {
        *text = fold(text);
        let is_there = |place: &Place| place.heading.as_ref() == Some(text);
        if text.chars().count() > most
            && !before.places.iter().any(is_there)
            && !topics.iter().any(|topic| topic.name == *text)
        {
            return Err(Error::Invalid(format!("a heading has {most} characters at most: shorten it")));
        }
    }
    Ok(layout)
}

fn write_texts(
    app: &App,
    after: &mut Composition,
    texts: &BTreeMap<Field, String>,
    articles: &HashMap<i64, Article>,
) -> Result<(), Error> {
    for (field, text) in texts {
        let written = match field {
            Field::Heading(_) => continue,
            Field::Introduction => Some(text.trim().to_owned()),
            Field::Subject => Some(parse_line(app, "subject", text)?).filter(|line| !line.is_empty()),
            Field::Preheader => Some(parse_line(app, "preheader", text)?).filter(|line| !line.is_empty()),
            // No headline is the article's own; no summary is none.
            Field::Headline(_) => Some(fold(text)).filter(|text| !text.is_empty()),
            Field::Summary(_) => Some(fold(text)),
            Field::Alt(_) => Some(fold(text)).filter(|text| !text.is_empty()),
            // Who writes what it shows means that.
            Field::Decorative(id)
                if texts.get(&Field::Alt(*id)).is_some_and(|alt| !alt.trim().is_empty()) =>
            {
                continue;
            }
            Field::Decorative(_) => (!text.is_empty()).then(|| YES.to_owned()),
        };
        let is_own = written.as_deref() == articles_own(articles, *field);
        after.set(*field, written.filter(|_| !is_own));
    }
    Ok(())
}

/// Writes what an edit made of an issue as its next version, with a step and an entry in the audit log.
async fn finish(
    app: &App,
    mut tx: db::Tx,
    by: By<'_>,
    issue: &Issue,
    before: &Composition,
    after: Composition,
    what: Option<String>,
) -> Result<Done, Error> {
    let done = write(app, &mut tx, by, issue, before, after, what).await?;
    db::commit(tx).await?;
    Ok(done)
}

pub(super) async fn write(
    app: &App,
    conn: &mut Conn,
    by: By<'_>,
    issue: &Issue,
    before: &Composition,
    after: Composition,
    what: Option<String>,
) -> Result<Done, Error> {
    if after.places.len() > MOST_ARTICLES {
        return Err(Error::Invalid(format!(
            "the issue would hold {} articles, and {MOST_ARTICLES} is the most: take some out first",
            after.places.len()
        )));
    }
    let newsletter = newsletter_of(conn, issue).await?;
    let said = match what {
        Some(what) => what,
        None => {
            let ids: Vec<i64> =
                before.places.iter().chain(&after.places).map(|place| place.article_id).collect();
            let articles = by_id(db::articles::of_ids(conn, issue.newsletter_id, &ids).await?);
            let title = |id: i64| {
                let title = articles.get(&id).map_or("an article", |article| article.title.as_str());
                shorten(title)
            };
            composition::difference(before, &after, &title).join("; ")
        }
    };
    if said.is_empty() {
        return Ok(Done::Unchanged);
    }
    let version = db::composing::write(conn, issue.id, &after).await?;
    let step = Step { version, at: app.clock.now(), who: by.name(), what: said.clone() };
    db::composing::note(conn, issue.id, &step, before).await?;
    if issue.state == IssueState::Frozen {
        revising::freeze_again(conn, &newsletter, issue.id, before).await?;
        leave_drafts(app, conn, by, issue, before, &after).await?;
        compose::refill(conn, &newsletter).await?;
    } else if before.edited && !after.edited {
        let draft = Issue { edited: false, ..issue.clone() };
        let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
        let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
        compose::fill(conn, &newsletter, &draft, schedule.map(|schedule| &schedule.slots)).await?;
    }
    let what = format!("issue {} of {}: {said}", issue.id, newsletter.name);
    by.actor().note_of(app, conn, "issue.edit", &what, Some(newsletter.id)).await?;
    Ok(Done::Changed { version, what: said })
}

/// Takes what came into a frozen issue out of the schedule's drafts that editors have touched, by a step of their own:
/// nobody gets an article twice. Those that nobody has touched let it go when they fill.
async fn leave_drafts(
    app: &App,
    conn: &mut Conn,
    by: By<'_>,
    issue: &Issue,
    before: &Composition,
    after: &Composition,
) -> Result<(), Error> {
    let came = after.places.iter().map(|place| place.article_id).filter(|id| before.place(*id).is_none());
    let came: Vec<i64> = came.collect();
    if came.is_empty() {
        return Ok(());
    }
    for draft in db::issues::drafts_of(conn, issue.newsletter_id).await? {
        if draft.schedule_id != issue.schedule_id {
            continue;
        }
        let places = db::composing::places(conn, draft.id).await?;
        if !places.iter().any(|place| came.contains(&place.article_id)) {
            continue;
        }
        if db::starts::of(conn, draft.id).await?.is_some() {
            return Err(Error::Invalid(
                "this article is in the next issue, which is about to go out: take that back first, on its page \
                 “Send”"
                    .to_owned(),
            ));
        }
        if draft.edited {
            let (was, _) = current(conn, &draft).await?;
            let mut left = was.clone();
            for id in &came {
                left.take_out(*id);
            }
            Box::pin(write(app, conn, by, &draft, &was, left, None)).await?;
        }
    }
    Ok(())
}

/// Puts an article into an issue, or takes it out, as the issue stands now.
///
/// # Errors
/// `Invalid` where the issue no longer changes, or the article is held or of another newsletter.
pub async fn put(app: &App, by: By<'_>, id: i64, act: Act) -> Result<Done, Error> {
    let version = editors::find_issue(&mut *app.db.conn().await?, id).await?.version;
    match edit(app, by, id, &Edit { version, act: Some(act), ..Edit::default() }).await? {
        Done::Closed => Err(Error::Invalid("this issue no longer changes: its content is frozen".to_owned())),
        Done::Stale => Err(Error::Invalid("somebody changed the issue at this moment: try again".to_owned())),
        done => Ok(done),
    }
}

/// Goes back to what an issue was before a step. Without the version that the editor saw, only the last step is taken
/// back.
///
/// # Errors
/// `NotFound` where the step is no longer kept.
pub async fn undo(app: &App, by: By<'_>, id: i64, step: i64, seen: Option<i64>) -> Result<Done, Error> {
    let mut tx = app.db.begin().await?;
    let Some(issue) = find_open(&mut tx, id).await? else { return Ok(Done::Closed) };
    may_change(&mut tx, id).await?;
    if issue.version != seen.unwrap_or(step) {
        return Ok(Done::Stale);
    }
    let (undone, mut after) = db::composing::step_back(&mut tx, id, step)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {id} has no step {step} any more")))?;
    let (before, stands) = current(&mut tx, &issue).await?;
    let ids: Vec<i64> = after.places.iter().map(|place| place.article_id).collect();
    let there = db::articles::of_ids(&mut tx, issue.newsletter_id, &ids).await?;
    // What is held meanwhile stays out, and leaves its section's heading behind; what it was frozen with stays in.
    // What has gone into another issue of the schedule since is not sent twice.
    let is_frozen = issue.state == IssueState::Frozen;
    for id in ids {
        let may_stand = is_frozen && stands.contains_key(&id)
            || there.iter().any(|article| article.id == id && !article.held)
                && (before.place(id).is_some()
                    || !db::articles::has_gone_out(&mut tx, id, issue.schedule_id).await?);
        if !may_stand {
            after.take_out(id);
        }
    }
    let what = format!("went back to before {} {}", whose(&undone, by), undone.what);
    finish(app, tx, by, &issue, &before, after, Some(what)).await
}

fn whose(step: &Step, by: By<'_>) -> String {
    if step.who == by.name() { "they".to_owned() } else { step.who.clone() }
}

/// Writes an issue's introduction, subject and preheader while it may change, and leaves its articles to come and go as
/// they do; none leaves what is there, an empty subject or preheader goes back to the newsletter's line.
///
/// # Errors
/// `Invalid` where a text has one of the [`problems`], or the issue no longer changes.
pub async fn write_words(
    app: &App,
    by: By<'_>,
    id: i64,
    words: &BTreeMap<Field, String>,
) -> Result<(), Error> {
    refuse_problems(app, words)?;
    let mut tx = app.db.begin().await?;
    let Some(issue) = find_open(&mut tx, id).await? else {
        let state = editors::find_issue(&mut tx, id).await?.state;
        return Err(Error::Invalid(format!(
            "issue {id} is {}: its words no longer change{}",
            state.as_str(),
            match state {
                IssueState::Frozen | IssueState::Approved => {
                    format!(", unless it is held first: `daybreak issue hold {id}`")
                }
                _ => String::new(),
            }
        )));
    };
    may_change(&mut tx, id).await?;
    let mut before = db::composing::composition(&mut tx, &issue).await?;
    if issue.state == IssueState::Frozen {
        let mut articles = db::articles::of_issue(&mut tx, id).await?;
        revising::frozen(&mut tx, &issue, &mut before, &mut articles).await?;
    }
    let mut after = before.clone();
    write_texts(app, &mut after, words, &HashMap::new())?;
    finish(app, tx, by, &issue, &before, after, None).await.map(drop)
}
