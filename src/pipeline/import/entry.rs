//! One record of a file → what it says about a person.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use csv::StringRecord;

use super::columns::{Columns, Field, plain};
use super::dates::{Slashed, read_time};
use super::doubt::{Doubtful, is_no, is_yes_alone};
use super::report::Cause;
use super::tags;
use crate::domain::address::{EmailAddress, is_invisible};
use crate::domain::calendar::{TimeOfDay, Timestamp, parse_zone};
use crate::domain::language;
use crate::domain::newsletter::Schedule;
use crate::domain::subscription::{Consent, SubscriptionEvent, SuppressionReason};
use crate::domain::topic::{Topic, TopicSet, slug_of};
use crate::pipeline::bulk::tag_name;

/// What a file, or an admin, says about a person. What is none is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub email: EmailAddress,
    pub name: Option<String>,
    pub language: Option<String>,
    pub zone: Option<Tz>,
    pub schedule_id: Option<i64>,
    pub topics: Option<TopicSet>,
    pub hour: Option<TimeOfDay>,
    /// Nothing is sent before.
    pub paused_until: Option<Timestamp>,
    /// Names of tags to give; none is taken away.
    pub tags: Vec<String>,
    pub event: SubscriptionEvent,
    /// Why the address must not be mailed, where the file says so.
    pub suppression: Option<SuppressionReason>,
    /// None: nothing is said of one.
    pub consent: Option<Consent>,
    /// Where it is said: `import readers.csv`.
    pub origin: String,
    /// When and why they left, where that is said.
    pub left_at: Option<Timestamp>,
    pub left_reason: Option<String>,
}

/// The longest name, in characters: longer ones are other things that slipped into the column.
pub const MAX_NAME: usize = 200;
/// Stands behind the source of a consent whose date the file does not tell.
const UNDATED: &str = " (the file has no date of it)";

/// The longest source or words of a consent, in characters.
pub const MAX_CONSENT: usize = 2000;

/// The longest reason to leave, in characters.
const MAX_REASON: usize = 300;

/// The most tags that a line gives, and that a file makes: more are no tags, but another column.
const MAX_TAGS: usize = 50;
const MAX_NEW_TAGS: usize = 200;

/// Something of a line that was not taken, and why.
pub type Wrong = (Cause, String);

/// What the records of one file are read with.
pub struct Reading {
    pub columns: Columns,
    topics: HashMap<String, Topic>,
    schedules: HashMap<String, i64>,
    /// The tags that there are, and those that the file makes.
    tags: HashSet<String>,
    new_tags: HashSet<String>,
    /// Which way round dates with slashes are.
    slashed: Slashed,
    source: Source,
    doubtful: Doubtful,
}

/// Where a file's lines come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The newsletter that people are taken into: its short name, and its name.
    pub newsletter: [String; 2],
    /// When they are taken in.
    pub now: Timestamp,
    /// `import readers.csv`
    pub origin: String,
    /// What its people agreed to, where it does not say; may be empty.
    pub consent_words: String,
}

impl Reading {
    pub fn new(
        columns: Columns,
        topics: Vec<Topic>,
        schedules: Vec<Schedule>,
        tags: HashSet<String>,
        slashed: Slashed,
        doubtful: Doubtful,
        source: Source,
    ) -> Self {
        let topics = topics
            .into_iter()
            .flat_map(|topic| [(topic.slug.clone(), topic.clone()), (lower(&topic.name), topic)])
            .collect();
        let schedules = schedules.into_iter().map(|schedule| (lower(&schedule.name), schedule.id)).collect();
        let new_tags = HashSet::new();
        Self { columns, topics, schedules, tags, new_tags, slashed, source, doubtful }
    }

