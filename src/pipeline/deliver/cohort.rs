//! What an issue's messages have in common, rendered and encoded once for each cohort.

use std::collections::HashMap;
use std::sync::Arc;

use crate::db::deliveries::Reader;
use crate::db::dkim::DkimKey;
use crate::db::{self, Conn};
use crate::domain::calendar::{Timestamp, parse_zone};
use crate::domain::delivery::issue_lasts;
use crate::domain::issue::{Issue, IssueContent};
use crate::domain::mail::Mailbox;
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Newsletter, Schedule};
use crate::domain::topic::TopicSet;
use crate::mail::dkim::{self, Signer};
use crate::mail::message::{Letter, ListHead, MailHead};
use crate::render::{Audience, Digest, DigestInput, RenderError, Renderer};

use super::super::{App, Error, links};

/// The most cohorts kept at a time, some 40 KB each. Deliveries are written in the order of their cohorts, so that
/// even far more of them are rendered about once.
const MOST_COHORTS: usize = 256;

/// One issue with everything that its messages need.
#[derive(Debug)]
pub struct Edition {
    pub newsletter: Newsletter,
    pub issue: Issue,
    pub content: IssueContent,
    pub schedule: Option<Schedule>,
    pub head: MailHead,
    pub signer: Option<Signer>,
    /// The templates as they were when it was loaded: one issue is one mail, also where an editor saves others meanwhile.
    pub renderer: Renderer,
    /// How long after it was due it is worth sending, in milliseconds.
    lasts: i64,
    site_url: String,
    /// Its public page; none before it has a number.
    issue_url: Option<String>,
    /// It is rendered for that page.
    pub is_public: bool,
    /// Every topic that an article of the issue has.
    topics: TopicSet,
}

impl Edition {
    /// Loads an issue with its newsletter; a draft's content is empty.
    pub async fn load(app: &App, conn: &mut Conn, issue_id: i64) -> Result<Self, Error> {
        let issue = super::super::editors::find_issue(conn, issue_id).await?;
        let content = db::issues::content(conn, issue_id).await?.unwrap_or_default();
        let newsletter = db::newsletters::get(conn, issue.newsletter_id)
            .await?
            .ok_or_else(|| Error::NotFound(format!("issue {issue_id} has no newsletter")))?;
        let schedules = db::newsletters::schedules_of(conn, newsletter.id).await?;
        let schedule = schedules.into_iter().find(|schedule| Some(schedule.id) == issue.schedule_id);
        let signer = signer(conn, newsletter.from.address.domain()).await?;
        Ok(Self::new(app, newsletter, issue, content, schedule, signer))
    }

    pub fn new(
        app: &App,
        newsletter: Newsletter,
        issue: Issue,
        content: IssueContent,
        schedule: Option<Schedule>,
        signer: Option<Signer>,
    ) -> Self {
        let site_url = links::subscribe(app, &newsletter.slug);
        let issue_url = (issue.number > 0).then(|| links::issue(app, &newsletter.slug, issue.number));
        let mut head = head(&newsletter);
        head.list = Some(ListHead {
            name: newsletter.name.clone(),
            id: format!("{}.{}", newsletter.slug, newsletter.from.address.domain()),
            help_url: Some(site_url.clone()),
        });
        head.feedback_id = Some(format!("{}:{}:digest:daybreak", issue.id, newsletter.slug));
        let topics = content.articles.iter().fold(TopicSet::EMPTY, |all, article| all.union(article.topics));
        let lasts = issue_lasts(issue.slot_at, schedule.as_ref().map(|schedule| &schedule.slots));
        let renderer = app.renderer.as_it_is();
        Self {
            newsletter,
            issue,
            content,
            schedule,
            head,
            signer,
            renderer,
            lasts,
            site_url,
            issue_url,
            is_public: false,
            topics,
        }
    }

    /// From when on a mail that was due then is worth nothing.
    pub fn stale(&self, due: Timestamp) -> Timestamp {
        due.plus_millis(self.lasts)
    }

    pub fn input<'a>(&'a self, audience: &'a Audience) -> DigestInput<'a> {
        DigestInput {
            newsletter: &self.newsletter,
            issue: &self.issue,
            content: &self.content,
            schedule: self.schedule.as_ref(),
            audience,
            site_url: Some(&self.site_url),
            issue_url: self.issue_url.as_deref(),
            is_public: self.is_public,
        }
    }

    /// Who a reader shares their digest with. Topics that the issue has nothing about make no difference.
    ///
    /// What is looked at is never measured; see [`Edition::audience_sent`].
    pub fn audience(&self, reader: &Reader) -> Audience {
        let there = reader.topics.intersection(self.topics);
        let topics = match (there.is_empty(), there == self.topics) {
            (true, _) => reader.topics,
            // Who chose every topic of the issue gets what those get who chose none.
            (false, true) => TopicSet::EMPTY,
            (false, false) => there,
        };
        Audience {
            topics,
            language: reader.language.clone().unwrap_or_else(|| self.newsletter.language.clone()),
            zone: reader
                .timezone
                .as_deref()
                .and_then(|name| parse_zone(name).ok())
                .unwrap_or_else(|| self.default_zone()),
            measure: Measure::Nothing,
        }
    }

