//! Sorting more than memory holds: full chunks are sorted and written as runs,
//! and the runs are merged as they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::spill::{Extent, Spill, SpillError};

/// What is sorted: numbers, compared one after the other.
pub(crate) type Entry<const N: usize = 3> = [u64; N];

/// The bytes of an entry of three numbers on disk.
pub(crate) const ENTRY_BYTES: usize = size_of::<Entry>();

/// Read of a run at a time, at most and at least, in bytes.
const READ_BYTES: std::ops::RangeInclusive<usize> = 4 * 1024..=64 * 1024;

/// Appends an entry as it is on disk.
pub(crate) fn write_entry<const N: usize>(out: &mut Vec<u8>, entry: &Entry<N>) {
    for number in entry {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The entries of `bytes`, a whole number of them.
pub(crate) fn entries<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = Entry<N>> + '_ {
    bytes.chunks_exact(size_of::<Entry<N>>()).map(|bytes| {
        let mut entry = [0; N];
        for (number, bytes) in entry.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut le = [0; 8];
            le.copy_from_slice(bytes);
            *number = u64::from_le_bytes(le);
        }
        entry
    })
}

/// Takes entries in any order.
pub(crate) struct Sorter<const N: usize = 3> {
    spill: Spill,
    chunk: Vec<Entry<N>>,
    /// Entries in memory at most.
    limit: usize,
    runs: Vec<Extent>,
}

impl<const N: usize> Sorter<N> {
    /// The bytes of an entry on disk.
    const BYTES: usize = size_of::<Entry<N>>();

    /// The entries that are written or read at a time, at most.
    const PIECE: usize = *READ_BYTES.end() / Self::BYTES;

    /// Sorts with about `memory` bytes.
    pub(crate) fn new(spill: &Spill, memory: usize) -> Self {
        Self {
            spill: spill.clone(),
            chunk: Vec::new(),
            limit: (memory / Self::BYTES).max(64),
            runs: Vec::new(),
        }
    }

    /// Adds what another one has taken, which sorted on the same spill.
    pub(crate) fn absorb(&mut self, other: Self) -> Result<(), SpillError> {
        self.runs.extend(other.runs);
        other
            .chunk
            .into_iter()
            .try_for_each(|entry| self.push(entry))
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: Entry<N>) -> Result<(), SpillError> {
        if self.chunk.len() == self.limit {
            self.write_run()?;
        }
        self.chunk.push(entry);
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SpillError> {
        self.chunk.sort_unstable();
        let run = self.spill.reserve(self.chunk.len() * Self::BYTES);
        let (mut bytes, mut at) = (Vec::with_capacity(*READ_BYTES.end()), run.at);
        for piece in self.chunk.chunks(Self::PIECE) {
            bytes.clear();
            for entry in piece {
                write_entry(&mut bytes, entry);
            }
            self.spill.write(&bytes, at)?;
            at += bytes.len() as u64;
        }
        self.runs.push(run);
        self.chunk.clear();
        Ok(())
    }

    /// All entries in their order.
    pub(crate) fn finish(mut self) -> Result<Sorted<N>, SpillError> {
        if self.runs.is_empty() {
            self.chunk.sort_unstable();
            return Ok(Sorted::Chunk(self.chunk.into_iter()));
        }
        if !self.chunk.is_empty() {
            self.write_run()?;
        }
        let memory = self.limit * Self::BYTES;
        drop(self.chunk);
        let each = (memory / self.runs.len()).clamp(*READ_BYTES.start(), *READ_BYTES.end());
        // Whole entries.
        let each = (each / Self::BYTES).max(1) * Self::BYTES;
        let mut merge = Merge {
            spill: self.spill,
            runs: Vec::with_capacity(self.runs.len()),
            next: BinaryHeap::with_capacity(self.runs.len()),
        };
        for (index, extent) in self.runs.into_iter().enumerate() {
            merge.runs.push(Run {
                rest: extent,
                each,
                read: Vec::new().into_iter(),
            });
            if let Some(entry) = merge.runs[index].next(&merge.spill)? {
                merge.next.push(Reverse((entry, index)));
            }
        }
        Ok(Sorted::Merge(merge))
    }
}

/// Entries in their order.
pub(crate) enum Sorted<const N: usize = 3> {
    /// They all had room in memory.
    Chunk(std::vec::IntoIter<Entry<N>>),
    /// They are on disk.
    Merge(Merge<N>),
}

pub(crate) struct Merge<const N: usize> {
    spill: Spill,
    runs: Vec<Run<N>>,
    next: BinaryHeap<Reverse<(Entry<N>, usize)>>,
}

struct Run<const N: usize> {
    rest: Extent,
    each: usize,
    read: std::vec::IntoIter<Entry<N>>,
}

impl<const N: usize> Run<N> {
    fn next(&mut self, spill: &Spill) -> Result<Option<Entry<N>>, SpillError> {
        if let Some(entry) = self.read.next() {
            return Ok(Some(entry));
        }
        let mut bytes = vec![0; self.each.min(self.rest.bytes)];
        spill.read(&mut bytes, self.rest.at)?;
        self.rest.at += bytes.len() as u64;
        self.rest.bytes -= bytes.len();
        self.read = entries(&bytes).collect::<Vec<_>>().into_iter();
        Ok(self.read.next())
    }
}

impl<const N: usize> Iterator for Sorted<N> {
    type Item = Result<Entry<N>, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Chunk(entries) => entries.next().map(Ok),
            Self::Merge(merge) => {
                let Reverse((entry, index)) = merge.next.pop()?;
                match merge.runs[index].next(&merge.spill) {
                    Ok(Some(next)) => merge.next.push(Reverse((next, index))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                }
                Some(Ok(entry))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_comes_back_in_order_whatever_the_memory(
            mut entries in prop::collection::vec(any::<[u8; 3]>(), 0..2000),
            memory in 0_usize..30_000,
            parts in 1_usize..4,
        ) {
            let spill = Spill::new(std::env::temp_dir()).unwrap();
            let mut all = Sorter::new(&spill, memory);
            for part in entries.chunks(entries.len().div_ceil(parts).max(1)) {
                let mut sorter = Sorter::new(&spill, memory / 2);
                for entry in part {
                    sorter.push(entry.map(u64::from)).unwrap();
                }
                all.absorb(sorter).unwrap();
            }
            let sorted: Vec<Entry> = all.finish().unwrap().map(Result::unwrap).collect();
            entries.sort_unstable();
            prop_assert_eq!(sorted, entries.iter().map(|e| e.map(u64::from)).collect::<Vec<_>>());
        }
    }
}
