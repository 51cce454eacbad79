//! Issues as pages: each public one is rendered once and kept, as is its title in lists, and few are rendered at a time,
//! whoever asks.
//!
//! A page is kept for as long as what it was made of is the same, and there is room. It is made beside the request that
//! asked for it first: one whose reader has gone is finished all the same, so that asking and leaving makes no work.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Error;
use crate::domain::issue::Issue;
use crate::domain::newsletter::{Newsletter, Schedule};

/// The most bytes of pages that are kept: some 600 of 50 KB.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The most titles that are kept, some 3 KB each with what they were made of.
const MOST_TITLES: usize = 2_000;

/// What is counted for a page besides its HTML: what it was made of.
const OVERHEAD: usize = 4 * 1024;

/// How many are rendered at a time: each takes a core for some milliseconds.
const AT_ONCE: usize = 2;

/// How long a page may wait until it is rendered.
const TURN: Duration = Duration::from_secs(5);

/// A page, and what stands for it where somebody has it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub html: String,
    /// As `ETag` (RFC 9110 §8.8.3), with its quotation marks.
    pub tag: String,
}

impl Page {
    /// A mail as a page.
    pub fn of_mail(html: &str) -> Self {
        let html = as_page(html);
        let digest: String =
            Sha256::digest(&html).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { html, tag: format!("\"{digest}\"") }
    }
}

/// A mail's HTML as a page: among a mail program's many it is an article, here it is what the page is for.
pub fn as_page(html: &str) -> String {
    html.replacen("role=\"article\"", "role=\"main\"", 1)
}

/// Everything that an issue's public page depends on. What the issue holds no longer changes once it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    pub newsletter: Newsletter,
    pub issue: Issue,
    pub schedule: Option<Schedule>,
    /// The version of the templates.
    pub templates: i64,
}

/// The pages that are kept or being made. Clones are the same.
#[derive(Clone, Debug)]
pub struct Pages {
    kept: Arc<Mutex<Kept>>,
    turns: Arc<Semaphore>,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// By the issue's id.
    slots: HashMap<i64, Slot>,
    titles: HashMap<i64, (MadeOf, String)>,
    bytes: usize,
    uses: u64,
    /// How many were begun.
    begun: u64,
}

#[derive(Debug)]
struct Slot {
    made_of: MadeOf,
    state: State,
}

#[derive(Debug)]
enum State {
    Making(watch::Receiver<Option<Made>>),
    Ready { page: Arc<Page>, used: u64 },
}

type Made = Result<Arc<Page>, Arc<Error>>;

/// Leave to render one page.
#[derive(Debug)]
pub struct Turn(OwnedSemaphorePermit);

impl Turn {
    /// Renders beside everything else, and ends the turn.
    pub async fn render<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        // It goes on where nobody waits for it any more, and its turn lasts as long.
        let rendering = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(self.0);
            done
        });
        rendering.await.map_err(|error| Error::Io(format!("rendering a page crashed: {error}")))
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::with_room(MOST_BYTES)
    }
}

