//! Articles as templates see them, and their sections.

use serde::Serialize;
use url::Url;

use super::Audience;
use super::context::align;
use super::holes::clean;
use crate::domain::article::IssueArticle;
use crate::domain::language::{is_rtl, long_date, normalise};
use crate::domain::topic::{Topic, TopicSet};
use crate::domain::words::{Words, fill};

/// One article, every text cleaned and every address `http` or `https`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ArticleView {
    title: String,
    pub summary: String,
    url: Option<String>,
    image: Option<String>,
    image_alt: String,
    source: String,
    author: Option<String>,
    /// Source (or author) and reading time, with a dot between them.
    byline: String,
    published: Option<String>,
    published_iso: Option<String>,
    reading_minutes: u32,
    reading_time: Option<String>,
    also: Vec<AlsoView>,
    language: Option<String>,
    direction: &'static str,
    is_rtl: bool,
    align: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct AlsoView {
    source: String,
    url: String,
}

/// Articles under one topic; without name and topic those that have none.
#[derive(Debug, Serialize)]
pub(super) struct Section<'a> {
    topic: Option<String>,
    name: Option<String>,
    articles: Vec<&'a ArticleView>,
}

pub(super) fn view(article: &IssueArticle, audience: &Audience, words: &Words) -> ArticleView {
    let title = clean(&article.headline);
    let summary = clean(&article.summary);
    let source = clean(&article.source);
    let author = article.author.as_deref().map(clean).filter(|author| !author.is_empty());
    let minutes = article.reading_minutes;
    let reading_time = (minutes > 0).then(|| fill(words.reading_time, &[("minutes", &minutes.to_string())]));
    let who = if source.is_empty() { author.clone().unwrap_or_default() } else { source.clone() };
    let byline: Vec<&str> = [who.as_str(), reading_time.as_deref().unwrap_or("")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let byline = byline.join(" · ");
    let language = article.language.as_deref().and_then(normalise);
    let is_rtl = match &language {
        Some(language) => is_rtl(language),
        None => reads_from_the_right(&title).unwrap_or_else(|| is_rtl(&audience.language)),
    };
    let published = article.published_at;
    ArticleView {
        url: article.url.as_deref().and_then(web_url),
        image: article.image_url.as_deref().and_then(web_url),
        image_alt: article.image_alt.as_deref().map(clean).unwrap_or_default(),
        published: published.map(|time| long_date(time, audience.zone, &audience.language)),
        published_iso: published.map(|time| time.in_zone(audience.zone).to_rfc3339()),
        reading_minutes: minutes,
        also: article
            .also
            .iter()
            .filter_map(|also| Some(AlsoView { source: clean(&also.source), url: web_url(&also.url)? }))
            .filter(|also| !also.source.is_empty())
            .collect(),
        direction: if is_rtl { "rtl" } else { "ltr" },
        align: align(is_rtl),
        title,
        summary,
        source,
        author,
        byline,
        reading_time,
        language,
        is_rtl,
    }
}

/// Sections of `articles` (with their views beside them): first those without a topic, then topic by topic. An
/// article with several topics stands under the first that the reader chose.
pub(super) fn group<'a>(
    articles: &[&IssueArticle],
    views: &'a [ArticleView],
    topics: &[Topic],
    chosen: TopicSet,
) -> Vec<Section<'a>> {
    let place = |article: &IssueArticle| {
        let wanted = article.topics.intersection(chosen);
        let wanted = if wanted.is_empty() { article.topics } else { wanted };
        topics.iter().position(|topic| wanted.contains(topic))
    };
    let places: Vec<Option<usize>> = articles.iter().map(|article| place(article)).collect();
    let order = std::iter::once(None).chain((0..topics.len()).map(Some));
    let sections = order.map(|wanted| Section {
        topic: wanted.map(|index| clean(&topics[index].slug)),
        name: wanted.map(|index| clean(&topics[index].name)),
        articles: std::iter::zip(&places, views)
            .filter(|(place, _)| **place == wanted)
            .map(|(_, view)| view)
            .collect(),
    });
    sections.filter(|section| !section.articles.is_empty()).collect()
}

/// Sections of `articles` (with their views beside them) as an editor laid them out: neighbours under one heading.
pub(super) fn follow<'a>(
    articles: &[&IssueArticle],
    views: &'a [ArticleView],
    topics: &[Topic],
) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'a>> = vec![];
    for (article, view) in std::iter::zip(articles, views) {
        let name = article.section.as_deref().map(clean).filter(|name| !name.is_empty());
        match sections.last_mut() {
            Some(section) if section.name == name => section.articles.push(view),
            _ => {
                let topic = topics.iter().find(|topic| name.as_deref() == Some(clean(&topic.name).as_str()));
                let topic = topic.map(|topic| clean(&topic.slug));
                sections.push(Section { topic, name, articles: vec![view] });
            }
        }
    }
    sections
}

/// An address that may stand in a mail: absolute, `http` or `https`, no longer than mail programs take.
pub(super) fn web_url(text: &str) -> Option<String> {
    const MAX: usize = 2_000;
    let url = Url::parse(text.trim()).ok()?;
    let is_web =
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    (is_web && url.as_str().len() <= MAX).then(|| clean(url.as_str()))
}

/// Whether the first letter with a direction is of a right-to-left script (Unicode's rule P2); none without a letter.
fn reads_from_the_right(text: &str) -> Option<bool> {
    let first = text.chars().find(|character| character.is_alphabetic())?;
    let code = u32::from(first);
    Some(
        matches!(code, 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x1_0800..=0x1_0FFF | 0x1_E800..=0x1_EFFF),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_printed() {
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "/relative",
            "ftp://x.example/",
            "http://",
            "mailto:a@b.c",
            "",
        ] {
            assert_eq!(web_url(bad), None, "{bad}");
        }
        assert_eq!(web_url("https://x.example/?a=1&b=\"2\"").unwrap(), "https://x.example/?a=1&b=%222%22");
        assert_eq!(web_url(&format!("https://x.example/{}", "a".repeat(3_000))), None);
    }

    #[test]
    fn the_first_letter_tells_the_direction_of_an_article_of_unknown_language() {
        assert_eq!(reads_from_the_right("2026: שלום world"), Some(true));
        assert_eq!(reads_from_the_right("«Café» في باريس"), Some(false));
        assert_eq!(reads_from_the_right("2026!"), None);
    }
}
