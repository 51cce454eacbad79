//! What the list of subscribers shows.

use serde::Serialize;

use super::Reach;
use super::suppressions::reason_words;
use super::words::{When, counted, grouped, since, when};
use crate::db::directory::{Counted, Person, PersonTie, State, Walked};
use crate::db::{self, Conn};
use crate::domain::calendar::Timestamp;
use crate::domain::newsletter::Newsletter;
use crate::domain::subscription::SubscriptionStatus;
use crate::pipeline::directory::{Asked, Problem, Wanted};
use crate::web::Error;

/// Whom a filter has found.
pub struct Found {
    pub wanted: Wanted,
    pub walked: Walked,
    pub counted: Counted,
    /// How many stand before this page, at least.
    pub seen: u64,
    pub rows: Vec<Person>,
    /// How many there are in all, where that was counted before, and when.
    pub total: Option<(u64, Timestamp)>,
}

/// Whether everybody on the page is ticked, and the address of the page on which it is the other way.
pub struct Ticked {
    pub is_all: bool,
    pub other_href: String,
}

impl Ticked {
    /// Reads it from the page's own query.
    pub fn of(query: &str) -> Self {
        let fields = || url::form_urlencoded::parse(query.as_bytes());
        let is_all = fields().any(|(name, value)| name == "ticked" && value == "all");
        let mut other = url::form_urlencoded::Serializer::new(String::new());
        other.extend_pairs(fields().filter(|(name, _)| name != "ticked"));
        if !is_all {
            other.append_pair("ticked", "all");
        }
        Self { is_all, other_href: format!("/office/subscribers?{}", other.finish()) }
    }
}

/// A choice of a list in a form.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    pub value: String,
    pub words: String,
    pub chosen: bool,
}

/// How somebody stands with a newsletter.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The class of its colour.
    pub class: &'static str,
    pub words: String,
    pub since: Option<When>,
}

#[derive(Serialize)]
struct Row {
    id: i64,
    href: String,
    title: String,
    /// The address, where the title is a name.
    email: Option<String>,
    standings: Vec<Standing>,
    tags: Vec<String>,
    joined: When,
    last_digest: Option<When>,
}

#[derive(Serialize)]
struct SegmentLink {
    name: String,
    href: String,
    here: bool,
}

#[derive(Serialize)]
pub struct View {
    asked: Asked,
    /// The filter as it stands in an address.
    filter: String,
    is_filtered: bool,
    /// Nobody is here at all.
    is_empty_house: bool,
    /// Not of some newsletters alone.
    is_whole: bool,
    newsletters: Vec<Choice>,
    states: Vec<Choice>,
    topics: Vec<Choice>,
    schedules: Vec<Choice>,
    tags: Vec<Choice>,
    segments: Vec<SegmentLink>,
    problems: Vec<Problem>,
    people: Vec<Row>,
    /// Every person of the page is ticked; and the page on which it is the other way.
    is_ticked: bool,
    tick_href: String,
    kinds: Vec<Choice>,
    how_many: String,
    /// When they were counted, where that was a while ago.
    counted: Option<When>,
    /// What to say where the search was not brought to its end.
    cut: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    order: &'static str,
    newer_words: &'static str,
    older_words: &'static str,
}

pub fn state_words(state: State) -> &'static str {
    match state {
        State::Active => "Active",
        State::Pending => "Not confirmed",
        State::Unsubscribed => "Left",
        State::Paused => "Paused",
        State::Suppressed => "Suppressed",
    }
}

/// A count of people that never says less than stands on the page and on those before it.
fn at_least(counted: Counted, shown: u64) -> Counted {
    match counted.is_more {
        true => Counted { people: counted.people.max(shown), ..counted },
        false => counted,
    }
}

/// What was counted within it is as it is now.
const MINUTE: i64 = 60 * 1000;

/// How many, as exactly as it was counted; none where nothing is known but that there may be some.
pub fn how_many(counted_people: Counted, most: u64) -> Option<String> {
    let people = counted_people.people;
    match counted_people.is_more {
        false => Some(counted(people, "person", "people")),
        true if people == 0 => None,
        true if people >= most => Some(format!("more than {} people", grouped(people))),
        true => Some(format!("at least {}", counted(people, "person", "people"))),
    }
}

