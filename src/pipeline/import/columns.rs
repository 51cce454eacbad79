//! Which column of a file holds what, by its heading.

use csv::StringRecord;

use crate::pipeline::Error;

/// What a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    Name,
    FirstName,
    LastName,
    Status,
    Topics,
    Frequency,
    Hour,
    Timezone,
    Language,
    ConsentAt,
    ConsentFrom,
    ConsentWords,
    PausedUntil,
    Tags,
    LeftAt,
    LeftReason,
    BouncedAt,
    /// The short name or the name of the newsletter that a line is about.
    Newsletter,
}

/// Every field: its own heading, and how other programs and people head such a column, the surer words first, in
/// lower case and without anything but letters and digits.
const FIELDS: [(Field, &str, &[&str]); 19] = [
    (
        Field::Email,
        "email",
        &[
            "email",
            "emailaddress",
            "emailadresse",
            "mailadresse",
            "adresseemail",
            "adressemail",
            "adresseelectronique",
            "adresseélectronique",
            "courriel",
            "correo",
            "correoelectronico",
            "correoelectrónico",
            "indirizzoemail",
            "eposta",
            "epost",
            "subscriberemail",
            "useremail",
            "mail",
            "address",
            "adresse",
        ],
    ),
    (
        Field::Name,
        "name",
        &["name", "fullname", "displayname", "subscribername", "nomcomplet", "vollername", "nombrecompleto"],
    ),
    (
        Field::FirstName,
        "first_name",
        &["firstname", "fname", "givenname", "forename", "vorname", "prénom", "prenom", "nombre", "first"],
    ),
    (
        Field::LastName,
        "last_name",
        &[
            "lastname",
            "lname",
            "surname",
            "familyname",
            "nachname",
            "familienname",
            "nomdefamille",
            "nom",
            "apellido",
            "apellidos",
            "cognome",
            "last",
        ],
    ),
    (
        Field::Status,
        "status",
        &[
            "status",
            "subscriptionstatus",
            "emailmarketingstatus",
            "state",
            "subscribed",
            "subscribedtoemails",
        ],
    ),
    (
        Field::Topics,
        "topics",
        &["topics", "topic", "interests", "themen", "thema", "sujets", "rubriques", "thèmes", "temas"],
    ),
    (
        Field::Frequency,
        "frequency",
        &["frequency", "schedule", "cadence", "häufigkeit", "fréquence", "frequence", "frecuencia"],
    ),
    (Field::Hour, "hour", &["hour", "time", "deliverytime", "sendtime", "uhrzeit", "heure", "hora"]),
    (Field::Timezone, "timezone", &["timezone", "tz", "zone", "zeitzone", "fuseauhoraire", "zonahoraria"]),
    (
        Field::Language,
        "language",
        &["language", "lang", "locale", "preferredlanguage", "sprache", "langue", "idioma", "lingua"],
    ),
    (
        Field::ConsentAt,
        "consent_at",
        &[
            "consentat",
            "consentdate",
            "optintime",
            "optindate",
            "optinat",
            "confirmtime",
            "confirmedat",
            "subscribedat",
            "subscribedate",
            "subscriptiondate",
            "subscribedon",
            "signupdate",
            "createdat",
            "creationdate",
            "dateadded",
            "startdate",
        ],
    ),
    (
        Field::ConsentFrom,
        "consent_from",
        &["consentfrom", "consentsource", "optinip", "signupsource", "ipaddress", "source", "ip"],
    ),
    (Field::ConsentWords, "consent_words", &["consentwords", "consenttext", "consent", "optintext"]),
    (Field::PausedUntil, "paused_until", &["pauseduntil", "pausiertbis", "pausejusquau", "pausadohasta"]),
    (
        Field::Tags,
        "tags",
        &[
            "tags",
            "tag",
            "labels",
            "label",
            "schlagworte",
            "schlagwörter",
            "étiquettes",
            "etiquettes",
            "etiquetas",
            "etichette",
        ],
    ),
    (
        Field::LeftAt,
        "left_at",
        &[
            "leftat",
            "unsubtime",
            "unsubscribetime",
            "unsubscribedat",
            "unsubscribedate",
            "unsubscribeddate",
            "unsubscribedon",
            "unsubscriptiondate",
            "optouttime",
            "optoutdate",
            "optedoutat",
            "emaildisabled",
            "unsubscribed",
            "optedout",
            "optout",
            "emailoptout",
            "donotemail",
        ],
    ),
    (
        Field::LeftReason,
        "left_reason",
        &["leftreason", "unsubreason", "unsubscribereason", "unsubscriptionreason", "optoutreason"],
    ),
    (
        Field::BouncedAt,
        "bounced_at",
        &[
            "bouncedat",
            "cleantime",
            "cleanedat",
            "cleaneddate",
            "bouncetime",
            "bouncedate",
            "hardbouncedat",
            "hardbounced",
            "bounced",
            "cleaned",
        ],
    ),
    (Field::Newsletter, "newsletter", &[]),
];

