//! Sorting byte strings of any length, more of them than memory holds: full
//! chunks are sorted and written as runs, and the runs are merged as they are
//! read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::spill::{Extent, Spill, SpillError};

/// The length of a string on disk, in bytes; its key is before it.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Written at a time, in bytes, or somewhat more.
const WRITE_BYTES: usize = 256 * 1024;

/// Read of a run at a time, at most and at least, in bytes.
const READ_BYTES: std::ops::RangeInclusive<usize> = 4 * 1024..=256 * 1024;

/// A key and its string.
pub type Keyed<'a, const K: usize> = ([u8; K], &'a [u8]);

/// Takes byte strings with keys of `K` bytes, in any order.
pub struct ByteSorter<const K: usize> {
    place: Place,
    /// Memory for strings, in bytes.
    limit: usize,
    chunk: Chunk<K>,
    runs: Vec<Extent>,
}

/// Where runs are written.
enum Place {
    /// In a file that is made for the first of them.
    Folder(PathBuf),
    File(Spill),
}

impl Place {
    fn file(&mut self) -> Result<Spill, SpillError> {
        let spill = match self {
            Self::File(spill) => return Ok(spill.clone()),
            Self::Folder(folder) => Spill::new(std::mem::take(folder))?,
        };
        *self = Self::File(spill.clone());
        Ok(spill)
    }
}

/// Strings in memory.
struct Chunk<const K: usize> {
    bytes: Vec<u8>,
    order: Vec<Ordered<K>>,
}

/// A string in memory: its key, and where it is.
struct Ordered<const K: usize> {
    key: [u8; K],
    start: usize,
    length: u32,
}

impl<const K: usize> Chunk<K> {
    fn get(&self, index: usize) -> Option<Keyed<'_, K>> {
        let Ordered { key, start, length } = self.order.get(index)?;
        Some((*key, &self.bytes[*start..][..*length as usize]))
    }

    fn memory(&self) -> usize {
        self.bytes.len() + self.order.len() * size_of::<Ordered<K>>()
    }

    fn sort(&mut self) {
        self.order.sort_unstable_by_key(|ordered| ordered.key);
    }
}

impl<const K: usize> ByteSorter<K> {
    /// Sorts with about `memory` bytes, and in a temporary file in `folder`,
    /// or the system's folder for such files, once there is more.
    #[must_use]
    pub fn new(folder: Option<&PathBuf>, memory: usize) -> Self {
        Self::at(Place::Folder(crate::spill::folder(folder)), memory)
    }

    /// Sorts with about `memory` bytes, and on `spill`.
    pub(crate) fn on(spill: &Spill, memory: usize) -> Self {
        Self::at(Place::File(spill.clone()), memory)
    }

    fn at(place: Place, limit: usize) -> Self {
        let (bytes, order) = (Vec::new(), Vec::new());
        Self {
            place,
            limit,
            chunk: Chunk { bytes, order },
            runs: Vec::new(),
        }
    }

