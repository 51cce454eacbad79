//! Subscriptions: who follows which newsletter, how, and since when.

use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::calendar::{TimeOfDay, Timestamp};
use crate::domain::subscription::{
    BULK_REASON, Consent, Subscription, SubscriptionEvent, SubscriptionStatus, transition,
};
use crate::domain::topic::TopicSet;

const COLUMNS: &str = "id, subscriber_id, newsletter_id, status, schedule_id, topics, at_minute, paused_until, \
     consent_at, consent_from, consent_words, asked_at, origin, confirmed_at, left_at, left_reason, left_from";

/// A subscription as it is stored: the domain's, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub subscription: Subscription,
    /// Where it came from, where that was no consent of the person's own: `import readers.csv`, `added by ann@…`.
    pub origin: Option<String>,
    pub confirmed_at: Option<Timestamp>,
    /// When and why the reader left; kept while a new sign-up waits to be confirmed.
    pub left_at: Option<Timestamp>,
    pub left_reason: Option<String>,
    /// What they were when they left, where that is known.
    pub left_from: Option<SubscriptionStatus>,
}

fn stored(row: &sqlx::any::AnyRow) -> Result<Stored, DbError> {
    let row = Row::new(row, "subscriptions");
    Ok(Stored {
        subscription: Subscription {
            id: row.int("id")?,
            subscriber_id: row.int("subscriber_id")?,
            newsletter_id: row.int("newsletter_id")?,
            status: row.parsed("status", SubscriptionStatus::parse)?,
            schedule_id: row.opt_int("schedule_id")?,
            topics: row.topics("topics")?,
            hour: row.opt_int("at_minute")?.and_then(TimeOfDay::from_minutes),
            paused_until: row.opt_time("paused_until")?,
            consent: consent(&row)?,
            asked_at: row.opt_time("asked_at")?,
        },
        origin: row.opt_text("origin")?,
        confirmed_at: row.opt_time("confirmed_at")?,
        left_at: row.opt_time("left_at")?,
        left_reason: row.opt_text("left_reason")?,
        left_from: row.opt_parsed("left_from", SubscriptionStatus::parse)?,
    })
}

/// The consent in a row of subscriptions.
pub(super) fn consent(row: &Row<'_>) -> Result<Option<Consent>, DbError> {
    let Some(at) = row.opt_time("consent_at")? else { return Ok(None) };
    Ok(Some(Consent {
        at,
        from: row.opt_text("consent_from")?.unwrap_or_default(),
        words: row.opt_text("consent_words")?.unwrap_or_default(),
    }))
}

fn subscription(row: &sqlx::any::AnyRow) -> Result<Subscription, DbError> {
    Ok(stored(row)?.subscription)
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Subscription>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM subscriptions WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(subscription).transpose()
}

/// A person's subscription to one newsletter.
pub async fn find(
    conn: &mut Conn,
    newsletter_id: i64,
    subscriber_id: i64,
) -> Result<Option<Subscription>, DbError> {
    let query =
        sql(format!("SELECT {COLUMNS} FROM subscriptions WHERE newsletter_id = $1 AND subscriber_id = $2"));
    let row = sqlx::query(query).bind(newsletter_id).bind(subscriber_id).fetch_optional(conn).await?;
    row.as_ref().map(subscription).transpose()
}

/// All of a person's subscriptions, also those that ended, the oldest first.
pub async fn of_subscriber(conn: &mut Conn, subscriber_id: i64) -> Result<Vec<Stored>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM subscriptions WHERE subscriber_id = $1 ORDER BY id"));
    sqlx::query(query).bind(subscriber_id).fetch_all(conn).await?.iter().map(stored).collect()
}

/// What a reader chose about a newsletter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// None: the newsletter's first schedule.
    pub schedule_id: Option<i64>,
    /// Empty: every topic.
    pub topics: TopicSet,
    /// None: the schedule's slot.
    pub hour: Option<TimeOfDay>,
}

/// Writes what a reader chose about a newsletter.
pub async fn choose(conn: &mut Conn, id: i64, choice: Choice, now: Timestamp) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE subscriptions SET schedule_id = $1, topics = $2, at_minute = $3, updated_at = $4 WHERE id = $5",
    )
    .bind(choice.schedule_id)
    .bind(choice.topics.bits())
    .bind(choice.hour.map(TimeOfDay::minutes))
    .bind(now.millis())
    .bind(id)
    .execute(conn)
    .await?;
    one_row("choosing for a subscription", &result)
}

/// Writes that an admin, who is named by `origin`, has the person asked: what somebody else typed before, and did not
/// confirm, is no consent.
pub async fn ask(conn: &mut Conn, id: i64, origin: &str, now: Timestamp) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE subscriptions
         SET asked_at = $1, origin = $2, consent_at = NULL, consent_from = NULL, consent_words = NULL, updated_at = $1
         WHERE id = $3",
    )
    .bind(now.millis())
    .bind(origin)
    .bind(id)
    .execute(conn)
    .await?;
    one_row("asking for a subscription", &result)
}

