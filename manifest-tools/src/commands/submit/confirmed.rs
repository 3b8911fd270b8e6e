//! Which renames of a plan have arrived in the queue.

use std::collections::BTreeMap;

/// Positions in a plan, counted from 0: all up to one, and the stretches
/// behind it that were quicker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Confirmed {
    /// Everything before this position.
    prefix: u64,
    /// Stretches behind it: where each starts, and the position after its
    /// last. They neither touch each other nor the prefix.
    beyond: BTreeMap<u64, u64>,
}

impl Confirmed {
    /// From a checkpoint: a number of renames from the start, and stretches of
    /// (first, count).
    pub(super) fn new(prefix: u64, beyond: &[(u64, u64)]) -> Self {
        let mut confirmed = Self {
            prefix,
            beyond: BTreeMap::new(),
        };
        for (first, count) in beyond {
            confirmed.add(*first, *count);
        }
        confirmed
    }

    /// Takes in `count` renames from the position `first` on.
    pub(super) fn add(&mut self, first: u64, count: u64) {
        let mut start = first;
        let mut end = first.saturating_add(count);
        if end <= start {
            return;
        }
        if let Some((before, upto)) = self.beyond.range(..=start).next_back()
            && *upto >= start
        {
            (start, end) = (*before, end.max(*upto));
        }
        while let Some((next, upto)) = self.beyond.range(start..=end).next() {
            let (next, upto) = (*next, *upto);
            self.beyond.remove(&next);
            end = end.max(upto);
        }
        if start <= self.prefix {
            self.prefix = self.prefix.max(end);
        } else {
            self.beyond.insert(start, end);
        }
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        let beyond: u64 = self.beyond.iter().map(|(start, end)| end - start).sum();
        self.prefix + beyond
    }

    /// The position after the last one that it has.
    pub(super) fn end(&self) -> u64 {
        self.beyond
            .values()
            .next_back()
            .copied()
            .unwrap_or(self.prefix)
    }

    /// How many there are from the start without a gap.
    pub(super) fn prefix(&self) -> u64 {
        self.prefix
    }

    /// The stretches behind the first gap: (first, count).
    pub(super) fn beyond(&self) -> Vec<(u64, u64)> {
        let stretches = self.beyond.iter();
        stretches
            .map(|(start, end)| (*start, end - start))
            .collect()
    }

    /// True when the rename at this position has arrived.
    pub(super) fn has(&self, position: u64) -> bool {
        position < self.prefix
            || self
                .beyond
                .range(..=position)
                .next_back()
                .is_some_and(|(_, end)| position < *end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn stretches_grow_together_in_any_order() {
        let mut confirmed = Confirmed::default();
        for first in [20, 0, 40, 30] {
            confirmed.add(first, 10);
        }
        assert_eq!(
            (confirmed.prefix(), confirmed.beyond()),
            (10, vec![(20, 30)])
        );
        assert_eq!((confirmed.count(), confirmed.end()), (40, 50));
        confirmed.add(10, 10);
        assert_eq!((confirmed.prefix(), confirmed.beyond()), (50, vec![]));
    }

    #[test]
    fn it_is_the_set_of_what_was_added() {
        let mut random = 7_u64;
        let mut draw = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let (mut confirmed, mut model) = (Confirmed::default(), BTreeSet::new());
            for _ in 0..40 {
                let (first, count) = (draw(100), draw(8));
                confirmed.add(first, count);
                model.extend(first..first + count);
                let found: BTreeSet<u64> = (0..120).filter(|at| confirmed.has(*at)).collect();
                assert_eq!(found, model);
                assert_eq!(confirmed.count(), model.len() as u64);
                let again = Confirmed::new(confirmed.prefix(), &confirmed.beyond());
                assert_eq!(again, confirmed);
                assert!(!model.contains(&confirmed.prefix()));
            }
        }
    }
}
