//! Articles: stored once, whatever number of feeds bring them.

use std::collections::HashMap;

use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::article::{AlsoAt, FoundArticle, picture_stem};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::Issue;
use crate::domain::topic::TopicSet;

/// An article as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    pub id: i64,
    pub newsletter_id: i64,
    pub source_id: Option<i64>,
    /// The source's title; empty for an article by hand.
    pub source: String,
    pub url: Option<String>,
    pub title: String,
    pub author: Option<String>,
    pub summary: String,
    pub image_url: Option<String>,
    /// What the image shows, as an editor wrote it, or else the source; empty: it is decorative; none: nobody has said.
    pub image_alt: Option<String>,
    pub language: Option<String>,
    pub published_at: Option<Timestamp>,
    pub topics: TopicSet,
    pub held: bool,
    pub pinned: bool,
    pub fresh_at: Timestamp,
    pub story_id: Option<i64>,
    /// The length of the body's HTML in characters, for the time it takes to read.
    pub body_chars: i64,
}

const ARTICLE: &str = "SELECT a.id, a.newsletter_id, a.source_id, COALESCE(NULLIF(s.title, ''), s.url, '') AS source, \
     a.url, a.title, a.author, a.summary, a.image_url, COALESCE(a.written_alt, a.image_alt) AS image_alt, a.language, \
     a.published_at, a.topics, a.held, a.pinned, a.fresh_at, a.story_id, CAST(LENGTH(a.body_html) AS BIGINT) AS body_chars \
     FROM articles a LEFT JOIN sources s ON s.id = a.source_id";

fn article(row: &sqlx::any::AnyRow) -> Result<Article, DbError> {
    let row = Row::new(row, "articles");
    Ok(Article {
        id: row.int("id")?,
        newsletter_id: row.int("newsletter_id")?,
        source_id: row.opt_int("source_id")?,
        source: row.text("source")?,
        url: row.opt_text("url")?,
        title: row.text("title")?,
        author: row.opt_text("author")?,
        summary: row.text("summary")?,
        image_url: row.opt_text("image_url")?,
        image_alt: row.opt_text("image_alt")?,
        language: row.opt_text("language")?,
        published_at: row.opt_time("published_at")?,
        topics: row.topics("topics")?,
        held: row.flag("held")?,
        pinned: row.flag("pinned")?,
        fresh_at: row.time("fresh_at")?,
        story_id: row.opt_int("story_id")?,
        body_chars: row.int("body_chars")?,
    })
}

/// Where a new article comes from and where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub newsletter_id: i64,
    pub source_id: Option<i64>,
    pub topics: TopicSet,
    /// The article that tells the same story already.
    pub story_id: Option<i64>,
    /// What its age counts from.
    pub fresh_at: Timestamp,
}

/// Which of these identities the newsletter has already, and the article that each names.
pub async fn known(
    conn: &mut Conn,
    newsletter_id: i64,
    identities: &[String],
) -> Result<HashMap<String, i64>, DbError> {
    let list = Dialect::of(conn).rows("$2", &[("identity", Kind::Text)]);
    let query = sql(format!(
        "SELECT k.identity, k.article_id FROM {list} wanted
         JOIN article_keys k ON k.newsletter_id = $1 AND k.identity = wanted.identity"
    ));
    let wanted: Vec<[&str; 1]> = identities.iter().map(|identity| [identity.as_str()]).collect();
    let rows = sqlx::query(query).bind(newsletter_id).bind(json(&wanted)).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let row = Row::new(row, "article_keys");
            Ok((row.text("identity")?, row.int("article_id")?))
        })
        .collect()
}

