//! One record of a file → what it says about a person.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use csv::StringRecord;

use super::columns::{Columns, Field};
use crate::domain::address::{EmailAddress, is_invisible};
use crate::domain::calendar::{TimeOfDay, Timestamp, parse_zone};
use crate::domain::language;
use crate::domain::newsletter::Schedule;
use crate::domain::subscription::{Consent, SubscriptionEvent, SuppressionReason};
use crate::domain::topic::{Topic, TopicSet, slug_of};

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
    pub event: SubscriptionEvent,
    /// Why the address must not be mailed, where the file says so.
    pub suppression: Option<SuppressionReason>,
    pub consent: Consent,
}

/// The longest name, in characters: longer ones are other things that slipped into the column.
pub const MAX_NAME: usize = 200;
/// Stands behind the source of a consent whose date the file has a column for, and does not tell.
const UNDATED: &str = " (the file has no date of it)";

/// The longest source or words of a consent, in characters.
pub const MAX_CONSENT: usize = 2000;

/// What the records of one file are read with.
pub struct Reading {
    pub columns: Columns,
    topics: HashMap<String, Topic>,
    schedules: HashMap<String, i64>,
    /// What a record's consent is where it does not say.
    pub consent: Consent,
}

impl Reading {
    pub fn new(columns: Columns, topics: Vec<Topic>, schedules: Vec<Schedule>, consent: Consent) -> Self {
        let topics = topics
            .into_iter()
            .flat_map(|topic| [(topic.slug.clone(), topic.clone()), (lower(&topic.name), topic)])
            .collect();
        let schedules = schedules.into_iter().map(|schedule| (lower(&schedule.name), schedule.id)).collect();
        Self { columns, topics, schedules, consent }
    }

    /// What a record says, and what of it was not understood and left out; or why all of it is refused: an address
    /// that is none, a status that is not known (it may mean that the person must not be mailed), a text too long.
    pub fn read(&self, record: &StringRecord) -> Result<(Entry, Vec<String>), String> {
        let spare = (self.columns.count..record.len()).any(|place| !record[place].trim().is_empty());
        if record.len() < self.columns.count || spare {
            let (has, wants) = (record.len(), self.columns.count);
            return Err(format!("the line has {has} columns where the header has {wants}"));
        }
        let cell = |field| self.columns.cell(record, field);
        let email = EmailAddress::parse(cell(Field::Email).ok_or("the line has no e-mail address")?)?;
        let mut left_out = vec![];
        let mut try_to = |what: Option<Result<(), String>>| left_out.extend(what.and_then(Result::err));
        let (mut zone, mut hour, mut tag, mut schedule_id) = (None, None, None, None);
        try_to(cell(Field::Timezone).map(|text| parse_zone(text).map(|read| zone = Some(read))));
        try_to(cell(Field::Hour).map(|text| TimeOfDay::parse(text).map(|read| hour = Some(read))));
        try_to(cell(Field::Language).map(|text| read_language(text).map(|read| tag = Some(read))));
        try_to(cell(Field::Frequency).map(|text| self.schedule(text).map(|read| schedule_id = Some(read))));
        let mut consent = self.consent.clone();
        let mut consented_at = None;
        try_to(cell(Field::ConsentAt).map(|text| read_time(text).map(|read| consented_at = Some(read))));
        if let Some(from) = cell(Field::ConsentFrom) {
            consent.from = one_line("source of the consent", from, MAX_CONSENT)?;
        }
        if let Some(words) = cell(Field::ConsentWords) {
            consent.words = one_line("text of the consent", words, MAX_CONSENT)?;
        }
        match consented_at {
            Some(at) => consent.at = at,
            // It stands with the time of the import: the record says that this is not the day of the consent.
            None if self.columns.has(Field::ConsentAt) => consent.from.push_str(UNDATED),
            None => {}
        }
        let topics = cell(Field::Topics).and_then(|text| self.topics(text, &mut left_out));
        let status = cell(Field::Status).map(read_status).transpose()?;
        let (event, suppression) = status.unwrap_or((SubscriptionEvent::Import, None));
        let name = self.name(record)?;
        let language = tag;
        let entry =
            Entry { email, name, language, zone, schedule_id, topics, hour, event, suppression, consent };
        Ok((entry, left_out))
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
    fn topics(&self, text: &str, left_out: &mut Vec<String>) -> Option<TopicSet> {
        let mut topics = TopicSet::EMPTY;
        for name in text.split([';', '|', ',']).map(str::trim).filter(|name| !name.is_empty()) {
            let found = self.topics.get(&lower(name));
            match found.or_else(|| self.topics.get(&slug_of(name)?)) {
                Some(topic) => topics = topics.with(topic),
                None => {
                    left_out.push(format!("the newsletter has no topic “{}”: it was left out", shown(name)))
                }
            }
        }
        (!topics.is_empty()).then_some(topics)
    }
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A value for a message: at most 60 characters, and none that a terminal obeys.
fn shown(text: &str) -> String {
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
    let word: String = lower(text).chars().filter(|character| character.is_alphanumeric()).collect();
    match word.as_str() {
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

/// Reads a date or a time as files hold them; one without a zone is UTC.
fn read_time(text: &str) -> Result<Timestamp, String> {
    const TIMES: [&str; 8] = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%Y/%m/%d %H:%M",
        "%d.%m.%Y %H:%M:%S",
        "%d.%m.%Y %H:%M",
    ];
    const DATES: [&str; 3] = ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y"];
    let text = text.trim_end_matches(" UTC");
    let with_zone = DateTime::parse_from_rfc3339(text).ok();
    let millis = with_zone.map(|time| time.timestamp_millis()).or_else(|| {
        let time = TIMES.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        let date = || DATES.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
        let midnight = || date().and_then(|date| date.and_hms_opt(0, 0, 0));
        time.or_else(midnight).map(|time| time.and_utc().timestamp_millis())
    });
    // Years of two digits, and other numbers that happen to fit, are not dates of a consent to e-mail.
    const YEAR_1990: i64 = 631_152_000_000;
    const YEAR_2100: i64 = 4_102_444_800_000;
    millis.filter(|millis| (YEAR_1990..YEAR_2100).contains(millis)).map(Timestamp::from_millis).ok_or_else(
        || format!("“{}” is not a date: write it like 2026-03-29 or 2026-03-29T07:00:00Z", shown(text)),
    )
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
        ]);
        let topic = |slug: &str, name: &str, bit| Topic { id: 1, slug: slug.into(), name: name.into(), bit };
        Reading::new(
            Columns::read(&header, &[]).unwrap(),
            vec![topic("world", "World", 0), topic("arts-culture", "Arts & Culture", 3)],
            vec![],
            Consent { at: Timestamp::from_millis(7), from: "import list.csv".into(), words: String::new() },
        )
    }

