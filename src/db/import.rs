//! Many people at once: what is on record about a batch of addresses, and what it shall be, in a handful of
//! statements whatever the batch's size.

use chrono_tz::Tz;
use serde::Serialize;
use sqlx::any::AnyRow;

use super::dialect::{Dialect, Kind};
use super::row::Row;
use super::subscriptions::{Choice, consent};
use super::{Conn, DbError, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::search::words_of;
use crate::domain::subscription::{BULK_REASON, Consent, SubscriptionStatus, SuppressionReason};
use crate::domain::token::SigningKey;

/// What is on record about an address, with its subscription to one newsletter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnRecord {
    /// None: nobody has this address yet.
    pub subscriber_id: Option<i64>,
    pub name: String,
    pub language: Option<String>,
    pub zone: Option<Tz>,
    /// None: not subscribed to this newsletter.
    pub tie: Option<Tie>,
    /// Why the address must not be mailed, where it must not.
    pub suppressed: Option<SuppressionReason>,
    /// A bulk action put it on the suppression list, and its undo takes it off again.
    pub is_suppressed_in_bulk: bool,
    /// Who had the address was erased: only its hash is left, and nothing of them may come back.
    pub is_erased: bool,
    /// The names of their tags, sorted; empty unless [`look_up_tags`] was asked.
    pub tags: Vec<String>,
}

impl OnRecord {
    /// Whether they have left, also where a new sign-up waits to be confirmed.
    pub fn has_left(&self) -> bool {
        self.tie.as_ref().is_some_and(|tie| tie.left_at.is_some())
    }

    /// Whether what is sent of the newsletter at that time goes to them.
    pub fn is_mailed(&self, now: Timestamp) -> bool {
        let is_active = |tie: &Tie| {
            tie.status == SubscriptionStatus::Active && tie.paused_until.is_none_or(|until| until <= now)
        };
        self.suppressed.is_none() && self.tie.as_ref().is_some_and(is_active)
    }
}

/// A subscription as an import sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// None: not written yet.
    pub id: Option<i64>,
    pub status: SubscriptionStatus,
    pub choice: Choice,
    pub paused_until: Option<Timestamp>,
    pub consent: Option<Consent>,
    /// Where it came from, where that was no consent of the person's own; it never changes.
    pub origin: Option<String>,
    pub left_at: Option<Timestamp>,
    pub left_reason: Option<String>,
}

/// What is on record about these addresses, in their order. An address must stand in the list once.
pub async fn look_up(
    conn: &mut Conn,
    key: &SigningKey,
    newsletter_id: i64,
    addresses: &[&EmailAddress],
) -> Result<Vec<OnRecord>, DbError> {
    let asked: Vec<(usize, &str, String)> = addresses
        .iter()
        .enumerate()
        .map(|(place, address)| (place, address.as_str(), key.address_hash(address)))
        .collect();
    let columns = [("place", Kind::Int), ("email", Kind::Text), ("hash", Kind::Text)];
    let rows = Dialect::of(conn).rows("$1", &columns);
    let query = sql(format!(
        "SELECT r.place, s.id, s.name, s.language, s.timezone, t.id AS tie, t.status, t.schedule_id, t.topics,
             t.at_minute, t.paused_until, t.consent_at, t.consent_from, t.consent_words, t.origin, t.left_at, t.left_reason,
             x.reason AS suppressed,
             CASE WHEN x.reason = 'manual' AND x.detail LIKE '{BULK_REASON}%' THEN 1 ELSE 0 END AS is_in_bulk,
             CASE WHEN x.email_hash IS NOT NULL AND x.email IS NULL THEN 1 ELSE 0 END AS is_erased
         FROM {rows} AS r
         LEFT JOIN subscribers s ON s.email = r.email
         LEFT JOIN subscriptions t ON t.newsletter_id = $2 AND t.subscriber_id = s.id
         LEFT JOIN suppressions x ON x.email_hash = r.hash"
    ));
    // Planned anew each time: a plan made while the tables were empty reads them whole ever after (PostgreSQL keeps
    // one after five uses).
    let rows = sqlx::query(query).bind(json(&asked)).bind(newsletter_id).persistent(false);
    let mut found = vec![OnRecord::default(); addresses.len()];
    for row in rows.fetch_all(conn).await? {
        let place = usize::try_from(Row::new(&row, "subscribers").int("place")?).unwrap_or(usize::MAX);
        if let Some(slot) = found.get_mut(place) {
            *slot = on_record(&row)?;
        }
    }
    Ok(found)
}

