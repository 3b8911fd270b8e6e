//! Linked rows, sorted on disk: segments want them in another order than the
//! manifest's.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::plan::PlannedRename;
use crate::plan::block::{BadBlock, BlockDecoder, BlockEncoder};
use crate::spill::{Extent, Spill, SpillError};

/// Before each row on disk: its key, and its length in bytes.
const HEAD_BYTES: usize = 12;

/// Memory for each row of a run, besides what it has on disk.
const ORDER_BYTES: usize = size_of::<Ordered>();

/// Written at a time, in bytes, or somewhat more.
const WRITE_BYTES: usize = 256 * 1024;

/// Read of a run at a time, at most and at least, in bytes.
const READ_BYTES: std::ops::RangeInclusive<usize> = 4 * 1024..=256 * 1024;

/// A row in memory: its key, and where it is.
struct Ordered {
    key: u64,
    start: usize,
    length: u32,
}

/// Takes rows in any order.
pub(super) struct RowSorter {
    spill: Spill,
    /// Memory for rows, in bytes.
    limit: usize,
    encoder: BlockEncoder,
    rows: Vec<u8>,
    order: Vec<Ordered>,
    runs: Vec<Extent>,
}

impl RowSorter {
    /// Sorts with about `memory` bytes.
    pub(super) fn new(spill: &Spill, memory: usize) -> Self {
        Self {
            spill: spill.clone(),
            limit: memory,
            encoder: BlockEncoder::default(),
            rows: Vec::new(),
            order: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a row. No two have the same key.
    pub(super) fn push(&mut self, key: u64, row: &PlannedRename) -> Result<(), SpillError> {
        // Each stands for itself, to be read alone.
        self.encoder.clear();
        self.encoder.push(row.into());
        let payload = self.encoder.payload();
        self.order.push(Ordered {
            key,
            start: self.rows.len(),
            // A row has two names and a few pins.
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        });
        self.rows.extend_from_slice(payload);
        if self.rows.len() + self.order.len() * ORDER_BYTES >= self.limit {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SpillError> {
        self.order.sort_unstable_by_key(|row| row.key);
        let run = self.rows.len() + self.order.len() * HEAD_BYTES;
        let run = self.spill.reserve(run);
        let (mut bytes, mut at) = (Vec::with_capacity(WRITE_BYTES), run.at);
        for row in &self.order {
            bytes.extend_from_slice(&row.key.to_le_bytes());
            bytes.extend_from_slice(&row.length.to_le_bytes());
            bytes.extend_from_slice(&self.rows[row.start..][..row.length as usize]);
            if bytes.len() >= WRITE_BYTES {
                self.spill.write(&bytes, at)?;
                at += bytes.len() as u64;
                bytes.clear();
            }
        }
        self.spill.write(&bytes, at)?;
        self.runs.push(run);
        self.rows.clear();
        self.order.clear();
        Ok(())
    }

    /// All rows in the order of their keys.
    pub(super) fn finish(mut self) -> Result<SortedRows, Unreadable> {
        self.write_run()?;
        let each = self.limit / self.runs.len();
        let each = each.clamp(*READ_BYTES.start(), *READ_BYTES.end());
        drop((self.rows, self.order));
        let mut sorted = SortedRows {
            spill: self.spill,
            runs: Vec::with_capacity(self.runs.len()),
            next: BinaryHeap::with_capacity(self.runs.len()),
            decoder: BlockDecoder::default(),
        };
        for (index, rest) in self.runs.into_iter().enumerate() {
            let mut run = Run {
                rest,
                each,
                read: Vec::new(),
                at: 0,
            };
            if let Some(key) = run.key(&sorted.spill)? {
                sorted.next.push(Reverse((key, index)));
            }
            sorted.runs.push(run);
        }
        Ok(sorted)
    }
}

/// Rows in the order of their keys.
pub(super) struct SortedRows {
    spill: Spill,
    runs: Vec<Run>,
    next: BinaryHeap<Reverse<(u64, usize)>>,
    decoder: BlockDecoder,
}

/// Why a row cannot be read back.
pub(super) enum Unreadable {
    Spill(SpillError),
    Altered(BadBlock),
}

impl From<SpillError> for Unreadable {
    fn from(error: SpillError) -> Self {
        Self::Spill(error)
    }
}

impl From<BadBlock> for Unreadable {
    fn from(error: BadBlock) -> Self {
        Self::Altered(error)
    }
}

impl SortedRows {
    fn read(&mut self, key: u64, index: usize) -> Result<(u64, PlannedRename), Unreadable> {
        let run = &mut self.runs[index];
        let payload = run.row(&self.spill)?;
        self.decoder.load(|loaded| {
            loaded.extend_from_slice(payload);
            Ok::<(), BadBlock>(())
        })?;
        if !self.decoder.advance()? {
            return Err(BadBlock.into());
        }
        let row = self.decoder.rename()?;
        if let Some(key) = run.key(&self.spill)? {
            self.next.push(Reverse((key, index)));
        }
        Ok((key, row))
    }
}

impl Iterator for SortedRows {
    type Item = Result<(u64, PlannedRename), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, index)) = self.next.pop()?;
        Some(self.read(key, index))
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
    /// The key of the next row; `None` at the end.
    fn key(&mut self, spill: &Spill) -> Result<Option<u64>, Unreadable> {
        if self.at == self.read.len() && self.rest.bytes == 0 {
            return Ok(None);
        }
        let key = self.take(spill, size_of::<u64>())?;
        let key = key.try_into().map(u64::from_le_bytes);
        key.map(Some).map_err(|_| BadBlock.into())
    }

    /// The row whose key was read.
    fn row(&mut self, spill: &Spill) -> Result<&[u8], Unreadable> {
        let length = self.take(spill, size_of::<u32>())?;
        let length = length.try_into().map(u32::from_le_bytes);
        let length = length.map_err(|_| BadBlock)?;
        self.take(spill, length as usize)
    }

    /// The next so many bytes.
    fn take(&mut self, spill: &Spill, bytes: usize) -> Result<&[u8], Unreadable> {
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
        self.read.get(from..self.at).ok_or(BadBlock.into())
    }
}

#[cfg(test)]
mod tests;