    fn read(cells: [&str; 13]) -> Result<(Entry, Vec<String>), String> {
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
        ])
        .unwrap();
        assert_eq!(left_out, Vec::<String>::new());
        assert_eq!(entry.email.as_str(), "ann@example.org");
        assert_eq!(entry.name.as_deref(), Some("Ann Lee"));
        assert_eq!(entry.topics, Some(TopicSet::from_bits(0b1001)));
        assert_eq!(entry.hour.unwrap().to_string(), "07:30");
        assert_eq!(entry.zone, Some(chrono_tz::Europe::Paris));
        assert_eq!(entry.language.as_deref(), Some("pt-BR"));
        assert_eq!(entry.event, SubscriptionEvent::Import);
        assert_eq!(entry.consent.at, Timestamp::parse("2024-03-01T12:30:00Z").unwrap());
        assert_eq!((entry.consent.from.as_str(), entry.consent.words.as_str()), ("web form", "I agree"));
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
        ])
        .unwrap();
        assert_eq!(entry.topics, Some(TopicSet::from_bits(1)));
        assert_eq!((entry.hour, entry.zone, entry.language, entry.schedule_id), (None, None, None, None));
        let consent = reading().consent;
        let from = format!("{}{UNDATED}", consent.from);
        assert_eq!(entry.consent, Consent { from, ..consent });
        for value in ["Mars", "25:00", "english please", "hourly", "03/04/24", "sports"] {
            assert!(left_out.iter().any(|sentence| sentence.contains(value)), "{value}: {left_out:?}");
        }
        assert_eq!(left_out.len(), 6);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_the_reason() {
        let empty = [""; 13];
        let with = |place: usize, text: &str| {
            let mut cells = empty.map(str::to_owned);
            cells[0] = "ann@example.org".to_owned();
            cells[place] = text.to_owned();
            reading().read(&StringRecord::from(cells.to_vec())).unwrap_err()
        };
        assert!(read(empty).unwrap_err().contains("no e-mail address"));
        assert!(with(0, "nobody").contains("nobody"));
        assert!(with(1, &"x".repeat(300)).contains("300"));
        assert!(with(4, "sleeping").contains("sleeping"));
        let ragged = reading().read(&StringRecord::from(vec!["ann@example.org"])).unwrap_err();
        assert!(ragged.contains("1 columns where the header has 13"), "{ragged}");
        let mut spare = vec![""; 14];
        spare[0] = "ann@example.org";
        assert!(reading().read(&StringRecord::from(spare.clone())).is_ok());
        spare[13] = "spare";
        assert!(reading().read(&StringRecord::from(spare)).is_err());
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
