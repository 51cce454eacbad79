//! From an issue and an audience to a mail: subject, HTML and text, with holes for each reader's values.
//!
//! Handlebars fills an MJML template and a text template, `mrml` makes HTML of the MJML. A digest is rendered once
//! for everybody who shares topics, language and zone; what differs between them are holes (`holes.rs`). A template
//! that does more with a reader's values than print them is found when it is parsed (`walk.rs`) and rendered for each
//! reader. Errors about templates are [`TemplateError`], errors about one mail [`RenderError`].

mod article;
mod check;
mod colour;
mod context;
mod error;
mod helpers;
mod holes;
mod html;
mod nesting;
mod notice;
mod sample;
mod shape;
mod sources;
mod walk;
mod workshop;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;

pub use self::error::{RenderError, TemplateError, TemplateProblem};
pub use self::sources::MAILS;

use self::context::{Lines, Room};
use self::workshop::{Line, Workshop};
use crate::domain::article::IssueArticle;
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::mail::{HoleValues, Holed, Piece, RenderedMail, escape_html};
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::notice::Notice;
use crate::domain::topic::TopicSet;

/// The subject line of a newsletter that has none of its own.
pub const DEFAULT_SUBJECT: &str = "{{lead.title}}{{#if count_others}} {{words.and_more}}{{/if}}";

/// The preheader of a newsletter that has none of its own: the next headlines, or the only story's summary.
pub const DEFAULT_PREHEADER: &str =
    "{{#each others}}{{title}}{{#unless @last}} · {{/unless}}{{else}}{{lead.summary}}{{/each}}";

/// The most HTML that a digest has, in bytes, with 200 for each hole: Gmail clips a message at 102 KB.
pub const MAX_HTML: usize = 100_000;

/// What a hole is counted as: a link with its token.
const HOLE_BYTES: usize = 200;

/// What errors call the lines of an issue.
const SUBJECT_LINE: &str = "the subject line";
const PREHEADER_LINE: &str = "the preheader line";

/// Inboxes show no more of a preheader, in characters.
const PREHEADER_CHARS: usize = 150;

/// Who shares a digest: the key of a cohort.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audience {
    /// Empty: every topic.
    pub topics: TopicSet,
    /// BCP 47 tag.
    pub language: String,
    /// The zone that dates are printed in.
    pub zone: Tz,
}

/// Everything that a digest is made of.
#[derive(Clone, Copy, Debug)]
pub struct DigestInput<'a> {
    pub newsletter: &'a Newsletter,
    pub issue: &'a Issue,
    pub content: &'a IssueContent,
    /// The schedule that the issue is for: the foot says how often it comes.
    pub schedule: Option<&'a Schedule>,
    pub audience: &'a Audience,
    /// The newsletter's page (sign-up and archive), where there is one.
    pub site_url: Option<&'a str>,
    /// The issue's public page, the same for everybody, where there is one.
    pub issue_url: Option<&'a str>,
}

/// A digest for a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// One mail for all of them: fill its holes.
    Cohort(RenderedMail),
    /// The templates decide by a reader's values: use [`Renderer::digest_for`] for each.
    PerReader,
}

/// Renders mails. Cloning is cheap: clones share the parsed templates.
#[derive(Clone, Debug)]
pub struct Renderer(Arc<Workshop>);

impl Renderer {
    /// Parses every template: the embedded ones, and in the place of theirs the files of the folder `overrides`.
    ///
    /// # Errors
    /// Everything that is wrong with them: files, Handlebars, names that do not exist.
    pub fn new(overrides: Option<&Path>) -> Result<Self, TemplateError> {
        Ok(Self(Arc::new(Workshop::open(sources::load(overrides)?)?)))
    }

    /// The digest of one cohort.
    ///
    /// # Errors
    /// [`RenderError::NoArticles`] where nothing of the issue is for the audience.
    pub fn digest(&self, input: &DigestInput<'_>) -> Result<Digest, RenderError> {
        let articles = articles(input)?;
        let sources = self.lines(input)?;
        if sources.per_reader() || self.0.is_per_reader(sources.are_personal()) {
            return Ok(Digest::PerReader);
        }
        let lines = self.written(input, &articles, &sources, None)?;
        self.fitting(input, &articles, &lines, None).map(Digest::Cohort)
    }

