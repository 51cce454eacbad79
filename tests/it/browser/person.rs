//! What a person does with a browser: finds, presses, writes, chooses, drags, uses the keyboard.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Browser, ELEMENT, Element, TAB};
use crate::daybreak::PATIENCE;

/// How long one looks for what should be on a page.
const LOOKS_FOR: Duration = Duration::from_secs(20);

/// What changed under one's hand: a page that loads itself anew, for instance.
const STALE: &str = "stale element reference";

impl Browser {
    /// Waits for the first element of an XPath.
    pub async fn find(&self, path: &str) -> Element {
        self.find_within(LOOKS_FOR, path).await
    }

    /// The same of what takes its time.
    pub async fn find_within(&self, patience: Duration, path: &str) -> Element {
        let begun = Instant::now();
        loop {
            let found = self.try_post("/element", json!({ "using": "xpath", "value": path })).await;
            match found {
                Ok(found) => return Element(found[ELEMENT].as_str().unwrap().to_owned()),
                Err(error) => assert!(
                    begun.elapsed() < patience,
                    "there is no {path} on {}: {error}\n{}",
                    self.address().await,
                    self.text().await
                ),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that the page says.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page's headline says so.
    pub async fn reads(&self, headline: &str) {
        self.find(&format!("//h1[normalize-space() = \"{headline}\"]")).await;
    }

    /// Waits until the page says what became of what was done.
    pub async fn is_told(&self, words: &str) {
        self.find(&format!("//*[@role = 'status' or @role = 'alert'][contains(., \"{words}\")]")).await;
    }

    /// Clicks on the first element of an XPath.
    pub async fn click(&self, path: &str) {
        let begun = Instant::now();
        loop {
            let Element(id) = self.find(path).await;
            match self.try_post(&format!("/element/{id}/click"), json!({})).await {
                Ok(_) => return,
                Err(error) => {
                    assert!(error.starts_with(STALE) && begun.elapsed() < LOOKS_FOR, "{path}: {error}");
                }
            }
        }
    }

    /// Presses the button, or follows the link, of these words. Where that leads to another page, waits until it is
    /// there.
    pub async fn press(&self, words: &str) {
        self.press_at(&format!("(//button | //a | //summary)[normalize-space() = \"{words}\"]")).await;
    }

    /// The same of the first element of an XPath.
    pub async fn press_at(&self, path: &str) {
        // Whoever listens to the window hears of it last, when the page's own scripts have had their say.
        const LISTEN: &str = "window.isTheOldPage = true; window.isLeaving = false; \
            for (const kind of ['submit', 'click']) addEventListener(kind, (event) => { \
                if (kind === 'submit' || event.target.closest('a')) window.isLeaving = !event.defaultPrevented; });";
        let is_summary = format!("boolean(({path})[1][self::summary])");
        self.find(path).await;
        let is_summary = self.evaluate(&is_summary).await;
        self.run(LISTEN).await;
        self.click(path).await;
        let stays = match self.has_scripts.load(Ordering::Relaxed) {
            true => self.asks("return window.isTheOldPage && !window.isLeaving").await,
            false => is_summary,
        };
        let begun = Instant::now();
        while !stays && !self.asks("return !window.isTheOldPage && document.readyState === 'complete'").await
        {
            assert!(begun.elapsed() < PATIENCE, "{path} leads nowhere from {}", self.address().await);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What an XPath says of the page, yes or no.
    async fn evaluate(&self, path: &str) -> bool {
        let ask = format!("return document.evaluate({}, document).booleanValue", json!(path));
        self.asks(&ask).await
    }

    /// What a script says, yes or no. Between two pages there is none to ask.
    async fn asks(&self, script: &str) -> bool {
        self.try_post("/execute/sync", json!({ "script": script, "args": [] })).await == Ok(Value::Bool(true))
    }

    /// Presses the button of these words, and waits for the file that comes.
    pub async fn download(&self, words: &str) -> (String, String) {
        self.click(&format!("//button[normalize-space() = \"{words}\"]")).await;
        let begun = Instant::now();
        let downloads = self.folder.as_ref().unwrap().path().join("downloads");
        loop {
            for file in std::fs::read_dir(&downloads).unwrap() {
                let file = file.unwrap();
                let name = file.file_name().into_string().unwrap();
                // Under another name until all of it is there.
                if !name.ends_with(".crdownload") && !name.starts_with('.') {
                    let text = std::fs::read_to_string(file.path()).unwrap();
                    std::fs::remove_file(file.path()).unwrap();
                    return (name, text);
                }
            }
            assert!(begun.elapsed() < PATIENCE, "no file comes of “{words}”");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ticks the choice of these words.
    pub async fn choose(&self, words: &str) {
        self.click(&format!("//label[starts-with(normalize-space(), \"{words}\")]")).await;
    }

    /// Writes into the field whose label begins so; of one that takes a file, the file's path.
    pub async fn write(&self, label: &str, text: &str) {
        let Element(id) = self.find(&of_label(label)).await;
        self.post(&format!("/element/{id}/clear"), json!({})).await;
        self.post(&format!("/element/{id}/value"), json!({ "text": text })).await;
    }

    /// Chooses the line of a list whose label begins so.
    pub async fn select(&self, label: &str, line: &str) {
        self.click(&format!("{}/option[normalize-space() = \"{line}\"]", of_label(label))).await;
    }

    /// What stands in the field whose label begins so.
    pub async fn written(&self, label: &str) -> String {
        let Element(id) = self.find(&of_label(label)).await;
        self.get(&format!("/element/{id}/property/value")).await.as_str().unwrap_or_default().to_owned()
    }

    /// Is inside of a frame of the page from now on, until the next page is opened or [`Browser::leave_frame`].
    pub async fn enter_frame(&self, path: &str) {
        let Element(id) = self.find(path).await;
        self.post("/frame", json!({ "id": { ELEMENT: id } })).await;
    }

    pub async fn leave_frame(&self) {
        self.post("/frame", json!({ "id": null })).await;
    }

    /// Drags what a script's expression names with the pointer, to the upper edge of what another names.
    pub async fn drag(&self, from: &str, to: &str) {
        let places = self
            .run(&format!(
                "const from = {from}, to = {to}; from.scrollIntoView({{ block: 'center' }}); \
                 const place = (box, y) => [Math.round(box.x + box.width / 2), Math.round(y)]; \
                 const a = from.getBoundingClientRect(), b = to.getBoundingClientRect(); \
                 return [place(a, a.y + a.height / 2), [place(a, 0)[0], Math.round(b.y) + 2]]"
            ))
            .await;
        let go = |place: &Value, millis: u64| json!({ "type": "pointerMove", "duration": millis, "x": place[0], "y": place[1] });
        let (press, release) =
            (json!({ "type": "pointerDown", "button": 0 }), json!({ "type": "pointerUp", "button": 0 }));
        let way = [go(&places[0], 0), press, go(&places[1], 200), release];
        let mouse = json!({
            "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": way,
        });
        self.post("/actions", json!({ "actions": [mouse] })).await;
    }

    /// Types on the keyboard, wherever the focus is.
    pub async fn type_keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|stroke| json!({ "type": stroke, "value": key.to_string() }))
            })
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Goes on with the tabulator until the focus is on what has these words, or is labelled so. Wherever the focus
    /// comes on the way, it must be seen.
    pub async fn tab_to(&self, words: &str) {
        const FOCUS: &str = "const at = document.activeElement, style = getComputedStyle(at); \
            const label = at.labels?.[0] ?? at; \
            return [label.textContent.replace(/\\s+/g, ' ').trim(), at === document.body || \
                (at.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 1)];";
        let mut passed = vec![];
        while passed.len() < 80 {
            self.type_keys(&TAB.to_string()).await;
            let focus = self.run(FOCUS).await;
            let name = focus[0].as_str().unwrap_or_default().to_owned();
            assert!(focus[1] == true, "the focus on “{name}” cannot be seen");
            if name.starts_with(words) {
                return;
            }
            passed.push(name);
        }
        panic!("the tabulator never comes to “{words}”, but to {passed:?}");
    }
}

/// The XPath of the field whose label begins so.
fn of_label(label: &str) -> String {
    format!("//*[@id = //label[starts-with(normalize-space(), \"{label}\")]/@for]")
}