fn on_record(row: &AnyRow) -> Result<OnRecord, DbError> {
    let person = Row::new(row, "subscribers");
    let suppressed = person.opt_parsed("suppressed", SuppressionReason::parse)?;
    let (is_erased, is_suppressed_in_bulk) = (person.flag("is_erased")?, person.flag("is_in_bulk")?);
    let Some(id) = person.opt_int("id")? else {
        return Ok(OnRecord { suppressed, is_suppressed_in_bulk, is_erased, ..OnRecord::default() });
    };
    Ok(OnRecord {
        subscriber_id: Some(id),
        name: person.text("name")?,
        language: person.opt_text("language")?,
        zone: person.opt_parsed("timezone", |text| text.parse().ok())?,
        tie: tie(row)?,
        suppressed,
        is_suppressed_in_bulk,
        is_erased,
        tags: vec![],
    })
}

/// Adds to what is on record about these addresses the tags that each has.
pub async fn look_up_tags(
    conn: &mut Conn,
    addresses: &[&EmailAddress],
    found: &mut [OnRecord],
) -> Result<(), DbError> {
    let asked: Vec<(usize, &str)> =
        addresses.iter().enumerate().map(|(place, address)| (place, address.as_str())).collect();
    let rows = Dialect::of(conn).rows("$1", &[("place", Kind::Int), ("email", Kind::Text)]);
    let query = sql(format!(
        "SELECT r.place, n.name
         FROM {rows} AS r
         JOIN subscribers s ON s.email = r.email
         JOIN subscriber_tags g ON g.subscriber_id = s.id
         JOIN tags n ON n.id = g.tag_id"
    ));
    for row in sqlx::query(query).bind(json(&asked)).persistent(false).fetch_all(conn).await? {
        let row = Row::new(&row, "subscriber_tags");
        let place = usize::try_from(row.int("place")?).unwrap_or(usize::MAX);
        if let Some(person) = found.get_mut(place) {
            person.tags.push(row.text("name")?);
        }
    }
    // In the order of this program, whatever the database's.
    found.iter_mut().for_each(|person| person.tags.sort());
    Ok(())
}

fn tie(row: &AnyRow) -> Result<Option<Tie>, DbError> {
    let row = Row::new(row, "subscriptions");
    let Some(id) = row.opt_int("tie")? else { return Ok(None) };
    Ok(Some(Tie {
        id: Some(id),
        status: row.parsed("status", SubscriptionStatus::parse)?,
        choice: Choice {
            schedule_id: row.opt_int("schedule_id")?,
            topics: row.topics("topics")?,
            hour: row.opt_int("at_minute")?.and_then(TimeOfDay::from_minutes),
        },
        paused_until: row.opt_time("paused_until")?,
        consent: consent(&row)?,
        origin: row.opt_text("origin")?,
        left_at: row.opt_time("left_at")?,
        left_reason: row.opt_text("left_reason")?,
    }))
}

/// What shall become of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub email: EmailAddress,
    /// As [`look_up`] found it, in the same transaction.
    pub before: OnRecord,
    pub after: OnRecord,
}