    /// The digest of one reader, without holes: the very mail that filling the cohort's holes makes, where there is
    /// one.
    ///
    /// # Errors
    /// As [`Renderer::digest`].
    pub fn digest_for(
        &self,
        input: &DigestInput<'_>,
        values: &HoleValues,
    ) -> Result<RenderedMail, RenderError> {
        match self.digest(input)? {
            Digest::Cohort(mail) => Ok(fill(&mail, values)),
            Digest::PerReader => self.digest_in_full(input, values),
        }
    }

    /// The digest of one reader with the reader's values in the templates' hands.
    fn digest_in_full(
        &self,
        input: &DigestInput<'_>,
        values: &HoleValues,
    ) -> Result<RenderedMail, RenderError> {
        let articles = articles(input)?;
        let templates = self.lines(input)?;
        let lines = if templates.per_reader() {
            self.written(input, &articles, &templates, Some(values))?
        } else {
            // White space is folded before a reader's values come in, as it is for a cohort.
            let lines = self.written(input, &articles, &templates, None)?;
            let values = cleaned(values);
            Lines {
                subject: holes::cut(&lines.subject).fill(&values, str::to_owned),
                preheader: holes::cut(&lines.preheader).fill(&values, str::to_owned),
            }
        };
        self.fitting(input, &articles, &lines, Some(values))
    }

    /// A mail that is not a digest.
    ///
    /// # Errors
    /// [`RenderError::Template`] where a template of one's own is at fault.
    pub fn notice(&self, notice: &Notice) -> Result<RenderedMail, RenderError> {
        self.0.mail(notice.name(), notice::notice(notice), notice.language())
    }

    /// Renders every mail with every sample, and returns what went wrong; nothing, if all is well.
    pub fn check(&self) -> Vec<TemplateProblem> {
        check::check(self)
    }

    /// Checks a subject or preheader line before it is kept.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn check_line(&self, line: &str) -> Result<(), TemplateProblem> {
        self.0.line("the line", line).map(|_| ())
    }

    /// A mail of [`MAILS`] with made-up content, its holes filled.
    ///
    /// # Errors
    /// [`RenderError::Template`] where there is no such mail, or a template of one's own is at fault.
    pub fn render_sample(&self, name: &str) -> Result<RenderedMail, RenderError> {
        check::render_sample(self, name)
    }

    /// Writes the embedded templates into `folder`, to start one's own from; returns the files written.
    ///
    /// # Errors
    /// A folder that holds one of them already, or cannot be written to. Nothing is overwritten.
    pub fn export(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
        sources::export(folder)
    }

    /// The issue's own lines, or the newsletter's, or the default ones.
    fn lines(&self, input: &DigestInput<'_>) -> Result<LineTemplates, RenderError> {
        let (rules, issue, content) = (&input.newsletter.rules, input.issue, input.content);
        let own = |line: &Option<String>| line.clone().unwrap_or_default();
        let first = |candidates: [&str; 4]| {
            let set = candidates.into_iter().find(|line| !line.trim().is_empty());
            set.unwrap_or_default().to_owned()
        };
        let subject = first([&content.subject, &own(&issue.subject), &rules.subject, DEFAULT_SUBJECT]);
        let preheader =
            first([&content.preheader, &own(&issue.preheader), &rules.preheader, DEFAULT_PREHEADER]);
        Ok(LineTemplates {
            subject: self.0.line(SUBJECT_LINE, &subject).map_err(RenderError::Template)?,
            preheader: self.0.line(PREHEADER_LINE, &preheader).map_err(RenderError::Template)?,
        })
    }

    /// Subject and preheader as they are printed; without `values` with marks for them.
    fn written(
        &self,
        input: &DigestInput<'_>,
        articles: &[&IssueArticle],
        lines: &LineTemplates,
        values: Option<&HoleValues>,
    ) -> Result<Lines, RenderError> {
        let room = Room { articles: articles.len(), summaries: articles.len() };
        let context = context::digest(input, articles, room, &Lines::default(), values);
        let context = handlebars::Context::from(context);
        let subject = self.0.fill_line(SUBJECT_LINE, &lines.subject, &context)?;
        let preheader = self.0.fill_line(PREHEADER_LINE, &lines.preheader, &context)?;
        // A preheader with a hole has another length for each reader: it stays as it is.
        let is_for_all = !lines.preheader.is_personal;
        let preheader = if is_for_all { helpers::shorten(&preheader, PREHEADER_CHARS) } else { preheader };
        Ok(Lines { subject, preheader })
    }

    /// The digest with as much of the issue as [`MAX_HTML`] allows: first the summaries of the last articles go,
    /// then the last articles.
    fn fitting(
        &self,
        input: &DigestInput<'_>,
        articles: &[&IssueArticle],
        lines: &Lines,
        values: Option<&HoleValues>,
    ) -> Result<RenderedMail, RenderError> {
        let render = |room: Room| {
            let context = context::digest(input, articles, room, lines, values);
            self.0.mail("digest", context, &input.audience.language)
        };
        let all = articles.len();
        let whole = render(Room { articles: all, summaries: all })?;
        if html_bytes(&whole) <= MAX_HTML {
            return Ok(whole);
        }
        let bare = Room { articles: all, summaries: 0 };
        if html_bytes(&render(bare)?) <= MAX_HTML {
            return largest(all, |summaries| render(Room { articles: all, summaries }));
        }
        // At least one article is sent, however long it is: an empty digest is no digest.
        largest(all, |articles| render(Room { articles: articles.max(1), summaries: 0 }))
    }
}