    /// The same for the mail that is sent.
    pub fn audience_sent(&self, reader: &Reader) -> Audience {
        Audience { measure: self.measure(reader), ..self.audience(reader) }
    }

    /// What is measured of a reader.
    pub fn measure(&self, reader: &Reader) -> Measure {
        if reader.unmeasured { Measure::Nothing } else { self.issue.measure }
    }

    /// Who shares the digest with readers who told nothing about themselves.
    pub fn default_audience(&self) -> Audience {
        Audience {
            topics: TopicSet::EMPTY,
            language: self.newsletter.language.clone(),
            zone: self.default_zone(),
            measure: Measure::Nothing,
        }
    }

    fn default_zone(&self) -> chrono_tz::Tz {
        self.schedule.as_ref().map_or(self.newsletter.zone, |schedule| schedule.slots.zone)
    }
}

/// The headers that all mails of a newsletter share.
pub fn head(newsletter: &Newsletter) -> MailHead {
    MailHead {
        from: newsletter.from.clone(),
        reply_to: newsletter.reply_to.clone().map(|address| Mailbox { name: String::new(), address }),
        list: None,
        feedback_id: None,
        auto_submitted: false,
    }
}

/// What signs mail from `domain`, where it has keys that sign.
pub async fn signer(conn: &mut Conn, domain: &str) -> Result<Option<Signer>, Error> {
    signer_with(conn, domain, |key| key.signs_since.is_some()).await
}

/// What signs with those of a domain's keys, where there are any.
pub async fn signer_with(
    conn: &mut Conn,
    domain: &str,
    is_wanted: impl Fn(&DkimKey) -> bool,
) -> Result<Option<Signer>, Error> {
    let mut keys = vec![];
    let all = db::dkim::list(conn).await?;
    for key in all.into_iter().filter(|key| key.domain == domain && is_wanted(key)) {
        let signing = dkim::SigningKey::from_pem(&key.private_key).map_err(|why| {
            Error::Invalid(format!("the DKIM key {}._domainkey.{domain}: {why}", key.selector))
        })?;
        keys.push((key.selector, signing));
    }
    Ok((!keys.is_empty()).then(|| Signer::new(domain, keys)))
}

/// What a cohort gets.
#[derive(Debug)]
pub enum Cohort {
    Letter(Letter),
    /// The templates decide by the reader's own values: each mail is rendered by itself.
    PerReader(Audience),
    /// Nothing in the issue is for them.
    Nothing,
}

/// The cohorts of the issues that are going out.
#[derive(Debug, Default)]
pub struct Cohorts {
    editions: HashMap<i64, Arc<Edition>>,
    cohorts: HashMap<(i64, Audience), (Arc<Cohort>, u64)>,
    uses: u64,
}

impl Cohorts {
    pub async fn edition(
        &mut self,
        app: &App,
        conn: &mut Conn,
        issue_id: i64,
    ) -> Result<Arc<Edition>, Error> {
        if let Some(edition) = self.editions.get(&issue_id) {
            return Ok(Arc::clone(edition));
        }
        let edition = Arc::new(Edition::load(app, conn, issue_id).await?);
        self.editions.insert(issue_id, Arc::clone(&edition));
        Ok(edition)
    }

    /// The mail of a cohort, rendered on first use.
    pub fn cohort(&mut self, edition: &Edition, audience: Audience) -> Result<Arc<Cohort>, RenderError> {
        self.uses += 1;
        let key = (edition.issue.id, audience);
        if let Some((cohort, used)) = self.cohorts.get_mut(&key) {
            *used = self.uses;
            return Ok(Arc::clone(cohort));
        }
        let cohort = match edition.renderer.digest(&edition.input(&key.1)) {
            Ok(Digest::Cohort(mail)) => Cohort::Letter(Letter::new(&edition.head, &mail)),
            Ok(Digest::PerReader) => Cohort::PerReader(key.1.clone()),
            Err(RenderError::NoArticles) => Cohort::Nothing,
            Err(error) => return Err(error),
        };
        if self.cohorts.len() >= MOST_COHORTS {
            self.forget_half();
        }
        let cohort = Arc::new(cohort);
        self.cohorts.insert(key, (Arc::clone(&cohort), self.uses));
        Ok(cohort)
    }

    /// Drops the half that was used longest ago.
    fn forget_half(&mut self) {
        let mut ages: Vec<u64> = self.cohorts.values().map(|(_, used)| *used).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied().unwrap_or(0);
        self.cohorts.retain(|_, (_, used)| *used > middle);
    }

    /// Forgets all issues but these.
    pub fn keep(&mut self, issue_ids: &[i64]) {
        self.editions.retain(|id, _| issue_ids.contains(id));
        self.cohorts.retain(|(id, _), _| issue_ids.contains(id));
    }
}