    /// What a record says, and what of it was not understood and left out; or why all of it is refused: an address
    /// that is none, a status that is not known (it may mean that the person must not be mailed), a text too long.
    pub fn read(&mut self, record: &StringRecord) -> Result<(Entry, Vec<Wrong>), Wrong> {
        let spare = (self.columns.count..record.len()).any(|place| !record[place].trim().is_empty());
        if record.len() < self.columns.count || spare {
            let (has, wants) = (record.len(), self.columns.count);
            return Err((Cause::Columns, format!("the line has {has} columns where the header has {wants}")));
        }
        let cell = |field| self.columns.cell(record, field);
        let is_ours = |text: &str| self.source.newsletter.iter().any(|own| lower(own) == lower(text));
        if let Some(other) = cell(Field::Newsletter).filter(|text| !is_ours(text)) {
            let [slug, _] = &self.source.newsletter;
            return Err((Cause::Elsewhere, format!("“{other}” is another newsletter than {slug}")));
        }
        let no_address = || (Cause::NoAddress, "the line has no e-mail address".to_owned());
        let email = EmailAddress::parse(cell(Field::Email).ok_or_else(no_address)?);
        let email = email.map_err(|says| (Cause::NotAnAddress, says))?;
        let too_long = |says| (Cause::TooLong, says);
        let mut left_out = vec![];
        let mut try_to = |cause, what: Option<Result<(), String>>| {
            left_out.extend(what.and_then(Result::err).map(|says| (cause, says)));
        };
        let (mut zone, mut hour, mut language, mut schedule_id) = (None, None, None, None);
        let (mut consented_at, mut paused_until) = (None, None);
        let (mut left_at, mut bounced_at) = (None, None);
        let time = |text: &str| read_time(text, &self.slashed);
        try_to(Cause::Zone, cell(Field::Timezone).map(|text| parse_zone(text).map(|read| zone = Some(read))));
        try_to(
            Cause::Hour,
            cell(Field::Hour).map(|text| TimeOfDay::parse(text).map(|read| hour = Some(read))),
        );
        try_to(
            Cause::Language,
            cell(Field::Language).map(|text| read_language(text).map(|read| language = Some(read))),
        );
        try_to(
            Cause::Schedule,
            cell(Field::Frequency).map(|text| self.schedule(text).map(|read| schedule_id = Some(read))),
        );
        try_to(
            Cause::Date,
            cell(Field::ConsentAt).map(|text| time(text).map(|read| consented_at = Some(read))),
        );
        try_to(
            Cause::Date,
            cell(Field::PausedUntil).map(|text| time(text).map(|read| paused_until = Some(read))),
        );
        // Whatever is in such a cell but a “no” is against mailing: only the date can be left out.
        let is_yes = |field| cell(field).filter(|text| !is_no(text));
        let (left, bounced) = (is_yes(Field::LeftAt), is_yes(Field::BouncedAt));
        let date = |text: &&str| !is_yes_alone(text);
        try_to(Cause::Date, left.filter(date).map(|text| time(text).map(|read| left_at = Some(read))));
        try_to(Cause::Date, bounced.filter(date).map(|text| time(text).map(|read| bounced_at = Some(read))));
        let line = |what, field| cell(field).map(|text| one_line(what, text, MAX_CONSENT)).transpose();
        let consent_from = line("source of the consent", Field::ConsentFrom).map_err(too_long)?;
        let consent_words = line("text of the consent", Field::ConsentWords).map_err(too_long)?;
        // That they left counts, however long they wrote why.
        let left_reason = cell(Field::LeftReason).map(|text| one_line("reason to leave", text, usize::MAX));
        let left_reason = left_reason.transpose().map_err(too_long)?;
        let left_reason = left_reason.map(|text| text.chars().take(MAX_REASON).collect::<String>());
        let topics = cell(Field::Topics).and_then(|text| self.topics(text, &mut left_out));
        let status = cell(Field::Status).map(read_status).transpose();
        let status = status.map_err(|says| (Cause::Status, says))?;
        let (mut event, mut suppression) = status.unwrap_or((SubscriptionEvent::Import, None));
        if bounced.is_some() {
            suppression = suppression.or(Some(SuppressionReason::Bounced));
        }
        let left_reason = left_reason.filter(|reason| !is_no(reason));
        if left.is_some() || left_reason.is_some() || bounced.is_some() {
            event = SubscriptionEvent::Leave;
        }
        if event != SubscriptionEvent::Leave {
            left_out.extend(self.doubtful.found(record));
        }
        let (consent, origin) =
            self.consent(event, cell(Field::ConsentAt).map(|_| consented_at), consent_from, consent_words);
        let name = self.name(record).map_err(too_long)?;
        let tags = cell(Field::Tags).map(tags::split).unwrap_or_default();
        let tags = self.tags(&tags, &mut left_out);
        let entry = Entry {
            email,
            name,
            language,
            zone,
            schedule_id,
            topics,
            hour,
            paused_until,
            tags,
            event,
            suppression,
            consent,
            origin,
            left_at: left_at.or(bounced_at),
            left_reason,
        };
        Ok((entry, left_out))
    }

