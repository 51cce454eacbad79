//! What the relays are about, told to who looks at an issue; and the end of trying where every relay refuses us.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::db;
use crate::domain::delivery::without_addresses;
use crate::pipeline::Error;

use super::super::line::Line;
use super::JobSource;

/// What is known of the relays, for who looks at an issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Why nothing goes out, where nothing does.
    waiting: Option<String>,
    /// Relays that will not get better by themselves: a wrong password, a certificate that does not match.
    ours: Vec<String>,
}

/// How often the same state of the relays is noted at most: with issues that have started meanwhile, or once more where
/// that failed.
const REPORT: Duration = Duration::from_secs(1);

/// So many connections in a row, seconds apart, that every relay refuses for a reason of ours pause what is under way.
const REFUSED_CONNECTIONS: u32 = 3;

impl JobSource {
    /// Writes to the issues under way that no relay can be reached, also to those that start meanwhile, and clears it
    /// when one can. What only people can mend, such as a wrong password, is mailed to the editors once.
    pub async fn report_relays(&mut self) {
        let report = self.report();
        if report == Report::default() && self.reported.as_ref().is_some_and(|(known, _)| *known == report) {
            return;
        }
        if self.reporting.as_ref().is_some_and(|(last, at)| *last == report && at.elapsed() < REPORT) {
            return;
        }
        self.reporting = Some((report.clone(), Instant::now()));
        match self.note(&report).await {
            Ok(issues) => self.reported = Some((report, issues)),
            Err(error) => tracing::warn!(%error, "the relays' state cannot be noted"),
        }
    }

    /// Pauses the issues under way where every relay has refused us several times in a row, a wrong password for
    /// instance: that does not get better by itself, and too many tries lock an account.
    pub async fn give_up(&mut self) -> Result<(), Error> {
        let troubles: Option<Vec<_>> = self.shared.lines.iter().map(|line| line.state.trouble()).collect();
        let refused = troubles.filter(|all| {
            all.iter().all(|trouble| trouble.is_ours && trouble.failures >= REFUSED_CONNECTIONS)
        });
        let Some(refused) = refused else {
            self.given_up_at = 0;
            return Ok(());
        };
        let failures = refused.iter().map(|trouble| trouble.failures).sum();
        if failures <= self.given_up_at {
            return Ok(());
        }
        let why: Vec<_> = refused.iter().map(|trouble| trouble.why.as_str()).collect();
        for issue in self.sending().await? {
            let why = format!(
                "no relay takes mail from us: {}; put it right, see `daybreak doctor`, and resume the issue",
                why.join("; ")
            );
            self.stop_issue(issue.id, &why).await?;
        }
        self.given_up_at = failures;
        Ok(())
    }

    fn report(&self) -> Report {
        let (lines, now) = (&self.shared.lines, self.shared.app.clock.now());
        let trouble = |line: &Arc<Line>| {
            let mut trouble = line.state.trouble()?;
            trouble.why = without_addresses(&trouble.why);
            Some((line.relay.url.clone(), trouble))
        };
        let troubles: Vec<_> = lines.iter().filter_map(trouble).collect();
        let used_up = lines.iter().filter(|line| line.limits.is_used_up(now)).count();
        let takes_none =
            lines.iter().all(|line| line.limits.is_used_up(now) || line.state.trouble().is_some());
        let waiting = match (used_up, troubles.first()) {
            _ if !takes_none => None,
            (0, Some((_, trouble))) if lines.len() == 1 => {
                Some(format!("waiting for the relay, and trying again: {}", trouble.why))
            }
            (0, Some((relay, trouble))) => {
                Some(format!("waiting for the relays, and trying again: {relay}: {}", trouble.why))
            }
            (_, Some((relay, trouble))) => Some(format!(
                "waiting: what the relays may be sent today is used up, and {relay} takes nothing ({}); sending goes \
                 on when it does, or at 00:00 UTC",
                trouble.why
            )),
            (_, None) if lines.len() == 1 => Some(
                "waiting: the relay's limit for today is used up; sending goes on at 00:00 UTC, with what is not \
                 stale by then".to_owned(),
            ),
            (_, None) => Some(
                "waiting: the relays' limits for today are used up; sending goes on at 00:00 UTC, with what is not \
                 stale by then".to_owned(),
            ),
        };
        let ours = troubles.iter().filter(|(_, trouble)| trouble.is_ours);
        let ours =
            ours.map(|(relay, trouble)| format!("{relay} takes no mail from us: {}", trouble.why)).collect();
        Report { waiting, ours }
    }

    /// Notes with each issue under way what the relays do, and returns them.
    async fn note(&self, report: &Report) -> Result<Vec<i64>, Error> {
        let issues = self.sending().await?;
        let known = self.reported.as_ref().filter(|(reported, _)| reported == report);
        for issue in &issues {
            if known.is_some_and(|(_, noted)| noted.contains(&issue.id)) {
                continue;
            }
            let mut tx = self.shared.app.db.begin().await?;
            db::issues::set_reason(&mut tx, issue.id, report.waiting.as_deref()).await?;
            if !report.ours.is_empty() {
                let others = format!("{}; other relays carry on", report.ours.join("; "));
                self.tell(&mut tx, issue.id, report.waiting.as_ref().unwrap_or(&others)).await?;
            }
            db::commit(tx).await?;
        }
        Ok(issues.iter().map(|issue| issue.id).collect())
    }
}
