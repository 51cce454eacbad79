//! A real Chromium, driven through the WebDriver protocol (W3C, `chromedriver`), and what a person does with one: open,
//! read, write, press, use the keyboard. Elements are named by the words that a person sees.
//!
//! `tests/run` installs it and names its driver in `TEST_CHROMEDRIVER`; without that the tests that need one say so and
//! pass. Of the protocol a dozen commands are used, which is less than a crate for all of it would take to explain.

mod person;

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::daybreak::PATIENCE;

/// What a browser takes of a machine is much: so many of them run at a time.
static SEATS: Semaphore = Semaphore::const_new(2);

/// Nothing of the browser's own reaches out into the world, and no test depends on what is there.
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--hide-scrollbars",
    "--lang=en",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    // Containers often have no more than 64 MB of shared memory.
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.*",
    // The browser ends when its driver does, however that is.
    "--remote-debugging-pipe",
];

/// Keys that have no sign (WebDriver §17.4.2).
pub const TAB: char = '\u{E004}';
pub const ENTER: char = '\u{E007}';
pub const ARROW_UP: char = '\u{E013}';
pub const ARROW_DOWN: char = '\u{E015}';

/// Which colours the reader's system asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub const BOTH: [Self; 2] = [Self::Light, Self::Dark];

    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The widths that pages are looked at: a phone's and a desk's, in pixels.
pub const WIDTHS: [u32; 2] = [390, 1280];

/// An element of the page, as the driver calls it.
pub struct Element(String);

/// What the protocol calls an element where one is named in a command (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser with a profile of its own; it ends when this is dropped.
pub struct Browser {
    client: reqwest::Client,
    /// The address of the session at the driver.
    session: String,
    driver: Child,
    has_scripts: AtomicBool,
    /// See [`Browser::look`].
    shape: Mutex<(u32, Scheme)>,
    /// Everything that driver and browser write.
    folder: Option<TempDir>,
    _seat: SemaphorePermit<'static>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // All at once: a browser that ends by itself writes its profile down, which nobody wants.
        if let Some(driver) = self.driver.id() {
            let all: String = family(driver).iter().map(|process| format!(" {process}")).collect();
            let mut kill = std::process::Command::new("sh");
            kill.args(["-c", &format!("kill -KILL{all}")]);
            // Some may have ended by themselves meanwhile, of which the shell would tell.
            let _ = kill.stderr(Stdio::null()).status();
        }
        let Some(folder) = self.folder.take().map(TempDir::keep) else { return };
        // What is killed ends within a moment, and may write until then.
        let begun = Instant::now();
        while folder.exists() && begun.elapsed() < Duration::from_secs(5) {
            let _ = std::fs::remove_dir_all(&folder);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A process and all that it has started, and so on (proc_pid_task_tid_children(5)).
fn family(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        all.extend(children.flat_map(family));
    }
    all
}

fn driver() -> Option<String> {
    static SAY_ONCE: Once = Once::new();
    let driver = std::env::var("TEST_CHROMEDRIVER").ok().filter(|path| !path.is_empty());
    if driver.is_none() {
        // Straight to standard error: what is printed by a test that passes is not shown.
        SAY_ONCE.call_once(|| {
            let note =
                "note: TEST_CHROMEDRIVER is not set: nothing is tested in a browser (tests/run installs one)";
            let _ = writeln!(std::io::stderr(), "{note}");
        });
    }
    driver
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

/// Starts a driver, and returns it with its port. It looks for a port that is free on IPv4, and ends where somebody else has
/// that one on IPv6: then it is started again.
async fn start_driver(driver: &str, folder: &TempDir) -> (Child, String) {
    for _ in 0..5 {
        let mut child = Command::new(driver)
            .arg("--port=0")
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .env("TZ", "Europe/Paris")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("TEST_CHROMEDRIVER cannot be started: {error}"));
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = async {
            while let Ok(Some(line)) = said.next_line().await {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return Some(port.trim_end_matches('.').to_owned());
                }
            }
            None
        };
        if let Some(port) = timeout(PATIENCE, port).await.expect("chromedriver says its port") {
            return (child, port);
        }
    }
    panic!("chromedriver ended five times before it said its port");
}

impl Browser {
    /// Starts a browser with a desk's width, light colours and no motion; none where there is no driver.
    pub async fn start() -> Option<Self> {
        let driver = driver()?;
        Some(Self::start_in(SEATS.acquire().await.unwrap(), &driver).await)
    }

    /// Two of them, for two people at once.
    pub async fn start_two() -> Option<(Self, Self)> {
        let driver = driver()?;
        // Both seats at once: two tests with one each would wait for one another.
        let mut seats = SEATS.acquire_many(2).await.unwrap();
        let second = seats.split(1).unwrap();
        Some((Self::start_in(seats, &driver).await, Self::start_in(second, &driver).await))
    }