/// Writes what somebody agreed to.
pub async fn agree(conn: &mut Conn, id: i64, consent: &Consent, now: Timestamp) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE subscriptions SET consent_at = $1, consent_from = $2, consent_words = $3, updated_at = $4
         WHERE id = $5",
    )
    .bind(consent.at.millis())
    .bind(&consent.from)
    .bind(&consent.words)
    .bind(now.millis())
    .bind(id)
    .execute(conn)
    .await?;
    one_row("agreeing to a subscription", &result)
}

/// Stops a subscription's digests until that time; none: they come again.
pub async fn pause(
    conn: &mut Conn,
    id: i64,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbError> {
    let result = sqlx::query("UPDATE subscriptions SET paused_until = $1, updated_at = $2 WHERE id = $3")
        .bind(until.map(Timestamp::millis))
        .bind(now.millis())
        .bind(id)
        .execute(conn)
        .await?;
    one_row("pausing a subscription", &result)
}

/// What an event made of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The status before; none: there was no subscription.
    pub before: Option<SubscriptionStatus>,
    /// The subscription as it is now.
    pub now: Subscription,
}

/// Applies `event` to a person's subscription to a newsletter, which is made if there is none: a sign-up, an import.
///
/// What the reader chose and agreed to is left as it is ([`choose`] and [`agree`] change it). Call it in a
/// transaction that writes.
pub async fn enter(
    conn: &mut Conn,
    newsletter_id: i64,
    subscriber_id: i64,
    event: SubscriptionEvent,
    now: Timestamp,
) -> Result<Changed, DbError> {
    let added = sqlx::query(
        "INSERT INTO subscriptions (newsletter_id, subscriber_id, status, topics, created_at, updated_at)
         VALUES ($1, $2, $3, 0, $4, $4)
         ON CONFLICT (newsletter_id, subscriber_id) DO NOTHING",
    )
    .bind(newsletter_id)
    .bind(subscriber_id)
    .bind(transition(None, event).as_str())
    .bind(now.millis())
    .execute(&mut *conn)
    .await?
    .rows_affected()
        == 1;
    // Writing the row before deciding holds off whoever else wants to change it, on both databases.
    let query = sql(format!(
        "UPDATE subscriptions SET updated_at = $3 WHERE newsletter_id = $1 AND subscriber_id = $2
         RETURNING {COLUMNS}"
    ));
    let row = sqlx::query(query).bind(newsletter_id).bind(subscriber_id).bind(now.millis());
    let found = stored(&row.fetch_one(&mut *conn).await?)?;
    let before = (!added).then_some(found.subscription.status);
    write(conn, found, before, event, None, now).await
}