    /// What a line says of a consent, and where the line comes from. A date or words make a consent, from where the line
    /// says or from the file; `at` is the date where there is one, and none within where it cannot be read. What is said of
    /// all people of the file goes for those who are to be mailed.
    fn consent(
        &self,
        event: SubscriptionEvent,
        at: Option<Option<Timestamp>>,
        from: Option<String>,
        words: Option<String>,
    ) -> (Option<Consent>, String) {
        let of_all = Some(&self.source.consent_words).filter(|words| !words.is_empty());
        let of_all = of_all.filter(|_| event == SubscriptionEvent::Import);
        if at.is_none() && words.is_none() && of_all.is_none() {
            let origin = match from {
                None => self.source.origin.clone(),
                Some(from) => format!("{}: {from}", self.source.origin),
            };
            return (None, origin);
        }
        let words = words.or_else(|| of_all.cloned()).unwrap_or_default();
        let from = from.unwrap_or_else(|| self.source.origin.clone());
        let consent = match at.flatten() {
            Some(at) => Consent { at, from, words },
            // It stands with the time of the import: the record says that this is not the day of the consent.
            None => Consent { at: self.source.now, from: undated(&from), words },
        };
        (Some(consent), self.source.origin.clone())
    }

    /// The tags of these names, each once.
    fn tags(&mut self, names: &[String], left_out: &mut Vec<Wrong>) -> Vec<String> {
        let mut tags = vec![];
        for name in names {
            let is_known = |name: &String| self.tags.contains(name) || self.new_tags.contains(name);
            let name = match tag_name(name) {
                Ok(name) if tags.contains(&name) => continue,
                Ok(_) if tags.len() >= MAX_TAGS => {
                    let says = format!("the line has more than {MAX_TAGS} tags: the others were left out");
                    left_out.push((Cause::Tag, says));
                    break;
                }
                Ok(name) if !is_known(&name) && self.new_tags.len() >= MAX_NEW_TAGS => {
                    let says = format!("“{name}” was left out: a file makes at most {MAX_NEW_TAGS} new tags");
                    left_out.push((Cause::Tag, says));
                    continue;
                }
                Ok(name) => name,
                Err(says) => {
                    left_out.push((Cause::Tag, format!("“{}” was left out: {says}", shown(name))));
                    continue;
                }
            };
            if !self.tags.contains(&name) {
                self.new_tags.insert(name.clone());
            }
            tags.push(name);
        }
        tags
    }

    fn name(&self, record: &StringRecord) -> Result<Option<String>, String> {
        if let Some(name) = self.columns.cell(record, Field::Name) {
            return one_line("name", name, MAX_NAME).map(Some);
        }
        let parts = [Field::FirstName, Field::LastName].map(|field| self.columns.cell(record, field));
        let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if name.is_empty() { Ok(None) } else { one_line("name", &name, MAX_NAME).map(Some) }
    }

    fn schedule(&self, name: &str) -> Result<i64, String> {
        self.schedules
            .get(&lower(name))
            .copied()
            .ok_or_else(|| format!("the newsletter has no schedule “{}”: it was left out", shown(name)))
    }

    /// The topics that a cell names; none where it names none that there is.
    fn topics(&self, text: &str, left_out: &mut Vec<Wrong>) -> Option<TopicSet> {
        let mut topics = TopicSet::EMPTY;
        for name in text.split([';', '|', ',']).map(str::trim).filter(|name| !name.is_empty()) {
            let found = self.topics.get(&lower(name));
            match found.or_else(|| self.topics.get(&slug_of(name)?)) {
                Some(topic) => topics = topics.with(topic),
                None => {
                    let says = format!("the newsletter has no topic “{}”: it was left out", shown(name));
                    left_out.push((Cause::Topic, says));
                }
            }
        }
        (!topics.is_empty()).then_some(topics)
    }
}

