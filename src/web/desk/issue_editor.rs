//! The editor's page of an issue, and what it shows where something was typed and not saved.

use std::collections::BTreeMap;

use serde::Serialize;

use super::issue_form::{Typed, mark};
use super::issue_page::{Length, LostText, StepView, lost_text, sentence};
use super::opened::{Head, Opened};
use super::words::{self, Moment};
use crate::db::articles::Article;
use crate::domain::composition::{self, Composition, Field, Item, Merged, Order};
use crate::domain::issue::IssueState;
use crate::domain::topic::Topic;
use crate::pipeline::composing::Open;
use crate::web::words::zone_name;

/// A text to write in.
#[derive(Serialize)]
pub struct Text {
    name: String,
    value: String,
    /// The mark of what is stored now.
    was: String,
    problem: Option<String>,
    /// What somebody else wrote there meanwhile.
    theirs: Option<String>,
}

/// A line that an inbox shows: subject or preheader.
#[derive(Serialize)]
pub struct Line {
    #[serde(flatten)]
    text: Text,
    label: &'static str,
    /// The newsletter's own, which stands where the editor writes none.
    own: String,
    length: Option<Length>,
}

/// Something that stands in the list: a heading, or an article with what can be done to it.
#[derive(Serialize)]
struct Row {
    item: String,
    /// The row's own, in the page.
    anchor: String,
    id: i64,
    is_lead: bool,
    /// It can go up, and down. A heading stands below the lead and above an article.
    rises: bool,
    sinks: bool,
    /// A heading that stands here; or, of an article without one above it, where to write one.
    heading: Option<Text>,
    article: Option<ArticleRow>,
}

#[derive(Serialize)]
struct ArticleRow {
    title: String,
    headline: Text,
    summary: Text,
    picture: Option<Picture>,
    is_rewritten: bool,
    /// What the article itself says, where the mail says something else; else empty.
    own_headline: String,
    own_summary: String,
    url: Option<String>,
    source: String,
    topics: Vec<String>,
    pinned: bool,
}

/// The article's picture, with what is said of it.
#[derive(Serialize)]
struct Picture {
    url: String,
    alt: Text,
    decorative: Text,
    /// Neither words nor a tick: the checks ask for one of them.
    is_mute: bool,
}

#[derive(Serialize)]
struct Waiting {
    id: i64,
    title: String,
    url: Option<String>,
    source: String,
    fresh: Moment,
}

/// What an editor wrote for an article, and that stands nowhere now: somebody took the article out, or it leads.
#[derive(Serialize)]
struct Lost {
    id: i64,
    is_in: bool,
    texts: Vec<LostText>,
}

/// The editor's page.
#[derive(Serialize)]
pub struct Editor {
    head: Head,
    version: i64,
    edited: bool,
    /// It is frozen, and an editor changes it before somebody approves it.
    is_frozen: bool,
    /// The zone of the page's times.
    zone: String,
    introduction: Text,
    lines: Vec<Line>,
    rows: Vec<Row>,
    count: String,
    waiting: Vec<Waiting>,
    more_waiting: i64,
    history: Vec<StepView>,
    /// Who did what since the version that was typed on; empty where nothing came between.
    meanwhile: Vec<StepView>,
    is_stale: bool,
    /// Why nothing was saved, where something of it cannot be kept.
    problems: Vec<String>,
    was_to_act: bool,
    /// Whose order the list stands in, where two changed the issue at once.
    order: &'static str,
    lost: Vec<Lost>,
}

/// What was typed and not saved, and why not.
pub enum Kept<'t> {
    Nothing,
    /// What is wrong with texts; and what is, besides.
    Problems(&'t Typed, BTreeMap<Field, String>, Option<String>),
    Stale(Overtaken<'t>),
}

/// What was typed on a version that is no longer the newest.
pub struct Overtaken<'t> {
    pub typed: &'t Typed,
    /// What was done since.
    pub since: Vec<StepView>,
    /// What the issue was when the page was made; none where that is no longer kept.
    pub base: Option<Composition>,
}

