//! The few places where SQLite and PostgreSQL differ; nothing else knows which of them it talks to.

use sqlx::AnyConnection;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// The type of a column of [`Dialect::rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Text,
}

impl Dialect {
    pub fn of(connection: &AnyConnection) -> Self {
        match connection.backend_name() {
            "SQLite" => Self::Sqlite,
            _ => Self::Postgres,
        }
    }

    /// How a transaction that will write begins. SQLite's plain `BEGIN` turns into a writer only at its first write,
    /// and fails there if another has written since (measured: 248 of 400 transactions).
    pub fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// What to add to the sub-select of a claim, so that two claims do not wait for each other's rows. SQLite has a
    /// single writer anyway.
    pub fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// What to put behind a text column to compare it byte by byte, as Rust does and whatever the database's locale.
    pub fn bytewise(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "COLLATE \"C\"",
        }
    }

    /// Where a text begins within another, from 1: `position(text, part)`.
    pub fn position(self) -> &'static str {
        match self {
            Self::Sqlite => "instr",
            Self::Postgres => "strpos",
        }
    }

    /// The domain of an address, as its index has it.
    pub fn domain(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("substr({column}, instr({column}, '@') + 1)"),
            Self::Postgres => format!("split_part({column}, '@', 2) COLLATE \"C\""),
        }
    }

    /// What an action of the audit log was done to, as its index has it: `user` of `user.remove`.
    pub fn noun(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("substr({column}, 1, instr({column} || '.', '.') - 1)"),
            Self::Postgres => format!("split_part({column}, '.', 1)"),
        }
    }

    /// The query whose rows are the ids of the people who have words, as [`Dialect::words`] writes them in `placeholder`.
    pub fn having_words(self, placeholder: &str) -> String {
        match self {
            Self::Sqlite => {
                format!("SELECT rowid AS id FROM subscriber_words WHERE subscriber_words MATCH {placeholder}")
            }
            // Planned as if all were wanted: for the first few of many, PostgreSQL would read the table and cut every
            // name in it.
            Self::Postgres => format!(
                "WITH people AS MATERIALIZED (
                     SELECT id FROM subscribers
                     WHERE array_to_tsvector(array_remove(array_remove(
                               string_to_array(name_words || email_words, ' '), ''), '@'))
                           @@ CAST({placeholder} AS tsquery))
                 SELECT id FROM people"
            ),
        }
    }

    /// Words, each with whether its beginning is enough, in the language of the index of words: all of them are meant.
    /// They must be letters and digits alone.
    pub fn words(self, words: &[(&str, bool)]) -> String {
        let word = |(word, is_begun): &(&str, bool)| match (self, is_begun) {
            (Self::Sqlite, false) => format!("\"{word}\""),
            (Self::Sqlite, true) => format!("\"{word}\"*"),
            (Self::Postgres, false) => format!("'{word}'"),
            (Self::Postgres, true) => format!("'{word}':*"),
        };
        let all = if self == Self::Sqlite { " AND " } else { " & " };
        words.iter().map(word).collect::<Vec<_>>().join(all)
    }

    /// What to add to a `SELECT` whose rows nobody else is to change before the transaction ends. On SQLite whoever
    /// writes is alone anyway.
    pub fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE",
        }
    }

    /// What tells the planner that `deliveries` has just grown. PostgreSQL notices within a minute; until then it takes
    /// an issue for a few rows, and sorts all of a million for each claim (measured: 613 ms instead of 1).
    pub fn look_again(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("ANALYZE deliveries"),
        }
    }

    /// The database's own time in epoch milliseconds, for leases alone.
    pub fn now_millis(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// A sub-select over a list bound as one JSON array of numbers, for `IN (…)`: as many placeholders would be
    /// quadratically slow on SQLite.
    pub fn list(self, placeholder: &str) -> String {
        match self {
            Self::Sqlite => format!("(SELECT value FROM json_each({placeholder}))"),
            Self::Postgres => {
                format!("(SELECT value::bigint FROM json_array_elements_text({placeholder}::json))")
            }
        }
    }

    /// All rows of a `SELECT` as one value: a JSON array of arrays, in octets. Handed over row by row, 200 rows of 15
    /// columns take the driver longer than the database takes to find them.
    pub fn all_rows(self, columns: &[&str]) -> String {
        let row = columns.join(", ");
        match self {
            // Octets, not text: a damaged text is to spoil its own row alone.
            Self::Sqlite => format!("CAST(json_group_array(json_array({row})) AS BLOB)"),
            Self::Postgres => {
                format!("convert_to(COALESCE(json_agg(json_build_array({row})), '[]')::text, 'UTF8')")
            }
        }
    }

    /// A table made of rows bound as one JSON array of arrays, `[[1, "a"], [2, null]]`, with the named columns.
    pub fn rows(self, placeholder: &str, columns: &[(&str, Kind)]) -> String {
        let cells: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, (name, kind))| match (self, kind) {
                (Self::Sqlite, _) => format!("json_extract(value, '$[{index}]') AS {name}"),
                (Self::Postgres, Kind::Int) => format!("(value ->> {index})::bigint AS {name}"),
                (Self::Postgres, Kind::Text) => format!("value ->> {index} AS {name}"),
            })
            .collect();
        let source = match self {
            Self::Sqlite => format!("json_each({placeholder})"),
            Self::Postgres => format!("json_array_elements({placeholder}::json)"),
        };
        format!("(SELECT {} FROM {source})", cells.join(", "))
    }
}