fn choices(all: impl IntoIterator<Item = (String, String)>, chosen: &str) -> Vec<Choice> {
    all.into_iter().map(|(value, words)| Choice { chosen: value == chosen, value, words }).collect()
}

pub fn newsletter_choices(newsletters: &[Newsletter], chosen: &str) -> Vec<Choice> {
    choices(newsletters.iter().map(|newsletter| (newsletter.slug.clone(), newsletter.name.clone())), chosen)
}

impl View {
    pub async fn new(
        conn: &mut Conn,
        asked: Asked,
        found: Result<Found, Vec<Problem>>,
        reach: &Reach,
        ticked: Ticked,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut newsletters = db::newsletters::list(conn).await?;
        newsletters.retain(|newsletter| reach.holds(newsletter.id));
        let is_whole = *reach == Reach::Everybody;
        let one = newsletters.iter().find(|newsletter| newsletter.slug == asked.newsletter);
        let (mut topics, mut schedules) = (vec![], vec![]);
        if let Some(newsletter) = one {
            let all = db::newsletters::topics(conn, newsletter.id).await?;
            topics = choices(all.into_iter().map(|topic| (topic.slug, topic.name)), &asked.topic);
            let all = db::newsletters::schedules_of(conn, newsletter.id).await?;
            let all = all.into_iter().map(|schedule| (schedule.name.clone(), schedule.name));
            schedules = choices(all, &asked.schedule);
        }
        let tags = if is_whole { db::tags::list(conn).await? } else { vec![] };
        let tags = tags.into_iter().map(|tag| (tag.name.clone(), tag.name));
        let states = State::ALL.map(|state| (state.as_str().to_owned(), state_words(state).to_owned()));
        let filter = asked.query();
        let segments = if is_whole { db::segments::list(conn).await? } else { vec![] };
        let segments = segments.into_iter().map(|segment| SegmentLink {
            here: segment.filter == filter,
            href: format!("/office/subscribers?{}", segment.filter),
            name: segment.name,
        });
        let segments = segments.collect();
        let mut view = Self {
            filter: filter.clone(),
            is_filtered: !asked.is_empty(),
            is_empty_house: false,
            is_whole,
            newsletters: newsletter_choices(&newsletters, &asked.newsletter),
            states: choices(states, &asked.state),
            topics,
            schedules,
            tags: choices(tags, &asked.tag),
            segments,
            problems: vec![],
            people: vec![],
            is_ticked: ticked.is_all,
            tick_href: ticked.other_href,
            kinds: super::bulk_ask::kinds(""),
            how_many: String::new(),
            counted: None,
            cut: None,
            newer: None,
            older: None,
            order: "The newest first.",
            newer_words: "Newer",
            older_words: "Older",
            asked,
        };
        match found {
            Err(problems) => view.problems = problems,
            Ok(found) => view.fill(found, &newsletters, now),
        }
        Ok(view)
    }

    fn fill(&mut self, found: Found, newsletters: &[Newsletter], now: Timestamp) {
        let Found { wanted, walked, counted, seen, rows, total } = found;
        let only = wanted.filter.newsletter_id;
        let shown = seen.saturating_add(u64::try_from(walked.people.len()).unwrap_or(0));
        let found = if self.is_filtered { " found" } else { "" };
        self.how_many = match total {
            Some((people, _)) => format!("{}{found}", self::counted(people, "person", "people")),
            None => match how_many(at_least(counted, shown), super::subscribers::MOST) {
                Some(many) => format!("{many}{found}"),
                None => "More may be found: look on".to_owned(),
            },
        };
        self.counted =
            total.map(|(_, at)| at).filter(|at| at.plus_millis(MINUTE) < now).map(|at| when(at, now));
        let mut rows = rows;
        if let Some(id) = only.filter(|_| !self.is_whole) {
            // What others know of them is shown once they have answered.
            for person in rows.iter_mut().filter(|person| person.is_stranger_to(&[id])) {
                person.name.clear();
                let asked = person.ties.iter().find(|tie| tie.newsletter_id == id);
                person.joined_at = asked.map_or(person.joined_at, |tie| tie.since);
            }
        }
        self.people = rows.into_iter().map(|person| row(person, newsletters, only, now)).collect();
        if !self.is_whole {
            // They tell of more than one newsletter.
            for row in &mut self.people {
                (row.tags, row.last_digest) = (vec![], None);
            }
        }
        self.is_empty_house = self.people.is_empty() && !self.is_filtered;
        self.cut = walked.is_cut.then(|| {
            let looked = grouped(walked.looked);
            match self.people.is_empty() {
                true => {
                    format!("Nobody among the {looked} people looked through so far. Look on to go further.")
                }
                false => format!("{looked} people were looked through for this page. There may be more."),
            }
        });
        let href = |name: &str, place: &str, seen: u64| {
            let mut query = url::form_urlencoded::Serializer::new(self.filter.clone());
            query.append_pair(name, place);
            // Where they are counted, nobody asks how many were on the pages before.
            if counted.is_more && seen > 0 {
                query.append_pair("seen", &seen.to_string());
            }
            format!("/office/subscribers?{}", query.finish())
        };
        let before = seen.saturating_sub(u64::try_from(super::subscribers::PAGE).unwrap_or(0));
        self.newer = walked.before.map(|place| href("before", &place.encode(), before));
        self.older = walked.after.map(|place| href("behind", &place.encode(), shown));
        if wanted.filter.is_by_domain() {
            (self.order, self.newer_words, self.older_words) =
                ("By domain, the newest of each first.", "Back", "More");
        }
        if walked.is_cut {
            self.older_words = "Look on";
        }
    }
}

