//! Newsletters, their schedules and their topics.

use super::dialect::Dialect;
use super::row::Row;
use super::{Conn, DbError, one_row, sql};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::{Recurrence, Slots, TimeOfDay, Timestamp};
use crate::domain::mail::Mailbox;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Newsletter, Order, Rules, Schedule};
use crate::domain::topic::{MAX_TOPICS, Topic, TopicSet};

const NEWSLETTER: &str = "SELECT id, slug, name, description, from_name, from_email, reply_to, language, timezone, \
     postal_address, colour, logo_url, approval, min_articles, max_articles, max_age_hours, article_order, \
     match_language, subject, preheader, cutoff_minutes, grace_minutes, editors, measure, listed FROM newsletters";

fn newsletter(row: &sqlx::any::AnyRow) -> Result<Newsletter, DbError> {
    let row = Row::new(row, "newsletters");
    Ok(Newsletter {
        id: row.int("id")?,
        slug: row.text("slug")?,
        name: row.text("name")?,
        description: row.text("description")?,
        from: Mailbox { name: row.text("from_name")?, address: row.address("from_email")? },
        reply_to: row.opt_parsed("reply_to", |text| EmailAddress::parse(text).ok())?,
        language: row.text("language")?,
        zone: row.zone("timezone")?,
        postal_address: row.text("postal_address")?,
        colour: row.text("colour")?,
        logo_url: row.opt_text("logo_url")?,
        rules: Rules {
            approval: row.parsed("approval", Approval::parse)?,
            min_articles: row.int("min_articles")?,
            max_articles: row.int("max_articles")?,
            max_age_hours: row.opt_int("max_age_hours")?,
            order: row.parsed("article_order", Order::parse)?,
            match_language: row.flag("match_language")?,
            subject: row.text("subject")?,
            preheader: row.text("preheader")?,
            cutoff_minutes: row.int("cutoff_minutes")?,
            grace_minutes: row.int("grace_minutes")?,
            measure: row.parsed("measure", Measure::parse)?,
        },
        editors: row.parsed("editors", |text| {
            text.split_whitespace().map(|address| EmailAddress::parse(address).ok()).collect()
        })?,
        is_listed: row.flag("listed")?,
    })
}

/// Adds a newsletter (its `id` is not read) and returns its id; a slug that is taken is a duplicate.
pub async fn insert(conn: &mut Conn, new: &Newsletter, now: Timestamp) -> Result<i64, DbError> {
    let row = sqlx::query(
        "INSERT INTO newsletters (slug, name, description, from_name, from_email, reply_to, language, timezone,
             postal_address, colour, logo_url, approval, min_articles, max_articles, max_age_hours, article_order,
             match_language, subject, preheader, cutoff_minutes, grace_minutes, editors, measure, listed, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
             $22, $23, $24, $25)
         RETURNING id",
    );
    let row = bind(row, new).bind(now.millis()).fetch_one(conn).await?;
    Row::new(&row, "newsletters").int("id")
}

/// Writes every field of a newsletter but its id.
pub async fn update(conn: &mut Conn, changed: &Newsletter) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE newsletters SET slug = $1, name = $2, description = $3, from_name = $4, from_email = $5,
             reply_to = $6, language = $7, timezone = $8, postal_address = $9, colour = $10, logo_url = $11,
             approval = $12, min_articles = $13, max_articles = $14, max_age_hours = $15, article_order = $16,
             match_language = $17, subject = $18, preheader = $19, cutoff_minutes = $20, grace_minutes = $21,
             editors = $22, measure = $23, listed = $24
         WHERE id = $25",
    );
    one_row("changing a newsletter", &bind(query, changed).bind(changed.id).execute(conn).await?)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn bind<'q>(query: Query<'q>, newsletter: &'q Newsletter) -> Query<'q> {
    let rules = &newsletter.rules;
    let editors: Vec<&str> = newsletter.editors.iter().map(EmailAddress::as_str).collect();
    query
        .bind(&newsletter.slug)
        .bind(&newsletter.name)
        .bind(&newsletter.description)
        .bind(&newsletter.from.name)
        .bind(newsletter.from.address.as_str())
        .bind(newsletter.reply_to.as_ref().map(EmailAddress::as_str))
        .bind(&newsletter.language)
        .bind(newsletter.zone.name())
        .bind(&newsletter.postal_address)
        .bind(&newsletter.colour)
        .bind(newsletter.logo_url.as_deref())
        .bind(rules.approval.as_str())
        .bind(rules.min_articles)
        .bind(rules.max_articles)
        .bind(rules.max_age_hours)
        .bind(rules.order.as_str())
        .bind(i64::from(rules.match_language))
        .bind(&rules.subject)
        .bind(&rules.preheader)
        .bind(rules.cutoff_minutes)
        .bind(rules.grace_minutes)
        .bind(editors.join(" "))
        .bind(rules.measure.as_str())
        .bind(i64::from(newsletter.is_listed))
}

