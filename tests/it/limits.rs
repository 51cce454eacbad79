//! Limits of a relay, counted at the receiving end: a second, a day, a connection, a domain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::daybreak::{Daybreak, arrived, everywhere, many_readers, on_postgres, on_sqlite, recipients};
use crate::feeds::{Feeds, Item};
use crate::sink::{Accepted, Options, Sink};

const SENT_ISSUES: &str = "SELECT COUNT(*) FROM issues WHERE state = 'sent'";
const USED_UP: &str = "SELECT COUNT(*) FROM issues WHERE state = 'sending' AND reason LIKE '%00:00 UTC%'";

/// These readers of “brief”, and an issue for them that is due at 07:00 UTC, through a sink with these limits.
async fn due(daybreak: &mut Daybreak, csv: &str, limits: &str) -> Sink {
    due_at(daybreak, csv, limits, "07:00", Options::default()).await
}

async fn due_at(daybreak: &mut Daybreak, csv: &str, limits: &str, at: &str, options: Options) -> Sink {
    let sink = Sink::start(options).await;
    daybreak.relay(format!("{}&{limits}", sink.url()));
    let feeds = Feeds::start().await;
    daybreak.newsletter(&[]).await;
    daybreak.schedule(at, "UTC", "daily").await;
    daybreak.readers(csv).await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    daybreak.run(&["source", "pause", "1"]).await;
    daybreak.at(&format!("2026-03-02T{at}:00Z"));
    sink
}

/// The most messages that came within four seconds, whenever these began: long enough that what a busy machine delays
/// does not look like one too many.
fn most_in_four_seconds<'a>(accepted: impl IntoIterator<Item = &'a Accepted>) -> usize {
    let mut times: Vec<Instant> = accepted.into_iter().map(|accepted| accepted.at).collect();
    times.sort();
    let within = |from: usize| {
        times[from..].iter().take_while(|at| **at < times[from] + Duration::from_secs(4)).count()
    };
    (0..times.len()).map(within).max().unwrap_or(0)
}

fn to<'a>(accepted: &'a [Accepted], domain: &str) -> Vec<&'a Accepted> {
    accepted.iter().filter(|accepted| accepted.to[0].ends_with(domain)).collect()
}

