//! Time, as the models see it: they never read a clock, they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// The whole seconds since 1970: what S3 shows of a date.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }
}

impl std::ops::Add<Duration> for Millis {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// Where the servers take the time from. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicU64>>,
    /// Milliseconds by which it is ahead of the machine's.
    ahead: i64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, set ahead by so many seconds, or back.
    #[must_use]
    pub fn system_ahead(seconds: i64) -> Self {
        Self {
            manual: None,
            ahead: seconds.saturating_mul(1_000),
        }
    }

    /// A clock that only [`Clock::advance`] moves.
    #[must_use]
    pub fn manual(start: Millis) -> Self {
        Self {
            manual: Some(Arc::new(AtomicU64::new(start.0))),
            ahead: 0,
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Millis {
        if let Some(clock) = &self.manual {
            return Millis(clock.load(Ordering::SeqCst));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        Millis(now.saturating_add_signed(self.ahead))
    }

    /// Moves a manual clock; the machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(clock) = &self.manual {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            clock.fetch_add(by, Ordering::SeqCst);
        }
    }
}
