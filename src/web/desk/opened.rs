//! An issue that somebody opened, and the head that all of its pages share: its name, where it stands, what comes next,
//! and a tab for each page.

use serde::Serialize;

use super::starting::Starting;
use super::words::{self, State};
use crate::db;
use crate::domain::calendar::Timestamp;
use crate::domain::issue::{Issue, IssueState};
use crate::domain::newsletter::{Approval, Newsletter};
use crate::domain::user::Role;
use crate::pipeline::seen::Seen;
use crate::pipeline::{App, editors, start};
use crate::web::Error;
use crate::web::auth::SignedIn;
use crate::web::words::zone_name;

/// An issue that somebody may look at.
pub struct Opened {
    pub issue: Issue,
    pub newsletter: Newsletter,
    /// The zone that its times are said in.
    pub zone: chrono_tz::Tz,
    /// The zone of the pages that list it.
    lists_zone: chrono_tz::Tz,
    /// Its schedule's name, where the newsletter has several.
    schedule: Option<String>,
    /// When it starts, where an editor sends it now.
    pub starts_at: Option<Timestamp>,
    pub now: Timestamp,
    pub may_edit: bool,
    /// A schedule freezes it at its cutoff; other drafts wait until an editor sends them.
    pub is_scheduled: bool,
}

impl Opened {
    /// The issue of an address, for those who may what `role` may; `action` is what a refusal is written down as.
    pub async fn find(app: &App, by: &SignedIn, id: &str, role: Role, action: &str) -> Result<Self, Error> {
        let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
        let issue = editors::find_issue(&mut *app.db.conn().await?, id).await?;
        let opened = Self::of(app, by, issue).await?;
        let what = start::name_of(&opened.newsletter, &opened.issue);
        by.require(app, role, opened.newsletter.id, action, &what).await?;
        Ok(opened)
    }

    /// An issue that they may look at.
    pub async fn of(app: &App, by: &SignedIn, issue: Issue) -> Result<Self, Error> {
        let mut conn = app.db.conn().await?;
        let newsletter =
            db::newsletters::get(&mut conn, issue.newsletter_id).await?.ok_or(Error::NotFound)?;
        let mut schedules = db::newsletters::schedules(&mut conn).await?;
        let starts_at = db::starts::of(&mut conn, issue.id).await?;
        let all = db::newsletters::list(&mut conn).await?;
        let seen = all.iter().filter(|newsletter| by.user.may(Role::Viewer, newsletter.id));
        let lists_zone = words::lists_zone(seen, &schedules);
        schedules.retain(|schedule| schedule.newsletter_id == newsletter.id);
        drop(conn);
        let schedule = schedules.iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
        Ok(Self {
            zone: schedule.map_or(newsletter.zone, |schedule| schedule.slots.zone),
            lists_zone,
            schedule: schedule.filter(|_| schedules.len() > 1).map(|schedule| schedule.name.clone()),
            may_edit: by.user.may(Role::Editor, newsletter.id),
            is_scheduled: schedule.is_some_and(|schedule| !schedule.paused),
            now: app.clock.now(),
            issue,
            newsletter,
            starts_at,
        })
    }

    /// Where a page of this issue is; the issue itself for none.
    pub fn path(&self, page: &str) -> String {
        match page {
            "" => format!("/desk/issues/{}", self.issue.id),
            page => format!("/desk/issues/{}/{page}", self.issue.id),
        }
    }

    /// "today at 07:00 (Europe/Paris)"; with the date, where lists are in another zone.
    pub fn when(&self, at: Timestamp) -> String {
        let date = words::date_elsewhere(at, self.now, self.zone, self.lists_zone);
        let date = date.map(|date| format!(", {date}")).unwrap_or_default();
        format!("{} ({}{date})", words::when(at, self.now, self.zone), zone_name(self.zone))
    }

    /// The same behind "until" or "before": "Saturday at 07:00 (Europe/Paris)".
    pub fn limit(&self, at: Timestamp) -> String {
        let when = self.when(at);
        when.strip_prefix("on ").unwrap_or(&when).to_owned()
    }

