//! How an issue will look: on a phone and on a desk, in the light and in the dark, as text and as source, for anybody,
//! for a cohort, for one subscriber.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Serialize;

use super::scheme::{Scheme, in_scheme};
use super::{Asked, Opened, Page};
use crate::db;
use crate::domain::address::EmailAddress;
use crate::domain::delivery::SkipReason;
use crate::domain::issue::IssueState;
use crate::domain::language;
use crate::domain::topic::{Topic, TopicSet};
use crate::domain::user::Role;
use crate::pipeline::App;
use crate::pipeline::inspect::{self, Whom};
use crate::pipeline::start::name_of;
use crate::pipeline::why::{self, Bar};
use crate::web::Error;
use crate::web::auth::SignedIn;
use crate::web::desk::{self, words};
use crate::web::form::Segment;

/// As for a reader's own mail, but it stands in a frame of ours. The sandbox makes it a stranger to this service.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// How much of a source a page shows, in bytes: a browser still scrolls it. The download has all of it.
const MAX_SHOWN: usize = 512 * 1024;

/// What somebody wants to look at, as the address has it.
struct Choice {
    /// `mail`, `text` or `source`.
    part: &'static str,
    width: &'static str,
    /// None: as the browser prefers.
    scheme: Option<Scheme>,
    /// As it was typed.
    email: String,
    topics: Vec<String>,
    language: String,
}

impl Choice {
    fn of(asked: &Asked) -> Self {
        let one_of = |name: &str, all: [&'static str; 3]| {
            all.into_iter().find(|known| *known == asked.get(name)).unwrap_or(all[0])
        };
        Self {
            part: one_of("part", ["mail", "text", "source"]),
            width: one_of("width", ["desktop", "phone", "desktop"]),
            scheme: match asked.get("scheme") {
                "light" => Some(Scheme::Light),
                "dark" => Some(Scheme::Dark),
                _ => None,
            },
            email: asked.get("as").to_owned(),
            topics: asked.all("topic").into_iter().take(64).map(str::to_owned).collect(),
            language: asked.get("language").to_owned(),
        }
    }

    fn scheme_name(&self) -> &'static str {
        match self.scheme {
            None => "",
            Some(Scheme::Light) => "light",
            Some(Scheme::Dark) => "dark",
        }
    }

    /// The address of a page with this choice, but for some fields.
    fn address(&self, path: &str, changed: &[(&str, &str)]) -> String {
        let start = format!("{path}?");
        let from = start.len();
        let mut query = url::form_urlencoded::Serializer::for_suffix(start, from);
        let mine = [("part", self.part), ("width", self.width), ("scheme", self.scheme_name())];
        let reader = [("as", self.email.as_str()), ("language", self.language.as_str())];
        for (name, own) in mine.into_iter().chain(reader) {
            let value = changed.iter().find(|(field, _)| *field == name).map_or(own, |(_, value)| *value);
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        for topic in &self.topics {
            query.append_pair("topic", topic);
        }
        query.finish().trim_end_matches('?').to_owned()
    }

    /// Whom the mail is for.
    ///
    /// # Errors
    /// A sentence about what was typed.
    fn whom(&self, topics: &[Topic]) -> Result<Whom, String> {
        if !self.email.is_empty() {
            return EmailAddress::parse(&self.email).map(Whom::Subscriber);
        }
        let language = match self.language.as_str() {
            "" => None,
            tag => Some(
                language::normalise(tag)
                    .ok_or_else(|| format!("“{tag}” is not a language: write a tag such as en or pt-BR."))?,
            ),
        };
        let chosen = topics.iter().filter(|topic| self.topics.contains(&topic.slug));
        let chosen = chosen.fold(TopicSet::EMPTY, |set, topic| set.with(topic));
        match chosen.is_empty() && language.is_none() {
            true => Ok(Whom::Anybody),
            false => Ok(Whom::Cohort { topics: chosen, language }),
        }
    }
}

#[derive(Serialize)]
struct PreviewPage {
    subject: String,
    from: String,
    may_edit: bool,
    /// What is wrong, where there is no mail to show.
    problem: String,
    /// Why the person whose mail it is gets nothing; empty where they do.
    bar: String,
    parts: Vec<Switch>,
    widths: Vec<Switch>,
    schemes: Vec<Switch>,
    /// The frame's address; empty for the other parts.
    frame: String,
    is_phone: bool,
    plain: String,
    /// There is more of the source than is shown.
    is_cut: bool,
    download: String,
    part: &'static str,
    width: &'static str,
    scheme: &'static str,
    email: String,
    language: String,
    topics: Vec<TopicChoice>,
    /// Whose mail it is, in words.
    whose: String,
}

#[derive(Serialize)]
struct Switch {
    address: String,
    words: &'static str,
    here: bool,
}

#[derive(Serialize)]
struct TopicChoice {
    slug: String,
    name: String,
    checked: bool,
}

/// What is looked at, and by whom; whose mail it is.
async fn open(
    app: &App,
    by: &SignedIn,
    id: &str,
    query: Option<String>,
) -> Result<(Opened, Choice, Vec<Topic>), Error> {
    let opened = Opened::find(app, by, id, Role::Viewer, "issue.preview").await?;
    let choice = Choice::of(&Asked::of(query));
    if !choice.email.is_empty() {
        let what = name_of(&opened.newsletter, &opened.issue);
        by.require(app, Role::Editor, opened.newsletter.id, "issue.preview_as", &what).await?;
    }
    let topics = db::newsletters::topics(&mut *app.db.conn().await?, opened.newsletter.id).await?;
    Ok((opened, choice, topics))
}

