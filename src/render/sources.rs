//! The templates' texts: embedded in the binary, and single files of them replaced from a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::{TemplateError, TemplateProblem};

/// Every mail; a folder each.
pub const MAILS: [&str; 12] = [
    "digest",
    "confirm",
    "welcome",
    "goodbye",
    "address",
    "moved",
    "ready",
    "held",
    "failed",
    "sign_in",
    "invitation",
    "recovery_code",
];

/// Mails with a link that lets somebody in, or that warn of somebody who got in: they are made of the program's or the
/// folder's files alone, whatever is saved on the desk. Whoever changed them there could have such a link sent anywhere, and
/// nobody warned.
pub const FIXED: [&str; 3] = ["sign_in", "invitation", "recovery_code"];

/// Whether a file can be changed on the desk.
pub fn is_changeable(file: &str) -> bool {
    !file.split_once('/').is_some_and(|(folder, _)| FIXED.contains(&folder))
}

/// A template longer than this, in bytes, is no template (the longest of ours has 5 KB).
pub const MAX_BYTES: u64 = 256 * 1024;

/// What a template is rendered to, by the end of its file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    Mjml,
    Html,
    Text,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Mjml, Self::Html, Self::Text];

    fn ending(self) -> &'static str {
        match self {
            Self::Mjml => ".mjml.hbs",
            Self::Html => ".html.hbs",
            Self::Text => ".txt.hbs",
        }
    }

    pub fn of(file: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| file.ends_with(format.ending()))
    }
}

/// A partial's name: `foot` of `partials/foot.mjml.hbs`.
pub(super) fn partial_name(file: &str) -> Option<&str> {
    let name = file.strip_prefix("partials/")?;
    Format::ALL.into_iter().find_map(|format| name.strip_suffix(format.ending()))
}

