//! Reads a parsed template without rendering it: which names it uses that do not exist, and whether it does more
//! with a reader's values than print them (then a cohort cannot share its output).

use std::collections::HashMap;
use std::sync::Arc;

use handlebars::Template;
use handlebars::template::{BlockParam, DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};

use super::error::{TemplateProblem, unknown_name};
use super::helpers;
use super::nesting::MAX_OPEN;
use super::shape::{Shape, nearest};
use super::sources::Format;

/// Handlebars' own helpers that templates may use.
const HELPERS: [&str; 17] = [
    "if", "unless", "each", "with", "lookup", "raw", "log", "eq", "ne", "gt", "gte", "lt", "lte", "and",
    "or", "not", "len",
];

/// Partials nested deeper than this include one another.
const MAX_DEPTH: usize = 24;

/// More partials than this, each as often as it is included, are not a mail: 24 that include the next one twice
/// would be sixteen million.
const MAX_PARTIALS: usize = 10_000;

/// The most loops that stand in one another: a digest has sections, articles in them, and other places of one. Each more
/// takes up to two hundred times as long, and one that prints nothing is stopped by nothing else.
const MAX_LOOPS: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub problems: Vec<TemplateProblem>,
    /// The output is another for each reader, not only at its holes.
    pub per_reader: bool,
    /// A reader's value is printed.
    pub is_personal: bool,
}

/// Reads `template` as it would be rendered with a context of `shape`.
pub(super) fn walk(
    templates: &HashMap<String, Template>,
    file: &str,
    template: &Template,
    format: Format,
    shape: &Arc<Shape>,
) -> Findings {
    let mut walk = Walk {
        templates,
        format,
        root: shape.clone(),
        inline: HashMap::new(),
        depth: 0,
        open: 0,
        loops: 0,
        partials: 0,
        found: Findings::default(),
    };
    let scope = Scope { here: shape.clone(), locals: Vec::new(), parent: None };
    walk.template(file, template, &scope);
    walk.found
}

struct Walk<'a> {
    templates: &'a HashMap<String, Template>,
    format: Format,
    root: Arc<Shape>,
    /// `{{#*inline "name"}}`, wherever it stands.
    inline: HashMap<String, &'a Template>,
    /// How many partials stand in one another here.
    depth: usize,
    /// How many blocks and partials do.
    open: usize,
    /// How many loops do.
    loops: usize,
    /// How many partials were read.
    partials: usize,
    found: Findings,
}

/// What `this`, `..` and block parameters are at one place.
struct Scope<'s> {
    here: Arc<Shape>,
    locals: Vec<(String, Arc<Shape>)>,
    parent: Option<&'s Scope<'s>>,
}

/// Where an element stands.
#[derive(Clone, Copy)]
struct Spot<'s> {
    file: &'s str,
    line: usize,
    column: usize,
}

impl<'a> Walk<'a> {
    fn template(&mut self, file: &str, template: &'a Template, scope: &Scope<'_>) {
        for element in &template.elements {
            if let TemplateElement::DecoratorBlock(block) = element
                && let (Some(Parameter::Literal(name)), Some(inner)) = (block.params.first(), &block.template)
            {
                self.inline.insert(name.as_str().unwrap_or_default().to_owned(), inner);
            }
        }
        self.open += 1;
        for (index, element) in template.elements.iter().enumerate() {
            // An `else if` has no place of its own.
            let (line, column) = template.mapping.get(index).map_or((0, 0), |mapping| (mapping.0, mapping.1));
            let spot = Spot { file, line, column };
            // The template itself is the first.
            if self.open > MAX_OPEN + 1 {
                self.problem(
                    spot,
                    format!("more than {MAX_OPEN} blocks and partials stand in one another here"),
                );
                break;
            }
            self.element(spot, element, scope);
        }
        self.open -= 1;
    }

