//! From a filled template to the HTML of a mail: MJML through `mrml`, own HTML through `css-inline`.

use std::borrow::Cow;
use std::fmt::Write as _;

use css_inline::CSSInliner;
use mrml::prelude::parser::{Error as ParseError, ParserOptions, Span};
use mrml::prelude::render::RenderOptions;

use crate::domain::nesting::{end_of_tag, is_deeper};

/// Why a filled template is not a mail.
#[derive(Debug)]
pub(super) struct MarkupError {
    pub message: String,
    /// The markup that it is about, to find it in the template; may be empty.
    pub excerpt: String,
}

/// MJML to HTML. Nothing is loaded: `mj-include` is an error, and no font is fetched from elsewhere.
pub(super) fn from_mjml(mjml: &str) -> Result<String, MarkupError> {
    refuse_deep(is_deep_mjml(mjml))?;
    refuse_broken_conditions(mjml)?;
    let shielded = shield(mjml);
    let parsed = mrml::parse_with_options(&shielded, &ParserOptions::default())
        .map_err(|error| explain(&error, &shielded))?;
    let options =
        RenderOptions { disable_comments: true, social_icon_origin: None, fonts: Default::default() };
    let html = parsed.element.render(&options).map_err(|error| MarkupError {
        message: format!("the MJML cannot be made into HTML: {error}"),
        excerpt: String::new(),
    })?;
    // Inside a column `mrml` hands an element that it does not know on as it is.
    match html.find("<mj-") {
        Some(at) => {
            Err(not_an_element(first_line(&html[at..]).split_inclusive('>').next().unwrap_or_default()))
        }
        None => refuse_deep(is_deep(&html)).map(|()| html),
    }
}

fn not_an_element(excerpt: &str) -> MarkupError {
    let message = format!("“{excerpt}” is not an MJML element, or cannot stand here");
    MarkupError { message, excerpt: excerpt.to_owned() }
}

/// HTML with its own style sheet to HTML with the styles on the elements, as mail clients want it. Rules that
/// cannot stand on an element (`@media`) stay where they are; no style sheet is loaded.
pub(super) fn from_own_html(html: &str) -> Result<String, MarkupError> {
    refuse_deep(is_deep(html))?;
    CSSInliner::options()
        .load_remote_stylesheets(false)
        .keep_link_tags(true)
        .keep_style_tags(true)
        .build()
        .inline(html)
        .map_err(|error| MarkupError {
            message: format!("the styles cannot be put on the elements: {error}"),
            excerpt: String::new(),
        })
}

/// How deep elements may nest: whoever parses them calls itself for each, and the whole program ends where its stack does.
/// MJML adds some 30 of its own, and the default digest has 40.
pub(super) const MOST_DEEP: usize = 256;

/// Elements that have no end in HTML, which may stand in MJML's texts.
const VOID: [&str; 5] = ["br", "hr", "img", "input", "wbr"];

/// Whether HTML nests too deep.
pub(super) fn is_deep(html: &str) -> bool {
    is_deeper(html, MOST_DEEP)
}

/// Whether the elements of MJML nest too deep; as XML has it, `<mj-spacer/>` is whole. Ends without a beginning, and
/// beginnings without an end, are errors to whoever parses it.
fn is_deep_mjml(mjml: &str) -> bool {
    let (mut rest, mut depth) = (mjml, 0_usize);
    while let Some((_, tag)) = rest.split_once('<') {
        rest = tag;
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, behind)| behind);
            continue;
        }
        let is_end = tag.starts_with('/');
        let tag = tag[..end_of_tag(tag)].trim_start_matches('/');
        let name =
            tag.split(|sign: char| sign.is_ascii_whitespace() || sign == '/').next().unwrap_or_default();
        let is_name = name.starts_with(|sign: char| sign.is_ascii_alphabetic());
        if !is_name || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        depth = if is_end { depth.saturating_sub(1) } else { depth + 1 };
        if depth > MOST_DEEP {
            return true;
        }
    }
    false
}

fn refuse_deep(is_deep: bool) -> Result<(), MarkupError> {
    match is_deep {
        true => Err(MarkupError {
            message: format!("its elements nest more than {MOST_DEEP} deep: is one not closed?"),
            excerpt: String::new(),
        }),
        false => Ok(()),
    }
}

