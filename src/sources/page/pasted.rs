//! Text as a reader pastes it from an article's page: a title that comes twice, labels, dates, a share bar, the story,
//! and a call to subscribe.

use url::Url;

use super::PageError;
use super::lines::{Verdict, judge, says_the_same};
use crate::domain::article::FoundArticle;
use crate::domain::calendar::Timestamp;
use crate::domain::link::web_link;
use crate::sources::byline::name_of_person;
use crate::sources::dates::parse_date;
use crate::sources::language::guess_language;
use crate::sources::text::{cut_at_word, escape, fold, is_blank, prefix, summarise, to_text};

/// The most that is read, in bytes: a book of 600 pages.
const LONGEST: usize = 2 * 1024 * 1024;

/// A title is no longer, in characters.
const LONGEST_TITLE: usize = 200;

/// How many lines from the top may belong to the head: title, labels, dates, share bar.
const HEAD_LINES: usize = 25;

/// A line of the story has at least this many characters, where the head ends.
const STORY_LINE: usize = 140;

/// Reads an article out of pasted text: title, author, dates, and the story in paragraphs, without the page around it.
pub fn from_pasted_text(text: &str) -> Result<FoundArticle, PageError> {
    let text = prefix(text, LONGEST).replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    // HTML pasted as such is HTML all the same.
    let text = if text.contains("</p>") || text.contains("</div>") { to_text(&text) } else { text };
    let lines: Vec<Line> = read_lines(&text);
    if lines.is_empty() {
        return Err(PageError::Empty);
    }
    let (title, after_title) = find_title(&lines);
    let mut head = Head::default();
    let story = split_head(&lines, &title, after_title, &mut head);
    let story = clear_end(story);
    let body_html = write_body(&story);
    let plain = to_text(&body_html);
    if plain.trim().is_empty() {
        return Err(PageError::NoArticle);
    }
    let first =
        story.iter().find(|line| line.text.chars().count() >= 60).map_or(plain.as_str(), |line| &line.text);
    Ok(FoundArticle {
        url: head.url.map(String::from),
        title,
        author: head.author,
        summary: summarise(first),
        language: guess_language(&plain),
        // The only date there is tells best when it came out.
        published_at: head.published_at.or(head.modified_at),
        modified_at: head.modified_at,
        body_html,
        ..FoundArticle::default()
    })
}

/// One line that is not empty.
#[derive(Clone, Debug)]
struct Line {
    /// Without bullet and number.
    text: String,
    mark: Mark,
    /// Whether an empty line stands before it.
    follows_gap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    Bullet,
    Number,
}

fn read_lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut follows_gap = true;
    for raw in text.split('\n') {
        let line = fold(raw.trim_matches(is_blank));
        if line.is_empty() {
            follows_gap = true;
            continue;
        }
        let (mark, text) = read_mark(&line);
        if text.is_empty() {
            continue;
        }
        lines.push(Line { text: text.to_owned(), mark, follows_gap });
        follows_gap = false;
    }
    lines
}