    /// The day of its schedule whose one issue it is, whenever it goes out: "Tuesday, 24 November". None for one that is
    /// not its schedule's, or is an extra edition.
    pub fn day(&self) -> Option<String> {
        let is_regular = self.issue.schedule_id.is_some() && self.issue.edition == 0;
        is_regular.then(|| self.issue.slot_date.format("%A, %-d %B").to_string())
    }

    /// Whether it can be edited as it stands.
    pub fn is_open(&self) -> bool {
        self.issue.may_change(self.newsletter.rules.approval) && self.starts_at.is_none()
    }

    /// When it is skipped for good, where nobody approves it before; none for a draft that waits for an editor.
    fn skipped_at(&self) -> Option<Timestamp> {
        let goes_by_itself = self.is_scheduled || self.issue.state != IssueState::Draft;
        let last = self.issue.slot_at.plus_millis(self.newsletter.rules.grace() * 60_000);
        goes_by_itself.then_some(last)
    }

    /// ", and is skipped for good if nobody does until tomorrow at 13:00 (Europe/Paris)", behind a word of approving.
    pub fn or_skipped(&self) -> String {
        let last = self.skipped_at();
        last.map_or_else(String::new, |at| {
            format!(", and is skipped for good if nobody does until {}", self.limit(at))
        })
    }

    /// "Tomorrow’s Morning Brief (weekly), No. 12"
    pub fn name(&self) -> String {
        let schedule = self.schedule.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let number = match self.issue.number {
            0 => String::new(),
            number => format!(", No. {}", words::number(number)),
        };
        let whose = words::whose(self.issue.slot_at, self.now, self.zone);
        format!("{whose} {}{schedule}{number}", self.newsletter.name)
    }

    /// What taking its approval back does; none where that cannot be.
    pub fn revise(&self) -> Option<Revise> {
        let (heading, button, held) = match self.issue.state {
            _ if self.is_open() || self.starts_at.is_some() || !self.may_edit => return None,
            IssueState::Approved => (
                "Edit it after all",
                "Take the approval back and edit",
                "It is held, and its content can be changed. It goes out only once somebody approves it anew",
            ),
            IssueState::Frozen => (
                "Edit it after all",
                "Hold it and edit",
                "It is held, and its content can be changed. It goes out only once somebody approves it",
            ),
            _ => return None,
        };
        let held = format!("{held}{}.", self.or_skipped());
        let time = match self.issue.slot_at > self.now {
            true => format!(
                "Its time stays {}. Approved later than that, it goes out at once.",
                self.when(self.issue.slot_at)
            ),
            false => "Its time has come: it goes out as soon as it is approved.".to_owned(),
        };
        let saw = Seen::state_alone(&self.issue, self.starts_at).to_string();
        Some(Revise { id: self.issue.id, heading, says: vec![held, time], button, saw })
    }

    /// What stands at the head of a page of this issue; `here` is that page.
    pub fn head(&self, here: &str) -> Head {
        let has_started = matches!(
            self.issue.state,
            IssueState::Sending | IssueState::Paused | IssueState::Sent | IssueState::Cancelled
        );
        let own = if self.may_edit && self.is_open() { "Edit" } else { "Issue" };
        let is_shown = |page: &str| match page {
            "test" | "send" => self.may_edit,
            "live" | "results" => has_started || page == here,
            _ => true,
        };
        let pages = [
            ("", own),
            ("preview", "Preview"),
            ("checks", "Checks"),
            ("test", "Test"),
            ("send", "Send"),
            ("live", "Live"),
            ("results", "Results"),
        ];
        let tab = |(page, words)| Tab { address: self.path(page), words, here: page == here };
        let next = match self.issue.state {
            _ if self.starts_at.is_some() => None,
            IssueState::Draft | IssueState::Frozen if self.may_edit => Some(("send", "Approve or send")),
            IssueState::Approved if self.may_edit => Some(("send", "Hold or send now")),
            IssueState::Sending => Some(("live", "Watch it go out")),
            IssueState::Paused => Some(("live", "See how far it is")),
            IssueState::Sent => Some(("results", "See its results")),
            _ => None,
        };
        let may_move = match self.issue.state {
            _ if !self.may_edit || self.starts_at.is_some() || here == "send" => false,
            IssueState::Draft => self.issue.schedule_id.is_some(),
            IssueState::Frozen | IssueState::Approved => true,
            _ => false,
        };
        // The page that sends shows it with its readers.
        let starting = self.starts_at.filter(|_| here != "send").map(|at| {
            let back = if here.is_empty() { "issue" } else { "" };
            let then = if here.is_empty() { self.path("live") } else { String::new() };
            Starting::of(&self.issue, at, self.now, self.zone, self.may_edit, back, then)
        });
        Head {
            id: self.issue.id,
            title: self.name(),
            newsletter: self.newsletter.name.clone(),
            newsletter_slug: self.newsletter.slug.clone(),
            state: words::state_at(&self.issue, self.starts_at),
            says: self.says(),
            move_to: may_move.then(|| format!("{}#do-move", self.path("send"))),
            next: next
                .filter(|(page, _)| *page != here)
                .map(|(page, words)| Next { href: self.path(page), words }),
            tabs: pages.into_iter().filter(|(page, _)| is_shown(page)).map(tab).collect(),
            starting,
        }
    }