    async fn start_in(seat: SemaphorePermit<'static>, driver: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (child, port) = start_driver(driver, &folder).await;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        if is_root() {
            // Chromium's own sandbox refuses to be root's.
            arguments.push("--no-sandbox".to_owned());
        }
        let downloads = folder.path().join("downloads");
        std::fs::create_dir(&downloads).unwrap();
        let preferences = json!({ "download.default_directory": downloads });
        let session = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self {
            client,
            session,
            driver: child,
            has_scripts: AtomicBool::new(true),
            shape: Mutex::new((0, Scheme::Light)),
            folder: Some(folder),
            _seat: seat,
        };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "timeouts": { "pageLoad": 30_000, "script": 60_000 },
            "goog:chromeOptions": { "args": arguments, "prefs": preferences },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let opened = browser.post("", wanted).await;
        browser.session = format!("{}/{}", browser.session, opened["sessionId"].as_str().unwrap());
        browser.look(1280, Scheme::Light).await;
        browser
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let answer =
            request.send().await.map_err(|error| format!("chromedriver does not answer: {error}"))?;
        let has_failed = !answer.status().is_success();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let value = answer["value"].take();
        if has_failed { Err(format!("{}: {}", value["error"], value["message"])) } else { Ok(value) }
    }

    async fn try_post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.send(self.client.post(format!("{}{path}", self.session)).body(body.to_string())).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body.clone())
            .await
            .unwrap_or_else(|error| panic!("{path} {:.300}: {error}", body.to_string()))
    }

    async fn get(&self, path: &str) -> Value {
        let answered = self.send(self.client.get(format!("{}{path}", self.session))).await;
        answered.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A command of Chromium's own protocol.
    async fn command(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Sets the width of the window and the colours that the system asks for. Nothing moves, so that nothing is judged
    /// halfway.
    pub async fn look(&self, width: u32, scheme: Scheme) {
        *self.shape.lock().unwrap() = (width, scheme);
        let size = json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Goes to where the clocks of this zone are.
    pub async fn in_zone(&self, zone: &str) {
        self.command("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
    }

    /// Lets no page run a script from now on.
    pub async fn without_scripts(&self) {
        self.has_scripts.store(false, Ordering::Relaxed);
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// All of its cookies.
    pub async fn cookies(&self) -> Value {
        self.command("Network.getCookies", json!({})).await["cookies"].take()
    }

    /// Has these cookies from now on, and no others.
    pub async fn take_cookies(&self, cookies: Option<&Value>) {
        self.command("Network.clearBrowserCookies", json!({})).await;
        if let Some(cookies) = cookies {
            self.command("Network.setCookies", json!({ "cookies": cookies })).await;
        }
    }

    /// Loads the page anew, with or without its Content-Security-Policy.
    pub async fn without_policies(&self, without: bool) {
        self.command("Page.setBypassCSP", json!({ "enabled": without })).await;
        self.post("/refresh", json!({})).await;
    }

    /// Opens a page, and waits until it is there.
    pub async fn open(&self, address: &str) {
        self.post("/url", json!({ "url": address })).await;
    }

    pub async fn address(&self) -> String {
        self.get("/url").await.as_str().unwrap().to_owned()
    }

    /// What a script returns; it is the driver's, and the page's policy does not apply to it.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The same of a script that calls its last argument when it has ended.
    pub async fn run_to_end(&self, script: &str) -> Value {
        self.post("/execute/async", json!({ "script": script, "args": [] })).await
    }

    /// The errors that the page's console got since this was asked last: what the page's policy refused, scripts that
    /// failed, files that are missing. That the page itself was answered with an error is none.
    pub async fn logged_errors(&self) -> Vec<String> {
        let logged = self.post("/se/log", json!({ "type": "browser" })).await;
        let page = self.address().await;
        let errors = logged.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        let messages = errors.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        messages.filter(|message| !message.starts_with(&format!("{page} - Failed to load"))).collect()
    }

    /// A picture of the whole page, as PNG. The window is made as high as the page for it, so that what stands at its
    /// foot stands at the foot of the picture.
    pub async fn picture(&self) -> Vec<u8> {
        let (width, scheme) = *self.shape.lock().unwrap();
        let height = self.run("return Math.max(document.documentElement.scrollHeight, innerHeight)").await;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let made = self.command("Page.captureScreenshot", json!({ "format": "png" })).await;
        self.look(width, scheme).await;
        STANDARD.decode(made["data"].as_str().unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_browser_outlives_it() {
    let Some(browser) = Browser::start().await else { return };
    let all = family(browser.driver.id().unwrap());
    let folder = browser.folder.as_ref().unwrap().path().to_owned();
    assert!(all.len() > 2, "a driver, a browser, and what that starts: {all:?}");
    drop(browser);
    assert!(!folder.exists());
    // A process that has ended may still wait for its parent to hear of it (proc_pid_stat(5)).
    let runs = |process: &&u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    };
    let begun = Instant::now();
    while let Some(process) = all.iter().find(runs) {
        assert!(begun.elapsed() < PATIENCE, "process {process} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
