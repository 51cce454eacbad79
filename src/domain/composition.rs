//! What an editor makes of an issue: its words, its articles in their order, headings above them, and texts of theirs
//! for the mail alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::article::{ALT_CHARS, SUMMARY_CHARS, TITLE_CHARS};
use super::topic::{Topic, TopicSet};

pub use difference::difference;
pub use layout::{Layout, Merged, Order, merge};

mod difference;
mod layout;

/// Everything about a draft that editors change, and that an undo brings back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    /// An editor has touched it: nothing goes in, out or up by itself any more.
    pub edited: bool,
    pub introduction: String,
    /// Handlebars lines; none: the newsletter's.
    pub subject: Option<String>,
    pub preheader: Option<String>,
    /// In the order of the mail; the first is the lead, and has no heading.
    pub places: Vec<Place>,
}

/// An article's place in an issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub article_id: i64,
    /// For the mail alone; none: the article's own.
    pub headline: Option<String>,
    pub summary: Option<String>,
    /// What the article's picture shows, in words; empty: it is decorative.
    pub image_alt: Option<String>,
    /// Stands above the article and begins a section.
    pub heading: Option<String>,
}

impl Place {
    pub fn of(article_id: i64) -> Self {
        Self { article_id, ..Self::default() }
    }
}

/// What stands one below the other in an issue: articles, and the headings between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    Article(i64),
    /// The heading that stands above this article.
    Heading(i64),
}

impl Item {
    /// Parses `12` and `h12`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('h') {
            Some(id) => id.parse().ok().map(Self::Heading),
            None => text.parse().ok().map(Self::Article),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Article(id) => write!(formatter, "{id}"),
            Self::Heading(id) => write!(formatter, "h{id}"),
        }
    }
}

/// A text that an editor writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Introduction,
    Subject,
    Preheader,
    /// Of the article with this id, for the mail alone.
    Headline(i64),
    Summary(i64),
    /// What its picture shows, in words.
    Alt(i64),
    /// [`YES`] where its picture is decorative: nothing needs to be said of it.
    Decorative(i64),
    /// Above the article with this id.
    Heading(i64),
}

/// What stands in a field that is ticked; one that is not is empty.
pub const YES: &str = "yes";

impl Field {
    /// Parses what [`fmt::Display`] prints, such as `headline-12`.
    pub fn parse(text: &str) -> Option<Self> {
        let of = |prefix: &str| text.strip_prefix(prefix).and_then(|id| id.parse().ok());
        match text {
            "introduction" => Some(Self::Introduction),
            "subject" => Some(Self::Subject),
            "preheader" => Some(Self::Preheader),
            _ => (of("headline-").map(Self::Headline))
                .or_else(|| of("summary-").map(Self::Summary))
                .or_else(|| of("alt-").map(Self::Alt))
                .or_else(|| of("decorative-").map(Self::Decorative))
                .or_else(|| of("heading-").map(Self::Heading)),
        }
    }

    /// The article that it is of.
    pub fn article(self) -> Option<i64> {
        match self {
            Self::Introduction | Self::Subject | Self::Preheader => None,
            Self::Headline(id)
            | Self::Summary(id)
            | Self::Alt(id)
            | Self::Decorative(id)
            | Self::Heading(id) => Some(id),
        }
    }

    /// The most characters that it takes.
    pub fn limit(self) -> usize {
        match self {
            Self::Introduction => 10_000,
            Self::Subject | Self::Preheader => 500,
            Self::Headline(_) => TITLE_CHARS,
            Self::Summary(_) => SUMMARY_CHARS,
            Self::Alt(_) => ALT_CHARS,
            Self::Decorative(_) => YES.len(),
            Self::Heading(_) => 80,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Introduction => formatter.write_str("introduction"),
            Self::Subject => formatter.write_str("subject"),
            Self::Preheader => formatter.write_str("preheader"),
            Self::Headline(id) => write!(formatter, "headline-{id}"),
            Self::Summary(id) => write!(formatter, "summary-{id}"),
            Self::Alt(id) => write!(formatter, "alt-{id}"),
            Self::Decorative(id) => write!(formatter, "decorative-{id}"),
            Self::Heading(id) => write!(formatter, "heading-{id}"),
        }
    }
}

