use std::collections::BTreeSet;

use super::*;
use crate::db::subscriptions::Choice;
use crate::db::testing::{TestDb, a_newsletter, databases};
use crate::db::{subscribers, subscriptions, suppressions, tags};
use crate::domain::address::EmailAddress;
use crate::domain::calendar::TimeOfDay;
use crate::domain::subscription::{SubscriptionEvent, SuppressionReason};
use crate::domain::token::SigningKey;
use crate::domain::topic::TopicSet;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LONG: Duration = Duration::from_secs(60);

/// People enough for several pages, of every kind.
const PEOPLE: i64 = 137;

/// Several come at the same moment, and most in one import.
fn came_at(n: i64) -> Timestamp {
    Timestamp::from_millis(if (40..110).contains(&n) { 1400 } else { n / 3 * 100 })
}

struct Town {
    brief: i64,
    weekly: i64,
    tag: i64,
    schedule: i64,
}

/// Person `n` has traits that its number divides into, so that a test knows who must be found.
async fn town(test: &TestDb) -> Town {
    let key = SigningKey::new(&[7; 32]);
    let brief = a_newsletter(&test.db, "brief").await;
    let weekly = a_newsletter(&test.db, "weekly").await;
    let mut tx = test.db.begin().await.unwrap();
    let schedule = crate::domain::newsletter::Schedule {
        id: 0,
        newsletter_id: brief,
        name: "evening".to_owned(),
        slots: crate::domain::calendar::Slots {
            recurrence: crate::domain::calendar::Recurrence::DAILY,
            at: TimeOfDay::parse("19:00").unwrap(),
            zone: chrono_tz::UTC,
        },
        paused: false,
        starts_at: NOW,
    };
    let schedule = crate::db::newsletters::insert_schedule(&mut tx, &schedule).await.unwrap();
    let tag = tags::ensure(&mut tx, "press", NOW).await.unwrap().id;
    for n in 0..PEOPLE {
        let at = came_at(n);
        let domain = if n % 5 == 0 { "paper.example" } else { "example.org" };
        let email = EmailAddress::parse(&format!("reader{n}@{domain}")).unwrap();
        let mut person = subscribers::ensure(&mut tx, &key, &email, at).await.unwrap();
        person.name = match n % 4 {
            0 => format!("Ann Example{n}"),
            1 => format!("Émile Annan{n}"),
            2 => "Bob of Readers".to_owned(),
            _ => String::new(),
        };
        person.language = (n % 6 == 0).then(|| "fr".to_owned());
        subscribers::update(&mut tx, &person, at).await.unwrap();
        for newsletter in [brief, weekly] {
            if newsletter == weekly && n % 2 == 0 {
                continue;
            }
            let event = if n % 7 == 0 { SubscriptionEvent::SignUp } else { SubscriptionEvent::Import };
            let id = subscriptions::enter(&mut tx, newsletter, person.id, event, at).await.unwrap().now.id;
            let choice = Choice {
                schedule_id: (n % 8 == 1).then_some(schedule).filter(|_| newsletter == brief),
                topics: TopicSet::from_bits(n % 3),
                hour: None,
            };
            subscriptions::choose(&mut tx, id, choice, at).await.unwrap();
            if n % 10 == 3 {
                subscriptions::apply(&mut tx, id, SubscriptionEvent::Leave, Some("link"), at).await.unwrap();
            }
            if n % 11 == 2 {
                let until = if n % 2 == 0 { NOW.plus_millis(1) } else { NOW };
                subscriptions::pause(&mut tx, id, Some(until), at).await.unwrap();
            }
        }
        if n % 9 == 4 {
            tags::put(&mut tx, tag, &[person.id]).await.unwrap();
        }
        if n % 13 == 5 {
            let reason = SuppressionReason::Bounced;
            suppressions::suppress(&mut tx, &key, &email, reason, "", at).await.unwrap();
        }
    }
    crate::db::commit(tx).await.unwrap();
    Town { brief, weekly, tag, schedule }
}

