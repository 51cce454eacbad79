//! From an issue and an audience to a mail: subject, HTML and text, with holes for each reader's values.
//!
//! Handlebars fills an MJML template and a text template, `mrml` makes HTML of the MJML. A digest is rendered once
//! for everybody who shares topics, language and zone; what differs between them are holes (`holes.rs`). A template
//! that does more with a reader's values than print them is found when it is parsed (`walk.rs`) and rendered for each
//! reader. Errors about templates are [`TemplateError`], errors about one mail [`RenderError`].

mod article;
mod bounded;
mod check;
mod colour;
mod context;
mod contrast;
mod css;
mod error;
mod helpers;
mod holes;
mod html;
mod measured;
mod nesting;
mod notice;
mod sample;
mod shape;
mod sources;
mod walk;
mod workshop;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use chrono_tz::Tz;

pub use self::contrast::{Faint, Scheme, faint};
pub use self::error::{RenderError, TemplateError, TemplateProblem};
pub use self::measured::{Link, links};
pub use self::sources::{FIXED, MAILS, MAX_BYTES, is_changeable, is_template};

use self::context::{Lines, Room};
use self::sources::Sources;
use self::workshop::{Line, Workshop};
use crate::domain::article::IssueArticle;
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::mail::{HoleValues, Holed, Piece, RenderedMail, escape_html};
use crate::domain::measuring::Measure;
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

const EMPTY_SUBJECT: &str = "it is empty where a value is missing (an issue without pictures, a reader without a name): write some words too";

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
    /// What the mail's links and picture tell of its readers.
    pub measure: Measure,
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
    /// It is that page: the foot offers to sign up in the place of what a reader can do.
    pub is_public: bool,
}

/// A digest for a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// One mail for all of them: fill its holes.
    Cohort(RenderedMail),
    /// The templates decide by a reader's values: use [`Renderer::digest_for`] for each.
    PerReader,
}

/// A newsletter's colour as mails print it on their light and their dark ground, each as `#rrggbb`: moved as far as it
/// must be to be read.
pub fn readable_colour(colour: &str) -> (String, String) {
    colour::readable(colour)
}

/// Texts of templates by their file's path below the folder, for instance `digest/body.mjml.hbs`.
pub type Texts = BTreeMap<String, String>;

/// Renders mails. Cloning is cheap: clones share the parsed templates, and what [`Renderer::take`] puts in their place.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// The embedded templates, and in the place of theirs the folder's.
    base: Arc<Sources>,
    /// These alone, parsed: what [`FIXED`] mails are made with.
    plain: Arc<Workshop>,
    current: Arc<RwLock<Current>>,
}

/// The templates as they are now.
#[derive(Clone, Debug)]
struct Current {
    workshop: Arc<Workshop>,
    /// Which texts were put over the base, counted by who keeps them.
    version: i64,
    /// Why these texts are not in use.
    problems: Vec<TemplateProblem>,
}

impl Renderer {
    /// Parses every template: the embedded ones, and in the place of theirs the files of the folder `overrides`.
    ///
    /// # Errors
    /// Everything that is wrong with them: files, Handlebars, names that do not exist.
    pub fn new(overrides: Option<&Path>) -> Result<Self, TemplateError> {
        Self::of(sources::load(overrides)?)
    }

    fn of(base: Sources) -> Result<Self, TemplateError> {
        let plain = Arc::new(Workshop::open(base.clone(), None)?);
        Ok(Self::using(Arc::new(base), Arc::clone(&plain), plain))
    }

    fn using(base: Arc<Sources>, plain: Arc<Workshop>, workshop: Arc<Workshop>) -> Self {
        let current = Current { workshop, version: 0, problems: vec![] };
        Self { base, plain, current: Arc::new(RwLock::new(current)) }
    }

    /// A renderer of its own to try these texts out, over the embedded ones and the folder's; it renders nothing after
    /// `until`. Whatever another one takes over changes nothing here.
    ///
    /// # Errors
    /// As [`Renderer::new`].
    pub fn with(&self, own: &Texts, until: Instant) -> Result<Self, TemplateError> {
        let workshop = Arc::new(Workshop::open(sources::lay_over(&self.base, own), Some(until))?);
        Ok(Self::using(Arc::clone(&self.base), Arc::clone(&self.plain), workshop))
    }

    /// The same templates, and nothing that is taken over later: an issue is sent with those that it began with.
    pub fn as_it_is(&self) -> Self {
        Self {
            base: Arc::clone(&self.base),
            plain: Arc::clone(&self.plain),
            current: Arc::new(RwLock::new(self.current())),
        }
    }