fn read_mark(line: &str) -> (Mark, &str) {
    let bullets = ['•', '·', '●', '▪', '◦', '‣', '∙', '○', '■', '*', '-', '–'];
    if let Some(rest) = line.strip_prefix(bullets) {
        // "-5 degrees" and "–" for speech without a space are text.
        if rest.is_empty() || rest.starts_with(' ') || line.starts_with('•') {
            return (Mark::Bullet, rest.trim_start());
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line[digits..].strip_prefix(". ").or_else(|| line[digits..].strip_prefix(") ")) {
        Some(rest) if (1..=2).contains(&digits) => (Mark::Number, rest),
        _ => (Mark::None, line),
    }
}

/// The title, and how many lines from the top it was found behind.
///
/// A page's text says its title twice or more, and then that is it; else it is the first line that is no furniture.
fn find_title(lines: &[Line]) -> (String, usize) {
    let head = &lines[..lines.len().min(HEAD_LINES)];
    for (index, line) in head.iter().enumerate() {
        let length = line.text.chars().count();
        let is_long_enough = length >= 12 || line.text.split_whitespace().count() >= 3;
        if !is_long_enough || length > LONGEST_TITLE || judge(&line.text) != Verdict::Story {
            continue;
        }
        let again = head[index + 1..].iter().any(|other| says_the_same(&other.text, &line.text));
        // "You are currently viewing" and the like before the title itself.
        let led = head[..index].iter().any(|other| ends_with_title(&other.text, &line.text));
        if again || led {
            return (line.text.clone(), index + 1);
        }
    }
    let is_title = |line: &Line| {
        let is_short = line.text.chars().count() <= LONGEST_TITLE;
        let is_date = line.text.chars().count() < 60 && parse_date(&line.text).is_some();
        is_short
            && line.mark == Mark::None
            && judge(&line.text) == Verdict::Story
            && link_in(&line.text).is_none()
            && !is_date
    };
    match head.iter().position(is_title) {
        // A line that the rest of its paragraph follows is the beginning of a text without title.
        Some(index) if lines.len() > 1 => (lines[index].text.clone(), index + 1),
        _ => {
            let text = lines
                .iter()
                .map(|line| line.text.as_str())
                .find(|text| judge(text) == Verdict::Story)
                .unwrap_or_default();
            let sentence = text.split_inclusive(['.', '!', '?', '。']).next().unwrap_or(text);
            (cut_at_word(sentence.trim(), 100), 0)
        }
    }
}

/// "You are currently viewing THE TITLE": the title with at most eight words before it.
fn ends_with_title(line: &str, title: &str) -> bool {
    let before = line.strip_suffix(title);
    before.is_some_and(|before| !before.trim().is_empty() && before.split_whitespace().count() <= 8)
}

/// What the lines around the title tell.
#[derive(Default)]
struct Head {
    author: Option<String>,
    published_at: Option<Timestamp>,
    modified_at: Option<Timestamp>,
    url: Option<Url>,
}

/// Reads the head, and gives the lines of the story that follow it.
fn split_head(lines: &[Line], title: &str, after_title: usize, head: &mut Head) -> Vec<Line> {
    let mut story: Vec<Line> = Vec::new();
    let mut is_head = true;
    let mut awaits_author = false;
    for (index, line) in lines.iter().enumerate() {
        if says_the_same(&line.text, title) || ends_with_title(&line.text, title) {
            awaits_author = false;
            continue;
        }
        // A call or a share bar within the story goes, but what comes after the end is cut later.
        let verdict = judge(&line.text);
        is_head &= index < HEAD_LINES && story.iter().all(|line| line.text.chars().count() < STORY_LINE);
        if is_head {
            let is_label = head.read_label(&line.text);
            let name = name_of_person(&line.text).filter(|_| awaits_author && looks_like_name(&line.text));
            awaits_author = is_label && head.author.is_none() && names_author(&line.text);
            if is_label {
                continue;
            }
            if name.is_some() {
                head.author = name;
                continue;
            }
            if let Some(url) = link_in(&line.text) {
                head.url.get_or_insert(url);
                continue;
            }
            if index < after_title.saturating_sub(1) {
                // Above the title stand the site's name and its sections.
                continue;
            }
            if head.read_line(line, title) {
                continue;
            }
        }
        if verdict != Verdict::Furniture {
            story.push(line.clone());
        }
    }
    story
}

/// Labels of the author, in lower case; also those that stand alone on their line.
const AUTHOR_LABELS: &[&str] = &[
    "post author",
    "author",
    "written by",
    "posted by",
    "by",
    "auteur/autrice de la publication",
    "auteur de la publication",
    "auteur",
    "beitrags-autor",
    "autor",
    "von",
    "autor de la entrada",
    "autora",
    "por",
    "autore dell'articolo",
    "autore",
    "autor do post",
    "par",
    "text",
    "texte",
    "redactie",
    "автор",
];
const MODIFIED_LABELS: &[&str] = &[
    "post last modified",
    "last modified",
    "last updated",
    "updated",
    "modified",
    "dernière modification",
    "mis à jour",
    "mise à jour",
    "beitrag zuletzt geändert",
    "zuletzt aktualisiert",
    "aktualisiert",
    "última modificación",
    "actualizado",
    "ultima modifica",
    "aggiornato",
    "última atualização",
    "atualizado",
    "laatst bijgewerkt",
    "обновлено",
    "uppdaterad",
];
const PUBLISHED_LABELS: &[&str] = &[
    "post published",
    "published",
    "posted on",
    "posted",
    "date",
    "publication publiée",
    "publié le",
    "publié",
    "beitrag veröffentlicht",
    "veröffentlicht",
    "datum",
    "publicación de la entrada",
    "publicado el",
    "publicado",
    "fecha",
    "articolo pubblicato",
    "pubblicato",
    "data",
    "post publicado",
    "gepubliceerd",
    "опубликовано",
    "publicerad",
];

/// What follows one of the labels: "Post author:Ann" and "Updated on 13 January" have it.
fn after_label<'a>(line: &'a str, labels: &[&str]) -> Option<&'a str> {
    let begins = |label: &&&str| {
        let start = line.get(..label.len()).is_some_and(|start| start.to_lowercase() == **label);
        let after = line.get(label.len()..).unwrap_or_default();
        start && !after.starts_with(|c: char| c.is_alphanumeric())
    };
    // The longest label that fits: "posted by" is not "posted".
    let label = labels.iter().filter(begins).max_by_key(|label| label.len())?;
    Some(line[label.len()..].trim_start_matches([':', ' ', '\u{a0}', '-', '–']))
}