/// The source of a consent whose date is not known, no longer than others.
fn undated(from: &str) -> String {
    from.chars().take(MAX_CONSENT - UNDATED.chars().count()).chain(UNDATED.chars()).collect()
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A value for a message: at most 60 characters, and none that a terminal obeys.
pub fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(60)
        .flat_map(|character| match character.is_control() {
            true => character.escape_default().collect::<Vec<_>>(),
            false => vec![character],
        })
        .collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// Persian and Indic names are spelt with these two, though they print nothing.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// A text on one line: white space and control characters as single spaces, and nothing that prints nothing or turns
/// the writing direction.
pub fn one_line(what: &str, text: &str, most: usize) -> Result<String, String> {
    let visible = text.trim_matches(JOINERS).chars();
    let visible = visible.filter(|character| JOINERS.contains(character) || !is_invisible(*character));
    let spaced: String =
        visible.map(|character| if character.is_control() { ' ' } else { character }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        count if count > most => Err(format!("the {what} has {count} characters; it may have {most}")),
        _ => Ok(line),
    }
}

/// Reads a BCP 47 tag.
pub fn read_language(text: &str) -> Result<String, String> {
    language::normalise(text)
        .ok_or_else(|| format!("“{}” is not a language: write a tag like en or pt-BR", shown(text)))
}

/// What the word for a status in a file asks for, and why the address must not be mailed, where the word says so.
fn read_status(text: &str) -> Result<(SubscriptionEvent, Option<SuppressionReason>), String> {
    use SuppressionReason as R;
    match plain(text).as_str() {
        "active" | "subscribed" | "confirmed" | "enabled" | "optedin" | "optin" | "yes" | "true" | "1"
        | "aktiv" | "abonniert" | "angemeldet" | "ja" | "actif" | "abonné" | "inscrit" | "oui" | "activo"
        | "suscrito" | "sí" | "regular" => Ok((SubscriptionEvent::Import, None)),
        "pending" | "unconfirmed" | "notconfirmed" | "unactivated" | "waiting" | "ausstehend"
        | "unbestätigt" | "enattente" | "pendiente" => Ok((SubscriptionEvent::ImportPending, None)),
        "unsubscribed" | "inactive" | "left" | "removed" | "disabled" | "optedout" | "optout"
        | "cancelled" | "canceled" | "nonsubscribed" | "no" | "false" | "0" | "abgemeldet" | "inaktiv"
        | "nein" | "désabonné" | "désinscrit" | "inactif" | "non" | "inactivo" => {
            Ok((SubscriptionEvent::Leave, None))
        }
        "cleaned" | "bounced" => Ok((SubscriptionEvent::Leave, Some(R::Bounced))),
        "complained" => Ok((SubscriptionEvent::Leave, Some(R::Complained))),
        "blocked" | "blocklisted" => Ok((SubscriptionEvent::Leave, Some(R::Manual))),
        _ => Err(format!(
            "“{}” is not a status: write active, pending, unsubscribed, bounced, complained or blocked, or leave the \
             cell empty for active",
            shown(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        let header = StringRecord::from(vec![
            "email",
            "name",
            "first",
            "last",
            "status",
            "topics",
            "frequency",
            "hour",
            "timezone",
            "language",
            "consent_at",
            "consent_from",
            "consent_words",
            "paused_until",
            "tags",
        ]);
        let topic = |slug: &str, name: &str, bit| Topic { id: 1, slug: slug.into(), name: name.into(), bit };
        Reading::new(
            Columns::read(&header, &[]).unwrap(),
            vec![topic("world", "World", 0), topic("arts-culture", "Arts & Culture", 3)],
            vec![],
            HashSet::from(["vip".to_owned()]),
            Slashed::default(),
            Doubtful::default(),
            Source {
                newsletter: ["brief".into(), "Morning Brief".into()],
                now: Timestamp::from_millis(7),
                origin: "import list.csv".into(),
                consent_words: String::new(),
            },
        )
    }

    fn read(cells: [&str; 15]) -> Result<(Entry, Vec<Wrong>), Wrong> {
        reading().read(&StringRecord::from(cells.to_vec()))
    }

    #[test]
    fn every_column_is_read() {
        let (entry, left_out) = read([
            " Ann@Example.org",
            "",
            "Ann",
            "Lee\r\n",
            "Subscribed",
            "world; Arts & Culture",
            "",
            "7:30",
            "Europe/Paris",
            "pt_br",
            "01.03.2024 12:30",
            "web form",
            "I agree",
            "2026-12-24",
            "VIP, \"a, b\"; press",
        ])
        .unwrap();
        assert_eq!(left_out, vec![]);
        assert_eq!(entry.email.as_str(), "ann@example.org");
        assert_eq!(entry.name.as_deref(), Some("Ann Lee"));
        assert_eq!(entry.topics, Some(TopicSet::from_bits(0b1001)));
        assert_eq!(entry.hour.unwrap().to_string(), "07:30");
        assert_eq!(entry.zone, Some(chrono_tz::Europe::Paris));
        assert_eq!(entry.language.as_deref(), Some("pt-BR"));
        assert_eq!(entry.event, SubscriptionEvent::Import);
        let at = Timestamp::parse("2024-03-01T12:30:00Z").unwrap();
        assert_eq!(entry.consent, Some(Consent { at, from: "web form".into(), words: "I agree".into() }));
        assert_eq!(entry.origin, "import list.csv");
        assert_eq!(entry.paused_until, Some(Timestamp::parse("2026-12-24T00:00:00Z").unwrap()));
        assert_eq!(entry.tags, ["vip", "a, b", "press"]);
    }

    #[test]
    fn a_consent_is_what_has_a_date_or_words_and_one_without_its_date_says_so_within_its_length() {
        let read = |status: &str, at: &str, from: &str, words: &str| {
            let cells = ["ann@example.org", "", "", "", status, "", "", "", "", "", at, from, words, "", ""];
            let (entry, _) = read(cells).unwrap();
            (entry.consent.map(|consent| consent.from), entry.origin)
        };
        let here = || "import list.csv".to_owned();
        assert_eq!(read("active", "", "", ""), (None, here()));
        assert_eq!(read("active", "", "web form", ""), (None, "import list.csv: web form".to_owned()));
        assert_eq!(read("active", "", "web form", "Yes"), (Some(format!("web form{UNDATED}")), here()));
        let longest = read("active", "", &"x".repeat(MAX_CONSENT), "Yes").0.unwrap();
        assert!(longest.chars().count() == MAX_CONSENT && longest.ends_with(&format!("xx{UNDATED}")));
        for status in ["active", "pending", "unsubscribed", "blocked"] {
            assert_eq!(read(status, "2024-03-01", "fair", ""), (Some("fair".to_owned()), here()), "{status}");
        }
    }

    #[test]
    fn words_typed_for_a_whole_file_are_the_consent_of_those_who_are_to_be_mailed() {
        for (status, is_theirs) in [("", true), ("active", true), ("pending", false), ("unsubscribed", false)]
        {
            let mut reading = reading();
            reading.source.consent_words = "I agree".to_owned();
            let mut cells = [""; 15];
            (cells[0], cells[4]) = ("ann@example.org", status);
            let consent = reading.read(&StringRecord::from(cells.to_vec())).unwrap().0.consent;
            let from = format!("import list.csv{UNDATED}");
            let expected = Consent { at: Timestamp::from_millis(7), from, words: "I agree".to_owned() };
            assert_eq!(consent, is_theirs.then_some(expected), "{status}");
        }
    }

    #[test]
    fn whoever_left_or_bounced_elsewhere_is_not_taken_for_a_reader() {
        let header = StringRecord::from(vec!["email", "status", "UNSUB_TIME", "UNSUB_REASON", "CLEAN_TIME"]);
        let read = |status: &str, left: &str, why: &str, bounced: &str| {
            let Reading { topics, schedules, tags, slashed, doubtful, source, .. } = reading();
            let columns = Columns::read(&header, &[]).unwrap();
            let new_tags = HashSet::new();
            let mut reading =
                Reading { columns, topics, schedules, tags, new_tags, slashed, source, doubtful };
            let record = StringRecord::from(vec!["ann@example.org", status, left, why, bounced]);
            let (entry, left_out) = reading.read(&record).unwrap();
            (
                entry.event,
                entry.suppression,
                entry.left_at.map(|at| at.to_string()),
                entry.left_reason,
                left_out.len(),
            )
        };
        let at = || Some("2024-05-01T10:00:00Z".to_owned());
        let gone = SuppressionReason::Bounced;
        use SubscriptionEvent as E;
        for (line, expected) in [
            (("", "", "", ""), (E::Import, None, None, None, 0)),
            (("", "false", "", "0"), (E::Import, None, None, None, 0)),
            (("pending", "no", "", ""), (E::ImportPending, None, None, None, 0)),
            (("", "2024-05-01 10:00:00", "NORMAL", ""), (E::Leave, None, at(), Some("NORMAL".to_owned()), 0)),
            (("active", "TRUE", "", ""), (E::Leave, None, None, None, 0)),
            (("active", "03/04/2024", "", ""), (E::Leave, None, None, None, 1)),
            (("", "", "Too many", ""), (E::Leave, None, None, Some("Too many".to_owned()), 0)),
            (("", "", "", "2024-05-01 10:00:00"), (E::Leave, Some(gone), at(), None, 0)),
            (("subscribed", "", "", "yes"), (E::Leave, Some(gone), None, None, 0)),
            (("complained", "1", "", ""), (E::Leave, Some(SuppressionReason::Complained), None, None, 0)),
        ] {
            let (status, left, why, bounced) = line;
            assert_eq!(read(status, left, why, bounced), expected, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_the_rest_kept() {
        let (entry, left_out) = read([
            "ann@example.org",
            "Ann",
            "",
            "",
            "",
            "world|sports",
            "hourly",
            "25:00",
            "Mars",
            "english please",
            "03/04/24",
            "",
            "",
            "soon",
            &format!("VIP,{}", "x".repeat(41)),
        ])
        .unwrap();
        assert_eq!(entry.topics, Some(TopicSet::from_bits(1)));
        assert_eq!((entry.hour, entry.zone, entry.language, entry.schedule_id), (None, None, None, None));
        let from = format!("import list.csv{UNDATED}");
        let at = Timestamp::from_millis(7);
        assert_eq!(entry.consent, Some(Consent { at, from, words: String::new() }), "there was a date");
        assert_eq!((entry.paused_until, entry.tags), (None, vec!["vip".to_owned()]));
        for (cause, value) in [
            (Cause::Zone, "Mars"),
            (Cause::Hour, "25:00"),
            (Cause::Language, "english please"),
            (Cause::Schedule, "hourly"),
            (Cause::Date, "03/04/24"),
            (Cause::Date, "soon"),
            (Cause::Topic, "sports"),
            (Cause::Tag, "xxx"),
        ] {
            let is_said = |(of, says): &Wrong| *of == cause && says.contains(value);
            assert!(left_out.iter().any(is_said), "{value}: {left_out:?}");
        }
        assert_eq!(left_out.len(), 8);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_the_reason() {
        let empty = [""; 15];
        let with = |place: usize, text: &str| {
            let mut cells = empty.map(str::to_owned);
            cells[0] = "ann@example.org".to_owned();
            cells[place] = text.to_owned();
            reading().read(&StringRecord::from(cells.to_vec())).unwrap_err().1
        };
        assert!(read(empty).unwrap_err().1.contains("no e-mail address"));
        assert!(with(0, "nobody").contains("nobody"));
        assert!(with(1, &"x".repeat(300)).contains("300"));
        assert!(with(4, "sleeping").contains("sleeping"));
        let ragged = reading().read(&StringRecord::from(vec!["ann@example.org"])).unwrap_err().1;
        assert!(ragged.contains("1 columns where the header has 15"), "{ragged}");
        let mut spare = vec![""; 16];
        spare[0] = "ann@example.org";
        assert!(reading().read(&StringRecord::from(spare.clone())).is_ok());
        spare[15] = "spare";
        assert!(reading().read(&StringRecord::from(spare)).is_err());
    }

    #[test]
    fn a_column_that_is_none_of_tags_makes_no_thousands_of_them() {
        let mut reading = reading();
        let mut cells = vec![""; 15];
        let mut read = |tags: &str| {
            (cells[0], cells[14]) = ("ann@example.org", "");
            let mut record = StringRecord::from(cells.clone());
            record = record.iter().take(14).chain([tags]).collect();
            reading.read(&record).unwrap()
        };
        let many = (0..60).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",");
        let (entry, left_out) = read(&many);
        assert_eq!((entry.tags.len(), left_out.len()), (MAX_TAGS, 1));
        let mut kept = entry.tags.len();
        for n in 0..200 {
            kept += read(&format!("note {n}")).0.tags.len();
        }
        assert_eq!(kept, MAX_NEW_TAGS);
        let (entry, left_out) = read("vip, A0, another");
        assert_eq!(entry.tags, ["vip", "a0"]);
        assert!(left_out[0].1.contains("“another”"), "{left_out:?}");
    }

    #[test]
    fn words_for_a_status_are_understood() {
        for (word, event) in [
            ("ACTIVE", (SubscriptionEvent::Import, None)),
            ("not confirmed", (SubscriptionEvent::ImportPending, None)),
            ("Opted-Out", (SubscriptionEvent::Leave, None)),
            ("désabonné", (SubscriptionEvent::Leave, None)),
            ("Cleaned", (SubscriptionEvent::Leave, Some(SuppressionReason::Bounced))),
            ("complained", (SubscriptionEvent::Leave, Some(SuppressionReason::Complained))),
            ("blocklisted", (SubscriptionEvent::Leave, Some(SuppressionReason::Manual))),
        ] {
            assert_eq!(read_status(word), Ok(event));
        }
    }
}