    /// Adds a string, of less than 4 GiB.
    ///
    /// # Errors
    /// [`SpillError`].
    pub fn push(&mut self, key: [u8; K], bytes: &[u8]) -> Result<(), SpillError> {
        let Ok(length) = u32::try_from(bytes.len()) else {
            return Err(self.place.file()?.error(io::ErrorKind::FileTooLarge.into()));
        };
        let start = self.chunk.bytes.len();
        self.chunk.order.push(Ordered { key, start, length });
        self.chunk.bytes.extend_from_slice(bytes);
        if self.chunk.memory() >= self.limit {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SpillError> {
        let (spill, chunk) = (self.place.file()?, &mut self.chunk);
        chunk.sort();
        let run = chunk.bytes.len() + chunk.order.len() * (K + LENGTH_BYTES);
        let run = spill.reserve(run);
        let (mut bytes, mut at) = (Vec::with_capacity(WRITE_BYTES), run.at);
        for Ordered { key, start, length } in &chunk.order {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&chunk.bytes[*start..][..*length as usize]);
            if bytes.len() >= WRITE_BYTES {
                spill.write(&bytes, at)?;
                at += bytes.len() as u64;
                bytes.clear();
            }
        }
        spill.write(&bytes, at)?;
        self.runs.push(run);
        chunk.bytes.clear();
        chunk.order.clear();
        Ok(())
    }

    /// All strings in the order of their keys; those of the same key in any.
    ///
    /// # Errors
    /// [`SpillError`].
    pub fn finish(mut self) -> Result<SortedBytes<K>, SpillError> {
        if self.runs.is_empty() {
            self.chunk.sort();
            return Ok(SortedBytes(Sorted::Memory(Arc::new(self.chunk))));
        }
        if !self.chunk.order.is_empty() {
            self.write_run()?;
        }
        let each = self.limit / self.runs.len();
        Ok(SortedBytes(Sorted::Runs {
            spill: self.place.file()?,
            runs: self.runs,
            each: each.clamp(*READ_BYTES.start(), *READ_BYTES.end()),
        }))
    }
}

/// Byte strings in the order of their keys, to be read as often as one likes.
pub struct SortedBytes<const K: usize>(Sorted<K>);

enum Sorted<const K: usize> {
    /// They all had room.
    Memory(Arc<Chunk<K>>),
    /// They are on disk, in sorted runs, of which so many bytes are read at a
    /// time.
    Runs {
        spill: Spill,
        runs: Vec<Extent>,
        each: usize,
    },
}

impl<const K: usize> SortedBytes<K> {
    /// Reads them from the first.
    ///
    /// # Errors
    /// [`SpillError`].
    pub fn read(&self) -> Result<SortedReader<K>, SpillError> {
        let (spill, extents, each) = match &self.0 {
            Sorted::Memory(chunk) => {
                let (chunk, at) = (Arc::clone(chunk), 0);
                return Ok(SortedReader(Reading::Memory { chunk, at }));
            }
            Sorted::Runs { spill, runs, each } => (spill, runs, *each),
        };
        let mut merge = Merge {
            spill: spill.clone(),
            runs: Vec::with_capacity(extents.len()),
            next: BinaryHeap::with_capacity(extents.len()),
            last: None,
        };
        for (index, rest) in extents.iter().enumerate() {
            merge.runs.push(Run {
                rest: *rest,
                each,
                read: Vec::new(),
                at: 0,
            });
            merge.queue(index)?;
        }
        Ok(SortedReader(Reading::Merge(merge)))
    }
}

/// Reads byte strings in the order of their keys.
pub struct SortedReader<const K: usize>(Reading<K>);

enum Reading<const K: usize> {
    Memory { chunk: Arc<Chunk<K>>, at: usize },
    Merge(Merge<K>),
}

impl<const K: usize> SortedReader<K> {
    /// The next string and its key; `None` after the last.
    ///
    /// # Errors
    /// [`SpillError`].
    #[expect(
        clippy::should_implement_trait,
        reason = "what it returns is borrowed from it"
    )]
    pub fn next(&mut self) -> Result<Option<Keyed<'_, K>>, SpillError> {
        match &mut self.0 {
            Reading::Memory { chunk, at } => {
                let next = chunk.get(*at);
                *at += 1;
                Ok(next)
            }
            Reading::Merge(merge) => merge.next(),
        }
    }
}

struct Merge<const K: usize> {
    spill: Spill,
    runs: Vec<Run>,
    next: BinaryHeap<Reverse<([u8; K], usize)>>,
    /// The run that the last string came from.
    last: Option<usize>,
}

