//! `daybreak dkim …`.

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use crate::pipeline::signing::{self, Published};
use crate::pipeline::{App, Error};

#[derive(Subcommand, Debug)]
pub enum DkimCommand {
    /// Make keys for the domain of a From address; mail from there is signed from now on
    Add {
        domain: String,
        /// An Ed25519 key beside the RSA key: shorter and faster, and not yet verified everywhere
        #[arg(long)]
        ed25519: bool,
    },
    /// List the keys with their DNS records
    List,
    /// Stop signing with a key
    Remove { domain: String, selector: String },
}

pub async fn run(app: &App, output: Output, command: DkimCommand) -> Result<(), Error> {
    match command {
        DkimCommand::Add { domain, ed25519 } => {
            let keys = signing::add(app, &domain, ed25519).await?;
            output.say("Publish these records, then `daybreak doctor` looks whether they can be seen:\n");
            print(output, &keys);
        }
        DkimCommand::List => print(output, &signing::list(app).await?),
        DkimCommand::Remove { domain, selector } => {
            signing::remove(app, &domain, &selector).await?;
            output
                .say("Removed. Leave its DNS record for a week: mail that is under way is verified with it.");
        }
    }
    Ok(())
}

fn print(output: Output, keys: &[Published]) {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({ "domain": key.domain, "selector": key.selector, "algorithm": key.algorithm, "name": key.name,
                "record": key.record })
        })
        .collect();
    let cells = |row: &serde_json::Value| {
        ["algorithm", "name", "record"].map(|key| row[key].as_str().unwrap_or_default().to_owned()).to_vec()
    };
    let empty = "There is no key yet: daybreak dkim add example.org. A relay that signs for you needs none.";
    output.list(&rows, &["ALGORITHM", "TXT RECORD", "VALUE"], cells, empty);
}
