//! `daybreak template …`: needs no database.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::Output;
use crate::domain::mail::{HoleValues, escape_html};
use crate::pipeline::Error;
use crate::render::{MAILS, Renderer};

#[derive(Subcommand, Debug)]
pub enum TemplateCommand {
    /// Render every mail with its samples, and say what is wrong with its templates
    Check,
    /// Render one mail with its sample
    Render {
        /// digest, confirm, welcome, goodbye, ready, held or failed
        name: String,
        #[arg(long, default_value = "html")]
        format: Format,
    },
    /// Write the built-in templates into a folder, to start your own from
    Export { folder: PathBuf },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Format {
    Html,
    Text,
}

pub fn run(overrides: Option<&Path>, output: Output, command: TemplateCommand) -> Result<(), Error> {
    match command {
        TemplateCommand::Check => {
            let renderer = Renderer::new(overrides)?;
            let problems = renderer.check();
            if !problems.is_empty() {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return Err(Error::Invalid(lines.join("\ndaybreak: ")));
            }
            output.say(format!("All {} mails render: {}.", MAILS.len(), MAILS.join(", ")));
            for faint in renderer.faint() {
                output.say(format!("Hard to read (WCAG 2.2, 1.4.3): {faint}"));
            }
        }
        TemplateCommand::Render { name, format } => {
            if !MAILS.contains(&name.as_str()) {
                return Err(Error::NotFound(format!(
                    "there is no mail “{name}”: there is {}",
                    MAILS.join(", ")
                )));
            }
            let mail = Renderer::new(overrides)?.render_sample(&name, None)?;
            let values = HoleValues::default();
            match format {
                Format::Html => output.raw(&mail.html.fill(&values, escape_html)),
                Format::Text => output.raw(&mail.text.fill(&values, str::to_owned)),
            }
        }
        TemplateCommand::Export { folder } => {
            let written = Renderer::export(&folder)
                .map_err(|error| Error::Io(format!("the templates cannot be written: {error}")))?;
            output.say(format!(
                "{} files are in {}. Keep those you change, delete the others, and set DAYBREAK_TEMPLATES={}.",
                written.len(),
                folder.display(),
                folder.display()
            ));
        }
    }
    Ok(())
}