/// Writes changes; what is the same before and after is not touched. Call it in a transaction that writes.
///
/// # Errors
/// [`DbError::WrongRows`] where somebody else changed one of these people since [`look_up`] (PostgreSQL only): roll
/// back, look up and write again.
pub async fn write(
    conn: &mut Conn,
    key: &SigningKey,
    newsletter_id: i64,
    changes: &[Change],
    now: Timestamp,
) -> Result<(), DbError> {
    // In the order of the addresses, so that two imports at once wait for each other rather than lock each other out.
    let mut changes: Vec<&Change> = changes.iter().filter(|change| change.before != change.after).collect();
    changes.sort_by(|one, other| one.email.cmp(&other.email));
    let (known, new): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.before.subscriber_id.is_some());
    add_people(conn, key, &new, now).await?;
    change_people(conn, &known, now).await?;
    let (tied, untied): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.before.tie.is_some());
    add_ties(conn, newsletter_id, &untied, now).await?;
    change_ties(conn, newsletter_id, &tied, now).await?;
    add_tags(conn, &changes, now).await?;
    add_suppressions(conn, key, &changes, now).await
}

type NewPerson<'c> = (&'c str, String, &'c str, Option<&'c str>, Option<&'static str>, String, String);

async fn add_people(
    conn: &mut Conn,
    key: &SigningKey,
    changes: &[&Change],
    now: Timestamp,
) -> Result<(), DbError> {
    let people: Vec<NewPerson<'_>> = changes
        .iter()
        .map(|Change { email, after, .. }| {
            let hash = key.address_hash(email);
            let zone = after.zone.map(|zone| zone.name());
            let (name, email) = (after.name.as_str(), email.as_str());
            let words = (words_of(name), words_of(email));
            (email, hash, name, after.language.as_deref(), zone, words.0, words.1)
        })
        .collect();
    let columns = [
        ("email", Kind::Text),
        ("email_hash", Kind::Text),
        ("name", Kind::Text),
        ("language", Kind::Text),
        ("timezone", Kind::Text),
        ("name_words", Kind::Text),
        ("email_words", Kind::Text),
    ];
    let statement = |rows: &str| {
        format!(
            "INSERT INTO subscribers (email, email_hash, name, language, timezone, name_words, email_words,
                 created_at, updated_at)
             SELECT r.email, r.email_hash, r.name, r.language, r.timezone, r.name_words, r.email_words, $2, $2
             FROM {rows} AS r WHERE true
             ON CONFLICT (email) DO NOTHING"
        )
    };
    all_rows("adding subscribers", conn, statement, &columns, &people, now).await
}

async fn change_people(conn: &mut Conn, changes: &[&Change], now: Timestamp) -> Result<(), DbError> {
    let person = |record: &OnRecord| (record.name.clone(), record.language.clone(), record.zone);
    let people: Vec<_> = changes
        .iter()
        .filter(|change| person(&change.before) != person(&change.after))
        .map(|Change { before, after, .. }| {
            let zone = after.zone.map(|zone| zone.name());
            (before.subscriber_id, &after.name, &after.language, zone, words_of(&after.name))
        })
        .collect();
    let columns = [
        ("id", Kind::Int),
        ("name", Kind::Text),
        ("language", Kind::Text),
        ("timezone", Kind::Text),
        ("name_words", Kind::Text),
    ];
    let statement = |rows: &str| {
        format!(
            "UPDATE subscribers
             SET name = r.name, language = r.language, timezone = r.timezone, name_words = r.name_words,
                 updated_at = $2
             FROM {rows} AS r
             WHERE subscribers.id = r.id"
        )
    };
    all_rows("changing subscribers", conn, statement, &columns, &people, now).await
}

/// A subscription's values, in the order of [`TIE`].
#[derive(Serialize)]
struct TieRow<'c>(
    &'static str,
    Option<i64>,
    i64,
    Option<i64>,
    // The end of a pause, where it is to be another.
    Option<i64>,
    Option<i64>,
    Option<&'c str>,
    Option<&'c str>,
    Option<i64>,
    Option<&'c str>,
    Option<&'c str>,
    // What the row is found by: newsletter and address, or the id and the status before.
    i64,
    Option<&'c str>,
    Option<i64>,
    Option<&'static str>,
);

