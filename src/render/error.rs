//! What can be wrong with templates, and with rendering a mail from them. Messages are for whoever writes templates.

use std::fmt;

use handlebars::{RenderErrorReason, TemplateErrorReason};

/// One fault of one template file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The file below the templates' folder, for instance `digest/body.mjml.hbs`, or what a line is
    /// ("the subject line").
    pub file: String,
    /// From 1.
    pub line: Option<usize>,
    /// From 1.
    pub column: Option<usize>,
    pub message: String,
}

impl TemplateProblem {
    pub(super) fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, column: None, message: message.into() }
    }

    pub(super) fn at(mut self, line: usize, column: usize) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// A parser's error, in the words of people who write templates.
    pub(super) fn from_parser(file: &str, error: &handlebars::TemplateError, source: &str) -> Self {
        let problem = match error.reason() {
            TemplateErrorReason::MismatchingClosedHelper(opened, closed)
            | TemplateErrorReason::MismatchingClosedDecorator(opened, closed) => Self::new(
                file,
                format!(
                    "{{{{#{opened}}}}} is closed by {{{{/{closed}}}}}: close blocks in the order in which they opened"
                ),
            ),
            _ => match unclosed_block(source) {
                Some((name, line, column)) => {
                    return Self::new(
                        file,
                        format!("{{{{#{name}}}}} is not closed: write {{{{/{name}}}}} where it ends"),
                    )
                    .at(line, column);
                }
                None => Self::new(
                    file,
                    "this is not Handlebars: look for a brace, a quote or a name that is missing",
                ),
            },
        };
        match error.pos() {
            Some((line, column)) => problem.at(line, column),
            None => problem,
        }
    }

    /// An error while a template was filled.
    pub(super) fn from_filling(file: &str, error: &handlebars::RenderError) -> Self {
        let message = match error.reason() {
            // The name itself exists: names were checked when the template was read.
            RenderErrorReason::MissingVariable(Some(name)) => {
                format!(
                    "“{name}” has no value here: ask {{{{#if {name}}}}} first, or give the block an {{{{else}}}}"
                )
            }
            RenderErrorReason::MissingVariable(None) => "a value that does not exist is printed".to_owned(),
            RenderErrorReason::PartialNotFound(name) => format!("there is no partial “{name}”"),
            RenderErrorReason::HelperNotFound(name) => format!("there is no helper “{name}”"),
            // Said by what it prints to.
            RenderErrorReason::IOError(why) => why.to_string(),
            reason => reason.to_string(),
        };
        let file = error.template_name.as_deref().unwrap_or(file);
        let problem = Self::new(file, message);
        match (error.line_no, error.column_no) {
            (Some(line), Some(column)) => problem.at(line, column),
            _ => problem,
        }
    }
}

/// The message for a name that no template can print.
pub(super) fn unknown_name(name: &str, similar: Option<&str>) -> String {
    let hint = similar.map(|similar| format!(" did you mean “{similar}”?")).unwrap_or_default();
    format!(
        "unknown name “{name}”;{hint} the names are listed under “What templates can print” on the desk, and in docs/templates.md"
    )
}

/// The innermost block that is still open at the end of a template: its name, line and column.
fn unclosed_block(source: &str) -> Option<(String, usize, usize)> {
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut from = 0;
    while let Some(offset) = source[from..].find("{{") {
        let at = from + offset;
        let inside = source[at..].trim_start_matches('{').trim_start_matches('~');
        if inside.starts_with("!--") {
            from = at + source[at..].find("--}}").map_or(2, |end| end + 4);
            continue;
        }
        let word = |text: &str| {
            let text = text.trim_start_matches(['#', '>', '*', '^', '/', '&']).trim_start();
            text.split(|c: char| c.is_whitespace() || matches!(c, '}' | '~'))
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        if inside.starts_with('#') {
            open.push((word(inside), at));
        } else if inside.starts_with('/') {
            let closed = word(inside);
            if let Some(position) = open.iter().rposition(|(name, _)| *name == closed) {
                open.remove(position);
            }
        }
        from = at + 2;
    }
    let (name, at) = open.pop()?;
    let line = source[..at].matches('\n').count() + 1;
    let column = source[..at].chars().rev().take_while(|character| *character != '\n').count() + 1;
    Some((name, line, column))
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(formatter, " line {line}, column {column}")?,
            (Some(line), None) => write!(formatter, " line {line}")?,
            _ => {}
        }
        write!(formatter, ": {}", self.message)
    }
}

/// Templates that cannot be used: everything that is wrong with them, not only the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// At least one.
    pub problems: Vec<TemplateProblem>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}

/// Why a mail could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Nothing in the issue is for this audience: the delivery is skipped with that reason.
    #[error("no article of this issue is on the reader's topics and in the reader's language")]
    NoArticles,
    /// A template, or a line of the issue, is at fault; the same issue will fail again until it is changed.
    #[error("{0}")]
    Template(TemplateProblem),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_open_block_is_named_with_its_place() {
        let source = "a\n{{#each x}}\n  {{#if y}} {{!-- {{#with}} --}}\n{{/each}}";
        assert_eq!(unclosed_block(source), Some(("if".into(), 3, 3)));
        assert_eq!(unclosed_block("{{#if x}}{{else}}{{/if}}{{> y}}"), None);
    }
}
