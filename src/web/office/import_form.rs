//! What the pages of an import show.

use serde::Serialize;

use super::subscribers_view::{Choice, newsletter_choices};
use super::words::{When, counted, grouped, size, when};
use crate::db;
use crate::db::imports::{Import, ImportState};
use crate::pipeline::import::uploads::{self, Peek};
use crate::pipeline::import::{Cause, Field, Group, NoteKind, Report};
use crate::pipeline::{self, App};
use crate::web::Error;

#[derive(Serialize)]
struct Row {
    id: i64,
    file_name: String,
    newsletter: String,
    who: String,
    state: &'static str,
    class: &'static str,
    at: When,
}

/// The page on which an import begins.
#[derive(Serialize)]
pub struct Begin {
    newsletters: Vec<Choice>,
    imports: Vec<Row>,
    problem: Option<String>,
    most: String,
}

fn state_words(state: ImportState) -> (&'static str, &'static str) {
    match state {
        ImportState::Uploaded => ("waits for its columns", "warn"),
        ImportState::Checking => ("dry run under way", "warn"),
        ImportState::Checked => ("dry run done", "warn"),
        ImportState::Running => ("under way", "warn"),
        ImportState::Done => ("taken in", "good"),
        ImportState::Failed => ("failed", "bad"),
    }
}

impl Begin {
    pub async fn new(app: &App, problem: Option<String>) -> Result<Self, Error> {
        let now = app.clock.now();
        let mut conn = app.db.conn().await?;
        let newsletters = db::newsletters::list(&mut conn).await?;
        let row = |import: Import| {
            let (state, class) = state_words(import.state);
            let newsletter = newsletters.iter().find(|newsletter| newsletter.id == import.newsletter_id);
            Row {
                id: import.id,
                file_name: import.file_name,
                newsletter: newsletter.map(|newsletter| newsletter.name.clone()).unwrap_or_default(),
                who: import.who,
                state,
                class,
                at: when(import.created_at, now),
            }
        };
        let imports = db::imports::list(&mut conn, 20).await?.into_iter().map(row).collect();
        Ok(Self {
            newsletters: newsletter_choices(&newsletters, ""),
            imports,
            problem,
            most: size(i64::try_from(uploads::MAX_UPLOAD).unwrap_or(i64::MAX)),
        })
    }
}

/// What a dry run that stood still had been told of a column.
#[derive(Serialize)]
struct SaidColumn {
    place: usize,
    value: &'static str,
}

#[derive(Serialize)]
struct Column {
    place: usize,
    heading: String,
    examples: Vec<String>,
    fields: Vec<Choice>,
}

#[derive(Serialize)]
struct Numbers {
    is_dry: bool,
    new: String,
    changed: String,
    unchanged: String,
    refused: String,
    /// Who gets the next issue.
    getting: String,
    new_tags: Option<String>,
    /// Who would be mailed, and perhaps must not be.
    doubtful: Option<String>,
    dates: Option<String>,
    /// Nothing new in the file.
    is_idle: bool,
    button: String,
}

/// What was wrong with some lines.
#[derive(Serialize)]
struct GroupView {
    words: String,
    state: &'static str,
    class: &'static str,
    advice: &'static str,
    lines: Vec<Line>,
    /// How many more there are.
    left: Option<String>,
}

#[derive(Serialize)]
struct Line {
    number: String,
    why: String,
}

/// The page of an import.
#[derive(Serialize)]
pub struct View {
    id: i64,
    file_name: String,
    size: String,
    newsletter: String,
    problem: Option<String>,
    failed: Option<String>,
    /// The file cannot be read as a table, or is gone.
    unreadable: Option<String>,
    columns: Vec<Column>,
    consent: String,
    is_checking: bool,
    is_running: bool,
    is_checked: bool,
    is_done: bool,
    /// Somebody is at it: it cannot be removed.
    is_at_work: bool,
    /// Where it is in the way from the file to the report.
    step: &'static str,
    stands_still: bool,
    /// What a dry run that stands still was told of the columns.
    stopped_columns: Vec<SaidColumn>,
    progress: i64,
    bytes: i64,
    progress_words: String,
    numbers: Option<Numbers>,
    groups: Vec<GroupView>,
    has_notes: bool,
}

impl View {
    pub fn is_at_work(&self) -> bool {
        self.is_at_work
    }

    pub async fn new(
        app: &App,
        import: Import,
        wrong: Option<(Vec<Option<Field>>, String, String)>,
    ) -> Result<Self, Error> {
        let now = app.clock.now();
        let newsletter = db::newsletters::get(&mut *app.db.conn().await?, import.newsletter_id).await?;
        let newsletter = newsletter.map(|newsletter| newsletter.name).unwrap_or_default();
        let is_at_work = import.state.is_at_work();
        let is_alive = uploads::is_at_work(&import, now);
        let said_before = uploads::columns(&import);
        let (said, consent, problem) = match wrong {
            Some((said, consent, problem)) => (said, consent, Some(problem)),
            None => (said_before.clone(), import.consent_words.clone(), None),
        };
        let (mut columns, mut unreadable) = (vec![], None);
        if !is_at_work && import.state != ImportState::Done {
            match uploads::peek(app, &import).await {
                Ok(peek) => columns = columns_of(peek, said),
                Err(pipeline::Error::Invalid(says)) => unreadable = Some(says),
                Err(error) => return Err(error.into()),
            }
        }
        let report: Option<Report> =
            import.report.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let is_told = matches!(import.state, ImportState::Checked | ImportState::Done);
        let report = report.filter(|_| is_told);
        let groups = match &report {
            Some(report) => uploads::groups(app, &import).await?.unwrap_or_else(|| report.groups.clone()),
            None => vec![],
        };
        let has_notes =
            report.is_some() && !groups.is_empty() && uploads::notes(app, &import).await?.is_some();
        let (progress, bytes) = (import.progress, import.bytes);
        Ok(Self {
            id: import.id,
            size: size(bytes),
            problem,
            failed: import.error.filter(|_| import.state == ImportState::Failed),
            unreadable,
            columns,
            consent,
            is_checking: import.state == ImportState::Checking,
            is_running: import.state == ImportState::Running,
            is_checked: import.state == ImportState::Checked,
            is_done: import.state == ImportState::Done,
            is_at_work: is_alive,
            step: step(import.state),
            stands_still: is_at_work && !is_alive,
            stopped_columns: said_columns(&said_before),
            progress,
            bytes,
            progress_words: format!("{} of {} read", size(progress), size(bytes)),
            numbers: report.map(|report| numbers(&report, &newsletter)),
            groups: groups.into_iter().map(group).collect(),
            has_notes,
            file_name: import.file_name,
            newsletter,
        })
    }
}

