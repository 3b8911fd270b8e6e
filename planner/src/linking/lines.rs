//! Lines of linked rows, and their places among each other.

use std::collections::BTreeMap;

/// Lines of a page.
const LINES: u64 = 4096;

/// A set of lines in a bit each, in pages, of which only those are there that
/// have a line.
#[derive(Default)]
pub(super) struct Lines {
    pages: BTreeMap<u64, Page>,
    /// Whether all pages know how many lines are before them.
    numbered: bool,
}

struct Page {
    bits: Box<[u64; 64]>,
    /// Lines of the pages before.
    before: u32,
}

impl Lines {
    /// Memory that a page takes at most, in bytes.
    pub(super) const PAGE_BYTES: usize = 640;

    /// Adds a line.
    pub(super) fn insert(&mut self, line: u64) {
        let page = self.pages.entry(line / LINES).or_insert_with(|| Page {
            bits: Box::new([0; 64]),
            before: 0,
        });
        page.bits[word(line)] |= bit(line);
        self.numbered = false;
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Numbers the lines, from 0. `None` when there are more than `u32` counts.
    pub(super) fn number(&mut self) -> Option<u32> {
        let mut before = 0_u32;
        for page in self.pages.values_mut() {
            page.before = before;
            let lines: u32 = page.bits.iter().map(|word| word.count_ones()).sum();
            before = before.checked_add(lines)?;
        }
        self.numbered = true;
        Some(before)
    }

    /// The number of a line, once they are numbered.
    pub(super) fn place(&self, line: u64) -> Option<u32> {
        let page = self.pages.get(&(line / LINES)).filter(|_| self.numbered)?;
        let before = page.bits[..word(line)].iter();
        let lower = page.bits[word(line)] & (bit(line) - 1);
        let known = page.bits[word(line)] & bit(line) != 0;
        let lines: u32 = before.map(|word| word.count_ones()).sum();
        known.then_some(page.before + lines + lower.count_ones())
    }

    /// All lines in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.pages.iter().flat_map(|(page, content)| {
            let first = page * LINES;
            (first..first + LINES).filter(|line| content.bits[word(*line)] & bit(*line) != 0)
        })
    }
}

fn word(line: u64) -> usize {
    // Below 64: a page has so many words.
    (line % LINES / 64) as usize
}

fn bit(line: u64) -> u64 {
    1 << (line % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_numbered_in_their_order(
            set in prop::collection::btree_set(
                prop_oneof![0_u64..9000, 4_000_000_000..4_000_000_100_u64], 0..500,
            ),
        ) {
            let mut lines = Lines::default();
            // In any order, and twice.
            for line in set.iter().rev().chain(&set) {
                lines.insert(*line);
            }
            prop_assert_eq!(lines.number(), u32::try_from(set.len()).ok());
            prop_assert!(lines.iter().eq(set.iter().copied()));
            for (number, line) in (0..).zip(&set) {
                prop_assert_eq!(lines.place(*line), Some(number));
            }
            let others: BTreeSet<u64> = (0..9000).filter(|line| !set.contains(line)).collect();
            prop_assert!(others.iter().all(|line| lines.place(*line).is_none()));
        }
    }
}
