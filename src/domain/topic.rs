//! Topics, and sets of them.

use serde::{Deserialize, Serialize};

/// A label on articles that subscribers of one newsletter can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    pub id: i64,
    pub slug: String,
    pub name: String,
    /// Its place in a [`TopicSet`], 0 to 62, and its order among the sections of an issue.
    pub bit: u8,
}

/// A set of one newsletter's topics, one bit each, as it is stored: a `BIGINT`, so that the database decides with
/// one `&` whether an article and a reader meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicSet(i64);

/// The most topics that one newsletter can have: the bits of a `BIGINT` without its sign.
pub const MAX_TOPICS: usize = 63;

/// The longest name that somebody gives a topic, in characters; those from before there was a limit may be longer.
pub const TOPIC_CHARS: usize = 60;

impl TopicSet {
    pub const EMPTY: Self = Self(0);

    pub fn from_bits(bits: i64) -> Self {
        Self(bits & i64::MAX)
    }

    pub fn bits(self) -> i64 {
        self.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, topic: &Topic) -> bool {
        self.0 & (1 << topic.bit) != 0
    }

    pub fn with(self, topic: &Topic) -> Self {
        Self::from_bits(self.0 | (1 << topic.bit))
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether an article with these topics is for a reader who chose `chosen`: a reader without a choice gets
    /// everything, and an article without a topic is for everybody.
    pub fn is_for(self, chosen: Self) -> bool {
        chosen.is_empty() || self.is_empty() || !self.intersection(chosen).is_empty()
    }
}

/// The slug of a topic's name: lower-case letters and digits of any script, hyphens between words, at most 60
/// characters; none where nothing remains.
pub fn slug_of(name: &str) -> Option<String> {
    let mut slug = String::new();
    for character in name.trim().chars().flat_map(char::to_lowercase).take(TOPIC_CHARS) {
        if character.is_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-').to_owned();
    (!slug.is_empty()).then_some(slug)
}