fn names_author(line: &str) -> bool {
    after_label(line, AUTHOR_LABELS).is_some_and(str::is_empty)
}

/// Two to five words that begin with capitals (or have none to begin with).
fn looks_like_name(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_name = |word: &&str| !word.starts_with(|c: char| c.is_lowercase()) || word.len() <= 3;
    (1..=5).contains(&words.len())
        && words.iter().all(is_name)
        && !text.contains(['.', '?', '!', ':'])
        && !text.contains(char::is_numeric)
}

impl Head {
    /// Reads a labelled line; whether it was one.
    fn read_label(&mut self, line: &str) -> bool {
        if line.chars().count() > 120 {
            return false;
        }
        if let Some(date) = after_label(line, MODIFIED_LABELS)
            && (date.is_empty() || parse_date(date).is_some())
        {
            self.modified_at = self.modified_at.or_else(|| parse_date(date));
            return true;
        }
        if let Some(date) = after_label(line, PUBLISHED_LABELS)
            && (date.is_empty() || parse_date(date).is_some())
        {
            self.published_at = self.published_at.or_else(|| parse_date(date));
            return true;
        }
        let Some(name) = after_label(line, AUTHOR_LABELS) else { return false };
        // "By the time …" begins a sentence.
        let is_labelled = line[..line.len() - name.len()].trim_end().ends_with(':');
        let first_part = name.split(['|', '•', '·', '—']).next().unwrap_or(name).trim();
        let person = name_of_person(first_part);
        if !(is_labelled || person.as_deref().is_some_and(looks_like_name) || name.is_empty()) {
            return false;
        }
        self.author = self.author.take().or(person);
        // "By Ann Lee | January 13, 2026"
        self.published_at = self.published_at.or_else(|| name.strip_prefix(first_part).and_then(parse_date));
        true
    }

