//! What editors do to articles themselves, whatever issue they are in.

use super::super::{App, Error, articles, compose, editors, revising, too_long};
use super::edit::{may_change, write};
use super::{By, MOST_ARTICLES, current, newsletter_of, shorten};
use crate::db;
use crate::db::articles::Article;
use crate::domain::article::{ALT_CHARS, FoundArticle};
use crate::domain::issue::IssueState;
use crate::domain::newsletter::Newsletter;
use crate::sources::text::fold;

/// Keeps an article out of issues, or lets it in again; puts it at the top, or takes it from there. Drafts follow, those
/// that editors have touched by a step of their own.
pub async fn flag(
    app: &App,
    by: By<'_>,
    id: i64,
    held: Option<bool>,
    pinned: Option<bool>,
) -> Result<Article, Error> {
    let mut tx = app.db.begin().await?;
    let newsletter_id = articles::find(&mut tx, id).await?.newsletter_id;
    db::newsletters::lock(&mut tx, newsletter_id).await?;
    let before = articles::find(&mut tx, id).await?;
    let (is_held, is_pinned) = (held.unwrap_or(before.held), pinned.unwrap_or(before.pinned));
    for (_, issue_id) in db::articles::standing(&mut tx, &[id]).await? {
        may_change(&mut tx, issue_id).await?;
    }
    db::articles::set_flags(&mut tx, id, is_held, is_pinned).await?;
    for draft in db::issues::drafts_of(&mut tx, newsletter_id).await? {
        if !draft.edited || db::starts::of(&mut tx, draft.id).await?.is_some() {
            continue;
        }
        let (was, _) = current(&mut tx, &draft).await?;
        let mut after = was.clone();
        if is_held {
            after.take_out(id);
        } else if is_pinned
            && !before.pinned
            // One that is full stays as it is: an editor chooses what to take out for it.
            && (after.place(id).is_some() || after.places.len() < MOST_ARTICLES)
            && !db::articles::has_gone_out(&mut tx, id, draft.schedule_id).await?
        {
            after.lead_with(id);
        }
        write(app, &mut tx, by, &draft, &was, after, None).await?;
    }
    let newsletter = db::newsletters::get(&mut tx, newsletter_id).await?;
    if let Some(newsletter) = &newsletter {
        compose::refill(&mut tx, newsletter).await?;
    }
    let action = match (held, pinned) {
        (Some(true), _) => "article.hold",
        (Some(false), _) => "article.release",
        (None, Some(true)) => "article.pin",
        (None, _) => "article.unpin",
    };
    let what = format!("article {id}, {}", shorten(&before.title));
    by.actor().note_of(app, &mut tx, action, &what, Some(newsletter_id)).await?;
    let article = articles::find(&mut tx, id).await?;
    db::commit(tx).await?;
    Ok(article)
}

/// Parts an article from the story it was taken for a telling of (none), or puts it back there.
///
/// # Errors
/// `Invalid` where the story is another newsletter's, or is itself told by another article, or the article is told by
/// others.
pub async fn set_story(app: &App, by: By<'_>, id: i64, story_id: Option<i64>) -> Result<Article, Error> {
    let mut tx = app.db.begin().await?;
    let newsletter_id = articles::find(&mut tx, id).await?.newsletter_id;
    db::newsletters::lock(&mut tx, newsletter_id).await?;
    let article = articles::find(&mut tx, id).await?;
    if let Some(story_id) = story_id {
        let story = articles::find(&mut tx, story_id).await?;
        let is_told = !db::articles::tellings(&mut tx, &[id]).await?.is_empty();
        if story.newsletter_id != newsletter_id || story.story_id.is_some() || story_id == id || is_told {
            return Err(Error::Invalid("These two can no longer be told as one story.".to_owned()));
        }
    }
    db::articles::set_story(&mut tx, id, story_id).await?;
    if let Some(newsletter) = db::newsletters::get(&mut tx, article.newsletter_id).await? {
        compose::refill(&mut tx, &newsletter).await?;
    }
    let what = format!("article {id}, {}", shorten(&article.title));
    let action = if story_id.is_some() { "article.join" } else { "article.part" };
    by.actor().note_of(app, &mut tx, action, &what, Some(article.newsletter_id)).await?;
    let article = articles::find(&mut tx, id).await?;
    db::commit(tx).await?;
    Ok(article)
}

/// Adds an article that an editor brought, and lets drafts that nobody has touched take it in.
pub async fn add(
    app: &App,
    by: By<'_>,
    newsletter: &Newsletter,
    found: &FoundArticle,
    topics: &[String],
) -> Result<articles::Added, Error> {
    let mut tx = app.db.begin().await?;
    db::newsletters::lock(&mut tx, newsletter.id).await?;
    let added = articles::add_in(app, &mut tx, newsletter, found, topics).await?;
    compose::refill(&mut tx, newsletter).await?;
    if let articles::Added::New(article) = &added {
        let what = format!("article {}, {}", article.id, shorten(&article.title));
        by.actor().note_of(app, &mut tx, "article.add", &what, Some(newsletter.id)).await?;
    }
    db::commit(tx).await?;
    Ok(added)
}

/// What an article's picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alt<'w> {
    /// In these words; none at all: what the source says.
    Words(&'w str),
    /// It is decorative: nothing needs to be said.
    Decorative,
}

/// Writes what an article's picture shows, for every issue that does not say it in its own words.
///
/// # Errors
/// `Invalid` where the words are too long, or the article is in an issue that is about to go out.
pub async fn describe(app: &App, by: By<'_>, id: i64, alt: Alt<'_>) -> Result<Article, Error> {
    let words = match alt {
        Alt::Words(words) => Some(fold(words)).filter(|words| !words.is_empty()),
        Alt::Decorative => Some(String::new()),
    };
    if let Some(says) = too_long(words.as_deref().unwrap_or_default(), ALT_CHARS) {
        return Err(Error::Invalid(says));
    }
    let mut tx = app.db.begin().await?;
    let article = articles::find(&mut tx, id).await?;
    db::newsletters::lock(&mut tx, article.newsletter_id).await?;
    let standing = db::articles::standing(&mut tx, &[id]).await?;
    for (_, issue_id) in &standing {
        may_change(&mut tx, *issue_id).await?;
    }
    db::articles::write_alt(&mut tx, id, words.as_deref()).await?;
    let article = articles::find(&mut tx, id).await?;
    for (_, issue_id) in standing {
        if editors::find_issue(&mut tx, issue_id).await?.state != IssueState::Frozen {
            continue;
        }
        let issue = editors::lock_issue(&mut tx, issue_id).await?;
        let approval = newsletter_of(&mut tx, &issue).await?.rules.approval;
        if issue.state == IssueState::Frozen && issue.may_change(approval) {
            revising::describe(&mut tx, &issue, &article).await?;
        }
    }
    let what = format!("article {id}, {}", shorten(&article.title));
    by.actor().note_of(app, &mut tx, "article.describe", &what, Some(article.newsletter_id)).await?;
    db::commit(tx).await?;
    Ok(article)
}
