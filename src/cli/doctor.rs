//! `daybreak doctor`.

use serde_json::json;

use super::output::Output;
use crate::pipeline::doctor::{self, State};
use crate::pipeline::{App, Error};

/// Prints what was found; fails where something is bad.
pub async fn run(app: &App, output: Output) -> Result<(), Error> {
    let findings = doctor::examine(app).await?;
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| json!({ "about": finding.about, "state": finding.state.word(), "says": finding.says }))
        .collect();
    let cells = |row: &serde_json::Value| {
        ["state", "about", "says"].map(|key| row[key].as_str().unwrap_or_default().to_owned()).to_vec()
    };
    output.list(&rows, &["STATE", "ABOUT", ""], cells, "");
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    match bad {
        0 => Ok(()),
        _ => Err(Error::Invalid(format!(
            "{bad} of {} must be put right before mail can go out",
            findings.len()
        ))),
    }
}