/// Applies `event` to a subscription there is; none where it is not there. `reason` says why somebody leaves
/// (for instance `link`, `one-click`, `admin`). Call it in a transaction that writes.
pub async fn apply(
    conn: &mut Conn,
    id: i64,
    event: SubscriptionEvent,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Option<Changed>, DbError> {
    let query = sql(format!("UPDATE subscriptions SET updated_at = $2 WHERE id = $1 RETURNING {COLUMNS}"));
    let row = sqlx::query(query).bind(id).bind(now.millis()).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    let found = stored(&row)?;
    let before = Some(found.subscription.status);
    write(conn, found, before, event, reason, now).await.map(Some)
}

/// A subscription with what happened to it.
pub async fn history(conn: &mut Conn, id: i64) -> Result<Option<Stored>, DbError> {
    let query = sql(format!("SELECT {COLUMNS} FROM subscriptions WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(stored).transpose()
}

/// Notes what a reader who has left says about why. Returns whether there is such a reader.
pub async fn explain(conn: &mut Conn, id: i64, reason: &str, now: Timestamp) -> Result<bool, DbError> {
    let result = sqlx::query(
        "UPDATE subscriptions SET left_reason = $1, updated_at = $2 WHERE id = $3 AND status = 'unsubscribed'",
    )
    .bind(reason)
    .bind(now.millis())
    .bind(id)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Whether it was a bulk action that ended a subscription.
pub fn ended_for_many(left_reason: Option<&str>) -> bool {
    left_reason.is_some_and(|reason| reason.starts_with(BULK_REASON))
}

async fn write(
    conn: &mut Conn,
    found: Stored,
    before: Option<SubscriptionStatus>,
    event: SubscriptionEvent,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Changed, DbError> {
    use SubscriptionStatus as S;
    let mut after = found;
    let event = match event {
        // Whoever left and was signed up again by a form that anybody can fill in is still not to be brought back.
        SubscriptionEvent::Import if after.left_at.is_some() => SubscriptionEvent::ImportPending,
        event => event,
    };
    let status = transition(before, event);
    match status {
        S::Active => {
            if event == SubscriptionEvent::Confirm && before != Some(S::Active) {
                after.confirmed_at = Some(now);
            }
            (after.left_at, after.left_reason, after.left_from) = (None, None, None);
        }
        S::Unsubscribed if before != Some(S::Unsubscribed) => {
            after.left_at = Some(now);
            after.left_reason = reason.map(str::to_owned);
            after.left_from = before;
        }
        // Whoever leaves by themselves what an admin had ended for many is not brought back when that is undone.
        S::Unsubscribed
            if event == SubscriptionEvent::Leave && ended_for_many(after.left_reason.as_deref()) =>
        {
            after.left_reason = reason.map(str::to_owned);
        }
        S::Pending | S::Unsubscribed => {}
    }
    after.subscription.status = status;
    let result = sqlx::query(
        "UPDATE subscriptions SET status = $1, confirmed_at = $2, left_at = $3, left_reason = $4, left_from = $6
         WHERE id = $5",
    )
    .bind(status.as_str())
    .bind(after.confirmed_at.map(Timestamp::millis))
    .bind(after.left_at.map(Timestamp::millis))
    .bind(after.left_reason.as_deref())
    .bind(after.subscription.id)
    .bind(after.left_from.map(SubscriptionStatus::as_str))
    .execute(conn)
    .await?;
    one_row("changing a subscription", &result)?;
    Ok(Changed { before, now: after.subscription })
}

#[cfg(test)]
mod tests {
    use sqlx::Executor as _;

    use super::*;
    use crate::db::testing::{a_newsletter, databases};
    use crate::db::{subscribers, suppressions};
    use crate::domain::address::EmailAddress;
    use crate::domain::subscription::SuppressionReason;
    use crate::domain::token::SigningKey;

    const T0: Timestamp = Timestamp::from_millis(1_000_000);
    const T1: Timestamp = Timestamp::from_millis(2_000_000);

    #[tokio::test]
    async fn what_was_written_down_as_a_consent_and_was_none_is_an_origin() {
        const MIGRATION: &str = include_str!("../../migrations/sqlite/0031_people.sql");
        let update =
            MIGRATION.split_inclusive(';').find(|text| text.contains("UPDATE subscriptions")).unwrap();
        for test in databases().await {
            let key = SigningKey::new(&[7; 32]);
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut tx = test.db.begin().await.unwrap();
            let undated = "import a.csv (the file has no date of it)";
            let mut all = vec![];
            for (at, from, words, event, origin) in [
                (T0, "import a.csv", "", SubscriptionEvent::Import, Some("import a.csv")),
                (T1, undated, "", SubscriptionEvent::Import, Some(undated)),
                (T1, "import a.csv", "", SubscriptionEvent::Import, None),
                (T0, "import a.csv", "I agree", SubscriptionEvent::Import, None),
                (T0, "203.0.113.7", "", SubscriptionEvent::SignUp, None),
                (T0, "added by ann", "By post", SubscriptionEvent::SignUp, Some("added by ann: By post")),
                (T0, "added by ann", "By post", SubscriptionEvent::Import, None),
            ] {
                let email = EmailAddress::parse(&format!("r{}@example.org", all.len())).unwrap();
                let person = subscribers::ensure(&mut tx, &key, &email, T0).await.unwrap();
                let id = enter(&mut tx, newsletter, person.id, event, T0).await.unwrap().now.id;
                let consent = Consent { at, from: from.to_owned(), words: words.to_owned() };
                agree(&mut tx, id, &consent, T1).await.unwrap();
                all.push((id, consent, origin));
            }
            tx.execute(update).await.unwrap();
            for (id, consent, origin) in all {
                let stored = history(&mut tx, id).await.unwrap().unwrap();
                let kept = origin.is_none().then_some(consent);
                assert_eq!((stored.origin.as_deref(), stored.subscription.consent), (origin, kept));
                let is_asked = origin.is_some_and(|origin| origin.starts_with("added"));
                assert_eq!(stored.subscription.asked_at, is_asked.then_some(T0));
            }
        }
    }

    #[tokio::test]
    async fn a_reader_signs_up_confirms_leaves_and_only_comes_back_by_confirming() {
        for test in databases().await {
            let key = SigningKey::new(&[7; 32]);
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut tx = test.db.begin().await.unwrap();
            let email = EmailAddress::parse("Ann@Example.org").unwrap();
            let ann = subscribers::ensure(&mut tx, &key, &email, T0).await.unwrap();
            assert_eq!(subscribers::ensure(&mut tx, &key, &email, T1).await.unwrap(), ann);
            let consent = Consent { at: T0, from: "203.0.113.7".into(), words: "Yes, mail me".into() };

            let event = SubscriptionEvent::SignUp;
            let entered = enter(&mut tx, newsletter, ann.id, event, T0).await.unwrap();
            assert_eq!(entered.before, None);
            assert_eq!(entered.now.status, SubscriptionStatus::Pending);
            let id = entered.now.id;
            agree(&mut tx, id, &consent, T0).await.unwrap();
            assert_eq!(get(&mut tx, id).await.unwrap().unwrap().consent, Some(consent.clone()));

            let confirmed = apply(&mut tx, id, SubscriptionEvent::Confirm, None, T1).await.unwrap().unwrap();
            assert_eq!(confirmed.before, Some(SubscriptionStatus::Pending));
            assert_eq!(confirmed.now.status, SubscriptionStatus::Active);

            let left = apply(&mut tx, id, SubscriptionEvent::Leave, Some("link"), T1).await.unwrap().unwrap();
            assert_eq!(left.now.status, SubscriptionStatus::Unsubscribed);
            let all = of_subscriber(&mut tx, ann.id).await.unwrap();
            assert_eq!((all[0].confirmed_at, all[0].left_at), (Some(T1), Some(T1)));
            assert_eq!(all[0].left_reason.as_deref(), Some("link"));

            // Neither an import nor a form that anybody can fill in, followed by an import, brings Ann back.
            for (event, status) in [
                (SubscriptionEvent::Import, SubscriptionStatus::Unsubscribed),
                (SubscriptionEvent::SignUp, SubscriptionStatus::Pending),
                (SubscriptionEvent::Import, SubscriptionStatus::Pending),
                (SubscriptionEvent::Confirm, SubscriptionStatus::Active),
            ] {
                let changed = enter(&mut tx, newsletter, ann.id, event, T1).await.unwrap();
                assert_eq!(changed.now.status, status, "{event:?}");
            }
            assert_eq!(of_subscriber(&mut tx, ann.id).await.unwrap()[0].left_at, None);
            assert_eq!(apply(&mut tx, 999, SubscriptionEvent::Leave, None, T1).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn what_a_reader_chose_is_kept() {
        for test in databases().await {
            let key = SigningKey::new(&[7; 32]);
            let newsletter = a_newsletter(&test.db, "brief").await;
            let mut tx = test.db.begin().await.unwrap();
            let email = EmailAddress::parse("ann@example.org").unwrap();
            let mut ann = subscribers::ensure(&mut tx, &key, &email, T0).await.unwrap();
            ann.name = "Ann".into();
            ann.zone = Some(chrono_tz::Europe::Paris);
            subscribers::update(&mut tx, &ann, T1).await.unwrap();
            assert_eq!(subscribers::find(&mut tx, &email).await.unwrap(), Some(ann.clone()));
            assert_eq!(subscribers::get(&mut tx, ann.id).await.unwrap(), Some(ann.clone()));
            let event = SubscriptionEvent::Import;
            let id = enter(&mut tx, newsletter, ann.id, event, T0).await.unwrap().now.id;
            let choice = Choice {
                schedule_id: None,
                topics: TopicSet::from_bits(5),
                hour: Some(TimeOfDay::parse("07:30").unwrap()),
            };
            choose(&mut tx, id, choice, T1).await.unwrap();
            pause(&mut tx, id, Some(T1), T1).await.unwrap();
            let found = find(&mut tx, newsletter, ann.id).await.unwrap().unwrap();
            assert_eq!((found.topics, found.hour), (choice.topics, choice.hour));
            assert_eq!(found.paused_until, Some(T1));
            assert_eq!(get(&mut tx, id).await.unwrap(), Some(found));
        }
    }

    #[tokio::test]
    async fn the_first_reason_for_a_suppression_stays_until_it_is_lifted() {
        for test in databases().await {
            let key = SigningKey::new(&[7; 32]);
            let mut conn = test.db.conn().await.unwrap();
            let email = EmailAddress::parse("ann@example.org").unwrap();
            assert!(!suppressions::is_suppressed(&mut conn, &key, &email).await.unwrap());
            let bounced = SuppressionReason::Bounced;
            assert!(
                suppressions::suppress(&mut conn, &key, &email, bounced, "550 no such user", T0)
                    .await
                    .unwrap()
            );
            let manual = SuppressionReason::Manual;
            assert!(!suppressions::suppress(&mut conn, &key, &email, manual, "", T1).await.unwrap());
            let found = suppressions::find(&mut conn, &key, &email).await.unwrap().unwrap();
            assert_eq!((found.reason, found.at, found.email.as_ref()), (bounced, T0, Some(&email)));
            assert!(suppressions::unsuppress(&mut conn, &key, &email).await.unwrap());
            assert!(!suppressions::unsuppress(&mut conn, &key, &email).await.unwrap());
        }
    }
}