pub async fn list(conn: &mut Conn) -> Result<Vec<Newsletter>, DbError> {
    let rows = sqlx::query(sql(format!("{NEWSLETTER} ORDER BY id"))).fetch_all(conn).await?;
    rows.iter().map(newsletter).collect()
}

pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Newsletter>, DbError> {
    let query = sql(format!("{NEWSLETTER} WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?.as_ref().map(newsletter).transpose()
}

/// When a newsletter was made.
pub async fn made_at(conn: &mut Conn, id: i64) -> Result<Option<Timestamp>, DbError> {
    let row = sqlx::query("SELECT id, created_at FROM newsletters WHERE id = $1").bind(id);
    let row = row.fetch_optional(conn).await?;
    row.map(|row| Row::new(&row, "newsletters").time("created_at")).transpose()
}

pub async fn find(conn: &mut Conn, slug: &str) -> Result<Option<Newsletter>, DbError> {
    let query = sql(format!("{NEWSLETTER} WHERE slug = $1"));
    sqlx::query(query).bind(slug).fetch_optional(conn).await?.as_ref().map(newsletter).transpose()
}

/// Makes the transaction the only one that fills or freezes this newsletter's issues, until it ends: another node, or
/// an editor, waits here. A newsletter that is gone locks nothing.
pub async fn lock(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    let for_update = Dialect::of(conn).for_update();
    let query = sql(format!("SELECT id FROM newsletters WHERE id = $1 {for_update}"));
    sqlx::query(query).bind(id).fetch_optional(conn).await?;
    Ok(())
}

/// Counts one more frozen issue of a newsletter and returns its number, from 1.
pub async fn next_number(conn: &mut Conn, id: i64) -> Result<i64, DbError> {
    let row = sqlx::query(
        "UPDATE newsletters SET issues_frozen = issues_frozen + 1 WHERE id = $1 RETURNING issues_frozen",
    )
    .bind(id)
    .fetch_one(conn)
    .await?;
    Row::new(&row, "newsletters").int("issues_frozen")
}

const SCHEDULE: &str =
    "SELECT id, newsletter_id, name, recurrence, at_minute, timezone, paused, starts_at FROM schedules";

fn schedule(row: &sqlx::any::AnyRow) -> Result<Schedule, DbError> {
    let row = Row::new(row, "schedules");
    Ok(Schedule {
        id: row.int("id")?,
        newsletter_id: row.int("newsletter_id")?,
        name: row.text("name")?,
        slots: Slots {
            recurrence: row.parsed("recurrence", |text| Recurrence::parse(text).ok())?,
            at: TimeOfDay::from_minutes(row.int("at_minute")?).unwrap_or_else(TimeOfDay::midnight),
            zone: row.zone("timezone")?,
        },
        paused: row.flag("paused")?,
        starts_at: row.time("starts_at")?,
    })
}

/// Adds a schedule (its `id` is not read) and returns its id; a name that is taken is a duplicate.
pub async fn insert_schedule(conn: &mut Conn, new: &Schedule) -> Result<i64, DbError> {
    let row = sqlx::query(
        "INSERT INTO schedules (newsletter_id, name, recurrence, at_minute, timezone, paused, starts_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING id",
    )
    .bind(new.newsletter_id)
    .bind(&new.name)
    .bind(new.slots.recurrence.to_string())
    .bind(new.slots.at.minutes())
    .bind(new.slots.zone.name())
    .bind(i64::from(new.paused))
    .bind(new.starts_at.millis())
    .fetch_one(conn)
    .await?;
    Row::new(&row, "schedules").int("id")
}

/// Writes every field of a schedule but its id and newsletter.
pub async fn update_schedule(conn: &mut Conn, changed: &Schedule) -> Result<(), DbError> {
    let result = sqlx::query(
        "UPDATE schedules SET name = $1, recurrence = $2, at_minute = $3, timezone = $4, paused = $5,
             starts_at = $6 WHERE id = $7",
    )
    .bind(&changed.name)
    .bind(changed.slots.recurrence.to_string())
    .bind(changed.slots.at.minutes())
    .bind(changed.slots.zone.name())
    .bind(i64::from(changed.paused))
    .bind(changed.starts_at.millis())
    .bind(changed.id)
    .execute(conn)
    .await?;
    one_row("changing a schedule", &result)
}

/// A newsletter's schedules, the first one first: it is the one that subscribers follow who chose none.
pub async fn schedules_of(conn: &mut Conn, newsletter_id: i64) -> Result<Vec<Schedule>, DbError> {
    let query = sql(format!("{SCHEDULE} WHERE newsletter_id = $1 ORDER BY id"));
    sqlx::query(query).bind(newsletter_id).fetch_all(conn).await?.iter().map(schedule).collect()
}

/// Every schedule of every newsletter.
pub async fn schedules(conn: &mut Conn) -> Result<Vec<Schedule>, DbError> {
    let query = sql(format!("{SCHEDULE} ORDER BY id"));
    sqlx::query(query).fetch_all(conn).await?.iter().map(schedule).collect()
}

/// How many readers chose a schedule, and how many of its issues are more than drafts that fill by themselves: what keeps
/// it from being removed.
pub async fn ties_of_schedule(conn: &mut Conn, schedule: &Schedule) -> Result<(i64, i64), DbError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM subscriptions WHERE newsletter_id = $2 AND schedule_id = $1) AS readers,
                (SELECT COUNT(*) FROM issues WHERE schedule_id = $1 AND (state <> 'draft' OR edited = 1)) AS issues",
    )
    .bind(schedule.id)
    .bind(schedule.newsletter_id)
    .fetch_one(conn)
    .await?;
    let row = Row::new(&row, "schedules");
    Ok((row.int("readers")?, row.int("issues")?))
}