const EMBEDDED: [(&str, &str); 47] = [
    ("digest/subject.txt.hbs", include_str!("../../templates/mail/digest/subject.txt.hbs")),
    ("digest/body.mjml.hbs", include_str!("../../templates/mail/digest/body.mjml.hbs")),
    ("digest/body.txt.hbs", include_str!("../../templates/mail/digest/body.txt.hbs")),
    ("confirm/subject.txt.hbs", include_str!("../../templates/mail/confirm/subject.txt.hbs")),
    ("confirm/body.mjml.hbs", include_str!("../../templates/mail/confirm/body.mjml.hbs")),
    ("confirm/body.txt.hbs", include_str!("../../templates/mail/confirm/body.txt.hbs")),
    ("welcome/subject.txt.hbs", include_str!("../../templates/mail/welcome/subject.txt.hbs")),
    ("welcome/body.mjml.hbs", include_str!("../../templates/mail/welcome/body.mjml.hbs")),
    ("welcome/body.txt.hbs", include_str!("../../templates/mail/welcome/body.txt.hbs")),
    ("goodbye/subject.txt.hbs", include_str!("../../templates/mail/goodbye/subject.txt.hbs")),
    ("goodbye/body.mjml.hbs", include_str!("../../templates/mail/goodbye/body.mjml.hbs")),
    ("goodbye/body.txt.hbs", include_str!("../../templates/mail/goodbye/body.txt.hbs")),
    ("address/subject.txt.hbs", include_str!("../../templates/mail/address/subject.txt.hbs")),
    ("address/body.mjml.hbs", include_str!("../../templates/mail/address/body.mjml.hbs")),
    ("address/body.txt.hbs", include_str!("../../templates/mail/address/body.txt.hbs")),
    ("moved/subject.txt.hbs", include_str!("../../templates/mail/moved/subject.txt.hbs")),
    ("moved/body.mjml.hbs", include_str!("../../templates/mail/moved/body.mjml.hbs")),
    ("moved/body.txt.hbs", include_str!("../../templates/mail/moved/body.txt.hbs")),
    ("ready/subject.txt.hbs", include_str!("../../templates/mail/ready/subject.txt.hbs")),
    ("ready/body.mjml.hbs", include_str!("../../templates/mail/ready/body.mjml.hbs")),
    ("ready/body.txt.hbs", include_str!("../../templates/mail/ready/body.txt.hbs")),
    ("held/subject.txt.hbs", include_str!("../../templates/mail/held/subject.txt.hbs")),
    ("held/body.mjml.hbs", include_str!("../../templates/mail/held/body.mjml.hbs")),
    ("held/body.txt.hbs", include_str!("../../templates/mail/held/body.txt.hbs")),
    ("failed/subject.txt.hbs", include_str!("../../templates/mail/failed/subject.txt.hbs")),
    ("failed/body.mjml.hbs", include_str!("../../templates/mail/failed/body.mjml.hbs")),
    ("failed/body.txt.hbs", include_str!("../../templates/mail/failed/body.txt.hbs")),
    ("sign_in/subject.txt.hbs", include_str!("../../templates/mail/sign_in/subject.txt.hbs")),
    ("sign_in/body.mjml.hbs", include_str!("../../templates/mail/sign_in/body.mjml.hbs")),
    ("sign_in/body.txt.hbs", include_str!("../../templates/mail/sign_in/body.txt.hbs")),
    ("invitation/subject.txt.hbs", include_str!("../../templates/mail/invitation/subject.txt.hbs")),
    ("invitation/body.mjml.hbs", include_str!("../../templates/mail/invitation/body.mjml.hbs")),
    ("invitation/body.txt.hbs", include_str!("../../templates/mail/invitation/body.txt.hbs")),
    ("recovery_code/subject.txt.hbs", include_str!("../../templates/mail/recovery_code/subject.txt.hbs")),
    ("recovery_code/body.mjml.hbs", include_str!("../../templates/mail/recovery_code/body.mjml.hbs")),
    ("recovery_code/body.txt.hbs", include_str!("../../templates/mail/recovery_code/body.txt.hbs")),
    ("partials/head.mjml.hbs", include_str!("../../templates/mail/partials/head.mjml.hbs")),
    ("partials/masthead.mjml.hbs", include_str!("../../templates/mail/partials/masthead.mjml.hbs")),
    ("partials/introduction.mjml.hbs", include_str!("../../templates/mail/partials/introduction.mjml.hbs")),
    ("partials/introduction.txt.hbs", include_str!("../../templates/mail/partials/introduction.txt.hbs")),
    ("partials/story.mjml.hbs", include_str!("../../templates/mail/partials/story.mjml.hbs")),
    ("partials/story.txt.hbs", include_str!("../../templates/mail/partials/story.txt.hbs")),
    ("partials/postal.mjml.hbs", include_str!("../../templates/mail/partials/postal.mjml.hbs")),
    ("partials/postal.txt.hbs", include_str!("../../templates/mail/partials/postal.txt.hbs")),
    ("partials/button.mjml.hbs", include_str!("../../templates/mail/partials/button.mjml.hbs")),
    ("partials/about_issue.mjml.hbs", include_str!("../../templates/mail/partials/about_issue.mjml.hbs")),
    ("partials/about_issue.txt.hbs", include_str!("../../templates/mail/partials/about_issue.txt.hbs")),
];

/// The text of every template by its file's path below the folder, for instance `digest/body.mjml.hbs`.
pub(super) type Sources = BTreeMap<String, String>;

/// The embedded templates, those of `overrides` in the place of theirs.
///
/// # Errors
/// Files that cannot be read, or that are not named as a template is: a misspelt name would else be ignored silently.
pub(super) fn load(overrides: Option<&Path>) -> Result<Sources, TemplateError> {
    let mut sources: Sources =
        EMBEDDED.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned())).collect();
    let Some(folder) = overrides else { return Ok(sources) };
    let mut problems = Vec::new();
    let mut own = Sources::new();
    for (file, path) in list(folder).map_err(|problem| TemplateError { problems: vec![problem] })? {
        match read(&file, &path) {
            Ok(text) => {
                own.insert(file, text);
            }
            Err(problem) => problems.push(problem),
        }
    }
    for mail in MAILS {
        let (html, mjml) = (format!("{mail}/body.html.hbs"), format!("{mail}/body.mjml.hbs"));
        if own.contains_key(&html) {
            if own.contains_key(&mjml) {
                problems
                    .push(TemplateProblem::new(&html, "body.mjml.hbs stands beside it: keep one of the two"));
            }
            sources.remove(&mjml);
        }
    }
    if !problems.is_empty() {
        return Err(TemplateError { problems });
    }
    sources.extend(own);
    Ok(sources)
}

