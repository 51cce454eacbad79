//! Invented readers, the same ones at every start: the files that the demo imports.

use std::io::{self, Read};

/// The demo's two newsletters.
pub const BRIEF: &str = "morning-brief";
pub const REVUE: &str = "revue-de-l-aube";

/// One reader; what an empty text stands for is not known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    pub email: String,
    pub name: String,
    pub language: &'static str,
    pub zone: &'static str,
    pub newsletters: Vec<&'static str>,
    pub standing: Standing,
    /// Which edition of the Morning Brief; empty: its first, the daily one.
    pub frequency: &'static str,
    pub hour: &'static str,
}

/// How a reader stands with the newsletters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// Signed up and never confirmed.
    Pending,
    Left,
    /// Mail to the address came back.
    Suppressed,
    /// On holiday.
    Paused,
}

/// People of one language: how many in a hundred, where they live, and names with their spelling in an address.
struct People {
    share: u64,
    language: &'static str,
    zones: &'static [&'static str],
    first: [(&'static str, &'static str); 8],
    last: [(&'static str, &'static str); 8],
    domains: [&'static str; 2],
}

#[rustfmt::skip]
const PEOPLE: [People; 8] = [
    People { share: 36, language: "en", zones: &["Europe/London", "Europe/Paris", "America/New_York", "Australia/Melbourne"],
        first: [("Ada", "ada"), ("Owen", "owen"), ("Priya", "priya"), ("Marcus", "marcus"), ("Nell", "nell"), ("Tobias", "tobias"), ("Grace", "grace"), ("Idris", "idris")],
        last: [("Whitcombe", "whitcombe"), ("Ferris", "ferris"), ("Nair", "nair"), ("Oyelaran", "oyelaran"), ("Thorne", "thorne"), ("Maddox", "maddox"), ("O’Keane", "okeane"), ("Sallow", "sallow")],
        domains: ["harbourmail.example", "castlehill.example"] },
    People { share: 26, language: "fr", zones: &["America/Montreal", "Europe/Paris", "Africa/Dakar"],
        first: [("Zoé", "zoe"), ("Anaïs", "anais"), ("Étienne", "etienne"), ("Moussa", "moussa"), ("Solène", "solene"), ("Lucien", "lucien"), ("Maëlle", "maelle"), ("Gaëtan", "gaetan")],
        last: [("Pelletier", "pelletier"), ("Dufresne", "dufresne"), ("N’Diaye", "ndiaye"), ("Lafrenière", "lafreniere"), ("Béranger", "beranger"), ("Côté", "cote"), ("Savoie", "savoie"), ("Marchetti", "marchetti")],
        domains: ["courrier.example", "rivenord.example"] },
    People { share: 9, language: "de", zones: &["Europe/Berlin", "Europe/Vienna", "Europe/Zurich"],
        first: [("Jörg", "joerg"), ("Annika", "annika"), ("Käthe", "kaethe"), ("Lennart", "lennart"), ("Mirjam", "mirjam"), ("Gregor", "gregor"), ("Sophie", "sophie"), ("Emre", "emre")],
        last: [("Brückner", "brueckner"), ("Holtz", "holtz"), ("Yıldırım", "yildirim"), ("Sander", "sander"), ("Weiß", "weiss"), ("Kranich", "kranich"), ("Möhring", "moehring"), ("Lindner", "lindner")],
        domains: ["inselpost.example", "briefkasten.example"] },
    People { share: 9, language: "es", zones: &["Europe/Madrid", "America/Mexico_City", "America/Argentina/Buenos_Aires"],
        first: [("Inés", "ines"), ("Joaquín", "joaquin"), ("Lucía", "lucia"), ("Mateo", "mateo"), ("Begoña", "begona"), ("Tomás", "tomas"), ("Pilar", "pilar"), ("Nicolás", "nicolas")],
        last: [("Ibáñez", "ibanez"), ("Quiroga", "quiroga"), ("Peñalver", "penalver"), ("Rosales", "rosales"), ("Urrutia", "urrutia"), ("Cifuentes", "cifuentes"), ("Marín", "marin"), ("Zorrilla", "zorrilla")],
        domains: ["correo.example", "buzon.example"] },
    People { share: 8, language: "ar", zones: &["Africa/Cairo", "Africa/Casablanca", "Asia/Amman"],
        first: [("ليلى", "layla"), ("سامي", "sami"), ("نور", "nour"), ("كريم", "karim"), ("هدى", "huda"), ("يوسف", "youssef"), ("مريم", "maryam"), ("عمر", "omar")],
        last: [("حداد", "haddad"), ("منصور", "mansour"), ("الخطيب", "alkhatib"), ("درويش", "darwish"), ("نجار", "najjar"), ("صباغ", "sabbagh"), ("زيدان", "zidan"), ("قاسم", "qasim")],
        domains: ["barid.example", "risala.example"] },
    People { share: 4, language: "he", zones: &["Asia/Jerusalem"],
        first: [("נועה", "noa"), ("איתן", "eitan"), ("תמר", "tamar"), ("יואב", "yoav"), ("רות", "rut"), ("אורי", "uri"), ("שירה", "shira"), ("גיל", "gil")],
        last: [("ברק", "barak"), ("שגיא", "sagi"), ("אלמוג", "almog"), ("רגב", "regev"), ("הראל", "harel"), ("נבון", "navon"), ("שחר", "shahar"), ("כרמי", "carmi")],
        domains: ["doar.example", "mikhtav.example"] },
    People { share: 4, language: "pt-BR", zones: &["America/Sao_Paulo", "Europe/Lisbon"],
        first: [("João", "joao"), ("Conceição", "conceicao"), ("Thiago", "thiago"), ("Luísa", "luisa"), ("Antônio", "antonio"), ("Beatriz", "beatriz"), ("Caetano", "caetano"), ("Íris", "iris")],
        last: [("Figueira", "figueira"), ("Assunção", "assuncao"), ("Prado", "prado"), ("Magalhães", "magalhaes"), ("Tavares", "tavares"), ("Brandão", "brandao"), ("Queirós", "queiros"), ("Luz", "luz")],
        domains: ["correio.example", "cartas.example"] },
    People { share: 4, language: "pl", zones: &["Europe/Warsaw"],
        first: [("Zofia", "zofia"), ("Michał", "michal"), ("Jagoda", "jagoda"), ("Paweł", "pawel"), ("Wanda", "wanda"), ("Łukasz", "lukasz"), ("Marta", "marta"), ("Wojciech", "wojciech")],
        last: [("Górska", "gorska"), ("Mazur", "mazur"), ("Żuk", "zuk"), ("Sikora", "sikora"), ("Dąb", "dab"), ("Wilk", "wilk"), ("Król", "krol"), ("Sowa", "sowa")],
        domains: ["poczta.example", "skrzynka.example"] },
];

