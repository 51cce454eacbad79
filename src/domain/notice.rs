//! Mails that are not a digest: to subscribers about their subscription, and to editors about an issue.
//!
//! A notice is queued as JSON, so a field may be added (with a default) but not renamed.

use serde::{Deserialize, Serialize};

use super::calendar::Timestamp;
use super::newsletter::Newsletter;

/// One mail to one person, with everything that its templates print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// Asks whether the owner of an address wants one or several newsletters.
    Confirm(Confirm),
    Welcome(Welcome),
    Goodbye(Goodbye),
    /// Asks the owner of a new address whether a reader's mails are to go there.
    Address(ConfirmAddress),
    /// Tells the address before that they go elsewhere now.
    Moved(Moved),
    /// An issue waits for approval.
    Ready(IssueNotice),
    /// An issue does not go out because an editor held it.
    Held(IssueNotice),
    /// An issue could not be sent, or not to everybody.
    Failed(IssueNotice),
    /// To a user who asked to sign in by mail.
    SignIn(Access),
    /// To somebody who was given an account.
    Invitation(Access),
    /// To a user one of whose recovery codes was used.
    RecoveryCode(CodeUsed),
}

impl Notice {
    /// The folder of its templates, and its `kind` in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confirm(_) => "confirm",
            Self::Welcome(_) => "welcome",
            Self::Goodbye(_) => "goodbye",
            Self::Address(_) => "address",
            Self::Moved(_) => "moved",
            Self::Ready(_) => "ready",
            Self::Held(_) => "held",
            Self::Failed(_) => "failed",
            Self::SignIn(_) => "sign_in",
            Self::Invitation(_) => "invitation",
            Self::RecoveryCode(_) => "recovery_code",
        }
    }

    /// As it is queued.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and lists always become JSON")
    }

    /// BCP 47 tag: the language that it is written in.
    pub fn language(&self) -> &str {
        match self {
            Self::Confirm(confirm) => &confirm.language,
            Self::Welcome(welcome) => &welcome.language,
            Self::Goodbye(goodbye) => &goodbye.language,
            Self::Address(address) => &address.language,
            Self::Moved(moved) => &moved.language,
            // What users read (the desk, the command line) is English, and these mails quote it.
            Self::Ready(_)
            | Self::Held(_)
            | Self::Failed(_)
            | Self::SignIn(_)
            | Self::Invitation(_)
            | Self::RecoveryCode(_) => "en",
        }
    }
}

/// What a mail says of the newsletter that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub name: String,
    pub slug: String,
    pub description: String,
    /// `#rrggbb`
    pub colour: String,
    pub logo_url: Option<String>,
    pub postal_address: String,
    /// The address that the newsletter is sent from.
    pub from: String,
}

impl From<&Newsletter> for Publication {
    fn from(newsletter: &Newsletter) -> Self {
        Self {
            name: newsletter.name.clone(),
            slug: newsletter.slug.clone(),
            description: newsletter.description.clone(),
            colour: newsletter.colour.clone(),
            logo_url: newsletter.logo_url.clone(),
            postal_address: newsletter.postal_address.clone(),
            from: newsletter.from.address.as_str().to_owned(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    pub language: String,
    /// IANA name; an unknown one reads as UTC.
    pub zone: String,
    /// What the address was given for: at least one.
    pub newsletters: Vec<Publication>,
    /// The page with the button that confirms all of them.
    pub confirm_url: String,
    pub valid_until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub language: String,
    /// IANA name; an unknown one reads as UTC.
    pub zone: String,
    pub newsletter: Publication,
    /// They get it already, and signed up again or asked for the links.
    #[serde(default)]
    pub again: bool,
    /// The slot of the reader's first issue, where a schedule tells it.
    pub next_issue: Option<Timestamp>,
    pub unsubscribe_url: String,
    /// The page on which the reader changes what comes; none in a mail that was queued before there was one.
    #[serde(default)]
    pub preferences_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    pub language: String,
    pub newsletter: Publication,
    pub resubscribe_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmAddress {
    pub language: String,
    /// IANA name; an unknown one reads as UTC.
    pub zone: String,
    /// One of those that the reader gets: the mail comes from it.
    pub newsletter: Publication,
    /// All that the reader gets; empty in a mail that was queued before they were named.
    #[serde(default)]
    pub newsletters: Vec<Publication>,
    /// The page with the button that changes the address.
    pub confirm_url: String,
    pub valid_until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub language: String,
    /// One of those that the reader gets: the mail comes from it.
    pub newsletter: Publication,
    /// Where whoever did not ask for it takes the address back; empty where it was just taken back.
    pub preferences_url: String,
    /// How long they can, and in which zone that is said (see [`ConfirmAddress::zone`]); none where they cannot.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    #[serde(default)]
    pub zone: String,
}

/// What an editor is told about an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueNotice {
    pub newsletter: Publication,
    pub issue_id: i64,
    /// 0 where the issue has none yet.
    pub number: i64,
    pub slot_at: Timestamp,
    /// The schedule's zone, an IANA name; an unknown one reads as UTC.
    pub zone: String,
    /// The subject as readers will see it.
    pub subject: String,
    /// How many articles the issue holds.
    pub articles: u64,
    /// How many readers it is for.
    pub audience: u64,
    /// The issue on the editors' desk, where it has an address.
    pub url: Option<String>,
    /// What to type where there is no desk, for instance `daybreak issue approve 12`.
    pub commands: Vec<Command>,
    /// Why it is held or failed; empty where nothing is wrong.
    pub reason: String,
}

/// A link that lets somebody into the desk, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Whose address the mail comes from.
    pub newsletter: Publication,
    /// The host that the desk is at, for instance `news.example.org`.
    pub service: String,
    pub url: String,
    /// How long a link that signs in works.
    pub minutes: i64,
    /// How long an invitation can be taken.
    pub days: i64,
}

/// What the owner of an account is told of a recovery code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeUsed {
    /// Whose address the mail comes from.
    pub newsletter: Publication,
    /// The host that the desk is at, for instance `news.example.org`.
    pub service: String,
    pub used_at: Timestamp,
    /// Where it was used from; may be empty.
    pub network: String,
    /// How many codes they have since.
    pub left: i64,
    /// Their account on the desk.
    pub url: String,
}

/// A line for the command line, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// For instance "Approve it".
    pub does: String,
    pub line: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_comes_back_from_json_as_it_was() {
        let notice = Notice::Goodbye(Goodbye {
            language: "fr".into(),
            newsletter: Publication { name: "L’Aube".into(), ..Publication::default() },
            resubscribe_url: None,
        });
        let json = serde_json::to_string(&notice).unwrap();
        assert!(json.contains(r#""kind":"goodbye""#), "{json}");
        assert_eq!(serde_json::from_str::<Notice>(&json).unwrap(), notice);
    }
}