impl Kept<'_> {
    fn typed(&self) -> Option<&Typed> {
        match self {
            Self::Nothing => None,
            Self::Problems(typed, ..) | Self::Stale(Overtaken { typed, .. }) => Some(typed),
        }
    }

    /// Lays a draft out as it was typed, where nothing was saved; what two changed at once is brought together.
    fn lay_out(&self, open: &mut Open) -> Option<Merged> {
        match self {
            Self::Nothing => None,
            Self::Problems(typed, ..) => {
                open.composition.lay_out(&typed.layout, &|id| open.articles.contains_key(&id));
                None
            }
            Self::Stale(Overtaken { typed, base, .. }) => {
                let mut mine = base.clone().unwrap_or_else(|| open.composition.clone());
                mine.lay_out(&typed.layout, &|_| true);
                let mut merged = composition::merge(base.as_ref(), &mine, &open.composition);
                std::mem::swap(&mut open.composition, &mut merged.composition);
                Some(merged)
            }
        }
    }
}

impl Editor {
    pub fn of(
        opened: &Opened,
        mut open: Open,
        lines: Option<(String, String)>,
        history: Vec<StepView>,
        topics: &[Topic],
        kept: Kept<'_>,
    ) -> Self {
        let stored = open.composition.clone();
        let merged = kept.lay_out(&mut open);
        let text = |field: Field| match field {
            Field::Heading(id) => heading(&open, &stored, &kept, merged.as_ref(), id),
            _ => text(&open, &kept, field),
        };
        let (subject, preheader) = lines.unzip();
        let line = |label, field, own: &str, printed: Option<String>| Line {
            text: text(field),
            label,
            own: own.to_owned(),
            length: printed.as_deref().map(Length::of),
        };
        let rules = &open.newsletter.rules;
        let waiting = |article: &Article| Waiting {
            id: article.id,
            title: article.title.clone(),
            url: article.url.clone(),
            source: article.source.clone(),
            fresh: Moment::past(article.fresh_at, opened.now, opened.zone),
        };
        Self {
            version: open.issue.version,
            edited: open.issue.edited,
            is_frozen: open.issue.state == IssueState::Frozen,
            zone: zone_name(opened.zone),
            introduction: text(Field::Introduction),
            lines: vec![
                line("Subject", Field::Subject, &rules.subject, subject),
                line("Preheader", Field::Preheader, &rules.preheader, preheader),
            ],
            rows: rows(&open, &text, topics),
            count: words::count(i64::try_from(open.composition.places.len()).unwrap_or(0), "article"),
            waiting: open.waiting.iter().map(waiting).collect(),
            more_waiting: open.count_waiting - i64::try_from(open.waiting.len()).unwrap_or(0),
            lost: kept
                .typed()
                .map(|typed| lost(typed, merged.as_ref(), &open.composition))
                .unwrap_or_default(),
            is_stale: matches!(kept, Kept::Stale(..)),
            problems: problems(&kept),
            order: match merged.map(|merged| merged.order) {
                Some(Order::Mine) => "The order is yours, and what they put in stands where they put it.",
                Some(Order::MineOverTheirs) => {
                    "Both of you changed the order: it is yours below, and theirs once you reload this page without \
                     saving."
                }
                Some(Order::Agreed) | None => "",
            },
            was_to_act: kept.typed().is_some_and(|typed| typed.act.is_some()),
            meanwhile: match kept {
                Kept::Stale(overtaken) => overtaken.since,
                _ => vec![],
            },
            history,
            head: opened.head("").staying(),
        }
    }

    pub fn title(&self) -> &str {
        &self.head.title
    }
}

/// A field as it is filled in: with what was typed, where it was not saved, or with what is stored.
fn text(open: &Open, kept: &Kept<'_>, field: Field) -> Text {
    let stored = open.shown(field);
    let typed = kept.typed().and_then(|typed| typed.changed.get(&field));
    Text {
        name: field.to_string(),
        was: mark(stored),
        problem: match kept {
            Kept::Problems(_, problems, _) => problems.get(&field).cloned(),
            _ => None,
        },
        theirs: match (kept, typed) {
            (Kept::Stale(Overtaken { typed: other, .. }), Some(typed))
                if typed != stored && other.was_overtaken(field, stored) =>
            {
                Some(stored.to_owned())
            }
            _ => None,
        },
        value: typed.map_or(stored, String::as_str).to_owned(),
    }
}

