//! The time: the system's, or one that a test sets.
//!
//! Everything that needs to know what time it is takes a [`Clock`]; clippy refuses any other way (`clippy.toml`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::calendar::Timestamp;

/// Tells the time. Cloning is cheap, and clones of a test clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// The system's clock, moved by so many milliseconds (0 but in tests and rehearsals).
    System { offset: i64 },
    /// A time that stands still until a test moves it.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System { offset: 0 })
    }

    /// A clock that reads `start` now and runs on from there.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Source::System { offset: start.millis() - system_millis() })
    }

    /// A clock that stands at `time` until it is moved with [`Clock::set`].
    pub fn fixed(time: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(time.millis()))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { offset } => Timestamp::from_millis(system_millis() + offset),
            Source::Fixed(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock, and every clone of it. A running clock is left as it is.
    pub fn set(&self, time: Timestamp) {
        if let Source::Fixed(millis) = &self.0 {
            millis.store(time.millis(), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_millis() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is wrong anyway; zero is as good an answer as any.
    since_epoch.map_or(0, |duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
