//! Made-up content: every mail has a sample, and templates are checked with all of them.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::Value;

use super::context::{self, Lines, Room};
use super::{Audience, DigestInput, notice};
use crate::domain::address::EmailAddress;
use crate::domain::article::{AlsoAt, IssueArticle};
use crate::domain::calendar::{Recurrence, Slots, TimeOfDay, Timestamp};
use crate::domain::issue::{Issue, IssueContent, IssueState};
use crate::domain::mail::{HoleValues, Mailbox};
use crate::domain::measuring::Measure;
use crate::domain::newsletter::{Approval, Newsletter, Order, Rules, Schedule};
use crate::domain::notice::{
    Access, CodeUsed, Command, Confirm, ConfirmAddress, Goodbye, IssueNotice, Moved, Notice, Publication,
    Welcome,
};
use crate::domain::topic::{Topic, TopicSet};

/// 2026-11-22T06:00:00Z, a Sunday.
const SLOT: Timestamp = Timestamp::from_millis(1_795_327_200_000);

/// Everything that a digest needs, owned.
#[derive(Clone, Debug)]
pub(super) struct DigestSample {
    pub newsletter: Newsletter,
    pub issue: Issue,
    pub content: IssueContent,
    pub schedule: Schedule,
    pub audience: Audience,
    pub has_pages: bool,
}

impl DigestSample {
    /// An issue with so many articles for readers of `language`; `is_full`: every optional value is there.
    pub fn new(language: &str, articles: usize, is_full: bool) -> Self {
        let topics = topics();
        Self {
            newsletter: newsletter(is_full),
            issue: issue(is_full),
            content: IssueContent {
                articles: (0..articles).map(|index| article(index, is_full, &topics)).collect(),
                topics,
                subject: String::new(),
                preheader: String::new(),
                introduction: if is_full { INTRODUCTION.to_owned() } else { String::new() },
                laid_out: false,
                has_notation: true,
                out: vec![],
            },
            schedule: schedule(),
            audience: Audience {
                topics: TopicSet::EMPTY,
                language: language.to_owned(),
                zone: Tz::Europe__Paris,
                measure: Measure::Nothing,
            },
            has_pages: is_full,
        }
    }

    pub fn input(&self) -> DigestInput<'_> {
        DigestInput {
            newsletter: &self.newsletter,
            issue: &self.issue,
            content: &self.content,
            schedule: self.has_pages.then_some(&self.schedule),
            audience: &self.audience,
            site_url: self.has_pages.then_some("https://news.example/morning-brief"),
            issue_url: self.has_pages.then_some("https://news.example/morning-brief/128"),
            is_public: false,
        }
    }
}

/// A reader.
pub(super) fn reader() -> HoleValues {
    HoleValues {
        name: "Ada Lovelace".to_owned(),
        email: "ada@reader.example".to_owned(),
        unsubscribe_url: "https://news.example/leave/7Qk2mW".to_owned(),
        view_url: "https://news.example/view/7Qk2mW".to_owned(),
        preferences_url: "https://news.example/preferences/7Qk2mW".to_owned(),
        links_url: "https://news.example/c/7Qk2mW/".to_owned(),
        picture_url: "https://news.example/o/7Qk2mW.gif".to_owned(),
    }
}

/// A context in which nothing is missing, for [`super::shape::Shape::of`].
pub(super) fn full_context(mail: &str) -> Value {
    match notice(mail) {
        Some(sample) => notice::notice(&sample),
        None => {
            let mut sample = DigestSample::new("en", 4, true);
            // A list without a member would not tell what its members are.
            let also = sample.content.articles[0].also.clone();
            sample.content.articles.iter_mut().for_each(|article| article.also.clone_from(&also));
            let input = sample.input();
            let articles = context::articles_for(&input);
            let room = Room { articles: 3, summaries: 3 };
            context::digest(&input, &articles, room, &Lines::default(), Some(&reader()))
        }
    }
}

/// The notice of this name with everything in it.
pub(super) fn notice(mail: &str) -> Option<Notice> {
    notice_of(mail, &newsletter(true))
}

