//! Whom issues are for, counted once for all who ask within some seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::Opened;
use crate::pipeline::App;
use crate::pipeline::seen::Seen;
use crate::pipeline::start::{self, Reach};
use crate::web::Error;

/// How long it is remembered whom an issue is for: among a million readers, counting takes seconds.
const REMEMBERED: Duration = Duration::from_secs(20);

/// How many issues it is remembered for.
const MOST_REMEMBERED: usize = 64;

/// When it was asked first what an issue is for, as it was seen then, and the answer once it is there.
type Remembered = (Instant, Seen, Arc<OnceCell<Arc<Reach>>>);

/// Whom issues are for, as it was counted lately.
#[derive(Clone, Default)]
pub struct Reaches(Arc<Mutex<HashMap<i64, Remembered>>>);

impl Reaches {
    /// Whoever asks while somebody else does waits for the same answer.
    pub async fn of(&self, app: &App, opened: &Opened, seen: &Seen) -> Result<Arc<Reach>, Error> {
        let id = opened.issue.id;
        let cell = {
            let mut all = self.lock();
            all.retain(|_, (since, ..)| since.elapsed() < REMEMBERED);
            match all.get(&id).filter(|(_, was, _)| was == seen) {
                Some((.., cell)) => Arc::clone(cell),
                None => {
                    let cell = Arc::<OnceCell<_>>::default();
                    if all.len() < MOST_REMEMBERED || all.contains_key(&id) {
                        all.insert(id, (Instant::now(), seen.clone(), Arc::clone(&cell)));
                    }
                    cell
                }
            }
        };
        let count = async || start::reach(app, &opened.newsletter, &opened.issue).await.map(Arc::new);
        Ok(Arc::clone(cell.get_or_try_init(count).await?))
    }

    pub fn forget(&self, id: i64) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