impl Field {
    pub const ALL: [Self; FIELDS.len()] = [
        Self::Email,
        Self::Name,
        Self::FirstName,
        Self::LastName,
        Self::Status,
        Self::Topics,
        Self::Frequency,
        Self::Hour,
        Self::Timezone,
        Self::Language,
        Self::ConsentAt,
        Self::ConsentFrom,
        Self::ConsentWords,
        Self::PausedUntil,
        Self::Tags,
        Self::LeftAt,
        Self::LeftReason,
        Self::BouncedAt,
        Self::Newsletter,
    ];

    /// The field with this heading.
    pub fn of_heading(heading: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.heading() == heading)
    }

    /// What the field is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Email => "E-mail address",
            Self::Name => "Name",
            Self::FirstName => "First name",
            Self::LastName => "Last name",
            Self::Status => "Status",
            Self::Topics => "Topics",
            Self::Frequency => "Schedule",
            Self::Hour => "Hour",
            Self::Timezone => "Time zone",
            Self::Language => "Language",
            Self::ConsentAt => "Date of consent",
            Self::ConsentFrom => "Source of consent",
            Self::ConsentWords => "Words of consent",
            Self::PausedUntil => "Paused until",
            Self::Tags => "Tags",
            Self::LeftAt => "Has left (yes, or when)",
            Self::LeftReason => "Why they left",
            Self::BouncedAt => "Bounced (yes, or when)",
            Self::Newsletter => "Newsletter (only its lines)",
        }
    }

    /// The heading that `export` writes, and the name in `--map column=field`.
    pub fn heading(self) -> &'static str {
        FIELDS.iter().find(|(field, ..)| *field == self).map_or("", |(_, heading, _)| heading)
    }
}

/// Where each field stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    /// How many columns the header has.
    pub count: usize,
    places: [Option<usize>; FIELDS.len()],
}

impl Columns {
    /// Reads a header. `map` assigns columns by name, `("Kunde", "name")`, before any guess; `ignore` as a field keeps
    /// a column from being guessed.
    ///
    /// # Errors
    /// A column or field of `map` that is not there, and a header without an address: each names those there are.
    pub fn read(header: &StringRecord, map: &[(String, String)]) -> Result<Self, Error> {
        let plain: Vec<String> = header.iter().map(plain).collect();
        let mut columns = Self { count: header.len(), places: [None; FIELDS.len()] };
        let mut taken = vec![false; plain.len()];
        for (column, field) in map {
            let wanted = self::plain(column);
            let place = header.iter().position(|name| name.trim() == column.trim());
            let place = place.or_else(|| plain.iter().position(|name| *name == wanted)).ok_or_else(|| {
                Error::Invalid(format!("the file has no column “{column}”; it has {}", names(header)))
            })?;
            taken[place] = true;
            let wanted = self::plain(field);
            if wanted == "ignore" {
                continue;
            }
            let index = FIELDS.iter().position(|(_, heading, _)| self::plain(heading) == wanted);
            let index = index.ok_or_else(|| Error::Invalid(no_such_field(field)))?;
            columns.places[index] = Some(place);
        }
        let columns = Self::found(header, taken, columns.places);
        if columns.place(Field::Email).is_none() {
            return Err(Error::Invalid(no_address(header)));
        }
        Ok(columns)
    }