fn step(state: ImportState) -> &'static str {
    match state {
        ImportState::Uploaded | ImportState::Failed => "Step 2 of 4: say what each column holds",
        ImportState::Checking => "Step 3 of 4: see what it would do",
        ImportState::Checked => "Step 3 of 4: look at what it would do, then import",
        ImportState::Running => "Step 4 of 4: people are taken in",
        ImportState::Done => "Step 4 of 4: done",
    }
}

fn said_columns(columns: &[Option<Field>]) -> Vec<SaidColumn> {
    let value = |field: &Option<Field>| field.map(Field::heading).unwrap_or_default();
    columns.iter().enumerate().map(|(place, field)| SaidColumn { place, value: value(field) }).collect()
}

fn columns_of(peek: Peek, said: Vec<Option<Field>>) -> Vec<Column> {
    let fields = if said.len() == peek.header.len() { said } else { peek.guessed };
    let column = |(place, heading): (usize, String)| {
        let chosen = fields.get(place).copied().flatten();
        let field = |field: Field| Choice {
            value: field.heading().to_owned(),
            words: field.words().to_owned(),
            chosen: chosen == Some(field),
        };
        Column {
            place,
            heading: if heading.is_empty() { format!("Column {}", place + 1) } else { heading },
            examples: peek
                .examples
                .iter()
                .map(|cells| cells.get(place).cloned().unwrap_or_default())
                .collect(),
            fields: Field::ALL.map(field).to_vec(),
        }
    };
    peek.header.into_iter().enumerate().map(column).collect()
}

fn numbers(report: &Report, newsletter: &str) -> Numbers {
    let taken = report.added + report.updated;
    let people = |count: u64| counted(count, "person", "people");
    let get = match (report.dry_run, report.getting) {
        (true, _) => "would get",
        (false, 1) => "gets",
        (false, _) => "get",
    };
    let first = match report.getting_first {
        0 => "nobody for the first time".to_owned(),
        count if count == report.getting => "for the first time".to_owned(),
        1 => "1 of them for the first time".to_owned(),
        count => format!("{} of them for the first time", grouped(count)),
    };
    let getting = match report.getting {
        0 => format!(
            "Nobody in the file {} the next issue of {newsletter}.",
            if report.dry_run { "would get" } else { "gets" }
        ),
        count => format!("{} in the file {get} the next issue of {newsletter}, {first}.", people(count)),
    };
    let tags = u64::try_from(report.new_tags.len()).unwrap_or(0);
    let makes = if report.dry_run { "It makes" } else { "It made" };
    let new_tags = (tags > 0).then(|| {
        format!("{makes} {}: {}.", counted(tags, "new tag", "new tags"), report.new_tags.join(", "))
    });
    Numbers {
        is_dry: report.dry_run,
        new: grouped(report.added),
        changed: grouped(report.updated),
        unchanged: grouped(report.unchanged),
        refused: grouped(report.refused),
        getting,
        new_tags,
        doubtful: doubtful(report),
        dates: report.dates.clone(),
        is_idle: taken == 0,
        button: format!("Import {} into {newsletter}", people(taken)),
    }
}

/// What is to be read before anything is taken in: columns that were skipped say something against mailing people.
fn doubtful(report: &Report) -> Option<String> {
    let group = report.groups.iter().find(|group| group.cause == Cause::Doubtful)?;
    let columns: Vec<String> = report.doubtful_columns.iter().map(|name| format!("“{name}”")).collect();
    let (is, has) = if group.count == 1 { ("person", "has") } else { ("people", "have") };
    Some(format!(
        "{} {is} who would be mailed {has} something in {}, which {} skipped, and sounds as if they left, bounced or \
         complained. Say what it holds and look again, unless it means something else.",
        grouped(group.count),
        columns.join(", "),
        if columns.len() == 1 { "is" } else { "are" },
    ))
}

fn group(group: Group) -> GroupView {
    let (one, many) = group.cause.words();
    let shown = u64::try_from(group.first.len()).unwrap_or(0);
    let left = group.count.saturating_sub(shown);
    let (state, class) = match group.cause.kind() {
        NoteKind::Refused => ("refused", "bad"),
        NoteKind::Incomplete => ("taken without it", "warn"),
        NoteKind::Suppressed => ("not mailed", ""),
        NoteKind::Left => ("stays away", ""),
        NoteKind::Doubtful => ("would be mailed", "bad"),
    };
    GroupView {
        words: counted(group.count, one, many),
        state,
        class,
        advice: group.cause.advice(),
        lines: group
            .first
            .into_iter()
            .map(|note| Line { number: grouped(note.line), why: note.reason })
            .collect(),
        left: (left > 0 && shown > 0).then(|| format!("and {} more", grouped(left))),
    }
}
