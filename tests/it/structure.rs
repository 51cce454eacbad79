//! What the house is built like: who imports whom, tables that agree on both databases, settings that are said once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use crate::daybreak::{Daybreak, Kind, on_postgres, on_sqlite};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// From the top down; a module imports only what stands on a lower floor. `sources`, `db`, `render` and `mail` share
/// one: they never import one another.
const FLOORS: [&[&str]; 8] = [
    &["main", "lib"],
    &["cli"],
    &["demo"],
    &["app"],
    &["web", "schedule"],
    &["pipeline"],
    &["sources", "db", "render", "mail"],
    &["domain", "clock", "config"],
];

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found
        .unwrap_or_else(|| panic!("the module {module} has no floor: give it one in FLOORS, and in the plan"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A file of the program with its module and its code, without comments and without tests.
fn program() -> Vec<(PathBuf, String, String)> {
    let source = root().join("src");
    let is_test = |path: &Path| {
        let path = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        path.contains("tests/") || path.ends_with("tests.rs") || path.ends_with("testing.rs")
    };
    let mut files = vec![];
    for path in rust_files(&source).into_iter().filter(|path| !is_test(path)) {
        let below = path.strip_prefix(&source).unwrap();
        let module = below.components().next().unwrap().as_os_str().to_string_lossy();
        let module = module.strip_suffix(".rs").unwrap_or(&module).to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n"));
        files.push((path.clone(), module, code.collect()));
    }
    files
}

/// The modules that a file names behind `crate::`, in paths and in groups.
fn imported(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, word)| code.split_at(at + word.len())) {
        let name = |text: &str| {
            text.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect::<String>()
        };
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(name(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, sign) in group.char_indices() {
            match sign {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ if start && !sign.is_whitespace() => {
                    found.insert(name(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found.into_iter().filter(|name| name.chars().next().is_some_and(char::is_lowercase)).collect()
}

#[test]
fn imports_run_downwards_only() {
    let mut wrong = vec![];
    for (path, module, code) in program() {
        for other in imported(&code).into_iter().filter(|other| *other != module) {
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            let (here, there) = (floor(&module), floor(&other));
            let on_the_ground = here == there && here == FLOORS.len() - 1 && module != "domain";
            if here >= there && !on_the_ground {
                wrong.push(format!("{shown}: {module} must not import {other}"));
            }
            if matches!(module.as_str(), "web" | "cli") && matches!(other.as_str(), "mail" | "sources") {
                wrong.push(format!("{shown}: {module} acts through pipeline, and never touches {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_and_paths_are_both_read() {
    let code =
        "use crate::{app, db::{self, Conn}, domain::issue};\nlet x = crate::mail::y(); use crate::web::Z;";
    let names: Vec<String> = imported(code).into_iter().collect();
    assert_eq!(names, ["app", "db", "domain", "mail", "web"]);
}

#[test]
fn the_domain_does_no_io_and_only_db_speaks_sql() {
    let io = [
        "sqlx",
        "tokio",
        "reqwest",
        "lettre",
        "axum",
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "hyper",
    ];
    for (path, module, code) in program() {
        let names = |word: &str| code.lines().any(|line| line.contains(&format!("{word}::")));
        if module == "domain" {
            for word in io {
                assert!(!names(word), "{}: the domain uses {word}", path.display());
            }
        }
        assert!(module == "db" || !names("sqlx"), "{}: only db names sqlx", path.display());
        assert!(module == "mail" || !names("lettre"), "{}: only mail names lettre", path.display());
    }
}

#[test]
fn nothing_reads_the_systems_clock_but_the_clock() {
    for (path, module, code) in program() {
        let reads =
            code.contains("SystemTime::now") || code.contains("Utc::now") || code.contains("Local::now");
        assert!(!reads || module == "clock", "{} reads the system's clock", path.display());
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root().join("migrations").join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

/// What a database says about its tables, in words that both use.
#[derive(Debug, Default, PartialEq, Eq)]
struct Catalogue {
    /// `table.column`: its type, and whether it may be null.
    columns: BTreeMap<String, String>,
    /// `table (columns)` of primary and unique keys.
    keys: BTreeSet<String>,
    /// `table (columns) → table`.
    references: BTreeSet<String>,
    /// Other indexes by name, with their table.
    indexes: BTreeSet<String>,
}

async fn sqlite_catalogue(daybreak: &Daybreak) -> Catalogue {
    let mut catalogue = Catalogue::default();
    // The index of words is a table here, with tables of its own below it; PostgreSQL's is an index.
    let tables = "SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx%'";
    for table in daybreak.texts(tables).await {
        let strict = format!("SELECT sql FROM sqlite_master WHERE name = '{table}'");
        assert!(daybreak.texts(&strict).await[0].trim_end().ends_with("STRICT"), "{table} is STRICT");
        // A primary key is never null, though SQLite's own list does not say so of all of them.
        let columns = format!(
            "SELECT name || ' ' || type || CASE WHEN \"notnull\" = 1 OR pk > 0 THEN ' not null' ELSE '' END
             FROM pragma_table_info('{table}')"
        );
        for column in daybreak.texts(&columns).await {
            let (name, kind) = column.split_once(' ').unwrap();
            catalogue
                .columns
                .insert(format!("{table}.{name}"), kind.to_lowercase().replace("integer", "bigint"));
        }
        let primary = format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk");
        catalogue.keys.insert(format!("{table} ({})", daybreak.texts(&primary).await.join(", ")));
        let unique = format!("SELECT name FROM pragma_index_list('{table}') WHERE origin = 'u'");
        for index in daybreak.texts(&unique).await {
            let columns = format!("SELECT name FROM pragma_index_info('{index}') ORDER BY seqno");
            catalogue.keys.insert(format!("{table} ({})", daybreak.texts(&columns).await.join(", ")));
        }
        let references =
            format!("SELECT \"from\" || ') → ' || \"table\" FROM pragma_foreign_key_list('{table}')");
        catalogue
            .references
            .extend(daybreak.texts(&references).await.iter().map(|to| format!("{table} ({to}")));
        let indexes = format!("SELECT name FROM pragma_index_list('{table}') WHERE origin = 'c'");
        catalogue
            .indexes
            .extend(daybreak.texts(&indexes).await.iter().map(|name| format!("{table}: {name}")));
    }
    catalogue
}

async fn postgres_catalogue(daybreak: &Daybreak) -> Catalogue {
    let here = "table_schema = 'public' AND table_name NOT LIKE '_sqlx%'";
    let columns = format!(
        "SELECT table_name || '.' || column_name || ' ' || data_type
             || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
         FROM information_schema.columns WHERE {here}"
    );
    let columns = daybreak.texts(&columns).await.into_iter().map(|column| {
        let (name, kind) = column.split_once(' ').unwrap();
        // The same bytes by another name.
        (name.to_owned(), kind.replace("bytea", "blob"))
    });
    let named = |kinds: &str| {
        format!(
            "SELECT t.relname::text || ' (' || string_agg(a.attname::text, ', ' ORDER BY k.place) || ')'
                 || COALESCE(' → ' || f.relname::text, '')
             FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
             LEFT JOIN pg_class f ON f.oid = c.confrelid
             CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
             WHERE c.contype IN ({kinds}) AND t.relname NOT LIKE '\\_sqlx%' AND t.relnamespace = 'public'::regnamespace
             GROUP BY c.oid, t.relname, f.relname"
        )
    };
    let indexes = "SELECT t.relname::text || ': ' || i.relname::text
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
        WHERE t.relnamespace = 'public'::regnamespace AND t.relname NOT LIKE '\\_sqlx%'
          AND i.relname <> 'subscribers_by_words'
          AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.oid)";
    Catalogue {
        columns: columns.collect(),
        keys: daybreak.texts(&named("'p', 'u'")).await.into_iter().collect(),
        references: daybreak.texts(&named("'f'")).await.into_iter().collect(),
        indexes: daybreak.texts(indexes).await.into_iter().collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_have_the_same_tables() {
    on_sqlite(async |sqlite| {
        sqlite.run(&["migrate"]).await;
        let one = sqlite_catalogue(sqlite).await;
        assert!(one.columns.len() > 100, "{one:?}");
        for (column, kind) in &one.columns {
            let known = ["bigint", "text", "double", "blob", "real"];
            let plain = kind.trim_end_matches(" not null");
            assert!(
                known.contains(&plain),
                "{column} is {kind}: Any decodes integers, doubles, text and bytes alone"
            );
        }
        on_postgres(async |postgres| {
            assert_eq!(postgres.kind, Kind::Postgres);
            postgres.run(&["migrate"]).await;
            let other = postgres_catalogue(postgres).await;
            assert_eq!(one.columns, other.columns);
            assert_eq!(one.keys, other.keys);
            assert_eq!(one.references, other.references);
            assert_eq!(one.indexes, other.indexes);
        })
        .await;
    })
    .await;
}

/// The settings as the command line knows them: key, sentence, default.
fn settings() -> Vec<(String, String, Option<String>)> {
    let command = daybreak::cli::Cli::command();
    let mut settings = vec![];
    for argument in command.get_arguments() {
        let Some(key) = argument.get_env() else { continue };
        let sentence = argument.get_help().expect("each setting has a help sentence").to_string();
        let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        settings.push((key.to_string_lossy().into_owned(), sentence, default));
    }
    settings
}

#[test]
fn each_setting_stands_in_env_example_with_the_sentence_of_the_help() {
    let text = std::fs::read_to_string(root().join(".env.example")).unwrap();
    let mut expected = String::new();
    for (key, sentence, default) in settings() {
        assert!(key.starts_with("DAYBREAK_"), "{key}");
        expected.push_str(&format!("\n{}#{key}={}\n", commented(&sentence), default.unwrap_or_default()));
    }
    let (head, settings) = text.split_once("\n\n").expect("a head, and then the settings");
    assert!(head.lines().all(|line| line.starts_with('#')), "{head}");
    assert_eq!(format!("\n{settings}"), expected, ".env.example is to say this below its head:\n{expected}");
}

/// A sentence as comment lines of at most 110 columns.
fn commented(sentence: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in sentence.split_whitespace() {
        if lines.last().is_some_and(|line| line.chars().count() + 1 + word.chars().count() > 110) {
            lines.push("#".to_owned());
        }
        let line = lines.last_mut().expect("there is a line");
        line.push(' ');
        line.push_str(word);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_names_each_setting_and_shows_no_secret() {
    on_sqlite(async |daybreak| {
        daybreak.run(&["migrate"]).await;
        daybreak.set("DAYBREAK_RELAY_URL", "smtp://ann:hunter2@mail.example.org");
        for words in [&["--help"][..], &["serve", "--help"], &["issue", "send", "--help"]] {
            let help = daybreak.run(words).await;
            let folded = help.split_whitespace().collect::<Vec<_>>().join(" ");
            for (key, sentence, _) in settings() {
                assert!(folded.contains(&key), "{words:?} does not name {key}");
                let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(folded.contains(&sentence), "{words:?} does not say of {key}: {sentence}");
            }
            assert!(!help.contains("hunter2"), "{help}");
        }
    })
    .await;
}

#[test]
fn a_copied_env_example_can_be_read() {
    let text = std::fs::read_to_string(root().join(".env.example")).unwrap();
    // Each line without its # as an operator would take it.
    let uncommented: String = text
        .lines()
        .map(|line| {
            line.strip_prefix("#DAYBREAK_").map_or("\n".to_owned(), |rest| format!("DAYBREAK_{rest}\n"))
        })
        .collect();
    let read: Vec<_> = dotenvy::from_read_iter(uncommented.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), settings().len());
    for ((key, value), (expected, _, default)) in read.iter().zip(settings()) {
        assert_eq!((key, value), (&expected, &default.unwrap_or_default()));
    }
}