    /// Finds by their headings the fields that have no place yet, in the columns that are not taken.
    fn found(header: &StringRecord, mut taken: Vec<bool>, places: [Option<usize>; FIELDS.len()]) -> Self {
        let plain: Vec<String> = header.iter().map(plain).collect();
        let mut columns = Self { count: header.len(), places };
        for (index, (_, _, words)) in FIELDS.iter().enumerate() {
            if columns.places[index].is_some() {
                continue;
            }
            let find = |word: &&str| (0..plain.len()).find(|place| !taken[*place] && plain[*place] == **word);
            columns.places[index] = words.iter().find_map(find);
            if let Some(place) = columns.places[index] {
                taken[place] = true;
            }
        }
        // An export of ours with several newsletters in it; elsewhere such a column may say “yes”.
        let is_ours =
            ["consent_from", "left_reason"].iter().all(|own| header.iter().any(|name| name == *own));
        if let Some(index) = FIELDS.iter().position(|(field, ..)| *field == Field::Newsletter)
            && columns.places[index].is_none()
            && is_ours
        {
            columns.places[index] =
                (0..header.len()).find(|place| !taken[*place] && &header[*place] == "newsletter");
        }
        columns
    }

    /// Takes the fields as they were said, column by column.
    ///
    /// # Errors
    /// Another number of columns than the header has; no address, or a field twice.
    pub fn said(header: &StringRecord, fields: &[Option<Field>]) -> Result<Self, Error> {
        if header.len() != fields.len() {
            let (has, said) = (header.len(), fields.len());
            return Err(Error::Invalid(format!("the file has {has} columns, and {said} were told about")));
        }
        check(fields).map_err(Error::Invalid)?;
        let mut columns = Self { count: header.len(), places: [None; FIELDS.len()] };
        for (index, (field, ..)) in FIELDS.iter().enumerate() {
            columns.places[index] = fields.iter().position(|said| *said == Some(*field));
        }
        Ok(columns)
    }

    /// What each column of a header seems to hold.
    pub fn guess(header: &StringRecord) -> Vec<Option<Field>> {
        let columns = Self::found(header, vec![false; header.len()], [None; FIELDS.len()]);
        let field = |place| {
            let index = columns.places.iter().position(|found| *found == Some(place))?;
            FIELDS.get(index).map(|(field, ..)| *field)
        };
        (0..header.len()).map(field).collect()
    }

    fn place(&self, field: Field) -> Option<usize> {
        FIELDS.iter().position(|(each, ..)| *each == field).and_then(|index| self.places[index])
    }

    /// Whether the file has a column for `field`.
    pub fn has(&self, field: Field) -> bool {
        self.place(field).is_some()
    }

    /// A record's cell for `field`, trimmed; none where the file has no such column or the cell is empty.
    pub fn cell<'r>(&self, record: &'r StringRecord, field: Field) -> Option<&'r str> {
        let cell = unprotect(record.get(self.place(field)?)?.trim());
        (!cell.is_empty()).then_some(cell)
    }

    /// Whether nothing is read from the column at `place`.
    pub fn ignores(&self, place: usize) -> bool {
        !self.places.contains(&Some(place))
    }

    /// What is read from where, `email ← E-Mail-Adresse`.
    pub fn used(&self, header: &StringRecord) -> Vec<String> {
        let of = |((_, heading, _), place): (&(Field, &str, _), &Option<usize>)| {
            Some(format!("{heading} ← {}", header.get((*place)?)?.trim()))
        };
        FIELDS.iter().zip(&self.places).filter_map(of).collect()
    }

    /// The columns that nothing is read from.
    pub fn ignored(&self, header: &StringRecord) -> Vec<String> {
        let unused = header.iter().enumerate().filter(|(place, _)| self.ignores(*place));
        unused.map(|(_, name)| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    }
}

/// Whether columns with these fields are a list of people.
///
/// # Errors
/// A sentence that says why not.
pub fn check(fields: &[Option<Field>]) -> Result<(), String> {
    for field in Field::ALL {
        let count = fields.iter().filter(|said| **said == Some(field)).count();
        let words = field.words();
        if count > 1 {
            return Err(format!(
                "{count} columns are said to be “{words}”: keep one of them, and skip the others."
            ));
        }
        if field == Field::Email && count == 0 {
            return Err("Say which column holds the e-mail address: nobody is found without.".to_owned());
        }
    }
    Ok(())
}

