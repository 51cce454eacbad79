//! The pages of what the lines of the audit log are about.

use std::collections::HashMap;

use crate::db::audit::Entry;
use crate::db::users;
use crate::db::{Conn, DbError};
use crate::domain::newsletter::Newsletter;

/// Accounts by their address.
pub struct Accounts(HashMap<String, i64>);

/// The address that a line about a user begins with: `ann@example.org: editor`.
fn address(what: &str) -> &str {
    what.split([' ', ':']).next().unwrap_or_default()
}

impl Accounts {
    /// Those that these lines are about.
    pub async fn of(conn: &mut Conn, entries: &[Entry]) -> Result<Self, DbError> {
        let about = entries
            .iter()
            .filter(|entry| entry.action.starts_with("user."))
            .map(|entry| address(&entry.what));
        let mut emails: Vec<&str> = about.filter(|word| word.contains('@')).collect();
        emails.sort_unstable();
        emails.dedup();
        Ok(Self(users::ids_of(conn, &emails).await?.into_iter().collect()))
    }
}

/// The number behind a word that stands at the beginning, or behind the last comma that the word follows:
/// `issue 12 of Brief`, `Brief, issue 12 of 2026-11-22`.
fn number(what: &str, word: &str) -> Option<i64> {
    let rest = match what.strip_prefix(word) {
        Some(rest) => rest,
        None => what.rsplit_once(&format!(", {word}"))?.1,
    };
    let rest = rest.strip_prefix(' ')?;
    let end = rest.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Where the page of what a line is about is; none where it has none, or it was removed.
pub fn href(entry: &Entry, newsletter: Option<&Newsletter>, accounts: &Accounts) -> Option<String> {
    let (action, what) = (entry.action.as_str(), entry.what.as_str());
    let (noun, verb) = action.split_once('.')?;
    let below = |path: &str, word: &str| number(what, word).map(|id| format!("{path}/{id}"));
    match noun {
        _ if verb == "erase" || (verb == "remove" && matches!(noun, "user" | "import" | "source")) => None,
        "issue" => below("/desk/issues", "issue"),
        "article" => newsletter.map(|newsletter| format!("/desk/inbox?newsletter={}", newsletter.slug)),
        "source" => newsletter.map(|newsletter| format!("/desk/sources?newsletter={}", newsletter.slug)),
        "template" if what.split('/').count() == 2 && !what.contains([' ', '?', '#', '%']) => {
            Some(format!("/desk/templates/{what}"))
        }
        "newsletter" | "schedule" | "topic" => {
            newsletter.map(|newsletter| format!("/office/newsletters/{}", newsletter.slug))
        }
        "subscriber" | "subscription" => below("/office/subscribers", "subscriber"),
        "subscribers" => below("/office/bulk", "action"),
        "import" => below("/office/import", "import"),
        "user" => accounts.0.get(address(what)).map(|id| format!("/office/users/{id}")),
        "relay" => Some("/office/relays".to_owned()),
        "dkim" => Some("/office/dkim".to_owned()),
        "segment" => Some("/office/segments".to_owned()),
        "suppression" => Some("/office/suppressions".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Timestamp;

    fn of(action: &str, what: &str) -> Option<String> {
        let entry = Entry {
            id: 1,
            at: Timestamp::from_millis(0),
            user_id: None,
            who: "ann@example.org".to_owned(),
            action: action.to_owned(),
            what: what.to_owned(),
            newsletter_id: None,
            is_denied: false,
            network: String::new(),
        };
        href(&entry, None, &Accounts([("ben@example.org".to_owned(), 7)].into()))
    }

    #[test]
    fn a_line_leads_to_what_it_is_about() {
        for (action, what, href) in [
            ("issue.edit", "issue 12 of Brief, issue 3: the subject", "/desk/issues/12"),
            ("issue.send", "Brief, issue 9, issue 12 of 2026-11-22", "/desk/issues/12"),
            ("subscriber.tag", "subscriber 5: vip", "/office/subscribers/5"),
            ("subscribers.change.undo", "action 4: Tag", "/office/bulk/4"),
            ("import.run", "import 3: people.csv", "/office/import/3"),
            ("user.role", "ben@example.org: editor", "/office/users/7"),
            ("template.save", "digest/body.mjml.hbs", "/desk/templates/digest/body.mjml.hbs"),
            ("relay.test", "smtp://relay", "/office/relays"),
        ] {
            assert_eq!(of(action, what).as_deref(), Some(href), "{action} {what}");
        }
        for (action, what) in [
            ("subscriber.erase", "subscriber 5"),
            ("user.remove", "ben@example.org"),
            ("user.sign_in", "with a password"),
            ("user.role", "gone@example.org: editor"),
            ("issue.start", "an issue of Brief"),
            ("issue.look", "issue 99999999999999999999"),
            ("template.look", "the templates"),
            ("template.look", "//evil.example/x"),
            ("form.send", "/office/users"),
            ("odd", ""),
        ] {
            assert_eq!(of(action, what), None, "{action} {what}");
        }
    }
}
