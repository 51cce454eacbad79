//! People as an admin looks for them: whom a filter finds, page by page, and how many they are.
//!
//! A page is a **walk** along an index, in windows of some hundred entries: what the index does not decide is looked at
//! for the entries of a window alone. A walk ends when the page is full, when the index does, or when its time is up;
//! then it says up to where it has come, and the next page goes on from there. So no filter makes the database read
//! a million people for one page, whatever it asks for.
//!
//! A search for words begins as such a walk: words that many have fill the page at its first windows. Where they do not,
//! the index of words is asked who has them; these are few, and the rest of the walk is among them alone, in the same
//! order.

mod condition;
mod rows;
mod sql;
#[cfg(test)]
mod tests;
mod words;
#[cfg(test)]
mod words_tests;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use self::condition::Text;
pub use self::rows::{Person, PersonTie, rows};
use self::sql::{Road, Stretch};
use self::words::Asking;
pub use self::words::cut_words;
use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, sql as statement};
use crate::domain::calendar::Timestamp;
use crate::domain::search::Search;

/// Whom to find. What is none, or empty, does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only these people, a page's at most.
    pub people: Vec<i64>,
    /// Only those with a subscription to this newsletter; state, topic, schedule and joining are then about it.
    pub newsletter_id: Option<i64>,
    pub state: Option<State>,
    /// The set that holds the topic alone.
    pub topic: Option<i64>,
    /// The schedule that they follow, and whether it is the newsletter's first, which those follow who chose none.
    pub schedule: Option<(i64, bool)>,
    pub tag_id: Option<i64>,
    /// A tag as it is stored, for instance `pt-BR`.
    pub language: Option<String>,
    /// Joined then or later.
    pub joined_from: Option<Timestamp>,
    /// Joined before.
    pub joined_before: Option<Timestamp>,
    /// What name or address hold.
    pub words: Search,
    /// Whoever asks knows of this newsletter alone: what people of others who do not get it are called, and their
    /// language, finds nobody.
    pub readers_only: Option<i64>,
    /// What counts as paused.
    pub now: Timestamp,
}

impl Filter {
    pub fn everybody(now: Timestamp) -> Self {
        Self {
            people: vec![],
            newsletter_id: None,
            state: None,
            topic: None,
            schedule: None,
            tag_id: None,
            language: None,
            joined_from: None,
            joined_before: None,
            words: Search::default(),
            readers_only: None,
            now,
        }
    }

    /// Whether a domain is all that it asks for: those come in the order of their domains.
    pub fn is_by_domain(&self) -> bool {
        let rest = Self { words: Search::default(), ..self.clone() };
        self.words.domain_alone().is_some() && rest == Self::everybody(self.now)
    }
}

/// How somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Gets what is sent: subscribed, neither paused nor suppressed.
    Active,
    Pending,
    Unsubscribed,
    /// Subscribed, and asked for a rest.
    Paused,
    /// On the suppression list, whatever the subscription.
    Suppressed,
}

impl State {
    pub const ALL: [Self; 5] =
        [Self::Active, Self::Pending, Self::Unsubscribed, Self::Paused, Self::Suppressed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Unsubscribed => "unsubscribed",
            Self::Paused => "paused",
            Self::Suppressed => "suppressed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A value that a list is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Int(i64),
    Text(String),
}

/// A place in a list: between two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    at: (Value, Value),
}

impl Place {
    /// As it stands in an address.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a place is numbers and texts"))
    }

    /// None where it is no place.
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// None where it is not on the road: anybody can write a place into an address.
    fn on(&self, road: &Road) -> Option<&Self> {
        Some(self).filter(|place| road.takes(&place.at) && road.bounds_hold(&place.at.0))
    }
}

/// What comes next from a place: first those beside it, and then those beyond.
fn stretch(here: Option<&Place>, is_beyond: bool) -> Stretch<'_> {
    match here {
        None => Stretch::All,
        Some(Place { at: (first, second) }) if !is_beyond => Stretch::Beside(first, second),
        Some(Place { at: (first, _) }) => Stretch::Beyond(first),
    }
}

/// Somebody whom a walk has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub subscriber_id: i64,
    pub place: Place,
}

/// What a walk has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// In the order of the list, whichever way the walk went.
    pub people: Vec<Found>,
    /// Where those before them are; none: these are the first.
    pub before: Option<Place>,
    /// Where those behind them are; none: these are the last.
    pub after: Option<Place>,
    /// Its time was up before the page was full: there may be more behind `after` (going back: before `before`).
    pub is_cut: bool,
    /// How many entries were looked through, about.
    pub looked: u64,
}