/// Stores a new article under its identities and returns its id; none where another node stored it at this moment.
pub async fn insert(
    conn: &mut Conn,
    found: &FoundArticle,
    place: Place,
    identities: &[String],
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    let row = sqlx::query(
        "INSERT INTO articles (newsletter_id, source_id, url, title, author, summary, body_html, image_url,
             image_alt, language, published_at, modified_at, topics, story_id, fresh_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         RETURNING id",
    )
    .bind(place.newsletter_id)
    .bind(place.source_id)
    .bind(found.url.as_deref())
    .bind(&found.title)
    .bind(found.author.as_deref())
    .bind(&found.summary)
    .bind(&found.body_html)
    .bind(found.image_url.as_deref())
    .bind(found.image_alt.as_deref())
    .bind(found.language.as_deref())
    .bind(found.published_at.map(Timestamp::millis))
    .bind(found.modified_at.map(Timestamp::millis))
    .bind(place.topics.bits())
    .bind(place.story_id)
    .bind(place.fresh_at.millis())
    .bind(now.millis())
    .fetch_one(&mut *conn)
    .await?;
    let id = Row::new(&row, "articles").int("id")?;
    let mut stored = identities.is_empty();
    for identity in identities {
        stored |= add_identity(&mut *conn, place.newsletter_id, identity, id).await?;
    }
    if stored {
        return Ok(Some(id));
    }
    sqlx::query("DELETE FROM articles WHERE id = $1").bind(id).execute(conn).await?;
    Ok(None)
}

/// Ties one more identity to an article; false where it names an article already.
pub async fn add_identity(
    conn: &mut Conn,
    newsletter_id: i64,
    identity: &str,
    article_id: i64,
) -> Result<bool, DbError> {
    let result = sqlx::query(
        "INSERT INTO article_keys (newsletter_id, identity, article_id) VALUES ($1, $2, $3)
         ON CONFLICT (newsletter_id, identity) DO NOTHING",
    )
    .bind(newsletter_id)
    .bind(identity)
    .bind(article_id)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Takes over what a source changed in an article that it brought, and gives it the topics of one more source. What an
/// editor wrote of its picture goes when the picture does.
/// Returns whether the row was touched: a poll that brings nothing new writes nothing.
pub async fn refresh(
    conn: &mut Conn,
    id: i64,
    source_id: Option<i64>,
    found: &FoundArticle,
    topics: TopicSet,
) -> Result<bool, DbError> {
    let (stem, has_any_query) = picture_stem(found.image_url.as_deref().unwrap_or_default());
    let text = sqlx::query(
        "UPDATE articles SET title = $3, summary = $4, body_html = $5, image_url = $6, image_alt = $7, author = $8,
             modified_at = COALESCE($9, modified_at),
             written_alt = CASE WHEN SUBSTR(COALESCE(image_url, ''), 1, LENGTH($10)) = $10
                 AND SUBSTR(COALESCE(image_url, ''), LENGTH($10) + 1, 1) IN ('', '#', $11) THEN written_alt END
         WHERE id = $1 AND source_id = $2
           AND (title <> $3 OR summary <> $4 OR body_html <> $5 OR COALESCE(image_url, '') <> COALESCE($6, '')
               OR COALESCE(image_alt, '') <> COALESCE($7, ''))",
    )
    .bind(id)
    .bind(source_id.unwrap_or(0))
    .bind(&found.title)
    .bind(&found.summary)
    .bind(&found.body_html)
    .bind(found.image_url.as_deref())
    .bind(found.image_alt.as_deref())
    .bind(found.author.as_deref())
    .bind(found.modified_at.map(Timestamp::millis))
    .bind(stem)
    .bind(if has_any_query { "?" } else { "" })
    .execute(&mut *conn)
    .await?;
    let labels =
        sqlx::query("UPDATE articles SET topics = topics | $2 WHERE id = $1 AND (topics & $2) <> $2")
            .bind(id)
            .bind(topics.bits())
            .execute(conn)
            .await?;
    Ok(text.rows_affected() + labels.rows_affected() > 0)
}

/// A story told lately: what a new article's title is compared with.
#[derive(Clone, Debug)]
pub struct Told {
    /// The article that told it first.
    pub story_id: i64,
    pub source_id: Option<i64>,
    pub title: String,
}

/// The newest 500 articles since `since`, of all sources: bounded, so that a poll's cost is.
pub async fn told_since(conn: &mut Conn, newsletter_id: i64, since: Timestamp) -> Result<Vec<Told>, DbError> {
    let rows = sqlx::query(
        "SELECT id, source_id, title, COALESCE(story_id, id) AS told FROM articles
         WHERE newsletter_id = $1 AND fresh_at >= $2 ORDER BY fresh_at DESC LIMIT 500",
    )
    .bind(newsletter_id)
    .bind(since.millis())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let row = Row::new(row, "articles");
            Ok(Told {
                story_id: row.int("told")?,
                source_id: row.opt_int("source_id")?,
                title: row.text("title")?,
            })
        })
        .collect()
}