    fn element(&mut self, spot: Spot<'_>, element: &'a TemplateElement, scope: &Scope<'_>) {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(expression) => self.print(spot, expression, scope, false),
            TemplateElement::HtmlExpression(expression) => self.print(spot, expression, scope, true),
            TemplateElement::HelperBlock(block) => self.block(spot, block, scope),
            TemplateElement::PartialExpression(partial) | TemplateElement::PartialBlock(partial) => {
                self.partial(spot, partial, scope);
            }
            // Read where it is used.
            TemplateElement::DecoratorBlock(_) => {}
            TemplateElement::DecoratorExpression(_) => self.problem(spot, "decorators are not possible here"),
            // What a later Handlebars adds is rendered as it is, for each reader.
            _ => self.found.per_reader = true,
        }
    }

    /// `{{name}}`, `{{helper param}}`, and the same in three braces.
    fn print(&mut self, spot: Spot<'_>, expression: &'a HelperTemplate, scope: &Scope<'_>, unescaped: bool) {
        if unescaped && self.format != Format::Text {
            self.problem(
                spot,
                "three braces (or {{&name}}) print text that would be read as markup: write two",
            );
        }
        let is_call = !expression.params.is_empty() || !expression.hash.is_empty();
        if is_call {
            self.helper_name(spot, &expression.name);
            return self.parameters(spot, expression, scope);
        }
        let shape = self.value(spot, &expression.name, scope);
        match &*shape {
            Shape::Plain => {}
            Shape::Personal => self.found.is_personal = true,
            Shape::Unknown => self.found.per_reader = true,
            Shape::Object(_) | Shape::List(_) => {
                let name = expression.name.as_name().unwrap_or_default();
                self.problem(
                    spot,
                    format!(
                        "“{name}” is not a text: print one of its parts, or go through it with {{{{#each}}}}"
                    ),
                );
            }
        }
    }

    fn block(&mut self, spot: Spot<'_>, block: &'a HelperTemplate, scope: &Scope<'_>) {
        let name = block.name.as_name().unwrap_or_default();
        self.helper_name(spot, &block.name);
        self.parameters(spot, block, scope);
        let subject = block.params.first().map(|param| self.value_silently(param, scope));
        let inner = match (name, subject) {
            ("each", Some(list)) => {
                let member = match &*list {
                    Shape::List(member) => member.clone(),
                    Shape::Object(_) | Shape::Unknown => Arc::new(Shape::Unknown),
                    Shape::Plain | Shape::Personal => {
                        self.problem(spot, "{{#each}} wants a list");
                        Arc::new(Shape::Unknown)
                    }
                };
                Some(Scope { locals: locals(block, &member), here: member, parent: Some(scope) })
            }
            ("with", Some(here)) => Some(Scope { locals: locals(block, &here), here, parent: Some(scope) }),
            _ => None,
        };
        let is_loop = usize::from(name == "each");
        self.loops += is_loop;
        if self.loops > MAX_LOOPS {
            self.problem(
                spot,
                format!("more than {MAX_LOOPS} loops stand in one another here: rendering would not end"),
            );
        } else if let Some(template) = &block.template {
            self.template(spot.file, template, inner.as_ref().unwrap_or(scope));
        }
        self.loops -= is_loop;
        if let Some(inverse) = &block.inverse {
            self.template(spot.file, inverse, scope);
        }
    }

    fn partial(&mut self, spot: Spot<'_>, partial: &'a DecoratorTemplate, scope: &Scope<'_>) {
        let values = partial.params.iter().chain(partial.hash.values());
        for value in values {
            self.found.per_reader |= self.value(spot, value, scope).is_personal();
        }
        if let Some(block) = &partial.template {
            self.template(spot.file, block, scope);
        }
        let Some(name) = partial.name.as_name() else {
            return self
                .problem(spot, "write the partial's name itself: what it includes must be known before");
        };
        if name == "@partial-block" {
            return;
        }
        let found = self.inline.get(name).copied().or_else(|| self.templates.get(name));
        let Some(template) = found else {
            if partial.template.is_none() {
                let similar = nearest(name, self.templates.keys().filter(|key| !key.contains('/')));
                let hint = similar.map(|similar| format!("; did you mean “{similar}”?")).unwrap_or_default();
                self.problem(spot, format!("there is no partial “{name}”{hint}"));
            }
            return;
        };
        if self.depth == MAX_DEPTH {
            self.problem(spot, format!("the partial “{name}” includes itself"));
            return;
        }
        self.partials += 1;
        if self.partials > MAX_PARTIALS {
            if self.partials == MAX_PARTIALS + 1 {
                self.problem(
                    spot,
                    format!("more than {MAX_PARTIALS} partials are included: does one include itself twice?"),
                );
            }
            return;
        }
        let here = match partial.params.first() {
            Some(context) => self.value_silently(context, scope),
            None => scope.here.clone(),
        };
        let hash: Vec<(String, Arc<Shape>)> = partial
            .hash
            .iter()
            .map(|(key, value)| (key.clone(), self.value_silently(value, scope)))
            .collect();
        let inner = Scope { here, locals: hash, parent: Some(scope) };
        let file = template.name.clone().map_or_else(|| spot.file.to_owned(), |name| self.file_of(&name));
        self.depth += 1;
        self.template(&file, template, &inner);
        self.depth -= 1;
    }

    /// The file of a registered template: partials are registered by their short name.
    fn file_of(&self, name: &str) -> String {
        if name.contains('/') || !self.templates.contains_key(name) {
            return name.to_owned();
        }
        let ending = match self.format {
            Format::Mjml => "mjml",
            Format::Html => "html",
            Format::Text => "txt",
        };
        format!("partials/{name}.{ending}.hbs")
    }

    fn helper_name(&mut self, spot: Spot<'_>, name: &Parameter) {
        let name = name.as_name().unwrap_or_default();
        let known = HELPERS.into_iter().chain(helpers::NAMES).map(str::to_owned).collect::<Vec<_>>();
        if !known.iter().any(|known| known == name) {
            let hint = match nearest(name, known.iter()) {
                Some(similar) => format!("did you mean “{similar}”?"),
                None => format!("for a list write {{{{#each {name}}}}}, for a condition {{{{#if {name}}}}}"),
            };
            self.problem(spot, format!("there is no helper “{name}”; {hint}"));
        }
    }

    /// A helper that is handed a reader's value may do anything with it.
    fn parameters(&mut self, spot: Spot<'_>, call: &'a HelperTemplate, scope: &Scope<'_>) {
        self.call(spot, call);
        for value in call.params.iter().chain(call.hash.values()) {
            self.found.per_reader |= self.value(spot, value, scope).is_personal();
        }
    }

    /// What a helper refuses whatever the values are, also where no sample comes.
    fn call(&mut self, spot: Spot<'_>, call: &HelperTemplate) {
        let name = call.name.as_name().unwrap_or_default();
        let wants = wanted_parameters(name);
        if call.params.len() < wants {
            let values = if wants == 1 { "a value" } else { "two values" };
            return self.problem(spot, format!("“{name}” wants {values} behind it"));
        }
        if helpers::NAMES.contains(&name)
            && let Some(Parameter::Literal(count)) = call.params.get(1)
            && helpers::count(count).is_none()
        {
            self.problem(spot, format!("“{name}” wants a whole number from 1 behind the text, not {count}"));
        }
    }

    /// The shape of a parameter; a name that does not exist is a problem.
    fn value(&mut self, spot: Spot<'_>, parameter: &'a Parameter, scope: &Scope<'_>) -> Arc<Shape> {
        match parameter {
            Parameter::Subexpression(inner) => {
                if let TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) =
                    inner.as_element()
                {
                    self.helper_name(spot, &call.name);
                    self.parameters(spot, call, scope);
                }
                self.value_silently(parameter, scope)
            }
            Parameter::Literal(_) => Arc::new(Shape::Plain),
            Parameter::Name(name) => self.name(spot, name, scope),
            Parameter::Path(_) => self.name(spot, parameter.as_name().unwrap_or_default(), scope),
            _ => Arc::new(Shape::Unknown),
        }
    }

    fn name(&mut self, spot: Spot<'_>, name: &str, scope: &Scope<'_>) -> Arc<Shape> {
        match resolve(name, scope, &self.root) {
            Ok(shape) => shape,
            Err(similar) => {
                self.problem(spot, unknown_name(name, similar.as_deref()));
                Arc::new(Shape::Plain)
            }
        }
    }

    fn value_silently(&self, parameter: &Parameter, scope: &Scope<'_>) -> Arc<Shape> {
        match parameter {
            Parameter::Literal(_) => Arc::new(Shape::Plain),
            // Comparisons and texts; only `lookup` gives what it was given.
            Parameter::Subexpression(inner) if inner.name() != "lookup" => Arc::new(Shape::Plain),
            Parameter::Subexpression(_) => Arc::new(Shape::Unknown),
            Parameter::Name(_) | Parameter::Path(_) => {
                let name = parameter.as_name().unwrap_or_default();
                resolve(name, scope, &self.root).unwrap_or_else(|_| Arc::new(Shape::Plain))
            }
            _ => Arc::new(Shape::Unknown),
        }
    }

    fn problem(&mut self, spot: Spot<'_>, message: impl Into<String>) {
        let problem = TemplateProblem::new(spot.file, message);
        let problem = if spot.line == 0 { problem } else { problem.at(spot.line, spot.column) };
        if !self.found.problems.contains(&problem) {
            self.found.problems.push(problem);
        }
    }
}

