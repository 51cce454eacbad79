//! Mails that are not an issue: confirmations, welcomes, what editors are told.

use std::sync::Arc;

use crate::db;
use crate::domain::delivery::Next;
use crate::domain::notice::Notice;
use crate::mail::message::Letter;
use crate::pipeline::Error;

use super::super::hold::{Hold, Table};
use super::super::job::{Job, NoticeJob, Written};
use super::super::recorder::Done;
use super::super::{Outbox, cohort, within};
use super::{JobSource, Took, is_of_database};

/// Notices claimed at a time.
pub(super) const NOTICES: i64 = 20;

/// Why a notice cannot be sent.
enum Unsendable {
    /// The database failed, or a row is damaged: it is tried again.
    Now(Error),
    /// The mail itself is at fault.
    Ever(String),
}

impl<E: Into<Error>> From<E> for Unsendable {
    fn from(error: E) -> Self {
        Self::Now(error.into())
    }
}

impl JobSource {
    pub(super) async fn take_notices(&mut self, limit: i64, outbox: &mut Outbox) -> Result<Took, Error> {
        let shared = Arc::clone(&self.shared);
        let claimed = {
            let _gate = shared.claims.claiming().await;
            let claim = async {
                let mut conn = shared.app.db.conn().await?;
                db::notices::claim(&mut conn, &shared.node, shared.app.clock.now(), limit).await
            };
            let notices = within(claim).await?.into_iter();
            let held =
                notices.filter_map(|notice| Some((shared.claims.hold(Table::Notices, notice.id)?, notice)));
            held.collect::<Vec<_>>()
        };
        let took = if claimed.is_empty() { Took::Nothing } else { Took::Some };
        for (hold, notice) in claimed {
            let id = notice.id;
            match self.notice_job(notice, hold).await {
                Ok(job) => outbox.put(Job::Notice(Box::new(job))),
                Err((Unsendable::Now(error), _)) if is_of_database(&error) => return Err(error),
                // It is let go: the lease's keeper gives it back, and meanwhile others go out.
                Err((Unsendable::Now(error), _)) => {
                    tracing::error!(notice = id, %error, "a mail waits until somebody mends this");
                }
                Err((Unsendable::Ever(why), hold)) => {
                    tracing::error!(notice = id, why, "a mail cannot be written");
                    let next = Next::Fail { suppress: false };
                    self.record(Done::Notice { id, next, attempts: 0, detail: why }, hold).await;
                }
            }
        }
        self.flush(outbox).await?;
        Ok(took)
    }

    async fn notice_job(
        &self,
        queued: db::notices::Notice,
        hold: Hold,
    ) -> Result<NoticeJob, (Unsendable, Hold)> {
        match self.write_notice(&queued).await {
            Ok((letter, from, signer)) => Ok(NoticeJob { notice: queued, letter, from, signer, hold }),
            Err(why) => Err((why, hold)),
        }
    }

    async fn write_notice(&self, queued: &db::notices::Notice) -> Result<Written, Unsendable> {
        let app = &self.shared.app;
        let mut conn = app.db.conn().await?;
        if db::suppressions::is_suppressed(&mut conn, &app.key, &queued.email).await? {
            return Err(Unsendable::Ever("the address is on the suppression list".to_owned()));
        }
        let newsletter = db::newsletters::get(&mut conn, queued.newsletter_id)
            .await?
            .ok_or_else(|| Unsendable::Ever("its newsletter is gone".to_owned()))?;
        let from = newsletter.from.address.clone();
        let signer = cohort::signer(&mut conn, from.domain()).await?;
        let notice: Notice =
            serde_json::from_str(&queued.content).map_err(|error| Unsendable::Ever(error.to_string()))?;
        let mail = app.renderer.notice(&notice).map_err(|error| Unsendable::Ever(error.to_string()))?;
        let mut head = cohort::head(&newsletter);
        head.auto_submitted = true;
        Ok((Letter::new(&head, &mail), from, signer.map(Arc::new)))
    }
}