/// An article `a` that may go into an issue now; binds the newsletter, the schedule (or 0) and the oldest.
const MAY_GO_IN: &str = "a.newsletter_id = $1 AND a.held = 0 AND a.story_id IS NULL
    AND (a.fresh_at >= $3 OR a.pinned = 1)
    AND NOT EXISTS (
        SELECT 1 FROM issue_articles ia JOIN issues i ON i.id = ia.issue_id
        WHERE ia.article_id = a.id AND COALESCE(i.schedule_id, 0) = $2
          AND i.state NOT IN ('draft', 'skipped') AND (i.state <> 'cancelled' OR i.addressed_at IS NOT NULL))";

/// The articles that may go into an issue of `schedule_id` now: not held, the first of their story, fresh since
/// `oldest` or pinned, and not yet gone out on this schedule. Newest first, at most 1,000.
pub async fn candidates(
    conn: &mut Conn,
    newsletter_id: i64,
    schedule_id: Option<i64>,
    oldest: Timestamp,
) -> Result<Vec<Article>, DbError> {
    let query = sql(format!("{ARTICLE} WHERE {MAY_GO_IN} ORDER BY a.fresh_at DESC, a.id DESC LIMIT 1000"));
    let rows = sqlx::query(query)
        .bind(newsletter_id)
        .bind(schedule_id.unwrap_or(0))
        .bind(oldest.millis())
        .fetch_all(conn)
        .await?;
    rows.iter().map(article).collect()
}

/// The articles that may go into this draft and are not in it, newest first.
pub async fn waiting(
    conn: &mut Conn,
    draft: &Issue,
    oldest: Timestamp,
    limit: i64,
) -> Result<Vec<Article>, DbError> {
    let query = sql(format!(
        "{ARTICLE} WHERE {MAY_GO_IN} AND {NOT_IN_IT} ORDER BY a.fresh_at DESC, a.id DESC LIMIT $5"
    ));
    let rows = bind_draft(sqlx::query(query), draft, oldest).bind(limit).fetch_all(conn).await?;
    rows.iter().map(article).collect()
}

/// How many [`waiting`] would find.
pub async fn count_waiting(conn: &mut Conn, draft: &Issue, oldest: Timestamp) -> Result<i64, DbError> {
    let query = sql(format!("SELECT COUNT(*) AS count FROM articles a WHERE {MAY_GO_IN} AND {NOT_IN_IT}"));
    let row = bind_draft(sqlx::query(query), draft, oldest).fetch_one(conn).await?;
    Row::new(&row, "articles").int("count")
}

const NOT_IN_IT: &str =
    "NOT EXISTS (SELECT 1 FROM issue_articles there WHERE there.article_id = a.id AND there.issue_id = $4)";

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn bind_draft<'q>(query: Query<'q>, draft: &Issue, oldest: Timestamp) -> Query<'q> {
    query.bind(draft.newsletter_id).bind(draft.schedule_id.unwrap_or(0)).bind(oldest.millis()).bind(draft.id)
}

/// Whether an issue of this schedule went out with the article, or is about to.
pub async fn has_gone_out(conn: &mut Conn, id: i64, schedule_id: Option<i64>) -> Result<bool, DbError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS count FROM issue_articles ia JOIN issues i ON i.id = ia.issue_id
         WHERE ia.article_id = $1 AND COALESCE(i.schedule_id, 0) = $2
           AND i.state NOT IN ('draft', 'skipped') AND (i.state <> 'cancelled' OR i.addressed_at IS NOT NULL)",
    )
    .bind(id)
    .bind(schedule_id.unwrap_or(0))
    .fetch_one(conn)
    .await?;
    Ok(Row::new(&row, "issue_articles").int("count")? > 0)
}

