//! An issue on its way out: how it looks, what is wrong with it, a test, the sending itself, its progress, its results.

mod checks;
mod found;
mod live;
mod measured;
mod preview;
mod reaches;
mod results;
mod scheme;
mod send;
mod test_mail;
mod words;

use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;

use self::words::{number, when};
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Approval, Newsletter};
use crate::domain::user::Role;
use crate::pipeline::{App, editors, seen, start};
use crate::web::Error;
use crate::web::auth::SignedIn;

/// Everything below `/desk/issues/{id}` that is about sending it.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/desk/issues/{id}/preview", get(preview::show))
        .route("/desk/issues/{id}/preview/mail", get(preview::mail))
        .route("/desk/issues/{id}/preview/eml", get(preview::eml))
        .route("/desk/issues/{id}/checks", get(checks::show).post(checks::look))
        .route("/desk/issues/{id}/test", get(test_mail::show).post(test_mail::send))
        .route("/desk/issues/{id}/send", get(send::show).post(send::act))
        .route("/desk/issues/{id}/live", get(live::show))
        .route("/desk/issues/{id}/events", get(live::events))
        .route("/desk/issues/{id}/results", get(results::show))
        .layer(Extension(live::Hub::default()))
        .layer(Extension(reaches::Reaches::default()))
}

/// An issue that somebody may look at.
struct Opened {
    issue: Issue,
    newsletter: Newsletter,
    /// The zone that its times are said in.
    zone: chrono_tz::Tz,
    /// When it starts, where an editor sends it now.
    starts_at: Option<Timestamp>,
    now: Timestamp,
    may_edit: bool,
    /// A schedule freezes it at its cutoff; other drafts wait until an editor sends them.
    is_scheduled: bool,
}

