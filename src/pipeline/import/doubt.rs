//! What a file says against mailing somebody, and what sounds so in columns that are not read.

use csv::StringRecord;

use super::columns::{Columns, Field, plain};
use super::entry::{Wrong, shown};
use super::report::Cause;

/// What is in a heading that says something against mailing people, written as in [`FIELDS`], by the field that such a
/// column is; and what is only in headings that do not.
const AGAINST: [(Field, &[&str]); 2] = [
    (
        Field::LeftAt,
        &[
            "unsub",
            "optout",
            "optedout",
            "disabled",
            "donotemail",
            "donotmail",
            "abgemeldet",
            "abmelde",
            "désabonn",
            "desabonn",
            "désinscri",
            "desinscri",
        ],
    ),
    (
        Field::BouncedAt,
        &["bounce", "cleaned", "cleantime", "suppress", "complain", "blocklist", "blacklist", "spamreport"],
    ),
];
const HARMLESS: [&str; 3] = ["link", "url", "token"];

/// The columns that nothing is read from although their headings sound as if whoever has something in them must not be
/// mailed. Where a column of that kind is read, others beside it only tell more of it.
#[derive(Clone, Debug, Default)]
pub struct Doubtful(Vec<(usize, String)>);

impl Doubtful {
    pub fn of(columns: &Columns, header: &StringRecord) -> Self {
        let is_doubtful = |(place, name): &(usize, &str)| {
            let name = plain(name);
            let is_against = |(field, words): &(Field, &[&str])| {
                !columns.has(*field) && words.iter().any(|word| name.contains(word))
            };
            columns.ignores(*place)
                && AGAINST.iter().any(is_against)
                && !HARMLESS.iter().any(|word| name.contains(word))
        };
        let doubtful = header.iter().enumerate().filter(is_doubtful);
        Self(doubtful.map(|(place, name)| (place, name.trim().to_owned())).collect())
    }

    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(_, name)| shown(name)).collect()
    }

    /// What a line has in such a column.
    pub fn found(&self, record: &StringRecord) -> Option<Wrong> {
        let cell = |(place, name): &(usize, String)| {
            let text = record.get(*place).map(str::trim).filter(|text| !is_no(text))?;
            Some((Cause::Doubtful, format!("“{}” says “{}”, and is not read", shown(name), shown(text))))
        };
        self.0.iter().find_map(cell)
    }
}

/// Whether a cell says that something is not so, or nothing.
pub fn is_no(text: &str) -> bool {
    let word = plain(text);
    word.is_empty()
        || word.chars().all(|character| character == '0')
        || ["no", "false", "n", "f", "never", "none", "null", "nil", "nan", "na", "nein", "non"]
            .contains(&word.as_str())
}

/// Whether a cell says that something is so, and no more.
pub fn is_yes_alone(text: &str) -> bool {
    ["yes", "true", "y", "t", "x", "1", "ja", "oui", "sí"].contains(&plain(text).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubtful(headings: &[&str], cells: &[&str]) -> (Vec<String>, bool) {
        let header = StringRecord::from(headings.to_vec());
        let doubtful = Doubtful::of(&Columns::read(&header, &[]).unwrap(), &header);
        let is_found = doubtful.found(&StringRecord::from(cells.to_vec())).is_some();
        (doubtful.names(), is_found)
    }

    #[test]
    fn a_skipped_column_that_sounds_against_mailing_is_doubtful_where_it_says_something() {
        for heading in
            ["Unsub campaign", "Bounce type", "Suppressed?", "Account disabled", "Spam-Report", "Complaints"]
        {
            for (cell, is_found) in [("x", true), ("2", true), ("", false), ("FALSE", false), ("0", false)] {
                let expected = (vec![heading.to_owned()], is_found);
                assert_eq!(
                    doubtful(&["email", heading], &["ann@example.org", cell]),
                    expected,
                    "{heading}: {cell}"
                );
            }
        }
        for heading in ["Unsubscribe link", "Subscribed on paper", "Cleaning lady", "Disc"] {
            assert_eq!(
                doubtful(&["email", heading], &["ann@example.org", "x"]),
                (vec![], false),
                "{heading}"
            );
        }
        let mailchimp = ["Email", "UNSUB_TIME", "UNSUB_CAMPAIGN_TITLE", "UNSUB_REASON_OTHER"];
        assert_eq!(doubtful(&mailchimp, &["ann@example.org", "", "x", "x"]), (vec![], false));
    }

    #[test]
    fn empty_cells_and_every_no_are_no() {
        for no in ["", " ", "No", "false", "0", "0.0", "n/a", "-", "NULL", "never"] {
            assert!(is_no(no), "{no}");
        }
        for yes in ["yes", "TRUE", "1", "X"] {
            assert!(is_yes_alone(yes) && !is_no(yes), "{yes}");
        }
        assert!(!is_no("2024-03-01") && !is_yes_alone("2024-03-01"));
    }
}
