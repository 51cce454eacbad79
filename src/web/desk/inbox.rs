//! The inbox: articles as they come, by source and topic; into an issue, out of it, held, pinned; and those that editors
//! bring themselves.

use std::collections::HashMap;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;

use super::inbox_add::{self, AddForm};
use super::inbox_picture::{self, PictureForm};
use super::issues::{Choice, choices, visible, zones};
use super::paging::{self, Pages};
use super::words::{self, Moment};
use crate::db;
use crate::db::articles::{Article, Wanted};
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::Newsletter;
use crate::domain::topic::{Topic, TopicSet};
use crate::domain::user::Role;
use crate::pipeline::composing::{self, By, Done};
use crate::pipeline::{self, App, too_long};
use crate::web::Error;
use crate::web::auth::{Act, SignedIn};
use crate::web::form::Form;
use crate::web::said::{self, Said};
use crate::web::words::zone_name;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk/inbox", get(list).post(inbox_add::add))
        .route("/desk/inbox/{article}/picture", post(inbox_picture::describe))
        .route("/desk/inbox/{article}/{act}", post(act))
}

/// Stories on a page.
const PAGE: usize = 30;

/// The most characters that articles are looked for by.
const MOST_WORDS: usize = 100;

#[derive(Serialize)]
struct Inbox {
    newsletters: Vec<Choice>,
    topics: Vec<Choice>,
    sources: Vec<Choice>,
    newsletter: String,
    newsletter_name: String,
    /// The zone of the page's times.
    zone: String,
    text: String,
    text_problem: Option<String>,
    most_words: usize,
    is_filtered: bool,
    rows: Vec<Row>,
    pages: Pages,
    /// This view, to come back to after an act.
    query: String,
    may_edit: bool,
    /// No issue is there to take articles in.
    is_waiting: bool,
    add: AddForm,
}

#[derive(Serialize)]
struct Row {
    id: i64,
    /// The row's own, in the page.
    anchor: String,
    title: String,
    url: Option<String>,
    source: String,
    fresh: Moment,
    topics: Vec<String>,
    summary: String,
    picture: Option<PictureForm>,
    held: bool,
    pinned: bool,
    /// Where it stands: "in tomorrow’s issue".
    places: Vec<Link>,
    /// Drafts that it can go into or come out of.
    drafts: Vec<Draft>,
    tellings: Vec<Telling>,
}

#[derive(Serialize)]
struct Link {
    href: String,
    words: String,
}

#[derive(Serialize)]
struct Draft {
    issue: i64,
    act: &'static str,
    words: String,
}

/// The same story elsewhere.
#[derive(Serialize)]
struct Telling {
    id: i64,
    title: String,
    url: Option<String>,
    source: String,
    fresh: Moment,
}

/// `GET /desk/inbox[?newsletter=SLUG&topic=SLUG&source=ID&q=TEXT]`
async fn list(State(app): State<App>, by: SignedIn, RawQuery(query): RawQuery) -> Result<Response, Error> {
    show(&app, &by, StatusCode::OK, &Form::of_query(query.as_deref()), Typed::default()).await
}

/// What was typed and cannot be kept as it is, with what is wrong with it.
#[derive(Default)]
pub struct Typed {
    pub add: AddForm,
    pub picture: Option<PictureForm>,
}

