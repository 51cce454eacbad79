use std::time::Duration;

use super::words::cut_words;
use super::*;
use crate::db::testing::{TestDb, databases};
use crate::db::{sql as text, subscribers};
use crate::domain::address::EmailAddress;
use crate::domain::subscription::Subscriber;
use crate::domain::token::SigningKey;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LONG: Duration = Duration::from_secs(60);

fn key() -> SigningKey {
    SigningKey::new(&[7; 32])
}

async fn add(test: &TestDb, name: &str, email: &str) -> Subscriber {
    let mut tx = test.db.begin().await.unwrap();
    let email = EmailAddress::parse(email).unwrap();
    let mut person = subscribers::ensure(&mut tx, &key(), &email, NOW).await.unwrap();
    person.name = name.to_owned();
    subscribers::update(&mut tx, &person, NOW).await.unwrap();
    crate::db::commit(tx).await.unwrap();
    person
}

/// Enough people that a walk asks the index: `crowd1@many.example` and so on.
async fn a_crowd(test: &TestDb) {
    for n in 0..40 {
        add(test, "One Ofmany", &format!("crowd{n}@many.example")).await;
    }
}

fn search(words: &str) -> Filter {
    Filter { words: Search::parse(words).unwrap(), ..Filter::everybody(NOW) }
}

async fn found(test: &TestDb, words: &str) -> Vec<i64> {
    let mut conn = test.db.conn().await.unwrap();
    let page = walk(&mut conn, &search(words), From::Start, 100, LONG).await.unwrap();
    page.people.iter().map(|found| found.subscriber_id).collect()
}

/// Whether SQLite's index of words is what the people's words make it; PostgreSQL keeps its own.
async fn is_sound(test: &TestDb) -> bool {
    if test.db.dialect() == Dialect::Postgres {
        return true;
    }
    let query = "INSERT INTO subscriber_words (subscriber_words, rank) VALUES ('integrity-check', 1)";
    sqlx::query(query).execute(&mut *test.db.conn().await.unwrap()).await.is_ok()
}

async fn run(test: &TestDb, query: &str) -> u64 {
    let mut conn = test.db.conn().await.unwrap();
    sqlx::query(text(query.to_owned())).execute(&mut *conn).await.unwrap().rows_affected()
}

#[tokio::test]
async fn people_are_found_by_beginnings_of_words_of_name_and_address() {
    for test in databases().await {
        let anna = add(&test, "Anna Maria Smith", "anna.smith@mail.example.org").await.id;
        let emile = add(&test, "Émile O’Brien", "eo@paper.example").await.id;
        add(&test, "", "joanna@elsewhere.example").await;
        a_crowd(&test).await;
        for words in [
            "anna",
            "ANNA",
            "mari",
            "smith",
            "ann smi",
            "smi ann",
            "example.org",
            "@mail.example",
            "anna.smith@mail.example.org",
            "anna.smith@ma",
            "smith@mail",
            "  anna   Maria ",
        ] {
            assert_eq!(found(&test, words).await, [anna], "{words}");
        }
        let wide = add(&test, "", "leser@bücher.example").await.id;
        for words in ["leser@bücher.example", "@BÜCHER.example", "leser@xn--bcher"] {
            assert_eq!(found(&test, words).await, [wide], "{words}");
        }
        for words in ["émile", "EMILE", "o'brien", "brien", "O Brien", "@paper.example", "eo@"] {
            assert_eq!(found(&test, words).await, [emile], "{words}");
        }
        // Neither the end of a word, nor words of which one is missing, nor signs.
        for words in ["mith", "anna brien", "@example.org", "smith@paper", "obrien", "emilee"] {
            assert_eq!(found(&test, words).await, [0; 0], "{words}");
        }
        assert_eq!(found(&test, "many").await.len(), 40);
        assert_eq!(found(&test, "").await.len(), 44);
    }
}

#[tokio::test]
async fn rare_words_are_found_in_one_walk_however_little_its_time() {
    for test in databases().await {
        let anna = add(&test, "Anna Smith", "anna@example.org").await.id;
        a_crowd(&test).await;
        let mut conn = test.db.conn().await.unwrap();
        for (words, people) in [("smith", vec![anna]), ("ann smi", vec![anna]), ("nobody has that", vec![])] {
            let page = walk(&mut conn, &search(words), From::Start, 10, Duration::ZERO).await.unwrap();
            let ids: Vec<i64> = page.people.iter().map(|found| found.subscriber_id).collect();
            assert_eq!((ids, page.is_cut, page.after), (people.clone(), false, None), "{words}");
            let counted = count(&mut conn, &search(words), 100, Duration::ZERO).await.unwrap();
            assert_eq!(counted, Counted { people: people.len() as u64, is_more: false }, "{words}");
        }
        // Those of a word that many have are met along the walk, as far as its time goes.
        let page = walk(&mut conn, &search("many"), From::Start, 100, Duration::ZERO).await.unwrap();
        assert!(page.is_cut && !page.people.is_empty(), "{page:?}");
    }
}