/// `GET /desk/issues/{id}/preview`
pub async fn show(
    State(app): State<App>,
    by: SignedIn,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let (opened, choice, topics) = open(&app, &by, &id, query).await?;
    let (whom, mut problem) = match choice.whom(&topics) {
        Ok(whom) => (whom, String::new()),
        Err(why) => (Whom::Anybody, why),
    };
    let mut preview = None;
    if problem.is_empty() {
        match inspect::look(&app, opened.issue.id, &whom).await?.preview {
            Ok(found) => preview = Some(found),
            Err(why) => problem = why,
        }
    }
    let path = opened.path("preview");
    let switches =
        |name: &'static str, own: &'static str, all: &[(&'static str, &'static str)]| -> Vec<Switch> {
            let switch = |(value, words): &(&'static str, &'static str)| Switch {
                address: choice.address(&path, &[(name, value)]),
                words,
                here: *value == own,
            };
            all.iter().map(switch).collect()
        };
    let (mut plain, mut is_cut) = (String::new(), false);
    if let Some(preview) = &preview {
        match choice.part {
            "text" => plain = preview.text(),
            "source" => {
                is_cut = preview.eml.len() > MAX_SHOWN;
                preview.eml[..preview.eml.floor_char_boundary(MAX_SHOWN)].clone_into(&mut plain);
            }
            _ => {}
        }
    }
    let bar = match &whom {
        Whom::Subscriber(email) if preview.is_some() => why::bar(&app, opened.issue.id, email).await?,
        _ => None,
    };
    let whose = match &whom {
        Whom::Anybody => "As readers get it who chose no topic and no language.".to_owned(),
        Whom::Subscriber(email) => {
            let gets = if bar.is_some() { "would get" } else { "gets" };
            format!("As {email} {gets} it. Its links to leave and to view lead nowhere.")
        }
        Whom::Cohort { .. } => "As readers get it who chose this.".to_owned(),
    };
    let frame = if preview.is_some() && choice.part == "mail" {
        choice.address(&opened.path("preview/mail"), &[])
    } else {
        String::new()
    };
    let page = PreviewPage {
        subject: preview.as_ref().map(inspect::Preview::subject).unwrap_or_default(),
        from: format!("{} <{}>", opened.newsletter.from.name, opened.newsletter.from.address),
        may_edit: opened.may_edit,
        parts: switches("part", choice.part, &[("mail", "Mail"), ("text", "Text"), ("source", "Source")]),
        widths: switches("width", choice.width, &[("desktop", "Desktop"), ("phone", "Phone")]),
        schemes: switches(
            "scheme",
            choice.scheme_name(),
            &[("", "As here"), ("light", "Light"), ("dark", "Dark")],
        ),
        is_phone: choice.width == "phone",
        download: if preview.is_some() {
            choice.address(&opened.path("preview/eml"), &[])
        } else {
            String::new()
        },
        part: choice.part,
        width: choice.width,
        scheme: choice.scheme_name(),
        topics: topics
            .iter()
            .map(|topic| TopicChoice {
                checked: choice.topics.contains(&topic.slug),
                slug: topic.slug.clone(),
                name: topic.name.clone(),
            })
            .collect(),
        email: choice.email.clone(),
        language: choice.language.clone(),
        problem,
        bar: bar.map(|bar| barred(&choice.email, &bar)).unwrap_or_default(),
        frame,
        plain,
        is_cut,
        whose,
    };
    let title = format!("Preview: {}", opened.name());
    let page = Page { head: opened.head("preview"), own: &page };
    desk::show(&by, StatusCode::OK, "/desk/issues", &title, "desk/sending/preview", &page)
}

/// That somebody gets nothing, and why.
fn barred(email: &str, bar: &Bar) -> String {
    let why = match bar {
        Bar::Skipped(SkipReason::Cancelled) => "it was cancelled before their mail went out".to_owned(),
        Bar::Skipped(reason) => format!("this reader {}", words::reason(*reason, 1)),
        Bar::OtherSchedule { follows, issue_is_for } => {
            format!("this reader follows “{follows}”, and the issue is for “{issue_is_for}”")
        }
        Bar::TooLate => "this reader subscribed after it had begun to go out".to_owned(),
        Bar::Failed => "the mail could not be delivered".to_owned(),
        Bar::Ended(IssueState::Cancelled) => "it was cancelled".to_owned(),
        Bar::Ended(_) => "it was skipped".to_owned(),
    };
    format!("{email} gets nothing of this issue: {why}. Below stands the mail as it would be.")
}

/// The mail that the address asks for.
async fn drawn(
    app: &App,
    by: &SignedIn,
    id: &str,
    query: Option<String>,
) -> Result<(i64, Choice, inspect::Preview), Error> {
    let (opened, choice, topics) = open(app, by, id, query).await?;
    let whom = choice.whom(&topics).map_err(Error::Refused)?;
    let looked = inspect::look(app, opened.issue.id, &whom).await?;
    Ok((opened.issue.id, choice, looked.preview.map_err(Error::Refused)?))
}

/// `GET /desk/issues/{id}/preview/mail`: the mail alone, to stand in a frame.
pub async fn mail(
    State(app): State<App>,
    by: SignedIn,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let (_, choice, preview) = drawn(&app, &by, &id, query).await?;
    let mut html = preview.html();
    if let Some(scheme) = choice.scheme {
        html = in_scheme(&html, scheme);
    }
    Ok(([POLICY], Html(html)).into_response())
}

/// `GET /desk/issues/{id}/preview/eml`: the whole message, as a file that mail programs open.
pub async fn eml(
    State(app): State<App>,
    by: SignedIn,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let (id, _, preview) = drawn(&app, &by, &id, query).await?;
    let name = format!("attachment; filename=\"issue-{id}.eml\"");
    let headers = [(header::CONTENT_TYPE, "message/rfc822".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, preview.eml).into_response())
}
