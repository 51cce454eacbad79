//! How deep a template nests, found before it is parsed: the parser, the walk and the rendering call themselves once
//! for each level, and a stack that is used up ends the program.

use super::error::TemplateProblem;

/// The most blocks that stand in one another, those of partials counted, and the most brackets in a tag. Our own
/// templates have five.
pub(super) const MAX_OPEN: usize = 100;

/// The place at which a template opens too many blocks or brackets, if it does.
pub(super) fn refuse_deep(file: &str, source: &str) -> Result<(), TemplateProblem> {
    // For each open block how many levels it has: an `else if` stands in the `else` before it.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut from = 0;
    while let Some(offset) = source[from..].find("{{") {
        let at = from + offset;
        if source[..at].ends_with('\\') && !source[..at].ends_with("\\\\") {
            from = at + 2;
            continue;
        }
        let tag = Tag::read(&source[at..]);
        match (tag.kind, open.last_mut()) {
            (Kind::Open, _) => {
                open.push(1);
                depth += 1;
            }
            (Kind::Chain, Some(levels)) => {
                *levels += 1;
                depth += 1;
            }
            (Kind::Close, _) => depth -= open.pop().unwrap_or(0),
            (Kind::Chain | Kind::Other, _) => {}
        }
        if depth.max(tag.brackets) > MAX_OPEN {
            let line = source[..at].matches('\n').count() + 1;
            let column = source[..at].chars().rev().take_while(|character| *character != '\n').count() + 1;
            let message = format!(
                "more than {MAX_OPEN} blocks or brackets are open here: close some, or move the inner ones elsewhere"
            );
            return Err(TemplateProblem::new(file, message).at(line, column));
        }
        from = at + tag.length;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Open,
    /// `{{else if x}}`
    Chain,
    Close,
    Other,
}

struct Tag {
    kind: Kind,
    /// In bytes, at least 2.
    length: usize,
    /// How deep its parentheses and brackets nest.
    brackets: usize,
}

impl Tag {
    /// Reads the tag at the start of `text`; without an end it is the rest.
    fn read(text: &str) -> Self {
        let other =
            |end: Option<usize>| Self { kind: Kind::Other, length: end.unwrap_or(text.len()), brackets: 0 };
        let until = |end: &str| text.find(end).map(|at| at + end.len());
        if text.starts_with("{{!--") {
            return other(until("--}}"));
        }
        if text.starts_with("{{!") {
            return other(until("}}"));
        }
        if text.starts_with("{{{{") {
            // What is raw opens nothing.
            return other(until("{{{{/"));
        }
        let inside = text.trim_start_matches(|sign: char| matches!(sign, '{' | '~') || sign.is_whitespace());
        let kind = match inside.as_bytes().first() {
            Some(b'#') => Kind::Open,
            Some(b'/') => Kind::Close,
            _ if inside.strip_prefix("else").or(inside.strip_prefix('^')).is_some_and(has_condition) => {
                Kind::Chain
            }
            _ => Kind::Other,
        };
        let (length, brackets) = measure(inside);
        Self { kind, length: text.len() - inside.len() + length, brackets }
    }
}

/// Whether an `else` goes on with a condition.
fn has_condition(behind_else: &str) -> bool {
    !behind_else.trim_start_matches('~').trim_start().starts_with(['}', '~'])
}

/// The length of a tag from behind its opening braces, and how deep its brackets nest.
fn measure(inside: &str) -> (usize, usize) {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut quote = None;
    let mut is_escaped = false;
    for (at, sign) in inside.char_indices() {
        match (quote, sign) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == sign => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(sign),
            (None, '(' | '[' | '{') => depth += 1,
            (None, '}') if depth == 0 && inside[at..].starts_with("}}") => return (at + 2, deepest),
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        deepest = deepest.max(depth);
    }
    (inside.len(), deepest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(template: &str) -> bool {
        refuse_deep("x", template).is_err()
    }

    #[test]
    fn a_hundred_open_blocks_are_enough() {
        let nested = |count: usize| format!("{}x{}", "{{#if a}}".repeat(count), "{{/if}}".repeat(count));
        assert!(!is_refused(&nested(100)) && is_refused(&nested(101)));
        assert!(!is_refused(&"{{#if a}}{{ else ~}}".repeat(100)));
        assert!(!is_refused(&"{{# if a}}{{else}}{{~/if}}".repeat(500)));
        assert!(is_refused(&format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}".repeat(100))));
        assert!(is_refused(&"{{ ~#> p}}".repeat(101)));
    }

    #[test]
    fn what_only_looks_like_a_closing_tag_closes_nothing() {
        for decoy in ["\\{{/if}}", "{{!-- {{/if}} --}}", "{{! {{/if}}", "{{{{raw}}}}{{/if}}{{{{/raw}}}}"] {
            assert!(is_refused(&format!("{{{{#if a}}}}{decoy}").repeat(101)), "{decoy}");
        }
        assert!(is_refused(&"{{#if \"{{/if}}\"}}".repeat(101)));
    }

    #[test]
    fn brackets_in_a_tag_are_counted_and_those_in_text_are_not() {
        assert!(is_refused(&format!("{{{{#if {}a{}}}}}{{{{/if}}}}", "(not ".repeat(101), ")".repeat(101))));
        assert!(is_refused(&format!("{{{{lookup {} 0}}}}", "[".repeat(101))));
        assert!(!is_refused(&format!("{} {{{{wrap a 72 \"{}\"}}}}", "(".repeat(500), "(".repeat(500))));
    }
}