pub async fn show(
    app: &App,
    by: &SignedIn,
    status: StatusCode,
    query: &Form,
    typed: Typed,
) -> Result<Response, Error> {
    let Typed { add, picture } = typed;
    let newsletters = visible(app, by).await?;
    let wanted = query.get("newsletter");
    let chosen = newsletters.iter().find(|newsletter| newsletter.slug == wanted).or(newsletters.first());
    let Some(newsletter) = chosen else {
        return super::show(by, status, "/desk/inbox", "Inbox", "desk/inbox_none", &serde_json::json!({}));
    };
    if !wanted.is_empty() && newsletter.slug != wanted {
        return Err(Error::NotFound);
    }
    let mut conn = app.db.conn().await?;
    let topics = db::newsletters::topics(&mut conn, newsletter.id).await?;
    let sources = db::sources::list(&mut conn, Some(newsletter.id)).await?;
    let (topic, source) = (query.get("topic"), query.get("source"));
    let chosen_topic = topics.iter().find(|known| known.slug == topic);
    let chosen_source = sources.iter().find(|known| known.id.to_string() == source);
    let text = query.get("q").trim().to_owned();
    let text_problem = too_long(&text, MOST_WORDS);
    let looked_for = Wanted {
        newsletter_id: newsletter.id,
        topics: chosen_topic.map_or(TopicSet::EMPTY, |topic| TopicSet::EMPTY.with(topic)),
        source_id: chosen_source.map(|source| source.id),
        text: if text_problem.is_none() { text.clone() } else { String::new() },
    };
    let from = paging::From::of(query);
    let limit = i64::try_from(PAGE).unwrap_or(30) + 1;
    let mut stories = db::articles::inbox(&mut conn, &looked_for, from.key, from.is_newer, limit).await?;
    let rest = filters(&newsletter.slug, query);
    let pages = paging::cut(&mut stories, from, PAGE, "/desk/inbox", &rest, |row| (row.fresh_at, row.id));
    let around = Around::of(&mut conn, newsletter, &stories, topics.clone()).await?;
    drop(conn);
    let around = Around { zones: zones(app).await?, ..around };
    let now = app.clock.now();
    let page = Inbox {
        newsletters: choices(&newsletters, &newsletter.slug),
        topics: topics
            .iter()
            .map(|known| Choice {
                value: known.slug.clone(),
                words: known.name.clone(),
                chosen: known.slug == topic || known.slug == add.topic,
            })
            .collect(),
        sources: sources
            .iter()
            .map(|known| Choice {
                value: known.id.to_string(),
                words: if known.title.is_empty() { known.url.clone() } else { known.title.clone() },
                chosen: known.id.to_string() == source,
            })
            .collect(),
        is_waiting: around.drafts.is_empty(),
        is_filtered: chosen_topic.is_some() || chosen_source.is_some() || !text.is_empty(),
        rows: stories.into_iter().map(|story| around.row(story, newsletter, now, picture.as_ref())).collect(),
        newsletter: newsletter.slug.clone(),
        newsletter_name: newsletter.name.clone(),
        zone: zone_name(newsletter.zone),
        query: here(&rest, query),
        may_edit: by.user.may(Role::Editor, newsletter.id),
        text,
        text_problem,
        most_words: MOST_WORDS,
        pages,
        add,
    };
    super::show(by, status, "/desk/inbox", "Inbox", "desk/inbox", &page)
}

/// The view's own part of its address, written anew from what was read.
pub fn filters(newsletter: &str, query: &Form) -> String {
    let mut rest = url::form_urlencoded::Serializer::new(String::new());
    rest.append_pair("newsletter", newsletter);
    for name in ["topic", "source", "q"] {
        if !query.get(name).is_empty() {
            rest.append_pair(name, query.get(name));
        }
    }
    rest.finish()
}

/// The same with the page's place.
fn here(rest: &str, query: &Form) -> String {
    let places = ["before", "after"].into_iter().filter(|name| !query.get(name).is_empty());
    let places = places.map(|name| {
        let value: String = url::form_urlencoded::byte_serialize(query.get(name).as_bytes()).collect();
        format!("&{name}={value}")
    });
    format!("{rest}{}", places.collect::<String>())
}

/// What is shown around the articles of a page.
struct Around {
    drafts: Vec<Issue>,
    /// Issues by id, of those in which an article of the page stands.
    issues: HashMap<i64, Issue>,
    standing: Vec<(i64, i64)>,
    tellings: Vec<Article>,
    topics: Vec<Topic>,
    zones: HashMap<i64, chrono_tz::Tz>,
    schedules: HashMap<i64, String>,
}

impl Around {
    async fn of(
        conn: &mut db::Conn,
        newsletter: &Newsletter,
        stories: &[Article],
        topics: Vec<Topic>,
    ) -> Result<Self, Error> {
        let ids: Vec<i64> = stories.iter().map(|story| story.id).collect();
        let standing = db::articles::standing(conn, &ids).await?;
        let mut issue_ids: Vec<i64> = standing.iter().map(|(_, issue)| *issue).collect();
        issue_ids.sort_unstable();
        issue_ids.dedup();
        let mut issues = HashMap::new();
        for id in issue_ids {
            issues.extend(db::issues::get(conn, id).await?.map(|issue| (id, issue)));
        }
        let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
        Ok(Self {
            drafts: db::issues::drafts_of(conn, newsletter.id).await?,
            issues,
            standing,
            tellings: db::articles::tellings(conn, &ids).await?,
            topics,
            zones: HashMap::new(),
            schedules: schedules.into_iter().map(|schedule| (schedule.id, schedule.name)).collect(),
        })
    }

