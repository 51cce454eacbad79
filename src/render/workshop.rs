//! The parsed templates, what is known about them, and the way from a context to a mail.

use std::sync::Arc;
use std::time::Instant;

use handlebars::{Context, Handlebars, RenderContext, Renderable, Template};

use super::bounded::Bounded;
use super::error::{RenderError, TemplateError, TemplateProblem};
use super::html::{self, MarkupError};
use super::shape::Shape;
use super::sources::{Format, MAILS, Sources, partial_name};
use super::{helpers, holes, nesting, sample, walk};
use crate::domain::mail::{RenderedMail, escape_html};

/// The values of one reader, by their names in the digest's context.
const PERSONAL: [&str; 6] = [
    "subscriber.name",
    "subscriber.first_name",
    "subscriber.email",
    "unsubscribe_url",
    "view_url",
    "preferences_url",
];

/// Those, and the lines that print one of them.
const PERSONAL_WITH_LINES: [&str; 8] = [
    "subscriber.name",
    "subscriber.first_name",
    "subscriber.email",
    "unsubscribe_url",
    "view_url",
    "preferences_url",
    "issue.subject",
    "issue.preheader",
];

/// Every template, parsed and checked.
#[derive(Debug)]
pub(super) struct Workshop {
    sources: Sources,
    mjml: Handlebars<'static>,
    html: Handlebars<'static>,
    text: Handlebars<'static>,
    /// What lines can print.
    shape: Arc<Shape>,
    /// The line in the place of a subject that is empty.
    default_subject: Template,
    /// Whether the digest is another for each reader: with lines that are the same for everybody, and with lines
    /// that print a reader's value.
    per_reader: (bool, bool),
    /// When printing is given up; none for templates that were tried out.
    until: Option<Instant>,
}

/// A subject or preheader line, parsed, and what is known of it.
#[derive(Debug)]
pub(super) struct Line {
    template: Template,
    /// A reader's value is printed in it.
    pub is_personal: bool,
    /// It does more with a reader's value than print it.
    pub per_reader: bool,
}

impl Workshop {
    pub fn open(sources: Sources, until: Option<Instant>) -> Result<Self, TemplateError> {
        let mut problems = Vec::new();
        let [mjml, html, text] = Format::ALL.map(|format| registry(format, &sources, &mut problems));
        let default_subject = Template::compile(super::DEFAULT_SUBJECT).expect("our own line is Handlebars");
        let mut workshop = Self {
            sources,
            mjml,
            html,
            text,
            shape: digest_shape(&PERSONAL),
            default_subject,
            per_reader: (false, false),
            until,
        };
        let found = workshop.read_all(&mut problems);
        if !problems.is_empty() {
            return Err(TemplateError { problems });
        }
        workshop.per_reader = found;
        Ok(workshop)
    }

    /// Looks for names that do not exist, and for what is done with a reader's values.
    fn read_all(&self, problems: &mut Vec<TemplateProblem>) -> (bool, bool) {
        let mut per_reader = (false, false);
        for mail in MAILS {
            if mail == "digest" {
                per_reader.0 = self.read(mail, &digest_shape(&PERSONAL), problems);
                per_reader.1 = self.read(mail, &digest_shape(&PERSONAL_WITH_LINES), problems);
            } else {
                let shape = Shape::of(&sample::full_context(mail), &[]);
                self.read(mail, &shape, problems);
            }
        }
        per_reader
    }

    fn read(&self, mail: &str, shape: &Arc<Shape>, problems: &mut Vec<TemplateProblem>) -> bool {
        let mut per_reader = false;
        for file in self.sources.keys().filter(|file| file.split('/').next() == Some(mail)) {
            let Some(format) = Format::of(file) else { continue };
            let registry = self.registry(format);
            let Some(template) = registry.get_template(file) else { continue };
            let findings = walk::walk(registry.get_templates(), file, template, format, shape);
            per_reader |= findings.per_reader;
            for problem in findings.problems {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        per_reader
    }

    fn registry(&self, format: Format) -> &Handlebars<'static> {
        match format {
            Format::Mjml => &self.mjml,
            Format::Html => &self.html,
            Format::Text => &self.text,
        }
    }

    /// Whether the digest's templates make another mail for each reader.
    pub fn is_per_reader(&self, lines_are_personal: bool) -> bool {
        if lines_are_personal { self.per_reader.1 } else { self.per_reader.0 }
    }

    /// Reads a subject or preheader line; `name` says which, for an error.
    pub fn line(&self, name: &str, line: &str) -> Result<Line, TemplateProblem> {
        nesting::refuse_deep(name, line)?;
        let template =
            Template::compile(line).map_err(|error| TemplateProblem::from_parser(name, &error, line))?;
        let findings = walk::walk(self.text.get_templates(), name, &template, Format::Text, &self.shape);
        match findings.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(Line { template, is_personal: findings.is_personal, per_reader: findings.per_reader }),
        }
    }

