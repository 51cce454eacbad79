//! The notation of an issue's introduction: a small part of Markdown.
//!
//! Paragraphs, links, emphasis, strong words and lists. Whatever else Markdown knows (headings, code, pictures, HTML) is
//! printed as it was typed: nothing that an editor wrote disappears, and nothing of it becomes markup.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};
use serde::Serialize;
use url::Url;

use super::link::web_link;

/// A paragraph or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Block {
    pub is_list: bool,
    pub is_numbered: bool,
    /// The number of a numbered list's first item.
    pub start: u64,
    /// One for a paragraph, one for each item of a list; never none.
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The line in letters alone: an item behind its sign or number, a link's words before its address.
    pub text: String,
    pub runs: Vec<Run>,
}

/// Words that are set in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    pub text: String,
    /// `http`, `https` or `mailto`.
    pub url: Option<String>,
    pub is_strong: bool,
    pub is_emphasis: bool,
    /// Not of the notation: nothing in it becomes a link.
    #[serde(skip)]
    is_typed: bool,
}

impl Run {
    fn is_set_like(&self, other: &Self) -> bool {
        let set = |run: &Self| (run.is_strong, run.is_emphasis, run.is_typed);
        self.url == other.url && set(self) == set(other)
    }
}

/// Longer addresses are none that mail programs take.
const LONGEST_ADDRESS: usize = 2_000;

/// Reads an introduction in the notation.
pub fn read(text: &str) -> Vec<Block> {
    Reader::new(&without_definitions(text)).read().0
}

/// The text with a `\` before each of Markdown's definitions (`[label]: address`): these are no part of the notation, and
/// the parser would swallow them.
fn without_definitions(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    // Once as a rule: of several with one label the parser tells the first alone.
    for _ in 0..16 {
        let parser = Parser::new_ext(&text, Options::empty());
        let mut starts: Vec<usize> =
            parser.reference_definitions().iter().map(|(_, found)| found.span.start).collect();
        if starts.is_empty() {
            return text;
        }
        starts.sort_unstable();
        let (mut escaped, mut from) = (String::new(), 0);
        for start in starts {
            escaped.push_str(&text[from..start]);
            escaped.push('\\');
            from = start;
        }
        escaped.push_str(&text[from..]);
        text = Cow::Owned(escaped);
    }
    Cow::Owned(text.replace("]:", "]\\:"))
}

/// Reads one from before there was a notation: text with blank lines between its paragraphs.
pub fn plain(text: &str) -> Vec<Block> {
    let mut reader = Reader::new(text);
    reader.write_lines_typed(0..text.len());
    reader.finish()
}

/// The first link that leads nowhere, in a sentence that says what to do; none where all lead somewhere.
pub fn problem(text: &str) -> Option<String> {
    let (words, address) = Reader::new(&without_definitions(text)).read().1?;
    Some(format!(
        "The link “{words}” leads to “{address}”: write the whole address, https://… or mailto:…, between the brackets."
    ))
}