/// The same of a newsletter that there is.
pub(super) fn notice_of(mail: &str, of: &Newsletter) -> Option<Notice> {
    let newsletter = Publication::from(of);
    let (language, zone) = (of.language.clone(), of.zone.name().to_owned());
    let issue = |reason: &str, commands: &[(&str, &str)]| IssueNotice {
        newsletter: newsletter.clone(),
        issue_id: 128,
        number: 128,
        slot_at: SLOT,
        zone: zone.clone(),
        subject: "The night train returns and 6 more".to_owned(),
        articles: 7,
        audience: 12_480,
        url: Some("https://news.example/desk/issues/128".to_owned()),
        commands: commands
            .iter()
            .map(|(does, line)| Command { does: (*does).to_owned(), line: (*line).to_owned() })
            .collect(),
        reason: reason.to_owned(),
    };
    let commands =
        [("Look at it", "daybreak issue preview 128"), ("Approve it", "daybreak issue approve 128")];
    Some(match mail {
        "confirm" => Notice::Confirm(Confirm {
            language: language.clone(),
            zone: zone.clone(),
            newsletters: vec![
                newsletter.clone(),
                Publication { name: "The Week in Trains".to_owned(), ..newsletter.clone() },
            ],
            confirm_url: "https://news.example/confirm/7Qk2mW".to_owned(),
            valid_until: Some(SLOT),
        }),
        "welcome" => Notice::Welcome(Welcome {
            language: language.clone(),
            zone: zone.clone(),
            newsletter,
            again: false,
            next_issue: Some(SLOT),
            unsubscribe_url: reader().unsubscribe_url,
            preferences_url: Some(reader().preferences_url),
        }),
        "goodbye" => Notice::Goodbye(Goodbye {
            language: language.clone(),
            newsletter,
            resubscribe_url: Some("https://news.example/morning-brief".to_owned()),
        }),
        "address" => Notice::Address(ConfirmAddress {
            language: language.clone(),
            zone: zone.clone(),
            newsletters: vec![newsletter.clone()],
            newsletter,
            confirm_url: "https://news.example/address/7Qk2mW".to_owned(),
            valid_until: SLOT,
        }),
        "moved" => Notice::Moved(Moved {
            language: language.clone(),
            newsletter,
            preferences_url: "https://news.example/address/7Qk2mW".to_owned(),
            valid_until: Some(SLOT),
            zone: zone.clone(),
        }),
        "ready" => Notice::Ready(issue("It goes out only when an editor approves it.", &commands)),
        "held" => Notice::Held(issue("Held by Grace: the lead's figures are wrong.", &commands)),
        "failed" => Notice::Failed(issue("The relay refused the sender: 550 5.7.1 not allowed.", &commands)),
        "sign_in" => Notice::SignIn(access("sign-in/link", newsletter)),
        "invitation" => Notice::Invitation(access("welcome", newsletter)),
        "recovery_code" => Notice::RecoveryCode(CodeUsed {
            newsletter,
            service: "news.example".to_owned(),
            used_at: SLOT,
            network: "192.0.2.7".to_owned(),
            left: 9,
            url: "https://news.example/account".to_owned(),
        }),
        _ => return None,
    })
}

fn access(path: &str, newsletter: Publication) -> Access {
    Access {
        newsletter,
        service: "news.example".to_owned(),
        url: format!("https://news.example/{path}/7Qk2mW"),
        minutes: 15,
        days: 7,
    }
}

/// The same notice in another language, and with every optional value left out.
pub(super) fn bare_notice(mail: &str, language: &str) -> Option<Notice> {
    let mut notice = notice(mail)?;
    let strip = |newsletter: &mut Publication| {
        newsletter.logo_url = None;
        newsletter.description.clear();
        newsletter.postal_address.clear();
    };
    match &mut notice {
        Notice::Confirm(confirm) => {
            confirm.language = language.to_owned();
            confirm.newsletters.truncate(1);
            confirm.newsletters.iter_mut().for_each(strip);
            confirm.valid_until = None;
        }
        Notice::Welcome(welcome) => {
            welcome.language = language.to_owned();
            strip(&mut welcome.newsletter);
            welcome.next_issue = None;
            welcome.preferences_url = None;
        }
        Notice::Goodbye(goodbye) => {
            goodbye.language = language.to_owned();
            strip(&mut goodbye.newsletter);
            goodbye.resubscribe_url = None;
        }
        Notice::Address(address) => {
            address.language = language.to_owned();
            strip(&mut address.newsletter);
        }
        Notice::Moved(moved) => {
            moved.language = language.to_owned();
            strip(&mut moved.newsletter);
        }
        Notice::Ready(issue) | Notice::Held(issue) | Notice::Failed(issue) => {
            strip(&mut issue.newsletter);
            (issue.number, issue.url) = (0, None);
            issue.commands.clear();
            issue.reason.clear();
        }
        Notice::SignIn(access) | Notice::Invitation(access) => strip(&mut access.newsletter),
        Notice::RecoveryCode(code) => {
            strip(&mut code.newsletter);
            code.network.clear();
        }
    }
    Some(notice)
}

const INTRODUCTION: &str = "Good morning. The night train is back, and the fens are wet again: a day of things that \
                            *return*.\n\nAnd **on Monday** we start an hour earlier; \
                            [how to change your hour](https://news.example/hours?a=1&b=2).";

