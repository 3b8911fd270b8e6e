//! Linked rows, sorted on disk: segments want them in another order than the
//! manifest's.

use crate::plan::PlannedRename;
use crate::plan::block::{BadBlock, BlockDecoder, BlockEncoder};
use crate::sorted_bytes::{ByteSorter, SortedReader};
use crate::spill::{Spill, SpillError};

/// The bytes of a key, which are compared from the first.
const KEY_BYTES: usize = size_of::<u64>();

/// Takes rows in any order.
pub(super) struct RowSorter {
    encoder: BlockEncoder,
    rows: ByteSorter<KEY_BYTES>,
}

impl RowSorter {
    /// Sorts with about `memory` bytes.
    pub(super) fn new(spill: &Spill, memory: usize) -> Self {
        Self {
            encoder: BlockEncoder::default(),
            rows: ByteSorter::on(spill, memory),
        }
    }

    /// Adds a row. No two have the same key.
    pub(super) fn push(&mut self, key: u64, row: &PlannedRename) -> Result<(), SpillError> {
        // Each stands for itself, to be read alone.
        self.encoder.clear();
        self.encoder.push(row.into());
        self.rows.push(key.to_be_bytes(), self.encoder.payload())
    }

    /// All rows in the order of their keys.
    pub(super) fn finish(self) -> Result<SortedRows, SpillError> {
        Ok(SortedRows {
            rows: self.rows.finish()?.read()?,
            decoder: BlockDecoder::default(),
        })
    }
}

/// Rows in the order of their keys.
pub(super) struct SortedRows {
    rows: SortedReader<KEY_BYTES>,
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
    fn read(&mut self) -> Result<Option<(u64, PlannedRename)>, Unreadable> {
        let Some((key, payload)) = self.rows.next()? else {
            return Ok(None);
        };
        self.decoder.load(|loaded| {
            loaded.extend_from_slice(payload);
            Ok::<(), BadBlock>(())
        })?;
        if !self.decoder.advance()? {
            return Err(BadBlock.into());
        }
        Ok(Some((u64::from_be_bytes(key), self.decoder.rename()?)))
    }
}

impl Iterator for SortedRows {
    type Item = Result<(u64, PlannedRename), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests;
