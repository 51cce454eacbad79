//! A PostgreSQL of its own, as its package sets it up: every commit is flushed to the disk.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Clock ticks a second in `/proc`, on every Linux of today.
const TICKS: f64 = 100.0;

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The newest folder with PostgreSQL's server programs.
pub fn programs() -> Option<PathBuf> {
    let version = |folder: &Path| -> Option<u32> { folder.parent()?.file_name()?.to_str()?.parse().ok() };
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = folders.map(|entry| entry.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort_by_key(|folder| version(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = || {
        let initdb =
            std::env::split_paths(&path).map(|folder| folder.join("initdb")).find(|file| file.is_file());
        initdb?.canonicalize().ok()?.parent().map(Path::to_path_buf)
    };
    found.pop().or_else(elsewhere)
}

/// A server reached by a Unix socket alone; it is stopped and its folder removed when this is dropped.
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    user: Option<&'static str>,
    postmaster: u32,
}

impl Postgres {
    pub fn start(programs: PathBuf) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::Builder::new().prefix("daybreak-bench.").tempdir()?;
        // It refuses to run as root: there it runs as the user that its package made.
        let user = is_root().then(|| {
            let known = Command::new("id").args(["-u", "postgres"]).output();
            if known.is_ok_and(|known| known.status.success()) { "postgres" } else { "nobody" }
        });
        if let Some(user) = user {
            done("chown", Command::new("chown").arg(user).arg(folder.path()))?;
        }
        done("chmod", Command::new("chmod").arg("755").arg(folder.path()))?;
        let mut postgres = Self { programs, folder, user, postmaster: 0 };
        let data = postgres.data();
        let mut initdb = postgres.command("initdb");
        done(
            "initdb",
            initdb.arg("-D").arg(&data).args(["-U", "daybreak", "-A", "trust", "-E", "UTF8", "--locale=C"]),
        )?;
        let options = format!("-k {} -c listen_addresses=''", postgres.folder.path().display());
        let log = data.join("log");
        let mut start = postgres.command("pg_ctl");
        done(
            "pg_ctl",
            start.arg("-D").arg(&data).arg("-l").arg(log).args(["-w", "-t", "60", "start", "-o", &options]),
        )?;
        let file = std::fs::read_to_string(data.join("postmaster.pid"))
            .or_else(|_| postgres.read_as_user(&data.join("postmaster.pid")))?;
        postgres.postmaster = file.lines().next().unwrap_or_default().trim().parse()?;
        Ok(postgres)
    }

    /// Makes a database and returns its URL.
    pub fn database(&self, name: &str) -> Result<String, Box<dyn Error>> {
        let folder = self.folder.path().display();
        let mut create = self.command("createdb");
        done("createdb", create.args(["-h", &folder.to_string(), "-U", "daybreak", name]))?;
        Ok(format!("postgres://daybreak@localhost/{name}?host={folder}"))
    }

    /// CPU seconds of the server so far: of its processes that run, and of those that have ended.
    pub fn cpu_seconds(&self) -> f64 {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks = entries.filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // Behind the name: state, parent, …, and from the 12th on its times and those of its ended children.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
            let time = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
            let own = time(11)? + time(12)?;
            match fields.get(1)?.parse::<u32>() {
                _ if pid == self.postmaster => Some(own + time(13)? + time(14)?),
                Ok(parent) if self.postmaster == parent => Some(own),
                _ => None,
            }
        });
        ticks.sum::<f64>() / TICKS
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn read_as_user(&self, file: &Path) -> std::io::Result<String> {
        let mut cat = self.as_user();
        let output = cat.arg("cat").arg(file).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn as_user(&self) -> Command {
        let mut command = Command::new(if self.user.is_some() { "runuser" } else { "env" });
        if let Some(user) = self.user {
            command.args(["-u", user, "--"]);
        }
        command.current_dir(self.folder.path());
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.as_user();
        command.arg(self.programs.join(program));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        stop.arg("-D").arg(self.data()).args(["-m", "immediate", "stop"]);
        // Its folder goes in any case.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn done(what: &str, command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match output {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed: {status}").into()),
        Err(error) => Err(format!("{what} cannot be started: {error}").into()),
    }
}
