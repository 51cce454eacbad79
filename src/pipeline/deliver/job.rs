//! One message on its way to a connection.

use std::sync::Arc;
use std::time::Instant;

use crate::db::deliveries::{Claimed, Reader};
use crate::db::notices::Notice;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::Timestamp;
use crate::domain::mail::{HoleValues, Mailbox};
use crate::mail::dkim::Signer;
use crate::mail::identity::{Verp, message_id};
use crate::mail::message::{Letter, Recipient};

use super::super::{App, Error, links};
use super::cohort::{Cohort, Edition};
use super::hold::Hold;

/// A claimed message.
#[derive(Debug)]
pub enum Job {
    Delivery(Box<DeliveryJob>),
    Notice(Box<NoticeJob>),
}

impl Job {
    /// The domain of the recipient.
    pub fn domain(&self) -> &str {
        match self {
            Self::Delivery(job) => job.reader.email.domain(),
            Self::Notice(job) => job.notice.email.domain(),
        }
    }

    /// The issue of a delivery.
    pub fn issue_id(&self) -> Option<i64> {
        match self {
            Self::Delivery(job) => Some(job.claimed.issue_id),
            Self::Notice(_) => None,
        }
    }

    /// Whether the relay was given it before.
    pub fn was_tried(&self) -> bool {
        match self {
            Self::Delivery(job) => job.claimed.attempts > 0,
            Self::Notice(job) => job.notice.attempts > 0,
        }
    }
}

#[derive(Debug)]
pub struct DeliveryJob {
    pub claimed: Claimed,
    pub reader: Reader,
    pub edition: Arc<Edition>,
    pub cohort: Arc<Cohort>,
    /// When the reader's row was read.
    pub checked_at: Instant,
    pub hold: Hold,
}

#[derive(Debug)]
pub struct NoticeJob {
    pub notice: Notice,
    pub letter: Letter,
    pub from: EmailAddress,
    pub signer: Option<Arc<Signer>>,
    pub hold: Hold,
}

/// A notice's message, the address that it comes from, and what signs it.
pub type Written = (Letter, EmailAddress, Option<Arc<Signer>>);

/// Where a message goes in the envelope.
#[derive(Debug)]
pub struct Addresses {
    pub from: EmailAddress,
    pub to: EmailAddress,
}

/// The values that fill a reader's holes.
pub fn hole_values(app: &App, reader: &Reader, subscription_id: i64, delivery_id: i64) -> HoleValues {
    HoleValues {
        name: reader.name.clone(),
        email: reader.email.as_str().to_owned(),
        unsubscribe_url: links::unsubscribe(app, subscription_id),
        view_url: links::view(app, delivery_id),
        preferences_url: links::preferences(app, reader.id, &reader.email, reader.moved_at),
        ..HoleValues::default()
    }
}

impl DeliveryJob {
    /// Writes the message into `out`, signed, and returns its envelope.
    pub fn write(
        &self,
        app: &App,
        verp: Option<&Verp>,
        now: Timestamp,
        out: &mut String,
    ) -> Result<Addresses, Error> {
        let from = &self.edition.newsletter.from.address;
        let mut values = hole_values(app, &self.reader, self.claimed.subscription_id, self.claimed.id);
        if self.edition.measure(&self.reader).is_on() {
            let (links_url, picture_url) = links::measured(app, self.claimed.issue_id, self.claimed.id);
            values = HoleValues { links_url, picture_url, ..values };
        }
        let mailbox = Mailbox { name: self.reader.name.clone(), address: self.reader.email.clone() };
        let recipient = Recipient {
            mailbox: &mailbox,
            values: &values,
            message_id: &message_id("d", self.claimed.id, self.edition.issue.slot_at, from.domain()),
            date: now,
            list_unsubscribe: Some(&values.unsubscribe_url),
        };
        match &*self.cohort {
            Cohort::Letter(letter) => letter.write(out, &recipient),
            Cohort::PerReader(audience) => {
                let mail = self.edition.renderer.digest_for(&self.edition.input(audience), &values)?;
                Letter::new(&self.edition.head, &mail).write(out, &recipient);
            }
            Cohort::Nothing => {}
        }
        sign(self.edition.signer.as_ref(), out)?;
        let from = verp.map_or_else(|| from.clone(), |verp| verp.sender(self.claimed.id));
        Ok(Addresses { from, to: mailbox.address })
    }
}

impl NoticeJob {
    /// Writes the message into `out`, signed, and returns its envelope.
    pub fn write(&self, now: Timestamp, out: &mut String) -> Result<Addresses, Error> {
        let mailbox = Mailbox { name: self.notice.name.clone(), address: self.notice.email.clone() };
        let recipient = Recipient {
            mailbox: &mailbox,
            values: &HoleValues::default(),
            message_id: &message_id("n", self.notice.id, self.notice.due_at, self.from.domain()),
            date: now,
            list_unsubscribe: None,
        };
        self.letter.write(out, &recipient);
        sign(self.signer.as_deref(), out)?;
        Ok(Addresses { from: self.from.clone(), to: mailbox.address })
    }
}

fn sign(signer: Option<&Signer>, message: &mut String) -> Result<(), Error> {
    match signer {
        Some(signer) => {
            signer.sign(message).map_err(|why| Error::Invalid(format!("the mail cannot be signed: {why}")))
        }
        None => Ok(()),
    }
}