/// How somebody stands with a newsletter, in a word.
pub fn standing(
    status: SubscriptionStatus,
    paused_until: Option<Timestamp>,
    now: Timestamp,
) -> (&'static str, &'static str) {
    match status {
        SubscriptionStatus::Active if paused_until.is_some_and(|until| until > now) => ("warn", "paused"),
        SubscriptionStatus::Active => ("good", "active"),
        SubscriptionStatus::Pending => ("warn", "not confirmed"),
        SubscriptionStatus::Unsubscribed => ("", "left"),
    }
}

fn row(person: Person, newsletters: &[Newsletter], only: Option<i64>, now: Timestamp) -> Row {
    let mut standings = vec![];
    if let Some((reason, at)) = person.suppressed {
        let words = format!("Suppressed: {}", reason_words(reason).to_lowercase());
        standings.push(Standing { class: "bad", words, since: Some(since(at, now)) });
    }
    let shown = |tie: &&PersonTie| only.is_none_or(|id| id == tie.newsletter_id);
    let ties: Vec<&PersonTie> = person.ties.iter().filter(shown).collect();
    for tie in ties.iter().take(3) {
        let (class, state) = standing(tie.status, tie.paused_until, now);
        let name = newsletters.iter().find(|newsletter| newsletter.id == tie.newsletter_id);
        let words = match name {
            Some(name) if only.is_none() && newsletters.len() > 1 => format!("{}: {state}", name.name),
            _ => capital(state),
        };
        standings.push(Standing { class, words, since: Some(since(tie.since, now)) });
    }
    if ties.len() > 3 {
        let words = format!("and {} more", ties.len() - 3);
        standings.push(Standing { class: "", words, since: None });
    }
    if standings.is_empty() {
        standings.push(Standing { class: "", words: "No subscription".to_owned(), since: None });
    }
    let (title, email) = match person.name.is_empty() {
        true => (person.email, None),
        false => (person.name, Some(person.email)),
    };
    Row {
        id: person.id,
        href: format!("/office/subscribers/{}", person.id),
        title,
        email,
        standings,
        tags: person.tags,
        joined: when(person.joined_at, now),
        last_digest: person.last_digest_at.map(|at| when(at, now)),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_said_as_exactly_as_it_was_counted_and_none_where_nobody_was() {
        let said = |people, is_more| how_many(Counted { people, is_more }, 10_000);
        assert_eq!(said(0, false).unwrap(), "0 people");
        assert_eq!(said(1_111, false).unwrap(), "1,111 people");
        assert_eq!(said(50, true).unwrap(), "at least 50 people");
        assert_eq!(said(10_000, true).unwrap(), "more than 10,000 people");
        assert_eq!(said(0, true), None);
        let page = |people, is_more, shown| at_least(Counted { people, is_more }, shown).people;
        assert_eq!((page(0, true, 150), page(1_000, true, 150), page(120, false, 150)), (150, 1_000, 120));
    }
}