/// The articles of the audience; none is an error.
fn articles<'a>(input: &DigestInput<'a>) -> Result<Vec<&'a IssueArticle>, RenderError> {
    let articles = context::articles_for(input);
    if articles.is_empty() { Err(RenderError::NoArticles) } else { Ok(articles) }
}

struct LineTemplates {
    subject: Line,
    preheader: Line,
}

impl LineTemplates {
    /// A reader's value is printed in one of them.
    fn are_personal(&self) -> bool {
        self.subject.is_personal || self.preheader.is_personal
    }

    /// One of them does more with a reader's value than print it.
    fn per_reader(&self) -> bool {
        self.subject.per_reader || self.preheader.per_reader
    }
}

/// The mail with the largest count, below `limit`, that fits; with none where none does.
fn largest(
    limit: usize,
    render: impl Fn(usize) -> Result<RenderedMail, RenderError>,
) -> Result<RenderedMail, RenderError> {
    let mut best = render(0)?;
    let (mut fits, mut does_not) = (0, limit);
    while does_not - fits > 1 {
        let middle = usize::midpoint(fits, does_not);
        let mail = render(middle)?;
        if html_bytes(&mail) <= MAX_HTML {
            (fits, best) = (middle, mail);
        } else {
            does_not = middle;
        }
    }
    Ok(best)
}

fn html_bytes(mail: &RenderedMail) -> usize {
    let bytes = |piece: &Piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Hole(_) => HOLE_BYTES,
    };
    mail.html.0.iter().map(bytes).sum()
}

/// The mail of one reader.
fn fill(mail: &RenderedMail, values: &HoleValues) -> RenderedMail {
    let values = cleaned(values);
    RenderedMail {
        subject: Holed::plain(mail.subject.fill(&values, str::to_owned)),
        html: Holed::plain(mail.html.fill(&values, escape_html)),
        text: Holed::plain(mail.text.fill(&values, str::to_owned)),
        language: mail.language.clone(),
    }
}

fn cleaned(values: &HoleValues) -> HoleValues {
    HoleValues {
        name: holes::clean(&values.name),
        email: holes::clean(&values.email),
        unsubscribe_url: holes::clean(&values.unsubscribe_url),
        view_url: holes::clean(&values.view_url),
    }
}