/// The `number`th reader, from 0. Everything about them follows from their number.
pub fn reader(number: u64) -> Reader {
    let mut dice = Dice(number);
    let people = dice.people();
    let first = people.first[dice.roll(8)];
    let last = people.last[dice.roll(8)];
    let domain = people.domains[dice.roll(2)];
    let speaks_french = people.language == "fr";
    let newsletters = match (speaks_french, dice.roll(4)) {
        (true, 0) => vec![BRIEF, REVUE],
        (true, _) => vec![REVUE],
        (false, 0) => vec![BRIEF, REVUE],
        (false, _) => vec![BRIEF],
    };
    Reader {
        // The number keeps two of the same name apart.
        email: format!("{}.{}{}@{domain}", first.1, last.1, number + 1),
        name: if number % 13 == 12 { String::new() } else { format!("{} {}", first.0, last.0) },
        // Some never told, and get what the newsletter says.
        language: if number % 9 == 8 { "" } else { people.language },
        zone: if number % 9 == 8 { "" } else { people.zones[dice.roll(people.zones.len())] },
        newsletters,
        standing: match number % 20 {
            6 => Standing::Pending,
            11 => Standing::Left,
            14 => Standing::Suppressed,
            17 => Standing::Paused,
            _ => Standing::Active,
        },
        frequency: if number % 10 == 3 { "weekly" } else { "" },
        hour: match number % 6 {
            1 => ["06:15", "06:30", "08:00", "12:30", "18:45"][dice.roll(5)],
            _ => "",
        },
    }
}

