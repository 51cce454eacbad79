//! axe-core, which knows what keeps people with disabilities from using a page, run on the page that a browser shows.
//!
//! `tests/run` fetches it, and names it in `TEST_AXE`.

use crate::browser::Browser;

/// Runs it, and hands over what it found as sentences: all of its rules that are not experiments, and that a finger can
/// hit what is to be pressed (24 pixels, WCAG 2.2's 2.5.8). What stands in frames is looked at as pages of their own.
const RUN: &str = r#"
const done = arguments[arguments.length - 1];
const options = { resultTypes: ["violations"], iframes: false, rules: { "target-size": { enabled: true } } };
axe.run(document, options).then(
    (results) => done(results.violations.flatMap((violation) => violation.nodes.map((node) =>
        `${violation.help} (${violation.id}) at ${node.target.join(" ")}: ${node.failureSummary}`))),
    (error) => done([`axe-core failed: ${error}`]),
);"#;

/// What axe-core finds wrong with the page.
pub async fn violations(browser: &Browser) -> Vec<String> {
    let path = std::env::var("TEST_AXE").expect("TEST_AXE names axe-core wherever there is a browser");
    let axe = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // A mail's page stands in a sandbox, in which nothing runs to its end.
    let is_in_sandbox = browser.run("return window.origin").await == "null";
    if is_in_sandbox {
        browser.without_policies(true).await;
    }
    if browser.run("return typeof axe").await == "undefined" {
        browser.run(&axe).await;
    }
    let found = browser.run_to_end(RUN).await;
    if is_in_sandbox {
        browser.without_policies(false).await;
    }
    let found = found.as_array().unwrap_or_else(|| panic!("axe-core answered {found}"));
    found.iter().map(|says| says.as_str().unwrap_or_default().replace('\n', " ")).collect()
}
