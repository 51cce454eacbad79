//! The figures, and what they must reach.

use serde::Serialize;

/// Everything that one run measured; printed as it is with `--json`.
#[derive(Debug, Serialize)]
pub struct Report {
    pub subscribers: u64,
    pub connections: u16,
    pub message_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<Backend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Backend>,
}

#[derive(Debug, Serialize)]
pub struct Backend {
    pub plain: Signed,
    pub ed25519: Signed,
    pub rsa2048: Signed,
    pub one_connection: OneConnection,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large: Option<Large>,
}

/// Medians over the rounds; a ratio is the median of the rounds' ratios.
#[derive(Debug, Default, Serialize)]
pub struct Signed {
    /// Messages a second, Daybreak's over those of `smtp-source`.
    pub ratio: f64,
    /// CPU a message, Daybreak's over that of `smtp-source`.
    pub cpu_ratio: f64,
    pub messages_per_second: f64,
    /// Microseconds of CPU a message, Daybreak's alone.
    pub cpu_us: f64,
    pub peak_kb: u64,
    pub source_messages_per_second: f64,
    pub source_cpu_us: f64,
    /// Microseconds of CPU a message in PostgreSQL's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_cpu_us: Option<f64>,
    /// Of Daybreak's CPU, what the signature itself takes: two hashes and RSA (RFC 6376 §3.7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_share: Option<f64>,
    /// The same without the body's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsa_share: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct OneConnection {
    pub messages_per_second: f64,
    /// Of one message each round trip.
    pub of_limit: f64,
}

/// An issue for very many, in turn with one for 10,000. A message's cost is the CPU of Daybreak and of PostgreSQL's
/// server; the ratio is the median of the rounds' ratios, at the start of the list or at its end, whichever is higher.
#[derive(Debug, Serialize)]
pub struct Large {
    pub subscribers: u64,
    pub address_seconds: f64,
    pub cost_ratio: f64,
    pub cost_us_at_10000: f64,
    pub cost_us_of_first: f64,
    pub cost_us_of_last: f64,
    pub messages_per_second: f64,
    pub peak_kb: u64,
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

/// What a figure must reach.
#[derive(Clone, Copy)]
enum Must {
    Reach(f64),
    NotPass(f64),
}

impl Must {
    fn words(self, figure: f64) -> String {
        let (sign, bound, met) = match self {
            Self::Reach(bound) => ("≥", bound, figure >= bound),
            Self::NotPass(bound) => ("≤", bound, figure <= bound),
        };
        format!("{sign} {bound:<5} {}", if met { "yes" } else { "NO" })
    }
}

impl Report {
    pub fn table(&self) -> String {
        let mut table = format!(
            "{} subscribers, {} connections, messages of {} bytes\n",
            self.subscribers, self.connections, self.message_bytes
        );
        for (name, is_sqlite, backend) in
            [("SQLite", true, &self.sqlite), ("PostgreSQL", false, &self.postgres)]
        {
            if let Some(backend) = backend {
                table.push_str(&backend.table(name, is_sqlite));
            }
        }
        table
    }
}

impl Backend {
    fn table(&self, name: &str, is_sqlite: bool) -> String {
        let pick = |sqlite: f64, postgres: f64| if is_sqlite { sqlite } else { postgres };
        let mut table = format!(
            "\n{name:<12}{:>11}{:>10}{:>10}{:>11}{:>13}{:>13}{:>11}\n",
            "messages/s", "CPU µs", "peak KB", "server µs", "source: /s", "CPU µs", "ratios"
        );
        for (name, signed) in [("plain", &self.plain), ("ed25519", &self.ed25519), ("rsa2048", &self.rsa2048)]
        {
            let server = signed.database_cpu_us.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"));
            table.push_str(&format!(
                "{name:<12}{:>11.0}{:>10.1}{:>10}{server:>11}{:>13.0}{:>13.1}{:>6.2}{:>5.2}\n",
                signed.messages_per_second,
                signed.cpu_us,
                signed.peak_kb,
                signed.source_messages_per_second,
                signed.source_cpu_us,
                signed.ratio,
                signed.cpu_ratio
            ));
        }
        table.push('\n');
        table.push_str(&row(
            "messages a second over smtp-source's",
            self.plain.ratio,
            Must::Reach(pick(1.2, 1.0)),
        ));
        table.push_str(&row("… signed with Ed25519", self.ed25519.ratio, Must::Reach(pick(0.9, 0.8))));
        let of = |share: Option<f64>| share.unwrap_or(f64::NAN);
        table.push_str(&row(
            "… with RSA-2048: share of the CPU in the signature itself",
            of(self.rsa2048.signature_share),
            Must::Reach(0.8),
        ));
        table.push_str(&format!(
            "  (of that signature, all but the hash of the body: {:.2})\n",
            of(self.rsa2048.rsa_share)
        ));
        table.push_str(&row("CPU a message over smtp-source's", self.plain.cpu_ratio, Must::NotPass(1.3)));
        table.push_str(&row(
            "one connection, 40 ms away: of one message each round trip",
            self.one_connection.of_limit,
            Must::Reach(0.9),
        ));
        if let Some(large) = &self.large {
            table.push_str(&row(
                &format!("cost of a message at {} over that at 10000", large.subscribers),
                large.cost_ratio,
                Must::NotPass(1.1),
            ));
            let megabytes = large.peak_kb as f64 / 1024.0;
            table.push_str(&row("peak memory there, MB", megabytes, Must::NotPass(64.0)));
            let most = Must::NotPass(pick(5.0, 10.0));
            table.push_str(&row("addressing it, seconds", large.address_seconds, most));
            table.push_str(&format!(
                "  (a message's CPU with PostgreSQL's: {:.1} µs at 10000, there {:.1} at the start and {:.1} at the end)\n",
                large.cost_us_at_10000, large.cost_us_of_first, large.cost_us_of_last
            ));
        }
        table
    }
}

/// A line of what must be reached.
fn row(what: &str, figure: f64, must: Must) -> String {
    format!("  {what:<66}{figure:>8.2}   {}\n", must.words(figure))
}
