//! PostgreSQL clusters that a test may stop, restart and promote, and a door in front of them.
//!
//! They lie in the folder of `tests/run`, which takes away what a test that was killed leaves behind.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::daybreak::PATIENCE;

/// Where the server's programs are; none where `tests/run` does not say so.
fn programs() -> Option<PathBuf> {
    static SAY_ONCE: Once = Once::new();
    let programs = std::env::var("TEST_POSTGRES_PROGRAMS").ok().map(PathBuf::from);
    if programs.is_none() {
        SAY_ONCE.call_once(|| {
            let note =
                "note: TEST_POSTGRES_PROGRAMS is not set: no PostgreSQL is restarted or promoted (tests/run does)";
            let _ = writeln!(std::io::stderr(), "{note}");
        });
    }
    programs
}

/// One of PostgreSQL's programs as the user that it may run as: never root.
fn program(name: &str) -> Command {
    let path = programs().expect("a cluster was made with them").join(name);
    let mut command = match std::env::var("TEST_POSTGRES_USER") {
        Ok(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", &user, "--"]).arg(path);
            command
        }
        Err(_) => Command::new(path),
    };
    // The server inherits them and keeps them open: nothing waits for their end.
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A cluster of one test, reached by a Unix socket alone; it ends with this.
pub struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    /// A cluster that runs; none where PostgreSQL's programs are not known.
    pub async fn start() -> Option<Self> {
        programs()?;
        let cluster = Self::empty();
        let words = ["-U", "daybreak", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
        cluster.run("initdb", &words).await;
        cluster.go().await;
        Some(cluster)
    }

    fn empty() -> Self {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).unwrap();
        let folder = std::env::var("TEST_POSTGRES_FOLDER").expect("tests/run names it beside the programs");
        Self { folder: Path::new(&folder).join(format!("{:08x}", u32::from_be_bytes(bytes))) }
    }

    /// A standby that streams from this cluster.
    pub async fn standby(&self) -> Self {
        let standby = Self::empty();
        let from = format!("host={} user=daybreak application_name=standby", self.folder.display());
        standby
            .run("pg_basebackup", &["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &from, "-D"])
            .await;
        standby.go().await;
        standby
    }

    pub fn url(&self) -> String {
        format!("postgres://daybreak@localhost/postgres?host={}", self.folder.display())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs a program whose last words are this cluster's data.
    async fn run(&self, name: &str, words: &[&str]) {
        let ended = timeout(PATIENCE, program(name).args(words).arg(self.data()).status()).await;
        assert!(ended.expect("it ends").unwrap().success(), "{name} {words:?} failed");
    }

    /// Starts it, again or for the first time. What it has committed survives its end, if not the machine's.
    pub async fn go(&self) {
        let options = format!(
            "-k {} -c listen_addresses='' -c max_connections=100 -c fsync=off -c synchronous_commit=on",
            self.folder.display()
        );
        let log = self.folder.join("log");
        self.run("pg_ctl", &["-w", "-t", "60", "-l", log.to_str().unwrap(), "-o", &options, "start", "-D"])
            .await;
    }

    /// Stops it: `fast` ends the connections, `immediate` is as good as `kill -9`.
    pub async fn halt(&self, how: &str) {
        self.run("pg_ctl", &["-w", "-m", how, "stop", "-D"]).await;
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        self.run("pg_ctl", &["-w", "promote", "-D"]).await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = program("pg_ctl");
        let _ = stop.args(["-m", "immediate", "stop", "-D"]).arg(self.data()).as_std_mut().status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A stable address in front of clusters, as a virtual IP or HAProxy is: it leads to one of them.
pub struct Door {
    address: SocketAddr,
    way: watch::Sender<Way>,
    task: AbortHandle,
}

#[derive(Clone)]
struct Way {
    to: PathBuf,
    /// How often connections were cut off without a word.
    forsaken: usize,
}

impl Door {
    pub async fn to(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, led) = watch::channel(Way { to: cluster.folder.clone(), forsaken: 0 });
        let task = tokio::spawn(lead(listener, led)).abort_handle();
        Self { address, way, task }
    }

    pub fn url(&self) -> String {
        format!("postgres://daybreak@{}/postgres?sslmode=disable", self.address)
    }

    /// Leads new connections to another cluster.
    pub fn lead_to(&self, cluster: &Cluster) {
        self.way.send_modify(|way| way.to = cluster.folder.clone());
    }

    /// From now on nothing more is heard of the connections that are open, not even their end: so it looks when a
    /// machine loses its power, or a firewall its memory.
    pub fn forsake(&self) {
        self.way.send_modify(|way| way.forsaken += 1);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(listener: TcpListener, way: watch::Receiver<Way>) {
    let mut talks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        talks.spawn(pass(stream, way.clone()));
    }
}

async fn pass(mut outside: TcpStream, mut way: watch::Receiver<Way>) {
    let Way { to, forsaken } = way.borrow().clone();
    let Ok(mut inside) = UnixStream::connect(to.join(".s.PGSQL.5432")).await else { return };
    let forsaken = async {
        let _ = way.wait_for(|way| way.forsaken > forsaken).await.is_ok();
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => return,
        () = forsaken => {}
    }
    // Neither end learns of it.
    std::future::pending().await
}