    /// Uses these texts over the embedded ones and the folder's from now on, here and in every clone, and calls that
    /// `version`. Where they cannot be used, none of them is, and [`Renderer::problems`] says why.
    pub fn take(&self, own: &Texts, version: i64) {
        let (workshop, problems) = match Workshop::open(sources::lay_over(&self.base, own), None) {
            Ok(workshop) => (Arc::new(workshop), vec![]),
            Err(error) => (Arc::clone(&self.plain), error.problems),
        };
        let current = Current { workshop, version, problems };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// Which texts [`Renderer::take`] put over the base last; 0 for none.
    pub fn version(&self) -> i64 {
        self.current.read().unwrap_or_else(PoisonError::into_inner).version
    }

    /// Why the texts of that version are not in use; nothing where they are.
    pub fn problems(&self) -> Vec<TemplateProblem> {
        self.current().problems
    }

    /// The text of a file without what was put over it: the folder's or the embedded one.
    pub fn base_text(&self, file: &str) -> Option<&str> {
        self.base.get(file).map(String::as_str)
    }

    /// The files of the base, by name.
    pub fn base_files(&self) -> impl Iterator<Item = &str> {
        self.base.keys().map(String::as_str)
    }

    /// Whether the folder has this file.
    pub fn is_of_folder(&self, file: &str) -> bool {
        self.base.get(file).map(String::as_str) != sources::embedded(file)
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn workshop(&self) -> Arc<Workshop> {
        self.current().workshop
    }

    /// The digest of one cohort.
    ///
    /// # Errors
    /// [`RenderError::NoArticles`] where nothing of the issue is for the audience.
    pub fn digest(&self, input: &DigestInput<'_>) -> Result<Digest, RenderError> {
        self.draft(input)?.cohort()
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
        let draft = self.draft(input)?;
        match draft.cohort()? {
            Digest::Cohort(mail) => Ok(fill(&mail, values)),
            Digest::PerReader => Ok(fill(&draft.fitting(Some(values))?, values)),
        }
    }

    /// Subject and preheader alone, as one reader sees them.
    ///
    /// # Errors
    /// As [`Renderer::digest`].
    pub fn lines(
        &self,
        input: &DigestInput<'_>,
        values: &HoleValues,
    ) -> Result<(String, String), RenderError> {
        let draft = self.draft(input)?;
        let lines = draft.written(draft.articles.len(), Some(values))?;
        Ok((lines.subject, lines.preheader))
    }

    /// The subject of an issue, for a reader of whom nothing is known.
    ///
    /// # Errors
    /// As [`Renderer::digest`].
    pub fn subject(&self, input: &DigestInput<'_>) -> Result<String, RenderError> {
        Ok(self.lines(input, &HoleValues::default())?.0)
    }

    /// A mail that is not a digest; one of [`FIXED`] without anything that was saved on the desk.
    ///
    /// # Errors
    /// [`RenderError::Template`] where a template of one's own is at fault.
    pub fn notice(&self, notice: &Notice) -> Result<RenderedMail, RenderError> {
        let context = handlebars::Context::from(notice::notice(notice));
        let is_fixed = FIXED.contains(&notice.name());
        let workshop = if is_fixed { Arc::clone(&self.plain) } else { self.workshop() };
        workshop.mail(notice.name(), &context, notice.language())
    }

    /// Renders every mail with every sample, and returns what went wrong; nothing, if all is well.
    pub fn check(&self) -> Vec<TemplateProblem> {
        check::check(self)
    }

    /// What is hard to read in the mails of the samples, in words, each pair of colours once. Mails can be sent with it.
    pub fn faint(&self) -> Vec<String> {
        check::faint(self)
    }

    /// Checks a subject line before it is kept, with an issue that has everything and one that lacks what can be
    /// missing. No line at all stands for the default.
    ///
    /// # Errors
    /// What is wrong with it, with its place; also that some readers would see an empty one.
    pub fn check_subject(&self, line: &str) -> Result<(), TemplateProblem> {
        let printed = check::lines(self, SUBJECT_LINE, line)?;
        let may_be_empty = !line.trim().is_empty() && printed.iter().any(String::is_empty);
        if may_be_empty { Err(TemplateProblem::new(SUBJECT_LINE, EMPTY_SUBJECT)) } else { Ok(()) }
    }

    /// The same for a preheader line, which may be empty.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn check_preheader(&self, line: &str) -> Result<(), TemplateProblem> {
        check::lines(self, PREHEADER_LINE, line).map(|_| ())
    }

    /// A mail of [`MAILS`] with made-up content, its holes filled; a notice as that of a newsletter, if one is given.
    ///
    /// # Errors
    /// [`RenderError::Template`] where there is no such mail, or a template of one's own is at fault.
    pub fn render_sample(&self, name: &str, of: Option<&Newsletter>) -> Result<RenderedMail, RenderError> {
        check::render_sample(self, name, of)
    }

    /// Writes the embedded templates into `folder`, to start one's own from; returns the files written.
    ///
    /// # Errors
    /// A folder that holds one of them already, or cannot be written to. Nothing is overwritten.
    pub fn export(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
        sources::export(folder)
    }

    /// The articles for an audience, and the issue's own lines, or the newsletter's, or the default ones.
    fn draft<'a>(&self, input: &'a DigestInput<'a>) -> Result<Draft<'a>, RenderError> {
        let articles = context::articles_for(input);
        if articles.is_empty() {
            return Err(RenderError::NoArticles);
        }
        let (rules, issue, content) = (&input.newsletter.rules, input.issue, input.content);
        let first = |candidates: [&'a str; 4]| {
            candidates.into_iter().find(|line| !line.trim().is_empty()).unwrap_or_default()
        };
        let own = |line: &'a Option<String>| line.as_deref().unwrap_or_default();
        let subject = first([&content.subject, own(&issue.subject), &rules.subject, DEFAULT_SUBJECT]);
        let preheader =
            first([&content.preheader, own(&issue.preheader), &rules.preheader, DEFAULT_PREHEADER]);
        let workshop = self.workshop();
        let line = |name: &str, line: &str| workshop.line(name, line).map_err(RenderError::Template);
        let (subject, preheader) = (line(SUBJECT_LINE, subject)?, line(PREHEADER_LINE, preheader)?);
        Ok(Draft { workshop, input, articles, subject, preheader })
    }
}

/// What a digest is written from.
struct Draft<'a> {
    /// The templates as they were when it was begun.
    workshop: Arc<Workshop>,
    input: &'a DigestInput<'a>,
    /// At least one.
    articles: Vec<&'a IssueArticle>,
    subject: Line,
    preheader: Line,
}

