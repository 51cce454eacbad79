//! The papers of two towns that do not exist: what the demo's newsletters are made of.
//!
//! The words stand in `newsroom.json`. Dates there are minutes before the demo's start, so that the news is always
//! today's; a few stories come after it, for the polls of a demo that runs on.

use serde::Deserialize;

use crate::domain::calendar::Timestamp;

#[derive(Debug, Deserialize)]
pub struct Newsroom {
    pub publishers: Vec<Publisher>,
}

/// A paper with one feed.
#[derive(Debug, Deserialize)]
pub struct Publisher {
    pub slug: String,
    pub name: String,
    pub about: String,
    /// The slug of the newsletter that collects it.
    pub newsletter: String,
    pub language: String,
    pub format: Format,
    /// What every article of the feed is about.
    pub topics: Vec<String>,
    pub stories: Vec<Story>,
}

/// How a paper publishes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Rss,
    /// RSS with summaries only.
    RssShort,
    Atom,
    Json,
    /// Its server answers with an error page, for the list of sources to show how that looks.
    Broken,
}

#[derive(Debug, Deserialize)]
pub struct Story {
    pub slug: String,
    /// When it came out, counted back from the demo's start; less than none: later.
    pub minutes_ago: i64,
    pub headline: String,
    pub summary: String,
    pub author: String,
    pub categories: Vec<String>,
    pub picture: Option<Picture>,
    /// From a news agency: other papers carry it too, under one address.
    #[serde(default)]
    pub wire: bool,
    pub body: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Picture {
    pub scene: Scene,
    /// What it shows; none as in many feeds.
    pub alt: Option<String>,
}

/// What a picture shows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    Ferry,
    Shipyard,
    Boat,
    Seagrass,
    Town,
    Haze,
    Hills,
    Theatre,
    Village,
}

impl Newsroom {
    pub fn read() -> Self {
        serde_json::from_str(include_str!("newsroom.json")).expect("the embedded file is tested")
    }

    pub fn publisher(&self, slug: &str) -> Option<&Publisher> {
        self.publishers.iter().find(|publisher| publisher.slug == slug)
    }

    /// A story by the folder and the name in its address.
    pub fn story(&self, folder: &str, slug: &str) -> Option<(&Publisher, &Story)> {
        self.publishers.iter().find_map(|publisher| {
            let story = publisher.stories.iter().find(|story| story.slug == slug)?;
            (story.folder(publisher) == folder).then_some((publisher, story))
        })
    }
}

impl Story {
    /// What its address begins with: the paper's, or the agency's where several papers carry it.
    pub fn folder<'a>(&self, publisher: &'a Publisher) -> &'a str {
        if self.wire { "coast-wire" } else { &publisher.slug }
    }

    pub fn published(&self, start: Timestamp) -> Timestamp {
        start.plus_millis(-self.minutes_ago * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_newsroom_reads_and_its_stories_are_whole() {
        let newsroom = Newsroom::read();
        for publisher in &newsroom.publishers {
            let mut slugs = HashSet::new();
            assert_eq!(
                publisher.stories.is_empty(),
                publisher.format == Format::Broken,
                "{}",
                publisher.slug
            );
            for story in &publisher.stories {
                assert!(slugs.insert(&story.slug), "{} twice", story.slug);
                assert!(!story.headline.is_empty() && !story.body.is_empty() && !story.author.is_empty());
                assert!((60..260).contains(&story.summary.chars().count()), "{}", story.slug);
                // A story without a topic would be for every reader, and no mail would be left unsent for its topics.
                assert!(!story.categories.is_empty() || !publisher.topics.is_empty(), "{}", story.slug);
                assert!(newsroom.story(story.folder(publisher), &story.slug).is_some());
            }
        }
        let pictures: Vec<&Picture> = newsroom
            .publishers
            .iter()
            .flat_map(|paper| &paper.stories)
            .filter_map(|story| story.picture.as_ref())
            .collect();
        assert_eq!(pictures.iter().filter(|picture| picture.alt.is_none()).count(), 1);
    }
}
