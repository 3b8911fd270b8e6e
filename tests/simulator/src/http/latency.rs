//! How long a request takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::random::Random;

/// A time, and how much longer it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// Always.
    pub fixed: Duration,
    /// At most that much more, evenly spread.
    pub jitter: Duration,
}

impl Delay {
    /// Always the same.
    #[must_use]
    pub fn fixed(fixed: Duration) -> Self {
        Self {
            fixed,
            jitter: Duration::ZERO,
        }
    }

    /// Up to `jitter` longer.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }
}

/// The time before a request is applied, by operation. Clones share it.
#[derive(Debug, Clone)]
pub struct Latency {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    every: Delay,
    operations: BTreeMap<String, Delay>,
    random: Random,
}

impl Latency {
    pub(super) fn new(seed: u64) -> Self {
        let state = State {
            every: Delay::default(),
            operations: BTreeMap::new(),
            random: Random::new(seed),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// For every operation that has none of its own.
    pub fn set(&self, delay: Delay) {
        self.change(|state| state.every = delay);
    }

    /// For one operation.
    pub fn set_for(&self, operation: &str, delay: Delay) {
        self.change(|state| {
            state.operations.insert(operation.to_owned(), delay);
        });
    }

    pub(super) fn draw(&self, operation: &str) -> Duration {
        self.change(|state| {
            let delay = state
                .operations
                .get(operation)
                .copied()
                .unwrap_or(state.every);
            let micros = usize::try_from(delay.jitter.as_micros()).unwrap_or(usize::MAX);
            let more = match micros {
                0 => 0,
                some => state.random.below(some.saturating_add(1)),
            };
            delay.fixed + Duration::from_micros(u64::try_from(more).unwrap_or(u64::MAX))
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
