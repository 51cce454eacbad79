//! `daybreak user …`.

use std::io::Read as _;

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use crate::db::{self, newsletters};
use crate::domain::address::EmailAddress;
use crate::domain::user::Role;
use crate::pipeline::accounts::{self, Actor, INVITATION_DAYS, NewUser, Roles};
use crate::pipeline::{App, Error, editors};

#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Give somebody an account, and print the link by which they choose their password
    Add {
        email: String,
        /// viewer looks, editor composes and sends, admin manages everything
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// Only for this newsletter (may be given several times); for all of them unless given
        #[arg(long, value_name = "SLUG")]
        newsletter: Vec<String>,
        #[arg(long, default_value = "")]
        name: String,
        /// Mail them the link, too
        #[arg(long)]
        mail: bool,
    },
    /// List the accounts
    List,
    /// Print a link by which somebody chooses a new password, or read the password from standard input
    Password {
        email: String,
        /// Read the new password from standard input (its first line)
        #[arg(long, conflicts_with = "mail")]
        stdin: bool,
        /// Mail them the link, too
        #[arg(long)]
        mail: bool,
        /// Remove the second factor, for an admin who lost their phone
        #[arg(long)]
        remove_second_factor: bool,
    },
    /// Let somebody in no more, and end all of their sessions
    Disable { email: String },
    /// Let somebody in again
    Enable { email: String },
    /// Remove an account for good, and end all of its sessions; what they did stays in the audit log
    Remove { email: String },
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "write viewer, editor or admin".to_owned())
}

pub async fn run(app: &App, output: Output, command: UserCommand) -> Result<(), Error> {
    let by = Actor::command_line();
    match command {
        UserCommand::Add { email, role, newsletter, name, mail } => {
            let new = NewUser { email: parse(&email)?, name, roles: roles(app, role, &newsletter).await? };
            let invited = accounts::invite(app, &by, &new, mail).await?;
            tell(output, new.email.as_str(), &invited, mail);
        }
        UserCommand::List => list(app, output).await?,
        UserCommand::Password { email, stdin, mail, remove_second_factor } => {
            let email = parse(&email)?;
            let id = find(app, &email).await?;
            if remove_second_factor {
                accounts::remove_second_factor(app, &by, id).await?;
            }
            if stdin {
                accounts::set_password(app, &by, id, &read_password()?).await?;
                output.say(format!(
                    "The password of {email} is changed, and all of their sessions have ended."
                ));
            } else {
                let invited = accounts::invite_again(app, &by, id, mail).await?;
                tell(output, email.as_str(), &invited, mail);
            }
        }
        UserCommand::Disable { email } => {
            let email = parse(&email)?;
            accounts::disable(app, &by, find(app, &email).await?).await?;
            output.say(format!("{email} is signed out everywhere and is let in no more."));
        }
        UserCommand::Enable { email } => {
            let email = parse(&email)?;
            accounts::enable(app, &by, find(app, &email).await?).await?;
            output.say(format!("{email} can sign in again."));
        }
        UserCommand::Remove { email } => {
            let email = parse(&email)?;
            accounts::remove(app, &by, find(app, &email).await?).await?;
            output.say(format!("The account of {email} is removed. What they did stays in the audit log."));
        }
    }
    Ok(())
}

fn parse(email: &str) -> Result<EmailAddress, Error> {
    EmailAddress::parse(email).map_err(Error::Invalid)
}

async fn find(app: &App, email: &EmailAddress) -> Result<i64, Error> {
    Ok(accounts::find_by_email(&mut *app.db.conn().await?, email).await?.user.id)
}

async fn roles(app: &App, role: Role, slugs: &[String]) -> Result<Roles, Error> {
    if slugs.is_empty() {
        return Ok(Roles { everywhere: Some(role), newsletters: vec![] });
    }
    let mut conn = app.db.conn().await?;
    let mut roles = Roles::default();
    for slug in slugs {
        roles.newsletters.push((editors::find_newsletter(&mut conn, slug).await?.id, role));
    }
    Ok(roles)
}

/// The first line of standard input.
fn read_password() -> Result<String, Error> {
    let mut text = String::new();
    let read = std::io::stdin().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| Error::Io(format!("standard input cannot be read: {error}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn tell(output: Output, email: &str, invited: &accounts::Invited, mail: bool) {
    output.one(&json!({ "email": email, "link": invited.url, "mailed": invited.is_mailed }), &[]);
    output.say(format!(
        "{email} chooses a password here; the link works once, for {INVITATION_DAYS} days:\n{}",
        invited.url
    ));
    match (mail, invited.is_mailed) {
        (true, true) => output.say("It goes to them by mail, too, once `daybreak serve` runs."),
        (true, false) => {
            output.say("It was not mailed: there is no newsletter yet whose address it could come from.")
        }
        _ => {}
    }
}

async fn list(app: &App, output: Output) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    let all = newsletters::list(&mut conn).await?;
    let mut rows = vec![];
    let mut after = String::new();
    loop {
        let page = db::users::list(&mut conn, &after, 500).await?;
        let Some(last) = page.last() else { break };
        after = last.user.email.to_string();
        for account in &page {
            let of = |(id, role): &(i64, Role)| {
                let newsletter = all.iter().find(|newsletter| newsletter.id == *id)?;
                Some(json!({ "newsletter": newsletter.slug, "role": role.as_str() }))
            };
            rows.push(json!({
                "email": account.user.email.as_str(),
                "name": account.user.name,
                "role": account.user.role.map(Role::as_str),
                "newsletters": account.user.newsletters.iter().filter_map(of).collect::<Vec<_>>(),
                "password": account.password_hash.is_some(),
                "second_factor": account.totp_secret.is_some(),
                "disabled": account.is_disabled,
                "seen_at": account.seen_at,
            }));
        }
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let cells = |row: &serde_json::Value| {
        let own = row["newsletters"].as_array().into_iter().flatten();
        let own = own.map(|own| format!("{} of {}", text(&own["role"]), text(&own["newsletter"])));
        let role =
            row["role"].as_str().map(str::to_owned).into_iter().chain(own).collect::<Vec<_>>().join(", ");
        let state = match (row["disabled"] == true, row["password"] == true) {
            (true, _) => "disabled",
            (false, true) => "active",
            (false, false) => "no password yet",
        };
        vec![text(&row["email"]), text(&row["name"]), role, state.to_owned()]
    };
    let empty = "Nobody can sign in yet: `daybreak serve` prints a link that makes the first admin.";
    output.list(&rows, &["ADDRESS", "NAME", "MAY", "STATE"], cells, empty);
    Ok(())
}
