//! What a standard queue is allowed to do and seldom does: duplicates, another
//! order, late messages, deleted messages that come again.

use std::time::Duration;

/// Seeded misbehaviour of one queue. Probabilities are between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Disorder {
    /// That a delivered message is delivered once more while it is in flight.
    pub duplicate: f64,
    /// That a receive takes messages from anywhere in the queue.
    pub reorder: f64,
    /// That a message due for delivery is held back by [`Disorder::late_by`].
    pub late: f64,
    /// How long a late message is held back.
    pub late_by: Duration,
    /// That a deleted message is delivered once more.
    pub undead: f64,
    /// Where the pseudo-random numbers start.
    pub seed: u64,
}

impl Default for Disorder {
    fn default() -> Self {
        Self {
            duplicate: 0.0,
            reorder: 0.0,
            late: 0.0,
            late_by: Duration::from_secs(1),
            undead: 0.0,
            seed: 0,
        }
    }
}

/// What a request with an old receipt handle does, while a newer delivery of
/// the same message exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Success is reported; nothing happens.
    Ignore,
    /// `InvalidParameterValue`.
    Refuse,
    /// As if the handle were the newest.
    Obey,
}

/// How a standard queue treats old receipt handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleHandles {
    /// Of deletes. On AWS, [`Stale::Ignore`].
    pub delete: Stale,
    /// Of visibility changes.
    pub extend: Stale,
}

impl Default for StaleHandles {
    fn default() -> Self {
        Self {
            delete: Stale::Ignore,
            extend: Stale::Refuse,
        }
    }
}

/// A disorder at work.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    pub(super) disorder: Disorder,
    numbers: crate::random::Random,
}

impl Dice {
    pub(super) fn new(disorder: Disorder) -> Self {
        let numbers = crate::random::Random::new(disorder.seed);
        Self { disorder, numbers }
    }

    pub(super) fn chance(&mut self, of: impl Fn(&Disorder) -> f64) -> bool {
        let probability = of(&self.disorder);
        self.numbers.chance(probability)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.numbers.below(bound)
    }
}
