//! What a newsletter measures of its readers, and which visits are a person's.
//!
//! A mail's links are followed by many programs before a person sees them: filters that look for viruses, previews,
//! proxies that load pictures ahead. What they do is kept apart, so that what is counted are people.

use std::collections::BTreeMap;

use super::calendar::Timestamp;

/// What a newsletter measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Measure {
    #[default]
    Nothing,
    /// Which links are followed.
    Clicks,
    /// That, and whether a mail is opened, as far as a picture in it can tell.
    ClicksAndOpens,
}

impl Measure {
    pub const NAMES: [&str; 3] = ["nothing", "clicks", "clicks-and-opens"];

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "nothing" => Some(Self::Nothing),
            "clicks" => Some(Self::Clicks),
            "clicks-and-opens" => Some(Self::ClicksAndOpens),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Clicks => "clicks",
            Self::ClicksAndOpens => "clicks-and-opens",
        }
    }

    pub fn is_on(self) -> bool {
        self != Self::Nothing
    }

    pub fn has_opens(self) -> bool {
        self == Self::ClicksAndOpens
    }
}

/// The number of the link that nobody sees.
pub const HIDDEN: i64 = 0;
/// What stands for the picture where links have their number.
pub const PICTURE: i64 = -1;
/// What stands for any link at all in what is counted.
pub const ANY_LINK: i64 = 0;

/// Nobody reads a mail this soon after the relay took it, in milliseconds: a filter does, on its way in.
const TOO_SOON: i64 = 5_000;
/// Nobody follows two links of a mail within this time, in milliseconds.
const AT_ONCE: i64 = 2_000;
/// Whoever follows the hidden link follows the others about then, in milliseconds.
const SAME_MOMENT: i64 = 10_000;

/// What a request tells of who makes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asking<'r> {
    pub is_head: bool,
    pub user_agent: &'r str,
    /// `Sec-Purpose`, `Purpose`, `X-Purpose` and `X-Moz`, whichever there are.
    pub purpose: &'r str,
}

/// What names a program in its `User-Agent`, in small letters: filters of mail, previews of links, libraries.
const PROGRAMS: [&str; 36] = [
    "apache-httpclient",
    "axios/",
    "barracuda",
    "bitdefender",
    "cloudmark",
    "crawler",
    "curl/",
    "facebookexternalhit",
    "fireeye",
    "forcepoint",
    "go-http-client",
    "headless",
    "java/",
    "libwww-perl",
    "linkcheck",
    "mimecast",
    "monitor",
    "node-fetch",
    "okhttp",
    "phantomjs",
    "preview",
    "proofpoint",
    "python",
    "reqwest",
    "safebrowsing",
    "safelinks",
    "scanner",
    "sophos",
    "spamassassin",
    "spider",
    "symantec",
    "trendmicro",
    "urldefense",
    "wget/",
    "whatsapp/",
    "zscaler",
];

/// Whether a request says of itself that no person waits for the answer.
pub fn is_program(asking: Asking<'_>) -> bool {
    let agent = asking.user_agent.trim().to_lowercase();
    let purpose = asking.purpose.to_lowercase();
    // `CUBOT` makes telephones.
    let is_bot = |word: &str| word.ends_with("bot") && word != "cubot";
    asking.is_head
        || purpose.contains("prefetch")
        || purpose.contains("preview")
        || purpose.contains("prerender")
        // Apple's mail program loads every picture through a proxy that says no more, whether or not the mail is opened.
        || matches!(agent.as_str(), "" | "mozilla/5.0")
        || PROGRAMS.iter().any(|program| agent.contains(program))
        || agent.split(|character: char| !character.is_alphanumeric()).any(is_bot)
}

/// One visit to a link of a mail, or to its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The link's number, [`HIDDEN`] or [`PICTURE`].
    pub link: i64,
    /// When a person was there first; where only programs were, the last time.
    pub at: Timestamp,
    pub by_program: bool,
}

/// Adds a visit to what is known of a mail that the relay took at `sent_at`: each link once, a person's visit before a
/// program's. What a visit tells about those before it is put right.
pub fn add(known: &mut Vec<Visit>, mut visit: Visit, sent_at: Timestamp) {
    let apart = |other: &Visit| (other.at.millis() - visit.at.millis()).abs();
    let is_link = |visit: &Visit| visit.link > HIDDEN;
    let (is_hidden, follows) = (visit.link == HIDDEN, is_link(&visit));
    // Every other visit that belongs to the same run of a program.
    let same_run = |other: &Visit| match (is_hidden, follows) {
        (true, _) => is_link(other) && apart(other) <= SAME_MOMENT,
        (_, true) if other.link == HIDDEN => apart(other) <= SAME_MOMENT,
        (_, true) => is_link(other) && other.link != visit.link && apart(other) <= AT_ONCE,
        _ => false,
    };
    let is_run = known.iter().any(same_run);
    for other in known.iter_mut().filter(|other| same_run(other)) {
        other.by_program = true;
    }
    let too_soon = visit.at < sent_at.plus_millis(TOO_SOON);
    visit.by_program |= is_hidden || is_run || too_soon;
    match known.iter_mut().find(|one| one.link == visit.link) {
        None => known.push(visit),
        Some(one) if one.by_program => *one = visit,
        Some(_) => {}
    }
}