/// What a reader wants to read about; empty: everything. One in ten is after what today's issue has nothing of.
pub fn topics(number: u64, newsletter: &str) -> &'static str {
    let choices = match newsletter {
        BRIEF => ["City;Science", "Business", "Culture;City", "City;Business;Science", "Science;Culture"],
        _ => ["Cité;Idées", "Sciences", "Culture;Idées", "Cité;Culture", "Idées;Sciences"],
    };
    match number % 10 {
        5 if newsletter == BRIEF => "Sport",
        5 => "Saveurs",
        0 | 2 | 4 | 7 | 9 => "",
        _ => choices[Dice(number ^ 0x5EED).roll(choices.len())],
    }
}

/// Chance that repeats itself (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % sides as u64).unwrap_or(0)
    }

    fn people(&mut self) -> &'static People {
        let mut place = self.next() % 100;
        let found = PEOPLE.iter().find(|people| match place.checked_sub(people.share) {
            Some(left) => {
                place = left;
                false
            }
            None => true,
        });
        found.unwrap_or(&PEOPLE[0])
    }
}

/// The subscribers of one newsletter as a CSV file, made as it is read: any number of them takes no memory.
pub struct Csv {
    newsletter: &'static str,
    numbers: std::ops::Range<u64>,
    line: Vec<u8>,
    taken: usize,
}

impl Csv {
    pub fn new(newsletter: &'static str, readers: u64) -> Self {
        let line = b"email,name,status,language,timezone,topics,frequency,hour,consent_from\n".to_vec();
        Self { newsletter, numbers: 0..readers, line, taken: 0 }
    }

    /// The next line; empty at the end.
    fn refill(&mut self) {
        self.line.clear();
        self.taken = 0;
        let newsletter = self.newsletter;
        let mut readers = self.numbers.by_ref().map(|number| (number, reader(number)));
        let Some((number, reader)) = readers.find(|(_, reader)| reader.newsletters.contains(&newsletter))
        else {
            return;
        };
        let status = match reader.standing {
            Standing::Pending => "pending",
            Standing::Left => "unsubscribed",
            Standing::Active | Standing::Suppressed | Standing::Paused => "active",
        };
        let frequency = if newsletter == BRIEF { reader.frequency } else { "" };
        let Reader { email, name, language, zone, hour, .. } = reader;
        let topics = topics(number, newsletter);
        // No value holds a comma or a quotation mark.
        let line =
            format!("{email},{name},{status},{language},{zone},{topics},{frequency},{hour},sign-up form\n");
        self.line.extend_from_slice(line.as_bytes());
    }
}

impl Read for Csv {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.line.len() {
            self.refill();
        }
        let left = &self.line[self.taken..];
        let count = left.len().min(out.len());
        out[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::address::EmailAddress;
    use crate::domain::calendar::{TimeOfDay, parse_zone};
    use crate::domain::language;

    #[test]
    fn readers_are_many_kinds_of_people_none_of_whom_exists() {
        let readers: Vec<Reader> = (0..200).map(reader).collect();
        let addresses: HashSet<&str> = readers.iter().map(|reader| reader.email.as_str()).collect();
        assert_eq!(addresses.len(), readers.len());
        for reader in &readers {
            assert!(EmailAddress::parse(&reader.email).unwrap().domain().ends_with(".example"));
            assert!(reader.zone.is_empty() || parse_zone(reader.zone).is_ok(), "{}", reader.zone);
            assert!(reader.hour.is_empty() || TimeOfDay::parse(reader.hour).is_ok());
            assert!(reader.language.is_empty() || language::normalise(reader.language).is_some());
            assert!(!reader.name.contains([',', '"']));
        }
        let languages: HashSet<&str> = readers.iter().map(|reader| reader.language).collect();
        assert_eq!(languages.len(), PEOPLE.len() + 1, "{languages:?}");
        assert_eq!(PEOPLE.iter().map(|people| people.share).sum::<u64>(), 100);
        assert_eq!(readers, (0..200).map(reader).collect::<Vec<_>>());
    }

    #[test]
    fn the_file_of_a_newsletter_lists_its_readers() {
        let mut text = String::new();
        Csv::new(REVUE, 50).read_to_string(&mut text).unwrap();
        let expected = (0..50).filter(|number| reader(*number).newsletters.contains(&REVUE)).count();
        assert_eq!(text.lines().count(), expected + 1);
        assert!(text.lines().all(|line| line.matches(',').count() == 8));
    }
}
