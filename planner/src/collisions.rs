//! What can only be told over the whole manifest: names that are the source or
//! the destination of two rows, or the source of one and the destination of
//! another.
//!
//! Mentions are dealt out to partitions by their hash, so that all mentions of
//! a name are in one. A partition that has room in memory is sorted there; one
//! that has not (a name in every row, say) is sorted on disk.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::names::{Mention, Mentioned};
use crate::sorted::{ENTRY_BYTES, Entry, Sorted, Sorter, entries, write_entry};
use crate::spill::{Extent, Spill, SpillError};

const PARTITIONS: usize = 256;

/// What two rows have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CollisionKind {
    /// The source of this row is the source of an earlier one.
    Source,
    /// The destination of this row is the destination of an earlier one.
    Destination,
    /// The destination of this row is the source of another.
    Chain,
    /// Some endpoints take this row's destination for another row's source.
    FoldsOntoSource,
    /// Some endpoints take this row's destination for another row's.
    FoldsOntoDestination,
}

/// A row that collides with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collision {
    pub(crate) line: u64,
    pub(crate) kind: CollisionKind,
    /// The other row's line.
    pub(crate) other: u64,
}

impl Collision {
    fn entry(self) -> Entry {
        [self.line, self.kind as u64, self.other]
    }

    fn of(entry: Entry) -> Self {
        let kind = match entry[1] {
            0 => CollisionKind::Source,
            1 => CollisionKind::Destination,
            2 => CollisionKind::Chain,
            3 => CollisionKind::FoldsOntoSource,
            _ => CollisionKind::FoldsOntoDestination,
        };
        Self {
            line: entry[0],
            kind,
            other: entry[2],
        }
    }
}

/// All mentions of a manifest.
pub(crate) struct Mentions<'s> {
    spill: &'s Spill,
    partitions: Vec<Partition>,
    /// Of a partition, in bytes, before they are written to disk.
    buffer: usize,
    memory: usize,
}

#[derive(Default)]
struct Partition {
    /// The last mentions.
    buffer: Vec<u8>,
    /// The others.
    written: Vec<Extent>,
}

impl Partition {
    fn len(&self) -> usize {
        let written: usize = self.written.iter().map(|extent| extent.bytes).sum();
        (written + self.buffer.len()) / ENTRY_BYTES
    }
}

impl<'s> Mentions<'s> {
    /// Uses about `memory` bytes, here and in [`collide`](Self::collide).
    pub(crate) fn new(spill: &'s Spill, memory: usize) -> Self {
        let entries = memory / 4 / PARTITIONS / ENTRY_BYTES;
        Self {
            spill,
            partitions: std::iter::repeat_with(Partition::default)
                .take(PARTITIONS)
                .collect(),
            buffer: entries.clamp(16, 5461) * ENTRY_BYTES,
            memory,
        }
    }

    /// Adds a mention.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), SpillError> {
        let partition = &mut self.partitions[usize::from(entry[0].to_be_bytes()[0])];
        write_entry(&mut partition.buffer, entry);
        if partition.buffer.len() >= self.buffer {
            partition
                .written
                .push(self.spill.append(&partition.buffer)?);
            partition.buffer.clear();
        }
        Ok(())
    }

    /// Every collision, by line, found by so many threads.
    pub(crate) fn collide(self, threads: usize) -> Result<Sorted, SpillError> {
        let each = self.memory / 2 / threads.max(1);
        let found = Mutex::new(Sorter::new(self.spill, self.memory / 4));
        let (spill, next) = (self.spill, AtomicUsize::new(0));
        let partitions: Vec<Mutex<Partition>> =
            self.partitions.into_iter().map(Mutex::new).collect();
        let work = || -> Result<(), SpillError> {
            let mut scratch = Vec::new();
            let mut chunk = Vec::new();
            while let Some(partition) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
                let partition = std::mem::take(&mut *lock(partition));
                let mut groups = Groups::default();
                let mut look = |entry: Entry| groups.look(entry, &found);
                if partition.len() * ENTRY_BYTES <= each {
                    chunk.clear();
                    chunk.reserve_exact(partition.len());
                    partition.read(spill, &mut scratch, |entry| {
                        chunk.push(entry);
                        Ok(())
                    })?;
                    chunk.sort_unstable();
                    chunk.iter().try_for_each(|entry| look(*entry))?;
                } else {
                    chunk = Vec::new();
                    let mut sorter = Sorter::new(spill, each);
                    partition.read(spill, &mut scratch, |entry| sorter.push(entry))?;
                    for entry in sorter.finish()? {
                        look(entry?)?;
                    }
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                let ended = other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                done = done.and(ended);
            }
            done
        })?;
        found
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .finish()
    }
}