/// `htmlparser` 0.2 panics at a conditional comment that does not end as one; only the template's own text can hold
/// one, because values are escaped.
fn refuse_broken_conditions(mjml: &str) -> Result<(), MarkupError> {
    for (at, _) in mjml.match_indices("<!") {
        let rest = &mjml[at..];
        let opens =
            ["<!--[if", "<![if", "<![endif", "<!--<![endif"].iter().any(|open| rest.starts_with(open));
        if !opens {
            continue;
        }
        // Past the condition's own bracket.
        let condition = rest.find('[').and_then(|open| rest[open + 1..].split_once(']'));
        let ends = condition
            .is_some_and(|(_, after)| [">", "-->", "><!-->"].iter().any(|end| after.starts_with(end)));
        if !ends {
            let excerpt = first_line(rest);
            return Err(MarkupError {
                message: format!(
                    "the conditional comment “{excerpt}” does not end: write <!--[if mso]> … <![endif]-->"
                ),
                excerpt,
            });
        }
    }
    Ok(())
}

/// Rewrites attribute values (and the title, which becomes one) so that `mrml` 6 hands them on unharmed: it prints
/// them with Rust's `{:?}`, which makes `\u{301}` of a combining accent, `\n` of a line break and `\"` of a quote.
fn shield(mjml: &str) -> Cow<'_, str> {
    let mut shielded = String::new();
    let mut copied = 0;
    let mut place = Place::Text;
    for (at, character) in mjml.char_indices() {
        let rest = &mjml.as_bytes()[at..];
        let in_value = matches!(place, Place::Value(quote) if quote != character) || place == Place::Title;
        if in_value && needs_reference(character) {
            shielded.push_str(&mjml[copied..at]);
            // Writing to a string cannot fail.
            let _ = match character {
                '\n' | '\r' | '\t' => write!(shielded, " "),
                other => write!(shielded, "&#x{:x};", u32::from(other)),
            };
            copied = at + character.len_utf8();
        }
        place = match (place, character) {
            (Place::Text, '<') if rest.starts_with(b"<!") => Place::Comment,
            (Place::Text, '<') if rest.starts_with(b"<mj-title>") => Place::TitleTag,
            (Place::Text, '<') => Place::Tag,
            (Place::TitleTag, '>') => Place::Title,
            (Place::Title, '<') | (Place::Value(_), '\0') => Place::Tag,
            (Place::Tag | Place::Comment, '>') => Place::Text,
            (Place::Tag, quote @ ('"' | '\'')) => Place::Value(quote),
            (Place::Value(open), quote) if open == quote => Place::Tag,
            (same, _) => same,
        };
    }
    if copied == 0 {
        return Cow::Borrowed(mjml);
    }
    shielded.push_str(&mjml[copied..]);
    Cow::Owned(shielded)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Comment,
    Tag,
    Value(char),
    TitleTag,
    Title,
}