/// Every combination of the filters' values.
fn filters(town: &Town) -> Vec<Filter> {
    let mut filters = vec![];
    let words =
        ["", "reader1", "ann", "annan", "Emile", "@paper", "example", "reader9@", "read BOB", "nobody"];
    for newsletter_id in [None, Some(town.brief), Some(town.weekly)] {
        for state in [None].into_iter().chain(State::ALL.map(Some)) {
            for (rest, words) in words.iter().enumerate() {
                let mut filter = Filter { newsletter_id, state, ..Filter::everybody(NOW) };
                filter.words = Search::parse(words).unwrap();
                // The others in turn, alone and together.
                filter.tag_id = (rest % 4 == 1).then_some(town.tag);
                filter.language = (rest % 5 == 2).then(|| "fr".to_owned());
                filter.joined_from = (rest % 3 == 2).then(|| Timestamp::from_millis(900));
                filter.joined_before = (rest % 4 == 3).then(|| Timestamp::from_millis(3000));
                if newsletter_id == Some(town.brief) {
                    filter.topic = (rest % 2 == 1).then_some(2);
                    filter.schedule = (rest % 3 == 0).then_some((town.schedule, rest % 2 == 0));
                }
                filters.push(filter);
            }
        }
    }
    // Words alone, and with a state alone.
    for words in words {
        let words = Search::parse(words).unwrap();
        filters.push(Filter { words: words.clone(), ..Filter::everybody(NOW) });
        filters.push(Filter { words, state: Some(State::Active), ..Filter::everybody(NOW) });
    }
    for state in [None].into_iter().chain(State::ALL.map(Some)) {
        filters.push(Filter { state, tag_id: Some(town.tag), ..Filter::everybody(NOW) });
        filters.push(Filter { state, language: Some("fr".to_owned()), ..Filter::everybody(NOW) });
    }
    filters
}

/// Whether the person of that number is to be found, told without SQL.
fn is_wanted(town: &Town, filter: &Filter, n: i64) -> bool {
    let at = came_at(n).millis();
    let suppressed = n % 13 == 5;
    let paused = n % 11 == 2 && n % 2 == 0;
    let status = match (n % 10 == 3, n % 7 == 0) {
        (true, _) => State::Unsubscribed,
        (false, true) => State::Pending,
        (false, false) => State::Active,
    };
    let stands = match filter.state {
        None => true,
        Some(State::Suppressed) => suppressed,
        Some(State::Active) => status == State::Active && !paused && !suppressed,
        Some(State::Paused) => status == State::Active && paused,
        Some(state) => state == status,
    };
    let follows = filter.newsletter_id.is_none_or(|id| id == town.brief || n % 2 == 1);
    let topic = filter.topic.is_none_or(|topic| n % 3 == 0 || (n % 3) & topic != 0);
    let schedule = filter.schedule.is_none_or(|(_, is_first)| n % 8 == 1 || is_first);
    let domain = if n % 5 == 0 { "paper.example" } else { "example.org" };
    let name = match n % 4 {
        0 => format!("ann example{n}"),
        1 => format!("emile annan{n}"),
        2 => "bob of readers".to_owned(),
        _ => String::new(),
    };
    // Cut by hand, as the words of a search are.
    let mut cut: Vec<&str> = name.split(' ').collect();
    let begins = domain.split_once('.').unwrap();
    let (address, mailbox) = (format!("reader{n}"), format!("reader{n} @ {} {}", begins.0, begins.1));
    cut.extend([address.as_str(), begins.0, begins.1]);
    let words = filter.words.terms().iter().all(|term| match &term.domain {
        Some(begun) => domain.starts_with(begun.as_str()),
        None => {
            let phrase = term.phrase.trim_start();
            cut.iter().any(|word| word.starts_with(phrase)) || mailbox.starts_with(phrase)
        }
    });
    stands
        && follows
        && topic
        && schedule
        && words
        && filter.tag_id.is_none_or(|_| n % 9 == 4)
        && (filter.language.is_none() || n % 6 == 0)
        && filter.joined_from.is_none_or(|from| at >= from.millis())
        && filter.joined_before.is_none_or(|before| at < before.millis())
}

