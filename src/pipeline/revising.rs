//! Changing an issue whose content is frozen: what an editor does not touch stays word for word as it was frozen,
//! whatever its sources wrote since.

use crate::db::articles::Article;
use crate::db::{self, Conn};
use crate::domain::article::IssueArticle;
use crate::domain::composition::Composition;
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::newsletter::Newsletter;
use crate::domain::topic::Topic;

use super::{Error, compose, composing, editors};

/// What a frozen issue holds, and its composition with the same articles; returns the topics that it was frozen with.
pub(super) async fn frozen(
    conn: &mut Conn,
    issue: &Issue,
    composition: &mut Composition,
    articles: &mut Vec<Article>,
) -> Result<Vec<Topic>, Error> {
    let content = content(conn, issue).await?;
    // What was held when it froze is not in it.
    articles.retain(|article| content.articles.iter().any(|frozen| frozen.id == article.id));
    let ids: Vec<i64> = composition.places.iter().map(|place| place.article_id).collect();
    for id in ids.into_iter().filter(|id| !articles.iter().any(|article| article.id == *id)) {
        composition.take_out(id);
    }
    restore(articles, composition, &content);
    Ok(content.topics)
}

/// What was frozen of an article that is in the issue, or was before an editor took it out.
fn frozen_as(content: &IssueContent, id: i64) -> Option<&IssueArticle> {
    content.articles.iter().chain(&content.out).find(|frozen| frozen.id == id)
}

async fn content(conn: &mut Conn, issue: &Issue) -> Result<IssueContent, Error> {
    db::issues::content(conn, issue.id)
        .await?
        .ok_or_else(|| Error::Invalid(format!("issue {} is frozen and has no content", issue.id)))
}

/// Gives articles what was frozen of them. An editor's own words are not the article's: behind it stands
/// what the article says now.
fn restore(articles: &mut [Article], before: &Composition, content: &IssueContent) {
    for article in articles {
        let Some(frozen) = frozen_as(content, article.id) else { continue };
        let place = before.place(article.id);
        if place.is_none_or(|place| place.headline.is_none()) {
            article.title.clone_from(&frozen.headline);
        }
        if place.is_none_or(|place| place.summary.is_none()) {
            article.summary.clone_from(&frozen.summary);
        }
        if place.is_none_or(|place| place.image_alt.is_none()) {
            article.image_alt.clone_from(&frozen.image_alt);
        }
        article.url.clone_from(&frozen.url);
        article.image_url.clone_from(&frozen.image_url);
        article.source.clone_from(&frozen.source);
        article.author.clone_from(&frozen.author);
        article.language.clone_from(&frozen.language);
        article.published_at = frozen.published_at;
        article.topics = frozen.topics;
    }
}

/// Freezes an issue anew after it was changed; `before` is what it was.
///
/// # Errors
/// `Invalid` where it would hold nothing.
pub(super) async fn freeze_again(
    conn: &mut Conn,
    newsletter: &Newsletter,
    id: i64,
    before: &Composition,
) -> Result<(), Error> {
    let issue = editors::find_issue(conn, id).await?;
    let frozen = content(conn, &issue).await?;
    let mut articles = db::articles::of_issue(conn, id).await?;
    if articles.is_empty() {
        return Err(Error::Invalid(
            "a frozen issue holds one article at least: put another one in first, or cancel the issue"
                .to_owned(),
        ));
    }
    restore(&mut articles, before, &frozen);
    let mut content = compose::content(conn, newsletter, &issue, articles).await?;
    for article in &mut content.articles {
        let Some(was) = frozen_as(&frozen, article.id) else { continue };
        article.reading_minutes = was.reading_minutes;
        article.also.clone_from(&was.also);
    }
    content.out = out(conn, newsletter, before, &frozen, &content).await?;
    // Sections keep the names that they were frozen with; topics that are new since stand in what an editor laid out.
    let is_new = |topic: &Topic| !frozen.topics.iter().any(|known| known.id == topic.id);
    let new: Vec<Topic> =
        content.topics.drain(..).filter(|topic| content.laid_out && is_new(topic)).collect();
    content.topics = frozen.topics.iter().cloned().chain(new).collect();
    if content.introduction == frozen.introduction {
        content.has_notation = frozen.has_notation;
    }
    if before.subject.is_none() && issue.subject.is_none() {
        content.subject = frozen.subject;
    }
    if before.preheader.is_none() && issue.preheader.is_none() {
        content.preheader = frozen.preheader;
    }
    Ok(db::issues::freeze_again(conn, id, &content).await?)
}

/// What is out of an issue now and was frozen with it, the latest first: without an editor's own words for the mail,
/// which come back with a step alone.
async fn out(
    conn: &mut Conn,
    newsletter: &Newsletter,
    before: &Composition,
    frozen: &IssueContent,
    content: &IssueContent,
) -> Result<Vec<IssueArticle>, Error> {
    let is_out = |was: &&IssueArticle| !content.articles.iter().any(|article| article.id == was.id);
    let went: Vec<i64> = frozen.articles.iter().filter(is_out).map(|was| was.id).collect();
    let mut articles = db::articles::of_ids(conn, newsletter.id, &went).await?;
    restore(&mut articles, before, frozen);
    let went = articles.into_iter().filter_map(|article| {
        let was = frozen_as(frozen, article.id)?.clone();
        let (headline, summary, image_alt) = (article.title, article.summary, article.image_alt);
        Some(IssueArticle { headline, summary, image_alt, section: None, ..was })
    });
    let before = frozen.out.iter().filter(is_out).cloned();
    Ok(went.chain(before).take(composing::MOST_ARTICLES).collect())
}

/// Lets what was written of an article's picture into a frozen issue, where nothing was said of it.
pub(super) async fn describe(conn: &mut Conn, issue: &Issue, article: &Article) -> Result<(), Error> {
    let own = db::composing::composition(conn, issue).await?;
    let mut content = content(conn, issue).await?;
    let is_mute = |frozen: &&mut IssueArticle| {
        frozen.id == article.id
            && frozen.image_alt.is_none()
            && frozen.image_url == article.image_url
            && own.place(article.id).is_none_or(|place| place.image_alt.is_none())
    };
    let Some(mute) = content.articles.iter_mut().find(is_mute) else { return Ok(()) };
    mute.image_alt.clone_from(&article.image_alt);
    Ok(db::issues::freeze_again(conn, issue.id, &content).await?)
}
