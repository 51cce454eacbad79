//! The office's forms: their fields, what was typed into them, and what is wrong with it. That is told in two places: at the
//! field, and above the form, where each line names its field by its label and leads there. The first wrong field has the
//! focus.

use serde::Serialize;

use crate::web::form::Form;
use crate::web::words::sentence;

/// What is wrong with a form, by field.
pub type Problems = Vec<(String, String)>;

/// What was typed into a form that is shown again, and what is wrong with it.
#[derive(Default)]
pub struct Again<'f> {
    /// Which form; empty on a page that has one alone.
    pub form: &'f str,
    pub typed: Vec<(String, String)>,
    pub problems: Problems,
}

impl Again<'_> {
    fn typed(&self, form: &str, name: &str) -> Option<&str> {
        let typed = (self.form == form).then_some(&self.typed)?;
        typed.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn problem(&self, form: &str, name: &str) -> String {
        let problems = if self.form == form { self.problems.as_slice() } else { &[] };
        problems.iter().find(|(key, _)| key == name).map(|(_, says)| sentence(says)).unwrap_or_default()
    }
}

/// These fields of a form.
pub fn typed<'n>(form: &Form, names: impl Iterator<Item = &'n str>) -> Vec<(String, String)> {
    names.map(|name| (name.to_owned(), normal(form.get(name)))).collect()
}

/// A text as browsers send it and as it is stored, in one form: they make line ends of their own.
pub fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

/// How a field is typed.
#[derive(Clone, Copy)]
pub enum Kind {
    /// An input of this `type`.
    Input(&'static str),
    Area,
    /// One of these values, with what they mean.
    Choice(&'static [(&'static str, &'static str)]),
}

/// What a field asks for: its name, label, hint and kind.
pub type Asked = (&'static str, &'static str, &'static str, Kind);

/// A field of a form, for the partial `office/field`.
#[derive(Serialize)]
pub struct Field {
    pub name: String,
    pub id: String,
    pub label: String,
    pub help: &'static str,
    pub value: String,
    pub problem: String,
    /// The first of the page that something is wrong with.
    pub has_focus: bool,
    /// The `type` of an input; empty for the others.
    pub kind: &'static str,
    pub is_area: bool,
    pub options: Vec<Choice>,
    /// The page says what stood in the field, so that somebody else's change is seen.
    pub tells_was: bool,
    pub was: String,
    /// Somebody else changed it meanwhile, to this.
    pub is_overtaken: bool,
    pub theirs: String,
}

#[derive(Serialize)]
pub struct Choice {
    pub value: &'static str,
    pub words: &'static str,
    pub chosen: bool,
}

impl Field {
    /// A field of the form called `form`, as it was typed there, or with what is kept.
    pub fn new(again: &Again<'_>, form: &str, asked: Asked, kept: &str) -> Self {
        let (name, label, help, kind) = asked;
        Self { help, ..Self::of_kind(again, (form, name), label, kind, kept) }
    }

    /// A line of text in the only form of a page, with a name and a label of its own.
    pub fn named(again: &Again<'_>, name: &str, label: &str, kept: &str) -> Self {
        Self::of_kind(again, ("", name), label, Kind::Input("text"), kept)
    }

    fn of_kind(again: &Again<'_>, (form, name): (&str, &str), label: &str, kind: Kind, kept: &str) -> Self {
        let value = again.typed(form, name).unwrap_or(kept).to_owned();
        let options = match kind {
            Kind::Choice(options) => options,
            Kind::Input(_) | Kind::Area => &[],
        };
        Self {
            options: options
                .iter()
                .map(|(option, words)| Choice { value: option, words, chosen: *option == value })
                .collect(),
            id: if form.is_empty() { name.to_owned() } else { format!("{form}-{name}") },
            problem: again.problem(form, name),
            name: name.to_owned(),
            label: label.to_owned(),
            help: "",
            has_focus: false,
            kind: if let Kind::Input(kind) = kind { kind } else { "" },
            is_area: matches!(kind, Kind::Area),
            tells_was: false,
            was: String::new(),
            is_overtaken: false,
            theirs: String::new(),
            value,
        }
    }
}

/// A line of what is wrong, and where its field is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wrong {
    pub field: String,
    pub says: String,
}

/// What is wrong with a page's fields, in their order, for the partial `office/problems`; the first gets the focus.
pub fn wrong<'f>(fields: impl IntoIterator<Item = &'f mut Field>) -> Vec<Wrong> {
    let mut lines: Vec<Wrong> = vec![];
    for field in fields.into_iter().filter(|field| !field.problem.is_empty()) {
        field.has_focus = lines.is_empty();
        lines.push(Wrong { field: field.id.clone(), says: format!("{}: {}", field.label, field.problem) });
    }
    lines
}

/// A page's title, which says first that something is wrong, for those who hear it.
pub fn title(title: &str, wrong: &[Wrong]) -> String {
    if wrong.is_empty() { title.to_owned() } else { format!("Problem: {title}") }
}