impl Opened {
    /// The issue of an address, for those who may what `role` may; `action` is what a refusal is written down as.
    async fn find(app: &App, by: &SignedIn, id: &str, role: Role, action: &str) -> Result<Self, Error> {
        let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
        let mut conn = app.db.conn().await?;
        let issue = editors::find_issue(&mut conn, id).await?;
        let newsletter =
            db::newsletters::get(&mut conn, issue.newsletter_id).await?.ok_or(Error::NotFound)?;
        let schedules = db::newsletters::schedules_of(&mut conn, newsletter.id).await?;
        let starts_at = db::starts::of(&mut conn, id).await?;
        drop(conn);
        by.require(app, role, newsletter.id, action, &start::name_of(&newsletter, &issue)).await?;
        let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
        Ok(Self {
            zone: schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone),
            may_edit: by.user.may(Role::Editor, newsletter.id),
            is_scheduled: schedule.is_some_and(|schedule| !schedule.paused),
            now: app.clock.now(),
            issue,
            newsletter,
            starts_at,
        })
    }

    /// Where a page of this issue is.
    fn path(&self, page: &str) -> String {
        format!("/desk/issues/{}/{page}", self.issue.id)
    }

    /// "today at 07:00 (Europe/Paris)"
    fn when(&self, at: Timestamp) -> String {
        when(at, self.now, self.zone)
    }

    /// When it is skipped for good, where nobody approves it before; none for a draft that waits for an editor.
    fn skipped_at(&self) -> Option<Timestamp> {
        let goes_by_itself = self.is_scheduled || self.issue.state != IssueState::Draft;
        let last = self.issue.slot_at.plus_millis(self.newsletter.rules.grace() * 60_000);
        goes_by_itself.then_some(last)
    }

    /// ", and is skipped for good if nobody does by tomorrow at 13:00 (Europe/Paris)", behind a word of approving.
    fn or_skipped(&self) -> String {
        let last = self.skipped_at();
        last.map_or_else(String::new, |at| {
            format!(", and is skipped for good if nobody does by {}", self.when(at))
        })
    }

    /// What stands around a page of this issue; `here` is that page.
    fn around(&self, here: &str) -> Around {
        let tab =
            |(page, words): (&str, &'static str)| Tab { address: self.path(page), words, here: page == here };
        let has_started = matches!(
            self.issue.state,
            IssueState::Sending | IssueState::Paused | IssueState::Sent | IssueState::Cancelled
        );
        let pages = [("preview", "Preview"), ("checks", "Checks"), ("test", "Test"), ("send", "Send")];
        let mut tabs: Vec<Tab> = pages
            .into_iter()
            .filter(|(page, _)| self.may_edit || !matches!(*page, "test" | "send"))
            .map(tab)
            .collect();
        if has_started {
            tabs.extend([("live", "Live"), ("results", "Results")].map(tab));
        }
        let (state, class) = state_words(&self.issue, self.starts_at);
        Around { id: self.issue.id, name: self.name(), state, class, says: self.says(), tabs }
    }

    /// "Morning Brief, No. 12"
    fn name(&self) -> String {
        match self.issue.number {
            0 => format!("{}, {}", self.newsletter.name, self.issue.slot_date.format("%-d %B")),
            issue_number => format!("{}, No. {}", self.newsletter.name, number(issue_number)),
        }
    }

    /// Where the issue stands, in a sentence.
    fn says(&self) -> String {
        let (issue, slot) = (&self.issue, self.when(self.issue.slot_at));
        let because = issue.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let rule = self.newsletter.rules.approval;
        match issue.state {
            IssueState::Draft | IssueState::Frozen | IssueState::Approved if self.starts_at.is_some() => {
                "It starts in a moment, unless somebody takes it back.".to_owned()
            }
            IssueState::Draft | IssueState::Frozen if issue.held => {
                let or_skipped = self.or_skipped();
                format!(
                    "It does not go out before somebody approves it{because}{or_skipped}. Its time is {slot}."
                )
            }
            IssueState::Draft if !self.is_scheduled => {
                "It is filling, and goes out when an editor approves or sends it.".to_owned()
            }
            IssueState::Draft => {
                let freezes = self.when(issue.cutoff_at);
                // The zone is said once.
                let freezes = freezes.split(" (").next().unwrap_or_default();
                format!("Its content freezes {freezes}; its time is {slot}.")
            }
            IssueState::Frozen if rule == Approval::UnlessHeld => {
                format!("It goes out {slot}, unless somebody holds it.")
            }
            IssueState::Frozen => {
                format!("It waits for somebody to approve it{}; its time is {slot}.", self.or_skipped())
            }
            IssueState::Approved => format!("It goes out {slot}."),
            IssueState::Sending => format!("It is going out{because}."),
            IssueState::Paused => format!("It stands still{because}."),
            IssueState::Sent => format!("It went out; its time was {slot}."),
            IssueState::Cancelled => format!("Its time was {slot}{because}."),
            IssueState::Skipped => format!("Its time was {slot}, and it did not go out{because}."),
        }
    }
}

fn state_words(issue: &Issue, starts_at: Option<Timestamp>) -> (&'static str, &'static str) {
    match seen::state_of(issue, starts_at) {
        "starting" => ("about to start", "warn"),
        "held" => ("held", "warn"),
        "draft" => ("filling", ""),
        "frozen" => ("to approve", "warn"),
        "approved" => ("approved", "good"),
        "sending" => ("sending", "good"),
        "sent" => ("sent", "good"),
        "paused" => ("paused", "warn"),
        "cancelled" => ("cancelled", "bad"),
        _ => ("skipped", "bad"),
    }
}

/// What stands at the head of every page of an issue.
#[derive(Serialize)]
struct Around {
    id: i64,
    name: String,
    state: &'static str,
    class: &'static str,
    says: String,
    tabs: Vec<Tab>,
}

#[derive(Serialize)]
struct Tab {
    address: String,
    words: &'static str,
    here: bool,
}

/// A page of an issue: its own content, with the issue's head as `around`.
#[derive(Serialize)]
struct Page<'p, T> {
    around: Around,
    #[serde(flatten)]
    own: &'p T,
}

/// The fields of an address's query.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn of(query: Option<String>) -> Self {
        let query = query.unwrap_or_default();
        // What a database or a header cannot hold is not looked for.
        let clean = |text: &str| text.replace('\0', "");
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (clean(&name), clean(&value)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(field, value)| field == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect()
    }
}
