//! Composing: what editors do to an issue that is filling, or that is frozen and waits for one of them to approve it.
//! Every edit is a version with a step in the history; one that was made from an older version is not applied.

mod article;
mod edit;

use std::collections::HashMap;

use crate::db::articles::Article;
use crate::db::{self, Conn};
use crate::domain::composition::{self, Composition, Field, Place, ticked_where_empty};
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::user::User;

pub use self::article::{Alt, add, describe, flag, set_story};
pub use self::edit::{Act, Done, Edit, edit, problems, put, undo, write_words};
use super::accounts::Actor;
use super::{App, Error, compose, revising};

/// The most articles that an issue holds, whatever the newsletter's own limit for those that go in by themselves.
pub const MOST_ARTICLES: usize = 200;

/// How many of the articles that wait are listed.
const MOST_WAITING: i64 = 50;

/// Who edits.
#[derive(Clone, Copy, Debug)]
pub enum By<'b> {
    CommandLine,
    User { user: &'b User, network: &'b str },
}

impl By<'_> {
    fn name(self) -> String {
        match self {
            Self::CommandLine => "the command line".to_owned(),
            Self::User { user, .. } => user.shown().to_owned(),
        }
    }

    /// As the audit log names them.
    fn actor(self) -> Actor {
        match self {
            Self::CommandLine => Actor::command_line(),
            Self::User { user, network } => Actor::new(user, network),
        }
    }
}

/// A draft as an editor sees it.
#[derive(Clone, Debug)]
pub struct Open {
    pub issue: Issue,
    pub newsletter: Newsletter,
    pub schedule: Option<Schedule>,
    /// As it stands in the mail, also where nobody has touched it.
    pub composition: Composition,
    /// The articles that are in it, by id.
    pub articles: HashMap<i64, Article>,
    /// Those that might go in, the newest first, and how many there are.
    pub waiting: Vec<Article>,
    pub count_waiting: i64,
}

impl Open {
    /// What stands in a field: the editor's text, or the article's own.
    pub fn shown(&self, field: Field) -> &str {
        shown(&self.composition, &self.articles, field)
    }
}

fn shown<'a>(composition: &'a Composition, articles: &'a HashMap<i64, Article>, field: Field) -> &'a str {
    let own = composition.own(field);
    own.or_else(|| articles_own(articles, field)).unwrap_or_default()
}

fn articles_own(articles: &HashMap<i64, Article>, field: Field) -> Option<&str> {
    match field {
        Field::Headline(id) => articles.get(&id).map(|article| article.title.as_str()),
        Field::Summary(id) => articles.get(&id).map(|article| article.summary.as_str()),
        Field::Alt(id) => articles.get(&id)?.image_alt.as_deref(),
        Field::Decorative(id) => articles.get(&id)?.image_alt.as_deref().map(ticked_where_empty),
        _ => None,
    }
}

/// Opens a draft, to show it.
pub async fn open(app: &App, issue: Issue) -> Result<Open, Error> {
    let mut conn = app.db.conn().await?;
    let newsletter = newsletter_of(&mut conn, &issue).await?;
    let schedules = db::newsletters::schedules_of(&mut conn, newsletter.id).await?;
    let schedule = schedules.into_iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
    let (composition, articles) = current(&mut conn, &issue).await?;
    let slots = schedule.as_ref().map(|schedule| &schedule.slots);
    let oldest = compose::oldest(&mut conn, &newsletter, &issue, slots).await?;
    let waiting = db::articles::waiting(&mut conn, &issue, oldest, MOST_WAITING).await?;
    let count_waiting = db::articles::count_waiting(&mut conn, &issue, oldest).await?;
    Ok(Open { issue, newsletter, schedule, composition, articles, waiting, count_waiting })
}

/// How many articles might go into a draft and are not in it.
pub async fn count_waiting(
    conn: &mut Conn,
    newsletter: &Newsletter,
    draft: &Issue,
    schedule: Option<&Schedule>,
) -> Result<i64, Error> {
    let oldest = compose::oldest(conn, newsletter, draft, schedule.map(|schedule| &schedule.slots)).await?;
    Ok(db::articles::count_waiting(conn, draft, oldest).await?)
}

async fn newsletter_of(conn: &mut Conn, issue: &Issue) -> Result<Newsletter, Error> {
    db::newsletters::get(conn, issue.newsletter_id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("issue {} has no newsletter", issue.id)))
}

/// An issue as it stands in the mail: one that nobody has touched, topic by topic.
async fn current(conn: &mut Conn, issue: &Issue) -> Result<(Composition, HashMap<i64, Article>), Error> {
    let mut composition = db::composing::composition(conn, issue).await?;
    let mut articles = db::articles::of_issue(conn, issue.id).await?;
    let topics = match issue.state {
        IssueState::Frozen => revising::frozen(conn, issue, &mut composition, &mut articles).await?,
        _ => db::newsletters::topics(conn, issue.newsletter_id).await?,
    };
    if !issue.edited {
        let labels: Vec<_> = articles.iter().map(|article| (article.id, article.topics)).collect();
        let texts = std::mem::take(&mut composition.places);
        let with_texts = |place: Place| match texts.iter().find(|other| other.article_id == place.article_id)
        {
            Some(other) => Place { heading: place.heading, ..other.clone() },
            None => place,
        };
        composition.places = composition::by_topic(&labels, &topics).into_iter().map(with_texts).collect();
    }
    Ok((composition, by_id(articles)))
}

fn by_id(articles: Vec<Article>) -> HashMap<i64, Article> {
    articles.into_iter().map(|article| (article.id, article)).collect()
}

/// What a draft was when it had that version; none where that is no longer kept.
pub async fn as_of(conn: &mut Conn, id: i64, version: i64) -> Result<Option<Composition>, Error> {
    let next = db::composing::step_back(conn, id, version.saturating_add(1)).await?;
    Ok(next.map(|(_, before)| before))
}

/// A title as a step tells it.
fn shorten(title: &str) -> String {
    match title.chars().count() {
        ..=60 => title.to_owned(),
        _ => format!("{}…", title.chars().take(59).collect::<String>().trim_end()),
    }
}
