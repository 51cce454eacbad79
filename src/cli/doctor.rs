//! `daybreak doctor`.

use serde_json::json;

use super::output::Output;
use crate::pipeline::doctor::{self, State};
use crate::pipeline::{App, Error};

/// Prints what was found and what to do; fails where something is bad.
pub async fn run(app: &App, output: Output) -> Result<(), Error> {
    let findings = doctor::examine(app).await?;
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({ "about": finding.about, "state": finding.state.word(), "says": finding.says, "to_do": finding.to_do })
        })
        .collect();
    if output.json {
        output.list(&rows, &[], |_| vec![], "");
    }
    for finding in &findings {
        output.say(format!("{:<8} {:<15} {}", finding.state.word(), finding.about, finding.says));
        if let Some(to_do) = &finding.to_do {
            output.say(format!("{:<24} → {to_do}", ""));
        }
    }
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    match bad {
        0 => Ok(()),
        _ => Err(Error::Invalid(format!(
            "{bad} of {} must be put right before mail can go out",
            findings.len()
        ))),
    }
}
