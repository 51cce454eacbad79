//! Links that tell that they were followed, and the picture that tells of an opened mail.
//!
//! They are put in where a mail is finished: templates see the articles' own addresses, measured or not. In HTML an
//! address is replaced where it is the whole of an `href`, in text where it stands by itself.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::article::web_url;
use crate::domain::issue::IssueContent;
use crate::domain::mail::{Hole, Holed, Piece, RenderedMail};
use crate::domain::measuring::{HIDDEN, Measure};

/// A link of an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// From 1, in the issue's order.
    pub number: i64,
    /// As it stands in a mail that is not measured.
    pub url: String,
    /// None for a link of the introduction.
    pub article_id: Option<i64>,
}

/// The links of an issue to its articles and to the same stories elsewhere, then those of its introduction to the web;
/// each address once.
pub fn links(content: &IssueContent) -> Vec<Link> {
    let mut links: Vec<Link> = vec![];
    let mut known = HashSet::new();
    let mut add = |url: &str, article_id: Option<i64>| {
        let Some(url) = web_url(url).filter(|url| known.insert(url.clone())) else { return };
        let number = i64::try_from(links.len() + 1).unwrap_or(i64::MAX);
        links.push(Link { number, url, article_id });
    };
    for article in &content.articles {
        let also = article.also.iter().map(|also| &also.url);
        for url in article.url.iter().chain(also) {
            add(url, Some(article.id));
        }
    }
    let introduction = content.introduction();
    for run in introduction.iter().flat_map(|block| &block.lines).flat_map(|line| &line.runs) {
        add(run.url.as_deref().unwrap_or_default(), None);
    }
    links
}

/// A mail with measured links in the place of the articles' own.
pub(super) fn measure(mail: RenderedMail, content: &IssueContent, measure: Measure) -> RenderedMail {
    let numbers = links(content).into_iter().map(|link| (link.url, link.number)).collect();
    let mut html = replace(&mail.html, |text| next_in_html(text, &numbers));
    put_at_end(&mut html, measure);
    RenderedMail { html, text: replace(&mail.text, |text| next_in_text(text, &numbers)), ..mail }
}

type Numbers = HashMap<String, i64>;

/// The text with a hole and a number in the place of each address that `next` finds.
fn replace(holed: &Holed, next: impl Fn(&str) -> Option<(Range<usize>, i64)>) -> Holed {
    let mut pieces = vec![];
    for piece in &holed.0 {
        let Piece::Text(text) = piece else {
            pieces.push(piece.clone());
            continue;
        };
        let (mut rest, mut number_before) = (text.as_str(), String::new());
        while let Some((place, number)) = next(rest) {
            pieces.push(Piece::Text(number_before + &rest[..place.start]));
            pieces.push(Piece::Hole(Hole::LinksUrl));
            number_before = number.to_string();
            rest = &rest[place.end..];
        }
        pieces.push(Piece::Text(number_before + rest));
    }
    Holed(pieces)
}

/// The first `href` that is one of these addresses.
fn next_in_html(text: &str, numbers: &Numbers) -> Option<(Range<usize>, i64)> {
    let values = text.match_indices("href=").filter_map(|(at, name)| {
        let is_attribute = text[..at].ends_with(|before: char| before.is_ascii_whitespace());
        let start = at + name.len() + 1;
        let quote =
            text[..start.min(text.len())].chars().last().filter(|quote| matches!(quote, '"' | '\''))?;
        let length = text[start..].find(quote)?;
        is_attribute.then_some(start..start + length)
    });
    values.filter_map(|place| Some((place.clone(), *numbers.get(&decoded(&text[place]))?))).next()
}

/// An attribute's value as it was before it was escaped; an address has no other signs that are.
fn decoded(value: &str) -> String {
    value.replace("&#39;", "'").replace("&#x27;", "'").replace("&apos;", "'").replace("&amp;", "&")
}