impl Composition {
    pub fn place(&self, article_id: i64) -> Option<&Place> {
        self.places.iter().find(|place| place.article_id == article_id)
    }

    fn place_mut(&mut self, article_id: i64) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.article_id == article_id)
    }

    /// What an editor has written there; none: nothing, or there is no such place.
    pub fn own(&self, field: Field) -> Option<&str> {
        match field {
            Field::Introduction => Some(&self.introduction),
            Field::Subject => self.subject.as_deref(),
            Field::Preheader => self.preheader.as_deref(),
            Field::Headline(id) => self.place(id)?.headline.as_deref(),
            Field::Summary(id) => self.place(id)?.summary.as_deref(),
            Field::Alt(id) => self.place(id)?.image_alt.as_deref(),
            Field::Decorative(id) => self.place(id)?.image_alt.as_deref().map(ticked_where_empty),
            Field::Heading(id) => self.place(id)?.heading.as_deref(),
        }
    }

    /// Writes a text; none: back to the article's or the newsletter's own. False where there is no such place.
    pub fn set(&mut self, field: Field, text: Option<String>) -> bool {
        let slot = match field {
            Field::Introduction => {
                self.introduction = text.unwrap_or_default();
                return true;
            }
            Field::Subject => Some(&mut self.subject),
            Field::Preheader => Some(&mut self.preheader),
            Field::Headline(id) => self.place_mut(id).map(|place| &mut place.headline),
            Field::Summary(id) => self.place_mut(id).map(|place| &mut place.summary),
            Field::Alt(id) => self.place_mut(id).map(|place| &mut place.image_alt),
            Field::Decorative(id) => {
                let Some(place) = self.place_mut(id) else { return false };
                match text {
                    Some(_) => place.image_alt = Some(String::new()),
                    None => place.image_alt = place.image_alt.take().filter(|alt| !alt.is_empty()),
                }
                return true;
            }
            Field::Heading(id) => self.place_mut(id).map(|place| &mut place.heading),
        };
        slot.map(|slot| *slot = text).is_some()
    }

    /// Whether the article stands at the top: it has no heading.
    pub fn leads(&self, article_id: i64) -> bool {
        self.places.first().is_some_and(|lead| lead.article_id == article_id)
    }

    /// The articles and headings, from the top.
    pub fn items(&self) -> Vec<Item> {
        let of = |place: &Place| {
            let heading = place.heading.is_some().then_some(Item::Heading(place.article_id));
            heading.into_iter().chain([Item::Article(place.article_id)])
        };
        self.places.iter().flat_map(of).collect()
    }

    /// Puts articles and headings into this order. What is not named is taken out, an article that is new comes in; a
    /// heading that is not named stays above its article, and one with no article below it is gone.
    pub fn arrange(&mut self, items: &[Item]) {
        let before = std::mem::take(&mut self.places);
        let find = |id: i64| before.iter().find(|place| place.article_id == id);
        let mut above = None;
        for item in items {
            match *item {
                Item::Heading(id) => {
                    above = find(id).and_then(|place| place.heading.clone()).or(above);
                }
                Item::Article(id) if self.place(id).is_some() => {}
                Item::Article(id) => {
                    let mut place = find(id).cloned().unwrap_or_else(|| Place::of(id));
                    if items.contains(&Item::Heading(id)) {
                        place.heading = None;
                    }
                    place.heading = above.take().or(place.heading);
                    self.places.push(place);
                }
            }
        }
        self.settle();
    }

    /// The lead stands above all sections: a heading that came to stand over it goes below.
    fn settle(&mut self) {
        let Some(heading) = self.places.first_mut().and_then(|lead| lead.heading.take()) else { return };
        if let Some(second) = self.places.get_mut(1) {
            second.heading.get_or_insert(heading);
        }
    }

    /// Puts an article in: at the end of the first of these sections that is there, or at the very end.
    pub fn put(&mut self, article_id: i64, sections: &[String]) {
        if self.place(article_id).is_some() {
            return;
        }
        let is_wanted = |place: &Place| place.heading.as_ref().is_some_and(|name| sections.contains(name));
        let end = self.places.iter().position(is_wanted).map(|start| {
            let rest = self.places[start + 1..].iter().position(|place| place.heading.is_some());
            rest.map_or(self.places.len(), |rest| start + 1 + rest)
        });
        self.places.insert(end.unwrap_or(self.places.len()), Place::of(article_id));
    }

    /// Puts an article at the top, whether it is in already or not.
    pub fn lead_with(&mut self, article_id: i64) {
        let mut items = self.items();
        items.retain(|item| *item != Item::Article(article_id));
        items.insert(0, Item::Article(article_id));
        self.arrange(&items);
    }

    pub fn take_out(&mut self, article_id: i64) {
        // The heading stays with those below it.
        let items: Vec<Item> =
            self.items().into_iter().filter(|item| *item != Item::Article(article_id)).collect();
        self.arrange(&items);
    }

    /// The heading of the section in which each article stands.
    pub fn sections(&self) -> Vec<Option<&str>> {
        let mut section = None;
        let of = |place| {
            let place: &Place = place;
            section = place.heading.as_deref().or(section);
            section
        };
        self.places.iter().map(of).collect()
    }
}

