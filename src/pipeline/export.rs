//! A newsletter's people → CSV, or a line of JSON each; page by page, so that a million take no more memory than one.
//!
//! The CSV has the columns that an import reads: importing an export changes nothing, and elsewhere it makes the same
//! readers, and brings back nobody who must not be mailed.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::db;
use crate::db::directory::{From, Person, Place};
use crate::db::people::Exported;
use crate::db::subscriptions::ended_for_many;
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::{SubscriptionStatus, SuppressionReason};
use crate::domain::topic::Topic;
use crate::pipeline::App;
use crate::pipeline::Error;
use crate::pipeline::accounts::Actor;
use crate::pipeline::directory::Wanted;
use crate::pipeline::editors::find_newsletter;
use crate::pipeline::import::{Field, join_tags, protect};

/// People per page.
const PAGE: i64 = 1000;
const FOUND: usize = 1000;

/// How long a page of found people is looked for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes down that a newsletter's people are exported, before that begins.
pub async fn note(
    app: &App,
    by: &Actor,
    slug: &str,
    status: Option<SubscriptionStatus>,
) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    let newsletter = find_newsletter(&mut tx, slug).await?;
    let what = match status {
        None => newsletter.name.clone(),
        Some(status) => format!("{}: {}", newsletter.name, status.as_str()),
    };
    by.note_of(app, &mut tx, "subscribers.export", &what, Some(newsletter.id)).await?;
    Ok(db::commit(tx).await?)
}

const COLUMNS: [Field; 15] = [
    Field::Email,
    Field::Name,
    Field::Status,
    Field::Topics,
    Field::Frequency,
    Field::Hour,
    Field::Timezone,
    Field::Language,
    Field::ConsentAt,
    Field::ConsentFrom,
    Field::ConsentWords,
    Field::PausedUntil,
    Field::LeftAt,
    Field::LeftReason,
    Field::Tags,
];

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With a header, for spreadsheets and imports. A cell that a spreadsheet would take for a formula begins with an
    /// apostrophe, which an import drops.
    Csv,
    /// One object a line.
    JsonLines,
}

/// A person as an export tells.
#[derive(Debug, Serialize)]
struct Line {
    email: String,
    name: String,
    status: &'static str,
    topics: Vec<String>,
    frequency: Option<String>,
    hour: Option<String>,
    timezone: Option<String>,
    language: Option<String>,
    consent_at: Option<String>,
    consent_from: Option<String>,
    consent_words: Option<String>,
    paused_until: Option<String>,
    left_at: Option<String>,
    left_reason: Option<String>,
    tags: Vec<String>,
}

/// The status in the words of an import: a suppression goes before what the person chose, and who has left and only
/// waits to confirm anew has left.
fn status(person: &Exported) -> &'static str {
    match (person.suppressed, person.status) {
        (Some(SuppressionReason::Bounced), _) => "bounced",
        (Some(SuppressionReason::Complained), _) => "complained",
        (Some(SuppressionReason::Manual | SuppressionReason::Erased), _) => "blocked",
        (None, SubscriptionStatus::Pending) if person.left_at.is_some() => {
            SubscriptionStatus::Unsubscribed.as_str()
        }
        (None, status) => status.as_str(),
    }
}

impl Line {
    fn new(person: Exported, topics: &[Topic], tags: Vec<String>, now: Timestamp) -> Self {
        let chosen = topics.iter().filter(|topic| person.topics.contains(topic));
        let status = status(&person);
        // An import takes whoever has such a cell for somebody who left.
        let left_at = person.left_at.filter(|_| person.status != SubscriptionStatus::Active);
        let (at, from, words) = match person.consent {
            Some(consent) => (Some(consent.at.to_string()), Some(consent.from), Some(consent.words)),
            None => (None, None, None),
        };
        Self {
            email: person.email.to_string(),
            name: person.name,
            status,
            topics: chosen.map(|topic| topic.slug.clone()).collect(),
            frequency: person.schedule,
            hour: person.hour.map(|hour| hour.to_string()),
            timezone: person.timezone,
            language: person.language,
            consent_at: at,
            consent_from: from,
            consent_words: words,
            paused_until: person.paused_until.filter(|until| *until > now).map(|until| until.to_string()),
            left_at: left_at.map(|at| at.to_string()),
            left_reason: left_at.and(person.left_reason).filter(|reason| !ended_for_many(Some(reason))),
            tags,
        }
    }