#[tokio::test]
async fn every_filter_finds_whom_it_names_once_in_pages_both_ways() {
    for test in databases().await {
        let town = town(&test).await;
        let mut conn = test.db.conn().await.unwrap();
        for filter in filters(&town) {
            // Ids are given in the order of the numbers, from 1.
            let wanted: BTreeSet<i64> =
                (0..PEOPLE).filter(|n| is_wanted(&town, &filter, *n)).map(|n| n + 1).collect();
            let (mut on, mut pages) = (vec![], vec![]);
            let mut place: Option<Place> = None;
            loop {
                let from = place.as_ref().map_or(From::Start, From::Behind);
                let page = walk(&mut conn, &filter, from, 10, LONG).await.unwrap();
                assert!(!page.is_cut);
                assert_eq!(page.before.is_some(), place.is_some() && !page.people.is_empty(), "{filter:?}");
                on.extend(page.people.iter().map(|found| found.subscriber_id));
                place = page.after.clone();
                pages.push(page);
                if place.is_none() {
                    break;
                }
                place = Place::decode(&place.unwrap().encode());
            }
            let set: BTreeSet<i64> = on.iter().copied().collect();
            assert_eq!(set.len(), on.len(), "somebody is found twice: {filter:?}");
            assert_eq!(set, wanted, "{filter:?}");
            let counted = count(&mut conn, &filter, 10_000, LONG).await.unwrap();
            let people = u64::try_from(wanted.len()).unwrap();
            assert_eq!(counted, Counted { people, is_more: false }, "{filter:?}");
            // Back from the last page.
            let mut back = pages.last().unwrap().people.clone();
            let mut place = pages.last().unwrap().before.clone();
            while let Some(before) = place {
                let page = walk(&mut conn, &filter, From::Before(&before), 10, LONG).await.unwrap();
                let again =
                    walk(&mut conn, &filter, From::Behind(&page.people.last().unwrap().place), 10, LONG);
                assert_eq!(again.await.unwrap().people.first(), back.first(), "{filter:?}");
                back.splice(0..0, page.people);
                place = page.before;
            }
            let back: Vec<i64> = back.iter().map(|found| found.subscriber_id).collect();
            assert_eq!(back, on, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn a_walk_whose_time_is_up_says_where_to_go_on() {
    for test in databases().await {
        let town = town(&test).await;
        let mut conn = test.db.conn().await.unwrap();
        let mut cuts = 0;
        for filter in filters(&town) {
            let (mut found, mut place, mut walks) = (vec![], None, 0);
            loop {
                let from = place.as_ref().map_or(From::Start, From::Behind);
                let page = walk(&mut conn, &filter, from, 1000, Duration::ZERO).await.unwrap();
                found.extend(page.people.iter().map(|found| found.subscriber_id));
                place = page.after;
                walks += 1;
                cuts += usize::from(page.is_cut);
                if place.is_none() {
                    break;
                }
                assert!(walks < 100);
            }
            let wanted = (0..PEOPLE).filter(|n| is_wanted(&town, &filter, *n)).count();
            assert_eq!(found.len(), wanted, "{filter:?}");
        }
        assert!(cuts > 100, "{cuts}");
        let counted = count(&mut conn, &Filter::everybody(NOW), 100, LONG).await.unwrap();
        assert_eq!(counted, Counted { people: 100, is_more: true });
    }
}

#[tokio::test]
async fn a_place_that_somebody_made_up_is_the_start() {
    for test in databases().await {
        town(&test).await;
        let mut conn = test.db.conn().await.unwrap();
        let filter = Filter::everybody(NOW);
        let first = walk(&mut conn, &filter, From::Start, 3, LONG).await.unwrap();
        for text in [r#"{"at":["x","y"]}"#, r#"{"at":[1,"y"]}"#] {
            let place = Place::decode(&URL_SAFE_NO_PAD.encode(text)).unwrap();
            let page = walk(&mut conn, &filter, From::Behind(&place), 3, LONG).await.unwrap();
            assert_eq!(page.people, first.people, "{text}");
        }
        // Nor is one outside of what the filter asks for.
        let late = Filter { joined_from: Some(Timestamp::from_millis(900)), ..filter };
        let first = walk(&mut conn, &late, From::Start, 3, LONG).await.unwrap();
        let place = Place::decode(&URL_SAFE_NO_PAD.encode(r#"{"at":[100,1]}"#)).unwrap();
        let page = walk(&mut conn, &late, From::Behind(&place), 3, LONG).await.unwrap();
        assert_eq!(page.people, first.people);
        for text in ["", "x", "%", "eyJyb2FkIjotMX0", "eyJhdCI6bnVsbH0"] {
            assert_eq!(Place::decode(text), None, "{text}");
        }
    }
}

/// On SQLite, whose plans do not depend on how many rows there are.
#[tokio::test]
async fn no_page_reads_a_whole_table_or_sorts_it() {
    let test = databases().await.remove(0);
    let town = town(&test).await;
    let mut conn = test.db.conn().await.unwrap();
    let mut plans = BTreeSet::new();
    for filter in filters(&town) {
        let road = sql::road(Dialect::Sqlite, &filter);
        let is_text = |is_text: bool| if is_text { Value::Text("m".into()) } else { Value::Int(7) };
        let (first, second) = (is_text(road.texts.0), is_text(road.texts.1));
        let (beside, beyond) = (Stretch::Beside(&first, &second), Stretch::Beyond(&first));
        for (back, stretch) in
            [(false, Stretch::All), (false, beside), (true, beside), (false, beyond), (true, beyond)]
        {
            for which in 0..3 {
                let mut text = Text::default();
                let query = match which {
                    0 => road.find(&mut text, stretch, back, 100, 10),
                    1 => road.count(&mut text, stretch, 100),
                    _ => road.end(&mut text, stretch, back, 100),
                };
                let explain = text.bind(sqlx::query(statement(format!("EXPLAIN QUERY PLAN {query}"))));
                let mut lines = vec![];
                for row in explain.fetch_all(&mut *conn).await.unwrap() {
                    lines.push(Row::new(&row, "plan").text("detail").unwrap());
                }
                check_plan(&lines, which, &query);
                // An import's people all came at one time: a page among them is begun at its place.
                let is_found = lines.iter().any(|line| {
                    ["=? AND id<?)", "=? AND id>?)", "=? AND email_hash<?)", "=? AND email_hash>?)"]
                        .iter()
                        .any(|end| line.ends_with(end))
                        || line.contains("subscriber_id=?")
                        || line.ends_with("(email=?)")
                });
                assert!(!matches!(stretch, Stretch::Beside(..)) || is_found, "{lines:#?}\n{query}");
                plans.insert(lines.join("\n"));
            }
        }
    }
    for index in [
        "subscribers_by_joined",
        "subscribers_by_language",
        "subscribers_by_domain",
        "subscriptions_by_newsletter",
        "subscriptions_by_state",
        "subscriptions_anywhere_by_state",
        "subscriptions_paused",
        "suppressions_by_time",
    ] {
        assert!(plans.iter().any(|plan| plan.contains(index)), "{index} is used by nothing");
    }
}

fn check_plan(lines: &[String], which: usize, query: &str) {
    let sorts = lines.iter().filter(|line| line.contains("USE TEMP B-TREE")).count();
    // The few of a window that are wanted are put in order; the index is never.
    assert!(sorts <= usize::from(which == 0), "{lines:#?}\n{query}");
    for line in lines {
        let is_window = ["SCAN s", "SCAN t", "SCAN x", "SCAN g", "SCAN d"].contains(&line.as_str())
            && lines.iter().any(|line| line.contains("CO-ROUTINE"));
        assert!(!line.starts_with("SCAN") || line.contains(" USING ") || is_window, "{lines:#?}\n{query}");
        assert!(!line.contains("AUTOMATIC"), "{lines:#?}\n{query}");
    }
}