/// Moves an item by so many places, as far as there are any. The lead goes down past articles alone: were it only past
/// the heading below it, it would lead as before.
pub fn shift(items: &mut Vec<Item>, item: Item, by: isize) {
    let Some(from) = items.iter().position(|other| *other == item) else { return };
    let end = items.len() - 1;
    let to = match usize::try_from(by) {
        Ok(by) if from == 0 && by > 0 => {
            let is_article = |index: &usize| matches!(items[*index], Item::Article(_));
            (1..=end).filter(is_article).nth(by - 1).unwrap_or(end)
        }
        _ => from.saturating_add_signed(by).min(end),
    };
    let item = items.remove(from);
    items.insert(to, item);
}

/// How an issue that nobody has touched is laid out: the lead, then what has no topic, then topic by topic, each article
/// under its first.
pub fn by_topic(articles: &[(i64, TopicSet)], topics: &[Topic]) -> Vec<Place> {
    let Some(((lead, _), rest)) = articles.split_first() else { return vec![] };
    let topic_of = |labels: TopicSet| topics.iter().position(|topic| labels.contains(topic));
    let mut sorted: Vec<(Option<usize>, i64)> =
        rest.iter().map(|(id, labels)| (topic_of(*labels), *id)).collect();
    sorted.sort_by_key(|(topic, _)| *topic);
    let mut places = vec![Place::of(*lead)];
    let mut before = None;
    for (topic, id) in sorted {
        let heading = topic.filter(|_| topic != before).map(|index| topics[index].name.clone());
        places.push(Place { heading, ..Place::of(id) });
        before = topic;
    }
    places
}

