//! `cargo bench --bench micro`: what a message costs step by step, on SQLite: assembling, signing, claiming, recording.

#[expect(dead_code, reason = "the bench of the whole road uses the rest")]
#[path = "send/world.rs"]
mod world;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use daybreak::db;
use daybreak::db::Conn;
use daybreak::db::deliveries::{Claimed, Reader, Record};
use daybreak::domain::delivery::DeliveryState;
use daybreak::domain::mail::Mailbox;
use daybreak::mail::dkim::{Signer, SigningKey, generate_ed25519, generate_rsa};
use daybreak::mail::message::Recipient;
use daybreak::pipeline::deliver::cohort::{Cohort, Cohorts};
use daybreak::pipeline::deliver::job::hole_values;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::world::{World, sqlite_url};

/// As many as a sender claims at a time, and as it records at a time.
const BATCH: i64 = 200;
const GROUP: i64 = 20;

const NODE: &str = "bench";

struct Bench {
    runtime: Runtime,
    world: World,
    _folder: TempDir,
}

impl Bench {
    fn make() -> Result<Self, Box<dyn Error>> {
        let (runtime, folder) = (Runtime::new()?, TempDir::new()?);
        let world = runtime.block_on(World::make(&sqlite_url(folder.path(), "micro.db"), 20_000))?;
        runtime.block_on(world.address())?;
        Ok(Self { runtime, world, _folder: folder })
    }

    /// Claims so many; the ledger is filled anew when it has run out.
    async fn claim(&self, conn: &mut Conn, limit: i64) -> Result<Vec<i64>, Box<dyn Error>> {
        let World { app, issue_id, .. } = &self.world;
        let mut ids = db::deliveries::claim(conn, *issue_id, NODE, app.clock.now(), limit, None).await?;
        if ids.is_empty() {
            self.world.address().await?;
            ids = db::deliveries::claim(conn, *issue_id, NODE, app.clock.now(), limit, None).await?;
        }
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    async fn time_claims(&self, rounds: u64) -> Result<Duration, Box<dyn Error>> {
        let mut conn = self.world.app.db.conn().await?;
        let mut taken = Duration::ZERO;
        for _ in 0..rounds {
            let started = Instant::now();
            black_box(self.claim(&mut conn, BATCH).await?);
            taken += started.elapsed();
            db::nodes::release_all_but(&mut conn, "deliveries", NODE, &[]).await?;
        }
        Ok(taken)
    }

    async fn time_loads(&self, rounds: u64) -> Result<Duration, Box<dyn Error>> {
        let app = &self.world.app;
        let mut conn = app.db.conn().await?;
        let ids = self.claim(&mut conn, BATCH).await?;
        let started = Instant::now();
        for _ in 0..rounds {
            black_box(db::deliveries::load(&mut conn, &ids, app.clock.now()).await?);
        }
        let taken = started.elapsed();
        db::nodes::release_all_but(&mut conn, "deliveries", NODE, &[]).await?;
        Ok(taken)
    }

    async fn time_records(&self, rounds: u64) -> Result<Duration, Box<dyn Error>> {
        let app = &self.world.app;
        let mut conn = app.db.conn().await?;
        let mut taken = Duration::ZERO;
        for _ in 0..rounds {
            let ids = self.claim(&mut conn, GROUP).await?;
            let records: Vec<Record> = ids.into_iter().map(sent).collect();
            let started = Instant::now();
            black_box(db::deliveries::record(&mut conn, NODE, &records, app.clock.now()).await?);
            taken += started.elapsed();
        }
        Ok(taken)
    }

    /// A delivery as the sender has it, and its cohort's mail.
    async fn delivery(&self) -> Result<(Claimed, Reader, Arc<Cohort>), Box<dyn Error>> {
        let app = &self.world.app;
        let mut conn = app.db.conn().await?;
        let ids = self.claim(&mut conn, 1).await?;
        let mut loaded = db::deliveries::load(&mut conn, &ids, app.clock.now()).await?;
        db::nodes::release_all_but(&mut conn, "deliveries", NODE, &[]).await?;
        let (_, claimed) = loaded.pop().ok_or("nothing was claimed")?;
        let mut claimed = claimed?;
        let reader = claimed.reader.take().ok_or("the delivery has no reader")?;
        let mut cohorts = Cohorts::default();
        let edition = cohorts.edition(app, &mut conn, claimed.issue_id).await?;
        let cohort = cohorts.cohort(&edition, edition.audience(&reader))?;
        Ok((claimed, reader, cohort))
    }
}

fn sent(id: i64) -> Record {
    let detail = Some("250 2.0.0 Ok: queued as 4bXy2Z1kQz".to_owned());
    Record { id, state: DeliveryState::Sent, reason: None, detail, not_before: None, attempted: true }
}

/// Writes one recipient's message.
fn assemble(bench: &Bench, claimed: &Claimed, reader: &Reader, cohort: &Cohort, out: &mut String) {
    let app = &bench.world.app;
    let values = hole_values(app, reader, claimed.subscription_id, claimed.id);
    let mailbox = Mailbox { name: reader.name.clone(), address: reader.email.clone() };
    let recipient = Recipient {
        mailbox: &mailbox,
        values: &values,
        message_id: "d1.19d371ada80@news.example",
        date: app.clock.now(),
        list_unsubscribe: Some(&values.unsubscribe_url),
    };
    if let Cohort::Letter(letter) = cohort {
        letter.write(out, &recipient);
    }
}

fn messages(criterion: &mut Criterion) {
    let bench = Bench::make().expect("the database can be made");
    let (claimed, reader, cohort) = bench.runtime.block_on(bench.delivery()).expect("a delivery is there");
    let mut message = String::new();
    assemble(&bench, &claimed, &reader, &cohort, &mut message);
    assert!(!message.is_empty(), "the digest is shared by its cohort");
    let mut group = criterion.benchmark_group("a message");
    group.throughput(Throughput::Bytes(message.len() as u64));
    let mut out = String::new();
    group.bench_function("assembled", |bencher| {
        bencher.iter(|| {
            out.clear();
            assemble(&bench, &claimed, &reader, &cohort, &mut out);
        });
    });
    for (name, pem) in [("signed with Ed25519", generate_ed25519()), ("signed with RSA-2048", generate_rsa())]
    {
        let key = pem.and_then(|pem| SigningKey::from_pem(&pem)).expect("a key that was just made");
        let signer = Signer::new("news.example", [("bench".to_owned(), key)]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                out.push_str(&message);
                signer.sign(&mut out)
            });
        });
    }
    group.finish();
}

fn ledger(criterion: &mut Criterion) {
    let bench = Bench::make().expect("the database can be made");
    let mut group = criterion.benchmark_group("the ledger");
    let database = "the database answers";
    group.bench_function("200 deliveries claimed", |bencher| {
        bencher.iter_custom(|rounds| bench.runtime.block_on(bench.time_claims(rounds)).expect(database));
    });
    group.bench_function("200 deliveries loaded", |bencher| {
        bencher.iter_custom(|rounds| bench.runtime.block_on(bench.time_loads(rounds)).expect(database));
    });
    group.bench_function("20 outcomes recorded", |bencher| {
        bencher.iter_custom(|rounds| bench.runtime.block_on(bench.time_records(rounds)).expect(database));
    });
    group.finish();
}

criterion_group!(benches, messages, ledger);
criterion_main!(benches);