/// How many values a helper needs at least.
fn wanted_parameters(helper: &str) -> usize {
    match helper {
        "if" | "unless" | "each" | "with" | "len" | "not" => 1,
        "lookup" | "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "and" | "or" | "wrap" | "shorten" => 2,
        _ => 0,
    }
}

fn locals(block: &HelperTemplate, member: &Arc<Shape>) -> Vec<(String, Arc<Shape>)> {
    let name = |parameter: &Parameter| parameter.as_name().unwrap_or_default().to_owned();
    match &block.block_param {
        Some(BlockParam::Single(one)) => vec![(name(one), member.clone())],
        Some(BlockParam::Pair((one, index))) => {
            vec![(name(one), member.clone()), (name(index), Arc::new(Shape::Plain))]
        }
        _ => Vec::new(),
    }
}

/// What a path such as `../lead.title`, `this`, `@root.count` or `articles.[0].url` leads to. The error is the whole
/// path with the nearest name in it, if there is one.
fn resolve(path: &str, scope: &Scope<'_>, root: &Arc<Shape>) -> Result<Arc<Shape>, Option<String>> {
    if path.starts_with('@') && !path.starts_with("@root") {
        // `@index`, `@first` and their like.
        return Ok(Arc::new(Shape::Plain));
    }
    let mut here = scope.here.clone();
    let mut at = scope;
    let mut is_first = true;
    for segment in segments(path) {
        match segment {
            "@root" => here = root.clone(),
            "" | "." | "this" => {}
            ".." => match at.parent {
                Some(parent) => {
                    at = parent;
                    here = parent.here.clone();
                }
                None => return Err(None),
            },
            name => {
                let local = if is_first { local(name, scope) } else { None };
                let found = local.map_or_else(|| here.member(name), Ok);
                here = found.map_err(|similar| similar.map(|similar| replace_last(path, name, &similar)))?;
                is_first = false;
            }
        }
    }
    Ok(here)
}

/// A block parameter or a partial's named value, the innermost first.
fn local(name: &str, scope: &Scope<'_>) -> Option<Arc<Shape>> {
    let mut at = Some(scope);
    while let Some(scope) = at {
        if let Some((_, shape)) = scope.locals.iter().find(|(local, _)| local == name) {
            return Some(shape.clone());
        }
        at = scope.parent;
    }
    None
}

fn segments(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (segment, after) = if let Some(raw) = rest.strip_prefix('[') {
            raw.split_once(']').unwrap_or((raw, ""))
        } else if let Some(after) = rest.strip_prefix("..") {
            ("..", after)
        } else {
            rest.split_at(rest.find(['.', '/']).unwrap_or(rest.len()))
        };
        segments.push(segment);
        rest = after.strip_prefix(['.', '/']).unwrap_or(after);
    }
    segments
}

fn replace_last(path: &str, name: &str, by: &str) -> String {
    match path.rfind(name) {
        Some(at) => format!("{}{by}{}", &path[..at], &path[at + name.len()..]),
        None => by.to_owned(),
    }
}
