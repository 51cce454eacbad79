//! What the digest's templates can print: every name of docs/templates.md, built from an issue and an audience.

use serde::Serialize;
use serde_json::{Value, json};

use super::DigestInput;
use super::article::{ArticleView, Section, follow, group, view, web_url};
use super::colour;
use super::holes::{clean, mark};
use crate::domain::article::IssueArticle;
use crate::domain::introduction::Block;
use crate::domain::issue::IssueContent;
use crate::domain::language::{colon, direction, is_rtl, is_same_language, long_date};
use crate::domain::mail::{Hole, HoleValues};
use crate::domain::words::{Words, fill, words};

/// How much of an issue is printed: what [`super::Renderer`] lowers until the mail is small enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// How many articles, from the first.
    pub articles: usize,
    /// How many of them with their summary.
    pub summaries: usize,
}

/// Subject and preheader as they are printed: rendered from their own lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    pub subject: String,
    pub preheader: String,
}

#[derive(Serialize)]
struct DigestContext<'a> {
    newsletter: Value,
    issue: Value,
    lead: Option<&'a ArticleView>,
    others: &'a [ArticleView],
    articles: &'a [ArticleView],
    sections: Vec<Section<'a>>,
    count: usize,
    count_others: usize,
    count_left_out: usize,
    more_url: Option<String>,
    subscriber: Value,
    unsubscribe_url: String,
    view_url: String,
    preferences_url: String,
    is_public: bool,
    language: &'a str,
    direction: &'static str,
    is_rtl: bool,
    align: &'static str,
    colon: &'static str,
    words: Value,
}

/// The articles that are for this audience, in the issue's order.
pub(super) fn articles_for<'a>(input: &DigestInput<'a>) -> Vec<&'a IssueArticle> {
    let audience = input.audience;
    let is_readable = |article: &IssueArticle| {
        let language = article.language.as_deref().filter(|_| input.newsletter.rules.match_language);
        language.is_none_or(|language| is_same_language(language, &audience.language))
    };
    let articles = input.content.articles.iter();
    articles.filter(|article| article.topics.is_for(audience.topics) && is_readable(article)).collect()
}

/// The whole context. `values` are one reader's; none: marks for holes.
pub(super) fn digest(
    input: &DigestInput<'_>,
    articles: &[&IssueArticle],
    room: Room,
    lines: &Lines,
    values: Option<&HoleValues>,
) -> Value {
    let audience = input.audience;
    let (_, words) = words(&audience.language);
    let shown = &articles[..room.articles.min(articles.len())];
    let mut views: Vec<ArticleView> = shown.iter().map(|article| view(article, audience, words)).collect();
    for view in views.iter_mut().skip(room.summaries) {
        view.summary.clear();
    }
    let left_out = articles.len() - shown.len();
    let person = |hole: Hole| match values {
        Some(values) => clean(values.get(hole)),
        None => mark(hole).to_string(),
    };
    let others = views.get(1..).unwrap_or_default();
    let context = DigestContext {
        newsletter: newsletter(input),
        issue: issue(input, lines, words),
        lead: views.first(),
        others,
        sections: sections(input, &shown[shown.len().min(1)..], others),
        articles: &views,
        count: shown.len(),
        count_others: others.len(),
        count_left_out: left_out,
        more_url: (left_out > 0).then(|| input.issue_url.and_then(web_url)).flatten(),
        subscriber: json!({
            "name": person(Hole::Name),
            "first_name": person(Hole::FirstName),
            "email": person(Hole::Email),
        }),
        unsubscribe_url: person(Hole::UnsubscribeUrl),
        view_url: person(Hole::ViewUrl),
        preferences_url: person(Hole::PreferencesUrl),
        is_public: input.is_public,
        language: &audience.language,
        direction: direction(&audience.language),
        is_rtl: is_rtl(&audience.language),
        align: align(is_rtl(&audience.language)),
        colon: colon(&audience.language),
        words: digest_words(input, words, others.len()),
    };
    serde_json::to_value(context).expect("strings, numbers and lists are JSON")
}