/// What a picture's words say of whether it is decorative: it is where they are empty.
pub fn ticked_where_empty(alt: &str) -> &'static str {
    if alt.is_empty() { YES } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn composition(places: &[(i64, Option<&str>)]) -> Composition {
        let place = |(id, heading): &(i64, Option<&str>)| Place {
            heading: heading.map(str::to_owned),
            ..Place::of(*id)
        };
        Composition { places: places.iter().map(place).collect(), ..Composition::default() }
    }

    pub(super) fn shown(composition: &Composition) -> String {
        let item = |item: Item| match item {
            Item::Article(id) => id.to_string(),
            Item::Heading(id) => composition.own(Field::Heading(id)).unwrap_or_default().to_owned(),
        };
        composition.items().into_iter().map(item).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn moving(composition: &Composition, item: Item, by: isize) -> String {
        let mut items = composition.items();
        shift(&mut items, item, by);
        let mut after = composition.clone();
        after.arrange(&items);
        shown(&after)
    }

    #[test]
    fn articles_and_headings_move_one_past_the_other() {
        let issue = composition(&[(1, None), (2, None), (3, Some("World")), (4, None), (5, Some("Sport"))]);
        assert_eq!(shown(&issue), "1 2 World 3 4 Sport 5");
        assert_eq!(moving(&issue, Item::Article(3), -1), "1 2 3 World 4 Sport 5");
        assert_eq!(moving(&issue, Item::Article(3), 1), "1 2 World 4 3 Sport 5");
        assert_eq!(moving(&issue, Item::Article(4), 1), "1 2 World 3 Sport 4 5");
        assert_eq!(moving(&issue, Item::Heading(3), -1), "1 World 2 3 4 Sport 5");
        assert_eq!(moving(&issue, Item::Heading(5), -1), "1 2 World 3 Sport 4 5");
        // Beyond the ends nothing moves, and the lead has no heading.
        assert_eq!(moving(&issue, Item::Article(1), -1), "1 2 World 3 4 Sport 5");
        assert_eq!(moving(&issue, Item::Heading(3), -9), "1 World 2 3 4 Sport 5");
        assert_eq!(moving(&issue, Item::Article(1), 9), "2 World 3 4 Sport 5 1");
        // A section without an article is none.
        assert_eq!(moving(&issue, Item::Article(5), -1), "1 2 World 3 4 5");
    }

    #[test]
    fn the_lead_goes_down_behind_the_next_article_also_past_a_heading() {
        let issue = composition(&[(1, None), (2, Some("World")), (3, None), (4, Some("Sport"))]);
        assert_eq!(moving(&issue, Item::Article(1), 1), "2 World 1 3 Sport 4");
        assert_eq!(moving(&issue, Item::Article(1), 2), "2 World 3 1 Sport 4");
        let issue = composition(&[(1, None), (2, None), (3, Some("World"))]);
        assert_eq!(moving(&issue, Item::Article(1), 1), "2 1 World 3");
        assert_eq!(moving(&composition(&[(1, None)]), Item::Article(1), 1), "1");
    }

    #[test]
    fn what_is_named_twice_or_not_known_does_no_harm() {
        let mut issue = composition(&[(1, None), (2, Some("World"))]);
        issue.arrange(&[
            Item::Heading(9),
            Item::Article(2),
            Item::Article(2),
            Item::Article(7),
            Item::Article(1),
        ]);
        assert_eq!(shown(&issue), "2 World 7 1");
        issue.arrange(&[]);
        assert_eq!(shown(&issue), "");
    }

    #[test]
    fn an_article_comes_in_at_the_end_of_its_section() {
        let mut issue = composition(&[(1, None), (3, Some("World")), (5, Some("Sport"))]);
        issue.put(4, &["World".to_owned()]);
        issue.put(6, &["Culture".to_owned()]);
        issue.put(4, &[]);
        assert_eq!(shown(&issue), "1 World 3 4 Sport 5 6");
        issue.take_out(3);
        issue.lead_with(6);
        assert_eq!(shown(&issue), "6 1 World 4 Sport 5");
        assert_eq!(issue.sections(), [None, None, Some("World"), Some("Sport")]);
    }

    #[test]
    fn an_untouched_issue_stands_topic_by_topic() {
        let topic =
            |bit: u8, name: &str| Topic { id: 1, slug: name.to_lowercase(), name: name.to_owned(), bit };
        let topics = [topic(0, "World"), topic(1, "Sport")];
        let set = |bits| TopicSet::from_bits(bits);
        let articles = [(1, set(2)), (2, set(2)), (3, set(0)), (4, set(3)), (5, set(2))];
        let issue = Composition { places: by_topic(&articles, &topics), ..Composition::default() };
        assert_eq!(shown(&issue), "1 3 World 4 Sport 2 5");
    }

    #[test]
    fn fields_and_items_are_read_as_they_are_written() {
        for field in [
            Field::Subject,
            Field::Headline(12),
            Field::Summary(3),
            Field::Heading(4),
            Field::Introduction,
            Field::Alt(5),
            Field::Decorative(6),
        ] {
            assert_eq!(Field::parse(&field.to_string()), Some(field));
        }
        assert_eq!(Field::parse("headline-x"), None);
        assert_eq!((Item::parse("h12"), Item::parse("7")), (Some(Item::Heading(12)), Some(Item::Article(7))));
        assert_eq!(Item::parse("hh1"), None);
    }
}