fn newsletter(is_full: bool) -> Newsletter {
    let address = |text: &str| EmailAddress::parse(text).expect("a made-up address that parses");
    let text = |text: &str| if is_full { text.to_owned() } else { String::new() };
    Newsletter {
        id: 1,
        slug: "morning-brief".to_owned(),
        name: "Morning Brief".to_owned(),
        description: text("Seven stories, before the coffee is cold."),
        from: Mailbox { name: "Morning Brief".to_owned(), address: address("brief@news.example") },
        reply_to: None,
        language: "en".to_owned(),
        zone: Tz::Europe__Paris,
        postal_address: text("Daybreak Press\n1 Quay Street\nHarwich CO12 3HH\nUnited Kingdom"),
        colour: "#B4451F".to_owned(),
        logo_url: is_full.then(|| "https://news.example/logo.png".to_owned()),
        rules: Rules {
            approval: Approval::UnlessHeld,
            min_articles: 1,
            max_articles: 20,
            max_age_hours: None,
            order: Order::Newest,
            match_language: false,
            subject: String::new(),
            preheader: String::new(),
            cutoff_minutes: 30,
            grace_minutes: 120,
            measure: Measure::Nothing,
        },
        editors: Vec::new(),
        is_listed: true,
    }
}

fn issue(is_full: bool) -> Issue {
    Issue {
        id: 128,
        newsletter_id: 1,
        schedule_id: Some(1),
        number: if is_full { 128 } else { 0 },
        slot_at: SLOT,
        edition: 0,
        slot_date: NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day of November"),
        cutoff_at: SLOT.plus_millis(-30 * 60 * 1000),
        moved_from: None,
        state: IssueState::Sending,
        reason: None,
        held: false,
        pauses: 0,
        at_once: false,
        introduction: String::new(),
        subject: None,
        preheader: None,
        edited: false,
        version: 0,
        frozen_at: None,
        measure: Measure::Nothing,
    }
}

fn schedule() -> Schedule {
    Schedule {
        id: 1,
        newsletter_id: 1,
        name: "daily".to_owned(),
        slots: Slots {
            recurrence: Recurrence::DAILY,
            at: TimeOfDay::from_minutes(7 * 60).expect("seven in the morning"),
            zone: Tz::Europe__Paris,
        },
        paused: false,
        starts_at: SLOT,
    }
}

fn topics() -> Vec<Topic> {
    let topic = |(bit, (slug, name)): (u8, (&str, &str))| Topic {
        id: i64::from(bit) + 1,
        slug: slug.to_owned(),
        name: name.to_owned(),
        bit,
    };
    (0..).zip([("world", "World"), ("nature", "Nature"), ("culture", "Culture")]).map(topic).collect()
}

const STORIES: [(&str, &str, &str); 7] = [
    (
        "The night train from Paris to Berlin is back, and it is full until March",
        "Eleven years after the last one left, the sleeper runs again three nights a week. The operator had planned for \
         half of the passengers who came, and is now looking for carriages in four countries.",
        "The Continental",
    ),
    (
        "Rewetting the fens: what twenty winters of higher water have changed",
        "Cranes came first, then the sphagnum. A survey of two thousand hectares finds the peat growing by a millimetre \
         a year, and three farms that make a living from reeds.",
        "Field Notes",
    ),
    (
        "A library that lends silence",
        "In a former bank in Ghent readers book an hour in the vault: no signal, no clock, one chair. The waiting list \
         is six weeks long.",
        "The Reading Room",
    ),
    (
        "Harbour towns agree on a common price for shore power",
        "Forty ports from Bergen to Cádiz will charge ferries the same for a night at the plug. Ship owners had asked \
         for it, environmental groups had not expected it.",
        "Quay & Crane",
    ),
    (
        "Why the swifts left a week early",
        "Ringers in nine countries saw the same thing. The likeliest reason is the simplest one.",
        "Field Notes",
    ),
    (
        "A cookbook in which nothing is weighed",
        "The author measures with cups, hands and patience, and says why most recipes leave out the last of them.",
        "The Reading Room",
    ),
    ("Corrections", "Friday's issue had the wrong bridge in the picture. It was the other one.", ""),
];

fn article(index: usize, is_full: bool, topics: &[Topic]) -> IssueArticle {
    let (headline, summary, source) = STORIES[index % STORIES.len()];
    // The first two under no topic, so that there is a section without a label.
    let topic = index.checked_sub(2).map(|index| &topics[index % topics.len()]);
    let number = i64::try_from(index).unwrap_or(0) + 1;
    IssueArticle {
        id: number,
        headline: headline.to_owned(),
        summary: summary.to_owned(),
        url: (is_full || index.is_multiple_of(2))
            .then(|| format!("https://planet.example/{number}?ref=a&b=c")),
        image_url: is_full.then(|| format!("https://planet.example/{number}.jpg")),
        image_alt: is_full.then(|| "A platform at dusk, and people with suitcases".to_owned()),
        source: if is_full { source.to_owned() } else { String::new() },
        author: is_full.then(|| "Grace Hopper".to_owned()),
        language: is_full.then(|| "en".to_owned()),
        published_at: is_full.then_some(SLOT),
        reading_minutes: if is_full { 4 } else { 0 },
        topics: topic.map_or(TopicSet::EMPTY, |topic| TopicSet::EMPTY.with(topic)),
        also: if is_full && index == 0 {
            vec![AlsoAt { source: "The Daily Planet".to_owned(), url: "https://daily.example/1".to_owned() }]
        } else {
            Vec::new()
        },
        section: None,
    }
}