    /// Reads a line of the head without label: a date, a name with a date; whether it was one.
    fn read_line(&mut self, line: &Line, title: &str) -> bool {
        let text = line.text.as_str();
        if text.chars().count() > 80 || says_the_same(text, title) || text.split_whitespace().count() > 12 {
            return false;
        }
        let Some(date) = parse_date(text) else { return false };
        // A sentence that happens to name a day is no date line.
        if text.ends_with(['.', '!', '?', '。']) {
            return false;
        }
        self.published_at.get_or_insert(date);
        if self.author.is_none() {
            let before = text.split(['|', '•', '·', '—', ',']).next().unwrap_or_default();
            self.author = name_of_person(before)
                .filter(|name| looks_like_name(name) && name.contains(' ') && parse_date(before).is_none());
        }
        true
    }
}

/// A line that is a link, or "Source: link".
fn link_in(line: &str) -> Option<Url> {
    let (label, link) = line.split_once("http").map(|(label, _)| (label, &line[label.len()..]))?;
    let is_alone = !link.contains(char::is_whitespace) && label.split_whitespace().count() <= 2;
    is_alone.then(|| Url::parse(link).ok()).flatten().and_then(web_link)
}

/// Cuts what comes after the story: from the heading of other stories or comments on, in its second half.
fn clear_end(mut story: Vec<Line>) -> Vec<Line> {
    let total: usize = story.iter().map(|line| line.text.len()).sum();
    let mut seen = 0;
    let mut end = story.len();
    for (index, line) in story.iter().enumerate() {
        if seen * 2 > total && judge(&line.text) == Verdict::End {
            end = index;
            break;
        }
        seen += line.text.len();
    }
    story.truncate(end);
    story.retain(|line| judge(&line.text) != Verdict::End || line.text.chars().count() > 40);
    story
}

/// The story as HTML: paragraphs, headings, lists.
fn write_body(lines: &[Line]) -> String {
    let blocks = join_lines(lines);
    let mut html = String::new();
    let mut open: Option<&str> = None;
    for (index, block) in blocks.iter().enumerate() {
        let list = match block.mark {
            Mark::None => None,
            Mark::Bullet => Some("ul"),
            Mark::Number => Some("ol"),
        };
        if open != list {
            open.inspect(|name| html.push_str(&format!("</{name}>")));
            list.inspect(|name| html.push_str(&format!("<{name}>")));
            open = list;
        }
        let text = escape(&block.text);
        let name = if list.is_some() {
            "li"
        } else if is_heading(block, blocks.get(index + 1)) {
            "h2"
        } else {
            "p"
        };
        html.push_str(&format!("<{name}>{text}</{name}>"));
    }
    open.inspect(|name| html.push_str(&format!("</{name}>")));
    html
}

/// Joins the lines of a paragraph that was wrapped at a column, as mails and PDFs wrap: where paragraphs are parted by
/// empty lines, and the lines of one are all about as long.
fn join_lines(lines: &[Line]) -> Vec<Line> {
    let gaps = lines.iter().filter(|line| line.follows_gap).count();
    let is_wrapped = lines.len() > gaps * 2 && lines.iter().all(|line| line.text.chars().count() <= 100);
    let mut blocks: Vec<Line> = Vec::new();
    for line in lines {
        match blocks.last_mut() {
            Some(last) if is_wrapped && !line.follows_gap && line.mark == Mark::None => {
                last.text.push(' ');
                last.text.push_str(&line.text);
            }
            _ => blocks.push(line.clone()),
        }
    }
    blocks
}

/// A short line without a full stop, before a longer one.
fn is_heading(block: &Line, next: Option<&Line>) -> bool {
    let length = block.text.chars().count();
    let is_sentence =
        block.text.ends_with(['.', '!', ':', ';', ',', '…', '"', '”', '»', '。', '！', '：', '؟', '۔', '।']);
    let next_length = next.map_or(0, |next| next.text.chars().count());
    block.follows_gap && length <= 100 && !is_sentence && next_length > length.max(60)
}

#[cfg(test)]
mod tests;