struct Reader<'t> {
    text: &'t str,
    blocks: Vec<Block>,
    /// How many of them stand in one another here.
    lists: usize,
    strong: usize,
    emphasis: usize,
    link: Option<String>,
    /// Nothing was written since the link began.
    is_bare: bool,
    /// What is written is not of the notation.
    is_typed: bool,
    /// The first link that leads nowhere: its words and its address.
    refused: Option<(String, String)>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            blocks: vec![],
            lists: 0,
            strong: 0,
            emphasis: 0,
            link: None,
            is_bare: false,
            is_typed: false,
            refused: None,
        }
    }

    fn read(mut self) -> (Vec<Block>, Option<(String, String)>) {
        let mut events = Parser::new_ext(self.text, Options::empty()).into_offset_iter();
        while let Some((event, place)) = events.next() {
            match event {
                Event::Start(Tag::Paragraph) => self.begin(),
                Event::Start(Tag::List(start)) => {
                    if self.lists == 0 {
                        let is_numbered = start.is_some();
                        let start = start.unwrap_or_default();
                        self.blocks.push(Block { is_list: true, is_numbered, start, lines: vec![] });
                    }
                    self.lists += 1;
                }
                Event::End(TagEnd::List(_)) => self.lists -= 1,
                // A list in a list becomes part of it.
                Event::Start(Tag::Item) => self.push_line(),
                Event::Start(Tag::Emphasis) => self.emphasis += 1,
                Event::End(TagEnd::Emphasis) => self.emphasis -= 1,
                Event::Start(Tag::Strong) => self.strong += 1,
                Event::End(TagEnd::Strong) => self.strong -= 1,
                Event::Start(Tag::Link { link_type, dest_url, .. }) => match address(link_type, &dest_url) {
                    Some(url) => {
                        self.link = Some(url);
                        self.is_bare = true;
                    }
                    None => {
                        let words: String = skip(&mut events).concat();
                        self.refused.get_or_insert((words, dest_url.to_string()));
                        self.write_typed(place);
                    }
                },
                Event::End(TagEnd::Link) => {
                    if let Some(url) = self.link.clone().filter(|_| self.is_bare) {
                        self.write(&url);
                    }
                    self.link = None;
                }
                Event::SoftBreak | Event::HardBreak => self.write(" "),
                // Of the text itself: what is written as `&amp;` is printed so.
                Event::Text(_) => self.write(&self.text[place]),
                Event::Code(_) | Event::InlineHtml(_) => self.write_typed(place),
                Event::Start(Tag::Image { .. }) => {
                    skip(&mut events);
                    self.write_typed(place);
                }
                Event::Start(_) => {
                    skip(&mut events);
                    self.write_lines_typed(place);
                }
                Event::End(_) => {}
                _ => self.write_lines_typed(place),
            }
        }
        let refused = self.refused.take();
        (self.finish(), refused)
    }

    /// Begins a paragraph; within an item it goes on behind what is there.
    fn begin(&mut self) {
        if self.lists == 0 {
            self.blocks.push(Block::default());
            self.push_line();
        } else if self.line().is_some_and(|line| !line.runs.is_empty()) {
            self.write(" ");
        }
    }

    /// What is written on.
    fn line(&mut self) -> Option<&mut Line> {
        self.blocks.last_mut().and_then(|block| block.lines.last_mut())
    }

    fn push_line(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.lines.push(Line::default());
        }
    }

    fn write(&mut self, text: &str) {
        let (is_strong, is_emphasis) = (self.strong > 0, self.emphasis > 0);
        let (url, is_typed) = (self.link.clone(), self.is_typed);
        let run = Run { text: text.to_owned(), url, is_strong, is_emphasis, is_typed };
        self.is_bare = false;
        let Some(line) = self.line() else { return };
        match line.runs.last_mut() {
            Some(last) if last.is_set_like(&run) => last.text.push_str(text),
            _ => line.runs.push(run),
        }
    }

    /// Writes a piece of the text as it is.
    fn write_typed(&mut self, place: Range<usize>) {
        self.is_typed = true;
        self.write(&self.text[place]);
        self.is_typed = false;
    }

    /// Writes lines of the text as they are; blank ones part paragraphs.
    fn write_lines_typed(&mut self, place: Range<usize>) {
        self.is_typed = true;
        let mut is_begun = false;
        for line in self.text[place].lines().map(str::trim) {
            match line {
                "" => is_begun = false,
                line => {
                    if is_begun {
                        self.write(" ");
                    } else {
                        self.begin();
                    }
                    is_begun = true;
                    self.write(line);
                }
            }
        }
        self.is_typed = false;
    }

    fn finish(self) -> Vec<Block> {
        let mut blocks = self.blocks;
        for block in &mut blocks {
            block.lines.retain(|line| line.runs.iter().any(|run| !run.text.trim().is_empty()));
            for (number, line) in (block.start..).zip(&mut block.lines) {
                line.runs = line.runs.drain(..).flat_map(with_addresses).collect();
                let sign = match (block.is_list, block.is_numbered) {
                    (false, _) => String::new(),
                    (true, false) => "- ".to_owned(),
                    (true, true) => format!("{number}. "),
                };
                line.text = sign + &in_letters(&line.runs);
            }
        }
        blocks.retain(|block| !block.lines.is_empty());
        blocks
    }
}

type Events<'t> = pulldown_cmark::OffsetIter<'t>;

