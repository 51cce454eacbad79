//! `cargo bench --bench send`: Daybreak's whole road, from claimed deliveries to recorded outcomes, beside Postfix's
//! load generator `smtp-source`, in turn and into the same `smtp-sink`. On SQLite and on a PostgreSQL of its own.
//!
//! `docs/performance.md` tells what the figures were, and what bounds them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it finds")]

mod postgres;
mod proxy;
mod report;
mod rivals;
mod road;
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use self::postgres::Postgres;
use self::report::{Backend, Large, OneConnection, Report, Signed, median};
use self::rivals::{Sink, Source, relay_url};
use self::road::{Road, Sent};
use self::world::{Signing, World};

/// What the proxy adds in each direction.
const DELAY: Duration = Duration::from_millis(20);

/// Messages over the one connection that is far away: seven seconds of them.
const FAR_MESSAGES: u64 = 300;

/// Messages, and subscribers of the small list, by which the cost at very many is judged.
const STRETCH: u64 = 10_000;

#[derive(Parser, Debug)]
#[command(
    name = "send",
    about = "Measures Daybreak's sending beside Postfix's smtp-source",
    args_conflicts_with_subcommands = true
)]
struct Options {
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    subscribers: u64,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    connections: u16,
    /// How often each measurement is taken, in turn with smtp-source
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print one line of JSON and nothing else
    #[arg(long)]
    json: bool,
    /// One database only
    #[arg(long)]
    only: Option<Kind>,
    /// Subscribers of the large list; 0 leaves that part out
    #[arg(long, default_value_t = 1_000_000)]
    large: u64,
    /// Send the large issue to everybody, not only to the first and the last of the list (some minutes more)
    #[arg(long)]
    whole: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[derive(Subcommand, Debug)]
enum Inner {
    /// The sender's own process
    #[command(hide = true)]
    Road(Road),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match daybreak::app::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("send: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(perform(&options)) {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("send: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the options say and returns what to print. A signal ends it; whatever was started ends with it.
async fn perform(options: &Options) -> Result<String, Box<dyn Error>> {
    if let Some(Inner::Road(road)) = &options.inner {
        let filter = tracing_subscriber::EnvFilter::new("warn");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        return Ok(serde_json::to_string(&road.send().await?)?);
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let report = tokio::select! {
        report = measure(options) => report?,
        _ = interrupt.recv() => return Err("interrupted".into()),
        _ = terminate.recv() => return Err("terminated".into()),
    };
    Ok(if options.json { serde_json::to_string(&report)? } else { report.table() })
}

async fn measure(options: &Options) -> Result<Report, Box<dyn Error>> {
    let Options { subscribers, connections, .. } = *options;
    let mut report = Report { subscribers, connections, message_bytes: 0, sqlite: None, postgres: None };
    let sink = Sink::start().await?;
    if options.only != Some(Kind::Postgres) {
        let folder = TempDir::new()?;
        let bench = Bench { options, sink: &sink, place: Place::Sqlite(&folder) };
        let (backend, bytes) = bench.measure().await?;
        (report.sqlite, report.message_bytes) = (Some(backend), bytes);
    }
    if options.only != Some(Kind::Sqlite) {
        match postgres::programs() {
            Some(programs) => {
                let server = Postgres::start(programs)?;
                let bench = Bench { options, sink: &sink, place: Place::Postgres(&server) };
                let (backend, bytes) = bench.measure().await?;
                (report.postgres, report.message_bytes) = (Some(backend), bytes);
            }
            None => eprintln!(
                "PostgreSQL is left out: its server is missing (Debian: apt-get install postgresql)"
            ),
        }
    }
    Ok(report)
}

/// Where the databases are.
#[derive(Clone, Copy)]
enum Place<'a> {
    Sqlite(&'a TempDir),
    Postgres(&'a Postgres),
}

impl Place<'_> {
    fn database(self, name: &str) -> Result<String, Box<dyn Error>> {
        match self {
            Self::Sqlite(folder) => Ok(world::sqlite_url(folder.path(), &format!("{name}.db"))),
            Self::Postgres(server) => server.database(name),
        }
    }

    /// CPU seconds of the database's own processes so far.
    fn cpu_seconds(self) -> Option<f64> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server.cpu_seconds()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// The measurements on one database.
struct Bench<'a> {
    options: &'a Options,
    sink: &'a Sink,
    place: Place<'a>,
}

/// What Daybreak took, with the database's share.
#[derive(Clone, Copy)]
struct Ours {
    sent: Sent,
    database_cpu_seconds: Option<f64>,
}

impl Ours {
    fn a_message(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.sent.messages as f64
    }

    fn cpu_us(&self) -> f64 {
        self.a_message(self.sent.cpu_seconds)
    }

    fn database_cpu_us(&self) -> Option<f64> {
        self.database_cpu_seconds.map(|seconds| self.a_message(seconds))
    }

    /// Of our CPU, what takes so many seconds for each message.
    fn share(&self, seconds: f64) -> f64 {
        seconds * self.sent.messages as f64 / self.sent.cpu_seconds
    }

    /// Daybreak's and the database's.
    fn cost_us(&self) -> f64 {
        self.cpu_us() + self.database_cpu_us().unwrap_or(0.0)
    }

    fn messages_per_second(&self) -> f64 {
        self.sent.messages as f64 / self.sent.seconds
    }
}

/// What a message took in an issue for a few, and in one for very many.
struct Pair {
    few: Ours,
    many: Ours,
}

impl Pair {
    fn cost_ratio(&self) -> f64 {
        self.many.cost_us() / self.few.cost_us()
    }
}

impl Bench<'_> {
    fn say(&self, words: &str) {
        eprintln!("{}: {words}", self.place.name());
    }

    async fn measure(&self) -> Result<(Backend, usize), Box<dyn Error>> {
        let subscribers = self.options.subscribers;
        self.say(&format!("making {subscribers} subscribers"));
        let world = World::make(&self.place.database("bench")?, subscribers).await?;
        self.say(&format!("a message has {} bytes", world.message_bytes));
        let backend = Backend {
            plain: self.side_by_side(&world, Signing::Plain).await?,
            ed25519: self.side_by_side(&world, Signing::Ed25519).await?,
            rsa2048: self.side_by_side(&world, Signing::Rsa2048).await?,
            one_connection: self.far_away(&world).await?,
            large: if self.options.large > 0 { Some(self.large().await?) } else { None },
        };
        Ok((backend, world.message_bytes))
    }

    /// In turn, so that both meet the machine in the same moods: smtp-source, and Daybreak's road.
    async fn side_by_side(&self, world: &World, signing: Signing) -> Result<Signed, Box<dyn Error>> {
        world.sign_with(signing).await?;
        let source = Source::new(self.options.connections, world.message_bytes)?;
        // RSA takes ten times as long.
        let is_rsa = signing == Signing::Rsa2048;
        let messages = if is_rsa { world.subscribers / 5 } else { world.subscribers };
        let mut rounds = vec![];
        for round in 1..=self.options.rounds {
            world.address().await?;
            let theirs = source.send(self.sink, messages).await?;
            let mut road = self.road(world, is_rsa.then_some(messages));
            road.calibrate = is_rsa.then_some(world.message_bytes);
            let ours = self.travel(world, &road).await?;
            let (rate, cpu) = (messages as f64 / theirs.seconds, theirs.cpu_seconds * 1e6 / messages as f64);
            self.say(&format!(
                "{signing:?} {round}/{}: smtp-source {rate:.0} messages a second with {cpu:.1} µs of CPU, Daybreak {:.0} \
                 with {:.1}",
                self.options.rounds,
                ours.messages_per_second(),
                ours.cpu_us()
            ));
            rounds.push((rate, cpu, ours));
        }
        let of = |figure: &dyn Fn(&(f64, f64, Ours)) -> f64| median(rounds.iter().map(figure).collect());
        let optional = |figure: &dyn Fn(&Ours) -> Option<f64>| {
            let values: Vec<f64> = rounds.iter().filter_map(|(_, _, ours)| figure(ours)).collect();
            (!values.is_empty()).then(|| median(values))
        };
        Ok(Signed {
            ratio: of(&|(rate, _, ours)| ours.messages_per_second() / rate),
            cpu_ratio: of(&|(_, cpu, ours)| ours.cpu_us() / cpu),
            messages_per_second: of(&|(_, _, ours)| ours.messages_per_second()),
            cpu_us: of(&|(_, _, ours)| ours.cpu_us()),
            peak_kb: rounds.iter().map(|(_, _, ours)| ours.sent.peak_kb).max().unwrap_or(0),
            source_messages_per_second: of(&|(rate, _, _)| *rate),
            source_cpu_us: of(&|(_, cpu, _)| *cpu),
            database_cpu_us: optional(&|ours| ours.database_cpu_us()),
            signature_share: optional(&|ours| ours.sent.signature.map(|one| ours.share(one.seconds))),
            rsa_share: optional(&|ours| ours.sent.signature.map(|one| ours.share(one.rsa_seconds))),
        })
    }

    /// One connection to a relay that is 20 ms away: at best one message each round trip.
    async fn far_away(&self, world: &World) -> Result<OneConnection, Box<dyn Error>> {
        world.sign_with(Signing::Plain).await?;
        world.address().await?;
        let mut road = self.road(world, Some(FAR_MESSAGES));
        road.relay = relay_url(proxy::start(self.sink.address, DELAY)?);
        road.connections = 1;
        let ours = self.travel(world, &road).await?;
        let limit = 1.0 / (DELAY * 2).as_secs_f64();
        let messages_per_second = ours.messages_per_second();
        self.say(&format!("one connection, far away: {messages_per_second:.1} of {limit} messages a second"));
        Ok(OneConnection { messages_per_second, of_limit: messages_per_second / limit })
    }

    /// Very many subscribers, in turn with a few.
    async fn large(&self) -> Result<Large, Box<dyn Error>> {
        let (subscribers, rounds) = (self.options.large, u64::from(self.options.rounds));
        let small = World::make(&self.place.database("small")?, STRETCH).await?;
        self.say(&format!("making {subscribers} subscribers"));
        let world = World::make(&self.place.database("large")?, subscribers).await?;
        let address_seconds = world.address().await?;
        self.say(&format!("addressing them took {address_seconds:.1} seconds"));
        let stretch = STRETCH.min(subscribers / (3 * rounds));
        let first = self.pairs(&small, &world, stretch).await?;
        // Each stretch sends a few more than it was asked to: they are on the wire when it is told to stop.
        let open = (stretch + 1_000) * rounds;
        if self.options.whole {
            let middle = self
                .travel(&world, &self.road(&world, Some(subscribers - world.sent().await? - open)))
                .await?;
            self.say(&format!(
                "the middle: {:.0} messages a second with {:.1} µs of CPU, {} KB at most",
                middle.messages_per_second(),
                middle.cpu_us(),
                middle.sent.peak_kb
            ));
        } else {
            world.skip_to_the_last(open).await?;
        }
        let last = self.pairs(&small, &world, stretch).await?;
        small.app.db.close().await;
        world.app.db.close().await;
        let all = || first.iter().chain(&last);
        let middle = |of: fn(&Pair) -> f64, pairs: &[Pair]| median(pairs.iter().map(of).collect());
        Ok(Large {
            subscribers,
            address_seconds,
            cost_ratio: middle(Pair::cost_ratio, &first).max(middle(Pair::cost_ratio, &last)),
            cost_us_at_10000: median(all().map(|pair| pair.few.cost_us()).collect()),
            cost_us_of_first: middle(|pair| pair.many.cost_us(), &first),
            cost_us_of_last: middle(|pair| pair.many.cost_us(), &last),
            messages_per_second: median(all().map(|pair| pair.many.messages_per_second()).collect()),
            peak_kb: all().map(|pair| pair.many.sent.peak_kb).max().unwrap_or(0),
        })
    }

    /// An issue for a few, and right after it as many messages of the one for very many: what else the machine does
    /// meets both.
    async fn pairs(&self, small: &World, large: &World, messages: u64) -> Result<Vec<Pair>, Box<dyn Error>> {
        let mut pairs = vec![];
        for _ in 0..self.options.rounds {
            small.address().await?;
            let few = self.travel(small, &self.road(small, None)).await?;
            let many = self.travel(large, &self.road(large, Some(messages))).await?;
            self.say(&format!("a message costs {:.1} µs, and {:.1} µs", few.cost_us(), many.cost_us()));
            pairs.push(Pair { few, many });
        }
        Ok(pairs)
    }

    fn road(&self, world: &World, messages: Option<u64>) -> Road {
        Road {
            database: world.url.clone(),
            relay: self.sink.url(),
            connections: self.options.connections,
            messages,
            calibrate: None,
        }
    }

    /// Sends, and compares what the sender says with what the ledger says.
    async fn travel(&self, world: &World, road: &Road) -> Result<Ours, Box<dyn Error>> {
        let (sent_before, cpu_before) = (world.sent().await?, self.place.cpu_seconds());
        let sent = road.travel().await?;
        let database_cpu_seconds =
            self.place.cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
        let recorded = world.sent().await? - sent_before;
        let expected = road.messages.unwrap_or(world.subscribers);
        if recorded != sent.messages || sent.messages < expected {
            return Err(format!(
                "{expected} messages were to be sent, the sender says {} and the ledger {recorded}",
                sent.messages
            )
            .into());
        }
        Ok(Ours { sent, database_cpu_seconds })
    }
}