/// Removes a schedule with its drafts and all that belongs to them. Call it in a transaction, for one that nothing else
/// is tied to.
pub async fn remove_schedule(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    for table in ["issue_articles", "issue_history", "issue_tallies", "early_starts", "issue_totals"] {
        let statement = sql(format!(
            "DELETE FROM {table} WHERE issue_id IN
                 (SELECT id FROM issues WHERE schedule_id = $1 AND state = 'draft')"
        ));
        sqlx::query(statement).bind(id).execute(&mut *conn).await?;
    }
    let drafts = "DELETE FROM issues WHERE schedule_id = $1 AND state = 'draft'";
    sqlx::query(drafts).bind(id).execute(&mut *conn).await?;
    let result = sqlx::query("DELETE FROM schedules WHERE id = $1").bind(id).execute(conn).await?;
    one_row("removing a schedule", &result)
}

/// Gives a topic another name; its slug, by which feeds name it, stays.
pub async fn rename_topic(conn: &mut Conn, id: i64, name: &str) -> Result<(), DbError> {
    let result =
        sqlx::query("UPDATE topics SET name = $2 WHERE id = $1").bind(id).bind(name).execute(conn).await?;
    one_row("renaming a topic", &result)
}

/// What has a topic: whether a source does, an article, a reader.
pub async fn users_of_topic(
    conn: &mut Conn,
    newsletter_id: i64,
    topic: &Topic,
) -> Result<(bool, bool, bool), DbError> {
    let has = |table: &str| {
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {table} WHERE newsletter_id = $1 AND (topics & $2) <> 0)
                  THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END"
        )
    };
    let query = sql(format!(
        "SELECT {} AS sources, {} AS articles, {} AS readers",
        has("sources"),
        has("articles"),
        has("subscriptions")
    ));
    let row = sqlx::query(query)
        .bind(newsletter_id)
        .bind(TopicSet::EMPTY.with(topic).bits())
        .fetch_one(conn)
        .await?;
    let row = Row::new(&row, "topics");
    Ok((row.flag("sources")?, row.flag("articles")?, row.flag("readers")?))
}

pub async fn remove_topic(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    let result = sqlx::query("DELETE FROM topics WHERE id = $1").bind(id).execute(conn).await?;
    one_row("removing a topic", &result)
}

/// A newsletter's topics in the order of the sections.
pub async fn topics(conn: &mut Conn, newsletter_id: i64) -> Result<Vec<Topic>, DbError> {
    let rows = sqlx::query("SELECT id, slug, name, bit FROM topics WHERE newsletter_id = $1 ORDER BY bit")
        .bind(newsletter_id)
        .fetch_all(conn)
        .await?;
    let topic = |row: &sqlx::any::AnyRow| {
        let row = Row::new(row, "topics");
        Ok(Topic {
            id: row.int("id")?,
            slug: row.text("slug")?,
            name: row.text("name")?,
            bit: u8::try_from(row.int("bit")?).unwrap_or(0),
        })
    };
    rows.iter().map(topic).collect()
}

/// Adds a topic unless the newsletter has one with this slug, and returns it as it is stored; none where the
/// newsletter already has [`MAX_TOPICS`]. Call it in a transaction that writes.
pub async fn ensure_topic(
    conn: &mut Conn,
    newsletter_id: i64,
    slug: &str,
    name: &str,
) -> Result<Option<Topic>, DbError> {
    let topics = topics(&mut *conn, newsletter_id).await?;
    if let Some(found) = topics.iter().find(|topic| topic.slug == slug) {
        return Ok(Some(found.clone()));
    }
    let bit = topics.last().map_or(0, |topic| topic.bit + 1);
    if usize::from(bit) >= MAX_TOPICS {
        return Ok(None);
    }
    let row = sqlx::query(
        "INSERT INTO topics (newsletter_id, slug, name, bit) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(newsletter_id)
    .bind(slug)
    .bind(name)
    .bind(i64::from(bit))
    .fetch_one(conn)
    .await?;
    Ok(Some(Topic {
        id: Row::new(&row, "topics").int("id")?,
        slug: slug.to_owned(),
        name: name.to_owned(),
        bit,
    }))
}