/// For each link of a mail, for [`PICTURE`] and for [`ANY_LINK`]: 1 for a person or 1 for programs alone, where any were
/// there.
pub fn counts(known: &[Visit]) -> BTreeMap<i64, (i64, i64)> {
    let mut counts = BTreeMap::new();
    let mut note = |link: i64, by_program: bool| {
        let count = counts.entry(link).or_insert((0, 1));
        if !by_program {
            *count = (1, 0);
        }
    };
    for visit in known.iter().filter(|visit| visit.link != HIDDEN) {
        note(visit.link, visit.by_program);
        if visit.link != PICTURE {
            note(ANY_LINK, visit.by_program);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                          Version/18.0 Mobile/15E148 Safari/604.1";
    const GMAIL: &str =
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";

    #[test]
    fn programs_are_known_by_what_they_say() {
        for (agent, purpose, expected) in [
            (SAFARI, "", false),
            (GMAIL, "", false),
            ("YahooMailProxy; https://help.yahoo.com/", "", false),
            ("Mozilla/5.0 (Linux; Android 7.0; CUBOT X18) Chrome/120.0 Mobile", "", false),
            ("Microsoft Office/16.0 (Microsoft Outlook 16.0; Pro)", "", false),
            ("Mozilla/5.0", "", true),
            ("", "", true),
            ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "", true),
            ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "", true),
            ("BarracudaCentral/1.0", "", true),
            ("Mozilla/5.0 (X11) HeadlessChrome/129.0", "", true),
            ("curl/8.5.0", "", true),
            ("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", "", true),
            (SAFARI, "prefetch;prerender", true),
            (SAFARI, "Preview", true),
        ] {
            let asking = Asking { is_head: false, user_agent: agent, purpose };
            assert_eq!(is_program(asking), expected, "{agent} {purpose}");
        }
        assert!(is_program(Asking { is_head: true, user_agent: SAFARI, purpose: "" }));
    }

    /// What is on record after these visits (link, seconds after the relay took it, whether a program says so).
    fn after(visits: &[(i64, f64, bool)]) -> Vec<(i64, bool)> {
        let sent_at = Timestamp::from_millis(1_000_000);
        let mut known = vec![];
        for (link, seconds, by_program) in visits {
            let at = sent_at.plus_millis((seconds * 1000.0) as i64);
            add(&mut known, Visit { link: *link, at, by_program: *by_program }, sent_at);
        }
        known.sort_by_key(|visit| visit.link);
        known.iter().map(|visit| (visit.link, visit.by_program)).collect()
    }

    #[test]
    fn what_programs_follow_is_not_a_persons() {
        // A person follows two links in their time, and comes back.
        assert_eq!(after(&[(1, 60.0, false), (2, 90.0, false), (1, 200.0, false)]), [(1, false), (2, false)]);
        // Before anybody can have read it.
        assert_eq!(after(&[(1, 4.9, false)]), [(1, true)]);
        assert_eq!(after(&[(1, 5.0, false)]), [(1, false)]);
        assert_eq!(after(&[(PICTURE, 1.0, false)]), [(PICTURE, true)]);
        // Several at once, in any order.
        assert_eq!(after(&[(1, 60.0, false), (2, 61.9, false)]), [(1, true), (2, true)]);
        assert_eq!(after(&[(2, 61.9, false), (1, 60.0, false)]), [(1, true), (2, true)]);
        assert_eq!(after(&[(1, 60.0, false), (2, 62.1, false)]), [(1, false), (2, false)]);
        // The same link twice is a double click.
        assert_eq!(after(&[(1, 60.0, false), (1, 60.5, false)]), [(1, false)]);
        // Opening a mail and following a link go together.
        assert_eq!(after(&[(PICTURE, 60.0, false), (1, 60.5, false)]), [(PICTURE, false), (1, false)]);
        // The link that nobody sees tells on those around it, before and behind.
        assert_eq!(
            after(&[(1, 60.0, false), (HIDDEN, 64.0, false), (2, 70.0, false), (3, 300.0, false)]),
            [(HIDDEN, true), (1, true), (2, true), (3, false)]
        );
        // A person who comes behind a program counts, and stays where a program comes behind them.
        assert_eq!(after(&[(1, 1.0, true), (1, 600.0, false), (1, 900.0, true)]), [(1, false)]);
        assert_eq!(
            after(&[(1, 600.0, false), (1, 900.0, false), (2, 900.1, false)]),
            [(1, false), (2, false)]
        );
    }

    #[test]
    fn a_mail_counts_once_for_each_link_and_once_for_all() {
        let at = Timestamp::from_millis(0);
        let visit = |link, by_program| Visit { link, at, by_program };
        let known = [visit(1, true), visit(2, false), visit(HIDDEN, true), visit(PICTURE, false)];
        let expected = [(PICTURE, (1, 0)), (ANY_LINK, (1, 0)), (1, (0, 1)), (2, (1, 0))];
        assert_eq!(counts(&known), BTreeMap::from(expected));
        assert!(counts(&[visit(HIDDEN, true)]).is_empty());
    }
}
