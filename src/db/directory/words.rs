//! Who has the words that are looked for, by the index of words; and the words of those who came before there was one.

use super::super::dialect::{Dialect, Kind};
use super::super::row::Row;
use super::super::{Conn, Db, DbError, sql as statement};
use super::sql::{People, Road, Stretch, past};
use super::{Filter, Place};
use crate::domain::search::{Search, words_of};

/// Entries that a walk looks at before it asks the index: what one in a hundred has fills a page by then.
const GLANCE: u64 = if cfg!(test) { 16 } else { 4096 };

/// The most people among whom a walk goes on. They are looked up one by one, a few µs each; of more there are enough
/// along the walk.
const MOST: u64 = if cfg!(test) { 30 } else { 10_000 };

/// Whether, and when, a walk asks the index of words.
#[derive(Debug)]
pub enum Asking<'f> {
    /// For these words, once the walk has shown that they are rare; and how many people there are, once that is known.
    Once(&'f Search, Option<u64>),
    Not,
}

impl<'f> Asking<'f> {
    pub fn new(road: &Road, filter: &'f Filter) -> Self {
        // Where the road finds them all, it is by the words already.
        if filter.words.is_empty() || road.finds_all() { Self::Not } else { Self::Once(&filter.words, None) }
    }

    /// All who have the words, where they are few; `found` were among the `looked` that
    /// the walk has looked at, and it ends here unless they are (`is_late`).
    pub async fn ask(
        &mut self,
        conn: &mut Conn,
        found: usize,
        looked: u64,
        is_late: bool,
    ) -> Result<Option<People>, DbError> {
        let Self::Once(search, all) = *self else { return Ok(None) };
        if looked < GLANCE && !is_late {
            return Ok(None);
        }
        let all = match all {
            Some(all) => all,
            None => newest(conn).await?,
        };
        // The index reads all entries of a word that half of the list has, to no purpose. They may also stand together,
        // as an import brought them: that shows further on.
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        if found.saturating_mul(all) / looked.max(1) > MOST {
            *self = Self::Once(search, Some(all));
            return Ok(None);
        }
        *self = Self::Not;
        having(conn, search).await
    }
}

/// What is left of a walk among people who were found.
pub fn among<'v>(people: &'v People, here: Option<&'v Place>) -> Stretch<'v> {
    Stretch::Of(people, here.map(|Place { at: (first, second) }| (first, second)))
}

/// The highest number that somebody has: about how many there are.
async fn newest(conn: &mut Conn) -> Result<u64, DbError> {
    let row = sqlx::query("SELECT COALESCE(MAX(id), 0) AS newest FROM subscribers").fetch_one(conn).await?;
    Ok(u64::try_from(Row::new(&row, "subscribers").int("newest")?).unwrap_or(0))
}

/// At most [`MOST`] people, among whom is everybody who is looked for; none where no index says so.
async fn having(conn: &mut Conn, search: &Search) -> Result<Option<People>, DbError> {
    let dialect = Dialect::of(conn);
    for domain in search.domains() {
        let key = dialect.domain("email");
        let query = format!("SELECT id FROM subscribers WHERE {key} >= $1 AND {key} < $2");
        if let Some(people) = few(conn, query, vec![domain.to_owned(), past(domain)]).await? {
            return Ok(Some(people));
        }
    }
    for words in search.attempts() {
        let query = dialect.having_words("$1");
        if let Some(people) = few(conn, query, vec![dialect.words(&words)]).await? {
            return Ok(Some(people));
        }
    }
    Ok(None)
}

/// The people whom a query finds; none where they are more than [`MOST`].
async fn few(conn: &mut Conn, query: String, values: Vec<String>) -> Result<Option<People>, DbError> {
    let dialect = Dialect::of(conn);
    let query = statement(format!("{query} LIMIT {}", MOST + 1));
    let query = values.into_iter().fold(sqlx::query(query).persistent(false), sqlx::query::Query::bind);
    let rows = query.fetch_all(conn).await?;
    if rows.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Ok(None);
    }
    let ids = rows.iter().map(|row| Row::new(row, "subscribers").int("id"));
    Ok(Some(People::new(dialect, &ids.collect::<Result<Vec<_>, _>>()?)))
}

/// How many people's words are cut in one statement.
const STEP: i64 = if cfg!(test) { 50 } else { 5_000 };

/// Cuts the words of all whose words are not cut yet, and returns how many they were. A row that cannot be read is left
/// as it is: its person is not found by words.
pub async fn cut_words(db: &Db) -> Result<u64, DbError> {
    let mut conn = db.conn().await?;
    let mut all = 0;
    loop {
        let cut = cut_once(&mut conn).await?;
        if cut == 0 {
            return Ok(all);
        }
        // Whoever changed meanwhile was passed over.
        all += cut;
    }
}

async fn cut_once(conn: &mut Conn) -> Result<u64, DbError> {
    let columns =
        [("id", Kind::Int), ("at", Kind::Int), ("name_words", Kind::Text), ("email_words", Kind::Text)];
    let write = format!(
        "UPDATE subscribers SET name_words = r.name_words, email_words = r.email_words
         FROM {} AS r
         WHERE subscribers.id = r.id AND subscribers.updated_at = r.at AND subscribers.email_words = ''",
        Dialect::of(conn).rows("$1", &columns)
    );
    let (mut last, mut cut) = (0, 0);
    loop {
        let query = "SELECT id, name, email, updated_at FROM subscribers
                     WHERE email_words = '' AND id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(query).bind(last).bind(STEP).persistent(false).fetch_all(&mut *conn).await?;
        if rows.is_empty() {
            return Ok(cut);
        }
        let mut people: Vec<(i64, i64, String, String)> = vec![];
        for row in &rows {
            let row = Row::new(row, "subscribers");
            last = row.int("id")?;
            match (row.int("updated_at"), row.text("name"), row.text("email")) {
                (Ok(at), Ok(name), Ok(email)) => people.push((last, at, words_of(&name), words_of(&email))),
                (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                    tracing::error!(%error, "somebody is not found by words");
                }
            }
        }
        let bound = serde_json::to_string(&people).expect("numbers and texts are JSON");
        let query = sqlx::query(statement(write.clone())).bind(bound).persistent(false);
        cut += query.execute(&mut *conn).await?.rows_affected();
    }
}
