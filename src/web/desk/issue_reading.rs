//! An issue to read: it no longer changes, or somebody only looks.

use std::collections::HashMap;

use serde::Serialize;

use super::issue_page::{Length, LostText, StepView};
use super::opened::{Head, Opened, Revise};
use crate::domain::article::IssueArticle;
use crate::domain::composition::{self, Field};
use crate::domain::introduction::Block;
use crate::domain::issue::{IssueContent, IssueState};
use crate::pipeline::composing::Open;
use crate::web::words::zone_name;

/// An issue to read.
#[derive(Serialize)]
pub struct Reading {
    head: Head,
    introduction: Vec<Block>,
    lines: Vec<ReadLine>,
    stories: Vec<Story>,
    history: Vec<StepView>,
    /// What was typed when it could no longer be saved.
    unsaved: Vec<LostText>,
    /// Others may change it: it is still filling.
    is_draft: bool,
    /// How it can be changed all the same.
    revise: Option<Revise>,
    is_starting: bool,
    zone: String,
}

#[derive(Serialize)]
struct ReadLine {
    label: &'static str,
    length: Length,
}

#[derive(Serialize)]
struct Story {
    heading: Option<String>,
    headline: String,
    summary: String,
    url: Option<String>,
    source: String,
    /// What its picture shows; none where it has no picture.
    picture: Option<String>,
}

/// What is told of a picture.
fn picture_words(image_url: Option<&String>, alt: Option<&str>) -> Option<String> {
    image_url.map(|_| match alt {
        None => "nobody has said what it shows".to_owned(),
        Some("") => "decorative".to_owned(),
        Some(alt) => alt.to_owned(),
    })
}

impl Reading {
    pub fn of(
        opened: &Opened,
        introduction: Vec<Block>,
        stories: Stories,
        lines: Option<(String, String)>,
        history: Vec<StepView>,
        unsaved: Vec<LostText>,
    ) -> Self {
        let (subject, preheader) = lines.unzip();
        let line = |label, printed: Option<String>| {
            printed.map(|printed| ReadLine { label, length: Length::of(&printed) })
        };
        Self {
            head: opened.head(""),
            introduction,
            lines: [line("Subject", subject), line("Preheader", preheader)].into_iter().flatten().collect(),
            stories: stories.0,
            history,
            unsaved,
            is_draft: opened.issue.state == IssueState::Draft,
            revise: opened.revise(),
            is_starting: opened.starts_at.is_some(),
            zone: zone_name(opened.zone),
        }
    }

    pub fn title(&self) -> &str {
        &self.head.title
    }
}

/// The articles of an issue in the order of the mail, each with the heading above it.
pub struct Stories(Vec<Story>);

impl Stories {
    pub fn of_draft(open: &Open) -> Self {
        let story = |place: &composition::Place| {
            let article = open.articles.get(&place.article_id)?;
            Some(Story {
                heading: place.heading.clone(),
                headline: open.shown(Field::Headline(article.id)).to_owned(),
                summary: open.shown(Field::Summary(article.id)).to_owned(),
                url: article.url.clone(),
                source: article.source.clone(),
                picture: picture_words(
                    article.image_url.as_ref(),
                    place.image_alt.as_deref().or(article.image_alt.as_deref()),
                ),
            })
        };
        Self(open.composition.places.iter().filter_map(story).collect())
    }

    pub fn frozen(content: IssueContent) -> Self {
        let labels: Vec<_> = content.articles.iter().map(|article| (article.id, article.topics)).collect();
        let by_topic = composition::by_topic(&labels, &content.topics);
        let is_laid_out = content.laid_out;
        let order: Vec<(i64, Option<String>)> = match is_laid_out {
            true => {
                let mut section = None;
                let heading = |(index, article): (usize, &IssueArticle)| {
                    let begins = index > 0 && article.section != section;
                    section = if index > 0 { article.section.clone() } else { None };
                    (article.id, article.section.clone().filter(|_| begins))
                };
                content.articles.iter().enumerate().map(heading).collect()
            }
            false => by_topic.into_iter().map(|place| (place.article_id, place.heading)).collect(),
        };
        let mut articles: HashMap<i64, IssueArticle> =
            content.articles.into_iter().map(|article| (article.id, article)).collect();
        let story = |(id, heading)| {
            let article = articles.remove(&id)?;
            Some(Story {
                heading,
                picture: picture_words(article.image_url.as_ref(), article.image_alt.as_deref()),
                headline: article.headline,
                summary: article.summary,
                url: article.url,
                source: article.source,
            })
        };
        Self(order.into_iter().filter_map(story).collect())
    }
}
