//! Which rows of a job have ended, and how, in two bits each.

use std::collections::HashMap;

use rebucket_protocol::{JobId, Outcome, TaskId, Timestamp};

use super::{OutcomesError, Report};

/// The bytes of a block.
const BLOCK_BYTES: usize = 4096;

/// The rows of a byte.
const BYTE_ROWS: u64 = 4;

/// The rows of a block.
const BLOCK_ROWS: u64 = BLOCK_BYTES as u64 * BYTE_ROWS;

/// How a row of a manifest has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowEnd {
    /// It is renamed, by whichever delivery.
    Done,
    /// Skipped.
    Skipped,
    /// Failed.
    Failed,
}

impl From<Outcome> for RowEnd {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Renamed | Outcome::AlreadyRenamed => Self::Done,
            Outcome::Skipped => Self::Skipped,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// How the rows of a job have ended; a quarter of a byte for each row, in
/// blocks where there are any.
#[derive(Debug, Default)]
pub struct RowEnds {
    blocks: HashMap<u64, Box<[u8; BLOCK_BYTES]>>,
    ended: u64,
    failed: u64,
    last: Option<Timestamp>,
}

/// The block of a row, and in it the byte, and in that the lowest bit.
fn place(row: u64) -> (u64, usize, u32) {
    let byte = row / BYTE_ROWS;
    let block = row / BLOCK_ROWS;
    // Less than the bytes of a block.
    let byte = usize::try_from(byte % BLOCK_BYTES as u64).unwrap_or_default();
    let bit = [0, 2, 4, 6][(row % BYTE_ROWS) as usize];
    (block, byte, bit)
}

impl RowEnds {
    /// How a row has ended, if it has.
    #[must_use]
    pub fn get(&self, row: u64) -> Option<RowEnd> {
        let (block, byte, bit) = place(row);
        match self.blocks.get(&block)?[byte] >> bit & 3 {
            0 => None,
            1 => Some(RowEnd::Done),
            2 => Some(RowEnd::Skipped),
            _ => Some(RowEnd::Failed),
        }
    }

    /// How many rows have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// When the last of them ended, by the clock of the process that recorded
    /// it.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Says how and when a row has ended. Once.
    fn set(&mut self, row: u64, end: RowEnd, at: Timestamp) {
        self.ended += 1;
        self.failed += u64::from(end == RowEnd::Failed);
        self.last = self.last.max(Some(at));
        let (block, byte, bit) = place(row);
        let block = self.blocks.entry(block);
        let block = block.or_insert_with(|| Box::new([0; BLOCK_BYTES]));
        let end: u8 = match end {
            RowEnd::Done => 1,
            RowEnd::Skipped => 2,
            RowEnd::Failed => 3,
        };
        block[byte] |= end << bit;
    }
}

impl Report {
    /// How the rows of a job's manifest have ended, in the one submission that
    /// was read.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub fn row_ends(&self, job: &JobId) -> Result<RowEnds, OutcomesError> {
        let mut ends = RowEnds::default();
        for outcome in self.outcomes()? {
            let outcome = outcome?;
            // Other tasks are somebody else's.
            let row = outcome.task.row();
            let row = row.filter(|row| TaskId::for_row(job, *row) == outcome.task);
            if let Some(row) = row {
                ends.set(row, outcome.outcome.into(), outcome.ended);
            }
        }
        Ok(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_told_from_its_neighbours() {
        let ways = [
            None,
            Some(RowEnd::Done),
            Some(RowEnd::Skipped),
            Some(RowEnd::Failed),
        ];
        let rows = || (0..3 * BLOCK_ROWS).chain([u64::MAX - 1, u64::MAX]);
        // Neighbours differ, and so do the same places of two blocks.
        let way = |row: u64| ways[((row ^ (row >> 3) ^ (row / BLOCK_ROWS)) % 4) as usize];
        let mut ends = RowEnds::default();
        let at = Timestamp::from_unix(0, 0).unwrap();
        for row in rows() {
            if let Some(end) = way(row) {
                ends.set(row, end, at);
            }
        }
        let count = |which: fn(RowEnd) -> bool| {
            let ended = rows().filter_map(way).filter(|end| which(*end));
            ended.count() as u64
        };
        assert_eq!(ends.ended(), count(|_| true));
        assert_eq!(ends.failed(), count(|end| end == RowEnd::Failed));
        for row in rows() {
            assert_eq!(ends.get(row), way(row), "row {row}");
        }
        assert_eq!(ends.get(5 * BLOCK_ROWS), None);
    }
}