impl Pages {
    fn with_room(most_bytes: usize) -> Self {
        Self { kept: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)), most_bytes }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn to render.
    ///
    /// # Errors
    /// [`Error::Busy`] where none comes within 5 seconds.
    pub async fn turn(&self) -> Result<Turn, Error> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        Ok(Turn(turn.map_err(|_| Error::Busy)?.expect("nobody closes the semaphore")))
    }

    /// The page that is made of this: the one that is kept, the one that somebody else waits for, or a new one.
    ///
    /// # Errors
    /// What `make` fails with; nothing is kept then.
    pub async fn get<F>(&self, made_of: MadeOf, make: impl FnOnce() -> F) -> Result<Arc<Page>, Error>
    where
        F: Future<Output = Result<Page, Error>> + Send + 'static,
    {
        let mut making = {
            let mut kept = self.kept();
            match kept.find(&made_of) {
                Some(State::Ready { page, .. }) => return Ok(Arc::clone(page)),
                Some(State::Making(making)) => making.clone(),
                None => self.begin(&mut kept, made_of, make()),
            }
        };
        let made = making.wait_for(Option::is_some).await.map(|made| made.clone());
        match made {
            Ok(Some(Ok(page))) => Ok(page),
            Ok(Some(Err(error))) => Err(match &*error {
                Error::Busy => Error::Busy,
                Error::NotFound(says) => Error::NotFound(says.clone()),
                other => Error::Io(other.to_string()),
            }),
            Ok(None) | Err(_) => Err(Error::Io("making a page was cut off".to_owned())),
        }
    }

    /// The title that is made of this: the one that is kept, or a new one.
    ///
    /// # Errors
    /// What `make` fails with.
    pub fn title(
        &self,
        made_of: MadeOf,
        make: impl FnOnce() -> Result<String, Error>,
    ) -> Result<String, Error> {
        let id = made_of.issue.id;
        if let Some((_, title)) = self.kept().titles.get(&id).filter(|(before, _)| *before == made_of) {
            return Ok(title.clone());
        }
        let title = make()?;
        let mut kept = self.kept();
        if kept.titles.len() >= MOST_TITLES {
            kept.titles.clear();
        }
        kept.titles.insert(id, (made_of, title.clone()));
        Ok(title)
    }

    /// Begins a page, which comes to its end whoever waits for it.
    fn begin(
        &self,
        kept: &mut Kept,
        made_of: MadeOf,
        make: impl Future<Output = Result<Page, Error>> + Send + 'static,
    ) -> watch::Receiver<Option<Made>> {
        let (done, making) = watch::channel(None);
        kept.begun += 1;
        kept.put(made_of.clone(), State::Making(making.clone()));
        let pages = self.clone();
        tokio::spawn(async move {
            let made = tokio::spawn(make).await.unwrap_or_else(|error| Err(Error::Io(error.to_string())));
            let made = made.map(Arc::new).map_err(Arc::new);
            pages.kept().settle(&made_of, made.as_ref().ok(), pages.most_bytes);
            done.send_replace(Some(made));
        });
        making
    }
}

impl Kept {
    /// What there is of a page, unless it was made of something else.
    fn find(&mut self, made_of: &MadeOf) -> Option<&State> {
        self.uses += 1;
        let slot = self.slots.get_mut(&made_of.issue.id).filter(|slot| slot.made_of == *made_of)?;
        if let State::Ready { used, .. } = &mut slot.state {
            *used = self.uses;
        }
        Some(&slot.state)
    }

    /// Puts what there is of a page in the place of what there was.
    fn put(&mut self, made_of: MadeOf, state: State) {
        self.bytes += state.bytes();
        if let Some(before) = self.slots.insert(made_of.issue.id, Slot { made_of, state }) {
            self.bytes -= before.state.bytes();
        }
    }

    fn remove(&mut self, issue_id: i64) {
        if let Some(slot) = self.slots.remove(&issue_id) {
            self.bytes -= slot.state.bytes();
        }
    }

    /// Keeps a page that has been made, or forgets that it was begun; those that were asked for longest ago make room.
    fn settle(&mut self, made_of: &MadeOf, page: Option<&Arc<Page>>, most_bytes: usize) {
        // Something changed meanwhile, and another page was begun.
        if self.find(made_of).is_none() {
            return;
        }
        match page {
            Some(page) => {
                self.put(made_of.clone(), State::Ready { page: Arc::clone(page), used: self.uses });
            }
            None => self.remove(made_of.issue.id),
        }
        while self.bytes > most_bytes {
            let used = |(id, slot): (&i64, &Slot)| match slot.state {
                State::Ready { used, .. } => Some((used, *id)),
                State::Making(_) => None,
            };
            let Some((_, oldest)) = self.slots.iter().filter_map(used).min() else { return };
            self.remove(oldest);
        }
    }
}

