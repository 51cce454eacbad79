//! Subscribers: people by address.

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::delivery::SkipReason;
use crate::domain::search::words_of;
use crate::domain::subscription::Subscriber;
use crate::domain::token::SigningKey;

const SUBSCRIBER: &str = "SELECT id, email, name, language, timezone, moved_at FROM subscribers";

fn subscriber(row: &sqlx::any::AnyRow) -> Result<Subscriber, DbError> {
    let row = Row::new(row, "subscribers");
    Ok(Subscriber {
        id: row.int("id")?,
        email: row.address("email")?,
        name: row.text("name")?,
        language: row.opt_text("language")?,
        zone: row.opt_parsed("timezone", |text| text.parse().ok())?,
        moved_at: row.opt_time("moved_at")?,
    })
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Subscriber>, DbError> {
    let query = sql(format!("{SUBSCRIBER} WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(subscriber).transpose()
}

pub async fn find(conn: &mut Conn, email: &EmailAddress) -> Result<Option<Subscriber>, DbError> {
    let query = sql(format!("{SUBSCRIBER} WHERE email = $1"));
    sqlx::query(query).bind(email.as_str()).fetch_optional(conn).await?.as_ref().map(subscriber).transpose()
}

/// The subscriber with this address: the one there is, unchanged, or a new one without a name. Call it in a
/// transaction that writes.
pub async fn ensure(
    conn: &mut Conn,
    key: &SigningKey,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<Subscriber, DbError> {
    sqlx::query(
        "INSERT INTO subscribers (email, email_hash, name, created_at, updated_at, email_words)
         VALUES ($1, $2, '', $3, $3, $4)
         ON CONFLICT (email) DO NOTHING",
    )
    .bind(email.as_str())
    .bind(key.address_hash(email))
    .bind(now.millis())
    .bind(words_of(email.as_str()))
    .execute(&mut *conn)
    .await?;
    let found = find(conn, email).await?;
    found.ok_or(DbError::WrongRows { what: "adding a subscriber", rows: 0 })
}

/// Writes a subscriber's name, language and zone; the address stays.
pub async fn update(conn: &mut Conn, changed: &Subscriber, now: Timestamp) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE subscribers SET name = $1, language = $2, timezone = $3, updated_at = $4, name_words = $6
         WHERE id = $5",
    )
    .bind(&changed.name)
    .bind(changed.language.as_deref())
    .bind(changed.zone.map(|zone| zone.name()))
    .bind(now.millis())
    .bind(changed.id)
    .bind(words_of(&changed.name))
    .execute(conn)
    .await?;
    one_row("changing a subscriber", &result)
}

/// Gives a person another address. Call it in a transaction that writes.
///
/// # Errors
/// [`DbError::is_duplicate`] where somebody has it.
pub async fn set_address(
    conn: &mut Conn,
    key: &SigningKey,
    id: i64,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE subscribers SET email = $1, email_hash = $2, has_moved = 1, moved_at = $3, updated_at = $3,
             email_words = $5
         WHERE id = $4",
    )
    .bind(email.as_str())
    .bind(key.address_hash(email))
    .bind(now.millis())
    .bind(id)
    .bind(words_of(email.as_str()))
    .execute(conn)
    .await?;
    one_row("changing an address", &result)
}

/// Whether a person's address was ever another.
pub async fn has_moved(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    let row = sqlx::query("SELECT id, has_moved FROM subscribers WHERE id = $1").bind(id);
    let row = row.fetch_optional(conn).await?;
    row.map_or(Ok(false), |row| Row::new(&row, "subscribers").flag("has_moved"))
}

/// Keeps others from changing a person, whoever has an address, and what the latter follows, until the transaction ends.
pub async fn hold(conn: &mut Conn, id: i64, email: &EmailAddress) -> Result<(), DbError> {
    let for_update = Dialect::of(conn).for_update();
    for statement in [
        format!("SELECT id FROM subscribers WHERE id = $1 OR email = $2 ORDER BY id {for_update}"),
        format!(
            "SELECT id FROM subscriptions WHERE subscriber_id <> $1
                 AND subscriber_id = (SELECT id FROM subscribers WHERE email = $2) ORDER BY id {for_update}"
        ),
    ] {
        sqlx::query(sql(statement)).bind(id).bind(email.as_str()).fetch_all(&mut *conn).await?;
    }
    Ok(())
}

/// Notes that a person changed their address themselves, and forgets changes made before `until`.
pub async fn add_move(
    conn: &mut Conn,
    id: i64,
    moved_at: Timestamp,
    until: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM address_moves WHERE moved_at < $1")
        .bind(until.millis())
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO address_moves (subscriber_id, moved_at) VALUES ($1, $2)
         ON CONFLICT (subscriber_id, moved_at) DO NOTHING",
    )
    .bind(id)
    .bind(moved_at.millis())
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a change of an address made then is on record and was not undone.
pub async fn has_move(conn: &mut Conn, id: i64, moved_at: Timestamp) -> Result<bool, DbError> {
    let query = sqlx::query("SELECT 1 FROM address_moves WHERE subscriber_id = $1 AND moved_at = $2");
    Ok(query.bind(id).bind(moved_at.millis()).fetch_optional(conn).await?.is_some())
}

/// Takes a change of an address off the record, and those made after it: they are undone.
pub async fn undo_moves(conn: &mut Conn, id: i64, moved_at: Timestamp) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM address_moves WHERE subscriber_id = $1 AND moved_at >= $2");
    query.bind(id).bind(moved_at.millis()).execute(conn).await?;
    Ok(())
}

