//! Daybreak's whole road, in a process of its own: from deliveries that are claimed to outcomes that are recorded.

use std::error::Error;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use daybreak::pipeline::App;
use daybreak::pipeline::deliver::{Sender, Totals, Until};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::watch;

use super::world::settings;

/// Signatures made to learn what one costs.
const CALIBRATION: u32 = 500;

/// What a header has that is signed.
const HEADER_BYTES: usize = 1_500;

/// What the process is to do; the words behind `road` on its command line.
#[derive(clap::Args, Clone, Debug)]
pub struct Road {
    #[arg(long)]
    pub database: String,
    #[arg(long)]
    pub relay: String,
    #[arg(long)]
    pub connections: u16,
    /// Stop after so many messages; all of them unless told.
    #[arg(long)]
    pub messages: Option<u64>,
    /// Tell what a signature with RSA costs, too, of a message with so many bytes.
    #[arg(long)]
    pub calibrate: Option<usize>,
}

/// What it did, and what that took.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Sent {
    pub messages: u64,
    pub seconds: f64,
    /// User and system, of this process alone.
    pub cpu_seconds: f64,
    pub peak_kb: u64,
    /// What one signature costs.
    pub signature: Option<Signature>,
}

/// CPU seconds of one signature with RSA-2048.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Signature {
    /// As RFC 6376 §3.7 has it: the body hashed, the header hashed with that in it, and this signed.
    pub seconds: f64,
    /// The header hashed and signed alone.
    pub rsa_seconds: f64,
}

impl Road {
    /// Starts the process, and waits for what it tells.
    pub async fn travel(&self) -> Result<Sent, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["road", "--database", &self.database, "--relay", &self.relay]);
        command.args(["--connections", &self.connections.to_string()]);
        if let Some(messages) = self.messages {
            command.args(["--messages", &messages.to_string()]);
        }
        if let Some(bytes) = self.calibrate {
            command.args(["--calibrate", &bytes.to_string()]);
        }
        let output =
            command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
        if !output.status.success() {
            return Err(format!("the sender failed: {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Sends, in this process.
    pub async fn send(&self) -> Result<Sent, Box<dyn Error>> {
        let app = App::open(settings(&self.database, &self.relay, self.connections)?).await?;
        let _alone = app.db.lock()?;
        let (stop, stopped) = watch::channel(false);
        let sender = Sender::new(&app, stopped)?;
        let totals = sender.totals();
        let watcher = self.messages.map(|messages| tokio::spawn(stop_after(messages, totals.clone(), stop)));
        let (started, cpu) = (Instant::now(), cpu_seconds(UsageWho::RUSAGE_SELF)?);
        // On one of the runtime's own threads, as the service runs it.
        tokio::spawn(async move { sender.run(Until::NothingDue).await }).await??;
        let seconds = started.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds(UsageWho::RUSAGE_SELF)? - cpu;
        if let Some(watcher) = watcher {
            watcher.abort();
        }
        Ok(Sent {
            messages: totals.sent.load(Ordering::Relaxed),
            seconds,
            cpu_seconds,
            peak_kb: peak_kb()?,
            signature: self.calibrate.map(calibrate).transpose()?,
        })
    }
}

async fn stop_after(messages: u64, totals: Arc<Totals>, stop: watch::Sender<bool>) {
    while totals.sent.load(Ordering::Relaxed) < messages {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nobody waits for it where the sender has ended by itself.
    let _ = stop.send(true);
}

/// CPU seconds, user and system.
pub fn cpu_seconds(who: UsageWho) -> Result<f64, Box<dyn Error>> {
    let usage = getrusage(who)?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(microseconds as f64 / 1e6)
}

fn peak_kb() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// What one signature costs of a message with so many bytes, while every core makes them, as in a send.
fn calibrate(message_bytes: usize) -> Result<Signature, Box<dyn Error>> {
    let rsa_seconds = on_each_core(HEADER_BYTES)?;
    // The header's hash and the body's, which is in it: one after the other as a single one of both.
    let seconds = on_each_core(HEADER_BYTES + message_bytes)?;
    Ok(Signature { seconds, rsa_seconds })
}

fn on_each_core(bytes: usize) -> Result<f64, Box<dyn Error>> {
    let cores = std::thread::available_parallelism()?.get();
    let threads: Vec<_> =
        (0..cores).map(|_| std::thread::spawn(move || sign_many(bytes).ok_or("RSA failed"))).collect();
    let mut seconds = 0.0;
    for thread in threads {
        seconds += thread.join().map_err(|_| "RSA crashed")??;
    }
    Ok(seconds / cores as f64)
}

fn sign_many(bytes: usize) -> Option<f64> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
    let (random, header) = (SystemRandom::new(), vec![b'a'; bytes]);
    let mut signature = vec![0; key.public_modulus_len()];
    let before = cpu_seconds(UsageWho::RUSAGE_THREAD).ok()?;
    for _ in 0..CALIBRATION {
        key.sign(&RSA_PKCS1_SHA256, &random, &header, &mut signature).ok()?;
    }
    Some((cpu_seconds(UsageWho::RUSAGE_THREAD).ok()? - before) / f64::from(CALIBRATION))
}