/// The first of these addresses that stands by itself, or in angle brackets.
fn next_in_text(text: &str, numbers: &Numbers) -> Option<(Range<usize>, i64)> {
    let stands = text.match_indices("http").filter_map(|(start, _)| {
        let before = text[..start].chars().last();
        let is_bracketed = before == Some('<');
        if !(is_bracketed || before.is_none_or(char::is_whitespace)) {
            return None;
        }
        let ends = |sign: char| sign.is_whitespace() || (is_bracketed && sign == '>');
        Some(start..text[start..].find(ends).map_or(text.len(), |length| start + length))
    });
    stands.filter_map(|place| Some((place.clone(), *numbers.get(&text[place])?))).next()
}

/// At the end of the HTML: a link that no person sees, which tells on programs that follow every link; and the picture.
fn put_at_end(html: &mut Holed, measure: Measure) {
    let is_end = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains("</body>"));
    let (mut at, mut end) = (html.0.len(), String::new());
    if let Some(found) = html.0.iter().rposition(is_end)
        && let Piece::Text(text) = &mut html.0[found]
    {
        end = text.split_off(text.rfind("</body>").unwrap_or(text.len()));
        at = found + 1;
    }
    let text = |text: String| Piece::Text(text);
    let mut pieces = vec![
        text("<a href=\"".to_owned()),
        Piece::Hole(Hole::LinksUrl),
        text(format!("{HIDDEN}\" aria-hidden=\"true\" tabindex=\"-1\" style=\"display:none\"></a>")),
    ];
    if measure.has_opens() {
        pieces.extend([
            text("<img src=\"".to_owned()),
            Piece::Hole(Hole::PictureUrl),
            text("\" alt=\"\" width=\"1\" height=\"1\" style=\"display:block;border:0\" />".to_owned()),
        ]);
    }
    pieces.push(text(end));
    html.0.splice(at..at, pieces);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Numbers {
        let urls = ["https://x.example/a?b=1&c='2'", "https://x.example/a"];
        urls.iter().zip(1..).map(|(url, number)| ((*url).to_owned(), number)).collect()
    }

    fn shown(holed: &Holed) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Hole(hole) => format!("[{hole:?}]"),
        };
        holed.0.iter().map(piece).collect()
    }

    #[test]
    fn an_address_is_replaced_where_it_is_the_whole_of_an_href() {
        let html = "<a href=\"https://x.example/a?b=1&amp;c=&#39;2&#39;\">https://x.example/a</a> <a class=q \
                    href='https://x.example/a'>a</a><a href=\"https://x.example/a/b\" data-href=\"https://x.example/a\">b \
                    href=";
        let replaced = replace(&Holed::plain(html), |text| next_in_html(text, &numbers()));
        assert_eq!(
            shown(&replaced),
            "<a href=\"[LinksUrl]1\">https://x.example/a</a> <a class=q href='[LinksUrl]2'>a</a><a \
             href=\"https://x.example/a/b\" data-href=\"https://x.example/a\">b href="
        );
    }

    #[test]
    fn an_address_is_replaced_in_text_where_it_stands_by_itself() {
        let text = "A\nhttps://x.example/a\n(https://x.example/a) <https://x.example/a> https://x.example/a. Beyond: \
                    https://x.example/a";
        let replaced = replace(&Holed::plain(text), |text| next_in_text(text, &numbers()));
        assert_eq!(
            shown(&replaced),
            "A\n[LinksUrl]2\n(https://x.example/a) <[LinksUrl]2> https://x.example/a. Beyond: [LinksUrl]2"
        );
    }

    #[test]
    fn only_opens_need_the_picture_and_both_stand_before_the_end() {
        for (measure, pictures) in [(Measure::Clicks, 0), (Measure::ClicksAndOpens, 1)] {
            let mut html = Holed::plain("<body>x</body></html>");
            put_at_end(&mut html, measure);
            let shown = shown(&html);
            assert!(shown.starts_with("<body>x<a href=\"[LinksUrl]0\" aria-hidden"), "{shown}");
            assert!(shown.ends_with("></body></html>"), "{shown}");
            assert_eq!(shown.matches("[PictureUrl]").count(), pictures, "{shown}");
        }
    }
}