    /// Where the issue stands, in a sentence or two.
    pub fn says(&self) -> String {
        let (issue, slot) = (&self.issue, self.when(self.issue.slot_at));
        let because = issue.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let froze = match issue.frozen_at {
            Some(at) => format!("It froze {}", words::when(at, self.now, self.zone)),
            None => "It never froze".to_owned(),
        };
        let or_skipped = self.or_skipped();
        match issue.state {
            IssueState::Draft | IssueState::Frozen | IssueState::Approved if self.starts_at.is_some() => {
                "It starts in a moment, unless somebody takes it back.".to_owned()
            }
            IssueState::Draft | IssueState::Frozen if issue.held => {
                format!(
                    "It does not go out before somebody approves it{because}{or_skipped}. Its time is {slot}."
                )
            }
            IssueState::Draft if !self.is_scheduled => {
                "It is filling, and goes out when an editor approves or sends it.".to_owned()
            }
            IssueState::Draft => {
                let freezes = words::when(issue.cutoff_at, self.now, self.zone);
                format!("Its content freezes {freezes}; its time is {slot}.")
            }
            IssueState::Frozen => match self.newsletter.rules.approval {
                Approval::UnlessHeld => format!("{froze} and goes out {slot}, unless somebody holds it."),
                Approval::Required => format!(
                    "{froze}, can be edited, and waits for somebody to approve it{or_skipped}. Its time is {slot}."
                ),
                Approval::Automatic => format!("{froze} and goes out {slot}."),
            },
            IssueState::Approved => format!("{froze} and no longer changes. It goes out {slot}."),
            IssueState::Sending => format!("It is going out{because}. {froze} and no longer changes."),
            IssueState::Paused => format!("It stands still{because}. {froze} and no longer changes."),
            IssueState::Sent => format!("It went out; its time was {slot}."),
            IssueState::Cancelled => format!("Its time was {slot}{because}."),
            IssueState::Skipped => format!("Its time was {slot}, and it did not go out{because}."),
        }
    }
}

/// Taking an approval back, with what it does and its button.
#[derive(Serialize)]
pub struct Revise {
    id: i64,
    pub heading: &'static str,
    pub says: Vec<String>,
    pub button: &'static str,
    saw: String,
}

/// What stands at the head of every page of an issue.
#[derive(Serialize)]
pub struct Head {
    id: i64,
    pub title: String,
    newsletter: String,
    newsletter_slug: String,
    state: State,
    says: String,
    /// Where it is given another time, while it has not gone out.
    move_to: Option<String>,
    /// Where it is sent, or watched.
    next: Option<Next>,
    tabs: Vec<Tab>,
    starting: Option<Starting>,
}

impl Head {
    /// On a page that holds what somebody typed: nothing leads away from it.
    pub fn staying(mut self) -> Self {
        self.starting.iter_mut().for_each(Starting::stay);
        self
    }
}

#[derive(Serialize)]
struct Next {
    href: String,
    words: &'static str,
}

#[derive(Serialize)]
struct Tab {
    address: String,
    words: &'static str,
    here: bool,
}
