//! The settings as a page has them, all in one form, which somebody else's may have overtaken.

use super::settings::{apply, normal, value};
use crate::db;
use crate::pipeline::accounts::Actor;
use crate::pipeline::{App, Error};

/// A field of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// One of [`super::KEYS`].
    pub key: String,
    pub value: String,
    /// What stood in the field when the page was made; none: not known, so that what is typed holds.
    pub was: Option<String>,
}

/// What became of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormSet {
    Changed {
        /// The keys that were changed; there may be none.
        changed: Vec<String>,
        /// Keys that somebody else changed while this was typed, and this did not touch: they stay as those are now.
        meanwhile: Vec<String>,
    },
    /// Nothing was changed.
    Refused {
        /// What is wrong, by key.
        problems: Vec<(String, String)>,
        /// Where somebody else changed the same meanwhile: the key, and what stands there now.
        theirs: Vec<(String, String)>,
    },
}

/// Changes settings of a newsletter as a form has them: all of them or none, and every fault is told. What was not touched
/// in the form stays as it is stored; what somebody else changed as well is refused, for them to look at.
pub async fn set_form(app: &App, by: &Actor, id: i64, fields: &[Typed]) -> Result<FormSet, Error> {
    let mut tx = app.db.begin().await?;
    db::newsletters::lock(&mut tx, id).await?;
    let found = db::newsletters::get(&mut tx, id).await?;
    let mut newsletter = found.ok_or_else(|| Error::NotFound(format!("there is no newsletter {id}")))?;
    let (mut changed, mut meanwhile, mut problems, mut theirs) = (vec![], vec![], vec![], vec![]);
    for Typed { key, value: typed, was } in fields {
        // An earlier version kept what a command or a copy brought as it came.
        let stored = normal(&value(&newsletter, key).unwrap_or_default());
        if stored == *typed {
            continue;
        }
        let is_overtaken = was.as_ref().is_some_and(|was| *was != stored);
        if is_overtaken && was.as_ref() == Some(typed) {
            meanwhile.push(key.clone());
            continue;
        }
        if is_overtaken {
            theirs.push((key.clone(), stored));
        }
        match apply(app, &mut newsletter, key, typed) {
            Ok(()) => changed.push(key.clone()),
            Err(says) => problems.push((key.clone(), says)),
        }
    }
    let (fewest, most) = (newsletter.rules.min_articles, newsletter.rules.max_articles);
    if fewest > most {
        let says = format!("{fewest} is more than the most articles, which is {most}");
        problems.push(("min-articles".to_owned(), says));
    }
    if !(problems.is_empty() && theirs.is_empty()) {
        return Ok(FormSet::Refused { problems, theirs });
    }
    if !changed.is_empty() {
        db::newsletters::update(&mut tx, &newsletter).await?;
        let what = format!("{}: {}", newsletter.slug, changed.join(", "));
        by.note_of(app, &mut tx, "newsletter.set", &what, Some(id)).await?;
        db::commit(tx).await?;
    }
    Ok(FormSet::Changed { changed, meanwhile })
}
