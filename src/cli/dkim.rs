//! `daybreak dkim …`.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::output::Output;
use crate::pipeline::accounts::Actor;
use crate::pipeline::signing::{self, Algorithm, Published};
use crate::pipeline::{App, Error};

#[derive(Subcommand, Debug)]
pub enum DkimCommand {
    /// Make a key for the domain of a From address, and print its DNS record; it signs once that is published
    ///
    /// The private key stays in the database and is never printed. The running service asks DNS for the record every
    /// five minutes, and signs from the moment it is there, until the key is removed: to change keys, add the new one,
    /// publish its record, and remove the old one once `daybreak dkim list` says that the new one signs.
    Add {
        domain: String,
        /// What to sign with: every receiver verifies RSA (2,048 bits); Ed25519 is faster, and beside RSA it does no harm
        #[arg(long, default_value = "rsa")]
        algorithm: Choice,
        /// The key's name in DNS: made of the date unless given; of both, it gets -rsa and -ed25519 at its end
        #[arg(long, value_name = "NAME")]
        selector: Option<String>,
    },
    /// List the keys with their DNS records; the private keys are never shown
    List,
    /// Sign with a key from now on, whether its record was seen in DNS or not
    Sign { domain: String, selector: String },
    /// Stop signing with a key
    Remove { domain: String, selector: String },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Choice {
    Rsa,
    Ed25519,
    Both,
}

impl Choice {
    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[Algorithm::Rsa],
            Self::Ed25519 => &[Algorithm::Ed25519],
            Self::Both => &[Algorithm::Rsa, Algorithm::Ed25519],
        }
    }
}

pub async fn run(app: &App, output: Output, command: DkimCommand) -> Result<(), Error> {
    match command {
        DkimCommand::Add { domain, algorithm, selector } => {
            let keys = signing::add(
                app,
                &Actor::command_line(),
                &domain,
                algorithm.algorithms(),
                selector.as_deref(),
            )
            .await?;
            print(output, &keys);
            output.say(
                "Publish this: mail is signed with it once the running service has seen it in DNS, for which it asks \
                 every five minutes; `daybreak dkim sign` does not wait for that.",
            );
            output.say(kept(app));
        }
        DkimCommand::List => {
            let keys = signing::list(app).await?;
            print(output, &keys);
            if !keys.is_empty() {
                output.say(kept(app));
            }
        }
        DkimCommand::Sign { domain, selector } => {
            signing::sign_now(app, &Actor::command_line(), &domain, &selector).await?;
            output.say(format!(
                "Mail from {domain} is signed with {selector} from now on; `daybreak doctor` looks whether the world can \
                 verify that."
            ));
        }
        DkimCommand::Remove { domain, selector } => {
            let left = signing::remove(app, &Actor::command_line(), &domain, &selector).await?;
            output
                .say("Removed. Leave its DNS record for a week: mail that is under way is verified with it.");
            if left == 0 {
                output.say(format!("Mail from {domain} is no longer signed here."));
            }
        }
    }
    Ok(())
}

/// Who can read the private keys.
fn kept(app: &App) -> String {
    let Some(file) = app.db.file() else {
        return "The private keys lie in the database: whoever may read its table dkim_keys has them."
            .to_owned();
    };
    match app.db.exposed_files().as_slice() {
        [] => format!(
            "The private keys lie in {}, which its owner alone can read; keep its backups like that too.",
            file.display()
        ),
        [exposed, ..] => format!(
            "The private keys lie in {0}, and others than its owner may read them: chmod 600 {0}",
            exposed.display()
        ),
    }
}

fn print(output: Output, keys: &[Published]) {
    if output.json || keys.is_empty() {
        let rows: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({ "domain": key.domain, "selector": key.selector, "algorithm": key.algorithm,
                    "made": key.made.to_string(), "signs_since": key.signs_since.map(|at| at.to_string()), "name": key.name, "record": key.record, "zone": key.zone_line })
            })
            .collect();
        let empty =
            "There is no key yet: daybreak dkim add example.org. A relay that signs for you needs none.";
        return output.list(&rows, &[], |_| vec![], empty);
    }
    for key in keys {
        let state = key
            .signs_since
            .map_or("waits for its record in DNS".to_owned(), |at| format!("signs since {at}"));
        output.say(format!("{}, {}, made {}, {state}", key.domain, key.algorithm, key.made));
        output.say(format!("  TXT record  {}", key.name));
        output.say(format!("  value       {}", key.record));
        output.say(format!("  zone file   {}\n", key.zone_line));
    }
}