fn different(sink: &Sink) -> usize {
    recipients(sink).into_iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_a_second_hold_for_one_node_and_over_its_restarts() {
    everywhere(async |daybreak| {
        let sink = due(daybreak, &many_readers(60), "per_second=5").await;
        for _ in 0..3 {
            let before = sink.accepted().len();
            let service = daybreak.serve(&["--role", "schedule,send"]).await;
            arrived(&sink, "some of them", |all| all.len() >= before + 7).await;
            service.kill().await;
        }
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
        assert_eq!(different(&sink), 60);
        let most = most_in_four_seconds(&sink.accepted());
        assert!(most <= 21, "{most} within four seconds, at five a second");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_a_second_hold_over_all_nodes() {
    on_postgres(async |daybreak| {
        let sink = due(daybreak, &many_readers(60), "per_second=5").await;
        let one = daybreak.serve(&["--role", "schedule,send"]).await;
        let other = daybreak.serve(&["--role", "send"]).await;
        let third = daybreak.serve(&["--role", "send"]).await;
        let begun = Instant::now();
        arrived(&sink, "everything", |all| all.len() >= 60).await;
        let took = begun.elapsed();
        daybreak.until_counted(SENT_ISSUES, 1).await;
        for service in [one, other, third] {
            service.stop().await;
        }
        let most = most_in_four_seconds(&sink.accepted());
        assert!(most <= 21, "{most} within four seconds, at five a second");
        assert!(took < Duration::from_secs(30), "60 messages at 5 a second took {took:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_a_day_hold_over_restarts_and_go_on_at_midnight() {
    everywhere(async |daybreak| {
        let sink = due_at(daybreak, &many_readers(100), "per_day=40", "23:00", Options::default()).await;
        daybreak.serve_once("2026-03-02T23:00:00Z").await;
        assert_eq!(sink.accepted().len(), 40);
        let issue = daybreak.issues("brief").await.remove(0);
        assert!(
            issue["reason"].as_str().unwrap().contains("used up; sending goes on at 00:00 UTC"),
            "{issue}"
        );
        daybreak.serve_once("2026-03-02T23:59:00Z").await;
        assert_eq!(sink.accepted().len(), 40, "a restart makes no new day");

        daybreak.at("2026-03-02T23:59:56Z");
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "the next day's", |all| all.len() >= 80).await;
        daybreak.until_counted(USED_UP, 1).await;
        service.kill().await;
        daybreak.serve_once("2026-03-03T20:00:00Z").await;
        assert_eq!(sink.accepted().len(), 80);
        let failed = "SELECT COUNT(*) FROM deliveries WHERE state = 'failed'";
        assert_eq!(daybreak.number(failed).await, 0, "nothing fails because of it");
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_a_limit_for_a_day_keeps_back_until_the_issue_is_stale_is_told_so() {
    on_sqlite(async |daybreak| {
        let _sink = due(daybreak, &many_readers(30), "per_day=10").await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        daybreak.serve_once("2026-03-12T07:00:00Z").await;
        let failed =
            "SELECT COUNT(*) FROM deliveries WHERE reason = 'stale' AND detail LIKE '%the relays'' limits%'";
        assert_eq!(daybreak.number(failed).await, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_day_is_used_up_leaves_the_rest_to_the_next() {
    everywhere(async |daybreak| {
        let sink = due(daybreak, &many_readers(100), "per_day=30").await;
        let next = Sink::start(Options::default()).await;
        daybreak.relay(format!("{}&per_day=30 {}&priority=2", sink.url(), next.url()));
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!((sink.accepted().len(), next.accepted().len()), (30, 70));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_does_not_use_up_the_day() {
    everywhere(async |daybreak| {
        let refused: String = (1..=30).map(|number| format!("full+{number}@example.net,\n")).collect();
        let readers = many_readers(40).replacen("email,name\n", &format!("email,name\n{refused}"), 1);
        let sink = due(daybreak, &readers, "per_day=40").await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(sink.accepted().len(), 40);
        assert_eq!(daybreak.number("SELECT sent FROM relay_days").await, 40);
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_plan_counts_the_days_on_which_mail_goes_out() {
    everywhere(async |daybreak| {
        let sink = due(daybreak, &many_readers(100), "warmup=5,15,30").await;
        daybreak.serve_once("2026-03-02T07:00:00Z").await;
        assert_eq!(sink.accepted().len(), 5);
        daybreak.serve_once("2026-03-03T06:00:00Z").await;
        assert_eq!(sink.accepted().len(), 5 + 15);
        // Days without mail do not count.
        for (story, day, expected) in [("second", 10, 5 + 15 + 30), ("third", 20, 5 + 15 + 30 + 100)] {
            daybreak.run(&["article", "add", "brief", "--title", &format!("The {story} story")]).await;
            daybreak.serve_once(&format!("2026-03-{day}T07:00:00Z")).await;
            let sent = sink.accepted().len();
            assert_eq!(sent, expected, "on day {day}");
        }
        daybreak.leaves_some_open();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_in_good_order_after_so_many_messages() {
    everywhere(async |daybreak| {
        let sink = due(daybreak, &many_readers(100), "per_connection=7&connections=3").await;
        daybreak.run(&["serve", "--once"]).await;
        let mut of_connection: BTreeMap<usize, usize> = BTreeMap::new();
        for accepted in sink.accepted() {
            *of_connection.entry(accepted.connection).or_default() += 1;
        }
        assert_eq!(different(&sink), 100);
        assert!(of_connection.values().all(|count| *count <= 7), "{of_connection:?}");
        let quits = sink.commands().iter().filter(|command| *command == "QUIT").count();
        assert_eq!(quits, of_connection.len(), "each is told goodbye");
        assert!(of_connection.len() <= 17, "{of_connection:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_with_a_limit_does_not_hold_up_the_others() {
    everywhere(async |daybreak| {
        let big: String = (1..=30).map(|number| format!("one{number}@big.example,\n")).collect();
        let small: String = (1..=100).map(|number| format!("one@small{number}.example,\n")).collect();
        let sink = due(daybreak, &format!("email,name\n{big}{small}"), "domain_per_second=2").await;
        let service = daybreak.serve(&["--role", "schedule,send"]).await;
        let all_small = |all: &[Accepted]| to(all, "big.example").len() + 100 <= all.len();
        let all = arrived(&sink, "all of the small domains", all_small).await;
        let big = to(&all, "big.example").len();
        assert!(big <= 25, "{big} of the big domain went before the small ones");
        daybreak.until_counted(SENT_ISSUES, 1).await;
        service.stop().await;
        assert_eq!(sink.accepted().len(), 130);
        let most = most_in_four_seconds(to(&sink.accepted(), "big.example"));
        assert!(most <= 9, "{most} within four seconds to one domain, at two a second");
        let attempts = "SELECT COUNT(*) FROM deliveries WHERE attempts <> 1";
        assert_eq!(daybreak.number(attempts).await, 0, "waiting costs no attempt");
        let paces = "SELECT COUNT(*) FROM paces";
        assert!(daybreak.number(paces).await <= 101);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_once_sends_all_that_was_due_however_slowly() {
    everywhere(async |daybreak| {
        let sink = due(daybreak, &many_readers(30), "domain_per_second=5&per_second=40").await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(different(&sink), 30);
        let most = most_in_four_seconds(&sink.accepted());
        assert!(most <= 21, "{most} within four seconds, at five a second");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_gets_no_more_connections_than_it_may_and_keeps_them_busy() {
    everywhere(async |daybreak| {
        let big: String = (1..=200).map(|number| format!("one{number}@big.example,\n")).collect();
        let others: String = (1..=200).map(|number| format!("one@small{number}.example,\n")).collect();
        let options = Options { delay: Duration::from_millis(5), ..Options::default() };
        let busy = options.busy.clone();
        let readers = format!("email,name\n{big}{others}");
        let sink = due_at(daybreak, &readers, "domain_connections=2", "07:00", options).await;
        daybreak.run(&["serve", "--once"]).await;
        assert_eq!(different(&sink), 400);
        assert_eq!(sink.accepted().len(), 400);
        assert_eq!(busy.lock().unwrap()["big.example"].1, 2);
        let all = sink.accepted();
        let small: Vec<Instant> =
            all.iter().filter(|it| it.to[0].contains("@small")).map(|it| it.at).collect();
        let before = to(&all, "big.example").iter().filter(|it| it.at < *small.iter().max().unwrap()).count();
        assert!(before < 150, "the small domains do not wait for the big one: {before}");
        let attempts = "SELECT COUNT(*) FROM deliveries WHERE attempts <> 1";
        assert_eq!(daybreak.number(attempts).await, 0, "waiting costs no attempt");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_gets_no_more_connections_from_several_nodes_together() {
    on_postgres(async |daybreak| {
        let readers: String = (1..=1000).map(|number| format!("one{number}@big.example,\n")).collect();
        let options = Options { delay: Duration::from_millis(8), ..Options::default() };
        let busy = options.busy.clone();
        let readers = format!("email,name\n{readers}");
        let sink = due_at(daybreak, &readers, "domain_connections=3", "07:00", options).await;
        let one = daybreak.serve(&["--role", "schedule,send"]).await;
        arrived(&sink, "some", |all| all.len() >= 20).await;
        let other = daybreak.serve(&["--role", "send"]).await;
        arrived(&sink, "many", |all| all.len() >= 500).await;
        one.stop().await;
        let sent = "SELECT COUNT(*) FROM deliveries WHERE state = 'sent'";
        daybreak.until_counted(sent, 1000).await;
        other.stop().await;
        assert_eq!(different(&sink), 1000);
        assert_eq!(busy.lock().unwrap()["big.example"].1, 3);
    })
    .await;
}