    fn row(
        &self,
        story: Article,
        newsletter: &Newsletter,
        now: Timestamp,
        typed: Option<&PictureForm>,
    ) -> Row {
        let zone = newsletter.zone;
        let zone_of =
            |issue: &Issue| issue.schedule_id.and_then(|id| self.zones.get(&id).copied()).unwrap_or(zone);
        let in_issues: Vec<&Issue> = self
            .standing
            .iter()
            .filter(|(article, _)| *article == story.id)
            .filter_map(|(_, issue)| self.issues.get(issue))
            .collect();
        let place = |issue: &&Issue| Link {
            href: format!("/desk/issues/{}", issue.id),
            words: match issue.state {
                IssueState::Draft => {
                    let whose = words::whose(issue.slot_at, now, zone_of(issue));
                    // The days' names keep their capitals within a line.
                    let whose = match whose.as_str() {
                        "Today’s" | "Tomorrow’s" | "Yesterday’s" => whose.to_lowercase(),
                        _ => whose.replacen("The ", "the ", 1),
                    };
                    let schedule = issue.schedule_id.filter(|_| self.schedules.len() > 1);
                    match schedule.and_then(|id| self.schedules.get(&id)) {
                        Some(schedule) => format!("in {whose} issue ({schedule})"),
                        None => format!("in {whose} issue"),
                    }
                }
                IssueState::Sent | IssueState::Sending | IssueState::Paused => {
                    format!("sent in No. {}", issue.number)
                }
                _ => format!("in No. {}", issue.number),
            },
        };
        let draft = |issue: &Issue| {
            let is_in = in_issues.iter().any(|other| other.id == issue.id);
            let which = match self.drafts.len() {
                1 => "the issue".to_owned(),
                _ => issue
                    .schedule_id
                    .and_then(|id| self.schedules.get(&id))
                    .map_or_else(|| "the issue".to_owned(), |schedule| format!("“{schedule}”")),
            };
            let is_out = |other: &&Issue| {
                other.schedule_id == issue.schedule_id
                    && matches!(other.state, IssueState::Sending | IssueState::Paused | IssueState::Sent)
            };
            let (act, verb) = match is_in {
                true => ("take", "Take out of"),
                // Its readers have had it.
                false if in_issues.iter().any(is_out) => ("put", "Put again into"),
                false => ("put", "Put into"),
            };
            Draft { issue: issue.id, act, words: format!("{verb} {which}") }
        };
        Row {
            places: in_issues.iter().map(place).collect(),
            drafts: match story.held {
                true => vec![],
                false => self.drafts.iter().map(draft).collect(),
            },
            tellings: self
                .tellings
                .iter()
                .filter(|telling| telling.story_id == Some(story.id))
                .map(|telling| Telling {
                    id: telling.id,
                    title: telling.title.clone(),
                    url: telling.url.clone(),
                    source: telling.source.clone(),
                    fresh: Moment::past(telling.fresh_at, now, zone),
                })
                .collect(),
            topics: (self.topics.iter())
                .filter(|topic| story.topics.contains(topic))
                .map(|topic| topic.name.clone())
                .collect(),
            fresh: Moment::past(story.fresh_at, now, zone),
            picture: PictureForm::of(&story, typed),
            anchor: format!("a{}", story.id),
            id: story.id,
            title: story.title,
            url: story.url,
            source: story.source,
            summary: story.summary,
            held: story.held,
            pinned: story.pinned,
        }
    }
}