impl Draft<'_> {
    /// A reader's value is printed in one of the lines.
    fn are_personal(&self) -> bool {
        self.subject.is_personal || self.preheader.is_personal
    }

    /// One of the lines does more with a reader's value than print it.
    fn per_reader(&self) -> bool {
        self.subject.per_reader || self.preheader.per_reader
    }

    fn cohort(&self) -> Result<Digest, RenderError> {
        if self.per_reader() || self.workshop.is_per_reader(self.are_personal()) {
            return Ok(Digest::PerReader);
        }
        let mail = self.fitting(None)?;
        // Readers without a name would get an empty subject: whether it is one is decided for each.
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty());
        let may_be_empty = !mail.subject.0.iter().any(is_text);
        Ok(if may_be_empty { Digest::PerReader } else { Digest::Cohort(mail) })
    }

    /// Subject and preheader as they are printed in a mail with this many articles; without `values` with marks for
    /// them.
    fn written(&self, articles: usize, values: Option<&HoleValues>) -> Result<Lines, RenderError> {
        let in_full = values.filter(|_| self.per_reader());
        let room = Room { articles, summaries: articles };
        let context = context::digest(self.input, &self.articles, room, &Lines::default(), in_full);
        let context = handlebars::Context::from(context);
        let mut subject = self.workshop.fill_line(SUBJECT_LINE, &self.subject, &context)?;
        let mut preheader = self.workshop.fill_line(PREHEADER_LINE, &self.preheader, &context)?;
        // A preheader with a hole has another length for each reader: it stays as it is.
        if !self.preheader.is_personal {
            preheader = helpers::shorten(&preheader, PREHEADER_CHARS);
        }
        // White space is folded before a reader's values come in, as it is for a cohort.
        if let Some(values) = values.filter(|_| in_full.is_none()).map(cleaned) {
            subject = holes::cut(&subject).fill(&values, str::to_owned);
            preheader = holes::cut(&preheader).fill(&values, str::to_owned);
        }
        if subject.trim().is_empty() {
            subject = self.workshop.default_subject(&context)?;
        }
        Ok(Lines { subject, preheader })
    }

    /// The digest with as much of the issue as [`MAX_HTML`] allows: first the summaries of the last articles go,
    /// then the last articles.
    fn fitting(&self, values: Option<&HoleValues>) -> Result<RenderedMail, RenderError> {
        let all = self.articles.len();
        let lines = self.written(all, values)?;
        let render = |room: Room, lines: &Lines| {
            let context = context::digest(self.input, &self.articles, room, lines, values);
            let context = handlebars::Context::from(context);
            let mut mail = self.workshop.mail("digest", &context, &self.input.audience.language)?;
            if mail.subject.0.is_empty() {
                mail.subject = Holed::plain(self.workshop.default_subject(&context)?);
            }
            Ok(match self.input.audience.measure {
                Measure::Nothing => mail,
                measure => measured::measure(mail, self.input.content, measure),
            })
        };
        let whole = render(Room { articles: all, summaries: all }, &lines)?;
        if html_bytes(&whole) <= MAX_HTML {
            return Ok(whole);
        }
        if html_bytes(&render(Room { articles: all, summaries: 0 }, &lines)?) <= MAX_HTML {
            return largest(all, |summaries| render(Room { articles: all, summaries }, &lines));
        }
        largest(all, |articles| {
            // At least one article is sent, however long it is: an empty digest is no digest.
            let articles = articles.max(1);
            // The lines count what is there.
            render(Room { articles, summaries: 0 }, &self.written(articles, values)?)
        })
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
        preferences_url: holes::clean(&values.preferences_url),
        links_url: holes::clean(&values.links_url),
        picture_url: holes::clean(&values.picture_url),
    }
}