/// These texts in the place of the base's, but for those of [`FIXED`] mails. One for a body that the base has in the other format (MJML, HTML) is left out:
/// the folder said since which of the two it is.
pub(super) fn lay_over(base: &Sources, own: &Sources) -> Sources {
    let mut sources = base.clone();
    for (file, text) in own.iter().filter(|(file, _)| is_template(file) && is_changeable(file)) {
        let other = match file.split_once('/') {
            Some((mail, "body.mjml.hbs")) => Some(format!("{mail}/body.html.hbs")),
            Some((mail, "body.html.hbs")) => Some(format!("{mail}/body.mjml.hbs")),
            _ => None,
        };
        if other.is_none_or(|other| !base.contains_key(&other)) {
            sources.insert(file.clone(), text.clone());
        }
    }
    sources
}

/// The embedded text of a file.
pub(super) fn embedded(file: &str) -> Option<&'static str> {
    EMBEDDED.iter().find(|(name, _)| *name == file).map(|(_, text)| *text)
}

/// The template files of a folder: path below it, and where it is. Hidden files and whatever does not end in `.hbs`
/// are left alone.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, TemplateProblem> {
    let unreadable = |path: &Path, error: &io::Error| {
        TemplateProblem::new(
            &path.display().to_string(),
            format!("the templates' folder cannot be read: {error}"),
        )
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let directory = entry.map_err(|error| unreadable(folder, &error))?.path();
        if !directory.is_dir() {
            continue;
        }
        let Some(mail) = directory.file_name().and_then(|name| name.to_str()) else { continue };
        for entry in fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))? {
            let path = entry.map_err(|error| unreadable(&directory, &error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(".hbs") && !name.starts_with('.') {
                files.push((format!("{mail}/{name}"), path));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &str, path: &Path) -> Result<String, TemplateProblem> {
    if !is_template(file) {
        return Err(TemplateProblem::new(
            file,
            format!(
                "no mail has a template of this name: write MAIL/subject.txt.hbs, MAIL/body.mjml.hbs (or body.html.hbs) \
                 or MAIL/body.txt.hbs, where MAIL is one of {}, or partials/NAME.mjml.hbs",
                MAILS.join(", ")
            ),
        ));
    }
    let unreadable =
        |error: io::Error| TemplateProblem::new(file, format!("the file cannot be read: {error}"));
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_BYTES {
        return Err(TemplateProblem::new(
            file,
            format!("it has {length} bytes; a template has at most {MAX_BYTES}"),
        ));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| TemplateProblem::new(file, "it is not UTF-8: save it as UTF-8"))
}

/// Whether a mail can have a template of this name.
pub fn is_template(file: &str) -> bool {
    let Some((folder, name)) = file.split_once('/') else { return false };
    let is_body = matches!(name, "subject.txt.hbs" | "body.mjml.hbs" | "body.html.hbs" | "body.txt.hbs");
    (MAILS.contains(&folder) && is_body) || partial_name(file).is_some_and(|name| !name.is_empty())
}

/// Writes the embedded templates into `folder`, to start one's own from; returns the files written.
///
/// # Errors
/// A folder that holds one of them already, or cannot be written to. Nothing is overwritten.
pub(super) fn export(folder: &Path) -> Result<Vec<PathBuf>, io::Error> {
    let files = EMBEDDED.map(|(file, text)| (folder.join(file), text));
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        let message = format!("{} exists already: name an empty folder, nothing was written", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    for (path, text) in &files {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)?;
        fs::write(path, text)?;
    }
    Ok(files.map(|(path, _)| path).into())
}