/// A panic in another thread ends this one too, by `join`; until then what is
/// behind the lock is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Partition {
    fn read(
        &self,
        spill: &Spill,
        scratch: &mut Vec<u8>,
        mut take: impl FnMut(Entry) -> Result<(), SpillError>,
    ) -> Result<(), SpillError> {
        for extent in &self.written {
            scratch.resize(extent.bytes, 0);
            spill.read(scratch, extent.at)?;
            entries(scratch).try_for_each(&mut take)?;
        }
        entries(&self.buffer).try_for_each(take)
    }
}

/// Collisions in entries that come in their order; remembers no more than a
/// few lines of a name, however often it is there.
#[derive(Default)]
struct Groups {
    hash: [u64; 2],
    /// The lines of the first sources.
    sources: [Option<u64>; 2],
    destination: Option<u64>,
    folded_source: Option<Mentioned>,
    folded_destination: Option<Mentioned>,
}

impl Groups {
    fn look(&mut self, entry: Entry, found: &Mutex<Sorter>) -> Result<(), SpillError> {
        let hash = [entry[0], entry[1]];
        if self.hash != hash {
            *self = Self {
                hash,
                ..Self::default()
            };
        }
        let this = Mentioned::of(&entry);
        let report = |line: u64, kind: CollisionKind, other: u64| {
            lock(found).push(Collision { line, kind, other }.entry())
        };
        match this.mention {
            Mention::Source => match self.sources {
                [None, _] => self.sources[0] = Some(this.line),
                [Some(first), second] => {
                    self.sources[1] = second.or(Some(this.line));
                    report(this.line, CollisionKind::Source, first)?;
                }
            },
            Mention::Destination => {
                if let Some(first) = self.destination {
                    report(this.line, CollisionKind::Destination, first)?;
                } else {
                    self.destination = Some(this.line);
                }
                // A rename to itself is reported as such, not as a chain.
                let mut sources = self.sources.iter().flatten();
                if let Some(source) = sources.find(|source| **source != this.line) {
                    report(this.line, CollisionKind::Chain, *source)?;
                }
            }
            Mention::FoldedSource => {
                if self.folded_source.is_none() {
                    self.folded_source = Some(this);
                    if let Some(line) = self.destination {
                        report(line, CollisionKind::FoldsOntoSource, this.line)?;
                    }
                }
            }
            Mention::FoldedDestination => {
                let another = |folded: Option<Mentioned>| {
                    folded
                        .filter(|folded| folded.tag != this.tag)
                        .map(|folded| folded.line)
                };
                if let Some(source) = self.sources[0].or_else(|| another(self.folded_source)) {
                    report(this.line, CollisionKind::FoldsOntoSource, source)?;
                } else if let Some(other) = self
                    .destination
                    .or_else(|| another(self.folded_destination))
                {
                    report(this.line, CollisionKind::FoldsOntoDestination, other)?;
                }
                self.folded_destination.get_or_insert(this);
            }
        }
        Ok(())
    }
}

/// Back from what [`Mentions::collide`] sorted.
pub(crate) fn collisions(sorted: Sorted) -> impl Iterator<Item = Result<Collision, SpillError>> {
    sorted.map(|entry| entry.map(Collision::of))
}

#[cfg(test)]
mod tests;