fn needs_reference(character: char) -> bool {
    match character {
        '"' | '\\' => true,
        '\'' => false,
        other => other.escape_debug().len() > 1,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}

/// A parser's error as a sentence with the piece of markup that it is about.
fn explain(error: &ParseError, mjml: &str) -> MarkupError {
    let at = |span: &Span| {
        let from = mjml.get(span.start..).unwrap_or_default();
        first_line(from)
    };
    let (message, excerpt) = match error {
        ParseError::UnexpectedElement { position, .. } => {
            return not_an_element(&at(position));
        }
        ParseError::UnexpectedToken { position, .. } | ParseError::InvalidFormat { position, .. } => {
            let excerpt = at(position);
            (format!("“{excerpt}” cannot stand here: an element before it may not be closed"), excerpt)
        }
        ParseError::MissingAttribute { name, position, .. } => {
            let excerpt = at(position);
            (format!("“{excerpt}” lacks the attribute “{name}”"), excerpt)
        }
        ParseError::InvalidAttribute { position, .. } => {
            let excerpt = at(position);
            (format!("“{excerpt}” is not an attribute that can stand here"), excerpt)
        }
        ParseError::EndOfStream { .. } => {
            ("the MJML ends too soon: an element is not closed".to_owned(), String::new())
        }
        ParseError::NoRootNode => {
            ("there is no <mjml> element: an MJML body starts with one".to_owned(), String::new())
        }
        ParseError::IncludeLoaderError { .. } => (
            "mj-include is not possible here: write a partial, for instance {{> foot}}".to_owned(),
            "mj-include".to_owned(),
        ),
        ParseError::SizeLimit { .. } => ("the MJML is too long".to_owned(), String::new()),
        ParseError::ParserError { source, .. } => {
            let position = source.pos();
            let line = mjml.lines().nth((position.row as usize).saturating_sub(1)).unwrap_or_default();
            let excerpt = line.trim().chars().take(60).collect::<String>();
            (format!("the markup near “{excerpt}” cannot be read: {source}"), excerpt)
        }
    };
    MarkupError { message, excerpt }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> String {
        format!("<mjml><mj-body><mj-section><mj-column>{body}</mj-column></mj-section></mj-body></mjml>")
    }

    #[test]
    fn attributes_come_through_with_accents_quotes_and_breaks() {
        let html = from_mjml(&page(
            "<mj-text><img src=\"https://x.example/a\" alt='e\u{301} \"q\" \\ \u{10abcd}\nb' /></mj-text>",
        ))
        .unwrap();
        assert!(html.contains("alt=\"e&#x301; &#x22;q&#x22; &#x5c; &#x10abcd; b\""), "{html}");
    }

    #[test]
    fn an_apostrophe_in_a_comment_or_in_text_opens_no_value() {
        let mjml = page("<!-- don't --><mj-text>It's \u{301}\"so\" \u{301}</mj-text>");
        assert!(matches!(shield(&mjml), Cow::Borrowed(_)));
    }

    #[test]
    fn a_title_is_shielded_because_it_becomes_a_label() {
        let html = from_mjml(
            "<mjml><mj-head><mj-title>A\u{301} \"b\"</mj-title></mj-head><mj-body></mj-body></mjml>",
        )
        .unwrap();
        assert!(html.contains("aria-label=\"A&#x301; &#x22;b&#x22;\""), "{html}");
    }

    #[test]
    fn broken_markup_is_an_error_and_never_a_panic() {
        for (broken, word) in [
            ("<mj-txt>x</mj-txt>", "mj-txt"),
            ("<mj-text><b>x</mj-text>", "closed"),
            ("<mj-text><!--[if mso]x</mj-text>", "conditional"),
            ("<mj-text><![endif</mj-text>", "conditional"),
            ("<mj-include path=\"/etc/passwd\" />", "mj-include"),
            ("<mj-text", ""),
        ] {
            let error = from_mjml(&page(broken)).unwrap_err();
            assert!(error.message.contains(word), "{broken}: {}", error.message);
        }
        assert!(from_mjml("").unwrap_err().message.contains("<mjml>"));
    }

    #[test]
    fn markup_that_nests_without_end_is_an_error_and_does_not_end_the_program() {
        let (open, close) = ("<div>".repeat(20_000), "</div>".repeat(20_000));
        let error = from_mjml(&page(&format!("<mj-text>{open}x{close}</mj-text>"))).unwrap_err();
        assert!(error.message.contains("nest more than 256 deep"), "{}", error.message);
        assert!(from_own_html(&format!("{open}x{close}")).is_err());
        // Not by what ends at once, nor by what is a comment.
        let wide = "<p>x</p><br><img src='a'><!--[if mso]><td><![endif]--><hr/>".repeat(1000);
        assert!(from_own_html(&wide).is_ok());
    }

    #[test]
    fn own_html_gets_its_styles_on_the_elements() {
        let html = from_own_html(
            "<html><head><link rel=\"stylesheet\" href=\"file:///etc/passwd\"><style>p { color: red } \
             @media (prefers-color-scheme: dark) { p { color: blue } }</style></head><body><p>x</p></body></html>",
        )
        .unwrap();
        assert!(html.contains("<p style=\"color: red"), "{html}");
        assert!(html.contains("prefers-color-scheme"), "{html}");
    }
}