/// A heading without case, spaces and signs: `E-Mail-Adresse` is `emailadresse`.
pub(super) fn plain(heading: &str) -> String {
    heading.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn names(header: &StringRecord) -> String {
    let shown: Vec<String> = header
        .iter()
        .take(40)
        .map(|name| format!("“{}”", name.trim().chars().take(40).collect::<String>()))
        .collect();
    shown.join(", ")
}

fn no_such_field(field: &str) -> String {
    let fields: Vec<&str> = FIELDS.iter().map(|(_, heading, _)| *heading).collect();
    format!("“{field}” is not a field; a column can be mapped to {}, or ignore", fields.join(", "))
}

fn no_address(header: &StringRecord) -> String {
    let hint = if header.iter().any(|name| name.contains('@')) {
        "the first line seems to be a person's; write a line with the names of the columns above it, for instance \
         email,name"
    } else {
        "name the one with the addresses “email”, or say which it is with --map COLUMN=email"
    };
    format!("the file has no column of e-mail addresses: it has {}; {hint}", names(header))
}

/// What a spreadsheet would take for a formula when it opens a file.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(FORMULA)
}

/// A cell that no spreadsheet takes for a formula: with an apostrophe before it, which is how spreadsheets themselves
/// mark a text. One more is put before a cell that looks protected already, so that `unprotect` gives back exactly
/// what was there.
pub fn protect(cell: &str) -> String {
    if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// Undoes [`protect`].
pub fn unprotect(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(names: &[&str]) -> StringRecord {
        StringRecord::from(names.to_vec())
    }

    #[test]
    fn columns_are_found_by_the_names_that_people_give_them() {
        for name in ["email", "E-Mail", "e-mail ", "E-Mail-Adresse", "Courriel", "Email Address", "ADDRESS"] {
            let header = header(&["Vorname", name, "Nachname", "Kundennummer"]);
            let columns = Columns::read(&header, &[]).unwrap();
            let record = StringRecord::from(vec!["Ann", " ann@example.org ", "", "7"]);
            assert_eq!(columns.cell(&record, Field::Email), Some("ann@example.org"));
            assert_eq!(columns.cell(&record, Field::FirstName), Some("Ann"));
            assert_eq!(columns.cell(&record, Field::LastName), None);
            assert_eq!(columns.ignored(&header), ["Kundennummer"]);
        }
    }

    #[test]
    fn a_postal_address_is_not_taken_for_the_e_mail_address() {
        let header = header(&["Address", "Email Address"]);
        let columns = Columns::read(&header, &[]).unwrap();
        assert_eq!(columns.used(&header), ["email ← Email Address"]);
    }

    #[test]
    fn a_map_goes_before_every_guess() {
        let header = header(&["email", "contact", "name"]);
        let map = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(column, field)| ((*column).to_owned(), (*field).to_owned())).collect()
        };
        let columns = Columns::read(&header, &map(&[("Contact", "email"), ("name", "ignore")])).unwrap();
        assert_eq!(columns.used(&header), ["email ← contact"]);
        assert_eq!(columns.ignored(&header), ["email", "name"]);
        let error = Columns::read(&header, &map(&[("nobody", "email")])).unwrap_err().to_string();
        assert!(error.contains("“nobody”") && error.contains("“contact”"), "{error}");
        let error = Columns::read(&header, &map(&[("contact", "shoe")])).unwrap_err().to_string();
        assert!(error.contains("consent_words"), "{error}");
    }

    #[test]
    fn a_file_without_addresses_is_told_its_columns() {
        let error = Columns::read(&header(&["Phone", "City"]), &[]).unwrap_err().to_string();
        assert!(error.contains("“Phone”, “City”") && error.contains("--map"), "{error}");
        let error = Columns::read(&header(&["ann@example.org", "Ann"]), &[]).unwrap_err().to_string();
        assert!(error.contains("above it"), "{error}");
    }

    proptest! {
        #[test]
        fn protecting_a_cell_is_undone_exactly(cell in "['=+@a-]{0,6}") {
            let protected = protect(&cell);
            prop_assert!(!protected.starts_with(FORMULA));
            prop_assert_eq!(unprotect(&protected), cell);
        }
    }
}