impl<const K: usize> Merge<K> {
    fn next(&mut self) -> Result<Option<Keyed<'_, K>>, SpillError> {
        if let Some(index) = self.last.take() {
            self.queue(index)?;
        }
        let Some(Reverse((key, index))) = self.next.pop() else {
            return Ok(None);
        };
        self.last = Some(index);
        let run = &mut self.runs[index];
        let length = run.number(&self.spill)?;
        Ok(Some((key, run.take(&self.spill, length)?)))
    }

    /// Puts a run's next string in line.
    fn queue(&mut self, index: usize) -> Result<(), SpillError> {
        let run = &mut self.runs[index];
        if !run.is_over() {
            let mut key = [0; K];
            key.copy_from_slice(run.take(&self.spill, K)?);
            self.next.push(Reverse((key, index)));
        }
        Ok(())
    }
}

/// A sorted run on disk, and what was read of it.
struct Run {
    rest: Extent,
    each: usize,
    read: Vec<u8>,
    at: usize,
}

impl Run {
    fn is_over(&self) -> bool {
        self.at == self.read.len() && self.rest.bytes == 0
    }

    fn number(&mut self, spill: &Spill) -> Result<usize, SpillError> {
        let mut number = [0; LENGTH_BYTES];
        number.copy_from_slice(self.take(spill, LENGTH_BYTES)?);
        Ok(u32::from_le_bytes(number) as usize)
    }

    /// The next so many bytes.
    fn take(&mut self, spill: &Spill, bytes: usize) -> Result<&[u8], SpillError> {
        if self.read.len() - self.at < bytes {
            self.read.drain(..self.at);
            self.at = 0;
            let kept = self.read.len();
            let more = self.each.max(bytes - kept).min(self.rest.bytes);
            self.read.resize(kept + more, 0);
            spill.read(&mut self.read[kept..], self.rest.at)?;
            self.rest.at += more as u64;
            self.rest.bytes -= more;
        }
        let from = self.at;
        self.at += bytes;
        // The file is ours alone; somebody has written into it.
        let altered = || spill.error(io::ErrorKind::InvalidData.into());
        self.read.get(from..self.at).ok_or_else(altered)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of it, in the order in which it is read.
    fn all(sorted: &SortedBytes<2>) -> Vec<([u8; 2], Vec<u8>)> {
        let (mut reader, mut read) = (sorted.read().unwrap(), Vec::new());
        while let Some((key, bytes)) = reader.next().unwrap() {
            read.push((key, bytes.to_vec()));
        }
        assert!(reader.next().unwrap().is_none());
        read
    }

    proptest! {
        #[test]
        fn everything_comes_back_in_order_whatever_the_memory_and_as_often_as_it_is_read(
            mut strings in prop::collection::vec(
                (any::<[u8; 2]>(), prop::collection::vec(any::<u8>(), 0..60)),
                0..300,
            ),
            long in prop::option::of(0_usize..20_000),
            memory in 0_usize..9_000,
        ) {
            strings.extend(long.map(|bytes| ([7, 7], vec![1; bytes])));
            let mut sorter = ByteSorter::new(None, memory);
            for (key, bytes) in &strings {
                sorter.push(*key, bytes).unwrap();
            }
            let sorted = sorter.finish().unwrap();
            let read = all(&sorted);
            prop_assert!(read.is_sorted_by_key(|(key, _)| *key));
            prop_assert_eq!(all(&sorted), read.clone());
            let mut read = read;
            read.sort();
            strings.sort();
            prop_assert_eq!(read, strings);
        }
    }

    #[test]
    fn what_has_room_in_memory_needs_no_folder() {
        let nowhere = PathBuf::from("/nowhere");
        let mut sorter = ByteSorter::new(Some(&nowhere), 1000);
        sorter.push([1, 2], b"some").unwrap();
        assert_eq!(all(&sorter.finish().unwrap()), [([1, 2], b"some".to_vec())]);

        let mut sorter = ByteSorter::new(Some(&nowhere), 1000);
        let error = sorter.push([1, 2], &[0; 1000]).unwrap_err();
        assert_eq!(error.folder, nowhere);
    }
}