    /// In the order of [`COLUMNS`].
    fn cells(&self) -> [String; COLUMNS.len()] {
        let of = |cell: &Option<String>| protect(cell.as_deref().unwrap_or_default());
        [
            protect(&self.email),
            protect(&self.name),
            self.status.to_owned(),
            self.topics.join(";"),
            of(&self.frequency),
            of(&self.hour),
            of(&self.timezone),
            of(&self.language),
            of(&self.consent_at),
            of(&self.consent_from),
            of(&self.consent_words),
            of(&self.paused_until),
            of(&self.left_at),
            of(&self.left_reason),
            protect(&join_tags(&self.tags)),
        ]
    }
}

/// Writes a newsletter's people, those with `status` or all, and returns how many. A reader that has seen enough (a
/// closed pipe) ends it quietly.
pub async fn export(
    app: &App,
    slug: &str,
    status: Option<SubscriptionStatus>,
    format: Format,
    output: &mut dyn Write,
) -> Result<u64, Error> {
    let newsletter = find_newsletter(&mut *app.db.conn().await?, slug).await?;
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?;
    let now = app.clock.now();
    let mut count = 0;
    let mut after = 0;
    let mut header = (format == Format::Csv).then(|| COLUMNS.map(|field| field.heading().to_owned()));
    loop {
        // A connection per page: none is held while a slow reader takes its time.
        let mut conn = app.db.conn().await?;
        let page = db::people::export(&mut conn, newsletter.id, status, after, PAGE).await?;
        let ids: Vec<i64> = page.iter().map(|person| person.subscriber_id).collect();
        let mut tags = db::tags::of_many(&mut conn, &ids).await?;
        drop(conn);
        let Some(last) = page.last().map(|person| person.id) else {
            if let Some(header) = header {
                written(csv_of(&[header]), output)?;
            }
            break;
        };
        after = last;
        let line = |person: Exported| {
            let tags = tags.remove(&person.subscriber_id).unwrap_or_default();
            Line::new(person, &topics, tags, now)
        };
        let lines: Vec<Line> = page.into_iter().map(line).collect();
        let text = match format {
            Format::Csv => {
                let cells = lines.iter().map(Line::cells);
                csv_of(&header.take().into_iter().chain(cells).collect::<Vec<_>>())
            }
            Format::JsonLines => json_of(&lines),
        };
        if !written(text, output)? {
            break;
        }
        count += u64::try_from(lines.len()).unwrap_or(0);
    }
    Ok(count)
}

