//! `--rate`: when the next batch may go. Pure; the clock is the caller's.

use std::time::Duration;

use tokio::time::Instant;

/// An even pace of so many messages a second. What was not sent in time is not
/// made up for later, so there is never a burst.
#[derive(Debug)]
pub(super) struct Pace {
    a_second: Option<u32>,
    next: Instant,
}

impl Pace {
    /// `None` for no limit.
    pub(super) fn new(a_second: Option<u32>, now: Instant) -> Self {
        Self {
            a_second,
            next: now,
        }
    }

    /// When the next batch may go; in the past when it may go at once.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// So many messages go now.
    pub(super) fn spend(&mut self, messages: usize, now: Instant) {
        if let Some(a_second) = self.a_second {
            let messages = u32::try_from(messages).unwrap_or(u32::MAX);
            let takes = Duration::from_secs(1) * messages / a_second.max(1);
            self.next = self.next.max(now) + takes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_any_size_keep_the_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(50), start);
        let mut now = start;
        let mut sent = 0;
        for size in [10, 1, 7, 10, 10, 3].repeat(100) {
            now = now.max(pace.next());
            pace.spend(size, now);
            sent += size;
        }
        let took = pace.next() - start;
        assert_eq!(took, Duration::from_secs(sent as u64) / 50);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(10), start);
        pace.spend(10, start);
        let later = start + Duration::from_mins(1);
        assert!(pace.next() < later);
        pace.spend(10, later);
        assert_eq!(pace.next(), later + Duration::from_secs(1));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(None, start);
        pace.spend(1_000_000, start);
        assert_eq!(pace.next(), start);
    }
}
