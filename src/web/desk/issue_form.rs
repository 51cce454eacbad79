//! What the editor's page sends back: texts, order, and what is to be done.
//!
//! Beside each text stands a mark of what it was when the page was made. Only what differs from it was typed by this
//! editor; and where what is stored now differs from it too, somebody else typed there meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::composition::{Field, Item, Layout};
use crate::pipeline::accounts::hash_of;
use crate::pipeline::composing::{Act, Edit, MOST_ARTICLES};
use crate::web::form::Form;

/// A form of the editor's page.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// The version that the page was made from.
    pub version: i64,
    /// Where things stand.
    pub layout: Layout,
    /// The texts that differ from what they were.
    pub changed: BTreeMap<Field, String>,
    /// The marks of what they were.
    was: BTreeMap<Field, String>,
    pub act: Option<Act>,
}

/// What stands for a text, to tell whether it was changed.
pub fn mark(text: &str) -> String {
    hash_of(&normal(text))[..16].to_owned()
}

/// A text as browsers send it and as it is stored, in one form: they make line ends of their own.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

impl Typed {
    pub fn read(form: &Form) -> Self {
        let mut typed = Self {
            version: form.get("version").parse().unwrap_or(-1),
            act: act(form.get("do")),
            ..Self::default()
        };
        let mut texts = BTreeMap::new();
        let mut theirs = BTreeSet::new();
        for (name, value) in form.fields() {
            if name == "item" {
                // A heading stands above each article at most.
                let items = &mut typed.layout.items;
                items.extend(Item::parse(value).filter(|_| items.len() < 2 * MOST_ARTICLES));
            } else if name == "take" {
                theirs.extend(Field::parse(value));
            } else if let Some(field) = name.strip_prefix("was-").and_then(Field::parse) {
                typed.was.insert(field, value.to_owned());
            } else if let Some(field) = Field::parse(name) {
                texts.insert(field, normal(value));
            }
        }
        for (field, text) in &texts {
            if let Field::Heading(id) = *field {
                let text = (!theirs.contains(field)).then(|| text.clone());
                typed.layout.headings.insert(id, text);
            }
        }
        let was = &typed.was;
        let is_changed = |field: &Field, text: &String| was.get(field) != Some(&mark(text));
        texts.retain(|field, text| is_changed(field, text) && !theirs.contains(field));
        typed.changed = texts;
        typed
    }

    pub fn edit(&self) -> Edit {
        let mut texts = self.changed.clone();
        texts.retain(|field, _| !matches!(field, Field::Heading(_)));
        Edit { version: self.version, layout: self.layout.clone(), texts, act: self.act }
    }

    /// Whether somebody else changed the text that stood in a field when the page was made; `now` is what stands there.
    pub fn was_overtaken(&self, field: Field, now: &str) -> bool {
        self.was.get(&field).is_some_and(|was| *was != mark(now))
    }
}

/// Reads a button's `do`, such as `up:12`, `down:h12`, `put:7`; anything else is a plain save.
fn act(text: &str) -> Option<Act> {
    let (verb, of) = text.split_once(':').unwrap_or((text, ""));
    let item = Item::parse(of);
    let article = match item {
        Some(Item::Article(id)) => Some(id),
        _ => None,
    };
    match verb {
        "up" => Some(Act::Move(item?, -1)),
        "down" => Some(Act::Move(item?, 1)),
        "top" => Some(Act::Move(item?, isize::MIN)),
        "put" => Some(Act::Put(article?)),
        "out" => Some(Act::TakeOut(article?)),
        "unhead" => Some(Act::RemoveHeading(article?)),
        "fill" => Some(Act::FillAgain),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_from_what_it_was_was_typed() {
        let fields = [
            ("version", "3"),
            ("item", "1"),
            ("item", "h2"),
            ("item", "nonsense"),
            ("subject", "Hello"),
            ("was-subject", &mark("Hello")),
            ("introduction", "One\r\ntwo\r\n"),
            ("was-introduction", &mark("One\ntwo")),
            ("headline-1", "New"),
            ("was-headline-1", &mark("Old")),
            ("summary-1", "Mine"),
            ("was-summary-1", &mark("Before")),
            ("take", "summary-1"),
            ("do", "up:h2"),
        ];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let typed = Typed::read(&Form::of_query(Some(&query)));
        assert_eq!((typed.version, typed.layout.items.len()), (3, 2));
        assert_eq!(typed.changed, BTreeMap::from([(Field::Headline(1), "New".to_owned())]));
        assert_eq!(typed.act, Some(Act::Move(Item::Heading(2), -1)));
        assert!(
            typed.was_overtaken(Field::Headline(1), "Theirs")
                && !typed.was_overtaken(Field::Headline(1), "Old")
        );
        assert_eq!((act("put:h3"), act("save"), act("out:x")), (None, None, None));
    }
}