/// These articles of a newsletter, in no order.
pub async fn of_ids(conn: &mut Conn, newsletter_id: i64, ids: &[i64]) -> Result<Vec<Article>, DbError> {
    let list = Dialect::of(conn).list("$2");
    let query = sql(format!("{ARTICLE} WHERE a.newsletter_id = $1 AND a.id IN {list}"));
    sqlx::query(query)
        .bind(newsletter_id)
        .bind(json(&ids))
        .fetch_all(conn)
        .await?
        .iter()
        .map(article)
        .collect()
}

/// What an inbox is looked through for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub newsletter_id: i64,
    /// Articles with one of these topics; empty: any.
    pub topics: TopicSet,
    pub source_id: Option<i64>,
    /// In the title or the summary, in any case; empty: anything.
    pub text: String,
}

/// A page of stories, the newest first, each by the article that told it first: those behind `from` in that order, or
/// before it where `is_newer`. A story is found by any of its tellings.
pub async fn inbox(
    conn: &mut Conn,
    wanted: &Wanted,
    from: Option<(Timestamp, i64)>,
    is_newer: bool,
    limit: i64,
) -> Result<Vec<Article>, DbError> {
    let (side, order) = if is_newer { (">", "ASC") } else { ("<", "DESC") };
    let fits = |of: &str| {
        format!(
            "($2 = 0 OR ({of}.topics & $2) <> 0) AND ($3 = 0 OR {of}.source_id = $3)
             AND ($4 = '' OR LOWER({of}.title) LIKE $5 ESCAPE '!' OR LOWER({of}.summary) LIKE $5 ESCAPE '!')"
        )
    };
    let (itself, another) = (fits("a"), fits("t"));
    let query = sql(format!(
        "{ARTICLE}
         WHERE a.newsletter_id = $1 AND a.story_id IS NULL AND (a.fresh_at, a.id) {side} ($6, $7)
           AND (({itself}) OR EXISTS (SELECT 1 FROM articles t WHERE t.story_id = a.id AND {another}))
         ORDER BY a.fresh_at {order}, a.id {order} LIMIT $8"
    ));
    let start = if is_newer { i64::MIN } else { i64::MAX };
    let (fresh_at, id) = from.map_or((start, 0), |(fresh_at, id)| (fresh_at.millis(), id));
    let text = wanted.text.to_lowercase();
    let pattern: String = text
        .chars()
        .flat_map(|c| if matches!(c, '%' | '_' | '!') { vec!['!', c] } else { vec![c] })
        .collect();
    let rows = sqlx::query(query)
        .bind(wanted.newsletter_id)
        .bind(wanted.topics.bits())
        .bind(wanted.source_id.unwrap_or(0))
        .bind(&text)
        .bind(format!("%{pattern}%"))
        .bind(fresh_at)
        .bind(id)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let mut articles = rows.iter().map(article).collect::<Result<Vec<_>, _>>()?;
    if is_newer {
        articles.reverse();
    }
    Ok(articles)
}

/// The further tellings of these stories, the oldest first, at most 500.
pub async fn tellings(conn: &mut Conn, story_ids: &[i64]) -> Result<Vec<Article>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!("{ARTICLE} WHERE a.story_id IN {list} ORDER BY a.fresh_at, a.id LIMIT 500"));
    sqlx::query(query).bind(json(&story_ids)).fetch_all(conn).await?.iter().map(article).collect()
}

/// Makes an article a telling of a story; none: a story of its own.
pub async fn set_story(conn: &mut Conn, id: i64, story_id: Option<i64>) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE articles SET story_id = $2 WHERE id = $1");
    let result = query.bind(id).bind(story_id).execute(conn).await?;
    one_row("changing an article's story", &result)
}

/// Where articles stand: article and issue, of issues that are neither skipped nor cancelled.
pub async fn standing(conn: &mut Conn, ids: &[i64]) -> Result<Vec<(i64, i64)>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!(
        "SELECT ia.article_id, ia.issue_id FROM issue_articles ia JOIN issues i ON i.id = ia.issue_id
         WHERE ia.article_id IN {list} AND i.state NOT IN ('skipped', 'cancelled') ORDER BY i.slot_at, i.id"
    ));
    let rows = sqlx::query(query).bind(json(&ids)).fetch_all(conn).await?;
    let standing = |row| {
        let row = Row::new(row, "issue_articles");
        Ok((row.int("article_id")?, row.int("issue_id")?))
    };
    rows.iter().map(standing).collect()
}

