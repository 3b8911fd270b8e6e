//! Sorting more than memory holds: full chunks are sorted and written as runs,
//! and the runs are merged as they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::spill::{Extent, Spill, SpillError};

/// What is sorted: three numbers, compared one after the other.
pub(crate) type Entry = [u64; 3];

/// The bytes of an entry on disk.
pub(crate) const ENTRY_BYTES: usize = size_of::<Entry>();

/// Read of a run at a time, at most and at least, in bytes.
const READ_BYTES: std::ops::RangeInclusive<usize> = 170 * ENTRY_BYTES..=2730 * ENTRY_BYTES;

/// Appends an entry as it is on disk.
pub(crate) fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    for number in entry {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The entries of `bytes`, a whole number of them.
pub(crate) fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let number = |bytes: &[u8], at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(number)
    };
    bytes
        .chunks_exact(ENTRY_BYTES)
        .map(move |bytes| [number(bytes, 0), number(bytes, 8), number(bytes, 16)])
}

/// Takes entries in any order.
pub(crate) struct Sorter<'s> {
    spill: &'s Spill,
    chunk: Vec<Entry>,
    /// Entries in memory at most.
    limit: usize,
    runs: Vec<Extent>,
}

impl<'s> Sorter<'s> {
    /// Sorts with about `memory` bytes.
    pub(crate) fn new(spill: &'s Spill, memory: usize) -> Self {
        Self {
            spill,
            chunk: Vec::new(),
            limit: (memory / ENTRY_BYTES).max(64),
            runs: Vec::new(),
        }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), SpillError> {
        if self.chunk.len() == self.limit {
            self.write_run()?;
        }
        self.chunk.push(entry);
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SpillError> {
        self.chunk.sort_unstable();
        let run = self.spill.reserve(self.chunk.len() * ENTRY_BYTES);
        let (mut bytes, mut at) = (Vec::with_capacity(*READ_BYTES.end()), run.at);
        for piece in self.chunk.chunks(READ_BYTES.end() / ENTRY_BYTES) {
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
    pub(crate) fn finish(mut self) -> Result<Sorted<'s>, SpillError> {
        if self.runs.is_empty() {
            self.chunk.sort_unstable();
            return Ok(Sorted::Chunk(self.chunk.into_iter()));
        }
        if !self.chunk.is_empty() {
            self.write_run()?;
        }
        let memory = self.limit * ENTRY_BYTES;
        drop(self.chunk);
        let each = (memory / self.runs.len() / ENTRY_BYTES * ENTRY_BYTES)
            .clamp(*READ_BYTES.start(), *READ_BYTES.end());
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
            if let Some(entry) = merge.runs[index].next(merge.spill)? {
                merge.next.push(Reverse((entry, index)));
            }
        }
        Ok(Sorted::Merge(merge))
    }
}

/// Entries in their order.
pub(crate) enum Sorted<'s> {
    /// They all had room in memory.
    Chunk(std::vec::IntoIter<Entry>),
    /// They are on disk.
    Merge(Merge<'s>),
}

pub(crate) struct Merge<'s> {
    spill: &'s Spill,
    runs: Vec<Run>,
    next: BinaryHeap<Reverse<(Entry, usize)>>,
}

struct Run {
    rest: Extent,
    each: usize,
    read: std::vec::IntoIter<Entry>,
}

impl Run {
    fn next(&mut self, spill: &Spill) -> Result<Option<Entry>, SpillError> {
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

impl Iterator for Sorted<'_> {
    type Item = Result<Entry, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Chunk(entries) => entries.next().map(Ok),
            Self::Merge(merge) => {
                let Reverse((entry, index)) = merge.next.pop()?;
                match merge.runs[index].next(merge.spill) {
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
        ) {
            let spill = Spill::new(std::env::temp_dir()).unwrap();
            let mut sorter = Sorter::new(&spill, memory);
            for entry in &entries {
                sorter.push(entry.map(u64::from)).unwrap();
            }
            let sorted: Vec<Entry> = sorter.finish().unwrap().map(Result::unwrap).collect();
            entries.sort_unstable();
            prop_assert_eq!(sorted, entries.iter().map(|e| e.map(u64::from)).collect::<Vec<_>>());
        }
    }
}
