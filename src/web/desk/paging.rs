//! Pages of a list that is read by key: each page's address names the row that it begins behind, so that a page a
//! million rows down costs as much as the first, and rows that come meanwhile shift nothing.

use serde::Serialize;

use crate::domain::calendar::Timestamp;
use crate::web::form::Form;

/// A row's place in the order of a list.
pub type Key = (Timestamp, i64);

/// Where a page begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct From {
    pub key: Option<Key>,
    /// It ends there, and shows what is newer.
    pub is_newer: bool,
}

impl From {
    /// Reads `before=MILLIS.ID` or `after=MILLIS.ID`; anything else is the first page.
    pub fn of(query: &Form) -> Self {
        match (parse(query.get("before")), parse(query.get("after"))) {
            (Some(key), _) => Self { key: Some(key), is_newer: false },
            (None, Some(key)) => Self { key: Some(key), is_newer: true },
            (None, None) => Self::default(),
        }
    }
}

fn parse(text: &str) -> Option<Key> {
    let (millis, id) = text.split_once('.')?;
    Some((Timestamp::from_millis(millis.parse().ok()?), id.parse().ok()?))
}

/// Addresses of the pages beside; none where there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pages {
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// Cuts what was read, one row more than a page has, to a page; `query` is the rest of the address, without paging.
pub fn cut<T>(
    rows: &mut Vec<T>,
    from: From,
    size: usize,
    path: &str,
    query: &str,
    key: fn(&T) -> Key,
) -> Pages {
    let is_more = rows.len() > size;
    if is_more {
        rows.remove(if from.is_newer { 0 } else { size });
    }
    let link = |word: &str, row: Option<&T>| {
        let (at, id) = key(row?);
        let rest = if query.is_empty() { String::new() } else { format!("{query}&") };
        Some(format!("{path}?{rest}{word}={}.{id}", at.millis()))
    };
    let (has_newer, has_older) = match from.is_newer {
        true => (is_more, true),
        false => (from.key.is_some(), is_more),
    };
    Pages {
        newer: link("after", rows.first()).filter(|_| has_newer),
        older: link("before", rows.last()).filter(|_| has_older),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(mut rows: Vec<i64>, query: &str) -> (Vec<i64>, Pages) {
        let from = From::of(&Form::of_query(Some(query)));
        let key = |row: &i64| (Timestamp::from_millis(*row), *row);
        let pages = cut(&mut rows, from, 2, "/desk/issues", "q=a", key);
        (rows, pages)
    }

    #[test]
    fn a_page_leads_to_those_beside_it() {
        let link = |text: &str| Some(format!("/desk/issues?q=a&{text}"));
        let (rows, first) = pages(vec![9, 8, 7], "");
        assert_eq!((rows, first), (vec![9, 8], Pages { newer: None, older: link("before=8.8") }));
        let (_, last) = pages(vec![7], "before=8.8");
        assert_eq!(last, Pages { newer: link("after=7.7"), older: None });
        let (rows, back) = pages(vec![9, 8, 7], "after=6.6");
        assert_eq!((rows, back), (vec![8, 7], Pages { newer: link("after=8.8"), older: link("before=7.7") }));
        assert_eq!(pages(vec![], "before=x").1, Pages::default());
    }
}