#[tokio::test]
async fn people_of_one_word_who_came_together_are_all_counted() {
    for test in databases().await {
        // A town of strangers, and then the twenty of one import: among those looked at first, everybody has the word.
        for n in 0..60 {
            add(&test, "Stranger", &format!("s{n}@example.org")).await;
        }
        for n in 0..20 {
            add(&test, "Fair", &format!("fair{n}@example.org")).await;
        }
        let mut conn = test.db.conn().await.unwrap();
        let filter = search("fair");
        let counted = count(&mut conn, &filter, 100, LONG).await.unwrap();
        assert_eq!(counted, Counted { people: 20, is_more: false });
        let mut asking = words::Asking::new(&sql::road(test.db.dialect(), &filter), &filter);
        assert!(asking.ask(&mut conn, 16, 16, false).await.unwrap().is_none(), "as if all had it");
        assert!(asking.ask(&mut conn, 20, 64, true).await.unwrap().is_some(), "they are rare after all");
    }
}

#[tokio::test]
async fn whoever_changes_name_or_address_is_found_by_the_new_one_alone() {
    for test in databases().await {
        a_crowd(&test).await;
        let mut ann = add(&test, "Ann Oldname", "ann@old.example").await;
        let mut tx = test.db.begin().await.unwrap();
        ann.name = "Ann Newname".to_owned();
        subscribers::update(&mut tx, &ann, NOW).await.unwrap();
        let email = EmailAddress::parse("ann@new.example").unwrap();
        subscribers::set_address(&mut tx, &key(), ann.id, &email, NOW).await.unwrap();
        crate::db::commit(tx).await.unwrap();
        for words in ["newname", "ann@new", "@new.example", "new ann"] {
            assert_eq!(found(&test, words).await, [ann.id], "{words}");
        }
        for words in ["oldname", "@old", "ann@old.example", "old"] {
            assert_eq!(found(&test, words).await, [0; 0], "{words}");
        }
        assert!(is_sound(&test).await);
    }
}