/// A heading's field: headings move, so what was typed has been laid out already.
fn heading(open: &Open, stored: &Composition, kept: &Kept<'_>, merged: Option<&Merged>, id: i64) -> Text {
    let field = Field::Heading(id);
    Text {
        name: field.to_string(),
        was: mark(stored.own(field).unwrap_or_default()),
        problem: match kept {
            Kept::Problems(_, problems, _) => problems.get(&field).cloned(),
            _ => None,
        },
        theirs: merged.and_then(|merged| merged.theirs.get(&id).cloned()),
        value: open.composition.own(field).unwrap_or_default().to_owned(),
    }
}

/// Why nothing was saved: what stands at no field, and that something stands at one.
fn problems(kept: &Kept<'_>) -> Vec<String> {
    let Kept::Problems(_, at_fields, besides) = kept else { return vec![] };
    let mut problems: Vec<String> = besides.iter().map(|says| sentence(says)).collect();
    if !at_fields.is_empty() {
        problems
            .push("Something below cannot be kept as it is: it says there what, and what to do.".to_owned());
    }
    problems
}

fn rows(open: &Open, text: &dyn Fn(Field) -> Text, topics: &[Topic]) -> Vec<Row> {
    let places = &open.composition.places;
    let items = open.composition.items();
    let row = |(index, item): (usize, &Item)| {
        let (is_lead, below) = (index == 0, items.len() - 1 - index);
        let item_text = item.to_string();
        match *item {
            Item::Heading(id) => Some(Row {
                anchor: format!("i{item_text}"),
                item: item_text,
                id,
                is_lead,
                rises: index > 1,
                sinks: below > 1,
                heading: Some(text(Field::Heading(id))),
                article: None,
            }),
            Item::Article(id) => {
                let article = open.articles.get(&id)?;
                let place = places.iter().find(|place| place.article_id == id)?;
                let labels = topics.iter().filter(|topic| article.topics.contains(topic));
                Some(Row {
                    anchor: format!("i{item_text}"),
                    item: item_text,
                    id,
                    is_lead,
                    rises: !is_lead,
                    sinks: below > 0,
                    heading: (!is_lead && place.heading.is_none()).then(|| text(Field::Heading(id))),
                    article: Some(ArticleRow {
                        title: article.title.clone(),
                        headline: text(Field::Headline(id)),
                        summary: text(Field::Summary(id)),
                        picture: article.image_url.clone().map(|url| {
                            let (alt, decorative) = (text(Field::Alt(id)), text(Field::Decorative(id)));
                            let is_mute = alt.value.is_empty() && decorative.value.is_empty();
                            Picture { url, alt, decorative, is_mute }
                        }),
                        is_rewritten: place.headline.is_some() || place.summary.is_some(),
                        own_headline: place
                            .headline
                            .as_ref()
                            .map_or_else(String::new, |_| article.title.clone()),
                        own_summary: place
                            .summary
                            .as_ref()
                            .map_or_else(String::new, |_| article.summary.clone()),
                        url: article.url.clone(),
                        source: article.source.clone(),
                        topics: labels.map(|topic| topic.name.clone()).collect(),
                        pinned: article.pinned,
                    }),
                })
            }
        }
    };
    items.iter().enumerate().filter_map(row).collect()
}

/// What was written for articles that are no longer in, and headings that stand nowhere.
fn lost(typed: &Typed, merged: Option<&Merged>, composition: &Composition) -> Vec<Lost> {
    let mut lost: BTreeMap<i64, Vec<LostText>> = BTreeMap::new();
    let stands = |text: &str| composition.places.iter().any(|place| place.heading.as_deref() == Some(text));
    for (field, text) in &typed.changed {
        let is_lost = match *field {
            Field::Headline(id) | Field::Summary(id) | Field::Alt(id) => composition.place(id).is_none(),
            // A tick is soon made again.
            Field::Decorative(_) => false,
            Field::Heading(id) => composition.place(id).is_none() && !text.is_empty() && !stands(text),
            Field::Introduction | Field::Subject | Field::Preheader => false,
        };
        if let Some(id) = field.article().filter(|_| is_lost) {
            lost.entry(id).or_default().push(lost_text(*field, text));
        }
    }
    for (id, text) in merged.iter().flat_map(|merged| &merged.lost) {
        let texts = lost.entry(*id).or_default();
        if !texts.iter().any(|known| known.text == *text) {
            texts.push(lost_text(Field::Heading(*id), text));
        }
    }
    let of = |(id, texts)| Lost { id, texts, is_in: composition.place(id).is_some() };
    lost.into_iter().map(of).collect()
}