/// The articles behind the lead in their sections: as an editor laid them out, or topic by topic.
fn sections<'a>(
    input: &DigestInput<'_>,
    articles: &[&IssueArticle],
    views: &'a [ArticleView],
) -> Vec<Section<'a>> {
    let topics = &input.content.topics;
    match input.content.laid_out {
        true => follow(articles, views, topics),
        false => group(articles, views, topics, input.audience.topics),
    }
}

/// The side at which a line begins.
pub(super) fn align(is_rtl: bool) -> &'static str {
    if is_rtl { "right" } else { "left" }
}

fn newsletter(input: &DigestInput<'_>) -> Value {
    let newsletter = input.newsletter;
    let (colour, colour_dark) = colour::readable(&newsletter.colour);
    json!({
        "name": clean(&newsletter.name),
        "slug": clean(&newsletter.slug),
        "description": clean(&newsletter.description),
        "language": newsletter.language,
        "direction": direction(&newsletter.language),
        "align": align(is_rtl(&newsletter.language)),
        "colour": colour,
        "colour_dark": colour_dark,
        "logo_url": newsletter.logo_url.as_deref().and_then(web_url),
        "postal_address": postal_lines(&newsletter.postal_address).join(", "),
        "postal_lines": postal_lines(&newsletter.postal_address),
        "url": input.site_url.and_then(web_url),
        "from": clean(newsletter.from.address.as_str()),
    })
}

fn issue(input: &DigestInput<'_>, lines: &Lines, words: &Words) -> Value {
    let issue = input.issue;
    let number = (issue.number > 0).then_some(issue.number);
    let introduction = introduction(input.content);
    let texts: Vec<&str> =
        introduction.iter().flat_map(|block| &block.lines).map(|line| line.text.as_str()).collect();
    json!({
        "number": number,
        "number_text": number.map(|number| fill(words.issue_number, &[("number", &number.to_string())])),
        "date": long_date(issue.slot_at, input.audience.zone, &input.audience.language),
        "date_iso": issue.slot_at.in_zone(input.audience.zone).date_naive().to_string(),
        "subject": lines.subject,
        "preheader": lines.preheader,
        "introduction": texts,
        "introduction_blocks": introduction,
        "url": input.issue_url.and_then(web_url),
    })
}

/// The lines of a postal address, without a comma at their ends.
pub(super) fn postal_lines(address: &str) -> Vec<String> {
    let lines = address.lines().map(|line| clean(line).trim_end_matches(',').to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// The editor's introduction, every text of it cleaned.
fn introduction(content: &IssueContent) -> Vec<Block> {
    let mut blocks = content.introduction();
    for line in blocks.iter_mut().flat_map(|block| &mut block.lines) {
        line.text = clean(&line.text);
        for run in &mut line.runs {
            // Its spaces keep words of two runs apart.
            let side = |is_space: bool| if is_space { " " } else { "" };
            let (before, after) =
                (run.text.starts_with(char::is_whitespace), run.text.ends_with(char::is_whitespace));
            run.text = format!("{}{}{}", side(before), clean(&run.text), side(after));
            run.url = run.url.as_deref().map(clean);
        }
    }
    blocks
}

fn digest_words(input: &DigestInput<'_>, words: &Words, others: usize) -> Value {
    let name = clean(&input.newsletter.name);
    let how_often = input.schedule.map_or("", |schedule| words.how_often(schedule.slots.recurrence));
    json!({
        "also_at": words.also_at,
        "and_more": fill(words.and_more, &[("count", &others.to_string())]),
        "why": fill(words.why, &[("newsletter", &name)]),
        "how_often": how_often,
        "leave": words.leave,
        "preferences": words.preferences,
        "sign_up": fill(words.sign_up, &[("newsletter", &name)]),
        "view": words.view,
        "share": words.share,
        "more_online": words.more_online,
        "sent_to": words.sent_to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postal_address_has_lines() {
        assert_eq!(
            postal_lines("Daybreak Press,\r\n 1 Quay  Street\n\nHarwich\u{0}\n"),
            ["Daybreak Press", "1 Quay Street", "Harwich"]
        );
        assert!(postal_lines(" \n").is_empty());
    }
}