/// Which way to walk, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'p> {
    Start,
    Behind(&'p Place),
    Before(&'p Place),
}

/// How many entries of an index are looked at in one go, at first and at most: with look-ups in other tables, few enough
/// that PostgreSQL never thinks of reading those tables whole.
const FIRST_WINDOW: i64 = if cfg!(test) { 16 } else { 256 };
const WINDOW: i64 = 1024;
/// Without such look-ups.
const WIDE_WINDOW: i64 = 8192;

/// Finds at most `limit` people, in about `patience`.
pub async fn walk(
    conn: &mut Conn,
    filter: &Filter,
    from: From<'_>,
    limit: usize,
    patience: Duration,
) -> Result<Walked, DbError> {
    let began = Instant::now();
    let road = sql::road(Dialect::of(conn), filter);
    let back = matches!(from, From::Before(_));
    let start = match from {
        From::Start => None,
        From::Behind(place) | From::Before(place) => place.on(&road),
    };
    let mut asking = Asking::new(&road, filter);
    let mut here = start.cloned();
    let mut walked = Walked::default();
    let (mut window, mut is_beyond) = (0, false);
    let ended = loop {
        let want = limit + 1 - walked.people.len();
        window = next_window(&road, window, want);
        let next = stretch(here.as_ref(), is_beyond);
        let found = find(conn, &road, next, back, window, want).await?;
        let is_full = found.len() >= want;
        walked.people.extend(found);
        if is_full {
            break true;
        }
        match end_of(conn, &road, next, back, window).await? {
            Some(at) => {
                (here, is_beyond) = (Some(at), false);
                walked.looked += u64::try_from(window).unwrap_or(0);
                let is_late = began.elapsed() >= patience;
                if let Some(rest) = asking.ask(conn, walked.people.len(), walked.looked, is_late).await? {
                    let want = limit + 1 - walked.people.len();
                    let next = words::among(&rest, here.as_ref());
                    walked.people.extend(find(conn, &road, next, back, window, want).await?);
                    break true;
                }
                if is_late {
                    break false;
                }
            }
            None if here.is_some() && !is_beyond => is_beyond = true,
            None => break true,
        }
    };
    let is_more = walked.people.len() > limit;
    walked.people.truncate(limit);
    let last = walked.people.last().map(|found| found.place.clone());
    let onward = match ended {
        false => here,
        true => last.filter(|_| is_more),
    };
    walked.is_cut = !ended;
    if back {
        walked.people.reverse();
        walked.before = onward;
        // Nobody is before the start: from there on is the first page.
        walked.after = match walked.people.last() {
            Some(last) => Some(last.place.clone()),
            None => walked.before.clone(),
        };
    } else {
        walked.after = onward;
        walked.before = start.and(walked.people.first()).map(|first| first.place.clone());
    }
    Ok(walked)
}

/// How many people a filter finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub people: u64,
    /// There are more than were counted.
    pub is_more: bool,
}

/// Counts the people whom a filter finds, up to `most`, for about `patience`.
pub async fn count(
    conn: &mut Conn,
    filter: &Filter,
    most: u64,
    patience: Duration,
) -> Result<Counted, DbError> {
    let began = Instant::now();
    let road = sql::road(Dialect::of(conn), filter);
    let mut asking = Asking::new(&road, filter);
    let mut here: Option<Place> = None;
    let mut counted = Counted::default();
    let (mut window, mut is_beyond, mut looked) = (0, false, 0);
    loop {
        window = next_window(&road, window, usize::MAX);
        let next = stretch(here.as_ref(), is_beyond);
        counted.people += count_in(conn, &road, next, window).await?;
        if counted.people > most {
            return Ok(Counted { people: most, is_more: true });
        }
        match end_of(conn, &road, next, false, window).await? {
            Some(at) => {
                (here, is_beyond) = (Some(at), false);
                looked += u64::try_from(window).unwrap_or(0);
                let is_late = began.elapsed() >= patience;
                let people = usize::try_from(counted.people).unwrap_or(usize::MAX);
                if let Some(rest) = asking.ask(conn, people, looked, is_late).await? {
                    let next = words::among(&rest, here.as_ref());
                    let people = counted.people + count_in(conn, &road, next, window).await?;
                    return Ok(Counted { people: people.min(most), is_more: people > most });
                }
                if is_late {
                    return Ok(Counted { is_more: true, ..counted });
                }
            }
            None if here.is_some() && !is_beyond => is_beyond = true,
            None => return Ok(counted),
        }
    }
}

fn next_window(road: &Road, window: i64, want: usize) -> i64 {
    let most = if road.looks_up() { WINDOW } else { WIDE_WINDOW };
    match window {
        // Every entry is somebody: as many are looked at as are wanted.
        _ if road.finds_all() => i64::try_from(want).unwrap_or(most).min(most),
        0 => FIRST_WINDOW,
        window => (window * 4).min(most),
    }
}

async fn find(
    conn: &mut Conn,
    road: &Road,
    stretch: Stretch<'_>,
    back: bool,
    window: i64,
    want: usize,
) -> Result<Vec<Found>, DbError> {
    let mut text = Text::default();
    let query = road.find(&mut text, stretch, back, window, i64::try_from(want).unwrap_or(i64::MAX));
    let rows = text.bind(sqlx::query(statement(query))).fetch_all(conn).await?;
    let found = |row: &sqlx::any::AnyRow| {
        let subscriber_id = Row::new(row, "subscribers").int("subscriber_id")?;
        Ok(Found { subscriber_id, place: place(road, row)? })
    };
    rows.iter().map(found).collect()
}

async fn count_in(conn: &mut Conn, road: &Road, stretch: Stretch<'_>, window: i64) -> Result<u64, DbError> {
    let mut text = Text::default();
    let query = road.count(&mut text, stretch, window);
    let row = text.bind(sqlx::query(statement(query))).fetch_one(conn).await?;
    Ok(u64::try_from(Row::new(&row, "subscribers").int("people")?).unwrap_or(0))
}

/// The last entry of a window; none where the road ends within it.
async fn end_of(
    conn: &mut Conn,
    road: &Road,
    stretch: Stretch<'_>,
    back: bool,
    window: i64,
) -> Result<Option<Place>, DbError> {
    let mut text = Text::default();
    let query = road.end(&mut text, stretch, back, window);
    let row = text.bind(sqlx::query(statement(query))).fetch_optional(conn).await?;
    row.map(|row| place(road, &row)).transpose()
}

fn place(road: &Road, row: &sqlx::any::AnyRow) -> Result<Place, DbError> {
    let row = Row::new(row, "subscribers");
    let value = |is_text: bool, column: &'static str| match is_text {
        true => row.text(column).map(Value::Text),
        false => row.int(column).map(Value::Int),
    };
    Ok(Place { at: (value(road.texts.0, "a")?, value(road.texts.1, "b")?) })
}
