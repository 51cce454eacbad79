//! Postfix's test programs: `smtp-sink`, which takes all mail and forgets it, and `smtp-source`, which makes mail.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use tokio::process::{Child, Command};

use super::postgres::is_root;
use super::road::cpu_seconds;

/// Where Debian puts them, besides the folders of `PATH`.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/libexec/postfix", "/usr/local/sbin"];

fn find(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!("{name} is missing: install Postfix's test programs (Debian: apt-get install postfix)")
        })
}

/// A sink on a port of its own, until it is dropped.
pub struct Sink {
    pub address: SocketAddr,
    _process: Child,
}

impl Sink {
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        let program = find("smtp-sink")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        if is_root() {
            // It refuses to run as root.
            command.args(["-u", "postfix"]);
        }
        command.arg(address.to_string()).arg("1000");
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let patience = Instant::now();
        while TcpStream::connect(address).is_err() {
            if process.try_wait()?.is_some() || patience.elapsed() > Duration::from_secs(10) {
                return Err(format!("smtp-sink does not listen on {address}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, _process: process })
    }

    pub fn url(&self) -> String {
        relay_url(self.address)
    }
}

pub fn relay_url(address: SocketAddr) -> String {
    format!("smtp://{address}?tls=none")
}

/// `smtp-source`, with as many sessions and bytes as Daybreak.
pub struct Source {
    program: PathBuf,
    pub connections: u16,
    pub bytes: usize,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub seconds: f64,
    pub cpu_seconds: f64,
}

impl Source {
    pub fn new(connections: u16, bytes: usize) -> Result<Self, Box<dyn Error>> {
        Ok(Self { program: find("smtp-source")?, connections, bytes })
    }

    /// Sends so many messages and keeps its connections meanwhile (`-d`).
    pub async fn send(&self, sink: &Sink, messages: u64) -> Result<Taken, Box<dyn Error>> {
        let mut command = Command::new(&self.program);
        command.args(["-d", "-s", &self.connections.to_string(), "-l", &self.bytes.to_string()]);
        command.args(["-m", &messages.to_string(), "-f", "a@news.example", "-t", "b@inbox.example"]);
        command.arg(sink.address.to_string()).stdin(Stdio::null()).kill_on_drop(true);
        let (started, cpu) = (Instant::now(), cpu_seconds(UsageWho::RUSAGE_CHILDREN)?);
        let status = command.status().await?;
        let seconds = started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("smtp-source failed: {status}").into());
        }
        Ok(Taken { seconds, cpu_seconds: cpu_seconds(UsageWho::RUSAGE_CHILDREN)? - cpu })
    }
}
