//! Renders every mail with its samples, and says what went wrong.

use super::context::{self, Lines, Room};
use super::contrast::Faint;
use super::error::{RenderError, TemplateProblem};
use super::sample::{self, DigestSample};
use super::{MAILS, Renderer, contrast};
use crate::domain::mail::{HoleValues, RenderedMail, escape_html};
use crate::domain::newsletter::Newsletter;

/// Audiences that differ in words, direction, number of articles, and in what their articles have.
const DIGESTS: [(&str, usize, bool); 6] = [
    ("en", 7, true),
    ("en", 1, false),
    ("fr", 7, false),
    ("ar", 7, true),
    ("he", 2, false),
    ("en", 30, true),
];

/// Everything that goes wrong, each once.
pub(super) fn check(renderer: &Renderer) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    let mut look_at = |mail: &str, rendered: Result<RenderedMail, RenderError>| {
        let found = match rendered {
            Ok(rendered) => look(mail, &rendered),
            Err(RenderError::Template(problem)) => Some(problem),
            Err(RenderError::NoArticles) => Some(TemplateProblem::new(mail, "the sample has no article")),
        };
        if let Some(problem) = found.filter(|problem| !problems.contains(problem)) {
            problems.push(problem);
        }
    };
    for (language, articles, is_full) in DIGESTS {
        let sample = DigestSample::new(language, articles, is_full);
        look_at("digest", renderer.digest_for(&sample.input(), &sample::reader()));
    }
    for mail in MAILS {
        for notice in sample::notice(mail).into_iter().chain(sample::bare_notice(mail, "ar")) {
            look_at(mail, renderer.notice(&notice));
        }
    }
    problems
}

/// What is hard to read in any mail, with the mail that has it first.
pub(super) fn faint(renderer: &Renderer) -> Vec<String> {
    let mut found: Vec<(&str, Faint)> = vec![];
    for mail in MAILS {
        // What cannot be rendered is a problem of another kind.
        let Ok(rendered) = render_sample(renderer, mail, None) else { continue };
        for faint in contrast::faint(&rendered.html.fill(&sample::reader(), escape_html)) {
            let is_same = |other: &Faint| {
                (other.scheme, &other.text, &other.ground) == (faint.scheme, &faint.text, &faint.ground)
            };
            if !found.iter().any(|(_, other)| is_same(other)) {
                found.push((mail, faint));
            }
        }
    }
    found.into_iter().map(|(mail, faint)| format!("{mail}: {faint}")).collect()
}

/// A line as the full and the bare sample print it, for a reader with a name and for one without.
pub(super) fn lines(renderer: &Renderer, name: &str, line: &str) -> Result<[String; 2], TemplateProblem> {
    let workshop = renderer.workshop();
    let parsed = workshop.line(name, line)?;
    let print = |sample: &DigestSample, values: &HoleValues| {
        let input = sample.input();
        let articles = context::articles_for(&input);
        let room = Room { articles: articles.len(), summaries: articles.len() };
        let context = context::digest(&input, &articles, room, &Lines::default(), Some(values));
        workshop.fill_line(name, &parsed, &handlebars::Context::from(context)).map_err(|error| match error {
            RenderError::Template(problem) => problem,
            RenderError::NoArticles => TemplateProblem::new(name, "the sample has no article"),
        })
    };
    let nameless = HoleValues { name: String::new(), ..sample::reader() };
    let (full, bare) = (DigestSample::new("en", 7, true), DigestSample::new("en", 1, false));
    Ok([print(&full, &sample::reader())?, print(&bare, &nameless)?])
}

/// What a mail must not lack, however it was made.
fn look(mail: &str, rendered: &RenderedMail) -> Option<TemplateProblem> {
    let values = sample::reader();
    let filled = |holed: &crate::domain::mail::Holed| holed.fill(&values, str::to_owned);
    if filled(&rendered.subject).is_empty() {
        return Some(TemplateProblem::new(&format!("{mail}/subject.txt.hbs"), "the subject is empty"));
    }
    let text = filled(&rendered.text);
    if text.trim().is_empty() {
        return Some(TemplateProblem::new(&format!("{mail}/body.txt.hbs"), "the text part is empty"));
    }
    let lacks_way_out = |part: &str| mail == "digest" && !part.contains(&values.unsubscribe_url);
    if lacks_way_out(&text) {
        return Some(TemplateProblem::new("digest/body.txt.hbs", NO_WAY_OUT));
    }
    let is_without_link = lacks_way_out(&filled(&rendered.html));
    is_without_link.then(|| TemplateProblem::new("digest/body", NO_WAY_OUT))
}

const NO_WAY_OUT: &str = "no link to leave the newsletter: print {{unsubscribe_url}}, the law asks for it";

/// One mail with its first sample; a notice as that of a newsletter, if one is given.
pub(super) fn render_sample(
    renderer: &Renderer,
    mail: &str,
    of: Option<&Newsletter>,
) -> Result<RenderedMail, RenderError> {
    if mail == "digest" {
        let sample = DigestSample::new("en", 7, true);
        return renderer.digest_for(&sample.input(), &sample::reader());
    }
    match of.map_or_else(|| sample::notice(mail), |of| sample::notice_of(mail, of)) {
        Some(notice) => renderer.notice(&notice),
        None => {
            let message = format!("there is no mail of this name: it is one of {}", MAILS.join(", "));
            Err(RenderError::Template(TemplateProblem::new(mail, message)))
        }
    }
}