const TIE: [(&str, Kind); 15] = [
    ("status", Kind::Text),
    ("schedule_id", Kind::Int),
    ("topics", Kind::Int),
    ("at_minute", Kind::Int),
    ("paused_until", Kind::Int),
    ("consent_at", Kind::Int),
    ("consent_from", Kind::Text),
    ("consent_words", Kind::Text),
    ("left_at", Kind::Int),
    ("left_reason", Kind::Text),
    ("origin", Kind::Text),
    ("newsletter_id", Kind::Int),
    ("email", Kind::Text),
    ("id", Kind::Int),
    ("status_before", Kind::Text),
];

fn tie_row<'c>(newsletter_id: i64, change: &'c Change, after: &'c Tie) -> TieRow<'c> {
    let consent = after.consent.as_ref();
    let before = change.before.tie.as_ref();
    TieRow(
        after.status.as_str(),
        after.choice.schedule_id,
        after.choice.topics.bits(),
        after.choice.hour.map(TimeOfDay::minutes),
        after
            .paused_until
            .filter(|until| before.and_then(|tie| tie.paused_until) != Some(*until))
            .map(Timestamp::millis),
        consent.map(|consent| consent.at.millis()),
        consent.map(|consent| consent.from.as_str()),
        consent.map(|consent| consent.words.as_str()),
        after.left_at.map(Timestamp::millis),
        after.left_reason.as_deref(),
        after.origin.as_deref(),
        newsletter_id,
        before.is_none().then_some(change.email.as_str()),
        before.and_then(|tie| tie.id),
        before.map(|tie| tie.status.as_str()),
    )
}

async fn add_ties(
    conn: &mut Conn,
    newsletter_id: i64,
    changes: &[&Change],
    now: Timestamp,
) -> Result<(), DbError> {
    let ties: Vec<TieRow<'_>> = changes
        .iter()
        .filter_map(|change| change.after.tie.as_ref().map(|tie| tie_row(newsletter_id, change, tie)))
        .collect();
    let statement = |rows: &str| {
        format!(
            "INSERT INTO subscriptions (newsletter_id, subscriber_id, status, schedule_id, topics, at_minute,
                 paused_until, consent_at, consent_from, consent_words, left_at, left_reason, origin, created_at,
                 updated_at)
             SELECT r.newsletter_id, s.id, r.status, r.schedule_id, r.topics, r.at_minute,
                 r.paused_until, r.consent_at, r.consent_from, r.consent_words, r.left_at, r.left_reason, r.origin,
                 $2, $2
             FROM {rows} AS r JOIN subscribers s ON s.email = r.email WHERE true
             ON CONFLICT (newsletter_id, subscriber_id) DO NOTHING"
        )
    };
    all_rows("adding subscriptions", conn, statement, &TIE, &ties, now).await
}

async fn change_ties(
    conn: &mut Conn,
    newsletter_id: i64,
    changes: &[&Change],
    now: Timestamp,
) -> Result<(), DbError> {
    let ties: Vec<TieRow<'_>> = changes
        .iter()
        .filter(|change| change.before.tie != change.after.tie)
        .filter_map(|change| change.after.tie.as_ref().map(|tie| tie_row(newsletter_id, change, tie)))
        .collect();
    let statement = |rows: &str| {
        format!(
            "UPDATE subscriptions
             SET left_from = CASE WHEN r.status = 'unsubscribed' AND subscriptions.status <> 'unsubscribed'
                                  THEN subscriptions.status ELSE subscriptions.left_from END,
                 status = r.status, schedule_id = r.schedule_id, topics = r.topics, at_minute = r.at_minute,
                 paused_until = COALESCE(r.paused_until, subscriptions.paused_until), consent_at = r.consent_at, consent_from = r.consent_from, consent_words = r.consent_words,
                 left_at = r.left_at, left_reason = r.left_reason, updated_at = $2
             FROM {rows} AS r
             WHERE subscriptions.id = r.id AND subscriptions.status = r.status_before"
        )
    };
    all_rows("changing subscriptions", conn, statement, &TIE, &ties, now).await
}