    /// A line as it is printed: on one line, with marks for a reader's values.
    pub fn fill_line(&self, name: &str, line: &Line, context: &Context) -> Result<String, RenderError> {
        self.fill(name, &line.template, context)
    }

    /// The subject of a mail that would have none.
    pub fn default_subject(&self, context: &Context) -> Result<String, RenderError> {
        self.fill("the default subject", &self.default_subject, context)
    }

    fn fill(&self, name: &str, line: &Template, context: &Context) -> Result<String, RenderError> {
        let mut filled = Bounded::new(self.until);
        line.render(&self.text, context, &mut RenderContext::new(None), &mut filled)
            .map_err(|error| RenderError::Template(TemplateProblem::from_filling(name, &error)))?;
        Ok(on_one_line(&filled.into_string()))
    }

    /// A mail from its folder of templates.
    pub fn mail(&self, mail: &str, context: &Context, language: &str) -> Result<RenderedMail, RenderError> {
        let fill = |format: Format, file: &str| {
            let mut filled = Bounded::new(self.until);
            self.registry(format)
                .render_with_context_to_write(file, context, &mut filled)
                .map_err(|error| RenderError::Template(TemplateProblem::from_filling(file, &error)))?;
            Ok(filled.into_string())
        };
        let subject = fill(Format::Text, &format!("{mail}/subject.txt.hbs"))?;
        let text = fill(Format::Text, &format!("{mail}/body.txt.hbs"))?;
        let own_html = format!("{mail}/body.html.hbs");
        let (file, html) = if self.sources.contains_key(&own_html) {
            let filled = fill(Format::Html, &own_html)?;
            (own_html, html::from_own_html(&filled))
        } else {
            let file = format!("{mail}/body.mjml.hbs");
            let filled = fill(Format::Mjml, &file)?;
            (file, html::from_mjml(&filled))
        };
        let html = html.map_err(|error| RenderError::Template(self.locate(&file, error)))?;
        Ok(RenderedMail {
            subject: holes::cut(&on_one_line(&subject)),
            html: holes::cut(&html),
            text: holes::cut(&tidy(&text)),
            language: language.to_owned(),
        })
    }

    /// Where the markup that a parser stumbled over stands, if one place only has it.
    fn locate(&self, file: &str, error: MarkupError) -> TemplateProblem {
        let needle = error.excerpt.split(['"', '{']).next().unwrap_or_default().trim();
        let mut places = self
            .sources
            .iter()
            .filter(|(name, _)| *name == file || name.starts_with("partials/"))
            .flat_map(|(name, text)| text.lines().enumerate().map(move |(index, line)| (name, index, line)))
            .filter(|(_, _, line)| needle.len() > 2 && line.contains(needle));
        match (places.next(), places.next()) {
            (Some((name, index, line)), None) => {
                let column = line.find(needle).map_or(1, |at| line[..at].chars().count() + 1);
                TemplateProblem::new(name, error.message).at(index + 1, column)
            }
            _ => TemplateProblem::new(file, error.message),
        }
    }
}

fn digest_shape(personal: &[&str]) -> Arc<Shape> {
    Shape::of(&sample::full_context("digest"), personal)
}

fn registry(format: Format, sources: &Sources, problems: &mut Vec<TemplateProblem>) -> Handlebars<'static> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    if format == Format::Text {
        handlebars.register_escape_fn(handlebars::no_escape);
    } else {
        handlebars.register_escape_fn(escape_html);
    }
    helpers::register(&mut handlebars);
    for (file, text) in sources.iter().filter(|(file, _)| Format::of(file) == Some(format)) {
        if let Err(problem) = nesting::refuse_deep(file, text) {
            problems.push(problem);
            continue;
        }
        let name = partial_name(file).unwrap_or(file);
        if let Err(error) = handlebars.register_template_string(name, text) {
            problems.push(TemplateProblem::from_parser(file, &error, text));
        }
    }
    handlebars
}

/// White space folded; marks stay.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text part without blanks at the ends of lines, with at most one blank line in a row, and ended by a line break.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut blank = 2;
    for line in text.lines() {
        let line = line.trim_end();
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank < 2 {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    let end = tidied.trim_end().len();
    tidied.truncate(end);
    tidied.push('\n');
    tidied
}
