//! How many batches may be in flight: as many as are answered as quickly as
//! few are. Pure; the clock is the caller's.

use std::time::Duration;

use tokio::time::Instant;

/// Batches in flight at the beginning. Fewer would leave a queue idle whenever
/// this process has to wait for a processor.
const FIRST: usize = 16;

/// More are allowed while answers take at most so many times as long as the
/// quickest ones did. Beyond it a service only queues what it is sent.
const TOLERATED: u32 = 3;

/// After so many rounds at which more would only have waited in line, the
/// quickest answer is measured anew: the way to the queue may have changed.
const ROUNDS_HELD: u32 = 256;

/// The limit on batches in flight. It is raised after as many answers as it
/// allows at a time: doubled, until something spoke against it, then by one.
/// It is halved when the queue throttles, at most once for what was under way
/// at the time.
#[derive(Debug)]
pub(super) struct Controller {
    limit: usize,
    most: usize,
    /// Nothing spoke against more yet.
    doubling: bool,
    /// The mean time of the quickest round of answers.
    quickest: Option<Duration>,
    /// Rounds that were too slow for more.
    held: u32,
    answers: u32,
    waited: Duration,
    cut: Option<Instant>,
}

impl Controller {
    /// At most `most` in flight, at least 1.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            limit: FIRST.min(most),
            most,
            doubling: true,
            quickest: None,
            held: 0,
            answers: 0,
            waited: Duration::ZERO,
            cut: None,
        }
    }

    /// How many batches may be in flight.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A request that was sent at `sent` was answered at `now`.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) {
        self.answers += 1;
        self.waited += now.saturating_duration_since(sent);
        if (self.answers as usize) < self.limit {
            return;
        }
        let mean = self.waited / self.answers;
        (self.answers, self.waited) = (0, Duration::ZERO);
        let quickest = self.quickest.map_or(mean, |quickest| mean.min(quickest));
        self.quickest = Some(quickest);
        if mean <= quickest * TOLERATED {
            let more = if self.doubling { self.limit } else { 1 };
            self.limit = (self.limit + more).min(self.most);
            return;
        }
        self.doubling = false;
        self.held += 1;
        if self.held >= ROUNDS_HELD {
            let cut = self.cut;
            *self = Self::new(self.most);
            self.cut = cut;
        }
    }

    /// The queue refused or lost a request that was sent at `sent`, at `now`.
    pub(super) fn throttled(&mut self, sent: Instant, now: Instant) {
        if self.cut.is_some_and(|cut| sent < cut) {
            return;
        }
        self.cut = Some(now);
        self.doubling = false;
        self.limit = (self.limit / 2).max(1);
        (self.answers, self.waited) = (0, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue that answers `at_once` requests side by side within `takes`,
    /// and lets further ones wait in line; and that throttles beyond
    /// `refuses`.
    struct Line {
        now: Instant,
        takes: Duration,
        at_once: usize,
        refuses: usize,
    }

    impl Line {
        fn new(at_once: usize, refuses: usize) -> Self {
            Self {
                now: Instant::now(),
                takes: Duration::from_millis(10),
                at_once,
                refuses,
            }
        }

        /// Keeps as many in flight as are allowed for some rounds. The limits.
        fn rounds(&mut self, controller: &mut Controller, rounds: usize) -> Vec<usize> {
            (0..rounds).map(|_| self.round(controller)).collect()
        }

        fn round(&mut self, controller: &mut Controller) -> usize {
            let (sent, flying) = (self.now, controller.limit());
            for index in 0..flying.min(self.refuses) {
                let turns = u32::try_from(index / self.at_once).unwrap() + 1;
                self.now = sent + self.takes * turns;
                controller.answered(sent, self.now);
            }
            for _ in self.refuses..flying {
                controller.throttled(sent, self.now);
            }
            controller.limit()
        }
    }

    #[test]
    fn it_goes_up_quickly_to_the_most_that_is_allowed() {
        let mut controller = Controller::new(50);
        assert_eq!(controller.limit(), 16);
        let limits = Line::new(1000, 1000).rounds(&mut controller, 3);
        assert_eq!(limits, [32, 50, 50]);
        let mut controller = Controller::new(1);
        assert_eq!(Line::new(1000, 1000).rounds(&mut controller, 3), [1, 1, 1]);
    }

    #[test]
    fn it_stops_where_more_would_only_wait_in_line() {
        let mut controller = Controller::new(1000);
        let limits = Line::new(4, 1000).rounds(&mut controller, 1000);
        // Enough to keep the queue busy nearly all of the time, and never many
        // times that.
        assert!(limits.iter().all(|limit| *limit <= 64), "{limits:?}");
        let busy = limits.iter().filter(|limit| **limit >= 8).count();
        assert!(busy >= 980, "{busy}: {limits:?}");
    }

    #[test]
    fn it_halves_when_throttled_and_finds_its_way_back() {
        let mut controller = Controller::new(1000);
        let mut line = Line::new(1000, 20);
        let limits = line.rounds(&mut controller, 2);
        // 32 are too many: half of it, once, though 12 were refused.
        assert_eq!(limits, [32, 16]);
        let later = line.rounds(&mut controller, 40);
        assert!(
            later.iter().all(|limit| (10..=21).contains(limit)),
            "{later:?}"
        );
        assert!(later.contains(&20) && later.contains(&10), "{later:?}");
        line.refuses = 0;
        let shut = line.rounds(&mut controller, 10);
        assert_eq!(shut.last(), Some(&1), "{shut:?}");
        line.refuses = 1000;
        line.rounds(&mut controller, 100);
        assert!(controller.limit() >= 100);
    }

    #[test]
    fn a_longer_way_is_got_used_to() {
        let mut controller = Controller::new(256);
        let mut line = Line::new(1000, 1000);
        line.rounds(&mut controller, 3);
        line.takes *= 10;
        let limits = line.rounds(&mut controller, 3);
        assert_eq!(limits, [128, 128, 128]);
        line.rounds(&mut controller, 300);
        assert_eq!(controller.limit(), 256);
    }
}
