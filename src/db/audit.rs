//! Who did what, and who was refused what.

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql};
use crate::domain::calendar::Timestamp;

/// One thing that somebody did, or was refused.
#[derive(Clone, Debug)]
pub struct NewEntry<'e> {
    /// None: the command line, or nobody who is known.
    pub user_id: Option<i64>,
    /// The address as it is now, or `command line`.
    pub who: &'e str,
    /// A noun and a verb, such as `issue.send`.
    pub action: &'e str,
    /// What it was done to, in words.
    pub what: &'e str,
    pub newsletter_id: Option<i64>,
    pub is_denied: bool,
    /// The network address that it came from; empty for the command line.
    pub network: &'e str,
}

/// The most of `action` and of `what` that is kept, in characters: what somebody is refused may be a whole form.
const LONGEST: usize = 300;

/// As it can be kept: short, and without NUL, which PostgreSQL has in no text.
fn kept(text: &str) -> String {
    let storable = |character| if character == '\0' { '\u{fffd}' } else { character };
    let mut kept: String = text.chars().take(LONGEST).map(storable).collect();
    if text.chars().nth(LONGEST).is_some() {
        kept.push('…');
    }
    kept
}

/// Writes it down: in the transaction of the change, where there is one.
pub async fn write(conn: &mut Conn, entry: &NewEntry<'_>, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO audit (at, user_id, who, action, what, newsletter_id, denied, network)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(now.millis())
    .bind(entry.user_id)
    .bind(entry.who)
    .bind(kept(entry.action))
    .bind(kept(entry.what))
    .bind(entry.newsletter_id)
    .bind(i64::from(entry.is_denied))
    .bind(entry.network)
    .execute(conn)
    .await?;
    Ok(())
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    pub at: Timestamp,
    pub user_id: Option<i64>,
    pub who: String,
    pub action: String,
    pub what: String,
    pub newsletter_id: Option<i64>,
    pub is_denied: bool,
    pub network: String,
}

/// Which lines, and from where on.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Addresses, or `command line`; none: anybody.
    pub who: Vec<String>,
    /// `issue.send`, or `issue` for everything about issues; letters, dots and underscores.
    pub action: String,
    pub newsletter_id: Option<i64>,
    /// Only what was refused.
    pub denied: bool,
    /// Only what was written down at this instant or later.
    pub from: Option<Timestamp>,
    /// Only what was written down before this instant.
    pub until: Option<Timestamp>,
    /// Only those older than this one.
    pub before: Option<i64>,
    /// Only those newer than this one; then the oldest of them, so that a page lies next to the one it came from.
    pub after: Option<i64>,
}

/// Lines are in the order of their ids, which is that of time but for clocks that differ or are set: by how many ids a line
/// may stand apart from its time, and still be found by it.
const APART: i64 = 10_000;

/// The ids between which lines of a span of time stand; none where there are no such lines. Without them the database
/// would read every line that is newer or older than the span.
async fn between(conn: &mut Conn, filter: &Filter) -> Result<Option<(i64, i64)>, DbError> {
    let (mut least, mut most) = (0, i64::MAX);
    if let Some(from) = filter.from {
        let statement = "SELECT id FROM audit WHERE at >= $1 ORDER BY at, id LIMIT 1";
        let Some(row) = sqlx::query(statement).bind(from.millis()).fetch_optional(&mut *conn).await? else {
            return Ok(None);
        };
        least = Row::new(&row, "audit").int("id")? - APART;
    }
    if let Some(until) = filter.until {
        let statement = "SELECT id FROM audit WHERE at < $1 ORDER BY at DESC, id DESC LIMIT 1";
        let Some(row) = sqlx::query(statement).bind(until.millis()).fetch_optional(conn).await? else {
            return Ok(None);
        };
        most = Row::new(&row, "audit").int("id")? + APART;
    }
    Ok(Some((least, most)))
}

enum Value {
    Int(i64),
    Text(String),
}

/// At most `limit` lines, the newest first.
pub async fn list(conn: &mut Conn, filter: &Filter, limit: i64) -> Result<Vec<Entry>, DbError> {
    let Some(span) = between(conn, filter).await? else { return Ok(vec![]) };
    if let [] | [_] = filter.who.as_slice() {
        return list_of(conn, filter, filter.who.first(), span, limit).await;
    }
    // Each by itself has its lines in an index, in their order; asked for together, all lines of all would be sorted.
    let mut entries = vec![];
    for who in &filter.who {
        entries.extend(list_of(conn, filter, Some(who), span, limit).await?);
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    match filter.after {
        Some(_) => drop(entries.drain(..entries.len().saturating_sub(most))),
        None => entries.truncate(most),
    }
    Ok(entries)
}

/// The lines of one person, or of anybody, whose ids are in this span.
async fn list_of(
    conn: &mut Conn,
    filter: &Filter,
    who: Option<&String>,
    (least, most): (i64, i64),
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    let dialect = Dialect::of(conn);
    let mut conditions = vec![];
    let mut values = vec![];
    let mut add = |condition: &str, of: Vec<Value>| {
        // Only what is filtered by is in the statement: with a condition for what may be empty, no index is used.
        let mut text = condition.to_owned();
        for value in of {
            values.push(value);
            text = text.replacen('?', &format!("${}", values.len()), 1);
        }
        conditions.push(text);
    };
    if let Some(who) = who {
        add("who = ?", vec![Value::Text(who.clone())]);
    }
    if !filter.action.is_empty() {
        // One action, or all that is done to one kind of thing: each has an index.
        let key = if filter.action.contains('.') { "action".to_owned() } else { dialect.noun("action") };
        add(&format!("{key} = ?"), vec![Value::Text(filter.action.clone())]);
    }
    if let Some(id) = filter.newsletter_id {
        add("newsletter_id = ?", vec![Value::Int(id)]);
    }
    if filter.denied {
        add("denied = 1", vec![]);
    }
    if let Some(from) = filter.from {
        add("at >= ? AND id >= ?", vec![Value::Int(from.millis()), Value::Int(least)]);
    }
    if let Some(until) = filter.until {
        add("at < ? AND id <= ?", vec![Value::Int(until.millis()), Value::Int(most)]);
    }
    if let Some(id) = filter.before {
        add("id < ?", vec![Value::Int(id)]);
    }
    if let Some(id) = filter.after {
        add("id > ?", vec![Value::Int(id)]);
    }
    conditions.push("TRUE".to_owned());
    let order = if filter.after.is_some() { "ASC" } else { "DESC" };
    let query = sql(format!(
        "SELECT id, at, user_id, who, action, what, newsletter_id, denied, network FROM audit
         WHERE {} ORDER BY id {order} LIMIT {limit}",
        conditions.join(" AND ")
    ));
    // Planned each time for what is asked: a plan for any action would read all lines for one that is rare.
    let mut query = sqlx::query(query).persistent(false);
    for value in values {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        };
    }
    let mut entries: Vec<Entry> = query.fetch_all(conn).await?.iter().map(entry).collect::<Result<_, _>>()?;
    if filter.after.is_some() {
        entries.reverse();
    }
    Ok(entries)
}

fn entry(row: &sqlx::any::AnyRow) -> Result<Entry, DbError> {
    let row = Row::new(row, "audit");
    Ok(Entry {
        id: row.int("id")?,
        at: row.time("at")?,
        user_id: row.opt_int("user_id")?,
        who: row.text("who")?,
        action: row.text("action")?,
        what: row.text("what")?,
        newsletter_id: row.opt_int("newsletter_id")?,
        is_denied: row.flag("denied")?,
        network: row.text("network")?,
    })
}