impl State {
    fn bytes(&self) -> usize {
        match self {
            Self::Making(_) => 0,
            Self::Ready { page, .. } => page.html.len() + OVERHEAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::db;
    use crate::db::issues::{self, NewDraft};
    use crate::pipeline::testing::apps;

    impl Pages {
        /// How many pages were begun.
        pub(crate) fn begun(&self) -> u64 {
            self.kept().begun
        }
    }

    /// An issue as the database has it, with this version of the templates.
    async fn made_of(templates: i64) -> MadeOf {
        let test = apps().await.remove(0);
        let newsletter_id = db::testing::a_newsletter(&test.app.db, "brief").await;
        let mut tx = test.app.db.begin().await.unwrap();
        let now = test.app.clock.now();
        let draft = NewDraft {
            newsletter_id,
            schedule_id: None,
            slot_at: now,
            slot_date: now.to_utc().date_naive(),
            cutoff_at: now,
        };
        let id = issues::insert_draft(&mut tx, &draft, now).await.unwrap().unwrap();
        let newsletter = db::newsletters::get(&mut tx, newsletter_id).await.unwrap().unwrap();
        let issue = issues::get(&mut tx, id).await.unwrap().unwrap();
        MadeOf { newsletter, issue, schedule: None, templates }
    }

    fn of_issue(made_of: &MadeOf, id: i64) -> MadeOf {
        let issue = Issue { id, ..made_of.issue.clone() };
        MadeOf { issue, ..made_of.clone() }
    }

    #[tokio::test]
    async fn a_page_that_many_ask_for_at_once_is_made_once_also_where_the_first_of_them_leaves() {
        let (pages, made_of, made) = (Pages::default(), made_of(1).await, Arc::new(AtomicUsize::new(0)));
        let make = || {
            let made = Arc::clone(&made);
            async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                made.fetch_add(1, Ordering::Relaxed);
                Ok(Page::of_mail("<p>x</p>"))
            }
        };
        let leaves = tokio::time::timeout(Duration::from_millis(5), pages.get(made_of.clone(), make)).await;
        assert!(leaves.is_err());
        let asked = (0..200).map(|_| pages.get(made_of.clone(), make));
        for page in futures_util::future::join_all(asked).await {
            assert_eq!(page.unwrap().html, "<p>x</p>");
        }
        assert_eq!((made.load(Ordering::Relaxed), pages.begun()), (1, 1));
        pages.get(MadeOf { templates: 2, ..made_of.clone() }, make).await.unwrap();
        assert_eq!((made.load(Ordering::Relaxed), pages.kept().slots.len()), (2, 1));
    }

    #[tokio::test]
    async fn a_title_is_made_once_until_something_changes() {
        let (pages, one) = (Pages::default(), made_of(1).await);
        let title = |made_of: &MadeOf, title: &str| pages.title(made_of.clone(), || Ok(title.to_owned()));
        assert_eq!(title(&one, "first").unwrap(), "first");
        assert_eq!(title(&one, "second").unwrap(), "first");
        let other = MadeOf { templates: 2, ..one.clone() };
        assert_eq!(title(&other, "third").unwrap(), "third");
        (2..5_000).for_each(|id| assert_eq!(title(&of_issue(&one, id), "x").unwrap(), "x"));
        assert!(pages.kept().titles.len() <= MOST_TITLES);
    }

    #[tokio::test]
    async fn pages_take_no_more_room_than_they_may_and_the_ones_asked_for_last_stay() {
        let made_of = made_of(1).await;
        let pages = Pages::with_room(3 * (OVERHEAD + 1000));
        let ask = async |id: i64| {
            let make = || async { Ok(Page { html: "x".repeat(1000), tag: String::new() }) };
            pages.get(of_issue(&made_of, id), make).await.unwrap();
        };
        for id in [1, 2, 3, 1, 4] {
            ask(id).await;
        }
        let kept: Vec<bool> = (1..=4).map(|id| pages.kept().slots.contains_key(&id)).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(pages.kept().bytes, 3 * (OVERHEAD + 1000));
    }

    #[tokio::test]
    async fn a_page_that_fails_is_tried_anew_by_the_next_who_asks() {
        let (pages, made_of) = (Pages::default(), made_of(1).await);
        let gone = || async { Err(Error::NotFound("gone".to_owned())) };
        assert!(
            matches!(pages.get(made_of.clone(), gone).await, Err(Error::NotFound(says)) if says == "gone")
        );
        let crash = || async { panic!("the page's fault") };
        assert!(matches!(pages.get(made_of.clone(), crash).await, Err(Error::Io(_))));
        let make = || async { Ok(Page::of_mail("<p>x</p>")) };
        assert!(pages.get(made_of, make).await.is_ok());
        assert_eq!(pages.begun(), 3);
    }

    #[tokio::test]
    async fn few_are_rendered_at_a_time_and_who_waits_too_long_is_told_so() {
        let pages = Pages::default();
        let (one, other) = (pages.turn().await.unwrap(), pages.turn().await.unwrap());
        assert!(matches!(pages.turn().await, Err(Error::Busy)));
        drop(one);
        assert_eq!(pages.turn().await.unwrap().render(|| 7).await.unwrap(), 7);
        drop(other);
        assert_eq!(pages.turns.available_permits(), AT_ONCE);
    }
}
