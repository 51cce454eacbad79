//! Several senders on one PostgreSQL, of which some die, freeze and come back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::chance::Chance;
use crate::daybreak::{Daybreak, Service, on_postgres};
use crate::ledger::{CONNECTIONS, GROUP, PLENTY, SENT, SENT_ISSUES, check_everybody_got_it, due_on};
use crate::sink::Options;

/// Every delivery as it stands.
const LEDGER: &str =
    "SELECT concat_ws(' ', id, state, reason, detail, not_before, attempts, updated_at, node) AS row
                      FROM deliveries ORDER BY id";

fn ids_only() -> Options {
    Options { keep_ids_only: true, ..Options::default() }
}

async fn sender(daybreak: &Daybreak) -> Service {
    daybreak.serve(&["--role", "send"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_frozen_past_its_lease_does_late_overwrites_nothing() {
    on_postgres(async |daybreak| {
        let mut chance = Chance::new();
        const READERS: usize = 6000;
        let relay = due_on(daybreak, READERS, ids_only()).await;
        let gate = Arc::new(Semaphore::new(0));
        // The relay of the node that freezes refuses what it has; the answers come when the node is frozen.
        let options = Options {
            gate: Some(gate.clone()),
            refuse_message: Some("554 5.6.0 We do not like what it says"),
            ..ids_only()
        };
        let other_relay = daybreak.sink_with(options).await;
        let frozen = daybreak.serve(&["--role", "schedule,send"]).await;
        let on_the_wire = || other_relay.commands().iter().filter(|command| *command == "DATA").count();
        while on_the_wire() < CONNECTIONS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        frozen.freeze().await;
        gate.add_permits(PLENTY);

        daybreak.relay(relay.url());
        let killed = sender(daybreak).await;
        let goes_on = daybreak.serve(&["--role", "schedule,send"]).await;
        relay.until(chance.below(READERS as u64 / 2) as usize).await;
        killed.kill().await;
        // Once both leases have run out.
        daybreak.until_counted(SENT_ISSUES, 1).await;
        let ledger = daybreak.texts(LEDGER).await;

        frozen.signal("CONT");
        frozen.logs("another node had taken over").await;
        // The time in which it would renew its lease and claim again.
        tokio::time::sleep(Duration::from_secs(6)).await;
        frozen.stop().await;
        goes_on.stop().await;
        assert_eq!(on_the_wire(), CONNECTIONS, "the frozen node sends nothing more of what it had claimed");
        assert_eq!(daybreak.texts(LEDGER).await, ledger, "what the others recorded stands");
        check_everybody_got_it(&relay, READERS, CONNECTIONS + GROUP);
    })
    .await;
}

/// Three nodes send to 8,000 readers. One of them is killed and replaced, stopped and replaced, or frozen for a
/// moment, again and again; and one is frozen past its lease.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_come_go_and_freeze_skip_nobody_and_repeat_next_to_nothing() {
    on_postgres(async |daybreak| {
        let mut chance = Chance::new();
        const READERS: usize = 8_000;
        let sink = due_on(daybreak, READERS, ids_only()).await;
        let mut nodes = vec![];
        for role in ["schedule,send", "send", "send"] {
            nodes.push(daybreak.serve(&["--role", role]).await);
        }
        daybreak.until_counted("SELECT COUNT(*) FROM nodes", 3).await;
        let sleeper = daybreak.serve(&["--role", "send"]).await;
        sink.until(chance.below(500) as usize + 1).await;
        sleeper.freeze().await;
        let mut killed = 0;
        while sink.count() < READERS * 3 / 4 {
            tokio::time::sleep(chance.millis(500)).await;
            // The first keeps time: it is only frozen.
            let one = 1 + chance.below(2) as usize;
            match chance.below(3) {
                0 => {
                    nodes.remove(one).kill().await;
                    nodes.push(sender(daybreak).await);
                    killed += 1;
                }
                1 => {
                    // Before it listens for signals, SIGTERM ends it as it ends any program.
                    nodes[one].logs("at work").await;
                    nodes.remove(one).stop().await;
                    nodes.push(sender(daybreak).await);
                }
                _ => {
                    let one = chance.below(3) as usize;
                    nodes[one].freeze().await;
                    tokio::time::sleep(chance.millis(1500)).await;
                    nodes[one].signal("CONT");
                }
            }
        }
        daybreak.until_counted(SENT, READERS as i64).await;
        sleeper.signal("CONT");
        daybreak.until_counted(SENT_ISSUES, 1).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        sleeper.stop().await;
        for node in nodes {
            node.stop().await;
        }
        eprintln!("{} repeats of {killed} kills and a freeze", sink.count() - READERS);
        check_everybody_got_it(&sink, READERS, (killed + 1) * (CONNECTIONS + GROUP));
    })
    .await;
}
