//! The part of an issue's results that tells what its readers followed and opened.

use std::collections::HashMap;

use serde::Serialize;

use super::results::share;
use super::words::number;
use crate::domain::measuring::{ANY_LINK, HIDDEN, PICTURE};
use crate::pipeline::results::Measured;

/// The width of the longest bar, in its own units.
const WIDTH: i64 = 200;

#[derive(Serialize)]
pub struct MeasuredPart {
    clicked: String,
    clicked_share: String,
    has_opens: bool,
    opened: String,
    opened_share: String,
    /// Mails that only programs followed or opened.
    programs: String,
    articles: Vec<Followed>,
    width: i64,
}

/// A link of the issue.
#[derive(Serialize)]
struct Followed {
    headline: String,
    /// The site, where it is the same story elsewhere, or a link of the introduction.
    also_at: String,
    people: String,
    share: String,
    bar: i64,
}

/// `sent` is how many mails the relay took.
pub fn part(measured: &Measured, sent: i64) -> MeasuredPart {
    let of = |link: i64| measured.counts.get(&link).copied().unwrap_or_default();
    let ((clicked, by_programs), (opened, loaded)) = (of(ANY_LINK), of(PICTURE));
    let articles: HashMap<i64, _> =
        measured.content.articles.iter().map(|article| (article.id, article)).collect();
    let mut rows = vec![];
    let mut firsts = vec![];
    for target in measured.targets.iter().filter(|target| target.number != HIDDEN) {
        let (people, _) = of(target.number);
        let host = || url::Url::parse(&target.url).ok()?.host_str().map(str::to_owned);
        let Some(id) = target.article_id else {
            rows.push((people, "A link of the introduction".to_owned(), host().unwrap_or_default()));
            continue;
        };
        let Some(article) = articles.get(&id) else { continue };
        let is_first = !firsts.contains(&article.id);
        firsts.push(article.id);
        // The same story elsewhere is only told where somebody went there.
        if is_first || people > 0 {
            let also_at = if is_first { String::new() } else { host().unwrap_or_default() };
            rows.push((people, article.headline.clone(), also_at));
        }
    }
    // Articles that nobody followed keep the order.
    rows.sort_by_key(|(people, ..)| -people);
    let most = rows.first().map_or(0, |(people, ..)| *people).max(1);
    MeasuredPart {
        clicked: number(clicked),
        clicked_share: share(clicked, sent),
        has_opens: measured.measure.has_opens(),
        opened: number(opened),
        opened_share: share(opened, sent),
        programs: number(by_programs.max(loaded)),
        articles: rows
            .into_iter()
            .map(|(people, headline, also_at)| Followed {
                bar: (people * WIDTH / most).max(i64::from(people > 0)),
                people: number(people),
                share: share(people, sent),
                headline,
                also_at,
            })
            .collect(),
        width: WIDTH,
    }
}