/// Gives people the tags that they did not have; the tags that are not there are made.
async fn add_tags(conn: &mut Conn, changes: &[&Change], now: Timestamp) -> Result<(), DbError> {
    let mut given: Vec<(&str, &str)> = changes
        .iter()
        .flat_map(|Change { email, before, after }| {
            let new = after.tags.iter().filter(|tag| !before.tags.contains(tag));
            new.map(|tag| (tag.as_str(), email.as_str()))
        })
        .collect();
    if given.is_empty() {
        return Ok(());
    }
    // In the order of the names, so that two imports at once wait for each other rather than lock each other out.
    given.sort_unstable();
    let mut names: Vec<[&str; 1]> = given.iter().map(|(name, _)| [*name]).collect();
    names.dedup();
    let rows = Dialect::of(conn).rows("$1", &[("name", Kind::Text)]);
    let query = sql(format!(
        "INSERT INTO tags (name, created_at) SELECT r.name, $2 FROM {rows} AS r WHERE true
         ON CONFLICT (name) DO NOTHING"
    ));
    let query = sqlx::query(query).bind(json(&names)).bind(now.millis()).persistent(false);
    query.execute(&mut *conn).await?;
    let rows = Dialect::of(conn).rows("$1", &[("name", Kind::Text), ("email", Kind::Text)]);
    let query = sql(format!(
        "INSERT INTO subscriber_tags (tag_id, subscriber_id)
         SELECT n.id, s.id FROM {rows} AS r
         JOIN tags n ON n.name = r.name
         JOIN subscribers s ON s.email = r.email WHERE true
         ON CONFLICT (tag_id, subscriber_id) DO NOTHING"
    ));
    let query = sqlx::query(query).bind(json(&given)).persistent(false);
    match query.execute(conn).await?.rows_affected() {
        count if usize::try_from(count) == Ok(given.len()) => Ok(()),
        rows => Err(DbError::WrongRows { what: "giving tags", rows }),
    }
}

/// Suppresses addresses that were not, or that a bulk action did, which can be undone; none is taken off the list.
async fn add_suppressions(
    conn: &mut Conn,
    key: &SigningKey,
    changes: &[&Change],
    now: Timestamp,
) -> Result<(), DbError> {
    let of = |record: &OnRecord| (record.suppressed, record.is_suppressed_in_bulk);
    let addresses: Vec<_> = changes
        .iter()
        .filter(|change| of(&change.before) != of(&change.after))
        .filter_map(|Change { email, after, .. }| {
            Some((key.address_hash(email), email.as_str(), after.suppressed?.as_str()))
        })
        .collect();
    let columns = [("email_hash", Kind::Text), ("email", Kind::Text), ("reason", Kind::Text)];
    let statement = |rows: &str| {
        format!(
            "INSERT INTO suppressions (email_hash, email, reason, detail, created_at)
             SELECT r.email_hash, r.email, r.reason, 'said by an import', $2 FROM {rows} AS r WHERE true
             ON CONFLICT (email_hash) DO UPDATE SET reason = excluded.reason, detail = excluded.detail
             WHERE suppressions.reason = 'manual' AND suppressions.detail LIKE '{BULK_REASON}%'"
        )
    };
    all_rows("suppressing addresses", conn, statement, &columns, &addresses, now).await
}

/// Runs a statement over rows bound as `$1`, `now` as `$2`; it must change as many rows.
async fn all_rows<R: Serialize>(
    what: &'static str,
    conn: &mut Conn,
    statement: impl Fn(&str) -> String,
    columns: &[(&str, Kind)],
    rows: &[R],
    now: Timestamp,
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let statement = statement(&Dialect::of(conn).rows("$1", columns));
    let query = sqlx::query(sql(statement)).bind(json(rows)).bind(now.millis()).persistent(false);
    match query.execute(conn).await?.rows_affected() {
        changed if usize::try_from(changed) == Ok(rows.len()) => Ok(()),
        changed => Err(DbError::WrongRows { what, rows: changed }),
    }
}

fn json<R: Serialize>(rows: &[R]) -> String {
    serde_json::to_string(rows).expect("rows are lists of texts and numbers")
}
