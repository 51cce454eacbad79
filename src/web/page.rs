//! Pages from the embedded templates. Strict: a name that a page does not have is an error that a test finds.

use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use handlebars::{
    Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderError, RenderErrorReason,
};
use serde::Serialize;

use super::{Error, assets};

/// The templates in `templates/web`, by their path there without the extension.
const TEMPLATES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/web_templates.rs"));

static PAGES: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut pages = Handlebars::new();
    pages.set_strict_mode(true);
    pages.register_helper("asset", Box::new(write_asset));
    for (name, template) in TEMPLATES {
        pages.register_template_string(name, template).expect("the embedded templates are tested");
    }
    pages
});

/// `{{asset "daybreak.css"}}`: the address of an embedded file.
fn write_asset(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let name = helper.param(0).and_then(|param| param.value().as_str()).unwrap_or_default();
    let address = assets::address(name).ok_or_else(|| {
        RenderError::from(RenderErrorReason::Other(format!("there is no embedded file “{name}”")))
    })?;
    out.write(&address)?;
    Ok(())
}

/// Renders a page; its context has a `title`.
pub fn render(name: &str, context: &impl Serialize) -> Result<String, Error> {
    PAGES.render(name, context).map_err(|error| Error::Page(error.to_string()))
}

/// A page as an answer.
pub fn page(status: StatusCode, name: &str, context: &impl Serialize) -> Result<Response, Error> {
    let html = render(name, context)?;
    Ok((status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}
