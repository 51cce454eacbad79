//! The half minute before an issue goes out: how long it lasts, and the button that takes it back, wherever the issue
//! is shown.

use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::calendar::Timestamp;
use crate::domain::issue::Issue;
use crate::pipeline::seen::Seen;
use crate::web::words::zone_name;

/// An issue that is about to go out.
#[derive(Serialize)]
pub struct Starting {
    id: i64,
    seconds: i64,
    /// Milliseconds until then, for the script.
    millis: i64,
    /// "10:00:30 Europe/Paris"
    at: String,
    /// What was seen, as the form sends it.
    saw: String,
    may_take_back: bool,
    /// It is taken back in another tab: this one holds what somebody typed.
    elsewhere: bool,
    /// The page to come back to.
    back: &'static str,
    /// Where the script leads when the time is over; empty: it stays.
    then: String,
    live: String,
}

impl Starting {
    pub fn of(
        issue: &Issue,
        starts_at: Timestamp,
        now: Timestamp,
        zone: Tz,
        may_take_back: bool,
        back: &'static str,
        then: String,
    ) -> Self {
        let millis = (starts_at.millis() - now.millis()).max(0);
        Self {
            id: issue.id,
            seconds: (millis + 999) / 1000,
            millis,
            at: format!("{} {}", starts_at.in_zone(zone).format("%H:%M:%S"), zone_name(zone)),
            saw: Seen::state_alone(issue, Some(starts_at)).to_string(),
            may_take_back,
            elsewhere: false,
            back,
            then,
            live: format!("/desk/issues/{}/live", issue.id),
        }
    }

    /// On a page that holds what somebody typed: nothing leads away from it.
    pub fn stay(&mut self) {
        self.elsewhere = std::mem::take(&mut self.may_take_back);
        self.then.clear();
    }
}
