//! Addresses that a newsletter can choose not to take: those of a role, and those that are thrown away.
//!
//! Both are decided by the address alone, and so tell nobody who is subscribed.

use std::path::Path;

use crate::config::Settings;
use crate::domain::address::EmailAddress;

/// Names before the @ that stand for a task and not for a person (RFC 2142, and what has become usual since).
const ROLES: [&str; 30] = [
    "abuse",
    "accounts",
    "admin",
    "administrator",
    "all",
    "billing",
    "contact",
    "everyone",
    "ftp",
    "help",
    "hostmaster",
    "info",
    "it",
    "jobs",
    "list",
    "mailer-daemon",
    "marketing",
    "news",
    "no-reply",
    "noc",
    "noreply",
    "office",
    "postmaster",
    "privacy",
    "root",
    "sales",
    "security",
    "staff",
    "support",
    "webmaster",
];

/// Services that give out addresses for minutes: the best known, for who has no list.
const DISPOSABLE: [&str; 24] = [
    "10minutemail.com",
    "33mail.com",
    "dispostable.com",
    "fakeinbox.com",
    "getnada.com",
    "grr.la",
    "guerrillamail.com",
    "guerrillamail.info",
    "guerrillamail.net",
    "guerrillamail.org",
    "mailcatch.com",
    "maildrop.cc",
    "mailinator.com",
    "mailnesia.com",
    "mintemail.com",
    "moakt.com",
    "sharklasers.com",
    "spamgourmet.com",
    "temp-mail.org",
    "tempmail.com",
    "tempr.email",
    "throwawaymail.com",
    "trashmail.com",
    "yopmail.com",
];

/// The largest list of domains that is read, in bytes.
const MAX_LIST: u64 = 16 * 1024 * 1024;

/// Why an address is not taken, as a sentence for whoever typed it; none: it is.
pub async fn why_not(settings: &Settings, email: &EmailAddress) -> Option<String> {
    if settings.refuse_role_addresses && is_role(email) {
        return Some(format!(
            "“{email}” is an address that several people read: use one that is yours alone, for instance \
             ann@{}",
            email.domain()
        ));
    }
    if settings.refuse_disposable && is_disposable(settings, email.domain()).await {
        return Some(format!(
            "“{}” gives out addresses for a short time: use one that you will still read next month",
            email.domain()
        ));
    }
    None
}

fn is_role(email: &EmailAddress) -> bool {
    // What stands behind a plus sign is a note of the owner's.
    let name = email.local().split('+').next().unwrap_or_default();
    ROLES.contains(&name)
}

/// Whether a domain, or one above it, is on the list. The file is read each time, so that it can be kept up to date
/// while the service runs.
async fn is_disposable(settings: &Settings, domain: &str) -> bool {
    let listed = match &settings.disposable_domains {
        None => None,
        Some(path) => match read(path).await {
            Ok(text) => Some(text),
            Err(why) => {
                tracing::error!(why, "the built-in list of domains is used instead");
                None
            }
        },
    };
    let Some(text) = listed else { return DISPOSABLE.iter().any(|one| is_or_is_below(domain, one)) };
    let mut lines = text.lines().map(|line| line.trim().trim_start_matches("*."));
    lines.any(|line| {
        !line.is_empty() && !line.starts_with('#') && is_or_is_below(domain, &line.to_lowercase())
    })
}

fn is_or_is_below(domain: &str, one: &str) -> bool {
    domain.strip_suffix(one).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

async fn read(path: &Path) -> Result<String, String> {
    let wrong = |why: String| format!("DAYBREAK_DISPOSABLE_DOMAINS: {} {why}", path.display());
    let about = tokio::fs::metadata(path).await.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if about.len() > MAX_LIST {
        return Err(wrong("is larger than 16 MB: it is to hold one domain on each line".to_owned()));
    }
    let bytes = tokio::fs::read(path).await.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the list of domains once, at the start, so that a wrong path is noticed then.
///
/// # Errors
/// A sentence that names the file.
pub async fn check_list(settings: &Settings) -> Result<(), String> {
    match settings.disposable_domains.as_deref().filter(|_| settings.refuse_disposable) {
        Some(path) => read(path).await.map(|_| ()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_on_the_list_with_what_is_below_it() {
        for (domain, is) in
            [("yopmail.com", true), ("a.yopmail.com", true), ("notyopmail.com", false), ("com", false)]
        {
            assert_eq!(DISPOSABLE.iter().any(|one| is_or_is_below(domain, one)), is, "{domain}");
        }
    }

    #[test]
    fn a_role_is_told_from_a_person() {
        let is = |text: &str| is_role(&EmailAddress::parse(text).unwrap());
        assert!(is("Info@example.org") && is("no-reply+x@example.org"));
        assert!(!is("ann@example.org") && !is("info.ann@example.org"));
    }
}