/// Goes past the end of what has begun; gives the words in it.
fn skip<'t>(events: &mut Events<'t>) -> Vec<pulldown_cmark::CowStr<'t>> {
    let mut open = 1_usize;
    let mut words = vec![];
    for (event, _) in events {
        match event {
            Event::Start(_) => open += 1,
            Event::End(_) => open -= 1,
            Event::Text(text) | Event::Code(text) => words.push(text),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    words
}

/// Where a link leads; none where a mail must not lead there.
fn address(kind: LinkType, to: &str) -> Option<String> {
    let to = if kind == LinkType::Email { format!("mailto:{to}") } else { to.trim().to_owned() };
    let url = Url::parse(&to).ok()?;
    let url = match url.scheme() {
        "mailto" => Some(url).filter(|url| url.path().contains('@')),
        _ => web_link(url),
    };
    url.map(String::from).filter(|url| url.len() <= LONGEST_ADDRESS)
}

/// A run in which addresses of the web are links, as mail programs would make them.
fn with_addresses(run: Run) -> Vec<Run> {
    let mut runs = vec![];
    let mut rest = run.text.as_str();
    while let Some((place, url)) = first_address(rest).filter(|_| run.url.is_none() && !run.is_typed) {
        runs.push(Run { text: rest[..place.start].to_owned(), ..run.clone() });
        runs.push(Run { text: rest[place.clone()].to_owned(), url: Some(url), ..run.clone() });
        rest = &rest[place.end..];
    }
    runs.push(Run { text: rest.to_owned(), ..run.clone() });
    runs.retain(|run| !run.text.is_empty());
    runs
}

fn first_address(text: &str) -> Option<(Range<usize>, String)> {
    let starts = text.match_indices("http").map(|(at, _)| at);
    let starts = starts.filter(|at| !text[..*at].ends_with(char::is_alphanumeric));
    starts.filter(|at| ["http://", "https://"].iter().any(|start| text[*at..].starts_with(start))).find_map(
        |start| {
            let ends = |sign: char| sign.is_whitespace() || matches!(sign, '<' | '>' | '"' | '”' | '»');
            let found = text[start..].split(ends).next().unwrap_or_default();
            let has_brackets = found.contains('(');
            let found = found.trim_end_matches(|sign| match sign {
                ')' => !has_brackets,
                sign => matches!(sign, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’'),
            });
            Some((start..start + found.len(), address(LinkType::Autolink, found)?))
        },
    )
}

/// Runs as text: behind a link's words its address in angle brackets, or the address alone where it is the words.
fn in_letters(runs: &[Run]) -> String {
    let mut text = String::new();
    let mut words = String::new();
    for (index, run) in runs.iter().enumerate() {
        let Some(url) = &run.url else {
            text.push_str(&run.text);
            continue;
        };
        words.push_str(&run.text);
        if runs.get(index + 1).is_some_and(|next| next.url.as_ref() == Some(url)) {
            continue;
        }
        let shown = url.strip_prefix("mailto:").map_or(url.as_str(), |to| to.split('?').next().unwrap_or(to));
        let is_address = words.trim().trim_end_matches('/') == shown.trim_end_matches('/');
        let words = std::mem::take(&mut words);
        match is_address {
            true => text.push_str(&format!("<{shown}>")),
            false => text.push_str(&format!("{} <{shown}>", words.trim_end())),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks in one line: runs in the signs of the notation.
    fn shown(blocks: &[Block]) -> String {
        let run = |run: &Run| {
            let sign = ["", "*", "**", "***"][usize::from(run.is_emphasis) + 2 * usize::from(run.is_strong)];
            let words = format!("{sign}{}{sign}", run.text);
            run.url.as_ref().map_or(words.clone(), |url| format!("[{words}]({url})"))
        };
        let line = |line: &Line| line.runs.iter().map(run).collect::<String>();
        let block = |block: &Block| {
            let lines: Vec<String> = block.lines.iter().map(line).collect();
            match (block.is_list, block.is_numbered) {
                (false, _) => lines.join(""),
                (true, false) => format!("({})", lines.join("; ")),
                (true, true) => format!("({}: {})", block.start, lines.join("; ")),
            }
        };
        blocks.iter().map(block).collect::<Vec<_>>().join(" | ")
    }

    fn texts(blocks: &[Block]) -> Vec<&str> {
        blocks.iter().flat_map(|block| &block.lines).map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_notation_is_read() {
        for (typed, expected) in [
            ("Good\nmorning.\r\n\r\n \nIt *rains*.", "Good morning. | It *rains*."),
            (
                "See [the **new** ferry](https://x.example/a_b?c=1&d=2).",
                "See [the ](https://x.example/a_b?c=1&d=2)[**new**](https://x.example/a_b?c=1&d=2)[ ferry](https://x.example/a_b?c=1&d=2).",
            ),
            (
                "Write to <news@x.example> or [us](mailto:a@x.example?subject=Hi).",
                "Write to [news@x.example](mailto:news@x.example) or [us](mailto:a@x.example?subject=Hi).",
            ),
            ("Today:\n- one\n- *two*\n  more\n\nEnd", "Today: | (one; *two* more) | End"),
            ("3. three\n\n4. four\n\n   more\n   - inner", "(3: three; four more; inner)"),
            ("[](https://x.example/)", "[https://x.example/](https://x.example/)"),
            ("\\*not\\* [that](/far)\\", "*not* [that](/far)\\"),
            (
                "(See https://x.example/a_b_c.) <b>https://x.example/A_(b), xhttp://no",
                "(See [https://x.example/a_b_c](https://x.example/a_b_c).) <b>[https://x.example/A_(b)](https://x.example/A_(b)), xhttp://no",
            ),
        ] {
            assert_eq!(shown(&read(typed)).replace("; ;", ";"), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_not_of_the_notation_is_printed_as_it_was_typed() {
        for typed in [
            "# A heading",
            "One <b>bold</b> &amp; `code` word",
            "<script>alert(1)</script>",
            "> quoted",
            "***",
            "![A picture](https://x.example/a.png)",
            "[x](javascript:alert(1)) <javascript:alert(1)> [y](data:text/html,x)",
            "5 * 3 * 2, snake_case_name, 100 % [sic]",
        ] {
            let blocks = read(typed);
            assert_eq!(texts(&blocks), [typed]);
            assert!(blocks[0].lines[0].runs.iter().all(|run| run.url.is_none()), "{typed}");
        }
        assert_eq!(texts(&read("[Update]: cancelled\n\nToday.")), ["[Update]: cancelled", "Today."]);
        assert_eq!(texts(&read("[1]: <one>\n[1]: two\n\n- [a]: b\n")), ["[1]: <one> [1]: two", "- [a]: b"]);
        assert_eq!(texts(&read(&"[a]: b\n\n".repeat(40))), vec!["[a]: b"; 40]);
        assert_eq!(
            texts(&read("    far in\n\n    and on\n\n```\ncode\n```")),
            ["far in", "and on", "``` code ```"]
        );
        assert_eq!(texts(&read("Title\n=====\n- item\n\n  > said")), ["Title =====", "- item > said"]);
    }

    #[test]
    fn in_letters_a_links_words_stand_before_its_address() {
        let typed = "See [the **new** ferry](https://x.example/a), <https://x.example/b>, [us](mailto:a@x.example?subject=Hi).\n\n\
                     1. [one](https://x.example)\n2. two";
        assert_eq!(
            texts(&read(typed)),
            [
                "See the new ferry <https://x.example/a>, <https://x.example/b>, us <a@x.example>.",
                "1. one <https://x.example/>",
                "2. two"
            ]
        );
    }

    #[test]
    fn one_from_before_the_notation_stands_as_it_did() {
        assert_eq!(
            texts(&plain("One\r\n*line*.\r\n\r\n \n\n- [Two](https://x.example).\n")),
            ["One *line*.", "- [Two](https://x.example)."]
        );
        assert!(plain(" \n\n").is_empty() && read(" \n\n").is_empty());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told() {
        assert_eq!(problem("[a](https://x.example) and <b@x.example>, [sic]"), None);
        let says = problem("Read [the *story*](www.x.example/a)").unwrap();
        assert!(
            says.starts_with("The link “the story” leads to “www.x.example/a”: write the whole address"),
            "{says}"
        );
        assert!(problem("[x](javascript:alert\\(1\\))").is_some());
    }

    #[test]
    fn hostile_text_takes_no_more_than_its_length() {
        for piece in ["[", "*a", "> ", "- ", "![](", "<a ", "[a](b", "**_", "`", "&#", "\\"] {
            let typed = piece.repeat(10_000 / piece.len());
            let letters: usize = texts(&read(&typed)).iter().map(|text| text.len()).sum();
            assert!(letters <= 2 * typed.len(), "{piece}");
        }
    }
}