/// `POST /desk/inbox/{article}/{act}`: `put` into the issue of the field `issue`, `take` out of it, `hold`, `release`,
/// `pin`, `unpin`, `part` from the story that it is taken for, or `join-ID` to go back to it.
async fn act(
    State(app): State<App>,
    path: Result<Path<(i64, String)>, PathRejection>,
    act: Act,
) -> Result<Response, Error> {
    let Path((id, verb)) = path.map_err(|_| Error::NotFound)?;
    let article = db::articles::get(&mut *app.db.conn().await?, id).await?.ok_or(Error::NotFound)?;
    let name = verb.split('-').next().unwrap_or_default();
    let action = format!("article.{}", if name.len() < 12 { name } else { "?" });
    act.by.require(&app, Role::Editor, article.newsletter_id, &action, &article.title).await?;
    let by = By::User { user: &act.by.user, network: &act.by.network };
    let said = match verb.as_str() {
        "put" | "take" => into_or_out(&app, by, &act.form, &article, &verb).await?,
        "hold" => {
            composing::flag(&app, by, id, Some(true), None).await?;
            let mut words =
                format!("“{}” is held: it goes into no issue before you release it.", article.title);
            if stands_in_frozen(&app, id).await? {
                words +=
                    " The frozen issue that it stands in keeps it: take it out there if it is not to go out.";
            }
            undo(words, id, "release", "Release it")
        }
        "release" => {
            composing::flag(&app, by, id, Some(false), None).await?;
            undo(format!("“{}” may go into issues again.", article.title), id, "hold", "Hold it")
        }
        "pin" => {
            composing::flag(&app, by, id, None, Some(true)).await?;
            let words = format!("“{}” is pinned: it goes to the top, however old it is.", article.title);
            undo(words, id, "unpin", "Unpin it")
        }
        "unpin" => {
            composing::flag(&app, by, id, None, Some(false)).await?;
            undo(format!("“{}” takes its place among the others.", article.title), id, "pin", "Pin it")
        }
        "part" => {
            composing::set_story(&app, by, id, None).await?;
            let words =
                format!("“{}” is a story of its own, and may go into issues like any other.", article.title);
            match article.story_id {
                Some(story) => undo(words, id, &format!("join-{story}"), "It is the same story after all"),
                None => Said { words, ..Said::default() },
            }
        }
        // How the one above is undone.
        _ if verb.starts_with("join-") => {
            let story = verb["join-".len()..].parse().map_err(|_| Error::NotFound)?;
            composing::set_story(&app, by, id, Some(story)).await?;
            Said {
                words: format!("“{}” is told with that story again.", article.title), ..Said::default()
            }
        }
        _ => return Err(Error::NotFound),
    };
    let view = view(&app, &act.form, article.newsletter_id).await?;
    let said = Said { at: format!("a{id}"), ..said };
    Ok(said::then(&app, &format!("/desk/inbox?{view}#a{id}"), said))
}

/// Whether an article stands in an issue whose content no longer changes by itself, and that has not gone out.
async fn stands_in_frozen(app: &App, id: i64) -> Result<bool, Error> {
    let mut conn = app.db.conn().await?;
    for (_, issue_id) in db::articles::standing(&mut conn, &[id]).await? {
        let issue = db::issues::get(&mut conn, issue_id).await?;
        if issue.is_some_and(|issue| matches!(issue.state, IssueState::Frozen | IssueState::Approved)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The view that an act came from, as it is written in an address.
pub async fn view(app: &App, form: &Form, newsletter_id: i64) -> Result<String, Error> {
    let back = Form::of_query(Some(form.get("back")));
    let slug = match back.get("newsletter") {
        "" => {
            let found = db::newsletters::get(&mut *app.db.conn().await?, newsletter_id).await?;
            found.ok_or(Error::NotFound)?.slug
        }
        slug => slug.to_owned(),
    };
    Ok(here(&filters(&slug, &back), &back))
}

async fn into_or_out(
    app: &App,
    by: By<'_>,
    form: &Form,
    article: &Article,
    verb: &str,
) -> Result<Said, Error> {
    let issue: i64 = form.get("issue").parse().map_err(|_| Error::NotFound)?;
    let found = db::issues::get(&mut *app.db.conn().await?, issue).await?;
    // The role was asked for the article's newsletter.
    if found.is_none_or(|issue| issue.newsletter_id != article.newsletter_id) {
        return Err(Error::NotFound);
    }
    let (act, words) = match verb {
        "put" => (composing::Act::Put(article.id), format!("“{}” is in the issue.", article.title)),
        _ => (composing::Act::TakeOut(article.id), format!("“{}” is out of the issue.", article.title)),
    };
    match composing::put(app, by, issue, act).await {
        Ok(Done::Changed { version, .. }) => Ok(Said {
            words: format!("{words} What comes from now on waits beside it."),
            undo: format!("/desk/issues/{issue}/undo/{version}"),
            undo_words: "Undo".to_owned(),
            ..Said::default()
        }),
        Ok(_) => Ok(Said { words, ..Said::default() }),
        Err(pipeline::Error::Invalid(says)) => Err(Error::Refused(says)),
        Err(error) => Err(error.into()),
    }
}

fn undo(words: String, id: i64, verb: &str, undo_words: &str) -> Said {
    Said {
        words,
        undo: format!("/desk/inbox/{id}/{verb}"),
        undo_words: undo_words.to_owned(),
        ..Said::default()
    }
}