#[tokio::test]
async fn whoever_is_erased_is_gone_from_the_index_of_words() {
    for test in databases().await {
        a_crowd(&test).await;
        let zoe = add(&test, "Zoe Zebedeeson", "zz@zanzibar.example").await;
        assert_eq!(found(&test, "zebedee").await, [zoe.id]);
        let mut tx = test.db.begin().await.unwrap();
        subscribers::erase(&mut tx, &zoe.email, Some(zoe.id), NOW).await.unwrap();
        crate::db::commit(tx).await.unwrap();
        for words in ["zebedee", "zoe", "@zanzibar", "zanzibar"] {
            assert_eq!(found(&test, words).await, [0; 0], "{words}");
        }
        assert!(is_sound(&test).await);
        if test.db.dialect() == Dialect::Sqlite {
            // Not even in pages that wait to be merged. Words that begin as others do are kept without what they share.
            let query = "SELECT COUNT(*) AS count FROM subscriber_words_data
                         WHERE instr(block, CAST('ebedeeson' AS BLOB)) > 0 OR instr(block, CAST('anzibar' AS BLOB)) > 0";
            let row = sqlx::query(query).fetch_one(&mut *test.db.conn().await.unwrap()).await.unwrap();
            assert_eq!(Row::new(&row, "subscriber_words_data").int("count").unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn the_words_of_those_who_came_before_the_index_are_cut_once() {
    for test in databases().await {
        a_crowd(&test).await;
        let ann = add(&test, "Ann Example", "ann@example.org").await.id;
        run(&test, "UPDATE subscribers SET name_words = '', email_words = ''").await;
        assert_eq!(found(&test, "exam").await, [0; 0]);
        assert!(is_sound(&test).await);
        assert_eq!(cut_words(&test.db).await.unwrap(), 41);
        assert_eq!(cut_words(&test.db).await.unwrap(), 0);
        assert_eq!(found(&test, "exam ann").await, [ann]);
        assert_eq!(found(&test, "many").await.len(), 40);
        assert!(is_sound(&test).await);
    }
}

#[tokio::test]
async fn who_was_cut_when_strokes_still_counted_is_cut_again() {
    const MIGRATION: &str = include_str!("../../../migrations/sqlite/0031_people.sql");
    let update = MIGRATION.split_inclusive(';').find(|text| text.contains("UPDATE subscribers")).unwrap();
    for test in databases().await {
        a_crowd(&test).await;
        let ann = add(&test, "Søren Łukasz", "sl@example.org").await.id;
        run(&test, &format!("UPDATE subscribers SET name_words = ' søren łukasz' WHERE id = {ann}")).await;
        assert_eq!(found(&test, "soren").await, [0; 0]);
        assert_eq!(run(&test, update).await, 1);
        assert!(is_sound(&test).await);
        assert_eq!(cut_words(&test.db).await.unwrap(), 1);
        assert_eq!(found(&test, "soren luk").await, [ann]);
        assert!(is_sound(&test).await);
    }
}

#[tokio::test]
async fn hostile_words_are_words() {
    for test in databases().await {
        a_crowd(&test).await;
        // As long as a name may be, of signs that become four each.
        let long = add(&test, &"㍿".repeat(200), "long@example.org").await.id;
        let odd = add(&test, "NOT \"a\" OR 'b':* & !c | (d) ^x NEAR y\\", "odd@example.org").await.id;
        for words in
            ["not \"a", "OR 'b':*", "a AND b", "!c | (d)", "^x", "NEAR(y)", "near:*", "y\\", "(d", "{x}"]
        {
            let found = found(&test, words).await;
            assert!(found == [odd] || words == "a AND b" && found.is_empty(), "{words}: {found:?}");
        }
        assert_eq!(found(&test, "株式").await, [long]);
        assert_eq!(found(&test, &"㍿".repeat(200)).await, [long]);
        assert_eq!(found(&test, &"a ".repeat(100)).await, [odd]);
        let many: Vec<String> = (0..100).map(|n| format!("w{n}")).collect();
        assert_eq!(found(&test, &many.join(" ")).await, [0; 0]);
        assert_eq!(found(&test, &many.join("-")).await, [0; 0]);
        assert!(is_sound(&test).await);
    }
}

async fn plan(conn: &mut Conn, explain: &str, bind: impl FnOnce(Query<'_>) -> Query<'_>) -> Vec<String> {
    let rows = bind(sqlx::query(text(explain.to_owned()))).fetch_all(conn).await.unwrap();
    let column = if explain.contains("QUERY PLAN") { "detail" } else { "QUERY PLAN" };
    rows.iter().map(|row| Row::new(row, "plan").text(column).unwrap()).collect()
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

#[tokio::test]
async fn words_are_looked_up_in_their_index_and_people_one_by_one() {
    for test in databases().await {
        a_crowd(&test).await;
        let mut conn = test.db.conn().await.unwrap();
        let dialect = test.db.dialect();
        let words = dialect.words(Search::parse("ann smi").unwrap().attempts().last().unwrap());
        let having = dialect.having_words("$1");
        if dialect == Dialect::Postgres {
            // Of forty people it would read the table: whether it can do without is what is asked.
            sqlx::query("SET enable_seqscan = off").execute(&mut *conn).await.unwrap();
            let lines =
                plan(&mut conn, &format!("EXPLAIN {having} LIMIT 5"), |query| query.bind(words)).await;
            assert!(
                lines.iter().any(|line| line.contains("Bitmap Index Scan on subscribers_by_words")),
                "{lines:#?}"
            );
        } else {
            let explain = format!("EXPLAIN QUERY PLAN {having} LIMIT 5");
            let lines = plan(&mut conn, &explain, |query| query.bind(words)).await;
            assert!(
                lines.iter().all(|line| line.starts_with("SCAN subscriber_words VIRTUAL TABLE INDEX")),
                "{lines:#?}"
            );
        }
        for filter in [
            search("ann"),
            Filter { newsletter_id: Some(1), ..search("ann") },
            Filter { state: Some(State::Pending), ..search("ann") },
            Filter { state: Some(State::Suppressed), ..search("ann") },
            Filter { state: Some(State::Active), language: Some("fr".to_owned()), ..search("ann") },
            Filter { tag_id: Some(1), ..search("@ann bob") },
        ] {
            let road = sql::road(dialect, &filter);
            let value = |is_text: bool| if is_text { Value::Text("m".to_owned()) } else { Value::Int(7) };
            let (first, second) = (value(road.texts.0), value(road.texts.1));
            let people = sql::People::new(dialect, &[1, 2, 3]);
            for from in [None, Some((&first, &second))] {
                let mut values = Text::default();
                let query = road.find(&mut values, Stretch::Of(&people, from), false, 0, 10);
                let explain = if dialect == Dialect::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
                let lines = plan(&mut conn, &format!("{explain} {query}"), |query| values.bind(query)).await;
                let whole: Vec<&String> = lines
                    .iter()
                    .filter(|line| {
                        line.contains("Seq Scan") || line.starts_with("SCAN") && !line.contains("json_each")
                    })
                    .collect();
                assert!(whole.is_empty(), "{lines:#?}\n{query}");
            }
        }
    }
}
