//! What templates can do with a text: `{{wrap text 72}}` and `{{shorten text 160}}`.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};

/// The helpers that [`register`] adds; the rest are Handlebars' own.
pub(super) const NAMES: [&str; 2] = ["wrap", "shorten"];

pub(super) fn register(handlebars: &mut Handlebars<'static>) {
    handlebars.register_helper("wrap", Box::new(wrap_helper));
    handlebars.register_helper("shorten", Box::new(Shorten));
}

/// `{{wrap text 72}}` or `{{wrap text 72 "  "}}`: lines of at most so many columns, each behind the indent.
fn wrap_helper(
    helper: &Helper<'_>,
    handlebars: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let columns = number(helper, "wrap")?;
    let indent = helper.param(2).and_then(|param| param.value().as_str()).unwrap_or("");
    let wrapped = wrap(text(helper, "wrap")?, columns, indent);
    out.write(&handlebars.get_escape_fn()(&wrapped))?;
    Ok(())
}

/// `{{shorten text 160}}`: at most so many characters, ended at a word. A value, so that `wrap` can take it.
struct Shorten;

impl HelperDef for Shorten {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let short = shorten(text(helper, "shorten")?, number(helper, "shorten")?);
        Ok(ScopedJson::Derived(short.into()))
    }
}

/// The first parameter as text; null reads as empty.
fn text<'a>(helper: &'a Helper<'_>, name: &'static str) -> Result<&'a str, RenderError> {
    let param = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex(name, 0))?;
    Ok(param.value().as_str().unwrap_or_default())
}

fn number(helper: &Helper<'_>, name: &'static str) -> Result<usize, RenderError> {
    let param = helper.param(1).ok_or(RenderErrorReason::ParamNotFoundForIndex(name, 1))?;
    count(param.value()).ok_or_else(|| RenderErrorReason::InvalidParamType("a whole number from 1").into())
}

/// A number of columns or characters: a whole one from 1.
pub(super) fn count(value: &serde_json::Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0)
}

/// Breaks text at its spaces into lines of at most `columns`; a word that is longer stands alone and whole, so that
/// an address stays one.
pub(super) fn wrap(text: &str, columns: usize, indent: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 16);
    let mut column = 0;
    // A no-break space is part of its word.
    let words = text.split(|letter: char| letter.is_whitespace() && letter != '\u{a0}');
    for word in words.filter(|word| !word.is_empty()) {
        let width = width(word);
        if column == 0 {
            wrapped.push_str(indent);
            column = indent.chars().count();
        } else if column + 1 + width > columns {
            wrapped.push('\n');
            wrapped.push_str(indent);
            column = indent.chars().count();
        } else {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += width;
    }
    wrapped
}

/// Columns that a word takes: two for an ideograph and its like, none for a combining mark.
fn width(word: &str) -> usize {
    let columns = |character: char| match u32::from(character) {
        0x0300..=0x036F | 0x0591..=0x05C7 | 0x064B..=0x065F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F => 2,
        0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1_F300..=0x1_FAFF | 0x2_0000..=0x3_FFFD => 2,
        _ => 1,
    };
    word.chars().map(columns).sum()
}

/// At most `characters` of the text, ended at a word and with an ellipsis where something is left out.
pub(super) fn shorten(text: &str, characters: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(characters) else { return text.to_owned() };
    // Room for the ellipsis.
    let end = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    let start = &text[..end];
    let cut = match start.rfind(char::is_whitespace) {
        // A text without spaces, or with a very long word, is cut where it must be.
        Some(space) if space * 2 >= end => &start[..space],
        _ => start,
    };
    let cut = cut.trim_end_matches(|last: char| {
        last.is_whitespace() || matches!(last, ',' | ';' | ':' | '-' | '–' | '—')
    });
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("one two  three\nfour", 9, ""), "one two\nthree\nfour");
        assert_eq!(
            wrap("see https://x.example/abcdef now", 10, "> "),
            "> see\n> https://x.example/abcdef\n> now"
        );
        assert_eq!(wrap("  ", 10, ""), "");
        assert_eq!(wrap("日本 新聞", 8, ""), "日本\n新聞");
    }

    #[test]
    fn a_text_is_shortened_at_a_word() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("one two, three", 10), "one two…");
        assert_eq!(shorten("abcdefghijkl", 5), "abcd…");
        assert_eq!(shorten("e\u{301}e\u{301}", 1), "…");
    }
}