/// The articles of an issue, in order.
pub async fn of_issue(conn: &mut Conn, issue_id: i64) -> Result<Vec<Article>, DbError> {
    let query = sql(format!(
        "{ARTICLE} JOIN issue_articles ia ON ia.article_id = a.id WHERE ia.issue_id = $1 ORDER BY ia.position"
    ));
    sqlx::query(query).bind(issue_id).fetch_all(conn).await?.iter().map(article).collect()
}

/// The other tellings of these stories, by the first article's id.
pub async fn also_at(conn: &mut Conn, ids: &[i64]) -> Result<HashMap<i64, Vec<AlsoAt>>, DbError> {
    let list = Dialect::of(conn).list("$1");
    let query = sql(format!(
        "SELECT a.id, a.story_id, a.url, COALESCE(NULLIF(s.title, ''), '') AS source
         FROM articles a LEFT JOIN sources s ON s.id = a.source_id
         WHERE a.story_id IN {list} AND a.held = 0 AND a.url IS NOT NULL ORDER BY a.id"
    ));
    let mut also: HashMap<i64, Vec<AlsoAt>> = HashMap::new();
    for row in &sqlx::query(query).bind(json(&ids)).fetch_all(conn).await? {
        let row = Row::new(row, "articles");
        let told = AlsoAt { source: row.text("source")?, url: row.text("url")? };
        also.entry(row.int("story_id")?).or_default().push(told);
    }
    Ok(also)
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Article>, DbError> {
    let query = sql(format!("{ARTICLE} WHERE a.id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(article).transpose()
}

/// A newsletter's newest articles.
pub async fn list(conn: &mut Conn, newsletter_id: i64, limit: i64) -> Result<Vec<Article>, DbError> {
    let query =
        sql(format!("{ARTICLE} WHERE a.newsletter_id = $1 ORDER BY a.fresh_at DESC, a.id DESC LIMIT $2"));
    sqlx::query(query).bind(newsletter_id).bind(limit).fetch_all(conn).await?.iter().map(article).collect()
}

/// The newest articles that a source brought.
pub async fn of_source(
    conn: &mut Conn,
    newsletter_id: i64,
    source_id: i64,
    limit: i64,
) -> Result<Vec<Article>, DbError> {
    // Down the newsletter's articles by time, which are in an index, until there are enough.
    let query = sql(format!(
        "{ARTICLE} WHERE a.newsletter_id = $1 AND a.source_id = $2 ORDER BY a.fresh_at DESC, a.id DESC LIMIT $3"
    ));
    let rows = sqlx::query(query).bind(newsletter_id).bind(source_id).bind(limit).fetch_all(conn).await?;
    rows.iter().map(article).collect()
}

/// Sets whether an editor keeps an article back, and whether it goes to the top.
pub async fn set_flags(conn: &mut Conn, id: i64, held: bool, pinned: bool) -> Result<(), DbError> {
    let result = sqlx::query("UPDATE articles SET held = $2, pinned = $3 WHERE id = $1")
        .bind(id)
        .bind(i64::from(held))
        .bind(i64::from(pinned))
        .execute(conn)
        .await?;
    one_row("holding or pinning an article", &result)
}

/// Writes what an article's picture shows, over what its source says of it; empty: it is decorative; none: what the
/// source says.
pub async fn write_alt(conn: &mut Conn, id: i64, alt: Option<&str>) -> Result<(), DbError> {
    let result = sqlx::query("UPDATE articles SET written_alt = $2 WHERE id = $1")
        .bind(id)
        .bind(alt)
        .execute(conn)
        .await?;
    one_row("writing what a picture shows", &result)
}

/// A list as the one bind that [`Dialect::list`] and [`Dialect::rows`] take.
pub(super) fn json<T: serde::Serialize>(list: &T) -> String {
    serde_json::to_string(list).expect("numbers and texts always become JSON")
}
