//! What a page says of itself in JSON-LD, in the words of schema.org.

use dom_query::Document;
use serde_json::{Map, Value};

/// More blocks than this are a shop's catalogue.
const MOST_BLOCKS: usize = 50;
/// How deep an article may lie in graphs and lists.
const DEEPEST: usize = 6;

/// An article in schema.org's words.
#[derive(Clone, Debug, Default)]
pub struct ArticleData(Map<String, Value>);

/// The article that a page describes, if it does: in `@graph`, a list or by itself.
pub fn find_article(page: &Document) -> Option<ArticleData> {
    let blocks = page.select("script[type=\"application/ld+json\"]");
    let found = blocks.nodes().iter().take(MOST_BLOCKS).filter_map(|block| read_block(&block.text()));
    let mut articles: Vec<ArticleData> = Vec::new();
    found.for_each(|value| collect_articles(&value, 0, &mut articles));
    // A page may list other stories too: the one with a body or a headline and a date comes first.
    articles.into_iter().min_by_key(|article| {
        let has = |name| u8::from(article.0.get(name).is_none());
        has("headline") + has("datePublished") + has("author")
    })
}

/// The JSON of a block, out of the wrappings it is found in.
fn read_block(text: &str) -> Option<Value> {
    let text = text.trim();
    let text =
        text.trim_start_matches("//").trim().trim_start_matches("<![CDATA[").trim_start_matches("<!--");
    let text =
        text.trim_end().trim_end_matches("]]>").trim_end_matches("-->").trim_end().trim_end_matches("//");
    let text = text.trim().trim_end_matches(';');
    serde_json::from_str(text).ok().or_else(|| {
        let calm: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        serde_json::from_str(&calm).ok()
    })
}

fn collect_articles(value: &Value, depth: usize, articles: &mut Vec<ArticleData>) {
    if depth > DEEPEST || articles.len() > MOST_BLOCKS {
        return;
    }
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_articles(value, depth + 1, articles)),
        Value::Object(object) => {
            if is_article(object) {
                articles.push(ArticleData(object.clone()));
            }
            for name in ["@graph", "mainEntity", "mainEntityOfPage"] {
                if let Some(inner) = object.get(name) {
                    collect_articles(inner, depth + 1, articles);
                }
            }
        }
        _ => {}
    }
}

fn is_article(object: &Map<String, Value>) -> bool {
    let is_kind = |kind: &str| {
        let kind = kind.rsplit(['/', ':']).next().unwrap_or(kind);
        ["Article", "Posting", "Report", "Story"].iter().any(|end| kind.ends_with(end))
    };
    match object.get("@type") {
        Some(Value::String(kind)) => is_kind(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is_kind),
        _ => false,
    }
}

impl ArticleData {
    /// A plain text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(first_text)
    }

    /// The names in `author` or `creator`: a name, a person, or a list of them.
    pub fn names(&self) -> Vec<String> {
        let people = self.0.get("author").or_else(|| self.0.get("creator"));
        let mut names = Vec::new();
        let mut add = |value: &Value| match value {
            Value::String(name) => names.push(name.clone()),
            Value::Object(person) => names.extend(person.get("name").and_then(first_text)),
            _ => {}
        };
        match people {
            Some(Value::Array(people)) => people.iter().for_each(&mut add),
            Some(person) => add(person),
            None => {}
        }
        names
    }

    /// The address of the first image: a link, an `ImageObject`, or a list of them.
    pub fn image(&self) -> Option<String> {
        link_of(self.0.get("image")?)
    }

    /// The name of whoever publishes it.
    pub fn publisher(&self) -> Option<String> {
        self.0.get("publisher")?.get("name").and_then(first_text)
    }

    /// The labels in `articleSection`.
    pub fn sections(&self) -> Vec<String> {
        match self.0.get("articleSection") {
            Some(section @ Value::String(_)) => first_text(section).into_iter().collect(),
            Some(Value::Array(sections)) => sections.iter().filter_map(first_text).collect(),
            _ => Vec::new(),
        }
    }
}

fn first_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Array(values) => values.iter().find_map(Value::as_str)?.trim(),
        _ => return None,
    };
    // An escaped NUL passes the parser.
    (!text.is_empty()).then(|| text.replace('\0', ""))
}

fn link_of(value: &Value) -> Option<String> {
    match value {
        Value::String(link) => Some(link.trim().to_owned()).filter(|link| !link.is_empty()),
        Value::Array(values) => values.iter().find_map(|value| match value {
            // One list may hold another; deeper is nonsense.
            Value::Array(inner) => inner.first().and_then(Value::as_str).map(str::to_owned),
            value => link_of(value),
        }),
        Value::Object(image) => ["url", "contentUrl", "@list", "@id"]
            .iter()
            .find_map(|name| image.get(*name))
            .and_then(|inner| match inner {
                Value::String(link) => Some(link.clone()),
                Value::Array(links) => links.first().and_then(Value::as_str).map(str::to_owned),
                _ => None,
            }),
        _ => None,
    }
}
