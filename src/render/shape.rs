//! What a context holds, by name: the vocabulary that templates are checked against.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// The kind of value that stands behind a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Object(BTreeMap<String, Arc<Shape>>),
    List(Arc<Shape>),
    /// A text, a number, a yes or no, or nothing.
    Plain,
    /// A value that differs between the readers of one cohort: printed plainly it is a hole.
    Personal,
    /// Only known when rendering.
    Unknown,
}

impl Shape {
    /// The shape of a full sample: every optional value present, every list with a member. `personal` are the paths
    /// of the values of one reader.
    pub fn of(sample: &Value, personal: &[&str]) -> Arc<Self> {
        Arc::new(Self::below(sample, personal, ""))
    }

    fn below(sample: &Value, personal: &[&str], path: &str) -> Self {
        if personal.contains(&path) {
            return Self::Personal;
        }
        match sample {
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    (name.clone(), Arc::new(Self::below(value, personal, &path)))
                };
                Self::Object(members.iter().map(member).collect())
            }
            Value::Array(members) => Self::List(Arc::new(
                members.first().map_or(Self::Unknown, |first| Self::below(first, personal, path)),
            )),
            _ => Self::Plain,
        }
    }

    /// Whether a reader's own value is, or may be, in it.
    pub fn is_personal(&self) -> bool {
        match self {
            Self::Object(members) => members.values().any(|member| member.is_personal()),
            Self::List(member) => member.is_personal(),
            Self::Plain => false,
            Self::Personal | Self::Unknown => true,
        }
    }

    /// What stands behind `name` in it; the error is the name most like it, if any is.
    pub fn member(self: &Arc<Self>, name: &str) -> Result<Arc<Self>, Option<String>> {
        match &**self {
            Self::Object(members) => members.get(name).cloned().ok_or_else(|| nearest(name, members.keys())),
            Self::List(member) if name.bytes().all(|byte| byte.is_ascii_digit()) => Ok(member.clone()),
            Self::Unknown => Ok(self.clone()),
            Self::List(_) | Self::Plain | Self::Personal => Err(None),
        }
    }
}

/// The candidate with the fewest changes to `name`, where a typing error explains them.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a String>) -> Option<String> {
    let scored = candidates.map(|candidate| (changes(name, candidate), candidate));
    let (changes, best) = scored.min_by_key(|(changes, _)| *changes)?;
    (changes <= 1 + best.len() / 4).then(|| best.clone())
}

/// Levenshtein's distance; names are short.
fn changes(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let shape = Shape::of(
            &json!({ "subscriber": { "name": "" }, "articles": [{ "title": "" }] }),
            &["subscriber.name"],
        );
        assert_eq!(shape.member("subscribr").unwrap_err().as_deref(), Some("subscriber"));
        assert_eq!(shape.member("weather").unwrap_err(), None);
        assert!(shape.member("subscriber").unwrap().is_personal());
        assert!(!shape.member("articles").unwrap().is_personal());
        assert!(shape.member("articles").unwrap().member("0").unwrap().member("title").is_ok());
    }
}