/// Writes everybody whom a filter finds as CSV, in pieces, and returns how many lines of people there are: one for each
/// subscription, to the filter's newsletter or to any, and one with the status `none` (which no import takes) for who
/// has none. Of several newsletters, the last column names the line's. Tags, which tell of people as a whole, are left
/// out where they are not asked for. It ends quietly where nobody takes the pieces any more.
pub async fn export_found(
    app: &App,
    wanted: &Wanted,
    with_tags: bool,
    pieces: &tokio::sync::mpsc::Sender<Vec<u8>>,
) -> Result<u64, Error> {
    let newsletters = match &wanted.newsletter {
        Some(newsletter) => vec![newsletter.clone()],
        None => db::newsletters::list(&mut *app.db.conn().await?).await?,
    };
    let mut topics = vec![];
    for newsletter in &newsletters {
        topics.push(db::newsletters::topics(&mut *app.db.conn().await?, newsletter.id).await?);
    }
    // Of one newsletter it is read back as it was written, whatever that is called there.
    let is_of_many = wanted.newsletter.is_none();
    let heading = COLUMNS.iter().map(|field| field.heading().to_owned());
    let heading = heading.chain(is_of_many.then(|| Field::Newsletter.heading().to_owned()));
    let mut piece = csv_of(&[heading.collect::<Vec<_>>()]);
    let now = app.clock.now();
    let mut count = 0;
    let mut place: Option<Place> = None;
    loop {
        // A connection per page: none is held while a slow reader takes its time.
        let mut conn = app.db.conn().await?;
        let from = place.as_ref().map_or(From::Start, From::Behind);
        let walked = db::directory::walk(&mut conn, &wanted.filter, from, FOUND, PATIENCE).await?;
        let ids: Vec<i64> = walked.people.iter().map(|found| found.subscriber_id).collect();
        let mut lines: HashMap<i64, Vec<Vec<String>>> = HashMap::new();
        let tags = if with_tags { db::tags::of_many(&mut conn, &ids).await? } else { HashMap::new() };
        let tags_of = |id| tags.get(&id).cloned().unwrap_or_default();
        let strangers = if with_tags { vec![] } else { strangers(&mut conn, &newsletters, &ids).await? };
        for (newsletter, topics) in newsletters.iter().zip(&topics) {
            for mut person in db::people::export_of(&mut conn, newsletter.id, &ids).await? {
                let id = person.subscriber_id;
                if strangers.contains(&id) {
                    (person.name, person.language, person.timezone) = (String::new(), None, None);
                }
                let line = Line::new(person, topics, tags_of(id), now);
                let cells = line.cells().into_iter().chain(is_of_many.then(|| newsletter.slug.clone()));
                lines.entry(id).or_default().push(cells.collect());
            }
        }
        if lines.len() < ids.len() {
            for person in db::directory::rows(&mut conn, &ids).await? {
                lines
                    .entry(person.id)
                    .or_insert_with(|| vec![without_subscription(&person, tags_of(person.id))]);
            }
        }
        drop(conn);
        let rows: Vec<Vec<String>> = ids.iter().filter_map(|id| lines.remove(id)).flatten().collect();
        count += u64::try_from(rows.len()).unwrap_or(0);
        piece.extend(csv_of(&rows));
        if !piece.is_empty() && pieces.send(std::mem::take(&mut piece)).await.is_err() {
            return Ok(count);
        }
        place = walked.after;
        if place.is_none() {
            return Ok(count);
        }
    }
}

/// Who among these people has answered none of these newsletters yet, and is known to others: what they are called, and where
/// they live, is not for those who only asked them.
async fn strangers(
    conn: &mut db::Conn,
    newsletters: &[Newsletter],
    ids: &[i64],
) -> Result<Vec<i64>, db::DbError> {
    let own: Vec<i64> = newsletters.iter().map(|newsletter| newsletter.id).collect();
    let people = db::directory::rows(conn, ids).await?;
    Ok(people.iter().filter(|person| person.is_stranger_to(&own)).map(|person| person.id).collect())
}

fn without_subscription(person: &Person, tags: Vec<String>) -> Vec<String> {
    let mut cells = vec![String::new(); COLUMNS.len() + 1];
    cells[0] = protect(&person.email);
    cells[1] = protect(&person.name);
    cells[2] = "none".to_owned();
    cells[COLUMNS.len() - 1] = protect(&join_tags(&tags));
    cells
}

fn csv_of<R: AsRef<[String]>>(rows: &[R]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(vec![]);
    for row in rows {
        writer.write_record(row.as_ref()).expect("every row has the same length, and memory takes it");
    }
    writer.into_inner().expect("memory takes it")
}

fn json_of(lines: &[Line]) -> Vec<u8> {
    let mut text = vec![];
    for line in lines {
        serde_json::to_writer(&mut text, line).expect("a line has only texts");
        text.push(b'\n');
    }
    text
}

/// Whether somebody still reads.
fn written(text: Vec<u8>, output: &mut dyn Write) -> Result<bool, Error> {
    match output.write_all(&text).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::Io(format!("the export cannot be written: {error}"))),
    }
}