/// When a person's row was written first and last.
pub async fn written_at(conn: &mut Conn, id: i64) -> Result<Option<(Timestamp, Timestamp)>, DbError> {
    let row = sqlx::query("SELECT id, created_at, updated_at FROM subscribers WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    let times = |row| {
        let row = Row::new(&row, "subscribers");
        Ok((row.time("created_at")?, row.time("updated_at")?))
    };
    row.map(times).transpose()
}

/// Forgets a person: the row, the subscriptions, mails that wait for the address, and what relays said about it. What
/// was sent stays counted, under a number that nobody has any more, and what was still to be sent is skipped.
///
/// What ties the address to its suppression is left to [`super::suppressions::forget`]. Returns how many notices are
/// being sent at this moment: they go when they are recorded. Call it in a transaction that writes.
pub async fn erase(
    conn: &mut Conn,
    email: &EmailAddress,
    id: Option<i64>,
    now: Timestamp,
) -> Result<i64, DbError> {
    if let Some(id) = id {
        // Mails about a change of address went to addresses that are not this one.
        for kind in ["address", "moved"] {
            super::notices::erase_events(&mut *conn, &format!("{kind}:{id}:")).await?;
        }
        // The index begins with the issue: one look for each of them finds a person's deliveries.
        sqlx::query(
            "UPDATE deliveries SET state = 'skipped', reason = $2, node = NULL, updated_at = $3
             WHERE issue_id IN (SELECT id FROM issues) AND subscriber_id = $1 AND state IN ('queued', 'deferred')",
        )
        .bind(id)
        .bind(SkipReason::Unsubscribed.as_str())
        .bind(now.millis())
        .execute(&mut *conn)
        .await?;
        // What is on the wire comes to its end after this: it is recorded without what the relay says.
        sqlx::query(
            "UPDATE deliveries SET subscription_id = 0
             WHERE issue_id IN (SELECT id FROM issues) AND subscriber_id = $1 AND state = 'claimed'",
        )
        .bind(id)
        .execute(&mut *conn)
        .await?;
        // Relays like to repeat the address.
        sqlx::query(
            "UPDATE deliveries SET detail = NULL
             WHERE issue_id IN (SELECT id FROM issues) AND subscriber_id = $1 AND detail IS NOT NULL",
        )
        .bind(id)
        .execute(&mut *conn)
        .await?;
        super::measuring::forget(conn, id).await?;
        for rest in [
            "DELETE FROM subscriber_tags WHERE subscriber_id = $1",
            "DELETE FROM address_moves WHERE subscriber_id = $1",
            // Why somebody left, in their own words, may stand there.
            "DELETE FROM bulk_changes WHERE action_id IN (SELECT id FROM bulk_actions) AND subscriber_id = $1",
            "DELETE FROM subscriptions WHERE subscriber_id = $1",
        ] {
            sqlx::query(rest).bind(id).execute(&mut *conn).await?;
        }
        let result =
            sqlx::query("DELETE FROM subscribers WHERE id = $1").bind(id).execute(&mut *conn).await?;
        one_row("erasing a subscriber", &result)?;
    }
    super::notices::erase(conn, email).await
}
